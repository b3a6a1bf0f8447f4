/* SPDX-License-Identifier: MIT
 *
 * Vectors among each other: square blocks transposed, and sums across lanes, many at a time. Both go
 * in stages s = 1, 2, 4, ...: LOW takes from a pair of vectors the elements whose number has bit s
 * clear, HIGH those where it is set; the first vector's stay in the places without bit s, the
 * second's go to the places with it. SWAP lets elements whose numbers differ in bit s change places.
 */
#ifndef WENGERT_KERNEL_SHUFFLE_H
#define WENGERT_KERNEL_SHUFFLE_H

#include "kernel.h"

/* WIDTH for the preprocessor */
#define AGI_WIDTH (AGI_VECTOR_BYTES * 8 / AGI_BITS)

#ifdef __clang__
#define AGI_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define AGI_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

#if AGI_WIDTH == 2
#define AGI_LOW_1 0, 2
#define AGI_HIGH_1 1, 3
#define AGI_SWAP_1 1, 0
#define AGI_STAGES(STAGE) STAGE(1)
#elif AGI_WIDTH == 4
#define AGI_LOW_1 0, 4, 2, 6
#define AGI_HIGH_1 1, 5, 3, 7
#define AGI_LOW_2 0, 1, 4, 5
#define AGI_HIGH_2 2, 3, 6, 7
#define AGI_SWAP_1 1, 0, 3, 2
#define AGI_SWAP_2 2, 3, 0, 1
#define AGI_STAGES(STAGE) STAGE(1) STAGE(2)
#elif AGI_WIDTH == 8
#define AGI_LOW_1 0, 8, 2, 10, 4, 12, 6, 14
#define AGI_HIGH_1 1, 9, 3, 11, 5, 13, 7, 15
#define AGI_LOW_2 0, 1, 8, 9, 4, 5, 12, 13
#define AGI_HIGH_2 2, 3, 10, 11, 6, 7, 14, 15
#define AGI_LOW_4 0, 1, 2, 3, 8, 9, 10, 11
#define AGI_HIGH_4 4, 5, 6, 7, 12, 13, 14, 15
#define AGI_SWAP_1 1, 0, 3, 2, 5, 4, 7, 6
#define AGI_SWAP_2 2, 3, 0, 1, 6, 7, 4, 5
#define AGI_SWAP_4 4, 5, 6, 7, 0, 1, 2, 3
#define AGI_STAGES(STAGE) STAGE(1) STAGE(2) STAGE(4)
#elif AGI_WIDTH == 16
#define AGI_LOW_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define AGI_HIGH_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define AGI_LOW_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define AGI_HIGH_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define AGI_LOW_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define AGI_HIGH_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define AGI_LOW_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define AGI_HIGH_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define AGI_SWAP_1 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14
#define AGI_SWAP_2 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
#define AGI_SWAP_4 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11
#define AGI_SWAP_8 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7
#define AGI_STAGES(STAGE) STAGE(1) STAGE(2) STAGE(4) STAGE(8)
#endif

/* The rows of a square become its columns. */
static inline __attribute__((always_inline)) void transpose(vec v[WIDTH])
{
#define STAGE(s)                                                                                   \
    UNROLL                                                                                         \
    for (size_t i = 0; i < WIDTH; i++) {                                                           \
        if ((i & (s)) == 0) {                                                                      \
            const vec a = v[i], b = v[i + (s)];                                                    \
            v[i] = AGI_SHUFFLE(a, b, AGI_LOW_##s);                                                 \
            v[i + (s)] = AGI_SHUFFLE(a, b, AGI_HIGH_##s);                                          \
        }                                                                                          \
    }
    AGI_STAGES(STAGE)
#undef STAGE
}

/* The sums of n vectors' elements, n a power of 2 and at most WIDTH: the e-th of what comes out is
 * the sum of v[e % n]. */
static inline __attribute__((always_inline)) vec add_across(vec *v, size_t n)
{
#define STAGE(s)                                                                                   \
    for (size_t i = 0; i < (n > (s) ? n / (s) : 2); i += 2) {                                      \
        const vec a = v[i], b = v[n > (s) ? i + 1 : i];                                            \
        v[i / 2] = AGI_SHUFFLE(a, b, AGI_LOW_##s) + AGI_SHUFFLE(a, b, AGI_HIGH_##s);               \
    }
    AGI_STAGES(STAGE)
#undef STAGE
    return v[0];
}

/* Whether all of its numbers are. Whatever is finite gives 0 times 0. */
static inline bool is_finite(vec v)
{
#if AGI_VECTOR_BYTES == 64
    enum {
        NOT_FINITE = 0x01 | 0x08 | 0x10 | 0x80 /* quiet NaN, infinity, -infinity, signalling NaN */
    };
#if AGI_BITS == 64
    return _mm512_fpclass_pd_mask((__m512d)v, NOT_FINITE) == 0;
#else
    return _mm512_fpclass_ps_mask((__m512)v, NOT_FINITE) == 0;
#endif
#else
    v *= 0;
    return add_across(&v, 1)[0] == 0;
#endif
}

#endif
