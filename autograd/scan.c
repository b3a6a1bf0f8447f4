/* SPDX-License-Identifier: MIT
 *
 * Programs as gates of a graph: ag_call and ag_scan, their values, and gradients in numbers. Only
 * what goes in and comes out is in the graph; a gradient runs the steps again, keeps their states,
 * and runs the program of a step's gradient backwards over them.
 */
#include "scan.h"

#include <assert.h>
#include <string.h>

/* ---- Numbers ---------------------------------------------------------------------------------- */

/* The double numbers of a scan at work, and how many: parts of one block of memory. */
typedef struct layout {
    size_t bytes;
    bool overflow;
} layout;

static size_t reserve_bytes(layout *l, size_t bytes)
{
    const size_t at = l->bytes;
    if (bytes > SIZE_MAX / 2 - AGI_ALIGNMENT - at) {
        l->overflow = true;
        return 0;
    }
    l->bytes = (at + bytes + AGI_ALIGNMENT - 1) & ~(size_t)(AGI_ALIGNMENT - 1);
    return at;
}

static size_t reserve_numbers(layout *l, size_t rows, size_t columns)
{
    if (columns > 0 && rows > SIZE_MAX / sizeof(double) / columns) {
        l->overflow = true;
        return 0;
    }
    return reserve_bytes(l, rows * columns * sizeof(double));
}

static size_t reserve_steps(layout *l, const ag_program *program)
{
    return reserve_bytes(l, agi_measure_steps(program, 1, sizeof(double)));
}

/* Where the parts of what forward takes are, and of what backward takes. */
typedef struct forward_layout {
    size_t shared, totals, steps, bytes;
} forward_layout;

typedef struct backward_layout {
    size_t shared, states, steps, gradient_shared, gradient_totals, gradient_steps, bytes;
} backward_layout;

static bool lay_out_forward(const agi_scanned *scan, forward_layout *f)
{
    const ag_program *program = scan->program;
    layout l = {0};
    f->shared = reserve_numbers(&l, program->info.shared_count, 1);
    f->totals = reserve_numbers(&l, program->info.sum_count, 1);
    f->steps = reserve_steps(&l, program);
    f->bytes = l.bytes;
    return !l.overflow;
}

static bool lay_out_backward(const agi_scanned *scan, const ag_program *gradient,
                             backward_layout *b)
{
    layout l = {0};
    b->gradient_shared = reserve_numbers(&l, gradient->info.shared_count, 1);
    b->gradient_totals = reserve_numbers(&l, gradient->info.sum_count, 1);
    b->gradient_steps = reserve_steps(&l, gradient);
    b->states = reserve_numbers(&l, scan->steps, scan->state_count);
    b->shared = b->gradient_shared; /* which begins with the program's own */
    b->steps = scan->state_count > 0 ? reserve_steps(&l, scan->program) : 0;
    b->bytes = l.bytes;
    return !l.overflow;
}

/* The graph keeps the memory of the scan that took the most. */
static ag_status reserve_memory(ag_graph *graph, bool fits, size_t bytes)
{
    if (fits && bytes + AGI_ALIGNMENT <= graph->scan_memory_size)
        return AG_OK;
    agi_release(graph, graph->scan_memory, graph->scan_memory_size);
    graph->scan_memory_size = 0;
    graph->scan_memory = fits ? agi_resize(graph, NULL, 0, bytes + AGI_ALIGNMENT) : NULL;
    if (graph->scan_memory == NULL)
        return agi_fail_memory(graph, "a scan's steps");
    graph->scan_memory_size = bytes + AGI_ALIGNMENT;
    return AG_OK;
}

static double *find_part(const ag_graph *graph, size_t at)
{
    char *memory = (char *)graph->scan_memory;
    const size_t misfit = (uintptr_t)memory % AGI_ALIGNMENT;
    return (double *)(void *)(memory + (misfit == 0 ? 0 : AGI_ALIGNMENT - misfit) + at);
}

/* The numbers of n operands from the first on. */
static void read_operands(const ag_graph *graph, const uint32_t *operands, size_t first, size_t n,
                          double *to)
{
    for (size_t k = 0; k < n; k++)
        to[k] = (double)graph->data[operands[first + k]];
}

