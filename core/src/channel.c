/* channel.c: owns a channel's socket, its handles on the loop, its end, and what waits to be sent. Must not know what
 * frames mean. Loop's thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_private.h"

enum {
    DEFAULT_MAX_FRAME = 4 * 1024 * 1024,
    SOCKET_BUFFER = 1024 * 1024, /* the kernel takes as much of it as it allows */
    FIRST = 64 * 1024,           /* the first size of the buffer of what waits to be sent */
    KEEP = 2 * 1024 * 1024,      /* an empty one that is larger is given back */
    HANDLES = 3
};

/* Makes room for `more` bytes behind the living ones. False: out of memory. */
static bool make_room(mw__bytes *bytes, size_t more)
{
    size_t alive = bytes->end - bytes->start;
    if (bytes->capacity - bytes->end >= more)
        return true;
    size_t capacity = bytes->capacity ? bytes->capacity : FIRST;
    if (!bytes->data || alive + more > capacity / 4 * 3) {
        while (capacity < alive + more)
            capacity *= 2;
        char *data = malloc(capacity);
        if (!data)
            return false;
        if (alive > 0)
            memcpy(data, bytes->data + bytes->start, alive);
        free(bytes->data);
        bytes->data = data;
        bytes->capacity = capacity;
    } else {
        memmove(bytes->data, bytes->data + bytes->start, alive);
    }
    bytes->start = 0;
    bytes->end = alive;
    return true;
}

static void drop_bytes(mw__bytes *bytes)
{
    free(bytes->data);
    *bytes = (mw__bytes){0};
}

/* ---- sending ---- */

void mw__channel_push(mw_channel *channel)
{
    mw__bytes *out = &channel->out;
    if (out->end == out->start || channel->ended || channel->deaf)
        return;
    ssize_t sent;
    do
        sent =
            send(channel->options.fd, out->data + out->start, out->end - out->start, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent > 0) {
        out->start += (size_t)sent;
    } else if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        channel->deaf = true; /* reading finds out what has happened, after the peer's last words */
        out->start = out->end;
    }
    channel->blocked = out->start < out->end;
    if (!channel->blocked) {
        out->start = 0;
        out->end = 0;
        if (out->capacity > KEEP)
            drop_bytes(out);
    }
    if (channel->throttled && out->end - out->start <= channel->throttle / 2) {
        channel->throttled = false;
        mw__loop_post(channel->loop, &channel->post);
    }
    mw__channel_watch(channel);
}

int mw__channel_reserve(mw_channel *channel, uint8_t type, uint32_t id, size_t length,
                        char **payload)
{
    mw__bytes *out = &channel->out;
    if (channel->ended || channel->freed || channel->deaf)
        return MW_CANCELLED;
    if (type == 0)
        return MW_INVALID;
    if (length > UINT32_MAX)
        return MW_TOO_LARGE;
    size_t waiting = out->end - out->start;
    if (length + MW_FRAME_HEADER > channel->options.max_queued - waiting) {
        mw__channel_end(channel, MW_TOO_LARGE, "the peer leaves %zu bytes unread", waiting);
        return MW_CANCELLED;
    }
    if (!make_room(out, MW_FRAME_HEADER + length))
        return MW_MEMORY;
    char *at = out->data + out->end;
    uint32_t length32 = (uint32_t)length;
    memcpy(at, &length32, 4);
    at[4] = MW_FRAME_VERSION;
    at[5] = (char)type;
    memset(at + 6, 0, 2);
    memcpy(at + 8, &id, 4);
    out->end += MW_FRAME_HEADER + length;
    if (out->end - out->start > channel->throttle)
        channel->throttled = true;
    *payload = at + MW_FRAME_HEADER;
    return MW_OK;
}

