/* module.c: owns modules as scripts see them: `client.contacts`, `client.platform.users`, made from
 * the rows on first use. Must not know what a call does. Runs on the thread of the Lua state. */
#include <string.h>

#include "client_private.h"

/* Whether `module` is `prefix` or lies below it ("platform.users" below "platform"); `*below`: the
 * rest. */
static bool lies_in(const char *module, const char *prefix, const char **below)
{
    size_t length = strlen(prefix);
    *below = module;
    if (length == 0)
        return true;
    if (strncmp(module, prefix, length) != 0)
        return false;
    *below = module[length] == '.' ? module + length + 1 : module + length;
    return module[length] == '.' || module[length] == '\0';
}

/* Collects the names below a prefix into the table at the top, as a NULL-ended list in a userdata
 * above it. [-0, +1, memory] */
static const char **push_names(lua_State *L, mw_service service, const char *prefix, bool methods)
{
    size_t count = 0;
    const mw_operation *const *rows = mw_operations(service, &count);
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const char *below = NULL;
        if (!lies_in(rows[i]->module, prefix, &below))
            continue;
        if (methods && *below == '\0')
            names[used++] = rows[i]->method;
        else if (!methods && *below && (used == 0 || strcmp(names[used - 1], below) != 0))
            names[used++] = below;
    }
    names[used] = NULL;
    return names;
}

/* "a, b, c" [-0, +1, memory] */
static const char *push_list(lua_State *L, const char *const *names)
{
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (size_t i = 0; names[i]; i++) {
        luaL_addstring(&text, i > 0 ? ", " : "");
        luaL_addstring(&text, names[i]);
    }
    luaL_pushresult(&text);
    return lua_tostring(L, -1);
}

static int raise_unknown(lua_State *L, mw_lua *ctx, const char *owner, const char *noun,
                         const char *word, const char *const *names)
{
    const char *near = mw_closest(word, names);
    if (near)
        return mw__lua_raise(L, ctx, MW_INVALID, NULL, "%s has no %s '%s' (did you mean '%s'?)",
                             owner, noun, word, near);
    return mw__lua_raise(L, ctx, MW_INVALID, NULL, "%s has no %s '%s'; there are %s", owner, noun,
                         word, push_list(L, names));
}

int mw__lua_module_unknown(lua_State *L, mw_lua *ctx, mw_service service, const char *prefix,
                           const char *word)
{
    const char *owner = *prefix ? prefix : mw_service_name(service);
    return raise_unknown(L, ctx, owner, "module", word, push_names(L, service, prefix, false));
}

/* __index of a module's methods: there is no such method. Upvalues: context, name, service.
 * [-2, +0, raises] */
static int l_no_method(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    mw_service service = (mw_service)lua_tointeger(L, lua_upvalueindex(3));
    const char *name = lua_tostring(L, lua_upvalueindex(2));
    return raise_unknown(L, ctx, name, "operation", lua_tostring(L, 2),
                         push_names(L, service, name, true));
}

/* __index of a namespace: a module below it. Upvalues: context, name. [-2, +1, raises] */
static int l_namespace_index(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    const char *name = lua_tostring(L, lua_upvalueindex(2));
    if (lua_type(L, 2) != LUA_TSTRING || lua_type(L, 1) != LUA_TUSERDATA)
        return 0;
    lua_settop(L, 2);
    const mw__module *module = lua_touserdata(L, 1);
    lua_getiuservalue(L, 1, 1);
    const char *full = lua_pushfstring(L, "%s.%s", name, lua_tostring(L, 2));
    if (mw__lua_module_push(L, ctx, 3, full))
        return 1;
    return mw__lua_module_unknown(L, ctx, module->client->service, name, lua_tostring(L, 2));
}

static int l_module_text(lua_State *L)
{
    const mw__module *module = lua_touserdata(L, 1);
    lua_pushfstring(L, "moonwire.module (%s of %s)", module->name, module->client->label);
    return 1;
}

/* Pushes the method of a row. `meta` is the index of its module's metatable. [-0, +1, memory] */
static void push_method(lua_State *L, mw_lua *ctx, const mw_operation *row, int meta, bool safe)
{
    if (safe)
        mw__lua_ctx_push(L, ctx);
    mw__lua_ctx_push(L, ctx);
    lua_pushlightuserdata(L, (void *)(uintptr_t)row);
    lua_pushvalue(L, meta);
    lua_pushfstring(L, "%s:%s", row->module, row->method);
    lua_pushcclosure(L, l_module_call, 4);
    if (safe)
        lua_pushcclosure(L, l_safely, 2);
}

