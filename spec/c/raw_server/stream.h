/* stream.h: one blocking connection of the raw server: buffered reading of whole requests, and
 * plain writing.
 *
 * Owns the bytes as they arrived; knows no route and no answer. Each stream belongs to the thread
 * of its connection. */
#ifndef RAW_STREAM_H
#define RAW_STREAM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct stream {
    int fd;
    char *bytes; /* read and not yet taken; owned */
    size_t length;
    size_t capacity;
} stream;

/* A request as it came over the wire; framing of chunked bodies included. */
typedef struct request {
    char *head; /* request line and headers with the empty line, NUL-ended; owned */
    size_t head_length;
    char *body; /* owned */
    size_t body_length;
    bool complete; /* false: the peer went away in the middle */
} request;

/* Reads one request. Returns false when the peer closed without sending a byte more. The caller
 * frees it with request_free in both cases. */
bool stream_request(stream *in, request *out);
void request_free(request *r);

/* The value of a header in a static buffer of the thread, or NULL. `name` in lower case. */
const char *request_header(const request *r, const char *name);

/* Sends everything, or returns false when the peer is gone. */
bool stream_send(stream *out, const char *bytes, size_t length);
bool stream_text(stream *out, const char *text);

/* Waits until the peer closes, and throws away what it sends. */
void stream_drain(stream *in);

/* Closes with FIN, or with RST. */
void stream_close(stream *s, bool reset);

#endif
