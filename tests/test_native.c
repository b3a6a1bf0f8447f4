/* SPDX-License-Identifier: MIT
 *
 * Programs as the processor's own code, against the recorded graph: every gate, irregular graphs,
 * nets, scans, batches of every kind, in double and in float, on any number of threads.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "native_testing.h"
#include "random_problem.h"
#include "vector_problem.h"

#include <float.h>

/* Own code for both number types, and runs of it. */
static void check_native(problem *p, source from)
{
    ag_program *program = compile(p, false);
    for (int is_float = 0; is_float < 2; is_float++) {
        make_native(program, is_float);
        for (size_t i = 0; i < sizeof(batch_sizes) / sizeof(*batch_sizes); i++) {
            batch b = new_batch(p, batch_sizes[i], from, is_float);
            run_recorded(&b);
            (void)snprintf(seen.where, sizeof(seen.where), "%s, batch of %zu",
                           is_float ? "float" : "double", batch_sizes[i]);
            check_run(program, &b, is_float);
            free_batch(&b);
        }
    }
    ag_program_free(program);
    free_problem(p);
}

static void test_random_graphs(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    for (uint64_t seed = 2000; seed < 2012; seed++)
        check_native(make_problem(seed), (source){-1.5, 1.5, seed % 2 == 0 ? 0 : 10});
    assert_true(2 * seen.bounded > seen.numbers);
}

static void test_random_vectors(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    check_native(make_rows_problem(), (source){-1, 1, 0});
    for (uint64_t seed = 144; seed < 147; seed++)
        check_native(make_vector_problem(seed), (source){-1.5, 1.5, seed % 2 == 0 ? 30 : 0});
    assert_true(2 * seen.bounded > seen.numbers);
}

/* All gates in one program, each on operands of its first sample's kind. */
static void test_gates(void **state)
{
    (void)state;
    problem *p = new_problem(3);
    for (const gate *g = gates; g < gates + GATES; g++) {
        ag_value x[8];
        const size_t n = g->samples[0].n;
        for (size_t i = 0; i < n; i++)
            x[i] = put(&p->each, ag_variable(p->graph, (ag_real)g->samples[0].at[i]));
        const ag_value y = put(&p->map, g->record(n, x));
        put_gradient(&p->map, y, n, x);
    }
    finish(p);
    /* between 0.1 and 0.9 nearly all of them have values */
    check_native(p, (source){0.1, 0.9, 0});
}

/* ---- Vectors --------------------------------------------------------------------------------- */

enum {
    LENGTH = 19 /* whole vectors of any width, and some elements behind them */
};

/* Everything that numbers can be. */
static double draw_anything(problem *p)
{
    const double infinity = (double)INFINITY, nan = (double)NAN;
    const double special[] = {0,      -0.0,    1,     -1,     infinity, -infinity, nan,
                              5e-324, -5e-324, 1e308, -1e308, 709.75,   -745.2,    88.72};
    const size_t k = draw_below(p, 3 * sizeof(special) / sizeof(*special));
    return k < sizeof(special) / sizeof(*special) ? special[k]
           : k % 2 == 0                           ? draw_number(p, -3, 3)
                                                  : draw_number(p, -300, 300);
}

static void run_one(const ag_program *program, bool is_float, const double *each, double *map)
{
    const ag_program_info info = ag_program_describe(program);
    ag_workspace *workspace = ag_workspace_new((ag_program *)program, NULL, NULL);
    float *all = calloc(info.each_count + info.map_count, sizeof(*all));
    assert_non_null(workspace);
    assert_non_null(all);
    float *out = all + info.each_count;
    round_all(info.each_count, each, all);
    assert_int_equal(
        is_float ? ag_run_float(program, workspace, 1, &(ag_arrays_float){.each = all, .map = out})
                 : ag_run(program, workspace, 1, &(ag_arrays){.each = each, .map = map}),
        AG_OK);
    if (is_float)
        widen_all(info.map_count, out, map);
    free(all);
    ag_workspace_free(workspace);
}

