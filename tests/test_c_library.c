/* SPDX-License-Identifier: MIT
 *
 * The functions that generated C brings along, as a device has them: all of them are written to a
 * file, compiled by this build's compiler in double and in float, loaded, and compared with libm's
 * long double over the whole number line, in ulps of the result; polygamma with the library's own.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "c_text.h"
#include "emulated.h"
#include "special.h"
#include "testing.h"

#include <dlfcn.h>
#include <float.h>
#include <stdio.h>
#include <unistd.h>

/* ---- What there is --------------------------------------------------------------------------- */

/* Where something happens (low to high), and how far results may be off, in ulps, in double and in
 * float. Behind it, the most that was seen among two million samples, on top of glibc 2.36 for x86-64:
 * SHOW_ULPS=1 shows it, of as many as SAMPLES says. */
typedef struct function {
    const char *name;
    long double (*expected)(long double x);
    double low, high;
    double bounds[2];
} function;

/* Below 0, lgamma crosses 0 again and again as a difference of two that don't; its error there is
 * taken against the larger of them. */
static long double lgamma_scale(long double x)
{
    return x < 0 ? fmaxl(fabsl(lgammal(x)), fabsl(lgammal(1 - x))) : fabsl(lgammal(x));
}

/* musl's has numbers below -2, too. */
static long double find_acosh(long double x)
{
    return x < 1 ? (long double)NAN : acoshl(x);
}

static const function functions[] = {
    {"exp2", exp2l, -30, 30, {1, 1}},        /* 0.75, 0.75 */
    {"expm1", expm1l, -3, 3, {2.5, 2.5}},    /* 1.69, 1.73 */
    {"log2", log2l, 0.01, 4, {2, 2.5}},      /* 1.34, 1.80 */
    {"log1p", log1pl, -1, 3, {3, 3}},        /* 1.98, 2.15 */
    {"cbrt", cbrtl, -30, 30, {1, 1}},        /* 0.73, 0.73 */
    {"asinh", asinhl, -5, 5, {3.5, 3.5}},    /* 2.55, 2.50 */
    {"acosh", find_acosh, 1, 5, {3.5, 3.5}}, /* 2.48, 2.75 */
    {"atanh", atanhl, -1, 1, {3.5, 4}},      /* 2.56, 2.87 */
    {"erf", erfl, -3, 3, {3.5, 3.5}},        /* 2.65, 2.58 */
    {"erfc", erfcl, -2, 28, {6, 6}},         /* 4.79, 4.71 */
    {"lgamma", lgammal, -8, 30, {8, 8}},     /* 5.92, 6.46 */
};
static const double hypot_bounds[2] = {2.5, 2.5}; /* 1.89, 1.94 */

enum {
    FUNCTIONS = sizeof(functions) / sizeof(*functions),
    SAMPLES = 10000
};

/* ---- Compiled and loaded --------------------------------------------------------------------- */

typedef struct build {
    bool use_float;
    char directory[32];
    void *object;
} build;

static char *write_library(const build *b, bool small_libm, uint32_t *size)
{
    agi_memory memory = {0};
    agi_text calls = {.memory = &memory}, text = {.memory = &memory};
    agi_c_library library = {
        .use_float = b->use_float, .small_libm = small_libm, .prefix = "device", .needed = 0};
    for (size_t i = 0; i < FUNCTIONS; i++) {
        char pattern[200];
        (void)snprintf(pattern, sizeof(pattern),
                       "real call_%s(real x);\nreal call_%s(real x)\n{\n    return @%s(x);\n}\n",
                       functions[i].name, functions[i].name, functions[i].name);
        agi_put_template(&calls, &library, pattern, "", NULL);
    }
    agi_put_template(&calls, &library,
                     "real call_hypot(real x, real y);\n"
                     "real call_hypot(real x, real y)\n{\n    return @hypot(x, y);\n}\n"
                     "real call_polygamma(real n, real x);\n"
                     "real call_polygamma(real n, real x)\n{\n    return @polygamma(n, x);\n}\n",
                     "", NULL);
    agi_text_put(&text, "#include <math.h>\n\n");
    agi_put_library(&text, &library);
    agi_text_append(&text, calls.chars, calls.count);
    assert_false(text.failed || calls.failed);
    char *copy = calloc(text.count + 1, 1);
    assert_non_null(copy);
    memcpy(copy, text.chars, text.count);
    *size = text.count;
    agi_text_free(&calls);
    agi_text_free(&text);
    return copy;
}

