/* dispatch.c: owns the one dispatcher: arguments in, request out. What arguments an operation takes
 * is the row's and the core's business; nothing here knows an operation by name. The request is made
 * from values that are borrowed from Lua, so what allocates in Lua comes before mw__lua_callbox_push,
 * and from there to mw__lua_call_submit nothing does. Runs on the thread of the Lua state. */
#include <stdio.h>
#include <string.h>

#include "client_private.h"

#define MAX_PATH 8
#define MAX_NAME 128

/* What the options table of a call may hold, and what it becomes. */
typedef struct call_options {
    mw_call_options core;
    char digits[24];
} call_options;

static const mw__option option_rows[] = {
    {"timeout", MW__OPT_SECONDS, offsetof(mw_call_options, timeout_ms)},
    {"connect_timeout", MW__OPT_SECONDS, offsetof(mw_call_options, connect_timeout_ms)},
    {"stall_timeout", MW__OPT_SECONDS, offsetof(mw_call_options, stall_timeout_ms)},
    {"max_body", MW__OPT_COUNT64, offsetof(mw_call_options, max_body)},
    {"account_id", MW__OPT_DIGITS, offsetof(mw_call_options, account)},
    {"retries", MW__OPT_RETRIES, offsetof(mw_call_options, retries)},
    {"once", MW__OPT_STRING, offsetof(mw_call_options, once)},
    {"unchecked", MW__OPT_BOOLEAN, offsetof(mw_call_options, unchecked)},
    {NULL, MW__OPT_STRING, 0},
};

static bool is_option(const char *name)
{
    const mw__option *row = option_rows;
    while (row->name && strcmp(row->name, name) != 0)
        row++;
    return row->name != NULL;
}

static bool is_path_name(const mw_operation *row, const char *name)
{
    for (const mw_field *field = row->path_params; field && field->name; field++) {
        if (strcmp(field->name, name) == 0)
            return true;
    }
    return false;
}

/* Whether the parameters of the call have a member of that name. [-0, +0, -] */
static bool has_param(lua_State *L, const mw__callbox *box, const char *name)
{
    if (!box->row || !lua_istable(L, box->params) || (box->by_name && is_path_name(box->row, name)))
        return false;
    lua_pushstring(L, name);
    bool has = lua_rawget(L, box->params) != LUA_TNIL;
    lua_pop(L, 1);
    return has;
}

int mw__lua_call_refuse(lua_State *L, mw_lua *ctx, const mw__callbox *box, mw_error *error,
                        const char *what)
{
    bool denied = error->code == MW_DENIED || error->code == MW_BUDGET;
    if (error->code == MW_INVALID && is_option(error->field) && has_param(L, box, error->field)) {
        char name[sizeof error->field];
        memcpy(name, error->field, sizeof name);
        mw_error_set(
            error, MW_INVALID, name,
            "%s:%s: '%s' is an option of the call: it goes into a second table, behind the parameters",
            box->row->module, box->row->method, name);
    }
    return mw__lua_raise_core(L, ctx, error, box->row || denied ? what : "request");
}

/* Parameter and options tables at `params` and `params + 1`; more is too much. [-0, +0, raises] */
static void check_tables(lua_State *L, mw_lua *ctx, const char *what, int params, int top)
{
    static const char *const nouns[] = {"parameters", "options"};
    for (int i = 0; i < 2; i++) {
        if (!lua_isnoneornil(L, params + i) && !lua_istable(L, params + i))
            mw__lua_raise(L, ctx, MW_INVALID, what, "%s: expected a table of %s, got %s", what,
                          nouns[i], mw__lua_got(L, params + i));
    }
    if (top > params + 1)
        mw__lua_raise(L, ctx, MW_INVALID, what,
                      "%s: too many arguments: after the table of options nothing is expected",
                      what);
}

static void read_options(lua_State *L, mw_lua *ctx, int index, const char *what,
                         call_options *options)
{
    memset(options, 0, sizeof *options);
    mw__lua_options(L, ctx, index, what, option_rows, &options->core, options->digits);
}

/* The path parameters of a row that a call gives itself. */
static const mw_field *path_fields(const mw_operation *row)
{
    const mw_field *fields = row->path_params;
    return fields && mw_operation_takes_account(row) ? fields + 1 : fields;
}

static size_t count_fields(const mw_field *fields)
{
    size_t count = 0;
    while (fields && fields[count].name)
        count++;
    return count;
}

