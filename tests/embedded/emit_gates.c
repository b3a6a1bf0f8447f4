/* SPDX-License-Identifier: MIT
 *
 * Writes every gate of the table with its gradient as C with float numbers, and what a program that
 * calls them needs to know: emit_gates [--small-libm] DIRECTORY makes gates.c, gates.h, and cases.h
 * with lines of
 *
 *     GATE(function, outputs, operands...)       a sample: value and gradient come out
 *     COMPARISON(function, operands...)          recorded as it is; an int comes out, too
 */
#include "gate_list.h"

#include <wengert/program.h>

enum {
    TERMS = 4, /* of gates with any number of operands: as many as a sample has */
    INPUTS = 2 * TERMS,
    FUNCTIONS = 256,
    NAME = 40
};

typedef bool comparison(ag_value a, ag_value b);

static char names[FUNCTIONS][NAME];
static ag_c_function functions[FUNCTIONS];
static size_t count;
static FILE *cases;

static _Noreturn void stop(const char *what, const char *message)
{
    (void)fprintf(stderr, "emit_gates: %s: %s\n", what, message);
    exit(1);
}

static void add(const char *kind, const char *name, ag_graph *graph, const ag_signature *signature)
{
    ag_program *program = ag_compile(signature, NULL);
    if (program == NULL || count == FUNCTIONS)
        stop(name, ag_error_message(graph));
    (void)snprintf(names[count], NAME, "%s_%s", kind, name);
    functions[count] = (ag_c_function){.name = names[count], .program = program};
    count++;
    ag_graph_free(graph);
}

static size_t lay_out(const gate *g, const point *sample, ag_real *operands)
{
    const size_t terms = g->arity != 0 ? g->arity : TERMS;
    for (size_t i = 0; i < terms; i++) {
        operands[i * g->width] = (ag_real)sample->at[i];
        if (g->width == 2)
            operands[i * 2 + 1] = (ag_real)choose_partner(i);
    }
    return terms * g->width;
}

static void add_recorded(const gate *g, size_t n, const ag_real *operands)
{
    ag_value leaves[INPUTS], outputs[1 + INPUTS];
    outputs[0] = record(g, n, operands, leaves);
    ag_graph *graph = outputs[0].graph;
    if (ag_gradient(outputs[0], n, leaves, outputs + 1) != AG_OK)
        stop(g->name, ag_error_message(graph));
    add("gate", g->name, graph,
        &(const ag_signature){.each = leaves, .each_count = n, .map = outputs, .map_count = 1 + n});
}

static void add_gate(const gate *g)
{
    ag_real operands[INPUTS];
    visit(add_recorded, g, lay_out(g, g->samples, operands), operands);
    for (const point *sample = g->samples; sample->n != 0; sample++) {
        const size_t n = lay_out(g, sample, operands);
        (void)fprintf(cases, "GATE(gate_%s, %zu", g->name, 1 + n);
        for (size_t i = 0; i < n; i++)
            (void)fprintf(cases, ", %.9eF", (double)operands[i]);
        (void)fprintf(cases, ")\n");
    }
}

static void add_comparison(const char *name, comparison *compare)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value leaves[] = {ag_variable(graph, 2), ag_variable(graph, 1)};
    (void)compare(leaves[0], leaves[1]);
    const ag_value sum = ag_add(leaves[0], leaves[1]);
    add("compare", name, graph,
        &(const ag_signature){.each = leaves, .each_count = 2, .map = &sum, .map_count = 1});
    for (int a = 1; a <= 3; a++)
        (void)fprintf(cases, "COMPARISON(compare_%s, %d, 2)\n", name, a);
}

static FILE *open_file(const char *directory, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%.900s/%s", directory, name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        stop(path, "can't be written");
    return file;
}

int main(int argc, char **argv)
{
    const bool small = argc == 3 && strcmp(argv[1], "--small-libm") == 0;
    if (argc != 2 + small)
        stop("usage", "emit_gates [--small-libm] DIRECTORY");
    const char *directory = argv[argc - 1];
    cases = open_file(directory, "cases.h");
    for (size_t i = 0; i < GATES; i++)
        add_gate(&gates[i]);
#define AG_COMPARE(name, ...) add_comparison(#name, ag_##name);
#include <wengert/gates.def>

    FILE *source = open_file(directory, "gates.c"), *header = open_file(directory, "gates.h");
    ag_error_details error = {0};
    const ag_emit_options options = {
        .use_float = true, .static_workspace = true, .small_libm = small, .header_name = "gates.h"};
    if (ag_emit_c(count, functions, &options, source, header, &error) != AG_OK)
        stop("ag_emit_c", error.message);
    while (count > 0)
        ag_program_free((ag_program *)functions[--count].program);
    FILE *const files[] = {cases, source, header};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (ferror(files[i]) || fclose(files[i]) != 0)
            stop(directory, "writing failed");
    return 0;
}
