/* SPDX-License-Identifier: MIT
 *
 * From gates to instructions, section by section: what depends on shared inputs alone runs once;
 * what comparisons depend on runs over the batch first; then everything else. In a section gates go
 * level by level, and a level's gates into groups: rows of matrices, then runs.
 */
#include "schedule.h"

#include <string.h>

/* ---- Shared with the other files ------------------------------------------------------------- */

agi_address agi_locate(const agi_plan *plan, uint32_t node)
{
    const uint8_t op = plan->code->ops[node];
    if (op == AGI_CONSTANT)
        return (agi_address){AGI_CONSTANTS, 0, 0};
    if (op == AGI_OP_SHARED)
        return (agi_address){AGI_SHARED, 0, plan->code->at[node].a};
    if (plan->member[node])
        return (agi_address){AGI_SLOTS, plan->place[node].vector, plan->place[node].element};
    return (agi_address){AGI_UNIFORM, 0, plan->once_slot[node]};
}

ag_status agi_add_group(agi_plan *plan, agi_group group)
{
    if (agi_memory_grow(plan->memory, (void **)&plan->groups, sizeof(*plan->groups),
                        &plan->groups_capacity, (uint64_t)plan->groups_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    plan->groups[plan->groups_count++] = group;
    return AG_OK;
}

ag_status agi_add_range(agi_plan *plan, uint32_t n, uint32_t *vector)
{
    if (agi_memory_grow(plan->memory, (void **)&plan->ranges, sizeof(*plan->ranges),
                        &plan->ranges_capacity, (uint64_t)plan->ranges_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    *vector = plan->ranges_count;
    plan->ranges[plan->ranges_count++] = (agi_range){n, 0, 0};
    return AG_OK;
}

/* ---- Who is in a section --------------------------------------------------------------------- */

static bool is_comparison(const agi_code *code, uint32_t node)
{
    return code->ops[node] < AGI_GATE_COUNT && agi_gate_forms[code->ops[node]] == AGI_FORM_COMPARE;
}

/* Marks the nodes that the section's ends are made of. */
static void mark_ends(agi_plan *plan)
{
    const agi_code *code = plan->code;
    if (plan->part == AGI_PART_CHECK) {
        for (uint32_t i = 0; i < code->count; i++)
            plan->member[i] = is_comparison(code, i) || agi_compares_inside(code, i);
        return;
    }
    for (uint32_t o = 0; o < code->sum_count + code->map_count; o++) {
        const uint32_t node = code->outputs[o];
        if (!plan->absorbed[node]) {
            plan->member[node] = 1;
            continue;
        }
        for (uint32_t k = 0; k < agi_code_operand_count(code, node); k++)
            plan->member[*agi_code_operand(code, node, k)] = 1;
    }
}

static void choose_members(agi_plan *plan)
{
    const agi_code *code = plan->code;
    if (plan->part == AGI_PART_ONCE) {
        for (uint32_t i = 0; i < code->count; i++)
            plan->member[i] =
                !plan->varies[i] && code->ops[i] != AGI_CONSTANT && code->ops[i] != AGI_OP_SHARED;
        return;
    }
    memset(plan->member, 0, code->count);
    mark_ends(plan);
    for (uint32_t i = code->count; i-- > 0;) {
        plan->member[i] = plan->member[i] && plan->varies[i];
        const uint32_t n = plan->member[i] ? agi_code_operand_count(code, i) : 0;
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t operand = *agi_code_operand(code, i, k);
            if (operand != AGI_NO_INDEX)
                plan->member[operand] = 1;
        }
    }
}

/* ---- Levels ---------------------------------------------------------------------------------- */

static uint32_t find_levels(agi_plan *plan)
{
    const agi_code *code = plan->code;
    uint32_t highest = 0;
    for (uint32_t i = 0; i < code->count; i++) {
        if (!plan->member[i])
            continue;
        uint32_t level = 0;
        const uint32_t n = agi_code_operand_count(code, i);
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t operand = *agi_code_operand(code, i, k);
            if (operand != AGI_NO_INDEX && plan->member[operand] && plan->level[operand] >= level)
                level = plan->level[operand] + 1;
        }
        /* level 0: each inputs, and gates of nothing but what is outside */
        plan->level[i] = level;
        if (level > highest)
            highest = level;
    }
    return highest;
}

/* The members in the order of their levels, and where each level begins (one more at the end). */
static ag_status sort_by_level(agi_plan *plan, uint32_t levels, uint32_t *begins)
{
    memset(begins, 0, ((size_t)levels + 1) * sizeof(*begins));
    const uint32_t count = plan->code->count;
    for (uint32_t i = 0; i < count; i++)
        if (plan->member[i])
            begins[plan->level[i] + 1]++;
    for (uint32_t l = 0; l < levels; l++)
        begins[l + 1] += begins[l];
    uint32_t *next = agi_new_array(plan->memory, levels, sizeof(*next));
    if (next == NULL)
        return AG_OUT_OF_MEMORY;
    memcpy(next, begins, levels * sizeof(*next));
    for (uint32_t i = 0; i < count; i++)
        if (plan->member[i])
            plan->work[next[plan->level[i]]++] = i;
    agi_free_array(plan->memory, next, levels, sizeof(*next));
    return AG_OK;
}

/* Each inputs that follow each other are one vector. They come in any order; `inputs` has room for
 * all there are. */
static ag_status group_loads(agi_plan *plan, uint32_t *inputs)
{
    const agi_code *code = plan->code;
    memset(inputs, 0xFF, (size_t)code->each_count * sizeof(*inputs));
    for (uint32_t i = 0; i < code->count; i++)
        if (plan->member[i] && code->ops[i] == AGI_OP_EACH)
            inputs[code->at[i].a] = i;
    for (uint32_t at = 0, length; at < code->each_count; at += length) {
        length = 1;
        if (inputs[at] == AGI_NO_INDEX)
            continue;
        while (at + length < code->each_count && inputs[at + length] != AGI_NO_INDEX)
            length++;
        uint32_t vector;
        const uint32_t begin = plan->members_count;
        if (agi_add_range(plan, length, &vector) != AG_OK ||
            agi_add_group(plan, (agi_group){AGI_OP_LOAD, begin, length, vector, 0, 0}) != AG_OK)
            return AG_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < length; i++) {
            plan->members[plan->members_count++] = inputs[at + i];
            plan->place[inputs[at + i]] = (agi_place){vector, i};
        }
    }
    return AG_OK;
}

static ag_status group_level(agi_plan *plan, uint32_t n, uint32_t *nodes)
{
    uint32_t kept = 0, left;
    for (uint32_t i = 0; i < n; i++)
        if (plan->code->ops[nodes[i]] != AGI_OP_EACH)
            nodes[kept++] = nodes[i];
    left = kept;
    ag_status status = plan->plain ? AG_OK : agi_group_affine(plan, kept, nodes, &left);
    return status != AG_OK || left == 0 ? status : agi_group_runs(plan, left, nodes);
}

static ag_status group_members(agi_plan *plan)
{
    const agi_code *code = plan->code;
    const uint32_t levels = find_levels(plan) + 1;
    uint32_t *begins = agi_new_array(plan->memory, (uint64_t)levels + 1, sizeof(*begins));
    uint32_t *inputs = agi_new_array(plan->memory, code->each_count, sizeof(*inputs));
    ag_status status = begins != NULL && inputs != NULL ? AG_OK : AG_OUT_OF_MEMORY;
    if (status == AG_OK)
        status = sort_by_level(plan, levels, begins);
    if (status == AG_OK)
        status = group_loads(plan, inputs);
    for (uint32_t l = 0; status == AG_OK && l < levels; l++)
        status = group_level(plan, begins[l + 1] - begins[l], plan->work + begins[l]);
    agi_free_array(plan->memory, begins, (uint64_t)levels + 1, sizeof(*begins));
    agi_free_array(plan->memory, inputs, code->each_count, sizeof(*inputs));
    return status;
}

static ag_status write_section(agi_plan *plan, agi_part part, agi_section *section)
{
    plan->part = part;
    plan->section = section;
    plan->members_count = plan->groups_count = plan->ranges_count = 0;
    plan->entries_count = plan->rows_count = plan->rests_count = plan->matrices_count = 0;
    choose_members(plan);
    for (uint32_t i = 0; i < plan->code->count; i++)
        plan->place[i] = (agi_place){AGI_NO_INDEX, 0};
    ag_status status = group_members(plan);
    if (status == AG_OK)
        status = agi_emit_section(plan);
    for (uint32_t i = 0; status == AG_OK && part == AGI_PART_ONCE && i < plan->code->count; i++)
        if (plan->place[i].vector != AGI_NO_INDEX)
            plan->once_slot[i] = plan->ranges[plan->place[i].vector].slot + plan->place[i].element;
    return status;
}

/* ---- What running takes ---------------------------------------------------------------------- */

static void widen(ag_program *program, agi_scratch need)
{
    if (need.lanes > program->scratch_lanes)
        program->scratch_lanes = need.lanes;
    if (need.fixed > program->scratch_fixed)
        program->scratch_fixed = need.fixed;
}

static void find_scratch(ag_program *program)
{
    const agi_records *records = &program->records;
    for (uint32_t i = 0; i < records->affine_count; i++)
        widen(program, agi_affine_scratch(&records->affine[i]));
    for (uint32_t i = 0; i < records->outer_count; i++)
        widen(program, agi_outer_scratch(&records->outer[i]));
    for (uint32_t i = 0; i < records->folds_count; i++)
        widen(program, agi_fold_scratch(&records->folds[i]));
    for (uint32_t i = 0; i < records->scans_count; i++)
        widen(program, agi_scan_scratch(&records->scans[i]));
}

/* As many samples as keep a block's slots in 512 KiB, 64 at most: enough for the matrix kernels to
 * use each of a matrix's numbers often. */
static size_t choose_lanes(const ag_program *program)
{
    enum {
        STEP = 16,
        MOST = 64,
        BYTES = 512 << 10
    };
    const size_t body = program->body.slots, check = program->check.slots;
    const size_t slots = (body > check ? body : check) + program->scratch_lanes;
    size_t lanes = MOST;
    while (lanes > STEP && lanes * slots * sizeof(double) > BYTES)
        lanes -= STEP;
    return lanes;
}

static void count_instructions(ag_program *program)
{
    const agi_section *sections[] = {&program->once, &program->check, &program->body};
    ag_program_info *info = &program->info;
    for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++)
        for (uint32_t i = 0; i < sections[s]->count; i++) {
            const agi_instruction *instruction = &sections[s]->instructions[i];
            info->instructions++;
            info->affine += instruction->op == AGI_OP_AFFINE;
            info->outer += instruction->op == AGI_OP_OUTER;
            info->runs += instruction->op < AGI_OP_GATE_COUNT && instruction->n > 1;
        }
}