static void write_outputs(ag_graph *graph, uint32_t node, size_t first, size_t n,
                          const double *from)
{
    ag_real *to = graph->data + node + 1 + first;
    for (size_t k = 0; k < n; k++)
        to[k] = (ag_real)from[k];
}

/* While steps run, a closure in them must not change the graph. */
static void set_busy(ag_graph *graph, bool busy)
{
    graph->busy = busy;
    agi_update_limit(graph);
}

static const agi_kernels *find_kernels(void)
{
    return agi_find_kernels(agi_choose_isa(AG_ISA_AUTO), sizeof(double));
}

/* ---- Forward ---------------------------------------------------------------------------------- */

bool agi_has_comparisons(const agi_scanned *scan)
{
    return !scan->unchecked && scan->program->info.comparisons > 0;
}

/* Notes the first comparison that came out differently, and looks no further. */
static void note_branch(const agi_steps *steps, size_t step, agi_branch *branch)
{
    const agi_frame *frame = &steps->frame;
    if (frame->failed_lane == SIZE_MAX || branch->text != NULL)
        return;
    *branch = (agi_branch){.text = frame->failed_text,
                           .outcome = frame->failed_outcome,
                           .operands = {frame->failed_operands[0], frame->failed_operands[1]},
                           .step = step};
}

static void run_forward(ag_graph *graph, uint32_t node, const agi_scanned *scan,
                        const forward_layout *at, agi_branch *branch)
{
    const ag_program_info *info = &scan->program->info;
    const size_t shared = info->shared_count, state = scan->state_count;
    const size_t inputs = agi_count_inputs(scan), outputs = agi_count_outputs(scan);
    const uint32_t *operands = agi_list_operands(graph, node).index;
    const bool checks = agi_has_comparisons(scan);
    double *parameters = find_part(graph, at->shared), *totals = find_part(graph, at->totals);
    agi_steps steps;
    read_operands(graph, operands, 0, shared, parameters);
    memset(totals, 0, info->sum_count * sizeof(double));
    agi_begin_steps(&steps, scan->program, find_kernels(), 1, 1, parameters, totals,
                    find_part(graph, at->steps));
    if (checks)
        note_branch(&steps, SIZE_MAX, branch);
    read_operands(graph, operands, shared, state, (double *)steps.in);
    for (size_t t = 0; t < scan->steps; t++) {
        read_operands(graph, operands, shared + state + t * inputs, inputs,
                      (double *)steps.in + state);
        if (checks && branch->text == NULL) {
            agi_check_step(&steps);
            note_branch(&steps, t, branch);
        }
        agi_take_step(&steps);
        write_outputs(graph, node, state + t * outputs, outputs, (double *)steps.out + state);
        agi_turn_steps(&steps);
    }
    write_outputs(graph, node, 0, state, (double *)steps.in);
    write_outputs(graph, node, state + scan->steps * outputs, info->sum_count, totals);
    for (size_t i = 0; i < info->once_count; i++)
        write_outputs(graph, node, state + scan->steps * outputs + info->sum_count + i, 1,
                      (const double *)steps.frame.uniform + scan->program->once_slots[i]);
}

static ag_status evaluate(ag_graph *graph, uint32_t node, agi_branch *branch)
{
    const agi_scanned *scan = agi_scan_at(graph, node);
    forward_layout at;
    *branch = (agi_branch){.text = NULL};
    const bool fits = lay_out_forward(scan, &at);
    if (reserve_memory(graph, fits, at.bytes) != AG_OK)
        return graph->status;
    set_busy(graph, true);
    run_forward(graph, node, scan, &at, branch);
    set_busy(graph, false);
    return graph->status != AG_OK ? graph->status : branch->text != NULL ? AG_BRANCH : AG_OK;
}

ag_status agi_report_branch(ag_graph *graph, uint32_t node, const agi_branch *branch)
{
    char step[40] = "";
    if (branch->step != SIZE_MAX && agi_scan_at(graph, node)->steps > 1)
        (void)snprintf(step, sizeof(step), "step %lu: ", (unsigned long)branch->step);
    return agi_fail(
        graph, AG_BRANCH, "%s: %s%.120s = (%.6g, %.6g): was recorded as %s and is %s now",
        ag_gate_name(agi_value(graph, node)), step, branch->text,
        agi_readable((ag_real)branch->operands[0]), agi_readable((ag_real)branch->operands[1]),
        branch->outcome ? "true" : "false", branch->outcome ? "false" : "true");
}

