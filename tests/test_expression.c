/* SPDX-License-Identifier: MIT
 *
 * The language of expressions: what values and gates a text becomes, and what is said about one
 * that is none. Its memory and its depth have tests of their own.
 */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "gate_list.h"

#include "expression.h"

#include <locale.h>

/* ---- What they are read with ----------------------------------------------------------------- */

enum {
    MOST_INPUTS = 3
};

static ag_graph *graph;
static ag_value x, y, w;
static expression_error error;

/* x = 2, y = 3, w = -0.5. */
static void begin(void)
{
    graph = ag_graph_new(NULL);
    assert_non_null(graph);
    x = ag_variable(graph, 2);
    y = ag_variable(graph, 3);
    w = ag_variable(graph, (ag_real)-0.5);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_int_equal(ag_name(y, "y"), AG_OK);
    assert_int_equal(ag_name(w, "w"), AG_OK);
}

static ag_value read_bytes(size_t length, const char *text)
{
    const expression_input inputs[MOST_INPUTS] = {{"x", x}, {"y", y}, {"w", w}};
    /* a block of its own, so that a sanitizer sees what is read beyond */
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    if (length > 0)
        memcpy(copy, text, length);
    const ag_value root = record_expression(graph, length, copy, MOST_INPUTS, inputs, &error);
    free(copy);
    return root;
}

static ag_value read_text(const char *text)
{
    return read_bytes(strlen(text), text);
}

static ag_value must_read(const char *text)
{
    const ag_value root = read_text(text);
    if (ag_is_null(root))
        print_error("%s: %zu:%zu: %s\n", text, error.line, error.column, error.message);
    assert_false(ag_is_null(root));
    assert_int_equal(ag_error(graph), AG_OK);
    assert_int_equal(error.status, AG_OK);
    return root;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void check_value(const char *text, double expected)
{
    begin();
    const double value = (double)ag_data(must_read(text));
    if (!is_close(value, expected, ROUNDING))
        print_error("%s is %.17g, not %.17g\n", text, value, expected);
    assert_true(is_close(value, expected, ROUNDING));
    ag_graph_free(graph);
}

static void test_values(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double value;
    } cases[] = {
        /* precedence */
        {"1 + 2*3", 7},
        {"(1 + 2)*3", 9},
        {"2 - 3 - 4", -5},
        {"2 - (3 - 4)", 3},
        {"16/4/2", 2},
        {"16/(4/2)", 8},
        {"2*3^2", 18},
        {"2^3^2", 512},
        {"(2^3)^2", 64},
        {"-2^2", -4},
        {"(-2)^2", 4},
        {"-x^2", -4},
        {"2^-x", 0.25},
        {"2^-x^2", 0.0625},
        {"2^-x*3", 0.75},
        {"-x*-y", 6},
        {"x - -y", 5},
        {"x--y", 5},
        {"x+-y", -1},
        {"--x", 2},
        {"-+-x", 2},
        {"+x", 2},
        {"x*-y^2", -18},
        {"-x^-y", -0.125},
        {"2^+x", 4},
        {"1/x/y", 1.0 / 6},
        {"1/x*y", 1.5},
        {"1/(x*y)", 1.0 / 6},
        /* comparisons bind least */
        {"x + 1 == y", 1},
        {"x < y - 1", 0},
        {"x <= y - 1", 1},
        {"x > y", 0},
        {"x >= 2", 1},
        {"x != 2", 0},
        {"x != y", 1},
        {"(x < y) + (y < x)", 1},
        {"(x < y) == (y > x)", 1},
        {"-x < -y", 0},
        {"gt(y, x) + ge(x, x)*2 + lt(x, y)*4 + le(x, y)*8 + eq(x, y)*16 + ne(x, y)*32", 47},
        {"select(x < y, 10, 20)", 10},
        {"select(x == y, 10, 20)", 20},
        /* numbers */
        {"0.1", 0.1},
        {".5", 0.5},
        {"5.", 5},
        {"5.e1", 50},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"25e-2", 0.25},
        {"-1.5e-3", -0.0015},
        {"00012", 12},
        {"2*exp(0)", 2},
        {"pi", 3.14159265358979323846},
        {"e", 2.71828182845904523536},
        {"2*pi - e", 2 * 3.14159265358979323846 - 2.71828182845904523536},
        {"-pi^2", -9.86960440108935861883},
        {"e^0", 1},
        {"1e1", 10},
        {"0e5", 0},
        /* calls */
        {"tanh(w*x + y)", tanh(2)},
        {"1/(1 + exp(-x))", 1 / (1 + exp(-2.0))},
        {"max(x, y)*min(x, y)", 6},
        {"hypot(3, 4)", 5},
        {"atan2(x, y)", atan2(2, 3)},
        {"sum(x)", 2},
        {"sum(x, y, 1, w)", 5.5},
        {"max_of(x, y, 1)", 3},
        {"dot(x, y, 10, w)", 1},
        {"linear(1, 2, x, -3, y)", -4},
        {"linear(pi - pi, 1/2, x)", 1},
        {"logsumexp(x, x)", 2 + log(2)},
        {"sin (x)", sin(2)},
        {"sin(\n  x # here\n)", sin(2)},
        {"max(max(1, 2), max(3, (((4)))))", 4},
        {"pow(x, y) - x^y", 0},
        {"square(x)^2", 16},
        /* statements */
        {"a = x*y; a + 1", 7},
        {"a = x*y\na + 1", 7},
        {"a = x*y\r\na + 1\r\n", 7},
        {"a = 1; b = a + 1; c = b*b; c + a", 5},
        {"a = x; b = a; b*x", 4},
        {"a = 2; b = a; x^b", 4},
        {"p = pi; p - pi", 0},
        {"unused = 1/0; x", 2},
        {"a=1;;\n;a;;\n", 1},
        {"# a comment\nx # another; y\n# a third", 2},
        {"a = (x +\n\n y)\n\n a", 5},
        {"a =\n x +\n y\n a", 5},
        {"x_1 = 4; _ = 2; x_1*_", 8},
        {"e1 = 5; E = 3; e1*E", 15}, /* neither is e */
        {"\xEF\xBB\xBFx", 2},        /* a mark of byte order */
        {"\t x\t", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_value(cases[i].text, cases[i].value);
}

/* Correctly rounded, as the compiler's own. */
static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double as_double;
        float as_float;
    } cases[] = {
        {"0.1", 0.1, 0.1F},
        {"9007199254740993", 9007199254740993.0, 9007199254740993.0F},
        {"16777217", 16777217.0, 16777217.0F},
        {"1.00000017881393432617187499", 1.00000017881393432617187499,
         1.00000017881393432617187499F},
        {"3.40282346e38", 3.40282346e38, 3.40282346e38F},
        {"1e-45", 1e-45, 1e-45F},
        {"123456789012345678901234567890e-29", 1.23456789012345678901234567890,
         1.23456789012345678901234567890F},
    };
    begin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const ag_real read = ag_data(must_read(cases[i].text));
        assert_same(read, sizeof(ag_real) == sizeof(float) ? (double)cases[i].as_float
                                                           : cases[i].as_double);
    }
    assert_same(ag_data(must_read("-0")), -0.0);
    assert_same(ag_data(must_read("0*-1")), -0.0);
    ag_graph_free(graph);
}

