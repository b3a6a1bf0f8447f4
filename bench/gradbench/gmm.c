/* SPDX-License-Identifier: MIT
 *
 * gmm: the logarithm of the probability of n samples under a mixture of k normal distributions in d
 * dimensions, with a Wishart prior, and its gradient with respect to the mixture's parameters. The
 * inverse of a component's covariance is Q'Q with Q lower triangular, exp(q) on its diagonal, and
 * below that l, column by column. So it is the sum, over samples x, of the logsumexp of the terms
 *
 *     alpha + sum(q) - |Q (x - mu)|^2 / 2
 *
 * of all components, and of what parameters alone add.
 *
 * On the tape, and in the program "flat", all components are recorded for one sample. In "program"
 * one component is, and run on all samples once for each; so it takes no more memory and time to
 * compile than that, and what it works on stays in a cache. What stands between its two passes is
 * a program, too: from the terms of a sample to their derivatives.
 */
#include "gmm.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

static size_t count_triangle(const gmm_input *input)
{
    return input->d * (input->d - 1) / 2;
}

static size_t count_parameters(const gmm_input *input)
{
    return input->k * (1 + 2 * input->d + count_triangle(input));
}

/* ---- What is computed ------------------------------------------------------------------------ */

/* Of one component; l as a matrix with zeros on the diagonal and above. */
typedef struct component {
    ag_value alpha;
    const ag_value *mu, *q, *matrix;
} component;

/* Its parameters, in this order. */
static size_t count_component(size_t d)
{
    return 1 + 2 * d + d * d;
}

static component find_component(size_t d, const ag_value *parameters)
{
    return (component){
        .alpha = parameters[0],
        .mu = parameters + 1,
        .q = parameters + 1 + d,
        .matrix = parameters + 1 + 2 * d,
    };
}

/* What it has for a sample. full: all of the matrix is multiplied, as matrices are fast, zeros
 * included. */
static ag_value record_term(size_t d, const component *c, const ag_value *x, bool full)
{
    ag_value *difference = bench_allocate(2 * d, sizeof(*difference)), *product = difference + d;
    for (size_t i = 0; i < d; i++)
        difference[i] = ag_sub(c->mu[i], x[i]);
    for (size_t i = 0; i < d; i++) {
        const size_t columns = full ? d : i;
        product[i] = ag_mul(ag_exp(c->q[i]), difference[i]);
        if (columns > 0)
            product[i] = ag_add(ag_dot(columns, c->matrix + i * d, difference), product[i]);
    }
    const ag_value distance = ag_dot(d, product, product);
    free(difference);
    return ag_sub(ag_add(c->alpha, ag_sum(d, c->q)), ag_scale(distance, (ag_real)0.5));
}

/* Of the Wishart distribution's normalisation: with nu = d + m + 1,
 *
 *     nu d (log(gamma) - log(2) / 2) - log of the d-dimensional gamma function at nu / 2 */
static ag_value record_normalisation(size_t d, ag_value m, ag_value gamma)
{
    const double log_2 = 0.69314718055994530942, log_pi = 1.14472988584940017414;
    const double size = (double)d;
    const ag_value nu = ag_shift(m, (ag_real)(size + 1));
    ag_value sum =
        ag_mul(ag_scale(nu, (ag_real)size), ag_shift(ag_log(gamma), (ag_real)(-log_2 / 2)));
    sum = ag_shift(sum, (ag_real)(-size * (size - 1) / 4 * log_pi));
    for (size_t i = 0; i < d; i++)
        sum = ag_sub(sum, ag_lgamma(ag_scale(ag_shift(nu, -(ag_real)i), (ag_real)0.5)));
    return sum;
}

/* What one component's parameters add by themselves, but for that; of prior, m and gamma. */
static ag_value record_prior(size_t d, const component *c, const ag_value *prior, bool full)
{
    ag_value squares = ag_constant(prior->graph, 0);
    for (size_t i = 0; i < d; i++) {
        const size_t columns = full ? d : i;
        const ag_value *row = c->matrix + i * d;
        squares = ag_add(squares, ag_square(ag_exp(c->q[i])));
        if (columns > 0)
            squares = ag_add(squares, ag_dot(columns, row, row));
    }
    const ag_value weight = ag_scale(ag_square(prior[1]), (ag_real)-0.5);
    return ag_add(ag_mul(weight, squares), ag_mul(prior[0], ag_sum(d, c->q)));
}

