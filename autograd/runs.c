/* SPDX-License-Identifier: MIT
 *
 * Runs: the same gate again and again, with operands at constant strides. The gates of one level
 * fall into buckets by gate and kinds of operands; a bucket is one vector, and is cut where a stride
 * changes. Its order is that of its first operand's place, or that of creation where that needs
 * fewer cuts.
 */
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

/* ---- How far a run goes ---------------------------------------------------------------------- */

/* Whether the operands of three elements that follow each other go on at one stride; without a
 * stride, whether the last two can be the first two. */
static bool goes_on(const agi_plan *plan, uint32_t first, uint32_t second, uint32_t third,
                    bool has_stride)
{
    if (second == AGI_NO_INDEX || third == AGI_NO_INDEX)
        return second == third;
    const agi_place q = plan->place[second], r = plan->place[third];
    if (q.vector != r.vector)
        return false;
    if (q.vector == AGI_IN_CONSTANTS)
        return true;
    const int64_t step = (int64_t)r.element - q.element;
    return agi_fits_stride(step) &&
           (!has_stride || step == (int64_t)q.element - plan->place[first].element);
}

static bool is_same_term(const agi_product *p, const agi_product *q)
{
    return memcmp(&p->factor, &q->factor, sizeof(double)) == 0 && p->chain == q->chain;
}

uint32_t agi_measure_products(const agi_plan *plan, uint32_t n, const agi_terms_of *lists)
{
    uint32_t length = 1;
    for (; length < n; length++) {
        if (lists[length].n != lists[0].n)
            return length;
        const bool has_stride = length > 1;
        for (uint32_t t = 0; t < lists[0].n; t++) {
            const agi_product *p = &lists[has_stride ? length - 2 : 0].terms[t],
                              *q = &lists[length - 1].terms[t], *r = &lists[length].terms[t];
            if (!is_same_term(q, r) || !goes_on(plan, p->p, q->p, r->p, has_stride) ||
                !goes_on(plan, p->q, q->q, r->q, has_stride))
                return length;
        }
    }
    return length;
}

/* Whether gates have more operands than an instruction has places for, or none of the usual kind:
 * then each is an instruction of its own. */
static bool stands_alone(uint8_t op)
{
    if (op >= AGI_GATE_COUNT)
        return op == AGI_OP_SCAN || op == AGI_OP_PROJECT;
    const agi_form form = (agi_form)agi_gate_forms[op];
    return form != AGI_FORM_UNARY && form != AGI_FORM_BINARY && form != AGI_FORM_TERNARY;
}

static bool has_same_terms(const agi_code *code, uint32_t left, uint32_t right)
{
    const agi_product *p = code->products + code->at[left].a,
                      *q = code->products + code->at[right].a;
    for (uint32_t t = 0; t < code->at[left].b; t++)
        if (!is_same_term(&p[t], &q[t]))
            return false;
    return true;
}

/* How many of the nodes, from the first on, are one run. */
static uint32_t measure_run(const agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    const agi_code *code = plan->code;
    const uint8_t op = code->ops[nodes[0]];
    if (plan->plain || n < 2 || stands_alone(op))
        return 1;
    agi_operand_list first, second = agi_list_code(code, nodes[0]), third = second;
    uint32_t length = 1;
    for (; length < n; length++) {
        first = second;
        second = third;
        third = agi_list_code(code, nodes[length]);
        if (code->ops[nodes[length]] != op || third.n != second.n ||
            (op == AGI_OP_PRODUCTS && !has_same_terms(code, nodes[length - 1], nodes[length])))
            return length;
        for (uint32_t k = 0; k < third.n; k++)
            if (!goes_on(plan, *agi_operand(first, k), *agi_operand(second, k),
                         *agi_operand(third, k), length > 1))
                return length;
    }
    return length;
}

static uint32_t count_runs(const agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    uint32_t runs = 0;
    for (uint32_t i = 0; i < n; runs++)
        i += measure_run(plan, n - i, nodes + i);
    return runs;
}

/* ---- Buckets --------------------------------------------------------------------------------- */

static uint64_t hash_terms(const agi_code *code, uint32_t node, uint64_t hash)
{
    const agi_product *terms = code->products + code->at[node].a;
    for (uint32_t t = 0; t < code->at[node].b; t++) {
        hash = agi_mix(hash, agi_bits_of(terms[t].factor) + terms[t].chain);
    }
    return hash;
}

/* Two nodes of a different key are not of one run; the other way round, nothing is promised. A scan
 * has a vector of its own. */
static uint64_t hash_kind(const agi_plan *plan, uint32_t node)
{
    const agi_operand_list operands = agi_list_code(plan->code, node);
    const uint8_t op = plan->code->ops[node];
    if (stands_alone(op))
        return agi_mix(op, op == AGI_OP_SCAN ? node : 0);
    uint64_t hash = agi_mix(op, operands.n);
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t operand = *agi_operand(operands, k);
        hash = agi_mix(hash, operand == AGI_NO_INDEX ? AGI_NO_INDEX : plan->place[operand].vector);
    }
    return op == AGI_OP_PRODUCTS ? hash_terms(plan->code, node, hash) : hash;
}