/* Whatever the user's decimal point is, ours is a point. */
static void test_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8",
                                        "de_DE",       "fr_FR",       "comma"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof(names) / sizeof(names[0]); i++)
        found = setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',';
    if (found) {
        check_value("1.5 + 2.25", 3.75);
        assert_int_equal(localeconv()->decimal_point[0], ','); /* and the caller's is back */
    }
    (void)setlocale(LC_ALL, "C");
    if (!found)
        skip();
}

/* A comparison with NaN is 0, but != is 1; the engine's own comparisons say the same. */
static void test_comparisons(void **state)
{
    (void)state;
    static const double numbers[] = {-1, -0.0, 0, 2, (double)INFINITY, (double)NAN};
    enum {
        NUMBERS = sizeof(numbers) / sizeof(*numbers)
    };
    for (size_t i = 0; i < NUMBERS * NUMBERS; i++) {
        begin();
        const double a = numbers[i / NUMBERS], b = numbers[i % NUMBERS];
        assert_int_equal(ag_set(x, (ag_real)a) | ag_set(y, (ag_real)b), AG_OK);
#define AG_COMPARE(name, value, symbol)                                                            \
    assert_same(ag_data(must_read("x" symbol "y")), (value) ? 1 : 0);                              \
    assert_same(ag_data(must_read(#name "(x, y)")), (value) ? 1 : 0);
#define GT(p, q) ((p) > (q))
#define GE(p, q) ((p) >= (q))
#define LT(p, q) ((p) < (q))
#define LE(p, q) ((p) <= (q))
#define EQ(p, q) (!((p) < (q)) && !((p) > (q)) && !isnan(p) && !isnan(q))
#define NE(p, q) (!EQ(p, q))
#include <wengert/gates.def>
        ag_graph_free(graph);
    }
    /* gates, not recorded outcomes: they follow new numbers */
    begin();
    const ag_value z = must_read("select(x < y, x, y)");
    assert_int_equal(ag_set(x, 5), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_same(ag_data(z), 3);
    ag_graph_free(graph);
}

/* ---- Gates ----------------------------------------------------------------------------------- */

/* "f(a0, a1, ...)", as gate_list.h records it. */
static char *write_call(const gate *g, size_t n)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    assert_non_null(file);
    const bool has_numbers = strcmp(g->name, "linear") == 0;
    (void)fprintf(file, "%s(%s", g->name, has_numbers ? "0.75, " : "");
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(file, "%s", i == 0 ? "" : ", ");
        if (has_numbers)
            (void)fprintf(file, "%.17g, ", choose_partner(i));
        (void)fprintf(file, "a%zu", i);
    }
    (void)fprintf(file, ")");
    assert_int_equal(fclose(file), 0);
    return text;
}

static void check_call(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[MOST], expected, root;
    expression_input inputs[MOST];
    static char names[MOST][8];
    expected = record(g, n, operands, leaves);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "a%zu", i);
        inputs[i] = (expression_input){names[i], leaves[i]};
    }
    char *text = write_call(g, n);
    root = record_expression(expected.graph, strlen(text), text, n, inputs, &error);
    check(!ag_is_null(root));
    check(is_same((double)ag_data(root), (double)ag_data(expected)));
    check(strcmp(ag_gate_name(root), g->name) == 0);
    check(ag_operand_count(root) == ag_operand_count(expected));
    for (size_t i = 0; i < ag_operand_count(root); i++)
        check(ag_operand(root, i).index == ag_operand(expected, i).index);
    free(text);
    ag_graph_free(expected.graph);
}

static void test_every_gate(void **state)
{
    (void)state;
    visit_samples(check_call);
}

