/* SPDX-License-Identifier: MIT
 *
 * Training: order, steps, progress, and what happens when it fails. How a batch's gradient is found
 * is trainer.c's business, by programs, or tape.c's, gate by gate.
 */
#define _POSIX_C_SOURCE 200809L
#include "net.h"

#include <math.h>
#include <string.h>
#include <time.h>
#if NNI_POSIX
#include <unistd.h>
#endif

/* ---- Standardisation ------------------------------------------------------------------------- */

/* Mean and deviation of each column, in two passes, with the column scaled by a power of two so
 * that neither the sum of huge numbers nor the square of tiny ones leaves the range. */
static void learn_scale(nn_model *model, const nn_dataset *data)
{
    const size_t columns = data->features;
    for (size_t column = 0; column < columns; column++) {
        const ag_real *x = data->inputs + column;
        double least = (double)x[0], most = (double)x[0];
        for (size_t row = 0; row < data->rows; row++) {
            least = fmin(least, (double)x[row * columns]);
            most = fmax(most, (double)x[row * columns]);
        }
        int exponent;
        (void)frexp(fmax(fabs(least), fabs(most)), &exponent);
        double mean = 0, square = 0;
        for (size_t row = 0; row < data->rows; row++)
            mean += ldexp((double)x[row * columns], -exponent);
        mean /= (double)data->rows;
        for (size_t row = 0; row < data->rows; row++) {
            const double distance = ldexp((double)x[row * columns], -exponent) - mean;
            square += distance * distance;
        }
        /* rounding must not make a constant column vary */
        const bool varies = least < most;
        const ag_real deviation = (ag_real)ldexp(sqrt(square / (double)data->rows), exponent);
        model->mean[column] = varies ? (ag_real)ldexp(mean, exponent) : x[0];
        model->deviation[column] = varies && deviation > 0 ? deviation : 1;
    }
}

static void forget_scale(nn_model *model)
{
    for (size_t i = 0; i < nn_model_inputs(model); i++) {
        model->mean[i] = 0;
        model->deviation[i] = 1;
    }
}

/* ---- Progress -------------------------------------------------------------------------------- */

/* seconds, from anywhere */
static double read_clock(void)
{
    struct timespec now = {0};
#if NNI_POSIX
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#else
    (void)timespec_get(&now, TIME_UTC);
#endif
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef struct progress {
    FILE *file;
    bool terminal;
    bool begun;      /* a terminal's line is open */
    double shown_at; /* when it was last written */
    nn_epoch last;
    bool shown; /* last has been */
} progress;

static progress start_progress(FILE *file)
{
    progress p = {.file = file};
#if NNI_POSIX
    p.terminal = file != NULL && isatty(fileno(file));
#endif
    return p;
}

static void write_epoch(progress *p, const nn_epoch *e)
{
    char accuracy[40] = "", text[200];
    if (!isnan(e->accuracy))
        (void)nni_format(accuracy, sizeof(accuracy), "  accuracy %.1f%%", 100 * e->accuracy);
    (void)nni_format(text, sizeof(text), "epoch %zu/%zu  loss %.4g%s  %.0f samples/s  %.0f s left",
                     e->epoch, e->epochs, e->loss, accuracy, e->samples_per_second,
                     e->seconds_left);
    /* wide enough to cover the line that was there */
    if (p->terminal)
        (void)fprintf(p->file, "\r%-78.78s", text);
    else
        (void)fprintf(p->file, "%s\n", text);
    (void)fflush(p->file);
    p->begun = p->terminal;
    p->shown = true;
}

static uint64_t count_tenths(size_t epoch, size_t epochs)
{
    return (uint64_t)epoch * 10 / epochs;
}

static void show_progress(progress *p, const nn_epoch *e, double now)
{
    if (p->file == NULL)
        return;
    p->last = *e;
    p->shown = false;
    if (p->terminal ? p->begun && now - p->shown_at < 0.1
                    : count_tenths(e->epoch, e->epochs) == count_tenths(e->epoch - 1, e->epochs))
        return;
    p->shown_at = now;
    write_epoch(p, e);
}

static void end_progress(progress *p)
{
    if (!p->begun)
        return;
    if (!p->shown)
        write_epoch(p, &p->last);
    (void)fprintf(p->file, "\n");
    (void)fflush(p->file);
}

/* ---- Training -------------------------------------------------------------------------------- */

typedef struct training {
    nn_model *model;
    nn_fit_options options; /* without zeros that stand for something */
    nni_task task;
    nni_trainer trainer; /* unused if it goes gate by gate */
    nni_tape tape;       /* unused if not */
    ag_real *before;     /* the parameters, for the way back */
    ag_real *start;      /* those at the start of the epoch; only if steps are taken in place */
    bool in_place;       /* gradients go into the parameters as they are found */
    ag_real *gradient;
    ag_real *state; /* the optimiser's */
    size_t *order;
    uint64_t steps;
} training;

/* NULL, or why a loss of the list is not for this model and data. */
static const char *doubt_loss(const nn_model *model, const nn_dataset *data, nn_loss loss)
{
    enum {
        NUMBERS,
        PROBABILITIES,
        LOGITS,
        CLASS_LOGITS,
        SCORES
    };
    static const struct {
        nn_loss loss;
        int takes;
    } losses[] = {
#define NN_X(NAME, name, takes, formula) {nn_##name, takes},
        NN_LOSS_LIST(NN_X)
#undef NN_X
    };
    const bool one = nn_model_outputs(model) == 1;
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (losses[i].loss != loss)
            continue;
        if (losses[i].takes == PROBABILITIES)
            return "this loss takes probabilities, and the model's outputs are logits: there are "
                   "binary_cross_entropy_logits and softmax_cross_entropy for those";
        if (losses[i].takes == CLASS_LOGITS && one)
            return "softmax cross-entropy wants an output for each class, and the model has one: "
                   "there is binary_cross_entropy_logits for that";
        if (losses[i].takes == NUMBERS && one && data->classes > 0)
            return "this loss draws the output to 0 and 1, and a single output tells classes apart "
                   "at 0: there are binary_cross_entropy_logits and hinge for that";
    }
    return NULL;
}

