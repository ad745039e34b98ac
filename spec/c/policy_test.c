/* policy_test.c: policies with clients against a real server: what is counted, who is told of what, and what
 * becomes of it all when memory runs out or a client goes early. */
#include <stdio.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "mw/mw.h"
#include "policy_private.h"
#include "test.h"

enum { MAX_NOTES = 32 };

typedef struct note {
    bool done;
    mw_decision decision;
    int code;
    int status;
    uint32_t attempts;
    char name[64];
    char path[96];
    char query[64];
    char body[128];
    char account[16];
    char reason[256];
    bool mutates;
    bool arguments;
    bool placeholders;
} note;

typedef struct office {
    mw_loop *loop;
    mw_server *server;
    mw_policy *policy;
    mw_client *clients[2];
    unsigned seen;
    bool silent;    /* requests get no answer */
    bool redirects; /* the first one is sent elsewhere */
    mw_exchange *held;
    const char *method; /* that is tried with failing allocations */
    note notes[MAX_NOTES];
    size_t count;
} office;

typedef struct result {
    int calls;
    int code;
    int status;
    mw_sent sent;
    uint32_t attempts;
    char body[256];
} result;

static void on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    office *o = ud;
    (void)incoming;
    fail_allocation(0); /* the server is not what is tried */
    o->seen++;
    const mw_header elsewhere = {"location", "/desk/api/v1/accounts/1/contacts/13"};
    if (o->silent)
        o->held = exchange;
    else if (o->redirects && o->seen == 1)
        mw_exchange_answer(exchange, 302, &elsewhere, 1, "", 0);
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
}

#define KEEP(field, text) snprintf(field, sizeof field, "%s", (text) ? (text) : "-")

static void on_event(const mw_policy_event *event, void *ud)
{
    office *o = ud;
    if (o->count == MAX_NOTES)
        return;
    note *n = &o->notes[o->count++];
    *n = (note){.done = event->done,
                .decision = event->decision,
                .code = event->code,
                .status = event->status,
                .attempts = event->attempts,
                .mutates = event->mutates,
                .arguments = event->arguments != NULL,
                .placeholders = event->placeholders != NULL};
    KEEP(n->name, event->name);
    KEEP(n->path, event->path);
    KEEP(n->query, event->query);
    KEEP(n->body, event->body);
    KEEP(n->account, event->account);
    KEEP(n->reason, event->reason);
    CHECK(!event->body || strlen(event->body) == event->body_length);
    CHECK(event->elapsed_us >= 0);
}

static void open_office(office *o, size_t clients)
{
    *o = (office){0};
    mw_error error = {0};
    CHECK_INT(mw_loop_new(&o->loop), MW_OK);
    CHECK_INT(mw_server_new(o->loop, &(mw_server_options){0}, on_request, o, &o->server, &error),
              MW_OK);
    CHECK_INT(mw_policy_new(&o->policy), MW_OK);
    mw_policy_on_event(o->policy, on_event, o);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/desk", mw_server_port(o->server));
    mw_client_options options = {.url = url,
                                 .account = "1",
                                 .user_token = "user-token",
                                 .platform_token = "platform-token",
                                 .policy = o->policy};
    for (size_t i = 0; i < clients; i++)
        CHECK_INT(mw_client_new(o->loop, &options, &o->clients[i], &error), MW_OK);
}

static void close_office(office *o)
{
    for (size_t i = 0; i < 2; i++)
        mw_client_free(o->clients[i]);
    mw_policy_free(o->policy);
    mw_server_free(o->server);
    while (mw_loop_live(o->loop) > 0)
        mw_loop_run(o->loop, true);
    mw_loop_free(o->loop);
}

static void allow(office *o, const char *pattern)
{
    mw_error error = {0};
    CHECK_INT(mw_policy_allow(o->policy, pattern, &error), MW_OK);
    CHECK_STR(error.message, "");
}

#define S(text)                                                                                    \
    {                                                                                              \
        .type = MW_V_STRING, .as.string = text, .length = sizeof text - 1                          \
    }
#define M(key, ...)                                                                                \
    {                                                                                              \
        .name = key, .name_length = sizeof key - 1, .value = __VA_ARGS__                           \
    }

