/* SPDX-License-Identifier: MIT
 *
 * Which instructions of a program's own code are left to the interpreter, and what that reads and
 * writes.
 */
#include "c_section.h"
#include "run.h"

#include <inttypes.h>

enum {
    MANY = 8 /* elements that are worth vectors of exp and the like */
};

/* ---- Which ----------------------------------------------------------------------------------- */

static bool has_closures(const agi_records *records)
{
    bool has = records->closures_count > 0;
    for (uint32_t i = 0; i < records->scans_count && !has; i++)
        has = has_closures(&records->scans[i].program->records);
    return has;
}

/* A step with closures or with comparisons that are looked at has no C of its own. */
bool agi_is_scan_left(agi_c_mode mode, const agi_scan_step *scan)
{
    return mode == AGI_C_ALL_LANES ||
           (mode == AGI_C_SINGLE && (scan->check || has_closures(&scan->program->records)));
}

bool agi_is_brief(const ag_program *program)
{
    enum {
        NEARLY_ALL = 128 /* to 1 */
    };
    const agi_records *records = &program->records;
    double in_scans = 0, elsewhere = 0;
    for (uint32_t i = 0; i < program->body.count; i++) {
        const agi_instruction *at = &program->body.instructions[i];
        const bool is_own =
            at->op == AGI_OP_SCAN && !agi_is_scan_left(AGI_C_SINGLE, &records->scans[at->more]);
        *(is_own ? &in_scans : &elsewhere) += agi_estimate_cost(records, at);
    }
    return in_scans > NEARLY_ALL * elsewhere;
}

bool agi_is_left(const agi_c_writer *w, const agi_instruction *at)
{
    const agi_records *records = &w->unit->program->records;
    if (w->unit->mode == AGI_C_ALL_LANES)
        return at->n > AGI_C_FEW || !(at->op == AGI_OP_PRODUCTS ? agi_c_is_short_sum(records, at)
                                                                : agi_is_plain_gate(at->op) &&
                                                                      agi_is_c_arithmetic(at->op));
    if (at->op == AGI_OP_SCAN)
        return agi_is_scan_left(w->unit->mode, &records->scans[at->more]);
    if (w->section
            ->is_brief) /* stores look for NaN, and may be put before what else is looked at */
        return at->op != AGI_OP_STORE;
    if (agi_is_plain_gate(at->op))
        return at->n >= MANY && !(w->file->has_vector_functions ? agi_is_c_vector(at->op)
                                                                : agi_is_c_arithmetic(at->op));
    if (agi_is_fold(at->op))
        return at->op == AGI_CLOSURE ||
               (records->folds[at->more].x.n > AGI_C_SHORT_FOLD && !agi_is_c_largest(at->op));
    return at->op < AGI_GATE_COUNT; /* comparisons */
}

/* Straight code over lanes would wait for each result of a product that grows, and go through all
 * its slots for every vector of lanes. */
bool agi_is_streak_left(const agi_instruction *first)
{
    enum {
        LONG = 16
    };
    return first->streak >= LONG && (agi_carries(first, 0) || agi_carries(first, 1));
}

/* ---- What it reads and writes ----------------------------------------------------------------- */

/* Elements i of n, r of n_2, where they are slots of this section. */
static void read_elements(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    for (uint32_t i = 0; agi_c_is_here(w, v) && i < n; i++)
        for (uint32_t r = 0; r < n_2; r++)
            agi_c_read_memory(w, v.at + (int64_t)i * v.stride + (int64_t)r * second);
}

static void read_list(agi_c_writer *w, const agi_elements *e)
{
    const uint32_t *lists = w->unit->program->records.lists;
    if (e->list == AGI_NO_INDEX)
        read_elements(w, e->vector, e->n, 0, 1);
    else
        for (uint32_t i = 0; i < e->n; i++)
            read_elements(w, (agi_vector){lists[e->list + i], 0, e->vector.space}, 1, 0, 1);
}

