/* lanes_test.c: the lanes of clients against a real server on the same loop: who leaves when, what a 429 stops, what is
 * told of it, and that nothing is lost or kept, whatever ends a call. Orders and lower bounds are the server's
 * record. */
#include <stdio.h>

#include "client_private.h"
#include "failing_alloc.h"
#include "mw/mw.h"
#include "test.h"

enum { RECORDS = 4096, HELD = 64 };
#define MS INT64_C(1000)

typedef struct record {
    char name[16]; /* "G12": a contact that is read, "D": deleted, "S": searched for */
    int64_t at;
} record;

typedef struct desk {
    mw_loop *loop;
    mw_server *server;
    mw_client *client;
    char url[64];
    int refuse;        /* so many requests get 429 */
    const char *after; /* their Retry-After, or NULL */
    int move;          /* so many are redirected */
    int unavailable;   /* so many get 503 */
    bool hold;         /* the others wait for `release` */
    mw_exchange *held[HELD];
    size_t held_count;
    record seen[RECORDS];
    int count;
    unsigned fail; /* the nth allocation behind the first answer fails */
} desk;

typedef struct result {
    int calls;
    int code;
    mw_sent sent;
    uint32_t attempts;
    int64_t waited_us;
    double retry_after;
    char message[256];
} result;

static void note(desk *d, const mw_incoming *incoming)
{
    const char *query = strchr(incoming->target, '=');
    const char *path = strrchr(incoming->target, '/');
    if (d->count == RECORDS)
        return;
    record *r = &d->seen[d->count++];
    snprintf(r->name, sizeof r->name, "%c%s", query ? 'S' : incoming->verb[0],
             query ? query + 1 : path + 1);
    r->at = mw_loop_now(d->loop);
}

static void answer(mw_exchange *exchange, int status, const char *name, const char *value)
{
    mw_header header = {.name = name, .value = value};
    mw_exchange_answer(exchange, status, &header, value ? 1 : 0, "{}", 2);
}

static void on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    desk *d = ud;
    fail_allocation(0); /* the server is not what is tried */
    note(d, incoming);
    if (d->refuse > 0) {
        d->refuse--;
        answer(exchange, 429, "retry-after", d->after);
    } else if (d->move > 0) {
        d->move--;
        answer(exchange, 302, "location", "/api/v1/accounts/1/contacts/99");
    } else if (d->unavailable > 0) {
        d->unavailable--;
        answer(exchange, 503, NULL, NULL);
    } else if (d->hold && d->held_count < HELD) {
        d->held[d->held_count++] = exchange;
    } else {
        answer(exchange, 200, NULL, NULL);
    }
    fail_allocation(d->fail);
}

static void release(desk *d)
{
    d->hold = false;
    for (size_t i = 0; i < d->held_count; i++)
        answer(d->held[i], 200, NULL, NULL);
    d->held_count = 0;
}

static mw_client *new_client(desk *d, mw_client_options options)
{
    mw_client *client = NULL;
    options.url = d->url;
    options.account = "1";
    options.user_token = "user-token";
    CHECK_INT(mw_client_new(d->loop, &options, &client, NULL), MW_OK);
    return client;
}

static void open_desk(desk *d, mw_client_options options)
{
    *d = (desk){.after = "0.2"};
    CHECK_INT(mw_loop_new(&d->loop), MW_OK);
    mw__random_seed(mw__loop_random(d->loop), 1);
    CHECK_INT(mw_server_new(d->loop, &(mw_server_options){0}, on_request, d, &d->server, NULL),
              MW_OK);
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u", mw_server_port(d->server));
    d->client = new_client(d, options);
}

static void close_desk(desk *d)
{
    mw_client_free(d->client);
    mw_server_free(d->server);
    while (mw_loop_live(d->loop) > 0)
        mw_loop_run(d->loop, true);
    mw_loop_free(d->loop);
}

static void on_answer(const mw_answer *got, void *ud)
{
    result *r = ud;
    r->calls++;
    r->code = got->code;
    r->sent = got->sent;
    r->attempts = got->attempts;
    r->waited_us = got->waited_us;
    r->retry_after = got->retry_after;
    snprintf(r->message, sizeof r->message, "%s", got->message);
}

