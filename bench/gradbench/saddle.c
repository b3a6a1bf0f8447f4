/* SPDX-License-Identifier: MIT
 *
 * saddle: the x that minimises the largest, over y, of
 *
 *     f(x, y) = (x_1^2 + x_2^2) - (y_1^2 + y_2^2)
 *
 * and that y: a descent for x, each step of which takes the gradient through a whole descent for y.
 */
#include "nested.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIZE = 2
};

typedef struct saddle_input {
    double start[SIZE];
} saddle_input;

static ag_value record_f(const ag_value *x, const ag_value *y)
{
    return ag_sub(ag_add(ag_square(x[0]), ag_square(x[1])),
                  ag_add(ag_square(y[0]), ag_square(y[1])));
}

/* A step of y up the gradient, which is to be seen, with f after it. */
static void record_step(ag_graph *graph, bool forward, const nested_point *from, ag_value *results)
{
    ag_value *gradient = results + SIZE + 1;
    (void)graph;
    nested_gradient(forward, record_f(from->parameters, from->state), SIZE, from->state, gradient);
    for (size_t i = 0; i < SIZE; i++)
        results[i] = ag_add(from->state[i], ag_mul(from->size, gradient[i]));
    results[SIZE] = record_f(from->parameters, results);
}

static const nested_loop ascent = {
    .parameters = SIZE, .state = SIZE, .seen = SIZE, .record_step = record_step};

typedef struct ascent_judge {
    nested_judge base;
    nested_descent descent; /* of -f */
} ascent_judge;

static nested_verdict judge_step(nested_judge *self, const double *y, const double *results)
{
    ascent_judge *judge = (ascent_judge *)self;
    const nested_verdict verdict =
        nested_descend(&judge->descent, SIZE, y, results + SIZE + 1, results, -results[SIZE]);
    judge->base.size = judge->descent.size;
    return verdict;
}

typedef struct saddle_search {
    nested_runner *runner;
    const saddle_input *input;
    double y[SIZE];
} saddle_search;

static bool find_largest(void *context, const double *x, double *value, double *gradient,
                         gb_error *error)
{
    saddle_search *search = context;
    ascent_judge judge = {.base = {.judge = judge_step}};
    memcpy(search->y, search->input->start, sizeof(search->y));
    return nested_run(search->runner, &judge.base, x, search->y, value, gradient, error);
}

static bool evaluate(void *state, const gb_task *task, double *output, gb_error *error)
{
    saddle_search search = {.runner = state, .input = task->input};
    double *x = output, largest;
    memcpy(x, search.input->start, sizeof(search.input->start));
    if (!nested_minimise(find_largest, &search, SIZE, x, error) ||
        !find_largest(&search, x, &largest, NULL, error))
        return false;
    memcpy(output + SIZE, search.y, sizeof(search.y));
    return true;
}

static void *prepare_program(const gb_task *task, gb_error *error)
{
    return nested_prepare_program(task, &ascent, error);
}

static void *prepare_tape(const gb_task *task, gb_error *error)
{
    (void)error;
    return nested_prepare_tape(task, &ascent);
}

static const gb_way program = {"program", prepare_program, evaluate, nested_free};
static const gb_way tape = {"tape", prepare_tape, evaluate, nested_free};

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    saddle_input *input = self;
    size_t count = SIZE;
    double *start = gb_read_list(json, "start", &count, error);
    if (start == NULL)
        return false;
    memcpy(input->start, start, sizeof(input->start));
    free(start);
    return true;
}

static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    saddle_input *input = self;
    (void)sizes;
    (void)random;
    input->start[0] = input->start[1] = 1;
}

static size_t count_outputs(const void *self, int function)
{
    (void)self;
    (void)function;
    return 2 * SIZE;
}

static json_t *write_output(const void *self, int function, const double *output)
{
    return gb_write_list(count_outputs(self, function), output);
}

const gb_workload saddle_workload = {
    .name = "saddle",
    .functions = NESTED_FUNCTIONS,
    .ways = {&program, &tape},
    .input_size = sizeof(saddle_input),
    .read = read_input,
    .make = make_input,
    .count_outputs = count_outputs,
    .write = write_output,
};
