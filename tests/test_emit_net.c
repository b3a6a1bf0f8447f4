/* SPDX-License-Identifier: MIT
 *
 * Nets as generated C, compiled with every warning, in double and in float: predictions against
 * nn_predict, a step against nn_fit's, with every activation and every loss; what the files say, what
 * they take of memory, and what is refused.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "emitting.h"
#include "nn_testing.h"

/* ---- Files of nets --------------------------------------------------------------------------- */

enum {
    MOST_NETS = 40,
    MOST_NUMBERS = 80 /* of a row */
};

/* A net in the object, and what it is compared with. */
typedef struct net {
    char name[16];
    nn_model *model;
    nn_dataset *data; /* a row of it is stepped with */
    nn_emit_options options;
    void *function, *step;
    const size_t *sizes; /* NAME_WORKSPACE, NAME_GRADIENT_WORKSPACE */
} net;

static struct {
    emission files;
    net nets[MOST_NETS];
    size_t n;
} shelf;

static FILE *open_file(const char *name, const char *ending)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/%s.%s", shelf.files.directory, name, ending);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

/* Model and data are the shelf's then; data may be NULL. */
static void add_net(nn_model *model, nn_dataset *data, nn_emit_options options)
{
    assert_true(shelf.n < MOST_NETS);
    if (shelf.n == 0) {
        (void)snprintf(shelf.files.directory, sizeof(shelf.files.directory),
                       "/tmp/wengert-emit-XXXXXX");
        assert_non_null(mkdtemp(shelf.files.directory));
    }
    net *at = &shelf.nets[shelf.n];
    *at = (net){.model = model, .data = data, .options = options};
    (void)snprintf(at->name, sizeof(at->name), "n%zu", shelf.n++);
    char header_name[24];
    (void)snprintf(header_name, sizeof(header_name), "%s.h", at->name);
    options.name = at->name;
    options.header_name = header_name;
    FILE *to = open_file(at->name, "c"), *header = open_file(at->name, "h");
    nn_error error;
    if (nn_emit_c(model, &options, to, header, &error) != AG_OK)
        fail_msg("%s", error.message);
    fprintf(to, "\nextern const size_t %s_sizes[2];\nconst size_t %s_sizes[2] = {", at->name,
            at->name);
    fprintf(to, options.static_workspace ? "0" : "N%zu_WORKSPACE", shelf.n - 1);
    if (options.train && !options.static_workspace)
        fprintf(to, ", N%zu_GRADIENT_WORKSPACE", shelf.n - 1);
    fprintf(to, "};\n");
    assert_int_equal(fclose(to), 0);
    assert_int_equal(fclose(header), 0);
}

static void *find(const char *name, const char *ending)
{
    char symbol[40];
    (void)snprintf(symbol, sizeof(symbol), "%s%s", name, ending);
    void *found = dlsym(shelf.files.object, symbol);
    if (found == NULL)
        fail_msg("there is no %s", symbol);
    return found;
}

static void compile_nets(void)
{
    compile_text(&shelf.files, find_compiler(),
                 "-std=c99 " STRICT " -fPIC -shared *.c -o nets.so -lm");
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/nets.so", shelf.files.directory);
    shelf.files.object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (shelf.files.object == NULL)
        fail_msg("%s", dlerror());
    for (size_t i = 0; i < shelf.n; i++) {
        net *at = &shelf.nets[i];
        at->function = find(at->name, "");
        at->sizes = find(at->name, "_sizes");
        if (at->options.train)
            at->step = find(at->name, "_learn");
    }
}

static void close_nets(void)
{
    for (size_t i = 0; i < shelf.n; i++) {
        nn_model_free(shelf.nets[i].model);
        nn_dataset_free(shelf.nets[i].data);
    }
    free_emission(&shelf.files);
    memset(&shelf, 0, sizeof(shelf));
}

/* ---- Calls, with doubles outside ------------------------------------------------------------- */

