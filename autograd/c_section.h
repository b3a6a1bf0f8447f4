/* SPDX-License-Identifier: MIT
 *
 * Statements of C: what c_section.c and c_scan.c share.
 */
#ifndef WENGERT_C_SECTION_H
#define WENGERT_C_SECTION_H

#include "c_code.h"

/* The function of C at work. Where there is no `out`, it is put for nothing. */
typedef struct agi_c_writer {
    agi_c_file *file;
    agi_c_unit *unit;
    agi_c_section *section;
    agi_text *out;
    bool bare;    /* statements alone: somebody else makes the function around them */
    bool is_open; /* there is a function */
    uint32_t function, statements, defined, locals;
    uint32_t depth;   /* of indentation */
    agi_text line;    /* a statement in the making */
    agi_text comment; /* and what it computes */
    agi_text texts;   /* of definitions */
} agi_c_writer;

/* Between statements: where the function is long enough, another one begins. */
void agi_c_cut(agi_c_writer *w);
/* The function at work has to have it as a parameter. */
void agi_c_use(agi_c_writer *w, uint16_t what);
/* Where what is neither a slot's nor a total's begins in w. */
size_t agi_c_find_scratch(const agi_c_writer *w);
/* A function begins, if none is open; ends, if one is. */
void agi_c_open(agi_c_writer *w);
void agi_c_close(agi_c_writer *w);
/* The slot's number is needed where it is. */
void agi_c_read_memory(agi_c_writer *w, int64_t slot);
/* A statement: what is in w->line, with w->comment; both are empty then. */
void agi_c_end_line(agi_c_writer *w);
/* A statement as printf makes it, of at most 400 characters. */
void agi_c_put_line(agi_c_writer *w, const char *format, ...) AGI_PRINTF(2, 3);

/* Numbers in a row: array[at + stride * i]. A text "w", "each", "net_shared", ... */
typedef struct agi_c_row {
    const char *array;
    int64_t at, stride;
} agi_c_row;

/* A number as a text; it may be a local one. */
void agi_c_put_number(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector number);
/* n elements that a loop reads (n_2 times, at a second stride). */
agi_c_row agi_c_find_row(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second, uint32_t n_2);
/* n slots that a loop writes. */
agi_c_row agi_c_define_row(agi_c_writer *w, uint32_t slot, uint32_t n);
/* "array[at + 4 * i + j]"; a stride of 0 is left out. */
void agi_c_put_place(char to[AGI_C_OPERAND], agi_c_row row, char letter, int64_t second,
                     char letter_2);
/* A loop's head, `letter` from 0 to n - 1; what follows is deeper until w->depth is put back. */
void agi_c_begin_loop(agi_c_writer *w, char letter, uint64_t n, bool is_block);

/* c_scan.c */
void agi_c_put_scan(agi_c_writer *w, const agi_instruction *instruction);

#endif
