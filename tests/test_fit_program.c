/* SPDX-License-Identifier: MIT
 *
 * Training by programs beside its twin, training gate by gate: the same numbers for every loss,
 * activation, optimiser and size of batch, whatever a loss of one's own does; the same bits on any
 * number of threads; the same row to blame.
 */
#include "nn_testing.h"

enum {
    ROWS = 117, /* not a multiple of any batch here */
    FEATURES = 4,
    OUTPUTS = 3,
    MOST_PARAMETERS = 200
};

#ifdef AG_REAL_FLOAT
static const double agreement = 1e-3;
#else
static const double agreement = 1e-10;
#endif

/* ---- Data and models ------------------------------------------------------------------------- */

/* Numbers to predict: one smooth, one steep, one that is 0 or 1. */
static nn_dataset *make_numbers(size_t outputs)
{
    ag_real inputs[ROWS * FEATURES], targets[ROWS * OUTPUTS];
    nn_random random = nn_random_seed(91);
    for (size_t row = 0; row < ROWS; row++) {
        ag_real *x = inputs + row * FEATURES, *t = targets + row * outputs;
        for (size_t i = 0; i < FEATURES; i++)
            x[i] = (ag_real)nn_random_normal(&random);
        const ag_real said[OUTPUTS] = {x[0] * x[1], x[2] > 0 ? 1 : (ag_real)0.25,
                                       x[3] > x[0] ? 1 : 0};
        memcpy(t, said, outputs * sizeof(ag_real));
    }
    return nn_dataset_numbers(ROWS, FEATURES, inputs, outputs, targets, NULL);
}

static nn_dataset *make_classes(size_t rows, size_t features, size_t classes)
{
    ag_real *inputs = malloc(rows * features * sizeof(ag_real));
    size_t *labels = malloc(rows * sizeof(size_t));
    assert_non_null(inputs);
    assert_non_null(labels);
    nn_random random = nn_random_seed(92);
    for (size_t row = 0; row < rows; row++) {
        labels[row] = nn_random_below(&random, classes);
        for (size_t i = 0; i < features; i++)
            inputs[row * features + i] =
                (ag_real)(nn_random_normal(&random) + 2.5 * (double)(labels[row] == i % classes));
    }
    nn_dataset *data = nn_dataset_classes(rows, features, inputs, classes, labels, NULL);
    assert_non_null(data);
    free(inputs);
    free(labels);
    return data;
}

static nn_model *make_model(const nn_dataset *data, size_t outputs, size_t hidden,
                            nn_activation activation)
{
    const size_t sizes[] = {nn_features(data), 6, hidden > 1 ? 5 : outputs, outputs};
    nn_model *model = nn_mlp(hidden + 2, sizes, activation, 93);
    assert_non_null(model);
    return model;
}

static ag_status fit(nn_model *model, const nn_dataset *data, nn_fit_options options, bool eager,
                     nn_error *error)
{
    options.eager = eager;
    return nn_fit(model, data, &options, error);
}

static void must_fit(nn_model *model, const nn_dataset *data, nn_fit_options options, bool eager)
{
    nn_error error = {.message = ""};
    (void)fit(model, data, options, eager, &error);
    assert_string_equal(error.message, "");
}

/* The largest difference of parameters, beside the largest parameter. */
static double compare(nn_model *a, nn_model *b)
{
    double largest = 0, difference = 0;
    for (size_t i = 0; i < nn_parameter_count(a); i++) {
        const double p = (double)nn_parameters(a)[i], q = (double)nn_parameters(b)[i];
        largest = fmax(largest, fabs(p));
        difference = fmax(difference, fabs(p - q));
    }
    return difference / largest;
}

static void assert_same_model(nn_model *a, nn_model *b)
{
    assert_memory_equal(nn_parameters(a), nn_parameters(b),
                        nn_parameter_count(a) * sizeof(ag_real));
}

