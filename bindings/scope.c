/* scope.c: owns deadlines: how long the waits of some code may last, and who is under which. Must not know what is
 * waited for. Runs on the thread of the Lua state; on_time runs within mw_loop_run and touches no Lua.
 *
 * A *scope* is one run of core.deadline. What runs has a scope (ctx->scope): the innermost deadline that its thread has
 * opened, or the one that its thread was resumed in (ctx->base), whichever ends first. A task is resumed in the scope
 * that it was spawned in. A scope whose function has ended in time is over: whoever is still in it goes by the outer
 * ones. One that has passed stays so. */
#include <stdio.h>
#include <stdlib.h>

#include "client_private.h"

#define SECONDS_TEXT 32

struct mw__scope {
    mw_lua *ctx;
    mw__scope *outer; /* counted, or NULL */
    unsigned refs;    /* its box, tasks that were spawned in it, inner scopes */
    mw_timer *timer; /* for its waiters: of the deadline that comes first, its own or an outer one */
    mw__waiter *waiters;
    int64_t at_us;
    double seconds;
    bool over;
    bool passed; /* some wait was ended by it */
};

/* On the stack of the thread that has opened it. User value 1: the thread. */
struct mw__deadline {
    mw__waiter waiter;
    mw__deadline *next, **link; /* in its chain of ctx->deadlines, the innermost of a thread first */
    const lua_State *thread;
    mw__scope *scope;
};

static mw__scope *keep(mw__scope *scope)
{
    if (scope)
        scope->refs++;
    return scope;
}

void mw__lua_scope_drop(mw__scope *scope)
{
    while (scope && --scope->refs == 0) {
        mw__scope *outer = scope->outer;
        while (scope->waiters) /* of a coroutine that was left where it waits */
            mw__lua_scope_unwait(scope->waiters);
        mw_timer_stop(scope->timer);
        free(scope);
        scope = outer;
    }
}

/* The one that is passed first, of those that are not over; of several at once the outermost. */
static mw__scope *first_end(mw__scope *scope)
{
    mw__scope *first = NULL;
    for (; scope; scope = scope->outer) {
        if (!scope->over && (!first || scope->at_us <= first->at_us))
            first = scope;
    }
    return first;
}

static bool is_late(const mw_lua *ctx, const mw__scope *scope)
{
    return scope && mw_loop_now(ctx->loop) >= scope->at_us;
}

static void end_wait(mw__waiter *waiter, mw__scope *by)
{
    by->passed = true;
    waiter->late = true;
    waiter->limit_s = by->seconds;
    mw__lua_stop_waiting(waiter);
}

static void on_time(void *ud);

static int start_timer(mw__scope *scope, const mw__scope *end)
{
    int64_t left = end->at_us - mw_loop_now(scope->ctx->loop);
    uint64_t ms = left > 0 ? (uint64_t)(left + 999) / 1000 : 0;
    return mw_timer_start(scope->ctx->loop, ms, on_time, scope, &scope->timer);
}

/* Without memory for another timer the time is up now: a wait must not outlast its deadline. */
static void on_time(void *ud)
{
    mw__scope *scope = ud;
    scope->timer = NULL;
    mw__scope *end = first_end(scope);
    if (!end || (!is_late(scope->ctx, end) && start_timer(scope, end) == MW_OK))
        return;
    mw__waiter *next;
    for (mw__waiter *waiter = scope->waiters; waiter; waiter = next) {
        next = waiter->scope_next;
        if (!waiter->done && !waiter->late)
            end_wait(waiter, end);
    }
}

/* ---- who is in which scope ---- */

static mw__deadline **chain_of(mw_lua *ctx, const lua_State *thread)
{
    uintptr_t address = (uintptr_t)thread;
    return &ctx->deadlines[(address >> 4 ^ address >> 12) % MW__DEADLINE_CHAINS];
}

/* The scope of a thread that was resumed in `base`. */
static mw__scope *scope_of(mw_lua *ctx, const lua_State *thread, mw__scope *base)
{
    const mw__deadline *own = *chain_of(ctx, thread);
    while (own && own->thread != thread)
        own = own->next;
    if (!own)
        return base;
    const mw__scope *other = first_end(base);
    const mw__scope *end = first_end(own->scope);
    return other && (!end || other->at_us < end->at_us) ? base : own->scope;
}

mw__inside mw__lua_scope_enter(mw_lua *ctx, const lua_State *thread, mw__scope *base)
{
    mw__inside before = {ctx->scope, ctx->base};
    ctx->base = base;
    ctx->scope = ctx->deadline_count > 0 && thread ? scope_of(ctx, thread, base) : base;
    return before;
}

void mw__lua_scope_leave(mw_lua *ctx, mw__inside before)
{
    ctx->scope = before.scope;
    ctx->base = before.base;
}

mw__scope *mw__lua_scope_keep(mw_lua *ctx)
{
    mw__scope *scope = ctx->scope;
    while (scope && scope->over)
        scope = scope->outer;
    return keep(scope);
}

bool mw__lua_scope_passed(const mw__scope *scope)
{
    while (scope && !scope->passed)
        scope = scope->outer;
    return scope != NULL;
}

