/* str.c: owns core.str: what scripts do to text, each in one pass over it, where a pattern may take seconds on hostile
 * text. Bytes, not characters; white space is that of ASCII. Must not know anything but strings. Runs on the thread of
 * the Lua state. */
#define _GNU_SOURCE
#include <string.h>

#include "lua_private.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* str.trim(s) [-1, +1, raises] */
static int l_trim(lua_State *L)
{
    size_t end = 0;
    size_t start = 0;
    const char *text = luaL_checklstring(L, 1, &end);
    while (start < end && is_space(text[start]))
        start++;
    while (end > start && is_space(text[end - 1]))
        end--;
    lua_pushlstring(L, text + start, end - start);
    return 1;
}

/* The most pieces that split may make. [-0, +0, raises] */
static lua_Integer read_most(lua_State *L, mw_lua *ctx, int index)
{
    if (lua_isnoneornil(L, index))
        return LUA_MAXINTEGER;
    lua_Integer most = luaL_checkinteger(L, index);
    if (most < 1)
        mw__lua_raise(L, ctx, MW_INVALID, "str.split",
                      "str.split: the number of pieces must be 1 or more, got %I", most);
    return most;
}

/* str.split(s, sep [, most]) -> { piece, ... } [-3, +1, raises] */
static int l_split(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    size_t length = 0;
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *separator = luaL_checklstring(L, 2, &size);
    lua_Integer most = read_most(L, ctx, 3);
    if (size == 0)
        return mw__lua_raise(L, ctx, MW_INVALID, "str.split",
                             "str.split: the separator is empty; give the text that separates");
    lua_settop(L, 2);
    lua_newtable(L);
    const char *end = text + length;
    lua_Integer count = 1;
    for (; count < most; count++) {
        const char *found = memmem(text, (size_t)(end - text), separator, size);
        if (!found)
            break;
        lua_pushlstring(L, text, (size_t)(found - text));
        lua_rawseti(L, 3, count);
        text = found + size;
    }
    lua_pushlstring(L, text, (size_t)(end - text));
    lua_rawseti(L, 3, count);
    return 1;
}

/* Pushes a line that ends before `end`, without the \r of its end. [-0, +1, memory] */
static void push_line(lua_State *L, const char *text, const char *end)
{
    if (end > text && end[-1] == '\r')
        end--;
    lua_pushlstring(L, text, (size_t)(end - text));
}

/* Upvalues: the text, where the next line begins. [-n, +1, memory] */
static int l_next_line(lua_State *L)
{
    size_t length = 0;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &length);
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(2));
    if (at >= length)
        return 0;
    const char *start = text + at;
    const char *found = memchr(start, '\n', length - at);
    lua_pushinteger(L, found ? (lua_Integer)(found - text) + 1 : (lua_Integer)length);
    lua_replace(L, lua_upvalueindex(2));
    if (found)
        push_line(L, start, found);
    else
        lua_pushlstring(L, start, length - at);
    return 1;
}

/* str.lines(s) -> iterator [-1, +1, raises] */
static int l_lines(lua_State *L)
{
    luaL_checklstring(L, 1, NULL);
    lua_settop(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, l_next_line, 2);
    return 1;
}

/* str.starts_with(s, prefix) [-2, +1, raises] */
static int l_starts_with(lua_State *L)
{
    size_t length = 0;
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *prefix = luaL_checklstring(L, 2, &size);
    lua_pushboolean(L, size <= length && memcmp(text, prefix, size) == 0);
    return 1;
}

/* str.ends_with(s, suffix) [-2, +1, raises] */
static int l_ends_with(lua_State *L)
{
    size_t length = 0;
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *suffix = luaL_checklstring(L, 2, &size);
    lua_pushboolean(L, size <= length && memcmp(text + length - size, suffix, size) == 0);
    return 1;
}

void mw__lua_open_str(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {{"trim", l_trim},           {"split", l_split},
                                         {"lines", l_lines},         {"starts_with", l_starts_with},
                                         {"ends_with", l_ends_with}, {NULL, NULL}};
    lua_createtable(L, 0, 5);
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
    lua_setfield(L, -2, "str");
}
