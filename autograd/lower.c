/* SPDX-License-Identifier: MIT
 *
 * The first pass of the compiler: what outputs and recorded comparisons depend on is copied out of
 * the user's graph, into a graph that the program keeps (for derivatives), and from there into the
 * list of gates that the other passes rewrite. Node i of one is node i of the other.
 */
#include "code.h"

#include <string.h>

enum {
    DEPENDS = 1, /* on an input of the signature */
    NEEDED = 2,
    SHARED = 4,
    EACH = 8,
    VARIES = 16 /* depends on an each input */
};

typedef struct extraction {
    ag_graph *graph;
    const ag_signature *signature;
    agi_memory *memory; /* of what is temporary */
    uint32_t end;       /* no output at or beyond */
    uint32_t size;      /* nor an input */
    uint8_t *flags;     /* of nodes below size */
    uint32_t *to;       /* node of the copy */
} extraction;

/* The five lists in the order of the signature. */
typedef struct part {
    const char *what;
    const ag_value *values;
    size_t n;
} part;

enum {
    PARTS = 5,
    INPUTS = 2 /* of them, the first */
};

static void list_parts(const ag_signature *s, part parts[PARTS])
{
    parts[0] = (part){"shared", s->shared, s->shared_count};
    parts[1] = (part){"each", s->each, s->each_count};
    parts[2] = (part){"sum", s->sum, s->sum_count};
    parts[3] = (part){"map", s->map, s->map_count};
    parts[4] = (part){"once", s->once, s->once_count};
}

ag_graph *agi_signature_graph(const ag_signature *signature)
{
    part parts[PARTS];
    list_parts(signature, parts);
    for (size_t p = 0; p < PARTS; p++)
        for (size_t i = 0; parts[p].values != NULL && i < parts[p].n; i++)
            if (parts[p].values[i].graph != NULL)
                return parts[p].values[i].graph;
    return NULL;
}

static ag_status check_parts(ag_graph *graph, const part parts[PARTS])
{
    uint64_t outputs = 0, all = 0;
    for (size_t p = 0; p < PARTS; p++) {
        char what[32];
        (void)snprintf(what, sizeof(what), "compile, %s", parts[p].what);
        if (parts[p].n > 0 && parts[p].values == NULL)
            return agi_refuse(graph, AG_INVALID_ARGUMENT, what, 0, NULL, "the array is NULL");
        if (parts[p].n >= UINT32_MAX / 8)
            return agi_refuse(graph, AG_TOO_LARGE, what, 0, NULL, "too many values");
        const ag_status status = agi_check_values(graph, what, parts[p].n, parts[p].values);
        if (status != AG_OK)
            return status;
        all += parts[p].n;
        outputs += p < INPUTS ? 0 : parts[p].n;
    }
    if (outputs == 0)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "compile: the signature has no output");
    return all < UINT32_MAX / 2 ? AG_OK : agi_fail(graph, AG_TOO_LARGE, "compile: too many values");
}

static ag_status flag_inputs(extraction *e, const part *inputs, uint8_t flag)
{
    char what[32];
    (void)snprintf(what, sizeof(what), "compile, %s", inputs->what);
    for (size_t i = 0; i < inputs->n; i++) {
        const ag_value x = inputs->values[i];
        if (e->graph->gates[x.index] != AGI_VARIABLE)
            return agi_refuse(e->graph, AG_INVALID_ARGUMENT, what, 1, &x,
                              "an input has to be a variable");
        if (e->flags[x.index] != 0)
            return agi_refuse(e->graph, AG_INVALID_ARGUMENT, what, 1, &x,
                              "the input stands in the signature twice");
        e->flags[x.index] = flag | DEPENDS;
    }
    return AG_OK;
}

static bool compares(const ag_graph *graph, uint32_t node)
{
    const agi_form form = (agi_form)agi_gate_forms[graph->gates[node]];
    return form == AGI_FORM_COMPARE ||
           (form == AGI_FORM_SCAN && agi_has_comparisons(agi_scan_at(graph, node)));
}

/* A scan's outputs stay with it. */
static void flag_outputs_of_scan(extraction *e, uint32_t node)
{
    const uint32_t n = agi_scan_at(e->graph, node)->output_count;
    for (uint32_t i = 0; i < n; i++)
        e->flags[node + 1 + i] |= NEEDED;
}

/* Behind the last recorded comparison; 0 without one. */
static uint32_t find_last_comparison(const extraction *e)
{
    uint32_t last = e->end;
    while (last > 0 && !compares(e->graph, last - 1))
        last--;
    return last;
}