typedef void predict_double(const double *each, double *map, double *workspace);
typedef void predict_float(const float *each, float *map, float *workspace);
typedef void infer_double(const double *shared, const double *each, double *map, double *workspace);
typedef void infer_float(const float *shared, const float *each, float *map, float *workspace);
typedef double step_double(double *parameters, const double *row, double rate, double *workspace);
typedef float step_float(float *parameters, const float *row, float rate, float *workspace);

#define FUNCTION(type, pointer, name)                                                              \
    type *name;                                                                                    \
    memcpy(&name, &(pointer), sizeof(name))

/* Blocks of exactly what they are said to take, so that who looks for overruns finds them. */
static void *new_block(size_t n, size_t size)
{
    void *block = malloc(n == 0 ? 1 : n * size);
    assert_non_null(block);
    return block;
}

static float *round_block(size_t n, const double *numbers)
{
    float *block = new_block(n, sizeof(*block));
    for (size_t i = 0; i < n; i++)
        block[i] = (float)numbers[i];
    return block;
}

static void widen_block(size_t n, float *block, double *numbers)
{
    for (size_t i = 0; i < n; i++)
        numbers[i] = (double)block[i];
    free(block);
}

static void call_net(const net *at, const double *parameters, const double *inputs, double *outputs,
                     size_t count)
{
    const size_t n = nn_parameter_count(at->model), in = nn_model_inputs(at->model);
    if (at->options.use_float) {
        float *shared = round_block(n, parameters), *each = round_block(in, inputs);
        float *map = new_block(count, sizeof(*map)), *w = new_block(at->sizes[0], sizeof(*w));
        FUNCTION(predict_float, at->function, predict);
        FUNCTION(infer_float, at->function, infer);
        if (at->options.train)
            infer(shared, each, map, w);
        else
            predict(each, map, w);
        free(shared);
        free(each);
        free(w);
        widen_block(count, map, outputs);
    } else {
        double *w = new_block(at->sizes[0], sizeof(*w));
        FUNCTION(predict_double, at->function, predict);
        FUNCTION(infer_double, at->function, infer);
        if (at->options.train)
            infer(parameters, inputs, outputs, w);
        else
            predict(inputs, outputs, w);
        free(w);
    }
}

static double call_step(const net *at, double *parameters, size_t row_count, const double *row,
                        double rate)
{
    const size_t n = nn_parameter_count(at->model);
    double loss;
    if (at->options.use_float) {
        float *p = round_block(n, parameters), *each = round_block(row_count, row);
        float *w = new_block(at->sizes[1], sizeof(*w));
        FUNCTION(step_float, at->step, step);
        loss = (double)step(p, each, (float)rate, w);
        free(each);
        free(w);
        widen_block(n, p, parameters);
    } else {
        double *w = new_block(at->sizes[1], sizeof(*w));
        FUNCTION(step_double, at->step, step);
        loss = step(parameters, row, rate, w);
        free(w);
    }
    return loss;
}

/* ---- What is expected ------------------------------------------------------------------------ */

/* Relative; the library's own numbers may be floats. */
static double find_tolerance(const net *at)
{
    return at->options.use_float || sizeof(ag_real) == sizeof(float) ? 1e-5 : 1e-12;
}

static double find_epsilon(const net *at)
{
    return at->options.use_float || sizeof(ag_real) == sizeof(float) ? 1.2e-7 : 2.3e-16;
}

static void get_row(const nn_dataset *data, size_t row, double *numbers)
{
    for (size_t i = 0; i < nn_features(data); i++)
        numbers[i] = (double)nn_row_inputs(data, row)[i];
}

