/* SPDX-License-Identifier: MIT
 *
 * wengert/nn.h: neurons, layers, losses, data, optimisers and training, made of the values of
 * wengert/autograd.h and the programs of wengert/program.h, and of nothing else.
 *
 *     nn_dataset *data = nn_read_csv("iris.csv", &(nn_csv_options){.label_column = -1}, &error);
 *     nn_dataset *train, *test;
 *     nn_split(data, 0.8, 42, &train, &test);
 *     size_t sizes[] = {4, 16, 3};
 *     nn_model *model = nn_mlp(3, sizes, NN_TANH, 42);
 *     nn_fit(model, train,
 *            &(nn_fit_options){.loss = NN_SOFTMAX_CROSS_ENTROPY,
 *                              .optimizer = nn_adam(0.01),
 *                              .epochs = 200,
 *                              .batch = 16,
 *                              .progress = stderr},
 *            &error);
 *     printf("test accuracy %.1f%%\n", 100 * nn_accuracy(model, test));
 *     nn_save(model, "iris.safetensors", &error);
 *
 * Matrices are flat arrays, row-major, their shape given as rows x columns. Every random choice has
 * an explicit seed: the same seed gives the same bits on the same machine and libm, on any number
 * of threads. Models and datasets are freed by nn_model_free and nn_dataset_free; both take NULL.
 * Functions that return ag_status or a pointer fail with a negative status or NULL and fill the
 * nn_error they are given, where they take one (it may be NULL, and success leaves it alone). Rows
 * are counted from 0, lines and columns of files from 1. Different threads may use different models
 * at the same time, and the same one or the same data where it is const.
 */
#ifndef WENGERT_NN_H
#define WENGERT_NN_H

#include <wengert/autograd.h>

/* A program that disagrees with the library about ag_real does not link. */
#ifdef AG_REAL_FLOAT
#define nn_mlp nn_mlp_float
#define nn_load nn_load_float
#define nn_read_csv nn_read_csv_float
#define nn_dataset_classes nn_dataset_classes_float
#define nn_dataset_numbers nn_dataset_numbers_float
#define nn_init_glorot nn_init_glorot_float
#define nn_init_he nn_init_he_float
#define nn_sgd nn_sgd_float
#define nn_adam nn_adam_float
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nn_error {
    ag_status status;
    char message[240]; /* whole: with the file, line and column where there is one */
    char file[240];    /* "" where no file is concerned; a longer path's end */
    size_t line;       /* from 1; 0 where no line is concerned */
    size_t column;     /* the cell in the line, from 1; 0 where no cell is concerned */
} nn_error;

/* ---- Random numbers -------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): 64
 * bits of state, period 2^64. The state is yours; there is no hidden generator. */
typedef struct nn_random {
    uint64_t state;
} nn_random;

AG_API nn_random nn_random_seed(uint64_t seed);
AG_API uint64_t nn_random_next(nn_random *random);
/* uniform in [0, 1), a multiple of 2^-53 */
AG_API double nn_random_uniform(nn_random *random);
/* normal, mean 0, variance 1 (Box and Muller, 1958) */
AG_API double nn_random_normal(nn_random *random);
/* uniform in 0 .. n-1, without bias; 0 for n = 0 */
AG_API size_t nn_random_below(nn_random *random, size_t n);
/* order becomes a random permutation of what it holds (Fisher and Yates) */
AG_API void nn_random_shuffle(nn_random *random, size_t n, size_t *order);

/* n weights uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010): for tanh and
 * sigmoid */
AG_API void nn_init_glorot(nn_random *random, size_t fan_in, size_t fan_out, size_t n,
                           ag_real *weights);
/* n weights uniform in +-sqrt(6 / fan_in) (He, Zhang, Ren, Sun, 2015): for relu and its kin */
AG_API void nn_init_he(nn_random *random, size_t fan_in, size_t n, ag_real *weights);

/* ---- Neurons and layers: functions from values to values ------------------------------------- */

