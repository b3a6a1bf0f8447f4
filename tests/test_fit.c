/* SPDX-License-Identifier: MIT
 *
 * Training: that it learns, that it is what it says it is step by step, that it repeats, reports,
 * stops, and that it leaves a model alone when it fails.
 */
#define _XOPEN_SOURCE 700
#include "nn_testing.h"

#include <fcntl.h>
#include <locale.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* ---- Data ------------------------------------------------------------------------------------ */

static nn_dataset *make_xor(void)
{
    const ag_real inputs[] = {0, 0, 0, 1, 1, 0, 1, 1};
    const size_t labels[] = {0, 1, 1, 0};
    return nn_dataset_classes(4, 2, inputs, 2, labels, NULL);
}

/* n rows of y = 2 a - 3 b + 1 */
static nn_dataset *make_line(size_t n)
{
    ag_real inputs[200], targets[100];
    nn_random random = nn_random_seed(61);
    for (size_t i = 0; i < n; i++) {
        inputs[2 * i] = (ag_real)nn_random_normal(&random);
        inputs[2 * i + 1] = (ag_real)nn_random_normal(&random);
        targets[i] = 2 * inputs[2 * i] - 3 * inputs[2 * i + 1] + 1;
    }
    return nn_dataset_numbers(n, 2, inputs, 1, targets, NULL);
}

/* n rows around three points of the plane, each a class */
static nn_dataset *make_clouds(size_t n)
{
    ag_real inputs[600];
    size_t labels[300];
    nn_random random = nn_random_seed(62);
    for (size_t i = 0; i < n; i++) {
        labels[i] = nn_random_below(&random, 3);
        const double angle = 2.0943951 * (double)labels[i];
        inputs[2 * i] = (ag_real)(100 + 5 * cos(angle) + nn_random_normal(&random));
        inputs[2 * i + 1] = (ag_real)(0.1 * sin(angle) + 0.02 * nn_random_normal(&random));
    }
    return nn_dataset_classes(n, 2, inputs, 3, labels, NULL);
}

static nn_model *make_net(size_t inputs, size_t hidden, size_t outputs, nn_activation activation)
{
    const size_t sizes[] = {inputs, hidden, outputs};
    nn_model *model = nn_mlp(3, sizes, activation, 63);
    assert_non_null(model);
    return model;
}

static void must_fit(nn_model *model, const nn_dataset *data, const nn_fit_options *options)
{
    nn_error error = {.message = ""};
    if (nn_fit(model, data, options, &error) != AG_OK)
        print_error("%s\n", error.message);
    assert_int_equal(error.status, AG_OK);
}

/* ---- It learns ------------------------------------------------------------------------------- */

/* The example at the top of nn.h. */
static void test_example(void **state)
{
    (void)state;
    nn_error error;
    nn_dataset *data =
        nn_read_csv("demos/data/iris.csv", &(nn_csv_options){.label_column = -1}, &error);
    nn_dataset *train, *test;
    nn_split(data, 0.8, 42, &train, &test);
    size_t sizes[] = {4, 16, 3};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 42);
    nn_fit(model, train,
           &(nn_fit_options){.loss = NN_SOFTMAX_CROSS_ENTROPY,
                             .optimizer = nn_adam(0.01),
                             .epochs = 200,
                             .batch = 16,
                             .progress = stderr},
           &error);
    printf("test accuracy %.1f%%\n", 100 * nn_accuracy(model, test));
    assert_true(nn_accuracy(model, test) > 0.9);
    nn_model_free(model);
    nn_dataset_free(train);
    nn_dataset_free(test);
    nn_dataset_free(data);
}

static void test_xor(void **state)
{
    (void)state;
    nn_dataset *data = make_xor();
    const nn_activation bent[] = {NN_TANH, NN_SIGMOID, NN_RELU, NN_LEAKY_RELU, NN_ELU, NN_SOFTPLUS};
    for (size_t i = 0; i < sizeof(bent) / sizeof(bent[0]); i++)
        for (size_t outputs = 1; outputs <= 2; outputs++) {
            nn_model *model = make_net(2, 16, outputs, bent[i]);
            must_fit(model, data,
                     &(nn_fit_options){.optimizer = nn_adam(0.05), .epochs = 300, .batch = 4});
            assert_close(nn_accuracy(model, data), 1, 0);
            assert_true(nn_mean_loss(model, data, NULL, NULL) < 0.05);
            nn_model_free(model);
        }
    /* a net without a bend can't */
    nn_model *model = make_net(2, 8, 1, NN_IDENTITY);
    must_fit(model, data, &(nn_fit_options){.epochs = 300, .batch = 4});
    assert_true(nn_accuracy(model, data) < 1);
    nn_model_free(model);
    nn_dataset_free(data);
}

static void test_regression(void **state)
{
    (void)state;
    nn_dataset *data = make_line(50);
    const size_t sizes[] = {2, 1};
    nn_model *model = nn_mlp(2, sizes, NN_IDENTITY, 1);
    nn_optimizer rule = nn_sgd(0.05);
    rule.momentum = 0.5;
    must_fit(model, data,
             &(nn_fit_options){.optimizer = rule, .epochs = 100, .batch = 10, .keep_scale = true});
    assert_close(nn_parameters(model)[0], 2, 1e-5);
    assert_close(nn_parameters(model)[1], -3, 1e-5);
    assert_close(nn_parameters(model)[2], 1, 1e-5);
    nn_model_free(model);
    nn_dataset_free(data);
}

