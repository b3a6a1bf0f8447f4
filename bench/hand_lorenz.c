/* SPDX-License-Identifier: MIT
 *
 * The Lorenz system by hand: 1,000 steps of RK4, and the gradient of the sum of the last state's
 * coordinates in reverse, over the points that the stages were evaluated at. A peer: built with -O3
 * -march=native, without -ffast-math.
 */
#include "programs.h"

typedef struct point {
    double x, y, z;
} point;

typedef struct parameters {
    double sigma, rho, beta;
} parameters;

static inline point add(point a, double factor, point b)
{
    return (point){a.x + factor * b.x, a.y + factor * b.y, a.z + factor * b.z};
}

static inline point slope(point u, parameters p)
{
    return (point){p.sigma * (u.y - u.x), u.x * (p.rho - u.z) - u.y, u.x * u.y - p.beta * u.z};
}

/* k is the gradient of a slope at u: returns that of u, and adds that of the parameters. */
static inline point pull_back(point u, parameters p, point k, parameters *dp)
{
    dp->sigma += k.x * (u.y - u.x);
    dp->rho += k.y * u.x;
    dp->beta -= k.z * u.z;
    return (point){k.y * (p.rho - u.z) + k.z * u.y - k.x * p.sigma, k.x * p.sigma - k.y + k.z * u.x,
                   -k.y * u.x - k.z * p.beta};
}

double hand_lorenz(const double *x, double *gradient)
{
    static point at[LORENZ_STEPS][4];
    const double h = LORENZ_STEP;
    const parameters p = {x[3], x[4], x[5]};
    point state = {x[0], x[1], x[2]};
    for (int i = 0; i < LORENZ_STEPS; i++) {
        const point k1 = slope(state, p), u2 = add(state, h / 2, k1);
        const point k2 = slope(u2, p), u3 = add(state, h / 2, k2);
        const point k3 = slope(u3, p), u4 = add(state, h, k3);
        const point k4 = slope(u4, p);
        at[i][0] = state;
        at[i][1] = u2;
        at[i][2] = u3;
        at[i][3] = u4;
        state = add(add(state, h / 6, add(k1, 2, k2)), h / 6, add(k4, 2, k3));
    }
    const point nothing = {0, 0, 0};
    parameters dp = {0, 0, 0};
    point d = {1, 1, 1};
    for (int i = LORENZ_STEPS; i-- > 0;) {
        const point d4 = pull_back(at[i][3], p, add(nothing, h / 6, d), &dp);
        const point d3 = pull_back(at[i][2], p, add(add(nothing, h / 3, d), h, d4), &dp);
        const point d2 = pull_back(at[i][1], p, add(add(nothing, h / 3, d), h / 2, d3), &dp);
        const point d1 = pull_back(at[i][0], p, add(add(nothing, h / 6, d), h / 2, d2), &dp);
        d = add(add(add(add(d, 1, d1), 1, d2), 1, d3), 1, d4);
    }
    gradient[0] = d.x;
    gradient[1] = d.y;
    gradient[2] = d.z;
    gradient[3] = dp.sigma;
    gradient[4] = dp.rho;
    gradient[5] = dp.beta;
    return state.x + state.y + state.z;
}
