/* SPDX-License-Identifier: MIT
 *
 * Streaks: instructions of the same gate that follow each other, each one as far from the one before
 * it as the second from the first, in what it writes and in each of its operands. Mostly the one
 * before is what they read: the powers of a number, products that grow factor by factor. Runs are
 * of gates that don't wait for each other; these do, but over lanes they are one loop, which also
 * adds up a polynomial. Instructions stay what they are for everybody else.
 */
#include "code.h"

enum {
    SHORTEST = 4 /* instructions */
};

/* b from a as d from c */
static bool is_as_far(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return b - a == d - c;
}

/* The operand goes on: nothing but its place is other. */
static bool goes_on(const agi_vector *first, const agi_vector *a, const agi_vector *b)
{
    return a->space == b->space && is_as_far(a->at, b->at, first[0].at, first[1].at);
}

/* Whether b goes on with a, as the second does with the first. */
static bool follows(const agi_instruction *first, const agi_instruction *a)
{
    const agi_instruction *b = a + 1;
    if (b->op != a->op || a->n != 1 || b->n != 1 ||
        !is_as_far(a->out, b->out, first[0].out, first[1].out))
        return false;
    for (uint32_t k = 0; k < agi_count_operands(a->op); k++) {
        const agi_vector start[2] = {first[0].x[k], first[1].x[k]};
        if (!goes_on(start, &a->x[k], &b->x[k]))
            return false;
    }
    return true;
}

/* Whether a term is the sum of the streak's results, times numbers that are the same in all lanes;
 * results that are no part of the streak may come first. */
static bool adds_up(const agi_factors *f, const agi_instruction *first)
{
    const bool in_p = f->p.space == AGI_SLOTS;
    const agi_vector results = in_p ? f->p : f->q, numbers = in_p ? f->q : f->p;
    const int64_t step = in_p ? f->p_step : f->q_step;
    const int64_t before = (int64_t)f->repeat - (first->streak + 1);
    return !f->chain && results.space == AGI_SLOTS && numbers.space != AGI_SLOTS && before >= 0 &&
           step != 0 && step == (int64_t)first[1].out - first[0].out &&
           results.at + step * before == (int64_t)first->out;
}

/* Which term of the PRODUCTS behind a streak, plus 1; 0: none. */
static uint32_t find_sum(const ag_program *program, const agi_section *section,
                         const agi_instruction *first)
{
    const agi_instruction *sum = first + first->streak + 1;
    if (sum == section->instructions + section->count || sum->op != AGI_OP_PRODUCTS ||
        sum->n != 1 || sum->terms > AGI_TERMS_FOUND || first->op != AGI_mul ||
        !(agi_carries(first, 0) || agi_carries(first, 1)))
        return 0;
    const agi_factors *f = agi_factors_of(&program->records, sum);
    for (uint32_t t = 0; t < sum->terms; t++)
        if (adds_up(&f[t], first))
            return t + 1;
    return 0;
}

void agi_find_streaks(const ag_program *program, agi_section *section)
{
    for (uint32_t i = 0; i < section->count; i++) {
        agi_instruction *first = &section->instructions[i];
        uint32_t more = 0;
        while (agi_is_plain_gate(first->op) && i + more + 1 < section->count &&
               follows(first, first + more))
            more++;
        if (more + 1 < SHORTEST)
            continue;
        first->streak = more;
        first->sum = find_sum(program, section, first);
        i += more;
    }
}
