/* SPDX-License-Identifier: MIT
 *
 * Programs made of programs: with the state before the step, of its gradient, with parameters for
 * each lane. And derivatives of scans, which are scans of these.
 */
#include "scan.h"

#include <string.h>

/* ---- A program's gates, to be added to -------------------------------------------------------- */

/* A program's source with values for all its ends: where nothing depends on an input, a variable
 * takes its place. */
typedef struct draft {
    const ag_program *program;
    ag_graph *graph;
    ag_value *ends; /* shared, each, sum, map, once */
    size_t ends_count;
    ag_value *room; /* for lists of the caller's */
    size_t room_count;
} draft;

static size_t count_ends(const ag_program_info *info)
{
    return info->shared_count + info->each_count + info->sum_count + info->map_count +
           info->once_count;
}

static bool copy_array(ag_graph *to, void **array, const void *from, size_t element, uint32_t n,
                       uint32_t *capacity)
{
    if (n == 0)
        return true;
    if (agi_grow(to, array, element, capacity, n, UINT32_MAX) != AG_OK)
        return false;
    memcpy(*array, from, n * element);
    return true;
}

static bool copy_graph(ag_graph *to, const ag_graph *from)
{
#define COPY(array, n, capacity)                                                                   \
    copy_array(to, (void **)&to->array, from->array, sizeof(*from->array), n, &to->capacity)
    if (!COPY(gates, from->count, gates_capacity) ||
        !COPY(operands, from->count, operands_capacity) ||
        !COPY(data, from->count, data_capacity) || !COPY(pool, from->pool_count, pool_capacity) ||
        !COPY(numbers, from->numbers_count, numbers_capacity) ||
        !COPY(applied, from->applied_count, applied_capacity) ||
        !COPY(scans, from->scans_count, scans_capacity) ||
        agi_grow(to, (void **)&to->scratch, sizeof(ag_real), &to->scratch_capacity,
                 from->scratch_capacity, UINT32_MAX) != AG_OK)
        return false;
#undef COPY
    to->count = from->count;
    to->pool_count = from->pool_count;
    to->numbers_count = from->numbers_count;
    to->applied_count = from->applied_count;
    to->scans_count = from->scans_count;
    for (uint32_t i = 0; i < to->scans_count; i++)
        (void)ag_program_retain(to->scans[i].program);
    agi_update_limit(to);
    return true;
}

/* Comparisons are the program's own business: where a derived one runs, they have been looked at. */
static void drop_comparisons(ag_graph *graph)
{
    for (uint32_t i = 0; i < graph->count; i++)
        if (agi_gate_forms[graph->gates[i]] == AGI_FORM_COMPARE) {
            graph->gates[i] = AGI_CONSTANT;
            graph->operands[i] = (agi_operands){0, 0};
        }
    for (uint32_t i = 0; i < graph->scans_count; i++)
        graph->scans[i].unchecked = true;
}

static void end_draft(draft *d)
{
    if (d->graph == NULL)
        return;
    agi_release(d->graph, d->ends, (d->ends_count + d->room_count) * sizeof(ag_value));
    ag_graph_free(d->graph);
}

static ag_status fail_memory(ag_error_details *error)
{
    agi_set_details(error, AG_OUT_OF_MEMORY, "the derivative of a program: out of memory");
    return AG_OUT_OF_MEMORY;
}

/* `room`: how many values more. To be ended also after an error. */
static ag_status begin_draft(draft *d, const ag_program *program, size_t room,
                             ag_error_details *error)
{
    const agi_memory *memory = &program->memory;
    *d = (draft){.program = program};
    const ag_graph_options options = {.allocator = memory->allocator,
                                      .allocator_user = memory->user};
    d->graph = ag_graph_new(&options);
    if (d->graph == NULL)
        return fail_memory(error);
    d->ends_count = count_ends(&program->info);
    d->room_count = room;
    d->ends = (ag_value *)agi_resize(d->graph, NULL, 0, (d->ends_count + room) * sizeof(ag_value));
    if (d->ends == NULL || !copy_graph(d->graph, program->source))
        return fail_memory(error);
    d->room = d->ends + d->ends_count;
    for (size_t i = 0; i < d->ends_count; i++)
        d->ends[i] = ag_is_null(program->signature[i])
                         ? ag_variable(d->graph, 0)
                         : agi_value(d->graph, program->signature[i].index);
    return AG_OK;
}

