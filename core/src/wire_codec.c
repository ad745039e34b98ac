/* wire_codec.c: owns the bytes of calls.
 *
 *     door      u32
 *     kind      u8: 0 operation, 1 raw; then service u8 and row u16, or verb u8
 *     options   timeout, connect timeout, stall timeout, retries u32; max_body u64; flags u8; account
 *              and once text
 *     path      of an operation: count u8 and that many values; of a raw request: text
 *     params    value
 *
 * A text is its length as u32, the bytes without NUL, and a NUL; the length NO_TEXT alone: none. A value is what
 * mw_value_pack makes of it. Must not know channels. One thread at a time. */
#include "wire_codec.h"

#include <string.h>

enum { KIND_OPERATION, KIND_RAW };
enum { FLAG_UNCHECKED = 1, FLAGS = 1 };
enum { MOST_PATH = 16 };
#define NO_TEXT UINT32_MAX

/* ---- writing a call ---- */

static void put(mw__buf *buf, const void *data, size_t length)
{
    mw__buf_append(buf, data, length);
}

static void put_u8(mw__buf *buf, unsigned value)
{
    mw__buf_putc(buf, (char)value);
}

static void put_text(mw__buf *buf, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length >= NO_TEXT) {
        buf->status = MW_TOO_LARGE;
        return;
    }
    uint32_t length32 = text ? (uint32_t)length : NO_TEXT;
    put(buf, &length32, sizeof length32);
    if (text)
        put(buf, text, length + 1);
}

static void put_value(mw__buf *buf, const mw_value *value)
{
    static const mw_value none = {.type = MW_V_NONE};
    if (buf->status != MW_OK)
        return;
    int rc = mw_value_pack(value ? value : &none, &buf->data, &buf->length, &buf->capacity);
    buf->status = rc == MW_OK && buf->length > buf->cap ? MW_TOO_LARGE : rc;
}

/* The place of a row among those of its service, or their number. */
static unsigned row_of(const mw_operation *operation)
{
    size_t count;
    const mw_operation *const *rows = mw_operations(operation->service, &count);
    unsigned row = 0;
    while (row < count && rows[row] != operation)
        row++;
    return row;
}

int mw__wire_pack_call(const mw__wire_call *call, mw__buf *buf)
{
    const mw_call_options *options = &call->options;
    put_u8(buf, call->operation ? KIND_OPERATION : KIND_RAW);
    if (call->operation) {
        uint16_t row = (uint16_t)row_of(call->operation);
        put_u8(buf, (unsigned)call->operation->service);
        put(buf, &row, sizeof row);
    } else {
        put_u8(buf, (unsigned)call->verb);
    }
    put(buf, &options->timeout_ms, 4);
    put(buf, &options->connect_timeout_ms, 4);
    put(buf, &options->stall_timeout_ms, 4);
    put(buf, &options->retries, 4);
    put(buf, &options->max_body, 8);
    put_u8(buf, options->unchecked ? FLAG_UNCHECKED : 0u);
    put_text(buf, options->account);
    put_text(buf, options->once);
    if (call->operation) {
        if (call->path_count > MOST_PATH) {
            buf->status = MW_INVALID;
            return buf->status;
        }
        put_u8(buf, (unsigned)call->path_count);
        for (size_t i = 0; i < call->path_count; i++)
            put_value(buf, &call->path[i]);
    } else {
        put_text(buf, call->raw_path);
    }
    put_value(buf, call->params);
    return buf->status;
}

/* ---- reading ---- */

void mw__reader_bad(mw__reader *r, size_t at, const char *problem)
{
    if (r->status != MW_OK)
        return;
    r->status = MW_DECODE;
    r->at = at;
    r->problem = problem;
}

void mw__reader_get(mw__reader *r, void *to, size_t length)
{
    memset(to, 0, length);
    if (r->status == MW_OK && length > r->length - r->at)
        mw__reader_bad(r, r->at, "the frame ends too early");
    if (r->status != MW_OK)
        return;
    memcpy(to, r->data + r->at, length);
    r->at += length;
}

