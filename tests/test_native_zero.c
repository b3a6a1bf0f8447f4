/* SPDX-License-Identifier: MIT
 *
 * The zero rule in programs' own code, where chains are products as long as nobody looks at what
 * comes of them: who looks, by the gate table and in programs; and local gradients that are infinite
 * or NaN where upstreams are 0, beside the interpreter.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "c_code.h"
#include "gate_list.h"
#include "native_testing.h"

static const double specials[] = {
    0, -0.0, 1, -1, 0.5, -2, (double)INFINITY, -(double)INFINITY, (double)NAN,
};

enum {
    SPECIALS = sizeof(specials) / sizeof(*specials)
};

/* ---- Gates ----------------------------------------------------------------------------------- */

static uint8_t find_op(const gate *g)
{
    for (uint8_t op = 0; op < AGI_GATE_COUNT; op++)
        if (strcmp(agi_gate_names[op], g->name) == 0)
            return op;
    fail_msg("there is no %s", g->name);
    return 0;
}

static double value_with(const ag_value *leaves, ag_value y, size_t k, double number)
{
    assert_int_equal(ag_set(leaves[k], (ag_real)number), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
    return (double)ag_data(y);
}

/* Operand k handed on: NaN comes out, or else always the same; -0 is 0. */
static void check_hands_on(const ag_value *leaves, ag_value y, size_t k, double sample)
{
    const double numbers[] = {sample,           0, 1, -1.25, 1e10, -1e10, (double)INFINITY,
                              -(double)INFINITY};
    const double at_nan = value_with(leaves, y, k, (double)NAN);
    const double at_0 = value_with(leaves, y, k, 0);
    check(isnan(at_0) ? isnan(value_with(leaves, y, k, -0.0))
                      : value_with(leaves, y, k, -0.0) == at_0);
    for (size_t i = 0; !isnan(at_nan) && i < sizeof(numbers) / sizeof(*numbers); i++)
        check(value_with(leaves, y, k, numbers[i]) == at_nan);
    (void)value_with(leaves, y, k, sample);
}

static size_t handed_on;

/* The others are the sample's, then specials. */
static void check_gate(const gate *g, size_t n, const ag_real *operands)
{
    const uint8_t op = find_op(g);
    ag_value leaves[MOST];
    const ag_value y = record(g, n, operands, leaves);
    for (uint32_t k = 0; k < n && n <= 8; k++) {
        if (!agi_c_hands_on(op, k))
            continue;
        handed_on++;
        check_hands_on(leaves, y, k, (double)operands[k]);
        for (uint32_t other = 0; other < n; other++)
            for (size_t i = 0; other != k && i < SPECIALS; i++) {
                (void)value_with(leaves, y, other, specials[i]);
                check_hands_on(leaves, y, k, (double)operands[k]);
                (void)value_with(leaves, y, other, (double)operands[other]);
            }
    }
    ag_graph_free(y.graph);
}

static void test_gates_hand_nan_on(void **state)
{
    (void)state;
    visit_samples(check_gate);
    assert_true(handed_on > GATES);
}

/* What gradients are made of is handed on; what asks, is not. */
static void test_who_looks(void **state)
{
    (void)state;
    static const uint8_t through[] = {AGI_neg, AGI_add, AGI_sub,  AGI_mul,  AGI_square, AGI_exp,
                                      AGI_sum, AGI_dot, AGI_tanh, AGI_sqrt, AGI_linear};
    static const uint8_t lookers[] = {AGI_is_less,    AGI_pow,   AGI_hypot,     AGI_sign,
                                      AGI_reciprocal, AGI_atan2, AGI_logsumexp, AGI_max_of,
                                      AGI_CLOSURE,    AGI_gt,    AGI_relu};
    for (size_t i = 0; i < sizeof(through); i++)
        assert_true(agi_c_hands_on(through[i], 0));
    for (size_t i = 0; i < sizeof(lookers); i++)
        assert_false(agi_c_hands_on(lookers[i], 0));
    assert_true(agi_c_hands_on(AGI_div, 0));
    assert_false(agi_c_hands_on(AGI_div, 1));
    assert_false(agi_c_hands_on(AGI_select, 0));
    assert_true(agi_c_hands_on(AGI_select, 1) && agi_c_hands_on(AGI_select, 2));
    for (uint32_t op = 0; op < AGI_GATE_COUNT; op++)
        if (agi_gate_forms[op] == AGI_FORM_COMPARE)
            assert_false(agi_c_hands_on((uint8_t)op, 0) || agi_c_hands_on((uint8_t)op, 1));
}

/* ---- Programs -------------------------------------------------------------------------------- */

/* Whether chains are products in the program's own code. */
static bool multiplies(const ag_program *program)
{
    agi_memory memory = {.allocator = program->memory.allocator, .user = program->memory.user};
    agi_c_file file = {.memory = &memory, .gates = {.library = {.prefix = "p"}}};
    agi_c_unit *unit = agi_add_c_unit(&file, program, "p");
    assert_non_null(unit);
    unit->mode = AGI_C_SINGLE;
    agi_find_c_doubts(unit);
    const bool is_so = unit->body.multiplies;
    agi_close_c_file(&file);
    return is_so;
}

/* A run with sums that are set, added to, or are the shared inputs themselves. */
static void run_with(const ag_program *program, ag_workspace *workspace, const batch *b,
                     double scale, bool in_place, results *r)
{
    const size_t shared = b->problem->shared.n;
    double *parameters = new_numbers(shared);
    memcpy(parameters, b->shared, shared * sizeof(*parameters));
    for (size_t i = 0; i < b->problem->sum.n; i++)
        r->sum[i] = (double)i + 1;
    ag_arrays arrays = {
        .shared = parameters, .each = b->each, .sum = r->sum, .map = r->map, .scale = scale};
    if (in_place)
        arrays.sum = parameters;
    assert_int_equal(ag_run(program, workspace, b->n, &arrays), AG_OK);
    if (in_place)
        memcpy(r->sum, parameters, shared * sizeof(*parameters));
    free(parameters);
}

static void compare(const char *name, size_t n, const double *actual, const double *expected)
{
    for (size_t i = 0; i < n; i++)
        if (!is_close(actual[i], expected[i], 1e-12))
            fail_msg("%s: [%zu] is %.17g, not %.17g", name, i, actual[i], expected[i]);
}

/* Every run, by the program's own code and by the interpreter. Samples run one after the other, so
 * that totals are set and then added to. */
static void check_program(problem *p, const char *name, bool is_fast)
{
    ag_program *program = compile(p, false);
    assert_int_equal(multiplies(program), is_fast);
    program->lanes = 1;
    make_native(program, false);
    ag_workspace *native = new_runner(program, true), *interpreter = new_runner(program, false);
    for (size_t i = 0; i < 240; i++) {
        /* from every number special to a few of them */
        batch b = new_batch(p, i % 3 == 0 ? 3 : 1, (source){-1, 1, 1 + i % 6}, false);
        results own = new_results(&b), right = new_results(&b);
        const bool in_place = i % 5 == 0 && p->sum.n == p->shared.n;
        const double scale = in_place || i % 2 == 0 ? -0.25 : 0;
        run_with(program, native, &b, scale, in_place, &own);
        run_with(program, interpreter, &b, scale, in_place, &right);
        compare(name, p->sum.n, own.sum, right.sum);
        compare(name, b.n * p->map.n, own.map, right.map);
        free_results(&own);
        free_results(&right);
        free_batch(&b);
    }
    ag_workspace_free(native);
    ag_workspace_free(interpreter);
    ag_program_free(program);
    free_problem(p);
}

/* Roots, logarithms, powers and quotients at 0, alone and in rows. */
static void test_locals(void **state)
{
    (void)state;
    problem *p = new_problem(1);
    const ag_value u = *add_inputs(p, &p->each, 1), *x = add_inputs(p, &p->each, 12);
    ag_value y[12];
    for (size_t i = 0; i < 8; i++)
        y[i] = ag_sqrt(x[i]);
    y[8] = ag_log(x[8]);
    y[9] = ag_pow(x[9], ag_constant(p->graph, (ag_real)0.25));
    y[10] = ag_div(x[9], x[10]);
    y[11] = ag_acosh(x[11]);
    for (size_t i = 0; i < 12; i++)
        y[i] = ag_mul(u, y[i]);
    put_gradient(&p->map, ag_sum(12, y), 12, x);
    finish(p);
    check_program(p, "locals", true);
}

/* Nothing is added before all has been looked at. */
static void test_totals(void **state)
{
    (void)state;
    problem *p = new_problem(2);
    const ag_value *s = add_inputs(p, &p->shared, 9), u = *add_inputs(p, &p->each, 1);
    const ag_value *x = add_inputs(p, &p->each, 9);
    ag_value y[9];
    for (size_t i = 0; i < 9; i++)
        y[i] = ag_mul(u, i < 6 ? ag_sqrt(ag_mul(s[i], x[i])) : ag_log(ag_add(s[i], x[i])));
    const ag_value loss = ag_sum(9, y);
    put_gradient(&p->sum, loss, 9, s);
    put_gradient(&p->map, loss, 9, x);
    finish(p);
    check_program(p, "totals", true);
}

/* Rows of sums and products of inputs are computed where they are read; */
static void test_neighbours(void **state)
{
    (void)state;
    enum {
        N = 16
    };
    problem *p = new_problem(4);
    const ag_value *x = add_inputs(p, &p->each, N);
    ag_value m[N - 1], f[N - 2];
    for (size_t i = 0; i + 1 < N; i++)
        m[i] = ag_mul(x[i], x[i + 1]);
    for (size_t i = 0; i + 2 < N; i++)
        f[i] = ag_mul(m[i], ag_sqrt(m[i + 1]));
    put_gradient(&p->map, ag_sum(N - 2, f), N, x);
    finish(p);
    check_program(p, "neighbours", true);
}

/* but not where totals, which may be the shared inputs, are written over those. */
static void test_neighbours_in_totals(void **state)
{
    (void)state;
    enum {
        N = 16
    };
    problem *p = new_problem(5);
    const ag_value *s = add_inputs(p, &p->shared, N), *x = add_inputs(p, &p->each, N);
    ag_value d[N] = {x[3], x[7]};
    for (size_t i = 2; i < N; i++)
        d[i] = ag_sub(x[i], s[i - 1]);
    put_all(&p->sum, N, d);
    put_all(&p->map, N, d);
    finish(p);
    check_program(p, "totals of neighbours", false);
}

/* Matrices, and gradients that are outer products and a rest with a chain of its own. roots: one factor
 * is a chain's result, which nothing else reads. */
static void check_outer(bool roots)
{
    enum {
        ROWS = 6,
        COLUMNS = 5
    };
    problem *p = new_problem(3);
    const ag_value *w = add_inputs(p, &p->shared, ROWS * COLUMNS);
    const ag_value *x = add_inputs(p, &p->each, COLUMNS), *u = add_inputs(p, &p->each, ROWS);
    ag_value hidden[COLUMNS], y[ROWS + COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        hidden[i] = ag_reciprocal(x[i]);
    for (size_t i = 0; i < ROWS; i++)
        y[i] = ag_dot(COLUMNS, w + i * COLUMNS, hidden);
    for (size_t i = 0; i < ROWS; i++)
        y[i] = ag_mul(u[i], roots ? ag_sqrt(y[i]) : y[i]);
    for (size_t i = 0; i < COLUMNS; i++)
        y[ROWS + i] = ag_mul(u[0], ag_sqrt(w[i]));
    const ag_value loss = ag_sum(ROWS + COLUMNS, y);
    put_gradient(&p->sum, loss, ROWS * COLUMNS, w);
    if (!roots)
        put_gradient(&p->map, loss, COLUMNS, x);
    finish(p);
    check_program(p, "outer", true);
}

static void test_outer(void **state)
{
    (void)state;
    check_outer(false);
    check_outer(true);
}

/* A step with roots: of its state, its inputs and its parameter. */
static ag_program *make_step(void)
{
    problem *p = new_problem(4);
    const ag_value k = *add_inputs(p, &p->shared, 1), *s = add_inputs(p, &p->each, 2);
    (void)put(&p->map, ag_add(ag_scale(s[0], (ag_real)0.5), ag_mul(k, ag_sqrt(s[1]))));
    (void)put(&p->map, ag_sqrt(ag_abs(s[0])));
    (void)put(&p->sum, ag_log(ag_mul(k, s[1])));
    finish(p);
    ag_program *program = compile(p, false);
    free_problem(p);
    return program;
}

static problem *record_steps(uint64_t seed, ag_program *step, bool looks)
{
    enum {
        STEPS = 5
    };
    problem *p = new_problem(seed);
    const ag_value *k = add_inputs(p, &p->shared, 1), *u = add_inputs(p, &p->each, 3);
    const ag_value *start = add_inputs(p, &p->each, 1), *x = add_inputs(p, &p->each, STEPS);
    ag_value end, outputs[STEPS], total;
    const ag_scan_arrays arrays = {.shared = k,
                                   .state = start,
                                   .inputs = x,
                                   .final_state = &end,
                                   .outputs = outputs,
                                   .totals = &total};
    assert_int_equal(ag_scan(p->graph, step, STEPS, 1, &arrays), AG_OK);
    /* the exponent is a number that the interpreter keeps behind its slots, where the scan's are here */
    const ag_value parts[] = {
        ag_mul(u[0], ag_pow(end, ag_constant(p->graph, (ag_real)0.25))),
        ag_mul(u[1], outputs[STEPS - 1]),
        ag_mul(u[2], total),
    };
    const ag_value loss = ag_sum(3, parts);
    put_gradient(&p->sum, loss, 1, k);
    put_gradient(&p->map, loss, 1, start);
    put_gradient(&p->map, loss, STEPS, x);
    if (looks)
        (void)put(&p->map, ag_is_less(p->map.at[0], p->each.at[0]));
    finish(p);
    return p;
}

static void test_scans(void **state)
{
    (void)state;
    ag_program *step = make_step();
    check_program(record_steps(5, step, false), "scan", true);
    check_program(record_steps(6, step, true), "scan, looked at", false);
    ag_program_free(step);
}

/* So many steps that what is beside them is the interpreter's. With totals or without: what comes
 * of the steps is looked at in either case. */
static problem *record_long_scan(uint64_t seed, bool totals)
{
    enum {
        STEPS = 2500
    };
    problem *step = new_problem(7);
    const ag_value k = *add_inputs(step, &step->shared, 1), s = *add_inputs(step, &step->each, 1);
    (void)put(&step->map, ag_add(ag_scale(s, (ag_real)0.5), ag_mul(k, ag_sqrt(s))));
    finish(step);
    ag_program *program = compile(step, false);
    problem *p = new_problem(seed);
    const ag_value *shared = add_inputs(p, &p->shared, 1), *u = add_inputs(p, &p->each, 2);
    ag_value end;
    const ag_scan_arrays arrays = {.shared = shared, .state = u + 1, .final_state = &end};
    assert_int_equal(ag_scan(p->graph, program, STEPS, 1, &arrays), AG_OK);
    const ag_value loss = ag_mul(u[0], end);
    if (totals)
        put_gradient(&p->sum, loss, 1, shared);
    put_gradient(&p->map, loss, 2, u);
    finish(p);
    ag_program_free(program);
    free_problem(step);
    return p;
}

static void test_long_scans(void **state)
{
    (void)state;
    check_program(record_long_scan(7, false), "long scan", true);
    check_program(record_long_scan(8, true), "long scan with totals", true);
}

/* Gradients as inputs of a scan whose step looks at what its state has become by then. */
static void test_steps_look(void **state)
{
    (void)state;
    problem *inner = new_problem(7);
    const ag_value *s = add_inputs(inner, &inner->each, 3);
    (void)put(&inner->map, s[1]);
    (void)put(&inner->map, ag_add(s[1], s[2]));
    (void)put(&inner->map, ag_is_less(s[0], ag_constant(inner->graph, (ag_real)0.5)));
    finish(inner);
    ag_program *step = compile(inner, false);
    for (size_t steps = 2; steps <= 3; steps++) {
        problem *p = new_problem(8);
        const ag_value u = *add_inputs(p, &p->each, 1), *x = add_inputs(p, &p->each, 3);
        ag_value dx[3], end[2], outputs[3];
        ag_value y[3];
        for (size_t i = 0; i < 3; i++)
            y[i] = ag_mul(u, ag_sqrt(x[i]));
        assert_int_equal(ag_gradient(ag_sum(3, y), 3, x, dx), AG_OK);
        const ag_scan_arrays arrays = {
            .state = x, .inputs = dx, .final_state = end, .outputs = outputs};
        assert_int_equal(ag_scan(p->graph, step, steps, 2, &arrays), AG_OK);
        put_all(&p->map, 2, end);
        put_all(&p->map, steps, outputs);
        finish(p);
        check_program(p, "steps that look", false);
    }
    ag_program_free(step);
    free_problem(inner);
}

/* Second derivatives, where products of upstreams are gates of their own. */
static void test_second_derivatives(void **state)
{
    (void)state;
    problem *p = new_problem(9);
    const ag_value u = *add_inputs(p, &p->each, 1), *x = add_inputs(p, &p->each, 6);
    ag_value y[6], dx[6];
    for (size_t i = 0; i < 6; i++)
        y[i] = ag_mul(u, ag_sqrt(ag_mul(x[i], x[(i + 1) % 6])));
    assert_int_equal(ag_gradient(ag_sum(6, y), 6, x, dx), AG_OK);
    put_gradient(&p->map, ag_dot(6, dx, x), 6, x);
    finish(p);
    check_program(p, "second derivatives", true);
}

/* A number of each kind of gate that looks, of a gradient that the zero rule keeps at 0. */
static ag_value look(ag_graph *graph, size_t which, ag_value dx)
{
    const ag_value half = ag_constant(graph, (ag_real)0.5), operands[] = {half, dx};
    switch (which) {
    case 0:
        return ag_is_less(dx, half);
    case 1:
        return ag_select(dx, half, ag_constant(graph, 3));
    case 2:
        return ag_pow(ag_constant(graph, 1), dx);
    case 3:
        return ag_reciprocal(dx);
    case 4:
        return ag_atan2(dx, ag_constant(graph, -1));
    case 5:
        return ag_logsumexp(2, operands);
    default:
        return ag_relu(dx);
    }
}

static void test_lookers(void **state)
{
    (void)state;
    enum {
        KINDS = 7
    };
    problem *all = new_problem(10);
    for (size_t which = 0; which < KINDS; which++) {
        problem *one = new_problem(11);
        problem *const both[] = {one, all};
        for (size_t i = 0; i < 2; i++) {
            const ag_value *x = add_inputs(both[i], &both[i]->each, 2);
            ag_value dx;
            assert_int_equal(ag_gradient(ag_mul(x[0], ag_sqrt(x[1])), 1, x + 1, &dx), AG_OK);
            (void)put(&both[i]->map, look(both[i]->graph, which, dx));
        }
        finish(one);
        ag_program *program = compile(one, false);
        assert_false(multiplies(program));
        ag_program_free(program);
        free_problem(one);
    }
    finish(all);
    check_program(all, "lookers", false);
}

static ag_real count_call(void *context, size_t arity, const ag_real *x)
{
    (void)arity;
    ++*(size_t *)context;
    return x[0] + 1;
}

static void hand_back(void *context, size_t arity, const ag_real *x, ag_real y, ag_real upstream,
                      ag_real *downstream)
{
    (void)context, (void)arity, (void)x, (void)y;
    downstream[0] = upstream;
}

/* A closure may do anything, so the interpreter doesn't begin again where there is one. */
static void test_closures(void **state)
{
    (void)state;
    size_t calls = 0;
    problem *p = new_problem(12);
    const ag_closure closure = {.name = "count",
                                .arity = 1,
                                .forward = count_call,
                                .backward = hand_back,
                                .context = &calls};
    const ag_value *x = add_inputs(p, &p->each, 2);
    put_gradient(&p->map, ag_mul(x[0], ag_sqrt(x[1])), 1, x + 1);
    (void)put(&p->map, ag_apply(&closure, x));
    finish(p);
    ag_program *program = compile(p, false);
    make_native(program, false);
    ag_workspace *workspace = new_runner(program, true);
    double map[2];
    calls = 0;
    assert_int_equal(
        ag_run(program, workspace, 1, &(ag_arrays){.each = (const double[]){0, 0}, .map = map}),
        AG_OK);
    assert_int_equal(calls, 1);
    assert_true(map[0] == 0 && map[1] == 1);
    ag_workspace_free(workspace);
    ag_program_free(program);
    free_problem(p);
}

/* Scans that the interpreter runs: a step with a comparison, one with a closure. */
static void test_left_scans(void **state)
{
    (void)state;
    size_t calls = 0;
    const ag_closure closure = {.name = "count",
                                .arity = 1,
                                .forward = count_call,
                                .backward = hand_back,
                                .context = &calls};
    for (int is_closure = 0; is_closure < 2; is_closure++) {
        problem *inner = new_problem(13);
        const ag_value *s = add_inputs(inner, &inner->each, 2);
        const ag_value next = ag_add(ag_scale(s[0], (ag_real)0.5), ag_square(s[1]));
        if (!is_closure)
            (void)ag_lt(s[0], ag_constant(inner->graph, 100));
        (void)put(&inner->map, is_closure ? ag_apply(&closure, &next) : next);
        finish(inner);
        ag_program *step = compile(inner, false);
        problem *p = new_problem(14);
        const ag_value *x = add_inputs(p, &p->each, 5);
        ag_value end;
        assert_int_equal(
            ag_scan(p->graph, step, 4, 1,
                    &(ag_scan_arrays){.state = x, .inputs = x + 1, .final_state = &end}),
            AG_OK);
        (void)put(&p->map, end);
        finish(p);
        ag_program *program = compile(p, false);
        make_native(program, false);
        ag_workspace *workspace = new_runner(program, true);
        const double each[] = {1, 1, 0.5, 0.25, 2};
        double map;
        assert_int_equal(ag_run(program, workspace, 1, &(ag_arrays){.each = each, .map = &map}),
                         AG_OK);
        const double right = 1 / 16.0 + 1 / 8.0 + 0.25 / 4 + 0.0625 / 2 + 4;
        assert_true(is_close(map, is_closure ? right + 1.875 : right, 1e-12));
        ag_workspace_free(workspace);
        ag_program_free(program);
        ag_program_free(step);
        free_problem(p);
        free_problem(inner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates_hand_nan_on),
        cmocka_unit_test(test_who_looks),
        cmocka_unit_test(test_locals),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_neighbours_in_totals),
        cmocka_unit_test(test_outer),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_long_scans),
        cmocka_unit_test(test_steps_look),
        cmocka_unit_test(test_second_derivatives),
        cmocka_unit_test(test_lookers),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_left_scans),
    };
    return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