/* Trains two models alike, by programs and gate by gate. */
static void check_twins(const nn_dataset *data, size_t outputs, size_t hidden,
                        nn_activation activation, nn_fit_options options, double tolerance)
{
    nn_model *model = make_model(data, outputs, hidden, activation);
    nn_model *twin = make_model(data, outputs, hidden, activation);
    must_fit(model, data, options, false);
    must_fit(twin, data, options, true);
    const double difference = compare(model, twin);
    if (!(difference <= tolerance))
        print_error("%s, %zu hidden, %s, batch %zu: the twins differ by %g\n",
                    nn_activation_name(activation), hidden, options.optimizer.name, options.batch,
                    difference);
    assert_true(difference <= tolerance);
    nn_model_free(model);
    nn_model_free(twin);
}

/* ---- Twins ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    nn_loss loss;
    bool for_fit; /* the losses of probabilities are for graphs of one's own */
} losses[] = {
#define NUMBERS true
#define PROBABILITIES false
#define LOGITS true
#define CLASS_LOGITS true
#define SCORES true
#define NN_X(NAME, name, takes, formula) {#name, nn_##name, takes},
    NN_LOSS_LIST(NN_X)
#undef NN_X
};

static const nn_activation activations[] = {
#define NN_X(NAME, name, formula) NN_##NAME,
    NN_ACTIVATION_LIST(NN_X)
#undef NN_X
};

enum {
    LOSSES = sizeof(losses) / sizeof(losses[0]),
    ACTIVATIONS = sizeof(activations) / sizeof(activations[0])
};

/* At least 100 steps, the k-th of all ways to take them. */
static nn_fit_options choose_steps(size_t k)
{
    static const struct {
        size_t batch, epochs;
    } sizes[] = {{1, 1}, {16, 13}, {100, 50}, {1000, 100}};
    nn_optimizer rules[] = {nn_sgd(0.05), nn_sgd(0.02), nn_adam(0.01), nn_sgd(0.02), nn_adam(0.01)};
    rules[1].momentum = 0.8;
    rules[3].weight_decay = 0.01;
    rules[4].weight_decay = 0.01;
    return (nn_fit_options){.optimizer = rules[k % 5],
                            .batch = sizes[k % 4].batch,
                            .epochs = sizes[k % 4].epochs,
                            .seed = k};
}

static void test_twins(void **state)
{
    (void)state;
    nn_dataset *numbers = make_numbers(OUTPUTS), *classes = make_classes(ROWS, FEATURES, OUTPUTS);
    size_t k = 0;
    for (size_t i = 0; i < LOSSES; i++)
        for (size_t a = 0; a < ACTIVATIONS; a++)
            for (size_t hidden = 1; losses[i].for_fit && hidden <= 2; hidden++, k++) {
                nn_fit_options options = choose_steps(k);
                options.loss = losses[i].loss;
                check_twins(k % 3 == 0 ? numbers : classes, OUTPUTS, hidden, activations[a],
                            options, agreement);
            }
    assert_true(k >= 6 * 7 * 2);
    nn_dataset_free(numbers);
    nn_dataset_free(classes);
}

static void test_twins_with_one_output(void **state)
{
    (void)state;
    nn_dataset *numbers = make_numbers(1), *classes = make_classes(ROWS, FEATURES, 2);
    const nn_loss told[] = {NULL, NN_HINGE};
    for (size_t k = 0; k < 20; k++) {
        nn_fit_options options = choose_steps(k);
        check_twins(numbers, 1, 1, NN_TANH, options, agreement);
        options.loss = told[k % 2];
        check_twins(classes, 1, 1, NN_SOFTPLUS, options, agreement);
        options.use_float = true; /* says nothing gate by gate, and changes little otherwise */
        check_twins(classes, 1, 1, NN_SOFTPLUS, options, 1e-3);
    }
    nn_dataset_free(numbers);
    nn_dataset_free(classes);
}

/* What each epoch reports. */
struct report {
    nn_epoch epochs[16];
    size_t count;
};

static bool note_epoch(const nn_epoch *epoch, void *user)
{
    struct report *report = user;
    report->epochs[report->count++] = *epoch;
    return report->count < 16;
}

