/* options.c: owns the reading of option tables by rows. Must not know what the options mean. Runs
 * on the thread of the Lua state. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "options_private.h"
#include "mw/request.h"

#define MAX_OPTIONS 32
#define MAX_SECONDS 4000000.0 /* fits milliseconds in 32 bits */

const char *mw__lua_got(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNONE:
        return "nothing";
    case LUA_TNIL:
        return "nil";
    default:
        return lua_pushfstring(L, "a %s", luaL_typename(L, index));
    }
}

/* core.got(value) -> "a table", "nil": for messages. [-1, +1, memory] */
static int l_got(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushstring(L, mw__lua_got(L, 1));
    return 1;
}

static int wrong(lua_State *L, mw_lua *ctx, const char *what, const char *name, const char *wanted)
{
    bool number = lua_type(L, -1) == LUA_TNUMBER; /* perhaps out of range alone */
    const char *got = number ? luaL_tolstring(L, -1, NULL) : mw__lua_got(L, -1);
    return mw__lua_raise(L, ctx, MW_INVALID, what, "%s: option '%s' must be %s, got %s", what, name,
                         wanted, got);
}

static int unknown(lua_State *L, mw_lua *ctx, const char *what, const mw__option *rows)
{
    const char *names[MAX_OPTIONS + 1] = {0};
    for (int i = 0; rows[i].name && i < MAX_OPTIONS; i++)
        names[i] = rows[i].name;
    if (lua_type(L, -2) != LUA_TSTRING)
        return mw__lua_raise(L, ctx, MW_INVALID, what,
                             "%s: options have names; got a key that is %s", what,
                             mw__lua_got(L, -2));
    const char *word = lua_tostring(L, -2);
    const char *near = mw_closest(word, names);
    if (near)
        return mw__lua_raise(L, ctx, MW_INVALID, what,
                             "%s: unknown option '%s' (did you mean '%s'?)", what, word, near);
    luaL_Buffer all;
    luaL_buffinit(L, &all);
    for (int i = 0; names[i]; i++) {
        luaL_addstring(&all, i > 0 ? ", " : "");
        luaL_addstring(&all, names[i]);
    }
    luaL_pushresult(&all);
    return mw__lua_raise(L, ctx, MW_INVALID, what, "%s: unknown option '%s'; there are %s", what,
                         word, lua_tostring(L, -1));
}

/* The value at the top as digits: an integer or a string. */
static const char *read_digits(lua_State *L, char digits[24])
{
    lua_Integer number = 0;
    if (lua_type(L, -1) == LUA_TSTRING)
        return lua_tostring(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !lua_isinteger(L, -1))
        return NULL;
    number = lua_tointeger(L, -1);
    snprintf(digits, 24, "%lld", (long long)number);
    return digits;
}

/* Stores the value at the top. [-0, +0, raises] */
static void store(lua_State *L, mw_lua *ctx, const char *what, const mw__option *row, void *target,
                  char digits[24])
{
    void *at = (char *)target + row->offset;
    double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (row->kind == MW__OPT_DIGITS)
        text = read_digits(L, digits);
    switch (row->kind) {
    case MW__OPT_STRING:
    case MW__OPT_DIGITS:
        if (!text)
            wrong(L, ctx, what, row->name, row->kind == MW__OPT_STRING ? "a string" : "an integer");
        if (text != digits && strlen(text) != lua_rawlen(L, -1))
            wrong(L, ctx, what, row->name, "without NUL");
        *(const char **)at = text;
        break;
    case MW__OPT_BOOLEAN:
        if (!lua_isboolean(L, -1))
            wrong(L, ctx, what, row->name, "true or false");
        *(bool *)at = lua_toboolean(L, -1);
        break;
    case MW__OPT_TABLE:
        if (!lua_istable(L, -1))
            wrong(L, ctx, what, row->name, "a table");
        *(bool *)at = true;
        break;
    case MW__OPT_ANY:
        *(bool *)at = true;
        break;
    case MW__OPT_RETRIES:
        if (!(number >= 0 && number <= MW_MAX_RETRIES && floor(number) == number))
            wrong(L, ctx, what, row->name, "an integer from 0 to 1000");
        *(uint32_t *)at = number > 0 ? (uint32_t)number : MW_NO_RETRIES;
        break;
    case MW__OPT_SECONDS:
        if (!(number > 0 && number <= MAX_SECONDS))
            wrong(L, ctx, what, row->name, "a number of seconds above 0");
        *(uint32_t *)at = (uint32_t)ceil(number * 1000);
        break;
    case MW__OPT_COUNT32:
        if (!(number >= 1 && number <= UINT32_MAX && floor(number) == number))
            wrong(L, ctx, what, row->name, "an integer above 0");
        *(uint32_t *)at = (uint32_t)number;
        break;
    case MW__OPT_COUNT64:
        if (!(number >= 1 && number <= 9007199254740992.0 && floor(number) == number))
            wrong(L, ctx, what, row->name, "an integer above 0");
        *(uint64_t *)at = (uint64_t)number;
        break;
    }
}

void mw__lua_option(lua_State *L, mw_lua *ctx, const char *what, const mw__option *rows,
                    const char *name, void *target, char digits[24])
{
    const mw__option *row = rows;
    while (row->name && strcmp(row->name, name) != 0)
        row++;
    if (row->name)
        store(L, ctx, what, row, target, digits);
}

void mw__lua_options(lua_State *L, mw_lua *ctx, int index, const char *what, const mw__option *rows,
                     void *target, char digits[24])
{
    if (lua_isnoneornil(L, index))
        return;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const mw__option *row = rows;
        while (row->name && strcmp(row->name, name) != 0)
            row++;
        if (!row->name)
            unknown(L, ctx, what, rows);
        store(L, ctx, what, row, target, digits);
    }
}

void mw__lua_open_options(lua_State *L, mw_lua *ctx)
{
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_got, 1);
    lua_setfield(L, -2, "got");
}
