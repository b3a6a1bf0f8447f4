/* SPDX-License-Identifier: MIT
 *
 * wengert train: from a file of data to a net, saved while it learns, so that a training that was
 * interrupted can go on.
 */
#define _POSIX_C_SOURCE 200809L
#include "gnuplot.h"
#include "net_command.h"
#include "picture_file.h"

#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct training {
    const command_line *arguments;
    const char *path; /* of the data */
    const char *save; /* NULL: nowhere */
    bool resume;
    uint64_t seed;
    double held_out; /* part of the rows; 0: none */
    nn_dataset *data, *train, *held;
    nn_model *model;
    nn_fit_options options;
    nn_error error;
    nn_epoch *curve; /* of the epochs that ran */
    size_t count, capacity;
    double saved_at;  /* seconds */
    bool save_failed; /* error says why */
} training;

/* The one thing that a signal's handler can reach. */
static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- What is asked for ----------------------------------------------------------------------- */

static nn_activation read_activation(const command_line *a)
{
    static const char *const names[] = {
#define NN_X(NAME, name, formula) #name,
        NN_ACTIVATION_LIST(NN_X)
#undef NN_X
    };
    const char *text = get_option(a, "activation");
    for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0)
            return (nn_activation)i;
    return NN_TANH;
}

/* The optimiser that was asked for; of a training to be resumed, none. */
static int read_optimizer(const command_line *a, bool resume, nn_optimizer *rule)
{
    const char *name = get_option(a, "optimizer");
    double rate = -1, momentum = 0, decay = 0;
    if (!get_number(a, "rate", 0, DBL_MAX, &rate) ||
        !get_number(a, "momentum", 0, 1 - DBL_EPSILON, &momentum) ||
        !get_number(a, "weight-decay", 0, DBL_MAX, &decay))
        return MISUSED;
    const bool asked =
        name != NULL || rate >= 0 || has_option(a, "momentum") || has_option(a, "weight-decay");
    if (resume && asked)
        return fail(a, MISUSED, "--resume goes on with the optimiser of the saved training");
    const bool sgd = name != NULL && strcmp(name, "sgd") == 0;
    if (!sgd && has_option(a, "momentum"))
        return fail(a, MISUSED, "--momentum is for --optimizer sgd");
    if (!resume)
        *rule = sgd ? nn_sgd(rate < 0 ? 0.05 : rate) : nn_adam(rate < 0 ? 0.01 : rate);
    rule->momentum = momentum;
    rule->weight_decay = decay;
    return DONE;
}

static int read_fit_options(training *t)
{
    const command_line *a = t->arguments;
    uint64_t epochs = 0, batch = 0, patience = 0, threads = 0;
    if (!get_count(a, "epochs", 1, 1000000000, &epochs) ||
        !get_count(a, "batch", 1, 1000000000, &batch) ||
        !get_count(a, "patience", 1, 1000000000, &patience) ||
        !get_count(a, "threads", 1, 4096, &threads) ||
        !get_count(a, "seed", 0, UINT64_MAX, &t->seed) ||
        !get_number(a, "held-out", 0, 1 - DBL_EPSILON, &t->held_out))
        return MISUSED;
    if (patience > 0 && t->held_out <= 0)
        return fail(a, MISUSED, "--patience judges by held-out rows, and there are none");
    if (t->resume && t->save == NULL)
        return fail(a, MISUSED, "--resume goes on with the net of --save FILE");
    t->options.epochs = (size_t)epochs;
    t->options.batch = (size_t)batch;
    t->options.patience = (size_t)patience;
    t->options.threads = (size_t)threads;
    t->options.use_float = has_option(a, "float");
    t->options.progress = has_option(a, "quiet") ? NULL : stderr;
    t->options.resume = t->resume;
    return read_optimizer(a, t->resume, &t->options.optimizer);
}

/* ---- The net and its data -------------------------------------------------------------------- */

