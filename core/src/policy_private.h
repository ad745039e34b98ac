/* policy_private.h: a policy from the inside: shared by policy.c (what it holds), policy_pattern.c (what a
 * pattern fits), policy_check.c (what it says to a request) and policy_path.c (accounts in raw paths), and
 * what the local gate asks of it. Must not know clients. One thread at a time. */
#ifndef MW_POLICY_PRIVATE_H
#define MW_POLICY_PRIVATE_H

#include "mw/policy.h"
#include "request_private.h"

#define MW_MAX_PATTERNS 4096 /* patterns, accounts, inboxes: of each at most so many */
#define MW_MAX_PATTERN 128   /* bytes */

typedef struct mw__words {
    char **list;
    size_t count;
    size_t capacity;
} mw__words;

/* What the patterns say to one row, found out when they are added. */
typedef struct mw__verdict {
    bool allowed;
    uint16_t denied_by; /* 1 + place in `deny`, or 0 */
} mw__verdict;

struct mw_policy {
    const char *owner; /* whose it is in messages: "policy", or "client" for a client's own; static */
    mw__words deny;
    mw__words accounts;
    mw__words inboxes;
    size_t allow_count;
    mw__verdict *verdicts[MW_SERVICES]; /* one a row, as mw_operations has them; then raw requests */
    bool read_only;
    bool dry_run;
    uint64_t most[MW_LIMITS];
    uint64_t used[MW_LIMITS];
    uint64_t held;
    uint64_t made; /* placeholders of the dry run */
    mw_policy_fn on_event;
    void *event_ud;
};

/* policy.c: allows everything, raw requests too: the limits of a client's own options. */
void mw__policy_open(mw_policy *policy, const char *owner);
bool mw__words_hold(const mw__words *words, const char *word);

/* policy_pattern.c: notes what `pattern` fits; `denied_by` 0: it allows. MW_OK, or MW_INVALID with `error`. */
int mw__policy_pattern(mw_policy *policy, const char *pattern, uint16_t denied_by, mw_error *error);

/* policy_path.c: whether a raw path names an account of the list, and none that is not in it. */
bool mw__path_fits(const char *path, const mw__words *accounts);

/* policy_check.c. `account` is that of the call or the client, or NULL. What the patterns, read-only and the
 * lists say: MW_OK or MW_DENIED. Then whether the budgets have room for a request of so many bytes: MW_OK or
 * MW_BUDGET. Then whether a dry run holds it back. Asking changes nothing: mw__policy_count does. */
int mw__policy_rules(const mw_policy *policy, const mw_request *request, const char *account,
                     mw_error *error);
int mw__policy_budgets(const mw_policy *policy, const mw_request *request, uint64_t bytes,
                       mw_error *error);
bool mw__policy_holds(const mw_policy *policy, const mw_request *request, const char *target);
void mw__policy_count(mw_policy *policy, const mw_request *request, uint64_t bytes, bool held);
bool mw__policy_may_resend(const mw_policy *policy, uint64_t bytes);
void mw__policy_resent(mw_policy *policy, uint64_t bytes);

/* Tells the observer, where there is one. `event` holds what is particular; the rest is filled in. `target` is what
 * mw__request_target gives, or NULL where that can't be made; it is cut while the observer looks. */
void mw__policy_tell(const mw_policy *policy, const mw_request *request, const char *account,
                     char *target, mw_policy_event event);

#endif
