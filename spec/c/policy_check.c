/* policy_check.c: what the core's gate says to requests that a spec makes up: a program that reads policies and
 * calls as lines and prints one decision a call. Nothing is sent: each call that is let through is cancelled
 * before the loop turns. One thread.
 *
 * Words are separated by tabs:
 *
 *     policy                              a new one, which allows nothing
 *     allow|deny|account|inbox WORD
 *     read_only | dry_run | limit calls|writes|bytes NUMBER
 *     clients ACCOUNT|-                   new clients of both services with that policy
 *     call SERVICE MODULE METHOD WORD...  /VALUE path parameter, NAME=VALUE parameter, +NAME=VALUE extra one,
 *                                         @ACCOUNT, ! for unchecked
 *     raw SERVICE VERB PATH
 *     bench NUMBER call...                the same call so often; prints nanoseconds a check
 *
 * A VALUE is i12 (integer), n3 (number), sTEXT, bt or bf (boolean), z (null), e (empty table) or a3 (a list of one
 * integer). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mw/mw.h"

enum { MAX_WORDS = 80 };

typedef struct checker {
    mw_loop *loop;
    mw_policy *policy;
    mw_client *clients[MW_SERVICES];
    mw_decision decision;
    unsigned decisions;
    unsigned answers;
} checker;

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "policy_check: %s: %s\n", what, detail);
    exit(1);
}

static void on_event(const mw_policy_event *event, void *ud)
{
    checker *c = ud;
    if (event->done)
        return;
    c->decision = event->decision;
    c->decisions++;
}

static void on_answer(const mw_answer *answer, void *ud)
{
    (void)answer;
    ((checker *)ud)->answers++;
}

static void close_clients(checker *c)
{
    for (size_t i = 0; i < MW_SERVICES; i++) {
        if (c->clients[i] && mw_gate_sent(mw_client_gate(c->clients[i])) > 0)
            fail("sent", "a request has left");
        mw_client_free(c->clients[i]);
        c->clients[i] = NULL;
    }
    while (mw_loop_live(c->loop) > 0)
        mw_loop_run(c->loop, false);
}

static void open_clients(checker *c, const char *account)
{
    close_clients(c);
    for (int service = 0; service < MW_SERVICES; service++) {
        mw_client_options options = {
            .service = (mw_service)service, .url = "http://127.0.0.1:9", .policy = c->policy};
        if (service == MW_CIRCUIT) {
            options.oauth_token = "o";
        } else {
            options.account = strcmp(account, "-") == 0 ? NULL : account;
            options.user_token = "u";
            options.bot_token = "b";
            options.platform_token = "p";
        }
        mw_error error;
        if (mw_client_new(c->loop, &options, &c->clients[service], &error) != MW_OK)
            fail("client", error.message);
    }
}

static mw_value value_of(const char *text, mw_value *item)
{
    const char *rest = text + 1;
    switch (text[0]) {
    case 'i':
        return (mw_value){.type = MW_V_INTEGER, .as.integer = strtoll(rest, NULL, 10)};
    case 'n':
        return (mw_value){.type = MW_V_NUMBER, .as.number = strtod(rest, NULL)};
    case 's':
        return (mw_value){.type = MW_V_STRING, .length = strlen(rest), .as.string = rest};
    case 'b':
        return (mw_value){.type = MW_V_BOOLEAN, .as.boolean = rest[0] == 't'};
    case 'z':
        return (mw_value){.type = MW_V_NULL};
    case 'e':
        return (mw_value){.type = MW_V_EMPTY};
    case 'a':
        *item = (mw_value){.type = MW_V_INTEGER, .as.integer = strtoll(rest, NULL, 10)};
        return (mw_value){.type = MW_V_ARRAY, .length = 1, .as.items = item};
    default:
        fail("no value", text);
        return (mw_value){0};
    }
}

static mw_member member_of(char *text, mw_value *item)
{
    char *equals = strchr(text, '=');
    if (!equals)
        fail("no parameter", text);
    *equals = '\0';
    return (mw_member){
        .name = text, .name_length = strlen(text), .value = value_of(equals + 1, item)};
}

static int make_call(checker *c, char **words, size_t count, mw_request **request, mw_error *error)
{
    mw_service service = strcmp(words[1], "circuit") == 0 ? MW_CIRCUIT : MW_OOCTOPUS;
    mw_value path[MAX_WORDS];
    mw_value items[MAX_WORDS];
    mw_member params[MAX_WORDS];
    mw_member extra[MAX_WORDS];
    size_t paths = 0, given = 0, extras = 0;
    mw_call_options options = {0};
    for (size_t i = 4; i < count; i++) {
        if (words[i][0] == '/')
            path[paths++] = value_of(words[i] + 1, &items[i]);
        else if (words[i][0] == '+')
            extra[extras++] = member_of(words[i] + 1, &items[i]);
        else if (words[i][0] == '@')
            options.account = words[i] + 1;
        else if (words[i][0] == '!')
            options.unchecked = true;
        else
            params[given++] = member_of(words[i], &items[i]);
    }
    if (extras > 0)
        params[given++] =
            (mw_member){.name = "extra",
                        .name_length = 5,
                        .value = {.type = MW_V_OBJECT, .length = extras, .as.members = extra}};
    mw_value all = {.type = MW_V_OBJECT, .length = given, .as.members = params};
    const mw_operation *operation = mw_operation_find(service, words[2], words[3]);
    return mw_gate_request(mw_client_gate(c->clients[service]), operation, path, paths, &all,
                           &options, request, error);
}

static int make_raw(checker *c, char **words, mw_request **request, mw_error *error)
{
    mw_service service = strcmp(words[1], "circuit") == 0 ? MW_CIRCUIT : MW_OOCTOPUS;
    int verb = MW_GET;
    while (verb < MW_VERBS && strcmp(mw_verb_name((mw_verb)verb), words[2]) != 0)
        verb++;
    return mw_gate_request_raw(mw_client_gate(c->clients[service]), (mw_verb)verb, words[3], NULL,
                               NULL, request, error);
}

/* What the caller of the gate sees has to be what its observer is told. */
static void check_told(const checker *c, int rc)
{
    bool fits = rc == MW_DENIED   ? c->decision == MW_DECIDED_DENY
                : rc == MW_BUDGET ? c->decision == MW_DECIDED_BUDGET
                : rc == MW_OK ? c->decision == MW_DECIDED_ALLOW || c->decision == MW_DECIDED_HOLD
                              : true;
    if (c->decisions != (rc == MW_INVALID ? 0u : 1u) || !fits)
        fail("the observer was told otherwise", mw_err_kind(rc));
}

