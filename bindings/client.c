/* client.c: owns clients as scripts hold them: a handle on a gate, without the tokens. Must not
 * know operations. Runs on the thread of the Lua state. */
#include <stdio.h>
#include <string.h>

#include "client_private.h"

/* What core.client takes, and what it becomes. */
typedef struct client_options {
    mw_client_options core;
    const char *service;
    const char *paths;
    const char *token;
    bool policy;
    bool limits;
    char digits[24];
} client_options;

static const mw__option option_rows[] = {
    {"service", MW__OPT_STRING, offsetof(client_options, service)},
    {"url", MW__OPT_STRING, offsetof(client_options, core.url)},
    {"account", MW__OPT_DIGITS, offsetof(client_options, core.account)},
    {"token", MW__OPT_STRING, offsetof(client_options, token)},
    {"bot_token", MW__OPT_STRING, offsetof(client_options, core.bot_token)},
    {"platform_token", MW__OPT_STRING, offsetof(client_options, core.platform_token)},
    {"paths", MW__OPT_STRING, offsetof(client_options, paths)},
    {"ca_file", MW__OPT_STRING, offsetof(client_options, core.ca_file)},
    {"insecure", MW__OPT_BOOLEAN, offsetof(client_options, core.insecure)},
    {"proxy", MW__OPT_STRING, offsetof(client_options, core.proxy)},
    {"timeout", MW__OPT_SECONDS, offsetof(client_options, core.timeout_ms)},
    {"connect_timeout", MW__OPT_SECONDS, offsetof(client_options, core.connect_timeout_ms)},
    {"stall_timeout", MW__OPT_SECONDS, offsetof(client_options, core.stall_timeout_ms)},
    {"max_body", MW__OPT_COUNT64, offsetof(client_options, core.max_body)},
    {"concurrency", MW__OPT_COUNT32, offsetof(client_options, core.concurrency)},
    {"retries", MW__OPT_RETRIES, offsetof(client_options, core.retries)},
    {"read_only", MW__OPT_BOOLEAN, offsetof(client_options, core.read_only)},
    {"max_calls", MW__OPT_COUNT64, offsetof(client_options, core.max_calls)},
    {"user_agent", MW__OPT_STRING, offsetof(client_options, core.user_agent)},
    {"journal", MW__OPT_STRING, offsetof(client_options, core.journal)},
    {"policy", MW__OPT_TABLE, offsetof(client_options, policy)},
    {"limits", MW__OPT_ANY, offsetof(client_options, limits)},
    {NULL, MW__OPT_STRING, 0},
};

mw__client *mw__lua_client_push(lua_State *L, mw_lua *ctx)
{
    mw__client *client = lua_newuserdatauv(L, sizeof *client, 2);
    memset(client, 0, sizeof *client);
    client->ctx = ctx;
    client->root = client;
    lua_newtable(L); /* proxies of its modules by name */
    lua_setiuservalue(L, -2, 1);
    mw__lua_slot_push(L, ctx, MW__META_CLIENT);
    lua_setmetatable(L, -2);
    return client;
}

void mw__lua_client_open(lua_State *L, mw_lua *ctx, const mw__client *client, const char *what)
{
    if (!client->root->gate)
        mw__lua_raise(L, ctx, MW_INVALID, what, "%s: the client is closed", what);
}

mw__client *mw__lua_client_check(lua_State *L, mw_lua *ctx, int index, const char *what)
{
    mw__client *client = mw__lua_class_test(L, ctx, index, MW__META_CLIENT);
    if (!client)
        mw__lua_raise(L, ctx, MW_INVALID, what, "%s: call it with a colon: client:%s(...)", what,
                      what);
    mw__lua_client_open(L, ctx, client, what);
    return client;
}

