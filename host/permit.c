/* permit.c: a permit in use: hands what the policy decides to the audit, the plan and whoever watches, and ends them
 * all. Must not know where the permit's rules come from. Main thread. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "plan.h"
#include "policy_flags.h"

/* Refused calls cost the script nothing, and each is a line of the audit. */
enum { MOST_REFUSED = 10000 };

static int audit(mw__permit_parts *parts, const mw_policy_event *event)
{
    bool refused = event->decision == MW_DECIDED_DENY || event->decision == MW_DECIDED_BUDGET;
    if (refused && ++parts->refused > MOST_REFUSED)
        return mw_error_set(&parts->failure, MW_DENIED, "",
                            "more than %d calls were refused, which would fill the audit: the run is "
                            "ended",
                            MOST_REFUSED);
    return mw__audit_event(parts->audit, event, &parts->failure);
}

void mw__permit_event(const mw_policy_event *event, void *ud)
{
    mw__permit_parts *parts = ud;
    if (parts->audit && !parts->failed && audit(parts, event) < 0) {
        parts->failed = true;
        /* No call more, whatever the run does before it ends. */
        mw_policy_limit(parts->policy, MW_LIMIT_CALLS, 0);
        if (parts->on_failure)
            parts->on_failure(parts->on_failure_ud);
    }
    if (parts->plan)
        mw__plan_add(parts->plan, parts->profiles[event->service], event);
    if (parts->watch)
        parts->watch(event, parts->watch_ud);
}

void mw__permit_profile(mw__permit *permit, const char *profile, mw_service service, mw_loop *loop)
{
    mw__permit_parts *parts = permit->parts;
    char *name = parts->profiles[service];
    parts->unclear |= *name && strcmp(name, profile) != 0;
    snprintf(name, sizeof parts->profiles[service], "%s", profile);
    if (parts->audit)
        mw__audit_redact(parts->audit, loop);
}

void mw__permit_on_failure(mw__permit *permit, void (*fn)(void *ud), void *ud)
{
    permit->parts->on_failure = fn;
    permit->parts->on_failure_ud = ud;
}

const char *mw__permit_failure(const mw__permit *permit)
{
    return permit->parts->failed ? permit->parts->failure.message : NULL;
}

void mw__permit_watch(mw__permit *permit, mw_policy_fn fn, void *ud)
{
    permit->parts->watch = fn;
    permit->parts->watch_ud = ud;
    mw_policy_on_event(permit->policy, mw__permit_event, permit->parts);
}

/* Finishes the plan and says what was held back. Returns `code` or another one. */
static int end_dry_run(const mw__permit *permit, int code)
{
    mw__permit_parts *parts = permit->parts;
    mw_error error = {0};
    uint64_t held = mw_policy_held(permit->policy);
    const char *plural = held == 1 ? "" : "s";
    if (!parts->plan)
        return mw__complain(parts->command, code,
                            "dry run: %" PRIu64 " call%s held back, nothing was changed", held,
                            plural);
    if (code != MW_EXIT_OK)
        return mw__complain(parts->command, code,
                            "dry run: %" PRIu64
                            " call%s held back; the run failed, so %s is not written",
                            held, plural, parts->plan_path);
    if (parts->unclear && held > 0)
        return mw__complain(parts->command, MW_EXIT_SCRIPT,
                            "dry run: %" PRIu64
                            " call%s held back; the script used two profiles of one service, "
                            "which a plan can't tell apart, so %s is not written",
                            held, plural, parts->plan_path);
    if (mw__plan_keep(parts->plan, &error) < 0)
        return mw__complain(parts->command, MW_EXIT_SCRIPT, "%s", error.message);
    if (held == 0)
        return mw__complain(parts->command, code, "dry run: 0 calls held back; %s is empty",
                            parts->plan_path);
    return mw__complain(parts->command, code,
                        "dry run: %" PRIu64 " call%s held back; `moonwire apply %s` sends %s", held,
                        plural, parts->plan_path, held == 1 ? "it" : "them");
}

int mw__permit_end(mw__permit *permit, int code)
{
    mw__permit_parts *parts = permit->parts;
    mw_error error = {0};
    if (mw__audit_close(parts->audit, &error) < 0 && !parts->failed) {
        parts->failed = true;
        parts->failure = error;
    }
    parts->audit = NULL;
    if (parts->failed)
        code = mw__complain(parts->command, MW_EXIT_SCRIPT, "%s", parts->failure.message);
    return permit->dry_run ? end_dry_run(permit, code) : code;
}

void mw__permit_close(mw__permit *permit)
{
    mw__permit_parts *parts = permit->parts;
    if (parts) {
        mw__audit_close(parts->audit, NULL);
        mw__plan_free(parts->plan);
        for (char **env = parts->env; env && *env; env++)
            free(*env);
        free(parts->env);
        free(parts);
    }
    mw_policy_free(permit->policy);
    mw__grants_free(permit->files);
    *permit = (mw__permit){0};
}
