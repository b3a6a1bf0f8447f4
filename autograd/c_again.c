/* SPDX-License-Identifier: MIT
 *
 * Rows that are no dearer to compute than to read: a sum or a product or two of inputs. A loop that
 * needs other elements of such a row than those at its own turn computes them again, and so does a
 * statement that needs one. Then they are never in memory, and their loop need not end for it. What is
 * in memory for somebody else's sake is read there.
 */
#include "c_section.h"

#include <inttypes.h>
#include <stdio.h>

/* What an operand of n elements is, if it stays so: the slots of inputs are used for others. */
static bool keep(const agi_c_writer *w, agi_vector *v, uint32_t n)
{
    if (!agi_c_is_here(w, *v))
        return true;
    return agi_c_find_input_row(w, *v, n, v);
}

/* A gate of operands that stay. */
static bool keep_gate(const agi_c_writer *w, const agi_instruction *at, agi_c_formula *formula)
{
    bool is_kept = agi_is_c_cheap(formula->gate);
    for (uint32_t k = 0; is_kept && k < agi_count_operands(formula->gate); k++) {
        formula->x[k] = at->x[k];
        formula->reads_shared = formula->reads_shared || at->x[k].space == AGI_SHARED;
        is_kept = keep(w, &formula->x[k], at->n);
    }
    return is_kept;
}

/* How many of the vectors are rows, each counted once. */
static uint32_t count_rows(const agi_vector *v, uint32_t n)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool is_new = v[i].space != AGI_NOWHERE && v[i].stride != 0;
        for (uint32_t k = 0; k < i; k++)
            is_new = is_new &&
                     (v[k].space != v[i].space || v[k].at != v[i].at || v[k].stride != v[i].stride);
        rows += is_new;
    }
    return rows;
}

static bool keep_sum(const agi_c_writer *w, const agi_instruction *at, agi_c_formula *formula)
{
    const agi_factors *f = agi_factors_of(&w->unit->program->records, at);
    agi_vector all[2 * AGI_C_AGAIN_TERMS];
    if (at->terms > AGI_C_AGAIN_TERMS)
        return false;
    formula->terms = at->terms;
    for (uint32_t t = 0; t < at->terms; t++) {
        agi_factors *own = &formula->f[t];
        *own = f[t];
        formula->reads_shared =
            formula->reads_shared || own->p.space == AGI_SHARED || own->q.space == AGI_SHARED;
        if (own->repeat != 1 || (own->chain && !w->multiplies) || !keep(w, &own->p, at->n) ||
            !keep(w, &own->q, at->n))
            return false;
        own->chain = false;
        all[2 * t] = own->p;
        all[2 * t + 1] = own->q;
    }
    return count_rows(all, 2 * at->terms) <= AGI_C_AGAIN_ROWS;
}

uint16_t agi_c_begin_row(agi_c_writer *w)
{
    const bool is_there = w->function < w->section->uses_count;
    const uint16_t uses = is_there ? w->section->uses[w->function] : 0;
    if (is_there)
        w->section->uses[w->function] = 0;
    return uses;
}

void agi_c_end_row(agi_c_writer *w, const agi_instruction *at, uint8_t gate, uint16_t before)
{
    agi_c_formula formula = {.gate = gate};
    agi_c_definition *head = agi_c_definition_of(w, at->out);
    const uint16_t uses = agi_c_begin_row(w);
    agi_c_use(w, before);
    if (head == NULL || !head->is_in_row ||
        !(gate == AGI_OP_PRODUCTS ? keep_sum(w, at, &formula) : keep_gate(w, at, &formula))) {
        agi_c_use(w, uses);
        return;
    }
    if (AGI_APPEND(w->file, w->formulas, formula) != AG_OK) {
        w->file->failed = true;
        return;
    }
    head->formula = w->formulas_count;
    head->uses = uses;
}

