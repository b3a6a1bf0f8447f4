/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table over vectors, and the functions behind them: SLEEF's
 * (AGI_VECTOR_SLEEF), glibc's libmvec (AGI_VECTOR_LIBMVEC), or libm's lane by lane. Which of them a
 * function takes was measured (script/bench functions); what a library gets wrong is mended here, so
 * that every function is within 4 ulp of libm everywhere, with the same special values.
 */
#ifndef WENGERT_KERNEL_MATH_H
#define WENGERT_KERNEL_MATH_H

#include "kernel.h"

#include "special.h"

#include <math.h>

#if defined(AGI_VECTOR_SLEEF)
#include <sleef.h>
#endif

#if AGI_BITS == 64
#define LIBM(function) function
#else
#define LIBM(function) function##f
#endif

/* Where libm computes a function, padding costs nothing: it is copies of lane 0. */
static inline bool is_padding(const num *x, int lane)
{
    return memcmp(x, x + lane, sizeof(*x)) == 0;
}

#define LANES(name, call)                                                                          \
    static inline vec lanes_##name(vec x)                                                          \
    {                                                                                              \
        num p[WIDTH], y[WIDTH];                                                                    \
        store(p, x);                                                                               \
        for (int i = 0; i < WIDTH; i++)                                                            \
            y[i] = i > 0 && is_padding(p, i) ? y[0] : call(p[i]);                                  \
        return load(y);                                                                            \
    }
#define LANES_TWO(name, call)                                                                      \
    static inline vec lanes_##name(vec a, vec b)                                                   \
    {                                                                                              \
        num p[WIDTH], q[WIDTH], y[WIDTH];                                                          \
        store(p, a);                                                                               \
        store(q, b);                                                                               \
        for (int i = 0; i < WIDTH; i++)                                                            \
            y[i] = i > 0 && is_padding(p, i) && is_padding(q, i) ? y[0] : call(p[i], q[i]);        \
        return load(y);                                                                            \
    }

/* ---- The library's functions ----------------------------------------------------------------- */

/* WIDTH, for names */
#if AGI_VECTOR_BYTES * 8 / AGI_BITS == 2
#define MATH_WIDTH 2
#elif AGI_VECTOR_BYTES * 8 / AGI_BITS == 4
#define MATH_WIDTH 4
#elif AGI_VECTOR_BYTES * 8 / AGI_BITS == 8
#define MATH_WIDTH 8
#else
#define MATH_WIDTH 16
#endif

/* X(name, SLEEF's precision in tenths of an ulp, SLEEF's width): with fewer lanes than that, SLEEF
 * is slower than libm. */
#define ALL_UNARY(X)                                                                               \
    X(exp, 10, 2)                                                                                  \
    X(exp2, 35, 4)                                                                                 \
    X(expm1, 10, 4)                                                                                \
    X(log, 35, 4)                                                                                  \
    X(log2, 35, 4)                                                                                 \
    X(log10, 10, 4)                                                                                \
    X(log1p, 10, 4)                                                                                \
    X(sin, 35, 2)                                                                                  \
    X(cos, 35, 2)                                                                                  \
    X(tan, 35, 2)                                                                                  \
    X(asin, 35, 2)                                                                                 \
    X(acos, 35, 2)                                                                                 \
    X(atan, 35, 2)                                                                                 \
    X(sinh, 35, 2)                                                                                 \
    X(cosh, 35, 2)                                                                                 \
    X(tanh, 35, 2)                                                                                 \
    X(asinh, 10, 8)                                                                                \
    X(acosh, 10, 8)                                                                                \
    X(atanh, 10, 4)                                                                                \
    X(erf, 10, 8)                                                                                  \
    X(erfc, 15, 8)                                                                                 \
    X(cbrt, 35, 2)
#define ALL_BINARY(X)                                                                              \
    X(pow, 10, 8)                                                                                  \
    X(atan2, 35, 2)                                                                                \
    X(hypot, 35, 2)

#define UNARY_LANES(name, ...) LANES(name, LIBM(name))
#define BINARY_LANES(name, ...) LANES_TWO(name, LIBM(name))
ALL_UNARY(UNARY_LANES)
ALL_BINARY(BINARY_LANES)

#if defined(AGI_VECTOR_SLEEF)

#if defined(__AVX512F__)
#define SLEEF_ISA avx512f
#elif defined(__AVX2__)
#define SLEEF_ISA avx2
#elif defined(__aarch64__)
#define SLEEF_ISA advsimd
#else
#define SLEEF_ISA sse2
#endif
#if AGI_BITS == 64
#define SLEEF_TYPE d
#else
#define SLEEF_TYPE f
#endif
#define SLEEF_PASTE3(name, type, width, precision, isa)                                            \
    Sleef_##name##type##width##_u##precision##isa
