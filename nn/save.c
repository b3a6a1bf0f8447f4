/* SPDX-License-Identifier: MIT
 *
 * Models to files: a header of JSON, then the parameters, as safetensors says. How a file is
 * written whole or not at all is whole_file.c's business; what the metadata says, model_file.h's.
 */
#include "model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef NNI_JANSSON
#include <jansson.h>

typedef struct saver {
    const nn_model *model;
    const char *path;
    nn_error *error;
    json_t *metadata;
    /* scratch for a piece of metadata, and then the header */
    char *text;
    size_t count, capacity;
} saver;

/* ---- Text ------------------------------------------------------------------------------------ */

static ag_status append(saver *s, const char *bytes, size_t count)
{
    if (count > NNI_MOST_HEADER - s->count)
        return nni_fail_at(s->error, s->path, 0, 0, AG_TOO_LARGE,
                           "the metadata is larger than the %d bytes that the format allows",
                           NNI_MOST_HEADER);
    if (!nni_grow((void **)&s->text, &s->capacity, s->count + count, 1))
        return nni_fail_memory(s->error);
    memcpy(s->text + s->count, bytes, count);
    s->count += count;
    return AG_OK;
}

/* A number that reads back to the same bits; the shorter of two that do. The locale must be C's. */
static ag_status append_number(saver *s, double number, bool single)
{
    char text[320] = NNI_NONE; /* as long as a compiler thinks it may be */
    if (isfinite(number)) {
        (void)snprintf(text, sizeof(text), single ? "%.7g" : "%.15g", number);
        if (strtod(text, NULL) != number)
            (void)snprintf(text, sizeof(text), single ? "%.9g" : "%.17g", number);
    }
    return append(s, text, strlen(text));
}

static ag_status put_json(saver *s, const char *key, json_t *value)
{
    return json_object_set_new(s->metadata, key, value) == 0 ? AG_OK : nni_fail_memory(s->error);
}

static ag_status put_text(saver *s, const char *key, const char *text)
{
    return put_json(s, key, json_string(text));
}

/* What has been appended. */
static ag_status put_appended(saver *s, const char *key)
{
    const ag_status status = put_json(s, key, json_stringn(s->text, s->count));
    s->count = 0;
    return status;
}

static ag_status put_numbers(saver *s, const char *key, size_t n, const ag_real *numbers)
{
    ag_status status = AG_OK;
    for (size_t i = 0; status == AG_OK && i < n; i++) {
        if (i > 0)
            status = append(s, " ", 1);
        if (status == AG_OK)
            status = append_number(s, (double)numbers[i], sizeof(ag_real) == sizeof(float));
    }
    return status == AG_OK ? put_appended(s, key) : status;
}

static int append_dump(const char *bytes, size_t count, void *context)
{
    return append((saver *)context, bytes, count) == AG_OK ? 0 : -1;
}

/* The header's text, or that of a piece of metadata; takes json. */
static ag_status append_json(saver *s, json_t *json)
{
    nn_error found = {.status = AG_OUT_OF_MEMORY}; /* append may say something else */
    nn_error *const error = s->error;
    s->error = &found;
    const bool done = json_dump_callback(json, append_dump, s, JSON_COMPACT) == 0;
    s->error = error;
    json_decref(json);
    if (done)
        return AG_OK;
    if (found.status == AG_OUT_OF_MEMORY)
        return nni_fail_memory(error);
    if (error != NULL)
        *error = found;
    return found.status;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static ag_status put_names(saver *s, const char *key, size_t n, char *const *names)
{
    json_t *array = json_array();
    if (array == NULL)
        return nni_fail_memory(s->error);
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(array, json_string(names[i])) == 0)
            continue;
        json_decref(array);
        /* it is not UTF-8, or there was no memory for a moment, or there is none */
        json_t *again = json_string(names[i]), *unchecked = json_string_nocheck(names[i]);
        const bool short_of_memory = again != NULL || unchecked == NULL;
        json_decref(again);
        json_decref(unchecked);
        if (short_of_memory)
            return nni_fail_memory(s->error);
        char shown[40];
        return nni_fail_at(s->error, s->path, 0, 0, AG_INVALID_ARGUMENT,
                           "%s: the name \"%s\" is not UTF-8", key, nni_show(names[i], shown));
    }
    const ag_status status = append_json(s, array);
    return status == AG_OK ? put_appended(s, key) : status;
}

