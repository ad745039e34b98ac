/* client_private.h: a client from the inside: shared by client.c (options), local_gate.c (the
 * queue), call.c (one call on the wire) and outcome.c (what became of it). Loop's thread. */
#ifndef MW_CLIENT_PRIVATE_H
#define MW_CLIENT_PRIVATE_H

#include "buf.h"
#include "gate_private.h"
#include "headers.h"
#include "mw/client.h"
#include "request_private.h"
#include "transport.h"

#define MW_TOKEN_KINDS 4   /* user, bot, platform, oauth */
#define MW_CONTENT_TYPES 4 /* multipart (libcurl's own), JSON, form, none */

typedef struct mw__call mw__call;

struct mw_client {
    mw_gate gate;  /* first: a gate of this kind is its client */
    mw_loop *loop; /* NULL once the loop has gone */
    char *origin;  /* "https://host:port" */
    char *prefix;  /* path of the base URL without its trailing '/', "" for none */
    char *account;
    char *tokens[MW_TOKEN_KINDS];
    char *user_agent;
    char *ca_file;
    char *proxy; /* NULL: none */
    bool proxy_from_env;
    bool insecure;
    bool upstream;
    bool read_only;
    bool closed;
    bool loop_closes;
    bool freed; /* by its owner; the memory goes with the last call */
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t stall_timeout_ms;
    uint64_t max_body;
    uint64_t max_calls;
    uint32_t concurrency;
    struct curl_slist *headers[MW_TOKEN_KINDS + 1][MW_CONTENT_TYPES]; /* made on first use */
    mw__call *calls; /* all that live, newest first */
    mw__call *waiting;
    mw__call **waiting_end;
    uint32_t running;
    uint64_t submitted;
    mw_call_id last_id;
    mw__call *spares; /* ended calls with an easy handle set up for this client */
    mw__closer closer;
};

typedef enum mw__call_state { MW_CALL_WAITING, MW_CALL_RUNNING, MW_CALL_ENDING } mw__call_state;

struct mw__call {
    mw__transfer transfer;
    mw_client *client;
    mw_request *request;
    mw_answer_fn done;
    void *ud;
    mw_call_id id;
    mw__call_state state;
    mw__call *next; /* in client->calls or client->spares */
    mw__call **prev;
    mw__call *next_waiting;
    mw__post post; /* delivers an end that came outside of the loop */
    int post_code;
    curl_mime *mime;
    mw__buf body;
    mw__headers headers;
    char url[2048]; /* redacted, for messages */
    char message[640];
    char trouble[CURL_ERROR_SIZE];
    unsigned token;     /* the kind that is sent, 0 for none */
    uint32_t sends;     /* times the request began to go out */
    uint32_t hop_sends; /* of it, since the last redirect */
    uint32_t redirects;
    bool body_too_large;
    bool sent_twice; /* libcurl wanted to send again what may go out once only */
    uint64_t max_body;
    int64_t submitted_us;
    int64_t started_us;
};

/* call.c */
mw__call *mw__call_new(mw_client *client); /* with an easy handle ready; NULL when out of memory */
int mw__call_start(mw__call *call, mw_error *error);
int mw__call_send(mw__call *call, const char *url, mw_error *error); /* also for a redirect */
void mw__call_reset(mw__call *call);
void mw__call_destroy(mw__call *call);

/* outcome.c: fills `answer` from what libcurl said and calls `done`. */
void mw__call_answer(mw__call *call, CURLcode result);
void mw__call_fail(mw__call *call, int code, const char *message);

/* redirect.c: whether the answer is a redirect that is followed; then `*url` (free with
 * mw__curl->free) is where to. */
bool mw__call_redirect(const mw__call *call, char **url);

/* local_gate.c: makes a client with its options a gate on its loop. */
void mw__client_open(mw_client *client);

/* Overwrites the values of query parameters that look secret, in place. */
void mw__redact_url(char *url);

#endif