static void decide(checker *c, char **words, size_t count)
{
    mw_error error = {0};
    mw_request *request = NULL;
    mw_call_id id;
    int rc = words[0][0] == 'r' ? make_raw(c, words, &request, &error)
                                : make_call(c, words, count, &request, &error);
    mw_gate *gate = mw_client_gate(c->clients[strcmp(words[1], "circuit") == 0]);
    c->decisions = 0;
    if (rc == MW_OK) {
        rc = mw_gate_submit(gate, request, on_answer, c, &id, &error);
        check_told(c, rc);
        if (rc != MW_OK)
            mw_request_free(request);
        else
            mw_gate_cancel(gate, id);
    }
    if (rc == MW_INVALID)
        printf("invalid: %s\n", error.message);
    else if (rc == MW_OK || rc == MW_DENIED || rc == MW_BUDGET)
        printf("%s%s%s\n", mw_decision_name(c->decision), rc == MW_OK ? "" : ": ", error.message);
    else
        fail("unexpected", error.message);
}

static void bench(checker *c, char **words, size_t count)
{
    long times = strtol(words[1], NULL, 10);
    mw_error error = {0};
    mw_request *request = NULL;
    if (make_call(c, words + 2, count - 2, &request, &error) != MW_OK)
        fail("bench", error.message);
    mw_gate *gate = mw_client_gate(c->clients[strcmp(words[3], "circuit") == 0]);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < times; i++) {
        if (mw_gate_submit(gate, request, on_answer, c, NULL, &error) == MW_OK)
            fail("bench", "wants a call that is refused");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double spent = 1e9 * (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec);
    printf("%.0f\n", spent / (double)times);
    mw_request_free(request);
}

static void new_policy(checker *c)
{
    close_clients(c);
    mw_policy_free(c->policy);
    if (mw_policy_new(&c->policy) != MW_OK)
        fail("policy", "out of memory");
    mw_policy_on_event(c->policy, on_event, c);
}

static void set_limit(checker *c, char **words)
{
    static const char *const names[] = {"calls", "writes", "bytes"};
    for (int i = 0; i < MW_LIMITS; i++) {
        if (strcmp(names[i], words[1]) == 0)
            mw_policy_limit(c->policy, (mw_limit)i, strtoull(words[2], NULL, 10));
    }
}

static void obey(checker *c, char **words, size_t count)
{
    static const struct {
        const char *word;
        int (*add)(mw_policy *policy, const char *text, mw_error *error);
    } adders[] = {{"allow", mw_policy_allow},
                  {"deny", mw_policy_deny},
                  {"account", mw_policy_account},
                  {"inbox", mw_policy_inbox}};
    mw_error error;
    for (size_t i = 0; i < sizeof adders / sizeof adders[0]; i++) {
        if (strcmp(words[0], adders[i].word) != 0)
            continue;
        if (adders[i].add(c->policy, words[1], &error) != MW_OK)
            fail(words[1], error.message);
        return;
    }
    if (strcmp(words[0], "policy") == 0)
        new_policy(c);
    else if (strcmp(words[0], "read_only") == 0)
        mw_policy_read_only(c->policy, true);
    else if (strcmp(words[0], "dry_run") == 0)
        mw_policy_dry_run(c->policy, true);
    else if (strcmp(words[0], "limit") == 0)
        set_limit(c, words);
    else if (strcmp(words[0], "clients") == 0)
        open_clients(c, words[1]);
    else if (strcmp(words[0], "bench") == 0)
        bench(c, words, count);
    else
        decide(c, words, count);
}

int main(void)
{
    checker c = {0};
    char *line = NULL;
    size_t size = 0;
    if (mw_loop_new(&c.loop) != MW_OK)
        fail("loop", "out of memory");
    while (getline(&line, &size, stdin) > 0) {
        char *words[MAX_WORDS] = {0};
        size_t count = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; at && count < MAX_WORDS; count++)
            words[count] = strsep(&at, "\t");
        obey(&c, words, count);
    }
    free(line);
    close_clients(&c);
    mw_policy_free(c.policy);
    mw_loop_free(c.loop);
    return 0;
}
