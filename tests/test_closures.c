/* SPDX-License-Identifier: MIT
 *
 * Gates of the caller's own: what the callbacks see, when contexts are destroyed, and callbacks
 * that meddle with the graph that calls them.
 */
#include "scenario.h"

static ag_graph *graph;
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
    return 0;
}

static ag_value variable(double data)
{
    return ag_variable(graph, (ag_real)data);
}

/* ---- Gates as courses teach them ------------------------------------------------------------- */

/* CS231n's MultiplyGate: forward keeps its operands for backward. */
typedef struct multiply_gate {
    ag_real x, y;
} multiply_gate;

static ag_real multiply_forward(void *context, size_t arity, const ag_real *x)
{
    (void)arity;
    multiply_gate *gate = context;
    gate->x = x[0];
    gate->y = x[1];
    return x[0] * x[1];
}

static void multiply_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                              ag_real upstream, ag_real *downstream)
{
    (void)arity, (void)x, (void)y;
    const multiply_gate *gate = context;
    downstream[0] = gate->y * upstream;
    downstream[1] = gate->x * upstream;
}

static ag_value multiply(multiply_gate *gate, ag_value a, ag_value b)
{
    const ag_closure closure = {.name = "multiply",
                                .arity = 2,
                                .forward = multiply_forward,
                                .backward = multiply_backward,
                                .context = gate};
    return ag_apply(&closure, (const ag_value[]){a, b});
}

static void test_multiply_gate(void **state)
{
    (void)state;
    multiply_gate gates[2];
    const ag_value x = variable(-2), y = variable(5), z = variable(-4);
    const ag_value first = multiply(&gates[0], x, y), second = multiply(&gates[1], first, z);
    assert_same(ag_data(second), 40);
    assert_int_equal(ag_backward(second), AG_OK);
    assert_same(ag_grad(x), -20);
    assert_same(ag_grad(y), 8);
    assert_same(ag_grad(z), -10);
    assert_same(ag_grad(first), -4);
    /* each application remembers its own operands; forward keeps new ones */
    assert_same(gates[0].x, -2);
    assert_same(gates[1].x, -10);
    assert_int_equal(ag_set(x, 3), AG_OK);
    assert_int_equal(ag_forward(second), AG_OK);
    assert_same(gates[0].x, 3);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(second), AG_OK);
    assert_same(ag_grad(y), -12);
    assert_string_equal(ag_gate_name(first), "multiply");
    assert_int_equal(ag_error(graph), AG_OK);
}

/* PyTorch's tutorial on functions of one's own: the Legendre polynomial P3(x) = (5x^3 - 3x) / 2,
 * here with its result saved for backward, too. */
typedef struct saved {
    ag_real input, result;
} saved;

static ag_real legendre_forward(void *context, size_t arity, const ag_real *x)
{
    (void)arity;
    saved *kept = context;
    kept->input = x[0];
    kept->result = (ag_real)0.5 * (5 * x[0] * x[0] * x[0] - 3 * x[0]);
    return kept->result;
}

static void legendre_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                              ag_real upstream, ag_real *downstream)
{
    (void)arity;
    const saved *kept = context;
    /* what the engine hands over is what was saved */
    const bool same = kept->input == x[0] && kept->result == y;
    downstream[0] =
        same ? upstream * (ag_real)1.5 * (5 * kept->input * kept->input - 1) : (ag_real)NAN;
}

static void test_function_that_saves(void **state)
{
    (void)state;
    saved kept;
    const ag_closure closure = {.name = "legendre",
                                .arity = 1,
                                .forward = legendre_forward,
                                .backward = legendre_backward,
                                .context = &kept};
    const ag_value x = variable(0.5), p = ag_apply(&closure, &x), y = ag_square(p);
    assert_close(ag_data(p), -0.4375, ROUNDING);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_close(ag_grad(x), 2 * -0.4375 * 1.5 * 0.25, ROUNDING);
    assert_close(ag_local_gradient(p, 0), 0.375, ROUNDING);
    ag_gradcheck_row row;
    bool passed = false;
    assert_int_equal(ag_gradcheck_root(y, 1, &x, NULL, &row, &passed), AG_OK);
    assert_true(passed);
    assert_same(kept.input, 0.5); /* the check has put back what it moved */
    assert_int_equal(ag_backward(y), AG_OK);
    assert_close(ag_grad(x), 4 * -0.4375 * 1.5 * 0.25, ROUNDING);
}

