/* SPDX-License-Identifier: MIT
 *
 * Steps: a program run again and again over one block of lanes, what comes out going in again. And
 * scans as instructions of other programs, whose lanes are the scan's, too.
 */
#include "scan.h"

#include <string.h>

/* ---- Steps ----------------------------------------------------------------------------------- */

static size_t count_ends(const ag_program *program)
{
    const ag_program_info *info = &program->info;
    return info->each_count > info->map_count ? info->each_count : info->map_count;
}

static size_t align(size_t size)
{
    return (size + AGI_ALIGNMENT - 1) & ~(size_t)(AGI_ALIGNMENT - 1);
}

size_t agi_measure_steps(const ag_program *program, size_t lanes, size_t size)
{
    const uint64_t block = agi_measure_block(program, lanes, size);
    const uint64_t uniform = agi_measure_uniform(program, size);
    const uint64_t ends = (uint64_t)count_ends(program) * lanes * size + AGI_ALIGNMENT;
    return block + uniform + 2 * ends < SIZE_MAX ? (size_t)(block + uniform + 2 * ends) : SIZE_MAX;
}

void agi_begin_steps(agi_steps *steps, const ag_program *program, const agi_kernels *kernels,
                     size_t lanes, size_t count, const void *shared, void *totals, void *memory)
{
    char *at = (char *)memory;
    void *uniform = at;
    at += agi_measure_uniform(program, kernels->size);
    void *block = at;
    at += agi_measure_block(program, lanes, kernels->size);
    steps->program = program;
    steps->in = at;
    steps->out = at + align(count_ends(program) * lanes * kernels->size);
    steps->frame = (agi_frame){.kernels = kernels, .shared = shared, .failed_lane = SIZE_MAX};
    agi_frame *frame = &steps->frame;
    agi_enter_block(frame, program, lanes, block);
    if (program->once.count > 0)
        agi_run_once(program, uniform, frame);
    agi_enter_block(frame, program, lanes, block);
    frame->uniform = uniform;
    frame->lanes = lanes;
    frame->count = count;
    frame->by_lanes = lanes > 1;
    frame->each = steps->in;
    frame->map = steps->out;
    frame->totals = totals;
}

/* ---- Between a program's slots and a scan's --------------------------------------------------- */

/* Where operands are in the frame of the program around, and how far it is from one to the next in
 * a space. */
typedef struct border {
    const char *space[AGI_SHARED + 1];
    size_t unit[AGI_SHARED + 1];
    const agi_records *records;
    size_t size;  /* of a number */
    size_t lanes; /* of a slot */
    char *out;    /* the first output's slot */
} border;

static border open_border(const agi_frame *frame, uint32_t out)
{
    const size_t size = frame->kernels->size;
    return (border){
        .space = {[AGI_NOWHERE] = NULL,
                  [AGI_SLOTS] = (const char *)frame->slots,
                  [AGI_UNIFORM] = (const char *)frame->uniform,
                  [AGI_CONSTANTS] = (const char *)frame->constants,
                  [AGI_SHARED] = (const char *)frame->shared},
        .unit = {[AGI_NOWHERE] = 0,
                 [AGI_SLOTS] = frame->lanes * size,
                 [AGI_UNIFORM] = size,
                 [AGI_CONSTANTS] = size,
                 [AGI_SHARED] = size},
        .records = frame->records,
        .size = size,
        .lanes = frame->lanes,
        .out = (char *)frame->slots + out * frame->lanes * size,
    };
}

static inline void copy_number(char *to, const char *from, size_t size)
{
    if (size == sizeof(double))
        memcpy(to, from, sizeof(double));
    else
        memcpy(to, from, sizeof(float));
}

/* One slot, all lanes alike if it comes from elsewhere; or a number. */
static inline void take_one(const border *b, agi_space space, const char *from, char *to,
                            size_t lanes)
{
    if (lanes == 1)
        copy_number(to, from, b->size);
    else if (space == AGI_SLOTS)
        memcpy(to, from, lanes * b->size);
    else
        for (size_t lane = 0; lane < lanes; lane++)
            copy_number(to + lane * b->size, from, b->size);
}

/* The pieces' operands at step t, side by side, as slots of so many lanes. */
static inline void take_pieces(const border *b, agi_pieces pieces, size_t t, char *to, size_t lanes)
{
    enum {
        MANY = 8 /* numbers, for a call that copies */
    };
    const agi_piece *piece = b->records->pieces + pieces.first;
    for (uint32_t k = 0; k < pieces.count; k++, piece++) {
        agi_vector x = piece->x;
        if (piece->list != AGI_NO_INDEX) {
            const uint32_t *entry = b->records->lists + piece->list + 2 * t;
            x = (agi_vector){entry[1], 0, (uint8_t)entry[0]};
        }
        const ptrdiff_t unit = (ptrdiff_t)b->unit[x.space];
        const ptrdiff_t at = (ptrdiff_t)x.at + (ptrdiff_t)t * piece->step;
        const char *from = b->space[x.space] + at * unit;
        if (lanes == 1 && x.stride * unit == (ptrdiff_t)b->size && piece->n > MANY) {
            memcpy(to, from, piece->n * b->size);
            to += piece->n * b->size;
            continue;
        }
        for (uint32_t i = 0; i < piece->n; i++) {
            take_one(b, (agi_space)x.space, from, to, lanes);
            from += x.stride * unit;
            to += lanes * b->size;
        }
    }
}

