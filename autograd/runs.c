/* SPDX-License-Identifier: MIT
 *
 * Runs: the same gate again and again, with operands at constant strides. The gates of one level
 * fall into buckets by gate and kinds of operands; a bucket, in the order of its first operand's
 * place, is one vector, and is cut where a stride changes.
 */
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

/* ---- How far a run goes ---------------------------------------------------------------------- */

/* Whether the operands of three elements that follow each other (the second may be the first
 * itself) go on at one stride. */
static bool goes_on(const agi_plan *plan, const uint32_t operands[3], bool has_stride)
{
    if (operands[0] == AGI_NO_INDEX || operands[2] == AGI_NO_INDEX)
        return operands[0] == operands[2];
    const agi_address p = agi_locate(plan, operands[0]), q = agi_locate(plan, operands[1]),
                      r = agi_locate(plan, operands[2]);
    if (!agi_is_same_kind(q, r))
        return false;
    if (p.space == AGI_CONSTANTS)
        return true;
    const int64_t step = (int64_t)r.at - q.at;
    if (step > INT32_MAX / 2 || step < INT32_MIN / 2)
        return false;
    return !has_stride || step == (int64_t)q.at - p.at;
}

static bool has_list(uint8_t op)
{
    const agi_form form = op < AGI_GATE_COUNT ? (agi_form)agi_gate_forms[op] : AGI_FORM_LEAF;
    return op == AGI_OP_SCAN || op == AGI_OP_PROJECT || form == AGI_FORM_NONE ||
           form == AGI_FORM_VALUES || form == AGI_FORM_NUMBERS || form == AGI_FORM_CLOSURE ||
           form == AGI_FORM_COMPARE;
}

uint32_t agi_measure_products(const agi_plan *plan, uint32_t n, const agi_terms_of *lists)
{
    uint32_t length = 1;
    for (; length < n; length++) {
        if (lists[length].n != lists[0].n)
            return length;
        const agi_terms_of *three[3] = {&lists[length < 2 ? 0 : length - 2], &lists[length - 1],
                                        &lists[length]};
        for (uint32_t t = 0; t < lists[0].n; t++) {
            const agi_product *p = &three[0]->terms[t], *q = &three[1]->terms[t],
                              *r = &three[2]->terms[t];
            if (memcmp(&q->factor, &r->factor, sizeof(double)) != 0 || q->chain != r->chain ||
                !goes_on(plan, (const uint32_t[]){p->p, q->p, r->p}, length > 1) ||
                !goes_on(plan, (const uint32_t[]){p->q, q->q, r->q}, length > 1))
                return length;
        }
    }
    return length;
}

uint32_t agi_measure_run(const agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    const agi_code *code = plan->code;
    const uint8_t op = code->ops[nodes[0]];
    if (plan->plain || has_list(op))
        return 1;
    const uint32_t operands = agi_code_operand_count(code, nodes[0]);
    uint32_t length = 1;
    for (; length < n; length++) {
        const uint32_t three[3] = {nodes[length < 2 ? 0 : length - 2], nodes[length - 1],
                                   nodes[length]};
        if (code->ops[three[2]] != op || agi_code_operand_count(code, three[2]) != operands)
            return length;
        for (uint32_t k = 0; k < operands; k++) {
            const uint32_t of[3] = {*agi_code_operand(code, three[0], k),
                                    *agi_code_operand(code, three[1], k),
                                    *agi_code_operand(code, three[2], k)};
            if (!goes_on(plan, of, length > 1))
                return length;
            if (op != AGI_OP_PRODUCTS || k % 2 != 0)
                continue;
            const agi_product *q = &code->products[code->at[three[1]].a + k / 2],
                              *r = &code->products[code->at[three[2]].a + k / 2];
            if (memcmp(&q->factor, &r->factor, sizeof(double)) != 0 || q->chain != r->chain)
                return length;
        }
    }
    return length;
}

/* ---- Buckets --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

/* Two nodes of a different key are not of one run; the other way round, nothing is promised. */
static uint64_t hash_kind(const agi_plan *plan, uint32_t node)
{
    const agi_code *code = plan->code;
    const uint32_t n = agi_code_operand_count(code, node);
    uint64_t hash = mix(mix(0, code->ops[node]), n);
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t operand = *agi_code_operand(code, node, k);
        if (operand == AGI_NO_INDEX) {
            hash = mix(hash, UINT64_MAX);
            continue;
        }
        const agi_address address = agi_locate(plan, operand);
        hash = mix(hash, (uint64_t)address.space << 32 | address.vector);
    }
    return hash;
}

typedef struct keyed {
    uint64_t kind;
    uint32_t order; /* of the kind: its first node's place in the level */
    uint32_t at;    /* of the first operand that is not the same for all of the kind */
    uint32_t node;
} keyed;

/* Where the k-th operand is; AGI_NO_INDEX for a constant. */
static uint32_t locate_operand(const agi_plan *plan, uint32_t node, uint32_t k)
{
    const uint32_t operand = *agi_code_operand(plan->code, node, k);
    if (operand == AGI_NO_INDEX)
        return AGI_NO_INDEX;
    const agi_address address = agi_locate(plan, operand);
    return address.space == AGI_CONSTANTS ? AGI_NO_INDEX : address.at;
}

