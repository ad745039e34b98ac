/* mw/wire.h: a gate in one process, its service in another.
 *
 * The worker has a *wire*: gates whose requests travel over a channel. The broker *serves* them: it
 * unpacks the arguments of a call, makes the request from them with mw_request_new, so that a hostile
 * worker gets exactly the checks of an honest one, submits it to the gate that stands behind the door
 * named in the frame, and sends the answer back. Nothing is checked in the worker; what the broker
 * refuses comes back as an answer with the code (MW_INVALID, MW_DENIED, ...) and its message.
 *
 * Flow control: a worker has at most MW_WIRE_CALLS calls and MW_WIRE_BYTES bytes of their frames
 * unanswered; its gate holds the others back. A worker that sends more breaks the protocol. The broker
 * takes up no further call while more than MW_WIRE_BACKLOG bytes of answers wait to be read.
 *
 * Frame types 1 to 15 are the wire's; the rest of a channel is free for others. The owner of the
 * channel passes frames in and learns whether they were the wire's. All functions on the loop's thread. */
#ifndef MW_WIRE_H
#define MW_WIRE_H

#include "mw/channel.h"
#include "mw/gate.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MW_WIRE_TYPES 15 /* frame types up to here are the wire's */
#define MW_WIRE_CALLS 256u
#define MW_WIRE_BYTES (16u * 1024u * 1024u)
#define MW_WIRE_BACKLOG (4u * 1024u * 1024u)
/* Bytes of one call's frame. The broker checks and encodes it in one go, and others wait meanwhile. */
#define MW_WIRE_MAX_CALL (1024u * 1024u)
/* Bytes of an answer's body; a call that asks for more (max_body) gets as much. The worker's channel takes
 * frames of MW_WIRE_MAX_ANSWER bytes (mw_channel_options.max_frame). */
#define MW_WIRE_MAX_BODY (64u * 1024u * 1024u)
#define MW_WIRE_MAX_ANSWER (MW_WIRE_MAX_BODY + 1024u * 1024u)

/* ---- the worker's end ---- */

typedef struct mw_wire mw_wire;

/* A wire over a channel that outlives it. `on_warning` (may be NULL) gets what mw_request_warning said, from
 * where answers come, before the answer. MW_MEMORY. */
typedef void (*mw_wire_warning_fn)(const char *text, void *ud);
int mw_wire_new(mw_loop *loop, mw_channel *channel, mw_wire_warning_fn on_warning, void *ud,
                mw_wire **wire);

/* The gate to the broker's `door`; the wire's, borrowed. The same door gives the same gate. Its requests
 * come from mw_gate_request and mw_gate_request_raw alone; a request of mw_request_new is refused as
 * MW_INVALID. MW_MEMORY. */
int mw_wire_gate(mw_wire *wire, uint32_t door, mw_service service, mw_gate **gate);

/* Takes a frame of a type up to MW_WIRE_TYPES; one that neither answers a call nor tells of a wait fails the channel.
 * Callbacks of calls come from here, so from the loop, or from a call of the channel that waits.
 * An answer with a code, `attempts` 0 and MW_SENT_NOT is what mw_gate_request or mw_gate_submit said at the
 * broker's gate: its message names the operation. */
void mw_wire_frame(mw_wire *wire, const mw_frame *frame);

/* The channel has ended: calls in flight end as MW_CANCELLED, on the next turn, and new ones are refused. */
void mw_wire_close(mw_wire *wire);
void mw_wire_free(mw_wire *wire); /* closes first; gates are gone with it. NULL is fine */

/* ---- the broker's end ---- */

typedef struct mw_wire_server mw_wire_server;

typedef struct mw_wire_server_options {
    mw_loop *loop;
    mw_channel *channel;
    /* Opens a file that the arguments of a call name, as mw_call_options.open has it. NULL: no call may
     * name one. */
    int (*open_file)(const char *path, int *fd, mw_error *error, void *ud);
    void *ud;
    uint64_t max_body; /* bytes that a call may raise its max_body to [MW_WIRE_MAX_BODY] */
} mw_wire_server_options;

int mw_wire_server_new(const mw_wire_server_options *options, mw_wire_server **server);

/* Lets the worker use `gate`, which outlives the server, as `*door`, ask for its stats and hear of its waits.
 * MW_MEMORY. */
int mw_wire_server_offer(mw_wire_server *server, mw_gate *gate, uint32_t *door);

/* Takes a frame of a type up to MW_WIRE_TYPES. A malformed one fails the channel at the byte at fault. In answers
 * every secret of the loop (mw_loop_redact_bytes) is struck out: a worker never holds one. */
void mw_wire_server_frame(mw_wire_server *server, const mw_frame *frame);

/* The name of the call that came last ("contacts:get", or ""), and the calls that are unanswered. */
const char *mw_wire_server_last(const mw_wire_server *server);
unsigned mw_wire_server_live(const mw_wire_server *server);

/* Cancels what is in flight, whose answers go nowhere, and frees once they have come. To be called before
 * mw_channel_free. NULL is fine. */
void mw_wire_server_free(mw_wire_server *server);

#ifdef __cplusplus
}
#endif
#endif