static void test_reports(void **state)
{
    (void)state;
    nn_dataset *data = make_classes(ROWS, FEATURES, OUTPUTS);
    for (size_t k = 0; k < 3; k++) {
        struct report reports[2] = {{.count = 0}};
        for (size_t eager = 0; eager < 2; eager++) {
            nn_model *model = make_model(data, OUTPUTS, 1, NN_TANH);
            must_fit(model, data,
                     (nn_fit_options){.optimizer = k == 0 ? nn_sgd(0.1) : nn_adam(0.01),
                                      .epochs = 16,
                                      .batch = 10,
                                      .use_float = k == 2,
                                      .on_epoch = note_epoch,
                                      .on_epoch_user = &reports[eager]},
                     eager != 0);
            nn_model_free(model);
        }
        for (size_t i = 0; i < 16; i++) {
            const nn_epoch *a = &reports[0].epochs[i], *b = &reports[1].epochs[i];
            assert_close(a->loss, b->loss, k == 2 ? 1e-3 : agreement);
            assert_close(a->accuracy, b->accuracy, k == 2 ? 0.01 : 1e-15);
        }
        assert_true(reports[0].epochs[15].loss < reports[0].epochs[0].loss / 2);
    }
    nn_dataset_free(data);
}

/* ---- Float ----------------------------------------------------------------------------------- */

/* A step of rate 1 down the gradient tells what it was. */
static void test_float_gradient(void **state)
{
    (void)state;
    nn_dataset *data = make_classes(ROWS, FEATURES, OUTPUTS);
    size_t rows[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = i;
    for (size_t a = 0; a < ACTIVATIONS; a++) {
        nn_model *model = make_model(data, OUTPUTS, 2, activations[a]);
        const size_t n = nn_parameter_count(model);
        must_fit(model, data, (nn_fit_options){.epochs = 3}, false);
        ag_real before[MOST_PARAMETERS], gradient[MOST_PARAMETERS];
        double loss, largest = 0;
        assert_true(n <= MOST_PARAMETERS);
        memcpy(before, nn_parameters(model), n * sizeof(ag_real));
        assert_int_equal(
            nn_loss_gradient(model, data, ROWS, rows, NULL, NULL, &loss, gradient, NULL), AG_OK);
        for (size_t i = 0; i < n; i++)
            largest = fmax(largest, fabs((double)gradient[i]));
        must_fit(
            model, data,
            (nn_fit_options){.optimizer = nn_sgd(1), .epochs = 1, .batch = ROWS, .use_float = true},
            false);
        for (size_t i = 0; i < n; i++)
            assert_close((double)(before[i] - nn_parameters(model)[i]) / largest,
                         (double)gradient[i] / largest, 1e-4);
        nn_model_free(model);
    }
    nn_dataset_free(data);
}

static void test_float_learns(void **state)
{
    (void)state;
    nn_dataset *data = nn_read_csv("demos/data/iris.csv", NULL, NULL);
    nn_dataset *train, *test;
    assert_int_equal(nn_split(data, 0.8, 42, &train, &test), AG_OK);
    double accuracy[2];
    for (size_t k = 0; k < 2; k++) {
        nn_model *model = make_model(train, 3, 1, NN_TANH);
        must_fit(model, train, (nn_fit_options){.epochs = 60, .batch = 16, .use_float = k == 1},
                 false);
        accuracy[k] = nn_accuracy(model, test);
        nn_model_free(model);
    }
    assert_close(accuracy[1], accuracy[0], 0.04); /* a flower of thirty */
    assert_true(accuracy[1] > 0.9);
    nn_dataset_free(train);
    nn_dataset_free(test);
    nn_dataset_free(data);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static ag_value own_loss(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    if (context != NULL)
        ++*(size_t *)context;
    return nn_softmax_cross_entropy(n, outputs, targets, NULL);
}

/* Batches that are worth several threads. */
static void test_same_bits(void **state)
{
    (void)state;
    static const size_t threads[] = {1, 2, 3, 8, 0};
    static const size_t sizes[] = {20, 64, 5};
    nn_dataset *data = make_classes(900, 20, 5);
    for (int k = 0; k < 6; k++) {
        nn_model *models[5];
        for (size_t i = 0; i < 5; i++) {
            models[i] = nn_mlp(3, sizes, NN_TANH, 94);
            must_fit(models[i], data,
                     (nn_fit_options){.loss = k / 2 == 1 ? own_loss : NULL,
                                      .optimizer = k / 2 == 2 ? nn_sgd(0.1) : nn_adam(0.01),
                                      .epochs = 3,
                                      .batch = 700,
                                      .threads = threads[i],
                                      .use_float = k % 2 == 1},
                     false);
            assert_same_model(models[i], models[0]);
        }
        for (size_t i = 0; i < 5; i++)
            nn_model_free(models[i]);
    }
    nn_dataset_free(data);
}

/* ---- Losses of one's own --------------------------------------------------------------------- */

/* How often it was called. */
struct calls {
    size_t loss, destroyed, applied;
};

static nn_fit_options with_loss(nn_loss loss, void *context, bool once)
{
    nn_optimizer rule = nn_sgd(0.05);
    rule.momentum = 0.5;
    return (nn_fit_options){.loss = loss,
                            .loss_context = context,
                            .optimizer = rule,
                            .epochs = 7,
                            .batch = 16,
                            .record_once = once};
}

/* Trains by programs, once recorded or not, and gate by gate. Returns how often the first called
 * the loss. */
static size_t check_own(const nn_dataset *data, size_t outputs, nn_loss loss, bool once,
                        struct calls *calls)
{
    nn_model *model = make_model(data, outputs, 1, NN_TANH);
    nn_model *twin = make_model(data, outputs, 1, NN_TANH);
    *calls = (struct calls){0};
    must_fit(model, data, with_loss(loss, calls, once), false);
    const size_t called = calls->loss;
    must_fit(twin, data, with_loss(loss, calls, once), true);
    assert_int_equal(calls->loss - called, 7 * ROWS);
    assert_true(compare(model, twin) <= agreement);
    nn_model_free(model);
    nn_model_free(twin);
    return called;
}

static ag_value plain_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                           void *context)
{
    ((struct calls *)context)->loss++;
    return nn_softmax_cross_entropy(n, outputs, targets, NULL);
}

static ag_value output_itself(size_t n, const ag_value *outputs, const ag_value *targets,
                              void *context)
{
    (void)targets;
    ((struct calls *)context)->loss++;
    return outputs[n - 1];
}

static ag_value comparing_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                               void *context)
{
    ((struct calls *)context)->loss++;
    const ag_value distance = ag_abs(ag_sub(outputs[0], targets[0]));
    if (ag_gt(distance, ag_constant(outputs[0].graph, (ag_real)0.5)))
        return distance;
    return nn_half_squared_error(n, outputs, targets, NULL);
}

