/* vm_text.c: owns how a script's values become text: print, tostring, string.format and log lines, none of which
 * shows where in memory something is. Must not know where text goes. On the thread of the state. */
#include <string.h>

#include <lauxlib.h>

#include "vm.h"

static const char names_key =
    0; /* its address: table with weak keys: object -> number; [0]: the last number */

/* The number of the object at `index`, the same as long as it lives. [-0, +0, memory] */
static lua_Integer number_of(lua_State *L, int index)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "k");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
    }
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_rawgeti(L, -1, 0);
        lua_Integer next = lua_tointeger(L, -1) + 1;
        lua_pop(L, 1);
        lua_pushvalue(L, index);
        lua_pushinteger(L, next);
        lua_rawset(L, -3);
        lua_pushinteger(L, next);
        lua_rawseti(L, -2, 0);
        lua_pushinteger(L, next);
    }
    lua_Integer number = lua_tointeger(L, -1);
    lua_pop(L, 2);
    return number;
}

/* Whether Lua would show its address, unless it has a __tostring. */
static bool is_object(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
        return false;
    default:
        return true;
    }
}

const char *mw__vm_tostring(lua_State *L, int index)
{
    luaL_checkstack(L, 8, NULL);
    index = lua_absindex(L, index);
    if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_pop(L, 1);
        return luaL_tolstring(L, index, NULL);
    }
    if (!is_object(L, index))
        return luaL_tolstring(L, index, NULL);
    int type = luaL_getmetafield(L, index, "__name");
    const char *kind = type == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, index);
    if (lua_type(L, index) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, index))
        lua_pushfstring(L, "%s: (nil)", kind);
    else
        lua_pushfstring(L, "%s: %I", kind, number_of(L, index));
    if (type != LUA_TNIL)
        lua_remove(L, -2);
    return lua_tostring(L, -1);
}

/* [-1, +1, raises] */
int mw__vm_l_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    mw__vm_tostring(L, 1);
    return 1;
}

/* [-n, +0, raises] */
int mw__vm_l_print(lua_State *L)
{
    const mw__vm *vm = lua_touserdata(L, lua_upvalueindex(2));
    int count = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        mw__vm_tostring(L, i);
        luaL_addvalue(&line);
    }
    luaL_addchar(&line, '\n');
    luaL_pushresult(&line);
    size_t length = 0;
    const char *text = lua_tolstring(L, -1, &length);
    vm->options.print(text, length, vm->options.ud);
    return 0;
}

/* Objects that "%s" takes become text here; the rest is Lua's. [-n, +1, raises] */
int mw__vm_l_format(lua_State *L)
{
    size_t length = 0;
    const char *at = luaL_checklstring(L, 1, &length);
    const char *end = at + length;
    int top = lua_gettop(L);
    for (int arg = 2; at < end;) {
        if (*at++ != '%')
            continue;
        while (at < end && *at && strchr("-+ #.0123456789", *at))
            at++;
        if (at == end || *at == '%') {
            at++;
            continue;
        }
        if (*at == 'p')
            return luaL_error(
                L, "invalid conversion '%%p' to 'format': a sandboxed script sees no addresses");
        if (*at == 's' && arg <= top && is_object(L, arg)) {
            mw__vm_tostring(L, arg);
            lua_replace(L, arg);
        }
        at++;
        arg++;
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* core.log(level, ...) [-n, +0, raises] */
int mw__vm_l_log(lua_State *L)
{
    int count = lua_gettop(L);
    for (int i = 2; i <= count; i++) {
        mw__vm_tostring(L, i);
        lua_replace(L, i);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, 0);
    return 0;
}
