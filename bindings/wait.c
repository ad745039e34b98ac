/* wait.c: owns boxes, the ready queue and the driver: how Lua code waits for something that the
 * loop brings. Must not know what is waited for. Runs on the thread of the Lua state; mw__lua_wake
 * and mw__lua_post also run within mw_loop_run and touch no Lua. */
#include <poll.h>
#include <string.h>

#include "lua_private.h"

#define SLICE_MS 100 /* of a wait in plain Lua, for a signal that comes just before it */
#define DEEP 24      /* drivers within each other; beyond, a driver that needs no task runs none */

static int l_box_release(lua_State *L)
{
    mw__lua_box_release(lua_touserdata(L, 1));
    return 0;
}

void mw__lua_open_boxes(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {
        {"__gc", l_box_release}, {"__close", l_box_release}, {NULL, NULL}};
    mw__lua_class_new(L, ctx, MW__META_BOX, "moonwire.wait", methods);
    lua_pop(L, 1);
}

static void drop_box(mw__held *held)
{
    mw__lua_box_release((mw__waiter *)held);
}

void *mw__lua_box_new(lua_State *L, mw_lua *ctx, size_t size, int user_values,
                      void (*release)(mw__waiter *))
{
    mw__waiter *waiter = lua_newuserdatauv(L, size, user_values);
    memset(waiter, 0, size);
    waiter->ctx = ctx;
    waiter->release = release;
    mw__lua_hold(ctx, &waiter->held, drop_box);
    mw__lua_slot_push(L, ctx, MW__META_BOX);
    lua_setmetatable(L, -2);
    return waiter;
}

void mw__lua_box_release(mw__waiter *waiter)
{
    void (*release)(mw__waiter *) = waiter->release;
    waiter->release = NULL;
    mw__lua_unhold(&waiter->held);
    mw__lua_scope_unwait(waiter);
    mw__task *task = waiter->task;
    waiter->task = NULL;
    mw__driver *driver = waiter->driver;
    waiter->driver = NULL;
    if (driver) {
        driver->over = driver->gone = true;
        if (driver->task && driver->task->waiting == waiter)
            driver->task->waiting = NULL;
    }
    if (task && task->waiting == waiter) {
        /* The coroutine was closed from elsewhere: its task has to see that. */
        task->waiting = NULL;
        mw__lua_post(task->ctx, &task->job);
    }
    if (release)
        release(waiter);
}

void mw__lua_post(mw_lua *ctx, mw__job *job)
{
    if (job->queued || ctx->closed)
        return;
    job->queued = true;
    job->next = NULL;
    *ctx->ready_end = job;
    ctx->ready_end = &job->next;
}

void mw__lua_unpost(mw_lua *ctx, mw__job *job)
{
    if (!job->queued)
        return;
    job->queued = false;
    for (mw__job **link = &ctx->ready; *link; link = &(*link)->next) {
        if (*link != job)
            continue;
        *link = job->next;
        if (!job->next)
            ctx->ready_end = link;
        return;
    }
}

void mw__lua_wake(mw__waiter *waiter)
{
    waiter->done = true;
    if (waiter->driver)
        waiter->driver->over = true;
    if (waiter->task)
        mw__lua_post(waiter->ctx, &waiter->task->job);
}

void mw__lua_stop_waiting(mw__waiter *waiter)
{
    if (waiter->stop && !waiter->done)
        waiter->stop(waiter);
    else
        mw__lua_wake(waiter);
}

/* The job's function under a protected call. [-1, +0, raises] */
static int l_run_job(lua_State *L)
{
    mw__job *job = lua_touserdata(L, 1);
    mw_lua *ctx = mw__lua_ctx_of(L);
    lua_settop(L, 0);
    job->run(L, ctx, job);
    return 0;
}

/* It is under no deadline of who drives the loop. [-0, +0, -] */
static void run_job(lua_State *L, mw_lua *ctx, mw__job *job)
{
    if (job->run == mw__lua_task_run) {
        mw__lua_task_run(L, ctx, job);
        return;
    }
    mw__inside before = mw__lua_scope_enter(ctx, NULL, NULL);
    lua_pushcfunction(L, l_run_job);
    lua_pushlightuserdata(L, job);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        size_t length = 0;
        const char *text = lua_tolstring(L, -1, &length);
        mw__lua_log(ctx, "error", text ? text : "a job of the loop failed", text ? length : 24);
        lua_pop(L, 1);
    }
    mw__lua_scope_leave(ctx, before);
}

/* Whether the driver may stop. A job may be about to start a task: a request that a server has just
 * got. */
static bool is_over(const mw_lua *ctx, const mw__driver *driver)
{
    return driver ? driver->over : ctx->task_count == 0 && !ctx->ready;
}

/* Runs what is ready now, not what becomes ready by it, so that the loop gets its turn.
 * [-0, +0, -] */
static void run_ready(lua_State *L, mw_lua *ctx, const mw__driver *driver)
{
    unsigned count = 0;
    for (const mw__job *job = ctx->ready; job; job = job->next)
        count++;
    while (count-- > 0 && ctx->ready && !ctx->interrupted) {
        mw__job *job = ctx->ready;
        ctx->ready = job->next;
        if (!ctx->ready)
            ctx->ready_end = &ctx->ready;
        job->queued = false;
        run_job(L, ctx, job);
        if (is_over(ctx, driver))
            return;
    }
}

void mw__lua_turn(lua_State *L, mw_lua *ctx)
{
    ctx->depth++;
    run_ready(L, ctx, NULL);
    ctx->depth--;
}

/* One turn of the loop. With a loop of our own we are in plain `lua`, whose handler of Ctrl-C sets a
 * hook and knows nothing of the loop: there the wait is one that a signal ends. `jobs`: what is
 * ready ends it as well. */