static void wrong_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                           ag_real upstream, ag_real *downstream)
{
    (void)context, (void)arity, (void)x, (void)y;
    downstream[0] = upstream;
}

static void test_gradcheck_finds_a_wrong_backward(void **state)
{
    (void)state;
    saved kept;
    const ag_closure closure = {.name = "wrong",
                                .arity = 1,
                                .forward = legendre_forward,
                                .backward = wrong_backward,
                                .context = &kept};
    const ag_value x = variable(0.5), y = ag_apply(&closure, &x);
    ag_gradcheck_row row;
    bool passed = true;
    assert_int_equal(ag_gradcheck_root(y, 1, &x, NULL, &row, &passed), AG_OK);
    assert_false(passed);
    assert_int_equal(row.verdict, AG_DISAGREES);
    assert_close(row.numeric, 0.375, 1e-2);
}

/* ---- What callbacks are given ---------------------------------------------------------------- */

/* sum of (i + 1) x[i], and a record of what was asked */
typedef struct record {
    size_t arity;
    int forward, backward, destroyed;
    ag_real upstream, y;
    bool clean; /* downstream came as zeros */
    bool silent;
} record;

static ag_real weigh_forward(void *context, size_t arity, const ag_real *x)
{
    record *r = context;
    r->forward++;
    r->arity = arity;
    ag_real sum = 0;
    for (size_t i = 0; i < arity; i++)
        sum += (ag_real)(i + 1) * x[i];
    return sum;
}

static void weigh_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                           ag_real upstream, ag_real *downstream)
{
    (void)x;
    record *r = context;
    r->backward++;
    r->upstream = upstream;
    r->y = y;
    r->clean = true;
    for (size_t i = 0; i < arity; i++) {
        r->clean = r->clean && downstream[i] == 0;
        if (!r->silent)
            downstream[i] = (ag_real)(i + 1) * upstream;
    }
}

static void weigh_destroy(void *context)
{
    ((record *)context)->destroyed++;
}

static ag_closure weigh(record *r, size_t arity)
{
    return (ag_closure){.name = "weigh",
                        .arity = arity,
                        .forward = weigh_forward,
                        .backward = weigh_backward,
                        .context = r,
                        .destroy = weigh_destroy};
}

static void test_any_arity(void **state)
{
    (void)state;
    enum {
        MOST = 1000
    };
    static record records[MOST + 1];
    memset(records, 0, sizeof(records));
    ag_value x[MOST];
    for (int i = 0; i < MOST; i++)
        x[i] = variable(1);
    const ag_mark mark = ag_graph_mark(graph);
    for (size_t n = 1; n <= MOST; n = n < 9 || n == MOST - 1 ? n + 1 : n + 90) { /* 9, 99, ... */
        ag_zero_grad(graph);
        ag_closure closure = weigh(&records[n], n);
        const ag_value y = ag_apply(&closure, x);
        memset(&closure, 0, sizeof(closure)); /* it was copied */
        assert_int_equal(records[n].arity, n);
        assert_same(ag_data(y), (double)(n * (n + 1) / 2));
        assert_int_equal(ag_operand_count(y), n);
        assert_int_equal(ag_backward(ag_scale(y, 2)), AG_OK);
        assert_true(records[n].clean);
        assert_same(records[n].upstream, 2);
        assert_same(records[n].y, ag_data(y));
        for (size_t i = 0; i < MOST; i++)
            assert_same(ag_grad(x[i]), i < n ? 2 * ((double)i + 1) : 0);
        assert_int_equal(records[n].forward, 1);
        assert_int_equal(records[n].backward, 1);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_int_equal(records[n].destroyed, 1);
    }
}

