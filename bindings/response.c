/* response.c: owns the second result of a call: a table of status and times, whose headers are made when somebody
 * looks. Until then it keeps them as the text "name\0value\0name\0value\0" under a key that no script writes; once they
 * are made it is a table like any other. Whatever a script puts under that key is read with its length in mind. Must
 * not know who asked. Runs on the thread of the Lua state. */
#include <string.h>

#include "client_private.h"

static const char packed_key = 0; /* its address is the key */

typedef struct header {
    const char *name, *value;
    size_t name_length, value_length;
} header;

static const char *take_text(const char **at, const char *end, size_t *length)
{
    const char *text = *at;
    const char *nul = memchr(text, '\0', (size_t)(end - text));
    if (!nul)
        return NULL;
    *length = (size_t)(nul - text);
    *at = nul + 1;
    return text;
}

/* The next header of a packed text, or false at its end. */
static bool next_header(const char **at, const char *end, header *found)
{
    found->name = take_text(at, end, &found->name_length);
    found->value = found->name ? take_text(at, end, &found->value_length) : NULL;
    return found->value != NULL;
}

/* Pushes { name = value }, repeated names joined by ", ", of the packed text at the top. [-1, +1, memory] */
static void unpack_headers(lua_State *L)
{
    size_t length = 0;
    const char *at = lua_tolstring(L, -1, &length);
    const char *end = at + length;
    lua_newtable(L);
    for (header h; next_header(&at, end, &h);) {
        lua_pushlstring(L, h.name, h.name_length);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TSTRING) {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, h.value, h.value_length);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushlstring(L, h.value, h.value_length);
        }
        lua_rawset(L, -3);
    }
    lua_remove(L, -2);
}

/* Gives the response at 1 its headers, and makes it a table like any other. [-0, +0, memory] */
static void fill(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, 10, NULL);
    if (lua_rawgetp(L, 1, &packed_key) == LUA_TSTRING) {
        unpack_headers(L);
        lua_pushliteral(L, "headers");
        lua_insert(L, -2);
        lua_rawset(L, 1);
        lua_pushnil(L);
        lua_rawsetp(L, 1, &packed_key);
        lua_pushnil(L);
        lua_setmetatable(L, 1);
    } else {
        lua_pop(L, 1);
    }
}

/* __index(response, key) [-2, +1, memory] */
static int l_get(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "headers") != 0)
        return 0;
    fill(L);
    lua_settop(L, 2);
    lua_rawget(L, 1);
    return 1;
}

/* __newindex(response, key, value) [-3, +0, raises] */
static int l_set(lua_State *L)
{
    fill(L);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 0;
}

static int l_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

/* __pairs(response) [-1, +3, memory] */
static int l_pairs(lua_State *L)
{
    fill(L);
    lua_pushcfunction(L, l_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

void mw__lua_response_push(lua_State *L, mw_lua *ctx, const mw_answer *answer)
{
    static const char *const once[] = {
        [MW_ONCE_SENT] = "sent", [MW_ONCE_FOUND] = "found", [MW_ONCE_DONE] = "done"};
    lua_createtable(L, 0, 7);
    lua_pushinteger(L, answer->status);
    lua_setfield(L, -2, "status");
    lua_pushnumber(L, (double)answer->elapsed_us / 1e6);
    lua_setfield(L, -2, "elapsed");
    lua_pushinteger(L, (lua_Integer)answer->attempts);
    lua_setfield(L, -2, "attempts");
    lua_pushnumber(L, (double)answer->waited_us / 1e6);
    lua_setfield(L, -2, "waited");
    if (answer->request_id && *answer->request_id) {
        lua_pushstring(L, answer->request_id);
        lua_setfield(L, -2, "request_id");
    }
    if (answer->once != MW_ONCE_NOT) {
        lua_pushstring(L, once[answer->once]);
        lua_setfield(L, -2, "once");
    }
    const mw_header *last = answer->headers + answer->header_count - 1;
    if (answer->header_count > 0)
        lua_pushlstring(L, answer->headers->name,
                        (size_t)(last->value + strlen(last->value) + 1 - answer->headers->name));
    else
        lua_pushliteral(L, "");
    lua_rawsetp(L, -2, &packed_key);
    mw__lua_slot_push(L, ctx, MW__META_RESPONSE);
    lua_setmetatable(L, -2);
}

/* The member of that name, made where there is none. NULL: no memory. */
static mw_member *member_of(mw_value *object, const header *h)
{
    mw_member *members = (mw_member *)(uintptr_t)object->as.members;
    for (size_t i = 0; i < object->length; i++) {
        if (members[i].name_length == h->name_length &&
            memcmp(members[i].name, h->name, h->name_length) == 0)
            return &members[i];
    }
    mw_member *made = &members[object->length++];
    *made = (mw_member){.name = h->name, .name_length = h->name_length};
    return made;
}

/* Makes the value of a header, or appends it to what is there. */
static bool add_value(mw_arena *arena, mw_value *value, const header *h)
{
    if (value->type == MW_V_NONE) {
        *value = (mw_value){.type = MW_V_STRING, .as.string = h->value, .length = h->value_length};
        return true;
    }
    char *joined = mw_arena_alloc(arena, value->length + 2 + h->value_length + 1);
    if (!joined)
        return false;
    memcpy(joined, value->as.string, value->length);
    memcpy(joined + value->length, ", ", 2);
    memcpy(joined + value->length + 2, h->value, h->value_length + 1);
    value->as.string = joined;
    value->length += 2 + h->value_length;
    return true;
}

mw_member *mw__lua_response_packed(lua_State *L, mw_arena *arena, mw_member *member)
{
    static const char name[] = "headers";
    size_t length = 0;
    const char *at = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : "";
    const char *end = at + length;
    mw_member *members = mw_arena_alloc(arena, (length / 2 + 1) * sizeof *members);
    if (!members)
        return NULL;
    mw_value object = {.type = MW_V_OBJECT, .as.members = members};
    for (header h; next_header(&at, end, &h);) {
        if (!add_value(arena, &member_of(&object, &h)->value, &h))
            return NULL;
    }
    if (object.length == 0)
        object.type = MW_V_EMPTY;
    *member = (mw_member){.name = name, .name_length = sizeof name - 1, .value = object};
    return members;
}

bool mw__lua_response_is_packed(lua_State *L, mw_lua *ctx, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    bool response = lua_topointer(L, -1) == ctx->meta[MW__META_RESPONSE];
    lua_pop(L, 1);
    if (!response)
        return false;
    lua_rawgetp(L, index, &packed_key);
    bool packed = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return packed;
}

void mw__lua_open_responses(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {
        {"__index", l_get}, {"__newindex", l_set}, {"__pairs", l_pairs}, {NULL, NULL}};
    if (ctx->meta[MW__META_RESPONSE])
        return;
    mw__lua_class_new(L, ctx, MW__META_RESPONSE, "moonwire.response", methods);
    lua_pop(L, 1);
}