static bool turn(mw_lua *ctx, const mw__driver *driver, bool wait, bool jobs)
{
    if (!ctx->owned || !wait)
        return mw_loop_run(ctx->loop, wait);
    if (!mw_loop_run(ctx->loop, false))
        return false;
    if ((jobs && ctx->ready) || is_over(ctx, driver))
        return true;
    int timeout = mw_loop_timeout(ctx->loop);
    struct pollfd loop = {.fd = mw_loop_fd(ctx->loop), .events = POLLIN};
    poll(&loop, 1, timeout < 0 || timeout > SLICE_MS ? SLICE_MS : timeout);
    return true;
}

static int l_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* Runs a hook that a signal handler has put on the main thread now, not after the wait. True when it
 * raised: the error is at the top. [-0, +1 or +0, -] */
static bool hook_raises(lua_State *L)
{
    lua_pushcfunction(L, l_nothing);
    return lua_pcall(L, 0, 0, 0) != LUA_OK;
}

void mw__lua_drive(lua_State *L, mw_lua *ctx, mw__waiter *waiter)
{
    luaL_checkstack(L, LUA_MINSTACK, "too many nested waits");
    mw__task *self = ctx->current;
    mw__driver here = {.task = self, .over = waiter && waiter->done};
    const mw__driver *driver = waiter ? &here : NULL;
    if (waiter) {
        waiter->task = NULL;
        waiter->driver = &here;
        if (self)
            self->waiting = waiter;
    }
    const char *problem = NULL;
    bool hooked = false, interrupted = false;
    lua_Hook hook = lua_gethook(ctx->main);
    bool jobs = ++ctx->depth <= DEEP || !waiter || !waiter->passive;
    while (!problem && !hooked && !interrupted && !is_over(ctx, driver)) {
        if (jobs)
            run_ready(L, ctx, driver);
        if (is_over(ctx, driver))
            break;
        bool idle = !jobs || !ctx->ready;
        if (ctx->interrupted)
            interrupted = true;
        else if (!turn(ctx, driver, idle, jobs) && !ctx->ready && !is_over(ctx, driver))
            problem = "nothing is left that could end this wait (do tasks wait for each other?)";
        if (ctx->owned && lua_gethook(ctx->main) != hook) {
            hook = lua_gethook(ctx->main);
            if (L == ctx->main)
                hooked = hook_raises(L);
            else /* there it can't run before this thread has ended */
                interrupted = true;
        }
    }
    ctx->depth--;
    if (waiter && !here.gone)
        waiter->driver = NULL;
    if (self)
        self->waiting = NULL;
    if (hooked)
        lua_error(L);
    if (interrupted)
        mw__lua_raise_end(L, ctx);
    if (problem)
        mw__lua_raise(L, ctx, MW_INVALID, NULL, "%s", problem);
}

bool mw__lua_may_yield(lua_State *L, mw_lua *ctx)
{
    return ctx->current && ctx->running == L && lua_isyieldable(L);
}

int mw__lua_wait(lua_State *L, mw_lua *ctx, mw__waiter *waiter, lua_KFunction k, lua_KContext kctx)
{
    mw__task *task = ctx->current;
    if (task && task->pending) {
        task->pending = false;
        waiter->cancelled = true;
        mw__lua_stop_waiting(waiter);
    }
    mw__lua_scope_wait(ctx, waiter);
    if (waiter->done)
        return k(L, LUA_OK, kctx);
    if (mw__lua_may_yield(L, ctx)) {
        waiter->task = task;
        task->waiting = waiter;
        lua_pushlightuserdata(L, ctx);
        return lua_yieldk(L, 1, kctx, k);
    }
    mw__lua_drive(L, ctx, waiter);
    return k(L, LUA_OK, kctx);
}

void mw__lua_waited(lua_State *L, mw_lua *ctx, const mw__waiter *waiter, const char *operation)
{
    if (waiter->cancelled)
        mw__lua_raise(L, ctx, MW_CANCELLED, operation, "%s", mw_err_text(MW_CANCELLED));
    if (waiter->late)
        mw__lua_raise_late(L, ctx, waiter->limit_s,
                           &(mw__failure){.code = MW_TIMEOUT, .operation = operation});
    if (!waiter->done)
        mw__lua_raise(
            L, ctx, MW_CANCELLED, operation,
            "the coroutine was resumed by someone else while it waited; the wait is given up");
}

int mw__lua_resume(lua_State *L, mw_lua *ctx, lua_State *co, int nargs, int *nresults)
{
    lua_State *before = ctx->running;
    if (ctx->interrupted)
        mw__lua_hook(co);
    ctx->running = co;
    mw__inside inside = mw__lua_scope_enter(ctx, co, ctx->scope);
    int status = lua_resume(co, L, nargs, nresults);
    mw__lua_scope_leave(ctx, inside);
    ctx->running = before;
    if (ctx->interrupted)
        mw__lua_hook(L);
    return status;
}

int mw__lua_reset(lua_State *L, mw_lua *ctx, lua_State *co)
{
    lua_State *before = ctx->running;
    if (ctx->interrupted)
        mw__lua_hook(co);
    ctx->running = co;
    mw__inside inside = mw__lua_scope_enter(ctx, co, ctx->scope);
    int status = lua_resetthread(co);
    mw__lua_scope_leave(ctx, inside);
    ctx->running = before;
    if (ctx->interrupted)
        mw__lua_hook(L);
    return status;
}

bool mw__lua_is_running(lua_State *co)
{
    lua_Debug ar;
    return lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar);
}

bool mw__lua_is_waiting(lua_State *co, const mw_lua *ctx)
{
    return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 && lua_islightuserdata(co, -1) &&
           lua_touserdata(co, -1) == (const void *)ctx;
}
