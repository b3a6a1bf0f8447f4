/* SPDX-License-Identifier: MIT
 *
 * Which values are right: gates against libm, against identities and known constants, and at the
 * ends of the number line. What holds for every gate alike is the subject of test_gates.c.
 *
 * Constants: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, tables 1.1 and 23.3;
 * polygamma's relations 6.3.2 to 6.3.7 and 6.4.2 to 6.4.7.
 */
#include "testing.h"

#include <float.h>

#ifdef AG_REAL_FLOAT
#define LIBM(name) name##f
#define LEAST FLT_TRUE_MIN
#define LEAST_NORMAL FLT_MIN
#define LARGEST FLT_MAX
#define HUGE_SCALE 1e30F
#else
#define LIBM(name) name
#define LEAST DBL_TRUE_MIN
#define LEAST_NORMAL DBL_MIN
#define LARGEST DBL_MAX
#define HUGE_SCALE 1e200
#endif

#define INF ((ag_real)INFINITY)
#define NOT_A_NUMBER ((ag_real)NAN)
#define R(number) ((ag_real)(number))

static const double pi = 3.14159265358979323846;
static const double euler = 0.57721566490153286061;
static const double catalan = 0.91596559417721901505;
static const double log_2 = 0.69314718055994530942;

/* Both signs of these. */
static const ag_real sizes[] = {
    0,      LEAST,       LEAST_NORMAL, AG_REAL_EPSILON, R(1e-3), R(0.1),  R(0.25),
    R(0.5), R(0.7),      R(1),         R(1.5),          R(2),    R(2.5),  1 + AG_REAL_EPSILON,
    R(3),   R(10),       R(100),       R(1000),         R(1e10), R(1e30), LARGEST,
    INF,    NOT_A_NUMBER};

enum {
    SIZES = sizeof(sizes) / sizeof(*sizes),
    ARGUMENTS = 2 * SIZES
};

static ag_real get_argument(size_t i)
{
    return i < SIZES ? sizes[i] : -sizes[i - SIZES];
}

/* ---- One gate alone -------------------------------------------------------------------------- */

typedef ag_value unary(ag_value x);
typedef ag_value binary(ag_value a, ag_value b);

typedef struct result {
    ag_real y;
    ag_real grad[4]; /* for each operand */
} result;

static ag_graph *graph;

static int make_graph(void **state)
{
    (void)state;
    graph = ag_graph_new(NULL);
    return graph == NULL ? -1 : 0;
}

static int free_graph(void **state)
{
    (void)state;
    ag_graph_free(graph);
    return 0;
}

static result finish(ag_value y, size_t n, const ag_value *x)
{
    assert_int_equal(ag_backward(y), AG_OK);
    result r = {.y = ag_data(y)};
    for (size_t i = 0; i < n; i++)
        r.grad[i] = ag_grad(x[i]);
    return r;
}

static result call(unary *gate, ag_real x)
{
    const ag_mark start = ag_graph_mark(graph);
    const ag_value operand = ag_variable(graph, x);
    const result r = finish(gate(operand), 1, &operand);
    assert_int_equal(ag_graph_rewind(graph, start), AG_OK);
    return r;
}

static result call_two(binary *gate, ag_real a, ag_real b)
{
    const ag_mark start = ag_graph_mark(graph);
    const ag_value operands[] = {ag_variable(graph, a), ag_variable(graph, b)};
    const result r = finish(gate(operands[0], operands[1]), 2, operands);
    assert_int_equal(ag_graph_rewind(graph, start), AG_OK);
    return r;
}

static result call_many(ag_value gate(size_t n, const ag_value *x), size_t n, const ag_real *x)
{
    const ag_mark start = ag_graph_mark(graph);
    ag_value operands[4];
    assert_true(n <= 4);
    for (size_t i = 0; i < n; i++)
        operands[i] = ag_variable(graph, x[i]);
    const result r = finish(gate(n, operands), n, operands);
    assert_int_equal(ag_graph_rewind(graph, start), AG_OK);
    return r;
}

