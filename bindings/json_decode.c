/* json_decode.c: owns the decoding of JSON: one pass over the text that makes Lua values as it goes. Integers are exact
 * over 64 bits, an empty array is marked as one, null is mw.null, the last of two equal keys counts. Must not know
 * where the text comes from. Runs on the thread of the Lua state.
 *
 * Whatever makes a Lua value may raise for want of memory and may run a script's finalizer, which may decode as well:
 * nothing here owns memory but the context's scratch buffer, and that is done with before a finalizer can run. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "lua_private.h"

#define KEEP_SCRATCH ((size_t)1 << 20)
#define LEVEL_SLOTS 6 /* of the Lua stack */

typedef struct reader {
    lua_State *L;
    mw_lua *ctx;
    const char *begin, *at, *end;
    int depth;
} reader;

/* ---- what is wrong; the reason is pushed, and everybody returns false ---- */

static bool fail_at(reader *r, const char *at, const char *problem)
{
    lua_pushfstring(r->L, "%s at byte %d", problem, (int)(at - r->begin) + 1);
    return false;
}

static bool fail_expected(reader *r, const char *wanted, const char *found)
{
    lua_pushfstring(r->L, "expected %s but found %s", wanted, found);
    return false;
}

static size_t word_at(const reader *r, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(r->end - r->at) >= length && memcmp(r->at, word, length) == 0 ? length : 0;
}

/* Something else stands where `wanted` should. */
static bool fail_here(reader *r, const char *wanted)
{
    static const struct {
        char first;
        const char *words;
    } tokens[] = {{'{', "'{'"},      {'}', "'}'"},      {'[', "'['"},
                  {']', "']'"},      {':', "':'"},      {',', "','"},
                  {'"', "a string"}, {'-', "a number"}, {'\0', "the end"}};
    if (r->at < r->end && (*r->at == '\0' || *r->at == 't' || *r->at == 'f' || *r->at == 'n')) {
        if (word_at(r, "true") || word_at(r, "false"))
            return fail_expected(r, wanted, "true or false");
        if (word_at(r, "null"))
            return fail_expected(r, wanted, "null");
        return fail_at(r, r->at, "an unknown word or character");
    }
    if (*r->at >= '0' && *r->at <= '9')
        return fail_expected(r, wanted, "a number");
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        if (*r->at == tokens[i].first)
            return fail_expected(r, wanted, tokens[i].words);
    }
    return fail_at(r, r->at, "an unknown word or character");
}

/* ---- scalars ---- */

static void skip_space(reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')
        r->at++;
}

/* The context's scratch buffer, of at least `size` bytes. NULL: no memory. */
static char *take_scratch(mw_lua *ctx, size_t size)
{
    if (ctx->scratch_size >= size)
        return ctx->scratch;
    char *scratch = realloc(ctx->scratch, size + size / 2);
    if (!scratch)
        return NULL;
    ctx->scratch = scratch;
    ctx->scratch_size = size + size / 2;
    return scratch;
}

/* A large one is not kept. */
static void drop_scratch(mw_lua *ctx)
{
    if (ctx->scratch_size <= KEEP_SCRATCH)
        return;
    free(ctx->scratch);
    ctx->scratch = NULL;
    ctx->scratch_size = 0;
}

/* The string at `at`, of which `wanted` is the name in errors. [-0, +1, memory] */
static bool push_string(reader *r, const char *wanted)
{
    const char *from = r->at + 1;
    const char *problem = NULL;
    bool escaped;
    const char *quote = mw__json_string_end(from, r->end, &escaped, &problem);
    if (!quote)
        return fail_at(r, r->at, problem);
    if (!escaped) {
        lua_pushlstring(r->L, from, (size_t)(quote - from));
        r->at = quote + 1;
        return true;
    }
    char *text = take_scratch(r->ctx, (size_t)(quote - from));
    if (!text)
        return fail_at(r, r->at, "out of memory");
    const char *end = mw__json_unescape(from, quote, text, &problem);
    if (!end)
        return fail_expected(r, wanted, problem);
    lua_pushlstring(r->L, text, (size_t)(end - text));
    r->at = quote + 1;
    return true;
}

/* A number with more digits than can be read at once, by Lua's own reader. [-0, +1, memory] */
static bool push_long_number(reader *r, const char *end)
{
    size_t length = (size_t)(end - r->at);
    char *text = take_scratch(r->ctx, length + 1);
    if (!text)
        return fail_at(r, r->at, "out of memory");
    memcpy(text, r->at, length);
    text[length] = '\0';
    if (lua_stringtonumber(r->L, text) == 0)
        lua_pushnumber(r->L, HUGE_VAL);
    if (!lua_isinteger(r->L, -1) && !isfinite(lua_tonumber(r->L, -1))) {
        lua_pop(r->L, 1);
        lua_pushliteral(r->L, "a number is out of range");
        return false;
    }
    r->at = end;
    return true;
}

