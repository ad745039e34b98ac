/* test.h: the harness of the C unit tests. Owns the list of tests; knows nothing of what is tested. One thread.
 *
 *     #include "test.h"
 *
 *     TEST(closest_finds_a_swap)
 *     {
 *         CHECK_STR(mw_closest("nmae", names), "name");
 *     }
 *
 * Each TEST registers itself; all of spec/c/ ending in _test.c is one program, bin/test/mw_unit. A failing check is
 * reported and counted, and the test goes on: a test that can't go on returns. Tests of different files may have one
 * name; two of one file may not. */
#ifndef MW_TEST_H
#define MW_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct mw_test {
    const char *file;
    const char *name;
    void (*fn)(void);
    struct mw_test *next;
} mw_test;

void mw_test_add(mw_test *test);
void mw_test_check(bool ok, const char *file, int line, const char *text);
void mw_test_check_str(const char *got, const char *want, const char *file, int line,
                       const char *text);
void mw_test_check_int(int64_t got, int64_t want, const char *file, int line, const char *text);
void mw_test_check_mem(const void *got, size_t got_length, const void *want, size_t want_length,
                       const char *file, int line, const char *text);

/* Whether the running test has failed so far. */
bool mw_test_failed(void);

#define TEST(name_)                                                                                \
    static void name_(void);                                                                       \
    __attribute__((constructor)) static void register_##name_(void)                                \
    {                                                                                              \
        static mw_test test = {.file = __FILE__, .name = #name_, .fn = name_};                     \
        mw_test_add(&test);                                                                        \
    }                                                                                              \
    static void name_(void)

/* Each evaluates its arguments once. CHECK_STR takes NULL; CHECK_INT takes any integer that fits int64_t. */
#define CHECK(condition) mw_test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_STR(got, want) mw_test_check_str((got), (want), __FILE__, __LINE__, #got)
#define CHECK_INT(got, want)                                                                       \
    mw_test_check_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got)
#define CHECK_MEM(got, got_length, want, want_length)                                              \
    mw_test_check_mem((got), (got_length), (want), (want_length), __FILE__, __LINE__, #got)

#endif