/* Whether the value at 1 is a proxy of the module whose metatable is upvalue 3. [-0, +0, -] */
static bool is_self(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TUSERDATA || !lua_getmetatable(L, 1))
        return false;
    bool is = lua_rawequal(L, -1, lua_upvalueindex(3));
    lua_pop(L, 1);
    return is;
}

/* The gate, which a finalizer may have closed since the client was looked at. [-0, +0, raises] */
static mw_gate *open_gate(lua_State *L, mw_lua *ctx, const mw__client *client, const char *what)
{
    mw__lua_client_open(L, ctx, client, what);
    return client->root->gate;
}

int l_module_call(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    const mw_operation *row = lua_touserdata(L, lua_upvalueindex(2));
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int top = lua_gettop(L);
    const char *what = lua_tostring(L, lua_upvalueindex(4));
    if (!is_self(L))
        return mw__lua_raise(L, ctx, MW_INVALID, what, "%s: call it with a colon: client.%s:%s(...)",
                             what, row->module, row->method);
    mw__module *module = lua_touserdata(L, 1);
    mw__lua_client_open(L, ctx, module->client, what);
    const mw_field *fields = path_fields(row);
    size_t count = count_fields(fields);
    int params = (int)count + 2;
    lua_settop(L, top > params + 1 ? top : params + 1);
    for (size_t i = 0; i < count && i < MAX_PATH; i++) {
        int index = (int)i + 2;
        if (index > top || lua_isnil(L, index) || lua_istable(L, index))
            return mw__lua_raise(
                L, ctx, MW_INVALID, what, "%s: missing path parameter '%s'%s", what, fields[i].name,
                index <= top && lua_istable(L, index) ? ": got a table in its place" : "");
    }
    check_tables(L, ctx, what, params, top);
    int index = mw__lua_callbox_push(L, ctx, 1, what);
    mw__callbox *box = lua_touserdata(L, index);
    mw_value path[MAX_PATH];
    mw_value value;
    call_options options;
    for (size_t i = 0; i < count && i < MAX_PATH; i++)
        mw__lua_to_value(L, ctx, box->arena, (int)i + 2, what, fields[i].name, &path[i]);
    mw__lua_to_value(L, ctx, box->arena, params, what, "", &value);
    read_options(L, ctx, params + 1, what, &options);
    box->row = row;
    box->mutates = row->mutates;
    box->params = params;
    mw_error error = {0};
    int rc = mw_gate_request(open_gate(L, ctx, module->client, what), row, path, count, &value,
                             &options.core, &box->request, &error);
    return mw__lua_call_submit(L, ctx, module->client, index, rc, &error, what);
}

/* The name that is closest to an unknown one, of the same form: "module:method", or id and alias.
 * [-0, +n, memory] */
static const char *closest_operation(lua_State *L, mw_service service, const char *name, bool method)
{
    size_t count = 0;
    const mw_operation *const *rows = mw_operations(service, &count);
    const char **names = lua_newuserdatauv(L, (2 * count + 1) * sizeof *names, 0);
    luaL_checkstack(L, (int)count + LUA_MINSTACK, NULL);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (method) {
            names[used++] = lua_pushfstring(L, "%s:%s", rows[i]->module, rows[i]->method);
        } else {
            names[used++] = rows[i]->id;
            names[used++] = rows[i]->alias;
        }
    }
    names[used] = NULL;
    return mw_closest(name, names);
}

/* The row of "contactDetails", "contact_details" or "contacts:get". [-0, +0, raises] */
static const mw_operation *find_row(lua_State *L, mw_lua *ctx, mw_service service, const char *name)
{
    const mw_operation *row = mw_operation_by_id(service, name);
    const char *colon = row ? NULL : strchr(name, ':');
    if (colon) {
        lua_pushlstring(L, name, (size_t)(colon - name));
        row = mw_operation_find(service, lua_tostring(L, -1), colon + 1);
        lua_pop(L, 1);
    }
    if (row)
        return row;
    const char *near = closest_operation(L, service, name, colon != NULL);
    if (near)
        mw__lua_raise(L, ctx, MW_INVALID, "call",
                      "call: unknown operation '%s' (did you mean '%s'?)", name, near);
    mw__lua_raise(L, ctx, MW_INVALID, "call",
                  "call: unknown operation '%s'; mw.operations(\"%s\") lists them", name,
                  mw_service_name(service));
    return NULL;
}

