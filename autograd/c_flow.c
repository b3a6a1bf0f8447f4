/* SPDX-License-Identifier: MIT
 *
 * The zero rule in a program's own code. chain is 0 where its upstream is 0, whatever the local
 * gradient; as a plain product it is NaN where that is infinite or NaN, and the same otherwise. Such a
 * NaN comes out at the end, if nothing on the way looks at it: then it is enough to look at what
 * outputs read, and to leave the section to the interpreter where there is one. Here is who looks.
 *
 * A number is doubtful where it may be such a NaN, or a 0 of the other sign.
 */
#include "c_section.h"

#include <string.h>

enum {
    MOST_ROUNDS = 16 /* of a scan's states; then all are doubtful */
};

/* What doubts mean in a section's array. */
enum {
    DOUBT = 1,
    LOOKED_AT
};

/* ---- Numbers --------------------------------------------------------------------------------- */

/* A program at work: which numbers are doubtful. NULL: none. */
typedef struct flow {
    agi_c_file *file; /* whose memory it takes */
    const ag_program *program;
    const uint8_t *shared, *each;
    uint8_t *sum, *map, *uniform, *slots;
    uint8_t
        *reads; /* outputs have begun: of each slot, whether they read it while it is doubtful */
    bool multiplies; /* there is a chain */
    bool fails;      /* somebody looks at a doubtful number, or the file has failed */
} flow;

static bool is_doubtful(flow *f, agi_vector v, int64_t i)
{
    const size_t at = (size_t)(v.at + i * v.stride);
    switch ((agi_space)v.space) {
    case AGI_SLOTS:
        if (f->reads != NULL && f->slots[at])
            f->reads[at] = DOUBT;
        return f->slots[at];
    case AGI_UNIFORM:
        return f->uniform != NULL && f->uniform[at];
    case AGI_SHARED:
        return f->shared != NULL && f->shared[at];
    default:
        return false;
    }
}

/* One of n, n_2 times at a second stride. All are looked at, since outputs may read them. */
static bool is_any_doubtful(flow *f, agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    bool is_any = false;
    for (uint32_t j = 0; j < n_2; j++, v.at += (uint32_t)second)
        for (uint32_t i = 0; i < n; i++)
            is_any = is_doubtful(f, v, i) || is_any;
    return is_any;
}

static agi_vector find_element(const flow *f, const agi_elements *e, uint32_t i)
{
    if (e->list == AGI_NO_INDEX)
        return agi_c_element(e->vector, i);
    return (agi_vector){f->program->records.lists[e->list + i], 0, e->vector.space};
}

static bool is_element_doubtful(flow *f, const agi_elements *e)
{
    bool is_any = false;
    for (uint32_t i = 0; i < e->n; i++)
        is_any = is_doubtful(f, find_element(f, e, i), 0) || is_any;
    return is_any;
}

/* Once outputs have begun, what they read has been looked at, and chain is what it says. */
static void set_doubt(flow *f, uint32_t slot, bool is_set)
{
    f->slots[slot] = is_set && f->reads == NULL;
}

static bool meets_chain(flow *f)
{
    f->multiplies = f->multiplies || f->reads == NULL;
    return f->reads == NULL;
}

static void look(flow *f)
{
    f->fails = f->fails || f->reads == NULL;
}

/* ---- Instructions ----------------------------------------------------------------------------- */

static void follow_gate(flow *f, const agi_instruction *at)
{
    const bool is_chain = (at->op == AGI_chain || at->op == AGI_couple) && meets_chain(f);
    for (uint32_t i = 0; i < at->n; i++) {
        bool doubt = is_chain;
        for (uint32_t k = 0; k < agi_count_operands(at->op); k++) {
            if (!is_doubtful(f, at->x[k], i))
                continue;
            doubt = true;
            if (!is_chain && !agi_c_hands_on(at->op, k))
                look(f);
        }
        if (!agi_compares(at->op))
            set_doubt(f, at->out + i, doubt);
    }
}

/* A closure may do anything, and isn't called twice. */
static void follow_fold(flow *f, const agi_instruction *at)
{
    const agi_fold *fold = &f->program->records.folds[at->more];
    bool doubt = is_element_doubtful(f, &fold->x);
    if (agi_gate_forms[at->op] == AGI_FORM_VALUES)
        doubt = is_element_doubtful(f, &fold->w) || doubt;
    if (at->op == AGI_CLOSURE || (doubt && !agi_c_hands_on(at->op, 0)))
        f->fails = true;
    set_doubt(f, at->out, doubt);
}

