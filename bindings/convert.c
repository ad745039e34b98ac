/* convert.c: owns the way from Lua values to the core's trees. Must not know operations: what fits
 * a row is the core's business. Raw access only and nothing allocated in Lua, so no script code runs
 * within. Runs on the thread of the Lua state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua_private.h"

#define ARENA_CAP ((size_t)512 << 20)

/* Where in the arguments we are, for messages; on the C stack. */
typedef struct place {
    const struct place *up;
    const char *name;  /* of a member, or NULL */
    lua_Integer index; /* of an element */
} place;

typedef struct converter {
    lua_State *L;
    mw_lua *ctx;
    mw_arena *arena;
    const char *what;
} converter;

mw_arena *mw__lua_arena_take(lua_State *L, mw_lua *ctx, const char *what)
{
    mw_arena *arena = ctx->arena;
    ctx->arena = NULL;
    if (!arena)
        arena = mw_arena_new(ARENA_CAP);
    if (!arena)
        mw__lua_raise(L, ctx, MW_MEMORY, what, "%s", mw_err_text(MW_MEMORY));
    return arena;
}

void mw__lua_arena_give(mw_lua *ctx, mw_arena *arena)
{
    if (!arena)
        return;
    if (ctx->arena || ctx->closed) {
        mw_arena_free(arena);
        return;
    }
    mw_arena_reset(arena);
    ctx->arena = arena;
}

/* "a.b[2].c" [-0, +0, raises through the buffer] */
static void add_place(luaL_Buffer *text, const place *at)
{
    if (at->up)
        add_place(text, at->up);
    if (!at->name) {
        char digits[32];
        snprintf(digits, sizeof digits, "[%lld]", (long long)at->index);
        luaL_addstring(text, digits);
        return;
    }
    if (!*at->name)
        return;
    if (at->up && (!at->up->name || *at->up->name))
        luaL_addchar(text, '.');
    luaL_addstring(text, at->name);
}

/* "contacts:update: attributes.tags[3]: problem" [-0, +0, raises] */
static int refuse(const converter *to, const place *at, const char *problem)
{
    lua_State *L = to->L;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    const place *tail = at;
    for (int skipped = 0; tail->up && skipped < 12; skipped++)
        tail = tail->up;
    add_place(&text, tail->up ? &(place){.name = "...", .index = 0} : at);
    luaL_pushresult(&text);
    const char *name = lua_tostring(L, -1);
    return mw__lua_raise(L, to->ctx, MW_INVALID, to->what, "%s: %s%s%s%s", to->what,
                         *name ? "'" : "", name, *name ? "' " : "", problem);
}

static void refuse_memory(const converter *to)
{
    mw__lua_raise(to->L, to->ctx, MW_MEMORY, to->what, "%s: the arguments are too large", to->what);
}

static void *take(const converter *to, size_t size)
{
    void *memory = mw_arena_alloc(to->arena, size);
    if (!memory)
        refuse_memory(to);
    return memory;
}

static void convert(const converter *to, int index, const place *at, int depth, mw_value *value);

/* What the keys of the table at `index` are. */
typedef struct keys {
    lua_Unsigned strings, integers, others;
    lua_Integer largest;
} keys;

static keys count_keys(lua_State *L, int index)
{
    keys count = {0};
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            count.strings++;
        } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
            count.integers++;
            if (lua_tointeger(L, -2) > count.largest)
                count.largest = lua_tointeger(L, -2);
        } else {
            count.others++;
        }
    }
    return count;
}

static void convert_list(const converter *to, int index, const place *at, int depth, size_t count,
                         mw_value *value)
{
    mw_value *items = count > 0 ? take(to, count * sizeof *items) : NULL;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(to->L, index, (lua_Integer)i + 1);
        convert(to, lua_gettop(to->L), &(place){.up = at, .index = (lua_Integer)i + 1}, depth + 1,
                &items[i]);
        lua_pop(to->L, 1);
    }
    value->type = MW_V_ARRAY;
    value->length = count;
    value->as.items = items;
}

static int by_name(const void *a, const void *b)
{
    const mw_member *one = a;
    const mw_member *two = b;
    size_t length = one->name_length < two->name_length ? one->name_length : two->name_length;
    int order = memcmp(one->name, two->name, length);
    return order != 0
               ? order
               : (one->name_length > two->name_length) - (one->name_length < two->name_length);
}