/* And what is the same for all components, or depends on alpha alone. */
static ag_value record_mixing(const gmm_input *input, const ag_value *alpha, const ag_value *prior)
{
    const double log_2pi = 1.83787706640934548356;
    const double n = (double)input->n, d = (double)input->d;
    const ag_value normalisation = record_normalisation(input->d, prior[0], prior[1]);
    const ag_value sum = ag_sub(ag_scale(normalisation, (ag_real)input->k),
                                ag_scale(ag_logsumexp(input->k, alpha), (ag_real)n));
    return ag_shift(sum, (ag_real)(-n * d / 2 * log_2pi));
}

/* ---- Recorded for one sample ----------------------------------------------------------------- */

/* Where l has the element of row i and column j < i. */
static size_t place_below(size_t d, size_t i, size_t j)
{
    return j * (2 * d - j - 1) / 2 + i - j - 1;
}

/* A matrix has d x d values of room; what is not below the diagonal is left. */
static component find_shared(const gmm_input *input, const ag_value *shared, size_t which,
                             ag_value *matrix)
{
    const size_t k = input->k, d = input->d;
    const ag_value *mu = shared + k + which * d, *l = shared + k + 2 * k * d;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < i; j++)
            matrix[i * d + j] = l[which * count_triangle(input) + place_below(d, i, j)];
    return (component){.alpha = shared[which], .mu = mu, .q = mu + k * d, .matrix = matrix};
}

static ag_value record_sample(ag_graph *graph, const void *self, const ag_value *shared,
                              const ag_value *x)
{
    const gmm_input *input = self;
    const size_t d = input->d, k = input->k;
    ag_value *terms = bench_allocate(k + d * d, sizeof(*terms));
    (void)graph;
    for (size_t i = 0; i < k; i++) {
        const component c = find_shared(input, shared, i, terms + k);
        terms[i] = record_term(d, &c, x, false);
    }
    const ag_value sum = ag_logsumexp(k, terms);
    free(terms);
    return sum;
}

static ag_value record_once(ag_graph *graph, const void *self, const ag_value *shared)
{
    const gmm_input *input = self;
    const size_t d = input->d;
    ag_value *matrix = bench_allocate(d * d, sizeof(*matrix));
    const ag_value *prior = shared + count_parameters(input);
    ag_value sum = record_mixing(input, shared, prior);
    (void)graph;
    for (size_t i = 0; i < input->k; i++) {
        const component c = find_shared(input, shared, i, matrix);
        sum = ag_add(sum, record_prior(d, &c, prior, false));
    }
    free(matrix);
    return sum;
}

static gb_batch find_batch(const void *self)
{
    const gmm_input *input = self;
    return (gb_batch){
        .count = input->n,
        .each = input->x.numbers,
        .each_count = input->d,
        .shared = input->shared.numbers,
        .shared_count = input->shared.count,
    };
}

/* ---- Recorded for one component -------------------------------------------------------------- */

typedef struct gmm_programs {
    /* shared: a component, and m and gamma; each: a sample, and how the sum changes with the term.
     * map: the term, and once what the component adds; or their gradients, sum and once. */
    gb_program term, gradient;
    /* shared: alpha, m and gamma; each: terms. sum: the logsumexp; map: its gradient; once: what alpha
     * adds, and the gradient of that. */
    gb_program mixing;
    double *shared, *each; /* of a component */
    double *mixing_shared; /* k + 2 */
    double *terms, *mixed; /* n x k: terms, and what is made of them */
    double *row;           /* n: the terms of one component */
    double *sum, *once;
} gmm_programs;

static void free_programs(void *state)
{
    gmm_programs *s = state;
    gb_close_program(&s->term);
    gb_close_program(&s->gradient);
    gb_close_program(&s->mixing);
    free(s->shared);
    free(s->each);
    free(s->mixing_shared);
    free(s->terms);
    free(s->mixed);
    free(s->row);
    free(s->sum);
    free(s->once);
    free(s);
}

