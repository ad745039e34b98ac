/* lua_private.h: what the files of the bindings share. It knows the core's public headers and Lua,
 * and must not know curl, uv or core/src. Everything here runs on the thread that runs the Lua
 * state.
 *
 * Effects on the Lua stack are written as [-pop, +push, raises]. */
#ifndef MOONWIRE_LUA_PRIVATE_H
#define MOONWIRE_LUA_PRIVATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include <lauxlib.h>

#include "moonwire_lua.h"
#include "mw/client.h"
#include "mw/operation.h"
#include "mw/request.h"
#include "mw/value.h"
#include "wait_private.h"

typedef struct mw__call mw__call;
typedef struct mw__lent mw__lent;

/* Values that the context keeps in the registry, under addresses of its own. */
typedef enum mw__slot {
    MW__ANCHORS,    /* table: address of a live task -> the task */
    MW__META_ARRAY, /* metatables */
    MW__META_ERROR,
    MW__META_BOX,
    MW__META_TASK,
    MW__META_CLIENT,
    MW__META_SERVER,
    MW__META_DOCUMENTS,
    MW__META_ENV,
    MW__META_RESPONSE,
    MW__MODULES, /* table: "service module" -> metatable of the module's proxies */
    MW__EACH,    /* the method `each`, set by the Lua library */
    MW__OWN,     /* table: sources of the Lua library, which no error blames */
    MW__TRACE,   /* traceback of the failure that mw_lua_run reports */
    MW__BLAMED,  /* the failed task whose error was raised again last */
    MW__UNTOLD,  /* the text for a failure that has none */
    MW__ON_WAIT, /* the handler of mw.on_wait, or nil */
    MW__SLOTS
} mw__slot;

typedef enum mw__task_state { MW__RUNNING, MW__FINISHED, MW__FAILED, MW__CANCELLED } mw__task_state;

/* Whoever wants to know that a task ended. `fn` touches no Lua; the watch is off the list by then. */
typedef struct mw__watch mw__watch;
struct mw__watch {
    mw__watch *next, **link;
    mw__waiter *waiter;
    void (*fn)(mw__watch *self, const mw__task *task);
};

/* A task: a userdata that the context anchors while it lives. User values: the coroutine, the
 * traceback of a failure, the outcome: the only result, a table of several, or the error value.
 * Scripts can reach the coroutine, so nothing of an ended task stays on its stack. */
struct mw__task {
    mw__job job; /* first: the job is the task */
    mw_lua *ctx;
    mw__task *next, **link; /* in ctx->tasks, later perhaps in ctx->failures */
    mw__watch *watches;
    lua_State *co;
    mw__waiter *waiting; /* what it waits for, yielded or driving */
    int values;          /* arguments before the start, results at the end */
    unsigned char state; /* mw__task_state */
    bool started;
    bool active;    /* on the C stack right now */
    bool doomed;    /* to be closed soon: gets no turn before */
    bool cancelled; /* asked to end */
    bool pending;   /* of which the task has not heard yet */
    bool watched;   /* somebody waited for it, so its failure is not the run's */
    bool anchored_failure;
    mw__scope *scope; /* that it was spawned in, counted, until it ends; or NULL */
};

#define MW__DEADLINE_CHAINS 256

/* A wait that nobody has heard of yet. */
typedef struct mw__told {
    const mw_gate *gate; /* to tell them apart; may be gone */
    mw_wait wait;
    char trouble[MW_MAX_TROUBLE]; /* its own */
} mw__told;

enum { MW__MOST_TOLD = 16 };

