/* channel_test.c: channels over real sockets: frames in any pieces, the end in every form, senders that are held back,
 * calls that wait. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "mw/channel.h"
#include "test.h"

enum { KEPT = 8 };

/* One end, and what has come in on it. */
typedef struct end {
    mw_channel *channel;
    unsigned frames;
    size_t bytes;
    uint8_t types[KEPT];
    uint32_t ids[KEPT];
    char data[KEPT][64];
    uint64_t offset; /* of the last frame */
    unsigned sum;    /* of all bytes */
    int ends;
    int code;
    char message[160];
    unsigned free_at;  /* frees the channel at this frame */
    unsigned pause_at; /* pauses it */
    unsigned fail_at;  /* fails it, at the payload */
} end;

typedef struct pair {
    mw_loop *loop;
    end a;
    end b;
    int raw; /* instead of b: the bare socket */
} pair;

static void on_frame(const mw_frame *frame, void *ud)
{
    end *e = ud;
    if (e->frames < KEPT) {
        e->types[e->frames] = frame->type;
        e->ids[e->frames] = frame->id;
        snprintf(e->data[e->frames], sizeof e->data[0], "%.*s", (int)frame->length, frame->data);
    }
    e->frames++;
    e->bytes += frame->length;
    e->offset = frame->offset;
    for (size_t i = 0; i < frame->length; i += 97)
        e->sum += (unsigned char)frame->data[i];
    if (e->frames == e->pause_at)
        mw_channel_pause(e->channel, true);
    if (e->frames == e->fail_at)
        mw_channel_fail(e->channel, frame->offset, "nonsense");
    if (e->frames == e->free_at) {
        mw_channel_free(e->channel);
        e->channel = NULL;
    }
}

static void on_end(int code, const char *message, void *ud)
{
    end *e = ud;
    e->ends++;
    e->code = code;
    snprintf(e->message, sizeof e->message, "%s", message);
}

static void open_end(pair *p, end *e, int fd, mw_channel_options options)
{
    mw_error error = {0};
    options.fd = fd;
    options.on_frame = on_frame;
    options.on_end = on_end;
    options.ud = e;
    CHECK_INT(mw_channel_new(p->loop, &options, &e->channel, &error), MW_OK);
    CHECK_STR(error.message, "");
}

/* Both ends on one loop; with `raw` only a, and the other socket bare. */
static void open_pair(pair *p, mw_channel_options options, bool raw)
{
    int fds[2];
    *p = (pair){.raw = -1};
    CHECK_INT(mw_loop_new(&p->loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_end(p, &p->a, fds[0], options);
    if (raw)
        p->raw = fds[1];
    else
        open_end(p, &p->b, fds[1], (mw_channel_options){0});
}

static void close_pair(pair *p)
{
    mw_channel_free(p->a.channel);
    mw_channel_free(p->b.channel);
    if (p->raw >= 0)
        close(p->raw);
    CHECK_INT(mw_loop_live(p->loop), 0);
    mw_loop_free(p->loop);
}

static void turns(pair *p, int count)
{
    for (int i = 0; i < count; i++)
        mw_loop_run(p->loop, false);
}

static void run_until(pair *p, const unsigned *counter, unsigned wanted)
{
    for (int i = 0; *counter < wanted && i < 100000; i++)
        mw_loop_run(p->loop, true);
}

static void run_to_end(pair *p, const end *e)
{
    for (int i = 0; e->ends == 0 && i < 10000; i++)
        mw_loop_run(p->loop, true);
}

static size_t make_frame(char *at, uint8_t type, uint32_t id, const char *payload, size_t length)
{
    uint32_t length32 = (uint32_t)length;
    memset(at, 0, MW_FRAME_HEADER);
    memcpy(at, &length32, 4);
    at[4] = MW_FRAME_VERSION;
    at[5] = (char)type;
    memcpy(at + 8, &id, 4);
    memcpy(at + MW_FRAME_HEADER, payload, length);
    return MW_FRAME_HEADER + length;
}

TEST(frames_come_in_order_with_type_and_id)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    CHECK_INT(mw_channel_send(p.a.channel, 7, 1, "he", 2, "llo", 3), MW_OK);
    CHECK_INT(mw_channel_send(p.a.channel, 255, UINT32_MAX, NULL, 0, NULL, 0), MW_OK);
    CHECK_INT(mw_channel_send(p.a.channel, 0, 1, NULL, 0, NULL, 0), MW_INVALID);
    CHECK_INT(mw_channel_queued(p.a.channel), 2 * MW_FRAME_HEADER + 5);
    CHECK_INT(p.b.frames, 0);
    run_until(&p, &p.b.frames, 2);
    CHECK_INT(mw_channel_queued(p.a.channel), 0);
    CHECK_INT(p.b.frames, 2);
    CHECK_INT(p.b.types[0], 7);
    CHECK_INT(p.b.ids[0], 1);
    CHECK_STR(p.b.data[0], "hello");
    CHECK_INT(p.b.types[1], 255);
    CHECK_INT(p.b.ids[1], UINT32_MAX);
    CHECK_INT(p.b.offset, 2 * MW_FRAME_HEADER + 5);
    close_pair(&p);
}

TEST(frames_may_come_byte_by_byte)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, true);
    char bytes[256];
    size_t length = make_frame(bytes, 1, 5, "first", 5);
    length += make_frame(bytes + length, 2, 6, "", 0);
    length += make_frame(bytes + length, 3, 7, "the third", 9);
    for (size_t i = 0; i < length; i++) {
        CHECK_INT(write(p.raw, bytes + i, 1), 1);
        turns(&p, 2);
        CHECK_INT(p.a.frames, (i >= 16) + (i >= 28) + (i >= 49));
    }
    CHECK_STR(p.a.data[0], "first");
    CHECK_STR(p.a.data[2], "the third");
    CHECK_INT(p.a.ids[2], 7);
    close_pair(&p);
}

