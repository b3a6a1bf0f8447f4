/* SPDX-License-Identifier: MIT
 *
 * The graph itself: its birth and death, room for nodes, leaves, marks and rewinds, and which
 * handles are still good.
 */
#include "arena.h"
#include "engine.h"

#include <math.h>

/* In a caller's buffer the node arrays take their whole share at once, so that neither a gate nor a
 * backward pass can run out before max_nodes; the rest is for operand lists, names and closures. */
static bool partition(ag_graph *graph, uint32_t wanted)
{
    const size_t node = sizeof(*graph->gates) + sizeof(agi_operands) + 2 * sizeof(ag_real) + 1;
    const size_t room = agi_arena_largest(graph->memory.arena);
    size_t nodes = wanted != 0 ? wanted : room / 4 * 3 / node;
    if (nodes == 0 || nodes > AGI_MAX_NODES)
        nodes = nodes == 0 ? 0 : AGI_MAX_NODES;
    const uint32_t n = (uint32_t)nodes;
    graph->max_nodes = n;
    if (n == 0 ||
        agi_grow(graph, (void **)&graph->gates, sizeof(*graph->gates), &graph->gates_capacity, n,
                 n) ||
        agi_grow(graph, (void **)&graph->operands, sizeof(agi_operands), &graph->operands_capacity,
                 n, n) ||
        agi_grow(graph, (void **)&graph->data, sizeof(ag_real), &graph->data_capacity, n, n) ||
        agi_reserve_grad(graph, n) != AG_OK || agi_reserve_marks(graph, n) != AG_OK)
        return false;
    /* two thirds of what is left; an operand list can still grow into the rest */
    const size_t left = agi_arena_largest(graph->memory.arena) / 3 * 2 / sizeof(uint32_t);
    if (left > 0 && left < UINT32_MAX)
        (void)agi_grow(graph, (void **)&graph->pool, sizeof(uint32_t), &graph->pool_capacity, left,
                       (uint32_t)left);
    return true;
}

ag_graph *ag_graph_new(const ag_graph_options *options)
{
    static const ag_graph_options defaults = {0};
    if (options == NULL)
        options = &defaults;
    ag_graph seed = {0};
    seed.max_nodes = options->max_nodes == 0 || options->max_nodes > AGI_MAX_NODES
                         ? AGI_MAX_NODES
                         : options->max_nodes;
    seed.floor = UINT32_MAX;
    seed.scope = AGI_NO_INDEX;
    seed.check = options->check;
    seed.memory.allocator = options->allocator;
    seed.memory.user = options->allocator_user;
    if (options->buffer != NULL) {
        seed.memory.arena = agi_arena_new(options->buffer, options->buffer_size);
        if (seed.memory.arena == NULL)
            return NULL;
    }
    ag_graph *graph = (ag_graph *)agi_resize(&seed, NULL, 0, sizeof(*graph));
    if (graph == NULL)
        return NULL;
    *graph = seed;
    if (graph->memory.arena != NULL && !partition(graph, options->max_nodes))
        return NULL;
    agi_update_limit(graph);
    return graph;
}

void ag_graph_free(ag_graph *graph)
{
    if (graph == NULL)
        return;
    agi_drop_closures(graph, 0);
    agi_drop_scans(graph, 0);
    agi_drop_names(graph, 0);
    agi_release(graph, graph->gates, graph->gates_capacity);
    agi_release(graph, graph->operands, graph->operands_capacity * sizeof(agi_operands));
    agi_release(graph, graph->data, graph->data_capacity * sizeof(ag_real));
    agi_release(graph, graph->grad, graph->grad_capacity * sizeof(ag_real));
    agi_release(graph, graph->marks, graph->marks_capacity);
    agi_release(graph, graph->pool, graph->pool_capacity * sizeof(uint32_t));
    agi_release(graph, graph->numbers, graph->numbers_capacity * sizeof(ag_real));
    agi_release(graph, graph->scratch, graph->scratch_capacity * sizeof(ag_real));
    agi_release(graph, graph->applied, graph->applied_capacity * sizeof(agi_applied));
    agi_release(graph, graph->scans, graph->scans_capacity * sizeof(agi_scanned));
    agi_release(graph, graph->scan_memory, graph->scan_memory_size);
    agi_release(graph, graph->rewinds, graph->rewinds_capacity * sizeof(agi_rewind));
    agi_release(graph, graph->scopes, graph->scopes_capacity * sizeof(agi_scope));
    agi_release(graph, graph->scope_names, graph->scope_names_capacity);
    ag_graph last = *graph;
    agi_release(&last, graph, sizeof(*graph));
}

size_t ag_graph_count(const ag_graph *graph)
{
    return graph == NULL ? 0 : graph->count;
}