static void locate_first(const agi_plan *plan, uint32_t n, keyed *bucket)
{
    const uint32_t operands = agi_code_operand_count(plan->code, bucket[0].node);
    uint32_t k = 0;
    while (k + 1 < operands && n > 1 &&
           locate_operand(plan, bucket[0].node, k) == locate_operand(plan, bucket[1].node, k))
        k++;
    for (uint32_t i = 0; i < n && operands > 0; i++)
        bucket[i].at = locate_operand(plan, bucket[i].node, k);
}

static int compare_keyed(const void *left, const void *right)
{
    const keyed *p = left, *q = right;
    if (p->order != q->order)
        return p->order < q->order ? -1 : 1;
    if (p->at != q->at)
        return p->at < q->at ? -1 : 1;
    return p->node < q->node ? -1 : p->node > q->node;
}

/* Numbers the kinds by their first nodes, with a table of twice the size. */
static void order_kinds(uint32_t n, keyed *nodes, uint32_t *table, uint32_t mask)
{
    memset(table, 0xFF, ((size_t)mask + 1) * sizeof(*table));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)nodes[i].kind & mask;
        while (table[slot] != AGI_NO_INDEX && nodes[table[slot]].kind != nodes[i].kind)
            slot = (slot + 1) & mask;
        if (table[slot] == AGI_NO_INDEX)
            table[slot] = i;
        nodes[i].order = table[slot];
    }
}

static void sort(uint32_t n, keyed *nodes)
{
    for (uint32_t i = 1; i < n; i++)
        if (compare_keyed(&nodes[i - 1], &nodes[i]) > 0) {
            qsort(nodes, n, sizeof(*nodes), compare_keyed);
            return;
        }
}

/* One vector, cut into runs. */
static ag_status add_bucket(agi_plan *plan, uint32_t n, const keyed *nodes)
{
    uint32_t vector = AGI_NO_INDEX;
    const uint8_t op = plan->code->ops[nodes[0].node];
    const uint32_t begin = plan->members_count;
    if (op == AGI_OP_PROJECT) { /* lies in its scan's vector */
        for (uint32_t i = 0; i < n; i++) {
            const agi_operands at = plan->code->at[nodes[i].node];
            plan->place[nodes[i].node] = (agi_place){plan->place[at.a].vector, at.b};
        }
        return AG_OK;
    }
    const uint32_t size =
        op == AGI_OP_SCAN ? plan->code->scans[plan->code->at[nodes[0].node].a].output_count : n;
    if (agi_add_range(plan, size, &vector) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        plan->members[plan->members_count++] = nodes[i].node;
        plan->place[nodes[i].node] = (agi_place){vector, i};
    }
    for (uint32_t i = 0; i < n;) {
        const uint32_t length = agi_measure_run(plan, n - i, plan->members + begin + i);
        if (agi_add_group(plan, (agi_group){op, begin + i, length, vector, i, 0}) != AG_OK)
            return AG_OUT_OF_MEMORY;
        i += length;
    }
    return AG_OK;
}

static ag_status group_alone(agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 0; i < n; i++)
        if (add_bucket(plan, 1, &(const keyed){.node = nodes[i]}) != AG_OK)
            return AG_OUT_OF_MEMORY;
    return AG_OK;
}

static uint32_t size_table(uint32_t n)
{
    uint32_t size = 4;
    while (size < 2 * (uint64_t)n && size < UINT32_C(1) << 31)
        size *= 2;
    return size;
}

ag_status agi_group_runs(agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    if (n < 2 || plan->plain)
        return group_alone(plan, n, nodes);
    const uint32_t size = size_table(n);
    keyed *keys = agi_new_array(plan->memory, n, sizeof(*keys));
    uint32_t *table = agi_new_array(plan->memory, size, sizeof(*table));
    ag_status status = keys != NULL && table != NULL ? AG_OK : AG_OUT_OF_MEMORY;
    if (status == AG_OK) {
        for (uint32_t i = 0; i < n; i++) {
            /* a scan has a vector of its own, and so have lists of any length */
            const uint64_t kind = plan->code->ops[nodes[i]] == AGI_OP_SCAN
                                      ? mix(1, nodes[i])
                                      : hash_kind(plan, nodes[i]);
            keys[i] = (keyed){kind, 0, 0, nodes[i]};
        }
        order_kinds(n, keys, table, size - 1);
        sort(n, keys);
    }
    for (uint32_t i = 0, length; status == AG_OK && i < n; i += length) {
        length = 1;
        while (i + length < n && keys[i + length].order == keys[i].order)
            length++;
        locate_first(plan, length, keys + i);
        sort(length, keys + i);
        status = add_bucket(plan, length, keys + i);
    }
    agi_free_array(plan->memory, keys, n, sizeof(*keys));
    agi_free_array(plan->memory, table, size, sizeof(*table));
    return status;
}
