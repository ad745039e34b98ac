/* wire_lanes_test.c: what a worker hears of the lanes of a client that another process has: stats and waits, over a
 * real socket, also from a broker that says what it likes. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate_private.h"
#include "mw/mw.h"
#include "mw/wire.h"
#include "test.h"
#include "wire_codec.h"

typedef struct heard {
    mw_gate_watch watch;
    mw_wait wait; /* the last */
    char trouble[MW_MAX_TROUBLE];
    int times;
} heard;

static void on_wait(const mw_wait *wait, void *ud)
{
    heard *h = ud;
    h->wait = *wait;
    snprintf(h->trouble, sizeof h->trouble, "%s", wait->trouble ? wait->trouble : "none");
    h->times++;
}

static void listen_to(heard *h, mw_gate *gate)
{
    *h = (heard){.watch = {.fn = on_wait, .ud = h}};
    mw_gate_watch_waits(gate, &h->watch);
}

static const mw_wait told = {.service = MW_OOCTOPUS,
                             .lane = MW_LANE_SEARCH,
                             .reason = MW_WAIT_REFUSED,
                             .seconds = 34.5,
                             .waiting = 12,
                             .allowed = 100,
                             .window_ms = 60000};

/* ---- both ends are real; on one loop ---- */

typedef struct pair {
    mw_loop *loop;
    mw_client *client;
    mw_channel *inner, *outer;
    mw_wire *wire;
    mw_wire_server *serving;
    mw_gate *gate;
    int ends;
} pair;

static void on_inner(const mw_frame *frame, void *ud)
{
    pair *p = ud;
    if (p->wire)
        mw_wire_frame(p->wire, frame);
}

static void on_outer(const mw_frame *frame, void *ud)
{
    mw_wire_server_frame(((pair *)ud)->serving, frame);
}

static void on_end(int code, const char *message, void *ud)
{
    (void)code;
    (void)message;
    ((pair *)ud)->ends++;
}

static void open_broker(pair *p, int fd)
{
    mw_client_options client = {.url = "http://127.0.0.1:9",
                                .account = "1",
                                .user_token = "t0ken",
                                .retries = MW_NO_RETRIES};
    mw_channel_options outer = {.fd = fd, .on_frame = on_outer, .on_end = on_end, .ud = p};
    uint32_t door = 99;
    CHECK_INT(mw_client_new(p->loop, &client, &p->client, NULL), MW_OK);
    CHECK_INT(mw_channel_new(p->loop, &outer, &p->outer, NULL), MW_OK);
    mw_wire_server_options serving = {.loop = p->loop, .channel = p->outer};
    CHECK_INT(mw_wire_server_new(&serving, &p->serving), MW_OK);
    CHECK_INT(mw_wire_server_offer(p->serving, mw_client_gate(p->client), &door), MW_OK);
    CHECK_INT(mw_wire_server_offer(p->serving, mw_client_gate(p->client), &door), MW_OK);
    CHECK_INT(door, 0);
}

static void open_worker(pair *p, int fd)
{
    mw_channel_options inner = {
        .fd = fd, .background = true, .on_frame = on_inner, .on_end = on_end, .ud = p};
    CHECK_INT(mw_channel_new(p->loop, &inner, &p->inner, NULL), MW_OK);
    CHECK_INT(mw_wire_new(p->loop, p->inner, NULL, NULL, &p->wire), MW_OK);
}

