/* SPDX-License-Identifier: MIT
 *
 * wengert hessian: all second derivatives.
 */
#include "circuit.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

/* n x n numbers under and beside the names. */
static void print_text(const circuit *c, const double *hessian)
{
    const size_t n = c->n;
    size_t width = 0;
    for (size_t i = 0; i < n; i++) {
        width = strlen(c->names[i]) > width ? strlen(c->names[i]) : width;
        for (size_t j = 0; j < n; j++) {
            const size_t length = strlen(show_number(c, hessian[i * n + j]));
            width = length > width ? length : width;
        }
    }
    for (size_t i = 0; i <= n; i++) {
        printf("%*s", (int)width, i == 0 ? "" : c->names[i - 1]);
        for (size_t j = 0; j < n; j++)
            printf("  %*s", (int)width,
                   i == 0 ? c->names[j] : show_number(c, hessian[(i - 1) * n + j]));
        printf("\n");
    }
}

static void print_json(const circuit *c, const double *hessian)
{
    report *object = report_new();
    report_number(object, "value", (double)ag_data(c->root));
    report *names = report_list(object, "names");
    report *rows = report_list(object, "hessian");
    for (size_t i = 0; i < c->n; i++) {
        report_text_item(names, c->names[i]);
        report_numbers_item(rows, c->n, hessian + i * c->n);
    }
    report_print(object);
}

static int show_hessian(const circuit *c)
{
    const size_t n = c->n;
    if (n == 0)
        return fail(c->arguments, MISUSED, "there is nothing to derive for without a NAME=NUMBER");
    ag_value *nodes = allocate(n * n, sizeof(*nodes));
    int status = DONE;
    if (ag_hessian(c->root, n, c->inputs, nodes) != AG_OK) {
        status = fail_circuit(c);
    } else {
        double *hessian = allocate(n * n, sizeof(*hessian));
        for (size_t i = 0; i < n * n; i++)
            hessian[i] = (double)ag_data(nodes[i]);
        if (c->arguments->json)
            print_json(c, hessian);
        else
            print_text(c, hessian);
        free(hessian);
    }
    free(nodes);
    return status;
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = open_circuit(&c, arguments, NUMBERS);
    if (status == DONE)
        status = show_hessian(&c);
    close_circuit(&c);
    return status;
}

const subcommand hessian_command = {
    .name = "hessian",
    .operands = EXPRESSION_OPERANDS,
    .summary = "all second derivatives",
    .description =
        "Prints the matrix of second derivatives: the gradient is recorded as gates, and\n"
        "derived again. The row tells for which name first, the column for which then.\n",
    .examples = "wengert hessian 'x^2*y + exp(y)' x=3 y=0\n"
                "wengert hessian '100*(y - x^2)^2 + (1 - x)^2' x=1 y=1\n",
    .options = (const option[]){EXPRESSION_OPTION, DIGITS_OPTION, {0}},
    .run = run,
};
