/* SPDX-License-Identifier: MIT
 *
 * Every loss of the list: values against formulas written here, gradients against finite
 * differences, and both where a careless formula overflows or cancels.
 */
#include "nn_testing.h"

/* ---- Closed forms: one for each loss of the list, or this file does not compile ---------------
 */

typedef long double wide;

static wide expect_half_squared_error(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (o[i] - t[i]) * (o[i] - t[i]) / 2;
    return sum;
}

static wide expect_mean_squared_error(size_t n, const wide *o, const wide *t)
{
    return expect_half_squared_error(n, o, t) * 2 / (wide)n;
}

static wide expect_absolute_error(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabsl(o[i] - t[i]);
    return sum;
}

static wide expect_binary_cross_entropy(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (t[i] != 0)
            sum -= t[i] * logl(o[i]);
        if (t[i] != 1)
            sum -= (1 - t[i]) * logl(1 - o[i]);
    }
    return sum;
}

/* log(1 + exp(x)) */
static wide softplus(wide x)
{
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static wide expect_binary_cross_entropy_logits(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += t[i] * softplus(-o[i]) + (1 - t[i]) * softplus(o[i]);
    return sum;
}

static wide expect_softmax_cross_entropy(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++) {
        /* logsumexp(z) - z_i without the difference */
        size_t top = 0;
        wide rest = 0;
        for (size_t j = 0; j < n; j++)
            top = o[j] > o[top] ? j : top;
        for (size_t j = 0; j < n; j++)
            rest += j == top ? 0 : expl(o[j] - o[top]);
        sum += t[i] * (log1pl(rest) + (o[top] - o[i]));
    }
    return sum;
}

static wide expect_negative_log_likelihood(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++)
        if (t[i] != 0)
            sum -= t[i] * logl(o[i]);
    return sum;
}

static wide expect_hinge(size_t n, const wide *o, const wide *t)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++) {
        const wide margin = t[i] > 0 ? 1 - o[i] : 1 + o[i];
        sum += margin > 0 ? margin : 0;
    }
    return sum;
}

/* What each takes: a loss that is not here does not compile either. */
enum {
    NUMBERS,
    PROBABILITIES,
    takes_half_squared_error = NUMBERS,
    takes_mean_squared_error = NUMBERS,
    takes_absolute_error = NUMBERS,
    takes_binary_cross_entropy = PROBABILITIES,
    takes_binary_cross_entropy_logits = NUMBERS,
    takes_softmax_cross_entropy = NUMBERS,
    takes_negative_log_likelihood = PROBABILITIES,
    takes_hinge = NUMBERS,
};

static const struct loss {
    const char *name;
    nn_loss loss;
    wide (*expect)(size_t n, const wide *outputs, const wide *targets);
    int takes;
} losses[] = {
#define NN_X(NAME, name, takes, formula) {#name, NN_##NAME, expect_##name, takes_##name},
    NN_LOSS_LIST(NN_X)
#undef NN_X
};

enum {
    LOSSES = sizeof(losses) / sizeof(losses[0]),
    MOST = 200 /* more than one gate's worth of operands */
};

/* ---- Running one ------------------------------------------------------------------------------
 */

/* The loss at a point, and its gradient by the outputs if gradient is not NULL. The graph checks
 * that nothing on the way is infinite. */
static double run(nn_loss loss, size_t n, const double *outputs, const double *targets,
                  double *gradient)
{
    ag_graph *graph = ag_graph_new(&(ag_graph_options){.check = true});
    ag_value o[MOST], t[MOST];
    for (size_t i = 0; i < n; i++) {
        o[i] = ag_variable(graph, (ag_real)outputs[i]);
        t[i] = ag_constant(graph, (ag_real)targets[i]);
    }
    ag_value y = loss(n, o, t, NULL);
    if (gradient != NULL) {
        assert_int_equal(ag_backward(y), AG_OK);
        for (size_t i = 0; i < n; i++)
            gradient[i] = (double)ag_grad(o[i]);
    }
    const double value = (double)ag_data(y);
    assert_int_equal(ag_error(graph), AG_OK);
    ag_graph_free(graph);
    return value;
}

/* Outputs, as the number type holds them, half a unit away from the kinks (of the absolute error at
 * the target, of the hinge at 1 and -1), and one-hot or soft targets. */
