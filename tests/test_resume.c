/* SPDX-License-Identifier: MIT
 *
 * Trainings that stop and go on: after whatever interruption the result is the same bits as
 * without; data that is held out, and when to stop by it; and what a model does not let itself be
 * told.
 */
#define _XOPEN_SOURCE 700
#include "nn_testing.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ROWS = 23,
    EPOCHS = 12,
};

static char path[64];

static int make_file(void **state)
{
    (void)state;
    /* in memory, if possible: a disk takes its time until a file is safe */
    (void)snprintf(path, sizeof(path), "%s/wengert-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    const int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state)
{
    (void)state;
    return remove(path);
}

/* Overlapping classes, so that the loss on held-out rows goes up and down. */
static nn_dataset *make_data(size_t rows, uint64_t seed)
{
    ag_real inputs[200];
    size_t labels[100];
    nn_random random = nn_random_seed(seed);
    for (size_t i = 0; i < rows; i++) {
        labels[i] = nn_random_below(&random, 3);
        inputs[2 * i] = (ag_real)(cos(2.1 * (double)labels[i]) + nn_random_normal(&random));
        inputs[2 * i + 1] = (ag_real)(sin(2.1 * (double)labels[i]) + nn_random_normal(&random));
    }
    nn_dataset *data = nn_dataset_classes(rows, 2, inputs, 3, labels, NULL);
    assert_non_null(data);
    return data;
}

static nn_model *make_net(void)
{
    const size_t sizes[] = {2, 5, 3};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 17);
    assert_non_null(model);
    return model;
}

static void must_fit(nn_model *model, const nn_dataset *data, nn_fit_options options)
{
    nn_error error = {.message = ""};
    if (nn_fit(model, data, &options, &error) != AG_OK)
        print_error("%s\n", error.message);
    assert_int_equal(error.status, AG_OK);
}

/* Takes a model to a file and back, if the library can. */
static nn_model *take_to_file(nn_model *model)
{
#ifdef NNI_JANSSON
    assert_int_equal(nn_save(model, path, NULL), AG_OK);
    nn_model_free(model);
    model = nn_load(path, NULL);
    assert_non_null(model);
#endif
    return model;
}

/* ---- The same bits --------------------------------------------------------------------------- */

struct interruption {
    nn_model *model;
    size_t epoch;
    bool save, reached;
};

static bool interrupt(const nn_epoch *epoch, void *user)
{
    struct interruption *i = user;
    assert_int_equal(nn_model_training(i->model)->epochs, epoch->epoch);
    if (epoch->epoch != i->epoch)
        return true;
    i->reached = true;
    if (!i->save)
        return false;
#ifdef NNI_JANSSON
    assert_int_equal(nn_save(i->model, path, NULL), AG_OK);
#endif
    return true; /* what happens after it is lost */
}

/* options ask for EPOCHS; what must be handed over again is in again. */
static void check_resumed(const nn_dataset *data, nn_fit_options options, nn_fit_options again)
{
    nn_model *undisturbed = make_net();
    must_fit(undisturbed, data, options);
    again.resume = true;
    for (size_t epoch = 1; epoch < EPOCHS; epoch += 5) {
        nn_fit_options part = options;
        /* asked for fewer, and then for more; from a file; once more on the way */
        nn_model *model = make_net();
        part.epochs = epoch;
        must_fit(model, data, part);
        model = take_to_file(model);
        again.epochs = epoch + 1;
        must_fit(model, data, again);
        again.epochs = EPOCHS;
        must_fit(model, data, again);
        assert_same_models(model, undisturbed);
        nn_model_free(model);
        /* stopped by the callback; the same model goes on */
        model = make_net();
        struct interruption i = {model, epoch, .save = false};
        part = options;
        part.on_epoch = interrupt;
        part.on_epoch_user = &i;
        must_fit(model, data, part);
        again.epochs = 0;
        must_fit(model, data, again);
        assert_same_models(model, undisturbed);
        nn_model_free(model);
#ifdef NNI_JANSSON
        /* saved on the way, as if killed later */
        model = make_net();
        i = (struct interruption){model, epoch, .save = true};
        must_fit(model, data, part);
        if (i.reached) {
            nn_model_free(model);
            model = nn_load(path, NULL);
            assert_non_null(model);
        } /* else patience ended before */
        must_fit(model, data, again);
        assert_same_models(model, undisturbed);
        nn_model_free(model);
#endif
    }
    nn_model_free(undisturbed);
}

static ag_value squares(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    return nn_half_squared_error(n, outputs, targets, context);
}

/* Huber's loss of the first output: its comparison will come out otherwise sooner or later. */
static ag_value bent(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    (void)n, (void)context;
    const ag_value distance = ag_abs(ag_sub(outputs[0], targets[0]));
    const ag_value half = ag_constant(outputs[0].graph, (ag_real)0.5);
    return ag_gt(distance, half) ? ag_shift(distance, (ag_real)-0.25) : ag_square(distance);
}

static void step_halfway(const nn_optimizer *self, size_t n, ag_real *parameters,
                         const ag_real *gradient, ag_real *kept, uint64_t t)
{
    for (size_t i = 0; i < n; i++) {
        kept[i] = (kept[i] + gradient[i]) / 2;
        parameters[i] -= (ag_real)(self->rate / (1 + (double)t)) * kept[i];
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1), *held_out = make_data(11, 2);
    nn_optimizer momentum = nn_sgd(0.05);
    momentum.momentum = 0.9;
    momentum.weight_decay = 1e-4;
    const nn_optimizer rules[] = {nn_adam(0.05), nn_sgd(0.1), momentum};
    for (size_t rule = 0; rule < 3; rule++)
        for (int way = 0; way < 3; way++)
            for (size_t patience = 0; patience <= 8; patience += 4) {
                const nn_fit_options options = {.optimizer = rules[rule],
                                                .epochs = EPOCHS,
                                                .batch = 5,
                                                .seed = 3,
                                                .eager = way == 1,
                                                .use_float = way == 2,
                                                .held_out = patience > 0 ? held_out : NULL,
                                                .patience = patience};
                check_resumed(data, options, options);
                check_resumed(data, options, (nn_fit_options){.held_out = options.held_out});
            }
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

/* What the library does not know by name is handed over again. */
static void test_own_bits(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1);
    const nn_optimizer own = {.name = NULL, .step = step_halfway, .state_count = 1, .rate = 0.3};
    for (int once = 0; once < 2; once++) {
        check_resumed(data,
                      (nn_fit_options){
                          .loss = squares, .epochs = EPOCHS, .batch = 4, .record_once = once == 1},
                      (nn_fit_options){.loss = squares});
        check_resumed(data,
                      (nn_fit_options){.loss = bent,
                                       .epochs = EPOCHS,
                                       .batch = 4,
                                       .optimizer = nn_sgd(0.5),
                                       .record_once = once == 1},
                      (nn_fit_options){.loss = bent});
    }
    /* it was the way of the last batches that had to be remembered */
    nn_model *model = make_net();
    must_fit(
        model, data,
        (nn_fit_options){.loss = bent, .epochs = 1, .optimizer = nn_sgd(0.5), .record_once = true});
    assert_true(model->state->in_parts);
    nn_model_free(model);
    check_resumed(data, (nn_fit_options){.optimizer = own, .epochs = EPOCHS, .keep_scale = true},
                  (nn_fit_options){.optimizer = own});
    nn_dataset_free(data);
}

#ifdef NNI_JANSSON

static bool save_each(const nn_epoch *epoch, void *user)
{
    (void)epoch;
    return nn_save(user, path, NULL) == AG_OK;
}

/* A child that saves after each epoch is killed at some moment, several times in a row. */
static void test_killed(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1), *held_out = make_data(11, 2);
    nn_fit_options options = {.optimizer = nn_adam(0.02),
                              .epochs = 60,
                              .batch = 4,
                              .threads = 1,
                              .held_out = held_out,
                              .patience = 40};
    nn_model *undisturbed = make_net(), *model = make_net();
    const double start = read_nanoseconds();
    options.on_epoch = save_each;
    options.on_epoch_user = undisturbed;
    must_fit(undisturbed, data, options);
    const double whole = read_nanoseconds() - start;
    assert_int_equal(nn_save(model, path, NULL), AG_OK);
    nn_random random = nn_random_seed(4);
    size_t kills = 0;
    for (bool ended = false; !ended && kills < 20;) {
        nn_model_free(model);
        model = nn_load(path, NULL);
        assert_non_null(model);
        options.resume = nn_model_training(model) != NULL;
        options.on_epoch_user = model;
        (void)fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const bool good =
                nn_fit(model, data, &options, NULL) == AG_OK && nn_save(model, path, NULL) == AG_OK;
            /* valgrind looks for leaks here, too */
            nn_model_free(model);
            nn_model_free(undisturbed);
            nn_dataset_free(data);
            nn_dataset_free(held_out);
            _exit(good ? 0 : 1);
        }
        const double wait = fmin(whole * (0.1 + 0.5 * nn_random_uniform(&random)), 9e8);
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)wait}, NULL);
        (void)kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        ended = WIFEXITED(status);
        assert_true(ended ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
        kills += !ended;
    }
    nn_model_free(model);
    model = nn_load(path, NULL);
    assert_non_null(model);
    options.on_epoch = NULL;
    options.resume = nn_model_training(model) != NULL;
    if (options.resume)
        print_message("killed %zu times, the last time after epoch %zu\n", kills,
                      nn_model_training(model)->epochs);
    must_fit(model, data, options);
    assert_same_models(model, undisturbed);
    nn_model_free(model);
    nn_model_free(undisturbed);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

