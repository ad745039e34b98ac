/* transport.h: one curl multi on the loop, shared by all clients of the loop. Loop's thread. */
#ifndef MW_TRANSPORT_H
#define MW_TRANSPORT_H

#include "curl_lib.h"
#include "loop_private.h"

typedef struct mw__transport mw__transport;

/* A transfer that the multi runs. Embed it; CURLOPT_PRIVATE of the easy handle points to it. `on_done`
 * is called from the loop, outside of libcurl, when the handle is off the multi already. */
typedef struct mw__transfer mw__transfer;
struct mw__transfer {
    CURL *easy;
    void (*on_done)(mw__transfer *self, CURLcode result);
    mw__transfer *next_blind; /* the transport's */
    bool blind;
    bool tells; /* its handle was set up to say when a connection is closed */
};

/* The transport of the loop, made on first use. libcurl must be loaded. NULL when out of memory. */
mw__transport *mw__transport_of(mw_loop *loop);

/* To be called once for a transfer, before it is first added, whose connections are to be watched for as long as they
 * last. */
void mw__transport_set_up(mw__transport *transport, mw__transfer *transfer);

/* Starts; `on_done` comes later. MW_MEMORY. */
int mw__transport_add(mw__transport *transport, mw__transfer *transfer);

/* Takes a running transfer off; `on_done` does not come. */
void mw__transport_remove(mw__transport *transport, mw__transfer *transfer);

/* What a transfer that did not end well (not CURLE_OK) failed of: MW_TIMEOUT, MW_TLS, MW_DECODE, MW_MEMORY or
 * MW_NETWORK. */
int mw__transport_code(CURLcode result);

#endif
