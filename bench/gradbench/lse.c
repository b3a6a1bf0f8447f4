/* SPDX-License-Identifier: MIT
 *
 * lse: log(exp(x_0) + exp(x_1) + ...) and its gradient. There is a gate that is just this,
 * ag_logsumexp, with a derivative of its own; the workload is to be made of a maximum, a sum,
 * exponentials and a logarithm.
 */
#include "gradbench.h"

#include "bench.h"

#include <stdlib.h>

enum {
    PRIMAL,
    GRADIENT
};

typedef struct lse_input {
    size_t n;
    double *x;
} lse_input;

/* The largest is taken out so that no exponential is too large. What it is makes no difference to
 * the value, so it needs no gradient. */
static void record(ag_graph *graph, const void *self, const ag_value *x, ag_value *values)
{
    const lse_input *input = self;
    const ag_value largest = ag_detach(ag_max_of(input->n, x));
    ag_value sum = ag_constant(graph, 0);
    for (size_t i = 0; i < input->n; i++)
        sum = ag_add(sum, ag_exp(ag_sub(x[i], largest)));
    values[0] = ag_add(largest, ag_log(sum));
}

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    lse_input *input = self;
    input->n = GB_ANY;
    input->x = gb_read_list(json, "x", &input->n, error);
    return input->x != NULL;
}

/* sizes: n */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    lse_input *input = self;
    input->n = sizes[0];
    input->x = bench_allocate(input->n, sizeof(*input->x));
    for (size_t i = 0; i < input->n; i++)
        input->x[i] = bench_random(random);
}

static void clear_input(void *self)
{
    lse_input *input = self;
    free(input->x);
}

static const double *find_point(const void *self, size_t *n)
{
    const lse_input *input = self;
    *n = input->n;
    return input->x;
}

static size_t count_outputs(const void *self, int function)
{
    const lse_input *input = self;
    return function == PRIMAL ? 1 : input->n;
}

static json_t *write_output(const void *self, int function, const double *output)
{
    const lse_input *input = self;
    return function == PRIMAL ? json_real(output[0]) : gb_write_list(input->n, output);
}

const gb_workload lse_workload = {
    .name = "lse",
    .functions = {[PRIMAL] = "primal", [GRADIENT] = "gradient"},
    .ways = {&gb_function_program, &gb_function_tape},
    .input_size = sizeof(lse_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = count_outputs,
    .write = write_output,
    .function = {.point = find_point, .record = record},
};
