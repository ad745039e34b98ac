/* client_test.c: clients and gates against a real server on the same loop: one answer for each
 * call, whatever ends it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mw/mw.h"
#include "test.h"

typedef struct desk {
    mw_loop *loop;
    mw_server *server;
    mw_client *client;
    mw_exchange *held[8]; /* requests that wait for their answer */
    size_t held_count;
    bool hold;
    size_t seen;
    size_t body_length; /* of the last request */
    char last_token[64];
    char last_target[256];
} desk;

typedef struct result {
    int calls;
    int code;
    int status;
    mw_sent sent;
    uint32_t attempts;
    char body[128];
    char message[256];
} result;

static void on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    desk *d = ud;
    d->seen++;
    d->body_length = incoming->body_length;
    snprintf(d->last_target, sizeof d->last_target, "%s", incoming->target);
    d->last_token[0] = '\0';
    for (size_t i = 0; i < incoming->header_count; i++) {
        if (strcmp(incoming->headers[i].name, "api_access_token") == 0)
            snprintf(d->last_token, sizeof d->last_token, "%s", incoming->headers[i].value);
    }
    if (d->hold && d->held_count < 8)
        d->held[d->held_count++] = exchange;
    else
        mw_exchange_answer(exchange, 200, NULL, 0, "{\"id\":12}", 9);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    result *r = ud;
    r->calls++;
    r->code = answer->code;
    r->status = answer->status;
    r->sent = answer->sent;
    r->attempts = answer->attempts;
    snprintf(r->body, sizeof r->body, "%s", answer->body);
    snprintf(r->message, sizeof r->message, "%s", answer->message);
}

static void open_desk(desk *d, mw_client_options options)
{
    *d = (desk){0};
    mw_error error = {0};
    CHECK_INT(mw_loop_new(&d->loop), MW_OK);
    CHECK_INT(mw_server_new(d->loop, &(mw_server_options){0}, on_request, d, &d->server, &error),
              MW_OK);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/desk/", mw_server_port(d->server));
    options.url = url;
    options.account = "1";
    options.user_token = "user-token";
    CHECK_INT(mw_client_new(d->loop, &options, &d->client, &error), MW_OK);
    CHECK_STR(error.message, "");
}

static void close_desk(desk *d)
{
    mw_client_free(d->client);
    mw_server_free(d->server);
    while (mw_loop_live(d->loop) > 0)
        mw_loop_run(d->loop, true);
    mw_loop_free(d->loop);
}

static int get_contact(desk *d, result *r, mw_call_id *id, mw_error *error)
{
    mw_value contact = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &contact, 1, NULL,
                            NULL, &request, error);
    CHECK_INT(rc, MW_OK);
    rc = mw_gate_submit(mw_client_gate(d->client), request, on_answer, r, id, error);
    if (rc != MW_OK)
        mw_request_free(request);
    return rc;
}

static void run_until(desk *d, const int *calls, int wanted)
{
    for (int turns = 0; *calls < wanted && turns < 10000; turns++)
        mw_loop_run(d->loop, true);
}

TEST(a_call_gets_its_answer_once_and_later)
{
    desk d;
    result r = {0};
    mw_call_id id = 0;
    open_desk(&d, (mw_client_options){0});
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    CHECK_INT(r.calls, 0);
    CHECK(id != 0);
    CHECK_INT(mw_loop_live(d.loop) > 1, 1);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(r.status, 200);
    CHECK_INT(r.sent, MW_SENT_ANSWERED);
    CHECK_INT(r.attempts, 1);
    CHECK_STR(r.body, "{\"id\":12}");
    CHECK_STR(d.last_target, "/desk/api/v1/accounts/1/contacts/12");
    CHECK_STR(d.last_token, "user-token");
    mw_gate_cancel(mw_client_gate(d.client), id); /* too late: nothing happens */
    mw_loop_run(d.loop, false);
    CHECK_INT(r.calls, 1);
    CHECK_INT(mw_gate_sent(mw_client_gate(d.client)), 1);
    close_desk(&d);
}

TEST(a_cancelled_call_ends_once_and_later)
{
    desk d;
    result r = {0};
    mw_call_id id = 0;
    open_desk(&d, (mw_client_options){0});
    d.hold = true;
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    for (int turns = 0; d.seen == 0 && turns < 1000; turns++)
        mw_loop_run(d.loop, true);
    mw_gate_cancel(mw_client_gate(d.client), id);
    mw_gate_cancel(mw_client_gate(d.client), id);
    CHECK_INT(r.calls, 0);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.calls, 1);
    CHECK_INT(r.code, MW_CANCELLED);
    CHECK_INT(r.sent, MW_SENT_UNKNOWN);
    close_desk(&d);
}

