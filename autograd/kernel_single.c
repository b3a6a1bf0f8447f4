/* SPDX-License-Identifier: MIT
 *
 * A section with a single lane: its steps, one after the other. Gates and sums of products of single
 * numbers are done right here, in scalar arithmetic from the table; sums two terms at a time, with a
 * branch of the switch for every pair of kinds of terms.
 */
#include "kernel_grid.h"

#define NUMBER num
#if AGI_BITS == 64
#define AGI_LIBM(function) function
#else
#define AGI_LIBM(function) function##f
#endif
#include "numeric.h"

static void import(const agi_section *section, agi_frame *frame)
{
    num *to = (num *)frame->slots + section->slots;
    for (uint32_t i = 0; i < section->imports_count; i++)
        to[i] = *locate(frame, section->imports[i]);
    frame->imported = section;
}

/* ---- Long sums ------------------------------------------------------------------------------- */

/* A few numbers one by one, many by vectors. */
static num sum_repeated(const agi_factors *f, const num *p, const num *q)
{
    const bool are_beside = f->p_step == 1 && f->q_step == 1;
    if (f->repeat >= (are_beside ? 5 : 2 * WIDTH))
        return AGI_KERNEL(dot)(f, p, q);
    num sum = (num)-0.0;
    for (uint32_t r = 0; r < f->repeat; r++, p += f->p_step, q += f->q_step)
        sum += multiply(f->chain, *p, *q);
    return sum;
}

