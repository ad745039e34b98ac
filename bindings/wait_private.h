/* wait_private.h: how Lua code waits: jobs, waiters and their boxes (wait.c), and the deadlines that waits are under
 * (scope.c). Must not know what is waited for. Runs on the thread of the Lua state.
 *
 * How waiting works. A callback of the core (an answer, a timer, a request to a server) comes from
 * mw_loop_run and touches no Lua: it copies what it needs into C memory and marks a *waiter* as
 * done (mw__lua_wake) or posts a *job* (mw__lua_post). The *driver* (mw__lua_drive) is whoever has
 * nothing else to do: it runs jobs and resumes tasks, outside of mw_loop_run, until the waiter that
 * it waits for is done. A waiter lives at the start of a *box*, a userdata that is marked to be
 * closed, so that whoever stops the coroutine gives the wait up as well. */
#ifndef MOONWIRE_WAIT_PRIVATE_H
#define MOONWIRE_WAIT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "moonwire_lua.h"

typedef struct mw__task mw__task;
typedef struct mw__waiter mw__waiter;
typedef struct mw__job mw__job;
typedef struct mw__scope mw__scope;
typedef struct mw__failure mw__failure;
typedef struct mw__deadline mw__deadline;

/* Something to run from the driver. `run` may raise (the error is logged) and may be called with
 * any L of the state; the job is off the queue by then and may be freed or posted again by
 * `run`. */
struct mw__job {
    mw__job *next;
    void (*run)(lua_State *L, mw_lua *ctx, mw__job *self);
    bool queued;
};

/* On the C stack of a driver, because the box of what it waits for may be closed and collected meanwhile. */
typedef struct mw__driver {
    mw__task *task; /* that drives, or NULL */
    bool over;      /* what it waits for is done, or gone */
    bool gone;
} mw__driver;

/* Something that C holds until its finalizer lets go of it. What a finalizer makes while the state
 * closes gets none any more: the context drops it. */
typedef struct mw__held mw__held;
struct mw__held {
    mw__held *next, **link;
    void (*drop)(mw__held *self); /* ends with mw__lua_unhold */
};

/* One wait for one thing. */
struct mw__waiter {
    mw__held held; /* first: from the start to the release of its box */
    mw_lua *ctx;
    mw__task *task; /* whom to resume when done; NULL while someone drives the loop for it */
    void (*release)(
        mw__waiter *self); /* gives up what the box holds; called once, from __close or __gc */
    void (*stop)(mw__waiter *self); /* makes it end soon, from outside; NULL: it can end at once */
    mw__driver *driver;             /* which drives the loop for it, or NULL */
    mw__waiter *scope_next, **scope_link; /* in the scope whose deadline it is under */
    double limit_s;                       /* of the deadline, when it is late */
    bool done;
    bool cancelled; /* it ended because its task was cancelled */
    bool late;      /* it ended because a deadline has passed */
    bool passive;   /* the loop alone completes it: no task has to run for that */
};

/* ---- boxes and waiting (wait.c) ---- */

/* Pushes a zeroed userdata of `size` bytes that begins with a mw__waiter, with `user_values` user
 * values, closed by __close and __gc. The caller marks it by lua_toclose and acquires into it
 * afterwards. [-0, +1, memory] */
void *mw__lua_box_new(lua_State *L, mw_lua *ctx, size_t size, int user_values,
                      void (*release)(mw__waiter *));
/* Gives the box up now, once. [-0, +0, -] */
void mw__lua_box_release(mw__waiter *waiter);
/* The wait is over: resumes its task soon or ends its driver's wait. For callbacks of the loop:
 * touches no Lua. */
