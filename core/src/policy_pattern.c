/* policy_pattern.c: owns what a pattern fits, row by row, and what is wrong with one that fits nothing.
 * Must not know requests or clients; no operation is known here by its name. One thread at a time. */
#include <stdio.h>
#include <string.h>

#include "policy_private.h"

enum { MAX_NAMES = 64 };

/* Whether `text` is what `glob` says; '*' stands for any characters. */
static bool glob_fits(const char *glob, const char *text)
{
    const char *star = NULL;
    const char *from = NULL;
    while (*text) {
        if (*glob == '*') {
            star = glob++;
            from = text;
        } else if (*glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

static bool row_fits(const char *what, const mw_operation *row)
{
    char name[MW_MAX_PATTERN];
    if (strcmp(what, "read") == 0)
        return !row->mutates;
    if (strcmp(what, "write") == 0)
        return row->mutates;
    snprintf(name, sizeof name, "%s.%s", row->module, row->method);
    return glob_fits(what, name);
}

static void note(mw__verdict *verdict, uint16_t denied_by)
{
    if (denied_by == 0)
        verdict->allowed = true;
    else if (verdict->denied_by == 0)
        verdict->denied_by = denied_by;
}

/* Notes what `what` fits of one service; says how many that are. NULL: only counts. */
static size_t fit(mw_policy *policy, mw_service service, const char *what, uint16_t denied_by)
{
    size_t count;
    size_t found = 0;
    const mw_operation *const *rows = mw_operations(service, &count);
    if (strcmp(what, "request") == 0) {
        if (policy)
            note(&policy->verdicts[service][count], denied_by);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (!row_fits(what, rows[i]))
            continue;
        found++;
        if (policy)
            note(&policy->verdicts[service][i], denied_by);
    }
    return found;
}

/* Fills in the name of service `text` up to its ':': its number, MW_SERVICES for '*', or -1. */
static int service_of(const char *text, size_t length)
{
    if (length == 1 && text[0] == '*')
        return MW_SERVICES;
    for (int service = 0; service < MW_SERVICES; service++) {
        const char *name = mw_service_name((mw_service)service);
        if (strlen(name) == length && memcmp(name, text, length) == 0)
            return service;
    }
    return -1;
}

static bool serves(int chosen, int service)
{
    return chosen == MW_SERVICES || chosen == service;
}

static size_t fit_all(mw_policy *policy, int chosen, const char *what, uint16_t denied_by)
{
    size_t found = 0;
    for (int service = 0; service < MW_SERVICES; service++) {
        if (serves(chosen, service))
            found += fit(policy, (mw_service)service, what, denied_by);
    }
    return found;
}

/* The closest module, or with `module` the closest of its methods; NULL when none is close. */
static const char *closest(int chosen, const char *module, const char *word)
{
    const char *names[MAX_NAMES + 1] = {0};
    size_t used = 0;
    for (int service = 0; service < MW_SERVICES; service++) {
        size_t count;
        const mw_operation *const *rows = mw_operations((mw_service)service, &count);
        for (size_t i = 0; serves(chosen, service) && i < count && used < MAX_NAMES; i++) {
            const char *name = module ? rows[i]->method : rows[i]->module;
            bool wanted = module ? strcmp(rows[i]->module, module) == 0
                                 : used == 0 || strcmp(names[used - 1], name) != 0;
            if (wanted)
                names[used++] = name;
        }
    }
    return mw_closest(word, names);
}

/* What was meant by a name that fits nothing; "" when that is not clear. */
static void suggest(int chosen, const char *what, char *text, size_t size)
{
    static const char *const words[] = {"read", "write", "request", NULL};
    const char *dot = strrchr(what, '.');
    text[0] = '\0';
    if (!dot) {
        const char *word = mw_closest(what, words);
        const char *module = closest(chosen, NULL, what);
        if (word || module)
            snprintf(text, size, "%s%s", word ? word : module, word ? "" : ".*");
        return;
    }
    char module[MW_MAX_PATTERN];
    snprintf(module, sizeof module, "%.*s", (int)(dot - what), what);
    const char *near = closest(chosen, NULL, module);
    if (!near)
        return;
    snprintf(text, size, "%s%s", near, dot);
    if (fit_all(NULL, chosen, text, 0) > 0)
        return;
    const char *method = closest(chosen, near, dot + 1);
    snprintf(text, size, "%s.%s", near, method ? method : "*");
}

int mw__policy_pattern(mw_policy *policy, const char *pattern, uint16_t denied_by, mw_error *error)
{
    static const char *const services[] = {"ooctopus", "circuit", NULL};
    const char *colon = strchr(pattern, ':');
    if (!colon || colon == pattern || !colon[1] || strlen(pattern) >= MW_MAX_PATTERN)
        return mw_error_set(error, MW_INVALID, "pattern",
                            "'%.80s' is no pattern: write SERVICE:WHAT, like 'ooctopus:contacts.*', "
                            "'circuit:webhooks.list', '*:read', '*:write' or 'ooctopus:request'",
                            pattern);
    int chosen = service_of(pattern, (size_t)(colon - pattern));
    if (chosen < 0) {
        char word[MW_MAX_PATTERN];
        snprintf(word, sizeof word, "%.*s", (int)(colon - pattern), pattern);
        const char *near = mw_closest(word, services);
        return mw_error_set(error, MW_INVALID, "pattern", "'%s': there is no service '%s' (%s%s%s)",
                            pattern, word, near ? "did you mean '" : "ooctopus, circuit or *",
                            near ? near : "", near ? "'?" : "");
    }
    if (fit_all(policy, chosen, colon + 1, denied_by) > 0)
        return MW_OK;
    char meant[2 * MW_MAX_PATTERN];
    suggest(chosen, colon + 1, meant, sizeof meant);
    if (!meant[0])
        return mw_error_set(error, MW_INVALID, "pattern",
                            "no operation fits '%s'; `moonwire ops` lists them", pattern);
    return mw_error_set(error, MW_INVALID, "pattern",
                        "no operation fits '%s' (did you mean '%.*s%s'?)", pattern,
                        (int)(colon + 1 - pattern), pattern, meant);
}
