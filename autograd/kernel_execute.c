/* SPDX-License-Identifier: MIT
 *
 * The interpreter: one instruction after the other over one block. With a single lane, gates and
 * sums of products of single numbers are done right here, in scalar arithmetic from the table.
 */
#include "kernel_grid.h"

#define NUMBER num
#if AGI_BITS == 64
#define AGI_LIBM(function) function
#else
#define AGI_LIBM(function) function##f
#endif
#include "numeric.h"

/* ---- Anything -------------------------------------------------------------------------------- */

static bool is_between(uint8_t op)
{
    return op == AGI_OP_LOAD || op == AGI_OP_STORE || op == AGI_OP_SUMS || op == AGI_OP_OUTER;
}

static void execute_one(const agi_instruction *instruction, agi_frame *frame)
{
    if (frame->by_lanes && is_between(instruction->op)) {
        AGI_KERNEL(lanes)(instruction, frame);
        return;
    }
    const agi_records *records = frame->records;
    const uint32_t more = instruction->more;
    switch (instruction->op) {
    case AGI_OP_LOAD:
        AGI_KERNEL(load)(instruction, frame);
        break;
    case AGI_OP_STORE:
        AGI_KERNEL(store)(instruction, frame);
        break;
    case AGI_OP_SUMS:
        AGI_KERNEL(sums)(instruction, frame);
        break;
    case AGI_OP_AFFINE:
        AGI_KERNEL(affine)(records->affine + more, instruction->out, frame);
        break;
    case AGI_OP_OUTER:
        AGI_KERNEL(outer)(records->outer + more, frame);
        break;
    case AGI_OP_SCAN:
        agi_run_scan(instruction, frame);
        break;
    case AGI_OP_PRODUCTS:
    case AGI_CLOSURE:
#define AG_NARY(name, ...) case AGI_##name:
#include <wengert/gates.def>
        AGI_KERNEL(terms)(instruction, frame);
        break;
    default:
        AGI_KERNEL(gate)(instruction, frame);
        break;
    }
}

/* ---- Single numbers -------------------------------------------------------------------------- */

static inline num get(const spaces *s, agi_vector v)
{
    return s->of[v.space][v.at];
}

static inline num multiply(const agi_factors *f, num p, num q)
{
    return (f->chain & (p == 0)) ? 0 : p * q;
}

/* A few numbers one by one, many by vectors. */
static num sum_repeated(const agi_factors *f, const spaces *s)
{
    const num *p = &s->of[f->p.space][f->p.at], *q = &s->of[f->q.space][f->q.at];
    if (f->repeat >= 2 * WIDTH)
        return AGI_KERNEL(dot)(f, p, q);
    num sum = 0;
    for (uint32_t r = 0; r < f->repeat; r++, p += f->p_step, q += f->q_step)
        sum += multiply(f, *p, *q);
    return sum;
}

static inline num sum_products(const agi_factors *f, uint32_t terms, const spaces *s)
{
    num sum = 0;
    for (const agi_factors *end = f + terms; f < end; f++)
        sum +=
            (num)f->factor * (AGI_LIKELY(f->repeat == 1) ? multiply(f, get(s, f->p), get(s, f->q))
                                                         : sum_repeated(f, s));
    return sum;
}

static void note_failure(const agi_instruction *instruction, agi_frame *frame, num a, num b)
{
    if (frame->failed_lane == 0)
        return;
    frame->failed_lane = 0;
    frame->failed_text = frame->records->texts + instruction->more;
    frame->failed_outcome = instruction->outcome;
    frame->failed_operands[0] = (double)a;
    frame->failed_operands[1] = (double)b;
}

static void execute_single(const agi_section *section, agi_frame *frame)
{
    num *slots = frame->slots;
    const spaces s = find_spaces(frame);
    const agi_instruction *end = section->instructions + section->count;
    for (const agi_instruction *i = section->instructions; i < end; i++) {
        if (i->n != 1) {
            execute_one(i, frame);
            continue;
        }
        switch (i->op) {
        case AGI_DETACH:
            slots[i->out] = get(&s, i->x[0]);
            break;
        case AGI_OP_PRODUCTS:
            slots[i->out] = sum_products(frame->records->factors + i->more, i->terms, &s);
            break;
#define AG_UNARY(name, value, ...)                                                                 \
    case AGI_##name: {                                                                             \
        const num x = get(&s, i->x[0]);                                                            \
        slots[i->out] = (value);                                                                   \
        break;                                                                                     \
    }
#define AG_BINARY(name, value, ...)                                                                \
    case AGI_##name: {                                                                             \
        const num a = get(&s, i->x[0]), b = get(&s, i->x[1]);                                      \
        slots[i->out] = (value);                                                                   \
        break;                                                                                     \
    }
#define AG_TERNARY(name, value, ...)                                                               \
    case AGI_##name: {                                                                             \
        const num c = get(&s, i->x[0]), a = get(&s, i->x[1]), b = get(&s, i->x[2]);                \
        slots[i->out] = (value);                                                                   \
        break;                                                                                     \
    }
#define AG_COMPARE(name, value, ...)                                                               \
    case AGI_##name: {                                                                             \
        const num a = get(&s, i->x[0]), b = get(&s, i->x[1]);                                      \
        if ((value) != i->outcome)                                                                 \
            note_failure(i, frame, a, b);                                                          \
        break;                                                                                     \
    }
#include <wengert/gates.def>
        default:
            execute_one(i, frame);
            break;
        }
    }
}

void AGI_KERNEL(execute)(const agi_section *section, agi_frame *frame)
{
    if (frame->lanes == 1) {
        execute_single(section, frame);
        return;
    }
    for (uint32_t i = 0; i < section->count; i++)
        execute_one(section->instructions + i, frame);
}
