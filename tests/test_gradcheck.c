/* SPDX-License-Identifier: MIT
 *
 * The gradient check: that it agrees with right gradients, steep ones and those next to a rim
 * included, tells kinks, and catches wrong gradients. The gates themselves are tested elsewhere.
 */
#include "testing.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#ifdef AG_REAL_FLOAT
static const bool is_double = false;
#else
static const bool is_double = true;
#endif

/* ---- Functions of one input ------------------------------------------------------------------ */

static ag_value number(ag_value x, double data)
{
    return ag_constant(x.graph, (ag_real)data);
}

static ag_value steep_exp(ag_value x)
{
    return ag_exp(ag_scale(x, 20));
}

static ag_value fifth_power(ag_value x)
{
    return ag_pow_int(x, 5);
}

static ag_value fourth_power(ag_value x)
{
    return ag_pow_int(x, 4);
}

static ag_value cube(ag_value x)
{
    return ag_pow_int(x, 3);
}

static ag_value fast_sine(ag_value x)
{
    return ag_sin(ag_scale(x, 100));
}

static ag_value faster_sine(ag_value x)
{
    return ag_sin(ag_scale(x, 10000));
}

/* Looks like a kink from afar. */
static ag_value sharp_softplus(ag_value x)
{
    return ag_softplus(ag_scale(x, 100000));
}

static ag_value x_times_abs(ag_value x)
{
    return ag_mul(x, ag_abs(x));
}

static ag_value constant_one(ag_value x)
{
    return number(x, 1);
}

static ag_value identity(ag_value x)
{
    return x;
}

static ag_value max_with_two(ag_value x)
{
    return ag_max(x, number(x, 2));
}

static ag_value min_with_two(ag_value x)
{
    return ag_min(number(x, 2), x);
}

static ag_value max_of_three(ag_value x)
{
    const ag_value operands[] = {number(x, 2), x, number(x, -1)};
    return ag_max_of(3, operands);
}

static ag_value abs_by_branch(ag_value x)
{
    return ag_gt(x, number(x, 0)) ? x : ag_neg(x);
}

/* The branches meet with the same value and slope. */
static ag_value square_by_branch(ag_value x)
{
    return ag_gt(x, number(x, 1)) ? ag_shift(ag_scale(ag_square(x), (ag_real)0.5), (ag_real)0.5)
                                  : ag_shift(ag_scale(ag_shift(x, -1), 1), 1);
}

static ag_value kink_on_a_slope(ag_value x)
{
    return ag_add(ag_exp(x), ag_scale(ag_abs(x), 3));
}

static ag_value root_of_abs(ag_value x)
{
    return ag_sqrt(ag_abs(x));
}

static ag_value length(ag_value x)
{
    return ag_hypot(x, number(x, 0));
}

typedef struct unary {
    const char *name;
    ag_value (*f)(ag_value);
} unary;

static ag_value call_unary(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    const unary *u = context;
    assert_int_equal(n, 1);
    assert_ptr_equal(graph, inputs[0].graph);
    return u->f(inputs[0]);
}

static ag_gradcheck_row check_unary(ag_value (*f)(ag_value), double at,
                                    const ag_gradcheck_options *options)
{
    unary u = {"", f};
    ag_gradcheck_row row;
    ag_error_details error;
    bool passed;
    const ag_real point = (ag_real)at;
    const ag_status status =
        ag_gradcheck(call_unary, &u, 1, &point, options, &row, &passed, &error);
    if (status != AG_OK)
        fail_msg("%s", error.message);
    assert_int_equal(error.status, AG_OK);
    assert_string_equal(error.message, "");
    assert_int_equal(passed, row.verdict != AG_DISAGREES);
    assert_true(row.at == point);
    return row;
}

static void expect_verdict(const char *name, ag_value (*f)(ag_value), double at,
                           const ag_gradcheck_options *options, ag_verdict verdict)
{
    static const char *const words[] = {"agrees", "disagrees", "kink"};
    const ag_gradcheck_row row = check_unary(f, at, options);
    if (row.verdict != verdict)
        fail_msg("%s at %g (%d points, step %g): %s, expected %s; analytic %g, numeric %g, step %g",
                 name, at, options == NULL ? 0 : options->points,
                 options == NULL ? 0 : (double)options->step, words[row.verdict], words[verdict],
                 (double)row.analytic, (double)row.numeric, (double)row.step);
}

/* With both formulas. */
static void expect_both(const char *name, ag_value (*f)(ag_value), double at, ag_verdict verdict)
{
    expect_verdict(name, f, at, NULL, verdict);
    expect_verdict(name, f, at, &(ag_gradcheck_options){.points = 2}, verdict);
    expect_verdict(name, f, at, &(ag_gradcheck_options){.points = 4}, verdict);
}

/* ---- Right gradients ------------------------------------------------------------------------- */

typedef struct sample {
    const char *name;
    ag_value (*f)(ag_value);
    double at;
    bool needs_double;
} sample;

