/* SPDX-License-Identifier: MIT
 *
 * The instructions that end a section: STORE for map outputs, SUMS and OUTER for sum outputs, slots
 * for outputs computed once.
 */
#include "schedule.h"

#include <stdlib.h>

/* ---- One by one ------------------------------------------------------------------------------ */

/* An output at work: its number in its role, and where its node is. */
typedef struct outlet {
    agi_vector at;
    uint32_t number;
} outlet;

/* How many outputs, from the first on, are at constant strides; the strides are set in the first. */
static uint32_t measure_outputs(uint32_t n, const outlet *outputs, agi_instruction *to)
{
    int64_t step = 0, out_step = 1;
    uint32_t length = 1;
    for (; length < n; length++) {
        const outlet *p = &outputs[length - 1], *q = &outputs[length];
        const int64_t ahead = (int64_t)q->at.at - p->at.at,
                      out_ahead = (int64_t)q->number - p->number;
        if (q->at.space != p->at.space || !agi_fits_stride(ahead) ||
            (length > 1 && (ahead != step || out_ahead != out_step)))
            break;
        step = ahead;
        out_step = out_ahead;
    }
    /* two that are apart leave the second to those beside it */
    if (length == 2 && n > 2 && step != 1 && outputs[2].at.space == outputs[1].at.space &&
        outputs[2].at.at == outputs[1].at.at + 1 && outputs[2].number == outputs[1].number + 1) {
        length = 1;
        step = 0;
        out_step = 1;
    }
    to->n = length;
    to->out = outputs[0].number;
    to->out_stride = (int32_t)out_step;
    to->x[0] = outputs[0].at;
    to->x[0].stride = (int32_t)step;
    return length;
}

static uint32_t count_runs(uint32_t n, const outlet *outputs)
{
    uint32_t runs = 0;
    agi_instruction run;
    for (uint32_t i = 0; i < n; runs++)
        i += measure_outputs(n - i, outputs + i, &run);
    return runs;
}

static int compare_numbers(const void *left, const void *right)
{
    const outlet *p = (const outlet *)left, *q = (const outlet *)right;
    return p->number < q->number ? -1 : p->number > q->number;
}

static int compare_places(const void *left, const void *right)
{
    const outlet *p = (const outlet *)left, *q = (const outlet *)right;
    if (p->at.space != q->at.space)
        return p->at.space < q->at.space ? -1 : 1;
    if (p->at.at != q->at.at)
        return p->at.at < q->at.at ? -1 : 1;
    return compare_numbers(left, right);
}

/* Puts outputs, which are in the order of their numbers, into the order of their places, if there
 * are fewer runs. */
static void order_outputs(uint32_t n, outlet *outputs)
{
    const uint32_t runs = count_runs(n, outputs);
    if (runs <= 2)
        return;
    qsort(outputs, n, sizeof(*outputs), compare_places);
    if (count_runs(n, outputs) >= runs)
        qsort(outputs, n, sizeof(*outputs), compare_numbers);
}

/* n outputs of one role: which, and their nodes. Runs at constant strides are one instruction. */
static ag_status emit_outputs(agi_plan *plan, uint8_t op, uint32_t n, const uint32_t *numbers,
                              const uint32_t *nodes)
{
    outlet *outputs = AGI_NEW_ARRAY(plan->memory, n, outlet);
    ag_status status = outputs == NULL ? AG_OUT_OF_MEMORY : AG_OK;
    for (uint32_t i = 0; i < n && status == AG_OK; i++) {
        outputs[i].number = numbers[i];
        status = agi_find(plan, nodes[i], &outputs[i].at);
    }
    if (status == AG_OK)
        order_outputs(n, outputs);
    for (uint32_t i = 0; i < n && status == AG_OK;) {
        agi_instruction run = {.op = op, .first = op == AGI_OP_SUMS};
        i += measure_outputs(n - i, outputs + i, &run);
        status = agi_add_instruction(plan, run);
    }
    agi_free_array(plan->memory, outputs, n, sizeof(*outputs));
    return status;
}

