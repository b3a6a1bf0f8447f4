/* SPDX-License-Identifier: MIT
 *
 * Asking a model: outputs, classes, mean loss. All go through one program, that for the outputs of
 * many rows, which the model keeps; the gates in it are those that training uses, there is no
 * second way through the net.
 */
#include "net.h"

#include <math.h>
#include <string.h>

/* ---- The program ----------------------------------------------------------------------------- */

/* values has room for parameters, inputs and outputs. */
static ag_status compile_outputs(const nn_model *model, ag_graph *graph, ag_value *values,
                                 ag_program **program, nn_error *error)
{
    const size_t parameters = model->parameter_count, inputs = nn_model_inputs(model);
    for (size_t i = 0; i < parameters + inputs; i++)
        values[i] = ag_variable(graph, 0);
    ag_value *outputs = values + parameters + inputs;
    const ag_signature signature = {.shared = values,
                                    .shared_count = parameters,
                                    .each = values + parameters,
                                    .each_count = inputs,
                                    .map = outputs,
                                    .map_count = nn_model_outputs(model)};
    if (nn_model_record(model, values, values + parameters, outputs) == AG_OK)
        *program = nni_compile(&signature);
    if (*program != NULL)
        return AG_OK;
    return ag_error(graph) == AG_OK ? nni_fail_memory(error) : nni_fail_graph(error, graph);
}

static ag_status make_program(const nn_model *model, ag_program **program, nn_error *error)
{
    const size_t count = model->parameter_count + nn_model_inputs(model) + nn_model_outputs(model);
    ag_graph *graph = nni_graph_new();
    ag_value *values = NNI_NEW_ARRAY(count, ag_value);
    const ag_status status = graph == NULL || values == NULL
                                 ? nni_fail_memory(error)
                                 : compile_outputs(model, graph, values, program, error);
    nni_release(values);
    ag_graph_free(graph);
    return status;
}

ag_status nni_model_program(const nn_model *model, ag_program **program, nn_error *error)
{
    ag_program *made = NULL;
    *program = atomic_load(&model->kept->program);
    if (*program != NULL)
        return AG_OK;
    const ag_status status = make_program(model, &made, error);
    if (status != AG_OK)
        return status;
    if (atomic_compare_exchange_strong(&model->kept->program, program, made))
        *program = made;
    else
        ag_program_free(made); /* another thread was faster */
    return AG_OK;
}

void nni_forget(nni_kept *kept)
{
    ag_workspace_free(atomic_exchange(&kept->workspace, NULL));
    ag_program_free(atomic_exchange(&kept->program, NULL));
}

/* ---- Rows through the program ---------------------------------------------------------------- */

enum {
    PIECE = 4 << 20,           /* bytes of standardised inputs at a time */
    WORK_OF_THREADS = 1 << 24, /* multiplications that are worth a workspace of many threads */
};

/* Outputs for rows, a piece of them at a time. */
typedef struct asking {
    const nn_model *model;
    nn_error *error;
    nni_runner runner;
    bool kept;       /* the workspace is to be the model's again */
    size_t piece;    /* rows */
    ag_real *inputs; /* of a piece, standardised */
} asking;

/* Small questions share the model's workspace. */
static ag_status open_runner(asking *a, size_t rows)
{
    ag_program *program;
    const ag_status status = nni_model_program(a->model, &program, a->error);
    if (status != AG_OK)
        return status;
    a->kept = rows <= WORK_OF_THREADS / a->model->parameter_count;
    if (a->kept) {
        a->runner.program = program;
        a->runner.workspace = atomic_exchange(&a->model->kept->workspace, NULL);
        if (a->runner.workspace != NULL)
            return AG_OK;
    }
    return nni_runner_open(&a->runner, program, a->kept ? 1 : 0, a->error);
}

/* Close it, whether it opened or not. */
static ag_status open_asking(asking *a, const nn_model *model, size_t rows, nn_error *error)
{
    const size_t in = nn_model_inputs(model), piece = PIECE / sizeof(ag_real) / in + 1;
    *a = (asking){.model = model, .error = error, .piece = piece < rows ? piece : rows};
    a->inputs = NNI_NEW_ARRAY(nni_times(a->piece, in), ag_real);
    return a->inputs == NULL ? nni_fail_memory(error) : open_runner(a, rows);
}

static void close_asking(asking *a)
{
    if (a->kept)
        a->runner.workspace = atomic_exchange(&a->model->kept->workspace, a->runner.workspace);
    nni_runner_close(&a->runner);
    nni_release(a->inputs);
}

/* count is at most a piece. */
static ag_status ask(const asking *a, size_t count, const ag_real *inputs, ag_real *outputs)
{
    const size_t in = nn_model_inputs(a->model);
    for (size_t i = 0; i < count; i++)
        nn_standardise(a->model, inputs + i * in, a->inputs + i * in);
    const nni_arrays arrays = {.shared = a->model->parameters, .each = a->inputs, .map = outputs};
    const ag_status status = nni_runner_run(&a->runner, NNI_FLOAT_REAL, count, &arrays);
    if (status == AG_OK)
        return AG_OK;
    return nni_fail(a->error, status, "%s", ag_workspace_message(a->runner.workspace));
}