/* The context: one for each Lua state, a userdata that the registry keeps; upvalue 1 of every function. */
struct mw_lua {
    lua_State *main;
    mw_loop *loop;
    bool owned;                        /* the loop is freed with the context */
    bool closed;                       /* the state is closing */
    bool relays;                       /* coroutine.resume, wrap and close have been replaced */
    bool opened;                       /* the module is whole */
    bool confined;                     /* no clients and servers of its own */
    bool keeps_state;                  /* files in the state folder of moonwire */
    unsigned task_limit;               /* 0: none */
    volatile sig_atomic_t interrupted; /* what runs has to end */
    volatile sig_atomic_t stopped;     /* for good: a mw_err, with its message */
    volatile sig_atomic_t peeking;     /* asked for the line that runs */
    const char *volatile stop_message;
    mw_lua_peek_fn peek;
    void *peek_ud;
    lua_State *volatile running; /* the thread that was resumed last and still runs, or NULL */
    mw__task *current;           /* the task it belongs to, or NULL */
    mw__scope *scope,
        *base; /* whose deadline is that of what runs; what its thread was resumed in */
    mw__deadline *deadlines[MW__DEADLINE_CHAINS]; /* open ones, by thread */
    unsigned deadline_count;
    mw__job *ready, **ready_end;
    mw__held *held;
    mw__task *tasks; /* live ones */
    unsigned task_count;
    mw__call *calls; /* whose callback is still to come */
    unsigned call_count;
    mw__task *failures; /* failed ones that nobody waited for, oldest first, anchored */
    unsigned failure_count;
    mw__job wait_job; /* tells of the waits: the latest of each gate and lane */
    mw__told told[MW__MOST_TOLD];
    unsigned told_count;
    unsigned depth;   /* of drivers that run within each other */
    unsigned closing; /* coroutine.close within each other */
    mw_arena *arena;  /* a spare one, or NULL while somebody has taken it */
    char *scratch;    /* of the JSON decoder */
    size_t scratch_size;
    unsigned char json_sizes[64]; /* of the last tables under keys that share a place */
    mw_lua_log_fn log;
    void *log_ud;
    mw__lent *lent;
    mw_lua_env_fn env;
    void *env_ud;
    mw_lua_connect_fn connect;
    void *connect_ud;
    mw_lua_variable_fn variable;
    void *variable_ud;
    mw_lua_files files;
    void *files_ud;
    struct mw__plain *plain;     /* files of the process, once they are used */
    const void *meta[MW__SLOTS]; /* lua_topointer of the metatables in the slots */
    char slot[MW__SLOTS];        /* their addresses are the keys */
};

/* ---- context (context.c) ---- */

/* The context of the running C function, upvalue 1. [-0, +0, raises when the state is closing] */
mw_lua *mw__lua_ctx(lua_State *L);
/* The context of the state, or NULL before it was opened. [-0, +0, -] */
mw_lua *mw__lua_ctx_of(lua_State *L);
/* Pushes the context as a value, for upvalue 1. [-0, +1, -] */
void mw__lua_ctx_push(lua_State *L, mw_lua *ctx);
/* Pushes, or pops and keeps, the value of a slot. */
void mw__lua_slot_push(lua_State *L, mw_lua *ctx, mw__slot slot); /* [-0, +1, -] */
void mw__lua_slot_set(lua_State *L, mw_lua *ctx, mw__slot slot);  /* [-1, +0, memory] */
/* Makes a class: a metatable with `methods` (upvalue 1: the context) that scripts can't fetch. The
 * slot keeps it, and it is left on the stack for more. [-0, +1, memory] */
void mw__lua_class_new(lua_State *L, mw_lua *ctx, mw__slot slot, const char *name,
                       const luaL_Reg *methods);
/* Puts on the list of what the context drops at the end, or takes off it. [-0, +0, -] */
void mw__lua_hold(mw_lua *ctx, mw__held *held, void (*drop)(mw__held *));
void mw__lua_unhold(mw__held *held);
/* The userdata at `index` when it is of that class, else NULL. [-0, +0, -] */
void *mw__lua_class_test(lua_State *L, mw_lua *ctx, int index, mw__slot slot);

/* ---- ends from outside (hook.c) ---- */

/* Puts the hook on a thread, or takes it away unless it is still wanted. [-0, +0, -] */
void mw__lua_hook(lua_State *L);
void mw__lua_unhook(lua_State *L, const mw_lua *ctx);
/* The interrupt, if there was one, is over; a stop lasts. [-0, +0, -] */
void mw__lua_calm(mw_lua *ctx);
/* Raises what mw_lua_stop said, or "interrupted". [-0, +0, raises] */
int mw__lua_raise_end(lua_State *L, mw_lua *ctx);
/* The innermost Lua function that is not of the library, or with `any` the innermost one if all are: `short_src` and
 * `currentline`. [-0, +0, -] */
