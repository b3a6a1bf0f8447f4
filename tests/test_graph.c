/* SPDX-License-Identifier: MIT
 *
 * The graph as its users see it: values, forward and backward, what accumulates and what doesn't,
 * order, names, pauses. Single gates' derivatives are in test_gates.c, memory in test_memory.c,
 * misuse in test_errors.c.
 */
#include "scenario.h"

/* ---- A gate that counts ---------------------------------------------------------------------- */

typedef struct calls {
    int forward, backward;
} calls;

static ag_real count_forward(void *context, size_t arity, const ag_real *x)
{
    (void)arity;
    ((calls *)context)->forward++;
    return x[0];
}

static void count_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                           ag_real upstream, ag_real *downstream)
{
    (void)arity, (void)x, (void)y;
    ((calls *)context)->backward++;
    downstream[0] = upstream;
}

/* x, and a count of how often that is asked for. */
static ag_value count_calls(ag_value x, calls *counted)
{
    const ag_closure closure = {.name = "counted",
                                .arity = 1,
                                .forward = count_forward,
                                .backward = count_backward,
                                .context = counted};
    return ag_apply(&closure, &x);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static ag_graph *graph;
static int alive; /* products applied and not destroyed */

static int set_up(void **state)
{
    (void)state;
    graph = ag_graph_new(NULL);
    return graph == NULL ? -1 : 0;
}

/* Every test ends with a graph that has no error. */
static int tear_down(void **state)
{
    (void)state;
    const ag_status status = ag_error(graph);
    if (status != AG_OK)
        print_error("%s: %s\n", ag_status_name(status), ag_error_message(graph));
    ag_graph_free(graph);
    return status == AG_OK && alive == 0 ? 0 : -1;
}

static ag_value variable(double data)
{
    return ag_variable(graph, (ag_real)data);
}

static void test_first_example(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = variable(3);
    const ag_value z = ag_log(ag_mul(x, y));
    assert_int_equal(ag_backward(z), AG_OK);
    assert_close(ag_data(z), log(6), ROUNDING);
    assert_close(ag_grad(x), 0.5, ROUNDING);
    assert_close(ag_grad(y), 1 / 3.0, ROUNDING);
}

/* The circuit of Stanford's CS231n notes on backpropagation: q = x + y, f = q z. */
static void test_lecture_circuit(void **state)
{
    (void)state;
    const ag_value x = variable(-2), y = variable(5), z = variable(-4);
    const ag_value q = ag_add(x, y), f = ag_mul(q, z);
    assert_int_equal(ag_backward(f), AG_OK);
    assert_same(ag_data(q), 3);
    assert_same(ag_data(f), -12);
    assert_same(ag_grad(x), -4);
    assert_same(ag_grad(y), -4);
    assert_same(ag_grad(z), 3);
    assert_same(ag_grad(q), -4);
    assert_same(ag_grad(f), 1);
}

/* The example in the README of A. Karpathy's micrograd, and the numbers given there. */
static void test_micrograd_example(void **state)
{
    (void)state;
    const ag_value a = variable(-4), b = variable(2);
    ag_value c = ag_add(a, b);
    ag_value d = ag_add(ag_mul(a, b), ag_pow_int(b, 3));
    c = ag_add(c, ag_shift(c, 1));
    c = ag_add(c, ag_add(ag_shift(c, 1), ag_neg(a)));
    d = ag_add(d, ag_add(ag_scale(d, 2), ag_relu(ag_add(b, a))));
    d = ag_add(d, ag_add(ag_scale(d, 3), ag_relu(ag_sub(b, a))));
    const ag_value e = ag_sub(c, d), f = ag_pow_int(e, 2);
    const ag_value g = ag_add(ag_scale(f, (ag_real)0.5), ag_div(ag_constant(graph, 10), f));
    assert_int_equal(ag_backward(g), AG_OK);
    const double digits = 5e-5; /* four decimals are printed there */
    assert_close(ag_data(g), 24.7041, digits / 24.7041 + ROUNDING);
    assert_close(ag_grad(a), 138.8338, digits / 138.8338 + ROUNDING);
    assert_close(ag_grad(b), 645.5773, digits / 645.5773 + ROUNDING);
}

static void test_set_and_forward(void **state)
{
    (void)state;
    const ag_value x = variable(2), c = ag_constant(graph, 3);
    const ag_value y = ag_mul(ag_square(x), c), z = ag_add(y, x);
    assert_same(ag_data(z), 14);
    assert_int_equal(ag_set(x, 5), AG_OK);
    assert_same(ag_data(x), 5);
    assert_same(ag_data(z), 14); /* until ag_forward */
    assert_int_equal(ag_forward(y), AG_OK);
    assert_same(ag_data(y), 75);
    assert_same(ag_data(z), 14); /* y does not depend on it */
    assert_int_equal(ag_set(c, -1), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_same(ag_data(z), -20);
    assert_int_equal(ag_backward(z), AG_OK);
    assert_same(ag_grad(x), -9);
    assert_int_equal(ag_forward(x), AG_OK); /* a leaf is a root, too */
    assert_same(ag_data(x), 5);
}

static void test_constant_has_no_gradient(void **state)
{
    (void)state;
    const ag_value x = variable(2), c = ag_constant(graph, 3);
    const ag_value y = ag_mul(x, c);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(c), 0);
    assert_int_equal(ag_backward(c), AG_OK); /* as a root, too */
    assert_same(ag_grad(c), 0);
    assert_same(ag_grad(x), 3);
}

static void test_gradient_before_backward_is_zero(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = ag_square(x);
    assert_same(ag_grad(x), 0);
    assert_same(ag_grad(y), 0);
    ag_zero_grad(graph);
    assert_same(ag_grad(x), 0);
}

/* ---- Accumulation ---------------------------------------------------------------------------- */

static void test_leaves_accumulate(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = ag_mul(x, x);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 6);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 12);
    ag_zero_grad(graph);
    assert_same(ag_grad(x), 0);
    assert_same(ag_grad(y), 0);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 6);
}

