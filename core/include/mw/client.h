/* mw/client.h: a connection to one service, and its local gate.
 *
 * A client holds the base URL, the account, the tokens and the limits. It lives on one loop and
 * shares that loop's connections with the other clients. All functions on the loop's thread. */
#ifndef MW_CLIENT_H
#define MW_CLIENT_H

#include "mw/gate.h"
#include "mw/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_client mw_client;

typedef enum mw_paths {
    MW_PATHS_DOCUMENTED, /* as the documents of Ooctopus have them */
    MW_PATHS_UPSTREAM    /* as upstream Chatwoot serves them */
} mw_paths;

#define MW_JOURNAL_MEMORY ":memory:"

/* Everything is copied. Zeroed fields take the default in brackets. */
typedef struct mw_client_options {
    mw_service service;
    /* http or https; a path prefix is kept, a trailing '/' does no harm; no user info, query or
     * fragment [ooctopus: https://app.ooctopus.com, circuit: https://circuitsandbox.net/rest/v2;
     * upstream paths: none, it must be given] */
    const char *url;
    const char *account;        /* account id, digits [none] */
    const char *user_token;     /* ooctopus; tokens hold no control characters [none] */
    const char *bot_token;      /* ooctopus */
    const char *platform_token; /* ooctopus */
    const char *oauth_token;    /* circuit */
    mw_paths paths;             /* [documented] */
    const char *user_agent;     /* ["moonwire/VERSION"] */
    const char *ca_file;        /* trusted besides the system's certificates [none] */
    bool insecure;              /* don't verify TLS certificates. For tests only */
    const char *proxy;          /* http, https or socks [HTTPS_PROXY for https; "": none at all] */
    /* All attempts of a call and the back-offs between them; the time in the queue of a lane does not count [60000] */
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms; /* [10000] */
    /* No byte for so long, the server's thinking included; rounded up to whole seconds. A call
     * that has a longer timeout_ms of its own waits as long as that [30000] */
    uint32_t stall_timeout_ms;
    uint64_t max_body;    /* bytes of an answer, decompressed [32 MiB] */
    uint32_t concurrency; /* calls in flight at once; others wait their turn in order [32] */
    uint32_t retries;     /* as in mw_call_options [3] */
    mw_limits limits;     /* of its lanes [as built in] */
    bool read_only;       /* refuse whatever changes something: MW_DENIED */
    uint64_t max_calls;   /* refuse calls beyond so many: MW_BUDGET [no limit] */
    /* File that remembers what calls with a key (`once` of mw_call_options) have made, made on the first of them;
     * several processes may share it. It holds keys and answers, for its owner alone. MW_JOURNAL_MEMORY: remembered for
     * as long as the client lives [none: such calls are refused] */
    const char *journal;
    /* Asked about every request (mw/policy.h); borrowed, outlives the client [everything is allowed] */
    struct mw_policy *policy;
} mw_client_options;

#define MW_MAX_HEADERS (128u * 1024u) /* bytes of headers and trailers of one answer */
#define MW_MAX_REDIRECTS 3            /* of a GET, within its origin */

/* Makes a client. MW_INVALID with `error` naming the option, or MW_MEMORY. libcurl is loaded here,
 * on first use; MW_NETWORK when the system has none. */
int mw_client_new(mw_loop *loop, const mw_client_options *options, mw_client **client,
                  mw_error *error);

/* The client's gate; borrowed, valid until mw_client_free. */
mw_gate *mw_client_gate(mw_client *client);

/* The base URL in force, without a trailing '/'. Borrowed, valid until mw_client_free. */
const char *mw_client_url(const mw_client *client);

/* Closes: calls in flight end as MW_CANCELLED, new ones are refused. Twice is fine. */
void mw_client_close(mw_client *client);

/* Closes and frees. Callbacks of calls in flight still run, later, from the loop. NULL is fine. */
void mw_client_free(mw_client *client);

/* "libcurl/7.88.1 OpenSSL/3.0 ..." or NULL when libcurl is not there; the proxy that https requests
 * would take from the environment, without credentials, or NULL. Static until the next call. */
const char *mw_client_transport(void);
const char *mw_client_env_proxy(void);

#ifdef __cplusplus
}
#endif
#endif