/* Submits what its name says, "G12", as the server notes it. */
static mw_call_id call_of(mw_client *client, result *r, const char *name,
                          const mw_call_options *options)
{
    mw_value id = {.type = MW_V_STRING,
                   .as.string = (char *)(uintptr_t)(name + 1),
                   .length = strlen(name + 1)};
    mw_member q[] = {{.name = "q", .name_length = 1, .value = id}};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = q};
    const char *method = name[0] == 'S' ? "search" : name[0] == 'D' ? "delete" : "get";
    mw_request *request = NULL;
    mw_call_id call = 0;
    bool search = name[0] == 'S';
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "contacts", method), &id, search ? 0 : 1,
                            search ? &params : NULL, options, &request, NULL);
    if (rc == MW_OK)
        rc = mw_gate_submit(mw_client_gate(client), request, on_answer, r, &call, NULL);
    if (rc != MW_OK)
        mw_request_free(request);
    CHECK(rc == MW_OK || rc == MW_MEMORY);
    return call;
}

static mw_call_id submit(desk *d, result *r, const char *name)
{
    return call_of(d->client, r, name, NULL);
}

static void run_until(desk *d, const int *count, int wanted)
{
    for (int turns = 0; *count < wanted && turns < 200000; turns++)
        mw_loop_run(d->loop, true);
}

static void check_order(const desk *d, const char *want)
{
    char got[256] = "";
    for (int i = 0; i < d->count; i++) {
        strncat(got, i > 0 ? " " : "", sizeof got - strlen(got) - 1);
        strncat(got, d->seen[i].name, sizeof got - strlen(got) - 1);
    }
    CHECK_STR(got, want);
}

static mw_lane_stats lane_stats(mw_client *client, mw_lane lane)
{
    mw_lane_stats stats[MW_LANES];
    CHECK_INT(mw_gate_stats(mw_client_gate(client), stats), MW_OK);
    return stats[lane];
}

#define LIMIT(lane_, count_, ms_)                                                                  \
    (mw_client_options)                                                                            \
    {                                                                                              \
        .limits.lanes[lane_] = {.count = (count_), .window_ms = (ms_) }                            \
    }

TEST(reads_overtake_writes_and_each_lane_keeps_its_order)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){.concurrency = 1});
    d.hold = true;
    submit(&d, &r, "D1");
    submit(&d, &r, "D2");
    submit(&d, &r, "S1");
    submit(&d, &r, "D3");
    submit(&d, &r, "G1");
    submit(&d, &r, "G2");
    submit(&d, &r, "S2");
    run_until(&d, &d.count, 1);
    release(&d);
    run_until(&d, &r.calls, 7);
    check_order(&d, "D1 G1 G2 S1 S2 D2 D3");
    close_desk(&d);
}

/* No span of the window's length holds more than `most` of the records that begin so. */
static void check_windows(const desk *d, char kind, int most, int64_t window)
{
    int64_t at[RECORDS];
    int count = 0;
    for (int i = 0; i < d->count; i++) {
        if (kind == 0 || d->seen[i].name[0] == kind)
            at[count++] = d->seen[i].at;
    }
    for (int i = 0; i + most < count; i++)
        CHECK(at[i + most] - at[i] >= window);
}

TEST(no_window_sees_more_than_the_limit)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_ALL, 3, 200));
    static const char *const names[] = {"G1", "G2", "D3", "S4", "D5", "G6", "S7", "G8"};
    for (size_t i = 0; i < 8; i++)
        submit(&d, &r, names[i]);
    run_until(&d, &r.calls, 8);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(d.count, 8);
    check_windows(&d, 0, 3, 200 * MS);
    check_order(&d, "G1 G2 D3 G6 G8 S4 S7 D5");
    mw_lane_stats writes = lane_stats(d.client, MW_LANE_WRITE);
    CHECK_INT(writes.sent, 2);
    CHECK(writes.waited_us >= 400 * MS);
    close_desk(&d);
}

