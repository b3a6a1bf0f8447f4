/* SPDX-License-Identifier: MIT
 *
 * What holds for every gate, driven by the gate table: a line added there is tested here. Values
 * are the same however they are computed, local gradients agree with finite differences and with
 * the edges that the table states, nothing comes of an upstream gradient of 0, and wrong operands
 * are refused. Which values are right is the subject of test_gate_values.c.
 */
#include "gate_list.h"

#include <ctype.h>

/* ---- Comparisons ----------------------------------------------------------------------------- */

/* A comparison's node is the last, if there was no error; what it answered must be on it. */
#define AG_COMPARE(name, value, symbol)                                                            \
    static ag_value record_##name(size_t n, const ag_value *x)                                     \
    {                                                                                              \
        return find_recorded(n, x, ag_##name(x[0], x[1]));                                         \
    }

static ag_value find_recorded(size_t n, const ag_value *operands, bool answer)
{
    ag_graph *graph = NULL;
    for (size_t i = n; i-- > 0;)
        if (operands[i].graph != NULL)
            graph = operands[i].graph;
    assert_non_null(graph);
    if (ag_error(graph) != AG_OK) {
        assert_false(answer);
        return agi_null_value(graph);
    }
    const ag_value node = agi_value(graph, graph->count - 1);
    assert_same(ag_data(node), answer ? 1 : 0);
    return node;
}
#include <wengert/gates.def>

LIST(no_edges, )
LIST(two_numbers, AT(1, 2))
#define AG_COMPARE(name, value, symbol) {#name, 2, 1, record_##name, two_numbers, no_edges},
static const gate comparisons[] = {
#include <wengert/gates.def>
};
#define AG_COMPARE(name, value, symbol) symbol,
static const char *const symbols[] = {
#include <wengert/gates.def>
};

enum {
    COMPARISONS = sizeof(comparisons) / sizeof(*comparisons)
};

/* ---- Values ---------------------------------------------------------------------------------- */

/* A gate computes in four places: where it is recorded, where that has to grow or is paused, in
 * ag_forward and in ag_forward's check mode. */
static void check_value(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[MOST];
    const ag_value first = record(g, n, operands, leaves);
    ag_graph *graph = first.graph;
    const double value = (double)ag_data(first);
    check(isfinite(value));
    check(is_same((double)agi_evaluate(graph, first.index), value));
    check(is_same((double)ag_data(g->record(n, leaves)), value));
    assert_int_equal(ag_pause(graph), AG_OK);
    const ag_value paused = g->record(n, leaves);
    assert_int_equal(ag_resume(graph), AG_OK);
    check(is_same((double)ag_data(paused), value));
    check(strcmp(ag_gate_name(paused), "constant") == 0);
    check(strcmp(ag_gate_name(first), g->name) == 0);
    check(ag_operand_count(first) == n);
    for (size_t i = 0; i < n; i++)
        check(ag_operand(first, i).index == leaves[i].index);

    for (size_t i = 0; i < n; i++)
        assert_int_equal(ag_set(leaves[i], 1), AG_OK);
    check(ag_forward(first) == AG_OK);
    const ag_value elsewhere = g->record(n, leaves);
    check(is_same((double)ag_data(first), (double)ag_data(elsewhere)));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ag_set(leaves[i], operands[i]), AG_OK);
    ag_set_check(graph, true);
    check(ag_forward(elsewhere) == AG_OK);
    check(is_same((double)ag_data(elsewhere), value));
    ag_graph_free(graph);
}

static void test_values_do_not_depend_on_the_way(void **state)
{
    (void)state;
    visit_samples(check_value);
}

/* ---- Gradients ------------------------------------------------------------------------------- */

/* Whether ag_backward has found what the differences say. */
static bool is_right(ag_value y, ag_value leaf)
{
    return agrees_with_differences((double)ag_grad(leaf), y, leaf);
}

