/* relay.c: owns the replacements of coroutine.resume, wrap and close: stock Lua 5.4 in everything,
 * except that a coroutine which waits for the loop hands its wait on to whoever resumed it, and that
 * the task of a coroutine ends with it. Must not know what is waited for. Runs on the thread of the Lua state. */
#include <lualib.h>

#include "lua_private.h"

#define FAILED (-1)
#define WAITS (-2)
#define MAX_CLOSES 150 /* within each other, on the C stack */

/* Resumes `co`. Returns the number of results moved to L, FAILED with the error moved, or WAITS
 * with nothing moved. [-0, +n, memory] */
static int step(lua_State *L, mw_lua *ctx, lua_State *co, int nargs)
{
    int count = 0;
    int status = mw__lua_resume(L, ctx, co, nargs, &count);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return FAILED;
    }
    if (mw__lua_is_waiting(co, ctx))
        return WAITS;
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        lua_pushliteral(L, "too many results to resume");
        return FAILED;
    }
    lua_xmove(co, L, count);
    return count;
}

/* Goes on after a wait of `co`: drives the loop where L can't yield. [-0, +n, raises] */
static int drive_on(lua_State *L, mw_lua *ctx, lua_State *co)
{
    int count = WAITS;
    while (count == WAITS && !mw__lua_may_yield(L, ctx)) {
        if (ctx->current && ctx->current->waiting)
            mw__lua_drive(L, ctx, ctx->current->waiting);
        if (mw__lua_is_waiting(co, ctx)) /* else it was closed meanwhile */
            lua_pop(co, 1);
        count = step(L, ctx, co, 0);
    }
    return count;
}

/* [-narg, +n, memory] */
static int start(lua_State *L, mw_lua *ctx, lua_State *co, int nargs)
{
    if (!lua_checkstack(co, nargs)) {
        lua_pushliteral(L, "too many arguments to resume");
        return FAILED;
    }
    if (mw__lua_is_waiting(co, ctx)) {
        lua_pushliteral(L, "cannot resume a coroutine that waits for an answer");
        return FAILED;
    }
    lua_xmove(L, co, nargs);
    return step(L, ctx, co, nargs);
}

/* Results as coroutine.resume gives them. [-n, +n + 1, -] */
static int resume_results(lua_State *L, int count)
{
    lua_pushboolean(L, count >= 0);
    int below = count >= 0 ? count : 1;
    lua_insert(L, -(below + 1));
    return below + 1;
}

static int resume_on(lua_State *L, int status, lua_KContext kctx);

static int resume_relay(lua_State *L, mw_lua *ctx, lua_State *co, int count)
{
    if (count == WAITS)
        count = drive_on(L, ctx, co);
    if (count != WAITS)
        return resume_results(L, count);
    lua_pushlightuserdata(L, ctx);
    return lua_yieldk(L, 1, 0, resume_on);
}

static int resume_on(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    (void)kctx;
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    lua_State *co = lua_tothread(L, 1);
    lua_settop(L, 1);
    if (mw__lua_is_waiting(co, ctx))
        lua_pop(co, 1);
    return resume_relay(L, ctx, co, step(L, ctx, co, 0));
}

/* coroutine.resume(co, ...) [-n, +n, raises] */
static int l_resume(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "thread");
    return resume_relay(L, ctx, co, start(L, ctx, co, lua_gettop(L) - 1));
}

/* Raises the error at the top as a stock wrap does. [-1, +0, raises] */
static int wrap_error(lua_State *L, mw_lua *ctx, lua_State *co)
{
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        status = mw__lua_reset(L, ctx, co); /* closes its variables */
        lua_xmove(co, L, 1);                /* their error, or the first one */
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap_on(lua_State *L, int status, lua_KContext kctx);

static int wrap_relay(lua_State *L, mw_lua *ctx, lua_State *co, int count)
{
    if (count == WAITS)
        count = drive_on(L, ctx, co);
    if (count == FAILED)
        return wrap_error(L, ctx, co);
    if (count != WAITS)
        return count;
    lua_pushlightuserdata(L, ctx);
    return lua_yieldk(L, 1, 0, wrap_on);
}

static int wrap_on(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    (void)kctx;
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    lua_State *co = lua_tothread(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    if (mw__lua_is_waiting(co, ctx))
        lua_pop(co, 1);
    return wrap_relay(L, ctx, co, step(L, ctx, co, 0));
}

/* The function that coroutine.wrap returns; upvalue 2: the coroutine. [-n, +n, raises] */
static int l_wrapped(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    lua_State *co = lua_tothread(L, lua_upvalueindex(2));
    return wrap_relay(L, ctx, co, start(L, ctx, co, lua_gettop(L)));
}

/* coroutine.wrap(f) [-1, +1, raises] */
static int l_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, l_wrapped, 2);
    return 1;
}

/* [-0, +0|1, -]: as lua_resetthread, with the error moved */
static int close_any(lua_State *L, mw_lua *ctx, lua_State *co)
{
    mw__task *task = mw__lua_task_of(ctx, co);
    if (task)
        return mw__lua_task_close(L, ctx, task);
    int status = mw__lua_reset(L, ctx, co);
    if (status != LUA_OK)
        lua_xmove(co, L, 1);
    return status;
}

/* coroutine.close(co) [-1, +1|2, raises] */
static int l_close(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "thread");
    const mw__task *task = mw__lua_task_of(ctx, co);
    if (co == L)
        return luaL_error(L, "cannot close a running coroutine");
    if (mw__lua_is_running(co) || (task && task->active))
        return luaL_error(L, "cannot close a normal coroutine");
    if (ctx->closing >= MAX_CLOSES)
        return luaL_error(L, "C stack overflow");
    ctx->closing++;
    int status = close_any(L, ctx, co);
    ctx->closing--;
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK)
        return 1;
    lua_insert(L, -2);
    return 2;
}

void mw__lua_open_relays(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {
        {"resume", l_resume}, {"wrap", l_wrap}, {"close", l_close}, {NULL, NULL}};
    if (ctx->relays)
        return;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) {
        mw__lua_ctx_push(L, ctx);
        luaL_setfuncs(L, functions, 1);
    }
    lua_pop(L, 2);
    ctx->relays = true;
}
