/* channel_wait.c: owns the calls that wait for a channel without its loop: asking, flushing. Only who has nobody else
 * to serve may use them. Must not know what frames mean. Loop's thread, outside of callbacks. */
#include <poll.h>
#include <stdlib.h>

#include "channel_private.h"

/* Sends, waits for the socket at most `timeout_ms`, and reads. */
static void step(mw_channel *channel, int timeout_ms)
{
    mw__channel_push(channel);
    struct pollfd socket = {.fd = channel->options.fd};
    if (mw__channel_reads(channel))
        socket.events |= POLLIN;
    if (channel->blocked)
        socket.events |= POLLOUT;
    if (channel->ended || poll(&socket, 1, timeout_ms) <= 0)
        return; /* a signal too: the caller looks again */
    if (socket.revents & ~POLLOUT)
        mw__channel_read(channel);
}

/* The milliseconds left until `end_us`, or -1 for no end. */
static int left_ms(int64_t end_us)
{
    if (end_us < 0)
        return -1;
    int64_t left = end_us - (int64_t)(uv_hrtime() / 1000);
    return left > 0 ? (int)((left + 999) / 1000) : 0;
}

static int64_t end_after(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : (int64_t)(uv_hrtime() / 1000) + (int64_t)timeout_ms * 1000;
}

/* To be called by each of them at its end. False: the channel has ended. */
static bool leave(mw_channel *channel)
{
    mw__channel_tell(channel);
    mw__channel_watch(channel);
    return !channel->ended && !channel->freed;
}

int mw_channel_ask(mw_channel *channel, uint8_t type, uint32_t id, const mw_value *value,
                   uint8_t reply, char **data, size_t *length)
{
    if (channel->depth > 0)
        return MW_INVALID;
    int rc = value ? mw_channel_send_value(channel, type, id, value)
                   : mw_channel_send(channel, type, id, NULL, 0, NULL, 0);
    if (rc != MW_OK) {
        leave(channel);
        return rc;
    }
    mw__ask ask = {.type = reply, .id = id};
    channel->ask = &ask;
    while (!ask.done && !channel->ended && !channel->freed)
        step(channel, -1);
    channel->ask = NULL;
    leave(channel);
    if (!ask.done)
        return MW_CANCELLED;
    *data = ask.data;
    *length = ask.length;
    return ask.data ? MW_OK : MW_MEMORY;
}

int mw_channel_flush(mw_channel *channel, int timeout_ms)
{
    if (channel->depth > 0)
        return MW_INVALID;
    int64_t end_us = end_after(timeout_ms);
    mw__channel_push(channel);
    while (channel->blocked && !channel->ended && !channel->freed) {
        int left = left_ms(end_us);
        if (left == 0 && end_us >= 0)
            break;
        step(channel, left);
    }
    bool late = channel->blocked;
    bool deaf = channel->deaf;
    if (!leave(channel) || deaf)
        return MW_CANCELLED;
    return late ? MW_TIMEOUT : MW_OK;
}

int mw_channel_wait(mw_channel *channel, int timeout_ms)
{
    if (channel->depth > 0)
        return MW_INVALID;
    int64_t end_us = end_after(timeout_ms);
    uint64_t before = channel->offset;
    int left = left_ms(end_us);
    do {
        step(channel, left);
        left = left_ms(end_us);
    } while (channel->offset == before && !channel->ended && !channel->freed && left != 0);
    bool came = channel->offset != before;
    if (!leave(channel))
        return MW_CANCELLED;
    return came ? MW_OK : MW_TIMEOUT;
}