#else

static void test_without_jansson(void **state)
{
    (void)state;
    nn_model *model = make_net();
    nn_error error;
    assert_int_equal(nn_save(model, path, &error), AG_IO);
    assert_contains(error.message, "built without jansson");
    assert_null(nn_load(path, &error));
    assert_int_equal(error.status, AG_IO);
    assert_contains(error.message, "built without jansson");
    nn_model_free(model);
}

#endif

/* ---- Held-out data --------------------------------------------------------------------------- */

static struct {
    const nn_model *model;
    const nn_dataset *held_out;
    size_t count;
    nn_epoch epochs[300];
    ag_real parameters[300][33];
} seen;

static bool watch(const nn_epoch *epoch, void *user)
{
    (void)user;
    assert_true(seen.count < 300);
    seen.epochs[seen.count] = *epoch;
    memcpy(seen.parameters[seen.count++], seen.model->parameters, 33 * sizeof(ag_real));
    if (seen.held_out != NULL) {
        const double loss = nn_mean_loss(seen.model, seen.held_out, NULL, NULL);
        const double accuracy = nn_accuracy(seen.model, seen.held_out);
        assert_memory_equal(&loss, &epoch->held_out_loss, sizeof(loss));
        assert_memory_equal(&accuracy, &epoch->held_out_accuracy, sizeof(accuracy));
    } else {
        assert_true(isnan(epoch->held_out_loss) && isnan(epoch->held_out_accuracy));
    }
    return true;
}

