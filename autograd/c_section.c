/* SPDX-License-Identifier: MIT
 *
 * A section's instructions as statements of C. Single numbers are constants of their own, v1, v2,
 * ...; what loops go through is in the workspace. Long sections are cut into functions. Sums of
 * products and matrices are c_sums.c's.
 */
#include "c_section.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Gates ----------------------------------------------------------------------------------- */

/* A number in the file is no infinity that a 0 upstream could meet: then chain is mul. */
static bool is_finite(const agi_c_writer *w, agi_vector v)
{
    return v.space == AGI_CONSTANTS && v.stride == 0 && isfinite(w->unit->program->constants[v.at]);
}

uint8_t agi_c_simplify(const agi_c_writer *w, uint8_t gate, agi_vector local)
{
    const bool is_product = gate == AGI_chain ? w->multiplies || is_finite(w, local)
                                              : gate == AGI_couple && w->multiplies;
    return is_product ? (uint8_t)AGI_mul : gate;
}

static void put_single_gate(agi_c_writer *w, const agi_instruction *at, uint32_t i)
{
    char texts[3][AGI_C_OPERAND], words[3][AGI_C_OPERAND];
    const char *operands[3] = {texts[0], texts[1], texts[2]};
    const char *described[3] = {words[0], words[1], words[2]};
    agi_c_begin_number(w, false);
    for (uint32_t k = 0; k < agi_count_operands(at->op); k++) {
        const agi_vector x = agi_c_element(at->x[k], i);
        agi_c_put_number(w, texts[k], x);
        if (w->out != NULL && w->unit->mode == AGI_C_FILE)
            agi_c_describe(w, words[k], x, texts[k]);
    }
    agi_put_c_gate(&w->line, &w->file->gates, agi_c_simplify(w, at->op, agi_c_element(at->x[1], i)),
                   operands);
    if (w->out != NULL && w->unit->mode == AGI_C_FILE)
        agi_put_c_gate_words(&w->comment, at->op, described);
    agi_c_define_number(w, at->out + i);
}

static void put_run(agi_c_writer *w, const agi_instruction *at)
{
    char texts[3][AGI_C_OPERAND];
    const char *operands[3] = {texts[0], texts[1], texts[2]};
    const uint8_t gate = agi_c_simplify(w, at->op, at->x[1]);
    bool joins = agi_c_can_write(w, at->n, at->out);
    for (uint32_t k = 0; k < agi_count_operands(at->op); k++)
        joins = joins && agi_c_can_read(w, at->n, at->x[k]);
    agi_c_enter_loop(w, at->n, joins);
    const uint16_t uses = agi_c_begin_row(w);
    for (uint32_t k = 0; k < agi_count_operands(at->op); k++)
        agi_c_put_element_of(w, texts[k], at->x[k]);
    agi_put_c_gate(&w->line, &w->file->gates, gate, operands);
    agi_text_put(&w->comment, "%s", agi_gate_names[at->op]);
    agi_c_define_elements(w, at->out);
    agi_c_end_row(w, at, gate, uses);
}

static void put_gates(agi_c_writer *w, const agi_instruction *at)
{
    if (at->n > AGI_C_FEW) {
        put_run(w, at);
        return;
    }
    for (uint32_t i = 0; i < at->n; i++) {
        agi_c_cut(w);
        put_single_gate(w, at, i);
    }
}

/* The function's answer where a comparison comes out differently. */
static void put_comparison(agi_c_writer *w, const agi_instruction *at)
{
    char texts[2][AGI_C_OPERAND];
    const char *operands[] = {texts[0], texts[1]};
    agi_c_put_number(w, texts[0], at->x[0]);
    agi_c_put_number(w, texts[1], at->x[1]);
    const char *text = w->unit->program->records.texts + at->more;
    if (w->out == NULL) {
        w->section->compares = true;
        w->statements++;
        return;
    }
    agi_text *branches = &w->file->branches;
    agi_text_put(branches, " *   %" PRIu32 ": %s: ", ++w->file->comparisons,
                 w->unit->function == NULL ? w->unit->name : w->unit->function->name);
    agi_put_c_words(branches, text);
    agi_text_put(branches, " was %s\n", at->outcome ? "true" : "false");
    agi_put_c_words(&w->comment, text);
    agi_text_put(&w->line, at->outcome ? "if (!(" : "if (");
    agi_put_c_gate(&w->line, &w->file->gates, at->op, operands);
    agi_text_put(&w->line, "%s) return %" PRIu32 ";", at->outcome ? ")" : "", w->file->comparisons);
    agi_c_end_line(w);
}