/* ---- waits ---- */

void mw__lua_scope_wait(mw_lua *ctx, mw__waiter *waiter)
{
    mw__scope *scope = ctx->scope;
    mw__scope *end = first_end(scope);
    if (!end || waiter->done)
        return;
    waiter->scope_next = scope->waiters;
    waiter->scope_link = &scope->waiters;
    if (waiter->scope_next)
        waiter->scope_next->scope_link = &waiter->scope_next;
    scope->waiters = waiter;
    if (is_late(ctx, end))
        end_wait(waiter, end);
}

void mw__lua_scope_unwait(mw__waiter *waiter)
{
    if (!waiter->scope_link)
        return;
    *waiter->scope_link = waiter->scope_next;
    if (waiter->scope_next)
        waiter->scope_next->scope_link = waiter->scope_link;
    waiter->scope_link = NULL;
}

int mw__lua_raise_late(lua_State *L, mw_lua *ctx, double seconds, const mw__failure *failure)
{
    char text[SECONDS_TEXT];
    snprintf(text, sizeof text, "%.14g", seconds);
    mw__failure late = *failure;
    luaL_checkstack(L, 8, NULL);
    late.message = lua_pushfstring(L,
                                   late.code == MW_AMBIGUOUS
                                       ? "deadline: %s s have passed, and the request had gone out"
                                       : "deadline: %s s have passed",
                                   text);
    return mw__lua_error_raise(L, ctx, &late);
}

void mw__lua_begin(lua_State *L, mw_lua *ctx, const char *operation)
{
    mw__task *task = ctx->current;
    if (task && task->pending) {
        task->pending = false;
        mw__lua_raise(L, ctx, MW_CANCELLED, operation, "%s", mw_err_text(MW_CANCELLED));
    }
    mw__scope *end = first_end(ctx->scope);
    if (!is_late(ctx, end))
        return;
    end->passed = true;
    mw__lua_raise_late(L, ctx, end->seconds,
                       &(mw__failure){.code = MW_TIMEOUT, .operation = operation});
}

/* ---- core.deadline ---- */

static void close_deadline(mw__waiter *waiter)
{
    mw__deadline *self = (mw__deadline *)waiter;
    mw__scope *scope = self->scope;
    if (!scope)
        return;
    self->scope = NULL;
    *self->link = self->next;
    if (self->next)
        self->next->link = self->link;
    mw_lua *ctx = scope->ctx;
    ctx->deadline_count--;
    scope->over = !scope->passed;
    if (ctx->scope == scope)
        ctx->scope = scope_of(ctx, self->thread, ctx->base);
    if (!first_end(scope)) {
        mw_timer_stop(scope->timer);
        scope->timer = NULL;
    }
    mw__lua_scope_drop(scope);
}

static int open_deadline(mw_lua *ctx, mw__deadline *self, const lua_State *thread, double seconds)
{
    mw__scope *scope = calloc(1, sizeof *scope);
    if (!scope)
        return MW_MEMORY;
    scope->ctx = ctx;
    scope->seconds = seconds;
    scope->at_us = mw_loop_now(ctx->loop) + (int64_t)(seconds * 1e6);
    scope->outer = mw__lua_scope_keep(ctx);
    scope->refs = 1;
    if (start_timer(scope, first_end(scope)) != MW_OK) {
        mw__lua_scope_drop(scope);
        return MW_MEMORY;
    }
    self->scope = scope;
    self->thread = thread;
    self->link = chain_of(ctx, thread);
    self->next = *self->link;
    if (self->next)
        self->next->link = &self->next;
    *self->link = self;
    ctx->deadline_count++;
    ctx->scope = scope;
    return MW_OK;
}

/* Stack: the box, the results. */
static int ended(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    (void)kctx;
    mw_lua *ctx = mw__lua_ctx(L);
    const mw__deadline *self = lua_touserdata(L, 1);
    if (self->scope && self->scope->passed)
        return mw__lua_raise_late(L, ctx, self->scope->seconds,
                                  &(mw__failure){.code = MW_TIMEOUT, .operation = "deadline"});
    return lua_gettop(L) - 1;
}

/* core.deadline(seconds, f, ...) -> what f(...) returns. [-n, +n, raises] */
static int l_deadline(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    double seconds = luaL_checknumber(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (!(seconds >= 0 && seconds <= 1e9))
        return mw__lua_raise(L, ctx, MW_INVALID, "deadline",
                             "seconds must be a number from 0 to 1e9");
    mw__deadline *self = mw__lua_box_new(L, ctx, sizeof *self, 1, close_deadline);
    lua_pushthread(L);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, 1);
    lua_toclose(L, 1);
    int rc = open_deadline(ctx, self, L, seconds);
    if (rc != MW_OK)
        return mw__lua_raise(L, ctx, rc, "deadline", "%s", mw_err_text(rc));
    lua_callk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, ended);
    return ended(L, LUA_OK, 0);
}

void mw__lua_open_deadlines(lua_State *L, mw_lua *ctx)
{
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_deadline, 1);
    lua_setfield(L, -2, "deadline");
}
