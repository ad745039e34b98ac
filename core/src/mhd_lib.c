/* mhd_lib.c: owns the one handle on libmicrohttpd. Must not know what is done with it. Any thread. */
#include "mhd_lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libmicrohttpd.so.12"

static mw__mhd table;
static bool loaded;
static char reason[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

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
    if (!find(library, "MHD_" #name, &table.name, sizeof table.name))                              \
        return;
    MW_MHD_FUNCTIONS(MW_X)
#undef MW_X
    table.keeps_lines = strncmp(table.get_version(), "0.9.", 4) == 0;
    loaded = true;
}

const mw__mhd *mw__mhd_get(mw_error *error)
{
    pthread_once(&once, load);
    if (loaded)
        return &table;
    mw_error_set(error, MW_NETWORK, "",
                 "can't start an HTTP server: %s can't be loaded (%s); install libmicrohttpd12",
                 LIBRARY, reason);
    return NULL;
}
