/* wire.c: owns the worker's end of a wire: its gates, the calls between submit and answer, the window that holds
 * them back. Must not know what is asked for, nor who answers. Loop's thread. */
#include <stdlib.h>

#include "wire_private.h"

/* ---- calls ---- */

static void free_wire_memory(mw_wire *wire)
{
    while (wire->gates) {
        mw__wire_gate *gate = wire->gates;
        wire->gates = gate->next;
        mw__gate_forget(&gate->gate);
        free(gate);
    }
    free(wire->headers);
    free(wire);
}

static void free_slot(mw_wire *wire, mw__wire_pending *call)
{
    unsigned slot = call->wire_id % MW_WIRE_CALLS;
    wire->slots[slot] = NULL;
    wire->free_slots[wire->free_count++] = (uint16_t)slot;
    wire->bytes -= call->bytes;
    call->wire_id = 0;
}

/* The caller has had its answer, or is about to get it: nobody waits for the call any more. */
static void unlink_call(mw__wire_pending *call)
{
    mw_wire *wire = call->wire;
    *call->prev = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->prev = NULL;
    mw__loop_release(wire->loop);
    if (wire->channel)
        mw__channel_release(wire->channel);
}

/* Frees a call whose caller has had its answer. */
static void retire(mw__wire_pending *call)
{
    mw_request_free(call->request);
    free(call);
}

void mw__wire_enter(mw_wire *wire)
{
    wire->busy++;
}

void mw__wire_leave(mw_wire *wire)
{
    if (--wire->busy == 0 && wire->freed && !wire->calls)
        free_wire_memory(wire);
}

static void finish(mw__wire_pending *call, mw_answer *answer)
{
    mw_wire *wire = call->wire;
    int64_t now = mw_loop_now(wire->loop);
    answer->elapsed_us = now - call->submitted_us;
    answer->waited_us += (call->sent_us ? call->sent_us : now) - call->submitted_us;
    unlink_call(call);
    mw_answer_fn done = call->done;
    call->done = NULL;
    done(answer, call->ud);
}

static void on_post(mw__post *post)
{
    mw__wire_pending *call =
        (mw__wire_pending *)(void *)((char *)post - offsetof(mw__wire_pending, post));
    mw_wire *wire = call->wire;
    bool sent = call->sent_us != 0;
    mw_answer answer = {.code = call->post_code,
                        .sent = sent ? MW_SENT_UNKNOWN : MW_SENT_NOT,
                        .attempts = 1,
                        .retry_after = -1,
                        .request_id = "",
                        .url = "",
                        .message = mw_err_text(call->post_code),
                        .field = "",
                        .body = ""};
    mw__wire_enter(wire);
    finish(call, &answer);
    if (call->wire_id == 0) /* else the answer frees it, which is still to come */
        retire(call);
    mw__wire_leave(wire);
}

/* Ends a call from outside of its own callback: the answer comes on the next turn. */
static void end_later(mw__wire_pending *call, int code)
{
    if (call->post_code != MW_OK)
        return;
    call->post_code = code;
    call->post.fn = on_post;
    mw__loop_post(call->wire->loop, &call->post);
}

/* ---- the window ---- */

static bool fits(const mw_wire *wire, const mw__wire_pending *call)
{
    return wire->free_count > 0 && call->bytes <= MW_WIRE_BYTES - wire->bytes;
}

static int send_call(mw__wire_pending *call)
{
    mw_wire *wire = call->wire;
    uint16_t slot = wire->free_slots[wire->free_count - 1];
    uint32_t id = (wire->serial + 1) * MW_WIRE_CALLS + slot;
    const mw__buf *packed = &call->request->packed;
    int rc = mw_channel_send(wire->channel, MW__W_CALL, id, &call->gate->door, MW__WIRE_DOOR,
                             packed->data, packed->length);
    if (rc != MW_OK)
        return rc;
    wire->serial++;
    wire->free_count--;
    wire->slots[slot] = call;
    wire->bytes += call->bytes;
    call->wire_id = id;
    call->sent_us = mw_loop_now(wire->loop);
    mw_request_free(call->request);
    call->request = NULL;
    return MW_OK;
}