/* "16,8": sizes of hidden layers. Returns how many; SIZE_MAX, and said, for what is no list. */
static size_t read_hidden(const command_line *a, size_t most, size_t *sizes)
{
    const char *text = get_option(a, "hidden");
    size_t count = 0;
    if (text == NULL)
        text = "16";
    if (strcmp(text, "0") == 0)
        return 0;
    for (const char *at = text; count < most; at++) {
        char *end;
        const unsigned long long size = *at >= '1' && *at <= '9' ? strtoull(at, &end, 10) : 0;
        if (size == 0 || size > 1000000 || (*end != ',' && *end != '\0'))
            break;
        sizes[count++] = (size_t)size;
        at = end;
        if (*at == '\0')
            return count;
    }
    (void)fail(a, MISUSED, "--hidden %s: expected sizes of layers, as in 16 or 32,16; 0 for none",
               text);
    return SIZE_MAX;
}

static int make_model(training *t)
{
    enum {
        MOST_LAYERS = 64
    };
    const command_line *a = t->arguments;
    size_t sizes[MOST_LAYERS + 2] = {nn_features(t->data)};
    const size_t hidden = read_hidden(a, MOST_LAYERS, sizes + 1);
    if (hidden == SIZE_MAX)
        return MISUSED;
    sizes[hidden + 1] = nn_targets(t->data);
    t->model = nn_mlp(hidden + 2, sizes, read_activation(a), t->seed);
    if (t->model == NULL)
        return fail(a, FAILED, "no memory for this net");
    return DONE;
}

/* What the saved training was given, where the command line does not say it again. */
static int load_training(training *t)
{
    static const char *const fixed[] = {"hidden", "activation"};
    const command_line *a = t->arguments;
    int status;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (has_option(a, fixed[i]))
            return fail(a, MISUSED, "--resume goes on with the saved net: it has its --%s",
                        fixed[i]);
    t->model = load_model(a, t->save, &status);
    if (t->model == NULL)
        return status;
    const nn_training *before = nn_model_training(t->model);
    if (before == NULL)
        return fail(a, FAILED, "%s: there is no training in it to be resumed", t->save);
    if (!has_option(a, "seed"))
        t->seed = before->seed;
    return DONE;
}

/* The part that the saved training held out. nn_fit tells if it comes out otherwise, which rounding
 * in uneven classes can do. */
static double recall_held_out(const training *t)
{
    const size_t all = nn_rows(t->data), rows = nn_model_training(t->model)->rows;
    return rows < all ? 1 - (double)rows / (double)all : 0;
}

static int open_data(training *t)
{
    const command_line *a = t->arguments;
    int status = DONE;
    if (t->resume && (status = load_training(t)) != DONE)
        return status;
    t->data = read_data(
        a, t->path, &(nn_csv_options){.regression = has_option(a, "regression"), .model = t->model},
        &status);
    if (t->data == NULL)
        return status;
    if (nn_classes(t->data) == 1)
        return fail(a, FAILED, "%s: every row has the label %s; --label says which column it is in",
                    t->path, nn_class_name(t->data, 0));
    if (t->model == NULL && (status = make_model(t)) != DONE)
        return status;
    if (t->resume && !has_option(a, "held-out"))
        t->held_out = recall_held_out(t);
    if (t->held_out > 0 &&
        nn_split(t->data, 1 - t->held_out, t->seed, &t->train, &t->held) != AG_OK)
        return fail(
            a, FAILED,
            "%s: %zu rows of %zu classes can't be split into a part to train on and one of %g "
            "to hold out; --held-out 0 holds none, --regression predicts numbers",
            t->path, nn_rows(t->data), nn_classes(t->data), t->held_out);
    t->options.seed = t->seed;
    t->options.held_out = t->held;
    return DONE;
}

/* ---- Training -------------------------------------------------------------------------------- */

