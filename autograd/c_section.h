/* SPDX-License-Identifier: MIT
 *
 * Statements of C: what c_writer.c offers, and who puts which instructions.
 */
#ifndef WENGERT_C_SECTION_H
#define WENGERT_C_SECTION_H

#include "c_code.h"

enum {
    AGI_C_FEW = 4,                /* elements that are written out */
    AGI_C_FEW_TERMS = 32,         /* of a sum that is */
    AGI_C_SHORT_FOLD = 16,        /* operands of a fold that are an array of its own */
    AGI_C_LONGEST_TEXT = 60,      /* that says what a number is */
    AGI_C_AGAIN_TERMS = 2,        /* of a sum that may be computed again */
    AGI_C_AGAIN_ROWS = 2,         /* of inputs, that it may take */
    AGI_C_MOST_AGAIN = 16,        /* known in a loop */
    AGI_C_INPUTS = AGI_SHARED + 1 /* a space: `each`, wherever it was loaded to */
};

/* What the elements of a row are (c_again.c). */
typedef struct agi_c_formula {
    uint8_t gate; /* or AGI_OP_PRODUCTS */
    bool reads_shared;
    uint32_t terms;
    agi_vector x[2];
    agi_factors f[AGI_C_AGAIN_TERMS];
} agi_c_formula;

/* Elements of a row that a loop computes again: from which one on. */
typedef struct agi_c_again {
    uint32_t definition;
    int32_t stride;
    uint32_t local; /* e1, e2, ... */
} agi_c_again;

/* Numbers that a loop reads or writes, one at each turn. */
typedef struct agi_c_loop_row {
    agi_vector v; /* slots */
    bool is_written;
    uint32_t definition; /* written: of the first of them */
    uint32_t local;      /* written: e1, e2, ... */
} agi_c_loop_row;

/* The loop that is open (c_loop.c). */
typedef struct agi_c_loop {
    uint32_t n; /* turns; 0: none is open */
    uint32_t id;
    uint32_t statements, lines;
    agi_text body, after; /* its statements, and those that follow */
    agi_c_loop_row *rows;
    uint32_t rows_count, rows_capacity;
    uint32_t sums, sums_first; /* a1, a2, ...: how many, and how many at its beginning */
    agi_c_again again[AGI_C_MOST_AGAIN];
    uint32_t again_count;
    bool writes_totals, reads_shared;
    /* Of the statement in the making: whether it may follow the loop; has to; can't, for it reads
     * memory that may be other by then. */
    bool may_follow, follows, stays;
    bool checks; /* c_flow.c */
} agi_c_loop;

