/* SPDX-License-Identifier: MIT
 *
 * What explanations and drawings show: the nodes that reach a root, what to call them, and the
 * backward pass edge by edge, on the side. The graph's own gradients are not touched.
 */
#ifndef WENGERT_TRACE_H
#define WENGERT_TRACE_H

#include "print.h"

typedef struct agi_trace {
    ag_graph *graph;
    uint32_t count;         /* nodes that reach root; a node's place is below it */
    uint32_t *nodes;        /* [count] in order of creation: root is the last */
    uint32_t *places;       /* [root + 1] where a node stands in nodes, if it does */
    uint32_t *numbers;      /* [count] n, for a node that is called vn; else 0 */
    uint32_t *uses;         /* [count] how many edges lead to a node */
    uint64_t *first;        /* [count] a node's first edge; the others follow, in operand order */
    ag_real *gradients;     /* [count] d root / d node; 0 for constants */
    ag_real *locals;        /* [edges] */
    ag_real *contributions; /* [edges] upstream * local, as ag_backward computes it */
    void *block;
    size_t size;
} agi_trace;

/* `what` is the function that asks. AG_TOO_LARGE: more than max_nodes. After AG_OK, release it. */
ag_status agi_trace_root(agi_trace *trace, ag_value root, size_t max_nodes, const char *what);
void agi_release_trace(agi_trace *trace);

static inline uint8_t agi_gate_at(const agi_trace *trace, uint32_t place)
{
    return trace->graph->gates[trace->nodes[place]];
}

static inline agi_list agi_operands_at(const agi_trace *trace, uint32_t place)
{
    return agi_list_operands(trace->graph, trace->nodes[place]);
}

/* Whether an edge carries a gradient to this operand. A scan has none of its own. */
static inline bool agi_takes_gradient(const agi_trace *trace, uint32_t operand)
{
    const uint8_t gate = trace->graph->gates[operand];
    return gate != AGI_CONSTANT && gate != AGI_SCAN;
}

/* Values and gradients of a scan are its outputs', and local gradients would be one for each. */
static inline bool agi_is_scan(const agi_trace *trace, uint32_t place)
{
    return agi_gate_at(trace, place) == AGI_SCAN;
}

/* The node's own name; or its number, "2", for a constant; or "v3". */
void agi_put_name(agi_printer *printer, const agi_trace *trace, uint32_t place);
/* "mul(x, v3)"; the operands are left out if there are more than `most`. */
void agi_put_gate(agi_printer *printer, const agi_trace *trace, uint32_t place, size_t most);
/* The formula of the k-th local gradient, with the operands' names; nothing for a closure, or where
 * the formula is a plain number. */
void agi_put_local(agi_printer *printer, const agi_trace *trace, uint32_t place, uint32_t k);

#endif
