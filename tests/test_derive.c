/* SPDX-License-Identifier: MIT
 *
 * Derivatives as nodes: of every gate of the table the same numbers as backward's, and higher ones
 * that agree with differences; products with vectors, Hessians, the zero rule in derived graphs,
 * closures, errors, memory. How formulas become nodes is the subject of test_formula.c.
 */
#include "gate_list.h"

#include <wengert/program.h>

#include <pthread.h>
#include <stdio.h>

static ag_graph *graph;

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
    return 0;
}

static ag_value variable(double data)
{
    return ag_variable(graph, (ag_real)data);
}

static ag_value constant(double data)
{
    return ag_constant(graph, (ag_real)data);
}

static ag_value derive(ag_value root, ag_value x)
{
    ag_value dx;
    assert_int_equal(ag_gradient(root, 1, &x, &dx), AG_OK);
    return dx;
}

/* The n-th derivative of root for x. */
static double differ(ag_value root, ag_value x, int n)
{
    for (; n > 0; n--)
        root = derive(root, x);
    return (double)ag_data(root);
}

/* The same number, but for the sign of a zero. */
static bool is_equal(ag_real p, ag_real q)
{
    return p == q || (isnan(p) && isnan(q));
}

/* ---- Every gate ------------------------------------------------------------------------------ */

static void check_first(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[MOST], d[MOST];
    const ag_value y = record(g, n, operands, leaves);
    check(ag_backward(y) == AG_OK);
    check(ag_gradient(y, n, leaves, d) == AG_OK);
    for (size_t i = 0; i < n; i++)
        check(is_equal(ag_data(d[i]), ag_grad(leaves[i])));

    /* again, as ag_forward computes it */
    for (size_t i = 0; i < n; i++)
        check(ag_forward(d[i]) == AG_OK && is_equal(ag_data(d[i]), ag_grad(leaves[i])));

    /* one value for all operands */
    const ag_value x = ag_variable(y.graph, operands[0]);
    for (size_t i = 0; i < n; i++)
        leaves[i] = x;
    const ag_value repeated = g->record(n, leaves);
    check(ag_backward(repeated) == AG_OK);
    check(is_equal(ag_data(derive(repeated, x)), ag_grad(x)));
    ag_graph_free(y.graph);
}

static void test_first_derivatives_are_those_of_backward(void **state)
{
    (void)state;
    visit_samples(check_first);
    visit_edges(check_first);
}

/* With an upstream of any size. What is a literal 0 in the table gives nothing, where backward says
 * infinity * 0; what was not taken gives nothing in both. */
static void check_upstream(const gate *g, size_t n, const ag_real *operands)
{
    static const double upstreams[] = {-3, 0, INF, (double)NAN};
    ag_value leaves[MOST], d[MOST];
    const ag_value y = record(g, n, operands, leaves);
    for (size_t k = 0; k < sizeof(upstreams) / sizeof(*upstreams); k++) {
        const ag_real number = (ag_real)upstreams[k];
        const ag_value upstream = ag_variable(y.graph, number);
        ag_zero_grad(y.graph);
        check(ag_backward_from(1, &y, &number) == AG_OK);
        check(agi_vjp(y.graph, 1, &y, &upstream, n, leaves, d) == AG_OK);
        for (size_t i = 0; i < n; i++) {
            const bool is_nothing = ag_operand_count(d[i]) == 0 && ag_data(d[i]) == 0;
            check(is_equal(ag_data(d[i]), ag_grad(leaves[i])) ||
                  (is_nothing && isnan(ag_grad(leaves[i])) && ag_local_gradient(y, i) == 0));
        }
    }
    ag_graph_free(y.graph);
}

static void test_upstreams(void **state)
{
    (void)state;
    visit_samples(check_upstream);
    visit_edges(check_upstream);
}

enum {
    MOST_DERIVED = 8 /* operands whose third derivatives are all looked at */
};

static size_t third_seen;

static bool is_near(ag_value p, ag_value q)
{
    return is_close((double)ag_data(p), (double)ag_data(q), ROUNDING);
}

static void check_higher(const gate *g, size_t n, const ag_real *operands)
{
    ag_value x[MOST_DERIVED], d[MOST_DERIVED], d2[MOST_DERIVED][MOST_DERIVED];
    if (n > MOST_DERIVED)
        return;
    const ag_value y = record(g, n, operands, x);
    check(ag_gradient(y, n, x, d) == AG_OK);
    for (size_t i = 0; i < n; i++)
        check(ag_gradient(d[i], n, x, d2[i]) == AG_OK);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            ag_value d3[MOST_DERIVED];
            check(is_near(d2[i][k], d2[k][i]));
            check(is_order(g, k) || agrees_with_differences((double)ag_data(d2[i][k]), d[i], x[k]));
            check(ag_gradient(d2[i][k], n, x, d3) == AG_OK);
            for (size_t l = 0; l < n; l++, third_seen++)
                check(is_order(g, l) ||
                      agrees_with_differences((double)ag_data(d3[l]), d2[i][k], x[l]));
        }
    }
    ag_graph_free(y.graph);
}

static void test_higher_derivatives_agree_with_differences(void **state)
{
    (void)state;
    third_seen = 0;
    visit_samples(check_higher);
    assert_true(third_seen > 1000);
}

/* Closed forms, beside the differences. */
static void test_known_third_derivatives(void **state)
{
    (void)state;
    const double at = 0.4, t = tanh(at), s = 1 / (1 + exp(-at));
    const ag_value x = variable(at);
    assert_close(differ(ag_sin(x), x, 3), -cos(at), ROUNDING);
    assert_close(differ(ag_exp(x), x, 3), exp(at), ROUNDING);
    assert_close(differ(ag_log(x), x, 3), 2 / (at * at * at), ROUNDING);
    assert_close(differ(ag_reciprocal(x), x, 3), -6 / (at * at * at * at), ROUNDING);
    assert_close(differ(ag_sqrt(x), x, 3), 0.375 * pow(at, -2.5), ROUNDING);
    assert_close(differ(ag_tanh(x), x, 3), (1 - t * t) * (6 * t * t - 2), ROUNDING);
    assert_close(differ(ag_softplus(x), x, 3), s * (1 - s) * (1 - 2 * s), ROUNDING);
    assert_close(differ(ag_pow_int(x, -2), x, 3), -24 * pow(at, -5), ROUNDING);
    assert_same(differ(ag_relu(x), x, 2), 0);
    assert_same(differ(ag_abs(x), x, 2), 0);
    assert_close(differ(ag_sin(x), x, 12), sin(at), ROUNDING);
}

