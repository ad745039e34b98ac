/* server.c: owns `core.server`, the server object of Lua: its options, fields, end, and server:serve(). Must not know
 * what becomes of a request. Runs on the thread of the Lua state. */
#include <stdio.h>
#include <string.h>

#include "arguments_private.h"
#include "options_private.h"
#include "server_private.h"

/* An open server is anchored, so that it lives whether the script holds on to it or not. The entry is made before the
 * server listens. [-0, +0, memory] */
static void anchor(lua_State *L, mw_lua *ctx, mw__server *server, bool keep)
{
    mw__lua_slot_push(L, ctx, MW__ANCHORS);
    if (keep)
        lua_pushvalue(L, -2);
    else
        lua_pushnil(L);
    lua_rawsetp(L, -2, server);
    lua_pop(L, 1);
}

/* Stops listening and lets go of the requests; tasks that still run find nobody to answer. [-0, +0, -] */
static void close_server(mw__held *held)
{
    mw__server *server = (mw__server *)held;
    mw_server *core = server->server;
    mw__lua_unhold(held);
    server->server = NULL;
    mw__serving_drop_all(server);
    while (server->serves) {
        mw__serve_box *box = server->serves;
        server->serves = box->next;
        box->link = NULL;
        mw__lua_wake(&box->waiter);
    }
    mw_server_free(core);
}

/* [-0, +0, raises] */
static mw__server *check_server(lua_State *L, mw_lua *ctx, const char *method)
{
    mw__server *server = mw__lua_class_test(L, ctx, 1, MW__META_SERVER);
    if (!server)
        mw__lua_raise(L, ctx, MW_INVALID, NULL, "server: call it as server:%s()", method);
    return server;
}

/* server:close(), and __close */
static int l_close(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    mw__server *server = check_server(L, ctx, "close");
    close_server(&server->held);
    anchor(L, ctx, server, false);
    return 0;
}

static int l_gc(lua_State *L)
{
    close_server(lua_touserdata(L, 1));
    return 0;
}

static int l_serve_done(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    (void)kctx;
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    mw__lua_waited(L, ctx, lua_touserdata(L, 2), NULL);
    return 0;
}

static void release_serve(mw__waiter *waiter)
{
    mw__serve_box *box = (mw__serve_box *)waiter;
    if (!box->link)
        return;
    *box->link = box->next;
    if (box->next)
        box->next->link = box->link;
}

/* server:serve(): waits until the server is closed. */
static int l_serve(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw__server *server = check_server(L, ctx, "serve");
    lua_settop(L, 1);
    if (!server->server)
        return 0;
    mw__serve_box *box = mw__lua_box_new(L, ctx, sizeof *box, 1, release_serve);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1);
    lua_toclose(L, 2);
    if (!server->server) /* a finalizer has closed it meanwhile */
        return 0;
    box->next = server->serves;
    box->link = &server->serves;
    if (box->next)
        box->next->link = &box->next;
    server->serves = box;
    return mw__lua_wait(L, ctx, &box->waiter, l_serve_done, 0);
}

/* Upvalues: context, methods. Fields of a server: port, host, url; the rest are methods. [-0, +1, memory] */
static int l_index(lua_State *L)
{
    const mw__server *server = lua_touserdata(L, 1);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(key, "port") == 0) {
        lua_pushinteger(L, server->port);
    } else if (strcmp(key, "host") == 0) {
        lua_pushstring(L, server->host);
    } else if (strcmp(key, "url") == 0) {
        lua_pushstring(L, server->url);
    } else {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(2));
    }
    return 1;
}

static int l_tostring(lua_State *L)
{
    const mw__server *server = lua_touserdata(L, 1);
    lua_pushfstring(L, "moonwire.server: %s%s", server->url, server->server ? "" : " (closed)");
    return 1;
}

/* Takes the handler out of the options at 1, and leaves it above them. [-0, +1, raises] */
static void take_handler(lua_State *L, mw_lua *ctx)
{
    if (lua_type(L, 1) != LUA_TTABLE)
        mw__lua_raise(L, ctx, MW_INVALID, NULL,
                      "server: options are missing; pass a table with a handler");
    mw__lua_options_own(L, 1);
    if (mw__lua_options_take(L, 1, "handler") != LUA_TFUNCTION)
        mw__lua_raise(L, ctx, MW_INVALID, NULL, "server: handler is a %s, not a function",
                      luaL_typename(L, 2));
}

/* Takes `port` out of the options at 1: any free one is 0, which no other count may be. [-0, +0, raises] */
static uint16_t take_port(lua_State *L, mw_lua *ctx)
{
    int is_integer;
    if (mw__lua_options_take(L, 1, "port") == LUA_TNIL) {
        lua_pop(L, 1);
        return 0;
    }
    lua_Integer port = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || port < 0 || port > UINT16_MAX)
        mw__lua_raise(L, ctx, MW_INVALID, NULL,
                      "server: port must be an integer from 0 to 65535, got %s",
                      luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return (uint16_t)port;
}

