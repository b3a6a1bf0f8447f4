/* SPDX-License-Identifier: MIT
 *
 * Models: shape and first weights, outputs against plain arithmetic, what is said about data.
 */
#include "nn_testing.h"

/* ---- Shape and weights ------------------------------------------------------------------------
 */

static void test_shape(void **state)
{
    (void)state;
    const size_t sizes[] = {4, 16, 3};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 42);
    assert_int_equal(nn_model_inputs(model), 4);
    assert_int_equal(nn_model_outputs(model), 3);
    assert_int_equal(nn_parameter_count(model), 16 * 4 + 16 + 3 * 16 + 3);
    nn_model_free(model);
    model = nn_mlp(2, sizes, NN_TANH, 42);
    assert_int_equal(nn_parameter_count(model), 16 * 4 + 16);
    assert_int_equal(nn_model_outputs(model), 16);
    nn_model_free(model);
    nn_model_free(NULL);
    assert_int_equal(nn_model_inputs(NULL), 0);
    assert_int_equal(nn_model_outputs(NULL), 0);
    assert_int_equal(nn_parameter_count(NULL), 0);
    assert_null(nn_parameters(NULL));
}

static void check_part(const ag_real *weights, size_t in, size_t out, double limit)
{
    double largest = 0;
    for (size_t i = 0; i < in * out; i++)
        largest = fmax(largest, fabs((double)weights[i]));
    assert_true(largest <= limit * (1 + ROUNDING) && largest > 0.9 * limit);
    for (size_t i = 0; i < out; i++)
        assert_true(weights[in * out + i] == 0);
}

static void test_first_weights(void **state)
{
    (void)state;
    const size_t sizes[] = {20, 30, 10};
    static const struct {
        nn_activation activation;
        double first, second; /* sqrt(6 / (in + out)), or sqrt(6 / in) */
    } cases[] = {
        {NN_IDENTITY, 0.34641016, 0.38729833},   {NN_TANH, 0.34641016, 0.38729833},
        {NN_SIGMOID, 0.34641016, 0.38729833},    {NN_RELU, 0.54772256, 0.44721360},
        {NN_LEAKY_RELU, 0.54772256, 0.44721360}, {NN_ELU, 0.54772256, 0.44721360},
        {NN_SOFTPLUS, 0.54772256, 0.44721360},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nn_model *a = nn_mlp(3, sizes, cases[i].activation, 1);
        nn_model *b = nn_mlp(3, sizes, cases[i].activation, 1);
        nn_model *c = nn_mlp(3, sizes, cases[i].activation, 2);
        const size_t bytes = nn_parameter_count(a) * sizeof(ag_real);
        assert_memory_equal(nn_parameters(a), nn_parameters(b), bytes);
        assert_memory_not_equal(nn_parameters(a), nn_parameters(c), bytes);
        check_part(nn_parameters(a), 20, 30, cases[i].first + 1e-8);
        check_part(nn_parameters(a) + 20 * 30 + 30, 30, 10, cases[i].second + 1e-8);
        nn_model_free(a);
        nn_model_free(b);
        nn_model_free(c);
    }
}

static void test_impossible_models(void **state)
{
    (void)state;
    const size_t sizes[] = {4, 16, 3}, none[] = {4, 0, 3}, huge[] = {1, SIZE_MAX, 1};
    const size_t square[] = {SIZE_MAX / 2, SIZE_MAX / 2}, large[] = {2, SIZE_MAX / 32, 2};
    const size_t wide[] = {SIZE_MAX, 1};
    assert_null(nn_mlp(0, sizes, NN_TANH, 1));
    assert_null(nn_mlp(1, sizes, NN_TANH, 1));
    assert_null(nn_mlp(3, NULL, NN_TANH, 1));
    assert_null(nn_mlp(3, none, NN_TANH, 1));
    assert_null(nn_mlp(3, sizes, (nn_activation)99, 1));
    assert_null(nn_mlp(3, sizes, (nn_activation)-1, 1));
    assert_null(nn_mlp(3, huge, NN_TANH, 1));
    assert_null(nn_mlp(2, square, NN_TANH, 1));
    assert_null(nn_mlp(3, large, NN_TANH, 1));
    assert_null(nn_mlp(2, wide, NN_TANH, 1));
}

/* ---- Outputs ----------------------------------------------------------------------------------
 */

/* Every width differs from its neighbours, so that a mixed-up size or buffer shows. */
static const size_t widths[] = {3, 5, 2, 7, 4, 2};