static bool compile_component(const gb_task *task, bool derived, gb_program *program,
                              gb_error *error)
{
    const gmm_input *input = task->input;
    const size_t d = input->d, n = count_component(d);
    ag_value *shared = bench_allocate(3 * n + 2 + d + 1, sizeof(*shared));
    ag_value *each = shared + n + 2, *sum = each + d + 1, *once = sum + n;
    ag_graph *graph = ag_graph_new(NULL);
    gb_make_variables(graph, n + 2, NULL, shared);
    gb_make_variables(graph, d + 1, NULL, each);
    const component c = find_component(d, shared);
    sum[0] = record_term(d, &c, each, true);
    once[0] = record_prior(d, &c, shared + n, true);
    if (derived) {
        (void)ag_gradient(ag_mul(each[d], sum[0]), n, shared, sum);
        (void)ag_gradient(once[0], n, shared, once);
    }
    const ag_signature signature = {
        .shared = shared,
        .shared_count = n + 2,
        .each = each,
        .each_count = d + 1,
        .sum = sum,
        .sum_count = derived ? n : 0,
        .map = sum,
        .map_count = derived ? 0 : 1,
        .once = once,
        .once_count = derived ? n : 1,
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    free(shared);
    return compiled;
}

static bool compile_mixing(const gb_task *task, gb_program *program, gb_error *error)
{
    const gmm_input *input = task->input;
    const size_t k = input->k;
    ag_value *alpha = bench_allocate(4 * k + 3, sizeof(*alpha)), *terms = alpha + k + 2,
             *map = terms + k, *once = map + k, sum;
    ag_graph *graph = ag_graph_new(NULL);
    gb_make_variables(graph, k + 2, NULL, alpha);
    gb_make_variables(graph, k, NULL, terms);
    sum = ag_logsumexp(k, terms);
    once[0] = record_mixing(input, alpha, alpha + k);
    (void)ag_gradient(sum, k, terms, map);
    (void)ag_gradient(once[0], k, alpha, once + 1);
    const ag_signature signature = {
        .shared = alpha,
        .shared_count = k + 2,
        .each = terms,
        .each_count = k,
        .sum = &sum,
        .sum_count = 1,
        .map = map,
        .map_count = task->function == GMM_JACOBIAN ? k : 0,
        .once = once,
        .once_count = 1 + k,
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    free(alpha);
    return compiled;
}

static void *prepare_programs(const gb_task *task, gb_error *error)
{
    const gmm_input *input = task->input;
    const size_t d = input->d, k = input->k, n = input->n, count = count_component(d);
    gmm_programs *s = bench_allocate(1, sizeof(*s));
    s->shared = bench_allocate(count + 2, sizeof(double));
    s->each = bench_allocate(n * (d + 1), sizeof(double));
    s->mixing_shared = bench_allocate(k + 2, sizeof(double));
    s->terms = bench_allocate(n * k, sizeof(double));
    s->mixed = bench_allocate(n * k, sizeof(double));
    s->row = bench_allocate(n, sizeof(double));
    s->sum = bench_allocate(count, sizeof(double));
    s->once = bench_allocate(count + k + 1, sizeof(double));
    if (compile_component(task, false, &s->term, error) &&
        (task->function == GMM_OBJECTIVE || compile_component(task, true, &s->gradient, error)) &&
        compile_mixing(task, &s->mixing, error))
        return s;
    free_programs(s);
    return NULL;
}

/* A component's parameters among all, or their gradient. */
typedef struct gmm_part {
    size_t alpha, mu, q, l;
} gmm_part;

static gmm_part find_part(const gmm_input *input, size_t which)
{
    const size_t k = input->k, d = input->d;
    return (gmm_part){
        .alpha = which,
        .mu = k + which * d,
        .q = k + k * d + which * d,
        .l = k + 2 * k * d + which * count_triangle(input),
    };
}

/* Zeros in the matrix are there from the start. */
static void gather_component(const gmm_input *input, size_t which, double *shared)
{
    const gmm_part part = find_part(input, which);
    const double *all = input->shared.numbers;
    const size_t d = input->d, n = count_component(d);
    double *matrix = shared + 1 + 2 * d;
    shared[0] = all[part.alpha];
    memcpy(shared + 1, all + part.mu, d * sizeof(*shared));
    memcpy(shared + 1 + d, all + part.q, d * sizeof(*shared));
    for (size_t j = 0, place = part.l; j < d; j++)
        for (size_t i = j + 1; i < d; i++)
            matrix[i * d + j] = all[place++];
    memcpy(shared + n, all + count_parameters(input), 2 * sizeof(*shared));
}

static void scatter_gradient(const gmm_input *input, size_t which, const double *sum,
                             const double *once, double *output)
{
    const gmm_part part = find_part(input, which);
    const size_t d = input->d;
    output[part.alpha] += sum[0] + once[0];
    for (size_t i = 0; i < d; i++) {
        output[part.mu + i] = sum[1 + i] + once[1 + i];
        output[part.q + i] = sum[1 + d + i] + once[1 + d + i];
    }
    for (size_t j = 0, place = part.l; j < d; j++)
        for (size_t i = j + 1; i < d; i++) {
            const size_t from = 1 + 2 * d + i * d + j;
            output[place++] = sum[from] + once[from];
        }
}

static bool evaluate_programs(void *state, const gb_task *task, double *output, gb_error *error)
{
    const gmm_input *input = task->input;
    const size_t d = input->d, k = input->k, n = input->n, count = count_component(d);
    gmm_programs *s = state;
    double value = 0, *mixing_once = s->once + count;
    for (size_t i = 0; i < n; i++)
        memcpy(s->each + i * (d + 1), input->x.numbers + i * d, d * sizeof(double));

    const ag_arrays term = {.shared = s->shared, .each = s->each, .map = s->row, .once = s->once};
    for (size_t j = 0; j < k; j++) {
        gather_component(input, j, s->shared);
        if (!gb_run(&s->term, n, &term, error))
            return false;
        value += s->once[0];
        for (size_t i = 0; i < n; i++)
            s->terms[i * k + j] = s->row[i];
    }
    const ag_arrays mixing = {
        .shared = s->mixing_shared,
        .each = s->terms,
        .sum = s->sum,
        .map = s->mixed,
        .once = mixing_once,
    };
    memcpy(s->mixing_shared, input->shared.numbers, k * sizeof(double));
    memcpy(s->mixing_shared + k, input->shared.numbers + count_parameters(input),
           2 * sizeof(double));
    if (!gb_run(&s->mixing, n, &mixing, error))
        return false;
    if (task->function == GMM_OBJECTIVE) {
        output[0] = value + s->sum[0] + mixing_once[0];
        return true;
    }

    const ag_arrays gradient = {
        .shared = s->shared, .each = s->each, .sum = s->sum, .once = s->once};
    memcpy(output, mixing_once + 1, k * sizeof(*output));
    for (size_t j = 0; j < k; j++) {
        gather_component(input, j, s->shared);
        for (size_t i = 0; i < n; i++)
            s->each[i * (d + 1) + d] = s->mixed[i * k + j];
        if (!gb_run(&s->gradient, n, &gradient, error))
            return false;
        scatter_gradient(input, j, s->sum, s->once, output);
    }
    return true;
}

static const gb_way program = {"program", prepare_programs, evaluate_programs, free_programs};

/* ---- Input and output ------------------------------------------------------------------------ */

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    gmm_input *input = self;
    gb_list *shared = &input->shared;
    if (!gb_read_count(json, "d", 1, &input->d, error) ||
        !gb_read_count(json, "k", 1, &input->k, error) ||
        !gb_read_count(json, "n", 1, &input->n, error))
        return false;
    double *x = gb_read_rows(json, "x", &input->n, &input->d, error);
    size_t k = input->k, d = input->d, triangle = count_triangle(input);
    double *last = bench_allocate(2, sizeof(*last));
    const bool good =
        gb_append(&input->x, input->n * input->d, x) &&
        gb_append(shared, k, gb_read_list(json, "alpha", &k, error)) &&
        gb_append(shared, k * d, gb_read_rows(json, "mu", &k, &d, error)) &&
        gb_append(shared, k * d, gb_read_rows(json, "q", &k, &d, error)) &&
        gb_append(shared, k * triangle, gb_read_rows(json, "l", &k, &triangle, error)) &&
        gb_read_number(json, "m", &last[0], error) &&
        gb_read_number(json, "gamma", &last[1], error);
    if (!good) {
        free(last);
        return false;
    }
    return gb_append(shared, 2, last);
}

/* sizes: d, k, n. As GradBench does, with m = 0 and gamma = 1. */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    gmm_input *input = self;
    input->d = sizes[0];
    input->k = sizes[1];
    input->n = sizes[2];
    gb_make_list(&input->shared, count_parameters(input) + 2, random);
    input->shared.numbers[input->shared.count - 2] = 0;
    input->shared.numbers[input->shared.count - 1] = 1;
    gb_make_list(&input->x, input->n * input->d, random);
}

