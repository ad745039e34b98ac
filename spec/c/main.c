/* main.c: runs the C unit tests. Owns the list and the counts; must not know what is tested. One thread.
 *
 *     mw_unit [-l] [PATTERN]    all tests, or those whose "file: name" holds PATTERN; -l only lists them
 *
 * The last line is "N passed, N failed"; the exit code is 1 when a test failed or none was found. */
#include "test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static mw_test *tests;
static unsigned failed_checks;

void mw_test_add(mw_test *test)
{
    mw_test **at = &tests;
    while (*at)
        at = &(*at)->next;
    *at = test;
}

bool mw_test_failed(void)
{
    return failed_checks > 0;
}

static void fail(const char *file, int line)
{
    failed_checks++;
    printf("%s:%d: ", file, line);
}

/* Text as C would write it, so that a stray control character or a missing string shows. */
static void print_text(const char *text, size_t length)
{
    if (!text) {
        printf("NULL");
        return;
    }
    putchar('"');
    for (size_t i = 0; i < length && i < 2000; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_difference(const char *got, size_t got_length, const char *want,
                             size_t want_length)
{
    printf("got ");
    print_text(got, got_length);
    printf(", want ");
    print_text(want, want_length);
    putchar('\n');
}

void mw_test_check(bool ok, const char *file, int line, const char *text)
{
    if (ok)
        return;
    fail(file, line);
    printf("not true: %s\n", text);
}

void mw_test_check_str(const char *got, const char *want, const char *file, int line,
                       const char *text)
{
    if (got == want || (got && want && strcmp(got, want) == 0))
        return;
    fail(file, line);
    printf("%s: ", text);
    print_difference(got, got ? strlen(got) : 0, want, want ? strlen(want) : 0);
}

void mw_test_check_int(int64_t got, int64_t want, const char *file, int line, const char *text)
{
    if (got == want)
        return;
    fail(file, line);
    printf("%s: got %" PRId64 ", want %" PRId64 "\n", text, got, want);
}

void mw_test_check_mem(const void *got, size_t got_length, const void *want, size_t want_length,
                       const char *file, int line, const char *text)
{
    if (got_length == want_length && (got_length == 0 || memcmp(got, want, got_length) == 0))
        return;
    fail(file, line);
    printf("%s: %zu bytes, want %zu: ", text, got_length, want_length);
    print_difference(got, got_length, want, want_length);
}

static bool wanted(const mw_test *test, const char *pattern)
{
    char label[512];
    snprintf(label, sizeof label, "%s: %s", test->file, test->name);
    return !pattern || strstr(label, pattern);
}

int main(int argc, char **argv)
{
    bool list = argc > 1 && strcmp(argv[1], "-l") == 0;
    const char *pattern = list ? (argc > 2 ? argv[2] : NULL) : (argc > 1 ? argv[1] : NULL);
    unsigned passed = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (mw_test *test = tests; test; test = test->next) {
        if (!wanted(test, pattern))
            continue;
        if (list) {
            printf("%s: %s\n", test->file, test->name);
            continue;
        }
        failed_checks = 0;
        test->fn();
        if (failed_checks) {
            failed++;
            printf("FAILED %s: %s\n", test->file, test->name);
        } else {
            passed++;
        }
    }
    if (list)
        return EXIT_SUCCESS;
    printf("%u passed, %u failed\n", passed, failed);
    return failed || !passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
