/* retry_test.c: what is sent again, when, and what ends a wait, by the table of the decision and by clients against a
 * real server on the same loop. */
#include <stdio.h>

#include "client_private.h"
#include "failing_alloc.h"
#include "mw/mw.h"
#include "test.h"

#define SECOND INT64_C(1000000)

typedef struct row {
    mw__attempt attempt;
    bool idempotent;
    bool again;
} row;

TEST(the_table_of_what_may_be_sent_again)
{
    static const row rows[] = {
        {{.sent = MW_SENT_NOT, .passing = true}, false, true},
        {{.sent = MW_SENT_NOT, .passing = true}, true, true},
        {{.sent = MW_SENT_NOT}, true, false}, /* a certificate, say */
        {{.sent = MW_SENT_ANSWERED, .status = 429}, false, true},
        {{.sent = MW_SENT_ANSWERED, .status = 429}, true, true},
        {{.sent = MW_SENT_ANSWERED, .status = 502}, true, true},
        {{.sent = MW_SENT_ANSWERED, .status = 503}, true, true},
        {{.sent = MW_SENT_ANSWERED, .status = 504}, true, true},
        {{.sent = MW_SENT_ANSWERED, .status = 502}, false, false},
        {{.sent = MW_SENT_ANSWERED, .status = 503}, false, false},
        {{.sent = MW_SENT_ANSWERED, .status = 504}, false, false},
        {{.sent = MW_SENT_ANSWERED, .status = 200}, true, false},
        {{.sent = MW_SENT_ANSWERED, .status = 400}, true, false},
        {{.sent = MW_SENT_ANSWERED, .status = 404}, true, false},
        {{.sent = MW_SENT_ANSWERED, .status = 500}, true, false},
        {{.sent = MW_SENT_ANSWERED, .status = 501}, true, false},
        {{.sent = MW_SENT_UNKNOWN, .passing = true}, true, true},
        {{.sent = MW_SENT_UNKNOWN, .passing = true}, false, false},
        {{.sent = MW_SENT_UNKNOWN}, true, false}, /* an answer that is too large, say */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(mw__retry_allowed(&rows[i].attempt, rows[i].idempotent), rows[i].again);
}

TEST(a_backoff_is_anything_up_to_twice_the_one_before)
{
    static const int64_t most[] = {SECOND / 2, SECOND,      2 * SECOND,  4 * SECOND,
                                   8 * SECOND, 16 * SECOND, 20 * SECOND, 20 * SECOND};
    mw__attempt attempt = {.sent = MW_SENT_NOT, .passing = true, .retry_after = -1};
    mw__random random = {0};
    mw__random_seed(&random, 7);
    for (uint32_t n = 0; n < sizeof most / sizeof most[0]; n++) {
        int64_t least_seen = most[n];
        int64_t most_seen = 0;
        for (int i = 0; i < 1000; i++) {
            int64_t wait = mw__retry_delay_us(&attempt, n, mw__random_next(&random));
            CHECK(wait >= 0 && wait <= most[n]);
            least_seen = wait < least_seen ? wait : least_seen;
            most_seen = wait > most_seen ? wait : most_seen;
        }
        CHECK(least_seen < most[n] / 20);
        CHECK(most_seen > most[n] - most[n] / 20);
    }
    CHECK_INT(mw__retry_delay_us(&attempt, UINT32_MAX, UINT64_MAX) <= 20 * SECOND, 1);
}

TEST(a_server_says_how_long)
{
    mw__attempt attempt = {
        .sent = MW_SENT_ANSWERED, .status = 429, .retry_after = 3, .window_ms = 60000};
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 3 * SECOND);
    attempt.retry_after = 0; /* not at once and for ever */
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 12345);
    attempt.retry_after = 1e300;
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 1000000000 * SECOND);
    attempt.retry_after = -1; /* to the end of the window by its clock */
    attempt.server_time = 1800000000;
    CHECK_INT(attempt.server_time % 60, 0);
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 60 * SECOND);
    attempt.server_time += 59;
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), SECOND);
    CHECK_INT(mw__retry_window_begin_us(&attempt, 100 * SECOND), 40 * SECOND);
    attempt.window_ms = 10000;
    attempt.server_time -= 2;
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 3 * SECOND);
    CHECK_INT(mw__retry_window_begin_us(&attempt, 100 * SECOND), 92 * SECOND);
    attempt.window_ms = 200; /* its Date can't tell */
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), SECOND);
    attempt.status = 503;
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 12345);
    attempt.retry_after = 3;
    CHECK_INT(mw__retry_delay_us(&attempt, 0, 12345), 3 * SECOND);
}