static void check_gradients(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[MOST];
    const ag_value y = record(g, n, operands, leaves);
    check(ag_backward(y) == AG_OK);
    check(ag_grad(y) == 1);
    for (size_t i = 0; i < n; i++) {
        check(ag_grad(leaves[i]) == ag_local_gradient(y, i));
        check(is_order(g, i) ? ag_grad(leaves[i]) == 0 : is_right(y, leaves[i]));
    }

    /* downstream = upstream * local, in check mode, too; leaves accumulate */
    const ag_real upstream = -3;
    ag_zero_grad(y.graph);
    check(ag_backward_from(1, &y, &upstream) == AG_OK);
    for (size_t i = 0; i < n; i++)
        check(ag_grad(leaves[i]) == upstream * ag_local_gradient(y, i));
    ag_set_check(y.graph, true);
    check(ag_backward_from(1, &y, &upstream) == AG_OK);
    for (size_t i = 0; i < n; i++)
        check(ag_grad(leaves[i]) == 2 * (upstream * ag_local_gradient(y, i)));
    ag_graph_free(y.graph);
}

static void test_gradients_agree_with_differences(void **state)
{
    (void)state;
    visit_samples(check_gradients);
}

/* One value for every operand: the contributions add up. */
static void check_repeated(const gate *g, size_t n, const ag_real *operands)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, operands[0]);
    ag_value repeated[MOST];
    for (size_t i = 0; i < n; i++)
        repeated[i] = x;
    const ag_value y = g->record(n, repeated);
    check(ag_backward(y) == AG_OK);
    ag_real sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ag_local_gradient(y, i);
    check(is_same((double)ag_grad(x), (double)sum));
    if (!is_order(g, 0))
        check(is_right(y, x));
    ag_graph_free(graph);
}

static void test_repeated_operands_add_up(void **state)
{
    (void)state;
    visit_samples(check_repeated);
}

/* a * b, with the factors that its context says on the gradients */
static ag_real multiply(void *context, size_t arity, const ag_real *x)
{
    (void)context;
    (void)arity;
    return x[0] * x[1];
}

static void multiply_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                              ag_real upstream, ag_real *downstream)
{
    (void)arity;
    (void)y;
    const double *factors = context;
    downstream[0] = (ag_real)(factors[0] * (double)(upstream * x[1]));
    downstream[1] = (ag_real)(factors[1] * (double)(upstream * x[0]));
}

static void test_differences_find_wrong_gradients(void **state)
{
    (void)state;
    double cases[][2] = {{1, 1},           {-1, 1},  {0, 1},
                         {1, 0},           {1, 2},   {1 + 4 * TOLERANCE, 1},
                         {1, (double)NAN}, {1, INF}, {1, 1 - 4 * TOLERANCE}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ag_graph *graph = ag_graph_new(NULL);
        const ag_value x[] = {ag_variable(graph, (ag_real)1.5), ag_variable(graph, (ag_real)-0.7)};
        const ag_closure closure = {
            .name = "multiply",
            .arity = 2,
            .forward = multiply,
            .backward = multiply_backward,
            .context = cases[i],
        };
        const ag_value y = ag_apply(&closure, x);
        assert_int_equal(ag_backward(y), AG_OK);
        assert_int_equal(is_right(y, x[0]), cases[i][0] == 1);
        assert_int_equal(is_right(y, x[1]), cases[i][1] == 1);
        ag_graph_free(graph);
    }
}

/* ---- Edges ----------------------------------------------------------------------------------- */

static bool is_equal(ag_real p, ag_real q)
{
    return p == q || (isnan(p) && isnan(q));
}

static void check_edge(const gate *g, size_t n, const ag_real *operands)
{
    const ag_real *gradients = operands + n;
    ag_value leaves[MOST];
    const ag_value y = record(g, n, operands, leaves);
    check(ag_backward(y) == AG_OK);
    for (size_t i = 0; i < n; i++) {
        check(is_equal(ag_local_gradient(y, i), gradients[i]));
        check(is_equal(ag_grad(leaves[i]), gradients[i]));
    }
    ag_graph_free(y.graph);
}

static void test_edges_are_as_stated(void **state)
{
    (void)state;
    visit_edges(check_edge);
}

/* ---- The zero rule --------------------------------------------------------------------------- */

/* Three ways to an upstream gradient of 0: from the caller, from a select that goes elsewhere, from
 * a factor 0. Whatever the local gradients are, nothing comes of them. */