static num sum_products(const agi_instruction *instruction, const agi_frame *frame, const spaces *s)
{
    const agi_factors *f = agi_factors_of(frame->records, instruction);
    /* -0, as adding to it leaves even -0 as it is; of nothing at all the sum is 0 */
    num sum = instruction->terms == 0 ? 0 : (num)-0.0;
    for (uint32_t t = 0; t < instruction->terms; t++, f++)
        sum += (num)f->factor *
               sum_repeated(f, &s->of[f->p.space][f->p.at], &s->of[f->q.space][f->q.at]);
    return sum;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* n numbers `stride` apart into others `step` apart, or added to them. */
static inline void add_few(uint32_t n, const num *from, int32_t stride, num *to, int32_t step,
                           bool set, num factor)
{
    for (; n > 0; n--, from += stride, to += step)
        *to = set ? *from : *to + factor * *from;
}

/* The number that word i says where it is. There are some hundred places that ask, and a sanitizer
 * that adds its checks to each of them compiles for a minute: it gets them in a function. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IN_PLACE __attribute__((noinline))
#endif
#endif
#ifndef IN_PLACE
#define IN_PLACE AGI_INLINE
#endif
static IN_PLACE num number(const num *slots, const uint32_t *words, size_t i)
{
    return slots[words[i]];
}
#define GET(i) number(s, w, i)

/* A term whose words begin at w[i]. */
#define TERM_PLUS(i) GET(i)
#define TERM_MINUS(i) -GET(i)
#define TERM_PRODUCT(i) GET(i) * GET((i) + 1)
#define TERM_MINUS_PRODUCT(i) -(GET(i) * GET((i) + 1))
#define TERM_SCALED(i) GET(i) * (GET((i) + 1) * GET((i) + 2))
#define TERM_CHAIN(i) multiply(true, GET(i), GET((i) + 1))
#define TERM_MINUS_CHAIN(i) -multiply(true, GET(i), GET((i) + 1))
#define TERM_SCALED_CHAIN(i) GET(i) * multiply(true, GET((i) + 1), GET((i) + 2))

#define SET(value, words)                                                                          \
    sum = (value);                                                                                 \
    s[w[1]] = sum;                                                                                 \
    w += 2 + (words);                                                                              \
    break;

#define ONE(kind, words)                                                                           \
    case AGI_STEP_ONE(false, AGI_TERM_##kind):                                                     \
        SET(TERM_##kind(2), words)                                                                 \
    case AGI_STEP_ONE(true, AGI_TERM_##kind):                                                      \
        SET(sum + TERM_##kind(2), words)

#define TWO(kind, words, second, more)                                                             \
    case AGI_STEP_TWO(false, AGI_TERM_##kind, AGI_TERM_##second):                                  \
        SET(TERM_##kind(2) + TERM_##second(2 + words), words + more)                               \
    case AGI_STEP_TWO(true, AGI_TERM_##kind, AGI_TERM_##second):                                   \
        SET(sum + TERM_##kind(2) + TERM_##second(2 + words), words + more)

/* A kind with each of them as the second one. */
#define PAIRS(kind, words)                                                                         \
    TWO(kind, words, PLUS, 1)                                                                      \
    TWO(kind, words, MINUS, 1)                                                                     \
    TWO(kind, words, PRODUCT, 2)                                                                   \
    TWO(kind, words, MINUS_PRODUCT, 2)                                                             \
    TWO(kind, words, SCALED, 3)                                                                    \
    TWO(kind, words, CHAIN, 2)                                                                     \
    TWO(kind, words, MINUS_CHAIN, 2)                                                               \
    TWO(kind, words, SCALED_CHAIN, 3)

void AGI_KERNEL(single)(const agi_section *section, agi_frame *frame)
{
    if (frame->imported != section)
        import(section, frame);
    num *const s = (num *)frame->slots;
    const spaces of = find_spaces(frame);
    const agi_instruction *const instructions = section->instructions;
    const uint32_t *w = section->steps;
    num sum = 0; /* of the last sum of products */
    for (;;) {
        switch (w[0] & 0xFFFF) {
        case AGI_STEP_END:
            return;
        case AGI_STEP_WHOLE:
            AGI_KERNEL(instruction)(instructions + w[1], frame);
            w += 2;
            break;
        case AGI_STEP_AFFINE:
            AGI_KERNEL(affine)(frame->records->affine + w[1], w[2], frame);
            w += 3;
            break;
        case AGI_STEP_OUTER:
            AGI_KERNEL(outer)(frame->records->outer + w[1], frame);
            w += 2;
            break;
        case AGI_STEP_PRODUCTS:
            s[w[1]] = sum_products(instructions + w[2], frame, &of);
            w += 3;
            break;
        case AGI_STEP_PRODUCTS_RUN:
            AGI_KERNEL(products)(instructions + w[1], frame, &of);
            w += 2;
            break;
        case AGI_STEP_LOAD: {
            const num *from = (const num *)frame->each + w[2];
            num *to = s + w[1];
            for (uint32_t i = 0, n = w[0] >> 16; i < n; i++)
                to[i] = from[i];
            w += 3;
            break;
        }
        case AGI_STEP_STORE:
            add_few(w[0] >> 16, s + w[3], (int32_t)w[4], (num *)frame->map + w[1], (int32_t)w[2],
                    true, 1);
            w += 5;
            break;
        case AGI_STEP_SUMS:
            add_few(w[0] >> 16, s + w[3], (int32_t)w[4], (num *)frame->totals + w[1], (int32_t)w[2],
                    frame->scale == 0 && w[5] != 0 && !frame->add,
                    frame->scale == 0 ? 1 : (num)frame->scale);
            w += 6;
            break;
        case AGI_STEP_RUN:
            AGI_KERNEL(run)(w, s, &of);
            w += 10;
            break;
            AGI_TERM_KINDS(ONE)
            AGI_TERM_KINDS(PAIRS)
        case AGI_DETACH:
            s[w[1]] = s[w[2]];
            w += 3;
            break;
#define AG_UNARY(name, value, ...)                                                                 \
    case AGI_##name: {                                                                             \
        const num x = GET(2);                                                                      \
        s[w[1]] = (value);                                                                         \
        w += 3;                                                                                    \
        break;                                                                                     \
    }
#define AG_BINARY(name, value, ...)                                                                \
    case AGI_##name: {                                                                             \
        const num a = GET(2), b = GET(3);                                                          \
        s[w[1]] = (value);                                                                         \
        w += 4;                                                                                    \
        break;                                                                                     \
    }
#define AG_TERNARY(name, value, ...)                                                               \
    case AGI_##name: {                                                                             \
        const num c = GET(2), a = GET(3), b = GET(4);                                              \
        s[w[1]] = (value);                                                                         \
        w += 5;                                                                                    \
        break;                                                                                     \
    }
#define AG_COMPARE(name, value, ...)                                                               \
    case AGI_##name: {                                                                             \
        const num a = GET(2), b = GET(3);                                                          \
        if ((value) != instructions[w[1]].outcome && frame->failed_lane > 0)                       \
            note_failure(instructions + w[1], frame, 0, a, b);                                     \
        w += 4;                                                                                    \
        break;                                                                                     \
    }
#include <wengert/gates.def>
        default:
            __builtin_unreachable(); /* so that nothing asks whether there is such a step */
        }
    }
}
