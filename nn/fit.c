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

typedef struct display {
    FILE *file;
    bool terminal;
    bool begun;      /* a terminal's line is open */
    double shown_at; /* when it was last written */
    nn_epoch last;
    bool shown; /* last has been */
} display;

static display start_progress(FILE *file)
{
    display p = {.file = file};
#if NNI_POSIX
    p.terminal = file != NULL && isatty(fileno(file));
#endif
    return p;
}

static void write_epoch(display *p, const nn_epoch *e)
{
    char accuracy[40] = "", other[80], text[200];
    if (!isnan(e->accuracy))
        (void)nni_format(accuracy, sizeof(accuracy), "  accuracy %.1f%%", 100 * e->accuracy);
    /* a terminal's line has no room for all */
    if (isnan(e->held_out_loss))
        (void)nni_format(other, sizeof(other), "  %.0f samples/s", e->samples_per_second);
    else if (isnan(e->held_out_accuracy))
        (void)nni_format(other, sizeof(other), "  held out %.4g", e->held_out_loss);
    else
        (void)nni_format(other, sizeof(other), "  held out %.4g, %.1f%%", e->held_out_loss,
                         100 * e->held_out_accuracy);
    (void)nni_format(text, sizeof(text), "epoch %zu/%zu  loss %.4g%s%s  %.0f s left", e->epoch,
                     e->epochs, e->loss, accuracy, other, e->seconds_left);
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

static void show_progress(display *p, const nn_epoch *e, double now)
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

static void end_progress(display *p)
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
    ag_real *start;      /* the parameters at the start of the epoch; only if steps are taken in
                            place */
    bool in_place;       /* gradients go into the parameters as they are found */
    ag_real *gradient;
    nni_state *state; /* the model's */
    size_t *order;
    nn_random random; /* of the order */
} training;

static ag_status choose_options(const nn_model *model, const nn_dataset *data,
                                const nn_fit_options *options, nn_fit_options *chosen,
                                nn_error *error)
{
    *chosen = options == NULL ? (nn_fit_options){0} : *options;
    if (chosen->resume) {
        const ag_status status = nni_resume_options(model, data, chosen, error);
        if (status != AG_OK)
            return status;
    }
    chosen->loss = nni_choose_loss(model, data->classes, chosen->loss);
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
    if (chosen->patience > 0 && chosen->held_out == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "patience wants held_out, and that is NULL");
    const char *doubt = nni_doubt_loss(nn_model_outputs(model), data->classes, chosen->loss);
    if (doubt != NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "%s", doubt);
    return nni_check_optimizer(&chosen->optimizer, error);
}

/* Finds the gradient and takes the step. */
static ag_status move(training *t, size_t count, const size_t *rows)
{
    const nn_optimizer *rule = &t->options.optimizer;
    t->state->told.steps++;
    if (t->in_place) {
        const ag_status status = nni_trainer_step(&t->trainer, &t->task, count, rows, rule->rate);
        if (status != AG_BRANCH)
            return status;
    }
    const ag_status status = t->options.eager
                                 ? nni_tape_run(&t->tape, &t->task, count, rows, t->gradient)
                                 : nni_trainer_run(&t->trainer, &t->task, count, rows, t->gradient);
    if (status == AG_OK)
        rule->step(rule, t->model->parameter_count, t->model->parameters, t->gradient,
                   t->state->memory, t->state->told.steps);
    return status;
}

static ag_status take_step(training *t, size_t count, const size_t *rows)
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
        status = take_step(t, left < t->options.batch ? left : t->options.batch, t->order + at);
    }
    return status;
}

/* A step in place that failed has left nothing to tell why; so the epoch is run again without. */
static ag_status run_epoch(training *t)
{
    const size_t bytes = t->model->parameter_count * sizeof(ag_real);
    const uint64_t steps = t->state->told.steps;
    t->task.epoch++;
    nn_random_shuffle(&t->random, t->task.data->rows, t->order);
    if (t->in_place)
        memcpy(t->start, t->model->parameters, bytes);
    const ag_status status = run_steps(t);
    if (status != AG_NOT_FINITE || !t->in_place)
        return status;
    t->in_place = false;
    t->state->told.steps = steps;
    memcpy(t->model->parameters, t->start, bytes);
    return run_steps(t);
}

