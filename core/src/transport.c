/* transport.c: owns the curl multi handle and its sockets and timer on the loop. Must not know
 * requests. Loop's thread.
 *
 * libcurl lets go of a connection's socket when a request is over and wants it watched again with the next one,
 * which would cost five system calls each time. So the watch of a connection that has carried a request stays
 * until libcurl says that it closes it (mw__transport_set_up). Other sockets, as those of a name that is
 * resolved or of an address that was too slow, it may close without a word: their watches go when it lets go of
 * them. */
#include "transport.h"

#include <stdlib.h>
#include <unistd.h>

enum { CACHED_CONNECTIONS = 256 };

typedef struct watch {
    uv_poll_t poll;
    mw__transport *transport;
    curl_socket_t socket;
    int events; /* that are watched for */
    bool idle;  /* libcurl has let go of the socket */
} watch;

/* What is known of a descriptor. */
typedef struct slot {
    watch *watch;
    bool told; /* libcurl will say when it is closed */
} slot;

struct mw__transport {
    mw_loop *loop;
    CURLM *multi;
    uv_timer_t timer;
    mw__closer closer;
    mw__transfer *blind; /* whose socket could not be watched: they would wait for ever */
    slot *slots;         /* by descriptor */
    size_t slot_count;
};

static mw__transfer *transfer_of(CURL *easy)
{
    char *private = NULL;
    mw__curl->easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return (mw__transfer *)(void *)private;
}

/* What is known of the descriptor, with room for it. NULL: no memory. */
static slot *slot_of(mw__transport *transport, curl_socket_t socket)
{
    size_t at = (size_t)socket;
    if (at >= transport->slot_count) {
        size_t count = 2 * at + 16;
        slot *slots = realloc(transport->slots, count * sizeof *slots);
        if (!slots)
            return NULL;
        for (size_t i = transport->slot_count; i < count; i++)
            slots[i] = (slot){0};
        transport->slots = slots;
        transport->slot_count = count;
    }
    return &transport->slots[at];
}

/* A transfer has ended well: the connection that it made is kept from now on, unless libcurl has closed it. */
static void keep_connection(mw__transport *transport, const mw__transfer *transfer)
{
    long made = 0;
    curl_socket_t socket = CURL_SOCKET_BAD;
    mw__curl->easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &made);
    if (made > 0 && transfer->tells)
        mw__curl->easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &socket);
    slot *known = socket != CURL_SOCKET_BAD ? slot_of(transport, socket) : NULL;
    if (known)
        known->told = true;
}

