/* SPDX-License-Identifier: MIT
 *
 * Rows of data and their losses: what a row's targets are, what its loss and outputs say, and whose
 * fault it was. And a loss by itself, gate by gate, on outputs that come as numbers from elsewhere.
 */
#include "net.h"

#include <math.h>

/* ---- Rows ------------------------------------------------------------------------------------ */

ag_status nni_fail_at_row(const nni_task *task, ag_status status, size_t row, const char *what)
{
    const char *of = task->held_out ? "held-out " : "";
    if (task->epoch > 0)
        return nni_fail(task->error, status, "epoch %zu, %srow %zu: %s", task->epoch, of, row,
                        what);
    return nni_fail(task->error, status, "%srow %zu: %s", of, row, what);
}

ag_status nni_count_row(nni_task *task, size_t row, double loss, const ag_real *outputs)
{
    if (!isfinite(loss))
        return nni_fail_at_row(task, AG_NOT_FINITE, row,
                               isnan(loss) ? "the loss is not a number" : "the loss is infinite");
    task->loss_sum += loss;
    if (task->data->classes > 0)
        task->right +=
            nn_predicted_class(nn_model_outputs(task->model), outputs) == task->data->labels[row];
    return AG_OK;
}

ag_status nni_set_targets(const nni_task *task, size_t row, const ag_value *targets)
{
    const nn_dataset *data = task->data;
    const size_t n = nn_model_outputs(task->model);
    ag_status status = AG_OK;
    for (size_t i = 0; status == AG_OK && i < n; i++) {
        ag_real target;
        if (data->classes == 0)
            target = data->numbers[row * n + i];
        else
            target = n == 1 ? (ag_real)data->labels[row] : (ag_real)(data->labels[row] == i);
        status = ag_set(targets[i], target);
    }
    return status;
}

ag_status nni_call_loss(const nni_task *task, ag_graph *graph, const ag_value *outputs,
                        const ag_value *targets, ag_value *loss)
{
    *loss = task->loss(nn_model_outputs(task->model), outputs, targets, task->loss_context);
    const ag_status status = ag_error(graph);
    if (status == AG_OK && ag_is_null(*loss))
        return AG_NULL_VALUE;
    return status == AG_OK && loss->graph != graph ? AG_WRONG_GRAPH : status;
}

ag_status nni_fail_loss(const nni_task *task, ag_status status, size_t row, const ag_graph *graph)
{
    const char *message = ag_error_message(graph);
    return nni_fail_at_row(task, status, row,
                           message[0] != '\0' ? message : "the loss made no value");
}

/* ---- A loss by itself ------------------------------------------------------------------------ */

ag_status nni_judge_open(nni_judge *judge, const nni_task *task)
{
    const size_t n = nn_model_outputs(task->model);
    *judge =
        (nni_judge){.graph = nni_graph_new(), .outputs = NNI_NEW_ARRAY(nni_times(2, n), ag_value)};
    if (judge->graph == NULL || judge->outputs == NULL)
        return nni_fail_memory(task->error);
    judge->targets = judge->outputs + n;
    for (size_t i = 0; i < n; i++)
        judge->outputs[i] = ag_variable(judge->graph, 0);
    for (size_t i = 0; i < n; i++)
        judge->targets[i] = ag_constant(judge->graph, 0);
    judge->mark = ag_graph_mark(judge->graph);
    return ag_error(judge->graph) == AG_OK ? AG_OK : nni_fail_graph(task->error, judge->graph);
}

void nni_judge_close(nni_judge *judge)
{
    ag_graph_free(judge->graph);
    nni_release(judge->outputs);
}

ag_status nni_judge_row(nni_judge *judge, const nni_task *task, size_t row, const ag_real *outputs,
                        ag_value *loss)
{
    (void)ag_graph_rewind(judge->graph, judge->mark);
    ag_zero_grad(judge->graph);
    for (size_t i = 0; i < nn_model_outputs(task->model); i++)
        (void)ag_set(judge->outputs[i], outputs[i]);
    ag_status status = nni_set_targets(task, row, judge->targets);
    if (status == AG_OK)
        status = nni_call_loss(task, judge->graph, judge->outputs, judge->targets, loss);
    return status == AG_OK ? AG_OK : nni_fail_loss(task, status, row, judge->graph);
}
