/* SPDX-License-Identifier: MIT
 *
 * Structure recovery, forward: sums of products over the same x, whose factors p lie at constant
 * strides, are rows of a matrix. It doesn't matter in which order a sum was written down: terms are
 * put in the order of where x lies. What a row has beside (a bias, a residual) is added to it.
 *
 * Over lanes p is what does not vary. In the once section, which has a single lane, either factor
 * may be p; x is the one that more sums of the level use.
 */
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

/* Whether a number is the same in all lanes. */
static bool is_still(const agi_plan *plan, uint32_t node)
{
    return plan->place[node].vector >= AGI_IN_SHARED;
}

static bool is_once(const agi_plan *plan)
{
    return plan->part == AGI_PART_ONCE;
}

static uint64_t key_of(const agi_plan *plan, uint32_t node)
{
    return (uint64_t)plan->place[node].vector << 32 | plan->place[node].element;
}

/* ---- One row --------------------------------------------------------------------------------- */

/* Whether a product is p * x for a matrix element p; then in that order. A chain's upstream has to
 * be x. */
static bool is_element(const agi_plan *plan, const agi_product *product, uint32_t *p, uint32_t *x)
{
    *p = product->q;
    *x = product->p;
    if (*p == AGI_NO_INDEX || *x == AGI_NO_INDEX || !agi_is_one(product->factor))
        return false;
    bool is_swapped;
    if (is_once(plan)) {
        is_swapped = !product->chain && (plan->place[*x].vector == AGI_IN_CONSTANTS ||
                                         plan->level[*p] > plan->level[*x]);
    } else {
        is_swapped = is_still(plan, *x);
        if (is_swapped == is_still(plan, *p) || (is_swapped && product->chain))
            return false;
    }
    if (is_swapped) {
        *p = product->p;
        *x = product->q;
    }
    return plan->place[*x].vector != AGI_IN_CONSTANTS;
}

