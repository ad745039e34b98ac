/* call.c: owns the one dispatcher: arguments in, request out, the wait, results. What arguments an
 * operation takes is the row's and the core's business; nothing here knows an operation by name.
 * Runs on the thread of the Lua state; on_answer runs within mw_loop_run and touches no Lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua_private.h"

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
    {"unchecked", MW__OPT_BOOLEAN, offsetof(mw_call_options, unchecked)},
    {NULL, MW__OPT_STRING, 0},
};

static void unlink_call(mw__call *call)
{
    if (!call->link)
        return;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->link = NULL;
    if (call->ctx)
        call->ctx->call_count--;
}

static void free_call(mw__call *call)
{
    free(call->answer);
    free(call);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    mw__call *call = ud;
    call->done = true;
    unlink_call(call);
    if (!call->waiter) {
        free_call(call);
        return;
    }
    call->answer = mw__lua_answer_copy(answer);
    mw__lua_wake(call->waiter);
}

static void release_call(mw__waiter *waiter)
{
    mw__callbox *box = (mw__callbox *)waiter;
    mw__call *call = box->call;
    mw_request_free(box->request);
    box->request = NULL;
    box->call = NULL;
    if (!call)
        return;
    call->waiter = NULL;
    if (call->done || call->id == 0)
        free_call(call);
    else
        mw_gate_cancel(call->gate, call->id); /* its callback frees it */
}

void mw__lua_call_end(mw_lua *ctx)
{
    while (ctx->calls) {
        mw__call *call = ctx->calls;
        unlink_call(call);
        call->ctx = NULL;
        call->waiter = NULL;
    }
}

static int answered(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    mw_lua *ctx = mw__lua_ctx(L);
    mw__callbox *box = lua_touserdata(L, (int)kctx);
    mw__lua_waited(L, ctx, &box->waiter, box->name);
    if (!box->call->answer)
        return mw__lua_raise(L, ctx, MW_MEMORY, box->name, "out of memory");
    mw__lua_answer_push(L, ctx, box->call->answer, box->name);
    mw__lua_box_release(&box->waiter); /* the answer may be large: don't wait for the collector */
    return 2;
}

int mw__lua_call_submit(lua_State *L, mw_lua *ctx, mw__client *client, int index)
{
    mw__callbox *box = lua_touserdata(L, index);
    lua_settop(L, index);
    lua_pushstring(L, mw_request_name(box->request));
    box->name = lua_tostring(L, -1);
    lua_setiuservalue(L, index, 2);
    const char *warning = mw_request_warning(box->request);
    if (warning && *warning)
        mw__lua_log(ctx, "warn", warning, strlen(warning));
    mw__call *call = calloc(1, sizeof *call);
    if (!call)
        return mw__lua_raise(L, ctx, MW_MEMORY, box->name, "out of memory");
    call->ctx = ctx;
    call->waiter = &box->waiter;
    call->gate = client->root->gate;
    box->call = call;
    mw_error error = {0};
    int rc = mw_gate_submit(call->gate, box->request, on_answer, call, &call->id, &error);
    if (rc != MW_OK) {
        call->id = 0;
        error.code = rc;
        return mw__lua_raise_core(L, ctx, &error, box->name);
    }
    box->request = NULL;
    call->next = ctx->calls;
    call->link = &ctx->calls;
    if (call->next)
        call->next->link = &call->next;
    ctx->calls = call;
    ctx->call_count++;
    return mw__lua_wait(L, ctx, &box->waiter, answered, index);
}

/* Pushes the box of a call and marks it to be closed. Returns its index. [-0, +1, memory] */
static int push_box(lua_State *L, mw_lua *ctx)
{
    mw__callbox *box = mw__lua_box_new(L, ctx, sizeof *box, 2, release_call);
    box->waiter.passive = true;
    int index = lua_gettop(L);
    lua_pushvalue(L, 1); /* the client lives as long as the box */
    lua_setiuservalue(L, index, 1);
    lua_toclose(L, index);
    return index;
}