/* ---- Backward --------------------------------------------------------------------------------- */

static ag_status prepare(ag_graph *graph, uint32_t node)
{
    const agi_scanned *scan = agi_scan_at(graph, node);
    ag_error_details error;
    backward_layout at;
    if (graph->operands[node].b == 0)
        return AG_OK;
    const ag_program *gradient = agi_get_gradient_program(scan->program, &error);
    if (gradient == NULL)
        return agi_fail(graph, error.status, "the gradient of a %s: %s",
                        ag_gate_name(agi_value(graph, node)), error.message);
    const bool fits = lay_out_backward(scan, gradient, &at);
    return reserve_memory(graph, fits, at.bytes);
}

ag_status agi_prepare_scans(ag_graph *graph, size_t n, const ag_value *roots)
{
    const ag_status status = agi_mark_reaching_any(graph, n, roots, AGI_WALK_GRADIENT);
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++)
        top = roots[i].index > top ? roots[i].index : top;
    for (uint32_t i = 0; status == AG_OK && i < graph->scans_count; i++) {
        const uint32_t node = graph->scans[i].node;
        if (node <= top && agi_is_marked(graph, node) &&
            graph->scans[i].work->prepare(graph, node) != AG_OK)
            break;
    }
    return graph->status;
}

/* A scan's gradient at work. */
typedef struct reversal {
    ag_graph *graph;
    const agi_scanned *scan;
    const ag_program *gradient;
    const agi_scan_sweep *sweep;
    uint32_t first; /* node of the first output */
    const uint32_t *operands;
    size_t shared, state, inputs, outputs;
    size_t steps; /* without the last ones that no gradient comes from */
    backward_layout at;
} reversal;

static void read_upstream(const reversal *r, size_t first, size_t n, double *to)
{
    for (size_t k = 0; k < n; k++)
        to[k] = r->sweep->upstream(r->sweep->user, r->first + (uint32_t)(first + k));
}

static void contribute_numbers(const reversal *r, size_t first, size_t n, const double *from)
{
    for (size_t k = 0; k < n; k++)
        r->sweep->contribute(r->sweep->user, (uint32_t)(first + k), from[k]);
}

static bool has_upstream(const reversal *r, size_t first, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (r->sweep->upstream(r->sweep->user, r->first + (uint32_t)(first + k)) != 0)
            return true;
    return false;
}

/* The zero rule for whole steps: after the last one that a gradient comes from there is none. */
static size_t count_steps(const reversal *r)
{
    const ag_program_info *info = &r->scan->program->info;
    size_t steps = r->scan->steps;
    if (has_upstream(r, 0, r->state) ||
        has_upstream(r, r->state + steps * r->outputs, info->sum_count + info->once_count))
        return steps;
    while (steps > 0 && !has_upstream(r, r->state + (steps - 1) * r->outputs, r->outputs))
        steps--;
    return steps;
}

/* The states before each step, but for the last one's own result. */
static void keep_states(const reversal *r, const double *parameters, double *states)
{
    agi_steps steps;
    agi_begin_steps(&steps, r->scan->program, find_kernels(), 1, 1, parameters,
                    find_part(r->graph, r->at.gradient_totals), find_part(r->graph, r->at.steps));
    read_operands(r->graph, r->operands, r->shared, r->state, (double *)steps.in);
    for (size_t t = 0; t < r->steps; t++) {
        memcpy(states + t * r->state, steps.in, r->state * sizeof(double));
        if (t + 1 == r->steps)
            break;
        read_operands(r->graph, r->operands, r->shared + r->state + t * r->inputs, r->inputs,
                      (double *)steps.in + r->state);
        agi_take_step(&steps);
        agi_turn_steps(&steps);
    }
}

