/* SPDX-License-Identifier: MIT
 *
 * Programs as C: what the files that write it share. emit_c.c makes files, c_section.c statements,
 * c_gates.c formulas.
 */
#ifndef WENGERT_C_CODE_H
#define WENGERT_C_CODE_H

#include "c_text.h"
#include "code.h"

enum {
    AGI_C_NAME = 64,    /* of a function, at most so many characters */
    AGI_C_BASE = 88,    /* of names that a file keeps to itself */
    AGI_C_OPERAND = 160 /* the text of one number, with room for a name */
};

/* ---- Gates ----------------------------------------------------------------------------------- */

/* Formulas of the gate table. Those that look at an operand twice, and those over any number of
 * operands, are functions of the file, prefix_max. */
typedef struct agi_c_gates {
    agi_c_library library;
    bool is_native; /* a program's own code, for one compiler, here and now */
    bool needed[AGI_GATE_COUNT];
} agi_c_gates;

/* A gate of at most three operands; a comparison is a condition. */
void agi_put_c_gate(agi_text *text, agi_c_gates *gates, uint8_t gate, const char *const *operands);
/* The same for people: "x * y", "max(x, y)"; operands that are more than a word are in parentheses. */
void agi_put_c_gate_words(agi_text *text, uint8_t gate, const char *const *operands);
/* A call of a gate over n operands: x points at them, w at their partners (or coefficients). offset
 * is NULL where the gate has none. */
void agi_put_c_fold(agi_text *text, agi_c_gates *gates, uint8_t gate, uint32_t n, const char *x,
                    const char *w, const char *offset);
/* Whether a gate of at most three operands is arithmetic, and no call of libm that takes long; or of
 * functions that are declared for vectors. */
bool agi_is_c_arithmetic(uint8_t gate);
/* Whether it is a sum, a difference, a product or a negative, and no function of the file. */
bool agi_is_c_cheap(uint8_t gate);
/* Whether a gate over any number is the largest of them, and nothing else. */
bool agi_is_c_largest(uint8_t gate);
bool agi_is_c_vector(uint8_t gate);
void agi_declare_c_vectors(agi_text *text, const agi_c_gates *gates);
/* Whether a NaN for the operand comes out as NaN (or the gate has no use for the operand, whatever it
 * is), and the sign of a 0 for it makes no difference but to the sign of a 0. Of gates over any number
 * of operands: for all of them. */
bool agi_c_hands_on(uint8_t gate, uint32_t operand);
/* The functions, and those of the library. */
void agi_put_c_gates(agi_text *text, agi_c_gates *gates);

/* ---- Files ------------------------------------------------------------------------------------ */

/* What statements refer to; a function of C gets those that its own do. */
enum {
    AGI_C_SHARED = 1,
    AGI_C_EACH = 2,
    AGI_C_SUM = 4,
    AGI_C_MAP = 8,
    AGI_C_SCALE = 16,
    AGI_C_WORKSPACE = 32,
    /* in a program's own code alone: */
    AGI_C_UNIFORM = 64,
    AGI_C_SET = 128, /* set, factor: what becomes of totals */
    AGI_C_LANES = 256,
    AGI_C_RUN = 512, /* run, context: an instruction by the interpreter */
    /* of a scan's step, in place of each and map: */
    AGI_C_STATE = 1024,
    AGI_C_IN = 2048, /* the other inputs */
    AGI_C_NEXT = 4096,
    AGI_C_OUT = 8192,
    /* no parameter: the function says whether it came upon a NaN (c_flow.c) */
    AGI_C_BAD = 16384
};

/* What a program's functions are for. */
typedef enum agi_c_mode {
    AGI_C_FILE,   /* to stand alone: what memory they take is their own */
    AGI_C_SINGLE, /* a program's own code: slots are where the interpreter has them, and it does what
                     it does better */
    AGI_C_ALL_LANES, /* the same over lanes: single numbers in loops over lanes, the rest by the
                        interpreter */
} agi_c_mode;