/* Writes the gates that a value is made of: "add(mul(w, x), 2)". Small graphs only: it recurses. */
static void write_gates(FILE *file, ag_value v)
{
    const size_t n = ag_operand_count(v);
    const char *name = ag_name_of(v);
    if (n == 0 && name == NULL)
        (void)fprintf(file, "%g", (double)ag_data(v));
    else if (n == 0)
        (void)fprintf(file, "%s", name);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 && name != NULL)
            (void)fprintf(file, "%s=", name);
        (void)fprintf(file, "%s%s", i == 0 ? ag_gate_name(v) : ", ", i == 0 ? "(" : "");
        write_gates(file, ag_operand(v, i));
    }
    (void)fprintf(file, "%s", n == 0 ? "" : ")");
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *gates;
    } cases[] = {
        {"w*x + y", "add(mul(w, x), y)"},
        {"x - y - 1", "sub(sub(x, y), 1)"},
        {"-x", "neg(x)"},
        {"-2", "-2"},
        {"--2", "neg(-2)"},
        {"-(2)", "neg(2)"},
        {"-pi", "neg(pi)"},
        {"-2*x", "mul(-2, x)"},
        {"x*-2", "mul(x, -2)"},
        {"x - -2", "sub(x, -2)"},
        {"x - 2", "sub(x, 2)"},
        {"-2^2", "neg(pow(2, 2))"},
        {"(-2)^2", "pow(-2, 2)"},
        {"x^2", "pow(x, 2)"},
        {"x^-2", "pow(x, -2)"},
        {"x^(-2)", "pow(x, -2)"},
        {"x^0.5", "pow(x, 0.5)"},
        {"x^2^3", "pow(x, 8)"},
        {"x^(1 + 1)", "pow(x, 2)"},
        {"x^-(1 + 1)", "pow(x, -2)"},
        {"x^(1/2)", "pow(x, div(1, 2))"},
        {"x^y", "pow(x, y)"},
        {"a = 2; x^a", "pow(x, a)"},
        {"2^x", "pow(2, x)"},
        {"1/x", "reciprocal(x)"},
        {"1/(1 + exp(-x))", "reciprocal(add(1, exp(neg(x))))"},
        {"2/x", "div(2, x)"},
        {"-1/x", "div(-1, x)"},
        {"1/2", "div(1, 2)"},
        {"x/1", "div(x, 1)"},
        {"pi*pi + e", "add(mul(pi, pi), e)"},
        {"x > y", "is_less(y, x)"},
        {"x >= y", "is_less_equal(y, x)"},
        {"x < y", "is_less(x, y)"},
        {"x <= y", "is_less_equal(x, y)"},
        {"x == y", "is_equal(x, y)"},
        {"x != y", "sub(1, is_equal(x, y))"},
        {"sum(x, 1, y)", "sum(x, 1, y)"},
        {"dot(x, y, w, 2)", "dot(x, y, w, 2)"},
        {"linear(1, 2, x, 3, y)", "linear(x, y)"},
        {"a = w*x + y; tanh(a)", "tanh(a=add(mul(w, x), y))"},
        {"a = x; b = a; -b", "neg(x)"},
        {"a = 2; b = a; b*a", "mul(a, a)"},
        {"a = (x); a + 1", "add(x, 1)"},
        {"t = pi; t*2", "mul(pi, 2)"},
        {"a = x + y; a*a", "mul(a=add(x, y), a=add(x, y))"},
        {"2", "2"},
        {"x", "x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin();
        const ag_value root = must_read(cases[i].text);
        char *text = NULL;
        size_t length;
        FILE *file = open_memstream(&text, &length);
        assert_non_null(file);
        write_gates(file, root);
        assert_int_equal(fclose(file), 0);
        assert_string_equal(text, cases[i].gates);
        free(text);
        ag_graph_free(graph);
    }
}

/* pi is one node, in an expression and in those after it; a caller's own pi is left alone. */
static void test_constants(void **state)
{
    (void)state;
    begin();
    const ag_value first = must_read("pi*pi"), second = must_read("pi + x");
    assert_int_equal(ag_operand(first, 0).index, ag_operand(first, 1).index);
    assert_int_equal(ag_operand(first, 0).index, ag_operand(second, 0).index);
    assert_string_equal(ag_gate_name(ag_operand(first, 0)), "constant");
    assert_int_equal(ag_name(y, "e"), AG_OK);
    assert_close(ag_data(must_read("e")), 2.71828182845904523536, ROUNDING);
    assert_same(ag_data(ag_find(graph, "e")), 3);
    ag_graph_free(graph);
}

