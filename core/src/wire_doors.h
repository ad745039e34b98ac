/* wire_doors.h: the doors of a broker's end of a wire: the gates that its worker may use, by number. Loop's thread. */
#ifndef MW_WIRE_DOORS_H
#define MW_WIRE_DOORS_H

#include "mw/wire.h"

typedef struct mw__wire_door mw__wire_door;

/* Zeroed but for the channel, which outlives it: none. */
typedef struct mw__wire_doors {
    mw_channel *channel;
    mw__wire_door **list;
    uint32_t count;
} mw__wire_doors;

/* As mw_wire_server_offer. From here on the worker is told of the gate's waits. */
int mw__wire_doors_add(mw__wire_doors *doors, mw_gate *gate, uint32_t *number);

/* Of a number below the count: the gate; the requests sent through it since it was added; sends the worker its stats,
 * or returns why that can't be done, as mw_channel_send. */
mw_gate *mw__wire_doors_gate(const mw__wire_doors *doors, uint32_t number);
uint64_t mw__wire_doors_sent(const mw__wire_doors *doors, uint32_t number);
int mw__wire_doors_stats(const mw__wire_doors *doors, uint32_t number);

/* Nobody is told of waits any more: the channel goes. */
void mw__wire_doors_close(mw__wire_doors *doors);
void mw__wire_doors_free(mw__wire_doors *doors); /* closes first */

#endif
