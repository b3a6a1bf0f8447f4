/* SPDX-License-Identifier: MIT
 *
 * gmm: the logarithm of a mixture of k normal distributions in d dimensions at n samples, with a
 * Wishart prior, and its gradient with respect to the mixture's parameters. The inverse of a
 * component's covariance is Q'Q with Q lower triangular, exp(q) on its diagonal, and below that l,
 * column by column.
 *
 *     sum over samples x of logsumexp over components of
 *         alpha + sum(q) - |Q (x - mu)|^2 / 2
 *
 * is recorded for one sample; what is the same for all of them once.
 */
#include "gradbench.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum {
    OBJECTIVE,
    JACOBIAN
};

typedef struct gmm_input {
    gb_list shared; /* alpha: k; mu, q: k x d; l: k x d (d - 1) / 2; m; gamma */
    gb_list x;      /* n x d */
    size_t d, k, n;
} gmm_input;

static size_t count_triangle(const gmm_input *input)
{
    return input->d * (input->d - 1) / 2;
}

static size_t count_parameters(const gmm_input *input)
{
    return input->k * (1 + 2 * input->d + count_triangle(input));
}

/* ---- What is computed ------------------------------------------------------------------------ */

typedef struct mixture {
    const ag_value *alpha, *mu, *q, *l;
    ag_value m, gamma;
} mixture;

static mixture find_mixture(const gmm_input *input, const ag_value *shared)
{
    const size_t k = input->k, d = input->d;
    return (mixture){
        .alpha = shared,
        .mu = shared + k,
        .q = shared + k + k * d,
        .l = shared + k + 2 * k * d,
        .m = shared[count_parameters(input)],
        .gamma = shared[count_parameters(input) + 1],
    };
}

/* |Q (x - mu)|^2; room has 3 d values. */
static ag_value record_distance(size_t d, const ag_value *x, const ag_value *mu, const ag_value *q,
                                const ag_value *l, ag_value *room)
{
    ag_value *difference = room, *row = room + d, *product = room + 2 * d;
    for (size_t i = 0; i < d; i++) {
        difference[i] = ag_sub(x[i], mu[i]);
        for (size_t j = 0, column = 0; j < i; column += d - 1 - j, j++)
            row[j] = l[column + i - j - 1];
        row[i] = ag_exp(q[i]);
        product[i] = ag_dot(i + 1, row, difference);
    }
    return ag_dot(d, product, product);
}

static ag_value record_sample(ag_graph *graph, const void *self, const ag_value *shared,
                              const ag_value *x)
{
    const gmm_input *input = self;
    const size_t d = input->d, k = input->k, triangle = count_triangle(input);
    const mixture mix = find_mixture(input, shared);
    ag_value *terms = bench_allocate(k + 3 * d, sizeof(*terms));
    (void)graph;
    for (size_t i = 0; i < k; i++) {
        const ag_value *q = mix.q + i * d;
        const ag_value distance =
            record_distance(d, x, mix.mu + i * d, q, mix.l + i * triangle, terms + k);
        terms[i] = ag_sub(ag_add(mix.alpha[i], ag_sum(d, q)), ag_scale(distance, (ag_real)0.5));
    }
    const ag_value sum = ag_logsumexp(k, terms);
    free(terms);
    return sum;
}

/* Of the Wishart distribution's normalisation: with nu = d + m + 1,
 *
 *     nu d (log(gamma) - log(2) / 2) - log of the d-dimensional gamma function at nu / 2 */
static ag_value record_normalisation(size_t d, const mixture *mix)
{
    const double log_2 = 0.69314718055994530942, log_pi = 1.14472988584940017414;
    const double size = (double)d;
    const ag_value nu = ag_shift(mix->m, (ag_real)(size + 1));
    ag_value sum =
        ag_mul(ag_scale(nu, (ag_real)size), ag_shift(ag_log(mix->gamma), (ag_real)(-log_2 / 2)));
    sum = ag_shift(sum, (ag_real)(-size * (size - 1) / 4 * log_pi));
    for (size_t i = 0; i < d; i++)
        sum = ag_sub(sum, ag_lgamma(ag_scale(ag_shift(nu, -(ag_real)i), (ag_real)0.5)));
    return sum;
}

static ag_value record_once(ag_graph *graph, const void *self, const ag_value *shared)
{
    const double log_2pi = 1.83787706640934548356;
    const gmm_input *input = self;
    const size_t d = input->d, k = input->k, triangle = count_triangle(input);
    const double n = (double)input->n;
    const mixture mix = find_mixture(input, shared);
    ag_value *exp_q = bench_allocate(k * d, sizeof(*exp_q));
    for (size_t i = 0; i < k * d; i++)
        exp_q[i] = ag_exp(mix.q[i]);
    ag_value squares = ag_dot(k * d, exp_q, exp_q);
    if (triangle > 0)
        squares = ag_add(squares, ag_dot(k * triangle, mix.l, mix.l));
    ag_value sum = ag_scale(ag_mul(ag_square(mix.gamma), squares), (ag_real)-0.5);
    sum = ag_add(sum, ag_mul(mix.m, ag_sum(k * d, mix.q)));
    sum = ag_add(sum, ag_scale(record_normalisation(d, &mix), (ag_real)k));
    sum = ag_sub(sum, ag_scale(ag_logsumexp(k, mix.alpha), (ag_real)n));
    free(exp_q);
    (void)graph;
    return ag_shift(sum, (ag_real)(-n * (double)d / 2 * log_2pi));
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
    return function == OBJECTIVE ? 1 : count_parameters(self);
}

static json_t *write_output(const void *self, int function, const double *output)
{
    const gmm_input *input = self;
    const size_t k = input->k, d = input->d;
    if (function == OBJECTIVE)
        return json_real(output[0]);
    return json_pack("{s:o, s:o, s:o, s:o}",                       /**/
                     "alpha", gb_write_list(k, output),            /**/
                     "mu", gb_write_rows(k, d, output + k),        /**/
                     "q", gb_write_rows(k, d, output + k + k * d), /**/
                     "l", gb_write_rows(k, count_triangle(input), output + k + 2 * k * d));
}

const gb_workload gmm_workload = {
    .name = "gmm",
    .functions = {[OBJECTIVE] = "objective", [JACOBIAN] = "jacobian"},
    .ways = {&gb_total_program, &gb_total_tape},
    .input_size = sizeof(gmm_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = count_outputs,
    .write = write_output,
    .total = {.batch = find_batch, .record_sample = record_sample, .record_once = record_once},
};