/* Mean accuracy on the rows left out, over five seeds. */
static double judge(const char *file, size_t hidden, const nn_fit_options *options)
{
    nn_dataset *data = nn_read_csv(file, NULL, NULL);
    double sum = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        nn_dataset *train, *test;
        assert_int_equal(nn_split(data, 0.8, seed, &train, &test), AG_OK);
        const size_t sizes[] = {nn_features(data), hidden, nn_classes(data)};
        nn_model *model = nn_mlp(3, sizes, NN_TANH, seed);
        nn_fit_options seeded = *options;
        seeded.seed = seed;
        must_fit(model, train, &seeded);
        sum += nn_accuracy(model, test);
        nn_model_free(model);
        nn_dataset_free(train);
        nn_dataset_free(test);
    }
    nn_dataset_free(data);
    return sum / 5;
}

static void test_iris(void **state)
{
    (void)state;
    const double accuracy =
        judge("demos/data/iris.csv", 8,
              &(nn_fit_options){.optimizer = nn_adam(0.01), .epochs = 60, .batch = 16});
    print_message("iris: %.2f%%\n", 100 * accuracy);
    assert_true(accuracy >= 0.95);
}

static void test_digits(void **state)
{
    (void)state;
    const double accuracy =
        judge("demos/data/digits.csv", 32,
              &(nn_fit_options){.optimizer = nn_adam(0.005), .epochs = 10, .batch = 16});
    print_message("digits: %.2f%%\n", 100 * accuracy);
    assert_true(accuracy >= 0.95);
}

/* ---- Step by step ---------------------------------------------------------------------------- */

struct batch {
    const nn_model *model;
    const nn_dataset *data;
    nn_loss loss;
    size_t count;
    const size_t *rows;
};

/* The mean loss over a batch, made of public parts. */
static ag_value build_batch(ag_graph *graph, size_t n, const ag_value *parameters, void *context)
{
    (void)n;
    const struct batch *batch = context;
    ag_value losses[8];
    for (size_t k = 0; k < batch->count; k++) {
        ag_real x[2];
        ag_value inputs[2], outputs[3], targets[3];
        nn_standardise(batch->model, nn_row_inputs(batch->data, batch->rows[k]), x);
        for (size_t i = 0; i < 2; i++)
            inputs[i] = ag_constant(graph, x[i]);
        for (size_t i = 0; i < 3; i++)
            targets[i] = ag_constant(graph, nn_row_class(batch->data, batch->rows[k]) == i ? 1 : 0);
        (void)nn_model_record(batch->model, parameters, inputs, outputs);
        losses[k] = batch->loss(3, outputs, targets, NULL);
    }
    return ag_scale(ag_sum(batch->count, losses), 1 / (ag_real)batch->count);
}

static void test_loss_gradient(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(30);
    nn_model *model = make_net(2, 4, 3, NN_TANH);
    must_fit(model, data, &(nn_fit_options){.epochs = 1}); /* for the standardisation */
    const size_t n = nn_parameter_count(model), rows[] = {7, 3, 29, 3, 0};
    const nn_loss losses[] = {NN_SOFTMAX_CROSS_ENTROPY, NN_MEAN_SQUARED_ERROR,
                              NN_BINARY_CROSS_ENTROPY_LOGITS};
    ag_real gradient[32];
    assert_true(n <= 32);
    for (size_t k = 0; k < 3; k++) {
        struct batch batch = {model, data, losses[k], 5, rows};
        double loss = 0;
        assert_int_equal(
            nn_loss_gradient(model, data, 5, rows, losses[k], NULL, &loss, gradient, NULL), AG_OK);
        ag_gradcheck_row checks[32];
        bool passed = false;
        assert_int_equal(
            ag_gradcheck(build_batch, &batch, n, nn_parameters(model), NULL, checks, &passed, NULL),
            AG_OK);
        assert_true(passed);
        for (size_t i = 0; i < n; i++)
            assert_close(gradient[i], checks[i].analytic, ROUNDING);
        double sum = 0;
        for (size_t i = 0; i < 5; i++) {
            double one;
            assert_int_equal(
                nn_loss_gradient(model, data, 1, rows + i, losses[k], NULL, &one, gradient, NULL),
                AG_OK);
            sum += one;
        }
        assert_close(loss, sum / 5, ROUNDING);
    }
    nn_model_free(model);
    nn_dataset_free(data);
}