/* X(NAME, name, formula) */
#define NN_ACTIVATION_LIST(X)                                                                      \
    X(IDENTITY, identity, "x")                                                                     \
    X(TANH, tanh, "tanh(x)")                                                                       \
    X(SIGMOID, sigmoid, "1 / (1 + exp(-x))")                                                       \
    X(RELU, relu, "x > 0 ? x : 0")                                                                 \
    X(LEAKY_RELU, leaky_relu, "x > 0 ? x : 0.01 x")                                                \
    X(ELU, elu, "x > 0 ? x : exp(x) - 1")                                                          \
    X(SOFTPLUS, softplus, "log(1 + exp(x))")

typedef enum nn_activation {
#define NN_X(NAME, name, formula) NN_##NAME,
    NN_ACTIVATION_LIST(NN_X)
#undef NN_X
} nn_activation;

/* "tanh"; "unknown" for a number that is no activation. Never NULL. */
AG_API const char *nn_activation_name(nn_activation activation);

/* A null value, and AG_INVALID_ARGUMENT in x's graph, for a number that is no activation. */
AG_API ag_value nn_activate(nn_activation activation, ag_value x);

/* activation(weights . inputs + bias); n weights, n inputs. A scope, "neuron": see ag_scope_begin. */
AG_API ag_value nn_neuron(size_t n, const ag_value *weights, const ag_value *inputs, ag_value bias,
                          nn_activation activation);

/* A row of neurons over the same inputs: outputs = activation(weights * inputs + biases); weights
 * out x in, biases out, inputs in, outputs out (not the same array as inputs). Returns the graph's
 * status; AG_INVALID_ARGUMENT for an array that is NULL or a size of 0. A scope, "layer". */
AG_API ag_status nn_layer(size_t in, size_t out, const ag_value *weights, const ag_value *biases,
                          const ag_value *inputs, nn_activation activation, ag_value *outputs);

/* probabilities[i] = exp(logits[i]) / sum_j exp(logits[j]), without overflow; n of each, and both
 * may be the same array. Returns as nn_layer does. */
AG_API ag_status nn_softmax(size_t n, const ag_value *logits, ag_value *probabilities);

/* ---- Losses ---------------------------------------------------------------------------------- */

/* A loss is a function from the net's n outputs and n targets to one value. Your own goes wherever
 * one of these does; context is what nn_fit_options.loss_context says, and unused by the built-in
 * ones. For data with classes, the targets are one-hot: 1 for the class, 0 for the others (for a
 * net with one output and two classes: the class, 0 or 1).
 *
 * Your own is called for each sample anew, from the thread that called nn_fit, and may do what it
 * likes: branch on what it sees, remember something in its context, apply closures. (Its gates are
 * all there is in the graph: the net is a program beside it. See record_once in nn_fit_options.) */
typedef ag_value (*nn_loss)(size_t n, const ag_value *outputs, const ag_value *targets,
                            void *context);

/* X(NAME, name, takes, formula): the function is nn_name; o are the outputs, t the targets, i runs
 * over all of them. What it takes: NUMBERS; PROBABILITIES p (0 log 0 is 0); LOGITS z, of two
 * classes for each output or of one class each (CLASS_LOGITS), with which a loss is right at any
 * size; SCORES s. The losses of probabilities are for graphs of your own, with ag_sigmoid or
 * nn_softmax before them: nn_mlp's outputs are logits. Each is a scope of its name. */
