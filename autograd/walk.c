/* SPDX-License-Identifier: MIT
 *
 * Ways through a recorded graph other than backward: operands, the nodes that reach a root, running
 * forward again, and the search for the gate where numbers stopped being finite.
 */
#include "engine.h"

#include <math.h>
#include <string.h>

/* ---- Operands -------------------------------------------------------------------------------- */

agi_list agi_list_operands(const ag_graph *graph, uint32_t index)
{
    const agi_operands *at = &graph->operands[index];
    switch ((agi_form)agi_gate_forms[graph->gates[index]]) {
    case AGI_FORM_LEAF:
        return (agi_list){NULL, 0};
    case AGI_FORM_UNARY:
    case AGI_FORM_PROJECT:
        return (agi_list){&at->a, 1};
    case AGI_FORM_BINARY:
    case AGI_FORM_COMPARE:
        return (agi_list){&at->a, 2}; /* a, then b */
    case AGI_FORM_TERNARY:
        return (agi_list){graph->pool + at->a, 3};
    case AGI_FORM_NONE:
        return (agi_list){graph->pool + at->a, at->b};
    case AGI_FORM_VALUES:
        return (agi_list){graph->pool + at->a, 2 * at->b};
    case AGI_FORM_NUMBERS:
    case AGI_FORM_CLOSURE:
    case AGI_FORM_SCAN:
        return (agi_list){graph->pool + at->a + 1, at->b};
    }
    return (agi_list){NULL, 0};
}

static bool is_node(ag_value x)
{
    return x.graph != NULL && agi_is_live(x.graph, x);
}

const char *ag_gate_name(ag_value x)
{
    if (!is_node(x))
        return "null";
    const ag_graph *graph = x.graph;
    const uint8_t gate = graph->gates[x.index];
    if (gate == AGI_CLOSURE)
        return graph->applied[graph->pool[graph->operands[x.index].a]].closure.name;
    if (gate == AGI_SCAN && agi_scan_at(graph, x.index)->state_count == 0 &&
        agi_scan_at(graph, x.index)->steps == 1)
        return "call";
    return agi_gate_names[gate];
}

size_t ag_operand_count(ag_value x)
{
    return is_node(x) ? agi_list_operands(x.graph, x.index).n : 0;
}

ag_value ag_operand(ag_value x, size_t i)
{
    if (i >= ag_operand_count(x))
        return agi_null_value(x.graph);
    return agi_value(x.graph, agi_list_operands(x.graph, x.index).index[i]);
}

ag_real ag_local_gradient(ag_value x, size_t i)
{
    if (i >= ag_operand_count(x) || x.graph->busy)
        return (ag_real)NAN;
    return agi_local(x.graph, x.index, (uint32_t)i, agi_first_largest(x.graph, x.index), NULL);
}

/* ---- Marks ----------------------------------------------------------------------------------- */

ag_status agi_reserve_marks(ag_graph *graph, uint32_t count)
{
    const uint32_t had = graph->marks_capacity;
    if (count <= had)
        return AG_OK;
    if (agi_grow(graph, (void **)&graph->marks, 1, &graph->marks_capacity, count,
                 graph->data_capacity) != AG_OK)
        return agi_fail_memory(graph, "marks for a walk");
    memset(graph->marks + had, 0, graph->marks_capacity - had);
    return AG_OK;
}

static bool has_comparison(const ag_graph *graph, uint32_t index)
{
    const agi_form form = (agi_form)agi_gate_forms[graph->gates[index]];
    return form == AGI_FORM_COMPARE ||
           (form == AGI_FORM_SCAN && agi_has_comparisons(agi_scan_at(graph, index)));
}

ag_status agi_mark_reaching(ag_graph *graph, uint32_t root, agi_walk walk)
{
    const ag_value top = {graph, root, 0};
    return agi_mark_reaching_any(graph, 1, &top, walk);
}

