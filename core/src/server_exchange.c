/* server_exchange.c: owns one request and its answer, from the first line to the last byte sent. Must not know
 * listening and the loop. Loop's thread.
 *
 * libmicrohttpd calls on_request for the headers, for each piece of the body, at the end, and once more after a
 * suspended connection was resumed because its answer is there. */
#include "server_private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define KEPT_BODY                                                                                  \
    (64u * 1024u) /* a larger buffer is not kept for the next request of the connection */

#define CUT_BLOCK (16u * 1024u) /* of a body that is cut, at a time */

/* The beginning of a body whose end is never sent. */
typedef struct cut_body {
    mw_exchange *exchange;
    size_t length;
    char data[];
} cut_body;

/* An IPv4 client of an IPv6 server gets the address that it has everywhere else. */
static void write_peer(const struct sockaddr *addr, char *text, socklen_t size)
{
    static const char mapped[] = "::ffff:";
    const void *bytes = addr->sa_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)addr)->sin_addr;
    if (!inet_ntop(addr->sa_family, bytes, text, size))
        text[0] = '\0';
    size_t prefix = sizeof mapped - 1;
    if (strncmp(text, mapped, prefix) == 0 && strchr(text, '.'))
        memmove(text, text + prefix, strlen(text + prefix) + 1);
}

mw_exchange *mw__exchange_new(mw_server *server, struct MHD_Connection *connection)
{
    mw_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->server = server;
    exchange->connection = connection;
    exchange->fd =
        server->mhd->get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    write_peer(
        server->mhd->get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        exchange->peer, sizeof exchange->peer);
    mw__ring_init(&exchange->ring);
    mw__buf_init(&exchange->body, (size_t)server->options.max_body);
    mw__loop_hold(server->loop);
    return exchange;
}

void mw__exchange_free(mw_exchange *exchange)
{
    mw__ring_remove(&exchange->ring);
    if (exchange->response)
        exchange->server->mhd->destroy_response(exchange->response);
    mw__loop_release(exchange->server->loop);
    mw__buf_free(&exchange->body);
    free(exchange->headers);
    free(exchange->block);
    free(exchange);
}

/* Ready for the next request of the connection. */
static void make_ready(mw_exchange *exchange)
{
    exchange->checked = false;
    exchange->close_after = false;
    exchange->refusal = (mw__refusal){0};
    exchange->discarded = 0;
    exchange->block_length = 0;
    exchange->header_count = 0;
    if (exchange->body.capacity > KEPT_BODY || exchange->body.status != MW_OK)
        mw__buf_free(&exchange->body);
    exchange->body.length = 0;
}

/* Called with the target before anything in it is unescaped: it is copied now or lost. */
void *mw__exchange_on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    mw_server *server = cls;
    mw_exchange *exchange =
        server->mhd->get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    if (!exchange)
        return NULL;
    make_ready(exchange);
    size_t length = strlen(target) + 1;
    if (length > exchange->block_capacity) {
        char *block = realloc(exchange->block, length + 1024);
        if (!block)
            return NULL;
        exchange->block = block;
        exchange->block_capacity = length + 1024;
    }
    memcpy(exchange->block, target, length);
    exchange->block_length = length;
    if (exchange->state ==
        MW__EX_IDLE) /* a new connection, or one that was heard, is on the clock already */
        mw__exchange_enter(exchange, MW__EX_RECEIVE);
    return exchange;
}

static struct MHD_Response *plain_response(mw_exchange *exchange, const char *text)
{
    const mw__mhd *mhd = exchange->server->mhd;
    char body[160];
    int length = snprintf(body, sizeof body, "{\"error\":\"%s\"}", text);
    struct MHD_Response *response =
        mhd->create_response_from_buffer((size_t)length, body, MHD_RESPMEM_MUST_COPY);
    if (response)
        mhd->add_response_header(response, "Content-Type", "application/json");
    return response;
}

