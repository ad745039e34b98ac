/* wire_test.c: a gate in a worker, its client in a broker, a real server behind: both ends of a real socket, on one
 * loop and on two. What one end does to the other when it is hostile is in wire_hostile_test.c. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "mw/mw.h"
#include "mw/wire.h"
#include "test.h"

#define TOKEN "s3cret/token-0123456789"
#define S(text)                                                                                    \
    {                                                                                              \
        .type = MW_V_STRING, .as.string = text, .length = sizeof text - 1                          \
    }
#define M(key, ...)                                                                                \
    {                                                                                              \
        .name = key, .name_length = sizeof key - 1, .value = __VA_ARGS__                           \
    }

enum { MOST_HELD = 400 };

typedef struct desk {
    mw_loop *loop;
    mw_server *server;
    mw_client *client;
    mw_channel *inner; /* the worker's end */
    mw_channel *outer; /* the broker's end */
    mw_wire *wire;
    mw_wire_server *serving;
    mw_gate *gate; /* the worker's */
    mw_exchange *held[MOST_HELD];
    size_t held_count;
    bool hold;
    size_t seen;
    const char *body;
    size_t body_length;
    const char *header; /* of the answers: its value */
    int status;
    char target[256];
    char asked[256]; /* body of the last request */
    int ends;
    char message[200];
    int warnings;
    char warning[300];
    int opened;
} desk;

typedef struct result {
    int calls;
    mw_answer answer; /* without its pointers */
    char body[256];
    size_t body_length;
    char message[300];
    char field[96];
    char url[256];
    char header[128];
    desk *desk;
    int what; /* done within the callback: 1 frees the wire, 2 asks again, 3 frees the channel */
} result;

static void on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    desk *d = ud;
    d->seen++;
    snprintf(d->target, sizeof d->target, "%s", incoming->target);
    snprintf(d->asked, sizeof d->asked, "%.*s", (int)incoming->body_length, incoming->body);
    if (d->hold && d->held_count < MOST_HELD) {
        d->held[d->held_count++] = exchange;
        return;
    }
    mw_header header = {"x-extra", d->header};
    mw_exchange_answer(exchange, d->status ? d->status : 200, &header, d->header ? 1 : 0,
                       d->body ? d->body : "{\"id\":12}", d->body ? d->body_length : 9);
}

static void on_inner(const mw_frame *frame, void *ud)
{
    desk *d = ud;
    if (d->wire)
        mw_wire_frame(d->wire, frame);
}

static void on_outer(const mw_frame *frame, void *ud)
{
    mw_wire_server_frame(((desk *)ud)->serving, frame);
}

static void on_end(int code, const char *message, void *ud)
{
    desk *d = ud;
    d->ends++;
    snprintf(d->message, sizeof d->message, "%d %s", code, message);
    if (d->wire)
        mw_wire_close(d->wire);
}

static void on_warning(const char *text, void *ud)
{
    desk *d = ud;
    d->warnings++;
    snprintf(d->warning, sizeof d->warning, "%s", text);
}

static int open_file(const char *path, int *fd, mw_error *error, void *ud)
{
    ((desk *)ud)->opened++;
    *fd = strcmp(path, "granted.txt") == 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    return *fd >= 0 ? MW_OK : mw_error_set(error, MW_DENIED, NULL, "outside of what is granted");
}

static void on_answer(const mw_answer *answer, void *ud);

static void open_channels(desk *d, int fds[2])
{
    mw_channel_options inner = {.fd = fds[0],
                                .max_frame = MW_WIRE_MAX_ANSWER,
                                .background = true,
                                .on_frame = on_inner,
                                .on_end = on_end,
                                .ud = d};
    mw_channel_options outer = {.fd = fds[1], .on_frame = on_outer, .on_end = on_end, .ud = d};
    CHECK_INT(mw_channel_new(d->loop, &inner, &d->inner, NULL), MW_OK);
    CHECK_INT(mw_channel_new(d->loop, &outer, &d->outer, NULL), MW_OK);
}

