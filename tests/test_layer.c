/* SPDX-License-Identifier: MIT
 *
 * Activations, neurons, layers and softmax: values against formulas written here, gradients against
 * finite differences and a published example, conventions at kinks, and what is refused.
 */
#include "nn_testing.h"

/* One for each activation of the list, or this file does not compile. */
static double expect_identity(double x)
{
    return x;
}

static double expect_tanh(double x)
{
    const double e = exp(-2 * fabs(x));
    return copysign((1 - e) / (1 + e), x);
}

static double expect_sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double expect_relu(double x)
{
    return x > 0 ? x : 0;
}

static double expect_leaky_relu(double x)
{
    return x > 0 ? x : 0.01 * x;
}

static double expect_elu(double x)
{
    return x > 0 ? x : exp(x) - 1;
}

static double expect_softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static const struct {
    const char *name;
    nn_activation activation;
    double (*expect)(double x);
} activations[] = {
#define NN_X(NAME, name, formula) {#name, NN_##NAME, expect_##name},
    NN_ACTIVATION_LIST(NN_X)
#undef NN_X
};

enum {
    ACTIVATIONS = sizeof(activations) / sizeof(activations[0])
};

static void test_activation_values(void **state)
{
    (void)state;
    static const double points[] = {-1000, -30, -2.5, -1e-3, 0, 1e-3, 0.5, 3, 30, 1000};
    ag_graph *graph = ag_graph_new(NULL);
    for (size_t i = 0; i < ACTIVATIONS; i++) {
        assert_string_equal(nn_activation_name(activations[i].activation), activations[i].name);
        for (size_t k = 0; k < sizeof(points) / sizeof(points[0]); k++) {
            ag_value x = ag_variable(graph, (ag_real)points[k]);
            ag_value y = nn_activate(activations[i].activation, x);
            assert_close(ag_data(y), activations[i].expect((double)ag_data(x)), ROUNDING);
            assert_int_equal(ag_backward(y), AG_OK);
            assert_true(isfinite(ag_grad(x)));
        }
    }
    assert_int_equal(ag_error(graph), AG_OK);
    ag_graph_free(graph);
}

static ag_value activate(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph;
    (void)n;
    return nn_activate(*(const nn_activation *)context, inputs[0]);
}

static void test_activation_gradients(void **state)
{
    (void)state;
    static const double points[] = {-8, -1.5, -0.1, 0.1, 0.7, 8};
    for (size_t i = 0; i < ACTIVATIONS; i++)
        for (size_t k = 0; k < sizeof(points) / sizeof(points[0]); k++) {
            const ag_real at = (ag_real)points[k];
            nn_activation activation = activations[i].activation;
            ag_gradcheck_row row;
            bool passed = false;
            assert_int_equal(ag_gradcheck(activate, &activation, 1, &at, NULL, &row, &passed, NULL),
                             AG_OK);
            assert_true(passed);
            assert_int_equal(row.verdict, AG_AGREES);
        }
}

static double differentiate(nn_activation activation, double at)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x = ag_variable(graph, (ag_real)at);
    assert_int_equal(ag_backward(nn_activate(activation, x)), AG_OK);
    const double gradient = (double)ag_grad(x);
    ag_graph_free(graph);
    return gradient;
}

static void test_kinks(void **state)
{
    (void)state;
    assert_close(differentiate(NN_RELU, 0), 0, 0);
    assert_close(differentiate(NN_LEAKY_RELU, 0), 0.01, ROUNDING);
    assert_close(differentiate(NN_LEAKY_RELU, 1e-30), 1, 0);
    assert_close(differentiate(NN_LEAKY_RELU, -1e-30), 0.01, ROUNDING);
    assert_close(differentiate(NN_ELU, 0), 1, 0);
    assert_close(differentiate(NN_ELU, -1000), 0, 0);
    assert_close(differentiate(NN_ELU, 1000), 1, 0);
}

