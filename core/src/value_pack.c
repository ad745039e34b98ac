/* value_pack.c: owns the packed form of argument trees: a type byte, then what the type has.
 *
 *     boolean   uint8, 0 or 1
 *     integer   int64
 *     number    double
 *     string    uint32 length, the bytes, a NUL
 *     array     uint32 count, the items
 *     object    uint32 count, and for each member its name as a string has it, then its value
 *     others    nothing
 *
 * in the byte order of the machine. Reading takes hostile bytes. Must not know frames. One thread at a time. */
#include <stdlib.h>
#include <string.h>

#include "mw/channel.h"

enum { MOST_LEVELS = MW_MAX_DEPTH + 4, FIRST = 256, LEAST_MEMBER = 6 };

/* ---- writing ---- */

typedef struct writer {
    char **data;
    size_t *length;
    size_t *capacity;
} writer;

static int room(const writer *w, size_t more)
{
    if (more > UINT32_MAX - *w->length)
        return MW_TOO_LARGE;
    size_t needed = *w->length + more;
    if (needed <= *w->capacity)
        return MW_OK;
    size_t capacity = *w->capacity ? *w->capacity : FIRST;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(*w->data, capacity);
    if (!data)
        return MW_MEMORY;
    *w->data = data;
    *w->capacity = capacity;
    return MW_OK;
}

static int put(const writer *w, mw_value_type type, const void *data, size_t length)
{
    int rc = room(w, 1 + length);
    if (rc != MW_OK)
        return rc;
    char *at = *w->data + *w->length;
    *at = (char)type;
    if (length > 0)
        memcpy(at + 1, data, length);
    *w->length += 1 + length;
    return MW_OK;
}

static int put_count(const writer *w, mw_value_type type, size_t count)
{
    uint32_t count32 = (uint32_t)count;
    return count > UINT32_MAX ? MW_TOO_LARGE : put(w, type, &count32, sizeof count32);
}

/* Length, bytes and NUL. */
static int put_text(const writer *w, const char *text, size_t length)
{
    if (length > UINT32_MAX - 8)
        return MW_TOO_LARGE;
    int rc = room(w, 4 + length + 1);
    if (rc != MW_OK)
        return rc;
    char *at = *w->data + *w->length;
    uint32_t length32 = (uint32_t)length;
    memcpy(at, &length32, 4);
    if (length > 0)
        memcpy(at + 4, text, length);
    at[4 + length] = '\0';
    *w->length += 4 + length + 1;
    return MW_OK;
}

static int pack(const writer *w, const mw_value *value, int level)
{
    if ((value->type == MW_V_ARRAY || value->type == MW_V_OBJECT) && ++level > MOST_LEVELS)
        return MW_INVALID;
    int rc;
    switch (value->type) {
    case MW_V_BOOLEAN:
        return put(w, value->type, value->as.boolean ? "\1" : "\0", 1);
    case MW_V_INTEGER:
        return put(w, value->type, &value->as.integer, 8);
    case MW_V_NUMBER:
        return put(w, value->type, &value->as.number, 8);
    case MW_V_STRING:
        rc = put(w, value->type, NULL, 0);
        return rc == MW_OK ? put_text(w, value->as.string, value->length) : rc;
    case MW_V_ARRAY:
        rc = put_count(w, value->type, value->length);
        for (size_t i = 0; rc == MW_OK && i < value->length; i++)
            rc = pack(w, &value->as.items[i], level);
        return rc;
    case MW_V_OBJECT:
        rc = put_count(w, value->type, value->length);
        for (size_t i = 0; rc == MW_OK && i < value->length; i++) {
            const mw_member *member = &value->as.members[i];
            rc = put_text(w, member->name, member->name_length);
            if (rc == MW_OK)
                rc = pack(w, &member->value, level);
        }
        return rc;
    default:
        return put(w, value->type, NULL, 0);
    }
}

int mw_value_pack(const mw_value *value, char **data, size_t *length, size_t *capacity)
{
    writer w = {data, length, capacity};
    return pack(&w, value, 0);
}

/* ---- reading ---- */

typedef struct reader {
    const char *data;
    size_t length;
    size_t at;
    mw_arena *arena;
    const char *problem;
} reader;

static int bad(reader *r, const char *problem)
{
    r->problem = problem;
    return MW_DECODE;
}

