/* server_private.h: what the files of the server share: server.c (listening, the loop, stopping), server_deadline.c
 * (how long a peer may take), server_check.c (what is refused unasked) and server_exchange.c (one request and its
 * answer). Loop's thread only.
 *
 * A connection has one exchange, which serves its requests one after the other, so a request on a kept connection
 * costs no allocation. */
#ifndef MW_SERVER_PRIVATE_H
#define MW_SERVER_PRIVATE_H

#include <netinet/in.h>
#include <uv.h>

#include "buf.h"
#include "loop_private.h"
#include "mhd_lib.h"
#include "mw/server.h"

/* Body bytes beyond the cap that are read and thrown away, so that a peer which only reads after it has sent gets
 * its 413 and not a reset. */
#define MW__SERVER_DISCARD (4u * 1024u * 1024u)

typedef struct mw__ring mw__ring;
struct mw__ring {
    mw__ring *next, *prev;
};

typedef enum mw__exchange_state {
    MW__EX_IDLE,    /* kept open after an answer; as far as we know nothing came in since */
    MW__EX_RECEIVE, /* a request comes in */
    MW__EX_HANDLER, /* the handler has it; the only state without a deadline */
    MW__EX_ANSWER   /* an answer goes out, or the connection is dropped */
} mw__exchange_state;

/* Why a request does not reach the handler. */
typedef struct mw__refusal {
    int status; /* 0: not refused */
    const char *text;
} mw__refusal;

struct mw_exchange {
    mw_server *server;
    struct MHD_Connection *connection;
    int fd;
    char peer[INET6_ADDRSTRLEN];
    mw__exchange_state state;
    mw__ring ring;    /* in the server's `timed` or, in state HANDLER, in its `pending` */
    uint64_t expires; /* loop's milliseconds */
    bool checked;     /* headers were looked at */
    bool suspended;
    bool close_after;
    mw__refusal refusal;
    uint64_t discarded; /* body bytes of a refused request */
    char *block;        /* target, then header names and values */
    size_t block_length;
    size_t block_capacity;
    mw_header *headers;
    size_t header_count;
    size_t header_capacity;
    mw__buf body;
    struct MHD_Response *response; /* owned until queued; NULL: the connection is dropped */
    unsigned status;
};

struct mw_server {
    mw_loop *loop;
    mw_server_options options; /* `host` is not kept */
    mw_server_fn fn;
    void *ud;
    const mw__mhd *mhd;
    struct MHD_Daemon *daemon;
    uint16_t port;
    uint32_t connections;
    mw__ring timed;   /* exchanges with a deadline, the next one first */
    mw__ring pending; /* exchanges that wait for the handler's answer */
    uv_poll_t poll;
    uv_timer_t wake;  /* when libmicrohttpd wants its turn */
    uv_timer_t sweep; /* when the first of `timed` is due */
    unsigned open_handles;
    bool running; /* inside MHD_run, which must not be entered twice and not be freed under its own feet */
    bool dead;
    mw__closer closer;
};

static inline void mw__ring_init(mw__ring *ring)
{
    ring->next = ring;
    ring->prev = ring;
}

static inline void mw__ring_remove(mw__ring *item)
{
    item->next->prev = item->prev;
    item->prev->next = item->next;
    mw__ring_init(item);
}

static inline void mw__ring_append(mw__ring *head, mw__ring *item)
{
    mw__ring_remove(item);
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

#define MW__EXCHANGE_OF(item) ((mw_exchange *)((char *)(item)-offsetof(mw_exchange, ring)))

/* server.c. Gives libmicrohttpd a turn soon: it does not notice by itself that a connection was resumed. */
void mw__server_wake(mw_server *server);

/* server_deadline.c. Enters a state with a deadline, a whole one from now. */
void mw__exchange_enter(mw_exchange *exchange, mw__exchange_state state);
void mw__server_on_sweep(uv_timer_t *timer);

/* server_check.c. Copies the headers of a request into the exchange, or says why it is refused. */
mw__refusal mw__exchange_check(mw_exchange *exchange, const char *verb, const char *url,
                               const char *version);

/* server_exchange.c: the callbacks of libmicrohttpd. */
mw_exchange *mw__exchange_new(mw_server *server, struct MHD_Connection *connection);
void mw__exchange_free(mw_exchange *exchange);
void *mw__exchange_on_target(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result mw__exchange_on_request(void *cls, struct MHD_Connection *connection,
                                        const char *url, const char *verb, const char *version,
                                        const char *data, size_t *length, void **context);
void mw__exchange_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_RequestTerminationCode code);

#endif
