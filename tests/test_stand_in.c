/* SPDX-License-Identifier: MIT
 *
 * The stand-in for cmocka can fail: each of its assertions once as it holds and once as it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "stand_in/cmocka.h"

static int began, torn_down;

/* X(name, what holds, what does not) */
#define ASSERTION_LIST(X)                                                                          \
    X(true, assert_true(began > 0), assert_true(began < 0))                                        \
    X(false, assert_false(began < 0), assert_false(began > 0))                                     \
    X(null, assert_null(*state), assert_null(&began))                                              \
    X(non_null, assert_non_null(&began), assert_non_null(*state))                                  \
    X(ptr_equal, assert_ptr_equal(&began, &began), assert_ptr_equal(&began, &torn_down))           \
    X(int_equal, assert_int_equal(-1, -1L), assert_int_equal(UINT32_MAX, -1))                      \
    X(int_not_equal, assert_int_not_equal(UINT32_MAX, -1), assert_int_not_equal(7, 7L))            \
    X(low, assert_in_range(2, 2, 4), assert_in_range(1, 2, 4))                                     \
    X(high, assert_in_range(4, 2, 4), assert_in_range(5, 2, 4))                                    \
    X(string, assert_string_equal("one", "one"), assert_string_equal("one", "once"))               \
    X(memory, assert_memory_equal("one", "once", 2), assert_memory_equal("one", "once", 3))        \
    X(other, assert_memory_not_equal("one", "once", 3), assert_memory_not_equal("one", "once", 2)) \
    X(fail, (void)0, fail())                                                                       \
    X(fail_msg, (void)0, fail_msg("said %d", 1))                                                   \
    X(skip, skip(), fail())

#define TESTS(name, good, bad)                                                                     \
    static void good_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        began++;                                                                                   \
        good;                                                                                      \
    }                                                                                              \
    static void bad_##name(void **state)                                                           \
    {                                                                                              \
        (void)state;                                                                               \
        began++;                                                                                   \
        bad;                                                                                       \
    }
ASSERTION_LIST(TESTS)

static int tear_down(void **state)
{
    (void)state;
    torn_down++;
    return 0;
}

static int refuse(void **state)
{
    (void)state;
    return -1;
}

int main(void)
{
#define GOOD(name, good, bad) cmocka_unit_test_teardown(good_##name, tear_down),
    const struct CMUnitTest right[] = {ASSERTION_LIST(GOOD)};
#define BAD(name, good, bad) cmocka_unit_test_teardown(bad_##name, tear_down),
    const struct CMUnitTest wrong[] = {ASSERTION_LIST(BAD)};
    const struct CMUnitTest unready[] = {
        cmocka_unit_test_setup_teardown(good_fail, refuse, tear_down),
        cmocka_unit_test_teardown(good_fail, refuse),
    };
    const int count = (int)(sizeof right / sizeof right[0]);

    const int failed_right = cmocka_run_group_tests(right, NULL, tear_down);
    const bool one_by_one = torn_down == count + 1 && began == count;
    const int failed_wrong = cmocka_run_group_tests(wrong, NULL, NULL);
    const int failed_unready = cmocka_run_group_tests(unready, NULL, NULL);
    const int failed_group = cmocka_run_group_tests_name("refused", right, refuse, NULL);
    const bool good = failed_right == 0 && one_by_one && failed_wrong == count &&
                      failed_unready == 2 && failed_group == count;
    printf("what fails above should%s\n", good ? "" : " not, or something that should did not");
    return good ? 0 : 1;
}