static void test_operands_more_than_once(void **state)
{
    (void)state;
    static record r;
    r = (record){0};
    const ag_closure closure = weigh(&r, 4);
    const ag_value x = variable(5), c = ag_constant(graph, 7);
    const ag_value y = ag_apply(&closure, (const ag_value[]){x, x, c, x});
    assert_same(ag_data(y), 5 + 10 + 21 + 20);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 1 + 2 + 4);
    assert_same(ag_grad(c), 0);
}

/* backward is called once, with the sum of what all users of the value contribute. */
static void test_upstream_is_the_sum(void **state)
{
    (void)state;
    static record r;
    r = (record){0};
    const ag_closure closure = weigh(&r, 1);
    const ag_value x = variable(5), y = ag_apply(&closure, &x);
    const ag_value z = ag_add(ag_scale(y, 3), ag_mul(y, y));
    assert_int_equal(ag_backward(z), AG_OK);
    assert_int_equal(r.backward, 1);
    assert_same(r.upstream, 13);
    assert_same(ag_grad(x), 13);
}

/* What backward doesn't set is 0, also where another gate's downstream was before. */
static void test_backward_that_sets_nothing(void **state)
{
    (void)state;
    static record loud, silent;
    loud = (record){0};
    silent = (record){.silent = true};
    const ag_closure closures[] = {weigh(&loud, 3), weigh(&silent, 3)};
    const ag_value x[] = {variable(1), variable(2), variable(3)};
    const ag_value quiet = ag_apply(&closures[1], x), y = ag_apply(&closures[0], x);
    assert_int_equal(ag_backward(ag_add(quiet, y)), AG_OK); /* loud first */
    assert_int_equal(silent.backward, 1);
    assert_true(silent.clean);
    for (int i = 0; i < 3; i++)
        assert_same(ag_grad(x[i]), i + 1);
}

