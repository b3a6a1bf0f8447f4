/* SPDX-License-Identifier: MIT
 *
 * kmeans: the squared distances of n points from the nearest of k centroids,
 *
 *     sum_i min_j |p_i - c_j|^2
 *
 * and a step of Newton's method for the centroids: the gradient divided by the Hessian's diagonal.
 * Outside the diagonal the Hessian is 0, so the gradient of the gradient's sum is the diagonal.
 *
 * Which centroid is nearest is a decision, and has no derivative. On the tape plain code takes it,
 * point by point, and only the distance from that centroid is derived. In "program" a first program
 * says which it is, for all points; a second, of the distance from one centroid with its
 * derivatives, runs on the points of each centroid. "flat" is one program, of a point with all
 * centroids: its minimum is a gate, and it computes a gradient for every centroid at every point,
 * zeros but for one.
 */
#include "gradbench_inputs.h"

#include "bench.h"
#include "hand_workloads.h"

#include <stdlib.h>
#include <string.h>

enum {
    COST,
    DIR
};

static ag_value record_distance(size_t d, const ag_value *p, const ag_value *c)
{
    ag_value sum = ag_square(ag_sub(p[0], c[0]));
    for (size_t i = 1; i < d; i++)
        sum = ag_add(sum, ag_square(ag_sub(p[i], c[i])));
    return sum;
}

/* In a program for points near any centroid the minimum is a gate. */
static ag_value record_cost(const kmeans_input *input, const ag_value *centroids,
                            const ag_value *point)
{
    ag_value nearest = record_distance(input->d, point, centroids);
    for (size_t j = 1; j < input->k; j++)
        nearest = ag_min(nearest, record_distance(input->d, point, centroids + j * input->d));
    return nearest;
}

/* Where each point is recorded by itself, it may be a plain comparison. *number: which centroid. */
static ag_value record_choice(const kmeans_input *input, const ag_value *centroids,
                              const ag_value *point, size_t *number)
{
    ag_value nearest = record_distance(input->d, point, centroids);
    *number = 0;
    for (size_t j = 1; j < input->k; j++) {
        const ag_value distance = record_distance(input->d, point, centroids + j * input->d);
        if (ag_lt(distance, nearest)) {
            nearest = distance;
            *number = j;
        }
    }
    return nearest;
}

/* The number of the nearest centroid, the first of several. */
static ag_value record_nearest(ag_graph *graph, const kmeans_input *input,
                               const ag_value *centroids, const ag_value *point)
{
    ag_value least = record_distance(input->d, point, centroids), nearest = ag_constant(graph, 0);
    for (size_t j = 1; j < input->k; j++) {
        const ag_value distance = record_distance(input->d, point, centroids + j * input->d);
        nearest = ag_select(ag_is_less(distance, least), ag_constant(graph, (ag_real)j), nearest);
        least = ag_min(distance, least);
    }
    return nearest;
}

/* The gradient with respect to n coordinates of centroids, and the Hessian's diagonal. */
static void record_derivatives(ag_value cost, size_t n, const ag_value *centroids, ag_value *sums)
{
    (void)ag_gradient(cost, n, centroids, sums);
    (void)ag_gradient(ag_sum(n, sums), n, centroids, sums + n);
}

static void divide(size_t n, const double *sums, double *direction)
{
    for (size_t i = 0; i < n; i++)
        direction[i] = sums[i] / sums[n + i];
}

/* ---- Ways ------------------------------------------------------------------------------------ */

typedef struct kmeans_state {
    /* what adds up over points: the cost; or gradient and diagonal, of all centroids, or of one */
    gb_program sums;
    gb_program nearest;
    ag_graph *graph;
    ag_mark start;
    ag_value *centroids, *point, *added; /* variables; what a point adds: 2 x k x d at most */
    double *totals;                      /* as added */
    /* each point's nearest centroid; where the points of each centroid end; those of the first, of
     * the second, ... */
    double *numbers;
    size_t *ends;
    double *points;
} kmeans_state;

static kmeans_state *make_state(const kmeans_input *input)
{
    const size_t n = input->k * input->d;
    kmeans_state *s = bench_allocate(1, sizeof(*s));
    s->graph = ag_graph_new(NULL);
    s->start = ag_graph_mark(s->graph);
    s->centroids = bench_allocate(n, sizeof(*s->centroids));
    s->point = bench_allocate(input->d, sizeof(*s->point));
    s->added = bench_allocate(2 * n, sizeof(*s->added));
    s->totals = bench_allocate(2 * n, sizeof(*s->totals));
    return s;
}

static void free_state(void *state)
{
    kmeans_state *s = state;
    gb_close_program(&s->sums);
    gb_close_program(&s->nearest);
    ag_graph_free(s->graph);
    free(s->centroids);
    free(s->point);
    free(s->added);
    free(s->totals);
    free(s->numbers);
    free(s->ends);
    free(s->points);
    free(s);
}

/* A program of a point and of centroids with n coordinates. */
static bool compile(const gb_task *task, const kmeans_state *s, size_t n, size_t sum_count,
                    const ag_value *nearest, gb_program *program, gb_error *error)
{
    const ag_signature signature = {
        .shared = s->centroids,
        .shared_count = n,
        .each = s->point,
        .each_count = ((const kmeans_input *)task->input)->d,
        .sum = s->added,
        .sum_count = sum_count,
        .map = nearest,
        .map_count = nearest != NULL,
    };
    return gb_compile(task, s->graph, &signature, program, error);
}