/* A gate's derivative nodes follow new numbers: another sample's, an edge's, NaN. */
static void check_follows(const gate *g, size_t n, const ag_real *operands)
{
    static const double more[][2] = {{-0.75, 2}, {2, 2}, {(double)NAN, 1}, {1, (double)NAN}};
    ag_value x[MOST], d[MOST];
    if (n > MOST_DERIVED)
        return;
    const ag_value y = record(g, n, operands, x);
    check(ag_gradient(y, n, x, d) == AG_OK);
    for (size_t k = 0; k < sizeof(more) / sizeof(*more); k++) {
        for (size_t i = 0; i < n; i++)
            check(ag_set(x[i], (ag_real)more[k][i % 2]) == AG_OK);
        ag_zero_grad(y.graph);
        check(ag_forward(y) == AG_OK && ag_backward(y) == AG_OK);
        for (size_t i = 0; i < n; i++)
            check(ag_forward(d[i]) == AG_OK && is_equal(ag_data(d[i]), ag_grad(x[i])));
    }
    for (const point *p = g->edges; p->n != 0; p++) {
        for (size_t i = 0; i < n; i++)
            check(ag_set(x[i], (ag_real)p->at[i % (p->n / 2)]) == AG_OK);
        ag_zero_grad(y.graph);
        check(ag_forward(y) == AG_OK && ag_backward(y) == AG_OK);
        for (size_t i = 0; i < n; i++)
            check(ag_forward(d[i]) == AG_OK && is_equal(ag_data(d[i]), ag_grad(x[i])));
    }
    ag_graph_free(y.graph);
}

static void test_derived_graphs_follow_new_numbers(void **state)
{
    (void)state;
    visit_samples(check_follows);
}

static void test_constants_are_live(void **state)
{
    (void)state;
    const ag_value x = variable(3), exponent = constant(2), factor = constant(1);
    const ag_value d = derive(ag_mul(ag_pow(x, exponent), factor), x);
    assert_close(ag_data(d), 6, ROUNDING);
    assert_int_equal(ag_set(exponent, 3), AG_OK);
    assert_int_equal(ag_set(factor, -1), AG_OK);
    assert_int_equal(ag_forward(d), AG_OK);
    assert_close(ag_data(d), -27, ROUNDING);
}

static void test_live_comparisons(void **state)
{
    (void)state;
    static const double numbers[] = {-INF, -1, -0.0, 0, 2, INF, (double)NAN};
    const size_t n = sizeof(numbers) / sizeof(*numbers);
    for (size_t i = 0; i < n * n; i++) {
        const ag_value a = variable(numbers[i / n]), b = variable(numbers[i % n]);
        const ag_real p = ag_data(a), q = ag_data(b);
        assert_same(ag_data(ag_is_less(a, b)), p < q ? 1 : 0);
        assert_same(ag_data(ag_is_less_equal(a, b)), p <= q ? 1 : 0);
        assert_same(ag_data(ag_is_equal(a, b)), p == q ? 1 : 0);
    }
}

static void test_couple(void **state)
{
    (void)state;
    static const double numbers[] = {-INF, -1.5, -0.0, 0, 2, INF, (double)NAN};
    const size_t n = sizeof(numbers) / sizeof(*numbers);
    for (size_t i = 0; i < n * n; i++) {
        const double p = numbers[i / n], q = numbers[i % n];
        const ag_value y = ag_couple(variable(p), variable(q));
        assert_same(ag_data(y), p == 0 || q == 0 ? 0 : p * q);
    }
}

/* ---- Graphs at random ------------------------------------------------------------------------ */

static uint64_t random_state;

/* splitmix64: S. Vigna's public-domain generator. */
static size_t draw(size_t below)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (size_t)((z ^ (z >> 31)) % below);
}

/* A gate of values drawn, unless it comes out too large for what follows. */
static ag_value build_at_random(size_t count, const ag_value *values)
{
    const gate *g = &gates[draw(GATES)];
    ag_value operands[6];
    const size_t n = g->arity != 0 ? g->arity : g->width * (1 + draw(3));
    for (size_t i = 0; i < n; i++)
        operands[i] = values[count - 1 - draw(count < 12 ? count : 12)];
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value y = is_order(g, 0) ? operands[0] : g->record(n, operands);
    bool is_tame = fabs((double)ag_data(y)) < 20;
    for (size_t i = 0; i < ag_operand_count(y); i++)
        is_tame = is_tame && fabs((double)ag_local_gradient(y, i)) < 20;
    if (is_tame)
        return y;
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    return values[draw(count)];
}

enum {
    LEAVES = 3,
    BUILT = 25
};

/* Derived graphs are graphs: backward through the first gives the numbers of the second. */
static void test_graphs_at_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        const ag_mark mark = ag_graph_mark(graph);
        ag_value values[LEAVES + BUILT], d[LEAVES], d2[LEAVES * LEAVES];
        random_state = seed << 32;
        for (size_t i = 0; i < LEAVES; i++)
            values[i] = variable((double)draw(256) / 64 - 2);
        for (size_t i = LEAVES; i < LEAVES + BUILT; i++)
            values[i] = build_at_random(i, values);
        const ag_value root = ag_sum(8, values + LEAVES + BUILT - 8);
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(root), AG_OK);
        assert_int_equal(ag_gradient(root, LEAVES, values, d), AG_OK);
        for (size_t i = 0; i < LEAVES; i++)
            assert_true(is_equal(ag_data(d[i]), ag_grad(values[i])));
        assert_int_equal(ag_jacobian(LEAVES, d, LEAVES, values, d2), AG_OK);
        for (size_t i = 0; i < LEAVES; i++) {
            ag_zero_grad(graph);
            assert_int_equal(ag_backward(d[i]), AG_OK);
            for (size_t k = 0; k < LEAVES; k++)
                assert_true(is_equal(ag_data(d2[LEAVES * i + k]), ag_grad(values[k])));
        }
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    }
}

/* ---- Many variables -------------------------------------------------------------------------- */

enum {
    MOST_DIMENSIONS = 5
};

/* sum over i of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2 */
static ag_value build_rosenbrock(size_t n, const ag_value *x)
{
    ag_value terms[2 * MOST_DIMENSIONS];
    const ag_value one = constant(1);
    for (size_t i = 0; i + 1 < n; i++) {
        const ag_value valley = ag_square(ag_sub(x[i + 1], ag_square(x[i])));
        terms[2 * i] = ag_scale(valley, 100);
        terms[2 * i + 1] = ag_square(ag_sub(one, x[i]));
    }
    return ag_sum(2 * (n - 1), terms);
}

