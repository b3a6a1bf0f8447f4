/* SPDX-License-Identifier: MIT
 *
 * The steps of a section with a single lane: instructions of single numbers as a few words each, with
 * everything in slots, and the others as they are. Numbers from elsewhere (constants and factors,
 * inputs, what was computed once) get slots of their own, one for each.
 */
#include "code.h"

#include <string.h>

enum {
    MOST_REPEATS = 4,  /* of a term that are written out */
    MOST_TERMS = 64,   /* of a sum, likewise */
    MOST_ELEMENTS = 3, /* of an instruction, as steps of their own */
    MOST_NUMBERS = 8,  /* loaded or stored without a kernel */
};

typedef struct writer {
    ag_program *program;
    agi_memory *memory;
    agi_section *section;
    uint32_t *table; /* of imports, plus 1; 0: free */
    uint32_t table_size;
} writer;

/* Room for a step, and its words; NULL where there is none. */
static inline uint32_t *add_step(writer *w, uint32_t what, uint32_t n, uint32_t words)
{
    agi_section *section = w->section;
    if (agi_memory_grow(w->memory, (void **)&section->steps, sizeof(*section->steps),
                        &section->steps_capacity, (uint64_t)section->steps_count + words + 1,
                        UINT32_MAX) != AG_OK)
        return NULL;
    uint32_t *step = section->steps + section->steps_count;
    section->steps_count += words + 1;
    step[0] = what | n << 16;
    return step + 1;
}

/* ---- Imports --------------------------------------------------------------------------------- */

/* What an import is known by: constants by their bits, so that one is there once. */
static uint64_t key_of(const writer *w, agi_vector x)
{
    return x.space == AGI_CONSTANTS ? agi_bits_of(w->program->constants[x.at]) : x.at;
}

static uint32_t find_entry(const writer *w, uint8_t space, uint64_t key)
{
    const agi_vector *imports = w->section->imports;
    const uint32_t last = w->table_size - 1;
    uint32_t at = (uint32_t)agi_mix(space, key) & last;
    for (; w->table[at] != 0; at = (at + 1) & last) {
        const agi_vector x = imports[w->table[at] - 1];
        if (x.space == space && key_of(w, x) == key)
            break;
    }
    return at;
}

static ag_status widen_table(writer *w)
{
    const uint32_t old = w->table_size, size = old == 0 ? 16 : 2 * old;
    if (size < old)
        return AG_OUT_OF_MEMORY;
    agi_free_array(w->memory, w->table, old, sizeof(*w->table));
    w->table_size = 0;
    w->table = AGI_NEW_ARRAY(w->memory, size, uint32_t);
    if (w->table == NULL)
        return AG_OUT_OF_MEMORY;
    w->table_size = size;
    memset(w->table, 0, size * sizeof(*w->table));
    for (uint32_t i = 0; i < w->section->imports_count; i++) {
        const agi_vector x = w->section->imports[i];
        w->table[find_entry(w, x.space, key_of(w, x))] = i + 1;
    }
    return AG_OK;
}

/* Finds the entry of an import, or a free one for it; in either case there is room for one more. */
static ag_status open_entry(writer *w, uint8_t space, uint64_t key, uint32_t **entry)
{
    const agi_section *section = w->section;
    if (section->imports_count >= UINT32_MAX - section->slots - 1 ||
        (2 * (uint64_t)section->imports_count >= w->table_size && widen_table(w) != AG_OK))
        return AG_OUT_OF_MEMORY;
    *entry = &w->table[find_entry(w, space, key)];
    return AG_OK;
}

static ag_status add_import(writer *w, agi_vector x, uint32_t *entry)
{
    agi_section *section = w->section;
    if (AGI_APPEND(w, section->imports, ((agi_vector){x.at, 0, x.space})) != AG_OK)
        return AG_OUT_OF_MEMORY;
    *entry = section->imports_count;
    return AG_OK;
}

/* The slot that a number is in. */
static ag_status find_slot(writer *w, agi_vector x, uint32_t *slot)
{
    if (x.space == AGI_SLOTS) {
        *slot = x.at;
        return AG_OK;
    }
    uint32_t *entry;
    if (open_entry(w, x.space, key_of(w, x), &entry) != AG_OK ||
        (*entry == 0 && add_import(w, x, entry) != AG_OK))
        return AG_OUT_OF_MEMORY;
    *slot = w->section->slots + *entry - 1;
    return AG_OK;
}

