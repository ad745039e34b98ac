/* wire_hostile_test.c: one end of a wire is real, the other a bare socket that says what it likes: the channel ends at
 * the byte at fault, and nothing else happens. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mw/mw.h"
#include "mw/wire.h"
#include "test.h"
#include "wire_codec.h"

typedef struct stage {
    mw_loop *loop;
    mw_client *client;
    mw_channel *channel;
    mw_wire_server *serving; /* the broker's end is real, or */
    mw_wire *wire;           /* the worker's */
    mw_gate *gate;
    int raw;
    uint64_t sent; /* bytes to the real end */
    int ends;
    int code;
    char message[200];
    int answers;
    int answer_code;
} stage;

static void on_frame(const mw_frame *frame, void *ud)
{
    stage *s = ud;
    if (s->serving)
        mw_wire_server_frame(s->serving, frame);
    else
        mw_wire_frame(s->wire, frame);
}

static void on_end(int code, const char *message, void *ud)
{
    stage *s = ud;
    s->ends++;
    s->code = code;
    snprintf(s->message, sizeof s->message, "%s", message);
    if (s->wire)
        mw_wire_close(s->wire);
}

static void open_stage(stage *s, bool broker)
{
    int fds[2];
    uint32_t door;
    *s = (stage){0};
    CHECK_INT(mw_loop_new(&s->loop), MW_OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    s->raw = fds[1];
    mw_channel_options options = {
        .fd = fds[0], .max_frame = 8 << 20, .on_frame = on_frame, .on_end = on_end, .ud = s};
    CHECK_INT(mw_channel_new(s->loop, &options, &s->channel, NULL), MW_OK);
    if (!broker) {
        CHECK_INT(mw_wire_new(s->loop, s->channel, NULL, NULL, &s->wire), MW_OK);
        CHECK_INT(mw_wire_gate(s->wire, 0, MW_OOCTOPUS, &s->gate), MW_OK);
        return;
    }
    /* Nothing listens at port 9; what gets as far as being sent fails there, or waits in the queue. */
    mw_client_options client = {
        .url = "http://127.0.0.1:9", .account = "1", .user_token = "t0ken", .concurrency = 1};
    CHECK_INT(mw_client_new(s->loop, &client, &s->client, NULL), MW_OK);
    mw_wire_server_options serving = {.loop = s->loop, .channel = s->channel};
    CHECK_INT(mw_wire_server_new(&serving, &s->serving), MW_OK);
    CHECK_INT(mw_wire_server_offer(s->serving, mw_client_gate(s->client), &door), MW_OK);
    CHECK_INT(door, 0);
}

static void close_stage(stage *s)
{
    mw_wire_free(s->wire);
    mw_wire_server_free(s->serving);
    mw_channel_free(s->channel);
    mw_client_free(s->client);
    close(s->raw);
    for (int i = 0; mw_loop_live(s->loop) > 0 && i < 1000; i++)
        mw_loop_run(s->loop, true);
    CHECK_INT(mw_loop_live(s->loop), 0);
    mw_loop_free(s->loop);
}

static void turns(stage *s, int count)
{
    for (int i = 0; i < count; i++)
        mw_loop_run(s->loop, false);
}

/* Writes all, with turns of the loop in between where the socket is full. */
static void say(stage *s, uint8_t type, uint32_t id, const void *payload, size_t length)
{
    char *frame = malloc(MW_FRAME_HEADER + length);
    uint32_t length32 = (uint32_t)length;
    memset(frame, 0, MW_FRAME_HEADER);
    memcpy(frame, &length32, 4);
    frame[4] = MW_FRAME_VERSION;
    frame[5] = (char)type;
    memcpy(frame + 8, &id, 4);
    if (length > 0)
        memcpy(frame + MW_FRAME_HEADER, payload, length);
    size_t at = 0;
    for (int i = 0; at < MW_FRAME_HEADER + length && i < 100000; i++) {
        ssize_t n =
            send(s->raw, frame + at, MW_FRAME_HEADER + length - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        turns(s, n > 0 ? 0 : 1);
    }
    CHECK_INT(at, MW_FRAME_HEADER + length);
    s->sent += at;
    free(frame);
}

static void check_ended(stage *s, uint64_t offset, const char *problem)
{
    char message[200];
    snprintf(message, sizeof message, "protocol: byte %llu: %s", (unsigned long long)offset,
             problem);
    turns(s, 10);
    CHECK_INT(s->ends, 1);
    CHECK_INT(s->code, MW_DECODE);
    CHECK_STR(s->message, message);
}

/* A sound call: contacts:get(12), the door first. */
static void pack_call(mw__buf *buf)
{
    uint32_t door = 0;
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw__wire_call call = {.operation = mw_operation_find(MW_OOCTOPUS, "contacts", "get"),
                          .path = &id,
                          .path_count = 1,
                          .options = {.account = "7"}};
    mw__buf_init(buf, 1 << 20);
    mw__buf_append(buf, (const char *)&door, sizeof door);
    CHECK_INT(mw__wire_pack_call(&call, buf), MW_OK);
}

enum {
    DOOR = 0,
    KIND = 4,
    SERVICE = 5,
    ROW = 6,
    RETRIES = 20,
    FLAGS = 32,
    ACCOUNT = 33,
    ONCE = 39,
    COUNT = 43,
    VALUE = 44
};

static void check_call(size_t at, unsigned char value, size_t wrong, const char *problem)
{
    stage s;
    mw__buf buf;
    open_stage(&s, true);
    pack_call(&buf);
    buf.data[at] = (char)value;
    say(&s, MW__W_CALL, 1, buf.data, buf.length);
    check_ended(&s, MW_FRAME_HEADER + wrong, problem);
    CHECK_INT(mw_wire_server_live(s.serving), 0);
    mw__buf_free(&buf);
    close_stage(&s);
}

TEST(a_malformed_call_ends_the_channel_at_its_byte)
{
    check_call(DOOR, 1, DOOR, "no such door");
    check_call(DOOR + 3, 0xff, DOOR, "no such door");
    check_call(KIND, 2, KIND, "no such kind of call");
    check_call(SERVICE, 2, SERVICE, "no such service");
    check_call(ROW + 1, 1, ROW, "no such operation");
    check_call(FLAGS, 4, FLAGS, "unknown flags");
    check_call(ACCOUNT + 3, 0x10, ACCOUNT, "a text beyond the end");
    check_call(ACCOUNT, 0, ACCOUNT + 4, "a text that does not end where it says");
    check_call(ONCE - 2, 0, ACCOUNT + 4, "a text that does not end where it says");
    check_call(ONCE, 0, ONCE, "a text beyond the end");
    check_call(COUNT, 17, COUNT, "too many path parameters");
    check_call(VALUE, 9, VALUE, "a value of unknown type");
}

TEST(a_call_that_is_cut_or_too_long_ends_the_channel)
{
    mw__buf buf;
    pack_call(&buf);
    for (size_t cut = 0; cut < buf.length; cut++) {
        stage s;
        open_stage(&s, true);
        say(&s, MW__W_CALL, 1, buf.data, cut);
        turns(&s, 10);
        CHECK_INT(s.ends, 1);
        CHECK_INT(s.code, MW_DECODE);
        close_stage(&s);
    }
    stage s;
    open_stage(&s, true);
    mw__buf_putc(&buf, 'x');
    say(&s, MW__W_CALL, 1, buf.data, buf.length);
    check_ended(&s, MW_FRAME_HEADER + buf.length - 1, "bytes behind the end of a call");
    close_stage(&s);
    mw__buf_free(&buf);
}

TEST(every_byte_of_a_call_may_be_anything)
{
    mw__buf buf;
    pack_call(&buf);
    for (size_t at = 0; at < buf.length; at++) {
        stage s;
        open_stage(&s, true);
        for (unsigned value = 0; value < 256; value += 5) {
            char kept = buf.data[at];
            buf.data[at] = (char)value;
            if (s.ends == 0 && mw_wire_server_live(s.serving) < 100)
                say(&s, MW__W_CALL, value, buf.data, buf.length);
            turns(&s, 3);
            buf.data[at] = kept;
        }
        CHECK(s.ends == 0 || s.code == MW_DECODE);
        close_stage(&s);
    }
    mw__buf_free(&buf);
}

TEST(the_window_is_the_workers_to_keep)
{
    stage s;
    mw__buf buf;
    open_stage(&s, true);
    pack_call(&buf);
    /* All in one read, so that none has had its answer. */
    size_t size = MW_FRAME_HEADER + buf.length;
    char *frames = calloc(MW_WIRE_CALLS + 1, size);
    for (uint32_t id = 0; id <= MW_WIRE_CALLS; id++) {
        uint32_t length = (uint32_t)buf.length;
        char *at = frames + id * size;
        memcpy(at, &length, 4);
        at[4] = MW_FRAME_VERSION;
        at[5] = MW__W_CALL;
        uint32_t far_apart = id * MW_WIRE_CALLS; /* all in one chain of the table */
        memcpy(at + 8, &far_apart, 4);
        memcpy(at + MW_FRAME_HEADER, buf.data, buf.length);
    }
    CHECK_INT(write(s.raw, frames, (MW_WIRE_CALLS + 1) * size),
              (int64_t)((MW_WIRE_CALLS + 1) * size));
    check_ended(&s, (uint64_t)MW_WIRE_CALLS * size, "more calls than the window holds");
    free(frames);
    mw__buf_free(&buf);
    close_stage(&s);
}

TEST(the_id_of_a_live_call_is_not_taken_twice)
{
    stage s;
    mw__buf buf;
    char both[512];
    open_stage(&s, true);
    pack_call(&buf);
    uint32_t length = (uint32_t)buf.length;
    size_t size = MW_FRAME_HEADER + buf.length;
    memset(both, 0, sizeof both);
    for (size_t i = 0; i < 2; i++) {
        memcpy(both + i * size, &length, 4);
        both[i * size + 4] = MW_FRAME_VERSION;
        both[i * size + 5] = MW__W_CALL;
        memcpy(both + i * size + MW_FRAME_HEADER, buf.data, buf.length);
    }
    CHECK_INT(write(s.raw, both, 2 * size), (int64_t)(2 * size));
    check_ended(&s, size + 8, "the id of a call that is unanswered");
    mw__buf_free(&buf);
    close_stage(&s);
}

TEST(a_worker_says_nothing_but_calls_cancels_and_questions)
{
    stage s;
    open_stage(&s, true);
    say(&s, MW__W_CANCEL, 77, NULL, 0); /* its answer may have crossed it */
    turns(&s, 5);
    CHECK_INT(s.ends, 0);
    say(&s, MW__W_ANSWER, 1, NULL, 0);
    check_ended(&s, MW_FRAME_HEADER + 5, "neither a call nor a cancel nor a question");
    close_stage(&s);
    open_stage(&s, true);
    say(&s, MW__W_CANCEL, 1, "x", 1);
    check_ended(&s, MW_FRAME_HEADER, "bytes behind the end of a cancel");
    close_stage(&s);
    open_stage(&s, true);
    say(&s, MW__W_STATS, 0, "x", 1);
    check_ended(&s, MW_FRAME_HEADER, "bytes behind the end of a question");
    close_stage(&s);
    open_stage(&s, true);
    say(&s, MW__W_STATS, 1, NULL, 0);
    check_ended(&s, 8, "no such door");
    close_stage(&s);
    static const unsigned char broker_says[] = {MW__W_LANES, MW__W_WAIT, MW__W_WAIT + 1};
    for (size_t i = 0; i < sizeof broker_says; i++) {
        char payload[MW__WIRE_STATS] = {0};
        open_stage(&s, true);
        say(&s, broker_says[i], 0, payload, MW__WIRE_WAIT);
        check_ended(&s, 5, "neither a call nor a cancel nor a question");
        close_stage(&s);
    }
    open_stage(&s, true);
    char *large = calloc(1, MW_WIRE_MAX_CALL + 1);
    say(&s, MW__W_CALL, 1, large, MW_WIRE_MAX_CALL + 1);
    check_ended(&s, 0, "a call that is too large");
    free(large);
    close_stage(&s);
}

static void check_refusal(size_t place, char value, const char *message, const char *field)
{
    stage s;
    mw__buf buf;
    char answer[4096];
    open_stage(&s, true);
    pack_call(&buf);
    buf.data[place] = value;
    say(&s, MW__W_CALL, 5, buf.data, buf.length);
    turns(&s, 5);
    ssize_t got = recv(s.raw, answer, sizeof answer, MSG_DONTWAIT);
    CHECK(got > MW_FRAME_HEADER);
    mw_header *headers = NULL;
    size_t room = 0, at;
    const char *problem;
    mw__wire_answer out;
    CHECK_INT(mw__wire_unpack_answer(answer + MW_FRAME_HEADER, (size_t)got - MW_FRAME_HEADER,
                                     &headers, &room, &out, &at, &problem),
              MW_OK);
    CHECK_INT(out.answer.code, MW_INVALID);
    CHECK_STR(out.answer.message, message);
    CHECK_STR(out.answer.field, field);
    CHECK_INT(answer[8], 5);
    CHECK_INT(s.ends, 0);
    free(headers);
    mw__buf_free(&buf);
    close_stage(&s);
}

TEST(a_call_gets_the_checks_of_everybody)
{
    check_refusal(ACCOUNT + 4, 'x', "contacts:get: account_id must be an integer", "account_id");
    check_refusal(RETRIES + 3, 1, "contacts:get: retries must be at most 1000", "retries");
}

TEST(the_name_of_the_last_call_can_be_shown)
{
    stage s;
    mw__buf buf;
    uint32_t door = 0;
    open_stage(&s, true);
    mw__wire_call call = {.verb = MW_GET, .raw_path = "/a\x1b]0;b\n\x7f\xc2\x9b"};
    mw__buf_init(&buf, 1 << 20);
    mw__buf_append(&buf, (const char *)&door, sizeof door);
    CHECK_INT(mw__wire_pack_call(&call, &buf), MW_OK);
    say(&s, MW__W_CALL, 1, buf.data, buf.length);
    turns(&s, 5);
    CHECK_STR(mw_wire_server_last(s.serving), "GET /a?]0;b????");
    CHECK_INT(s.ends, 0);
    mw__buf_free(&buf);
    close_stage(&s);
}

/* One frame may hold a name so often that looking at each with each takes minutes. */
TEST(a_name_that_is_there_many_times_takes_no_time)
{
    enum { MANY = 50000 };
    stage s;
    mw__buf buf;
    uint32_t door = 0;
    open_stage(&s, true);
    mw_member *members = calloc(MANY, sizeof *members);
    for (size_t i = 0; i < MANY; i++) {
        mw_member id = {"id", 2, {.type = MW_V_STRING, .length = 1, .as.string = "1"}};
        mw_member type = {"type", 4, {.type = MW_V_STRING, .length = 5, .as.string = "inbox"}};
        members[i] = i % 2 ? id : type;
    }
    mw_value params = {.type = MW_V_OBJECT, .length = MANY, .as.members = members};
    mw__wire_call call = {.operation = mw_operation_find(MW_OOCTOPUS, "reports", "summary"),
                          .params = &params};
    mw__buf_init(&buf, MW_WIRE_MAX_CALL);
    mw__buf_append(&buf, (const char *)&door, sizeof door);
    CHECK_INT(mw__wire_pack_call(&call, &buf), MW_OK);
    clock_t began = clock();
    say(&s, MW__W_CALL, 1, buf.data, buf.length);
    turns(&s, 50);
    CHECK((clock() - began) / CLOCKS_PER_SEC < 10);
    CHECK_STR(mw_wire_server_last(s.serving), "reports:summary");
    CHECK_INT(mw_wire_server_live(s.serving), 0);
    CHECK_INT(s.ends, 0);
    free(members);
    mw__buf_free(&buf);
    close_stage(&s);
}

static int open_itself(const char *path, int *fd, mw_error *error, void *ud)
{
    (void)path;
    (void)error;
    (void)ud;
    *fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return MW_OK;
}

/* messages:create(12, { content = "x", attachments = {...} }) with that many files. */
static void pack_files(mw__buf *buf, size_t count)
{
    uint32_t door = 0;
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_value *files = calloc(count, sizeof *files);
    for (size_t i = 0; i < count; i++)
        files[i] = (mw_value){.type = MW_V_STRING, .length = 1, .as.string = "f"};
    mw_member members[] = {
        {"content", 7, {.type = MW_V_STRING, .length = 1, .as.string = "x"}},
        {"attachments", 11, {.type = MW_V_ARRAY, .length = count, .as.items = files}}};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    mw__wire_call call = {.operation = mw_operation_find(MW_OOCTOPUS, "messages", "create"),
                          .path = &id,
                          .path_count = 1,
                          .params = &params};
    mw__buf_init(buf, 1 << 20);
    mw__buf_append(buf, (const char *)&door, sizeof door);
    CHECK_INT(mw__wire_pack_call(&call, buf), MW_OK);
    free(files);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

TEST(calls_under_way_hold_a_bounded_number_of_files)
{
    stage s;
    mw__buf buf;
    open_stage(&s, true);
    mw_wire_server_free(s.serving);
    mw_wire_server_options serving = {
        .loop = s.loop, .channel = s.channel, .open_file = open_itself};
    uint32_t door;
    CHECK_INT(mw_wire_server_new(&serving, &s.serving), MW_OK);
    CHECK_INT(mw_wire_server_offer(s.serving, mw_client_gate(s.client), &door), MW_OK);
    pack_files(&buf, 200);
    int before = open_descriptors();
    char frame[MW_FRAME_HEADER * 2] = {0};
    size_t size = MW_FRAME_HEADER + buf.length;
    char *both = calloc(2, size);
    for (uint32_t id = 0; id < 2; id++) { /* in one read, so that the first is under way */
        uint32_t length = (uint32_t)buf.length;
        memcpy(both + id * size, &length, 4);
        both[id * size + 4] = MW_FRAME_VERSION;
        both[id * size + 5] = MW__W_CALL;
        both[id * size + 8] = (char)(id + 1);
        memcpy(both + id * size + MW_FRAME_HEADER, buf.data, buf.length);
    }
    CHECK_INT(write(s.raw, both, 2 * size), (int64_t)(2 * size));
    turns(&s, 1);
    CHECK_INT(mw_wire_server_live(s.serving), 1);
    CHECK(open_descriptors() - before < 300);
    for (int i = 0; mw_wire_server_live(s.serving) > 0 && i < 1000; i++)
        mw_loop_run(s.loop, true);
    CHECK(open_descriptors() - before < 20);
    CHECK(recv(s.raw, frame, sizeof frame, MSG_DONTWAIT) > MW_FRAME_HEADER);
    CHECK_INT(frame[8], 2); /* refused at once */
    free(both);
    mw__buf_free(&buf);
    close_stage(&s);
}

/* ---- a hostile broker ---- */

static void on_answer(const mw_answer *answer, void *ud)
{
    stage *s = ud;
    s->answers++;
    s->answer_code = answer->code;
    size_t bytes = strlen(answer->url) + strlen(answer->message) + strlen(answer->field);
    for (size_t i = 0; i < answer->header_count; i++)
        bytes += strlen(answer->headers[i].name) + strlen(answer->headers[i].value);
    CHECK(bytes < 100000);
    CHECK_INT(answer->body[answer->body_length], 0);
}

/* Submits a call and returns the id of its frame. */
static uint32_t await_call(stage *s)
{
    mw_value contact = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_request *request = NULL;
    char frame[1024] = "";
    uint32_t id = 0;
    CHECK_INT(mw_gate_request(s->gate, mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &contact,
                              1, NULL, NULL, &request, NULL),
              MW_OK);
    CHECK_INT(mw_gate_submit(s->gate, request, on_answer, s, NULL, NULL), MW_OK);
    turns(s, 2);
    CHECK(recv(s->raw, frame, sizeof frame, MSG_DONTWAIT) > MW_FRAME_HEADER);
    memcpy(&id, frame + 8, sizeof id);
    return id;
}

static char *pack_answer(size_t *length)
{
    static const mw_header headers[] = {{"content-type", "application/json"}, {"x", ""}};
    mw__wire_answer answer = {.answer = {.code = MW_NOT_FOUND,
                                         .status = 404,
                                         .sent = MW_SENT_ANSWERED,
                                         .retry_after = 1.5,
                                         .message = "the server answered 404",
                                         .headers = headers,
                                         .header_count = 2,
                                         .body = "{}",
                                         .body_length = 2},
                              .warning = "careful",
                              .sent = 3};
    char *texts;
    *length = mw__wire_answer_size(&answer);
    char *data = malloc(*length);
    mw__wire_pack_answer(&answer, data, &texts);
    return data;
}

TEST(an_answer_is_read_as_carefully)
{
    size_t length;
    char *data = pack_answer(&length);
    for (size_t at = 0; at <= length; at++) { /* a byte changed, then the rest cut */
        for (int what = 0; what < 4; what++) {
            stage s;
            open_stage(&s, false);
            uint32_t id = await_call(&s);
            char *copy = malloc(length);
            memcpy(copy, data, length);
            if (what < 3 && at < length)
                copy[at] = (char)(what == 0 ? 0xff : what == 1 ? copy[at] + 1 : 0);
            say(&s, MW__W_ANSWER, id, copy, what < 3 ? length : at);
            turns(&s, 10);
            CHECK_INT(s.answers, 1); /* whatever it says: one answer */
            CHECK(s.ends == 0 || (s.code == MW_DECODE && s.answer_code == MW_CANCELLED));
            if (what == 3)
                CHECK_INT(s.ends, at < length ? 1 : 0);
            free(copy);
            close_stage(&s);
        }
    }
    free(data);
}

TEST(a_broker_answers_only_what_was_asked)
{
    size_t length;
    char *data = pack_answer(&length);
    stage s;
    open_stage(&s, false);
    uint32_t id = await_call(&s);
    say(&s, MW__W_ANSWER, id + MW_WIRE_CALLS, data, length); /* the same slot, another call */
    check_ended(&s, 8, "an answer that nobody waits for");
    CHECK_INT(s.answer_code, MW_CANCELLED);
    close_stage(&s);
    open_stage(&s, false);
    id = await_call(&s);
    say(&s, MW__W_ANSWER, id, data, length);
    turns(&s, 5);
    CHECK_INT(s.answer_code, MW_NOT_FOUND);
    CHECK_INT(mw_gate_sent(s.gate), 3);
    say(&s, MW__W_ANSWER, id, data, length); /* twice */
    check_ended(&s, MW_FRAME_HEADER + length + 8, "an answer that nobody waits for");
    CHECK_INT(s.answers, 1);
    close_stage(&s);
    open_stage(&s, false);
    say(&s, MW__W_CALL, 1, data, length);
    check_ended(&s, 5, "no answer to a call");
    close_stage(&s);
    free(data);
}
