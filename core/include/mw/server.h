/* mw/server.h: an HTTP/1.1 server on the loop (libmicrohttpd inside): the twin and webhook
 * receivers.
 *
 * What comes in is hostile: sizes, counts and times are capped, and a request that two parties could
 * read in two ways (two Content-Lengths or Hosts, Transfer-Encoding with Content-Length, bare or
 * folded lines, NUL or control characters, "%00" in the path, a target that is no path) is answered
 * 400 without asking the handler. What else is answered without it:
 *   413  a body over `max_body`. Up to 4 MiB beyond it is read and thrown away, so that the peer gets
 *        to see the answer; then, or after "Expect: 100-continue", the connection is closed.
 *   414  a target that is larger than the connection's memory.
 *   431  headers over `max_header`, or more than 128 of them.
 * After a chunked request the connection is closed.
 *
 * All functions on the loop's thread. libmicrohttpd is loaded when the first server is made. */
#ifndef MW_SERVER_H
#define MW_SERVER_H

#include "mw/gate.h" /* mw_header */
#include "mw/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_server mw_server;
typedef struct mw_exchange mw_exchange;

/* Zeroed fields take the default in brackets. */
typedef struct mw_server_options {
    const char *host;         /* numeric, not a name ["127.0.0.1"] */
    uint16_t port;            /* [0: any free one] */
    uint64_t max_body;        /* bytes; more is answered 413 [32 MiB] */
    uint32_t max_header;      /* bytes of request line and headers; more is answered 431 [32 KiB] */
    uint32_t max_connections; /* more are refused [256] */
    uint32_t idle_timeout_ms; /* [30000] */
    /* For a request to come in, and again for its answer to go out; then the connection is closed.
     * Only the handler's own time is unlimited. On a kept connection the clock may start up to one
     * deadline late [60000] */
    uint32_t deadline_ms;
} mw_server_options;

/* One request that waits for its end; all pointers are valid until mw_exchange_answer, _cut or _drop. */
typedef struct mw_incoming {
    const char *peer;         /* numeric address of the client: "127.0.0.1" */
    const char *verb;         /* as sent: "GET" */
    const char *target;       /* as sent: "/a%20b?x=1" */
    const mw_header *headers; /* names in lower case, in order; repeated names stay repeated */
    size_t header_count;
    const char *body;
    size_t body_length;
} mw_incoming;

/* Called from the loop once the whole request is there. The handler ends it now or later, exactly once,
 * by mw_exchange_answer, mw_exchange_cut or mw_exchange_drop. */
typedef void (*mw_server_fn)(mw_exchange *exchange, const mw_incoming *incoming, void *ud);

/* Listens. MW_INVALID (address), MW_NETWORK (port taken; `error` says so) or MW_MEMORY. */
int mw_server_new(mw_loop *loop, const mw_server_options *options, mw_server_fn fn, void *ud,
                  mw_server **server, mw_error *error);

/* The port it listens on. */
uint16_t mw_server_port(const mw_server *server);

/* Answers an exchange; `body` and headers are copied. Content-Length, Date and Connection are the
 * server's own, and yours are dropped; so is the body of a 204 or 304. A status outside 200 to 599,
 * and header names and values with control characters are refused: MW_INVALID, and the peer
 * gets a 500. After this the exchange is gone. If the peer has gone away meanwhile, nothing happens. */
int mw_exchange_answer(mw_exchange *exchange, int status, const mw_header *headers,
                       size_t header_count, const char *body, size_t body_length);

/* As a server that breaks off: all of the answer as mw_exchange_answer has it, the Content-Length too, but of the body
 * only the first `cut` bytes; then the connection is closed. The answer goes out whole where there is nothing to cut
 * off: `cut` is not below `body_length`, the status is 204 or 304, the request is a HEAD. What mw_exchange_answer
 * refuses is refused here. */
int mw_exchange_cut(mw_exchange *exchange, int status, const mw_header *headers,
                    size_t header_count, const char *body, size_t body_length, size_t cut);

/* As a server that dies: not a byte of an answer, and the connection is closed in order (FIN, behind answers to earlier
 * requests) or, with `reset`, at once by a reset (RST, which may cost the peer earlier answers that it has not read
 * yet). Further requests on the connection are not looked at. After this the exchange is gone. */
void mw_exchange_drop(mw_exchange *exchange, bool reset);

/* Stops listening, drops connections and frees. Exchanges without an end are gone with it:
 * ending them afterwards is a caller's error, so forget yours first. NULL is fine. */
void mw_server_free(mw_server *server);

#ifdef __cplusplus
}
#endif
#endif