static double read_clock(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void keep_epoch(training *t, const nn_epoch *epoch)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity * 2 + 64;
        t->curve = resize(t->curve, t->capacity, sizeof(*t->curve));
    }
    t->curve[t->count++] = *epoch;
}

/* Saves about once a second: a training that is killed loses no more. */
static bool see_epoch(const nn_epoch *epoch, void *user)
{
    training *t = user;
    keep_epoch(t, epoch);
    const double now = read_clock();
    if (t->save != NULL && now - t->saved_at >= 1) {
        t->save_failed = nn_save(t->model, t->save, &t->error) != AG_OK;
        t->saved_at = read_clock();
    }
    return !interrupted && !t->save_failed;
}

static int fit(training *t)
{
    const struct sigaction stop = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;
    t->options.on_epoch = see_epoch;
    t->options.on_epoch_user = t;
    t->saved_at = read_clock();
    (void)sigaction(SIGINT, &stop, &before);
    nn_error error;
    const ag_status status =
        nn_fit(t->model, t->train == NULL ? t->data : t->train, &t->options, &error);
    (void)sigaction(SIGINT, &before, NULL);
    if (status != AG_OK)
        return fail_net(t->arguments, &error);
    if (!t->save_failed && t->save != NULL)
        t->save_failed = nn_save(t->model, t->save, &t->error) != AG_OK;
    return t->save_failed ? fail_net(t->arguments, &t->error) : DONE;
}

/* ---- What came of it ------------------------------------------------------------------------- */

static void print_plan(const training *t)
{
    char sizes[200];
    show_sizes(t->model, sizeof(sizes), sizes);
    (void)fprintf(stderr, "%s: %zu rows, %zu features", t->path, nn_rows(t->data),
                  nn_features(t->data));
    if (nn_classes(t->data) > 0)
        (void)fprintf(stderr, ", %zu classes", nn_classes(t->data));
    if (t->held != NULL)
        (void)fprintf(stderr, "; %zu rows held out", nn_rows(t->held));
    (void)fprintf(stderr, "\nnet: %s, %s, %zu parameters\n", sizes,
                  nn_activation_name(nn_model_activation(t->model)), nn_parameter_count(t->model));
}

static void print_line(const char *name, const judgement *train, const judgement *held,
                       double (*get)(const judgement *), const char *format)
{
    char text[2][40];
    (void)snprintf(text[0], sizeof(text[0]), format, get(train));
    (void)snprintf(text[1], sizeof(text[1]), format, held == NULL ? 0 : get(held));
    printf("%-24s  %12s", name, text[0]);
    printf(held == NULL ? "\n" : "  %12s\n", text[1]);
}

static double get_rows(const judgement *j)
{
    return (double)j->rows;
}

static double get_loss(const judgement *j)
{
    return j->loss;
}

static double get_root(const judgement *j)
{
    return sqrt(j->loss);
}

static double get_percentage(const judgement *j)
{
    return 100 * j->accuracy;
}

static void print_outcome(const training *t, const judgement *train, const judgement *held)
{
    const nn_training *done = nn_model_training(t->model);
    printf("%zu epochs, %llu steps\n\n", done->epochs, (unsigned long long)done->steps);
    printf("%-24s  %12s%s\n", "", "trained on", held == NULL ? "" : "      held out");
    print_line("rows", train, held, get_rows, "%.0f");
    print_line("loss", train, held, get_loss, "%.6g");
    if (train->classes > 0)
        print_line("accuracy", train, held, get_percentage, "%.1f%%");
    else
        print_line("root mean squared error", train, held, get_root, "%.6g");
    if (t->options.patience > 0 || done->patience > 0)
        printf("\nthe best epoch on the held-out rows was %zu\n", done->best_epoch);
    if (train->classes > 0) {
        printf("\n%s\n", held == NULL ? "rows trained on:" : "held-out rows:");
        print_confusion(t->data, held == NULL ? train : held);
    }
    if (t->save != NULL)
        printf("\nsaved %s\n", t->save);
}

