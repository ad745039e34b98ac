/* json_read_test.c: JSON as the core reads it. */
#include <stdlib.h>

#include "failing_alloc.h"
#include "json_read.h"
#include "test.h"

static int read_text(const char *text, size_t length, mw_arena *arena, mw_value *value,
                     mw_error *error)
{
    char *copy = malloc(length + 1); /* no larger than it is, so that reading beyond it is noticed */
    memcpy(copy, text, length);
    int rc = mw__json_read(copy, length, arena, value, error);
    free(copy);
    return rc;
}

/* Reads the text and writes it again. */
static void check_same(const char *text, const char *want)
{
    mw_arena *arena = mw_arena_new(1 << 20);
    mw_value value;
    mw_error error = {0};
    char *written = NULL;
    size_t length;
    CHECK_INT(read_text(text, strlen(text), arena, &value, &error), MW_OK);
    CHECK_STR(error.message, "");
    CHECK_INT(mw_json_write(&value, 1 << 20, &written, &length, NULL), MW_OK);
    CHECK_STR(written, want);
    free(written);
    mw_arena_free(arena);
}

static void check_bad(const char *text, size_t length, const char *problem)
{
    mw_arena *arena = mw_arena_new(1 << 20);
    mw_value value;
    mw_error error = {0};
    CHECK_INT(read_text(text, length, arena, &value, &error), MW_DECODE);
    CHECK_STR(error.message, problem);
    mw_arena_free(arena);
}

#define BAD(text, problem) check_bad(text, sizeof(text) - 1, problem)

TEST(what_json_says_is_read)
{
    check_same(" null ", "null");
    check_same("[true,false,null]", "[true,false,null]");
    check_same("{}", "{}");
    check_same("[ ]", "[]");
    check_same("\t{ \"a\" : [ 1 , { \"b\" : \"c\" } ] }\r\n", "{\"a\":[1,{\"b\":\"c\"}]}");
    check_same("[0,-1,9223372036854775807,-9223372036854775808]",
               "[0,-1,9223372036854775807,-9223372036854775808]");
    check_same("[1.0,-0.5,1e2,1E-2,2.5e+1]", "[1.0,-0.5,100.0,0.01,25.0]");
    check_same("[9223372036854775808]", "[9.223372036854776e+18]");
    check_same("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u20ac\\ud83d\\ude00\"",
               "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\tä€😀\"");
    check_same("\"\\u0000\\u007f\"", "\"\\u0000\\u007f\"");
    check_same("{\"\":1,\"a\":2,\"a\":3}", "{\"\":1,\"a\":2,\"a\":3}");
}

TEST(what_is_no_json_is_refused_at_its_byte)
{
    BAD("", "no JSON at byte 1: no value");
    BAD("[1,]", "no JSON at byte 4: no value");
    BAD("[1 2]", "no JSON at byte 4: neither ',' nor an end");
    BAD("{\"a\":1,}", "no JSON at byte 8: no name");
    BAD("{\"a\" 1}", "no JSON at byte 6: no ':' behind a name");
    BAD("{1:2}", "no JSON at byte 2: no name");
    BAD("[1", "no JSON at byte 3: neither ',' nor an end");
    BAD("{\"a\"", "no JSON at byte 5: no ':' behind a name");
    BAD("nul", "no JSON at byte 1: no value");
    BAD("truely", "no JSON at byte 5: something behind the value");
    BAD("01", "no JSON at byte 2: something behind the value");
    BAD("-", "no JSON at byte 2: no value");
    BAD("+1", "no JSON at byte 1: no value");
    BAD("1.", "no JSON at byte 3: a number that is none");
    BAD("1e", "no JSON at byte 3: a number that is none");
    BAD("1e999", "no JSON at byte 6: a number that is too large");
    BAD("NaN", "no JSON at byte 1: no value");
    BAD("\"a", "no JSON at byte 2: a string without an end");
    BAD("\"a\\\"", "no JSON at byte 2: a string without an end");
    BAD("\"a\nb\"", "no JSON at byte 3: a control character in a string");
    BAD("\"\\x\"", "no JSON at byte 4: an escape that there is none of");
    BAD("\"\\u12g4\"", "no JSON at byte 7: a \\u without four digits");
    BAD("\"\\ud800\"", "no JSON at byte 8: half of a character");
    BAD("\"\\udc00\"", "no JSON at byte 8: half of a character");
    BAD("\"\\ud800\\u0041\"", "no JSON at byte 14: half of a character");
    BAD("\"\xff\"", "no JSON at byte 1: not UTF-8");
    BAD("\xef\xbb\xbf{}", "no JSON at byte 1: no value");
    BAD("{}\0", "no JSON at byte 3: something behind the value");
}

TEST(depth_and_size_have_an_end)
{
    enum { MANY = (1 << 20) + 8 };
    char *text = malloc(2 * MANY + 1);
    memset(text, '[', 200);
    memset(text + 100, ']', 100);
    mw_arena *arena = mw_arena_new((size_t)1 << 27);
    mw_value value;
    mw_error error = {0};
    CHECK_INT(read_text(text, 200, arena, &value, &error), MW_OK);
    memset(text, '[', 202);
    memset(text + 101, ']', 101);
    CHECK_INT(read_text(text, 202, arena, &value, &error), MW_DECODE);
    CHECK_STR(error.message, "no JSON at byte 102: nested too deeply");
    text[0] = '[';
    for (size_t i = 0; i < MANY; i++) {
        text[1 + 2 * i] = '1';
        text[2 + 2 * i] = ',';
    }
    CHECK_INT(read_text(text, 2 * MANY - 1, arena, &value, &error), MW_DECODE);
    CHECK(strstr(error.message, "too many values") != NULL);
    mw_arena_free(arena);
    arena = mw_arena_new(4096);
    memset(text, '1', 5000);
    text[0] = text[4999] = '"';
    CHECK_INT(read_text(text, 5000, arena, &value, &error), MW_MEMORY);
    mw_arena_free(arena);
    free(text);
}

TEST(members_are_found_by_name_and_by_path)
{
    static const char text[] = "{\"data\":{\"payload\":[1],\"a\":1,\"a\":2},\"n\":null}";
    mw_arena *arena = mw_arena_new(1 << 16);
    mw_value value;
    CHECK_INT(read_text(text, sizeof text - 1, arena, &value, NULL), MW_OK);
    CHECK_INT(mw__json_at(&value, "data.payload")->length, 1);
    CHECK_INT(mw__json_at(&value, "data.a")->as.integer, 2);
    CHECK(mw__json_at(&value, "") == &value);
    CHECK(mw__json_at(&value, "n.payload") == NULL);
    CHECK(mw__json_at(&value, "none") == NULL);
    CHECK(mw__json_member(NULL, "a") == NULL);
    mw_arena_free(arena);
}

TEST(reading_survives_any_failing_allocation)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"text\"}],\"c\":[[],{},\"\"]}";
    bool failed = true;
    for (unsigned nth = 1; failed && nth < 100; nth++) {
        mw_value value;
        fail_allocation(nth);
        mw_arena *arena = mw_arena_new(1 << 16);
        int rc = arena ? mw__json_read(text, sizeof text - 1, arena, &value, NULL) : MW_MEMORY;
        failed = allocation_failed();
        fail_allocation(0);
        CHECK_INT(rc, failed ? MW_MEMORY : MW_OK);
        mw_arena_free(arena);
    }
    CHECK(!failed);
}