static int compare_entries(const void *left, const void *right)
{
    const agi_entry *p = (const agi_entry *)left, *q = (const agi_entry *)right;
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

/* How the terms of a sum are taken: products p * x, with or without chain; or, where there are
 * none, numbers times x. */
typedef struct reading {
    uint32_t elements; /* of the kind that the row is made of */
    bool has_products, chain;
} reading;

static bool is_number_times_x(const agi_plan *plan, const agi_product *product)
{
    return product->q == AGI_NO_INDEX && product->p != AGI_NO_INDEX &&
           (is_once(plan) || !is_still(plan, product->p));
}

static reading look_at_terms(const agi_plan *plan, agi_terms_of list)
{
    reading r = {0};
    uint32_t p, x, singles = 0;
    for (uint32_t t = 0; t < list.n; t++) {
        const agi_product *product = &list.terms[t];
        singles += is_number_times_x(plan, product);
        if (!is_element(plan, product, &p, &x))
            continue;
        r.chain = r.has_products ? r.chain : product->chain;
        r.has_products = true;
        r.elements += product->chain == r.chain;
    }
    if (!r.has_products)
        r.elements = singles;
    return r;
}

static ag_status add_entry(agi_plan *plan, double factor, uint32_t p, uint32_t x)
{
    if (agi_memory_grow(plan->memory, (void **)&plan->entries, sizeof(*plan->entries),
                        &plan->entries_capacity, (uint64_t)plan->entries_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    plan->entries[plan->entries_count++] = (agi_entry){key_of(plan, x), factor, p, x};
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

/* The vector that most elements of a row have their p in. */
static uint32_t find_matrix_vector(const agi_plan *plan, const agi_entry *entries, uint32_t k)
{
    uint32_t found = AGI_NO_INDEX, votes = 0;
    for (uint32_t j = 0; j < k; j++) { /* whoever has more than half of them outlasts the others */
        const uint32_t vector = plan->place[entries[j].p].vector;
        if (votes == 0)
            found = vector;
        votes = vector == found ? votes + 1 : votes - 1;
    }
    return found;
}

/* An x that stands there twice, once with a number of the matrix and once with another one (what a
 * user has computed for the diagonal), would keep the others from being regular. So the other goes
 * to the rest. entries are sorted. */
static ag_status set_aside(agi_plan *plan, agi_row *row)
{
    agi_entry *entries = plan->entries + row->entries;
    uint32_t kept = 0;
    const uint32_t vector = find_matrix_vector(plan, entries, row->k);
    for (uint32_t j = 0; j < row->k; j++) {
        const agi_entry e = entries[j];
        const bool is_twice = (kept > 0 && entries[kept - 1].x_key == e.x_key) ||
                              (j + 1 < row->k && entries[j + 1].x_key == e.x_key);
        if (!is_twice || plan->place[e.p].vector == vector)
            entries[kept++] = e;
        else if (add_rest(plan, (agi_product){1, e.x, e.p, row->chain}) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    row->k = kept;
    plan->entries_count = row->entries + kept;
    return AG_OK;
}

/* Sorts the terms of a sum into elements, bias and rest. */
static ag_status read_row(agi_plan *plan, uint32_t node, reading r, agi_row *row)
{
    const agi_operands at = plan->code->at[node];
    *row = (agi_row){.node = node,
                     .entries = plan->entries_count,
                     .bias = AGI_NO_INDEX,
                     .rest = plan->rests_count,
                     .chain = r.chain};
    ag_status status = AG_OK;
    uint32_t p, x;
    for (uint32_t t = 0; t < at.b && status == AG_OK; t++) {
        const agi_product *product = &plan->code->products[at.a + t];
        if (is_element(plan, product, &p, &x) && product->chain == r.chain)
            status = add_entry(plan, 1, p, x);
        else if (!r.has_products && is_number_times_x(plan, product))
            status = add_entry(plan, product->factor, AGI_NO_INDEX, product->p);
        else if (product->p != AGI_NO_INDEX && product->q == AGI_NO_INDEX &&
                 is_still(plan, product->p) && row->bias == AGI_NO_INDEX &&
                 agi_is_one(product->factor))
            row->bias = product->p;
        else
            status = add_rest(plan, *product);
    }
    row->k = plan->entries_count - row->entries;
    agi_entry *entries = row->k > 0 ? plan->entries + row->entries : NULL;
    sort_entries(row->k, entries);
    if (status == AG_OK && r.has_products)
        status = set_aside(plan, row);
    row->rest_count = plan->rests_count - row->rest;
    row->hash = agi_mix(row->chain, row->k);
    for (uint32_t j = 0; j < row->k; j++)
        row->hash = agi_mix(row->hash, entries[j].x_key);
    return status;
}

/* ---- Rows of one matrix ---------------------------------------------------------------------- */

static const agi_entry *entry_of(const agi_plan *plan, const agi_row *row, uint32_t j)
{
    return &plan->entries[row->entries + j];
}

/* Numbers can be put anywhere. */
static agi_place locate_p(const agi_plan *plan, const agi_entry *entry)
{
    if (entry->p == AGI_NO_INDEX || plan->place[entry->p].vector == AGI_IN_CONSTANTS)
        return (agi_place){AGI_IN_CONSTANTS, 0};
    return plan->place[entry->p];
}

/* How many elements of a row, from one on, lie at a constant stride. */
static uint32_t measure_segment(const agi_plan *plan, const agi_row *row, uint32_t from)
{
    const agi_place first = locate_p(plan, entry_of(plan, row, from));
    agi_place last = first;
    int64_t stride = 0;
    uint32_t end = from + 1;
    for (; end < row->k; end++) {
        const agi_place p = locate_p(plan, entry_of(plan, row, end));
        const int64_t step = (int64_t)p.element - last.element;
        if (p.vector != first.vector || !agi_fits_stride(step) ||
            (end > from + 1 && step != stride))
            break;
        stride = step;
        last = p;
    }
    return end - from;
}

/* Writes the lengths of the row's segments. *is_regular: they are not so many that it is none. */
static ag_status cut_columns(agi_plan *plan, const agi_row *row, bool *is_regular)
{
    const uint32_t first = plan->segments_count, most = 1 + row->k / 4;
    *is_regular = true;
    for (uint32_t j = 0; j < row->k && *is_regular; j += plan->segments[plan->segments_count++]) {
        *is_regular = plan->segments_count - first < most;
        if (agi_memory_grow(plan->memory, (void **)&plan->segments, sizeof(*plan->segments),
                            &plan->segments_capacity, (uint64_t)plan->segments_count + 1,
                            UINT32_MAX))
            return AG_OUT_OF_MEMORY;
        plan->segments[plan->segments_count] = measure_segment(plan, row, j);
    }
    return AG_OK;
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

/* Whether p goes on from row to row in the same way, in the columns [from, from + k). */
static bool steps_alike(const agi_plan *plan, const agi_row *rows, uint32_t i, uint32_t from,
                        uint32_t k)
{
    const agi_place first = locate_p(plan, entry_of(plan, &rows[0], from)),
                    below = locate_p(plan, entry_of(plan, &rows[1], from));
    const int64_t expected = (int64_t)below.element - first.element;
    if (below.vector != first.vector || !agi_fits_stride(expected))
        return false;
    for (uint32_t j = from; j < from + k; j++) {
        const agi_place p = locate_p(plan, entry_of(plan, &rows[i - 1], j)),
                        q = locate_p(plan, entry_of(plan, &rows[i], j));
        if (q.vector != first.vector || (int64_t)q.element - p.element != expected)
            return false;
    }
    return true;
}

static bool has_bias_in_step(const agi_plan *plan, const agi_row *rows, uint32_t i)
{
    if (rows[0].bias == AGI_NO_INDEX || rows[i].bias == AGI_NO_INDEX)
        return rows[0].bias == rows[i].bias;
    const agi_place a = plan->place[rows[0].bias], b = plan->place[rows[1].bias],
                    p = plan->place[rows[i - 1].bias], q = plan->place[rows[i].bias];
    const int64_t step = (int64_t)b.element - a.element;
    return q.vector == a.vector &&
           (q.vector == AGI_IN_CONSTANTS ||
            (agi_fits_stride(step) && (int64_t)q.element - p.element == step));
}

/* Whether row i > 0 goes on from the rows before it; the columns fall into segments. */
static bool goes_on(const agi_plan *plan, const agi_row *rows, uint32_t i, const uint32_t *segments)
{
    if (!has_same_x(plan, &rows[i - 1], &rows[i]) || !has_bias_in_step(plan, rows, i))
        return false;
    for (uint32_t j = 0; j < rows[0].k; j += *segments++)
        if (!steps_alike(plan, rows, i, j, *segments))
            return false;
    return true;
}

/* The matrices of a level have one vector together, so that what comes next can be one run. */
static ag_status add_matrix(agi_plan *plan, uint32_t first_row, uint32_t m, uint32_t first_segment)
{
    const agi_row *rows = plan->rows + first_row;
    uint32_t *vector = &plan->matrix_vector;
    if (*vector == AGI_NO_INDEX && agi_add_range(plan, 0, vector) != AG_OK)
        return AG_OUT_OF_MEMORY;
    agi_range *range = &plan->ranges[*vector];
    const agi_group group = {AGI_OP_AFFINE, plan->members_count, m, *vector,
                             range->n,      plan->matrices_count};
    for (uint32_t i = 0; i < m; i++) {
        plan->members[plan->members_count++] = rows[i].node;
        plan->place[rows[i].node] = (agi_place){*vector, range->n++};
    }
    const agi_matrix matrix = {first_row, first_segment, plan->segments_count - first_segment};
    return AGI_APPEND(plan, plan->matrices, matrix) != AG_OK ? AG_OUT_OF_MEMORY
                                                             : agi_add_group(plan, group);
}

/* Small matrices in many pieces are better off as sums of products. */
static bool is_worthwhile(uint32_t m, uint32_t k, uint32_t segments)
{
    return m > 1 && (segments == 1 || (uint64_t)m * k >= 12 * (uint64_t)segments);
}

/* Cuts rows of one bucket, in their order, into matrices. */
static ag_status cut_rows(agi_plan *plan, uint32_t first_row, uint32_t n)
{
    for (uint32_t i = 0, length; i < n; i += length) {
        const agi_row *rows = plan->rows + first_row + i;
        const uint32_t segment = plan->segments_count;
        bool is_regular;
        length = 1;
        if (cut_columns(plan, rows, &is_regular) != AG_OK)
            return AG_OUT_OF_MEMORY;
        while (is_regular && i + length < n &&
               goes_on(plan, rows, length, plan->segments + segment))
            length++;
        if (!is_worthwhile(length, rows->k, plan->segments_count - segment))
            plan->segments_count = segment;
        else if (add_matrix(plan, first_row + i, length, segment) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

/* ---- A level --------------------------------------------------------------------------------- */

static ag_status read_rows(agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 0; i < n; i++) {
        if (plan->code->ops[nodes[i]] != AGI_OP_PRODUCTS)
            continue;
        const agi_operands at = plan->code->at[nodes[i]];
        const reading r = look_at_terms(plan, (agi_terms_of){plan->code->products + at.a, at.b});
        if (r.elements < 2)
            continue;
        agi_row row;
        if (read_row(plan, nodes[i], r, &row) != AG_OK ||
            agi_memory_grow(plan->memory, (void **)&plan->rows, sizeof(*plan->rows),
                            &plan->rows_capacity, (uint64_t)plan->rows_count + 1, UINT32_MAX))
            return AG_OUT_OF_MEMORY;
        plan->rows[plan->rows_count++] = row;
    }
    return AG_OK;
}

/* Counts, where either factor can be x, what products use: in plan->level, which is all 0. */
static void count_uses(agi_plan *plan, uint32_t n, const uint32_t *nodes, bool undo)
{
    for (uint32_t i = 0; i < n && is_once(plan); i++) {
        const agi_operand_list operands = agi_list_code(plan->code, nodes[i]);
        for (uint32_t k = 0; k < operands.n && plan->code->ops[nodes[i]] == AGI_OP_PRODUCTS; k++) {
            const uint32_t operand = *agi_operand(operands, k);
            if (operand != AGI_NO_INDEX)
                plan->level[operand] = undo ? 0 : plan->level[operand] + 1;
        }
    }
}

static int compare_rows(const void *left, const void *right)
{
    const agi_keyed *p = (const agi_keyed *)left, *q = (const agi_keyed *)right;
    if (p->key != q->key)
        return p->key < q->key ? -1 : 1;
    return p->item < q->item ? -1 : p->item > q->item;
}

/* Rows of one bucket, in the order of their first elements. */
static void sort_rows(const agi_plan *plan, uint32_t n, agi_keyed *keys)
{
    bool is_sorted = true;
    for (uint32_t i = 0; i < n; i++) {
        const agi_place p = locate_p(plan, entry_of(plan, &plan->rows[keys[i].item], 0));
        keys[i].key = (uint64_t)p.vector << 32 | p.element;
        is_sorted = is_sorted && (i == 0 || keys[i].key >= keys[i - 1].key);
    }
    if (!is_sorted)
        qsort(keys, n, sizeof(*keys), compare_rows);
}

/* Copies the rows of a bucket behind all others, and cuts them there. */
static ag_status cut_bucket(agi_plan *plan, uint32_t n, agi_keyed *keys)
{
    const uint32_t first = plan->rows_count;
    if (agi_memory_grow(plan->memory, (void **)&plan->rows, sizeof(*plan->rows),
                        &plan->rows_capacity, (uint64_t)first + n, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    sort_rows(plan, n, keys);
    for (uint32_t i = 0; i < n; i++)
        plan->rows[plan->rows_count++] = plan->rows[keys[i].item];
    return cut_rows(plan, first, n);
}

/* Finds matrices among the rows from `first` on. */
static ag_status find_matrices(agi_plan *plan, uint32_t first)
{
    const uint32_t n = plan->rows_count - first;
    agi_keyed *keys = agi_reserve_keys(plan, n);
    if (keys == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        keys[i] = (agi_keyed){plan->rows[first + i].hash, 0, first + i};
    keys = agi_sort_into_buckets(plan, n);
    if (keys == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0, length; i < n; i += length) {
        length = 1;
        while (i + length < n && keys[i + length].bucket == keys[i].bucket)
            length++;
        if (length > 1 && cut_bucket(plan, length, keys + i) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

ag_status agi_group_affine(agi_plan *plan, uint32_t n, uint32_t *nodes, uint32_t *left)
{
    const uint32_t rows = plan->rows_count, entries = plan->entries_count,
                   rests = plan->rests_count, matrices = plan->matrices_count;
    *left = n;
    plan->matrix_vector = AGI_NO_INDEX;
    if (n < 2)
        return AG_OK;
    count_uses(plan, n, nodes, false);
    ag_status status = read_rows(plan, n, nodes);
    count_uses(plan, n, nodes, true);
    if (status == AG_OK && plan->rows_count >= rows + 2)
        status = find_matrices(plan, rows);
    if (status != AG_OK)
        return status;
    if (plan->matrices_count == matrices) {
        plan->rows_count = rows;
        plan->entries_count = entries;
        plan->rests_count = rests;
        return AG_OK;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (plan->place[nodes[i]].vector == AGI_UNPLACED)
            nodes[kept++] = nodes[i];
    *left = kept;
    return AG_OK;
}