TEST(a_lane_that_waits_holds_up_no_other)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 1, 200));
    submit(&d, &r, "S1");
    submit(&d, &r, "S2");
    submit(&d, &r, "D1");
    submit(&d, &r, "G1");
    run_until(&d, &d.count, 3);
    CHECK_INT(lane_stats(d.client, MW_LANE_SEARCH).waiting, 1);
    run_until(&d, &r.calls, 4);
    CHECK_STR(d.seen[3].name, "S2");
    check_windows(&d, 'S', 1, 200 * MS);
    close_desk(&d);
}

TEST(accounts_are_counted_each_for_itself)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 1, 200));
    submit(&d, &r, "S1");
    submit(&d, &r, "S2");
    call_of(d.client, &r, "S3", &(mw_call_options){.account = "2"});
    run_until(&d, &r.calls, 3);
    check_order(&d, "S1 S3 S2");
    for (int i = 0; i < 200; i++) { /* more than there is room for: the others share theirs */
        char account[16];
        snprintf(account, sizeof account, "%d", 1000 + i);
        call_of(d.client, &r, "S4", &(mw_call_options){.account = account});
    }
    run_until(&d, &d.count, 64);
    mw_lane_stats search = lane_stats(d.client, MW_LANE_SEARCH);
    CHECK(search.waiting >= 100 && search.waiting <= 140);
    mw_client_close(d.client);
    run_until(&d, &r.calls, 203);
    close_desk(&d);
}

TEST(a_429_stops_its_lane_and_goes_first_afterwards)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){.concurrency = 1});
    d.refuse = 1;
    submit(&d, &r, "S1");
    submit(&d, &r, "S2");
    run_until(&d, &d.count, 1);
    while (lane_stats(d.client, MW_LANE_SEARCH).refused == 0)
        mw_loop_run(d.loop, true);
    CHECK_INT(lane_stats(d.client, MW_LANE_SEARCH).waiting, 2);
    submit(&d, &r, "S3");
    submit(&d, &r, "G1");
    run_until(&d, &r.calls, 4);
    check_order(&d, "S1 G1 S1 S2 S3");
    CHECK(d.seen[2].at - d.seen[0].at >= 200 * MS);
    close_desk(&d);
}

TEST(a_429_of_a_write_stops_all_unless_writes_are_limited)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    d.refuse = 1;
    submit(&d, &r, "D1");
    while (lane_stats(d.client, MW_LANE_WRITE).refused == 0)
        mw_loop_run(d.loop, true);
    submit(&d, &r, "G1");
    run_until(&d, &r.calls, 2);
    check_order(&d, "D1 D1 G1");
    close_desk(&d);
    r = (result){0};
    open_desk(&d, LIMIT(MW_LANE_WRITE, 100, 60000));
    d.refuse = 1;
    submit(&d, &r, "D1");
    while (lane_stats(d.client, MW_LANE_WRITE).refused == 0)
        mw_loop_run(d.loop, true);
    submit(&d, &r, "G1");
    run_until(&d, &r.calls, 2);
    check_order(&d, "D1 G1 D1");
    close_desk(&d);
}

TEST(without_retry_after_a_lane_stops_to_the_end_of_its_window)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 10, 1000));
    d.refuse = 1;
    d.after = NULL;
    submit(&d, &r, "S1");
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(r.attempts, 2);
    CHECK(d.seen[1].at - d.seen[0].at >= 1000 * MS); /* Dates have no parts of a second */
    close_desk(&d);
}

TEST(limits_off_leave_the_pauses)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){.limits.off = true, .retries = 1});
    for (int i = 0; i < 150; i++)
        submit(&d, &r, "S1");
    run_until(&d, &r.calls, 150);
    CHECK_INT(d.count, 150);
    CHECK_INT(lane_stats(d.client, MW_LANE_SEARCH).allowed, 0);
    d.refuse = 1;
    submit(&d, &r, "S2");
    run_until(&d, &r.calls, 151);
    CHECK_INT(r.attempts, 2);
    CHECK(d.seen[151].at - d.seen[150].at >= 200 * MS);
    close_desk(&d);
}

