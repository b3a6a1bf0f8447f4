/* SPDX-License-Identifier: MIT
 *
 * Results and operands of instructions that work number by number, as rows and columns: with lanes,
 * a row is an element and a column a lane; with a single lane there is one row, of all elements.
 */
#ifndef WENGERT_KERNEL_GRID_H
#define WENGERT_KERNEL_GRID_H

#include "kernel.h"

typedef struct grid {
    size_t rows, columns;
} grid;

/* Number (r, c) is at[r * row + c * column]. */
typedef struct source {
    const num *at;
    ptrdiff_t row, column;
} source;

/* Where each space begins; a factor that is nowhere is 1. */
typedef struct spaces {
    const num *of[AGI_SHARED + 1];
    ptrdiff_t lanes;
} spaces;

/* With a single lane; kernel_gates.c: an AGI_STEP_RUN; kernel_terms.c: sums of products. */
void AGI_KERNEL(run)(const uint32_t *words, num *slots, const spaces *s);
void AGI_KERNEL(products)(const agi_instruction *instruction, const agi_frame *frame,
                          const spaces *s);

static inline grid make_grid(const agi_frame *frame, uint32_t n)
{
    return frame->lanes == 1 ? (grid){1, n} : (grid){n, frame->lanes};
}

static inline spaces find_spaces(const agi_frame *frame)
{
    static const num one = 1;
    return (spaces){{[AGI_NOWHERE] = &one,
                     [AGI_SLOTS] = (const num *)frame->slots,
                     [AGI_UNIFORM] = (const num *)frame->uniform,
                     [AGI_CONSTANTS] = (const num *)frame->constants,
                     [AGI_SHARED] = (const num *)frame->shared},
                    (ptrdiff_t)frame->lanes};
}

/* A factor that is nowhere has a place and strides of 0. */
static inline source find_source(const spaces *s, agi_vector v)
{
    const bool in_lanes = v.space == AGI_SLOTS && s->lanes > 1;
    const ptrdiff_t size = in_lanes ? s->lanes : 1;
    assert(v.space != AGI_NOWHERE || (v.at == 0 && v.stride == 0));
    return (source){s->of[v.space] + (ptrdiff_t)v.at * size, s->lanes == 1 ? 0 : v.stride * size,
                    s->lanes == 1 ? v.stride : in_lanes};
}

static inline const num *find_place(source from, size_t row, size_t column)
{
    return from.at + (ptrdiff_t)row * from.row + (ptrdiff_t)column * from.column;
}

/* From a place to another so many elements further. */
static inline ptrdiff_t find_step(const spaces *s, uint8_t space, int32_t elements)
{
    return space == AGI_SLOTS ? elements * s->lanes : elements;
}

/* Whether the rows are one long row, too. */
static inline bool is_flat(source from, grid shape)
{
    return shape.rows == 1 || from.row == from.column * (ptrdiff_t)shape.columns;
}

static inline grid flatten(grid shape)
{
    return (grid){1, shape.rows * shape.columns};
}

/* F(0), F(1), ...: one for each number of a vector */
#if AGI_VECTOR_BYTES * 8 / AGI_BITS == 2
#define EACH(F) F(0), F(1)
#elif AGI_VECTOR_BYTES * 8 / AGI_BITS == 4
#define EACH(F) F(0), F(1), F(2), F(3)
#elif AGI_VECTOR_BYTES * 8 / AGI_BITS == 8
#define EACH(F) F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7)
#else
#define EACH(F)                                                                                    \
    F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7), F(8), F(9), F(10), F(11), F(12), F(13), F(14), \
        F(15)
#endif

/* In a chain p is the upstream. */
static inline num multiply(bool chain, num p, num q)
{
    return chain && p == 0 ? 0 : p * q;
}

/* n <= WIDTH numbers `step` apart; the others are copies of the first. */
static inline vec collect(const num *at, ptrdiff_t step, size_t n)
{
#define GET(i) at[(i) < n ? (ptrdiff_t)(i)*step : 0]
    return (vec){EACH(GET)};
#undef GET
}

#endif
