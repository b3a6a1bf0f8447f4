/* SPDX-License-Identifier: MIT
 *
 * Graphs ten million gates deep, on a stack of 256 KiB: whatever walks a graph must not recurse.
 * Prints what a gate took; judges bytes, not times.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "scenario.h"

#include "engine.h"

#include <wengert/program.h>

#include <pthread.h>
#include <time.h>

enum {
    STACK = 256 * 1024,
    DEEP = 10 * 1000 * 1000,
    LESS_DEEP = 100 * 1000 /* where every gate is printed, or calls back */
};

/* cmocka's assertions are for the main thread: work on the small stack answers NULL, or what went
 * wrong. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (false)

typedef const char *work(ag_graph *graph);

typedef struct job {
    work *work;
    ag_graph *graph;
    const char *failed;
} job;

static void *run_job(void *argument)
{
    job *j = argument;
    j->failed = j->work(j->graph);
    return NULL;
}

/* Runs on a thread with a small stack. The graph has room for n nodes, and nothing grows ahead. */
static void run_on_small_stack(work *go, uint32_t n)
{
    job j = {go, ag_graph_new(&(ag_graph_options){.max_nodes = n}), NULL};
    assert_non_null(j.graph);
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_job, &j), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    if (j.failed != NULL)
        print_error("%s: %s\n", j.failed, ag_error_message(j.graph));
    assert_null(j.failed);
    assert_int_equal(ag_error(j.graph), AG_OK);
    ag_graph_free(j.graph);
}

static double take_time(double *last)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double t = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec, passed = t - *last;
    *last = t;
    return 1e9 * passed / DEEP;
}

/* y = x + c + c + ..., whose values and gradients are whole numbers, exact in a float, too. */
static const char *go_deep(ag_graph *graph)
{
    double last = 0, record, backward, forward, order;
    (void)take_time(&last);
    const size_t empty = ag_graph_bytes(graph);
    const ag_value x = ag_variable(graph, 1), c = ag_variable(graph, 1);
    ag_value y = x;
    for (int i = 0; i < DEEP; i++)
        y = ag_add(y, c);
    record = take_time(&last);
    NEED(ag_data(y) == DEEP + 1);
    NEED(ag_backward(y) == AG_OK);
    backward = take_time(&last);
    NEED(ag_grad(x) == 1 && ag_grad(c) == DEEP && ag_grad(y) == 1);
    NEED(ag_set(x, 5) == AG_OK);
    NEED(ag_forward(y) == AG_OK);
    forward = take_time(&last);
    NEED(ag_data(y) == DEEP + 5);
    ag_value lowest[3];
    NEED(ag_topological_order(y, lowest, 3) == DEEP + 2);
    order = take_time(&last);
    NEED(lowest[0].index == x.index && lowest[1].index == c.index && ag_data(lowest[2]) == 6);
    const size_t bytes = ag_graph_bytes(graph) - empty;
    NEED(bytes <= 28 * ((size_t)DEEP + 2));
    NEED(bytes == (10 + 2 * sizeof(ag_real)) * ((size_t)DEEP + 2)); /* as autograd.h says */
    print_message("%d gates deep, ns a gate: record %.1f, backward %.1f, forward again %.1f, "
                  "order %.1f; %.1f bytes a node\n",
                  DEEP, record, backward, forward, order, (double)bytes / (DEEP + 2));
    return NULL;
}

static void test_ten_million_gates(void **state)
{
    (void)state;
    run_on_small_stack(go_deep, DEEP + 2);
}

static const char *go_deep_checking(ag_graph *graph)
{
    ag_set_check(graph, true);
    const ag_value x = ag_variable(graph, 1), c = ag_variable(graph, 0);
    ag_value y = ag_log(ag_variable(graph, -1));
    for (int i = 3; i < DEEP / 10; i++)
        y = ag_add(i % 2 == 0 ? y : x, i % 2 == 0 ? c : y);
    NEED(ag_backward(y) == AG_NOT_FINITE);
    NEED(strstr(ag_error_message(graph), "log(#2 = -1)") != NULL);
    ag_clear_error(graph);
    NEED(ag_set((ag_value){graph, 2, x.generation}, 1) == AG_OK);
    NEED(ag_forward(y) == AG_OK);
    NEED(ag_backward(y) == AG_OK);
    NEED(ag_grad(x) == ag_data(y));
    return NULL;
}

static void test_deep_in_check_mode(void **state)
{
    (void)state;
    run_on_small_stack(go_deep_checking, DEEP / 10 + 1);
}

