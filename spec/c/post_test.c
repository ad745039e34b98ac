/* post_test.c: a POST in C: its one callback, its ends from outside, and each of its allocations failing in turn (that
 * nothing leaks then, the sanitize build says). What goes over the wire is proved in spec/post_spec.lua. */
#include <stdio.h>

#include "failing_alloc.h"
#include "mw/post.h"
#include "mw/server.h"
#include "test.h"

#define TURNS 20000

enum { MOST = 500 }; /* more allocations than a post makes */

typedef struct world {
    mw_loop *loop;
    mw_server *server;
    mw_exchange *pending;
    unsigned requests;
    bool silent; /* the server does not answer */
    unsigned answers;
    int code;
    int status;
    mw_sent sent;
    char body[64];
    char type[64];
    char message[640];
} world;

static void on_request(mw_exchange *exchange, const mw_incoming *in, void *ud)
{
    static const mw_header header = {.name = "Content-Type", .value = "text/x"};
    world *w = ud;
    fail_allocation(0); /* the server is not what is tried */
    w->requests++;
    w->pending = exchange;
    if (!w->silent)
        mw_exchange_answer(exchange, 422, &header, 1, in->body, in->body_length);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    world *w = ud;
    w->answers++;
    w->code = answer->code;
    w->status = answer->status;
    w->sent = answer->sent;
    snprintf(w->body, sizeof w->body, "%s", answer->body);
    snprintf(w->message, sizeof w->message, "%s", answer->message);
    for (size_t i = 0; i < answer->header_count; i++)
        if (strcmp(answer->headers[i].name, "content-type") == 0)
            snprintf(w->type, sizeof w->type, "%s", answer->headers[i].value);
}

static void begin(world *w)
{
    *w = (world){0};
    CHECK_INT(mw_loop_new(&w->loop), MW_OK);
    CHECK_INT(mw_server_new(w->loop, &(mw_server_options){0}, on_request, w, &w->server, NULL),
              MW_OK);
}

static int start(world *w, mw_post **post, mw_error *error)
{
    static const mw_header headers[] = {{.name = "X-Mine", .value = "yes"},
                                        {.name = "X-None", .value = ""}};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook?key=1", mw_server_port(w->server));
    mw_post_options options = {.url = url,
                               .headers = headers,
                               .header_count = 2,
                               .body = "bytes",
                               .body_length = 5,
                               .loopback = true};
    return mw_post_start(w->loop, &options, on_answer, w, post, error);
}

TEST(a_post_is_answered_once_whatever_the_status)
{
    world w;
    mw_post *post;
    mw_error error = {0};
    begin(&w);
    unsigned live = mw_loop_live(w.loop);
    CHECK_INT(start(&w, &post, &error), MW_OK);
    CHECK_INT(w.answers, 0);
    for (unsigned turns = 0; turns < TURNS && w.answers == 0; turns++)
        mw_loop_run(w.loop, true);
    CHECK_INT(w.answers, 1);
    CHECK_INT(w.code, MW_OK);
    CHECK_INT(w.status, 422);
    CHECK_INT(w.sent, MW_SENT_ANSWERED);
    CHECK_STR(w.body, "bytes");
    CHECK_STR(w.type, "text/x");
    CHECK_STR(w.message, "");
    CHECK_STR(error.message, "");
    mw_server_free(w.server);
    CHECK_INT(mw_loop_live(w.loop), 0);
    CHECK(live > 0);
    mw_loop_free(w.loop);
}

TEST(a_post_that_is_cancelled_calls_nobody)
{
    world w;
    mw_post *post;
    begin(&w);
    w.silent = true;
    CHECK_INT(start(&w, &post, NULL), MW_OK);
    mw_post_cancel(post); /* before a byte is sent */
    CHECK_INT(start(&w, &post, NULL), MW_OK);
    for (unsigned turns = 0; turns < TURNS && w.requests == 0; turns++)
        mw_loop_run(w.loop, true);
    mw_post_cancel(post);
    mw_post_cancel(NULL);
    CHECK_INT(w.answers, 0);
    CHECK_INT(w.requests, 1);
    mw_server_free(w.server);
    CHECK_INT(mw_loop_live(w.loop), 0);
    mw_loop_free(w.loop);
    CHECK_INT(w.answers, 0);
}

TEST(a_post_ends_with_its_loop)
{
    world w;
    mw_post *post;
    begin(&w);
    w.silent = true;
    CHECK_INT(start(&w, &post, NULL), MW_OK);
    for (unsigned turns = 0; turns < TURNS && w.requests == 0; turns++)
        mw_loop_run(w.loop, true);
    mw_loop_free(w.loop);
    CHECK_INT(w.answers, 1);
    CHECK_INT(w.code, MW_CANCELLED);
    CHECK_INT(w.sent, MW_SENT_UNKNOWN);
    CHECK(strstr(w.message, "/hook: ") != NULL);
    CHECK(strstr(w.message, "key") == NULL);
}

TEST(a_post_that_is_refused_calls_nobody)
{
    static const mw_post_options rows[] = {{.url = "http://a b/"},
                                           {.url = "file:///etc/passwd"},
                                           {.url = "http://user@127.0.0.1/"},
                                           {.url = ""}};
    world w;
    begin(&w);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mw_error error = {0};
        mw_post *post = NULL;
        CHECK_INT(mw_post_start(w.loop, &rows[i], on_answer, &w, &post, &error), MW_INVALID);
        CHECK_STR(error.field, "url");
        CHECK(post == NULL);
    }
    mw_server_free(w.server);
    CHECK_INT(mw_loop_live(w.loop), 0);
    mw_loop_free(w.loop);
    CHECK_INT(w.answers, 0);
}

TEST(a_post_survives_any_failing_allocation)
{
    world w;
    begin(&w);
    unsigned nth = 1;
    for (; nth < MOST; nth++) {
        mw_post *post;
        w.answers = 0;
        fail_allocation(nth);
        int rc = start(&w, &post, NULL);
        for (unsigned turns = 0; rc == MW_OK && turns < TURNS && w.answers == 0; turns++)
            mw_loop_run(w.loop, true);
        bool failed = allocation_failed();
        fail_allocation(0);
        CHECK_INT(w.answers, rc == MW_OK ? 1 : 0);
        CHECK(failed ? rc == MW_OK || rc == MW_MEMORY : rc == MW_OK && w.code == MW_OK);
        /* MW_NETWORK where it was the server that had none. */
        CHECK(rc != MW_OK || w.code == MW_OK || w.code == MW_MEMORY || w.code == MW_NETWORK);
        if (!failed)
            break;
    }
    CHECK(nth > 8 && nth < MOST);
    mw_server_free(w.server);
    CHECK_INT(mw_loop_live(w.loop), 0);
    mw_loop_free(w.loop);
}