/* Which nodes outputs and comparisons depend on. */
static void flag_needed(extraction *e, const part parts[PARTS])
{
    const ag_graph *graph = e->graph;
    for (size_t p = INPUTS; p < PARTS; p++)
        for (size_t i = 0; i < parts[p].n; i++)
            e->flags[parts[p].values[i].index] |= NEEDED;
    const uint32_t last = find_last_comparison(e);
    for (uint32_t i = 0; i < last; i++) {
        const agi_list operands = agi_list_operands(graph, i);
        uint8_t depends = e->flags[i];
        for (uint32_t k = 0; k < operands.n; k++)
            depends |= e->flags[operands.index[k]] & DEPENDS;
        e->flags[i] = depends | ((depends & DEPENDS) && compares(graph, i) ? NEEDED : 0);
    }
    for (uint32_t i = e->end; i-- > 0;) {
        if (!(e->flags[i] & NEEDED))
            continue;
        const agi_list operands = agi_list_operands(graph, i);
        for (uint32_t k = 0; k < operands.n; k++)
            e->flags[operands.index[k]] |= NEEDED;
        if (graph->gates[i] == AGI_SCAN)
            flag_outputs_of_scan(e, i);
    }
}

/* Outputs computed once can't look at samples. */
static ag_status check_once(extraction *e, const part *once)
{
    for (uint32_t i = 0; once->n > 0 && i < e->end; i++) {
        const agi_list operands = agi_list_operands(e->graph, i);
        for (uint32_t k = 0; k < operands.n; k++)
            if (e->flags[operands.index[k]] & (EACH | VARIES))
                e->flags[i] |= VARIES;
    }
    for (size_t i = 0; i < once->n; i++)
        if (e->flags[once->values[i].index] & (EACH | VARIES))
            return agi_refuse(e->graph, AG_INVALID_ARGUMENT, "compile, once", 1, &once->values[i],
                              "the output depends on an each input");
    return AG_OK;
}

static ag_status refuse_variable(extraction *e, uint32_t node)
{
    const ag_value x = agi_value(e->graph, node);
    return agi_refuse(e->graph, AG_INVALID_ARGUMENT, "compile", 1, &x,
                      "an output or a recorded comparison depends on this variable, and the "
                      "signature does not name it");
}

/* What the copy takes: refuses what can't be compiled. */
typedef struct extent {
    uint32_t nodes, pool, numbers, closures, scans;
    uint32_t constants;
} extent;

static ag_status measure(extraction *e, extent *size)
{
    const ag_graph *graph = e->graph;
    *size = (extent){0};
    for (uint32_t i = 0; i < e->end; i++) {
        if (!(e->flags[i] & NEEDED))
            continue;
        e->to[i] = size->nodes++;
        const uint8_t gate = graph->gates[i];
        const agi_form form = (agi_form)agi_gate_forms[gate];
        const uint32_t b = graph->operands[i].b;
        size->constants += gate == AGI_CONSTANT;
        if (gate == AGI_VARIABLE && !(e->flags[i] & (SHARED | EACH)))
            return refuse_variable(e, i);
        if (form == AGI_FORM_TERNARY)
            size->pool += 3;
        else if (form == AGI_FORM_NONE)
            size->pool += b;
        else if (form == AGI_FORM_VALUES)
            size->pool += 2 * b;
        else if (form == AGI_FORM_NUMBERS || form == AGI_FORM_CLOSURE || form == AGI_FORM_SCAN)
            size->pool += b + 1;
        size->scans += form == AGI_FORM_SCAN;
        if (form == AGI_FORM_NUMBERS)
            size->numbers += b + 1;
        if (form != AGI_FORM_CLOSURE)
            continue;
        size->closures++;
        if (graph->applied[graph->pool[graph->operands[i].a]].closure.destroy != NULL)
            return agi_refuse_node(e->graph, AG_INVALID_ARGUMENT, i,
                                   "a closure with a destroy can't be compiled: its context would "
                                   "end with the graph");
    }
    return AG_OK;
}