static void draw(nn_random *random, const struct loss *loss, size_t n, bool one_hot,
                 double *outputs, double *targets)
{
    const size_t klass = nn_random_below(random, n);
    for (size_t i = 0; i < n; i++) {
        targets[i] = one_hot ? i == klass : (double)(ag_real)nn_random_uniform(random);
        if (loss->takes == PROBABILITIES) {
            outputs[i] = (double)(ag_real)(0.1 + 0.8 * nn_random_uniform(random));
            continue;
        }
        do
            outputs[i] = (double)(ag_real)(3 * nn_random_normal(random));
        while (fabs(outputs[i] - targets[i]) < 0.5 || fabs(fabs(outputs[i]) - 1) < 0.5);
    }
}

static void test_values(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 10, 64, 65, MOST};
    nn_random random = nn_random_seed(21);
    double outputs[MOST], targets[MOST];
    wide wide_outputs[MOST], wide_targets[MOST];
    for (size_t k = 0; k < LOSSES; k++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
            for (int one_hot = 0; one_hot < 2; one_hot++) {
                draw(&random, &losses[k], sizes[s], one_hot, outputs, targets);
                for (size_t i = 0; i < sizes[s]; i++) {
                    wide_outputs[i] = (wide)outputs[i];
                    wide_targets[i] = (wide)targets[i];
                }
                assert_close(run(losses[k].loss, sizes[s], outputs, targets, NULL),
                             losses[k].expect(sizes[s], wide_outputs, wide_targets), ROUNDING);
            }
}

struct problem {
    nn_loss loss;
    const double *targets;
};

static ag_value build(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    const struct problem *problem = context;
    ag_value t[MOST];
    for (size_t i = 0; i < n; i++)
        t[i] = ag_constant(graph, (ag_real)problem->targets[i]);
    return problem->loss(n, inputs, t, NULL);
}

static void test_gradients(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 5, 70};
    nn_random random = nn_random_seed(22);
    double outputs[MOST], targets[MOST];
    for (size_t k = 0; k < LOSSES; k++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
            for (int one_hot = 0; one_hot < 2; one_hot++) {
                const size_t n = sizes[s];
                ag_real at[MOST];
                ag_gradcheck_row rows[MOST];
                bool passed = false;
                draw(&random, &losses[k], n, one_hot, outputs, targets);
                for (size_t i = 0; i < n; i++)
                    at[i] = (ag_real)outputs[i];
                assert_int_equal(ag_gradcheck(build, &(struct problem){losses[k].loss, targets}, n,
                                              at, NULL, rows, &passed, NULL),
                                 AG_OK);
                if (!passed)
                    print_error("%s of %zu\n", losses[k].name, n);
                assert_true(passed);
                for (size_t i = 0; i < n; i++)
                    assert_int_equal(rows[i].verdict, AG_AGREES);
            }
}

/* Targets take gradients, too, as long as they are not at the rim. */
static ag_value build_targets(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    const struct problem *problem = context;
    ag_value o[MOST];
    for (size_t i = 0; i < n; i++)
        o[i] = ag_constant(graph, (ag_real)problem->targets[i]);
    return problem->loss(n, o, inputs, NULL);
}

static void test_gradients_by_targets(void **state)
{
    (void)state;
    enum {
        N = 4
    };
    nn_random random = nn_random_seed(23);
    double outputs[N], targets[N];
    for (size_t k = 0; k < LOSSES; k++) {
        ag_real at[N];
        ag_gradcheck_row rows[N];
        bool passed = false;
        draw(&random, &losses[k], N, false, outputs, targets);
        for (size_t i = 0; i < N; i++)
            at[i] = (ag_real)targets[i];
        assert_int_equal(ag_gradcheck(build_targets, &(struct problem){losses[k].loss, outputs}, N,
                                      at, NULL, rows, &passed, NULL),
                         AG_OK);
        assert_true(passed);
    }
}

/* ---- Far out ----------------------------------------------------------------------------------
 */

static void check(nn_loss loss, size_t n, const double *outputs, const double *targets,
                  double expected, const double *expected_gradient)
{
    double gradient[MOST];
    assert_close(run(loss, n, outputs, targets, gradient), expected, ROUNDING);
    for (size_t i = 0; i < n; i++)
        assert_close(gradient[i], expected_gradient[i], ROUNDING);
}

#define LIST(...) ((const double[]){__VA_ARGS__})

