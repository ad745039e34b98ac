/* queue.h: the calls of a client that wait for their turn, and what is known of its lanes. Loop's thread. */
#ifndef MW_QUEUE_H
#define MW_QUEUE_H

#include "gate_private.h"
#include "loop_private.h"
#include "mw/client.h"
#include "pacer.h"

typedef struct mw__alarm mw__alarm;

typedef struct mw__queue {
    uint32_t waiting;
    bool capped; /* a way was denied for a place in flight, which a call of this client may give back */
    bool denied; /* since somebody was told */
    mw_lane_stats lanes[MW_LANES];
    int64_t told_us[MW_LANES]; /* when somebody was told last of a wait for the limit of the lane, or 0 */
    mw__alarm *alarm;
    mw__post post; /* tells */
} mw__queue;

/* MW_MEMORY. Closing drops nobody: calls that wait have left before. Zeroed, or twice, is fine. */
int mw__queue_open(mw_client *client);
void mw__queue_close(mw_client *client);

/* Puts a call into the line of its way. One whose lane is known to be paused for too long is ended instead. */
void mw__queue_push(mw__call *call, mw__turn turn);

/* Takes a call that waits out of its line. */
void mw__queue_drop(mw__call *call);

/* Takes out the call that may go now, in the order all, search, reports, write, upload, what is sent again first; its
 * way has given a token and a place for it. NULL: none may. Calls whose lane turns out to be paused for too long are
 * ended. */
mw__call *mw__queue_next(mw_client *client);

/* To be called when those who may go have gone: looks again when somebody may. */
void mw__queue_rest(mw_client *client);

/* Gives the place of a call back that mw__queue_next had let go. */
void mw__queue_done(mw__call *call);

/* The call got 429: pauses its lane for so many microseconds. `since`: when the server's window began. */
void mw__queue_refused(mw__call *call, int64_t now, int64_t since, int64_t wait);

/* Whether a pause is longer than the call waits for it. */
bool mw__queue_too_long(const mw__call *call, int64_t wait);

void mw__queue_stats(const mw_client *client, mw_lane_stats stats[MW_LANES]);

#endif