/* Where interior gradients accumulate, too, as in micrograd, it is 12, and then 36. */
static void test_interior_is_of_the_last_call(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = ag_mul(x, x), z = ag_scale(y, 2);
    for (int call = 1; call <= 5; call++) {
        assert_int_equal(ag_backward(z), AG_OK);
        assert_same(ag_grad(x), 12 * call);
        assert_same(ag_grad(y), 2);
        assert_same(ag_grad(z), 1);
    }
}

static void test_shared_operands(void **state)
{
    (void)state;
    const ag_value a = variable(3), b = ag_add(a, a), c = ag_add(b, b);
    assert_int_equal(ag_backward(c), AG_OK);
    assert_same(ag_grad(a), 4);
    assert_same(ag_grad(b), 2);

    const ag_value x = variable(5);
    const ag_value four[] = {x, x, x, x};
    const ag_real weights[] = {1, 2, 3, 4};
    assert_int_equal(ag_backward(ag_mul(x, x)), AG_OK);
    assert_same(ag_grad(x), 10);
    assert_int_equal(ag_backward(ag_dot(4, four, four)), AG_OK);
    assert_same(ag_grad(x), 50);
    assert_int_equal(ag_backward(ag_sum(4, four)), AG_OK);
    assert_same(ag_grad(x), 54);
    assert_int_equal(ag_backward(ag_linear(4, weights, four, 7)), AG_OK);
    assert_same(ag_grad(x), 64);
    assert_int_equal(ag_backward(ag_select(x, x, x)), AG_OK);
    assert_same(ag_grad(x), 65);
    assert_int_equal(ag_backward(ag_max(x, x)), AG_OK);
    assert_same(ag_grad(x), 66);
    assert_int_equal(ag_backward(ag_div(x, x)), AG_OK);
    assert_close(ag_grad(x), 66, ROUNDING);
    assert_int_equal(ag_backward(ag_sub(x, x)), AG_OK);
    assert_close(ag_grad(x), 66, ROUNDING);
}

/* Signs and corners that ports of micrograd get wrong. */
static void test_signs(void **state)
{
    (void)state;
    const ag_value a = variable(2), b = variable(5), zero = variable(0);
    const ag_value difference = ag_sub(a, b);
    assert_same(ag_data(difference), -3);
    assert_int_equal(ag_backward(difference), AG_OK);
    assert_same(ag_grad(a), 1);
    assert_same(ag_grad(b), -1);

    ag_zero_grad(graph);
    const ag_value quotient = ag_div(a, b);
    assert_close(ag_data(quotient), 0.4, ROUNDING);
    assert_int_equal(ag_backward(quotient), AG_OK);
    assert_close(ag_grad(a), 0.2, ROUNDING);
    assert_close(ag_grad(b), -0.08, ROUNDING);

    ag_zero_grad(graph);
    assert_int_equal(ag_backward(ag_abs(zero)), AG_OK);
    assert_same(ag_grad(zero), 0);
    assert_int_equal(ag_backward(ag_abs(ag_neg(a))), AG_OK);
    assert_same(ag_grad(a), 1);
}

static void test_not_depended_on(void **state)
{
    (void)state;
    const ag_value x = variable(2), other = variable(7);
    const ag_value before = ag_exp(other), y = ag_square(x), after = ag_mul(y, other);
    assert_int_equal(ag_backward(after), AG_OK);
    assert_same(ag_grad(other), 4);
    assert_same(ag_grad(y), 7);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 4);
    assert_same(ag_grad(y), 1);
    assert_same(ag_grad(other), 0);
    assert_same(ag_grad(before), 0);
    assert_same(ag_grad(after), 0); /* it was 1 in the call before */
}

static void test_two_roots_in_turn(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = variable(4);
    const ag_value shared = ag_mul(x, y), one = ag_square(shared), two = ag_add(shared, x);
    assert_int_equal(ag_backward(one), AG_OK);
    assert_same(ag_grad(x), 96);
    assert_same(ag_grad(y), 72);
    assert_same(ag_grad(shared), 24);
    assert_int_equal(ag_backward(two), AG_OK);
    assert_same(ag_grad(x), 96 + 5);
    assert_same(ag_grad(y), 72 + 3);
    assert_same(ag_grad(shared), 1);
    assert_same(ag_grad(one), 0);
}

/* ---- Several roots at once ------------------------------------------------------------------- */

