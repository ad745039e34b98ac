/* server_request.c: owns one request to a server of Lua: its task, the handler's call and the answer. Must not know
 * routes or services. Runs on the thread of the Lua state; mw__serving_on_request also runs within mw_loop_run and
 * touches no Lua. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arguments_private.h"
#include "server_private.h"

/* The box of a request's task. */
typedef struct serving_box {
    mw__waiter waiter;
    mw__serving *serving;
} serving_box;

static const mw_header json_type = {.name = "Content-Type", .value = "application/json"};

static void serving_free(mw__serving *s)
{
    if (s->link) {
        *s->link = s->next;
        if (s->next)
            s->next->link = s->link;
    }
    free(s->in);
    free(s);
}

/* Copies a text to *at, NUL-ended, and moves on. */
static const char *pack(char **at, const char *text, size_t length)
{
    char *copy = *at;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    *at += length + 1;
    return copy;
}

/* The request in one block of its own; NULL when there is no memory for it. */
static mw_incoming *copy_incoming(const mw_incoming *in)
{
    size_t size = sizeof *in + in->header_count * sizeof(mw_header);
    size += strlen(in->peer) + strlen(in->verb) + strlen(in->target) + in->body_length + 4;
    for (size_t i = 0; i < in->header_count; i++)
        size += strlen(in->headers[i].name) + strlen(in->headers[i].value) + 2;
    mw_incoming *copy = malloc(size);
    if (!copy)
        return NULL;
    *copy = *in;
    mw_header *headers = (mw_header *)(copy + 1);
    char *at = (char *)(headers + in->header_count);
    for (size_t i = 0; i < in->header_count; i++) {
        headers[i].name = pack(&at, in->headers[i].name, strlen(in->headers[i].name));
        headers[i].value = pack(&at, in->headers[i].value, strlen(in->headers[i].value));
    }
    copy->headers = headers;
    copy->peer = pack(&at, in->peer, strlen(in->peer));
    copy->verb = pack(&at, in->verb, strlen(in->verb));
    copy->target = pack(&at, in->target, strlen(in->target));
    copy->body = pack(&at, in->body, in->body_length);
    return copy;
}

/* The exchange, which is gone for everybody else, whatever comes of it. */
static mw_exchange *take_exchange(mw__serving *s)
{
    mw_exchange *exchange = s->exchange;
    s->exchange = NULL;
    return exchange;
}

/* A failure behind the handler's back or in it. The exchange is gone afterwards. */
static void answer_failure(mw__serving *s, int status, const char *body)
{
    mw_exchange *exchange = take_exchange(s);
    if (exchange)
        mw_exchange_answer(exchange, status, &json_type, 1, body, strlen(body));
}

static void answer_500(mw__serving *s)
{
    answer_failure(s, 500, "{\"error\":\"internal error\"}");
}

static void release_serving(mw__waiter *waiter)
{
    mw__serving *s = ((serving_box *)waiter)->serving;
    ((serving_box *)waiter)->serving = NULL;
    answer_500(s);
    serving_free(s);
}

/* ---- the answer ---- */

/* The { cut = bytes } at `index`, SIZE_MAX for nil. [-0, +0, raises] */
static size_t read_cut(lua_State *L, int index)
{
    if (lua_isnil(L, index))
        return SIZE_MAX;
    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "the handler's fourth value is a %s, not a table", luaL_typename(L, index));
    lua_pushliteral(L, "cut");
    lua_rawget(L, index);
    int is_integer;
    lua_Integer cut = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || cut < 0)
        luaL_error(L, "the handler's 'cut' is not an integer from 0 but %s",
                   luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return (size_t)cut;
}

/* Whether the answer says itself what its body is. */
static bool is_typed(const mw_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, json_type.name) == 0)
            return true;
    return false;
}