static const sample smooth[] = {
    {"square", ag_square, 1.5, false},
    {"square", ag_square, 0, false},
    {"identity", identity, 3, false},
    {"one", constant_one, 3, false},
    {"sin", ag_sin, 1, false},
    {"tanh, flat", ag_tanh, 20, false},
    {"exp", ag_exp, -5, false},
    {"log", ag_log, 1e-3, false},
    {"log", ag_log, 1e-6, true},
    {"log", ag_log, 1e-9, true},
    {"sqrt", ag_sqrt, 1e-3, false},
    {"sqrt", ag_sqrt, 1e-8, true},
    {"cbrt", ag_cbrt, 1e-6, true},
    {"asin", ag_asin, 0.9999, true},
    {"exp(20 x)", steep_exp, 1, false},
    {"1 / x", ag_reciprocal, 0.01, false},
    {"1 / x", ag_reciprocal, -1e-5, true},
    {"x^5", fifth_power, 100, false},
    {"x^5", fifth_power, 0, false},
    {"x^4", fourth_power, 0, false},
    {"sin(100 x)", fast_sine, 0.3, false},
    {"sin(100 x), at the top", fast_sine, 0.01570796326794897, false},
    {"sin(10000 x)", faster_sine, 0.3, true},
    {"sin(10000 x), far out", faster_sine, 400, true},
    {"sin, far out", ag_sin, 1e6, true},
    {"softplus(100000 x)", sharp_softplus, 0, true},
    {"x |x|", x_times_abs, 0, false},
    {"floor, between", ag_floor, 1.5, false},
    {"floor, close by", ag_floor, 1.0001, false},
    {"relu, close by", ag_relu, 1e-2, false},
    {"relu, closer", ag_relu, 1e-4, true},
    {"abs, closer", ag_abs, -1e-6, true},
    {"max, closer", max_with_two, 2.0001, true},
    {"branch, closer", abs_by_branch, 1e-5, true},
};

static void test_right_gradients_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(smooth); i++)
        if (is_double || !smooth[i].needs_double)
            expect_both(smooth[i].name, smooth[i].f, smooth[i].at, AG_AGREES);
}

