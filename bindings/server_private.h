/* server_private.h: what server.c (the server object) and server_request.c (one request and its task) share. Thread of
 * the Lua state.
 *
 * A request travels from the callback, which copies it, through a job to a task. The `mw__serving` is its C side: it is
 * in the server's list, and frees itself with its job, or from the start of the task with its box; whoever goes first,
 * server or task, leaves the other one a clean state. */
#ifndef MOONWIRE_SERVER_PRIVATE_H
#define MOONWIRE_SERVER_PRIVATE_H

#include "lua_private.h"
#include "mw/server.h"

typedef struct mw__server mw__server;
typedef struct mw__serving mw__serving;

struct mw__serving {
    mw__job job; /* first: the job is the serving */
    mw__serving *next, **link;
    mw__server *server;    /* NULL once the server is closed */
    mw_exchange *exchange; /* NULL once answered or gone */
    mw_incoming *in;       /* a copy in one block, until the handler has it */
    bool started;          /* the job has begun: the server does not free it any more */
    bool boxed;            /* the box frees it */
};

/* The box of a server:serve(). User value 1: the server. */
typedef struct mw__serve_box {
    mw__waiter waiter;
    struct mw__serve_box *next, **link;
} mw__serve_box;

/* A userdata. User values: 1 the handler, 2 the function of a request's task. */
struct mw__server {
    mw__held held; /* first: while it is open */
    mw_lua *ctx;
    mw_server *server; /* NULL once closed */
    mw__serving *servings;
    mw__serve_box *serves;
    char host[64];
    char url[96];
    uint16_t port;
};

/* The callback of the core's server, whose `ud` is the mw__server. Within mw_loop_run; touches no Lua. */
void mw__serving_on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud);

/* The server lets go of all its requests; tasks that still run find nobody to answer. [-0, +0, -] */
void mw__serving_drop_all(mw__server *server);

/* Pushes the function of a request's task. [-0, +1, memory] */
void mw__serving_push(lua_State *L, mw_lua *ctx);

#endif