static void check_zero_upstream(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[MOST];
    const ag_value y = record(g, n, operands, leaves);
    ag_graph *graph = y.graph;
    const ag_value other = ag_variable(graph, 5);
    const ag_value roots[] = {
        y,
        ag_select(ag_constant(graph, 0), y, other),
        ag_mul(y, ag_constant(graph, 0)),
    };
    const ag_real upstream[] = {0, 1, 1};
    for (size_t k = 0; k < 3; k++) {
        ag_zero_grad(graph);
        check(ag_backward_from(1, &roots[k], &upstream[k]) == AG_OK);
        for (size_t i = 0; i < n; i++)
            check(ag_grad(leaves[i]) == 0);
        check(ag_grad(other) == (k == 1 ? 1 : 0));
    }
    ag_graph_free(graph);
}

static void test_zero_upstream_passes_zero_on(void **state)
{
    (void)state;
    visit_edges(check_zero_upstream);
    visit_samples(check_zero_upstream);
}

/* An operand that the gate did not look at gets nothing, however large the upstream gradient. */
static size_t untaken_seen;

static void check_infinite_upstream(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[MOST];
    const ag_value y = record(g, n, operands, leaves);
    const ag_real upstream = (ag_real)INFINITY;
    check(ag_backward_from(1, &y, &upstream) == AG_OK);
    const agi_list list = agi_list_operands(y.graph, y.index);
    const uint32_t first = agi_first_largest(y.graph, y.index);
    for (uint32_t k = 0; k < list.n; k++) {
        bool taken;
        const ag_real local = agi_local(y.graph, y.index, k, first, &taken);
        check(taken || local == 0);
        if (!taken && n == list.n) {
            untaken_seen++;
            check(ag_grad(leaves[k]) == 0);
        }
    }
    ag_graph_free(y.graph);
}

static void test_infinite_upstream_stays_on_the_taken_side(void **state)
{
    (void)state;
    untaken_seen = 0;
    visit_samples(check_infinite_upstream);
    assert_true(untaken_seen >= 6); /* max, min, select, relu, max_of */

    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, -1);
    const ag_value flat = ag_sqrt(ag_max(ag_constant(graph, 0), x)); /* sqrt'(0) is infinite */
    assert_int_equal(ag_backward(flat), AG_OK);
    assert_same(ag_grad(x), 0);
    assert_int_equal(ag_backward(ag_sqrt(ag_relu(x))), AG_OK);
    assert_same(ag_grad(x), 0);
    ag_graph_free(graph);
}

/* What stands in the branch that is not taken: values and local gradients that are no numbers. */
static ag_value take_root(ag_value x)
{
    return ag_sqrt(ag_sub(x, x));
}

static ag_value take_log(ag_value x)
{
    return ag_log(ag_neg(x));
}

static ag_value take_log_of_zero(ag_value x)
{
    return ag_log(ag_sub(x, x));
}

static ag_value divide_by_zero(ag_value x)
{
    return ag_div(x, ag_sub(x, x));
}

static void test_untaken_branches_stay_out(void **state)
{
    (void)state;
    ag_value (*const poisons[])(ag_value) = {take_root, take_log, take_log_of_zero, divide_by_zero};
    for (size_t i = 0; i < sizeof(poisons) / sizeof(*poisons); i++) {
        for (int check_mode = 0; check_mode < 2; check_mode++) {
            ag_graph *graph = ag_graph_new(&(ag_graph_options){.check = check_mode == 1});
            const ag_value x = ag_variable(graph, 3);
            const ag_value poison = poisons[i](x), good = ag_square(x);
            const ag_value one = ag_constant(graph, 1), zero = ag_constant(graph, 0);
            const ag_value either[] = {ag_select(one, good, poison), ag_select(zero, poison, good)};
            for (int k = 0; k < 2; k++) {
                ag_zero_grad(graph);
                assert_int_equal(ag_backward(either[k]), AG_OK);
                assert_same(ag_data(either[k]), 9);
                assert_same(ag_grad(x), 6);
            }
            /* where it is taken, it does harm */
            ag_set_check(graph, false);
            const ag_value bad = ag_select(zero, good, poison);
            assert_int_equal(ag_backward(bad), AG_OK);
            assert_true(!isfinite(ag_data(bad)) || !isfinite(ag_grad(x)));
            ag_graph_free(graph);
        }
    }
}