/* Hands the answer over; MHD_NO drops the connection. */
static enum MHD_Result send_answer(mw_exchange *exchange)
{
    const mw__mhd *mhd = exchange->server->mhd;
    if (!exchange->response)
        return MHD_NO;
    if (exchange->close_after)
        mhd->add_response_header(exchange->response, "Connection", "close");
    enum MHD_Result result =
        mhd->queue_response(exchange->connection, exchange->status, exchange->response);
    mhd->destroy_response(exchange->response);
    exchange->response = NULL;
    return result;
}

static enum MHD_Result refuse(mw_exchange *exchange)
{
    mw__exchange_enter(exchange, MW__EX_ANSWER);
    exchange->response = plain_response(exchange, exchange->refusal.text);
    exchange->status = (unsigned)exchange->refusal.status;
    return send_answer(exchange);
}

/* libmicrohttpd takes no answer in the middle of a body. Nothing of an answer has been sent yet, so it is written
 * past the library, as far as the socket takes it, and the connection dropped. */
static enum MHD_Result cut_off(mw_exchange *exchange)
{
    static const char answer[] =
        "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\n"
        "Content-Length: 34\r\nConnection: close\r\n\r\n"
        "{\"error\":\"the body is too large\"}\n";
    ssize_t sent = send(exchange->fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* a peer that does not read gets the close alone */
    return MHD_NO;
}

static enum MHD_Result take_body(mw_exchange *exchange, const char *data, size_t *length)
{
    size_t count = *length;
    *length = 0;
    if (!exchange->refusal.status) {
        int rc = mw__buf_append(&exchange->body, data, count);
        if (rc == MW_OK)
            return MHD_YES;
        exchange->refusal = rc == MW_MEMORY
                                ? (mw__refusal){.status = 503, .text = "out of memory"}
                                : (mw__refusal){.status = 413, .text = "the body is too large"};
    }
    exchange->discarded += count;
    return exchange->discarded > MW__SERVER_DISCARD ? cut_off(exchange) : MHD_YES;
}

static enum MHD_Result call_handler(mw_exchange *exchange, const char *verb)
{
    mw_server *server = exchange->server;
    mw_incoming incoming = {
        .peer = exchange->peer,
        .verb = verb,
        .target = exchange->block,
        .headers = exchange->headers,
        .header_count = exchange->header_count,
        .body = exchange->body.length ? exchange->body.data : "",
        .body_length = exchange->body.length,
    };
    mw__exchange_enter(exchange, MW__EX_HANDLER);
    mw__loop_stir(server->loop);
    server->fn(exchange, &incoming, server->ud);
    if (server->dead)
        return MHD_NO;
    if (exchange->state == MW__EX_ANSWER)
        return send_answer(exchange);
    exchange->suspended = true;
    server->mhd->suspend_connection(exchange->connection);
    return MHD_YES;
}

enum MHD_Result mw__exchange_on_request(void *cls, struct MHD_Connection *connection,
                                        const char *url, const char *verb, const char *version,
                                        const char *data, size_t *length, void **context)
{
    (void)cls;
    (void)connection;
    mw_exchange *exchange = *context;
    if (!exchange || exchange->server->dead)
        return MHD_NO;
    if (exchange->state == MW__EX_ANSWER)
        return send_answer(exchange);
    if (!exchange->checked) {
        exchange->checked = true;
        exchange->refusal = mw__exchange_check(exchange, verb, url, version);
        return exchange->refusal.status && exchange->close_after ? refuse(exchange) : MHD_YES;
    }
    if (*length > 0)
        return take_body(exchange, data, length);
    return exchange->refusal.status ? refuse(exchange) : call_handler(exchange, verb);
}

void mw__exchange_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)connection;
    (void)code;
    mw_exchange *exchange = *context;
    if (exchange && !exchange->server->dead)
        mw__exchange_enter(exchange, MW__EX_IDLE);
}

/* Headers that follow from the answer itself. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"content-length", "date", "connection", "transfer-encoding"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool is_printable(const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return true;
}

static struct MHD_Response *whole_response(const mw__mhd *mhd, const char *body, size_t length)
{
    /* Copied at once, so the library only reads through the pointer that it wants without const. */
    union {
        const char *in;
        void *out;
    } bytes = {.in = length ? body : ""};
    return mhd->create_response_from_buffer(length, bytes.out, MHD_RESPMEM_MUST_COPY);
}

