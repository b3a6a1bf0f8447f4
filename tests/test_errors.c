/* SPDX-License-Identifier: MIT
 *
 * Misuse and numbers gone wrong: each is an error with a message, none is harmful, the first one
 * stays until it is cleared. Memory running out is in test_memory.c, misbehaving callbacks are in
 * test_closures.c.
 */
#include "scenario.h"

static ag_graph *graph;
static int alive;
static FILE *scratch_file;

static int set_up(void **state)
{
    (void)state;
    graph = ag_graph_new(NULL);
    return graph == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    ag_graph_free(graph);
    return alive == 0 ? 0 : -1;
}

static ag_value variable(double data)
{
    return ag_variable(graph, (ag_real)data);
}

/* The graph has this error, and a message with this in it; clears it. */
#define assert_error(status, part)                                                                 \
    do {                                                                                           \
        assert_int_equal(ag_error(graph), status);                                                 \
        assert_contains(ag_error_message(graph), part);                                            \
        ag_clear_error(graph);                                                                     \
        assert_int_equal(ag_error(graph), AG_OK);                                                  \
        assert_string_equal(ag_error_message(graph), "");                                          \
    } while (false)

/* ---- Status ---------------------------------------------------------------------------------- */

static void test_status_in_words(void **state)
{
    (void)state;
#define AG_X(name, code, meaning)                                                                  \
    assert_int_equal(AG_##name, code);                                                             \
    assert_string_equal(ag_status_name((ag_status)(code)), "AG_" #name);                           \
    assert_string_equal(ag_strerror((ag_status)(code)), meaning);
    AG_STATUS_LIST(AG_X)
#undef AG_X
    assert_int_equal(AG_OK, 0);
    const int unknown[] = {1, -100, 1000};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        assert_string_equal(ag_status_name((ag_status)unknown[i]), "AG_UNKNOWN");
        assert_non_null(ag_strerror((ag_status)unknown[i]));
    }
    assert_string_equal(ag_version(), AG_VERSION);
}

/* ---- Bad values in every place that takes one ------------------------------------------------ */

/* Uses `bad` where a value goes, beside `good` where more than one goes. */
typedef struct place {
    const char *what; /* in the message */
    void (*use)(ag_value bad, ag_value good);
    bool alone;      /* `bad` is the only value, so that its graph is the one that is used */
    bool null_reads; /* a null value is no error here: it reads as NaN */
} place;

static void use_ag_data(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(isnan(ag_data(bad)));
}

static void use_ag_grad(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(isnan(ag_grad(bad)));
}

static void use_ag_set(ag_value bad, ag_value good)
{
    (void)good;
    assert_int_not_equal(ag_set(bad, 1), AG_OK);
}

static void use_ag_forward(ag_value bad, ag_value good)
{
    (void)good;
    assert_int_not_equal(ag_forward(bad), AG_OK);
}

static void use_ag_backward(ag_value bad, ag_value good)
{
    (void)good;
    assert_int_not_equal(ag_backward(bad), AG_OK);
}

static void use_ag_backward_from(ag_value bad, ag_value good)
{
    const ag_value roots[] = {good, bad};
    const ag_real upstream[] = {1, 1};
    assert_int_not_equal(ag_backward_from(2, roots, upstream), AG_OK);
}

static void use_ag_topological_order(ag_value bad, ag_value good)
{
    (void)good;
    ag_value order[4];
    assert_int_equal(ag_topological_order(bad, order, 4), 0);
}

static void use_neg(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(ag_is_null(ag_neg(bad)));
}

static void use_detach(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(ag_is_null(ag_detach(bad)));
}

static void use_sub(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_sub(good, bad)));
}

static void use_pow(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_pow(bad, good)));
}

static void use_select(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_select(good, good, bad)));
}

static void use_sum(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_sum(3, (const ag_value[]){good, good, bad})));
}

static void use_dot(ag_value bad, ag_value good)
{
    const ag_value x[] = {good, good}, w[] = {good, bad};
    assert_true(ag_is_null(ag_dot(2, x, w)));
}

static void use_dot_first(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_dot(1, &bad, &good)));
}

static void use_linear(ag_value bad, ag_value good)
{
    const ag_real weights[] = {1, 2};
    assert_true(ag_is_null(ag_linear(2, weights, (const ag_value[]){bad, good}, 0)));
}

static void use_logsumexp(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_logsumexp(2, (const ag_value[]){bad, good})));
}

static void use_max_of(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(ag_max_of(2, (const ag_value[]){good, bad})));
}

static void use_scale(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(ag_is_null(ag_scale(bad, 2)));
}

static void use_shift(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(ag_is_null(ag_shift(bad, 2)));
}

static void use_pow_int(ag_value bad, ag_value good)
{
    (void)good;
    assert_true(ag_is_null(ag_pow_int(bad, 2)));
}

static void use_gt(ag_value bad, ag_value good)
{
    assert_false(ag_gt(good, bad));
}

static void use_ne(ag_value bad, ag_value good)
{
    assert_false(ag_ne(bad, good));
}

static void use_product(ag_value bad, ag_value good)
{
    assert_true(ag_is_null(apply_product(&alive, 2, (const ag_value[]){good, bad})));
}

static void use_ag_name(ag_value bad, ag_value good)
{
    (void)good;
    assert_int_not_equal(ag_name(bad, "bad"), AG_OK);
}