static result call_select(ag_real c, ag_real a, ag_real b)
{
    const ag_mark start = ag_graph_mark(graph);
    const ag_value x[] = {ag_variable(graph, c), ag_variable(graph, a), ag_variable(graph, b)};
    const result r = finish(ag_select(x[0], x[1], x[2]), 3, x);
    assert_int_equal(ag_graph_rewind(graph, start), AG_OK);
    return r;
}

/* ---- libm ------------------------------------------------------------------------------------ */

/* X(gate, libm's function) */
#define LIBM_UNARY(X)                                                                              \
    X(abs, fabs)                                                                                   \
    X(floor, floor)                                                                                \
    X(sqrt, sqrt)                                                                                  \
    X(cbrt, cbrt)                                                                                  \
    X(exp, exp)                                                                                    \
    X(exp2, exp2)                                                                                  \
    X(expm1, expm1)                                                                                \
    X(log, log)                                                                                    \
    X(log2, log2)                                                                                  \
    X(log10, log10)                                                                                \
    X(log1p, log1p)                                                                                \
    X(sin, sin)                                                                                    \
    X(cos, cos)                                                                                    \
    X(tan, tan)                                                                                    \
    X(asin, asin)                                                                                  \
    X(acos, acos)                                                                                  \
    X(atan, atan)                                                                                  \
    X(sinh, sinh)                                                                                  \
    X(cosh, cosh)                                                                                  \
    X(tanh, tanh)                                                                                  \
    X(asinh, asinh)                                                                                \
    X(acosh, acosh)                                                                                \
    X(atanh, atanh)                                                                                \
    X(erf, erf)                                                                                    \
    X(erfc, erfc)
#define LIBM_BINARY(X) X(pow) X(hypot) X(atan2)

static void test_libm_of_one(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unary *gate;
        ag_real (*function)(ag_real);
    } cases[] = {
#define X(gate, function) {#gate, ag_##gate, LIBM(function)},
        LIBM_UNARY(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t k = 0; k < ARGUMENTS; k++) {
            const ag_real x = get_argument(k);
            const double y = (double)call(cases[i].gate, x).y;
            const double expected = (double)cases[i].function(x);
            if (!is_same(y, expected))
                fail_msg("%s(%.17g) is %.17g, not %.17g", cases[i].name, (double)x, y, expected);
        }
    }
}

static ag_real add(ag_real a, ag_real b)
{
    return a + b;
}

static ag_real subtract(ag_real a, ag_real b)
{
    return a - b;
}

static ag_real multiply(ag_real a, ag_real b)
{
    return a * b;
}

static ag_real divide(ag_real a, ag_real b)
{
    return a / b;
}

/* A NaN goes through, the first if there are two; a tie goes to the first, whatever the zeros. */
static ag_real find_max(ag_real a, ag_real b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) ? a : b;
    return a >= b ? a : b;
}

static ag_real find_min(ag_real a, ag_real b)
{
    return -find_max(-a, -b);
}

static void test_functions_of_two(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        binary *gate;
        ag_real (*function)(ag_real, ag_real);
    } cases[] = {{"add", ag_add, add},    {"sub", ag_sub, subtract}, {"mul", ag_mul, multiply},
                 {"div", ag_div, divide}, {"max", ag_max, find_max}, {"min", ag_min, find_min},
#define X(name) {#name, ag_##name, LIBM(name)},
                 LIBM_BINARY(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t k = 0; k < ARGUMENTS * ARGUMENTS; k++) {
            const ag_real a = get_argument(k / ARGUMENTS), b = get_argument(k % ARGUMENTS);
            const double y = (double)call_two(cases[i].gate, a, b).y;
            const double expected = (double)cases[i].function(a, b);
            if (!is_same(y, expected))
                fail_msg("%s(%.17g, %.17g) is %.17g, not %.17g", cases[i].name, (double)a,
                         (double)b, y, expected);
        }
    }
}

static void test_arithmetic_of_one(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARGUMENTS; k++) {
        const ag_real x = get_argument(k);
        assert_same(call(ag_neg, x).y, -x);
        assert_same(call(ag_square, x).y, x * x);
        assert_same(call(ag_reciprocal, x).y, 1 / x);
        assert_same(call(ag_sign, x).y, x > 0 ? 1 : x < 0 ? -1 : x);
        assert_same(call(ag_step, x).y, isnan(x) ? x : x > 0);
        assert_same(call(ag_relu, x).y, isnan(x) ? x : x > 0 ? x : 0);
        assert_same(call(ag_detach, x).y, x);
        assert_same(call(ag_detach, x).grad[0], 0);
    }
}