/* Calls "module:method" with the id 12 where the path wants one, and a name. */
static int call(office *o, size_t client, const char *module, const char *method, result *r,
                mw_call_id *id, mw_error *error)
{
    mw_gate *gate = mw_client_gate(o->clients[client]);
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, module, method);
    mw_value path = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_member members[] = {M("name", S("Ada"))};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_error own;
    error = error ? error : &own;
    mw_request *request = NULL;
    size_t count = strstr(row->path, "{id}") ? 1 : 0;
    int rc = mw_gate_request(gate, row, &path, count, row->mutates && row->body ? &params : NULL,
                             NULL, &request, error);
    if (rc == MW_OK)
        rc = mw_gate_submit(gate, request, on_answer, r, id, error);
    if (rc != MW_OK)
        mw_request_free(request);
    return rc;
}

static int call_raw(office *o, mw_verb verb, const char *path, result *r, mw_error *error)
{
    mw_gate *gate = mw_client_gate(o->clients[0]);
    mw_member pairs[] = {M("page", {.type = MW_V_INTEGER, .as.integer = 2})};
    mw_member members[] = {M("query", {.type = MW_V_OBJECT, .length = 1, .as.members = pairs})};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = members};
    mw_request *request = NULL;
    int rc = mw_gate_request_raw(gate, verb, path, &params, NULL, &request, error);
    if (rc == MW_OK)
        rc = mw_gate_submit(gate, request, on_answer, r, NULL, error);
    if (rc != MW_OK)
        mw_request_free(request);
    return rc;
}

static void run_until(office *o, const int *calls, int wanted)
{
    for (int turns = 0; *calls < wanted && turns < 10000; turns++)
        mw_loop_run(o->loop, true);
    CHECK_INT(*calls, wanted);
}

TEST(a_policy_counts_for_all_its_clients)
{
    office o;
    result r = {0};
    mw_error error = {0};
    open_office(&o, 2);
    allow(&o, "*:*");
    mw_policy_limit(o.policy, MW_LIMIT_CALLS, 3);
    mw_policy_limit(o.policy, MW_LIMIT_WRITES, 1);
    CHECK_INT(call(&o, 0, "contacts", "delete", &r, NULL, &error), MW_OK);
    CHECK_INT(call(&o, 1, "contacts", "delete", &r, NULL, &error), MW_BUDGET);
    CHECK_STR(error.field, "writes");
    CHECK_STR(error.message, "contacts:delete: the budget of 1 write is used up");
    CHECK_INT(call(&o, 1, "contacts", "get", &r, NULL, &error), MW_OK);
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, &error), MW_OK);
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, &error), MW_BUDGET);
    CHECK_STR(error.field, "calls");
    CHECK_STR(error.message, "contacts:get: the budget of 3 calls is used up");
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_CALLS), 3);
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_WRITES), 1);
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_BYTES),
              3 * strlen("/api/v1/accounts/1/contacts/12"));
    run_until(&o, &r.calls, 3);
    CHECK_INT(o.seen, 3);
    close_office(&o);
}

TEST(what_goes_out_again_counts_as_bytes_only)
{
    office o;
    result r = {0};
    open_office(&o, 1);
    allow(&o, "*:*");
    o.redirects = true;
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, NULL), MW_OK);
    run_until(&o, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(o.seen, 2);
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_CALLS), 1);
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_BYTES),
              2 * strlen("/api/v1/accounts/1/contacts/12"));
    close_office(&o);
}

TEST(what_is_refused_for_other_reasons_is_not_counted)
{
    office o;
    result r = {0};
    open_office(&o, 1);
    allow(&o, "*:*");
    mw_client_close(o.clients[0]);
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, NULL), MW_INVALID);
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_CALLS), 0);
    CHECK_INT(o.count, 0);
    close_office(&o);
}