static void use_ag_gradcheck_root(ag_value bad, ag_value good)
{
    ag_gradcheck_row rows[2];
    bool passed = true;
    assert_int_not_equal(ag_gradcheck_root(bad, 1, &good, NULL, rows, &passed), AG_OK);
    assert_false(passed);
}

static void use_leaf_of_ag_gradcheck_root(ag_value bad, ag_value good)
{
    ag_gradcheck_row rows[2];
    const ag_value leaves[] = {good, bad};
    assert_int_not_equal(ag_gradcheck_root(good, 2, leaves, NULL, rows, NULL), AG_OK);
}

static void use_ag_explain(ag_value bad, ag_value good)
{
    (void)good;
    assert_int_not_equal(ag_explain(bad, scratch_file), AG_OK);
}

static void use_ag_write_dot(ag_value bad, ag_value good)
{
    (void)good;
    assert_int_not_equal(ag_write_dot(bad, scratch_file, NULL), AG_OK);
}

static const place places[] = {
    {"ag_data", use_ag_data, true, true},
    {"ag_grad", use_ag_grad, true, true},
    {"ag_set", use_ag_set, true, false},
    {"ag_forward", use_ag_forward, true, false},
    {"ag_backward", use_ag_backward, true, false},
    {"ag_backward", use_ag_backward_from, false, false},
    {"ag_topological_order", use_ag_topological_order, true, false},
    {"neg", use_neg, true, false},
    {"detach", use_detach, true, false},
    {"sub", use_sub, false, false},
    {"pow", use_pow, false, false},
    {"select", use_select, false, false},
    {"sum", use_sum, false, false},
    {"dot", use_dot, false, false},
    {"dot", use_dot_first, false, false},
    {"linear", use_linear, false, false},
    {"logsumexp", use_logsumexp, false, false},
    {"max_of", use_max_of, false, false},
    {"scale", use_scale, true, false},
    {"shift", use_shift, true, false},
    {"pow_int", use_pow_int, true, false},
    {"gt", use_gt, false, false},
    {"ne", use_ne, false, false},
    {"product", use_product, false, false},
    {"ag_name", use_ag_name, true, false},
    {"ag_gradcheck_root", use_ag_gradcheck_root, true, false},
    {"ag_gradcheck_root", use_leaf_of_ag_gradcheck_root, false, false},
    {"ag_explain", use_ag_explain, true, false},
    {"ag_write_dot", use_ag_write_dot, true, false},
};

enum {
    PLACES = sizeof(places) / sizeof(*places)
};

/* The graph refused, said why, and did nothing. */
static void assert_refused(const place *p, size_t count, ag_status status, const char *reason)
{
    if (ag_error(graph) != status)
        fail_msg("%s: %s, not %s", p->what, ag_status_name(ag_error(graph)),
                 ag_status_name(status));
    assert_contains(ag_error_message(graph), p->what);
    assert_error(status, reason);
    assert_int_equal(ag_graph_count(graph), count);
    assert_int_equal(alive, 0);
}

static void test_stale_values(void **state)
{
    (void)state;
    const ag_value good = variable(3);
    assert_int_equal(ag_name(good, "good"), AG_OK);
    for (int round = 0; round < 2; round++) {
        const ag_mark mark = ag_graph_mark(graph);
        const ag_value bad = ag_square(good);
        assert_int_equal(ag_name(bad, "bad"), AG_OK);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        if (round == 1) /* another node is in its place */
            assert_int_equal(ag_name(variable(5), "another"), AG_OK);
        const size_t count = ag_graph_count(graph);
        for (int i = 0; i < PLACES; i++) {
            places[i].use(bad, good);
            assert_refused(&places[i], count, AG_STALE_VALUE, "stale #1");
        }
        assert_string_equal(ag_gate_name(bad), "null");
        assert_null(ag_name_of(bad));
        assert_int_equal(ag_operand_count(bad), 0);
        assert_true(ag_is_null(ag_operand(bad, 0)));
        assert_true(isnan(ag_local_gradient(bad, 0)));
        assert_int_equal(ag_error(graph), AG_OK);
        assert_same(ag_data(good), 3);
    }
    assert_string_equal(ag_name_of(ag_find(graph, "another")), "another");
}

/* What a failed gate returned is used after the error was cleared. */
static void test_null_values_of_failed_gates(void **state)
{
    (void)state;
    const ag_value good = variable(3);
    const ag_value bad = ag_add(good, (ag_value){0});
    assert_true(ag_is_null(bad));
    assert_ptr_equal(bad.graph, graph);
    assert_true(isnan(ag_data(bad)) && isnan(ag_grad(bad)));
    assert_error(AG_NULL_VALUE, "add(#0 = 3, null)");
    for (int i = 0; i < PLACES; i++) {
        places[i].use(bad, good);
        if (places[i].null_reads)
            assert_int_equal(ag_error(graph), AG_OK);
        else
            assert_refused(&places[i], 1, AG_NULL_VALUE, "null");
    }
    assert_string_equal(ag_gate_name(bad), "null");
    assert_null(ag_name_of(bad));
    assert_true(ag_is_null(ag_operand(bad, 0)));
    assert_true(isnan(ag_local_gradient(bad, 0)));
}

