/* policy_file.c: reads a policy file and checks every name and type in it. Must not know what patterns mean, nor what
 * a run does with it. Main thread. */
#include "policy_file.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "literal.h"
#include "mw/operation.h"
#include "units.h"

static const char *const list_keys[] = {
#define MW_X(name, key) key,
    MW__POLICY_LISTS(MW_X)
#undef MW_X
};

static const mw__budget_row budget_rows[] = {
#define MW_X(name, key, option, member, unit, preset) {key, option, unit, preset},
    MW__BUDGET_ROWS(MW_X)
#undef MW_X
};

const mw__budget_row *mw__budget_row_at(unsigned index)
{
    return &budget_rows[index];
}

uint64_t *mw__budget_in(mw__budgets *budgets, unsigned index)
{
    switch (index) {
#define MW_X(name, key, option, member, unit, preset)                                              \
    case MW__BUDGET_##name:                                                                        \
        return &budgets->member;
        MW__BUDGET_ROWS(MW_X)
#undef MW_X
    default:
        return NULL;
    }
}

const char *mw__budget_parse(unsigned index, const char *text, uint64_t *value)
{
    static const char *const examples[] = {"a size such as 64M", "a time such as 30 or 1.5s",
                                           "a whole number"};
    mw__unit unit = budget_rows[index].unit;
    bool good = unit == MW__UNIT_SIZE   ? mw__parse_size(text, value)
                : unit == MW__UNIT_TIME ? mw__parse_seconds(text, value)
                                        : mw__parse_count(text, value);
    if (!good)
        return examples[unit];
    bool zero = budget_rows[index].preset == 0 || budget_rows[index].preset == UINT64_MAX;
    return *value == 0 && !zero ? "more than 0" : NULL;
}

static int fail(const mw__policy_file *file, const char *key, const char *what, mw_error *error)
{
    return mw_error_set(error, MW_INVALID, "", "%s: '%s' must be %s", file->path, key, what);
}

static int no_memory(const mw__policy_file *file, mw_error *error)
{
    return mw_error_set(error, MW_MEMORY, "", "%s: out of memory", file->path);
}

/* `name` from the folder of the policy file, where it is relative. NULL: out of memory. */
static const char *from_file(const mw__policy_file *file, const char *name)
{
    const char *slash = strrchr(file->path, '/');
    if (name[0] == '/' || !slash)
        return name;
    size_t folder = (size_t)(slash - file->path) + 1;
    char *joined = mw_arena_alloc(file->arena, folder + strlen(name) + 1);
    if (joined) {
        memcpy(joined, file->path, folder);
        memcpy(joined + folder, name, strlen(name) + 1);
    }
    return joined;
}

/* One entry of a list as text: ids may be numbers. */
static int read_text(const mw__policy_file *file, int list, const mw_value *value,
                     const char **text, mw_error *error)
{
    bool ids = list == MW__LIST_ACCOUNTS || list == MW__LIST_INBOXES;
    bool folders = list == MW__LIST_READ || list == MW__LIST_WRITE;
    if (ids && value->type == MW_V_INTEGER) {
        char *made = mw_arena_alloc(file->arena, 24);
        if (made)
            snprintf(made, 24, "%" PRId64, value->as.integer);
        *text = made;
    } else if (value->type != MW_V_STRING || value->length == 0 ||
               strlen(value->as.string) != value->length) {
        return fail(file, list_keys[list], ids ? "a list of ids" : "a list of texts", error);
    } else {
        *text = folders ? from_file(file, value->as.string) : value->as.string;
    }
    return *text ? MW_OK : no_memory(file, error);
}

static int read_list(mw__policy_file *file, int list, const mw_value *value, mw_error *error)
{
    bool single = value->type == MW_V_STRING || value->type == MW_V_INTEGER;
    if (!single && value->type != MW_V_ARRAY && value->type != MW_V_EMPTY)
        return fail(file, list_keys[list], "a list, { ... }", error);
    size_t count = single ? 1 : value->length;
    const char **texts = mw_arena_alloc(file->arena, (count + 1) * sizeof *texts);
    if (!texts)
        return no_memory(file, error);
    for (size_t i = 0; i < count; i++) {
        int rc = read_text(file, list, single ? value : &value->as.items[i], &texts[i], error);
        if (rc < 0)
            return rc;
    }
    file->lists[list] = texts;
    return MW_OK;
}

