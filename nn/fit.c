/* SPDX-License-Identifier: MIT
 *
 * Training: mini-batches through one graph, gate by gate, sample by sample. What a step needs of a
 * batch is in one function, run_batch; the rest (order, optimiser, progress, what happens when it
 * fails) does not know how the gradient is found.
 */
#define _POSIX_C_SOURCE 200809L
#include "net.h"

#include <math.h>
#include <string.h>
#include <time.h>
#if NNI_POSIX
#include <unistd.h>
#endif

/* ---- One batch ------------------------------------------------------------------------------- */

typedef struct batches {
    const nn_dataset *data;
    nn_loss loss;
    void *loss_context;
    nn_error *error;
    size_t epoch; /* for messages; 0: none */
    nni_tape tape;
    double loss_sum; /* over the samples so far */
    size_t right;    /* of them, those put into their class */
} batches;

static ag_status fail_at_row(const batches *b, ag_status status, size_t row, const char *what)
{
    if (b->epoch > 0)
        return nni_fail(b->error, status, "epoch %zu, row %zu: %s", b->epoch, row, what);
    return nni_fail(b->error, status, "row %zu: %s", row, what);
}

/* Adds a sample's gradient to that of the parameters; *value is its loss. */
static ag_status run_sample(batches *b, size_t row, double *value)
{
    nni_tape *tape = &b->tape;
    ag_value loss = {0};
    ag_status status = nni_tape_record_loss(tape, b->data, row, b->loss, b->loss_context, &loss);
    if (status == AG_OK) {
        *value = (double)ag_data(loss);
        if (!isfinite(*value))
            return fail_at_row(b, AG_NOT_FINITE, row,
                               isnan(*value) ? "the loss is not a number" : "the loss is infinite");
        status = ag_backward(loss);
    }
    if (status == AG_OK)
        return AG_OK;
    const char *message = ag_error_message(tape->graph);
    return fail_at_row(b, status, row, message[0] != '\0' ? message : "the loss made no value");
}

/* Reads the gradient of the mean. Returns whether it is finite. */
static bool read_gradient(const batches *b, size_t count, ag_real *gradient)
{
    bool finite = true;
    for (size_t i = 0; i < b->tape.model->parameter_count; i++) {
        gradient[i] = ag_grad(b->tape.parameters[i]) / (ag_real)count;
        finite = finite && isfinite(gradient[i]);
    }
    return finite;
}

/* The batch once more, to find the sample that took the gradient's sum out of the numbers. */
static ag_status blame_row(batches *b, size_t count, const size_t *rows, ag_real *gradient)
{
    (void)nni_tape_reset(&b->tape);
    size_t i = 0;
    for (; i + 1 < count; i++) {
        double value;
        const ag_status status = run_sample(b, rows[i], &value);
        if (status != AG_OK)
            return status;
        if (!read_gradient(b, 1, gradient))
            break;
    }
    return fail_at_row(b, AG_NOT_FINITE, rows[i], "the gradient is not finite");
}

/* The gradient of the mean loss over some rows; adds to loss_sum and right. */
static ag_status run_batch(batches *b, size_t count, const size_t *rows, ag_real *gradient)
{
    ag_status status = nni_tape_reset(&b->tape);
    if (status != AG_OK)
        return fail_at_row(b, status, rows[0], ag_error_message(b->tape.graph));
    for (size_t i = 0; i < count; i++) {
        double value = 0;
        status = run_sample(b, rows[i], &value);
        if (status != AG_OK)
            return status;
        b->loss_sum += value;
        if (b->data->classes > 0)
            b->right += nni_tape_class(&b->tape) == b->data->labels[rows[i]];
    }
    return read_gradient(b, count, gradient) ? AG_OK : blame_row(b, count, rows, gradient);
}

