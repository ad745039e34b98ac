/* answers.h: how the raw server behaves: the first segment of a request's path names a behaviour.
 *
 * Whole answers:
 *   ok, empty, 204, html, truncated-json
 *   echo                     the request's body as application/json
 *   status/CODE[-VARIANT]    {"error": ...}, or as the variants of status.c have it
 *   big/N, big-chunked/N, big-close/N
 *                            a JSON string of N bytes: with a length, chunked, until the close
 *   redirect-loop            302 to itself
 *   redirect-count/N         N times 302, then ok
 *   die-on-reuse             ok, but a connection's second request gets FIN and no answer
 * Broken before the status line: reset (RST), close (FIN), stall (silence).
 * Broken in the body: reset-body, short, overflow-length, two-lengths, stall-body, cut-chunk.
 * Without an end: endless-headers, endless-trailers, slow-headers.
 * As a spec has it:
 *   raw/THEN/NAME            the bytes left under NAME, then keep, close, reset or stall
 *   flood/HEAD/PART          the bytes under HEAD, then those under PART until the peer closes
 * A target that is no path is for a proxy: it gets the bytes left under "connect", or none, and the end.
 *
 * Control, never captured: GET /_log, POST /_clear, POST /_answer/NAME (the body is the answer).
 *
 * Everything here runs on the thread of the connection that asked. */
#ifndef RAW_ANSWERS_H
#define RAW_ANSWERS_H

#include "stream.h"

typedef enum next { NEXT_KEEP, NEXT_CLOSE, NEXT_RESET, NEXT_STALL } next;

typedef struct exchange {
    stream *stream;
    const request *request;
    unsigned sequence; /* of the request on its connection, from 1 */
    const char *target;
    const char *rest; /* of the target, behind the behaviour's name: "/422/api/v1" or "" */
} exchange;

/* One whole answer; `headers` is "" or whole lines. */
void answers_send(exchange *x, const char *status, const char *headers, const char *body,
                  size_t length);

/* status.c: "/429-after/..." in x->rest. */
next answers_status(exchange *x);

/* Whether a target is for the server itself. */
bool answers_is_control(const char *target);

/* Answers and says what becomes of the connection. */
next answers_serve(exchange *x);

#endif