/* Takes the path parameters out of the parameters by name. `value` keeps the rest. False: no memory. */
static bool split_params(mw_arena *arena, const mw_operation *row, mw_value *value, mw_value *path)
{
    const mw_field *fields = path_fields(row);
    size_t count = count_fields(fields);
    if (value->type != MW_V_OBJECT)
        return true;
    mw_member *rest = mw_arena_alloc(arena, value->length * sizeof *rest);
    size_t kept = 0;
    if (!rest)
        return false;
    for (size_t i = 0; i < value->length; i++) {
        const mw_member *member = &value->as.members[i];
        for (size_t at = 0; at < count && at < MAX_PATH; at++) {
            if (strcmp(fields[at].name, member->name) == 0)
                path[at] = member->value;
        }
        if (!is_path_name(row, member->name))
            rest[kept++] = *member;
    }
    value->as.members = rest;
    value->length = kept;
    if (kept == 0)
        value->type = MW_V_EMPTY;
    return true;
}

int l_client_call(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_client_check(L, ctx, 1, "call");
    int top = lua_gettop(L);
    lua_settop(L, top > 4 ? top : 4);
    if (lua_type(L, 2) != LUA_TSTRING)
        return mw__lua_raise(L, ctx, MW_INVALID, "call",
                             "call: the first argument is the id of an operation, got %s",
                             mw__lua_got(L, top < 2 ? lua_gettop(L) + 1 : 2));
    if (strlen(lua_tostring(L, 2)) != lua_rawlen(L, 2))
        return mw__lua_raise(L, ctx, MW_INVALID, "call",
                             "call: the id of an operation holds a NUL byte");
    const mw_operation *row = find_row(L, ctx, client->service, lua_tostring(L, 2));
    char what[MAX_NAME];
    snprintf(what, sizeof what, "%s:%s", row->module, row->method);
    check_tables(L, ctx, what, 3, top);
    lua_settop(L, 4);
    lua_pushliteral(L, "account_id");
    if (mw_operation_takes_account(row) && lua_istable(L, 3))
        lua_rawget(L, 3);
    else
        lua_pushnil(L);
    int account = lua_gettop(L);
    int index = mw__lua_callbox_push(L, ctx, 1, what);
    mw__callbox *box = lua_touserdata(L, index);
    mw_value path[MAX_PATH] = {{.type = MW_V_NONE}};
    mw_value value;
    call_options options;
    mw__lua_to_value(L, ctx, box->arena, 3, what, "", &value);
    read_options(L, ctx, 4, what, &options);
    if (!options.core.account && !lua_isnil(L, account)) {
        lua_pushvalue(L, account);
        mw__lua_option(L, ctx, what, option_rows, "account_id", &options.core, options.digits);
    }
    if (!split_params(box->arena, row, &value, path))
        return mw__lua_raise(L, ctx, MW_MEMORY, what, "%s", mw_err_text(MW_MEMORY));
    box->row = row;
    box->mutates = row->mutates;
    box->params = 3;
    box->by_name = true;
    mw_error error = {0};
    int rc =
        mw_gate_request(open_gate(L, ctx, client, what), row, path, count_fields(path_fields(row)),
                        &value, &options.core, &box->request, &error);
    return mw__lua_call_submit(L, ctx, client, index, rc, &error, what);
}

int l_client_request(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_client_check(L, ctx, 1, "request");
    int top = lua_gettop(L);
    lua_settop(L, top > 5 ? top : 5);
    int verb = 0;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    while (verb < MW_VERBS && strcmp(mw_verb_name((mw_verb)verb), name) != 0)
        verb++;
    if (verb == MW_VERBS)
        return mw__lua_raise(
            L, ctx, MW_INVALID, "request",
            "request: the verb must be \"GET\", \"POST\", \"PUT\", \"PATCH\" or \"DELETE\"");
    size_t length = 0;
    const char *path = lua_type(L, 3) == LUA_TSTRING ? lua_tolstring(L, 3, &length) : NULL;
    if (!path || strlen(path) != length)
        return mw__lua_raise(L, ctx, MW_INVALID, "request",
                             "request: the path must be a string that begins with '/'");
    check_tables(L, ctx, "request", 4, top);
    int index = mw__lua_callbox_push(L, ctx, 1, "request");
    mw__callbox *box = lua_touserdata(L, index);
    mw_value value;
    call_options options;
    mw__lua_to_value(L, ctx, box->arena, 4, "request", "", &value);
    read_options(L, ctx, 5, "request", &options);
    box->mutates = verb != MW_GET;
    mw_error error = {0};
    int rc = mw_gate_request_raw(open_gate(L, ctx, client, "request"), (mw_verb)verb, path, &value,
                                 &options.core, &box->request, &error);
    return mw__lua_call_submit(L, ctx, client, index, rc, &error, "request");
}
