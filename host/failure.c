/* failure.c: reads error objects. Must not know what failed. On the thread of the Lua state. */
#include "failure.h"

#include <stdbool.h>
#include <string.h>

const char *mw__failure_field(lua_State *L, int value, const char *name)
{
    value = lua_absindex(L, value);
    if (!lua_istable(L, value) || !lua_checkstack(L, 2))
        return NULL;
    lua_pushnil(L);
    while (lua_next(L, value)) {
        bool found = lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING &&
                     strcmp(lua_tostring(L, -2), name) == 0;
        const char *text = found ? lua_tostring(L, -1) : NULL;
        lua_pop(L, found ? 2 : 1);
        if (found)
            return text;
    }
    return NULL;
}
