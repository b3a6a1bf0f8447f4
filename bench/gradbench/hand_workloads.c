/* SPDX-License-Identifier: MIT
 *
 * Discrete adjoints by hand: see hand_workloads.h. Peers: built with -O3 -march=native and leave to
 * sum in any order, without -ffast-math.
 */
#include "hand_workloads.h"

#include "bench.h"
#include "hand_loops.h"

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
    if (gradient != NULL)
        return log_sum_exp(n, x, gradient);
    double largest = x[0], total = 0;
#pragma omp simd reduction(max : largest)
    for (size_t i = 0; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < n; i++)
        total += exp(x[i] - largest);
    return largest + log(total);
}

/* ---- ode ------------------------------------------------------------------------------------- */

/* Arrays that a step reads begin with y_0 = 1, which makes y_1' = x_1 y_0 like the others. Where the
 * slopes are taken: y itself, u, v, w. */
typedef struct stages {
    double *u, *v, *w;
} stages;

static void find_stages(size_t n, double h, const double *restrict x, const double *restrict y,
                        const stages *at)
{
    double *restrict u = at->u, *restrict v = at->v, *restrict w = at->w;
    for (size_t i = 0; i < n; i++)
        u[i + 1] = y[i + 1] + h / 2 * x[i] * y[i];
    for (size_t i = 0; i < n; i++)
        v[i + 1] = y[i + 1] + h / 2 * x[i] * u[i];
    for (size_t i = 0; i < n; i++)
        w[i + 1] = y[i + 1] + h * x[i] * v[i];
}

static void take_step(size_t n, double h, const double *restrict x, const double *restrict y,
                      const stages *at, double *restrict next)
{
    const double *restrict u = at->u, *restrict v = at->v, *restrict w = at->w;
    for (size_t i = 0; i < n; i++)
        next[i + 1] = y[i + 1] + h / 6 * x[i] * (y[i] + 2 * u[i] + 2 * v[i] + w[i]);
}

/* dy is the adjoint of the next y, and becomes that of this one. Its components come from the last to
 * the first: each hands something to the one before, in every stage. */
static void go_back(size_t n, double h, const double *restrict x, const double *restrict y,
                    const stages *at, double *restrict dy, double *restrict dx)
{
    const double *restrict u = at->u, *restrict v = at->v, *restrict w = at->w;
    double from_y = 0, from_u = 0, from_v = 0, from_w = 0;
    for (size_t i = n; i-- > 0;) {
        const double d = dy[i], k4 = h / 6 * d, k3 = h / 3 * d + h * from_w,
                     k2 = h / 3 * d + h / 2 * from_v, k1 = h / 6 * d + h / 2 * from_u;
        dy[i] = d + from_y + from_u + from_v + from_w;
        dx[i] += k1 * y[i] + k2 * u[i] + k3 * v[i] + k4 * w[i];
        from_y = x[i] * k1;
        from_u = x[i] * k2;
        from_v = x[i] * k3;
        from_w = x[i] * k4;
    }
}

/* y and the stages begin with y_0; there is one y before each step, to go back, or two in turns. */
enum {
    STAGES = 3
};

static size_t count_states(size_t steps, bool gradient)
{
    return gradient ? steps + 1 : 2;
}

size_t hand_ode_room(size_t n, size_t steps, bool gradient)
{
    return (STAGES + 1 + count_states(steps, gradient)) * (n + 1);
}

