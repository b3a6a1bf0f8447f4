/* SPDX-License-Identifier: MIT
 *
 * Scans as statements of C: a loop that calls the functions of a step. What goes into a step, what
 * comes out and the step's own workspace lie behind the scratch of the section around it.
 */
#include "c_section.h"

#include <inttypes.h>
#include <stdio.h>

/* Offsets in the workspace. */
typedef struct layout {
    size_t in, out, shared, lists, step;
} layout;

static size_t count_lists(const agi_records *records, const agi_scan_step *scan)
{
    size_t n = 0;
    for (uint32_t k = 0; k < scan->inputs.count; k++)
        n += records->pieces[scan->inputs.first + k].list != AGI_NO_INDEX;
    return n;
}

static layout lay_out(const agi_records *records, const agi_scan_step *scan, size_t begin)
{
    const ag_program_info *info = &scan->program->info;
    layout l = {.in = begin};
    l.out = l.in + info->each_count;
    l.shared = l.out + info->map_count;
    l.lists = l.shared + info->shared_count;
    l.step = l.lists + count_lists(records, scan) * scan->steps;
    return l;
}

size_t agi_measure_c_scans(agi_c_unit *unit, const agi_c_section *section)
{
    const agi_records *records = &unit->program->records;
    size_t most = 0;
    for (uint32_t i = 0; i < section->section->count; i++) {
        const agi_instruction *at = &section->section->instructions[i];
        if (at->op != AGI_OP_SCAN)
            continue;
        const agi_scan_step *scan = &records->scans[at->more];
        const agi_c_unit *step = agi_find_c_step(unit->file, scan->program);
        if (step == NULL)
            return 0;
        const size_t need = lay_out(records, scan, 0).step + step->workspace;
        most = need > most ? need : most;
    }
    return most;
}

/* A loop that copies n numbers. */
static void copy(agi_c_writer *w, uint64_t n, const char *to, const char *from)
{
    if (n == 0)
        return;
    agi_c_begin_loop(w, 'i', n, false);
    agi_c_put_line(w, "%s = %s;", to, from);
    w->depth--;
}

/* A place of the workspace, i numbers on (and at step t, t times so many). */
static void put_here(char to[AGI_C_OPERAND], size_t at, int64_t at_step)
{
    agi_c_put_place(to, (agi_c_row){"w", (int64_t)at, 1}, 'i', at_step, 't');
}

/* Pieces, from `to` on; steps: how often they are read, in a loop over t. */
static void take_pieces(agi_c_writer *w, agi_pieces pieces, size_t steps, size_t to, size_t lists)
{
    const agi_piece *piece = w->unit->program->records.pieces + pieces.first;
    for (uint32_t k = 0; k < pieces.count; k++, to += piece->n, piece++) {
        char here[AGI_C_OPERAND], there[AGI_C_OPERAND];
        put_here(here, to, 0);
        if (piece->list != AGI_NO_INDEX) {
            agi_c_put_place(there, (agi_c_row){"w", (int64_t)lists, 0}, 'i', 1, 't');
            lists += steps;
        } else {
            const agi_c_row row = agi_c_find_row(w, piece->x, piece->n, piece->step,
                                                 piece->step == 0 ? 1 : (uint32_t)steps);
            agi_c_put_place(there, row, 'i', piece->step, 't');
        }
        copy(w, piece->n, here, there);
    }
}

/* Operands that are somewhere else at every step are put in a row first. */
static void gather_lists(agi_c_writer *w, const agi_scan_step *scan, size_t to)
{
    const agi_records *records = &w->unit->program->records;
    for (uint32_t k = 0; k < scan->inputs.count; k++) {
        const agi_piece *piece = &records->pieces[scan->inputs.first + k];
        for (size_t t = 0; piece->list != AGI_NO_INDEX && t < scan->steps; t++) {
            const uint32_t *entry = records->lists + piece->list + 2 * t;
            char from[AGI_C_OPERAND];
            agi_c_cut(w);
            agi_c_put_number(w, from, (agi_vector){entry[1], 0, (uint8_t)entry[0]});
            agi_c_use(w, AGI_C_WORKSPACE);
            agi_c_put_line(w, "w[%zu] = %s;", to++, from);
        }
    }
}