/* ---- Outputs --------------------------------------------------------------------------------- */

static void put_total(agi_c_writer *w, const char *total, const char *number, bool is_first)
{
    if (w->unit->mode == AGI_C_FILE) {
        agi_text_put(&w->line, "%s%s%s;", total, agi_c_find_addition(w, is_first), number);
        return;
    }
    agi_c_use(w, AGI_C_SET);
    if (is_first)
        agi_text_put(&w->line, "%s = set ? %s : %s + factor * %s;", total, number, total, number);
    else
        agi_text_put(&w->line, "%s += factor * %s;", total, number);
}

bool agi_c_are_in_memory(const agi_c_writer *w, agi_vector v, uint32_t n)
{
    for (uint32_t i = 0; v.space == AGI_SLOTS && i < n; i++) {
        const agi_c_definition *held = agi_c_definition_of(w, v.at + i * (uint32_t)v.stride);
        if (held != NULL && held->is_local && held->function == w->function)
            return false;
    }
    return true;
}

/* STORE, whose outputs are in one array, or SUMS: one number, or all of them in a loop. */
static void put_output(agi_c_writer *w, const agi_instruction *at, uint32_t i, bool is_loop)
{
    const bool sums = at->op == AGI_OP_SUMS;
    const agi_vector x = is_loop ? at->x[0] : agi_c_element(at->x[0], i);
    const uint32_t out = at->out + i * (uint32_t)at->out_stride;
    char from[AGI_C_OPERAND], to[AGI_C_OPERAND];
    const int64_t stride = is_loop ? at->out_stride : 0;
    agi_c_put_place(to,
                    sums ? agi_c_find_totals(w, out, stride) : agi_c_find_outputs(w, out, stride),
                    'i', 0, 'j');
    if (is_loop)
        agi_c_put_element_of(w, from, x);
    else
        agi_c_put_number(w, from, x);
    const char *name = ag_program_name(w->unit->program, sums ? AG_SUM : AG_MAP, out);
    if (name != NULL && !is_loop)
        agi_put_c_words(&w->comment, name);
    if (sums)
        put_total(w, to, from, at->first);
    else
        agi_text_put(&w->line, "%s = %s;", to, from);
    if (is_loop)
        agi_c_put_in_loop(w);
    else
        agi_c_end_line(w);
    agi_c_check(w, x, is_loop ? at->n : 1, from, is_loop);
}

static void put_outputs(agi_c_writer *w, const agi_instruction *at)
{
    const bool sums = at->op == AGI_OP_SUMS;
    /* totals may be the shared array, or be added to twice */
    const bool is_late = sums && (w->loop.reads_shared || w->loop.writes_totals);
    w->has_put_totals = w->has_put_totals || (sums && !w->unit->is_step);
    if (at->n > AGI_C_FEW && agi_c_are_in_memory(w, at->x[0], at->n)) {
        agi_c_enter_loop(w, at->n, agi_c_can_read(w, at->n, at->x[0]) && !is_late);
        put_output(w, at, 0, true);
        w->loop.writes_totals = w->loop.writes_totals || sums;
        return;
    }
    if (is_late)
        agi_c_end_loop(w);
    for (uint32_t i = 0; i < at->n; i++) {
        agi_c_cut(w);
        put_output(w, at, i, false);
    }
}

