/* env.h: the profile variables (OOCTOPUS_URL, OOCTOPUS_TOKEN, ...), kept where Lua does not reach.
 * Main thread. */
#ifndef MOONWIRE_ENV_H
#define MOONWIRE_ENV_H

#include "mw/error.h"

/* X(NAME, secret) */
#define MW__VARIABLES(X)                                                                           \
    X(OOCTOPUS_URL, 0)                                                                             \
    X(OOCTOPUS_ACCOUNT_ID, 0)                                                                      \
    X(OOCTOPUS_TOKEN, 1)                                                                           \
    X(OOCTOPUS_BOT_TOKEN, 1)                                                                       \
    X(OOCTOPUS_PLATFORM_TOKEN, 1)                                                                  \
    X(OOCTOPUS_LIMITS, 0)                                                                          \
    X(CIRCUIT_URL, 0)                                                                              \
    X(CIRCUIT_TOKEN, 1)                                                                            \
    X(CIRCUIT_LIMITS, 0)

enum {
#define MW_X(name, secret) MW__ENV_##name,
    MW__VARIABLES(MW_X)
#undef MW_X
        MW__ENV_COUNT
};

typedef struct mw__env {
    char *values[MW__ENV_COUNT]; /* owned; NULL: not set */
} mw__env;

/* Copies the variables, and wipes and removes the secret ones from the process's environment; where
 * there are any, the process is no longer dumpable (prctl(2)). `env` is zeroed. Returns 0 or MW_MEMORY. */
int mw__env_take(mw__env *env);

/* Sets variable `index` (MW__ENV_...); copied, NULL unsets. Returns 0 or MW_MEMORY. */
int mw__env_set(mw__env *env, unsigned index, const char *value);

/* The name of variable `index`. */
const char *mw__env_name(unsigned index);

/* Wipes and frees the values. */
void mw__env_clear(mw__env *env);

#endif
