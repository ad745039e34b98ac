/* limits_test.c: rates and limits as people write them, and as nobody should. */
#include <stdio.h>
#include <stdlib.h>

#include "mw/limits.h"
#include "test.h"

static void check_rate(const char *text, uint32_t count, uint32_t window_ms)
{
    mw_lane_limit limit = {.count = 7, .window_ms = 7, .concurrency = 7};
    mw_error error = {0};
    CHECK_INT(mw_limit_parse(text, &limit, &error), MW_OK);
    CHECK_INT(limit.count, count);
    CHECK_INT(limit.window_ms, window_ms);
    CHECK_INT(limit.concurrency, 7);
    CHECK_STR(error.message, "");
}

static void check_no_rate(const char *text)
{
    mw_lane_limit limit = {.count = 7, .window_ms = 8};
    mw_error error = {0};
    CHECK_INT(mw_limit_parse(text, &limit, &error), MW_INVALID);
    CHECK_INT(mw_limit_parse(text, &limit, NULL), MW_INVALID);
    CHECK_INT(limit.count, 7);
    CHECK_INT(limit.window_ms, 8);
    CHECK_INT(error.code, MW_INVALID);
    CHECK_STR(error.field, "limits");
    CHECK(strstr(error.message, "a rate looks like \"3000/min\"") != NULL);
}

TEST(rates_have_a_count_and_a_window)
{
    check_rate("3000/min", 3000, 60000);
    check_rate("50/s", 50, 1000);
    check_rate("100/10s", 100, 10000);
    check_rate("5000/h", 5000, 3600000);
    check_rate("1/1s", 1, 1000);
    check_rate("1000000/24h", 1000000, MW_MAX_WINDOW_MS);
    check_rate("1/86400s", 1, MW_MAX_WINDOW_MS);
    check_rate("1/1440min", 1, MW_MAX_WINDOW_MS);
    check_rate("007/01s", 7, 1000);
    check_rate("off", MW_NO_LIMIT, 0);
}