static ag_program *compile_draft(const draft *d, const ag_signature *signature,
                                 ag_error_details *error)
{
    const agi_memory *memory = &d->program->memory;
    const ag_compile_options options = {
        .plain = d->program->plain, .allocator = memory->allocator, .allocator_user = memory->user};
    ag_program *made = NULL;
    if (d->graph->status == AG_OK)
        made = ag_compile(signature, &options);
    if (made == NULL)
        agi_set_details(error, d->graph->status, "%s", d->graph->message);
    return made;
}

/* ---- States ----------------------------------------------------------------------------------- */

static ag_program *make_states_program(const ag_program *program, uint32_t state_count,
                                       ag_error_details *error)
{
    const ag_program_info *info = &program->info;
    draft d;
    ag_program *made = NULL;
    if (begin_draft(&d, program, info->map_count + state_count, error) == AG_OK) {
        const ag_value *each = d.ends + info->shared_count, *sum = each + info->each_count,
                       *map = sum + info->sum_count;
        drop_comparisons(d.graph);
        memcpy(d.room, map, info->map_count * sizeof(*map));
        memcpy(d.room + info->map_count, each, state_count * sizeof(*each));
        const ag_signature signature = {.shared = d.ends,
                                        .shared_count = info->shared_count,
                                        .each = each,
                                        .each_count = info->each_count,
                                        .sum = sum,
                                        .sum_count = info->sum_count,
                                        .map = d.room,
                                        .map_count = info->map_count + state_count,
                                        .once = map + info->map_count,
                                        .once_count = info->once_count};
        made = compile_draft(&d, &signature, error);
        if (made != NULL)
            made->states = state_count;
    }
    end_draft(&d);
    return made;
}

/* Two threads may make the same; the first one's is kept. */
static ag_program *publish(AGI_ATOMIC(ag_program *) * place, ag_program *made)
{
    ag_program *first = NULL;
    if (made == NULL || atomic_compare_exchange_strong_explicit(
                            place, &first, made, memory_order_acq_rel, memory_order_acquire))
        return made;
    ag_program_free(made);
    return first;
}

/* with_states is a list: of one program, and in the rare case that a program is a step for states of
 * several sizes, of more. */
ag_program *agi_get_states_program(ag_program *program, uint32_t state_count,
                                   ag_error_details *error)
{
    AGI_ATOMIC(ag_program *) *place = &program->with_states;
    for (;;) {
        ag_program *found = atomic_load_explicit(place, memory_order_acquire);
        if (found == NULL)
            found = publish(place, make_states_program(program, state_count, error));
        if (found == NULL || found->states == state_count)
            return found;
        place = &found->with_states;
    }
}

/* ---- Gradients -------------------------------------------------------------------------------- */

/* The gradient's ends, in the room: all of the gradient's shared inputs, each inputs, sum, and map
 * outputs; behind them two lists of roots and upstreams. */
static ag_program *build_gradient(draft *d, ag_error_details *error)
{
    const ag_program_info *info = &d->program->info;
    const size_t shared = info->shared_count, each = info->each_count, sum = info->sum_count,
                 map = info->map_count, once = info->once_count;
    const ag_value *inputs = d->ends, *outputs = d->ends + shared + each;
    ag_value *own_shared = d->room, *own_each = own_shared + shared + sum + once;
    ag_value *own_outputs = own_each + map + each;
    ag_value *upstreams = own_outputs + shared + each;
    drop_comparisons(d->graph);
    for (size_t i = 0; i < sum + map + once; i++)
        upstreams[i] = ag_variable(d->graph, 1);
    if (d->graph->status == AG_OK)
        (void)agi_vjp(d->graph, sum + map + once, outputs, upstreams, shared + each, inputs,
                      own_outputs);
    memcpy(own_shared, inputs, shared * sizeof(ag_value));
    memcpy(own_shared + shared, upstreams, sum * sizeof(ag_value));
    memcpy(own_shared + shared + sum, upstreams + sum + map, once * sizeof(ag_value));
    memcpy(own_each, upstreams + sum, map * sizeof(ag_value));
    memcpy(own_each + map, inputs + shared, each * sizeof(ag_value));
    const ag_signature signature = {.shared = own_shared,
                                    .shared_count = shared + sum + once,
                                    .each = own_each,
                                    .each_count = map + each,
                                    .sum = own_outputs,
                                    .sum_count = shared,
                                    .map = own_outputs + shared,
                                    .map_count = each};
    return compile_draft(d, &signature, error);
}