static void run_backward(const reversal *r)
{
    const ag_program_info *info = &r->scan->program->info;
    ag_graph *graph = r->graph;
    double *parameters = find_part(graph, r->at.gradient_shared);
    double *totals = find_part(graph, r->at.gradient_totals);
    double *states = find_part(graph, r->at.states);
    const size_t after = r->state + r->scan->steps * r->outputs;
    read_operands(graph, r->operands, 0, r->shared, parameters);
    if (r->state > 0)
        keep_states(r, parameters, states);
    read_upstream(r, after, info->sum_count + info->once_count, parameters + r->shared);
    agi_steps steps;
    agi_begin_steps(&steps, r->gradient, find_kernels(), 1, 1, parameters, totals,
                    find_part(graph, r->at.gradient_steps));
    memset(totals, 0, r->shared * sizeof(double));
    read_upstream(r, 0, r->state, (double *)steps.in);
    for (size_t t = r->steps; t-- > 0;) {
        double *in = (double *)steps.in + r->state;
        const size_t first_input = r->shared + r->state + t * r->inputs;
        read_upstream(r, r->state + t * r->outputs, r->outputs, in);
        memcpy(in + r->outputs, states + t * r->state, r->state * sizeof(double));
        read_operands(graph, r->operands, first_input, r->inputs, in + r->outputs + r->state);
        agi_take_step(&steps);
        contribute_numbers(r, first_input, r->inputs, (double *)steps.out + r->state);
        agi_turn_steps(&steps);
    }
    contribute_numbers(r, r->shared, r->state, (double *)steps.in);
    contribute_numbers(r, 0, r->shared, totals);
}

static void sweep_back(ag_graph *graph, uint32_t node, const agi_scan_sweep *sweep)
{
    const agi_scanned *scan = agi_scan_at(graph, node);
    const agi_list operands = agi_list_operands(graph, node);
    if (operands.n == 0)
        return;
    reversal r = {
        .graph = graph,
        .scan = scan,
        .gradient = agi_get_gradient_program(scan->program, NULL),
        .sweep = sweep,
        .first = node + 1,
        .operands = operands.index,
        .shared = scan->program->info.shared_count,
        .state = scan->state_count,
        .inputs = agi_count_inputs(scan),
        .outputs = agi_count_outputs(scan),
    };
    const bool fits = lay_out_backward(scan, r.gradient, &r.at);
    assert(fits && r.at.bytes + AGI_ALIGNMENT <= graph->scan_memory_size);
    (void)fits;
    r.steps = count_steps(&r);
    set_busy(graph, true);
    run_backward(&r);
    set_busy(graph, false);
}

/* ---- Nodes ------------------------------------------------------------------------------------ */

static uint64_t count_operands(const agi_scanned *scan)
{
    const size_t inputs = agi_count_inputs(scan);
    if (inputs > 0 && scan->steps > UINT32_MAX / inputs)
        return UINT64_MAX;
    return (uint64_t)scan->program->info.shared_count + scan->state_count + scan->steps * inputs;
}

static uint64_t count_all_outputs(const agi_scanned *scan)
{
    const ag_program_info *info = &scan->program->info;
    const size_t outputs = agi_count_outputs(scan);
    if (outputs > 0 && scan->steps > UINT32_MAX / outputs)
        return UINT64_MAX / 2;
    return (uint64_t)scan->state_count + scan->steps * outputs + info->sum_count + info->once_count;
}

/* Room for the nodes; refuses what would be too many operands or outputs. */
static ag_status check_size(ag_graph *graph, const char *what, const agi_scanned *scan)
{
    if (count_operands(scan) > UINT32_MAX / 4)
        return agi_fail(graph, AG_TOO_LARGE, "%s: too many operands", what);
    return agi_make_room_for(graph, count_all_outputs(scan) + 1, what, 0, NULL);
}

uint32_t *agi_reserve_scan(ag_graph *graph, const char *what, const agi_scanned *scan)
{
    const uint64_t operands = count_operands(scan);
    if (check_size(graph, what, scan) != AG_OK)
        return NULL;
    if (agi_grow(graph, (void **)&graph->pool, sizeof(uint32_t), &graph->pool_capacity,
                 graph->pool_count + operands + 1, UINT32_MAX) ||
        agi_grow(graph, (void **)&graph->scans, sizeof(agi_scanned), &graph->scans_capacity,
                 (uint64_t)graph->scans_count + 1, UINT32_MAX)) {
        agi_fail_memory(graph, what);
        return NULL;
    }
    return graph->pool + graph->pool_count + 1;
}