/* Each gate over vectors of anything, with a single lane: as the interpreter has it. Both are within
 * some ulps of libm, softplus within 18. */
static void test_vectors(void **state)
{
    (void)state;
    problem *p = new_problem(5);
    const ag_value *x = add_inputs(p, &p->each, 3 * LENGTH);
    for (const gate *g = gates; g < gates + GATES; g++) {
        const size_t n = g->samples[0].n;
        for (size_t i = 0; i < LENGTH && n <= 3; i++) {
            const ag_value operands[] = {x[i], x[LENGTH + i], x[2 * LENGTH + i]};
            (void)put(&p->map, g->record(n, operands));
        }
    }
    (void)put(&p->map, ag_max_of(3 * LENGTH, x));
    (void)put(&p->map, ag_max_of(LENGTH, x));
    finish(p);
    ag_program *program = compile(p, false);
    double *before = new_numbers(p->map.n), *after = new_numbers(p->map.n), each[3 * LENGTH];
    for (int is_float = 0; is_float < 2; is_float++) {
        ag_error_details error;
        ag_program *native = compile(p, false);
        const ag_native_options options = {.use_float = is_float, .cache = cache};
        if (ag_native(native, &options, &error) != AG_OK)
            fail_msg("%s", error.message);
        for (int round = 0; round < 40; round++) {
            for (size_t i = 0; i < 3 * LENGTH; i++)
                each[i] = round % 2 == 0 ? draw_anything(p) : draw_number(p, -2, 2);
            run_one(program, is_float, each, before);
            run_one(native, is_float, each, after);
            const double unit = is_float ? (double)FLT_EPSILON : DBL_EPSILON;
            const double least = is_float ? (double)FLT_MIN : DBL_MIN;
            for (size_t i = 0; i < p->map.n; i++) {
                const double a = after[i], b = before[i];
                if (a == b || (isnan(a) && isnan(b)) ||
                    fabs(a - b) <= 36 * unit * (fabs(b) + least))
                    continue;
                fail_msg("%s, %s of element %zu: %.17g, not %.17g", is_float ? "float" : "double",
                         ag_gate_name(p->map.at[i]), i % LENGTH, a, b);
            }
        }
        ag_program_free(native);
    }
    free(before);
    free(after);
    ag_program_free(program);
    free_problem(p);
}

/* A tanh net with its gradient. */
static void test_net(void **state)
{
    (void)state;
    enum {
        IN = 9,
        HIDDEN = 33,
        OUT = 5
    };
    problem *p = new_problem(5);
    const ag_value *w = add_inputs(p, &p->shared, HIDDEN * (IN + 1) + OUT * (HIDDEN + 1));
    const ag_value *x = add_inputs(p, &p->each, IN), *t = add_inputs(p, &p->each, OUT);
    ag_value hidden[HIDDEN], loss = ag_constant(p->graph, 0);
    for (size_t i = 0; i < HIDDEN; i++, w += IN + 1)
        hidden[i] = ag_tanh(ag_add(ag_dot(IN, w, x), w[IN]));
    for (size_t i = 0; i < OUT; i++, w += HIDDEN + 1) {
        const ag_value y = put(&p->map, ag_add(ag_dot(HIDDEN, w, hidden), w[HIDDEN]));
        loss = ag_add(loss, ag_square(ag_sub(y, t[i])));
    }
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, p->shared.n, p->shared.at);
    finish(p);
    check_native(p, (source){-1, 1, 0});
}

/* Powers over lanes are the interpreter's, between numbers that are not. */
static void test_powers(void **state)
{
    (void)state;
    enum {
        N = 40
    };
    problem *p = new_problem(6);
    const ag_value *c = add_inputs(p, &p->shared, N), t = add_input(p, &p->each);
    const ag_value x = ag_shift(ag_scale(t, (ag_real)0.75), (ag_real)0.25);
    ag_value power = x, polynomial = c[0];
    for (size_t i = 1; i < N; i++) {
        polynomial = ag_add(polynomial, ag_mul(c[i], power));
        power = ag_mul(power, x);
    }
    const ag_value total = ag_square(ag_sub(ag_sin(x), polynomial));
    (void)put(&p->sum, total);
    put_gradient(&p->sum, total, N, c);
    put_gradient(&p->map, total, 1, &t);
    finish(p);
    check_native(p, (source){-1, 1, 0});
}