static void test_unknown_activation(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x = ag_variable(graph, 1);
    const nn_activation wrong = (nn_activation)ACTIVATIONS;
    assert_string_equal(nn_activation_name(wrong), "unknown");
    assert_true(ag_is_null(nn_activate(wrong, x)));
    assert_int_equal(ag_error(graph), AG_INVALID_ARGUMENT);
    assert_contains(ag_error_message(graph), "nn_activate: 7 is no activation");
    ag_graph_free(graph);
}

/* The neuron of A. Karpathy's micrograd lecture: o = tanh(x1 w1 + x2 w2 + b). */
static void test_published_neuron(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x[] = {ag_variable(graph, 2), ag_variable(graph, 0)};
    ag_value w[] = {ag_variable(graph, -3), ag_variable(graph, 1)};
    ag_value b = ag_variable(graph, (ag_real)6.8813735870195432);
    const size_t leaves = ag_graph_count(graph);
    ag_value o = nn_neuron(2, w, x, b, NN_TANH);
    assert_int_equal(ag_graph_count(graph), leaves + 3); /* dot, add, tanh */
    assert_int_equal(ag_backward(o), AG_OK);
    assert_close(ag_data(o), 0.70710678118654752, ROUNDING);
    assert_close(ag_grad(x[0]), -1.5, ROUNDING);
    assert_close(ag_grad(x[1]), 0.5, ROUNDING);
    assert_close(ag_grad(w[0]), 1, ROUNDING);
    assert_close(ag_grad(w[1]), 0, ROUNDING);
    assert_close(ag_grad(b), 0.5, ROUNDING);
    ag_graph_free(graph);
}

enum {
    IN = 3,
    OUT = 2,
    LEAVES = OUT * IN + OUT + IN
};

static ag_value square_layer(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph;
    assert_int_equal(n, LEAVES);
    ag_value outputs[OUT];
    (void)nn_layer(IN, OUT, inputs, inputs + OUT * IN, inputs + OUT * IN + OUT,
                   *(const nn_activation *)context, outputs);
    return ag_add(ag_square(outputs[0]), outputs[1]);
}

static void test_layer(void **state)
{
    (void)state;
    ag_real at[LEAVES];
    nn_random random = nn_random_seed(11);
    for (size_t i = 0; i < LEAVES; i++)
        at[i] = (ag_real)nn_random_normal(&random);
    for (size_t k = 0; k < ACTIVATIONS; k++) {
        nn_activation activation = activations[k].activation;
        double y[OUT];
        for (size_t i = 0; i < OUT; i++) {
            double sum = (double)at[OUT * IN + i];
            for (size_t j = 0; j < IN; j++)
                sum += (double)at[i * IN + j] * (double)at[OUT * IN + OUT + j];
            y[i] = activations[k].expect(sum);
        }
        ag_graph *graph = ag_graph_new(NULL);
        ag_value leaves[LEAVES], outputs[OUT];
        for (size_t i = 0; i < LEAVES; i++)
            leaves[i] = ag_variable(graph, at[i]);
        assert_int_equal(nn_layer(IN, OUT, leaves, leaves + OUT * IN, leaves + OUT * IN + OUT,
                                  activation, outputs),
                         AG_OK);
        for (size_t i = 0; i < OUT; i++)
            assert_close(ag_data(outputs[i]), y[i], ROUNDING);
        ag_graph_free(graph);
        ag_gradcheck_row rows[LEAVES];
        bool passed = false;
        assert_int_equal(
            ag_gradcheck(square_layer, &activation, LEAVES, at, NULL, rows, &passed, NULL), AG_OK);
        assert_true(passed);
    }
}

