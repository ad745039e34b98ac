/* library.c: finds and loads the chunks of the Lua library. Must not know whose state they go into. On the thread
 * of the Lua state. */
#include "library.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "embedded.h"

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

int mw__library_load(lua_State *L, const char *lua_dir, const char *name)
{
    return lua_dir ? load_from_dir(L, lua_dir, name) : load_embedded(L, name);
}