ag_status nn_predict(const nn_model *model, size_t rows, const ag_real *inputs, ag_real *outputs,
                     nn_error *error)
{
    if (model == NULL || (rows > 0 && (inputs == NULL || outputs == NULL)))
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_predict: an argument is NULL");
    if (rows == 0)
        return AG_OK;
    const size_t in = nn_model_inputs(model), out = nn_model_outputs(model);
    asking a;
    ag_status status = open_asking(&a, model, rows, error);
    for (size_t at = 0; status == AG_OK && at < rows; at += a.piece)
        status = ask(&a, rows - at < a.piece ? rows - at : a.piece, inputs + at * in,
                     outputs + at * out);
    close_asking(&a);
    return status;
}

/* ---- Rows of data ---------------------------------------------------------------------------- */

size_t nn_predicted_class(size_t n, const ag_real *outputs)
{
    size_t best = 0;
    if (n == 1)
        return outputs[0] > 0;
    for (size_t i = 1; i < n; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return best;
}

/* Hands each row of data with its outputs to `look`, in order, until one is not AG_OK. */
static ag_status ask_for_all(const nn_model *model, const nn_dataset *data, nn_error *error,
                             ag_status (*look)(void *user, size_t row, const ag_real *outputs),
                             void *user)
{
    const size_t out = nn_model_outputs(model);
    asking a;
    ag_status status = open_asking(&a, model, data->rows, error);
    ag_real *outputs = NNI_NEW_ARRAY(nni_times(a.piece, out), ag_real);
    if (status == AG_OK && outputs == NULL)
        status = nni_fail_memory(error);
    for (size_t at = 0; status == AG_OK && at < data->rows; at += a.piece) {
        const size_t count = data->rows - at < a.piece ? data->rows - at : a.piece;
        status = ask(&a, count, data->inputs + at * data->features, outputs);
        for (size_t i = 0; status == AG_OK && i < count; i++)
            status = look(user, at + i, outputs + i * out);
    }
    nni_release(outputs);
    close_asking(&a);
    return status;
}

typedef struct census {
    const nn_dataset *data;
    size_t outputs;
    size_t right;
    size_t *counts; /* as in nn_confusion, or NULL */
} census;

static ag_status count_class(void *user, size_t row, const ag_real *outputs)
{
    census *c = (census *)user;
    const size_t klass = nn_predicted_class(c->outputs, outputs), label = c->data->labels[row];
    c->right += klass == label;
    if (c->counts != NULL)
        c->counts[label * c->data->classes + klass]++;
    return AG_OK;
}

/* Puts every row of data into a class. */
static ag_status classify(const nn_model *model, census *c, nn_error *error)
{
    const ag_status status = nni_check_fit(model, c->data, error);
    if (status != AG_OK)
        return status;
    if (c->data->classes == 0)
        return nni_fail(error, AG_INVALID_ARGUMENT, "the data has numbers to predict, not classes");
    c->outputs = nn_model_outputs(model);
    return ask_for_all(model, c->data, error, count_class, c);
}

double nn_accuracy(const nn_model *model, const nn_dataset *data)
{
    census c = {.data = data};
    if (classify(model, &c, NULL) != AG_OK)
        return (double)NAN;
    return (double)c.right / (double)data->rows;
}

ag_status nn_confusion(const nn_model *model, const nn_dataset *data, size_t *counts,
                       nn_error *error)
{
    census c = {.data = data, .counts = counts};
    if (counts == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_confusion: counts is NULL");
    const size_t classes = nn_classes(data);
    memset(counts, 0, classes * classes * sizeof(size_t));
    return classify(model, &c, error);
}

/* ---- Losses ---------------------------------------------------------------------------------- */

typedef struct judging {
    nni_task task;
    nni_judge judge;
} judging;

static ag_status add_loss(void *user, size_t row, const ag_real *outputs)
{
    judging *j = (judging *)user;
    ag_value loss;
    const ag_status status = nni_judge_row(&j->judge, &j->task, row, outputs, &loss);
    if (status == AG_OK)
        j->task.loss_sum += (double)ag_data(loss);
    return status;
}

static ag_status count_loss(void *user, size_t row, const ag_real *outputs)
{
    judging *j = (judging *)user;
    ag_value loss;
    const ag_status status = nni_judge_row(&j->judge, &j->task, row, outputs, &loss);
    return status == AG_OK ? nni_count_row(&j->task, row, (double)ag_data(loss), outputs) : status;
}

ag_status nni_judge_all(nni_task *task)
{
    judging j = {.task = *task};
    ag_status status = nni_judge_open(&j.judge, &j.task);
    if (status == AG_OK)
        status = ask_for_all(task->model, task->data, task->error, count_loss, &j);
    nni_judge_close(&j.judge);
    task->loss_sum = j.task.loss_sum;
    task->right = j.task.right;
    return status;
}

double nn_mean_loss(const nn_model *model, const nn_dataset *data, nn_loss loss, void *loss_context)
{
    if (nni_check_fit(model, data, NULL) != AG_OK)
        return (double)NAN;
    judging j = {.task = {.model = model,
                          .data = data,
                          .loss = nni_choose_loss(model, data->classes, loss),
                          .loss_context = loss_context}};
    ag_status status = nni_judge_open(&j.judge, &j.task);
    if (status == AG_OK)
        status = ask_for_all(model, data, NULL, add_loss, &j);
    nni_judge_close(&j.judge);
    return status == AG_OK ? j.task.loss_sum / (double)data->rows : (double)NAN;
}
