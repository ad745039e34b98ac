/* policy.c: owns what a policy holds: patterns, lists, limits and counters. Must not know requests or
 * clients. One thread at a time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_private.h"

static int add_word(mw__words *words, const char *word)
{
    if (words->count == words->capacity) {
        size_t capacity = words->capacity ? 2 * words->capacity : 8;
        char **list = realloc(words->list, capacity * sizeof *list);
        if (!list)
            return MW_MEMORY;
        words->list = list;
        words->capacity = capacity;
    }
    words->list[words->count] = strdup(word);
    if (!words->list[words->count])
        return MW_MEMORY;
    words->count++;
    return MW_OK;
}

static void free_words(mw__words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
}

bool mw__words_hold(const mw__words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->list[i], word) == 0)
            return true;
    }
    return false;
}

int mw_policy_new(mw_policy **out)
{
    mw_policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return MW_MEMORY;
    policy->owner = "policy";
    for (size_t i = 0; i < MW_LIMITS; i++)
        policy->most[i] = UINT64_MAX;
    for (int service = 0; service < MW_SERVICES; service++) {
        size_t rows;
        mw_operations((mw_service)service, &rows);
        policy->verdicts[service] = calloc(rows + 1, sizeof(mw__verdict));
        if (!policy->verdicts[service]) {
            mw_policy_free(policy);
            return MW_MEMORY;
        }
    }
    *out = policy;
    return MW_OK;
}

void mw_policy_free(mw_policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; i < MW_SERVICES; i++)
        free(policy->verdicts[i]);
    free_words(&policy->deny);
    free_words(&policy->accounts);
    free_words(&policy->inboxes);
    free(policy);
}

void mw__policy_open(mw_policy *policy, const char *owner)
{
    policy->owner = owner;
    for (int service = 0; service < MW_SERVICES; service++) {
        size_t rows;
        mw_operations((mw_service)service, &rows);
        for (size_t i = 0; i <= rows; i++)
            policy->verdicts[service][i].allowed = true;
    }
}

static int too_many(mw_error *error)
{
    return mw_error_set(error, MW_INVALID, NULL,
                        "the policy has more than %d patterns, accounts or inboxes of one kind",
                        MW_MAX_PATTERNS);
}

static int no_memory(mw_error *error)
{
    return mw_error_set(error, MW_MEMORY, NULL, "the policy can't grow: out of memory");
}

int mw_policy_allow(mw_policy *policy, const char *pattern, mw_error *error)
{
    if (policy->allow_count == MW_MAX_PATTERNS)
        return too_many(error);
    int rc = mw__policy_pattern(policy, pattern, 0, error);
    policy->allow_count += rc == MW_OK;
    return rc;
}

int mw_policy_deny(mw_policy *policy, const char *pattern, mw_error *error)
{
    if (policy->deny.count == MW_MAX_PATTERNS)
        return too_many(error);
    if (add_word(&policy->deny, pattern) != MW_OK)
        return no_memory(error);
    int rc = mw__policy_pattern(policy, pattern, (uint16_t)policy->deny.count, error);
    if (rc != MW_OK)
        free(policy->deny.list[--policy->deny.count]);
    return rc;
}

static int add_id(mw__words *words, const char *id, mw_error *error)
{
    if (mw__words_hold(words, id))
        return MW_OK;
    if (words->count == MW_MAX_PATTERNS)
        return too_many(error);
    return add_word(words, id) == MW_OK ? MW_OK : no_memory(error);
}

int mw_policy_account(mw_policy *policy, const char *id, mw_error *error)
{
    size_t length = strspn(id, "0123456789");
    if (length == 0 || id[length] || length >= 20 || (id[0] == '0' && length > 1))
        return mw_error_set(
            error, MW_INVALID, "account",
            "the policy can't hold account '%.60s': an account is its id, a whole number", id);
    return add_id(&policy->accounts, id, error);
}

int mw_policy_inbox(mw_policy *policy, const char *id, mw_error *error)
{
    size_t length = strlen(id);
    bool plain = length > 0 && length < MW_MAX_NAMED_LENGTH;
    for (size_t i = 0; plain && i < length; i++)
        plain = id[i] > ' ' && id[i] < 0x7F;
    bool number = strspn(id, "0123456789") == length;
    if (!plain || (number && id[0] == '0' && length > 1))
        return mw_error_set(
            error, MW_INVALID, "inbox",
            "the policy can't hold inbox '%.60s': an inbox is its id, a whole number, or "
            "its public identifier",
            id);
    return add_id(&policy->inboxes, id, error);
}

void mw_policy_read_only(mw_policy *policy, bool read_only)
{
    policy->read_only = read_only;
}

void mw_policy_limit(mw_policy *policy, mw_limit limit, uint64_t most)
{
    if ((unsigned)limit < MW_LIMITS)
        policy->most[limit] = most;
}

uint64_t mw_policy_used(const mw_policy *policy, mw_limit limit)
{
    return (unsigned)limit < MW_LIMITS ? policy->used[limit] : 0;
}

const char *mw_limit_name(mw_limit limit)
{
    static const char *const names[MW_LIMITS] = {
        [MW_LIMIT_CALLS] = "calls",
        [MW_LIMIT_WRITES] = "writes",
        [MW_LIMIT_BYTES] = "bytes sent",
    };
    return (unsigned)limit < MW_LIMITS ? names[limit] : "?";
}

void mw_policy_dry_run(mw_policy *policy, bool dry_run)
{
    policy->dry_run = dry_run;
}

uint64_t mw_policy_held(const mw_policy *policy)
{
    return policy->held;
}

const char *mw_decision_name(mw_decision decision)
{
    static const char *const names[] = {
        [MW_DECIDED_ALLOW] = "allow",
        [MW_DECIDED_DENY] = "deny",
        [MW_DECIDED_BUDGET] = "budget",
        [MW_DECIDED_HOLD] = "hold",
    };
    return (size_t)decision < sizeof names / sizeof names[0] ? names[decision] : "?";
}

void mw_policy_on_event(mw_policy *policy, mw_policy_fn fn, void *ud)
{
    policy->on_event = fn;
    policy->event_ud = ud;
}
