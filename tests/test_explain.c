/* SPDX-License-Identifier: MIT
 *
 * Explanations: their text, and that the backward pass they show is ag_backward's. What drawings share
 * with them; the rest of those is test_drawing's.
 */
#define _POSIX_C_SOURCE 200809L /* popen */
#include "testing.h"
#include "trace.h"

#include <locale.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- Text ------------------------------------------------------------------------------------ */

/* What a function writes; to be freed. */
static char *capture(ag_value root, const ag_dot_options *options, bool dot, ag_status expected)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    const ag_status status = dot ? ag_write_dot(root, file, options) : ag_explain(root, file);
    if (status != expected)
        fail_msg("%s: %s", ag_status_name(status), ag_error_message(root.graph));
    const long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    text[size] = '\0';
    fclose(file);
    return text;
}

static void expect_explanation(ag_value root, const char *expected)
{
    char *text = capture(root, NULL, false, AG_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void expect_part(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("there is no \"%s\" in\n%s", part, text);
}

static void expect_in_explanation(ag_value root, const char *part)
{
    char *text = capture(root, NULL, false, AG_OK);
    expect_part(text, part);
    free(text);
}

static ag_value named(ag_value x, const char *name)
{
    assert_int_equal(ag_name(x, name), AG_OK);
    return x;
}

static ag_value variable(ag_graph *graph, const char *name, double data)
{
    return named(ag_variable(graph, (ag_real)data), name);
}

static ag_value build_log_of_product(ag_graph *graph)
{
    const ag_value x = variable(graph, "x", 2), y = variable(graph, "y", 3);
    return named(ag_log(ag_mul(x, y)), "z");
}

/* The circuit of Stanford's CS231n, 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))). */
static ag_value build_circuit(ag_graph *graph)
{
    const ag_value w0 = variable(graph, "w0", 2), x0 = variable(graph, "x0", -1);
    const ag_value w1 = variable(graph, "w1", -3), x1 = variable(graph, "x1", -2);
    const ag_value w2 = variable(graph, "w2", -3);
    const ag_value p0 = ag_mul(w0, x0), p1 = ag_mul(w1, x1);
    const ag_value e = ag_exp(ag_neg(ag_add(ag_add(p0, p1), w2)));
    return named(ag_reciprocal(ag_shift(e, 1)), "f");
}

/* ---- Explanations ---------------------------------------------------------------------------- */

static void test_the_logarithm_of_a_product(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    expect_explanation(build_log_of_product(graph),
                       "Forward\n"
                       "step  node  = gate         value\n"
                       "   1  x     = variable         2\n"
                       "   2  y     = variable         3\n"
                       "   3  v1    = mul(x, y)        6\n"
                       "   4  z     = log(v1)    1.79176\n"
                       "\n"
                       "Backward: upstream * local = contribution\n"
                       "node  <- gate  upstream  * local     formula   =  contribution  sum\n"
                       "z                                              =             1\n"
                       "v1    <- z            1  * 0.166667  (1 / v1)  =      0.166667\n"
                       "x     <- v1    0.166667  * 3         y         =           0.5\n"
                       "y     <- v1    0.166667  * 2         x         =      0.333333\n");
    ag_graph_free(graph);
}

static void test_the_circuit(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    expect_explanation(build_circuit(graph),
                       "Forward\n"
                       "step  node  = gate               value\n"
                       "   1  w0    = variable               2\n"
                       "   2  x0    = variable              -1\n"
                       "   3  w1    = variable              -3\n"
                       "   4  x1    = variable              -2\n"
                       "   5  w2    = variable              -3\n"
                       "   6  v1    = mul(w0, x0)           -2\n"
                       "   7  v2    = mul(w1, x1)            6\n"
                       "   8  v3    = add(v1, v2)            4\n"
                       "   9  v4    = add(v3, w2)            1\n"
                       "  10  v5    = neg(v4)               -1\n"
                       "  11  v6    = exp(v5)         0.367879\n"
                       "  12  v7    = add(v6, 1)       1.36788\n"
                       "  13  f     = reciprocal(v7)  0.731059\n"
                       "\n"
                       "Backward: upstream * local = contribution\n"
                       "node  <- gate   upstream  * local      formula   =  contribution  sum\n"
                       "f                                                =             1\n"
                       "v7    <- f             1  * -0.534447  -(f * f)  =     -0.534447\n"
                       "v6    <- v7    -0.534447  * 1                    =     -0.534447\n"
                       "v5    <- v6    -0.534447  * 0.367879   v6        =     -0.196612\n"
                       "v4    <- v5    -0.196612  * -1                   =      0.196612\n"
                       "v3    <- v4     0.196612  * 1                    =      0.196612\n"
                       "w2    <- v4     0.196612  * 1                    =      0.196612\n"
                       "v1    <- v3     0.196612  * 1                    =      0.196612\n"
                       "v2    <- v3     0.196612  * 1                    =      0.196612\n"
                       "w1    <- v2     0.196612  * -2         x1        =     -0.393224\n"
                       "x1    <- v2     0.196612  * -3         w1        =     -0.589836\n"
                       "w0    <- v1     0.196612  * -1         x0        =     -0.196612\n"
                       "x0    <- v1     0.196612  * 2          w0        =      0.393224\n");
    ag_graph_free(graph);
}

/* x is used four times, by one gate twice; the sum runs through. */
static void test_running_sums(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 3);
    const ag_value square = ag_mul(x, x), difference = ag_sub(x, ag_scale(x, -4));
    expect_explanation(ag_add(square, difference),
                       "Forward\n"
                       "step  node  = gate         value\n"
                       "   1  x     = variable         3\n"
                       "   2  v1    = mul(x, x)        9\n"
                       "   3  v2    = mul(x, -4)     -12\n"
                       "   4  v3    = sub(x, v2)      15\n"
                       "   5  v4    = add(v1, v3)     24\n"
                       "\n"
                       "Backward: upstream * local = contribution\n"
                       "node  <- gate  upstream  * local  formula  =  contribution  sum\n"
                       "v4                                         =             1\n"
                       "v1    <- v4           1  * 1               =             1\n"
                       "v3    <- v4           1  * 1               =             1\n"
                       "x     <- v3           1  * 1               =             1    1\n"
                       "v2    <- v3           1  * -1              =            -1\n"
                       "x     <- v2          -1  * -4     -4       =             4    5\n"
                       "x     <- v1           1  * 3      x        =             3    8\n"
                       "x     <- v1           1  * 3      x        =             3   11\n");
    ag_graph_free(graph);
}

/* The untaken sqrt has an infinite slope, which an upstream of 0 keeps out. */
static void test_the_zero_rule(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 0), one = ag_constant(graph, 1);
    const ag_value root = ag_select(x, ag_sqrt(x), one);
    expect_explanation(
        root, "Forward\n"
              "step  node  = gate              value\n"
              "   1  x     = variable              0\n"
              "   2  v1    = sqrt(x)               0\n"
              "   3  v2    = select(x, v1, 1)      1\n"
              "\n"
              "Backward: upstream * local = contribution\n"
              "node  <- gate  upstream  * local  formula           =  contribution  sum\n"
              "v2                                                  =             1\n"
              "x     <- v2           1  * 0                        =             0    0\n"
              "v1    <- v2           1  * 0      (x != 0 ? 1 : 0)  =             0\n"
              "x     <- v1           0  * inf    (0.5 / (v1 + 0))  =             0    0\n");
    ag_graph_free(graph);
}

