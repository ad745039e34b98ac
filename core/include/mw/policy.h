/* mw/policy.h: what may be done through a gate, narrower than the token allows.
 *
 * A policy is rules and budgets. It is given to clients (mw_client_options.policy), and their gate asks
 * it about every request of every front end before anything else happens: before a name is looked up,
 * before a place in the queue. Several clients may share one; the budgets then count all of them.
 *
 * What it says to a request, in this order:
 *
 *     deny      a denied pattern fits                                      -> MW_DENIED
 *     allow     no allowed pattern fits; raw requests need one of their own -> MW_DENIED
 *     read-only the request changes something                              -> MW_DENIED
 *     account   it goes to an account that is not in the list               -> MW_DENIED
 *     inbox     the operation names an inbox that is not in the list, or
 *               could name one and leaves it open                           -> MW_DENIED
 *     budgets   calls, writes or bytes are used up                          -> MW_BUDGET
 *     dry run   it changes something, or refers to what only a dry run made -> held back
 *
 * A pattern is SERVICE:WHAT. SERVICE is "ooctopus", "circuit" or "*". WHAT is "read" or "write" (the
 * operations that don't, or do, change something), "request" (mw_gate_request_raw: any path), or a name
 * "module.method" in which '*' stands for any characters ("conversations.*", "platform.users.get", "*").
 * Only "request" fits raw requests: "*:*" does not.
 *
 * What names no account (profile.get, public.*, platform.users.*) passes a list of accounts, and what can't
 * name an inbox (contacts.get) a list of inboxes: patterns decide about those. A report names an inbox by type =
 * "inbox" and id. What `extra` names as inbox_id or account_id counts as named.
 *
 * Patterns, accounts and inboxes, at most 4096 of each, are set before the policy is used; everything is
 * copied. All functions on one thread at a time. */
#ifndef MW_POLICY_H
#define MW_POLICY_H

#include "mw/gate.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_policy mw_policy;

/* A policy that allows nothing. MW_MEMORY. It outlives the clients that it was given to: mw_client_free tells
 * the observer of what is still in flight, and then forgets the policy. */
int mw_policy_new(mw_policy **policy);
void mw_policy_free(mw_policy *policy); /* NULL is fine */

/* Adds a pattern. MW_INVALID with `error` when it can fit nothing ("no operation fits
 * 'ooctopus:conversation.*' (did you mean 'ooctopus:conversations.*'?)"), MW_MEMORY. */
int mw_policy_allow(mw_policy *policy, const char *pattern, mw_error *error);
int mw_policy_deny(mw_policy *policy, const char *pattern, mw_error *error);

/* Adds an account or an inbox to those that may be used; with none of them any may. An account is
 * digits. An inbox is its id or, for the public.* operations, its identifier. A raw request fits a list
 * of accounts when its path names one of them ("/accounts/1/"); with a list of inboxes raw requests are
 * refused. MW_INVALID, MW_MEMORY. */
int mw_policy_account(mw_policy *policy, const char *id, mw_error *error);
int mw_policy_inbox(mw_policy *policy, const char *id, mw_error *error);

void mw_policy_read_only(mw_policy *policy, bool read_only);

/* What the gate counts. Sending again counts as bytes, not as a call. */
typedef enum mw_limit {
    MW_LIMIT_CALLS,  /* requests that were let through */
    MW_LIMIT_WRITES, /* of them, those that change something */
    MW_LIMIT_BYTES,  /* of them, bytes of path, query, body and files */
    MW_LIMITS
} mw_limit;

/* At most so many; UINT64_MAX, as it is at first: no limit. */
void mw_policy_limit(mw_policy *policy, mw_limit limit, uint64_t most);
uint64_t mw_policy_used(const mw_policy *policy, mw_limit limit);
const char *mw_limit_name(mw_limit limit); /* "calls", "writes", "bytes sent" */

/* ---- dry run ----
 * Nothing that changes something leaves. A request that is held back gets a plausible answer, made from
 * the row and the arguments: fields that the caller gave come back as given, ids that the server would
 * have made are placeholders (numbers from MW_PLACEHOLDER + 1 on; in texts their digits). A request that
 * has a placeholder anywhere in its path, query or body is held back as well, a read too. Requests must
 * come from mw_gate_request, or their answers hold no given fields and their events no arguments. */
#define MW_PLACEHOLDER INT64_C(8888000000000000)
void mw_policy_dry_run(mw_policy *policy, bool dry_run);
uint64_t mw_policy_held(const mw_policy *policy); /* requests held back so far */

/* ---- what happened ---- */

typedef enum mw_decision {
    MW_DECIDED_ALLOW,
    MW_DECIDED_DENY,   /* MW_DENIED */
    MW_DECIDED_BUDGET, /* MW_BUDGET */
    MW_DECIDED_HOLD    /* dry run */
} mw_decision;
const char *mw_decision_name(mw_decision decision); /* "allow", "deny", "budget", "hold" */

/* One decision (`done` false), or the end of a request that was allowed (`done` true). All borrowed
 * until the callback returns. */
typedef struct mw_policy_event {
    bool done;
    mw_decision decision;
    const char *reason;            /* of a refusal: the message; else "" */
    const char *name;              /* "ooctopus:contacts.get", "circuit:request" */
    const mw_operation *operation; /* NULL: raw */
    const char *
        look; /* with `once`: the operation that finds the object, which has to be allowed, too; else NULL */
    mw_service service;
    mw_verb verb;
    bool mutates;
    const char *account; /* that it goes to, or NULL */
    const char *path;    /* below the base URL, without the query; "" when it can't be made */
    const char *query;   /* encoded, or NULL. May hold what the user takes for private */
    const char *body;    /* what is sent, or NULL; of a multipart body NULL. The same warning */
    size_t body_length;
    /* Of a request that is held back: {"path":[...],"params":{...},"options":{...}} as JSON, to make it
     * again with mw_gate_request, and {"payload.contact.id":8888000000000001,...}, where the answer holds
     * placeholders. NULL without arguments. */
    const char *arguments;
    const char *placeholders;
    int code; /* done: MW_OK or a mw_err */
    int status;
    uint32_t attempts;
    int64_t elapsed_us;
} mw_policy_event;

typedef void (*mw_policy_fn)(const mw_policy_event *event, void *ud);
/* One observer; it must not call back into the client. NULL: none. */
void mw_policy_on_event(mw_policy *policy, mw_policy_fn fn, void *ud);

#ifdef __cplusplus
}
#endif
#endif
