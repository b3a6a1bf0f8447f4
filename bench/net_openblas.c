/* SPDX-License-Identifier: MIT
 *
 * The nets as mini-batch matrix products, written by hand with OpenBLAS: a gemm each for a layer's
 * outputs, for the gradient of its inputs, and for its weights, from which the product with the rate
 * is subtracted by the gemm itself. One sample alone takes gemv and ger, which are faster there. The
 * rest (tanh, softmax, biases) is loops for the compiler to vectorise. A peer: built with -O3
 * -march=native, without -ffast-math.
 */
#include "nets.h"
#include "vector_math.h"

#include <cblas.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BENCH_FLOAT
#define BLAS(name) cblas_s##name
#else
#define BLAS(name) cblas_d##name
#endif

typedef struct blas {
    const bench_job *job;
    number *parameters;
    number *outputs[MAX_LAYERS], *deltas[MAX_LAYERS]; /* batch x units of each layer */
} blas;

/* ---- Matrices -------------------------------------------------------------------------------- */

/* y = x w^T; w is out x in */
static void multiply(int batch, int in, int out, const number *x, const number *w, number *y)
{
    if (batch == 1)
        BLAS(gemv)(CblasRowMajor, CblasNoTrans, out, in, 1, w, in, x, 1, 0, y, 1);
    else
        BLAS(gemm)
    (CblasRowMajor, CblasNoTrans, CblasTrans, batch, out, in, 1, x, in, w, in, 0, y, out);
}

/* dx = d w */
static void multiply_back(int batch, int in, int out, const number *d, const number *w, number *dx)
{
    if (batch == 1)
        BLAS(gemv)(CblasRowMajor, CblasTrans, out, in, 1, w, in, d, 1, 0, dx, 1);
    else
        BLAS(gemm)
    (CblasRowMajor, CblasNoTrans, CblasNoTrans, batch, in, out, 1, d, out, w, in, 0, dx, in);
}

/* w -= rate d^T x, and the biases behind w */
static void step_layer(int batch, int in, int out, number rate, const number *x, const number *d,
                       number *w)
{
    if (batch == 1)
        BLAS(ger)(CblasRowMajor, out, in, -rate, d, 1, x, 1, w, in);
    else
        BLAS(gemm)
    (CblasRowMajor, CblasTrans, CblasNoTrans, out, in, batch, -rate, d, out, x, in, 1, w, in);
    number *restrict b = w + in * out;
    for (int s = 0; s < batch; s++)
        for (int j = 0; j < out; j++)
            b[j] -= rate * d[s * out + j];
}

/* ---- Elements -------------------------------------------------------------------------------- */

static void activate(int batch, int n, const number *restrict b, number *restrict y)
{
    for (int s = 0; s < batch; s++) {
#pragma omp simd
        for (int j = 0; j < n; j++)
            y[s * n + j] = NUMBER(tanh)(y[s * n + j] + b[j]);
    }
}

static void undo_activation(int n, const number *restrict y, number *restrict d)
{
    for (int i = 0; i < n; i++)
        d[i] *= 1 - y[i] * y[i];
}

static double square_error(int batch, int n, const number *b, const number *restrict z,
                           const number *restrict t, number *restrict d)
{
    number loss = 0;
    for (int s = 0; s < batch; s++) {
        for (int j = 0; j < n; j++) {
            const number e = z[s * n + j] + b[j] - t[s * n + j];
            d[s * n + j] = e;
            loss += e * e / 2;
        }
    }
    return (double)loss;
}

/* d = exp(z - its row's maximum) in one loop over all rows, for the sake of vectors */
static double cross_entropy(int batch, int n, const number *b, const number *restrict z,
                            const number *restrict t, number *restrict d)
{
    number loss = 0;
    for (int s = 0; s < batch; s++) {
        number largest = z[s * n] + b[0];
        for (int j = 0; j < n; j++) {
            const number e = z[s * n + j] + b[j];
            d[s * n + j] = e;
            largest = e > largest ? e : largest;
        }
        for (int j = 0; j < n; j++) {
            d[s * n + j] -= largest;
            loss -= t[s * n + j] * d[s * n + j];
        }
    }
#pragma omp simd
    for (int i = 0; i < batch * n; i++)
        d[i] = NUMBER(exp)(d[i]);
    for (int s = 0; s < batch; s++) {
        number total = 0;
        for (int j = 0; j < n; j++)
            total += d[s * n + j];
        const number share = 1 / total;
        for (int j = 0; j < n; j++)
            d[s * n + j] = d[s * n + j] * share - t[s * n + j];
        loss += NUMBER(log)(total);
    }
    return (double)loss;
}