int mw_channel_send(mw_channel *channel, uint8_t type, uint32_t id, const void *head,
                    size_t head_length, const void *body, size_t body_length)
{
    if (body_length > UINT32_MAX || head_length > UINT32_MAX)
        return MW_TOO_LARGE;
    char *payload;
    int rc = mw__channel_reserve(channel, type, id, head_length + body_length, &payload);
    if (rc != MW_OK)
        return rc;
    if (head_length > 0)
        memcpy(payload, head, head_length);
    if (body_length > 0)
        memcpy(payload + head_length, body, body_length);
    return MW_OK;
}

int mw_channel_send_value(mw_channel *channel, uint8_t type, uint32_t id, const mw_value *value)
{
    char *data = NULL;
    size_t length = 0;
    size_t capacity = 0;
    int rc = mw_value_pack(value, &data, &length, &capacity);
    if (rc == MW_OK)
        rc = mw_channel_send(channel, type, id, NULL, 0, data, length);
    free(data);
    return rc;
}

size_t mw_channel_queued(const mw_channel *channel)
{
    return channel->out.end - channel->out.start;
}

/* ---- the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    mw_channel *channel = poll->data;
    if (status < 0) /* an error on the socket has stopped the handle; reading finds out which */
        channel->events = 0;
    mw__loop_stir(channel->loop);
    if (events & UV_WRITABLE)
        mw__channel_push(channel);
    if (status < 0 || (events & UV_READABLE))
        mw__channel_read(channel);
    mw__channel_watch(channel);
}

void mw__channel_watch(mw_channel *channel)
{
    if (!channel->loop)
        return;
    int events = 0;
    if (!channel->ended && mw__channel_reads(channel))
        events |= UV_READABLE;
    if (!channel->ended && channel->blocked)
        events |= UV_WRITABLE;
    if (events == channel->events)
        return;
    channel->events = events;
    if (events == 0)
        uv_poll_stop(&channel->poll);
    else
        uv_poll_start(&channel->poll, events, on_poll);
}

static void on_turn(mw_channel *channel)
{
    if (!channel->blocked)
        mw__channel_push(channel);
}

static void on_prepare(uv_prepare_t *handle)
{
    on_turn(handle->data);
}

static void on_check(uv_check_t *handle)
{
    on_turn(handle->data);
}

static void on_post(mw__post *post)
{
    mw_channel *channel = (mw_channel *)(void *)((char *)post - offsetof(mw_channel, post));
    if (!channel->ended)
        mw__channel_dispatch(channel);
    else
        mw__channel_tell(channel);
    mw__channel_watch(channel);
}

/* A channel at work keeps the loop alive through `prepare`, whatever its socket is watched for. */
static void set_alive(mw_channel *channel)
{
    if (!channel->loop)
        return;
    bool alive = !channel->ended && (!channel->options.background || channel->holds > 0);
    if (alive)
        uv_ref((uv_handle_t *)&channel->prepare);
    else
        uv_unref((uv_handle_t *)&channel->prepare);
}

void mw__channel_hold(mw_channel *channel)
{
    channel->holds++;
    set_alive(channel);
}

void mw__channel_release(mw_channel *channel)
{
    channel->holds--;
    set_alive(channel);
}

void mw__channel_throttle(mw_channel *channel, uint64_t most)
{
    channel->throttle = most;
}

void mw_channel_pause(mw_channel *channel, bool paused)
{
    if (channel->paused == paused || channel->ended || channel->freed)
        return;
    channel->paused = paused;
    if (!paused)
        mw__loop_post(channel->loop, &channel->post); /* frames may be there already */
    mw__channel_watch(channel);
}

/* ---- the end ---- */

void mw__channel_end(mw_channel *channel, int code, const char *format, ...)
{
    if (channel->ended || channel->freed)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(channel->message, sizeof channel->message, format, args);
    va_end(args);
    channel->ended = true;
    channel->code = code;
    drop_bytes(&channel->out);
    mw__channel_watch(channel);
    set_alive(channel);
    mw__loop_post(channel->loop, &channel->post);
}