static void clear_input(void *self)
{
    gmm_input *input = self;
    gb_clear_list(&input->shared);
    gb_clear_list(&input->x);
}

static size_t count_outputs(const void *self, int function)
{
    return function == GMM_OBJECTIVE ? 1 : count_parameters(self);
}

static json_t *write_output(const void *self, int function, const double *output)
{
    const gmm_input *input = self;
    const size_t k = input->k, d = input->d;
    if (function == GMM_OBJECTIVE)
        return json_real(output[0]);
    return json_pack("{s:o, s:o, s:o, s:o}",                       /**/
                     "alpha", gb_write_list(k, output),            /**/
                     "mu", gb_write_rows(k, d, output + k),        /**/
                     "q", gb_write_rows(k, d, output + k + k * d), /**/
                     "l", gb_write_rows(k, count_triangle(input), output + k + 2 * k * d));
}

const gb_workload gmm_workload = {
    .name = "gmm",
    .functions = {[GMM_OBJECTIVE] = "objective", [GMM_JACOBIAN] = "jacobian"},
    .ways = {&program, &gb_total_flat, &gb_total_tape, &gmm_hand},
    .input_size = sizeof(gmm_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = count_outputs,
    .write = write_output,
    .total = {.batch = find_batch, .record_sample = record_sample, .record_once = record_once},
};