TEST(decisions_and_ends_are_told)
{
    office o;
    result r = {0};
    open_office(&o, 1);
    allow(&o, "ooctopus:contacts.*");
    allow(&o, "ooctopus:request");
    mw_policy_limit(o.policy, MW_LIMIT_CALLS, 2);
    CHECK_INT(call(&o, 0, "contacts", "update", &r, NULL, NULL), MW_OK);
    CHECK_INT(call_raw(&o, MW_GET, "/api/v1/accounts/7/labels", &r, NULL), MW_OK);
    CHECK_INT(call(&o, 0, "teams", "list", &r, NULL, NULL), MW_DENIED);
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, NULL), MW_BUDGET);
    run_until(&o, &r.calls, 2);
    CHECK_INT(o.count, 6);
    const note *n = o.notes;
    CHECK_INT(n[0].done, false);
    CHECK_INT(n[0].decision, MW_DECIDED_ALLOW);
    CHECK_STR(n[0].name, "ooctopus:contacts.update");
    CHECK_STR(n[0].path, "/api/v1/accounts/1/contacts/12");
    CHECK_STR(n[0].query, "-");
    CHECK_STR(n[0].body, "{\"name\":\"Ada\"}");
    CHECK_STR(n[0].account, "1");
    CHECK_STR(n[0].reason, "");
    CHECK_INT(n[0].mutates, true);
    CHECK_INT(n[0].arguments, false);
    CHECK_STR(n[1].name, "ooctopus:request");
    CHECK_STR(n[1].path, "/api/v1/accounts/7/labels");
    CHECK_STR(n[1].query, "page=2");
    CHECK_INT(n[1].mutates, false);
    CHECK_INT(n[2].decision, MW_DECIDED_DENY);
    CHECK_STR(n[2].name, "ooctopus:teams.list");
    CHECK_STR(n[2].path, "/api/v1/accounts/1/teams");
    CHECK(strstr(n[2].reason, "teams:list: no pattern of the policy allows") == n[2].reason);
    CHECK_INT(n[3].decision, MW_DECIDED_BUDGET);
    CHECK_STR(n[3].reason, "contacts:get: the budget of 2 calls is used up");
    for (size_t i = 4; i < 6; i++) {
        CHECK_INT(n[i].done, true);
        CHECK_INT(n[i].decision, MW_DECIDED_ALLOW);
        CHECK_INT(n[i].code, MW_OK);
        CHECK_INT(n[i].status, 200);
        CHECK_INT(n[i].attempts, 1);
    }
    CHECK_STR(mw_decision_name(MW_DECIDED_HOLD), "hold");
    close_office(&o);
}

TEST(a_client_that_goes_first_tells_the_end_of_its_calls_and_no_more)
{
    office o;
    result r = {0};
    open_office(&o, 1);
    allow(&o, "*:*");
    o.silent = true;
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, NULL), MW_OK);
    for (int turns = 0; o.seen == 0 && turns < 1000; turns++)
        mw_loop_run(o.loop, true);
    mw_client_free(o.clients[0]);
    o.clients[0] = NULL;
    CHECK_INT(o.count, 2);
    CHECK_INT(o.notes[1].done, true);
    CHECK_INT(o.notes[1].code, MW_CANCELLED);
    mw_policy_free(o.policy); /* before the answer comes */
    o.policy = NULL;
    run_until(&o, &r.calls, 1);
    CHECK_INT(r.code, MW_CANCELLED);
    CHECK_INT(o.count, 2);
    mw_exchange_answer(o.held, 200, NULL, 0, "", 0);
    close_office(&o);
}

TEST(a_dry_run_holds_back_and_counts)
{
    office o;
    result r = {0};
    mw_call_id id = 0;
    open_office(&o, 1);
    allow(&o, "*:*");
    allow(&o, "*:request");
    mw_policy_dry_run(o.policy, true);
    mw_policy_limit(o.policy, MW_LIMIT_WRITES, 3);
    CHECK_INT(call(&o, 0, "contacts", "update", &r, NULL, NULL), MW_OK);
    CHECK_INT(r.calls, 0); /* later, from the loop */
    run_until(&o, &r.calls, 1);
    CHECK_INT(r.code, MW_OK);
    CHECK_INT(r.status, 200);
    CHECK_INT(r.sent, MW_SENT_NOT);
    CHECK_INT(r.attempts, 0);
    CHECK_INT(call_raw(&o, MW_POST, "/api/v1/x", &r, NULL), MW_OK);
    CHECK_INT(call(&o, 0, "contacts", "delete", &r, &id, NULL), MW_OK);
    run_until(&o, &r.calls, 3);
    mw_gate_cancel(mw_client_gate(o.clients[0]), id); /* too late: nothing happens */
    CHECK_INT(call(&o, 0, "contacts", "delete", &r, NULL, NULL), MW_BUDGET);
    CHECK_INT(o.seen, 0);
    CHECK_INT(mw_gate_sent(mw_client_gate(o.clients[0])), 0);
    CHECK_INT(mw_policy_held(o.policy), 3);
    CHECK_INT(mw_policy_used(o.policy, MW_LIMIT_WRITES), 3);
    CHECK_INT(o.count, 4);
    CHECK_INT(o.notes[0].decision, MW_DECIDED_HOLD);
    CHECK_INT(o.notes[0].arguments, true);
    CHECK_INT(o.notes[0].placeholders, true);
    CHECK_INT(call(&o, 0, "contacts", "get", &r, NULL, NULL), MW_OK);
    run_until(&o, &r.calls, 4);
    CHECK_INT(o.seen, 1);
    close_office(&o);
}

