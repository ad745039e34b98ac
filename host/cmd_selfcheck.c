/* cmd_selfcheck.c: `moonwire selfcheck`: which layers keep a worker in, and whether each attempt to get out dies.
 * Knows the sandbox by its report only. Main thread. */
#include <string.h>

#include "cli.h"
#include "sandbox.h"
#include "worker.h"

enum { MOST_PROBES = 16 };

/* The reason for `layer` out of "rlimits: why; landlock: why", or "". */
static void reason_of(const char *missing, mw__layer layer, char *reason, size_t size)
{
    const char *name = mw__layer_name(layer);
    size_t length = strlen(name);
    reason[0] = '\0';
    while (missing && *missing) {
        const char *end = strstr(missing, "; ");
        if (strncmp(missing, name, length) == 0 && strncmp(missing + length, ": ", 2) == 0) {
            const char *why = missing + length + 2;
            int count = (int)(end ? (size_t)(end - why) : strlen(why));
            snprintf(reason, size, "%.*s", count, why);
            return;
        }
        missing = end ? end + 2 : NULL;
    }
}

static void print_layers(const mw__probe_result *result)
{
    puts("Layers of a worker:");
    for (mw__layer layer = 0; layer < MW__LAYER_COUNT; layer++) {
        char reason[160];
        reason_of(result->missing, layer, reason, sizeof reason);
        const char *why = reason[0] ? reason : "no reason given";
        if (result->active & 1u << layer)
            printf("  %-24s active\n", mw__layer_name(layer));
        else if (mw__layer_required(layer))
            printf("  %-24s MISSING: %s\n", mw__layer_name(layer), why);
        else
            printf("  %-24s %s (not required)\n", mw__layer_name(layer), why);
    }
}

/* 0, or the exit code after having said what is wrong. */
static int judge(unsigned active, unsigned survivors)
{
    char names[128];
    if (mw__sandbox_missing(active, names, sizeof names))
        return mw__complain("selfcheck", MW_EXIT_SANDBOX,
                            "the sandbox lacks %s; scripts run only with --sandbox=best-effort",
                            names);
    if (survivors > 0)
        return mw__complain(
            "selfcheck", MW_EXIT_SANDBOX,
            "the sandbox has a hole: %u of %u attempts were not killed; run no script that you "
            "don't trust here",
            survivors, mw__probe_count());
    return MW_EXIT_OK;
}

int mw__cmd_selfcheck(const mw__args *args)
{
    (void)args;
    static mw__probe_result results[MOST_PROBES];
    mw_error error = {0};
    unsigned count = mw__probe_count() < MOST_PROBES ? mw__probe_count() : MOST_PROBES;
    unsigned active = ~0u, survivors = 0;
    double fastest = 0;
    for (unsigned i = 0; i < count; i++) {
        mw__probe_result *result = &results[i];
        if (mw__probe_try(i, result, &error) < 0)
            return mw__complain("selfcheck", MW_EXIT_SANDBOX, "%s", error.message);
        if (!result->entered)
            return mw__complain(
                "selfcheck", MW_EXIT_SANDBOX,
                "a worker did not start: %s; check that this program's libraries are where "
                "the system looks for them",
                result->outcome);
        active &= result->active;
        survivors += !result->killed;
        if (i == 0 || result->ready_ms < fastest)
            fastest = result->ready_ms;
    }
    print_layers(&results[0]);
    puts("Attempts, each in a worker of its own:");
    for (unsigned i = 0; i < count; i++)
        printf("  %-24s %s\n", mw__probe_title(i), results[i].outcome);
    printf("A worker was inside the sandbox %.1f ms after its start.\n", fastest);
    return judge(active, survivors);
}
