/* value_pack_test.c: trees as bytes: what goes in comes out, and hostile bytes are refused at the byte at fault. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "mw/channel.h"
#include "test.h"

#define S(text)                                                                                    \
    {                                                                                              \
        .type = MW_V_STRING, .as.string = text, .length = sizeof text - 1                          \
    }
#define M(key, ...)                                                                                \
    {                                                                                              \
        .name = key, .name_length = sizeof key - 1, .value = __VA_ARGS__                           \
    }

typedef struct packed {
    char *data;
    size_t length;
    size_t capacity;
} packed;

static bool same(const mw_value *a, const mw_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MW_V_BOOLEAN:
        return a->as.boolean == b->as.boolean;
    case MW_V_INTEGER:
        return a->as.integer == b->as.integer;
    case MW_V_NUMBER:
        return memcmp(&a->as.number, &b->as.number, sizeof a->as.number) == 0;
    case MW_V_STRING:
        return a->length == b->length && memcmp(a->as.string, b->as.string, a->length) == 0 &&
               b->as.string[b->length] == '\0';
    case MW_V_ARRAY:
        if (a->length != b->length)
            return false;
        for (size_t i = 0; i < a->length; i++) {
            if (!same(&a->as.items[i], &b->as.items[i]))
                return false;
        }
        return true;
    case MW_V_OBJECT:
        if (a->length != b->length)
            return false;
        for (size_t i = 0; i < a->length; i++) {
            const mw_member *x = &a->as.members[i];
            const mw_member *y = &b->as.members[i];
            if (x->name_length != y->name_length || memcmp(x->name, y->name, x->name_length) != 0 ||
                y->name[y->name_length] != '\0' || !same(&x->value, &y->value))
                return false;
        }
        return true;
    default:
        return true;
    }
}

static int unpack(const char *data, size_t length, size_t cap, size_t *at, const char **problem)
{
    mw_arena *arena = mw_arena_new(cap);
    mw_value value;
    *at = 0;
    *problem = "";
    int rc = mw_value_unpack(data, length, at, arena, &value, problem);
    mw_arena_free(arena);
    return rc;
}

static void check_round(const mw_value *value)
{
    packed p = {0};
    mw_arena *arena = mw_arena_new(1 << 20);
    mw_value back;
    size_t at = 0;
    const char *problem = "";
    CHECK_INT(mw_value_pack(value, &p.data, &p.length, &p.capacity), MW_OK);
    CHECK_INT(mw_value_unpack(p.data, p.length, &at, arena, &back, &problem), MW_OK);
    CHECK_INT(at, p.length);
    CHECK(same(value, &back));
    for (size_t cut = 0; cut < p.length; cut++) { /* every beginning of it is no tree */
        char *exact = malloc(cut + (cut == 0));
        memcpy(exact, p.data, cut);
        CHECK_INT(unpack(exact, cut, 1 << 20, &at, &problem), MW_DECODE);
        CHECK(at <= cut);
        CHECK(problem[0] != '\0');
        free(exact);
    }
    mw_arena_free(arena);
    free(p.data);
}

TEST(what_goes_in_comes_out)
{
    mw_value inner[] = {S("a\0b"), S(""), {.type = MW_V_NONE}, {.type = MW_V_EMPTY}};
    mw_member few[] = {M("k\0k", {.type = MW_V_BOOLEAN, .as.boolean = true}),
                       M("", {.type = MW_V_BOOLEAN, .as.boolean = false})};
    mw_member members[] = {
        M("null", {.type = MW_V_NULL}),
        M("least", {.type = MW_V_INTEGER, .as.integer = INT64_MIN}),
        M("most", {.type = MW_V_INTEGER, .as.integer = INT64_MAX}),
        M("minus", {.type = MW_V_NUMBER, .as.number = -0.0}),
        M("nan", {.type = MW_V_NUMBER, .as.number = NAN}),
        M("list", {.type = MW_V_ARRAY, .length = 4, .as.items = inner}),
        M("none", {.type = MW_V_ARRAY, .length = 0}),
        M("table", {.type = MW_V_OBJECT, .length = 2, .as.members = few}),
    };
    check_round(&(mw_value){.type = MW_V_OBJECT, .length = 8, .as.members = members});
    check_round(&(mw_value){.type = MW_V_NONE});
}

TEST(several_trees_follow_each_other)
{
    packed p = {0};
    mw_arena *arena = mw_arena_new(1 << 16);
    size_t at = 0;
    const char *problem;
    for (int64_t i = 0; i < 100; i++)
        CHECK_INT(mw_value_pack(&(mw_value){.type = MW_V_INTEGER, .as.integer = i}, &p.data,
                                &p.length, &p.capacity),
                  MW_OK);
    for (int64_t i = 0; i < 100; i++) {
        mw_value value;
        CHECK_INT(mw_value_unpack(p.data, p.length, &at, arena, &value, &problem), MW_OK);
        CHECK_INT(value.as.integer, i);
    }
    CHECK_INT(at, p.length);
    mw_arena_free(arena);
    free(p.data);
}