static void test_untaken_extremes_stay_out(void **state)
{
    (void)state;
    for (int check_mode = 0; check_mode < 2; check_mode++) {
        ag_graph *graph = ag_graph_new(&(ag_graph_options){.check = check_mode == 1});
        const ag_value x = ag_variable(graph, 3), good = ag_square(x);
        const ag_value low = take_log_of_zero(x), high = ag_neg(low), root = take_root(x);
        assert_same(ag_data(low), -INF);
        const ag_value roots[] = {
            ag_max(good, low),
            ag_max(low, good),
            ag_min(good, high),
            ag_min(high, good),
            ag_max(root, good),
            ag_max_of(3, (const ag_value[]){low, good, root}),
            ag_max_of(2, (const ag_value[]){good, low}),
            ag_logsumexp(2, (const ag_value[]){low, good}),
            ag_logsumexp(3, (const ag_value[]){low, good, low}),
        };
        for (size_t k = 0; k < sizeof(roots) / sizeof(*roots); k++) {
            /* logsumexp looks at every operand, and says so in check mode */
            const bool refused =
                check_mode == 1 && strcmp(ag_gate_name(roots[k]), "logsumexp") == 0;
            ag_zero_grad(graph);
            assert_same(ag_data(roots[k]), 9);
            assert_int_equal(ag_backward(roots[k]), refused ? AG_NOT_FINITE : AG_OK);
            ag_clear_error(graph);
            assert_same(ag_grad(x), refused ? 0 : 6);
        }
        ag_graph_free(graph);
    }
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

/* What the symbol says, spelt out. */
static bool compare(const gate *g, ag_real a, ag_real b)
{
    const char *symbol = symbols[g - comparisons];
    if (strcmp(symbol, "!=") == 0)
        return !(a == b);
    assert_true(strspn(symbol, "<>=") == strlen(symbol));
    return (strchr(symbol, '<') != NULL && a < b) || (strchr(symbol, '>') != NULL && a > b) ||
           (strchr(symbol, '=') != NULL && a == b);
}

static const ag_real compared[] = {
    0,           (ag_real)-0.0, 1, 1 + AG_REAL_EPSILON, -1, (ag_real)INFINITY, -(ag_real)INFINITY,
    (ag_real)NAN};
enum {
    COMPARED = sizeof(compared) / sizeof(*compared)
};

static void check_comparison(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[2];
    const ag_value node = record(g, n, operands, leaves);
    ag_graph *graph = node.graph;
    check(ag_graph_count(graph) == 3);
    check(ag_data(node) == (compare(g, operands[0], operands[1]) ? 1 : 0));
    check(agi_evaluate(graph, node.index) == ag_data(node));
    check(strcmp(ag_gate_name(node), g->name) == 0);
    check(ag_operand_count(node) == 2);
    for (size_t i = 0; i < 2; i++) {
        check(ag_operand(node, i).index == leaves[i].index);
        check(ag_local_gradient(node, i) == 0);
    }
    check(ag_backward(node) == AG_OK);
    check(ag_grad(leaves[0]) == 0 && ag_grad(leaves[1]) == 0);

    /* the caller's next step depends on it, so a pause does not hide it */
    assert_int_equal(ag_pause(graph), AG_OK);
    const ag_value paused = g->record(2, leaves);
    assert_int_equal(ag_resume(graph), AG_OK);
    check(strcmp(ag_gate_name(paused), g->name) == 0);
    ag_graph_free(graph);
}

static void test_comparisons_record_their_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMPARISONS; i++) {
        for (size_t k = 0; k < COMPARED * COMPARED; k++) {
            const ag_real operands[] = {compared[k / COMPARED], compared[k % COMPARED]};
            visit(check_comparison, &comparisons[i], 2, operands);
        }
    }
}