/* Not even infinity * 0. */
static void test_untaken_operands_get_nothing(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 1), y = variable(graph, "y", 2);
    const ag_value root = ag_scale(ag_max(x, y), (ag_real)INFINITY);
    char *text = capture(root, NULL, false, AG_OK);
    expect_part(text, "inf  * 0      (x >= y ? 1 : 0)  =             0\n");
    expect_part(text, "inf  * 1      (x >= y ? 0 : 1)  =           inf\n");
    free(text);
    assert_int_equal(ag_backward(root), AG_OK);
    assert_true(ag_grad(x) == 0 && isinf(ag_grad(y)));
    ag_graph_free(graph);
}

static void test_gates_with_many_operands(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value v[] = {variable(graph, "a", 2), variable(graph, "b", 3), variable(graph, "c", 5),
                          variable(graph, "d", 7)};
    const ag_real factors[] = {(ag_real)0.5, -2};
    const ag_value sum = ag_sum(4, v), dot = ag_dot(2, v, v + 2);
    const ag_value linear = ag_linear(2, factors, v, 10);
    const ag_value smooth = ag_logsumexp(2, v), most = ag_max_of(2, v);
    const ag_value all[] = {sum, dot, linear, smooth, most};
    char *text = capture(ag_sum(5, all), NULL, false, AG_OK);
    const char *const parts[] = {
        "v1    = sum(a, b, c, d)                 17\n",
        "v2    = dot(a*c + b*d)                  31\n",
        "v3    = linear(10 + a*0.5 + b*-2)        5\n",
        "v4    = logsumexp(a, b)            3.31326\n",
        "v5    = max_of(a, b)                     3\n",
        "d     <- v1           1  * 1",
        /* a dot's weights have gradients, and each term's formula names its partner */
        "a     <- v2           1  * 5         c  ",
        "c     <- v2           1  * 2         a  ",
        "b     <- v2           1  * 7         d  ",
        "d     <- v2           1  * 3         b  ",
        /* a coefficient is a number */
        "b     <- v3           1  * -2        -2 ",
        "a     <- v4           1  * 0.268941  (a == v4 ? 1 : exp((a - v4)))",
        "a     <- v5           1  * 0 ",
        "b     <- v5           1  * 1 ",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        expect_part(text, parts[i]);
    free(text);
    ag_graph_free(graph);
}

typedef struct calls {
    size_t backward;
    bool misbehaves;
    ag_value x;
} calls;

static ag_real weigh(void *context, size_t arity, const ag_real *x)
{
    ag_real y = 0;
    (void)context;
    for (size_t i = 0; i < arity; i++)
        y += x[i] * (ag_real)(i + 1);
    return y;
}

static void weigh_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                           ag_real upstream, ag_real *downstream)
{
    calls *c = context;
    (void)x, (void)y;
    c->backward++;
    if (c->misbehaves)
        (void)ag_neg(c->x);
    for (size_t i = 0; i < arity; i++)
        downstream[i] = upstream * (ag_real)(i + 1);
}