/* ---- Identities ------------------------------------------------------------------------------ */

static double get(unary *gate, ag_real x)
{
    return (double)call(gate, x).y;
}

static void test_identities(void **state)
{
    (void)state;
    for (int i = -60; i <= 60; i++) {
        const ag_real x = R(0.1 * i), size = x < 0 ? -x : x;
        const double d = (double)x;
        assert_close(get(ag_log, R(get(ag_exp, x))), d, ROUNDING);
        assert_close(get(ag_log2, R(get(ag_exp2, x))), d, ROUNDING);
        assert_close(get(ag_log1p, R(get(ag_expm1, size))), size, ROUNDING);
        assert_close(pow(10, get(ag_log10, size + 1)), size + 1, ROUNDING);
        assert_close(pow(get(ag_cbrt, x), 3), d, ROUNDING);
        assert_close(pow(get(ag_sqrt, size), 2), size, ROUNDING);
        assert_close(pow(get(ag_sin, x), 2) + pow(get(ag_cos, x), 2), 1, ROUNDING);
        assert_close(get(ag_tan, x) * get(ag_cos, x), get(ag_sin, x), ROUNDING);
        assert_close(get(ag_erf, x) + get(ag_erfc, x), 1, ROUNDING);
        assert_close(get(ag_tanh, x) * get(ag_cosh, x), get(ag_sinh, x), ROUNDING);
        assert_close(get(ag_asinh, R(get(ag_sinh, x))), d, ROUNDING);
        assert_close(get(ag_sigmoid, x) + get(ag_sigmoid, -x), 1, ROUNDING);
        assert_close(get(ag_softplus, x) - get(ag_softplus, -x), d, ROUNDING);
        assert_close(get(ag_sigmoid, x), (1 + tanh(d / 2)) / 2, ROUNDING);
        assert_close(get(ag_softplus, x), log(1 + exp(d)), ROUNDING);
    }
    for (int i = -9; i <= 9; i++) {
        const ag_real x = R(0.1 * i);
        assert_close(get(ag_asin, x) + get(ag_acos, x), pi / 2, ROUNDING);
        assert_close(sin(get(ag_asin, x)), x, ROUNDING);
        assert_close(tan(get(ag_atan, x)), x, ROUNDING);
        assert_close(tanh(get(ag_atanh, x)), x, ROUNDING);
        assert_close(cosh(get(ag_acosh, 2 + x)), 2 + x, ROUNDING);
    }
}

/* ---- Steps and choices ----------------------------------------------------------------------- */

static void test_select_takes_what_is_not_zero(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARGUMENTS; k++) {
        const ag_real c = get_argument(k);
        const bool first = !(c == 0);
        const result r = call_select(c, 2, 3);
        assert_same(r.y, first ? 2 : 3);
        assert_same(r.grad[0], 0);
        assert_same(r.grad[1], first ? 1 : 0);
        assert_same(r.grad[2], first ? 0 : 1);
        assert_same(call_select(c, NOT_A_NUMBER, 3).y, first ? NOT_A_NUMBER : 3);
    }
}

static void test_max_and_min_give_to_one(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARGUMENTS * ARGUMENTS; k++) {
        const ag_real a = get_argument(k / ARGUMENTS), b = get_argument(k % ARGUMENTS);
        const bool is_nan = isnan(a) || isnan(b);
        const bool max_first = is_nan ? isnan(a) : a >= b, min_first = is_nan ? isnan(a) : a <= b;
        const result max = call_two(ag_max, a, b), min = call_two(ag_min, a, b);
        assert_same(max.grad[0], max_first ? 1 : 0);
        assert_same(max.grad[1], max_first ? 0 : 1);
        assert_same(min.grad[0], min_first ? 1 : 0);
        assert_same(min.grad[1], min_first ? 0 : 1);
        const result of = call_many(ag_max_of, 2, (const ag_real[]){a, b});
        assert_same(of.y, max.y);
        assert_same(of.grad[0], max.grad[0]);
        assert_same(of.grad[1], max.grad[1]);
    }
}