enum {
    SIZES = sizeof(widths) / sizeof(widths[0]),
    INPUTS = 3,
    OUTPUTS = 2,
    WIDEST = 7
};

static nn_model *make_model(nn_activation activation)
{
    nn_model *model = nn_mlp(SIZES, widths, activation, 5);
    assert_non_null(model);
    nn_random random = nn_random_seed(51);
    for (size_t i = 0; i < nn_parameter_count(model); i++)
        nn_parameters(model)[i] = (ag_real)(0.7 * nn_random_normal(&random));
    return model;
}

/* The net with tanh in plain arithmetic. */
static void compute(const ag_real *parameters, const double *inputs, double *outputs)
{
    double from[WIDEST], to[WIDEST];
    memcpy(from, inputs, INPUTS * sizeof(double));
    for (size_t layer = 0; layer + 1 < SIZES; layer++) {
        const size_t in = widths[layer], out = widths[layer + 1];
        for (size_t i = 0; i < out; i++) {
            double sum = (double)parameters[in * out + i];
            for (size_t j = 0; j < in; j++)
                sum += (double)parameters[i * in + j] * from[j];
            to[i] = layer + 2 < SIZES ? tanh(sum) : sum;
        }
        memcpy(from, to, sizeof(to));
        parameters += in * out + out;
    }
    memcpy(outputs, to, OUTPUTS * sizeof(double));
}

static void test_predict(void **state)
{
    (void)state;
    enum {
        ROWS = 40
    };
    nn_model *model = make_model(NN_TANH);
    ag_real inputs[ROWS * INPUTS], outputs[ROWS * OUTPUTS];
    nn_random random = nn_random_seed(52);
    for (size_t i = 0; i < ROWS * INPUTS; i++)
        inputs[i] = (ag_real)nn_random_normal(&random);
    for (int scaled = 0; scaled < 2; scaled++) {
        for (size_t i = 0; scaled && i < INPUTS; i++) {
            model->mean[i] = (ag_real)i + 1;
            model->deviation[i] = (ag_real)i + 2;
        }
        assert_int_equal(nn_predict(model, ROWS, inputs, outputs, NULL), AG_OK);
        for (size_t row = 0; row < ROWS; row++) {
            double x[INPUTS], y[OUTPUTS];
            for (size_t i = 0; i < INPUTS; i++) {
                x[i] = (double)inputs[row * INPUTS + i];
                if (scaled)
                    x[i] = (x[i] - (double)i - 1) / ((double)i + 2);
            }
            compute(nn_parameters(model), x, y);
            for (size_t i = 0; i < OUTPUTS; i++)
                assert_close(outputs[row * OUTPUTS + i], y[i], 10 * ROUNDING);
        }
    }
    assert_int_equal(nn_predict(model, 0, NULL, NULL, NULL), AG_OK);
    nn_error error;
    assert_int_equal(nn_predict(NULL, 1, inputs, outputs, &error), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_predict(model, 1, NULL, outputs, &error), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_predict(model, 1, inputs, NULL, &error), AG_INVALID_ARGUMENT);
    assert_contains(error.message, "NULL");
    nn_model_free(model);
}

/* The program beside the gates, for each activation. */
static void test_predict_activations(void **state)
{
    (void)state;
    const nn_activation activations[] = {
#define NN_X(NAME, name, formula) NN_##NAME,
        NN_ACTIVATION_LIST(NN_X)
#undef NN_X
    };
    nn_random random = nn_random_seed(53);
    for (size_t k = 0; k < sizeof(activations) / sizeof(activations[0]); k++) {
        nn_model *model = make_model(activations[k]);
        const size_t n = nn_parameter_count(model);
        for (size_t round = 0; round < 20; round++) {
            ag_real inputs[INPUTS], outputs[OUTPUTS];
            ag_value parameters[200], leaves[INPUTS], made[OUTPUTS];
            ag_graph *graph = ag_graph_new(NULL);
            for (size_t i = 0; i < INPUTS; i++) {
                inputs[i] = (ag_real)nn_random_normal(&random);
                leaves[i] = ag_constant(graph, inputs[i]);
            }
            assert_true(n <= 200);
            for (size_t i = 0; i < n; i++)
                parameters[i] = ag_constant(graph, nn_parameters(model)[i]);
            assert_int_equal(nn_model_record(model, parameters, leaves, made), AG_OK);
            assert_int_equal(nn_predict(model, 1, inputs, outputs, NULL), AG_OK);
            for (size_t i = 0; i < OUTPUTS; i++)
                assert_close(outputs[i], ag_data(made[i]), 10 * ROUNDING);
            ag_graph_free(graph);
        }
        nn_model_free(model);
    }
}