/* d2 / dx[i] dx[k] of it */
static double expect_rosenbrock(size_t n, const double *x, size_t i, size_t k)
{
    if (i > k)
        return expect_rosenbrock(n, x, k, i);
    if (k - i > 1)
        return 0;
    if (k == i + 1)
        return -400 * x[i];
    return (i + 1 < n ? 1200 * x[i] * x[i] - 400 * x[i + 1] + 2 : 0) + (i > 0 ? 200 : 0);
}

static void check_rosenbrock(size_t n, const double *at)
{
    const double v[MOST_DIMENSIONS] = {1, -2, 0.5, 3, -0.25};
    ag_value x[MOST_DIMENSIONS], vector[MOST_DIMENSIONS], product[MOST_DIMENSIONS];
    ag_value d[MOST_DIMENSIONS], hessian[MOST_DIMENSIONS * MOST_DIMENSIONS];
    for (size_t i = 0; i < n; i++) {
        x[i] = variable(at[i]);
        vector[i] = variable(v[i]);
    }
    const ag_value f = build_rosenbrock(n, x);
    assert_int_equal(ag_hessian(f, n, x, hessian), AG_OK);
    assert_int_equal(ag_hvp(f, n, x, vector, product), AG_OK);
    for (size_t i = 0; i < n; i++) {
        double expected = 0;
        for (size_t k = 0; k < n; k++) {
            const double entry = expect_rosenbrock(n, at, i, k);
            assert_close(ag_data(hessian[n * i + k]), entry, ROUNDING);
            expected += entry * v[k];
        }
        assert_close(ag_data(product[i]), expected, 8 * ROUNDING);
    }
    /* jvp of the gradient is another way to the same; and the vector is live */
    assert_int_equal(ag_gradient(f, n, x, d), AG_OK);
    ag_value again[MOST_DIMENSIONS];
    assert_int_equal(ag_jvp(n, d, n, x, vector, again), AG_OK);
    for (size_t i = 0; i < n; i++) {
        assert_close(ag_data(again[i]), ag_data(product[i]), ROUNDING);
        assert_int_equal(ag_set(vector[i], i + 1 < n ? 0 : 1), AG_OK);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ag_forward(product[i]), AG_OK);
        assert_int_equal(ag_forward(again[i]), AG_OK);
        assert_close(ag_data(product[i]), expect_rosenbrock(n, at, i, n - 1), ROUNDING);
        assert_close(ag_data(again[i]), ag_data(product[i]), ROUNDING);
    }
}

static void test_rosenbrock(void **state)
{
    (void)state;
    check_rosenbrock(2, (const double[]){-1.25, 1.5});
    check_rosenbrock(2, (const double[]){1, 1}); /* the minimum */
    check_rosenbrock(5, (const double[]){-1.25, 1.5, 0.5, -0.75, 2});
    check_rosenbrock(5, (const double[]){1, 1, 1, 1, 1});
}

/* m functions of n variables, of which some don't depend on some. */
static void test_products_are_those_of_the_jacobian(void **state)
{
    (void)state;
    const double v[] = {1.5, -2, 0.25, 4};
    ag_value x[4], tangents[4], jacobian[12], product[3];
    for (size_t i = 0; i < 4; i++) {
        x[i] = variable(0.3 * (double)i + 0.2);
        tangents[i] = variable(v[i]);
    }
    const ag_value roots[] = {
        ag_mul(ag_sin(x[0]), ag_exp(x[1])),
        ag_logsumexp(4, x),
        ag_max(x[2], ag_dot(2, x, x + 2)),
    };
    assert_int_equal(ag_jacobian(3, roots, 4, x, jacobian), AG_OK);
    assert_int_equal(ag_jvp(3, roots, 4, x, tangents, product), AG_OK);
    assert_close(ag_data(jacobian[0]), cos(0.2) * exp(0.5), ROUNDING);
    assert_same(ag_data(jacobian[2]), 0);
    for (size_t i = 0; i < 3; i++) {
        double expected = 0;
        for (size_t k = 0; k < 4; k++) {
            expected += (double)ag_data(jacobian[4 * i + k]) * v[k];
            ag_value d;
            assert_int_equal(ag_gradient(roots[i], 1, &x[k], &d), AG_OK);
            assert_same(ag_data(d), ag_data(jacobian[4 * i + k]));
        }
        assert_close(ag_data(product[i]), expected, ROUNDING);
        /* the product is a function of x and of the tangents, like any other */
        for (size_t k = 0; k < 4; k++) {
            assert_same(ag_data(derive(product[i], tangents[k])), ag_data(jacobian[4 * i + k]));
            assert_true(agrees_with_differences(differ(product[i], x[k], 1), product[i], x[k]));
        }
    }
}

/* A vector that depends on what is derived for is a number all the same. */
static void test_vectors_are_not_derived(void **state)
{
    (void)state;
    const ag_value x = variable(2), cube = ag_pow_int(x, 3);
    ag_value product;
    assert_int_equal(ag_hvp(cube, 1, &x, &cube, &product), AG_OK); /* 6x * x^3 */
    assert_close(ag_data(product), 96, ROUNDING);
    assert_int_equal(ag_jvp(1, &cube, 1, &x, &cube, &product), AG_OK); /* 3x^2 * x^3 */
    assert_close(ag_data(product), 96, ROUNDING);
    assert_close(differ(product, x, 1), 240, ROUNDING); /* but it can be: (3x^5)' */
}

/* ---- What is derived for what ---------------------------------------------------------------- */

static void test_any_value_may_be_derived_for(void **state)
{
    (void)state;
    const ag_value x = variable(3), y = variable(5), c = constant(2), other = variable(7);
    const ag_value u = ag_square(x), held = ag_detach(u);
    const ag_value root = ag_mul(ag_mul(u, c), ag_mul(y, held));
    const ag_value above = ag_exp(root);
    const ag_value wrt[] = {x, u, root, y, x, c, held, other, above};
    enum {
        N = sizeof(wrt) / sizeof(*wrt)
    };
    const double expected[N] = {540, 90, 1, 162, 540, 0, 90, 0, 0};
    ag_value d[N];
    assert_int_equal(ag_gradient(root, N, wrt, d), AG_OK);
    for (size_t i = 0; i < N; i++)
        assert_close(ag_data(d[i]), expected[i], ROUNDING);
    assert_int_equal(d[0].index, d[4].index);
    assert_string_equal(ag_gate_name(d[7]), "constant");
    assert_int_equal(ag_backward(root), AG_OK);
    for (size_t i = 0; i < N; i++)
        assert_same(ag_grad(wrt[i]), ag_data(d[i]));

    /* for one gate alone, what it is made of plays no part */
    assert_close(ag_data(derive(derive(root, u), u)), 0, 0);
    assert_close(ag_data(derive(derive(root, x), x)), 180, ROUNDING);
    /* a leaf for itself, and for another */
    assert_same(ag_data(derive(x, x)), 1);
    assert_same(ag_data(derive(x, other)), 0);
    assert_same(ag_data(derive(c, c)), 0);
    assert_same(ag_data(derive(c, x)), 0);
    /* the same root twice */
    ag_value rows[2];
    assert_int_equal(ag_jacobian(2, (const ag_value[]){u, u}, 1, &x, rows), AG_OK);
    assert_same(ag_data(rows[0]), 6);
    assert_same(ag_data(rows[1]), 6);
    ag_value both;
    assert_int_equal(agi_vjp(graph, 2, (const ag_value[]){u, u}, NULL, 1, &x, &both), AG_OK);
    assert_same(ag_data(both), 12);
    assert_int_equal(agi_vjp(graph, 3, (const ag_value[]){u, x, root},
                             (const ag_value[]){{NULL, 0, 0}, y, c}, 1, &x, &both),
                     AG_OK);
    assert_close(ag_data(both), 6 + 5 + 2 * 540, ROUNDING);
}