/* nn_predict's outputs, made probabilities where there are classes; returns how many there are. */
static size_t expect_outputs(const nn_model *model, const ag_real *inputs, double *expected,
                             size_t *klass)
{
    ag_real outputs[MOST_NUMBERS];
    const size_t n = nn_model_outputs(model), classes = nn_model_classes(model);
    assert_int_equal(nn_predict(model, 1, inputs, outputs, NULL), AG_OK);
    *klass = nn_predicted_class(n, outputs);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        expected[i] = (double)outputs[i];
    if (classes == 0)
        return n;
    if (n == 1) {
        const double z = expected[0];
        expected[0] = 1 / (1 + exp(z));
        expected[1] = 1 / (1 + exp(-z));
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        sum += exp(expected[i]);
    for (size_t i = 0; i < n; i++)
        expected[i] = exp(expected[i]) / sum;
    return n;
}

static size_t get_class(const net *at, const double *outputs, size_t count)
{
    typedef size_t class_double(const double *map);
    typedef size_t class_float(const float *map);
    void *found = find(at->name, "_class");
    if (!at->options.use_float) {
        FUNCTION(class_double, found, call);
        return call(outputs);
    }
    FUNCTION(class_float, found, call);
    float *map = round_block(count, outputs);
    const size_t klass = call(map);
    free(map);
    return klass;
}

static double *copy_parameters(nn_model *model)
{
    const size_t n = nn_parameter_count(model);
    double *copy = new_block(n, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = (double)nn_parameters(model)[i];
    return copy;
}

/* Every row of the net's data. Float numbers are compared with the largest, 1. */
static void check_predictions(const net *at)
{
    double *parameters = copy_parameters(at->model);
    for (size_t row = 0; row < nn_rows(at->data); row++) {
        double inputs[MOST_NUMBERS], outputs[MOST_NUMBERS], expected[MOST_NUMBERS];
        size_t klass;
        get_row(at->data, row, inputs);
        const size_t n = expect_outputs(at->model, nn_row_inputs(at->data, row), expected, &klass);
        call_net(at, parameters, inputs, outputs, n);
        for (size_t i = 0; i < n; i++)
            if (!is_close(outputs[i], expected[i], find_tolerance(at)))
                fail_msg("%s, row %zu, output %zu: %.17g, not %.17g", at->name, row, i, outputs[i],
                         expected[i]);
        if (nn_model_classes(at->model) > 0)
            assert_int_equal(get_class(at, outputs, n), klass);
    }
    free(parameters);
}

/* One row of a dataset, by itself. */
static nn_dataset *take_row(const nn_dataset *data, size_t row)
{
    const size_t klass = nn_row_class(data, row);
    nn_dataset *one = nn_classes(data) > 0
                          ? nn_dataset_classes(1, nn_features(data), nn_row_inputs(data, row),
                                               nn_classes(data), &klass, NULL)
                          : nn_dataset_numbers(1, nn_features(data), nn_row_inputs(data, row),
                                               nn_targets(data), nn_row_targets(data, row), NULL);
    assert_non_null(one);
    return one;
}

/* The features and what is to come out; returns how many numbers. */
static size_t get_sample(const nn_dataset *data, size_t row, double *numbers)
{
    size_t n = nn_features(data);
    get_row(data, row, numbers);
    if (nn_classes(data) > 0)
        numbers[n++] = (double)nn_row_class(data, row);
    for (size_t i = 0; nn_classes(data) == 0 && i < nn_targets(data); i++)
        numbers[n++] = (double)nn_row_targets(data, row)[i];
    return n;
}

/* A step of the file's against one of nn_fit's, and ten of them. */
static void check_steps(const net *at, nn_loss loss, size_t row)
{
    const double rate = 0.01;
    const size_t n = nn_parameter_count(at->model);
    double *before = copy_parameters(at->model), *stepped = copy_parameters(at->model);
    double sample[MOST_NUMBERS];
    const size_t count = get_sample(at->data, row, sample);
    const double first = call_step(at, stepped, count, sample, rate);
    nn_dataset *one = take_row(at->data, row);
    nn_error error;
    if (nn_fit(at->model, one,
               &(nn_fit_options){
                   .loss = loss, .optimizer = nn_sgd(rate), .epochs = 1, .batch = 1, .threads = 1},
               &error) != AG_OK)
        fail_msg("%s", error.message);
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)nn_parameters(at->model)[i] - before[i]));
    assert_true(largest > 0);
    for (size_t i = 0; i < n; i++) {
        const double expected = (double)nn_parameters(at->model)[i];
        const double allowed =
            find_tolerance(at) * largest + 2 * find_epsilon(at) * fabs(before[i]);
        if (!(fabs(stepped[i] - expected) <= allowed))
            fail_msg("%s, parameter %zu: %.17g, not %.17g", at->name, i, stepped[i], expected);
    }
    assert_close(first, nn_model_training(at->model)->last.loss, find_tolerance(at));
    double last = first;
    for (size_t i = 0; i < 10; i++)
        last = call_step(at, stepped, count, sample, rate);
    if (!(last < first))
        fail_msg("%s: the loss went from %g to %g", at->name, first, last);
    memcpy(stepped, before, n * sizeof(*stepped));
    for (size_t i = 0; i < n; i++)
        nn_parameters(at->model)[i] = (ag_real)before[i];
    nn_dataset_free(one);
    free(before);
    free(stepped);
}

