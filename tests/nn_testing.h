/* SPDX-License-Identifier: MIT
 *
 * What the tests of nn share beside testing.h: memory that is counted and fails on demand.
 */
#ifndef WENGERT_NN_TESTING_H
#define WENGERT_NN_TESTING_H

#include "net.h"
#include "testing.h"

#include <stdlib.h>

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

#endif