static int read_budget(mw__policy_file *file, unsigned index, const mw_value *value, mw_error *error)
{
    char text[48];
    if (value->type == MW_V_INTEGER)
        snprintf(text, sizeof text, "%" PRId64, value->as.integer);
    else if (value->type == MW_V_NUMBER)
        snprintf(text, sizeof text, "%.6f", value->as.number);
    else if (value->type == MW_V_STRING && value->length < sizeof text &&
             strlen(value->as.string) == value->length)
        memcpy(text, value->as.string, value->length + 1);
    else
        text[0] = '\0';
    const char *wrong = mw__budget_parse(index, text, &file->budgets[index]);
    if (wrong)
        return fail(file, budget_rows[index].key, wrong, error);
    file->has[index] = true;
    return MW_OK;
}

static int unknown(const mw__policy_file *file, const char *key, mw_error *error)
{
    const char *keys[MW__LIST_COUNT + MW__BUDGET_COUNT + 2] = {0};
    size_t count = 0;
    for (; count < MW__LIST_COUNT; count++)
        keys[count] = list_keys[count];
    for (unsigned i = 0; i < MW__BUDGET_COUNT; i++)
        keys[count++] = budget_rows[i].key;
    keys[count] = "read_only";
    const char *closest = mw_closest(key, keys);
    return mw_error_set(error, MW_INVALID, "", "%s: unknown entry '%.60s'%s%s%s", file->path, key,
                        closest ? " (did you mean '" : "", closest ? closest : "",
                        closest ? "'?)" : "");
}

static int read_entry(mw__policy_file *file, const mw_member *member, mw_error *error)
{
    for (int i = 0; i < MW__LIST_COUNT; i++)
        if (strcmp(member->name, list_keys[i]) == 0)
            return read_list(file, i, &member->value, error);
    for (unsigned i = 0; i < MW__BUDGET_COUNT; i++)
        if (strcmp(member->name, budget_rows[i].key) == 0)
            return read_budget(file, i, &member->value, error);
    if (strcmp(member->name, "read_only") != 0)
        return unknown(file, member->name, error);
    if (member->value.type != MW_V_BOOLEAN)
        return fail(file, "read_only", "true or false", error);
    file->read_only = member->value.as.boolean;
    return MW_OK;
}

int mw__policy_file_read(const char *path, mw__policy_file *file, bool *missing, mw_error *error)
{
    char *text = NULL;
    size_t length = 0;
    mw_value table;
    *file = (mw__policy_file){.path = path, .arena = mw_arena_new(MW__LITERAL_ARENA)};
    if (!file->arena)
        return no_memory(file, error);
    int rc = mw__literal_load(path, &text, &length, missing, error);
    if (rc < 0)
        goto out;
    char *copy = mw_arena_alloc(file->arena, strlen(path) + 1);
    rc = copy ? MW_OK : no_memory(file, error);
    if (rc < 0)
        goto out;
    memcpy(copy, path, strlen(path));
    file->path = copy;
    rc = mw__literal_read(text, length, path, "a policy", file->arena, &table, error);
    if (rc == MW_OK && table.type == MW_V_ARRAY)
        rc = mw_error_set(error, MW_INVALID, "",
                          "%s: a policy has named entries, such as allow = { ... }", path);
    for (size_t i = 0; rc == MW_OK && i < table.length; i++)
        rc = read_entry(file, &table.as.members[i], error);
out:
    free(text);
    return rc;
}

void mw__policy_file_free(mw__policy_file *file)
{
    mw_arena_free(file->arena);
    *file = (mw__policy_file){0};
}

static bool is_raw(const char *pattern)
{
    const char *colon = strrchr(pattern, ':');
    return colon && strcmp(colon, ":request") == 0;
}

bool mw__policy_file_widens(const mw__policy_file *file, char *text, size_t size)
{
    static const int asks[] = {MW__LIST_READ, MW__LIST_WRITE, MW__LIST_ENV};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        const char *const *list = file->lists[asks[i]];
        if (list && *list) {
            snprintf(text, size, "%s = '%s'", list_keys[asks[i]], *list);
            return true;
        }
    }
    for (const char *const *allow = file->lists[MW__LIST_ALLOW]; allow && *allow; allow++) {
        if (is_raw(*allow)) {
            snprintf(text, size, "allow = '%s'", *allow);
            return true;
        }
    }
    for (unsigned i = 0; i < MW__BUDGET_COUNT; i++) {
        if (file->has[i] && budget_rows[i].preset != 0 && file->budgets[i] > budget_rows[i].preset) {
            snprintf(text, size, "%s above the usual", budget_rows[i].key);
            return true;
        }
    }
    return false;
}
