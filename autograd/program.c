/* SPDX-License-Identifier: MIT
 *
 * A program's life: who owns it, what can be asked of it, how all of it is given back. compile.c
 * makes programs, run.c runs them.
 */
#include "code.h"
#include "native.h"

#include <string.h>

ag_program *ag_program_retain(ag_program *program)
{
    if (program != NULL)
        (void)atomic_fetch_add_explicit(&program->owners, 1, memory_order_relaxed);
    return program;
}

ag_status agi_round_constants(ag_program *program)
{
    const uint32_t n = program->constants_count;
    program->constants_float = AGI_NEW_ARRAY(&program->memory, n, float);
    if (program->constants_float == NULL)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        program->constants_float[i] = (float)program->constants[i];
    return AG_OK;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void free_records(agi_records *records, agi_memory *memory)
{
#define RELEASE(array)                                                                             \
    agi_memory_release(memory, records->array,                                                     \
                       (size_t)records->array##_capacity * sizeof(*records->array))
    for (uint32_t i = 0; i < records->scans_count; i++) {
        ag_program_free(records->scans[i].program);
        ag_program_free(records->scans[i].by_lanes);
    }
    RELEASE(lists);
    RELEASE(factors);
    RELEASE(affine);
    RELEASE(outer);
    RELEASE(folds);
    RELEASE(scans);
    RELEASE(pieces);
    RELEASE(closures);
    RELEASE(numbers);
    RELEASE(texts);
#undef RELEASE
}

static void free_section(agi_section *section, agi_memory *memory)
{
    agi_memory_release(memory, section->instructions,
                       (size_t)section->capacity * sizeof(*section->instructions));
    agi_memory_release(memory, section->steps,
                       (size_t)section->steps_capacity * sizeof(*section->steps));
    agi_memory_release(memory, section->imports,
                       (size_t)section->imports_capacity * sizeof(*section->imports));
}

static size_t count_ends(const ag_program_info *info)
{
    return info->shared_count + info->each_count + info->sum_count + info->map_count +
           info->once_count;
}

static void free_ends(ag_program *program, agi_memory *memory)
{
    const size_t n = count_ends(&program->info);
    if (program->names != NULL) {
        for (size_t i = 0; i < n; i++)
            if (program->names[i] != NULL)
                agi_memory_release(memory, program->names[i], strlen(program->names[i]) + 1);
        agi_free_array(memory, program->names, n, sizeof(*program->names));
    }
    agi_free_array(memory, program->signature, n, sizeof(*program->signature));
}

/* Programs inside this one are freed in turn: as deep as calls of programs nest, which is as deep
 * as they nest when they run. */
void ag_program_free(ag_program *program)
{
    if (program == NULL ||
        atomic_fetch_sub_explicit(&program->owners, 1, memory_order_acq_rel) != 1)
        return;
    agi_memory *memory = &program->memory;
    agi_free_native(program);
    ag_program_free(atomic_load_explicit(&program->with_states, memory_order_relaxed));
    ag_program_free(atomic_load_explicit(&program->gradient, memory_order_relaxed));
    ag_program_free(atomic_load_explicit(&program->by_lanes, memory_order_relaxed));
    free_records(&program->records, memory);
    free_section(&program->once, memory);
    free_section(&program->check, memory);
    free_section(&program->body, memory);
    agi_memory_release(memory, program->constants,
                       program->constants_capacity * sizeof(*program->constants));
    agi_free_array(memory, program->constants_float, program->constants_count, sizeof(float));
    agi_free_array(memory, program->once_slots, program->info.once_count,
                   sizeof(*program->once_slots));
    free_ends(program, memory);
    ag_graph_free(program->source);
    agi_memory last = *memory;
    agi_memory_release(&last, program, sizeof(*program));
}

/* ---- Questions ------------------------------------------------------------------------------- */

ag_program_info ag_program_describe(const ag_program *program)
{
    if (program == NULL)
        return (ag_program_info){0};
    ag_program_info info = program->info;
    info.bytes = program->memory.bytes + ag_graph_bytes(program->source);
    return info;
}

const char *ag_program_name(const ag_program *program, ag_role role, size_t i)
{
    if (program == NULL || program->names == NULL)
        return NULL;
    const ag_program_info *info = &program->info;
    const size_t counts[] = {
        [AG_SHARED] = info->shared_count, [AG_EACH] = info->each_count, [AG_SUM] = info->sum_count,
        [AG_MAP] = info->map_count,       [AG_ONCE] = info->once_count,
    };
    if ((size_t)role >= sizeof(counts) / sizeof(*counts) || i >= counts[role])
        return NULL;
    size_t before = 0;
    for (size_t k = 0; k < (size_t)role; k++)
        before += counts[k];
    return program->names[before + i];
}
