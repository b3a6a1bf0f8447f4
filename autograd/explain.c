/* SPDX-License-Identifier: MIT
 *
 * A root in two tables: how its value came about, and how its gradient went back, edge by edge.
 */
#include "trace.h"

#include <string.h>

static void put_name_cell(agi_printer *printer, const agi_trace *trace, uint32_t place)
{
    agi_put_name(printer, trace, place);
    agi_end_cell(printer);
}

/* A constant without a name stands as a number where it is used, and needs no line of its own. */
static bool has_line(const agi_trace *trace, uint32_t place)
{
    return agi_gate_at(trace, place) != AGI_CONSTANT || place == trace->count - 1 ||
           agi_name_of(trace->graph, trace->nodes[place]) != NULL;
}

static void print_forward(agi_printer *printer, const agi_trace *trace)
{
    agi_put_heading(printer, "step");
    agi_put_cell(printer, "node");
    agi_put_cell(printer, "= gate");
    agi_put_heading(printer, "value");
    agi_end_row(printer);
    uint32_t step = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        if (!has_line(trace, i))
            continue;
        char text[16];
        (void)snprintf(text, sizeof(text), "%lu", (unsigned long)++step);
        agi_put_heading(printer, text);
        put_name_cell(printer, trace, i);
        agi_put(printer, "= ");
        agi_put_gate(printer, trace, i, SIZE_MAX);
        agi_end_cell(printer);
        if (!agi_is_scan(trace, i))
            agi_put_number_cell(printer, trace->graph->data[trace->nodes[i]]);
        agi_end_row(printer);
    }
}

/* Where it begins: d root / d root. */
static void print_seed(agi_printer *printer, const agi_trace *trace)
{
    const uint32_t root = trace->count - 1;
    put_name_cell(printer, trace, root);
    for (int column = 1; column < 5; column++)
        agi_end_cell(printer);
    agi_put_cell(printer, "=");
    agi_put_number_cell(printer, trace->gradients[root]);
    agi_end_row(printer);
}

/* One edge; sum is what the operand's gradient has come to. */
static void print_edge(agi_printer *printer, const agi_trace *trace, uint32_t place, uint32_t k,
                       uint32_t operand, ag_real sum)
{
    const uint64_t edge = trace->first[place] + k;
    put_name_cell(printer, trace, operand);
    agi_put(printer, "<- ");
    put_name_cell(printer, trace, place);
    if (agi_is_scan(trace, place)) {
        agi_end_cell(printer);
    } else {
        agi_put_number_cell(printer, trace->gradients[place]);
        agi_put(printer, "* ");
        agi_put_number(printer, trace->locals[edge]);
    }
    agi_end_cell(printer);
    agi_put_local(printer, trace, place, k);
    agi_end_cell(printer);
    agi_put_cell(printer, "=");
    agi_put_number_cell(printer, trace->contributions[edge]);
    if (trace->uses[operand] > 1)
        agi_put_number_cell(printer, sum);
    agi_end_row(printer);
}

/* sums has trace->count elements. */
static void print_backward(agi_printer *printer, const agi_trace *trace, ag_real *sums)
{
    memset(sums, 0, trace->count * sizeof(*sums));
    agi_put_cell(printer, "node");
    agi_put_cell(printer, "<- gate");
    agi_put_heading(printer, "upstream");
    agi_put_cell(printer, "* local");
    agi_put_cell(printer, "formula");
    agi_put_cell(printer, "=");
    agi_put_heading(printer, "contribution");
    agi_put_heading(printer, "sum");
    agi_end_row(printer);
    print_seed(printer, trace);
    for (uint32_t i = trace->count; i-- > 0;) {
        const agi_list operands = agi_operands_at(trace, i);
        if (agi_gate_at(trace, i) == AGI_DETACH)
            continue;
        for (uint32_t k = 0; k < operands.n; k++) {
            if (!agi_takes_gradient(trace, operands.index[k]))
                continue;
            const uint32_t operand = trace->places[operands.index[k]];
            sums[operand] += trace->contributions[trace->first[i] + k];
            print_edge(printer, trace, i, k, operand, sums[operand]);
        }
    }
}

ag_status ag_explain(ag_value root, FILE *file)
{
    static const char what[] = "ag_explain";
    ag_graph *graph = root.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    if (file == NULL)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: file is NULL", what);
    agi_trace trace;
    ag_status status = agi_trace_root(&trace, root, SIZE_MAX, what);
    if (status != AG_OK)
        return status;
    const size_t size = trace.count * sizeof(ag_real);
    ag_real *sums = (ag_real *)agi_resize(graph, NULL, 0, size);
    if (sums == NULL) {
        agi_release_trace(&trace);
        return agi_fail_memory(graph, what);
    }
    agi_printer forward = {0}, backward = {0};
    print_forward(&forward, &trace);
    print_backward(&backward, &trace, sums);
    forward.file = backward.file = file;
    (void)fputs("Forward\n", file);
    print_forward(&forward, &trace);
    (void)fputs("\nBackward: upstream * local = contribution\n", file);
    print_backward(&backward, &trace, sums);
    agi_release(graph, sums, size);
    agi_release_trace(&trace);
    status = agi_finish_file(file);
    return status == AG_OK ? AG_OK : agi_fail(graph, status, "%s: writing failed", what);
}