void agi_c_settle_uses(agi_c_section *section)
{
    for (uint32_t i = 0; i < section->definitions_count; i++) {
        const agi_c_definition *head = &section->definitions[i];
        const bool is_put = head->formula != 0 && (head->in_local || head->in_memory);
        if (is_put && head->function < section->uses_count)
            section->uses[head->function] |= head->uses;
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The n elements are in one row that has a formula: which of its elements is the first, or
 * AGI_NO_INDEX. */
static uint32_t find_first(const agi_c_writer *w, agi_vector v, uint32_t n,
                           const agi_c_formula **formula)
{
    const agi_c_section *section = w->section;
    if (v.space != AGI_SLOTS || section->holds[v.at] == AGI_NO_INDEX)
        return AGI_NO_INDEX;
    const agi_c_definition *held = agi_c_definition_of(w, v.at);
    if (!held->is_in_row)
        return AGI_NO_INDEX;
    const uint32_t first = v.at - held->slot;
    const agi_c_definition *head = held - first;
    if (head->formula == 0 || (section->is_tried && head->may_be))
        return AGI_NO_INDEX;
    *formula = &w->formulas[head->formula - 1];
    if ((*formula)->reads_shared && w->has_put_totals)
        return AGI_NO_INDEX;
    for (uint32_t i = 0; i < n; i++) {
        const int64_t element = first + (int64_t)i * v.stride;
        if (element < 0 || element >= head->row ||
            agi_c_definition_of(w, head->slot + (uint32_t)element) != head + element)
            return AGI_NO_INDEX;
    }
    return first;
}

bool agi_c_is_again(const agi_c_writer *w, agi_vector v, uint32_t n)
{
    const agi_c_formula *formula;
    return find_first(w, v, n, &formula) != AGI_NO_INDEX;
}

static agi_vector move(agi_vector v, uint32_t first, int32_t stride)
{
    v.at += first * (uint32_t)v.stride;
    v.stride *= stride;
    return v;
}

/* The formula's elements first, first + stride, ... into w->line. */
static void put_formula(agi_c_writer *w, const agi_c_formula *formula, uint32_t first,
                        int32_t stride)
{
    if (formula->gate == AGI_OP_PRODUCTS) {
        agi_factors f[AGI_C_AGAIN_TERMS];
        for (uint32_t t = 0; t < formula->terms; t++) {
            f[t] = formula->f[t];
            f[t].p = move(f[t].p, first, stride);
            f[t].q = move(f[t].q, first, stride);
        }
        agi_c_put_terms(w, formula->terms, f);
        return;
    }
    char texts[2][AGI_C_OPERAND];
    const char *operands[2] = {texts[0], texts[1]};
    for (uint32_t k = 0; k < agi_count_operands(formula->gate); k++)
        agi_c_put_element_of(w, texts[k], move(formula->x[k], first, stride));
    agi_put_c_gate(&w->line, &w->file->gates, formula->gate, operands);
    agi_text_put(&w->comment, "%s", agi_gate_names[formula->gate]);
}

/* "const double e3 = 1.0 - each[1 + i];" */
static void put_statement(agi_c_writer *w, const agi_c_formula *formula, uint32_t first,
                          int32_t stride, const char *name)
{
    agi_text line = w->line, comment = w->comment; /* of the statement in the making */
    w->line = (agi_text){.memory = line.memory};
    w->comment = (agi_text){.memory = line.memory};
    agi_text_put(&w->line, "const %s %s = ", agi_c_type(w), name);
    put_formula(w, formula, first, stride);
    agi_text_put(&w->line, ";");
    if (stride != 0)
        agi_c_put_in_loop(w);
    else
        agi_c_end_line(w);
    agi_text_free(&w->line);
    agi_text_free(&w->comment);
    w->line = line;
    w->comment = comment;
}

bool agi_c_put_elements_again(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v)
{
    const agi_c_formula *formula;
    const uint32_t first = find_first(w, v, w->loop.n, &formula);
    if (first == AGI_NO_INDEX)
        return false;
    agi_c_again *all = w->loop.again;
    const uint32_t definition = w->section->holds[v.at];
    for (uint32_t i = 0; i < w->loop.again_count; i++)
        if (all[i].definition == definition && all[i].stride == v.stride) {
            (void)snprintf(to, AGI_C_OPERAND, "e%" PRIu32, all[i].local);
            return true;
        }
    const uint32_t local = ++w->elements;
    if (w->loop.again_count < AGI_C_MOST_AGAIN)
        all[w->loop.again_count++] = (agi_c_again){definition, v.stride, local};
    (void)snprintf(to, AGI_C_OPERAND, "e%" PRIu32, local);
    put_statement(w, formula, first, v.stride, to);
    return true;
}

bool agi_c_put_number_again(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v)
{
    const agi_c_formula *formula;
    const uint32_t first = find_first(w, v, 1, &formula);
    if (first == AGI_NO_INDEX)
        return false;
    agi_c_definition *held = agi_c_definition_of(w, v.at);
    const bool is_there = held->again_in == w->function + 1;
    if (!is_there && w->out != NULL)
        held->again = ++w->locals;
    (void)snprintf(to, AGI_C_OPERAND, "v%" PRIu32, held->again);
    if (!is_there)
        put_statement(w, formula, first, 0, to);
    if (w->depth == 1) /* it is there for all that follows */
        held->again_in = w->function + 1;
    return true;
}
