/* SPDX-License-Identifier: MIT
 *
 * The order of a section's statements: as its instructions are, but for outputs, which are behind all
 * else. One that takes a whole row comes right behind the instruction that computes it, while the loop
 * that does so is still open.
 */
#include "c_section.h"

/* Totals of the caller's may be the shared array, and are written once NaNs have been looked for. */
static bool may_move(const agi_c_unit *unit, const agi_instruction *at)
{
    return unit->mode != AGI_C_ALL_LANES && at->x[0].space == AGI_SLOTS && at->x[0].stride == 1 &&
           at->n > AGI_C_FEW &&
           (at->op == AGI_OP_STORE || (at->op == AGI_OP_SUMS && unit->is_step));
}

/* Whether it is of a kind that loops are made of, and the output is all of its row and nothing else. */
static bool gives(const agi_instruction *at, const agi_instruction *output)
{
    return (at->op == AGI_OP_PRODUCTS || agi_is_plain_gate(at->op)) && at->out == output->x[0].at &&
           at->n == output->n;
}

/* Behind which instruction each is, or itself; last: of each slot, which has defined it. */
static void find_places(const agi_c_unit *unit, const agi_section *section, uint32_t *last,
                        uint32_t *places)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const agi_instruction *at = &section->instructions[i];
        const uint32_t results = agi_count_results(unit->program, at);
        for (uint32_t k = 0; k < results; k++)
            last[at->out + k] = i;
        places[i] = i;
        if (!may_move(unit, at))
            continue;
        const uint32_t by = last[at->x[0].at];
        bool moves = by < i && gives(&section->instructions[by], at);
        for (uint32_t k = 0; moves && k < at->n; k++)
            moves = last[at->x[0].at + k] == by;
        places[i] = moves ? by : i;
    }
}

/* Instructions by their places, those of one place as they were. */
static void sort(uint32_t n, const uint32_t *places, uint32_t *begins, uint32_t *order)
{
    for (uint32_t i = 0; i <= n; i++)
        begins[i] = 0;
    for (uint32_t i = 0; i < n; i++)
        begins[places[i] + 1]++;
    for (uint32_t i = 0; i < n; i++)
        begins[i + 1] += begins[i];
    for (uint32_t i = 0; i < n; i++)
        order[begins[places[i]]++] = i;
}

uint32_t *agi_c_find_order(const agi_c_unit *unit, const agi_section *section)
{
    agi_memory *memory = unit->file->memory;
    const uint32_t n = section->count;
    uint32_t *order = AGI_NEW_ARRAY(memory, n, uint32_t);
    uint32_t *last = AGI_NEW_ARRAY(memory, section->slots, uint32_t);
    uint32_t *places = AGI_NEW_ARRAY(memory, n, uint32_t);
    uint32_t *begins = AGI_NEW_ARRAY(memory, (size_t)n + 1, uint32_t);
    const bool is_made = order != NULL && last != NULL && places != NULL && begins != NULL;
    if (is_made) {
        for (uint32_t i = 0; i < section->slots; i++)
            last[i] = AGI_NO_INDEX;
        find_places(unit, section, last, places);
        sort(n, places, begins, order);
    } else {
        agi_free_array(memory, order, n, sizeof(*order));
    }
    agi_free_array(memory, last, section->slots, sizeof(*last));
    agi_free_array(memory, places, n, sizeof(*places));
    agi_free_array(memory, begins, (size_t)n + 1, sizeof(*begins));
    return is_made ? order : NULL;
}