/* ---- Data and models ------------------------------------------------------------------------- */

static nn_dataset *read_iris(void)
{
    nn_error error;
    nn_dataset *data = nn_read_csv("demos/data/iris.csv", NULL, &error);
    if (data == NULL)
        fail_msg("%s", error.message);
    return data;
}

/* Rows of numbers far from 0 and of different sizes. */
static void draw_rows(size_t rows, size_t features, ag_real *inputs)
{
    nn_random random = nn_random_seed(7);
    for (size_t i = 0; i < rows * features; i++)
        inputs[i] = (ag_real)((double)(i % features + 1) * (3 + nn_random_normal(&random)));
}

enum {
    ROWS = 24,
    FEATURES = 3
};

/* Two classes, or two numbers to predict. */
static nn_dataset *make_data(size_t classes)
{
    ag_real inputs[ROWS * FEATURES], targets[ROWS * 2];
    size_t labels[ROWS];
    draw_rows(ROWS, FEATURES, inputs);
    for (size_t i = 0; i < ROWS; i++) {
        const ag_real *x = inputs + i * FEATURES;
        labels[i] = x[0] + x[1] / 2 > x[2] * 2 / 3;
        targets[2 * i] = x[0] - x[1];
        targets[2 * i + 1] = x[2] / 4;
    }
    nn_dataset *data = classes > 0
                           ? nn_dataset_classes(ROWS, FEATURES, inputs, classes, labels, NULL)
                           : nn_dataset_numbers(ROWS, FEATURES, inputs, 2, targets, NULL);
    assert_non_null(data);
    return data;
}

