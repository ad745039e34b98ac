/* post.c: owns `core.post`: its options, the wait, the results. Must not know why something is posted. Runs on the
 * thread of the Lua state; on_answer runs within mw_loop_run and touches no Lua. */
#include "mw/post.h"

#include <stdlib.h>

#include "arguments_private.h"
#include "client_private.h"

/* The box of a post. */
typedef struct post_box {
    mw__waiter waiter;
    mw_post *post;     /* until it has an answer */
    mw_answer *answer; /* a copy in one block, or NULL when there was no memory for it */
} post_box;

static void on_answer(const mw_answer *answer, void *ud)
{
    post_box *box = ud;
    box->post = NULL;
    box->answer = mw__lua_answer_copy(answer);
    mw__lua_wake(&box->waiter);
}

static void release_post(mw__waiter *waiter)
{
    post_box *box = (post_box *)waiter;
    mw_post_cancel(box->post);
    free(box->answer);
    box->post = NULL;
    box->answer = NULL;
}

/* Stack: options, box. */
static int answered(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    (void)kctx;
    mw_lua *ctx = mw__lua_ctx(L);
    post_box *box = lua_touserdata(L, 2);
    mw__lua_waited(L, ctx, &box->waiter, "post");
    const mw_answer *answer = box->answer;
    if (!answer)
        return mw__lua_raise(L, ctx, MW_MEMORY, "post", "post: %s", mw_err_text(MW_MEMORY));
    if (answer->code != MW_OK)
        return mw__lua_error_raise(L, ctx,
                                   &(mw__failure){.code = answer->code,
                                                  .operation = "post",
                                                  .message = answer->message,
                                                  .answer = answer});
    lua_pushinteger(L, answer->status);
    lua_pushlstring(L, answer->body, answer->body_length);
    mw__lua_box_release(&box->waiter); /* the answer may be large: don't wait for the collector */
    return 2;
}

/* Takes headers and body out of the options at 1; leaves above them what keeps their strings. [-0, +2, raises] */
static void take_message(lua_State *L, mw_lua *ctx, mw_post_options *options, mw_header *headers)
{
    int type = mw__lua_options_take(L, 1, "body");
    if (type != LUA_TSTRING && type != LUA_TNIL)
        mw__lua_raise(L, ctx, MW_INVALID, "post", "post: option 'body' must be a string, got %s",
                      mw__lua_got(L, -1));
    if (type == LUA_TSTRING)
        options->body = lua_tolstring(L, -1, &options->body_length);
    type = mw__lua_options_take(L, 1, "headers");
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TTABLE)
        mw__lua_raise(L, ctx, MW_INVALID, "post", "post: option 'headers' must be a table, got %s",
                      mw__lua_got(L, -1));
    int count = mw__lua_headers_read(L, lua_gettop(L), headers);
    if (count < 0)
        mw__lua_raise(L, ctx, MW_INVALID, "post", "post: %s", lua_tostring(L, -1));
    lua_remove(L, -2);
    options->headers = headers;
    options->header_count = (size_t)count;
}

/* core.post{ url, headers, body, timeout, max_body, loopback } -> status, body
 *
 * One HTTP POST of exactly these bytes, sent once and on a connection of its own: no redirects, no proxy, no second
 * try. Waits as every call does; a task that is cancelled gives it up.
 *
 * `url`: http or https, without a user. `headers`: { name = string, number or list of them }, without those that
 * follow from URL and body. `body`: a string [""]. `timeout`: seconds for all of it [5]. `max_body`: bytes of the
 * answer's body [65536]. `loopback`: only connect to addresses of this machine (127.0.0.0/8, ::1), whatever the name
 * is said to be [false].
 *
 * Returns the status, any there is, and the body of the answer. Raises "invalid" (an option), "denied" (an address
 * that is not loopback; the script is sandboxed), "network", "timeout", "tls", "too_large", "memory" or "cancelled".
 * The error's `sent` says whether the request left ("no", "unknown"). [-1, +2, raises] */
static int l_post(lua_State *L)
{
    static const mw__option rows[] = {
        {"url", MW__OPT_STRING, offsetof(mw_post_options, url)},
        {"headers", MW__OPT_TABLE, 0}, /* taken out before, as is the body: here to be known */
        {"body", MW__OPT_STRING, 0},
        {"timeout", MW__OPT_SECONDS, offsetof(mw_post_options, timeout_ms)},
        {"max_body", MW__OPT_COUNT64, offsetof(mw_post_options, max_body)},
        {"loopback", MW__OPT_BOOLEAN, offsetof(mw_post_options, loopback)},
        {NULL, MW__OPT_STRING, 0},
    };
    mw_lua *ctx = mw__lua_ctx(L);
    mw_post_options options = {0};
    mw_header headers[MW__MAX_HEADERS];
    mw_error error = {0};
    char digits[24];
    mw__lua_unconfined(L, ctx, "post",
                       "post: a sandboxed script can't post to URLs of its own; run it with "
                       "--sandbox=off to do so");
    lua_settop(L, 1);
    if (lua_type(L, 1) != LUA_TTABLE)
        return mw__lua_raise(L, ctx, MW_INVALID, "post",
                             "post: expected a table of options, got %s", mw__lua_got(L, 1));
    mw__lua_options_own(L, 1);
    post_box *box = mw__lua_box_new(L, ctx, sizeof *box, 0, release_post);
    box->waiter.passive = true;
    lua_toclose(L, 2);
    take_message(L, ctx, &options, headers);
    mw__lua_options(L, ctx, 1, "post", rows, &options, digits);
    if (!options.url)
        return mw__lua_raise(L, ctx, MW_INVALID, "post", "post: option 'url' is missing");
    mw__lua_begin(L, ctx, "post");
    if (mw_post_start(ctx->loop, &options, on_answer, box, &box->post, &error) != MW_OK)
        return mw__lua_raise_core(L, ctx, &error, "post");
    lua_settop(L, 2);
    return mw__lua_wait(L, ctx, &box->waiter, answered, 0);
}

void mw__lua_open_post(lua_State *L, mw_lua *ctx)
{
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_post, 1);
    lua_setfield(L, -2, "post");
}
