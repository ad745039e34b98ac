/* wire_doors.c: owns the doors of a broker's end of a wire, and what the worker is told of the lanes behind them. Must
 * not know calls. Loop's thread. */
#include "wire_doors.h"

#include <stdlib.h>

#include "channel_private.h"
#include "wire_codec.h"

enum { MOST_DOORS = 1024 };

struct mw__wire_door {
    mw_gate_watch watch;
    mw_channel *channel;
    mw_gate *gate;
    uint32_t number;
    uint64_t sent_before; /* by others, before it was offered */
};

/* A worker that reads nothing hears nothing: its calls are not held up by that. */
static void on_wait(const mw_wait *wait, void *ud)
{
    const mw__wire_door *door = ud;
    char *payload;
    if (mw_channel_queued(door->channel) > MW_WIRE_BACKLOG)
        return;
    if (mw__channel_reserve(door->channel, MW__W_WAIT, door->number, mw__wire_wait_size(wait),
                            &payload) == MW_OK)
        mw__wire_pack_wait(wait, payload);
}

int mw__wire_doors_add(mw__wire_doors *doors, mw_gate *gate, uint32_t *number)
{
    for (uint32_t i = 0; i < doors->count; i++) {
        if (doors->list[i]->gate == gate) {
            *number = i;
            return MW_OK;
        }
    }
    mw__wire_door **list = NULL;
    if (doors->count < MOST_DOORS)
        list = realloc(doors->list, (doors->count + 1) * sizeof(mw__wire_door *));
    if (!list)
        return MW_MEMORY;
    doors->list = list;
    mw__wire_door *door = calloc(1, sizeof *door);
    if (!door)
        return MW_MEMORY;
    door->channel = doors->channel;
    door->gate = gate;
    door->number = doors->count;
    door->sent_before = mw_gate_sent(gate);
    door->watch.fn = on_wait;
    door->watch.ud = door;
    mw_gate_watch_waits(gate, &door->watch);
    list[doors->count++] = door;
    *number = door->number;
    return MW_OK;
}

mw_gate *mw__wire_doors_gate(const mw__wire_doors *doors, uint32_t number)
{
    return doors->list[number]->gate;
}

uint64_t mw__wire_doors_sent(const mw__wire_doors *doors, uint32_t number)
{
    const mw__wire_door *door = doors->list[number];
    return mw_gate_sent(door->gate) - door->sent_before;
}

int mw__wire_doors_stats(const mw__wire_doors *doors, uint32_t number)
{
    mw_lane_stats stats[MW_LANES];
    char *payload;
    int rc = mw_gate_stats(mw__wire_doors_gate(doors, number), stats);
    if (rc == MW_OK)
        rc = mw__channel_reserve(doors->channel, MW__W_LANES, number, MW__WIRE_STATS, &payload);
    if (rc == MW_OK)
        mw__wire_pack_stats(mw__wire_doors_sent(doors, number), stats, payload);
    return rc;
}

void mw__wire_doors_close(mw__wire_doors *doors)
{
    for (uint32_t i = 0; i < doors->count; i++)
        mw_gate_unwatch(&doors->list[i]->watch);
}

void mw__wire_doors_free(mw__wire_doors *doors)
{
    mw__wire_doors_close(doors);
    for (uint32_t i = 0; i < doors->count; i++)
        free(doors->list[i]);
    free(doors->list);
}
