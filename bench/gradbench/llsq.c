/* SPDX-License-Identifier: MIT
 *
 * llsq: a polynomial's squared distance from the sign function at n places,
 *
 *     1/2 sum_i (sign(t_i) - sum_j x_j t_i^j)^2,  t_i = -1 + 2i / (n - 1)
 *
 * and its gradient with respect to the coefficients x: recorded for one place, run on all of them; on
 * the tape, for each by itself.
 */
#include "gradbench_inputs.h"

#include "bench.h"
#include "hand_workloads.h"

#include <stdlib.h>

enum {
    PRIMAL,
    GRADIENT
};

static ag_value record_place(ag_graph *graph, const void *self, const ag_value *x,
                             const ag_value *i)
{
    const llsq_input *input = self;
    const ag_value last = ag_constant(graph, (double)(input->n - 1));
    const ag_value t = ag_shift(ag_div(ag_scale(*i, 2), last), -1);
    ag_value power = ag_constant(graph, 1), polynomial = x[0];
    for (size_t j = 1; j < input->x.count; j++) {
        power = ag_mul(power, t);
        polynomial = ag_add(polynomial, ag_mul(x[j], power));
    }
    return ag_scale(ag_square(ag_sub(ag_sign(t), polynomial)), 0.5);
}

/* On the tape a place is a plain number, so its powers are, too, and what they are multiplied by adds
 * up in one gate. */
static ag_value record_number(ag_graph *graph, const void *self, const ag_value *x, const double *i)
{
    const llsq_input *input = self;
    const double t = -1 + 2 * *i / (double)(input->n - 1);
    double power = 1;
    for (size_t j = 0; j < input->x.count; j++, power *= t)
        input->powers[j] = power;
    const double sign = t > 0 ? 1 : t < 0 ? -1 : 0;
    (void)graph;
    return ag_scale(ag_square(ag_linear(input->x.count, input->powers, x, -sign)), 0.5);
}

static void number_places(llsq_input *input)
{
    input->powers = bench_allocate(input->x.count, sizeof(*input->powers));
    input->places = bench_allocate(input->n, sizeof(*input->places));
    for (size_t i = 0; i < input->n; i++)
        input->places[i] = (double)i;
}

static bool evaluate_hand(void *state, const gb_task *task, double *output, gb_error *error)
{
    const llsq_input *input = task->input;
    const bool gradient = task->function == GRADIENT;
    const double value =
        hand_llsq(input->x.count, input->n, input->x.numbers, gradient ? output : NULL);
    if (!gradient)
        output[0] = value;
    (void)state;
    (void)error;
    return true;
}

static const gb_way hand = {"hand", NULL, evaluate_hand, NULL};

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    llsq_input *input = self;
    if (!gb_read_whole_list(json, "x", &input->x, error) ||
        !gb_read_count(json, "n", 2, &input->n, error))
        return false;
    number_places(input);
    return true;
}

/* sizes: m, n */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    llsq_input *input = self;
    gb_make_list(&input->x, sizes[0], random);
    input->n = sizes[1];
    number_places(input);
}

static void clear_input(void *self)
{
    llsq_input *input = self;
    gb_clear_list(&input->x);
    free(input->places);
    free(input->powers);
}

static gb_batch find_batch(const void *self)
{
    const llsq_input *input = self;
    return (gb_batch){
        .count = input->n,
        .each = input->places,
        .each_count = 1,
        .shared = input->x.numbers,
        .shared_count = input->x.count,
    };
}

const gb_workload llsq_workload = {
    .name = "llsq",
    .functions = {[PRIMAL] = "primal", [GRADIENT] = "gradient"},
    .ways = {&gb_total_program, &gb_total_tape, &hand},
    .input_size = sizeof(llsq_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = gb_count_gradient,
    .write = gb_write_gradient,
    .total = {.batch = find_batch, .record_sample = record_place, .record_numbers = record_number},
};
