/* SPDX-License-Identifier: MIT
 *
 * What the net's files share: the insides of datasets and models, memory, errors, and a model on a
 * tape. Private; the public interface is wengert/nn.h, and of the engine only its public header is
 * used.
 */
#ifndef WENGERT_NET_H
#define WENGERT_NET_H

#include <wengert/nn.h>

#if defined(__unix__) || defined(__APPLE__)
#define NNI_POSIX 1
#else
#define NNI_POSIX 0
#endif

#if defined(__GNUC__)
#define NNI_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define NNI_PRINTF(at, first)
#endif

/* ---- Memory, errors, text: dataset.c --------------------------------------------------------- */

/* Every byte that nn takes, its graphs' included, comes from here; it works as realloc does, and
 * size 0 frees. Tests put a function in its place that counts or fails. */
extern void *(*nni_memory)(void *pointer, size_t size);

/* count * size bytes of zeros; never NULL for 0 bytes. NULL: no memory, or no such number. */
void *nni_allocate(size_t count, size_t size);
/* Makes an array hold at least `needed` elements by growing it geometrically. false: no memory; the
 * array is as it was. */
bool nni_grow(void **array, size_t *capacity, size_t needed, size_t size);
void nni_release(void *pointer);
/* a * b, or SIZE_MAX, which no allocation is given, where that is too large */
size_t nni_times(size_t a, size_t b);
/* A graph whose memory is nni_memory's. */
ag_graph *nni_graph_new(void);

/* Fills error, which may be NULL, and returns status. file may be NULL, line and column 0. */
ag_status nni_fail_at(nn_error *error, const char *file, size_t line, size_t column,
                      ag_status status, const char *format, ...) NNI_PRINTF(6, 7);
#define nni_fail(error, status, ...) nni_fail_at(error, NULL, 0, 0, status, __VA_ARGS__)
ag_status nni_fail_memory(nn_error *error);
/* with the graph's status and message */
ag_status nni_fail_graph(nn_error *error, const ag_graph *graph);
/* snprintf with a point in its numbers, whatever the locale */
int nni_format(char *text, size_t size, const char *format, ...) NNI_PRINTF(3, 4);

/* ---- Data: dataset.c ------------------------------------------------------------------------- */

struct nn_dataset {
    size_t rows, features;
    size_t classes; /* 0: a regression */
    size_t targets; /* numbers to predict per row; 0 for classes */
    ag_real *inputs;
    size_t *labels;   /* the rows' classes; NULL for a regression */
    ag_real *numbers; /* rows x targets; NULL for classes */
    /* Each one block: pointers, then the texts. class_names is NULL for a regression. */
    char **class_names;
    char **feature_names;
};

/* Copies of the names; "x0", "x1", ... if names is NULL and the prefix is "x". NULL: no memory. */
char **nni_copy_names(size_t count, char *const *names, const char *prefix);

/* ---- Values: layer.c ------------------------------------------------------------------------- */

/* the status of x's graph */
ag_status nni_status(ag_value x);
/* Makes AG_INVALID_ARGUMENT with this message the error of x's graph. Returns a null value. */
ag_value nni_refuse(ag_value x, const char *format, ...) NNI_PRINTF(2, 3);

/* ---- Models: model.c ------------------------------------------------------------------------- */

struct nn_model {
    size_t layers;
    size_t *sizes; /* layers + 1: inputs, ..., outputs */
    nn_activation activation;
    size_t parameter_count;
    ag_real *parameters;
    bool scaled; /* mean and deviation are settled: a training succeeded */
    ag_real *mean, *deviation;
};

/* AG_OK if the model can be trained on data or judged by it. */
ag_status nni_check_fit(const nn_model *model, const nn_dataset *data, nn_error *error);
/* The loss that NULL stands for. */
nn_loss nni_choose_loss(const nn_model *model, const nn_dataset *data, nn_loss loss);

/* A model in a graph of its own. The leaves stay; what lies between them and the loss is recorded
 * for one sample at a time and dropped before the next. */
typedef struct nni_tape {
    const nn_model *model;
    ag_graph *graph;
    ag_mark mark;         /* after the leaves */
    ag_value *parameters; /* one block with the next four */
    ag_value *inputs, *targets, *outputs, *hidden;
    ag_value root; /* depends on all outputs; null until nni_tape_compute has recorded */
    size_t widest; /* hidden has room for two layers of this width */
    ag_real *row;  /* standardised inputs */
    ag_real *answer;
} nni_tape;

/* Close it, whether it opened or not. */
ag_status nni_tape_open(nni_tape *tape, const nn_model *model, nn_error *error);
void nni_tape_close(nni_tape *tape);
/* Drops the sample, clears the gradients and reads the model's parameters again. */
ag_status nni_tape_reset(nni_tape *tape);
/* Makes the outputs those for these inputs, which are not yet standardised. A net has no
 * comparisons, so it is recorded once and then run: faster by half. A tape does either this or
 * losses. */
ag_status nni_tape_compute(nni_tape *tape, const ag_real *inputs);
/* Records net and loss on a row of data; *value is the loss. Recorded anew for each row, since a
 * loss may branch. */
ag_status nni_tape_record_loss(nni_tape *tape, const nn_dataset *data, size_t row, nn_loss loss,
                               void *loss_context, ag_value *value);
/* The class that the outputs say. */
size_t nni_tape_class(const nni_tape *tape);

#endif
