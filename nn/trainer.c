/* SPDX-License-Identifier: MIT
 *
 * Gradients of batches through programs. Where the loss is known to be one expression, it is
 * compiled with the net and its gradient, as a whole. Any other loss is called for each sample, on
 * outputs that a program computes, and what it hands back to the outputs goes through a second
 * program to the parameters: in parts. tape.c does the same gate by gate.
 */
#include "net.h"

#include <math.h>
#include <string.h>

enum {
    PIECE = 16 << 20,    /* bytes of each at a time */
    MOST_ROWS = 1 << 30, /* bytes of standardised inputs that are kept for all of a training */
};

/* ---- Numbers --------------------------------------------------------------------------------- */

static size_t get_size(const nni_trainer *t)
{
    return t->in_float ? sizeof(float) : sizeof(double);
}

/* Whether a program's numbers are ag_real. */
static bool is_native(const nni_trainer *t)
{
    return t->in_float == (bool)NNI_FLOAT_REAL;
}

/* The numbers after the first n. */
static void *step_by(const nni_trainer *t, void *numbers, size_t n)
{
    return (char *)numbers + n * get_size(t);
}

static double get_number(const nni_trainer *t, const void *numbers)
{
    return t->in_float ? (double)*(const float *)numbers : *(const double *)numbers;
}

static void put_numbers(const nni_trainer *t, size_t n, const ag_real *from, void *to)
{
    if (is_native(t))
        memcpy(to, from, n * sizeof(ag_real));
    else
        for (size_t i = 0; i < n; i++)
            ((float *)to)[i] = (float)from[i];
}

/* n numbers as ag_real: as they are, or copied to room. */
static const ag_real *get_reals(const nni_trainer *t, size_t n, const void *numbers, ag_real *room)
{
    if (is_native(t))
        return (const ag_real *)numbers;
    for (size_t i = 0; i < n; i++)
        room[i] = (ag_real)((const float *)numbers)[i];
    return room;
}

/* ---- Programs -------------------------------------------------------------------------------- */

/* A sample of a net in a graph: what stands in a program's signature, one block of values. */
typedef struct sample {
    ag_graph *graph;
    ag_value *parameters;
    ag_value *inputs;
    ag_value *others; /* for each output its target, or what is handed back to it */
    ag_value *weight; /* of the sample: 1 / batch makes a mean of the sum */
    ag_value *loss, *outputs, *gradient;
} sample;

/* Records the net on the data's first row. Close it, whether it opened or not. */
static ag_status open_sample(sample *s, const nni_trainer *t, const nni_task *task)
{
    const nn_model *model = task->model;
    const size_t n = model->parameter_count, in = nn_model_inputs(model);
    const size_t out = nn_model_outputs(model);
    s->graph = nni_graph_new();
    s->parameters = NNI_NEW_ARRAY(2 * n + in + 2 * out + 2, ag_value);
    if (s->graph == NULL || s->parameters == NULL)
        return AG_OUT_OF_MEMORY;
    s->inputs = s->parameters + n;
    s->others = s->inputs + in;
    s->weight = s->others + out;
    s->loss = s->weight + 1;
    s->outputs = s->loss + 1;
    s->gradient = s->outputs + out;
    nn_standardise(model, nn_row_inputs(task->data, 0), t->row);
    for (size_t i = 0; i < n; i++)
        s->parameters[i] = ag_variable(s->graph, model->parameters[i]);
    for (size_t i = 0; i < in; i++)
        s->inputs[i] = ag_variable(s->graph, t->row[i]);
    for (size_t i = 0; i < out; i++)
        s->others[i] = ag_variable(s->graph, 0);
    *s->weight = ag_variable(s->graph, 1);
    return nn_model_record(model, s->parameters, s->inputs, s->outputs);
}

static void close_sample(sample *s)
{
    ag_graph_free(s->graph);
    nni_release(s->parameters);
}

/* Compiles the gradient of a sample's weighted loss for the parameters, and map_count values from
 * the loss on to be told of each sample. Failures are the graph's, or the task's. */
static ag_status compile_sample(const nni_trainer *t, const nni_task *task, const sample *s,
                                size_t map_count, nni_runner *runner)
{
    const size_t n = task->model->parameter_count;
    ag_status status = ag_gradient(ag_mul(*s->weight, *s->loss), n, s->parameters, s->gradient);
    if (status != AG_OK)
        return status;
    const ag_signature signature = {.shared = s->parameters,
                                    .shared_count = n,
                                    .each = s->inputs,
                                    .each_count = (size_t)(s->loss - s->inputs),
                                    .sum = s->gradient,
                                    .sum_count = n,
                                    .map = s->loss,
                                    .map_count = map_count};
    ag_program *program = nni_compile(&signature);
    if (program == NULL)
        return ag_error(s->graph);
    status = nni_runner_open(runner, program, t->threads, task->error);
    ag_program_free(program);
    return status;
}