void mw__lua_wake(mw__waiter *waiter);
/* Ends the wait from outside: at once, or when what was asked to end has done so. For callbacks of the loop. */
void mw__lua_stop_waiting(mw__waiter *waiter);
/* Queues a job for the driver. Twice is fine. For callbacks of the loop. */
void mw__lua_post(mw_lua *ctx, mw__job *job);
/* Takes a job off the queue, when it is there. */
void mw__lua_unpost(mw_lua *ctx, mw__job *job);
/* Waits until `waiter` is done and goes on in `k` with `kctx`: yields when the running coroutine
 * was resumed by a task (directly or through coroutine.resume or wrap), else drives the loop here.
 * Call it as `return mw__lua_wait(...)`; `k` starts with mw__lua_waited.
 * [-0, whatever k returns, raises] */
int mw__lua_wait(lua_State *L, mw_lua *ctx, mw__waiter *waiter, lua_KFunction k, lua_KContext kctx);
/* At the start of a continuation: raises when the wait was cancelled, when a deadline has passed or when the coroutine
 * was resumed by someone else. `operation` may be NULL. [-0, +0, raises] */
void mw__lua_waited(lua_State *L, mw_lua *ctx, const mw__waiter *waiter, const char *operation);
/* Runs tasks and the loop here until `waiter` is done; NULL: until no task lives.
 * [-0, +0, raises] */
void mw__lua_drive(lua_State *L, mw_lua *ctx, mw__waiter *waiter);
/* Runs the jobs and tasks that are ready now, and leaves the loop alone. [-0, +0, -] */
void mw__lua_turn(lua_State *L, mw_lua *ctx);
/* Whether `L` may yield the sentinel (the context's address as light userdata): it was resumed by a
 * task, directly or through the relays, and no C call stands between. [-0, +0, -] */
bool mw__lua_may_yield(lua_State *L, mw_lua *ctx);
/* lua_resume with the context's book-keeping of what runs. */
int mw__lua_resume(lua_State *L, mw_lua *ctx, lua_State *co, int nargs, int *nresults);
/* lua_resetthread with the same book-keeping. */
int mw__lua_reset(lua_State *L, mw_lua *ctx, lua_State *co);
/* Whether `co` runs, or has resumed what runs. [-0, +0, -] */
bool mw__lua_is_running(lua_State *co);
/* Whether `co` has yielded the sentinel, which is then still its only value. [-0, +0, -] */
bool mw__lua_is_waiting(lua_State *co, const mw_lua *ctx);
/* Makes the class of boxes. [-0, +0, memory] */
void mw__lua_open_boxes(lua_State *L, mw_lua *ctx);

/* ---- deadlines (scope.c) ---- */

/* What runs is in a scope, or in none (NULL). */
typedef struct mw__inside {
    mw__scope *scope, *base;
} mw__inside;

/* From here `thread` runs, resumed in `base`; NULL: something that is under no deadline of its own. What is returned is
 * for mw__lua_scope_leave. [-0, +0, -] */
mw__inside mw__lua_scope_enter(mw_lua *ctx, const lua_State *thread, mw__scope *base);
void mw__lua_scope_leave(mw_lua *ctx, mw__inside before);
/* The scope of what runs, for somebody who stays in it, or NULL; to be dropped (NULL is fine). */
mw__scope *mw__lua_scope_keep(mw_lua *ctx);
void mw__lua_scope_drop(mw__scope *scope);
/* Whether it, or one around it, has ended a wait. */
bool mw__lua_scope_passed(const mw__scope *scope);
/* A wait begins in the scope of what runs; when its time is up it is made to end. It leaves the scope with its box. */
void mw__lua_scope_wait(mw_lua *ctx, mw__waiter *waiter);
void mw__lua_scope_unwait(mw__waiter *waiter);
/* Before something is begun that is waited for: raises when that wait would be ended at once. [-0, +0, raises] */
void mw__lua_begin(lua_State *L, mw_lua *ctx, const char *operation);
/* Raises `failure` with the message that a deadline of so many seconds has passed. [-0, +0, raises] */
int mw__lua_raise_late(lua_State *L, mw_lua *ctx, double seconds, const mw__failure *failure);

#endif