TEST(the_built_in_limits_hold_without_asking)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    for (int i = 0; i < 150; i++)
        submit(&d, &r, "S1");
    run_until(&d, &r.calls, 100);
    CHECK_INT(d.count, 100);
    mw_lane_stats search = lane_stats(d.client, MW_LANE_SEARCH);
    CHECK_INT(search.waiting, 50);
    CHECK_INT(search.sent, 100);
    CHECK_INT(search.allowed, 100);
    CHECK_INT(lane_stats(d.client, MW_LANE_ALL).allowed, 3000);
    CHECK_INT(lane_stats(d.client, MW_LANE_REPORTS).allowed, 100);
    CHECK_INT(lane_stats(d.client, MW_LANE_WRITE).allowed, 0);
    submit(&d, &r, "G1");
    run_until(&d, &r.calls, 101);
    CHECK_INT(d.count, 101);
    close_desk(&d);
    CHECK_INT(r.calls, 151);
}

TEST(a_lane_learns_what_is_let_through)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 100, 10000));
    for (int i = 0; i < 60; i++)
        submit(&d, &r, "S1");
    run_until(&d, &r.calls, 60);
    d.refuse = 1;
    submit(&d, &r, "S2");
    while (lane_stats(d.client, MW_LANE_SEARCH).refused == 0)
        mw_loop_run(d.loop, true);
    uint32_t allowed = lane_stats(d.client, MW_LANE_SEARCH).allowed;
    CHECK(allowed >= 25 && allowed <= 60);
    close_desk(&d);
}

static void check_refused(const result *r, int calls, uint32_t attempts, mw_sent sent)
{
    CHECK_INT(r->calls, calls);
    CHECK_INT(r->code, MW_RATE_LIMITED);
    CHECK_INT(r->attempts, attempts);
    CHECK_INT(r->sent, sent);
    CHECK(r->retry_after > 3000 && r->retry_after <= 3600);
}

TEST(nobody_waits_silently_for_an_hour)
{
    desk d;
    result first = {0};
    result queued = {0};
    result later = {0};
    result patient = {0};
    result read = {0};
    open_desk(&d, (mw_client_options){.concurrency = 1});
    d.refuse = 1;
    d.after = "3600";
    submit(&d, &first, "S1");
    for (int i = 0; i < 3; i++)
        submit(&d, &queued, "S2");
    call_of(d.client, &patient, "S3", &(mw_call_options){.timeout_ms = 7200000});
    run_until(&d, &queued.calls, 3);
    check_refused(&first, 1, 1, MW_SENT_ANSWERED);
    check_refused(&queued, 3, 1, MW_SENT_NOT);
    CHECK_MEM(queued.message, 36, "not sent: the server has asked to wa", 36);
    submit(&d, &later, "S4");
    CHECK_INT(later.calls, 0); /* from the loop alone */
    run_until(&d, &later.calls, 1);
    check_refused(&later, 1, 1, MW_SENT_NOT);
    submit(&d, &read, "G1");
    run_until(&d, &read.calls, 1);
    CHECK_INT(read.code, MW_OK);
    CHECK_INT(patient.calls, 0);
    check_order(&d, "S1 G1");
    CHECK_INT(lane_stats(d.client, MW_LANE_SEARCH).waiting, 1);
    close_desk(&d);
    CHECK_INT(patient.code, MW_CANCELLED);
}

TEST(a_pause_ends_after_a_day)
{
    desk d;
    result first = {0};
    result later = {0};
    open_desk(&d, (mw_client_options){0});
    d.refuse = 1;
    d.after = "999999999";
    submit(&d, &first, "S1");
    run_until(&d, &first.calls, 1);
    CHECK_INT(first.code, MW_RATE_LIMITED);
    CHECK(first.retry_after > 999999998);
    submit(&d, &later, "S2");
    run_until(&d, &later.calls, 1);
    CHECK_INT(later.code, MW_RATE_LIMITED);
    CHECK_INT(later.sent, MW_SENT_NOT);
    CHECK(later.retry_after > 86000 && later.retry_after <= 86400);
    close_desk(&d);
}