static void test_gates_before_and_behind(void **state)
{
    (void)state;
    static record r[2];
    memset(r, 0, sizeof(r));
    const ag_closure closures[] = {weigh(&r[0], 2), weigh(&r[1], 2)};
    const ag_value x = variable(3), y = variable(4);
    const ag_value inner[] = {ag_mul(x, y), ag_square(x)};
    const ag_value middle = ag_apply(&closures[0], inner);            /* xy + 2 x^2 = 30 */
    const ag_value outer[] = {middle, ag_apply(&closures[1], inner)}; /* the same again */
    const ag_value z = ag_dot(2, outer, outer);
    assert_same(ag_data(z), 1800);
    assert_int_equal(ag_backward(z), AG_OK);
    assert_same(ag_grad(x), 2 * 60 * (4 + 12));
    assert_same(ag_grad(y), 2 * 60 * 3);
    assert_int_equal(ag_set(x, 1), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_same(ag_data(z), 72);
    assert_int_equal(r[0].forward, 2);
}

/* ---- The context's end ----------------------------------------------------------------------- */

static void test_destroyed_once(void **state)
{
    (void)state;
    static record r[6];
    memset(r, 0, sizeof(r));
    ag_closure closure = weigh(&r[0], 1);
    const ag_value x = variable(5);
    const ag_value kept = ag_apply(&closure, &x);
    const ag_mark mark = ag_graph_mark(graph);
    closure.context = &r[1];
    (void)ag_apply(&closure, &kept);
    closure.context = &r[2];
    (void)ag_apply(&closure, &kept);
    (void)ag_neg(x);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_int_equal(r[1].destroyed, 1);
    assert_int_equal(r[2].destroyed, 1);
    assert_int_equal(r[0].destroyed, 0);
    assert_same(ag_data(kept), 5);
    /* in a pause only the number stays */
    assert_int_equal(ag_pause(graph), AG_OK);
    closure.context = &r[3];
    const ag_value number = ag_apply(&closure, &x);
    assert_int_equal(r[3].destroyed, 1);
    assert_int_equal(ag_resume(graph), AG_OK);
    assert_string_equal(ag_gate_name(number), "constant");
    closure.context = &r[4];
    const ag_value after = ag_apply(&closure, &number);
    assert_int_equal(ag_backward(ag_add(after, kept)), AG_OK);
    assert_int_equal(r[3].backward, 0);
    assert_int_equal(r[4].backward, 1);
    closure.destroy = NULL; /* nobody is told */
    closure.context = &r[5];
    assert_same(ag_data(ag_apply(&closure, &x)), 5);
    ag_graph_free(graph);
    graph = NULL;
    const int expected[] = {1, 1, 1, 1, 1, 0};
    for (int i = 0; i < 6; i++)
        assert_int_equal(r[i].destroyed, expected[i]);
}

static void test_failed_applications(void **state)
{
    (void)state;
    static record r;
    r = (record){0};
    ag_graph *small = ag_graph_new(&(ag_graph_options){.max_nodes = 1});
    const ag_value x = variable(5), foreign = ag_variable(small, 1);
    const ag_value two[] = {x, x};
    const ag_closure good = weigh(&r, 2);
    ag_closure nameless = good, no_forward = good, no_backward = good, no_operands = good;
    nameless.name = NULL;
    no_forward.forward = NULL;
    no_backward.backward = NULL;
    no_operands.arity = 0;
    const struct {
        const ag_closure *closure;
        const ag_value *operands;
        ag_status status;
        const char *message;
    } cases[] = {
        {&nameless, two, AG_INVALID_ARGUMENT, "name"},
        {&no_forward, two, AG_INVALID_ARGUMENT, "weigh(#0 = 5, #0 = 5): "},
        {&no_backward, two, AG_INVALID_ARGUMENT, "backward"},
        {&no_operands, two, AG_OK, ""},
        {&good, NULL, AG_OK, ""},
        {&good, (const ag_value[]){x, foreign}, AG_WRONG_GRAPH, "operand 2"},
        {&good, (const ag_value[]){x, {0}}, AG_NULL_VALUE, "weigh(#0 = 5, null): operand 2"},
        {&good, (const ag_value[]){{0}, x}, AG_NULL_VALUE, "operand 1"},
        {&good, (const ag_value[]){{0}, {0}}, AG_OK, ""},
    };
    const int n = (int)(sizeof(cases) / sizeof(*cases));
    for (int i = 0; i < n; i++) {
        assert_true(ag_is_null(ag_apply(cases[i].closure, cases[i].operands)));
        assert_int_equal(r.destroyed, i + 1);
        assert_int_equal(ag_error(graph), cases[i].status);
        assert_contains(ag_error_message(graph), cases[i].message);
        ag_clear_error(graph);
    }
    assert_true(ag_is_null(ag_apply(&good, (const ag_value[]){foreign, foreign})));
    assert_int_equal(r.destroyed, n + 1);
    assert_int_equal(ag_error(small), AG_TOO_MANY_NODES);
    assert_true(ag_is_null(ag_apply(&good, (const ag_value[]){foreign, foreign})));
    assert_int_equal(r.destroyed, n + 2); /* the error is still there */
    assert_true(ag_is_null(ag_apply(NULL, two)));
    assert_int_equal(r.forward, 0);
    assert_int_equal(ag_graph_count(graph), 1);
    assert_int_equal(ag_error(graph), AG_OK);
    ag_graph_free(small);
    assert_int_equal(r.destroyed, n + 2);
}

/* ---- Callbacks that meddle ------------------------------------------------------------------- */

typedef enum moment {
    NEVER,
    IN_FORWARD,
    IN_BACKWARD,
    IN_DESTROY
} moment;

typedef struct meddler {
    ag_value x, y; /* values of the graph that calls */
    ag_mark mark;
    moment when;
    void (*meddle)(struct meddler *self);
    int meddled, destroyed, inner_destroyed;
} meddler;

static void meddle_at(meddler *m, moment when)
{
    if (m->when != when)
        return;
    m->meddled++;
    m->meddle(m);
}

static ag_real meddling_forward(void *context, size_t arity, const ag_real *x)
{
    (void)arity;
    meddle_at(context, IN_FORWARD);
    return x[0];
}

static void meddling_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                              ag_real upstream, ag_real *downstream)
{
    (void)arity, (void)x, (void)y;
    downstream[0] = upstream;
    meddle_at(context, IN_BACKWARD);
}

static void meddling_destroy(void *context)
{
    ((meddler *)context)->destroyed++;
    meddle_at(context, IN_DESTROY);
}