static void test_gradients(void **state)
{
    (void)state;
    begin();
    const ag_value z = must_read("a = w*x + y; b = tanh(a)\nb*a + x^-2");
    assert_int_equal(ag_backward(z), AG_OK);
    const double a = 2, b = tanh(a), da = b + a * (1 - b * b);
    assert_close(ag_data(z), b * a + 0.25, ROUNDING);
    assert_close(ag_grad(w), da * 2, ROUNDING);
    assert_close(ag_grad(x), da * -0.5 - 0.25, ROUNDING);
    assert_close(ag_grad(y), da, ROUNDING);
    assert_close(ag_data(ag_find(graph, "a")), a, ROUNDING);
    assert_close(ag_grad(ag_find(graph, "a")), da, ROUNDING);
    assert_close(ag_grad(ag_find(graph, "b")), a, ROUNDING);
    ag_graph_free(graph);
    /* whole powers are derived for negative numbers, too, and no NaN gets into a gradient */
    begin();
    ag_set_check(graph, true);
    assert_int_equal(ag_set(x, -2), AG_OK);
    assert_int_equal(ag_backward(must_read("x^3 + x^(1 + 1) + x^2^2")), AG_OK);
    assert_close(ag_grad(x), 12 - 4 - 32, ROUNDING);
    ag_graph_free(graph);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

typedef struct mistake {
    const char *text;
    size_t line, column;
    ag_status status;
    const char *message;
} mistake;

static void check_mistake(const mistake *m, size_t length)
{
    begin();
    const size_t nodes = ag_graph_count(graph);
    assert_true(ag_is_null(read_bytes(length, m->text)));
    if (strcmp(error.message, m->message) != 0 || error.line != m->line ||
        error.column != m->column)
        print_error("%s: %zu:%zu: %s\n", m->text, error.line, error.column, error.message);
    assert_string_equal(error.message, m->message);
    assert_int_equal(error.line, m->line);
    assert_int_equal(error.column, m->column);
    assert_int_equal(error.status, m->status);
    /* nothing is left of it, and the graph is as good as before */
    assert_int_equal(ag_error(graph), AG_OK);
    assert_int_equal(ag_graph_count(graph), nodes);
    assert_same(ag_data(must_read("x*y")), 6);
    ag_graph_free(graph);
}

#define OPERAND "expected a number, a name or \"(\" after "
#define BETWEEN "expected an operator between "
#define COMMAS "\",\" stands between the operands of a gate; in numbers it is a point"
#define CHAINED "comparisons can't be chained: multiply them, as in (a < b)*(b < c)"
#define UNNAMED "only the last expression goes without a name: write name = ... here"

static void test_errors(void **state)
{
    (void)state;
    static const mistake mistakes[] = {
        /* operands that are missing */
        {"", 1, 1, AG_PARSE, "expected an expression, found nothing"},
        {" \n\n", 1, 1, AG_PARSE, "expected an expression, found nothing"},
        {"# x", 1, 1, AG_PARSE, "expected an expression, found nothing"},
        {"* x", 1, 1, AG_PARSE, "expected an expression, found \"*\""},
        {"x;\n == 2", 1, 1, AG_PARSE, UNNAMED},
        {"= 2", 1, 1, AG_PARSE, "expected an expression, found \"=\""},
        {"x*)", 1, 3, AG_PARSE, OPERAND "\"*\", found \")\""},
        {"x +  # more\n\n", 1, 4, AG_PARSE, OPERAND "\"+\", found the end"},
        {"a = ", 1, 4, AG_PARSE, OPERAND "\"=\", found the end"},
        {"a = ;a", 1, 5, AG_PARSE, OPERAND "\"=\", found \";\""},
        {"x + \n\n * y", 3, 2, AG_PARSE, OPERAND "\"+\", found \"*\""},
        {"x**2", 1, 3, AG_PARSE, OPERAND "\"*\", found \"*\": powers are written ^"},
        {"x < = 2", 1, 5, AG_PARSE, OPERAND "\"<\", found \"=\""},
        {"-", 1, 2, AG_PARSE, OPERAND "\"-\", found the end"},
        {"x^", 1, 3, AG_PARSE, OPERAND "\"^\", found the end"},
        {"()", 1, 2, AG_PARSE, OPERAND "\"(\", found \")\""},
        {"(", 1, 2, AG_PARSE, OPERAND "\"(\", found the end"},
        {"max(x,)", 1, 7, AG_PARSE, OPERAND "\",\", found \")\""},
        {"max(,x)", 1, 5, AG_PARSE, OPERAND "\"(\", found \",\""},
        {"max(-)", 1, 6, AG_PARSE, OPERAND "\"-\", found \")\""},
        {"x + tanh(", 1, 10, AG_PARSE, OPERAND "\"(\", found the end"},
        /* operators that are missing */
        {"2x", 1, 2, AG_PARSE, BETWEEN "\"2\" and \"x\": write 2*x"},
        {"x y", 1, 3, AG_PARSE, BETWEEN "\"x\" and \"y\": write x*y"},
        {"2exp(x)", 1, 2, AG_PARSE, BETWEEN "\"2\" and \"exp\": write 2*exp(...)"},
        {"2(x)", 1, 2, AG_PARSE, BETWEEN "\"2\" and \"(\": write 2*(...)"},
        {"(x)(y)", 1, 4, AG_PARSE, BETWEEN "\")\" and \"(\": write (...)*(...)"},
        {"tanh(x)y", 1, 8, AG_PARSE, BETWEEN "\")\" and \"y\": write (...)*y"},
        {"x 2", 1, 3, AG_PARSE, BETWEEN "\"x\" and \"2\": write x*2"},
        {"1e5x", 1, 4, AG_PARSE, BETWEEN "\"1e5\" and \"x\": write 1e5*x"},
        {"0x10", 1, 2, AG_PARSE, BETWEEN "\"0\" and \"x10\": write 0*x10"},
        {"x + y = 5", 1, 7, AG_PARSE,
         "expected an operator after \"y\", found \"=\": \"==\" compares, \"name = ...\" binds"},
        /* parentheses */
        {"(x", 1, 1, AG_PARSE, "the \"(\" is not closed"},
        {"x*((y)", 1, 3, AG_PARSE, "the \"(\" is not closed"},
        {"tanh (x", 1, 6, AG_PARSE, "the \"(\" is not closed"},
        {"a = (x; tanh(a)", 1, 5, AG_PARSE, "the \"(\" is not closed"},
        {"(x\ny", 2, 1, AG_PARSE, BETWEEN "\"x\" and \"y\": write x*y"},
        {"x)", 1, 2, AG_PARSE, "\")\" without a \"(\""},
        {")", 1, 1, AG_PARSE, "\")\" without a \"(\""},
        {"tanh(x))", 1, 8, AG_PARSE, "\")\" without a \"(\""},
        {"(x, y)", 1, 3, AG_PARSE, COMMAS},
        {"1,5", 1, 2, AG_PARSE, COMMAS},
        {"max((x, y))", 1, 7, AG_PARSE, COMMAS},
        /* calls */
        {"tanh(x, y)", 1, 1, AG_PARSE, "tanh takes 1 operand, found 2"},
        {"1 + max(x)", 1, 5, AG_PARSE, "max takes 2 operands, found 1"},
        {"tanh()", 1, 1, AG_PARSE, "tanh takes 1 operand, found none"},
        {"select(x, y)", 1, 1, AG_PARSE, "select takes 3 operands, found 2"},
        {"gt(x, y, x)", 1, 1, AG_PARSE, "gt takes 2 operands, found 3"},
        {"sum()", 1, 1, AG_PARSE, "sum takes at least 1 operand, found none"},
        {"dot(x, y, x)", 1, 1, AG_PARSE,
         "dot takes pairs of operands, dot(x1, w1, x2, w2, ...), found 3"},
        {"dot()", 1, 1, AG_PARSE,
         "dot takes pairs of operands, dot(x1, w1, x2, w2, ...), found none"},
        {"linear(1)", 1, 1, AG_PARSE,
         "linear takes an offset and pairs, linear(offset, w1, x1, w2, x2, ...), found 1"},
        {"linear(1, 2, x, 3)", 1, 1, AG_PARSE,
         "linear takes an offset and pairs, linear(offset, w1, x1, w2, x2, ...), found 4"},
        {"linear(1, y*2, x)", 1, 11, AG_PARSE,
         "linear takes numbers for its offset and w1, w2, ...: this depends on inputs"},
        {"linear(x, 2, x)", 1, 8, AG_PARSE,
         "linear takes numbers for its offset and w1, w2, ...: this depends on inputs"},
        {"sin", 1, 4, AG_PARSE, "expected \"(\" after the gate sin"},
        {"sin x", 1, 5, AG_PARSE, "expected \"(\" after the gate sin"},
        {"x(y)", 1, 2, AG_PARSE, "x is not a gate: a product is written x*(...)"},
        {"pi (y)", 1, 4, AG_PARSE, "pi is not a gate: a product is written pi*(...)"},
        /* comparisons */
        {"x < y < 3", 1, 7, AG_PARSE, CHAINED},
        {"x == y != 3", 1, 8, AG_PARSE, CHAINED},
        {"1 + (x <= y + 1 >= 3)", 1, 17, AG_PARSE, CHAINED},
        /* names */
        {"tnah(x)", 1, 1, AG_INVALID_ARGUMENT, "unknown name \"tnah\": did you mean \"tanh\"?"},
        {"x + Sigmiod(x)", 1, 5, AG_INVALID_ARGUMENT,
         "unknown name \"Sigmiod\": did you mean \"sigmoid\"?"},
        {"arctan(x)", 1, 1, AG_INVALID_ARGUMENT, "unknown name \"arctan\": did you mean \"atan\"?"},
        {"ln(x)", 1, 1, AG_INVALID_ARGUMENT, "unknown name \"ln\": did you mean \"log\"?"},
        {"X + 1", 1, 1, AG_INVALID_ARGUMENT, "unknown name \"X\": did you mean \"x\"?"},
        {"weight = 1; wieght*x", 1, 13, AG_INVALID_ARGUMENT,
         "unknown name \"wieght\": did you mean \"weight\"?"},
        {"a1 = 1; a2", 1, 9, AG_INVALID_ARGUMENT,
         "unknown name \"a2\": give it a value, as in a2=1"},
        {"z", 1, 1, AG_INVALID_ARGUMENT, "unknown name \"z\": give it a value, as in z=1"},
        {"x*\n\tblob", 2, 2, AG_INVALID_ARGUMENT,
         "unknown name \"blob\": give it a value, as in blob=1"},
        {"frobnicate(x)", 1, 1, AG_INVALID_ARGUMENT, "unknown gate \"frobnicate\""},
        {"a = a + 1; a", 1, 5, AG_INVALID_ARGUMENT,
         "unknown name \"a\": give it a value, as in a=1"},
        /* bindings */
        {"a = 1; a = 2; a", 1, 8, AG_INVALID_ARGUMENT,
         "\"a\" is bound already, at 1:1: bind another name"},
        {"x\n= 2", 1, 1, AG_PARSE, UNNAMED},
        {"x = 1; x", 1, 1, AG_INVALID_ARGUMENT, "\"x\" is an input: bind another name"},
        {"x + (a = 1)", 1, 6, AG_INVALID_ARGUMENT,
         "unknown name \"a\": give it a value, as in a=1"},
        {"sin = 1; x", 1, 1, AG_INVALID_ARGUMENT, "\"sin\" is a gate: bind another name"},
        {"pi = 3; x", 1, 1, AG_INVALID_ARGUMENT, "\"pi\" is a constant: bind another name"},
        {"a = 1", 1, 1, AG_PARSE, "\"a = 1\" is not the result: end with an expression, such as a"},
        {"a = 1\nbig = 2*a # so\n", 2, 1, AG_PARSE,
         "\"big = 2*a\" is not the result: end with an expression, such as big"},
        {"x; y", 1, 1, AG_PARSE, UNNAMED},
        {"a = 1\nx + a\na", 2, 1, AG_PARSE, UNNAMED},
        /* numbers */
        {"1.2.3", 1, 1, AG_PARSE, "\"1.2.3\" is not a number"},
        {"x + .", 1, 5, AG_PARSE, "\".\" is not a number"},
        {"1..2", 1, 1, AG_PARSE, "\"1..2\" is not a number"},
        {"1e5.5", 1, 1, AG_PARSE, "\"1e5.5\" is not a number"},
        {"1e", 1, 1, AG_PARSE, "\"1e\" is not a number: an exponent follows the e, as in 1e3"},
        {"2*1e+ 5", 1, 3, AG_PARSE,
         "\"1e+\" is not a number: an exponent follows the e, as in 1e3"},
        {"1e999", 1, 1, AG_PARSE, "1e999 is too large a number"},
        {"-1e999", 1, 2, AG_PARSE, "1e999 is too large a number"},
        {"1e-999", 1, 1, AG_PARSE, "1e-999 is too small a number"},
        {"1e99999999999999999999", 1, 1, AG_PARSE, "1e99999999999999999999 is too large a number"},
        {"x 1.2.3", 1, 3, AG_PARSE, BETWEEN "\"x\" and \"1.2.3\": write x*1.2.3"},
        /* characters */
        {"x $ y", 1, 3, AG_PARSE, "unknown character \"$\""},
        {"x + $", 1, 5, AG_PARSE, "unknown character \"$\""},
        {"!x", 1, 1, AG_PARSE, "unknown character \"!\""},
        {"[x]", 1, 1, AG_PARSE, "unknown character \"[\": write ("},
        {"x × y", 1, 3, AG_PARSE, "unknown character \"×\" (U+00D7): write *"},
        {"x − y", 1, 3, AG_PARSE, "unknown character \"−\" (U+2212): write -"},
        {"2*π", 1, 3, AG_PARSE, "unknown character \"π\" (U+03C0): write pi"},
        {"xé", 1, 2, AG_PARSE, "unknown character \"é\" (U+00E9)"},
        {"x\xC2\xA0+ y", 1, 2, AG_PARSE, "unknown character U+00A0: write a blank"},
        {"x\xE2\x80\x8B", 1, 2, AG_PARSE, "unknown character U+200B"},
        {"x + \x1B[31m", 1, 5, AG_PARSE, "unknown character U+001B"},
        {"x + \xFF", 1, 5, AG_PARSE, "unknown character: byte 0xFF, which is not UTF-8"},
        {"x + \xE2\x82", 1, 5, AG_PARSE, "unknown character: byte 0xE2, which is not UTF-8"},
        {"x + \xED\xA0\x80", 1, 5, AG_PARSE, "unknown character: byte 0xED, which is not UTF-8"},
        {"x + \xC0\x80", 1, 5, AG_PARSE, "unknown character: byte 0xC0, which is not UTF-8"},
        {"x + \xF0\x9F\x98\x80", 1, 5, AG_PARSE, "unknown character \"😀\" (U+1F600)"},
        /* columns are characters, and bytes that are none count as one each */
        {"# é×\n (x\xFF", 2, 4, AG_PARSE, "unknown character: byte 0xFF, which is not UTF-8"},
        /* the first mistake counts */
        {"tnah $ (", 1, 1, AG_INVALID_ARGUMENT, "unknown name \"tnah\": did you mean \"tanh\"?"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++)
        check_mistake(&mistakes[i], strlen(mistakes[i].text));
    check_mistake(&(mistake){"x + \0", 1, 5, AG_PARSE, "unknown character U+0000"}, 5);
}

static void test_long_names(void **state)
{
    (void)state;
    char name[1000];
    memset(name, 'q', sizeof(name));
    begin();
    assert_true(ag_is_null(read_bytes(sizeof(name), name)));
    assert_contains(error.message, "unknown name \"qqqqqqq");
    assert_contains(error.message, "...\"");
    assert_true(strlen(error.message) < 200);
    ag_graph_free(graph);
}

/* What the engine refuses, and inputs that are none. */
static void test_refusals(void **state)
{
    (void)state;
    begin();
    expression_input inputs[2] = {{"x", x}, {"x", y}};
    assert_true(ag_is_null(record_expression(graph, 1, "x", 2, inputs, &error)));
    assert_string_equal(error.message, "the input \"x\" is there twice");
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_int_equal(error.line, 0);
    inputs[1].name = "tanh";
    assert_true(ag_is_null(record_expression(graph, 1, "x", 2, inputs, &error)));
    assert_string_equal(error.message, "\"tanh\" can't be an input: it is a gate");
    inputs[1].name = "pi";
    assert_true(ag_is_null(record_expression(graph, 1, "x", 2, inputs, NULL)));
    inputs[1] = (expression_input){"null", ag_find(graph, "nobody")};
    assert_true(ag_is_null(record_expression(graph, 4, "null", 2, inputs, &error)));
    assert_int_equal(error.status, AG_NULL_VALUE);
    assert_string_equal(error.message, "the input \"null\" has no value");
    assert_int_equal(ag_error(graph), AG_OK);
    /* a name that the graph has given away */
    assert_int_equal(ag_name(w, "taken"), AG_OK);
    assert_true(
        ag_is_null(record_expression(graph, 22, "x; taken = 1; taken\0\0\0", 1, inputs, &error)));
    assert_int_equal(error.status, AG_PARSE);
    assert_true(
        ag_is_null(record_expression(graph, 23, "\n a = 1; taken = 1; taken", 1, inputs, &error)));
    assert_int_equal(error.status, AG_NAME_TAKEN);
    assert_int_equal(error.line, 2);
    assert_int_equal(error.column, 9);
    assert_string_equal(error.message, ag_error_message(graph));
    /* and a graph that has an error */
    assert_true(ag_is_null(record_expression(graph, 1, "x", 1, inputs, &error)));
    assert_int_equal(error.status, AG_NAME_TAKEN);
    assert_true(ag_is_null(record_expression(NULL, 1, "1", 0, NULL, &error)));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    ag_graph_free(graph);
}

static void test_too_many_nodes(void **state)
{
    (void)state;
    graph = ag_graph_new(&(ag_graph_options){.max_nodes = 5});
    assert_non_null(graph);
    x = y = w = ag_variable(graph, 1);
    assert_true(ag_is_null(read_text("tanh(x) + tanh(tanh(tanh(tanh(x))))")));
    assert_int_equal(error.status, AG_TOO_MANY_NODES);
    assert_int_equal(error.column, 11);
    assert_string_equal(error.message, ag_error_message(graph));
    assert_int_equal(ag_graph_count(graph), 1);
    ag_graph_free(graph);
}

/* ---- Carets ---------------------------------------------------------------------------------- */

static void check_print(size_t length, const char *text, const char *expected)
{
    char *printed = NULL;
    size_t size;
    FILE *file = open_memstream(&printed, &size);
    assert_non_null(file);
    begin();
    assert_true(ag_is_null(read_bytes(length, text)));
    print_expression_error(file, "it", length, text, &error);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(printed, expected);
    free(printed);
    ag_graph_free(graph);
}

static void test_carets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"x $ y", "it:1:3: unknown character \"$\"\n"
                  "  x $ y\n"
                  "    ^\n"},
        {"a = x\n\tb = ×é + $\ny", "it:2:6: unknown character \"×\" (U+00D7): write *\n"
                                   "  \tb = ×é + $\n"
                                   "  \t    ^\n"},
        {"a = (1 + # é\t×\r\n  2 + \t$\r\n", "it:2:8: unknown character \"$\"\n"
                                             "    2 + \t$\n"
                                             "        \t^\n"},
        {"x +", "it:1:4: " OPERAND "\"+\", found the end\n"
                "  x +\n"
                "     ^\n"},
        {"", "it:1:1: expected an expression, found nothing\n"
             "  \n"
             "  ^\n"},
        {"x + \x1B[31m\xFF\x7F\xE2\x80\xAE", "it:1:5: unknown character U+001B\n"
                                             "  x + ?[31m???\n"
                                             "      ^\n"},
        /* 80 characters, and then some */
        {"sum(1111111111, 2222222222, 3333333333, 4444444444, 5555555555, 6666666666, $7777777777, "
         "8888888888, 9999999999)",
         "it:1:77: unknown character \"$\"\n"
         "  ...333333, 4444444444, 5555555555, 6666666666, $7777777777, 8888888888, 999...\n"
         "                                                 ^\n"},
        {"x $ 1111111111, 2222222222, 3333333333, 4444444444, 5555555555, 6666666666, 7777777777",
         "it:1:3: unknown character \"$\"\n"
         "  x $ 1111111111, 2222222222, 3333333333, 4444444444, 5555555555, 66666666...\n"
         "    ^\n"},
        {"########################################################################\nx $",
         "it:2:3: unknown character \"$\"\n"
         "  x $\n"
         "    ^\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_print(strlen(cases[i].text), cases[i].text, cases[i].printed);
}

static void test_sources(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t size;
    FILE *file = open_memstream(&printed, &size);
    assert_non_null(file);
    const expression_error none = {.message = "no place"};
    print_expression_error(file, "\x1B[2Jé\n\xFF", 0, "", &none);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(printed, "?[2Jé??: no place\n");
    free(printed);
}

/* The window goes back by characters, whatever they are made of. */
static void test_long_line(void **state)
{
    (void)state;
    enum {
        BYTES = 1000000
    };
    char *text = malloc(BYTES), *printed = NULL;
    size_t size;
    assert_non_null(text);
    text[0] = '(';
    for (size_t i = 1; i + 2 < BYTES; i += 3)
        memcpy(text + i, "1+\t", 3);
    text[BYTES - 2] = '$';
    text[BYTES - 1] = '\n';
    begin();
    assert_true(ag_is_null(read_bytes(BYTES, text)));
    assert_int_equal(error.column, BYTES - 1);
    FILE *file = open_memstream(&printed, &size);
    assert_non_null(file);
    print_expression_error(file, "it", BYTES, text, &error);
    assert_int_equal(fclose(file), 0);
    assert_contains(printed, "\n  ...\t1+\t1+\t");
    assert_contains(printed, "+\t1$\n     \t  \t  \t");
    assert_contains(printed, "\t ^\n");
    assert_true(size < 300);
    free(printed);
    free(text);
    ag_graph_free(graph);
}

/* ---- Numbers alone, and names ---------------------------------------------------------------- */

static void test_evaluate_number(void **state)
{
    (void)state;
    double number;
    assert_true(evaluate_number(4, "pi/4", &number, &error));
    assert_close(number, 0.78539816339744830962, ROUNDING);
    assert_true(evaluate_number(2, "-3", &number, NULL));
    assert_same(number, -3);
    assert_true(evaluate_number(3, "1/0", &number, NULL));
    assert_same(number, (double)INFINITY);
    assert_false(evaluate_number(3, "2*q", &number, &error));
    assert_string_equal(error.message, "unknown name \"q\": only numbers can stand here");
    assert_int_equal(error.column, 3);
    assert_false(evaluate_number(0, "", &number, &error));
    assert_same(number, (double)INFINITY); /* as it was */
}

static void test_input_names(void **state)
{
    (void)state;
    static const char *const good[] = {"x", "X", "_", "x1", "tanh1", "PI", "gradient", "_e"};
    static const char *const bad[] = {"", "1x", "x y", "x-", "e", "pi", "tanh", "sum", "gt", "é"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(is_input_name(strlen(good[i]), good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(is_input_name(strlen(bad[i]), bad[i]));
    assert_false(is_input_name(3, "tanh"));
    assert_true(is_input_name(2, "tanh"));
    assert_false(is_input_name(2, "x\0"));
}

/* ---- Random expressions ---------------------------------------------------------------------- */

/* The same language read another way: by functions that call each other, on numbers. */
typedef struct reader {
    const char *at;
    ag_real x, y, w, a, b;
} reader;

static ag_real read_comparison(reader *r);

static bool take(reader *r, const char *what)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '#')
        r->at = *r->at == '#' ? strchr(r->at, '\n') : r->at + 1;
    const size_t n = strlen(what);
    if (strncmp(r->at, what, n) != 0)
        return false;
    r->at += n;
    return true;
}

static ag_real real_power(ag_real base, ag_real exponent)
{
#ifdef AG_REAL_FLOAT
    return powf(base, exponent);
#else
    return pow(base, exponent);
#endif
}

static ag_real read_call(reader *r)
{
    static const char *const names[] = {"select(", "max(", "abs(", "sum(", "is_less(", NULL};
    size_t which = 0, n = 0;
    while (names[which] != NULL && !take(r, names[which]))
        which++;
    assert_non_null(names[which]);
    ag_real v[3] = {0};
    do
        v[n++] = read_comparison(r);
    while (n < 3 && take(r, ","));
    assert_true(take(r, ")"));
    switch (which) {
    case 0:
        return v[0] != 0 ? v[1] : v[2];
    case 1:
        return v[0] >= v[1] || isnan(v[0]) ? v[0] : v[1];
    case 2:
        return (ag_real)fabs((double)v[0]);
    case 3:
        return v[0] + v[1] + v[2];
    default:
        return v[0] < v[1] ? 1 : 0;
    }
}

static ag_real read_atom(reader *r)
{
    if (take(r, "(")) {
        const ag_real inner = read_comparison(r);
        assert_true(take(r, ")"));
        return inner;
    }
    (void)take(r, "");
    if ((*r->at >= '0' && *r->at <= '9') || *r->at == '.') {
        char *end;
#ifdef AG_REAL_FLOAT
        const ag_real number = strtof(r->at, &end);
#else
        const ag_real number = strtod(r->at, &end);
#endif
        r->at = end;
        return number;
    }
    const char next = r->at[1];
    const bool lone = !(next >= 'a' && next <= 'z') && next != '_' && next != '(';
    const char *const names[] = {"x", "y", "w", "a", "b"};
    const ag_real values[] = {r->x, r->y, r->w, r->a, r->b};
    for (size_t i = 0; lone && i < 5; i++)
        if (take(r, names[i]))
            return values[i];
    return read_call(r);
}

static ag_real read_signed(reader *r)
{
    if (take(r, "-"))
        return -read_signed(r);
    if (take(r, "+"))
        return read_signed(r);
    const ag_real base = read_atom(r);
    return take(r, "^") ? real_power(base, read_signed(r)) : base;
}

static ag_real read_product(reader *r)
{
    ag_real product = read_signed(r);
    while (true) {
        if (take(r, "*"))
            product *= read_signed(r);
        else if (take(r, "/"))
            product /= read_signed(r);
        else
            return product;
    }
}

static ag_real read_sum(reader *r)
{
    ag_real sum = read_product(r);
    while (true) {
        if (take(r, "+"))
            sum += read_product(r);
        else if (take(r, "-"))
            sum -= read_product(r);
        else
            return sum;
    }
}

static ag_real read_comparison(reader *r)
{
    const ag_real left = read_sum(r);
    if (take(r, "<="))
        return left <= read_sum(r) ? 1 : 0;
    if (take(r, ">="))
        return left >= read_sum(r) ? 1 : 0;
    if (take(r, "<"))
        return left < read_sum(r) ? 1 : 0;
    if (take(r, ">"))
        return left > read_sum(r) ? 1 : 0;
    if (take(r, "==")) {
        const ag_real right = read_sum(r);
        return left <= right && left >= right ? 1 : 0;
    }
    if (take(r, "!=")) {
        const ag_real right = read_sum(r);
        return left <= right && left >= right ? 0 : 1;
    }
    return left;
}

static uint64_t seed;

static size_t draw_below(size_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % n;
}

static void write_expression(FILE *file, size_t depth, bool compares);

static void write_blank(FILE *file, bool inside)
{
    static const char *const blanks[] = {"", " ", "", "  ", "", " # (1 +\n ", "\n"};
    (void)fputs(blanks[draw_below(inside ? 7 : 5)], file);
}

/* An operand: whatever needs no parentheses around it, or has them. */
static void write_operand(FILE *file, size_t depth)
{
    static const char *const plain[] = {"x", "y", "w", "a", "b", "2", "0.5", "1", "3", "1.25e1"};
    static const char *const calls[] = {"select", "max", "abs", "sum", "is_less"};
    static const size_t arity[] = {3, 2, 1, 3, 2};
    const size_t kind = depth == 0 ? 0 : draw_below(4);
    if (kind < 2) {
        (void)fputs(plain[draw_below(10)], file);
        return;
    }
    const size_t call = draw_below(5);
    if (kind == 2)
        (void)fputs(calls[call], file);
    (void)fputc('(', file);
    for (size_t i = 0; i < (kind == 2 ? arity[call] : 1); i++) {
        write_blank(file, true);
        (void)fputs(i == 0 ? "" : ",", file);
        write_expression(file, depth - 1, true);
    }
    write_blank(file, true);
    (void)fputc(')', file);
}

/* Operands, signs and operators in a row, as they come. */
static void write_expression(FILE *file, size_t depth, bool compares)
{
    static const char *const operators[] = {"+", "-", "*", "/",  "^",  "+",  "*",
                                            "-", "<", ">", "<=", ">=", "==", "!="};
    static const char *const signs[] = {"", "", "", "", "-", "+", "- -"};
    for (size_t n = 1 + draw_below(5); n > 0; n--) {
        (void)fputs(signs[draw_below(7)], file);
        write_operand(file, depth);
        if (n == 1)
            break;
        const size_t o = draw_below(compares ? 14 : 8);
        compares = compares && o < 8;
        (void)fprintf(file, "%s%s ", draw_below(2) == 0 ? " " : "", operators[o]);
    }
}

static char *write_random(size_t depth)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    write_expression(file, depth, true);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void test_random(void **state)
{
    (void)state;
    size_t numbers = 0;
    for (size_t i = 0; i < 20000; i++) {
        seed = i;
        begin();
        char *first = write_random(1), *second = write_random(1), *last = write_random(4);
        reader r = {.x = 2, .y = 3, .w = (ag_real)-0.5, .a = (ag_real)0.25, .b = 7};
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        assert_non_null(file);
        (void)fprintf(file, "a = 0.25; b = 7\nc = %s;d = %s\n%s\n", first, second, last);
        assert_int_equal(fclose(file), 0);
        const ag_value root = must_read(text);
        r.at = last;
        const ag_real expected = read_comparison(&r);
        assert_int_equal(*r.at, '\0');
        if (!is_same((double)ag_data(root), (double)expected))
            print_error("%zu: %s: %.17g, not %.17g\n", i, text, (double)ag_data(root),
                        (double)expected);
        assert_true(is_same((double)ag_data(root), (double)expected));
        r.at = first;
        const ag_value c = ag_find(graph, "c");
        if (!ag_is_null(c)) /* else it is another name of something */
            assert_same(ag_data(c), read_comparison(&r));
        numbers += isfinite(expected) ? 1 : 0;
        free(first);
        free(second);
        free(last);
        free(text);
        ag_graph_free(graph);
    }
    assert_true(numbers > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_locale),      cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_every_gate),  cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_constants),   cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_too_many_nodes),
        cmocka_unit_test(test_carets),      cmocka_unit_test(test_sources),
        cmocka_unit_test(test_long_line),   cmocka_unit_test(test_evaluate_number),
        cmocka_unit_test(test_input_names), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