size_t ag_graph_bytes(const ag_graph *graph)
{
    return graph == NULL ? 0 : graph->memory.bytes;
}

void ag_set_check(ag_graph *graph, bool on)
{
    if (graph != NULL)
        graph->check = on;
}

/* ---- Handles, marks and rewinds -------------------------------------------------------------- */

/* The lowest place that any rewind after `generation` went down to is in the first entry that is
 * newer. A generation above the present one is left from before the count began anew: see
 * remember_rewind. */
bool agi_survives(const ag_graph *graph, uint32_t index, uint32_t generation)
{
    if (index < graph->floor)
        return true;
    if (generation > graph->generation)
        return false;
    uint32_t newer = 0;
    for (uint32_t end = graph->rewinds_count; newer < end;) {
        const uint32_t middle = newer + (end - newer) / 2;
        if (graph->rewinds[middle].generation <= generation)
            newer = middle + 1;
        else
            end = middle;
    }
    return newer == graph->rewinds_count || index < graph->rewinds[newer].low;
}

ag_mark ag_graph_mark(ag_graph *graph)
{
    if (graph == NULL || agi_check_values(graph, "ag_graph_mark", 0, NULL) != AG_OK)
        return (ag_mark){0};
    /* room for the rewind now, so that the rewind itself can't run out of memory */
    if (agi_grow(graph, (void **)&graph->rewinds, sizeof(agi_rewind), &graph->rewinds_capacity,
                 (uint64_t)graph->rewinds_count + 1, UINT32_MAX) != AG_OK) {
        agi_fail_memory(graph, "ag_graph_mark");
        return (ag_mark){0};
    }
    return (ag_mark){graph,
                     graph->count,
                     graph->generation,
                     graph->pool_count,
                     graph->numbers_count,
                     graph->scopes_count,
                     graph->scope,
                     graph->scope_depth};
}

static void remember_rewind(ag_graph *graph, uint32_t low)
{
    while (graph->rewinds_count > 0 && graph->rewinds[graph->rewinds_count - 1].low >= low)
        graph->rewinds_count--;
    if (graph->generation == UINT32_MAX - 1) {
        /* 2^32 rewinds: the count begins anew. Handles below the floor stay good, others are stale.
         */
        if (graph->rewinds_count > 0)
            low = graph->rewinds[0].low;
        graph->rewinds_count = 0;
        graph->generation = 0;
    }
    graph->generation++;
    graph->rewinds[graph->rewinds_count++] = (agi_rewind){graph->generation, low};
    graph->floor = graph->rewinds[0].low;
    graph->newest_low = low;
    graph->newest_from =
        graph->rewinds_count > 1 ? graph->rewinds[graph->rewinds_count - 2].generation : 0;
}

