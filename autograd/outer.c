/* SPDX-License-Identifier: MIT
 *
 * Structure recovery, backward: sum outputs that are sums of products of two varying values, laid out
 * so that along a row of outputs one factor stays and the other goes through a list, which is the
 * same in the next row. Summed over samples, that is a matrix product. Weight gradients are, those of
 * weights used several times are sums of them. What an output has beside such pairs (the gradient of
 * a penalty on the weight) is added to it. products.c has put pairs first.
 */
#include "schedule.h"

#include <string.h>

agi_terms_of agi_list_products(const agi_code *code, uint32_t node, agi_product *one)
{
    const agi_operands at = code->at[node];
    if (code->ops[node] == AGI_OP_PRODUCTS)
        return (agi_terms_of){code->products + at.a, at.b};
    if (code->ops[node] != AGI_mul && code->ops[node] != AGI_chain && code->ops[node] != AGI_square)
        return (agi_terms_of){NULL, 0};
    *one = (agi_product){1, at.a, code->ops[node] == AGI_square ? at.a : at.b,
                         code->ops[node] == AGI_chain};
    return (agi_terms_of){one, 1};
}

static uint32_t count_pairs(const agi_plan *plan, agi_terms_of list)
{
    uint32_t n = 0;
    while (n < list.n && list.terms[n].p != AGI_NO_INDEX && list.terms[n].q != AGI_NO_INDEX &&
           plan->varies[list.terms[n].p] && plan->varies[list.terms[n].q])
        n++;
    return n;
}

/* An output as a sum of pairs and, perhaps, a rest. */
typedef struct output {
    agi_terms_of list;
    agi_product one;
} output;

static void read_output(const agi_code *code, uint32_t which, output *o)
{
    o->list = agi_list_products(code, code->outputs[which], &o->one);
}

/* Whether two outputs, of so many pairs, have in each the same p (q): they may stand in one row. */
static bool shares_factor(const agi_plan *plan, const agi_block *block, const output *a,
                          uint32_t which, bool q_constant)
{
    output b;
    read_output(plan->code, which, &b);
    if (b.list.n < block->pairs || (b.list.n > block->pairs) != block->has_rest ||
        (block->has_rest && count_pairs(plan, b.list) != block->pairs))
        return false;
    for (uint32_t t = 0; t < block->pairs; t++) {
        const agi_product *p = &a->list.terms[t], *q = &b.list.terms[t];
        if (memcmp(&p->factor, &q->factor, sizeof(double)) != 0 || p->chain != q->chain ||
            (q_constant ? p->q != q->q : p->p != q->p))
            return false;
    }
    return true;
}

static uint32_t measure_row(const agi_plan *plan, const uint8_t *candidates, const agi_block *block,
                            bool q_constant)
{
    output first;
    read_output(plan->code, block->out, &first);
    uint32_t end = block->out + 1;
    while (end < plan->code->sum_count && candidates[end] &&
           shares_factor(plan, block, &first, end, q_constant))
        end++;
    return end - block->out;
}

/* Whether the row of k outputs from `next` on is one more of the block's rows. */
static bool is_next_row(const agi_plan *plan, const uint8_t *candidates, const agi_block *block,
                        uint32_t next)
{
    if (next > plan->code->sum_count - block->k)
        return false;
    output first, above;
    read_output(plan->code, next, &first);
    for (uint32_t j = 0; j < block->k; j++) {
        read_output(plan->code, block->out + j, &above);
        if (!candidates[next + j] ||
            !shares_factor(plan, block, &above, next + j, !block->q_constant) ||
            !shares_factor(plan, block, &first, next + j, block->q_constant))
            return false;
    }
    return true;
}

/* The row after the last: the next candidates, or where the rows so far say. */
static bool find_next_row(const agi_plan *plan, const uint8_t *candidates, const agi_block *block,
                          uint32_t *next)
{
    const uint32_t last = block->out + (block->m - 1) * block->row_stride;
    if (block->m > 1) {
        *next = last + block->row_stride;
        return *next > last && *next < plan->code->sum_count &&
               is_next_row(plan, candidates, block, *next);
    }
    uint32_t at = last + block->k;
    while (at < plan->code->sum_count && !candidates[at])
        at++;
    *next = at;
    return at < plan->code->sum_count && is_next_row(plan, candidates, block, at);
}

/* A few outputs that are sums of many pairs are better off as sums over lanes first. */
static bool is_worthwhile(const agi_block *block)
{
    return block->k > 1 && (block->pairs <= 2 || (uint64_t)block->m * block->k >= 16);
}

