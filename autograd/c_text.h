/* SPDX-License-Identifier: MIT
 *
 * Text of generated C: it grows in memory, so that nothing is written before all of it is there.
 */
#ifndef WENGERT_C_TEXT_H
#define WENGERT_C_TEXT_H

#include "engine.h"

typedef struct agi_text {
    agi_memory *memory;
    char *chars; /* not terminated; NULL where there are none */
    uint32_t count, capacity;
    bool failed; /* there was no memory for some of it */
} agi_text;

void agi_text_append(agi_text *text, const char *chars, size_t n);
void agi_text_put(agi_text *text, const char *format, ...) AGI_PRINTF(2, 3);
void agi_text_free(agi_text *text);

/* ---- Templates ------------------------------------------------------------------------------- */

/* Formulas and functions of generated C are templates, for float and double alike:
 *
 *     real    the number type
 *     #0.5    a literal of that type: 0.5, or 0.5f; #1 is 1.0. Digits, a point, an exponent
 *     @exp    a function: libm's exp or expf, or one of the library's below, which is then needed
 *     $a      an operand
 *
 * Everything else is C. */

/* Functions that come with a file: what no libm has (polygamma), and with small_libm what C89's has
 * not. */
typedef struct agi_c_library {
    bool use_float, small_libm;
    const char *prefix; /* of their names there: prefix_exp2 */
    uint64_t needed;    /* a bit for each */
} agi_c_library;

typedef struct agi_library_function {
    const char *name;
    bool in_c99;            /* C99's libm has it: only for small_libm */
    const char *definition; /* a template, such as "static real @cbrt(real x)\n{ ... }\n" */
} agi_library_function;

/* c_library.c: at most 64. Each comes behind those that it calls. */
extern const agi_library_function agi_c_library_functions[];
extern const size_t agi_c_library_count;

/* Puts a template. letters say which operand is which: "x", "ab", "cab"; operands are their texts. */
void agi_put_template(agi_text *text, agi_c_library *library, const char *pattern,
                      const char *letters, const char *const *operands);

/* Puts a number as a literal that reads back to the same bits (as a float, if that is the type);
 * INFINITY and NAN where it is none. */
void agi_put_literal(agi_text *text, const agi_c_library *library, double number);

/* The definitions of what is needed, and of what those need. */
void agi_put_library(agi_text *text, agi_c_library *library);

#endif
