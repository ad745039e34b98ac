/* mw/gate.h: the one door to a service.
 *
 * Whoever wants something of a service submits a request to a gate and gets exactly one answer.
 * What is behind the gate (a client in this process, or a socket to a process that has one) is
 * nobody's business above it.
 *
 * All functions on the loop's thread. */
#ifndef MW_GATE_H
#define MW_GATE_H

#include "mw/limits.h"
#include "mw/request.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_gate mw_gate;
typedef uint64_t mw_call_id; /* never 0, never used twice by one gate */

/* What became of the request on the wire. */
typedef enum mw_sent {
    MW_SENT_NOT,      /* not a byte of it left */
    MW_SENT_ANSWERED, /* a whole answer came back */
    MW_SENT_UNKNOWN   /* it left, wholly or in part, and no whole answer came back */
} mw_sent;

/* How a good answer of a call with a key (`once` of mw_call_options) came about. */
typedef enum mw_once_how {
    MW_ONCE_NOT,   /* there was no key, or it is no good answer */
    MW_ONCE_SENT,  /* it was made by this call */
    MW_ONCE_FOUND, /* it was there, made by an attempt whose answer never came */
    MW_ONCE_DONE   /* it was made by an earlier call: the answer of then, nothing was sent */
} mw_once_how;

typedef struct mw_header {
    const char *name; /* lower case */
    const char *value;
} mw_header;

/* One answer; everything in it is borrowed until the callback returns. */
typedef struct mw_answer {
    int code;   /* MW_OK for a 2xx answer, else a mw_err */
    int status; /* HTTP status, 0 when there is none */
    /* Of all attempts: unknown where one of them is, unless the last one's answer settles it: one of success, or any to
     * a request that changes nothing. */
    mw_sent sent;
    uint32_t attempts;  /* how often it was tried: sent, or stopped before it could be */
    int64_t elapsed_us; /* from submit to answer */
    int64_t waited_us;  /* of it, waiting for a turn or for the next attempt */
    double retry_after; /* seconds the server asked for, or -1 */
    mw_once_how once;
    const char *request_id; /* the server's x-request-id, or "" */
    const char *url;        /* redacted: no user info, no secret-looking query value */
    const char *message; /* code != 0: one line on what went wrong, without the operation's name */
    /* The parameter at fault (code MW_INVALID), the budget that is used up (MW_BUDGET: "calls", "writes",
     * "bytes sent"), or "". With sent == MW_SENT_NOT the message then names the operation itself. */
    const char *field;
    const mw_header *headers;
    size_t header_count;
    const char *body; /* NUL-ended beyond body_length; may be "" */
    size_t body_length;
} mw_answer;

typedef void (*mw_answer_fn)(const mw_answer *answer, void *ud);

/* Makes a request as this gate wants it; arguments and failures are those of mw_request_new and
 * mw_request_raw. A client's gate checks the arguments here; that of a worker (mw/wire.h) packs them, and
 * what is wrong with them comes as the answer. */
int mw_gate_request(mw_gate *gate, const mw_operation *operation, const mw_value *path,
                    size_t path_count, const mw_value *params, const mw_call_options *options,
                    mw_request **request, mw_error *error);
int mw_gate_request_raw(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                        const mw_call_options *options, mw_request **request, mw_error *error);

/* Submits a request. Returns 0, takes ownership of `request`, and calls `done` exactly once, later,
 * from the loop, whatever happens (answer, failure, cancel, close of the client, end of the loop);
 * or returns a negative mw_err with `error`, never calls `done`, and `request` still belongs to the
 * caller. `*id` (`id` may be NULL) serves mw_gate_cancel until `done` has run. Fails with MW_INVALID (gate is closed;
 * the client lacks an account or a token of the kind that the row needs), MW_DENIED, MW_BUDGET or
 * MW_MEMORY. */
int mw_gate_submit(mw_gate *gate, mw_request *request, mw_answer_fn done, void *ud, mw_call_id *id,
                   mw_error *error);

/* Ends a call: its `done` gets MW_CANCELLED, or an answer that was on the way already, later, from the loop. An unknown
 * id does nothing. */
void mw_gate_cancel(mw_gate *gate, mw_call_id id);

/* The service behind the gate. */
mw_service mw_gate_service(const mw_gate *gate);

/* Requests sent so far through this gate (each attempt counts). */
uint64_t mw_gate_sent(const mw_gate *gate);

/* What its lanes have done so far and who waits in them (mw/limits.h). At a worker's gate the broker is asked, and
 * other frames are handled meanwhile: not from a callback of the loop there (MW_INVALID). MW_CANCELLED (the way to the
 * broker has ended), MW_MEMORY. */
int mw_gate_stats(mw_gate *gate, mw_lane_stats stats[MW_LANES]);

/* Puts `watch` on the list of those who are told of the gate's waits, or takes it off (twice is fine). Its `fn` may
 * take itself off, nobody else, and may not end the gate. The gate's end takes everybody off. */
void mw_gate_watch_waits(mw_gate *gate, mw_gate_watch *watch);
void mw_gate_unwatch(mw_gate_watch *watch);

#ifdef __cplusplus
}
#endif
#endif