static void test_max_of(void **state)
{
    (void)state;
    static const struct {
        ag_real x[4];
        size_t largest;
    } cases[] = {
        {{3, 1, 2, 0}, 0},
        {{1, 3, 2, 0}, 1},
        {{-3, -2, -1, -4}, 2},
        {{1, 3, 3, 3}, 1},
        {{-INF, -INF, -INF, -INF}, 0},
        {{1, 2, INF, INF}, 2},
        {{1, NOT_A_NUMBER, INF, 2}, 1},
        {{NOT_A_NUMBER, NOT_A_NUMBER, 1, INF}, 0},
        {{1, 2, 3, NOT_A_NUMBER}, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const result r = call_many(ag_max_of, 4, cases[i].x);
        assert_same(r.y, cases[i].x[cases[i].largest]);
        for (size_t k = 0; k < 4; k++)
            assert_same(r.grad[k], k == cases[i].largest ? 1 : 0);
    }
    assert_same(call_many(ag_max_of, 1, (const ag_real[]){-5}).y, -5);
}

/* ---- Far out --------------------------------------------------------------------------------- */

static void test_activations_far_out(void **state)
{
    (void)state;
    static const struct {
        unary *gate;
        ag_real x, y, slope;
    } cases[] = {
        {ag_sigmoid, 1000, 1, 0},
        {ag_sigmoid, -1000, 0, 0},
        {ag_sigmoid, INF, 1, 0},
        {ag_sigmoid, -INF, 0, 0},
        {ag_sigmoid, LARGEST, 1, 0},
        {ag_sigmoid, -LARGEST, 0, 0},
        {ag_softplus, 1000, 1000, 1},
        {ag_softplus, -1000, 0, 0},
        {ag_softplus, INF, INF, 1},
        {ag_softplus, -INF, 0, 0},
        {ag_softplus, LARGEST, LARGEST, 1},
        {ag_softplus, -LARGEST, 0, 0},
        {ag_relu, 1000, 1000, 1},
        {ag_relu, -1000, 0, 0},
        {ag_relu, INF, INF, 1},
        {ag_relu, -INF, 0, 0},
        {ag_tanh, 1000, 1, 0},
        {ag_tanh, -1000, -1, 0},
        {ag_tanh, INF, 1, 0},
        {ag_tanh, -INF, -1, 0},
        {ag_erf, 1000, 1, 0},
        {ag_erf, -1000, -1, 0},
        {ag_exp, -1000, 0, 0},
        {ag_exp, 1000, INF, INF},
        {ag_abs, -1000, 1000, -1},
        {ag_abs, -INF, INF, -1},
        {ag_log, INF, INF, 0},
        {ag_sqrt, INF, INF, 0},
        {ag_square, -LARGEST, INF, -INF},
        {ag_reciprocal, INF, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const result r = call(cases[i].gate, cases[i].x);
        assert_same(r.y, cases[i].y);
        assert_true(r.grad[0] == cases[i].slope);
    }
    unary *const all[] = {ag_sigmoid, ag_softplus, ag_relu, ag_tanh};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        assert_same(call(all[i], NOT_A_NUMBER).y, NOT_A_NUMBER);

    /* small numbers keep their digits */
    const double small = exp(-40);
    assert_close(get(ag_sigmoid, -40) / small, 1, ROUNDING);
    assert_close(get(ag_softplus, -40) / small, 1, ROUNDING);
    assert_close((double)call(ag_sigmoid, -40).grad[0] / small, 1, ROUNDING);
    assert_close((double)call(ag_softplus, -40).grad[0] / small, 1, ROUNDING);
    const ag_real tiny = AG_REAL_EPSILON * AG_REAL_EPSILON;
    assert_same(call(ag_log1p, tiny).y, tiny);
    assert_same(call(ag_expm1, tiny).y, tiny);
}

static void test_angles_and_lengths(void **state)
{
    (void)state;
    assert_close(call_two(ag_atan2, 1, 1).y, pi / 4, ROUNDING);
    assert_close(call_two(ag_atan2, 1, -1).y, 3 * pi / 4, ROUNDING);
    assert_close(call_two(ag_atan2, -1, -1).y, -3 * pi / 4, ROUNDING);
    assert_close(call_two(ag_atan2, -1, 1).y, -pi / 4, ROUNDING);
    assert_close(call_two(ag_atan2, 0, -1).y, pi, ROUNDING);
    assert_close(call_two(ag_atan2, R(-0.0), -1).y, -pi, ROUNDING);

    /* where squares overflow or vanish */
    static const ag_real scales[] = {HUGE_SCALE, 1 / HUGE_SCALE, 1};
    for (size_t i = 0; i < sizeof(scales) / sizeof(*scales); i++) {
        const ag_real s = scales[i];
        result r = call_two(ag_hypot, 3 * s, -4 * s);
        assert_close(r.y / s, 5, ROUNDING);
        assert_close(r.grad[0], 0.6, ROUNDING);
        assert_close(r.grad[1], -0.8, ROUNDING);
        r = call_two(ag_atan2, 3 * s, -4 * s);
        assert_close(r.grad[0] * s, -0.16, ROUNDING);
        assert_close(r.grad[1] * s, -0.12, ROUNDING);
    }
    assert_close(call(ag_asinh, HUGE_SCALE).grad[0] * HUGE_SCALE, 1, ROUNDING);
    assert_close(call(ag_acosh, HUGE_SCALE).grad[0] * HUGE_SCALE, 1, ROUNDING);
}

static void test_chain_is_the_zero_rule(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARGUMENTS; k++) {
        const ag_real local = get_argument(k);
        assert_same(call_two(ag_chain, 0, local).y, 0);
        assert_same(call_two(ag_chain, R(-0.0), local).y, 0);
        assert_same(call_two(ag_chain, -2, local).y, -2 * local);
    }
}

/* ---- Powers ---------------------------------------------------------------------------------- */

static void test_pow(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARGUMENTS; k++) {
        const ag_real x = get_argument(k);
        assert_same(call_two(ag_pow, x, 0).y, 1);
        assert_same(call_two(ag_pow, x, 0).grad[0], 0);
        assert_same(call_two(ag_pow, 1, x).y, 1);
        assert_same(call_two(ag_pow, x, 1).y, x);
        if (!isnan(x))
            assert_same(call_two(ag_pow, x, 1).grad[0], 1);
    }
    /* a negative base with an exponent that may vary: the exponent has no gradient */
    const result r = call_two(ag_pow, -2, 3);
    assert_same(r.y, -8);
    assert_same(r.grad[0], 12);
    assert_same(r.grad[1], NOT_A_NUMBER);
    assert_same(call_two(ag_pow, -2, R(0.5)).y, NOT_A_NUMBER);
    /* 0^b is flat in b > 0 */
    assert_same(call_two(ag_pow, 0, 2).grad[1], 0);
    assert_close(call_two(ag_pow, 3, 2).grad[1], 9 * log(3), ROUNDING);
}

