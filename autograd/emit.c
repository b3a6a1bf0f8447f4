/* SPDX-License-Identifier: MIT
 *
 * Instructions for a section's groups. Walks over the groups once to learn when each vector is used
 * last, and once more to give them slots and write instructions, whose operands are by then known.
 */
#include "schedule.h"

#include <string.h>

/* ---- Appending ------------------------------------------------------------------------------- */

#define APPEND(plan, array, item)                                                                  \
    (agi_memory_grow((plan)->memory, (void **)&(array), sizeof(*(array)), &array##_capacity,       \
                     (uint64_t)array##_count + 1, UINT32_MAX) != AG_OK                             \
         ? AG_OUT_OF_MEMORY                                                                        \
         : ((array)[array##_count++] = (item), AG_OK))

static ag_status add_instruction(agi_plan *plan, agi_instruction instruction)
{
    agi_section *s = plan->section;
    if (agi_memory_grow(plan->memory, (void **)&s->instructions, sizeof(*s->instructions),
                        &s->capacity, (uint64_t)s->count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    s->instructions[s->count++] = instruction;
    return AG_OK;
}

static ag_status add_constant(agi_plan *plan, double number)
{
    ag_program *program = plan->program;
    return APPEND(plan, program->constants, number);
}

/* ---- Operands -------------------------------------------------------------------------------- */

typedef struct emission {
    agi_plan *plan;
    agi_slots slots;
    uint32_t *nodes; /* room for a list of operands */
    uint32_t nodes_capacity;
} emission;

static double number_of(const agi_plan *plan, uint32_t node)
{
    return plan->code->numbers[plan->code->at[node].a];
}

static ag_status place_constant(agi_plan *plan, uint32_t node, uint32_t *at)
{
    if (plan->constant[node] == AGI_NO_INDEX) {
        plan->constant[node] = plan->program->constants_count;
        if (add_constant(plan, number_of(plan, node)) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    *at = plan->constant[node];
    return AG_OK;
}

/* The slot, or index in another space, of a node that is no constant. */
static agi_address find(const agi_plan *plan, uint32_t node)
{
    agi_address address = agi_locate(plan, node);
    if (address.space == AGI_SLOTS) {
        address.at += plan->ranges[address.vector].slot;
        address.vector = 0;
    }
    return address;
}

static bool are_same(uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 1; i < n; i++)
        if (nodes[i] != nodes[0])
            return false;
    return true;
}

static bool are_constants(const agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    for (uint32_t i = 0; i < n; i++)
        if (plan->code->ops[nodes[i]] != AGI_CONSTANT)
            return false;
    return true;
}

/* n nodes as one vector, if they lie like one. Constants are copied so that they do. */
static ag_status make_vector(agi_plan *plan, uint32_t n, const uint32_t *nodes, agi_vector *vector,
                             bool *fits)
{
    *fits = true;
    if (n > 0 && are_constants(plan, n, nodes)) {
        *vector = (agi_vector){plan->program->constants_count, 1, AGI_CONSTANTS};
        if (n == 1 || are_same(n, nodes)) {
            vector->stride = 0;
            return place_constant(plan, nodes[0], &vector->at);
        }
        for (uint32_t i = 0; i < n; i++)
            if (add_constant(plan, number_of(plan, nodes[i])) != AG_OK)
                return AG_OUT_OF_MEMORY;
        return AG_OK;
    }
    for (uint32_t i = 0; i < n && *fits; i++)
        *fits = plan->code->ops[nodes[i]] != AGI_CONSTANT;
    if (!*fits || n == 0)
        return AG_OK;
    const agi_address first = find(plan, nodes[0]);
    *vector = (agi_vector){first.at, n == 1 ? 0 : 1, first.space};
    for (uint32_t i = 1; i < n && *fits; i++) {
        const agi_address p = find(plan, nodes[i - 1]), q = find(plan, nodes[i]);
        const int64_t step = (int64_t)q.at - p.at;
        if (i == 1 && step < INT32_MAX / 2 && step > INT32_MIN / 2)
            vector->stride = (int32_t)step;
        *fits = q.space == first.space && step == vector->stride;
    }
    return AG_OK;
}

/* n nodes as elements: a vector, a list, or, where they lie in different spaces, copies. */
static ag_status make_elements(emission *e, uint32_t n, const uint32_t *nodes,
                               agi_elements *elements)
{
    agi_plan *plan = e->plan;
    agi_records *records = &plan->program->records;
    *elements = (agi_elements){.n = n, .list = AGI_NO_INDEX};
    bool fits;
    if (make_vector(plan, n, nodes, &elements->vector, &fits) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (fits)
        return AG_OK;
    bool in_slots = true;
    for (uint32_t i = 0; i < n; i++)
        in_slots = in_slots && agi_locate(plan, nodes[i]).space == AGI_SLOTS;
    if (in_slots) {
        elements->vector = (agi_vector){0, 0, AGI_SLOTS};
        elements->list = records->lists_count;
        for (uint32_t i = 0; i < n; i++)
            if (APPEND(plan, records->lists, find(plan, nodes[i]).at))
                return AG_OUT_OF_MEMORY;
        return AG_OK;
    }
    uint32_t slot; /* stays taken */
    if (agi_take_slots(&e->slots, n, &slot) != AG_OK)
        return AG_OUT_OF_MEMORY;
    elements->vector = (agi_vector){slot, 1, AGI_SLOTS};
    for (uint32_t i = 0; i < n; i++) {
        agi_instruction copy = {.op = AGI_DETACH, .n = 1, .out = slot + i};
        if (make_vector(plan, 1, &nodes[i], &copy.x[0], &fits) != AG_OK ||
            add_instruction(plan, copy) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

static uint32_t *reserve_nodes(emission *e, uint64_t n)
{
    return agi_memory_grow(e->plan->memory, (void **)&e->nodes, sizeof(*e->nodes),
                           &e->nodes_capacity, n, UINT32_MAX) == AG_OK
               ? e->nodes
               : NULL;
}

/* ---- Gates ----------------------------------------------------------------------------------- */

static ag_status emit_gate(emission *e, const agi_group *group, uint32_t out)
{
    agi_plan *plan = e->plan;
    const uint32_t *members = plan->members + group->begin;
    agi_instruction instruction = {.op = group->op, .n = group->n, .out = out};
    const uint32_t operands = agi_code_operand_count(plan->code, members[0]);
    uint32_t *nodes = reserve_nodes(e, group->n);
    if (nodes == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < operands; k++) {
        bool fits;
        for (uint32_t i = 0; i < group->n; i++)
            nodes[i] = *agi_code_operand(plan->code, members[i], k);
        if (make_vector(plan, group->n, nodes, &instruction.x[k], &fits) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return add_instruction(plan, instruction);
}

static bool is_same_vector_kind(agi_vector p, agi_vector q)
{
    return p.space == q.space && p.stride == q.stride;
}

static bool goes_on(agi_vector first, int32_t step, uint32_t repeat, agi_vector next,
                    int32_t *new_step)
{
    *new_step = step;
    if (!is_same_vector_kind(first, next))
        return false;
    if (first.space == AGI_NOWHERE)
        return true;
    const int64_t distance = (int64_t)next.at - first.at;
    if (repeat == 1 && distance < INT32_MAX / 2 && distance > INT32_MIN / 2)
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
    return APPEND(plan, records->factors, next);
}

/* out[i] = sum of lists[i], for lists that are one run; added to what is there, if told so. */
static ag_status emit_products(emission *e, uint32_t n, const agi_terms_of *lists, uint32_t out,
                               bool add)
{
    agi_plan *plan = e->plan;
    agi_instruction instruction = {
        .op = AGI_OP_PRODUCTS, .n = n, .out = out, .more = plan->program->records.factors_count};
    if (add &&
        add_factors(plan, &instruction,
                    (agi_factors){
                        .factor = 1, .p = {out, n == 1 ? 0 : 1, AGI_SLOTS}, .repeat = 1}) != AG_OK)
        return AG_OUT_OF_MEMORY;
    uint32_t *nodes = reserve_nodes(e, n);
    if (nodes == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t t = 0; t < lists[0].n; t++) {
        agi_factors next = {
            .factor = lists[0].terms[t].factor, .chain = lists[0].terms[t].chain, .repeat = 1};
        for (int side = 0; side < 2; side++) {
            bool fits;
            for (uint32_t i = 0; i < n; i++)
                nodes[i] = side == 0 ? lists[i].terms[t].p : lists[i].terms[t].q;
            if (nodes[0] != AGI_NO_INDEX &&
                make_vector(plan, n, nodes, side == 0 ? &next.p : &next.q, &fits) != AG_OK)
                return AG_OUT_OF_MEMORY;
        }
        if (add_factors(plan, &instruction, next) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return add_instruction(plan, instruction);
}

static ag_status emit_products_group(emission *e, const agi_group *group, uint32_t out)
{
    agi_plan *plan = e->plan;
    agi_terms_of *lists = agi_new_array(plan->memory, group->n, sizeof(*lists));
    if (lists == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < group->n; i++)
        lists[i] =
            agi_list_products(plan->code, plan->members[group->begin + i], &(agi_product){0});
    const ag_status status = emit_products(e, group->n, lists, out, false);
    agi_free_array(plan->memory, lists, group->n, sizeof(*lists));
    return status;
}

/* Gates over any number of operands, closures too: the record is a fold. */
static ag_status emit_fold(emission *e, const agi_group *group, uint32_t out)
{
    agi_plan *plan = e->plan;
    agi_records *records = &plan->program->records;
    const agi_code *code = plan->code;
    const uint32_t node = plan->members[group->begin];
    const agi_operands at = code->at[node];
    const agi_form form = (agi_form)agi_gate_forms[group->op];
    const uint32_t stride = form == AGI_FORM_VALUES ? 2 : 1;
    agi_fold fold = {.w = {.list = AGI_NO_INDEX}};
    for (uint32_t side = 0; side < stride; side++) {
        uint32_t *nodes = reserve_nodes(e, at.b);
        if (nodes == NULL)
            return AG_OUT_OF_MEMORY;
        for (uint32_t k = 0; k < at.b; k++)
            nodes[k] = *agi_code_operand(code, node, k * stride + side);
        if (make_elements(e, at.b, nodes, side == 0 ? &fold.x : &fold.w) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    if (form == AGI_FORM_NUMBERS) {
        fold.numbers = records->numbers_count;
        for (uint32_t k = 0; k <= at.b; k++)
            if (APPEND(plan, records->numbers, code->numbers[code->pool[at.a] + k]))
                return AG_OUT_OF_MEMORY;
    }
    agi_instruction instruction = {
        .op = group->op, .n = 1, .out = out, .more = records->folds_count};
    if (form == AGI_FORM_CLOSURE) {
        fold.numbers = records->closures_count;
        if (APPEND(plan, records->closures, code->closures[code->pool[at.a]]))
            return AG_OUT_OF_MEMORY;
    }
    if (APPEND(plan, records->folds, fold))
        return AG_OUT_OF_MEMORY;
    return add_instruction(plan, instruction);
}

static ag_status emit_comparison(emission *e, const agi_group *group)
{
    agi_plan *plan = e->plan;
    agi_records *records = &plan->program->records;
    const uint32_t node = plan->members[group->begin];
    for (uint32_t i = 0; i < plan->code->comparisons_count; i++) {
        const agi_comparison *comparison = &plan->code->comparisons[i];
        if (comparison->node != node)
            continue;
        agi_instruction instruction = {
            .op = group->op, .n = 1, .outcome = comparison->outcome, .more = records->texts_count};
        const char *text = plan->code->texts + comparison->text;
        for (size_t k = 0; k <= strlen(text); k++)
            if (APPEND(plan, records->texts, text[k]))
                return AG_OUT_OF_MEMORY;
        for (uint32_t k = 0; k < 2; k++) {
            bool fits;
            if (make_vector(plan, 1, agi_code_operand(plan->code, node, k), &instruction.x[k],
                            &fits) != AG_OK)
                return AG_OUT_OF_MEMORY;
        }
        return add_instruction(plan, instruction);
    }
    return AG_OK; /* one that depends on no input */
}

/* ---- Scans ----------------------------------------------------------------------------------- */

static ag_status find_anything(agi_plan *plan, uint32_t node, agi_vector *place)
{
    *place = (agi_vector){.space = AGI_CONSTANTS};
    if (plan->code->ops[node] == AGI_CONSTANT)
        return place_constant(plan, node, &place->at);
    const agi_address address = find(plan, node);
    *place = (agi_vector){address.at, 0, address.space};
    return AG_OK;
}

static bool fits_stride(int64_t step)
{
    return step < INT32_MAX / 2 && step > INT32_MIN / 2;
}

/* Operand i of each of the steps, `columns` of them a step, as a piece of its own. */
static ag_status make_column(agi_plan *plan, uint32_t columns, size_t steps, const uint32_t *nodes,
                             agi_piece *piece)
{
    agi_records *records = &plan->program->records;
    agi_vector first, last, next;
    if (find_anything(plan, nodes[0], &first) != AG_OK)
        return AG_OUT_OF_MEMORY;
    *piece = (agi_piece){.x = first, .n = 1, .list = AGI_NO_INDEX};
    bool fits = true;
    last = first;
    for (size_t t = 1; t < steps && fits; t++) {
        if (find_anything(plan, nodes[t * columns], &next) != AG_OK)
            return AG_OUT_OF_MEMORY;
        const int64_t step = (int64_t)next.at - last.at;
        if (t == 1 && fits_stride(step))
            piece->step = (int32_t)step;
        fits = next.space == first.space && step == piece->step;
        last = next;
    }
    if (fits)
        return AG_OK;
    piece->step = 0;
    piece->list = records->lists_count;
    for (size_t t = 0; t < steps; t++)
        if (find_anything(plan, nodes[t * columns], &next) != AG_OK ||
            APPEND(plan, records->lists, next.space) || APPEND(plan, records->lists, next.at))
            return AG_OUT_OF_MEMORY;
    return AG_OK;
}

/* Whether a piece is one element more of the piece before it; then it becomes that. */
static bool join(agi_piece *before, const agi_piece *piece)
{
    const int64_t stride = ((int64_t)piece->x.at - before->x.at) / before->n;
    if (before->list != AGI_NO_INDEX || piece->list != AGI_NO_INDEX ||
        before->x.space != piece->x.space || before->step != piece->step ||
        (before->n == 1 ? !fits_stride(stride)
                        : before->x.at + stride * before->n != piece->x.at ||
                              stride != before->x.stride))
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
        if (APPEND(plan, records->pieces, piece))
            return AG_OUT_OF_MEMORY;
        pieces->count++;
    }
    return AG_OK;
}

static ag_status emit_scan(emission *e, const agi_group *group, uint32_t out)
{
    agi_plan *plan = e->plan;
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
    if (APPEND(plan, records->scans, step)) {
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
    for (uint32_t i = 0; i < step.shared.count; i++)
        step.varies =
            step.varies || records->pieces[step.shared.first + i].x.space == AGI_SLOTS;
    records->scans[which] = step;
    return add_instruction(plan,
                           (agi_instruction){.op = AGI_OP_SCAN, .n = 1, .out = out, .more = which});
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
                entry->p == AGI_NO_INDEX ? entry->factor : number_of(plan, entry->p);
            if (add_constant(plan, number) != AG_OK)
                return AG_OUT_OF_MEMORY;
        }
    return AG_OK;
}

static ag_status emit_segment(emission *e, const agi_group *group, const agi_row *rows,
                              uint32_t from, uint32_t k, uint32_t out)
{
    agi_plan *plan = e->plan;
    agi_records *records = &plan->program->records;
    agi_affine affine = {.m = group->n, .k = k, .add = from > 0, .chain = rows[0].chain};
    const agi_entry *first = &plan->entries[rows[0].entries + from];
    if (first->p == AGI_NO_INDEX || plan->code->ops[first->p] == AGI_CONSTANT) {
        affine.p = (agi_vector){plan->program->constants_count, 0, AGI_CONSTANTS};
        affine.row_stride = (int32_t)k;
        affine.column_stride = 1;
        if (copy_numbers(plan, rows, group->n, from, k) != AG_OK)
            return AG_OUT_OF_MEMORY;
    } else {
        const agi_address p = find(plan, first->p);
        const agi_address below = find(plan, plan->entries[rows[1].entries + from].p);
        affine.p = (agi_vector){p.at, 0, p.space};
        affine.row_stride = (int32_t)((int64_t)below.at - p.at);
        affine.column_stride = k == 1 ? 1 : (int32_t)((int64_t)find(plan, first[1].p).at - p.at);
    }
    uint32_t *nodes = reserve_nodes(e, k > group->n ? k : group->n);
    if (nodes == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t j = 0; j < k; j++)
        nodes[j] = first[j].x;
    if (make_elements(e, k, nodes, &affine.x) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (from == 0 && rows[0].bias != AGI_NO_INDEX) {
        bool fits;
        for (uint32_t i = 0; i < group->n; i++)
            nodes[i] = rows[i].bias;
        if (make_vector(plan, group->n, nodes, &affine.bias, &fits) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    if (APPEND(plan, records->affine, affine))
        return AG_OUT_OF_MEMORY;
    return add_instruction(plan, (agi_instruction){.op = AGI_OP_AFFINE,
                                                   .n = group->n,
                                                   .out = out,
                                                   .more = records->affine_count - 1});
}

/* What the rows have beside matrix and bias is added, run by run. */
static ag_status emit_rests(emission *e, const agi_group *group, const agi_row *rows, uint32_t out)
{
    agi_plan *plan = e->plan;
    agi_terms_of *lists = agi_new_array(plan->memory, group->n, sizeof(*lists));
    ag_status status = lists == NULL ? AG_OUT_OF_MEMORY : AG_OK;
    for (uint32_t i = 0; i < group->n && status == AG_OK; i++)
        lists[i] = (agi_terms_of){plan->rests + rows[i].rest, rows[i].rest_count};
    for (uint32_t i = 0, length; status == AG_OK && i < group->n; i += length) {
        length = agi_measure_products(plan, group->n - i, lists + i);
        if (lists[i].n > 0)
            status = emit_products(e, length, lists + i, out + i, true);
    }
    agi_free_array(plan->memory, lists, group->n, sizeof(*lists));
    return status;
}

static ag_status emit_affine(emission *e, const agi_group *group, uint32_t out)
{
    const agi_row *rows = e->plan->rows + e->plan->matrices[group->more].first_row;
    for (uint32_t from = 0, k; from < rows[0].k; from += k) {
        k = agi_measure_segment(e->plan, &rows[0], from);
        if (emit_segment(e, group, rows, from, k, out) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return emit_rests(e, group, rows, out);
}

/* ---- Outputs --------------------------------------------------------------------------------- */

/* One matrix product for each of the products that the block's outputs are sums of. */
static ag_status emit_block(emission *e, const agi_block *block)
{
    agi_plan *plan = e->plan;
    const agi_code *code = plan->code;
    agi_records *records = &plan->program->records;
    agi_product one;
    const uint32_t *outputs = code->outputs + block->out;
    const uint32_t terms = agi_list_products(code, outputs[0], &one).n;
    for (uint32_t t = 0; t < terms; t++) {
        const agi_product term = agi_list_products(code, outputs[0], &one).terms[t];
        agi_outer outer = {.m = block->m,
                           .k = block->k,
                           .out = block->out,
                           .row_stride = (int32_t)block->row_stride,
                           .column_stride = 1,
                           .b_each = AGI_NO_INDEX,
                           .factor = term.factor,
                           .chain = !term.chain         ? AGI_CHAIN_NONE
                                    : block->q_constant ? AGI_CHAIN_B
                                                        : AGI_CHAIN_A,
                           .first = t == 0};
        uint32_t *nodes = reserve_nodes(e, (uint64_t)block->m + block->k);
        if (nodes == NULL)
            return AG_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < block->m; i++) {
            const agi_product *p =
                &agi_list_products(code, outputs[i * block->row_stride], &one).terms[t];
            nodes[i] = block->q_constant ? p->q : p->p;
        }
        bool is_each = true;
        for (uint32_t j = 0; j < block->k; j++) {
            const agi_product *p = &agi_list_products(code, outputs[j], &one).terms[t];
            const uint32_t node = block->q_constant ? p->p : p->q;
            nodes[block->m + j] = node;
            is_each = is_each && code->ops[node] == AGI_OP_EACH &&
                      code->at[node].a == code->at[nodes[block->m]].a + j;
        }
        if (is_each)
            outer.b_each = code->at[nodes[block->m]].a;
        if (make_elements(e, block->m, nodes, &outer.a) != AG_OK ||
            make_elements(e, block->k, e->nodes + block->m, &outer.b) != AG_OK ||
            APPEND(plan, records->outer, outer) ||
            add_instruction(plan, (agi_instruction){.op = AGI_OP_OUTER,
                                                    .n = block->m,
                                                    .more = records->outer_count - 1}) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

/* Runs of outputs, of one role, that lie at constant strides. */
static ag_status emit_outputs(emission *e, uint8_t op, uint32_t n, const uint32_t *numbers,
                              const uint32_t *nodes)
{
    agi_plan *plan = e->plan;
    for (uint32_t i = 0, length; i < n; i += length) {
        agi_instruction instruction = {
            .op = op, .out = numbers[i], .out_stride = 1, .first = op == AGI_OP_SUMS};
        bool fits;
        if (make_vector(plan, 1, &nodes[i], &instruction.x[0], &fits) != AG_OK)
            return AG_OUT_OF_MEMORY;
        agi_vector last = instruction.x[0];
        for (length = 1; i + length < n; length++) {
            agi_vector next;
            if (make_vector(plan, 1, &nodes[i + length], &next, &fits) != AG_OK)
                return AG_OUT_OF_MEMORY;
            const int64_t step = (int64_t)next.at - last.at;
            const int32_t out_step = (int32_t)(numbers[i + length] - numbers[i + length - 1]);
            if (length == 1) {
                instruction.x[0].stride = (int32_t)step;
                instruction.out_stride = out_step;
            }
            if (next.space != last.space || step != instruction.x[0].stride ||
                out_step != instruction.out_stride)
                break;
            last = next;
        }
        if (length == 1) {
            instruction.x[0].stride = 0;
            instruction.out_stride = 1;
        }
        instruction.n = length;
        if (add_instruction(plan, instruction) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

static ag_status emit_body_outputs(emission *e)
{
    agi_plan *plan = e->plan;
    const agi_code *code = plan->code;
    const uint32_t most = code->sum_count > code->map_count ? code->sum_count : code->map_count;
    uint32_t *numbers = agi_new_array(plan->memory, most, sizeof(*numbers));
    uint32_t *nodes = agi_new_array(plan->memory, most, sizeof(*nodes));
    ag_status status = numbers != NULL && nodes != NULL ? AG_OK : AG_OUT_OF_MEMORY;
    uint32_t n = 0;
    if (status == AG_OK) {
        for (uint32_t o = 0; o < code->map_count; o++) {
            numbers[o] = o;
            nodes[o] = code->outputs[code->sum_count + o];
        }
        status = emit_outputs(e, AGI_OP_STORE, code->map_count, numbers, nodes);
        for (uint32_t o = 0; o < code->sum_count; o++)
            if (!plan->absorbed[code->outputs[o]]) {
                numbers[n] = o;
                nodes[n++] = code->outputs[o];
            }
    }
    if (status == AG_OK)
        status = emit_outputs(e, AGI_OP_SUMS, n, numbers, nodes);
    for (uint32_t b = 0; status == AG_OK && b < plan->blocks_count; b++)
        status = emit_block(e, &plan->blocks[b]);
    agi_free_array(plan->memory, numbers, most, sizeof(*numbers));
    agi_free_array(plan->memory, nodes, most, sizeof(*nodes));
    return status;
}

/* Outputs computed once may be inputs or constants; they need a slot all the same. */
static ag_status emit_once_outputs(emission *e)
{
    agi_plan *plan = e->plan;
    const agi_code *code = plan->code;
    for (uint32_t o = 0; o < code->once_count; o++) {
        const uint32_t node = code->outputs[code->sum_count + code->map_count + o];
        uint32_t *slot = &plan->program->once_slots[o];
        if (plan->member[node]) {
            *slot = find(plan, node).at;
            continue;
        }
        agi_instruction copy = {.op = AGI_DETACH, .n = 1};
        bool fits;
        if (agi_take_slots(&e->slots, 1, &copy.out) != AG_OK ||
            make_vector(plan, 1, &node, &copy.x[0], &fits) != AG_OK ||
            add_instruction(plan, copy) != AG_OK)
            return AG_OUT_OF_MEMORY;
        *slot = copy.out;
    }
    return AG_OK;
}

/* ---- The section ----------------------------------------------------------------------------- */

static void keep(agi_plan *plan, uint32_t node)
{
    if (node != AGI_NO_INDEX && plan->member[node] && plan->place[node].vector != AGI_NO_INDEX)
        plan->ranges[plan->place[node].vector].last = AGI_NO_INDEX;
}

static void use(agi_plan *plan, uint32_t node, uint32_t group)
{
    if (node == AGI_NO_INDEX || !plan->member[node])
        return;
    agi_range *range = &plan->ranges[plan->place[node].vector];
    if (range->last != AGI_NO_INDEX)
        range->last = group;
}

/* What other sections and the section's own end look at. */
static void keep_outputs(agi_plan *plan)
{
    const agi_code *code = plan->code;
    const uint32_t in_body = code->sum_count + code->map_count;
    for (uint32_t o = 0; o < agi_output_count(code); o++) {
        const uint32_t node = code->outputs[o];
        keep(plan, node);
        for (uint32_t k = 0;
             o < in_body && plan->absorbed[node] && k < agi_code_operand_count(code, node); k++)
            keep(plan, *agi_code_operand(code, node, k));
    }
    for (uint32_t i = 0; plan->part == AGI_PART_ONCE && i < code->count; i++)
        for (uint32_t k = 0; plan->varies[i] && k < agi_code_operand_count(code, i); k++)
            keep(plan, *agi_code_operand(code, i, k));
}

static void find_last_uses(agi_plan *plan)
{
    for (uint32_t r = 0; r < plan->ranges_count; r++)
        plan->ranges[r].last = 0;
    keep_outputs(plan);
    for (uint32_t g = 0; g < plan->groups_count; g++)
        for (uint32_t i = 0; i < plan->groups[g].n; i++) {
            const uint32_t node = plan->members[plan->groups[g].begin + i];
            use(plan, node, g);
            for (uint32_t k = 0; k < agi_code_operand_count(plan->code, node); k++)
                use(plan, *agi_code_operand(plan->code, node, k), g);
        }
}

/* Gives back the slots of vectors whose last use this group was. */
static ag_status free_after(emission *e, uint32_t g)
{
    agi_plan *plan = e->plan;
    const agi_group *group = &plan->groups[g];
    for (uint32_t i = 0; i < group->n; i++) {
        const uint32_t node = plan->members[group->begin + i];
        const uint32_t n = agi_code_operand_count(plan->code, node);
        for (uint32_t k = 0; k <= n; k++) {
            const uint32_t x = k == n ? node : *agi_code_operand(plan->code, node, k);
            if (x == AGI_NO_INDEX || !plan->member[x])
                continue;
            agi_range *range = &plan->ranges[plan->place[x].vector];
            if (range->last != g || range->n == 0)
                continue;
            if (agi_give_slots(&e->slots, range->slot, range->n) != AG_OK)
                return AG_OUT_OF_MEMORY;
            range->n = 0;
        }
    }
    return AG_OK;
}

static ag_status emit_group(emission *e, const agi_group *group)
{
    agi_plan *plan = e->plan;
    const uint32_t out = plan->ranges[group->vector].slot + group->element;
    switch (group->op) {
    case AGI_OP_LOAD: {
        const uint32_t first = plan->code->at[plan->members[group->begin]].a;
        return add_instruction(plan, (agi_instruction){.op = AGI_OP_LOAD,
                                                       .n = group->n,
                                                       .out = out,
                                                       .x = {{.at = first, .stride = 1}}});
    }
    case AGI_OP_AFFINE:
        return emit_affine(e, group, out);
    case AGI_OP_PRODUCTS:
        return emit_products_group(e, group, out);
    case AGI_OP_SCAN:
        return emit_scan(e, group, out);
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
        return emit_comparison(e, group);
    default:
        return emit_gate(e, group, out);
    }
}

ag_status agi_emit_section(agi_plan *plan)
{
    emission e = {.plan = plan, .slots = {.memory = plan->memory}};
    find_last_uses(plan);
    ag_status status = AG_OK;
    for (uint32_t g = 0; g < plan->groups_count && status == AG_OK; g++) {
        const agi_group *group = &plan->groups[g];
        agi_range *range = &plan->ranges[group->vector];
        if (group->element == 0)
            status = agi_take_slots(&e.slots, range->n, &range->slot);
        if (status == AG_OK)
            status = emit_group(&e, group);
        if (status == AG_OK)
            status = free_after(&e, g);
    }
    if (status == AG_OK && plan->part == AGI_PART_ONCE)
        status = emit_once_outputs(&e);
    if (status == AG_OK && plan->part == AGI_PART_BODY)
        status = emit_body_outputs(&e);
    plan->section->slots = e.slots.end;
    agi_slots_free(&e.slots);
    agi_memory_release(plan->memory, e.nodes, e.nodes_capacity * sizeof(*e.nodes));
    return status;
}
