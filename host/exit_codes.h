/* exit_codes.h: the exit codes of the command line, as one table: enum, manual and mapping come
 * from it. Constant data, any thread. */
#ifndef MOONWIRE_EXIT_CODES_H
#define MOONWIRE_EXIT_CODES_H

/* X(NAME, code, "meaning", "kinds of error that end with it") */
#define MW_EXITS(X)                                                                                \
    X(OK, 0, "done", "")                                                                           \
    X(SCRIPT, 1, "the script failed", " invalid cancelled memory script ")                         \
    X(USAGE, 2, "the command line is wrong, or a file is missing", "")                             \
    X(AUTH, 3, "the server did not accept the token, or it may not do this", " auth forbidden ")   \
    X(REFUSED, 4, "the server found no such thing, or refused the request",                        \
      " not_found conflict rejected ")                                                             \
    X(RATE_LIMITED, 5, "the server asked to slow down", " rate_limited ")                          \
    X(NETWORK, 6, "no usable answer: network, time-out, TLS, a failing server",                    \
      " network timeout tls server decode too_large ")                                             \
    X(AMBIGUOUS, 7, "something was sent and its outcome is unknown", " ambiguous ")                \
    X(DENIED, 8, "the policy does not allow a call", " denied ")                                   \
    X(BUDGET, 9, "the budget of calls is used up", " budget calls ")                               \
    X(CRASH, 10, "the worker crashed", " crash ")                                                  \
    X(PROTOCOL, 11, "the worker broke the protocol", " protocol ")                                 \
    X(SANDBOX, 12, "a layer of the sandbox is missing", " sandbox ")                               \
    X(MEMORY, 20, "the budget of memory is used up", "")                                           \
    X(CPU, 21, "the budget of CPU time is used up", "")                                            \
    X(WALL, 22, "the budget of wall time is used up", "")                                          \
    X(WRITES, 23, "the budget of writes is used up", "")                                           \
    X(BYTES, 24, "the budget of bytes sent is used up", "")                                        \
    X(OUTPUT, 25, "the budget of output is used up", "")                                           \
    X(TASKS, 26, "the budget of tasks is used up", "")                                             \
    X(SOURCE, 27, "the script or a module is larger than the budget of source", "")                \
    X(INTERRUPTED, 130, "interrupted with Ctrl-C", "")

typedef enum mw_exit {
#define MW_X(name, code, meaning, kinds) MW_EXIT_##name = code,
    MW_EXITS(MW_X)
#undef MW_X
} mw_exit;

/* The exit code for an error of that kind ("not_found"); MW_EXIT_SCRIPT for kinds that are not in
 * the table. */
int mw__exit_for(const char *kind);

/* The exit code for a budget that is used up ("cpu", "bytes sent"); 0 when there is no such budget. */
int mw__exit_for_budget(const char *budget);

/* The row `index` of the table, for the manual; false beyond the last. */
int mw__exit_row(unsigned index, int *code, const char **meaning);

#endif
