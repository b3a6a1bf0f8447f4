/* SPDX-License-Identifier: MIT
 *
 * kmeans: the squared distances of n points from the nearest of k centroids,
 *
 *     sum_i min_j |p_i - c_j|^2
 *
 * and a step of Newton's method for the centroids: the gradient divided by the Hessian's diagonal.
 * Outside the diagonal the Hessian is 0, so the gradient of the gradient's sum is the diagonal.
 * Recorded for one point, run on all of them.
 */
#include "gradbench.h"

#include "bench.h"
#include "hand_workloads.h"

#include <stdlib.h>
#include <string.h>

enum {
    COST,
    DIR
};

typedef struct kmeans_input {
    size_t n, k, d;
    double *points;    /* n x d */
    double *centroids; /* k x d */
} kmeans_input;

static ag_value record_distance(size_t d, const ag_value *p, const ag_value *c)
{
    ag_value sum = ag_square(ag_sub(p[0], c[0]));
    for (size_t i = 1; i < d; i++)
        sum = ag_add(sum, ag_square(ag_sub(p[i], c[i])));
    return sum;
}

/* A program is for points near any centroid: its minimum is a gate. Where each point is recorded
 * by itself (`branch`), it may be a plain comparison, and only the nearest has a gradient to
 * compute. */
static ag_value record_cost(const kmeans_input *input, const ag_value *centroids,
                            const ag_value *point, bool branch)
{
    ag_value nearest = record_distance(input->d, point, centroids);
    for (size_t j = 1; j < input->k; j++) {
        const ag_value distance = record_distance(input->d, point, centroids + j * input->d);
        if (!branch)
            nearest = ag_min(nearest, distance);
        else if (ag_lt(distance, nearest))
            nearest = distance;
    }
    return nearest;
}

/* ---- Ways ------------------------------------------------------------------------------------ */

/* Both record one point with its cost and, for the direction, the cost's gradient as values; what
 * they add up over the points are the cost, or gradient and diagonal. */
typedef struct kmeans_state {
    gb_program program;
    ag_graph *graph;
    ag_mark start;
    ag_value *centroids, *point, *sums;
    double *totals; /* as sums: 2 x k x d */
} kmeans_state;

static kmeans_state *make_state(const kmeans_input *input)
{
    const size_t n = input->k * input->d;
    kmeans_state *s = bench_allocate(1, sizeof(*s));
    s->graph = ag_graph_new(NULL);
    s->start = ag_graph_mark(s->graph);
    s->centroids = bench_allocate(n, sizeof(*s->centroids));
    s->point = bench_allocate(input->d, sizeof(*s->point));
    s->sums = bench_allocate(2 * n, sizeof(*s->sums));
    s->totals = bench_allocate(2 * n, sizeof(*s->totals));
    return s;
}

static void free_state(void *state)
{
    kmeans_state *s = state;
    gb_close_program(&s->program);
    ag_graph_free(s->graph);
    free(s->centroids);
    free(s->point);
    free(s->sums);
    free(s->totals);
    free(s);
}

static void finish(const gb_task *task, const double *totals, double *output)
{
    const kmeans_input *input = task->input;
    const size_t n = input->k * input->d;
    if (task->function == COST)
        output[0] = totals[0];
    for (size_t i = 0; task->function == DIR && i < n; i++)
        output[i] = totals[i] / totals[n + i];
}

static void *prepare_program(const gb_task *task, gb_error *error)
{
    const kmeans_input *input = task->input;
    const size_t n = input->k * input->d;
    kmeans_state *s = make_state(input);
    gb_make_variables(s->graph, n, input->centroids, s->centroids);
    gb_make_variables(s->graph, input->d, input->points, s->point);
    s->sums[0] = record_cost(input, s->centroids, s->point, false);
    if (task->function == DIR) {
        (void)ag_gradient(s->sums[0], n, s->centroids, s->sums);
        (void)ag_gradient(ag_sum(n, s->sums), n, s->centroids, s->sums + n);
    }
    const ag_signature signature = {
        .shared = s->centroids,
        .shared_count = n,
        .each = s->point,
        .each_count = input->d,
        .sum = s->sums,
        .sum_count = task->function == COST ? 1 : 2 * n,
    };
    if (gb_compile(task, s->graph, &signature, &s->program, error))
        return s;
    free_state(s);
    return NULL;
}

