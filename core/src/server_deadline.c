/* server_deadline.c: owns how long a peer may take. libmicrohttpd only ends connections that are silent, so one byte
 * now and then would hold a connection for ever. Every state gets the same time, so a list in order of entry is in
 * order of expiry, and one timer serves all connections. Must not know what is in a request. Loop's thread. */
#define _GNU_SOURCE
#include "server_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* The kernel's clock for last_data_recv ticks every 4 ms. */
#define CLOCK_SLACK_MS 10u

static void arm(mw_server *server)
{
    if (server->timed.next == &server->timed || uv_is_active((uv_handle_t *)&server->sweep))
        return;
    uint64_t now = uv_now(server->sweep.loop);
    uint64_t expires = MW__EXCHANGE_OF(server->timed.next)->expires;
    uv_timer_start(&server->sweep, mw__server_on_sweep, expires > now ? expires - now : 0, 0);
}

void mw__exchange_enter(mw_exchange *exchange, mw__exchange_state state)
{
    mw_server *server = exchange->server;
    exchange->state = state;
    if (state == MW__EX_HANDLER) {
        mw__ring_append(&server->pending, &exchange->ring);
        return;
    }
    exchange->expires = uv_now(server->sweep.loop) + server->options.deadline_ms;
    mw__ring_append(&server->timed, &exchange->ring);
    if (!server->dead)
        arm(server);
}

/* Whether anything came in within the last `ms`. Asked only when a kept connection is due: the first bytes of a
 * request that never ends its first line are seen by nobody else. */
static bool heard_within(int fd, uint32_t ms)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return true;
    return info.tcpi_last_data_recv + CLOCK_SLACK_MS < ms;
}

static void expire(mw_exchange *exchange)
{
    if (exchange->state == MW__EX_IDLE) {
        bool heard = heard_within(exchange->fd, exchange->server->options.deadline_ms);
        mw__exchange_enter(exchange, heard ? MW__EX_RECEIVE : MW__EX_IDLE);
        return;
    }
    /* libmicrohttpd can't be told to drop a connection, but it notices. */
    shutdown(exchange->fd, SHUT_RDWR);
    mw__ring_remove(&exchange->ring);
}

void mw__server_on_sweep(uv_timer_t *timer)
{
    mw_server *server = timer->data;
    uint64_t now = uv_now(timer->loop);
    while (server->timed.next != &server->timed) {
        mw_exchange *exchange = MW__EXCHANGE_OF(server->timed.next);
        if (exchange->expires > now)
            break;
        expire(exchange);
    }
    arm(server);
}