/* Recorded at the first two numbers, run again at the others. */
static void check_branch(const gate *g, size_t n, const ag_real *numbers)
{
    assert_int_equal(n, 4);
    const ag_real *then = numbers, *now = numbers + 2;
    const bool was = compare(g, then[0], then[1]), is = compare(g, now[0], now[1]);
    ag_value leaves[2];
    const ag_value node = record(g, 2, then, leaves);
    ag_graph *graph = node.graph;
    const ag_value root = ag_add(leaves[0], leaves[1]);
    assert_int_equal(ag_name(leaves[0], "left"), AG_OK);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ag_set(leaves[i], now[i]), AG_OK);
    check(ag_forward(root) == (was == is ? AG_OK : AG_BRANCH));
    if (was != is) {
        const char *message = ag_error_message(graph);
        assert_contains(message, "left = ");
        assert_contains(message, was ? "recorded as true" : "recorded as false");
        const size_t length = strlen(g->name);
        check(strncmp(message, g->name, length) == 0 && message[length] == '(');
    }
    /* the recorded path with the present numbers, and the outcome as it was */
    check(is_equal(ag_data(root), now[0] + now[1]));
    check(ag_data(node) == (was ? 1 : 0));
    check(ag_error(graph) == AG_OK);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ag_set(leaves[i], then[i]), AG_OK);
    check(ag_forward(root) == AG_OK);
    ag_graph_free(graph);
}

static void test_another_outcome_is_a_branch(void **state)
{
    (void)state;
    size_t branches = 0;
    for (size_t i = 0; i < COMPARISONS; i++) {
        for (size_t k = 0; k < COMPARED * COMPARED; k++) {
            const ag_real a = compared[k / COMPARED], b = compared[k % COMPARED];
            visit(check_branch, &comparisons[i], 4, (const ag_real[]){1, b, a, 1});
            branches += compare(&comparisons[i], 1, b) != compare(&comparisons[i], a, 1);
        }
    }
    assert_true(branches > COMPARISONS);
}

static void test_the_first_branch_is_named(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 1), y = ag_variable(graph, 2);
    const ag_value before = ag_mul(x, y);
    assert_false(ag_ge(x, y));
    assert_true(ag_lt(x, y));
    const ag_value root = ag_add(x, y);
    assert_true(ag_ne(x, y));
    assert_int_equal(ag_set(x, 2), AG_OK);
    assert_int_equal(ag_forward(root), AG_BRANCH);
    assert_contains(ag_error_message(graph), "ge(");
    /* one made after the root has no say in it */
    assert_int_equal(ag_forward(before), AG_OK);
    assert_same(ag_data(before), 4);
    ag_graph_free(graph);
}

/* ---- Wrong operands -------------------------------------------------------------------------- */

typedef enum fault {
    NO_GRAPH,
    FAILED, /* a null value, as a failed gate returns it */
    FOREIGN,
    STALE,
    REPLACED, /* stale, with another node in its place */
    FAULTS
} fault;

static const ag_status fault_status[] = {AG_NULL_VALUE, AG_NULL_VALUE, AG_WRONG_GRAPH,
                                         AG_STALE_VALUE, AG_STALE_VALUE};

static ag_value make_wrong(ag_graph *graph, ag_graph *other, fault which)
{
    if (which == NO_GRAPH)
        return (ag_value){0};
    if (which == FAILED)
        return agi_null_value(graph);
    if (which == FOREIGN)
        return ag_variable(other, 1);
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value dropped = ag_variable(graph, 1);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    if (which == REPLACED)
        assert_int_equal(ag_variable(graph, 1).index, dropped.index);
    return dropped;
}