static nn_model *make_model(const nn_dataset *data, size_t hidden, size_t outputs,
                            nn_activation activation, nn_loss loss, size_t epochs)
{
    const size_t sizes[] = {nn_features(data), hidden, outputs};
    nn_model *model = nn_mlp(3, sizes, activation, 5);
    assert_non_null(model);
    nn_error error;
    if (nn_fit(model, data, &(nn_fit_options){.loss = loss, .epochs = epochs, .threads = 1},
               &error) != AG_OK)
        fail_msg("%s", error.message);
    return model;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_activations(void **state)
{
    (void)state;
    const char *names[] = {
#define NN_X(NAME, name, formula) #name,
        NN_ACTIVATION_LIST(NN_X)
#undef NN_X
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (int use_float = 0; use_float < 2; use_float++) {
            nn_dataset *data = read_iris();
            nn_model *model = make_model(data, 16, 3, (nn_activation)i, NULL, 20);
            add_net(model, data, (nn_emit_options){.use_float = use_float, .train = true});
            add_net(make_model(data, 5, 3, (nn_activation)i, NULL, 3), read_iris(),
                    (nn_emit_options){.use_float = use_float});
        }
    compile_nets();
    for (size_t i = 0; i < shelf.n; i++) {
        const net *at = &shelf.nets[i];
        check_predictions(at);
        for (size_t row = 0; at->options.train && row < 150; row += 30)
            check_steps(at, NULL, row);
    }
    close_nets();
}

/* A net's outputs are logits or numbers: losses of probabilities are refused, all others step. */
static void test_losses(void **state)
{
    (void)state;
    static const struct {
        nn_loss loss;
        const char *takes;
    } losses[] = {
#define NN_X(NAME, name, takes, formula) {nn_##name, #takes},
        NN_LOSS_LIST(NN_X)
#undef NN_X
    };
    nn_loss of_net[MOST_NETS];
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        const char *takes = losses[i].takes;
        if (strcmp(takes, "PROBABILITIES") == 0) {
            nn_dataset *data = make_data(2);
            nn_model *model = make_model(data, 4, 2, NN_TANH, NULL, 1);
            nn_error error;
            FILE *file = tmpfile();
            assert_non_null(file);
            assert_int_equal(nn_emit_c(model,
                                       &(nn_emit_options){.train = true, .loss = losses[i].loss},
                                       file, NULL, &error),
                             AG_INVALID_ARGUMENT);
            assert_contains(error.message, "takes probabilities");
            assert_int_equal(ftell(file), 0);
            assert_int_equal(fclose(file), 0);
            nn_model_free(model);
            nn_dataset_free(data);
            continue;
        }
        const bool numbers = strcmp(takes, "NUMBERS") == 0;
        const bool class_logits = strcmp(takes, "CLASS_LOGITS") == 0;
        for (int use_float = 0; use_float < 2; use_float++)
            for (size_t outputs = numbers || class_logits ? 2 : 1; outputs <= 2; outputs++) {
                nn_dataset *data = make_data(numbers ? 0 : 2);
                of_net[shelf.n] = losses[i].loss;
                /* the first time the loss is the last training's, the second time it is said */
                add_net(make_model(data, 4, outputs, NN_TANH, use_float ? NULL : losses[i].loss, 1),
                        data,
                        (nn_emit_options){.use_float = use_float,
                                          .train = true,
                                          .small_libm = outputs == 2,
                                          .loss = use_float ? losses[i].loss : NULL});
            }
    }
    compile_nets();
    for (size_t i = 0; i < shelf.n; i++) {
        check_predictions(&shelf.nets[i]);
        for (size_t row = 0; row < ROWS; row += 5) {
            double *parameters = copy_parameters(shelf.nets[i].model), sample[MOST_NUMBERS];
            const size_t n = get_sample(shelf.nets[i].data, row, sample);
            const double loss = call_step(&shelf.nets[i], parameters, n, sample, 0);
            free(parameters);
            if (loss > 0.01) /* a hinge may have nothing to say */
                check_steps(&shelf.nets[i], of_net[i], row);
        }
    }
    close_nets();
}

static void test_digits(void **state)
{
    (void)state;
    nn_error error;
    for (int use_float = 0; use_float < 2; use_float++) {
        nn_dataset *data = nn_read_csv("demos/data/digits.csv", NULL, &error);
        assert_non_null(data);
        add_net(make_model(data, 32, 10, NN_RELU, NULL, 1), data,
                (nn_emit_options){.use_float = use_float});
    }
    compile_nets();
    for (size_t i = 0; i < shelf.n; i++)
        check_predictions(&shelf.nets[i]);
    close_nets();
}

/* What a small device has to have, in floats: the net of the README. */
static void test_memory(void **state)
{
    (void)state;
    nn_dataset *data = read_iris();
    add_net(make_model(data, 16, 3, NN_TANH, NULL, 1), data,
            (nn_emit_options){.use_float = true, .train = true});
    compile_nets();
    assert_true(shelf.nets[0].sizes[0] * sizeof(float) <= 160);
    assert_true(shelf.nets[0].sizes[1] * sizeof(float) <= 320);
    close_nets();
}

/* The numbers that a device begins with, and the workspace that is no argument. */
static void test_static_workspace(void **state)
{
    (void)state;
    typedef void infer(const double *shared, const double *each, double *map);
    typedef double step(double *parameters, const double *row, double rate);
    nn_dataset *data = read_iris();
    nn_model *model = make_model(data, 4, 3, NN_TANH, NULL, 5);
    add_net(model, data, (nn_emit_options){.train = true, .static_workspace = true});
    compile_nets();
    const size_t n = nn_parameter_count(model);
    const double *first = find("n0", "_shared");
    double *parameters = new_block(n, sizeof(*parameters)), row[5], outputs[3], expected[3];
    for (size_t i = 0; i < n; i++)
        assert_same(parameters[i] = first[i], (double)nn_parameters(model)[i]);
    FUNCTION(infer, shelf.nets[0].function, predict);
    FUNCTION(step, shelf.nets[0].step, descend);
    (void)get_sample(data, 70, row);
    predict(parameters, row, outputs);
    size_t klass;
    (void)expect_outputs(model, nn_row_inputs(data, 70), expected, &klass);
    for (size_t i = 0; i < 3; i++)
        assert_close(outputs[i], expected[i], find_tolerance(&shelf.nets[0]));
    const double loss = descend(parameters, row, 0.1);
    assert_true(descend(parameters, row, 0.1) < loss);
    free(parameters);
    close_nets();
}

static void test_cpp(void **state)
{
    (void)state;
    const char *compiler = getenv("CXX");
    if (compiler == NULL || *compiler == '\0')
        compiler = "c++";
    nn_dataset *data = read_iris();
    add_net(make_model(data, 4, 3, NN_TANH, NULL, 1), data,
            (nn_emit_options){.use_float = true, .train = true});
    data = read_iris();
    add_net(make_model(data, 4, 3, NN_SOFTPLUS, NULL, 1), data, (nn_emit_options){.train = false});
    if (getenv("CXX") != NULL || has_command("c++"))
        compile_text(&shelf.files, compiler, "-x c++ -std=c++17 " STRICT " -c n0.c n1.c");
    else
        print_message("no C++ compiler: only C was compiled\n");
    close_nets();
}

/* ---- What the files say ---------------------------------------------------------------------- */

static char *emit_to_text(const nn_model *model, const nn_emit_options *options)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    nn_error error;
    if (nn_emit_c(model, options, file, NULL, &error) != AG_OK)
        fail_msg("%s", error.message);
    char *text = read_text(file);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* Names may be anything; in the file they are texts that say the same. */
static void test_names(void **state)
{
    (void)state;
    static const char *const features[] = {"*/ x", "\"q\"", "what?\?/"};
    static const char *const classes[] = {"a\\b", "\xC3\xA9\x31"};
    char path[] = "/tmp/wengert-names-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    fprintf(file,
            "*/ x,\"\"\"q\"\"\",what?\?/,class\n1,2,3,a\\b\n2,1,0,\xC3\xA9\x31\n0,1,1,a\\b\n");
    assert_int_equal(fclose(file), 0);
    nn_dataset *data =
        nn_read_csv(path, &(nn_csv_options){.label_column = -1, .header = NN_HEADER_YES}, NULL);
    assert_int_equal(remove(path), 0);
    assert_non_null(data);
    add_net(make_model(data, 2, 2, NN_TANH, NULL, 1), data, (nn_emit_options){.train = true});
    FILE *more = open_file("names", "c");
    fprintf(more, "#include \"n0.h\"\n"
                  "extern const char *const features[N0_INPUTS];\n"
                  "extern const char *const classes[N0_OUTPUTS];\n"
                  "const char *const features[N0_INPUTS] = N0_FEATURE_NAMES;\n"
                  "const char *const classes[N0_OUTPUTS] = N0_CLASS_NAMES;\n"
                  "extern const int parameters;\nconst int parameters = N0_PARAMETERS;\n");
    assert_int_equal(fclose(more), 0);
    compile_nets();
    const char *const *found = find("features", "");
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(found[i], features[i]);
    found = find("classes", "");
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(found[i], classes[i]);
    assert_int_equal(*(const int *)find("parameters", ""), 3 * 2 + 2 + 2 * 2 + 2);
    close_nets();
}