/* The answers may be written over any of the arguments. */
static void test_out_may_be_an_argument(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = variable(3), root = ag_mul(ag_square(x), y);
    ag_value wrt[] = {x, y, x, y};
    assert_int_equal(ag_gradient(root, 2, wrt, wrt), AG_OK);
    assert_same(ag_data(wrt[0]), 12);
    assert_same(ag_data(wrt[1]), 4);
    const ag_value both[] = {x, y};
    assert_int_equal(ag_jvp(2, wrt, 2, both, both, wrt), AG_OK); /* (6x+2y... by hand: 6*2+4*3) */
    assert_same(ag_data(wrt[0]), 24);
    assert_same(ag_data(wrt[1]), 8);
    wrt[0] = x;
    wrt[1] = y;
    assert_int_equal(ag_hvp(root, 2, wrt, wrt, wrt), AG_OK);
    assert_same(ag_data(wrt[0]), 24);
    assert_same(ag_data(wrt[1]), 8);
    wrt[0] = x;
    wrt[1] = y;
    assert_int_equal(ag_hessian(root, 2, wrt, wrt), AG_OK);
    const double hessian[] = {6, 4, 4, 0};
    for (size_t i = 0; i < 4; i++)
        assert_same(ag_data(wrt[i]), hessian[i]);
    wrt[0] = x;
    wrt[1] = y;
    assert_int_equal(ag_jacobian(2, wrt, 2, wrt, wrt), AG_OK);
    for (size_t i = 0; i < 4; i++)
        assert_same(ag_data(wrt[i]), i % 3 == 0 ? 1 : 0);
}

static void test_detach_and_comparisons_pass_nothing(void **state)
{
    (void)state;
    const ag_value x = variable(3);
    const ag_value y = ag_mul(x, ag_detach(x));
    assert_same(differ(y, x, 1), 3);
    assert_same(differ(y, x, 2), 0);
    const ag_value only = ag_exp(ag_detach(x));
    const size_t count = ag_graph_count(graph);
    assert_same(differ(only, x, 1), 0);
    assert_int_equal(ag_graph_count(graph), count + 1); /* the 0 */
    const ag_value z = ag_gt(x, constant(0)) ? ag_square(x) : x;
    const ag_value dz = derive(z, x);
    assert_same(ag_data(dz), 6);
    assert_int_equal(ag_set(x, -1), AG_OK);
    assert_int_equal(ag_forward(dz), AG_BRANCH);
    assert_int_equal(ag_error(graph), AG_OK);
}

/* In a paused graph: constants, of the same numbers, whatever the order. */
static void test_pause(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = variable(-1), f = ag_mul(ag_pow_int(x, 3), ag_exp(y));
    const ag_value wrt[] = {x, y};
    ag_value live[4], paused[4];
    assert_int_equal(ag_hessian(f, 2, wrt, live), AG_OK);
    assert_int_equal(ag_pause(graph), AG_OK);
    assert_int_equal(ag_pause(graph), AG_OK);
    assert_int_equal(ag_hessian(f, 2, wrt, paused), AG_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(ag_gate_name(paused[i]), "constant");
        assert_same(ag_data(paused[i]), ag_data(live[i]));
    }
    assert_int_equal(ag_jvp(1, &f, 2, wrt, wrt, paused), AG_OK);
    assert_string_equal(ag_gate_name(paused[0]), "constant");
    assert_close(ag_data(paused[0]), 16 * exp(-1), ROUNDING);    /* 12 e^y * 2 - 8 e^y */
    assert_string_equal(ag_gate_name(ag_square(x)), "constant"); /* still paused */
    assert_int_equal(ag_resume(graph), AG_OK);
    assert_int_equal(ag_resume(graph), AG_OK);
    assert_string_equal(ag_gate_name(ag_square(x)), "square");
}

/* ---- Kinks, edges and the zero rule ---------------------------------------------------------- */

static void test_minima(void **state)
{
    (void)state;
    const ag_value x = variable(1), root = ag_square(ag_shift(ag_scale(x, 2), -2));
    assert_same(differ(root, x, 0), 0);
    assert_same(differ(root, x, 1), 0);
    assert_same(differ(root, x, 2), 8);
    assert_same(differ(root, x, 3), 0);
    const ag_value z = variable(0), bowl = ag_mul(ag_sin(z), ag_sin(z));
    assert_close(differ(bowl, z, 2), 2, ROUNDING);
    assert_close(differ(bowl, z, 4), -8, ROUNDING);
    assert_close(differ(bowl, z, 6), 32, ROUNDING);
    /* x^b at b = 0: both mixed derivatives are 1/x */
    const ag_value wrt[] = {variable(4), variable(0)};
    ag_value hessian[4];
    assert_int_equal(ag_hessian(ag_pow(wrt[0], wrt[1]), 2, wrt, hessian), AG_OK);
    assert_close(ag_data(hessian[0]), 0, 0);
    assert_close(ag_data(hessian[1]), 0.25, ROUNDING);
    assert_close(ag_data(hessian[2]), 0.25, ROUNDING);
    assert_close(ag_data(hessian[3]), log(4) * log(4), ROUNDING);
}