/* Own code and interpreter, where bounds of the recorded graph say little: what a scan does on its way
 * to a number is in no graph. Numbers are about 1. */
static void compare_with_interpreter(problem *p)
{
    ag_program *program = compile(p, false);
    for (int is_float = 0; is_float < 2; is_float++) {
        make_native(program, is_float);
        for (size_t i = 0; i < sizeof(batch_sizes) / sizeof(*batch_sizes); i++) {
            batch b = new_batch(p, batch_sizes[i], (source){-1, 1, 0}, is_float);
            results r[] = {new_results(&b), new_results(&b)};
            for (size_t k = 0; k < 2; k++) {
                ag_workspace *workspace = new_runner(program, k == 0);
                const ag_arrays arrays = {.shared = b.shared,
                                          .each = b.each,
                                          .sum = r[k].sum,
                                          .map = r[k].map,
                                          .once = r[k].once};
                assert_int_equal(
                    is_float ? run_in_float(program, workspace, &b, r[k].sum, r[k].map, r[k].once)
                             : ag_run(program, workspace, b.n, &arrays),
                    AG_OK);
                ag_workspace_free(workspace);
            }
            const double tolerance = is_float ? 1e-4 : 1e-12;
            for (size_t k = 0; k < p->sum.n; k++)
                assert_true(fabs(r[0].sum[k] - r[1].sum[k]) <= tolerance * (double)b.n);
            for (size_t k = 0; k < b.n * p->map.n; k++)
                assert_true(fabs(r[0].map[k] - r[1].map[k]) <= tolerance);
            free_results(&r[0]);
            free_results(&r[1]);
            free_batch(&b);
        }
    }
    ag_program_free(program);
}

static void test_scan(void **state)
{
    (void)state;
    problem *problems[] = {make_scan_problem(7), make_shapes_problem()};
    for (size_t i = 0; i < 2; i++) {
        compare_with_interpreter(problems[i]);
        free_problem(problems[i]);
    }
}

/* Beside so many steps what comes before and after them is left to the interpreter, in the middle of
 * own code; numbers of the latter go into it, and back. */
static void test_long_scan(void **state)
{
    enum {
        STEPS = 2000,
        STATES = 5
    };
    (void)state;
    problem *step = new_problem(9);
    const ag_value *k = add_inputs(step, &step->shared, STATES),
                   *s = add_inputs(step, &step->each, STATES);
    for (size_t i = 0; i < STATES; i++)
        (void)put(&step->map,
                  ag_shift(ag_scale(ag_add(s[i], ag_mul(k[i], s[(i + 1) % STATES])), (ag_real)0.5),
                           (ag_real)0.25));
    (void)put(&step->sum, ag_scale(ag_square(s[0]), (ag_real)1 / STEPS));
    finish(step);
    ag_program *program = compile(step, false);

    problem *p = new_problem(10);
    const ag_value *shared = add_inputs(p, &p->shared, STATES);
    const ag_value *start = add_inputs(p, &p->each, STATES);
    ag_value begin[STATES], end[STATES], total;
    for (size_t i = 0; i < STATES; i++)
        begin[i] = ag_sin(ag_mul(start[i], shared[i]));
    const ag_scan_arrays arrays = {
        .shared = shared, .state = begin, .final_state = end, .totals = &total};
    assert_int_equal(ag_scan(p->graph, program, STEPS, STATES, &arrays), AG_OK);
    const ag_value norm = ag_tanh(ag_dot(STATES, end, end));
    const ag_value root = put(&p->sum, ag_add(ag_mul(norm, start[0]), total));
    (void)put(&p->once, ag_dot(STATES, shared, shared));
    put_gradient(&p->sum, root, STATES, shared);
    put_gradient(&p->map, root, STATES, start);
    finish(p);
    compare_with_interpreter(p);
    ag_program_free(program);
    free_problem(step);
    free_problem(p);
}