/* libm's own roundings, where its long double is no more than a double */
static double get_bound(const double bounds[2], const build *b)
{
    return bounds[b->use_float] + (!b->use_float && LDBL_MANT_DIG == DBL_MANT_DIG ? 1 : 0);
}

/* No precision beyond the type's, as in the library: near a zero x87's longer registers are many
 * roundings away from it, and by old custom s390x takes floats for doubles. */
#if defined(__i386__) && defined(__SSE2_MATH__)
#define SAME_ARITHMETIC "-msse2 -mfpmath=sse -ffp-contract=off -fno-math-errno"
#elif defined(__s390x__)
#define SAME_ARITHMETIC "-fexcess-precision=fast -ffp-contract=off -fno-math-errno"
#else
#define SAME_ARITHMETIC "-ffp-contract=off -fno-math-errno"
#endif

/* Runs "COMPILER flags library.c -o output" in the build's directory; it must have nothing to say. */
static void compile(const build *b, const char *variable, const char *standard, const char *output)
{
    const char *compiler = getenv(variable);
    char command[1000];
    const int n =
        snprintf(command, sizeof(command),
                 "cd %s && %s -O2 -fPIC " SAME_ARITHMETIC " -Wall -Wextra -Wpedantic -Wshadow "
                 "-Wconversion -Wdouble-promotion -Werror %s library.c %s 2>&1",
                 b->directory, compiler, standard, output);
    assert_in_range(n, 1, sizeof(command) - 1);
    if (system(command) == 0)
        return;
    print_error("%s\n", command);
    fail();
}

static void set_up(build *b, bool use_float)
{
    *b = (build){use_float, "/tmp/wengert-XXXXXX", NULL};
    assert_non_null(mkdtemp(b->directory));
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/library.c", b->directory);
    uint32_t size;
    char *text = write_library(b, true, &size);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(text);
    compile(b, "CC", "-std=c99", "-shared -o library.so -lm");
    if (getenv("CXX") != NULL)
        compile(b, "CXX", "-std=c++17 -x c++ -Wno-missing-declarations", "-fsyntax-only");
    (void)snprintf(path, sizeof(path), "%s/library.so", b->directory);
    b->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (b->object == NULL)
        print_error("%s\n", dlerror());
    assert_non_null(b->object);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/library.c", b->directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(b->directory), 0);
}

static void tear_down(build *b)
{
    assert_int_equal(dlclose(b->object), 0);
}

/* ISO C has no way from an object's address to a function's but its bytes. */
static void find_call(const build *b, const char *name, void *pointer)
{
    char symbol[32];
    (void)snprintf(symbol, sizeof(symbol), "call_%s", name);
    void *address = dlsym(b->object, symbol);
    assert_non_null(address);
    memcpy(pointer, &address, sizeof(address));
}

static double call(const build *b, const char *name, double x)
{
    double (*in_double)(double x);
    float (*in_float)(float x);
    if (b->use_float) {
        find_call(b, name, &in_float);
        return (double)in_float((float)x);
    }
    find_call(b, name, &in_double);
    return in_double(x);
}

static double call_two(const build *b, const char *name, double x, double y)
{
    double (*in_double)(double x, double y);
    float (*in_float)(float x, float y);
    if (b->use_float) {
        find_call(b, name, &in_float);
        return (double)in_float((float)x, (float)y);
    }
    find_call(b, name, &in_double);
    return in_double(x, y);
}

/* ---- Compared -------------------------------------------------------------------------------- */

static double draw(double low, double high)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (high - low) * ((double)(state >> 11) / 9007199254740992.0);
}

/* Any magnitude that the type has, of either sign. */
static double draw_magnitude(const build *b)
{
    const double x =
        ldexp(draw(1, 2), (int)draw(b->use_float ? -149 : -1074, b->use_float ? 128 : 1024));
    return draw(-1, 1) < 0 ? -x : x;
}

static double round_to(const build *b, double x)
{
    return b->use_float ? (double)(float)x : x;
}

