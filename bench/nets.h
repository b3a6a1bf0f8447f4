/* SPDX-License-Identifier: MIT
 *
 * What those who train a net have in common: the job they are given, and what they do with it. The
 * files that include this are compiled twice, for double and (with BENCH_FLOAT) for float.
 */
#ifndef BENCH_NETS_H
#define BENCH_NETS_H

#include "bench.h"
#include "number.h"

enum {
    MAX_LAYERS = 3
};

/* Hidden layers have tanh. The loss is half the squared error, or the cross-entropy of softmax with
 * targets that add up to 1. */
typedef struct bench_net {
    const char *name;
    int layers;
    int sizes[MAX_LAYERS + 1];
    bool softmax;
} bench_net;

/* Training goes through `batches` mini-batches in turn, and around again; row-major. Parameters are,
 * layer by layer, weights (out x in) and biases. A step subtracts rate times the mean gradient. */
typedef struct bench_job {
    bench_net net;
    size_t batch, batches;
    const number *inputs, *targets;
    const number *parameters; /* to begin with */
    size_t parameter_count;
    number rate;
    size_t threads;
} bench_job;

typedef struct bench_trainer {
    const char *name;
    bool threaded;      /* can use more than one */
    bool slow_to_start; /* another process, which has to find its caches again */
    bool own_loss;      /* half the squared error on every net */
    double tolerance;   /* of its steps; 0: that of numbers */
    /* What there is to know about it, its version first; NULL: it isn't here. */
    const char *(*describe)(void);
    /* Holds the job, begins with its parameters; NULL if it can't, and then it has said why. */
    void *(*open)(const bench_job *job);
    void (*reset)(void *self);
    /* Steps through mini-batches first, first + 1, ...; returns the last one's summed loss. */
    double (*train)(void *self, size_t first, size_t steps);
    double (*time)(void *self); /* ns of the last train by its own clock; NULL: use yours */
    void (*read)(void *self, number *parameters);
    void (*close)(void *self);
} bench_trainer;

extern const bench_trainer train_compiled, train_eager, train_by_hand, train_openblas, train_fann,
    train_torch;

#endif