static void test_layer_errors(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL), *other = ag_graph_new(NULL);
    ag_value w[2] = {ag_variable(graph, 1), ag_variable(graph, 2)}, b = ag_variable(graph, 3), y;
    ag_value x[2] = {ag_variable(graph, 1), ag_variable(other, 2)};
    assert_int_equal(nn_layer(0, 1, w, &b, x, NN_TANH, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_layer(2, 0, w, &b, x, NN_TANH, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_layer(2, 1, NULL, &b, x, NN_TANH, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_layer(2, 1, w, NULL, x, NN_TANH, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_layer(2, 1, w, &b, NULL, NN_TANH, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_layer(2, 1, w, &b, x, NN_TANH, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_softmax(0, w, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_softmax(2, NULL, &y), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_softmax(2, w, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_error(graph), AG_OK);
    assert_int_equal(nn_layer(2, 1, w, &b, x, NN_TANH, &y), AG_WRONG_GRAPH);
    assert_true(ag_is_null(y));
    assert_int_equal(ag_error(graph), AG_WRONG_GRAPH);
    ag_clear_error(graph);
    assert_int_equal(nn_layer(2, 1, w, &b, x, (nn_activation)-1, &y), AG_WRONG_GRAPH);
    const ag_value nothing[2] = {{0}, {0}};
    assert_int_equal(nn_softmax(2, nothing, x), AG_NULL_VALUE);
    ag_graph_free(graph);
    ag_graph_free(other);
}

/* ---- Softmax --------------------------------------------------------------------------------- */

static void check_softmax(size_t n, const double *logits)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value z[5];
    double largest = logits[0], total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        z[i] = ag_variable(graph, (ag_real)logits[i]);
        largest = fmax(largest, (double)ag_data(z[i]));
    }
    for (size_t i = 0; i < n; i++)
        total += exp((double)ag_data(z[i]) - largest);
    ag_value p[5];
    memcpy(p, z, n * sizeof(p[0])); /* in place */
    assert_int_equal(nn_softmax(n, p, p), AG_OK);
    for (size_t i = 0; i < n; i++) {
        assert_close(ag_data(p[i]), exp((double)ag_data(z[i]) - largest) / total, ROUNDING);
        sum += (double)ag_data(p[i]);
    }
    assert_close(sum, 1, ROUNDING);
    /* dp_i / dz_j = p_i ((i == j) - p_j) */
    for (size_t i = 0; i < n; i++) {
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(p[i]), AG_OK);
        for (size_t j = 0; j < n; j++)
            assert_close(ag_grad(z[j]),
                         (double)ag_data(p[i]) * ((i == j ? 1 : 0) - (double)ag_data(p[j])),
                         ROUNDING);
    }
    ag_graph_free(graph);
}

static void test_softmax(void **state)
{
    (void)state;
    check_softmax(1, (const double[]){3});
    check_softmax(3, (const double[]){0.5, -1, 2});
    check_softmax(3, (const double[]){1, 1, 1});
    check_softmax(3, (const double[]){1000, -1000, 0});
    check_softmax(4, (const double[]){-1000, -1000, -1000, -1000});
    check_softmax(5, (const double[]){1000, 999.5, 998, 1000, -1000});
}

static ag_value weigh_softmax(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph;
    (void)context;
    ag_value p[4];
    (void)nn_softmax(n, inputs, p);
    return ag_add(ag_scale(p[0], 3), ag_square(p[n - 1]));
}

static void test_softmax_gradient(void **state)
{
    (void)state;
    const ag_real at[] = {(ag_real)0.5, -1, 2, (ag_real)0.25};
    ag_gradcheck_row rows[4];
    bool passed = false;
    assert_int_equal(ag_gradcheck(weigh_softmax, NULL, 4, at, NULL, rows, &passed, NULL), AG_OK);
    assert_true(passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activation_values),
        cmocka_unit_test(test_activation_gradients),
        cmocka_unit_test(test_kinks),
        cmocka_unit_test(test_unknown_activation),
        cmocka_unit_test(test_published_neuron),
        cmocka_unit_test(test_layer),
        cmocka_unit_test(test_layer_errors),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
