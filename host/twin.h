/* twin.h: a twin of both services in this process, on a thread of its own. Functions from the main
 * thread. */
#ifndef MOONWIRE_TWIN_H
#define MOONWIRE_TWIN_H

#include <stddef.h>
#include <stdint.h>

#include "env.h"
#include "mw/error.h"

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

/* The settings as a table of lists: { data = { "demo" }, fault = { "...", "..." } }. [-0, +1, memory] */
struct lua_State;
void mw__twin_push_settings(struct lua_State *L, const mw__twin_options *options);

/* Stops the twin, waits for its thread and frees it. NULL is fine. */
void mw__twin_stop(mw__twin *twin);

#endif
