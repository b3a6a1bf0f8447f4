/* SPDX-License-Identifier: MIT
 *
 * From gates to instructions, section by section: what depends on shared inputs alone runs once;
 * what comparisons depend on runs over the batch first; then everything else. In a section gates go
 * level by level, and a level's gates into groups: rows of matrices, then runs.
 */
#include "schedule.h"

#include <string.h>

/* ---- Shared with the other files ------------------------------------------------------------- */

ag_status agi_add_group(agi_plan *plan, agi_group group)
{
    return AGI_APPEND(plan, plan->groups, group);
}

ag_status agi_add_range(agi_plan *plan, uint32_t n, uint32_t *vector)
{
    *vector = plan->ranges_count;
    return AGI_APPEND(plan, plan->ranges, ((agi_range){n, 0}));
}

agi_keyed *agi_reserve_keys(agi_plan *plan, uint32_t n)
{
    /* twice, for sorting */
    return agi_memory_grow(plan->memory, (void **)&plan->keys, sizeof(*plan->keys),
                           &plan->keys_capacity, 2 * (uint64_t)n, UINT32_MAX) == AG_OK
               ? plan->keys
               : NULL;
}

/* Numbers the keys that are there from 0 on; returns how many, 0 where there is no memory. A table of
 * twice the size says where each was first. */
static uint32_t number_buckets(agi_plan *plan, uint32_t n)
{
    uint64_t size = 4;
    while (size < 2 * (uint64_t)n)
        size *= 2;
    if (agi_memory_grow(plan->memory, (void **)&plan->table, sizeof(*plan->table),
                        &plan->table_capacity, size, UINT32_MAX))
        return 0;
    uint32_t *table = plan->table, buckets = 0;
    agi_keyed *keys = plan->keys;
    memset(table, 0xFF, (size_t)size * sizeof(*table)); /* AGI_NO_INDEX */
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = keys[i].key & (size - 1);
        while (table[at] != AGI_NO_INDEX && keys[table[at]].key != keys[i].key)
            at = (at + 1) & (size - 1);
        if (table[at] == AGI_NO_INDEX) {
            table[at] = i;
            keys[i].bucket = buckets++;
        } else {
            keys[i].bucket = keys[table[at]].bucket;
        }
    }
    return buckets;
}

agi_keyed *agi_sort_into_buckets(agi_plan *plan, uint32_t n)
{
    const uint32_t buckets = number_buckets(plan, n);
    if (buckets <= 1)
        return buckets == 0 ? NULL : plan->keys;
    /* the table has room for more counters than there are keys */
    uint32_t *begins = plan->table, begin = 0;
    memset(begins, 0, buckets * sizeof(*begins));
    for (uint32_t i = 0; i < n; i++)
        begins[plan->keys[i].bucket]++;
    for (uint32_t b = 0; b < buckets; b++) {
        const uint32_t count = begins[b];
        begins[b] = begin;
        begin += count;
    }
    agi_keyed *sorted = plan->keys + n;
    for (uint32_t i = 0; i < n; i++)
        sorted[begins[plan->keys[i].bucket]++] = plan->keys[i];
    return sorted;
}

/* ---- Who is in a section --------------------------------------------------------------------- */

static bool compares(const agi_code *code, uint32_t node)
{
    const uint8_t op = code->ops[node];
    return agi_compares(op) || agi_compares_inside(code, node);
}

static void mark_operands(agi_plan *plan, uint32_t node)
{
    const agi_operand_list operands = agi_list_code(plan->code, node);
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t operand = *agi_operand(operands, k);
        if (operand != AGI_NO_INDEX)
            plan->member[operand] = 1;
    }
}

/* Marks the nodes that the section's ends are made of. */
static void mark_ends(agi_plan *plan)
{
    const agi_code *code = plan->code;
    const bool is_body = plan->part == AGI_PART_BODY;
    for (uint32_t i = 0; !is_body && i < code->count; i++)
        plan->member[i] = compares(code, i);
    for (uint32_t o = 0; is_body && o < code->sum_count + code->map_count; o++) {
        const uint32_t node = code->outputs[o];
        if (plan->absorbed[node])
            mark_operands(plan, node);
        else
            plan->member[node] = 1;
    }
}

/* Returns how many there are. */
static uint32_t choose_members(agi_plan *plan)
{
    const agi_code *code = plan->code;
    uint32_t n = 0;
    if (plan->part == AGI_PART_ONCE) {
        for (uint32_t i = 0; i < code->count; i++) {
            plan->member[i] = !plan->varies[i] && plan->place[i].vector == AGI_UNPLACED;
            n += plan->member[i];
        }
        return n;
    }
    memset(plan->member, 0, code->count);
    mark_ends(plan);
    for (uint32_t i = code->count; i-- > 0;) {
        plan->member[i] = plan->member[i] && plan->varies[i];
        if (!plan->member[i])
            continue;
        n++;
        mark_operands(plan, i);
    }
    return n;
}

