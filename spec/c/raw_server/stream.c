/* stream.c: reads requests byte for byte and writes answers, on blocking sockets.
 *
 * Owns the framing of HTTP/1.1 requests; must not know what an answer means. Runs on the thread of
 * its connection. */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 65536, MAX_HEAD = 4 << 20 };

static const size_t max_body = (size_t)256 << 20;

static bool grow(stream *in, size_t more)
{
    if (in->capacity - in->length >= more) {
        return true;
    }
    size_t capacity = (in->length + more) * 2;
    char *bytes = realloc(in->bytes, capacity);
    if (!bytes) {
        return false;
    }
    in->bytes = bytes;
    in->capacity = capacity;
    return true;
}

/* One read appended; false at the end or on a reset. */
static bool fill(stream *in)
{
    if (!grow(in, READ_SIZE)) {
        return false;
    }
    ssize_t n;
    do {
        n = recv(in->fd, in->bytes + in->length, READ_SIZE, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return false;
    }
    in->length += (size_t)n;
    return true;
}

/* Moves the first `length` bytes out, NUL-ended. */
static char *take(stream *in, size_t length)
{
    char *out = malloc(length + 1);
    if (!out) {
        abort();
    }
    if (length) {
        memcpy(out, in->bytes, length);
    }
    out[length] = '\0';
    in->length -= length;
    if (in->length) {
        memmove(in->bytes, in->bytes + length, in->length);
    }
    return out;
}

static bool take_head(stream *in, request *out)
{
    for (;;) {
        char *end = in->length ? memmem(in->bytes, in->length, "\r\n\r\n", 4) : NULL;
        if (end) {
            out->head_length = (size_t)(end - in->bytes) + 4;
            out->head = take(in, out->head_length);
            return true;
        }
        if (in->length > MAX_HEAD || !fill(in)) {
            out->head_length = in->length;
            out->head = take(in, in->length);
            return false;
        }
    }
}

/* Bytes of the chunked body at the start of the buffer, or 0 while its end is not there. */
static size_t chunked_end(const stream *in)
{
    size_t at = 0;
    for (;;) {
        char *eol = at < in->length ? memmem(in->bytes + at, in->length - at, "\r\n", 2) : NULL;
        if (!eol) {
            return 0;
        }
        unsigned long long size = strtoull(in->bytes + at, NULL, 16);
        at = (size_t)(eol - in->bytes) + 2;
        if (size == 0) {
            char *end = memmem(in->bytes + at - 2, in->length - at + 2, "\r\n\r\n", 4);
            return end ? (size_t)(end - in->bytes) + 4 : 0;
        }
        if (size > max_body || in->length - at < size + 2) {
            return 0;
        }
        at += (size_t)size + 2;
    }
}

static bool take_body(stream *in, request *out, size_t length, bool chunked)
{
    bool whole = true;
    if (chunked) {
        while ((length = chunked_end(in)) == 0) {
            if (in->length > max_body || !fill(in)) {
                whole = false;
                length = in->length;
                break;
            }
        }
    } else {
        while (in->length < length) {
            if (length > max_body || !fill(in)) {
                whole = false;
                length = in->length;
                break;
            }
        }
    }
    out->body = take(in, length);
    out->body_length = length;
    return whole;
}

bool stream_request(stream *in, request *out)
{
    *out = (request){.head = NULL};
    if (!take_head(in, out)) {
        return out->head_length > 0;
    }
    const char *coding = request_header(out, "transfer-encoding");
    bool chunked = coding && strcasestr(coding, "chunked");
    const char *length = request_header(out, "content-length");
    size_t bytes = length ? (size_t)strtoull(length, NULL, 10) : 0;
    out->complete = take_body(in, out, bytes, chunked);
    return true;
}

void request_free(request *r)
{
    free(r->head);
    free(r->body);
    *r = (request){.head = NULL};
}

const char *request_header(const request *r, const char *name)
{
    static _Thread_local char value[4096];
    size_t length = strlen(name);
    for (const char *line = r->head; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            line += strspn(line, " \t");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r\n"), line);
            return value;
        }
    }
    return NULL;
}

bool stream_send(stream *out, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(out->fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

bool stream_text(stream *out, const char *text)
{
    return stream_send(out, text, strlen(text));
}

void stream_drain(stream *in)
{
    do {
        in->length = 0;
    } while (fill(in));
}

void stream_close(stream *s, bool reset)
{
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else {
        shutdown(s->fd, SHUT_WR);
    }
    close(s->fd);
    free(s->bytes);
    *s = (stream){.fd = -1};
}
