/* once_find.c: owns the comparing: which object of a list is the one that a request makes. Must not know calls. One
 * thread at a time. */
#include "once_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"

#define ARENA ((size_t)256 * 1024 * 1024)

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next character of a text that the server keeps in lower case: ASCII, and what Latin, Greek and Cyrillic have in
 * UTF-8 with two bytes. */
static unsigned next_folded(const char **at, const char *end)
{
    unsigned c = (unsigned char)*(*at)++;
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    if (c < 0xC2 || c > 0xDF || *at == end)
        return c;
    c = (c & 0x1F) << 6 | ((unsigned char)*(*at)++ & 0x3F);
    bool latin = c >= 0xC0 && c <= 0xDE && c != 0xD7;
    bool greek = c >= 0x391 && c <= 0x3A9;
    bool cyrillic = c >= 0x410 && c <= 0x42F;
    if (latin || greek || cyrillic)
        return c + 32;
    if (c >= 0x400 && c <= 0x40F)
        return c + 80;
    return c >= 0x100 && c <= 0x137 ? c | 1 : c;
}

static void trim(const char **begin, const char **end)
{
    while (*begin < *end && is_space(**begin))
        ++*begin;
    while (*end > *begin && is_space((*end)[-1]))
        --*end;
}

static bool same_text(const char *a, size_t a_length, const char *b, size_t b_length, bool folded)
{
    if (!folded)
        return a_length == b_length && memcmp(a, b, a_length) == 0;
    const char *a_end = a + a_length;
    const char *b_end = b + b_length;
    trim(&a, &a_end);
    trim(&b, &b_end);
    while (a < a_end && b < b_end) {
        if (next_folded(&a, a_end) != next_folded(&b, b_end))
            return false;
    }
    return a == a_end && b == b_end;
}

static bool has_value(const mw_value *field, const char *value, bool folded)
{
    char digits[24];
    if (!field)
        return false;
    if (field->type == MW_V_STRING)
        return same_text(field->as.string, field->length, value, strlen(value), folded);
    if (field->type != MW_V_INTEGER)
        return false;
    snprintf(digits, sizeof digits, "%" PRId64, field->as.integer);
    return strcmp(digits, value) == 0;
}

/* The object within an item of a list, which may show it in its place in the answer of the operation, or bare. */
static const mw_value *object_of(const mw_once *row, const mw_value *item)
{
    const mw_value *object = row->wrap ? mw__json_at(item, row->wrap) : NULL;
    return object && object->type == MW_V_OBJECT ? object : item;
}

static bool is_it(const mw_request *request, const mw_value *object)
{
    const mw__once_request *once = request->once;
    if (once->by)
        return has_value(mw__json_member(object, once->by->field), once->value, once->by->folded);
    const mw_value *field = mw__json_member(object, request->operation->once.marker);
    return has_value(mw__json_member(field, MW_ONCE_MARK), once->mark, false);
}

static void note_age(const mw_value *item, mw__once_found *found)
{
    const mw_value *id = mw__json_member(item, "id");
    const mw_value *created = mw__json_member(item, "created_at");
    if (id && id->type == MW_V_INTEGER && id->as.integer > 0 &&
        (!found->more || id->as.integer < found->before)) {
        found->more = true;
        found->before = id->as.integer;
    }
    if (created && created->type == MW_V_INTEGER && created->as.integer < found->oldest)
        found->oldest = created->as.integer;
}

static int write_found(const mw_once *row, const mw_value *item, mw_arena *arena,
                       mw__once_found *found, mw_error *error)
{
    mw_value whole = *item;
    const char *end =
        row->wrap && object_of(row, item) == item ? row->wrap + strlen(row->wrap) : NULL;
    while (end && end > row->wrap) { /* from the innermost name on */
        const char *begin = end;
        while (begin > row->wrap && begin[-1] != '.')
            begin--;
        mw_member *member = mw_arena_alloc(arena, sizeof *member);
        if (!member)
            return MW_MEMORY;
        *member = (mw_member){.name = begin, .name_length = (size_t)(end - begin), .value = whole};
        whole = (mw_value){.type = MW_V_OBJECT, .length = 1, .as.members = member};
        end = begin > row->wrap ? begin - 1 : begin;
    }
    return mw_json_write(&whole, ARENA, &found->body, &found->length, error);
}

static int search(const mw_request *request, const mw_value *list, mw_arena *arena,
                  mw__once_found *found, mw_error *error)
{
    const mw_once *row = &request->operation->once;
    for (size_t i = 0; i < list->length; i++) {
        const mw_value *item = &list->as.items[i];
        if (is_it(request, object_of(row, item)))
            return write_found(row, item, arena, found, error);
        note_age(item, found);
    }
    return MW_OK;
}

int mw__once_find(const mw_request *request, const char *body, size_t length, mw__once_found *found,
                  mw_error *error)
{
    const mw_operation *finder = request->once->look->operation;
    mw_value value;
    *found = (mw__once_found){.oldest = INT64_MAX};
    mw_arena *arena = mw_arena_new(ARENA);
    if (!arena)
        return mw_error_set(error, MW_MEMORY, NULL, "out of memory");
    int rc = mw__json_read(body, length, arena, &value, error);
    const mw_value *list = rc == MW_OK ? mw__json_at(&value, finder->items.at) : NULL;
    if (rc == MW_OK && (!list || list->type != MW_V_ARRAY))
        rc = mw_error_set(error, MW_DECODE, NULL, "the answer has no list");
    if (rc == MW_OK)
        rc = search(request, list, arena, found, error);
    bool pages = finder->items.page_by && strcmp(finder->items.page_by, "before") == 0;
    found->more = found->more && pages && !found->body;
    mw_arena_free(arena);
    return rc;
}

bool mw__once_is_object(const char *body, size_t length)
{
    mw_value value = {0};
    mw_arena *arena = mw_arena_new(ARENA);
    bool read = arena && mw__json_read(body, length, arena, &value, NULL) == MW_OK;
    mw_arena_free(arena);
    return read && (value.type == MW_V_OBJECT || value.type == MW_V_ARRAY);
}