/* A comparison that always comes out alike. */
static ag_value careful_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                             void *context)
{
    ((struct calls *)context)->loss++;
    const ag_value loss = nn_half_squared_error(n, outputs, targets, NULL);
    return ag_ge(loss, ag_constant(loss.graph, 0)) ? loss : ag_neg(loss);
}

static void test_own_losses(void **state)
{
    (void)state;
    nn_dataset *classes = make_classes(ROWS, FEATURES, OUTPUTS), *numbers = make_numbers(1);
    struct calls calls;
    assert_int_equal(check_own(classes, OUTPUTS, plain_loss, false, &calls), 7 * ROWS);
    assert_int_equal(check_own(classes, OUTPUTS, plain_loss, true, &calls), 1);
    assert_int_equal(check_own(classes, OUTPUTS, output_itself, false, &calls), 7 * ROWS);
    assert_int_equal(check_own(classes, OUTPUTS, output_itself, true, &calls), 1);
    assert_int_equal(check_own(numbers, 1, careful_loss, false, &calls), 7 * ROWS);
    assert_int_equal(check_own(numbers, 1, careful_loss, true, &calls), 1);
    /* once for the program, and from the first batch on for each sample after all */
    assert_int_equal(check_own(numbers, 1, comparing_loss, false, &calls), 7 * ROWS);
    assert_int_equal(check_own(numbers, 1, comparing_loss, true, &calls), 1 + 7 * ROWS);
    nn_dataset_free(classes);
    nn_dataset_free(numbers);
}

/* A comparison that holds for a while: the targets of the last rows are large. */
static ag_value late_loss(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    struct calls *calls = context;
    calls->loss++;
    const ag_value loss = nn_half_squared_error(n, outputs, targets, NULL);
    if (ag_lt(targets[0], ag_constant(loss.graph, 5)))
        return loss;
    calls->applied++;
    return ag_scale(loss, (ag_real)0.25);
}