/* A scan's step has the next state and its other outputs in two arrays. */
static void put_store(agi_c_writer *w, const agi_instruction *at)
{
    agi_instruction part = *at;
    for (uint32_t i = 0; i < at->n; i += part.n) {
        part.x[0].at = at->x[0].at + i * (uint32_t)at->x[0].stride;
        part.out = at->out + i * (uint32_t)at->out_stride;
        const uint16_t use = agi_c_output_use(w->unit, part.out);
        for (part.n = 1; i + part.n < at->n; part.n++)
            if (agi_c_output_use(w->unit, part.out + part.n * (uint32_t)at->out_stride) != use)
                break;
        if (use != 0)
            put_outputs(w, &part);
    }
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

/* They are read where they are; what has to be in the workspace as well is copied. */
static void put_load(agi_c_writer *w, const agi_instruction *at)
{
    const uint32_t statements = w->statements; /* those that copy are not measured */
    for (uint32_t i = 0, copied = 0; i < at->n; i++) {
        agi_c_definition *definition = agi_c_define(w, at->out + i);
        if (definition == NULL)
            return;
        definition->each = at->x[0].at + i;
        copied = definition->in_memory ? copied + 1 : 0;
        if (w->out == NULL || copied == 0 ||
            (i + 1 < at->n && definition[1].in_memory &&
             definition->each + 1 != w->unit->state_count))
            continue;
        char to[AGI_C_OPERAND], from[AGI_C_OPERAND];
        const uint32_t first = i + 1 - copied, each = at->x[0].at + first;
        const agi_c_row inputs =
            agi_c_find_inputs(w, each, copied > 1, (agi_c_span){each, each + copied - 1});
        const agi_c_row place = {"w", (int64_t)agi_c_base(w) + w->section->places[at->out + first],
                                 copied > 1};
        agi_c_put_place(to, place, 'i', 0, 'j');
        agi_c_put_place(from, inputs, 'i', 0, 'j');
        if (copied > 1)
            agi_c_begin_loop(w, 'i', copied, false);
        agi_c_put_line(w, "%s = %s;", to, from);
        w->depth -= copied > 1;
        copied = 0;
    }
    w->statements = statements;
}

/* ---- Folds and closures ---------------------------------------------------------------------- */

/* Operands side by side: where they are, as "w + 12", or in an array for the purpose. */
static void put_array(agi_c_writer *w, char to[AGI_C_OPERAND], const agi_elements *e, char letter)
{
    if (e->list == AGI_NO_INDEX && e->n > AGI_C_SHORT_FOLD && e->vector.stride == 1) {
        const agi_c_row row = agi_c_find_row(w, e->vector, e->n, 0, 1);
        if (row.stride == 1) {
            (void)snprintf(to, AGI_C_OPERAND, "%s + %" PRId64, row.array, row.at);
            return;
        }
    }
    if (e->n <= AGI_C_SHORT_FOLD) {
        agi_text_put(&w->line, "const %s %c[] = {", agi_c_type(w), letter);
        for (uint32_t i = 0; i < e->n; i++) {
            char operand[AGI_C_OPERAND];
            const uint32_t *lists = w->unit->program->records.lists;
            agi_c_put_number(w, operand,
                             e->list == AGI_NO_INDEX
                                 ? agi_c_element(e->vector, i)
                                 : (agi_vector){lists[e->list + i], 0, e->vector.space});
            agi_text_put(&w->line, "%s%s", i == 0 ? "" : ", ", operand);
        }
        agi_text_put(&w->line, "};");
        agi_c_end_line(w);
        (void)snprintf(to, AGI_C_OPERAND, "%c", letter);
        return;
    }
    /* copied behind whatever else the section keeps there */
    char from[AGI_C_OPERAND];
    const agi_c_elements found = agi_c_find_elements(w, e);
    agi_c_put_element(from, &found, 'i');
    const size_t at = letter == 'x' ? 0 : w->section->copies;
    if (!w->unit->is_measured) {
        w->section->copies = letter == 'x' && e->n > w->section->copies ? e->n : w->section->copies;
        if (at + e->n > w->section->scratch)
            w->section->scratch = at + e->n;
    }
    agi_c_use(w, AGI_C_WORKSPACE);
    agi_c_begin_loop(w, 'i', e->n, false);
    agi_c_put_line(w, "w[%zu + i] = %s;", agi_c_find_scratch(w) + at, from);
    w->depth--;
    (void)snprintf(to, AGI_C_OPERAND, "w + %zu", agi_c_find_scratch(w) + at);
}

static void put_closure(agi_c_writer *w, const agi_fold *fold, const char *x, const char *to)
{
    const ag_closure *closure = &w->unit->program->records.closures[fold->numbers];
    agi_c_put_line(w, "%s = %s(%s);", to, closure->c_function, x);
    agi_declare_c_closure(w->file, closure->c_function);
}

static void put_fold(agi_c_writer *w, const agi_instruction *at)
{
    const agi_records *records = &w->unit->program->records;
    const agi_fold *fold = &records->folds[at->more];
    const agi_form form = (agi_form)agi_gate_forms[at->op];
    char to[AGI_C_OPERAND], x[AGI_C_OPERAND], partner[AGI_C_OPERAND], offset[AGI_C_OPERAND];
    agi_text_put(&w->comment, "%s of %" PRIu32 " numbers",
                 form == AGI_FORM_CLOSURE ? "a closure" : agi_gate_names[at->op], fold->x.n);
    agi_c_put_line(w, "{");
    w->depth++;
    put_array(w, x, &fold->x, 'x');
    if (form == AGI_FORM_VALUES) {
        put_array(w, partner, &fold->w, 'y');
    } else if (form == AGI_FORM_NUMBERS) {
        (void)snprintf(partner, sizeof(partner), "%s_list%" PRIu32, w->unit->name,
                       w->file->lists + 1);
        if (w->out != NULL) {
            w->file->lists++;
            agi_put_c_numbers(w->file, partner, "static ", records->numbers + fold->numbers + 1,
                              fold->x.n);
        }
        agi_text text = {.memory = w->file->memory};
        agi_put_literal(&text, &w->file->gates.library, records->numbers[fold->numbers]);
        (void)snprintf(offset, sizeof(offset), "%.*s", (int)text.count,
                       text.count == 0 ? "" : text.chars);
        agi_text_free(&text);
    }
    agi_c_put_place(to, agi_c_define_row(w, at->out, 1), 'i', 0, 'j');
    if (form == AGI_FORM_CLOSURE) {
        put_closure(w, fold, x, to);
    } else {
        agi_text_put(&w->line, "%s = ", to);
        agi_put_c_fold(&w->line, &w->file->gates, at->op, fold->x.n, x,
                       form == AGI_FORM_NONE ? NULL : partner,
                       form == AGI_FORM_NUMBERS ? offset : NULL);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
    }
    agi_c_end_block(w);
}

/* ---- The section ----------------------------------------------------------------------------- */

static void put_instruction(agi_c_writer *w, const agi_instruction *at)
{
    switch (at->op) {
    case AGI_OP_LOAD:
        put_load(w, at);
        return;
    case AGI_OP_STORE:
        put_store(w, at);
        return;
    case AGI_OP_SUMS:
        put_outputs(w, at);
        return;
    case AGI_OP_PRODUCTS:
        agi_c_put_products(w, at);
        return;
    case AGI_OP_AFFINE:
        agi_c_put_affine(w, at);
        return;
    case AGI_OP_OUTER:
        agi_c_put_outer(w, at);
        return;
    case AGI_OP_SCAN:
        agi_c_put_scan(w, at);
        return;
    default:
        break;
    }
    if (agi_compares(at->op))
        put_comparison(w, at);
    else if (agi_is_fold(at->op))
        put_fold(w, at);
    else
        put_gates(w, at);
}

/* Whether a loop may stay open over it. */
static bool keeps_loop(const agi_instruction *at)
{
    switch (at->op) {
    case AGI_OP_LOAD:
    case AGI_OP_STORE:
    case AGI_OP_SUMS:
    case AGI_OP_PRODUCTS:
        return true;
    default:
        break;
    }
    return agi_is_plain_gate(at->op);
}

static bool has_comparison(const agi_section *section)
{
    for (uint32_t i = 0; i < section->count; i++)
        if (agi_compares(section->instructions[i].op))
            return true;
    return false;
}

static bool is_put(const agi_c_unit *unit, const agi_c_section *section)
{
    const bool is_once = section == &unit->once;
    if (section->is_left)
        return false;
    if (unit->is_never_taken)
        return is_once && has_comparison(section->section);
    /* what is computed once has a single lane */
    return section->section->count > 0 && !(unit->mode == AGI_C_ALL_LANES && is_once);
}

static void put_section(agi_c_unit *unit, agi_c_section *section, agi_text *out, bool bare)
{
    agi_memory *memory = unit->file->memory;
    agi_c_writer w = {
        .file = unit->file,
        .unit = unit,
        .section = section,
        .out = out,
        .bare = bare,
        .depth = 1,
        .line = {.memory = memory},
        .comment = {.memory = memory},
        .texts = {.memory = memory},
        .loop = {.body = {.memory = memory}, .after = {.memory = memory}},
    };
    for (uint32_t i = 0; i < section->section->slots; i++)
        section->holds[i] = AGI_NO_INDEX;
    agi_c_renew_doubts(section);
    const agi_instruction *streak = NULL; /* the one at work, or the last */
    for (uint32_t k = 0; k < section->section->count && !unit->file->failed; k++) {
        const uint32_t i = section->order[k];
        const agi_instruction *at = &section->section->instructions[i];
        if (unit->mode == AGI_C_ALL_LANES && agi_is_streak_left(at))
            streak = at;
        const bool goes_on =
            streak != NULL && at != streak && at < streak + agi_count_streak(streak);
        const bool is_left =
            goes_on || at == streak || (unit->mode != AGI_C_FILE && agi_is_left(&w, at));
        if (is_left && unit->mode == AGI_C_ALL_LANES)
            agi_c_close(&w);
        else
            agi_c_open(&w);
        if (!is_left)
            agi_c_cut(&w);
        w.multiplies = section->multiplies && i < section->outputs;
        if (section->doubts != NULL && !w.multiplies && at->op != AGI_OP_STORE)
            agi_c_settle(&w);
        if (is_left || !keeps_loop(at))
            agi_c_end_loop(&w);
        if (is_left)
            agi_leave(&w, at, goes_on);
        else
            put_instruction(&w, at);
    }
    for (uint32_t i = 0; section == &unit->once && i < section->section->slots; i++)
        if (unit->is_uniform[i])
            agi_c_read_memory(&w, i);
    agi_c_close(&w);
    agi_c_settle_uses(section);
    agi_text_free(&w.loop.body);
    agi_text_free(&w.loop.after);
    agi_memory_release(memory, w.loop.rows, w.loop.rows_capacity * sizeof(*w.loop.rows));
    agi_memory_release(memory, w.formulas, w.formulas_capacity * sizeof(*w.formulas));
    agi_text_free(&w.line);
    agi_text_free(&w.comment);
    agi_text_free(&w.texts);
}

void agi_put_c_section(agi_c_unit *unit, agi_c_section *section, agi_text *out, bool bare)
{
    enum {
        TRIES = 3
    };
    if (!is_put(unit, section))
        return;
    if (section->order == NULL)
        section->order = agi_c_find_order(unit, section->section);
    if (section->order == NULL) {
        unit->file->failed = true;
        return;
    }
    put_section(unit, section, out, bare);
    for (int i = 1; out == NULL && i <= TRIES && !unit->file->failed; i++) {
        agi_c_suppose(section, i == TRIES ? AGI_C_ALL : i > 1 ? AGI_C_MORE : AGI_C_AS_BEFORE);
        section->uses_count = 0;
        section->is_tried = true;
        put_section(unit, section, NULL, bare);
        if (agi_c_is_as_supposed(section))
            break;
    }
}
