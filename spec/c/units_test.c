/* units_test.c: numbers with a unit, and options that are given several times. */
#include "units.h"

#include "cli.h"
#include "test.h"

typedef bool (*parse_fn)(const char *text, uint64_t *value);

static void check_good(parse_fn parse, const char *text, uint64_t want)
{
    uint64_t value = 7;
    CHECK(parse(text, &value));
    CHECK_INT(value, want);
}

static void check_bad(parse_fn parse, const char *const *texts)
{
    uint64_t value;
    for (size_t i = 0; texts[i]; i++) {
        bool taken = parse(texts[i], &value);
        CHECK(!taken);
        if (taken)
            CHECK_STR(texts[i], "refused");
    }
}

TEST(sizes_are_powers_of_1024)
{
    static const char *const bad[] = {"",
                                      "M",
                                      "-1",
                                      "1.",
                                      ".5",
                                      "1 M",
                                      "1MB",
                                      "1x",
                                      "1.M",
                                      "0x1",
                                      "1e6",
                                      "1T",
                                      "+1",
                                      "99999999999999999999",
                                      "1125899906842625",
                                      "1048577G",
                                      NULL};
    check_good(mw__parse_size, "0", 0);
    check_good(mw__parse_size, "4096", 4096);
    check_good(mw__parse_size, "1B", 1);
    check_good(mw__parse_size, "10k", 10240);
    check_good(mw__parse_size, "64M", 64 << 20);
    check_good(mw__parse_size, "1.5G", UINT64_C(3) << 29);
    check_good(mw__parse_size, "0.0001k", 1);
    check_good(mw__parse_size, "1.9999999999999", 2);
    check_bad(mw__parse_size, bad);
}

TEST(times_are_milliseconds_rounded_up)
{
    static const char *const bad[] = {"", "s", "-1", "1d", "1 s", "1,5", "inf", "nan", NULL};
    check_good(mw__parse_seconds, "30", 30000);
    check_good(mw__parse_seconds, "1.5s", 1500);
    check_good(mw__parse_seconds, "0.25", 250);
    check_good(mw__parse_seconds, "250ms", 250);
    check_good(mw__parse_seconds, "0.1ms", 1);
    check_good(mw__parse_seconds, "2m", 120000);
    check_good(mw__parse_seconds, "1h", 3600000);
    check_good(mw__parse_seconds, "0", 0);
    check_bad(mw__parse_seconds, bad);
}

TEST(counts_are_digits)
{
    static const char *const bad[] = {"", "1.0", "1k", "-1", "many", " 1", NULL};
    check_good(mw__parse_count, "0", 0);
    check_good(mw__parse_count, "10000", 10000);
    check_bad(mw__parse_count, bad);
}

TEST(sizes_and_times_are_shown_as_people_write_them)
{
    char text[32];
    CHECK_STR(mw__show_size(64 << 20, text, sizeof text), "64 MiB");
    CHECK_STR(mw__show_size(1536, text, sizeof text), "1.5 KiB");
    CHECK_STR(mw__show_size(1000, text, sizeof text), "1000 bytes");
    CHECK_STR(mw__show_size(UINT64_C(3) << 30, text, sizeof text), "3 GiB");
    CHECK_STR(mw__show_seconds(30000, text, sizeof text), "30 s");
    CHECK_STR(mw__show_seconds(250, text, sizeof text), "0.25 s");
}

TEST(an_option_gives_each_of_its_values)
{
    static const mw__option options[] = {
        {"--allow", "PATTERN", ""}, {"--deny", "PATTERN", ""}, {"--twin", NULL, ""}, {0}};
    static const mw__command command = {
        .name = "run", .operand = "SCRIPT", .script = true, .options = options};
    char words[][12] = {"moonwire", "run",     "--allow", "a",       "--twin", "--allow=b",
                        "--deny",   "--allow", "x.lua",   "--allow", "mine"};
    char *argv[sizeof words / sizeof words[0]];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        argv[i] = words[i];
    mw__args args;
    int at = 0;
    CHECK_INT(mw__args_parse(&command, (int)(sizeof argv / sizeof argv[0]), argv, &args), -1);
    CHECK_STR(mw__args_each(&args, "--allow", &at), "a");
    CHECK_STR(mw__args_each(&args, "--allow", &at), "b");
    CHECK(!mw__args_each(&args, "--allow", &at)); /* what follows the script is the script's */
    at = 0;
    CHECK_STR(mw__args_each(&args, "--deny", &at), "--allow");
    CHECK(!mw__args_each(&args, "--deny", &at));
    CHECK_STR(mw__args_get(&args, "--allow"), "b");
    CHECK_STR(mw__args_get(&args, "--twin"), "");
}