/* Makes constants of nodes from one on. */
static void freeze(ag_graph *graph, uint32_t first)
{
    for (uint32_t i = first; i < graph->count; i++) {
        graph->gates[i] = AGI_CONSTANT;
        graph->operands[i] = (agi_operands){0, 0};
    }
}

ag_status agi_append_scan(ag_graph *graph, agi_scanned scan, uint32_t *node)
{
    static const agi_scan_work work = {evaluate, prepare, sweep_back, ag_program_free};
    const uint32_t operands = (uint32_t)count_operands(&scan);
    const uint32_t first = graph->count, pool = graph->pool_count;
    scan.output_count = (uint32_t)count_all_outputs(&scan);
    scan.node = *node = first;
    scan.states = AGI_NO_INDEX;
    scan.work = &work;
    (void)ag_program_retain(scan.program);
    graph->pool[pool] = graph->scans_count;
    graph->pool_count += operands + 1;
    graph->scans[graph->scans_count++] = scan;
    (void)agi_append(graph, AGI_SCAN, pool, operands, 0);
    for (uint32_t i = 0; i < scan.output_count; i++)
        (void)agi_append(graph, AGI_PROJECT, first, i, 0);
    agi_branch branch;
    ag_status status = evaluate(graph, first, &branch);
    if (status == AG_BRANCH)
        status = agi_report_branch(graph, first, &branch);
    if (status == AG_OK && graph->paused == 0)
        return AG_OK;
    if (status == AG_OK)
        freeze(graph, first);
    agi_drop_scans(graph, first);
    graph->pool_count = pool;
    if (status != AG_OK)
        graph->count = first;
    return status;
}

void agi_drop_scans(ag_graph *graph, uint32_t count)
{
    const uint32_t before = graph->scans_count;
    while (graph->scans_count > 0 && graph->scans[graph->scans_count - 1].node >= count) {
        const agi_scanned *last = &graph->scans[--graph->scans_count];
        last->work->release(last->program);
    }
    for (uint32_t i = 0; graph->scans_count < before && i < graph->scans_count; i++)
        if (graph->scans[i].states != AGI_NO_INDEX && graph->scans[i].states >= count)
            graph->scans[i].states = AGI_NO_INDEX;
}

/* ---- The public functions --------------------------------------------------------------------- */

/* One of the arrays that go in. */
typedef struct given {
    const char *name;
    const ag_value *values;
    size_t n;
} given;

/* One of those that come out: outputs from `first` on. */
typedef struct taken {
    const char *name;
    ag_value *values;
    size_t n, first;
} taken;

enum {
    PARTS = 3
};

typedef struct request {
    const char *what;
    agi_scanned scan;
    given in[PARTS];
    taken out[PARTS];
} request;

static ag_status check_parts(ag_graph *graph, const request *r)
{
    for (int i = 0; i < PARTS; i++) {
        const given *in = &r->in[i];
        const taken *out = &r->out[i];
        if ((in->n > 0 && in->values == NULL) || (out->n > 0 && out->values == NULL))
            return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: %s is NULL", r->what,
                            in->n > 0 && in->values == NULL ? in->name : out->name);
    }
    for (int i = 0; i < PARTS; i++) {
        bool live = true;
        for (size_t k = 0; k < r->in[i].n; k++)
            live = live && agi_is_live(graph, r->in[i].values[k]);
        if (live)
            continue;
        char what[32];
        (void)snprintf(what, sizeof(what), "%s, %s", r->what, r->in[i].name);
        return agi_check_values(graph, what, r->in[i].n, r->in[i].values);
    }
    return AG_OK;
}

static ag_status record(ag_graph *graph, const request *r, uint32_t *node)
{
    uint32_t *operands = agi_reserve_scan(graph, r->what, &r->scan);
    if (operands == NULL)
        return graph->status;
    for (int i = 0; i < PARTS; i++)
        for (size_t k = 0; k < r->in[i].n; k++)
            *operands++ = r->in[i].values[k].index;
    return agi_append_scan(graph, r->scan, node);
}