bool mw__lua_where(lua_State *L, mw_lua *ctx, bool any, lua_Debug *ar);

/* ---- tasks (task.c) ---- */

/* Starts a task from a function and `nargs` arguments; it first runs from the driver, not here.
 * [-(nargs + 1), +1 (the task), memory] */
mw__task *mw__lua_task_spawn(lua_State *L, mw_lua *ctx, int nargs);
/* Ends its pending wait, or its next one, with an error of kind "cancelled". False when it has
 * ended. */
bool mw__lua_task_cancel(mw__task *task);
/* The job of every task: resumes it. Raises nothing. */
void mw__lua_task_run(lua_State *L, mw_lua *ctx, mw__job *job);
/* Closes the coroutine of a live task, which then ends as cancelled. Returns what lua_resetthread
 * does, with the error pushed unless that is LUA_OK. The task must not run. [-0, +0|1, -] */
int mw__lua_task_close(lua_State *L, mw_lua *ctx, mw__task *task);
/* The live task of the coroutine, or NULL. */
mw__task *mw__lua_task_of(const mw_lua *ctx, const lua_State *co);
/* Ends every live task without another turn; what they left to be closed is closed. [-0, +0, -] */
void mw__lua_task_kill_all(lua_State *L, mw_lua *ctx);
/* Pushes error value and traceback of the oldest failure that nobody waited for, and forgets all of
 * them. Returns false and pushes nothing when there is none. [-0, +2, memory] */
bool mw__lua_task_failure(lua_State *L, mw_lua *ctx);
/* Somebody looks at the outcome of an ended task: its failure is no longer the run's.
 * [-0, +0, -] */
void mw__lua_task_seen(lua_State *L, mw_lua *ctx, mw__task *task);
/* Forgets tasks at the end of the state; logs failures that nobody saw. [-0, +0, -] */
void mw__lua_task_end(lua_State *L, mw_lua *ctx);

/* ---- errors (error.c, run.c) ---- */

/* Everything that an error object may carry; zeroed fields are left out. Strings are borrowed. */
struct mw__failure {
    int code;              /* a mw_err */
    const char *operation; /* "contacts:get" */
    const char *message;
    const char *field;       /* the parameter at fault; of MW_BUDGET the name of the budget */
    const mw_answer *answer; /* status, attempts, sent, url, elapsed, retry_after */
    int body;                /* absolute index of the decoded body on the stack, or 0 */
    int fields;              /* absolute index of the field errors on the stack, or 0 */
};

/* [-0, +1, memory] and [-0, +0, raises] */
void mw__lua_error_push(lua_State *L, mw_lua *ctx, const mw__failure *failure);
int mw__lua_error_raise(lua_State *L, mw_lua *ctx, const mw__failure *failure);
/* Raises an error of that code with a formatted message (as lua_pushfstring). [-0, +0, raises] */
int mw__lua_raise(lua_State *L, mw_lua *ctx, int code, const char *operation, const char *format,
                  ...);
/* Raises what the core filled in. [-0, +0, raises] */
int mw__lua_raise_core(lua_State *L, mw_lua *ctx, const mw_error *error, const char *operation);
/* Raises "denied" in a state that is confined. `message` begins with the operation. [-0, +0, raises] */
void mw__lua_unconfined(lua_State *L, mw_lua *ctx, const char *operation, const char *message);
/* Whether the value at `index` is an error object, of `kind` unless NULL. [-0, +0, -] */
bool mw__lua_is_error(lua_State *L, mw_lua *ctx, int index, const char *kind);
/* The text of an error value as `lua` prints it: a string, a number or what __tostring gives, else
 * "(error object is a table value)". Valid while the pushed value stays. [-0, +1, raises] */
const char *mw__lua_error_text(lua_State *L, int index);

/* ---- what servers say (redact.c) ---- */

/* Replaces secrets in `length` bytes that are NUL-ended beyond. */
void mw__lua_redact(const mw_lua *ctx, char *text, size_t length);
/* The same for a text that may hold them as JSON writes them (`\/`, `\u002b`). It may shrink; the
 * new length is returned. */
