/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table as builders of nodes: which nodes a formula makes, which numbers fold,
 * conditions with and without gates, and what is taken of nested choices.
 */
#include "formula_words.h"
#include "testing.h"

#include <stdio.h>

#define x AGI_WORD_OF_LETTER(X)
#define y AGI_WORD_OF_LETTER(Y)

static ag_graph *graph;
static agi_builder builder;
static uint32_t before; /* nodes before the formula's */

/* x and y as leaves */
static int set_up(void **state)
{
    (void)state;
    graph = ag_graph_new(NULL);
    if (graph == NULL)
        return -1;
    agi_begin_building(&builder, graph);
    builder.letters[AGI_LETTER_X] = agi_node_atom(ag_variable(graph, 2).index);
    builder.letters[AGI_LETTER_Y] = agi_node_atom(ag_variable(graph, 3).index);
    before = (uint32_t)ag_graph_count(graph);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ag_graph_free(graph);
    return 0;
}

/* The nodes that were made, in order: "mul(0, 1) neg(2) "; a constant is its number. */
static void expect_nodes(const char *expected)
{
    char text[400] = "";
    size_t used = 0;
    for (uint32_t i = before; i < graph->count; i++) {
        const ag_value node = agi_value(graph, i);
        const size_t n = ag_operand_count(node);
        if (n == 0)
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%g ", (double)ag_data(node));
        else
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s(", ag_gate_name(node));
        for (size_t k = 0; k < n; k++)
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%lu%s",
                                 (unsigned long)ag_operand(node, k).index, k + 1 < n ? ", " : ") ");
    }
    assert_string_equal(text, expected);
}

static agi_partial build(const agi_step *formula)
{
    return agi_build(&builder, formula);
}

static double read(agi_atom atom)
{
    return (double)ag_data(agi_get_node(&builder, atom));
}

#define FORMULA(...) ((const agi_step[]){__VA_ARGS__, AGI_WORD(END)})

static void test_order_is_that_of_the_text(void **state)
{
    (void)state;
    const agi_partial p = build(FORMULA(MUL(SIN(x), ADD(EXP(y), NEG(x)))));
    expect_nodes("sin(0) exp(1) neg(0) add(3, 4) mul(2, 5) ");
    assert_close(read(p.value), sin(2) * (exp(3) - 2), ROUNDING);
    assert_true(agi_is_number(p.taken, 1));
}

static void test_constants_are_made_once(void **state)
{
    (void)state;
    (void)build(FORMULA(ADD(MUL(NUM(2), x), DIV(NUM(2), ADD(y, NUM(0.5))))));
    expect_nodes("2 mul(2, 0) 0.5 add(1, 4) div(2, 5) add(3, 6) ");
    const agi_atom two = agi_recall_atom(&builder, 2);
    assert_true(agi_is_number(two, 2));
    /* not those of others, and not what is like them */
    const ag_value other = ag_constant(graph, 2);
    assert_false(agi_recall_atom(&builder, other.index).is_number);
    assert_false(agi_recall_atom(&builder, 0).is_number);
    const uint32_t zero = agi_get_node(&builder, agi_number_atom(0)).index;
    assert_int_not_equal(agi_get_node(&builder, agi_number_atom((ag_real)-0.0)).index, zero);
    const uint32_t nan = agi_get_node(&builder, agi_number_atom((ag_real)NAN)).index;
    assert_int_equal(agi_get_node(&builder, agi_number_atom((ag_real)NAN)).index, nan);
}

/* More numbers than places for them: each is itself all the same. */
static void test_many_constants(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4 * AGI_KEPT_CONSTANTS; i++) {
            const ag_value node = agi_get_node(&builder, agi_number_atom((ag_real)i / 3));
            assert_same(ag_data(node), (ag_real)i / 3);
            assert_true(agi_is_number(agi_recall_atom(&builder, node.index), (ag_real)i / 3));
        }
    }
}

static void test_numbers_stay_numbers(void **state)
{
    (void)state;
    assert_true(agi_is_number(build(FORMULA(NUM(-1))).value, -1));
    assert_true(agi_is_number(build(FORMULA(INF)).value, (ag_real)INFINITY));
    assert_true(agi_is_number(build(FORMULA(IF(NE(NUM(2), NUM(0)), NUM(5), x))).value, 5));
    assert_true(agi_is_number(build(FORMULA(IF(EQ(NUM(2), NUM(0)), x, NUM(6)))).value, 6));
    expect_nodes("");
}

/* A comparison with 0 is the number itself; others are gates. */
static void test_conditions(void **state)
{
    (void)state;
    (void)build(FORMULA(IF(NE(x, NUM(0)), x, y)));
    (void)build(FORMULA(IF(EQ(x, NUM(0)), x, y)));
    expect_nodes("select(0, 0, 1) select(0, 1, 0) ");
    before = graph->count;
    (void)build(FORMULA(IF(EQ(x, y), x, y)));
    (void)build(FORMULA(IF(NE(x, y), x, y)));
    expect_nodes("is_equal(0, 1) select(4, 0, 1) is_equal(0, 1) select(6, 1, 0) ");
    before = graph->count;
    (void)build(FORMULA(LT(x, y)));
    (void)build(FORMULA(LE(x, y)));
    (void)build(FORMULA(GT(x, y)));
    (void)build(FORMULA(GE(x, y)));
    expect_nodes("is_less(0, 1) is_less_equal(0, 1) is_less(1, 0) is_less_equal(1, 0) ");
}

