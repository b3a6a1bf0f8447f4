/* SPDX-License-Identifier: MIT
 *
 * A root's forward and backward pass as a list, for JSON and for pages: every node that reaches the
 * root with its value and gradient, every operand with its local gradient and what went back to it.
 * ag_explain prints the same as text; the names are the same.
 */
#ifndef WENGERT_STEPS_H
#define WENGERT_STEPS_H

#include "circuit.h"

typedef struct step_edge {
    size_t operand; /* its place among the nodes */
    double local;   /* NaN where there is none */
    double contribution;
    bool carries; /* whether a gradient goes back: not to constants */
} step_edge;

typedef struct step_node {
    const char *name; /* both the graph's, or made up */
    const char *gate;
    char made[32];
    double value, gradient;
    size_t operand_count;
    step_edge *edges; /* operand_count, in operand order */
} step_node;

typedef struct steps {
    size_t count; /* the root is the last */
    step_node *nodes;
    step_edge *edges; /* all of them */
} steps;

/* Runs backward from the circuit's root: once for a circuit, since leaves add up what passes leave.
 * DONE, or FAILED, and said. Free it, either way. */
int find_steps(const circuit *circuit, steps *steps);
void free_steps(steps *steps);

#endif
