/* wire_news.c: owns what a worker hears of the lanes behind a wire: stats that it asks for, waits that it is told of.
 * Must not know calls. Loop's thread. */
#include <stdlib.h>

#include "wire_private.h"

int mw__wire_stats(mw_gate *gate, mw_lane_stats lanes[MW_LANES])
{
    mw__wire_gate *own = (mw__wire_gate *)(void *)gate;
    mw_wire *wire = own->wire;
    char *data = NULL;
    const char *problem;
    size_t length = 0, at;
    uint64_t sent;
    if (wire->closed)
        return MW_CANCELLED;
    mw__wire_enter(wire);
    int rc =
        mw_channel_ask(wire->channel, MW__W_STATS, own->door, NULL, MW__W_LANES, &data, &length);
    if (rc == MW_OK)
        rc = mw__wire_unpack_stats(data, length, &sent, lanes, &at, &problem);
    if (rc == MW_OK)
        gate->sent = sent;
    mw__wire_leave(wire);
    free(data);
    return rc;
}

void mw__wire_wait(mw_wire *wire, const mw_frame *frame)
{
    mw_wait wait;
    size_t at = 0;
    const char *problem = NULL;
    if (mw__wire_unpack_wait(frame->data, frame->length, &wait, &at, &problem) != MW_OK) {
        mw_channel_fail(wire->channel, frame->offset + at, problem);
        return;
    }
    mw__wire_gate *gate = wire->gates;
    while (gate && gate->door != frame->id)
        gate = gate->next;
    if (!gate)
        return; /* offered a moment ago: the worker has not made it yet */
    wait.service = gate->gate.service;
    mw__gate_tell(&gate->gate, &wait);
}