TEST(closing_a_client_ends_its_calls_waiting_ones_too)
{
    desk d;
    result r[5] = {0};
    mw_call_id id;
    open_desk(&d, (mw_client_options){.concurrency = 2});
    d.hold = true;
    for (size_t i = 0; i < 5; i++)
        CHECK_INT(get_contact(&d, &r[i], &id, NULL), MW_OK);
    for (int turns = 0; d.seen < 2 && turns < 1000; turns++)
        mw_loop_run(d.loop, true);
    CHECK_INT(d.seen, 2);
    mw_client_close(d.client);
    mw_client_close(d.client);
    run_until(&d, &r[0].calls, 1);
    for (size_t i = 0; i < 5; i++) {
        CHECK_INT(r[i].calls, 1);
        CHECK_INT(r[i].code, MW_CANCELLED);
        CHECK_INT(r[i].sent, i < 2 ? MW_SENT_UNKNOWN : MW_SENT_NOT);
    }
    mw_error error = {0};
    CHECK_INT(get_contact(&d, &r[0], &id, &error), MW_INVALID);
    CHECK_STR(error.message, "contacts:get: the client is closed");
    close_desk(&d);
}

TEST(calls_outlive_their_client_and_end_with_the_loop)
{
    desk d;
    result r = {0};
    mw_call_id id;
    open_desk(&d, (mw_client_options){0});
    d.hold = true;
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    mw_client_free(d.client);
    mw_server_free(d.server);
    CHECK_INT(r.calls, 0);
    mw_loop_free(d.loop);
    CHECK_INT(r.calls, 1);
    CHECK_INT(r.code, MW_CANCELLED);
}

TEST(a_client_that_is_freed_after_its_loop_is_no_harm)
{
    desk d;
    result r = {0};
    mw_call_id id;
    open_desk(&d, (mw_client_options){0});
    CHECK_INT(get_contact(&d, &r, &id, NULL), MW_OK);
    mw_server_free(d.server);
    mw_loop_free(d.loop);
    CHECK_INT(r.calls, 1);
    mw_client_free(d.client);
}

TEST(waiting_calls_go_in_order)
{
    desk d;
    result r[4] = {0};
    mw_call_id id;
    open_desk(&d, (mw_client_options){.concurrency = 1});
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(get_contact(&d, &r[i], &id, NULL), MW_OK);
    for (size_t i = 0; i < 4; i++) {
        run_until(&d, &r[i].calls, 1);
        CHECK_INT(r[i].code, MW_OK);
        CHECK_INT(d.seen, i + 1);
        CHECK_INT(i == 3 || r[i + 1].calls == 0, 1);
    }
    close_desk(&d);
}

TEST(what_may_not_go_is_refused_at_the_gate)
{
    desk d;
    result r = {0};
    mw_call_id id;
    mw_error error = {0};
    open_desk(&d, (mw_client_options){.read_only = true, .max_calls = 1});
    mw_value contact = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    mw_request_new(mw_operation_find(MW_OOCTOPUS, "contacts", "delete"), &contact, 1, NULL, NULL,
                   &request, NULL);
    CHECK_INT(mw_gate_submit(mw_client_gate(d.client), request, on_answer, &r, &id, &error),
              MW_DENIED);
    CHECK_STR(error.message, "contacts:delete: the client is read-only");
    mw_request_free(request);
    mw_request_new(mw_operation_find(MW_OOCTOPUS, "platform.users", "get"), &contact, 1, NULL, NULL,
                   &request, NULL);
    CHECK_INT(mw_gate_submit(mw_client_gate(d.client), request, on_answer, &r, &id, &error),
              MW_INVALID);
    CHECK_STR(
        error.message,
        "platform.users:get: needs a token of kind platform, and this client has none of that kind");
    mw_request_free(request);
    CHECK_INT(get_contact(&d, &r, &id, &error), MW_OK);
    CHECK_INT(get_contact(&d, &r, &id, &error), MW_BUDGET);
    run_until(&d, &r.calls, 1);
    CHECK_INT(d.seen, 1);
    close_desk(&d);
}

static void check_refused(mw_client_options options, const char *message)
{
    mw_loop *loop;
    mw_client *client = NULL;
    mw_error error = {0};
    mw_loop_new(&loop);
    CHECK_INT(mw_client_new(loop, &options, &client, &error), MW_INVALID);
    CHECK_STR(error.message, message);
    CHECK(client == NULL);
    mw_loop_free(loop);
}