static void test_closures(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    calls c = {0};
    const ag_value v[] = {variable(graph, "x", 2), variable(graph, "y", 3)};
    const ag_closure closure = {
        .name = "weigh", .arity = 2, .forward = weigh, .backward = weigh_backward, .context = &c};
    const ag_value root = ag_scale(ag_apply(&closure, v), 10);
    expect_explanation(root, "Forward\n"
                             "step  node  = gate         value\n"
                             "   1  x     = variable         2\n"
                             "   2  y     = variable         3\n"
                             "   3  v1    = weigh(x, y)      8\n"
                             "   4  v2    = mul(v1, 10)     80\n"
                             "\n"
                             "Backward: upstream * local = contribution\n"
                             "node  <- gate  upstream  * local  formula  =  contribution  sum\n"
                             "v2                                         =             1\n"
                             "v1    <- v2           1  * 10     10       =            10\n"
                             "x     <- v1          10  * 1               =            10\n"
                             "y     <- v1          10  * 2               =            20\n");
    /* once for the local gradients and once for the contributions, however many operands */
    assert_int_equal(c.backward, 2);
    /* the zero rule: with an upstream of 0 only its local gradients are of interest */
    expect_in_explanation(ag_scale(root, 0), "x     <- v1           0  * 1 ");
    assert_int_equal(c.backward, 3);
    ag_graph_free(graph);
}

