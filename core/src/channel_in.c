/* channel_in.c: owns what comes in on a channel: the buffer, the frames in it, and what is wrong with them. Must not
 * know what frames mean. Loop's thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "channel_private.h"

/* As much is read at once. Larger, the peer would have nothing to do while its answers are worked off. */
enum { CAPACITY = 256 * 1024 };

bool mw__channel_reads(const mw_channel *channel)
{
    if (channel->ended || channel->freed)
        return false;
    return channel->ask || (!channel->paused && !channel->throttled);
}

static uint32_t payload_length(const char *header)
{
    uint32_t length;
    memcpy(&length, header, sizeof length);
    return length;
}

/* Room for the rest of the frame that has begun, and for more. False: out of memory. */
static bool make_room(mw__bytes *in)
{
    size_t alive = in->end - in->start;
    size_t wanted = CAPACITY;
    if (alive >= MW_FRAME_HEADER) {
        size_t whole = MW_FRAME_HEADER + (size_t)payload_length(in->data + in->start);
        wanted = whole > wanted ? whole : wanted;
    }
    if (wanted > in->capacity) {
        char *data = malloc(wanted);
        if (!data)
            return false;
        if (alive > 0)
            memcpy(data, in->data + in->start, alive);
        free(in->data);
        in->data = data;
        in->capacity = wanted;
    } else if (alive > 0 && in->start > 0) {
        memmove(in->data, in->data + in->start, alive);
    }
    in->start = 0;
    in->end = alive;
    return true;
}

static void on_no_more(mw_channel *channel)
{
    size_t left = channel->in.end - channel->in.start;
    if (left == 0)
        mw__channel_end(channel, MW_OK, "the peer has closed");
    else
        mw__channel_end(channel, MW_NETWORK,
                        "the peer has closed within a frame, after byte %" PRIu64,
                        channel->offset + left);
}

void mw__channel_read(mw_channel *channel)
{
    if (!mw__channel_reads(channel))
        return;
    mw__bytes *in = &channel->in;
    if (!make_room(in)) {
        mw__channel_end(channel, MW_MEMORY, "out of memory for what comes in");
        return;
    }
    ssize_t got = recv(channel->options.fd, in->data + in->end, in->capacity - in->end, 0);
    if (got > 0) {
        in->end += (size_t)got;
        mw__channel_dispatch(channel);
    } else if (got == 0 || errno == ECONNRESET || errno == EPIPE) {
        on_no_more(channel);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        char text[80];
        uv_strerror_r(uv_translate_sys_error(errno), text, sizeof text);
        mw__channel_end(channel, MW_NETWORK, "the socket can't be read: %s", text);
    }
}

/* Whether the header is sound; else the channel has failed at the byte at fault. */
static bool check_header(mw_channel *channel, const unsigned char *header, uint32_t length)
{
    char problem[96] = "";
    unsigned at = 0;
    if (header[4] != MW_FRAME_VERSION) {
        at = 4;
        snprintf(problem, sizeof problem, "version %u", header[4]);
    } else if (header[5] == 0) {
        at = 5;
        snprintf(problem, sizeof problem, "a frame of type 0");
    } else if (header[6] != 0 || header[7] != 0) {
        at = 6;
        snprintf(problem, sizeof problem, "reserved bytes that are not 0");
    } else if (length > channel->options.max_frame) {
        snprintf(problem, sizeof problem, "a frame of %" PRIu32 " bytes; %" PRIu32 " are the most",
                 length, channel->options.max_frame);
    }
    if (problem[0])
        mw_channel_fail(channel, channel->offset + at, problem);
    return !problem[0];
}

/* Keeps the payload that mw_channel_ask waits for. */
static void take_reply(mw__ask *ask, const mw_frame *frame)
{
    ask->done = true;
    ask->data = malloc(frame->length + 1);
    if (!ask->data)
        return;
    if (frame->length > 0)
        memcpy(ask->data, frame->data, frame->length);
    ask->data[frame->length] = '\0';
    ask->length = frame->length;
}

static void take_frame(mw_channel *channel, const mw_frame *frame)
{
    mw__ask *ask = channel->ask;
    if (ask && !ask->done && frame->type == ask->type && frame->id == ask->id)
        take_reply(ask, frame);
    else if (channel->options.on_frame)
        channel->options.on_frame(frame, channel->options.ud);
}

void mw__channel_dispatch(mw_channel *channel)
{
    mw__bytes *in = &channel->in;
    channel->depth++;
    while (mw__channel_reads(channel) && in->end - in->start >= MW_FRAME_HEADER) {
        const char *header = in->data + in->start;
        uint32_t length = payload_length(header);
        if (!check_header(channel, (const unsigned char *)header, length))
            break;
        if (in->end - in->start - MW_FRAME_HEADER < length)
            break;
        mw_frame frame = {.type = (uint8_t)header[5],
                          .data = header + MW_FRAME_HEADER,
                          .length = length,
                          .offset = channel->offset + MW_FRAME_HEADER};
        memcpy(&frame.id, header + 8, sizeof frame.id);
        in->start += MW_FRAME_HEADER + length;
        channel->offset += MW_FRAME_HEADER + length;
        take_frame(channel, &frame);
    }
    channel->depth--;
    if (in->start == in->end && in->capacity > CAPACITY) {
        free(in->data);
        *in = (mw__bytes){0};
    }
}
