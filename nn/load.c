/* SPDX-License-Identifier: MIT
 *
 * Models from files. Whatever a file says is checked before it is used: it may have been damaged,
 * or made by somebody who wishes us ill. The shape comes from the metadata, the tensors must fit it
 * and fill the file, and only then is the model made.
 */
#include "model_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef NNI_JANSSON
#include <jansson.h>

/* A tensor in the file. */
typedef struct tensor {
    const char *name; /* in the header */
    size_t begin, end;
    size_t count; /* of numbers */
    size_t place; /* of the first among the parameters */
    bool single;  /* F32, else F64 */
} tensor;

typedef struct loader {
    const char *path;
    nn_error *error;
    FILE *file;
    uint64_t data_bytes; /* after the header */
    json_t *header;
    json_t *metadata; /* in the header */
    size_t *sizes;
    size_t layers;
    nn_activation activation;
    tensor *tensors;
    bool foreign; /* there is a tensor that is not of ag_real */
    nn_model *model;
} loader;

#define fail(l, status, ...) nni_fail_at((l)->error, (l)->path, 0, 0, status, __VA_ARGS__)

/* ---- JSON ------------------------------------------------------------------------------------ */

/* jansson goes into nested values by calling itself; what belongs here is shallow. */
static bool is_shallow(const char *text, size_t count, size_t most)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < count; i++) {
        const char c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > most)
                return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* How many bytes of UTF-8 all strings of a valid text of JSON decode to. */
static size_t count_written(const char *text, size_t count)
{
    size_t bytes = 0;
    bool in_string = false;
    for (size_t i = 0; i < count; i++) {
        if (text[i] == '"') {
            in_string = !in_string;
        } else if (in_string && text[i] != '\\') {
            bytes++;
        } else if (in_string && text[++i] != 'u') {
            bytes++;
        } else if (in_string) {
            const char digits[] = {text[i + 1], text[i + 2], text[i + 3], text[i + 4], '\0'};
            const unsigned long code = strtoul(digits, NULL, 16);
            i += 4;
            /* half of a pair of surrogates, which takes four bytes, or a letter */
            bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xD800 && code < 0xE000) ? 2 : 3;
        }
    }
    return bytes;
}

/* The same of what was made of it, which is not deep. */
static size_t count_read(json_t *json)
{
    size_t bytes = json_string_length(json);
    for (size_t i = 0; i < json_array_size(json); i++)
        bytes += count_read(json_array_get(json, i));
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at))
        bytes += strlen(json_object_iter_key(at)) + count_read(json_object_iter_value(at));
    return bytes;
}

/* NULL: the loader's error is filled. Where memory is short, jansson (2.14) may leave bytes of
 * strings out without a word, or find faults in the text that it does not have. */
static json_t *parse(const loader *l, const char *what, const char *text, size_t count, size_t most)
{
    if (!is_shallow(text, count, most)) {
        (void)fail(l, AG_PARSE, "%s is nested too deeply", what);
        return NULL;
    }
    json_error_t found;
    json_t *json = json_loadb(text, count, JSON_REJECT_DUPLICATES, &found);
    if (json != NULL && count_read(json) == count_written(text, count))
        return json;
    if (json != NULL || found.text[0] == '\0' ||
        json_error_code(&found) == json_error_out_of_memory) {
        json_decref(json);
        (void)nni_fail_memory(l->error);
        return NULL;
    }
    for (char *c = found.text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    (void)fail(l, AG_PARSE, "%s is no JSON: byte %d: %s", what, found.position, found.text);
    return NULL;
}

/* ---- The header ------------------------------------------------------------------------------ */

static ag_status fail_reading(const loader *l)
{
    if (ferror(l->file))
        return fail(l, AG_IO, "can't be read: %s", strerror(errno));
    return fail(l, AG_PARSE, "the file ended while it was read");
}

static uint64_t get_bytes(const unsigned char *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = count; i-- > 0;)
        number = number << 8 | bytes[i];
    return number;
}