static void test_wide_closures(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    calls c = {0};
    enum {
        WIDE = 3000
    };
    static ag_value v[WIDE];
    for (size_t i = 0; i < WIDE; i++)
        v[i] = ag_variable(graph, 1);
    const ag_closure closure = {.name = "weigh",
                                .arity = WIDE,
                                .forward = weigh,
                                .backward = weigh_backward,
                                .context = &c};
    char *text = capture(ag_apply(&closure, v), NULL, false, AG_OK);
    assert_int_equal(c.backward, 2);
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 2 + WIDE + 1 + 1 + 2 + 1 + WIDE);
    expect_part(text, "* 3000 ");
    free(text);
    ag_graph_free(graph);
}

static void test_a_closure_that_calls_gates(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    calls c = {.misbehaves = true, .x = ag_variable(graph, 1)};
    const ag_closure closure = {
        .name = "weigh", .arity = 1, .forward = weigh, .backward = weigh_backward, .context = &c};
    const ag_value root = ag_apply(&closure, &c.x);
    free(capture(root, NULL, false, AG_BUSY));
    assert_int_equal(ag_error(graph), AG_BUSY);
    ag_clear_error(graph);
    free(capture(root, NULL, true, AG_BUSY));
    ag_graph_free(graph);
}

/* The graph goes below a detached value, the gradient does not. */
static void test_detached_values_and_constants(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 2);
    const ag_value k = named(ag_constant(graph, 5), "k");
    const ag_value fixed = ag_detach(ag_square(x)), product = ag_mul(k, x);
    expect_explanation(ag_mul(fixed, product),
                       "Forward\n"
                       "step  node  = gate         value\n"
                       "   1  x     = variable         2\n"
                       "   2  k     = constant         5\n"
                       "   3  v1    = square(x)        4\n"
                       "   4  v2    = detach(v1)       4\n"
                       "   5  v3    = mul(k, x)       10\n"
                       "   6  v4    = mul(v2, v3)     40\n"
                       "\n"
                       "Backward: upstream * local = contribution\n"
                       "node  <- gate  upstream  * local  formula  =  contribution  sum\n"
                       "v4                                         =             1\n"
                       "v2    <- v4           1  * 10     v3       =            10\n"
                       "v3    <- v4           1  * 4      v2       =             4\n"
                       "x     <- v3           4  * 5      k        =            20   20\n"
                       "x     <- v1           0  * 4      (2 * x)  =             0   20\n");
    ag_graph_free(graph);
}

static void test_a_leaf_alone(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    expect_explanation(ag_variable(graph, (ag_real)-0.5),
                       "Forward\n"
                       "step  node  = gate      value\n"
                       "   1  v1    = variable   -0.5\n"
                       "\n"
                       "Backward: upstream * local = contribution\n"
                       "node  <- gate  upstream  * local  formula  =  contribution  sum\n"
                       "v1                                         =             1\n");
    expect_in_explanation(ag_constant(graph, 3), "   1  3     = constant      3\n");
    expect_in_explanation(ag_variable(graph, (ag_real)NAN), "= variable    nan\n");
    expect_in_explanation(ag_variable(graph, -(ag_real)NAN), "= variable    nan\n");
    expect_in_explanation(ag_variable(graph, -(ag_real)INFINITY), "= variable   -inf\n");
    ag_graph_free(graph);
}

/* A comparison chose the path; it is no part of the value. */
static void test_comparisons_are_left_out(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 2);
    const ag_value root = ag_gt(x, ag_constant(graph, 1)) ? ag_square(x) : ag_neg(x);
    char *text = capture(root, NULL, false, AG_OK);
    assert_null(strstr(text, "gt"));
    expect_part(text, "   2  v1    = square(x)      4\n");
    free(text);
    ag_graph_free(graph);
}