TEST(many_frames_come_at_once)
{
    enum { COUNT = 20000 };
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    for (uint32_t i = 0; i < COUNT; i++)
        CHECK_INT(mw_channel_send(p.a.channel, 1, i, "1234567890123456789012345678901234567890", 40,
                                  NULL, 0),
                  MW_OK);
    run_until(&p, &p.b.frames, COUNT);
    CHECK_INT(p.b.frames, COUNT);
    CHECK_INT(p.b.bytes, COUNT * 40);
    CHECK_INT(p.b.offset, (uint64_t)COUNT * (40 + MW_FRAME_HEADER) - 40);
    close_pair(&p);
}

TEST(a_frame_may_be_as_large_as_the_cap_and_no_larger)
{
    enum { CAP = 4 * 1024 * 1024 };
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    char *large = malloc(CAP + 1);
    unsigned sum = 0;
    for (size_t i = 0; i < CAP; i++)
        large[i] = (char)(i * 7);
    for (size_t i = 0; i < CAP; i += 97)
        sum += (unsigned char)large[i];
    CHECK_INT(mw_channel_send(p.b.channel, 1, 1, large, CAP, NULL, 0), MW_OK);
    CHECK_INT(mw_channel_send(p.b.channel, 1, 2, "after", 5, NULL, 0), MW_OK);
    run_until(&p, &p.a.frames, 2);
    CHECK_INT(p.a.bytes, CAP + 5);
    CHECK_STR(p.a.data[1], "after");
    CHECK_INT(mw_channel_send(p.b.channel, 1, 1, large, CAP, NULL, 0), MW_OK);
    run_until(&p, &p.a.frames, 3);
    CHECK_INT(p.a.sum - (unsigned)'a', 2 * sum);
    CHECK_INT(mw_channel_send(p.b.channel, 1, 1, large, CAP + 1, NULL, 0), MW_OK);
    run_to_end(&p, &p.a);
    CHECK_INT(p.a.code, MW_DECODE);
    CHECK_STR(p.a.message, "protocol: byte 8388649: a frame of 4194305 bytes; 4194304 are the most");
    CHECK_INT(p.a.frames, 3);
    free(large);
    close_pair(&p);
}

static void check_protocol(const char *bytes, size_t length, const char *message)
{
    pair p;
    open_pair(&p, (mw_channel_options){.max_frame = 100}, true);
    char first[32];
    size_t size = make_frame(first, 1, 1, "x", 1);
    CHECK_INT(write(p.raw, first, size), (int64_t)size);
    CHECK_INT(write(p.raw, bytes, length), (int64_t)length);
    run_to_end(&p, &p.a);
    turns(&p, 3);
    CHECK_INT(p.a.frames, 1);
    CHECK_INT(p.a.ends, 1);
    CHECK_INT(p.a.code, MW_DECODE);
    CHECK_STR(p.a.message, message);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, NULL, 0, NULL, 0), MW_CANCELLED);
    close_pair(&p);
}