/* The null value of no graph: without another operand there is nowhere to keep an error. */
static void test_null_values_of_no_graph(void **state)
{
    (void)state;
    const ag_value good = variable(3), bad = {0};
    assert_true(ag_is_null(bad));
    for (int i = 0; i < PLACES; i++) {
        places[i].use(bad, good);
        if (places[i].alone)
            assert_int_equal(ag_error(graph), AG_OK);
        else
            assert_refused(&places[i], 1, AG_NULL_VALUE, "null");
    }
    assert_int_equal(ag_forward(bad), AG_NULL_VALUE);
    assert_int_equal(ag_backward(bad), AG_NULL_VALUE);
    assert_int_equal(ag_set(bad, 1), AG_NULL_VALUE);
    assert_int_equal(ag_name(bad, "x"), AG_NULL_VALUE);
    assert_string_equal(ag_gate_name(bad), "null");
    assert_null(ag_name_of(bad));
    assert_true(ag_is_null(ag_operand(bad, 0)));
    assert_true(isnan(ag_local_gradient(bad, 0)));
    /* the null value goes on through gates of its own kind */
    assert_true(ag_is_null(ag_mul(ag_exp(bad), ag_sum(1, &bad))));
    assert_int_equal(ag_error(graph), AG_OK);
}

static void test_values_of_two_graphs(void **state)
{
    (void)state;
    ag_graph *other = ag_graph_new(NULL);
    const ag_value good = variable(3);
    (void)ag_variable(other, 1);
    const ag_value bad = ag_variable(other, 5);
    assert_int_equal(ag_name(bad, "foreign"), AG_OK);
    for (int i = 0; i < PLACES; i++) {
        if (places[i].alone || places[i].use == use_pow || places[i].use == use_dot_first ||
            places[i].use == use_linear || places[i].use == use_logsumexp ||
            places[i].use == use_ne)
            continue; /* the first operand's graph is the one that refuses */
        places[i].use(bad, good);
        assert_refused(&places[i], 1, AG_WRONG_GRAPH, "#1 of another graph");
    }
    assert_int_equal(ag_error(other), AG_OK);
    assert_true(ag_is_null(ag_pow(bad, good)));
    assert_int_equal(ag_error(graph), AG_OK);
    assert_int_equal(ag_error(other), AG_WRONG_GRAPH);
    assert_contains(ag_error_message(other), "pow(foreign = 5, #0 of another graph)");
    assert_contains(ag_error_message(other), "operand 2");
    ag_graph_free(other);
    other = ag_graph_new(NULL);
    const ag_mark mark = ag_graph_mark(other);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_WRONG_GRAPH);
    assert_error(AG_WRONG_GRAPH, "mark");
    ag_graph_free(other);
}

/* Indices that no node ever had. */
static void test_made_up_values(void **state)
{
    (void)state;
    const ag_value good = variable(3);
    const uint32_t indices[] = {1, 1000, UINT32_MAX - 1};
    for (size_t i = 0; i < 3; i++) {
        const ag_value bad = {graph, indices[i], good.generation};
        for (int k = 0; k < PLACES; k++) {
            places[k].use(bad, good);
            assert_refused(&places[k], 1, AG_STALE_VALUE, "stale");
        }
    }
}

/* ---- NULL and zero --------------------------------------------------------------------------- */