static void test_late_branch(void **state)
{
    (void)state;
    ag_real inputs[ROWS], targets[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        inputs[i] = (ag_real)i / ROWS;
        targets[i] = i + 1 == ROWS ? 6 : (ag_real)(i % 3);
    }
    nn_dataset *data = nn_dataset_numbers(ROWS, 1, inputs, 1, targets, NULL);
    struct calls calls;
    const size_t called = check_own(data, 1, late_loss, true, &calls);
    /* from the batch of the large target on, in one of the eight batches of the first epoch */
    assert_in_range(called, 1 + 6 * ROWS, 1 + 7 * ROWS);
    assert_int_equal((called - 1) % 16, (7 * ROWS) % 16);
    assert_int_equal(calls.applied, 2 * 7);
    nn_dataset_free(data);
}

/* Losses that look at numbers: what they record differs from sample to sample, without a sign. */
static ag_value peeking_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                             void *context)
{
    struct calls *calls = context;
    calls->loss++;
    const ag_real weight = calls->loss % 2 == 0 ? 1 : (ag_real)0.5;
    const ag_value loss = nn_mean_squared_error(n, outputs, targets, NULL);
    return ag_data(outputs[0]) > 0 ? ag_scale(loss, weight) : ag_shift(loss, ag_data(targets[0]));
}

static void test_peeking_loss(void **state)
{
    (void)state;
    nn_dataset *numbers = make_numbers(OUTPUTS);
    nn_model *model = make_model(numbers, OUTPUTS, 1, NN_TANH);
    nn_model *twin = make_model(numbers, OUTPUTS, 1, NN_TANH);
    struct calls a = {0}, b = {0};
    must_fit(model, numbers, with_loss(peeking_loss, &a, false), false);
    must_fit(twin, numbers, with_loss(peeking_loss, &b, false), true);
    assert_int_equal(a.loss, b.loss);
    assert_true(compare(model, twin) <= agreement);
    nn_model_free(model);
    nn_model_free(twin);
    nn_dataset_free(numbers);
}

/* ---- Closures in losses ---------------------------------------------------------------------- */

static ag_real bend(void *context, size_t n, const ag_real *x)
{
    (void)context, (void)n;
    return x[0] * x[0] / (1 + x[0] * x[0]);
}

static ag_real find_slope(ag_real x)
{
    return 2 * x / ((1 + x * x) * (1 + x * x));
}

static void bend_back(void *context, size_t n, const ag_real *x, ag_real y, ag_real upstream,
                      ag_real *downstream)
{
    (void)context, (void)n, (void)y;
    downstream[0] = upstream * find_slope(x[0]);
}

static ag_status bend_derive(void *context, size_t n, const ag_value *x, ag_value y,
                             ag_value upstream, ag_value *downstream)
{
    (void)context, (void)n, (void)y;
    const ag_value below = ag_square(ag_shift(ag_square(x[0]), 1));
    downstream[0] = ag_chain(upstream, ag_div(ag_scale(x[0], 2), below));
    return ag_error(x[0].graph);
}

static void count_destroyed(void *context)
{
    ((struct calls *)context)->destroyed++;
}

static ag_value apply_bend(const ag_value *outputs, const ag_value *targets, bool derives,
                           void *context, bool owned)
{
    struct calls *calls = context;
    calls->loss++;
    calls->applied++;
    const ag_value distance = ag_sub(outputs[0], targets[0]);
    const ag_closure closure = {.name = "bend",
                                .arity = 1,
                                .forward = bend,
                                .backward = bend_back,
                                .derive = derives ? bend_derive : NULL,
                                .context = context,
                                .destroy = owned ? count_destroyed : NULL};
    return ag_apply(&closure, &distance);
}

static ag_value bent_loss(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    (void)n;
    return apply_bend(outputs, targets, true, context, false);
}

static ag_value owning_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                            void *context)
{
    (void)n;
    return apply_bend(outputs, targets, true, context, true);
}

static ag_value opaque_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                            void *context)
{
    (void)n;
    return apply_bend(outputs, targets, false, context, false);
}

