/* SPDX-License-Identifier: MIT
 *
 * Discrete adjoints by hand: see hand_workloads.h. Peers: built with -O3 -march=native and leave to
 * sum in any order, without -ffast-math.
 */
#include "hand_workloads.h"

#include "bench.h"
#include "vector_math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- llsq ------------------------------------------------------------------------------------ */

/* Places are taken together, so that each coefficient is a loop over them. */
double hand_llsq(size_t m, size_t n, const double *restrict x, double *restrict gradient)
{
    enum {
        TOGETHER = 64
    };
    double total = 0;
    if (gradient != NULL)
        memset(gradient, 0, m * sizeof(*gradient));
    for (size_t first = 0; first < n; first += TOGETHER) {
        const size_t count = n - first < TOGETHER ? n - first : TOGETHER;
        double t[TOGETHER] = {0}, power[TOGETHER] = {0}, rest[TOGETHER] = {0};
        for (size_t i = 0; i < count; i++) {
            t[i] = -1 + 2 * (double)(first + i) / (double)(n - 1);
            power[i] = 1;
            rest[i] = t[i] > 0 ? 1 : t[i] < 0 ? -1 : 0;
        }
        for (size_t j = 0; j < m; j++)
            for (size_t i = 0; i < TOGETHER; i++) {
                rest[i] -= x[j] * power[i];
                power[i] *= t[i];
            }
#pragma omp simd reduction(+ : total)
        for (size_t i = 0; i < TOGETHER; i++)
            total += 0.5 * rest[i] * rest[i];
        if (gradient == NULL)
            continue;
        /* rest, times powers of t, is what each coefficient adds */
        for (size_t j = 0; j < m; j++) {
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (size_t i = 0; i < TOGETHER; i++) {
                sum += rest[i];
                rest[i] *= t[i];
            }
            gradient[j] -= sum;
        }
    }
    return total;
}

/* ---- lse ------------------------------------------------------------------------------------- */

double hand_lse(size_t n, const double *restrict x, double *restrict gradient)
{
    double largest = x[0], total = 0;
#pragma omp simd reduction(max : largest)
    for (size_t i = 0; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    if (gradient == NULL) {
#pragma omp simd reduction(+ : total)
        for (size_t i = 0; i < n; i++)
            total += exp(x[i] - largest);
        return largest + log(total);
    }
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < n; i++) {
        const double e = exp(x[i] - largest);
        gradient[i] = e;
        total += e;
    }
    const double share = 1 / total;
    for (size_t i = 0; i < n; i++)
        gradient[i] *= share;
    return largest + log(total);
}

/* ---- ode ------------------------------------------------------------------------------------- */

/* slope = f(y + h last), with y + h last in `at` */
static void find_slope(size_t n, const double *restrict x, const double *restrict y, double h,
                       const double *restrict last, double *restrict at, double *restrict slope)
{
    for (size_t i = 0; i < n; i++)
        at[i] = y[i] + h * last[i];
    slope[0] = x[0];
    for (size_t i = 1; i < n; i++)
        slope[i] = x[i] * at[i - 1];
}

/* From the adjoint of f(at): adds to that of x; sets that of `at`. */
static void go_back(size_t n, const double *restrict x, const double *restrict at,
                    const double *restrict slope, double *restrict dx, double *restrict dat)
{
    dx[0] += slope[0];
    for (size_t i = 1; i < n; i++) {
        dx[i] += slope[i] * at[i - 1];
        dat[i - 1] = slope[i] * x[i];
    }
    dat[n - 1] = 0;
}

/* The adjoint of the slope of a stage: its weight in the step, and what the next stage says. */
static void weigh(size_t n, double weight, const double *restrict dy, double h,
                  const double *restrict next, double *restrict slope)
{
    for (size_t i = 0; i < n; i++)
        slope[i] = weight * dy[i] + h * next[i];
}

