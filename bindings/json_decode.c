/* json_decode.c: owns the exact decoding of JSON on top of lua-cjson: the call of cjson and the
 * walk over its result that puts right what json_scan.c has tagged. Bytes that are not UTF-8 are
 * kept as they are. Must not know where the text comes from. Runs on the thread of the Lua
 * state. */
#include <math.h>
#include <string.h>

#include "lua_private.h"

#define EXACT 9007199254740992.0 /* 2^53: integral floats up to here are exact */

typedef struct walker {
    lua_State *L;
    mw_lua *ctx;
    bool tagged;
    bool overflow; /* a number beyond the doubles was seen */
} walker;

/* Pushes the value of a tagged string. [-0, +1, memory] */
static void push_tagged(walker *walk, const char *text)
{
    lua_State *L = walk->L;
    if (*text == 'a') {
        lua_newtable(L);
        mw__lua_mark_array(L, walk->ctx);
        return;
    }
    if (lua_stringtonumber(L, text + 1) == 0)
        lua_pushnumber(L, HUGE_VAL);
    if (!lua_isinteger(L, -1) && !isfinite(lua_tonumber(L, -1)))
        walk->overflow = true;
}

static void walk_table(walker *walk);

/* Pushes what should stand in place of the value at the top; false: nothing, it is right.
 * [-0, +1 or +0, memory] */
static bool replace(walker *walk)
{
    lua_State *L = walk->L;
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER: {
        if (lua_isinteger(L, -1))
            return false;
        double number = lua_tonumber(L, -1);
        if (!(number >= -EXACT && number <= EXACT) || floor(number) != number)
            return false;
        lua_pushinteger(L, (lua_Integer)number);
        return true;
    }
    case LUA_TSTRING: {
        if (!walk->tagged)
            return false;
        size_t length = 0;
        const char *text = lua_tolstring(L, -1, &length);
        if (length <= MW__TAG_LENGTH || *text != 0x7f ||
            memcmp(text, walk->ctx->tag, MW__TAG_LENGTH) != 0)
            return false;
        push_tagged(walk, text + MW__TAG_LENGTH);
        return true;
    }
    case LUA_TTABLE:
        walk_table(walk);
        return false;
    default:
        return false;
    }
}

/* Mends the table at the top in place. [-0, +0, memory] */
static void walk_table(walker *walk)
{
    lua_State *L = walk->L;
    luaL_checkstack(L, 6, "nested too deeply");
    int table = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, table);
    if (count > 0) {
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, table, i);
            if (replace(walk))
                lua_rawseti(L, table, i);
            lua_pop(L, 1);
        }
        return;
    }
    for (lua_pushnil(L); lua_next(L, table);) {
        if (replace(walk)) {
            lua_pushvalue(L, -3);
            lua_insert(L, -2);
            lua_rawset(L, table);
        }
        lua_pop(L, 1);
    }
}

/* Pushes cjson's decode. cjson is loaded here, on first use. [-0, +1, raises] */
static void push_decode(lua_State *L, mw_lua *ctx)
{
    mw__lua_slot_push(L, ctx, MW__DECODE);
    if (lua_isfunction(L, -1))
        return;
    lua_pop(L, 1);
    mw__lua_slot_push(L, ctx, MW__REQUIRE);
    lua_pushliteral(L, "cjson");
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        luaL_error(
            L, "moonwire needs lua-cjson, which can't be loaded (Debian: apt install lua-cjson)");
    lua_getfield(L, -1, "new"); /* an instance of our own: its settings are nobody else's */
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "decode_max_depth");
    lua_pushinteger(L, MW_MAX_DEPTH + 1);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode_invalid_numbers");
    lua_pushboolean(L, false);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode");
    lua_pushvalue(L, -1);
    mw__lua_slot_set(L, ctx, MW__DECODE);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* What cjson calls things, and what people do. */
static const struct {
    const char *jargon, *words;
} terms[] = {
    {"value", "a value"},
    {"object key string", "a key in quotes"},
    {"colon", "':'"},
    {"comma or object end", "',' or '}'"},
    {"comma or array end", "',' or ']'"},
    {"T_OBJ_BEGIN", "'{'"},
    {"T_OBJ_END", "'}'"},
    {"T_ARR_BEGIN", "'['"},
    {"T_ARR_END", "']'"},
    {"T_STRING", "a string"},
    {"T_NUMBER", "a number"},
    {"T_BOOLEAN", "true or false"},
    {"T_NULL", "null"},
    {"T_COLON", "':'"},
    {"T_COMMA", "','"},
    {"T_END", "the end"},
};

/* Pushes a term of cjson in words. A tagged value is a string to cjson only. [-0, +1, memory] */
static const char *push_term(lua_State *L, const char *term, size_t length, bool tagged)
{
    if (tagged && length == 8 && memcmp(term, "T_STRING", length) == 0)
        return lua_pushliteral(L, "a value");
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        if (strlen(terms[i].jargon) == length && memcmp(terms[i].jargon, term, length) == 0)
            return lua_pushstring(L, terms[i].words);
    }
    return lua_pushlstring(L, term, length);
}

/* Puts the error of cjson at the top, "Expected value but found T_END at character 1", in words.
 * Its position counts characters of the rewritten text and would mislead. [-1, +1, memory] */
static void explain(lua_State *L, bool tagged)
{
    static const char expected[] = "Expected ";
    static const char found[] = " but found ";
    int top = lua_gettop(L);
    const char *text = luaL_tolstring(L, -1, NULL);
    const char *position = strstr(text, " at character ");
    size_t length = position ? (size_t)(position - text) : strlen(text);
    const char *middle = strstr(text, found);
    if (strncmp(text, expected, sizeof expected - 1) == 0 && middle && middle < text + length) {
        const char *from = text + sizeof expected - 1;
        const char *wanted = push_term(L, from, (size_t)(middle - from), tagged);
        from = middle + sizeof found - 1;
        const char *got = push_term(L, from, (size_t)(text + length - from), tagged);
        lua_pushfstring(L, "expected %s but found %s", wanted, got);
    } else {
        lua_pushlstring(L, text, length);
    }
    lua_replace(L, top);
    lua_settop(L, top);
}

bool mw__lua_json_decode(lua_State *L, mw_lua *ctx, const char *text, size_t length)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    walker walk = {.L = L, .ctx = ctx};
    push_decode(L, ctx);
    if (!mw__lua_json_scan(L, ctx, text, length, &walk.tagged)) {
        lua_remove(L, -2);
        return false;
    }
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        explain(L, walk.tagged);
        return false;
    }
    if (replace(&walk))
        lua_remove(L, -2);
    if (!walk.overflow)
        return true;
    lua_pop(L, 1);
    lua_pushliteral(L, "a number is out of range");
    return false;
}