/* Sets __index of the metatable at `meta`: methods, or a lookup of what is below.
 * [-0, +0, memory] */
static void fill_meta(lua_State *L, mw_lua *ctx, int meta, mw_service service, const char *name,
                      bool safe)
{
    size_t count = 0;
    bool methods = false;
    const mw_operation *const *rows = mw_operations(service, &count);
    lua_newtable(L);
    int table = lua_gettop(L);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i]->module, name) != 0)
            continue;
        methods = true;
        push_method(L, ctx, rows[i], meta, safe);
        lua_setfield(L, table, rows[i]->method);
    }
    if (methods) {
        mw__lua_slot_push(L, ctx, MW__EACH);
        lua_setfield(L, table, "each");
        lua_createtable(L, 0, 1);
        mw__lua_ctx_push(L, ctx);
        lua_pushstring(L, name);
        lua_pushinteger(L, (lua_Integer)service);
        lua_pushcclosure(L, l_no_method, 3);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, table);
    } else {
        mw__lua_ctx_push(L, ctx);
        lua_pushstring(L, name);
        lua_pushcclosure(L, l_namespace_index, 2);
        lua_replace(L, table);
    }
    lua_setfield(L, meta, "__index");
}

/* Pushes the metatable of a module's proxies, made on first use; nil when there is no such module.
 * [-0, +1, memory] */
static bool push_meta(lua_State *L, mw_lua *ctx, const mw__client *client, const char *name)
{
    mw__lua_slot_push(L, ctx, MW__MODULES);
    int modules = lua_gettop(L);
    lua_pushfstring(L, "%d %d %s", (int)client->service, (int)client->safe, name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, modules) != LUA_TNIL) {
        lua_replace(L, modules);
        lua_settop(L, modules);
        return true;
    }
    size_t count = 0;
    bool known = false;
    const mw_operation *const *rows = mw_operations(client->service, &count);
    const char *below = NULL;
    for (size_t i = 0; i < count && !known; i++)
        known = *name && lies_in(rows[i]->module, name, &below);
    lua_pop(L, 1);
    if (known) {
        static const luaL_Reg methods[] = {{"__tostring", l_module_text}, {NULL, NULL}};
        lua_newtable(L);
        int meta = lua_gettop(L);
        luaL_setfuncs(L, methods, 0);
        lua_pushliteral(L, "moonwire.module");
        lua_setfield(L, meta, "__name");
        lua_pushboolean(L, false);
        lua_setfield(L, meta, "__metatable");
        fill_meta(L, ctx, meta, client->service, name, client->safe);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, meta);
        lua_rawset(L, modules);
        lua_replace(L, modules);
    }
    lua_settop(L, known ? modules : modules - 1);
    return known;
}

bool mw__lua_module_push(lua_State *L, mw_lua *ctx, int index, const char *name)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    index = lua_absindex(L, index);
    mw__client *client = lua_touserdata(L, index);
    lua_getiuservalue(L, index, 1);
    int cache = lua_gettop(L);
    lua_pushstring(L, name);
    const char *kept =
        lua_tostring(L, -1); /* as a key of the cache it lives as long as the client */
    lua_pushvalue(L, -1);
    if (lua_rawget(L, cache) != LUA_TNIL) {
        lua_replace(L, cache);
        lua_settop(L, cache);
        return true;
    }
    lua_pop(L, 1);
    mw__module *module = lua_newuserdatauv(L, sizeof *module, 2);
    *module = (mw__module){.client = client, .name = kept};
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, 2); /* keeps the name */
    if (!push_meta(L, ctx, client, name)) {
        lua_settop(L, cache - 1);
        return false;
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, cache);
    lua_replace(L, cache);
    lua_settop(L, cache);
    return true;
}

/* The proxy at 1, checked through its class: its metatable must be one of ours. [-0, +0, raises] */
static mw__module *check_module(lua_State *L, mw_lua *ctx)
{
    if (lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1)) {
        const void *meta = lua_topointer(L, -1);
        lua_pop(L, 1);
        mw__lua_slot_push(L, ctx, MW__MODULES);
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_topointer(L, -1) == meta) {
                lua_pop(L, 3);
                return lua_touserdata(L, 1);
            }
        }
        lua_pop(L, 1);
    }
    mw__lua_raise(L, ctx, MW_INVALID, "each",
                  "each: call it with a colon: client.contacts:each{...}");
    return NULL;
}

/* Whether `each` may go over it: a list that is read. What changes something may answer with a list
 * as well, and must not be sent once a page. */
