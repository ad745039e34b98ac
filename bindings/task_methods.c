/* task_methods.c: owns what scripts do with tasks: spawn, sleep, wait, join, cancel, status. Must
 * not know how tasks get their turns. Runs on the thread of the Lua state; watch functions and the
 * timer's callback touch no Lua. */
#include <math.h>

#include "lua_private.h"

/* The box of a wait for one task, or of a join for `count`. User value 1: the task or the list. */
typedef struct joinbox {
    mw__waiter waiter;
    int count;
    int left;
    int failed; /* position of the first one that did not finish, or 0 */
    mw__watch watches[];
} joinbox;

static mw__task *check_task(lua_State *L, mw_lua *ctx, int index)
{
    mw__task *task = mw__lua_class_test(L, ctx, index, MW__META_TASK);
    if (!task)
        luaL_argerror(L, index, "a task expected (call its methods with a colon)");
    return task;
}

/* core.spawn(f, ...) -> task. [-n, +1, raises] */
static int l_spawn(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (ctx->task_limit > 0 && ctx->task_count >= ctx->task_limit) {
        const char *message =
            lua_pushfstring(L, "spawn: the budget of %I task%s is used up",
                            (lua_Integer)ctx->task_limit, ctx->task_limit == 1 ? "" : "s");
        return mw__lua_error_raise(
            L, ctx,
            &(mw__failure){
                .code = MW_BUDGET, .operation = "spawn", .message = message, .field = "tasks"});
    }
    mw__lua_task_spawn(L, ctx, lua_gettop(L) - 1);
    return 1;
}

void mw_lua_limit_tasks(mw_lua *ctx, unsigned most)
{
    ctx->task_limit = most;
}

static void on_watch(mw__watch *watch, const mw__task *task)
{
    joinbox *box = (joinbox *)watch->waiter;
    box->left--;
    if (task->state != MW__FINISHED && box->failed == 0)
        box->failed = (int)(watch - box->watches) + 1;
    if ((box->left == 0 || box->failed != 0) && !box->waiter.done)
        mw__lua_wake(&box->waiter);
}

static void unwatch(mw__waiter *waiter)
{
    joinbox *box = (joinbox *)waiter;
    for (int i = 0; i < box->count; i++) {
        mw__watch *watch = &box->watches[i];
        if (!watch->link)
            continue;
        *watch->link = watch->next;
        if (watch->next)
            watch->next->link = watch->link;
        watch->link = NULL;
    }
}

/* Adds a task to the box; one that has ended already counts at once. */
static void watch_task(lua_State *L, joinbox *box, int position, mw__task *task)
{
    mw__watch *watch = &box->watches[position];
    watch->waiter = &box->waiter;
    watch->fn = on_watch;
    task->watched = true;
    if (task->state != MW__RUNNING) {
        mw__lua_task_seen(L, task->ctx, task);
        on_watch(watch, task);
        return;
    }
    watch->next = task->watches;
    watch->link = &task->watches;
    if (watch->next)
        watch->next->link = &watch->next;
    task->watches = watch;
}

/* Results of the finished task at 1, or its error raised again. [-0, +n, raises] */
static int push_results(lua_State *L, mw_lua *ctx, const mw__task *task)
{
    if (task->state == MW__FINISHED && task->values == 0)
        return 0;
    luaL_checkstack(L, task->values + 4, "too many results of a task");
    lua_getiuservalue(L, 1, 3);
    if (task->state != MW__FINISHED) {
        lua_pushvalue(L, 1);
        mw__lua_slot_set(L, ctx, MW__BLAMED);
        return lua_error(L);
    }
    if (task->values == 1)
        return 1;
    int table = lua_gettop(L);
    for (int i = 1; i <= task->values; i++)
        lua_rawgeti(L, table, i);
    return task->values;
}

static int waited_for_task(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    mw_lua *ctx = mw__lua_ctx(L);
    mw__lua_waited(L, ctx, lua_touserdata(L, (int)kctx), "task:wait");
    return push_results(L, ctx, lua_touserdata(L, 1));
}

/* task:wait() -> the results of its function, or its error. [-1, +n, raises] */
static int l_task_wait(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__task *task = check_task(L, ctx, 1);
    lua_settop(L, 1);
    if (task->state != MW__RUNNING) {
        task->watched = true;
        mw__lua_task_seen(L, ctx, task);
        return push_results(L, ctx, task);
    }
    if (task == ctx->current)
        return mw__lua_raise(L, ctx, MW_INVALID, "task:wait", "a task can't wait for itself");
    if (task->active && !mw__lua_may_yield(L, ctx))
        return mw__lua_raise(
            L, ctx, MW_INVALID, "task:wait",
            "the task can't go on before this wait has ended; wait outside of the callback");
    joinbox *box = mw__lua_box_new(L, ctx, sizeof *box + sizeof(mw__watch), 1, unwatch);
    lua_toclose(L, 2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1);
    box->count = box->left = 1;
    watch_task(L, box, 0, task);
    return mw__lua_wait(L, ctx, &box->waiter, waited_for_task, 2);
}

