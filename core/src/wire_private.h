/* wire_private.h: the worker's end of a wire from the inside, shared by wire.c (calls), wire_request.c (requests) and
 * wire_news.c (what is said of lanes). Loop's thread. */
#ifndef MW_WIRE_PRIVATE_H
#define MW_WIRE_PRIVATE_H

#include "channel_private.h"
#include "gate_private.h"
#include "request_private.h"
#include "wire_codec.h"

typedef struct mw__wire_gate mw__wire_gate;
struct mw__wire_gate {
    mw_gate gate; /* first */
    mw_wire *wire;
    uint32_t door;
    mw__wire_gate *next;
};

/* A call between submit and answer. One that was cancelled stays in its slot until the broker's answer has come. */
typedef struct mw__wire_pending mw__wire_pending;
struct mw__wire_pending {
    mw_wire *wire;
    mw__wire_gate *gate;
    mw_request *request; /* until it is sent */
    mw_answer_fn done;   /* NULL once it was called */
    void *ud;
    mw_call_id id;
    uint32_t wire_id; /* of its frame, whose slot it has; 0: held back, or answered */
    size_t bytes;     /* of its frame */
    int post_code;    /* not MW_OK: its end is posted or has come */
    mw__post post;
    mw__wire_pending *next; /* in wire->calls, until `done` was called */
    mw__wire_pending **prev;
    mw__wire_pending *next_held;
    int64_t submitted_us;
    int64_t sent_us; /* 0: held back */
    bool cancelled;
};

struct mw_wire {
    mw_loop *loop;
    mw_channel *channel; /* NULL once closed */
    mw_wire_warning_fn on_warning;
    void *ud;
    mw__wire_gate *gates;
    mw__wire_pending *calls; /* whose caller waits, newest first */
    mw__wire_pending *held;  /* of them, those that the window holds back, oldest first */
    mw__wire_pending **held_end;
    mw__wire_pending *slots[MW_WIRE_CALLS]; /* by wire_id % MW_WIRE_CALLS */
    uint16_t free_slots[MW_WIRE_CALLS];
    unsigned free_count;
    uint32_t serial;
    size_t bytes; /* of the frames of the calls in slots */
    mw_call_id last_id;
    mw_header *headers; /* of the answer that is being read */
    size_t header_room;
    unsigned busy; /* callbacks that are running */
    bool closed;
    bool freed; /* by its owner; the memory goes with the last call */
    mw__closer closer;
};

/* Around callbacks, which may free the wire: it is there until the last one leaves. */
void mw__wire_enter(mw_wire *wire);
void mw__wire_leave(mw_wire *wire);

/* wire_news.c: as mw_gate_stats; tells those who watch the gate of the door. */
int mw__wire_stats(mw_gate *gate, mw_lane_stats lanes[MW_LANES]);
void mw__wire_wait(mw_wire *wire, const mw_frame *frame);

/* wire_request.c: as mw_gate_request and mw_gate_request_raw. */
int mw__wire_request(mw_gate *gate, const mw_operation *operation, const mw_value *path,
                     size_t path_count, const mw_value *params, const mw_call_options *options,
                     mw_request **request, mw_error *error);
int mw__wire_request_raw(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                         const mw_call_options *options, mw_request **request, mw_error *error);

#endif