static void test_large_logits(void **state)
{
    (void)state;
    const nn_loss softmax = NN_SOFTMAX_CROSS_ENTROPY, binary = NN_BINARY_CROSS_ENTROPY_LOGITS;
    check(softmax, 3, LIST(1000, -1000, 0), LIST(1, 0, 0), 0, LIST(0, 0, 0));
    check(softmax, 3, LIST(1000, -1000, 0), LIST(0, 1, 0), 2000, LIST(1, -1, 0));
    check(softmax, 3, LIST(1000, -1000, 0), LIST(0, 0, 1), 1000, LIST(1, 0, -1));
    check(softmax, 2, LIST(1000, 1000), LIST(1, 0), log(2), LIST(-0.5, 0.5));
    check(softmax, 2, LIST(-1000, -1000), LIST(0.25, 0.75), log(2), LIST(0.25, -0.25));
    const double p = 1 / (1 + exp(-25));
    check(softmax, 2, LIST(-25, 0), LIST(1, 0), 25 + log1p(exp(-25)), LIST(-p, p));
    check(softmax, 2, LIST(-100, 0), LIST(1, 0), 100, LIST(-1, 1));
    check(binary, 1, LIST(1000), LIST(1), 0, LIST(0));
    check(binary, 1, LIST(1000), LIST(0), 1000, LIST(1));
    check(binary, 1, LIST(-1000), LIST(0), 0, LIST(0));
    check(binary, 1, LIST(-1000), LIST(1), 1000, LIST(-1));
    check(binary, 1, LIST(0), LIST(0.5), log(2), LIST(0));
    check(NN_HINGE, 2, LIST(1000, -1000), LIST(1, 0), 0, LIST(0, 0));
    check(NN_HINGE, 2, LIST(1000, -1000), LIST(0, 1), 2002, LIST(1, -1));
    check(NN_HINGE, 2, LIST(1000, -1000), LIST(-1, 1), 2002, LIST(1, -1));
    check(NN_HINGE, 1, LIST(1), LIST(1), 0, LIST(0)); /* relu'(0) = 0 */
    check(NN_ABSOLUTE_ERROR, 2, LIST(1000, -1000), LIST(0, 0), 2000, LIST(1, -1));
    check(NN_ABSOLUTE_ERROR, 1, LIST(2), LIST(2), 0, LIST(0));
    check(NN_HALF_SQUARED_ERROR, 2, LIST(1000, -1000), LIST(0, 0), 1e6, LIST(1000, -1000));
    check(NN_MEAN_SQUARED_ERROR, 2, LIST(1000, -1000), LIST(0, 0), 1e6, LIST(1000, -1000));
}

/* Losses far below the logits, where logsumexp(z) - z_i or softplus(z) - t z would be 0. */
static void test_small_losses(void **state)
{
    (void)state;
    double gradient[3];
    const double loss = run(NN_SOFTMAX_CROSS_ENTROPY, 3, LIST(50, 0, 10), LIST(1, 0, 0), gradient);
    const double expected = exp(-50) + exp(-40); /* log1p of it, to 17 digits */
    assert_close(loss / expected, 1, ROUNDING);
    assert_close(gradient[1] / exp(-50), 1, ROUNDING);
    assert_close(gradient[2] / exp(-40), 1, ROUNDING);
    assert_close(run(NN_BINARY_CROSS_ENTROPY_LOGITS, 1, LIST(50), LIST(1), gradient) / exp(-50), 1,
                 ROUNDING);
    assert_close(gradient[0] / -exp(-50), 1, ROUNDING);
    assert_close(run(NN_BINARY_CROSS_ENTROPY_LOGITS, 1, LIST(-50), LIST(0), gradient) / exp(-50), 1,
                 ROUNDING);
    assert_close(gradient[0] / exp(-50), 1, ROUNDING);
    /* 1000 and a bit: the shift takes the size away before anything is rounded */
    const double near = (double)(ag_real)1000.5;
    assert_close(run(NN_SOFTMAX_CROSS_ENTROPY, 2, LIST(near, 1000), LIST(0, 1), gradient),
                 0.5 + log1p(exp(-0.5)), ROUNDING);
}

