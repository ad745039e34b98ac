/* exit_codes.c: looks up the table of exit codes. Knows nothing of Lua or of commands. Any thread.
 */
#include "exit_codes.h"

#include <stdio.h>
#include <string.h>

typedef struct row {
    int code;
    const char *meaning;
    const char *kinds; /* each between spaces */
} row;

static const row rows[] = {
#define MW_X(name, code, meaning, kinds) {code, meaning, kinds},
    MW_EXITS(MW_X)
#undef MW_X
};

#define ROWS (sizeof rows / sizeof rows[0])

int mw__exit_for(const char *kind)
{
    char word[40];
    int length = snprintf(word, sizeof word, " %s ", kind);
    if (length < 3 || (size_t)length >= sizeof word)
        return MW_EXIT_SCRIPT;
    for (size_t i = 0; i < ROWS; i++)
        if (strstr(rows[i].kinds, word))
            return rows[i].code;
    return MW_EXIT_SCRIPT;
}

int mw__exit_for_budget(const char *budget)
{
    static const struct {
        const char *name;
        int code;
    } budgets[] = {
        {"calls", MW_EXIT_BUDGET},  {"memory", MW_EXIT_MEMORY}, {"cpu", MW_EXIT_CPU},
        {"wall", MW_EXIT_WALL},     {"writes", MW_EXIT_WRITES}, {"bytes sent", MW_EXIT_BYTES},
        {"output", MW_EXIT_OUTPUT}, {"tasks", MW_EXIT_TASKS},   {"source", MW_EXIT_SOURCE},
    };
    for (size_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++)
        if (strcmp(budgets[i].name, budget) == 0)
            return budgets[i].code;
    return MW_EXIT_OK;
}

int mw__exit_row(unsigned index, int *code, const char **meaning)
{
    if (index >= ROWS)
        return 0;
    *code = rows[index].code;
    *meaning = rows[index].meaning;
    return 1;
}