/* The function of C at work. Where there is no `out`, it is put for nothing. */
typedef struct agi_c_writer {
    agi_c_file *file;
    agi_c_unit *unit;
    agi_c_section *section;
    agi_text *out;
    bool bare;           /* statements alone: somebody else makes the function around them */
    bool is_open;        /* there is a function */
    bool multiplies;     /* chain is a product here */
    bool is_settled;     /* what outputs read has been looked at */
    bool has_put_totals; /* which may be the shared array */
    agi_c_formula *formulas;
    uint32_t formulas_count, formulas_capacity;
    uint32_t function, statements, defined, locals, elements;
    uint32_t depth;   /* of indentation */
    agi_text line;    /* a statement in the making */
    agi_text comment; /* and what it computes */
    agi_text texts;   /* of definitions */
    agi_c_loop loop;
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

/* "float" or "double"; "0.0f" or "0.0" */
const char *agi_c_type(const agi_c_writer *w);
const char *agi_c_zero(const agi_c_writer *w);
/* In a program's own code: the loop that follows may be done in any order, but for a sum. */
void agi_c_put_simd(agi_c_writer *w, const char *sum);
void agi_c_end_block(agi_c_writer *w);

/* Whether numbers are slots of this section; those of `once` are uniform for everybody, also for
 * itself. */
bool agi_c_is_here(const agi_c_writer *w, agi_vector v);
/* What a slot holds at present; NULL: nothing. */
agi_c_definition *agi_c_definition_of(const agi_c_writer *w, uint32_t slot);
/* A new definition, which the slot then holds; the second time it is there already. NULL where there
 * is no memory. */
agi_c_definition *agi_c_define(agi_c_writer *w, uint32_t slot);
/* The same by the loop that is open. */
agi_c_definition *agi_c_define_anew(agi_c_writer *w, uint32_t slot);
/* Ends a statement whose right-hand side is in w->line, and what it is in words in w->comment: the
 * slot's number, a constant of the function's own if something there reads it. */
void agi_c_define_number(agi_c_writer *w, uint32_t slot);
/* A number in words; if that is too long, as `operand` says. */
void agi_c_describe(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector number,
                    const char *operand);
/* Whether n elements are inputs as they were loaded, at a constant stride: that row of AGI_C_INPUTS. */
bool agi_c_find_input_row(const agi_c_writer *w, agi_vector v, uint32_t n, agi_vector *row);
/* The i-th of a vector. */
agi_vector agi_c_element(agi_vector v, uint32_t i);
/* Where the section's places begin in w. */
uint32_t agi_c_base(const agi_c_writer *w);

/* Slots from low to high. */
typedef struct agi_c_span {
    int64_t low, high;
} agi_c_span;

/* Inputs in a row, the lowest and the highest of which are as `all` says. */
agi_c_row agi_c_find_inputs(agi_c_writer *w, int64_t at, int64_t stride, agi_c_span all);
/* Which array an output is in: AGI_C_MAP, _NEXT, _OUT; 0: it is a state that the scan saves. */
uint16_t agi_c_output_use(const agi_c_unit *unit, uint32_t map);
/* Outputs in a row, all in one array. */
agi_c_row agi_c_find_outputs(agi_c_writer *w, uint32_t at, int64_t stride);

/* They get a place in the workspace; until those are counted, places are marks. */
void agi_c_take_places(agi_c_writer *w, agi_c_section *section, agi_c_span slots);

/* c_loop.c: a statement about the n elements of vectors first asks whether it can join the loop that
 * is open: what it reads, and the slots that it writes, from one on. Then it enters, which begins
 * another loop if it can't; then it has its operands' texts, and ends. */
bool agi_c_can_read(const agi_c_writer *w, uint32_t n, agi_vector v);
bool agi_c_can_write(const agi_c_writer *w, uint32_t n, uint32_t slot);
void agi_c_enter_loop(agi_c_writer *w, uint32_t n, bool joins);
/* v[i] */
void agi_c_put_element_of(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v);
/* The statement's right-hand side is in w->line, and what it computes in w->comment. */
void agi_c_define_elements(agi_c_writer *w, uint32_t slot);
/* The whole statement is there; it defines nothing. */
void agi_c_put_in_loop(agi_c_writer *w);
/* "double a3 = 0.0;" before the loop, for its statements to add to; 3. */
uint32_t agi_c_begin_sum(agi_c_writer *w);
/* A statement begins that agi_c_define_number ends. It follows the loop that is open, or may do so
 * where it reads numbers that do. */
void agi_c_begin_number(agi_c_writer *w, bool follows);
/* It reads the number that the slot holds, which is a local one; memory that is written again. */
void agi_c_follow(agi_c_writer *w, uint32_t slot);
void agi_c_stay(agi_c_writer *w);
void agi_c_end_loop(agi_c_writer *w);
/* Ends the loop, if that computes the slot's number. */
void agi_c_before_reading(agi_c_writer *w, uint32_t slot);
/* Whether the loop reads or computes it: then nothing may write there before the loop. */
bool agi_c_is_touched(const agi_c_writer *w, uint32_t slot);

/* c_again.c: the instruction's row, which the open loop defines in between; others may compute it
 * again. What the function uses for it counts if the row itself is put (agi_c_settle_uses, behind all
 * statements). */
uint16_t agi_c_begin_row(agi_c_writer *w);
void agi_c_end_row(agi_c_writer *w, const agi_instruction *at, uint8_t gate, uint16_t before);
void agi_c_settle_uses(agi_c_section *section);
/* Whether n elements are computed again by whoever reads them; the text of those at a loop's turn, or
 * of one, if so. */
bool agi_c_is_again(const agi_c_writer *w, agi_vector v, uint32_t n);
bool agi_c_put_elements_again(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v);
bool agi_c_put_number_again(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v);

/* c_order.c: an array, one entry for each instruction; NULL where there is no memory. */
uint32_t *agi_c_find_order(const agi_c_unit *unit, const agi_section *section);

/* Which rows may be in memory: all; those that were, when they were put the last time; and those that
 * may have been, too. Whether no others were. */
typedef enum agi_c_supposition {
    AGI_C_ALL,
    AGI_C_AS_BEFORE,
    AGI_C_MORE
} agi_c_supposition;

void agi_c_suppose(agi_c_section *section, agi_c_supposition what);
bool agi_c_is_as_supposed(agi_c_section *section);

/* c_section.c: chain by a number that is finite is a product; and here all of them may be. */
uint8_t agi_c_simplify(const agi_c_writer *w, uint8_t gate, agi_vector local);
/* Whether loops can go through numbers without having to put any into the workspace for it. */
bool agi_c_are_in_memory(const agi_c_writer *w, agi_vector v, uint32_t n);

/* c_flow.c */
/* n numbers, which an output reads: if one of them may be a NaN that chain would have kept out, a
 * statement that looks at `number`; in the open loop, if they are in that. */
void agi_c_check(agi_c_writer *w, agi_vector v, uint32_t n, const char *number, bool is_loop);
/* Looks at all that is left, before anything is added to totals. */
void agi_c_settle(agi_c_writer *w);

/* c_sums.c */
/* Where elements are: a row, or an index table over the workspace, "w[net_list1[j]]". */
typedef struct agi_c_elements {
    agi_c_row row;
    char list[AGI_C_BASE + 16]; /* its name; empty: a row */
} agi_c_elements;

agi_c_elements agi_c_find_elements(agi_c_writer *w, const agi_elements *e);
void agi_c_put_element(char to[AGI_C_OPERAND], const agi_c_elements *e, char letter);
/* In the open loop, each product once; what they are, as a comment. */
void agi_c_put_terms(agi_c_writer *w, uint32_t terms, const agi_factors *f);
/* Whether it has few terms, none of them long. */
bool agi_c_is_short_sum(const agi_records *records, const agi_instruction *products);
void agi_c_put_products(agi_c_writer *w, const agi_instruction *at);
void agi_c_put_affine(agi_c_writer *w, const agi_instruction *at);
void agi_c_put_outer(agi_c_writer *w, const agi_instruction *at);

/* What is done to totals, and where they are. */
#define AGI_C_SETS " = "
#define AGI_C_ADDS " += "
#define AGI_C_ADDS_SCALED " += scale * "
agi_c_row agi_c_find_totals(agi_c_writer *w, uint32_t out, int64_t stride);
const char *agi_c_find_addition(agi_c_writer *w, bool is_first);

/* c_scan.c */
void agi_c_put_scan(agi_c_writer *w, const agi_instruction *instruction);

#endif
