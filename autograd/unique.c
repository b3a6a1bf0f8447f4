/* SPDX-License-Identifier: MIT
 *
 * Common subexpressions: of gates that say the same about the same operands, the first is left, and
 * the others' users use it. A table with room for half as many again.
 */
#include "code.h"

#include <string.h>

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

/* Closures and scans are left alone: nothing is gained by comparing what is in them. Inputs are all
 * different. */
static bool is_comparable(uint8_t op)
{
    return op != AGI_CLOSURE && op != AGI_OP_SCAN && op != AGI_OP_SHARED && op != AGI_OP_EACH;
}

static bool commutes(uint8_t op)
{
    return op == AGI_add || op == AGI_mul;
}

/* The plain numbers of a gate over n operands that has some. */
static const double *numbers_of(const agi_code *code, uint32_t i)
{
    return code->numbers + code->pool[code->at[i].a];
}

static bool has_numbers(uint8_t op)
{
    return op < AGI_GATE_COUNT && agi_gate_forms[op] == AGI_FORM_NUMBERS;
}

static uint64_t hash_node(const agi_code *code, uint32_t i, agi_operand_list operands)
{
    const agi_operands at = code->at[i];
    const uint8_t op = code->ops[i];
    if (op == AGI_CONSTANT)
        return agi_mix(op, bits_of(code->numbers[at.a]));
    if (op >= AGI_GATE_COUNT || operands.first == &code->at[i].a)
        return agi_mix(op, (uint64_t)at.a << 32 | at.b);
    uint64_t hash = agi_mix(op, operands.n);
    for (uint32_t k = 0; k < operands.n; k++)
        hash = agi_mix(hash, *agi_operand(operands, k));
    if (has_numbers(op))
        for (uint32_t k = 0; k <= operands.n; k++)
            hash = agi_mix(hash, bits_of(numbers_of(code, i)[k]));
    return hash;
}

static bool is_same(const agi_code *code, uint32_t i, uint32_t j)
{
    if (code->ops[i] != code->ops[j])
        return false;
    const agi_operands p = code->at[i], q = code->at[j];
    if (code->ops[i] == AGI_CONSTANT)
        return bits_of(code->numbers[p.a]) == bits_of(code->numbers[q.a]);
    if (code->ops[i] >= AGI_GATE_COUNT)
        return p.a == q.a && p.b == q.b;
    const agi_operand_list a = agi_list_code(code, i), b = agi_list_code(code, j);
    if (a.n != b.n)
        return false;
    for (uint32_t k = 0; k < a.n; k++)
        if (*agi_operand(a, k) != *agi_operand(b, k))
            return false;
    return !has_numbers(code->ops[i]) ||
           memcmp(numbers_of(code, i), numbers_of(code, j), (a.n + 1) * sizeof(double)) == 0;
}

/* An entry of the table, with some of the hash, so that others are told apart at a glance. */
typedef struct entry {
    uint32_t hash;
    uint32_t node; /* AGI_NO_INDEX: none */
} entry;

typedef struct table {
    entry *entries;
    uint64_t size;
} table;

enum {
    LINE = 8,   /* entries that are fetched from memory together */
    LINES = 2,  /* that are tried */
    NEAR = 128, /* of so many: they move on with the graph, so that caches keep them */
};

/* An entry and a half for each node, in whole lines. */
static table new_table(const agi_code *code)
{
    const uint64_t lines = ((uint64_t)code->count + code->count / 2) / LINE + 1;
    const table t = {AGI_NEW_ARRAY(code->memory, lines * LINE, entry), lines * LINE};
    if (t.entries != NULL)
        memset(t.entries, 0xFF, (size_t)t.size * sizeof(entry)); /* AGI_NO_INDEX everywhere */
    return t;
}

/* A number that gates of a loop have side by side, also where one operand is the same for all. */
static uint64_t add_operands(agi_operand_list operands)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < operands.n; k++)
        sum += (uint64_t)*agi_operand(operands, k) << k % 2;
    return sum;
}

/* Where a node's entry can be: in some lines near those of the gate's latest operand; where these
 * are full, as they are around a number that very many gates use, in some near those of gates whose
 * other operands are close by; then in lines that are anywhere. */