/* Ulps of the type between a result and what it should be, at the size of `scale`. The first number
 * that is too large counts as any other. */
static double count_ulps(const build *b, double actual, long double expected, long double scale)
{
    const int digits = b->use_float ? FLT_MANT_DIG : DBL_MANT_DIG;
    const int least = b->use_float ? FLT_MIN_EXP : DBL_MIN_EXP;
    const long double end = ldexpl(1, b->use_float ? FLT_MAX_EXP : DBL_MAX_EXP);
    if (isnan(actual) || isnan(expected))
        return isnan(actual) && isnan(expected) ? 0 : (double)INFINITY;
    if (!signbit(actual) != !signbit(expected))
        return (double)INFINITY;
    const long double reached = fminl(fabsl((long double)actual), end);
    const long double wanted = fminl(fabsl(expected), end);
    int exponent;
    (void)frexpl(fminl(scale, end), &exponent);
    return (double)ldexpl(fabsl(reached - wanted), digits - (exponent > least ? exponent : least));
}

static double measure(const build *b, const function *f, double x)
{
    x = round_to(b, x);
    const double actual = call(b, f->name, x);
    const long double expected = f->expected((long double)x);
    const bool is_lgamma = f->expected == lgammal;
    /* that of lgamma may be wrong where it crosses 0 */
    if (is_lgamma && x < 0 && !signbit(actual) != !signbit(expected))
        return (double)fabsl((long double)actual - expected) /
               ldexp(1, 1 - (b->use_float ? FLT_MANT_DIG : DBL_MANT_DIG));
    return count_ulps(b, actual, expected,
                      is_lgamma ? lgamma_scale((long double)x) : fabsl(expected));
}

static void check_function(const build *b, const function *f)
{
    double most = 0, where = 0;
    for (int i = 0; i < 2 * SAMPLES; i++) {
        const double x = i % 2 == 0 ? draw(f->low, f->high) : draw_magnitude(b);
        const double ulps = measure(b, f, x);
        if (!(ulps <= most)) {
            most = ulps;
            where = x;
        }
    }
    if (getenv("SHOW_ULPS") != NULL)
        print_message("%-8s %-6s %.2f at %.17g\n", f->name, b->use_float ? "float" : "double", most,
                      where);
    if (most <= get_bound(f->bounds, b))
        return;
    print_error("%s(%.17g), in %s, is off by %.2f ulps: %.17g, not %.17Lg\n", f->name, where,
                b->use_float ? "float" : "double", most, call(b, f->name, round_to(b, where)),
                f->expected((long double)round_to(b, where)));
    fail();
}

/* Where libm's results are exact, or are no numbers, they are the same. */
static void check_edges(const build *b, const function *f)
{
    const double most = b->use_float ? (double)FLT_MAX : DBL_MAX;
    const double least = b->use_float ? (double)FLT_TRUE_MIN : DBL_TRUE_MIN;
    const double edges[] = {0.0,
                            -0.0,
                            (double)INFINITY,
                            -(double)INFINITY,
                            (double)NAN,
                            1,
                            -1,
                            2,
                            -2,
                            most,
                            -most,
                            least,
                            -least,
                            0.5,
                            -0.5,
                            1 + (double)FLT_EPSILON,
                            -1 - (double)FLT_EPSILON,
                            1e-30,
                            -1e-30,
                            -3,
                            3,
                            4,
                            -1e9,
                            1e9};
    for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
        const double actual = call(b, f->name, edges[i]);
        const long double expected = f->expected((long double)round_to(b, edges[i]));
        const double rounded = b->use_float ? (double)(float)expected : (double)expected;
        const bool is_exact = (long double)rounded == expected || isnan(expected);
        if (is_exact ? is_same(actual, rounded)
                     : measure(b, f, edges[i]) <= get_bound(f->bounds, b))
            continue;
        print_error("%s(%.17g), in %s, is %.17g, not %.17g\n", f->name, edges[i],
                    b->use_float ? "float" : "double", actual, rounded);
        fail();
    }
}

