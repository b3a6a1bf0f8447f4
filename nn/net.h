/* SPDX-License-Identifier: MIT
 *
 * What the net's files share: the insides of datasets and models, memory, errors, and the ways to a
 * model's outputs and gradients. Private; the public interface is wengert/nn.h, and of the engine
 * only its public headers are used.
 */
#ifndef WENGERT_NET_H
#define WENGERT_NET_H

#include <wengert/nn.h>
#include <wengert/program.h>

#ifdef __cplusplus
#include <atomic>
#define NNI_ATOMIC(type) std::atomic<type>
#else
#include <stdatomic.h>
#define NNI_ATOMIC(type) _Atomic(type)
#endif

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
#define NNI_NEW_ARRAY(count, type) ((type *)nni_allocate(count, sizeof(type)))
/* Makes an array hold at least `needed` elements by growing it geometrically. false: no memory; the
 * array is as it was. */
bool nni_grow(void **array, size_t *capacity, size_t needed, size_t size);
void nni_release(void *pointer);
/* a * b, or SIZE_MAX, which no allocation is given, where that is too large */
size_t nni_times(size_t a, size_t b);
/* nni_memory for the engine: an ag_allocator. */
void *nni_serve(void *user, void *pointer, size_t old_size, size_t new_size);
/* A graph whose memory is nni_memory's. */
ag_graph *nni_graph_new(void);

/* Fills error, which may be NULL, and returns status. file may be NULL, line and column 0. */
ag_status nni_fail_at(nn_error *error, const char *file, size_t line, size_t column,
                      ag_status status, const char *format, ...) NNI_PRINTF(6, 7);
#define nni_fail(error, status, ...) nni_fail_at(error, NULL, 0, 0, status, __VA_ARGS__)
ag_status nni_fail_memory(nn_error *error);
/* with the graph's status and message */
ag_status nni_fail_graph(nn_error *error, const ag_graph *graph);
/* The beginning of a text, for a message: nothing that would spoil a terminal. Returns shown. */
const char *nni_show(const char *text, char shown[40]);
/* snprintf with a point in its numbers, whatever the locale */
int nni_format(char *text, size_t size, const char *format, ...) NNI_PRINTF(3, 4);

/* act(context) with a point in the numbers that it reads and writes, whatever the locale */
ag_status nni_in_c_locale(ag_status (*act)(void *context), void *context, nn_error *error);

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

/* What a model keeps for predictions once there was one. Threads that share the model take it and
 * put it back. */
typedef struct nni_kept {
    NNI_ATOMIC(ag_program *) program;
    NNI_ATOMIC(ag_workspace *) workspace; /* of one thread; NULL while somebody has it */
} nni_kept;

#define NNI_CUSTOM "custom" /* the name of losses and optimisers that are not the library's */

/* Where a training left off, with all that it takes to go on. One block; nni_release frees it. */
typedef struct nni_state {
    nn_training told;
    ag_real *memory; /* the optimiser's: optimizer.state_count numbers a parameter */
    /* with patience: the best epoch's parameters, and once the training has ended, when the model
     * takes those, the last epoch's; else NULL */
    ag_real *other;
    bool ended;
    bool in_parts, stepwise; /* how batches went in the end: see nni_trainer.in_parts, fit.c */
    uint64_t data, held_out; /* what the data held (nni_digest); 0: no patience, no held_out */
} nni_state;

struct nn_model {
    size_t layers;
    size_t *sizes; /* layers + 1: inputs, ..., outputs */
    nn_activation activation;
    size_t parameter_count;
    ag_real *parameters;
    ag_real *mean, *deviation;
    /* of the data, once a training succeeded, which settles mean and deviation, too; NULL before,
     * class_names also for a regression */
    size_t classes;
    char **class_names, **feature_names;
    nni_state *state; /* of the last training; NULL: none */
    nni_kept *kept;
};

/* As nn_mlp, without checks of what is asked for; all parameters 0. */
nn_model *nni_make_model(size_t n, const size_t *sizes, nn_activation activation);
/* How many parameters such a model has; SIZE_MAX: too many. */
size_t nni_count_parameters(size_t n, const size_t *sizes);
/* The width of the widest hidden layer, 0 without one. */
size_t nni_widest_hidden(const nn_model *model);
/* As nn_model_record. hidden has room for two hidden layers: the one that is read and the one that
 * is made. */
ag_status nni_record(const nn_model *model, const ag_value *parameters, const ag_value *inputs,
                     ag_value *hidden, ag_value *outputs);