/* Of a response that still has them packed. [-0, +0, raises] */
static void convert_headers(const converter *to, mw_member *member)
{
    mw_member *headers = mw__lua_response_packed(to->L, to->arena, member);
    if (!headers)
        refuse_memory(to);
    qsort(headers, member->value.length, sizeof *headers, by_name);
}

/* Members are sorted by name: the order of a Lua table is random, and the same call should send the
 * same bytes. */
static void convert_object(const converter *to, int index, const place *at, int depth, size_t count,
                           mw_value *value)
{
    lua_State *L = to->L;
    mw_member *members = take(to, count * sizeof *members);
    size_t at_member = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        mw_member *member = &members[at_member++];
        if (lua_type(L, -2) != LUA_TSTRING) {
            convert_headers(to, member);
            continue;
        }
        member->name = lua_tolstring(L, -2, &member->name_length);
        convert(to, lua_gettop(L), &(place){.up = at, .name = member->name}, depth + 1,
                &member->value);
    }
    qsort(members, at_member, sizeof *members, by_name);
    value->type = MW_V_OBJECT;
    value->length = at_member;
    value->as.members = members;
}

static void convert_table(const converter *to, int index, const place *at, int depth,
                          mw_value *value)
{
    lua_State *L = to->L;
    if (depth > MW_MAX_DEPTH +
                    1) /* the table of parameters is one more; the core counts the body exactly */
        refuse(to, at, "is nested deeper than 100 levels (does a table hold itself?)");
    luaL_checkstack(L, 6, "tables are nested too deeply");
    bool array = false;
    if (lua_getmetatable(L, index)) {
        array = lua_topointer(L, -1) == to->ctx->meta[MW__META_ARRAY];
        lua_pop(L, 1);
    }
    keys count = count_keys(L, index);
    if (mw__lua_response_is_packed(L, to->ctx, index)) {
        count.others--;
        count.strings++;
    }
    bool list =
        count.strings == 0 && count.others == 0 && (lua_Unsigned)count.largest == count.integers;
    if (array && !list)
        refuse(to, at,
               "is an array, so its keys must be 1, 2, 3... without holes (mw.null fills one)");
    if (count.strings == 0 && count.integers == 0 && count.others == 0 && !array)
        value->type = MW_V_EMPTY;
    else if (list)
        convert_list(to, index, at, depth, (size_t)count.integers, value);
    else if (count.integers == 0 && count.others == 0)
        convert_object(to, index, at, depth, (size_t)count.strings, value);
    else
        refuse(to, at, "must have either string keys or the keys 1, 2, 3... without holes");
}

static void convert(const converter *to, int index, const place *at, int depth, mw_value *value)
{
    lua_State *L = to->L;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TNONE:
        value->type = MW_V_NONE;
        break;
    case LUA_TBOOLEAN:
        value->type = MW_V_BOOLEAN;
        value->as.boolean = lua_toboolean(L, index);
        break;
    case LUA_TNUMBER:
        value->type = lua_isinteger(L, index) ? MW_V_INTEGER : MW_V_NUMBER;
        if (value->type == MW_V_INTEGER)
            value->as.integer = lua_tointeger(L, index);
        else
            value->as.number = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        value->type = MW_V_STRING;
        value->as.string = lua_tolstring(L, index, &value->length);
        break;
    case LUA_TTABLE:
        convert_table(to, index, at, depth, value);
        break;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index)) {
            value->type = MW_V_NULL;
            break;
        }
        /* fallthrough */
    default:
        lua_pushfstring(L, "can't be sent: it is a %s", luaL_typename(L, index));
        refuse(to, at, lua_tostring(L, -1));
    }
}

void mw__lua_to_value(lua_State *L, mw_lua *ctx, mw_arena *arena, int index, const char *what,
                      const char *name, mw_value *value)
{
    converter to = {.L = L, .ctx = ctx, .arena = arena, .what = what};
    memset(value, 0, sizeof *value);
    luaL_checkstack(L, LUA_MINSTACK, "too many arguments");
    convert(&to, lua_absindex(L, index), &(place){.name = name}, 1, value);
}