TEST(a_held_call_can_be_cancelled)
{
    office o;
    result r = {0};
    mw_call_id id = 0;
    open_office(&o, 1);
    allow(&o, "*:*");
    mw_policy_dry_run(o.policy, true);
    CHECK_INT(call(&o, 0, "contacts", "delete", &r, &id, NULL), MW_OK);
    mw_gate_cancel(mw_client_gate(o.clients[0]), id);
    CHECK_INT(r.calls, 0);
    run_until(&o, &r.calls, 1);
    CHECK_INT(r.code, MW_CANCELLED);
    CHECK_INT(r.sent, MW_SENT_NOT);
    CHECK_INT(call(&o, 0, "contacts", "delete", &r, &id, NULL), MW_OK);
    mw_client_close(o.clients[0]);
    run_until(&o, &r.calls, 2);
    CHECK_INT(r.code, MW_CANCELLED);
    close_office(&o);
}

TEST(what_refers_to_a_placeholder_is_held_back_too)
{
    office o;
    result r = {0};
    open_office(&o, 1);
    allow(&o, "*:*");
    allow(&o, "*:request");
    mw_policy_dry_run(o.policy, true);
    CHECK_INT(call_raw(&o, MW_GET, "/api/v1/contacts/8888000000000001", &r, NULL), MW_OK);
    run_until(&o, &r.calls, 1); /* nothing has made that one: it goes out */
    CHECK_INT(o.seen, 1);
    CHECK_INT(call(&o, 0, "teams", "create", &r, NULL, NULL), MW_OK);
    run_until(&o, &r.calls, 2);
    CHECK(strstr(r.body, "8888000000000001") != NULL);
    CHECK_INT(call_raw(&o, MW_GET, "/api/v1/contacts/8888000000000001", &r, NULL), MW_OK);
    run_until(&o, &r.calls, 3);
    CHECK_INT(o.seen, 1);
    CHECK_INT(mw_policy_held(o.policy), 2);
    close_office(&o);
}

static bool path_fits(const char *path)
{
    char *list[] = {"1", "22"};
    mw__words accounts = {.list = list, .count = 2};
    return mw__path_fits(path, &accounts);
}

TEST(accounts_of_raw_paths_are_read_in_every_way)
{
    CHECK(path_fits("/api/v1/accounts/1/labels"));
    CHECK(path_fits("/accounts/22"));
    CHECK(path_fits("/accounts//1/"));
    CHECK(path_fits("/accounts/1/accounts"));
    CHECK(!path_fits("/api/v1/accounts/2/labels"));
    CHECK(!path_fits("/api/v1/profile"));
    CHECK(!path_fits("/accounts"));
    CHECK(!path_fits("/accounts/01"));
    CHECK(!path_fits("/accounts/1.json"));
    CHECK(!path_fits("/accounts/%31"));
    CHECK(!path_fits("/accounts/1/accounts/2"));
    CHECK(!path_fits("/accounts/1/ACCOUNTS/2"));
    CHECK(!path_fits("/accounts/1/accounts;x/2"));
    CHECK(!path_fits("/accounts/1/%61ccounts/2"));
    CHECK(!path_fits("/accounts/1/a%2Faccounts%2F2"));
    CHECK(!path_fits("/accounts/1/a%252faccounts%25252f2"));
    CHECK(!path_fits("/accounts/1%2F..%2F2"));
    CHECK(!path_fits("/accounts/1/%252e%252e/2"));
    CHECK(!path_fits("/platform/api/v1/users/5%2Faccounts%2F1"));
    CHECK(!path_fits("/accounts/1/..;/2"));
    CHECK(!path_fits("/accounts/1/..%3Bx/2"));
    CHECK(path_fits("/accounts/1/.well-known"));
}

/* Which no table of Lua can hold, but a frame. */
TEST(an_inbox_beside_none_is_not_one)
{
    office o;
    result r = {0};
    mw_error error = {0};
    open_office(&o, 1);
    allow(&o, "*:*");
    CHECK_INT(mw_policy_inbox(o.policy, "3", &error), MW_OK);
    mw_gate *gate = mw_client_gate(o.clients[0]);
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, "contacts", "create");
    for (int i = 0; i < 4; i++) {
        mw_value three = {.type = MW_V_INTEGER, .as.integer = 3};
        mw_value other = {.type = i == 3 ? MW_V_INTEGER : (mw_value_type)(MW_V_NULL - i % 2),
                          .as.integer = 4};
        mw_member members[] = {M("inbox_id", i == 2 ? other : three),
                               M("inbox_id", i == 2 ? three : other)};
        mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
        mw_call_options options = {.unchecked = true};
        mw_request *request = NULL;
        CHECK_INT(mw_gate_request(gate, row, NULL, 0, &params, &options, &request, &error), MW_OK);
        CHECK_INT(mw_gate_submit(gate, request, on_answer, &r, NULL, &error), MW_DENIED);
        mw_request_free(request);
    }
    CHECK_INT(o.seen, 0);
    close_office(&o);
}