/* Inputs, others, weight. */
static size_t count_each(const nni_task *task)
{
    return nn_model_inputs(task->model) + nn_model_outputs(task->model) + 1;
}

/* How many numbers the program of the whole tells of a sample: its loss, and the outputs where
 * classes are to be counted. */
static size_t count_told(const nni_task *task)
{
    return task->data->classes > 0 ? 1 + nn_model_outputs(task->model) : 1;
}

/* AG_OK, too, if the loss does not let itself be compiled; then the training goes on in parts. */
static ag_status open_whole(nni_trainer *t, const nni_task *task)
{
    sample s;
    ag_status status = open_sample(&s, t, task);
    if (status == AG_OK)
        status = nni_set_targets(task, 0, s.others);
    if (status == AG_OK)
        status = nni_call_loss(task, s.graph, s.outputs, s.others, s.loss);
    if (status == AG_OK)
        status = compile_sample(t, task, &s, count_told(task), &t->whole);
    close_sample(&s);
    if (status == AG_OUT_OF_MEMORY)
        return nni_fail_memory(task->error);
    t->in_parts = status != AG_OK;
    return AG_OK;
}

static ag_status open_backward(nni_trainer *t, const nni_task *task)
{
    sample s;
    ag_status status = open_sample(&s, t, task);
    if (status == AG_OK) {
        *s.loss = ag_dot(nn_model_outputs(task->model), s.outputs, s.others);
        status = compile_sample(t, task, &s, 0, &t->backward);
    }
    if (status == AG_OUT_OF_MEMORY)
        (void)nni_fail_memory(task->error);
    else if (s.graph != NULL && ag_error(s.graph) != AG_OK)
        (void)nni_fail_graph(task->error, s.graph);
    close_sample(&s);
    return status;
}

