/* SPDX-License-Identifier: MIT
 *
 * wengert grad: a value and its gradient.
 */
#include "circuit.h"
#include "report.h"

#include <string.h>

static void print_text(const circuit *c)
{
    int width = (int)strlen("value");
    for (size_t i = 0; i < c->n; i++)
        if ((int)strlen(c->names[i]) + 3 > width)
            width = (int)strlen(c->names[i]) + 3;
    printf("%-*s  %s\n", width, "value", show_number(c, (double)ag_data(c->root)));
    for (size_t i = 0; i < c->n; i++)
        printf("d/d%-*s  %s\n", width - 3, c->names[i],
               show_number(c, (double)ag_grad(c->inputs[i])));
}

static void print_json(const circuit *c)
{
    report *object = report_new();
    report_number(object, "value", (double)ag_data(c->root));
    report *inputs = report_object(object, "inputs");
    report *gradient = report_object(object, "gradient");
    for (size_t i = 0; i < c->n; i++) {
        report_number(inputs, c->names[i], (double)ag_data(c->inputs[i]));
        report_number(gradient, c->names[i], (double)ag_grad(c->inputs[i]));
    }
    report_print(object);
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = open_circuit(&c, arguments, NUMBERS);
    if (status == DONE && ag_backward(c.root) != AG_OK)
        status = fail_circuit(&c);
    if (status == DONE) {
        if (arguments->json)
            print_json(&c);
        else
            print_text(&c);
    }
    close_circuit(&c);
    return status;
}

const subcommand grad_command = {
    .name = "grad",
    .operands = EXPRESSION_OPERANDS,
    .summary = "the value of an expression and its gradient",
    .description =
        "Computes an expression at the numbers that are given to its names, and how it\n"
        "changes with each of them: one derivative for each name, found by one backward\n"
        "pass.\n",
    .examples = "wengert grad 'log(x*y)' x=2 y=3\n"
                "wengert grad 'select(x < 0, -x, x^2)' x=-3\n"
                "wengert grad --file circuit.txt x=pi/4 --digits 17\n"
                "echo 'x^2 # a parabola' | wengert grad - x=3 --json\n",
    .options = (const option[]){EXPRESSION_OPTION, DIGITS_OPTION, {0}},
    .run = run,
};
