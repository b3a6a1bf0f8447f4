/* SPDX-License-Identifier: MIT
 *
 * Structure recovery, backward: sum outputs that are sums of products of two varying values, laid out
 * so that along a row of outputs one factor stays and the other goes through a list, which is the
 * same in the next row. Summed over samples, that is a matrix product. Weight gradients are, those of
 * weights used several times are sums of them.
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

static bool is_candidate(const agi_plan *plan, uint32_t node)
{
    agi_product one;
    const agi_terms_of list = agi_list_products(plan->code, node, &one);
    for (uint32_t t = 0; t < list.n; t++) {
        const agi_product *product = &list.terms[t];
        if (product->p == AGI_NO_INDEX || product->q == AGI_NO_INDEX || !plan->varies[product->p] ||
            !plan->varies[product->q])
            return false;
    }
    return list.n > 0;
}

/* Whether two outputs have in each product the same p (q): they may stand in one row. */
static bool shares_factor(const agi_code *code, uint32_t left, uint32_t right, bool q_constant)
{
    agi_product one[2];
    const agi_terms_of a = agi_list_products(code, left, &one[0]),
                       b = agi_list_products(code, right, &one[1]);
    if (a.n != b.n)
        return false;
    for (uint32_t t = 0; t < a.n; t++)
        if (memcmp(&a.terms[t].factor, &b.terms[t].factor, sizeof(double)) != 0 ||
            a.terms[t].chain != b.terms[t].chain ||
            (q_constant ? a.terms[t].q != b.terms[t].q : a.terms[t].p != b.terms[t].p))
            return false;
    return true;
}

static uint32_t measure_row(const agi_plan *plan, const uint8_t *candidates, uint32_t from,
                            bool q_constant)
{
    const agi_code *code = plan->code;
    uint32_t end = from + 1;
    while (end < code->sum_count && candidates[end] &&
           shares_factor(code, code->outputs[from], code->outputs[end], q_constant))
        end++;
    return end - from;
}

/* Whether the row of k outputs from `next` on is one more of the block's rows. */
static bool is_next_row(const agi_plan *plan, const uint8_t *candidates, const agi_block *block,
                        uint32_t next)
{
    const agi_code *code = plan->code;
    if (next > code->sum_count - block->k)
        return false;
    for (uint32_t j = 0; j < block->k; j++) {
        const uint32_t own = code->outputs[next + j];
        if (!candidates[next + j] ||
            !shares_factor(code, own, code->outputs[block->out + j], !block->q_constant) ||
            !shares_factor(code, own, code->outputs[next], block->q_constant))
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

/* The block that begins at an output; false where a row of one is all there is. */
static bool read_block(const agi_plan *plan, const uint8_t *candidates, uint32_t out,
                       agi_block *block)
{
    const uint32_t along_p = measure_row(plan, candidates, out, false);
    const uint32_t along_q = measure_row(plan, candidates, out, true);
    *block = (agi_block){.out = out,
                         .m = 1,
                         .k = along_q > along_p ? along_q : along_p,
                         .q_constant = along_q > along_p};
    block->row_stride = block->k;
    uint32_t next;
    while (find_next_row(plan, candidates, block, &next)) {
        if (block->m++ == 1)
            block->row_stride = next - out;
    }
    return block->k > 1;
}

static ag_status add_block(agi_plan *plan, agi_block block)
{
    if (agi_memory_grow(plan->memory, (void **)&plan->blocks, sizeof(*plan->blocks),
                        &plan->blocks_capacity, (uint64_t)plan->blocks_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    plan->blocks[plan->blocks_count++] = block;
    return AG_OK;
}

/* A block's outputs are no candidates any more; they are no gates any more, either. */
static void absorb(agi_plan *plan, uint8_t *candidates, const agi_block *block)
{
    for (uint32_t i = 0; i < block->m; i++)
        for (uint32_t j = 0; j < block->k; j++) {
            const uint32_t output = block->out + i * block->row_stride + j;
            candidates[output] = 0;
            plan->absorbed[plan->code->outputs[output]] = 1;
        }
}

/* Outputs that nothing else uses, once each. */
static void find_candidates(const agi_plan *plan, uint8_t *candidates, uint8_t *used)
{
    const agi_code *code = plan->code;
    memset(used, 0, code->count);
    for (uint32_t i = 0; i < code->count; i++) {
        const uint32_t n = agi_code_operand_count(code, i);
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t operand = *agi_code_operand(code, i, k);
            if (operand != AGI_NO_INDEX)
                used[operand] = 2;
        }
    }
    for (uint32_t o = 0; o < agi_output_count(code); o++)
        if (used[code->outputs[o]] < 2)
            used[code->outputs[o]]++;
    for (uint32_t o = 0; o < code->sum_count; o++)
        candidates[o] = used[code->outputs[o]] == 1 && is_candidate(plan, code->outputs[o]);
}

ag_status agi_find_outer(agi_plan *plan)
{
    const agi_code *code = plan->code;
    if (plan->plain || code->sum_count == 0)
        return AG_OK;
    uint8_t *candidates = agi_new_array(plan->memory, code->sum_count, 1);
    uint8_t *used = agi_new_array(plan->memory, code->count, 1);
    ag_status status = candidates != NULL && used != NULL ? AG_OK : AG_OUT_OF_MEMORY;
    if (status == AG_OK)
        find_candidates(plan, candidates, used);
    for (uint32_t o = 0; status == AG_OK && o < code->sum_count; o++) {
        agi_block block;
        if (!candidates[o] || !read_block(plan, candidates, o, &block))
            continue;
        status = add_block(plan, block);
        absorb(plan, candidates, &block);
    }
    agi_free_array(plan->memory, candidates, code->sum_count, 1);
    agi_free_array(plan->memory, used, code->count, 1);
    return status;
}