/* AG_OK if data's features have the names that the model knows. */
ag_status nni_check_features(const nn_model *model, const nn_dataset *data, nn_error *error);
/* AG_OK if the model can be trained on data or judged by it. */
ag_status nni_check_fit(const nn_model *model, const nn_dataset *data, nn_error *error);
/* The name in NN_LOSS_LIST, NULL for a loss that is not there; and the other way round. loss.c */
const char *nni_loss_name(nn_loss loss);
nn_loss nni_find_loss(const char *name);
/* NULL, or why a loss of the list is not for a model with so many outputs and data with so many
 * classes (0: numbers). */
const char *nni_doubt_loss(size_t outputs, size_t classes, nn_loss loss);
/* The loss that NULL stands for. */
nn_loss nni_choose_loss(const nn_model *model, size_t classes, nn_loss loss);

/* ---- Files: whole_file.c, save.c, load.c ----------------------------------------------------- */

#define NNI_NO_JANSSON "this library was built without jansson"

/* Writes all there is; false, perhaps with errno: it could not. */
typedef bool nni_writer(FILE *file, const void *context);
/* Makes a file of what write writes, or leaves what is there as it is. */
ag_status nni_write_whole(const char *path, nni_writer *write, const void *context,
                          nn_error *error);

/* ---- Steps: optimizer.c ---------------------------------------------------------------------- */

bool nni_all_finite(size_t n, const ag_real *numbers);
/* Whether steps are -rate times the gradient and nothing else. */
bool nni_is_plain(const nn_optimizer *rule);

/* The name of one of the library's optimisers, else NULL; and the other way round, with zeros for
 * its numbers. */
const char *nni_optimizer_name(const nn_optimizer *rule);
bool nni_find_optimizer(const char *name, nn_optimizer *rule);
/* AG_OK if its numbers are in their ranges. */
ag_status nni_check_optimizer(const nn_optimizer *rule, nn_error *error);

/* ---- Resuming: resume.c ---------------------------------------------------------------------- */

/* The state of a training with this optimiser that has not begun. NULL: no memory. */
nni_state *nni_make_state(size_t parameters, const nn_optimizer *rule, bool patient);
nni_state *nni_copy_state(const nni_state *state, size_t parameters);
/* A number that other data would hardly have; never 0. */
uint64_t nni_digest(const nn_dataset *data);
/* Gives options' zeros what they were in the model's last training; an error where they contradict
 * it. */
ag_status nni_resume_options(const nn_model *model, const nn_dataset *data, nn_fit_options *options,
                             nn_error *error);
/* Whether all epochs are done, or those without an improvement that patience allows. */
bool nni_is_over(const nni_state *state, const nn_fit_options *options);
/* The order of the rows after the state's epochs, and the generator; the state says how many rows
 * there are. */
ag_status nni_replay_order(const nni_state *state, size_t *order, nn_random *random,
                           nn_error *error);

/* ---- Rows and their losses: judge.c ---------------------------------------------------------- */

/* What a model is to learn, and how it did with the rows so far. */
typedef struct nni_task {
    const nn_model *model;
    const nn_dataset *data;
    nn_loss loss;
    void *loss_context;
    nn_error *error;
    size_t epoch;    /* for messages; 0: none */
    bool held_out;   /* likewise */
    double loss_sum; /* over the rows so far */
    size_t right;    /* of them, those put into their class */
} nni_task;

/* Fills the task's error and returns status. */
ag_status nni_fail_at_row(const nni_task *task, ag_status status, size_t row, const char *what);
/* Adds a row's loss and its outputs to the task; AG_NOT_FINITE for a loss that is not. */
ag_status nni_count_row(nni_task *task, size_t row, double loss, const ag_real *outputs);
/* Gives targets (values that can be set) those of a row. */
ag_status nni_set_targets(const nni_task *task, size_t row, const ag_value *targets);
/* Calls the task's loss. What goes wrong is the graph's error, or AG_NULL_VALUE or AG_WRONG_GRAPH
 * for what came back. */
ag_status nni_call_loss(const nni_task *task, ag_graph *graph, const ag_value *outputs,
                        const ag_value *targets, ag_value *loss);
/* The same as the task's error. */
ag_status nni_fail_loss(const nni_task *task, ag_status status, size_t row, const ag_graph *graph);

/* A loss gate by gate on outputs that are numbers, one row at a time. Called anew for each row, a
 * loss may do what it likes. */
typedef struct nni_judge {
    ag_graph *graph;
    ag_mark mark;
    ag_value *outputs, *targets; /* leaves, in one block */
} nni_judge;