/* Fits the service's kinds of token and the names of services and paths. [-0, +0, raises] */
static void finish_options(lua_State *L, mw_lua *ctx, client_options *options)
{
    mw_client_options *core = &options->core;
    int service = 0;
    while (
        service < MW_SERVICES &&
        (!options->service || strcmp(options->service, mw_service_name((mw_service)service)) != 0))
        service++;
    if (service == MW_SERVICES)
        mw__lua_raise(L, ctx, MW_INVALID, "client",
                      "client: option 'service' must be \"%s\" or \"%s\"",
                      mw_service_name(MW_OOCTOPUS), mw_service_name(MW_CIRCUIT));
    core->service = (mw_service)service;
    if (core->service == MW_CIRCUIT)
        core->oauth_token = options->token;
    else
        core->user_token = options->token;
    if (!options->paths)
        return;
    if (strcmp(options->paths, "upstream") == 0)
        core->paths = MW_PATHS_UPSTREAM;
    else if (strcmp(options->paths, "documented") != 0)
        mw__lua_raise(L, ctx, MW_INVALID, "client",
                      "client: option 'paths' must be \"documented\" or \"upstream\", got \"%s\"",
                      options->paths);
}

/* Closing a view closes nothing. [-0, +0, -] */
static void close_client(mw__client *client)
{
    if (client->root != client)
        return;
    mw_gate_unwatch(&client->watch);
    client->gate = NULL;
    if (client->owned)
        mw_client_close(client->owned);
}

/* [-0, +0, -] */
static void free_client(mw__held *held)
{
    mw__client *client = (mw__client *)held;
    close_client(client);
    mw_client *owned = client->owned;
    client->owned = NULL;
    mw__lua_unhold(held);
    mw_client_free(owned);
    mw_policy_free(client->policy);
    client->policy = NULL;
}

void mw__lua_client_attach(mw__client *client, mw_gate *gate)
{
    client->gate = gate;
    client->service = mw_gate_service(gate);
    client->watch.fn = mw__lua_on_wait;
    client->watch.ud = client;
    mw_gate_watch_waits(gate, &client->watch);
    mw__lua_hold(client->ctx, &client->held, free_client);
}

int mw__lua_client_start(mw__client *client, const mw_client_options *options, mw_error *error)
{
    mw_lua *ctx = client->ctx;
    int rc = mw_client_new(ctx->loop, options, &client->owned, error);
    if (rc != MW_OK) {
        client->owned = NULL;
        error->code = rc;
        return rc;
    }
    mw__lua_client_attach(client, mw_client_gate(client->owned));
    char url[180];
    snprintf(url, sizeof url, "%s", mw_client_url(client->owned));
    mw__lua_redact(ctx, url, strlen(url));
    snprintf(client->label, sizeof client->label, "%s at %s%s%.32s",
             mw_service_name(client->service), url, options->account ? ", account " : "",
             options->account ? options->account : "");
    return MW_OK;
}

/* core.client{ service =, url =, ... } -> client. [-1, +1, raises] */
static int l_client(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__lua_unconfined(L, ctx, "client",
                       "client: a sandboxed script reaches services through mw.connect alone; "
                       "connect a profile, or run a script that you trust with --sandbox=off");
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    mw__client *client = mw__lua_client_push(L, ctx);
    client_options options = {0};
    mw__lua_options(L, ctx, 1, "client", option_rows, &options, options.digits);
    finish_options(L, ctx, &options);
    if (options.policy) {
        lua_getfield(L, 1, "policy");
        luaL_checktype(L, 3, LUA_TTABLE);
        mw__lua_policy_read(L, ctx, 3, client);
        lua_pop(L, 1);
        options.core.policy = client->policy;
    }
    if (options.limits) {
        lua_getfield(L, 1, "limits");
        mw__lua_limits_read(L, ctx, lua_gettop(L), &options.core.limits);
    }
    mw_error error = {0};
    if (mw__lua_client_start(client, &options.core, &error) != MW_OK)
        return mw__lua_raise_core(L, ctx, &error, "client");
    lua_settop(L, 2);
    return 1;
}

/* client:safe() -> a view whose methods return nil and the error object. [-1, +1, raises] */
static int l_safe(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_client_check(L, ctx, 1, "safe");
    mw__client *view = mw__lua_client_push(L, ctx);
    view->root = client->root;
    view->service = client->service;
    view->safe = true;
    memcpy(view->label, client->label, sizeof view->label);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 2);
    return 1;
}

/* client:close(); twice is fine. [-1, +0, raises] */
static int l_close(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_class_test(L, ctx, 1, MW__META_CLIENT);
    if (!client)
        return mw__lua_raise(L, ctx, MW_INVALID, "close",
                             "close: call it with a colon: client:close()");
    close_client(client->root);
    return 0;
}

