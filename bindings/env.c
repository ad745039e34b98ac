/* env.c: owns core.env: the variables that the host grants to a script, by name. Reads no environment itself. Runs on
 * the thread of the Lua state. */
#include <string.h>

#include "lua_private.h"

/* env.NAME -> its value, or nil when it is not set. [-2, +1, raises] */
static int l_index(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    if (lua_type(L, 2) != LUA_TSTRING)
        return mw__lua_raise(L, ctx, MW_INVALID, "env",
                             "env: the name of a variable must be a string, got %s",
                             mw__lua_got(L, 2));
    const char *name = lua_tostring(L, 2);
    const char *value = NULL;
    mw_error error = {0};
    if (!*name || strlen(name) != lua_rawlen(L, 2) || strchr(name, '='))
        return mw__lua_raise(L, ctx, MW_INVALID, "env",
                             "env: the name of a variable is not empty and has no '=' or NUL byte");
    int rc = ctx->variable ? ctx->variable(name, &value, &error, ctx->variable_ud)
                           : mw_error_set(&error, MW_DENIED, name,
                                          "env: the variable '%.80s' is not granted; the host "
                                          "grants variables by name",
                                          name);
    if (rc != MW_OK) {
        error.code = rc;
        return mw__lua_raise_core(L, ctx, &error, "env");
    }
    lua_pushstring(L, value); /* nil for NULL */
    return 1;
}

static int l_newindex(lua_State *L)
{
    return mw__lua_raise(L, mw__lua_ctx(L), MW_DENIED, "env",
                         "env: variables can be read, not set; keep the value in a local variable");
}

void mw_lua_on_variable(mw_lua *ctx, mw_lua_variable_fn fn, void *ud)
{
    ctx->variable = fn;
    ctx->variable_ud = ud;
}

void mw__lua_open_env(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {
        {"__index", l_index}, {"__newindex", l_newindex}, {NULL, NULL}};
    if (!ctx->meta[MW__META_ENV]) {
        mw__lua_class_new(L, ctx, MW__META_ENV, "moonwire.env", methods);
        lua_pop(L, 1);
    }
    lua_newuserdatauv(L, 0, 0);
    mw__lua_slot_push(L, ctx, MW__META_ENV);
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "env");
}
