/* client_private.h: a client from the inside: shared by client.c (options), local_gate.c
 * (submit to answer), queue.c (whose turn it is), admission.c (what may go), call.c (one call on the wire), outcome.c
 * (what became of it) and retry.c (whether it goes again). Loop's thread. */
#ifndef MW_CLIENT_PRIVATE_H
#define MW_CLIENT_PRIVATE_H

#include "buf.h"
#include "gate_private.h"
#include "headers.h"
#include "journal.h"
#include "mw/client.h"
#include "mw/policy.h"
#include "pacer.h"
#include "queue.h"
#include "request_private.h"
#include "retry.h"
#include "transport.h"

#define MW_TOKEN_KINDS 4   /* user, bot, platform, oauth */
#define MW_CONTENT_TYPES 4 /* multipart (libcurl's own), JSON, form, none */

typedef struct mw__retry mw__retry;
typedef struct mw__once mw__once;

/* An easy handle that is set up for its client. A call has one while it is on the wire. */
typedef struct mw__wire mw__wire;
struct mw__wire {
    mw__transfer transfer;
    mw__call *call;
    mw__wire *next; /* in client->wires while it rests */
    char trouble[CURL_ERROR_SIZE];
};

struct mw_client {
    mw_gate gate;  /* first: a gate of this kind is its client */
    mw_loop *loop; /* NULL once the loop has gone */
    char *url;     /* origin and prefix */
    char *origin;  /* "https://host:port" */
    char *prefix;  /* path of the base URL without its trailing '/', "" for none */
    char *account;
    char *tokens[MW_TOKEN_KINDS];
    char *user_agent;
    char *ca_file;
    char *proxy_secrets[2]; /* its password, in both forms in which libcurl may show it */
    char *proxy;            /* NULL: none */
    bool proxy_from_env;
    bool insecure;
    bool upstream;
    bool origin_kept; /* libcurl has been seen to leave a URL that begins with `origin` as it is */
    bool closed;
    bool loop_closes;
    bool freed; /* by its owner; the memory goes with the last call */
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t stall_timeout_ms;
    uint64_t max_body;
    uint32_t concurrency;
    uint32_t retries; /* MW_NO_RETRIES: none */
    char *journal_path;
    mw__journal *journal; /* from the first call with a key on, or NULL */
    mw_policy *policy;    /* lent, or NULL */
    mw_policy *own;       /* what the options limit, or NULL */
    struct curl_slist *headers[MW_TOKEN_KINDS + 1][MW_CONTENT_TYPES]; /* made on first use */
    mw__call *calls; /* all that live, newest first */
    mw__pacer pacer;
    mw__queue queue;
    uint32_t running;
    mw_call_id last_id;
    mw__wire *wires; /* at rest */
    mw__closer closer;
};

typedef enum mw__call_state {
    MW_CALL_NEW, /* in no queue, and nothing of it is on the wire */
    MW_CALL_WAITING,
    MW_CALL_RUNNING,
    MW_CALL_RETRYING, /* backs off, off the wire and in no queue */
    MW_CALL_LOOKING,  /* asks whether its object is there, off the wire and in no queue */
    MW_CALL_ENDING
} mw__call_state;

struct mw__call {
    mw_client *client;
    mw__wire *wire; /* from start to end */
    mw_request *request;
    mw_answer_fn done;
    void *ud;
    mw_call_id id;
    mw__call_state state;
    mw__call *next; /* in client->calls */
    mw__call **prev;
    mw__way *way;  /* lives while the call is in a queue or on the wire */
    mw__turn turn; /* in a queue: the line */
    mw__call *next_waiting;
    mw__call **link_waiting;
    int64_t queued_us;
    int64_t pause_ends_us; /* of a lane whose pause is too long for the call, or 0 */
    mw__post post;         /* delivers an end that came outside of the loop */
    int post_code;
    char *problem; /* why it could not start, or NULL */
    char *held;    /* of a call that a dry run holds back: its answer, else NULL */
    size_t held_length;
    bool told;      /* the policy's observer knows of its end */
    uint64_t bytes; /* that a policy counts, each time it goes out */
    curl_mime *mime;
    mw__buf body;
    mw__headers headers;
    unsigned token;         /* the kind that is sent, 0 for none */
    uint32_t attempts;      /* each may be sent, or stopped before it can be */
    uint32_t retries;       /* of them, after a failure */
    mw_sent before;         /* what is known of the attempts before this one */
    mw__once *once;         /* of a call with a key that was let through, else NULL */
    mw__retry *retry;       /* the back-off before the next attempt, or NULL */
    uint32_t sends;         /* times the request began to go out */
    uint32_t attempt_sends; /* of it, in this attempt */
    uint32_t hop_sends;     /* of it, since the last redirect */
    uint32_t redirects;     /* in this attempt */
    bool body_too_large;
    bool sent_twice; /* libcurl wanted to send again what may go out once only */
    uint64_t max_body;
    int64_t submitted_us;
    int64_t started_us; /* of the first attempt or look, and later by the time in the queue since; or 0 */
    int64_t waits_since_us; /* or 0 */
    int64_t waited_us;      /* before that */
};

/* call.c: puts a call on the wire, and takes it off again (twice is fine). */
int mw__call_start(mw__call *call, mw_error *error);
int mw__call_send(mw__call *call, const char *url, mw_error *error); /* also for a redirect */
void mw__call_rest(mw__call *call);
void mw__wire_done(mw__transfer *transfer, CURLcode result); /* local_gate.c: its end */
void mw__wire_free(mw__wire *wire);

/* outcome.c: the facts of an attempt that has ended. */
mw__attempt mw__call_attempt(const mw__call *call, CURLcode result);

/* outcome.c: makes the answer, of what libcurl said or of an end that came otherwise, and calls `done`. */
void mw__call_answer(mw__call *call, CURLcode result);
void mw__call_fail(mw__call *call, int code, const char *message);

void mw__call_held(
    mw__call *call); /* the answer of a dry run, or of a call with a key that needed none */

/* admission.c: whether the request may go. MW_OK: it is counted, and `call` has its token, its bytes and, where
 * it is held back, its answer; or a negative mw_err with `error`. */
int mw__admit(mw_client *client, const mw_request *request, mw__call *call, mw_error *error);
/* Tells the policy's observer what became of a call that was let through. */
void mw__admission_ended(mw__call *call, const mw_answer *answer);

/* redirect.c: whether the answer is a redirect that is followed; then `*url` (free with
 * mw__curl->free) is where to. */
bool mw__call_redirect(const mw__call *call, char **url);

/* local_gate.c: makes a client with its options a gate on its loop; lets those go who may; ends a call from outside of
 * its own callback, so that its answer comes on the next turn. */
void mw__client_open(mw_client *client);
void mw__client_go(mw_client *client);
void mw__call_end(mw__call *call, int code);

/* Overwrites the values of query parameters that look secret, in place. */
void mw__redact_url(char *url);

/* Makes a text that came from a server fit to be shown: controls, C1 ones too, become spaces. */
void mw__clean_text(char *text);

#endif
