/* curl_lib.c: owns the table of libcurl's functions. The library stays loaded for the life of the
 * process. */
#include "curl_lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

const mw__curl_table *mw__curl;

static mw__curl_table table;
static const char *problem;

/* libcurl reads SSLKEYLOGFILE once, in curl_global_init, and would write every session's keys there. */
static CURLcode init_without_keylog(void)
{
    const char *found = getenv("SSLKEYLOGFILE");
    char *keylog = found ? strdup(found) : NULL;
    if (found && !keylog)
        return CURLE_OUT_OF_MEMORY;
    if (keylog)
        unsetenv("SSLKEYLOGFILE");
    CURLcode code = table.global_init(CURL_GLOBAL_ALL);
    if (keylog)
        setenv("SSLKEYLOGFILE", keylog, 1);
    free(keylog);
    return code;
}

static void load(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        problem = "libcurl.so.4 is not there (Debian: apt-get install libcurl4)";
        return;
    }
#define X(name)                                                                                    \
    *(void **)(void *)&table.name = dlsym(library, "curl_" #name);                                 \
    if (!table.name) {                                                                             \
        problem = "libcurl has no curl_" #name;                                                    \
        return;                                                                                    \
    }
    MW_CURL_FUNCTIONS(X)
#undef X
    if (init_without_keylog() != CURLE_OK)
        problem = "libcurl could not be initialised";
    else
        mw__curl = &table;
}

int mw__curl_load(mw_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (mw__curl)
        return MW_OK;
    return mw_error_set(error, MW_NETWORK, NULL, "can't make a client: %s", problem);
}