typedef struct agi_c_file {
    agi_memory *memory;
    agi_c_gates gates;
    agi_text tables;    /* constant arrays, and what closures call */
    agi_text functions; /* of programs */
    agi_text branches;  /* "3: gt(x, y)", a line for each comparison, for the header */
    uint32_t comparisons;
    uint32_t lists;
    bool static_workspace;
    bool has_vector_functions; /* loops that call libm become vector code */
    struct agi_c_unit **units; /* the functions asked for, then the steps that these take */
    uint32_t units_count, units_capacity;
    bool failed; /* out of memory */
} agi_c_file;

/* A number that a section computes, or several in a row. */
typedef struct agi_c_definition {
    uint32_t function; /* which of the section's */
    uint32_t each;     /* it is this input; AGI_NO_INDEX: it is computed */
    uint32_t local;    /* v1, v2, ...; 0: none */
    uint32_t text;     /* what it is in terms of inputs: offset in the section's texts */
    uint32_t text_count;
    uint32_t loop;      /* behind which it is in memory; 0: none (c_loop.c) */
    uint32_t row, slot; /* the first of so many numbers, from this slot on; 0: none */
    uint32_t formula;   /* the first of a row: in the writer's, and 1; 0: none (c_again.c) */
    uint16_t uses;      /* what its loop's function uses for such a row */
    uint32_t again;     /* v1, v2, ..., which is it again, in this function, and 1 */
    uint32_t again_in;
    bool is_in_row; /* with a slot of such a row */
    bool is_late;   /* computed behind the loop that was open then */
    bool is_local;  /* computed by a statement of its own */
    bool in_local;  /* read by statements of the same function */
    bool in_memory; /* read elsewhere, or by loops */
    bool may_be;    /* in memory: of a row, as far as is known when a loop could take it in */
} agi_c_definition;

/* A section's statements are put for nothing first: that shows which numbers have to be in the
 * workspace, and how many functions there are. The less there is in memory, the more a loop can take
 * in, so that is done until what was supposed turns out. */
typedef struct agi_c_section {
    const agi_section *section;
    uint32_t *holds;    /* of each slot: the definition at present */
    uint32_t *places;   /* of each slot: its place in the workspace */
    uint32_t in_memory; /* slots that have one */
    agi_c_definition *definitions;
    uint32_t definitions_count, definitions_capacity;
    uint32_t *order; /* in which instructions are put (c_order.c); NULL: not known yet */
    bool is_tried;   /* which rows may be in memory is supposed, if not known */
    uint16_t *uses;  /* of each of its functions */
    uint32_t uses_count, uses_capacity;
    agi_text calls; /* of these, and of the interpreter, in a program's own code */
    bool is_left;   /* all of it, to the interpreter */
    bool is_brief;  /* all but scans and stores, too: agi_is_brief */
    bool compares;  /* its functions return the number of a comparison, or 0 */
    size_t copies;  /* of a fold's operands, at most so many */
    size_t scratch; /* numbers, beside what scans take */
    /* c_flow.c: chain is a product, up to the first output, which is this instruction; and of each
     * slot, whether outputs read what may be a NaN. NULL in a step, whose users look at its results. */
    bool multiplies;
    uint32_t outputs;
    uint8_t *doubts;
} agi_c_section;

/* A program in a file: a function of the caller's, or a scan's step. */
typedef struct agi_c_unit {
    agi_c_file *file;
    const ag_program *program;
    const ag_c_function *function; /* NULL: a step */
    agi_c_mode mode;
    char name[AGI_C_BASE]; /* with which all names begin that are not the function's own */
    char numbers_name[AGI_C_BASE + 16];
    char shared_name[AGI_C_BASE + 16]; /* "shared", or of an array of numbers */
    bool accumulates;                  /* totals are there already, and are added to */
    bool has_totals;  /* in the workspace, for sums that can't be scaled as they come */
    bool is_measured; /* the first time is over */
    bool is_step;
    bool is_never_taken; /* a step's: of scans of no steps */
    bool is_joined;      /* a step's: loops go from its state into the other inputs, which therefore
                             have to be behind it */
    uint32_t state_count; /* a step's: the first of each and map */
    uint32_t saved;       /* a step's: map outputs from here on are its state, which the scan puts
                             there; or AGI_NO_INDEX */
    agi_c_section once, check, body;
    uint8_t *is_uniform; /* of each slot of `once`: whether it is needed behind its end */
    uint32_t *constants; /* of each: its place in NAME_numbers */
    uint32_t constants_count;
    size_t totals, scratch; /* begin here in the workspace; slots are first */
    size_t workspace;       /* numbers, in all */
} agi_c_unit;