TEST(a_malformed_header_ends_the_channel_at_its_byte)
{
    check_protocol("\0\0\0\0\x07\x01\0\0\0\0\0\0", 12, "protocol: byte 17: version 7");
    check_protocol("\0\0\0\0\x01\0\0\0\0\0\0\0", 12, "protocol: byte 18: a frame of type 0");
    check_protocol("\0\0\0\0\x01\x01\0\x01\0\0\0\0", 12,
                   "protocol: byte 19: reserved bytes that are not 0");
    check_protocol("\x65\0\0\0\x01\x01\0\0\0\0\0\0", 12,
                   "protocol: byte 13: a frame of 101 bytes; 100 are the most");
    check_protocol("\xff\xff\xff\xff\x01\x01\0\0\0\0\0\0", 12,
                   "protocol: byte 13: a frame of 4294967295 bytes; 100 are the most");
}

TEST(the_end_of_the_peer_is_told_once)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, true);
    char bytes[64];
    size_t length = make_frame(bytes, 1, 1, "last words", 10);
    CHECK_INT(write(p.raw, bytes, length), (int64_t)length);
    close(p.raw);
    p.raw = -1;
    run_to_end(&p, &p.a);
    turns(&p, 3);
    CHECK_INT(p.a.frames, 1);
    CHECK_INT(p.a.ends, 1);
    CHECK_INT(p.a.code, MW_OK);
    CHECK_INT(mw_loop_run(p.loop, true), 0); /* nothing is left to wait for */
    close_pair(&p);
}

TEST(an_end_within_a_frame_is_a_broken_connection)
{
    for (size_t cut = 1; cut < 14; cut += 4) {
        pair p;
        open_pair(&p, (mw_channel_options){0}, true);
        char bytes[64];
        make_frame(bytes, 1, 1, "ab", 2);
        CHECK_INT(write(p.raw, bytes, cut), (int64_t)cut);
        close(p.raw);
        p.raw = -1;
        run_to_end(&p, &p.a);
        char message[80];
        snprintf(message, sizeof message, "the peer has closed within a frame, after byte %zu", cut);
        CHECK_INT(p.a.code, MW_NETWORK);
        CHECK_STR(p.a.message, message);
        close_pair(&p);
    }
}

TEST(last_words_are_read_though_the_peer_takes_nothing_any_more)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, true);
    char bytes[64];
    size_t length = make_frame(bytes, 1, 1, "last words", 10);
    mw_channel_pause(p.a.channel, true);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, "unread", 6, NULL, 0), MW_OK);
    turns(&p, 2);
    CHECK_INT(write(p.raw, bytes, length), (int64_t)length);
    close(p.raw); /* with bytes unread: a reset */
    p.raw = -1;
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, "to nobody", 9, NULL, 0), MW_OK);
    turns(&p, 2);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, "to nobody", 9, NULL, 0), MW_CANCELLED);
    CHECK_INT(p.a.ends, 0);
    mw_channel_pause(p.a.channel, false);
    run_to_end(&p, &p.a);
    CHECK_INT(p.a.frames, 1);
    CHECK_STR(p.a.data[0], "last words");
    CHECK_INT(p.a.code, MW_OK);
    close_pair(&p);
}

TEST(what_the_peer_does_not_take_stays_queued)
{
    enum { SIZE = 1024 * 1024, COUNT = 8 };
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    char *block = calloc(1, SIZE);
    mw_channel_pause(p.b.channel, true);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_INT(mw_channel_send(p.a.channel, 1, i, block, SIZE, NULL, 0), MW_OK);
        turns(&p, 2);
    }
    size_t waiting = mw_channel_queued(p.a.channel);
    CHECK(waiting > SIZE && waiting < (size_t)COUNT * (SIZE + MW_FRAME_HEADER));
    turns(&p, 5);
    CHECK_INT(mw_channel_queued(p.a.channel), waiting);
    CHECK_INT(p.b.frames, 0);
    mw_channel_pause(p.b.channel, false);
    run_until(&p, &p.b.frames, COUNT);
    CHECK_INT(p.b.frames, COUNT);
    CHECK_INT(p.b.bytes, (uint64_t)COUNT * SIZE);
    CHECK_INT(mw_channel_queued(p.a.channel), 0);
    free(block);
    close_pair(&p);
}