TEST(what_is_known_of_several_attempts)
{
    CHECK_INT(mw__retry_sent(MW_SENT_NOT, MW_SENT_NOT), MW_SENT_NOT);
    CHECK_INT(mw__retry_sent(MW_SENT_NOT, MW_SENT_UNKNOWN), MW_SENT_UNKNOWN);
    CHECK_INT(mw__retry_sent(MW_SENT_UNKNOWN, MW_SENT_NOT), MW_SENT_UNKNOWN);
    CHECK_INT(mw__retry_sent(MW_SENT_ANSWERED, MW_SENT_NOT), MW_SENT_ANSWERED);
    CHECK_INT(mw__retry_sent(MW_SENT_ANSWERED, MW_SENT_UNKNOWN), MW_SENT_UNKNOWN);
}

TEST(numbers_differ_unless_their_seed_is_one)
{
    mw__random a = {0};
    mw__random b = {0};
    CHECK(mw__random_next(&a) != mw__random_next(&b));
    CHECK(mw__random_next(&a) != mw__random_next(&a));
    mw__random_seed(&a, 1);
    mw__random_seed(&b, 1);
    CHECK(mw__random_next(&a) == mw__random_next(&b));
}

/* ---- against a server ---- */

typedef struct desk {
    mw_loop *loop;
    mw_server *server;
    mw_client *client;
    int refuse;        /* so many requests get 429 */
    int unavailable;   /* then, so many 503 */
    const char *after; /* their Retry-After */
    bool hold;         /* the others get no answer */
    unsigned fail;     /* the nth allocation behind the first answer fails */
    bool failed;
    int seen;
    unsigned round; /* what the requests of now hold */
} desk;

typedef struct result {
    int calls;
    int code;
    mw_sent sent;
    uint32_t attempts;
    int64_t waited_us;
    int64_t elapsed_us;
    char message[256];
} result;

static void on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    desk *d = ud;
    char body[64];
    int length = snprintf(body, sizeof body, "{\"inbox_id\":%u}", d->round);
    if (strcmp(incoming->verb, "GET") != 0 && (incoming->body_length != (size_t)length ||
                                               memcmp(incoming->body, body, (size_t)length) != 0)) {
        mw_exchange_answer(exchange, 200, NULL, 0, "{}", 2); /* its call has ended long since */
        return;
    }
    d->failed = d->failed || allocation_failed();
    fail_allocation(0); /* the server is not what is tried */
    d->seen++;
    if (d->refuse > 0 || d->unavailable > 0) {
        int *count = d->refuse > 0 ? &d->refuse : &d->unavailable;
        --*count;
        mw_header after = {.name = "retry-after", .value = d->after};
        mw_exchange_answer(exchange, count == &d->refuse ? 429 : 503, &after, 1, "{}", 2);
        fail_allocation(d->fail);
    } else if (!d->hold) {
        mw_exchange_answer(exchange, 200, NULL, 0, "{\"id\":12}", 9);
    }
}

static void on_answer(const mw_answer *answer, void *ud)
{
    result *r = ud;
    r->calls++;
    r->code = answer->code;
    r->sent = answer->sent;
    r->attempts = answer->attempts;
    r->waited_us = answer->waited_us;
    r->elapsed_us = answer->elapsed_us;
    snprintf(r->message, sizeof r->message, "%s", answer->message);
}

static void open_desk(desk *d, mw_client_options options)
{
    *d = (desk){.after = "0.001"};
    CHECK_INT(mw_loop_new(&d->loop), MW_OK);
    mw__random_seed(mw__loop_random(d->loop), 1);
    CHECK_INT(mw_server_new(d->loop, &(mw_server_options){0}, on_request, d, &d->server, NULL),
              MW_OK);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", mw_server_port(d->server));
    options.url = url;
    options.account = "1";
    options.user_token = "user-token";
    CHECK_INT(mw_client_new(d->loop, &options, &d->client, NULL), MW_OK);
}

