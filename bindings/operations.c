/* operations.c: owns the rows as Lua tables: what `mw.operations` gives, and through it the twin's
 * routes, the list of operations and the specs. Must not know calls. Runs on the thread of the Lua
 * state. */
#include <string.h>

#include "lua_private.h"

static void set_text(lua_State *L, const char *name, const char *value)
{
    if (!value)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* NULL: nothing. [-0, +0, memory] */
static void set_texts(lua_State *L, const char *name, const char *const *values)
{
    if (!values)
        return;
    lua_newtable(L);
    for (lua_Integer i = 0; values[i]; i++) {
        lua_pushstring(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, name);
}

static void push_fields(lua_State *L, const mw_field *fields);

/* [-0, +1, memory] */
static void push_field(lua_State *L, const mw_field *field)
{
    luaL_checkstack(L, 8, NULL);
    lua_createtable(L, 0, 6);
    set_text(L, "name", field->name);
    set_text(L, "wire", field->wire);
    set_text(L, "type", mw_type_name(field->type));
    if (field->item) {
        push_field(L, field->item);
        lua_setfield(L, -2, "item");
    }
    if (field->fields) {
        push_fields(L, field->fields);
        lua_setfield(L, -2, "fields");
    }
    set_texts(L, "values", field->values);
    set_texts(L, "known", field->known);
    set_text(L, "preset", field->preset);
    set_text(L, "format", field->format);
    if (field->max_length > 0) {
        lua_pushinteger(L, (lua_Integer)field->max_length);
        lua_setfield(L, -2, "max_length");
    }
    set_flag(L, "required", field->required);
    set_flag(L, "beyond", field->beyond);
    set_flag(L, "nullable", field->nullable);
}

/* [-0, +1, memory] */
static void push_fields(lua_State *L, const mw_field *fields)
{
    lua_newtable(L);
    for (lua_Integer i = 0; fields && fields[i].name; i++) {
        push_field(L, &fields[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_auth(lua_State *L, unsigned auth)
{
    static const mw_token kinds[] = {MW_TOKEN_USER, MW_TOKEN_BOT, MW_TOKEN_PLATFORM, MW_TOKEN_OAUTH};
    lua_newtable(L);
    lua_Integer count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!(auth & (unsigned)kinds[i]))
            continue;
        lua_pushstring(L, mw_token_name(kinds[i]));
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, "auth");
}

static void set_body(lua_State *L, const mw_operation *row)
{
    if (row->body == MW_BODY_NONE)
        return;
    lua_createtable(L, 0, 4);
    set_text(L, "kind", row->body == MW_BODY_JSON ? "json" : "form");
    set_text(L, "name", row->body_name);
    set_text(L, "type", row->body_type);
    push_fields(L, row->fields);
    lua_setfield(L, -2, "fields");
    lua_setfield(L, -2, "body");
}

static void set_items(lua_State *L, const mw_items *items)
{
    if (!items->at)
        return;
    lua_createtable(L, 0, 3);
    set_text(L, "at", items->at);
    set_text(L, "page_by", items->page_by);
    if (items->page_size > 0) {
        lua_pushinteger(L, (lua_Integer)items->page_size);
        lua_setfield(L, -2, "page_size");
    }
    lua_setfield(L, -2, "items");
}

/* What `once` finds the object by. */
static void set_once(lua_State *L, const mw_once *once)
{
    if (!once->find)
        return;
    lua_createtable(L, 0, 3);
    set_text(L, "find", once->find);
    set_text(L, "marker", once->marker);
    lua_newtable(L);
    for (lua_Integer i = 0; once->by && once->by[i].field; i++) {
        lua_pushstring(L, once->by[i].field);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "by");
    lua_setfield(L, -2, "once");
}

static void set_responses(lua_State *L, const mw_response *responses)
{
    lua_newtable(L);
    for (lua_Integer i = 0; responses && responses[i].status; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, responses[i].status);
        lua_setfield(L, -2, "status");
        set_text(L, "meaning", responses[i].meaning);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "responses");
}

/* [-0, +1, memory] */
static void push_row(lua_State *L, const mw_operation *row)
{
    lua_createtable(L, 0, 24);
    set_text(L, "service", mw_service_name(row->service));
    set_text(L, "module", row->module);
    set_text(L, "method", row->method);
    set_text(L, "id", row->id);
    set_text(L, "alias", row->alias);
    set_text(L, "title", row->title);
    set_text(L, "verb", mw_verb_name(row->verb));
    set_text(L, "path", row->path);
    set_text(L, "upstream", row->upstream);
    set_auth(L, row->auth);
    set_text(L, "lane", mw_lane_name(row->lane));
    set_flag(L, "mutates", row->mutates);
    set_flag(L, "idempotent", row->idempotent);
    set_flag(L, "at_least_one", row->at_least_one);
    set_flag(L, "takes_account", mw_operation_takes_account(row));
    push_fields(L, row->path_params);
    lua_setfield(L, -2, "path_params");
    push_fields(L, row->query);
    lua_setfield(L, -2, "query");
    set_body(L, row);
    set_items(L, &row->items);
    set_text(L, "returns", row->returns);
    if (row->answer) {
        push_field(L, row->answer);
        lua_setfield(L, -2, "answer");
    }
    set_responses(L, row->responses);
    set_texts(L, "scopes", row->scopes);
    set_once(L, &row->once);
}

/* Appends the rows of a service to the table at the top, which holds `used`. Returns how many it
 * holds then. [-0, +0, memory] */
static lua_Integer append_rows(lua_State *L, mw_service service, lua_Integer used)
{
    size_t count = 0;
    const mw_operation *const *rows = mw_operations(service, &count);
    for (size_t i = 0; i < count; i++) {
        push_row(L, rows[i]);
        lua_rawseti(L, -2, ++used);
    }
    return used;
}

/* core.operations(service) -> array of rows; without a service those of all. [-1, +1, raises] */
static int l_operations(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    bool all = lua_isnoneornil(L, 1);
    const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    if (!all && !name)
        return mw__lua_raise(L, ctx, MW_INVALID, "operations",
                             "operations: the name of a service must be a string, got %s",
                             mw__lua_got(L, 1));
    lua_settop(L, 1);
    lua_createtable(L, 128, 0);
    lua_Integer used = 0;
    for (int service = 0; service < MW_SERVICES; service++) {
        if (all || strcmp(name, mw_service_name((mw_service)service)) == 0)
            used = append_rows(L, (mw_service)service, used);
    }
    if (used == 0)
        return mw__lua_raise(L, ctx, MW_INVALID, "operations",
                             "operations: there is no service \"%s\"; there are \"%s\" and \"%s\"",
                             name, mw_service_name(MW_OOCTOPUS), mw_service_name(MW_CIRCUIT));
    return 1;
}

void mw__lua_open_operations(lua_State *L, mw_lua *ctx)
{
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_operations, 1);
    lua_setfield(L, -2, "operations");
}
