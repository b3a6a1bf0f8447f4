/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table as arithmetic on NUMBER: ag_real, unless the file that includes this
 * has defined it, and AGI_LIBM, before. Such a file defines UNTAKEN, and where it uses gates with any
 * number of operands OFFSET, M and FIRST, itself.
 */
#ifndef WENGERT_NUMERIC_H
#define WENGERT_NUMERIC_H

#include "special.h"

#include <wengert/autograd.h>

#include <math.h>

#ifndef NUMBER
#define NUMBER ag_real
#ifdef AG_REAL_FLOAT
#define AGI_LIBM(function) function##f
#else
#define AGI_LIBM(function) function
#endif
#endif

#define NUM(number) ((NUMBER)(number))
#define INF ((NUMBER)INFINITY)
#define NEG(p) (-(p))
#define ADD(p, q) ((p) + (q))
#define SUB(p, q) ((p) - (q))
#define MUL(p, q) ((p) * (q))
#define DIV(p, q) ((p) / (q))

#define IF(condition, p, q) ((condition) ? (p) : (q))
#define CHAIN(p, q) ((p) == 0 ? (ag_real)0 : (p) * (q))
#define UPSTREAM(p) ((p) == 0 ? UNTAKEN : (p))

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
#define SIGN(p) ((p) > 0 ? (NUMBER)1 : (p) < 0 ? (NUMBER)-1 : (p))
#define FINITE_OR_0(p) (isinf(p) ? (NUMBER)0 : (p))

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
#define LGAMMA(p) ((NUMBER)agi_lgamma((double)(p)))
#define POLYGAMMA(n, p) ((NUMBER)agi_polygamma((double)(n), (double)(p)))
#define SIGMOID(p) (1 / (1 + EXP(-(p))))

#endif
