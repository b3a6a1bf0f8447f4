/* SPDX-License-Identifier: MIT
 *
 * What kernel files share. They are compiled once for each instruction set and number type:
 * AGI_BITS is 64 or 32, AGI_ISA is baseline, avx2, avx512 or neon, AGI_VECTOR_BYTES the size of a
 * vector register. Vectors are the compiler's own (GCC's vector extension, which clang has, too).
 */
#ifndef WENGERT_KERNEL_H
#define WENGERT_KERNEL_H

#include "code.h"

#include <assert.h>
#include <string.h>
#if AGI_VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

#if AGI_BITS == 64
typedef double num;
typedef int64_t whole;
#else
typedef float num;
typedef int whole; /* what comparisons give; int32_t may be a long */
#endif

#define AGI_PASTE2(name, isa, bits) agi_##name##_##isa##_##bits
#define AGI_PASTE(name, isa, bits) AGI_PASTE2(name, isa, bits)
/* agi_name_avx512_64 */
#define AGI_KERNEL(name) AGI_PASTE(name, AGI_ISA, AGI_BITS)

/* vec: numbers; mask: what comparisons of vectors give, all ones or zeros. */
typedef num vec __attribute__((vector_size(AGI_VECTOR_BYTES)));
typedef whole mask __attribute__((vector_size(AGI_VECTOR_BYTES)));
enum {
    WIDTH = AGI_VECTOR_BYTES / sizeof(num)
};

/* Before a loop of a known number of turns, at most 16: all of them in a row, so that arrays of
 * vectors are registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

static inline vec load(const num *from)
{
    vec v;
    memcpy(&v, from, sizeof(v));
    return v;
}

static inline void store(num *to, vec v)
{
    memcpy(to, &v, sizeof(v));
}

static inline vec splat(num x)
{
    return x - (vec){0};
}

/* Which of its numbers are the first n. */
#if AGI_VECTOR_BYTES == 64 && AGI_BITS == 64
static inline __mmask8 are_first(size_t n)
{
    return (__mmask8)((1u << n) - 1);
}
#elif AGI_VECTOR_BYTES == 64
static inline __mmask16 are_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}
#elif AGI_VECTOR_BYTES == 32 && AGI_BITS == 64
static inline __m256i are_first(size_t n)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), _mm256_setr_epi64x(0, 1, 2, 3));
}
#elif AGI_VECTOR_BYTES == 32
static inline __m256i are_first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first n <= WIDTH numbers; the others are those of v. */
static inline vec load_into(vec v, const num *from, size_t n)
{
#if AGI_VECTOR_BYTES == 64 && AGI_BITS == 64
    return (vec)_mm512_mask_loadu_pd((__m512d)v, are_first(n), from);
#elif AGI_VECTOR_BYTES == 64
    return (vec)_mm512_mask_loadu_ps((__m512)v, are_first(n), from);
#elif AGI_VECTOR_BYTES == 32 && AGI_BITS == 64
    const __m256i m = are_first(n);
    return (vec)_mm256_blendv_pd((__m256d)v, _mm256_maskload_pd(from, m), (__m256d)m);
#elif AGI_VECTOR_BYTES == 32
    const __m256i m = are_first(n);
    return (vec)_mm256_blendv_ps((__m256)v, _mm256_maskload_ps(from, m), (__m256)m);
#else
    for (size_t i = 0; i < WIDTH; i++)
        if (i < n)
            v[i] = from[i];
    return v;
#endif
}

/* The first n <= WIDTH numbers; the others are copies of the first. */
static inline vec load_part(const num *from, size_t n)
{
    return load_into(splat(from[0]), from, n);
}

/* The first n <= WIDTH numbers, in pieces of 8, 4, 2, 1: masked stores are slow, or hold up loads of
 * what comes after them. */
static inline void store_part(num *to, vec v, size_t n)
{
    num numbers[WIDTH];
    store(numbers, v);
    const num *from = numbers;
#define PIECE(size)                                                                                \
    if (WIDTH >= (size) && (n & (size)) != 0) {                                                    \
        memcpy(to, from, (WIDTH >= (size) ? (size) : 1) * sizeof(num));                            \
        from += (size);                                                                            \
        to += (size);                                                                              \
    }
    PIECE(16)
    PIECE(8)
    PIECE(4)
    PIECE(2)
#undef PIECE
    if ((n & 1) != 0)
        *to = *from;
}