void hand_ode(size_t n, size_t steps, const double *x, double *result, double *gradient)
{
    const double h = 2.0 / (double)steps;
    const size_t kept = gradient == NULL ? 1 : steps;
    double *room = bench_allocate((12 + kept) * n, sizeof(*room)), *zeros = room + 11 * n;
    double *at[4], *k[4], *y = room, *dy = room + 9 * n, *next = room + 10 * n;
    double *states = room + 12 * n;
    for (size_t i = 0; i < 4; i++) {
        at[i] = room + (1 + i) * n;
        k[i] = room + (5 + i) * n;
    }
    for (size_t step = 0; step < steps; step++) {
        if (gradient != NULL)
            memcpy(states + step * n, y, n * sizeof(*y));
        find_slope(n, x, y, 0, zeros, at[0], k[0]);
        find_slope(n, x, y, h / 2, k[0], at[1], k[1]);
        find_slope(n, x, y, h / 2, k[1], at[2], k[2]);
        find_slope(n, x, y, h, k[2], at[3], k[3]);
        for (size_t i = 0; i < n; i++)
            y[i] += h / 6 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
    }
    if (result != NULL)
        memcpy(result, y, n * sizeof(*y));
    if (gradient != NULL) {
        memset(gradient, 0, n * sizeof(*gradient));
        dy[n - 1] = 1;
    }
    for (size_t step = gradient == NULL ? 0 : steps; step-- > 0;) {
        const double *start = states + step * n;
        find_slope(n, x, start, 0, zeros, at[0], k[0]);
        find_slope(n, x, start, h / 2, k[0], at[1], k[1]);
        find_slope(n, x, start, h / 2, k[1], at[2], k[2]);
        find_slope(n, x, start, h, k[2], at[3], k[3]);
        /* k are adjoints from here on, and at + h k is no longer needed when they are known */
        weigh(n, h / 6, dy, 0, zeros, k[3]);
        go_back(n, x, at[3], k[3], gradient, next);
        weigh(n, h / 3, dy, h, next, k[2]);
        memcpy(at[3], next, n * sizeof(*next));
        go_back(n, x, at[2], k[2], gradient, next);
        weigh(n, h / 3, dy, h / 2, next, k[1]);
        memcpy(at[2], next, n * sizeof(*next));
        go_back(n, x, at[1], k[1], gradient, next);
        weigh(n, h / 6, dy, h / 2, next, k[0]);
        memcpy(at[1], next, n * sizeof(*next));
        go_back(n, x, at[0], k[0], gradient, next);
        for (size_t i = 0; i < n; i++)
            dy[i] += at[3][i] + at[2][i] + at[1][i] + next[i];
    }
    free(room);
}

/* ---- det ------------------------------------------------------------------------------------- */

/* Each minor once: it has the rows from the bottom, and a set of columns, which are bits. A set comes
 * after all that it contains. */
double hand_det(size_t size, const double *restrict a, double *restrict gradient)
{
    const size_t count = (size_t)1 << size;
    double *minors = bench_allocate(2 * count, sizeof(*minors)), *adjoints = minors + count;
    minors[0] = 1;
    for (size_t columns = 1; columns < count; columns++) {
        size_t row = size;
        for (size_t rest = columns; rest != 0; rest &= rest - 1)
            row--;
        double sum = 0, sign = 1;
        for (size_t j = 0; j < size; j++)
            if ((columns >> j & 1) != 0) {
                sum += sign * a[row * size + j] * minors[columns ^ (size_t)1 << j];
                sign = -sign;
            }
        minors[columns] = sum;
    }
    const double value = minors[count - 1];
    adjoints[count - 1] = 1;
    if (gradient != NULL)
        memset(gradient, 0, size * size * sizeof(*gradient));
    for (size_t columns = gradient == NULL ? 0 : count - 1; columns > 0; columns--) {
        size_t row = size;
        for (size_t rest = columns; rest != 0; rest &= rest - 1)
            row--;
        double upstream = adjoints[columns];
        for (size_t j = 0; j < size; j++)
            if ((columns >> j & 1) != 0) {
                const size_t rest = columns ^ (size_t)1 << j;
                gradient[row * size + j] += upstream * minors[rest];
                adjoints[rest] += upstream * a[row * size + j];
                upstream = -upstream;
            }
    }
    free(minors);
    return value;
}

/* ---- kmeans ---------------------------------------------------------------------------------- */

/* The centroids are turned round, so that a point's distances from all of them are one loop. The
 * Hessian's diagonal is 2 for each point. */
double hand_kmeans(size_t n, size_t k, size_t d, const double *restrict points,
                   const double *restrict centroids, double *restrict direction)
{
    double *turned = bench_allocate(k * d + 2 * k, sizeof(*turned));
    double *distances = turned + k * d, *diagonal = distances + k, total = 0;
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < d; i++)
            turned[i * k + j] = centroids[j * d + i];
    if (direction != NULL)
        memset(direction, 0, k * d * sizeof(*direction));
    for (const double *p = points; p < points + n * d; p += d) {
        size_t nearest = 0;
        memset(distances, 0, k * sizeof(*distances));
        for (size_t i = 0; i < d; i++) {
            const double *c = turned + i * k;
            for (size_t j = 0; j < k; j++)
                distances[j] += (p[i] - c[j]) * (p[i] - c[j]);
        }
        for (size_t j = 1; j < k; j++)
            if (distances[j] < distances[nearest])
                nearest = j;
        total += distances[nearest];
        if (direction == NULL)
            continue;
        for (size_t i = 0; i < d; i++)
            direction[nearest * d + i] += 2 * (centroids[nearest * d + i] - p[i]);
        diagonal[nearest] += 2;
    }
    for (size_t j = 0; direction != NULL && j < k; j++)
        for (size_t i = 0; i < d; i++)
            direction[j * d + i] /= diagonal[j];
    free(turned);
    return total;
}