static ag_value repeat(problem *p, ag_program *step, size_t steps, size_t states,
                       const ag_value *start, ag_value *end)
{
    const ag_scan_arrays arrays = {.state = start, .final_state = end};
    assert_int_equal(ag_scan(p->graph, step, steps, states, &arrays), AG_OK);
    return end[0];
}

/* What a step writes the next one reads, which compilers must not forget once both are in a loop. */
static void test_states_in_turns(void **state)
{
    enum {
        STATES = 8
    };
    (void)state;
    problem *step = new_problem(11);
    const ag_value *s = add_inputs(step, &step->each, STATES);
    const size_t of[STATES][3] = {{1, 1, 0}, {5, 5, 1}, {6, 0, 2}, {3, 3, 3},
                                  {3, 5, 4}, {7, 0, 5}, {3, 0, 6}, {3, 3, 7}};
    for (size_t i = 0; i < STATES; i++) {
        const ag_value x = of[i][1] == 0 ? s[of[i][0]] : ag_mul(s[of[i][0]], s[of[i][1]]);
        (void)put(&step->map, ag_add(ag_scale(ag_sin(x), (ag_real)0.15),
                                     ag_scale(s[(of[i][2] + i) % STATES], (ag_real)0.5)));
    }
    finish(step);
    ag_program *program = compile(step, false);
    problem *p = new_problem(12);
    ag_value start[STATES], end[STATES];
    const ag_value *x = add_inputs(p, &p->each, 3);
    for (size_t i = 0; i < STATES; i++)
        start[i] = x[i % 3];
    (void)repeat(p, program, 400, STATES, start, end);
    put_all(&p->map, STATES, end);
    finish(p);
    compare_with_interpreter(p);
    ag_program_free(program);
    free_problem(step);
    free_problem(p);
}

/* Every compiler that is here: own code goes on with what the interpreter has written. */
static void test_compilers(void **state)
{
    (void)state;
    problem *step = new_problem(13);
    const ag_value s = *add_inputs(step, &step->each, 1);
    (void)put(&step->map, ag_shift(ag_scale(ag_sin(s), (ag_real)0.5), (ag_real)0.25));
    finish(step);
    ag_program *program = compile(step, false);
    problem *p = new_problem(14);
    const ag_value x = *add_inputs(p, &p->each, 1);
    ag_value end;
    (void)put(&p->map, ag_tanh(repeat(p, program, 4000, 1, &x, &end)));
    finish(p);
    const char *const compilers[] = {"cc", "gcc", "clang"};
    const double each = 0.5;
    for (size_t i = 0; i < sizeof(compilers) / sizeof(*compilers); i++) {
        ag_program *own = compile(p, false);
        double right, found;
        ag_workspace *workspace = ag_workspace_new(own, NULL, NULL);
        assert_int_equal(ag_run(own, workspace, 1, &(ag_arrays){.each = &each, .map = &right}),
                         AG_OK);
        ag_workspace_free(workspace);
        const ag_native_options options = {.compiler = compilers[i], .cache = cache};
        const ag_status status = ag_native(own, &options, NULL);
        assert_true(status == AG_OK || status == AG_UNAVAILABLE);
        workspace = ag_workspace_new(own, NULL, NULL);
        assert_int_equal(ag_run(own, workspace, 1, &(ag_arrays){.each = &each, .map = &found}),
                         AG_OK);
        assert_true(fabs(found - right) < 1e-12);
        ag_workspace_free(workspace);
        ag_program_free(own);
    }
    ag_program_free(program);
    free_problem(step);
    free_problem(p);
}

