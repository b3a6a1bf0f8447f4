/* SPDX-License-Identifier: MIT
 *
 * What C99's libm has and C89's has not, on top of C89's: for generated C that has to do without.
 * It is text for c_library.py, and no part of the library itself. Nothing here depends on a rounding
 * of its own (no x + 1 - 1), so that registers wider than the type, fused multiply-adds and other
 * than 53 bits do no harm; constants and the lengths of series are fit for double.
 *
 * A&S: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions. How far the results are off
 * stands in tests/test_c_library.c.
 */
#include <math.h>

/* exp(x log 2), the whole part of x as an exponent */
static double agi_exp2(double x)
{
    if (!(x > -1200 && x < 1200))
        return exp(x); /* the same limits */
    const double whole = floor(x + 0.5);
    return ldexp(exp((x - whole) * 0.693147180559945309417), (int)whole);
}

/* A&S 4.2.1 near 0 */
static double agi_expm1(double x)
{
    if (!(x > -0.7 && x < 0.7))
        return exp(x) - 1;
    double sum = 1;
    for (int k = 17; k > 1; k--)
        sum = 1 + sum * x / (double)k;
    return x * sum;
}

static double agi_log2(double x)
{
    if (!(x > 0 && x < (double)INFINITY))
        return log(x);
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    return (double)exponent + log(m) * 1.44269504088896340736;
}

/* A&S 4.1.27 near 0: 2 artanh(s) = 2 s + 2 s (s^2 / 3 + s^4 / 5 + ...), and 2 s = x - s x */
static double agi_log1p(double x)
{
    if (!(x > -0.3 && x < 0.45))
        return log(1 + x);
    const double s = x / (2 + x);
    const double z = s * s;
    double sum = 0;
    for (int k = 23; k >= 3; k -= 2)
        sum = z * (1 / (double)k + sum);
    return x - s * (x - 2 * sum);
}

/* a step of Newton's, for what pow lacks */
static double agi_cbrt(double x)
{
    if (x == 0 || !(fabs(x) < (double)INFINITY))
        return x;
    const double a = fabs(x);
    const double near = pow(a, 1.0 / 3);
    const double y = near - (near - a / (near * near)) / 3;
    return x < 0 ? -y : y;
}

static double agi_hypot(double x, double y)
{
    const double a = fabs(x), b = fabs(y);
    const double most = a > b ? a : b, least = a > b ? b : a;
    if (a == (double)INFINITY || b == (double)INFINITY)
        return (double)INFINITY;
    if (most == 0)
        return a + b;
    const double q = least / most;
    return most * sqrt(1 + q * q);
}

/* A&S 4.6.20, as log1p */
static double agi_asinh(double x)
{
    if (x == 0)
        return x;
    const double a = fabs(x);
    const double y =
        a > 1e9 ? log(a) + 0.693147180559945309417 : agi_log1p(a + a * a / (1 + sqrt(1 + a * a)));
    return x < 0 ? -y : y;
}

/* A&S 4.6.21, as log1p */
static double agi_acosh(double x)
{
    if (x < 1)
        return (double)NAN;
    const double t = x - 1;
    return x > 1e9 ? log(x) + 0.693147180559945309417 : agi_log1p(t + sqrt(t * (2 + t)));
}

/* A&S 4.6.22, as log1p */
static double agi_atanh(double x)
{
    if (x == 0)
        return x;
    const double a = fabs(x);
    const double y = 0.5 * agi_log1p(2 * a / (1 - a));
    return x < 0 ? -y : y;
}

/* For x >= 0.5. A&S 7.4.11 by the trapezoidal rule with steps of h = 0.475, and what the pole at i x
 * adds to that: D. B. Hunter, T. Regan, A note on the evaluation of the complementary error function,
 * Mathematics of Computation 26 (1972). Below 1e-17 of the result with these twelve steps. */