#define SLEEF_PASTE(name, type, width, precision, isa)                                             \
    SLEEF_PASTE3(name, type, width, precision, isa)
/* Sleef_expd8_u10avx512f */
#define SLEEF(name, precision) SLEEF_PASTE(name, SLEEF_TYPE, MATH_WIDTH, precision, SLEEF_ISA)

#define UNARY_LIBRARY(name, precision, width)                                                      \
    static inline vec library_##name(vec x)                                                        \
    {                                                                                              \
        return WIDTH < width ? lanes_##name(x) : (vec)SLEEF(name, precision)(x);                   \
    }
#define BINARY_LIBRARY(name, precision, width)                                                     \
    static inline vec library_##name(vec a, vec b)                                                 \
    {                                                                                              \
        return WIDTH < width ? lanes_##name(a, b) : (vec)SLEEF(name, precision)(a, b);             \
    }

#elif defined(AGI_VECTOR_LIBMVEC)

#if defined(__AVX512F__)
#define MVEC_ISA e
#elif defined(__AVX2__)
#define MVEC_ISA d
#else
#define MVEC_ISA b
#endif
#if AGI_BITS == 64
#define MVEC_NAME(name) name
#else
#define MVEC_NAME(name) name##f
#endif
#define MVEC_PASTE3(isa, width, operands, name) _ZGV##isa##N##width##operands##_##name
#define MVEC_PASTE(isa, width, operands, name) MVEC_PASTE3(isa, width, operands, name)
/* _ZGVeN8v_exp */
#define MVEC(operands, name) MVEC_PASTE(MVEC_ISA, MATH_WIDTH, operands, MVEC_NAME(name))

#define UNARY_LIBRARY(name, ...)                                                                   \
    vec MVEC(v, name)(vec x);                                                                      \
    static inline vec library_##name(vec x)                                                        \
    {                                                                                              \
        return MVEC(v, name)(x);                                                                   \
    }
#define BINARY_LIBRARY(name, ...)                                                                  \
    vec MVEC(vv, name)(vec a, vec b);                                                              \
    static inline vec library_##name(vec a, vec b)                                                 \
    {                                                                                              \
        return MVEC(vv, name)(a, b);                                                               \
    }

#else

#define UNARY_LIBRARY(name, ...)                                                                   \
    static inline vec library_##name(vec x)                                                        \
    {                                                                                              \
        return lanes_##name(x);                                                                    \
    }
#define BINARY_LIBRARY(name, ...)                                                                  \
    static inline vec library_##name(vec a, vec b)                                                 \
    {                                                                                              \
        return lanes_##name(a, b);                                                                 \
    }

#endif

ALL_UNARY(UNARY_LIBRARY)
ALL_BINARY(BINARY_LIBRARY)

/* ---- What the words need besides ------------------------------------------------------------- */

static inline vec magnitude(vec x)
{
    const vec sign = splat((num)-0.0);
    return (vec)((mask)x & ~(mask)sign);
}

static inline bool is_any(mask m)
{
    uint64_t words[AGI_VECTOR_BYTES / 8], any = 0;
    memcpy(words, &m, sizeof(words));
    for (size_t i = 0; i < AGI_VECTOR_BYTES / 8; i++)
        any |= words[i];
    return any != 0;
}

/* What SLEEF 3.5.1 gets wrong: sizes of x between these two, for double and for float. There libm
 * takes over. */