static void follow_products(flow *f, const agi_instruction *at)
{
    const agi_factors *factors = agi_factors_of(&f->program->records, at);
    for (uint32_t i = 0; i < at->n; i++) {
        bool doubt = false;
        for (uint32_t t = 0; t < at->terms; t++) {
            const agi_factors *of = &factors[t];
            if (of->chain)
                doubt = meets_chain(f) || doubt;
            doubt = is_any_doubtful(f, agi_c_element(of->p, i), 1, of->p_step, of->repeat) || doubt;
            doubt = is_any_doubtful(f, agi_c_element(of->q, i), 1, of->q_step, of->repeat) || doubt;
        }
        set_doubt(f, at->out + i, doubt);
    }
}

static void follow_affine(flow *f, const agi_instruction *at)
{
    const agi_affine *a = &f->program->records.affine[at->more];
    const bool is_chain = a->chain && meets_chain(f);
    const bool begins = is_element_doubtful(f, &a->x) || is_chain;
    for (uint32_t i = 0; i < a->m; i++) {
        const agi_vector row = {a->p.at + i * (uint32_t)a->row_stride, a->column_stride,
                                a->p.space};
        bool doubt = is_any_doubtful(f, row, a->k, 0, 1) || begins;
        doubt = is_doubtful(f, a->bias, i) || doubt;
        doubt = (a->add && is_doubtful(f, (agi_vector){at->out, 1, AGI_SLOTS}, i)) || doubt;
        set_doubt(f, at->out + i, doubt);
    }
}

static void follow_outputs(flow *f, const agi_instruction *at)
{
    uint8_t *to = at->op == AGI_OP_SUMS ? f->sum : f->map;
    for (uint32_t i = 0; i < at->n; i++)
        if (is_doubtful(f, at->x[0], i) && to != NULL)
            to[at->out + i * (uint32_t)at->out_stride] = true;
}

static void follow_outer(flow *f, const agi_instruction *at)
{
    const agi_outer *o = &f->program->records.outer[at->more];
    bool doubt = o->chain != AGI_CHAIN_NONE && meets_chain(f);
    doubt = is_element_doubtful(f, &o->a) || doubt;
    if (o->b_each == AGI_NO_INDEX)
        doubt = is_element_doubtful(f, &o->b) || doubt;
    else
        for (uint32_t j = 0; j < o->k && f->each != NULL; j++)
            doubt = f->each[o->b_each + j] || doubt;
    for (uint32_t i = 0; i < o->m && doubt && f->sum != NULL; i++)
        for (uint32_t j = 0; j < o->k; j++)
            f->sum[o->out + i * (uint32_t)o->row_stride + j * (uint32_t)o->column_stride] = true;
}

/* ---- Scans ----------------------------------------------------------------------------------- */

static void follow_program(flow *f);

/* Which operands are doubtful at one of the steps, in `to`. */
static void follow_pieces(flow *f, agi_pieces pieces, size_t steps, uint8_t *to)
{
    const agi_records *records = &f->program->records;
    const agi_piece *piece = records->pieces + pieces.first;
    for (uint32_t k = 0; k < pieces.count; k++, to += piece->n, piece++) {
        for (size_t t = 0; piece->list != AGI_NO_INDEX && t < steps; t++) {
            const uint32_t *entry = records->lists + piece->list + 2 * t;
            to[0] |= is_doubtful(f, (agi_vector){entry[1], 0, (uint8_t)entry[0]}, 0);
        }
        const uint32_t times = piece->step == 0 ? 1 : (uint32_t)steps;
        for (uint32_t i = 0; i < piece->n && piece->list == AGI_NO_INDEX; i++)
            to[i] |= is_any_doubtful(f, agi_c_element(piece->x, i), 1, piece->step, times);
    }
}

/* Whatever is doubtful after a step is so before the next. */
static void follow_steps(flow *step, uint8_t *each, size_t state)
{
    for (uint32_t round = 0;; round++) {
        bool is_more = false;
        follow_program(step);
        for (size_t i = 0; i < state; i++) {
            is_more = is_more || (step->map[i] && !each[i]);
            each[i] |= step->map[i];
        }
        if (!is_more || step->fails)
            return;
        if (round == MOST_ROUNDS)
            memset(each, true, state);
    }
}