static void test_kinks_are_told(void **state)
{
    static const sample kinks[] = {
        {"abs", ag_abs, 0, false},
        {"relu", ag_relu, 0, false},
        {"max", max_with_two, 2, false},
        {"min", min_with_two, 2, false},
        {"max_of", max_of_three, 2, false},
        {"floor", ag_floor, 1, false},
        {"floor", ag_floor, -3, false},
        {"step", ag_step, 0, false},
        {"sign", ag_sign, 0, false},
        {"hypot", length, 0, false},
        {"|x| by branch", abs_by_branch, 0, false},
        {"exp(x) + 3 |x|", kink_on_a_slope, 0, false},
        {"cbrt, upright", ag_cbrt, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(kinks); i++) {
        expect_both(kinks[i].name, kinks[i].f, kinks[i].at, AG_KINK);
        assert_true(check_unary(kinks[i].f, kinks[i].at, NULL).kink);
    }
}

/* Where the branches fit together there is a derivative, whichever was taken. */
static void test_branches_that_fit_agree(void **state)
{
    (void)state;
    expect_both("branch", square_by_branch, 1, AG_AGREES);
    expect_both("branch", square_by_branch, 1 + 1e-4, AG_AGREES);
    expect_both("branch", square_by_branch, 1 - 1e-4, AG_AGREES);
}

/* A check that lets NaN pass could not fail. */
static void test_what_is_not_finite_disagrees(void **state)
{
    static const sample samples[] = {
        {"log(-1)", ag_log, -1, false},
        {"log(0)", ag_log, 0, false},
        {"sqrt(0), where the domain ends", ag_sqrt, 0, false},
        {"exp(1e4)", ag_exp, 1e4, false},
        {"sqrt(|x|) at 0: the gradient is NaN", root_of_abs, 0, false},
        {"x = NaN", ag_square, (double)NAN, false},
        {"x = inf", ag_square, (double)INFINITY, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        unary u = {samples[i].name, samples[i].f};
        ag_gradcheck_row row;
        bool passed = true;
        const ag_real at = (ag_real)samples[i].at;
        assert_int_equal(ag_gradcheck(call_unary, &u, 1, &at, NULL, &row, &passed, NULL), AG_OK);
        if (row.verdict != AG_DISAGREES || passed)
            fail_msg("%s: verdict %d, numeric %g", samples[i].name, (int)row.verdict,
                     (double)row.numeric);
    }
    assert_true(check_unary(root_of_abs, 0, NULL).kink);
}

/* ---- Wrong gradients ------------------------------------------------------------------------- */

/* A gate whose gradient is times `factor` what it should be. */
typedef struct wrong {
    const char *name;
    ag_real (*value)(ag_real x);
    ag_real (*slope)(ag_real x);
    double at;
    ag_real factor;
} wrong;

static ag_real wrong_forward(void *context, size_t arity, const ag_real *x)
{
    const wrong *w = context;
    (void)arity;
    return w->value(x[0]);
}

static void wrong_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                           ag_real upstream, ag_real *downstream)
{
    const wrong *w = context;
    (void)arity, (void)y;
    downstream[0] = upstream * w->slope(x[0]) * w->factor;
}

static ag_value apply_wrong(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    wrong *w = context;
    const ag_closure closure = {.name = w->name,
                                .arity = 1,
                                .forward = wrong_forward,
                                .backward = wrong_backward,
                                .context = w};
    (void)graph, (void)n;
    return ag_apply(&closure, inputs);
}

static ag_real value_line(ag_real x)
{
    return 3 * x;
}
static ag_real slope_line(ag_real x)
{
    (void)x;
    return 3;
}
static ag_real value_square(ag_real x)
{
    return x * x;
}
static ag_real slope_square(ag_real x)
{
    return 2 * x;
}
static ag_real value_exp20(ag_real x)
{
    return (ag_real)exp(20 * (double)x);
}
static ag_real slope_exp20(ag_real x)
{
    return 20 * value_exp20(x);
}
static ag_real value_reciprocal(ag_real x)
{
    return 1 / x;
}
static ag_real slope_reciprocal(ag_real x)
{
    return -1 / (x * x);
}
static ag_real value_fifth(ag_real x)
{
    return x * x * x * x * x;
}
static ag_real slope_fifth(ag_real x)
{
    return 5 * x * x * x * x;
}
static ag_real value_sine(ag_real x)
{
    return (ag_real)sin(100 * (double)x);
}
static ag_real slope_sine(ag_real x)
{
    return (ag_real)(100 * cos(100 * (double)x));
}
/* So high that small steps drown in rounding, and then it looks flat. */
static ag_real value_high(ag_real x)
{
    return x + (is_double ? (ag_real)1e6 : 100);
}
static ag_real slope_high(ag_real x)
{
    (void)x;
    return 1;
}
static ag_real value_log(ag_real x)
{
    return (ag_real)log((double)x);
}
/* A kink at 0, and right beside it a slope that is checked. */
static ag_real value_relu(ag_real x)
{
    return x > 0 ? x : 0;
}
static ag_real slope_relu(ag_real x)
{
    return x > 0 ? 1 : 0;
}

static wrong wrong_gates[] = {
    {"line", value_line, slope_line, 2, 0},
    {"square", value_square, slope_square, 1.5, 0},
    {"square", value_square, slope_square, 1.5, -1},
    {"square", value_square, slope_square, 1.5, 1},
    {"exp(20 x)", value_exp20, slope_exp20, 1, 1},
    {"1 / x", value_reciprocal, slope_reciprocal, 0.01, 1},
    {"x^5", value_fifth, slope_fifth, 100, 1},
    {"sin(100 x)", value_sine, slope_sine, 0.3, 1},
    {"sin(100 x)", value_sine, slope_sine, is_double ? -41.3471 : -1.3, (ag_real)1.1},
    {"1e6 + x", value_high, slope_high, 0.5, 0},
    {"square", value_square, slope_square, 1.5, (ag_real)INFINITY},
    {"square", value_square, slope_square, 1.5, (ag_real)NAN},
    {"log", value_log, value_reciprocal, 1e-3, 1},
    {"relu beside its kink", value_relu, slope_relu, 0.02, 0},
};

static void test_wrong_gradients_disagree(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrong_gates); i++) {
        wrong w = wrong_gates[i];
        const ag_real at = (ag_real)w.at;
        for (int points = 2; points <= 4; points += 2) {
            const ag_gradcheck_options options = {.points = points};
            ag_gradcheck_row row;
            bool passed = true;
            /* a little off: five times the tolerance */
            if (w.factor == 1)
                w.factor = is_double ? (ag_real)(1 + 5e-6) : (ag_real)1.1;
            assert_int_equal(ag_gradcheck(apply_wrong, &w, 1, &at, &options, &row, &passed, NULL),
                             AG_OK);
            if (row.verdict != AG_DISAGREES || passed)
                fail_msg("%s times %g: verdict %d", w.name, (double)w.factor, (int)row.verdict);
            /* and the numeric gradient says what it should be */
            const ag_real slope = w.slope(at);
            const ag_real tolerance = is_double ? (ag_real)1e-6 : (ag_real)2e-2;
            if (!(fabs((double)(row.numeric - slope)) <=
                  (double)tolerance * fmax(1, fabs((double)slope))))
                fail_msg("%s: numeric %.17g, expected %.17g", w.name, (double)row.numeric,
                         (double)slope);
            /* the same gate with the right gradient */
            wrong right = w;
            right.factor = 1;
            assert_int_equal(
                ag_gradcheck(apply_wrong, &right, 1, &at, &options, &row, &passed, NULL), AG_OK);
            assert_int_equal(row.verdict, AG_AGREES);
            assert_true(passed);
        }
    }
}

