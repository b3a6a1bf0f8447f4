/* SPDX-License-Identifier: MIT
 *
 * Threads with a graph each, all running everything there is: no thread must see another's doings,
 * and each computes the bits that it computes alone. Made to be run with ThreadSanitizer.
 */
#include "scenario.h"

#include <pthread.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_with_a_graph_each),
        cmocka_unit_test(test_graph_that_wanders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
