/* json_test.c: the JSON text of requests. */
#include <math.h>
#include <stdlib.h>

#include "mw/value.h"
#include "test.h"

static void check_text(const mw_value *value, const char *want)
{
    char *text = NULL;
    size_t length = 0;
    CHECK_INT(mw_json_write(value, 4096, &text, &length, NULL), MW_OK);
    CHECK_STR(text, want);
    CHECK_INT(length, strlen(want));
    free(text);
}

TEST(integers_are_exact_over_64_bits)
{
    check_text(&(mw_value){.type = MW_V_INTEGER, .as.integer = INT64_MAX}, "9223372036854775807");
    check_text(&(mw_value){.type = MW_V_INTEGER, .as.integer = INT64_MIN}, "-9223372036854775808");
    check_text(&(mw_value){.type = MW_V_INTEGER, .as.integer = 9007199254740993},
               "9007199254740993");
}

TEST(numbers_read_back_the_same)
{
    check_text(&(mw_value){.type = MW_V_NUMBER, .as.number = 0.1}, "0.1");
    check_text(&(mw_value){.type = MW_V_NUMBER, .as.number = 1.0}, "1.0");
    check_text(&(mw_value){.type = MW_V_NUMBER, .as.number = 1e300}, "1e+300");
    check_text(&(mw_value){.type = MW_V_NUMBER, .as.number = 0.1 + 0.2}, "0.30000000000000004");
    check_text(&(mw_value){.type = MW_V_NUMBER, .as.number = -0.0}, "-0.0");
}

TEST(what_json_can_not_say_is_refused)
{
    char *text = NULL;
    size_t length;
    mw_error error = {0};
    mw_value nan_value = {.type = MW_V_NUMBER, .as.number = NAN};
    CHECK_INT(mw_json_write(&nan_value, 100, &text, &length, &error), MW_INVALID);
    CHECK_STR(error.message, "JSON has no NaN and no infinity");
    mw_value infinite = {.type = MW_V_NUMBER, .as.number = -INFINITY};
    CHECK_INT(mw_json_write(&infinite, 100, &text, &length, NULL), MW_INVALID);
}

TEST(strings_are_escaped)
{
    mw_value value = {
        .type = MW_V_STRING, .as.string = "a\"\\\n\t\r\x01\x7f\0z\xF0\x9F\x98\x80", .length = 14};
    check_text(&value, "\"a\\\"\\\\\\n\\t\\r\\u0001\\u007f\\u0000z\xF0\x9F\x98\x80\"");
}

TEST(nesting_ends_at_the_limit)
{
    mw_value levels[MW_MAX_DEPTH + 1];
    levels[0] = (mw_value){.type = MW_V_EMPTY};
    for (size_t i = 1; i <= MW_MAX_DEPTH; i++)
        levels[i] = (mw_value){.type = MW_V_ARRAY, .length = 1, .as.items = &levels[i - 1]};
    char *text = NULL;
    size_t length = 0;
    CHECK_INT(mw_json_write(&levels[MW_MAX_DEPTH - 1], 4096, &text, &length, NULL), MW_OK);
    CHECK_INT(length, 2 * MW_MAX_DEPTH);
    free(text);
    CHECK_INT(mw_json_write(&levels[MW_MAX_DEPTH], 4096, &text, &length, NULL), MW_INVALID);
}

TEST(text_beyond_the_cap_is_refused)
{
    char *text = NULL;
    size_t length;
    mw_error error = {0};
    mw_value value = {.type = MW_V_STRING, .as.string = "0123456789", .length = 10};
    CHECK_INT(mw_json_write(&value, 11, &text, &length, &error), MW_TOO_LARGE);
    CHECK_INT(error.code, MW_TOO_LARGE);
    CHECK_INT(mw_json_write(&value, 12, &text, &length, &error), MW_OK);
    free(text);
}

TEST(arena_hands_out_zeroed_aligned_memory_up_to_its_cap)
{
    mw_arena *arena = mw_arena_new(16384);
    CHECK(arena != NULL);
    unsigned char *small = mw_arena_alloc(arena, 3);
    CHECK(small && (uintptr_t)small % 16 == 0 && small[0] == 0 && small[2] == 0);
    CHECK(mw_arena_alloc(arena, 10000) != NULL);
    CHECK(mw_arena_alloc(arena, 10000) == NULL);
    CHECK(mw_arena_alloc(arena, SIZE_MAX) == NULL);
    mw_arena_reset(arena);
    CHECK(mw_arena_alloc(arena, 10000) != NULL);
    mw_arena_free(arena);
    mw_arena_free(NULL);
}