/* A net that was never trained knows neither classes nor names; its file is called net. */
static void test_untrained(void **state)
{
    (void)state;
    const size_t sizes[] = {3, 2};
    nn_model *model = nn_mlp(2, sizes, NN_RELU, 1);
    char *text = emit_to_text(model, NULL), *again = emit_to_text(model, NULL);
    assert_string_equal(text, again);
    assert_contains(text, "void net(const double each[3], double map[2]");
    assert_null(strstr(text, "net_class"));
    assert_null(strstr(text, "NAMES"));
    free(again);
    free(text);
    text = emit_to_text(model, &(nn_emit_options){.train = true, .use_float = true});
    assert_contains(text, "mean_squared_error");
    assert_contains(text, "float net_learn(float *parameters, const float *row, float rate");
    free(text);
    nn_model_free(model);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static ag_value branching_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                               void *context)
{
    (void)n;
    (void)context;
    return ag_gt(outputs[0], targets[0]) ? ag_square(outputs[0]) : ag_abs(outputs[0]);
}

static ag_value smooth_loss(size_t n, const ag_value *outputs, const ag_value *targets,
                            void *context)
{
    (void)n;
    return ag_scale(ag_square(ag_sub(outputs[0], targets[0])), *(const ag_real *)context);
}

static void refuse(const nn_model *model, nn_emit_options options, FILE *header, const char *words)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    nn_error error = {0};
    assert_int_equal(nn_emit_c(model, &options, file, header, &error), AG_INVALID_ARGUMENT);
    assert_contains(error.message, words);
    assert_int_equal(nn_emit_c(model, &options, file, header, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ftell(file), 0);
    assert_int_equal(fclose(file), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    nn_dataset *data = make_data(0);
    ag_real factor = 2;
    nn_model *model = make_model(data, 2, 2, NN_TANH, NULL, 1);
    refuse(NULL, (nn_emit_options){0}, NULL, "NULL");
    assert_int_equal(nn_emit_c(model, NULL, NULL, NULL, NULL), AG_INVALID_ARGUMENT);
    refuse(model, (nn_emit_options){.name = "2d"}, NULL, "2d");
    refuse(model, (nn_emit_options){.name = ""}, NULL, "is no name");
    refuse(model, (nn_emit_options){.header_name = "net.h"}, NULL, "net.h");
    refuse(model, (nn_emit_options){0}, stderr, "no name");
    refuse(model, (nn_emit_options){.train = true, .loss = branching_loss}, NULL, "comparison");
    refuse(model, (nn_emit_options){.train = true, .loss = no_loss}, NULL, "the loss");
    nn_error error;
    assert_int_equal(
        nn_fit(model, data,
               &(nn_fit_options){
                   .loss = smooth_loss, .loss_context = &factor, .epochs = 1, .threads = 1},
               &error),
        AG_OK);
    refuse(model, (nn_emit_options){.train = true}, NULL, "loss of your own");
    /* handed over again, it is one more expression */
    add_net(model, data,
            (nn_emit_options){.train = true, .loss = smooth_loss, .loss_context = &factor});
    compile_nets();
    double *parameters = copy_parameters(model), sample[MOST_NUMBERS];
    const size_t n = get_sample(data, 3, sample);
    const double loss = call_step(&shelf.nets[0], parameters, n, sample, 0.01);
    assert_true(call_step(&shelf.nets[0], parameters, n, sample, 0.01) < loss);
    free(parameters);
    close_nets();
}

/* A full device, and a library that can say so. */
static void test_output_that_fails(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) {
        assert_int_equal(nn_emit_c(model, NULL, full, NULL, NULL), AG_IO);
        (void)fclose(full);
    }
    nn_model_free(model);
}

static bool attempt(void *context)
{
    FILE *file = tmpfile();
    nn_error error = {0};
    const ag_status status =
        nn_emit_c(context, &(nn_emit_options){.train = true}, file, NULL, &error);
    (void)fclose(file);
    assert_int_equal(error.status, status);
    assert_true(status == AG_OK || status == AG_OUT_OF_MEMORY);
    return status == AG_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    nn_dataset *data = make_data(2);
    nn_model *model = make_model(data, 2, 2, NN_TANH, NULL, 1);
    assert_true(fail_each_request(attempt, model) > 20);
    nn_model_free(model);
    nn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_static_workspace),
        cmocka_unit_test(test_cpp),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_untrained),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_output_that_fails),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
