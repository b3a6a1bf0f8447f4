/* SPDX-License-Identifier: MIT
 *
 * Scans as statements of C: a loop that calls the functions of a step. Those take the state, the
 * step's other inputs, the next state and the other outputs where they are, as far as they lie side
 * by side; what does not, and the step's own workspace, is behind the scratch of the section around.
 */
#include "c_section.h"

#include <inttypes.h>
#include <stdio.h>

/* Where the state is. */
typedef enum state_home {
    NOWHERE, /* there is none */
    IN_LOCALS, /* few numbers: in two arrays of the function's own, which compilers keep in registers */
    IN_SAVED, /* where the states before each step have to be afterwards */
    IN_TURNS, /* in two rows, the second of which is where the last state has to be */
    IN_FRONT  /* in front of the step's other inputs */
} state_home;

static state_home find_home(const agi_c_unit *step)
{
    if (step->state_count == 0)
        return NOWHERE;
    if (step->is_joined)
        return IN_FRONT;
    if (step->state_count <= AGI_C_FEW)
        return IN_LOCALS;
    return step->saved == AGI_NO_INDEX ? IN_TURNS : IN_SAVED;
}

/* Offsets in the workspace: of what is there. */
typedef struct layout {
    size_t state, in, next, shared, lists, step;
} layout;

static size_t count_lists(const agi_records *records, const agi_scan_step *scan)
{
    size_t n = 0;
    for (uint32_t k = 0; k < scan->inputs.count; k++)
        n += records->pieces[scan->inputs.first + k].list != AGI_NO_INDEX;
    return n;
}

static layout lay_out(const agi_records *records, const agi_scan_step *scan, const agi_c_unit *step,
                      size_t begin)
{
    const ag_program_info *info = &scan->program->info;
    const state_home home = find_home(step);
    layout l = {.state = begin};
    l.in = l.state + (home == IN_TURNS || home == IN_FRONT ? scan->state_count : 0);
    l.next = l.in + info->each_count - scan->state_count;
    l.shared = l.next + (home == IN_FRONT ? scan->state_count : 0);
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
        if (at->op != AGI_OP_SCAN || agi_is_scan_left(unit->mode, &records->scans[at->more]))
            continue;
        const agi_scan_step *scan = &records->scans[at->more];
        const agi_c_unit *step = agi_find_c_step(unit->file, section->multiplies, scan);
        if (step == NULL) /* no statement takes it */
            continue;
        const size_t need = lay_out(records, scan, step, 0).step + step->workspace;
        most = need > most ? need : most;
    }
    return most;
}

/* ---- Copies ----------------------------------------------------------------------------------- */

/* Numbers in a row; at step t it is t times `step` further on. */
typedef struct moving_row {
    agi_c_row row;
    int64_t step;
} moving_row;

static moving_row place_row(size_t at, int64_t step)
{
    return (moving_row){{"w", (int64_t)at, 1}, step};
}

static void copy_by_loop(agi_c_writer *w, uint64_t n, moving_row to, moving_row from)
{
    char here[AGI_C_OPERAND], there[AGI_C_OPERAND];
    agi_c_put_place(here, to.row, 'i', to.step, 't');
    agi_c_put_place(there, from.row, 'i', from.step, 't');
    if (n > 1)
        agi_c_begin_loop(w, 'i', n, false);
    agi_c_put_line(w, "%s = %s;", here, there);
    w->depth -= n > 1;
}