static void meddle_by_unary(meddler *m)
{
    assert_true(ag_is_null(ag_neg(m->x)));
}

static void meddle_by_binary(meddler *m)
{
    assert_true(ag_is_null(ag_add(m->x, m->y)));
}

static void meddle_by_select(meddler *m)
{
    assert_true(ag_is_null(ag_select(m->x, m->y, m->x)));
}

static void meddle_by_sum(meddler *m)
{
    assert_true(ag_is_null(ag_sum(1, &m->x)));
}

static void meddle_by_comparing(meddler *m)
{
    assert_false(ag_ge(m->x, m->x));
}

static void meddle_by_scale(meddler *m)
{
    assert_true(ag_is_null(ag_scale(m->x, 2)));
}

static void meddle_by_variable(meddler *m)
{
    assert_true(ag_is_null(ag_variable(m->x.graph, 1)));
}

static void destroy_inner(void *context)
{
    ((meddler *)context)->inner_destroyed++;
}

static void meddle_by_applying(meddler *m)
{
    const ag_closure inner = {.name = "inner",
                              .arity = 1,
                              .forward = meddling_forward,
                              .backward = meddling_backward,
                              .context = m,
                              .destroy = destroy_inner};
    assert_true(ag_is_null(ag_apply(&inner, &m->x)));
}

static void meddle_by_set(meddler *m)
{
    assert_int_equal(ag_set(m->x, 100), AG_BUSY);
}

static void meddle_by_forward(meddler *m)
{
    assert_int_equal(ag_forward(m->y), AG_BUSY);
}

static void meddle_by_backward(meddler *m)
{
    assert_int_equal(ag_backward(m->y), AG_BUSY);
}

static void meddle_by_zero_grad(meddler *m)
{
    ag_zero_grad(m->x.graph);
}

static void meddle_by_order(meddler *m)
{
    assert_int_equal(ag_topological_order(m->y, NULL, 0), 0);
}

static void meddle_by_name(meddler *m)
{
    assert_int_equal(ag_name(m->x, "another"), AG_BUSY);
}

static void meddle_by_mark(meddler *m)
{
    assert_null(ag_graph_mark(m->x.graph).graph);
}

static void meddle_by_rewind(meddler *m)
{
    assert_int_equal(ag_graph_rewind(m->x.graph, m->mark), AG_BUSY);
}

static void meddle_by_pause(meddler *m)
{
    assert_int_equal(ag_pause(m->x.graph), AG_BUSY);
}

static void meddle_by_resume(meddler *m)
{
    assert_int_equal(ag_resume(m->x.graph), AG_BUSY);
}

static void meddle_by_scopes(meddler *m)
{
    assert_int_equal(ag_scope_begin(m->x.graph, "a"), AG_BUSY);
    assert_int_equal(ag_scope_end(m->x.graph), AG_BUSY);
}

static void meddle_by_explain(meddler *m)
{
    assert_int_equal(ag_explain(m->y, scratch_file), AG_BUSY);
}

static void meddle_by_drawing(meddler *m)
{
    assert_int_equal(ag_write_dot(m->y, scratch_file, NULL), AG_BUSY);
}

static void meddle_by_gradcheck(meddler *m)
{
    ag_gradcheck_row row;
    assert_int_equal(ag_gradcheck_root(m->y, 1, &m->x, NULL, &row, NULL), AG_BUSY);
}

static void meddle_and_clear(meddler *m)
{
    meddle_by_binary(m);
    ag_clear_error(m->x.graph);
    meddle_by_binary(m);
}

static void (*const meddlings[])(meddler *) = {
    meddle_by_unary,     meddle_by_binary,  meddle_by_select,   meddle_by_sum,
    meddle_by_comparing, meddle_by_scale,   meddle_by_variable, meddle_by_applying,
    meddle_by_set,       meddle_by_forward, meddle_by_backward, meddle_by_zero_grad,
    meddle_by_order,     meddle_by_name,    meddle_by_mark,     meddle_by_rewind,
    meddle_by_pause,     meddle_by_resume,  meddle_by_explain,  meddle_by_drawing,
    meddle_by_gradcheck, meddle_by_scopes,  meddle_and_clear};

