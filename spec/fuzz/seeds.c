/* seeds.c: owns the sound inputs that fuzzing begins with: a tree, calls, answers, a stream, waits, stats. Pure. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mw/mw.h"
#include "wire_codec.h"

#define S(text)                                                                                    \
    {                                                                                              \
        .type = MW_V_STRING, .as.string = text, .length = sizeof text - 1                          \
    }
#define M(key, ...)                                                                                \
    {                                                                                              \
        .name = key, .name_length = sizeof key - 1, .value = __VA_ARGS__                           \
    }

static size_t put(uint8_t *data, size_t cap, uint8_t kind, const char *bytes, size_t length)
{
    if (!bytes || length + 1 > cap)
        return 0;
    data[0] = kind;
    memcpy(data + 1, bytes, length);
    return length + 1;
}

static const mw_value list[] = {S("billing"), {.type = MW_V_NUMBER, .as.number = 1.5}, S("")};
static const mw_member nested[] = {M("n", {.type = MW_V_BOOLEAN, .as.boolean = true}),
                                   M("e", {.type = MW_V_EMPTY})};
static const mw_member members[] = {
    M("labels", {.type = MW_V_ARRAY, .length = 3, .as.items = list}),
    M("name", S("Ada")),
    M("custom_attributes", {.type = MW_V_OBJECT, .length = 2, .as.members = nested}),
    M("inbox_id", {.type = MW_V_INTEGER, .as.integer = -3}),
    M("avatar_url", {.type = MW_V_NULL}),
};
static const mw_value tree = {.type = MW_V_OBJECT, .length = 5, .as.members = members};

static size_t seed_tree(uint8_t *data, size_t cap)
{
    char *packed = NULL;
    size_t length = 0, capacity = 0;
    size_t size = 0;
    if (mw_value_pack(&tree, &packed, &length, &capacity) == MW_OK)
        size = put(data, cap, FUZZ_TREE, packed, length);
    free(packed);
    return size;
}

static size_t seed_call(uint8_t *data, size_t cap, const mw__wire_call *call, bool framed)
{
    static const char door[MW__WIRE_DOOR] = {0};
    mw__buf call_bytes;
    mw__buf buf;
    size_t size = 0;
    mw__buf_init(&call_bytes, 1 << 16);
    mw__buf_init(&buf, 1 << 16);
    mw__wire_pack_call(call, &call_bytes);
    uint32_t length = (uint32_t)(call_bytes.length + sizeof door);
    for (uint32_t id = 1; id <= (framed ? 2 : 0); id++) {
        char header[MW_FRAME_HEADER] = {0};
        memcpy(header, &length, 4);
        header[4] = MW_FRAME_VERSION;
        header[5] = MW__W_CALL;
        memcpy(header + 8, &id, 4);
        mw__buf_append(&buf, header, sizeof header);
        mw__buf_append(&buf, door, sizeof door);
        mw__buf_append(&buf, call_bytes.data, call_bytes.length);
    }
    if (!framed) {
        mw__buf_append(&buf, door, sizeof door);
        mw__buf_append(&buf, call_bytes.data, call_bytes.length);
    }
    if (buf.status == MW_OK)
        size = put(data, cap, framed ? FUZZ_STREAM : FUZZ_CALL, buf.data, buf.length);
    mw__buf_free(&call_bytes);
    mw__buf_free(&buf);
    return size;
}

static size_t seed_operation(uint8_t *data, size_t cap, const char *module, const char *method,
                             const mw_value *params, bool framed)
{
    mw_value path[] = {{.type = MW_V_INTEGER, .as.integer = 12}};
    mw__wire_call call = {
        .operation = mw_operation_find(MW_OOCTOPUS, module, method),
        .path = path,
        .path_count = 1,
        .params = params,
        .options = {.account = "7", .timeout_ms = 500, .retries = 5, .once = "a key"}};
    return seed_call(data, cap, &call, framed);
}

static size_t seed_raw(uint8_t *data, size_t cap)
{
    static const mw_member query[] = {M("page", {.type = MW_V_INTEGER, .as.integer = 2})};
    static const mw_member both[] = {
        M("query", {.type = MW_V_OBJECT, .length = 1, .as.members = query}),
        M("body", {.type = MW_V_ARRAY, .length = 3, .as.items = list})};
    mw_value params = {.type = MW_V_OBJECT, .length = 2, .as.members = both};
    mw__wire_call call = {.verb = MW_POST, .raw_path = "/api/v1/labels", .params = &params};
    return seed_call(data, cap, &call, false);
}

static size_t seed_answer(uint8_t *data, size_t cap)
{
    static const mw_header headers[] = {{"content-type", "application/json"}, {"x", ""}};
    mw__wire_answer answer = {.answer = {.code = MW_NOT_FOUND,
                                         .status = 404,
                                         .sent = MW_SENT_ANSWERED,
                                         .attempts = 1,
                                         .once = MW_ONCE_FOUND,
                                         .retry_after = -1,
                                         .request_id = "abc-1",
                                         .url = "http://127.0.0.1/x",
                                         .message = "the server answered 404",
                                         .headers = headers,
                                         .header_count = 2,
                                         .body = "{\"error\":\"none\"}",
                                         .body_length = 16},
                              .warning = "careful"};
    char *texts;
    size_t length = mw__wire_answer_size(&answer);
    char *bytes = malloc(length);
    if (!bytes)
        return 0;
    mw__wire_pack_answer(&answer, bytes, &texts);
    size_t size = put(data, cap, FUZZ_ANSWER, bytes, length);
    free(bytes);
    return size;
}

static size_t seed_wait(uint8_t *data, size_t cap)
{
    mw_wait wait = {.lane = MW_LANE_SEARCH, .seconds = 34, .waiting = 12, .allowed = 100};
    char bytes[MW__WIRE_WAIT];
    mw__wire_pack_wait(&wait, bytes);
    return put(data, cap, FUZZ_WAIT, bytes, sizeof bytes);
}

static size_t seed_trouble(uint8_t *data, size_t cap)
{
    mw_wait wait = {.reason = MW_WAIT_UNSHARED, .trouble = "the file is gone"};
    char bytes[MW__WIRE_WAIT + MW_MAX_TROUBLE];
    mw__wire_pack_wait(&wait, bytes);
    return put(data, cap, FUZZ_WAIT, bytes, mw__wire_wait_size(&wait));
}

static size_t seed_stats(uint8_t *data, size_t cap)
{
    mw_lane_stats stats[MW_LANES] = {{.sent = 3, .running = 1, .allowed = 3000}};
    char bytes[MW__WIRE_STATS];
    mw__wire_pack_stats(3, stats, bytes);
    return put(data, cap, FUZZ_STATS, bytes, sizeof bytes);
}

static const char json[] =
    "{\"payload\":[{\"id\":7,\"content\":\"a\\u00e4\\ud83d\\ude00\\n\",\"n\":-1.5e2},"
    "null,true,[],{}]}";

size_t mw_fuzz_seed(unsigned n, uint8_t *data, size_t cap)
{
    switch (n) {
    case 0:
        return seed_tree(data, cap);
    case 1:
        return seed_operation(data, cap, "contacts", "get", NULL, false);
    case 2:
        return seed_operation(data, cap, "contacts", "update", &tree, false);
    case 3:
        return seed_raw(data, cap);
    case 4:
        return seed_answer(data, cap);
    case 5:
        return seed_operation(data, cap, "contacts", "get", NULL, true);
    case 6:
        return seed_wait(data, cap);
    case 7:
        return seed_stats(data, cap);
    case 8:
        return put(data, cap, FUZZ_JSON, json, sizeof json - 1);
    case 9:
        return seed_trouble(data, cap);
    default:
        return 0;
    }
}
