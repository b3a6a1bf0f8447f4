/* SPDX-License-Identifier: MIT
 *
 * What the tests of nn share beside testing.h: memory that is counted and fails on demand, and
 * whether two models are the same in everything.
 */
#ifndef WENGERT_NN_TESTING_H
#define WENGERT_NN_TESTING_H

#include "net.h"
#include "testing.h"

#include <stdlib.h>
#include <time.h>

/* Blocks that live, requests since counting began, and the request that fails (0: none), alone or
 * with all after it. */
static struct {
    void *(*before)(void *pointer, size_t size);
    size_t live, requests, failing;
    bool for_good;
} memory;

static inline void *counting_memory(void *pointer, size_t size)
{
    if (size == 0) {
        free(pointer);
        memory.live--;
        return NULL;
    }
    memory.requests++;
    if (memory.failing != 0 &&
        (memory.for_good ? memory.requests >= memory.failing : memory.requests == memory.failing))
        return NULL;
    memory.live += pointer == NULL;
    return realloc(pointer, size);
}

static inline void count_memory(size_t failing, bool for_good)
{
    memory.before = nni_memory;
    memory.live = memory.requests = 0;
    memory.failing = failing;
    memory.for_good = for_good;
    nni_memory = counting_memory;
}

static inline void stop_counting_memory(void)
{
    nni_memory = memory.before;
}

/* Makes each request for memory fail in turn, first alone, then with all that follow. attempt
 * returns whether it succeeded, and cleans up; one in which no request failed ends the loop. Where
 * one request alone fails, an attempt may still succeed: arrays that can't double may grow by less.
 * Returns how many attempts failed. */
static inline size_t fail_each_request(bool (*attempt)(void *context), void *context)
{
    size_t failed = 0;
    for (int for_good = 0; for_good < 2; for_good++) {
        bool untouched = false;
        for (size_t n = 1; !untouched; n++) {
            count_memory(n, for_good != 0);
            const bool succeeded = attempt(context);
            stop_counting_memory();
            assert_int_equal(memory.live, 0);
            untouched = memory.requests < n;
            if (untouched)
                assert_true(succeeded);
            else if (for_good)
                assert_false(succeeded);
            failed += !succeeded;
        }
    }
    return failed;
}

/* A loss that is no value. */
static inline ag_value no_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                               void *context)
{
    (void)n;
    (void)outputs;
    (void)targets;
    (void)context;
    return (ag_value){0};
}

/* nanoseconds, from anywhere; for choosing how long to wait, never for judging */
static inline double read_nanoseconds(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static inline void assert_same_names(size_t count, char *const *a, char *const *b)
{
    assert_int_equal(a == NULL, b == NULL);
    for (size_t i = 0; a != NULL && i < count; i++)
        assert_string_equal(a[i], b[i]);
}

static inline void assert_same_number(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof(a));
}

static inline void assert_same_states(const nni_state *a, const nni_state *b, size_t parameters)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a == NULL)
        return;
    const nn_training *s = &a->told, *t = &b->told;
    assert_int_equal(s->epochs, t->epochs);
    assert_int_equal(s->epochs_asked, t->epochs_asked);
    assert_true(s->steps == t->steps && s->seed == t->seed && s->order.state == t->order.state);
    assert_true(s->rows == t->rows && s->batch == t->batch && s->patience == t->patience);
    assert_true(s->use_float == t->use_float && s->eager == t->eager);
    assert_string_equal(s->loss, t->loss);
    assert_string_equal(s->optimizer.name, t->optimizer.name);
    assert_true(s->optimizer.step == t->optimizer.step);
    assert_int_equal(s->optimizer.state_count, t->optimizer.state_count);
    assert_same_number(s->optimizer.rate, t->optimizer.rate);
    assert_same_number(s->optimizer.momentum, t->optimizer.momentum);
    assert_same_number(s->optimizer.weight_decay, t->optimizer.weight_decay);
    assert_same_number(s->optimizer.beta1, t->optimizer.beta1);
    assert_same_number(s->optimizer.beta2, t->optimizer.beta2);
    assert_same_number(s->optimizer.epsilon, t->optimizer.epsilon);
    assert_int_equal(s->best_epoch, t->best_epoch);
    assert_same_number(s->best_loss, t->best_loss);
    assert_int_equal(s->last.epoch, t->last.epoch);
    assert_int_equal(s->last.epochs, t->last.epochs);
    assert_same_number(s->last.loss, t->last.loss);
    assert_same_number(s->last.accuracy, t->last.accuracy);
    assert_same_number(s->last.held_out_loss, t->last.held_out_loss);
    assert_same_number(s->last.held_out_accuracy, t->last.held_out_accuracy);
    assert_true(a->data == b->data && a->held_out == b->held_out && a->ended == b->ended);
    assert_true(a->in_parts == b->in_parts && a->stepwise == b->stepwise);
    assert_memory_equal(a->memory, b->memory,
                        parameters * s->optimizer.state_count * sizeof(ag_real));
    assert_int_equal(a->other == NULL, b->other == NULL);
    if (a->other != NULL)
        assert_memory_equal(a->other, b->other, parameters * sizeof(ag_real));
}

static inline void assert_same_models(const nn_model *a, const nn_model *b)
{
    assert_int_equal(a->layers, b->layers);
    assert_memory_equal(a->sizes, b->sizes, (a->layers + 1) * sizeof(size_t));
    assert_int_equal(a->activation, b->activation);
    assert_int_equal(a->parameter_count, b->parameter_count);
    assert_memory_equal(a->parameters, b->parameters, a->parameter_count * sizeof(ag_real));
    assert_memory_equal(a->mean, b->mean, a->sizes[0] * sizeof(ag_real));
    assert_memory_equal(a->deviation, b->deviation, a->sizes[0] * sizeof(ag_real));
    assert_int_equal(a->classes, b->classes);
    assert_same_names(a->classes, a->class_names, b->class_names);
    assert_same_names(a->sizes[0], a->feature_names, b->feature_names);
    assert_same_states(a->state, b->state, a->parameter_count);
}

#endif
