/* SPDX-License-Identifier: MIT
 *
 * Threads with a graph each, all running everything there is, and threads that run one program: no
 * thread must see another's doings, and each computes the bits that it computes alone. Made to be
 * run with ThreadSanitizer; so nothing here starts OpenMP's threads, which it does not understand.
 */
#include "scenario.h"

#include <wengert/program.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum {
    THREADS = 4,
    ROUNDS = 3,
    STEPS = 1000
};

/* What a thread found, in numbers. An assertion that fails in a thread ends the program. */
typedef struct findings {
    uint64_t seed;
    scenario story;
    uint64_t digest; /* of every value and gradient at every random step */
    uint64_t text;   /* of all that was printed */
    ag_gradcheck_row rows[2];
    bool passed;
} findings;

/* FNV-1a */
static void digest(uint64_t *sum, const void *data, size_t size)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < size; i++)
        *sum = (*sum ^ byte[i]) * UINT64_C(0x100000001B3);
}

static void digest_number(uint64_t *sum, ag_real number)
{
    digest(sum, &number, sizeof(number));
}

static void digest_text(uint64_t *sum, const char *text)
{
    digest(sum, text, strlen(text));
}

static void tell_story(findings *f, FILE *file)
{
    memset(&f->story, 0, sizeof(f->story));
    f->story.graph = ag_graph_new(NULL);
    f->story.file = file;
    assert_int_equal(run_scenario(&f->story), AG_OK);
    ag_graph_free(f->story.graph);
    f->story.graph = NULL;
    f->story.file = NULL;
    assert_int_equal(f->story.alive, 0);
}

static void take_random_steps(findings *f, FILE *file)
{
    machine *m = new_machine(ag_graph_new(NULL), f->seed);
    m->file = file;
    begin_machine(m);
    for (int i = 0; i < STEPS; i++) {
        const int outcome = step_machine(m);
        digest(&f->digest, &outcome, sizeof(outcome));
        digest_text(&f->digest, ag_status_name(ag_error(m->graph)));
        digest_text(&f->digest, ag_error_message(m->graph));
        ag_clear_error(m->graph);
        for (size_t k = 0; k < m->count; k++) {
            digest_number(&f->digest, ag_data(m->values[k]));
            digest_number(&f->digest, ag_grad(m->values[k]));
        }
    }
    ag_graph_free(m->graph);
    assert_int_equal(m->alive, 0);
    free(m);
}

static ag_value build_lgamma(ag_graph *graph, size_t n, const ag_value *inputs, void *context)
{
    (void)graph, (void)n, (void)context;
    return ag_mul(ag_lgamma(inputs[0]), ag_polygamma(ag_constant(graph, 1), inputs[1]));
}

static void check_function(findings *f)
{
    const ag_real at[] = {(ag_real)-1.5, (ag_real)2.5};
    assert_int_equal(ag_gradcheck(build_lgamma, NULL, 2, at, NULL, f->rows, &f->passed, NULL),
                     AG_OK);
}

static void digest_file(findings *f, FILE *file)
{
    char block[4096];
    rewind(file);
    for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;)
        digest(&f->text, block, n);
}

static void *find(void *argument)
{
    findings *f = argument;
    for (int round = 0; round < ROUNDS; round++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        tell_story(f, file);
        take_random_steps(f, file);
        check_function(f);
        digest_file(f, file);
        fclose(file);
    }
    return NULL;
}

static void assert_same_findings(const findings *f, const findings *expected)
{
    assert_true(f->passed);
    assert_true(f->digest == expected->digest);
    assert_true(f->text == expected->text);
    assert_int_equal(f->story.count, expected->story.count);
    assert_memory_equal(f->story.numbers, expected->story.numbers,
                        f->story.count * sizeof(ag_real));
    for (int i = 0; i < 2; i++) {
        assert_same(f->rows[i].analytic, expected->rows[i].analytic);
        assert_same(f->rows[i].numeric, expected->rows[i].numeric);
    }
}

static void test_threads_with_a_graph_each(void **state)
{
    (void)state;
    static findings expected[THREADS], found[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        expected[i].seed = found[i].seed = (uint64_t)(i / 2); /* two by two */
        (void)find(&expected[i]);
    }
    assert_true(expected[0].digest == expected[1].digest);
    assert_true(expected[0].digest != expected[2].digest);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find, &found[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_same_findings(&found[i], &expected[i]);
}

/* A graph goes from thread to thread, which is fine one after the other. */
static void *add_one(void *argument)
{
    ag_value *x = argument;
    *x = ag_shift(*x, 1);
    return NULL;
}

static void test_graph_that_wanders(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 1);
    ag_value y = x;
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, add_one, &y), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_same(ag_data(y), 11);
    assert_int_equal(ag_backward(y), AG_OK);
    assert_same(ag_grad(x), 1);
    ag_graph_free(graph);
}

/* ---- One program ----------------------------------------------------------------------------- */

enum {
    SAMPLES = 150
};

/* What one thread brings and gets. The program is its own to free. */
typedef struct user {
    ag_program *program;
    double each[2 * SAMPLES], sum[3], map[SAMPLES];
    ag_status status, branch;
    size_t sum_count;
    char message[80];
} user;

