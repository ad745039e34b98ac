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
    X(BUDGET, 9, "a budget is used up", " budget ")                                                \
    X(INTERRUPTED, 130, "interrupted with Ctrl-C", "")

typedef enum mw_exit {
#define MW_X(name, code, meaning, kinds) MW_EXIT_##name = code,
    MW_EXITS(MW_X)
#undef MW_X
} mw_exit;

/* The exit code for an error of that kind ("not_found"); MW_EXIT_SCRIPT for kinds that are not in
 * the table. */
int mw__exit_for(const char *kind);

/* The row `index` of the table, for the manual; false beyond the last. */
int mw__exit_row(unsigned index, int *code, const char **meaning);

#endif