static int get(reader *r, void *to, size_t length)
{
    if (length > r->length - r->at)
        return bad(r, "a value beyond the end");
    memcpy(to, r->data + r->at, length);
    r->at += length;
    return MW_OK;
}

static int get_text(reader *r, const char **text, size_t *length)
{
    uint32_t length32;
    size_t begin = r->at;
    int rc = get(r, &length32, sizeof length32);
    if (rc != MW_OK)
        return rc;
    if (length32 >= r->length - r->at) {
        r->at = begin;
        return bad(r, "a string beyond the end");
    }
    *text = r->data + r->at;
    *length = length32;
    r->at += length32;
    if (r->data[r->at] != '\0')
        return bad(r, "a string without its end");
    r->at++;
    return MW_OK;
}

/* The count of an array or object whose elements are at least `least` bytes each, and memory for them. */
static int get_count(reader *r, size_t least, size_t size, size_t *length, void **elements)
{
    uint32_t count;
    size_t begin = r->at;
    int rc = get(r, &count, sizeof count);
    if (rc != MW_OK)
        return rc;
    if (count > (r->length - r->at) / least) {
        r->at = begin;
        return bad(r, "more elements than there are bytes");
    }
    *length = count;
    *elements = mw_arena_alloc(r->arena, count > 0 ? count * size : 1);
    return *elements ? MW_OK : MW_MEMORY;
}

static int unpack(reader *r, mw_value *value, int level);

static int unpack_array(reader *r, mw_value *value, int level)
{
    void *elements = NULL;
    int rc = get_count(r, 1, sizeof(mw_value), &value->length, &elements);
    mw_value *items = elements;
    for (size_t i = 0; rc == MW_OK && i < value->length; i++)
        rc = unpack(r, &items[i], level);
    value->as.items = items;
    return rc;
}

static int unpack_object(reader *r, mw_value *value, int level)
{
    void *elements = NULL;
    int rc = get_count(r, LEAST_MEMBER, sizeof(mw_member), &value->length, &elements);
    mw_member *members = elements;
    for (size_t i = 0; rc == MW_OK && i < value->length; i++) {
        rc = get_text(r, &members[i].name, &members[i].name_length);
        if (rc == MW_OK)
            rc = unpack(r, &members[i].value, level);
    }
    value->as.members = members;
    return rc;
}

static int unpack_boolean(reader *r, mw_value *value)
{
    unsigned char boolean;
    int rc = get(r, &boolean, 1);
    if (rc == MW_OK && boolean > 1) {
        r->at--;
        return bad(r, "a boolean that is neither true nor false");
    }
    if (rc == MW_OK)
        value->as.boolean = boolean;
    return rc;
}

static int unpack(reader *r, mw_value *value, int level)
{
    unsigned char type;
    int rc = get(r, &type, 1);
    if (rc != MW_OK)
        return rc;
    *value = (mw_value){0};
    if (type > MW_V_EMPTY) {
        r->at--;
        return bad(r, "a value of unknown type");
    }
    value->type = (mw_value_type)type;
    if ((type == MW_V_ARRAY || type == MW_V_OBJECT) && ++level > MOST_LEVELS) {
        r->at--;
        return bad(r, "nested too deeply");
    }
    switch (value->type) {
    case MW_V_BOOLEAN:
        return unpack_boolean(r, value);
    case MW_V_INTEGER:
        return get(r, &value->as.integer, 8);
    case MW_V_NUMBER:
        return get(r, &value->as.number, 8);
    case MW_V_STRING:
        return get_text(r, &value->as.string, &value->length);
    case MW_V_ARRAY:
        return unpack_array(r, value, level);
    case MW_V_OBJECT:
        return unpack_object(r, value, level);
    default:
        return MW_OK;
    }
}

int mw_value_unpack(const char *data, size_t length, size_t *at, mw_arena *arena, mw_value *value,
                    const char **problem)
{
    reader r = {.data = data, .length = length, .at = *at, .arena = arena};
    int rc = r.at > length ? bad(&r, "a value beyond the end") : unpack(&r, value, 0);
    *at = r.at;
    if (rc == MW_DECODE && problem)
        *problem = r.problem;
    return rc;
}

const mw_value *mw_value_member(const mw_value *object, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; object && object->type == MW_V_OBJECT && i < object->length; i++) {
        const mw_member *member = &object->as.members[i];
        if (member->name_length == length && memcmp(member->name, name, length) == 0)
            return &member->value;
    }
    return NULL;
}
