/* SPDX-License-Identifier: MIT
 *
 * Steps: a program run again and again over one block of lanes, what comes out going in again. And
 * scans as instructions of other programs, whose lanes are the scan's, too; where parameters differ
 * from lane to lane, it is lane after lane.
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
    char *at = memory;
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
 * a space. With `lanes` of 1 in a frame of more, one of its lanes is meant. */
typedef struct border {
    const char *space[AGI_SHARED + 1];
    size_t unit[AGI_SHARED + 1];
    const agi_records *records;
    size_t size;        /* of a number */
    size_t lanes;       /* of a slot inside */
    size_t outer_lanes; /* and around */
    char *out;          /* the first output's slot */
} border;

static border open_border(const agi_frame *frame, uint32_t out, size_t lanes, size_t lane)
{
    const size_t size = frame->kernels->size;
    char *slots = (char *)frame->slots + lane * size;
    return (border){
        .space = {[AGI_SLOTS] = slots,
                  [AGI_UNIFORM] = frame->uniform,
                  [AGI_CONSTANTS] = frame->constants,
                  [AGI_SHARED] = frame->shared},
        .unit = {[AGI_SLOTS] = frame->lanes * size,
                 [AGI_UNIFORM] = size,
                 [AGI_CONSTANTS] = size,
                 [AGI_SHARED] = size},
        .records = frame->records,
        .size = size,
        .lanes = lanes,
        .outer_lanes = frame->lanes,
        .out = slots + out * frame->lanes * size,
    };
}

static inline void copy_number(char *to, const char *from, size_t size)
{
    if (size == sizeof(double))
        memcpy(to, from, sizeof(double));
    else
        memcpy(to, from, sizeof(float));
}

/* One number or slot for the inside. */
static inline void take_one(const border *b, agi_space space, const char *from, char *to)
{
    if (b->lanes == 1)
        copy_number(to, from, b->size);
    else if (space == AGI_SLOTS)
        memcpy(to, from, b->lanes * b->size);
    else
        for (size_t lane = 0; lane < b->lanes; lane++)
            copy_number(to + lane * b->size, from, b->size);
}

/* The pieces' operands at step t, side by side. */
static inline void take_pieces(const border *b, agi_pieces pieces, size_t t, char *to)
{
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
        for (uint32_t i = 0; i < piece->n; i++) {
            take_one(b, (agi_space)x.space, from, to);
            from += x.stride * unit;
            to += b->lanes * b->size;
        }
    }
}

/* n numbers or slots for the outside, where they are outputs from `first` on. */
static inline void give_outputs(const border *b, size_t first, size_t n, const char *from)
{
    char *to = b->out + first * b->outer_lanes * b->size;
    if (b->lanes == b->outer_lanes) {
        memcpy(to, from, n * b->lanes * b->size);
        return;
    }
    for (size_t i = 0; i < n; i++, to += b->outer_lanes * b->size)
        copy_number(to, from + i * b->size, b->size);
}

/* ---- Scans as instructions -------------------------------------------------------------------- */

agi_scratch agi_scan_scratch(const agi_scan_step *scan)
{
    enum {
        GAPS = 8 * AGI_ALIGNMENT / sizeof(float) /* more than there are between the parts */
    };
    const ag_program *program = scan->program;
    const uint32_t body = program->body.slots, check = program->check.slots;
    return (agi_scratch){
        .lanes = (body > check ? body : check) + program->scratch_lanes + 2 * count_ends(program),
        .fixed = program->once.slots + program->scratch_fixed + program->info.shared_count +
                 program->info.sum_count + GAPS,
    };
}

/* The scan's parameters as numbers side by side: where they are, or copied. */
static const void *find_shared(const agi_scan_step *scan, const border *b, char *copy)
{
    const agi_piece *piece = b->records->pieces + scan->shared.first;
    const bool beside = scan->shared.count == 1 && (piece->n == 1 || piece->x.stride == 1) &&
                        b->unit[piece->x.space] == b->size;
    if (beside)
        return b->space[piece->x.space] + piece->x.at * b->size;
    border numbers = *b;
    numbers.lanes = 1;
    take_pieces(&numbers, scan->shared, 0, copy);
    return copy;
}

