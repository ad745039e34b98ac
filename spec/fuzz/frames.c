/* frames.c: owns the fuzz target: hostile bytes to every decoder of the wire, with a real client behind the broker's
 * end whose server is nowhere, and a real call in flight at the worker's. One thread. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "json_read.h"
#include "mw/mw.h"
#include "mw/wire.h"
#include "wire_codec.h"

enum { ARENA = 1 << 20 };

static volatile size_t sink; /* what was read was really read */

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void read_text(const char *text)
{
    promise(text != NULL);
    sink += strlen(text);
}

/* ---- trees ---- */

static void walk(const mw_value *value)
{
    switch (value->type) {
    case MW_V_STRING:
        promise(value->as.string[value->length] == '\0');
        break;
    case MW_V_ARRAY:
        for (size_t i = 0; i < value->length; i++)
            walk(&value->as.items[i]);
        break;
    case MW_V_OBJECT:
        for (size_t i = 0; i < value->length; i++) {
            const mw_member *member = &value->as.members[i];
            promise(member->name[member->name_length] == '\0');
            walk(&member->value);
        }
        break;
    default:
        promise(value->type <= MW_V_EMPTY);
    }
}

/* What can be read is packed to the same bytes again. */
static void try_tree(const char *data, size_t size)
{
    mw_arena *arena = mw_arena_new(ARENA);
    const char *problem = NULL;
    char *packed = NULL;
    size_t at = 0, length = 0, capacity = 0;
    mw_value value;
    promise(arena != NULL);
    int rc = mw_value_unpack(data, size, &at, arena, &value, &problem);
    promise(at <= size);
    if (rc == MW_OK) {
        walk(&value);
        promise(mw_value_pack(&value, &packed, &length, &capacity) == MW_OK);
        promise(length == at && memcmp(packed, data, at) == 0);
    } else {
        promise(rc == MW_MEMORY || (rc == MW_DECODE && problem));
    }
    free(packed);
    mw_arena_free(arena);
}

/* What can be read is written to a text that reads the same. */
static void try_json(const char *data, size_t size)
{
    mw_arena *arena = mw_arena_new(ARENA);
    mw_value value;
    char *texts[2] = {NULL, NULL};
    size_t lengths[2];
    promise(arena != NULL);
    int rc = mw__json_read(data, size, arena, &value, NULL);
    promise(rc == MW_OK || rc == MW_MEMORY || rc == MW_DECODE);
    if (rc == MW_OK) {
        walk(&value);
        promise(mw_json_write(&value, ARENA, &texts[0], &lengths[0], NULL) == MW_OK);
        mw_arena_reset(arena);
        promise(mw__json_read(texts[0], lengths[0], arena, &value, NULL) == MW_OK);
        promise(mw_json_write(&value, ARENA, &texts[1], &lengths[1], NULL) == MW_OK);
        promise(lengths[0] == lengths[1] && memcmp(texts[0], texts[1], lengths[0]) == 0);
    }
    free(texts[0]);
    free(texts[1]);
    mw_arena_free(arena);
}

/* ---- both ends ---- */

typedef struct stage {
    mw_loop *loop;
    mw_channel *channel;
    mw_client *client;
    mw_wire_server *serving;
    mw_wire *wire;
    int raw;
    int ends;
    int answers;
} stage;

static void on_frame(const mw_frame *frame, void *ud)
{
    stage *s = ud;
    if (s->serving && frame->type <= MW_WIRE_TYPES)
        mw_wire_server_frame(s->serving, frame);
}

static void on_end(int code, const char *message, void *ud)
{
    stage *s = ud;
    s->ends++;
    promise(code <= 0);
    read_text(message);
    if (s->wire)
        mw_wire_close(s->wire);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    ((stage *)ud)->answers++;
    promise(answer->code <= MW_OK && answer->code >= MW_MEMORY);
    promise(answer->elapsed_us >= 0 && answer->attempts + 1 > 0);
    read_text(answer->request_id);
    read_text(answer->url);
    read_text(answer->message);
    read_text(answer->field);
    for (size_t i = 0; i < answer->header_count; i++) {
        read_text(answer->headers[i].name);
        read_text(answer->headers[i].value);
    }
    promise(answer->body[answer->body_length] == '\0');
}

