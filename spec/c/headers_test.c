/* headers_test.c: the headers of an answer, with what a hostile server sends. */
#include "headers.h"
#include "mw/client.h"
#include "secrets.h"
#include "test.h"

static bool take(mw__headers *headers, const char *line)
{
    return mw__headers_line(headers, line, strlen(line));
}

TEST(names_are_lower_case_and_values_trimmed)
{
    mw__headers headers;
    mw__headers_init(&headers);
    CHECK(take(&headers, "HTTP/1.1 200 OK\r\n"));
    CHECK(take(&headers, "X-Request-Id:  abc \r\n"));
    CHECK(take(&headers, "Content-Length: 12\r\n"));
    CHECK(take(&headers, "\r\n"));
    CHECK_INT(mw__headers_list(&headers), MW_OK);
    CHECK_INT(headers.count, 2);
    CHECK_INT(headers.length, 12);
    CHECK_STR(mw__headers_get(&headers, "x-request-id"), "abc");
    CHECK_STR(mw__headers_get(&headers, "nothing"), NULL);
    mw__headers_free(&headers);
}

TEST(an_interim_answer_leaves_nothing_behind)
{
    mw__headers headers;
    mw__headers_init(&headers);
    take(&headers, "HTTP/1.1 103 Early Hints\r\n");
    take(&headers, "link: </a>\r\n");
    take(&headers, "\r\n");
    take(&headers, "HTTP/1.1 200 OK\r\n");
    take(&headers, "a: 1\r\n");
    take(&headers, "\r\n");
    take(&headers, "trailer: believed\r\n");
    mw__headers_list(&headers);
    CHECK_INT(headers.count, 1);
    CHECK_STR(mw__headers_get(&headers, "a"), "1");
    mw__headers_free(&headers);
}

TEST(lengths_that_can_be_read_in_two_ways_end_the_answer)
{
    static const char *const bad[] = {"Content-Length: 99999999999999999999\r\n",
                                      "content-length: -1\r\n", "Content-Length: 1x\r\n",
                                      "CONTENT-LENGTH:\r\n", "Content-Length: 1, 1\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mw__headers headers;
        mw__headers_init(&headers);
        CHECK(!take(&headers, bad[i]));
        CHECK_INT(headers.trouble, MW_HEADERS_BAD_LENGTH);
        mw__headers_free(&headers);
    }
    mw__headers two;
    mw__headers_init(&two);
    CHECK(take(&two, "Content-Length: 5\r\n"));
    CHECK(take(&two, "Content-Length: 5\r\n"));
    CHECK(!take(&two, "Content-Length: 6\r\n"));
    mw__headers_free(&two);
}

TEST(heads_and_trailers_are_counted_together)
{
    mw__headers headers;
    mw__headers_init(&headers);
    char line[1024];
    memset(line, 'a', sizeof line);
    memcpy(line, "x: ", 3);
    line[sizeof line - 2] = '\r';
    line[sizeof line - 1] = '\n';
    size_t taken = 0;
    while (mw__headers_line(&headers, line, sizeof line) && taken < 1000) {
        taken++;
        if (taken == 4)
            take(&headers, "\r\n"); /* the rest comes as trailers */
    }
    CHECK_INT(taken, MW_MAX_HEADERS / sizeof line - 1);
    CHECK_INT(headers.trouble, MW_HEADERS_TOO_LARGE);
    mw__headers_free(&headers);
}

TEST(secrets_are_overwritten_until_dropped)
{
    mw__secrets secrets = {0};
    CHECK_INT(mw__secrets_add(&secrets, "s3cret"), MW_OK);
    CHECK_INT(mw__secrets_add(&secrets, "s3cret"), MW_OK);
    CHECK_INT(mw__secrets_add(&secrets, "other"), MW_OK);
    char text[] = "a s3cret, s3crets3cret and other";
    mw__secrets_redact(&secrets, text);
    CHECK_STR(text, "a ******, ************ and *****");
    mw__secrets_drop(&secrets, "s3cret");
    char once[] = "s3cret";
    mw__secrets_redact(&secrets, once);
    CHECK_STR(once, "******");
    mw__secrets_drop(&secrets, "s3cret");
    char gone[] = "s3cret";
    mw__secrets_redact(&secrets, gone);
    CHECK_STR(gone, "s3cret");
    mw__secrets_clear(&secrets);
}

TEST(the_longer_of_two_secrets_is_struck_out_whole)
{
    mw__secrets secrets = {0};
    mw__secrets_add(&secrets, "token");
    mw__secrets_add(&secrets, "token-and-more");
    mw__secrets_add(&secrets, "x");
    char text[] = "x token-and-more token";
    mw__secrets_redact(&secrets, text);
    CHECK_STR(text, "x ************** *****");
    mw__secrets_clear(&secrets);
}
