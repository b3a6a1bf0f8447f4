/* SPDX-License-Identifier: MIT
 *
 * Threads that ask one model, which none of them may change, and that train models of their own on
 * the same data. Made to be run with ThreadSanitizer.
 */
#include "nn_testing.h"

#include <pthread.h>

enum {
    THREADS = 4,
    ROWS = 12,
    INPUTS = 3,
    OUTPUTS = 2
};

static nn_model *make_model(void)
{
    const size_t sizes[] = {INPUTS, 5, OUTPUTS};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 7);
    assert_non_null(model);
    return model;
}

static nn_dataset *make_data(void)
{
    ag_real inputs[ROWS * INPUTS];
    size_t labels[ROWS];
    nn_random random = nn_random_seed(8);
    for (size_t i = 0; i < ROWS * INPUTS; i++)
        inputs[i] = (ag_real)nn_random_normal(&random);
    for (size_t i = 0; i < ROWS; i++)
        labels[i] = i % 2;
    return nn_dataset_classes(ROWS, INPUTS, inputs, OUTPUTS, labels, NULL);
}

/* What a thread asks, and what it is told. An assertion that fails in a thread ends the program. */
typedef struct asker {
    const nn_model *model;
    const nn_dataset *data;
    ag_real outputs[OUTPUTS];
    double accuracy, loss;
} asker;

static void *ask(void *context)
{
    asker *a = context;
    const ag_real inputs[INPUTS] = {1, -2, (ag_real)0.5};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(nn_predict(a->model, 1, inputs, a->outputs, NULL), AG_OK);
        a->accuracy = nn_accuracy(a->model, a->data);
        a->loss = nn_mean_loss(a->model, a->data, NULL, NULL);
    }
    return NULL;
}

static void run_threads(void *(*work)(void *), void *const *contexts)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, contexts[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* In each round they begin with a model that has no program yet. */
static void test_one_model(void **state)
{
    (void)state;
    nn_dataset *data = make_data();
    for (int round = 0; round < 5; round++) {
        nn_model *model = make_model();
        asker askers[THREADS], alone = {.model = model, .data = data};
        void *contexts[THREADS];
        for (int i = 0; i < THREADS; i++) {
            askers[i] = (asker){.model = model, .data = data};
            contexts[i] = &askers[i];
        }
        run_threads(ask, contexts);
        (void)ask(&alone);
        for (int i = 0; i < THREADS; i++) {
            assert_memory_equal(askers[i].outputs, alone.outputs, sizeof(alone.outputs));
            assert_same(askers[i].accuracy, alone.accuracy);
            assert_same(askers[i].loss, alone.loss);
        }
        nn_model_free(model);
    }
    nn_dataset_free(data);
}

typedef struct student {
    nn_model *model;
    const nn_dataset *data;
} student;

static void *train(void *context)
{
    const student *s = context;
    const nn_fit_options options = {.epochs = 20, .batch = 5, .threads = 1};
    assert_int_equal(nn_fit(s->model, s->data, &options, NULL), AG_OK);
    return NULL;
}

static void test_one_dataset(void **state)
{
    (void)state;
    student students[THREADS];
    void *contexts[THREADS];
    nn_dataset *data = make_data();
    for (int i = 0; i < THREADS; i++) {
        students[i] = (student){make_model(), data};
        contexts[i] = &students[i];
    }
    run_threads(train, contexts);
    for (int i = 0; i < THREADS; i++)
        assert_memory_equal(nn_parameters(students[i].model), nn_parameters(students[0].model),
                            nn_parameter_count(students[0].model) * sizeof(ag_real));
    for (int i = 0; i < THREADS; i++)
        nn_model_free(students[i].model);
    nn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_model),
        cmocka_unit_test(test_one_dataset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