/* Parameter and options tables at `params` and `params + 1`; more is too much. [-0, +0, raises] */
static void check_tables(lua_State *L, mw_lua *ctx, const char *what, int params, int top)
{
    static const char *const nouns[] = {"parameters", "options"};
    for (int i = 0; i < 2; i++) {
        if (!lua_isnoneornil(L, params + i) && !lua_istable(L, params + i))
            mw__lua_raise(L, ctx, MW_INVALID, what, "%s: expected a table of %s, got a %s", what,
                          nouns[i], luaL_typename(L, params + i));
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

/* Makes the request of a row and submits it. [-0, +2, raises] */
static int perform(lua_State *L, mw_lua *ctx, mw__client *client, const mw_operation *row,
                   const mw_value *path, const mw_value *params, const call_options *options,
                   const char *what)
{
    int index = push_box(L, ctx);
    mw__callbox *box = lua_touserdata(L, index);
    mw_error error = {0};
    int rc = mw_request_new(row, path, count_fields(path_fields(row)), params, &options->core,
                            &box->request, &error);
    if (rc != MW_OK) {
        box->request = NULL;
        error.code = rc;
        return mw__lua_raise_core(L, ctx, &error, what);
    }
    return mw__lua_call_submit(L, ctx, client, index);
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

int l_module_call(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    const mw_operation *row = lua_touserdata(L, lua_upvalueindex(2));
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int top = lua_gettop(L);
    char what[MAX_NAME];
    snprintf(what, sizeof what, "%s:%s", row->module, row->method);
    if (!is_self(L))
        return mw__lua_raise(L, ctx, MW_INVALID, what, "%s: call it with a colon: client.%s:%s(...)",
                             what, row->module, row->method);
    mw__module *module = lua_touserdata(L, 1);
    mw__lua_client_open(L, ctx, module->client, what);
    const mw_field *fields = path_fields(row);
    size_t count = count_fields(fields);
    mw_value path[MAX_PATH];
    mw__lua_arena(L, ctx);
    for (size_t i = 0; i < count && i < MAX_PATH; i++) {
        int index = (int)i + 2;
        if (index > top || lua_isnil(L, index) || lua_istable(L, index))
            return mw__lua_raise(
                L, ctx, MW_INVALID, what, "%s: missing path parameter '%s'%s", what, fields[i].name,
                index <= top && lua_istable(L, index) ? ": got a table in its place" : "");
        mw__lua_to_value(L, ctx, index, what, fields[i].name, &path[i]);
    }
    int params = (int)count + 2;
    mw_value value;
    call_options options;
    lua_settop(L, top > params + 1 ? top : params + 1);
    check_tables(L, ctx, what, params, top);
    mw__lua_to_value(L, ctx, params, what, "", &value);
    read_options(L, ctx, params + 1, what, &options);
    return perform(L, ctx, module->client, row, path, &value, &options, what);
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
    size_t count = 0;
    const mw_operation *const *rows = mw_operations(service, &count);
    const char **names = lua_newuserdatauv(L, (2 * count + 1) * sizeof *names, 0);
    for (size_t i = 0; i < count; i++) {
        names[2 * i] = rows[i]->id;
        names[2 * i + 1] = rows[i]->alias;
    }
    names[2 * count] = NULL;
    const char *near = mw_closest(name, names);
    if (near)
        mw__lua_raise(L, ctx, MW_INVALID, "call",
                      "call: unknown operation '%s' (did you mean '%s'?)", name, near);
    mw__lua_raise(L, ctx, MW_INVALID, "call",
                  "call: unknown operation '%s'; mw.operations(\"%s\") lists them", name,
                  mw_service_name(service));
    return NULL;
}

static bool is_path_name(const mw_operation *row, const char *name)
{
    for (const mw_field *field = row->path_params; field && field->name; field++) {
        if (strcmp(field->name, name) == 0)
            return true;
    }
    return false;
}

/* Takes the path parameters out of the parameters by name. `value` keeps the rest. */
static void split_params(mw_lua *ctx, const mw_operation *row, mw_value *value, mw_value *path)
{
    const mw_field *fields = path_fields(row);
    size_t count = count_fields(fields);
    if (value->type != MW_V_OBJECT)
        return;
    mw_member *rest = mw_arena_alloc(ctx->arena, value->length * sizeof *rest);
    size_t kept = 0;
    for (size_t i = 0; rest && i < value->length; i++) {
        const mw_member *member = &value->as.members[i];
        for (size_t at = 0; at < count && at < MAX_PATH; at++) {
            if (strcmp(fields[at].name, member->name) == 0)
                path[at] = member->value;
        }
        if (!is_path_name(row, member->name))
            rest[kept++] = *member;
    }
    value->as.members = rest;
    value->length = rest ? kept : 0;
    if (value->length == 0)
        value->type = MW_V_EMPTY;
}

int l_client_call(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_client_check(L, ctx, 1, "call");
    int top = lua_gettop(L);
    lua_settop(L, top > 4 ? top : 4);
    if (lua_type(L, 2) != LUA_TSTRING)
        return mw__lua_raise(L, ctx, MW_INVALID, "call",
                             "call: the first argument is the id of an operation, got a %s",
                             luaL_typename(L, 2));
    const mw_operation *row = find_row(L, ctx, client->service, lua_tostring(L, 2));
    char what[MAX_NAME];
    snprintf(what, sizeof what, "%s:%s", row->module, row->method);
    check_tables(L, ctx, what, 3, top);
    mw_value path[MAX_PATH] = {{.type = MW_V_NONE}};
    mw_value value;
    call_options options;
    mw__lua_arena(L, ctx);
    mw__lua_to_value(L, ctx, 3, what, "", &value);
    read_options(L, ctx, 4, what, &options);
    if (mw_operation_takes_account(row) && !options.core.account && lua_istable(L, 3)) {
        lua_pushliteral(L, "account_id");
        lua_rawget(L, 3);
        if (!lua_isnil(L, -1)) {
            lua_createtable(L, 0, 1);
            lua_insert(L, -2);
            lua_setfield(L, -2, "account_id");
            mw__lua_options(L, ctx, -1, what, option_rows, &options.core, options.digits);
        }
    }
    split_params(ctx, row, &value, path);
    return perform(L, ctx, client, row, path, &value, &options, what);
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
    mw_value value;
    call_options options;
    mw__lua_arena(L, ctx);
    mw__lua_to_value(L, ctx, 4, "request", "", &value);
    read_options(L, ctx, 5, "request", &options);
    int index = push_box(L, ctx);
    mw__callbox *box = lua_touserdata(L, index);
    mw_error error = {0};
    int rc = mw_request_raw(client->service, (mw_verb)verb, path, &value, &options.core,
                            &box->request, &error);
    if (rc != MW_OK) {
        box->request = NULL;
        error.code = rc;
        return mw__lua_raise_core(L, ctx, &error, "request");
    }
    return mw__lua_call_submit(L, ctx, client, index);
}

/* Results as they are, or nil and the error object; other errors go on. */
static int safely(lua_State *L, int status, lua_KContext kctx)
{
    (void)kctx;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L);
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    if (ctx->interrupted || !mw__lua_is_error(L, ctx, -1, NULL))
        return lua_error(L);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

int l_safely(lua_State *L)
{
    int count = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    return safely(L, lua_pcallk(L, count, LUA_MULTRET, 0, 0, safely), 0);
}