static void open_service(desk *d, mw_client_options options)
{
    char url[64];
    mw_error error = {0};
    CHECK_INT(mw_server_new(d->loop, &(mw_server_options){0}, on_request, d, &d->server, &error),
              MW_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", mw_server_port(d->server));
    options.url = url;
    if (options.service == MW_CIRCUIT) {
        options.oauth_token = TOKEN;
    } else {
        options.account = "1";
        options.user_token = TOKEN;
    }
    CHECK_INT(mw_client_new(d->loop, &options, &d->client, &error), MW_OK);
    CHECK_STR(error.message, "");
}

static void open_desk(desk *d, mw_client_options options)
{
    int fds[2];
    uint32_t door = 99;
    *d = (desk){0};
    CHECK_INT(mw_loop_new(&d->loop), MW_OK);
    open_service(d, options);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_channels(d, fds);
    mw_wire_server_options serving = {
        .loop = d->loop, .channel = d->outer, .open_file = open_file, .ud = d};
    CHECK_INT(mw_wire_server_new(&serving, &d->serving), MW_OK);
    CHECK_INT(mw_wire_server_offer(d->serving, mw_client_gate(d->client), &door), MW_OK);
    CHECK_INT(mw_wire_new(d->loop, d->inner, on_warning, d, &d->wire), MW_OK);
    CHECK_INT(mw_wire_gate(d->wire, door, options.service, &d->gate), MW_OK);
}

static void close_desk(desk *d)
{
    mw_wire_free(d->wire);
    mw_wire_server_free(d->serving);
    mw_channel_free(d->inner);
    mw_channel_free(d->outer);
    mw_client_free(d->client);
    mw_server_free(d->server);
    for (int i = 0; mw_loop_live(d->loop) > 0 && i < 1000; i++)
        mw_loop_run(d->loop, true);
    CHECK_INT(mw_loop_live(d->loop), 0);
    mw_loop_free(d->loop);
}

static int get_contact(desk *d, result *r, mw_call_id *id, mw_error *error)
{
    mw_value contact = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    int rc = mw_gate_request(d->gate, mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &contact,
                             1, NULL, NULL, &request, error);
    if (rc == MW_OK)
        rc = mw_gate_submit(d->gate, request, on_answer, r, id, error);
    if (rc != MW_OK)
        mw_request_free(request);
    return rc;
}

static void on_answer(const mw_answer *answer, void *ud)
{
    result *r = ud;
    r->calls++;
    r->answer = *answer;
    snprintf(r->body, sizeof r->body, "%s", answer->body);
    r->body_length = answer->body_length;
    CHECK_INT(answer->body[answer->body_length], 0);
    snprintf(r->message, sizeof r->message, "%s", answer->message);
    snprintf(r->field, sizeof r->field, "%s", answer->field);
    snprintf(r->url, sizeof r->url, "%s", answer->url);
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strcmp(answer->headers[i].name, "x-extra") == 0)
            snprintf(r->header, sizeof r->header, "%s", answer->headers[i].value);
    }
    if (r->what == 1) {
        mw_wire_free(r->desk->wire);
        r->desk->wire = NULL;
    } else if (r->what == 2 && r->calls < 3) {
        CHECK_INT(get_contact(r->desk, r, NULL, NULL), MW_OK);
    } else if (r->what == 3) {
        mw_wire_free(r->desk->wire);
        mw_channel_free(r->desk->inner);
        r->desk->wire = NULL;
        r->desk->inner = NULL;
    }
}

static void run_until(desk *d, const int *calls, int wanted)
{
    for (int i = 0; *calls < wanted && i < 10000; i++)
        mw_loop_run(d->loop, true);
}

static void run_until_seen(desk *d, size_t wanted)
{
    for (int i = 0; d->seen < wanted && i < 10000; i++)
        mw_loop_run(d->loop, true);
}

static int ask(desk *d, mw_service service, const char *module, const char *method,
               const mw_value *path, size_t count, const mw_value *params,
               const mw_call_options *options, result *r)
{
    mw_request *request = NULL;
    mw_error error = {0};
    int rc = mw_gate_request(d->gate, mw_operation_find(service, module, method), path, count,
                             params, options, &request, &error);
    CHECK_STR(error.message, "");
    CHECK_INT(rc, MW_OK);
    rc = mw_gate_submit(d->gate, request, on_answer, r, NULL, &error);
    CHECK_STR(error.message, "");
    run_until(d, &r->calls, 1);
    return r->answer.code;
}