/* More rows than go through the program in one piece, and enough for several threads: each row's
 * outputs are those of the row in smaller company. */
static void test_predict_many(void **state)
{
    (void)state;
    enum {
        ROWS = 1100000,
        SOME = 1000
    };
    const size_t sizes[] = {1, 6, 2};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 5);
    ag_real *inputs = malloc(ROWS * sizeof(ag_real)), *outputs = malloc(2 * ROWS * sizeof(ag_real));
    size_t *labels = malloc(ROWS * sizeof(size_t));
    assert_non_null(inputs);
    assert_non_null(outputs);
    assert_non_null(labels);
    for (size_t i = 0; i < ROWS; i++)
        inputs[i] = (ag_real)((double)i / ROWS - 0.5);
    assert_int_equal(nn_predict(model, ROWS, inputs, outputs, NULL), AG_OK);
    size_t counts[4] = {0};
    for (size_t at = 0; at < ROWS; at += SOME) {
        ag_real some[2 * SOME];
        assert_int_equal(nn_predict(model, SOME, inputs + at, some, NULL), AG_OK);
        assert_memory_equal(some, outputs + 2 * at, sizeof(some));
        for (size_t i = 0; i < SOME; i++) {
            labels[at + i] = i % 2;
            counts[2 * (i % 2) + nn_predicted_class(2, some + 2 * i)]++;
        }
    }
    nn_dataset *data = nn_dataset_classes(ROWS, 1, inputs, 2, labels, NULL);
    size_t counted[4];
    assert_int_equal(nn_confusion(model, data, counted, NULL), AG_OK);
    assert_memory_equal(counted, counts, sizeof(counts));
    assert_close(nn_accuracy(model, data), (double)(counts[0] + counts[3]) / ROWS, 1e-15);
    nn_dataset_free(data);
    free(inputs);
    free(outputs);
    free(labels);
    nn_model_free(model);
}

/* The program that a model keeps is for any parameters and any standardisation. */
static void test_predict_again(void **state)
{
    (void)state;
    nn_model *model = make_model(NN_TANH);
    const ag_real inputs[INPUTS] = {1, 2, 3};
    ag_real first[OUTPUTS], second[OUTPUTS];
    assert_int_equal(nn_predict(model, 1, inputs, first, NULL), AG_OK);
    nn_parameters(model)[nn_parameter_count(model) - 1] += 1; /* the last bias */
    assert_int_equal(nn_predict(model, 1, inputs, second, NULL), AG_OK);
    assert_same(second[0], first[0]);
    assert_close(second[1], (double)first[1] + 1, ROUNDING);
    model->mean[0] = 1;
    assert_int_equal(nn_predict(model, 1, inputs, second, NULL), AG_OK);
    assert_true(second[0] != first[0]);
    /* and nothing more is asked for than the inputs' copy */
    count_memory(0, false);
    assert_int_equal(nn_predict(model, 1, inputs, second, NULL), AG_OK);
    stop_counting_memory();
    assert_int_equal(memory.requests, 1);
    assert_int_equal(memory.live, 0);
    nn_model_free(model);
}

static ag_value build(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph;
    (void)n;
    const nn_model *model = context;
    ag_value outputs[OUTPUTS];
    (void)nn_model_record(model, inputs, inputs + nn_parameter_count(model), outputs);
    return ag_add(ag_square(outputs[0]), outputs[1]);
}

/* Gradients by every parameter and every input, for smooth activations. */
static void test_recorded_gradients(void **state)
{
    (void)state;
    const nn_activation smooth[] = {NN_IDENTITY, NN_TANH, NN_SIGMOID, NN_SOFTPLUS};
    for (size_t k = 0; k < sizeof(smooth) / sizeof(smooth[0]); k++) {
        nn_model *model = make_model(smooth[k]);
        const size_t count = nn_parameter_count(model), n = count + INPUTS;
        ag_real at[200];
        ag_gradcheck_row rows[200];
        assert_true(n <= 200);
        memcpy(at, nn_parameters(model), count * sizeof(ag_real));
        for (size_t i = 0; i < INPUTS; i++)
            at[count + i] = (ag_real)(0.5 * (double)i - 0.3);
        bool passed = false;
        assert_int_equal(ag_gradcheck(build, model, n, at, NULL, rows, &passed, NULL), AG_OK);
        assert_true(passed);
        nn_model_free(model);
    }
}