ag_status agi_mark_reaching_any(ag_graph *graph, size_t n, const ag_value *roots, agi_walk walk)
{
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++)
        top = roots[i].index > top ? roots[i].index : top;
    const ag_status status = agi_reserve_marks(graph, top + 1);
    if (status != AG_OK)
        return status;
    if (graph->mark_epoch == UINT8_MAX) {
        memset(graph->marks, 0, graph->marks_capacity);
        graph->mark_epoch = 0;
    }
    const uint8_t epoch = ++graph->mark_epoch;
    uint8_t *marks = graph->marks;
    for (size_t i = 0; i < n; i++)
        marks[roots[i].index] = epoch;
    for (uint32_t i = top + 1; i-- > graph->leading;) {
        if (walk == AGI_WALK_COMPARISONS && has_comparison(graph, i))
            marks[i] = epoch;
        if (marks[i] != epoch || (walk == AGI_WALK_GRADIENT && graph->gates[i] == AGI_DETACH))
            continue;
        const agi_list operands = agi_list_operands(graph, i);
        const bool choosy = walk == AGI_WALK_TAKEN && graph->gates[i] != AGI_CLOSURE;
        const uint32_t first = choosy ? agi_first_largest(graph, i) : 0;
        for (uint32_t k = 0; k < operands.n; k++) {
            bool taken = true;
            if (choosy)
                (void)agi_local(graph, i, k, first, &taken);
            if (taken)
                marks[operands.index[k]] = epoch;
        }
    }
    return AG_OK;
}

size_t ag_topological_order(ag_value root, ag_value *order, size_t capacity)
{
    ag_graph *graph = root.graph;
    if (graph == NULL || agi_check_values(graph, "ag_topological_order", 1, &root) != AG_OK ||
        agi_mark_reaching(graph, root.index, AGI_WALK_ALL) != AG_OK)
        return 0;
    size_t n = 0;
    for (uint32_t i = 0; i <= root.index; i++) {
        if (!agi_is_marked(graph, i))
            continue;
        if (order != NULL && n < capacity)
            order[n] = agi_value(graph, i);
        n++;
    }
    return n;
}

/* ---- Forward again --------------------------------------------------------------------------- */

ag_status agi_refuse_node(ag_graph *graph, ag_status status, uint32_t index, const char *reason)
{
    enum {
        ENOUGH = 4 /* more than a message shows */
    };
    ag_value values[ENOUGH];
    if (graph->gates[index] == AGI_PROJECT)
        index = graph->operands[index].a;
    const agi_list operands = agi_list_operands(graph, index);
    size_t n = 0;
    if (operands.n == 0)
        values[n++] = agi_value(graph, index);
    for (; n < operands.n && n < ENOUGH; n++)
        values[n] = agi_value(graph, operands.index[n]);
    return agi_refuse(graph, status, ag_gate_name(agi_value(graph, index)), n, values, reason);
}

/* Creation order is topological: the lowest marked node that isn't finite has only finite operands
 * among those it looked at, so it began there. */
ag_status agi_check_finite(ag_graph *graph, uint32_t root)
{
    const ag_status status = agi_mark_reaching(graph, root, AGI_WALK_TAKEN);
    if (status != AG_OK)
        return status;
    for (uint32_t i = 0; i <= root; i++) {
        if (!agi_is_marked(graph, i) || isfinite(graph->data[i]))
            continue;
        char reason[64];
        (void)snprintf(reason, sizeof(reason), "the value is %g", agi_readable(graph->data[i]));
        return agi_refuse_node(graph, AG_NOT_FINITE, i, reason);
    }
    return AG_OK;
}

ag_status ag_forward(ag_value root)
{
    ag_graph *graph = root.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    ag_status status = agi_check_values(graph, "ag_forward", 1, &root);
    if (status == AG_OK)
        status = agi_mark_reaching(graph, root.index, AGI_WALK_COMPARISONS);
    if (status != AG_OK)
        return status;
    graph->message[0] = '\0'; /* of an AG_BRANCH before */
    uint32_t branch = AGI_NO_INDEX;
    agi_branch inside = {0};
    for (uint32_t i = graph->leading; i <= root.index; i++) {
        if (!agi_is_marked(graph, i))
            continue;
        if (graph->gates[i] == AGI_SCAN) {
            agi_branch found;
            if (agi_scan_at(graph, i)->work->evaluate(graph, i, &found) == AG_BRANCH &&
                branch == AGI_NO_INDEX) {
                branch = i;
                inside = found;
            }
            continue;
        }
        const ag_real y = agi_evaluate(graph, i);
        if (agi_gate_forms[graph->gates[i]] != AGI_FORM_COMPARE)
            graph->data[i] = y;
        else if (y != graph->data[i] && branch == AGI_NO_INDEX)
            branch = i;
    }
    if (graph->status != AG_OK)
        return graph->status;
    if (inside.text != NULL)
        return agi_report_branch(graph, branch, &inside);
    if (branch != AGI_NO_INDEX)
        return agi_refuse_node(graph, AG_BRANCH, branch,
                               graph->data[branch] != 0 ? "was recorded as true and is false now"
                                                        : "was recorded as false and is true now");
    return graph->check ? agi_check_finite(graph, root.index) : AG_OK;
}
