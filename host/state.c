/* state.c: sets up a host's Lua state: libraries, where moonwire.* comes from, package.path, `arg`.
 * Knows nothing of running scripts or of the command line. On the host's thread. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "library.h"

/* package.searchers: moonwire and moonwire.*. Upvalue 1: the host. [-0, +1 or +2, raises] */
static int l_search(lua_State *L)
{
    const moonwire *host = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    if (strcmp(name, "moonwire") != 0 && strncmp(name, "moonwire.", 9) != 0)
        return 0;
    return mw__library_load(L, host->lua_dir, name);
}

/* Second, behind package.preload: nothing in the script's folder shadows the library. [-0, +0,
 * raises] */
static void add_searcher(lua_State *L, moonwire *host)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushlightuserdata(L, host);
    lua_pushcclosure(L, l_search, 1);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

int mw__state_open(lua_State *L)
{
    moonwire *host = lua_touserdata(L, 1);
    luaL_checkversion(L);
    luaL_openlibs(L);
    host->lua = mw_lua_preload(L, host->loop);
    add_searcher(L, host);
    lua_getglobal(L, LUA_OSLIBNAME);
    lua_pushcfunction(L, mw__l_execute);
    lua_setfield(L, -2, "execute");
    lua_pop(L, 1);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    const char *path = lua_tostring(L, -1);
    host->base_path = strdup(path ? path : "");
    if (!host->base_path)
        return luaL_error(L, "out of memory");
    lua_pop(L, 2);
    return 0;
}

void mw__state_set_path(lua_State *L, const moonwire *host, const char *script)
{
    lua_getglobal(L, "package");
    if (lua_istable(L, -1)) {
        const char *slash = script ? strrchr(script, '/') : NULL;
        if (slash) {
            lua_pushlstring(L, script, (size_t)(slash - script));
            lua_pushfstring(L, "%s/?.lua;%s", lua_tostring(L, -1), host->base_path);
        } else if (script) {
            lua_pushfstring(L, "./?.lua;%s", host->base_path);
        } else {
            lua_pushstring(L, host->base_path);
        }
        lua_setfield(L, slash ? -3 : -2, "path");
        if (slash)
            lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void mw__state_set_arg(lua_State *L, char *const *argv, int argc, int script)
{
    int after = argc - script - 1;
    lua_createtable(L, after > 0 ? after : 0, script + 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}