/* Where everything of a scan's results is: as agi_scan says. */
static void set_results(flow *f, const agi_instruction *at, const agi_scan_step *scan,
                        const flow *step)
{
    const ag_program_info *info = &scan->program->info;
    const size_t state = scan->state_count;
    uint32_t out = at->out;
    for (size_t i = 0; i < state; i++)
        set_doubt(f, out++, step->each[i]);
    for (size_t t = 0; t < scan->steps; t++)
        for (size_t i = state; i < info->map_count; i++)
            set_doubt(f, out++, step->map[i]);
    for (size_t i = 0; i < info->sum_count; i++)
        set_doubt(f, out++, step->sum[i]);
    for (size_t i = 0; i < info->once_count; i++)
        set_doubt(f, out++, step->uniform[scan->program->once_slots[i]]);
}

/* What the interpreter runs has closures. */
static void follow_scan(flow *f, const agi_instruction *at)
{
    const agi_scan_step *scan = &f->program->records.scans[at->more];
    const ag_program_info *info = &scan->program->info;
    const size_t uniform = scan->program->once.slots, slots = scan->program->body.slots;
    const size_t n =
        info->shared_count + info->each_count + info->sum_count + info->map_count + uniform + slots;
    if (agi_is_scan_left(AGI_C_SINGLE, scan)) {
        f->fails = true;
        return;
    }
    uint8_t *all = AGI_NEW_ARRAY(f->file->memory, n, uint8_t);
    if (all == NULL) {
        f->fails = f->file->failed = true;
        return;
    }
    memset(all, 0, n);
    uint8_t *shared = all, *each = shared + info->shared_count;
    flow step = {
        .file = f->file,
        .program = scan->program,
        .shared = shared,
        .each = each,
        .sum = each + info->each_count,
    };
    step.map = step.sum + info->sum_count;
    step.uniform = step.map + info->map_count;
    step.slots = step.uniform + uniform;
    follow_pieces(f, scan->shared, 1, shared);
    follow_pieces(f, scan->state, 1, each);
    follow_pieces(f, scan->inputs, scan->steps, each + scan->state_count);
    follow_steps(&step, each, scan->state_count);
    set_results(f, at, scan, &step);
    f->multiplies = f->multiplies || step.multiplies;
    f->fails = f->fails || step.fails;
    agi_free_array(f->file->memory, all, n, sizeof(*all));
}

/* ---- Programs -------------------------------------------------------------------------------- */

static void follow(flow *f, const agi_instruction *at)
{
    switch (at->op) {
    case AGI_OP_LOAD:
        for (uint32_t i = 0; i < at->n; i++)
            set_doubt(f, at->out + i, f->each != NULL && f->each[at->x[0].at + i]);
        return;
    case AGI_OP_STORE:
    case AGI_OP_SUMS:
        follow_outputs(f, at);
        return;
    case AGI_OP_PRODUCTS:
        follow_products(f, at);
        return;
    case AGI_OP_AFFINE:
        follow_affine(f, at);
        return;
    case AGI_OP_OUTER:
        follow_outer(f, at);
        return;
    case AGI_OP_SCAN:
        follow_scan(f, at);
        return;
    default:
        break;
    }
    if (agi_is_fold(at->op))
        follow_fold(f, at);
    else
        follow_gate(f, at);
}

/* A step: what is computed once, and the rest of it. */
static void follow_program(flow *f)
{
    uint8_t *const slots = f->slots;
    f->slots = f->uniform;
    for (uint32_t i = 0; i < f->program->once.count && !f->fails; i++)
        follow(f, &f->program->once.instructions[i]);
    f->slots = slots;
    for (uint32_t i = 0; i < f->program->body.count && !f->fails; i++)
        follow(f, &f->program->body.instructions[i]);
}

static bool is_output(uint8_t op)
{
    return op == AGI_OP_STORE || op == AGI_OP_SUMS || op == AGI_OP_OUTER;
}