#define NN_LOSS_LIST(X)                                                                            \
    X(HALF_SQUARED_ERROR, half_squared_error, NUMBERS, "1/2 sum_i (o_i - t_i)^2")                  \
    X(MEAN_SQUARED_ERROR, mean_squared_error, NUMBERS, "1/n sum_i (o_i - t_i)^2")                  \
    X(ABSOLUTE_ERROR, absolute_error, NUMBERS, "sum_i |o_i - t_i|")                                \
    X(BINARY_CROSS_ENTROPY, binary_cross_entropy, PROBABILITIES,                                   \
      "-sum_i t_i log(p_i) + (1 - t_i) log(1 - p_i)")                                              \
    X(BINARY_CROSS_ENTROPY_LOGITS, binary_cross_entropy_logits, LOGITS,                            \
      "sum_i softplus(z_i) - t_i z_i, the above of p = sigmoid(z)")                                \
    X(SOFTMAX_CROSS_ENTROPY, softmax_cross_entropy, CLASS_LOGITS,                                  \
      "sum_i t_i (logsumexp(z) - z_i)")                                                            \
    X(NEGATIVE_LOG_LIKELIHOOD, negative_log_likelihood, PROBABILITIES, "-sum_i t_i log(p_i)")      \
    X(HINGE, hinge, SCORES, "sum_i max(0, 1 - y_i s_i), y_i = 1 where t_i > 0, else -1")

#define NN_X(NAME, name, takes, formula)                                                           \
    AG_API ag_value nn_##name(size_t n, const ag_value *outputs, const ag_value *targets,          \
                              void *context);
NN_LOSS_LIST(NN_X)
#undef NN_X

#define NN_HALF_SQUARED_ERROR nn_half_squared_error
#define NN_MEAN_SQUARED_ERROR nn_mean_squared_error
#define NN_ABSOLUTE_ERROR nn_absolute_error
#define NN_BINARY_CROSS_ENTROPY nn_binary_cross_entropy
#define NN_BINARY_CROSS_ENTROPY_LOGITS nn_binary_cross_entropy_logits
#define NN_SOFTMAX_CROSS_ENTROPY nn_softmax_cross_entropy
#define NN_NEGATIVE_LOG_LIKELIHOOD nn_negative_log_likelihood
#define NN_HINGE nn_hinge

/* Softmax cross-entropy with the class itself for a target: logsumexp(z) - z_class. Like that from
 * targets it is right at any size of z, and exact where it is small. A null value, and
 * AG_INVALID_ARGUMENT in the graph, for a class that is not below n. */
AG_API ag_value nn_softmax_cross_entropy_class(size_t n, const ag_value *logits, size_t klass);

/* ---- Optimisers ------------------------------------------------------------------------------ */

/* A rule that moves parameters against a gradient, and its numbers. Passed by value; the rule's
 * memory (velocity, moments) belongs to whoever calls step. */
typedef struct nn_optimizer nn_optimizer;
struct nn_optimizer {
    const char *name;
    /* one update of n parameters; gradient is the batch's mean; state holds n * state_count
     * numbers, zeros before the first step; t counts steps from 1 */
    void (*step)(const nn_optimizer *self, size_t n, ag_real *parameters, const ag_real *gradient,
                 ag_real *state, uint64_t t);
    size_t state_count; /* numbers of state per parameter */
    double rate;
    double momentum;
    double weight_decay; /* adds weight_decay * parameter, biases included, to the gradient (L2),
                            in Adam before the moments */
    double beta1, beta2, epsilon;
};

/* v = momentum v + g; p -= rate v. Momentum and weight decay are 0 until you set the members. */
AG_API nn_optimizer nn_sgd(double rate);
/* Kingma and Ba, 2015: beta1 0.9, beta2 0.999, epsilon 1e-8 */
AG_API nn_optimizer nn_adam(double rate);

/* ---- Data ------------------------------------------------------------------------------------ */

/* Rows of features, each with a class (classification) or target numbers (regression), or with
 * neither, to be predicted; at least one row and one feature, all numbers finite. Immutable. */
typedef struct nn_dataset nn_dataset;
/* A net: its layers, its parameters in one flat array, the standardisation of its inputs, the names
 * of its classes and features, and where its training left off. */
typedef struct nn_model nn_model;

typedef enum nn_csv_header {
    NN_HEADER_GUESS, /* a header if no cell of line 1 is a number and a feature of line 2 is one */
    NN_HEADER_YES,
    NN_HEADER_NO,
} nn_csv_header;