/* where m ? p : q */
static inline vec choose(mask m, vec p, vec q)
{
    return (vec)((m & (mask)p) | (~m & (mask)q));
}

/* Where element 0 of a vector is in a frame. The way to element i is i * agi_step(...) numbers;
 * lanes lie side by side in AGI_SLOTS, in other spaces all lanes see the same number. */
static inline const num *locate(const agi_frame *frame, agi_vector v)
{
    switch ((agi_space)v.space) {
    case AGI_SLOTS:
        return (const num *)frame->slots + (size_t)v.at * frame->lanes;
    case AGI_UNIFORM:
        return (const num *)frame->uniform + v.at;
    case AGI_CONSTANTS:
        return (const num *)frame->constants + v.at;
    case AGI_SHARED:
        return (const num *)frame->shared + v.at;
    case AGI_NOWHERE:
        break;
    }
    return NULL;
}

static inline ptrdiff_t step_of(const agi_frame *frame, agi_vector v)
{
    return v.space == AGI_SLOTS ? (ptrdiff_t)v.stride * (ptrdiff_t)frame->lanes : v.stride;
}

/* Where element i of slots is; with a single lane, of any space. */
static inline const num *locate_element(const agi_frame *frame, const agi_elements *e, size_t i)
{
    if (e->list == AGI_NO_INDEX)
        return locate(frame, e->vector) + (ptrdiff_t)i * step_of(frame, e->vector);
    return locate(frame, (agi_vector){0, 0, e->vector.space}) +
           (size_t)frame->records->lists[e->list + i] * frame->lanes;
}

/* n numbers side by side, of a frame with a single lane: where they are, or copied. */
static inline const num *gather(const agi_frame *frame, const agi_elements *e, num *to)
{
    if (e->list == AGI_NO_INDEX && e->vector.stride == 1)
        return locate(frame, e->vector);
    for (size_t i = 0; i < e->n; i++)
        to[i] = *locate_element(frame, e, i);
    return to;
}

/* A comparison came out differently, in a lower lane than any before it. */
static inline void note_failure(const agi_instruction *instruction, agi_frame *frame, size_t lane,
                                num a, num b)
{
    frame->failed_lane = lane;
    frame->failed_text = frame->records->texts + instruction->more;
    frame->failed_outcome = instruction->outcome;
    frame->failed_operands[0] = (double)a;
    frame->failed_operands[1] = (double)b;
}

/* kernel_affine.c, kernel_outer.c */
void AGI_KERNEL(affine)(const agi_affine *affine, uint32_t out, agi_frame *frame);
void AGI_KERNEL(outer)(const agi_outer *outer, agi_frame *frame);
/* kernel_samples.c */
void AGI_KERNEL(load)(const agi_instruction *instruction, agi_frame *frame);
void AGI_KERNEL(store)(const agi_instruction *instruction, agi_frame *frame);
void AGI_KERNEL(sums)(const agi_instruction *instruction, agi_frame *frame);
/* kernel_lanes.c: LOAD, STORE, SUMS and OUTER inside a scan, where lanes stay what they are */
void AGI_KERNEL(lanes)(const agi_instruction *instruction, agi_frame *frame);
/* kernel_gates.c: gates of the table with at most three operands, comparisons */
void AGI_KERNEL(gate)(const agi_instruction *instruction, agi_frame *frame);
/* the same with lanes, and what goes on with it */
void AGI_KERNEL(streak)(const agi_instruction *first, agi_frame *frame);
/* kernel_terms.c: sums of products, folds, closures; and f's products but for its factor, with p and
 * q where the first ones are, for an element of a single lane */
void AGI_KERNEL(terms)(const agi_instruction *instruction, agi_frame *frame);
/* a sum of products, of one element with lanes, to which these numbers were added already: what the
 * t-th factors give but for `left` of the products */
void AGI_KERNEL(rest)(const agi_instruction *instruction, agi_frame *frame, const num *begun,
                      size_t t, uint32_t left);
num AGI_KERNEL(dot)(const agi_factors *f, const num *p, const num *q);
/* kernel_single.c: a section's steps */
void AGI_KERNEL(single)(const agi_section *section, agi_frame *frame);
/* kernel_execute.c: an instruction; a section */
void AGI_KERNEL(instruction)(const agi_instruction *instruction, agi_frame *frame);
void AGI_KERNEL(execute)(const agi_section *section, agi_frame *frame);

#endif
