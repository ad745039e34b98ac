/* channel_private.h: a channel from the inside, shared by channel.c (its handles, sending), channel_in.c (what comes
 * in), channel_wait.c (the calls that wait) and the wire. Loop's thread. */
#ifndef MW_CHANNEL_PRIVATE_H
#define MW_CHANNEL_PRIVATE_H

#include "loop_private.h"
#include "mw/channel.h"

/* Bytes on their way: data[start] to data[end] are alive. */
typedef struct mw__bytes {
    char *data;
    size_t capacity;
    size_t start;
    size_t end;
} mw__bytes;

/* The one frame that mw_channel_ask waits for. */
typedef struct mw__ask {
    uint8_t type;
    uint32_t id;
    bool done;
    char *data; /* NULL once done: out of memory */
    size_t length;
} mw__ask;

struct mw_channel {
    mw_loop *loop; /* NULL once the loop has gone */
    mw_channel_options options;
    mw__bytes in;
    mw__bytes out;
    uint64_t offset;   /* of in.data[in.start] in the stream that came in */
    uint64_t throttle; /* nothing is read while more than so much waits to be sent */
    int events;        /* what `poll` watches */
    unsigned holds;    /* users whose work keeps the loop of a background channel alive */
    unsigned handles;  /* that libuv has not closed yet */
    unsigned depth;    /* callbacks that are running */
    bool paused;
    bool throttled;
    bool blocked; /* the peer has not taken all that it was sent */
    bool deaf;    /* the peer takes nothing any more; what it has said is still read */
    bool ended;   /* on_end comes or has come */
    bool told;    /* it has come */
    bool freed;
    int code;
    char message[160];
    mw__ask *ask;
    uv_poll_t poll;
    uv_prepare_t prepare; /* sends what was queued by timers and between turns */
    uv_check_t check;     /* sends what was queued while sockets were served */
    mw__post post;        /* tells of the end; goes on after a pause */
    mw__closer closer;
};

/* channel.c. Makes room for a frame with a payload of `length` bytes, to be written to `*payload` before anything
 * else is done with the channel. As mw_channel_send. */
int mw__channel_reserve(mw_channel *channel, uint8_t type, uint32_t id, size_t length,
                        char **payload);

/* Work that a background channel must keep the loop alive for; each hold wants one release. */
void mw__channel_hold(mw_channel *channel);
void mw__channel_release(mw_channel *channel);

/* While more than `most` bytes wait to be sent nothing is read, until half of them have gone. */
void mw__channel_throttle(mw_channel *channel, uint64_t most);

/* Ends the channel; the first end counts. */
void mw__channel_end(mw_channel *channel, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mw__channel_tell(mw_channel *channel);  /* of the end, unless it was told */
void mw__channel_push(mw_channel *channel);  /* one write of what is queued */
void mw__channel_watch(mw_channel *channel); /* for what is wanted now */

/* channel_in.c. One read, and on_frame for every frame that is complete. */
void mw__channel_read(mw_channel *channel);
void mw__channel_dispatch(mw_channel *channel);
bool mw__channel_reads(const mw_channel *channel); /* whether it wants to */

#endif