static void fit_and_watch(nn_model *model, const nn_dataset *data, nn_fit_options options)
{
    seen.model = model;
    seen.held_out = options.held_out;
    seen.count = 0;
    options.on_epoch = watch;
    must_fit(model, data, options);
}

/* The epoch of the lowest loss, the first of equals; and where patience ended. */
static size_t find_best(size_t patience, size_t *end)
{
    size_t best = 0;
    *end = 0;
    for (size_t i = 0; i < seen.count; i++) {
        if (seen.epochs[i].held_out_loss < seen.epochs[best].held_out_loss)
            best = i;
        *end = i + 1;
        if (i - best >= patience)
            break;
    }
    return best;
}

static void test_patience(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1), *held_out = make_data(30, 2);
    nn_fit_options options = {.optimizer = nn_adam(0.05), .epochs = 200, .held_out = held_out};
    nn_model *all = make_net();
    fit_and_watch(all, data, options);
    assert_int_equal(seen.count, 200);
    assert_memory_equal(all->parameters, seen.parameters[199], 33 * sizeof(ag_real));
    for (size_t patience = 1; patience <= 9; patience += 4) {
        /* as the whole run tells it */
        nn_model *model = make_net();
        fit_and_watch(all, data, (nn_fit_options){.resume = true, .held_out = held_out});
        assert_int_equal(seen.count, 0); /* nothing to do */
        nn_model *again = make_net();
        fit_and_watch(again, data, options);
        size_t end;
        const size_t best = find_best(patience, &end);
        ag_real expected[33], last[33];
        memcpy(expected, seen.parameters[best], sizeof(expected));
        memcpy(last, seen.parameters[end - 1], sizeof(last));
        assert_true(best + 1 < end && end < 200);
        options.patience = patience;
        fit_and_watch(model, data, options);
        assert_int_equal(seen.count, end);
        assert_memory_equal(model->parameters, expected, sizeof(expected));
        assert_memory_equal(model->state->other, last, sizeof(last));
        const nn_training *told = nn_model_training(model);
        assert_int_equal(told->best_epoch, best + 1);
        assert_same(told->best_loss, nn_mean_loss(model, held_out, NULL, NULL));
        assert_int_equal(told->epochs, end);
        assert_int_equal(told->last.epoch, end);
        assert_int_equal(told->epochs_asked, 200);
        /* out of patience: left as it is; with more patience, as if it had had that at once */
        options.resume = true;
        fit_and_watch(model, data, options);
        assert_int_equal(seen.count, 0);
        assert_memory_equal(model->parameters, expected, sizeof(expected));
        options.patience = patience + 3;
        must_fit(model, data, options);
        options.resume = false;
        must_fit(again, data, options); /* begins anew, from where it is */
        nn_model_free(again);
        again = make_net();
        must_fit(again, data, options);
        assert_same_models(model, again);
        options.patience = 0;
        nn_model_free(model);
        nn_model_free(again);
    }
    nn_model_free(all);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

