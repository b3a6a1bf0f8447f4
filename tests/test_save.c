/* SPDX-License-Identifier: MIT
 *
 * Files of models: that what comes back is what was saved, that broken and hostile files are
 * errors, and that a file is written whole or not at all, even by a process that is killed. With
 * the name of a file it is no test but writes a model there and prints its parameters, for
 * test_safetensors.py.
 */
#define _XOPEN_SOURCE 700
#include "nn_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- A directory for each test --------------------------------------------------------------- */

static char directory[64], path[96], other_path[96];

static int make_directory(void **state)
{
    (void)state;
    /* in memory, if possible: a disk takes its time until a file is safe */
    const bool in_memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(directory, sizeof(directory), "%s/wengert-test-XXXXXX",
                   in_memory ? "/dev/shm" : "/tmp");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/model.safetensors", directory);
    (void)snprintf(other_path, sizeof(other_path), "%s/other.safetensors", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[200];
    (void)snprintf(command, sizeof(command), "chmod -R u+w %s && rm -r %s", directory, directory);
    return system(command);
}

/* What ls says: names only. */
static void assert_listing(const char *expected)
{
    char command[100], text[400];
    (void)snprintf(command, sizeof(command), "ls -A %s", directory);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(text, expected);
}

/* ---- Bytes of files -------------------------------------------------------------------------- */

typedef struct bytes {
    char *at;
    size_t count;
} bytes;

static bytes read_bytes(const char *from)
{
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    bytes b = {malloc(1 << 20), 0};
    assert_non_null(b.at);
    b.count = fread(b.at, 1, (1 << 20) - 1, file);
    b.at[b.count] = '\0';
    (void)fclose(file);
    return b;
}

static void write_bytes(const char *to, const char *at, size_t count)
{
    (void)remove(to);
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* ---- Models ---------------------------------------------------------------------------------- */

static nn_dataset *make_data(size_t rows, size_t features, size_t classes)
{
    ag_real inputs[400], targets[200];
    size_t labels[200];
    nn_random random = nn_random_seed(5);
    for (size_t i = 0; i < rows * features; i++)
        inputs[i] = (ag_real)nn_random_normal(&random);
    for (size_t i = 0; i < rows; i++) {
        labels[i] = classes > 0 ? i % classes : 0;
        targets[i] = (ag_real)nn_random_normal(&random);
    }
    nn_dataset *data = classes > 0
                           ? nn_dataset_classes(rows, features, inputs, classes, labels, NULL)
                           : nn_dataset_numbers(rows, features, inputs, 1, targets, NULL);
    assert_non_null(data);
    return data;
}

/* 2-2-2, trained with patience, so that everything there is has something to say. */
static nn_model *make_trained(void)
{
    const size_t sizes[] = {2, 2, 2};
    nn_dataset *data = make_data(12, 2, 2), *held_out = make_data(6, 2, 2);
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 7);
    assert_non_null(model);
    assert_int_equal(nn_fit(model, data,
                            &(nn_fit_options){.epochs = 3, .held_out = held_out, .patience = 2},
                            NULL),
                     AG_OK);
    nn_dataset_free(data);
    nn_dataset_free(held_out);
    return model;
}

static void must_save(const nn_model *model, const char *to)
{
    nn_error error = {.message = ""};
    if (nn_save(model, to, &error) != AG_OK)
        print_error("%s\n", error.message);
    assert_int_equal(error.status, AG_OK);
}

static nn_model *must_load(const char *from)
{
    nn_error error = {.message = ""};
    nn_model *model = nn_load(from, &error);
    if (model == NULL)
        print_error("%s\n", error.message);
    assert_non_null(model);
    return model;
}

/* ---- There and back -------------------------------------------------------------------------- */

static void check_round_trip(const nn_model *model)
{
    must_save(model, path);
    nn_model *back = must_load(path);
    assert_same_models(model, back);
    /* and its file is the same */
    must_save(back, other_path);
    const bytes first = read_bytes(path), second = read_bytes(other_path);
    assert_int_equal(first.count, second.count);
    assert_memory_equal(first.at, second.at, first.count);
    free(first.at);
    free(second.at);
    nn_model_free(back);
    assert_listing("model.safetensors\nother.safetensors\n");
}

static void test_shapes(void **state)
{
    (void)state;
    const struct {
        size_t n, sizes[5];
    } shapes[] = {{2, {1, 1}},       {2, {3, 1}},          {2, {2, 4}},
                  {3, {2, 3, 1}},    {3, {1, 1, 1}},       {4, {2, 5, 3, 2}},
                  {3, {40, 30, 10}}, {5, {2, 1, 4, 1, 3}}, {3, {1, 700, 2}}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (int activation = NN_IDENTITY; activation <= NN_SOFTPLUS; activation++) {
            nn_model *model =
                nn_mlp(shapes[i].n, shapes[i].sizes, (nn_activation)activation, 11 + i);
            check_round_trip(model);
            nn_model_free(model);
        }
}

/* Numbers whose every bit counts. */
static void test_odd_numbers(void **state)
{
    (void)state;
    const ag_real least = (ag_real)(sizeof(ag_real) == 4 ? 1e-45 : 5e-324);
    const ag_real most = (ag_real)(sizeof(ag_real) == 4 ? 3.4028234e38 : 1.7976931348623157e308);
    const ag_real odd[] = {0,    -(ag_real)0, least,          -least,
                           most, -most,       (ag_real)1 / 3, (ag_real)0.1};
    const size_t sizes[] = {2, 3};
    nn_model *model = make_trained(), *plain = nn_mlp(2, sizes, NN_TANH, 1);
    for (size_t i = 0; i < model->parameter_count; i++) {
        model->parameters[i] = odd[i % 8];
        model->state->memory[i] = odd[(i + 1) % 8];
        model->state->other[i] = odd[(i + 2) % 8];
    }
    model->mean[0] = most;
    model->mean[1] = -(ag_real)0;
    model->deviation[0] = least;
    model->deviation[1] = most;
    model->state->told.seed = model->state->told.steps = UINT64_MAX;
    model->state->told.optimizer.rate = 0x1.fffffffffffffp-1022;
    model->state->told.best_loss = 0.1 + 0.2;
    check_round_trip(model);
    for (size_t i = 0; i < plain->parameter_count; i++)
        plain->parameters[i] = odd[i % 8];
    check_round_trip(plain);
    nn_model_free(model);
    nn_model_free(plain);
}

static ag_value own_loss(size_t n, const ag_value *outputs, const ag_value *targets, void *context)
{
    return nn_mean_squared_error(n, outputs, targets, context);
}

static void step_nowhere(const nn_optimizer *self, size_t n, ag_real *parameters,
                         const ag_real *gradient, ag_real *kept, uint64_t t)
{
    (void)self, (void)n, (void)gradient, (void)t;
    kept[0] = parameters[0];
}

static void test_trainings(void **state)
{
    (void)state;
    nn_optimizer momentum = nn_sgd(0.1), own = {.name = "mine", .step = step_nowhere};
    momentum.momentum = 0.9;
    momentum.weight_decay = 1e-5;
    own.state_count = 3;
    const nn_optimizer rules[] = {nn_adam(0.01), nn_sgd(0.1), momentum, own};
    for (size_t classes = 0; classes <= 3; classes++)
        for (size_t rule = 0; rule < 4; rule++) {
            if (classes == 1)
                continue;
            nn_dataset *data = make_data(30, 2, classes);
            const size_t sizes[] = {2, 3, classes == 3 ? 3 : 1};
            nn_model *model = nn_mlp(3, sizes, NN_RELU, 3);
            assert_int_equal(nn_fit(model, data,
                                    &(nn_fit_options){.optimizer = rules[rule],
                                                      .loss = classes == 0 ? own_loss : NULL,
                                                      .record_once = rule == 0,
                                                      .use_float = rule == 1,
                                                      .eager = rule == 2,
                                                      .keep_scale = rule == 3,
                                                      .seed = 99,
                                                      .epochs = 2,
                                                      .batch = 7},
                                    NULL),
                             AG_OK);
            check_round_trip(model);
            nn_forget_training(model);
            assert_null(nn_model_training(model));
            check_round_trip(model);
            nn_model_free(model);
            nn_dataset_free(data);
        }
    nn_forget_training(NULL);
}

/* Predictions of the model that was read, not only its insides. */
static void test_predictions(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    nn_dataset *data = make_data(50, 2, 2);
    ag_real before[100], after[100];
    must_save(model, path);
    nn_model *back = must_load(path);
    assert_int_equal(nn_predict(model, 50, nn_row_inputs(data, 0), before, NULL), AG_OK);
    assert_int_equal(nn_predict(back, 50, nn_row_inputs(data, 0), after, NULL), AG_OK);
    assert_memory_equal(before, after, sizeof(before));
    nn_model_free(model);
    nn_model_free(back);
    nn_dataset_free(data);
}

static void test_names(void **state)
{
    (void)state;
    char csv[96];
    (void)snprintf(csv, sizeof(csv), "%s/names.csv", directory);
    const char text[] = "\"a \"\"b\"\"\",\\n\xC3\xBC,k\n1,2,\"line\nbreak\"\n3,4,\xE2\x82\xAC\n"
                        "5,6,\"\\u0041 \t{}[]\"\n";
    write_bytes(csv, text, strlen(text));
    nn_dataset *data = nn_read_csv(csv, NULL, NULL);
    assert_int_equal(nn_classes(data), 3);
    const size_t sizes[] = {2, 3};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    assert_int_equal(nn_fit(model, data, &(nn_fit_options){.epochs = 1}, NULL), AG_OK);
    assert_int_equal(remove(csv), 0);
    check_round_trip(model);
    nn_model *back = must_load(path);
    assert_string_equal(nn_model_class_name(back, 0), "line\nbreak");
    assert_string_equal(nn_model_class_name(back, 1), "\xE2\x82\xAC");
    assert_string_equal(nn_model_class_name(back, 2), "\\u0041 \t{}[]");
    assert_null(nn_model_class_name(back, 3));
    assert_string_equal(nn_model_feature_name(back, 0), "a \"b\"");
    assert_string_equal(nn_model_feature_name(back, 1), "\\n\xC3\xBC");
    assert_null(nn_model_feature_name(back, 2));
    nn_model_free(back);
    /* what is not UTF-8 can't be saved, and says so */
    strcpy(model->class_names[0], "caf\xE9");
    nn_error error;
    assert_int_equal(nn_save(model, path, &error), AG_INVALID_ARGUMENT);
    assert_contains(error.message, "classes: the name \"caf?\" is not UTF-8");
    nn_model_free(model);
    nn_dataset_free(data);
}

static void test_locale(void **state)
{
    (void)state;
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    bool found = false;
    for (size_t i = 0; i < 5 && !found; i++)
        found = setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',';
    if (!found) {
        (void)setlocale(LC_ALL, "C");
        skip();
    }
    nn_model *model = make_trained();
    check_round_trip(model);
    assert_int_equal(localeconv()->decimal_point[0], ',');
    (void)setlocale(LC_ALL, "C");
    nn_model *back = must_load(path);
    assert_same_models(model, back);
    nn_model_free(back);
    nn_model_free(model);
}

static void test_not_finite(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    must_save(model, path);
    const bytes before = read_bytes(path);
    nn_parameters(model)[1] = (ag_real)NAN;
    nn_error error;
    assert_int_equal(nn_save(model, path, &error), AG_NOT_FINITE);
    assert_contains(error.message, "parameter 1 of the model is nan");
    /* the file is the old one; with an infinite number in it, it is no model's */
    bytes after = read_bytes(path);
    assert_int_equal(before.count, after.count);
    assert_memory_equal(before.at, after.at, before.count);
    const unsigned char infinity[] = {0, 0, 0, 0, 0, 0, 0xF0, 0x7F};
    const unsigned char float_infinity[] = {0, 0, 0x80, 0x7F};
    if (sizeof(ag_real) == 8)
        memcpy(after.at + after.count - 8, infinity, 8);
    else
        memcpy(after.at + after.count - 4, float_infinity, 4);
    write_bytes(path, after.at, after.count);
    assert_null(nn_load(path, &error));
    assert_int_equal(error.status, AG_NOT_FINITE);
    assert_contains(error.message, "layers.0.bias: number 0 is inf");
    free(before.at);
    free(after.at);
    nn_model_free(model);
}

/* ---- Files of other hands -------------------------------------------------------------------- */

/* A file of a header and so many bytes, which count up. */
static void write_file(const char *header, size_t header_count, size_t data_count)
{
    char *all = malloc(8 + header_count + data_count);
    assert_non_null(all);
    for (size_t i = 0; i < 8; i++)
        all[i] = (char)(header_count >> 8 * i & 0xFF);
    memcpy(all + 8, header, header_count);
    for (size_t i = 0; i < data_count; i++)
        all[8 + header_count + i] = (char)(i % 50);
    write_bytes(path, all, 8 + header_count + data_count);
    free(all);
}

/* A model that another program might write: tensors in another order, of both types, blanks, keys
 * that nobody knows. */
static void test_another_writer(void **state)
{
    (void)state;
    const char header[] =
        "{ \"layers.1.bias\": {\"shape\": [1], \"data_offsets\": [0, 4], \"dtype\": \"F32\"},\n"
        "  \"layers.0.weight\": {\"dtype\":\"F64\",\"shape\":[2,1],\"data_offsets\":[20,36]},\n"
        "  \"layers.1.weight\": {\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[4,20]},\n"
        "  \"layers.0.bias\": {\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[36,44]},\n"
        "  \"__metadata__\": {\"wengert\": \"1\", \"sizes\": \"1 2 1\", \"activation\": \"relu\",\n"
        "                     \"\\u0061uth\\u00f6r\": \"\\ud83d\\ude00 \\u20ac \\n\\\"\",\n"
        "                     \"format\": \"pt\"} }   \n";
    write_file(header, strlen(header), 0);
    FILE *file = fopen(path, "ab");
    /* as little-endian numbers: 2; 3, 4; 5, 6; 7, 8 */
    const unsigned char data[] = {0, 0, 0,    0x40, 0, 0, 0,    0,    0, 0, 8,    0x40, 0, 0, 0, 0,
                                  0, 0, 0x10, 0x40, 0, 0, 0,    0,    0, 0, 0x14, 0x40, 0, 0, 0, 0,
                                  0, 0, 0x18, 0x40, 0, 0, 0xE0, 0x40, 0, 0, 0,    0x41};
    assert_int_equal(fwrite(data, 1, sizeof(data), file), 44);
    assert_int_equal(fclose(file), 0);
    nn_model *model = must_load(path);
    const ag_real expected[] = {5, 6, 7, 8, 3, 4, 2};
    assert_int_equal(nn_parameter_count(model), 7);
    assert_memory_equal(nn_parameters(model), expected, sizeof(expected));
    assert_int_equal(nn_model_layers(model), 2);
    assert_int_equal(nn_model_size(model, 0), 1);
    assert_int_equal(nn_model_size(model, 1), 2);
    assert_int_equal(nn_model_size(model, 2), 1);
    assert_int_equal(nn_model_size(model, 3), 0);
    assert_int_equal(nn_model_activation(model), NN_RELU);
    assert_int_equal(nn_model_classes(model), 0);
    assert_null(nn_model_feature_name(model, 0));
    assert_null(nn_model_training(model));
    assert_true(nn_model_mean(model)[0] == 0 && nn_model_deviation(model)[0] == 1);
    nn_model_free(model);
}

/* Where ag_real is another type than the file's numbers, the training is left behind. */
static void test_foreign_numbers(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    bytes b = read_bytes(path);
    /* the same with the other type for the last tensor: [2] numbers */
    const size_t header = (size_t)(unsigned char)b.at[0] + 256 * (size_t)(unsigned char)b.at[1];
    const char *const from = sizeof(ag_real) == 8 ? "\"F64\"" : "\"F32\"";
    char *last = NULL;
    for (char *at = b.at + 8; (at = strstr(at, from)) != NULL; at++)
        last = at;
    memcpy(last, sizeof(ag_real) == 8 ? "\"F32\"" : "\"F64\"", 5);
    char *offsets = strstr(last, "[80,96]"), *small = strstr(last, "[40,48]");
    if (sizeof(ag_real) == 8) {
        memcpy(offsets, "[80,88]", 7);
        write_bytes(path, b.at, 8 + header + 88);
    } else {
        memcpy(small, "[40,56]", 7);
        write_bytes(path, b.at, 8 + header + 48);
        FILE *file = fopen(path, "ab");
        assert_int_equal(fwrite("\0\0\0\0\0\0\0", 1, 8, file), 8);
        assert_int_equal(fclose(file), 0);
    }
    nn_model *back = must_load(path);
    assert_memory_equal(model->parameters, back->parameters, 10 * sizeof(ag_real));
    assert_string_equal(nn_model_class_name(back, 1), "1");
    assert_null(nn_model_training(back));
    free(b.at);
    nn_model_free(back);
    nn_model_free(model);
}

static void check_broken(ag_status status, const char *message)
{
    nn_error error = {.status = AG_OK};
    nn_model *model = nn_load(path, &error);
    if (model != NULL || error.status != status || strstr(error.message, message) == NULL)
        print_error("expected \"%s\": %s\n", message, error.message);
    assert_null(model);
    assert_int_equal(error.status, status);
    assert_contains(error.message, message);
    assert_string_equal(error.file, path);
    assert_null(nn_load(path, NULL));
}

#define META "\"__metadata__\":{\"wengert\":\"1\",\"sizes\":\"1 1\",\"activation\":\"tanh\"}"
#define WEIGHT "\"layers.0.weight\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[0,8]}"
#define BIAS "\"layers.0.bias\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]}"
#define WITH(shape, offsets)                                                                       \
    "{" META ",\"layers.0.weight\":{\"dtype\":\"F64\",\"shape\":" shape                            \
    ",\"data_offsets\":" offsets "}," BIAS "}"
#define META_OF(sizes, more)                                                                       \
    "{\"__metadata__\":{\"wengert\":\"1\",\"sizes\":\"" sizes "\",\"activation\":\"tanh\"" more    \
    "}," WEIGHT "," BIAS "}"
#define LEARNT                                                                                     \
    ",\"features\":\"[\\\"x\\\"]\",\"mean\":\"0\",\"deviation\":\"1\",\"classes\":"                \
    "\"[\\\"a\\\",\\\"b\\\"]\""

static void test_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header, *message;
        size_t data; /* bytes; 0: 16 */
    } cases[] = {
        {"[]", "does not begin with {", 0},
        {" {}", "does not begin with {", 0},
        {"{}", "there is no __metadata__", 0},
        {"{ ", "no JSON", 0},
        {"{\"a\":1,\"a\":2}", "duplicate", 0},
        {"{" META "," META "}", "duplicate", 0},
        {"{" META "," WEIGHT "," WEIGHT "," BIAS "}", "duplicate", 0},
        {"{" META "," WEIGHT "," BIAS "} x", "end of file expected", 0},
        {"{\"\\u0000\":1}", "the header is no JSON", 0},
        {"{\"\xFF\":1}", "the header is no JSON", 0},
        {"{\"\xC0\x80\":1}", "the header is no JSON", 0},
        {"{\"a\":[[[1]]]}", "nested too deeply", 0},
        {"{\"__metadata__\":1}", "__metadata__ is not an object", 0},
        {"{\"__metadata__\":[]}", "__metadata__ is not an object", 0},
        {"{\"__metadata__\":{\"wengert\":1}}", "\"wengert\" is not a string", 0},
        {"{\"__metadata__\":{\"wengert\":\"1\",\"x\":null}}", "\"x\" is not a string", 0},
        {"{\"__metadata__\":{\"format\":\"pt\"}}", "has no \"wengert\"", 0},
        {"{\"__metadata__\":{\"wengert\":\"2\"}}", "the layout is \"2\"", 0},
        {"{\"__metadata__\":{\"wengert\":\"1\"}}", "has no \"sizes\"", 0},
        {"{\"__metadata__\":{\"wengert\":\"1\",\"sizes\":\"1 1\"}}", "has no \"activation\"", 0},
        {"{\"__metadata__\":{\"wengert\":\"1\",\"sizes\":\"1 1\",\"activation\":\"unknown\"}}",
         "\"activation\" can't be \"unknown\"", 0},
        {META_OF("", ""), "\"sizes\" can't be", 0},
        {META_OF("1", ""), "\"sizes\" can't be", 0},
        {META_OF("1 0", ""), "\"sizes\" can't be", 0},
        {META_OF("1 1 ", ""), "\"sizes\" can't be", 0},
        {META_OF(" 1 1", ""), "\"sizes\" can't be", 0},
        {META_OF("1  1", ""), "\"sizes\" can't be", 0},
        {META_OF("1 -1", ""), "\"sizes\" can't be", 0},
        {META_OF("1 1.0", ""), "\"sizes\" can't be", 0},
        {META_OF("1 18446744073709551615", ""), "\"sizes\" can't be", 0},
        {META_OF("1 18446744073709551616", ""), "\"sizes\" can't be", 0},
        {META_OF("4294967296 4294967296", ""), "\"sizes\" can't be", 0},
        {META_OF("1 18446744073709551617", ""), "\"sizes\" can't be", 0},
        {META_OF("1 1000000", ""), "layers.0.weight: the shape is not [1000000, 1]", 0},
        {META_OF("1 1 1", ""), "there is no tensor layers.1.weight", 0},
        {META_OF("1 1 1 1 1 1 1 1 1", ""), "there is no tensor layers.1.weight", 0},
        {"{" META "}", "there is no tensor layers.0.weight", 0},
        {"{" META "," WEIGHT "}", "there is no tensor layers.0.bias", 0},
        {"{" META "," WEIGHT "," BIAS ",\"x\\ty\":"
         "{}}",
         "the model has no tensor \"x?y\"", 0},
        {"{" META "," WEIGHT "," BIAS ",\"layers.00.bias\":{}}", "no tensor \"layers.00.bias\"", 0},
        {"{" META "," WEIGHT "," BIAS ",\"layers.1.bias\":{}}", "no tensor \"layers.1.bias\"", 0},
        {"{" META ",\"layers.0.weight\":[]," BIAS "}", "has not just dtype", 0},
        {"{" META ",\"layers.0.weight\":{\"dtype\":\"F64\",\"shape\":[1,1]}," BIAS "}",
         "has not just dtype", 0},
        {"{" META
         ",\"layers.0.weight\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[0,8]}," BIAS
         "}",
         "the dtype is neither", 0},
        {"{" META ",\"layers.0.weight\":{\"dtype\":7,\"shape\":[1,1],\"data_offsets\":[0,8]}," BIAS
         "}",
         "the dtype is neither", 0},
        {WITH("[1]", "[0,8]"), "layers.0.weight: the shape is not [1, 1]", 0},
        {WITH("[1,1,1]", "[0,8]"), "the shape is not", 0},
        {WITH("[1,2]", "[0,8]"), "the shape is not", 0},
        {WITH("[-1,-1]", "[0,8]"), "the shape is not", 0},
        {WITH("[1,\"1\"]", "[0,8]"), "the shape is not", 0},
        {WITH("[1,1.0]", "[0,8]"), "the shape is not", 0},
        {WITH("1", "[0,8]"), "the shape is not", 0},
        {WITH("[1,1]", "[0]"), "data_offsets are not two", 0},
        {WITH("[1,1]", "[0,8,16]"), "data_offsets are not two", 0},
        {WITH("[1,1]", "8"), "data_offsets are not two", 0},
        {WITH("[1,1]", "[0,8.0]"), "data_offsets are not two", 0},
        {WITH("[1,1]", "[0,1e1]"), "data_offsets are not two", 0},
        {WITH("[1,1]", "[0,null]"), "data_offsets are not two", 0},
        {WITH("[1,1]", "[-8,0]"), "data_offsets -8 to 0, in data of 16 bytes", 0},
        {WITH("[1,1]", "[8,0]"), "data_offsets 8 to 0", 0},
        {WITH("[1,1]", "[0,24]"), "data_offsets 0 to 24", 0},
        {WITH("[1,1]", "[9223372036854775800,9223372036854775807]"), "data_offsets 922", 0},
        {WITH("[1,1]", "[0,18446744073709551624]"), "too big integer", 0},
        {WITH("[1,1]", "[0,9]"), "9 bytes for 1 numbers", 0},
        {WITH("[1,1]", "[0,16]"), "16 bytes for 1 numbers", 0},
        {WITH("[1,1]", "[0,0]"), "0 bytes for 1 numbers", 0},
        {WITH("[1,1]", "[4,12]"), "begins at 4, and what lies before it ends at 0", 0},
        {WITH("[1,1]", "[8,16]"), "begins at 8, and what lies before it ends at 0", 0},
        {"{" META "," WEIGHT "," BIAS "}", "end at 16, and the data has 17", 17},
        {"{" META "," WEIGHT "," BIAS "}", "in data of 15 bytes", 15},
        {META_OF("1 1", ",\"classes\":\"[]\""), "has no \"features\"", 0},
        {META_OF("1 1", ",\"features\":\"\""), "features is no JSON", 0},
        {META_OF("1 1", ",\"features\":\"{}\""), "\"features\" is not 1 names", 0},
        {META_OF("1 1", ",\"features\":\"[1]\""), "name 0 is not a string", 0},
        {META_OF("1 1", ",\"features\":\"[[1]]\""), "features is nested too deeply", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\",\\\"b\\\"]\""), "is not 1 names", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"\\\\u0000\\\"]\""), "features is no JSON", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\""), "has no \"mean\"", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"\""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"1 \""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"1 2\""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"nan\""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"1e999\""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"0x1\""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"1,5\""), "1 finite numbers", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"1\""), "has no \"deviation\"", 0},
        {META_OF("1 1", ",\"features\":\"[\\\"a\\\"]\",\"mean\":\"1\",\"deviation\":\"0\""),
         "\"deviation\" can't be \"0\"", 0},
        {META_OF("1 1", ",\"classes\":\"[\\\"a\\\"]\",\"features\":\"[\\\"a\\\"]\""),
         "\"classes\" is not 2 names", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(cases[i].header, strlen(cases[i].header),
                   cases[i].data > 0 ? cases[i].data : 16);
        check_broken(AG_PARSE, cases[i].message);
    }
    const char nul[] = "{\"a\0b\":1}";
    write_file(nul, sizeof(nul) - 1, 0);
    check_broken(AG_PARSE, "no JSON");
    /* and this is what they would be without what is wrong with them */
    const char good[] = META_OF("1 1", LEARNT);
    write_file(good, strlen(good), 16);
    nn_model_free(must_load(path));
}