static double find_accuracy(const nni_task *task)
{
    return task->data->classes > 0 ? (double)task->right / (double)task->data->rows : (double)NAN;
}

/* Judges the model by the data held out, and remembers it if it is the best so far. */
static ag_status judge_held_out(training *t, nn_epoch *report)
{
    nn_training *told = &t->state->told;
    nni_task task = t->task;
    task.data = t->options.held_out;
    task.held_out = true;
    task.loss_sum = 0;
    task.right = 0;
    const ag_status status = nni_judge_all(&task);
    if (status != AG_OK)
        return status;
    report->held_out_loss = task.loss_sum / (double)task.data->rows;
    report->held_out_accuracy = find_accuracy(&task);
    if (told->best_epoch > 0 && report->held_out_loss >= told->best_loss)
        return AG_OK;
    told->best_epoch = report->epoch;
    told->best_loss = report->held_out_loss;
    if (t->state->other != NULL)
        memcpy(t->state->other, t->model->parameters, t->model->parameter_count * sizeof(ag_real));
    return AG_OK;
}

/* After an epoch: the model's state is that of a training which ends here. */
static ag_status report_epoch(training *t, nn_epoch *report)
{
    nn_training *told = &t->state->told;
    *report = (nn_epoch){.epoch = told->epochs + 1,
                         .epochs = t->options.epochs,
                         .loss = t->task.loss_sum / (double)t->task.data->rows,
                         .accuracy = find_accuracy(&t->task),
                         .held_out_loss = (double)NAN,
                         .held_out_accuracy = (double)NAN};
    const ag_status status = t->options.held_out == NULL ? AG_OK : judge_held_out(t, report);
    told->epochs++;
    told->last = *report;
    told->order = t->random;
    t->state->in_parts = t->trainer.in_parts;
    t->state->stepwise = !t->in_place;
    return status;
}

static ag_status run_epochs(training *t, display *p)
{
    const double rows = (double)t->task.data->rows, start = read_clock();
    double busy = 0, done = 0; /* seconds in epochs, without the callbacks; epochs of this call */
    for (bool more = true; more && !nni_is_over(t->state, &t->options);) {
        const double begin = read_clock();
        nn_epoch report;
        ag_status status = run_epoch(t);
        if (status == AG_OK)
            status = report_epoch(t, &report);
        if (status != AG_OK)
            return status;
        const double now = read_clock();
        busy += now - begin;
        done++;
        report.samples_per_second = busy > 0 ? done * rows / busy : 0;
        report.seconds_left = (now - start) / done * (double)(report.epochs - report.epoch);
        show_progress(p, &report, now);
        more =
            t->options.on_epoch == NULL || t->options.on_epoch(&report, t->options.on_epoch_user);
    }
    return AG_OK;
}

/* ---- The model before and after -------------------------------------------------------------- */

/* Exchanges the parameters of the last epoch with those of the best, which the model ends with. */
static void exchange_best(nn_model *model)
{
    ag_real *other = model->state->other;
    for (size_t i = 0;
         other != NULL && model->state->told.best_epoch > 0 && i < model->parameter_count; i++) {
        const ag_real parameter = model->parameters[i];
        model->parameters[i] = other[i];
        other[i] = parameter;
    }
    model->state->ended = !model->state->ended;
}

/* What a call may change of a model. */
typedef struct backup {
    ag_real *parameters;
    nni_state *state;
    bool trained;
} backup;

static nni_state *begin_state(const training *t)
{
    const nn_fit_options *options = &t->options;
    const size_t n = t->model->parameter_count;
    if (options->resume)
        return nni_copy_state(t->model->state, n);
    nni_state *state = nni_make_state(n, &options->optimizer, options->patience > 0);
    if (state == NULL)
        return NULL;
    const char *loss = nni_loss_name(options->loss);
    state->told.rows = t->task.data->rows;
    state->told.batch = options->batch;
    state->told.seed = options->seed;
    state->told.order = nn_random_seed(options->seed);
    state->told.loss = loss == NULL ? NNI_CUSTOM : loss;
    state->told.use_float = options->use_float;
    state->told.eager = options->eager;
    state->data = nni_digest(t->task.data);
    return state;
}

/* What may change from one call to the next. */
static void note_request(nni_state *state, const nn_fit_options *options)
{
    state->told.epochs_asked = state->told.last.epochs = options->epochs;
    state->told.patience = options->patience;
}