static void test_null_graph(void **state)
{
    (void)state;
    ag_graph_free(NULL);
    assert_int_equal(ag_graph_count(NULL), 0);
    assert_int_equal(ag_graph_bytes(NULL), 0);
    ag_set_check(NULL, true);
    assert_int_equal(ag_error(NULL), AG_INVALID_ARGUMENT);
    assert_non_null(ag_error_message(NULL));
    ag_clear_error(NULL);
    const ag_mark mark = ag_graph_mark(NULL);
    assert_null(mark.graph);
    assert_int_equal(ag_graph_rewind(NULL, mark), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_NULL_VALUE);
    assert_error(AG_NULL_VALUE, "mark");
    assert_true(ag_is_null(ag_variable(NULL, 1)));
    assert_true(ag_is_null(ag_constant(NULL, 1)));
    assert_int_equal(ag_pause(NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_resume(NULL), AG_INVALID_ARGUMENT);
    ag_zero_grad(NULL);
    assert_true(ag_is_null(ag_find(NULL, "x")));
    assert_true(ag_is_null(ag_find(graph, NULL)));
}

static void test_null_arrays(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    const ag_real one = 1;
    assert_true(ag_is_null(ag_sum(1, NULL)));
    assert_true(ag_is_null(ag_logsumexp(2, NULL)));
    assert_true(ag_is_null(ag_max_of(2, NULL)));
    assert_true(ag_is_null(ag_dot(1, NULL, NULL)));
    assert_true(ag_is_null(ag_linear(1, NULL, NULL, 1)));
    assert_int_equal(ag_error(graph), AG_OK); /* nothing said which graph */
    assert_true(ag_is_null(ag_dot(1, &x, NULL)));
    assert_error(AG_INVALID_ARGUMENT, "dot");
    assert_true(ag_is_null(ag_dot(1, NULL, &x)));
    assert_error(AG_INVALID_ARGUMENT, "dot");
    assert_true(ag_is_null(ag_linear(1, NULL, &x, 1)));
    assert_error(AG_INVALID_ARGUMENT, "linear");
    assert_true(ag_is_null(ag_linear(1, &one, NULL, 1)));
    assert_int_equal(ag_backward_from(1, NULL, &one), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_backward_from(1, &x, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_backward_from(0, &x, &one), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_int_equal(ag_topological_order(x, NULL, 10), 1);
    assert_int_equal(ag_explain(x, NULL), AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "ag_explain");
    assert_int_equal(ag_write_dot(x, NULL, NULL), AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "ag_write_dot");
    assert_int_equal(ag_graph_count(graph), 1);
    assert_int_equal(ag_error(graph), AG_OK);
    assert_non_null(ag_gate_table(NULL));
}

static void test_no_operands(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    const ag_real one = 1;
    assert_true(ag_is_null(ag_sum(0, &x)));
    assert_true(ag_is_null(ag_dot(0, &x, &x)));
    assert_true(ag_is_null(ag_linear(0, &one, &x, 1)));
    assert_true(ag_is_null(ag_logsumexp(0, &x)));
    assert_true(ag_is_null(ag_max_of(0, &x)));
    assert_int_equal(ag_graph_count(graph), 1);
    assert_same(ag_data(ag_sum(1, &x)), 3);
    assert_same(ag_data(ag_dot(1, &x, &x)), 9);
    assert_same(ag_data(ag_linear(1, &one, &x, 1)), 4);
    assert_same(ag_data(ag_logsumexp(1, &x)), 3);
    assert_same(ag_data(ag_max_of(1, &x)), 3);
}

static ag_value build_square(ag_graph *own, size_t n, const ag_value *inputs, void *context)
{
    (void)own, (void)n, (void)context;
    return ag_square(inputs[0]);
}

static ag_value build_nothing(ag_graph *own, size_t n, const ag_value *inputs, void *context)
{
    (void)own, (void)n, (void)inputs, (void)context;
    return (ag_value){0};
}

static void test_gradcheck_misused(void **state)
{
    (void)state;
    const ag_real at = 2;
    ag_gradcheck_row row;
    bool passed = true;
    ag_error_details error;
    assert_int_equal(ag_gradcheck(NULL, NULL, 1, &at, NULL, &row, &passed, &error),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_contains(error.message, "ag_gradcheck");
    assert_false(passed);
    assert_int_equal(ag_gradcheck(build_square, NULL, 0, &at, NULL, &row, NULL, NULL),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(ag_gradcheck(build_square, NULL, 1, NULL, NULL, &row, NULL, NULL),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(ag_gradcheck(build_square, NULL, 1, &at, NULL, NULL, NULL, NULL),
                     AG_INVALID_ARGUMENT);
    assert_int_equal(ag_gradcheck(build_nothing, NULL, 1, &at, NULL, &row, &passed, &error),
                     AG_NULL_VALUE);
    assert_contains(error.message, "null");
    const ag_value x = variable(3), y = ag_square(x);
    assert_int_equal(ag_gradcheck_root(y, 0, &x, NULL, &row, &passed), AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "ag_gradcheck_root");
    assert_int_equal(ag_gradcheck_root(y, 1, NULL, NULL, &row, &passed), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_int_equal(ag_gradcheck_root(y, 1, &x, NULL, NULL, &passed), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_int_equal(ag_gradcheck_root(y, 1, &y, NULL, &row, &passed), AG_NOT_A_LEAF);
    assert_error(AG_NOT_A_LEAF, "ag_gradcheck_root(#1 = 9)");
    assert_int_equal(ag_gradcheck_print(NULL, 1, NULL, &row), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_gradcheck_print(scratch_file, 1, NULL, NULL), AG_INVALID_ARGUMENT);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void test_too_many_nodes(void **state)
{
    (void)state;
    ag_graph_free(graph);
    for (uint32_t most = 1; most <= 200; most = most * 3 + 1) {
        graph = ag_graph_new(&(ag_graph_options){.max_nodes = most});
        const ag_value x = variable(2);
        const ag_mark mark = ag_graph_mark(graph);
        ag_value y = x;
        while (ag_graph_count(graph) < most)
            y = ag_neg(y);
        assert_int_equal(ag_error(graph), AG_OK);
        char number[16];
        (void)snprintf(number, sizeof(number), " %lu ", (unsigned long)most);
        assert_true(ag_is_null(ag_neg(y)));
        assert_error(AG_TOO_MANY_NODES, number);
        assert_true(ag_is_null(ag_add(x, y)));
        assert_error(AG_TOO_MANY_NODES, "add(#0 = 2, #");
        assert_true(ag_is_null(ag_select(x, x, y)));
        assert_error(AG_TOO_MANY_NODES, number);
        assert_true(ag_is_null(ag_sum(1, &x)));
        assert_error(AG_TOO_MANY_NODES, number);
        assert_false(ag_ge(x, x));
        assert_error(AG_TOO_MANY_NODES, number);
        assert_true(ag_is_null(ag_variable(graph, 1)));
        assert_error(AG_TOO_MANY_NODES, number);
        assert_true(ag_is_null(ag_scale(x, 2)));
        assert_error(AG_TOO_MANY_NODES, number);
        assert_true(ag_is_null(apply_product(&alive, 1, &x)));
        assert_int_equal(alive, 0);
        assert_int_equal(ag_graph_count(graph), most);
        assert_int_equal(ag_error(graph), AG_TOO_MANY_NODES);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        ag_clear_error(graph);
        if (most > 1) {
            assert_int_equal(ag_backward(ag_square(x)), AG_OK);
            assert_same(ag_grad(x), 4);
        }
        ag_graph_free(graph);
    }
    graph = NULL;
}

static void test_graphs_that_do_not_fit(void **state)
{
    (void)state;
    char buffer[64];
    assert_null(ag_graph_new(
        &(ag_graph_options){.buffer = buffer, .buffer_size = sizeof(buffer), .max_nodes = 1}));
    assert_null(ag_graph_new(&(ag_graph_options){.buffer = buffer}));
}

/* ---- The first error stays ------------------------------------------------------------------- */

static void test_first_error_stays(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = ag_square(x);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_int_equal(ag_backward(y), AG_OK);
    const ag_mark mark = ag_graph_mark(graph);
    assert_int_equal(ag_set(y, 1), AG_NOT_A_LEAF);
    char message[sizeof(((ag_error_details *)0)->message)];
    (void)snprintf(message, sizeof(message), "%s", ag_error_message(graph));
    assert_contains(message, "ag_set(#1 = 9)");

    /* nothing is recorded or changed, and every answer is that same error */
    assert_true(ag_is_null(variable(1)));
    assert_true(ag_is_null(ag_constant(graph, 1)));
    for (int i = 0; i < SCENARIO_GATES; i++)
        assert_true(ag_is_null(apply_gate(&scenario_gates[i], x, x, x)));
    for (int i = 0; i < SCENARIO_COMPARES; i++)
        assert_false(scenario_compares[i](x, x));
    assert_true(ag_is_null(ag_sum(1, &x)));
    assert_true(ag_is_null(ag_dot(1, &x, &x)));
    assert_true(ag_is_null(ag_scale(x, 2)));
    assert_true(ag_is_null(ag_detach(x)));
    assert_true(ag_is_null(apply_product(&alive, 1, &x)));
    assert_int_equal(ag_set(x, 5), AG_NOT_A_LEAF);
    assert_int_equal(ag_forward(y), AG_NOT_A_LEAF);
    assert_int_equal(ag_backward(y), AG_NOT_A_LEAF);
    assert_int_equal(ag_name(x, "z"), AG_NOT_A_LEAF);
    assert_int_equal(ag_topological_order(y, NULL, 0), 0);
    assert_int_equal(ag_explain(y, scratch_file), AG_NOT_A_LEAF);
    assert_int_equal(ag_write_dot(y, scratch_file, NULL), AG_NOT_A_LEAF);
    ag_gradcheck_row row;
    assert_int_equal(ag_gradcheck_root(y, 1, &x, NULL, &row, NULL), AG_NOT_A_LEAF);
    assert_null(ag_graph_mark(graph).graph);
    ag_zero_grad(graph);
    assert_int_equal(ag_pause(graph), AG_NOT_A_LEAF);
    assert_int_equal(ag_resume(graph), AG_NOT_A_LEAF);
    assert_int_equal(ag_scope_begin(graph, "a"), AG_NOT_A_LEAF);
    assert_int_equal(ag_scope_end(graph), AG_NOT_A_LEAF);

    assert_int_equal(ag_error(graph), AG_NOT_A_LEAF);
    assert_string_equal(ag_error_message(graph), message);
    assert_int_equal(ag_graph_count(graph), 2);
    assert_int_equal(alive, 0);
    assert_same(ag_data(x), 3); /* reading goes on */
    assert_same(ag_grad(x), 6);
    assert_same(ag_grad(y), 1);
    assert_string_equal(ag_name_of(x), "x");
    assert_string_equal(ag_gate_name(y), "square");
    assert_same(ag_local_gradient(y, 0), 6);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_string_equal(ag_error_message(graph), message);

    ag_clear_error(graph);
    assert_same(ag_data(ag_add(x, y)), 12);
    assert_int_equal(ag_error(graph), AG_OK);
}

/* An expression goes through with null values, and its first gate that failed is the one named. */
static void test_expression_fails_as_a_whole(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = variable(4);
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value old = ag_mul(x, y);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    const ag_value z = ag_tanh(ag_exp(ag_mul(old, ag_neg(old)))); /* neg is evaluated first */
    assert_true(ag_is_null(z));
    assert_true(isnan(ag_data(z)) && isnan(ag_grad(z)));
    assert_int_equal(ag_backward(z), AG_STALE_VALUE);
    assert_error(AG_STALE_VALUE, "neg(stale #2): operand 1 was dropped by a rewind");
    assert_int_equal(ag_graph_count(graph), 2);
}

/* An error of the caller's own is kept as the engine's are. */
static void test_set_error(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    assert_int_equal(ag_set_error(graph, AG_OK, "no error"), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_set_error(graph, AG_BRANCH, "does not stick"), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_set_error(graph, (ag_status)-100, "unknown"), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_set_error(graph, (ag_status)1, "unknown"), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_set_error(graph, AG_PARSE, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_set_error(NULL, AG_PARSE, "no graph"), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_error(graph), AG_OK);
    assert_same(ag_data(ag_neg(x)), -3);

    char message[] = "a loss wants 100% %s of its targets";
    assert_int_equal(ag_set_error(graph, AG_TOO_LARGE, message), AG_TOO_LARGE);
    message[0] = '?'; /* it was copied */
    assert_int_equal(ag_set_error(graph, AG_PARSE, "a second"), AG_PARSE);
    assert_true(ag_is_null(ag_neg(x)));
    assert_int_equal(ag_backward(x), AG_TOO_LARGE);
    assert_string_equal(ag_error_message(graph), "a loss wants 100% %s of its targets");
    assert_error(AG_TOO_LARGE, "a loss wants");

    char large[1000];
    memset(large, 'm', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(ag_set_error(graph, AG_PARSE, large), AG_PARSE);
    assert_int_equal(strlen(ag_error_message(graph)), 239);
    ag_clear_error(graph);

    /* a branch that is to stick: the message is the graph's own */
    assert_true(ag_gt(x, ag_constant(graph, 0)));
    const ag_value y = ag_neg(x);
    assert_int_equal(ag_set(x, -1), AG_OK);
    assert_int_equal(ag_forward(y), AG_BRANCH);
    assert_int_equal(ag_set_error(graph, AG_INVALID_ARGUMENT, ag_error_message(graph)),
                     AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "gt(#0 = -1");
}

/* ---- Messages -------------------------------------------------------------------------------- */

static void test_messages_name_operands(void **state)
{
    (void)state;
    const ag_value x = variable(0.5), y = variable(-1234567), z = variable((double)INFINITY);
    assert_int_equal(ag_name(x, "learning rate"), AG_OK);
    const ag_value null = {0};
    (void)ag_select(x, y, null);
    assert_error(AG_NULL_VALUE, "select(learning rate = 0.5, #1 = -1.23457e+06, null): operand 3");
    (void)ag_mul(z, null);
    assert_error(AG_NULL_VALUE, "mul(#2 = inf, null): operand 2");
    const ag_value many[] = {x, y, z, x, null};
    (void)ag_sum(5, many);
    assert_error(AG_NULL_VALUE,
                 "sum(learning rate = 0.5, #1 = -1.23457e+06, #2 = inf, ...): operand 5");
}

/* Long names are cut, and what matters behind them stays. */
static void test_messages_hold_long_names(void **state)
{
    (void)state;
    static char name[2][100000];
    ag_value x[3];
    for (int i = 0; i < 3; i++) {
        x[i] = variable(1e300 * (double)INFINITY);
        memset(name[0], 'a' + i, sizeof(name[0]) - 1);
        assert_int_equal(ag_name(x[i], name[0]), AG_OK);
        memcpy(name[1], name[0], sizeof(name[0]));
        assert_string_equal(ag_name_of(ag_find(graph, name[1])), name[1]);
    }
    const ag_value many[] = {x[0], x[1], x[2], x[0], {0}};
    (void)ag_sum(5, many);
    assert_true(strlen(ag_error_message(graph)) < sizeof(((ag_error_details *)0)->message));
    assert_contains(ag_error_message(graph), "bbbbb");
    assert_error(AG_NULL_VALUE, "operand 5 is a null value");
    assert_int_equal(ag_name(x[0], name[1]), AG_NAME_TAKEN);
    assert_error(AG_NAME_TAKEN, "#2");
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void test_names_refused(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = variable(4);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_int_equal(ag_name(y, "x"), AG_NAME_TAKEN);
    assert_error(AG_NAME_TAKEN, "\"x\" is already the name of #0");
    assert_null(ag_name_of(y));
    assert_string_equal(ag_name_of(x), "x");
    assert_int_equal(ag_name(y, ""), AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "ag_name");
    assert_int_equal(ag_name(x, NULL), AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "ag_name");
    assert_string_equal(ag_name_of(x), "x");
    assert_int_equal(ag_name(x, "z"), AG_OK); /* which frees "x" */
    assert_int_equal(ag_name(y, "x"), AG_OK);
    assert_int_equal(ag_name(x, "x"), AG_NAME_TAKEN);
    assert_error(AG_NAME_TAKEN, "#1");
    assert_string_equal(ag_name_of(x), "z");
}

/* ---- Leaves and pauses ----------------------------------------------------------------------- */

static void test_only_leaves_are_set(void **state)
{
    (void)state;
    const ag_value x = variable(3), c = ag_constant(graph, 2), y = ag_mul(x, c), d = ag_detach(x);
    assert_int_equal(ag_set(y, 1), AG_NOT_A_LEAF);
    assert_error(AG_NOT_A_LEAF, "ag_set(#2 = 6)");
    assert_int_equal(ag_set(d, 1), AG_NOT_A_LEAF);
    ag_clear_error(graph);
    assert_same(ag_data(y), 6);
    assert_same(ag_data(d), 3);
    assert_int_equal(ag_set(c, 5), AG_OK);
    assert_int_equal(ag_set(x, (ag_real)NAN), AG_OK);
    assert_true(isnan(ag_data(x)));
}

static void test_resume_without_pause(void **state)
{
    (void)state;
    assert_int_equal(ag_resume(graph), AG_INVALID_ARGUMENT);
    assert_error(AG_INVALID_ARGUMENT, "ag_resume");
    assert_int_equal(ag_pause(graph), AG_OK);
    assert_int_equal(ag_resume(graph), AG_OK);
    assert_int_equal(ag_resume(graph), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_string_equal(ag_gate_name(ag_neg(variable(1))), "neg");
}

/* ---- Check mode ------------------------------------------------------------------------------ */

static void test_check_names_the_origin(void **state)
{
    (void)state;
    const ag_value x = variable(-1), y = variable(2);
    ag_value z = ag_mul(y, ag_log(x));
    assert_int_equal(ag_name(x, "x"), AG_OK);
    for (int i = 0; i < 1000; i++)
        z = i % 2 == 0 ? ag_add(z, y) : ag_tanh(z);
    assert_int_equal(ag_backward(z), AG_OK); /* off by default */
    assert_true(isnan(ag_grad(x)));
    ag_zero_grad(graph);
    ag_set_check(graph, true);
    assert_int_equal(ag_backward(z), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "log(x = -1): the value is");
    assert_int_equal(ag_forward(z), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "log(x = -1): the value is");
    assert_int_equal(ag_set(x, 1), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_int_equal(ag_backward(z), AG_OK);
    assert_int_equal(ag_set(x, 0), AG_OK); /* an infinity, which tanh hides in the root */
    assert_int_equal(ag_forward(z), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "log(x = 0): the value is -inf");
    assert_true(isfinite(ag_data(z)));
    ag_set_check(graph, false);
    assert_int_equal(ag_forward(z), AG_OK);
}

static void test_check_names_a_leaf(void **state)
{
    (void)state;
    ag_set_check(graph, true);
    const ag_value x = variable((double)NAN), y = variable(2);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_int_equal(ag_backward(ag_mul(x, y)), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "variable(x = nan)");
    const ag_value c = ag_constant(graph, (ag_real)-INFINITY);
    assert_int_equal(ag_backward(ag_exp(ag_add(c, y))), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "constant(");
}

static void test_check_from_the_beginning(void **state)
{
    (void)state;
    ag_graph_free(graph);
    graph = ag_graph_new(&(ag_graph_options){.check = true});
    assert_int_equal(ag_backward(ag_log(variable(-1))), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "log(#0 = -1)");
}

/* The other side of a choice may hold anything. */
static void test_check_allows_untaken_branches(void **state)
{
    (void)state;
    ag_set_check(graph, true);
    const ag_value x = variable(-1), zero = variable(0), one = variable(1);
    const ag_value nan = ag_log(x), infinite = ag_log(zero), steep = ag_sqrt(zero);
    const ag_value safe[] = {
        ag_select(one, one, nan),      ag_select(zero, nan, one),
        ag_max(infinite, one),         ag_max(one, infinite),
        ag_min(one, ag_neg(infinite)), ag_max_of(3, (const ag_value[]){infinite, one, infinite}),
        ag_select(one, one, steep),    ag_min(one, ag_shift(steep, 2)),
    };
    for (size_t i = 0; i < sizeof(safe) / sizeof(*safe); i++) {
        assert_int_equal(ag_backward(safe[i]), AG_OK);
        assert_same(ag_grad(one), (double)i + 1);
        assert_int_equal(ag_forward(safe[i]), AG_OK);
        assert_same(ag_data(safe[i]), 1);
    }
    assert_same(ag_grad(x), 0);
    assert_same(ag_grad(zero), 0);
    assert_int_equal(ag_backward(ag_select(nan, one, one)), AG_NOT_FINITE); /* it looks at c */
    assert_error(AG_NOT_FINITE, "log(#0 = -1)");
    assert_int_equal(ag_backward(ag_max(one, nan)), AG_NOT_FINITE); /* and max takes the NaN */
    assert_error(AG_NOT_FINITE, "log(#0 = -1)");
}

static void test_check_looks_at_gradients(void **state)
{
    (void)state;
    const ag_value x = variable(0), y = variable(3);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    const ag_value smooth = ag_mul(ag_shift(x, 1), y);
    const ag_value steep = ag_add(smooth, ag_sqrt(x));
    assert_int_equal(ag_backward(smooth), AG_OK);
    ag_set_check(graph, true);
    const ag_real before[] = {ag_grad(x), ag_grad(y)};
    assert_int_equal(ag_backward(steep), AG_NOT_FINITE); /* all values are finite */
    assert_contains(ag_error_message(graph), "sqrt(x = 0)");
    assert_contains(ag_error_message(graph), "inf");
    assert_memory_equal(&(ag_real){ag_grad(x)}, &before[0], sizeof(ag_real));
    assert_memory_equal(&(ag_real){ag_grad(y)}, &before[1], sizeof(ag_real));
    assert_same(ag_grad(steep), 0);
    assert_same(ag_grad(smooth), 0);
    ag_clear_error(graph);
    assert_int_equal(ag_backward(smooth), AG_OK);
    assert_same(ag_grad(x), 2 * before[0]);
    assert_same(ag_grad(y), 2 * before[1]);
    assert_int_equal(ag_forward(steep), AG_OK); /* forward has no gradients */
}

/* 0 * inf is not a number; but where the upstream is 0 nothing is multiplied. */
static void test_check_and_the_zero_rule(void **state)
{
    (void)state;
    ag_set_check(graph, true);
    const ag_value x = variable(0), zero = variable(0);
    assert_int_equal(ag_backward(ag_mul(zero, ag_sqrt(x))), AG_OK);
    assert_same(ag_grad(x), 0);
    const ag_value root = ag_sqrt(ag_square(x)); /* d sqrt = inf, d square = 0 */
    assert_int_equal(ag_backward(root), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "sqrt(#");
    ag_set_check(graph, false);
    assert_int_equal(ag_backward(root), AG_OK);
    assert_true(isnan(ag_grad(x)));
}

/* A gradient may overflow although every contribution is finite. */
static void test_check_sees_sums_overflow(void **state)
{
    (void)state;
#ifdef AG_REAL_FLOAT
    const ag_real large = 3e38F;
#else
    const ag_real large = 1.7e308;
#endif
    ag_set_check(graph, true);
    const ag_value x = variable(1);
    assert_int_equal(ag_backward(ag_scale(x, large)), AG_OK);
    assert_same(ag_grad(x), large);
    assert_int_equal(ag_backward(ag_scale(x, large)), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "mul(#0 = 1");
    assert_same(ag_grad(x), large);
}

static void test_check_looks_at_upstream(void **state)
{
    (void)state;
    ag_set_check(graph, true);
    const ag_value x = variable(1), y = ag_square(x);
    const ag_value roots[] = {y, x};
    const ag_real upstream[] = {1, (ag_real)INFINITY};
    assert_int_equal(ag_backward_from(2, roots, upstream), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "ag_backward(#0 = 1): the upstream gradient");
    assert_same(ag_grad(x), 0);
    assert_int_equal(ag_backward_from(1, &roots[0], &upstream[1]), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "ag_backward(#1 = 1): the upstream gradient");
    assert_same(ag_grad(x), 0);
}

static ag_real forward_nan(void *context, size_t arity, const ag_real *x)
{
    (void)context, (void)arity;
    return x[0] < 0 ? (ag_real)NAN : x[0];
}

static void backward_nan(void *context, size_t arity, const ag_real *x, ag_real y, ag_real upstream,
                         ag_real *downstream)
{
    (void)context, (void)y;
    for (size_t i = 0; i < arity; i++)
        downstream[i] = x[i] > 10 ? (ag_real)NAN : upstream;
}

static void test_check_names_custom_gates(void **state)
{
    (void)state;
    ag_set_check(graph, true);
    const ag_closure closure = {
        .name = "fragile", .arity = 2, .forward = forward_nan, .backward = backward_nan};
    const ag_value x = variable(-1), y = variable(20);
    assert_int_equal(ag_name(y, "y"), AG_OK);
    ag_value z = ag_apply(&closure, (const ag_value[]){x, y});
    assert_int_equal(ag_error(graph), AG_OK);
    assert_int_equal(ag_backward(ag_tanh(z)), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "fragile(#0 = -1, y = 20): the value is nan");
    assert_int_equal(ag_set(x, 1), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_int_equal(ag_backward(z), AG_NOT_FINITE);
    assert_error(AG_NOT_FINITE, "fragile(#0 = 1, y = 20): gave operand 2 the gradient nan");
    assert_same(ag_grad(x), 0);
    assert_same(ag_grad(y), 0);
}

/* With many roots, leaves and passes before, a failure still leaves every leaf as it was. */
static void test_check_leaves_every_leaf(void **state)
{
    (void)state;
    enum {
        N = 200
    };
    ag_value x[N], terms[N];
    ag_real before[N], upstream[N];
    for (int i = 0; i < N; i++) {
        x[i] = variable(i - 0.5);
        terms[i] = i % 3 == 0 ? ag_sin(x[i]) : ag_mul(x[i], x[(i * 7) % (i + 1)]);
        upstream[i] = (ag_real)(i + 1);
    }
    for (int round = 0; round < 300; round++) { /* past the wrap of the passes' count */
        assert_int_equal(ag_backward_from(N, terms, upstream), AG_OK);
        for (int i = 0; i < N; i++)
            before[i] = ag_grad(x[i]);
        ag_set_check(graph, true);
        const ag_mark mark = ag_graph_mark(graph);
        const ag_value bad = ag_add(ag_sum(N, terms), ag_sqrt(ag_scale(x[round % N], 0)));
        assert_int_equal(ag_backward(bad), AG_NOT_FINITE);
        assert_error(AG_NOT_FINITE, "sqrt(");
        for (int i = 0; i < N; i++)
            assert_memory_equal(&(ag_real){ag_grad(x[i])}, &before[i], sizeof(ag_real));
        assert_same(ag_grad(terms[0]), 0);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        ag_set_check(graph, false);
    }
}

/* Check mode finds nothing where there is nothing, and computes the same gradients. */
static void test_check_changes_no_gradient(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        ag_real gradients[2][3];
        for (int check = 0; check < 2; check++) {
            ag_graph *own = ag_graph_new(&(ag_graph_options){.check = check != 0});
            machine *m = new_machine(own, seed);
            for (int i = 0; i < 3; i++)
                keep(m, ag_variable(own, draw_number(m) / 4));
            for (int i = 0; i < 50; i++) {
                const ag_value a = draw_value(m), b = draw_value(m);
                keep(m, i % 3 == 0 ? ag_tanh(ag_add(a, b)) : ag_sin(ag_mul(a, b)));
            }
            for (int i = 0; i < 3; i++)
                assert_int_equal(ag_backward(draw_value(m)), AG_OK);
            for (int i = 0; i < 3; i++)
                gradients[check][i] = ag_grad(m->values[i]);
            free(m);
            ag_graph_free(own);
        }
        assert_memory_equal(gradients[0], gradients[1], sizeof(gradients[0]));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(status_in_words),
        TEST(stale_values),
        TEST(null_values_of_failed_gates),
        TEST(null_values_of_no_graph),
        TEST(values_of_two_graphs),
        TEST(made_up_values),
        TEST(null_graph),
        TEST(null_arrays),
        TEST(no_operands),
        TEST(gradcheck_misused),
        TEST(too_many_nodes),
        TEST(graphs_that_do_not_fit),
        TEST(first_error_stays),
        TEST(expression_fails_as_a_whole),
        TEST(set_error),
        TEST(messages_name_operands),
        TEST(messages_hold_long_names),
        TEST(names_refused),
        TEST(only_leaves_are_set),
        TEST(resume_without_pause),
        TEST(check_names_the_origin),
        TEST(check_names_a_leaf),
        TEST(check_from_the_beginning),
        TEST(check_allows_untaken_branches),
        TEST(check_looks_at_gradients),
        TEST(check_and_the_zero_rule),
        TEST(check_sees_sums_overflow),
        TEST(check_looks_at_upstream),
        TEST(check_names_custom_gates),
        TEST(check_leaves_every_leaf),
        TEST(check_changes_no_gradient),
    };
    scratch_file = tmpfile();
    if (scratch_file == NULL)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fclose(scratch_file);
    return failed;
}
