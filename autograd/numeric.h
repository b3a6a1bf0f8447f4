/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table as arithmetic on ag_real. A file that includes this defines UNTAKEN,
 * and where it uses gates with any number of operands OFFSET, M and FIRST, itself.
 */
#ifndef WENGERT_NUMERIC_H
#define WENGERT_NUMERIC_H

#include <wengert/autograd.h>

#include <math.h>

#ifdef AG_REAL_FLOAT
#define AGI_LIBM(function) function##f
#else
#define AGI_LIBM(function) function
#endif

/* n-th derivative of digamma, special.c; NaN where n is not 0, 1, 2, ... or x is a pole */
ag_real agi_polygamma(ag_real n, ag_real x);
/* log |Gamma(x)|, special.c: without libm's global signgam, which threads would share */
ag_real agi_lgamma(ag_real x);

#define NUM(number) ((ag_real)(number))
#define INF ((ag_real)INFINITY)
#define NEG(p) (-(p))
#define ADD(p, q) ((p) + (q))
#define SUB(p, q) ((p) - (q))
#define MUL(p, q) ((p) * (q))
#define DIV(p, q) ((p) / (q))

#define IF(condition, p, q) ((condition) ? (p) : (q))
#define GT(p, q) ((p) > (q))
#define GE(p, q) ((p) >= (q))
#define LT(p, q) ((p) < (q))
#define LE(p, q) ((p) <= (q))
#define EQ(p, q) ((p) == (q))
#define NE(p, q) ((p) != (q))
/* Whether max (min) is its first operand: a tie goes there, and so does a NaN of its own. */
#define TAKES_MAX(p, q) ((p) >= (q) || (p) != (p))
#define TAKES_MIN(p, q) ((p) <= (q) || (p) != (p))
#define MAX(p, q) (TAKES_MAX(p, q) ? (p) : (q))
#define MIN(p, q) (TAKES_MIN(p, q) ? (p) : (q))
#define SIGN(p) ((p) > 0 ? (ag_real)1 : (p) < 0 ? (ag_real)-1 : (p))
#define FINITE_OR_0(p) (isinf(p) ? (ag_real)0 : (p))

#define POW(p, q) AGI_LIBM(pow)(p, q)
#define ABS(p) AGI_LIBM(fabs)(p)
#define FLOOR(p) AGI_LIBM(floor)(p)
#define SQRT(p) AGI_LIBM(sqrt)(p)
#define CBRT(p) AGI_LIBM(cbrt)(p)
#define HYPOT(p, q) AGI_LIBM(hypot)(p, q)
#define EXP(p) AGI_LIBM(exp)(p)
#define EXP2(p) AGI_LIBM(exp2)(p)
#define EXPM1(p) AGI_LIBM(expm1)(p)
#define LOG(p) AGI_LIBM(log)(p)
#define LOG2(p) AGI_LIBM(log2)(p)
#define LOG10(p) AGI_LIBM(log10)(p)
#define LOG1P(p) AGI_LIBM(log1p)(p)
#define SIN(p) AGI_LIBM(sin)(p)
#define COS(p) AGI_LIBM(cos)(p)
#define TAN(p) AGI_LIBM(tan)(p)
#define ASIN(p) AGI_LIBM(asin)(p)
#define ACOS(p) AGI_LIBM(acos)(p)
#define ATAN(p) AGI_LIBM(atan)(p)
#define ATAN2(p, q) AGI_LIBM(atan2)(p, q)
#define SINH(p) AGI_LIBM(sinh)(p)
#define COSH(p) AGI_LIBM(cosh)(p)
#define TANH(p) AGI_LIBM(tanh)(p)
#define ASINH(p) AGI_LIBM(asinh)(p)
#define ACOSH(p) AGI_LIBM(acosh)(p)
#define ATANH(p) AGI_LIBM(atanh)(p)
#define ERF(p) AGI_LIBM(erf)(p)
#define ERFC(p) AGI_LIBM(erfc)(p)
#define LGAMMA(p) agi_lgamma(p)
#define POLYGAMMA(n, p) agi_polygamma(n, p)
#define SIGMOID(p) (1 / (1 + EXP(-(p))))

#endif
