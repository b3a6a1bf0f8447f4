/* SPDX-License-Identifier: MIT
 *
 * Loops that nets and other functions written by hand are made of, in the form that compilers vectorise
 * without -ffast-math: several rows at a time, sums across a vector only where `omp simd` allows them.
 * With constant sizes they are unrolled where they are used.
 */
#ifndef BENCH_HAND_LOOPS_H
#define BENCH_HAND_LOOPS_H

#include "number.h"
#include "vector_math.h"

#include <stddef.h>

enum {
    BLOCK = 64
};

#define INLINE static inline __attribute__((always_inline))

/* y = sum_i x[i] w[i][.]; w is n x m */
INLINE void add_rows(int n, int m, const number *restrict w, const number *restrict x,
                     number *restrict y)
{
    const int whole = m / BLOCK * BLOCK;
    for (int j = 0; j < whole; j += BLOCK) {
        number sum[BLOCK] = {0};
        for (int i = 0; i < n; i++)
            for (int k = 0; k < BLOCK; k++)
                sum[k] += x[i] * w[i * m + j + k];
        for (int k = 0; k < BLOCK; k++)
            y[j + k] = sum[k];
    }
    for (int k = whole; k < m; k++)
        y[k] = 0;
    for (int i = 0; i < n; i++)
        for (int k = whole; k < m; k++)
            y[k] += x[i] * w[i * m + k];
}

/* y[j] = w[j][.] . x; w is m x n */
INLINE void dot_rows(int n, int m, const number *restrict w, const number *restrict x,
                     number *restrict y)
{
    const int whole = m / 4 * 4;
    for (int j = 0; j < whole; j += 4) {
        const number *w0 = w + j * n, *w1 = w0 + n, *w2 = w1 + n, *w3 = w2 + n;
        number y0 = 0, y1 = 0, y2 = 0, y3 = 0;
#pragma omp simd reduction(+ : y0, y1, y2, y3)
        for (int i = 0; i < n; i++) {
            y0 += w0[i] * x[i];
            y1 += w1[i] * x[i];
            y2 += w2[i] * x[i];
            y3 += w3[i] * x[i];
        }
        y[j] = y0;
        y[j + 1] = y1;
        y[j + 2] = y2;
        y[j + 3] = y3;
    }
    for (int j = whole; j < m; j++) {
        const number *row = w + j * n;
        number sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < n; i++)
            sum += row[i] * x[i];
        y[j] = sum;
    }
}

INLINE void activate(int n, const number *restrict b, number *restrict y)
{
#pragma omp simd
    for (int j = 0; j < n; j++)
        y[j] = NUMBER(tanh)(y[j] + b[j]);
}

/* log sum_i exp(x_i); shares: its gradient */
INLINE number log_sum_exp(size_t n, const number *restrict x, number *restrict shares)
{
    number largest = x[0], total = 0;
#pragma omp simd reduction(max : largest)
    for (size_t i = 0; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < n; i++) {
        const number e = NUMBER(exp)(x[i] - largest);
        shares[i] = e;
        total += e;
    }
    const number share = 1 / total;
    for (size_t i = 0; i < n; i++)
        shares[i] *= share;
    return largest + NUMBER(log)(total);
}

INLINE void undo_activation(int n, const number *restrict y, number *restrict d)
{
    for (int j = 0; j < n; j++)
        d[j] *= 1 - y[j] * y[j];
}

#endif
