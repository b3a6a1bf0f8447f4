/* SPDX-License-Identifier: MIT
 *
 * lse: log(exp(x_0) + exp(x_1) + ...) and its gradient. There is a gate that is just this,
 * ag_logsumexp, with a derivative of its own; the workload is to be made of a maximum, a sum,
 * exponentials and a logarithm.
 *
 * A program of all numbers at once ("flat") has 3 gates for each of them. "program" goes piece by
 * piece: one program gives a piece's largest number and sum, a second puts these together. Both are
 * short, and a piece stays in the caches of its processor.
 */
#include "gradbench.h"

#include "bench.h"
#include "hand_workloads.h"

#include <stdlib.h>

enum {
    PRIMAL,
    GRADIENT
};

enum {
    PIECE = 4096 /* numbers */
};

/* The largest is taken out so that no exponential is too large. What it is makes no difference to
 * the value, so it needs no gradient. */
static ag_value record_sum(ag_graph *graph, size_t n, const ag_value *x, ag_value *largest)
{
    ag_value sum = ag_constant(graph, 0);
    *largest = ag_detach(ag_max_of(n, x));
    for (size_t i = 0; i < n; i++)
        sum = ag_add(sum, ag_exp(ag_sub(x[i], *largest)));
    return sum;
}

static void record(ag_graph *graph, const void *self, const ag_value *x, ag_value *values)
{
    const gb_list *input = self;
    ag_value largest;
    const ag_value sum = record_sum(graph, input->count, x, &largest);
    values[0] = ag_add(largest, ag_log(sum));
}

/* ---- Piece by piece -------------------------------------------------------------------------- */

/* From each piece's sum and largest; neither the latter nor the largest of all have a gradient. */
static ag_value record_whole(ag_graph *graph, size_t n, const ag_value *sums,
                             const ag_value *largest)
{
    const ag_value most = ag_detach(ag_max_of(n, largest));
    ag_value total = ag_constant(graph, 0);
    for (size_t i = 0; i < n; i++)
        total = ag_add(total, ag_mul(sums[i], ag_exp(ag_sub(largest[i], most))));
    return ag_add(most, ag_log(total));
}

typedef struct pieces {
    size_t size, count; /* of a piece, but the last may be shorter; of pieces */
    gb_program each, last, whole;
    double *sums;   /* of pieces, then their largest numbers */
    double *shares; /* the value's gradient with respect to the sums */
} pieces;

/* The sum and the largest, and the sum's gradient if that is what the task is. */
static bool compile_piece(const gb_task *task, size_t n, gb_program *program, gb_error *error)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *x = bench_allocate(2 * n, sizeof(*x)), *gradient = x + n, sums[2];
    gb_make_variables(graph, n, NULL, x);
    sums[0] = record_sum(graph, n, x, &sums[1]);
    if (task->function == GRADIENT)
        (void)ag_gradient(sums[0], n, x, gradient);
    const ag_signature signature = {
        .each = x,
        .each_count = n,
        .sum = sums,
        .sum_count = 2,
        .map = gradient,
        .map_count = task->function == GRADIENT ? n : 0,
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    free(x);
    return compiled;
}

static bool compile_whole(const gb_task *task, size_t n, gb_program *program, gb_error *error)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *sums = bench_allocate(3 * n, sizeof(*sums)), *shares = sums + 2 * n;
    gb_make_variables(graph, 2 * n, NULL, sums);
    const ag_value value = record_whole(graph, n, sums, sums + n);
    (void)ag_gradient(value, n, sums, shares);
    const ag_signature signature = {
        .each = sums,
        .each_count = 2 * n,
        .sum = &value,
        .sum_count = 1,
        .map = shares,
        .map_count = n,
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    free(sums);
    return compiled;
}

static void free_pieces(void *state)
{
    pieces *p = state;
    gb_close_program(&p->each);
    gb_close_program(&p->last);
    gb_close_program(&p->whole);
    free(p->sums);
    free(p->shares);
    free(p);
}

static void *prepare_pieces(const gb_task *task, gb_error *error)
{
    const size_t n = ((const gb_list *)task->input)->count;
    pieces *p = bench_allocate(1, sizeof(*p));
    p->size = n < PIECE ? n : PIECE;
    p->count = (n + p->size - 1) / p->size;
    p->sums = bench_allocate(2 * p->count, sizeof(*p->sums));
    p->shares = bench_allocate(p->count, sizeof(*p->shares));
    const size_t last = n - (p->count - 1) * p->size;
    if (compile_piece(task, p->size, &p->each, error) &&
        compile_piece(task, last, &p->last, error) &&
        compile_whole(task, p->count, &p->whole, error))
        return p;
    free_pieces(p);
    return NULL;
}

static void scale(size_t n, double *x, double factor)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

static bool evaluate_pieces(void *state, const gb_task *task, double *output, gb_error *error)
{
    const gb_list *input = task->input;
    const pieces *p = state;
    const bool gradient = task->function == GRADIENT;
    double value;
    for (size_t i = 0; i < p->count; i++) {
        const size_t first = i * p->size;
        double found[2];
        const ag_arrays arrays = {
            .each = input->numbers + first, .sum = found, .map = gradient ? output + first : NULL};
        if (!gb_run(i + 1 < p->count ? &p->each : &p->last, 1, &arrays, error))
            return false;
        p->sums[i] = found[0];
        p->sums[p->count + i] = found[1];
    }
    const ag_arrays arrays = {.each = p->sums, .sum = &value, .map = p->shares};
    if (!gb_run(&p->whole, 1, &arrays, error))
        return false;
    if (!gradient)
        output[0] = value;
    for (size_t i = 0; gradient && i < p->count; i++)
        scale(i + 1 < p->count ? p->size : input->count - i * p->size, output + i * p->size,
              p->shares[i]);
    return true;
}

static const gb_way program = {"program", prepare_pieces, evaluate_pieces, free_pieces};

/* ---- By hand --------------------------------------------------------------------------------- */

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
    .ways = {&program, &gb_function_flat, &gb_function_tape, &hand},
    .input_size = sizeof(gb_list),
    .read = read_input,
    .make = make_input,
    .clear = gb_clear_list,
    .count_outputs = gb_count_gradient,
    .write = gb_write_gradient,
    .function = {.point = gb_find_list, .record = record},
};
