/* twin.h: a twin of both services in this process, on a thread of its own. Functions from the main
 * thread, unless they say otherwise. */
#ifndef MOONWIRE_TWIN_H
#define MOONWIRE_TWIN_H

#include <stddef.h>
#include <stdint.h>

#include "env.h"
#include "mw/error.h"

struct moonwire;
typedef struct mw__twin mw__twin;

/* What moonwire.cli.twin reads, by name ("data", "fault"); a name may repeat. */
typedef struct mw__twin_setting {
    const char *name, *value;
} mw__twin_setting;

/* All borrowed until mw__twin_stop. */
typedef struct mw__twin_options {
    const char *host;    /* numeric address */
    uint16_t port;       /* 0: any free one */
    const char *lua_dir; /* or NULL */
    const mw__twin_setting *settings;
    size_t setting_count;
} mw__twin_options;

/* Starts a twin and waits until it listens. On success `env` holds what points the profiles at it:
 * each variable is set, others' values are gone. Returns 0 or a negative mw_err with `error`. */
int mw__twin_start(const mw__twin_options *options, mw__twin **twin, mw__env *env, mw_error *error);

/* Calls the function that a Lua module is: module(settings, host, port), with the settings as a
 * table of lists: { data = { "demo" }, fault = { "...", "..." } }. On the thread of `host`. MW_OK
 * with its results, or a negative mw_err with moonwire_error(host): MW_INVALID when a setting is
 * wrong. [-0, +nresults or +0, -] */
int mw__twin_call(struct moonwire *host, const char *module, const mw__twin_options *options,
                  int nresults);

/* Stops the twin, waits for its thread and frees it. NULL is fine. */
void mw__twin_stop(mw__twin *twin);

#endif
