/* SPDX-License-Identifier: MIT
 *
 * particle: two unit charges at (10, 10 - w) and (10, 0) push a particle, which starts at (0, 8)
 * with the velocity (0.75, 0), against the gradient of the potential
 *
 *     1 / |x - c_1| + 1 / |x - c_2|
 *
 * in Euler's steps of 0.1 until it reaches the axis; to be found is the w for which that is nearest
 * to 0. The gradient of where it ends goes through all steps, with the potential's gradient in each.
 */
#include "nested.h"

#include <math.h>

enum {
    PLANE = 2,         /* coordinates */
    STATE = 2 * PLANE, /* place and velocity */
};

typedef struct particle_input {
    double w;
} particle_input;

static ag_value record_potential(ag_graph *graph, ag_value w, const ag_value *x)
{
    const ag_value right = ag_square(ag_shift(x[0], -10));
    const ag_value above = ag_sub(x[1], ag_sub(ag_constant(graph, 10), w));
    return ag_add(ag_reciprocal(ag_sqrt(ag_add(right, ag_square(above)))),
                  ag_reciprocal(ag_sqrt(ag_add(right, ag_square(x[1])))));
}

/* The objective is for the last step, which leads to the axis and not beyond. */
static void record_step(ag_graph *graph, bool forward, const nested_point *from, ag_value *results)
{
    const ag_real length = (ag_real)0.1;
    const ag_value *x = from->state, *velocity = x + PLANE;
    ag_value push[PLANE];
    nested_gradient(forward, record_potential(graph, from->parameters[0], x), PLANE, x, push);
    for (size_t i = 0; i < PLANE; i++) {
        results[i] = ag_add(x[i], ag_scale(velocity[i], length));
        results[PLANE + i] = ag_sub(velocity[i], ag_scale(push[i], length));
    }
    results[STATE] = ag_square(ag_sub(x[0], ag_mul(velocity[0], ag_div(x[1], velocity[1]))));
}

static const nested_loop flight = {.parameters = 1, .state = STATE, .record_step = record_step};

static nested_verdict judge_step(nested_judge *self, const double *state, const double *results)
{
    (void)self;
    (void)state;
    return results[1] > 0 ? NESTED_TAKE : NESTED_LAST;
}

static bool fly(void *context, const double *w, double *value, double *gradient, gb_error *error)
{
    nested_judge judge = {.judge = judge_step};
    double state[STATE] = {0, 8, 0.75, 0};
    return nested_run(context, &judge, w, state, value, gradient, error);
}

static bool evaluate(void *state, const gb_task *task, double *output, gb_error *error)
{
    const particle_input *input = task->input;
    output[0] = input->w;
    return nested_minimise(fly, state, 1, output, error);
}

static void *prepare_program(const gb_task *task, gb_error *error)
{
    return nested_prepare_program(task, &flight, error);
}

static void *prepare_tape(const gb_task *task, gb_error *error)
{
    (void)error;
    return nested_prepare_tape(task, &flight);
}

static const gb_way program = {"program", prepare_program, evaluate, nested_free};
static const gb_way tape = {"tape", prepare_tape, evaluate, nested_free};

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    particle_input *input = self;
    return gb_read_number(json, "w", &input->w, error);
}

static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    particle_input *input = self;
    (void)sizes;
    (void)random;
    input->w = 0;
}

const gb_workload particle_workload = {
    .name = "particle",
    .functions = NESTED_FUNCTIONS,
    .ways = {&program, &tape},
    .input_size = sizeof(particle_input),
    .read = read_input,
    .make = make_input,
    .count_outputs = gb_count_number,
    .write = gb_write_number,
};