static void print_json(const training *t, const judgement *train, const judgement *held)
{
    const nn_training *done = nn_model_training(t->model);
    report *object = report_new();
    report_count(object, "epochs", done->epochs);
    report_count(object, "steps", (size_t)done->steps);
    report_count(object, "parameters", nn_parameter_count(t->model));
    report_count(object, "best_epoch", done->best_epoch);
    report_flag(object, "interrupted", interrupted != 0);
    report_text(object, "saved", t->save);
    report_judgement(report_object(object, "trained_on"), t->data, train);
    if (held != NULL)
        report_judgement(report_object(object, "held_out"), t->data, held);
    report *curve = report_list(object, "curve");
    for (size_t i = 0; i < t->count; i++) {
        report *epoch = report_item(curve);
        report_count(epoch, "epoch", t->curve[i].epoch);
        report_number(epoch, "loss", t->curve[i].loss);
        if (nn_classes(t->data) > 0)
            report_number(epoch, "accuracy", t->curve[i].accuracy);
        if (t->held != NULL)
            report_number(epoch, "held_out_loss", t->curve[i].held_out_loss);
        if (t->held != NULL && nn_classes(t->data) > 0)
            report_number(epoch, "held_out_accuracy", t->curve[i].held_out_accuracy);
    }
    report_print(object);
}

static int tell(const training *t)
{
    judgement train = {0}, held = {0};
    int status = judge_model(t->arguments, t->model, t->train == NULL ? t->data : t->train, &train);
    if (status == DONE && t->held != NULL)
        status = judge_model(t->arguments, t->model, t->held, &held);
    if (status == DONE && t->arguments->json)
        print_json(t, &train, t->held == NULL ? NULL : &held);
    else if (status == DONE)
        print_outcome(t, &train, t->held == NULL ? NULL : &held);
    if (status == DONE && interrupted)
        status = fail(t->arguments, FAILED, "interrupted%s",
                      t->save == NULL ? "" : "; the same command with --resume goes on");
    free_judgement(&train);
    free_judgement(&held);
    return status;
}

/* Losses on a logarithmic scale by epoch, those of this run. */
static void put_curve(const training *t, FILE *script)
{
    const bool held = t->held != NULL;
    const size_t columns = held ? 3 : 2;
    double *numbers = allocate(t->count * columns, sizeof(*numbers));
    bool positive = true; /* so that there is a logarithm */
    for (size_t i = 0; i < t->count; i++) {
        double *row = numbers + i * columns;
        row[0] = (double)t->curve[i].epoch;
        row[1] = t->curve[i].loss;
        if (held)
            row[2] = t->curve[i].held_out_loss;
        positive = positive && row[1] > 0 && (!held || row[2] > 0);
    }
    put_table(script, "losses", t->count, columns, numbers);
    free(numbers);
    (void)fprintf(script,
                  "set xlabel 'epoch'\nset ylabel 'loss'\n%s"
                  "plot $losses using 1:2 with lines linestyle 1 title 'trained on'",
                  positive ? "set logscale y\nset format y '%g'\n" : "");
    if (held)
        (void)fputs(", $losses using 1:3 with lines linestyle 2 title 'held out'", script);
    (void)fputc('\n', script);
}

static int end_curve(plot *loss, int status)
{
    const int ended = close_plot(loss, status == DONE);
    return status == DONE ? ended : status;
}

