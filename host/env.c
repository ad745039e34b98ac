/* env.c: takes the profile variables out of the environment, so that a script finds no token in
 * os.getenv or in a child process, and no other program in this one's memory. Knows nothing of Lua. Main thread, before
 * others start. */
#define _DEFAULT_SOURCE
#include "env.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static const struct {
    const char *name;
    int secret;
} variables[] = {
#define MW_X(name, secret) {#name, secret},
    MW__VARIABLES(MW_X)
#undef MW_X
};

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
}

int mw__env_set(mw__env *env, unsigned index, const char *value)
{
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy)
        return MW_MEMORY;
    wipe(env->values[index]);
    free(env->values[index]);
    env->values[index] = copy;
    return MW_OK;
}

/* Tokens are about to be kept: no core file, no debugger, and no /proc/PID/mem or environ, but for
 * root. */
static void shield(void)
{
    for (unsigned i = 0; i < MW__ENV_COUNT; i++)
        if (variables[i].secret && getenv(variables[i].name))
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int mw__env_take(mw__env *env)
{
    shield();
    for (unsigned i = 0; i < MW__ENV_COUNT; i++) {
        char *value = getenv(variables[i].name);
        if (mw__env_set(env, i, value) < 0)
            return MW_MEMORY;
        if (value && variables[i].secret) {
            wipe(value); /* unsetenv only drops the pointer: the bytes would stay for all to read */
            unsetenv(variables[i].name);
        }
    }
    return MW_OK;
}

const char *mw__env_name(unsigned index)
{
    return variables[index].name;
}

void mw__env_clear(mw__env *env)
{
    for (unsigned i = 0; i < MW__ENV_COUNT; i++)
        mw__env_set(env, i, NULL);
}