size_t mw__lua_redact_json(const mw_lua *ctx, char *text, size_t length);
/* Replaces the value at the top, JSON as decoded, by one without secrets in its strings and keys.
 * [-1, +1, memory] */
void mw__lua_redact_value(lua_State *L, mw_lua *ctx);
/* Pushes the beginning of a text, at most `max` bytes of it and "..." when it is cut, as one line
 * that a terminal can show. [-0, +1, memory] */
const char *mw__lua_push_clean(lua_State *L, const char *text, size_t length, size_t max);

/* ---- conversion (convert.c, response.c, json_decode.c) ---- */

/* The Lua value at `index` as a tree in the arena, strings borrowed from Lua: nothing may allocate
 * in Lua while the tree is in use, because a finalizer of the script could change what they are
 * borrowed from. `what` names the value in errors ("contacts:update", "json.encode"); `name` is the
 * path to start with, or "". [-0, +0, raises] */
void mw__lua_to_value(lua_State *L, mw_lua *ctx, mw_arena *arena, int index, const char *what,
                      const char *name, mw_value *value);
/* Takes an empty arena, which is the caller's alone until it gives it back (NULL is fine): code that
 * runs in between takes another one. [-0, +0, raises] */
mw_arena *mw__lua_arena_take(lua_State *L, mw_lua *ctx, const char *what);
void mw__lua_arena_give(mw_lua *ctx, mw_arena *arena);
/* Marks the table at the top as an array. [-0, +0, -] */
void mw__lua_mark_array(lua_State *L, mw_lua *ctx);
/* Whether the table at `index` is a response that still has its headers packed, under one key that is no string. With
 * that one's value at the top, fills in the member that it stands for, whose strings are borrowed from Lua, and returns
 * the headers in it, in no order; NULL: no memory. [-0, +0, -] */
bool mw__lua_response_is_packed(lua_State *L, mw_lua *ctx, int index);
mw_member *mw__lua_response_packed(lua_State *L, mw_arena *arena, mw_member *member);
/* Decodes JSON text exactly. On failure pushes the reason (a string) and returns false.
 * [-0, +1, memory] */
bool mw__lua_json_decode(lua_State *L, mw_lua *ctx, const char *text, size_t length);

/* ---- options (options.c; the rows are in options_private.h) ---- */

/* What stands at `index`, for messages: "a table", "nil", "nothing". [-0, +1 or +0, memory] */
const char *mw__lua_got(lua_State *L, int index);

/* ---- log (log.c) ---- */

/* One line: control characters are escaped, secrets are redacted. [-0, +0, -] */
void mw__lua_log(mw_lua *ctx, const char *level, const char *text, size_t length);

/* ---- what each file adds to the module table at the top of the stack [-0, +0, memory] ---- */

void mw__lua_open_errors(lua_State *L, mw_lua *ctx);
void mw__lua_open_json(lua_State *L, mw_lua *ctx);
void mw__lua_open_tasks(lua_State *L, mw_lua *ctx);
void mw__lua_open_deadlines(lua_State *L, mw_lua *ctx);
void mw__lua_open_relays(lua_State *L, mw_lua *ctx); /* coroutine.resume, wrap, close, once */
void mw__lua_open_clients(lua_State *L, mw_lua *ctx);
void mw__lua_open_modules(lua_State *L, mw_lua *ctx);
void mw__lua_open_connect(lua_State *L, mw_lua *ctx);
void mw__lua_open_responses(lua_State *L, mw_lua *ctx);
void mw__lua_open_operations(lua_State *L, mw_lua *ctx);
void mw__lua_open_log(lua_State *L, mw_lua *ctx);
void mw__lua_open_options(lua_State *L, mw_lua *ctx);
void mw__lua_open_str(lua_State *L, mw_lua *ctx);
void mw__lua_open_fs(lua_State *L, mw_lua *ctx);
void mw__lua_open_env(lua_State *L, mw_lua *ctx);
void mw__lua_open_server(lua_State *L, mw_lua *ctx);
void mw__lua_open_post(lua_State *L, mw_lua *ctx);
void mw__lua_open_documents(lua_State *L, mw_lua *ctx);
void mw__lua_open_hmac(lua_State *L, mw_lua *ctx);
void mw__lua_open_waits(lua_State *L, mw_lua *ctx);

#endif
