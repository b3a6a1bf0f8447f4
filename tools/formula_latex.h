/* SPDX-License-Identifier: MIT
 *
 * The gate table's formulas, domains and numbers as LaTeX for math mode, with amsmath. Knows the
 * notation of mathematics, not the table: a function that has no notation of its own is set by its
 * name.
 */
#ifndef WENGERT_FORMULA_LATEX_H
#define WENGERT_FORMULA_LATEX_H

/* "(1 / (1 + exp(-x)))" gives "\frac{1}{1 + e^{-x}}". Parentheses come back only where they mean
 * something; words ("any x", "b is a whole constant") are set as text; what can't be read at all is,
 * too. The caller frees it; NULL: out of memory. Recurses as deep as the formula's parentheses go:
 * for formulas of a table, not for a user's. */
char *typeset_formula(const char *formula);

/* Words for text mode: "is_less" gives "is\_less". As above. */
char *typeset_words(const char *words);

#endif