/* The library, which is about to close the connection, would not end it in order: where something that came in is
 * unread, the peer would get a reset. Nor does it always ask for the turn that it closes it in. */
static void end_connection(mw_exchange *exchange)
{
    shutdown(exchange->fd, SHUT_WR);
    mw__server_wake(exchange->server);
}

static ssize_t read_cut(void *cls, uint64_t position, char *out, size_t room)
{
    const cut_body *body = cls;
    if (position >= body->length) {
        end_connection(body->exchange);
        return MHD_CONTENT_READER_END_WITH_ERROR; /* closes the connection */
    }
    size_t left = body->length - (size_t)position;
    size_t count = left < room ? left : room;
    memcpy(out, body->data + position, count);
    return (ssize_t)count;
}

/* Says `length` and gives `cut`, which is less. */
static struct MHD_Response *cut_response(mw_exchange *exchange, const char *body, size_t length,
                                         size_t cut)
{
    const mw__mhd *mhd = exchange->server->mhd;
    cut_body *copy = malloc(sizeof *copy + cut);
    if (!copy)
        return NULL;
    copy->exchange = exchange;
    copy->length = cut;
    memcpy(copy->data, body, cut);
    struct MHD_Response *response =
        mhd->create_response_from_callback(length, CUT_BLOCK, read_cut, copy, free);
    if (!response)
        free(copy);
    return response;
}

static int make_response(mw_exchange *exchange, int status, const mw_header *headers,
                         size_t header_count, const char *body, size_t body_length, size_t cut)
{
    const mw__mhd *mhd = exchange->server->mhd;
    if (status < 200 || status > 599)
        return MW_INVALID;
    if (status == 204 || status == 304)
        body_length = 0;
    exchange->response = cut < body_length ? cut_response(exchange, body, body_length, cut)
                                           : whole_response(mhd, body, body_length);
    if (!exchange->response)
        return MW_MEMORY;
    exchange->status = (unsigned)status;
    for (size_t i = 0; i < header_count; i++) {
        if (is_ours(headers[i].name))
            continue;
        if (!is_printable(headers[i].name) || !is_printable(headers[i].value) ||
            mhd->add_response_header(exchange->response, headers[i].name, headers[i].value) !=
                MHD_YES) {
            mhd->destroy_response(exchange->response);
            exchange->response = NULL;
            return MW_INVALID;
        }
    }
    return MW_OK;
}

/* The handler is through; what comes of it goes out now or, where the library waits for us, soon. */
static void proceed(mw_exchange *exchange)
{
    mw__exchange_enter(exchange, MW__EX_ANSWER);
    if (exchange->suspended) {
        exchange->suspended = false;
        exchange->server->mhd->resume_connection(exchange->connection);
        mw__server_wake(exchange->server);
    }
}

int mw_exchange_cut(mw_exchange *exchange, int status, const mw_header *headers,
                    size_t header_count, const char *body, size_t body_length, size_t cut)
{
    if (exchange->state != MW__EX_HANDLER || exchange->server->dead)
        return MW_INVALID;
    int rc = make_response(exchange, status, headers, header_count, body, body_length, cut);
    if (rc != MW_OK) {
        exchange->response = plain_response(exchange, "internal error");
        exchange->status = 500;
    }
    proceed(exchange);
    return rc;
}

int mw_exchange_answer(mw_exchange *exchange, int status, const mw_header *headers,
                       size_t header_count, const char *body, size_t body_length)
{
    return mw_exchange_cut(exchange, status, headers, header_count, body, body_length, SIZE_MAX);
}

/* Closing would do with SO_LINGER, but it is the library that closes, later, and it may shut down before. */
static void reset_connection(int fd)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    connect(fd, &nowhere, sizeof nowhere);
}

void mw_exchange_drop(mw_exchange *exchange, bool reset)
{
    if (exchange->state != MW__EX_HANDLER || exchange->server->dead)
        return;
    if (reset)
        reset_connection(exchange->fd);
    end_connection(exchange);
    proceed(exchange);
}
