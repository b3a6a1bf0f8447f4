/* SPDX-License-Identifier: MIT
 *
 * Writes the gate table for the reference, a line a gate: name, arity, value, domain, edges, local
 * gradients, separated by tabs. A comparison's line has its symbol alone.
 */
#include <stdio.h>
#include <wengert/autograd.h>

static void print_gate(const ag_gate_info *gate)
{
    printf("%s\t%zu\t%s\t%s\t%s", gate->name, gate->arity, gate->value, gate->domain, gate->edges);
    for (size_t i = 0; i < 3 && gate->local[i] != NULL; i++)
        printf("\t%s", gate->local[i]);
    printf("\n");
}

int main(void)
{
    size_t count;
    const ag_gate_info *gates = ag_gate_table(&count);
    for (size_t i = 0; i < count; i++)
        print_gate(&gates[i]);
#define AG_COMPARE(name, value, symbol) printf("%s\t%s\n", #name, symbol);
#include <wengert/gates.def>
    return 0;
}
