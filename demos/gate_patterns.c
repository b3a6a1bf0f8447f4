/* SPDX-License-Identifier: MIT
 *
 * What gates do to the gradient that comes back to them. Four patterns to know by heart:
 *
 *     add distributes    both operands get the upstream gradient as it is
 *     mul swaps          each operand gets the upstream times the other operand
 *     copy adds          a value used twice gets the sum of what both uses send back
 *     max routes         the larger operand gets all of it, the other nothing
 *
 * Copy is no gate of the engine: it is what happens when your code uses a value twice, and its rule
 * is why gradients are added up (+=) and never just stored.
 */
#include "picture.h"

#include <wengert/autograd.h>

enum {
    PATTERNS = 4,
    MOST = 2, /* wires on either side of a gate */
};

typedef struct pattern {
    const char *title;
    const char *symbol;
    int inputs, outputs;
    ag_value in[MOST], out[MOST];
    ag_real upstream[MOST]; /* what comes back to the outputs from the rest of some circuit */
} pattern;

static void print_cell(int n, ag_real first, ag_real second)
{
    char text[32];
    if (n == 1)
        snprintf(text, sizeof(text), "%g", (double)first);
    else
        snprintf(text, sizeof(text), "%g, %g", (double)first, (double)second);
    printf("  %8s", text);
}

static void print_pattern(const pattern *p)
{
    printf("%-15s", p->title);
    print_cell(p->inputs, ag_data(p->in[0]), ag_data(p->in[1]));
    print_cell(p->outputs, ag_data(p->out[0]), ag_data(p->out[1]));
    print_cell(p->outputs, p->upstream[0], p->upstream[1]);
    print_cell(p->inputs, ag_grad(p->in[0]), ag_grad(p->in[1]));
    printf("\n");
}

/* A wire's end, with the value above the gradient. */
static void draw_end(FILE *file, const char *end, ag_value value, ag_real gradient)
{
    fprintf(file,
            "    %s [shape=plaintext, label=<<font color=\"#007020\">%g</font><br/>"
            "<font color=\"#c00020\">%g</font>>];\n",
            end, (double)ag_data(value), (double)gradient);
}

static void draw_pattern(FILE *file, int number, const pattern *p)
{
    char gate[16], end[24];
    snprintf(gate, sizeof(gate), "gate%d", number);
    fprintf(file, "  subgraph cluster%d {\n    label=\"%s\";\n    %s [label=\"%s\"];\n", number,
            p->title, gate, p->symbol);
    for (int i = 0; i < p->inputs; i++) {
        snprintf(end, sizeof(end), "in%d_%d", number, i);
        draw_end(file, end, p->in[i], ag_grad(p->in[i]));
        fprintf(file, "    %s -> %s;\n", end, gate);
    }
    for (int i = p->outputs; i-- > 0;) { /* the first drawn is the lowest */
        snprintf(end, sizeof(end), "out%d_%d", number, i);
        draw_end(file, end, p->out[i], p->upstream[i]);
        fprintf(file, "    %s -> %s;\n", gate, end);
    }
    fprintf(file, "  }\n");
}

static void draw_patterns(FILE *file, const pattern *patterns)
{
    fprintf(file, "digraph patterns {\n"
                  "  rankdir=LR; color=\"#c0c0c0\"; fontname=\"Helvetica\";\n"
                  "  ordering=out; label=\"values (green) go right, gradients (red) come back\";\n"
                  "  node [shape=circle, fixedsize=true, width=0.6, fontname=\"Helvetica\"];\n"
                  "  edge [arrowsize=0.7];\n");
    for (int i = PATTERNS; i-- > 0;)
        draw_pattern(file, i, &patterns[i]);
    fprintf(file, "}\n");
}

int main(int argc, char **argv)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value a = ag_variable(graph, 3), b = ag_variable(graph, 4);
    ag_value c = ag_variable(graph, 2), d = ag_variable(graph, 3);
    ag_value e = ag_variable(graph, 7);
    ag_value g = ag_variable(graph, 4), h = ag_variable(graph, 5);
    const pattern patterns[PATTERNS] = {
        {"add distributes", "+", 2, 1, {a, b}, {ag_add(a, b)}, {2}},
        {"mul swaps", "×", 2, 1, {c, d}, {ag_mul(c, d)}, {5}},
        {"copy adds", "copy", 1, 2, {e}, {e, e}, {4, 2}},
        {"max routes", "max", 2, 1, {g, h}, {ag_max(g, h)}, {9}},
    };

    printf("%-15s  %8s  %8s  %8s  downstream\n", "pattern", "in", "out", "upstream");
    for (int i = 0; i < PATTERNS; i++) {
        const pattern *p = &patterns[i];
        ag_backward_from((size_t)p->outputs, p->out, p->upstream);
        print_pattern(p);
    }

    picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "gate_patterns.dot");
    if (drawing.file != NULL) {
        draw_patterns(drawing.file, patterns);
        close_picture(&drawing);
    }

    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed;
}
