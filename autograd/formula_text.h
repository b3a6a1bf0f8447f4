/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table's formulas as string literals, where gate_table.c and c_gates.c have the
 * same. They differ in what a call is: CALL1(function, p), CALL2(function, p, q). Names have no
 * prefix, so only files that include the table include this.
 */
#ifndef WENGERT_FORMULA_TEXT_H
#define WENGERT_FORMULA_TEXT_H

#define NEG(p) "-" p
#define ADD(p, q) "(" p " + " q ")"
#define SUB(p, q) "(" p " - " q ")"
#define MUL(p, q) "(" p " * " q ")"
#define DIV(p, q) "(" p " / " q ")"

#define IF(condition, p, q) "(" condition " ? " p " : " q ")"
#define GT(p, q) p " > " q
#define LT(p, q) p " < " q
#define LE(p, q) p " <= " q
#define EQ(p, q) p " == " q
#define NE(p, q) p " != " q

#define POW(p, q) CALL2("pow", p, q)
#define HYPOT(p, q) CALL2("hypot", p, q)
#define ATAN2(p, q) CALL2("atan2", p, q)
#define POLYGAMMA(n, p) CALL2("polygamma", n, p)
#define FLOOR(p) CALL1("floor", p)
#define SQRT(p) CALL1("sqrt", p)
#define CBRT(p) CALL1("cbrt", p)
#define EXP(p) CALL1("exp", p)
#define EXP2(p) CALL1("exp2", p)
#define EXPM1(p) CALL1("expm1", p)
#define LOG(p) CALL1("log", p)
#define LOG2(p) CALL1("log2", p)
#define LOG10(p) CALL1("log10", p)
#define LOG1P(p) CALL1("log1p", p)
#define SIN(p) CALL1("sin", p)
#define COS(p) CALL1("cos", p)
#define TAN(p) CALL1("tan", p)
#define ASIN(p) CALL1("asin", p)
#define ACOS(p) CALL1("acos", p)
#define ATAN(p) CALL1("atan", p)
#define SINH(p) CALL1("sinh", p)
#define COSH(p) CALL1("cosh", p)
#define TANH(p) CALL1("tanh", p)
#define ASINH(p) CALL1("asinh", p)
#define ACOSH(p) CALL1("acosh", p)
#define ATANH(p) CALL1("atanh", p)
#define ERF(p) CALL1("erf", p)
#define ERFC(p) CALL1("erfc", p)
#define LGAMMA(p) CALL1("lgamma", p)

#endif