/* ---- The plan -------------------------------------------------------------------------------- */

static void find_varying(agi_plan *plan)
{
    const agi_code *code = plan->code;
    for (uint32_t i = 0; i < code->count; i++) {
        plan->varies[i] = code->ops[i] == AGI_OP_EACH;
        const uint32_t n = agi_code_operand_count(code, i);
        for (uint32_t k = 0; k < n && !plan->varies[i]; k++) {
            const uint32_t operand = *agi_code_operand(code, i, k);
            plan->varies[i] = operand != AGI_NO_INDEX && plan->varies[operand];
        }
    }
}

static ag_status write_sections(agi_plan *plan)
{
    ag_program *program = plan->program;
    find_varying(plan);
    memset(plan->absorbed, 0, plan->code->count);
    memset(plan->constant, 0xFF, plan->code->count * sizeof(*plan->constant));
    ag_status status = write_section(plan, AGI_PART_ONCE, &program->once);
    if (status == AG_OK)
        status = write_section(plan, AGI_PART_CHECK, &program->check);
    if (status == AG_OK)
        status = agi_find_outer(plan);
    if (status == AG_OK)
        status = write_section(plan, AGI_PART_BODY, &program->body);
    return status;
}

ag_status agi_schedule(const agi_code *code, bool plain, ag_program *program)
{
    const uint32_t n = code->count;
    agi_memory *memory = &program->memory;
    agi_plan plan = {.code = code, .program = program, .memory = memory, .plain = plain};
    plan.varies = agi_new_array(memory, n, 1);
    plan.absorbed = agi_new_array(memory, n, 1);
    plan.member = agi_new_array(memory, n, 1);
    plan.once_slot = agi_new_array(memory, n, sizeof(uint32_t));
    plan.constant = agi_new_array(memory, n, sizeof(uint32_t));
    plan.level = agi_new_array(memory, n, sizeof(uint32_t));
    plan.members = agi_new_array(memory, n, sizeof(uint32_t));
    plan.work = agi_new_array(memory, n, sizeof(uint32_t));
    plan.place = agi_new_array(memory, n, sizeof(agi_place));
    program->once_slots = agi_new_array(memory, code->once_count, sizeof(uint32_t));
    ag_status status = AG_OUT_OF_MEMORY;
    if (plan.varies != NULL && plan.absorbed != NULL && plan.member != NULL &&
        plan.once_slot != NULL && plan.constant != NULL && plan.level != NULL &&
        plan.members != NULL && plan.work != NULL && plan.place != NULL &&
        program->once_slots != NULL)
        status = write_sections(&plan);
    agi_free_array(memory, plan.varies, n, 1);
    agi_free_array(memory, plan.absorbed, n, 1);
    agi_free_array(memory, plan.member, n, 1);
    agi_free_array(memory, plan.once_slot, n, sizeof(uint32_t));
    agi_free_array(memory, plan.constant, n, sizeof(uint32_t));
    agi_free_array(memory, plan.level, n, sizeof(uint32_t));
    agi_free_array(memory, plan.members, n, sizeof(uint32_t));
    agi_free_array(memory, plan.work, n, sizeof(uint32_t));
    agi_free_array(memory, plan.place, n, sizeof(agi_place));
    agi_memory_release(memory, plan.blocks, plan.blocks_capacity * sizeof(agi_block));
    agi_memory_release(memory, plan.groups, plan.groups_capacity * sizeof(agi_group));
    agi_memory_release(memory, plan.ranges, plan.ranges_capacity * sizeof(agi_range));
    agi_memory_release(memory, plan.entries, plan.entries_capacity * sizeof(agi_entry));
    agi_memory_release(memory, plan.rows, plan.rows_capacity * sizeof(agi_row));
    agi_memory_release(memory, plan.rests, plan.rests_capacity * sizeof(agi_product));
    agi_memory_release(memory, plan.matrices, plan.matrices_capacity * sizeof(agi_matrix));
    if (status == AG_OK) {
        find_scratch(program);
        program->lanes = choose_lanes(program);
        count_instructions(program);
    }
    return status;
}