static void *prepare_flat(const gb_task *task, gb_error *error)
{
    const kmeans_input *input = task->input;
    const size_t n = input->k * input->d;
    kmeans_state *s = make_state(input);
    gb_make_variables(s->graph, n, NULL, s->centroids);
    gb_make_variables(s->graph, input->d, NULL, s->point);
    s->added[0] = record_cost(input, s->centroids, s->point);
    if (task->function == DIR)
        record_derivatives(s->added[0], n, s->centroids, s->added);
    if (compile(task, s, n, task->function == COST ? 1 : 2 * n, NULL, &s->sums, error))
        return s;
    free_state(s);
    return NULL;
}

static bool evaluate_flat(void *state, const gb_task *task, double *output, gb_error *error)
{
    const kmeans_input *input = task->input;
    kmeans_state *s = state;
    const ag_arrays arrays = {
        .shared = input->centroids,
        .each = input->points,
        .sum = s->totals,
    };
    if (!gb_run(&s->sums, input->n, &arrays, error))
        return false;
    if (task->function == COST)
        output[0] = s->totals[0];
    else
        divide(input->k * input->d, s->totals, output);
    return true;
}

static void *prepare_program(const gb_task *task, gb_error *error)
{
    const kmeans_input *input = task->input;
    const size_t n = input->k * input->d, d = input->d;
    if (task->function == COST)
        return prepare_flat(task, error);
    kmeans_state *s = make_state(input);
    s->numbers = bench_allocate(input->n, sizeof(*s->numbers));
    s->ends = bench_allocate(input->k, sizeof(*s->ends));
    s->points = bench_allocate(input->n * d, sizeof(*s->points));
    gb_make_variables(s->graph, n, NULL, s->centroids);
    gb_make_variables(s->graph, d, NULL, s->point);
    const ag_value nearest = record_nearest(s->graph, input, s->centroids, s->point);
    record_derivatives(record_distance(d, s->point, s->centroids), d, s->centroids, s->added);
    if (compile(task, s, n, 0, &nearest, &s->nearest, error) &&
        compile(task, s, d, 2 * d, NULL, &s->sums, error))
        return s;
    free_state(s);
    return NULL;
}

/* Copies the points, so that those of a centroid are together. */
static void group_points(const kmeans_input *input, kmeans_state *s)
{
    size_t begin = 0;
    memset(s->ends, 0, input->k * sizeof(*s->ends));
    for (size_t i = 0; i < input->n; i++)
        s->ends[(size_t)s->numbers[i]]++;
    for (size_t j = 0; j < input->k; j++) {
        const size_t count = s->ends[j];
        s->ends[j] = begin;
        begin += count;
    }
    for (size_t i = 0; i < input->n; i++)
        memcpy(s->points + s->ends[(size_t)s->numbers[i]]++ * input->d,
               input->points + i * input->d, input->d * sizeof(*s->points));
}

static bool evaluate_program(void *state, const gb_task *task, double *output, gb_error *error)
{
    const kmeans_input *input = task->input;
    const size_t d = input->d;
    kmeans_state *s = state;
    if (task->function == COST)
        return evaluate_flat(state, task, output, error);
    const ag_arrays all = {.shared = input->centroids, .each = input->points, .map = s->numbers};
    if (!gb_run(&s->nearest, input->n, &all, error))
        return false;
    group_points(input, s);
    for (size_t j = 0, begin = 0; j < input->k; begin = s->ends[j++]) {
        const ag_arrays arrays = {
            .shared = input->centroids + j * d, .each = s->points + begin * d, .sum = s->totals};
        if (!gb_run(&s->sums, s->ends[j] - begin, &arrays, error))
            return false;
        divide(d, s->totals, output + j * d);
    }
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
    const size_t n = input->k * input->d, d = input->d;
    kmeans_state *s = state;
    (void)ag_graph_rewind(s->graph, s->start);
    gb_make_variables(s->graph, n, input->centroids, s->centroids);
    memset(s->totals, 0, n * sizeof(*s->totals));
    const ag_mark mark = ag_graph_mark(s->graph);
    for (size_t i = 0; i < input->n; i++) {
        size_t nearest;
        for (size_t j = 0; j < d; j++)
            s->point[j] = ag_constant(s->graph, input->points[i * d + j]);
        const ag_value cost = record_choice(input, s->centroids, s->point, &nearest);
        if (task->function == COST) {
            s->totals[0] += (double)ag_data(cost);
        } else {
            (void)ag_gradient(cost, d, s->centroids + nearest * d, s->added);
            (void)ag_backward(ag_sum(d, s->added));
            for (size_t j = 0; j < d; j++)
                s->totals[nearest * d + j] += (double)ag_data(s->added[j]);
        }
        gb_count_nodes(task, s->graph, n);
        (void)ag_graph_rewind(s->graph, mark);
    }
    for (size_t j = 0; task->function == DIR && j < n; j++)
        s->totals[n + j] = (double)ag_grad(s->centroids[j]);
    if (task->function == COST)
        output[0] = s->totals[0];
    else
        divide(n, s->totals, output);
    return gb_check_graph(s->graph, error);
}

static const gb_way program = {"program", prepare_program, evaluate_program, free_state};
static const gb_way flat = {"flat", prepare_flat, evaluate_flat, free_state};
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
    .ways = {&program, &flat, &tape, &hand},
    .input_size = sizeof(kmeans_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = count_outputs,
    .write = write_output,
};