/* ---- The trainer ----------------------------------------------------------------------------- */

static double step(blas *m, const number *x, const number *t)
{
    const bench_net *net = &m->job->net;
    const int batch = (int)m->job->batch, last = net->layers - 1;
    number *w[MAX_LAYERS];
    const number *inputs = x;
    w[0] = m->parameters;
    for (int layer = 0; layer <= last; layer++) {
        const int in = net->sizes[layer], out = net->sizes[layer + 1];
        multiply(batch, in, out, inputs, w[layer], m->outputs[layer]);
        if (layer == last)
            break;
        activate(batch, out, w[layer] + in * out, m->outputs[layer]);
        inputs = m->outputs[layer];
        w[layer + 1] = w[layer] + (in + 1) * out;
    }
    const int outputs = net->sizes[last + 1];
    const double loss = (net->softmax ? cross_entropy : square_error)(
        batch, outputs, w[last] + net->sizes[last] * outputs, m->outputs[last], t, m->deltas[last]);
    for (int layer = last; layer >= 0; layer--) {
        const int in = net->sizes[layer], out = net->sizes[layer + 1];
        const number *below = layer == 0 ? x : m->outputs[layer - 1];
        if (layer > 0) {
            multiply_back(batch, in, out, m->deltas[layer], w[layer], m->deltas[layer - 1]);
            undo_activation(batch * in, below, m->deltas[layer - 1]);
        }
        step_layer(batch, in, out, m->job->rate / (number)batch, below, m->deltas[layer], w[layer]);
    }
    return loss;
}

static void reset(void *self)
{
    blas *m = self;
    memcpy(m->parameters, m->job->parameters, m->job->parameter_count * sizeof(number));
    openblas_set_num_threads((int)m->job->threads);
}

static void *open_blas(const bench_job *job)
{
    blas *m = bench_allocate(1, sizeof(*m));
    m->job = job;
    m->parameters = bench_allocate(job->parameter_count, sizeof(number));
    for (int i = 0; i < job->net.layers; i++) {
        const size_t count = job->batch * (size_t)job->net.sizes[i + 1];
        m->outputs[i] = bench_allocate(count, sizeof(number));
        m->deltas[i] = bench_allocate(count, sizeof(number));
    }
    reset(m);
    return m;
}

static double train(void *self, size_t first, size_t steps)
{
    blas *m = self;
    const bench_job *job = m->job;
    const size_t in = (size_t)job->net.sizes[0], out = (size_t)job->net.sizes[job->net.layers];
    double loss = 0;
    for (size_t k = first; k < first + steps; k++) {
        const size_t row = k % job->batches * job->batch;
        loss = step(m, job->inputs + row * in, job->targets + row * out);
    }
    return loss;
}

static void read_parameters(void *self, number *parameters)
{
    blas *m = self;
    memcpy(parameters, m->parameters, m->job->parameter_count * sizeof(number));
}

static void close_blas(void *self)
{
    blas *m = self;
    for (int i = 0; i < MAX_LAYERS; i++) {
        free(m->outputs[i]);
        free(m->deltas[i]);
    }
    free(m->parameters);
    free(m);
}

static const char *describe(void)
{
    static char text[200];
    (void)snprintf(text, sizeof(text), "%s, kernels for %s; " BENCH_VECTOR_MATH,
                   openblas_get_config(), openblas_get_corename());
    return text;
}

const bench_trainer train_openblas = {
    .name = "OpenBLAS by hand",
    .describe = describe,
    .threaded = true,
    .open = open_blas,
    .reset = reset,
    .train = train,
    .read = read_parameters,
    .close = close_blas,
};