static void test_loss_gradient_errors(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(30);
    nn_model *model = make_net(2, 4, 3, NN_TANH), *other = make_net(3, 4, 3, NN_TANH);
    ag_real gradient[64];
    const size_t rows[] = {0, 30};
    double loss;
    nn_error error;
    assert_int_equal(nn_loss_gradient(model, data, 2, rows, NULL, NULL, &loss, gradient, &error),
                     AG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "row 30 of a dataset of 30 rows");
    assert_int_equal(nn_loss_gradient(model, data, 0, rows, NULL, NULL, &loss, gradient, &error),
                     AG_INVALID_ARGUMENT);
    assert_contains(error.message, "no rows");
    assert_int_equal(nn_loss_gradient(model, data, 1, NULL, NULL, NULL, &loss, gradient, &error),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(nn_loss_gradient(model, data, 1, rows, NULL, NULL, NULL, gradient, &error),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(nn_loss_gradient(model, data, 1, rows, NULL, NULL, &loss, NULL, &error),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(nn_loss_gradient(other, data, 1, rows, NULL, NULL, &loss, gradient, &error),
                     AG_INVALID_ARGUMENT);
    assert_contains(error.message, "3 inputs");
    nn_model_free(model);
    nn_model_free(other);
    nn_dataset_free(data);
}

/* Two epochs of nn_fit are shuffles, batch gradients and steps of the optimiser: to the bit where
 * it goes gate by gate, too. */
static void test_fit_is_steps(void **state)
{
    (void)state;
    enum {
        ROWS = 23,
        BATCH = 5
    };
    nn_dataset *data = make_clouds(ROWS);
    nn_model *model = make_net(2, 4, 3, NN_TANH), *twin = make_net(2, 4, 3, NN_TANH);
    nn_model *eager = make_net(2, 4, 3, NN_TANH);
    nn_optimizer rule = nn_sgd(0.1);
    rule.momentum = 0.9;
    nn_fit_options options = {.optimizer = rule, .epochs = 2, .batch = BATCH, .seed = 9};
    must_fit(model, data, &options);
    options.eager = true;
    must_fit(eager, data, &options);
    memcpy(twin->mean, model->mean, 2 * sizeof(ag_real));
    memcpy(twin->deviation, model->deviation, 2 * sizeof(ag_real));
    const size_t n = nn_parameter_count(twin);
    ag_real gradient[32], velocity[32] = {0};
    size_t order[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        order[i] = i;
    nn_random random = nn_random_seed(9);
    uint64_t t = 0;
    for (int epoch = 0; epoch < 2; epoch++) {
        nn_random_shuffle(&random, ROWS, order);
        for (size_t at = 0; at < ROWS; at += BATCH) {
            const size_t count = ROWS - at < BATCH ? ROWS - at : BATCH;
            double loss;
            assert_int_equal(
                nn_loss_gradient(twin, data, count, order + at, NULL, NULL, &loss, gradient, NULL),
                AG_OK);
            rule.step(&rule, n, nn_parameters(twin), gradient, velocity, ++t);
        }
    }
    assert_int_equal(t, 10);
    assert_memory_equal(nn_parameters(eager), nn_parameters(twin), n * sizeof(ag_real));
    for (size_t i = 0; i < n; i++)
        assert_close(nn_parameters(model)[i], nn_parameters(twin)[i], ROUNDING);
    nn_model_free(model);
    nn_model_free(eager);
    nn_model_free(twin);
    nn_dataset_free(data);
}

static void test_seeds_repeat(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(60);
    nn_model *models[3];
    for (size_t i = 0; i < 3; i++) {
        models[i] = make_net(2, 4, 3, NN_RELU);
        must_fit(models[i], data, &(nn_fit_options){.epochs = 5, .batch = 7, .seed = i / 2});
    }
    const size_t bytes = nn_parameter_count(models[0]) * sizeof(ag_real);
    assert_memory_equal(nn_parameters(models[0]), nn_parameters(models[1]), bytes);
    assert_memory_not_equal(nn_parameters(models[0]), nn_parameters(models[2]), bytes);
    for (size_t i = 0; i < 3; i++)
        nn_model_free(models[i]);
    nn_dataset_free(data);
}

/* An optimiser of one's own, which counts. */
static size_t steps;
static uint64_t last_step;

static void count_step(const nn_optimizer *self, size_t n, ag_real *parameters,
                       const ag_real *gradient, ag_real *state, uint64_t t)
{
    (void)parameters;
    (void)gradient;
    assert_int_equal(self->state_count, 3);
    for (size_t i = 0; i < 3 * n; i++)
        assert_true(state[i]++ == (ag_real)steps); /* zeros at first, and ours to keep */
    steps++;
    last_step = t;
}

static void test_own_optimizer(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(23);
    nn_model *model = make_net(2, 4, 3, NN_TANH);
    static const struct {
        size_t batch, steps;
    } cases[] = {{1, 23}, {5, 5}, {22, 2}, {23, 1}, {24, 1}, {1000, 1}, {0, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        steps = 0;
        must_fit(model, data,
                 &(nn_fit_options){.optimizer = {.step = count_step, .state_count = 3},
                                   .epochs = 3,
                                   .batch = cases[i].batch});
        assert_int_equal(steps, 3 * cases[i].steps);
        assert_int_equal(last_step, steps);
    }
    steps = 0;
    must_fit(model, data, &(nn_fit_options){.optimizer = {.step = count_step, .state_count = 3}});
    assert_int_equal(steps, 100);
    must_fit(model, data, NULL);
    nn_model_free(model);
    nn_dataset_free(data);
}

/* ---- Own losses ------------------------------------------------------------------------------ */

static ag_value softmax_likelihood(size_t n, const ag_value *outputs, const ag_value *targets,
                                   void *context)
{
    ag_value probabilities[3];
    ++*(size_t *)context;
    (void)nn_softmax(n, outputs, probabilities);
    return nn_negative_log_likelihood(n, probabilities, targets, NULL);
}

/* The same loss by another way leads to the same parameters, nearly. */
static void test_own_loss(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(60);
    nn_model *model = make_net(2, 4, 3, NN_TANH), *twin = make_net(2, 4, 3, NN_TANH);
    size_t calls = 0;
    nn_fit_options options = {.optimizer = nn_sgd(0.1), .epochs = 3, .batch = 8};
    must_fit(model, data, &options);
    options.loss = softmax_likelihood;
    options.loss_context = &calls;
    must_fit(twin, data, &options);
    assert_int_equal(calls, 3 * 60);
    for (size_t i = 0; i < nn_parameter_count(model); i++)
        assert_close(nn_parameters(twin)[i], nn_parameters(model)[i], 100 * ROUNDING);
    nn_model_free(model);
    nn_model_free(twin);
    nn_dataset_free(data);
}

/* A loss that branches on what it sees: it is recorded anew for each sample. */
static ag_value clipped_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                             void *context)
{
    (void)context;
    ag_value distance = ag_abs(ag_sub(outputs[0], targets[0]));
    ag_value one = ag_constant(outputs[0].graph, 1);
    if (ag_gt(distance, one))
        return ag_shift(distance, (ag_real)-0.5);
    return nn_half_squared_error(n, outputs, targets, NULL);
}

static void test_branching_loss(void **state)
{
    (void)state;
    nn_dataset *data = make_line(50);
    const size_t sizes[] = {2, 1};
    nn_model *model = nn_mlp(2, sizes, NN_IDENTITY, 1);
    must_fit(model, data,
             &(nn_fit_options){.loss = clipped_loss,
                               .optimizer = nn_sgd(0.1),
                               .epochs = 200,
                               .batch = 5,
                               .keep_scale = true});
    assert_close(nn_parameters(model)[0], 2, 1e-4);
    assert_close(nn_parameters(model)[1], -3, 1e-4);
    nn_model_free(model);
    nn_dataset_free(data);
}

/* ---- Standardisation ------------------------------------------------------------------------- */

static void learn(nn_model *model, size_t rows, size_t features, const ag_real *inputs,
                  bool keep_scale)
{
    ag_real targets[10] = {0};
    nn_dataset *data = nn_dataset_numbers(rows, features, inputs, 1, targets, NULL);
    must_fit(model, data,
             &(nn_fit_options){.optimizer = nn_sgd(0), .epochs = 1, .keep_scale = keep_scale});
    nn_dataset_free(data);
}

static void test_standardisation(void **state)
{
    (void)state;
#ifdef AG_REAL_FLOAT
    const ag_real huge = 3.4e38F, tiny = 0x1p-145F;
#else
    const ag_real huge = 1.79e308, tiny = 0x1p-1070;
#endif
    const ag_real tenth = (ag_real)0.1, large = 1 << 22;
    /* columns: plain, constant, huge, tiny, a small change of a large number, huge and constant */
    const ag_real inputs[] = {1,     tenth, huge,      tiny,  large, huge,  3,         tenth,
                              -huge, 0,     large + 1, huge,  1,     tenth, huge,      tiny,
                              large, huge,  3,         tenth, -huge, 0,     large + 1, huge};
    const size_t sizes[] = {6, 1};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    learn(model, 4, 6, inputs, false);
    for (size_t row = 0; row < 4; row++) {
        ag_real y[6];
        const double sign = row % 2 == 0 ? 1 : -1;
        nn_standardise(model, inputs + 6 * row, y);
        assert_close(y[0], -sign, 0); /* the population's deviation: 1, not sqrt(4/3) */
        assert_close(y[1], 0, 0);
        assert_close(y[2], sign, ROUNDING);
        assert_close(y[3], sign, 0);
        assert_close(y[4], -sign, ROUNDING);
        assert_close(y[5], 0, 0);
    }
    ag_real y[6];
    const ag_real other[6] = {5, tenth + 2, 0, 0, 0, 0};
    nn_standardise(model, other, y);
    assert_close(y[0], 3, 0);
    assert_close(y[1], 2, ROUNDING); /* divided by 1 */
    nn_model_free(model);
}

/* Ten times 0.1 is not 1: the mean of a constant column is rounded, and must not make it vary. */
static void test_constant_column(void **state)
{
    (void)state;
    ag_real inputs[10], y;
    const size_t sizes[] = {1, 1};
    for (size_t i = 0; i < 10; i++)
        inputs[i] = (ag_real)0.1;
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    learn(model, 10, 1, inputs, false);
    nn_standardise(model, inputs, &y);
    assert_true(y == 0);
    const ag_real other = (ag_real)2.1;
    nn_standardise(model, &other, &y);
    assert_close(y, 2, ROUNDING);
    nn_model_free(model);
}

static void test_scale_is_kept(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1};
    const ag_real first[] = {1, 3}, second[] = {10, 30}, x = 5;
    ag_real y;
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    learn(model, 2, 1, first, false);
    nn_standardise(model, &x, &y);
    assert_close(y, 3, 0);
    learn(model, 2, 1, second, false);
    nn_standardise(model, &x, &y);
    assert_close(y, 3, 0);
    nn_model_free(model);
    model = nn_mlp(2, sizes, NN_TANH, 1);
    learn(model, 2, 1, first, true);
    nn_standardise(model, &x, &y);
    assert_close(y, 5, 0);
    learn(model, 2, 1, second, false);
    nn_standardise(model, &x, &y);
    assert_close(y, 5, 0);
    nn_model_free(model);
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* A loss that does something wrong with one row, from some epoch on. */
struct poison {
    enum {
        MAKE_NAN,
        MAKE_INFINITY,
        MAKE_STEEP, /* a finite value whose gradient is not */
        MAKE_ERROR,
        MAKE_NOTHING,
        MAKE_FOREIGN
    } kind;
    ag_real victim; /* the row's target */
    size_t passes;  /* times that the row goes well */
    ag_value foreign;
};

static ag_value poisoned_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                              void *context)
{
    struct poison *poison = context;
    const ag_value good = nn_half_squared_error(n, outputs, targets, NULL);
    if (ag_data(targets[0]) != poison->victim)
        return good;
    if (poison->passes > 0) {
        poison->passes--;
        return good;
    }
    switch (poison->kind) {
    case MAKE_NAN:
        return ag_scale(good, (ag_real)NAN);
    case MAKE_INFINITY:
        return ag_scale(good, (ag_real)INFINITY);
    case MAKE_STEEP:
        return ag_sqrt(ag_scale(outputs[0], 0));
    case MAKE_ERROR:
        return nn_activate((nn_activation)99, good);
    case MAKE_NOTHING:
        return (ag_value){0};
    case MAKE_FOREIGN:
        return poison->foreign;
    }
    return good;
}

static void check_failure(struct poison poison, ag_status status, const char *message)
{
    nn_dataset *data = make_line(20);
    poison.victim = *nn_row_targets(data, 13);
    nn_model *model = make_net(2, 3, 1, NN_TANH);
    const size_t bytes = nn_parameter_count(model) * sizeof(ag_real);
    ag_real before[16], scale[2];
    const ag_real probe[2] = {5, 7};
    memcpy(before, nn_parameters(model), bytes);
    nn_fit_options options = {.loss = poisoned_loss,
                              .loss_context = &poison,
                              .optimizer = nn_adam(0.1),
                              .epochs = 10,
                              .batch = 6};
    nn_error error = {.status = AG_OK};
    assert_int_equal(nn_fit(model, data, &options, &error), status);
    assert_int_equal(error.status, status);
    assert_contains(error.message, message);
    assert_memory_equal(nn_parameters(model), before, bytes);
    nn_standardise(model, probe, scale);
    assert_memory_equal(scale, probe, sizeof(probe)); /* forgotten, too */

    /* after a success the standardisation is settled, and survives a failure */
    must_fit(model, data, &(nn_fit_options){.epochs = 1});
    memcpy(before, nn_parameters(model), bytes);
    ag_real settled[2];
    nn_standardise(model, probe, settled);
    assert_memory_not_equal(settled, probe, sizeof(probe));
    poison.passes = 0;
    assert_int_equal(nn_fit(model, data, &options, NULL), status);
    assert_memory_equal(nn_parameters(model), before, bytes);
    nn_standardise(model, probe, scale);
    assert_memory_equal(scale, settled, sizeof(settled));

    size_t row = 13;
    double loss = 0;
    ag_real gradient[16];
    assert_int_equal(
        nn_loss_gradient(model, data, 1, &row, poisoned_loss, &poison, &loss, gradient, &error),
        status);
    assert_contains(error.message, "row 13: ");
    assert_null(strstr(error.message, "epoch"));
    nn_model_free(model);
    nn_dataset_free(data);
}

static void test_failures(void **state)
{
    (void)state;
    check_failure((struct poison){.kind = MAKE_NAN}, AG_NOT_FINITE,
                  "epoch 1, row 13: the loss is not a number");
    check_failure((struct poison){.kind = MAKE_NAN, .passes = 4}, AG_NOT_FINITE,
                  "epoch 5, row 13: the loss is not a number");
    check_failure((struct poison){.kind = MAKE_INFINITY, .passes = 2}, AG_NOT_FINITE,
                  "epoch 3, row 13: the loss is infinite");
    for (size_t passes = 0; passes < 4; passes++) { /* each at another place of its batch */
        char message[60];
        (void)snprintf(message, sizeof(message), "epoch %zu, row 13: the gradient is not finite",
                       passes + 1);
        check_failure((struct poison){.kind = MAKE_STEEP, .passes = passes}, AG_NOT_FINITE,
                      message);
    }
    check_failure((struct poison){.kind = MAKE_ERROR, .passes = 1}, AG_INVALID_ARGUMENT,
                  "epoch 2, row 13: nn_activate: 99 is no activation");
    check_failure((struct poison){.kind = MAKE_NOTHING, .passes = 1}, AG_NULL_VALUE,
                  "epoch 2, row 13: the loss made no value");
    ag_graph *graph = ag_graph_new(NULL);
    check_failure((struct poison){.kind = MAKE_FOREIGN, .foreign = ag_variable(graph, 1)},
                  AG_WRONG_GRAPH, "epoch 1, row 13: ");
    ag_graph_free(graph);
}

static void test_divergence(void **state)
{
    (void)state;
    nn_dataset *data = make_line(20);
    nn_model *model = make_net(2, 3, 1, NN_IDENTITY);
    const size_t bytes = nn_parameter_count(model) * sizeof(ag_real);
    ag_real before[16];
    memcpy(before, nn_parameters(model), bytes);
    nn_error error;
    assert_int_equal(
        nn_fit(model, data, &(nn_fit_options){.optimizer = nn_sgd(100), .epochs = 1000}, &error),
        AG_NOT_FINITE);
    assert_contains(error.message, "epoch ");
    assert_memory_equal(nn_parameters(model), before, bytes);
    /* finite gradients, and one step too far */
    nn_optimizer rule = nn_sgd(sizeof(ag_real) == sizeof(float) ? 1e38 : 1e308);
    rule.weight_decay = 1000;
    assert_int_equal(nn_fit(model, data, &(nn_fit_options){.optimizer = rule, .epochs = 1}, &error),
                     AG_NOT_FINITE);
    assert_contains(error.message, "epoch 1, row ");
    assert_contains(error.message, "the step after this row left the numbers");
    assert_memory_equal(nn_parameters(model), before, bytes);
    nn_model_free(model);
    nn_dataset_free(data);
}

static void check_refused(nn_model *model, const nn_dataset *data, const nn_fit_options *options,
                          const char *message)
{
    nn_error error = {.status = AG_OK};
    assert_int_equal(nn_fit(model, data, options, &error), AG_INVALID_ARGUMENT);
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_contains(error.message, message);
    assert_int_equal(nn_fit(model, data, options, NULL), AG_INVALID_ARGUMENT);
}

static void test_refusals(void **state)
{
    (void)state;
    nn_dataset *clouds = make_clouds(10), *line = make_line(10), *pairs = make_xor();
    nn_model *fits = make_net(2, 3, 3, NN_TANH), *one = make_net(2, 3, 1, NN_TANH);
    nn_model *narrow = make_net(1, 3, 3, NN_TANH), *two = make_net(2, 3, 2, NN_TANH);
    check_refused(NULL, clouds, NULL, "no model");
    check_refused(fits, NULL, NULL, "no dataset");
    check_refused(narrow, clouds, NULL, "the model has 1 inputs, the data 2 features");
    check_refused(two, clouds, NULL, "the model has 2 outputs, the data 3 classes");
    check_refused(one, clouds, NULL, "1 output tells 2 classes apart, and the data has 3");
    check_refused(fits, pairs, NULL, "the model has 3 outputs, the data 2 classes");
    check_refused(two, line, NULL, "the model has 2 outputs, the data 1 numbers per row");
    const ag_real inputs[] = {1, 2};
    nn_dataset *lone = nn_dataset_classes(1, 2, inputs, 1, (const size_t[]){0}, NULL);
    check_refused(one, lone, NULL, "1 output tells 2 classes apart, and the data has 1");
    nn_dataset_free(lone);

    char message[100];
    (void)snprintf(message, sizeof(message), "100 epochs of batches of %zu are too many", SIZE_MAX);
    nn_fit_options options = {.batch = (size_t)-1};
    check_refused(fits, clouds, &options, message);
    options = (nn_fit_options){.epochs = (size_t)-5};
    check_refused(fits, clouds, &options, "are too many");
    options = (nn_fit_options){.threads = (size_t)-1};
    check_refused(fits, clouds, &options, "threads are too many");
    const double bad[] = {(double)NAN, HUGE_VAL, -0.1};
    const char *const messages[] = {"rate is nan", "rate is inf", "rate is -0.1"};
    for (size_t i = 0; i < 3; i++) {
        options = (nn_fit_options){.optimizer = nn_adam(bad[i])};
        check_refused(fits, clouds, &options, messages[i]);
    }
    options = (nn_fit_options){.optimizer = nn_sgd(0.1)};
    options.optimizer.momentum = (double)NAN;
    check_refused(fits, clouds, &options, "not finite");
    options = (nn_fit_options){.optimizer = nn_sgd(0.1)};
    options.optimizer.weight_decay = HUGE_VAL;
    check_refused(fits, clouds, &options, "not finite");
    options = (nn_fit_options){.optimizer = nn_sgd(0.1)};
    options.optimizer.state_count = SIZE_MAX / 2;
    nn_error error;
    assert_int_equal(nn_fit(fits, clouds, &options, &error), AG_OUT_OF_MEMORY);
    for (size_t i = 0; i < 5; i++) {
        options = (nn_fit_options){.optimizer = nn_adam(0.1)};
        double *const numbers[] = {&options.optimizer.beta1, &options.optimizer.beta2,
                                   &options.optimizer.momentum, &options.optimizer.weight_decay,
                                   &options.optimizer.epsilon};
        *numbers[i] = i < 3 ? 1 : -0.5;
        check_refused(fits, clouds, &options, i < 3 ? " 1" : " -0.5");
    }

    /* losses that would train such a net to nothing, or to another question */
    options = (nn_fit_options){.loss = NN_NEGATIVE_LOG_LIKELIHOOD};
    check_refused(fits, clouds, &options, "takes probabilities");
    options = (nn_fit_options){.loss = NN_BINARY_CROSS_ENTROPY};
    check_refused(one, pairs, &options, "takes probabilities");
    options = (nn_fit_options){.loss = NN_SOFTMAX_CROSS_ENTROPY};
    check_refused(one, pairs, &options, "an output for each class");
    const nn_loss distances[] = {NN_HALF_SQUARED_ERROR, NN_MEAN_SQUARED_ERROR, NN_ABSOLUTE_ERROR};
    for (size_t i = 0; i < 3; i++) {
        options = (nn_fit_options){.loss = distances[i], .epochs = 1};
        check_refused(one, pairs, &options, "tells classes apart at 0");
        assert_int_equal(nn_fit(two, pairs, &options, NULL), AG_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        options = (nn_fit_options){.loss = distances[i], .epochs = 1};
        assert_int_equal(nn_fit(one, line, &options, NULL), AG_OK);
    }
    check_refused(one, pairs, NULL, "was trained on numbers, and the data has classes");
    nn_dataset_free(clouds);
    nn_dataset_free(line);
    nn_dataset_free(pairs);
    nn_model_free(fits);
    nn_model_free(one);
    nn_model_free(narrow);
    nn_model_free(two);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* what was asked for after the first epoch and after the last */
static size_t first_requests, last_requests;

static bool note_requests(const nn_epoch *epoch, void *user)
{
    (void)user;
    last_requests = memory.requests;
    if (epoch->epoch == 1)
        first_requests = last_requests;
    return true;
}

static void test_constant_memory(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(10);
    count_memory(0, false);
    nn_model *model = make_net(2, 3, 3, NN_TANH);
    steps = 0;
    must_fit(model, data,
             &(nn_fit_options){.optimizer = nn_sgd(0.01),
                               .epochs = 10000, /* of ten steps each */
                               .batch = 1,
                               .on_epoch = note_requests});
    nn_model_free(model);
    stop_counting_memory();
    assert_true(first_requests > 0);
    assert_int_equal(last_requests, first_requests);
    assert_int_equal(memory.live, 0);
    nn_dataset_free(data);
}

struct trained {
    const nn_model *model;
    const nn_dataset *data;
    ag_real *gradient;
};

/* Trains a model like the one given, of which a failure changes nothing. */
static bool attempt_fit(void *context)
{
    const struct trained *trained = context;
    const size_t sizes[] = {2, nn_model_size(trained->model, 1), 3};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 63);
    if (model == NULL)
        return false;
    nn_error error = {.status = AG_OK};
    const ag_status status = nn_fit(model, trained->data,
                                    &(nn_fit_options){.epochs = 2,
                                                      .batch = 4,
                                                      .optimizer = nn_adam(0.1),
                                                      .held_out = trained->data,
                                                      .patience = 1},
                                    &error);
    assert_int_equal(error.status, status);
    if (status != AG_OK) {
        assert_int_equal(status, AG_OUT_OF_MEMORY);
        assert_contains(error.message, "out of memory");
        assert_memory_equal(nn_parameters(model), trained->model->parameters,
                            nn_parameter_count(model) * sizeof(ag_real));
        const ag_real x[] = {3, 4};
        ag_real y[2];
        nn_standardise(model, x, y);
        assert_memory_equal(x, y, sizeof(x));
        assert_null(nn_model_feature_name(model, 0));
        assert_int_equal(nn_model_classes(model), 0);
        assert_null(nn_model_training(model));
    }
    nn_model_free(model);
    return status == AG_OK;
}

static bool attempt_gradient(void *context)
{
    const struct trained *trained = context;
    const size_t rows[] = {1, 2};
    double loss;
    const ag_status status = nn_loss_gradient(trained->model, trained->data, 2, rows, NULL, NULL,
                                              &loss, trained->gradient, NULL);
    assert_true(status == AG_OK || status == AG_OUT_OF_MEMORY);
    return status == AG_OK;
}

/* A small net, and one whose graph outgrows its first arrays in the middle of a sample. */
static void test_out_of_memory(void **state)
{
    (void)state;
    const size_t hidden[] = {3, 500};
    nn_dataset *data = make_clouds(8);
    for (size_t i = 0; i < 2; i++) {
        nn_model *model = make_net(2, hidden[i], 3, NN_TANH);
        ag_real *gradient = malloc(nn_parameter_count(model) * sizeof(ag_real));
        assert_non_null(gradient);
        struct trained trained = {model, data, gradient};
        assert_in_range(fail_each_request(attempt_fit, &trained), 10, 10000);
        assert_in_range(fail_each_request(attempt_gradient, &trained), 10, 300);
        free(gradient);
        nn_model_free(model);
    }
    nn_dataset_free(data);
}

/* ---- Progress -------------------------------------------------------------------------------- */

/* What the callback saw. */
static struct {
    nn_epoch epochs[64];
    size_t count, stop_after;
    const nn_model *model;
    const nn_dataset *data;
    double accuracy;
} seen;

static bool watch(const nn_epoch *epoch, void *user)
{
    assert_ptr_equal(user, &seen);
    assert_true(seen.count < 64);
    seen.epochs[seen.count++] = *epoch;
    seen.accuracy = nn_accuracy(seen.model, seen.data);
    return seen.count != seen.stop_after;
}

static void watch_fit(nn_model *model, const nn_dataset *data, FILE *progress, size_t epochs,
                      size_t stop_after)
{
    memset(&seen, 0, sizeof(seen));
    seen.stop_after = stop_after;
    seen.model = model;
    seen.data = data;
    must_fit(model, data,
             &(nn_fit_options){.epochs = epochs,
                               .batch = 8,
                               .progress = progress,
                               .on_epoch = watch,
                               .on_epoch_user = &seen});
}

static void expect_line(char *line, size_t size, const nn_epoch *e)
{
    char accuracy[40] = "";
    if (!isnan(e->accuracy))
        (void)snprintf(accuracy, sizeof(accuracy), "  accuracy %.1f%%", 100 * e->accuracy);
    (void)snprintf(line, size, "epoch %zu/%zu  loss %.4g%s  %.0f samples/s  %.0f s left", e->epoch,
                   e->epochs, e->loss, accuracy, e->samples_per_second, e->seconds_left);
}

static void test_callback(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(60);
    nn_model *model = make_net(2, 4, 3, NN_TANH), *twin = make_net(2, 4, 3, NN_TANH);
    watch_fit(model, data, NULL, 20, 0);
    assert_int_equal(seen.count, 20);
    for (size_t i = 0; i < 20; i++) {
        const nn_epoch *e = &seen.epochs[i];
        assert_int_equal(e->epoch, i + 1);
        assert_int_equal(e->epochs, 20);
        assert_true(e->loss > 0 && isfinite(e->loss));
        assert_true(e->accuracy >= 0 && e->accuracy <= 1);
        assert_close(e->accuracy * 60, round(e->accuracy * 60), 1e-9);
        assert_true(e->samples_per_second > 0);
        assert_true(e->seconds_left >= 0);
    }
    assert_true(seen.epochs[19].loss < seen.epochs[0].loss);
    assert_true(seen.epochs[19].seconds_left == 0);
    assert_close(seen.accuracy, nn_accuracy(model, data), 0); /* the model was up to date */
    /* stopped after three epochs, the model is what three epochs make */
    nn_model *stopped = make_net(2, 4, 3, NN_TANH);
    watch_fit(stopped, data, NULL, 20, 3);
    assert_int_equal(seen.count, 3);
    must_fit(twin, data, &(nn_fit_options){.epochs = 3, .batch = 8});
    assert_memory_equal(nn_parameters(stopped), nn_parameters(twin),
                        nn_parameter_count(twin) * sizeof(ag_real));
    nn_model_free(model);
    nn_model_free(twin);
    nn_model_free(stopped);
    nn_dataset_free(data);
}

/* The mean over an epoch of a model that stands still is its mean loss and its accuracy. */
static void test_report(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(60);
    nn_model *model = make_net(2, 4, 3, NN_TANH);
    must_fit(model, data, &(nn_fit_options){.epochs = 5});
    memset(&seen, 0, sizeof(seen));
    seen.model = model;
    seen.data = data;
    must_fit(model, data,
             &(nn_fit_options){
                 .epochs = 1, .optimizer = nn_sgd(0), .on_epoch = watch, .on_epoch_user = &seen});
    assert_close(seen.epochs[0].loss, nn_mean_loss(model, data, NULL, NULL), ROUNDING);
    assert_close(seen.epochs[0].accuracy, nn_accuracy(model, data), 0);
    nn_model_free(model);
    nn_dataset_free(data);
    data = make_line(10);
    model = make_net(2, 4, 1, NN_TANH);
    watch_fit(model, data, NULL, 1, 0);
    assert_true(isnan(seen.epochs[0].accuracy));
    nn_model_free(model);
    nn_dataset_free(data);
}

static void check_lines(const nn_dataset *data, size_t outputs, size_t epochs, size_t stop_after,
                        size_t count, const size_t *expected)
{
    nn_model *model = make_net(2, 4, outputs, NN_TANH);
    FILE *file = tmpfile();
    assert_non_null(file);
    watch_fit(model, data, file, epochs, stop_after);
    rewind(file);
    char line[300], wanted[300];
    for (size_t i = 0; i < count; i++) {
        assert_non_null(fgets(line, sizeof(line), file));
        expect_line(wanted, sizeof(wanted), &seen.epochs[expected[i] - 1]);
        strcat(wanted, "\n");
        assert_string_equal(line, wanted);
    }
    assert_null(fgets(line, sizeof(line), file));
    assert_int_equal(fclose(file), 0);
    nn_model_free(model);
}

#define EPOCHS(...)                                                                                \
    sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t), (const size_t[])                       \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void test_plain_progress(void **state)
{
    (void)state;
    nn_dataset *clouds = make_clouds(24), *line = make_line(24);
    check_lines(clouds, 3, 1, 0, EPOCHS(1));
    check_lines(clouds, 3, 3, 0, EPOCHS(1, 2, 3));
    check_lines(clouds, 3, 10, 0, EPOCHS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    check_lines(clouds, 3, 15, 0, EPOCHS(2, 3, 5, 6, 8, 9, 11, 12, 14, 15));
    check_lines(clouds, 3, 50, 0, EPOCHS(5, 10, 15, 20, 25, 30, 35, 40, 45, 50));
    check_lines(clouds, 3, 50, 12, EPOCHS(5, 10));
    check_lines(line, 1, 2, 0, EPOCHS(1, 2));
    nn_dataset_free(clouds);
    nn_dataset_free(line);
}

/* A pseudo-terminal: what nn_fit writes to one end comes out of the other. */
static int terminal = -1;

static FILE *open_terminal(void)
{
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        return NULL;
    const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    FILE *file = other < 0 ? NULL : fdopen(other, "r+");
    struct termios raw;
    if (file != NULL && tcgetattr(fileno(file), &raw) == 0) {
        raw.c_oflag &= ~(tcflag_t)OPOST;
        (void)tcsetattr(fileno(file), TCSANOW, &raw);
    }
    return file;
}

static size_t read_terminal(FILE *file, char *text, size_t size)
{
    (void)fclose(file);
    size_t length = 0;
    ssize_t got = 1;
    while (got > 0 && length < size - 1) {
        got = read(terminal, text + length, size - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    (void)close(terminal);
    assert_true(length > 0);
    text[length] = '\0';
    return length;
}

static void check_terminal_line(const char *text, size_t length, const nn_epoch *last)
{
    assert_int_equal(text[0], '\r');
    assert_int_equal(text[length - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + length - 1); /* the only one */
    char wanted[300];
    expect_line(wanted, sizeof(wanted), last);
    const char *line = strrchr(text, '\r') + 1;
    assert_memory_equal(line, wanted, strlen(wanted));
    assert_int_equal(strspn(line + strlen(wanted), " ") + 1, strlen(line + strlen(wanted)));
    assert_true(strlen(line) >= 78);
}

static double read_seconds(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_terminal_progress(void **state)
{
    (void)state;
    nn_dataset *data = make_clouds(60);
    char text[4096];
    for (size_t stop_after = 0; stop_after <= 7; stop_after += 7) {
        FILE *file = open_terminal();
        if (file == NULL) {
            nn_dataset_free(data);
            skip();
        }
        nn_model *model = make_net(2, 4, 3, NN_TANH);
        const double begin = read_seconds();
        watch_fit(model, data, file, 20, stop_after);
        const double seconds = read_seconds() - begin;
        const size_t length = read_terminal(file, text, sizeof(text));
        check_terminal_line(text, length, &seen.epochs[seen.count - 1]);
        size_t writes = 0;
        for (size_t i = 0; i < length; i++)
            writes += text[i] == '\r';
        assert_true((double)writes <= 2 + seconds / 0.1); /* ten a second, first and last */
        nn_model_free(model);
    }
    /* a failure ends the line, too */
    nn_dataset *line = make_line(20);
    struct poison poison = {.kind = MAKE_NAN, .victim = *nn_row_targets(line, 3), .passes = 2};
    nn_model *model = make_net(2, 4, 1, NN_TANH);
    FILE *file = open_terminal();
    assert_non_null(file);
    assert_int_equal(
        nn_fit(model, line,
               &(nn_fit_options){.loss = poisoned_loss, .loss_context = &poison, .progress = file},
               NULL),
        AG_NOT_FINITE);
    const size_t length = read_terminal(file, text, sizeof(text));
    assert_int_equal(text[length - 1], '\n');
    assert_contains(text, "\repoch 2/100  loss ");
    nn_model_free(model);
    nn_dataset_free(line);
    nn_dataset_free(data);
}

/* Points in the numbers, though the locale has a comma. */
static void test_locale(void **state)
{
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL)
        skip();
    nn_dataset *data = make_clouds(24);
    nn_model *model = make_net(2, 4, 3, NN_TANH);
    FILE *file = tmpfile();
    assert_non_null(file);
    must_fit(model, data, &(nn_fit_options){.epochs = 1, .progress = file});
    nn_error error;
    nn_fit_options options = {.optimizer = nn_sgd(-0.5)};
    assert_int_equal(nn_fit(model, data, &options, &error), AG_INVALID_ARGUMENT);
    (void)setlocale(LC_ALL, "C");
    assert_contains(error.message, "-0.5");
    char line[300];
    rewind(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_null(strchr(line, ','));
    assert_non_null(strchr(line, '.'));
    assert_int_equal(fclose(file), 0);
    nn_model_free(model);
    nn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_xor),
        cmocka_unit_test(test_regression),
        cmocka_unit_test(test_iris),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_loss_gradient),
        cmocka_unit_test(test_loss_gradient_errors),
        cmocka_unit_test(test_fit_is_steps),
        cmocka_unit_test(test_seeds_repeat),
        cmocka_unit_test(test_own_optimizer),
        cmocka_unit_test(test_own_loss),
        cmocka_unit_test(test_branching_loss),
        cmocka_unit_test(test_standardisation),
        cmocka_unit_test(test_constant_column),
        cmocka_unit_test(test_scale_is_kept),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_constant_memory),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_callback),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_plain_progress),
        cmocka_unit_test(test_terminal_progress),
        cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
