/* task.c: owns tasks: their start, their turns, their end and their failures. Must not know what
 * they wait for. Runs on the thread of the Lua state. */
#include <string.h>

#include "lua_private.h"

#define MAX_FAILURES 32 /* kept for the end of the run; later ones are only logged */

static void link_to(mw__task **list, mw__task *task)
{
    task->next = *list;
    task->link = list;
    if (task->next)
        task->next->link = &task->next;
    *list = task;
}

static void unlink_task(mw__task *task)
{
    if (!task->link)
        return;
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    task->link = NULL;
    task->next = NULL;
}

/* [-0, +0, -]: a key that exists is set to nil */
static void unanchor(lua_State *L, mw_lua *ctx, mw__task *task)
{
    mw__lua_slot_push(L, ctx, MW__ANCHORS);
    lua_pushnil(L);
    lua_rawsetp(L, -2, task);
    lua_pop(L, 1);
}

mw__task *mw__lua_task_spawn(lua_State *L, mw_lua *ctx, int nargs)
{
    mw__task *task = lua_newuserdatauv(L, sizeof *task, 3);
    memset(task, 0, sizeof *task);
    task->ctx = ctx;
    task->job.run = mw__lua_task_run;
    task->state = MW__FINISHED;
    lua_State *co = lua_newthread(L);
    lua_setiuservalue(L, -2, 1);
    mw__lua_slot_push(L, ctx, MW__META_TASK);
    lua_setmetatable(L, -2);
    if (!lua_checkstack(co, nargs + LUA_MINSTACK))
        luaL_error(L, "too many arguments to a task");
    mw__lua_slot_push(L, ctx, MW__ANCHORS);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, task);
    lua_pop(L, 1);
    lua_insert(L, -(nargs + 2));
    lua_xmove(L, co, nargs + 1);
    task->co = co;
    task->values = nargs;
    task->state = MW__RUNNING;
    task->scope = mw__lua_scope_keep(ctx);
    link_to(&ctx->tasks, task);
    ctx->task_count++;
    mw__lua_post(ctx, &task->job);
    return task;
}

/* Pushes the userdata of a live or anchored task. [-0, +1, -] */
static void push_task(lua_State *L, mw_lua *ctx, mw__task *task)
{
    mw__lua_slot_push(L, ctx, MW__ANCHORS);
    lua_rawgetp(L, -1, task);
    lua_remove(L, -2);
}

/* Keeps the traceback of a failed task, for the end of the run. (light userdata, error) -> nothing.
 * [-2, +0, raises] */
static int l_keep_trace(lua_State *L)
{
    mw__task *task = lua_touserdata(L, 1);
    push_task(L, task->ctx, task);
    luaL_traceback(L, task->co, mw__lua_error_text(L, 2), 0);
    lua_setiuservalue(L, 3, 2);
    return 0;
}

/* Takes several results off the coroutine before anything else, so that a script which runs by a
 * finalizer finds it empty. (light userdata) -> table. [-1, +1, raises] */
static int l_take_results(lua_State *L)
{
    const mw__task *task = lua_touserdata(L, 1);
    int count = task->values;
    if (!lua_checkstack(L, count + 4)) {
        lua_settop(task->co, 0);
        return luaL_error(L, "too many results of a task");
    }
    lua_xmove(task->co, L, count);
    lua_createtable(L, count, 0);
    lua_replace(L, 1);
    for (int i = count; i >= 1; i--)
        lua_rawseti(L, 1, i);
    return 1;
}

/* A failure that nobody waited for stays anchored until the end of the run. [-0, +0, -] */
static bool keep_failure(mw_lua *ctx, mw__task *task)
{
    if (task->watched || task->state != MW__FAILED || ctx->failure_count >= MAX_FAILURES)
        return false;
    mw__task **last = &ctx->failures;
    while (*last)
        last = &(*last)->next;
    task->link = last;
    *last = task;
    ctx->failure_count++;
    task->anchored_failure = true;
    return true;
}

void mw__lua_task_seen(lua_State *L, mw_lua *ctx, mw__task *task)
{
    if (!task->anchored_failure)
        return;
    task->anchored_failure = false;
    ctx->failure_count--;
    unlink_task(task);
    unanchor(L, ctx, task);
}

