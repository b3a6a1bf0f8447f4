/* SPDX-License-Identifier: MIT
 *
 * Rosenbrock's function, log-sum-exp and a tanh net with their gradients by hand. Peers: built with
 * -O3 -march=native, without -ffast-math.
 */
#include "hand_loops.h"
#include "programs.h"

/* sum_i 100 (x_(i+1) - x_i^2)^2 + (1 - x_i)^2 */
double hand_rosenbrock(const double *restrict x, double *restrict gradient)
{
    double value = 0, slopes[ROSENBROCK_SIZE];
    const int last = ROSENBROCK_SIZE - 1;
#pragma omp simd reduction(+ : value)
    for (int i = 0; i < last; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        value += 100 * a * a + b * b;
        slopes[i] = 200 * a;
        gradient[i] = -400 * a * x[i] - 2 * b;
    }
    for (int i = 0; i < last - 1; i++)
        gradient[i + 1] += slopes[i];
    gradient[last] = slopes[last - 1];
    return value;
}

double hand_logsumexp(const double *restrict x, double *restrict gradient)
{
    return log_sum_exp(SUM_SIZE, x, gradient);
}

/* gradient = d x^T, and that of the biases behind it; out x in */
INLINE void set_gradient(int in, int out, const double *restrict d, const double *restrict x,
                         double *restrict gradient)
{
    for (int j = 0; j < out; j++)
        for (int i = 0; i < in; i++)
            gradient[j * in + i] = d[j] * x[i];
    for (int j = 0; j < out; j++)
        gradient[in * out + j] = d[j];
}

/* Half the squared error of a tanh net 64-64-64-1. */
double hand_net(const double *x, double *gradient)
{
    enum {
        N = NET_WIDTH,
        LAYER = N * (N + 1)
    };
    const double *w1 = x, *w2 = w1 + LAYER, *w3 = w2 + LAYER, *inputs = x + NET_PARAMETERS;
    double y1[N], y2[N], y3, d1[N], d2[N];
    dot_rows(N, N, w1, inputs, y1);
    activate(N, w1 + N * N, y1);
    dot_rows(N, N, w2, y1, y2);
    activate(N, w2 + N * N, y2);
    dot_rows(N, 1, w3, y2, &y3);
    const double d3 = y3 + w3[N] - inputs[N];
    for (int i = 0; i < N; i++)
        d2[i] = d3 * w3[i];
    undo_activation(N, y2, d2);
    add_rows(N, N, w2, d2, d1);
    undo_activation(N, y1, d1);
    set_gradient(N, N, d1, inputs, gradient);
    set_gradient(N, N, d2, y1, gradient + LAYER);
    set_gradient(N, 1, &d3, y2, gradient + 2 * LAYER);
    return d3 * d3 / 2;
}
