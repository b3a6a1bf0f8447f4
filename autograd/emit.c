/* SPDX-License-Identifier: MIT
 *
 * Instructions for a section's groups. Walks over the groups once to learn when each number is used
 * last, and once more to give out slots and write instructions, whose operands are by then known.
 */
#include "schedule.h"

#include <assert.h>
#include <string.h>

typedef struct emission {
    agi_plan *plan;
    agi_slots slots;
} emission;

/* ---- Gates ----------------------------------------------------------------------------------- */

static ag_status emit_gate(agi_plan *plan, const agi_group *group, uint32_t out)
{
    const uint32_t *members = plan->members + group->begin;
    agi_instruction instruction = {.op = group->op, .n = group->n, .out = out};
    const uint32_t operands = agi_list_code(plan->code, members[0]).n;
    if (agi_reserve_nodes(plan, group->n) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < operands; k++) {
        bool fits;
        for (uint32_t i = 0; i < group->n; i++)
            plan->nodes[i] = *agi_operand(agi_list_code(plan->code, members[i]), k);
        if (agi_make_vector(plan, group->n, plan->nodes, &instruction.x[k], &fits) != AG_OK)
            return AG_OUT_OF_MEMORY;
        assert(fits);
    }
    return agi_add_instruction(plan, instruction);
}

static bool goes_on(agi_vector first, int32_t step, uint32_t repeat, agi_vector next,
                    int32_t *new_step)
{
    *new_step = step;
    if (next.space != first.space || next.stride != first.stride)
        return false;
    if (first.space == AGI_NOWHERE)
        return true;
    const int64_t distance = (int64_t)next.at - first.at;
    if (repeat == 1 && agi_fits_stride(distance))
        *new_step = (int32_t)distance;
    return distance == (int64_t)*new_step * repeat;
}

/* Adds factors to an instruction's, the last one of which may only have to be repeated. */
static ag_status add_factors(agi_plan *plan, agi_instruction *instruction, agi_factors next)
{
    agi_records *records = &plan->program->records;
    if (instruction->terms > 0) {
        agi_factors *last = &records->factors[records->factors_count - 1];
        int32_t p_step, q_step;
        if (memcmp(&last->factor, &next.factor, sizeof(double)) == 0 && last->chain == next.chain &&
            next.p.space != AGI_NOWHERE &&
            goes_on(last->p, last->p_step, last->repeat, next.p, &p_step) &&
            goes_on(last->q, last->q_step, last->repeat, next.q, &q_step)) {
            last->p_step = p_step;
            last->q_step = q_step;
            last->repeat++;
            return AG_OK;
        }
    }
    instruction->terms++;
    return AGI_APPEND(plan, records->factors, next);
}

/* Puts the places of n terms into the order of their kinds, so that those which can be one record
 * follow each other. NULL where there is no memory. */
static const agi_keyed *order_terms(agi_plan *plan, uint32_t n, const agi_product *terms)
{
    agi_keyed *keys = agi_reserve_keys(plan, n);
    for (uint32_t t = 0; keys != NULL && t < n; t++) {
        const agi_product *term = &terms[t];
        uint64_t kind = agi_mix(term->chain, agi_bits_of(term->factor));
        kind = agi_mix(kind, term->p == AGI_NO_INDEX ? term->p : plan->place[term->p].vector);
        kind = agi_mix(kind, term->q == AGI_NO_INDEX ? term->q : plan->place[term->q].vector);
        keys[t] = (agi_keyed){kind, 0, t};
    }
    return keys == NULL ? NULL : agi_sort_into_buckets(plan, n);
}

/* The t-th term of lists that are one run. */
static ag_status make_factors(agi_plan *plan, uint32_t n, const agi_terms_of *lists, uint32_t t,
                              agi_factors *factors)
{
    const agi_product *term = &lists[0].terms[t];
    *factors = (agi_factors){.factor = term->factor, .repeat = 1, .chain = term->chain};
    for (int side = 0; side < 2; side++) {
        if ((side == 0 ? term->p : term->q) == AGI_NO_INDEX)
            continue;
        bool fits;
        for (uint32_t i = 0; i < n; i++)
            plan->nodes[i] = side == 0 ? lists[i].terms[t].p : lists[i].terms[t].q;
        if (agi_make_vector(plan, n, plan->nodes, side == 0 ? &factors->p : &factors->q, &fits) !=
            AG_OK)
            return AG_OUT_OF_MEMORY;
        assert(fits);
    }
    return AG_OK;
}

