/* mw/error.h: what can go wrong, as one table.
 *
 * Every function of the core that can fail returns 0 or a negative `mw_err`. The same codes are the
 * `kind` of an error object in Lua, so there is one list of failures for C, Lua, the exit codes and
 * the manual. A function that can say more than the code takes an optional `mw_error *`; pass NULL
 * when the code is enough.
 *
 * The library never prints, never calls exit() and never sets errno for its callers. */
#ifndef MW_ERROR_H
#define MW_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, code, "kind in Lua", "one sentence") */
#define MW_ERRORS(X)                                                                                \
    X(INVALID, -1, "invalid", "the call is not valid; nothing was sent")                            \
    X(DENIED, -2, "denied", "the policy does not allow this call; nothing was sent")                \
    X(AUTH, -3, "auth", "the server does not accept the token (401)")                               \
    X(FORBIDDEN, -4, "forbidden", "the token may not do this (403)")                                \
    X(NOT_FOUND, -5, "not_found", "the server knows no such thing (404)")                           \
    X(CONFLICT, -6, "conflict", "the server reports a conflict (409)")                              \
    X(REJECTED, -7, "rejected", "the server refused the request (400, 422, other 4xx, a redirect)") \
    X(RATE_LIMITED, -8, "rate_limited", "the server asks to slow down (429)")                       \
    X(SERVER, -9, "server", "the server failed (5xx)")                                              \
    X(NETWORK, -10, "network", "no answer came back")                                               \
    X(TIMEOUT, -11, "timeout", "the answer took too long")                                          \
    X(TLS, -12, "tls", "no trusted connection could be made")                                       \
    X(DECODE, -13, "decode", "the answer is not what it should be")                                 \
    X(TOO_LARGE, -14, "too_large", "the answer is larger than the limit")                           \
    X(AMBIGUOUS, -15, "ambiguous",                                                                  \
      "sent, but the outcome is unknown; it is not sent again by itself")                           \
    X(CANCELLED, -16, "cancelled", "the call was cancelled")                                        \
    X(BUDGET, -17, "budget", "a budget is used up; nothing was sent")                               \
    X(MEMORY, -18, "memory", "out of memory")

typedef enum mw_err {
    MW_OK = 0,
#define MW_X(name, code, kind, text) MW_##name = code,
    MW_ERRORS(MW_X)
#undef MW_X
} mw_err;

/* The kind ("not_found") and the sentence of a code. Never NULL; an unknown code gives "unknown".
 * Both point to static storage. Any thread. */
const char *mw_err_kind(int code);
const char *mw_err_text(int code);

/* Details of a failure: plain memory, owned by the caller, no pointers inside. `message` is one
 * line in UTF-8 that says what was tried, what went wrong and what to do; it holds no token.
 * `field` names the parameter at fault, or is "". */
typedef struct mw_error {
    int code;
    char field[96];
    char message[640];
} mw_error;

/* Fills `error` (may be NULL) and returns `code`, so that `return mw_error_set(...)` reads well. The
 * text is cut at the end of a UTF-8 character when it is too long; control characters become '?'. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
int mw_error_set(mw_error *error, int code, const char *field, const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif
