/* SPDX-License-Identifier: MIT
 *
 * Datasets: rows of features with classes or numbers, made from arrays and cut in two; and what
 * every file of nn stands on: its memory and its errors. Reading files is csv.c's.
 */
#define _POSIX_C_SOURCE 200809L
#include "net.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

/* ---- Memory ---------------------------------------------------------------------------------- */

static void *use_heap(void *pointer, size_t size)
{
    if (size > 0)
        return realloc(pointer, size);
    free(pointer);
    return NULL;
}

void *(*nni_memory)(void *pointer, size_t size) = use_heap;

size_t nni_times(size_t a, size_t b)
{
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

void *nni_allocate(size_t count, size_t size)
{
    const size_t bytes = nni_times(count, size);
    if (bytes > PTRDIFF_MAX)
        return NULL;
    void *pointer = nni_memory(NULL, bytes > 0 ? bytes : 1);
    if (pointer != NULL)
        memset(pointer, 0, bytes);
    return pointer;
}

bool nni_grow(void **array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t wanted = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
    if (wanted < 16)
        wanted = 16;
    if (wanted < needed)
        wanted = needed;
    const size_t bytes = nni_times(wanted, size);
    void *grown = bytes > PTRDIFF_MAX ? NULL : nni_memory(*array, bytes);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

void nni_release(void *pointer)
{
    if (pointer != NULL)
        nni_memory(pointer, 0);
}

void *nni_serve(void *user, void *pointer, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    return nni_memory(pointer, new_size);
}

ag_graph *nni_graph_new(void)
{
    const ag_graph_options options = {.allocator = nni_serve};
    return ag_graph_new(&options);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

static int format_list(char *text, size_t size, const char *format, va_list arguments)
    NNI_PRINTF(3, 0);

/* vsnprintf in C's locale, whatever the thread's is */
static int format_list(char *text, size_t size, const char *format, va_list arguments)
{
#if NNI_POSIX
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = c == (locale_t)0 ? c : uselocale(c);
#endif
    const int length = vsnprintf(text, size, format, arguments);
#if NNI_POSIX
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
#endif
    return length;
}

int nni_format(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = format_list(text, size, format, arguments);
    va_end(arguments);
    return length;
}

const char *nni_show(const char *text, char shown[40])
{
    size_t n = 0;
    for (; n < 30 && text[n] != '\0'; n++)
        shown[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    strcpy(shown + n, text[n] == '\0' ? "" : "...");
    return shown;
}

ag_status nni_in_c_locale(ag_status (*act)(void *context), void *context, nn_error *error)
{
#if NNI_POSIX
    /* strtod and printf obey the thread's locale */
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return nni_fail_memory(error);
    const locale_t before = uselocale(c);
#else
    (void)error;
#endif
    const ag_status status = act(context);
#if NNI_POSIX
    uselocale(before);
    freelocale(c);
#endif
    return status;
}

/* Copies a path; of one that is too long, the end, which says more, from a whole letter on. */
static void copy_path(char *copy, size_t size, const char *path)
{
    const size_t length = strlen(path);
    const char *end = length < size ? path : path + length - (size - 4);
    while (end > path && ((unsigned char)*end & 0xC0) == 0x80)
        end++;
    (void)snprintf(copy, size, "%s%s", end == path ? "" : "...", end);
}

ag_status nni_fail_at(nn_error *error, const char *file, size_t line, size_t column,
                      ag_status status, const char *format, ...)
{
    if (error == NULL)
        return status;
    memset(error, 0, sizeof(*error));
    error->status = status;
    error->line = line;
    error->column = column;
    size_t used = 0;
    if (file != NULL) {
        copy_path(error->file, sizeof(error->file), file);
        char shown[100];
        copy_path(shown, sizeof(shown), file);
        used += (size_t)snprintf(error->message, sizeof(error->message), "%s", shown);
    }
    if (line > 0)
        used += (size_t)snprintf(error->message + used, sizeof(error->message) - used, ", line %zu",
                                 line);
    if (column > 0)
        used += (size_t)snprintf(error->message + used, sizeof(error->message) - used,
                                 ", column %zu", column);
    if (used > 0)
        used += (size_t)snprintf(error->message + used, sizeof(error->message) - used, ": ");
    va_list arguments;
    va_start(arguments, format);
    (void)format_list(error->message + used, sizeof(error->message) - used, format, arguments);
    va_end(arguments);
    return status;
}

ag_status nni_fail_memory(nn_error *error)
{
    return nni_fail(error, AG_OUT_OF_MEMORY, "%s", ag_strerror(AG_OUT_OF_MEMORY));
}

ag_status nni_fail_graph(nn_error *error, const ag_graph *graph)
{
    return nni_fail(error, ag_error(graph), "%s", ag_error_message(graph));
}

/* ---- Making and freeing ---------------------------------------------------------------------- */

char **nni_copy_names(size_t count, char *const *names, const char *prefix)
{
    enum {
        NUMBERED = 24 /* a letter, twenty digits */
    };
    size_t bytes = nni_times(count, sizeof(char *) + (names == NULL ? NUMBERED : 0));
    for (size_t i = 0; names != NULL && i < count; i++)
        bytes += strlen(names[i]) + 1;
    char **copy = (char **)nni_allocate(bytes, 1);
    if (copy == NULL)
        return NULL;
    char *text = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = text;
        if (names == NULL)
            text += snprintf(text, NUMBERED, "%s%zu", prefix, i) + 1;
        else
            text += strlen(strcpy(text, names[i])) + 1;
    }
    return copy;
}

void nn_dataset_free(nn_dataset *data)
{
    if (data == NULL)
        return;
    nni_release(data->inputs);
    nni_release(data->labels);
    nni_release(data->numbers);
    nni_release(data->class_names);
    nni_release(data->feature_names);
    nni_release(data);
}

/* Names may be NULL, for numbered ones. */
static nn_dataset *make(size_t rows, size_t features, size_t classes, size_t targets,
                        char *const *feature_names, char *const *class_names)
{
    nn_dataset *data = NNI_NEW_ARRAY(1, nn_dataset);
    if (data == NULL)
        return NULL;
    data->rows = rows;
    data->features = features;
    data->classes = classes;
    data->targets = targets;
    data->inputs = NNI_NEW_ARRAY(nni_times(rows, features), ag_real);
    data->feature_names = nni_copy_names(features, feature_names, "x");
    bool whole = data->inputs != NULL && data->feature_names != NULL;
    if (classes > 0) {
        data->labels = NNI_NEW_ARRAY(rows, size_t);
        data->class_names = nni_copy_names(classes, class_names, "");
        whole = whole && data->labels != NULL && data->class_names != NULL;
    } else {
        data->numbers = NNI_NEW_ARRAY(nni_times(rows, targets), ag_real);
        whole = whole && data->numbers != NULL;
    }
    if (whole)
        return data;
    nn_dataset_free(data);
    return NULL;
}

static bool copy_finite(const char *what, size_t rows, size_t columns, const ag_real *from,
                        ag_real *to, nn_error *error)
{
    for (size_t i = 0; i < rows * columns; i++) {
        if (!isfinite(from[i])) {
            nni_fail(error, AG_INVALID_ARGUMENT, "%s %zu of row %zu is %g", what, i % columns,
                     i / columns, (double)from[i]);
            return false;
        }
        to[i] = from[i];
    }
    return true;
}

/* What datasets of both kinds ask for; targets is the number of classes or of outputs. */
static bool check_shape(size_t rows, size_t features, const ag_real *inputs, size_t targets,
                        bool has_targets, nn_error *error)
{
    if (rows > 0 && features > 0 && targets > 0 && inputs != NULL && has_targets)
        return true;
    nni_fail(error, AG_INVALID_ARGUMENT,
             "a dataset can't be made of %zu rows, %zu features and %zu classes or outputs%s", rows,
             features, targets, inputs == NULL || !has_targets ? ": an array is NULL" : "");
    return false;
}

nn_dataset *nn_dataset_classes(size_t rows, size_t features, const ag_real *inputs, size_t classes,
                               const size_t *labels, nn_error *error)
{
    if (!check_shape(rows, features, inputs, classes, labels != NULL, error))
        return NULL;
    nn_dataset *data = make(rows, features, classes, 0, NULL, NULL);
    if (data == NULL) {
        nni_fail_memory(error);
        return NULL;
    }
    bool good = copy_finite("feature", rows, features, inputs, data->inputs, error);
    for (size_t row = 0; good && row < rows; row++) {
        good = labels[row] < classes;
        data->labels[row] = labels[row];
        if (!good)
            nni_fail(error, AG_INVALID_ARGUMENT, "row %zu is of class %zu, and there are %zu", row,
                     labels[row], classes);
    }
    if (good)
        return data;
    nn_dataset_free(data);
    return NULL;
}

nn_dataset *nn_dataset_numbers(size_t rows, size_t features, const ag_real *inputs, size_t outputs,
                               const ag_real *targets, nn_error *error)
{
    if (!check_shape(rows, features, inputs, outputs, targets != NULL, error))
        return NULL;
    nn_dataset *data = make(rows, features, 0, outputs, NULL, NULL);
    if (data == NULL) {
        nni_fail_memory(error);
        return NULL;
    }
    if (copy_finite("feature", rows, features, inputs, data->inputs, error) &&
        copy_finite("target", rows, outputs, targets, data->numbers, error))
        return data;
    nn_dataset_free(data);
    return NULL;
}

/* ---- Looking --------------------------------------------------------------------------------- */

size_t nn_rows(const nn_dataset *data)
{
    return data == NULL ? 0 : data->rows;
}

size_t nn_features(const nn_dataset *data)
{
    return data == NULL ? 0 : data->features;
}

size_t nn_classes(const nn_dataset *data)
{
    return data == NULL ? 0 : data->classes;
}

size_t nn_targets(const nn_dataset *data)
{
    if (data == NULL)
        return 0;
    return data->classes > 0 ? data->classes : data->targets;
}

const ag_real *nn_row_inputs(const nn_dataset *data, size_t row)
{
    return row < nn_rows(data) ? data->inputs + row * data->features : NULL;
}

size_t nn_row_class(const nn_dataset *data, size_t row)
{
    return row < nn_rows(data) && data->classes > 0 ? data->labels[row] : 0;
}

const ag_real *nn_row_targets(const nn_dataset *data, size_t row)
{
    return row < nn_rows(data) && data->targets > 0 ? data->numbers + row * data->targets : NULL;
}

const char *nn_class_name(const nn_dataset *data, size_t klass)
{
    return klass < nn_classes(data) ? data->class_names[klass] : NULL;
}

const char *nn_feature_name(const nn_dataset *data, size_t feature)
{
    return feature < nn_features(data) ? data->feature_names[feature] : NULL;
}

/* ---- Splitting ------------------------------------------------------------------------------- */

static nn_dataset *take_rows(const nn_dataset *data, size_t count, const size_t *rows)
{
    nn_dataset *part = make(count, data->features, data->classes, data->targets,
                            data->feature_names, data->class_names);
    if (part == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        memcpy(part->inputs + i * data->features, nn_row_inputs(data, rows[i]),
               data->features * sizeof(ag_real));
        if (data->classes > 0)
            part->labels[i] = data->labels[rows[i]];
        else if (data->targets > 0)
            memcpy(part->numbers + i * data->targets, nn_row_targets(data, rows[i]),
                   data->targets * sizeof(ag_real));
    }
    return part;
}

/* Moves the first rows of each class, in the order given, to the front: `fraction` of them,
 * rounded. Returns how many those are. wanted has an element for each class, others one for each
 * row. */
static size_t bring_forward(const nn_dataset *data, double fraction, size_t *order, size_t *others,
                            size_t *wanted)
{
    for (size_t row = 0; row < data->rows; row++)
        wanted[nn_row_class(data, row)]++;
    for (size_t klass = 0; klass < (data->classes > 0 ? data->classes : 1); klass++)
        wanted[klass] = (size_t)floor(fraction * (double)wanted[klass] + 0.5);
    size_t front = 0, back = 0;
    for (size_t i = 0; i < data->rows; i++) {
        const size_t row = order[i];
        size_t *left = &wanted[nn_row_class(data, row)];
        if (*left > 0) {
            --*left;
            order[front++] = row;
        } else {
            others[back++] = row;
        }
    }
    memcpy(order + front, others, back * sizeof(size_t));
    return front;
}

ag_status nn_split(const nn_dataset *data, double fraction, uint64_t seed, nn_dataset **first,
                   nn_dataset **second)
{
    if (first != NULL)
        *first = NULL;
    if (second != NULL)
        *second = NULL;
    if (data == NULL || first == NULL || second == NULL || !(fraction > 0 && fraction < 1))
        return AG_INVALID_ARGUMENT;
    ag_status status = AG_OUT_OF_MEMORY;
    size_t *order = NNI_NEW_ARRAY(data->rows, size_t);
    size_t *others = NNI_NEW_ARRAY(data->rows, size_t);
    size_t *wanted = NNI_NEW_ARRAY(data->classes + 1, size_t);
    if (order != NULL && others != NULL && wanted != NULL) {
        for (size_t i = 0; i < data->rows; i++)
            order[i] = i;
        nn_random random = nn_random_seed(seed);
        nn_random_shuffle(&random, data->rows, order);
        const size_t count = bring_forward(data, fraction, order, others, wanted);
        if (count == 0 || count == data->rows) {
            status = AG_INVALID_ARGUMENT;
        } else {
            *first = take_rows(data, count, order);
            *second = *first == NULL ? NULL : take_rows(data, data->rows - count, order + count);
            status = *second == NULL ? AG_OUT_OF_MEMORY : AG_OK;
        }
    }
    if (status != AG_OK) {
        nn_dataset_free(*first);
        *first = NULL;
    }
    nni_release(order);
    nni_release(others);
    nni_release(wanted);
    return status;
}