TEST(a_call_crosses_the_wire_and_its_answer_comes_back)
{
    desk d;
    result r = {0};
    mw_call_id id = 0;
    open_desk(&d, (mw_client_options){0});
    d.header = "value";
    CHECK_INT(mw_loop_live(d.loop) > 1, 1);
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    CHECK_INT(r.calls, 0);
    CHECK(id != 0);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_OK);
    CHECK_INT(r.answer.status, 200);
    CHECK_INT(r.answer.sent, MW_SENT_ANSWERED);
    CHECK_INT(r.answer.attempts, 1);
    CHECK(r.answer.elapsed_us > 0 && r.answer.waited_us <= r.answer.elapsed_us);
    CHECK(r.answer.retry_after < 0);
    CHECK_STR(r.body, "{\"id\":12}");
    CHECK_STR(r.header, "value");
    CHECK_STR(r.message, "");
    CHECK_STR(r.field, "");
    CHECK(strstr(r.url, "/api/v1/accounts/1/contacts/12") != NULL);
    CHECK_STR(d.target, "/api/v1/accounts/1/contacts/12");
    CHECK_STR(mw_wire_server_last(d.serving), "contacts:get");
    CHECK_INT(mw_wire_server_live(d.serving), 0);
    CHECK_INT(mw_gate_sent(d.gate), 1);
    mw_gate_cancel(d.gate, id); /* too late: nothing happens */
    r.calls = 0;
    CHECK_INT(get_contact(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(mw_gate_sent(d.gate), 2);
    CHECK_INT(mw_gate_service(d.gate), MW_OOCTOPUS);
    close_desk(&d);
}

TEST(arguments_arrive_as_they_were_given)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    mw_value list[] = {S("billing"), S("a \"b\"\n")};
    mw_member members[] = {M("labels", {.type = MW_V_ARRAY, .length = 2, .as.items = list})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_value id = S("7");
    mw_call_options options = {.account = "23", .timeout_ms = 5000, .retries = 5};
    CHECK_INT(ask(&d, MW_OOCTOPUS, "conversations", "set_labels", &id, 1, &params, &options, &r),
              MW_OK);
    CHECK_STR(d.target, "/api/v1/accounts/23/conversations/7/labels");
    CHECK_STR(d.asked, "{\"labels\":[\"billing\",\"a \\\"b\\\"\\n\"]}");
    close_desk(&d);
}

TEST(raw_requests_cross_too)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    mw_member pair[] = {M("page", {.type = MW_V_INTEGER, .as.integer = 2})};
    mw_member members[] = {M("query", {.type = MW_V_OBJECT, .length = 1, .as.members = pair}),
                           M("body", {.type = MW_V_EMPTY})};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    mw_request *request = NULL;
    CHECK_INT(mw_gate_request_raw(d.gate, MW_POST, "/api/v1/labels", &params, NULL, &request, NULL),
              MW_OK);
    CHECK_STR(mw_request_name(request), "POST /api/v1/labels");
    CHECK_INT(mw_gate_submit(d.gate, request, on_answer, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_OK);
    CHECK_STR(d.target, "/api/v1/labels?page=2");
    CHECK_STR(d.asked, "{}");
    CHECK_STR(mw_wire_server_last(d.serving), "POST /api/v1/labels");
    close_desk(&d);
}

TEST(what_the_broker_refuses_comes_as_an_answer)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){.read_only = true});
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_member members[] = {M("nmae", S("Ada"))};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    CHECK_INT(ask(&d, MW_OOCTOPUS, "contacts", "update", &id, 1, &params, NULL, &r), MW_INVALID);
    CHECK_STR(r.field, "nmae");
    CHECK_STR(r.message, "contacts:update: unknown field 'nmae' (did you mean 'name'?)");
    CHECK_INT(r.answer.sent, MW_SENT_NOT);
    CHECK_INT(r.answer.attempts, 0);
    CHECK_INT(r.body_length, 0);
    r = (result){0};
    CHECK_INT(ask(&d, MW_OOCTOPUS, "contacts", "delete", &id, 1, NULL, NULL, &r), MW_DENIED);
    CHECK_STR(r.message, "contacts:delete: the client is read-only");
    CHECK_INT(r.answer.sent, MW_SENT_NOT);
    r = (result){0};
    CHECK_INT(ask(&d, MW_OOCTOPUS, "contacts", "get", NULL, 0, NULL, NULL, &r), MW_INVALID);
    CHECK_STR(r.message, "contacts:get: missing path parameter 'id'");
    CHECK_INT(d.seen, 0);
    CHECK_INT(mw_gate_sent(d.gate), 0);
    close_desk(&d);
}

TEST(files_are_opened_by_the_broker)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 7};
    mw_value files[] = {S("/etc/passwd")};
    mw_member members[] = {M("content", S("see the file")),
                           M("attachments", {.type = MW_V_ARRAY, .length = 1, .as.items = files})};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    CHECK(ask(&d, MW_OOCTOPUS, "messages", "create", &id, 1, &params, NULL, &r) != MW_OK);
    CHECK(strstr(r.message, "outside of what is granted") != NULL);
    CHECK_INT(d.opened, 1);
    CHECK_INT(d.seen, 0);
    close_desk(&d);
}

TEST(a_failure_of_the_server_comes_with_its_body)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    d.status = 404;
    d.body = "{\"error\":\"no such contact\"}";
    d.body_length = strlen(d.body);
    CHECK_INT(get_contact(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_NOT_FOUND);
    CHECK_INT(r.answer.status, 404);
    CHECK_STR(r.body, "{\"error\":\"no such contact\"}");
    CHECK(r.message[0] != '\0');
    close_desk(&d);
}