/* Numbered names keep clear of given ones; columns count characters, not bytes. */
static void test_odd_names(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value a = variable(graph, "v2", 2), b = ag_variable(graph, 3);
    const ag_value c = variable(graph,
                                "gr\xc3\xb6\xc3\x9f"
                                "e",
                                4);
    const ag_value d = variable(graph, "a\tb\n\xff\xe2\x82 \x7f", 5);
    const ag_value v[] = {a, b, c, d};
    expect_explanation(ag_sum(4, v),
                       "Forward\n"
                       "step  node       = gate                           value\n"
                       "   1  v2         = variable                           2\n"
                       "   2  v1         = variable                           3\n"
                       "   3  gr\xc3\xb6\xc3\x9f"
                       "e      = variable                           4\n"
                       "   4  a?b???? ?  = variable                           5\n"
                       "   5  v3         = sum(v2, v1, gr\xc3\xb6\xc3\x9f"
                       "e, a?b???? ?)     14\n"
                       "\n"
                       "Backward: upstream * local = contribution\n"
                       "node       <- gate  upstream  * local  formula  =  contribution  sum\n"
                       "v3                                              =             1\n"
                       "v2         <- v3           1  * 1               =             1\n"
                       "v1         <- v3           1  * 1               =             1\n"
                       "gr\xc3\xb6\xc3\x9f"
                       "e      <- v3           1  * 1               =             1\n"
                       "a?b???? ?  <- v3           1  * 1               =             1\n");
    ag_graph_free(graph);
}

/* ---- The backward pass on the side ----------------------------------------------------------- */

/* A graph of every kind of node, the same for the same seed. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static ag_value build_at_random(ag_graph *graph, uint32_t seed, size_t size, calls *c)
{
    static ag_value v[400];
    assert_true(size <= COUNT(v));
    const ag_closure closure = {
        .name = "weigh", .arity = 3, .forward = weigh, .backward = weigh_backward, .context = c};
    for (size_t i = 0; i < size; i++) {
        const ag_real number = (ag_real)(next_random(&seed) % 2000) / 1000 - 1;
        ag_value x[4];
        for (size_t k = 0; k < COUNT(x) && i > 0; k++)
            x[k] = v[next_random(&seed) % i];
        switch (i < 4 ? 0 : next_random(&seed) % 16) {
        case 0:
            v[i] = ag_variable(graph, number);
            break;
        case 1:
            v[i] = ag_constant(graph, number);
            break;
        case 2:
            v[i] = ag_detach(x[0]);
            break;
        case 3:
            v[i] = ag_apply(&closure, x);
            break;
        case 4:
            v[i] = ag_select(x[0], x[1], x[2]);
            break;
        case 5:
            v[i] = ag_dot(2, x, x + 2);
            break;
        case 6:
            v[i] = ag_logsumexp(4, x);
            break;
        case 7:
            v[i] = ag_max_of(4, x);
            break;
        case 8:
            v[i] = ag_linear(2, (const ag_real[]){number, 2}, x, 1);
            break;
        case 9:
            v[i] = ag_mul(x[0], x[1]);
            break;
        case 10:
            v[i] = ag_relu(x[0]);
            break;
        default:
            v[i] = ag_sin(ag_add(x[0], x[1]));
            break;
        }
    }
    return v[size - 1];
}

static void test_gradients_are_those_of_backward(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        ag_graph *graph = ag_graph_new(NULL);
        calls c = {0};
        const ag_value root = build_at_random(graph, seed, 20 + seed, &c);
        agi_trace trace;
        assert_int_equal(agi_trace_root(&trace, root, SIZE_MAX, "test"), AG_OK);
        static ag_value order[1000];
        assert_int_equal(ag_topological_order(root, order, COUNT(order)), trace.count);
        assert_int_equal(ag_backward(root), AG_OK);
        for (uint32_t i = 0; i < trace.count; i++) {
            assert_int_equal(trace.nodes[i], order[i].index);
            if (trace.gradients[i] != ag_grad(order[i]))
                fail_msg("seed %u, node %u: %g on the side, %g by ag_backward", (unsigned)seed,
                         (unsigned)order[i].index, (double)trace.gradients[i],
                         (double)ag_grad(order[i]));
            for (size_t k = 0; k < ag_operand_count(order[i]); k++)
                assert_true(trace.locals[trace.first[i] + k] == ag_local_gradient(order[i], k));
        }
        agi_release_trace(&trace);
        ag_graph_free(graph);
    }
}

static void test_nothing_changes(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value first = build_log_of_product(graph);
    const ag_value x = ag_find(graph, "x"), second = ag_square(x);
    free(capture(first, NULL, false, AG_OK));
    assert_true(ag_grad(x) == 0 && ag_grad(first) == 0);
    assert_int_equal(ag_backward(first), AG_OK);
    const ag_real gradient = ag_grad(x), inner = ag_grad(ag_operand(first, 0));
    assert_true(gradient == (ag_real)0.5);
    const size_t bytes = ag_graph_bytes(graph), count = ag_graph_count(graph);
    for (int i = 0; i < 300; i++) {
        free(capture(second, NULL, i % 2 == 0, AG_OK));
        free(capture(first, NULL, i % 2 == 1, AG_OK));
        assert_true(ag_grad(x) == gradient && ag_grad(first) == 1 && ag_grad(second) == 0);
        assert_true(ag_grad(ag_operand(first, 0)) == inner);
    }
    assert_int_equal(ag_graph_count(graph), count);
    assert_int_equal(ag_graph_bytes(graph), bytes);
    ag_graph_free(graph);
}

static void test_a_long_chain(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 0.1);
    ag_value y = x;
    for (int i = 0; i < 100000; i++)
        y = i % 2 == 0 ? ag_add(y, x) : ag_sin(y);
    char *text = capture(y, NULL, false, AG_OK);
    expect_part(text, "v100000  = sin(v99999)");
    expect_part(text, "v99999   <- v100000");
    free(text);
    ag_graph_free(graph);
}

/* ---- Drawings -------------------------------------------------------------------------------- */

