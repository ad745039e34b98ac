/* moonwire_lua.h: the bindings as the host sees them: the C module "moonwire.core" in a Lua state.
 *
 * Everything runs on the thread that runs the Lua state. Context travels as an upvalue; there are
 * no globals. */
#ifndef MOONWIRE_LUA_H
#define MOONWIRE_LUA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "mw/gate.h"
#include "mw/limits.h"
#include "mw/loop.h"

typedef struct mw_lua mw_lua;

/* The module as plain `require "moonwire.core"` finds it in core.so: it makes a loop of its own and
 * frees it with the state. [-0, +1, raises] */
int luaopen_moonwire_core(lua_State *L);

/* Puts "moonwire.core" into package.preload of `L`, on a loop that belongs to the caller and
 * outlives the state. The package library must be open. Returns the context, owned by the state.
 * [-0, +0, raises] */
mw_lua *mw_lua_preload(lua_State *L, mw_loop *loop);

/* Lends a gate: `mw.connect(name)` gives a client on it. The gate is borrowed and must outlive the
 * state. MW_INVALID (name is empty or taken) or MW_MEMORY. [-0, +0, -] */
int mw_lua_lend(mw_lua *lua, const char *name, mw_gate *gate);

/* Where mw.connect reads a profile's variables ("OOCTOPUS_TOKEN") from: `fn` returns the value,
 * borrowed until the next call, or NULL when there is none. Asked at mw.connect, never before.
 * Without it a state of mw_lua_preload has no such profiles, and plain core.so reads the
 * environment. A host that keeps the tokens to itself captures the variables, removes them from the
 * environment, and answers here. */
typedef const char *(*mw_lua_env_fn)(const char *name, void *ud);
void mw_lua_on_env(mw_lua *lua, mw_lua_env_fn fn, void *ud);

/* Lets scripts of this state keep files in moonwire's state folder: `limits = { shared = true }` is the file limits.db
 * there. Plain core.so does that by itself; other states want the name of a file. */
void mw_lua_keep_state(mw_lua *lua);

#define MW_STATE_PATH 4096

/* The path of a file in the state folder: $MOONWIRE_STATE, else $XDG_STATE_HOME/moonwire, else ~/.local/state/moonwire.
 * False: there is no such place. The folder need not be there. */
bool mw_lua_state_file(const char *name, char path[MW_STATE_PATH]);
/* Makes the folders of a path that are missing, for this user alone. False: `errno` says why. */
bool mw_lua_state_folders(const char *path);

/* Reads the limits of a profile from the value of `variable`, as mw_limits_parse; `text` NULL: as they are built in.
 * `text` is changed and borrowed. `shared`, of MW_STATE_PATH bytes, gets the path of the default file and is borrowed;
 * NULL: there is none. MW_INVALID with `error` naming the variable. */
int mw_lua_limits(const char *variable, char *text, char *shared, mw_limits *limits,
                  mw_error *error);

/* Where log lines go: one call a line, without a newline, secrets redacted, level "debug", "info",
 * "warn" or "error". Without it: standard error. */
typedef void (*mw_lua_log_fn)(const char *level, const char *line, void *ud);
void mw_lua_on_log(mw_lua *lua, mw_lua_log_fn fn, void *ud);

/* Calls the function below its `nargs` arguments as lua_pcall does, with a traceback: on failure
 * leaves the error value and above it the traceback text (a string; the message, then the stack).
 * Afterwards runs the loop until every task has ended; a task that failed and that nobody waited
 * for is the run's failure. Returns LUA_OK or the status of the failure.
 * [-(nargs + 1), +nresults or +2, -] */
int mw_lua_run(lua_State *L, mw_lua *lua, int nargs, int nresults);

/* For a prompt: like mw_lua_run, but leaves the tasks that live where they are, also after a failure.
 * They go on in waits of later calls and in mw_lua_turn. [-(nargs + 1), +nresults or +2, -] */
int mw_lua_call(lua_State *L, mw_lua *lua, int nargs, int nresults);

/* Whether tasks could go on right now. What makes them so comes from mw_loop_run. */
bool mw_lua_ready(const mw_lua *lua);

/* Lets tasks go on that are ready, each until it waits again. Returns LUA_OK, or a failure like
 * mw_lua_run: of a task that has ended now and that nobody waits for. [-0, +0 or +2, -] */
