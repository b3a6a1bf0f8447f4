/* SPDX-License-Identifier: MIT
 *
 * y_0' = x_0, y_i' = x_i y_(i-1), from 0, by hand: 1,000 steps of RK4 for 400 components, whose
 * states are kept, and the gradient of the last component in reverse, with the stages of each step
 * computed again. A peer: built with -O3 -march=native, without -ffast-math.
 *
 * Arrays begin with a place for y_(-1), which is 1; those of gradients end with a 0.
 */
#include "programs.h"

#include <string.h>

enum {
    N = ODE_SIZE
};

typedef struct stages {
    double u2[N + 1], u3[N + 1], u4[N + 1]; /* states at which slopes are taken, as the first is */
} stages;

/* u = y + c f(v) */
static inline void advance(double c, const double *restrict x, const double *restrict y,
                           const double *restrict v, double *restrict u)
{
    u[0] = 1;
    for (int i = 0; i < N; i++)
        u[i + 1] = y[i + 1] + c * x[i] * v[i];
}

static void run_stages(const double *x, const double *y, stages *s)
{
    const double h = ODE_STEP;
    s->u2[0] = 1;
    for (int i = 0; i < N; i++)
        s->u2[i + 1] = y[i + 1] + h / 2 * x[i] * y[i];
    advance(h / 2, x, y, s->u2, s->u3);
    advance(h, x, y, s->u3, s->u4);
}

static void finish_step(const double *restrict x, const double *restrict y,
                        const stages *restrict s, double *restrict next)
{
    const double h = ODE_STEP;
    next[0] = 1;
    for (int i = 0; i < N; i++)
        next[i + 1] = y[i + 1] + h / 6 * x[i] * (y[i] + 2 * s->u2[i] + 2 * s->u3[i] + s->u4[i]);
}

/* From the gradient of the state after a step (d) to that before it, which takes its place. */
static void pull_back(const double *restrict x, const double *restrict y, const stages *restrict s,
                      double *restrict d, double *restrict dx)
{
    const double h = ODE_STEP;
    double g[N + 1], a4[N + 1], a3[N + 1], a2[N + 1];
    g[N] = a4[N] = a3[N] = a2[N] = 0;
    for (int i = 0; i < N; i++)
        g[i] = h / 6 * x[i] * d[i];
    for (int i = 0; i < N - 1; i++)
        a4[i] = g[i + 1];
    a4[N - 1] = 0;
    for (int i = 0; i < N - 1; i++)
        a3[i] = 2 * g[i + 1] + h * x[i + 1] * a4[i + 1];
    a3[N - 1] = 0;
    for (int i = 0; i < N - 1; i++)
        a2[i] = 2 * g[i + 1] + h / 2 * x[i + 1] * a3[i + 1];
    a2[N - 1] = 0;
    for (int i = 0; i < N; i++) {
        const double v = y[i] + 2 * s->u2[i] + 2 * s->u3[i] + s->u4[i];
        dx[i] +=
            h / 6 * d[i] * v + h * a4[i] * s->u3[i] + h / 2 * (a3[i] * s->u2[i] + a2[i] * y[i]);
    }
    for (int i = 0; i < N - 1; i++)
        d[i] += g[i + 1] + a4[i] + a3[i] + a2[i] + h / 2 * x[i + 1] * a2[i + 1];
}

double hand_ode(const double *x, double *gradient)
{
    static double y[ODE_STEPS + 1][N + 1];
    stages s;
    memset(y[0], 0, sizeof(y[0]));
    y[0][0] = 1;
    for (int k = 0; k < ODE_STEPS; k++) {
        run_stages(x, y[k], &s);
        finish_step(x, y[k], &s, y[k + 1]);
    }
    double d[N] = {0};
    d[N - 1] = 1;
    memset(gradient, 0, N * sizeof(*gradient));
    for (int k = ODE_STEPS; k-- > 0;) {
        run_stages(x, y[k], &s);
        pull_back(x, y[k], &s, d, gradient);
    }
    return y[ODE_STEPS][N];
}