/* Records the scan unless something is wrong with it already; what comes out is null then. */
static ag_status answer(ag_graph *graph, const request *r, ag_status status)
{
    uint32_t node = 0;
    if (status == AG_OK)
        status = check_size(graph, r->what, &r->scan);
    if (status == AG_OK)
        status = check_parts(graph, r);
    if (status == AG_OK)
        status = record(graph, r, &node);
    for (int i = 0; i < PARTS; i++)
        for (size_t k = 0; k < r->out[i].n && r->out[i].values != NULL; k++)
            r->out[i].values[k] = status == AG_OK
                                      ? agi_value(graph, node + 1 + (uint32_t)(r->out[i].first + k))
                                      : agi_null_value(graph);
    return status;
}

static ag_status check_program(ag_graph *graph, const char *what, const ag_program *program)
{
    const ag_status status = agi_check_values(graph, what, 0, NULL);
    if (status != AG_OK || program != NULL)
        return status;
    return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: there is no program", what);
}

ag_status ag_call(ag_graph *graph, ag_program *program, const ag_value *shared,
                  const ag_value *each, ag_value *outputs)
{
    static const char what[] = "ag_call";
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    const ag_status status = check_program(graph, what, program);
    if (program == NULL)
        return status;
    const ag_program_info *info = &program->info;
    const size_t sum = info->sum_count, map = info->map_count, once = info->once_count;
    const bool there = outputs != NULL;
    const request r = {
        .what = what,
        .scan = {.program = program, .steps = 1},
        .in = {{"shared", shared, info->shared_count}, {"each", each, info->each_count}},
        .out = {{"outputs", outputs, sum, map},
                {"outputs", there ? outputs + sum : NULL, map, 0},
                {"outputs", there ? outputs + sum + map : NULL, once, map + sum}},
    };
    return answer(graph, &r, status);
}

/* Whether the program can be a step with such a state. */
static ag_status check_step(ag_graph *graph, const char *what, const ag_program_info *info,
                            size_t state_count)
{
    if (state_count > info->each_count || state_count > info->map_count)
        return agi_fail(
            graph, AG_INVALID_ARGUMENT,
            "%s: a state of %lu, and the program has %lu each inputs and %lu map outputs", what,
            (unsigned long)state_count, (unsigned long)info->each_count,
            (unsigned long)info->map_count);
    if (info->once_count > 0)
        return agi_fail(graph, AG_INVALID_ARGUMENT,
                        "%s: the program has once outputs, and a step must not", what);
    return AG_OK;
}

/* 0 where they are too many to count, which is an error elsewhere. */
static size_t count_values(size_t steps, size_t all, size_t state_count)
{
    const size_t n = all < state_count ? 0 : all - state_count;
    const size_t memory =
        SIZE_MAX / sizeof(ag_value); /* holds fewer than nodes where it is small */
    const size_t most = memory < UINT32_MAX ? memory : UINT32_MAX;
    return n > 0 && steps > most / n ? 0 : steps * n;
}

ag_status ag_scan(ag_graph *graph, ag_program *step, size_t steps, size_t state_count,
                  const ag_scan_arrays *arrays)
{
    static const char what[] = "ag_scan";
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    ag_status status = check_program(graph, what, step);
    if (step == NULL)
        return status;
    if (arrays == NULL)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: arrays is NULL", what);
    const ag_program_info *info = &step->info;
    if (status == AG_OK)
        status = check_step(graph, what, info, state_count);
    const size_t inputs = count_values(steps, info->each_count, state_count);
    const size_t outputs = count_values(steps, info->map_count, state_count);
    const request r = {
        .what = what,
        .scan = {.program = step, .steps = steps, .state_count = (uint32_t)state_count},
        .in = {{"shared", arrays->shared, info->shared_count},
               {"state", arrays->state, state_count},
               {"inputs", arrays->inputs, inputs}},
        .out = {{"final_state", arrays->final_state, state_count, 0},
                {"outputs", arrays->outputs, outputs, state_count},
                {"totals", arrays->totals, info->sum_count, state_count + outputs}},
    };
    return answer(graph, &r, status);
}
