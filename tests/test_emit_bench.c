/* SPDX-License-Identifier: MIT
 *
 * What the benchmarks record, as generated C, in double and in float, against the interpreter. With
 * some 60,000 statements in a row its compilation takes a while.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "../bench/programs.h"

#include "emitting.h"

typedef struct subject {
    const char *name;
    size_t inputs, wanted;
    double low, high;
    ag_value (*record)(ag_graph *graph, const ag_value *x);
} subject;

static const subject subjects[] = {
    {"lorenz", LORENZ_INPUTS, LORENZ_INPUTS, 0.9, 1.1, record_lorenz_flat},
    {"lorenz_scan", LORENZ_INPUTS, LORENZ_INPUTS, 0.9, 1.1, record_lorenz_scan},
    {"net", NET_INPUTS, NET_PARAMETERS, -0.15, 0.15, record_net},
    {"rosenbrock", ROSENBROCK_SIZE, ROSENBROCK_SIZE, -1, 1, record_rosenbrock},
    {"ode", ODE_SIZE, ODE_SIZE, 0.9, 1.1, record_ode_scan},
    {"logsumexp", SUM_SIZE, SUM_SIZE, -1, 1, record_logsumexp},
};

enum {
    SUBJECTS = sizeof(subjects) / sizeof(*subjects)
};

static ag_program *compile_subject(const subject *s, const double *x)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *values = calloc(s->inputs + s->wanted + 1, sizeof(*values));
    assert_non_null(values);
    ag_value *outputs = values + s->inputs;
    for (size_t i = 0; i < s->inputs; i++)
        values[i] = ag_variable(graph, (ag_real)x[i]);
    outputs[0] = s->record(graph, values);
    assert_int_equal(ag_gradient(outputs[0], s->wanted, values, outputs + 1), AG_OK);
    ag_program *program = ag_compile(
        &(ag_signature){
            .each = values, .each_count = s->inputs, .map = outputs, .map_count = s->wanted + 1},
        NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    free(values);
    return program;
}

static void check_subject(const subject *s, bool use_float)
{
    problem random = {.random = 7};
    double *x = new_numbers(s->inputs), *expected = new_numbers(s->wanted + 1);
    for (size_t i = 0; i < s->inputs; i++)
        x[i] = draw_number(&random, s->low, s->high);
    if (s->inputs == LORENZ_INPUTS)
        memcpy(x + 3, (const double[]){10, 28, 2.75}, 3 * sizeof(*x));
    ag_program *program = compile_subject(s, x);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    float *all = calloc(s->inputs + s->wanted + 1, sizeof(*all));
    assert_non_null(all);
    round_all(s->inputs, x, all);
    assert_int_equal(use_float
                         ? ag_run_float(program, workspace, 1,
                                        &(ag_arrays_float){.each = all, .map = all + s->inputs})
                         : ag_run(program, workspace, 1, &(ag_arrays){.each = x, .map = expected}),
                     AG_OK);
    if (use_float)
        widen_all(s->wanted + 1, all + s->inputs, expected);
    ag_workspace_free(workspace);

    emission e = {.n = 0, .options = {.use_float = use_float}};
    problem shape = {.graph = NULL}; /* what there is in which role, for the wrapper */
    shape.each.n = shape.map.n = 1;
    e.problems[0] = &shape;
    (void)snprintf(e.names[0], sizeof(e.names[0]), "f0");
    e.functions[0] = (ag_c_function){.name = e.names[0], .program = program};
    e.programs[0] = program;
    e.n = 1;
    load_emission(&e);
    batch b = {.n = 1, .problem = &shape};
    results r = {.map = new_numbers(s->wanted + 1)};
    if (use_float) {
        call_float *call;
        find_call(&e, 0, &call);
        assert_int_equal(call(1, NULL, all, NULL, all + s->inputs, NULL, 0), 0);
        widen_all(s->wanted + 1, all + s->inputs, r.map);
    } else {
        b.each = x;
        run_emitted(&e, 0, &b, &r, 0);
        assert_int_equal(r.status, AG_OK);
    }
    double largest = 0;
    for (size_t i = 0; i <= s->wanted; i++)
        largest = isfinite(expected[i]) ? fmax(largest, fabs(expected[i])) : largest;
    /* rounding is what a chaotic system amplifies: some 7 digits in 8 units of time */
    const double digits = s->inputs == LORENZ_INPUTS ? 1e4 : 1;
    const double tolerance = digits * (use_float ? 1e-4 : 1e-11) * largest;
    for (size_t i = 0; i <= s->wanted; i++)
        if (isfinite(expected[i]) ? !(fabs(r.map[i] - expected[i]) <= tolerance)
                                  : !is_same(r.map[i], expected[i]))
            fail_msg("%s, %s: output %zu is %.17g, not %.17g", s->name,
                     use_float ? "float" : "double", i, r.map[i], expected[i]);
    e.n = 0; /* the program is ours, the problem no problem */
    free_emission(&e);
    ag_program_free(program);
    free(all);
    free(r.map);
    free(x);
    free(expected);
}

static void test_benchmarks(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int use_float = 0; use_float < 2; use_float++)
            check_subject(&subjects[i], use_float);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_benchmarks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