static void test_closures(void **state)
{
    (void)state;
    nn_dataset *data = make_numbers(1);
    struct calls calls;
    assert_int_equal(check_own(data, 1, bent_loss, false, &calls), 7 * ROWS);
    assert_int_equal(check_own(data, 1, bent_loss, true, &calls), 1);
    /* these can't be compiled, and are called for each sample after all */
    assert_int_equal(check_own(data, 1, owning_loss, false, &calls), 7 * ROWS);
    assert_int_equal(calls.destroyed, calls.applied);
    assert_int_equal(check_own(data, 1, owning_loss, true, &calls), 1 + 7 * ROWS);
    assert_int_equal(calls.destroyed, calls.applied);
    assert_int_equal(check_own(data, 1, opaque_loss, false, &calls), 7 * ROWS);
    assert_int_equal(check_own(data, 1, opaque_loss, true, &calls), 1 + 7 * ROWS);
    nn_dataset_free(data);
}

/* ---- Blame ----------------------------------------------------------------------------------- */

/* Each goes wrong where the target is 0: the loss is not a number, infinite, or too steep. */
static ag_value vague_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                           void *context)
{
    (void)context;
    const ag_value nothing = ag_scale(ag_log(targets[0]), 0);
    return ag_add(nn_half_squared_error(n, outputs, targets, NULL), nothing);
}

static ag_value endless_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                             void *context)
{
    (void)context;
    return ag_add(nn_half_squared_error(n, outputs, targets, NULL), ag_reciprocal(targets[0]));
}

static ag_value steep_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                           void *context)
{
    (void)n, (void)context;
    return ag_sqrt(ag_mul(ag_square(outputs[0]), targets[0]));
}

static ag_value refused_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                             void *context)
{
    (void)n, (void)context;
    if (ag_data(targets[0]) == 0)
        return nn_activate((nn_activation)99, outputs[0]);
    return outputs[0];
}

/* Only the last row is to blame, or one in the middle. */
static nn_dataset *make_victim(size_t victim)
{
    ag_real inputs[ROWS], targets[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        inputs[i] = (ag_real)i / ROWS;
        targets[i] = i == victim ? 0 : 1 + inputs[i];
    }
    return nn_dataset_numbers(ROWS, 1, inputs, 1, targets, NULL);
}

static void check_blame(const nn_dataset *data, nn_fit_options options, ag_status status,
                        const char *message)
{
    const size_t sizes[] = {1, 3, 1};
    for (int way = 0; way < 6; way++)
        for (size_t batch = 1; batch <= 1000; batch *= 10) {
            nn_model *model = nn_mlp(3, sizes, NN_TANH, 95);
            ag_real before[10];
            assert_int_equal(nn_parameter_count(model), 10);
            memcpy(before, nn_parameters(model), sizeof(before));
            options.batch = batch;
            options.record_once = way % 2 == 1;
            options.use_float = way / 2 == 1;
            options.optimizer = way / 2 == 2 ? nn_adam(0.01) : nn_sgd(0.01);
            nn_error error = {.status = AG_OK};
            assert_int_equal(fit(model, data, options, false, &error), status);
            assert_string_equal(error.message, message);
            assert_memory_equal(nn_parameters(model), before, sizeof(before));
            assert_int_equal(fit(model, data, options, true, &error), status);
            assert_string_equal(error.message, message);
            nn_model_free(model);
        }
}

static void test_blame(void **state)
{
    (void)state;
    static const size_t victims[] = {0, 57, ROWS - 1};
    for (size_t i = 0; i < 3; i++) {
        nn_dataset *data = make_victim(victims[i]);
        char message[100];
        const struct {
            nn_loss loss;
            ag_status status;
            const char *what;
        } cases[] = {
            {vague_loss, AG_NOT_FINITE, "the loss is not a number"},
            {endless_loss, AG_NOT_FINITE, "the loss is infinite"},
            {steep_loss, AG_NOT_FINITE, "the gradient is not finite"},
            {refused_loss, AG_INVALID_ARGUMENT, "nn_activate: 99 is no activation"},
        };
        for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
            if (k == 3 && victims[i] != 0)
                continue; /* it reads a number: recorded once, it would not notice */
            (void)snprintf(message, sizeof(message), "epoch 1, row %zu: %s", victims[i],
                           cases[k].what);
            check_blame(data, (nn_fit_options){.loss = cases[k].loss}, cases[k].status, message);
        }
        nn_dataset_free(data);
    }
}

