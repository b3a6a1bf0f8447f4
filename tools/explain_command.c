/* SPDX-License-Identifier: MIT
 *
 * wengert explain: forward and backward, gate by gate.
 */
#include "circuit.h"
#include "picture_file.h"
#include "report.h"
#include "steps.h"
#include "trace_page.h"

#include <stdlib.h>

static void put_contributions(report *node, const steps *s, size_t i)
{
    report *list = report_list(node, "operands");
    for (size_t k = 0; k < s->nodes[i].operand_count; k++) {
        const step_edge *edge = &s->nodes[i].edges[k];
        report *item = report_item(list);
        report_text(item, "name", s->nodes[edge->operand].name);
        report_number(item, "local_gradient", edge->local);
        report_number(item, "contribution", edge->contribution);
    }
}

static void print_json(const steps *s)
{
    report *object = report_new();
    report *list = report_list(object, "nodes");
    for (size_t i = 0; i < s->count; i++) {
        report *node = report_item(list);
        report_text(node, "name", s->nodes[i].name);
        report_text(node, "gate", s->nodes[i].gate);
        report_number(node, "value", s->nodes[i].value);
        report_number(node, "gradient", s->nodes[i].gradient);
        put_contributions(node, s, i);
    }
    report_print(object);
}

static int explain(const circuit *c)
{
    const bool json = c->arguments->json;
    const char *path = get_option(c->arguments, "html");
    if (path != NULL && find_ending(c->arguments, path, "html htm") == NULL)
        return MISUSED;
    if (path == NULL && !json)
        return ag_explain(c->root, stdout) == AG_OK ? DONE : fail_circuit(c);
    steps s;
    int status = find_steps(c, &s);
    if (status == DONE && path != NULL)
        status = write_trace_page(c, &s, path);
    if (status == DONE && json)
        print_json(&s);
    free_steps(&s);
    return status;
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = open_circuit(&c, arguments, NUMBERS);
    if (status == DONE)
        status = explain(&c);
    close_circuit(&c);
    return status;
}

const subcommand explain_command = {
    .name = "explain",
    .operands = EXPRESSION_OPERANDS,
    .summary = "forward and backward, gate by gate",
    .description =
        "Prints two tables. Forward: each gate with its operands and its value. Backward:\n"
        "what each gate hands back to each operand, upstream gradient times local\n"
        "gradient, and the sum of it where a value is used more than once.\n"
        "\n"
        "With --html, writes a page instead that steps through the same, on the picture\n"
        "of the graph; it needs no network.\n",
    .examples = "wengert explain 'log(x*y)' x=2 y=3\n"
                "wengert explain '1/(1 + exp(-(w*x + b)))' w=2 x=-1 b=1 --html sigmoid.html\n",
    .options = (const option[]){EXPRESSION_OPTION,
                                {"html", 0, "FILE", NULL, "write a page to step through"},
                                DIGITS_OPTION,
                                {0}},
    .run = run,
};
