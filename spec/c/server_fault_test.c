/* server_fault_test.c: what a client sees of a server that drops connections, resets them and cuts answers short, and
 * what the server sees of its client. Real sockets in the same thread: send bytes, turn the loop, look at what came
 * back and how it ended. Knows only mw/server.h and mw/loop.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mw/server.h"
#include "test.h"

#define ROOM (1024u * 1024u)
#define LARGE 300000u
#define TURNS 20000 /* about 20 s: only a hang gets there */

typedef enum ending { OPEN, FIN, RST } ending;

typedef struct world {
    mw_loop *loop;
    mw_server *server;
    unsigned calls;
    bool later; /* requests are kept until `act` */
    mw_exchange *kept;
    char target[64]; /* of the last request */
    char peer[64];
    char *large;
} world;

typedef struct client {
    int fd;
    char *got;
    size_t length;
    ending ending;
} client;

/* "/drop", "/reset", "/cut/N" of ten bytes, "/large/N" of LARGE bytes, "/empty" and "/bad" cut to nothing; else an
 * answer. */
static void act(world *w, mw_exchange *exchange)
{
    static const mw_header header = {.name = "x-mine", .value = "yes"};
    static const mw_header bad = {.name = "x-bad", .value = "a\r\nb: c"};
    unsigned cut = 0;
    if (strcmp(w->target, "/drop") == 0)
        mw_exchange_drop(exchange, false);
    else if (strcmp(w->target, "/reset") == 0)
        mw_exchange_drop(exchange, true);
    else if (sscanf(w->target, "/cut/%u", &cut) == 1)
        CHECK_INT(mw_exchange_cut(exchange, 201, &header, 1, "0123456789", 10, cut), MW_OK);
    else if (sscanf(w->target, "/large/%u", &cut) == 1)
        CHECK_INT(mw_exchange_cut(exchange, 200, NULL, 0, w->large, LARGE, cut), MW_OK);
    else if (strcmp(w->target, "/empty") == 0)
        CHECK_INT(mw_exchange_cut(exchange, 204, NULL, 0, "gone", 4, 0), MW_OK);
    else if (strcmp(w->target, "/bad") == 0)
        CHECK_INT(mw_exchange_cut(exchange, 200, &bad, 1, "secret", 6, 2), MW_INVALID);
    else
        CHECK_INT(mw_exchange_answer(exchange, 200, NULL, 0, w->target, strlen(w->target)), MW_OK);
}

static void on_request(mw_exchange *exchange, const mw_incoming *in, void *ud)
{
    world *w = ud;
    w->calls++;
    snprintf(w->target, sizeof w->target, "%s", in->target);
    snprintf(w->peer, sizeof w->peer, "%s", in->peer);
    if (w->later)
        w->kept = exchange;
    else
        act(w, exchange);
}

static void begin(world *w, const char *host)
{
    mw_error error = {0};
    *w = (world){.large = malloc(LARGE)};
    CHECK(w->large != NULL);
    memset(w->large, 'x', LARGE);
    CHECK_INT(mw_loop_new(&w->loop), MW_OK);
    CHECK_INT(mw_server_new(w->loop, &(mw_server_options){.host = host}, on_request, w, &w->server,
                            &error),
              MW_OK);
    CHECK_STR(error.message, "");
}

static void turn(world *w)
{
    struct timespec ms = {.tv_nsec = 1000000};
    mw_loop_run(w->loop, false);
    nanosleep(&ms, NULL);
}

/* All connections are gone from the server as well. */
static void end(world *w)
{
    for (unsigned turns = 0; turns < TURNS && mw_loop_live(w->loop) > (w->server ? 1 : 0); turns++)
        turn(w);
    CHECK_INT(mw_loop_live(w->loop), w->server ? 1 : 0);
    mw_server_free(w->server);
    CHECK_INT(mw_loop_live(w->loop), 0);
    mw_loop_free(w->loop);
    free(w->large);
}

static client meet_at(const struct sockaddr *addr, socklen_t length)
{
    client c = {.fd = socket(addr->sa_family, SOCK_STREAM, 0), .got = calloc(1, ROOM)};
    CHECK_INT(connect(c.fd, addr, length), 0);
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    return c;
}

static client meet(world *w)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(mw_server_port(w->server))};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return meet_at((struct sockaddr *)&addr, sizeof addr);
}

static void leave(client *c)
{
    close(c->fd);
    free(c->got);
}