static void test_backward_from_several_roots(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = variable(4);
    const ag_value roots[] = {ag_mul(x, y), ag_square(x), ag_neg(y)};
    const ag_real upstream[] = {2, -1, 10};
    assert_int_equal(ag_backward_from(3, roots, upstream), AG_OK);
    assert_same(ag_grad(x), 2 * 4 - 6);
    assert_same(ag_grad(y), 2 * 3 - 10);
    for (int i = 0; i < 3; i++)
        assert_same(ag_grad(roots[i]), upstream[i]);
}

static void test_backward_from_a_root_twice(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = ag_square(x);
    const ag_value roots[] = {y, y, y};
    const ag_real upstream[] = {1, 2, 4};
    assert_int_equal(ag_backward_from(3, roots, upstream), AG_OK);
    assert_same(ag_grad(y), 7);
    assert_same(ag_grad(x), 42);
}

static void test_backward_from_leaves(void **state)
{
    (void)state;
    const ag_value x = variable(3), c = ag_constant(graph, 2), y = ag_mul(x, c);
    const ag_value roots[] = {x, y, c, x};
    const ag_real upstream[] = {5, 10, 7, 100};
    assert_int_equal(ag_backward_from(4, roots, upstream), AG_OK);
    assert_same(ag_grad(x), 5 + 20 + 100);
    assert_same(ag_grad(c), 0);
    assert_int_equal(ag_backward(x), AG_OK); /* a leaf accumulates as a root, too */
    assert_same(ag_grad(x), 126);
    assert_same(ag_grad(y), 0);
}

/* A root that is an operand of another gets its own gradient and the other's. */
static void test_backward_from_root_below_root(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        ag_zero_grad(graph);
        const ag_value x = variable(3), y = ag_square(x), z = ag_scale(y, 5);
        const ag_value roots[] = {order == 0 ? y : z, order == 0 ? z : y};
        const ag_real upstream[] = {order == 0 ? 1 : 2, order == 0 ? 2 : 1};
        assert_int_equal(ag_backward_from(2, roots, upstream), AG_OK);
        assert_same(ag_grad(y), 1 + 2 * 5);
        assert_same(ag_grad(x), 6 * 11);
    }
}

/* ---- The zero rule --------------------------------------------------------------------------- */

static void test_zero_upstream_passes_zero(void **state)
{
    (void)state;
    const ag_value x = variable(0), one = variable(1);
    const ag_value steep = ag_sqrt(x); /* its local gradient is infinite */
    const ag_value safe = ag_select(ag_constant(graph, 0), steep, one);
    assert_int_equal(ag_backward(safe), AG_OK);
    assert_same(ag_grad(x), 0);
    assert_same(ag_grad(one), 1);
    assert_int_equal(ag_backward(ag_scale(ag_log(x), 0)), AG_OK);
    assert_same(ag_grad(x), 0);
    const ag_real nothing = 0;
    assert_int_equal(ag_backward_from(1, &steep, &nothing), AG_OK);
    assert_same(ag_grad(x), 0);
    assert_int_equal(ag_backward(steep), AG_OK);
    assert_same(ag_grad(x), INFINITY);
}

static void test_custom_gate_is_not_asked_about_zero(void **state)
{
    (void)state;
    calls counted = {0};
    const ag_value x = variable(3), y = count_calls(x, &counted);
    assert_int_equal(ag_backward(ag_scale(y, 0)), AG_OK);
    assert_int_equal(counted.backward, 0);
    assert_same(ag_grad(y), 0);
    assert_same(ag_grad(x), 0);
}

/* ---- What is visited ------------------------------------------------------------------------- */

static void test_each_node_once(void **state)
{
    (void)state;
    enum {
        N = 20 /* 2^20 paths */
    };
    calls counted[N] = {{0}};
    const ag_value x = variable(1);
    ag_value y = x;
    for (int i = 0; i < N; i++) {
        const ag_value gate = count_calls(y, &counted[i]);
        y = ag_add(gate, gate);
    }
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 1 << N);
    assert_int_equal(ag_forward(y), AG_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(counted[i].backward, 1);
        assert_int_equal(counted[i].forward, 2); /* when it was made, and again */
    }
}

static void test_only_what_reaches_the_root(void **state)
{
    (void)state;
    calls below = {0}, beside = {0}, above = {0}, untaken = {0};
    const ag_value x = variable(2);
    const ag_value a = count_calls(x, &below);
    const ag_value b = count_calls(a, &beside);
    const ag_value c = count_calls(x, &untaken);
    const ag_value root = ag_select(ag_constant(graph, 1), ag_square(a), c);
    const ag_value d = count_calls(root, &above);
    assert_int_equal(ag_backward(root), AG_OK);
    assert_int_equal(ag_forward(root), AG_OK);
    assert_int_equal(below.backward, 1);
    assert_int_equal(below.forward, 2);
    assert_int_equal(beside.backward, 0);
    assert_int_equal(beside.forward, 1);
    assert_int_equal(above.backward, 0);
    assert_int_equal(above.forward, 1);
    assert_int_equal(untaken.backward, 0); /* the zero rule */
    assert_int_equal(untaken.forward, 2);  /* forward can't know */
    assert_same(ag_grad(b), 0);
    assert_same(ag_grad(d), 0);
    assert_same(ag_grad(x), 4);
}

