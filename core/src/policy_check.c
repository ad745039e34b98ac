/* policy_check.c: owns what a policy says to a request, in the order of mw/policy.h, and who is told of it.
 * Must not know clients or queues. One thread at a time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dry_run.h"
#include "operation_rows.h"
#include "once_request.h"
#include "policy_private.h"

enum { SHOWN_IDS = 120, SHOWN_NAME = 128 };

/* "ooctopus:contacts.get", "circuit:request". */
static const char *full_name(const mw_request *request, char name[SHOWN_NAME])
{
    const mw_operation *row = request->operation;
    snprintf(name, SHOWN_NAME, "%s:%s%s%s", mw_service_name(request->service),
             row ? row->module : "request", row ? "." : "", row ? row->method : "");
    return name;
}

/* "1, 2, 3", cut where it gets long. */
static const char *list_ids(const mw__words *words, char text[SHOWN_IDS])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < words->count; i++) {
        size_t room = SHOWN_IDS - used;
        if (strlen(words->list[i]) + sizeof ", , ..." > room) {
            snprintf(text + used, room, ", ...");
            break;
        }
        used += (size_t)snprintf(text + used, room, "%s%s", i > 0 ? ", " : "", words->list[i]);
    }
    return text;
}

static int patterns(const mw_policy *policy, const mw_request *request, mw_error *error)
{
    char name[SHOWN_NAME];
    size_t place;
    mw__verdict verdict = {0};
    if ((unsigned)request->service < MW_SERVICES &&
        mw__operation_place(request->service, request->operation, &place))
        verdict = policy->verdicts[request->service][place];
    if (verdict.denied_by > 0)
        return mw_error_set(error, MW_DENIED, NULL, "%s: the policy forbids %s, by deny '%s'",
                            request->name, full_name(request, name),
                            policy->deny.list[verdict.denied_by - 1]);
    if (verdict.allowed)
        return MW_OK;
    full_name(request, name);
    return mw_error_set(error, MW_DENIED, NULL,
                        "%s: no pattern of the policy allows %s; --allow '%s', or a line in its "
                        "`allow`, would",
                        request->name, name, name);
}

static int account_refused(const mw_policy *policy, const mw_request *request, const char *account,
                           mw_error *error)
{
    char ids[SHOWN_IDS];
    return mw_error_set(error, MW_DENIED, "account_id",
                        "%s: the policy allows only account%s %s, and this call names account %.63s",
                        request->name, policy->accounts.count > 1 ? "s" : "",
                        list_ids(&policy->accounts, ids), account);
}

static int accounts(const mw_policy *policy, const mw_request *request, const char *account,
                    mw_error *error)
{
    char ids[SHOWN_IDS];
    const mw__named *named = &request->accounts;
    if (policy->accounts.count == 0)
        return MW_OK;
    if (!request->operation) {
        if (mw__path_fits(request->raw_path, &policy->accounts))
            return MW_OK;
        return mw_error_set(error, MW_DENIED, "path",
                            "%s: the policy allows only account%s %s; the path must name one, like "
                            "/accounts/%s/, and no other",
                            request->name, policy->accounts.count > 1 ? "s" : "",
                            list_ids(&policy->accounts, ids), policy->accounts.list[0]);
    }
    if (account && mw_operation_takes_account(request->operation) &&
        !mw__words_hold(&policy->accounts, account))
        return account_refused(policy, request, account, error);
    for (size_t i = 0; i < named->count; i++) {
        if (!mw__words_hold(&policy->accounts, named->ids[i]))
            return account_refused(policy, request, named->ids[i], error);
    }
    if (named->unclear)
        return mw_error_set(error, MW_DENIED, "account_id",
                            "%s: the policy allows only account%s %s, and this call names something "
                            "else; give one id",
                            request->name, policy->accounts.count > 1 ? "s" : "",
                            list_ids(&policy->accounts, ids));
    return MW_OK;
}

/* The parameter that can name an inbox, or NULL. */
static const mw_field *inbox_field(const mw_operation *operation)
{
    const mw_field *lists[] = {operation->path_params, operation->query, operation->fields};
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        for (const mw_field *f = lists[l]; f && f->name; f++) {
            if (f->names == MW_NAMES_INBOX || f->names == MW_NAMES_SUBJECT)
                return f;
        }
    }
    return NULL;
}