ag_status ag_graph_rewind(ag_graph *graph, ag_mark mark)
{
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    if (graph->busy)
        return agi_fail(graph, AG_BUSY, "ag_graph_rewind: a custom gate's callback is running");
    if (mark.graph != graph)
        return agi_fail(graph, mark.graph == NULL ? AG_NULL_VALUE : AG_WRONG_GRAPH,
                        "ag_graph_rewind: the mark is %s",
                        mark.graph == NULL ? "a null mark" : "another graph's");
    if (mark.index > graph->count || mark.operands > graph->pool_count ||
        mark.numbers > graph->numbers_count || mark.scopes > graph->scopes_count ||
        graph->rewinds == NULL ||
        (mark.index > 0 && !agi_survives(graph, mark.index - 1, mark.generation)))
        return agi_fail(graph, AG_STALE_VALUE,
                        "ag_graph_rewind: the mark at node %lu was dropped by an earlier rewind",
                        (unsigned long)mark.index);
    agi_rewind_scopes(graph, &mark);
    if (mark.index == graph->count)
        return AG_OK; /* nothing to drop, so no handle goes stale */
    agi_drop_closures(graph, mark.index);
    agi_drop_scans(graph, mark.index);
    agi_drop_names(graph, mark.index);
    graph->count = mark.index;
    if (graph->leading > mark.index)
        graph->leading = mark.index;
    if (graph->reached_to > mark.index)
        graph->reached_to = mark.index;
    graph->pool_count = mark.operands;
    graph->numbers_count = mark.numbers;
    remember_rewind(graph, mark.index);
    return AG_OK;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

ag_status agi_make_room(ag_graph *graph, const char *what, size_t n, const ag_value *operands)
{
    return agi_make_room_for(graph, 1, what, n, operands);
}

ag_status agi_make_room_for(ag_graph *graph, uint64_t nodes, const char *what, size_t n,
                            const ag_value *operands)
{
    const uint64_t needed = graph->count + nodes;
    const uint32_t max = graph->max_nodes;
    char reason[80];
    if (needed > max && nodes > 1) {
        (void)snprintf(reason, sizeof(reason),
                       "%.0f nodes more would be too many for a graph of at most %lu",
                       (double)nodes, (unsigned long)max);
        return agi_refuse(graph, AG_TOO_MANY_NODES, what, n, operands, reason);
    }
    if (needed > max) {
        (void)snprintf(reason, sizeof(reason), "the graph has its %lu nodes and may have no more",
                       (unsigned long)max);
        return agi_refuse(graph, AG_TOO_MANY_NODES, what, n, operands, reason);
    }
    if (agi_grow(graph, (void **)&graph->gates, sizeof(*graph->gates), &graph->gates_capacity,
                 needed, max) ||
        agi_grow(graph, (void **)&graph->operands, sizeof(agi_operands), &graph->operands_capacity,
                 needed, max) ||
        agi_grow(graph, (void **)&graph->data, sizeof(ag_real), &graph->data_capacity, needed,
                 max)) {
        (void)snprintf(reason, sizeof(reason), "out of memory (the graph holds %lu bytes)",
                       (unsigned long)graph->memory.bytes);
        return agi_refuse(graph, AG_OUT_OF_MEMORY, what, n, operands, reason);
    }
    agi_update_limit(graph);
    return AG_OK;
}

static ag_value make_leaf(ag_graph *graph, agi_gate gate, ag_real data, const char *what)
{
    if (graph == NULL)
        return (ag_value){NULL, AGI_NO_INDEX, AGI_NO_INDEX};
    if (graph->count >= graph->limit && (agi_check_values(graph, what, 0, NULL) != AG_OK ||
                                         agi_make_room(graph, what, 0, NULL) != AG_OK))
        return agi_null_value(graph);
    if (graph->count < graph->grad_capacity)
        graph->grad[graph->count] = 0;
    if (graph->leading == graph->count)
        graph->leading++;
    return agi_append(graph, gate, 0, 0, data);
}

ag_value ag_variable(ag_graph *graph, ag_real data)
{
    return make_leaf(graph, AGI_VARIABLE, data, "ag_variable");
}

ag_value ag_constant(ag_graph *graph, ag_real data)
{
    return make_leaf(graph, AGI_CONSTANT, data, "ag_constant");
}

ag_status ag_pause(ag_graph *graph)
{
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    if (graph->busy)
        return agi_fail(graph, AG_BUSY, "ag_pause: a custom gate's callback is running");
    if (graph->paused == UINT32_MAX)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "ag_pause: nested too deep");
    graph->paused++;
    agi_update_limit(graph);
    return graph->status;
}

ag_status ag_resume(ag_graph *graph)
{
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    if (graph->busy)
        return agi_fail(graph, AG_BUSY, "ag_resume: a custom gate's callback is running");
    if (graph->paused == 0)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "ag_resume: the graph is not paused");
    graph->paused--;
    agi_update_limit(graph);
    return graph->status;
}

/* ---- Reading and writing --------------------------------------------------------------------- */

bool ag_is_null(ag_value x)
{
    return x.graph == NULL || x.index == AGI_NO_INDEX;
}

/* Reading a null value is allowed, and gives NaN; a stale handle is a mistake. */
static bool can_read(ag_value x, const char *what)
{
    if (ag_is_null(x))
        return false;
    if (agi_is_live(x.graph, x))
        return true;
    (void)agi_check_values(x.graph, what, 1, &x);
    return false;
}

ag_real ag_data(ag_value x)
{
    return can_read(x, "ag_data") ? x.graph->data[x.index] : (ag_real)NAN;
}

ag_real ag_grad(ag_value x)
{
    if (!can_read(x, "ag_grad"))
        return (ag_real)NAN;
    const ag_graph *graph = x.graph;
    const uint8_t gate = graph->gates[x.index];
    if (x.index >= graph->grad_capacity || gate == AGI_CONSTANT)
        return 0;
    const bool reached = x.index >= graph->reached_from && x.index < graph->reached_to;
    return gate == AGI_VARIABLE || reached ? graph->grad[x.index] : 0;
}

ag_status ag_set(ag_value leaf, ag_real data)
{
    ag_graph *graph = leaf.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    const ag_status status = agi_check_values(graph, "ag_set", 1, &leaf);
    if (status != AG_OK)
        return status;
    if (agi_gate_forms[graph->gates[leaf.index]] != AGI_FORM_LEAF)
        return agi_refuse(graph, AG_NOT_A_LEAF, "ag_set", 1, &leaf,
                          "only a variable or a constant can be set");
    graph->data[leaf.index] = data;
    return AG_OK;
}