static ag_status emit_stores(agi_plan *plan)
{
    const agi_code *code = plan->code;
    const uint32_t n = code->map_count;
    if (agi_reserve_nodes(plan, n) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t o = 0; o < n; o++)
        plan->nodes[o] = o;
    return emit_outputs(plan, AGI_OP_STORE, n, plan->nodes, code->outputs + code->sum_count);
}

static ag_status emit_sums(agi_plan *plan)
{
    const agi_code *code = plan->code;
    if (agi_reserve_nodes(plan, 2 * (uint64_t)code->sum_count) != AG_OK)
        return AG_OUT_OF_MEMORY;
    uint32_t n = 0, *numbers = plan->nodes, *nodes = plan->nodes + code->sum_count;
    for (uint32_t o = 0; o < code->sum_count; o++)
        if (!plan->absorbed[code->outputs[o]]) {
            numbers[n] = o;
            nodes[n++] = code->outputs[o];
        }
    return emit_outputs(plan, AGI_OP_SUMS, n, numbers, nodes);
}

/* ---- Sums of outer products ------------------------------------------------------------------ */

static agi_product get_pair(const agi_code *code, uint32_t output, uint32_t t)
{
    agi_product one;
    return agi_list_products(code, code->outputs[output], &one).terms[t];
}

/* The lists of the t-th product, a then b, in plan->nodes. */
static void list_factors(agi_plan *plan, const agi_block *block, uint32_t t)
{
    const agi_code *code = plan->code;
    uint32_t *to = plan->nodes;
    for (uint32_t i = 0; i < block->m; i++) {
        const agi_product pair = get_pair(code, block->out + i * block->row_stride, t);
        *to++ = block->q_constant ? pair.q : pair.p;
    }
    for (uint32_t j = 0; j < block->k; j++) {
        const agi_product pair = get_pair(code, block->out + j, t);
        *to++ = block->q_constant ? pair.p : pair.q;
    }
}

/* The first of n each inputs that follow each other; AGI_NO_INDEX where the nodes are others. */
static uint32_t find_each(const agi_code *code, uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 0; i < n; i++)
        if (code->ops[nodes[i]] != AGI_OP_EACH || code->at[nodes[i]].a != code->at[nodes[0]].a + i)
            return AGI_NO_INDEX;
    return code->at[nodes[0]].a;
}

static ag_status emit_outer(agi_plan *plan, agi_slots *slots, const agi_block *block, uint32_t t)
{
    agi_records *records = &plan->program->records;
    const agi_product pair = get_pair(plan->code, block->out, t);
    agi_outer outer = {.m = block->m,
                       .k = block->k,
                       .out = block->out,
                       .row_stride = (int32_t)block->row_stride,
                       .column_stride = 1,
                       .factor = pair.factor,
                       .chain = !pair.chain         ? AGI_CHAIN_NONE
                                : block->q_constant ? AGI_CHAIN_B
                                                    : AGI_CHAIN_A,
                       .first = t == 0 && !block->has_rest};
    if (agi_reserve_nodes(plan, (uint64_t)block->m + block->k) != AG_OK)
        return AG_OUT_OF_MEMORY;
    list_factors(plan, block, t);
    outer.b_each = find_each(plan->code, block->k, plan->nodes + block->m);
    agi_range none; /* all of them are slots, so that nothing is copied */
    if (agi_make_elements(plan, slots, block->m, plan->nodes, &outer.a, &none) != AG_OK ||
        agi_make_elements(plan, slots, block->k, plan->nodes + block->m, &outer.b, &none) !=
            AG_OK ||
        AGI_APPEND(plan, records->outer, outer) != AG_OK)
        return AG_OUT_OF_MEMORY;
    const agi_instruction instruction = {
        .op = AGI_OP_OUTER, .n = block->m, .more = records->outer_count - 1};
    return agi_add_instruction(plan, instruction);
}

static agi_terms_of get_rest(const agi_code *code, const agi_block *block, uint32_t output)
{
    agi_product one;
    const agi_terms_of list = agi_list_products(code, code->outputs[output], &one);
    return (agi_terms_of){list.terms + block->pairs, list.n - block->pairs};
}