/* The task has ended with the outcome at the top; nothing is left on its coroutine. [-1, +0, -] */
static void finish(lua_State *L, mw_lua *ctx, mw__task *task, mw__task_state state)
{
    if (task->waiting)
        task->waiting->task = NULL;
    task->waiting = NULL;
    push_task(L, ctx, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 3);
    lua_pop(L, 1);
    task->state = (unsigned char)state;
    task->pending = false;
    mw__lua_unpost(ctx, &task->job);
    unlink_task(task);
    ctx->task_count--;
    mw__lua_scope_drop(task->scope);
    task->scope = NULL;
    while (task->watches) {
        mw__watch *watch = task->watches;
        task->watches = watch->next;
        if (watch->next)
            watch->next->link = &task->watches;
        watch->next = NULL;
        watch->link = NULL;
        watch->fn(watch, task);
    }
    if (!keep_failure(ctx, task))
        unanchor(L, ctx, task);
}

/* The text of a failure that nobody saw. [-1, +1, raises] */
static int l_describe(lua_State *L)
{
    mw__lua_error_text(L, 1);
    lua_pushfstring(L, "a task failed and nobody waited for it: %s", lua_tostring(L, -1));
    return 1;
}

/* Takes the results of the finished coroutine. [-0, +1, -] */
static mw__task_state take_results(lua_State *L, mw__task *task)
{
    if (task->values == 0) {
        lua_pushnil(L);
    } else if (task->values == 1) {
        lua_xmove(task->co, L, 1);
    } else {
        lua_pushcfunction(L, l_take_results);
        lua_pushlightuserdata(L, task);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK)
            return MW__FAILED;
    }
    return MW__FINISHED;
}

/* The coroutine failed: keeps where, closes what it left open, takes the error. [-0, +1, -] */
static mw__task_state fail(lua_State *L, mw_lua *ctx, mw__task *task)
{
    lua_State *co = task->co;
    lua_pushvalue(co, -1);
    lua_xmove(co, L, 1);
    lua_pushcfunction(L, l_keep_trace);
    lua_pushlightuserdata(L, task);
    lua_pushvalue(L, -3);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    if (mw__lua_reset(L, ctx, co) != LUA_OK) { /* the same error, or a later one */
        lua_xmove(co, L, 1);
        lua_replace(L, -2);
    }
    bool obeyed = (task->cancelled && mw__lua_is_error(L, ctx, -1, "cancelled")) ||
                  (mw__lua_scope_passed(task->scope) && mw__lua_is_error(L, ctx, -1, "timeout"));
    return obeyed ? MW__CANCELLED : MW__FAILED;
}

/* The outcome of a task that was closed. [-0, +1, raises] */
static int l_cancelled_value(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx_of(L);
    mw__lua_error_push(L, ctx,
                       &(mw__failure){.code = MW_CANCELLED, .message = "the task was cancelled"});
    return 1;
}

/* What ran before a task. */
typedef struct outside {
    mw__task *task;
    mw__inside inside;
} outside;

/* From here the task is on the C stack, and nobody else runs, closes or ends it. */
static outside enter(mw_lua *ctx, mw__task *task)
{
    outside before = {ctx->current, mw__lua_scope_enter(ctx, NULL, task->scope)};
    if (task->waiting)
        task->waiting->task = NULL;
    task->waiting = NULL;
    ctx->current = task;
    task->active = true;
    return before;
}

static void leave(mw_lua *ctx, mw__task *task, outside before)
{
    task->active = false;
    ctx->current = before.task;
    mw__lua_scope_leave(ctx, before.inside);
}

int mw__lua_task_close(lua_State *L, mw_lua *ctx, mw__task *task)
{
    outside before = enter(ctx, task);
    task->pending = false;
    int status = mw__lua_reset(L, ctx, task->co);
    if (status != LUA_OK)
        lua_xmove(task->co, L, 1);
    lua_pushcfunction(L, l_cancelled_value);
    lua_pcall(L, 0, 1, 0);
    leave(ctx, task, before);
    finish(L, ctx, task, MW__CANCELLED);
    return status;
}

mw__task *mw__lua_task_of(const mw_lua *ctx, const lua_State *co)
{
    mw__task *task = ctx->tasks;
    while (task && task->co != co)
        task = task->next;
    return task;
}

/* Whether the coroutine has ended otherwise: the script resumed it until its end, or the task was
 * cancelled before its start. */
static bool has_ended(const mw__task *task)
{
    return task->started ? lua_status(task->co) != LUA_YIELD : task->cancelled;
}