static ag_program *make_gradient_program(const ag_program *program, ag_error_details *error)
{
    const ag_program_info *info = &program->info;
    const size_t ends = count_ends(info);
    draft d;
    ag_program *made = NULL;
    if (begin_draft(&d, program,
                    ends + info->shared_count + info->each_count + info->sum_count +
                        info->map_count + info->once_count,
                    error) == AG_OK)
        made = build_gradient(&d, error);
    end_draft(&d);
    return made;
}

ag_program *agi_get_gradient_program(ag_program *program, ag_error_details *error)
{
    ag_program *found = atomic_load_explicit(&program->gradient, memory_order_acquire);
    return found != NULL ? found
                         : publish(&program->gradient, make_gradient_program(program, error));
}

/* ---- Parameters of each lane's own ------------------------------------------------------------- */

/* What messages call the operands of comparisons. */
static ag_status copy_names(ag_graph *to, const ag_graph *from)
{
    ag_status status = AG_OK;
    for (uint32_t i = 0; i < from->count && status == AG_OK; i++) {
        if (agi_gate_forms[from->gates[i]] != AGI_FORM_COMPARE)
            continue;
        const uint32_t operands[] = {from->operands[i].a, from->operands[i].b};
        for (int k = 0; k < 2 && status == AG_OK; k++) {
            const char *name = agi_name_of(from, operands[k]);
            if (name != NULL)
                status = ag_name(agi_value(to, operands[k]), name);
        }
    }
    return status;
}

static ag_program *make_program_by_lanes(const ag_program *program)
{
    const ag_program_info *info = &program->info;
    const size_t inputs = info->shared_count + info->each_count;
    draft d;
    ag_program *made = NULL;
    if (begin_draft(&d, program, inputs + info->sum_count + info->once_count, NULL) == AG_OK &&
        copy_names(d.graph, program->source) == AG_OK) {
        ag_value *each = d.room, *sum = each + inputs;
        const ag_value *outputs = d.ends + inputs, *map = outputs + info->sum_count;
        memcpy(each, d.ends + info->shared_count, info->each_count * sizeof(ag_value));
        memcpy(each + info->each_count, d.ends, info->shared_count * sizeof(ag_value));
        memcpy(sum, outputs, info->sum_count * sizeof(ag_value));
        memcpy(sum + info->sum_count, map + info->map_count, info->once_count * sizeof(ag_value));
        const ag_signature signature = {.each = each,
                                        .each_count = inputs,
                                        .sum = sum,
                                        .sum_count = info->sum_count + info->once_count,
                                        .map = map,
                                        .map_count = info->map_count};
        made = compile_draft(&d, &signature, NULL);
    }
    end_draft(&d);
    return made;
}

ag_program *agi_get_program_by_lanes(ag_program *program)
{
    ag_program *found = atomic_load_explicit(&program->by_lanes, memory_order_acquire);
    return found != NULL ? found : publish(&program->by_lanes, make_program_by_lanes(program));
}

/* ---- Gradients of scans ----------------------------------------------------------------------- */

static ag_status fail(ag_graph *graph, uint32_t node, const ag_error_details *error)
{
    return agi_fail(graph, error->status, "the gradient of a %s: %s",
                    ag_gate_name(agi_value(graph, node)), error->message);
}

/* Node of a scan that gives the state before each step: the scan itself, or another of the same
 * operands, which is made once. */
static ag_status find_states(ag_graph *graph, uint32_t node, uint32_t *states)
{
    const agi_scanned *scan = agi_scan_at(graph, node);
    *states = scan->program->states > 0 ? node : scan->states;
    if (*states != AGI_NO_INDEX || scan->state_count == 0)
        return AG_OK;
    ag_error_details error;
    agi_scanned own = {.steps = scan->steps, .state_count = scan->state_count, .unchecked = true};
    own.program = agi_get_states_program(scan->program, scan->state_count, &error);
    if (own.program == NULL)
        return fail(graph, node, &error);
    uint32_t *operands = agi_reserve_scan(graph, "the states of a scan", &own);
    if (operands == NULL)
        return graph->status;
    const agi_list list = agi_list_operands(graph, node);
    if (list.n > 0)
        memcpy(operands, list.index, list.n * sizeof(*operands));
    if (agi_append_scan(graph, own, states) == AG_OK)
        agi_scan_at(graph, node)->states = *states;
    return graph->status;
}