static void test_record_errors(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 1};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 1);
    ag_graph *graph = ag_graph_new(NULL), *other = ag_graph_new(NULL);
    ag_value parameters[7], input = ag_variable(other, 1), output;
    for (size_t i = 0; i < 7; i++)
        parameters[i] = ag_variable(graph, 1);
    assert_int_equal(nn_model_record(NULL, parameters, &input, &output), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_model_record(model, NULL, &input, &output), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_model_record(model, parameters, NULL, &output), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_model_record(model, parameters, &input, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_model_record(model, parameters, &input, &output), AG_WRONG_GRAPH);
    assert_int_equal(ag_error(graph), AG_WRONG_GRAPH);
    ag_graph_free(graph);
    ag_graph_free(other);
    nn_model_free(model);
}

static void test_standardise(void **state)
{
    (void)state;
    const size_t sizes[] = {3, 1};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    ag_real x[] = {1, (ag_real)-2.5, 7}, y[3];
    nn_standardise(model, x, y);
    assert_memory_equal(x, y, sizeof(x));
#ifdef AG_REAL_FLOAT
    const ag_real huge = 3e38F;
#else
    const ag_real huge = 1.7e308;
#endif
    const ag_real mean[] = {3, (ag_real)-2.5, -huge}, deviation[] = {4, 1, huge / 2};
    memcpy(model->mean, mean, sizeof(mean));
    memcpy(model->deviation, deviation, sizeof(deviation));
    x[2] = huge;
    nn_standardise(model, x, x);
    assert_close(x[0], -0.5, 0);
    assert_close(x[1], 0, 0);
    assert_close(x[2], 4, ROUNDING); /* though the difference is beyond the numbers */
    nn_standardise(NULL, x, y);
    nn_model_free(model);
}

/* ---- Data -------------------------------------------------------------------------------------
 */

static void test_predicted_class(void **state)
{
    (void)state;
    assert_int_equal(nn_predicted_class(3, (const ag_real[]){1, 3, 2}), 1);
    assert_int_equal(nn_predicted_class(3, (const ag_real[]){-1, -3, -2}), 0);
    assert_int_equal(nn_predicted_class(4, (const ag_real[]){1, 3, 3, 3}), 1);
    assert_int_equal(nn_predicted_class(2, (const ag_real[]){0, 0}), 0);
    assert_int_equal(nn_predicted_class(1, (const ag_real[]){0}), 0);
    assert_int_equal(nn_predicted_class(1, (const ag_real[]){AG_REAL_EPSILON}), 1);
    assert_int_equal(nn_predicted_class(1, (const ag_real[]){-5}), 0);
}

/* A net whose outputs are its inputs. */
static nn_model *make_mirror(void)
{
    const size_t sizes[] = {3, 3};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    for (size_t i = 0; i < 12; i++)
        nn_parameters(model)[i] = i == 0 || i == 4 || i == 8;
    return model;
}

static void test_accuracy_and_confusion(void **state)
{
    (void)state;
    nn_model *model = make_mirror();
    const ag_real inputs[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 0, 5, 5, 5};
    const size_t labels[] = {0, 1, 2, 0, 1, 2, 0};
    nn_dataset *data = nn_dataset_classes(7, 3, inputs, 3, labels, NULL);
    assert_close(nn_accuracy(model, data), 4.0 / 7, 1e-15);
    size_t counts[9];
    memset(counts, 77, sizeof(counts));
    assert_int_equal(nn_confusion(model, data, counts, NULL), AG_OK);
    const size_t expected[] = {2, 1, 0, 1, 1, 0, 0, 1, 1};
    assert_memory_equal(counts, expected, sizeof(counts));
    assert_int_equal(nn_confusion(model, data, NULL, NULL), AG_INVALID_ARGUMENT);
    nn_dataset_free(data);
    nn_model_free(model);
}