/* Where the k-th operand is; a constant can be anywhere, but should be with its like. */
static uint32_t locate_operand(const agi_plan *plan, uint32_t node, uint32_t k)
{
    const uint32_t operand = *agi_operand(agi_list_code(plan->code, node), k);
    if (operand == AGI_NO_INDEX || plan->place[operand].vector == AGI_IN_CONSTANTS)
        return operand;
    return plan->place[operand].element;
}

static int compare_keys(const void *left, const void *right)
{
    const agi_keyed *p = (const agi_keyed *)left, *q = (const agi_keyed *)right;
    if (p->key != q->key)
        return p->key < q->key ? -1 : 1;
    return p->item < q->item ? -1 : p->item > q->item;
}

/* Sets keys to the places of two operands: of the first that is not the same for the first two
 * nodes, and of another. */
static void key_by_operands(const agi_plan *plan, uint32_t n, agi_keyed *nodes)
{
    const uint32_t operands = agi_list_code(plan->code, nodes[0].item).n;
    uint32_t k = 0;
    while (k + 1 < operands &&
           locate_operand(plan, nodes[0].item, k) == locate_operand(plan, nodes[1].item, k))
        k++;
    const uint32_t other = k > 0 ? 0 : operands > 1;
    for (uint32_t i = 0; i < n; i++)
        nodes[i].key = (uint64_t)locate_operand(plan, nodes[i].item, k) << 32 |
                       locate_operand(plan, nodes[i].item, other);
}

static bool is_sorted(uint32_t n, const agi_keyed *nodes)
{
    for (uint32_t i = 1; i < n; i++)
        if (nodes[i].key < nodes[i - 1].key)
            return false;
    return true;
}

static void write_members(agi_plan *plan, uint32_t n, const agi_keyed *nodes)
{
    uint32_t *to = plan->members + plan->members_count;
    for (uint32_t i = 0; i < n; i++)
        to[i] = nodes[i].item;
}

/* Writes n nodes of a bucket behind the members, in their best order; what is one run either way
 * goes upwards. */
static void order_bucket(agi_plan *plan, uint32_t n, agi_keyed *nodes)
{
    enum {
        LONG = 64 /* elements of a run */
    };
    const uint32_t *members = plan->members + plan->members_count;
    write_members(plan, n, nodes);
    if (n < 2 || stands_alone(plan->code->ops[members[0]]))
        return;
    key_by_operands(plan, n, nodes);
    if (is_sorted(n, nodes))
        return;
    const uint32_t runs = count_runs(plan, n, members);
    if (runs <= n / LONG && nodes[n - 1].key >= nodes[0].key) /* good enough not to be sorted */
        return;
    qsort(nodes, n, sizeof(*nodes), compare_keys);
    write_members(plan, n, nodes);
    if (count_runs(plan, n, members) <= runs)
        return;
    for (uint32_t i = 0; i < n; i++)
        nodes[i].key = 0;
    qsort(nodes, n, sizeof(*nodes), compare_keys);
    write_members(plan, n, nodes);
}

/* n nodes at the end of members become one vector, cut into runs. */
static ag_status add_bucket(agi_plan *plan, uint32_t n)
{
    const uint32_t begin = plan->members_count;
    const uint32_t *nodes = plan->members + begin;
    const agi_operands at = plan->code->at[nodes[0]];
    const uint8_t op = plan->code->ops[nodes[0]];
    if (op == AGI_OP_PROJECT) { /* lies in its scan's vector */
        for (uint32_t i = 0; i < n; i++) {
            const agi_operands project = plan->code->at[nodes[i]];
            plan->place[nodes[i]] = (agi_place){plan->place[project.a].vector, project.b};
        }
        return AG_OK;
    }
    uint32_t vector;
    if (agi_add_range(plan, op == AGI_OP_SCAN ? plan->code->scans[at.a].output_count : n,
                      &vector) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        plan->place[nodes[i]] = (agi_place){vector, i};
    for (uint32_t i = 0, length; i < n; i += length) {
        length = measure_run(plan, n - i, nodes + i);
        if (agi_add_group(plan, (agi_group){op, begin + i, length, vector, i, 0}) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    plan->members_count += n;
    return AG_OK;
}

static ag_status group_alone(agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 0; i < n; i++) {
        plan->members[plan->members_count] = nodes[i];
        if (add_bucket(plan, 1) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

ag_status agi_group_runs(agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    if (n < 2 || plan->plain)
        return group_alone(plan, n, nodes);
    agi_keyed *keys = agi_reserve_keys(plan, n);
    if (keys == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        keys[i] = (agi_keyed){hash_kind(plan, nodes[i]), 0, nodes[i]};
    keys = agi_sort_into_buckets(plan, n);
    if (keys == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0, length; i < n; i += length) {
        const uint32_t bucket = keys[i].bucket;
        length = 1;
        while (i + length < n && keys[i + length].bucket == bucket)
            length++;
        order_bucket(plan, length, keys + i);
        if (add_bucket(plan, length) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}