static void test_one_wrong_gradient_among_right_ones(void **state)
{
    (void)state;
    wrong w = {"square", value_square, slope_square, 0, 1};
    w.factor = 2;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value leaves[] = {ag_variable(graph, 2), ag_variable(graph, 3)};
    const ag_closure closure = {.name = w.name,
                                .arity = 1,
                                .forward = wrong_forward,
                                .backward = wrong_backward,
                                .context = &w};
    const ag_value root = ag_mul(leaves[0], ag_apply(&closure, &leaves[1]));
    ag_gradcheck_row rows[2];
    bool passed = true;
    assert_int_equal(ag_gradcheck_root(root, 2, leaves, NULL, rows, &passed), AG_OK);
    assert_int_equal(rows[0].verdict, AG_AGREES);
    assert_int_equal(rows[1].verdict, AG_DISAGREES);
    assert_false(passed);
    assert_true(rows[1].analytic == 24);
    assert_true(fabs((double)rows[1].absolute_error - 12) < 1e-2);
    assert_true(fabs((double)rows[1].relative_error - 0.5) < 1e-3);
    ag_graph_free(graph);
}

/* ---- A step of one's own --------------------------------------------------------------------- */

static void test_a_given_step_is_used(void **state)
{
    (void)state;
    /* (1.25^3 - 0.75^3) / 0.5, exactly */
    ag_gradcheck_row row =
        check_unary(cube, 1, &(ag_gradcheck_options){.points = 2, .step = (ag_real)0.25});
    assert_true(row.step == (ag_real)0.25);
    assert_true(fabs((double)row.numeric - 3.0625) < 1e-5);
    assert_true(fabs((double)row.absolute_error - 0.0625) < 1e-5);
    assert_true(fabs((double)row.relative_error - 0.0625 / 3.0625) < 1e-5);
    assert_int_equal(row.verdict, AG_DISAGREES);
    assert_false(row.kink);
    /* the formula with four points is exact for cubes, and other steps don't lend a hand */
    row = check_unary(cube, 1, &(ag_gradcheck_options){.points = 4, .step = (ag_real)0.25});
    assert_int_equal(row.verdict, AG_AGREES);
    row = check_unary(
        cube, 1,
        &(ag_gradcheck_options){.points = 2, .step = (ag_real)0.25, .tolerance = (ag_real)0.03});
    assert_int_equal(row.verdict, AG_AGREES);
    assert_true(row.step == (ag_real)0.25);
}

static void test_a_kink_within_a_given_step(void **state)
{
    (void)state;
    for (int points = 2; points <= 4; points += 2) {
        const ag_gradcheck_options options = {.points = points, .step = (ag_real)0.01};
        for (int i = 0; i <= 8; i++) {
            expect_verdict("abs", ag_abs, i * 0.001, &options, AG_KINK);
            expect_verdict("relu", ag_relu, -i * 0.001, &options, AG_KINK);
        }
        expect_verdict("abs", ag_abs, 0.03, &options, AG_AGREES);
        /* a wrong gradient doesn't hide beside a kink */
        wrong w = wrong_gates[COUNT(wrong_gates) - 1];
        const ag_real at = (ag_real)0.003;
        ag_gradcheck_row row;
        assert_int_equal(ag_gradcheck(apply_wrong, &w, 1, &at, &options, &row, NULL, NULL), AG_OK);
        assert_int_equal(row.verdict, AG_DISAGREES);
    }
}

static void test_default_steps(void **state)
{
    (void)state;
    const double epsilon = (double)AG_REAL_EPSILON;
    const double at[] = {0, 0.5, -8, 1000};
    for (size_t i = 0; i < COUNT(at); i++) {
        const double size = fmax(1, fabs(at[i]));
        double step = (double)check_unary(identity, at[i], NULL).step;
        assert_true(fabs(step / (pow(epsilon, 1.0 / 5) * size) - 1) < 0.01);
        step = (double)check_unary(identity, at[i], &(ag_gradcheck_options){.points = 2}).step;
        assert_true(fabs(step / (pow(epsilon, 1.0 / 3) * size) - 1) < 0.01);
    }
}

/* ---- Arguments and errors -------------------------------------------------------------------- */

static void expect_refusal(ag_function f, size_t n, const ag_real *at,
                           const ag_gradcheck_options *options, ag_gradcheck_row *rows,
                           ag_status status, const char *message)
{
    ag_error_details error = {AG_OK, ""};
    bool passed = true;
    assert_int_equal(ag_gradcheck(f, NULL, n, at, options, rows, &passed, &error), status);
    assert_int_equal(error.status, status);
    if (strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
    assert_false(passed);
    assert_int_equal(ag_gradcheck(f, NULL, n, at, options, rows, NULL, NULL), status);
}

static ag_value product(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph, (void)n, (void)context;
    return ag_mul(inputs[0], inputs[1]);
}

static ag_value give_null(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph, (void)n, (void)inputs, (void)context;
    return (ag_value){0};
}

static ag_value give_stale(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)n, (void)context;
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value y = ag_square(inputs[0]);
    ag_graph_rewind(graph, mark);
    return y;
}

static ag_graph *elsewhere;

static ag_value give_stranger(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph, (void)n, (void)inputs, (void)context;
    return ag_variable(elsewhere, 1);
}

static ag_value use_stranger(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph, (void)n, (void)context;
    return ag_mul(inputs[0], ag_variable(elsewhere, 1));
}

/* Fails away from the point only. */
static ag_value fail_beside(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph, (void)n, (void)context;
    return ag_data(inputs[0]) > 1 ? ag_sqrt((ag_value){graph, UINT32_MAX, UINT32_MAX})
                                  : ag_sqrt(inputs[0]);
}