static double erfc_positive(double x)
{
    /* 2 h / pi exp(-n^2 h^2), n = 1, 2, ... */
    static const double weights[] = {
        0.241315956758929948,    0.122637407930627666,    0.0396903108513212121,
        0.00818032678223486701,  0.00107369621122778745,  0.0000897463517688645745,
        4.77723715202370296e-6,  1.61942714210260272e-7,  3.49599370341660563e-9,
        4.80622927754086095e-11, 4.20787608990137034e-13, 2.34609727759875641e-15,
    };
    if (x > 28)
        return 0;
    double sum = 0;
    for (int n = 12; n > 0; n--)
        sum += weights[n - 1] / ((double)(n * n) * 0.225625 + x * x);
    sum += 0.15119719593730056898 / (x * x); /* h / pi */
    /* exp(-x^2): high has so few digits that its square is exact */
    const double high = floor(x * 128) / 128;
    const double bell = exp(-high * high) * exp((high - x) * (high + x));
    const double y = bell * (x * sum);
    return x > 6.6 ? y : y - 2 / (exp(13.2277585414307083725 * x) - 1); /* 2 pi / h */
}

/* A&S 7.1.5 near 0 */
static double agi_erf(double x)
{
    const double a = fabs(x);
    if (a >= 0.5) {
        const double y = 1 - erfc_positive(a);
        return x < 0 ? -y : y;
    }
    const double z = -x * x;
    double power = 1, sum = 0;
    for (int n = 1; n <= 13; n++) {
        power *= z / (double)n;
        sum += power / (double)(2 * n + 1);
    }
    const double y = 1.12837916709551257390 * x;
    return y + y * sum;
}

static double agi_erfc(double x)
{
    return x >= 0.5 ? erfc_positive(x) : x <= -0.5 ? 2 - erfc_positive(-x) : 1 - agi_erf(x);
}

/* log Gamma(2 + x), -0.5 <= x <= 0.5: A&S 6.1.33 and 6.1.15 */
static double lgamma_near_2(double x)
{
    /* (zeta(n) - 1) / n, n = 2, 3, ... */
    static const double zeta[] = {
        0.322467033424113218,    0.0673523010531980951,   0.0205808084277845479,
        0.00738555102867398527,  0.00289051033074152329,  0.00119275391170326098,
        0.000509669524743042422, 0.00022315475845357938,  9.94575127818085337e-05,
        4.49262367381331417e-05, 2.05072127756706916e-05, 9.4394882752683959e-06,
        4.3748667899074878e-06,  2.03921575380136624e-06, 9.55141213040741983e-07,
        4.49246919876456604e-07, 2.12071848055546659e-07, 1.00432248239680996e-07,
        4.76981016936398057e-08, 2.27110946089431649e-08, 1.08386592148969541e-08,
        5.18347504197004666e-09, 2.48367454380247832e-09, 1.19214014058609121e-09,
        5.73136724167886201e-10, 2.75952288512423315e-10,
    };
    double sum = 0;
    for (int i = (int)(sizeof(zeta) / sizeof(*zeta)) - 1; i >= 0; i--)
        sum = -x * sum + zeta[i];
    return x * (0.422784335098467139393 + x * sum); /* 1 - Euler's constant */
}

/* A&S 6.1.15 to where 6.1.33 holds; Stirling's series, 6.1.41, from 12 on */
static double lgamma_positive(double x)
{
    /* B(2k) / (2k (2k - 1)), k = 1, 2, ... */
    static const double stirling[] = {
        1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360.0, 1.0 / 156,
    };
    if (x < 0.5)
        return lgamma_near_2(x) - agi_log1p(x) - log(x);
    if (x < 1.5)
        return lgamma_near_2(x - 1) - agi_log1p(x - 1);
    if (x < 12) {
        double product = 1;
        for (; x >= 2.5; product *= x)
            x -= 1;
        return log(product) + lgamma_near_2(x - 2);
    }
    double sum = 0;
    for (int i = (int)(sizeof(stirling) / sizeof(*stirling)) - 1; i >= 0; i--)
        sum = sum / (x * x) + stirling[i];
    return (x - 0.5) * (log(x) - 1) + 0.41893853320467274178 + sum / x; /* log(2 pi) / 2 - 1 / 2 */
}

/* A&S 6.1.17 below 0: exact to roundings of its two parts, not of their sum */
static double agi_lgamma(double x)
{
    if (!(x <= 0))
        return lgamma_positive(x);
    if (x == floor(x))
        return (double)INFINITY;
    const double part = -x - floor(-x), pi = 3.14159265358979323846;
    const double sine = sin(pi * (part < 0.5 ? part : 1 - part));
    return -log(sine / pi) - lgamma_positive(1 - x);
}
