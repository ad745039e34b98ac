/* server.c: owns listening, libmicrohttpd's turn on the loop, and stopping. Must not know what is in a request.
 * Loop's thread.
 *
 * libmicrohttpd keeps its sockets in an epoll descriptor of its own; the loop polls that one descriptor. */
#define _GNU_SOURCE
#include "server_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Beside the headers, a connection's memory holds a row for each of them and the head of the answer. */
#define ROOM_BESIDE_HEADERS (16u * 1024u)

/* Turns in a row for one wake-up, so that a busy server does not starve the rest of the loop. */
#define MAX_TURNS 4

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static void pump(mw_server *server);

static void on_handle_closed(uv_handle_t *handle)
{
    mw_server *server = handle->data;
    if (--server->open_handles == 0)
        free(server);
}

static void close_handle(mw_server *server, uv_handle_t *handle)
{
    handle->data = server;
    uv_close(handle, on_handle_closed);
}

/* Ends everything at once; the memory goes when the loop has let go of the handles. */
static void stop(mw_server *server)
{
    close_handle(server, (uv_handle_t *)&server->poll);
    close_handle(server, (uv_handle_t *)&server->wake);
    close_handle(server, (uv_handle_t *)&server->sweep);
    for (mw__ring *at = server->pending.next; at != &server->pending; at = at->next) {
        mw_exchange *exchange = MW__EXCHANGE_OF(at);
        if (exchange->suspended) /* the library aborts when it is stopped with a suspended connection */
            server->mhd->resume_connection(exchange->connection);
        exchange->suspended = false;
    }
    server->mhd->stop_daemon(server->daemon);
    mw__loop_release(server->loop);
}

static void on_wake(uv_timer_t *timer)
{
    pump(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    pump(poll->data);
}

/* The library only gives its timeout on asking. An earlier wake-up than needed does no harm, so the timer is left
 * alone as long as it is early enough. */
static void arm_wake(mw_server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    if (server->mhd->get_timeout(server->daemon, &timeout) != MHD_YES)
        return;
    uint64_t due = timeout ? (uint64_t)timeout + 1 : 0;
    if (!uv_is_active((uv_handle_t *)&server->wake) || uv_timer_get_due_in(&server->wake) > due)
        uv_timer_start(&server->wake, on_wake, due, 0);
}

void mw__server_wake(mw_server *server)
{
    uv_timer_start(&server->wake, on_wake, 0, 0);
}

static void pump(mw_server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    server->running = true;
    for (int turn = 0; turn < MAX_TURNS && !server->dead; turn++) {
        server->mhd->run(server->daemon);
        if (server->mhd->get_timeout(server->daemon, &timeout) != MHD_YES || timeout > 0)
            break;
    }
    server->running = false;
    if (server->dead)
        stop(server);
    else
        arm_wake(server);
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *addr, socklen_t length)
{
    (void)addr;
    (void)length;
    mw_server *server = cls;
    return server->connections < server->options.max_connections ? MHD_YES : MHD_NO;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    mw_server *server = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        server->connections++;
        mw_exchange *exchange = mw__exchange_new(server, connection);
        *context = exchange; /* NULL: every request of it is dropped */
        if (exchange)
            mw__exchange_enter(exchange, MW__EX_RECEIVE);
    } else {
        server->connections--;
        if (*context)
            mw__exchange_free(*context);
    }
}

static int parse_address(const char *host, uint16_t port, address *addr, socklen_t *length,
                         mw_error *error)
{
    *addr = (address){0};
    if (inet_pton(AF_INET, host, &addr->v4.sin_addr) == 1) {
        addr->v4.sin_family = AF_INET;
        addr->v4.sin_port = htons(port);
        *length = sizeof addr->v4;
        return MW_OK;
    }
    if (inet_pton(AF_INET6, host, &addr->v6.sin6_addr) == 1) {
        addr->v6.sin6_family = AF_INET6;
        addr->v6.sin6_port = htons(port);
        *length = sizeof addr->v6;
        return MW_OK;
    }
    return mw_error_set(
        error, MW_INVALID, "host",
        "can't listen on '%s': not a numeric address; use one such as 127.0.0.1 or ::1", host);
}

/* A listening socket of our own: the library does not tell why it can't listen. */
static int listen_on(mw_server *server, const char *host, int *fd, mw_error *error)
{
    address addr;
    socklen_t length;
    int rc = parse_address(host, server->options.port, &addr, &length, error);
    if (rc != MW_OK)
        return rc;
    int one = 1;
    *fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(*fd, &addr.any, length) != 0 || listen(*fd, SOMAXCONN) != 0 ||
        getsockname(*fd, &addr.any, &length) != 0) {
        return mw_error_set(
            error, MW_NETWORK, "port",
            "can't listen on %s port %u: %s; choose another port, or 0 for any free one", host,
            (unsigned)server->options.port, uv_strerror(-errno));
    }
    server->port = ntohs(addr.any.sa_family == AF_INET ? addr.v4.sin_port : addr.v6.sin6_port);
    return MW_OK;
}