void agi_find_c_doubts(agi_c_unit *unit)
{
    agi_c_section *section = &unit->body;
    const agi_section *of = section->section;
    agi_memory *memory = unit->file->memory;
    uint8_t *slots = AGI_NEW_ARRAY(memory, of->slots, uint8_t);
    uint8_t *reads = AGI_NEW_ARRAY(memory, of->slots, uint8_t);
    flow f = {.file = unit->file, .program = unit->program, .slots = slots};
    f.fails = slots == NULL || reads == NULL;
    unit->file->failed = unit->file->failed || f.fails;
    if (!f.fails) {
        memset(slots, 0, of->slots);
        memset(reads, 0, of->slots);
    }
    for (uint32_t i = 0; i < of->count && !f.fails; i++) {
        if (f.reads == NULL && is_output(of->instructions[i].op)) {
            f.reads = reads;
            section->outputs = i;
        }
        follow(&f, &of->instructions[i]);
    }
    section->multiplies = f.multiplies && !f.fails;
    if (section->multiplies) {
        section->doubts = reads;
        reads = NULL;
    }
    agi_free_array(memory, slots, of->slots, sizeof(*slots));
    if (reads != NULL)
        agi_free_array(memory, reads, of->slots, sizeof(*reads));
}

/* ---- Looking --------------------------------------------------------------------------------- */

/* The first of n slots that has to be looked at, from i on; n: none. */
static uint32_t find_doubt(const agi_c_section *section, agi_vector v, uint32_t i, uint32_t n)
{
    while (i < n && section->doubts[v.at + (int64_t)i * v.stride] != DOUBT)
        i++;
    return i;
}

static void clear_doubts(agi_c_writer *w, agi_vector v, uint32_t n)
{
    for (uint32_t i = find_doubt(w->section, v, 0, n); i < n;
         i = find_doubt(w->section, v, i + 1, n))
        w->section->doubts[v.at + (int64_t)i * v.stride] = LOOKED_AT;
}

void agi_c_renew_doubts(agi_c_section *section)
{
    for (uint32_t i = 0; section->doubts != NULL && i < section->section->slots; i++)
        section->doubts[i] = section->doubts[i] != 0 ? DOUBT : 0;
}

void agi_c_check(agi_c_writer *w, agi_vector v, uint32_t n, const char *number, bool is_loop)
{
    if (w->section->doubts == NULL || v.space != AGI_SLOTS || find_doubt(w->section, v, 0, n) == n)
        return;
    agi_c_use(w, AGI_C_BAD);
    agi_text_put(&w->line, is_loop ? "if (%s != %s) bad = 1;" : "bad |= %s != %s;", number, number);
    if (is_loop)
        agi_c_put_in_loop(w);
    else
        agi_c_end_line(w);
    w->loop.checks = w->loop.checks || is_loop;
    clear_doubts(w, v, n);
}

static void check_row(agi_c_writer *w, agi_vector row, uint32_t n)
{
    char number[AGI_C_OPERAND];
    if (find_doubt(w->section, row, 0, n) == n)
        return;
    if (n > AGI_C_FEW && agi_c_are_in_memory(w, row, n)) {
        agi_c_cut(w);
        agi_c_enter_loop(w, n, agi_c_can_read(w, n, row));
        agi_c_put_element_of(w, number, row);
        agi_c_check(w, row, n, number, true);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const agi_vector one = agi_c_element(row, i);
        agi_c_cut(w);
        agi_c_put_number(w, number, one);
        agi_c_check(w, one, 1, number, false);
    }
}

/* As the sums have them, which may be as a loop has computed them. */
static void check_sums(agi_c_writer *w)
{
    const agi_section *section = w->section->section;
    for (uint32_t i = w->section->outputs; i < section->count; i++) {
        const agi_instruction *at = &section->instructions[i];
        if (at->op == AGI_OP_SUMS && at->x[0].space == AGI_SLOTS)
            check_row(w, at->x[0], at->n);
    }
}

void agi_c_settle(agi_c_writer *w)
{
    const agi_c_section *section = w->section;
    const uint32_t slots = section->section->slots;
    if (w->is_settled)
        return;
    w->is_settled = true;
    check_sums(w);
    agi_vector row = {0, 1, AGI_SLOTS};
    for (uint32_t n; (row.at += find_doubt(section, row, 0, slots - row.at)) < slots; row.at += n) {
        for (n = 1; row.at + n < slots && section->doubts[row.at + n] == DOUBT;)
            n++;
        check_row(w, row, n);
    }
    if (w->function >= section->uses_count || (section->uses[w->function] & AGI_C_BAD) == 0)
        return;
    agi_c_end_loop(w);
    agi_c_put_line(w, "if (bad != 0) return 1;");
}
