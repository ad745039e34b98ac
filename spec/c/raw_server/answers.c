/* answers.c: the behaviours of the raw server, as a table, and its control routes.
 *
 * Owns no state but what store.h keeps; must not know the operations of any service. Runs on the
 * thread of the connection that asked. */
#define _GNU_SOURCE
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store.h"

#define CRLF "\r\n"
#define JSON "Content-Type: application/json\r\n"

enum { FLOOD_LIMIT = 256 << 20, PIECE = 65536 };

typedef struct behaviour {
    const char *name;
    next (*serve)(exchange *x);
    const char *text; /* sent as it is; then `after` */
    next after;
} behaviour;

void answers_send(exchange *x, const char *status, const char *headers, const char *body,
                  size_t length)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 %s" CRLF "%sContent-Length: %zu" CRLF CRLF, status,
             headers, length);
    if (stream_text(x->stream, head)) {
        stream_send(x->stream, body, length);
    }
}

static next ok(exchange *x)
{
    static const char body[] = "{\"ok\":true}";
    answers_send(x, "200 OK", JSON, body, sizeof body - 1);
    return NEXT_KEEP;
}

static next echo(exchange *x)
{
    answers_send(x, "200 OK", JSON, x->request->body, x->request->body_length);
    return NEXT_KEEP;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The part of a body has to be read before the RST, which would throw it away. */
static next reset_body(exchange *x)
{
    stream_text(x->stream, "HTTP/1.1 200 OK" CRLF JSON "Content-Length: 100" CRLF CRLF "{\"ok\":");
    pause_ms(100);
    return NEXT_RESET;
}

static unsigned long long number_of(const exchange *x)
{
    return strtoull(x->rest + (*x->rest == '/'), NULL, 10);
}

/* A JSON string of N bytes in pieces; `chunked` frames each. Stops when the peer is gone. */
static void send_big(exchange *x, unsigned long long bytes, bool chunked)
{
    char piece[PIECE];
    memset(piece, 'x', sizeof piece);
    bool there = true;
    for (unsigned long long at = 0; there && at < bytes;) {
        size_t size = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        char head[32];
        snprintf(head, sizeof head, "%zx" CRLF, size);
        there = !chunked || stream_text(x->stream, head);
        bool starts = at == 0;
        at += size;
        if (there && starts) {
            there = stream_send(x->stream, "\"", 1) && size > 1 &&
                    stream_send(x->stream, piece, size - 1 - (at == bytes));
        } else if (there) {
            there = stream_send(x->stream, piece, size - (at == bytes));
        }
        there = there && (at < bytes || stream_send(x->stream, "\"", 1));
        there = there && (!chunked || stream_text(x->stream, CRLF));
    }
    if (there && chunked) {
        stream_text(x->stream, "0" CRLF CRLF);
    }
}

static next big(exchange *x)
{
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK" CRLF JSON "Content-Length: %llu" CRLF CRLF,
             number_of(x));
    stream_text(x->stream, head);
    send_big(x, number_of(x), false);
    return NEXT_KEEP;
}

static next big_chunked(exchange *x)
{
    stream_text(x->stream, "HTTP/1.1 200 OK" CRLF JSON "Transfer-Encoding: chunked" CRLF CRLF);
    send_big(x, number_of(x), true);
    return NEXT_KEEP;
}

static next big_close(exchange *x)
{
    stream_text(x->stream, "HTTP/1.1 200 OK" CRLF JSON "Connection: close" CRLF CRLF);
    send_big(x, number_of(x), false);
    return NEXT_CLOSE;
}

/* Ends, so that a client without a limit fails its spec instead of hanging. */
static next repeat(exchange *x, const char *part, size_t length, long wait_ms)
{
    for (size_t sent = 0; length && sent < FLOOD_LIMIT; sent += length) {
        if (!stream_send(x->stream, part, length)) {
            break;
        }
        if (wait_ms) {
            pause_ms(wait_ms);
        }
    }
    return NEXT_CLOSE;
}