static int l_client_close(lua_State *L)
{
    close_client(lua_touserdata(L, 1));
    return 0;
}

static int l_client_gc(lua_State *L)
{
    free_client(lua_touserdata(L, 1));
    return 0;
}

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* [-0, +1, memory] */
static void push_lane(lua_State *L, const mw_lane_stats *lane)
{
    lua_createtable(L, 0, 6);
    set_count(L, "sent", lane->sent);
    set_count(L, "refused", lane->refused);
    set_count(L, "waiting", lane->waiting);
    set_count(L, "running", lane->running);
    lua_pushnumber(L, (double)lane->waited_us / 1e6);
    lua_setfield(L, -2, "waited");
    if (lane->allowed > 0)
        set_count(L, "allowed", lane->allowed);
}

/* client:stats() -> { requests = sent so far, lanes = { all = ..., ... } }. [-1, +1, raises] */
static int l_stats(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_client_check(L, ctx, 1, "stats");
    mw_lane_stats lanes[MW_LANES];
    int rc = mw_gate_stats(client->root->gate, lanes);
    if (rc != MW_OK)
        return mw__lua_raise(L, ctx, rc, "stats", "stats: the broker does not answer: %s",
                             mw_err_text(rc));
    uint64_t requests = mw_gate_sent(client->root->gate);
    lua_createtable(L, 0, 2);
    set_count(L, "requests", requests);
    lua_createtable(L, 0, MW_LANES);
    for (int i = 0; i < MW_LANES; i++) {
        push_lane(L, &lanes[i]);
        lua_setfield(L, -2, mw_lane_name((mw_lane)i));
    }
    lua_setfield(L, -2, "lanes");
    return 1;
}

static int l_client_text(lua_State *L)
{
    const mw__client *client = lua_touserdata(L, 1);
    lua_pushfstring(L, "moonwire.client (%s%s%s)", client->label, client->safe ? ", safe" : "",
                    client->root->gate ? "" : ", closed");
    return 1;
}

/* client.<name>: a method, a module or a namespace. Upvalue 2: methods, 3: those of a safe view.
 * [-2, +1, raises] */
static int l_client_index(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__client *client = mw__lua_class_test(L, ctx, 1, MW__META_CLIENT);
    if (!client || lua_type(L, 2) != LUA_TSTRING)
        return 0;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(client->safe ? 3 : 2)) != LUA_TNIL)
        return 1;
    if (mw__lua_module_push(L, ctx, 1, lua_tostring(L, 2)))
        return 1;
    return mw__lua_module_unknown(L, ctx, client->service, "", lua_tostring(L, 2));
}

/* Pushes a table of client methods; safe: call and request return nil, err. [-0, +1, memory] */
static void push_methods(lua_State *L, mw_lua *ctx, bool safe)
{
    static const luaL_Reg plain[] = {
        {"safe", l_safe}, {"close", l_close}, {"stats", l_stats}, {NULL, NULL}};
    static const luaL_Reg calls[] = {
        {"call", l_client_call}, {"request", l_client_request}, {NULL, NULL}};
    lua_newtable(L);
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, plain, 1);
    for (const luaL_Reg *row = calls; row->name; row++) {
        mw__lua_ctx_push(L, ctx);
        lua_pushcclosure(L, row->func, 1);
        if (safe) {
            mw__lua_ctx_push(L, ctx);
            lua_insert(L, -2);
            lua_pushcclosure(L, l_safely, 2);
        }
        lua_setfield(L, -2, row->name);
    }
}

void mw__lua_open_clients(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {{"__gc", l_client_gc},
                                       {"__close", l_client_close},
                                       {"__tostring", l_client_text},
                                       {NULL, NULL}};
    if (!ctx->meta[MW__META_CLIENT]) {
        mw__lua_class_new(L, ctx, MW__META_CLIENT, "moonwire.client", methods);
        mw__lua_ctx_push(L, ctx);
        push_methods(L, ctx, false);
        push_methods(L, ctx, true);
        lua_pushcclosure(L, l_client_index, 3);
        lua_setfield(L, -2, "__index");
        lua_pop(L, 1);
    }
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_client, 1);
    lua_setfield(L, -2, "client");
    mw__lua_open_modules(L, ctx);
}