TEST(warnings_travel_with_the_answer)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){.service = MW_CIRCUIT});
    mw_value filter[] = {S("CONVERSATION.*")};
    mw_member members[] = {M("filter", {.type = MW_V_ARRAY, .length = 1, .as.items = filter}),
                           M("url", S("https://example.org/"))};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    CHECK_INT(ask(&d, MW_CIRCUIT, "webhooks", "add", NULL, 0, &params, NULL, &r), MW_OK);
    CHECK_INT(d.warnings, 1);
    CHECK(strstr(d.warning, "CONVERSATION.*") != NULL);
    CHECK_STR(d.asked, "filter=CONVERSATION.%2A&url=https%3A%2F%2Fexample.org%2F");
    close_desk(&d);
}

static void check_struck_out(const char *body, const char *wanted)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    d.body = body;
    d.body_length = strlen(body);
    d.header = "a " TOKEN " b";
    CHECK_INT(get_contact(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_STR(r.body, wanted);
    CHECK_STR(r.header, "a *********************** b");
    close_desk(&d);
}

TEST(a_secret_that_the_server_echoes_does_not_reach_the_worker)
{
    check_struck_out("{\"a\":\"" TOKEN "\",\"b\":\"x" TOKEN TOKEN "\"}",
                     "{\"a\":\"***********************\","
                     "\"b\":\"x**********************************************\"}");
    check_struck_out("\"s3cret\\/token-0123456789 \\n \\\\\"",
                     "\"************************ \\n \\\\\"");
    check_struck_out("\"\\u0073\\u0033cret\\/token-012345678\\u0039.\"",
                     "\"***************************************.\"");
    check_struck_out("\"s3cre\\u0074/token-0123456789\"", "\"****************************\"");
    check_struck_out("\"s3cret\\/token-012345678\"", "\"s3cret\\/token-012345678\""); /* not it */
    check_struck_out("\\u0073", "\\u0073");
    check_struck_out("s3cret\\", "s3cret\\");
    check_struck_out("s3cret\\u00", "s3cret\\u00");
}

TEST(a_request_of_another_make_is_refused)
{
    desk d;
    result r = {0};
    mw_error error = {0};
    open_desk(&d, (mw_client_options){0});
    mw_value contact = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    mw_request_new(mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &contact, 1, NULL, NULL,
                   &request, NULL);
    CHECK_INT(mw_gate_submit(d.gate, request, on_answer, &r, NULL, &error), MW_INVALID);
    CHECK_STR(error.message,
              "contacts:get: the request was not made by mw_gate_request of this gate");
    mw_request_free(request);
    request = NULL;
    CHECK_INT(mw_gate_request(d.gate, NULL, NULL, 0, NULL, NULL, &request, &error), MW_INVALID);
    CHECK_STR(error.message, "there is no such operation");
    close_desk(&d);
}

TEST(arguments_that_are_too_much_are_refused_at_once)
{
    desk d;
    mw_error error = {0};
    open_desk(&d, (mw_client_options){0});
    size_t size = MW_WIRE_MAX_CALL;
    char *large = malloc(size);
    memset(large, 'x', size);
    mw_member members[] = {M("body", {.type = MW_V_STRING, .as.string = large, .length = size})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_request *request = NULL;
    CHECK_INT(mw_gate_request_raw(d.gate, MW_POST, "/x", &params, NULL, &request, &error),
              MW_TOO_LARGE);
    CHECK_STR(error.message, "POST /x: the arguments are larger than 1048576 bytes, the most of one "
                             "call of a script");
    CHECK(request == NULL);
    free(large);
    close_desk(&d);
}

TEST(arguments_that_grow_in_the_broker_get_an_answer)
{
    enum { COUNT = 1000000 };
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    mw_value *items = calloc(COUNT, sizeof *items);
    for (size_t i = 0; i < COUNT; i++)
        items[i].type = MW_V_NULL;
    mw_member members[] = {M("body", {.type = MW_V_ARRAY, .as.items = items, .length = COUNT})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_request *request = NULL;
    CHECK_INT(mw_gate_request_raw(d.gate, MW_POST, "/x", &params, NULL, &request, NULL), MW_OK);
    CHECK_INT(mw_gate_submit(d.gate, request, on_answer, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_TOO_LARGE);
    CHECK_STR(r.message, "POST /x: the arguments take more memory than those of one call may");
    CHECK_INT(d.ends, 0);
    free(items);
    close_desk(&d);
}

TEST(the_window_holds_calls_back_and_loses_none)
{
    enum { COUNT = 300 };
    desk d;
    result r[COUNT] = {0};
    open_desk(&d, (mw_client_options){.concurrency = COUNT});
    d.hold = true;
    for (size_t i = 0; i < COUNT; i++)
        CHECK_INT(get_contact(&d, &r[i], NULL, NULL), MW_OK);
    run_until_seen(&d, 200);
    for (int i = 0; i < 200 && d.seen < MW_WIRE_CALLS; i++)
        mw_loop_run(d.loop, true);
    for (int i = 0; i < 50; i++)
        mw_loop_run(d.loop, false);
    CHECK_INT(mw_wire_server_live(d.serving), MW_WIRE_CALLS);
    CHECK_INT(d.seen, MW_WIRE_CALLS);
    d.hold = false;
    for (size_t i = d.held_count; i > 0; i--) /* in another order than they came */
        mw_exchange_answer(d.held[i - 1], 200, NULL, 0, "{}", 2);
    for (size_t i = 0; i < COUNT; i++) {
        run_until(&d, &r[i].calls, 1);
        CHECK_INT(r[i].calls, 1);
        CHECK_INT(r[i].answer.code, MW_OK);
    }
    CHECK_INT(d.ends, 0);
    CHECK_INT(d.seen, COUNT);
    CHECK_INT(mw_gate_sent(d.gate), COUNT);
    CHECK_INT(mw_wire_server_live(d.serving), 0);
    close_desk(&d);
}

TEST(the_window_counts_bytes_too)
{
    enum { COUNT = 20, SIZE = 1000000, FIT = MW_WIRE_BYTES / SIZE };
    desk d;
    result r[COUNT] = {0};
    open_desk(&d, (mw_client_options){0});
    d.hold = true;
    char *large = malloc(SIZE);
    memset(large, 'x', SIZE);
    mw_member members[] = {M("body", {.type = MW_V_STRING, .as.string = large, .length = SIZE})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    for (size_t i = 0; i < COUNT; i++) {
        mw_request *request = NULL;
        CHECK_INT(mw_gate_request_raw(d.gate, MW_POST, "/x", &params, NULL, &request, NULL), MW_OK);
        CHECK_INT(mw_gate_submit(d.gate, request, on_answer, &r[i], NULL, NULL), MW_OK);
    }
    run_until_seen(&d, FIT);
    for (int i = 0; i < 50; i++)
        mw_loop_run(d.loop, false);
    CHECK_INT(mw_wire_server_live(d.serving), FIT);
    d.hold = false;
    for (size_t i = 0; i < d.held_count; i++)
        mw_exchange_answer(d.held[i], 200, NULL, 0, "{}", 2);
    for (size_t i = 0; i < COUNT; i++) {
        run_until(&d, &r[i].calls, 1);
        CHECK_INT(r[i].answer.code, MW_OK);
    }
    CHECK_INT(d.ends, 0);
    free(large);
    close_desk(&d);
}

TEST(a_cancelled_call_ends_once_and_later)
{
    desk d;
    result r = {0};
    result next = {0};
    mw_call_id id = 0;
    open_desk(&d, (mw_client_options){0});
    d.hold = true;
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    run_until_seen(&d, 1);
    mw_gate_cancel(d.gate, id);
    mw_gate_cancel(d.gate, id);
    CHECK_INT(r.calls, 0);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_CANCELLED);
    CHECK_INT(r.answer.sent, MW_SENT_UNKNOWN);
    for (int i = 0; mw_wire_server_live(d.serving) > 0 && i < 100; i++)
        mw_loop_run(d.loop, true); /* it is cancelled over there as well */
    CHECK_INT(mw_wire_server_live(d.serving), 0);
    d.hold = false;
    CHECK_INT(get_contact(&d, &next, NULL, NULL), MW_OK);
    run_until(&d, &next.calls, 1);
    CHECK_INT(next.answer.code, MW_OK);
    CHECK_INT(r.calls, 1);
    CHECK_INT(d.ends, 0);
    close_desk(&d);
}

TEST(a_cancel_may_cross_the_answer)
{
    desk d;
    result r = {0};
    mw_call_id id = 0;
    open_desk(&d, (mw_client_options){0});
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    mw_channel_pause(d.inner, true);
    for (int i = 0; (d.seen == 0 || mw_wire_server_live(d.serving) > 0) && i < 1000; i++)
        mw_loop_run(d.loop, true);
    mw_gate_cancel(d.gate, id); /* the answer is in the socket */
    mw_channel_pause(d.inner, false);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_OK);
    for (int i = 0; i < 20; i++)
        mw_loop_run(d.loop, false);
    CHECK_INT(r.calls, 1);
    CHECK_INT(d.ends, 0);
    close_desk(&d);
}

TEST(a_call_that_is_held_back_may_be_cancelled)
{
    enum { COUNT = MW_WIRE_CALLS + 4 };
    desk d;
    result r[COUNT] = {0};
    mw_call_id id[COUNT];
    open_desk(&d, (mw_client_options){.concurrency = 4});
    d.hold = true;
    for (size_t i = 0; i < COUNT; i++)
        CHECK_INT(get_contact(&d, &r[i], &id[i], NULL), MW_OK);
    mw_gate_cancel(d.gate, id[COUNT - 1]); /* the last, then one in the middle of the queue */
    mw_gate_cancel(d.gate, id[COUNT - 3]);
    run_until(&d, &r[COUNT - 3].calls, 1);
    CHECK_INT(r[COUNT - 1].answer.code, MW_CANCELLED);
    CHECK_INT(r[COUNT - 1].answer.sent, MW_SENT_NOT);
    run_until_seen(&d, 4);
    d.hold = false;
    for (size_t i = 0; i < d.held_count; i++)
        mw_exchange_answer(d.held[i], 200, NULL, 0, "{}", 2);
    for (size_t i = 0; i < COUNT; i++) {
        run_until(&d, &r[i].calls, 1);
        CHECK_INT(r[i].calls, 1);
        CHECK_INT(r[i].answer.code, i == COUNT - 1 || i == COUNT - 3 ? MW_CANCELLED : MW_OK);
    }
    CHECK_INT(d.seen, COUNT - 2);
    close_desk(&d);
}

TEST(who_does_not_read_is_not_served_further)
{
    enum { COUNT = 40, SIZE = 1024 * 1024 };
    desk d;
    result r[COUNT] = {0};
    open_desk(&d, (mw_client_options){.concurrency = 1});
    d.body = malloc(SIZE);
    memset((char *)d.body, 'x', SIZE);
    d.body_length = SIZE;
    for (size_t i = 0; i < 20; i++)
        CHECK_INT(get_contact(&d, &r[i], NULL, NULL), MW_OK);
    mw_channel_pause(d.inner, true);
    for (int i = 0; mw_channel_queued(d.outer) < 8 * SIZE && i < 20000; i++)
        mw_loop_run(d.loop, true);
    CHECK(mw_channel_queued(d.outer) >= 8 * SIZE);
    for (size_t i = 20; i < COUNT; i++) /* these stay in the socket */
        CHECK_INT(get_contact(&d, &r[i], NULL, NULL), MW_OK);
    for (int i = 0; mw_wire_server_live(d.serving) > 0 && i < 20000; i++)
        mw_loop_run(d.loop, true);
    CHECK_INT(d.seen, 20);
    CHECK_INT(mw_wire_server_live(d.serving), 0);
    mw_channel_pause(d.inner, false);
    for (size_t i = 0; i < COUNT; i++) {
        run_until(&d, &r[i].calls, 1);
        CHECK_INT(r[i].answer.code, MW_OK);
        CHECK_INT(r[i].body_length, SIZE);
    }
    CHECK_INT(d.seen, COUNT);
    free((char *)d.body);
    close_desk(&d);
}

TEST(closing_ends_every_call)
{
    enum { COUNT = MW_WIRE_CALLS + 10 };
    desk d;
    result r[COUNT] = {0};
    mw_call_id id;
    mw_error error = {0};
    open_desk(&d, (mw_client_options){.concurrency = 2});
    d.hold = true;
    for (size_t i = 0; i < COUNT; i++)
        CHECK_INT(get_contact(&d, &r[i], &id, NULL), MW_OK);
    mw_gate_cancel(d.gate, id);
    run_until_seen(&d, 2);
    mw_wire_close(d.wire);
    mw_wire_close(d.wire);
    CHECK_INT(r[0].calls, 0);
    CHECK_INT(get_contact(&d, &r[0], NULL, &error), MW_INVALID);
    CHECK_STR(error.message, "contacts:get: the client is closed");
    for (size_t i = 0; i < COUNT; i++) {
        run_until(&d, &r[i].calls, 1);
        CHECK_INT(r[i].calls, 1);
        CHECK_INT(r[i].answer.code, MW_CANCELLED);
        CHECK_INT(r[i].answer.sent, i < MW_WIRE_CALLS ? MW_SENT_UNKNOWN : MW_SENT_NOT);
    }
    close_desk(&d);
}

TEST(either_end_may_go_first)
{
    for (int first = 0; first < 4; first++) {
        desk d;
        result r[3] = {0};
        open_desk(&d, (mw_client_options){.concurrency = 2});
        d.hold = true;
        for (size_t i = 0; i < 3; i++)
            CHECK_INT(get_contact(&d, &r[i], NULL, NULL), MW_OK);
        run_until_seen(&d, 2);
        if (first == 0) { /* the broker's end, with its calls in flight */
            mw_wire_server_free(d.serving);
            d.serving = NULL;
            mw_channel_free(d.outer);
            d.outer = NULL;
        } else if (first == 1) { /* the worker's */
            mw_wire_free(d.wire);
            d.wire = NULL;
        } else if (first == 2) { /* the worker is dead */
            mw_channel *inner = d.inner;
            d.inner = NULL;
            mw_wire_free(d.wire);
            d.wire = NULL;
            mw_channel_free(inner);
        } else { /* the client's gate ends its calls */
            mw_client_close(d.client);
        }
        for (size_t i = 0; i < 3; i++) {
            run_until(&d, &r[i].calls, 1);
            CHECK_INT(r[i].calls, 1);
            CHECK_INT(r[i].answer.code, MW_CANCELLED);
        }
        close_desk(&d);
    }
}

TEST(the_loop_may_go_with_calls_in_flight)
{
    desk d;
    result r[3] = {0};
    open_desk(&d, (mw_client_options){.concurrency = 2});
    d.hold = true;
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(get_contact(&d, &r[i], NULL, NULL), MW_OK);
    run_until_seen(&d, 2);
    mw_client_free(d.client);
    mw_loop_free(d.loop);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(r[i].calls, 1);
        CHECK_INT(r[i].answer.code, MW_CANCELLED);
    }
    mw_wire_free(d.wire);
    mw_wire_server_free(d.serving);
    mw_channel_free(d.inner);
    mw_channel_free(d.outer);
}

TEST(an_answer_may_ask_again_and_may_free_everything)
{
    desk d;
    result r = {.desk = &d, .what = 2};
    open_desk(&d, (mw_client_options){0});
    CHECK_INT(get_contact(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 3);
    CHECK_INT(r.calls, 3);
    for (int what = 1; what <= 3; what += 2) {
        result last[2] = {{.desk = &d, .what = what}, {0}};
        if (what == 3) {
            close_desk(&d);
            open_desk(&d, (mw_client_options){0});
        }
        CHECK_INT(get_contact(&d, &last[0], NULL, NULL), MW_OK);
        CHECK_INT(get_contact(&d, &last[1], NULL, NULL), MW_OK);
        run_until(&d, &last[1].calls, 1);
        CHECK_INT(last[0].calls, 1);
        CHECK_INT(last[1].calls, 1);
    }
    close_desk(&d);
}

TEST(only_calls_keep_a_worker_waiting)
{
    desk d;
    result r = {0};
    int fds[2];
    d = (desk){0};
    CHECK_INT(mw_loop_new(&d.loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    mw_channel_options inner = {.fd = fds[0],
                                .max_frame = MW_WIRE_MAX_ANSWER,
                                .background = true,
                                .on_frame = on_inner,
                                .on_end = on_end,
                                .ud = &d};
    CHECK_INT(mw_channel_new(d.loop, &inner, &d.inner, NULL), MW_OK);
    CHECK_INT(mw_wire_new(d.loop, d.inner, NULL, NULL, &d.wire), MW_OK);
    CHECK_INT(mw_wire_gate(d.wire, 0, MW_OOCTOPUS, &d.gate), MW_OK);
    mw_gate *again = NULL;
    CHECK_INT(mw_wire_gate(d.wire, 0, MW_OOCTOPUS, &again), MW_OK);
    CHECK(again == d.gate);
    CHECK_INT(mw_loop_live(d.loop), 0);
    CHECK_INT(mw_loop_run(d.loop, true), 0); /* returns at once, or this test hangs */
    CHECK_INT(get_contact(&d, &r, NULL, NULL), MW_OK);
    CHECK_INT(mw_loop_live(d.loop), 1);
    CHECK_INT(mw_loop_run(d.loop, false), 1);
    close(fds[1]);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.answer.code, MW_CANCELLED);
    CHECK_INT(d.ends, 1);
    CHECK_INT(mw_loop_live(d.loop), 0);
    CHECK_INT(mw_loop_run(d.loop, true), 0);
    mw_wire_free(d.wire);
    mw_channel_free(d.inner);
    mw_loop_free(d.loop);
}

/* ---- two loops ---- */

enum { CROSSINGS = 3000, FLIGHT = 32 };

typedef struct worker {
    int fd;
    mw_loop *loop;
    mw_wire *wire;
    mw_gate *gate;
    unsigned started;
    unsigned done;
    unsigned good;
} worker;

static void on_worker_answer(const mw_answer *answer, void *ud);

static void worker_ask(worker *w)
{
    mw_value contact = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    mw_gate_request(w->gate, mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &contact, 1, NULL,
                    NULL, &request, NULL);
    if (mw_gate_submit(w->gate, request, on_worker_answer, w, NULL, NULL) == MW_OK)
        w->started++;
}

static void on_worker_answer(const mw_answer *answer, void *ud)
{
    worker *w = ud;
    w->done++;
    w->good += answer->code == MW_OK && answer->body_length == 9 ? 1u : 0u;
    if (w->started < CROSSINGS)
        worker_ask(w);
}

static void on_worker_frame(const mw_frame *frame, void *ud)
{
    mw_wire_frame(((worker *)ud)->wire, frame);
}

static void *run_worker(void *ud)
{
    worker *w = ud;
    mw_channel *channel = NULL;
    mw_channel_options options = {.fd = w->fd,
                                  .max_frame = MW_WIRE_MAX_ANSWER,
                                  .background = true,
                                  .on_frame = on_worker_frame,
                                  .ud = w};
    if (mw_loop_new(&w->loop) != MW_OK ||
        mw_channel_new(w->loop, &options, &channel, NULL) != MW_OK ||
        mw_wire_new(w->loop, channel, NULL, NULL, &w->wire) != MW_OK ||
        mw_wire_gate(w->wire, 0, MW_OOCTOPUS, &w->gate) != MW_OK)
        return NULL;
    for (int i = 0; i < FLIGHT; i++)
        worker_ask(w);
    while (mw_loop_run(w->loop, true)) {}
    mw_wire_free(w->wire);
    mw_channel_free(channel);
    mw_loop_free(w->loop);
    return NULL;
}

TEST(a_worker_with_a_loop_of_its_own_gets_all_its_answers)
{
    desk d = {0};
    worker w = {0};
    pthread_t thread;
    int fds[2];
    uint32_t door = 99;
    CHECK_INT(mw_loop_new(&d.loop), MW_OK);
    open_service(&d, (mw_client_options){0});
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    mw_channel_options outer = {.fd = fds[1], .on_frame = on_outer, .on_end = on_end, .ud = &d};
    CHECK_INT(mw_channel_new(d.loop, &outer, &d.outer, NULL), MW_OK);
    mw_wire_server_options serving = {.loop = d.loop, .channel = d.outer};
    CHECK_INT(mw_wire_server_new(&serving, &d.serving), MW_OK);
    CHECK_INT(mw_wire_server_offer(d.serving, mw_client_gate(d.client), &door), MW_OK);
    CHECK_INT(door, 0);
    w.fd = fds[0];
    CHECK_INT(pthread_create(&thread, NULL, run_worker, &w), 0);
    for (int i = 0; d.ends == 0 && i < 1000000; i++)
        mw_loop_run(d.loop, true);
    pthread_join(thread, NULL);
    CHECK_STR(d.message, "0 the peer has closed");
    CHECK_INT(w.done, CROSSINGS);
    CHECK_INT(w.good, CROSSINGS);
    CHECK_INT(d.seen, CROSSINGS);
    close_desk(&d);
}

/* ---- failing allocations ---- */

/* One call with the nth allocation failing, on both ends; whether one failed. */
static bool try_call(unsigned nth)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    d.header = "value";
    fail_allocation(nth);
    int rc = get_contact(&d, &r, NULL, NULL);
    CHECK(rc == MW_OK || rc == MW_MEMORY);
    for (int i = 0; rc == MW_OK && r.calls == 0 && i < 1000; i++)
        mw_loop_run(d.loop, true);
    bool failed = allocation_failed();
    fail_allocation(0);
    CHECK_INT(r.calls, rc == MW_OK ? 1 : 0);
    if (!failed)
        CHECK_INT(r.answer.code, MW_OK);
    else if (r.calls > 0) /* the server's own failures too */
        CHECK(r.answer.code == MW_OK || r.answer.code == MW_MEMORY || r.answer.code == MW_SERVER ||
              r.answer.code == MW_NETWORK || (r.answer.code == MW_CANCELLED && d.ends > 0));
    close_desk(&d);
    return failed;
}

TEST(calls_over_a_wire_survive_any_failing_allocation)
{
    unsigned nth = 1;
    while (nth < 300 && try_call(nth))
        nth++;
    CHECK(nth > 10 && nth < 300);
}

TEST(both_ends_survive_any_failing_allocation)
{
    desk d;
    open_desk(&d, (mw_client_options){0});
    for (unsigned nth = 1; nth < 10; nth++) {
        mw_wire *wire = NULL;
        mw_wire_server *serving = NULL;
        mw_gate *gate = NULL;
        uint32_t door;
        fail_allocation(nth);
        int rc = mw_wire_new(d.loop, d.inner, NULL, NULL, &wire);
        if (rc == MW_OK)
            rc = mw_wire_gate(wire, 1, MW_OOCTOPUS, &gate);
        if (rc == MW_OK)
            rc = mw_wire_server_new(&(mw_wire_server_options){.loop = d.loop, .channel = d.outer},
                                    &serving);
        if (rc == MW_OK)
            rc = mw_wire_server_offer(serving, mw_client_gate(d.client), &door);
        CHECK_INT(rc, allocation_failed() ? MW_MEMORY : MW_OK);
        fail_allocation(0);
        mw_wire_free(wire);
        mw_wire_server_free(serving);
    }
    close_desk(&d);
}