TEST(options_that_can_not_be_are_refused)
{
    check_refused((mw_client_options){.url = "ftp://example.org"},
                  "can't make a client: option 'url' must be an http:// or https:// address");
    check_refused((mw_client_options){.url = "example.org"},
                  "can't make a client: option 'url' must be an http:// or https:// address");
    check_refused((mw_client_options){.url = "https://u:p@example.org"},
                  "can't make a client: option 'url' must not hold a user or password; "
                  "give the token as an option");
    check_refused((mw_client_options){.url = "https://example.org/?a=1"},
                  "can't make a client: option 'url' must not hold a query or a fragment");
    check_refused((mw_client_options){.url = "https://example.org/a/../b"},
                  "can't make a client: the path of option 'url' holds a '.' or '..' segment");
    check_refused((mw_client_options){.user_token = "a\r\nX-Evil: 1"},
                  "can't make a client: option 'token' holds characters that no token has "
                  "(spaces, line ends, controls)");
    check_refused((mw_client_options){.paths = MW_PATHS_UPSTREAM},
                  "can't make a client: option 'url' is needed: upstream Chatwoot has no public "
                  "address of its own");
    check_refused(
        (mw_client_options){.proxy = "foo://user:PASS@127.0.0.1:1"},
        "can't make a client: option 'proxy' is no address of an http, https or socks proxy");
    check_refused(
        (mw_client_options){.proxy = "http://user:PA SS@127.0.0.1:1"},
        "can't make a client: option 'proxy' is no address of an http, https or socks proxy");
    check_refused((mw_client_options){.account = "one"},
                  "can't make a client: option 'account' must be an account id, a whole number");
    check_refused((mw_client_options){.user_agent = "a\nb"},
                  "can't make a client: option 'user_agent' holds control characters");
}

TEST(the_url_in_force_is_told)
{
    mw_loop *loop;
    mw_client *client = NULL;
    mw_loop_new(&loop);
    CHECK_INT(mw_client_new(loop, &(mw_client_options){.url = "https://desk.example:8443/a/b//"},
                            &client, NULL),
              MW_OK);
    CHECK_STR(mw_client_url(client), "https://desk.example:8443/a/b");
    mw_client_free(client);
    CHECK_INT(mw_client_new(loop, &(mw_client_options){.service = MW_CIRCUIT}, &client, NULL),
              MW_OK);
    CHECK_STR(mw_client_url(client), "https://circuitsandbox.net/rest/v2");
    mw_client_free(client);
    mw_loop_free(loop);
}

TEST(nobody_has_to_keep_the_id_of_a_call)
{
    desk d;
    result r = {0};
    open_desk(&d, (mw_client_options){0});
    CHECK_INT(get_contact(&d, &r, NULL, NULL), MW_OK);
    run_until(&d, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    close_desk(&d);
}

/* A file is sent as long as it was when the request was made: what was appended since would spill into the next
 * request on the connection, and a shorter one must not be waited for. */
static void send_file_of_changed_size(off_t changed, result *r, size_t *received)
{
    desk d;
    char path[] = "/tmp/mw-client-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && ftruncate(fd, 1000) == 0);
    open_desk(&d, (mw_client_options){0});
    mw_value conversation = {.type = MW_V_INTEGER, .as.integer = 7};
    mw_value files[] = {{.type = MW_V_STRING, .as.string = path, .length = strlen(path)}};
    mw_member members[] = {{.name = "content",
                            .name_length = 7,
                            .value = {.type = MW_V_STRING, .as.string = "x", .length = 1}},
                           {.name = "attachments",
                            .name_length = 11,
                            .value = {.type = MW_V_ARRAY, .length = 1, .as.items = files}}};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    mw_request *request = NULL;
    CHECK_INT(mw_request_new(mw_operation_find(MW_OOCTOPUS, "messages", "create"), &conversation, 1,
                             &params, NULL, &request, NULL),
              MW_OK);
    CHECK(ftruncate(fd, changed) == 0);
    CHECK_INT(mw_gate_submit(mw_client_gate(d.client), request, on_answer, r, NULL, NULL), MW_OK);
    run_until(&d, &r->calls, 1);
    *received = d.body_length;
    close_desk(&d);
    close(fd);
    unlink(path);
}

TEST(a_file_that_changes_its_size_harms_nobody)
{
    result grown = {0};
    result shrunk = {0};
    size_t received = 0;
    send_file_of_changed_size(5000, &grown, &received);
    CHECK_INT(grown.code, MW_OK);
    CHECK(received > 1000 && received < 2000);
    send_file_of_changed_size(10, &shrunk, &received);
    CHECK_INT(shrunk.code, MW_AMBIGUOUS);
    CHECK_STR(shrunk.message, "a file that was to be sent could not be read to its end");
    CHECK_INT(received, 0);
}
