/* SPDX-License-Identifier: MIT
 *
 * The nets as somebody would write them who knows the sizes and wants speed: plain C loops for the
 * compiler to vectorise, each net of its own with constant sizes. Samples go forward and backward
 * one at a time; the gradient of a weight is summed over the mini-batch in a register and
 * subtracted from the weight at once. A peer: built with -O3 -march=native, without -ffast-math.
 *
 * Weights of hidden layers are stored in x out, so that nothing has to be added up across a vector;
 * those of the last layer, which has few outputs, out x in.
 */
#include "hand_loops.h"
#include "nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDEST = 128,
    PADDED = 16, /* outputs, and some more that softmax takes with it */
};

typedef struct hand {
    const bench_job *job;
    number *parameters; /* in the order of the job's layers; each weights, then biases */
    number *hidden[MAX_LAYERS - 1], *hidden_delta[MAX_LAYERS - 1]; /* batch x units */
    number *output_delta;                                          /* batch x outputs */
    double (*step)(struct hand *hand, const number *x, const number *t);
} hand;

/* ---- Kernels --------------------------------------------------------------------------------- */

/* w[i][j] -= rate p[i] q[j]; w is n x m */
INLINE void step_weights_once(int n, int m, number rate, const number *restrict p,
                              const number *restrict q, number *restrict w)
{
    number scaled[WIDEST];
    for (int j = 0; j < m; j++)
        scaled[j] = rate * q[j];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++)
            w[i * m + j] -= p[i] * scaled[j];
}

/* w[i][j] -= rate * sum over the batch of p[.][i] q[.][j]; w is n x m */
INLINE void step_weights(int n, int m, int batch, number rate, const number *restrict p,
                         const number *restrict q, number *restrict w)
{
    if (batch == 1) {
        step_weights_once(n, m, rate, p, q, w);
        return;
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < m; j += BLOCK) {
            const int width = m - j < BLOCK ? m - j : BLOCK;
            number sum[BLOCK] = {0};
            for (int s = 0; s < batch; s++)
                for (int k = 0; k < width; k++)
                    sum[k] += p[s * n + i] * q[s * m + j + k];
            for (int k = 0; k < width; k++)
                w[i * m + j + k] -= rate * sum[k];
        }
    }
}

INLINE void step_biases(int m, int batch, number rate, const number *restrict d, number *restrict b)
{
    number sum[WIDEST] = {0};
    for (int s = 0; s < batch; s++)
        for (int j = 0; j < m; j++)
            sum[j] += d[s * m + j];
    for (int j = 0; j < m; j++)
        b[j] -= rate * sum[j];
}

/* ---- Losses: from outputs without their biases to their gradient ------------------------------ */

INLINE number square_error(int n, const number *b, const number *z, const number *t, number *d)
{
    number loss = 0;
    for (int j = 0; j < n; j++) {
        d[j] = z[j] + b[j] - t[j];
        loss += d[j] * d[j] / 2;
    }
    return loss;
}