static int run(const command_line *a)
{
    training t = {.arguments = a,
                  .save = get_option(a, "save"),
                  .resume = has_option(a, "resume"),
                  .seed = 42,
                  .held_out = 0.2};
    const char *curve = get_option(a, "curve");
    plot loss = {0};
    if (a->count != 1)
        return fail(a, MISUSED, "expected a file of data: wengert train iris.csv; see --help");
    t.path = a->operands[0];
    int status = keep_source(a, t.path, t.save);
    if (status == DONE)
        status = keep_source(a, t.path, curve);
    if (status == DONE && curve != NULL && t.save != NULL && strcmp(curve, t.save) == 0)
        status = fail(a, MISUSED, "--save and --curve name the same file");
    if (status == DONE && curve != NULL)
        status = open_plot(&loss, a, curve);
    if (status != DONE)
        return status;
    status = read_fit_options(&t);
    if (status == DONE)
        status = open_data(&t);
    if (status == DONE && !has_option(a, "quiet"))
        print_plan(&t);
    if (status == DONE)
        status = fit(&t);
    if (status == DONE)
        status = tell(&t);
    if (status == DONE && curve != NULL)
        put_curve(&t, loss.script);
    if (curve != NULL)
        status = end_curve(&loss, status);
    nn_model_free(t.model);
    nn_dataset_free(t.data);
    nn_dataset_free(t.train);
    nn_dataset_free(t.held);
    free(t.curve);
    return status;
}

#define NN_X(NAME, name, formula) #name " "
static const char activations[] = NN_ACTIVATION_LIST(NN_X);
#undef NN_X

const subcommand train_command = {
    .name = "train",
    .operands = "DATA",
    .summary = "train a small net on a file of comma-separated values",
    .description =
        "Reads rows of numbers with a label each, holds a part of them out, and trains a\n"
        "multi-layer perceptron on the rest. Inputs are standardised, which the net\n"
        "remembers. The same seed gives the same net, to the last bit.\n"
        "\n"
        "With --save, the net is saved at the end and about once a second on the way. A\n"
        "training that was interrupted goes on with --resume, to the same bits as if it\n"
        "had not been. Ctrl-C saves, too, and the exit status is 1 then.\n",
    .examples =
        "wengert train iris.csv --hidden 16 --epochs 200 --save iris.safetensors\n"
        "wengert train iris.csv --patience 20 --save iris.safetensors --curve loss.svg\n"
        "wengert train iris.csv --save iris.safetensors --epochs 400 --resume\n"
        "wengert train houses.csv --regression --label 1 --hidden 32,16 --activation relu\n",
    .options =
        (const option[]){
            {"hidden", 0, "SIZES", NULL, "hidden layers' sizes, as in 32,16; 0 for none [16]"},
            {"activation", 0, "NAME", activations, "of hidden layers [tanh]"},
            {"epochs", 'e', "NUMBER", NULL, "passes over the data, in all [100]"},
            {"batch", 'b', "NUMBER", NULL, "rows per step [32]"},
            {"optimizer", 0, "NAME", "adam sgd", "rule of the steps [adam]"},
            {"rate", 'r', "NUMBER", NULL, "of learning [0.01; sgd 0.05]"},
            {"momentum", 0, "NUMBER", NULL, "of sgd [0]"},
            {"weight-decay", 0, "NUMBER", NULL, "draws parameters to 0 [0]"},
            {"held-out", 0, "PART", NULL, "part of the rows to test on, not to train on [0.2]"},
            {"patience", 'p', "NUMBER", NULL,
             "stop after so many epochs without progress on the held-out rows, with the best net"},
            {"seed", 's', "NUMBER", NULL, "of everything random [42]"},
            {"save", 'o', "FILE", NULL, "write the net to FILE, in safetensors format"},
            {"resume", 0, NULL, NULL, "go on with the training in the file of --save"},
            {"curve", 'c', "FILE", NULL, "draw the loss by epoch: a .svg, .png, .pdf or .gp"},
            {"regression", 0, NULL, NULL, "the label is a number to predict, not a class"},
            LABEL_OPTION,
            HEADER_OPTION,
            SEPARATOR_OPTION,
            {"threads", 0, "NUMBER", NULL, "at most so many [all cores]"},
            {"float", 0, NULL, NULL, "compute gradients in single precision"},
            {"quiet", 'q', NULL, NULL, "no progress"},
            {0}},
    .files = true,
    .run = run,
};