/* Close it, whether it opened or not. */
ag_status nni_judge_open(nni_judge *judge, const nni_task *task);
void nni_judge_close(nni_judge *judge);
/* Records a row's loss; fills the task's error. */
ag_status nni_judge_row(nni_judge *judge, const nni_task *task, size_t row, const ag_real *outputs,
                        ag_value *loss);

/* ---- Gate by gate: tape.c -------------------------------------------------------------------- */

/* A model in a graph of its own. The leaves stay; what lies between them and the loss is recorded
 * for one sample at a time and dropped before the next. */
typedef struct nni_tape {
    const nn_model *model;
    ag_graph *graph;
    ag_mark mark;         /* after the leaves */
    ag_value *parameters; /* one block with the next four */
    ag_value *inputs, *targets, *outputs, *hidden;
    ag_real *row; /* standardised inputs, or outputs */
} nni_tape;

/* Close it, whether it opened or not. */
ag_status nni_tape_open(nni_tape *tape, const nni_task *task);
void nni_tape_close(nni_tape *tape);
/* The gradient of the mean loss over some rows, which are added to the task. */
ag_status nni_tape_run(nni_tape *tape, nni_task *task, size_t count, const size_t *rows,
                       ag_real *gradient);

/* ---- Programs: runner.c ---------------------------------------------------------------------- */

typedef struct nni_runner {
    ag_program *program;
    ag_workspace *workspace;
} nni_runner;

/* ag_arrays, or ag_arrays_float. */
typedef struct nni_arrays {
    const void *shared, *each;
    void *sum, *map;
    double scale; /* 0: sum is set; otherwise scale times the sum is added to what it holds */
} nni_arrays;

enum {
#ifdef AG_REAL_FLOAT
    NNI_FLOAT_REAL = true
#else
    NNI_FLOAT_REAL = false
#endif
};

ag_program *nni_compile(const ag_signature *signature);
/* The workspace retains the program, so the caller may free it. threads as in ag_workspace_options.
 * Close it, whether it opened or not, if it was all zeros before. */
ag_status nni_runner_open(nni_runner *runner, ag_program *program, size_t threads, nn_error *error);
void nni_runner_close(nni_runner *runner);
ag_status nni_runner_run(const nni_runner *runner, bool in_float, size_t batch,
                         const nni_arrays *arrays);

/* ---- Outputs: predict.c ---------------------------------------------------------------------- */

/* A model's outputs as a program: (parameters; inputs) -> (; outputs). The model keeps it. */
ag_status nni_model_program(const nn_model *model, ag_program **program, nn_error *error);
/* Goes through all of the task's rows; a loss must be finite. */
ag_status nni_judge_all(nni_task *task);
/* Drops what the model keeps. */
void nni_forget(nni_kept *kept);

/* ---- Training by programs: trainer.c --------------------------------------------------------- */

/* Finds gradients of batches. The numbers in its arrays are doubles, or floats. */
typedef struct nni_trainer {
    bool in_float;
    bool in_parts;       /* the loss is not compiled with the net */
    size_t threads;      /* asked for */
    size_t piece;        /* rows that go through a program at a time, at most */
    nni_runner whole;    /* (parameters; inputs, targets, weight) -> (gradient; loss, outputs) */
    nni_runner forward;  /* (parameters; inputs) -> (; outputs) */
    nni_runner backward; /* (parameters; inputs, outputs' gradients, weight) -> (gradient; ) */
    nni_judge judge;
    void *standard; /* all of the data's inputs, standardised; NULL: there is no room for them */
    void *each;     /* piece x (inputs + outputs) */
    void *inputs;   /* piece x inputs */
    void *map;      /* piece x (1 + outputs) */
    void *shared;   /* the parameters, if the model's are of another type */
    void *sum;      /* the gradient, likewise */
    ag_real *row;   /* inputs or outputs of one */
} nni_trainer;

/* The options' zeros are already what they stand for. Close it, whether it opened or not. */
ag_status nni_trainer_open(nni_trainer *trainer, const nni_task *task,
                           const nn_fit_options *options);
void nni_trainer_close(nni_trainer *trainer);
/* As nni_tape_run. */
ag_status nni_trainer_run(nni_trainer *trainer, nni_task *task, size_t count, const size_t *rows,
                          ag_real *gradient);
/* Adds -rate times the gradient to the model's parameters, as the program finds it. They are not
 * looked at, and changed even where a loss is not finite. AG_BRANCH: nothing has happened, and
 * won't this way. */
ag_status nni_trainer_step(nni_trainer *trainer, nni_task *task, size_t count, const size_t *rows,
                           double rate);

#endif