/* n slots for the outside, where they are outputs from `first` on. */
static inline void give_outputs(const border *b, size_t first, size_t n, const void *from)
{
    const size_t slot = b->lanes * b->size;
    memcpy(b->out + first * slot, from, n * slot);
}

/* ---- Scans as instructions -------------------------------------------------------------------- */

static agi_scratch measure_scratch(const ag_program *program)
{
    enum {
        GAPS = 8 * AGI_ALIGNMENT / sizeof(float) /* more than there are between the parts */
    };
    const uint32_t body = program->body.slots, check = program->check.slots;
    const size_t imports = (size_t)program->body.imports_count + program->check.imports_count +
                           program->once.imports_count;
    return (agi_scratch){
        .lanes = (body > check ? body : check) + program->scratch_lanes + 2 * count_ends(program),
        .fixed = imports + program->once.slots + program->scratch_fixed +
                 program->info.shared_count + GAPS,
    };
}

agi_scratch agi_scan_scratch(const agi_scan_step *scan)
{
    agi_scratch need = measure_scratch(scan->program);
    if (scan->by_lanes == NULL)
        return need;
    const agi_scratch other = measure_scratch(scan->by_lanes);
    need.lanes = other.lanes > need.lanes ? other.lanes : need.lanes;
    need.fixed = other.fixed > need.fixed ? other.fixed : need.fixed;
    return need;
}

/* A scan in a block of a program. */
typedef struct passage {
    const agi_scan_step *scan;
    const ag_program *program; /* the scan's, or its by_lanes */
    struct border border;
    size_t state, inputs, outputs;
    size_t first_total;
} passage;

/* Parameters as numbers side by side: where they are, or copied. */
static const void *find_shared(const passage *p, char *copy)
{
    const border *b = &p->border;
    const agi_pieces pieces = p->scan->shared;
    const agi_piece *piece = b->records->pieces + pieces.first;
    if (pieces.count == 1 && (piece->n == 1 || piece->x.stride == 1))
        return b->space[piece->x.space] + piece->x.at * b->size;
    take_pieces(b, pieces, 0, copy, 1);
    return copy;
}

static void run_steps(const passage *p, agi_steps *steps)
{
    const border *b = &p->border;
    const agi_scan_step *scan = p->scan;
    const size_t slot = b->lanes * b->size;
    const size_t own = p->state + p->inputs; /* behind which come parameters of each lane */
    take_pieces(b, scan->state, 0, (char *)steps->in, b->lanes);
    for (size_t t = 0; t < scan->steps; t++) {
        char *in = (char *)steps->in;
        take_pieces(b, scan->inputs, t, in + p->state * slot, b->lanes);
        if (p->program != scan->program)
            take_pieces(b, scan->shared, 0, in + own * slot, b->lanes);
        if (scan->check)
            agi_check_step(steps);
        agi_take_step(steps);
        if (p->outputs > 0)
            give_outputs(b, p->state + t * p->outputs, p->outputs,
                         (char *)steps->out + p->state * slot);
        agi_turn_steps(steps);
    }
    give_outputs(b, 0, p->state, steps->in);
}

/* Outputs of a call that are computed once: numbers, also where the others are slots. */
static void give_once(const passage *p, const agi_steps *steps)
{
    const border *b = &p->border;
    char *to = b->out + (p->first_total + p->program->info.sum_count) * b->lanes * b->size;
    for (size_t i = 0; i < p->program->info.once_count; i++, to += b->lanes * b->size)
        take_one(b, AGI_UNIFORM,
                 (const char *)steps->frame.uniform + p->program->once_slots[i] * b->size, to,
                 b->lanes);
}

void agi_run_scan(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_scan_step *scan = &frame->records->scans[instruction->more];
    const ag_program_info *info = &scan->program->info;
    passage p = {
        .scan = scan,
        .program = frame->lanes > 1 && scan->by_lanes != NULL ? scan->by_lanes : scan->program,
        .border = open_border(frame, instruction->out),
        .state = scan->state_count,
        .inputs = info->each_count - scan->state_count,
        .outputs = info->map_count - scan->state_count,
    };
    const size_t slot = p.border.lanes * p.border.size;
    p.first_total = p.state + scan->steps * p.outputs;
    char *totals = p.border.out + p.first_total * slot;
    char *copy = (char *)frame->scratch, *memory = copy;
    const void *shared = NULL;
    if (p.program == scan->program) {
        memory += align(info->shared_count * p.border.size);
        shared = find_shared(&p, copy);
    }
    agi_steps steps;
    agi_begin_steps(&steps, p.program, frame->kernels, p.border.lanes, frame->count, shared, totals,
                    memory);
    if (scan->steps == 0)
        memset(totals, 0, p.program->info.sum_count * slot);
    run_steps(&p, &steps);
    give_once(&p, &steps);
    if (!scan->check || steps.frame.failed_lane >= frame->failed_lane)
        return;
    frame->failed_lane = steps.frame.failed_lane;
    frame->failed_text = steps.frame.failed_text;
    frame->failed_outcome = steps.frame.failed_outcome;
    memcpy(frame->failed_operands, steps.frame.failed_operands, sizeof(frame->failed_operands));
}