#if defined(AGI_VECTOR_SLEEF)
#define MENDED(name, low, high, low_float, high_float)                                             \
    static inline vec math_##name(vec x)                                                           \
    {                                                                                              \
        const vec size = magnitude(x), y = library_##name(x);                                      \
        const mask wrong = (mask)(size > splat((num)(AGI_BITS == 64 ? low : low_float))) &         \
                           (mask)(size <= splat((num)(AGI_BITS == 64 ? high : high_float)));       \
        return is_any(wrong) ? choose(wrong, lanes_##name(x), y) : y;                              \
    }
MENDED(exp, 709.7, 709.8, 88.7, 88.8)
MENDED(log1p, 1e306, (double)INFINITY, 1e37, (double)INFINITY)
MENDED(sinh, 708, 711, 87, 90)
MENDED(cosh, 708, 711, 87, 90)
MENDED(asinh, 1e154, (double)INFINITY, 1e19, (double)INFINITY)
MENDED(acosh, 1e154, (double)INFINITY, 1e19, (double)INFINITY)

/* Infinite too early. */
static inline vec math_pow(vec a, vec b)
{
    const vec y = library_pow(a, b);
    const mask wrong = magnitude(y) == splat((num)INFINITY);
    return is_any(wrong) ? choose(wrong, lanes_pow(a, b), y) : y;
}
#else
#define math_exp library_exp
#define math_log1p library_log1p
#define math_sinh library_sinh
#define math_cosh library_cosh
#define math_asinh library_asinh
#define math_acosh library_acosh
#define math_pow library_pow
#endif

#define LIBM_LGAMMA(x) ((num)agi_lgamma((double)(x)))
#define LIBM_POLYGAMMA(n, x) ((num)agi_polygamma((double)(n), (double)(x)))
LANES(lgamma, LIBM_LGAMMA)
LANES_TWO(polygamma, LIBM_POLYGAMMA)

static inline vec math_sqrt(vec x)
{
    num y[WIDTH];
    store(y, x);
    for (int i = 0; i < WIDTH; i++)
        y[i] = LIBM(sqrt)(y[i]);
    return load(y);
}

/* |x| + 2^52 (2^23) has no room for a fraction: it is rounded to a whole number. */
static inline vec math_floor(vec x)
{
    const vec whole_from = splat((num)(AGI_BITS == 64 ? 0x1p52 : 0x1p23));
    const vec size = magnitude(x);
    const vec rounded = (vec)((mask)((size + whole_from) - whole_from) | ((mask)x ^ (mask)size));
    const vec below = choose(rounded > x, rounded - splat(1), rounded);
    return choose(size < whole_from, below, x);
}

/* ---- Words ----------------------------------------------------------------------------------- */

/* As in numeric.h; a condition is a mask. */
#define NUM(number) splat((num)(number))
#define INF splat((num)INFINITY)
#define NEG(p) (-(p))
#define ADD(p, q) ((p) + (q))
#define SUB(p, q) ((p) - (q))
#define MUL(p, q) ((p) * (q))
#define DIV(p, q) ((p) / (q))

#define IF(condition, p, q) choose(condition, p, q)
#define GT(p, q) ((mask)((p) > (q)))
#define GE(p, q) ((mask)((p) >= (q)))
#define LT(p, q) ((mask)((p) < (q)))
#define LE(p, q) ((mask)((p) <= (q)))
#define EQ(p, q) ((mask)((p) == (q)))
#define NE(p, q) ((mask)((p) != (q)))
#define TAKES_MAX(p, q) (GE(p, q) | NE(p, p))
#define TAKES_MIN(p, q) (LE(p, q) | NE(p, p))
#define MAX(p, q) math_max(p, q)
#define MIN(p, q) math_min(p, q)
#define SIGN(p) math_sign(p)
#define FINITE_OR_0(p) math_finite_or_0(p)

#define POW(p, q) math_pow(p, q)
#define ABS(p) magnitude(p)
#define FLOOR(p) math_floor(p)
#define SQRT(p) math_sqrt(p)
#define CBRT(p) library_cbrt(p)
#define HYPOT(p, q) library_hypot(p, q)
#define EXP(p) math_exp(p)
#define EXP2(p) library_exp2(p)
#define EXPM1(p) library_expm1(p)
#define LOG(p) library_log(p)
#define LOG2(p) library_log2(p)
#define LOG10(p) library_log10(p)
#define LOG1P(p) math_log1p(p)
#define SIN(p) library_sin(p)
#define COS(p) library_cos(p)
#define TAN(p) library_tan(p)
#define ASIN(p) library_asin(p)
#define ACOS(p) library_acos(p)
#define ATAN(p) library_atan(p)
#define ATAN2(p, q) library_atan2(p, q)
#define SINH(p) math_sinh(p)
#define COSH(p) math_cosh(p)
#define TANH(p) library_tanh(p)
#define ASINH(p) math_asinh(p)
#define ACOSH(p) math_acosh(p)
#define ATANH(p) library_atanh(p)
#define ERF(p) library_erf(p)
#define ERFC(p) library_erfc(p)
#define LGAMMA(p) lanes_lgamma(p)
#define POLYGAMMA(n, p) lanes_polygamma(n, p)
#define SIGMOID(p) (NUM(1) / (NUM(1) + EXP(-(p))))

static inline vec math_max(vec p, vec q)
{
    return choose(TAKES_MAX(p, q), p, q);
}

static inline vec math_min(vec p, vec q)
{
    return choose(TAKES_MIN(p, q), p, q);
}

static inline vec math_sign(vec x)
{
    return choose(GT(x, NUM(0)), NUM(1), choose(LT(x, NUM(0)), NUM(-1), x));
}

static inline vec math_finite_or_0(vec x)
{
    return choose(EQ(magnitude(x), INF), NUM(0), x);
}

#endif