/* n numbers; few of them one by one. */
static void copy(agi_c_writer *w, uint64_t n, moving_row to, moving_row from)
{
    if (n > AGI_C_FEW) {
        copy_by_loop(w, n, to, from);
        return;
    }
    const int64_t to_stride = to.row.stride, from_stride = from.row.stride;
    to.row.stride = from.row.stride = 0;
    for (uint64_t i = 0; i < n; i++) {
        copy_by_loop(w, 1, to, from);
        to.row.at += to_stride;
        from.row.at += from_stride;
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

/* A piece that is no list; steps: how often it is read, in a loop over t. */
static moving_row find_piece(agi_c_writer *w, const agi_piece *piece, size_t steps)
{
    const uint32_t times = piece->step == 0 ? 1 : (uint32_t)steps;
    return (moving_row){agi_c_find_row(w, piece->x, piece->n, piece->step, times), piece->step};
}

static void take_pieces(agi_c_writer *w, agi_pieces pieces, size_t steps, moving_row to,
                        size_t lists)
{
    const agi_piece *piece = w->unit->program->records.pieces + pieces.first;
    for (uint32_t k = 0; k < pieces.count; k++, to.row.at += piece->n, piece++) {
        moving_row from = place_row(lists, 1);
        if (piece->list != AGI_NO_INDEX)
            lists += steps;
        else
            from = find_piece(w, piece, steps);
        copy(w, piece->n, to, from);
    }
}

/* Whether operands lie side by side, as a step takes them; and where. */
static bool find_operands(agi_c_writer *w, agi_pieces pieces, size_t steps, moving_row *found)
{
    const agi_piece *piece = w->unit->program->records.pieces + pieces.first;
    if (pieces.count != 1 || piece->list != AGI_NO_INDEX)
        return false;
    *found = find_piece(w, piece, steps);
    return piece->n == 1 || found->row.stride == 1;
}

/* ---- Scans ------------------------------------------------------------------------------------ */

typedef struct passage {
    const agi_scan_step *scan;
    const agi_c_unit *step;
    state_home home;
    layout l;
    size_t out, outputs, totals; /* all outputs begin at out; so many come from each step */
    moving_row shared, in;
} passage;

/* A pointer to the first of a row. */
static void put_pointer(agi_c_writer *w, moving_row at)
{
    char place[AGI_C_OPERAND];
    at.row.stride = 0;
    agi_c_put_place(place, at.row, 'i', at.step, 't');
    agi_text_put(&w->line, "&%s", place);
}

/* Where states are before steps 0, 2, ..., which is where they are after 1, 3, ... */
static moving_row find_turn(const passage *p, size_t turn)
{
    return place_row((p->scan->steps + turn) % 2 == 0 ? p->out : p->l.state, 0);
}

static moving_row find_saved(const passage *p)
{
    return place_row(p->out + p->step->saved, (int64_t)p->outputs);
}

static moving_row find_first_state(const passage *p)
{
    if (p->scan->steps == 0)
        return place_row(p->out, 0);
    switch (p->home) {
    case IN_LOCALS:
        return (moving_row){{"now", 0, 1}, 0};
    case IN_SAVED:
        return place_row(p->out + p->step->saved, 0);
    case IN_TURNS:
        return find_turn(p, 0);
    default:
        return place_row(p->l.state, 0);
    }
}

static moving_row find_next_state(const passage *p)
{
    return p->home == IN_LOCALS ? (moving_row){{"after", 0, 1}, 0} : place_row(p->l.next, 0);
}

/* A pointer of that name: where the state is before a step (0), or after it (1). */
static void declare_state(agi_c_writer *w, const passage *p, size_t after)
{
    moving_row saved = find_saved(p);
    agi_text_put(&w->line, after ? "%s *after = " : "const %s *now = ", agi_c_type(w));
    if (p->home == IN_TURNS) {
        agi_text_put(&w->line, "t %% 2 == 0 ? ");
        put_pointer(w, find_turn(p, after));
        agi_text_put(&w->line, " : ");
        put_pointer(w, find_turn(p, 1 - after));
    } else {
        if (after) {
            agi_text_put(&w->line, "t + 1 == %zu ? &w[%zu] : ", p->scan->steps, p->out);
            saved.row.at += saved.step;
        }
        put_pointer(w, saved);
    }
    agi_text_put(&w->line, ";");
    agi_c_end_line(w);
}

/* Whether a function of the step takes something. */
static bool takes(const passage *p, uint16_t use)
{
    const agi_c_section *const sections[] = {&p->step->once, &p->step->body, &p->step->check};
    uint32_t uses = 0;
    for (size_t k = 0; k < 2 + (size_t)p->scan->check; k++)
        for (uint32_t i = 0; i < sections[k]->uses_count; i++)
            uses |= sections[k]->uses[i];
    return (uses & use) != 0;
}

/* What lies where the step would take it, but takes it nowhere: the function around it may have a
 * parameter for that alone. */
static void mention_unused(agi_c_writer *w, const passage *p, uint16_t use, moving_row at)
{
    if (!takes(p, use))
        agi_c_put_line(w, "(void)%s;", at.row.array);
}

static void declare_states(agi_c_writer *w, const passage *p)
{
    if (p->home != IN_SAVED && p->home != IN_TURNS)
        return;
    if (takes(p, AGI_C_STATE))
        declare_state(w, p, 0);
    declare_state(w, p, 1);
}

static void put_state(agi_c_writer *w, const passage *p, bool after)
{
    if (p->home == IN_FRONT)
        put_pointer(w, after ? find_next_state(p) : find_first_state(p));
    else
        agi_text_put(&w->line, after ? "after" : "now");
}

static void put_argument(agi_c_writer *w, const passage *p, uint16_t use)
{
    switch (use) {
    case AGI_C_SHARED:
        put_pointer(w, p->shared);
        return;
    case AGI_C_STATE:
    case AGI_C_NEXT:
        put_state(w, p, use == AGI_C_NEXT);
        return;
    case AGI_C_IN:
        put_pointer(w, p->in);
        return;
    case AGI_C_SUM:
        put_pointer(w, place_row(p->totals, 0));
        return;
    case AGI_C_OUT:
        put_pointer(w, place_row(p->out + p->scan->state_count, (int64_t)p->outputs));
        return;
    default:
        put_pointer(w, place_row(p->l.step, 0));
        return;
    }
}

/* Calls of the step's functions; stops: a comparison that fails ends the function. */
static void call(agi_c_writer *w, const passage *p, const agi_c_section *section, bool stops)
{
    static const uint16_t order[] = {AGI_C_SHARED, AGI_C_STATE, AGI_C_IN,       AGI_C_SUM,
                                     AGI_C_NEXT,   AGI_C_OUT,   AGI_C_WORKSPACE};
    for (uint32_t i = 0; i < section->uses_count; i++) {
        const char *between = "";
        if (section->compares)
            agi_text_put(&w->line, stops ? "if ((r = " : "(void)");
        agi_put_c_name(&w->line, p->step, section, i);
        agi_text_put(&w->line, "(");
        for (size_t k = 0; k < sizeof(order) / sizeof(*order); k++) {
            if ((section->uses[i] & order[k]) == 0)
                continue;
            agi_text_put(&w->line, "%s", between);
            put_argument(w, p, order[k]);
            between = ", ";
        }
        agi_text_put(&w->line, section->compares && stops ? ")) != 0) return r;" : ");");
        agi_c_end_line(w);
    }
}

static void put_loop(agi_c_writer *w, passage *p)
{
    const agi_scan_step *scan = p->scan;
    const bool has_row = find_operands(w, scan->inputs, scan->steps, &p->in);
    const bool copies = p->home == IN_LOCALS || p->home == IN_FRONT;
    agi_c_begin_loop(w, 't', scan->steps, true);
    declare_states(w, p);
    if (copies && p->step->saved != AGI_NO_INDEX)
        copy(w, scan->state_count, find_saved(p), find_first_state(p));
    if (!has_row || p->step->is_joined) {
        p->in = place_row(p->l.in, 0);
        take_pieces(w, scan->inputs, scan->steps, p->in, p->l.lists);
    } else {
        mention_unused(w, p, AGI_C_IN, p->in);
    }
    if (scan->check)
        call(w, p, &p->step->check, true);
    call(w, p, &p->step->body, false);
    if (copies)
        copy(w, scan->state_count, find_first_state(p), find_next_state(p));
    agi_c_end_block(w);
    if (copies)
        copy(w, scan->state_count, place_row(p->out, 0), find_first_state(p));
}

void agi_c_put_scan(agi_c_writer *w, const agi_instruction *at)
{
    const agi_records *records = &w->unit->program->records;
    const agi_scan_step *scan = &records->scans[at->more];
    const ag_program_info *info = &scan->program->info;
    const agi_c_unit *step = agi_take_c_step(w->file, w->section->multiplies, scan);
    if (step == NULL)
        return;
    passage p = {
        .scan = scan,
        .step = step,
        .home = find_home(step),
        .l = lay_out(records, scan, step, agi_c_find_scratch(w) + w->section->scratch),
        .outputs = info->map_count - scan->state_count,
    };
    gather_lists(w, scan, p.l.lists);
    const uint32_t statements = w->statements; /* a step's functions are not known the first time */
    p.out = (size_t)agi_c_define_row(w, at->out, scan->output_count).at;
    p.totals = p.out + scan->state_count + scan->steps * p.outputs;
    const bool stops = scan->check && (step->once.compares || step->check.compares);
    if (scan->check)
        w->section->compares = true;
    agi_text_put(&w->comment, "%zu steps of %s", scan->steps, step->name);
    agi_c_put_line(w, "{");
    w->depth++;
    if (stops)
        agi_c_put_line(w, "int r;");
    if (p.home == IN_LOCALS && scan->steps > 0)
        agi_c_put_line(w, "%s now[%" PRIu32 "], after[%" PRIu32 "];", agi_c_type(w),
                       scan->state_count, scan->state_count);
    if (!find_operands(w, scan->shared, 1, &p.shared)) {
        p.shared = place_row(p.l.shared, 0);
        take_pieces(w, scan->shared, 1, p.shared, 0);
    } else {
        mention_unused(w, &p, AGI_C_SHARED, p.shared);
    }
    call(w, &p, &step->once, scan->check);
    take_pieces(w, scan->state, 1, find_first_state(&p), 0);
    if (info->sum_count > 0) {
        agi_c_begin_loop(w, 'i', info->sum_count, false);
        agi_c_put_line(w, "w[%zu + i] = %s;", p.totals, agi_c_zero(w));
        w->depth--;
    }
    if (scan->steps > 0)
        put_loop(w, &p);
    for (size_t i = 0; i < info->once_count; i++)
        agi_c_put_line(w, "w[%zu] = w[%zu];", p.totals + info->sum_count + i,
                       p.l.step + step->once.places[scan->program->once_slots[i]]);
    agi_c_end_block(w);
    w->statements = statements + 10;
}