static void test_certain_probabilities(void **state)
{
    (void)state;
    const nn_loss binary = NN_BINARY_CROSS_ENTROPY, likelihood = NN_NEGATIVE_LOG_LIKELIHOOD;
    check(binary, 2, LIST(0, 1), LIST(0, 1), 0, LIST(1, -1));
    check(likelihood, 2, LIST(0, 1), LIST(0, 1), 0, LIST(0, -1));
    check(likelihood, 3, LIST(0, 0.5, 0.5), LIST(0, 0.5, 0.5), log(2), LIST(0, -1, -1));
    /* wrong and certain: infinite, and not a NaN or a large number */
    ag_graph *graph = ag_graph_new(NULL);
    ag_value zero = ag_variable(graph, 0), one = ag_variable(graph, 1);
    assert_close(ag_data(binary(1, &zero, &one, NULL)), INFINITY, 0);
    assert_close(ag_data(binary(1, &one, &zero, NULL)), INFINITY, 0);
    assert_close(ag_data(likelihood(1, &zero, &one, NULL)), INFINITY, 0);
    ag_graph_free(graph);
    /* next to 1, log1p knows what log(1 - p) would have lost */
    double gradient[1];
    const double tiny = (double)(ag_real)1e-30;
    assert_close(run(binary, 1, LIST(tiny), LIST(0), gradient) / tiny, 1, ROUNDING);
}

/* A class that is ruled out, and logits further apart than the largest number. */
static void test_infinite_logits(void **state)
{
    (void)state;
    const ag_real huge = sizeof(ag_real) == sizeof(double) ? (ag_real)1e308 : (ag_real)1e38;
    const ag_real infinity = (ag_real)INFINITY;
    const struct {
        ag_real z[3];
        size_t klass;
        ag_real loss;
    } cases[] = {
        {{0, -infinity, -infinity}, 0, 0},    {{huge, -huge, 0}, 0, 0},
        {{huge, -huge, 0}, 2, huge},          {{0, -infinity, 0}, 1, infinity},
        {{-infinity, huge, -infinity}, 1, 0},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        ag_graph *graph = ag_graph_new(NULL);
        ag_value z[3], t[3];
        for (size_t i = 0; i < 3; i++) {
            z[i] = ag_variable(graph, cases[k].z[i]);
            t[i] = ag_constant(graph, i == cases[k].klass);
        }
        assert_same(ag_data(NN_SOFTMAX_CROSS_ENTROPY(3, z, t, NULL)), cases[k].loss);
        assert_same(ag_data(nn_softmax_cross_entropy_class(3, z, cases[k].klass)), cases[k].loss);
        ag_graph_free(graph);
    }
}

/* ---- The class for a target -------------------------------------------------------------------
 */

static void test_class(void **state)
{
    (void)state;
    nn_random random = nn_random_seed(24);
    static const size_t sizes[] = {1, 2, 10, 65, MOST};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        const size_t n = sizes[s], klass = nn_random_below(&random, n);
        double z[MOST], t[MOST], gradient[MOST];
        ag_value x[MOST];
        ag_graph *graph = ag_graph_new(NULL);
        for (size_t i = 0; i < n; i++) {
            z[i] = (double)(ag_real)(100 * nn_random_normal(&random));
            t[i] = i == klass;
            x[i] = ag_variable(graph, (ag_real)z[i]);
        }
        ag_value y = nn_softmax_cross_entropy_class(n, x, klass);
        assert_int_equal(ag_backward(y), AG_OK);
        assert_close(ag_data(y), run(NN_SOFTMAX_CROSS_ENTROPY, n, z, t, gradient), ROUNDING);
        for (size_t i = 0; i < n; i++)
            assert_close(ag_grad(x[i]), gradient[i], ROUNDING);
        ag_graph_free(graph);
    }
    ag_graph *graph = ag_graph_new(NULL);
    ag_value z[] = {ag_variable(graph, 50), ag_variable(graph, 0)};
    assert_close((double)ag_data(nn_softmax_cross_entropy_class(2, z, 0)) / exp(-50), 1, ROUNDING);
    assert_true(ag_is_null(nn_softmax_cross_entropy_class(0, z, 0)));
    assert_int_equal(ag_error(graph), AG_OK);
    assert_true(ag_is_null(nn_softmax_cross_entropy_class(2, z, 2)));
    assert_int_equal(ag_error(graph), AG_INVALID_ARGUMENT);
    assert_contains(ag_error_message(graph), "class 2 of 2");
    ag_graph_free(graph);
}

static void test_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < LOSSES; k++)
        assert_true(ag_is_null(losses[k].loss(0, NULL, NULL, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_by_targets),
        cmocka_unit_test(test_large_logits),
        cmocka_unit_test(test_small_losses),
        cmocka_unit_test(test_certain_probabilities),
        cmocka_unit_test(test_infinite_logits),
        cmocka_unit_test(test_class),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