/* A loss of the list, and outputs that are too much for it, in one row. */
static void test_infinite_loss(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1};
    ag_real inputs[ROWS] = {0}, targets[ROWS] = {0};
    inputs[70] = 1;
    nn_dataset *data = nn_dataset_numbers(ROWS, 1, inputs, 1, targets, NULL);
    for (int k = 0; k < 4; k++) {
        nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
        const bool small = k % 2 == 1 || sizeof(ag_real) == sizeof(float);
        nn_parameters(model)[0] = (ag_real)(small ? 1e30 : 1e200);
        nn_error error;
        const nn_fit_options options = {.keep_scale = true,
                                        .batch = 20,
                                        .use_float = k % 2 == 1,
                                        .optimizer = k / 2 == 1 ? nn_adam(0.1) : nn_sgd(0.1)};
        assert_int_equal(nn_fit(model, data, &options, &error), AG_NOT_FINITE);
        assert_string_equal(error.message, "epoch 1, row 70: the loss is infinite");
        assert_true(nn_parameters(model)[0] == (ag_real)(small ? 1e30 : 1e200));
        nn_model_free(model);
    }
    nn_dataset_free(data);
}

/* A gradient that is finite, and a rate that is not for it. */
static void test_one_step_too_far(void **state)
{
    (void)state;
    nn_dataset *data = make_victim(20);
    const size_t sizes[] = {1, 3, 1};
    char messages[2][240];
    for (size_t k = 0; k < 2; k++) {
        nn_model *model = nn_mlp(3, sizes, NN_TANH, 95);
        for (size_t i = 0; i < 10; i++)
            nn_parameters(model)[i] *= 100;
        const double huge = sizeof(ag_real) == sizeof(float) ? 3e38 : 1.7e308;
        nn_error error;
        assert_int_equal(fit(model, data, (nn_fit_options){.optimizer = nn_sgd(huge), .batch = 7},
                             k == 1, &error),
                         AG_NOT_FINITE);
        assert_contains(error.message, "the step after this row left the numbers");
        memcpy(messages[k], error.message, sizeof(messages[k]));
        nn_model_free(model);
    }
    assert_string_equal(messages[0], messages[1]);
    nn_dataset_free(data);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Batches that don't go through a program in one piece. */
static void test_pieces(void **state)
{
    (void)state;
    enum {
        WIDE = 60000,
        FEW = 90
    };
    ag_real *inputs = malloc((size_t)FEW * WIDE * sizeof(ag_real)), targets[FEW];
    assert_non_null(inputs);
    nn_random random = nn_random_seed(96);
    for (size_t i = 0; i < (size_t)FEW * WIDE; i++)
        inputs[i] = (ag_real)((double)(nn_random_next(&random) >> 40) * 0x1p-23 - 1);
    for (size_t i = 0; i < FEW; i++)
        targets[i] = inputs[i * WIDE];
    nn_dataset *data = nn_dataset_numbers(FEW, WIDE, inputs, 1, targets, NULL);
    const size_t sizes[] = {WIDE, 1};
    for (int k = 0; k < 3; k++) {
        nn_model *model = nn_mlp(2, sizes, NN_TANH, 1), *twin = nn_mlp(2, sizes, NN_TANH, 1);
        const nn_fit_options options = {.optimizer = nn_sgd(1e-5),
                                        .epochs = 2,
                                        .batch = FEW,
                                        .keep_scale = true,
                                        .loss = k == 1 ? output_itself : NULL,
                                        .loss_context = &(struct calls){0},
                                        .use_float = k == 2};
        must_fit(model, data, options, false);
        must_fit(twin, data, options, true);
        assert_true(compare(model, twin) <= (k == 2 ? 1e-5 : agreement));
        nn_model_free(model);
        nn_model_free(twin);
    }
    nn_dataset_free(data);
    free(inputs);
}

/* Refuses blocks of one size, and grants the others. */
static size_t refused_size, refused_times;
static void *(*memory_before)(void *pointer, size_t size);

static void *refuse_size(void *pointer, size_t size)
{
    if (size == refused_size) {
        refused_times++;
        return NULL;
    }
    return memory_before(pointer, size);
}

/* Without room for standardised rows, they are made as they are needed. */
static void test_no_room_for_rows(void **state)
{
    (void)state;
    nn_dataset *data = make_classes(ROWS, FEATURES, OUTPUTS);
    for (int k = 0; k < 4; k++) {
        const bool floats = k % 2 == 1;
        nn_model *model = make_model(data, OUTPUTS, 1, NN_TANH);
        nn_model *twin = make_model(data, OUTPUTS, 1, NN_TANH);
        const nn_fit_options options = {
            .epochs = 3, .loss = k / 2 == 1 ? own_loss : NULL, .use_float = floats};
        must_fit(model, data, options, false);
        memory_before = nni_memory;
        refused_size = (size_t)ROWS * FEATURES * (floats ? sizeof(float) : sizeof(ag_real));
        refused_times = 0;
        nni_memory = refuse_size;
        must_fit(twin, data, options, false);
        nni_memory = memory_before;
        assert_int_equal(refused_times, 1);
        assert_same_model(model, twin);
        nn_model_free(model);
        nn_model_free(twin);
    }
    nn_dataset_free(data);
}

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
    nn_dataset *data = make_classes(10, FEATURES, OUTPUTS);
    for (int way = 0; way < 6; way++) {
        count_memory(0, false);
        nn_model *model = make_model(data, OUTPUTS, 1, NN_TANH);
        must_fit(model, data,
                 (nn_fit_options){.optimizer = way % 2 == 0 ? nn_sgd(0.01) : nn_adam(0.01),
                                  .epochs = 1000,
                                  .batch = 3,
                                  .loss = way >= 2 ? own_loss : NULL,
                                  .use_float = way == 1 || way == 3,
                                  .on_epoch = note_requests},
                 way == 5);
        nn_model_free(model);
        stop_counting_memory();
        assert_true(first_requests > 0);
        assert_int_equal(last_requests, first_requests);
        assert_int_equal(memory.live, 0);
    }
    nn_dataset_free(data);
}

