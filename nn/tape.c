/* SPDX-License-Identifier: MIT
 *
 * Gradients of batches gate by gate, sample by sample, through one graph: slow, plain, and right
 * for any loss. The twin that training by programs (trainer.c) is compared with.
 */
#include "net.h"

#include <math.h>

ag_status nni_tape_open(nni_tape *tape, const nni_task *task)
{
    const nn_model *model = task->model;
    const size_t inputs = nn_model_inputs(model), outputs = nn_model_outputs(model);
    const size_t leaves = model->parameter_count + inputs + outputs;
    *tape = (nni_tape){.model = model, .graph = nni_graph_new()};
    tape->parameters = NNI_NEW_ARRAY(leaves + outputs + 2 * nni_widest_hidden(model), ag_value);
    tape->row = NNI_NEW_ARRAY(inputs + outputs, ag_real);
    if (tape->graph == NULL || tape->parameters == NULL || tape->row == NULL)
        return nni_fail_memory(task->error);
    tape->inputs = tape->parameters + model->parameter_count;
    tape->targets = tape->inputs + inputs;
    tape->outputs = tape->targets + outputs;
    tape->hidden = tape->outputs + outputs;
    for (size_t i = 0; i < leaves; i++)
        tape->parameters[i] =
            i < model->parameter_count ? ag_variable(tape->graph, 0) : ag_constant(tape->graph, 0);
    tape->mark = ag_graph_mark(tape->graph);
    return ag_error(tape->graph) == AG_OK ? AG_OK : nni_fail_graph(task->error, tape->graph);
}

void nni_tape_close(nni_tape *tape)
{
    ag_graph_free(tape->graph);
    nni_release(tape->parameters);
    nni_release(tape->row);
}

/* Drops the sample, clears the gradients and reads the model's parameters again. */
static ag_status reset(nni_tape *tape)
{
    (void)ag_graph_rewind(tape->graph, tape->mark);
    ag_zero_grad(tape->graph);
    for (size_t i = 0; i < tape->model->parameter_count; i++)
        (void)ag_set(tape->parameters[i], tape->model->parameters[i]);
    return ag_error(tape->graph);
}

/* Records net and loss on a row; anew for each, since a loss may branch. */
static ag_status record_row(nni_tape *tape, const nni_task *task, size_t row, ag_value *loss)
{
    (void)ag_graph_rewind(tape->graph, tape->mark);
    nn_standardise(tape->model, nn_row_inputs(task->data, row), tape->row);
    for (size_t i = 0; i < nn_model_inputs(tape->model); i++)
        (void)ag_set(tape->inputs[i], tape->row[i]);
    ag_status status =
        nni_record(tape->model, tape->parameters, tape->inputs, tape->hidden, tape->outputs);
    if (status == AG_OK)
        status = nni_set_targets(task, row, tape->targets);
    if (status == AG_OK)
        status = nni_call_loss(task, tape->graph, tape->outputs, tape->targets, loss);
    return status;
}

/* Adds a row to the task, and its gradient to that of the parameters. */
static ag_status run_row(nni_tape *tape, nni_task *task, size_t row)
{
    ag_value loss;
    ag_status status = record_row(tape, task, row, &loss);
    if (status != AG_OK)
        return nni_fail_loss(task, status, row, tape->graph);
    for (size_t i = 0; i < nn_model_outputs(tape->model); i++)
        tape->row[i] = ag_data(tape->outputs[i]);
    status = nni_count_row(task, row, (double)ag_data(loss), tape->row);
    if (status != AG_OK)
        return status;
    status = ag_backward(loss);
    return status == AG_OK ? AG_OK : nni_fail_loss(task, status, row, tape->graph);
}

/* Reads the gradient of the mean. Returns whether it is finite. */
static bool read_gradient(const nni_tape *tape, size_t count, ag_real *gradient)
{
    bool finite = true;
    for (size_t i = 0; i < tape->model->parameter_count; i++) {
        gradient[i] = ag_grad(tape->parameters[i]) / (ag_real)count;
        finite = finite && isfinite(gradient[i]);
    }
    return finite;
}

/* The batch once more, to find the sample that took the gradient's sum out of the numbers. */
static ag_status blame_row(nni_tape *tape, nni_task *task, size_t count, const size_t *rows,
                           ag_real *gradient)
{
    (void)reset(tape);
    size_t i = 0;
    for (; i + 1 < count; i++) {
        const ag_status status = run_row(tape, task, rows[i]);
        if (status != AG_OK)
            return status;
        if (!read_gradient(tape, 1, gradient))
            break;
    }
    return nni_fail_at_row(task, AG_NOT_FINITE, rows[i], "the gradient is not finite");
}

ag_status nni_tape_run(nni_tape *tape, nni_task *task, size_t count, const size_t *rows,
                       ag_real *gradient)
{
    ag_status status = reset(tape);
    if (status != AG_OK)
        return nni_fail_at_row(task, status, rows[0], ag_error_message(tape->graph));
    for (size_t i = 0; status == AG_OK && i < count; i++)
        status = run_row(tape, task, rows[i]);
    if (status != AG_OK || read_gradient(tape, count, gradient))
        return status;
    return blame_row(tape, task, count, rows, gradient);
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
    nni_task task = {.model = model,
                     .data = data,
                     .loss = nni_choose_loss(model, data->classes, loss),
                     .loss_context = loss_context,
                     .error = error};
    nni_tape tape;
    status = nni_tape_open(&tape, &task);
    if (status == AG_OK)
        status = nni_tape_run(&tape, &task, count, rows, gradient);
    if (status == AG_OK)
        *mean_loss = task.loss_sum / (double)count;
    nni_tape_close(&tape);
    return status;
}
