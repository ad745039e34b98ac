/* admission.c: owns what may go through a client's gate: the one place where every request of every front
 * end meets the policies, and the choice of its token. Must not know queues or curl. Loop's thread. */
#include <stdlib.h>
#include <string.h>

#include "client_private.h"
#include "dry_run.h"
#include "once_request.h"
#include "policy_private.h"

static int pick_token(const mw_client *client, const mw_request *request, unsigned *token,
                      mw_error *error)
{
    unsigned every = MW_TOKEN_USER | MW_TOKEN_BOT | MW_TOKEN_PLATFORM | MW_TOKEN_OAUTH;
    unsigned serves = request->operation ? request->operation->auth
                      : request->token   ? request->token
                                         : every;
    *token = 0;
    if (serves == 0)
        return MW_OK;
    char wanted[64] = "";
    for (unsigned k = 0; k < MW_TOKEN_KINDS; k++) {
        unsigned kind = 1u << k;
        if (!(serves & kind))
            continue;
        if (client->tokens[k]) {
            *token = kind;
            return MW_OK;
        }
        if (wanted[0])
            strncat(wanted, " or ", sizeof wanted - strlen(wanted) - 1);
        strncat(wanted, mw_token_name((mw_token)kind), sizeof wanted - strlen(wanted) - 1);
    }
    if (!request->operation && !request->token)
        return MW_OK; /* a raw request of a client without tokens */
    return mw_error_set(error, MW_INVALID, "token",
                        "%s: needs a token of kind %s, and this client has none of that kind",
                        request->name, wanted);
}

/* Whether this client can send the request at all. */
static int usable(const mw_client *client, const mw_request *request, const char *account,
                  unsigned *token, mw_error *error)
{
    if (request->operation && mw_operation_takes_account(request->operation) && !account)
        return mw_error_set(error, MW_INVALID, "account_id",
                            "%s: no account: give the client one (account = 1) or the call "
                            "(account_id = 1)",
                            request->name);
    return pick_token(client, request, token, error);
}

static uint64_t count_bytes(const mw_request *request, const mw__buf *target)
{
    uint64_t bytes = target->length + request->body_length;
    for (size_t i = 0; i < request->parts.count; i++) {
        const mw__part *part = &request->parts.list[i];
        uint64_t more = part->fd < 0 ? part->length : part->size;
        bytes = more > UINT64_MAX - bytes ? UINT64_MAX : bytes + more;
    }
    return bytes;
}

/* A call with a key must be able to look, by the same rules, whether its object is there. */
static int may_look(const mw_client *client, const mw_request *request, const char *account,
                    mw_error *error)
{
    mw_policy *const policies[] = {client->own, client->policy};
    unsigned token;
    mw_error why = {0};
    int rc = MW_OK;
    if (!client->journal_path)
        return mw_error_set(error, MW_INVALID, "once",
                            "%s: `once` needs a file that remembers what was made: give the client "
                            "one (journal = \"PATH\")",
                            request->name);
    for (size_t i = 0; i < 2 && rc == MW_OK; i++)
        rc = policies[i] ? mw__policy_rules(policies[i], request->once->look, account, &why) : MW_OK;
    if (rc == MW_OK)
        rc = usable(client, request->once->look, account, &token, &why);
    if (rc == MW_OK)
        return rc;
    return mw_error_set(error, rc, "once", "%s: `once` has to look whether it is there; %s",
                        request->name, why.message);
}

static int no_memory(const mw_request *request, mw_error *error)
{
    return mw_error_set(error, MW_MEMORY, NULL, "%s: out of memory", request->name);
}

/* What the policies say; `target` gets the path where a lent policy wants it, `placeholders` those of an
 * answer that a dry run makes up. */