static void close_desk(desk *d)
{
    mw_client_free(d->client);
    mw_server_free(d->server);
    while (mw_loop_live(d->loop) > 0)
        mw_loop_run(d->loop, true);
    mw_loop_free(d->loop);
}

/* A POST: only what is surely not done may go again. */
static int create(desk *d, result *r, const mw_call_options *options, mw_call_id *id)
{
    mw_member member[] = {{.name = "inbox_id",
                           .name_length = 8,
                           .value = {.type = MW_V_INTEGER, .as.integer = d->round}}};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = member};
    mw_request *request = NULL;
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "contacts", "create"), NULL, 0, &params,
                            options, &request, NULL);
    CHECK_INT(rc, MW_OK);
    rc = mw_gate_submit(mw_client_gate(d->client), request, on_answer, r, id, NULL);
    if (rc != MW_OK)
        mw_request_free(request);
    return rc;
}

/* A GET, in a lane of its own. */
static void search(desk *d, result *r, const mw_call_options *options, mw_call_id *id)
{
    mw_member member[] = {{.name = "q",
                           .name_length = 1,
                           .value = {.type = MW_V_STRING, .as.string = "ada", .length = 3}}};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = member};
    mw_request *request = NULL;
    CHECK_INT(mw_request_new(mw_operation_find(MW_OOCTOPUS, "contacts", "search"), NULL, 0, &params,
                             options, &request, NULL),
              MW_OK);
    CHECK_INT(mw_gate_submit(mw_client_gate(d->client), request, on_answer, r, id, NULL), MW_OK);
}

static void run_until(desk *d, const int *count, int wanted)
{
    for (int turns = 0; *count < wanted && turns < 100000; turns++)
        mw_loop_run(d->loop, true);
}

TEST(an_answer_after_retries_counts_them)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    d.refuse = 3;
    CHECK_INT(create(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(r.sent, MW_SENT_ANSWERED);
    CHECK_INT(r.attempts, 4);
    CHECK_INT(d.seen, 4);
    CHECK(r.waited_us >= 3000 && r.waited_us <= r.elapsed_us);
    CHECK_INT(mw_gate_sent(mw_client_gate(d.client)), 4);
    d.refuse = 4; /* one more than there are retries */
    CHECK_INT(create(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 2);
    CHECK_INT(r.code, MW_RATE_LIMITED);
    CHECK_INT(r.attempts, 4);
    close_desk(&d);
}

TEST(a_call_has_its_own_number_of_retries)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){.retries = 1});
    d.refuse = 100;
    CHECK_INT(create(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.attempts, 2);
    CHECK_INT(create(&d, &r, &(mw_call_options){.retries = MW_NO_RETRIES}, NULL), MW_OK);
    run_until(&d, &r.calls, 2);
    CHECK_INT(r.attempts, 1);
    CHECK_INT(create(&d, &r, &(mw_call_options){.retries = 6}, NULL), MW_OK);
    run_until(&d, &r.calls, 3);
    CHECK_INT(r.attempts, 7);
    CHECK_INT(d.seen, 10);
    mw_client_options endless = {.user_token = "t", .retries = MW_MAX_RETRIES + 1};
    mw_client *client = NULL;
    CHECK_INT(mw_client_new(d.loop, &endless, &client, NULL), MW_INVALID);
    CHECK(client == NULL);
    close_desk(&d);
}

TEST(a_wait_beyond_the_deadline_is_not_begun)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    d.refuse = 1;
    d.after = "62"; /* that of the lane is a minute, and a second for the Date to turn */
    CHECK_INT(create(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.code, MW_RATE_LIMITED);
    CHECK_INT(r.attempts, 1);
    close_desk(&d);
}

/* Has a first call wait for its retry and says its id. */
static mw_call_id let_wait(desk *d, result *r)
{
    mw_call_id id = 0;
    d->refuse = 1;
    d->after = "50";
    search(d, r, NULL, &id);
    run_until(d, &d->seen, 1);
    for (int turns = 0; d->client->running > 0 && turns < 1000; turns++)
        mw_loop_run(d->loop, true);
    CHECK_INT(r->calls, 0);
    CHECK_INT(d->client->running, 0);
    return id;
}