static void test_powers_at_zero(void **state)
{
    (void)state;
    for (int power = 2; power <= 3; power++) {
        const ag_value x = variable(0), square = ag_square(x);
        const ag_value ways[] = {
            ag_pow_int(x, power),
            ag_pow(x, constant(power)),
            power == 2 ? square : ag_mul(square, x),
            power == 2 ? ag_mul(x, x) : ag_mul(x, ag_mul(x, x)),
            power == 2 ? ag_dot(1, &x, &x) : ag_dot(1, &x, &square),
        };
        for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
            for (int order = 0; order <= 4; order++)
                assert_true(differ(ways[i], x, order) == (order != power ? 0 : power == 2 ? 2 : 6));
    }
}

/* What would be infinity * 0, or worse, stays where it was not looked at. */
static void test_zero_rule(void **state)
{
    (void)state;
    static const double numbers[] = {-1, 0}; /* log is NaN, -infinity; its gradient -1, infinity */
    for (size_t i = 0; i < 2; i++) {
        const ag_value x = variable(numbers[i]), thrice = ag_scale(x, 3);
        const ag_value safe = ag_select(ag_step(x), ag_log(x), thrice);
        assert_same(differ(safe, x, 1), 3);
        assert_true(differ(safe, x, 2) == 0);
        assert_true(differ(safe, x, 3) == 0);
        const ag_value square = ag_square(ag_select(ag_step(x), ag_sqrt(x), thrice));
        assert_same(differ(square, x, 1), 18 * numbers[i]);
        assert_same(differ(square, x, 2), 18);
        assert_true(differ(square, x, 3) == 0);
        const ag_value flat = ag_sqrt(ag_max(constant(0), x));
        const ag_value cut = ag_sqrt(ag_relu(x));
        const ag_value most = ag_sqrt(ag_max_of(2, (const ag_value[]){constant(0), x}));
        for (int order = 1; order <= 3; order++) {
            assert_true(differ(flat, x, order) == 0);
            assert_true(differ(cut, x, order) == 0);
            assert_true(differ(most, x, order) == 0);
        }
        /* where one of two upstreams is 0 and the other is not finite */
        const ag_value wild = ag_select(ag_step(x), ag_sin(ag_log(x)), thrice);
        const ag_value deep = ag_sqrt(ag_sqrt(ag_relu(x)));
        for (int order = 2; order <= 4; order++) {
            assert_true(differ(wild, x, order) == 0);
            assert_true(differ(deep, x, order) == 0);
        }
        /* a factor 0, too */
        const ag_value nothing = ag_chain(constant(0), ag_log(x));
        assert_true(differ(nothing, x, 1) == 0);
        assert_true(differ(nothing, x, 2) == 0);
    }
    const ag_value x = variable(-1), flat = ag_sqrt(ag_max(x, constant(0)));
    const ag_value d = derive(flat, x), d2 = derive(d, x);
    ag_set_check(graph, true); /* which looks along what was taken */
    assert_int_equal(ag_backward(d), AG_OK);
    assert_int_equal(ag_forward(d2), AG_OK);
}

/* What is derived is the same number once it is compiled, alone and over lanes. */
static void compare_compiled(ag_value root, ag_value x)
{
    enum {
        ORDERS = 5
    };
    ag_value all[ORDERS];
    for (int order = 0; order < ORDERS; order++) {
        all[order] = root;
        root = derive(root, x);
    }
    ag_program *program = ag_compile(
        &(ag_signature){.each = &x, .each_count = 1, .map = all, .map_count = ORDERS}, NULL);
    assert_non_null(program);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    assert_non_null(workspace);
    const double at = (double)ag_data(x), each[] = {at, at, at};
    double map[3][ORDERS];
    for (size_t batch = 1; batch <= 3; batch += 2) {
        assert_int_equal(
            ag_run(program, workspace, batch, &(ag_arrays){.each = each, .map = map[0]}), AG_OK);
        for (int order = 0; order < ORDERS; order++)
            assert_close(map[batch - 1][order], ag_data(all[order]), ROUNDING);
    }
    ag_workspace_free(workspace);
    ag_program_free(program);
}

static void test_compiled(void **state)
{
    (void)state;
    for (int at = -1; at <= 0; at++) {
        const ag_value x = variable(at);
        for (int power = 2; power <= 3; power++) {
            compare_compiled(ag_pow_int(x, power), x);
            compare_compiled(ag_pow(x, constant(power)), x);
        }
        compare_compiled(ag_square(x), x);
        compare_compiled(ag_mul(x, ag_mul(x, x)), x);
        compare_compiled(ag_select(ag_step(x), ag_log(x), ag_scale(x, 3)), x);
        compare_compiled(ag_sqrt(ag_relu(x)), x);
    }
}

static void test_ties_and_nan(void **state)
{
    (void)state;
    static const double sets[][4] = {
        {1, 3, 2, 3},
        {3, 3, 3, 3},
        {-INF, -INF, 0, -INF},
        {0, -0.0, -1, 0},
        {1, (double)NAN, 7, (double)NAN},
        {INF, 1, INF, 0},
    };
    ag_value x[4], most[4], sum[4];
    for (size_t i = 0; i < 4; i++)
        x[i] = variable(0.1 * (double)i);
    const ag_value y = ag_max_of(4, x), z = ag_logsumexp(4, x);
    assert_int_equal(ag_gradient(y, 4, x, most), AG_OK);
    assert_int_equal(ag_gradient(z, 4, x, sum), AG_OK);
    /* where only some are derived for, the others still count */
    const ag_value last = derive(y, x[3]);
    for (size_t k = 0; k < sizeof(sets) / sizeof(*sets); k++) {
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(ag_set(x[i], (ag_real)sets[k][i]), AG_OK);
        assert_int_equal(ag_forward(y), AG_OK);
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(y), AG_OK);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(ag_forward(most[i]), AG_OK);
            assert_same(ag_data(most[i]), ag_grad(x[i]));
        }
        assert_int_equal(ag_forward(last), AG_OK);
        assert_same(ag_data(last), ag_grad(x[3]));
        assert_int_equal(ag_forward(z), AG_OK);
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(z), AG_OK);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(ag_forward(sum[i]), AG_OK);
            assert_true(is_equal(ag_data(sum[i]), ag_grad(x[i])));
        }
    }
}

/* ---- Closures -------------------------------------------------------------------------------- */

static ag_real multiply(void *context, size_t arity, const ag_real *x)
{
    (void)context, (void)arity;
    return x[0] * x[1];
}

static void multiply_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                              ag_real upstream, ag_real *downstream)
{
    (void)context, (void)arity, (void)y;
    downstream[0] = upstream * x[1];
    downstream[1] = upstream * x[0];
}

/* What a derive does beside its work. */
typedef struct oddity {
    ag_status status;
    bool rewinds;     /* below its own nodes */
    ag_mark mark;     /* to there */
    ag_value instead; /* for the first operand, if it has a graph */
    bool fails;       /* by a gate that can't be made */
    bool leaves_out;  /* the second operand */
    int calls;
} oddity;