INLINE number cross_entropy(int n, const number *b, const number *z, const number *t, number *d)
{
    number e[PADDED], largest = z[0] + b[0], total = 0, loss = 0;
    for (int j = 0; j < PADDED; j++)
        e[j] = -100; /* beyond the outputs: what exp makes of it is not looked at */
    for (int j = 0; j < n; j++) {
        e[j] = z[j] + b[j];
        largest = e[j] > largest ? e[j] : largest;
    }
    for (int j = 0; j < n; j++) {
        e[j] -= largest;
        loss -= t[j] * e[j];
    }
#pragma omp simd
    for (int j = 0; j < PADDED; j++)
        e[j] = NUMBER(exp)(e[j]);
    for (int j = 0; j < n; j++)
        total += e[j];
    for (int j = 0; j < n; j++)
        d[j] = e[j] / total - t[j];
    return loss + NUMBER(log)(total);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

INLINE double step_two(hand *h, const number *x, const number *t, int in, int mid, int out)
{
    const int batch = (int)h->job->batch;
    const number rate = h->job->rate / (number)batch;
    number *w1 = h->parameters, *b1 = w1 + in * mid, *w2 = b1 + mid, *b2 = w2 + mid * out;
    number z[PADDED], loss = 0;
    for (int s = 0; s < batch; s++) {
        number *y = h->hidden[0] + s * mid, *dy = h->hidden_delta[0] + s * mid;
        number *dz = h->output_delta + s * out;
        add_rows(in, mid, w1, x + s * in, y);
        activate(mid, b1, y);
        dot_rows(mid, out, w2, y, z);
        loss += cross_entropy(out, b2, z, t + s * out, dz);
        add_rows(out, mid, w2, dz, dy);
        undo_activation(mid, y, dy);
    }
    step_weights(in, mid, batch, rate, x, h->hidden_delta[0], w1);
    step_biases(mid, batch, rate, h->hidden_delta[0], b1);
    step_weights(out, mid, batch, rate, h->output_delta, h->hidden[0], w2);
    step_biases(out, batch, rate, h->output_delta, b2);
    return (double)loss;
}

INLINE double step_three(hand *h, const number *x, const number *t, int in, int mid, int out)
{
    const int batch = (int)h->job->batch;
    const number rate = h->job->rate / (number)batch;
    number *w1 = h->parameters, *b1 = w1 + in * mid, *w2 = b1 + mid, *b2 = w2 + mid * mid;
    number *w3 = b2 + mid, *b3 = w3 + mid * out;
    number z[PADDED], loss = 0;
    for (int s = 0; s < batch; s++) {
        number *y1 = h->hidden[0] + s * mid, *d1 = h->hidden_delta[0] + s * mid;
        number *y2 = h->hidden[1] + s * mid, *d2 = h->hidden_delta[1] + s * mid;
        number *dz = h->output_delta + s * out;
        add_rows(in, mid, w1, x + s * in, y1);
        activate(mid, b1, y1);
        add_rows(mid, mid, w2, y1, y2);
        activate(mid, b2, y2);
        dot_rows(mid, out, w3, y2, z);
        loss += square_error(out, b3, z, t + s * out, dz);
        add_rows(out, mid, w3, dz, d2);
        undo_activation(mid, y2, d2);
        dot_rows(mid, mid, w2, d2, d1);
        undo_activation(mid, y1, d1);
    }
    step_weights(in, mid, batch, rate, x, h->hidden_delta[0], w1);
    step_biases(mid, batch, rate, h->hidden_delta[0], b1);
    step_weights(mid, mid, batch, rate, h->hidden[0], h->hidden_delta[1], w2);
    step_biases(mid, batch, rate, h->hidden_delta[1], b2);
    step_weights(out, mid, batch, rate, h->output_delta, h->hidden[1], w3);
    step_biases(out, batch, rate, h->output_delta, b3);
    return (double)loss;
}

static double step_2_16_16_1(hand *h, const number *x, const number *t)
{
    return step_three(h, x, t, 2, 16, 1);
}

static double step_64_32_10(hand *h, const number *x, const number *t)
{
    return step_two(h, x, t, 64, 32, 10);
}

static double step_784_128_10(hand *h, const number *x, const number *t)
{
    return step_two(h, x, t, 784, 128, 10);
}

/* ---- The trainer ----------------------------------------------------------------------------- */

static void copy_parameters(const bench_net *net, const number *from, number *to,
                            bool transpose_from)
{
    for (int layer = 0; layer < net->layers; layer++) {
        const int in = net->sizes[layer], out = net->sizes[layer + 1];
        const bool as_it_is = layer == net->layers - 1;
        for (int j = 0; j < out; j++) {
            for (int i = 0; i < in; i++) {
                const int here = j * in + i, there = as_it_is ? here : i * out + j;
                to[transpose_from ? here : there] = from[transpose_from ? there : here];
            }
        }
        memcpy(to + in * out, from + in * out, (size_t)out * sizeof(*to));
        from += (in + 1) * out;
        to += (in + 1) * out;
    }
}

static void reset(void *self)
{
    hand *h = self;
    copy_parameters(&h->job->net, h->job->parameters, h->parameters, false);
}

static void *open_hand(const bench_job *job)
{
    static const struct {
        const char *name;
        double (*step)(hand *h, const number *x, const number *t);
    } steps[] = {{"2-16-16-1", step_2_16_16_1},
                 {"64-32-10", step_64_32_10},
                 {"784-128-10", step_784_128_10}};
    hand *h = bench_allocate(1, sizeof(*h));
    h->job = job;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strcmp(job->net.name, steps[i].name) == 0)
            h->step = steps[i].step;
    if (h->step == NULL) {
        fprintf(stderr, "bench: no loops for %s\n", job->net.name);
        free(h);
        return NULL;
    }
    const int last = job->net.layers - 1;
    h->parameters = bench_allocate(job->parameter_count, sizeof(number));
    for (int i = 0; i < last; i++) {
        const size_t count = job->batch * (size_t)job->net.sizes[i + 1];
        h->hidden[i] = bench_allocate(count, sizeof(number));
        h->hidden_delta[i] = bench_allocate(count, sizeof(number));
    }
    h->output_delta = bench_allocate(job->batch * (size_t)job->net.sizes[last + 1], sizeof(number));
    reset(h);
    return h;
}

static double train(void *self, size_t first, size_t steps)
{
    hand *h = self;
    const bench_job *job = h->job;
    const size_t in = (size_t)job->net.sizes[0], out = (size_t)job->net.sizes[job->net.layers];
    double loss = 0;
    for (size_t k = first; k < first + steps; k++) {
        const size_t row = k % job->batches * job->batch;
        loss = h->step(h, job->inputs + row * in, job->targets + row * out);
    }
    return loss;
}

static void read_parameters(void *self, number *parameters)
{
    hand *h = self;
    copy_parameters(&h->job->net, h->parameters, parameters, true);
}

static void close_hand(void *self)
{
    hand *h = self;
    for (int i = 0; i < MAX_LAYERS - 1; i++) {
        free(h->hidden[i]);
        free(h->hidden_delta[i]);
    }
    free(h->output_delta);
    free(h->parameters);
    free(h);
}

static const char *describe(void)
{
    return BENCH_VECTOR_MATH;
}

const bench_trainer train_by_hand = {
    .name = "C loops by hand",
    .describe = describe,
    .open = open_hand,
    .reset = reset,
    .train = train,
    .read = read_parameters,
    .close = close_hand,
};
