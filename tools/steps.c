/* SPDX-License-Identifier: MIT
 *
 * The two passes as a list, read off the graph by its public interface.
 */
#include "steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As ag_explain calls them: by its name, its number, or v1, v2, ..., past those that are names. */
static void name_node(const circuit *c, step_node *node, ag_value value, size_t *number)
{
    node->name = ag_name_of(value);
    if (node->name != NULL)
        return;
    node->name = node->made;
    if (strcmp(node->gate, "constant") == 0)
        (void)snprintf(node->made, sizeof(node->made), "%.6g", node->value);
    else
        do
            (void)snprintf(node->made, sizeof(node->made), "v%zu", ++*number);
        while (!ag_is_null(ag_find(c->graph, node->made)));
}

/* A value's place: handles of one graph compare by index. */
static size_t find_place(size_t count, const ag_value *order, ag_value value)
{
    size_t low = 0, high = count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (order[middle].index <= value.index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The zero rule, and nothing to an operand that the gate did not look at. */
static double contribute(double upstream, double local)
{
    return upstream == 0 || local == 0 ? 0 : upstream * local;
}

static void fill_node(steps *s, size_t i, const ag_value *order)
{
    step_node *node = &s->nodes[i];
    for (size_t k = 0; k < node->operand_count; k++) {
        const ag_value operand = ag_operand(order[i], k);
        step_edge *edge = &node->edges[k];
        edge->operand = find_place(s->count, order, operand);
        edge->carries = strcmp(ag_gate_name(operand), "constant") != 0 &&
                        strcmp(ag_gate_name(order[i]), "detach") != 0;
        edge->local = (double)ag_local_gradient(order[i], k);
        edge->contribution = edge->carries ? contribute(node->gradient, edge->local) : 0;
    }
}

static void list_nodes(const circuit *c, steps *s, const ag_value *order)
{
    size_t edges = 0, number = 0;
    s->nodes = allocate(s->count, sizeof(*s->nodes));
    for (size_t i = 0; i < s->count; i++)
        edges += ag_operand_count(order[i]);
    s->edges = allocate(edges, sizeof(*s->edges));
    edges = 0;
    for (size_t i = 0; i < s->count; i++) {
        step_node *node = &s->nodes[i];
        node->gate = ag_gate_name(order[i]);
        node->value = (double)ag_data(order[i]);
        node->gradient = (double)ag_grad(order[i]);
        node->operand_count = ag_operand_count(order[i]);
        node->edges = s->edges + edges;
        edges += node->operand_count;
        name_node(c, node, order[i], &number);
    }
    for (size_t i = 0; i < s->count; i++)
        fill_node(s, i, order);
}

int find_steps(const circuit *c, steps *s)
{
    *s = (steps){0};
    if (ag_backward(c->root) != AG_OK)
        return fail_circuit(c);
    s->count = ag_topological_order(c->root, NULL, 0);
    ag_value *order = allocate(s->count, sizeof(*order));
    const size_t found = ag_topological_order(c->root, order, s->count);
    if (found == s->count && found > 0)
        list_nodes(c, s, order);
    free(order);
    return found > 0 ? DONE : fail_circuit(c);
}

void free_steps(steps *s)
{
    free(s->nodes);
    free(s->edges);
}