/* Held-out data that is only watched changes nothing. */
static void test_watching(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1), *held_out = make_data(30, 2);
    nn_model *model = make_net(), *twin = make_net();
    fit_and_watch(model, data, (nn_fit_options){.epochs = 20, .held_out = held_out});
    const nn_training *told = nn_model_training(model);
    size_t end;
    assert_int_equal(told->best_epoch, find_best(SIZE_MAX, &end) + 1);
    assert_same(told->last.held_out_loss, nn_mean_loss(model, held_out, NULL, NULL));
    assert_same(told->last.held_out_accuracy, nn_accuracy(model, held_out));
    fit_and_watch(twin, data, (nn_fit_options){.epochs = 20});
    assert_memory_equal(model->parameters, twin->parameters, 33 * sizeof(ag_real));
    told = nn_model_training(twin);
    assert_int_equal(told->best_epoch, 0);
    assert_true(isnan(told->best_loss) && isnan(told->last.held_out_loss));
    assert_same(told->last.loss, seen.epochs[19].loss);
    assert_int_equal(told->epochs, 20);
    assert_int_equal(told->steps, 20);
    assert_int_equal(told->rows, ROWS);
    assert_int_equal(told->batch, 32);
    assert_string_equal(told->loss, "softmax_cross_entropy");
    assert_string_equal(told->optimizer.name, "adam");
    nn_model_free(model);
    nn_model_free(twin);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

