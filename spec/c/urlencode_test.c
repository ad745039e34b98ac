/* urlencode_test.c: the text of URLs and forms. */
#include <stdio.h>
#include <string.h>

#include "curl_lib.h"
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

/* Whether libcurl's parser gives back what it was given. */
static bool is_kept(const char *url)
{
    CURLU *parsed = mw__curl->url();
    char *text = NULL;
    bool kept = mw__curl->url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK &&
                mw__curl->url_get(parsed, CURLUPART_URL, &text, 0) == CURLUE_OK &&
                strcmp(url, text) == 0;
    mw__curl->free(text);
    mw__curl->url_cleanup(parsed);
    return kept;
}

TEST(what_is_plain_libcurl_keeps)
{
    static const char *const plain[] = {
        "/",           "/a/b.c", "/a%20b%2f%2F", "/a/../b/./c", "/a?b=c&d=%5B",
        "/a?%C3%A9=1", "/?a",    "/a/",          "/..?b=..",
    };
    static const char *const other[] = {
        "",      "a",     "?a",    "//a",    "/a//b",     "/a b",   "/a%2",
        "/a%zz", "/a#b",  "/a?",   "/a?b?c", "/a?b#c",    "/a?b/c", "/a@b",
        "/a:b",  "/a\\b", "/a\tb", "/a?b c", "/\xC3\xA9", "/a[]",   "/a%",
    };
    CHECK_INT(mw__curl_load(NULL), 0);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:80%s", plain[i]);
        CHECK(mw__url_is_plain(plain[i]));
        CHECK(is_kept(url));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        CHECK(!mw__url_is_plain(other[i]));
}

/* Every text of three characters out of those that mean something in a URL. */
TEST(nothing_that_libcurl_changes_is_plain)
{
    static const char signs[] = "/?#&=%2eE.:@;+[]\\ aZ~-_";
    size_t count = sizeof signs - 1;
    CHECK_INT(mw__curl_load(NULL), 0);
    for (size_t i = 0; i < count * count * count; i++) {
        char url[40];
        snprintf(url, sizeof url, "http://127.0.0.1:80/%c%c%c", signs[i % count],
                 signs[i / count % count], signs[i / count / count]);
        if (mw__url_is_plain(url + strlen("http://127.0.0.1:80")))
            CHECK(is_kept(url));
    }
}