/* Finds the header's size and that of what follows it. */
static ag_status measure(loader *l, size_t *header)
{
    unsigned char bytes[8];
    if (fseek(l->file, 0, SEEK_END) != 0)
        return fail(l, AG_IO, "can't be read: %s", strerror(errno));
    const long size = ftell(l->file);
    if (size < 0 || fseek(l->file, 0, SEEK_SET) != 0)
        return fail(l, AG_IO, "can't be read: %s", strerror(errno));
    if (size < 8)
        return fail(l, AG_PARSE, "a file of %ld bytes is not in the format of safetensors", size);
    if (fread(bytes, 1, 8, l->file) != 8)
        return fail_reading(l);
    const uint64_t count = get_bytes(bytes, 8), rest = (uint64_t)size - 8;
    if (count > NNI_MOST_HEADER)
        return fail(l, AG_PARSE,
                    "a header of %llu bytes: this is not in the format of safetensors, which "
                    "allows %d",
                    (unsigned long long)count, NNI_MOST_HEADER);
    if (count > rest || count < 2)
        return fail(l, AG_PARSE, "a header of %llu bytes in a file of %ld",
                    (unsigned long long)count, size);
    *header = (size_t)count;
    l->data_bytes = rest - count;
    return AG_OK;
}

static ag_status read_header(loader *l)
{
    size_t count = 0;
    ag_status status = measure(l, &count);
    if (status != AG_OK)
        return status;
    char *text = NNI_NEW_ARRAY(count, char);
    if (text == NULL)
        return nni_fail_memory(l->error);
    if (fread(text, 1, count, l->file) != count)
        status = fail_reading(l);
    else if (text[0] != '{')
        status = fail(l, AG_PARSE, "the header does not begin with {");
    else if ((l->header = parse(l, "the header", text, count, 3)) == NULL)
        status = AG_PARSE;
    nni_release(text);
    return status;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static ag_status find_metadata(loader *l)
{
    l->metadata = json_object_get(l->header, "__metadata__");
    if (l->metadata == NULL)
        return fail(l, AG_PARSE, "there is no __metadata__: this is not a model of nn_save's");
    if (!json_is_object(l->metadata))
        return fail(l, AG_PARSE, "__metadata__ is not an object");
    char shown[40];
    for (void *at = json_object_iter(l->metadata); at != NULL;
         at = json_object_iter_next(l->metadata, at))
        if (!json_is_string(json_object_iter_value(at)))
            return fail(l, AG_PARSE, "__metadata__: \"%s\" is not a string",
                        nni_show(json_object_iter_key(at), shown));
    const char *layout = json_string_value(json_object_get(l->metadata, "wengert"));
    if (layout == NULL)
        return fail(l, AG_PARSE,
                    "__metadata__ has no \"wengert\": this is not a model of "
                    "nn_save's");
    if (strcmp(layout, NNI_LAYOUT) != 0)
        return fail(l, AG_PARSE, "the layout is \"%s\", and this library knows " NNI_LAYOUT,
                    nni_show(layout, shown));
    return AG_OK;
}

/* NULL: there is none. */
static const char *find_text(const loader *l, const char *key)
{
    return json_string_value(json_object_get(l->metadata, key));
}

static ag_status fail_text(const loader *l, const char *key)
{
    const char *text = find_text(l, key);
    char shown[40];
    if (text == NULL)
        return fail(l, AG_PARSE, "__metadata__ has no \"%s\"", key);
    return fail(l, AG_PARSE, "__metadata__: \"%s\" can't be \"%s\"", key, nni_show(text, shown));
}

/* A whole number, at most `most`, and what follows it. */
static bool take_number(const char **text, uint64_t most, uint64_t *number)
{
    const char *at = *text;
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (digit > most || *number > (most - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    const bool some = at > *text;
    *text = at;
    return some;
}

/* A finite decimal number, and what follows it. The locale must be C's. */
static bool take_real(const char **text, double *number)
{
    char *end;
    const size_t count = strspn(*text, "+-.0123456789Ee"); /* nothing else that strtod takes */
    *number = strtod(*text, &end);
    const bool good = count > 0 && end == *text + count && isfinite(*number);
    *text += count;
    return good;
}

/* Skips the blank between numbers; at the end there must be none. */
static bool take_separator(const char **text, bool last)
{
    if (last)
        return **text == '\0';
    return *(*text)++ == ' ';
}

static ag_status read_sizes(loader *l)
{
    const char *text = find_text(l, "sizes");
    if (text == NULL)
        return fail_text(l, "sizes");
    size_t n = 1;
    for (const char *at = text; *at != '\0'; at++)
        n += *at == ' ';
    l->sizes = NNI_NEW_ARRAY(n, size_t);
    if (l->sizes == NULL)
        return nni_fail_memory(l->error);
    for (size_t i = 0; i < n; i++) {
        uint64_t size;
        if (!take_number(&text, SIZE_MAX, &size) || size == 0 || !take_separator(&text, i + 1 == n))
            return fail_text(l, "sizes");
        l->sizes[i] = (size_t)size;
    }
    l->layers = n - 1;
    /* as much as a file can hold */
    if (n < 2 || nni_count_parameters(n, l->sizes) > SIZE_MAX / sizeof(ag_real))
        return fail_text(l, "sizes");
    return AG_OK;
}

static ag_status read_activation(loader *l)
{
    static const nn_activation activations[] = {
#define NN_X(NAME, name, formula) NN_##NAME,
        NN_ACTIVATION_LIST(NN_X)
#undef NN_X
    };
    const char *text = find_text(l, "activation");
    for (size_t i = 0; text != NULL && i < sizeof(activations) / sizeof(activations[0]); i++)
        if (strcmp(text, nn_activation_name(activations[i])) == 0) {
            l->activation = activations[i];
            return AG_OK;
        }
    return fail_text(l, "activation");
}

/* ---- Tensors --------------------------------------------------------------------------------- */

static bool is_number(const json_t *json, uint64_t number)
{
    return json_is_integer(json) && json_integer_value(json) >= 0 &&
           (uint64_t)json_integer_value(json) == number;
}

static ag_status check_shape(const loader *l, const char *name, const json_t *shape, bool bias,
                             size_t layer)
{
    const size_t in = l->sizes[layer], out = l->sizes[layer + 1];
    if (json_is_array(shape) && json_array_size(shape) == (bias ? 1 : 2) &&
        is_number(json_array_get(shape, 0), out) &&
        (bias || is_number(json_array_get(shape, 1), in)))
        return AG_OK;
    if (bias)
        return fail(l, AG_PARSE, "%s: the shape is not [%zu]", name, out);
    return fail(l, AG_PARSE, "%s: the shape is not [%zu, %zu]", name, out, in);
}

static ag_status check_offsets(const loader *l, tensor *t, const json_t *offsets)
{
    const json_t *pair[] = {json_array_get(offsets, 0), json_array_get(offsets, 1)};
    if (json_array_size(offsets) != 2 || !json_is_integer(pair[0]) || !json_is_integer(pair[1]))
        return fail(l, AG_PARSE, "%s: data_offsets are not two whole numbers", t->name);
    const json_int_t begin = json_integer_value(pair[0]), end = json_integer_value(pair[1]);
    if (begin < 0 || end < begin || (uint64_t)end > l->data_bytes)
        return fail(l, AG_PARSE, "%s: data_offsets %lld to %lld, in data of %llu bytes", t->name,
                    (long long)begin, (long long)end, (unsigned long long)l->data_bytes);
    const uint64_t size = t->single ? 4 : 8, bytes = (uint64_t)(end - begin);
    if (bytes % size != 0 || bytes / size != t->count)
        return fail(l, AG_PARSE, "%s: %llu bytes for %zu numbers", t->name,
                    (unsigned long long)bytes, t->count);
    t->begin = (size_t)begin;
    t->end = (size_t)end;
    return AG_OK;
}

static void name_tensor(char name[40], size_t layer, bool bias)
{
    (void)snprintf(name, 40, "layers.%zu.%s", layer, bias ? "bias" : "weight");
}

/* Finds weights or biases of a layer; t->place is known. */
static ag_status find_tensor(loader *l, size_t layer, bool bias, tensor *t)
{
    char name[40];
    name_tensor(name, layer, bias);
    void *at = json_object_iter_at(l->header, name);
    if (at == NULL)
        return fail(l, AG_PARSE, "there is no tensor %s", name);
    t->name = json_object_iter_key(at);
    const json_t *json = json_object_iter_value(at);
    if (!json_is_object(json) || json_object_size(json) != 3)
        return fail(l, AG_PARSE, "%s has not just dtype, shape and data_offsets", name);
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    if (dtype == NULL || (strcmp(dtype, "F32") != 0 && strcmp(dtype, "F64") != 0))
        return fail(l, AG_PARSE, "%s: the dtype is neither F32 nor F64", name);
    t->single = dtype[1] == '3';
    t->count = l->sizes[layer + 1] * (bias ? 1 : l->sizes[layer]);
    l->foreign = l->foreign || t->single != (sizeof(ag_real) == sizeof(float));
    const ag_status status = check_shape(l, name, json_object_get(json, "shape"), bias, layer);
    return status == AG_OK ? check_offsets(l, t, json_object_get(json, "data_offsets")) : status;
}

static int by_begin(const void *a, const void *b)
{
    const tensor *x = (const tensor *)a, *y = (const tensor *)b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static bool is_tensor(const loader *l, const char *name)
{
    static const char prefix[] = "layers.";
    char expected[2][40];
    uint64_t layer;
    const char *at = name + strlen(prefix);
    if (strncmp(name, prefix, strlen(prefix)) != 0 || !take_number(&at, SIZE_MAX, &layer) ||
        layer >= l->layers)
        return false;
    name_tensor(expected[0], (size_t)layer, false);
    name_tensor(expected[1], (size_t)layer, true);
    return strcmp(name, expected[0]) == 0 || strcmp(name, expected[1]) == 0;
}

/* A tensor of the file that the model does not have. There is one. */
static ag_status fail_stranger(const loader *l)
{
    for (void *at = json_object_iter(l->header); at != NULL;
         at = json_object_iter_next(l->header, at)) {
        const char *name = json_object_iter_key(at);
        char shown[40];
        if (json_object_iter_value(at) != l->metadata && !is_tensor(l, name))
            return fail(l, AG_PARSE, "the model has no tensor \"%s\"", nni_show(name, shown));
    }
    return AG_PARSE;
}

/* Finds the model's tensors, sorts them as they lie in the file, and sees that they fill it. */
static ag_status find_tensors(loader *l)
{
    const size_t expected = nni_times(2, l->layers), there = json_object_size(l->header) - 1;
    /* a file that names fewer has not earned the memory; the first that is missing will be told */
    const size_t most = expected < there ? expected : there;
    l->tensors = NNI_NEW_ARRAY(most + 1, tensor);
    if (l->tensors == NULL)
        return nni_fail_memory(l->error);
    size_t place = 0;
    for (size_t i = 0; i < expected; i++) {
        tensor *t = &l->tensors[i < most ? i : most];
        t->place = place;
        const ag_status status = find_tensor(l, i / 2, i % 2 == 1, t);
        if (status != AG_OK)
            return status;
        place += t->count;
    }
    if (there > expected)
        return fail_stranger(l);
    qsort(l->tensors, expected, sizeof(tensor), by_begin);
    uint64_t end = 0;
    for (size_t i = 0; i < expected; i++) {
        const tensor *t = &l->tensors[i];
        if (t->begin != end)
            return fail(l, AG_PARSE, "%s begins at %zu, and what lies before it ends at %llu",
                        t->name, t->begin, (unsigned long long)end);
        end = t->end;
    }
    if (end != l->data_bytes)
        return fail(l, AG_PARSE, "the tensors end at %llu, and the data has %llu bytes",
                    (unsigned long long)end, (unsigned long long)l->data_bytes);
    return AG_OK;
}

static ag_real get_real(const unsigned char *bytes, bool single)
{
    if (single) {
        const uint32_t bits = (uint32_t)get_bytes(bytes, 4);
        float number;
        memcpy(&number, &bits, sizeof(number));
        return (ag_real)number;
    }
    const uint64_t bits = get_bytes(bytes, 8);
    double number;
    memcpy(&number, &bits, sizeof(number));
    return (ag_real)number;
}

/* The file is where the tensor begins. */
static ag_status read_tensor(loader *l, const tensor *t)
{
    unsigned char bytes[4096];
    const size_t size = t->single ? 4 : 8, some = sizeof(bytes) / size;
    ag_real *to = l->model->parameters + t->place;
    for (size_t at = 0; at < t->count; at += some) {
        const size_t count = t->count - at < some ? t->count - at : some;
        if (fread(bytes, size, count, l->file) != count)
            return fail_reading(l);
        for (size_t i = 0; i < count; i++) {
            to[at + i] = get_real(bytes + i * size, t->single);
            if (!isfinite(to[at + i]))
                return fail(l, AG_NOT_FINITE, "%s: number %zu is %g", t->name, at + i,
                            (double)to[at + i]);
        }
    }
    return AG_OK;
}

/* ---- What training has learnt ---------------------------------------------------------------- */

/* n numbers, no more and no less */
static ag_status read_numbers(const loader *l, const char *key, size_t n, ag_real *numbers)
{
    const char *text = find_text(l, key);
    if (text == NULL)
        return fail_text(l, key);
    bool good = n > 0 || *text == '\0';
    for (size_t i = 0; good && i < n; i++) {
        double number;
        good = take_real(&text, &number) && take_separator(&text, i + 1 == n) &&
               isfinite((ag_real)number);
        if (good)
            numbers[i] = (ag_real)number;
    }
    if (good)
        return AG_OK;
    return fail(l, AG_PARSE, "__metadata__: \"%s\" is not %zu finite numbers", key, n);
}

static ag_status copy_names(const loader *l, const char *key, size_t n, const json_t *array,
                            char ***copy)
{
    if (json_array_size(array) != n)
        return fail(l, AG_PARSE, "__metadata__: \"%s\" is not %zu names", key, n);
    char **names = NNI_NEW_ARRAY(n, char *);
    if (names == NULL)
        return nni_fail_memory(l->error);
    for (size_t i = 0; i < n; i++) {
        json_t *name = json_array_get(array, i);
        if (!json_is_string(name)) {
            nni_release(names);
            return fail(l, AG_PARSE, "__metadata__: \"%s\": name %zu is not a string", key, i);
        }
        /* nni_copy_names reads what it is given */
        names[i] = (char *)json_string_value(name);
    }
    *copy = nni_copy_names(n, names, "");
    nni_release(names);
    return *copy == NULL ? nni_fail_memory(l->error) : AG_OK;
}

static ag_status read_names(const loader *l, const char *key, size_t n, char ***names)
{
    const char *text = find_text(l, key);
    json_t *array = parse(l, key, text, strlen(text), 1);
    if (array == NULL)
        return AG_PARSE;
    const ag_status status = copy_names(l, key, n, array, names);
    json_decref(array);
    return status;
}

static ag_status read_learnt(loader *l)
{
    nn_model *model = l->model;
    const size_t inputs = nn_model_inputs(model), outputs = nn_model_outputs(model);
    if (find_text(l, "features") == NULL)
        return find_text(l, "classes") == NULL ? AG_OK : fail_text(l, "features");
    ag_status status = read_names(l, "features", inputs, &model->feature_names);
    if (status == AG_OK && find_text(l, "classes") != NULL) {
        const size_t classes = outputs == 1 ? 2 : outputs;
        status = read_names(l, "classes", classes, &model->class_names);
        model->classes = status == AG_OK ? classes : 0;
    }
    if (status == AG_OK)
        status = read_numbers(l, "mean", inputs, model->mean);
    if (status == AG_OK)
        status = read_numbers(l, "deviation", inputs, model->deviation);
    for (size_t i = 0; status == AG_OK && i < inputs; i++)
        if (model->deviation[i] <= 0)
            status = fail_text(l, "deviation");
    return status;
}

/* ---- Where training left off ----------------------------------------------------------------- */

static ag_status read_field(const loader *l, const nni_field *field, nni_state *state)
{
    char *to = (char *)state + field->offset;
    const char *text = find_text(l, field->key);
    uint64_t number;
    double real = (double)NAN;
    if (text == NULL)
        return fail_text(l, field->key);
    if (field->kind == NNI_REAL) {
        if (strcmp(text, NNI_NONE) != 0 && (!take_real(&text, &real) || *text != '\0'))
            return fail_text(l, field->key);
        memcpy(to, &real, sizeof(real));
        return AG_OK;
    }
    const uint64_t most = field->kind == NNI_BITS    ? UINT64_MAX
                          : field->kind == NNI_COUNT ? SIZE_MAX / 16
                                                     : 1;
    if (!take_number(&text, most, &number) || *text != '\0')
        return fail_text(l, field->key);
    const size_t count = (size_t)number;
    const bool flag = number == 1;
    if (field->kind == NNI_BITS)
        memcpy(to, &number, sizeof(number));
    else if (field->kind == NNI_COUNT)
        memcpy(to, &count, sizeof(count));
    else
        memcpy(to, &flag, sizeof(flag));
    return AG_OK;
}

static ag_status read_fields(const loader *l, nni_state *state)
{
    static const nni_field fields[] = {NNI_FIELD_LIST(NNI_FIELD)};
    ag_status status = AG_OK;
    for (size_t i = 0; status == AG_OK && i < sizeof(fields) / sizeof(fields[0]); i++)
        status = read_field(l, &fields[i], state);
    return status;
}

/* The optimiser by its name, with the numbers that are in state. */
static ag_status name_optimizer(const loader *l, nni_state *state)
{
    nn_optimizer *rule = &state->told.optimizer, known;
    const char *name = find_text(l, "optimizer");
    rule->name = NNI_CUSTOM;
    rule->step = NULL;
    if (name != NULL && nni_find_optimizer(name, &known)) {
        if (known.state_count != rule->state_count)
            return fail_text(l, "optimizer.state_count");
        rule->name = known.name;
        rule->step = known.step;
    } else if (name == NULL || strcmp(name, NNI_CUSTOM) != 0) {
        return fail_text(l, "optimizer");
    }
    nn_error found;
    if (nni_check_optimizer(rule, &found) == AG_OK)
        return AG_OK;
    return fail(l, AG_PARSE, "__metadata__: %s", found.message);
}

static ag_status name_loss(const loader *l, nni_state *state)
{
    const char *name = find_text(l, "training.loss");
    state->told.loss = NNI_CUSTOM;
    if (name != NULL && strcmp(name, NNI_CUSTOM) == 0)
        return AG_OK;
    const nn_loss loss = name == NULL ? NULL : nni_find_loss(name);
    if (loss == NULL)
        return fail_text(l, "training.loss");
    state->told.loss = nni_loss_name(loss);
    return AG_OK;
}

/* Whether the numbers of a training go together. */
static ag_status check_training(const loader *l, const nni_state *state)
{
    const nn_training *told = &state->told;
    if (told->rows == 0)
        return fail_text(l, "training.rows");
    if (told->batch == 0)
        return fail_text(l, "training.batch");
    if (told->epochs == 0 || told->epochs > told->epochs_asked)
        return fail_text(l, "training.epochs");
    if (told->best_epoch > told->epochs || (told->best_epoch == 0) != isnan(told->best_loss) ||
        (told->patience > 0 && told->best_epoch == 0))
        return fail_text(l, "training.best_epoch");
    if ((told->best_epoch > 0) != (state->held_out != 0))
        return fail_text(l, "training.held_out");
    if (isnan(told->last.loss))
        return fail_text(l, "training.last_loss");
    return AG_OK;
}

static ag_status read_memory(const loader *l, nni_state *state)
{
    const size_t n = l->model->parameter_count;
    const nn_optimizer *rule = &state->told.optimizer;
    ag_status status = AG_OK;
    const char *text = find_text(l, "optimizer.state");
    if (rule->step == NULL || text == NULL || strcmp(text, NNI_ZEROS) != 0)
        status = read_numbers(l, "optimizer.state", n * rule->state_count, state->memory);
    if (status == AG_OK && state->other != NULL)
        status = read_numbers(l, "training.other", n, state->other);
    return status;
}

/* The state as it is but for its memory, for which there is place behind it in the copy. */
static ag_status read_state(loader *l)
{
    nni_state state = {.ended = false};
    ag_status status = read_fields(l, &state);
    if (status == AG_OK)
        status = name_optimizer(l, &state);
    if (status == AG_OK)
        status = name_loss(l, &state);
    if (status == AG_OK)
        status = check_training(l, &state);
    if (status != AG_OK)
        return status;
    /* an optimiser of one's own may claim any memory, but it must be there: two bytes a number */
    const char *text = find_text(l, "optimizer.state");
    const nn_optimizer *rule = &state.told.optimizer;
    if (rule->step == NULL &&
        nni_times(l->model->parameter_count, rule->state_count) > (text == NULL ? 0 : strlen(text)))
        return fail_text(l, "optimizer.state_count");
    nni_state *made = nni_make_state(l->model->parameter_count, rule, state.told.patience > 0);
    if (made == NULL)
        return nni_fail_memory(l->error);
    state.memory = made->memory;
    state.other = made->other;
    state.told.last.epoch = state.told.epochs;
    state.told.last.epochs = state.told.epochs_asked;
    *made = state;
    l->model->state = made;
    return read_memory(l, made);
}

/* ---- All together ---------------------------------------------------------------------------- */

static ag_status load(void *context)
{
    loader *l = (loader *)context;
    ag_status status = read_header(l);
    if (status == AG_OK)
        status = find_metadata(l);
    if (status == AG_OK)
        status = read_sizes(l);
    if (status == AG_OK)
        status = read_activation(l);
    if (status == AG_OK)
        status = find_tensors(l);
    if (status != AG_OK)
        return status;
    l->model = nni_make_model(l->layers + 1, l->sizes, l->activation);
    if (l->model == NULL)
        return nni_fail_memory(l->error);
    for (size_t i = 0; status == AG_OK && i < 2 * l->layers; i++)
        status = read_tensor(l, &l->tensors[i]);
    if (status == AG_OK)
        status = read_learnt(l);
    /* a training in other numbers would not go on to the same bits */
    if (status == AG_OK && find_text(l, "training.epochs") != NULL && !l->foreign)
        status = l->model->feature_names != NULL ? read_state(l) : fail_text(l, "features");
    return status;
}

nn_model *nn_load(const char *path, nn_error *error)
{
    if (path == NULL) {
        (void)nni_fail(error, AG_INVALID_ARGUMENT, "nn_load: the path is NULL");
        return NULL;
    }
    loader l = {.path = path, .error = error, .file = fopen(path, "rb")};
    if (l.file == NULL) {
        (void)fail(&l, AG_IO, "can't be opened: %s", strerror(errno));
        return NULL;
    }
    const ag_status status = nni_in_c_locale(load, &l, error);
    (void)fclose(l.file);
    json_decref(l.header);
    nni_release(l.sizes);
    nni_release(l.tensors);
    if (status == AG_OK)
        return l.model;
    nn_model_free(l.model);
    return NULL;
}

#else

nn_model *nn_load(const char *path, nn_error *error)
{
    (void)nni_fail_at(error, path, 0, 0, AG_IO, "can't be read: " NNI_NO_JANSSON);
    return NULL;
}

#endif