TEST(too_much_in_the_queue_ends_the_channel)
{
    pair p;
    open_pair(&p, (mw_channel_options){.max_queued = 1000}, true);
    char block[600] = "";
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, block, sizeof block, NULL, 0), MW_OK);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, block, sizeof block, NULL, 0), MW_CANCELLED);
    CHECK_INT(p.a.ends, 0);
    run_to_end(&p, &p.a);
    CHECK_INT(p.a.ends, 1);
    CHECK_INT(p.a.code, MW_TOO_LARGE);
    CHECK_STR(p.a.message, "the peer leaves 612 bytes unread");
    close_pair(&p);
}

TEST(a_pause_holds_within_what_was_read_at_once)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    p.b.pause_at = 2;
    for (uint32_t i = 0; i < 5; i++)
        CHECK_INT(mw_channel_send(p.a.channel, 1, i, "x", 1, NULL, 0), MW_OK);
    turns(&p, 10);
    CHECK_INT(p.b.frames, 2);
    mw_channel_pause(p.b.channel, false);
    CHECK_INT(p.b.frames, 2); /* later, from the loop */
    run_until(&p, &p.b.frames, 5);
    CHECK_INT(p.b.frames, 5);
    close_pair(&p);
}

TEST(a_channel_may_be_freed_from_its_callbacks)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    p.b.free_at = 2;
    for (uint32_t i = 0; i < 5; i++)
        CHECK_INT(mw_channel_send(p.a.channel, 1, i, "x", 1, NULL, 0), MW_OK);
    run_to_end(&p, &p.a);
    CHECK_INT(p.b.frames, 2);
    CHECK_INT(p.b.ends, 0);
    CHECK_INT(p.a.code, MW_OK);
    close_pair(&p);
}

TEST(failing_a_channel_is_told_later_and_stops_the_frames)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    p.b.fail_at = 2;
    for (uint32_t i = 0; i < 5; i++)
        CHECK_INT(mw_channel_send(p.a.channel, 1, i, "x", 1, NULL, 0), MW_OK);
    run_to_end(&p, &p.b);
    CHECK_INT(p.b.frames, 2);
    CHECK_INT(p.b.ends, 1);
    CHECK_INT(p.b.code, MW_DECODE);
    CHECK_STR(p.b.message, "protocol: byte 25: nonsense");
    close_pair(&p);
}

TEST(only_a_stream_socket_will_do)
{
    mw_loop *loop;
    mw_channel *channel = NULL;
    mw_error error = {0};
    int fds[2];
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    CHECK_INT(pipe(fds), 0);
    CHECK_INT(mw_channel_new(loop, &(mw_channel_options){.fd = fds[0]}, &channel, &error),
              MW_INVALID);
    CHECK(strstr(error.message, "is no stream socket") != NULL);
    CHECK(channel == NULL);
    CHECK_INT(fcntl(fds[0], F_GETFD) >= 0, 1); /* still ours */
    close(fds[0]);
    close(fds[1]);
    mw_loop_free(loop);
}

TEST(a_channel_in_the_background_keeps_nothing_alive)
{
    pair p;
    open_pair(&p, (mw_channel_options){.background = true}, true);
    CHECK_INT(mw_loop_live(p.loop), 0);
    CHECK_INT(mw_loop_run(p.loop, true), 0);
    char bytes[32];
    size_t length = make_frame(bytes, 1, 1, "x", 1);
    CHECK_INT(write(p.raw, bytes, length), (int64_t)length);
    mw_loop_run(p.loop, true); /* it is served all the same */
    CHECK_INT(p.a.frames, 1);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, "y", 1, NULL, 0), MW_OK);
    mw_loop_run(p.loop, true);
    CHECK_INT(read(p.raw, bytes, sizeof bytes), MW_FRAME_HEADER + 1);
    close_pair(&p);
}

TEST(a_loop_may_go_before_its_channel)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, "x", 1, NULL, 0), MW_OK);
    mw_loop_free(p.loop);
    CHECK_INT(p.a.ends, 0);
    CHECK_INT(mw_channel_send(p.a.channel, 1, 1, "x", 1, NULL, 0), MW_CANCELLED);
    mw_channel_free(p.a.channel);
    mw_channel_free(p.b.channel);
}

