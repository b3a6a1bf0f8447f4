/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table's formulas as steps of agi_build. Their names have no prefix, so only
 * files that include the table include this.
 */
#ifndef WENGERT_FORMULA_WORDS_H
#define WENGERT_FORMULA_WORDS_H

#include "formula.h"

#include <math.h>

/* A word's operands stand for several steps each, so no word hands them to another macro. */
#define AGI_WORD_OF_LETTER(name)                                                                   \
    {                                                                                              \
        .kind = AGI_WORD_LETTER, .letter = AGI_LETTER_##name                                       \
    }
#define AGI_ONE(gate)                                                                              \
    {                                                                                              \
        .kind = AGI_WORD_ONE, .one = (gate)                                                        \
    }
#define AGI_TWO(gate)                                                                              \
    {                                                                                              \
        .kind = AGI_WORD_TWO, .two = (gate)                                                        \
    }
#define AGI_WORD(name)                                                                             \
    {                                                                                              \
        .kind = AGI_WORD_##name                                                                    \
    }

#define NUM(literal)                                                                               \
    {                                                                                              \
        .kind = AGI_WORD_NUMBER, .number = (ag_real)(literal)                                      \
    }
#define INF NUM(INFINITY)
#define UNTAKEN AGI_WORD(UNTAKEN)
#define FIRST(p) p, AGI_WORD(FIRST)
#define NEG(p) p, AGI_ONE(ag_neg)
#define ADD(p, q) p, q, AGI_TWO(ag_add)
#define SUB(p, q) p, q, AGI_TWO(ag_sub)
#define MUL(p, q) p, q, AGI_TWO(ag_mul)
#define DIV(p, q) p, q, AGI_TWO(ag_div)

#define CHAIN(p, q) p, q, AGI_TWO(ag_chain)
#define UPSTREAM(p) p, AGI_WORD(UPSTREAM)
#define IF(condition, p, q) condition, p, q, AGI_WORD(IF)
#define LT(p, q) p, q, AGI_TWO(ag_is_less)
#define LE(p, q) p, q, AGI_TWO(ag_is_less_equal)
#define GT(p, q) q, p, AGI_TWO(ag_is_less)
#define GE(p, q) q, p, AGI_TWO(ag_is_less_equal)
#define EQ(p, q) p, q, AGI_WORD(EQUAL)
#define NE(p, q) p, q, AGI_WORD(EQUAL), AGI_WORD(NOT)
/* p == p ? p >= q : 1, and p == p ? p <= q : 1 */
#define TAKES_MAX(p, q) p, p, AGI_WORD(EQUAL), q, p, AGI_TWO(ag_is_less_equal), NUM(1), AGI_WORD(IF)
#define TAKES_MIN(p, q) p, p, AGI_WORD(EQUAL), p, q, AGI_TWO(ag_is_less_equal), NUM(1), AGI_WORD(IF)

#define MAX(p, q) p, q, AGI_TWO(ag_max)
#define MIN(p, q) p, q, AGI_TWO(ag_min)
#define POW(p, q) p, q, AGI_TWO(ag_pow)
#define HYPOT(p, q) p, q, AGI_TWO(ag_hypot)
#define ATAN2(p, q) p, q, AGI_TWO(ag_atan2)
#define POLYGAMMA(n, p) n, p, AGI_TWO(ag_polygamma)
#define SIGN(p) p, AGI_ONE(ag_sign)
#define ABS(p) p, AGI_ONE(ag_abs)
#define FLOOR(p) p, AGI_ONE(ag_floor)
#define SQRT(p) p, AGI_ONE(ag_sqrt)
#define CBRT(p) p, AGI_ONE(ag_cbrt)
#define EXP(p) p, AGI_ONE(ag_exp)
#define EXP2(p) p, AGI_ONE(ag_exp2)
#define EXPM1(p) p, AGI_ONE(ag_expm1)
#define LOG(p) p, AGI_ONE(ag_log)
#define LOG2(p) p, AGI_ONE(ag_log2)
#define LOG10(p) p, AGI_ONE(ag_log10)
#define LOG1P(p) p, AGI_ONE(ag_log1p)
#define SIN(p) p, AGI_ONE(ag_sin)
#define COS(p) p, AGI_ONE(ag_cos)
#define TAN(p) p, AGI_ONE(ag_tan)
#define ASIN(p) p, AGI_ONE(ag_asin)
#define ACOS(p) p, AGI_ONE(ag_acos)
#define ATAN(p) p, AGI_ONE(ag_atan)
#define SINH(p) p, AGI_ONE(ag_sinh)
#define COSH(p) p, AGI_ONE(ag_cosh)
#define TANH(p) p, AGI_ONE(ag_tanh)
#define ASINH(p) p, AGI_ONE(ag_asinh)
#define ACOSH(p) p, AGI_ONE(ag_acosh)
#define ATANH(p) p, AGI_ONE(ag_atanh)
#define ERF(p) p, AGI_ONE(ag_erf)
#define ERFC(p) p, AGI_ONE(ag_erfc)
#define LGAMMA(p) p, AGI_ONE(ag_lgamma)
#define SIGMOID(p) p, AGI_ONE(ag_sigmoid)

#endif
