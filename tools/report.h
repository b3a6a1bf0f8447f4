/* SPDX-License-Identifier: MIT
 *
 * What --json prints: one value, made of objects and lists. Written by jansson; a program built
 * without it says so where --json is read, and these do nothing. Numbers that JSON does not have
 * are the strings "NaN", "Infinity" and "-Infinity"; bytes that are not UTF-8 become "?".
 */
#ifndef WENGERT_REPORT_H
#define WENGERT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct json_t report;

bool can_report(void);
report *report_new(void); /* an object */
/* Members of an object. */
void report_number(report *object, const char *key, double number);
void report_count(report *object, const char *key, size_t count);
void report_text(report *object, const char *key, const char *text); /* NULL: null */
void report_flag(report *object, const char *key, bool flag);
void report_numbers(report *object, const char *key, size_t n, const double *numbers);
report *report_object(report *object, const char *key);
report *report_list(report *object, const char *key);
/* Elements of a list. */
report *report_item(report *list); /* an object */
void report_text_item(report *list, const char *text);
void report_numbers_item(report *list, size_t n, const double *numbers); /* a list */
void report_counts_item(report *list, size_t n, const size_t *counts);   /* likewise */
/* Writes it to stdout and frees it. */
void report_print(report *object);

#endif
