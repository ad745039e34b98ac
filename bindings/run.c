/* run.c: owns the run of a host's script: the protected call with a traceback, and the tasks that
 * outlive the main chunk. Must not know calls. Runs on the thread of the Lua state. */
#include "lua_private.h"

/* Message handler: keeps the traceback in a slot and passes the error value on. [-0, +1, memory] */
static int l_traced(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx_of(L);
    lua_settop(L, 1);
    const char *message = mw__lua_error_text(L, 1);
    luaL_traceback(L, L, message, 1);
    mw__lua_slot_push(L, ctx, MW__BLAMED);
    mw__task *blamed = lua_touserdata(L, -1);
    if (blamed && lua_getiuservalue(L, -1, 3) != LUA_TNONE && lua_rawequal(L, 1, -1) &&
        lua_getiuservalue(L, -2, 2) == LUA_TSTRING)
        lua_pushfstring(L, "%s\nraised first in a task: %s", lua_tostring(L, 3),
                        lua_tostring(L, -1));
    else
        lua_pushvalue(L, 3);
    mw__lua_slot_set(L, ctx, MW__TRACE);
    lua_settop(L, 1);
    return 1;
}

/* [-0, +0, raises] */
static int l_drive_all(lua_State *L)
{
    mw__lua_drive(L, mw__lua_ctx_of(L), NULL);
    return 0;
}

/* Pushes error value and traceback of the oldest failure. [-0, +2 or +0, memory] */
static int l_failure(lua_State *L)
{
    return mw__lua_task_failure(L, mw__lua_ctx_of(L)) ? 2 : 0;
}

/* The traceback of a failure, from its slot or made of the error value at the top. [-0, +1, -] */
static void push_trace(lua_State *L, mw_lua *ctx)
{
    mw__lua_slot_push(L, ctx, MW__TRACE);
    if (lua_type(L, -1) == LUA_TSTRING)
        return;
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING)
        lua_pushvalue(L, -1);
    else
        mw__lua_slot_push(L, ctx, MW__UNTOLD);
}

/* Lets what was cancelled end; nothing is waited for. */
static void settle(mw_lua *ctx)
{
    for (int turn = 0; turn < 8 && ctx->call_count > 0; turn++)
        mw_loop_run(ctx->loop, false);
}

/* Calls with the message handler at `*base`, where it stays; a failure leaves value and trace at the top.
 * [-(nargs + 1), +1 + nresults or +3, -] */
static int call_traced(lua_State *L, mw_lua *ctx, int nargs, int nresults, int *base)
{
    *base = lua_gettop(L) - nargs;
    lua_pushboolean(L, false);
    mw__lua_slot_set(L, ctx, MW__TRACE);
    lua_pushcfunction(L, l_traced);
    lua_insert(L, *base);
    int status = lua_pcall(L, nargs, nresults, *base);
    if (status != LUA_OK)
        push_trace(L, ctx);
    return status;
}

/* Takes the handler away; of a failure only value and trace stay. */
static void leave_results(lua_State *L, int base, int status)
{
    if (status == LUA_OK) {
        lua_remove(L, base);
        return;
    }
    lua_rotate(L, base, 2);
    lua_settop(L, base + 1);
}

/* Runs until every task has ended. LUA_OK, or a failure with value and trace at the top. [-0, +0 or +2, -] */
static int finish_tasks(lua_State *L, mw_lua *ctx, int base)
{
    int top = lua_gettop(L);
    lua_pushcfunction(L, l_drive_all);
    int status = lua_pcall(L, 0, 0, base);
    if (status != LUA_OK) {
        push_trace(L, ctx);
        return status;
    }
    lua_pushcfunction(L, l_failure);
    if (lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK)
        push_trace(L, ctx);
    return lua_gettop(L) > top ? LUA_ERRRUN : LUA_OK;
}

int mw_lua_run(lua_State *L, mw_lua *ctx, int nargs, int nresults)
{
    int base;
    int status = call_traced(L, ctx, nargs, nresults, &base);
    if (status == LUA_OK)
        status = finish_tasks(L, ctx, base);
    leave_results(L, base, status);
    if (status != LUA_OK)
        mw__lua_task_kill_all(L, ctx);
    settle(ctx);
    mw__lua_calm(ctx);
    return status;
}

int mw_lua_call(lua_State *L, mw_lua *ctx, int nargs, int nresults)
{
    int base;
    int status = call_traced(L, ctx, nargs, nresults, &base);
    leave_results(L, base, status);
    mw__lua_calm(ctx);
    return status;
}

unsigned mw_lua_live(const mw_lua *ctx)
{
    return ctx->call_count + ctx->task_count;
}

const char *mw__lua_error_text(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    if (lua_type(L, index) != LUA_TSTRING && lua_type(L, index) != LUA_TNUMBER) {
        if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
            return lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
        lua_pop(L, 1);
    }
    return luaL_tolstring(L, index, NULL);
}

bool mw_lua_ready(const mw_lua *ctx)
{
    return ctx->ready != NULL;
}

static int l_raise_end(lua_State *L)
{
    return mw__lua_raise_end(L, mw__lua_ctx_of(L));
}

int mw_lua_turn(lua_State *L, mw_lua *ctx)
{
    int top = lua_gettop(L);
    if (ctx->stopped) { /* nothing goes on any more */
        lua_pushcfunction(L, l_raise_end);
        int status = call_traced(L, ctx, 0, 0, &top);
        leave_results(L, top, status);
        return status;
    }
    mw__lua_turn(L, ctx);
    lua_pushboolean(L, false);
    mw__lua_slot_set(L, ctx, MW__TRACE);
    lua_pushcfunction(L, l_failure);
    if (lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK)
        push_trace(L, ctx);
    while (ctx->failures) {
        ctx->failures->watched = true;
        mw__lua_task_seen(L, ctx, ctx->failures);
    }
    mw__lua_calm(ctx);
    return lua_gettop(L) > top ? LUA_ERRRUN : LUA_OK;
}