typedef struct nn_csv_options {
    int label_column; /* from 0; negative: from the end, -1 the last */
    bool regression;  /* the label column is a number to predict, not the name of a class */
    nn_csv_header header;
    char separator;  /* 0: a comma */
    bool unlabelled; /* every column is a feature, and label_column says nothing */
    /* Read for this model, as it was trained: a class gets the number that it has in the model,
     * whichever of them the file has and in whatever order; another class is an error, and so is
     * another number of columns, or a header that names a feature otherwise. A model that was
     * trained on numbers makes `regression` true. */
    const nn_model *model;
} nn_csv_options;

/* Reads a file of comma-separated values as RFC 4180 says: quoted cells, doubled quotes, line
 * breaks within quotes, LF or CRLF; no quotes elsewhere. A byte order mark and blank lines at the
 * end are skipped. Every column but the label's must be a finite decimal number, with a point
 * whatever the locale, rounded correctly; blanks around it are allowed. A class is what its cell
 * says, to the letter, and not empty. Classes are numbered in numerical order where all their names
 * are numbers, else in the order of their first appearance. NULL options: the last column is the
 * label (an options struct of zeros takes the first).
 *
 * NULL: AG_PARSE for a cell that is no number, a line with another number of cells than the first,
 * a quote that does not close or stands where it may not, a NUL byte, what the model does not know,
 * all with line and column; and for a file without rows. AG_IO: the file can't be read.
 * AG_INVALID_ARGUMENT: no such label column, a quote or line break for a separator, or a regression
 * for a model that knows classes. AG_OUT_OF_MEMORY. */
AG_API nn_dataset *nn_read_csv(const char *path, const nn_csv_options *options, nn_error *error);

/* From arrays, which are copied: inputs rows x features, labels in 0 .. classes-1. NULL, here and
 * below: a size is 0, a number is not finite, a label is too large, no memory. */
AG_API nn_dataset *nn_dataset_classes(size_t rows, size_t features, const ag_real *inputs,
                                      size_t classes, const size_t *labels, nn_error *error);
/* From arrays, which are copied: inputs rows x features, targets rows x outputs. */
AG_API nn_dataset *nn_dataset_numbers(size_t rows, size_t features, const ag_real *inputs,
                                      size_t outputs, const ag_real *targets, nn_error *error);
AG_API void nn_dataset_free(nn_dataset *data);

/* how many there are of each */
AG_API size_t nn_rows(const nn_dataset *data);
AG_API size_t nn_features(const nn_dataset *data);
/* 0 for a regression, and without labels */
AG_API size_t nn_classes(const nn_dataset *data);
/* classes, or the numbers to predict per row; 0 without labels */
AG_API size_t nn_targets(const nn_dataset *data);
/* features numbers; NULL for a row that does not exist */
AG_API const ag_real *nn_row_inputs(const nn_dataset *data, size_t row);
/* the class of a row; 0 for a regression */
AG_API size_t nn_row_class(const nn_dataset *data, size_t row);
/* nn_targets numbers of a regression; NULL for classes, and without labels */
AG_API const ag_real *nn_row_targets(const nn_dataset *data, size_t row);
/* as in the file, or "0", "1", ...; NULL for a class that does not exist */
AG_API const char *nn_class_name(const nn_dataset *data, size_t klass);
/* the header's, or "x0", "x1", ...; NULL for a feature that does not exist */
AG_API const char *nn_feature_name(const nn_dataset *data, size_t feature);

/* Cuts data in two, in a seeded random order, class by class (so both parts have the classes in
 * data's proportions): the first gets `fraction` of each class, rounded, the second the rest. Both
 * are new and yours. AG_INVALID_ARGUMENT: fraction is not in (0, 1), or a part would be empty. Both
 * parts are NULL after an error. */
AG_API ag_status nn_split(const nn_dataset *data, double fraction, uint64_t seed,
                          nn_dataset **first, nn_dataset **second);