static next endless_headers(exchange *x)
{
    static const char part[] = "X-Filler: 0123456789012345678901234567890123456789" CRLF;
    stream_text(x->stream, "HTTP/1.1 200 OK" CRLF JSON);
    return repeat(x, part, sizeof part - 1, 0);
}

static next endless_trailers(exchange *x)
{
    static const char part[] = "X-Filler: 0123456789012345678901234567890123456789" CRLF;
    stream_text(x->stream, "HTTP/1.1 200 OK" CRLF JSON "Transfer-Encoding: chunked" CRLF CRLF
                           "b" CRLF "{\"ok\":true}" CRLF "0" CRLF);
    return repeat(x, part, sizeof part - 1, 0);
}

static next slow_headers(exchange *x)
{
    stream_text(x->stream, "HTTP/1.1 200 OK" CRLF "X-Slow: ");
    return repeat(x, "z", 1, 50);
}

static next redirect(exchange *x, const char *to)
{
    char headers[8192];
    snprintf(headers, sizeof headers,
             "HTTP/1.1 302 Found" CRLF "Location: %s" CRLF "Content-Length: 0" CRLF CRLF, to);
    stream_text(x->stream, headers);
    return NEXT_KEEP;
}

static next redirect_loop(exchange *x)
{
    return redirect(x, x->target);
}

static next redirect_count(exchange *x)
{
    unsigned long long left = number_of(x);
    if (left == 0) {
        return ok(x);
    }
    char to[4096];
    snprintf(to, sizeof to, "/redirect-count/%llu%s", left - 1,
             x->rest + 1 + strcspn(x->rest + (*x->rest == '/'), "/?"));
    return redirect(x, to);
}

static next die_on_reuse(exchange *x)
{
    return x->sequence > 1 ? NEXT_CLOSE : ok(x);
}

/* The segment at *at (which points at its '/'), copied; moves *at behind it. */
static void segment(const char **at, char *out, size_t size)
{
    const char *start = *at + (**at == '/');
    size_t length = strcspn(start, "/?");
    snprintf(out, size, "%.*s", (int)length, start);
    *at = start + length;
}

static next missing_answer(exchange *x)
{
    static const char body[] = "no such answer was left here\n";
    answers_send(x, "599 No Such Answer", "Content-Type: text/plain" CRLF, body, sizeof body - 1);
    return NEXT_CLOSE;
}

static next raw(exchange *x)
{
    static const struct {
        const char *name;
        next then;
    } ends[] = {
        {"keep", NEXT_KEEP}, {"close", NEXT_CLOSE}, {"reset", NEXT_RESET}, {"stall", NEXT_STALL}};
    char then[16];
    char name[64];
    segment(&x->rest, then, sizeof then);
    segment(&x->rest, name, sizeof name);
    size_t length = 0;
    char *bytes = store_answer(name, &length);
    if (!bytes) {
        return missing_answer(x);
    }
    stream_send(x->stream, bytes, length);
    free(bytes);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (strcmp(then, ends[i].name) == 0) {
            if (ends[i].then == NEXT_RESET) {
                pause_ms(100);
            }
            return ends[i].then;
        }
    }
    return NEXT_CLOSE;
}

static next flood(exchange *x)
{
    char name[64];
    size_t head_length = 0;
    size_t part_length = 0;
    segment(&x->rest, name, sizeof name);
    char *head = store_answer(name, &head_length);
    segment(&x->rest, name, sizeof name);
    char *part = store_answer(name, &part_length);
    next then = NEXT_CLOSE;
    if (!head || !part) {
        then = missing_answer(x);
    } else if (stream_send(x->stream, head, head_length)) {
        then = repeat(x, part, part_length, 0);
    }
    free(head);
    free(part);
    return then;
}

#define FIXED(status, headers, body) "HTTP/1.1 " status CRLF headers CRLF body