void mw__lua_task_run(lua_State *L, mw_lua *ctx, mw__job *job)
{
    mw__task *task = (mw__task *)job;
    if (task->state != MW__RUNNING || task->active || task->doomed)
        return;
    if (mw__lua_is_running(task->co)) { /* the script has resumed it: later */
        mw__lua_post(ctx, job);
        return;
    }
    if (has_ended(task)) {
        if (mw__lua_task_close(L, ctx, task) != LUA_OK)
            lua_pop(L, 1);
        return;
    }
    int count = task->started ? 0 : task->values;
    task->started = true;
    outside before = enter(ctx, task);
    if (mw__lua_is_waiting(task->co, ctx))
        lua_pop(task->co, 1);
    int status = mw__lua_resume(L, ctx, task->co, count, &count);
    mw__task_state state = MW__RUNNING;
    if (status == LUA_OK) {
        task->values = count;
        state = take_results(L, task);
    } else if (status != LUA_YIELD) {
        state = fail(L, ctx, task);
    } else if (!mw__lua_is_waiting(task->co, ctx)) {
        lua_pop(task->co, count); /* a plain yield gives the others a turn */
        mw__lua_post(ctx, job);
    }
    leave(ctx, task, before);
    if (state != MW__RUNNING)
        finish(L, ctx, task, state);
}

bool mw__lua_task_cancel(mw__task *task)
{
    if (task->state != MW__RUNNING)
        return false;
    task->cancelled = true;
    mw__waiter *waiter = task->waiting;
    if (waiter) {
        waiter->cancelled = true;
        mw__lua_stop_waiting(waiter);
    } else if (task->started) {
        task->pending = true;
    }
    return true;
}

/* The first one that can be closed: not one that has called the host, which now ends its run. */
static mw__task *first_idle(const mw_lua *ctx)
{
    mw__task *task = ctx->tasks;
    while (task && (task->active || mw__lua_is_running(task->co)))
        task = task->next;
    return task;
}

/* What is closed may wait meanwhile: those that are doomed don't run then, new tasks do. */
void mw__lua_task_kill_all(lua_State *L, mw_lua *ctx)
{
    mw__task *task;
    for (task = ctx->tasks; task; task = task->next)
        task->doomed = true;
    while ((task = first_idle(ctx))) {
        if (mw__lua_task_close(L, ctx, task) != LUA_OK)
            lua_pop(L, 1);
    }
    for (task = ctx->tasks; task; task = task->next)
        task->doomed = false;
    while (ctx->failures) {
        ctx->failures->watched = true;
        mw__lua_task_seen(L, ctx, ctx->failures);
    }
}

bool mw__lua_task_failure(lua_State *L, mw_lua *ctx)
{
    mw__task *task = ctx->failures;
    if (!task)
        return false;
    luaL_checkstack(L, 8, NULL);
    push_task(L, ctx, task);
    lua_getiuservalue(L, -1, 3);
    lua_insert(L, -2);
    if (lua_getiuservalue(L, -1, 2) != LUA_TSTRING) {
        lua_pop(L, 1);
        mw__lua_error_text(L, -2);
    }
    if (ctx->failure_count > 1) {
        lua_pushfstring(L, "%s\n(%d more failed)", lua_tostring(L, -1), (int)ctx->failure_count - 1);
        lua_remove(L, -2);
    }
    lua_replace(L, -2);
    return true;
}

void mw__lua_task_end(lua_State *L, mw_lua *ctx)
{
    for (mw__task *task = ctx->failures; task; task = task->next) {
        lua_pushcfunction(L, l_describe);
        push_task(L, ctx, task);
        lua_getiuservalue(L, -1, 3);
        lua_remove(L, -2);
        size_t length = 0;
        const char *text = lua_pcall(L, 1, 1, 0) == LUA_OK ? lua_tolstring(L, -1, &length) : NULL;
        if (text)
            mw__lua_log(ctx, "error", text, length);
        lua_pop(L, 1);
    }
    static const char left[] =
        "the state was closed while tasks were running; wait for them with task:wait()";
    if (ctx->task_count > 0)
        mw__lua_log(ctx, "warn", left, sizeof left - 1);
    for (mw__task *task = ctx->tasks; task; task = task->next) {
        task->state = MW__CANCELLED;
        mw__lua_scope_drop(task->scope);
        task->scope = NULL;
    }
    ctx->tasks = NULL;
    ctx->failures = NULL;
    ctx->task_count = 0;
}