/* ---- calls that wait ---- */

/* A peer on a thread of its own that reads `wanted` bytes, however slowly, and then writes `answer`. */
typedef struct peer {
    pthread_t thread;
    int fd;
    size_t wanted;
    char answer[256];
    size_t answer_length;
    size_t got;
    pthread_t signalled; /* gets signals meanwhile */
} peer;

static void *run_peer(void *ud)
{
    peer *other = ud;
    char buffer[65536];
    while (other->got < other->wanted) {
        ssize_t n = read(other->fd, buffer, sizeof buffer);
        if (n <= 0)
            break;
        other->got += (size_t)n;
        pthread_kill(other->signalled, SIGUSR2);
    }
    ssize_t written = write(other->fd, other->answer, other->answer_length);
    (void)written;
    return NULL;
}

static void start_peer(peer *other, int fd, size_t wanted)
{
    *other = (peer){.fd = fd, .wanted = wanted, .signalled = pthread_self()};
}

static void on_signal(int number)
{
    (void)number;
}

TEST(a_question_waits_for_its_own_answer)
{
    pair p;
    peer other;
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: calls are interrupted */
    struct sigaction before;
    sigaction(SIGUSR2, &action, &before);
    open_pair(&p, (mw_channel_options){.background = true}, true);
    enum { LARGE = 3 * 1024 * 1024 };
    char *large = calloc(1, LARGE);
    CHECK_INT(mw_channel_send(p.a.channel, 9, 1, large, LARGE, NULL, 0), MW_OK);
    start_peer(&other, p.raw, LARGE + 2 * MW_FRAME_HEADER + 9);
    size_t length = make_frame(other.answer, 4, 1, "other id", 8);
    length += make_frame(other.answer + length, 5, 2, "other type", 10);
    length += make_frame(other.answer + length, 4, 2, "yes", 3);
    length += make_frame(other.answer + length, 4, 2, "again", 5);
    other.answer_length = length;
    pthread_create(&other.thread, NULL, run_peer, &other);
    char *data = NULL;
    size_t size = 0;
    mw_channel_pause(p.a.channel, true);
    CHECK_INT(mw_channel_ask(p.a.channel, 8, 2, &(mw_value){.type = MW_V_INTEGER}, 4, &data, &size),
              MW_OK);
    pthread_join(other.thread, NULL);
    CHECK_STR(data, "yes");
    CHECK_INT(size, 3);
    CHECK(p.a.frames >= 2);
    CHECK_STR(p.a.data[0], "other id");
    CHECK_STR(p.a.data[1], "other type");
    mw_channel_pause(p.a.channel, false);
    turns(&p, 3);
    CHECK_INT(p.a.frames, 3);
    CHECK_STR(p.a.data[2], "again");
    free(data);
    free(large);
    close_pair(&p);
    sigaction(SIGUSR2, &before, NULL);
}

TEST(a_question_ends_with_the_channel)
{
    pair p;
    open_pair(&p, (mw_channel_options){.background = true}, true);
    char *data = NULL;
    size_t size = 0;
    close(p.raw);
    p.raw = -1;
    mw_value nothing = {.type = MW_V_NULL};
    CHECK_INT(mw_channel_ask(p.a.channel, 8, 2, &nothing, 4, &data, &size), MW_CANCELLED);
    CHECK(data == NULL);
    CHECK_INT(p.a.ends, 1);
    CHECK_INT(mw_channel_ask(p.a.channel, 8, 2, &nothing, 4, &data, &size), MW_CANCELLED);
    CHECK_INT(p.a.ends, 1);
    close_pair(&p);
}