enum {
    MEDDLINGS = sizeof(meddlings) / sizeof(*meddlings)
};

typedef struct trouble {
    meddler m;
    ag_value x, y, gate, root;
    ag_mark below;
} trouble;

/* A graph whose root goes through a gate that meddles: root = 3 gate(x) y, with x = 2, y = 5. */
static void begin_trouble(trouble *t, int which)
{
    *t = (trouble){0};
    t->x = variable(2);
    t->y = ag_mul(t->x, variable(5));
    assert_int_equal(ag_name(t->x, "x"), AG_OK);
    t->below = ag_graph_mark(graph);
    t->m = (meddler){.x = t->x, .y = t->y, .mark = t->below, .meddle = meddlings[which]};
    const ag_closure closure = {.name = "meddler",
                                .arity = 1,
                                .forward = meddling_forward,
                                .backward = meddling_backward,
                                .context = &t->m,
                                .destroy = meddling_destroy};
    t->gate = ag_apply(&closure, &t->y);
    t->root = ag_scale(t->gate, 3);
    assert_int_equal(ag_backward(t->root), AG_OK);
    assert_same(ag_grad(t->x), 15);
}

/* The error is AG_BUSY, and once it is cleared all is as it was and works. */
static void end_trouble(trouble *t, int meddled)
{
    assert_int_equal(t->m.meddled, meddled);
    assert_int_equal(t->m.inner_destroyed, t->m.meddle == meddle_by_applying ? meddled : 0);
    assert_int_equal(ag_error(graph), AG_BUSY);
    assert_true(strlen(ag_error_message(graph)) > 0);
    ag_clear_error(graph);
    t->m.when = NEVER;
    assert_same(ag_data(t->x), 2);
    assert_same(ag_data(t->y), 10);
    assert_string_equal(ag_name_of(t->x), "x");
    assert_int_equal(ag_resume(graph), AG_INVALID_ARGUMENT); /* no pause was begun */
    ag_clear_error(graph);
    assert_same(ag_data(ag_add(t->x, t->y)), 12);
    ag_zero_grad(graph);
    if (t->m.destroyed == 0) {
        assert_int_equal(ag_set(t->x, 3), AG_OK);
        assert_int_equal(ag_forward(t->root), AG_OK);
        assert_same(ag_data(t->root), 45);
        assert_int_equal(ag_backward(t->root), AG_OK);
        assert_same(ag_grad(t->x), 15);
        assert_int_equal(ag_graph_rewind(graph, t->below), AG_OK);
    }
    assert_int_equal(t->m.destroyed, 1);
    assert_int_equal(ag_error(graph), AG_OK);
    ag_graph_free(graph);
    graph = ag_graph_new(NULL);
}

static void test_meddling_when_applied(void **state)
{
    (void)state;
    for (int i = 0; i < MEDDLINGS; i++) {
        trouble t;
        begin_trouble(&t, i);
        meddler again = t.m;
        again.when = IN_FORWARD;
        const ag_closure closure = {.name = "again",
                                    .arity = 1,
                                    .forward = meddling_forward,
                                    .backward = meddling_backward,
                                    .context = &again,
                                    .destroy = meddling_destroy};
        const ag_value y = ag_apply(&closure, &t.y);
        assert_int_equal(again.meddled, 1);
        assert_true(ag_is_null(y));
        assert_int_equal(again.destroyed, 1); /* as for any application that fails */
        assert_int_equal(ag_graph_count(graph), 6);
        t.m.meddled = again.meddled;
        t.m.inner_destroyed = again.inner_destroyed;
        again.when = NEVER;
        end_trouble(&t, 1);
        assert_int_equal(again.destroyed, 1);
    }
}

static void test_meddling_in_forward(void **state)
{
    (void)state;
    for (int i = 0; i < MEDDLINGS; i++) {
        trouble t;
        begin_trouble(&t, i);
        t.m.when = IN_FORWARD;
        assert_int_equal(ag_forward(t.root), AG_BUSY);
        assert_int_equal(ag_graph_count(graph), 6);
        end_trouble(&t, 1);
    }
}