/* Depth is no way to the end of the stack. */
static void test_nesting(void **state)
{
    (void)state;
    char *deep = malloc(1000000);
    assert_non_null(deep);
    memset(deep, '[', 1000000);
    memcpy(deep, "{\"a\":", 5);
    write_file(deep, 1000000, 0);
    check_broken(AG_PARSE, "nested too deeply");
    free(deep);
}

static void test_lengths(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t count;
        const char *message;
    } cases[] = {
        {"", 0, "a file of 0 bytes"},
        {"\2\0\0\0\0\0\0", 7, "a file of 7 bytes"},
        {"\0\0\0\0\0\0\0\0", 8, "a header of 0 bytes"},
        {"\1\0\0\0\0\0\0\0{", 9, "a header of 1 bytes"},
        {"\3\0\0\0\0\0\0\0{}", 10, "a header of 3 bytes in a file of 10"},
        {"\0\341\365\5\0\0\0\0{}", 10, "a header of 100000000 bytes in a file of 10"},
        {"\1\341\365\5\0\0\0\0{}", 10, "which allows 100000000"},
        {"\377\377\377\377\377\377\377\377{}", 10, "a header of 18446744073709551615 bytes"},
        {"\370\377\377\377\377\377\377\177{}", 10, "which allows 100000000"},
        {"\x89PNG\r\n\x1A\n{}", 10, "not in the format of safetensors"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_bytes(path, cases[i].bytes, cases[i].count);
        check_broken(AG_PARSE, cases[i].message);
    }
    nn_error error;
    assert_null(nn_load(directory, &error));
    assert_int_equal(error.status, AG_IO);
    assert_null(nn_load("/nowhere/at all", &error));
    assert_int_equal(error.status, AG_IO);
    assert_contains(error.message, "/nowhere/at all: can't be opened: No such file");
    assert_null(nn_load(NULL, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
}

/* A piece of a good file's metadata with another value. */
static void check_training_text(const bytes *good, const char *key, const char *value,
                                const char *message)
{
    char quoted[60];
    (void)snprintf(quoted, sizeof(quoted), "\"%s\":\"", key);
    const char *at = strstr(good->at + 8, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    const char *end = strchr(at, '"');
    const size_t header =
        (size_t)(unsigned char)good->at[0] + 256 * (size_t)(unsigned char)good->at[1];
    char *made = malloc(good->count + strlen(value));
    assert_non_null(made);
    const size_t before = (size_t)(at - good->at) - 8;
    const size_t after = header - (size_t)(end - good->at - 8);
    memcpy(made, good->at + 8, before);
    memcpy(made + before, value, strlen(value));
    memcpy(made + before + strlen(value), end, after);
    write_file(made, before + strlen(value) + after, good->count - 8 - header);
    free(made);
    if (message != NULL)
        check_broken(AG_PARSE, message);
    else
        nn_model_free(must_load(path));
}

static void test_hostile_trainings(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    const bytes good = read_bytes(path);
    const char *const cases[][3] = {
        {"training.seed", "18446744073709551615", NULL},
        {"training.seed", "18446744073709551616", "\"training.seed\" can't be"},
        {"training.seed", "99999999999999999999999", "\"training.seed\" can't be"},
        {"training.seed", "-1", "\"training.seed\" can't be"},
        {"training.seed", "", "\"training.seed\" can't be"},
        {"training.seed", "1 ", "\"training.seed\" can't be"},
        {"training.rows", "0", "\"training.rows\" can't be"},
        {"training.batch", "0", "\"training.batch\" can't be"},
        {"training.batch", "18446744073709551615", "\"training.batch\" can't be"},
        {"training.epochs", "0", "\"training.epochs\" can't be"},
        {"training.epochs", "4", "\"training.epochs\" can't be"},
        {"training.best_epoch", "4", "\"training.best_epoch\" can't be"},
        {"training.best_epoch", "0", "\"training.best_epoch\" can't be"},
        {"training.best_loss", "none", "\"training.best_epoch\" can't be"},
        {"training.best_loss", "inf", "\"training.best_loss\" can't be"},
        {"training.held_out", "0", "\"training.held_out\" can't be"},
        {"training.last_loss", "none", "\"training.last_loss\" can't be"},
        {"training.use_float", "2", "\"training.use_float\" can't be"},
        {"training.loss", "softmax", "\"training.loss\" can't be \"softmax\""},
        {"training.loss", "custom", NULL},
        {"training.other", "1", "\"training.other\" is not 12 finite numbers"},
        {"optimizer", "nadam", "\"optimizer\" can't be \"nadam\""},
        {"optimizer", "sgd", "\"optimizer.state_count\" can't be \"2\""},
        {"optimizer", "custom", NULL},
        {"optimizer.rate", "none", "the optimiser's rate is nan"},
        {"optimizer.rate", "-1", "the optimiser's rate is -1"},
        {"optimizer.beta1", "1", "beta1 1"},
        {"optimizer.state_count", "3", "\"optimizer.state_count\" can't be \"3\""},
        {"optimizer.state", "1 2", "\"optimizer.state\" is not 24 finite numbers"},
        {"optimizer.state", "zeros", NULL},
        {"optimizer.state", "", "is not 24 finite numbers"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_training_text(&good, cases[i][0], cases[i][1], cases[i][2]);
    /* an optimiser of one's own may ask for what the file has, not for more */
    check_training_text(&good, "optimizer", "custom", NULL);
    const bytes custom = read_bytes(path);
    check_training_text(&custom, "optimizer.state_count", "1000000000000000",
                        "\"optimizer.state_count\" can't be");
    check_training_text(&custom, "optimizer.state_count", "0", "is not 0 finite numbers");
    check_training_text(&custom, "optimizer.state", "zeros", "\"optimizer.state_count\" can't be");
    free(custom.at);
    free(good.at);
    nn_model_free(model);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static void test_truncation(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    const bytes whole = read_bytes(path);
    const int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    for (size_t count = whole.count; count-- > 0;) {
        assert_int_equal(ftruncate(file, (off_t)count), 0);
        nn_error error = {.status = AG_OK};
        assert_null(nn_load(path, &error));
        assert_int_equal(error.status, AG_PARSE);
        assert_contains(error.message, "model.safetensors: ");
    }
    assert_int_equal(close(file), 0);
    free(whole.at);
    nn_model_free(model);
}

/* A model out of a damaged file does all that a model does. */
static void use_model(nn_model *model)
{
    ag_real inputs[8] = {0}, outputs[8];
    if (nn_model_inputs(model) <= 8 && nn_model_outputs(model) <= 8)
        assert_int_equal(nn_predict(model, 1, inputs, outputs, NULL), AG_OK);
    for (size_t i = 0; i < nn_parameter_count(model); i++)
        assert_true(isfinite(nn_parameters(model)[i]));
    for (size_t i = 0; i < nn_model_inputs(model); i++)
        assert_true(isfinite(nn_model_mean(model)[i]) && nn_model_deviation(model)[i] > 0);
    if (nn_model_training(model) != NULL)
        assert_true(nn_model_training(model)->batch > 0);
}

static void test_bit_flips(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    const bytes whole = read_bytes(path);
    const int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    nn_random random = nn_random_seed(20);
    size_t refused = 0;
    const size_t cases = 100000;
    for (size_t i = 0; i < cases; i++) {
        /* a quarter of them where all structure begins */
        const size_t at = nn_random_below(&random, i % 4 == 0 ? 100 : whole.count);
        const char flipped = (char)(whole.at[at] ^ (1 << nn_random_below(&random, 8)));
        assert_int_equal(pwrite(file, &flipped, 1, (off_t)at), 1);
        nn_error error = {.status = AG_OK};
        nn_model *damaged = nn_load(path, &error);
        assert_true((damaged == NULL) == (error.status != AG_OK));
        if (damaged == NULL) {
            assert_true(error.status == AG_PARSE || error.status == AG_NOT_FINITE);
            refused++;
        } else if (i % 16 == 0) { /* compiling its program takes longer than all the rest */
            use_model(damaged);
        }
        nn_model_free(damaged);
        assert_int_equal(pwrite(file, whole.at + at, 1, (off_t)at), 1);
    }
    print_message("%zu flips, %zu refused\n", cases, refused);
    assert_in_range(refused, cases / 10, cases - cases / 10);
    assert_int_equal(close(file), 0);
    nn_model *back = must_load(path);
    assert_same_models(model, back);
    nn_model_free(back);
    nn_model_free(model);
    free(whole.at);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static bool attempt_save(void *context)
{
    nn_error error = {.status = AG_OK};
    const ag_status status = nn_save(context, path, &error);
    assert_int_equal(error.status, status);
    assert_true(status == AG_OK || status == AG_OUT_OF_MEMORY);
    return status == AG_OK;
}

static size_t json_requests, json_failing;

static void *fail_json(size_t size)
{
    return ++json_requests == json_failing ? NULL : malloc(size);
}

static bool attempt_load(void *context)
{
    nn_error error = {.status = AG_OK};
    nn_model *model = nn_load(path, &error);
    /* jansson may take a lack of memory for a fault of the text */
    if (json_failing > 0 && error.status == AG_PARSE)
        error.status = AG_OUT_OF_MEMORY;
    if (model != NULL)
        assert_same_models(context, model);
    nn_model_free(model);
    return model != NULL;
}

/* Each request of nn in turn, then each of jansson. */
static void test_out_of_memory(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    const bytes before = read_bytes(path);
    assert_in_range(fail_each_request(attempt_save, model), 4, 1000);
    assert_in_range(fail_each_request(attempt_load, model), 20, 1000);
    bool (*const attempts[])(void *context) = {attempt_save, attempt_load};
    for (size_t i = 0; i < 2; i++) {
        json_set_alloc_funcs(fail_json, free);
        size_t failed = 0;
        json_failing = 0;
        do {
            json_requests = 0;
            json_failing++;
            failed += !attempts[i](model);
        } while (json_requests >= json_failing);
        json_set_alloc_funcs(malloc, free);
        json_failing = 0;
        assert_in_range(failed, 50, 10000);
    }
    assert_listing("model.safetensors\n");
    const bytes after = read_bytes(path);
    assert_int_equal(before.count, after.count);
    assert_memory_equal(before.at, after.at, before.count);
    free(before.at);
    free(after.at);
    nn_model_free(model);
}

/* What is not there is not paid for. */
static void test_claims(void **state)
{
    (void)state;
    const char header[] = META_OF("1000000000000 1000000", "");
    write_file(header, strlen(header), 16);
    count_memory(0, false);
    check_broken(AG_PARSE, "the shape is not [1000000, 1000000000000]");
    stop_counting_memory();
    assert_in_range(memory.requests, 1, 20);
    assert_int_equal(memory.live, 0);
}

static void test_too_large(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    const bytes before = read_bytes(path);
    const size_t length = 100000001; /* one more than fit */
    char *name = malloc(length + 1);
    assert_non_null(name);
    memset(name, 'a', length);
    name[length] = '\0';
    char *const before_name = model->feature_names[1];
    model->feature_names[1] = name;
    nn_error error;
    assert_int_equal(nn_save(model, path, &error), AG_TOO_LARGE);
    assert_contains(error.message, "larger than the 100000000 bytes that the format allows");
    model->feature_names[1] = before_name;
    free(name);
    const bytes after = read_bytes(path);
    assert_int_equal(before.count, after.count);
    assert_listing("model.safetensors\n");
    free(before.at);
    free(after.at);
    nn_model_free(model);
}

/* ---- Whole or not at all --------------------------------------------------------------------- */

static void check_untouched(const nn_model *model, const bytes *before, int reason)
{
    nn_error error = {.status = AG_OK};
    assert_int_equal(nn_save(model, path, &error), AG_IO);
    assert_contains(error.message, "model.safetensors: can't be written: ");
    assert_contains(error.message, strerror(reason));
    const bytes after = read_bytes(path);
    assert_int_equal(before->count, after.count);
    assert_memory_equal(before->at, after.at, after.count);
    free(after.at);
    assert_listing("model.safetensors\n");
}

/* A limit for the size of files stands for a disk that is full. */
static void test_full_disk(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    must_save(model, path);
    const bytes before = read_bytes(path);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 100, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    nn_error error = {.status = AG_OK};
    const ag_status status = nn_save(model, path, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, AG_IO);
    assert_contains(error.message, strerror(EFBIG));
    const bytes after = read_bytes(path);
    assert_int_equal(before.count, after.count);
    assert_memory_equal(before.at, after.at, after.count);
    assert_listing("model.safetensors\n");
    free(before.at);
    free(after.at);
    nn_model_free(model);
}

static void test_permissions(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    struct stat found;
    const mode_t mask = umask(027);
    must_save(model, path);
    (void)umask(mask);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);
    assert_int_equal(chmod(path, 0606), 0);
    must_save(model, path);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0606);
    if (geteuid() != 0) { /* for whom nothing is read-only */
        const bytes before = read_bytes(path);
        assert_int_equal(chmod(path, 0444), 0);
        check_untouched(model, &before, EACCES);
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(chmod(directory, 0555), 0);
        check_untouched(model, &before, EACCES);
        assert_int_equal(chmod(directory, 0755), 0);
        free(before.at);
    }
    nn_model_free(model);
}

static void check_not_saved(const nn_model *model, const char *to, const char *message)
{
    nn_error error = {.status = AG_OK};
    assert_int_equal(nn_save(model, to, &error), AG_IO);
    assert_contains(error.message, message);
    assert_int_equal(nn_save(model, to, NULL), AG_IO);
}

static void test_targets(void **state)
{
    (void)state;
    nn_model *model = make_trained();
    check_not_saved(model, directory, "is not a regular file");
    check_not_saved(model, "/dev/null", "is not a regular file");
    check_not_saved(model, "/dev/full", "is not a regular file");
    check_not_saved(model, "/nowhere/at all", "can't be written: No such file");
    check_not_saved(model, "", "can't be written: ");
    nn_error error;
    assert_int_equal(nn_save(model, NULL, &error), AG_INVALID_ARGUMENT);
    assert_int_equal(nn_save(NULL, path, &error), AG_INVALID_ARGUMENT);
    assert_listing("");
    /* a name as long as may be, with bytes that are no letters */
    char longest[400];
    const int length = snprintf(longest, sizeof(longest), "%s/", directory);
    memset(longest + length, '\xE9', 255);
    longest[length + 255] = '\0';
    must_save(model, longest);
    nn_model_free(must_load(longest));
    assert_int_equal(remove(longest), 0);
    /* one in the directory where we are */
    char here[1000];
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(directory), 0);
    must_save(model, "model.safetensors");
    must_save(model, "model.safetensors");
    assert_int_equal(chdir(here), 0);
    nn_model_free(must_load(path));
    assert_listing("model.safetensors\n");
    nn_model_free(model);
}

static void test_links(void **state)
{
    (void)state;
    char link[96], folder[96], target[128];
    struct stat found;
    nn_model *model = make_trained();
    (void)snprintf(link, sizeof(link), "%s/link", directory);
    (void)snprintf(folder, sizeof(folder), "%s/folder", directory);
    (void)snprintf(target, sizeof(target), "%s/folder/target", directory);
    assert_int_equal(mkdir(folder, 0755), 0);
    /* to a file that is not there yet, by way of another, and then to the file */
    assert_int_equal(symlink("folder/target", link), 0);
    assert_int_equal(symlink(link, path), 0);
    for (int i = 0; i < 2; i++) {
        must_save(model, path);
        assert_int_equal(lstat(path, &found), 0);
        assert_true(S_ISLNK(found.st_mode));
        assert_int_equal(lstat(target, &found), 0);
        assert_true(S_ISREG(found.st_mode));
        nn_model_free(must_load(path));
    }
    assert_listing("folder\nlink\nmodel.safetensors\n");
    assert_int_equal(remove(link), 0);
    assert_int_equal(symlink("model.safetensors", link), 0);
    check_not_saved(model, path, "can't be written: ");
    assert_listing("folder\nlink\nmodel.safetensors\n");
    nn_model_free(model);
}

/* A child saves one model after the other as fast as it can, and is killed at a random moment. */
static void test_killed(void **state)
{
    (void)state;
    nn_model *models[] = {make_trained(), make_trained()};
    nn_parameters(models[1])[0] = 5;
    const double start = read_nanoseconds();
    for (int i = 0; i < 10; i++)
        must_save(models[0], path);
    const double once = (read_nanoseconds() - start) / 10;
    nn_random random = nn_random_seed(21);
    size_t seen[2] = {0};
    for (int round = 0; round < 150; round++) {
        (void)fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            for (size_t i = 1;; i++)
                if (nn_save(models[i % 2], path, NULL) != AG_OK)
                    _exit(1);
        const double wait = fmin(10 * once * nn_random_uniform(&random), 9e8);
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)wait}, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); /* no save had failed */
        nn_model *back = must_load(path);
        const size_t which = nn_parameters(back)[0] == 5;
        assert_same_models(models[which], back);
        seen[which]++;
        nn_model_free(back);
    }
    print_message("%zu times the one, %zu times the other\n", seen[0], seen[1]);
    nn_model_free(models[0]);
    nn_model_free(models[1]);
}

/* ---- All of them ----------------------------------------------------------------------------- */

#define in_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        in_directory(test_shapes),
        in_directory(test_odd_numbers),
        in_directory(test_trainings),
        in_directory(test_predictions),
        in_directory(test_names),
        in_directory(test_locale),
        in_directory(test_not_finite),
        in_directory(test_another_writer),
        in_directory(test_foreign_numbers),
        in_directory(test_hostile_headers),
        in_directory(test_nesting),
        in_directory(test_lengths),
        in_directory(test_hostile_trainings),
        in_directory(test_truncation),
        in_directory(test_bit_flips),
        in_directory(test_out_of_memory),
        in_directory(test_claims),
        in_directory(test_too_large),
        in_directory(test_full_disk),
        in_directory(test_permissions),
        in_directory(test_targets),
        in_directory(test_links),
        in_directory(test_killed),
    };
    if (argc != 2)
        return cmocka_run_group_tests(tests, NULL, NULL);
    nn_model *model = make_trained();
    const ag_status status = nn_save(model, argv[1], NULL);
    for (size_t i = 0; i < nn_parameter_count(model); i++)
        printf("%a\n", (double)nn_parameters(model)[i]);
    nn_model_free(model);
    return status == AG_OK ? 0 : 1;
}