static ag_status multiply_derive(void *context, size_t arity, const ag_value *x, ag_value y,
                                 ag_value upstream, ag_value *downstream)
{
    oddity *o = context;
    o->calls++;
    assert_int_equal(arity, 2);
    assert_string_equal(ag_gate_name(y), "product");
    assert_true(ag_is_null(downstream[0]) && ag_is_null(downstream[1]));
    ag_value inner; /* the graph is not busy */
    if (ag_gradient(x[0], 1, &x[0], &inner) != AG_OK)
        return ag_error(graph);
    assert_same(ag_data(inner), 1);
    if (o->rewinds)
        return ag_graph_rewind(graph, o->mark);
    if (o->fails)
        (void)ag_log(agi_null_value(graph));
    downstream[0] = o->instead.graph != NULL ? o->instead : ag_chain(upstream, x[1]);
    if (!o->leaves_out)
        downstream[1] = ag_chain(upstream, x[0]);
    return o->status;
}

static ag_value apply_product(oddity *o, ag_value a, ag_value b, bool derives)
{
    const ag_closure closure = {.name = "product",
                                .arity = 2,
                                .forward = multiply,
                                .backward = multiply_backward,
                                .context = o,
                                .derive = derives ? multiply_derive : NULL};
    return ag_apply(&closure, (const ag_value[]){a, b});
}

static void test_closures(void **state)
{
    (void)state;
    oddity o = {.status = AG_OK};
    const ag_value x = variable(2), y = variable(3);
    const ag_value root = ag_sin(apply_product(&o, ag_square(x), y, true)); /* sin(x^2 y) */
    assert_close(differ(root, x, 1), cos(12) * 12, ROUNDING);
    assert_close(differ(root, x, 2), -sin(12) * 144 + cos(12) * 6, ROUNDING);
    assert_close(ag_data(derive(derive(root, x), y)), -sin(12) * 48 + cos(12) * 4, ROUNDING);
    assert_int_equal(o.calls, 5);
    /* at a minimum of the closure's own making, and with what it does not depend on */
    const ag_value z = variable(0), bowl = apply_product(&o, z, z, true);
    assert_same(differ(bowl, z, 2), 2);
    assert_same(differ(bowl, x, 1), 0);
    /* what it leaves null is 0 */
    o.leaves_out = true;
    assert_same(differ(apply_product(&o, x, y, true), y, 1), 0);
    /* nobody asks one that nothing of interest reaches */
    o.calls = 0;
    assert_same(differ(ag_mul(x, apply_product(&o, y, y, true)), x, 1), 9);
    assert_int_equal(o.calls, 0);
    assert_same(differ(ag_mul(x, apply_product(&o, y, y, false)), x, 1), 9);
}