static void test_a_limit_of_nodes(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value root = build_circuit(graph);
    free(capture(root, &(ag_dot_options){.max_nodes = 14}, true, AG_OK));
    char *text = capture(root, &(ag_dot_options){.max_nodes = 13}, true, AG_TOO_LARGE);
    assert_string_equal(text, "");
    free(text);
    assert_string_equal(ag_error_message(graph),
                        "ag_write_dot: 14 nodes reach the root, and max_nodes allows 13");
    ag_clear_error(graph);
    ag_value y = root;
    while (ag_graph_count(graph) < 500)
        y = ag_neg(y);
    free(capture(y, NULL, true, AG_OK));
    free(capture(ag_neg(y), NULL, true, AG_TOO_LARGE));
    ag_graph_free(graph);
}

/* Graphviz itself reads the drawing without a word of complaint. */
static void test_graphviz_reads_it(void **state)
{
    (void)state;
    if (system("dot -V >/dev/null 2>&1") != 0)
        skip();
    ag_graph *graph = ag_graph_new(NULL);
    calls c = {0};
    const char *const names[] = {
        "quote \" backslash \\ \\N newline \n",
        "<b>bold & brash</b> &amp; &#x;",
        "\xff\xfe \xc3( \xed\xa0\x80 \xf4\x90\x80\x80",
        "\xc3\xa9\xe2\x88\x82\xf0\x9d\x9c\x95",
        "]]> --> -- ; } [ \x01\x1f\x7f",
        "\xef\xbf\xbe \xef\xbf\xbf",
        " ",
    };
    ag_value v[COUNT(names)];
    for (size_t i = 0; i < COUNT(names); i++)
        v[i] = variable(graph, names[i], (double)i);
    const ag_closure closure = {.name = "<weigh> \"&",
                                .arity = COUNT(names),
                                .forward = weigh,
                                .backward = weigh_backward,
                                .context = &c};
    const ag_value odd = ag_mul(ag_apply(&closure, v), ag_log(ag_neg(v[1]))); /* NaN */
    const ag_value roots[] = {odd, build_circuit(graph), build_at_random(graph, 7, 100, &c)};
    const ag_dot_options options[] = {
        {.title = NULL},
        {.title = names[0], .no_gradients = true},
        {.title = names[2], .local_gradients = true},
    };
    for (size_t i = 0; i < COUNT(roots); i++) {
        for (size_t k = 0; k < COUNT(options); k++) {
            FILE *dot = popen("said=$(dot -Tcanon 2>&1 >/dev/null) && test -z \"$said\" || "
                              "{ echo \"$said\" >&2; false; }",
                              "w");
            assert_non_null(dot);
            assert_int_equal(ag_write_dot(roots[i], dot, &options[k]), AG_OK);
            assert_int_equal(pclose(dot), 0);
        }
    }
    ag_graph_free(graph);
}