void hand_ode(size_t n, size_t steps, const double *x, double *room, double *y, double *gradient)
{
    const double h = 2.0 / (double)steps;
    const size_t size = n + 1, kept = count_states(steps, gradient != NULL);
    double *dy = room + STAGES * size, *states = dy + size;
    const stages at = {room, room + size, room + 2 * size};
    at.u[0] = at.v[0] = at.w[0] = 1;
    memset(states, 0, size * sizeof(*states));
    for (size_t i = 0; i < kept; i++)
        states[i * size] = 1;
    for (size_t step = 0; step < steps; step++) {
        const double *now = states + step % kept * size;
        find_stages(n, h, x, now, &at);
        take_step(n, h, x, now, &at, states + (step + 1) % kept * size);
    }
    if (y != NULL)
        memcpy(y, states + steps % kept * size + 1, n * sizeof(*y));
    if (gradient == NULL)
        return;
    memset(gradient, 0, n * sizeof(*gradient));
    memset(dy, 0, n * sizeof(*dy));
    dy[n - 1] = 1;
    for (size_t step = steps; step-- > 0;) {
        find_stages(n, h, x, states + step * size, &at);
        go_back(n, h, x, states + step * size, &at, dy, gradient);
    }
}

/* ---- det ------------------------------------------------------------------------------------- */

static size_t find_lowest(size_t set)
{
#if defined(__GNUC__)
    return (size_t)__builtin_ctzll(set);
#else
    size_t j = 0;
    while ((set >> j & 1) == 0)
        j++;
    return j;
#endif
}

typedef struct expansion {
    size_t size;
    const double *a;
    double *gradient; /* or NULL */
} expansion;

/* The minor of the rows from `row` on and as many columns, which are bits. The determinant is linear
 * in each row: on the way down it is known already what the minor is multiplied by, its adjoint, and
 * on the way up what each number is. */
static double expand(const expansion *e, size_t row, size_t columns, double adjoint)
{
    double sum = 0, sign = 1;
    for (size_t rest = columns; rest != 0; rest &= rest - 1) {
        const size_t place = row * e->size + find_lowest(rest);
        const double factor = sign * e->a[place];
        const double minor =
            row + 1 == e->size ? 1 : expand(e, row + 1, columns ^ (rest & -rest), adjoint * factor);
        if (e->gradient != NULL)
            e->gradient[place] += adjoint * sign * minor;
        sum += factor * minor;
        sign = -sign;
    }
    return sum;
}

double hand_det(size_t size, const double *a, double *gradient)
{
    const expansion e = {size, a, gradient};
    if (gradient != NULL)
        memset(gradient, 0, size * size * sizeof(*gradient));
    return expand(&e, 0, ((size_t)1 << size) - 1, 1);
}

/* Rows of a minor are those from the bottom, as many as it has columns. */
static size_t find_row(size_t size, size_t columns)
{
    for (; columns != 0; columns &= columns - 1)
        size--;
    return size;
}

/* Each minor once, by its set of columns, which are bits. A set comes after all that it contains. */
double hand_det_minors(size_t size, const double *restrict a, double *restrict gradient)
{
    const size_t count = (size_t)1 << size;
    double *restrict minors = bench_allocate(count, sizeof(*minors));
    minors[0] = 1;
    for (size_t columns = 1; columns < count; columns++) {
        const double *row = a + find_row(size, columns) * size;
        double sum = 0, sign = 1;
        for (size_t rest = columns; rest != 0; rest &= rest - 1) {
            sum += sign * row[find_lowest(rest)] * minors[columns ^ (rest & -rest)];
            sign = -sign;
        }
        minors[columns] = sum;
    }
    const double value = minors[count - 1];
    if (gradient != NULL) {
        double *restrict adjoints = bench_allocate(count, sizeof(*adjoints));
        memset(gradient, 0, size * size * sizeof(*gradient));
        adjoints[count - 1] = 1;
        for (size_t columns = count - 1; columns > 0; columns--) {
            const size_t row = find_row(size, columns) * size;
            double upstream = adjoints[columns];
            for (size_t rest = columns; rest != 0; rest &= rest - 1) {
                const size_t j = find_lowest(rest), without = columns ^ (rest & -rest);
                gradient[row + j] += upstream * minors[without];
                adjoints[without] += upstream * a[row + j];
                upstream = -upstream;
            }
        }
        free(adjoints);
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
