/* SPDX-License-Identifier: MIT
 *
 * Text for a FILE: characters, numbers, aligned cells. Knows nothing of graphs.
 */
#include "print.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    DIGITS = 6 /* of numbers in text */
};

/* ---- Characters ------------------------------------------------------------------------------ */

/* The bytes of the well-formed UTF-8 sequence that text begins with, 0 if there is none: Unicode
 * standard, table 3-7. */
static size_t measure_character(const unsigned char *text)
{
    const unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    const size_t n = lead < 0xC2 || lead > 0xF4 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    for (size_t k = 1; k < n; k++)
        if ((text[k] & 0xC0) != 0x80)
            return 0;
    const bool overlong = (lead == 0xE0 && text[1] < 0xA0) || (lead == 0xF0 && text[1] < 0x90);
    const bool beyond = (lead == 0xED && text[1] > 0x9F) || (lead == 0xF4 && text[1] > 0x8F);
    /* U+FFFE and U+FFFF, which XML refuses */
    const bool none = lead == 0xEF && text[1] == 0xBF && text[2] >= 0xBE;
    return overlong || beyond || none ? 0 : n;
}

/* Writes n bytes that take one column. */
static void write_character(agi_printer *printer, const char *bytes, size_t n)
{
    printer->used++;
    if (printer->file == NULL)
        return;
    for (; printer->pending > 0; printer->pending--)
        (void)putc(' ', printer->file);
    (void)fwrite(bytes, 1, n, printer->file); /* a failure stays with the file */
}

static const char *find_entity(char character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

void agi_put(agi_printer *printer, const char *text)
{
    while (*text != '\0') {
        const unsigned char lead = (unsigned char)*text;
        const size_t n = measure_character((const unsigned char *)text);
        const char *entity = printer->markup ? find_entity(*text) : NULL;
        if (n == 0 || lead < 0x20 || lead == 0x7F)
            write_character(printer, "?", 1);
        else if (entity != NULL)
            write_character(printer, entity, strlen(entity));
        else
            write_character(printer, text, n);
        text += n == 0 ? 1 : n;
    }
}

/* ---- Numbers --------------------------------------------------------------------------------- */

void agi_format_number(char text[AGI_NUMBER_SIZE], double number, int digits)
{
    if (isnan(number)) { /* a NaN's sign says nothing */
        memcpy(text, "nan", sizeof("nan"));
        return;
    }
    char raw[AGI_NUMBER_SIZE];
    (void)snprintf(raw, sizeof(raw), "%.*g", digits, number);
    /* the locale's decimal point is whatever is between the digits, one byte or several */
    char *to = text;
    for (const char *from = raw; *from != '\0'; from++) {
        if (strchr("0123456789+-einf", *from) != NULL)
            *to++ = *from;
        else if (to == text || to[-1] != '.')
            *to++ = '.';
    }
    *to = '\0';
}

void agi_put_number(agi_printer *printer, ag_real number)
{
    char text[AGI_NUMBER_SIZE];
    agi_format_number(text, (double)number, DIGITS);
    agi_put(printer, text);
}

/* ---- Cells ----------------------------------------------------------------------------------- */

void agi_end_cell(agi_printer *printer)
{
    assert(printer->column < AGI_COLUMNS);
    size_t *width = &printer->widths[printer->column++];
    if (printer->file == NULL && printer->used > *width)
        *width = agi_smaller(printer->used, AGI_WIDEST_COLUMN);
    printer->pending += 2 + (printer->used < *width ? *width - printer->used : 0);
    printer->used = 0;
}

void agi_end_row(agi_printer *printer)
{
    printer->column = 0;
    printer->used = 0;
    printer->pending = 0;
    if (printer->file != NULL)
        (void)putc('\n', printer->file);
}

void agi_put_cell(agi_printer *printer, const char *text)
{
    agi_put(printer, text);
    agi_end_cell(printer);
}

void agi_put_heading(agi_printer *printer, const char *text)
{
    const size_t width = printer->widths[printer->column], length = strlen(text);
    const size_t indent = length < width ? width - length : 0;
    if (printer->file != NULL) {
        printer->pending += indent;
        printer->used = indent;
    }
    agi_put_cell(printer, text);
}

void agi_put_number_cell(agi_printer *printer, ag_real number)
{
    char text[AGI_NUMBER_SIZE];
    agi_format_number(text, (double)number, DIGITS);
    agi_put_heading(printer, text);
}

ag_status agi_finish_file(FILE *file)
{
    const bool flushed = fflush(file) == 0;
    return flushed && !ferror(file) ? AG_OK : AG_IO;
}