static void test_meddling_in_backward(void **state)
{
    (void)state;
    for (int check = 0; check < 2; check++) {
        for (int i = 0; i < MEDDLINGS; i++) {
            trouble t;
            begin_trouble(&t, i);
            t.m.when = IN_BACKWARD;
            ag_set_check(graph, check != 0);
            assert_int_equal(ag_backward(t.root), AG_BUSY);
            assert_int_equal(ag_graph_count(graph), 6);
            if (check != 0)
                assert_same(ag_grad(t.x), 15); /* as before the call */
            end_trouble(&t, 1);
        }
    }
}

static void test_meddling_when_looked_at(void **state)
{
    (void)state;
    for (int i = 0; i < MEDDLINGS; i++) {
        trouble t;
        begin_trouble(&t, i);
        t.m.when = IN_BACKWARD;
        (void)ag_local_gradient(t.gate, 0);
        assert_int_equal(ag_error(graph), AG_BUSY);
        ag_clear_error(graph);
        assert_int_equal(ag_topological_order(t.root, NULL, 0), 6); /* has marks made */
        const size_t bytes = ag_graph_bytes(graph);
        rewind(scratch_file);
        assert_int_equal(ag_explain(t.root, scratch_file), AG_BUSY);
        ag_clear_error(graph);
        assert_int_equal(ag_write_dot(t.root, scratch_file, NULL), AG_BUSY);
        assert_int_equal(ag_graph_bytes(graph), bytes);
        const int meddled = t.m.meddled;
        assert_true(meddled >= 3);
        assert_same(ag_grad(t.x), 15);
        end_trouble(&t, meddled);
    }
}

static void test_meddling_in_destroy(void **state)
{
    (void)state;
    for (int i = 0; i < MEDDLINGS; i++) {
        trouble t;
        begin_trouble(&t, i);
        t.m.when = IN_DESTROY;
        assert_int_equal(ag_graph_rewind(graph, t.below), AG_OK); /* which goes through */
        assert_int_equal(ag_graph_count(graph), 3);
        end_trouble(&t, 1);

        begin_trouble(&t, i);
        t.m.when = IN_DESTROY;
        ag_graph_free(graph);
        assert_int_equal(t.m.meddled, 1);
        assert_int_equal(t.m.destroyed, 1);
        graph = ag_graph_new(NULL);
    }
}

/* forward may refuse what it is given, with an error of its own. */
static void refuse(meddler *m)
{
    (void)ag_set_error(m->x.graph, AG_INVALID_ARGUMENT, "the operand is not positive");
}

static void test_forward_that_refuses(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        const ag_value x = variable(-1);
        const size_t count = ag_graph_count(graph);
        meddler m = {.x = x, .meddle = refuse, .when = IN_FORWARD};
        const ag_closure closure = {.name = "positive",
                                    .arity = 1,
                                    .forward = meddling_forward,
                                    .backward = meddling_backward,
                                    .context = &m,
                                    .destroy = meddling_destroy};
        for (int i = 0; i < paused; i++)
            assert_int_equal(ag_pause(graph), AG_OK);
        assert_true(ag_is_null(ag_apply(&closure, &x)));
        assert_int_equal(m.destroyed, 1);
        assert_int_equal(ag_graph_count(graph), count);
        assert_int_equal(ag_error(graph), AG_INVALID_ARGUMENT);
        assert_string_equal(ag_error_message(graph), "the operand is not positive");
        ag_clear_error(graph);
        m.when = NEVER;
        const ag_value y = ag_apply(&closure, &x);
        assert_int_equal(ag_graph_count(graph), count + 1);
        for (int i = 0; i < paused; i++)
            assert_int_equal(ag_resume(graph), AG_OK);
        assert_int_equal(m.destroyed, 1 + paused);
        m.when = IN_FORWARD;
        assert_int_equal(ag_forward(ag_neg(y)), paused != 0 ? AG_OK : AG_INVALID_ARGUMENT);
        ag_clear_error(graph);
        ag_graph_free(graph);
        assert_int_equal(m.destroyed, 2);
        graph = ag_graph_new(NULL);
    }
}

