/* SPDX-License-Identifier: MIT
 *
 * wengert gates: the gate table, for terminals, for programs, for slides.
 */
#include "command.h"
#include "formula_latex.h"
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wengert/autograd.h>

typedef struct gate_list {
    size_t count;
    const ag_gate_info **items;
} gate_list;

/* What is said of a gate, line by line. */
typedef struct column {
    size_t count;
    char **lines;
} column;

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
static char *
format_text(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = allocate((size_t)length + 1, 1);
    va_start(list, format);
    (void)vsnprintf(text, (size_t)length + 1, format, list);
    va_end(list);
    return text;
}

/* Takes the text over. */
static void add_line(column *c, char *text)
{
    char **lines = allocate(c->count + 1, sizeof(*lines));
    for (size_t i = 0; i < c->count; i++)
        lines[i] = c->lines[i];
    free(c->lines);
    c->lines = lines;
    lines[c->count++] = text;
}

static void free_column(column *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->lines[i]);
    free(c->lines);
}

static char *typeset(char *(*how)(const char *), const char *text)
{
    char *latex = how(text);
    if (latex == NULL)
        end_without_memory();
    return latex;
}

/* ---- A line of the table --------------------------------------------------------------------- */

enum {
    MOST_OPERANDS = 3
};

/* What the table calls the operands, by arity; where there may be any number of them, each is x when
 * it is derived for, and examples have two. */
static const struct {
    const char *names, *derived[MOST_OPERANDS];
} operands[] = {
    {"(x1, x2)", {"x"}},
    {"x", {"x"}},
    {"(a, b)", {"a", "b"}},
    {"(c, a, b)", {"c", "a", "b"}},
};

static size_t count_gradients(const ag_gate_info *gate)
{
    return gate->arity == 0 ? 1 : gate->arity;
}

/* A convention at a kink or at the rim of the domain. */
typedef struct edge {
    size_t count; /* of operands, and of their local gradients */
    int at_length, gradients_length;
    const char *at, *gradients; /* in the table: "2, 2" and "1, 0" */
} edge;

/* Reads " (2, 2, 1, 0)" at *text and moves past it. */
static bool read_edge(const char **text, edge *e)
{
    const char *begin = *text + strspn(*text, " (");
    const size_t length = strcspn(begin, ")");
    size_t commas = 0, half = 0;
    for (size_t i = 0; i < length; i++)
        commas += begin[i] == ',';
    e->count = (commas + 1) / 2;
    for (size_t i = 0; half < length; half++)
        if (begin[half] == ',' && ++i == e->count)
            break;
    e->at = begin;
    e->at_length = (int)half;
    e->gradients = begin + half + strspn(begin + half, ", ");
    e->gradients_length = (int)(begin + length - e->gradients);
    *text = begin + length + (begin[length] == ')');
    return length > 0;
}

