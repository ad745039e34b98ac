/* client_private.h: what the files of clients and calls share (client.c, connect.c, module.c,
 * dispatch.c, call.c, answer.c). Thread of the Lua state. */
#ifndef MOONWIRE_CLIENT_PRIVATE_H
#define MOONWIRE_CLIENT_PRIVATE_H

#include "options_private.h"
#include "mw/client.h"
#include "mw/operation.h"
#include "mw/policy.h"
#include "mw/request.h"

typedef struct mw__client {
    mw__held held;       /* first: while it has a gate or owns something */
    mw_gate_watch watch; /* of its gate's waits */
    mw_lua *ctx;
    struct mw__client *root; /* itself, or the client that this is a safe view of */
    mw_client *owned;        /* NULL for a lent gate */
    mw_gate *gate;           /* NULL once closed */
    mw_policy *policy;       /* of `owned`, or NULL */
    mw_service service;
    bool safe;       /* methods return nil, err */
    char label[256]; /* for tostring */
} mw__client;

/* One submitted request; lives in C memory until the box let it go and the callback has run. */
struct mw__call {
    mw__call *next, **link; /* in ctx->calls while the callback is to come */
    mw_lua *ctx;            /* NULL once the state is closed */
    mw__waiter *waiter;     /* NULL once nobody waits */
    mw_gate *gate;
    mw_call_id id;
    mw_answer *answer; /* a copy in one block, or NULL when there was no memory for it */
    bool done;
};

/* The box of a call. User values: the client, the name. */
typedef struct mw__callbox {
    mw__waiter waiter;
    mw__call *call;
    mw_arena *arena;         /* until there is a request */
    mw_request *request;     /* until submitted */
    const char *name;        /* "contacts:get" */
    const mw_operation *row; /* NULL: raw */
    int params;              /* index of the table of parameters */
    bool by_name;            /* which holds the path parameters as well */
    bool mutates;            /* it changes something on the server */
} mw__callbox;

mw__client *mw__lua_client_check(lua_State *L, mw_lua *ctx, int index,
                                 const char *what); /* [-0, +0, raises] */
/* Raises "client is closed" when it is. [-0, +0, raises] */
void mw__lua_client_open(lua_State *L, mw_lua *ctx, const mw__client *client, const char *what);
/* Pushes a client on a gate; `owned` may be NULL. [-0, +1, memory] */
mw__client *mw__lua_client_push(lua_State *L, mw_lua *ctx);
/* Gives a client that was just pushed a gate of its own with these options, or returns a negative
 * mw_err with `error` filled. Options that borrow from Lua are read after the push. [-0, +0, -] */
int mw__lua_client_start(mw__client *client, const mw_client_options *options, mw_error *error);

/* The client has this gate from here on, until it is closed. [-0, +0, -] */
void mw__lua_client_attach(mw__client *client, mw_gate *gate);

/* A mw_wait_fn of a client's watch: keeps what is told, for the handler. [-0, +0, -] */
void mw__lua_on_wait(const mw_wait *wait, void *ud);

/* Reads the option `limits` at `index`: a table, or false for none. Leaves what limits->shared points into at the top.
 * [-0, +1, raises] */
void mw__lua_limits_read(lua_State *L, mw_lua *ctx, int index, mw_limits *limits);

/* Makes the policy that the table at `index` describes and leaves it in client->policy, which frees it, also
 * when this raises. [-0, +0, raises] */
void mw__lua_policy_read(lua_State *L, mw_lua *ctx, int index, mw__client *client);

/* Pushes the box of a call on the client at `client`, which lives as long, and marks it to be
 * closed. It holds an empty arena. Returns its index. [-0, +1, raises] */
int mw__lua_callbox_push(lua_State *L, mw_lua *ctx, int client, const char *what);
/* Submits the request in the box at absolute index `box`, made by a function of the core that
 * returned `rc` and filled in `error`, and waits for the answer; or raises what went wrong. */
int mw__lua_call_submit(lua_State *L, mw_lua *ctx, mw__client *client, int box, int rc,
                        mw_error *error, const char *what);
/* Raises why there was no call at all, as `error` says it; who put an option of the call among the parameters is told
 * where it belongs. `what` is the name of the call. [-0, +0, raises] */
int mw__lua_call_refuse(lua_State *L, mw_lua *ctx, const mw__callbox *box, mw_error *error,
                        const char *what);
/* A copy in one block, in which the headers stand as "name\0value\0", one behind the other; free with free. NULL: no
 * memory. */
mw_answer *mw__lua_answer_copy(const mw_answer *answer);
/* Pushes result and response of a good answer or raises. [-0, +2, raises] */
int mw__lua_answer_push(lua_State *L, mw_lua *ctx, const mw_answer *answer, const char *operation);
/* Pushes the response of such a copy (response.c). [-0, +1, memory] */
void mw__lua_response_push(lua_State *L, mw_lua *ctx, const mw_answer *answer);
/* Forgets calls at the end of the state. */
void mw__lua_call_end(mw_lua *ctx);
int l_client_call(lua_State *L);    /* desk:call(id, params, options) */
int l_client_request(lua_State *L); /* desk:request(verb, path, params, options) */
int l_module_call(lua_State *L); /* upvalues: context, row, metatable of the module, "module:method" */
int l_safely(lua_State *L);      /* upvalues: context, function */
/* The proxy of a module: its client is user value 1. */
typedef struct mw__module {
    mw__client *client;
    const char *name;
} mw__module;
/* Forgets the gates that the host lent. */
void mw__lua_lent_free(mw_lua *ctx);
/* Pushes the proxy of module or namespace `name` (NULL-ended) of the client at `client`, or returns
 * false. [-0, +1, memory] */
bool mw__lua_module_push(lua_State *L, mw_lua *ctx, int client, const char *name);
/* "a, b, c": the modules below `prefix` ("" for all), and the closest one to `word`.
 * [-0, +1, raises] */
int mw__lua_module_unknown(lua_State *L, mw_lua *ctx, mw_service service, const char *prefix,
                           const char *word);

#endif