TEST(what_is_no_rate_is_refused)
{
    static const char *const bad[] = {"",
                                      "3000",
                                      "/min",
                                      "/",
                                      "min",
                                      "0/s",
                                      "00/s",
                                      "-1/s",
                                      "+1/s",
                                      "1.5/s",
                                      "1e3/s",
                                      "0x10/s",
                                      "1 /s",
                                      " 1/s",
                                      "1/s ",
                                      "1/ s",
                                      "1/",
                                      "1/x",
                                      "1/S",
                                      "1/0s",
                                      "1/-1s",
                                      "1/ms",
                                      "1/s/s",
                                      "1/10",
                                      "OFF",
                                      "off ",
                                      "1000001/s",
                                      "4294967295/s",
                                      "4294967296/s",
                                      "4294967297/s",
                                      "99999999999999999999999999/s",
                                      "1/25h",
                                      "1/1441min",
                                      "1/86401s",
                                      "1/71582789min",
                                      "1/1193046h",
                                      "1/4294967297s",
                                      "1/99999999999999999999s",
                                      "\xff\xfe/s",
                                      "%n%n%s/s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_no_rate(bad[i]);
}

TEST(a_long_or_dirty_rate_is_one_short_line)
{
    char text[4001];
    mw_lane_limit limit;
    mw_error error = {0};
    memset(text, '9', sizeof text - 1);
    text[0] = '\n';
    text[4000] = '\0';
    CHECK_INT(mw_limit_parse(text, &limit, &error), MW_INVALID);
    CHECK(strlen(error.message) < 300);
    CHECK(strchr(error.message, '\n') == NULL);
}

static int parse(const char *text, mw_limits *limits, mw_error *error, char *copy, size_t size)
{
    snprintf(copy, size, "%s", text);
    *error = (mw_error){0};
    return mw_limits_parse(copy, "/state/limits.db", limits, error);
}

TEST(limits_as_one_line)
{
    char copy[300];
    mw_limits limits;
    mw_error error;
    CHECK_INT(parse("all=3000/min,search=off,write.concurrency=4,shared=/var/lib/desk.limits",
                    &limits, &error, copy, sizeof copy),
              MW_OK);
    CHECK(!limits.off);
    CHECK_INT(limits.lanes[MW_LANE_ALL].count, 3000);
    CHECK_INT(limits.lanes[MW_LANE_ALL].window_ms, 60000);
    CHECK_INT(limits.lanes[MW_LANE_ALL].concurrency, 0);
    CHECK_INT(limits.lanes[MW_LANE_SEARCH].count, MW_NO_LIMIT);
    CHECK_INT(limits.lanes[MW_LANE_REPORTS].count, 0);
    CHECK_INT(limits.lanes[MW_LANE_WRITE].count, 0);
    CHECK_INT(limits.lanes[MW_LANE_WRITE].concurrency, 4);
    CHECK_STR(limits.shared, "/var/lib/desk.limits");

    CHECK_INT(parse(" write=10/s , write.concurrency=1 ,shared", &limits, &error, copy, sizeof copy),
              MW_OK);
    CHECK_INT(limits.lanes[MW_LANE_WRITE].count, 10);
    CHECK_INT(limits.lanes[MW_LANE_WRITE].concurrency, 1);
    CHECK_STR(limits.shared, "/state/limits.db");

    CHECK_INT(parse("off", &limits, &error, copy, sizeof copy), MW_OK);
    CHECK(limits.off);
    CHECK(limits.shared == NULL);
    CHECK_INT(parse("upload=2/s,off", &limits, &error, copy, sizeof copy), MW_OK);
    CHECK(limits.off);
    CHECK_INT(limits.lanes[MW_LANE_UPLOAD].count, 2);
}

TEST(what_is_no_limit_is_named)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "'' is none of LANE=RATE"},
        {"all=1/s,", "'' is none of LANE=RATE"},
        {",", "'' is none of LANE=RATE"},
        {"all", "'all' is none of"},
        {"=", "'' is none of"},
        {"3000/min", "'3000/min' is none of"},
        {"serch=1/s", "no lane 'serch' (did you mean 'search'?)"},
        {"reads=1/s", "'reads' is none of LANE=RATE"},
        {"all.concurency=4", "'all.concurency' is none of"},
        {"nothing.concurrency=4", "'nothing' is none of"},
        {"all=", "'all': a rate looks like"},
        {"all=fast", "'all': a rate looks like"},
        {"search=1/s,search=2/s", "'search' stands there twice"},
        {"write.concurrency=1,write.concurrency=1", "'write' stands there twice"},
        {"write.concurrency=0", "'write.concurrency' must be a number from 1"},
        {"write.concurrency=-1", "'write.concurrency' must be"},
        {"write.concurrency=4x", "'write.concurrency' must be"},
        {"write.concurrency=", "'write.concurrency' must be"},
        {"write.concurrency=4294967297", "'write.concurrency' must be"},
        {"shared=", "name one, shared=/path"},
        {"shared,shared", "'shared' stands there twice"},
        {"shard", "did you mean 'shared'?"},
        {"of", "did you mean 'off'?"},
    };
    char copy[300];
    mw_limits limits;
    mw_error error;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(parse(bad[i].text, &limits, &error, copy, sizeof copy), MW_INVALID);
        CHECK_STR(error.field, "limits");
        if (!strstr(error.message, bad[i].says))
            CHECK_STR(error.message, bad[i].says);
    }
    snprintf(copy, sizeof copy, "shared");
    CHECK_INT(mw_limits_parse(copy, NULL, &limits, NULL), MW_INVALID);
}

/* Every text that differs from a sound one in one byte is read or refused, in bounds. */
TEST(every_byte_of_limits_may_be_anything)
{
    static const char sound[] = "all=30/min,write.concurrency=4,shared=/x,off";
    for (size_t at = 0; at < sizeof sound - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char *copy = malloc(sizeof sound); /* no larger, so that reading beyond is noticed */
            mw_limits limits;
            if (!copy)
                return;
            memcpy(copy, sound, sizeof sound);
            copy[at] = (char)byte;
            int rc = mw_limits_parse(copy, NULL, &limits, NULL);
            CHECK(rc == MW_OK || rc == MW_INVALID);
            for (unsigned lane = 0; rc == MW_OK && lane < MW_LANES; lane++) {
                const mw_lane_limit *limit = &limits.lanes[lane];
                CHECK(limit->count <= MW_MAX_LIMIT || limit->count == MW_NO_LIMIT);
                CHECK(limit->window_ms <= MW_MAX_WINDOW_MS);
                CHECK((limit->window_ms > 0) == (limit->count > 0 && limit->count != MW_NO_LIMIT));
            }
            free(copy);
        }
    }
}
