/* SPDX-License-Identifier: MIT
 *
 * The special functions of the gate table that libm lacks: polygamma, and a log-gamma without a
 * global variable.
 *
 * Formulas: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 6.3.18, 6.4.6, 6.4.7
 * and 6.4.11.
 */
#define _DEFAULT_SOURCE /* lgamma_r */
#include "special.h"

#include <math.h>

enum {
    MAX_ORDER = 100 /* n! and x^n stay in range up to here */
};

static const double pi = 3.14159265358979323846;

double agi_lgamma(double x)
{
#if defined(__GLIBC__)
    int sign;
    return lgamma_r(x, &sign);
#else
    return lgamma(x);
#endif
}

/* 6.3.18 and 6.4.11: the asymptotic series, for x >= 20 + n */
static double sum_series(int n, double x)
{
    /* B(2k), k = 1, 2, ... */
    static const double bernoulli[] = {
        1.0 / 6,       -1.0 / 30,         1.0 / 42,         -1.0 / 30,
        5.0 / 66,      -691.0 / 2730,     7.0 / 6,          -3617.0 / 510,
        43867.0 / 798, -174611.0 / 330.0, 854513.0 / 138.0, -236364091.0 / 2730.0,
    };
    double power = 1; /* (n - 1)! / x^n, or 1 for n = 0 */
    for (int i = 1; i <= n; i++)
        power *= (i > 1 ? i - 1 : 1) / x;
    const double first = n == 0 ? -log(x) : power;
    double sum = first + (n == 0 ? 0.5 / x : 0.5 * n * power / x);
    /* (2k + n - 1)! / ((2k)! x^(2k + n)), from one k to the next */
    double term = n == 0 ? 0.5 / (x * x) : power * n * (n + 1) / (2 * x * x);
    for (int k = 1; k <= (int)(sizeof(bernoulli) / sizeof(*bernoulli)); k++) {
        sum += bernoulli[k - 1] * term;
        term *= (double)(2 * k + n) * (2 * k + n + 1) / ((double)(2 * k + 1) * (2 * k + 2) * x * x);
    }
    return n % 2 == 0 ? -sum : sum;
}

/* 6.4.6: steps up to where the series holds */
static double polygamma_positive(int n, double x)
{
    double factorial = 1;
    for (int i = 2; i <= n; i++)
        factorial *= i;
    double sum = 0;
    for (; x < 20 + n; x += 1)
        sum += factorial / pow(x, n + 1);
    return (n % 2 == 0 ? -sum : sum) + sum_series(n, x);
}

/* (d/dx)^n cot(pi x), as pi^n P_n(c) with c = cot(pi x): P_0 = c, P_(n+1) = -(1 + c^2) P_n' */
static double differentiate_cot(int n, double x)
{
    const double r = x - round(x);
    const double c = fabs(r) < 0.25 ? 1 / tan(pi * r) : copysign(tan(pi * (0.5 - fabs(r))), r);
    double p[MAX_ORDER + 2] = {0, 1};
    for (int order = 0; order < n; order++) {
        double d[MAX_ORDER + 2] = {0};
        for (int i = 1; i <= order + 1; i++) {
            d[i - 1] -= i * p[i];
            d[i + 1] -= i * p[i];
        }
        for (int i = 0; i <= order + 2; i++)
            p[i] = d[i];
    }
    double value = 0;
    for (int i = n + 1; i >= 0; i--)
        value = value * c + p[i];
    return pow(pi, n) * value;
}

double agi_polygamma(double order, double x)
{
    if (!(order >= 0 && order <= (double)MAX_ORDER) || order != floor(order) || isnan(x))
        return (double)NAN;
    const int n = (int)order;
    if (isinf(x))
        return x < 0 ? (double)NAN : n == 0 ? (double)INFINITY : 0;
    if (x > 0)
        return polygamma_positive(n, x);
    if (x == floor(x))
        return (double)NAN;
    /* 6.4.7 */
    const double mirrored = polygamma_positive(n, 1 - x);
    return (n % 2 == 0 ? mirrored : -mirrored) - pi * differentiate_cot(n, x);
}