static void open_pair(pair *p)
{
    int fds[2];
    *p = (pair){0};
    CHECK_INT(mw_loop_new(&p->loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_broker(p, fds[0]);
    open_worker(p, fds[1]);
}

static void turns(pair *p, int count)
{
    for (int i = 0; i < count; i++)
        mw_loop_run(p->loop, false);
}

static void close_pair(pair *p)
{
    mw_wire_free(p->wire);
    mw_wire_server_free(p->serving);
    mw_channel_free(p->inner);
    mw_channel_free(p->outer);
    mw_client_free(p->client);
    for (int i = 0; mw_loop_live(p->loop) > 0 && i < 1000; i++)
        mw_loop_run(p->loop, true);
    CHECK_INT(mw_loop_live(p->loop), 0);
    mw_loop_free(p->loop);
}

TEST(a_worker_is_told_of_the_waits_behind_its_door)
{
    pair p;
    heard first, second;
    open_pair(&p);
    mw__gate_tell(mw_client_gate(p.client), &told); /* the worker has no gate yet: nobody hears it */
    turns(&p, 5);
    CHECK_INT(mw_wire_gate(p.wire, 0, MW_CIRCUIT, &p.gate), MW_OK);
    listen_to(&first, p.gate);
    listen_to(&second, p.gate);
    mw__gate_tell(mw_client_gate(p.client), &told);
    turns(&p, 5);
    CHECK_INT(first.times, 1);
    CHECK_INT(second.times, 1);
    CHECK_INT(first.wait.service, MW_CIRCUIT);
    CHECK_INT(first.wait.lane, MW_LANE_SEARCH);
    CHECK_INT(first.wait.reason, MW_WAIT_REFUSED);
    CHECK(first.wait.seconds == 34.5);
    CHECK_INT(first.wait.waiting, 12);
    CHECK_INT(first.wait.allowed, 100);
    CHECK_INT(first.wait.window_ms, 60000);
    CHECK_STR(first.trouble, "none");
    mw_gate_unwatch(&second.watch);
    mw__gate_tell(mw_client_gate(p.client), &told);
    turns(&p, 5);
    CHECK_INT(first.times, 2);
    CHECK_INT(second.times, 1);
    CHECK_INT(p.ends, 0);
    close_pair(&p);
    CHECK(first.watch.prev == NULL); /* the gate's end took it off */
}

TEST(a_worker_is_told_of_trouble_with_a_shared_file)
{
    pair p;
    heard h;
    char longest[MW_MAX_TROUBLE] = "";
    open_pair(&p);
    CHECK_INT(mw_wire_gate(p.wire, 0, MW_OOCTOPUS, &p.gate), MW_OK);
    listen_to(&h, p.gate);
    mw_wait wait = {.reason = MW_WAIT_UNSHARED, .trouble = "the file is gone"};
    mw__gate_tell(mw_client_gate(p.client), &wait);
    turns(&p, 5);
    CHECK_INT(h.wait.reason, MW_WAIT_UNSHARED);
    CHECK_STR(h.trouble, "the file is gone");
    memset(longest, 'x', sizeof longest - 1);
    wait.trouble = longest;
    mw__gate_tell(mw_client_gate(p.client), &wait);
    turns(&p, 5);
    CHECK_INT(h.times, 2);
    CHECK_STR(h.trouble, longest);
    CHECK_INT(p.ends, 0);
    close_pair(&p);
}

TEST(nobody_is_told_when_the_brokers_end_has_gone)
{
    pair p;
    heard h;
    open_pair(&p);
    CHECK_INT(mw_wire_gate(p.wire, 0, MW_OOCTOPUS, &p.gate), MW_OK);
    listen_to(&h, p.gate);
    mw_wire_server_free(p.serving);
    p.serving = NULL;
    mw__gate_tell(mw_client_gate(p.client), &told);
    turns(&p, 5);
    CHECK_INT(h.times, 0);
    CHECK(mw_client_gate(p.client)->watches == NULL);
    close_pair(&p);
}

TEST(a_worker_that_reads_nothing_does_not_fill_the_broker)
{
    pair p;
    open_pair(&p);
    mw_channel_pause(p.inner, true);
    turns(&p, 2);
    for (int i = 0; i < 400000; i++)
        mw__gate_tell(mw_client_gate(p.client), &told);
    CHECK(mw_channel_queued(p.outer) > MW_WIRE_BACKLOG);
    CHECK(mw_channel_queued(p.outer) < MW_WIRE_BACKLOG + 1024);
    close_pair(&p);
}

/* ---- a worker that asks: the broker is on a loop and a thread of its own ---- */

typedef struct asker {
    int fd;
    int first, last;
    uint64_t sent;
    mw_lane_stats stats[MW_LANES];
    mw_answer answer;
    int answers;
} asker;

static void on_answer(const mw_answer *answer, void *ud)
{
    asker *a = ud;
    a->answer = *answer;
    a->answers++;
}

static void *run_worker(void *ud)
{
    asker *a = ud;
    pair p = {0};
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    CHECK_INT(mw_loop_new(&p.loop), MW_OK);
    open_worker(&p, a->fd);
    CHECK_INT(mw_wire_gate(p.wire, 0, MW_OOCTOPUS, &p.gate), MW_OK);
    memset(a->stats, 0xff, sizeof a->stats);
    a->first = mw_gate_stats(p.gate, a->stats);
    for (size_t i = 0; i < MW_LANES; i++)
        CHECK(a->stats[i].sent == 0 && a->stats[i].waiting == 0 && a->stats[i].running == 0);
    CHECK_INT(mw_gate_request(p.gate, mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &id, 1,
                              NULL, NULL, &request, NULL),
              MW_OK);
    CHECK_INT(mw_gate_submit(p.gate, request, on_answer, a, NULL, NULL), MW_OK);
    while (mw_loop_run(p.loop, true)) {}
    a->last = mw_gate_stats(p.gate, a->stats);
    a->sent = mw_gate_sent(p.gate);
    mw_wire_close(p.wire);
    CHECK_INT(mw_gate_stats(p.gate, a->stats), MW_CANCELLED);
    mw_wire_free(p.wire);
    mw_channel_free(p.inner);
    mw_loop_free(p.loop);
    return NULL;
}

TEST(a_worker_asks_for_the_stats_of_its_gate)
{
    pair p = {0};
    pthread_t thread;
    int fds[2];
    CHECK_INT(mw_loop_new(&p.loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_broker(&p, fds[0]);
    asker a = {.fd = fds[1]};
    CHECK_INT(pthread_create(&thread, NULL, run_worker, &a), 0);
    for (int i = 0; p.ends == 0 && i < 100000; i++)
        mw_loop_run(p.loop, true);
    pthread_join(thread, NULL);
    CHECK_INT(a.first, MW_OK);
    CHECK_INT(a.last, MW_OK);
    CHECK_INT(a.answers, 1);
    CHECK_INT(a.answer.code, MW_NETWORK);
    CHECK_INT(a.sent, mw_gate_sent(mw_client_gate(p.client)));
    CHECK_INT(a.stats[MW_LANE_ALL].running, 0);
    close_pair(&p);
}

TEST(a_broker_that_has_gone_has_no_stats)
{
    pair p;
    mw_lane_stats stats[MW_LANES];
    open_pair(&p);
    CHECK_INT(mw_wire_gate(p.wire, 0, MW_OOCTOPUS, &p.gate), MW_OK);
    mw_channel_free(p.outer);
    p.outer = NULL;
    CHECK_INT(mw_gate_stats(p.gate, stats), MW_CANCELLED);
    close_pair(&p);
}

/* ---- hostile bytes ---- */

static void check_stats(char *bytes, size_t length, size_t wrong, const char *problem)
{
    uint64_t sent;
    mw_lane_stats stats[MW_LANES];
    size_t at = 0;
    const char *said = NULL;
    CHECK_INT(mw__wire_unpack_stats(bytes, length, &sent, stats, &at, &said), MW_DECODE);
    CHECK_INT(at, wrong);
    CHECK_STR(said, problem);
}

static void put_number(char *bytes, size_t index, int64_t number)
{
    memcpy(bytes + index * sizeof number, &number, sizeof number);
}

TEST(stats_are_read_as_they_were_packed_or_not_at_all)
{
    char bytes[MW__WIRE_STATS + 1];
    mw_lane_stats in[MW_LANES], out[MW_LANES];
    uint64_t sent = 0;
    size_t at = 0;
    const char *problem = NULL;
    for (unsigned i = 0; i < MW_LANES; i++)
        in[i] = (mw_lane_stats){.sent = 10 + i,
                                .refused = (uint64_t)1 << 40,
                                .waiting = UINT32_MAX,
                                .running = 2,
                                .waited_us = INT64_MAX,
                                .allowed = i};
    mw__wire_pack_stats(77, in, bytes);
    CHECK_INT(mw__wire_unpack_stats(bytes, MW__WIRE_STATS, &sent, out, &at, &problem), MW_OK);
    CHECK_INT(sent, 77);
    for (unsigned i = 0; i < MW_LANES; i++) {
        CHECK_INT(out[i].sent, in[i].sent);
        CHECK_INT(out[i].refused, in[i].refused);
        CHECK_INT(out[i].waiting, in[i].waiting);
        CHECK_INT(out[i].running, in[i].running);
        CHECK_INT(out[i].waited_us, in[i].waited_us);
        CHECK_INT(out[i].allowed, in[i].allowed);
    }
    for (size_t cut = 0; cut < MW__WIRE_STATS; cut++)
        check_stats(bytes, cut, cut / sizeof(int64_t) * sizeof(int64_t), "the frame ends too early");
    check_stats(bytes, MW__WIRE_STATS + 1, MW__WIRE_STATS, "bytes behind the end of the numbers");
    for (size_t i = 0; i < MW__WIRE_STATS / sizeof(int64_t); i++) {
        char bad[MW__WIRE_STATS];
        bool narrow = i > 0 && ((i - 1) % 6 == 2 || (i - 1) % 6 == 3 || (i - 1) % 6 == 5);
        memcpy(bad, bytes, sizeof bad);
        put_number(bad, i, -1);
        check_stats(bad, sizeof bad, i * sizeof(int64_t), "a number out of bounds");
        put_number(bad, i, (int64_t)UINT32_MAX + 1);
        if (narrow)
            check_stats(bad, sizeof bad, i * sizeof(int64_t), "a number out of bounds");
    }
}

/* A broker whose frame of a wait is `length` of these bytes. */
static void check_wait(const char *bytes, size_t length, const char *problem, int ends)
{
    pair p = {0};
    heard h;
    int fds[2];
    char frame[MW_FRAME_HEADER + 512] = {(char)length,     (char)(length >> 8), 0, 0,
                                         MW_FRAME_VERSION, MW__W_WAIT};
    memcpy(frame + MW_FRAME_HEADER, bytes, length);
    CHECK_INT(mw_loop_new(&p.loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_worker(&p, fds[0]);
    CHECK_INT(mw_wire_gate(p.wire, 0, MW_OOCTOPUS, &p.gate), MW_OK);
    listen_to(&h, p.gate);
    CHECK_INT(send(fds[1], frame, MW_FRAME_HEADER + length, MSG_NOSIGNAL),
              (int64_t)(MW_FRAME_HEADER + length));
    turns(&p, 5);
    if (p.ends != ends)
        CHECK_STR(problem, "ended otherwise");
    CHECK_INT(h.times, 1 - ends);
    close(fds[1]);
    close_pair(&p);
}

TEST(a_wait_is_told_as_it_was_packed_or_ends_the_channel)
{
    char bytes[MW__WIRE_WAIT + 1] = {0};
    mw_wait wait = told;
    mw__wire_pack_wait(&wait, bytes);
    check_wait(bytes, MW__WIRE_WAIT, "sound", 0);
    for (size_t cut = 0; cut < MW__WIRE_WAIT; cut++)
        check_wait(bytes, cut, "cut", 1);
    check_wait(bytes, MW__WIRE_WAIT + 1, "too long", 1);
    static const double never[] = {-1, (double)INFINITY, (double)-INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        wait = told;
        wait.seconds = never[i];
        mw__wire_pack_wait(&wait, bytes);
        check_wait(bytes, MW__WIRE_WAIT, "seconds", 1);
    }
    wait = told;
    wait.lane = MW_LANES;
    mw__wire_pack_wait(&wait, bytes);
    check_wait(bytes, MW__WIRE_WAIT, "lane", 1);
    wait = told;
    wait.reason = (mw_wait_reason)(MW_WAIT_UNSHARED + 1);
    mw__wire_pack_wait(&wait, bytes);
    check_wait(bytes, MW__WIRE_WAIT, "reason", 1);
}

TEST(a_trouble_ends_where_it_says_or_ends_the_channel)
{
    char bytes[MW__WIRE_WAIT + MW_MAX_TROUBLE + 1];
    mw_wait wait = {.reason = MW_WAIT_UNSHARED, .trouble = "gone"};
    size_t length = mw__wire_wait_size(&wait);
    mw__wire_pack_wait(&wait, bytes);
    check_wait(bytes, length, "sound", 0);
    for (size_t cut = 0; cut < length; cut++)
        check_wait(bytes, cut, "cut", 1);
    bytes[length] = '\0';
    check_wait(bytes, length + 1, "two ends", 1);
    memset(bytes + MW__WIRE_WAIT, 'x', MW_MAX_TROUBLE);
    bytes[sizeof bytes - 1] = '\0';
    check_wait(bytes, sizeof bytes, "too long", 1);
    bytes[sizeof bytes - 2] = '\0';
    check_wait(bytes, sizeof bytes - 1, "as long as may be", 0);
    wait.reason = MW_WAIT_LIMIT;
    mw__wire_pack_wait(&wait, bytes);
    check_wait(bytes, length, "trouble without a reason", 1);
}