/* [-0, +1, memory] */
static bool push_number(reader *r)
{
    mw__json_number number;
    const char *end = mw__json_number_read(r->at, &number);
    if (!end)
        return fail_at(r, r->at, "a number that is not JSON");
    if (number.type == MW__JSON_TEXT)
        return push_long_number(r, end);
    if (number.type == MW__JSON_INTEGER)
        lua_pushinteger(r->L, number.integer);
    else
        lua_pushnumber(r->L, number.number);
    r->at = end;
    return true;
}

/* ---- tables ---- */

/* Objects under the same key tend to be alike: how large the last one was saves the growing of the next. Two
 * keys that share a place only make a table larger or smaller than it had to be. */
static unsigned place_of(const char *key, size_t length)
{
    if (length == 0)
        return 0;
    return (unsigned)(length * 31) + (unsigned char)key[0] * 7u + (unsigned char)key[length - 1];
}

static unsigned char *size_at(mw_lua *ctx, unsigned place)
{
    return &ctx->json_sizes[place % sizeof ctx->json_sizes];
}

static void keep_size(unsigned char *place, lua_Integer size)
{
    *place = size < UCHAR_MAX ? (unsigned char)size : UCHAR_MAX;
}

static bool push_value(reader *r, unsigned place);

/* Goes in behind a bracket, and past the spaces there. */
static bool enter(reader *r)
{
    if (r->depth >= MW_MAX_DEPTH)
        return fail_at(r, r->at, "nested deeper than 100 levels");
    luaL_checkstack(r->L, LEVEL_SLOTS, "nested too deeply");
    r->depth++;
    r->at++;
    skip_space(r);
    return true;
}

/* Goes past a comma, or out behind `close`, whichever stands there; `*more` says which. */
static bool next(reader *r, char close, const char *wanted, bool *more)
{
    skip_space(r);
    if (*r->at != ',' && *r->at != close)
        return fail_here(r, wanted);
    *more = *r->at++ == ',';
    if (*more)
        skip_space(r);
    else
        r->depth--;
    return true;
}

/* [-0, +1, memory] */
static bool push_array(reader *r, unsigned place)
{
    lua_State *L = r->L;
    if (!enter(r))
        return false;
    if (*r->at == ']') {
        r->at++;
        r->depth--;
        lua_newtable(L);
        mw__lua_mark_array(L, r->ctx);
        return true;
    }
    unsigned char *size = size_at(r->ctx, place);
    lua_createtable(L, *size, 0);
    lua_Integer count = 0;
    for (bool more = true; more;) {
        if (!push_value(r, place * 3 + 1))
            return false;
        lua_rawseti(L, -2, ++count);
        if (!next(r, ']', "',' or ']'", &more))
            return false;
    }
    keep_size(size, count);
    return true;
}

/* [-0, +1, memory] */
static bool push_object(reader *r, unsigned place)
{
    lua_State *L = r->L;
    if (!enter(r))
        return false;
    if (*r->at == '}') {
        r->at++;
        r->depth--;
        lua_newtable(L);
        return true;
    }
    unsigned char *size = size_at(r->ctx, place);
    lua_createtable(L, 0, *size);
    lua_Integer count = 0;
    for (bool more = true; more; count++) {
        static const char wanted[] = "a key in quotes";
        if (*r->at != '"')
            return fail_here(r, wanted);
        const char *name = r->at + 1;
        if (!push_string(r, wanted))
            return false;
        unsigned inner = place_of(name, (size_t)(r->at - name) - 1);
        skip_space(r);
        if (*r->at != ':')
            return fail_here(r, "':'");
        r->at++;
        skip_space(r);
        if (!push_value(r, inner))
            return false;
        lua_rawset(L, -3);
        if (!next(r, '}', "',' or '}'", &more))
            return false;
    }
    keep_size(size, count);
    return true;
}

/* The value at `at`; `place` is where its size is kept. [-0, +1, memory] */
static bool push_value(reader *r, unsigned place)
{
    static const char wanted[] = "a value";
    size_t word = 0;
    switch (*r->at) {
    case '"':
        return push_string(r, wanted);
    case '{':
        return push_object(r, place);
    case '[':
        return push_array(r, place);
    case 't':
    case 'f':
        word = word_at(r, *r->at == 't' ? "true" : "false");
        if (word > 0)
            lua_pushboolean(r->L, *r->at == 't');
        break;
    case 'n':
        word = word_at(r, "null");
        if (word > 0)
            lua_pushlightuserdata(r->L, NULL);
        break;
    default:
        if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
            return push_number(r);
    }
    r->at += word;
    return word > 0 || fail_here(r, wanted);
}

bool mw__lua_json_decode(lua_State *L, mw_lua *ctx, const char *text, size_t length)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3; /* a byte order mark is not part of the text */
        length -= 3;
    }
    int top = lua_gettop(L);
    reader r = {.L = L, .ctx = ctx, .begin = text, .at = text, .end = text + length};
    skip_space(&r);
    bool good = push_value(&r, 0);
    if (good) {
        skip_space(&r);
        good = r.at == r.end || fail_here(&r, "the end");
    }
    drop_scratch(ctx);
    if (!good) {
        lua_insert(L, top + 1);
        lua_settop(L, top + 1);
    }
    return good;
}
