/* connect.c: owns profiles: gates that the host lends by name, and the ones that the environment
 * describes. Tokens go from the environment to the core without passing through Lua. Runs on the
 * thread of the Lua state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"

/* A gate that the host lends. */
struct mw__lent {
    mw__lent *next;
    mw_gate *gate;
    char name[];
};

/* What the environment may describe. The first token is the one to ask for. */
typedef struct profile {
    const char *name;
    mw_service service;
    mw_paths paths;
    const char *url, *account;
    const char *user_token, *bot_token, *platform_token, *oauth_token;
    const char *limits;
} profile;

static const profile profiles[] = {
    {.name = "ooctopus",
     .service = MW_OOCTOPUS,
     .url = "OOCTOPUS_URL",
     .account = "OOCTOPUS_ACCOUNT_ID",
     .user_token = "OOCTOPUS_TOKEN",
     .bot_token = "OOCTOPUS_BOT_TOKEN",
     .platform_token = "OOCTOPUS_PLATFORM_TOKEN",
     .limits = "OOCTOPUS_LIMITS"},
    {.name = "chatwoot",
     .service = MW_OOCTOPUS,
     .paths = MW_PATHS_UPSTREAM,
     .url = "OOCTOPUS_URL",
     .account = "OOCTOPUS_ACCOUNT_ID",
     .user_token = "OOCTOPUS_TOKEN",
     .bot_token = "OOCTOPUS_BOT_TOKEN",
     .platform_token = "OOCTOPUS_PLATFORM_TOKEN",
     .limits = "OOCTOPUS_LIMITS"},
    {.name = "circuit",
     .service = MW_CIRCUIT,
     .url = "CIRCUIT_URL",
     .oauth_token = "CIRCUIT_TOKEN",
     .limits = "CIRCUIT_LIMITS"},
    {.name = NULL},
};

/* Whether there are profiles from the environment: a host has to ask for them. */
static bool has_env(const mw_lua *ctx)
{
    return !ctx->connect && (ctx->env || ctx->owned);
}

/* Values of one connect, copied because the host's function lends each only until its next call.
 * Wiped after use. */
typedef struct envbox {
    mw__waiter waiter;
    char *values[7];
    char shared[MW_STATE_PATH];
} envbox;

static void free_env(mw__waiter *waiter)
{
    envbox *box = (envbox *)waiter;
    for (size_t i = 0; i < sizeof box->values / sizeof box->values[0]; i++) {
        if (box->values[i])
            explicit_bzero(box->values[i], strlen(box->values[i]));
        free(box->values[i]);
        box->values[i] = NULL;
    }
}

/* The variable's value, or NULL when it is unset or empty. Owned by the box. [-0, +0, raises] */
static char *read_env(lua_State *L, mw_lua *ctx, envbox *box, size_t slot, const char *name)
{
    if (!name)
        return NULL;
    const char *value = ctx->env ? ctx->env(name, ctx->env_ud) : getenv(name);
    if (!value || !*value)
        return NULL;
    box->values[slot] = strdup(value);
    if (!box->values[slot])
        luaL_error(L, "out of memory");
    return box->values[slot];
}

/* Raises what the core says about an option, with the name of the variable that gave it: nobody
 * wrote an option. [-0, +0, raises] */
static int raise_env(lua_State *L, mw_lua *ctx, const profile *from, mw_error *error)
{
    const struct {
        const char *option, *variable;
    } names[] = {
        {"url", from->url},
        {"account", from->account},
        {"token", from->user_token ? from->user_token : from->oauth_token},
        {"bot_token", from->bot_token},
        {"platform_token", from->platform_token},
        {"limits", from->limits},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!names[i].variable || strcmp(names[i].option, error->field) != 0)
            continue;
        const char *option = lua_pushfstring(L, "option '%s'", names[i].option);
        const char *variable = lua_pushfstring(L, "the environment variable %s", names[i].variable);
        const char *text = luaL_gsub(L, error->message, option, variable);
        if (strcmp(text, error->message) == 0)
            text = lua_pushfstring(L, "%s (%s)", error->message, variable);
        snprintf(error->message, sizeof error->message, "%s", text);
    }
    return mw__lua_raise_core(L, ctx, error, "connect");
}

