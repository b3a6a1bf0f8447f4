/* SPDX-License-Identifier: MIT
 *
 * How explanations, drawings and tables reach a FILE: clean UTF-8, numbers with a decimal point
 * whatever the locale, columns as wide as what is in them. Not for messages: see agi_fail.
 */
#ifndef WENGERT_PRINT_H
#define WENGERT_PRINT_H

#include "engine.h"

enum {
    AGI_COLUMNS = 8,
    AGI_WIDEST_COLUMN = 40, /* a wider cell pushes the rest of its row to the right */
    AGI_NUMBER_SIZE = 32,
};

/* Print the rows of a table twice: with file == NULL, which measures, and then with the file. A
 * column is as wide as its widest cell; rows end without spaces. */
typedef struct agi_printer {
    FILE *file;
    bool markup;    /* escape what a Graphviz label in angle brackets reads as markup */
    size_t used;    /* characters of the present cell */
    size_t pending; /* spaces due before the next character */
    size_t column;
    size_t widths[AGI_COLUMNS];
} agi_printer;

/* As many significant digits, at most 17. */
void agi_format_number(char text[AGI_NUMBER_SIZE], double number, int digits);

/* Control characters and what is not UTF-8 come out as '?'. */
void agi_put(agi_printer *printer, const char *text);
void agi_put_number(agi_printer *printer, ag_real number);
void agi_end_cell(agi_printer *printer);
void agi_end_row(agi_printer *printer);

/* A whole cell. Numbers are aligned to the right. */
void agi_put_cell(agi_printer *printer, const char *text);
void agi_put_heading(agi_printer *printer, const char *text); /* of a column of numbers */
void agi_put_number_cell(agi_printer *printer, ag_real number);

/* AG_IO if something could not be written. */
ag_status agi_finish_file(FILE *file);

#endif