struct attempt {
    const nn_model *model; /* as it is before the training */
    const nn_dataset *data;
    nn_fit_options options;
    struct calls calls;
};

static bool attempt_fit(void *context)
{
    struct attempt *a = context;
    nn_model *model = nn_mlp(3, a->model->sizes, NN_TANH, 93);
    if (model == NULL)
        return false;
    nn_error error = {.status = AG_OK};
    const ag_status status = nn_fit(model, a->data, &a->options, &error);
    assert_int_equal(error.status, status);
    if (status != AG_OK) {
        assert_int_equal(status, AG_OUT_OF_MEMORY);
        assert_contains(error.message, "out of memory");
        assert_memory_equal(nn_parameters(model), a->model->parameters,
                            nn_parameter_count(model) * sizeof(ag_real));
    }
    nn_model_free(model);
    return status == AG_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    nn_dataset *data = make_classes(9, FEATURES, OUTPUTS);
    const nn_loss own[] = {NULL, plain_loss, plain_loss, comparing_loss};
    for (int way = 0; way < 4; way++) {
        nn_model *model = make_model(data, OUTPUTS, 1, NN_TANH);
        struct attempt a = {.model = model, .data = data};
        a.options = with_loss(own[way], &a.calls, way >= 2);
        a.options.use_float = way == 0 || way == 3;
        a.options.threads = 2;
        a.options.epochs = 1;
        a.options.batch = 4;
        assert_in_range(fail_each_request(attempt_fit, &a), 50, 10000);
        nn_model_free(model);
    }
    nn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_twins_with_one_output),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_float_gradient),
        cmocka_unit_test(test_float_learns),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_own_losses),
        cmocka_unit_test(test_late_branch),
        cmocka_unit_test(test_peeking_loss),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_infinite_loss),
        cmocka_unit_test(test_one_step_too_far),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_no_room_for_rows),
        cmocka_unit_test(test_constant_memory),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