static double multiply_out(double x, int n)
{
    double product = 1;
    for (int i = 0; i < (n < 0 ? -n : n); i++)
        product *= x;
    return n < 0 ? 1 / product : product;
}

static void test_pow_int(void **state)
{
    (void)state;
    static const double bases[] = {-2, -0.5, 0, 1.5, 3};
    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
        for (int n = -5; n <= 5; n++) {
            const ag_value x = ag_variable(graph, R(bases[i]));
            const size_t count = ag_graph_count(graph);
            const ag_value y = ag_pow_int(x, n);
            assert_int_equal(ag_graph_count(graph), count + 2);
            assert_int_equal(ag_backward(y), AG_OK);
            assert_close(ag_data(y), multiply_out(bases[i], n), ROUNDING);
            assert_close(ag_grad(x), n == 0 ? 0 : n * multiply_out(bases[i], n - 1), ROUNDING);
        }
    }
}

/* ---- Special functions ----------------------------------------------------------------------- */

static void test_lgamma(void **state)
{
    (void)state;
    double factorial = 1;
    for (int n = 1; n <= 20; n++) {
        assert_close(call(ag_lgamma, R(n)).y, log(factorial), ROUNDING);
        factorial *= n;
    }
    assert_close(call(ag_lgamma, R(0.5)).y, log(pi) / 2, ROUNDING);
    assert_close(call(ag_lgamma, R(-0.5)).y, log(2 * sqrt(pi)), ROUNDING); /* Gamma is negative */
    assert_close(call(ag_lgamma, 1).grad[0], -euler, ROUNDING);
    for (size_t k = 0; k < ARGUMENTS; k++) {
        const ag_real x = get_argument(k);
        assert_same(call(ag_lgamma, x).y, R(lgamma((double)x)));
    }
}

