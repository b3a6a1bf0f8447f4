/* SPDX-License-Identifier: MIT
 *
 * A stand-in for cmocka where there is none, as for most targets of a cross compiler: what the tests
 * here use of it, under the same names, with the same meaning. Not a second cmocka: no mocks, no
 * caught signals, no XML. As with cmocka, setjmp.h, stdarg.h, stddef.h and stdint.h come before it.
 * A test program includes it in one file.
 */
#ifndef WENGERT_CMOCKA_STAND_IN_H
#define WENGERT_CMOCKA_STAND_IN_H

#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
};
typedef struct CMUnitTest CMUnitTest;

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f, NULL, NULL                                                                          \
    }
#define cmocka_unit_test_teardown(f, teardown)                                                     \
    {                                                                                              \
#f, f, NULL, teardown                                                                      \
    }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                        \
    {                                                                                              \
#f, f, setup, teardown                                                                     \
    }

/* Where a test that ends early goes on, and how the last one ended. */
static jmp_buf stand_in_end;
static enum {
    STAND_IN_PASSED,
    STAND_IN_FAILED,
    STAND_IN_SKIPPED
} stand_in_outcome;

#if defined(__GNUC__)
#define STAND_IN_PRINTF __attribute__((format(printf, 1, 2)))
#define STAND_IN_NORETURN __attribute__((noreturn))
#else
#define STAND_IN_PRINTF
#define STAND_IN_NORETURN
#endif

STAND_IN_PRINTF static inline void print_message(const char *format, ...)
{
    va_list parts;
    va_start(parts, format);
    vprintf(format, parts);
    va_end(parts);
    fflush(stdout);
}

STAND_IN_PRINTF static inline void print_error(const char *format, ...)
{
    va_list parts;
    va_start(parts, format);
    vfprintf(stderr, format, parts);
    va_end(parts);
}

STAND_IN_NORETURN static inline void _fail(const char *file, int line)
{
    print_error("%s:%d: failure\n", file, line);
    stand_in_outcome = STAND_IN_FAILED;
    longjmp(stand_in_end, 1);
}

STAND_IN_NORETURN static inline void skip(void)
{
    stand_in_outcome = STAND_IN_SKIPPED;
    longjmp(stand_in_end, 1);
}

static inline void stand_in_check(int good, const char *what, const char *file, int line)
{
    if (good)
        return;
    print_error("not so: %s\n", what);
    _fail(file, line);
}

/* Two whole numbers of any type, of which equal ones stay equal; is that what they should be? */
static inline void stand_in_compare(uintmax_t a, uintmax_t b, int equal, const char *file, int line)
{
    if ((a == b) == (equal != 0))
        return;
    print_error("%jd %s %jd\n", (intmax_t)a, equal ? "is not" : "is", (intmax_t)b);
    _fail(file, line);
}

static inline void stand_in_check_range(uintmax_t x, uintmax_t low, uintmax_t high,
                                        const char *file, int line)
{
    if (low <= x && x <= high)
        return;
    print_error("%ju is not from %ju to %ju\n", x, low, high);
    _fail(file, line);
}

static inline void stand_in_compare_strings(const char *a, const char *b, const char *file,
                                            int line)
{
    if (strcmp(a, b) == 0)
        return;
    print_error("\"%s\" is not \"%s\"\n", a, b);
    _fail(file, line);
}

#define fail() _fail(__FILE__, __LINE__)
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), fail())
#define stand_in_assert(condition, what)                                                           \
    stand_in_check((condition) ? 1 : 0, what, __FILE__, __LINE__)
#define assert_true(c) stand_in_assert(c, #c)
#define assert_false(c) stand_in_assert(!(c), "!(" #c ")")
#define assert_null(p) stand_in_assert((p) == NULL, #p " is null")
#define assert_non_null(p) stand_in_assert((p) != NULL, #p " is not null")
#define assert_ptr_equal(a, b) stand_in_assert((a) == (b), #a " is " #b)
#define assert_int_equal(a, b)                                                                     \
    stand_in_compare((uintmax_t)(a), (uintmax_t)(b), 1, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                 \
    stand_in_compare((uintmax_t)(a), (uintmax_t)(b), 0, __FILE__, __LINE__)
#define assert_in_range(x, low, high)                                                              \
    stand_in_check_range((uintmax_t)(x), (uintmax_t)(low), (uintmax_t)(high), __FILE__, __LINE__)
#define assert_string_equal(a, b) stand_in_compare_strings(a, b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size)                                                            \
    stand_in_assert(memcmp(a, b, size) == 0, #a " has the bytes of " #b)
#define assert_memory_not_equal(a, b, size)                                                        \
    stand_in_assert(memcmp(a, b, size) != 0, #a " has other bytes than " #b)

/* Runs one test between its setup and its teardown; its outcome is in stand_in_outcome. */
static inline void stand_in_run(const struct CMUnitTest *test, void **state)
{
    stand_in_outcome = STAND_IN_PASSED;
    if (test->setup != NULL && test->setup(state) != 0) {
        print_error("%s: its setup failed\n", test->name);
        stand_in_outcome = STAND_IN_FAILED;
        return;
    }
    if (setjmp(stand_in_end) == 0)
        test->test(state);
    if (test->teardown != NULL && test->teardown(state) != 0) {
        print_error("%s: its teardown failed\n", test->name);
        stand_in_outcome = STAND_IN_FAILED;
    }
}

/* How many tests failed. */
static inline int stand_in_run_group(const char *group, const struct CMUnitTest *tests, size_t n,
                                     int (*setup)(void **state), int (*teardown)(void **state))
{
    static const char *const outcomes[] = {"OK", "FAILED", "SKIPPED"};
    void *shared = NULL;
    if (setup != NULL && setup(&shared) != 0) {
        print_error("%s: the setup failed\n", group);
        return (int)n;
    }
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        void *state = shared; /* what a test's setup leaves here is its own */
        stand_in_run(&tests[i], &state);
        print_message("%-8s %s\n", outcomes[stand_in_outcome], tests[i].name);
        failed += stand_in_outcome == STAND_IN_FAILED;
    }
    if (teardown != NULL && teardown(&shared) != 0) {
        print_error("%s: the teardown failed\n", group);
        failed++;
    }
    print_message("%s: %zu tests, %d failed\n", group, n, failed);
    return failed;
}

#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    stand_in_run_group(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cmocka_run_group_tests_name(#tests, tests, setup, teardown)

#endif