/* sum may be the shared array: a step of gradient descent, by both. */
static void test_steps_in_place(void **state)
{
    (void)state;
    problem *p = new_problem(8);
    const ag_value *w = add_inputs(p, &p->shared, 40), *x = add_inputs(p, &p->each, 40);
    const ag_value y = ag_tanh(ag_dot(40, w, x));
    put_gradient(&p->sum, ag_square(y), 40, w);
    finish(p);
    double shared[2][40], each[3][40];
    for (size_t i = 0; i < 40; i++) {
        shared[0][i] = shared[1][i] = draw_number(p, -1, 1);
        for (size_t s = 0; s < 3; s++)
            each[s][i] = draw_number(p, -1, 1);
    }
    for (size_t i = 0; i < 2; i++) {
        ag_program *program = compile(p, false);
        if (i == 1)
            assert_int_equal(ag_native(program, &(ag_native_options){.cache = cache}, NULL), AG_OK);
        ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
        for (size_t n = 1; n <= 3; n += 2)
            assert_int_equal(
                ag_run(program, workspace, n,
                       &(ag_arrays){
                           .shared = shared[i], .each = each[0], .sum = shared[i], .scale = -0.25}),
                AG_OK);
        ag_workspace_free(workspace);
        ag_program_free(program);
    }
    for (size_t i = 0; i < 40; i++)
        assert_true(fabs(shared[0][i] - shared[1][i]) < 1e-13);
    free_problem(p);
}

static void test_same_bits_on_threads(void **state)
{
    (void)state;
    enum {
        BATCH = 20000
    };
    problem *p = new_problem(9);
    const ag_value *w = add_inputs(p, &p->shared, 8), *x = add_inputs(p, &p->each, 8);
    const ag_value y = ag_tanh(ag_dot(8, w, x));
    put_gradient(&p->sum, ag_square(y), 8, w);
    finish(p);
    ag_program *program = compile(p, false);
    assert_int_equal(ag_native(program, &(ag_native_options){.cache = cache}, NULL), AG_OK);
    double shared[8], *each = new_numbers(BATCH * 8), sum[3][8];
    for (size_t i = 0; i < 8; i++)
        shared[i] = draw_number(p, -1, 1);
    for (size_t i = 0; i < BATCH * 8; i++)
        each[i] = draw_number(p, -1, 1);
    for (size_t threads = 1; threads <= 3; threads++) {
        ag_workspace *workspace =
            ag_workspace_new(program, &(ag_workspace_options){.threads = threads}, NULL);
        assert_int_equal(
            ag_run(program, workspace, BATCH,
                   &(ag_arrays){.shared = shared, .each = each, .sum = sum[threads - 1]}),
            AG_OK);
        ag_workspace_free(workspace);
    }
    assert_memory_equal(sum[0], sum[1], sizeof(sum[0]));
    assert_memory_equal(sum[0], sum[2], sizeof(sum[0]));
    free(each);
    ag_program_free(program);
    free_problem(p);
}

/* Without a compiler the program runs as it did. */
static void test_falls_back(void **state)
{
    (void)state;
    ag_error_details error;
    problem *p = new_problem(10);
    (void)put(&p->map, ag_square(*add_inputs(p, &p->each, 1)));
    finish(p);
    ag_program *program = compile(p, false);
    const ag_native_options options = {.compiler = "there-is-no-such-compiler", .cache = cache};
    assert_int_equal(ag_native(program, &options, &error), AG_UNAVAILABLE);
    assert_non_null(strstr(error.message, "there-is-no-such-compiler"));
    check_numbers(p, program);
    assert_int_equal(ag_native(NULL, NULL, &error), AG_INVALID_ARGUMENT);
    ag_program_free(program);
    free_problem(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_random_vectors),
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_long_scan),
        cmocka_unit_test(test_states_in_turns),
        cmocka_unit_test(test_compilers),
        cmocka_unit_test(test_steps_in_place),
        cmocka_unit_test(test_same_bits_on_threads),
        cmocka_unit_test(test_falls_back),
        cmocka_unit_test(test_powers),
    };
    return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