static const behaviour behaviours[] = {
    {"ok", ok, NULL, NEXT_KEEP},
    {"echo", echo, NULL, NEXT_KEEP},
    {"status", answers_status, NULL, NEXT_KEEP},
    {"big", big, NULL, NEXT_KEEP},
    {"big-chunked", big_chunked, NULL, NEXT_KEEP},
    {"big-close", big_close, NULL, NEXT_KEEP},
    {"reset-body", reset_body, NULL, NEXT_RESET},
    {"endless-headers", endless_headers, NULL, NEXT_CLOSE},
    {"endless-trailers", endless_trailers, NULL, NEXT_CLOSE},
    {"slow-headers", slow_headers, NULL, NEXT_CLOSE},
    {"redirect-loop", redirect_loop, NULL, NEXT_KEEP},
    {"redirect-count", redirect_count, NULL, NEXT_KEEP},
    {"die-on-reuse", die_on_reuse, NULL, NEXT_KEEP},
    {"raw", raw, NULL, NEXT_KEEP},
    {"flood", flood, NULL, NEXT_CLOSE},
    {"reset", NULL, "", NEXT_RESET},
    {"close", NULL, "", NEXT_CLOSE},
    {"stall", NULL, "", NEXT_STALL},
    {"empty", NULL, FIXED("200 OK", JSON "Content-Length: 0" CRLF, ""), NEXT_KEEP},
    {"204", NULL, FIXED("204 No Content", "", ""), NEXT_KEEP},
    {"html", NULL,
     FIXED("200 OK", "Content-Type: text/html" CRLF "Content-Length: 37" CRLF,
           "<html><body>Please sign in</body>\n..."),
     NEXT_KEEP},
    {"truncated-json", NULL,
     FIXED("200 OK", JSON "Content-Length: 24" CRLF, "{\"payload\":[{\"id\":1},{\"i"), NEXT_KEEP},
    {"short", NULL, FIXED("200 OK", JSON "Content-Length: 100" CRLF, "{\"ok\":true}"), NEXT_CLOSE},
    {"overflow-length", NULL,
     FIXED("200 OK", JSON "Content-Length: 99999999999999999999" CRLF, "{\"ok\":true}"), NEXT_CLOSE},
    {"two-lengths", NULL,
     FIXED("200 OK", JSON "Content-Length: 11" CRLF "Content-Length: 5" CRLF, "{\"ok\":true}"),
     NEXT_CLOSE},
    {"stall-body", NULL, FIXED("200 OK", JSON "Content-Length: 100" CRLF, "{\"ok\":"), NEXT_STALL},
    {"cut-chunk", NULL,
     FIXED("200 OK", JSON "Transfer-Encoding: chunked" CRLF, "b" CRLF "{\"ok\":true}" CRLF),
     NEXT_CLOSE},
};

bool answers_is_control(const char *target)
{
    return strncmp(target, "/_", 2) == 0;
}

static next control(exchange *x)
{
    if (strcmp(x->target, "/_log") == 0) {
        size_t length = 0;
        char *text = store_log(&length);
        answers_send(x, "200 OK", "Content-Type: application/octet-stream" CRLF, text, length);
        free(text);
        return NEXT_KEEP;
    }
    if (strcmp(x->target, "/_clear") == 0) {
        store_clear();
        return ok(x);
    }
    if (strncmp(x->target, "/_answer/", 9) == 0) {
        store_set_answer(x->target + 9, x->request->body, x->request->body_length);
        return ok(x);
    }
    return missing_answer(x);
}

/* What a client wants of a proxy: "CONNECT localhost:443". */
static next tunnel(exchange *x)
{
    size_t length = 0;
    char *bytes = store_answer("connect", &length);
    if (bytes) {
        stream_send(x->stream, bytes, length);
    }
    free(bytes);
    return NEXT_CLOSE;
}

next answers_serve(exchange *x)
{
    if (answers_is_control(x->target)) {
        return control(x);
    }
    if (x->target[0] != '/') {
        return tunnel(x);
    }
    x->rest = x->target;
    char name[64];
    segment(&x->rest, name, sizeof name);
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++) {
        const behaviour *b = &behaviours[i];
        if (strcmp(name, b->name) == 0) {
            if (b->serve) {
                return b->serve(x);
            }
            stream_text(x->stream, b->text);
            return b->after;
        }
    }
    return missing_answer(x);
}
