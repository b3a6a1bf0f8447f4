/* SPDX-License-Identifier: MIT
 *
 * Inputs from JSON and outputs to JSON, see gradbench.h.
 */
#include "gradbench.h"

#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gb_fail(gb_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static const json_t *find_field(const json_t *input, const char *field, gb_error *error)
{
    if (!json_is_object(input))
        (void)gb_fail(error, "the input is not an object");
    else if (json_object_get(input, field) == NULL)
        (void)gb_fail(error, "%s is missing", field);
    return json_object_get(input, field);
}

bool gb_read_number(const json_t *input, const char *field, double *number, gb_error *error)
{
    const json_t *found = find_field(input, field, error);
    if (found == NULL)
        return false;
    if (!json_is_number(found))
        return gb_fail(error, "%s is not a number", field);
    *number = json_number_value(found);
    return true;
}

bool gb_read_count(const json_t *input, const char *field, size_t least, size_t *count,
                   gb_error *error)
{
    const double most = 1e8;
    double number;
    if (!gb_read_number(input, field, &number, error))
        return false;
    if (!(number >= (double)least && number <= most) || number != floor(number))
        return gb_fail(error, "%s is not a whole number from %zu to %.0f", field, least, most);
    *count = (size_t)number;
    return true;
}

/* Whether the list has as many elements as it should; `name` is the field with its indices. */
static bool check_length(const char *name, const json_t *list, size_t *count, gb_error *error)
{
    const size_t found = json_array_size(list);
    if (!json_is_array(list))
        return gb_fail(error, "%s is not a list", name);
    if (*count == GB_ANY && found == 0)
        return gb_fail(error, "%s is empty", name);
    if (*count == GB_ANY)
        *count = found;
    return found == *count || gb_fail(error, "%s has %zu elements, not %zu", name, found, *count);
}

static bool read_numbers(const char *name, const json_t *list, size_t count, double *numbers,
                         gb_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(list, i);
        if (!json_is_number(element))
            return gb_fail(error, "%s[%zu] is not a number", name, i);
        numbers[i] = json_number_value(element);
    }
    return true;
}

double *gb_read_list(const json_t *input, const char *field, size_t *count, gb_error *error)
{
    const json_t *list = find_field(input, field, error);
    if (list == NULL || !check_length(field, list, count, error))
        return NULL;
    double *numbers = bench_allocate(*count, sizeof(*numbers));
    if (read_numbers(field, list, *count, numbers, error))
        return numbers;
    free(numbers);
    return NULL;
}

static void name_row(char *name, size_t size, const char *field, size_t i)
{
    (void)snprintf(name, size, "%s[%zu]", field, i);
}

/* Lengths are looked at first: many rows of which one is long are no reason to take much room. */
double *gb_read_rows(const json_t *input, const char *field, size_t *rows, size_t *columns,
                     gb_error *error)
{
    char name[64];
    const json_t *list = find_field(input, field, error);
    if (list == NULL || !check_length(field, list, rows, error))
        return NULL;
    for (size_t i = 0; i < *rows; i++) {
        name_row(name, sizeof(name), field, i);
        if (!check_length(name, json_array_get(list, i), columns, error))
            return NULL;
    }
    double *numbers = bench_allocate(*rows * *columns, sizeof(*numbers));
    for (size_t i = 0; i < *rows; i++) {
        name_row(name, sizeof(name), field, i);
        if (!read_numbers(name, json_array_get(list, i), *columns, numbers + i * *columns, error)) {
            free(numbers);
            return NULL;
        }
    }
    return numbers;
}

/* ---- Inputs that are lists ------------------------------------------------------------------- */

bool gb_read_whole_list(const json_t *input, const char *field, gb_list *list, gb_error *error)
{
    list->count = GB_ANY;
    list->numbers = gb_read_list(input, field, &list->count, error);
    return list->numbers != NULL;
}

void gb_make_list(gb_list *list, size_t count, uint64_t *random)
{
    list->count = count;
    list->numbers = bench_allocate(count, sizeof(*list->numbers));
    for (size_t i = 0; i < count; i++)
        list->numbers[i] = bench_random(random);
}

const double *gb_find_list(const void *input, size_t *count)
{
    const gb_list *list = input;
    *count = list->count;
    return list->numbers;
}

void gb_clear_list(void *input)
{
    gb_list *list = input;
    free(list->numbers);
}

size_t gb_count_gradient(const void *input, int function)
{
    const gb_list *list = input;
    return function == 0 ? 1 : list->count;
}

json_t *gb_write_gradient(const void *input, int function, const double *output)
{
    const gb_list *list = input;
    return function == 0 ? json_real(output[0]) : gb_write_list(list->count, output);
}

size_t gb_count_number(const void *input, int function)
{
    (void)input;
    (void)function;
    return 1;
}

json_t *gb_write_number(const void *input, int function, const double *output)
{
    (void)input;
    (void)function;
    return json_real(output[0]);
}

bool gb_append(gb_list *list, size_t count, double *read)
{
    if (read == NULL)
        return false;
    double *joined = bench_allocate(list->count + count, sizeof(*joined));
    if (list->count > 0)
        memcpy(joined, list->numbers, list->count * sizeof(*joined));
    memcpy(joined + list->count, read, count * sizeof(*joined));
    free(list->numbers);
    free(read);
    *list = (gb_list){.numbers = joined, .count = list->count + count};
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

json_t *gb_write_list(size_t count, const double *numbers)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_real(numbers[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *gb_write_rows(size_t rows, size_t columns, const double *numbers)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rows; i++) {
        if (json_array_append_new(list, gb_write_list(columns, numbers + i * columns)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
