/* libedit.c: loads libedit. Owns the table of its functions; knows nothing of what is edited. Main
 * thread. */
#include "libedit.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static mw__libedit functions;

static bool find(void *library, const char *name, void *target)
{
    void *symbol = dlsym(library, name);
    memcpy(target, &symbol,
           sizeof symbol); /* ISO C has no conversion from an object to a function pointer */
    return symbol != NULL;
}

const mw__libedit *mw__libedit_load(void)
{
    static bool loaded;
    if (loaded)
        return &functions;
    void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return NULL;
    bool complete = true;
#define MW_X(name) complete = find(library, #name, &functions.name) && complete;
    MW__LIBEDIT(MW_X)
#undef MW_X
    if (!complete) {
        dlclose(library);
        return NULL;
    }
    loaded = true;
    return &functions;
}
