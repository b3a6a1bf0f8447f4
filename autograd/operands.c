/* SPDX-License-Identifier: MIT
 *
 * Nodes as operands of instructions: where each one lies, and many of them as a vector or a list.
 */
#include "schedule.h"

double agi_number_of(const agi_plan *plan, uint32_t node)
{
    return plan->code->numbers[plan->code->at[node].a];
}

static bool is_constant(const agi_plan *plan, uint32_t node)
{
    return plan->place[node].vector == AGI_IN_CONSTANTS;
}

ag_status agi_add_constant(agi_plan *plan, double number)
{
    ag_program *program = plan->program;
    return AGI_APPEND(plan, program->constants, number);
}

ag_status agi_add_instruction(agi_plan *plan, agi_instruction instruction)
{
    agi_section *section = plan->section;
    if (agi_memory_grow(plan->memory, (void **)&section->instructions,
                        sizeof(*section->instructions), &section->capacity,
                        (uint64_t)section->count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    section->instructions[section->count++] = instruction;
    return AG_OK;
}

ag_status agi_reserve_nodes(agi_plan *plan, uint64_t n)
{
    return agi_memory_grow(plan->memory, (void **)&plan->nodes, sizeof(*plan->nodes),
                           &plan->nodes_capacity, n, UINT32_MAX);
}

/* The place of a node that is no constant, or has been put among the program's. */
static agi_vector find_placed(const agi_plan *plan, uint32_t node)
{
    const agi_place place = plan->place[node];
    switch (place.vector) {
    case AGI_IN_SHARED:
        return (agi_vector){place.element, 0, AGI_SHARED};
    case AGI_IN_UNIFORM:
        return (agi_vector){place.element, 0, AGI_UNIFORM};
    case AGI_IN_CONSTANTS:
        return (agi_vector){place.element, 0, AGI_CONSTANTS};
    default:
        return (agi_vector){plan->ranges[place.vector].slot + place.element, 0, AGI_SLOTS};
    }
}

ag_status agi_find(agi_plan *plan, uint32_t node, agi_vector *place)
{
    if (is_constant(plan, node) && plan->place[node].element == AGI_NO_INDEX) {
        plan->place[node].element = plan->program->constants_count;
        if (agi_add_constant(plan, agi_number_of(plan, node)) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    *place = find_placed(plan, node);
    return AG_OK;
}

/* n > 1 constants, side by side. */
static ag_status copy_constants(agi_plan *plan, uint32_t n, const uint32_t *nodes,
                                agi_vector *vector)
{
    *vector = (agi_vector){plan->program->constants_count, 1, AGI_CONSTANTS};
    for (uint32_t i = 0; i < n; i++)
        if (agi_add_constant(plan, agi_number_of(plan, nodes[i])) != AG_OK)
            return AG_OUT_OF_MEMORY;
    return AG_OK;
}

ag_status agi_make_vector(agi_plan *plan, uint32_t n, const uint32_t *nodes, agi_vector *vector,
                          bool *fits)
{
    bool are_same = true;
    uint32_t constants = 0;
    for (uint32_t i = 0; i < n; i++) {
        constants += is_constant(plan, nodes[i]);
        are_same = are_same && nodes[i] == nodes[0];
    }
    *fits = constants == 0 || constants == n;
    if (!*fits)
        return AG_OK;
    if (are_same)
        return agi_find(plan, nodes[0], vector);
    if (constants == n)
        return copy_constants(plan, n, nodes, vector);
    const agi_vector first = find_placed(plan, nodes[0]);
    agi_vector last = find_placed(plan, nodes[1]);
    const int64_t step = (int64_t)last.at - first.at;
    *fits = agi_fits_stride(step) && last.space == first.space;
    for (uint32_t i = 2; i < n && *fits; i++) {
        const agi_vector next = find_placed(plan, nodes[i]);
        *fits = next.space == first.space && (int64_t)next.at - last.at == step;
        last = next;
    }
    *vector = (agi_vector){first.at, *fits ? (int32_t)step : 0, first.space};
    return AG_OK;
}

/* How many of the nodes, from the first on, are one vector. */
static uint32_t measure_vector(const agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    const bool is_number = is_constant(plan, nodes[0]);
    const agi_vector first = find_placed(plan, nodes[0]);
    int64_t step = 0;
    uint32_t length = 1;
    for (; length < n && is_constant(plan, nodes[length]) == is_number; length++) {
        if (is_number)
            continue;
        const agi_vector next = find_placed(plan, nodes[length]);
        if (length == 1)
            step = (int64_t)next.at - first.at;
        if (next.space != first.space || !agi_fits_stride(step) ||
            (int64_t)next.at - first.at != step * length)
            break;
    }
    return length;
}

static ag_status copy_elements(agi_plan *plan, uint32_t n, const uint32_t *nodes, uint32_t to)
{
    for (uint32_t i = 0, length; i < n; i += length) {
        length = measure_vector(plan, n - i, nodes + i);
        agi_instruction copy = {.op = AGI_DETACH, .n = length, .out = to + i};
        bool fits;
        if (agi_make_vector(plan, length, nodes + i, &copy.x[0], &fits) != AG_OK ||
            agi_add_instruction(plan, copy) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

/* The space that all of the nodes lie in; AGI_NOWHERE where there is none. */
static uint8_t find_space(const agi_plan *plan, uint32_t n, const uint32_t *nodes)
{
    const uint8_t space = find_placed(plan, nodes[0]).space;
    for (uint32_t i = 1; i < n; i++)
        if (find_placed(plan, nodes[i]).space != space)
            return AGI_NOWHERE;
    return space;
}

ag_status agi_make_elements(agi_plan *plan, agi_slots *slots, uint32_t n, const uint32_t *nodes,
                            agi_elements *elements, agi_range *copy)
{
    *elements = (agi_elements){.n = n, .list = AGI_NO_INDEX};
    *copy = (agi_range){0};
    bool fits;
    if (agi_make_vector(plan, n, nodes, &elements->vector, &fits) != AG_OK)
        return AG_OUT_OF_MEMORY;
    if (fits)
        return AG_OK;
    const uint8_t space = find_space(plan, n, nodes);
    if (space == AGI_NOWHERE) {
        if (agi_take_slots(slots, n, &copy->slot) != AG_OK ||
            copy_elements(plan, n, nodes, copy->slot) != AG_OK)
            return AG_OUT_OF_MEMORY;
        copy->n = n;
        elements->vector = (agi_vector){copy->slot, 1, AGI_SLOTS};
        return AG_OK;
    }
    agi_records *records = &plan->program->records;
    elements->vector = (agi_vector){0, 0, space};
    elements->list = records->lists_count;
    for (uint32_t i = 0; i < n; i++)
        if (AGI_APPEND(plan, records->lists, find_placed(plan, nodes[i]).at) != AG_OK)
            return AG_OUT_OF_MEMORY;
    return AG_OK;
}
