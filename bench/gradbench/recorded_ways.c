/* SPDX-License-Identifier: MIT
 *
 * The ways of workloads that only record what they compute: functions of n numbers, and totals over
 * a batch; as compiled programs, and on the tape. See gradbench.h.
 */
#include "gradbench.h"

#include "bench.h"

#include <stdlib.h>

enum {
    VALUE,
    GRADIENT
};

static size_t count_outputs(const gb_task *task, int function)
{
    return task->workload->count_outputs(task->input, function);
}

/* ---- What ways share ------------------------------------------------------------------------- */

void gb_make_variables(ag_graph *graph, size_t n, const double *numbers, ag_value *variables)
{
    for (size_t i = 0; i < n; i++)
        variables[i] = ag_variable(graph, numbers == NULL ? 0 : (ag_real)numbers[i]);
}

bool gb_check_graph(const ag_graph *graph, gb_error *error)
{
    return ag_error(graph) == AG_OK || gb_fail(error, "%s", ag_error_message(graph));
}

void gb_count_nodes(const gb_task *task, const ag_graph *graph, size_t first)
{
    if (task->nodes != NULL)
        *task->nodes += ag_graph_count(graph) - first;
}

void gb_scan(ag_graph *graph, const ag_signature *step, size_t steps, size_t state_count,
             const ag_scan_arrays *arrays)
{
    ag_program *program = ag_compile(step, NULL);
    if (program != NULL)
        (void)ag_scan(graph, program, steps, state_count, arrays);
    else
        (void)ag_set_error(graph, AG_INVALID_ARGUMENT, ag_error_message(step->map[0].graph));
    ag_program_free(program);
}

bool gb_compile(const gb_task *task, ag_graph *graph, const ag_signature *signature,
                gb_program *program, gb_error *error)
{
    const ag_workspace_options options = {.threads = task->threads};
    ag_error_details details = {.message = ""};
    *program = (gb_program){.program = NULL};
    if (!gb_check_graph(graph, error))
        return false;
    program->program = ag_compile(signature, NULL);
    if (program->program == NULL)
        return gb_fail(error, "%s", ag_error_message(graph));
    if (!task->native || ag_native(program->program, NULL, &details) == AG_OK)
        program->workspace = ag_workspace_new(program->program, &options, &details);
    if (program->workspace != NULL)
        return true;
    gb_close_program(program);
    return gb_fail(error, "%s", details.message);
}

bool gb_run(const gb_program *program, size_t batch, const ag_arrays *arrays, gb_error *error)
{
    return ag_run(program->program, program->workspace, batch, arrays) == AG_OK ||
           gb_fail(error, "%s", ag_workspace_message(program->workspace));
}

void gb_close_program(gb_program *program)
{
    ag_workspace_free(program->workspace);
    ag_program_free(program->program);
    *program = (gb_program){.program = NULL};
}

/* ---- Functions of n numbers ------------------------------------------------------------------ */

typedef void (*recording)(ag_graph *graph, const void *input, const ag_value *x, ag_value *values);