/* ---- Models ---------------------------------------------------------------------------------- */

/* A multi-layer perceptron of n >= 2 sizes: inputs, hidden layers, outputs. Hidden layers have the
 * activation, the last has none: outputs are logits (or plain numbers). Weights by nn_init_he for
 * relu, leaky relu, elu and softplus, else by nn_init_glorot; biases 0. NULL: a size is 0, n < 2,
 * an unknown activation, no memory. */
AG_API nn_model *nn_mlp(size_t n, const size_t *sizes, nn_activation activation, uint64_t seed);
AG_API void nn_model_free(nn_model *model);

/* numbers that go in and come out for each row; parameters in all */
AG_API size_t nn_model_inputs(const nn_model *model);
AG_API size_t nn_model_outputs(const nn_model *model);
AG_API size_t nn_parameter_count(const nn_model *model);
/* All parameters: for each layer in turn its weights (out x in), then its biases (out). Yours to
 * read and write; the array lives as long as the model. */
AG_API ag_real *nn_parameters(nn_model *model);

/* Layers with parameters: n - 1 of nn_mlp's n. */
AG_API size_t nn_model_layers(const nn_model *model);
/* nn_mlp's sizes: 0 is the inputs, nn_model_layers the outputs; 0 for one that does not exist. */
AG_API size_t nn_model_size(const nn_model *model, size_t i);
/* of the hidden layers */
AG_API nn_activation nn_model_activation(const nn_model *model);
/* The classes of the data it was trained on; 0 for a regression, and before the first training. */
AG_API size_t nn_model_classes(const nn_model *model);
/* as in that data; NULL for a class that does not exist */
AG_API const char *nn_model_class_name(const nn_model *model, size_t klass);
/* as in that data; NULL for a feature that does not exist, and before the first training */
AG_API const char *nn_model_feature_name(const nn_model *model, size_t feature);
/* nn_model_inputs numbers each, as nn_standardise uses them; 0 and 1 before the first training */
AG_API const ag_real *nn_model_mean(const nn_model *model);
AG_API const ag_real *nn_model_deviation(const nn_model *model);

/* Records the net: from nn_parameter_count parameters and nn_model_inputs inputs (already
 * standardised), values of one graph, to nn_model_outputs outputs. Returns the graph's status;
 * AG_INVALID_ARGUMENT where an argument is NULL, AG_OUT_OF_MEMORY where there is no place for the
 * hidden layers. */
AG_API ag_status nn_model_record(const nn_model *model, const ag_value *parameters,
                                 const ag_value *inputs, ag_value *outputs);

/* standardised[j] = (inputs[j] - mean[j]) / deviation[j], as learnt by nn_fit; a copy before that.
 * Both have nn_model_inputs elements, and may be the same array. */
AG_API void nn_standardise(const nn_model *model, const ag_real *inputs, ag_real *standardised);

/* Outputs (logits) for rows of inputs, not yet standardised; inputs rows x nn_model_inputs, outputs
 * rows x nn_model_outputs. The first call, of this or of the functions below, compiles the net into
 * a program, which the model keeps (some 50 bytes a parameter). Many rows at a time are faster, and
 * very many go to all cores. */
AG_API ag_status nn_predict(const nn_model *model, size_t rows, const ag_real *inputs,
                            ag_real *outputs, nn_error *error);

/* The class that n outputs say: the largest, the first at a tie; for one output, 1 if it is above
 * 0. */
AG_API size_t nn_predicted_class(size_t n, const ag_real *outputs);

/* Data fits a model with as many inputs as features and as many outputs as classes or numbers to
 * predict; two classes fit one output, too. Once it is trained, classes and features must have the
 * names that the model knows, in that order, and a regression must stay one: a model that took one
 * class for another would be wrong without a word. (Names that the library made up, "0", "1", ...
 * and "x0", "x1", ..., go with all.) */

