/* SPDX-License-Identifier: MIT
 *
 * The gate table's formulas as LaTeX: each of what they are made of, against what a person wrote
 * down, and functions that the table does not have.
 */
#include "testing.h"

#include "../tools/formula_latex.h"

#include <stdlib.h>
#include <string.h>
#include <wengert/autograd.h>

/* Not all at once, so that a failure names the formula. */
static void check(const char *formula, const char *expected)
{
    char *latex = typeset_formula(formula);
    if (latex == NULL || strcmp(latex, expected) != 0)
        print_error("%s:\n  %s\n  expected %s\n", formula, latex == NULL ? "NULL" : latex,
                    expected);
    assert_non_null(latex);
    assert_string_equal(latex, expected);
    free(latex);
}

static void test_products(void **state)
{
    (void)state;
    check("(a * b)", "a b");
    check("(x * x)", "x^2");
    check("((x * x) * x)", "x^3");
    check("(2 * x)", "2 x");
    check("(x * 2)", "2 x");
    check("(2 * 3)", "2 \\cdot 3");
    check("(y * (1 - y))", "y (1 - y)");
    check("((1 - x) * (1 + x))", "(1 - x) (1 + x)");
    check("(y * log(a))", "y \\log a");
    check("(log(a) * y)", "y \\log a");
    check("(log(a) * log(b))", "(\\log a) \\log b");
    check("(y * sin((a + b)))", "y \\sin(a + b)");
    check("(exp(x) * exp(x))", "(e^{x})^2");
    check("x1*w1 + x2*w2 + ...", "x_1 w_1 + x_2 w_2 + \\cdots");
    check("x12", "x_{12}");
}

static void test_fractions(void **state)
{
    (void)state;
    check("(1 / (1 + exp(-x)))", "\\frac{1}{1 + e^{-x}}");
    check("-(y / b)", "-\\frac{y}{b}");
    check("(-1 / x)", "-\\frac{1}{x}");
    check("-(-1 / x)", "\\frac{1}{x}");
    check("(0.5 / (y + 0))", "\\frac{1}{2 y}");
    check("(1 / (3 * (y * y)))", "\\frac{1}{3 y^2}");
    check("((b / hypot(a, b)) / hypot(a, b))", "\\frac{b}{a^2 + b^2}");
    check("(a / (b / c))", "\\frac{a c}{b}");
    check("((a + b) / c)", "\\frac{a + b}{c}");
    check("((1 / x) * (1 / x))", "\\frac{1}{x^2}");
    check("(1.44269504088896340736 / x)", "\\frac{1}{x \\log 2}");
    check("(-1.12837916709551257390 * exp(-(x * x)))", "-\\frac{2 e^{-x^2}}{\\sqrt{\\pi}}");
    check("(0.044715 * x)", "0.044715 x");
    check("(1e-3 * x)", "1 \\cdot 10^{-3} x");
}

static void test_sums(void **state)
{
    (void)state;
    check("(1 - (y * y))", "1 - y^2");
    check("(a - (b + c))", "a - (b + c)");
    check("(a + (b + c))", "a + b + c");
    check("(a - -b)", "a + b");
    check("(-a + b)", "-a + b");
    check("-(a + b)", "-(a + b)");
    check("(0 + 0)", "0");
    check("-x", "-x");
}

static void test_functions(void **state)
{
    (void)state;
    check("abs(x)", "\\left|x\\right|");
    check("exp((x - y))", "e^{x - y}");
    check("pow((a + 1), b)", "(a + 1)^{b}");
    check("pow(a, (b - 1))", "a^{b - 1}");
    check("hypot(x, 1)", "\\sqrt{x^2 + 1}");
    check("sqrt(((1 - x) * (1 + x)))", "\\sqrt{(1 - x) (1 + x)}");
    check("max(x, 0)", "\\max(x, 0)");
    check("sin((1 / x))", "\\sin\\left(\\frac{1}{x}\\right)");
    check("polygamma((a + 1), b)", "\\psi^{(a + 1)}(b)");
    /* gates that nobody has written yet */
    check("swish(x)", "\\operatorname{swish}(x)");
    check("(x * soft_sign(x))", "x \\operatorname{soft\\_sign}(x)");
    check("mix(a, (b / 2), c, 1)", "\\operatorname{mix}\\left(a, \\frac{b}{2}, c, 1\\right)");
    check("exp(a, b)", "\\operatorname{exp}(a, b)");
}