static int inboxes(const mw_policy *policy, const mw_request *request, mw_error *error)
{
    char ids[SHOWN_IDS];
    const mw__named *named = &request->inboxes;
    if (policy->inboxes.count == 0)
        return MW_OK;
    list_ids(&policy->inboxes, ids);
    const char *plural = policy->inboxes.count > 1 ? "es" : "";
    if (!request->operation)
        return mw_error_set(
            error, MW_DENIED, "path",
            "%s: the policy allows only inbox%s %s, and a raw request could reach any; "
            "use an operation that names one",
            request->name, plural, ids);
    const mw_field *field = inbox_field(request->operation);
    for (size_t i = 0; i < named->count; i++) {
        if (!mw__words_hold(&policy->inboxes, named->ids[i]))
            return mw_error_set(
                error, MW_DENIED, field ? field->name : "inbox_id",
                "%s: the policy allows only inbox%s %s, and this call names inbox %.63s",
                request->name, plural, ids, named->ids[i]);
    }
    if (named->unclear)
        return mw_error_set(
            error, MW_DENIED, field ? field->name : "inbox_id",
            "%s: the policy allows only inbox%s %s, and this call names something else; "
            "give one id",
            request->name, plural, ids);
    if (!field || named->count > 0)
        return MW_OK;
    return mw_error_set(
        error, MW_DENIED, field->name,
        "%s: the policy allows only inbox%s %s, and this call names none; give %s%s", request->name,
        plural, ids, field->names == MW_NAMES_SUBJECT ? "type = \"inbox\" and " : "", field->name);
}

int mw__policy_rules(const mw_policy *policy, const mw_request *request, const char *account,
                     mw_error *error)
{
    int rc = patterns(policy, request, error);
    if (rc == MW_OK && policy->read_only && mw__request_mutates(request))
        rc = mw_error_set(error, MW_DENIED, NULL, "%s: the %s is read-only", request->name,
                          policy->owner);
    if (rc == MW_OK)
        rc = accounts(policy, request, account, error);
    return rc == MW_OK ? inboxes(policy, request, error) : rc;
}

static uint64_t cost(mw_limit limit, const mw_request *request, uint64_t bytes)
{
    switch (limit) {
    case MW_LIMIT_WRITES:
        return mw__request_mutates(request) ? 1 : 0;
    case MW_LIMIT_BYTES:
        return bytes;
    default:
        return 1;
    }
}

int mw__policy_budgets(const mw_policy *policy, const mw_request *request, uint64_t bytes,
                       mw_error *error)
{
    for (int i = 0; i < MW_LIMITS; i++) {
        mw_limit limit = (mw_limit)i;
        uint64_t wanted = cost(limit, request, bytes);
        uint64_t used = policy->used[i];
        uint64_t most = policy->most[i];
        if (wanted == 0 || (used <= most && wanted <= most - used))
            continue;
        if (limit != MW_LIMIT_BYTES)
            return mw_error_set(error, MW_BUDGET, mw_limit_name(limit),
                                "%s: the budget of %" PRIu64 " %s%s is used up", request->name, most,
                                limit == MW_LIMIT_CALLS ? "call" : "write", most == 1 ? "" : "s");
        return mw_error_set(error, MW_BUDGET, mw_limit_name(limit),
                            "%s: the budget of %" PRIu64 " byte%s sent is used up: %" PRIu64
                            " so far, and this call has %" PRIu64,
                            request->name, most, most == 1 ? "" : "s", used, wanted);
    }
    return MW_OK;
}

bool mw__policy_holds(const mw_policy *policy, const mw_request *request, const char *target)
{
    return policy->dry_run &&
           (mw__request_mutates(request) || mw__dry_run_refers(request, target, policy->made));
}

void mw__policy_count(mw_policy *policy, const mw_request *request, uint64_t bytes, bool held)
{
    for (int i = 0; i < MW_LIMITS; i++)
        policy->used[i] += cost((mw_limit)i, request, bytes);
    policy->held += held;
}

bool mw__policy_may_resend(const mw_policy *policy, uint64_t bytes)
{
    uint64_t used = policy->used[MW_LIMIT_BYTES];
    uint64_t most = policy->most[MW_LIMIT_BYTES];
    return used <= most && bytes <= most - used;
}

void mw__policy_resent(mw_policy *policy, uint64_t bytes)
{
    policy->used[MW_LIMIT_BYTES] += bytes;
}

void mw__policy_tell(const mw_policy *policy, const mw_request *request, const char *account,
                     char *target, mw_policy_event event)
{
    char name[SHOWN_NAME], look[SHOWN_NAME];
    if (!policy->on_event)
        return;
    char *question =
        target && request->query ? target + strlen(target) - strlen(request->query) - 1 : NULL;
    if (question)
        *question = '\0';
    event.name = full_name(request, name);
    event.reason = event.reason ? event.reason : "";
    event.operation = request->operation;
    event.look = request->once ? full_name(request->once->look, look) : NULL;
    event.service = request->service;
    event.verb = request->verb;
    event.mutates = mw__request_mutates(request);
    if (request->operation && mw_operation_takes_account(request->operation))
        event.account = account;
    else
        event.account = request->accounts.count > 0 ? request->accounts.ids[0] : NULL;
    event.path = target ? target : "";
    event.query = request->query;
    event.body = request->parts.count > 0 ? NULL : request->body;
    event.body_length = event.body ? request->body_length : 0;
    policy->on_event(&event, policy->event_ud);
    if (question)
        *question = '?';
}