/* The block that begins at an output; false where it is none. */
static bool read_block(const agi_plan *plan, const uint8_t *candidates, uint32_t out,
                       agi_block *block)
{
    output first;
    read_output(plan->code, out, &first);
    const uint32_t pairs = count_pairs(plan, first.list);
    *block = (agi_block){.out = out, .m = 1, .pairs = pairs, .has_rest = first.list.n > pairs};
    const uint32_t along_p = measure_row(plan, candidates, block, false);
    const uint32_t along_q = measure_row(plan, candidates, block, true);
    block->q_constant = along_q > along_p;
    block->k = block->q_constant ? along_q : along_p;
    block->row_stride = block->k;
    uint32_t next;
    while (find_next_row(plan, candidates, block, &next)) {
        if (block->m++ == 1)
            block->row_stride = next - out;
    }
    return is_worthwhile(block);
}

static ag_status add_block(agi_plan *plan, agi_block block)
{
    return AGI_APPEND(plan, plan->blocks, block);
}

/* Outputs that may be in a block. */
typedef struct candidates {
    uint8_t *all;
    uint8_t *alone; /* those that no gate uses */
} candidates;

/* A block's outputs are no candidates any more; those that no gate uses are no gates any more,
 * either. */
static void absorb(agi_plan *plan, const candidates *c, const agi_block *block)
{
    for (uint32_t i = 0; i < block->m; i++)
        for (uint32_t j = 0; j < block->k; j++) {
            const uint32_t which = block->out + i * block->row_stride + j;
            c->all[which] = c->alone[which] = 0;
            plan->absorbed[plan->code->outputs[which]] = 1;
        }
}

static uint64_t count_elements(const agi_block *block)
{
    return (uint64_t)block->m * block->k;
}

/* A product that a gate uses, too, such as one of a diagonal, is computed again in a block where
 * most are not. */
static bool is_mostly_alone(const candidates *c, const agi_block *block)
{
    uint64_t alone = 0;
    for (uint32_t i = 0; i < block->m; i++)
        for (uint32_t j = 0; j < block->k; j++)
            alone += c->alone[block->out + i * block->row_stride + j];
    return alone * 4 >= count_elements(block) * 3;
}

/* The larger block that begins there, of outputs alone or with others. Those that were in the way
 * are looked at once. */
static bool find_block(const agi_plan *plan, const candidates *c, uint32_t out, agi_block *block)
{
    agi_block with;
    const bool found = c->alone[out] && read_block(plan, c->alone, out, block);
    if (!c->all[out] || !read_block(plan, c->all, out, &with) ||
        (found && count_elements(&with) <= count_elements(block)))
        return found;
    if (is_mostly_alone(c, &with)) {
        *block = with;
        return true;
    }
    for (uint32_t i = 0; i < with.m; i++)
        for (uint32_t j = 0; j < with.k; j++) {
            const uint32_t which = with.out + i * with.row_stride + j;
            c->all[which] = c->alone[which];
        }
    return found;
}

/* Outputs with pairs, once each. used: by so many outputs, 2 for more, and GATES. */
static void find_candidates(const agi_plan *plan, const candidates *c, uint8_t *used)
{
    enum {
        GATES = 4
    };
    const agi_code *code = plan->code;
    memset(used, 0, code->count);
    for (uint32_t i = 0; i < code->count; i++) {
        const agi_operand_list operands = agi_list_code(code, i);
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t operand = *agi_operand(operands, k);
            if (operand != AGI_NO_INDEX)
                used[operand] = GATES;
        }
    }
    for (uint32_t o = 0; o < agi_output_count(code); o++)
        if (used[code->outputs[o]] % GATES < 2)
            used[code->outputs[o]]++;
    for (uint32_t o = 0; o < code->sum_count; o++) {
        const uint8_t by = used[code->outputs[o]];
        output read;
        read_output(code, o, &read);
        c->all[o] = by % GATES == 1 && count_pairs(plan, read.list) > 0;
        c->alone[o] = c->all[o] && by < GATES;
    }
}

ag_status agi_find_outer(agi_plan *plan)
{
    const agi_code *code = plan->code;
    if (plan->plain || code->sum_count == 0)
        return AG_OK;
    const candidates c = {AGI_NEW_ARRAY(plan->memory, code->sum_count, uint8_t),
                          AGI_NEW_ARRAY(plan->memory, code->sum_count, uint8_t)};
    uint8_t *used = AGI_NEW_ARRAY(plan->memory, code->count, uint8_t);
    ag_status status = c.all != NULL && c.alone != NULL && used != NULL ? AG_OK : AG_OUT_OF_MEMORY;
    if (status == AG_OK)
        find_candidates(plan, &c, used);
    for (uint32_t o = 0; status == AG_OK && o < code->sum_count; o++) {
        agi_block block;
        if (!find_block(plan, &c, o, &block))
            continue;
        status = add_block(plan, block);
        absorb(plan, &c, &block);
    }
    agi_free_array(plan->memory, c.all, code->sum_count, 1);
    agi_free_array(plan->memory, c.alone, code->sum_count, 1);
    agi_free_array(plan->memory, used, code->count, 1);
    return status;
}