static void test_one_output(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    nn_parameters(model)[0] = 1;
    nn_parameters(model)[1] = -2;
    const ag_real inputs[] = {1, 3, 5, 2};
    const size_t labels[] = {0, 1, 0, 0};
    nn_dataset *data = nn_dataset_classes(4, 1, inputs, 2, labels, NULL);
    assert_close(nn_accuracy(model, data), 0.75, 0);
    size_t counts[4];
    assert_int_equal(nn_confusion(model, data, counts, NULL), AG_OK);
    const size_t expected[] = {2, 1, 0, 1};
    assert_memory_equal(counts, expected, sizeof(counts));
    /* logits -1, 1, 3, 0 for the classes 0, 1, 0, 0 */
    const double loss = (log1p(exp(-1)) + log1p(exp(-1)) + 3 + log1p(exp(-3)) + log(2)) / 4;
    assert_close(nn_mean_loss(model, data, NULL, NULL), loss, ROUNDING);
    assert_close(nn_mean_loss(model, data, NN_HINGE, NULL), (0.0 + 0 + 4 + 1) / 4, ROUNDING);
    nn_dataset_free(data);
    nn_model_free(model);
}

static ag_value scaled_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                            void *context)
{
    return ag_scale(nn_half_squared_error(n, outputs, targets, NULL), *(const ag_real *)context);
}

static ag_value failing_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                             void *context)
{
    (void)n;
    (void)targets;
    (void)context;
    return ag_sum(0, outputs);
}

static void test_mean_loss(void **state)
{
    (void)state;
    nn_model *model = make_mirror();
    const ag_real inputs[] = {1, 0, 0, 0, 1, 2}, targets[] = {0, 0, 0, 0, 1, -1};
    nn_dataset *data = nn_dataset_numbers(2, 3, inputs, 3, targets, NULL);
    assert_close(nn_mean_loss(model, data, NULL, NULL), (1.0 / 3 + 3) / 2, ROUNDING);
    assert_close(nn_mean_loss(model, data, NN_HALF_SQUARED_ERROR, NULL), (0.5 + 4.5) / 2, ROUNDING);
    ag_real factor = 10;
    assert_close(nn_mean_loss(model, data, scaled_loss, &factor), 25, ROUNDING);
    assert_true(isnan(nn_mean_loss(model, data, failing_loss, NULL)));
    assert_true(isnan(nn_mean_loss(model, data, no_loss, NULL)));
    nn_dataset_free(data);
    const size_t labels[] = {0, 2};
    data = nn_dataset_classes(2, 3, inputs, 3, labels, NULL);
    const double first = log(exp(1) + 2) - 1, second = log(1 + exp(1) + exp(2)) - 2;
    assert_close(nn_mean_loss(model, data, NULL, NULL), (first + second) / 2, ROUNDING);
    nn_dataset_free(data);
    nn_model_free(model);
}

/* The mean that nn_loss_gradient finds, gate by gate. */
static void test_mean_loss_of_a_net(void **state)
{
    (void)state;
    enum {
        ROWS = 50
    };
    nn_model *model = make_model(NN_ELU);
    ag_real inputs[ROWS * INPUTS], targets[ROWS * OUTPUTS], gradient[200];
    size_t rows[ROWS];
    nn_random random = nn_random_seed(54);
    for (size_t i = 0; i < ROWS * INPUTS; i++)
        inputs[i] = (ag_real)nn_random_normal(&random);
    for (size_t i = 0; i < ROWS * OUTPUTS; i++)
        targets[i] = (ag_real)nn_random_normal(&random);
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = i;
    nn_dataset *data = nn_dataset_numbers(ROWS, INPUTS, inputs, OUTPUTS, targets, NULL);
    const nn_loss losses[] = {NULL, NN_ABSOLUTE_ERROR, NN_HINGE, scaled_loss};
    ag_real factor = 3;
    for (size_t k = 0; k < 4; k++) {
        double loss;
        assert_int_equal(
            nn_loss_gradient(model, data, ROWS, rows, losses[k], &factor, &loss, gradient, NULL),
            AG_OK);
        assert_close(nn_mean_loss(model, data, losses[k], &factor), loss, 10 * ROUNDING);
    }
    nn_dataset_free(data);
    nn_model_free(model);
}