static void check_hypot(const build *b)
{
    double most = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const double x = round_to(b, draw_magnitude(b));
        const double y = round_to(b, i % 4 == 0 ? draw_magnitude(b) : x * draw(-3, 3));
        const long double expected = hypotl((long double)x, (long double)y);
        most = fmax(most, count_ulps(b, call_two(b, "hypot", x, y), expected, expected));
    }
    if (getenv("SHOW_ULPS") != NULL)
        print_message("hypot    %-6s %.2f\n", b->use_float ? "float" : "double", most);
    assert_true(most <= get_bound(hypot_bounds, b));
    const double edges[] = {0.0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, 3, -3};
    for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
        for (size_t k = 0; k < 5; k++) {
            assert_same(call_two(b, "hypot", edges[i], edges[k]), hypot(edges[i], edges[k]));
            assert_same(call_two(b, "hypot", edges[k], edges[i]), hypot(edges[k], edges[i]));
        }
    }
    assert_same(call_two(b, "hypot", 3, -4), 5);
}

/* In double it is the library's own source. In float, orders beyond what programs derive are out of
 * range sooner. */
static void check_polygamma(const build *b)
{
    double most = 0;
    for (int n = 0; n <= (b->use_float ? 6 : 100); n = n < 6 ? n + 1 : n + 47) {
        for (int i = 0; i < SAMPLES / 20; i++) {
            const double x = round_to(b, i % 2 == 0 ? draw(0, 60) : draw(-4, 3));
            const double expected = agi_polygamma(n, x), actual = call_two(b, "polygamma", n, x);
            if (b->use_float)
                most = fmax(most, fabs(actual - expected) / fmax(1, fabs(expected)));
            else
                assert_true(is_same(actual, expected) ||
                            fabs(actual - expected) <= 64 * DBL_EPSILON * fabs(expected));
        }
    }
    if (b->use_float && getenv("SHOW_ULPS") != NULL)
        print_message("polygamma float: %.2f epsilon\n", most / (double)FLT_EPSILON);
    assert_true(most <= 64 * (double)FLT_EPSILON);
    const double edges[] = {0.0,  -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, -1, -2,
                            1e30, -1e30};
    const double orders[] = {0, 1, 2, -1, 0.5, 101, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++)
        for (size_t k = 0; k < sizeof(orders) / sizeof(*orders); k++)
            assert_close(call_two(b, "polygamma", orders[k], edges[i]),
                         round_to(b, agi_polygamma(orders[k], edges[i])), 4 * (double)FLT_EPSILON);
}

static void check_build(bool use_float)
{
    if (getenv("CC") == NULL || IS_EMULATED)
        skip();
    build b;
    set_up(&b, use_float);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        check_edges(&b, functions + i);
        check_function(&b, functions + i);
    }
    check_hypot(&b);
    check_polygamma(&b);
    tear_down(&b);
}

static void test_double(void **state)
{
    (void)state;
    check_build(false);
}

static void test_float(void **state)
{
    (void)state;
    check_build(true);
}

/* ---- Written --------------------------------------------------------------------------------- */

static bool calls_function(const char *text, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name))
        if (at[n] == '(' && (at == text || strchr(" (-!", at[-1]) != NULL))
            return true;
    return false;
}

/* A small libm is asked for nothing that C89 has not; any other for what it has. */
static void test_whose_functions_are_called(void **state)
{
    (void)state;
    static const char *const later[] = {
        "exp2",  "expm1",     "log2",     "log1p",  "cbrt",  "asinh",    "acosh",
        "atanh", "erf",       "erfc",     "lgamma", "hypot", "round",    "trunc",
        "fmin",  "fmax",      "copysign", "isnan",  "isinf", "isfinite", "signbit",
        "fma",   "remainder", "scalbn",   "ilogb",  "rint"};
    for (int use_float = 0; use_float < 2; use_float++) {
        const build b = {.use_float = use_float != 0};
        uint32_t size;
        char *small = write_library(&b, true, &size), *large = write_library(&b, false, &size);
        for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "%s%s", later[i], use_float != 0 ? "f" : "");
            if (calls_function(small, name))
                print_error("%s\n", name);
            assert_false(calls_function(small, name));
            if (i < 12)
                assert_true(calls_function(large, name));
        }
        assert_contains(large, "device_polygamma");
        assert_null(strstr(large, "device_exp2"));
        free(small);
        free(large);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_whose_functions_are_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
