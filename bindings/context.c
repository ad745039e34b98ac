/* context.c: owns the context of a Lua state: its slots in the registry, its classes, its end. Must
 * not know what a call or a task does. Runs on the thread of the Lua state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"
#include "fs_private.h"
#include "mw/version.h"

static const char registry_key = 0; /* its address is the key of the context */

mw_lua *mw__lua_ctx_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    mw_lua *ctx = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return ctx;
}

mw_lua *mw__lua_ctx(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    if (ctx->closed)
        luaL_error(L, "moonwire: the Lua state is closing, nothing can be started any more");
    return ctx;
}

void mw__lua_ctx_push(lua_State *L, mw_lua *ctx)
{
    (void)ctx;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
}

void mw__lua_slot_push(lua_State *L, mw_lua *ctx, mw__slot slot)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &ctx->slot[slot]);
}

void mw__lua_slot_set(lua_State *L, mw_lua *ctx, mw__slot slot)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ctx->slot[slot]);
}

/* The name of the class, upvalue 1: no address. [-1, +1, -] */
static int l_class_text(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

void mw__lua_class_new(lua_State *L, mw_lua *ctx, mw__slot slot, const char *name,
                       const luaL_Reg *methods)
{
    lua_newtable(L);
    lua_newtable(L); /* methods by name */
    for (; methods && methods->name; methods++) {
        mw__lua_ctx_push(L, ctx);
        lua_pushcclosure(L, methods->func, 1);
        lua_setfield(L, strncmp(methods->name, "__", 2) == 0 ? -3 : -2, methods->name);
    }
    if (lua_getfield(L, -2, "__index") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_setfield(L, -2, "__index");
    } else {
        lua_pop(L, 2);
    }
    lua_pushstring(L, name);
    if (lua_getfield(L, -2, "__tostring") == LUA_TNIL) {
        lua_pushvalue(L, -2);
        lua_pushcclosure(L, l_class_text, 1);
        lua_setfield(L, -4, "__tostring");
    }
    lua_pop(L, 1);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    ctx->meta[slot] = lua_topointer(L, -1);
    lua_pushvalue(L, -1);
    mw__lua_slot_set(L, ctx, slot);
}

void *mw__lua_class_test(lua_State *L, mw_lua *ctx, int index, mw__slot slot)
{
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
        return NULL;
    const void *meta = lua_topointer(L, -1);
    lua_pop(L, 1);
    return meta == ctx->meta[slot] ? lua_touserdata(L, index) : NULL;
}

void mw__lua_hold(mw_lua *ctx, mw__held *held, void (*drop)(mw__held *))
{
    held->drop = drop;
    held->next = ctx->held;
    held->link = &ctx->held;
    if (held->next)
        held->next->link = &held->next;
    ctx->held = held;
}

void mw__lua_unhold(mw__held *held)
{
    if (!held->link)
        return;
    *held->link = held->next;
    if (held->next)
        held->next->link = held->link;
    held->link = NULL;
}

/* __gc of the context: the last finalizer of the state. [-0, +0, -] */
static int l_ctx_gc(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, 1);
    if (ctx->closed)
        return 0;
    ctx->closed = true;
    mw__lua_task_end(L, ctx);
    while (ctx->held)
        ctx->held->drop(ctx->held);
    mw__lua_call_end(ctx);
    ctx->ready = NULL;
    ctx->ready_end = &ctx->ready;
    if (ctx->owned)
        mw_loop_free(ctx->loop);
    ctx->loop = NULL;
    mw_arena_free(ctx->arena);
    ctx->arena = NULL;
    free(ctx->scratch);
    ctx->scratch = NULL;
    mw__lua_lent_free(ctx);
    mw__lua_plain_free(ctx->plain);
    ctx->plain = NULL;
    return 0;
}

/* Makes the context and keeps it in the registry; `loop` NULL: one of its own. [-0, +0, raises] */
static mw_lua *new_context(lua_State *L, mw_loop *loop)
{
    mw_lua *ctx = lua_newuserdatauv(L, sizeof *ctx, 0);
    memset(ctx, 0, sizeof *ctx);
    ctx->ready_end = &ctx->ready;
    ctx->closed = true; /* nothing to release yet */
    lua_newtable(L);
    lua_pushcfunction(L, l_ctx_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);

    ctx->loop = loop;
    if (!loop) {
        int rc = mw_loop_new(&ctx->loop);
        if (rc != MW_OK)
            luaL_error(L, "moonwire: can't make an event loop: %s", mw_err_text(rc));
        ctx->owned = true;
        ctx->keeps_state = true;
    }
    ctx->closed = false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    ctx->main = lua_tothread(L, -1);
    lua_pop(L, 1);
    static const mw__slot tables[] = {MW__ANCHORS, MW__OWN, MW__MODULES};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        lua_newtable(L);
        mw__lua_slot_set(L, ctx, tables[i]);
    }
    lua_pushliteral(L, "the script failed without a message");
    mw__lua_slot_set(L, ctx, MW__UNTOLD);
    lua_pushboolean(L, false); /* never nil: to set it again allocates nothing */
    mw__lua_slot_set(L, ctx, MW__TRACE);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key); /* whole, or not there at all */
    return ctx;
}

/* core.own(): errors don't blame the file that calls this. [-0, +0, raises] */
static int l_own(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_Debug ar;
    if (!lua_getstack(L, 1, &ar) || !lua_getinfo(L, "S", &ar))
        return 0;
    mw__lua_slot_push(L, ctx, MW__OWN);
    lua_pushlstring(L, ar.source, ar.srclen);
    lua_pushboolean(L, true);
    lua_rawset(L, -3);
    return 0;
}

int luaopen_moonwire_core(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx_of(L);
    if (!ctx)
        ctx = new_context(L, NULL);
    if (!ctx->opened) {
        memset(ctx->meta, 0, sizeof ctx->meta); /* an opening that failed half-way starts again */
        mw__lua_open_boxes(L, ctx);
    }
    lua_newtable(L);
    lua_pushliteral(L, MW_VERSION);
    lua_setfield(L, -2, "version");
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_own, 1);
    lua_setfield(L, -2, "own");
    mw__lua_open_errors(L, ctx);
    mw__lua_open_json(L, ctx);
    mw__lua_open_tasks(L, ctx);
    mw__lua_open_deadlines(L, ctx);
    mw__lua_open_relays(L, ctx);
    mw__lua_open_clients(L, ctx);
    mw__lua_open_connect(L, ctx);
    mw__lua_open_responses(L, ctx);
    mw__lua_open_operations(L, ctx);
    mw__lua_open_log(L, ctx);
    mw__lua_open_options(L, ctx);
    mw__lua_open_str(L, ctx);
    mw__lua_open_fs(L, ctx);
    mw__lua_open_env(L, ctx);
    mw__lua_open_server(L, ctx);
    mw__lua_open_post(L, ctx);
    mw__lua_open_documents(L, ctx);
    mw__lua_open_hmac(L, ctx);
    mw__lua_open_waits(L, ctx);
    ctx->opened = true;
    return 1;
}

void mw_lua_confine(mw_lua *ctx)
{
    ctx->confined = true;
}

mw_lua *mw_lua_preload(lua_State *L, mw_loop *loop)
{
    mw_lua *ctx = mw__lua_ctx_of(L);
    if (!ctx)
        ctx = new_context(L, loop);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_moonwire_core);
    lua_setfield(L, -2, "moonwire.core");
    lua_pop(L, 1);
    return ctx;
}
