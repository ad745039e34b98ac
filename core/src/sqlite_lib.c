/* sqlite_lib.c: owns the one handle on libsqlite3. Must not know what is done with it. Any thread. */
#include "sqlite_lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libsqlite3.so.0"

static mw__sqlite table;
static bool loaded;
static char reason[256];

/* A function pointer out of dlsym's object pointer, without the cast that ISO C does not define. */
static bool find(void *library, const char *name, void *slot, size_t size)
{
    void *symbol = dlsym(library, name);
    if (!symbol) {
        snprintf(reason, sizeof reason, "it has no %s", name);
        return false;
    }
    memcpy(slot, &symbol, size);
    return true;
}

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        snprintf(reason, sizeof reason, "%s", text ? text : "unknown reason");
        return;
    }
#define MW_X(name)                                                                                 \
    if (!find(library, "sqlite3_" #name, &table.name, sizeof table.name))                          \
        return;
    MW_SQLITE_FUNCTIONS(MW_X)
#undef MW_X
    loaded = true;
}

const mw__sqlite *mw__sqlite_get(mw_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (loaded)
        return &table;
    mw_error_set(error, MW_INVALID, "",
                 "can't keep documents: %s can't be loaded (%s); install libsqlite3-0", LIBRARY,
                 reason);
    return NULL;
}