/* The part of data's rows that the model puts into their class; NaN if data has no classes or does
 * not fit the model, or if there is no memory. */
AG_API double nn_accuracy(const nn_model *model, const nn_dataset *data);

/* Fills counts, classes x classes: counts[true class * classes + predicted class] is how many rows
 * of data the model puts there; classes = nn_classes(data). */
AG_API ag_status nn_confusion(const nn_model *model, const nn_dataset *data, size_t *counts,
                              nn_error *error);

/* The mean of a loss (NULL: as in nn_fit_options) over data's rows; NaN if data does not fit the
 * model, the loss fails, or there is no memory. */
AG_API double nn_mean_loss(const nn_model *model, const nn_dataset *data, nn_loss loss,
                           void *loss_context);

/* ---- Training -------------------------------------------------------------------------------- */

typedef struct nn_epoch {
    size_t epoch;    /* from 1 */
    size_t epochs;   /* asked for */
    double loss;     /* mean over the epoch, each sample before the step it took part in */
    double accuracy; /* likewise; NaN for a regression */
    /* of held_out, after the epoch; NaN without it, the accuracy for a regression, too */
    double held_out_loss, held_out_accuracy;
    double samples_per_second;
    double seconds_left; /* an estimate */
} nn_epoch;

typedef struct nn_fit_options {
    nn_loss loss; /* NULL: softmax cross-entropy for classes (with one output: binary cross-entropy
                     from the logit), mean squared error for numbers */
    void *loss_context;
    nn_optimizer optimizer; /* step NULL: nn_adam(0.01) */
    size_t epochs;          /* 0: 100. With resume: in all, with those that are done */
    size_t batch;           /* samples per step; 0: 32; more than there are: all of them. A last
                               smaller batch is a step, too */
    uint64_t seed;          /* of the order, drawn anew for each epoch */
    bool keep_scale;        /* do not learn a standardisation */
    FILE *progress; /* NULL: silence. A terminal gets one line, rewritten; another file a line for
                       each tenth of the epochs */
    /* Sees the model as it is after the epoch, and may nn_save it, so that the training can be
     * resumed from there; false stops the training, successfully. */
    bool (*on_epoch)(const nn_epoch *epoch, void *user);
    void *on_epoch_user;
    size_t threads; /* at most; 0: as many as OpenMP says. Small batches are left to one */
    /* Compute losses and gradients in float, which takes half the time. Parameters and optimiser
     * stay ag_real (each step rounds a copy of the parameters), and so does a loss of your own
     * without record_once. The same where ag_real is float anyway. */
    bool use_float;
    /* Your loss is one expression: call it once, and compile what it records together with the net,
     * as is done with the losses of the list. Several times faster where the net is small. What it
     * records must not depend on numbers that it reads by ag_data, or on a context that changes;
     * closures are called from several threads. Comparisons (ag_gt, ...) are allowed: from the
     * first batch on where one comes out differently, the loss is called for each sample after all,
     * as it is if it can't be compiled (a closure with destroy, or without derive). */
    bool record_once;
    bool eager; /* train gate by gate, sample by sample, without programs: slow, and the naive twin
                   of all this. threads, use_float and record_once say nothing then */
    /* Data that is not trained on: after each epoch its mean loss and accuracy are told. */
    const nn_dataset *held_out;
    /* Stop when this many epochs in a row have not lowered the mean loss on held_out, and end, at
     * any end, with the parameters of the epoch where it was lowest. 0: neither. */
    size_t patience;
    /* Go on where the model's last training left off, to the same bits as if it had never stopped.
     * What is 0, NULL or false is as it was; all else must be what it was, but for epochs, threads,
     * progress, on_epoch, and patience, which may change if there was one. Data must be the same,
     * and handed over again, as held_out where there was patience, and as a loss or an optimiser of
     * your own. A training that is done, or out of patience, is left as it is. */
    bool resume;
} nn_fit_options;