static int decide(const mw_client *client, const mw_request *request, const char *account,
                  mw__call *call, mw__buf *target, char **placeholders, mw_error *error)
{
    mw_policy *const policies[] = {client->own, client->policy};
    int rc = MW_OK;
    for (size_t i = 0; i < 2 && rc == MW_OK; i++)
        rc = policies[i] ? mw__policy_rules(policies[i], request, account, error) : MW_OK;
    if (rc == MW_OK)
        rc = usable(client, request, account, &call->token, error);
    if (rc == MW_OK && request->once)
        rc = may_look(client, request, account, error);
    if (rc == MW_OK && client->policy) {
        if (target->status == MW_TOO_LARGE)
            return mw_error_set(error, MW_INVALID, NULL, "%s: the path is too long", request->name);
        if (target->status != MW_OK)
            return no_memory(request, error);
        call->bytes = count_bytes(request, target);
    }
    for (size_t i = 0; i < 2 && rc == MW_OK; i++)
        rc = policies[i] ? mw__policy_budgets(policies[i], request, call->bytes, error) : MW_OK;
    if (rc != MW_OK || !client->policy || !mw__policy_holds(client->policy, request, target->data))
        return rc;
    rc = mw__dry_run_answer(request, &client->policy->made, &call->held, &call->held_length,
                            placeholders);
    return rc == MW_OK ? rc : no_memory(request, error);
}

static void tell(const mw_client *client, const mw_request *request, const char *account, int rc,
                 const mw__call *call, const mw__buf *target, const char *placeholders,
                 const mw_error *error)
{
    mw_policy_event event = {.decision = MW_DECIDED_ALLOW};
    if (rc == MW_DENIED)
        event.decision = MW_DECIDED_DENY;
    else if (rc == MW_BUDGET)
        event.decision = MW_DECIDED_BUDGET;
    else if (rc != MW_OK)
        return;
    else if (call->held)
        event = (mw_policy_event){.decision = MW_DECIDED_HOLD,
                                  .arguments = request->arguments,
                                  .placeholders = request->arguments ? placeholders : NULL};
    if (rc != MW_OK)
        event.reason = error->message;
    bool made = target->status == MW_OK && target->data;
    mw__policy_tell(client->policy, request, account, made ? target->data : NULL, event);
}

int mw__admit(mw_client *client, const mw_request *request, mw__call *call, mw_error *error)
{
    mw_error own;
    if (!error)
        error = &own;
    if (client->closed)
        return mw_error_set(error, MW_INVALID, NULL, "%s: the client is closed", request->name);
    if (request->service != client->gate.service)
        return mw_error_set(error, MW_INVALID, NULL, "%s: a %s request can't go to %s",
                            request->name, mw_service_name(request->service),
                            mw_service_name(client->gate.service));
    const char *account = request->account ? request->account : client->account;
    char *placeholders = NULL;
    mw__buf target;
    mw__buf_init(&target, 2 * MW_MAX_URL);
    if (client->policy) {
        int made = mw__request_target(request, account, client->upstream, &target);
        target.status = made != MW_OK ? made : target.status;
    }
    int rc = decide(client, request, account, call, &target, &placeholders, error);
    bool held = call->held != NULL;
    if (rc == MW_OK && client->own)
        mw__policy_count(client->own, request, call->bytes, held);
    if (rc == MW_OK && client->policy)
        mw__policy_count(client->policy, request, call->bytes, held);
    if (client->policy)
        tell(client, request, account, rc, call, &target, placeholders, error);
    free(placeholders);
    mw__buf_free(&target);
    return rc;
}

void mw__admission_ended(mw__call *call, const mw_answer *answer)
{
    const mw_client *client = call->client;
    const mw_request *request = call->request;
    if (call->told || call->held || !client->policy->on_event)
        return;
    call->told = true;
    const char *account = request->account ? request->account : client->account;
    mw__buf target;
    mw__buf_init(&target, 2 * MW_MAX_URL);
    int rc = mw__request_target(request, account, client->upstream, &target);
    mw__policy_tell(client->policy, request, account, rc == MW_OK ? target.data : NULL,
                    (mw_policy_event){.done = true,
                                      .decision = MW_DECIDED_ALLOW,
                                      .code = answer->code,
                                      .status = answer->status,
                                      .attempts = answer->attempts,
                                      .elapsed_us = answer->elapsed_us});
    mw__buf_free(&target);
}