static ag_status open_parts(nni_trainer *t, const nni_task *task)
{
    ag_program *program;
    ag_status status = nni_model_program(task->model, &program, task->error);
    if (status == AG_OK)
        status = nni_runner_open(&t->forward, program, t->threads, task->error);
    if (status == AG_OK)
        status = open_backward(t, task);
    if (status == AG_OK)
        status = nni_judge_open(&t->judge, task);
    if (status != AG_OK)
        return status;
    t->inputs = nni_allocate(nni_times(t->piece, nn_model_inputs(task->model)), get_size(t));
    return t->inputs == NULL ? nni_fail_memory(task->error) : AG_OK;
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* Standardises all rows, if there is room for that: each will be asked for in every epoch. */
static void standardise_rows(nni_trainer *t, const nni_task *task)
{
    const size_t rows = task->data->rows, in = task->data->features;
    if (nni_times(nni_times(rows, in), get_size(t)) <= MOST_ROWS)
        t->standard = nni_allocate(nni_times(rows, in), get_size(t));
    for (size_t row = 0; t->standard != NULL && row < rows; row++) {
        nn_standardise(task->model, nn_row_inputs(task->data, row), t->row);
        put_numbers(t, in, t->row, step_by(t, t->standard, row * in));
    }
}

/* How many rows go through a program at a time. */
static size_t choose_piece(const nni_trainer *t, const nni_task *task, size_t batch)
{
    const size_t row = nni_times(count_each(task), get_size(t));
    const size_t rows = task->data->rows, most = batch < rows ? batch : rows;
    return PIECE / row < most ? PIECE / row + 1 : most;
}

static ag_status reserve(nni_trainer *t, const nni_task *task)
{
    const size_t in = nn_model_inputs(task->model), out = nn_model_outputs(task->model);
    const size_t size = get_size(t), n = task->model->parameter_count;
    t->row = NNI_NEW_ARRAY(in + out, ag_real);
    t->each = nni_allocate(nni_times(t->piece, count_each(task)), size);
    t->map = nni_allocate(nni_times(t->piece, 1 + out), size);
    bool there = t->row != NULL && t->each != NULL && t->map != NULL;
    if (there && !is_native(t)) {
        t->shared = nni_allocate(n, size);
        t->sum = nni_allocate(n, size);
        there = t->shared != NULL && t->sum != NULL;
    }
    return there ? AG_OK : nni_fail_memory(task->error);
}

ag_status nni_trainer_open(nni_trainer *t, const nni_task *task, const nn_fit_options *options)
{
    *t = (nni_trainer){.in_float = options->use_float || NNI_FLOAT_REAL,
                       .in_parts = !options->record_once && nni_loss_name(task->loss) == NULL,
                       .threads = options->threads};
    t->piece = choose_piece(t, task, options->batch);
    ag_status status = reserve(t, task);
    if (status != AG_OK)
        return status;
    standardise_rows(t, task);
    if (!t->in_parts)
        status = open_whole(t, task);
    if (status == AG_OK && t->in_parts)
        status = open_parts(t, task);
    return status;
}

void nni_trainer_close(nni_trainer *t)
{
    nni_runner_close(&t->whole);
    nni_runner_close(&t->forward);
    nni_runner_close(&t->backward);
    nni_judge_close(&t->judge);
    void *const blocks[] = {t->standard, t->each, t->inputs, t->map, t->shared, t->sum, t->row};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        nni_release(blocks[i]);
}

/* ---- Batches --------------------------------------------------------------------------------- */

/* A batch on its way through a trainer, a piece at a time. */
typedef struct passage {
    nni_trainer *t;
    nni_task *task;
    size_t in, out;
    ag_real weight; /* of a sample */
    const void *shared;
    void *sum;
} passage;

static void put_inputs(const passage *b, size_t row, void *to)
{
    nni_trainer *t = b->t;
    if (t->standard != NULL) {
        memcpy(to, step_by(t, t->standard, row * b->in), b->in * get_size(t));
    } else {
        nn_standardise(b->task->model, nn_row_inputs(b->task->data, row), t->row);
        put_numbers(t, b->in, t->row, to);
    }
}

static void put_targets(const passage *b, size_t row, void *to)
{
    const nn_dataset *data = b->task->data;
    const ag_real one = 1, label = (ag_real)(data->classes > 0 ? data->labels[row] : 0);
    if (data->classes == 0) {
        put_numbers(b->t, b->out, nn_row_targets(data, row), to);
    } else if (b->out == 1) {
        put_numbers(b->t, 1, &label, to);
    } else {
        memset(to, 0, b->out * get_size(b->t));
        put_numbers(b->t, 1, &one, step_by(b->t, to, data->labels[row]));
    }
}

/* AG_BRANCH is for the caller to judge; other failures are the task's. */
static ag_status run(const passage *b, const nni_runner *runner, size_t count, const void *each,
                     double scale)
{
    const nni_arrays arrays = {
        .shared = b->shared, .each = each, .sum = b->sum, .map = b->t->map, .scale = scale};
    const ag_status status = nni_runner_run(runner, b->t->in_float, count, &arrays);
    if (status == AG_OK || status == AG_BRANCH)
        return status;
    return nni_fail(b->task->error, status, "%s", ag_workspace_message(runner->workspace));
}

static void *find_each(const passage *b, size_t i)
{
    return step_by(b->t, b->t->each, i * (b->in + b->out + 1));
}

/* Loss and gradient of some rows in one; AG_BRANCH leaves everything as it was. */
static ag_status run_whole(const passage *b, size_t count, const size_t *rows, double scale)
{
    nni_trainer *t = b->t;
    for (size_t i = 0; i < count; i++) {
        put_inputs(b, rows[i], find_each(b, i));
        put_targets(b, rows[i], step_by(t, find_each(b, i), b->in));
        put_numbers(t, 1, &b->weight, step_by(t, find_each(b, i), b->in + b->out));
    }
    ag_status status = run(b, &t->whole, count, t->each, scale);
    const size_t told = count_told(b->task);
    for (size_t i = 0; status == AG_OK && i < count; i++) {
        char *row = (char *)step_by(t, t->map, i * told);
        status = nni_count_row(b->task, rows[i], get_number(t, row),
                               get_reals(t, told - 1, step_by(t, row, 1), t->row));
    }
    return status;
}

/* Calls the loss on a row's outputs. What it hands back to them takes the targets' place. */
static ag_status judge_row(const passage *b, size_t i, size_t row)
{
    nni_trainer *t = b->t;
    const ag_real *outputs = get_reals(t, b->out, step_by(t, t->map, i * b->out), t->row);
    ag_value loss;
    ag_status status = nni_judge_row(&t->judge, b->task, row, outputs, &loss);
    if (status == AG_OK)
        status = nni_count_row(b->task, row, (double)ag_data(loss), outputs);
    if (status != AG_OK)
        return status;
    status = ag_backward(loss);
    if (status != AG_OK)
        return nni_fail_loss(b->task, status, row, t->judge.graph);
    for (size_t k = 0; k < b->out; k++)
        t->row[k] = ag_grad(t->judge.outputs[k]);
    put_numbers(t, b->out, t->row, step_by(t, find_each(b, i), b->in));
    put_numbers(t, 1, &b->weight, step_by(t, find_each(b, i), b->in + b->out));
    return AG_OK;
}

static ag_status run_parts(const passage *b, size_t count, const size_t *rows, double scale)
{
    nni_trainer *t = b->t;
    for (size_t i = 0; i < count; i++)
        put_inputs(b, rows[i], step_by(t, t->inputs, i * b->in));
    ag_status status = run(b, &t->forward, count, t->inputs, 0);
    for (size_t i = 0; status == AG_OK && i < count; i++) {
        memcpy(find_each(b, i), step_by(t, t->inputs, i * b->in), b->in * get_size(t));
        status = judge_row(b, i, rows[i]);
    }
    return status == AG_OK ? run(b, &t->backward, count, t->each, scale) : status;
}

static ag_status run_piece(const passage *b, size_t count, const size_t *rows, double scale)
{
    nni_trainer *t = b->t;
    if (!t->in_parts) {
        const ag_status status = run_whole(b, count, rows, scale);
        if (status != AG_BRANCH)
            return status;
        /* the loss is not one expression, and will not become one */
        t->in_parts = true;
        const ag_status opened = open_parts(t, b->task);
        if (opened != AG_OK)
            return opened;
    }
    return run_parts(b, count, rows, scale);
}

/* ---- The gradient ---------------------------------------------------------------------------- */

/* Reads the sum as ag_real, and returns whether it is finite; a little at a time, so that the
 * second look costs nothing. */
static bool read_gradient(const passage *b, ag_real *gradient)
{
    enum {
        SOME = 1024
    };
    const size_t n = b->task->model->parameter_count;
    if (is_native(b->t))
        return nni_all_finite(n, gradient);
    bool finite = true;
    for (size_t at = 0; at < n; at += SOME) {
        const size_t count = n - at < SOME ? n - at : (size_t)SOME;
        (void)get_reals(b->t, count, (const float *)b->sum + at, gradient + at);
        finite = nni_all_finite(count, gradient + at) && finite;
    }
    return finite;
}

/* The rows once more, each by itself, to find the one that took the sum out of the numbers: a mean
 * of finite numbers is finite. */
static ag_status blame_row(const passage *b, size_t count, const size_t *rows, ag_real *gradient)
{
    size_t i = 0;
    for (; i + 1 < count; i++) {
        const ag_status status = run_piece(b, 1, rows + i, 0);
        if (status != AG_OK)
            return status;
        if (!read_gradient(b, gradient))
            break;
    }
    return nni_fail_at_row(b->task, AG_NOT_FINITE, rows[i], "the gradient is not finite");
}

static passage begin(nni_trainer *t, nni_task *task, size_t count)
{
    return (passage){.t = t,
                     .task = task,
                     .in = nn_model_inputs(task->model),
                     .out = nn_model_outputs(task->model),
                     .weight = 1 / (ag_real)count,
                     .shared = task->model->parameters};
}

ag_status nni_trainer_run(nni_trainer *t, nni_task *task, size_t count, const size_t *rows,
                          ag_real *gradient)
{
    passage b = begin(t, task, count);
    b.sum = gradient;
    if (!is_native(t)) {
        put_numbers(t, task->model->parameter_count, task->model->parameters, t->shared);
        b.shared = t->shared;
        b.sum = t->sum;
    }
    ag_status status = AG_OK;
    for (size_t at = 0; status == AG_OK && at < count; at += t->piece)
        status = run_piece(&b, count - at < t->piece ? count - at : t->piece, rows + at, at > 0);
    if (status != AG_OK || read_gradient(&b, gradient))
        return status;
    return blame_row(&b, count, rows, gradient);
}

ag_status nni_trainer_step(nni_trainer *t, nni_task *task, size_t count, const size_t *rows,
                           double rate)
{
    if (t->in_parts || !is_native(t) || count > t->piece || rate == 0)
        return AG_BRANCH;
    passage b = begin(t, task, count);
    b.sum = task->model->parameters;
    return run_whole(&b, count, rows, -rate);
}