/* Trains on data. One sample's loss and its gradient are compiled into a program, which runs on
 * mini-batches. The first call that succeeds settles the standardisation of the inputs (mean 0,
 * deviation 1 on data; a column that does not vary is divided by 1; none with keep_scale) and the
 * names of classes and features; later ones keep both. The optimiser begins anew with each call,
 * but for `resume`. A failure leaves the model as it was before the call. options may be NULL.
 *
 * Memory: a standardised copy of the inputs (if it takes no more than 1 GiB; otherwise each batch's
 * are computed when they are needed), and while it compiles some 400 bytes a parameter. The model
 * keeps what resuming needs: the optimiser's state, and with patience one more set of parameters.
 *
 * AG_INVALID_ARGUMENT: data or a loss of the list that does not fit the model, an option out of its
 * range, or one that contradicts the training to be resumed. AG_NOT_FINITE: a loss, a gradient or a
 * parameter left the numbers; the message names epoch and row. AG_OUT_OF_MEMORY. And whatever error
 * a loss of your own makes. */
AG_API ag_status nn_fit(nn_model *model, const nn_dataset *data, const nn_fit_options *options,
                        nn_error *error);

/* Where a training left off, or stands (in on_epoch): what it was asked for, without zeros that
 * stand for something, and how far it came. */
typedef struct nn_training {
    size_t epochs;          /* done */
    size_t epochs_asked;    /* in all */
    uint64_t steps;         /* of the optimiser */
    size_t rows;            /* of the data */
    size_t batch;           /* samples per step */
    uint64_t seed;          /* of the order */
    nn_random order;        /* the generator of the order, after the last epoch */
    nn_optimizer optimizer; /* of your own: with the name "custom", and step NULL */
    const char *loss;       /* a name of NN_LOSS_LIST, or "custom" */
    bool use_float, eager;
    size_t patience; /* 0: none */
    nn_epoch last;   /* what the last epoch told; the speed and the time left are 0 */
    /* the epoch after which the mean loss on held_out was lowest; 0 and NaN without held_out */
    size_t best_epoch;
    double best_loss;
} nn_training;

/* The model's last training; NULL: there was none, or it is forgotten. Valid until the next nn_fit,
 * nn_forget_training or nn_model_free. */
AG_API const nn_training *nn_model_training(const nn_model *model);

/* Drops what only resuming needs, so that the file is smaller: with nn_adam, by some five sixths.
 * Parameters, names and standardisation stay. Not from on_epoch, whose training needs it. */
AG_API void nn_forget_training(nn_model *model);

/* Mean loss over some rows of data and its gradient, through a graph, gate by gate: what nn_fit
 * steps along, but for rounding (with eager: to the bit). rows holds count row numbers, which may
 * repeat; gradient nn_parameter_count numbers. */
AG_API ag_status nn_loss_gradient(const nn_model *model, const nn_dataset *data, size_t count,
                                  const size_t *rows, nn_loss loss, void *loss_context,
                                  double *mean_loss, ag_real *gradient, nn_error *error);

/* ---- Files ----------------------------------------------------------------------------------- */

/* Writes a model to a file, in the format of safetensors (https://github.com/huggingface/
 * safetensors), little-endian whatever the machine. For layer i from 0, the tensor layers.i.weight
 * is out x in and layers.i.bias out, as F64 (F32 where ag_real is float), so that NumPy or PyTorch
 * read them as they are. All else is text in the file's metadata: sizes, activation, names,
 * standardisation, and the training with the optimiser's state, its numbers in decimals that read
 * back to the same bits.
 *
 * The file is written whole or not at all: to a temporary one in the same directory, which then
 * takes its name. So it is the old or the new one at any moment, even if the process is killed (and
 * then perhaps a file .wengert-* is left beside it); after an error it is the old one, and the
 * temporary one is gone. An old file's permissions are kept, a symbolic link's target is replaced.
 * Without POSIX, a moment remains in which there is no file.
 *
 * AG_IO: the file can't be written, is not a regular one, or the library was built without jansson.
 * AG_INVALID_ARGUMENT: a NULL argument, or a name of a class or feature that is not UTF-8.
 * AG_NOT_FINITE: a parameter that is not finite. AG_TOO_LARGE: the text would be larger than the
 * 100 MB that the format allows (see nn_forget_training). AG_OUT_OF_MEMORY. */