/* ---- Many passes ----------------------------------------------------------------------------- */

/* What an old pass left must not look like this one's, however many there were in between. */
static void test_many_passes(void **state)
{
    (void)state;
    for (int between = 250; between <= 260; between++) {
        calls old = {0};
        const ag_value x = variable(3), other = variable(5);
        const ag_value forgotten = ag_mul(count_calls(x, &old), other);
        const ag_value y = ag_square(other);
        assert_int_equal(ag_backward(forgotten), AG_OK);
        assert_same(ag_grad(x), 5);
        assert_same(ag_grad(other), 3);
        for (int i = 1; i <= between; i++) {
            assert_int_equal(ag_backward(y), AG_OK);
            assert_same(ag_grad(other), 3 + 10 * i);
        }
        assert_same(ag_grad(forgotten), 0);
        assert_same(ag_grad(x), 5);
        assert_int_equal(old.backward, 1);
        const ag_value top = ag_add(y, other); /* behind the forgotten nodes */
        for (int i = 1; i <= between; i++)
            assert_int_equal(ag_backward(top), AG_OK);
        assert_same(ag_grad(other), 3 + 10 * between + 11 * between);
        assert_same(ag_grad(x), 5);
        assert_int_equal(old.backward, 1);
    }
}

static void test_walks_beyond_the_epoch(void **state)
{
    (void)state;
    for (int between = 250; between <= 260; between++) {
        calls old = {0};
        const ag_value x = variable(3), other = variable(5);
        const ag_value forgotten = count_calls(x, &old);
        const ag_value y = ag_square(ag_neg(other));
        assert_int_equal(ag_forward(forgotten), AG_OK);
        assert_int_equal(old.forward, 2);
        for (int i = 1; i <= between; i++) {
            if (i % 2 == 0)
                assert_int_equal(ag_topological_order(y, NULL, 0), 3);
            else
                assert_int_equal(ag_forward(y), AG_OK);
        }
        assert_int_equal(old.forward, 2);
    }
}

static void test_nodes_made_after_backward(void **state)
{
    (void)state;
    const ag_value x = variable(2);
    ag_value y = x;
    for (int i = 1; i <= 1000; i++) { /* the arrays grow on the way */
        y = ag_add(y, x);
        assert_int_equal(ag_backward(y), AG_OK);
        assert_same(ag_grad(x), (i + 1.0) * (i + 2.0) / 2 - 1);
    }
    assert_same(ag_data(y), 2002);
}

static void test_leaves_made_after_backward(void **state)
{
    (void)state;
    ag_value leaves[1000];
    ag_value sum = ag_constant(graph, 0);
    for (int i = 0; i < 1000; i++) {
        leaves[i] = variable(i);
        assert_same(ag_grad(leaves[i]), 0);
        sum = ag_add(sum, ag_scale(leaves[i], (ag_real)i));
        if (i % 100 == 0)
            assert_int_equal(ag_backward(sum), AG_OK);
    }
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(sum), AG_OK);
    for (int i = 0; i < 1000; i++)
        assert_same(ag_grad(leaves[i]), i);
}

/* A node in the place of a dropped one has nothing of it. */
static void test_nodes_after_a_rewind(void **state)
{
    (void)state;
    const ag_value x = variable(2);
    const ag_mark mark = ag_graph_mark(graph);
    for (int round = 0; round < 600; round++) {
        const ag_value leaf = variable(5);
        assert_same(ag_grad(leaf), 0);
        const ag_value y = ag_mul(x, leaf);
        assert_same(ag_grad(y), 0);
        assert_int_equal(ag_backward(y), AG_OK);
        assert_same(ag_grad(leaf), 2);
        assert_same(ag_grad(x), 5 * (round + 1));
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        const ag_value gate = ag_square(x), constant = ag_constant(graph, 1);
        assert_same(ag_grad(gate), 0);
        assert_same(ag_grad(constant), 0);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    }
}

/* ---- Against another way to the same numbers --------------------------------------------------
 */

/* Gates that are smooth and bounded enough for any operands near 1. */
static ag_value draw_smooth_gate(machine *m)
{
    const ag_value a = draw_value(m), b = draw_value(m), c = draw_value(m);
    const ag_value x[] = {a, b, c}, w[] = {c, a, a};
    const ag_real numbers[] = {draw_number(m), draw_number(m), draw_number(m)};
    switch (draw(m, 16)) {
    case 0:
        return ag_add(a, b);
    case 1:
        return ag_sub(a, b);
    case 2:
        return ag_mul(ag_sin(a), b);
    case 3:
        return ag_div(a, ag_shift(ag_square(b), 1));
    case 4:
        return ag_tanh(a);
    case 5:
        return ag_select(a, b, c);
    case 6:
        return ag_max(a, b);
    case 7:
        return ag_tanh(ag_sum(3, x));
    case 8:
        return ag_tanh(ag_dot(3, x, w));
    case 9:
        return ag_tanh(ag_linear(3, numbers, x, draw_number(m)));
    case 10:
        return ag_logsumexp(3, x);
    case 11:
        return ag_max_of(3, x);
    case 12:
        return ag_tanh(apply_product(&m->alive, 3, x));
    case 13:
        return ag_detach(a);
    case 14:
        return ag_sigmoid(a);
    default:
        return ag_scale(a, numbers[0]);
    }
}

