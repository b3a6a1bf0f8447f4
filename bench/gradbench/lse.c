/* SPDX-License-Identifier: MIT
 *
 * lse: log(exp(x_0) + exp(x_1) + ...) and its gradient. There is a gate that is just this,
 * ag_logsumexp, with a derivative of its own; the workload is to be made of a maximum, a sum,
 * exponentials and a logarithm.
 */
#include "gradbench.h"

#include "hand_workloads.h"

enum {
    PRIMAL,
    GRADIENT
};

/* The largest is taken out so that no exponential is too large. What it is makes no difference to
 * the value, so it needs no gradient. */
static void record(ag_graph *graph, const void *self, const ag_value *x, ag_value *values)
{
    const gb_list *input = self;
    const ag_value largest = ag_detach(ag_max_of(input->count, x));
    ag_value sum = ag_constant(graph, 0);
    for (size_t i = 0; i < input->count; i++)
        sum = ag_add(sum, ag_exp(ag_sub(x[i], largest)));
    values[0] = ag_add(largest, ag_log(sum));
}

static bool evaluate_hand(void *state, const gb_task *task, double *output, gb_error *error)
{
    const gb_list *input = task->input;
    const bool gradient = task->function == GRADIENT;
    const double value = hand_lse(input->count, input->numbers, gradient ? output : NULL);
    if (!gradient)
        output[0] = value;
    (void)state;
    (void)error;
    return true;
}

static const gb_way hand = {"hand", NULL, evaluate_hand, NULL};

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    return gb_read_whole_list(json, "x", self, error);
}

/* sizes: n */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    gb_make_list(self, sizes[0], random);
}

const gb_workload lse_workload = {
    .name = "lse",
    .functions = {[PRIMAL] = "primal", [GRADIENT] = "gradient"},
    .ways = {&gb_function_program, &gb_function_tape, &hand},
    .input_size = sizeof(gb_list),
    .read = read_input,
    .make = make_input,
    .clear = gb_clear_list,
    .count_outputs = gb_count_gradient,
    .write = gb_write_gradient,
    .function = {.point = gb_find_list, .record = record},
};