typedef struct told {
    mw_gate_watch watch;
    int count;
    mw_wait last;
    bool once;
} told;

static void on_wait(const mw_wait *wait, void *ud)
{
    told *t = ud;
    t->count++;
    t->last = *wait;
    if (t->once)
        mw_gate_unwatch(&t->watch);
}

TEST(waits_are_told_once_for_a_lane)
{
    desk d;
    result r = {0};
    told all = {.watch = {.fn = on_wait, .ud = &all}};
    told one = {.watch = {.fn = on_wait, .ud = &one}, .once = true};
    char text[128];
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 2, 20000));
    mw_gate_watch_waits(mw_client_gate(d.client), &all.watch);
    mw_gate_watch_waits(mw_client_gate(d.client), &one.watch);
    for (int i = 0; i < 5; i++)
        submit(&d, &r, "S1");
    CHECK_INT(all.count, 0); /* from the loop alone */
    run_until(&d, &r.calls, 2);
    CHECK_INT(all.count, 1);
    CHECK_INT(one.count, 1);
    CHECK_INT(all.last.lane, MW_LANE_SEARCH);
    CHECK_INT(all.last.reason, MW_WAIT_LIMIT);
    CHECK_INT(all.last.waiting, 3);
    CHECK(all.last.seconds > 39 && all.last.seconds < 41); /* the third of them */
    mw_wait_text(&all.last, text, sizeof text);
    CHECK_STR(text, "waiting 41 s for the limit of the lane search (2/20s); 3 calls are queued");
    submit(&d, &r, "S2");
    submit(&d, &r, "G1");
    run_until(&d, &r.calls, 3);
    CHECK_INT(all.count, 1);
    d.refuse = 1;
    d.after = "50";
    mw_call_id id = submit(&d, &r, "G2");
    run_until(&d, &all.count, 2);
    CHECK_INT(all.last.lane, MW_LANE_ALL);
    CHECK_INT(all.last.reason, MW_WAIT_REFUSED);
    CHECK_INT(all.last.waiting, 5); /* the searches wait for that now, too */
    mw_wait_text(&all.last, text, sizeof text);
    CHECK_STR(text,
              "waiting 50 s because the server refused the lane all (429); 5 calls are queued");
    mw_gate_cancel(mw_client_gate(d.client), id);
    run_until(&d, &r.calls, 4);
    close_desk(&d);
    CHECK(!all.watch.prev && !one.watch.prev);
    CHECK_INT(one.count, 1);
}

TEST(one_limit_is_told_once_for_all_who_wait_for_it)
{
    desk d;
    result r = {0};
    told all = {.watch = {.fn = on_wait, .ud = &all}};
    char text[128];
    open_desk(&d, LIMIT(MW_LANE_ALL, 2, 20000));
    mw_gate_watch_waits(mw_client_gate(d.client), &all.watch);
    for (int i = 0; i < 3; i++) {
        submit(&d, &r, "G1");
        submit(&d, &r, "S1");
        submit(&d, &r, "D1");
    }
    run_until(&d, &r.calls, 2);
    run_until(&d, &all.count, 1);
    CHECK_INT(all.last.lane, MW_LANE_ALL);
    CHECK_INT(all.last.waiting, 7);
    CHECK(all.last.seconds > 79 && all.last.seconds < 81); /* two of them each window */
    mw_wait_text(&all.last, text, sizeof text);
    CHECK_STR(text, "waiting 81 s for the limit of the lane all (2/20s); 7 calls are queued");
    for (int i = 0; i < 20; i++)
        mw_loop_run(d.loop, false);
    CHECK_INT(all.count, 1);
    CHECK_INT(lane_stats(d.client, MW_LANE_SEARCH).waiting, 2);
    CHECK_INT(lane_stats(d.client, MW_LANE_WRITE).waiting, 3);
    close_desk(&d);
    CHECK_INT(all.count, 1);
}