/* d root / d leaf by pushing a tangent forward through operands and local gradients: slow, and
 * nothing of ag_backward is in it but the local gradients. */
static double push_tangent(const ag_value *order, size_t n, ag_value leaf, double *tangents)
{
    for (size_t i = 0; i < n; i++) {
        tangents[order[i].index] = order[i].index == leaf.index ? 1 : 0;
        for (size_t k = 0; k < ag_operand_count(order[i]); k++)
            tangents[order[i].index] +=
                (double)ag_local_gradient(order[i], k) * tangents[ag_operand(order[i], k).index];
    }
    return tangents[order[n - 1].index];
}

static void test_backward_is_the_transpose_of_forward(void **state)
{
    (void)state;
    enum {
        LEAVES = 4,
        GATES = 60
    };
    for (uint64_t seed = 0; seed < 200; seed++) {
        const ag_mark mark = ag_graph_mark(graph);
        machine *m = new_machine(graph, seed);
        for (int i = 0; i < LEAVES; i++)
            keep(m, ag_variable(graph, 1 + draw_number(m) / 4));
        for (int i = 0; i < GATES; i++)
            keep(m, draw_smooth_gate(m));
        const ag_value root = m->values[m->count - 1];
        ag_value order[1000];
        double tangents[1000];
        assert_true(ag_graph_count(graph) < 1000);
        const size_t n = ag_topological_order(root, order, 1000);
        assert_true(n > 0);
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(root), AG_OK);
        for (int i = 0; i < LEAVES; i++)
            assert_close(ag_grad(m->values[i]), push_tangent(order, n, m->values[i], tangents),
                         10 * ROUNDING);
        /* values computed again are the same to the last bit */
        ag_real before[1000];
        for (size_t i = 0; i < n; i++)
            before[i] = ag_data(order[i]);
        assert_int_equal(ag_forward(root), AG_OK);
        for (size_t i = 0; i < n; i++)
            assert_same(ag_data(order[i]), before[i]);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_int_equal(m->alive, 0);
        free(m);
    }
}

/* ---- Detach and pause ------------------------------------------------------------------------ */

static void test_detach(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = ag_square(x), stopped = ag_detach(y);
    const ag_value z = ag_mul(y, stopped);
    assert_string_equal(ag_gate_name(stopped), "detach");
    assert_same(ag_data(stopped), 9);
    assert_int_equal(ag_backward(z), AG_OK);
    assert_same(ag_grad(x), 9 * 6); /* of one factor only */
    assert_same(ag_grad(stopped), 9);
    assert_same(ag_grad(y), 9);
    assert_int_equal(ag_set(x, 2), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_same(ag_data(stopped), 4); /* live */
    assert_same(ag_data(z), 16);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(z), AG_OK);
    assert_same(ag_grad(x), 4 * 4);
    assert_int_equal(ag_backward(stopped), AG_OK);
    assert_same(ag_grad(x), 16);
}

static void test_pause_makes_constants(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    calls counted = {0};
    const ag_value three[] = {x, x, x};
    assert_int_equal(ag_pause(graph), AG_OK);
    const ag_value numbers[] = {ag_square(x),
                                ag_add(x, x),
                                ag_select(x, x, x),
                                ag_sum(3, three),
                                ag_detach(x),
                                ag_dot(3, three, three),
                                count_calls(x, &counted),
                                ag_scale(x, 2),
                                ag_pow_int(x, 2)};
    const double expected[] = {9, 6, 3, 9, 3, 27, 3, 6, 9};
    const ag_value leaf = variable(1); /* leaves stay what they are */
    assert_int_equal(ag_resume(graph), AG_OK);
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        assert_string_equal(ag_gate_name(numbers[i]), "constant");
        assert_int_equal(ag_operand_count(numbers[i]), 0);
        assert_same(ag_data(numbers[i]), expected[i]);
    }
    assert_string_equal(ag_gate_name(leaf), "variable");
    const ag_value y = ag_mul(x, numbers[0]);
    assert_int_equal(ag_backward(ag_add(y, ag_sum(9, numbers))), AG_OK);
    assert_same(ag_grad(x), 9);
    assert_same(ag_grad(numbers[0]), 0);
    assert_int_equal(ag_set(x, 100), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
    assert_same(ag_data(y), 900);
    assert_int_equal(counted.forward, 1);
    assert_int_equal(counted.backward, 0);
}

static void test_pauses_nest(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    for (int depth = 1; depth <= 5; depth++) {
        for (int i = 0; i < depth; i++)
            assert_int_equal(ag_pause(graph), AG_OK);
        for (int i = 0; i < depth; i++) {
            assert_string_equal(ag_gate_name(ag_neg(x)), "constant");
            assert_int_equal(ag_resume(graph), AG_OK);
        }
        assert_string_equal(ag_gate_name(ag_neg(x)), "neg");
    }
}

