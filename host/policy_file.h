/* policy_file.h: a policy as a file says it, a data-only Lua table, with every name and type checked. What its patterns
 * mean is the core's business. Main thread.
 *
 *     return {
 *         allow = { "ooctopus:contacts.*", "*:read" },  -- missing: every operation; {}: none
 *         deny = { "ooctopus:contacts.delete" },
 *         accounts = { 1 }, inboxes = { 3, 4 }, read_only = false,
 *         max_calls = 100, max_writes = 10, max_bytes = "10M",
 *         memory = "64M", cpu = 30, wall = "5m", output = "10M", tasks = 10000, source = "1M",
 *         read = { "data" }, write = { "out" },         -- folders, from the folder of this file
 *         env = { "LANG" },
 *     } */
#ifndef MOONWIRE_POLICY_FILE_H
#define MOONWIRE_POLICY_FILE_H

#include <stdbool.h>

#include "mw/value.h"
#include "worker.h"

/* X(NAME, "key") */
#define MW__POLICY_LISTS(X)                                                                        \
    X(ALLOW, "allow")                                                                              \
    X(DENY, "deny")                                                                                \
    X(ACCOUNTS, "accounts")                                                                        \
    X(INBOXES, "inboxes")                                                                          \
    X(READ, "read")                                                                                \
    X(WRITE, "write")                                                                              \
    X(ENV, "env")

/* X(NAME, "key", "option", member of mw__budgets, how it is written, default) */
#define MW__BUDGET_ROWS(X)                                                                         \
    X(MEMORY, "memory", "--memory", memory, MW__UNIT_SIZE, 64u << 20)                              \
    X(CPU, "cpu", "--cpu", cpu_ms, MW__UNIT_TIME, 30000)                                           \
    X(WALL, "wall", "--wall", wall_ms, MW__UNIT_TIME, 0)                                           \
    X(OUTPUT, "output", "--output", output, MW__UNIT_SIZE, 10u << 20)                              \
    X(TASKS, "tasks", "--max-tasks", tasks, MW__UNIT_COUNT, 10000)                                 \
    X(SOURCE, "source", "--max-source", source, MW__UNIT_SIZE, 1u << 20)                           \
    X(CALLS, "max_calls", "--max-calls", calls, MW__UNIT_COUNT, UINT64_MAX)                        \
    X(WRITES, "max_writes", "--max-writes", writes, MW__UNIT_COUNT, UINT64_MAX)                    \
    X(BYTES, "max_bytes", "--max-bytes", bytes, MW__UNIT_SIZE, UINT64_MAX)

typedef enum mw__unit { MW__UNIT_SIZE, MW__UNIT_TIME, MW__UNIT_COUNT } mw__unit;

enum {
#define MW_X(name, key) MW__LIST_##name,
    MW__POLICY_LISTS(MW_X)
#undef MW_X
        MW__LIST_COUNT
};

enum {
#define MW_X(name, key, option, member, unit, preset) MW__BUDGET_##name,
    MW__BUDGET_ROWS(MW_X)
#undef MW_X
        MW__BUDGET_COUNT
};

typedef struct mw__budget_row {
    const char *key, *option;
    mw__unit unit;
    uint64_t preset; /* of wall 0, that is none; of calls, writes and bytes UINT64_MAX */
} mw__budget_row;

const mw__budget_row *mw__budget_row_at(unsigned index);
/* Where the budget stands. */
uint64_t *mw__budget_in(mw__budgets *budgets, unsigned index);
/* A budget as text, for options and files. Returns NULL, or what is wrong with it ("a size such as 64M"). 0 is
 * taken where it means something. */
const char *mw__budget_parse(unsigned index, const char *text, uint64_t *value);

typedef struct mw__policy_file {
    mw_arena *arena;
    const char *path; /* the arena's, as all texts */
    const char *const *
        lists[MW__LIST_COUNT]; /* NULL-ended; NULL: not given. Folders from the working directory */
    bool read_only;
    bool has[MW__BUDGET_COUNT];
    uint64_t budgets[MW__BUDGET_COUNT];
} mw__policy_file;

/* Reads and checks a file. MW_INVALID with `error` ("FILE:3: ...", "FILE: unknown entry 'alow' (did you mean
 * 'allow'?)"), MW_MEMORY; with `missing` (may be NULL) a file that is not there is told there. Free in any case. */
int mw__policy_file_read(const char *path, mw__policy_file *file, bool *missing, mw_error *error);
void mw__policy_file_free(mw__policy_file *file);

/* What a file that nobody named may not ask for: folders, variables, raw requests, budgets above the usual ones. True
 * with the first such entry in `text`: "read = 'data'". */
bool mw__policy_file_widens(const mw__policy_file *file, char *text, size_t size);

#endif