static ag_status put_field(saver *s, const nni_field *field)
{
    const char *from = (const char *)s->model->state + field->offset;
    char text[40];
    unsigned long long number = 0;
    double real;
    switch (field->kind) {
    case NNI_COUNT:
        number = *(const size_t *)(const void *)from;
        break;
    case NNI_BITS:
        number = *(const uint64_t *)(const void *)from;
        break;
    case NNI_FLAG:
        number = *(const bool *)(const void *)from;
        break;
    case NNI_REAL:
        memcpy(&real, from, sizeof(real));
        const ag_status status = append_number(s, real, false);
        return status == AG_OK ? put_appended(s, field->key) : status;
    }
    (void)snprintf(text, sizeof(text), "%llu", number);
    return put_text(s, field->key, text);
}

static bool are_zeros(size_t n, const ag_real *numbers)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] != 0 || signbit(numbers[i]))
            return false;
    return true;
}

static ag_status put_training(saver *s)
{
    static const nni_field fields[] = {NNI_FIELD_LIST(NNI_FIELD)};
    const nni_state *state = s->model->state;
    const nn_optimizer *rule = &state->told.optimizer;
    const size_t n = s->model->parameter_count, memory = n * rule->state_count;
    ag_status status = put_text(s, "training.loss", state->told.loss);
    if (status == AG_OK)
        status = put_text(s, "optimizer", rule->name);
    for (size_t i = 0; status == AG_OK && i < sizeof(fields) / sizeof(fields[0]); i++)
        status = put_field(s, &fields[i]);
    if (status == AG_OK)
        status = rule->step != NULL && are_zeros(memory, state->memory)
                     ? put_text(s, "optimizer.state", NNI_ZEROS)
                     : put_numbers(s, "optimizer.state", memory, state->memory);
    if (status == AG_OK && state->other != NULL)
        status = put_numbers(s, "training.other", n, state->other);
    return status;
}

static ag_status put_metadata(saver *s)
{
    const nn_model *model = s->model;
    const size_t inputs = nn_model_inputs(model);
    ag_status status = put_text(s, "wengert", NNI_LAYOUT);
    for (size_t i = 0; status == AG_OK && i <= model->layers; i++) {
        char text[40];
        const int length = snprintf(text, sizeof(text), "%s%zu", i > 0 ? " " : "", model->sizes[i]);
        status = append(s, text, (size_t)length);
    }
    if (status == AG_OK)
        status = put_appended(s, "sizes");
    if (status == AG_OK)
        status = put_text(s, "activation", nn_activation_name(model->activation));
    if (status != AG_OK || model->feature_names == NULL)
        return status;
    status = put_names(s, "features", inputs, model->feature_names);
    if (status == AG_OK && model->classes > 0)
        status = put_names(s, "classes", model->classes, model->class_names);
    if (status == AG_OK)
        status = put_numbers(s, "mean", inputs, model->mean);
    if (status == AG_OK)
        status = put_numbers(s, "deviation", inputs, model->deviation);
    return status == AG_OK && model->state != NULL ? put_training(s) : status;
}

/* ---- Tensors --------------------------------------------------------------------------------- */

