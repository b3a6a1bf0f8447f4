/* SPDX-License-Identifier: MIT
 *
 * Statements about every element of some vectors. Those that come one after the other are done by
 * one loop, where each element needs no others than its own: the loop stays open, as text, until
 * something needs what it computes. Numbers that only such a loop reads are never in memory.
 */
#include "c_section.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    MOST_STATEMENTS = 32, /* in a loop */
    MOST_ROWS = 64        /* that a loop reads or writes */
};

static bool is_open(const agi_c_writer *w)
{
    return w->loop.n > 0;
}

/* Whether the slot holds what the open loop computes. */
static bool is_from_loop(const agi_c_writer *w, uint32_t slot)
{
    const agi_c_definition *held = agi_c_definition_of(w, slot);
    return held != NULL && is_open(w) && held->loop == w->loop.id;
}

/* The row that begins at this slot, the last one if there are several; NULL: none. */
static const agi_c_loop_row *find_written(const agi_c_writer *w, uint32_t slot)
{
    for (uint32_t i = w->loop.rows_count; i-- > 0;)
        if (w->loop.rows[i].is_written && w->loop.rows[i].v.at == slot)
            return &w->loop.rows[i];
    return NULL;
}

static agi_c_loop_row *add_row(agi_c_writer *w, agi_vector v, bool is_written)
{
    if (AGI_APPEND(w->file, w->loop.rows, ((agi_c_loop_row){.v = v, .is_written = is_written})) !=
        AG_OK) {
        w->file->failed = true;
        return NULL;
    }
    return &w->loop.rows[w->loop.rows_count - 1];
}

/* ---- Hazards --------------------------------------------------------------------------------- */

bool agi_c_can_read(const agi_c_writer *w, uint32_t n, agi_vector v)
{
    if (w->loop.n != n)
        return false;
    if (v.space == AGI_SHARED) /* totals may be the same array */
        return !w->loop.writes_totals;
    if (!agi_c_is_here(w, v))
        return true;
    if (agi_c_is_again(w, v, v.stride == 0 ? 1 : n))
        return true;
    const agi_c_loop_row *row = v.stride == 1 ? find_written(w, v.at) : NULL;
    if (row != NULL) {
        /* whole, and nothing else was put over a part of it */
        for (uint32_t i = 0; i < n; i++)
            if (w->section->holds[v.at + i] != row->definition + i)
                return false;
        return true;
    }
    for (uint32_t i = 0; i < (v.stride == 0 ? 1 : n); i++)
        if (is_from_loop(w, v.at + i * (uint32_t)v.stride))
            return false;
    return true;
}

/* Whether these slots are none that the row is about; as many, element by element, do no harm. */
static bool is_apart(const agi_c_writer *w, uint32_t slot, const agi_c_loop_row *row)
{
    const agi_vector v = row->v;
    const int64_t n = w->loop.n, last = v.at + (n - 1) * v.stride;
    const int64_t low = last < v.at ? last : v.at, high = last < v.at ? v.at : last;
    return (v.at == slot && v.stride == 1) || slot > high || slot + n <= low;
}

bool agi_c_can_write(const agi_c_writer *w, uint32_t n, uint32_t slot)
{
    const agi_c_section *section = w->section;
    if (w->loop.n != n)
        return false;
    if (w->defined < section->definitions_count && !section->definitions[w->defined].may_be)
        return true; /* nothing is written */
    for (uint32_t i = 0; i < w->loop.rows_count; i++) {
        const agi_c_loop_row *row = &w->loop.rows[i];
        const bool is_there = !row->is_written || section->definitions[row->definition].may_be;
        if (is_there && !is_apart(w, slot, row))
            return false;
    }
    return true;
}

void agi_c_before_reading(agi_c_writer *w, uint32_t slot)
{
    if (is_from_loop(w, slot))
        agi_c_end_loop(w);
}