static uint64_t find_line(table t, uint32_t latest, agi_operand_list operands, uint64_t hash,
                          uint32_t which)
{
    uint64_t place = agi_mix(hash, which);
    if (which < 2 * LINES) {
        const uint64_t near = which < LINES ? latest : add_operands(operands);
        place = near + near / 2 + (hash >> 8 * which) % NEAR * LINE;
    }
    return place % t.size / LINE * LINE;
}

/* The first node that says the same; this one, if it is the first. */
static uint32_t find_first(const agi_code *code, table t, uint32_t i, uint32_t latest,
                           agi_operand_list operands, uint64_t hash)
{
    const uint32_t tag = (uint32_t)(hash >> 32);
    for (uint32_t which = 0;; which++) {
        entry *line = t.entries + find_line(t, latest, operands, hash, which);
        for (uint32_t k = 0; k < LINE; k++) {
            if (line[k].node == AGI_NO_INDEX) {
                line[k] = (entry){tag, i};
                return i;
            }
            if (line[k].hash == tag && is_same(code, line[k].node, i))
                return line[k].node;
        }
    }
}

/* Constants don't count: all of a graph may use one. */
static uint32_t find_latest(const agi_code *code, agi_operand_list operands)
{
    uint32_t latest = 0;
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t operand = *agi_operand(operands, k);
        if (operand > latest && code->ops[operand] != AGI_CONSTANT)
            latest = operand;
    }
    return latest;
}

static void share(agi_code *code, table t)
{
    for (uint32_t i = 0; i < code->count; i++) {
        agi_redirect_operands(code, i);
        agi_operands *at = &code->at[i];
        if (commutes(code->ops[i]) && at->a > at->b)
            *at = (agi_operands){at->b, at->a};
        const agi_operand_list operands = agi_list_code(code, i);
        code->to[i] = i;
        if (is_comparable(code->ops[i]))
            code->to[i] = find_first(code, t, i, find_latest(code, operands), operands,
                                     hash_node(code, i, operands));
    }
}

/* The same comparison twice is one. */
static void share_comparisons(agi_code *code)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < code->comparisons_count; i++) {
        const agi_comparison comparison = code->comparisons[i];
        if (code->to[comparison.node] == comparison.node)
            code->comparisons[left++] = comparison;
    }
    code->comparisons_count = left;
}

/* The number of a scan's output among those of its twin, which gives n more each step, behind the
 * scan's own. */
static uint32_t renumber(uint32_t output, const agi_scan *scan, uint32_t n)
{
    const uint64_t own = scan->program->info.map_count - scan->state_count;
    if (output < scan->state_count)
        return output;
    const uint64_t at = output - scan->state_count, all = own * scan->steps;
    const uint64_t steps_before = at < all ? at / own : scan->steps;
    return output + (uint32_t)(steps_before * n);
}

void agi_share_scans(agi_code *code)
{
    for (uint32_t i = 0; i < code->count; i++) {
        if (code->ops[i] != AGI_OP_PROJECT)
            continue;
        agi_operands *at = &code->at[i];
        const agi_scan *scan = &code->scans[code->at[at->a].a];
        if (scan->twin == AGI_NO_INDEX)
            continue;
        if (scan->program->states == 0)
            at->b = renumber(at->b, scan, scan->state_count);
        else
            at->a = scan->twin;
    }
    for (uint32_t s = 0; s < code->scans_count; s++) {
        agi_scan *scan = &code->scans[s];
        if (scan->twin == AGI_NO_INDEX || scan->program->states != 0)
            continue;
        agi_scan *twin = &code->scans[code->at[scan->twin].a];
        const agi_scan own = *scan;
        *scan = *twin;
        *twin = own;
        scan->twin = twin->twin = AGI_NO_INDEX;
    }
}

ag_status agi_share_gates(agi_code *code)
{
    const table t = new_table(code);
    const ag_status status = t.entries == NULL ? AG_OUT_OF_MEMORY : agi_reserve_to(code);
    if (status == AG_OK) {
        share(code, t);
        share_comparisons(code);
        agi_redirect_ends(code);
    }
    agi_free_array(code->memory, t.entries, t.size, sizeof(entry));
    return status;
}