/* Whether or not somebody waits in between. */
TEST(a_limit_that_binds_again_and_again_is_one_wait)
{
    desk d;
    result r = {0};
    told all = {.watch = {.fn = on_wait, .ud = &all}};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 1, 20000));
    mw_gate_watch_waits(mw_client_gate(d.client), &all.watch);
    submit(&d, &r, "S1");
    run_until(&d, &r.calls, 1);
    for (int i = 0; i < 3; i++) {
        mw_call_id id = submit(&d, &r, "S1");
        run_until(&d, &all.count, 1);
        mw_gate_cancel(mw_client_gate(d.client), id);
        run_until(&d, &r.calls, i + 2);
        CHECK_INT(lane_stats(d.client, MW_LANE_SEARCH).waiting, 0);
    }
    CHECK_INT(all.count, 1);
    d.client->queue.told_us[MW_LANE_SEARCH] -= (MW_WAIT_AGAIN_MS - 50) * MS; /* almost so long ago */
    submit(&d, &r, "S1");
    run_until(&d, &all.count, 2);
    CHECK_INT(all.last.waiting, 1);
    CHECK_INT(r.calls, 4);
    close_desk(&d);
}

TEST(short_waits_are_not_told)
{
    desk d;
    result r = {0};
    told all = {.watch = {.fn = on_wait, .ud = &all}};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 1, 100));
    mw_gate_watch_waits(mw_client_gate(d.client), &all.watch);
    for (int i = 0; i < 4; i++)
        submit(&d, &r, "S1");
    run_until(&d, &r.calls, 4);
    CHECK_INT(all.count, 0);
    close_desk(&d);
}

TEST(the_words_for_waits)
{
    char text[128];
    mw_wait wait = {.seconds = 33.2, .waiting = 12, .allowed = 100, .window_ms = 60000};
    wait.lane = MW_LANE_SEARCH;
    mw_wait_text(&wait, text, sizeof text);
    CHECK_STR(text, "waiting 34 s for the limit of the lane search (100/min); 12 calls are queued");
    static const struct {
        double seconds;
        const char *text;
    } times[] = {{2.1, "waiting 3 s for"},          {119.2, "waiting 120 s for"},
                 {120.1, "waiting 2 min for"},      {2940, "waiting 49 min for"},
                 {120 * 60, "waiting 120 min for"}, {120 * 60 + 1, "waiting 2 h for"},
                 {5 * 3600, "waiting 5 h for"}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        wait.seconds = times[i].seconds;
        mw_wait_text(&wait, text, strlen(times[i].text) + 1);
        CHECK_STR(text, times[i].text);
    }
    wait.reason = MW_WAIT_CONCURRENCY;
    mw_wait_text(&wait, text, sizeof text);
    CHECK_STR(
        text,
        "waiting for a place in the lane search, which others have taken; 12 calls are queued");
    mw_wait_text(&wait, text, 12);
    CHECK_STR(text, "waiting for");
    wait = (mw_wait){.reason = MW_WAIT_UNSHARED, .trouble = "the file is gone"};
    mw_wait_text(&wait, text, sizeof text);
    CHECK_STR(text, "the file is gone");
    CHECK_STR(mw_wait_reason_name(MW_WAIT_LIMIT), "limit");
    CHECK_STR(mw_wait_reason_name(MW_WAIT_UNSHARED), "unshared");
    CHECK_STR(mw_wait_reason_name(MW_WAIT_REFUSED), "refused");
    CHECK_STR(mw_wait_reason_name(MW_WAIT_CONCURRENCY), "concurrency");
}

