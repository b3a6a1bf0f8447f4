/* SPDX-License-Identifier: MIT
 *
 * hello: square(x) = x^2, double(x) = its derivative.
 */
#include "gradbench.h"

typedef struct hello_input {
    double x;
} hello_input;

static void record(ag_graph *graph, const void *input, const ag_value *x, ag_value *values)
{
    (void)graph;
    (void)input;
    values[0] = ag_square(x[0]);
}

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    hello_input *input = self;
    input->x = json_number_value(json);
    return json_is_number(json) || gb_fail(error, "the input is not a number");
}

static const double *find_point(const void *self, size_t *n)
{
    const hello_input *input = self;
    *n = 1;
    return &input->x;
}

const gb_workload hello_workload = {
    .name = "hello",
    .functions = {"square", "double"},
    .ways = {&gb_function_program, &gb_function_tape},
    .input_size = sizeof(hello_input),
    .read = read_input,
    .count_outputs = gb_count_number,
    .write = gb_write_number,
    .function = {.point = find_point, .record = record},
};
