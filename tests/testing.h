/* SPDX-License-Identifier: MIT
 *
 * What the tests share: cmocka with the headers it asks for, comparisons of numbers and texts that
 * show what they saw, and an allocator that fails. Numbers are compared as double whatever ag_real
 * is.
 */
#ifndef WENGERT_TESTING_H
#define WENGERT_TESTING_H

#include <wengert/autograd.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A few roundings of the library's number type. */
#define ROUNDING (64 * (double)AG_REAL_EPSILON)

/* The same number: NaN is NaN, 0 is not -0. */
static inline bool is_same(double actual, double expected)
{
    if (isnan(expected))
        return isnan(actual);
    return actual == expected && !signbit(actual) == !signbit(expected);
}

/* Equal to within tolerance * max(1, |expected|). NaN and the infinities: themselves alone. */
static inline bool is_close(double actual, double expected, double tolerance)
{
    if (!isfinite(actual) || !isfinite(expected))
        return is_same(actual, expected);
    return fabs(actual - expected) <= tolerance * fmax(1, fabs(expected));
}

static inline void check_number(bool good, double actual, double expected, const char *what,
                                const char *file, int line)
{
    if (good)
        return;
    print_error("%s is %.17g, not %.17g\n", what, actual, expected);
    _fail(file, line);
}

static inline void check_close(double actual, double expected, double tolerance, const char *what,
                               const char *file, int line)
{
    check_number(is_close(actual, expected, tolerance), actual, expected, what, file, line);
}

static inline void check_same(double actual, double expected, const char *what, const char *file,
                              int line)
{
    check_number(is_same(actual, expected), actual, expected, what, file, line);
}

static inline void check_contains(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part) != NULL)
        return;
    print_error("\"%s\" is not in \"%s\"\n", part, text);
    _fail(file, line);
}

#define assert_close(actual, expected, tolerance)                                                  \
    check_close((double)(actual), (double)(expected), tolerance, #actual, __FILE__, __LINE__)
#define assert_same(actual, expected)                                                              \
    check_same((double)(actual), (double)(expected), #actual, __FILE__, __LINE__)
#define assert_contains(text, part) check_contains(text, part, __FILE__, __LINE__)

/* An ag_allocator that counts, and fails when it is told to. */
typedef struct failing_heap {
    long allowed; /* requests until one fails; negative: none does */
    long requests;
    size_t bytes;
} failing_heap;

static inline void *allocate_or_fail(void *user, void *pointer, size_t old_size, size_t new_size)
{
    failing_heap *h = user;
    if (new_size == 0) {
        free(pointer);
        h->bytes -= old_size;
        return NULL;
    }
    h->requests++;
    if (h->allowed >= 0 && h->requests > h->allowed)
        return NULL;
    void *block = realloc(pointer, new_size);
    if (block != NULL)
        h->bytes += new_size - old_size;
    return block;
}

#endif