bool agi_c_is_touched(const agi_c_writer *w, uint32_t slot)
{
    bool is_touched = is_from_loop(w, slot);
    for (uint32_t i = 0; is_open(w) && i < w->loop.rows_count && !is_touched; i++) {
        const agi_vector v = w->loop.rows[i].v;
        const int64_t ahead = (int64_t)slot - v.at;
        is_touched = v.stride == 0 ? ahead == 0
                                   : ahead % v.stride == 0 && ahead / v.stride >= 0 &&
                                         ahead / v.stride < w->loop.n;
    }
    return is_touched;
}

/* ---- The loop -------------------------------------------------------------------------------- */

void agi_c_enter_loop(agi_c_writer *w, uint32_t n, bool joins)
{
    if (joins && w->loop.statements < MOST_STATEMENTS && w->loop.rows_count < MOST_ROWS)
        return;
    agi_c_end_loop(w);
    w->loop.n = n;
    w->loop.id++;
    w->loop.statements = 0;
    w->loop.rows_count = w->loop.again_count = 0;
    w->loop.sums_first = w->loop.sums;
    w->loop.writes_totals = w->loop.reads_shared = w->loop.checks = false;
}

void agi_c_end_loop(agi_c_writer *w)
{
    const uint32_t n = w->loop.n, statements = w->statements + 2;
    if (n == 0)
        return;
    w->loop.n = 0;
    if (w->out != NULL && w->loop.body.count == 0) { /* its rows are computed elsewhere */
        agi_text_append(w->out, w->loop.after.chars, w->loop.after.count);
    } else if (w->out != NULL) {
        agi_text line = w->line, comment = w->comment; /* of a statement in the making */
        w->line = (agi_text){.memory = line.memory};
        w->comment = (agi_text){.memory = line.memory};
        if (w->file->gates.is_native) {
            agi_text_put(w->out, "#pragma omp simd");
            for (uint32_t i = w->loop.sums_first; i < w->loop.sums; i++)
                agi_text_put(w->out,
                             i == w->loop.sums_first ? " reduction(+ : a%" PRIu32 : ", a%" PRIu32,
                             i + 1);
            agi_text_put(w->out, "%s%s\n", w->loop.sums > w->loop.sums_first ? ")" : "",
                         w->loop.checks ? " reduction(| : bad)" : "");
        }
        const bool is_block = w->loop.lines > 1;
        agi_text_put(&w->comment, "%" PRIu32 " numbers", n);
        agi_c_begin_loop(w, 'i', n, is_block);
        agi_text_append(w->out, w->loop.body.chars, w->loop.body.count);
        if (is_block)
            agi_c_end_block(w);
        else
            w->depth--;
        agi_text_append(w->out, w->loop.after.chars, w->loop.after.count);
        agi_text_free(&w->line);
        agi_text_free(&w->comment);
        w->line = line;
        w->comment = comment;
    }
    w->file->failed = w->file->failed || w->loop.body.failed || w->loop.after.failed;
    w->loop.body.count = w->loop.after.count = w->loop.lines = 0;
    w->loop.follows = false;
    w->statements = statements;
}

/* What is in w->line goes into the loop. */
static void put_in_loop(agi_c_writer *w)
{
    agi_text *out = w->out;
    w->loop.lines++;
    if (out != NULL)
        w->out = &w->loop.body;
    w->depth++;
    agi_c_end_line(w);
    w->depth--;
    w->out = out;
}

void agi_c_put_in_loop(agi_c_writer *w)
{
    w->loop.statements++;
    put_in_loop(w);
}

void agi_c_put_element_of(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v)
{
    w->loop.reads_shared = w->loop.reads_shared || v.space == AGI_SHARED;
    if (v.stride == 0) {
        agi_c_put_number(w, to, v);
    } else {
        const agi_c_loop_row *row =
            agi_c_is_here(w, v) && v.stride == 1 ? find_written(w, v.at) : NULL;
        if (row != NULL) {
            w->section->definitions[row->definition].in_local = true;
            (void)snprintf(to, AGI_C_OPERAND, "e%" PRIu32, row->local);
            return;
        }
        if (agi_c_put_elements_again(w, to, v))
            return;
        agi_c_put_place(to, agi_c_find_row(w, v, w->loop.n, 0, 1), 'i', 0, 'j');
    }
    if (agi_c_is_here(w, v))
        (void)add_row(w, v, false);
}