/* After every action all results are taken: a transfer that ends by a timeout is reported only here. */
static void drain(mw__transport *transport)
{
    CURLMsg *message;
    int left;
    while ((message = mw__curl->multi_info_read(transport->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        mw__transfer *transfer = transfer_of(easy);
        if (result == CURLE_OK)
            keep_connection(transport, transfer);
        mw__transport_remove(transport, transfer);
        transfer->on_done(transfer, result);
    }
    while (transport->blind) {
        mw__transfer *transfer = transport->blind;
        mw__transport_remove(transport, transfer);
        transfer->on_done(transfer, CURLE_OUT_OF_MEMORY);
    }
}

static void act(mw__transport *transport, curl_socket_t socket, int events)
{
    int running;
    mw__curl->multi_socket_action(transport->multi, socket, events, &running);
    drain(transport);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    watch *w = poll->data;
    if (status < 0 || w->idle) {
        /* Nobody reads what comes while nobody asks, the peer's end for one: libcurl sees it before the next
         * request. */
        uv_poll_stop(poll);
        w->events = 0;
    }
    if (w->idle)
        return;
    int action = 0;
    if (status < 0) /* with IN and OUT libcurl looks for itself, and says what it is: a reset, say */
        action = CURL_CSELECT_ERR | CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        action |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        action |= CURL_CSELECT_OUT;
    act(w->transport, w->socket, action);
}

static void on_timeout(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop_watch(slot *known)
{
    if (known->watch)
        uv_close((uv_handle_t *)&known->watch->poll, on_watch_closed);
    known->watch = NULL;
}

static watch *new_watch(mw__transport *transport, curl_socket_t socket)
{
    watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (uv_poll_init_socket(mw__loop_uv(transport->loop), &w->poll, socket) != 0) {
        free(w);
        return NULL;
    }
    w->transport = transport;
    w->socket = socket;
    w->poll.data = w;
    return w;
}

/* An idle watch keeps no loop alive. */
static void set_idle(watch *w, bool idle)
{
    w->idle = idle;
    if (idle)
        uv_unref((uv_handle_t *)&w->poll);
    else
        uv_ref((uv_handle_t *)&w->poll);
}

/* Watches for the events, with as little work as it takes. */
static bool watch_for(mw__transport *transport, slot *known, curl_socket_t socket, int events)
{
    if (!known->watch)
        known->watch = new_watch(transport, socket);
    watch *w = known->watch;
    if (!w)
        return false;
    if (w->idle)
        set_idle(w, false);
    if (w->events == events)
        return true;
    w->events = uv_poll_start(&w->poll, events, on_socket) == 0 ? events : 0;
    return w->events != 0;
}

/* An error returned to libcurl would end all transfers of the multi: only this one is to end. */
static void give_up(mw__transport *transport, CURL *easy)
{
    mw__transfer *transfer = transfer_of(easy);
    if (!transfer || transfer->blind)
        return;
    transfer->blind = true;
    transfer->next_blind = transport->blind;
    transport->blind = transfer;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *ud, void *socket_ud)
{
    (void)socket_ud;
    mw__transport *transport = ud;
    slot *known = slot_of(transport, socket);
    if (what == CURL_POLL_REMOVE) {
        if (known && known->told && known->watch)
            set_idle(known->watch, true);
        else if (known)
            drop_watch(known);
        return 0;
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (!known || !watch_for(transport, known, socket, events))
        give_up(transport, easy);
    return 0;
}

static int close_socket(void *ud, curl_socket_t socket)
{
    mw__transport *transport = ud;
    if ((size_t)socket < transport->slot_count) {
        drop_watch(&transport->slots[socket]);
        transport->slots[socket].told = false;
    }
    return close(socket);
}

static int set_timer(CURLM *multi, long timeout_ms, void *ud)
{
    (void)multi;
    mw__transport *transport = ud;
    if (timeout_ms < 0)
        return uv_timer_stop(&transport->timer);
    uv_update_time(mw__loop_uv(transport->loop));
    return uv_timer_start(&transport->timer, on_timeout, (uint64_t)timeout_ms, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    mw__transport *transport = handle->data;
    free(transport->slots);
    free(transport);
}

static void on_loop_close(mw__closer *closer)
{
    mw__transport *transport =
        (mw__transport *)(void *)((char *)closer - offsetof(mw__transport, closer));
    mw__loop_set_transport(transport->loop, NULL);
    mw__curl->multi_cleanup(transport->multi); /* closes connections through close_socket */
    uv_close((uv_handle_t *)&transport->timer, on_timer_closed);
}

mw__transport *mw__transport_of(mw_loop *loop)
{
    mw__transport *transport = mw__loop_transport(loop);
    if (transport)
        return transport;
    transport = calloc(1, sizeof *transport);
    if (!transport)
        return NULL;
    transport->multi = mw__curl->multi_init();
    if (!transport->multi) {
        free(transport);
        return NULL;
    }
    transport->loop = loop;
    uv_timer_init(mw__loop_uv(loop), &transport->timer);
    transport->timer.data = transport;
    mw__curl->multi_setopt(transport->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    mw__curl->multi_setopt(transport->multi, CURLMOPT_SOCKETDATA, transport);
    mw__curl->multi_setopt(transport->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    mw__curl->multi_setopt(transport->multi, CURLMOPT_TIMERDATA, transport);
    mw__curl->multi_setopt(transport->multi, CURLMOPT_MAXCONNECTS, (long)CACHED_CONNECTIONS);
    transport->closer.fn = on_loop_close;
    mw__loop_on_close(loop, &transport->closer);
    mw__loop_set_transport(loop, transport);
    return transport;
}

void mw__transport_set_up(mw__transport *transport, mw__transfer *transfer)
{
    mw__curl->easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    mw__curl->easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETDATA, transport);
    transfer->tells = true;
}

int mw__transport_add(mw__transport *transport, mw__transfer *transfer)
{
    mw__curl->easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    CURLMcode code = mw__curl->multi_add_handle(transport->multi, transfer->easy);
    return code == CURLM_OK ? MW_OK : MW_MEMORY;
}

void mw__transport_remove(mw__transport *transport, mw__transfer *transfer)
{
    mw__curl->multi_remove_handle(transport->multi, transfer->easy);
    mw__transfer **link = &transport->blind;
    while (transfer->blind && *link != transfer)
        link = &(*link)->next_blind;
    if (transfer->blind)
        *link = transfer->next_blind;
    transfer->blind = false;
}

int mw__transport_code(CURLcode result)
{
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return MW_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return MW_TLS;
    case CURLE_BAD_CONTENT_ENCODING:
        return MW_DECODE;
    case CURLE_OUT_OF_MEMORY:
        return MW_MEMORY;
    default:
        return MW_NETWORK;
    }
}
