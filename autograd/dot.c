/* SPDX-License-Identifier: MIT
 *
 * A root and what it depends on as a Graphviz drawing. The layout is Graphviz' work.
 */
#include "trace.h"

enum {
    MOST_NODES = 500,  /* what dot still lays out in seconds */
    MOST_OPERANDS = 3, /* named in a gate's node; the edges show them all */
};

static void put_line(FILE *file, const char *before, const char *after, ag_real number)
{
    agi_printer printer = {.file = file, .markup = true};
    (void)fputs(before, file);
    agi_put_number(&printer, number);
    (void)fputs(after, file);
}

/* Variables are blue boxes, constants grey ones, gates round, and the root has two lines around. */
static const char *choose_style(const agi_trace *trace, uint32_t place)
{
    const bool root = place == trace->count - 1;
    switch (agi_gate_at(trace, place)) {
    case AGI_VARIABLE:
        return root ? "style=filled, fillcolor=\"#d6e6f5\", peripheries=2"
                    : "style=filled, fillcolor=\"#d6e6f5\"";
    case AGI_CONSTANT:
        return root ? "style=filled, fillcolor=\"#e6e6e6\", peripheries=2"
                    : "style=filled, fillcolor=\"#e6e6e6\"";
    default:
        return root ? "style=\"rounded,filled\", fillcolor=\"#fdf0c4\", peripheries=2"
                    : "style=rounded";
    }
}

static void write_node(FILE *file, const agi_trace *trace, uint32_t place, bool gradient)
{
    const ag_graph *graph = trace->graph;
    const uint32_t node = trace->nodes[place];
    const uint8_t gate = agi_gate_at(trace, place);
    const bool named = trace->numbers[place] != 0 || agi_name_of(graph, node) != NULL;
    agi_printer printer = {.file = file, .markup = true};
    (void)fprintf(file, "  n%lu [%s, label=<", (unsigned long)place, choose_style(trace, place));
    if (named) {
        (void)fputs("<b>", file);
        agi_put_name(&printer, trace, place);
        (void)fputs("</b>", file);
        if (agi_gate_forms[gate] != AGI_FORM_LEAF) {
            (void)fputs("&#160;= ", file); /* SVG would drop a space */
            agi_put_gate(&printer, trace, place, MOST_OPERANDS);
        }
        (void)fputs("<br/>", file);
    }
    if (gate != AGI_SCAN)
        put_line(file, "", "", graph->data[node]);
    if (gradient && gate != AGI_CONSTANT && gate != AGI_SCAN)
        put_line(file, "<br/><font color=\"#c00020\">", "</font>", trace->gradients[place]);
    (void)fputs(">];\n", file);
}

static void write_edges(FILE *file, const agi_trace *trace, uint32_t place, bool local)
{
    const agi_list operands = agi_operands_at(trace, place);
    for (uint32_t k = 0; k < operands.n; k++) {
        const uint32_t operand = trace->places[operands.index[k]];
        (void)fprintf(file, "  n%lu -> n%lu", (unsigned long)operand, (unsigned long)place);
        if (local && !agi_is_scan(trace, place) && agi_takes_gradient(trace, operands.index[k]))
            put_line(file, " [label=\"", "\"]", trace->locals[trace->first[place] + k]);
        (void)fputs(";\n", file);
    }
}

static void write_title(FILE *file, const char *title)
{
    if (title == NULL || title[0] == '\0')
        return;
    agi_printer printer = {.file = file, .markup = true};
    (void)fputs("  labelloc=t;\n  label=<", file);
    agi_put(&printer, title);
    (void)fputs(">;\n", file);
}

ag_status ag_write_dot(ag_value root, FILE *file, const ag_dot_options *options)
{
    static const char what[] = "ag_write_dot";
    static const ag_dot_options defaults = {0};
    ag_graph *graph = root.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    if (file == NULL)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: file is NULL", what);
    if (options == NULL)
        options = &defaults;
    agi_trace trace;
    ag_status status = agi_trace_root(
        &trace, root, options->max_nodes == 0 ? MOST_NODES : options->max_nodes, what);
    if (status != AG_OK)
        return status;
    (void)fputs("digraph wengert {\n"
                "  rankdir=LR; nodesep=0.12; ranksep=0.3; fontname=\"Helvetica\"; fontsize=12;\n"
                "  node [shape=box, fontname=\"Helvetica\", fontsize=10, width=0.3, height=0.2,"
                " margin=\"0.1,0.05\"];\n"
                "  edge [fontname=\"Helvetica\", fontsize=8, fontcolor=\"#707070\","
                " color=\"#909090\", arrowsize=0.5];\n",
                file);
    write_title(file, options->title);
    for (uint32_t i = 0; i < trace.count; i++)
        write_node(file, &trace, i, !options->no_gradients);
    for (uint32_t i = 0; i < trace.count; i++)
        write_edges(file, &trace, i, options->local_gradients);
    (void)fputs("}\n", file);
    agi_release_trace(&trace);
    status = agi_finish_file(file);
    return status == AG_OK ? AG_OK : agi_fail(graph, status, "%s: writing failed", what);
}