static void test_wrong_arguments(void **state)
{
    (void)state;
    const ag_real at[] = {1, 2};
    ag_gradcheck_row rows[2];
    expect_refusal(NULL, 2, at, NULL, rows, AG_INVALID_ARGUMENT, "no function");
    expect_refusal(product, 0, at, NULL, rows, AG_INVALID_ARGUMENT, "no function");
    expect_refusal(product, 2, NULL, NULL, rows, AG_INVALID_ARGUMENT, "no function");
    expect_refusal(product, 2, at, NULL, NULL, AG_INVALID_ARGUMENT, "no function");
    const ag_gradcheck_options bad[] = {
        {.points = 3},
        {.points = -2},
        {.step = -1},
        {.step = (ag_real)NAN},
        {.step = (ag_real)INFINITY},
        {.tolerance = -1},
        {.tolerance = (ag_real)NAN},
        {.tolerance = (ag_real)INFINITY},
    };
    const char *const reasons[] = {"points", "points",    "step",      "step",
                                   "step",   "tolerance", "tolerance", "tolerance"};
    for (size_t i = 0; i < COUNT(bad); i++)
        expect_refusal(product, 2, at, &bad[i], rows, AG_INVALID_ARGUMENT, reasons[i]);
    expect_refusal(product, SIZE_MAX, at, NULL, rows, AG_OUT_OF_MEMORY, "memory");
}

static void test_errors_of_the_function(void **state)
{
    (void)state;
    elsewhere = ag_graph_new(NULL);
    const ag_real at[] = {1, 2};
    ag_gradcheck_row rows[2];
    expect_refusal(give_null, 2, at, NULL, rows, AG_NULL_VALUE, "null value");
    expect_refusal(give_stale, 2, at, NULL, rows, AG_STALE_VALUE, "stale");
    expect_refusal(give_stranger, 2, at, NULL, rows, AG_WRONG_GRAPH, "another graph");
    expect_refusal(use_stranger, 2, at, NULL, rows, AG_WRONG_GRAPH, "mul(");
    expect_refusal(fail_beside, 2, at, NULL, rows, AG_NULL_VALUE, "sqrt(");
    ag_graph_free(elsewhere);
}

/* ---- How the function is called -------------------------------------------------------------- */

typedef struct witness {
    size_t calls;
    size_t count; /* of nodes at the first call */
    size_t bytes; /* at the first call's end */
} witness;

/* x y + sin x, with a name, and a backward pass of its own on the way. */
static ag_value watch(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    witness *w = context;
    assert_int_equal(n, 2);
    const size_t count = ag_graph_count(graph);
    if (w->calls++ == 0)
        w->count = count;
    assert_int_equal(count, w->count);
    ag_value y = ag_mul(inputs[0], inputs[1]);
    assert_int_equal(ag_name(y, "xy"), AG_OK);
    assert_int_equal(ag_backward(y), AG_OK);
    for (int i = 0; i < 1000; i++)
        y = ag_shift(y, 1);
    y = ag_add(y, ag_sin(inputs[0]));
    if (w->calls > 1) /* gradients come with the first check's end */
        assert_true(ag_graph_bytes(graph) <= w->bytes + w->bytes / 2);
    else
        w->bytes = ag_graph_bytes(graph);
    return y;
}

static void test_a_function_of_two_inputs(void **state)
{
    (void)state;
    witness w = {0};
    const ag_real at[] = {(ag_real)0.5, -3};
    ag_gradcheck_row rows[2];
    bool passed = false;
    const ag_gradcheck_options options = {.tolerance = is_double ? (ag_real)1e-6 : (ag_real)0.1};
    assert_int_equal(ag_gradcheck(watch, &w, 2, at, &options, rows, &passed, NULL), AG_OK);
    assert_true(passed);
    assert_int_equal(w.calls, 1 + 2 * 4);
    assert_true(fabs((double)rows[0].analytic - (-3 + cos(0.5))) < 1e-6);
    assert_true(rows[1].analytic == (ag_real)0.5);
    assert_true(fabs((double)(rows[0].numeric - rows[0].analytic)) ==
                (double)rows[0].absolute_error);
    assert_true(rows[0].at == at[0] && rows[1].at == at[1]);
}

static void test_four_points_are_closer_than_two(void **state)
{
    (void)state;
    const ag_gradcheck_row two = check_unary(ag_exp, 1, &(ag_gradcheck_options){.points = 2});
    const ag_gradcheck_row four = check_unary(ag_exp, 1, NULL);
    assert_true(four.absolute_error < two.absolute_error);
    if (is_double)
        assert_true((double)four.relative_error < 1e-11 && (double)two.relative_error < 1e-9);
}

/* ---- A recorded root ------------------------------------------------------------------------- */

/* Remembers what forward saw, as a gate with an expensive forward pass would. */
typedef struct memory {
    ag_real seen;
    size_t destroyed;
} memory;

static ag_real memory_forward(void *context, size_t arity, const ag_real *x)
{
    memory *m = context;
    (void)arity;
    m->seen = x[0];
    return x[0] * x[0] * x[0];
}