/* Pushes a closed server with the handler at 2. [-0, +1, memory] */
static mw__server *push_server(lua_State *L, mw_lua *ctx)
{
    mw__server *server = lua_newuserdatauv(L, sizeof *server, 2);
    *server = (mw__server){.ctx = ctx};
    mw__lua_slot_push(L, ctx, MW__META_SERVER);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    mw__serving_push(L, ctx);
    lua_setiuservalue(L, -2, 2);
    return server;
}

/* `port` is only there to be a known name; take_port has read it. */
typedef struct server_options {
    mw_server_options core;
    uint32_t port;
} server_options;

/* core.server{ host, port, max_body, max_header, max_connections, idle_timeout, deadline, handler } -> server
 *
 * Times in seconds, sizes in bytes; defaults are those of mw/server.h. Each request is a task of its own:
 *
 *   handler(request) -> status, headers, body[, { cut = bytes }]
 *
 * `request`: method, target ("/a%20b?x=1", as sent), path and query of it, body, headers (names in lower case,
 * repeated ones joined by ", ") and peer (the client's numeric address).
 * `status`: 200 to 599. `headers`: nil or { name = string, number or list of them }; without a Content-Type a body is
 * application/json. `body`: nil or a string. With `cut` the answer breaks off: all headers with the whole
 * Content-Length, the first `cut` bytes of the body, then the connection is closed.
 * A handler may also end the connection without a byte of an answer: `return nil, "drop"` closes it in order (FIN),
 * `return nil, "reset"` by a reset (RST). Further requests that came in on it are not served then.
 * Whatever else comes back, or is raised, is a line in the log and a 500.
 *
 * Raises "invalid" (an option), "network" (it can't listen) or "denied" (the script is sandboxed). [-1, +1, raises] */
static int l_server(lua_State *L)
{
    static const mw__option rows[] = {
        {"host", MW__OPT_STRING, offsetof(server_options, core.host)},
        {"port", MW__OPT_COUNT32, offsetof(server_options, port)},
        {"max_body", MW__OPT_COUNT64, offsetof(server_options, core.max_body)},
        {"max_header", MW__OPT_COUNT32, offsetof(server_options, core.max_header)},
        {"max_connections", MW__OPT_COUNT32, offsetof(server_options, core.max_connections)},
        {"idle_timeout", MW__OPT_SECONDS, offsetof(server_options, core.idle_timeout_ms)},
        {"deadline", MW__OPT_SECONDS, offsetof(server_options, core.deadline_ms)},
        {NULL, MW__OPT_STRING, 0},
    };
    mw_lua *ctx = mw__lua_ctx(L);
    char digits[24];
    mw_error error = {0};
    mw__lua_unconfined(L, ctx, "server",
                       "server: a sandboxed script can't listen; run it with --sandbox=off to "
                       "make servers of its own");
    lua_settop(L, 1);
    take_handler(L, ctx);
    server_options options = {.core.host = "127.0.0.1", .core.port = take_port(L, ctx)};
    mw__lua_options(L, ctx, 1, "server", rows, &options, digits);

    mw__server *server = push_server(L, ctx);
    anchor(L, ctx, server, true);
    if (mw_server_new(ctx->loop, &options.core, mw__serving_on_request, server, &server->server,
                      &error) != MW_OK) {
        anchor(L, ctx, server, false);
        return mw__lua_raise_core(L, ctx, &error, NULL);
    }
    mw__lua_hold(ctx, &server->held, close_server);
    server->port = mw_server_port(server->server);
    snprintf(server->host, sizeof server->host, "%s", options.core.host);
    snprintf(server->url, sizeof server->url,
             strchr(server->host, ':') ? "http://[%s]:%u" : "http://%s:%u", server->host,
             (unsigned)server->port);
    return 1;
}

void mw__lua_open_server(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {{"close", l_close},         {"serve", l_serve},
                                       {"__close", l_close},       {"__gc", l_gc},
                                       {"__tostring", l_tostring}, {NULL, NULL}};
    if (!ctx->meta[MW__META_SERVER]) {
        mw__lua_class_new(L, ctx, MW__META_SERVER, "moonwire.server", methods);
        lua_getfield(L, -1, "__index");
        mw__lua_ctx_push(L, ctx);
        lua_insert(L, -2);
        lua_pushcclosure(L, l_index, 2);
        lua_setfield(L, -2, "__index");
        lua_pop(L, 1);
    }
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_server, 1);
    lua_setfield(L, -2, "server");
}