/* n outputs side by side whose rests are each a single number that is there already. */
static uint32_t measure_bare(const agi_plan *plan, const agi_block *block, uint32_t output,
                             uint32_t n)
{
    uint32_t length = 0;
    for (; length < n; length++) {
        const agi_terms_of rest = get_rest(plan->code, block, output + length);
        if (rest.n != 1 || rest.terms->p == AGI_NO_INDEX || rest.terms->q != AGI_NO_INDEX ||
            !agi_is_one(rest.terms->factor))
            break;
        plan->nodes[length] = output + length;
        plan->nodes[n + length] = rest.terms->p;
    }
    return length;
}

/* Some outputs' rests, which are one run, in slots that are free again afterwards. */
static ag_status emit_composed(agi_plan *plan, agi_slots *slots, const agi_block *block,
                               uint32_t output, uint32_t n, uint32_t *length)
{
    enum {
        MOST = 64
    };
    agi_terms_of lists[MOST];
    uint32_t at;
    n = (uint32_t)agi_smaller(n, MOST);
    for (uint32_t j = 0; j < n; j++)
        lists[j] = get_rest(plan->code, block, output + j);
    *length = agi_measure_products(plan, n, lists);
    if (agi_take_slots(slots, *length, &at) != AG_OK ||
        agi_emit_products(plan, *length, lists, at, false) != AG_OK)
        return AG_OUT_OF_MEMORY;
    const agi_instruction sums = {.op = AGI_OP_SUMS,
                                  .first = true,
                                  .n = *length,
                                  .out = output,
                                  .out_stride = 1,
                                  .x = {{at, *length > 1, AGI_SLOTS}}};
    if (agi_add_instruction(plan, sums) != AG_OK)
        return AG_OUT_OF_MEMORY;
    return agi_give_slots(slots, at, *length);
}

static ag_status emit_rests(agi_plan *plan, agi_slots *slots, const agi_block *block)
{
    for (uint32_t i = 0; i < block->m; i++)
        for (uint32_t j = 0, length; j < block->k; j += length) {
            const uint32_t output = block->out + i * block->row_stride + j, n = block->k - j;
            if (agi_reserve_nodes(plan, 2 * (uint64_t)n) != AG_OK)
                return AG_OUT_OF_MEMORY;
            length = measure_bare(plan, block, output, n);
            const ag_status status =
                length > 0 ? emit_outputs(plan, AGI_OP_SUMS, length, plan->nodes, plan->nodes + n)
                           : emit_composed(plan, slots, block, output, n, &length);
            if (status != AG_OK)
                return AG_OUT_OF_MEMORY;
        }
    return AG_OK;
}

ag_status agi_emit_body_outputs(agi_plan *plan, agi_slots *slots)
{
    ag_status status = emit_stores(plan);
    if (status == AG_OK)
        status = emit_sums(plan);
    for (uint32_t b = 0; status == AG_OK && b < plan->blocks_count; b++)
        if (plan->blocks[b].has_rest)
            status = emit_rests(plan, slots, &plan->blocks[b]);
    for (uint32_t b = 0; status == AG_OK && b < plan->blocks_count; b++)
        for (uint32_t t = 0; status == AG_OK && t < plan->blocks[b].pairs; t++)
            status = emit_outer(plan, slots, &plan->blocks[b], t);
    return status;
}

/* ---- Computed once --------------------------------------------------------------------------- */

/* Outputs computed once may be inputs or constants; they need a slot all the same. */
ag_status agi_emit_once_outputs(agi_plan *plan, agi_slots *slots)
{
    const agi_code *code = plan->code;
    for (uint32_t o = 0; o < code->once_count; o++) {
        const uint32_t node = code->outputs[code->sum_count + code->map_count + o];
        agi_vector at;
        if (agi_find(plan, node, &at) != AG_OK)
            return AG_OUT_OF_MEMORY;
        if (at.space != AGI_SLOTS) {
            agi_instruction copy = {.op = AGI_DETACH, .n = 1, .x = {at}};
            if (agi_take_slots(slots, 1, &copy.out) != AG_OK ||
                agi_add_instruction(plan, copy) != AG_OK)
                return AG_OUT_OF_MEMORY;
            at.at = copy.out;
        }
        plan->program->once_slots[o] = at.at;
    }
    return AG_OK;
}
