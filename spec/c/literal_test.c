/* literal_test.c: data-only Lua tables: what is read, what is refused, and where. Knows nothing of policies. */
#include "literal.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static mw_error error;

/* Reads `text` and gives it as JSON, or the message of the refusal. Until the next call. */
static const char *read_bytes(const char *text, size_t length)
{
    static char *json;
    mw_value value;
    free(json);
    json = NULL;
    error = (mw_error){0};
    /* A copy of its own, so that a byte read beyond the end is seen by the sanitizers. */
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    mw_arena *arena = mw_arena_new(MW__LITERAL_ARENA);
    int rc = mw__literal_read(copy, length, "t.lua", "a policy", arena, &value, &error);
    if (rc == MW_OK) {
        size_t size;
        rc = mw_json_write(&value, MW__LITERAL_ARENA, &json, &size, &error);
    }
    mw_arena_free(arena);
    free(copy);
    return rc == MW_OK ? json : error.message;
}

static const char *read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

TEST(reads_tables)
{
    CHECK_STR(read_text("return {}"), "{}");
    CHECK_STR(read_text("{}"), "{}");
    CHECK_STR(read_text("\xEF\xBB\xBF{ 1 };"), "[1]");
    CHECK_STR(read_text("return { a = 1, ['b c'] = { 'x', \"y\", true; false, }, }"),
              "{\"a\":1,\"b c\":[\"x\",\"y\",true,false]}");
    CHECK_STR(read_text("return{a={b={}},--[[ x ]]c=[==[\n]]x]==]--end"),
              "t.lua:2: '}' expected at the end of "
              "the table, not the end");
    CHECK_STR(read_text("return{a={b={}},--[[ x\n ]]c=[==[\n]]x]==]} --end"),
              "{\"a\":{\"b\":{}},\"c\":\"]]x\"}");
    CHECK_STR(read_text("{ x ==[[a\r\nb]] }"),
              "t.lua:1: '=' is no data; a policy holds texts, numbers, booleans "
              "and tables");
    CHECK_STR(read_text("{ x =[[a\r\nb]] }"), "{\"x\":\"a\\nb\"}");
}

TEST(reads_numbers)
{
    CHECK_STR(read_text("{ 0, -5, 9223372036854775807, 1.5, -0.25, .5, 30.0 }"),
              "[0,-5,9223372036854775807,1.5,-0.25,0.5,30.0]");
    CHECK_STR(read_text("{ 9223372036854775808 }"),
              "t.lua:1: '9223372036854775808' is no number that can stand here");
    CHECK_STR(read_text("{ 1e5 }"), "t.lua:1: '1e5' is no number that can stand here");
    CHECK_STR(read_text("{ 0x10 }"), "t.lua:1: '0x10' is no number that can stand here");
    CHECK_STR(read_text("{ 1.2.3 }"), "t.lua:1: '1.2.3' is no number that can stand here");
    CHECK_STR(read_text("{ 1..2 }"), "t.lua:1: '1..2' is no number that can stand here");
}

TEST(reads_escapes)
{
    CHECK_STR(read_text("{ '\\65\\x42\\u{43}\\u{e4}\\u{20AC}\\u{1F642}\\z  \n  d\\'\\\"\\\\' }"),
              "[\"ABCä€🙂d'\\\"\\\\\"]");
    CHECK_STR(read_text("{ 'a\\\nb\\n\\t' }"), "[\"a\\nb\\n\\t\"]");
    CHECK_STR(read_text("{ '\\q' }"), "t.lua:1: a text holds a \\ that means nothing");
    CHECK_STR(read_text("{ '\\256' }"), "t.lua:1: \\256 is larger than 255");
    CHECK_STR(read_text("{ '\\xZ0' }"), "t.lua:1: two hexadecimal digits expected behind \\x");
    CHECK_STR(read_text("{ '\\u{110000}' }"), "t.lua:1: \\u{...} is larger than 10FFFF");
    CHECK_STR(read_text("{ '\\u0041' }"), "t.lua:1: '{' expected behind \\u");
}

