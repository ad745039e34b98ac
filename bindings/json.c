/* json.c: owns json_encode, json_decode, null and array as scripts see them. Must not know
 * requests. Runs on the thread of the Lua state. */
#include <stdlib.h>

#include "lua_private.h"

#define MAX_TEXT ((size_t)256 << 20)

/* The box of an encoded text, so that an error in between frees it. */
typedef struct textbox {
    mw__waiter waiter;
    mw_arena *arena;
    char *text;
} textbox;

static void free_text(mw__waiter *waiter)
{
    textbox *box = (textbox *)waiter;
    mw__lua_arena_give(waiter->ctx, box->arena);
    free(box->text);
    box->arena = NULL;
    box->text = NULL;
}

/* core.json_encode(value) -> string. [-1, +1, raises] */
static int l_encode(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    textbox *box = mw__lua_box_new(L, ctx, sizeof *box, 0, free_text);
    lua_toclose(L, 2);
    box->arena = mw__lua_arena_take(L, ctx, "json.encode");
    mw_value value;
    mw__lua_to_value(L, ctx, box->arena, 1, "json.encode", "", &value);
    if (value.type == MW_V_NONE)
        return mw__lua_raise(L, ctx, MW_INVALID, "json.encode",
                             "json.encode: nil has no JSON; use mw.null");
    mw_error error = {0};
    size_t length = 0;
    int rc = mw_json_write(&value, MAX_TEXT, &box->text, &length, &error);
    if (rc != MW_OK) {
        error.code = rc;
        return mw__lua_raise_core(L, ctx, &error, "json.encode");
    }
    lua_pushlstring(L, box->text, length);
    mw__lua_box_release(&box->waiter);
    return 1;
}

/* core.json_decode(text) -> value. [-1, +1, raises] */
static int l_decode(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    size_t length = 0;
    const char *text = luaL_checklstring(L, 1, &length);
    if (mw__lua_json_decode(L, ctx, text, length))
        return 1;
    /* The kind says "decode" already. */
    return mw__lua_raise(L, ctx, MW_DECODE, "json", "not JSON: %s", lua_tostring(L, -1));
}

void mw__lua_mark_array(lua_State *L, mw_lua *ctx)
{
    mw__lua_slot_push(L, ctx, MW__META_ARRAY);
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, -2) != LUA_TNIL) { /* a script put it there: no finalizer comes in this way */
        lua_pushliteral(L, "__gc");
        lua_pushnil(L);
        lua_rawset(L, -4);
    }
    lua_pop(L, 1);
    lua_setmetatable(L, -2);
}

/* core.array(t) -> t, marked as an array; without t a new one. [-1, +1, raises] */
static int l_array(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    mw__lua_mark_array(L, ctx);
    return 1;
}

/* core.is_array(value): whether it is marked. [-1, +1, raises] */
static int l_is_array(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checkany(L, 1);
    bool marked = lua_istable(L, 1) && lua_getmetatable(L, 1);
    lua_pushboolean(L, marked && lua_topointer(L, -1) == ctx->meta[MW__META_ARRAY]);
    return 1;
}

void mw__lua_open_json(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {{"json_encode", l_encode},
                                         {"json_decode", l_decode},
                                         {"array", l_array},
                                         {"is_array", l_is_array},
                                         {NULL, NULL}};
    if (!ctx->meta[MW__META_ARRAY]) {
        lua_newtable(L); /* open: a script may look at it, it holds nothing but its name */
        lua_pushliteral(L, "moonwire.array");
        lua_setfield(L, -2, "__name");
        ctx->meta[MW__META_ARRAY] = lua_topointer(L, -1);
        mw__lua_slot_set(L, ctx, MW__META_ARRAY);
    }
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
}