static void test_cases(void **state)
{
    (void)state;
    check("(x <= 0 ? 0 : x)",
          "\\begin{cases} 0 & \\text{if } x \\le 0 \\\\ x & \\text{otherwise} \\end{cases}");
    check("(x > 0 ? 1 : (x <= 0 ? 0 : x))",
          "\\begin{cases} 1 & \\text{if } x > 0 \\\\ 0 & \\text{if } x \\le 0 \\\\ x & "
          "\\text{otherwise} \\end{cases}");
    check("(2 * (a != b ? 1 : 0))",
          "2 \\left(\\begin{cases} 1 & \\text{if } a \\ne b \\\\ 0 & \\text{otherwise} "
          "\\end{cases}\\right)");
    check("(x is the first largest ? 1 : 0)",
          "\\begin{cases} 1 & \\text{if } x\\text{ is the first largest} \\\\ 0 & "
          "\\text{otherwise} \\end{cases}");
}

static void test_words(void **state)
{
    (void)state;
    check("any x", "\\text{any }x");
    check("any a, b", "\\text{any }a, b");
    check("NaN if one is", "\\text{NaN if one is}");
    check("a < 0 where b is a whole constant", "a < 0\\text{ where }b\\text{ is a whole constant}");
    check("-1 <= x <= 1", "-1 \\le x \\le 1");
    check("x not an odd multiple of pi/2", "x\\text{ not an odd multiple of }\\frac{\\pi}{2}");
    check("x not -1", "x\\text{ not }-1");
    check("x not 0, -1, ...", "x\\text{ not }0, -1, \\ldots");
    check("(a, b) != (0, 0)", "(a, b) \\ne (0, 0)");
    check("INF, -INF, NAN", "\\infty, -\\infty, \\text{NaN}");
    check("the largest of x1, x2, ...", "\\text{the largest of }x_1, x_2, \\ldots");
}

/* What is no formula is text, in which nothing means anything to TeX. */
static void test_unreadable(void **state)
{
    (void)state;
    check("(a + ", "\\text{(a + }");
    check("a +* b", "\\text{a +* b}");
    check("f(", "\\text{f(}");
    check(")", "\\text{)}");
    check("", "\\text{}");
    check("50% & \\x^2_{~} #$ <|>",
          "\\text{50\\% \\& $\\backslash$x\\^{}2\\_\\{\\~{}\\} \\#\\$ $<$$|$$>$}");
    char *words = typeset_words("is_less");
    assert_string_equal(words, "is\\_less");
    free(words);
}

/* Braces close, and \left has its \right. */
static void check_balance(const char *formula)
{
    char *latex = typeset_formula(formula);
    assert_non_null(latex);
    int depth = 0, left = 0;
    for (const char *at = latex; *at != '\0'; at++) {
        const bool escaped = at > latex && at[-1] == '\\';
        depth += (*at == '{' && !escaped) - (*at == '}' && !escaped);
        assert_true(depth >= 0);
        left += (strncmp(at, "\\left", 5) == 0 && strncmp(at, "\\leftarrow", 10) != 0) -
                (strncmp(at, "\\right", 6) == 0);
        assert_true(left >= 0);
    }
    assert_int_equal(depth, 0);
    assert_int_equal(left, 0);
    assert_null(strchr(latex, '*'));
    assert_null(strchr(latex, '?'));
    free(latex);
}

static void test_the_table(void **state)
{
    (void)state;
    size_t count;
    const ag_gate_info *table = ag_gate_table(&count);
    for (size_t i = 0; i < count; i++) {
        check_balance(table[i].value);
        check_balance(table[i].domain);
        for (size_t k = 0; k < 3 && table[i].local[k] != NULL; k++)
            check_balance(table[i].local[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),   cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_sums),       cmocka_unit_test(test_functions),
        cmocka_unit_test(test_cases),      cmocka_unit_test(test_words),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
