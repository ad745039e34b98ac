/* torture_test.c: every allocation of a request, a client and a call fails in turn; the failure is
 * reported, nothing leaks (the sanitize build says so) and the next try succeeds. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "mw/mw.h"
#include "test.h"

#define S(text)                                                                                    \
    {                                                                                              \
        .type = MW_V_STRING, .as.string = text, .length = sizeof text - 1                          \
    }
#define M(key, ...)                                                                                \
    {                                                                                              \
        .name = key, .name_length = sizeof key - 1, .value = __VA_ARGS__                           \
    }

enum { MOST = 500 }; /* more allocations than any of these makes */

typedef int (*attempt)(void *ud);

/* Runs `fn` until no allocation fails any more; says how often one did. */
static unsigned torture(attempt fn, void *ud)
{
    unsigned nth = 1;
    for (; nth < MOST; nth++) {
        fail_allocation(nth);
        int rc = fn(ud);
        bool failed = allocation_failed();
        fail_allocation(0);
        if (!failed) {
            CHECK_INT(rc, MW_OK);
            break;
        }
        CHECK(rc == MW_OK || rc == MW_MEMORY);
    }
    CHECK(nth < MOST);
    return nth - 1;
}

static int make_json_request(void *ud)
{
    (void)ud;
    mw_value list[] = {S("billing"), S("urgent")};
    mw_member members[] = {M("labels", {.type = MW_V_ARRAY, .length = 2, .as.items = list})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_call_options options = {.account = "2"};
    mw_request *request = NULL;
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "conversations", "set_labels"), &id, 1,
                            &params, &options, &request, NULL);
    CHECK((rc == MW_OK) == (request != NULL));
    mw_request_free(request);
    return rc;
}

static int make_query_request(void *ud)
{
    (void)ud;
    mw_value list[] = {S("a b"), S("c")};
    mw_member members[] = {M("labels", {.type = MW_V_ARRAY, .length = 2, .as.items = list}),
                           M("q", S("ada"))};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    mw_request *request = NULL;
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "conversations", "list"), NULL, 0,
                            &params, NULL, &request, NULL);
    mw_request_free(request);
    return rc;
}

static int make_raw_request(void *ud)
{
    (void)ud;
    mw_member pair[] = {M("page", {.type = MW_V_INTEGER, .as.integer = 2})};
    mw_member members[] = {M("query", {.type = MW_V_OBJECT, .length = 1, .as.members = pair}),
                           M("body", S("x"))};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    mw_request *request = NULL;
    int rc = mw_request_raw(MW_OOCTOPUS, MW_POST, "/api/v1/labels", &params, NULL, &request, NULL);
    mw_request_free(request);
    return rc;
}

static int make_multipart_request(void *ud)
{
    mw_value files[] = {{.type = MW_V_STRING, .as.string = ud, .length = strlen(ud)}};
    mw_member nested[] = {M("n", {.type = MW_V_INTEGER, .as.integer = 1})};
    mw_member members[] = {
        M("content", S("see the file")),
        M("attachments", {.type = MW_V_ARRAY, .length = 1, .as.items = files}),
        M("content_attributes", {.type = MW_V_OBJECT, .length = 1, .as.members = nested})};
    mw_value params = {.type = MW_V_OBJECT, .length = 3, .as.members = members};
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "messages", "create"), &id, 1, &params,
                            NULL, &request, NULL);
    mw_request_free(request);
    return rc;
}

TEST(requests_survive_any_failing_allocation)
{
    char path[] = "/tmp/mw-torture-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "file", 4) == 4);
    CHECK(torture(make_json_request, NULL) >= 5);
    CHECK(torture(make_query_request, NULL) >= 3);
    CHECK(torture(make_raw_request, NULL) >= 4);
    CHECK(torture(make_multipart_request, path) >= 8);
    close(fd);
    unlink(path);
}

static int make_client(void *ud)
{
    mw_client *client = NULL;
    mw_client_options options = {.url = "http://127.0.0.1:9/x/",
                                 .account = "1",
                                 .user_token = "t0ken",
                                 .bot_token = "b0t",
                                 .ca_file = "/nowhere",
                                 .proxy = "http://proxy:1"};
    mw_error error = {0};
    int rc = mw_client_new(ud, &options, &client, &error);
    CHECK((rc == MW_OK) == (client != NULL));
    CHECK((rc == MW_OK) == (error.message[0] == '\0'));
    mw_client_free(client);
    return rc;
}

TEST(clients_survive_any_failing_allocation)
{
    mw_loop *loop;
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    CHECK(torture(make_client, loop) >= 8);
    mw_loop_free(loop);
}

typedef struct shop {
    mw_loop *loop;
    mw_client *client;
    int answers;
} shop;

static void answer_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    (void)incoming;
    (void)ud;
    fail_allocation(0); /* the server is not what is tried */
    mw_exchange_answer(exchange, 200, NULL, 0, "{}", 2);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    ((shop *)ud)->answers++;
    CHECK(answer->code == MW_OK || answer->code == MW_MEMORY || answer->code == MW_AMBIGUOUS);
}

static int make_call(void *ud)
{
    shop *s = ud;
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_member members[] = {M("assignee_id", {.type = MW_V_INTEGER, .as.integer = 3})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_request *request = NULL;
    mw_call_id call;
    s->answers = 0;
    int rc = mw_request_new(mw_operation_find(MW_OOCTOPUS, "conversations", "assign"), &id, 1,
                            &params, NULL, &request, NULL);
    if (rc == MW_OK)
        rc = mw_gate_submit(mw_client_gate(s->client), request, on_answer, s, &call, NULL);
    if (rc != MW_OK) {
        mw_request_free(request);
        CHECK_INT(s->answers, 0);
        return rc;
    }
    for (int turns = 0; s->answers == 0 && turns < 10000; turns++)
        mw_loop_run(s->loop, true);
    CHECK_INT(s->answers, 1);
    return MW_OK;
}

TEST(calls_survive_any_failing_allocation)
{
    shop s = {0};
    mw_server *server;
    CHECK_INT(mw_loop_new(&s.loop), MW_OK);
    CHECK_INT(mw_server_new(s.loop, &(mw_server_options){0}, answer_request, NULL, &server, NULL),
              MW_OK);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", mw_server_port(server));
    mw_client_options options = {.url = url, .account = "1", .user_token = "t0ken"};
    CHECK_INT(mw_client_new(s.loop, &options, &s.client, NULL), MW_OK);
    CHECK(torture(make_call, &s) >= 4);
    mw_client_free(s.client);
    mw_server_free(server);
    mw_loop_free(s.loop);
}