static ag_status put_tensor(saver *s, json_t *header, size_t layer, bool bias, size_t *offset)
{
    const size_t in = s->model->sizes[layer], out = s->model->sizes[layer + 1];
    const size_t end = *offset + out * (bias ? 1 : in) * sizeof(ag_real);
    char name[40];
    (void)snprintf(name, sizeof(name), "layers.%zu.%s", layer, bias ? "bias" : "weight");
    const char *dtype = sizeof(ag_real) == sizeof(float) ? "F32" : "F64";
    const json_int_t offsets[] = {(json_int_t)*offset, (json_int_t)end};
    json_t *tensor =
        bias ? json_pack("{s: s, s: [I], s: [I, I]}", "dtype", dtype, "shape", (json_int_t)out,
                         "data_offsets", offsets[0], offsets[1])
             : json_pack("{s: s, s: [I, I], s: [I, I]}", "dtype", dtype, "shape", (json_int_t)out,
                         (json_int_t)in, "data_offsets", offsets[0], offsets[1]);
    *offset = end;
    return json_object_set_new(header, name, tensor) == 0 ? AG_OK : nni_fail_memory(s->error);
}

/* Leaves the header, padded to a multiple of 8, in text. */
static ag_status make_header(saver *s)
{
    json_t *header = json_object();
    s->metadata = json_object();
    if (json_object_set_new(header, "__metadata__", s->metadata) != 0) {
        json_decref(header);
        return nni_fail_memory(s->error);
    }
    ag_status status = put_metadata(s);
    size_t offset = 0;
    for (size_t i = 0; status == AG_OK && i < 2 * s->model->layers; i++)
        status = put_tensor(s, header, i / 2, i % 2 == 1, &offset);
    if (status != AG_OK) {
        json_decref(header);
        return status;
    }
    status = append_json(s, header);
    while (status == AG_OK && s->count % 8 != 0)
        status = append(s, " ", 1);
    return status;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void put_bytes(uint64_t number, size_t count, unsigned char *bytes)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(number >> 8 * i & 0xFF);
}

static bool write_file(FILE *file, const void *context)
{
    const saver *s = (const saver *)context;
    unsigned char bytes[512 * sizeof(ag_real)];
    const size_t some = sizeof(bytes) / sizeof(ag_real), n = s->model->parameter_count;
    put_bytes(s->count, 8, bytes);
    bool good = fwrite(bytes, 1, 8, file) == 8 && fwrite(s->text, 1, s->count, file) == s->count;
    for (size_t at = 0; good && at < n; at += some) {
        const size_t count = n - at < some ? n - at : some;
        for (size_t i = 0; i < count; i++) {
#ifdef AG_REAL_FLOAT
            uint32_t bits;
#else
            uint64_t bits;
#endif
            memcpy(&bits, &s->model->parameters[at + i], sizeof(bits));
            put_bytes(bits, sizeof(bits), bytes + i * sizeof(bits));
        }
        good = fwrite(bytes, sizeof(ag_real), count, file) == count;
    }
    return good;
}

static ag_status save(void *context)
{
    saver *s = (saver *)context;
    const ag_status status = make_header(s);
    return status == AG_OK ? nni_write_whole(s->path, write_file, s, s->error) : status;
}

ag_status nn_save(const nn_model *model, const char *path, nn_error *error)
{
    if (model == NULL || path == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_save: the %s is NULL",
                        model == NULL ? "model" : "path");
    for (size_t i = 0; i < model->parameter_count; i++)
        if (!isfinite(model->parameters[i]))
            return nni_fail_at(error, path, 0, 0, AG_NOT_FINITE, "parameter %zu of the model is %g",
                               i, (double)model->parameters[i]);
    saver s = {.model = model, .path = path, .error = error};
    const ag_status status = nni_in_c_locale(save, &s, error);
    nni_release(s.text);
    return status;
}

#else

ag_status nn_save(const nn_model *model, const char *path, nn_error *error)
{
    (void)model;
    return nni_fail_at(error, path, 0, 0, AG_IO, "can't be written: " NNI_NO_JANSSON);
}

#endif