int mw_lua_turn(lua_State *L, mw_lua *lua);

/* Makes the running code fail with an error of kind "cancelled" and the message "interrupted", at
 * the next instruction or wait, until mw_lua_run, _call or _turn returns. Async-signal-safe. */
void mw_lua_interrupt(mw_lua *lua);

/* The same with another error, until the state is closed: of kind `code` and with `message`, which is static. `message`
 * names what was used up ("the CPU time of 30 s is used up"). No pcall outlives it: it is raised again at each
 * instruction. The first stop counts. Async-signal-safe.
 *
 * Neither this nor mw_lua_interrupt and mw_lua_peek see coroutines before "moonwire.core" has been opened, since the
 * coroutine library is Lua's own until then. A message handler that runs for such an error, and a coroutine that such
 * an error has ended, have no hooks: their __close can run on for ever. C code that loops is not reached at all. */
void mw_lua_stop(mw_lua *lua, int code, const char *message);

/* Asks for the line that runs: at the next instruction `fn` gets "file:line", borrowed, and must touch no Lua. What
 * runs C code for ever, or waits, is not seen. mw_lua_peek is async-signal-safe. */
typedef void (*mw_lua_peek_fn)(const char *where, void *ud);
void mw_lua_on_peek(mw_lua *lua, mw_lua_peek_fn fn, void *ud);
void mw_lua_peek(mw_lua *lua);

/* The thread of the state that runs now, or the main one. For whoever is called from within, such as an allocator. */
lua_State *mw_lua_running(const mw_lua *lua);

/* The line that runs, "file:line", or of the library's where no other is near; false when nothing is known. It neither
 * allocates nor runs anything, so that an allocator may ask. A signal handler may ask as well, in a process that is
 * about to be killed because mw_lua_stop could not end a C function: it reads the VM's list of calls as it stands, and
 * should the VM change it at this moment, the process may crash. */
bool mw_lua_line(const mw_lua *lua, char *where, size_t size);

/* Where mw.connect gets a gate from, for a name that is not lent: MW_OK with the gate, which outlives the state, and a
 * label for tostring; or a negative mw_err with `error`. Replaces the profiles of mw_lua_on_env. The same name is
 * asked for each time it is connected. */
typedef int (*mw_lua_connect_fn)(const char *name, mw_gate **gate, char *label, size_t size,
                                 mw_error *error, void *ud);
void mw_lua_on_connect(mw_lua *lua, mw_lua_connect_fn fn, void *ud);

/* The script of this state reaches the outside through mw.connect alone: clients and servers of its own are refused as
 * "denied". For good. */
void mw_lua_confine(mw_lua *lua);

/* At most so many tasks live at once; one more is an error of kind "budget" with `budget` "tasks". 0: no limit. */
void mw_lua_limit_tasks(mw_lua *lua, unsigned most);

/* What mw.fs reads and writes through, as host/files.h has it. All functions return MW_OK or a negative mw_err with
 * `error`. Without it mw.fs uses the files of the process, without any limit; in a confined state there are none. */
typedef struct mw_lua_files {
    int (*open)(const char *path, char mode, uint32_t *handle, mw_error *error, void *ud);
    int (*read)(uint32_t handle, char *data, size_t *length, mw_error *error, void *ud);
    int (*write)(uint32_t handle, const char *data, size_t length, mw_error *error, void *ud);
    int (*close)(uint32_t handle, bool keep, mw_error *error, void *ud);
    int (*exists)(const char *path, bool *exists, mw_error *error, void *ud);
} mw_lua_files;
void mw_lua_on_files(mw_lua *lua, const mw_lua_files *files, void *ud); /* copied */

/* What mw.env reads: MW_OK with the value, borrowed until the next call, or NULL for a variable that is not set;
 * MW_DENIED with `error`. Without it mw.env has nothing: every name is denied. */
typedef int (*mw_lua_variable_fn)(const char *name, const char **value, mw_error *error, void *ud);
void mw_lua_on_variable(mw_lua *lua, mw_lua_variable_fn fn, void *ud);

/* Calls in flight plus tasks that live; 0 when all is quiet. */
unsigned mw_lua_live(const mw_lua *lua);

#endif
