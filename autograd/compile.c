/* SPDX-License-Identifier: MIT
 *
 * ag_compile: the passes in their order.
 */
#include "code.h"

#include <string.h>

/* The names that inputs and outputs have, for whoever asks the program. */
static ag_status copy_names(ag_program *program, const ag_signature *s)
{
    const ag_value *parts[] = {s->shared, s->each, s->sum, s->map, s->once};
    const size_t counts[] = {s->shared_count, s->each_count, s->sum_count, s->map_count,
                             s->once_count};
    const size_t all =
        s->shared_count + s->each_count + s->sum_count + s->map_count + s->once_count;
    program->names = AGI_NEW_ARRAY(&program->memory, all, char *);
    if (program->names == NULL)
        return AG_OUT_OF_MEMORY;
    memset(program->names, 0, all * sizeof(char *));
    char **to = program->names;
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
        for (size_t i = 0; i < counts[p]; i++, to++) {
            const char *name = agi_name_of(parts[p][i].graph, parts[p][i].index);
            if (name == NULL)
                continue;
            const size_t size = strlen(name) + 1;
            *to = (char *)agi_memory_resize(&program->memory, NULL, 0, size);
            if (*to == NULL)
                return AG_OUT_OF_MEMORY;
            memcpy(*to, name, size);
        }
    return AG_OK;
}

static ag_status run_passes(agi_code *code, ag_graph *graph, const ag_signature *signature,
                            bool plain, ag_program *program)
{
    ag_status status = agi_lower(code, graph, signature, program);
    if (status == AG_OK)
        status = copy_names(program, signature);
    if (status == AG_OK)
        agi_share_scans(code);
    if (status == AG_OK)
        status = agi_fold_constants(code, program->source);
    if (status == AG_OK)
        status = agi_share_gates(code);
    if (status == AG_OK)
        status = agi_drop_dead(code);
    if (status == AG_OK && !plain)
        status = agi_share_exponentials(code);
    if (status == AG_OK && !plain)
        status = agi_collect_products(code);
    if (status == AG_OK && !plain)
        status = agi_drop_dead(code);
    if (status == AG_OK)
        status = agi_schedule(code, plain, program);
    agi_section *const sections[] = {&program->once, &program->check, &program->body};
    for (size_t i = 0; i < 3 && status == AG_OK && !plain; i++)
        status = agi_write_steps(program, sections[i]);
    if (status == AG_OK)
        status = agi_round_constants(program);
    return status;
}

/* A program without instructions. */
static ag_program *new_program(const ag_signature *signature, const ag_compile_options *options)
{
    agi_memory memory = {.allocator = options->allocator, .user = options->allocator_user};
    ag_program *program = (ag_program *)agi_memory_resize(&memory, NULL, 0, sizeof(*program));
    if (program == NULL)
        return NULL;
    memset((void *)program, 0, sizeof(*program));
    program->memory = memory;
    program->plain = options->plain;
    atomic_init(&program->owners, 1);
    atomic_init(&program->with_states, NULL);
    atomic_init(&program->gradient, NULL);
    atomic_init(&program->by_lanes, NULL);
    program->info.shared_count = signature->shared_count;
    program->info.each_count = signature->each_count;
    program->info.sum_count = signature->sum_count;
    program->info.map_count = signature->map_count;
    program->info.once_count = signature->once_count;
    const ag_graph_options own = {.allocator = options->allocator,
                                  .allocator_user = options->allocator_user};
    program->source = ag_graph_new(&own);
    if (program->source != NULL)
        return program;
    ag_program_free(program);
    return NULL;
}

static void describe(ag_program *program, const agi_code *code)
{
    ag_program_info *info = &program->info;
    info->comparisons = code->comparisons_count;
    for (uint32_t i = 0; i < code->count; i++)
        if (agi_compares_inside(code, i))
            info->comparisons += code->scans[code->at[i].a].program->info.comparisons;
    info->gates = code->count;
    info->lanes = program->lanes;
}

ag_program *ag_compile(const ag_signature *signature, const ag_compile_options *options)
{
    ag_graph *graph = signature == NULL ? NULL : agi_signature_graph(signature);
    if (graph == NULL)
        return NULL;
    static const ag_compile_options defaults = {0};
    options = options == NULL ? &defaults : options;
    ag_program *program = new_program(signature, options);
    if (program == NULL) {
        agi_fail_memory(graph, "compile");
        return NULL;
    }
    agi_code code = {.memory = &program->memory};
    const ag_status status = run_passes(&code, graph, signature, options->plain, program);
    if (status == AG_OK)
        describe(program, &code);
    agi_code_free(&code);
    if (status == AG_OK)
        return program;
    if (status == AG_OUT_OF_MEMORY)
        agi_fail_memory(graph, "compile");
    ag_program_free(program);
    return NULL;
}