static double get_polygamma(int n, double x)
{
    return (double)call_two(ag_polygamma, R(n), R(x)).y;
}

static void test_polygamma_known_values(void **state)
{
    (void)state;
    /* zeta(2), zeta(3), ... */
    static const double zeta[] = {
        1.64493406684822643647, 1.20205690315959428540, 1.08232323371113819152,
        1.03692775514336992633, 1.01734306198444913971, 1.00834927738192282684,
        1.00407735619794433938, 1.00200839282608221442, 1.00099457512781808534,
        1.00049418860411946456,
    };
    assert_close(get_polygamma(0, 1), -euler, ROUNDING);
    assert_close(get_polygamma(0, 0.5), -euler - 2 * log_2, ROUNDING);
    assert_close(get_polygamma(0, 0.25), -euler - pi / 2 - 3 * log_2, ROUNDING);
    assert_close(get_polygamma(0, 5), -euler + 1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4, ROUNDING);
    assert_close(get_polygamma(1, 0.25), pi * pi + 8 * catalan, ROUNDING);
    assert_close(get_polygamma(1, 0.75), pi * pi - 8 * catalan, ROUNDING);
    double factorial = 1;
    for (int n = 1; n <= 10; n++) {
        factorial *= n;
        const double at_one = (n % 2 == 0 ? -1 : 1) * factorial * zeta[n - 1];
        assert_close(get_polygamma(n, 1), at_one, ROUNDING);
        assert_close(get_polygamma(n, 0.5), at_one * (ldexp(1, n + 1) - 1), ROUNDING);
    }
    /* far out, and at the first pole */
    assert_close(get_polygamma(0, 1e10), 10 * log(10) - 0.5e-10, ROUNDING);
    assert_close(get_polygamma(1, 1e10) * 1e10, 1 + 0.5e-10, ROUNDING);
    assert_close(get_polygamma(2, 1e-10) * 1e-30 / -2, 1, ROUNDING);
}

static void test_polygamma_relations(void **state)
{
    (void)state;
    /* x and x + 1 are exact in either number type */
    static const double points[] = {-10.5, -3.75, -2.625, -1.5, -0.9375, -0.25, 0.125, 0.5, 6.25};
    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
        const double x = points[i];
        double factorial = 1;
        for (int n = 0; n <= 10; n++) {
            factorial *= n == 0 ? 1 : n;
            const double step = (n % 2 == 0 ? 1 : -1) * factorial / multiply_out(x, n + 1);
            const double here = get_polygamma(n, x), next = get_polygamma(n, x + 1);
            const double size = fmax(fabs(here), fmax(fabs(next), fabs(step)));
            assert_close((next - here) / size, step / size, ROUNDING);
            const result r = call_two(ag_polygamma, R(n), R(x));
            assert_same(r.grad[0], 0);
            assert_same(r.grad[1], get_polygamma(n + 1, x));
        }
        assert_close(get_polygamma(0, 1 - x) - get_polygamma(0, x), pi / tan(pi * x), ROUNDING);
        assert_close(get_polygamma(1, 1 - x) + get_polygamma(1, x), pow(pi / sin(pi * x), 2),
                     ROUNDING);
    }
}

static void test_polygamma_where_there_is_none(void **state)
{
    (void)state;
    static const ag_real bad_orders[] = {-1, R(0.5), 101, INF, -INF, NOT_A_NUMBER};
    for (size_t i = 0; i < sizeof(bad_orders) / sizeof(*bad_orders); i++)
        assert_same(call_two(ag_polygamma, bad_orders[i], 2).y, NOT_A_NUMBER);
    static const ag_real bad_points[] = {0, R(-0.0), -1, -2, -1000, -LARGEST, -INF, NOT_A_NUMBER};
    for (int n = 0; n <= 10; n++) {
        for (size_t i = 0; i < sizeof(bad_points) / sizeof(*bad_points); i++)
            assert_same(call_two(ag_polygamma, R(n), bad_points[i]).y, NOT_A_NUMBER);
        assert_same(call_two(ag_polygamma, R(n), INF).y, n == 0 ? INF : 0);
    }
    assert_true(isfinite(call_two(ag_polygamma, 100, 120).y));
}