static ag_status reserve_copy(ag_graph *source, extent size)
{
    const uint32_t n = size.nodes;
    if (agi_grow(source, (void **)&source->gates, sizeof(*source->gates), &source->gates_capacity,
                 n, n) ||
        agi_grow(source, (void **)&source->operands, sizeof(agi_operands),
                 &source->operands_capacity, n, n) ||
        agi_grow(source, (void **)&source->data, sizeof(ag_real), &source->data_capacity, n, n) ||
        agi_grow(source, (void **)&source->pool, sizeof(uint32_t), &source->pool_capacity,
                 size.pool, UINT32_MAX) ||
        agi_grow(source, (void **)&source->numbers, sizeof(ag_real), &source->numbers_capacity,
                 size.numbers, UINT32_MAX) ||
        agi_grow(source, (void **)&source->applied, sizeof(agi_applied), &source->applied_capacity,
                 size.closures, UINT32_MAX) ||
        agi_grow(source, (void **)&source->scans, sizeof(agi_scanned), &source->scans_capacity,
                 size.scans, UINT32_MAX) ||
        agi_grow(source, (void **)&source->scratch, sizeof(ag_real), &source->scratch_capacity,
                 size.closures > 0 ? (uint64_t)2 * size.pool : 0, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    return AG_OK;
}

/* Appends the operand list of node i, which has one, to the copy's pool. */
static void copy_list(const extraction *e, ag_graph *source, uint32_t i, agi_form form)
{
    const ag_graph *graph = e->graph;
    const uint32_t from = graph->operands[i].a;
    const agi_list operands = agi_list_operands(graph, i);
    if (form == AGI_FORM_NUMBERS) {
        source->pool[source->pool_count++] = source->numbers_count;
        const uint32_t n = operands.n + 1;
        memcpy(source->numbers + source->numbers_count, graph->numbers + graph->pool[from],
               n * sizeof(ag_real));
        source->numbers_count += n;
    } else if (form == AGI_FORM_CLOSURE) {
        source->pool[source->pool_count++] = source->applied_count;
        source->applied[source->applied_count++] =
            (agi_applied){graph->applied[graph->pool[from]].closure, e->to[i]};
    } else if (form == AGI_FORM_SCAN) {
        source->pool[source->pool_count++] = source->scans_count;
        agi_scanned *scan = &source->scans[source->scans_count++];
        *scan = *agi_scan_at(graph, i);
        (void)ag_program_retain(scan->program);
        scan->node = e->to[i];
        const bool is_there = scan->states < e->end && (e->flags[scan->states] & NEEDED);
        scan->states = is_there ? e->to[scan->states] : AGI_NO_INDEX;
    }
    for (uint32_t k = 0; k < operands.n; k++)
        source->pool[source->pool_count++] = e->to[operands.index[k]];
}

static void copy_nodes(const extraction *e, ag_graph *source)
{
    const ag_graph *graph = e->graph;
    for (uint32_t i = 0; i < e->end; i++) {
        if (!(e->flags[i] & NEEDED))
            continue;
        const uint32_t pool = source->pool_count;
        agi_operands at = graph->operands[i];
        const agi_form form = (agi_form)agi_gate_forms[graph->gates[i]];
        if (form == AGI_FORM_UNARY || form == AGI_FORM_BINARY || form == AGI_FORM_COMPARE) {
            at.a = e->to[at.a];
            at.b = form == AGI_FORM_UNARY ? 0 : e->to[at.b];
        } else if (form == AGI_FORM_PROJECT) {
            at.a = e->to[at.a];
        } else if (form != AGI_FORM_LEAF) {
            copy_list(e, source, i, form);
            at.a = pool;
        }
        (void)agi_append(source, (agi_gate)graph->gates[i], at.a, at.b, graph->data[i]);
    }
}

/* ---- From the copy to code ------------------------------------------------------------------- */

/* The copy calls a comparison's operands as the messages do, for programs that are made of it. */
static ag_status name_operands(const uint32_t *to, uint32_t node, const ag_graph *graph,
                               const char *const names[2], ag_graph *source)
{
    const uint32_t operands[] = {graph->operands[node].a, graph->operands[node].b};
    for (int k = 0; k < 2; k++) {
        const ag_value x = agi_value(source, to[operands[k]]);
        if (ag_name_of(x) == NULL && ag_is_null(ag_find(source, names[k])) &&
            ag_name(x, names[k]) != AG_OK)
            return AG_OUT_OF_MEMORY;
    }
    return AG_OK;
}

static ag_status describe_comparison(agi_code *code, const extraction *e, uint32_t node,
                                     ag_graph *source)
{
    const ag_graph *graph = e->graph;
    const char *names[2];
    char numbers[2][16], text[128];
    for (uint32_t k = 0; k < 2; k++) {
        const uint32_t operand = k == 0 ? graph->operands[node].a : graph->operands[node].b;
        (void)snprintf(numbers[k], sizeof(numbers[k]), "#%lu", (unsigned long)operand);
        names[k] = agi_name_of(graph, operand);
        names[k] = names[k] != NULL ? names[k] : numbers[k];
    }
    const size_t length = (size_t)snprintf(text, sizeof(text), "%s(%.40s, %.40s)",
                                           agi_gate_names[graph->gates[node]], names[0], names[1]) +
                          1;
    if (agi_memory_grow(code->memory, (void **)&code->texts, 1, &code->texts_capacity,
                        (uint64_t)code->texts_count + length, UINT32_MAX) ||
        agi_memory_grow(code->memory, (void **)&code->comparisons, sizeof(*code->comparisons),
                        &code->comparisons_capacity, (uint64_t)code->comparisons_count + 1,
                        UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    if (name_operands(e->to, node, graph, names, source) != AG_OK)
        return AG_OUT_OF_MEMORY;
    memcpy(code->texts + code->texts_count, text, length);
    code->comparisons[code->comparisons_count++] = (agi_comparison){
        .node = e->to[node], .text = code->texts_count, .outcome = graph->data[node] != 0};
    code->texts_count += (uint32_t)length;
    return AG_OK;
}

static ag_status reserve_code(agi_code *code, const ag_graph *source, uint32_t constants,
                              uint64_t outputs)
{
    agi_memory *memory = code->memory;
    const uint64_t numbers = (uint64_t)source->numbers_count + constants;
    if (agi_code_reserve(code, source->count) ||
        agi_memory_grow(memory, (void **)&code->pool, sizeof(uint32_t), &code->pool_capacity,
                        source->pool_count, UINT32_MAX) ||
        agi_memory_grow(memory, (void **)&code->numbers, sizeof(double), &code->numbers_capacity,
                        numbers, UINT32_MAX) ||
        agi_memory_grow(memory, (void **)&code->closures, sizeof(ag_closure),
                        &code->closures_capacity, source->applied_count, UINT32_MAX) ||
        agi_memory_grow(memory, (void **)&code->scans, sizeof(agi_scan), &code->scans_capacity,
                        source->scans_count, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    code->outputs = AGI_NEW_ARRAY(memory, outputs, uint32_t);
    return code->outputs == NULL ? AG_OUT_OF_MEMORY : AG_OK;
}

static void write_scans(agi_code *code, const ag_graph *source)
{
    code->scans_count = source->scans_count;
    for (uint32_t i = 0; i < code->scans_count; i++) {
        const agi_scanned *scan = &source->scans[i];
        const agi_operands at = source->operands[scan->node];
        code->scans[i] = (agi_scan){
            .program = scan->program,
            .steps = scan->steps,
            .state_count = scan->state_count,
            .operands = at.a + 1,
            .operand_count = at.b,
            .output_count = scan->output_count,
            .twin = scan->states,
            .unchecked = scan->unchecked,
        };
    }
    for (uint32_t i = 0; i < code->scans_count; i++)
        if (source->scans[i].states != AGI_NO_INDEX)
            code->scans[source->pool[source->operands[source->scans[i].states].a]].twin =
                source->scans[i].node;
}

static ag_status write_code(agi_code *code, const extraction *e, ag_graph *source)
{
    if (source->pool_count > 0)
        memcpy(code->pool, source->pool, source->pool_count * sizeof(uint32_t));
    code->pool_count = source->pool_count;
    for (uint32_t i = 0; i < source->numbers_count; i++)
        code->numbers[code->numbers_count++] = (double)source->numbers[i];
    for (uint32_t i = 0; i < source->applied_count; i++)
        code->closures[code->closures_count++] = source->applied[i].closure;
    write_scans(code, source);
    for (uint32_t from = 0; from < e->end; from++) {
        if (!(e->flags[from] & NEEDED))
            continue;
        const uint32_t i = code->count++;
        const uint8_t gate = source->gates[i];
        code->ops[i] = gate;
        code->at[i] = source->operands[i];
        if (gate == AGI_SCAN) {
            code->ops[i] = AGI_OP_SCAN;
            code->at[i] = (agi_operands){source->pool[source->operands[i].a], 0};
        } else if (gate == AGI_PROJECT) {
            code->ops[i] = AGI_OP_PROJECT;
        } else if (gate == AGI_VARIABLE) {
            code->ops[i] = e->flags[from] & SHARED ? AGI_OP_SHARED : AGI_OP_EACH;
        } else if (gate == AGI_CONSTANT) {
            code->at[i] = (agi_operands){code->numbers_count, 0};
            code->numbers[code->numbers_count++] = (double)source->data[i];
        } else if (agi_gate_forms[gate] == AGI_FORM_COMPARE && (e->flags[from] & DEPENDS) &&
                   describe_comparison(code, e, from, source) != AG_OK) {
            return AG_OUT_OF_MEMORY;
        }
    }
    return AG_OK;
}

/* Inputs that nothing depends on are not there. */
static void write_ends(agi_code *code, const extraction *e, const part parts[PARTS],
                       ag_program *program)
{
    ag_graph *source = program->source;
    size_t value = 0, output = 0;
    for (size_t p = 0; p < PARTS; p++)
        for (size_t i = 0; i < parts[p].n; i++) {
            const uint32_t node = parts[p].values[i].index;
            const bool is_there = node < e->end && (e->flags[node] & NEEDED);
            program->signature[value++] =
                is_there ? agi_value(source, e->to[node]) : agi_null_value(source);
            if (p >= INPUTS)
                code->outputs[output++] = e->to[node];
            else if (is_there)
                code->at[e->to[node]] = (agi_operands){(uint32_t)i, 0};
        }
}

static ag_status build(extraction *e, const part parts[PARTS], agi_code *code, ag_program *program)
{
    extent size;
    ag_status status = flag_inputs(e, &parts[0], SHARED);
    if (status == AG_OK)
        status = flag_inputs(e, &parts[1], EACH);
    if (status != AG_OK)
        return status;
    status = check_once(e, &parts[4]);
    if (status != AG_OK)
        return status;
    flag_needed(e, parts);
    status = measure(e, &size);
    if (status != AG_OK)
        return status;
    ag_graph *source = program->source;
    const uint64_t outputs = (uint64_t)parts[2].n + parts[3].n + parts[4].n;
    if (reserve_copy(source, size) != AG_OK)
        return AG_OUT_OF_MEMORY;
    copy_nodes(e, source);
    agi_update_limit(source);
    if (reserve_code(code, source, size.constants, outputs) != AG_OK)
        return AG_OUT_OF_MEMORY;
    code->shared_count = (uint32_t)parts[0].n;
    code->each_count = (uint32_t)parts[1].n;
    code->sum_count = (uint32_t)parts[2].n;
    code->map_count = (uint32_t)parts[3].n;
    code->once_count = (uint32_t)parts[4].n;
    if (write_code(code, e, source) != AG_OK)
        return AG_OUT_OF_MEMORY;
    write_ends(code, e, parts, program);
    return AG_OK;
}

/* The end of what has to be looked at, where all nodes before `end` have to: a scan's outputs are
 * looked at together. */
static uint32_t find_end_of_scan(const ag_graph *graph, uint32_t end)
{
    uint32_t last = end - 1;
    if (end > 0 && graph->gates[last] == AGI_PROJECT)
        last = graph->operands[last].a;
    return end > 0 && graph->gates[last] == AGI_SCAN
               ? last + 1 + agi_scan_at(graph, last)->output_count
               : end;
}

ag_status agi_lower(agi_code *code, ag_graph *graph, const ag_signature *signature,
                    ag_program *program)
{
    part parts[PARTS];
    list_parts(signature, parts);
    const ag_status status = check_parts(graph, parts);
    if (status != AG_OK)
        return status;
    extraction e = {.graph = graph, .signature = signature, .memory = code->memory};
    size_t values = 0;
    uint32_t size = 0;
    for (size_t p = 0; p < PARTS; p++) {
        uint32_t *end = p < INPUTS ? &size : &e.end;
        values += parts[p].n;
        for (size_t i = 0; i < parts[p].n; i++)
            if (parts[p].values[i].index >= *end)
                *end = parts[p].values[i].index + 1;
    }
    e.end = find_end_of_scan(graph, e.end);
    e.size = e.end > size ? e.end : size;
    e.flags = AGI_NEW_ARRAY(e.memory, e.size, uint8_t);
    e.to = AGI_NEW_ARRAY(e.memory, e.end, uint32_t);
    program->signature = AGI_NEW_ARRAY(&program->memory, values, ag_value);
    ag_status result = AG_OUT_OF_MEMORY;
    if (e.flags != NULL && e.to != NULL && program->signature != NULL) {
        memset(e.flags, 0, e.size);
        result = build(&e, parts, code, program);
    }
    agi_free_array(e.memory, e.flags, e.size, 1);
    agi_free_array(e.memory, e.to, e.end, sizeof(*e.to));
    return result;
}
