/* host.h: the host as its own files see it. Not for embedders: they have moonwire.h. One thread per
 * host. */
#ifndef MOONWIRE_HOST_H
#define MOONWIRE_HOST_H

#include <signal.h>
#include <stdbool.h>

#include <lua.h>

#include "moonwire.h"
#include "moonwire_lua.h"

typedef struct mw__loan mw__loan;

struct moonwire {
    mw_loop *loop;
    lua_State *L;
    mw_lua *lua; /* owned by L */
    mw__loan *loans;
    char *lua_dir;   /* NULL: the embedded library */
    char *base_path; /* package.path as the state was opened with */
    char *error;     /* NULL: none */
    char kind[24];
    bool leaves_tasks; /* mw__host_call returns though tasks live; mw__host_turn lets them go on */
    volatile sig_atomic_t running; /* moonwire_interrupt has something to interrupt */
};

/* state.c: the Lua state of a host. */

/* os.execute as in stock Lua, but Ctrl-C reaches the script too. [-n, +1 or +3, raises] (execute.c) */
int mw__l_execute(lua_State *L);

/* Opens the standard libraries, the bindings and the searcher for moonwire.* in host->L. Runs in
 * protected mode.
 * [-1 (the host, light userdata), +0, raises] */
int mw__state_open(lua_State *L);

/* Puts the script's folder first in package.path, before what the state was opened with. `script`
 * NULL: the path as the state was opened with. [-0, +0, raises] */
void mw__state_set_path(lua_State *L, const moonwire *host, const char *script);

/* Sets the global `arg`: argv[script] is arg[0], what is before it negative, after it positive.
 * [-0, +0, raises] */
void mw__state_set_arg(lua_State *L, char *const *argv, int argc, int script);

/* host.c */

/* Like moonwire_run_file, with the whole command line for `arg`; argv[script] is the path, "-" for
 * standard input. */
int mw__host_run_script(moonwire *host, char *const *argv, int argc, int script);

/* Calls the function below its `nargs` arguments, runs its tasks, and keeps the failure for
 * moonwire_error. Returns 0 or a negative mw_err. [-(nargs + 1), +nresults or +0, -] */
int mw__host_call(moonwire *host, int nargs, int nresults);

/* Lets tasks go on that are ready (mw_lua_ready). Returns as mw__host_call: a failure is that of a
 * task. [-0, +0, -] */
int mw__host_turn(moonwire *host);

/* Closes the state, and with it what it has in flight; all that is left to do then is moonwire_free. */
void mw__host_close_state(moonwire *host);

/* Requires the Lua module `name`. Returns as mw__host_call. [-0, +1 or +0, -] */
int mw__host_require(moonwire *host, const char *name);

#endif
