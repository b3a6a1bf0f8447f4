/* SPDX-License-Identifier: MIT
 *
 * Gates of the caller's own: closures, each applied with a context of its own.
 */
#include "engine.h"

static agi_applied *find_applied(ag_graph *graph, uint32_t index)
{
    return graph->applied + graph->pool[graph->operands[index].a];
}

/* While a callback runs, the graph refuses gates: they could move what the callback looks at. */
static void set_busy(ag_graph *graph, bool busy)
{
    graph->busy = busy;
    agi_update_limit(graph);
}

static void destroy_closure(ag_graph *graph, const ag_closure *closure)
{
    if (closure->destroy == NULL)
        return;
    set_busy(graph, true);
    closure->destroy(closure->context);
    set_busy(graph, false);
}

/* The operands' data, in the first half of the scratch. */
static const ag_real *gather(ag_graph *graph, agi_list operands)
{
    for (uint32_t k = 0; k < operands.n; k++)
        graph->scratch[k] = graph->data[operands.index[k]];
    return graph->scratch;
}

ag_real agi_evaluate_closure(ag_graph *graph, uint32_t index)
{
    const ag_closure closure = find_applied(graph, index)->closure;
    const ag_real *x = gather(graph, agi_list_operands(graph, index));
    set_busy(graph, true);
    const ag_real y = closure.forward(closure.context, closure.arity, x);
    set_busy(graph, false);
    return y;
}

const ag_real *agi_closure_downstream(ag_graph *graph, uint32_t index, ag_real upstream)
{
    const ag_closure closure = find_applied(graph, index)->closure;
    const ag_real *x = gather(graph, agi_list_operands(graph, index));
    ag_real *downstream = graph->scratch + closure.arity;
    for (size_t k = 0; k < closure.arity; k++)
        downstream[k] = 0;
    set_busy(graph, true);
    closure.backward(closure.context, closure.arity, x, graph->data[index], upstream, downstream);
    set_busy(graph, false);
    return downstream;
}

/* The closure's own callback made nodes: they must be good, and nothing that was there before may be
 * gone. */
static ag_status check_derived(ag_graph *graph, uint32_t index, ag_value newest, size_t n,
                               const ag_value *downstream)
{
    if (!agi_is_live(graph, newest))
        return agi_refuse_node(graph, AG_STALE_VALUE, index,
                               "derive rewound nodes that were there before it");
    char what[64];
    (void)snprintf(what, sizeof(what), "%.40s's derive", ag_gate_name(agi_value(graph, index)));
    for (size_t k = 0; k < n; k++)
        if (!ag_is_null(downstream[k]) && agi_check_values(graph, what, 1, &downstream[k]) != AG_OK)
            break;
    return graph->status;
}

ag_status agi_derive_closure(ag_graph *graph, uint32_t index, const ag_value *x, ag_value upstream,
                             ag_value *downstream)
{
    const ag_closure closure = find_applied(graph, index)->closure;
    if (closure.derive == NULL)
        return agi_refuse_node(graph, AG_INVALID_ARGUMENT, index,
                               "the closure has no derive, so no gradient made of nodes");
    const ag_value newest = agi_value(graph, graph->count - 1);
    const ag_status status = closure.derive(closure.context, closure.arity, x,
                                            agi_value(graph, index), upstream, downstream);
    if (graph->status != AG_OK)
        return graph->status;
    if (status != AG_OK)
        return agi_refuse_node(graph,
                               status < AG_OK && status != AG_BRANCH ? status : AG_INVALID_ARGUMENT,
                               index, "derive failed");
    return check_derived(graph, index, newest, closure.arity, downstream);
}

/* AG_OK: there is room for everything that applying the closure takes. */
static ag_status prepare(ag_graph *graph, const ag_closure *closure, const ag_value *operands)
{
    const char *name = closure->name == NULL ? "closure" : closure->name;
    const ag_status status = agi_check_values(graph, name, closure->arity, operands);
    if (status != AG_OK)
        return status;
    if (closure->name == NULL || closure->forward == NULL || closure->backward == NULL)
        return agi_refuse(graph, AG_INVALID_ARGUMENT, name, closure->arity, operands,
                          "a closure needs a name, forward and backward");
    if (closure->arity > UINT32_MAX / 4)
        return agi_refuse(graph, AG_TOO_LARGE, name, closure->arity, operands, "too many operands");
    const uint32_t n = (uint32_t)closure->arity;
    if (agi_make_room(graph, name, n, operands) != AG_OK)
        return graph->status;
    if (agi_grow(graph, (void **)&graph->pool, sizeof(uint32_t), &graph->pool_capacity,
                 (uint64_t)graph->pool_count + n + 1, UINT32_MAX) ||
        agi_grow(graph, (void **)&graph->scratch, sizeof(ag_real), &graph->scratch_capacity,
                 (uint64_t)2 * n, UINT32_MAX) ||
        agi_grow(graph, (void **)&graph->applied, sizeof(agi_applied), &graph->applied_capacity,
                 (uint64_t)graph->applied_count + 1, UINT32_MAX))
        return agi_fail_memory(graph, name);
    return AG_OK;
}

ag_value ag_apply(const ag_closure *closure, const ag_value *operands)
{
    const bool usable = closure != NULL && operands != NULL && closure->arity > 0;
    ag_graph *graph = NULL;
    for (size_t i = 0; usable && graph == NULL && i < closure->arity; i++)
        graph = operands[i].graph;
    if (graph == NULL || prepare(graph, closure, operands) != AG_OK) {
        if (closure != NULL && closure->destroy != NULL)
            closure->destroy(closure->context);
        return agi_null_value(graph);
    }
    const uint32_t n = (uint32_t)closure->arity;
    const uint32_t at = graph->pool_count;
    graph->pool[at] = graph->applied_count;
    for (uint32_t k = 0; k < n; k++)
        graph->pool[at + 1 + k] = operands[k].index;
    graph->applied[graph->applied_count] = (agi_applied){*closure, graph->count};
    const ag_value node = agi_append(graph, AGI_CLOSURE, at, n, 0);
    graph->data[node.index] = agi_evaluate_closure(graph, node.index);
    if (graph->status != AG_OK) { /* forward refused its operands, or did what it must not */
        graph->count--;
        destroy_closure(graph, closure);
        return agi_null_value(graph);
    }
    if (graph->paused > 0) {
        graph->gates[node.index] = AGI_CONSTANT;
        graph->operands[node.index] = (agi_operands){0, 0};
        destroy_closure(graph, closure);
    } else {
        graph->pool_count += n + 1;
        graph->applied_count++;
    }
    return node;
}

void agi_drop_closures(ag_graph *graph, uint32_t count)
{
    while (graph->applied_count > 0 && graph->applied[graph->applied_count - 1].node >= count) {
        const ag_closure closure = graph->applied[--graph->applied_count].closure;
        destroy_closure(graph, &closure);
    }
}