static void check_refusal(const gate *g, size_t n, const ag_real *operands, size_t place,
                          fault which)
{
    ag_graph *graph = ag_graph_new(NULL), *other = ag_graph_new(NULL);
    ag_value good[MOST], bad[MOST];
    for (size_t i = 0; i < n; i++)
        bad[i] = good[i] = ag_variable(graph, operands[i]);
    bad[place] = make_wrong(graph, other, which);
    /* the first operand that has a graph says which keeps the error */
    ag_graph *keeper = place == 0 && which == FOREIGN ? other : graph;
    ag_graph *innocent = keeper == graph ? other : graph;
    const size_t count = ag_graph_count(keeper);

    check(ag_error(keeper) == AG_OK);
    const ag_value y = g->record(n, bad);
    check(ag_is_null(y));
    check(y.graph == keeper);
    check(ag_error(keeper) == fault_status[which]);
    check(ag_error(innocent) == AG_OK);
    check(ag_graph_count(keeper) == count);
    char message[240];
    assert_true(strlen(ag_error_message(keeper)) < sizeof(message));
    strcpy(message, ag_error_message(keeper));
    const size_t length = strlen(g->name);
    check(strncmp(message, g->name, length) == 0 && message[length] == '(');

    /* the first error stays, and nothing happens before it is cleared */
    if (keeper == graph)
        check(ag_is_null(g->record(n, good)));
    (void)ag_neg(y);
    (void)ag_variable(keeper, 1);
    check(ag_graph_count(keeper) == count);
    check(ag_error(keeper) == fault_status[which]);
    check(strcmp(ag_error_message(keeper), message) == 0);
    ag_clear_error(keeper);
    check(!ag_is_null(g->record(n, good)));
    check(ag_error(keeper) == AG_OK);
    ag_graph_free(graph);
    ag_graph_free(other);
}

static void check_refusals(const gate *g, size_t n, const ag_real *operands)
{
    for (size_t place = 0; place < n && n <= 4; place++) {
        for (int which = 0; which < FAULTS; which++) {
            /* alone, one without a graph has none to tell, and a foreign one is at home */
            if (n > 1 || (which != NO_GRAPH && which != FOREIGN))
                check_refusal(g, n, operands, place, (fault)which);
        }
    }
}

static void test_wrong_operands_are_refused(void **state)
{
    (void)state;
    visit_samples(check_refusals);
    for (size_t i = 0; i < COMPARISONS; i++)
        visit_point(check_refusals, &comparisons[i], comparisons[i].samples, 2);
}

