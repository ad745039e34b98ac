/* state.c: sets up a host's Lua state: libraries, where moonwire.* comes from, package.path, `arg`.
 * Knows nothing of running scripts or of the command line. On the host's thread. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"
#include "host.h"

/* [-0, +2 or +1, raises] */
static int load_embedded(lua_State *L, const char *name)
{
    for (const mw_embedded *row = mw_embedded_lua; row->name; row++) {
        if (strcmp(row->name, name) != 0)
            continue;
        const char *chunk = lua_pushfstring(L, "=%s", name);
        if (luaL_loadbufferx(L, row->source, row->length, chunk, "t") != LUA_OK)
            return lua_error(L);
        lua_pushstring(L, ":embedded:");
        return 2;
    }
    lua_pushfstring(L, "no module '%s' in the library that is built in", name);
    return 1;
}

static bool readable(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    fclose(file);
    return true;
}

/* [-0, +2 or +1, raises] */
static int load_from_dir(lua_State *L, const char *dir, const char *name)
{
    const char *relative = luaL_gsub(L, name, ".", "/");
    const char *path = lua_pushfstring(L, "%s/%s.lua", dir, relative);
    if (!readable(path)) {
        path = lua_pushfstring(L, "%s/%s/init.lua", dir, relative);
        if (!readable(path)) {
            lua_pushfstring(L, "no file '%s/%s.lua' or '%s'", dir, relative, path);
            return 1;
        }
    }
    if (luaL_loadfilex(L, path, "t") != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, path);
    return 2;
}

/* package.searchers: moonwire and moonwire.*. Upvalue 1: the host. [-0, +1 or +2, raises] */
static int l_search(lua_State *L)
{
    const moonwire *host = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    if (strcmp(name, "moonwire") != 0 && strncmp(name, "moonwire.", 9) != 0)
        return 0;
    return host->lua_dir ? load_from_dir(L, host->lua_dir, name) : load_embedded(L, name);
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