static void test_another_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "es_ES.UTF-8",
                                        "ps_AF.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < COUNT(names) && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found)
        skip();
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value root = build_log_of_product(graph);
    char *drawing = capture(root, NULL, true, AG_OK);
    char *explanation = capture(root, NULL, false, AG_OK);
    setlocale(LC_NUMERIC, "C");
    expect_part(drawing, ">0.1667<");
    expect_part(explanation, "=      0.166667\n");
    free(drawing);
    free(explanation);
    ag_graph_free(graph);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

static void test_wrong_arguments(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value root = build_log_of_product(graph), null = {0};
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value stale = ag_neg(root);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_int_equal(ag_explain(null, stdout), AG_NULL_VALUE);
    assert_int_equal(ag_write_dot(null, stdout, NULL), AG_NULL_VALUE);
    assert_int_equal(ag_explain(root, NULL), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_int_equal(ag_write_dot(root, NULL, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_error(graph), AG_INVALID_ARGUMENT);
    /* an error stays, and what comes after fails with it */
    free(capture(root, NULL, false, AG_INVALID_ARGUMENT));
    ag_clear_error(graph);
    free(capture(stale, NULL, false, AG_STALE_VALUE));
    ag_clear_error(graph);
    free(capture(stale, NULL, true, AG_STALE_VALUE));
    ag_clear_error(graph);
    free(capture(root, NULL, true, AG_OK));
    ag_graph_free(graph);
}

static void test_a_full_disk(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    if (file == NULL)
        skip();
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value root = build_log_of_product(graph);
    assert_int_equal(ag_explain(root, file), AG_IO);
    assert_int_equal(ag_error(graph), AG_IO);
    ag_clear_error(graph);
    assert_int_equal(ag_write_dot(root, file, NULL), AG_IO);
    fclose(file);
    ag_graph_free(graph);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    for (int dot = 0; dot < 2; dot++) {
        ag_status status = AG_OUT_OF_MEMORY;
        long failures = 0;
        for (long k = 0; status != AG_OK; k++) {
            failing_heap h = {.allowed = -1};
            ag_graph *graph = ag_graph_new(
                &(ag_graph_options){.allocator = allocate_or_fail, .allocator_user = &h});
            const ag_value root = build_circuit(graph);
            FILE *file = tmpfile();
            assert_non_null(file);
            h.allowed = h.requests + k;
            status = dot != 0 ? ag_write_dot(root, file, NULL) : ag_explain(root, file);
            h.allowed = -1;
            assert_int_equal(ag_error(graph), status);
            if (status != AG_OK) {
                failures++;
                assert_int_equal(status, AG_OUT_OF_MEMORY);
                assert_int_equal(ftell(file), 0); /* nothing by halves */
                ag_clear_error(graph);
                free(capture(root, NULL, dot != 0, AG_OK));
            }
            fclose(file);
            ag_graph_free(graph);
            assert_int_equal(h.bytes, 0);
        }
        assert_int_equal(failures, 3); /* marks, the trace, running sums or the drawing */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_logarithm_of_a_product),
        cmocka_unit_test(test_the_circuit),
        cmocka_unit_test(test_running_sums),
        cmocka_unit_test(test_the_zero_rule),
        cmocka_unit_test(test_untaken_operands_get_nothing),
        cmocka_unit_test(test_gates_with_many_operands),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_wide_closures),
        cmocka_unit_test(test_a_closure_that_calls_gates),
        cmocka_unit_test(test_detached_values_and_constants),
        cmocka_unit_test(test_a_leaf_alone),
        cmocka_unit_test(test_comparisons_are_left_out),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_gradients_are_those_of_backward),
        cmocka_unit_test(test_nothing_changes),
        cmocka_unit_test(test_a_long_chain),
        cmocka_unit_test(test_a_limit_of_nodes),
        cmocka_unit_test(test_graphviz_reads_it),
        cmocka_unit_test(test_another_locale),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