static void say(client *c, const char *text)
{
    CHECK_INT(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void get(client *c, const char *target)
{
    char text[128];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    say(c, text);
}

static void look(client *c)
{
    while (c->ending == OPEN) {
        ssize_t n = recv(c->fd, c->got + c->length, ROOM - 1 - c->length, 0);
        if (n > 0)
            c->length += (size_t)n;
        else if (n == 0)
            c->ending = FIN;
        else if (errno == ECONNRESET)
            c->ending = RST;
        else
            return;
    }
}

static ending hear_end(world *w, client *c)
{
    for (unsigned turns = 0; turns < TURNS && c->ending == OPEN; turns++) {
        turn(w);
        look(c);
    }
    return c->ending;
}

static bool hear(world *w, client *c, const char *text)
{
    for (unsigned turns = 0; turns < TURNS; turns++) {
        look(c);
        c->got[c->length] = '\0';
        if (strstr(c->got, text))
            return true;
        if (c->ending != OPEN)
            break;
        turn(w);
    }
    printf("waited for \"%s\", got \"%.300s\"\n", text, c->got);
    return false;
}

static bool hear_call(world *w)
{
    for (unsigned turns = 0; turns < TURNS && !w->kept; turns++)
        turn(w);
    return w->kept != NULL;
}

/* Without the head. */
static size_t body_length(const client *c)
{
    const char *body = strstr(c->got, "\r\n\r\n");
    return body ? c->length - (size_t)(body + 4 - c->got) : SIZE_MAX;
}

/* One request, answered within the handler or later: how it ends. */
static ending ask(world *w, client *c, const char *target, bool later)
{
    *c = meet(w);
    w->later = later;
    w->kept = NULL;
    get(c, target);
    if (later) {
        CHECK(hear_call(w));
        for (unsigned i = 0; i < 5; i++)
            turn(w);
        look(c);
        CHECK_INT(c->ending, OPEN);
        act(w, w->kept);
    }
    return hear_end(w, c);
}

TEST(a_dropped_request_ends_in_order_without_a_byte)
{
    world w;
    client c;
    begin(&w, NULL);
    for (int later = 0; later < 2; later++) {
        CHECK_INT(ask(&w, &c, "/drop", later), FIN);
        CHECK_INT(c.length, 0);
        leave(&c);
    }
    end(&w);
}

TEST(a_reset_request_ends_by_a_reset_without_a_byte)
{
    world w;
    client c;
    begin(&w, NULL);
    for (int later = 0; later < 2; later++) {
        CHECK_INT(ask(&w, &c, "/reset", later), RST);
        CHECK_INT(c.length, 0);
        leave(&c);
    }
    end(&w);
}

TEST(a_cut_answer_has_all_headers_and_the_beginning_of_its_body)
{
    static const unsigned cuts[] = {0, 1, 4, 9};
    world w;
    client c;
    begin(&w, NULL);
    for (unsigned i = 0; i < 8; i++) {
        char target[32];
        snprintf(target, sizeof target, "/cut/%u", cuts[i / 2]);
        CHECK_INT(ask(&w, &c, target, i % 2), FIN);
        CHECK(strncmp(c.got, "HTTP/1.1 201 ", 13) == 0);
        CHECK(strstr(c.got, "\r\nContent-Length: 10\r\n") != NULL);
        CHECK(strstr(c.got, "\r\nx-mine: yes\r\n") != NULL);
        CHECK(strstr(c.got, "Connection:") == NULL);
        CHECK_INT(body_length(&c), cuts[i / 2]);
        CHECK_MEM(c.got + c.length - body_length(&c), body_length(&c), "0123456789", cuts[i / 2]);
        leave(&c);
    }
    CHECK_INT(ask(&w, &c, "/large/200001", false), FIN);
    CHECK(strstr(c.got, "\r\nContent-Length: 300000\r\n") != NULL);
    CHECK_INT(body_length(&c), 200001);
    leave(&c);
    end(&w);
}

TEST(where_there_is_nothing_to_cut_off_the_answer_is_whole)
{
    world w;
    begin(&w, NULL);
    client c = meet(&w);
    get(&c, "/cut/10");
    CHECK(hear(&w, &c, "\r\n\r\n0123456789"));
    get(&c, "/cut/11");
    CHECK(hear(&w, &c, "0123456789HTTP/1.1 201 "));
    get(&c, "/empty");
    CHECK(hear(&w, &c, "HTTP/1.1 204 "));
    say(&c, "HEAD /cut/3 HTTP/1.1\r\nHost: x\r\n\r\n");
    get(&c, "/bad");
    CHECK(hear(&w, &c, "HTTP/1.1 500 "));
    CHECK(hear(&w, &c, "{\"error\":\"internal error\"}"));
    get(&c, "/still-there");
    CHECK(hear(&w, &c, "\r\n\r\n/still-there"));
    CHECK(strstr(c.got, "secret") == NULL);
    CHECK_INT(w.calls, 6);
    leave(&c);
    end(&w);
}

/* What came before is answered in full, what comes behind is not looked at. */
TEST(a_drop_ends_a_pipeline)
{
    world w;
    begin(&w, NULL);
    client c = meet(&w);
    say(&c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
            "POST /drop HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(hear_end(&w, &c), FIN);
    CHECK(strstr(c.got, "\r\n\r\n/1") != NULL);
    CHECK_INT(body_length(&c), 2);
    CHECK_INT(w.calls, 2);
    leave(&c);
    c = meet(&w);
    say(&c, "GET /cut/2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(hear_end(&w, &c), FIN);
    CHECK_INT(body_length(&c), 2);
    CHECK_INT(w.calls, 3);
    leave(&c);
    end(&w);
}

/* Bytes that nobody has read would turn the end of a connection into a reset. */
TEST(an_end_in_order_stays_one_with_more_in_the_pipe)
{
    static const char *const targets[] = {"/drop", "/cut/5"};
    world w;
    begin(&w, NULL);
    for (unsigned i = 0; i < 2; i++) {
        client c = meet(&w);
        w.later = true;
        w.kept = NULL;
        get(&c, targets[i]);
        CHECK(hear_call(&w));
        for (unsigned more = 0; more < 100; more++)
            get(&c, "/a-request-that-nobody-looks-at");
        act(&w, w.kept);
        CHECK_INT(hear_end(&w, &c), FIN);
        CHECK_INT(body_length(&c), i == 0 ? SIZE_MAX : 5);
        leave(&c);
    }
    CHECK_INT(w.calls, 2);
    end(&w);
}

TEST(a_kept_connection_may_end_at_any_of_its_requests)
{
    static const struct {
        const char *target;
        ending ending;
    } rows[] = {{"/drop", FIN}, {"/reset", RST}, {"/cut/5", FIN}};
    world w;
    begin(&w, NULL);
    for (unsigned i = 0; i < 3; i++) {
        client c = meet(&w);
        get(&c, "/first");
        CHECK(hear(&w, &c, "\r\n\r\n/first"));
        get(&c, "/second");
        CHECK(hear(&w, &c, "\r\n\r\n/second"));
        get(&c, rows[i].target);
        CHECK_INT(hear_end(&w, &c), rows[i].ending);
        leave(&c);
    }
    CHECK_INT(w.calls, 9);
    end(&w);
}

TEST(others_are_served_beside_a_reset)
{
    world w;
    begin(&w, NULL);
    client a = meet(&w), b = meet(&w);
    get(&b, "/one");
    CHECK(hear(&w, &b, "\r\n\r\n/one"));
    get(&a, "/reset");
    CHECK_INT(hear_end(&w, &a), RST);
    get(&b, "/two");
    CHECK(hear(&w, &b, "\r\n\r\n/two"));
    leave(&a);
    leave(&b);
    end(&w);
}

TEST(a_server_may_go_right_after_a_fault)
{
    static const struct {
        const char *target;
        ending ending;
    } rows[] = {{"/drop", FIN}, {"/reset", RST}, {"/cut/5", FIN}};
    for (unsigned i = 0; i < 3; i++) {
        world w;
        begin(&w, NULL);
        client c = meet(&w);
        w.later = true;
        get(&c, rows[i].target);
        CHECK(hear_call(&w));
        act(&w, w.kept);
        mw_server_free(w.server);
        w.server = NULL;
        CHECK_INT(hear_end(&w, &c), rows[i].ending);
        leave(&c);
        end(&w);
    }
}

TEST(a_fault_for_a_peer_that_left_is_none)
{
    static const char *const targets[] = {"/drop", "/reset", "/cut/5", "/large/100"};
    world w;
    begin(&w, NULL);
    for (unsigned i = 0; i < 4; i++) {
        client c = meet(&w);
        w.later = true;
        w.kept = NULL;
        get(&c, targets[i]);
        CHECK(hear_call(&w));
        leave(&c);
        for (unsigned turns = 0; turns < 5; turns++)
            turn(&w);
        act(&w, w.kept);
    }
    end(&w);
}

TEST(an_exchange_ends_once)
{
    world w;
    begin(&w, NULL);
    client c = meet(&w);
    w.later = true;
    get(&c, "/x");
    CHECK(hear_call(&w));
    act(&w, w.kept);
    mw_exchange_drop(w.kept, true);
    CHECK_INT(mw_exchange_cut(w.kept, 200, NULL, 0, "no", 2, 1), MW_INVALID);
    CHECK(hear(&w, &c, "\r\n\r\n/x"));
    leave(&c);
    end(&w);
}

TEST(the_handler_knows_its_peer)
{
    world w;
    begin(&w, NULL);
    client c = meet(&w);
    get(&c, "/v4");
    CHECK(hear(&w, &c, "/v4"));
    CHECK_STR(w.peer, "127.0.0.1");
    leave(&c);
    end(&w);

    begin(&w, "::1");
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_port = htons(mw_server_port(w.server)),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    c = meet_at((struct sockaddr *)&six, sizeof six);
    get(&c, "/v6");
    CHECK(hear(&w, &c, "/v6"));
    CHECK_STR(w.peer, "::1");
    leave(&c);
    end(&w);

    begin(&w, "::");
    c = meet(&w);
    get(&c, "/mapped");
    CHECK(hear(&w, &c, "/mapped"));
    CHECK_STR(w.peer, "127.0.0.1");
    leave(&c);
    end(&w);
}