static void test_misfits(void **state)
{
    (void)state;
    nn_model *model = make_mirror();
    const ag_real numbers[8] = {0};
    const size_t labels[] = {0, 1};
    size_t counts[16];
    nn_error error;
    nn_dataset *features = nn_dataset_classes(2, 4, numbers, 3, labels, NULL);
    nn_dataset *classes = nn_dataset_classes(2, 3, numbers, 2, labels, NULL);
    nn_dataset *regression = nn_dataset_numbers(2, 3, numbers, 3, numbers, NULL);
    assert_int_equal(nn_confusion(model, features, counts, &error), AG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "the model has 3 inputs, the data 4 features");
    assert_int_equal(nn_confusion(model, classes, counts, &error), AG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "the model has 3 outputs, the data 2 classes");
    assert_int_equal(nn_confusion(model, regression, counts, &error), AG_INVALID_ARGUMENT);
    assert_contains(error.message, "not classes");
    assert_int_equal(nn_confusion(NULL, classes, counts, &error), AG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "no model: it is NULL");
    assert_int_equal(nn_confusion(model, NULL, counts, &error), AG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "no dataset: it is NULL");
    assert_true(isnan(nn_accuracy(model, features)));
    assert_true(isnan(nn_accuracy(model, classes)));
    assert_true(isnan(nn_accuracy(model, regression)));
    assert_true(isnan(nn_accuracy(NULL, classes)));
    assert_true(isnan(nn_accuracy(model, NULL)));
    assert_true(isnan(nn_mean_loss(model, classes, NULL, NULL)));
    assert_true(isnan(nn_mean_loss(NULL, classes, NULL, NULL)));
    assert_true(isnan(nn_mean_loss(model, NULL, NULL, NULL)));
    nn_dataset_free(features);
    nn_dataset_free(classes);
    nn_dataset_free(regression);
    nn_model_free(model);
}

/* ---- Without memory ---------------------------------------------------------------------------
 */

static bool attempt_mlp(void *context)
{
    (void)context;
    nn_model *model = nn_mlp(SIZES, widths, NN_TANH, 1);
    nn_model_free(model);
    return model != NULL;
}

static bool attempt_predict(void *context)
{
    const ag_real inputs[2 * INPUTS] = {0};
    ag_real outputs[2 * OUTPUTS];
    nn_error error = {.status = AG_OK};
    const nn_model *model = context;
    const ag_status status = nn_predict(model, 2, inputs, outputs, &error);
    nni_forget(model->kept);
    if (status != AG_OK) {
        assert_int_equal(status, AG_OUT_OF_MEMORY);
        assert_int_equal(error.status, AG_OUT_OF_MEMORY);
        assert_contains(error.message, "out of memory");
    }
    return status == AG_OK;
}

struct judged {
    const nn_model *model;
    const nn_dataset *data;
};

static bool attempt_accuracy(void *context)
{
    const struct judged *judged = context;
    const double accuracy = nn_accuracy(judged->model, judged->data);
    nni_forget(judged->model->kept);
    return !isnan(accuracy);
}

static bool attempt_mean_loss(void *context)
{
    const struct judged *judged = context;
    const double loss = nn_mean_loss(judged->model, judged->data, NULL, NULL);
    nni_forget(judged->model->kept);
    return !isnan(loss);
}

static bool attempt_record(void *context)
{
    ag_graph *graph = ag_graph_new(NULL); /* not counted */
    ag_value leaves[200], outputs[OUTPUTS];
    for (size_t i = 0; i < 200; i++)
        leaves[i] = ag_variable(graph, 0);
    const ag_status status = nn_model_record(context, leaves, leaves, outputs);
    assert_true(status == AG_OK || status == AG_OUT_OF_MEMORY);
    ag_graph_free(graph);
    return status == AG_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_in_range(fail_each_request(attempt_mlp, NULL), 12, 12);
    nn_model *model = make_model(NN_TANH);
    assert_in_range(fail_each_request(attempt_predict, model), 50, 1000);
    assert_in_range(fail_each_request(attempt_record, model), 2, 2);
    const ag_real inputs[2 * INPUTS] = {0};
    const size_t labels[] = {0, 1};
    nn_dataset *data = nn_dataset_classes(2, INPUTS, inputs, OUTPUTS, labels, NULL);
    struct judged judged = {model, data};
    assert_in_range(fail_each_request(attempt_accuracy, &judged), 50, 1000);
    assert_in_range(fail_each_request(attempt_mean_loss, &judged), 50, 1000);
    nn_dataset_free(data);
    nn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_first_weights),
        cmocka_unit_test(test_impossible_models),
        cmocka_unit_test(test_predict),
        cmocka_unit_test(test_predict_activations),
        cmocka_unit_test(test_predict_many),
        cmocka_unit_test(test_predict_again),
        cmocka_unit_test(test_recorded_gradients),
        cmocka_unit_test(test_record_errors),
        cmocka_unit_test(test_standardise),
        cmocka_unit_test(test_predicted_class),
        cmocka_unit_test(test_accuracy_and_confusion),
        cmocka_unit_test(test_one_output),
        cmocka_unit_test(test_mean_loss),
        cmocka_unit_test(test_mean_loss_of_a_net),
        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
