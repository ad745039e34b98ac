/* mhd_lib.c: owns the one handle on libmicrohttpd. Must not know what is done with it. Any thread. */
#include "mhd_lib.h"

#include <pthread.h>
#include <string.h>

#include "library.h"

#define LIBRARY "libmicrohttpd.so.12"

static mw__mhd table;
static bool loaded;
static char reason[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    static const mw__symbol symbols[] = {
#define MW_X(name) {"MHD_" #name, &table.name},
        MW_MHD_FUNCTIONS(MW_X)
#undef MW_X
    };
    loaded = mw__library_open(LIBRARY, symbols, sizeof symbols / sizeof symbols[0], reason,
                              sizeof reason);
    table.keeps_lines = loaded && strncmp(table.get_version(), "0.9.", 4) == 0;
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
