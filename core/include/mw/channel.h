/* mw/channel.h: frames between two processes over one stream socket.
 *
 * A frame is a header of 12 bytes and a payload:
 *
 *     length   uint32   bytes of the payload
 *     version  uint8    MW_FRAME_VERSION
 *     type     uint8    1 to 255, the users' business
 *     zero     uint16   0
 *     id       uint32   the users' business
 *
 * in the byte order of the machine: both ends are one program on one machine. What arrives is hostile
 * until it has been checked: a wrong version, a length beyond the cap or anything else that is off ends
 * the channel, with the offset of the byte at fault in the stream that came in.
 *
 * Sending never blocks and never waits: frames are collected and leave in one write at the end of the
 * turn of the loop; what the peer does not take stays queued, and mw_channel_queued says how much that
 * is, so that a sender can hold back. One read a turn. All functions on the loop's thread. */
#ifndef MW_CHANNEL_H
#define MW_CHANNEL_H

#include "mw/loop.h"
#include "mw/value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MW_FRAME_VERSION 1
#define MW_FRAME_HEADER 12

typedef struct mw_channel mw_channel;

typedef struct mw_frame {
    uint8_t type;
    uint32_t id;
    const char *data; /* borrowed until the callback returns */
    size_t length;
    uint64_t offset; /* of the payload's first byte in the stream that came in, for mw_channel_fail */
} mw_frame;

typedef struct mw_channel_options {
    int fd;              /* a stream socket; the channel owns it from success on */
    uint32_t max_frame;  /* bytes of a payload that may arrive; larger: the channel fails [4 MiB] */
    uint64_t max_queued; /* bytes that may wait to be sent; beyond: the channel fails [no limit] */
    /* It alone does not keep mw_loop_run waiting, nor does it count in mw_loop_live: the end of a worker
     * that waits for things of its own. While calls of a wire are unanswered it does keep the loop waiting. */
    bool background;
    void (*on_frame)(const mw_frame *frame, void *ud);
    /* The channel has ended, once: MW_OK when the peer closed between two frames, MW_DECODE for a
     * protocol error ("protocol: byte 1234: version 7"), MW_NETWORK for a socket error or an end within
     * a frame, MW_TOO_LARGE (max_queued), MW_MEMORY. Comes from the loop, or from a call that waits.
     * After it only mw_channel_free is of use. */
    void (*on_end)(int code, const char *message, void *ud);
    void *ud;
} mw_channel_options;

/* A channel on the loop; the socket becomes non-blocking. MW_MEMORY, MW_INVALID (no socket). */
int mw_channel_new(mw_loop *loop, const mw_channel_options *options, mw_channel **channel,
                   mw_error *error);

/* Queues a frame whose payload is `head` and `body` one after the other (either may be NULL with
 * length 0); both are copied. MW_MEMORY, MW_TOO_LARGE (the frame is beyond 2^32 - 1 bytes), or
 * MW_CANCELLED (the channel has ended). */
int mw_channel_send(mw_channel *channel, uint8_t type, uint32_t id, const void *head,
                    size_t head_length, const void *body, size_t body_length);

/* The same with a tree as payload (mw_value_pack). Also MW_INVALID (nested too deeply). */
int mw_channel_send_value(mw_channel *channel, uint8_t type, uint32_t id, const mw_value *value);

/* Bytes that the peer has not taken yet. */
size_t mw_channel_queued(const mw_channel *channel);

/* ---- calls that wait ----
 * Only for the worker, which has nobody else to serve, and only outside of callbacks (MW_INVALID). While
 * they wait, what is queued is sent, and frames that come go to on_frame as usual, from within the call. A
 * pause does not hold for mw_channel_ask. */

/* Sends a tree (NULL: no payload) and waits for a frame of type `reply` with the id `id`; its payload is copied: free
 * `*data` with free(); it is NUL-ended beyond `*length`. MW_OK, MW_MEMORY, MW_CANCELLED (the channel has ended), or
 * what mw_channel_send_value says. */
int mw_channel_ask(mw_channel *channel, uint8_t type, uint32_t id, const mw_value *value,
                   uint8_t reply, char **data, size_t *length);

/* Waits until all that is queued has been taken: MW_OK, MW_CANCELLED (the channel has ended, or the peer
 * takes nothing any more), or MW_TIMEOUT after `timeout_ms` (-1: no limit). */
int mw_channel_flush(mw_channel *channel, int timeout_ms);

/* Waits until at least one frame has come: MW_OK, MW_CANCELLED or MW_TIMEOUT as above. */
int mw_channel_wait(mw_channel *channel, int timeout_ms);

/* While paused nothing is read: the peer's writes back up. */
void mw_channel_pause(mw_channel *channel, bool paused);

/* Ends the channel as a protocol error at `offset` of the stream that came in: on_end gets MW_DECODE and
 * "protocol: byte OFFSET: PROBLEM", on the next turn. */
void mw_channel_fail(mw_channel *channel, uint64_t offset, const char *problem);

/* Closes and frees; on_end is not called. Also from within a callback. NULL is fine. */
void mw_channel_free(mw_channel *channel);

/* ---- trees as bytes ---- */

/* Appends the packed form of `value` to a growing block (*data, *length, *capacity; start with NULL, 0,
 * 0; free *data with free()). MW_MEMORY, MW_INVALID (deeper than MW_MAX_DEPTH + 4), MW_TOO_LARGE (beyond
 * 2^32 - 1 bytes). */
int mw_value_pack(const mw_value *value, char **data, size_t *length, size_t *capacity);

/* Reads a packed tree from `data` at `*at` and moves `*at` behind it. Strings are borrowed from `data`;
 * nodes are the arena's. Hostile bytes are fine: MW_DECODE, with `*at` at the byte at fault and
 * `*problem` a static text ("a string beyond the end"); MW_MEMORY (or the arena's cap). Names of
 * members are NUL-ended as mw_member promises. */
int mw_value_unpack(const char *data, size_t length, size_t *at, mw_arena *arena, mw_value *value,
                    const char **problem);

/* The member `name` of an object, or NULL. For reading what was unpacked. */
const mw_value *mw_value_member(const mw_value *object, const char *name);

#ifdef __cplusplus
}
#endif
#endif