static void run_steps(const agi_scan_step *scan, const border *b, agi_steps *steps)
{
    const size_t row = b->lanes * b->size, state = scan->state_count;
    const size_t outputs = scan->program->info.map_count - state;
    take_pieces(b, scan->state, 0, steps->in);
    for (size_t t = 0; t < scan->steps; t++) {
        take_pieces(b, scan->inputs, t, (char *)steps->in + state * row);
        if (scan->check)
            agi_check_step(steps);
        agi_take_step(steps);
        if (outputs > 0)
            give_outputs(b, state + t * outputs, outputs, (char *)steps->out + state * row);
        agi_turn_steps(steps);
    }
    give_outputs(b, 0, state, steps->in);
}

/* Outputs of a call that are computed once: numbers, also where the others are slots. */
static void give_once(const agi_scan_step *scan, const border *b, const agi_steps *steps,
                      size_t first)
{
    const ag_program *program = scan->program;
    for (size_t i = 0; i < program->info.once_count; i++) {
        const char *from = (const char *)steps->frame.uniform + program->once_slots[i] * b->size;
        char *to = b->out + (first + i) * b->outer_lanes * b->size;
        take_one(b, AGI_UNIFORM, from, to);
    }
}

/* Over `lanes` lanes from `lane` on, `count` of them samples: all lanes of the frame, or one. */
static void run_lanes(const agi_scan_step *scan, uint32_t out, agi_frame *frame, size_t lane,
                      size_t lanes, size_t count)
{
    const border b = open_border(frame, out, lanes, lane);
    const ag_program_info *info = &scan->program->info;
    const size_t first_total =
        scan->state_count + scan->steps * (info->map_count - scan->state_count);
    char *memory = frame->scratch;
    char *shared = memory;
    char *totals = shared + align(info->shared_count * b.size);
    char *own = totals + align(info->sum_count * b.size);
    const bool direct = b.lanes == b.outer_lanes;
    if (direct)
        totals = b.out + first_total * lanes * b.size;
    agi_steps steps;
    agi_begin_steps(&steps, scan->program, frame->kernels, lanes, count,
                    find_shared(scan, &b, shared), totals, own);
    if (scan->steps == 0)
        memset(totals, 0, info->sum_count * lanes * b.size);
    run_steps(scan, &b, &steps);
    if (!direct)
        give_outputs(&b, first_total, info->sum_count, totals);
    give_once(scan, &b, &steps, first_total + info->sum_count);
    if (!scan->check || steps.frame.failed_lane == SIZE_MAX ||
        lane + steps.frame.failed_lane >= frame->failed_lane)
        return;
    frame->failed_lane = lane + steps.frame.failed_lane;
    frame->failed_text = steps.frame.failed_text;
    frame->failed_outcome = steps.frame.failed_outcome;
    memcpy(frame->failed_operands, steps.frame.failed_operands, sizeof(frame->failed_operands));
}

/* Lanes that only pad get the last sample's results. */
static void fill_padding(const agi_scan_step *scan, uint32_t out, agi_frame *frame)
{
    const size_t size = frame->kernels->size;
    char *slot = (char *)frame->slots + out * frame->lanes * size;
    for (uint32_t i = 0; i < scan->output_count; i++, slot += frame->lanes * size)
        for (size_t lane = frame->count; lane < frame->lanes; lane++)
            copy_number(slot + lane * size, slot + (frame->count - 1) * size, size);
}

void agi_run_scan(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_scan_step *scan = &frame->records->scans[instruction->more];
    if (frame->lanes == 1 || !scan->varies) {
        run_lanes(scan, instruction->out, frame, 0, frame->lanes, frame->count);
        return;
    }
    for (size_t lane = 0; lane < frame->count; lane++)
        run_lanes(scan, instruction->out, frame, lane, 1, 1);
    fill_padding(scan, instruction->out, frame);
}