/* Every way to choose between conditions gives the number that C gives. */
static void test_conditions_of_conditions(void **state)
{
    (void)state;
    static const double numbers[] = {0, 1, 2, (double)NAN};
    for (int i = 0; i < 16; i++) {
        const ag_real p = (ag_real)numbers[i % 4], q = (ag_real)numbers[i / 4];
        builder.letters[AGI_LETTER_X] = agi_node_atom(ag_variable(graph, p).index);
        builder.letters[AGI_LETTER_Y] = agi_node_atom(ag_variable(graph, q).index);
        const struct {
            const agi_step *formula;
            bool expected;
        } cases[] = {
            {FORMULA(IF(IF(EQ(x, NUM(0)), NE(y, NUM(0)), EQ(y, NUM(0))), NUM(1), NUM(0))),
             p == 0 ? q != 0 : q == 0},
            {FORMULA(IF(IF(NE(x, y), EQ(x, NUM(0)), NUM(1)), NUM(1), NUM(0))),
             p != q ? p == 0 : true},
            {FORMULA(IF(TAKES_MAX(x, y), NUM(1), NUM(0))), p >= q || p != p},
            {FORMULA(IF(TAKES_MIN(x, y), NUM(1), NUM(0))), p <= q || p != p},
        };
        for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++)
            assert_same(read(build(cases[k].formula).value), cases[k].expected ? 1 : 0);
    }
}

/* `taken` as a number, 1 or 0 */
static double read_taken(agi_partial p)
{
    const agi_atom taken = agi_choose(&builder, p.taken, agi_number_atom(1), agi_number_atom(0));
    return read(taken);
}

static void test_what_is_taken(void **state)
{
    (void)state;
    agi_partial p = build(FORMULA(UNTAKEN));
    assert_true(agi_is_number(p.taken, 0) && agi_is_number(p.value, 0));
    p = build(FORMULA(IF(LE(x, y), UNTAKEN, MUL(x, y))));
    expect_nodes("is_less_equal(0, 1) mul(0, 1) "); /* no choice of values */
    assert_int_equal(p.value.node, 3);
    assert_same(read_taken(p), 0);
    assert_same(read_taken(build(FORMULA(IF(LE(x, y), NUM(1), UNTAKEN)))), 1);
    assert_true(agi_is_number(build(FORMULA(IF(LE(x, y), x, y))).taken, 1));
    assert_true(agi_is_number(build(FORMULA(IF(LE(x, y), UNTAKEN, UNTAKEN))).taken, 0));
}

/* A clamp's local gradient: nothing outside of [-1, 1]. */
static void test_nested_choices(void **state)
{
    (void)state;
    static const double at[] = {-2, -1, 0.5, 1, 7, (double)NAN};
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        builder.letters[AGI_LETTER_X] = agi_node_atom(ag_variable(graph, (ag_real)at[i]).index);
        const agi_partial p =
            build(FORMULA(IF(LT(x, NUM(-1)), UNTAKEN, IF(GT(x, NUM(1)), UNTAKEN, NUM(1)))));
        assert_true(agi_is_number(p.value, 1));
        assert_same(read_taken(p), at[i] < -1 ? 0 : at[i] > 1 ? 0 : 1);
        const agi_partial q =
            build(FORMULA(IF(LT(x, NUM(-1)), y, IF(GT(x, NUM(1)), UNTAKEN, NUM(5)))));
        assert_same(read_taken(q), at[i] < -1 ? 1 : at[i] > 1 ? 0 : 1);
        if (read_taken(q) != 0)
            assert_same(read(q.value), at[i] < -1 ? 3 : 5);
    }
}

/* FIRST, asked for each of some operands. */
static void test_first_largest(void **state)
{
    (void)state;
    static const double sets[][4] = {
        {1, 3, 2, 3}, {5, 5, 5, 5}, {-1, -2, -3, 0}, {1, (double)NAN, 9, (double)NAN}};
    static const int first[] = {1, 0, 3, 1};
    for (size_t i = 0; i < 4; i++) {
        ag_value operands[4];
        for (size_t k = 0; k < 4; k++)
            operands[k] = ag_variable(graph, (ag_real)sets[i][k]);
        builder.letters[AGI_LETTER_Y] = agi_node_atom(ag_max_of(4, operands).index);
        agi_atom seen = agi_number_atom(0);
        for (int k = 0; k < 4; k++) {
            builder.letters[AGI_LETTER_X] = agi_node_atom(operands[k].index);
            agi_build_first(&builder, &seen);
            const agi_partial p = build(FORMULA(IF(FIRST(x), NUM(1), UNTAKEN)));
            assert_same(read_taken(p), k == first[i] ? 1 : 0);
        }
    }
    assert_true(agi_asks_first(FORMULA(IF(FIRST(x), NUM(1), NUM(0)))));
    assert_false(agi_asks_first(FORMULA(IF(x, NUM(1), NUM(0)))));
}

static void test_errors_are_the_graphs(void **state)
{
    (void)state;
    (void)ag_set_error(graph, AG_PARSE, "before");
    const agi_partial p = build(FORMULA(IF(EQ(x, y), MUL(NUM(2), x), NEG(y))));
    assert_int_equal(p.value.node, AGI_NO_INDEX);
    assert_int_equal(ag_error(graph), AG_PARSE);
    expect_nodes("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_order_is_that_of_the_text),
        TEST(test_constants_are_made_once),
        TEST(test_many_constants),
        TEST(test_numbers_stay_numbers),
        TEST(test_conditions),
        TEST(test_conditions_of_conditions),
        TEST(test_what_is_taken),
        TEST(test_nested_choices),
        TEST(test_first_largest),
        TEST(test_errors_are_the_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