TEST(refuses_what_is_no_data)
{
    static const char tail[] = " is no data; a policy holds texts, numbers, booleans and tables";
    static const struct {
        const char *text, *shown;
        unsigned line;
    } cases[] = {
        {"return {\n x = os.execute('id') }", "'os'", 2},
        {"{ function() end }", "'function'", 1},
        {"{ nil }", "'nil'", 1},
        {"{ a = b }", "'b'", 1},
        {"{ a = (1) }", "'('", 1},
        {"{ #'x' }", "'#'", 1},
        {"{ not true }", "'not'", 1},
        {"{ ... }", "'.'", 1},
        {"{ - 1 }", "'-'", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[200];
        snprintf(want, sizeof want, "t.lua:%u: %s%s", cases[i].line, cases[i].shown, tail);
        CHECK_STR(read_text(cases[i].text), want);
    }
    CHECK_STR(read_text("{ 'a' .. 'b' }"), "t.lua:1: '}' expected at the end of the table, not '.'");
    CHECK_STR(read_text("{ 1 + 1 }"), "t.lua:1: '}' expected at the end of the table, not '+'");
    CHECK_STR(read_text("{ a = 1 }, 2"), "t.lua:1: nothing may follow the table; here is ','");
    CHECK_STR(read_text("local x = 1\nreturn {}"),
              "t.lua:1: a policy is one table, return { ... }, not 'local'");
    CHECK_STR(read_text(""), "t.lua:1: a policy is one table, return { ... }, not the end");
    CHECK_STR(read_text("{ 1, a = 2 }"), "t.lua:1: a table holds either a list or names, not both");
    CHECK_STR(read_text("{ a = 1,\n a = 2 }"), "t.lua:2: 'a' stands here twice");
    CHECK_STR(read_text("{ [1] = 2 }"), "t.lua:1: only a text may stand in the brackets, not '1'");
    CHECK_STR(read_text("{ ['a\\0b'] = 2 }"), "t.lua:1: a name holds no NUL");
    CHECK_STR(read_text("{ 'a\n' }"), "t.lua:1: a text is not closed");
    CHECK_STR(read_text("{ [[a }"), "t.lua:1: a long bracket is not closed");
    CHECK_STR(read_text("{ --[[a }"), "t.lua:1: a long bracket is not closed");
}

TEST(keeps_its_limits)
{
    static char text[MW__LITERAL_MAX + 2];
    char deep[64] = "";
    for (int i = 0; i < MW__LITERAL_DEPTH; i++)
        deep[i] = '{';
    for (int i = 0; i < MW__LITERAL_DEPTH; i++)
        deep[MW__LITERAL_DEPTH + i] = '}';
    CHECK(read_text(deep)[0] == '[');
    memmove(deep + 1, deep, 2 * MW__LITERAL_DEPTH);
    deep[2 * MW__LITERAL_DEPTH + 1] = '}';
    CHECK_STR(read_text(deep), "t.lua:1: more than 20 tables in one another");
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[MW__LITERAL_MAX - 1] = '}';
    CHECK_STR(read_bytes(text, MW__LITERAL_MAX), "{}");
    CHECK_STR(read_bytes(text, MW__LITERAL_MAX + 1), "t.lua: larger than 262144 bytes");
    char *at = text;
    *at++ = '{';
    for (int i = 0; i <= 1000; i++)
        at += snprintf(at, 20, "a%d=1,", i);
    *at++ = '}';
    CHECK_STR(read_bytes(text, (size_t)(at - text)), "t.lua:1: more than 1000 names in one table");
    /* The largest list that a file can hold fits the arena. */
    memset(text, '1', MW__LITERAL_MAX);
    for (size_t i = 0; i < MW__LITERAL_MAX; i += 2)
        text[i] = i ? ',' : '{';
    text[MW__LITERAL_MAX - 1] = '}';
    CHECK(read_bytes(text, MW__LITERAL_MAX)[0] == '[');
}

/* Whatever bytes come, each beginning of a text is read or refused, and nothing beyond it is touched. */
TEST(survives_any_bytes)
{
    static const char text[] =
        "return { a = 'x\\u{20ac}\\x41\\065\\z ', [\"b\"] = [==[ l ]==], --[[ c ]]\n c = { 1, -2.5, true }, }";
    uint32_t state = 1;
    for (size_t length = 0; length < sizeof text; length++)
        read_bytes(text, length);
    for (int round = 0; round < 20000; round++) {
        char changed[sizeof text];
        memcpy(changed, text, sizeof text);
        for (int i = 0; i < 3; i++) {
            state = state * 1664525 + 1013904223;
            changed[(state >> 8) % sizeof text] =
                i ? text[(state >> 16) % sizeof text] : (char)(state >> 24);
        }
        read_bytes(changed, sizeof text - 1);
        CHECK(error.code == MW_OK || error.code == MW_INVALID);
    }
}