/* ---- Any number of operands ------------------------------------------------------------------ */

/* Rounded at each step, from the first operand to the last: not associative, so the order shows. */
static void test_sums_go_from_first_to_last(void **state)
{
    (void)state;
    static const ag_real x[] = {2 / AG_REAL_EPSILON, 1, -2 / AG_REAL_EPSILON, R(0.1)};
    static const ag_real w[] = {1, R(0.3), 1, R(0.7)};
    ag_real sum = 0, dot = 0, line = R(0.9);
    ag_value operands[4], partners[4];
    for (size_t i = 0; i < 4; i++) {
        operands[i] = ag_variable(graph, x[i]);
        partners[i] = ag_variable(graph, w[i]);
        sum += x[i];
        dot += x[i] * w[i];
        line += x[i] * w[i];
    }
    assert_true(sum == x[3]); /* the 1 is lost */
    assert_same(ag_data(ag_sum(4, operands)), sum);
    assert_same(ag_data(ag_dot(4, operands, partners)), dot);
    assert_same(ag_data(ag_linear(4, w, operands, R(0.9))), line);
    assert_same(ag_data(ag_sum(1, &operands[3])), x[3]);
    assert_same(ag_data(ag_dot(1, &operands[3], &partners[3])), x[3] * w[3]);
}

static void test_logsumexp(void **state)
{
    (void)state;
    static const ag_real moderate[] = {R(0.5), R(-1.25), 2, R(0.25)};
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += exp((double)moderate[i]);
    result r = call_many(ag_logsumexp, 4, moderate);
    assert_close(r.y, log(sum), ROUNDING);
    for (int i = 0; i < 4; i++)
        assert_close(r.grad[i], exp((double)moderate[i]) / sum, ROUNDING);

    static const ag_real places[] = {0, 1, -1, 1000, -1000, HUGE_SCALE, -HUGE_SCALE};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        const ag_real x = places[i];
        r = call_many(ag_logsumexp, 2, (const ag_real[]){x, x});
        assert_close(r.y, (double)x + log_2, ROUNDING);
        if (fabs((double)x) < 1e6) { /* beyond, log 2 is lost, and each seems to be all there is */
            assert_close(r.grad[0], 0.5, 1e4 * ROUNDING);
            assert_close(r.grad[1], 0.5, 1e4 * ROUNDING);
        }
        assert_same(call_many(ag_logsumexp, 1, &x).y, x);
        assert_same(call_many(ag_logsumexp, 1, &x).grad[0], 1);
        assert_same(call_many(ag_logsumexp, 2, (const ag_real[]){x, -INF}).y, x);
        assert_same(call_many(ag_logsumexp, 2, (const ag_real[]){x, INF}).y, INF);
        assert_same(call_many(ag_logsumexp, 2, (const ag_real[]){NOT_A_NUMBER, x}).y, NOT_A_NUMBER);
        /* shifted by x */
        ag_real shifted[4];
        for (int k = 0; k < 4; k++)
            shifted[k] = moderate[k] + x;
        assert_close(call_many(ag_logsumexp, 4, shifted).y, (double)x + log(sum), ROUNDING);
    }
    r = call_many(ag_logsumexp, 3, (const ag_real[]){-1000, 1000, 0});
    assert_same(r.y, 1000);
    assert_same(r.grad[0], 0);
    assert_same(r.grad[1], 1);
    assert_same(r.grad[2], 0);
    assert_same(call_many(ag_logsumexp, 2, (const ag_real[]){-INF, -INF}).y, -INF);
}

/* ---- Plain numbers --------------------------------------------------------------------------- */