static unsigned get_u8(mw__reader *r, unsigned most, const char *problem)
{
    unsigned char value;
    mw__reader_get(r, &value, 1);
    if (r->status == MW_OK && value > most)
        mw__reader_bad(r, r->at - 1, problem);
    return r->status == MW_OK ? value : 0;
}

static const char *get_text(mw__reader *r)
{
    uint32_t length;
    size_t begin = r->at;
    mw__reader_get(r, &length, sizeof length);
    if (r->status != MW_OK || length == NO_TEXT)
        return NULL;
    if (length >= r->length - r->at)
        mw__reader_bad(r, begin, "a text beyond the end");
    else if (memchr(r->data + r->at, '\0', (size_t)length + 1) != r->data + r->at + length)
        mw__reader_bad(r, r->at, "a text that does not end where it says");
    if (r->status != MW_OK)
        return NULL;
    r->at += length + 1;
    return r->data + r->at - length - 1;
}

static void get_value(mw__reader *r, mw_arena *arena, mw_value *value)
{
    if (r->status != MW_OK)
        return;
    r->status = mw_value_unpack(r->data, r->length, &r->at, arena, value, &r->problem);
}

static void get_operation(mw__reader *r, mw__wire_call *call)
{
    uint16_t row;
    unsigned service = get_u8(r, MW_SERVICES - 1, "no such service");
    mw__reader_get(r, &row, sizeof row);
    size_t count;
    const mw_operation *const *rows = mw_operations((mw_service)service, &count);
    if (r->status == MW_OK && row >= count)
        mw__reader_bad(r, r->at - sizeof row, "no such operation");
    if (r->status == MW_OK)
        call->operation = rows[row];
}

static void get_options(mw__reader *r, mw_call_options *options)
{
    mw__reader_get(r, &options->timeout_ms, 4);
    mw__reader_get(r, &options->connect_timeout_ms, 4);
    mw__reader_get(r, &options->stall_timeout_ms, 4);
    mw__reader_get(r, &options->retries, 4);
    mw__reader_get(r, &options->max_body, 8);
    unsigned flags = get_u8(r, FLAGS, "unknown flags");
    options->unchecked = flags & FLAG_UNCHECKED;
    options->account = get_text(r);
    options->once = get_text(r);
}

static void get_path(mw__reader *r, mw_arena *arena, mw__wire_call *call)
{
    call->path_count = get_u8(r, MOST_PATH, "too many path parameters");
    mw_value *path = mw_arena_alloc(arena, MOST_PATH * sizeof *path);
    if (!path && r->status == MW_OK)
        r->status = MW_MEMORY;
    for (size_t i = 0; r->status == MW_OK && i < call->path_count; i++)
        get_value(r, arena, &path[i]);
    call->path = path;
}

int mw__wire_unpack_call(const char *data, size_t length, mw_arena *arena, mw__wire_call *call,
                         size_t *at, const char **problem)
{
    mw__reader r = {.data = data, .length = length};
    *call = (mw__wire_call){0};
    mw__reader_get(&r, &call->door, sizeof call->door);
    unsigned kind = get_u8(&r, KIND_RAW, "no such kind of call");
    if (kind == KIND_OPERATION)
        get_operation(&r, call);
    else
        call->verb = (mw_verb)get_u8(&r, MW_VERBS - 1, "no such verb");
    get_options(&r, &call->options);
    if (kind == KIND_OPERATION) {
        get_path(&r, arena, call);
    } else {
        size_t begin = r.at;
        call->raw_path = get_text(&r);
        if (!call->raw_path)
            mw__reader_bad(&r, begin, "no path");
    }
    mw_value *params = mw_arena_alloc(arena, sizeof *params);
    if (!params && r.status == MW_OK)
        r.status = MW_MEMORY;
    if (r.status == MW_OK)
        get_value(&r, arena, params);
    call->params = params;
    if (r.at < length)
        mw__reader_bad(&r, r.at, "bytes behind the end of a call");
    *at = r.at;
    *problem = r.problem;
    return r.status;
}