static void test_closures_that_fail(void **state)
{
    (void)state;
    ag_graph *elsewhere = ag_graph_new(NULL);
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value gone = variable(1);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    const ag_value x = variable(2), y = variable(3), stranger = ag_variable(elsewhere, 1);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    const struct {
        oddity o;
        bool has_none;
        ag_status status;
        const char *message;
    } cases[] = {
        {.has_none = true,
         .status = AG_INVALID_ARGUMENT,
         .message = "product(x = 2, #1 = 3): the closure has no derive"},
        {{.status = AG_TOO_LARGE}, false, AG_TOO_LARGE, "product(x = 2, #1 = 3): derive failed"},
        {{.status = AG_BRANCH},
         false,
         AG_INVALID_ARGUMENT,
         "product(x = 2, #1 = 3): derive failed"},
        {{.status = (ag_status)7}, false, AG_INVALID_ARGUMENT, "derive failed"},
        {{.fails = true}, false, AG_NULL_VALUE, "log(null): operand 1 is a null value"},
        {{.instead = stranger}, false, AG_WRONG_GRAPH, "product's derive(#0 of another graph)"},
        {{.instead = gone}, false, AG_STALE_VALUE, "product's derive(stale #0)"},
        {{.rewinds = true}, false, AG_STALE_VALUE, "derive rewound nodes that were there before"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        oddity o = cases[i].o;
        const ag_value root = apply_product(&o, x, y, !cases[i].has_none);
        o.mark = ag_graph_mark(graph);
        const ag_value square = ag_square(root);
        const size_t count = ag_graph_count(graph);
        ag_value d[] = {x, y};
        assert_int_equal(ag_gradient(square, 2, d, d), cases[i].status);
        assert_int_equal(ag_error(graph), cases[i].status);
        assert_contains(ag_error_message(graph), cases[i].message);
        assert_true(ag_is_null(d[0]) && ag_is_null(d[1]));
        assert_true(ag_graph_count(graph) <= count);
        ag_clear_error(graph);
    }
    /* below the public functions, too */
    oddity o = {.status = AG_OK};
    const ag_value root = apply_product(&o, x, y, false);
    ag_value d[] = {x, y};
    assert_int_equal(agi_vjp(graph, 1, &root, NULL, 2, d, d), AG_INVALID_ARGUMENT);
    assert_true(ag_is_null(d[0]) && ag_is_null(d[1]));
    ag_graph_free(elsewhere);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

/* One of the five functions, on two roots and two variables. */
static ag_status call(int which, const ag_value *roots, size_t n, const ag_value *wrt,
                      const ag_value *vector, ag_value *out)
{
    switch (which) {
    case 0:
        return ag_gradient(roots[1], n, wrt, out);
    case 1:
        return ag_jacobian(2, roots, n, wrt, out);
    case 2:
        return ag_jvp(2, roots, n, wrt, vector, out);
    case 3:
        return ag_hvp(roots[1], n, wrt, vector, out);
    default:
        return ag_hessian(roots[1], n, wrt, out);
    }
}

enum {
    CALLS = 5
};
static const size_t counts[CALLS] = {2, 4, 2, 2, 4};
static const char *const names[CALLS] = {"ag_gradient", "ag_jacobian", "ag_jvp", "ag_hvp",
                                         "ag_hessian"};

static void expect_failure(ag_status status, ag_status expected, int which, const char *message,
                           const ag_value *out)
{
    assert_int_equal(status, expected);
    assert_int_equal(ag_error(graph), expected);
    assert_contains(ag_error_message(graph), names[which]);
    assert_contains(ag_error_message(graph), message);
    for (size_t i = 0; i < counts[which]; i++)
        assert_true(ag_is_null(out[i]) && out[i].graph == graph);
    ag_clear_error(graph);
}

static void test_wrong_values(void **state)
{
    (void)state;
    ag_graph *elsewhere = ag_graph_new(NULL);
    const ag_mark mark = ag_graph_mark(graph);
    (void)variable(1);
    (void)variable(1);
    (void)variable(1);
    const ag_value gone = variable(1);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    const ag_value x = variable(2), y = variable(3), root = ag_mul(x, y);
    const ag_value good[] = {x, y}, roots[] = {x, root};
    const size_t count = ag_graph_count(graph);
    const struct {
        ag_value value;
        ag_status status;
        const char *message;
    } bad[] = {
        {agi_null_value(graph), AG_NULL_VALUE, "is a null value"},
        {{NULL, 0, 0}, AG_NULL_VALUE, "is a null value"},
        {gone, AG_STALE_VALUE, "was dropped by a rewind"},
        {ag_variable(elsewhere, 1), AG_WRONG_GRAPH, "belongs to another graph"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const ag_value mixed[] = {x, bad[i].value};
        for (int which = 0; which < CALLS; which++) {
            ag_value out[4];
            memset(out, 0, sizeof(out));
            expect_failure(call(which, roots, 2, mixed, good, out), bad[i].status, which,
                           bad[i].message, out);
            if (which == 2 || which == 3)
                expect_failure(call(which, roots, 2, good, mixed, out), bad[i].status, which,
                               bad[i].message, out);
            if (which == 1 || which == 2)
                expect_failure(call(which, mixed, 2, good, good, out), bad[i].status, which,
                               bad[i].message, out);
        }
    }
    ag_value d[2];
    assert_int_equal(ag_gradient(bad[2].value, 2, good, d), AG_STALE_VALUE);
    ag_clear_error(graph);
    /* a root without a graph: wrt has one; no graph at all */
    assert_int_equal(ag_gradient((ag_value){NULL, 0, 0}, 2, good, d), AG_NULL_VALUE);
    assert_int_equal(ag_error(graph), AG_NULL_VALUE);
    ag_clear_error(graph);
    const ag_value none[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    d[0] = x;
    assert_int_equal(ag_gradient(none[0], 2, none, d), AG_NULL_VALUE);
    assert_true(ag_is_null(d[0]) && d[0].graph == NULL);
    assert_int_equal(ag_graph_count(graph), count);
    ag_graph_free(elsewhere);
}

static void test_wrong_arguments(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = variable(3), root = ag_mul(x, y);
    const ag_value good[] = {x, y}, roots[] = {x, root};
    for (int which = 0; which < CALLS; which++) {
        ag_value out[4];
        memset(out, 0, sizeof(out));
        assert_int_equal(call(which, roots, 0, good, good, out), AG_INVALID_ARGUMENT);
        assert_contains(ag_error_message(graph), "there is nothing to derive for");
        ag_clear_error(graph);
        assert_int_equal(call(which, roots, 2, good, good, NULL), AG_INVALID_ARGUMENT);
        assert_contains(ag_error_message(graph), "an array is NULL");
        ag_clear_error(graph);
        expect_failure(call(which, roots, 2, NULL, good, out), AG_INVALID_ARGUMENT, which,
                       "an array is NULL", out);
        if (which == 2 || which == 3)
            expect_failure(call(which, roots, 2, good, NULL, out), AG_INVALID_ARGUMENT, which,
                           "an array is NULL", out);
        /* an error that the graph has already */
        (void)ag_set_error(graph, AG_PARSE, "before");
        assert_int_equal(call(which, roots, 2, good, good, out), AG_PARSE);
        assert_string_equal(ag_error_message(graph), "before");
        assert_true(ag_is_null(out[0]) && ag_is_null(out[1]));
        ag_clear_error(graph);
    }
    ag_value d;
    assert_int_equal(ag_jacobian(0, roots, 1, &x, &d), AG_INVALID_ARGUMENT);
    assert_contains(ag_error_message(graph), "there is no root");
    ag_clear_error(graph);
    assert_int_equal(ag_jacobian(1, NULL, 1, &x, &d), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_int_equal(ag_jacobian(1, NULL, 0, NULL, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_error(graph), AG_OK); /* there is none to have it */
}

static ag_value build_everything(const ag_value *x)
{
    static oddity o;
    const ag_value parts[] = {
        ag_max(x[0], ag_atan2(x[0], x[1])),
        ag_logsumexp(2, x),
        ag_max_of(2, x),
        ag_dot(2, x, x),
        ag_linear(2, (const ag_real[]){2, -1}, x, 1),
        apply_product(&o, x[0], x[1], true),
        ag_pow(x[0], x[1]),
    };
    return ag_sum(sizeof(parts) / sizeof(*parts), parts);
}

/* The graph may have fewer nodes than the derivative takes; then it keeps those it had. */
static void test_too_many_nodes(void **state)
{
    (void)state;
    for (int which = 0; which < CALLS; which++) {
        ag_status status = AG_TOO_MANY_NODES;
        int failures = 0;
        for (uint32_t most = 40; status != AG_OK; most++) {
            ag_graph_free(graph);
            graph = ag_graph_new(&(ag_graph_options){.max_nodes = most});
            const ag_value x[] = {variable(2), variable(3)};
            const ag_value roots[] = {x[0], build_everything(x)};
            assert_int_equal(ag_error(graph), AG_OK);
            const size_t count = ag_graph_count(graph);
            ag_value out[4];
            memset(out, 0, sizeof(out));
            status = call(which, roots, 2, x, x, out);
            assert_int_equal(ag_error(graph), status);
            if (status == AG_OK)
                break;
            failures++;
            assert_int_equal(status, AG_TOO_MANY_NODES);
            assert_int_equal(ag_graph_count(graph), count);
            for (size_t i = 0; i < counts[which]; i++)
                assert_true(ag_is_null(out[i]));
            ag_clear_error(graph);
            assert_int_equal(ag_backward(roots[1]), AG_OK);
        }
        assert_true(failures > 10);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int which = 0; which < CALLS; which++) {
        ag_status status = AG_OUT_OF_MEMORY;
        int failures = -1;
        for (long allowed = 0; status != AG_OK; allowed++, failures++) {
            failing_heap heap = {.allowed = -1};
            ag_graph_free(graph);
            graph = ag_graph_new(
                &(ag_graph_options){.allocator = allocate_or_fail, .allocator_user = &heap});
            const ag_value x[] = {variable(2), variable(3)};
            const ag_value roots[] = {x[0], build_everything(x)};
            const size_t count = ag_graph_count(graph);
            const size_t bytes = ag_graph_bytes(graph);
            heap.requests = 0;
            heap.allowed = allowed;
            ag_value out[4];
            memset(out, 0, sizeof(out));
            status = call(which, roots, 2, x, x, out);
            assert_int_equal(ag_error(graph), status);
            heap.allowed = -1;
            if (status != AG_OK) {
                assert_int_equal(status, AG_OUT_OF_MEMORY);
                assert_int_equal(ag_graph_count(graph), count);
                for (size_t i = 0; i < counts[which]; i++)
                    assert_true(ag_is_null(out[i]));
                ag_clear_error(graph);
                assert_int_equal(ag_backward(roots[1]), AG_OK);
            } else {
                /* what was taken for the time is given back: only arrays grew */
                assert_true(ag_graph_bytes(graph) >= bytes);
                assert_int_equal(ag_graph_rewind(graph, ag_graph_mark(graph)), AG_OK);
            }
            ag_graph_free(graph);
            graph = NULL;
            assert_int_equal(heap.bytes, 0);
        }
        assert_true(failures >= 5);
    }
}

/* A loop that rewinds takes no more memory from its second round on. */
static void test_loops_hold_their_memory(void **state)
{
    (void)state;
    const ag_value x[] = {variable(2), variable(3)};
    const ag_mark mark = ag_graph_mark(graph);
    size_t bytes = 0;
    for (int round = 0; round < 5; round++) {
        ag_value hessian[4];
        assert_int_equal(ag_hessian(build_everything(x), 2, x, hessian), AG_OK);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        if (round > 0)
            assert_int_equal(ag_graph_bytes(graph), bytes);
        bytes = ag_graph_bytes(graph);
    }
}

/* ---- Order and depth ------------------------------------------------------------------------- */

/* Nodes come in one order, whatever compiler built the library. 0 and 1 are x and y, 2 atan2(x, y), 3
 * max(x, y) and 4 their sum. */
static void test_order_of_nodes(void **state)
{
    (void)state;
    const ag_value x = variable(2), y = variable(3);
    const ag_value angle = ag_atan2(x, y), most = ag_max(x, y);
    const ag_value root = ag_add(angle, most);
    const uint32_t before = (uint32_t)ag_graph_count(graph);
    ag_value d[2];
    assert_int_equal(ag_gradient(root, 2, (const ag_value[]){x, y}, d), AG_OK);
    char text[2000] = "";
    size_t used = 0;
    for (uint32_t i = before; i < ag_graph_count(graph); i++) {
        const ag_value node = agi_value(graph, i);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%lu %s", (unsigned long)i,
                                 ag_gate_name(node));
        for (size_t k = 0; k < ag_operand_count(node); k++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " %lu",
                                     (unsigned long)ag_operand(node, k).index);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "\n");
    }
    assert_string_equal(text, "5 constant\n" /* the 1 that the root gets; the sum hands it on */
                              "6 is_equal 0 0\n"
                              "7 is_less_equal 1 0\n"
                              "8 select 6 7 5\n"
                              "9 constant\n"      /* for an operand that is not taken */
                              "10 select 8 5 9\n" /* max's contribution to x */
                              "11 is_equal 0 0\n"
                              "12 is_less_equal 1 0\n"
                              "13 select 11 12 5\n"
                              "14 select 13 9 5\n" /* max's contribution to y */
                              "15 hypot 0 1\n"
                              "16 div 1 15\n"
                              "17 hypot 0 1\n"
                              "18 div 16 17\n" /* atan2's contribution to x */
                              "19 hypot 0 1\n"
                              "20 div 0 19\n"
                              "21 hypot 0 1\n"
                              "22 div 20 21\n"
                              "23 neg 22\n"    /* atan2's contribution to y */
                              "24 sum 14 23\n" /* dy */
                              "25 sum 10 18\n" /* dx */);
}

enum {
    STACK = 64 * 1024,
    DEEP = 1000 * 1000,
    LESS_DEEP = 50 * 1000
};

/* x * c * c * ...: n of them. NULL, or what went wrong. */
static const char *derive_chain(int n, double *dx, double *dc, double *dcc)
{
    const ag_value x = ag_variable(graph, 1), c = ag_variable(graph, 1);
    const ag_value wrt[] = {x, c};
    ag_value y = x, d[2];
    for (int i = 0; i < n; i++)
        y = ag_mul(y, c);
    if (ag_gradient(y, 2, wrt, d) != AG_OK)
        return "the gradient";
    *dx = (double)ag_data(d[0]);
    *dc = (double)ag_data(d[1]);
    if (dcc == NULL)
        return NULL;
    if (ag_gradient(d[1], 1, &c, &d[1]) != AG_OK)
        return "the second derivative";
    *dcc = (double)ag_data(d[1]);
    return NULL;
}

static double deep_dx, deep_dc, less_deep_dcc;

static void *go_deep(void *argument)
{
    const char **failed = argument;
    double dx, dc;
    *failed = derive_chain(DEEP, &deep_dx, &deep_dc, NULL);
    if (*failed == NULL)
        *failed = derive_chain(LESS_DEEP, &dx, &dc, &less_deep_dcc);
    return NULL;
}

static void test_a_million_gates_on_a_small_stack(void **state)
{
    (void)state;
    const char *failed = "the thread";
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, go_deep, &failed), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    assert_null(failed);
    assert_same(deep_dx, 1);
    assert_same(deep_dc, DEEP);
    assert_close(less_deep_dcc, (double)LESS_DEEP * (LESS_DEEP - 1), 16384 * ROUNDING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_derivatives_are_those_of_backward),
        cmocka_unit_test(test_upstreams),
        cmocka_unit_test(test_higher_derivatives_agree_with_differences),
        TEST(test_known_third_derivatives),
        cmocka_unit_test(test_derived_graphs_follow_new_numbers),
        TEST(test_constants_are_live),
        TEST(test_live_comparisons),
        TEST(test_couple),
        TEST(test_graphs_at_random),
        TEST(test_rosenbrock),
        TEST(test_products_are_those_of_the_jacobian),
        TEST(test_vectors_are_not_derived),
        TEST(test_any_value_may_be_derived_for),
        TEST(test_out_may_be_an_argument),
        TEST(test_detach_and_comparisons_pass_nothing),
        TEST(test_pause),
        TEST(test_minima),
        TEST(test_powers_at_zero),
        TEST(test_zero_rule),
        TEST(test_compiled),
        TEST(test_ties_and_nan),
        TEST(test_closures),
        TEST(test_closures_that_fail),
        TEST(test_wrong_values),
        TEST(test_wrong_arguments),
        TEST(test_too_many_nodes),
        TEST(test_no_memory),
        TEST(test_loops_hold_their_memory),
        TEST(test_order_of_nodes),
        TEST(test_a_million_gates_on_a_small_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