static ag_status choose_options(const nn_model *model, const nn_dataset *data,
                                const nn_fit_options *options, nn_fit_options *chosen,
                                nn_error *error)
{
    *chosen = options == NULL ? (nn_fit_options){0} : *options;
    chosen->loss = nni_choose_loss(model, data, chosen->loss);
    if (chosen->optimizer.step == NULL)
        chosen->optimizer = nn_adam(0.01);
    if (chosen->epochs == 0)
        chosen->epochs = 100;
    if (chosen->batch == 0)
        chosen->batch = 32;
    /* the mark of a negative number in an unsigned one */
    if (chosen->epochs > SIZE_MAX / 16 || chosen->batch > SIZE_MAX / 16)
        return nni_fail(error, AG_INVALID_ARGUMENT, "%zu epochs of batches of %zu are too many",
                        chosen->epochs, chosen->batch);
    if (chosen->threads > SIZE_MAX / 16)
        return nni_fail(error, AG_INVALID_ARGUMENT, "%zu threads are too many", chosen->threads);
    const char *doubt = doubt_loss(model, data, chosen->loss);
    if (doubt != NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "%s", doubt);
    const nn_optimizer *rule = &chosen->optimizer;
    if (!isfinite(rule->rate) || rule->rate < 0)
        return nni_fail(error, AG_INVALID_ARGUMENT, "the optimiser's rate is %g", rule->rate);
    if (!isfinite(rule->momentum) || !isfinite(rule->weight_decay) || !isfinite(rule->beta1) ||
        !isfinite(rule->beta2) || !isfinite(rule->epsilon))
        return nni_fail(error, AG_INVALID_ARGUMENT, "a number of the optimiser is not finite");
    if (rule->momentum < 0 || rule->momentum >= 1 || rule->beta1 < 0 || rule->beta1 >= 1 ||
        rule->beta2 < 0 || rule->beta2 >= 1 || rule->weight_decay < 0 || rule->epsilon < 0)
        return nni_fail(
            error, AG_INVALID_ARGUMENT,
            "the optimiser has momentum %g, beta1 %g, beta2 %g (each from 0 to below 1), "
            "weight decay %g, epsilon %g (neither below 0)",
            rule->momentum, rule->beta1, rule->beta2, rule->weight_decay, rule->epsilon);
    return AG_OK;
}

/* Finds the gradient and takes the step. */
static ag_status move(training *t, size_t count, const size_t *rows)
{
    const nn_optimizer *rule = &t->options.optimizer;
    if (t->in_place) {
        const ag_status status = nni_trainer_step(&t->trainer, &t->task, count, rows, rule->rate);
        if (status != AG_BRANCH)
            return status;
    }
    const ag_status status = t->options.eager
                                 ? nni_tape_run(&t->tape, &t->task, count, rows, t->gradient)
                                 : nni_trainer_run(&t->trainer, &t->task, count, rows, t->gradient);
    if (status == AG_OK)
        rule->step(rule, t->model->parameter_count, t->model->parameters, t->gradient, t->state,
                   ++t->steps);
    return status;
}

static ag_status step(training *t, size_t count, const size_t *rows)
{
    const ag_status status = move(t, count, rows);
    if (status != AG_OK || nni_all_finite(t->model->parameter_count, t->model->parameters))
        return status;
    return nni_fail_at_row(&t->task, AG_NOT_FINITE, rows[count - 1],
                           "the step after this row left the numbers");
}

