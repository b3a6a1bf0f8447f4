/* SPDX-License-Identifier: MIT
 *
 * Derivatives of log-gamma, which libm lacks. Generated C brings these functions along in its own
 * number type (c_library.py), so they call C89's libm alone, and say where integers become numbers.
 *
 * Formulas: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 6.3.18, 6.4.6, 6.4.7
 * and 6.4.11.
 */
#include "special.h"

#include <math.h>

/* 6.3.18 and 6.4.11: the asymptotic series, for x >= 20 + n */
static double sum_polygamma_series(int n, double x)
{
    /* B(2k), k = 1, 2, ... */
    static const double bernoulli[] = {
        1.0 / 6,       -1.0 / 30,         1.0 / 42,         -1.0 / 30,
        5.0 / 66,      -691.0 / 2730,     7.0 / 6,          -3617.0 / 510,
        43867.0 / 798, -174611.0 / 330.0, 854513.0 / 138.0, -236364091.0 / 2730.0,
    };
    const double order = (double)n;
    double power = 1; /* (n - 1)! / x^n, or 1 for n = 0 */
    for (int i = 1; i <= n; i++)
        power *= (double)(i > 1 ? i - 1 : 1) / x;
    double sum = n == 0 ? 0.5 / x - log(x) : power + 0.5 * order * power / x;
    /* (2k + n - 1)! / ((2k)! x^(2k + n)), from one k to the next */
    double term = n == 0 ? 0.5 / (x * x) : power * order * (order + 1) / (2 * x * x);
    for (int k = 1; k <= (int)(sizeof(bernoulli) / sizeof(*bernoulli)); k++) {
        const double even = (double)(2 * k);
        sum += bernoulli[k - 1] * term;
        term *= (even + order) * (even + order + 1) / ((even + 1) * (even + 2) * x * x);
    }
    return n % 2 == 0 ? -sum : sum;
}

/* 6.4.6: steps up to where the series holds, each n! / x^(n + 1) */
static double polygamma_positive(int n, double x)
{
    double sum = 0;
    for (; x < (double)(20 + n); x += 1) {
        double step = 1 / x;
        for (int i = 1; i <= n; i++)
            step *= (double)i / x;
        sum += step;
    }
    return (n % 2 == 0 ? -sum : sum) + sum_polygamma_series(n, x);
}

/* (d/dx)^n cot(pi x) / pi^n = P_n(c) with c = cot(pi x): P_0 = c, P_(n+1) = -(1 + c^2) P_n'. P_n is
 * even or odd, so the next one has its coefficients between those of this one. */
static double differentiate_cot(int n, double x)
{
    const double pi = 3.14159265358979323846;
    const double r = x - floor(x + 0.5);
    const double rest = tan(pi * (0.5 - fabs(r)));
    const double c = fabs(r) < 0.25 ? 1 / tan(pi * r) : r < 0 ? -rest : rest;
    double p[103] = {0, 1};
    for (int i = 0; i < n; i++)
        for (int k = i % 2 == 0 ? 0 : 1; k <= i + 2; k += 2)
            p[k] = -(double)(k + 1) * p[k + 1] - (k > 0 ? (double)(k - 1) * p[k - 1] : 0);
    double value = 0;
    for (int k = n + 1; k >= 0; k -= 2)
        value = value * c * c + p[k];
    return n % 2 == 0 ? value * c : value;
}

/* The order is 0, 1, ..., 100: there, n! and pi^n stay in a double's range. */
double agi_polygamma(double order, double x)
{
    const double pi = 3.14159265358979323846;
    if (!(order >= 0 && order <= 100) || order < floor(order) || order > floor(order))
        return (double)NAN;
    const int n = (int)order;
    if (x > 0)
        return x < (double)INFINITY ? polygamma_positive(n, x) : n == 0 ? x : 0;
    if (!(x > floor(x))) /* poles, and what is no number */
        return (double)NAN;
    /* 6.4.7 */
    const double mirrored = polygamma_positive(n, 1 - x);
    return (n % 2 == 0 ? mirrored : -mirrored) - pow(pi, (double)(n + 1)) * differentiate_cot(n, x);
}