ag_status agi_emit_products(agi_plan *plan, uint32_t n, const agi_terms_of *lists, uint32_t out,
                            bool add)
{
    agi_instruction instruction = {
        .op = AGI_OP_PRODUCTS, .n = n, .out = out, .more = plan->program->records.factors_count};
    const agi_factors itself = {.factor = 1, .p = {out, n > 1, AGI_SLOTS}, .repeat = 1};
    const uint32_t terms = lists[0].n;
    const agi_keyed *order = terms > 2 ? order_terms(plan, terms, lists[0].terms) : NULL;
    if ((terms > 2 && order == NULL) || agi_reserve_nodes(plan, n) != AG_OK ||
        (add && add_factors(plan, &instruction, itself) != AG_OK))
        return AG_OUT_OF_MEMORY;
    for (uint32_t t = 0; t < terms; t++) {
        agi_factors next;
        if (make_factors(plan, n, lists, order == NULL ? t : order[t].item, &next) != AG_OK ||
            add_factors(plan, &instruction, next) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return agi_add_instruction(plan, instruction);
}

static ag_status emit_products(agi_plan *plan, const agi_group *group, uint32_t out)
{
    agi_product none;
    agi_terms_of one, *lists = &one;
    if (group->n > 1)
        lists = AGI_NEW_ARRAY(plan->memory, group->n, agi_terms_of);
    if (lists == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < group->n; i++)
        lists[i] = agi_list_products(plan->code, plan->members[group->begin + i], &none);
    const ag_status status = agi_emit_products(plan, group->n, lists, out, false);
    if (group->n > 1)
        agi_free_array(plan->memory, lists, group->n, sizeof(*lists));
    return status;
}

/* ---- Gates over any number of operands, closures --------------------------------------------- */

static ag_status add_numbers(agi_plan *plan, uint32_t n, const double *numbers)
{
    agi_records *records = &plan->program->records;
    if (agi_memory_grow(plan->memory, (void **)&records->numbers, sizeof(*records->numbers),
                        &records->numbers_capacity, (uint64_t)records->numbers_count + n,
                        UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    memcpy(records->numbers + records->numbers_count, numbers, n * sizeof(*numbers));
    records->numbers_count += n;
    return AG_OK;
}

/* Operands x (side 0) or w of a fold. */
static ag_status make_side(emission *e, agi_operand_list operands, uint32_t side, uint32_t sides,
                           agi_elements *elements, agi_range *copy)
{
    const uint32_t n = operands.n / sides;
    *copy = (agi_range){0};
    *elements = (agi_elements){.list = AGI_NO_INDEX};
    if (n == 0 || side >= sides)
        return AG_OK;
    if (agi_reserve_nodes(e->plan, n) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < n; k++)
        e->plan->nodes[k] = *agi_operand(operands, k * sides + side);
    return agi_make_elements(e->plan, &e->slots, n, e->plan->nodes, elements, copy);
}

static ag_status emit_fold(emission *e, const agi_group *group, uint32_t out)
{
    agi_plan *plan = e->plan;
    agi_records *records = &plan->program->records;
    const agi_code *code = plan->code;
    const uint32_t node = plan->members[group->begin];
    const agi_form form = (agi_form)agi_gate_forms[group->op];
    const agi_operand_list operands = agi_list_code(code, node);
    const uint32_t sides = form == AGI_FORM_VALUES ? 2 : 1;
    agi_fold fold = {.numbers = records->numbers_count};
    agi_range copies[2];
    if (make_side(e, operands, 0, sides, &fold.x, &copies[0]) != AG_OK ||
        make_side(e, operands, 1, sides, &fold.w, &copies[1]) != AG_OK)
        return AG_OUT_OF_MEMORY;
    const uint32_t *pool = code->pool + code->at[node].a;
    if (form == AGI_FORM_NUMBERS &&
        add_numbers(plan, operands.n + 1, code->numbers + *pool) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (form == AGI_FORM_CLOSURE) {
        fold.numbers = records->closures_count;
        if (AGI_APPEND(plan, records->closures, code->closures[*pool]) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    const agi_instruction instruction = {
        .op = group->op, .n = 1, .out = out, .more = records->folds_count};
    if (AGI_APPEND(plan, records->folds, fold) != AG_OK ||
        agi_add_instruction(plan, instruction) != AG_OK ||
        agi_give_slots(&e->slots, copies[0].slot, copies[0].n) != AG_OK)
        return AG_OUT_OF_MEMORY;
    return agi_give_slots(&e->slots, copies[1].slot, copies[1].n);
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

/* Comparisons are in the order of their nodes. NULL for one that depends on no input. */
static const agi_comparison *find_comparison(const agi_code *code, uint32_t node)
{
    uint32_t low = 0, high = code->comparisons_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (code->comparisons[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    const bool is_there = low < code->comparisons_count && code->comparisons[low].node == node;
    return is_there ? &code->comparisons[low] : NULL;
}

static ag_status emit_comparison(agi_plan *plan, const agi_group *group)
{
    agi_records *records = &plan->program->records;
    const uint32_t node = plan->members[group->begin];
    const agi_comparison *comparison = find_comparison(plan->code, node);
    if (comparison == NULL)
        return AG_OK;
    const agi_operands at = plan->code->at[node];
    const char *text = plan->code->texts + comparison->text;
    const size_t size = strlen(text) + 1;
    agi_instruction instruction = {
        .op = group->op, .outcome = comparison->outcome, .n = 1, .more = records->texts_count};
    if (agi_memory_grow(plan->memory, (void **)&records->texts, 1, &records->texts_capacity,
                        (uint64_t)records->texts_count + size, UINT32_MAX) ||
        agi_find(plan, at.a, &instruction.x[0]) || agi_find(plan, at.b, &instruction.x[1]))
        return AG_OUT_OF_MEMORY;
    memcpy(records->texts + records->texts_count, text, size);
    records->texts_count += (uint32_t)size;
    return agi_add_instruction(plan, instruction);
}

/* ---- Scans ----------------------------------------------------------------------------------- */

/* Operand i of each of the steps, `columns` of them a step, as a piece of its own. */
static ag_status make_column(agi_plan *plan, uint32_t columns, size_t steps, const uint32_t *nodes,
                             agi_piece *piece)
{
    agi_records *records = &plan->program->records;
    agi_vector first, last, next;
    if (agi_find(plan, nodes[0], &first) != AG_OK)
        return AG_OUT_OF_MEMORY;
    *piece = (agi_piece){.x = first, .n = 1, .list = AGI_NO_INDEX};
    bool fits = true;
    last = first;
    for (size_t t = 1; t < steps && fits; t++) {
        if (agi_find(plan, nodes[t * columns], &next) != AG_OK)
            return AG_OUT_OF_MEMORY;
        const int64_t step = (int64_t)next.at - last.at;
        if (t == 1 && agi_fits_stride(step))
            piece->step = (int32_t)step;
        fits = next.space == first.space && step == piece->step;
        last = next;
    }
    if (fits)
        return AG_OK;
    piece->step = 0;
    piece->list = records->lists_count;
    for (size_t t = 0; t < steps; t++)
        if (agi_find(plan, nodes[t * columns], &next) != AG_OK ||
            AGI_APPEND(plan, records->lists, next.space) ||
            AGI_APPEND(plan, records->lists, next.at))
            return AG_OUT_OF_MEMORY;
    return AG_OK;
}

/* Whether a piece is one element more of the piece before it; then it becomes that. */
static bool join(agi_piece *before, const agi_piece *piece)
{
    const int64_t stride = ((int64_t)piece->x.at - before->x.at) / before->n;
    if (before->list != AGI_NO_INDEX || piece->list != AGI_NO_INDEX ||
        before->x.space != piece->x.space || before->step != piece->step ||
        (before->n == 1
             ? !agi_fits_stride(stride)
             : before->x.at + stride * before->n != piece->x.at || stride != before->x.stride))
        return false;
    before->x.stride = (int32_t)stride;
    before->n++;
    return true;
}

/* steps x columns nodes as pieces. */
static ag_status make_pieces(agi_plan *plan, uint32_t columns, size_t steps, const uint32_t *nodes,
                             agi_pieces *pieces)
{
    agi_records *records = &plan->program->records;
    *pieces = (agi_pieces){.first = records->pieces_count};
    for (uint32_t i = 0; i < columns && steps > 0; i++) {
        agi_piece piece;
        if (make_column(plan, columns, steps, nodes + i, &piece) != AG_OK)
            return AG_OUT_OF_MEMORY;
        if (i > 0 && join(&records->pieces[records->pieces_count - 1], &piece))
            continue;
        if (AGI_APPEND(plan, records->pieces, piece))
            return AG_OUT_OF_MEMORY;
        pieces->count++;
    }
    return AG_OK;
}

static bool is_any_in_slots(const agi_plan *plan, agi_pieces pieces)
{
    const agi_piece *piece = plan->program->records.pieces + pieces.first;
    for (uint32_t i = 0; i < pieces.count; i++)
        if (piece[i].x.space == AGI_SLOTS)
            return true;
    return false;
}

static ag_status emit_scan(agi_plan *plan, const agi_group *group, uint32_t out)
{
    agi_records *records = &plan->program->records;
    const agi_code *code = plan->code;
    const uint32_t node = plan->members[group->begin];
    const agi_scan *scan = &code->scans[code->at[node].a];
    const ag_program_info *info = &scan->program->info;
    agi_scan_step step = {
        .program = ag_program_retain(scan->program),
        .steps = scan->steps,
        .state_count = scan->state_count,
        .output_count = scan->output_count,
        .check = plan->part != AGI_PART_BODY && agi_compares_inside(code, node),
    };
    if (AGI_APPEND(plan, records->scans, step)) {
        ag_program_free(step.program);
        return AG_OUT_OF_MEMORY;
    }
    const uint32_t which = records->scans_count - 1;
    const uint32_t shared = (uint32_t)info->shared_count;
    const uint32_t inputs = (uint32_t)info->each_count - scan->state_count;
    const uint32_t *operands = code->pool + scan->operands;
    const uint32_t *state = operands + shared;
    if (make_pieces(plan, shared, 1, operands, &step.shared) != AG_OK ||
        make_pieces(plan, scan->state_count, 1, state, &step.state) != AG_OK ||
        make_pieces(plan, inputs, scan->steps, state + scan->state_count, &step.inputs) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (plan->part != AGI_PART_ONCE && is_any_in_slots(plan, step.shared)) {
        step.by_lanes = ag_program_retain(agi_get_program_by_lanes(scan->program));
        if (step.by_lanes == NULL)
            return AG_OUT_OF_MEMORY;
    }
    records->scans[which] = step;
    return agi_add_instruction(
        plan, (agi_instruction){.op = AGI_OP_SCAN, .n = 1, .out = out, .more = which});
}

/* ---- Matrices -------------------------------------------------------------------------------- */

/* The columns [from, from + k) of a matrix of numbers, row by row, among the constants. */
static ag_status copy_numbers(agi_plan *plan, const agi_row *rows, uint32_t m, uint32_t from,
                              uint32_t k)
{
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = from; j < from + k; j++) {
            const agi_entry *entry = &plan->entries[rows[i].entries + j];
            const double number =
                entry->p == AGI_NO_INDEX ? entry->factor : agi_number_of(plan, entry->p);
            if (agi_add_constant(plan, number) != AG_OK)
                return AG_OUT_OF_MEMORY;
        }
    return AG_OK;
}

/* Where the matrix is. */
static ag_status place_matrix(agi_plan *plan, const agi_row *rows, uint32_t from,
                              agi_affine *affine)
{
    const agi_entry *first = &plan->entries[rows[0].entries + from],
                    *below = &plan->entries[rows[1].entries + from];
    if (first->p == AGI_NO_INDEX || plan->place[first->p].vector == AGI_IN_CONSTANTS) {
        affine->p = (agi_vector){plan->program->constants_count, 0, AGI_CONSTANTS};
        affine->row_stride = (int32_t)affine->k;
        affine->column_stride = 1;
        return copy_numbers(plan, rows, affine->m, from, affine->k);
    }
    agi_vector p, q;
    if (agi_find(plan, first->p, &affine->p) != AG_OK || agi_find(plan, below->p, &p) != AG_OK ||
        agi_find(plan, first[affine->k > 1].p, &q) != AG_OK)
        return AG_OUT_OF_MEMORY;
    affine->row_stride = (int32_t)((int64_t)p.at - affine->p.at);
    affine->column_stride = affine->k > 1 ? (int32_t)((int64_t)q.at - affine->p.at) : 1;
    return AG_OK;
}

static ag_status place_bias(agi_plan *plan, const agi_row *rows, uint32_t m, agi_vector *bias)
{
    bool fits;
    if (agi_reserve_nodes(plan, m) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < m; i++)
        plan->nodes[i] = rows[i].bias;
    const ag_status status = agi_make_vector(plan, m, plan->nodes, bias, &fits);
    assert(status != AG_OK || fits);
    return status;
}

static ag_status emit_segment(emission *e, const agi_group *group, const agi_row *rows,
                              uint32_t from, uint32_t k, uint32_t out)
{
    agi_plan *plan = e->plan;
    agi_records *records = &plan->program->records;
    agi_affine affine = {.m = group->n, .k = k, .add = from > 0, .chain = rows[0].chain};
    agi_range copy;
    if (place_matrix(plan, rows, from, &affine) != AG_OK ||
        (from == 0 && rows[0].bias != AGI_NO_INDEX &&
         place_bias(plan, rows, group->n, &affine.bias) != AG_OK) ||
        agi_reserve_nodes(plan, k) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t j = 0; j < k; j++)
        plan->nodes[j] = plan->entries[rows[0].entries + from + j].x;
    const agi_instruction instruction = {
        .op = AGI_OP_AFFINE, .n = group->n, .out = out, .more = records->affine_count};
    if (agi_make_elements(plan, &e->slots, k, plan->nodes, &affine.x, &copy) != AG_OK ||
        AGI_APPEND(plan, records->affine, affine) != AG_OK ||
        agi_add_instruction(plan, instruction) != AG_OK)
        return AG_OUT_OF_MEMORY;
    return agi_give_slots(&e->slots, copy.slot, copy.n);
}

/* What the rows have beside matrix and bias is added, run by run. */
static ag_status emit_rests(agi_plan *plan, const agi_group *group, const agi_row *rows,
                            uint32_t out)
{
    agi_terms_of *lists = AGI_NEW_ARRAY(plan->memory, group->n, agi_terms_of);
    if (lists == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < group->n; i++)
        lists[i] = (agi_terms_of){rows[i].rest_count == 0 ? NULL : plan->rests + rows[i].rest,
                                  rows[i].rest_count};
    ag_status status = AG_OK;
    for (uint32_t i = 0, length; status == AG_OK && i < group->n; i += length) {
        length = agi_measure_products(plan, group->n - i, lists + i);
        if (lists[i].n > 0)
            status = agi_emit_products(plan, length, lists + i, out + i, true);
    }
    agi_free_array(plan->memory, lists, group->n, sizeof(*lists));
    return status;
}

static ag_status emit_affine(emission *e, const agi_group *group, uint32_t out)
{
    const agi_matrix *matrix = &e->plan->matrices[group->more];
    const agi_row *rows = e->plan->rows + matrix->first_row;
    const uint32_t *segments = e->plan->segments + matrix->first_segment;
    uint32_t from = 0;
    for (uint32_t s = 0; s < matrix->segments; from += segments[s++])
        if (emit_segment(e, group, rows, from, segments[s], out) != AG_OK)
            return AG_OUT_OF_MEMORY;
    return emit_rests(e->plan, group, rows, out);
}

/* ---- Last uses ------------------------------------------------------------------------------- */

/* Whose slots a node's number is in: outputs of a scan are in its vector. */
static uint32_t find_owner(const agi_plan *plan, uint32_t node)
{
    return plan->code->ops[node] == AGI_OP_PROJECT ? plan->code->at[node].a : node;
}

/* The number is needed by the group; AGI_NO_INDEX: at the section's end, or beyond. */
static void use(agi_plan *plan, uint32_t node, uint32_t group)
{
    if (node == AGI_NO_INDEX || !plan->member[node])
        return;
    uint32_t *last = &plan->last[find_owner(plan, node)];
    if (*last != AGI_NO_INDEX)
        *last = group;
}

static void use_operands(agi_plan *plan, uint32_t node, uint32_t group)
{
    const agi_operand_list operands = agi_list_code(plan->code, node);
    for (uint32_t k = 0; k < operands.n; k++)
        use(plan, *agi_operand(operands, k), group);
}

static void find_last_uses(agi_plan *plan)
{
    const agi_code *code = plan->code;
    for (uint32_t g = 0; g < plan->groups_count; g++)
        for (uint32_t i = 0; i < plan->groups[g].n; i++) {
            const uint32_t node = plan->members[plan->groups[g].begin + i];
            plan->last[node] = g;
            use_operands(plan, node, g);
        }
    for (uint32_t o = 0; o < agi_output_count(code); o++) {
        use(plan, code->outputs[o], AGI_NO_INDEX);
        if (plan->part == AGI_PART_BODY && plan->absorbed[code->outputs[o]])
            use_operands(plan, code->outputs[o], AGI_NO_INDEX);
    }
    for (uint32_t i = 0; plan->part == AGI_PART_ONCE && i < code->count; i++)
        if (plan->varies[i])
            use_operands(plan, i, AGI_NO_INDEX);
}

/* Members in the order of their last uses, in plan->work; those of group g are the ones before
 * ends[g] and behind the last group's. */
static void sort_by_last_use(agi_plan *plan, uint32_t *ends)
{
    memset(ends, 0, plan->groups_count * sizeof(*ends));
    for (uint32_t i = 0; i < plan->members_count; i++)
        if (plan->last[plan->members[i]] != AGI_NO_INDEX)
            ends[plan->last[plan->members[i]]]++;
    uint32_t begin = 0;
    for (uint32_t g = 0; g < plan->groups_count; g++) {
        const uint32_t n = ends[g];
        ends[g] = begin;
        begin += n;
    }
    for (uint32_t i = 0; i < plan->members_count; i++)
        if (plan->last[plan->members[i]] != AGI_NO_INDEX)
            plan->work[ends[plan->last[plan->members[i]]]++] = plan->members[i];
}

/* Gives back the slots of n nodes, which are in the order of vectors. */
static ag_status free_nodes(emission *e, uint32_t n, const uint32_t *nodes)
{
    const agi_plan *plan = e->plan;
    agi_range free = {0};
    for (uint32_t i = 0; i < n; i++) {
        const agi_place place = plan->place[nodes[i]];
        const agi_range *range = &plan->ranges[place.vector];
        const uint32_t slot = range->slot + place.element;
        const uint32_t size = plan->code->ops[nodes[i]] == AGI_OP_SCAN ? range->n : 1;
        if (free.slot + free.n != slot) {
            if (agi_give_slots(&e->slots, free.slot, free.n) != AG_OK)
                return AG_OUT_OF_MEMORY;
            free = (agi_range){.slot = slot};
        }
        free.n += size;
    }
    return agi_give_slots(&e->slots, free.slot, free.n);
}

/* ---- The section ----------------------------------------------------------------------------- */

static ag_status emit_load(agi_plan *plan, const agi_group *group, uint32_t out)
{
    const uint32_t first = plan->code->at[plan->members[group->begin]].a;
    const agi_instruction load = {
        .op = AGI_OP_LOAD, .n = group->n, .out = out, .x = {{.at = first, .stride = 1}}};
    return agi_add_instruction(plan, load);
}

static ag_status emit_group(emission *e, const agi_group *group)
{
    agi_plan *plan = e->plan;
    const uint32_t out = plan->ranges[group->vector].slot + group->element;
    switch (group->op) {
    case AGI_OP_LOAD:
        return emit_load(plan, group, out);
    case AGI_OP_AFFINE:
        return emit_affine(e, group, out);
    case AGI_OP_PRODUCTS:
        return emit_products(plan, group, out);
    case AGI_OP_SCAN:
        return emit_scan(plan, group, out);
    default:
        break;
    }
    switch ((agi_form)agi_gate_forms[group->op]) {
    case AGI_FORM_NONE:
    case AGI_FORM_VALUES:
    case AGI_FORM_NUMBERS:
    case AGI_FORM_CLOSURE:
        return emit_fold(e, group, out);
    case AGI_FORM_COMPARE:
        return emit_comparison(plan, group);
    default:
        return emit_gate(plan, group, out);
    }
}

/* Room for what the groups become, and some for outputs, so that what is large is seldom copied as
 * it grows. Long lists become few records. */
static ag_status reserve_instructions(agi_plan *plan)
{
    enum {
        FEW = 8 /* records of a list */
    };
    const uint64_t instructions = (uint64_t)plan->groups_count + plan->groups_count / 8 + 8;
    agi_section *section = plan->section;
    agi_records *records = &plan->program->records;
    uint64_t factors = records->factors_count;
    for (uint32_t g = 0; g < plan->groups_count; g++)
        if (plan->groups[g].op == AGI_OP_PRODUCTS) {
            const uint32_t terms = plan->code->at[plan->members[plan->groups[g].begin]].b;
            factors += agi_smaller(terms, FEW);
        }
    return agi_memory_grow(plan->memory, (void **)&section->instructions,
                           sizeof(*section->instructions), &section->capacity, instructions,
                           UINT32_MAX) != AG_OK
               ? AG_OUT_OF_MEMORY
               : agi_memory_grow(plan->memory, (void **)&records->factors,
                                 sizeof(*records->factors), &records->factors_capacity, factors,
                                 UINT32_MAX);
}

static ag_status emit_groups(emission *e, const uint32_t *ends)
{
    agi_plan *plan = e->plan;
    ag_status status = AG_OK;
    for (uint32_t g = 0, begin = 0; g < plan->groups_count && status == AG_OK; g++) {
        const agi_group *group = &plan->groups[g];
        agi_range *range = &plan->ranges[group->vector];
        if (group->element == 0)
            status = agi_take_slots(&e->slots, range->n, &range->slot);
        if (status == AG_OK)
            status = emit_group(e, group);
        if (status == AG_OK)
            status = free_nodes(e, ends[g] - begin, plan->work + begin);
        begin = ends[g];
    }
    return status;
}

ag_status agi_emit_section(agi_plan *plan)
{
    emission e = {.plan = plan, .slots = {.memory = plan->memory}};
    uint32_t *ends = AGI_NEW_ARRAY(plan->memory, plan->groups_count, uint32_t);
    ag_status status = ends == NULL ? AG_OUT_OF_MEMORY : reserve_instructions(plan);
    if (status == AG_OK) {
        find_last_uses(plan);
        sort_by_last_use(plan, ends);
        status = emit_groups(&e, ends);
    }
    if (status == AG_OK && plan->part == AGI_PART_ONCE)
        status = agi_emit_once_outputs(plan, &e.slots);
    if (status == AG_OK && plan->part == AGI_PART_BODY)
        status = agi_emit_body_outputs(plan, &e.slots);
    plan->section->slots = e.slots.end;
    agi_slots_free(&e.slots);
    agi_free_array(plan->memory, ends, plan->groups_count, sizeof(*ends));
    return status;
}
