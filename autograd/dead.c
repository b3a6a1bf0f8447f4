/* SPDX-License-Identifier: MIT
 *
 * Gates that no output and no comparison depends on are dropped, and the others move together.
 */
#include "code.h"

#include <string.h>

/* Returns how many are needed. */
static uint32_t flag(agi_code *code, uint8_t *needed)
{
    uint32_t count = 0;
    memset(needed, 0, code->count);
    for (uint32_t i = 0; i < agi_output_count(code); i++)
        needed[code->outputs[i]] = 1;
    for (uint32_t i = 0; i < code->comparisons_count; i++)
        needed[code->comparisons[i].node] = 1;
    for (uint32_t i = code->count; i-- > 0;) {
        needed[i] = needed[i] || agi_compares_inside(code, i);
        if (!needed[i])
            continue;
        count++;
        const agi_operand_list operands = agi_list_code(code, i);
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t operand = *agi_operand(operands, k);
            if (operand != AGI_NO_INDEX)
                needed[operand] = 1;
        }
    }
    return count;
}

static void close_ranks(agi_code *code, const uint8_t *needed)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < code->count; i++) {
        if (!needed[i])
            continue;
        agi_redirect_operands(code, i);
        code->to[i] = left;
        code->ops[left] = code->ops[i];
        code->at[left++] = code->at[i];
    }
    code->count = left;
    agi_redirect_ends(code);
}

ag_status agi_drop_dead(agi_code *code)
{
    const uint32_t count = code->count;
    uint8_t *needed = AGI_NEW_ARRAY(code->memory, count, uint8_t);
    const ag_status status = needed == NULL ? AG_OUT_OF_MEMORY : agi_reserve_to(code);
    if (status == AG_OK && flag(code, needed) < count)
        close_ranks(code, needed);
    agi_free_array(code->memory, needed, count, 1);
    return status;
}