/* A scan at `node` and the one that is its gradient, being made. */
typedef struct derivation {
    ag_graph *graph;
    const agi_scan_pass *pass;
    agi_scanned scan, states;
    uint32_t node, zero;
    uint32_t *to; /* the gradient's operands */
} derivation;

static void add_upstream(derivation *d, size_t first, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const uint32_t node = d->pass->upstream(d->pass->user, d->node + 1 + (uint32_t)(first + k));
        *d->to++ = node == AGI_NO_INDEX ? d->zero : node;
    }
}

static void add_operands(derivation *d, size_t first, size_t n)
{
    const uint32_t *operands = agi_list_operands(d->graph, d->node).index;
    for (size_t k = 0; k < n; k++)
        *d->to++ = operands[first + k];
}

/* The state before a step is the last of what that step gives. */
static void add_state(derivation *d, size_t step)
{
    const size_t outputs = agi_count_outputs(&d->states);
    const size_t first = (step + 1) * outputs;
    for (size_t k = 0; k < d->scan.state_count; k++)
        *d->to++ = d->states.node + 1 + (uint32_t)(first + k);
}

/* See agi_get_gradient_program; steps go from the last to the first. */
static void write_operands(derivation *d)
{
    const ag_program_info *info = &d->scan.program->info;
    const size_t shared = info->shared_count, state = d->scan.state_count;
    const size_t inputs = agi_count_inputs(&d->scan), outputs = agi_count_outputs(&d->scan);
    add_operands(d, 0, shared);
    add_upstream(d, state + d->scan.steps * outputs, info->sum_count + info->once_count);
    add_upstream(d, 0, state);
    for (size_t t = d->scan.steps; t-- > 0;) {
        add_upstream(d, state + t * outputs, outputs);
        if (state > 0)
            add_state(d, t);
        add_operands(d, shared + state + t * inputs, inputs);
    }
}

/* n outputs of the gradient, from one on, are for n operands. Where no step depends on an input there
 * is nothing; without a step, the final state is the state. */
static void contribute_nodes(const derivation *d, size_t operand, size_t input, size_t n,
                             uint32_t output)
{
    const uint32_t *operands = agi_list_operands(d->graph, d->node).index;
    for (size_t k = 0; k < n; k++)
        if (d->scan.steps == 0 || !ag_is_null(d->scan.program->signature[input + k]))
            d->pass->contribute(d->pass->user, operands[operand + k], output + (uint32_t)k);
}

static void contribute_all(const derivation *d, uint32_t gradient)
{
    const size_t shared = d->scan.program->info.shared_count, state = d->scan.state_count;
    const size_t inputs = agi_count_inputs(&d->scan), steps = d->scan.steps;
    const uint32_t first = gradient + 1;
    contribute_nodes(d, shared, shared, state, first);
    for (size_t t = 0; t < steps; t++)
        contribute_nodes(d, shared + state + t * inputs, shared + state, inputs,
                         first + (uint32_t)(state + (steps - 1 - t) * inputs));
    contribute_nodes(d, 0, 0, shared, first + (uint32_t)(state + steps * inputs));
}

static bool has_upstream(const agi_scan_pass *pass, uint32_t node, uint32_t outputs)
{
    for (uint32_t i = 0; i < outputs; i++)
        if (pass->upstream(pass->user, node + 1 + i) != AGI_NO_INDEX)
            return true;
    return false;
}

ag_status agi_derive_scan(ag_graph *graph, uint32_t node, const agi_scan_pass *pass)
{
    derivation d = {.graph = graph, .pass = pass, .scan = *agi_scan_at(graph, node), .node = node};
    ag_error_details error;
    agi_scanned own = {.steps = d.scan.steps, .state_count = d.scan.state_count, .unchecked = true};
    if (!has_upstream(pass, node, d.scan.output_count))
        return AG_OK;
    own.program = agi_get_gradient_program(d.scan.program, &error);
    if (own.program == NULL)
        return fail(graph, node, &error);
    uint32_t states, gradient;
    if (find_states(graph, node, &states) != AG_OK)
        return graph->status;
    if (d.scan.state_count > 0)
        d.states = *agi_scan_at(graph, states);
    d.zero = pass->zero(pass->user);
    d.to = graph->status == AG_OK ? agi_reserve_scan(graph, "the gradient of a scan", &own) : NULL;
    if (d.to == NULL)
        return graph->status;
    write_operands(&d);
    if (agi_append_scan(graph, own, &gradient) == AG_OK)
        contribute_all(&d, gradient);
    return graph->status;
}