#define AG_UNARY(name, ...) assert_true(ag_is_null(ag_##name((ag_value){0})));
#define AG_BINARY(name, ...) assert_true(ag_is_null(ag_##name((ag_value){0}, (ag_value){0})));
#define AG_TERNARY(name, ...)                                                                      \
    assert_true(ag_is_null(ag_##name((ag_value){0}, (ag_value){0}, (ag_value){0})));
#define AG_COMPARE(name, ...) assert_false(ag_##name((ag_value){0}, (ag_value){0}));
#define AG_NARY(name, partner, ...) CALL_##partner(name)
#define CALL_NONE(name)                                                                            \
    assert_true(ag_is_null(ag_##name(1, nothing)));                                                \
    assert_true(ag_is_null(ag_##name(0, one)));                                                    \
    assert_true(ag_is_null(ag_##name(1, NULL)));
#define CALL_VALUES(name)                                                                          \
    assert_true(ag_is_null(ag_##name(1, nothing, nothing)));                                       \
    assert_true(ag_is_null(ag_##name(0, one, one)));                                               \
    assert_true(ag_is_null(ag_##name(1, NULL, NULL)));                                             \
    expect_refusal(ag_##name(1, NULL, one), #name "(");                                            \
    expect_refusal(ag_##name(1, one, NULL), #name "(");
#define CALL_NUMBERS(name)                                                                         \
    assert_true(ag_is_null(ag_##name(1, numbers, nothing, 0)));                                    \
    assert_true(ag_is_null(ag_##name(0, numbers, one, 0)));                                        \
    assert_true(ag_is_null(ag_##name(1, numbers, NULL, 0)));                                       \
    expect_refusal(ag_##name(1, NULL, one, 0), #name "(");

static void expect_refusal(ag_value y, const char *part)
{
    assert_true(ag_is_null(y));
    assert_non_null(y.graph);
    assert_int_equal(ag_error(y.graph), AG_INVALID_ARGUMENT);
    assert_contains(ag_error_message(y.graph), part);
    ag_clear_error(y.graph);
}

static void test_nothing_comes_of_nothing(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value one[] = {ag_variable(graph, 1)}, nothing[] = {{0}};
    const ag_real numbers[] = {1};
#include <wengert/gates.def>
    assert_int_equal(ag_graph_count(graph), 1);
    assert_int_equal(ag_error(graph), AG_OK);
    ag_graph_free(graph);
}

/* ---- The table in words ---------------------------------------------------------------------- */

static bool is_word_of_table(const char *word, size_t length)
{
    for (size_t i = 0; i < GATES; i++)
        if (strlen(gates[i].name) == length && strncmp(gates[i].name, word, length) == 0)
            return true;
    return false;
}

static void check_parentheses(const char *text)
{
    int depth = 0;
    for (const char *at = text; *at != '\0'; at++) {
        depth += (*at == '(') - (*at == ')');
        check(depth >= 0);
    }
    check(depth == 0);
}

/* What is called is a gate; other words are operands of this gate. */
static void check_formula(const char *formula, const char *operands)
{
    check_parentheses(formula);
    for (const char *at = formula; *at != '\0';) {
        if (isdigit((unsigned char)*at)) {
            at += strspn(at, "0123456789.");
            check(*at == '\0' || strchr(" ,)", *at) != NULL);
        } else if (isalpha((unsigned char)*at)) {
            size_t length = 1;
            while (isalnum((unsigned char)at[length]) || at[length] == '_')
                length++;
            if (at[length] == '(')
                check(is_word_of_table(at, length));
            else
                check(length == 1 && strchr(operands, *at) != NULL);
            at += length;
        } else {
            check(strchr(" ()+-*/?:<>=!,", *at) != NULL);
            at++;
        }
    }
}

static void test_table_in_words(void **state)
{
    (void)state;
    /* by arity, after the value's own name */
    static const char *const operands[] = {"yxw", "yx", "yab", "ycab"};
    static const char note[] = " is the first largest";
    size_t count = 0;
    const ag_gate_info *table = ag_gate_table(&count);
    assert_ptr_equal(ag_gate_table(NULL), table);
    assert_int_equal(count, GATES);
    for (size_t i = 0; i < count; i++) {
        const ag_gate_info *info = &table[i];
        here.name = info->name;
        here.n = 0;
        check(strcmp(info->name, gates[i].name) == 0);
        check(info->arity == gates[i].arity);
        for (size_t k = 0; k < i; k++)
            check(strcmp(info->name, table[k].name) != 0);
        check(info->value[0] != '\0');
        check_parentheses(info->value);
        check(info->domain[0] != '\0');
        check_parentheses(info->domain);
        if (info->arity != 0)
            check_formula(info->value, operands[info->arity] + 1);
        for (size_t k = 0; k < 3; k++) {
            const bool used = k < (info->arity == 0 ? 1 : info->arity);
            check((info->local[k] != NULL) == used);
            if (!used)
                continue;
            char formula[240];
            check(info->local[k][0] != '\0' && strlen(info->local[k]) < sizeof(formula));
            strcpy(formula, info->local[k]);
            char *words = strstr(formula, note);
            if (words != NULL)
                memset(words, ' ', strlen(note));
            check_formula(formula, operands[info->arity]);
        }
        check_parentheses(info->edges);
        check((info->edges[0] != '\0') == (gates[i].edges[0].n != 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_do_not_depend_on_the_way),
        cmocka_unit_test(test_gradients_agree_with_differences),
        cmocka_unit_test(test_repeated_operands_add_up),
        cmocka_unit_test(test_differences_find_wrong_gradients),
        cmocka_unit_test(test_edges_are_as_stated),
        cmocka_unit_test(test_zero_upstream_passes_zero_on),
        cmocka_unit_test(test_infinite_upstream_stays_on_the_taken_side),
        cmocka_unit_test(test_untaken_branches_stay_out),
        cmocka_unit_test(test_untaken_extremes_stay_out),
        cmocka_unit_test(test_comparisons_record_their_outcome),
        cmocka_unit_test(test_another_outcome_is_a_branch),
        cmocka_unit_test(test_the_first_branch_is_named),
        cmocka_unit_test(test_wrong_operands_are_refused),
        cmocka_unit_test(test_nothing_comes_of_nothing),
        cmocka_unit_test(test_table_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