static ag_status run_steps(training *t)
{
    const size_t rows = t->task.data->rows;
    t->task.loss_sum = 0;
    t->task.right = 0;
    ag_status status = AG_OK;
    for (size_t at = 0; status == AG_OK && at < rows; at += t->options.batch) {
        const size_t left = rows - at;
        status = step(t, left < t->options.batch ? left : t->options.batch, t->order + at);
    }
    return status;
}

/* A step in place that failed has left nothing to tell why; so the epoch is run again without. */
static ag_status run_epoch(training *t, nn_random *random)
{
    const size_t bytes = t->model->parameter_count * sizeof(ag_real);
    t->task.epoch++;
    nn_random_shuffle(random, t->task.data->rows, t->order);
    if (t->in_place)
        memcpy(t->start, t->model->parameters, bytes);
    const ag_status status = run_steps(t);
    if (status != AG_NOT_FINITE || !t->in_place)
        return status;
    t->in_place = false;
    memcpy(t->model->parameters, t->start, bytes);
    return run_steps(t);
}

static ag_status run_epochs(training *t, progress *p)
{
    const double rows = (double)t->task.data->rows, start = read_clock();
    const size_t epochs = t->options.epochs;
    nn_random random = nn_random_seed(t->options.seed);
    double busy = 0; /* seconds in epochs, without the callbacks between them */
    for (size_t epoch = 1; epoch <= epochs; epoch++) {
        const double begin = read_clock();
        const ag_status status = run_epoch(t, &random);
        if (status != AG_OK)
            return status;
        const double now = read_clock();
        busy += now - begin;
        const nn_epoch report = {
            .epoch = epoch,
            .epochs = epochs,
            .loss = t->task.loss_sum / rows,
            .accuracy = t->task.data->classes > 0 ? (double)t->task.right / rows : (double)NAN,
            .samples_per_second = busy > 0 ? (double)epoch * rows / busy : 0,
            .seconds_left = (now - start) / (double)epoch * (double)(epochs - epoch),
        };
        show_progress(p, &report, now);
        if (t->options.on_epoch != NULL && !t->options.on_epoch(&report, t->options.on_epoch_user))
            break;
    }
    return AG_OK;
}

static ag_status train(training *t)
{
    nn_model *model = t->model;
    const size_t n = model->parameter_count, rows = t->task.data->rows;
    t->before = nni_allocate(n, sizeof(ag_real));
    t->gradient = nni_allocate(n, sizeof(ag_real));
    t->state = nni_allocate(nni_times(n, t->options.optimizer.state_count), sizeof(ag_real));
    t->order = nni_allocate(rows, sizeof(size_t));
    t->in_place = !t->options.eager && nni_is_plain(&t->options.optimizer);
    if (t->in_place)
        t->start = nni_allocate(n, sizeof(ag_real));
    if (t->before == NULL || t->gradient == NULL || t->state == NULL || t->order == NULL ||
        (t->in_place && t->start == NULL))
        return nni_fail_memory(t->task.error);
    memcpy(t->before, model->parameters, n * sizeof(ag_real));
    for (size_t i = 0; i < rows; i++)
        t->order[i] = i;
    const bool scaled = model->scaled;
    if (!scaled && !t->options.keep_scale)
        learn_scale(model, t->task.data);
    model->scaled = true;
    progress p = start_progress(t->options.progress);
    ag_status status = t->options.eager ? nni_tape_open(&t->tape, &t->task)
                                        : nni_trainer_open(&t->trainer, &t->task, &t->options);
    if (status == AG_OK)
        status = run_epochs(t, &p);
    end_progress(&p);
    nni_trainer_close(&t->trainer);
    nni_tape_close(&t->tape);
    if (status != AG_OK) {
        memcpy(model->parameters, t->before, n * sizeof(ag_real));
        model->scaled = scaled;
        if (!scaled)
            forget_scale(model);
    }
    return status;
}

ag_status nn_fit(nn_model *model, const nn_dataset *data, const nn_fit_options *options,
                 nn_error *error)
{
    ag_status status = nni_check_fit(model, data, error);
    if (status != AG_OK)
        return status;
    training t = {.model = model};
    status = choose_options(model, data, options, &t.options, error);
    if (status != AG_OK)
        return status;
    t.task = (nni_task){.model = model,
                        .data = data,
                        .loss = t.options.loss,
                        .loss_context = t.options.loss_context,
                        .error = error};
    status = train(&t);
    nni_release(t.before);
    nni_release(t.start);
    nni_release(t.gradient);
    nni_release(t.state);
    nni_release(t.order);
    return status;
}