/* (nil, "drop" or "reset", ...): ends the exchange without an answer and returns true. [-0, +0, -] */
static bool drop(lua_State *L, mw__serving *s)
{
    const char *how = lua_isnil(L, 1) && lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    bool reset = strcmp(how, "reset") == 0;
    if (!reset && strcmp(how, "drop") != 0)
        return false;
    mw_exchange *exchange = take_exchange(s);
    if (exchange)
        mw_exchange_drop(exchange, reset);
    return true;
}

/* (status, headers, body, { cut = bytes }, serving): answers. [-0, +0, raises] */
static int l_reply(lua_State *L)
{
    mw__serving *s = lua_touserdata(L, 5);
    mw_header headers[MW__MAX_HEADERS + 1];
    int count = 0, is_integer;
    size_t length = 0;
    if (drop(L, s))
        return 0;
    lua_Integer status = lua_tointegerx(L, 1, &is_integer);
    if (!is_integer || status < 200 || status > 599)
        return luaL_error(L, "the handler's status is not an integer from 200 to 599 but %s",
                          luaL_tolstring(L, 1, NULL));
    if (!lua_isnil(L, 3) && lua_type(L, 3) != LUA_TSTRING)
        return luaL_error(L, "the handler's body is a %s, not a string", luaL_typename(L, 3));
    const char *body = lua_isnil(L, 3) ? "" : lua_tolstring(L, 3, &length);
    if (!lua_isnil(L, 2) && lua_type(L, 2) != LUA_TTABLE)
        return luaL_error(L, "the handler's headers are a %s, not a table", luaL_typename(L, 2));
    size_t cut = read_cut(L, 4);
    if (lua_type(L, 2) == LUA_TTABLE)
        count = mw__lua_headers_read(L, 2, headers);
    if (count < 0)
        return lua_error(L);
    if (length > 0 && !is_typed(headers, (size_t)count))
        headers[count++] = json_type;
    mw_exchange *exchange = take_exchange(s);
    if (exchange &&
        mw_exchange_cut(exchange, (int)status, headers, (size_t)count, body, length, cut) != MW_OK)
        return luaL_error(L, "the handler's headers hold characters that are not allowed");
    return 0;
}

/* ---- the task of a request ---- */

/* Message handler: any error value as text with a traceback. [-0, +1, memory] */
static int l_trace(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* The text at the top as a line of the log, with what was asked for: the request at 3 may have been tampered with.
 * [-0, +1, memory] */
static void log_failure(lua_State *L, mw_lua *ctx)
{
    static const char *const keys[] = {"method", "target"};
    const char *names[2];
    const char *text = lua_tostring(L, -1);
    size_t length;
    for (int i = 0; i < 2; i++) {
        lua_pushstring(L, keys[i]);
        lua_rawget(L, 3);
        names[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    }
    text = lua_pushfstring(L, "server: %s %s: %s", names[0], names[1], text ? text : "failed");
    length = lua_rawlen(L, -1);
    mw__lua_log(ctx, "error", text, length);
}

/* After the handler; stack: box, message handler, request, then the handler's results or its error. */
static int l_served(lua_State *L, int status, lua_KContext kctx)
{
    (void)kctx;
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    mw__serving *s = ((serving_box *)lua_touserdata(L, 1))->serving;
    if (status == LUA_OK || status == LUA_YIELD) {
        lua_pushcfunction(L, l_reply);
        lua_insert(L, 4);
        lua_pushlightuserdata(L, s);
        status = lua_pcall(L, 5, 0, 2);
    }
    if (status != LUA_OK) {
        answer_500(s);
        log_failure(L, ctx);
    }
    return 0;
}

/* (box, request, handler): the function of a request's task. [-0, +0, memory] */
static int l_request(lua_State *L)
{
    lua_toclose(L, 1);
    lua_pushcfunction(L, l_trace);
    lua_insert(L, 2);
    lua_pushvalue(L, 3);
    return l_served(L, lua_pcallk(L, 1, 4, 2, 0, l_served), 0);
}

/* [-0, +0, memory] */
static void set_text(lua_State *L, const char *name, const char *text, size_t length)
{
    lua_pushlstring(L, text, length);
    lua_setfield(L, -2, name);
}

/* The request as the handler gets it. [-0, +1, memory] */
static void push_request(lua_State *L, const mw_incoming *in)
{
    const char *query = strchr(in->target, '?');
    size_t path = query ? (size_t)(query - in->target) : strlen(in->target);
    lua_createtable(L, 0, 7);
    set_text(L, "peer", in->peer, strlen(in->peer));
    set_text(L, "method", in->verb, strlen(in->verb));
    set_text(L, "target", in->target, strlen(in->target));
    set_text(L, "path", in->target, path);
    set_text(L, "query", query ? query + 1 : "", query ? strlen(query + 1) : 0);
    set_text(L, "body", in->body, in->body_length);
    lua_createtable(L, 0, (int)in->header_count);
    for (size_t i = 0; i < in->header_count; i++) {
        const mw_header *header = &in->headers[i];
        if (lua_getfield(L, -1, header->name) == LUA_TSTRING)
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), header->value);
        else
            lua_pushstring(L, header->value);
        lua_setfield(L, -3, header->name);
        lua_pop(L, 1);
    }
    lua_setfield(L, -2, "headers");
}

