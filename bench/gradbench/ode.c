/* SPDX-License-Identifier: MIT
 *
 * ode: y_1' = x_1, y_i' = x_i y_(i-1), y(0) = 0, to t = 2 by classical Runge-Kutta steps; and the
 * gradient of the last component of y with respect to x. A program has one step, recorded once, and
 * ag_scan; on the tape one step follows the other.
 */
#include "gradbench_inputs.h"

#include "bench.h"
#include "hand_workloads.h"

#include <stdlib.h>

enum {
    PRIMAL,
    GRADIENT
};

/* What a step needs on its way: four slopes, and where they are taken. */
enum {
    SLOPES = 4,
    ROOM = SLOPES + 1
};

static void find_slopes(size_t n, const ag_value *x, const ag_value *y, ag_value *k)
{
    k[0] = x[0];
    for (size_t i = 1; i < n; i++)
        k[i] = ag_mul(x[i], y[i - 1]);
}

/* next = y after a step of length h, and may be y; room has ROOM x n values. */
static void record_step(size_t n, double h, const ag_value *x, const ag_value *y, ag_value *next,
                        ag_value *room)
{
    const double factors[] = {h / 2, h / 2, h};
    const ag_real weights[] = {1, (h / 6), (h / 3), (h / 3), (h / 6)};
    ag_value *k = room, *u = room + SLOPES * n;
    find_slopes(n, x, y, k);
    for (size_t stage = 1; stage < SLOPES; stage++) {
        const ag_value *last = k + (stage - 1) * n;
        for (size_t i = 0; i < n; i++)
            u[i] = ag_add(y[i], ag_scale(last[i], factors[stage - 1]));
        find_slopes(n, x, u, k + stage * n);
    }
    for (size_t i = 0; i < n; i++) {
        const ag_value terms[] = {y[i], k[i], k[n + i], k[2 * n + i], k[3 * n + i]};
        next[i] = ag_linear(5, weights, terms, 0);
    }
}

static void record(ag_graph *graph, const void *self, const ag_value *x, ag_value *y)
{
    const ode_input *input = self;
    const size_t n = input->x.count;
    const ag_value zero = ag_constant(graph, 0);
    ag_value *room = bench_allocate(ROOM * n, sizeof(*room));
    for (size_t i = 0; i < n; i++)
        y[i] = zero;
    for (size_t i = 0; i < input->steps; i++)
        record_step(n, 2.0 / (double)input->steps, x, y, y, room);
    free(room);
}

static void record_program(ag_graph *graph, const void *self, const ag_value *x, ag_value *y)
{
    const ode_input *input = self;
    const size_t n = input->x.count;
    const ag_value zero = ag_constant(graph, 0);
    ag_graph *own = ag_graph_new(NULL);
    ag_value *room = bench_allocate((ROOM + 4) * n, sizeof(*room));
    ag_value *own_x = room + ROOM * n, *own_y = own_x + n, *next = own_y + n, *start = next + n;
    gb_make_variables(own, n, NULL, own_x);
    gb_make_variables(own, n, NULL, own_y);
    record_step(n, 2.0 / (double)input->steps, own_x, own_y, next, room);
    for (size_t i = 0; i < n; i++)
        start[i] = zero;
    const ag_signature step = {
        .shared = own_x,
        .shared_count = n,
        .each = own_y,
        .each_count = n,
        .map = next,
        .map_count = n,
    };
    const ag_scan_arrays arrays = {.shared = x, .state = start, .final_state = y};
    gb_scan(graph, &step, input->steps, n, &arrays);
    ag_graph_free(own);
    free(room);
}

static void *prepare_hand(const gb_task *task, gb_error *error)
{
    const ode_input *input = task->input;
    (void)error;
    return bench_allocate(hand_ode_room(input->x.count, input->steps, task->function == GRADIENT),
                          sizeof(double));
}

static bool evaluate_hand(void *room, const gb_task *task, double *output, gb_error *error)
{
    const ode_input *input = task->input;
    const bool gradient = task->function == GRADIENT;
    (void)error;
    hand_ode(input->x.count, input->steps, input->x.numbers, room, gradient ? NULL : output,
             gradient ? output : NULL);
    return true;
}

static const gb_way hand = {"hand", prepare_hand, evaluate_hand, free};

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    ode_input *input = self;
    return gb_read_whole_list(json, "x", &input->x, error) &&
           gb_read_count(json, "s", 1, &input->steps, error);
}

/* sizes: n, s */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    ode_input *input = self;
    gb_make_list(&input->x, sizes[0], random);
    input->steps = sizes[1];
}

static size_t count_outputs(const void *self, int function)
{
    const ode_input *input = self;
    (void)function;
    return input->x.count;
}

static json_t *write_output(const void *self, int function, const double *output)
{
    const ode_input *input = self;
    (void)function;
    return gb_write_list(input->x.count, output);
}

const gb_workload ode_workload = {
    .name = "ode",
    .functions = {[PRIMAL] = "primal", [GRADIENT] = "gradient"},
    .ways = {&gb_function_program, &gb_function_flat, &gb_function_tape, &hand},
    .input_size = sizeof(ode_input),
    .read = read_input,
    .make = make_input,
    .clear = gb_clear_list,
    .count_outputs = count_outputs,
    .write = write_output,
    .function = {.point = gb_find_list, .record = record, .record_program = record_program},
};
