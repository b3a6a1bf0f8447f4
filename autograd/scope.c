/* SPDX-License-Identifier: MIT
 *
 * Scopes: named stretches of nodes, for drawings. Nodes and gates know nothing of them.
 */
#include "engine.h"

#include <string.h>

/* Loops begin the same name again and again: it is kept once for a row of scopes. */
static ag_status add_name(ag_graph *graph, const char *name, uint32_t *at)
{
    if (graph->scopes_count > 0) {
        *at = graph->scopes[graph->scopes_count - 1].name;
        if (strcmp(graph->scope_names + *at, name) == 0)
            return AG_OK;
    }
    *at = graph->scope_names_count;
    const size_t size = strlen(name) + 1;
    if (size > UINT32_MAX ||
        agi_grow(graph, (void **)&graph->scope_names, 1, &graph->scope_names_capacity,
                 *at + (uint64_t)size, UINT32_MAX) != AG_OK)
        return AG_OUT_OF_MEMORY;
    memcpy(graph->scope_names + *at, name, size);
    graph->scope_names_count += (uint32_t)size;
    return AG_OK;
}

ag_status ag_scope_begin(ag_graph *graph, const char *name)
{
    static const char what[] = "ag_scope_begin";
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    if (graph->busy)
        return agi_fail(graph, AG_BUSY, "%s: a custom gate's callback is running", what);
    if (graph->scope_depth == UINT32_MAX)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: nested too deep", what);
    const uint32_t depth = ++graph->scope_depth;
    if (graph->status != AG_OK)
        return graph->status;
    if (name == NULL || name[0] == '\0')
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: the name is empty", what);
    uint32_t at;
    if (agi_grow(graph, (void **)&graph->scopes, sizeof(agi_scope), &graph->scopes_capacity,
                 (uint64_t)graph->scopes_count + 1, AGI_NO_INDEX) != AG_OK ||
        add_name(graph, name, &at) != AG_OK)
        return agi_fail_memory(graph, what);
    const uint32_t scope = graph->scopes_count++;
    graph->scopes[scope] = (agi_scope){graph->count, AGI_NO_INDEX, graph->scope, depth, at};
    graph->scope = scope;
    return AG_OK;
}

ag_status ag_scope_end(ag_graph *graph)
{
    if (graph == NULL)
        return AG_INVALID_ARGUMENT;
    if (graph->busy)
        return agi_fail(graph, AG_BUSY, "ag_scope_end: a custom gate's callback is running");
    if (graph->scope_depth == 0)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "ag_scope_end: no scope was begun");
    const uint32_t depth = graph->scope_depth--;
    if (graph->scope != AGI_NO_INDEX && graph->scopes[graph->scope].depth == depth) {
        graph->scopes[graph->scope].end = graph->count;
        graph->scope = graph->scopes[graph->scope].parent;
    } /* else its begin failed */
    return graph->status;
}

/* Among the scopes that a mark knows, those that were open then are `mark->scope` and what it is in;
 * the others were ended before. A mark that was itself rewound past, at a place where nodes are as
 * they were, may find other scopes than its own. */
void agi_rewind_scopes(ag_graph *graph, const ag_mark *mark)
{
    for (uint32_t s = graph->scope; s != AGI_NO_INDEX; s = graph->scopes[s].parent)
        graph->scopes[s].end = mark->index;
    uint32_t n = mark->scopes;
    while (n > 0 && graph->scopes[n - 1].begin > mark->index)
        n--;
    graph->scopes_count = n;
    graph->scope_names_count = 0;
    if (n > 0) {
        const uint32_t last = graph->scopes[n - 1].name;
        graph->scope_names_count = last + (uint32_t)strlen(graph->scope_names + last) + 1;
    }
    graph->scope = mark->scope < n ? mark->scope : AGI_NO_INDEX;
    graph->scope_depth = mark->depth;
    for (uint32_t s = graph->scope; s != AGI_NO_INDEX; s = graph->scopes[s].parent)
        graph->scopes[s].end = AGI_NO_INDEX;
}