/* Pushes a client from the environment. [-0, +1, raises] */
static int connect_env(lua_State *L, mw_lua *ctx, const profile *from)
{
    envbox *box = mw__lua_box_new(L, ctx, sizeof *box, 0, free_env);
    lua_toclose(L, -1);
    mw_client_options options = {
        .service = from->service,
        .paths = from->paths,
        .url = read_env(L, ctx, box, 0, from->url),
        .account = read_env(L, ctx, box, 1, from->account),
        .user_token = read_env(L, ctx, box, 2, from->user_token),
        .bot_token = read_env(L, ctx, box, 3, from->bot_token),
        .platform_token = read_env(L, ctx, box, 4, from->platform_token),
        .oauth_token = read_env(L, ctx, box, 5, from->oauth_token),
    };
    const char *wanted = from->user_token ? from->user_token : from->oauth_token;
    if (!options.user_token && !options.bot_token && !options.platform_token && !options.oauth_token)
        return mw__lua_raise(L, ctx, MW_INVALID, "connect",
                             "connect: \"%s\" needs the environment variable %s, which is not set",
                             from->name, wanted);
    mw_error error = {0};
    if (mw_lua_limits(from->limits, read_env(L, ctx, box, 6, from->limits),
                      ctx->keeps_state ? box->shared : NULL, &options.limits, &error) != MW_OK)
        return mw__lua_raise_core(L, ctx, &error, "connect");
    if (mw__lua_client_start(mw__lua_client_push(L, ctx), &options, &error) != MW_OK)
        return raise_env(L, ctx, from, &error);
    return 1;
}

/* Raises: there is no profile of that name. [-0, +0, raises] */
static int raise_unknown(lua_State *L, mw_lua *ctx, const char *name)
{
    luaL_Buffer all;
    luaL_buffinit(L, &all);
    bool some = false;
    for (const mw__lent *lent = ctx->lent; lent; lent = lent->next) {
        luaL_addstring(&all, some ? ", " : "");
        luaL_addstring(&all, lent->name);
        some = true;
    }
    for (const profile *from = profiles; from->name && has_env(ctx); from++) {
        luaL_addstring(&all, some ? ", " : "");
        luaL_addstring(&all, from->name);
        some = true;
    }
    luaL_pushresult(&all);
    return mw__lua_raise(L, ctx, MW_INVALID, "connect", "connect: there is no profile \"%s\"; %s%s",
                         name, lua_rawlen(L, -1) > 0 ? "there are " : "the host lends none",
                         lua_tostring(L, -1));
}

/* Pushes a client on the gate that the host has for that name. [-0, +1, raises] */
static int connect_host(lua_State *L, mw_lua *ctx, const char *name)
{
    mw__client *client = mw__lua_client_push(L, ctx);
    mw_error error = {0};
    mw_gate *gate = NULL;
    char label[sizeof client->label] = "";
    int rc = ctx->connect(name, &gate, label, sizeof label, &error, ctx->connect_ud);
    if (rc != MW_OK) {
        error.code = rc;
        return mw__lua_raise_core(L, ctx, &error, "connect");
    }
    mw__lua_client_attach(client, gate);
    memcpy(client->label, label, sizeof label);
    return 1;
}

/* core.connect(name) -> client. [-1, +1, raises] */
static int l_connect(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    if (lua_type(L, 1) != LUA_TSTRING)
        return mw__lua_raise(L, ctx, MW_INVALID, "connect",
                             "connect: the name of a profile must be a string, got %s",
                             mw__lua_got(L, 1));
    lua_settop(L, 1);
    const char *name = lua_tostring(L, 1);
    for (const mw__lent *lent = ctx->lent; lent; lent = lent->next) {
        if (strcmp(lent->name, name) != 0)
            continue;
        mw__client *client = mw__lua_client_push(L, ctx);
        mw__lua_client_attach(client, lent->gate);
        snprintf(client->label, sizeof client->label, "%s \"%.200s\"",
                 mw_service_name(client->service), name);
        return 1;
    }
    if (ctx->connect)
        return connect_host(L, ctx, name);
    for (const profile *from = profiles; from->name && has_env(ctx); from++) {
        if (strcmp(from->name, name) == 0)
            return connect_env(L, ctx, from);
    }
    return raise_unknown(L, ctx, name);
}

int mw_lua_lend(mw_lua *ctx, const char *name, mw_gate *gate)
{
    if (!name || !*name)
        return MW_INVALID;
    for (const mw__lent *lent = ctx->lent; lent; lent = lent->next) {
        if (strcmp(lent->name, name) == 0)
            return MW_INVALID;
    }
    size_t size = strlen(name) + 1;
    mw__lent *lent = malloc(sizeof *lent + size);
    if (!lent)
        return MW_MEMORY;
    memcpy(lent->name, name, size);
    lent->gate = gate;
    lent->next = ctx->lent;
    ctx->lent = lent;
    return MW_OK;
}

void mw_lua_on_env(mw_lua *ctx, mw_lua_env_fn fn, void *ud)
{
    ctx->env = fn;
    ctx->env_ud = ud;
}

void mw_lua_on_connect(mw_lua *ctx, mw_lua_connect_fn fn, void *ud)
{
    ctx->connect = fn;
    ctx->connect_ud = ud;
}

void mw__lua_lent_free(mw_lua *ctx)
{
    while (ctx->lent) {
        mw__lent *lent = ctx->lent;
        ctx->lent = lent->next;
        free(lent);
    }
}

void mw__lua_open_connect(lua_State *L, mw_lua *ctx)
{
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_connect, 1);
    lua_setfield(L, -2, "connect");
}