static void leave_queue(mw_wire *wire, mw__wire_pending *call)
{
    mw__wire_pending **link = &wire->held;
    while (*link && *link != call)
        link = &(*link)->next_held;
    if (!*link)
        return;
    *link = call->next_held;
    if (wire->held_end == &call->next_held)
        wire->held_end = link;
}

static void send_held(mw_wire *wire)
{
    while (wire->held && !wire->closed && fits(wire, wire->held)) {
        mw__wire_pending *call = wire->held;
        wire->held = call->next_held;
        if (!wire->held)
            wire->held_end = &wire->held;
        int rc = send_call(call);
        if (rc != MW_OK)
            end_later(call, rc);
    }
}

static int submit(mw_gate *gate, mw_request *request, mw_answer_fn done, void *ud, mw_call_id *id,
                  mw_error *error)
{
    mw__wire_gate *own = (mw__wire_gate *)(void *)gate;
    mw_wire *wire = own->wire;
    if (wire->closed)
        return mw_error_set(error, MW_INVALID, NULL, "%s: the client is closed", request->name);
    if (request->packed.length == 0)
        return mw_error_set(error, MW_INVALID, NULL,
                            "%s: the request was not made by mw_gate_request of this gate",
                            request->name);
    mw__wire_pending *call = calloc(1, sizeof *call);
    if (!call)
        return mw_error_set(error, MW_MEMORY, NULL, "%s: out of memory", request->name);
    call->wire = wire;
    call->gate = own;
    call->request = request;
    call->done = done;
    call->ud = ud;
    call->bytes = MW__WIRE_DOOR + request->packed.length;
    call->submitted_us = mw_loop_now(wire->loop);
    bool now = !wire->held && fits(wire, call);
    int rc = now ? send_call(call) : MW_OK;
    if (rc != MW_OK) {
        free(call);
        return rc == MW_MEMORY ? mw_error_set(error, rc, NULL, "%s: out of memory", request->name)
                               : mw_error_set(error, MW_INVALID, NULL, "%s: the client is closed",
                                              request->name);
    }
    if (!now) {
        *wire->held_end = call;
        wire->held_end = &call->next_held;
    }
    call->id = ++wire->last_id;
    call->next = wire->calls;
    call->prev = &wire->calls;
    if (call->next)
        call->next->prev = &call->next;
    wire->calls = call;
    mw__loop_hold(wire->loop);
    mw__channel_hold(wire->channel);
    if (id)
        *id = call->id;
    return MW_OK;
}

static void cancel(mw_gate *gate, mw_call_id id)
{
    mw_wire *wire = ((mw__wire_gate *)(void *)gate)->wire;
    mw__wire_pending *call = wire->calls;
    while (call && call->id != id)
        call = call->next;
    if (!call || call->cancelled || call->post_code != MW_OK)
        return;
    call->cancelled = true;
    /* The broker's answer says whether the request went out. */
    if (call->wire_id != 0 && wire->channel &&
        mw_channel_send(wire->channel, MW__W_CANCEL, call->wire_id, NULL, 0, NULL, 0) == MW_OK)
        return;
    leave_queue(wire, call);
    end_later(call, MW_CANCELLED);
}

static const mw__gate_kind wire_gate = {.request = mw__wire_request,
                                        .request_raw = mw__wire_request_raw,
                                        .submit = submit,
                                        .cancel = cancel,
                                        .stats = mw__wire_stats};

/* ---- answers ---- */

static void take_answer(mw_wire *wire, mw__wire_pending *call, mw__wire_answer *answer)
{
    call->gate->gate.sent = answer->sent;
    mw__wire_enter(wire);
    free_slot(wire, call);
    bool waits = call->post_code == MW_OK; /* else its end is posted or has come */
    if (waits) {
        if (wire->on_warning && answer->warning[0])
            wire->on_warning(answer->warning, wire->ud);
        finish(call, &answer->answer);
    }
    bool over = call->done == NULL;
    if (!wire->closed)
        send_held(wire);
    if (over)
        retire(call);
    mw__wire_leave(wire);
}

