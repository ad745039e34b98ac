/* arguments.c: owns the reading of options that no row describes, and of tables of headers. Must not know what they are
 * for. Runs on the thread of the Lua state. */
#include "arguments_private.h"

#include <string.h>

void mw__lua_options_own(lua_State *L, int index)
{
    lua_newtable(L);
    int copy = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, copy);
    }
    lua_replace(L, index);
}

int mw__lua_options_take(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_pushvalue(L, -1);
    int type = lua_rawget(L, index);
    lua_insert(L, -2);
    lua_pushnil(L);
    lua_rawset(L, index);
    return type;
}

/* Reads one header value at the top into `header`. A number is converted; `anchors` keeps the strings, because a
 * finalizer may empty the table of headers. False: the reason is on top of it. [-0, +0 or +1, memory] */
static bool read_header(lua_State *L, const char *name, int anchors, mw_header *header)
{
    int type = lua_type(L, -1);
    size_t length;
    if (type != LUA_TSTRING && type != LUA_TNUMBER) {
        lua_pushfstring(L, "the value of header '%s' is a %s, not a string", name,
                        luaL_typename(L, -1));
        return false;
    }
    lua_Integer kept = (lua_Integer)lua_rawlen(L, anchors);
    header->name = lua_pushstring(L, name);
    lua_rawseti(L, anchors, kept + 1);
    lua_pushvalue(L, -1);
    header->value = lua_tolstring(L, -1, &length);
    lua_rawseti(L, anchors, kept + 2);
    if (strlen(header->value) == length)
        return true;
    lua_pushfstring(L, "the value of header '%s' holds a NUL", name);
    return false;
}

/* Reads the values at the top under the name below them. Returns how many, or -1 with the reason at the top.
 * [-0, +0 or +1, memory] */
static int read_values(lua_State *L, int anchors, mw_header *headers, size_t room)
{
    if (lua_type(L, -2) != LUA_TSTRING) {
        lua_pushfstring(L, "a header name is a %s, not a string", luaL_typename(L, -2));
        return -1;
    }
    const char *name = lua_tostring(L, -2);
    bool list = lua_type(L, -1) == LUA_TTABLE;
    size_t values = list ? lua_rawlen(L, -1) : 1;
    if (values > room) {
        lua_pushfstring(L, "more than %d headers", MW__MAX_HEADERS);
        return -1;
    }
    for (size_t i = 1; i <= values; i++) {
        if (list)
            lua_rawgeti(L, -1, (lua_Integer)i);
        if (!read_header(L, name, anchors, &headers[i - 1]))
            return -1;
        if (list)
            lua_pop(L, 1);
    }
    return (int)values;
}

int mw__lua_headers_read(lua_State *L, int index, mw_header *headers)
{
    int count = 0;
    lua_newtable(L);
    int anchors = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        int values = read_values(L, anchors, headers + count, (size_t)(MW__MAX_HEADERS - count));
        if (values < 0) {
            lua_replace(L, anchors);
            lua_settop(L, anchors);
            return -1;
        }
        count += values;
        lua_pop(L, 1);
    }
    return count;
}
