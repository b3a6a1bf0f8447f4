/* SPDX-License-Identifier: MIT
 *
 * gmm with its derivatives by hand: a peer, built with -O3 -march=native, without -ffast-math. The
 * triangle is gone through as it lies there, column by column.
 */
#include "gmm.h"

#include "bench.h"
#include "hand_loops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pointers into the parameters, or into their gradient. */
typedef struct mixture {
    double *alpha, *mu, *q, *l;
} mixture;

static mixture find_mixture(const gmm_input *input, double *numbers)
{
    const size_t k = input->k, d = input->d;
    return (mixture){numbers, numbers + k, numbers + k + k * d, numbers + k + 2 * k * d};
}

/* |Q (x - mu)|^2 */
static double find_distance(size_t d, const double *restrict x, const double *restrict mu,
                            const double *restrict exp_q, const double *restrict l,
                            double *restrict difference, double *restrict product)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++) {
        difference[i] = x[i] - mu[i];
        product[i] = exp_q[i] * difference[i];
    }
    for (size_t j = 0; j < d; l += d - 1 - j, j++)
        for (size_t i = j + 1; i < d; i++)
            product[i] += l[i - j - 1] * difference[j];
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < d; i++)
        sum += product[i] * product[i];
    return sum;
}

/* Of share * (sum(q) - |Q (x - mu)|^2 / 2) */
static void add_gradient(size_t d, double share, const double *restrict exp_q,
                         const double *restrict l, const double *restrict difference,
                         double *restrict product, double *restrict dmu, double *restrict dq,
                         double *restrict dl)
{
    for (size_t i = 0; i < d; i++)
        product[i] *= share;
    for (size_t j = 0; j < d; l += d - 1 - j, dl += d - 1 - j, j++) {
        const double diagonal = exp_q[j] * product[j], factor = difference[j];
        double sum = diagonal;
#pragma omp simd reduction(+ : sum)
        for (size_t i = j + 1; i < d; i++) {
            sum += l[i - j - 1] * product[i];
            dl[i - j - 1] -= product[i] * factor;
        }
        dmu[j] += sum;
        dq[j] += share - diagonal * factor;
    }
}

static double find_normalisation(size_t d, double m, double gamma)
{
    const double log_2 = 0.69314718055994530942, log_pi = 1.14472988584940017414;
    const double size = (double)d, nu = size + m + 1;
    double sum = nu * size * (log(gamma) - log_2 / 2) - size * (size - 1) / 4 * log_pi;
    for (size_t i = 0; i < d; i++)
        sum -= lgamma((nu - (double)i) / 2);
    return sum;
}

/* Sets the gradient, and returns the value, of what parameters alone add; shares are those of
 * logsumexp(alpha). */
static double find_prior(const gmm_input *input, const mixture *mix, const double *exp_q,
                         double *shares, const mixture *gradient)
{
    const double log_2pi = 1.83787706640934548356;
    const size_t k = input->k, d = input->d, triangle = d * (d - 1) / 2;
    const double n = (double)input->n, m = mix->l[k * triangle], gamma = mix->l[k * triangle + 1];
    double squares = 0, sum_q = 0;
    const double log_alpha = log_sum_exp(k, mix->alpha, shares);
#pragma omp simd reduction(+ : squares, sum_q)
    for (size_t i = 0; i < k * d; i++) {
        squares += exp_q[i] * exp_q[i];
        sum_q += mix->q[i];
    }
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < k * triangle; i++)
        squares += mix->l[i] * mix->l[i];
    if (gradient != NULL) {
        for (size_t i = 0; i < k; i++)
            gradient->alpha[i] = -n * shares[i];
        for (size_t i = 0; i < k * d; i++) {
            gradient->mu[i] = 0;
            gradient->q[i] = m - gamma * gamma * exp_q[i] * exp_q[i];
        }
        for (size_t i = 0; i < k * triangle; i++)
            gradient->l[i] = -gamma * gamma * mix->l[i];
    }
    return -n * (double)d / 2 * log_2pi - n * log_alpha - gamma * gamma * squares / 2 + m * sum_q +
           (double)k * find_normalisation(d, m, gamma);
}

static bool evaluate(void *state, const gb_task *task, double *output, gb_error *error)
{
    const gmm_input *input = task->input;
    const size_t d = input->d, k = input->k, triangle = d * (d - 1) / 2;
    const bool derived = task->function == GMM_JACOBIAN;
    const mixture mix = find_mixture(input, input->shared.numbers),
                  gradient = find_mixture(input, output);
    double *exp_q = bench_allocate(3 * k * d + 3 * k, sizeof(*exp_q));
    double *differences = exp_q + k * d, *products = differences + k * d, *terms = products + k * d,
           *shares = terms + k, *sum_q = shares + k;
    (void)state;
    (void)error;
#pragma omp simd
    for (size_t i = 0; i < k * d; i++)
        exp_q[i] = exp(mix.q[i]);
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < d; i++)
            sum_q[j] += mix.q[j * d + i];
    double value = find_prior(input, &mix, exp_q, shares, derived ? &gradient : NULL);
    for (size_t i = 0; i < input->n; i++) {
        const double *x = input->x.numbers + i * d;
        for (size_t j = 0; j < k; j++) {
            const size_t at = j * d;
            terms[j] = mix.alpha[j] + sum_q[j] -
                       find_distance(d, x, mix.mu + at, exp_q + at, mix.l + j * triangle,
                                     differences + at, products + at) /
                           2;
        }
        value += log_sum_exp(k, terms, shares);
        for (size_t j = 0; derived && j < k; j++) {
            const size_t at = j * d;
            gradient.alpha[j] += shares[j];
            add_gradient(d, shares[j], exp_q + at, mix.l + j * triangle, differences + at,
                         products + at, gradient.mu + at, gradient.q + at,
                         gradient.l + j * triangle);
        }
    }
    if (!derived)
        output[0] = value;
    free(exp_q);
    return true;
}

const gb_way gmm_hand = {.name = "hand", .evaluate = evaluate};
