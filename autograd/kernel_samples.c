/* SPDX-License-Identifier: MIT
 *
 * Between samples, which are rows of the caller's arrays, and lanes: LOAD, STORE and SUMS.
 */
#include "kernel_shuffle.h"

/* ---- LOAD: rows become lanes ----------------------------------------------------------------- */

/* Inputs j .. j + WIDTH of WIDTH samples. */
static inline void load_square(const num *const *rows, size_t j, num *to, size_t lanes)
{
    vec v[WIDTH];
    UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        v[i] = load(rows[i] + j);
    transpose(v);
    UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        store(to + i * lanes, v[i]);
}

/* n < WIDTH of them */
static void load_rest(const num *const *rows, size_t j, size_t n, num *to, size_t lanes)
{
    vec v[WIDTH];
    UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        v[i] = load_into((vec){0}, rows[i] + j, n);
    transpose(v);
    UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        if (i < n)
            store(to + i * lanes, v[i]);
}

/* A single input of all samples; lanes beyond them have the last one's. */
static void load_column(const num *from, ptrdiff_t stride, num *to, const agi_frame *frame)
{
    for (size_t lane = 0; lane < frame->lanes; lane += WIDTH) {
        const size_t sample = agi_smaller(lane, frame->count - 1);
        const size_t n = agi_smaller(frame->count - sample, WIDTH);
        const num *at = from + (ptrdiff_t)sample * stride;
        if (stride == 1) {
            store(to + lane, load_into(splat(at[n - 1]), at, n));
            continue;
        }
        for (size_t i = 0; i < WIDTH; i++)
            to[lane + i] = at[(ptrdiff_t)agi_smaller(i, n - 1) * stride];
    }
}

void AGI_KERNEL(load)(const agi_instruction *instruction, agi_frame *frame)
{
    const size_t n = instruction->n, lanes = frame->lanes;
    const num *from = (const num *)frame->each + instruction->x[0].at;
    num *to = (num *)frame->slots + (size_t)instruction->out * lanes;
    if (lanes == 1) {
        memcpy(to, from, n * sizeof(num));
        return;
    }
    if (n == 1) {
        load_column(from, (ptrdiff_t)frame->each_stride, to, frame);
        return;
    }
    for (size_t lane = 0; lane < lanes; lane += WIDTH) {
        const num *rows[WIDTH];
        for (size_t i = 0; i < WIDTH; i++) {
            const size_t sample = lane + i < frame->count ? lane + i : frame->count - 1;
            rows[i] = from + sample * frame->each_stride;
        }
        size_t j = 0;
        for (; j + WIDTH <= n; j += WIDTH)
            load_square(rows, j, to + j * lanes + lane, lanes);
        if (j < n)
            load_rest(rows, j, n - j, to + j * lanes + lane, lanes);
    }
}

/* ---- STORE: lanes become rows ---------------------------------------------------------------- */

/* n <= WIDTH elements, side by side in the rows of all samples. */
static void store_columns(const num *from, ptrdiff_t step, size_t n, num *to,
                          const agi_frame *frame)
{
    const size_t stride = frame->map_stride;
    for (size_t sample = 0; sample < frame->count; sample += WIDTH, to += WIDTH * stride) {
        vec v[WIDTH];
        UNROLL
        for (size_t i = 0; i < WIDTH; i++)
            v[i] = load(from + (ptrdiff_t)(i < n ? i : 0) * step + sample);
        transpose(v);
        if (n == WIDTH && sample + WIDTH <= frame->count) {
            UNROLL
            for (size_t i = 0; i < WIDTH; i++)
                store(to + i * stride, v[i]);
            continue;
        }
        UNROLL
        for (size_t i = 0; i < WIDTH; i++)
            if (sample + i < frame->count)
                store_part(to + i * stride, v[i], n);
    }
}

void AGI_KERNEL(store)(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_vector x = instruction->x[0];
    const size_t n = instruction->n;
    const num *from = locate(frame, x);
    const ptrdiff_t step = step_of(frame, x);
    num *to = (num *)frame->map + instruction->out;
    if (frame->lanes == 1 && step == 1 && instruction->out_stride == 1) {
        memcpy(to, from, n * sizeof(num));
        return;
    }
    if (x.space == AGI_SLOTS && frame->lanes > 1 && instruction->out_stride == 1) {
        for (size_t j = 0; j < n; j += WIDTH)
            store_columns(from + (ptrdiff_t)j * step, step, agi_smaller(n - j, WIDTH), to + j,
                          frame);
        return;
    }
    const size_t lane_step = x.space == AGI_SLOTS && frame->lanes > 1 ? 1 : 0;
    for (size_t j = 0; j < n; j++, from += step, to += instruction->out_stride) {
        num *out = to;
        for (size_t sample = 0; sample < frame->count; sample++, out += frame->map_stride)
            *out = from[sample * lane_step];
    }
}

/* ---- SUMS ------------------------------------------------------------------------------------ */

enum {
    ROWS = WIDTH < 8 ? WIDTH : 8,
};

/* Vectors of an element's samples. */
static AGI_INLINE vec add_vectors(const num *x, size_t count)
{
    vec sum = {0};
    size_t lane = 0;
    for (; lane + WIDTH <= count; lane += WIDTH)
        sum += load(x + lane);
    if (lane < count)
        sum += load_into((vec){0}, x + lane, count - lane);
    return sum;
}

/* Sums over the samples of n <= ROWS elements. */
static void sum_lanes(const num *from, ptrdiff_t step, size_t n, size_t count, num sums[WIDTH])
{
    vec sum[ROWS];
    if (n == 1) {
        sum[0] = add_vectors(from, count);
        sums[0] = add_across(sum, 1)[0];
        return;
    }
    for (size_t i = 0; i < ROWS; i++)
        sum[i] = add_vectors(from + (ptrdiff_t)(i < n ? i : n - 1) * step, count);
    store(sums, add_across(sum, ROWS));
}

/* n numbers side by side, for as many totals. */
static void add_beside(const num *__restrict from, size_t n, num *__restrict to, num factor,
                       bool set)
{
    if (set) {
        for (size_t i = 0; i < n; i++)
            to[i] = factor * from[i];
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] += factor * from[i];
    }
}

void AGI_KERNEL(sums)(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_vector x = instruction->x[0];
    const num *from = locate(frame, x);
    const ptrdiff_t step = step_of(frame, x);
    const bool over_lanes = x.space == AGI_SLOTS && frame->lanes > 1;
    const bool set = frame->scale == 0 && instruction->first && !frame->add;
    const num factor = frame->scale == 0 ? 1 : (num)frame->scale;
    num *to = (num *)frame->totals + instruction->out;
    num sums[WIDTH];
    if (!over_lanes && step == 1 && instruction->out_stride == 1) {
        add_beside(from, instruction->n, to, (set ? 1 : factor) * (num)frame->count, set);
        return;
    }
    for (size_t i = 0, n; i < instruction->n; i += n) {
        n = agi_smaller(instruction->n - i, ROWS);
        if (over_lanes)
            sum_lanes(from + (ptrdiff_t)i * step, step, n, frame->count, sums);
        else
            for (size_t r = 0; r < n; r++)
                sums[r] = (num)frame->count * from[(ptrdiff_t)(i + r) * step];
        for (size_t r = 0; r < n; r++) {
            num *total = to + (ptrdiff_t)(i + r) * instruction->out_stride;
            *total = set ? sums[r] : *total + factor * sums[r];
        }
    }
}