/* Pauses and what they leave behind are balanced also where an error comes in between. */
static void test_error_in_a_pause(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    assert_int_equal(ag_pause(graph), AG_OK);
    assert_true(ag_is_null(ag_add(x, (ag_value){0})));
    assert_int_equal(ag_pause(graph), AG_NULL_VALUE);
    assert_int_equal(ag_resume(graph), AG_NULL_VALUE);
    assert_true(ag_is_null(ag_neg(x)));
    assert_int_equal(ag_resume(graph), AG_NULL_VALUE);
    ag_clear_error(graph);
    assert_string_equal(ag_gate_name(ag_neg(x)), "neg");
    assert_int_equal(ag_pause(graph), AG_OK);
    assert_true(ag_is_null(ag_add(x, (ag_value){0})));
    ag_clear_error(graph); /* which does not resume */
    assert_string_equal(ag_gate_name(ag_neg(x)), "constant");
    assert_int_equal(ag_resume(graph), AG_OK);
    assert_string_equal(ag_gate_name(ag_neg(x)), "neg");
}

/* What is computed in a pause may be dropped, and what was recorded before it stays whole. */
static void test_pause_and_rewind(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    const ag_value before[] = {x, ag_square(x)};
    const ag_value sum = ag_sum(2, before);
    const ag_mark mark = ag_graph_mark(graph);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ag_pause(graph), AG_OK);
        const ag_value inside = ag_dot(2, before, before);
        assert_int_equal(ag_resume(graph), AG_OK);
        const ag_value outside = ag_dot(2, before, before);
        assert_same(ag_data(inside), 90);
        assert_same(ag_data(outside), 90);
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(ag_add(inside, outside)), AG_OK);
        assert_same(ag_grad(x), 6 + 4 * 27);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    }
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(sum), AG_OK);
    assert_same(ag_grad(x), 7);
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

static void test_comparisons_answer(void **state)
{
    (void)state;
    const ag_value one = variable(1), two = variable(2), nan = variable((double)NAN);
    assert_true(ag_gt(two, one) && !ag_gt(one, two) && !ag_gt(one, one) && !ag_gt(nan, one));
    assert_true(ag_ge(two, one) && !ag_ge(one, two) && ag_ge(one, one) && !ag_ge(nan, one));
    assert_true(!ag_lt(two, one) && ag_lt(one, two) && !ag_lt(one, one) && !ag_lt(nan, one));
    assert_true(!ag_le(two, one) && ag_le(one, two) && ag_le(one, one) && !ag_le(nan, nan));
    assert_true(!ag_eq(two, one) && ag_eq(one, one) && !ag_eq(nan, nan));
    assert_true(ag_ne(two, one) && !ag_ne(one, one) && ag_ne(nan, nan));
}

/* |x|, as code with a branch */
static ag_value branch_on_sign(ag_value x)
{
    return ag_lt(x, ag_constant(graph, 0)) ? ag_neg(x) : ag_scale(x, 1);
}