ag_status nn_loss_gradient(const nn_model *model, const nn_dataset *data, size_t count,
                           const size_t *rows, nn_loss loss, void *loss_context, double *mean_loss,
                           ag_real *gradient, nn_error *error)
{
    ag_status status = nni_check_fit(model, data, error);
    if (status != AG_OK)
        return status;
    if (count == 0 || rows == NULL || mean_loss == NULL || gradient == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_loss_gradient: %s",
                        count == 0 ? "no rows" : "an argument is NULL");
    for (size_t i = 0; i < count; i++)
        if (rows[i] >= data->rows)
            return nni_fail(error, AG_INVALID_ARGUMENT, "row %zu of a dataset of %zu rows", rows[i],
                            data->rows);
    batches b = {.data = data,
                 .loss = nni_choose_loss(model, data, loss),
                 .loss_context = loss_context,
                 .error = error};
    status = nni_tape_open(&b.tape, model, error);
    if (status == AG_OK)
        status = run_batch(&b, count, rows, gradient);
    if (status == AG_OK)
        *mean_loss = b.loss_sum / (double)count;
    nni_tape_close(&b.tape);
    return status;
}

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
    batches batches;
    ag_real *before; /* the parameters, for the way back */
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

static ag_status step(training *t, size_t count, const size_t *rows)
{
    const ag_status status = run_batch(&t->batches, count, rows, t->gradient);
    if (status != AG_OK)
        return status;
    const nn_optimizer *rule = &t->options.optimizer;
    const size_t n = t->model->parameter_count;
    rule->step(rule, n, t->model->parameters, t->gradient, t->state, ++t->steps);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(t->model->parameters[i]))
            return fail_at_row(&t->batches, AG_NOT_FINITE, rows[count - 1],
                               "the step after this row left the numbers");
    return AG_OK;
}

static ag_status run_epoch(training *t, nn_random *random)
{
    const size_t rows = t->batches.data->rows;
    t->batches.epoch++;
    t->batches.loss_sum = 0;
    t->batches.right = 0;
    nn_random_shuffle(random, rows, t->order);
    ag_status status = AG_OK;
    for (size_t at = 0; status == AG_OK && at < rows; at += t->options.batch) {
        const size_t left = rows - at;
        status = step(t, left < t->options.batch ? left : t->options.batch, t->order + at);
    }
    return status;
}

static ag_status run_epochs(training *t, progress *p)
{
    const double rows = (double)t->batches.data->rows, start = read_clock();
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
            .loss = t->batches.loss_sum / rows,
            .accuracy =
                t->batches.data->classes > 0 ? (double)t->batches.right / rows : (double)NAN,
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
    const size_t n = model->parameter_count, rows = t->batches.data->rows;
    t->before = nni_allocate(n, sizeof(ag_real));
    t->gradient = nni_allocate(n, sizeof(ag_real));
    t->state = nni_allocate(nni_times(n, t->options.optimizer.state_count), sizeof(ag_real));
    t->order = nni_allocate(rows, sizeof(size_t));
    if (t->before == NULL || t->gradient == NULL || t->state == NULL || t->order == NULL)
        return nni_fail_memory(t->batches.error);
    memcpy(t->before, model->parameters, n * sizeof(ag_real));
    for (size_t i = 0; i < rows; i++)
        t->order[i] = i;
    const bool scaled = model->scaled;
    if (!scaled && !t->options.keep_scale)
        learn_scale(model, t->batches.data);
    model->scaled = true;
    progress p = start_progress(t->options.progress);
    ag_status status = nni_tape_open(&t->batches.tape, model, t->batches.error);
    if (status == AG_OK)
        status = run_epochs(t, &p);
    end_progress(&p);
    nni_tape_close(&t->batches.tape);
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
    t.batches = (batches){.data = data,
                          .loss = t.options.loss,
                          .loss_context = t.options.loss_context,
                          .error = error};
    status = train(&t);
    nni_release(t.before);
    nni_release(t.gradient);
    nni_release(t.state);
    nni_release(t.order);
    return status;
}