void mw__channel_tell(mw_channel *channel)
{
    if (!channel->ended || channel->told || channel->freed)
        return;
    channel->told = true;
    mw__loop_unpost(&channel->post);
    if (channel->options.on_end)
        channel->options.on_end(channel->code, channel->message, channel->options.ud);
}

void mw_channel_fail(mw_channel *channel, uint64_t offset, const char *problem)
{
    mw__channel_end(channel, MW_DECODE, "protocol: byte %" PRIu64 ": %s", offset, problem);
}

static void free_memory(mw_channel *channel)
{
    drop_bytes(&channel->in);
    drop_bytes(&channel->out);
    free(channel);
}

static void on_handle_closed(uv_handle_t *handle)
{
    mw_channel *channel = handle->data;
    if (--channel->handles == 0 && channel->freed)
        free_memory(channel);
}

/* What the channel is to the loop is over. */
static void leave_loop(mw_channel *channel)
{
    mw__loop_off_close(&channel->closer);
    mw__loop_unpost(&channel->post);
    if (!channel->options.background)
        mw__loop_release(channel->loop);
    uv_close((uv_handle_t *)&channel->poll, on_handle_closed);
    uv_close((uv_handle_t *)&channel->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&channel->check, on_handle_closed);
    channel->loop = NULL;
}

static void on_loop_close(mw__closer *closer)
{
    mw_channel *channel = (mw_channel *)(void *)((char *)closer - offsetof(mw_channel, closer));
    channel->ended = true;
    channel->told = true;
    leave_loop(channel);
}

void mw_channel_free(mw_channel *channel)
{
    if (!channel || channel->freed)
        return;
    channel->ended = true;
    channel->freed = true;
    if (channel->loop)
        leave_loop(channel);
    close(channel->options.fd);
    if (channel->handles == 0)
        free_memory(channel);
}

/* ---- the beginning ---- */

static void open_handles(mw_channel *channel)
{
    uv_loop_t *uv = mw__loop_uv(channel->loop);
    uv_prepare_init(uv, &channel->prepare);
    uv_check_init(uv, &channel->check);
    channel->poll.data = channel;
    channel->prepare.data = channel;
    channel->check.data = channel;
    channel->handles = HANDLES;
    uv_unref((uv_handle_t *)&channel->poll);
    uv_unref((uv_handle_t *)&channel->check);
    uv_prepare_start(&channel->prepare, on_prepare);
    uv_check_start(&channel->check, on_check);
    channel->post.fn = on_post;
    channel->closer.fn = on_loop_close;
    mw__loop_on_close(channel->loop, &channel->closer);
    if (!channel->options.background)
        mw__loop_hold(channel->loop);
    set_alive(channel);
    mw__channel_watch(channel);
}

int mw_channel_new(mw_loop *loop, const mw_channel_options *options, mw_channel **out,
                   mw_error *error)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(options->fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return mw_error_set(error, MW_INVALID, NULL,
                            "can't make a channel: descriptor %d is no stream socket", options->fd);
    mw_channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return mw_error_set(error, MW_MEMORY, NULL, "can't make a channel: out of memory");
    channel->loop = loop;
    channel->options = *options;
    channel->throttle = UINT64_MAX;
    if (channel->options.max_frame == 0)
        channel->options.max_frame = DEFAULT_MAX_FRAME;
    if (channel->options.max_queued == 0)
        channel->options.max_queued = UINT64_MAX;
    int rc = uv_poll_init(mw__loop_uv(loop), &channel->poll, options->fd);
    if (rc != 0) {
        free(channel);
        return mw_error_set(error, MW_INVALID, NULL, "can't make a channel of descriptor %d: %s",
                            options->fd, uv_strerror(rc));
    }
    int buffer = SOCKET_BUFFER;
    setsockopt(options->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    setsockopt(options->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    open_handles(channel);
    *out = channel;
    return MW_OK;
}