static int start_daemon(mw_server *server, int fd, mw_error *error)
{
    const mw_server_options *o = &server->options;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
    server->daemon = server->mhd->start_daemon(
        flags, 0, on_accept, server, mw__exchange_on_request, server, MHD_OPTION_LISTEN_SOCKET,
        (MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->max_connections + 1, /* so that more are taken, and refused */
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->idle_timeout_ms - 1) / 1000 + 1),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)o->max_header + ROOM_BESIDE_HEADERS,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)o->max_header, MHD_OPTION_STRICT_FOR_CLIENT,
        server->mhd->keeps_lines ? 0 : 1, MHD_OPTION_URI_LOG_CALLBACK, mw__exchange_on_target,
        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
        mw__exchange_on_completed, server, MHD_OPTION_END);
    if (server->daemon)
        return MW_OK;
    return mw_error_set(error, MW_NETWORK, "",
                        "can't start an HTTP server: libmicrohttpd %s refuses to",
                        server->mhd->get_version());
}

static void on_loop_close(mw__closer *closer)
{
    mw_server_free((mw_server *)((char *)closer - offsetof(mw_server, closer)));
}

/* Puts a listening server on the loop. */
static int join_loop(mw_server *server, mw_error *error)
{
    uv_loop_t *uv = mw__loop_uv(server->loop);
    int epoll_fd = server->mhd->get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int rc = uv_poll_init(uv, &server->poll, epoll_fd);
    if (rc != 0)
        return mw_error_set(error, MW_NETWORK, "", "can't start an HTTP server: %s",
                            uv_strerror(rc));
    uv_timer_init(uv, &server->wake);
    uv_timer_init(uv, &server->sweep);
    server->poll.data = server;
    server->wake.data = server;
    server->sweep.data = server;
    server->open_handles = 3;
    uv_poll_start(&server->poll, UV_READABLE, on_poll);
    mw__server_wake(server);
    server->closer.fn = on_loop_close;
    mw__loop_on_close(server->loop, &server->closer);
    mw__loop_hold(server->loop);
    return MW_OK;
}

static mw_server_options with_defaults(const mw_server_options *options)
{
    mw_server_options o = options ? *options : (mw_server_options){0};
    if (!o.max_body)
        o.max_body = 32u * 1024u * 1024u;
    if (!o.max_header)
        o.max_header = 32u * 1024u;
    if (!o.max_connections)
        o.max_connections = 256;
    if (!o.idle_timeout_ms)
        o.idle_timeout_ms = 30000;
    if (!o.deadline_ms)
        o.deadline_ms = 60000;
    o.host = NULL;
    return o;
}

int mw_server_new(mw_loop *loop, const mw_server_options *options, mw_server_fn fn, void *ud,
                  mw_server **out, mw_error *error)
{
    int fd = -1;
    int rc = MW_MEMORY;
    const char *host = options && options->host ? options->host : "127.0.0.1";
    mw_server *server = calloc(1, sizeof *server);
    if (!server)
        return mw_error_set(error, MW_MEMORY, "", "can't start an HTTP server: out of memory");
    server->loop = loop;
    server->options = with_defaults(options);
    server->fn = fn;
    server->ud = ud;
    mw__ring_init(&server->timed);
    mw__ring_init(&server->pending);
    rc = MW_NETWORK;
    server->mhd = mw__mhd_get(error);
    if (!server->mhd)
        goto out;
    rc = listen_on(server, host, &fd, error);
    if (rc != MW_OK)
        goto out;
    rc = start_daemon(server, fd, error);
    if (rc != MW_OK)
        goto out;
    fd = -1; /* the daemon's now */
    rc = join_loop(server, error);
    if (rc != MW_OK)
        server->mhd->stop_daemon(server->daemon);
out:
    if (rc == MW_OK) {
        *out = server;
    } else {
        if (fd >= 0)
            close(fd);
        free(server);
    }
    return rc;
}

uint16_t mw_server_port(const mw_server *server)
{
    return server->port;
}

void mw_server_free(mw_server *server)
{
    if (!server || server->dead)
        return;
    server->dead = true;
    mw__loop_off_close(&server->closer);
    if (!server->running)
        stop(server);
}