/* (serving): makes the request and its task. Whatever allocates may run a finalizer that closes the server.
 * [-0, +0, memory] */
static int l_start(lua_State *L)
{
    mw__serving *s = lua_touserdata(L, 1);
    mw__server *server = s->server;
    mw_lua *ctx = server->ctx;
    mw__lua_slot_push(L, ctx, MW__ANCHORS);
    lua_rawgetp(L, -1, server);
    int self = lua_gettop(L);
    lua_getiuservalue(L, self, 2);
    serving_box *box = mw__lua_box_new(L, ctx, sizeof *box, 0, release_serving);
    box->serving = s;
    s->boxed = true;
    push_request(L, s->in);
    free(s->in);
    s->in = NULL;
    lua_getiuservalue(L, self, 1);
    if (s->exchange)
        mw__lua_task_spawn(L, ctx, 3);
    else
        mw__lua_box_release(&box->waiter);
    return 0;
}

/* The job of a request. [-0, +0, raises] */
static void start(lua_State *L, mw_lua *ctx, mw__job *job)
{
    mw__serving *s = (mw__serving *)job;
    s->started = true;
    lua_pushcfunction(L, l_start);
    lua_pushlightuserdata(L, s);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return;
    if (!s->boxed) { /* else its box answers */
        answer_failure(s, 503, "{\"error\":\"out of memory\"}");
        serving_free(s);
    }
    const char *text = lua_tostring(L, -1);
    mw__lua_log(ctx, "error", text ? text : "server: failed", text ? strlen(text) : 14);
    lua_pop(L, 1);
}

/* From within mw_loop_run: no Lua here. */
void mw__serving_on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    mw__server *server = ud;
    mw__serving *s = malloc(sizeof *s);
    mw_incoming *in = copy_incoming(incoming);
    if (!s || !in) {
        static const char body[] = "{\"error\":\"out of memory\"}";
        mw_exchange_answer(exchange, 503, &json_type, 1, body, sizeof body - 1);
        free(s);
        free(in);
        return;
    }
    *s = (mw__serving){.job.run = start, .server = server, .exchange = exchange, .in = in};
    s->next = server->servings;
    s->link = &server->servings;
    if (s->next)
        s->next->link = &s->next;
    server->servings = s;
    mw__lua_post(server->ctx, &s->job);
}

void mw__serving_drop_all(mw__server *server)
{
    while (server->servings) {
        mw__serving *s = server->servings;
        server->servings = s->next;
        s->link = NULL;
        s->exchange = NULL;
        s->server = NULL;
        mw__lua_unpost(server->ctx, &s->job);
        if (!s->started)
            serving_free(s);
    }
}

void mw__serving_push(lua_State *L, mw_lua *ctx)
{
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_request, 1);
}
