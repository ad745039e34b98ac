/* urlencode_test.c: the text of URLs and forms. */
#include "test.h"
#include "urlencode.h"

static void check_escaped(const char *text, size_t length, const char *want)
{
    mw__buf buf;
    mw__buf_init(&buf, 1000);
    mw__url_escape(&buf, text, length);
    mw__buf_putc(&buf, '$');
    buf.data[buf.length - 1] = '\0';
    CHECK_STR(buf.data, want);
    mw__buf_free(&buf);
}

TEST(all_but_the_unreserved_is_encoded)
{
    check_escaped("aZ09-._~", 8, "aZ09-._~");
    check_escaped("a/b?c#d%e&f+g h", 15, "a%2Fb%3Fc%23d%25e%26f%2Bg%20h");
    check_escaped("\0\n\xC3\xA9", 4, "%00%0A%C3%A9");
    check_escaped("", 0, "");
}

TEST(segments_that_a_path_folds_are_refused)
{
    CHECK(mw__segment_problem("", 0) != NULL);
    CHECK(mw__segment_problem(".", 1) != NULL);
    CHECK(mw__segment_problem("..", 2) != NULL);
    CHECK(mw__segment_problem("a\0b", 3) != NULL);
    CHECK(mw__segment_problem("...", 3) == NULL);
    CHECK(mw__segment_problem("a/b", 3) == NULL);
}

TEST(raw_paths_are_taken_only_as_they_can_be_sent)
{
    static const char *const good[] = {"/", "/api/v1/labels", "/a%20b/c", "/a/", "/a:b@c;d=1,2"};
    static const char *const bad[] = {"",      "api",   "/a b",    "/a?b=1",    "/a#b",
                                      "/../x", "/a/.",  "/%2e%2E", "/a/.%2e/",  "/a%0",
                                      "/a%zz", "/a%00", "/\n",     "/\xC3\xA9", "/a\\b"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK_STR(mw__path_problem(good[i]), NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(mw__path_problem(bad[i]) != NULL);
}

static void check_field(const mw_field *field, const mw_value *value, bool csv, const char *want)
{
    mw__buf buf;
    mw__buf_init(&buf, 1000);
    mw__buf_puts(&buf, "x=1");
    mw__url_field(&buf, field, value, csv);
    CHECK_INT(buf.status, MW_OK);
    CHECK_STR(buf.data, want);
    mw__buf_free(&buf);
}

TEST(lists_are_repeated_or_joined)
{
    mw_value items[] = {{.type = MW_V_STRING, .as.string = "a b", .length = 3},
                        {.type = MW_V_INTEGER, .as.integer = 7}};
    mw_value list = {.type = MW_V_ARRAY, .length = 2, .as.items = items};
    mw_field labels = {.name = "labels", .wire = "labels[]", .type = MW_T_ARRAY};
    check_field(&labels, &list, false, "x=1&labels%5B%5D=a%20b&labels%5B%5D=7");
    check_field(&labels, &list, true, "x=1&labels%5B%5D=a%20b%2C7");
    mw_value empty = {.type = MW_V_EMPTY};
    check_field(&labels, &empty, false, "x=1");
    check_field(&labels, &empty, true, "x=1&labels%5B%5D=");
    mw_value yes = {.type = MW_V_BOOLEAN, .as.boolean = true};
    check_field(&(mw_field){.name = "on"}, &yes, false, "x=1&on=true");
    mw_value whole = {.type = MW_V_NUMBER, .as.number = 12.0};
    check_field(&(mw_field){.name = "n"}, &whole, false, "x=1&n=12");
}