static bool evaluate_program(void *state, const gb_task *task, double *output, gb_error *error)
{
    const kmeans_input *input = task->input;
    kmeans_state *s = state;
    const ag_arrays arrays = {
        .shared = input->centroids,
        .each = input->points,
        .sum = s->totals,
    };
    if (!gb_run(&s->program, input->n, &arrays, error))
        return false;
    finish(task, s->totals, output);
    return true;
}

static void *prepare_tape(const gb_task *task, gb_error *error)
{
    (void)error;
    return make_state(task->input);
}

/* The diagonal adds up in the centroids' gradients, point by point, as backward leaves it there. */
static bool evaluate_tape(void *state, const gb_task *task, double *output, gb_error *error)
{
    const kmeans_input *input = task->input;
    const size_t n = input->k * input->d, recorded = task->function == COST ? 1 : n;
    kmeans_state *s = state;
    (void)ag_graph_rewind(s->graph, s->start);
    gb_make_variables(s->graph, n, input->centroids, s->centroids);
    memset(s->totals, 0, recorded * sizeof(*s->totals));
    const ag_mark mark = ag_graph_mark(s->graph);
    for (size_t i = 0; i < input->n; i++) {
        for (size_t j = 0; j < input->d; j++)
            s->point[j] = ag_constant(s->graph, input->points[i * input->d + j]);
        s->sums[0] = record_cost(input, s->centroids, s->point, true);
        if (task->function == DIR) {
            (void)ag_gradient(s->sums[0], n, s->centroids, s->sums);
            (void)ag_backward(ag_sum(n, s->sums));
        }
        for (size_t j = 0; j < recorded; j++)
            s->totals[j] += (double)ag_data(s->sums[j]);
        (void)ag_graph_rewind(s->graph, mark);
    }
    for (size_t j = 0; task->function == DIR && j < n; j++)
        s->totals[n + j] = (double)ag_grad(s->centroids[j]);
    finish(task, s->totals, output);
    return gb_check_graph(s->graph, error);
}

static const gb_way program = {"program", prepare_program, evaluate_program, free_state};
static const gb_way tape = {"tape", prepare_tape, evaluate_tape, free_state};

static bool evaluate_hand(void *state, const gb_task *task, double *output, gb_error *error)
{
    const kmeans_input *input = task->input;
    const bool direction = task->function == DIR;
    const double cost = hand_kmeans(input->n, input->k, input->d, input->points, input->centroids,
                                    direction ? output : NULL);
    if (!direction)
        output[0] = cost;
    (void)state;
    (void)error;
    return true;
}

static const gb_way hand = {"hand", NULL, evaluate_hand, NULL};

/* ---- Input and output ------------------------------------------------------------------------ */

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    kmeans_input *input = self;
    input->n = input->k = input->d = GB_ANY;
    input->points = gb_read_rows(json, "points", &input->n, &input->d, error);
    if (input->points == NULL)
        return false;
    input->centroids = gb_read_rows(json, "centroids", &input->k, &input->d, error);
    return input->centroids != NULL;
}

/* sizes: n, k, d. As GradBench does, the last points are centroids, so each has one at least. */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    kmeans_input *input = self;
    input->n = sizes[0];
    input->k = sizes[1];
    input->d = sizes[2];
    const size_t points = input->n * input->d, centroids = input->k * input->d;
    input->points = bench_allocate(points, sizeof(*input->points));
    input->centroids = bench_allocate(centroids, sizeof(*input->centroids));
    for (size_t i = 0; i < points; i++)
        input->points[i] = bench_random(random);
    memcpy(input->centroids, input->points + points - centroids,
           centroids * sizeof(*input->centroids));
}

static void clear_input(void *self)
{
    kmeans_input *input = self;
    free(input->points);
    free(input->centroids);
}

static size_t count_outputs(const void *self, int function)
{
    const kmeans_input *input = self;
    return function == COST ? 1 : input->k * input->d;
}

static json_t *write_output(const void *self, int function, const double *output)
{
    const kmeans_input *input = self;
    return function == COST ? json_real(output[0]) : gb_write_rows(input->k, input->d, output);
}

const gb_workload kmeans_workload = {
    .name = "kmeans",
    .functions = {[COST] = "cost", [DIR] = "dir"},
    .ways = {&program, &tape, &hand},
    .input_size = sizeof(kmeans_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = count_outputs,
    .write = write_output,
};
