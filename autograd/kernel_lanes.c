/* SPDX-License-Identifier: MIT
 *
 * LOAD, STORE, SUMS and OUTER inside a scan: each inputs, map outputs and totals are slots of the
 * program around it, so lanes stay what they are and nothing is added up across them.
 */
#include "kernel.h"

/* One slot's lanes from another's, or a number for all of them. */
static inline vec read_lanes(const num *from, uint8_t space, size_t lane)
{
    return space == AGI_SLOTS ? load(from + lane) : splat(*from);
}

static void load_lanes(const agi_instruction *instruction, agi_frame *frame)
{
    const size_t lanes = frame->lanes;
    memcpy((num *)frame->slots + instruction->out * lanes,
           (const num *)frame->each + instruction->x[0].at * lanes,
           instruction->n * lanes * sizeof(num));
}

static void store_lanes(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_vector x = instruction->x[0];
    const num *from = locate(frame, x);
    num *to = (num *)frame->map + instruction->out * frame->lanes;
    for (uint32_t i = 0; i < instruction->n; i++) {
        for (size_t lane = 0; lane < frame->lanes; lane += WIDTH)
            store(to + lane, read_lanes(from, x.space, lane));
        from += step_of(frame, x);
        to += instruction->out_stride * (ptrdiff_t)frame->lanes;
    }
}

/* Of totals of which nothing is there yet, or to which more is added. */
static inline void add_lanes(num *total, vec more, bool set)
{
    store(total, set ? more : load(total) + more);
}

static void sum_lanes(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_vector x = instruction->x[0];
    const bool set = instruction->first && !frame->add;
    const num *from = locate(frame, x);
    num *to = (num *)frame->totals + instruction->out * frame->lanes;
    for (uint32_t i = 0; i < instruction->n; i++) {
        for (size_t lane = 0; lane < frame->lanes; lane += WIDTH)
            add_lanes(to + lane, read_lanes(from, x.space, lane), set);
        from += step_of(frame, x);
        to += instruction->out_stride * (ptrdiff_t)frame->lanes;
    }
}

static void multiply_lanes(const agi_outer *outer, const num *a, const num *b, num *total,
                           const agi_frame *frame)
{
    const bool set = outer->first && !frame->add;
    const vec factor = splat((num)outer->factor);
    for (size_t lane = 0; lane < frame->lanes; lane += WIDTH) {
        const vec p = read_lanes(a, outer->a.vector.space, lane);
        const vec q = read_lanes(b, outer->b.vector.space, lane);
        const mask none = outer->chain == AGI_CHAIN_A   ? p == (vec){0}
                          : outer->chain == AGI_CHAIN_B ? q == (vec){0}
                                                        : (mask){0};
        add_lanes(total + lane, factor * choose(none, (vec){0}, p * q), set);
    }
}

static void outer_lanes(const agi_outer *outer, agi_frame *frame)
{
    const ptrdiff_t lanes = (ptrdiff_t)frame->lanes;
    num *row = (num *)frame->totals + (ptrdiff_t)outer->out * lanes;
    for (uint32_t i = 0; i < outer->m; i++, row += outer->row_stride * lanes) {
        const num *a = locate_element(frame, &outer->a, i);
        num *total = row;
        for (uint32_t j = 0; j < outer->k; j++, total += outer->column_stride * lanes)
            multiply_lanes(outer, a, locate_element(frame, &outer->b, j), total, frame);
    }
}

void AGI_KERNEL(lanes)(const agi_instruction *instruction, agi_frame *frame)
{
    switch (instruction->op) {
    case AGI_OP_LOAD:
        load_lanes(instruction, frame);
        break;
    case AGI_OP_STORE:
        store_lanes(instruction, frame);
        break;
    case AGI_OP_SUMS:
        sum_lanes(instruction, frame);
        break;
    default:
        outer_lanes(frame->records->outer + instruction->more, frame);
        break;
    }
}
