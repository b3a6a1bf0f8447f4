/* SPDX-License-Identifier: MIT
 *
 * What a drawing shows of a graph: which scopes are boxes and which are frames, what is inside them,
 * which values have wires, and which of these are drawn as one. Where things stand on the paper is
 * Graphviz' work.
 */
#ifndef WENGERT_DRAWING_H
#define WENGERT_DRAWING_H

#include "trace.h"

/* A scope with nodes that reach the root; the others keep level 0. */
typedef struct agi_scope_frame {
    uint32_t up;               /* the scope around it; AGI_NO_INDEX: none */
    uint32_t level;            /* 1: an outermost one */
    uint32_t number;           /* among those of its name around it, from 1; 0: the only one */
    uint32_t box;              /* the scope, itself or around it, that is drawn as a box */
    uint32_t frame;            /* the innermost one, itself or around it, that is a frame */
    uint32_t gates, variables; /* inside, if it is a box */
    uint32_t used;             /* whether it is drawn */
} agi_scope_frame;

/* Places are the trace's. AGI_NO_INDEX: none. */
typedef struct agi_drawing {
    agi_trace trace;
    uint32_t scopes;         /* of the graph */
    uint32_t drawn;          /* wires and boxes */
    uint32_t widest;         /* the most edges that lead to a gate or box, or away from a wire */
    agi_scope_frame *frames; /* [scopes] */
    uint32_t *box;           /* [count] the scope that is drawn in the node's stead */
    uint32_t *frame;         /* [count] the innermost frame around it */
    uint32_t *owner; /* [count] a leaf that stands beside the only gate that uses it: the gate */
    uint32_t *wire;  /* [count] whose wire shows the value: itself, or the first of many */
    uint32_t *alike; /* [count] how many values the wire shows */
    uint32_t *seen;  /* [count] the box that met the wire last */
    void *block;
    size_t size;
} agi_drawing;

/* fold and max_nodes are the options'. After AG_OK, release it. */
ag_status agi_draw(agi_drawing *drawing, ag_value root, size_t fold, size_t max_nodes,
                   const char *what);
void agi_release_drawing(agi_drawing *drawing);

/* Whether this box meets the wire for the first time since they were forgotten. */
void agi_forget_meetings(agi_drawing *drawing);
bool agi_meets(agi_drawing *drawing, uint32_t box, uint32_t wire);

/* Whether operand k, a constant without a name, is written inside the gate's circle. */
bool agi_is_inside(const agi_trace *trace, uint32_t place, uint32_t k);

static inline bool agi_is_leaf(const agi_trace *trace, uint32_t place)
{
    return agi_gate_forms[agi_gate_at(trace, place)] == AGI_FORM_LEAF;
}

/* An output of a call or scan stands for no gate of its own. */
static inline bool agi_is_output(const agi_trace *trace, uint32_t place)
{
    return agi_gate_at(trace, place) == AGI_PROJECT;
}

static inline bool agi_has_name(const agi_trace *trace, uint32_t place)
{
    return agi_name_of(trace->graph, trace->nodes[place]) != NULL;
}

#endif