static void *compile_function(const gb_task *task, recording record, gb_error *error)
{
    const gb_function *f = &task->workload->function;
    const size_t count = count_outputs(task, VALUE), outputs = count_outputs(task, task->function);
    size_t n;
    const double *point = f->point(task->input, &n);
    gb_program *program = bench_allocate(1, sizeof(*program));
    ag_value *x = bench_allocate(n, sizeof(*x));
    ag_value *values = bench_allocate(count, sizeof(*values));
    ag_value *gradient = bench_allocate(outputs, sizeof(*gradient));
    ag_graph *graph = ag_graph_new(NULL);

    gb_make_variables(graph, n, point, x);
    record(graph, task->input, x, values);
    if (task->function == GRADIENT)
        (void)ag_gradient(values[count - 1], outputs, x, gradient);
    const ag_signature signature = {
        .each = x,
        .each_count = n,
        .map = task->function == GRADIENT ? gradient : values,
        .map_count = outputs,
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    free(x);
    free(values);
    free(gradient);
    if (compiled)
        return program;
    free(program);
    return NULL;
}

static void *prepare_function_program(const gb_task *task, gb_error *error)
{
    const gb_function *f = &task->workload->function;
    return compile_function(task, f->record_program == NULL ? f->record : f->record_program, error);
}

static void *prepare_function_flat(const gb_task *task, gb_error *error)
{
    return compile_function(task, task->workload->function.record, error);
}

static bool evaluate_function_program(void *state, const gb_task *task, double *output,
                                      gb_error *error)
{
    size_t n;
    const double *point = task->workload->function.point(task->input, &n);
    return gb_run(state, 1, &(ag_arrays){.each = point, .map = output}, error);
}

static void free_program(void *state)
{
    gb_close_program(state);
    free(state);
}

/* Room for handles, and a graph that keeps its memory from run to run. */
typedef struct tape {
    ag_graph *graph;
    ag_mark start;
    ag_value *x, *values;
} tape;

static tape *make_tape(size_t inputs, size_t values)
{
    tape *t = bench_allocate(1, sizeof(*t));
    t->graph = ag_graph_new(NULL);
    t->start = ag_graph_mark(t->graph);
    t->x = bench_allocate(inputs, sizeof(*t->x));
    t->values = bench_allocate(values, sizeof(*t->values));
    return t;
}

static void free_tape(void *state)
{
    tape *t = state;
    ag_graph_free(t->graph);
    free(t->x);
    free(t->values);
    free(t);
}

static void *prepare_function_tape(const gb_task *task, gb_error *error)
{
    size_t n;
    (void)error;
    (void)task->workload->function.point(task->input, &n);
    return make_tape(n, count_outputs(task, VALUE));
}

static bool evaluate_function_tape(void *state, const gb_task *task, double *output,
                                   gb_error *error)
{
    tape *t = state;
    const gb_function *f = &task->workload->function;
    const size_t outputs = count_outputs(task, task->function);
    size_t n;
    const double *point = f->point(task->input, &n);

    (void)ag_graph_rewind(t->graph, t->start);
    gb_make_variables(t->graph, n, point, t->x);
    f->record(t->graph, task->input, t->x, t->values);
    if (task->function == GRADIENT)
        (void)ag_backward(t->values[count_outputs(task, VALUE) - 1]);
    for (size_t i = 0; i < outputs; i++)
        output[i] = (double)(task->function == GRADIENT ? ag_grad(t->x[i]) : ag_data(t->values[i]));
    gb_count_nodes(task, t->graph, 0);
    return gb_check_graph(t->graph, error);
}

const gb_way gb_function_program = {"program", prepare_function_program, evaluate_function_program,
                                    free_program};
const gb_way gb_function_flat = {"flat", prepare_function_flat, evaluate_function_program,
                                 free_program};
const gb_way gb_function_tape = {"tape", prepare_function_tape, evaluate_function_tape, free_tape};

/* ---- Totals ---------------------------------------------------------------------------------- */

typedef struct total_program {
    gb_program program;
    double *once; /* what parameters alone add; NULL: nothing */
} total_program;

static void free_total_program(void *state)
{
    total_program *t = state;
    gb_close_program(&t->program);
    free(t->once);
    free(t);
}

static void *prepare_total_program(const gb_task *task, gb_error *error)
{
    const gb_total *total = &task->workload->total;
    const gb_batch batch = total->batch(task->input);
    const bool gradient = task->function == GRADIENT;
    const size_t outputs = count_outputs(task, task->function);
    ag_value *shared = bench_allocate(batch.shared_count, sizeof(*shared));
    ag_value *each = bench_allocate(batch.each_count, sizeof(*each));
    ag_value *sum = bench_allocate(outputs, sizeof(*sum));
    ag_value *once = bench_allocate(outputs, sizeof(*once));
    ag_graph *graph = ag_graph_new(NULL);

    gb_make_variables(graph, batch.shared_count, batch.shared, shared);
    gb_make_variables(graph, batch.each_count, batch.each, each);
    sum[0] = total->record_sample(graph, task->input, shared, each);
    if (gradient)
        (void)ag_gradient(sum[0], outputs, shared, sum);
    if (total->record_once != NULL) {
        once[0] = total->record_once(graph, task->input, shared);
        if (gradient)
            (void)ag_gradient(once[0], outputs, shared, once);
    }
    const ag_signature signature = {
        .shared = shared,
        .shared_count = batch.shared_count,
        .each = each,
        .each_count = batch.each_count,
        .sum = sum,
        .sum_count = outputs,
        .once = once,
        .once_count = total->record_once == NULL ? 0 : outputs,
    };
    total_program *t = bench_allocate(1, sizeof(*t));
    if (total->record_once != NULL)
        t->once = bench_allocate(outputs, sizeof(*t->once));
    const bool compiled = gb_compile(task, graph, &signature, &t->program, error);
    ag_graph_free(graph);
    free(shared);
    free(each);
    free(sum);
    free(once);
    if (compiled)
        return t;
    free_total_program(t);
    return NULL;
}

static bool evaluate_total_program(void *state, const gb_task *task, double *output,
                                   gb_error *error)
{
    total_program *t = state;
    const gb_batch batch = task->workload->total.batch(task->input);
    const ag_arrays arrays = {
        .shared = batch.shared, .each = batch.each, .sum = output, .once = t->once};
    if (!gb_run(&t->program, batch.count, &arrays, error))
        return false;
    for (size_t i = 0; t->once != NULL && i < count_outputs(task, task->function); i++)
        output[i] += t->once[i];
    return true;
}

static void *prepare_total_tape(const gb_task *task, gb_error *error)
{
    const gb_batch batch = task->workload->total.batch(task->input);
    (void)error;
    return make_tape(batch.shared_count, batch.each_count);
}

static ag_value record_on_tape(const gb_task *task, const gb_batch *batch, const tape *t, size_t i)
{
    const gb_total *total = &task->workload->total;
    const double *each = batch->each + i * batch->each_count;
    if (i == batch->count)
        return total->record_once(t->graph, task->input, t->x);
    if (total->record_numbers != NULL)
        return total->record_numbers(t->graph, task->input, t->x, each);
    for (size_t j = 0; j < batch->each_count; j++)
        t->values[j] = ag_constant(t->graph, (ag_real)each[j]);
    return total->record_sample(t->graph, task->input, t->x, t->values);
}

static bool evaluate_total_tape(void *state, const gb_task *task, double *output, gb_error *error)
{
    tape *t = state;
    const gb_total *total = &task->workload->total;
    const gb_batch batch = total->batch(task->input);
    const bool gradient = task->function == GRADIENT;
    double sum = 0;

    (void)ag_graph_rewind(t->graph, t->start);
    gb_make_variables(t->graph, batch.shared_count, batch.shared, t->x);
    const ag_mark sample = ag_graph_mark(t->graph);
    for (size_t i = 0; i < batch.count + (total->record_once != NULL); i++) {
        const ag_value added = record_on_tape(task, &batch, t, i);
        sum += (double)ag_data(added);
        if (gradient)
            (void)ag_backward(added);
        gb_count_nodes(task, t->graph, batch.shared_count);
        (void)ag_graph_rewind(t->graph, sample);
    }
    output[0] = sum;
    for (size_t i = 0; gradient && i < count_outputs(task, GRADIENT); i++)
        output[i] = (double)ag_grad(t->x[i]);
    return gb_check_graph(t->graph, error);
}

const gb_way gb_total_program = {"program", prepare_total_program, evaluate_total_program,
                                 free_total_program};
const gb_way gb_total_tape = {"tape", prepare_total_tape, evaluate_total_tape, free_tape};
const gb_way gb_total_flat = {"flat", prepare_total_program, evaluate_total_program,
                              free_total_program};