static void test_progress(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1), *held_out = make_data(30, 2);
    nn_model *model = make_net();
    FILE *file = tmpfile();
    assert_non_null(file);
    fit_and_watch(model, data,
                  (nn_fit_options){.epochs = 1, .held_out = held_out, .progress = file});
    char line[200], expected[100];
    rewind(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void)snprintf(expected, sizeof(expected), "  held out %.4g, %.1f%%  ",
                   seen.epochs[0].held_out_loss, 100 * seen.epochs[0].held_out_accuracy);
    assert_contains(line, expected);
    (void)fclose(file);
    nn_model_free(model);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static size_t calls_left;

static ag_value failing(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    const ag_value loss = nn_softmax_cross_entropy(n, outputs, targets, context);
    return calls_left-- > 0 ? loss : ag_div(loss, ag_constant(loss.graph, 0));
}

/* A resumed training that fails at each of its calls of the loss leaves the model as it was. */
static void test_failures(void **state)
{
    (void)state;
    nn_dataset *data = make_data(9, 1), *held_out = make_data(4, 2);
    nn_fit_options options = {.loss = failing,
                              .optimizer = nn_adam(0.1),
                              .epochs = 3,
                              .batch = 4,
                              .held_out = held_out,
                              .patience = 3};
    nn_model *model = make_net(), *twin = make_net();
    calls_left = SIZE_MAX;
    must_fit(model, data, options);
    calls_left = SIZE_MAX;
    must_fit(twin, data, options);
    options.resume = true;
    options.epochs = 5;
    for (size_t calls = 0; calls < 26; calls++) {
        calls_left = calls;
        nn_error error;
        assert_int_equal(nn_fit(model, data, &options, &error), AG_NOT_FINITE);
        assert_contains(error.message, calls < 13 ? "epoch 4, " : "epoch 5, ");
        assert_contains(error.message, calls % 13 < 9 ? ", row " : ", held-out row ");
        assert_same_models(model, twin);
    }
    nn_model_free(model);
    nn_model_free(twin);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

struct resuming {
    const nn_model *model;
    const nn_dataset *data, *held_out;
};

static bool attempt_resume(void *context)
{
    const struct resuming *r = context;
    nn_fit_options options = {
        .epochs = 1, .optimizer = nn_adam(0.1), .held_out = r->held_out, .patience = 2};
    const size_t failing_request = memory.failing;
    memory.failing = 0;
    nn_model *model = make_net();
    must_fit(model, r->data, options);
    nni_forget(model->kept);
    memory.failing = failing_request;
    memory.requests = 0;
    options.resume = true;
    options.epochs = 3;
    nn_error error;
    const ag_status status = nn_fit(model, r->data, &options, &error);
    if (status != AG_OK) {
        assert_int_equal(status, AG_OUT_OF_MEMORY);
        assert_same_models(model, r->model);
    }
    nn_model_free(model);
    return status == AG_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    nn_dataset *data = make_data(9, 1), *held_out = make_data(4, 2);
    nn_model *model = make_net();
    must_fit(model, data,
             (nn_fit_options){
                 .epochs = 1, .optimizer = nn_adam(0.1), .held_out = held_out, .patience = 2});
    struct resuming r = {model, data, held_out};
    assert_in_range(fail_each_request(attempt_resume, &r), 20, 10000);
    nn_model_free(model);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
}

/* ---- Contradictions -------------------------------------------------------------------------- */

static void check_refused(nn_model *model, const nn_dataset *data, nn_fit_options options,
                          const char *message)
{
    nn_error error = {.status = AG_OK};
    const ag_status status = nn_fit(model, data, &options, &error);
    if (status == AG_OK || strstr(error.message, message) == NULL)
        print_error("expected \"%s\": \"%s\"\n", message, error.message);
    assert_int_equal(status, AG_INVALID_ARGUMENT);
    assert_contains(error.message, message);
}

static void test_contradictions(void **state)
{
    (void)state;
    nn_dataset *data = make_data(ROWS, 1), *held_out = make_data(8, 2);
    nn_dataset *more = make_data(ROWS + 1, 1), *other = make_data(ROWS, 3);
    nn_optimizer adam = nn_adam(0.05), sgd = nn_sgd(0.05), own = adam, large = adam;
    own.step = step_halfway;
    own.state_count = 3;
    nn_model *model = make_net(), *twin = make_net();
    check_refused(model, data, (nn_fit_options){.resume = true}, "has no training to go on with");
    const nn_fit_options options = {
        .optimizer = adam, .epochs = 4, .batch = 5, .seed = 6, .held_out = held_out, .patience = 9};
    must_fit(model, data, options);
    must_fit(twin, data, options);
#define REFUSE(what, ...)                                                                          \
    check_refused(model, data,                                                                     \
                  (nn_fit_options){.resume = true, .held_out = held_out, __VA_ARGS__}, what)
    REFUSE("batches of 5, not 6", .batch = 6);
    REFUSE("the seed 6, not 7", .seed = 7);
    REFUSE("4 epochs are done, more than the 3 in all", .epochs = 3);
    REFUSE("was not in float", .use_float = true);
    REFUSE("was not eager", .eager = true);
    REFUSE("the loss softmax_cross_entropy, not hinge", .loss = NN_HINGE);
    REFUSE("the loss softmax_cross_entropy, not of your own", .loss = squares);
    REFUSE("the optimiser adam, not sgd", .optimizer = sgd);
    REFUSE("the optimiser adam, not one of your own", .optimizer = own);
    large.rate = 0.06;
    REFUSE("the rate 0.05, not 0.06", .optimizer = large);
    large = adam;
    large.beta2 = (double)NAN;
    REFUSE("the beta2 0.999, not nan", .optimizer = large);
    large = adam;
    large.weight_decay = 0.1;
    REFUSE("the weight decay 0, not 0.1", .optimizer = large);
    check_refused(model, data, (nn_fit_options){.resume = true}, "hand its held-out data over");
    check_refused(model, data, (nn_fit_options){.resume = true, .held_out = more},
                  "held-out data is not that of");
    check_refused(model, more, (nn_fit_options){.resume = true, .held_out = held_out},
                  "was on 23 rows, and the data has 24");
    check_refused(model, other, (nn_fit_options){.resume = true, .held_out = held_out},
                  "the data is not what the training so far was on");
    model->state->told.order.state++;
    REFUSE("don't leave the generator as it is said to be", .epochs = 5);
    model->state->told.order.state--;
    assert_same_models(model, twin);
    nn_forget_training(model);
    REFUSE("has no training to go on with", .epochs = 9);

    check_refused(model, data, (nn_fit_options){.patience = 3}, "patience wants held_out");
    must_fit(model, data, (nn_fit_options){.epochs = 1, .optimizer = own, .loss = squares});
    assert_string_equal(nn_model_training(model)->optimizer.name, "custom");
    assert_null(nn_model_training(model)->optimizer.step);
    assert_string_equal(nn_model_training(model)->loss, "custom");
    check_refused(model, data, (nn_fit_options){.resume = true, .optimizer = own},
                  "the loss is one of your own");
    check_refused(model, data, (nn_fit_options){.resume = true, .loss = squares},
                  "the optimiser is one of your own");
    check_refused(model, data, (nn_fit_options){.resume = true, .loss = squares, .optimizer = adam},
                  "the optimiser custom, not adam");
    own.state_count = 2;
    check_refused(model, data, (nn_fit_options){.resume = true, .loss = squares, .optimizer = own},
                  "remembered 3 numbers a parameter, not 2");
    own.state_count = 3;
    REFUSE("had no patience", .patience = 3, .loss = squares, .optimizer = own);
    nn_model_free(model);
    nn_model_free(twin);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
    nn_dataset_free(more);
    nn_dataset_free(other);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static nn_dataset *read_text(const char *text, const nn_csv_options *options)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    nn_error error = {.message = ""};
    nn_dataset *data = nn_read_csv(path, options, &error);
    if (data == NULL)
        print_error("%s\n", error.message);
    assert_non_null(data);
    return data;
}

static void test_names(void **state)
{
    (void)state;
    nn_dataset *data = read_text("a,b,c\n1,2,yes\n3,4,no\n5,7,yes\n", NULL);
    nn_dataset *turned = read_text("a,b,c\n1,2,no\n3,4,yes\n", NULL);
    nn_dataset *renamed = read_text("a,B,c\n1,2,yes\n3,4,no\n", NULL);
    nn_dataset *nameless = read_text("1,2,yes\n3,4,no\n", NULL);
    nn_dataset *numbers = read_text("1,2,3\n4,5,6\n", &(nn_csv_options){-1, .regression = true});
    nn_dataset *unlabelled = read_text("a,b\n1,2\n", &(nn_csv_options){.unlabelled = true});
    const ag_real inputs[] = {1, 2, 3, 4};
    const size_t labels[] = {0, 1};
    nn_dataset *arrays = nn_dataset_classes(2, 2, inputs, 2, labels, NULL);
    const size_t sizes[] = {2, 1};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1), *number_model = nn_mlp(2, sizes, NN_TANH, 1);
    check_refused(model, unlabelled, (nn_fit_options){.epochs = 1}, "it is unlabelled");
    check_refused(model, data, (nn_fit_options){.held_out = turned},
                  "held_out: class 0 of the data is \"no\", the model's \"yes\"");
    check_refused(model, data, (nn_fit_options){.held_out = unlabelled}, "held_out: the data has");
    assert_null(nn_model_class_name(model, 0)); /* nothing of that is left */
    must_fit(model, data, (nn_fit_options){.epochs = 1});
    assert_int_equal(nn_model_classes(model), 2);
    assert_string_equal(nn_model_class_name(model, 0), "yes");
    assert_string_equal(nn_model_class_name(model, 1), "no");
    assert_string_equal(nn_model_feature_name(model, 1), "b");
    check_refused(model, turned, (nn_fit_options){.epochs = 1},
                  "class 0 of the data is \"no\", the model's \"yes\"");
    check_refused(model, renamed, (nn_fit_options){.epochs = 1},
                  "feature 1 of the data is \"B\", the model's \"b\"");
    check_refused(model, numbers, (nn_fit_options){.epochs = 1},
                  "was trained on classes, and the data has numbers");
    must_fit(number_model, numbers, (nn_fit_options){.epochs = 1});
    check_refused(number_model, data, (nn_fit_options){.epochs = 1},
                  "was trained on numbers, and the data has classes");
    size_t counts[4];
    nn_error error;
    assert_int_equal(nn_confusion(model, turned, counts, &error), AG_INVALID_ARGUMENT);
    assert_contains(error.message, "class 0 of the data");
    assert_true(isnan(nn_accuracy(model, turned)) && isnan(nn_accuracy(model, unlabelled)));
    assert_true(isnan(nn_mean_loss(model, unlabelled, NULL, NULL)));
    /* made up by the library: no names at all */
    must_fit(model, nameless, (nn_fit_options){.epochs = 1});
    must_fit(model, arrays, (nn_fit_options){.epochs = 1});
    assert_string_equal(nn_model_class_name(model, 0), "yes");
    assert_string_equal(nn_model_feature_name(model, 1), "b");
    nn_dataset *const all[] = {data, turned, renamed, nameless, numbers, unlabelled, arrays};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        nn_dataset_free(all[i]);
    nn_model_free(model);
    nn_model_free(number_model);
}

#define with_file(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_file(test_same_bits),
        with_file(test_own_bits),
#ifdef NNI_JANSSON
        with_file(test_killed),
#else
        with_file(test_without_jansson),
#endif
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_watching),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_contradictions),
        with_file(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