static void open_channel(stage *s)
{
    int fds[2];
    promise(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    mw_channel_options options = {
        .fd = fds[0], .max_frame = 1 << 20, .on_frame = on_frame, .on_end = on_end, .ud = s};
    promise(mw_channel_new(s->loop, &options, &s->channel, NULL) == MW_OK);
    s->raw = fds[1];
}

static void close_stage(stage *s)
{
    mw_wire_free(s->wire);
    mw_wire_server_free(s->serving);
    mw_channel_free(s->channel);
    close(s->raw);
    for (int i = 0; i < 4; i++)
        mw_loop_run(s->loop, false);
    promise(s->ends <= 1);
}

static void turns(stage *s, int count)
{
    for (int i = 0; i < count; i++)
        mw_loop_run(s->loop, false);
}

/* Loop and client serve all inputs of one process; what was sent to them must leave nothing behind. */
static void open_broker(stage *s)
{
    static mw_loop *loop;
    static mw_client *client;
    uint32_t door;
    if (!loop) {
        mw_client_options options = {.url = "http://127.0.0.1:9",
                                     .account = "1",
                                     .user_token = "t0ken",
                                     .proxy = "",
                                     .concurrency = 1};
        promise(mw_loop_new(&loop) == MW_OK);
        promise(mw_client_new(loop, &options, &client, NULL) == MW_OK);
    }
    *s = (stage){.loop = loop, .client = client};
    open_channel(s);
    mw_wire_server_options serving = {.loop = loop, .channel = s->channel};
    promise(mw_wire_server_new(&serving, &s->serving) == MW_OK);
    promise(mw_wire_server_offer(s->serving, mw_client_gate(client), &door) == MW_OK);
}

static void try_call(const char *data, size_t size)
{
    stage s;
    open_broker(&s);
    mw_frame frame = {.type = (uint8_t)(size % 5 == 0 ? 2 : 1),
                      .id = 1,
                      .data = data,
                      .length = size,
                      .offset = MW_FRAME_HEADER};
    mw_wire_server_frame(s.serving, &frame);
    promise(mw_wire_server_live(s.serving) <= 1);
    read_text(mw_wire_server_last(s.serving));
    turns(&s, 2);
    close_stage(&s);
}

static void try_stream(const char *data, size_t size)
{
    stage s;
    open_broker(&s);
    ssize_t written = send(s.raw, data, size, MSG_NOSIGNAL);
    (void)written;
    turns(&s, 3);
    close_stage(&s);
}

/* The id of the call that has just been sent. */
static uint32_t sent_id(const stage *s)
{
    char frame[512];
    uint32_t id;
    promise(recv(s->raw, frame, sizeof frame, 0) > MW_FRAME_HEADER);
    memcpy(&id, frame + 8, sizeof id);
    return id;
}

static void try_answer(const char *data, size_t size)
{
    static mw_loop *loop;
    if (!loop)
        promise(mw_loop_new(&loop) == MW_OK);
    stage s = {.loop = loop};
    mw_gate *gate;
    mw_request *request = NULL;
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    open_channel(&s);
    promise(mw_wire_new(loop, s.channel, NULL, NULL, &s.wire) == MW_OK);
    promise(mw_wire_gate(s.wire, 0, MW_OOCTOPUS, &gate) == MW_OK);
    promise(mw_gate_request(gate, mw_operation_find(MW_OOCTOPUS, "contacts", "get"), &id, 1, NULL,
                            NULL, &request, NULL) == MW_OK);
    promise(mw_gate_submit(gate, request, on_answer, &s, NULL, NULL) == MW_OK);
    turns(&s, 1);
    mw_frame frame = {.type = 3, .data = data, .length = size, .offset = MW_FRAME_HEADER};
    frame.id = sent_id(&s);
    mw_wire_frame(s.wire, &frame);
    turns(&s, 3);
    promise(s.answers == 1);
    close_stage(&s);
}

static void on_wait(const mw_wait *wait, void *ud)
{
    ((stage *)ud)->answers++;
    promise(wait->service == MW_OOCTOPUS && (unsigned)wait->lane < MW_LANES);
    promise(wait->seconds >= 0 && (unsigned)wait->reason <= MW_WAIT_UNSHARED);
    promise((wait->reason == MW_WAIT_UNSHARED) ==
            (wait->trouble && strlen(wait->trouble) < MW_MAX_TROUBLE));
}

static void try_wait(const char *data, size_t size)
{
    static mw_loop *loop;
    if (!loop)
        promise(mw_loop_new(&loop) == MW_OK);
    stage s = {.loop = loop};
    mw_gate *gate;
    mw_gate_watch watch = {.fn = on_wait, .ud = &s};
    open_channel(&s);
    promise(mw_wire_new(loop, s.channel, NULL, NULL, &s.wire) == MW_OK);
    promise(mw_wire_gate(s.wire, 0, MW_OOCTOPUS, &gate) == MW_OK);
    mw_gate_watch_waits(gate, &watch);
    mw_frame frame = {.type = MW__W_WAIT, .data = data, .length = size, .offset = MW_FRAME_HEADER};
    mw_wire_frame(s.wire, &frame);
    turns(&s, 2);
    promise(s.answers + s.ends == 1);
    close_stage(&s);
}

static void try_stats(const char *data, size_t size)
{
    uint64_t sent;
    mw_lane_stats stats[MW_LANES];
    size_t at = 0;
    const char *problem = NULL;
    int rc = mw__wire_unpack_stats(data, size, &sent, stats, &at, &problem);
    promise(at <= size);
    promise(rc == MW_OK ? size == MW__WIRE_STATS : rc == MW_DECODE && problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy =
        malloc(size > 1 ? size - 1 : 1); /* no larger, so that reading beyond it is noticed */
    promise(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    switch (data[0] % FUZZ_KINDS) {
    case FUZZ_TREE:
        try_tree(copy, size - 1);
        break;
    case FUZZ_CALL:
        try_call(copy, size - 1);
        break;
    case FUZZ_ANSWER:
        try_answer(copy, size - 1);
        break;
    case FUZZ_JSON:
        try_json(copy, size - 1);
        break;
    case FUZZ_WAIT:
        try_wait(copy, size - 1);
        break;
    case FUZZ_STATS:
        try_stats(copy, size - 1);
        break;
    default:
        try_stream(copy, size - 1);
    }
    free(copy);
    return 0;
}