/* One place for all of the lane: who can go has it, so a place that is kept would stop the next call. */
static void check_place(desk *d)
{
    result r = {0};
    d->hold = false;
    submit(d, &r, "G1");
    run_until(d, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    mw_lane_stats all = lane_stats(d->client, MW_LANE_ALL);
    CHECK_INT(all.running + all.waiting, 0);
}

TEST(a_place_comes_back_however_a_call_ends)
{
    desk d;
    mw_client_options one = {.limits.lanes[MW_LANE_ALL].concurrency = 1, .retries = 1};
    result r = {0};
    open_desk(&d, one);
    d.hold = true;
    mw_call_id running = submit(&d, &r, "G2");
    mw_call_id waiting = submit(&d, &r, "G3");
    run_until(&d, &d.count, 1);
    CHECK_INT(lane_stats(d.client, MW_LANE_ALL).running, 1);
    CHECK_INT(lane_stats(d.client, MW_LANE_ALL).waiting, 1);
    mw_gate_cancel(mw_client_gate(d.client), waiting);
    mw_gate_cancel(mw_client_gate(d.client), waiting);
    mw_gate_cancel(mw_client_gate(d.client), running);
    run_until(&d, &r.calls, 2);
    d.held_count = 0;
    check_place(&d);
    d.move = 1; /* a redirect */
    submit(&d, &r, "G4");
    run_until(&d, &r.calls, 3);
    CHECK_INT(r.code, MW_OK);
    check_place(&d);
    d.unavailable = 1; /* a back-off, which is cancelled */
    mw_call_id retrying = submit(&d, &r, "G5");
    while (d.client->calls && d.client->calls->state != MW_CALL_RETRYING)
        mw_loop_run(d.loop, true);
    mw_gate_cancel(mw_client_gate(d.client), retrying);
    run_until(&d, &r.calls, 4);
    CHECK_INT(r.code, MW_CANCELLED);
    check_place(&d);
    d.unavailable = 2; /* a failure after a retry */
    submit(&d, &r, "G6");
    run_until(&d, &r.calls, 5);
    CHECK_INT(r.code, MW_SERVER);
    check_place(&d);
    d.refuse = 1; /* a lane that waits */
    d.after = "0.05";
    submit(&d, &r, "G7");
    run_until(&d, &r.calls, 6);
    CHECK_INT(r.code, MW_OK);
    check_place(&d);
    d.hold = true; /* its time is up */
    call_of(d.client, &r, "G8", &(mw_call_options){.timeout_ms = 100, .retries = MW_NO_RETRIES});
    run_until(&d, &r.calls, 7);
    CHECK_INT(r.code, MW_TIMEOUT);
    d.held_count = 0;
    check_place(&d);
    close_desk(&d);
}

TEST(a_close_ends_each_call_once_and_gives_all_places_back)
{
    desk d;
    result r = {0};
    mw_client_options two = {.limits.lanes[MW_LANE_ALL].concurrency = 2};
    open_desk(&d, two);
    mw_client *other = new_client(&d, two);
    d.hold = true;
    for (int i = 0; i < 5; i++)
        submit(&d, &r, "G2");
    run_until(&d, &d.count, 2);
    result second = {0};
    call_of(other, &second, "G3", NULL); /* the places are those of the host */
    for (int i = 0; i < 5; i++)
        mw_loop_run(d.loop, false);
    CHECK_INT(d.count, 2);
    CHECK_INT(lane_stats(other, MW_LANE_ALL).waiting, 1);
    mw_client_close(d.client);
    d.held_count = 0;
    d.hold = false;
    run_until(&d, &r.calls, 5);
    CHECK_INT(r.code, MW_CANCELLED);
    run_until(&d, &second.calls, 1);
    CHECK_INT(second.code, MW_OK);
    CHECK_INT(lane_stats(d.client, MW_LANE_ALL).running, 0);
    mw_client_free(other);
    close_desk(&d);
    CHECK_INT(r.calls, 5);
}

TEST(clients_of_one_loop_share_the_lanes_of_a_host)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_SEARCH, 2, 200));
    mw_client *other = new_client(&d, LIMIT(MW_LANE_SEARCH, 2, 200));
    for (int i = 0; i < 3; i++) {
        submit(&d, &r, "S1");
        call_of(other, &r, "S2", NULL);
    }
    run_until(&d, &r.calls, 6);
    check_windows(&d, 'S', 2, 200 * MS);
    mw_client_free(other);
    other = new_client(&d, LIMIT(MW_LANE_SEARCH, 2, 200)); /* what was taken stays taken */
    call_of(other, &r, "S3", NULL);
    run_until(&d, &r.calls, 7);
    check_windows(&d, 'S', 2, 200 * MS);
    mw_client_free(other);
    close_desk(&d);
}