/* Gives the model what it has after a success. */
static ag_status prepare_model(training *t, backup *before)
{
    nn_model *model = t->model;
    const nn_dataset *data = t->task.data;
    before->trained = model->feature_names != NULL;
    before->parameters = NNI_NEW_ARRAY(model->parameter_count, ag_real);
    nni_state *state = begin_state(t);
    if (before->parameters == NULL || state == NULL) {
        nni_release(state);
        return nni_fail_memory(t->task.error);
    }
    memcpy(before->parameters, model->parameters, model->parameter_count * sizeof(ag_real));
    before->state = model->state;
    t->state = model->state = state;
    note_request(state, &t->options);
    if (state->held_out == 0 && t->options.held_out != NULL)
        state->held_out = nni_digest(t->options.held_out);
    if (state->ended)
        exchange_best(model);
    if (before->trained)
        return AG_OK;
    model->feature_names = nni_copy_names(data->features, data->feature_names, "");
    if (data->classes > 0)
        model->class_names = nni_copy_names(data->classes, data->class_names, "");
    if (model->feature_names == NULL || (data->classes > 0 && model->class_names == NULL))
        return nni_fail_memory(t->task.error);
    model->classes = data->classes;
    if (!t->options.keep_scale)
        learn_scale(model, data);
    return AG_OK;
}

/* Keeps what prepare_model made, or puts the model back. */
static void settle_model(training *t, backup *before, ag_status status)
{
    nn_model *model = t->model;
    if (status == AG_OK) {
        exchange_best(model);
        nni_release(before->state);
    } else if (t->state != NULL) {
        memcpy(model->parameters, before->parameters, model->parameter_count * sizeof(ag_real));
        nni_release(model->state);
        model->state = before->state;
        if (!before->trained) {
            nni_release(model->feature_names);
            nni_release(model->class_names);
            model->feature_names = model->class_names = NULL;
            model->classes = 0;
            forget_scale(model);
        }
    }
    nni_release(before->parameters);
}

/* The model's names are data's by now. */
static ag_status check_held_out(const training *t)
{
    nn_error found = {.status = AG_OK};
    if (t->options.held_out == NULL ||
        nni_check_fit(t->model, t->options.held_out, &found) == AG_OK)
        return AG_OK;
    return nni_fail(t->task.error, found.status, "held_out: %s", found.message);
}

/* ---- All together ---------------------------------------------------------------------------- */

static ag_status reserve(training *t)
{
    const size_t n = t->model->parameter_count;
    t->gradient = NNI_NEW_ARRAY(n, ag_real);
    t->order = NNI_NEW_ARRAY(t->task.data->rows, size_t);
    t->in_place = !t->options.eager && nni_is_plain(&t->options.optimizer) && !t->state->stepwise;
    if (t->in_place)
        t->start = NNI_NEW_ARRAY(n, ag_real);
    if (t->gradient == NULL || t->order == NULL || (t->in_place && t->start == NULL))
        return nni_fail_memory(t->task.error);
    return nni_replay_order(t->state, t->order, &t->random, t->task.error);
}

static ag_status train(training *t)
{
    t->task.epoch = t->state->told.epochs;
    display p = start_progress(t->options.progress);
    ag_status status = reserve(t);
    if (status == AG_OK)
        status = t->options.eager ? nni_tape_open(&t->tape, &t->task)
                                  : nni_trainer_open(&t->trainer, &t->task, &t->options);
    if (status == AG_OK)
        status = run_epochs(t, &p);
    end_progress(&p);
    nni_trainer_close(&t->trainer);
    nni_tape_close(&t->tape);
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
    if (t.options.resume && model->state->ended && nni_is_over(model->state, &t.options)) {
        note_request(model->state, &t.options);
        return AG_OK;
    }
    t.task = (nni_task){.model = model,
                        .data = data,
                        .loss = t.options.loss,
                        .loss_context = t.options.loss_context,
                        .error = error};
    backup before = {0};
    status = prepare_model(&t, &before);
    if (status == AG_OK)
        status = check_held_out(&t);
    if (status == AG_OK)
        status = train(&t);
    settle_model(&t, &before, status);
    nni_release(t.start);
    nni_release(t.gradient);
    nni_release(t.order);
    return status;
}