/* The slot of a number that need not be among the program's constants yet. */
static ag_status find_number(writer *w, double number, uint32_t *slot)
{
    ag_program *program = w->program;
    uint32_t *entry;
    if (open_entry(w, AGI_CONSTANTS, agi_bits_of(number), &entry) != AG_OK)
        return AG_OUT_OF_MEMORY;
    const agi_vector x = {program->constants_count, 0, AGI_CONSTANTS};
    if (*entry == 0 &&
        (AGI_APPEND(w, program->constants, number) != AG_OK || add_import(w, x, entry) != AG_OK))
        return AG_OUT_OF_MEMORY;
    *slot = w->section->slots + *entry - 1;
    return AG_OK;
}

/* ---- Sums of products ------------------------------------------------------------------------ */

/* A term as a step has it. */
typedef struct short_term {
    uint32_t kind, n;
    uint32_t words[3];
} short_term;

static agi_vector get_element(agi_vector v, uint32_t i)
{
    return (agi_vector){v.at + i * (uint32_t)v.stride, 0, v.space};
}

/* The r-th product of element i. */
static ag_status write_term(writer *w, const agi_factors *f, uint32_t i, uint32_t r,
                            short_term *term)
{
    const bool plus = agi_is_one(f->factor), minus = agi_is_one(-f->factor);
    agi_vector p = get_element(f->p, i), q = get_element(f->q, i);
    p.at += r * (uint32_t)f->p_step;
    q.at += r * (uint32_t)f->q_step;
    *term = (short_term){.n = 0};
    if (!plus && !minus && find_number(w, f->factor, &term->words[term->n++]) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (p.space != AGI_NOWHERE && find_slot(w, p, &term->words[term->n++]) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (q.space != AGI_NOWHERE && find_slot(w, q, &term->words[term->n++]) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (term->n == 0 && find_number(w, 1, &term->words[term->n++]) != AG_OK)
        return AG_OUT_OF_MEMORY;
    const bool chain = f->chain && p.space != AGI_NOWHERE && q.space != AGI_NOWHERE;
    term->kind = term->n == 1   ? (minus ? AGI_TERM_MINUS : AGI_TERM_PLUS)
                 : term->n == 3 ? (chain ? AGI_TERM_SCALED_CHAIN : AGI_TERM_SCALED)
                 : minus        ? (chain ? AGI_TERM_MINUS_CHAIN : AGI_TERM_MINUS_PRODUCT)
                                : (chain ? AGI_TERM_CHAIN : AGI_TERM_PRODUCT);
    return AG_OK;
}

static ag_status add_sum(writer *w, uint32_t out, bool add, const short_term *first,
                         const short_term *second)
{
    const uint32_t what = second == NULL ? AGI_STEP_ONE(add, first->kind)
                                         : AGI_STEP_TWO(add, first->kind, second->kind);
    const uint32_t n = first->n + (second == NULL ? 0 : second->n);
    uint32_t *words = add_step(w, what, 0, 1 + n);
    if (words == NULL)
        return AG_OUT_OF_MEMORY;
    *words++ = out;
    memcpy(words, first->words, first->n * sizeof(*words));
    if (second != NULL)
        memcpy(words + first->n, second->words, second->n * sizeof(*words));
    return AG_OK;
}

/* An element, two terms at a time. */
static ag_status write_terms(writer *w, const agi_instruction *at, uint32_t element)
{
    const agi_factors *f = agi_factors_of(&w->program->records, at);
    short_term terms[2];
    uint32_t waiting = 0;
    bool add = false;
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; r < f[t].repeat; r++) {
            if (write_term(w, &f[t], element, r, &terms[waiting++]) != AG_OK)
                return AG_OUT_OF_MEMORY;
            if (waiting < 2)
                continue;
            if (add_sum(w, at->out + element, add, &terms[0], &terms[1]) != AG_OK)
                return AG_OUT_OF_MEMORY;
            waiting = 0;
            add = true;
        }
    return waiting == 0 ? AG_OK : add_sum(w, at->out + element, add, &terms[0], NULL);
}

/* Whether a sum is short enough to be written out. */
static bool is_short(const ag_program *program, const agi_instruction *at)
{
    const agi_factors *f = agi_factors_of(&program->records, at);
    uint32_t terms = 0;
    for (uint32_t t = 0; t < at->terms; t++) {
        if (f[t].repeat > MOST_REPEATS)
            return false;
        terms += f[t].repeat;
    }
    return terms > 0 && terms <= MOST_TERMS;
}

/* ---- Instructions ---------------------------------------------------------------------------- */

/* A step with so many words. */
static ag_status write_words(writer *w, uint32_t what, uint32_t n, uint32_t count,
                             const uint32_t *words)
{
    uint32_t *to = add_step(w, what, n, count);
    if (to == NULL)
        return AG_OUT_OF_MEMORY;
    memcpy(to, words, count * sizeof(*words));
    return AG_OK;
}

static ag_status write_two(writer *w, uint32_t what, uint32_t n, uint32_t first, uint32_t second)
{
    const uint32_t words[] = {first, second};
    return write_words(w, what, n, 2, words);
}

static ag_status write_gate(writer *w, uint32_t index, uint32_t element)
{
    const agi_instruction *at = &w->section->instructions[index];
    const uint32_t operands = agi_count_operands(at->op);
    uint32_t *words = add_step(w, at->op, 0, 1 + operands);
    if (words == NULL)
        return AG_OUT_OF_MEMORY;
    words[0] = agi_compares(at->op) ? index : at->out + element;
    for (uint32_t k = 0; k < operands; k++)
        if (find_slot(w, get_element(at->x[k], element), &words[k + 1]) != AG_OK)
            return AG_OUT_OF_MEMORY;
    return AG_OK;
}

/* Operands that a gate doesn't have are the number 1. */
static ag_status write_run(writer *w, const agi_instruction *at)
{
    uint32_t words[3 + 2 * 3] = {at->op, at->n, at->out};
    for (size_t k = 0; k < 3; k++) {
        words[3 + 2 * k] = AGI_STEP_OPERAND(at->x[k].space, at->x[k].stride);
        words[4 + 2 * k] = at->x[k].at;
    }
    return write_words(w, AGI_STEP_RUN, 0, 3 + 2 * 3, words);
}

/* Whether operands lie side by side, or stay the same. */
static bool is_run(const agi_instruction *at)
{
    if (agi_count_operands(at->op) == 0 || agi_compares(at->op))
        return false;
    for (size_t k = 0; k < 3; k++)
        if (at->x[k].stride != 0 && at->x[k].stride != 1)
            return false;
    return true;
}

/* STORE, SUMS */
static ag_status write_outputs(writer *w, const agi_instruction *at)
{
    const bool sums = at->op == AGI_OP_SUMS;
    const uint32_t words[] = {at->out, (uint32_t)at->out_stride, at->x[0].at,
                              (uint32_t)at->x[0].stride, at->first};
    return write_words(w, sums ? AGI_STEP_SUMS : AGI_STEP_STORE, at->n, sums ? 5 : 4, words);
}

/* A few elements one by one. */
static ag_status write_elements(writer *w, uint32_t index)
{
    const agi_instruction *at = &w->section->instructions[index];
    ag_status status = AG_OK;
    for (uint32_t i = 0; i < at->n && status == AG_OK; i++)
        status = at->op == AGI_OP_PRODUCTS ? write_terms(w, at, i) : write_gate(w, index, i);
    return status;
}

static ag_status write_instruction(writer *w, uint32_t index)
{
    const agi_instruction *at = &w->section->instructions[index];
    const bool sums = at->op == AGI_OP_PRODUCTS, few = at->n <= MOST_NUMBERS;
    if (at->n <= MOST_ELEMENTS && (sums ? is_short(w->program, at) : agi_count_operands(at->op) > 0))
        return write_elements(w, index);
    switch (at->op) {
    case AGI_OP_AFFINE:
        return write_two(w, AGI_STEP_AFFINE, 0, at->more, at->out);
    case AGI_OP_OUTER:
        return write_words(w, AGI_STEP_OUTER, 0, 1, &at->more);
    case AGI_OP_PRODUCTS:
        return at->n == 1 ? write_two(w, AGI_STEP_PRODUCTS, 0, at->out, index)
                          : write_words(w, AGI_STEP_PRODUCTS_RUN, 0, 1, &index);
    case AGI_OP_LOAD:
        if (few)
            return write_two(w, AGI_STEP_LOAD, at->n, at->out, at->x[0].at);
        break;
    case AGI_OP_STORE:
    case AGI_OP_SUMS:
        if (few && at->x[0].space == AGI_SLOTS)
            return write_outputs(w, at);
        break;
    default:
        if (is_run(at))
            return write_run(w, at);
        break;
    }
    return write_words(w, AGI_STEP_WHOLE, 0, 1, &index);
}

ag_status agi_write_steps(ag_program *program, agi_section *section)
{
    writer w = {.program = program, .memory = &program->memory, .section = section};
    const uint64_t about = 4 * (uint64_t)section->count; /* words */
    ag_status status =
        agi_memory_grow(w.memory, (void **)&section->steps, sizeof(*section->steps),
                        &section->steps_capacity, about < UINT32_MAX ? about : 0, UINT32_MAX);
    for (uint32_t i = 0; i < section->count && status == AG_OK; i++)
        status = write_instruction(&w, i);
    if (status == AG_OK && add_step(&w, AGI_STEP_END, 0, 0) == NULL)
        status = AG_OUT_OF_MEMORY;
    agi_free_array(w.memory, w.table, w.table_size, sizeof(*w.table));
    return status;
}