static void read_pieces(agi_c_writer *w, agi_pieces pieces, size_t steps)
{
    const agi_records *records = &w->unit->program->records;
    for (uint32_t k = 0; k < pieces.count; k++) {
        const agi_piece *piece = &records->pieces[pieces.first + k];
        if (piece->list == AGI_NO_INDEX)
            read_elements(w, piece->x, piece->n, piece->step,
                          piece->step == 0 ? 1 : (uint32_t)steps);
        else
            for (size_t t = 0; t < steps; t++) {
                const uint32_t *entry = records->lists + piece->list + 2 * t;
                read_elements(w, (agi_vector){entry[1], 0, (uint8_t)entry[0]}, 1, 0, 1);
            }
    }
}

static void read_factors(agi_c_writer *w, const agi_instruction *at)
{
    const agi_factors *f = agi_factors_of(&w->unit->program->records, at);
    for (uint32_t t = 0; t < at->terms; t++) {
        read_elements(w, f[t].p, at->n, f[t].p_step, f[t].repeat);
        read_elements(w, f[t].q, at->n, f[t].q_step, f[t].repeat);
    }
}

static void read_affine(agi_c_writer *w, const agi_instruction *at)
{
    const agi_affine *a = &w->unit->program->records.affine[at->more];
    read_elements(w, (agi_vector){a->p.at, a->row_stride, a->p.space}, a->m, a->column_stride,
                  a->k);
    read_list(w, &a->x);
    read_elements(w, a->bias, a->m, 0, 1);
    if (a->add)
        read_elements(w, (agi_vector){at->out, 1, AGI_SLOTS}, a->m, 0, 1);
}

static void read_operands(agi_c_writer *w, const agi_instruction *at)
{
    const agi_records *records = &w->unit->program->records;
    switch (at->op) {
    case AGI_OP_LOAD:
        return;
    case AGI_OP_PRODUCTS:
        read_factors(w, at);
        return;
    case AGI_OP_AFFINE:
        read_affine(w, at);
        return;
    case AGI_OP_OUTER:
        read_list(w, &records->outer[at->more].a);
        if (records->outer[at->more].b_each == AGI_NO_INDEX)
            read_list(w, &records->outer[at->more].b);
        return;
    case AGI_OP_SCAN:
        read_pieces(w, records->scans[at->more].shared, 1);
        read_pieces(w, records->scans[at->more].state, 1);
        read_pieces(w, records->scans[at->more].inputs, records->scans[at->more].steps);
        return;
    default:
        break;
    }
    if (agi_is_fold(at->op)) {
        read_list(w, &records->folds[at->more].x);
        if (agi_gate_forms[at->op] == AGI_FORM_VALUES)
            read_list(w, &records->folds[at->more].w);
        return;
    }
    for (size_t k = 0; k < 3; k++) /* a vector that is not there is nowhere */
        read_elements(w, at->x[k], at->n, 0, 1);
}

uint32_t agi_count_results(const ag_program *program, const agi_instruction *at)
{
    switch (at->op) {
    case AGI_OP_STORE:
    case AGI_OP_SUMS:
    case AGI_OP_OUTER:
        return 0;
    case AGI_OP_SCAN:
        return program->records.scans[at->more].output_count;
    default:
        return agi_compares(at->op) ? 0 : at->n;
    }
}

void agi_leave(agi_c_writer *w, const agi_instruction *at, bool goes_on)
{
    const size_t index = (size_t)(at - w->section->section->instructions);
    const uint32_t results = agi_count_results(w->unit->program, at);
    read_operands(w, at);
    if (w->unit->mode == AGI_C_ALL_LANES) {
        if (w->out != NULL && !goes_on)
            agi_text_put(&w->section->calls, "    run(context, %zu);\n", index);
    } else {
        agi_c_use(w, AGI_C_RUN | AGI_C_WORKSPACE);
        agi_c_put_line(w, "run(context, %zu); /* %s */", index, agi_op_name(at->op));
    }
    if (results > 0)
        (void)agi_c_define_row(w, at->out, results);
}