static void test_branch(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = branch_on_sign(x);
    assert_int_equal(ag_set(x, 4), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
    assert_same(ag_data(y), 4);
    assert_int_equal(ag_set(x, -2), AG_OK);
    assert_int_equal(ag_forward(y), AG_BRANCH);
    assert_contains(ag_error_message(graph), "lt");
    assert_contains(ag_error_message(graph), "-2");
    assert_contains(ag_error_message(graph), "false");
    assert_int_equal(ag_error(graph), AG_OK); /* it does not stick */
    assert_same(ag_data(y), -2);              /* the recorded path's */
    assert_same(ag_data(branch_on_sign(x)), 2);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 1);
    assert_int_equal(ag_forward(y), AG_BRANCH); /* the outcome on record is still the old one */
    assert_int_equal(ag_set(x, 5), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
    assert_same(ag_data(y), 5);
    assert_string_equal(ag_error_message(graph), "");
}

static void test_branch_names_the_lowest(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = variable(10);
    assert_int_equal(ag_name(x, "first"), AG_OK);
    assert_int_equal(ag_name(y, "second"), AG_OK);
    assert_true(ag_gt(x, ag_constant(graph, 0)));
    assert_true(ag_ge(y, x));
    const ag_value root = ag_mul(x, y);
    assert_int_equal(ag_set(x, -1), AG_OK);
    assert_int_equal(ag_set(y, -2), AG_OK);
    assert_int_equal(ag_forward(root), AG_BRANCH);
    assert_contains(ag_error_message(graph), "gt(first = -1");
    assert_int_equal(ag_set(x, 1), AG_OK);
    assert_int_equal(ag_forward(root), AG_BRANCH);
    assert_contains(ag_error_message(graph), "ge(second = -2, first = 1");
    assert_int_equal(ag_set(y, 1), AG_OK);
    assert_int_equal(ag_forward(root), AG_OK);
}

/* What a comparison compares is computed again, though the root does not depend on it. */
static void test_branch_on_computed_values(void **state)
{
    (void)state;
    const ag_value x = variable(3), root_of_it = ag_sqrt(ag_square(x));
    assert_true(ag_lt(ag_shift(root_of_it, 1), ag_constant(graph, 10)));
    const ag_value y = ag_neg(x);
    assert_int_equal(ag_set(x, -9.5), AG_OK);
    assert_int_equal(ag_forward(y), AG_BRANCH);
    assert_contains(ag_error_message(graph), "10.5");
    assert_same(ag_data(y), 9.5);
}

static void test_branches_that_do_not_count(void **state)
{
    (void)state;
    const ag_value x = variable(3), low = ag_constant(graph, 1), high = ag_constant(graph, 2);
    assert_true(ag_lt(low, high)); /* of constants: never comes out differently */
    const ag_value y = ag_square(x);
    assert_true(ag_gt(x, low)); /* made after the root */
    assert_int_equal(ag_set(x, -3), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
    assert_int_equal(ag_forward(ag_neg(x)), AG_BRANCH);
    assert_int_equal(ag_set(low, 5), AG_OK); /* but constants can be set */
    assert_int_equal(ag_forward(y), AG_BRANCH);
}

/* The caller goes a way that depends on the answer, in a pause as anywhere. */
static void test_branch_in_a_pause(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    assert_int_equal(ag_pause(graph), AG_OK);
    const bool positive = ag_gt(x, ag_constant(graph, 0));
    assert_int_equal(ag_resume(graph), AG_OK);
    const ag_value y = positive ? ag_neg(x) : x;
    assert_int_equal(ag_set(x, -3), AG_OK);
    assert_int_equal(ag_forward(y), AG_BRANCH);
    assert_int_equal(ag_set(x, 1), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static bool is_same_node(ag_value a, ag_value b)
{
    return a.graph == b.graph && a.index == b.index;
}

static void test_names(void **state)
{
    (void)state;
    const ag_value x = variable(1), y = ag_neg(x);
    assert_null(ag_name_of(x));
    assert_true(ag_is_null(ag_find(graph, "x")));
    char text[] = "x";
    assert_int_equal(ag_name(x, text), AG_OK);
    text[0] = '?'; /* it was copied */
    assert_int_equal(ag_name(y, "minus x"), AG_OK);
    assert_string_equal(ag_name_of(x), "x");
    assert_string_equal(ag_name_of(y), "minus x");
    assert_true(is_same_node(ag_find(graph, "x"), x));
    assert_true(is_same_node(ag_find(graph, "minus x"), y));
    assert_true(ag_is_null(ag_find(graph, "X")));
    assert_true(ag_is_null(ag_find(graph, "")));
    assert_int_equal(ag_name(x, "x"), AG_OK); /* its own name again */
    assert_int_equal(ag_name(x, "z"), AG_OK);
    assert_string_equal(ag_name_of(x), "z");
    assert_true(ag_is_null(ag_find(graph, "x")));
    assert_int_equal(ag_name(y, "x"), AG_OK); /* free again */
    assert_true(is_same_node(ag_find(graph, "x"), y));
    assert_true(ag_is_null(ag_find(graph, "minus x")));
}

static const char *write_name(char text[32], const char *word, int number)
{
    (void)snprintf(text, 32, "%s %d", word, number);
    return text;
}

static void test_thousand_names(void **state)
{
    (void)state;
    enum {
        N = 1000
    };
    ag_value x[N];
    char name[32];
    for (int i = 0; i < N; i++) {
        x[i] = variable(i);
        assert_int_equal(ag_name(x[i], write_name(name, "weight", i)), AG_OK);
    }
    for (int i = 0; i < N; i += 3)
        assert_int_equal(ag_name(x[i], write_name(name, "bias", i)), AG_OK);
    for (int i = 0; i < N; i++) {
        const bool renamed = i % 3 == 0;
        write_name(name, renamed ? "bias" : "weight", i);
        assert_string_equal(ag_name_of(x[i]), name);
        assert_true(is_same_node(ag_find(graph, name), x[i]));
        write_name(name, renamed ? "weight" : "bias", i);
        assert_true(ag_is_null(ag_find(graph, name)));
    }
}

/* ---- Order and inspection -------------------------------------------------------------------- */

static void test_topological_order(void **state)
{
    (void)state;
    const ag_value x = variable(1), unused = variable(2), c = ag_constant(graph, 3);
    const ag_value a = ag_mul(x, c), beside = ag_exp(unused), b = ag_sub(a, x);
    const ag_value root = ag_add(ag_square(b), a);
    const ag_value after = ag_neg(root);
    ag_value order[16];
    assert_int_equal(ag_topological_order(root, NULL, 0), 6);
    assert_int_equal(ag_topological_order(root, order, 16), 6);
    const ag_value expected[] = {x, c, a, b, ag_operand(root, 0), root};
    for (int i = 0; i < 6; i++)
        assert_true(is_same_node(order[i], expected[i]));
    order[2] = after;
    assert_int_equal(ag_topological_order(root, order, 2), 6); /* writes two */
    assert_true(is_same_node(order[1], c));
    assert_true(is_same_node(order[2], after));
    assert_int_equal(ag_topological_order(unused, order, 16), 1);
    assert_true(is_same_node(order[0], unused));
    assert_int_equal(ag_topological_order(beside, order, 16), 2);
}

static void assert_operands(ag_value gate, const char *name, size_t n, const ag_value *expected)
{
    assert_string_equal(ag_gate_name(gate), name);
    assert_int_equal(ag_operand_count(gate), n);
    for (size_t i = 0; i < n; i++) {
        assert_true(is_same_node(ag_operand(gate, i), expected[i]));
        assert_same(ag_data(ag_operand(gate, i)), ag_data(expected[i]));
    }
    assert_true(ag_is_null(ag_operand(gate, n)));
    assert_true(isnan(ag_local_gradient(gate, n)));
    assert_true(ag_is_null(ag_operand(gate, SIZE_MAX)));
}

static void test_operands(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = variable(3), c = ag_constant(graph, 5);
    const ag_value three[] = {x, y, c}, partners[] = {c, x, x};
    const ag_real weights[] = {7, 8, 9};
    assert_operands(x, "variable", 0, NULL);
    assert_operands(c, "constant", 0, NULL);
    assert_operands(ag_detach(x), "detach", 1, &x);
    assert_operands(ag_exp(x), "exp", 1, &x);
    assert_operands(ag_sub(y, x), "sub", 2, (const ag_value[]){y, x});
    assert_operands(ag_select(y, x, c), "select", 3, (const ag_value[]){y, x, c});
    assert_operands(ag_sum(3, three), "sum", 3, three);
    const ag_value dot = ag_dot(3, three, partners);
    assert_operands(dot, "dot", 6, (const ag_value[]){x, c, y, x, c, x});
    const ag_value linear = ag_linear(3, weights, three, 1);
    assert_operands(linear, "linear", 3, three);
    assert_operands(apply_product(&alive, 3, three), "product", 3, three);

    assert_same(ag_local_gradient(ag_sub(y, x), 0), 1);
    assert_same(ag_local_gradient(ag_sub(y, x), 1), -1);
    assert_same(ag_local_gradient(dot, 0), 5);
    assert_same(ag_local_gradient(dot, 1), 2);
    assert_same(ag_local_gradient(dot, 2), 2);
    assert_same(ag_local_gradient(dot, 5), 5);
    assert_same(ag_local_gradient(linear, 2), 9);
    assert_same(ag_local_gradient(ag_detach(x), 0), 0);
    assert_same(ag_local_gradient(ag_max(x, y), 0), 0);
    assert_same(ag_local_gradient(ag_max(x, y), 1), 1);
    assert_same(ag_local_gradient(apply_product(&alive, 3, three), 0), 15);
}

static void test_plain_numbers_are_constants(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = ag_scale(x, 3);
    assert_int_equal(ag_graph_count(graph), 3);
    assert_string_equal(ag_gate_name(y), "mul");
    assert_string_equal(ag_gate_name(ag_operand(y, 1)), "constant");
    assert_same(ag_data(ag_shift(x, -5)), -3);
    const ag_value power = ag_pow_int(x, -2);
    assert_same(ag_data(power), 0.25);
    assert_int_equal(ag_backward(power), AG_OK);
    assert_close(ag_grad(x), -0.25, ROUNDING);
    assert_same(ag_data(ag_pow_int(variable(-3), 3)), -27);
}

/* Explaining and drawing leave gradients and values alone. */
static void test_looking_changes_nothing(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = ag_square(x), z = ag_mul(y, x);
    assert_int_equal(ag_backward(y), AG_OK);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ag_explain(z, file), AG_OK);
    assert_int_equal(ag_write_dot(z, file, NULL), AG_OK);
    assert_true(ftell(file) > 0);
    fclose(file);
    assert_same(ag_grad(x), 6);
    assert_same(ag_grad(y), 1);
    assert_same(ag_grad(z), 0);
    assert_same(ag_local_gradient(z, 0), 3);
    assert_int_equal(ag_topological_order(z, NULL, 0), 3);
    assert_same(ag_grad(y), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_example),
        TEST(lecture_circuit),
        TEST(micrograd_example),
        TEST(set_and_forward),
        TEST(constant_has_no_gradient),
        TEST(gradient_before_backward_is_zero),
        TEST(leaves_accumulate),
        TEST(interior_is_of_the_last_call),
        TEST(shared_operands),
        TEST(signs),
        TEST(not_depended_on),
        TEST(two_roots_in_turn),
        TEST(backward_from_several_roots),
        TEST(backward_from_a_root_twice),
        TEST(backward_from_leaves),
        TEST(backward_from_root_below_root),
        TEST(zero_upstream_passes_zero),
        TEST(custom_gate_is_not_asked_about_zero),
        TEST(each_node_once),
        TEST(only_what_reaches_the_root),
        TEST(many_passes),
        TEST(walks_beyond_the_epoch),
        TEST(nodes_made_after_backward),
        TEST(leaves_made_after_backward),
        TEST(nodes_after_a_rewind),
        TEST(backward_is_the_transpose_of_forward),
        TEST(detach),
        TEST(pause_makes_constants),
        TEST(pauses_nest),
        TEST(error_in_a_pause),
        TEST(pause_and_rewind),
        TEST(comparisons_answer),
        TEST(branch),
        TEST(branch_names_the_lowest),
        TEST(branch_on_computed_values),
        TEST(branches_that_do_not_count),
        TEST(branch_in_a_pause),
        TEST(names),
        TEST(thousand_names),
        TEST(topological_order),
        TEST(operands),
        TEST(plain_numbers_are_constants),
        TEST(looking_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