static void memory_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                            ag_real upstream, ag_real *downstream)
{
    const memory *m = context;
    (void)arity, (void)x, (void)y;
    downstream[0] = upstream * 3 * m->seen * m->seen;
}

typedef struct fixture {
    ag_graph *graph;
    ag_value leaves[3];
    ag_value inner, stranger, root;
    memory memory;
} fixture;

/* root = x^3 (a closure) * y + exp(x y) + |z|, and beside it something that root doesn't see */
static void build(fixture *f, const ag_graph_options *options)
{
    *f = (fixture){.graph = ag_graph_new(options)};
    assert_non_null(f->graph);
    f->leaves[0] = ag_variable(f->graph, (ag_real)0.7);
    f->leaves[1] = ag_variable(f->graph, (ag_real)1.3);
    f->leaves[2] = ag_variable(f->graph, -2);
    const ag_closure closure = {.name = "cube",
                                .arity = 1,
                                .forward = memory_forward,
                                .backward = memory_backward,
                                .context = &f->memory};
    f->inner = ag_mul(f->leaves[0], f->leaves[1]);
    f->stranger = ag_tanh(f->inner);
    f->root = ag_add(ag_add(ag_mul(ag_apply(&closure, f->leaves), f->leaves[1]), ag_exp(f->inner)),
                     ag_abs(f->leaves[2]));
}

/* Everything of the fixture that can be read from outside. */
typedef struct readings {
    ag_real data[64], grad[64];
    size_t count;
    ag_real seen;
} readings;

static void read_all(const fixture *f, readings *r)
{
    memset(r, 0, sizeof(*r));
    ag_value order[64];
    const ag_value roots[] = {f->root, f->stranger};
    for (size_t k = 0; k < COUNT(roots); k++) {
        const size_t n = ag_topological_order(roots[k], order, COUNT(order));
        for (size_t i = 0; i < n; i++) {
            r->data[r->count] = ag_data(order[i]);
            r->grad[r->count++] = ag_grad(order[i]);
        }
    }
    r->seen = f->memory.seen;
}

static void expect_unchanged(const fixture *f, const readings *before)
{
    readings after;
    read_all(f, &after);
    assert_int_equal(after.count, before->count);
    assert_memory_equal(after.data, before->data, sizeof(after.data));
    assert_memory_equal(after.grad, before->grad, sizeof(after.grad));
    assert_memory_equal(&after.seen, &before->seen, sizeof(after.seen));
}

static void test_a_root_is_left_as_it_was(void **state)
{
    (void)state;
    for (int variant = 0; variant < 5; variant++) {
        fixture f;
        readings before;
        build(&f, NULL);
        if (variant >= 1) /* gradients of another root: leaves accumulate, root's nodes read 0 */
            assert_int_equal(ag_backward(f.stranger), AG_OK);
        if (variant >= 2)
            assert_int_equal(ag_backward(f.root), AG_OK);
        if (variant == 3) /* values that lag behind their leaf */
            assert_int_equal(ag_set(f.leaves[1], (ag_real)-0.4), AG_OK);
        if (variant == 4) /* many passes later */
            for (int i = 0; i < 252; i++)
                assert_int_equal(ag_backward(f.stranger), AG_OK);
        for (int round = 0; round < 3; round++) {
            read_all(&f, &before);
            ag_gradcheck_row rows[3];
            bool passed = false;
            assert_int_equal(ag_gradcheck_root(f.root, 3, f.leaves, NULL, rows, &passed), AG_OK);
            assert_true(passed);
            expect_unchanged(&f, &before);
            /* alone: the closure's operand is then the last that moved */
            ag_gradcheck_row row;
            assert_int_equal(ag_gradcheck_root(f.root, 1, f.leaves, NULL, &row, NULL), AG_OK);
            expect_unchanged(&f, &before);
            assert_memory_equal(&row.analytic, &rows[0].analytic, sizeof(row.analytic));
            const double x = 0.7, y = (double)ag_data(f.leaves[1]);
            assert_true(fabs((double)rows[0].analytic - (3 * x * x * y + y * exp(x * y))) < 1e-5);
            assert_true(fabs((double)rows[1].analytic - (x * x * x + x * exp(x * y))) < 1e-5);
            assert_true(rows[2].analytic == -1);
            for (int i = 0; i < 3; i++)
                assert_int_equal(rows[i].verdict, AG_AGREES);
        }
        /* and it still works: a second backward pass adds to the leaves, sets the others */
        const ag_real had = ag_grad(f.leaves[2]);
        assert_int_equal(ag_backward(f.root), AG_OK);
        assert_true(ag_grad(f.leaves[2]) == had - 1);
        assert_true(ag_grad(f.stranger) == 0);
        ag_graph_free(f.graph);
    }
}