/* The parts of the domain, and the edges. */
static void add_notes(column *c, const ag_gate_info *gate, bool latex)
{
    for (const char *part = gate->domain; *part != '\0';) {
        const size_t length = strcspn(part, ";");
        char *line = format_text("%.*s", (int)length, part);
        if (latex) {
            char *formula = typeset(typeset_formula, line);
            free(line);
            line = format_text("$%s$", formula);
            free(formula);
        }
        add_line(c, line);
        part += length + strspn(part + length, "; ");
    }
    edge e;
    for (const char *text = gate->edges; read_edge(&text, &e);) {
        const char *form = e.count == 1 ? "%s = %.*s" : "%s = (%.*s)";
        char *at = format_text(form, operands[gate->arity].names, e.at_length, e.at);
        char *gradients = format_text("%.*s", e.gradients_length, e.gradients);
        if (latex) {
            char *at_latex = typeset(typeset_formula, at);
            char *gradients_latex = typeset(typeset_formula, gradients);
            add_line(c, format_text("at $%s$: $%s$", at_latex, gradients_latex));
            free(at_latex);
            free(gradients_latex);
        } else {
            add_line(c, format_text("at %s: %s", at, gradients));
        }
        free(at);
        free(gradients);
    }
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Without a pair of parentheses around all of it. */
static char *open_formula(const char *formula)
{
    const size_t length = strlen(formula);
    size_t depth = 0;
    bool around = length > 1 && *formula == '(';
    for (size_t i = 0; i + 1 < length; i++) {
        depth += formula[i] == '(';
        depth -= formula[i] == ')';
        around = around && depth > 0;
    }
    return format_text("%.*s", (int)length - 2 * around, formula + around);
}

static void add_formulas(column *c, const ag_gate_info *gate)
{
    for (size_t i = 0; i <= count_gradients(gate); i++) {
        char *formula = open_formula(i == 0 ? gate->value : gate->local[i - 1]);
        add_line(
            c, i == 0 ? format_text("y = %s", formula)
                      : format_text("dy/d%s = %s", operands[gate->arity].derived[i - 1], formula));
        free(formula);
    }
}

static int widest(int width, const char *text)
{
    const int length = (int)strlen(text);
    return length > width ? length : width;
}

static void print_text(const gate_list *gates)
{
    static const char *const heads[] = {"gate", "value y, local gradients",
                                        "domain; gradients at kinks and edges"};
    int width = widest(0, heads[0]), formula_width = widest(0, heads[1]);
    column *formulas = allocate(gates->count, sizeof(*formulas));
    for (size_t i = 0; i < gates->count; i++) {
        width = widest(width, gates->items[i]->name);
        add_formulas(&formulas[i], gates->items[i]);
        for (size_t k = 0; k < formulas[i].count; k++)
            formula_width = widest(formula_width, formulas[i].lines[k]);
    }
    printf("%-*s  %-*s  %s\n", width, heads[0], formula_width, heads[1], heads[2]);
    for (size_t i = 0; i < gates->count; i++) {
        column notes = {0};
        add_notes(&notes, gates->items[i], false);
        for (size_t k = 0; k < formulas[i].count || k < notes.count; k++) {
            const char *left = k < formulas[i].count ? formulas[i].lines[k] : "";
            printf("%-*s  ", width, k == 0 ? gates->items[i]->name : "");
            if (k < notes.count)
                printf("%-*s  %s\n", formula_width, left, notes.lines[k]);
            else
                printf("%s\n", left);
        }
        free_column(&notes);
        free_column(&formulas[i]);
    }
    free(formulas);
}

/* ---- LaTeX ----------------------------------------------------------------------------------- */

static const char before_table[] =
    "%% wengert gates --latex, of version %s: \\input this where the table belongs.\n"
    "%% It needs \\usepackage{amsmath%s} and lines of %s cm.\n"
    "{\\small\\setlength{\\tabcolsep}{4pt}\\renewcommand{\\arraystretch}{1.3}\n"
    "\\begin{%s}{@{}llll@{}}\n"
    "gate & value & local gradients & domain; gradients at edges \\\\ \\hline%s\n";

static void print_gate_latex(const ag_gate_info *gate)
{
    column notes = {0};
    add_notes(&notes, gate, true);
    char *name = typeset(typeset_words, gate->name), *value = typeset(typeset_formula, gate->value);
    const size_t gradients = count_gradients(gate);
    const size_t rows = notes.count > gradients ? notes.count : gradients;
    for (size_t i = 0; i < rows; i++) {
        if (i == 0)
            printf("\\texttt{%s} & $\\displaystyle y = %s$ & ", name, value);
        else
            printf(" & & ");
        if (i < gradients) {
            char *local = typeset(typeset_formula, gate->local[i]);
            printf("$\\displaystyle \\partial y / \\partial %s = %s$",
                   operands[gate->arity].derived[i], local);
            free(local);
        }
        /* a page does not end within a gate; a row's own extra space is lost beside a fraction */
        printf(" & %s %s\n", i < notes.count ? notes.lines[i] : "",
               i + 1 < rows ? "\\\\*\\noalign{\\vskip 4pt}" : "\\\\\\noalign{\\vskip 6pt}");
    }
    free(name);
    free(value);
    free_column(&notes);
}

/* The whole table goes over pages; a few gates go onto a slide, where a longtable may not stand. */
static void print_latex(const gate_list *gates, bool all)
{
    const char *environment = all ? "longtable" : "tabular";
    printf(before_table, ag_version(), all ? ",longtable" : "", all ? "18" : "13 to 18",
           environment, all ? " \\endhead" : "");
    for (size_t i = 0; i < gates->count; i++)
        print_gate_latex(gates->items[i]);
    printf("\\end{%s}}\n", environment);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void report_edges(report *object, const char *edges)
{
    report *list = report_list(object, "edges");
    edge e;
    while (read_edge(&edges, &e)) {
        double numbers[2 * MOST_OPERANDS];
        const char *at = e.at;
        for (size_t i = 0; i < 2 * e.count && i < 2 * MOST_OPERANDS; i++) {
            char *end;
            numbers[i] = strtod(at, &end);
            at = end + strspn(end, ", ");
        }
        report *item = report_item(list);
        report_numbers(item, "at", e.count, numbers);
        report_numbers(item, "gradients", e.count, numbers + e.count);
    }
}

static void print_json(const gate_list *gates)
{
    report *object = report_new();
    report *list = report_list(object, "gates");
    for (size_t i = 0; i < gates->count; i++) {
        const ag_gate_info *gate = gates->items[i];
        report *item = report_item(list);
        report_text(item, "name", gate->name);
        report_text(item, "value", gate->value);
        report *gradients = report_list(item, "local_gradients");
        for (size_t k = 0; k < count_gradients(gate); k++) {
            report *gradient = report_item(gradients);
            report_text(gradient, "for", operands[gate->arity].derived[k]);
            report_text(gradient, "formula", gate->local[k]);
        }
        report_flag(item, "any_number_of_operands", gate->arity == 0);
        report_text(item, "domain", gate->domain);
        report_edges(item, gate->edges);
    }
    report_print(object);
}

/* ---- The command ----------------------------------------------------------------------------- */

static int refuse_gate(const command_line *a, const char *name, size_t count,
                       const ag_gate_info *table)
{
    const char **names = allocate(count, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = table[i].name;
    const char *near = find_nearest(name, strlen(name), count, names);
    free(names);
    return near == NULL
               ? fail(a, MISUSED, "there is no gate \"%.40s\"; wengert gates lists them", name)
               : fail(a, MISUSED, "there is no gate \"%.40s\": did you mean \"%s\"?", name, near);
}

/* All of them, or those that are named, in that order. */
static int choose_gates(const command_line *a, gate_list *gates)
{
    size_t count;
    const ag_gate_info *table = ag_gate_table(&count);
    gates->count = a->count == 0 ? count : a->count;
    gates->items = allocate(gates->count, sizeof(*gates->items));
    for (size_t i = 0; i < gates->count; i++) {
        size_t k = i;
        if (a->count > 0)
            for (k = 0; k < count && strcmp(table[k].name, a->operands[i]) != 0;)
                k++;
        if (k == count)
            return refuse_gate(a, a->operands[i], count, table);
        gates->items[i] = &table[k];
    }
    return DONE;
}

static int run(const command_line *a)
{
    if (a->json && has_option(a, "latex"))
        return fail(a, MISUSED, "--json and --latex: only one of the two");
    gate_list gates = {0};
    const int status = choose_gates(a, &gates);
    if (status == DONE && a->json)
        print_json(&gates);
    else if (status == DONE && has_option(a, "latex"))
        print_latex(&gates, a->count == 0);
    else if (status == DONE)
        print_text(&gates);
    free(gates.items);
    return status;
}

static void print_words(FILE *file)
{
    size_t count;
    const ag_gate_info *table = ag_gate_table(&count);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(file, "%s%s", i == 0 ? "" : " ", table[i].name);
}

const subcommand gates_command = {
    .name = "gates",
    .operands = "[GATE]...",
    .summary = "the table of gates",
    .description =
        "Prints each gate's value y, its local gradients, where these are numbers, and\n"
        "which gradient holds by convention at a kink or at the edge of the domain. In\n"
        "going backward, the gradient of an operand is the gradient of y times the\n"
        "local gradient, and 0 where the gradient of y is 0. Operands are x, or a and b,\n"
        "or c, a and b; of gates with any number of them (sum, dot, ...) x is the one\n"
        "that is derived for. With names, prints these gates only.\n"
        "\n"
        "With --latex, prints a table to \\input: the whole one as a longtable, chosen\n"
        "gates as a tabular that fits on a slide. It needs the package amsmath, and the\n"
        "whole one longtable.\n",
    .examples = "wengert gates\n"
                "wengert gates tanh max --latex\n"
                "wengert gates log --json\n",
    .options = (const option[]){{"latex", 'l', NULL, NULL, "print LaTeX"}, {0}},
    .print_words = print_words,
    .run = run,
};
