/* SPDX-License-Identifier: MIT
 *
 * wengert check: the gradient against finite differences.
 */
#include "circuit.h"
#include "report.h"

#include <stdlib.h>

static const char *name_verdict(ag_verdict verdict)
{
    switch (verdict) {
    case AG_AGREES:
        return "agrees";
    case AG_DISAGREES:
        return "disagrees";
    case AG_KINK:
        break;
    }
    return "kink";
}

static void print_json(const circuit *c, const ag_gradcheck_row *rows, bool passed)
{
    report *object = report_new();
    report_flag(object, "passed", passed);
    report *list = report_list(object, "inputs");
    for (size_t i = 0; i < c->n; i++) {
        report *row = report_item(list);
        report_text(row, "name", c->names[i]);
        report_number(row, "at", (double)rows[i].at);
        report_number(row, "analytic", (double)rows[i].analytic);
        report_number(row, "numeric", (double)rows[i].numeric);
        report_number(row, "step", (double)rows[i].step);
        report_number(row, "absolute_error", (double)rows[i].absolute_error);
        report_number(row, "relative_error", (double)rows[i].relative_error);
        report_text(row, "verdict", name_verdict(rows[i].verdict));
    }
    report_print(object);
}

static int check(const circuit *c)
{
    double tolerance = 0, step = 0;
    if (!get_number(c->arguments, "tolerance", 1e-30, 1e30, &tolerance) ||
        !get_number(c->arguments, "step", 1e-30, 1e30, &step))
        return MISUSED;
    if (c->n == 0)
        return fail(c->arguments, MISUSED, "there is nothing to check without a NAME=NUMBER");
    const ag_gradcheck_options options = {.tolerance = (ag_real)tolerance, .step = (ag_real)step};
    ag_gradcheck_row *rows = allocate(c->n, sizeof(*rows));
    bool passed = false;
    int status = DONE;
    if (ag_gradcheck_root(c->root, c->n, c->inputs, &options, rows, &passed) != AG_OK)
        status = fail_circuit(c);
    else if (c->arguments->json)
        print_json(c, rows, passed);
    else
        (void)ag_gradcheck_print(stdout, c->n, (const char *const *)c->names, rows);
    free(rows);
    return status == DONE && !passed ? FAILED : status;
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = open_circuit(&c, arguments, NUMBERS);
    if (status == DONE)
        status = check(&c);
    close_circuit(&c);
    return status;
}

const subcommand check_command = {
    .name = "check",
    .operands = EXPRESSION_OPERANDS,
    .summary = "the gradient beside finite differences",
    .description = "Compares the gradient with central differences, name by name. The exit status\n"
                   "is 1 where they disagree. At a kink, where there is no derivative, nothing is\n"
                   "claimed.\n",
    .examples = "wengert check 'sin(x)/x' x=2\n"
                "wengert check 'hypot(x, y)^3' x=3 y=4 --tolerance 1e-9\n",
    .options = (const option[]){EXPRESSION_OPTION,
                                {"tolerance", 't', "NUMBER", NULL,
                                 "allowed error, relative for large gradients [1e-6]"},
                                {"step", 's', "NUMBER", NULL,
                                 "step of the differences [chosen for each name]"},
                                {0}},
    .run = run,
};