static void test_a_recorded_branch_is_a_kink(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 0), zero = ag_constant(graph, 0);
    const ag_value root = ag_gt(x, zero) ? ag_square(x) : ag_neg(x);
    ag_gradcheck_row row;
    bool passed = false;
    assert_int_equal(ag_gradcheck_root(root, 1, &x, NULL, &row, &passed), AG_OK);
    assert_int_equal(row.verdict, AG_KINK);
    assert_true(row.kink && passed);
    assert_true(row.analytic == -1);
    assert_string_equal(ag_error_message(graph), "");

    /* with room beside it the recorded path is checked */
    ag_set(x, (ag_real)-0.01);
    assert_int_equal(ag_gradcheck_root(root, 1, &x, NULL, &row, &passed), AG_OK);
    assert_int_equal(row.verdict, AG_AGREES);
    const ag_gradcheck_options wide = {.step = (ag_real)0.1};
    assert_int_equal(ag_gradcheck_root(root, 1, &x, &wide, &row, &passed), AG_OK);
    assert_int_equal(row.verdict, AG_KINK);

    /* the last point tried takes the other path, too */
    const ag_value y = ag_variable(graph, 0);
    const ag_value mirrored = ag_lt(y, zero) ? ag_neg(y) : ag_square(y);
    assert_int_equal(ag_gradcheck_root(mirrored, 1, &y, NULL, &row, &passed), AG_OK);
    assert_int_equal(row.verdict, AG_KINK);
    assert_string_equal(ag_error_message(graph), "");

    /* where the path isn't the recorded one, there is nothing to check */
    ag_set(x, 2);
    const ag_real value = ag_data(root);
    passed = true;
    assert_int_equal(ag_gradcheck_root(root, 1, &x, NULL, &row, &passed), AG_BRANCH);
    assert_false(passed);
    assert_non_null(strstr(ag_error_message(graph), "gt("));
    assert_int_equal(ag_error(graph), AG_OK);
    assert_true(ag_data(root) == value && ag_data(x) == 2);
    ag_graph_free(graph);
}

static void test_a_root_that_is_its_own_leaf(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 3);
    ag_gradcheck_row row;
    bool passed = false;
    assert_int_equal(ag_gradcheck_root(x, 1, &x, NULL, &row, &passed), AG_OK);
    assert_true(passed);
    assert_true(row.analytic == 1);
    assert_true(ag_data(x) == 3);
    ag_graph_free(graph);
}

static void test_check_mode_does_not_mind_steps_out_of_the_domain(void **state)
{
    (void)state;
    fixture f;
    build(&f, &(ag_graph_options){.check = true});
    const ag_value leaf = ag_variable(f.graph, (ag_real)1e-3), root = ag_log(leaf);
    ag_gradcheck_row rows[3];
    bool passed;
    assert_int_equal(ag_gradcheck_root(f.root, 3, f.leaves, NULL, rows, &passed), AG_OK);
    assert_true(passed);
    assert_int_equal(ag_gradcheck_root(root, 1, &leaf, NULL, rows, &passed), AG_OK);
    assert_true(passed);
    assert_int_equal(ag_set(leaf, -1), AG_OK);
    assert_int_equal(ag_gradcheck_root(root, 1, &leaf, NULL, rows, &passed), AG_OK);
    assert_false(passed);
    /* the mode is on again */
    assert_int_equal(ag_forward(root), AG_NOT_FINITE);
    ag_graph_free(f.graph);
}

