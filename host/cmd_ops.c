/* cmd_ops.c: `moonwire ops`: lists the rows, as columns, with their fields or as JSON. Knows the columns of a row and
 * nothing of any single operation. Main thread. */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ops_fields.h"
#include "ops_value.h"

enum { NAME_MAX_LENGTH = 128, ROW_CAP = 4 << 20 };

static void name_of(const mw_operation *operation, char name[NAME_MAX_LENGTH])
{
    snprintf(name, NAME_MAX_LENGTH, "%s/%s:%s", mw_service_name(operation->service),
             operation->module, operation->method);
}

/* A glob has to fit the whole name, with the service or without; a plain word may be any part of
 * it. */
static bool matches(const mw_operation *operation, const char *pattern)
{
    char name[NAME_MAX_LENGTH];
    name_of(operation, name);
    if (!pattern)
        return true;
    if (!strpbrk(pattern, "*?["))
        return strcasestr(name, pattern) != NULL;
    return fnmatch(pattern, name, FNM_CASEFOLD) == 0 ||
           fnmatch(pattern, strchr(name, '/') + 1, FNM_CASEFOLD) == 0;
}

/* Whether the pattern is the whole name, with the service or without. */
static bool is_name(const mw_operation *operation, const char *pattern)
{
    char name[NAME_MAX_LENGTH];
    name_of(operation, name);
    return pattern && (strcmp(name, pattern) == 0 || strcmp(strchr(name, '/') + 1, pattern) == 0);
}

/* A name means that operation, though it be a part of other names; without one among the rows they
 * stay as they are. */
static void prefer_names(const mw_operation **rows, size_t *count, const char *pattern)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (is_name(rows[i], pattern))
            rows[kept++] = rows[i];
    if (kept) {
        rows[kept] = NULL;
        *count = kept;
    }
}

/* The rows that match, ended by NULL; free with free(). NULL: out of memory. */
static const mw_operation **select_rows(const char *pattern, size_t *count)
{
    size_t total = 0;
    for (mw_service service = 0; service < MW_SERVICES; service++) {
        size_t some;
        mw_operations(service, &some);
        total += some;
    }
    const mw_operation **rows = calloc(total + 1, sizeof *rows);
    *count = 0;
    for (mw_service service = 0; rows && service < MW_SERVICES; service++) {
        size_t some;
        const mw_operation *const *all = mw_operations(service, &some);
        for (size_t i = 0; i < some; i++)
            if (matches(all[i], pattern))
                rows[(*count)++] = all[i];
    }
    if (rows)
        prefer_names(rows, count, pattern);
    return rows;
}

static void tokens_of(const mw_operation *operation, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned bit = MW_TOKEN_USER; bit <= MW_TOKEN_OAUTH && length < size; bit *= 2)
        if (operation->auth & bit)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length ? "," : "",
                                       mw_token_name((mw_token)bit));
    if (!length)
        snprintf(text, size, "-");
}

static void print_columns(const mw_operation *const *rows)
{
    char name[NAME_MAX_LENGTH];
    char tokens[64];
    int width = 0;
    int path_width = 0;
    for (size_t i = 0; rows[i]; i++) {
        name_of(rows[i], name);
        width = (int)strlen(name) > width ? (int)strlen(name) : width;
        path_width =
            (int)strlen(rows[i]->path) > path_width ? (int)strlen(rows[i]->path) : path_width;
    }
    for (size_t i = 0; rows[i]; i++) {
        name_of(rows[i], name);
        tokens_of(rows[i], tokens, sizeof tokens);
        printf("%-*s  %-6s  %-*s  %s\n", width, name, mw_verb_name(rows[i]->verb), path_width,
               rows[i]->path, tokens);
    }
}

static void print_fields(const mw_operation *const *rows)
{
    char name[NAME_MAX_LENGTH];
    char tokens[64];
    for (size_t i = 0; rows[i]; i++) {
        name_of(rows[i], name);
        tokens_of(rows[i], tokens, sizeof tokens);
        printf("%s%s  %s  %s  %s\n", i ? "\n" : "", name, mw_verb_name(rows[i]->verb),
               rows[i]->path, tokens);
        mw__ops_print_fields(rows[i]);
    }
}

static int print_json(const mw_operation *const *rows)
{
    mw_arena *arena = mw_arena_new(ROW_CAP);
    int code = arena ? MW_EXIT_OK : MW_EXIT_SCRIPT;
    putchar('[');
    for (size_t i = 0; rows[i] && code == MW_EXIT_OK; i++) {
        mw_value value = mw__ops_value(arena, rows[i]);
        mw_error error = {0};
        char *text = NULL;
        size_t length = 0;
        if (mw_json_write(&value, ROW_CAP, &text, &length, &error) < 0) {
            code = mw__complain("ops", MW_EXIT_SCRIPT, "can't write %s:%s as JSON: %s",
                                rows[i]->module, rows[i]->method, error.message);
        } else {
            fputs(i ? ",\n" : "\n", stdout);
            fwrite(text, 1, length, stdout);
        }
        free(text);
        mw_arena_reset(arena);
    }
    puts("\n]");
    mw_arena_free(arena);
    return code;
}

int mw__cmd_ops(const mw__args *args)
{
    const char *pattern = args->operand ? args->argv[args->operand] : NULL;
    bool json = mw__args_get(args, "--json") != NULL;
    size_t count;
    int code = MW_EXIT_OK;
    const mw_operation **rows = select_rows(pattern, &count);
    if (!rows)
        code = mw__complain("ops", MW_EXIT_SCRIPT, "out of memory");
    else if (json)
        code = print_json(rows);
    else if (count == 1 || mw__args_get(args, "--fields"))
        print_fields(rows);
    else
        print_columns(rows);
    if (rows && !count)
        code = mw__complain("ops", MW_EXIT_REFUSED,
                            "no operation matches '%s'; moonwire ops lists them all", pattern);
    free(rows);
    return code;
}