static bool is_listing(const mw_operation *row)
{
    return row && row->items.at && !row->mutates;
}

/* The methods of a module that list something, as "list, search", or NULL. [-0, +1, memory] */
static const char *push_listing(lua_State *L, mw_service service, const char *name)
{
    size_t count = 0;
    const mw_operation *const *rows = mw_operations(service, &count);
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i]->module, name) == 0 && is_listing(rows[i]))
            names[used++] = rows[i]->method;
    }
    names[used] = NULL;
    return used > 0 ? push_list(L, names) : NULL;
}

/* Raises: `each` can't go over `word`, the method of `row` when there is such a row.
 * [-0, +0, raises] */
static int raise_no_list(lua_State *L, mw_lua *ctx, const mw__module *module, const char *word,
                         const mw_operation *row)
{
    mw_service service = module->client->service;
    const char *lists = push_listing(L, service, module->name);
    if (!row && word)
        return raise_unknown(L, ctx, module->name, "operation", word,
                             push_names(L, service, module->name, true));
    if (!lists)
        return mw__lua_raise(L, ctx, MW_INVALID, "each", "each: %s has no lists", module->name);
    if (!row)
        return mw__lua_raise(L, ctx, MW_INVALID, "each",
                             "each: %s has no operation 'list'; name one of %s", module->name,
                             lists);
    return mw__lua_raise(L, ctx, MW_INVALID, "each", "each: %s:%s %s; each works over %s",
                         module->name, row->method,
                         row->mutates ? "changes something" : "is not a list", lists);
}

/* Whether a string in the first place may be the path parameter of the row. */
static bool fits_path(const mw_operation *row, const char *text)
{
    const mw_field *field = row->path_params;
    if (field && mw_operation_takes_account(row))
        field++;
    if (!field || !field->name)
        return false;
    return field->type != MW_T_INTEGER || text[strspn(text, "0123456789")] == '\0';
}

/* Whether the module's `get` finds what the row lists: it takes the path parameters of the row and
 * one more, the id. */
static bool has_get(const mw_operation *row)
{
    const mw_operation *get = mw_operation_find(row->service, row->module, "get");
    const mw_field *has = get ? get->path_params : NULL;
    const mw_field *field = row->path_params;
    for (; has && field && field->name; has++, field++) {
        if (!has->name || strcmp(has->name, field->name) != 0)
            return false;
    }
    return has && has->name && !has[1].name;
}

/* core.listing(module, first) -> { module, method, name, path_params, at, page_by, page_size,
 * has_get }, whether `first` was taken for a method. `first` is the first argument of `each`: it
 * names a method of the module, or "list" is meant. [-2, +2, raises] */
static int l_listing(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_settop(L, 2);
    const mw__module *module = check_module(L, ctx);
    mw_service service = module->client->service;
    const char *word = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    const mw_operation *row = word ? mw_operation_find(service, module->name, word) : NULL;
    bool named = row != NULL;
    if (!row) {
        row = mw_operation_find(service, module->name, "list");
        if (word && (!is_listing(row) || !fits_path(row, word)))
            return raise_no_list(L, ctx, module, word, NULL);
    }
    if (!is_listing(row))
        return raise_no_list(L, ctx, module, NULL, row);
    int path = 0;
    for (const mw_field *field = row->path_params; field && field->name; field++)
        path++;
    lua_createtable(L, 0, 8);
    lua_pushstring(L, row->module);
    lua_setfield(L, -2, "module");
    lua_pushstring(L, row->method);
    lua_setfield(L, -2, "method");
    lua_pushfstring(L, "%s:%s", row->module, row->method);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, path - (mw_operation_takes_account(row) ? 1 : 0));
    lua_setfield(L, -2, "path_params");
    lua_pushstring(L, row->items.at);
    lua_setfield(L, -2, "at");
    lua_pushstring(L, row->items.page_by);
    lua_setfield(L, -2, "page_by");
    if (row->items.page_size > 0) {
        lua_pushinteger(L, (lua_Integer)row->items.page_size);
        lua_setfield(L, -2, "page_size");
    }
    lua_pushboolean(L, has_get(row));
    lua_setfield(L, -2, "has_get");
    lua_pushboolean(L, named);
    return 2;
}

/* core.set_each(f): the method `each` of modules, from the Lua library. [-1, +0, raises] */
static int l_set_each(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    mw__lua_slot_set(L, ctx, MW__EACH);
    return 0;
}

void mw__lua_open_modules(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {
        {"listing", l_listing}, {"set_each", l_set_each}, {NULL, NULL}};
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
}