static void test_wrong_roots_and_leaves(void **state)
{
    (void)state;
    fixture f, other;
    build(&f, NULL);
    build(&other, NULL);
    ag_gradcheck_row rows[3];
    bool passed = true;
    const ag_value null = {0}, constant = ag_constant(f.graph, 1);
    assert_int_equal(ag_gradcheck_root(null, 3, f.leaves, NULL, rows, &passed), AG_NULL_VALUE);
    assert_false(passed);
    const ag_value mixed[] = {f.leaves[0], other.leaves[0], f.leaves[1]};
    const ag_gradcheck_options bad = {.points = 1};
    const struct {
        ag_value root;
        size_t n;
        const ag_value *leaves;
        const ag_gradcheck_options *options;
        ag_gradcheck_row *rows;
        ag_status status;
    } cases[] = {
        {f.root, 0, f.leaves, NULL, rows, AG_INVALID_ARGUMENT},
        {f.root, 3, NULL, NULL, rows, AG_INVALID_ARGUMENT},
        {f.root, 3, f.leaves, NULL, NULL, AG_INVALID_ARGUMENT},
        {f.root, 3, f.leaves, &bad, rows, AG_INVALID_ARGUMENT},
        {f.root, 3, mixed, NULL, rows, AG_WRONG_GRAPH},
        {f.root, 1, &f.inner, NULL, rows, AG_NOT_A_LEAF},
        {f.root, 1, &constant, NULL, rows, AG_NOT_A_LEAF},
        {f.root, 1, &null, NULL, rows, AG_NULL_VALUE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        passed = true;
        assert_int_equal(ag_gradcheck_root(cases[i].root, cases[i].n, cases[i].leaves,
                                           cases[i].options, cases[i].rows, &passed),
                         cases[i].status);
        assert_false(passed);
        assert_int_equal(ag_error(f.graph), cases[i].status);
        assert_non_null(strstr(ag_error_message(f.graph), "ag_gradcheck_root"));
        ag_clear_error(f.graph);
    }
    ag_graph_free(f.graph);
    ag_graph_free(other.graph);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    long failures = 0;
    for (long k = 0;; k++) {
        failing_heap h = {.allowed = -1};
        fixture f;
        build(&f, &(ag_graph_options){.allocator = allocate_or_fail, .allocator_user = &h});
        readings before;
        memset(&before, 0, sizeof(before));
        before.data[0] = ag_data(f.root);
        ag_gradcheck_row rows[3];
        bool passed = true;
        h.allowed = h.requests + k;
        const ag_status status = ag_gradcheck_root(f.root, 3, f.leaves, NULL, rows, &passed);
        h.allowed = -1;
        assert_true(ag_data(f.root) == before.data[0]);
        assert_true(ag_grad(f.leaves[0]) == 0);
        assert_int_equal(ag_error(f.graph), status);
        if (status != AG_OK) {
            failures++;
            assert_int_equal(status, AG_OUT_OF_MEMORY);
            assert_false(passed);
            ag_clear_error(f.graph);
            assert_int_equal(ag_gradcheck_root(f.root, 3, f.leaves, NULL, rows, &passed), AG_OK);
        }
        assert_true(passed);
        ag_graph_free(f.graph);
        assert_int_equal(h.bytes, 0);
        if (status == AG_OK)
            break;
    }
    assert_int_equal(failures, 4); /* gradients, marks, two copies */
}

static void test_in_a_buffer(void **state)
{
    (void)state;
    static max_align_t buffer[4096];
    fixture f;
    readings before;
    build(&f, &(ag_graph_options){.buffer = buffer, .buffer_size = sizeof(buffer)});
    read_all(&f, &before);
    for (int i = 0; i < 100; i++) {
        ag_gradcheck_row rows[3];
        bool passed;
        assert_int_equal(ag_gradcheck_root(f.root, 3, f.leaves, NULL, rows, &passed), AG_OK);
        assert_true(passed);
        expect_unchanged(&f, &before);
    }
    ag_graph_free(f.graph);
}

/* ---- The table ------------------------------------------------------------------------------- */

static const ag_gradcheck_row printed[] = {
    {.at = 2, .analytic = (ag_real)0.5, .numeric = (ag_real)0.5, .verdict = AG_AGREES},
    {.at = (ag_real)-1.25,
     .analytic = 24,
     .numeric = 12,
     .absolute_error = 12,
     .relative_error = (ag_real)0.5,
     .verdict = AG_DISAGREES},
    {.at = 0,
     .analytic = (ag_real)NAN,
     .numeric = -(ag_real)INFINITY,
     .absolute_error = -(ag_real)NAN,
     .relative_error = (ag_real)NAN,
     .verdict = AG_KINK},
};

static void expect_table(size_t n, const char *const *names, const char *expected)
{
    char text[2048];
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ag_gradcheck_print(file, n, names, printed), AG_OK);
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, expected);
}

static void test_the_table(void **state)
{
    (void)state;
    const char *const names[] = {"x",
                                 "gr\xc3\xb6\xc3\x9f"
                                 "e",
                                 NULL};
    expect_table(3, names,
                 "input     at  analytic  numeric  absolute error  relative error  verdict\n"
                 "x          2       0.5      0.5               0               0  agrees\n"
                 "gr\xc3\xb6\xc3\x9f"
                 "e  -1.25        24       12              12             0.5  DISAGREES\n"
                 "2          0       nan     -inf             nan             nan  kink\n");
    expect_table(1, NULL,
                 "input  at  analytic  numeric  absolute error  relative error  verdict\n"
                 "0       2       0.5      0.5               0               0  agrees\n");
    expect_table(0, NULL,
                 "input  at  analytic  numeric  absolute error  relative error  verdict\n");
    assert_int_equal(ag_gradcheck_print(NULL, 1, NULL, printed), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_gradcheck_print(stderr, 1, NULL, NULL), AG_INVALID_ARGUMENT);
}

static void test_a_full_disk(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    if (file == NULL)
        skip();
    assert_int_equal(ag_gradcheck_print(file, 3, NULL, printed), AG_IO);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_gradients_agree),
        cmocka_unit_test(test_kinks_are_told),
        cmocka_unit_test(test_branches_that_fit_agree),
        cmocka_unit_test(test_what_is_not_finite_disagrees),
        cmocka_unit_test(test_wrong_gradients_disagree),
        cmocka_unit_test(test_one_wrong_gradient_among_right_ones),
        cmocka_unit_test(test_a_given_step_is_used),
        cmocka_unit_test(test_a_kink_within_a_given_step),
        cmocka_unit_test(test_default_steps),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_errors_of_the_function),
        cmocka_unit_test(test_a_function_of_two_inputs),
        cmocka_unit_test(test_four_points_are_closer_than_two),
        cmocka_unit_test(test_a_root_is_left_as_it_was),
        cmocka_unit_test(test_a_recorded_branch_is_a_kink),
        cmocka_unit_test(test_a_root_that_is_its_own_leaf),
        cmocka_unit_test(test_check_mode_does_not_mind_steps_out_of_the_domain),
        cmocka_unit_test(test_wrong_roots_and_leaves),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_in_a_buffer),
        cmocka_unit_test(test_the_table),
        cmocka_unit_test(test_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