static ag_program *compile_neuron(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value w[] = {ag_variable(graph, 1), ag_variable(graph, 1)};
    const ag_value each[] = {ag_variable(graph, 1), ag_variable(graph, 1)};
    const ag_value y = ag_tanh(ag_add(ag_mul(w[0], each[0]), w[1]));
    ag_value sum[3] = {ag_square(ag_sub(y, each[1]))};
    assert_true(ag_lt(each[0], ag_constant(graph, 2)));
    assert_int_equal(ag_gradient(sum[0], 2, w, sum + 1), AG_OK);
    ag_program *program = ag_compile(&(ag_signature){.shared = w,
                                                     .shared_count = 2,
                                                     .each = each,
                                                     .each_count = 2,
                                                     .sum = sum,
                                                     .sum_count = 3,
                                                     .map = &y,
                                                     .map_count = 1},
                                     NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

static void *use_program(void *argument)
{
    user *u = argument;
    const double w[] = {0.5, -0.25};
    const ag_arrays arrays = {.shared = w, .each = u->each, .sum = u->sum, .map = u->map};
    ag_workspace *workspace =
        ag_workspace_new(u->program, &(ag_workspace_options){.threads = 1}, NULL);
    if (workspace == NULL)
        return NULL; /* cmocka's assertions are for the main thread, which sees no status */
    for (int round = 0; round < ROUNDS; round++)
        u->status = ag_run(u->program, workspace, SAMPLES, &arrays);
    const double x = u->each[0];
    u->each[0] = 3;
    u->branch = ag_run(u->program, workspace, SAMPLES, &arrays);
    u->each[0] = x;
    (void)snprintf(u->message, sizeof(u->message), "%s", ag_workspace_message(workspace));
    ag_program_free(u->program); /* and the workspace goes on with it */
    u->sum_count = ag_program_describe(u->program).sum_count;
    ag_workspace_free(workspace);
    return NULL;
}

static void test_threads_with_a_workspace_each(void **state)
{
    (void)state;
    static user expected[THREADS], found[THREADS];
    ag_program *program = compile_neuron();
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < 2 * SAMPLES; k++)
            expected[i].each[k] = (double)((k * 31 + i * 7) % 64) / 32 - 1;
        expected[i].program = ag_program_retain(program);
        expected[i].status = AG_BUSY;
        found[i] = expected[i];
        (void)ag_program_retain(program);
        (void)use_program(&expected[i]);
    }
    ag_program_free(program); /* the last thread to be ready frees it */
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_program, &found[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(found[i].status, AG_OK);
        assert_int_equal(found[i].branch, AG_BRANCH);
        assert_int_equal(found[i].sum_count, 3);
        assert_contains(found[i].message, "sample 0: lt(");
        assert_string_equal(found[i].message, expected[i].message);
        assert_memory_equal(found[i].sum, expected[i].sum, sizeof(found[i].sum));
        assert_memory_equal(found[i].map, expected[i].map, sizeof(found[i].map));
    }
}

/* ---- Derivatives of one program ---------------------------------------------------------------- */

typedef struct shared_step {
    ag_program *program;
    atomic_int *waiting; /* for so many threads */
    ag_status status;
    double found[4];
} shared_step;

static ag_program *compile_decay(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value rate = ag_variable(graph, 1), level = ag_variable(graph, 1);
    const ag_value next = ag_sub(level, ag_mul(rate, ag_square(ag_tanh(level))));
    ag_program *program = ag_compile(&(const ag_signature){.shared = &rate,
                                                           .shared_count = 1,
                                                           .each = &level,
                                                           .each_count = 1,
                                                           .map = &next,
                                                           .map_count = 1},
                                     NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

/* Derivatives of a scan take programs made of the program, which are made when they are first asked
 * for: here by all threads at once. */
static void *derive_scan(void *argument)
{
    shared_step *step = argument;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value rate = ag_variable(graph, (ag_real)0.125), level = ag_variable(graph, 2);
    ag_value last, first, second;
    (void)atomic_fetch_sub(step->waiting, 1);
    while (atomic_load(step->waiting) > 0)
        (void)sched_yield();
    (void)ag_scan(graph, step->program, 10, 1,
                  &(const ag_scan_arrays){.shared = &rate, .state = &level, .final_state = &last});
    (void)ag_backward(last);
    (void)ag_gradient(last, 1, &rate, &first);
    (void)ag_gradient(first, 1, &rate, &second);
    step->status = ag_error(graph);
    step->found[0] = (double)ag_data(last);
    step->found[1] = (double)ag_grad(rate);
    step->found[2] = (double)ag_data(first);
    step->found[3] = (double)ag_data(second);
    ag_graph_free(graph);
    return NULL;
}

static void test_derivatives_of_a_program(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        ag_program *program = compile_decay();
        atomic_int waiting = THREADS;
        shared_step steps[THREADS];
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            steps[i] = (shared_step){.program = program, .waiting = &waiting};
            assert_int_equal(pthread_create(&threads[i], NULL, derive_scan, &steps[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(steps[i].status, AG_OK);
            for (int k = 0; k < 4; k++)
                assert_same(steps[i].found[k], steps[0].found[k]);
        }
        assert_close(steps[0].found[1], steps[0].found[2], ROUNDING);
        ag_program_free(program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_with_a_graph_each),
        cmocka_unit_test(test_graph_that_wanders),
        cmocka_unit_test(test_threads_with_a_workspace_each),
        cmocka_unit_test(test_derivatives_of_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