static int joined(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    mw_lua *ctx = mw__lua_ctx(L);
    joinbox *box = lua_touserdata(L, (int)kctx);
    mw__lua_waited(L, ctx, &box->waiter, "task.join");
    if (box->failed == 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, box->failed);
    return 1;
}

/* core.join(tasks) -> nil once all have finished, or the position of the first one that failed.
 * [-1, +1, raises] */
static int l_join(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_Unsigned count = lua_rawlen(L, 1);
    if (count > 1000000)
        return mw__lua_raise(L, ctx, MW_INVALID, "task.join", "too many tasks to wait for");
    joinbox *box =
        mw__lua_box_new(L, ctx, sizeof *box + (size_t)count * sizeof(mw__watch), 1, unwatch);
    lua_toclose(L, 2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1);
    box->count = box->left = (int)count;
    box->waiter.done = count == 0;
    for (int i = 0; i < (int)count; i++) {
        lua_rawgeti(L, 1, i + 1);
        mw__task *task = mw__lua_class_test(L, ctx, -1, MW__META_TASK);
        if (!task)
            return mw__lua_raise(L, ctx, MW_INVALID, "task.join", "item %d is a %s, not a task",
                                 i + 1, luaL_typename(L, -1));
        if (task == ctx->current)
            return mw__lua_raise(L, ctx, MW_INVALID, "task.join", "a task can't wait for itself");
        lua_pop(L, 1);
        watch_task(L, box, i, task);
    }
    return mw__lua_wait(L, ctx, &box->waiter, joined, 2);
}

/* task:cancel() -> whether it was still running. [-1, +1, raises] */
static int l_task_cancel(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_pushboolean(L, mw__lua_task_cancel(check_task(L, ctx, 1)));
    return 1;
}

static const char *const state_names[] = {"running", "done", "failed", "cancelled"};

/* task:status() -> "running" | "done" | "failed" | "cancelled". [-1, +1, raises] */
static int l_task_status(lua_State *L)
{
    lua_pushstring(L, state_names[check_task(L, mw__lua_ctx(L), 1)->state]);
    return 1;
}

static int l_task_text(lua_State *L)
{
    const mw__task *task = check_task(L, lua_touserdata(L, lua_upvalueindex(1)), 1);
    lua_pushfstring(L, "moonwire.task (%s)", state_names[task->state]);
    return 1;
}

/* The box of a sleep. */
typedef struct sleepbox {
    mw__waiter waiter;
    mw_timer *timer;
} sleepbox;

static void on_timer(void *ud)
{
    sleepbox *box = ud;
    box->timer = NULL;
    mw__lua_wake(&box->waiter);
}

static void stop_timer(mw__waiter *waiter)
{
    sleepbox *box = (sleepbox *)waiter;
    mw_timer_stop(box->timer);
    box->timer = NULL;
}

static int slept(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    mw__lua_waited(L, mw__lua_ctx(L), lua_touserdata(L, (int)kctx), "sleep");
    return 0;
}

/* core.sleep(seconds). [-1, +0, raises] */
static int l_sleep(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    double seconds = luaL_checknumber(L, 1);
    if (!(seconds >= 0 && seconds <= 1e9))
        return mw__lua_raise(L, ctx, MW_INVALID, "sleep", "seconds must be a number from 0 to 1e9");
    lua_settop(L, 1);
    sleepbox *box = mw__lua_box_new(L, ctx, sizeof *box, 0, stop_timer);
    box->waiter.passive = true;
    lua_toclose(L, 2);
    int rc = mw_timer_start(ctx->loop, (uint64_t)ceil(seconds * 1000), on_timer, box, &box->timer);
    if (rc != MW_OK)
        return mw__lua_raise(L, ctx, rc, "sleep", "%s", mw_err_text(rc));
    return mw__lua_wait(L, ctx, &box->waiter, slept, 2);
}

/* core.is_task(value) [-1, +1, raises] */
static int l_is_task(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushboolean(L, mw__lua_class_test(L, mw__lua_ctx(L), 1, MW__META_TASK) != NULL);
    return 1;
}

/* core.live() -> tasks and calls, and what the loop holds (timers, servers, requests), for tests. [-0, +1, -] */
static int l_live(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_pushinteger(L, (lua_Integer)mw_lua_live(ctx) + (lua_Integer)mw_loop_live(ctx->loop));
    return 1;
}

void mw__lua_open_tasks(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {{"wait", l_task_wait},
                                       {"cancel", l_task_cancel},
                                       {"status", l_task_status},
                                       {"__tostring", l_task_text},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"spawn", l_spawn}, {"join", l_join},
                                         {"sleep", l_sleep}, {"is_task", l_is_task},
                                         {"live", l_live},   {NULL, NULL}};
    if (!ctx->meta[MW__META_TASK]) {
        mw__lua_class_new(L, ctx, MW__META_TASK, "moonwire.task", methods);
        lua_pop(L, 1);
    }
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
}