/* ---- Levels ---------------------------------------------------------------------------------- */

/* The lowest: level 0 are each inputs, and gates of nothing but what is outside. */
static uint32_t find_levels(agi_plan *plan)
{
    const agi_code *code = plan->code;
    uint32_t highest = 0;
    for (uint32_t i = 0; i < code->count; i++) {
        if (!plan->member[i])
            continue;
        const agi_operand_list operands = agi_list_code(code, i);
        uint32_t level = 0;
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t operand = *agi_operand(operands, k);
            if (operand != AGI_NO_INDEX && plan->member[operand] && plan->level[operand] >= level)
                level = plan->level[operand] + 1;
        }
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
    uint32_t *next = AGI_NEW_ARRAY(plan->memory, levels, uint32_t);
    if (next == NULL)
        return AG_OUT_OF_MEMORY;
    memcpy(next, begins, levels * sizeof(*next));
    for (uint32_t i = 0; i < count; i++)
        if (plan->member[i])
            plan->work[next[plan->level[i]]++] = i;
    agi_free_array(plan->memory, next, levels, sizeof(*next));
    memset(plan->level, 0, count * sizeof(*plan->level));
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
    uint32_t *begins = AGI_NEW_ARRAY(plan->memory, (uint64_t)levels + 1, uint32_t);
    uint32_t *inputs = AGI_NEW_ARRAY(plan->memory, code->each_count, uint32_t);
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

/* Where the section's numbers are for the sections after it. */
static void leave_section(agi_plan *plan)
{
    for (uint32_t i = 0; i < plan->code->count; i++) {
        agi_place *place = &plan->place[i];
        if (!plan->member[i] || place->vector == AGI_UNPLACED)
            continue;
        *place =
            plan->part == AGI_PART_ONCE
                ? (agi_place){AGI_IN_UNIFORM, plan->ranges[place->vector].slot + place->element}
                : (agi_place){AGI_UNPLACED, 0};
    }
}

static ag_status write_section(agi_plan *plan, agi_part part, agi_section *section)
{
    plan->part = part;
    plan->section = section;
    plan->members_count = plan->groups_count = plan->ranges_count = plan->entries_count = 0;
    plan->rows_count = plan->rests_count = plan->segments_count = plan->matrices_count = 0;
    ag_status status = choose_members(plan) > 0 ? group_members(plan) : AG_OK;
    if (status == AG_OK)
        status = agi_emit_section(plan);
    if (status == AG_OK)
        leave_section(plan);
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

/* Slots for what scans give: written, or read, a few at a time, once. */
static size_t count_passing(const ag_program *program, const agi_section *section)
{
    size_t slots = 0;
    for (uint32_t i = 0; i < section->count; i++)
        if (section->instructions[i].op == AGI_OP_SCAN)
            slots += program->records.scans[section->instructions[i].more].output_count;
    return slots < section->slots ? slots : section->slots;
}

/* Whether instructions go through many slots each, but not through matrices: then it pays that these
 * are in the nearest cache, and less that few blocks are begun. */
static bool is_bound_by_memory(const ag_program *program, const agi_section *section)
{
    enum {
        MANY = 8 /* slots */
    };
    size_t begun = 0;
    for (uint32_t i = 0; i < section->count; i += agi_count_streak(&section->instructions[i]))
        begun++;
    return program->records.affine_count == 0 && section->slots >= MANY * begun;
}

/* As many samples as keep the slots that a block works with in 512 KiB, and all of them in 8 MiB, 64
 * at most: enough for the matrix kernels to use each of a matrix's numbers often; or half of that, if
 * it makes memory fast. Where even the fewest lanes take a lot of memory (long scans, whose states
 * are slots), sample by sample. */
static size_t choose_lanes(const ag_program *program)
{
    enum {
        STEP = 16,
        MOST = AGI_MOST_LANES,
        NEAR_BYTES = 40 << 10,
        BYTES = 512 << 10,
        ALL_BYTES = 8 << 20,
        TOO_MANY_BYTES = 64 << 20
    };
    const bool checks = program->check.slots > program->body.slots;
    const agi_section *section = checks ? &program->check : &program->body;
    const size_t slots = section->slots + program->scratch_lanes;
    const size_t busy = slots - count_passing(program, section);
    size_t lanes = MOST;
    while (lanes > STEP &&
           (lanes * busy * sizeof(double) > BYTES || lanes * slots * sizeof(double) > ALL_BYTES))
        lanes -= STEP;
    const size_t bytes = MOST * section->slots * sizeof(double);
    if (lanes == MOST && bytes > NEAR_BYTES && bytes / 2 <= NEAR_BYTES &&
        is_bound_by_memory(program, section))
        lanes = MOST / 2;
    return lanes * slots * sizeof(double) > TOO_MANY_BYTES ? 1 : lanes;
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
        const agi_operand_list operands = agi_list_code(code, i);
        bool varies = code->ops[i] == AGI_OP_EACH;
        for (uint32_t k = 0; k < operands.n && !varies; k++) {
            const uint32_t operand = *agi_operand(operands, k);
            varies = operand != AGI_NO_INDEX && plan->varies[operand];
        }
        plan->varies[i] = varies;
    }
}

static void place_outsiders(agi_plan *plan)
{
    const agi_code *code = plan->code;
    for (uint32_t i = 0; i < code->count; i++)
        plan->place[i] = code->ops[i] == AGI_CONSTANT ? (agi_place){AGI_IN_CONSTANTS, AGI_NO_INDEX}
                         : code->ops[i] == AGI_OP_SHARED ? (agi_place){AGI_IN_SHARED, code->at[i].a}
                                                         : (agi_place){AGI_UNPLACED, 0};
}

static ag_status write_sections(agi_plan *plan)
{
    ag_program *program = plan->program;
    find_varying(plan);
    place_outsiders(plan);
    memset(plan->absorbed, 0, plan->code->count);
    ag_status status = write_section(plan, AGI_PART_ONCE, &program->once);
    if (status == AG_OK)
        status = write_section(plan, AGI_PART_CHECK, &program->check);
    if (status == AG_OK)
        status = agi_find_outer(plan);
    if (status == AG_OK)
        status = write_section(plan, AGI_PART_BODY, &program->body);
    return status;
}

static void free_plan(agi_plan *plan)
{
    agi_memory *memory = plan->memory;
    const uint32_t n = plan->code->count;
    agi_free_array(memory, plan->varies, n, 1);
    agi_free_array(memory, plan->absorbed, n, 1);
    agi_free_array(memory, plan->member, n, 1);
    agi_free_array(memory, plan->place, n, sizeof(*plan->place));
    agi_free_array(memory, plan->level, n, sizeof(*plan->level));
    agi_free_array(memory, plan->last, n, sizeof(*plan->last));
    agi_free_array(memory, plan->members, n, sizeof(*plan->members));
    agi_free_array(memory, plan->work, n, sizeof(*plan->work));
#define RELEASE(array)                                                                             \
    agi_memory_release(memory, plan->array, (size_t)plan->array##_capacity * sizeof(*plan->array))
    RELEASE(blocks);
    RELEASE(groups);
    RELEASE(ranges);
    RELEASE(entries);
    RELEASE(rows);
    RELEASE(rests);
    RELEASE(segments);
    RELEASE(matrices);
    RELEASE(keys);
    RELEASE(table);
    RELEASE(nodes);
#undef RELEASE
}

ag_status agi_schedule(const agi_code *code, bool plain, ag_program *program)
{
    const uint32_t n = code->count;
    agi_memory *memory = &program->memory;
    agi_plan plan = {.code = code, .program = program, .memory = memory, .plain = plain};
    plan.varies = AGI_NEW_ARRAY(memory, n, uint8_t);
    plan.absorbed = AGI_NEW_ARRAY(memory, n, uint8_t);
    plan.member = AGI_NEW_ARRAY(memory, n, uint8_t);
    plan.place = AGI_NEW_ARRAY(memory, n, agi_place);
    plan.level = AGI_NEW_ARRAY(memory, n, uint32_t);
    plan.last = AGI_NEW_ARRAY(memory, n, uint32_t);
    plan.members = AGI_NEW_ARRAY(memory, n, uint32_t);
    plan.work = AGI_NEW_ARRAY(memory, n, uint32_t);
    program->once_slots = AGI_NEW_ARRAY(memory, code->once_count, uint32_t);
    ag_status status = AG_OUT_OF_MEMORY;
    if (plan.varies != NULL && plan.absorbed != NULL && plan.member != NULL && plan.place != NULL &&
        plan.level != NULL && plan.last != NULL && plan.members != NULL && plan.work != NULL &&
        program->once_slots != NULL)
        status = write_sections(&plan);
    free_plan(&plan);
    if (status == AG_OK && !plain) {
        agi_find_streaks(program, &program->check);
        agi_find_streaks(program, &program->body);
    }
    if (status == AG_OK) {
        find_scratch(program);
        program->lanes = choose_lanes(program);
        count_instructions(program);
    }
    return status;
}
