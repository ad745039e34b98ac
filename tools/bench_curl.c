/* bench_curl.c: calls per second of libcurl's multi interface with nothing around it: the limit that moonwire is
 * measured against. Owns its transfers and its Lua state; knows nothing of moonwire. One thread.
 *
 *     bench_curl URL CALLS IN_FLIGHT [decode]
 *
 * sends CALLS requests, IN_FLIGHT at a time over kept connections, keeps the bytes of each answer, with `decode` as
 * well what lua-cjson makes of them, and prints the calls per second of the second half. */
#include <curl/curl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MAX_IN_FLIGHT = 256, MAX_EVENTS = 64, MAX_BODY = 1 << 20 };

typedef struct transfer {
    CURL *easy;
    char *body;
    size_t length, size;
} transfer;

typedef struct bench {
    CURLM *multi;
    struct curl_slist *headers;
    lua_State *L; /* NULL: bodies are not decoded; else cjson.decode stands at index 1 */
    int epoll;
    int64_t due_ns;    /* when libcurl wants to be called, -1 never */
    long left, half;   /* calls that have not begun, and how many of them make the second half */
    long flying, done; /* calls on the wire, and answered */
    int64_t began_ns;
    const char *problem;
    transfer transfers[MAX_IN_FLIGHT];
} bench;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t keep(char *data, size_t size, size_t count, void *ud)
{
    transfer *t = ud;
    size_t length = size * count;
    if (length > MAX_BODY - t->length)
        return CURL_WRITEFUNC_ERROR;
    if (t->length + length > t->size) {
        size_t wanted = 2 * (t->length + length);
        char *body = realloc(t->body, wanted);
        if (!body)
            return CURL_WRITEFUNC_ERROR;
        t->body = body;
        t->size = wanted;
    }
    memcpy(t->body + t->length, data, length);
    t->length += length;
    return length;
}

static int watch(CURL *easy, curl_socket_t socket, int what, void *ud, void *known)
{
    bench *b = ud;
    struct epoll_event event = {.data.fd = socket};
    (void)easy;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(b->epoll, EPOLL_CTL_DEL, socket, NULL) == 0 ? 0 : -1;
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    curl_multi_assign(b->multi, socket, b); /* the next time it is known */
    return epoll_ctl(b->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

static int set_timer(CURLM *multi, long timeout_ms, void *ud)
{
    bench *b = ud;
    (void)multi;
    b->due_ns = timeout_ms < 0 ? -1 : now_ns() + (int64_t)timeout_ms * 1000000;
    return 0;
}

static void start(bench *b, transfer *t)
{
    if (b->left == b->half)
        b->began_ns = now_ns();
    b->left--;
    b->flying++;
    t->length = 0;
    curl_multi_add_handle(b->multi, t->easy);
}

static void take(bench *b, transfer *t, CURLcode result)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    b->flying--;
    b->done++;
    if (result != CURLE_OK || status != 200) {
        b->problem = result != CURLE_OK ? curl_easy_strerror(result) : "the answer is not 200";
        return;
    }
    if (!b->L)
        return;
    lua_pushvalue(b->L, 1);
    lua_pushlstring(b->L, t->body, t->length);
    if (lua_pcall(b->L, 1, 1, 0) != LUA_OK)
        b->problem = "cjson refused an answer";
    lua_settop(b->L, 1);
}

static void act(bench *b, curl_socket_t socket, int events)
{
    int count;
    CURLMsg *message;
    curl_multi_socket_action(b->multi, socket, events, &count);
    while ((message = curl_multi_info_read(b->multi, &count)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        transfer *t = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
        curl_multi_remove_handle(b->multi, easy);
        take(b, t, result);
        if (b->left > 0)
            start(b, t);
    }
}

static void turn(bench *b)
{
    while (b->due_ns >= 0 && now_ns() >= b->due_ns) {
        b->due_ns = -1;
        act(b, CURL_SOCKET_TIMEOUT, 0);
    }
    struct epoll_event events[MAX_EVENTS];
    int64_t wait_ms = b->due_ns < 0 ? 1000 : (b->due_ns - now_ns() + 999999) / 1000000;
    int count = epoll_wait(b->epoll, events, MAX_EVENTS, wait_ms > 0 ? (int)wait_ms : 0);
    for (int i = 0; i < count; i++) {
        int action = events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            action |= CURL_CSELECT_IN;
        act(b, events[i].data.fd, action);
    }
}

static bool open_lua(bench *b)
{
    b->L = luaL_newstate();
    if (!b->L)
        return false;
    luaL_openlibs(b->L);
    return luaL_dostring(b->L, "return require 'cjson'.decode") == LUA_OK;
}

static bool open_transfer(bench *b, transfer *t, const char *url)
{
    t->easy = curl_easy_init();
    if (!t->easy)
        return false;
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, b->headers);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    return curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK;
}

static bool open_bench(bench *b, const char *url, long in_flight, bool decode)
{
    curl_global_init(CURL_GLOBAL_ALL);
    b->due_ns = -1;
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->multi = curl_multi_init();
    b->headers = curl_slist_append(NULL, "api_access_token: bench-token-0123456789");
    if (b->epoll < 0 || !b->multi || !b->headers || (decode && !open_lua(b)))
        return false;
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS, (long)MAX_IN_FLIGHT);
    for (long i = 0; i < in_flight; i++) {
        if (!open_transfer(b, &b->transfers[i], url))
            return false;
    }
    return true;
}

static void close_bench(bench *b)
{
    for (int i = 0; i < MAX_IN_FLIGHT; i++) {
        transfer *t = &b->transfers[i];
        if (t->easy) {
            curl_multi_remove_handle(b->multi, t->easy);
            curl_easy_cleanup(t->easy);
        }
        free(t->body);
    }
    curl_multi_cleanup(b->multi);
    curl_slist_free_all(b->headers);
    if (b->L)
        lua_close(b->L);
    if (b->epoll >= 0)
        close(b->epoll);
    curl_global_cleanup();
}

int main(int argc, char **argv)
{
    static bench b;
    long calls = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
    long in_flight = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    if (in_flight < 1 || in_flight > MAX_IN_FLIGHT || calls < 4 * in_flight) {
        fprintf(stderr, "usage: bench_curl URL CALLS IN_FLIGHT [decode]\n");
        return 2;
    }
    if (!open_bench(&b, argv[1], in_flight, argc > 4 && strcmp(argv[4], "decode") == 0))
        b.problem = "libcurl or cjson could not be set up";
    b.left = calls;
    b.half = calls / 2;
    for (long i = 0; i < in_flight && !b.problem; i++)
        start(&b, &b.transfers[i]);
    while (!b.problem && b.flying > 0)
        turn(&b);
    if (!b.problem)
        printf("%.0f\n", (double)b.half * 1e9 / (double)(now_ns() - b.began_ns));
    else
        fprintf(stderr, "bench_curl: %s\n", b.problem);
    close_bench(&b);
    return b.problem ? EXIT_FAILURE : EXIT_SUCCESS;
}