TEST(ten_thousand_calls_wait_and_leave_in_order)
{
    desk d;
    result r = {0};
    open_desk(&d, LIMIT(MW_LANE_ALL, 3, 100000));
    for (int i = 0; i < 10000; i++)
        submit(&d, &r, i % 2 ? "G1" : "D1");
    run_until(&d, &r.calls, 3);
    mw_lane_stats all = lane_stats(d.client, MW_LANE_ALL);
    CHECK_INT(all.waiting + lane_stats(d.client, MW_LANE_WRITE).waiting, 9997);
    close_desk(&d);
    CHECK_INT(r.calls, 10000);
    CHECK_INT(d.count, 3);
}

TEST(bounds_of_limits)
{
    static const mw_lane_limit wrong[] = {{.count = MW_MAX_LIMIT + 1, .window_ms = 1000},
                                          {.count = 1},
                                          {.window_ms = 1},
                                          {.count = MW_NO_LIMIT, .window_ms = 1},
                                          {.count = 1, .window_ms = MW_MAX_WINDOW_MS + 1},
                                          {.concurrency = MW_MAX_LIMIT + 1}};
    static const mw_lane_limit right[] = {{.count = MW_MAX_LIMIT, .window_ms = MW_MAX_WINDOW_MS},
                                          {.count = MW_NO_LIMIT},
                                          {.concurrency = MW_MAX_LIMIT}};
    mw_loop *loop;
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mw_client *client = NULL;
        mw_error error = {0};
        mw_client_options options = {.limits.lanes[MW_LANE_UPLOAD] = wrong[i]};
        CHECK_INT(mw_client_new(loop, &options, &client, &error), MW_INVALID);
        CHECK_STR(error.field, "limits");
        CHECK(strstr(error.message, "option 'limits': lane upload: ") != NULL);
    }
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        mw_client *client = NULL;
        mw_client_options options = {.limits.lanes[MW_LANE_UPLOAD] = right[i]};
        CHECK_INT(mw_client_new(loop, &options, &client, NULL), MW_OK);
        mw_client_free(client);
    }
    mw_loop_free(loop);
}

/* A call of a fresh client, with all that its lanes need, one allocation of which fails; before the answer, or after
 * a 429. */
static bool survive(unsigned before, unsigned after)
{
    desk d;
    result r = {0};
    mw_client_options limits = {.limits.lanes[MW_LANE_ALL] = {.count = 1000, .window_ms = 60000},
                                .limits.lanes[MW_LANE_SEARCH] = {.count = 500, .window_ms = 60000}};
    open_desk(&d, limits);
    d.refuse = 1;
    d.after = "0.001";
    d.fail = after;
    fail_allocation(before);
    mw_call_id id = submit(&d, &r, "S1");
    if (id > 0)
        run_until(&d, &r.calls, 1);
    bool failed = allocation_failed();
    fail_allocation(0);
    CHECK(id == 0 || r.calls == 1);
    CHECK(r.code == MW_OK || r.code == MW_MEMORY || r.code == MW_NETWORK);
    d.fail = 0;
    for (int i = 0; i < 2; i++) {
        result again = {0};
        submit(&d, &again, "S2");
        run_until(&d, &again.calls, 1);
        CHECK_INT(again.code, MW_OK);
        d.refuse = 0;
    }
    mw_lane_stats search = lane_stats(d.client, MW_LANE_SEARCH);
    CHECK_INT(search.running + search.waiting, 0);
    close_desk(&d);
    return failed;
}

TEST(lanes_survive_any_failing_allocation)
{
    unsigned nth = 1;
    while (nth < 200 && survive(nth, 0))
        nth++;
    CHECK(nth >= 10 && nth < 200);
    nth = 1;
    while (nth < 200 && survive(0, nth))
        nth++;
    CHECK(nth >= 3 && nth < 200);
}