static void check_cancelled(const result *r)
{
    CHECK_INT(r->calls, 1);
    CHECK_INT(r->code, MW_CANCELLED);
    CHECK_INT(r->sent, MW_SENT_ANSWERED);
    CHECK_INT(r->attempts, 1);
}

TEST(a_waiting_retry_holds_no_slot_and_can_be_cancelled)
{
    desk d;
    result waiting = {0};
    result r = {0};
    open_desk(&d, (mw_client_options){.concurrency = 1});
    mw_call_id id = let_wait(&d, &waiting);
    CHECK_INT(create(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(waiting.calls, 0);
    mw_gate_cancel(mw_client_gate(d.client), id);
    mw_gate_cancel(mw_client_gate(d.client), id);
    CHECK_INT(waiting.calls, 0);
    run_until(&d, &waiting.calls, 1);
    check_cancelled(&waiting);
    CHECK_INT(d.seen, 2);
    close_desk(&d);
}

TEST(a_waiting_retry_ends_with_its_client)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    let_wait(&d, &r);
    mw_client_close(d.client);
    run_until(&d, &r.calls, 1);
    check_cancelled(&r);
    close_desk(&d);
    r = (result){0};
    open_desk(&d, (mw_client_options){0});
    let_wait(&d, &r);
    mw_client_free(d.client);
    d.client = NULL;
    run_until(&d, &r.calls, 1);
    check_cancelled(&r);
    close_desk(&d);
}

TEST(a_waiting_retry_ends_with_the_loop)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    let_wait(&d, &r);
    mw_server_free(d.server);
    mw_loop_free(d.loop);
    check_cancelled(&r);
    mw_client_free(d.client);
}

TEST(the_time_in_a_queue_is_not_that_of_the_call)
{
    desk d;
    result first = {0};
    result second = {0};
    open_desk(&d, (mw_client_options){.concurrency = 1});
    d.refuse = 1;
    d.after = "0.6"; /* longer than the call's timeout */
    search(&d, &first, &(mw_call_options){.timeout_ms = 500}, NULL);
    run_until(&d, &first.calls, 1);
    CHECK_INT(first.code, MW_OK);
    CHECK_INT(first.attempts, 2);
    CHECK(first.waited_us >= 600000);
    d.unavailable = 1;
    d.after = "0.05";
    search(&d, &first, &(mw_call_options){.timeout_ms = 200}, NULL);
    run_until(&d, &d.seen, 3);
    d.hold = true;
    CHECK_INT(create(&d, &second, &(mw_call_options){.timeout_ms = 400}, NULL), MW_OK);
    run_until(&d, &d.seen, 4); /* it has the only place, and keeps it */
    d.hold = false;
    run_until(&d, &first.calls, 2);
    CHECK_INT(second.code, MW_AMBIGUOUS);
    CHECK_INT(first.code, MW_OK);
    CHECK_INT(first.attempts, 2);
    CHECK(first.waited_us >= 350000);
    close_desk(&d);
}

TEST(retries_survive_any_failing_allocation)
{
    desk d;
    open_desk(&d, (mw_client_options){0});
    unsigned nth = 1;
    for (; nth < 100; nth++) {
        result r = {0};
        d.refuse = 1;
        d.fail = nth;
        d.round = nth;
        d.failed = false;
        CHECK_INT(create(&d, &r, NULL, NULL), MW_OK);
        run_until(&d, &r.calls, 1);
        d.failed = d.failed || allocation_failed();
        fail_allocation(0);
        CHECK_INT(r.calls, 1);
        CHECK(r.code == MW_OK || r.code == MW_MEMORY || r.code == MW_RATE_LIMITED ||
              r.code == MW_AMBIGUOUS);
        CHECK(r.code != MW_OK || r.attempts == 2);
        if (!d.failed) {
            CHECK_INT(r.code, MW_OK);
            break;
        }
    }
    CHECK(nth >= 4 && nth < 100);
    close_desk(&d);
}