void agi_c_define_elements(agi_c_writer *w, uint32_t slot)
{
    agi_c_section *section = w->section;
    const uint32_t n = w->loop.n, first = w->defined, statements = w->statements + 1;
    const agi_vector v = {.at = slot, .stride = 1, .space = AGI_SLOTS};
    for (uint32_t i = 0; i < n; i++) {
        agi_c_definition *definition = agi_c_define_anew(w, slot + i);
        if (definition == NULL)
            return;
        definition->loop = w->loop.id;
        definition->slot = slot;
        definition->is_in_row = true;
        definition->row = i == 0 ? n : 0;
    }
    agi_c_loop_row *row = add_row(w, v, true);
    if (row == NULL)
        return;
    row->definition = first;
    row->local = ++w->elements;
    w->loop.statements++;
    if (w->out != NULL) {
        const agi_c_definition *head = &section->definitions[first];
        char place[AGI_C_OPERAND];
        const agi_c_row at = {"w", (int64_t)agi_c_base(w) + section->places[slot], 1};
        agi_c_put_place(place, at, 'i', 0, 'j');
        agi_text right = w->line;
        w->line = (agi_text){.memory = right.memory};
        if (head->in_local)
            agi_text_put(&w->line, "const %s e%" PRIu32 " = ", agi_c_type(w), row->local);
        else
            agi_text_put(&w->line, "%s = ", place);
        agi_text_append(&w->line, right.chars, right.count);
        agi_text_put(&w->line, ";");
        agi_text_free(&right);
        if (head->in_local || head->in_memory)
            put_in_loop(w);
        if (head->in_local && head->in_memory) {
            agi_text_put(&w->line, "%s = e%" PRIu32 ";", place, row->local);
            put_in_loop(w);
        }
    }
    w->line.count = w->comment.count = 0;
    w->statements = statements;
}

static void complete_row(agi_c_definition *head)
{
    for (uint32_t k = 1; k < head->row && !head->in_memory; k++)
        head->in_memory = head[k].in_memory;
}

void agi_c_complete_rows(agi_c_section *section)
{
    for (uint32_t i = 0; i < section->definitions_count; i++) {
        agi_c_definition *head = &section->definitions[i];
        complete_row(head);
        for (uint32_t k = 0; k < head->row && head->in_memory; k++)
            section->places[head->slot + k] = 1;
    }
}

bool agi_c_is_as_supposed(agi_c_section *section)
{
    bool is_so = true;
    for (uint32_t i = 0; i < section->definitions_count; i++) {
        agi_c_definition *head = &section->definitions[i];
        complete_row(head);
        is_so = is_so && (head->row == 0 || !head->in_memory || head->may_be);
    }
    return is_so;
}

void agi_c_suppose(agi_c_section *section, agi_c_supposition what)
{
    for (uint32_t i = 0; i < section->definitions_count; i++) {
        agi_c_definition *head = &section->definitions[i];
        head->may_be = what == AGI_C_ALL || head->in_memory || (what == AGI_C_MORE && head->may_be);
    }
}

/* ---- Sums ------------------------------------------------------------------------------------ */

uint32_t agi_c_begin_sum(agi_c_writer *w)
{
    agi_c_put_line(w, "%s a%" PRIu32 " = %s;", agi_c_type(w), ++w->loop.sums, agi_c_zero(w));
    return w->loop.sums;
}

/* ---- What follows the loop ------------------------------------------------------------------- */

void agi_c_begin_number(agi_c_writer *w, bool follows)
{
    w->loop.may_follow = true;
    w->loop.follows = follows && is_open(w);
    w->loop.stays = false;
}

void agi_c_follow(agi_c_writer *w, uint32_t slot)
{
    const agi_c_definition *held = agi_c_definition_of(w, slot);
    if (!held->is_late || !is_from_loop(w, slot))
        return;
    w->loop.follows = w->loop.may_follow && !w->loop.stays;
    if (!w->loop.follows)
        agi_c_end_loop(w);
}

void agi_c_stay(agi_c_writer *w)
{
    w->loop.stays = true;
    if (w->loop.follows)
        agi_c_end_loop(w);
    w->loop.follows = false;
}