void mw_wire_frame(mw_wire *wire, const mw_frame *frame)
{
    if (wire->closed)
        return;
    if (frame->type == MW__W_WAIT) {
        mw__wire_wait(wire, frame);
        return;
    }
    if (frame->type != MW__W_ANSWER) {
        mw_channel_fail(wire->channel, frame->offset - MW_FRAME_HEADER + 5, "no answer to a call");
        return;
    }
    mw__wire_pending *call = wire->slots[frame->id % MW_WIRE_CALLS];
    if (!call || call->wire_id != frame->id) {
        mw_channel_fail(wire->channel, frame->offset - 4, "an answer that nobody waits for");
        return;
    }
    mw__wire_answer answer;
    size_t at = 0;
    const char *problem = NULL;
    int rc = mw__wire_unpack_answer(frame->data, frame->length, &wire->headers, &wire->header_room,
                                    &answer, &at, &problem);
    if (rc == MW_DECODE) {
        mw_channel_fail(wire->channel, frame->offset + at, problem);
        return;
    }
    if (rc != MW_OK) {
        answer.answer.code = rc;
        answer.answer.message = mw_err_text(rc);
        answer.answer.header_count = 0;
        answer.answer.body = "";
        answer.answer.body_length = 0;
    }
    take_answer(wire, call, &answer);
}

/* ---- the beginning and the end ---- */

void mw_wire_close(mw_wire *wire)
{
    if (wire->closed)
        return;
    wire->closed = true;
    wire->held = NULL;
    wire->held_end = &wire->held;
    for (unsigned slot = 0; slot < MW_WIRE_CALLS; slot++) {
        mw__wire_pending *call = wire->slots[slot];
        if (!call)
            continue;
        free_slot(wire, call);
        if (!call->done)
            retire(call);
    }
    for (mw__wire_pending *call = wire->calls; call; call = call->next) {
        end_later(call, MW_CANCELLED);
        mw__channel_release(wire->channel);
    }
    wire->channel = NULL;
}

static void on_loop_close(mw__closer *closer)
{
    mw_wire_close((mw_wire *)(void *)((char *)closer - offsetof(mw_wire, closer)));
}

void mw_wire_free(mw_wire *wire)
{
    if (!wire)
        return;
    mw__wire_enter(wire);
    mw_wire_close(wire);
    mw__loop_off_close(&wire->closer);
    wire->freed = true;
    mw__wire_leave(wire);
}

int mw_wire_new(mw_loop *loop, mw_channel *channel, mw_wire_warning_fn on_warning, void *ud,
                mw_wire **out)
{
    mw_wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return MW_MEMORY;
    wire->loop = loop;
    wire->channel = channel;
    wire->on_warning = on_warning;
    wire->ud = ud;
    wire->held_end = &wire->held;
    for (unsigned slot = 0; slot < MW_WIRE_CALLS; slot++)
        wire->free_slots[wire->free_count++] = (uint16_t)slot;
    wire->closer.fn = on_loop_close;
    mw__loop_on_close(loop, &wire->closer);
    *out = wire;
    return MW_OK;
}

int mw_wire_gate(mw_wire *wire, uint32_t door, mw_service service, mw_gate **out)
{
    mw__wire_gate *gate = wire->gates;
    while (gate && gate->door != door)
        gate = gate->next;
    if (!gate) {
        gate = calloc(1, sizeof *gate);
        if (!gate)
            return MW_MEMORY;
        gate->gate.kind = &wire_gate;
        gate->gate.service = service;
        gate->wire = wire;
        gate->door = door;
        gate->next = wire->gates;
        wire->gates = gate;
    }
    *out = &gate->gate;
    return MW_OK;
}
