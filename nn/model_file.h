/* SPDX-License-Identifier: MIT
 *
 * What save.c and load.c agree on: the pieces of metadata that a file of a model has beside its
 * tensors. Lists of numbers are separated by blanks; a number that is not there is "none".
 *
 *   wengert             the version of this layout
 *   sizes, activation   as nn_mlp takes them
 *   and once it is trained
 *   features, classes   names, as an array of JSON; no classes for a regression
 *   mean, deviation     of the features
 *   and if it has a training's state
 *   training.loss, optimizer                       names
 *   optimizer.state     its memory; "zeros" for one of the library's that has none yet
 *   training.other      with patience: nni_state.other
 *   and the fields below.
 */
#ifndef WENGERT_MODEL_FILE_H
#define WENGERT_MODEL_FILE_H

#include "net.h"

#include <stddef.h>

#define NNI_LAYOUT "1"
#define NNI_NONE "none"
#define NNI_ZEROS "zeros"

enum {
    NNI_MOST_HEADER = 100000000, /* bytes, as the format says */
};

typedef enum nni_kind {
    NNI_COUNT, /* size_t */
    NNI_BITS,  /* uint64_t */
    NNI_REAL,  /* double */
    NNI_FLAG,  /* bool: 0 or 1 */
} nni_kind;

/* X(key, kind, member of nni_state) */
#define NNI_FIELD_LIST(X)                                                                          \
    X("training.epochs", COUNT, told.epochs)                                                       \
    X("training.epochs_asked", COUNT, told.epochs_asked)                                           \
    X("training.steps", BITS, told.steps)                                                          \
    X("training.rows", COUNT, told.rows)                                                           \
    X("training.batch", COUNT, told.batch)                                                         \
    X("training.seed", BITS, told.seed)                                                            \
    X("training.order", BITS, told.order.state)                                                    \
    X("training.use_float", FLAG, told.use_float)                                                  \
    X("training.eager", FLAG, told.eager)                                                          \
    X("training.in_parts", FLAG, in_parts)                                                         \
    X("training.stepwise", FLAG, stepwise)                                                         \
    X("training.ended", FLAG, ended)                                                               \
    X("training.patience", COUNT, told.patience)                                                   \
    X("training.best_epoch", COUNT, told.best_epoch)                                               \
    X("training.best_loss", REAL, told.best_loss)                                                  \
    X("training.last_loss", REAL, told.last.loss)                                                  \
    X("training.last_accuracy", REAL, told.last.accuracy)                                          \
    X("training.last_held_out_loss", REAL, told.last.held_out_loss)                                \
    X("training.last_held_out_accuracy", REAL, told.last.held_out_accuracy)                        \
    X("training.data", BITS, data)                                                                 \
    X("training.held_out", BITS, held_out)                                                         \
    X("optimizer.state_count", COUNT, told.optimizer.state_count)                                  \
    X("optimizer.rate", REAL, told.optimizer.rate)                                                 \
    X("optimizer.momentum", REAL, told.optimizer.momentum)                                         \
    X("optimizer.weight_decay", REAL, told.optimizer.weight_decay)                                 \
    X("optimizer.beta1", REAL, told.optimizer.beta1)                                               \
    X("optimizer.beta2", REAL, told.optimizer.beta2)                                               \
    X("optimizer.epsilon", REAL, told.optimizer.epsilon)

typedef struct nni_field {
    const char *key;
    nni_kind kind;
    size_t offset; /* in nni_state */
} nni_field;

#define NNI_FIELD(key, kind, member) {key, NNI_##kind, offsetof(nni_state, member)},

#endif