/* Operand lists and custom gates all the way down; explained, drawn and checked. */
static const char *go_deep_with_lists(ag_graph *graph)
{
    static int alive;
    alive = 0;
    const ag_value x = ag_variable(graph, 1), c = ag_variable(graph, 1);
    const ag_value one = ag_constant(graph, 1);
    const ag_mark mark = ag_graph_mark(graph);
    ag_value y = x;
    for (int i = 0; i < LESS_DEEP / 2; i++) {
        y = ag_dot(2, (const ag_value[]){y, c}, (const ag_value[]){one, one});
        y = apply_product(&alive, 2, (const ag_value[]){y, one});
    }
    NEED(ag_data(y) == LESS_DEEP / 2 + 1);
    NEED(alive == LESS_DEEP / 2);
    NEED(ag_name(y, "deep") == AG_OK);
    NEED(ag_backward(y) == AG_OK);
    NEED(ag_grad(x) == 1 && ag_grad(c) == LESS_DEEP / 2);
    NEED(ag_set(c, 0) == AG_OK); /* or the check's small steps would be lost in a float */
    NEED(ag_forward(y) == AG_OK);
    NEED(ag_data(y) == 1);
    FILE *file = tmpfile();
    NEED(file != NULL);
    const ag_status explained = ag_explain(y, file);
    const ag_status drawn = ag_write_dot(y, file, &(ag_dot_options){.max_nodes = LESS_DEEP + 3});
    const long written = ftell(file);
    fclose(file);
    NEED(explained == AG_OK && drawn == AG_OK && written > LESS_DEEP * 20L);
    ag_gradcheck_row row;
    bool passed = false;
    NEED(ag_gradcheck_root(y, 1, &x, NULL, &row, &passed) == AG_OK && passed);
    NEED(ag_graph_rewind(graph, mark) == AG_OK);
    NEED(alive == 0 && ag_is_null(ag_find(graph, "deep")));
    NEED(ag_graph_count(graph) == 3);
    return NULL;
}

static void test_deep_with_lists(void **state)
{
    (void)state;
    run_on_small_stack(go_deep_with_lists, LESS_DEEP + 3);
}

/* One gate over a million operands. */
static const char *go_wide(ag_graph *graph)
{
    const size_t n = DEEP / 10;
    ag_value *x = malloc(n * sizeof(*x));
    NEED(x != NULL);
    for (size_t i = 0; i < n; i++)
        x[i] = ag_variable(graph, (ag_real)(i % 4));
    const ag_value sum = ag_sum(n, x), dot = ag_dot(n, x, x), most = ag_max_of(n, x);
    const ag_value y = ag_add(ag_add(sum, dot), most);
    const ag_status status = ag_backward(y);
    const bool right = ag_grad(x[0]) == 1 && ag_grad(x[n - 1]) == 7 && ag_grad(x[3]) == 8;
    ag_set_check(graph, true); /* must not look at all operands for each operand */
    const ag_status checked = ag_backward(y);
    free(x);
    NEED(status == AG_OK && right);
    NEED(checked == AG_OK);
    NEED(ag_data(y) == (ag_real)(n / 4 * (6 + 14) + 3));
    return NULL;
}

static void test_a_million_operands(void **state)
{
    (void)state;
    run_on_small_stack(go_wide, DEEP / 10 + 5);
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(ag_value), 16);
    assert_int_equal(sizeof(*((ag_graph *)NULL)->gates) + sizeof(agi_operands), 9);
    assert_true(
        sizeof(*((ag_graph *)NULL)->gates) + sizeof(agi_operands) + 2 * sizeof(ag_real) + 1 <= 28);
}

/* ---- Compiled -------------------------------------------------------------------------------- */

typedef struct meter {
    size_t bytes, peak;
} meter;

static void *measure(void *user, void *pointer, size_t old_size, size_t new_size)
{
    meter *m = user;
    void *block = NULL;
    if (new_size == 0)
        free(pointer);
    else
        block = realloc(pointer, new_size);
    if (new_size == 0 || block != NULL)
        m->bytes += new_size - old_size;
    m->peak = m->bytes > m->peak ? m->bytes : m->peak;
    return block;
}

/* Memory in proportion to the gates, with one lane and with several. */
static const char *compile_deep(ag_graph *graph)
{
    enum {
        GATES = DEEP / 10,
        BYTES = 300 /* a gate, while compiling */
    };
    meter m = {0};
    const ag_value x = ag_variable(graph, 1);
    ag_value y = x;
    for (int i = 0; i < GATES; i++)
        y = i % 2 == 0 ? ag_max(y, x) : ag_abs(y);
    ag_program *program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1},
                   &(ag_compile_options){.allocator = measure, .allocator_user = &m});
    NEED(program != NULL);
    NEED(m.peak <= (size_t)BYTES * GATES);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    const double each[] = {3, -4};
    double map[] = {0, 0, 0};
    NEED(ag_run(program, workspace, 2, &(ag_arrays){.each = each, .map = map}) == AG_OK);
    NEED(ag_run(program, workspace, 1, &(ag_arrays){.each = each + 1, .map = map + 2}) == AG_OK);
    NEED(map[0] == 3 && map[1] == 4 && map[2] == 4);
    ag_workspace_free(workspace);
    ag_program_free(program);
    NEED(m.bytes == 0);
    return NULL;
}

static void test_a_million_gates_compiled(void **state)
{
    (void)state;
    run_on_small_stack(compile_deep, DEEP / 10 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_million_gates),  cmocka_unit_test(test_a_million_gates_compiled),
        cmocka_unit_test(test_deep_in_check_mode), cmocka_unit_test(test_deep_with_lists),
        cmocka_unit_test(test_a_million_operands), cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