/* c_section.c: with no text, for nothing: that comes first, and `once` last. bare: statements alone,
 * of a section that is one function. */
void agi_put_c_section(agi_c_unit *unit, agi_c_section *section, agi_text *text, bool bare);
/* c_loop.c: the first time is over; rows of which a part is read from memory get places. */
void agi_c_complete_rows(agi_c_section *section);
/* Between parentheses: what a function with these uses takes. */
void agi_put_c_parameters(agi_text *text, const agi_c_unit *unit, uint32_t uses);
/* "net_body_2" */
void agi_put_c_name(agi_text *text, const agi_c_unit *unit, const agi_c_section *section,
                    uint32_t function);

/* native_section.c: whether an instruction of a program's own code is left to the interpreter; that,
 * or (goes_on) it is part of a streak over lanes whose first instruction has been left; and whether
 * that is. */
struct agi_c_writer;
bool agi_is_left(const struct agi_c_writer *w, const agi_instruction *at);
void agi_leave(struct agi_c_writer *w, const agi_instruction *at, bool goes_on);
bool agi_is_streak_left(const agi_instruction *first);
bool agi_is_scan_left(agi_c_mode mode, const agi_scan_step *scan);
/* Whether steps of scans do so much more than the rest of a program's body that only they are worth a
 * compiler's time. */
bool agi_is_brief(const ag_program *program);
/* How many slots an instruction defines, from its `out` on. */
uint32_t agi_count_results(const ag_program *program, const agi_instruction *at);

/* c_flow.c: whether chain can be a product in the body of a program's own code, and where to look for
 * what comes of that. */
void agi_find_c_doubts(agi_c_unit *unit);
/* Before a section is put: nothing has been looked at. */
void agi_c_renew_doubts(agi_c_section *section);

/* Words for a comment, without what could end it. */
void agi_put_c_words(agi_text *to, const char *words);

/* c_scan.c: what the scans of a section take of the workspace, behind its own scratch. */
size_t agi_measure_c_scans(agi_c_unit *unit, const agi_c_section *section);

/* c_names.c: the names of functions, and those that stand for closures. */
ag_status agi_check_c_names(size_t count, const ag_c_function *functions, ag_error_details *error);
ag_status agi_check_c_closure(const agi_c_file *file, const ag_closure *closure,
                              ag_error_details *error);
/* Its own name, or that with a number behind it, where another function has a name that its units
 * might take. */
void agi_choose_c_base(char base[AGI_C_BASE], size_t count, const ag_c_function *functions,
                       const ag_c_function *of);
/* AG_INVALID_ARGUMENT */
ag_status agi_refuse_c(ag_error_details *error, const char *format, ...) AGI_PRINTF(2, 3);

/* emit_c.c: a unit; NULL where there is no memory. */
agi_c_unit *agi_add_c_unit(agi_c_file *file, const ag_program *program, const char *name);
/* The unit of a scan's step, which is added where there is none; agi_find_c_step: NULL. multiplies: as
 * the section's that it is for. */
agi_c_unit *agi_take_c_step(agi_c_file *file, bool multiplies, const agi_scan_step *scan);
agi_c_unit *agi_find_c_step(const agi_c_file *file, bool multiplies, const agi_scan_step *scan);
/* Everything about all units, and the steps they take, that has to be known before they are put. */
void agi_measure_c_units(agi_c_file *file);
/* The constants and functions of a unit. */
void agi_put_c_unit(agi_c_file *file, agi_c_unit *unit);
void agi_close_c_file(agi_c_file *file);
/* A constant array of the file; to: its name. */
void agi_put_c_numbers(agi_c_file *file, const char *name, const char *linkage,
                       const double *numbers, uint32_t n);
/* Once for each name. */
void agi_declare_c_closure(agi_c_file *file, const char *name);

#endif