static void test_plain_numbers(void **state)
{
    (void)state;
    const ag_value x = ag_variable(graph, 3), y = ag_variable(graph, -2);
    const size_t count = ag_graph_count(graph);
    const ag_value scaled = ag_scale(x, R(2.5)), shifted = ag_shift(x, R(-7.5));
    assert_int_equal(ag_graph_count(graph), count + 4);
    assert_string_equal(ag_gate_name(scaled), "mul");
    assert_string_equal(ag_gate_name(shifted), "add");
    assert_string_equal(ag_gate_name(ag_operand(shifted, 1)), "constant");
    assert_same(ag_data(scaled), 7.5);
    assert_same(ag_data(shifted), -4.5);
    assert_int_equal(ag_backward(scaled), AG_OK);
    assert_same(ag_grad(x), 2.5);
    assert_int_equal(ag_backward(shifted), AG_OK);
    assert_same(ag_grad(x), 3.5);

    /* coefficients are copied; x may stand there twice */
    ag_real w[] = {2, R(-0.5), 4};
    const ag_value line = ag_linear(3, w, (const ag_value[]){x, y, x}, R(0.25));
    w[0] = w[1] = w[2] = 100;
    assert_same(ag_data(line), 0.25 + 6 + 1 + 12);
    assert_int_equal(ag_operand_count(line), 3);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(line), AG_OK);
    assert_same(ag_grad(x), 6);
    assert_same(ag_grad(y), -0.5);
    assert_int_equal(ag_set(y, 2), AG_OK);
    assert_int_equal(ag_forward(line), AG_OK);
    assert_same(ag_data(line), 0.25 + 6 - 1 + 12);
}

static void test_plain_numbers_refuse_null(void **state)
{
    (void)state;
    const ag_mark start = ag_graph_mark(graph);
    const ag_value dropped = ag_variable(graph, 1);
    assert_int_equal(ag_graph_rewind(graph, start), AG_OK);
    const size_t count = ag_graph_count(graph);
    static const char *const names[] = {"scale(", "shift(", "pow_int("};
    for (int i = 0; i < 3; i++) {
        const ag_value y = i == 0   ? ag_scale(dropped, 2)
                           : i == 1 ? ag_shift(dropped, 2)
                                    : ag_pow_int(dropped, 2);
        assert_true(ag_is_null(y));
        assert_int_equal(ag_error(graph), AG_STALE_VALUE);
        assert_contains(ag_error_message(graph), names[i]);
        assert_int_equal(ag_graph_count(graph), count);
        ag_clear_error(graph);
    }
    assert_true(ag_is_null(ag_scale((ag_value){0}, 2)));
    assert_true(ag_is_null(ag_shift((ag_value){0}, 2)));
    assert_true(ag_is_null(ag_pow_int((ag_value){0}, 2)));
}

/* An exponent that a float would round turns (-1)^n around: it is refused there. */
static void test_exponents_are_exact(void **state)
{
    (void)state;
    const ag_value minus_one = ag_variable(graph, -1);
    assert_same(ag_data(ag_pow_int(minus_one, 16777215)), -1);
    const ag_value y = ag_pow_int(minus_one, 16777217);
    if (sizeof(ag_real) == sizeof(double)) {
        assert_same(ag_data(y), -1);
    } else {
        assert_true(ag_is_null(y));
        assert_int_equal(ag_error(graph), AG_TOO_LARGE);
        ag_clear_error(graph);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_graph, free_graph)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_libm_of_one),
        TEST(test_exponents_are_exact),
        TEST(test_functions_of_two),
        TEST(test_arithmetic_of_one),
        TEST(test_identities),
        TEST(test_select_takes_what_is_not_zero),
        TEST(test_max_and_min_give_to_one),
        TEST(test_max_of),
        TEST(test_activations_far_out),
        TEST(test_angles_and_lengths),
        TEST(test_chain_is_the_zero_rule),
        TEST(test_pow),
        TEST(test_pow_int),
        TEST(test_lgamma),
        TEST(test_polygamma_known_values),
        TEST(test_polygamma_relations),
        TEST(test_polygamma_where_there_is_none),
        TEST(test_sums_go_from_first_to_last),
        TEST(test_logsumexp),
        TEST(test_plain_numbers),
        TEST(test_plain_numbers_refuse_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