/* Where the step finds its parameters: where they are, or copied. */
static void find_shared(agi_c_writer *w, const agi_scan_step *scan, size_t copied,
                        char to[AGI_C_OPERAND])
{
    const agi_piece *piece = w->unit->program->records.pieces + scan->shared.first;
    if (scan->shared.count == 1 && (piece->n == 1 || piece->x.stride == 1)) {
        const agi_c_row row = agi_c_find_row(w, piece->x, piece->n, 0, 1);
        if (piece->n == 1 || row.stride == 1) {
            (void)snprintf(to, AGI_C_OPERAND, "%s + %" PRId64, row.array, row.at);
            return;
        }
    }
    take_pieces(w, scan->shared, 1, copied, 0);
    (void)snprintf(to, AGI_C_OPERAND, "w + %zu", copied);
}

/* Calls of the step's functions; stops: a comparison that fails ends the function. */
static void call(agi_c_writer *w, const agi_c_unit *step, const agi_c_section *section,
                 const layout *l, const char *shared, size_t totals, bool stops)
{
    for (uint32_t i = 0; i < section->uses_count; i++) {
        const uint32_t uses = section->uses[i];
        const char *between = "";
        if (section->compares)
            agi_text_put(&w->line, stops ? "if ((r = " : "(void)");
        agi_put_c_name(&w->line, step, section, i);
        agi_text_put(&w->line, "(");
        const struct {
            uint8_t use;
            size_t at;
        } places[] = {{AGI_C_EACH, l->in},
                      {AGI_C_SUM, totals},
                      {AGI_C_MAP, l->out},
                      {AGI_C_WORKSPACE, l->step}};
        if ((uses & AGI_C_SHARED) != 0) {
            agi_text_put(&w->line, "%s", shared);
            between = ", ";
        }
        for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++)
            if ((uses & places[k].use) != 0) {
                agi_text_put(&w->line, "%sw + %zu", between, places[k].at);
                between = ", ";
            }
        agi_text_put(&w->line, section->compares && stops ? ")) != 0) return r;" : ");");
        agi_c_end_line(w);
    }
}

void agi_c_put_scan(agi_c_writer *w, const agi_instruction *at)
{
    const agi_scan_step *scan = &w->unit->program->records.scans[at->more];
    const ag_program_info *info = &scan->program->info;
    const agi_c_unit *step = agi_find_c_step(w->file, scan->program);
    if (step == NULL)
        return;
    const size_t state = scan->state_count, outputs = info->map_count - state;
    const layout l =
        lay_out(&w->unit->program->records, scan, agi_c_find_scratch(w) + w->section->scratch);
    char shared[AGI_C_OPERAND], here[AGI_C_OPERAND], there[AGI_C_OPERAND];
    gather_lists(w, scan, l.lists);
    const uint32_t statements = w->statements; /* a step's functions are not known the first time */
    const size_t out = (size_t)agi_c_define_row(w, at->out, scan->output_count).at;
    const size_t totals = out + state + scan->steps * outputs;
    const bool stops = scan->check && (step->once.compares || step->check.compares);
    if (scan->check)
        w->section->compares = true;
    agi_text_put(&w->comment, "%zu steps of %s", scan->steps, step->name);
    agi_c_put_line(w, "{");
    w->depth++;
    if (stops)
        agi_c_put_line(w, "int r;");
    find_shared(w, scan, l.shared, shared);
    call(w, step, &step->once, &l, shared, 0, scan->check);
    take_pieces(w, scan->state, 1, l.in, 0);
    put_here(here, totals, 0);
    copy(w, info->sum_count, here, w->file->gates.library.use_float ? "0.0f" : "0.0");
    if (scan->steps > 0) {
        agi_c_begin_loop(w, 't', scan->steps, true);
        take_pieces(w, scan->inputs, scan->steps, l.in + state, l.lists);
        if (scan->check)
            call(w, step, &step->check, &l, shared, 0, true);
        call(w, step, &step->body, &l, shared, totals, false);
        put_here(here, out + state, (int64_t)outputs);
        put_here(there, l.out + state, 0);
        copy(w, outputs, here, there);
        put_here(here, l.in, 0);
        put_here(there, l.out, 0);
        copy(w, state, here, there);
        w->depth--;
        agi_c_put_line(w, "}");
    }
    put_here(here, out, 0);
    put_here(there, l.in, 0);
    copy(w, state, here, there);
    for (size_t i = 0; i < info->once_count; i++)
        agi_c_put_line(w, "w[%zu] = w[%zu];", totals + info->sum_count + i,
                       l.step + step->once.places[scan->program->once_slots[i]]);
    w->depth--;
    agi_c_put_line(w, "}");
    w->statements = statements + 10;
}