static int pack_nested(int levels, packed *p)
{
    mw_value *chain = calloc((size_t)levels + 1, sizeof *chain);
    for (int i = 0; i < levels; i++)
        chain[i] = (mw_value){.type = MW_V_ARRAY, .length = 1, .as.items = &chain[i + 1]};
    *p = (packed){0};
    int rc = mw_value_pack(chain, &p->data, &p->length, &p->capacity);
    free(chain);
    return rc;
}

TEST(depth_is_bounded_both_ways)
{
    packed p;
    size_t at;
    const char *problem;
    CHECK_INT(pack_nested(MW_MAX_DEPTH + 4, &p), MW_OK);
    CHECK_INT(unpack(p.data, p.length, 1 << 20, &at, &problem), MW_OK);
    char *deeper = malloc(p.length + 5);
    memcpy(deeper, p.data, 5); /* one more array of one item around it */
    memcpy(deeper + 5, p.data, p.length);
    CHECK_INT(unpack(deeper, p.length + 5, 1 << 20, &at, &problem), MW_DECODE);
    CHECK_STR(problem, "nested too deeply");
    CHECK_INT(at, (MW_MAX_DEPTH + 4) * 5);
    free(deeper);
    free(p.data);
    CHECK_INT(pack_nested(MW_MAX_DEPTH + 5, &p), MW_INVALID);
    free(p.data);
}

static void check_bad(const char *data, size_t length, size_t where, const char *what)
{
    size_t at;
    const char *problem;
    char *exact = malloc(length); /* so that reading beyond it is noticed */
    memcpy(exact, data, length);
    CHECK_INT(unpack(exact, length, 1 << 20, &at, &problem), MW_DECODE);
    CHECK_INT(at, where);
    CHECK_STR(problem, what);
    free(exact);
}

TEST(hostile_bytes_are_refused_where_they_are)
{
    check_bad("\x09", 1, 0, "a value of unknown type");
    check_bad("\xff", 1, 0, "a value of unknown type");
    check_bad("\x02\x02", 2, 1, "a boolean that is neither true nor false");
    check_bad("\x03\x01\x02", 3, 1, "a value beyond the end");
    check_bad("\x05\xff\xff\xff\xff", 5, 1, "a string beyond the end");
    check_bad("\x05\x01\0\0\0x", 6, 1, "a string beyond the end");
    check_bad("\x05\x01\0\0\0xy", 7, 6, "a string without its end");
    check_bad("\x06\xff\xff\xff\x7f\x01", 6, 1, "more elements than there are bytes");
    check_bad("\x07\x01\0\0\0\x01\0\0\0", 9, 1, "more elements than there are bytes");
    check_bad("\x06\x01\0\0\0\x0a", 6, 5, "a value of unknown type");
    check_bad("\x07\x01\0\0\0\x01\0\0\0kx\x01", 12, 10, "a string without its end");
}

TEST(memory_is_bounded_by_the_arena)
{
    enum { COUNT = 100000 };
    size_t at;
    const char *problem;
    char *data = malloc(5 + COUNT);
    uint32_t count = COUNT;
    data[0] = MW_V_ARRAY;
    memcpy(data + 1, &count, 4);
    memset(data + 5, MW_V_NULL, COUNT);
    CHECK_INT(unpack(data, 5 + COUNT, 1 << 20, &at, &problem), MW_MEMORY);
    CHECK_INT(unpack(data, 5 + COUNT, 1 << 24, &at, &problem), MW_OK);
    free(data);
}

TEST(packing_survives_any_failing_allocation)
{
    mw_value items[100];
    for (size_t i = 0; i < 100; i++)
        items[i] = (mw_value)S("a text of some length, so that the block grows");
    mw_value list = {.type = MW_V_ARRAY, .length = 100, .as.items = items};
    unsigned nth = 1;
    for (; nth < 50; nth++) {
        packed p = {0};
        fail_allocation(nth);
        int rc = mw_value_pack(&list, &p.data, &p.length, &p.capacity);
        bool failed = allocation_failed();
        fail_allocation(0);
        CHECK_INT(rc, failed ? MW_MEMORY : MW_OK);
        free(p.data);
        if (!failed)
            break;
    }
    CHECK(nth > 2 && nth < 50);
}

TEST(members_are_found_by_their_whole_name)
{
    mw_member members[] = {M("a", {.type = MW_V_INTEGER, .as.integer = 1}),
                           M("a\0b", {.type = MW_V_INTEGER, .as.integer = 2})};
    mw_value object = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    CHECK_INT(mw_value_member(&object, "a")->as.integer, 1);
    CHECK(mw_value_member(&object, "b") == NULL);
    CHECK(mw_value_member(&(mw_value){.type = MW_V_EMPTY}, "a") == NULL);
    CHECK(mw_value_member(NULL, "a") == NULL);
}
