/* SPDX-License-Identifier: MIT
 *
 * Generated C: every gate of the table with its derivatives, irregular graphs, nets, scans; compiled
 * with every warning, in double and in float, and compared with the recorded graph. What the files
 * say, and what is refused.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "emitting.h"
#include "random_problem.h"

/* ---- Gates ----------------------------------------------------------------------------------- */

/* Rows of operands, as each inputs, for the problems of an emission. */
static struct {
    double *rows[MOST_EMITTED];
    size_t counts[MOST_EMITTED];
} gate_points;

/* The gate of n operands with its gradient and second derivatives. */
static problem *make_gate_problem(const gate *g, size_t n, const ag_real *operands)
{
    problem *p = new_problem(1);
    ag_value x[MOST], gradient[MOST];
    for (size_t i = 0; i < n; i++)
        x[i] = put(&p->each, ag_variable(p->graph, operands[i]));
    const ag_value y = put(&p->map, g->record(n, x));
    put_gradient(&p->map, y, n, x);
    memcpy(gradient, p->map.at + 1, n * sizeof(*gradient));
    for (size_t i = 0; i < n && n <= 4; i++)
        put_gradient(&p->map, gradient[i], n, x);
    finish(p);
    return p;
}

static emission *gates_at_work;

static void add_point(const gate *g, size_t n, const ag_real *operands)
{
    static const gate *last;
    static size_t last_n;
    emission *e = gates_at_work;
    if (e->n == 0 || g != last || n != last_n)
        (void)add_emitted(e, make_gate_problem(g, n, operands), false);
    last = g;
    last_n = n;
    const size_t i = e->n - 1;
    double *rows = realloc(gate_points.rows[i], (gate_points.counts[i] + 1) * n * sizeof(*rows));
    assert_non_null(rows);
    for (size_t k = 0; k < n; k++)
        rows[gate_points.counts[i] * n + k] = (double)operands[k];
    gate_points.rows[i] = rows;
    gate_points.counts[i]++;
}

static void check_gates(ag_emit_options options)
{
    emission e = {.options = options};
    gates_at_work = &e;
    memset(&gate_points, 0, sizeof(gate_points));
    memset(&seen, 0, sizeof(seen));
    visit_samples(add_point);
    visit_edges(add_point);
    load_emission(&e);
    for (size_t i = 0; i < e.n; i++) {
        batch b =
            new_batch(e.problems[i], gate_points.counts[i], (source){0, 1, 0}, options.use_float);
        memcpy(b.each, gate_points.rows[i], b.n * e.problems[i]->each.n * sizeof(*b.each));
        run_recorded(&b);
        check_emitted(&e, i, &b);
        free_batch(&b);
        free(gate_points.rows[i]);
    }
    assert_true(e.n >= GATES);
    assert_true(4 * seen.bounded > 3 * seen.numbers);
    free_emission(&e);
}

static void test_gates(void **state)
{
    (void)state;
    check_gates((ag_emit_options){.use_float = false});
    check_gates((ag_emit_options){.use_float = true});
    check_gates((ag_emit_options){.small_libm = true});
}

/* ---- Irregular graphs ------------------------------------------------------------------------- */

static void test_random_graphs(void **state)
{
    (void)state;
    enum {
        FILES = 4,
        EACH = 40
    };
    memset(&seen, 0, sizeof(seen));
    for (size_t file = 0; file < FILES; file++) {
        emission e = {.options = {.use_float = file % 2 == 1, .static_workspace = file / 2 == 1}};
        for (size_t i = 0; i < EACH; i++)
            (void)add_emitted(&e, make_problem(file * EACH + i), i % 3 == 0);
        load_emission(&e);
        for (size_t i = 0; i < EACH; i++) {
            static const size_t sizes[] = {1, 5, 2};
            batch b = new_batch(e.problems[i], sizes[i % 3],
                                (source){-1.5, 1.5, i % 2 == 0 ? 0 : 10}, e.options.use_float);
            run_recorded(&b);
            check_emitted(&e, i, &b);
            free_batch(&b);
        }
        free_emission(&e);
    }
    assert_true(2 * seen.bounded > seen.numbers);
    assert_true(seen.branches > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