AG_API ag_status nn_save(const nn_model *model, const char *path, nn_error *error);

/* Reads a file that nn_save wrote, here or elsewhere, or that has been changed since in a way that
 * the format and the metadata allow; tensors may be F32 or F64 and stand in any order. The model
 * predicts the same bits as the one saved, and its training can be resumed; but not where ag_real
 * is of another size than the numbers in the file: then the training is left out. Everything in the
 * file is checked before it is used, and no more memory is taken than its size warrants.
 *
 * NULL: AG_PARSE for a file that is not in the format, is no model of nn_save's or one of a later
 * layout; the message names the tensor or the piece of metadata. AG_NOT_FINITE: a parameter that is
 * not finite. AG_IO: the file can't be read, or the library was built without jansson.
 * AG_INVALID_ARGUMENT: the path is NULL. AG_OUT_OF_MEMORY. */
AG_API nn_model *nn_load(const char *path, nn_error *error);

/* ---- C for elsewhere ------------------------------------------------------------------------- */

typedef struct nn_emit_options {
    const char *name; /* a C identifier, with which everything begins that the file defines; NULL:
                         "net" */
    /* as in ag_emit_options, of wengert/program.h */
    bool use_float, static_workspace, small_libm;
    const char *header_name;
    bool train;   /* parameters are the caller's, and a function steps them */
    nn_loss loss; /* of the steps. NULL: that of the model's last training, else as in
                     nn_fit_options. One of your own is called once, and must be one expression */
    void *loss_context;
} nn_emit_options;

/* Writes a net as C99 that needs nothing but math.h: ag_emit_c's kind of file, with the function
 *
 *     void NAME(const real *each, real *map, real *workspace)
 *
 * for one sample. each are the features as they are measured, not standardised; map are the
 * probabilities of all classes (two, too, of a net with one output), or, where the model knows no
 * classes, the outputs of nn_predict. Parameters stand in the file. And with classes
 *
 *     size_t NAME_class(const real *map)                  what nn_predicted_class says
 *
 * With train, parameters are an argument in front, which begins as the constant array NAME_shared
 * and is to be copied from there, and there is one step of nn_sgd(rate) on one sample:
 *
 *     void NAME(const real *shared, const real *each, real *map, real *workspace)
 *     real NAME_learn(real *parameters, const real *row, real rate, real *workspace)
 *     void NAME_gradient(const real *shared, const real *each, real *sum, real *map, real scale,
 *                        real *workspace)
 *
 * A row is the features and then the number of the class, or the numbers to be predicted. NAME_learn
 * returns the loss as it was before; NAME_gradient, which it calls, puts that into map, and adds
 * scale times the gradient to sum, so that batches and momentum can be had as well. Workspaces have
 * NAME_WORKSPACE, NAME_GRADIENT_WORKSPACE numbers; if that would be none, and with
 * static_workspace, there is no such parameter. NAME_INPUTS, NAME_OUTPUTS, NAME_PARAMETERS say how
 * many there are, NAME_FEATURE_NAMES and NAME_CLASS_NAMES are macros for arrays of texts.
 *
 * options may be NULL, and header where options->header_name is. AG_INVALID_ARGUMENT, and nothing
 * has been written: as ag_emit_c, and a loss that does not fit the model, records comparisons, or is
 * not known any more. AG_OUT_OF_MEMORY; AG_IO. */
AG_API ag_status nn_emit_c(const nn_model *model, const nn_emit_options *options, FILE *source,
                           FILE *header, nn_error *error);

#ifdef __cplusplus
}
#endif

#endif
