/* SPDX-License-Identifier: MIT
 *
 * The interpreter: one instruction after the other over one block.
 */
#include "kernel.h"

static bool is_between(uint8_t op)
{
    return op == AGI_OP_LOAD || op == AGI_OP_STORE || op == AGI_OP_SUMS || op == AGI_OP_OUTER;
}

void AGI_KERNEL(instruction)(const agi_instruction *instruction, agi_frame *frame)
{
    if (frame->by_lanes && is_between(instruction->op)) {
        AGI_KERNEL(lanes)(instruction, frame);
        return;
    }
    if (instruction->streak > 0 && frame->lanes > 1) {
        AGI_KERNEL(streak)(instruction, frame);
        return;
    }
    const agi_records *records = frame->records;
    const uint32_t more = instruction->more;
    switch (instruction->op) {
    case AGI_OP_LOAD:
        AGI_KERNEL(load)(instruction, frame);
        break;
    case AGI_OP_STORE:
        AGI_KERNEL(store)(instruction, frame);
        break;
    case AGI_OP_SUMS:
        AGI_KERNEL(sums)(instruction, frame);
        break;
    case AGI_OP_AFFINE:
        AGI_KERNEL(affine)(records->affine + more, instruction->out, frame);
        break;
    case AGI_OP_OUTER:
        AGI_KERNEL(outer)(records->outer + more, frame);
        break;
    case AGI_OP_SCAN:
        agi_run_scan(instruction, frame);
        break;
    case AGI_OP_PRODUCTS:
    case AGI_CLOSURE:
#define AG_NARY(name, ...) case AGI_##name:
#include <wengert/gates.def>
        AGI_KERNEL(terms)(instruction, frame);
        break;
    default:
        AGI_KERNEL(gate)(instruction, frame);
        break;
    }
}

void AGI_KERNEL(execute)(const agi_section *section, agi_frame *frame)
{
    if (frame->lanes == 1 && section->steps != NULL) {
        AGI_KERNEL(single)(section, frame);
        return;
    }
    const bool in_lanes = frame->lanes > 1;
    for (uint32_t i = 0; i < section->count;) {
        const agi_instruction *at = section->instructions + i;
        AGI_KERNEL(instruction)(at, frame);
        i += in_lanes ? agi_count_streak(at) : 1;
    }
}