static void look_from_inside(meddler *m)
{
    ag_graph *own = m->x.graph;
    assert_same(ag_data(m->x), 2);
    assert_true(isfinite(ag_grad(m->x)));
    assert_string_equal(ag_name_of(m->x), "x");
    assert_int_equal(ag_find(own, "x").index, m->x.index);
    assert_string_equal(ag_gate_name(m->y), "mul");
    assert_int_equal(ag_operand_count(m->y), 2);
    assert_int_equal(ag_operand(m->y, 0).index, m->x.index);
    assert_true(ag_graph_count(own) > 0);
    assert_true(ag_graph_bytes(own) > 0);
    /* a graph of its own is its own affair */
    ag_graph *other = ag_graph_new(NULL);
    const ag_value a = ag_variable(other, 3), b = ag_square(a);
    assert_int_equal(ag_backward(b), AG_OK);
    assert_same(ag_grad(a), 6);
    ag_graph_free(other);
}

static void test_callbacks_may_look(void **state)
{
    (void)state;
    trouble t;
    begin_trouble(&t, 0);
    t.m.meddle = look_from_inside;
    t.m.when = IN_FORWARD;
    assert_int_equal(ag_forward(t.root), AG_OK);
    t.m.when = IN_BACKWARD;
    assert_int_equal(ag_backward(t.root), AG_OK);
    t.m.when = IN_DESTROY;
    assert_int_equal(ag_graph_rewind(graph, t.below), AG_OK);
    assert_int_equal(t.m.meddled, 3);
    assert_int_equal(ag_error(graph), AG_OK);
}

/* Two graphs whose gates run each other: a gate of the first evaluates the second, a gate of which
 * asks the first, which is busy. */
typedef struct nested {
    ag_value inner;     /* in the second graph */
    ag_value forbidden; /* in the first */
} nested;

static ag_real nested_forward(void *context, size_t arity, const ag_real *x)
{
    (void)arity;
    const nested *n = context;
    if (ag_is_null(n->inner)) /* in the second graph: back to the first */
        return ag_is_null(ag_neg(n->forbidden)) ? x[0] : (ag_real)NAN;
    return ag_forward(n->inner) == AG_OK ? x[0] + ag_data(n->inner) : (ag_real)NAN;
}

static void test_graphs_that_call_each_other(void **state)
{
    (void)state;
    ag_graph *second = ag_graph_new(NULL);
    const ag_value x = variable(1), z = ag_variable(second, 10);
    nested back = {.forbidden = x};
    ag_closure closure = {.name = "nested",
                          .arity = 1,
                          .forward = nested_forward,
                          .backward = wrong_backward,
                          .context = &back};
    const ag_value inner = ag_apply(&closure, &z); /* x's graph is not busy yet */
    assert_true(isnan(ag_data(inner)));
    nested there = {.inner = inner};
    closure.context = &there;
    const ag_value y = ag_apply(&closure, &x);
    assert_true(ag_is_null(y));
    assert_int_equal(ag_error(graph), AG_BUSY);
    assert_int_equal(ag_error(second), AG_OK);
    assert_same(ag_data(inner), 10);
    ag_clear_error(graph);
    assert_same(ag_data(ag_neg(x)), -1);
    ag_graph_free(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(multiply_gate),
        TEST(function_that_saves),
        TEST(gradcheck_finds_a_wrong_backward),
        TEST(any_arity),
        TEST(operands_more_than_once),
        TEST(upstream_is_the_sum),
        TEST(backward_that_sets_nothing),
        TEST(gates_before_and_behind),
        TEST(destroyed_once),
        TEST(failed_applications),
        TEST(meddling_when_applied),
        TEST(meddling_in_forward),
        TEST(meddling_in_backward),
        TEST(meddling_when_looked_at),
        TEST(meddling_in_destroy),
        TEST(forward_that_refuses),
        TEST(callbacks_may_look),
        TEST(graphs_that_call_each_other),
    };
    scratch_file = tmpfile();
    if (scratch_file == NULL)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fclose(scratch_file);
    return failed;
}