static int build_policy(void *ud)
{
    (void)ud;
    mw_policy *policy = NULL;
    int rc = mw_policy_new(&policy);
    if (rc == MW_OK)
        rc = mw_policy_allow(policy, "ooctopus:*", NULL);
    for (int i = 0; i < 9 && rc == MW_OK; i++)
        rc = mw_policy_deny(policy, "*:write", NULL);
    if (rc == MW_OK)
        rc = mw_policy_account(policy, "1", NULL);
    if (rc == MW_OK)
        rc = mw_policy_inbox(policy, "key", NULL);
    mw_policy_free(policy);
    return rc;
}

static int make_call(void *ud)
{
    office *o = ud;
    result r = {0};
    int rc = call(o, 0, "contacts", o->method, &r, NULL, NULL);
    if (rc != MW_OK)
        return rc;
    run_until(o, &r.calls, 1);
    CHECK(r.code != MW_INVALID && r.code != MW_DENIED && r.code != MW_BUDGET);
    return MW_OK;
}

/* As torture_test.c does it: each allocation fails in turn. */
static unsigned torture(int (*fn)(void *ud), void *ud)
{
    unsigned nth = 1;
    for (; nth < 500; nth++) {
        fail_allocation(nth);
        int rc = fn(ud);
        bool failed = allocation_failed();
        fail_allocation(0);
        CHECK(rc == MW_OK || rc == MW_MEMORY);
        if (!failed) {
            CHECK_INT(rc, MW_OK);
            break;
        }
    }
    CHECK(nth < 500);
    return nth - 1;
}

TEST(policies_survive_any_failing_allocation)
{
    CHECK(torture(build_policy, NULL) >= 10);
}

TEST(calls_with_a_policy_survive_any_failing_allocation)
{
    office o;
    open_office(&o, 1);
    allow(&o, "*:*");
    static const char *const methods[] = {"get", "update", "delete"};
    for (size_t i = 0; i < 6; i++) {
        unsigned seen = o.seen;
        o.method = methods[i % 3];
        mw_policy_dry_run(o.policy, i >= 3);
        CHECK(torture(make_call, &o) >= 4);
        CHECK((o.seen > seen) == (i <= 3)); /* of a dry run, only the read */
    }
    close_office(&o);
}

TEST(what_a_policy_can_not_hold_is_refused)
{
    mw_policy *policy = NULL;
    mw_error error = {0};
    CHECK_INT(mw_policy_new(&policy), MW_OK);
    CHECK_INT(mw_policy_allow(policy, "ooctopus:conversation.*", &error), MW_INVALID);
    CHECK_STR(error.message, "no operation fits 'ooctopus:conversation.*' (did you mean "
                             "'ooctopus:conversations.*'?)");
    CHECK_INT(mw_policy_deny(policy, "", &error), MW_INVALID);
    CHECK_INT(mw_policy_deny(policy, ":", &error), MW_INVALID);
    CHECK_INT(mw_policy_deny(policy, "circuit:contacts.get", &error), MW_INVALID);
    CHECK_INT(policy->deny.count, 0);
    CHECK_INT(mw_policy_account(policy, "", &error), MW_INVALID);
    CHECK_INT(mw_policy_account(policy, "1x", &error), MW_INVALID);
    CHECK_INT(mw_policy_account(policy, "-1", &error), MW_INVALID);
    CHECK_INT(mw_policy_inbox(policy, "a b", &error), MW_INVALID);
    char digits[16];
    int rc = MW_OK;
    for (int i = 0; i <= MW_MAX_PATTERNS && rc == MW_OK; i++) {
        snprintf(digits, sizeof digits, "%d", i + 1);
        rc = mw_policy_account(policy, digits, &error);
    }
    CHECK_INT(rc, MW_INVALID);
    CHECK_INT(policy->accounts.count, MW_MAX_PATTERNS);
    mw_policy_free(policy);
    mw_policy_free(NULL);
}
