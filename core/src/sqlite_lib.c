/* sqlite_lib.c: owns the one handle on libsqlite3. Must not know what is done with it. Any thread. */
#include "sqlite_lib.h"

#include <pthread.h>
#include <stdbool.h>

#include "library.h"

#define LIBRARY "libsqlite3.so.0"

static mw__sqlite table;
static bool loaded;
static char reason[256];

static void load(void)
{
    static const mw__symbol symbols[] = {
#define MW_X(name) {"sqlite3_" #name, &table.name},
        MW_SQLITE_FUNCTIONS(MW_X)
#undef MW_X
    };
    loaded = mw__library_open(LIBRARY, symbols, sizeof symbols / sizeof symbols[0], reason,
                              sizeof reason);
}

const mw__sqlite *mw__sqlite_get(mw_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (loaded)
        return &table;
    mw_error_set(error, MW_INVALID, "",
                 "can't keep files: %s can't be loaded (%s); install libsqlite3-0", LIBRARY, reason);
    return NULL;
}