TEST(flushing_waits_for_the_peer_and_no_longer_than_it_may)
{
    enum { LARGE = 3 * 1024 * 1024 };
    pair p;
    peer other;
    open_pair(&p, (mw_channel_options){.background = true}, true);
    char *large = calloc(1, LARGE);
    CHECK_INT(mw_channel_flush(p.a.channel, -1), MW_OK);
    CHECK_INT(mw_channel_wait(p.a.channel, 0), MW_TIMEOUT);
    CHECK_INT(mw_channel_send(p.a.channel, 9, 1, large, LARGE, NULL, 0), MW_OK);
    CHECK_INT(mw_channel_flush(p.a.channel, 20), MW_TIMEOUT);
    CHECK(mw_channel_queued(p.a.channel) > 0);
    signal(SIGUSR2, on_signal);
    start_peer(&other, p.raw, LARGE + MW_FRAME_HEADER);
    other.answer_length = make_frame(other.answer, 4, 1, "taken", 5);
    pthread_create(&other.thread, NULL, run_peer, &other);
    CHECK_INT(mw_channel_flush(p.a.channel, -1), MW_OK);
    CHECK_INT(mw_channel_queued(p.a.channel), 0);
    if (p.a.frames == 0)
        CHECK_INT(mw_channel_wait(p.a.channel, -1), MW_OK);
    CHECK_STR(p.a.data[0], "taken");
    pthread_join(other.thread, NULL);
    signal(SIGUSR2, SIG_DFL);
    close(p.raw);
    p.raw = -1;
    CHECK_INT(mw_channel_wait(p.a.channel, -1), MW_CANCELLED);
    CHECK_INT(mw_channel_flush(p.a.channel, -1), MW_CANCELLED);
    CHECK_INT(p.a.ends, 1);
    free(large);
    close_pair(&p);
}

static int waits_within;

static void on_frame_wait(const mw_frame *frame, void *ud)
{
    (void)frame;
    end *e = ud;
    char *data;
    size_t size;
    waits_within += mw_channel_flush(e->channel, -1) == MW_INVALID;
    waits_within += mw_channel_wait(e->channel, -1) == MW_INVALID;
    waits_within += mw_channel_ask(e->channel, 1, 1, &(mw_value){0}, 2, &data, &size) == MW_INVALID;
    e->frames++;
}

TEST(nobody_waits_within_a_callback)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, true);
    mw_channel_free(p.a.channel);
    int fds[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    close(p.raw);
    p.raw = fds[1];
    mw_channel_options options = {.fd = fds[0], .on_frame = on_frame_wait, .ud = &p.a};
    CHECK_INT(mw_channel_new(p.loop, &options, &p.a.channel, NULL), MW_OK);
    char bytes[32];
    size_t length = make_frame(bytes, 1, 1, "x", 1);
    CHECK_INT(write(p.raw, bytes, length), (int64_t)length);
    waits_within = 0;
    run_until(&p, &p.a.frames, 1);
    CHECK_INT(waits_within, 3);
    close_pair(&p);
}

/* ---- failing allocations ---- */

/* Sends and receives with the nth allocation failing; whether one failed. */
static bool try_traffic(unsigned nth)
{
    pair p;
    open_pair(&p, (mw_channel_options){0}, false);
    mw_value text = {.type = MW_V_STRING, .as.string = "abc", .length = 3};
    char *large = calloc(1, 600000);
    fail_allocation(nth);
    int first = mw_channel_send_value(p.a.channel, 1, 1, &text);
    int second = mw_channel_send(p.a.channel, 1, 2, large, 600000, NULL, 0);
    unsigned sent = (first == MW_OK ? 1u : 0u) + (second == MW_OK ? 1u : 0u);
    CHECK(first == MW_OK || first == MW_MEMORY);
    CHECK(second == MW_OK || second == MW_MEMORY);
    for (int i = 0; p.b.frames < sent && p.b.ends == 0 && i < 1000; i++)
        mw_loop_run(p.loop, true);
    bool failed = allocation_failed();
    fail_allocation(0);
    CHECK(p.b.frames == sent || p.b.code == MW_MEMORY);
    CHECK(failed || (sent == 2 && p.b.frames == 2));
    free(large);
    close_pair(&p);
    return failed;
}

TEST(channels_survive_any_failing_allocation)
{
    unsigned nth = 1;
    while (nth < 50 && try_traffic(nth))
        nth++;
    CHECK(nth > 4 && nth < 50);
    mw_loop *loop;
    mw_channel *channel = NULL;
    int fds[2];
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fail_allocation(1);
    CHECK_INT(mw_channel_new(loop, &(mw_channel_options){.fd = fds[0]}, &channel, NULL), MW_MEMORY);
    fail_allocation(0);
    CHECK_INT(close(fds[0]), 0);
    close(fds[1]);
    mw_loop_free(loop);
}
