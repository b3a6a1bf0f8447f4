/* SPDX-License-Identifier: MIT
 *
 * Structure recovery, forward: sums of products over the same x, whose factors p lie at constant
 * strides, are rows of a matrix. It doesn't matter in which order a sum was written down: terms are
 * put in the order of where x lies. What a row has beside (a bias, a residual) is added to it.
 */
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

/* Whether a factor can be an element of the matrix: the same number in all lanes. */
static bool is_still(const agi_plan *plan, uint32_t node)
{
    const uint8_t op = plan->code->ops[node];
    return op == AGI_OP_SHARED || op == AGI_CONSTANT || !plan->member[node];
}

static uint64_t key_of(const agi_plan *plan, uint32_t node)
{
    return (uint64_t)plan->place[node].vector << 32 | plan->place[node].element;
}

/* ---- One row --------------------------------------------------------------------------------- */

static ag_status add_entry(agi_plan *plan, agi_entry entry)
{
    if (agi_memory_grow(plan->memory, (void **)&plan->entries, sizeof(*plan->entries),
                        &plan->entries_capacity, (uint64_t)plan->entries_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    plan->entries[plan->entries_count++] = entry;
    return AG_OK;
}

static ag_status add_rest(agi_plan *plan, agi_product product)
{
    if (agi_memory_grow(plan->memory, (void **)&plan->rests, sizeof(*plan->rests),
                        &plan->rests_capacity, (uint64_t)plan->rests_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    plan->rests[plan->rests_count++] = product;
    return AG_OK;
}

/* Whether a product is p * x with p still; then in that order. A chain's upstream has to be x. */
static bool is_element(const agi_plan *plan, const agi_product *product, uint32_t *p, uint32_t *x)
{
    if (product->p == AGI_NO_INDEX || product->q == AGI_NO_INDEX || product->factor < 1 ||
        product->factor > 1)
        return false;
    const bool p_still = is_still(plan, product->p), q_still = is_still(plan, product->q);
    if (p_still == q_still || (product->chain && p_still))
        return false;
    *p = p_still ? product->p : product->q;
    *x = p_still ? product->q : product->p;
    return true;
}

static int compare_entries(const void *left, const void *right)
{
    const agi_entry *p = left, *q = right;
    return p->x_key < q->x_key ? -1 : p->x_key > q->x_key;
}

static void sort_entries(uint32_t n, agi_entry *entries)
{
    for (uint32_t j = 1; j < n; j++)
        if (entries[j].x_key < entries[j - 1].x_key) {
            qsort(entries, n, sizeof(*entries), compare_entries);
            return;
        }
}

/* Sorts the terms of a sum into elements, bias and rest. A sum without a single product p * x is
 * taken for a row of numbers times x. */
static ag_status read_row(agi_plan *plan, uint32_t node, agi_row *row)
{
    const agi_code *code = plan->code;
    const agi_operands at = code->at[node];
    *row = (agi_row){.node = node,
                     .entries = plan->entries_count,
                     .bias = AGI_NO_INDEX,
                     .rest = plan->rests_count};
    bool has_products = false;
    uint32_t p, x;
    for (uint32_t t = 0; t < at.b; t++) {
        const agi_product *product = &code->products[at.a + t];
        if (!is_element(plan, product, &p, &x))
            continue;
        row->chain = has_products ? row->chain : product->chain;
        has_products = true;
    }
    ag_status status = AG_OK;
    for (uint32_t t = 0; t < at.b && status == AG_OK; t++) {
        const agi_product *product = &code->products[at.a + t];
        const bool single = product->p != AGI_NO_INDEX && product->q == AGI_NO_INDEX;
        if (is_element(plan, product, &p, &x) && product->chain == row->chain) {
            status = add_entry(plan, (agi_entry){key_of(plan, x), 1, p, x});
        } else if (single && is_still(plan, product->p) && row->bias == AGI_NO_INDEX &&
                   product->factor >= 1 && product->factor <= 1) {
            row->bias = product->p;
        } else if (single && !has_products && !is_still(plan, product->p)) {
            x = product->p;
            status =
                add_entry(plan, (agi_entry){key_of(plan, x), product->factor, AGI_NO_INDEX, x});
        } else {
            status = add_rest(plan, *product);
        }
    }
    row->k = plan->entries_count - row->entries;
    row->rest_count = plan->rests_count - row->rest;
    agi_entry *entries = plan->entries + row->entries;
    if (row->k > 0)
        sort_entries(row->k, entries);
    row->hash = mix(row->chain, row->k);
    for (uint32_t j = 0; j < row->k; j++)
        row->hash = mix(row->hash, entries[j].x_key);
    return status;
}

/* ---- Rows of one matrix ---------------------------------------------------------------------- */

static agi_address locate_p(const agi_plan *plan, const agi_entry *entry)
{
    return entry->p == AGI_NO_INDEX ? (agi_address){AGI_CONSTANTS, 0, 0}
                                    : agi_locate(plan, entry->p);
}

static const agi_entry *entry_of(const agi_plan *plan, const agi_row *row, uint32_t j)
{
    return &plan->entries[row->entries + j];
}

uint32_t agi_measure_segment(const agi_plan *plan, const agi_row *row, uint32_t from)
{
    const agi_address first = locate_p(plan, entry_of(plan, row, from));
    agi_address last = first;
    int64_t stride = 0;
    uint32_t end = from + 1;
    for (; end < row->k; end++) {
        const agi_address p = locate_p(plan, entry_of(plan, row, end));
        if (!agi_is_same_kind(first, p))
            break;
        const int64_t step = (int64_t)p.at - last.at;
        if (first.space != AGI_CONSTANTS &&
            ((end > from + 1 && step != stride) || step > INT32_MAX / 2 || step < INT32_MIN / 2))
            break;
        stride = step;
        last = p;
    }
    return end - from;
}

static bool has_same_x(const agi_plan *plan, const agi_row *p, const agi_row *q)
{
    if (p->hash != q->hash || p->k != q->k || p->chain != q->chain)
        return false;
    for (uint32_t j = 0; j < p->k; j++)
        if (entry_of(plan, p, j)->x_key != entry_of(plan, q, j)->x_key)
            return false;
    return true;
}

/* The step of p from one row to the next, in column j; false where it is not of the same kind. */
static bool step_down(const agi_plan *plan, const agi_row *from, const agi_row *to, uint32_t j,
                      int64_t *step)
{
    const agi_address p = locate_p(plan, entry_of(plan, from, j)),
                      q = locate_p(plan, entry_of(plan, to, j));
    *step = p.space == AGI_CONSTANTS ? 0 : (int64_t)q.at - p.at;
    return agi_is_same_kind(p, q) && *step < INT32_MAX / 2 && *step > INT32_MIN / 2;
}

static bool goes_on(const agi_plan *plan, const agi_row *rows, uint32_t i)
{
    const agi_row *first = &rows[0], *last = &rows[i - 1], *next = &rows[i];
    if (!has_same_x(plan, last, next) ||
        (last->bias == AGI_NO_INDEX) != (next->bias == AGI_NO_INDEX))
        return false;
    int64_t step, expected;
    if (first->bias != AGI_NO_INDEX) {
        const agi_address p = agi_locate(plan, last->bias), q = agi_locate(plan, next->bias);
        if (!agi_is_same_kind(p, q))
            return false;
        const agi_address a = agi_locate(plan, rows[0].bias), b = agi_locate(plan, rows[1].bias);
        if (p.space != AGI_CONSTANTS && (int64_t)q.at - p.at != (int64_t)b.at - a.at)
            return false;
    }
    for (uint32_t j = 0; j < first->k;) {
        const uint32_t length = agi_measure_segment(plan, first, j);
        if (!step_down(plan, first, &rows[1], j, &expected))
            return false;
        for (uint32_t column = j; column < j + length; column++)
            if (!step_down(plan, last, next, column, &step) || step != expected)
                return false;
        j += length;
    }
    return true;
}

/* A matrix in more pieces than this is none. */
static bool is_regular(const agi_plan *plan, const agi_row *row)
{
    uint32_t segments = 0;
    for (uint32_t j = 0; j < row->k; j += agi_measure_segment(plan, row, j))
        segments++;
    return segments <= 1 + row->k / 4;
}

typedef struct ordered {
    uint64_t hash;
    uint64_t p_key; /* of the first element */
    uint32_t row;
} ordered;

static int compare_rows(const void *left, const void *right)
{
    const ordered *p = left, *q = right;
    if (p->hash != q->hash)
        return p->hash < q->hash ? -1 : 1;
    if (p->p_key != q->p_key)
        return p->p_key < q->p_key ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

/* Rows that may be of one matrix come together, in the order of their elements. */
static ag_status sort_rows(agi_plan *plan, uint32_t n, agi_row *rows)
{
    ordered *order = agi_new_array(plan->memory, n, sizeof(*order));
    agi_row *copy = agi_new_array(plan->memory, n, sizeof(*copy));
    const bool has_room = order != NULL && copy != NULL;
    for (uint32_t i = 0; i < n && has_room; i++) {
        const agi_address p = locate_p(plan, entry_of(plan, &rows[i], 0));
        order[i] = (ordered){rows[i].hash, (uint64_t)p.space << 32 | p.at, i};
        copy[i] = rows[i];
    }
    if (has_room) {
        qsort(order, n, sizeof(*order), compare_rows);
        for (uint32_t i = 0; i < n; i++)
            rows[i] = copy[order[i].row];
    }
    agi_free_array(plan->memory, order, n, sizeof(*order));
    agi_free_array(plan->memory, copy, n, sizeof(*copy));
    return has_room ? AG_OK : AG_OUT_OF_MEMORY;
}

static ag_status add_matrix(agi_plan *plan, uint32_t first_row, uint32_t m)
{
    const agi_row *rows = plan->rows + first_row;
    uint32_t vector;
    if (agi_memory_grow(plan->memory, (void **)&plan->matrices, sizeof(*plan->matrices),
                        &plan->matrices_capacity, (uint64_t)plan->matrices_count + 1, UINT32_MAX) ||
        agi_add_range(plan, m, &vector))
        return AG_OUT_OF_MEMORY;
    plan->matrices[plan->matrices_count++] = (agi_matrix){rows[0].k, rows[0].chain, first_row};
    const uint32_t begin = plan->members_count;
    for (uint32_t i = 0; i < m; i++) {
        plan->members[plan->members_count++] = rows[i].node;
        plan->place[rows[i].node] = (agi_place){vector, i};
    }
    return agi_add_group(plan,
                         (agi_group){AGI_OP_AFFINE, begin, m, vector, 0, plan->matrices_count - 1});
}

/* Cuts sorted rows into matrices; marks the rows that are in one by k = 0 in `left`. */
static ag_status cut_rows(agi_plan *plan, uint32_t first_row, uint32_t n, bool *found)
{
    for (uint32_t i = 0, length; i < n; i += length) {
        const agi_row *rows = plan->rows + first_row + i;
        length = 1;
        while (i + length < n && goes_on(plan, rows, length))
            length++;
        if (length < 2 || !is_regular(plan, rows))
            continue;
        if (add_matrix(plan, first_row + i, length) != AG_OK)
            return AG_OUT_OF_MEMORY;
        *found = true;
    }
    return AG_OK;
}

static ag_status read_rows(agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 0; i < n; i++) {
        if (plan->code->ops[nodes[i]] != AGI_OP_PRODUCTS)
            continue;
        agi_row row;
        const uint32_t entries = plan->entries_count, rests = plan->rests_count;
        if (read_row(plan, nodes[i], &row) != AG_OK ||
            agi_memory_grow(plan->memory, (void **)&plan->rows, sizeof(*plan->rows),
                            &plan->rows_capacity, (uint64_t)plan->rows_count + 1, UINT32_MAX))
            return AG_OUT_OF_MEMORY;
        if (row.k >= 2) {
            plan->rows[plan->rows_count++] = row;
        } else {
            plan->entries_count = entries;
            plan->rests_count = rests;
        }
    }
    return AG_OK;
}

ag_status agi_group_affine(agi_plan *plan, uint32_t n, uint32_t *nodes, uint32_t *left)
{
    const uint32_t rows = plan->rows_count, entries = plan->entries_count,
                   rests = plan->rests_count;
    bool found = false;
    *left = n;
    ag_status status = n < 2 ? AG_OK : read_rows(plan, n, nodes);
    const uint32_t count = plan->rows_count - rows;
    if (status == AG_OK && count >= 2) {
        status = sort_rows(plan, count, plan->rows + rows);
        if (status == AG_OK)
            status = cut_rows(plan, rows, count, &found);
    }
    if (status != AG_OK)
        return status;
    if (!found) {
        plan->rows_count = rows;
        plan->entries_count = entries;
        plan->rests_count = rests;
        return AG_OK;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (plan->place[nodes[i]].vector == AGI_NO_INDEX)
            nodes[kept++] = nodes[i];
    *left = kept;
    return AG_OK;
}
