/* SPDX-License-Identifier: MIT
 *
 * JSON by jansson, or nothing without it.
 */
#include "report.h"
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_JANSSON
#include <jansson.h>

bool can_report(void)
{
    return true;
}

/* A new value must be there. */
static json_t *take(json_t *made)
{
    if (made == NULL)
        end_without_memory();
    return made;
}

static void put(json_t *object, const char *key, json_t *made)
{
    if (json_object_set_new(object, key, take(made)) != 0)
        end_without_memory();
}

static void append(json_t *list, json_t *made)
{
    if (json_array_append_new(list, take(made)) != 0)
        end_without_memory();
}

static json_t *make_number(double number)
{
    if (isnan(number))
        return json_string("NaN");
    if (isinf(number))
        return json_string(number > 0 ? "Infinity" : "-Infinity");
    return json_real(number);
}

static json_t *make_numbers(size_t n, const double *numbers)
{
    json_t *list = take(json_array());
    for (size_t i = 0; i < n; i++)
        append(list, make_number(numbers[i]));
    return list;
}

static json_t *make_text(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *made = json_string(text);
    if (made != NULL)
        return made;
    /* not UTF-8 */
    char *plain = allocate(strlen(text) + 1, 1);
    for (size_t i = 0; text[i] != '\0'; i++)
        plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    made = json_string_nocheck(plain);
    free(plain);
    return made;
}

report *report_new(void)
{
    return take(json_object());
}

void report_number(report *object, const char *key, double number)
{
    put(object, key, make_number(number));
}

void report_count(report *object, const char *key, size_t count)
{
    put(object, key, json_integer((json_int_t)count));
}

void report_text(report *object, const char *key, const char *text)
{
    put(object, key, make_text(text));
}

void report_flag(report *object, const char *key, bool flag)
{
    put(object, key, json_boolean(flag));
}

void report_numbers(report *object, const char *key, size_t n, const double *numbers)
{
    put(object, key, make_numbers(n, numbers));
}

report *report_object(report *object, const char *key)
{
    json_t *made = take(json_object());
    put(object, key, made);
    return made;
}

report *report_list(report *object, const char *key)
{
    json_t *made = take(json_array());
    put(object, key, made);
    return made;
}

report *report_item(report *list)
{
    json_t *made = take(json_object());
    append(list, made);
    return made;
}

void report_text_item(report *list, const char *text)
{
    append(list, make_text(text));
}

void report_numbers_item(report *list, size_t n, const double *numbers)
{
    append(list, make_numbers(n, numbers));
}

void report_counts_item(report *list, size_t n, const size_t *counts)
{
    json_t *made = take(json_array());
    for (size_t i = 0; i < n; i++)
        append(made, json_integer((json_int_t)counts[i]));
    append(list, made);
}

void report_print(report *object)
{
    /* a failure stays with the file, and finish_output finds it */
    (void)json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    (void)putchar('\n');
    json_decref(object);
}

#else

bool can_report(void)
{
    return false;
}

report *report_new(void)
{
    return NULL;
}

void report_number(report *object, const char *key, double number)
{
    (void)object, (void)key, (void)number;
}

void report_count(report *object, const char *key, size_t count)
{
    (void)object, (void)key, (void)count;
}

void report_text(report *object, const char *key, const char *text)
{
    (void)object, (void)key, (void)text;
}

void report_flag(report *object, const char *key, bool flag)
{
    (void)object, (void)key, (void)flag;
}

void report_numbers(report *object, const char *key, size_t n, const double *numbers)
{
    (void)object, (void)key, (void)n, (void)numbers;
}

report *report_object(report *object, const char *key)
{
    (void)key;
    return object;
}

report *report_list(report *object, const char *key)
{
    (void)key;
    return object;
}

report *report_item(report *list)
{
    return list;
}

void report_text_item(report *list, const char *text)
{
    (void)list, (void)text;
}

void report_numbers_item(report *list, size_t n, const double *numbers)
{
    (void)list, (void)n, (void)numbers;
}

void report_counts_item(report *list, size_t n, const size_t *counts)
{
    (void)list, (void)n, (void)counts;
}

void report_print(report *object)
{
    (void)object;
}

#endif
