/* SPDX-License-Identifier: MIT
 *
 * The smallest example there is: f(x, y) = log(x y) at (2, 3), and its gradient.
 *
 * Forward, each gate computes its value:             p = x y,  f = log p
 * Backward, each gate applies one rule,              downstream = upstream * local:
 *
 *     df/df = 1                                      where it begins
 *     df/dp = df/df * d(log p)/dp = 1 * 1/p
 *     df/dx = df/dp * d(x y)/dx   = 1/p * y          which is 1/x, as it should be
 *     df/dy = df/dp * d(x y)/dy   = 1/p * x          which is 1/y
 *
 * First the rule by hand, in plain C; then by the engine, which knows no other.
 */
#include "picture.h"

#include <wengert/autograd.h>

#include <math.h>

static void work_by_hand(double x, double y)
{
    const double p = x * y;
    const double f = log(p);

    const double df = 1;
    const double dp = df * (1 / p);
    const double dx = dp * y;
    const double dy = dp * x;

    printf("By hand\n");
    printf("  forward   p = x * y           = %8.6f\n", p);
    printf("            f = log(p)          = %8.6f\n", f);
    printf("  backward  df/df               = %8.6f\n", df);
    printf("            df/dp = df/df * 1/p = %8.6f\n", dp);
    printf("            df/dx = df/dp * y   = %8.6f\n", dx);
    printf("            df/dy = df/dp * x   = %8.6f\n", dy);
}

static void show(ag_value v)
{
    printf("  %s = %.6f, df/d%s = %.6f\n", ag_name_of(v), (double)ag_data(v), ag_name_of(v),
           (double)ag_grad(v));
}

int main(int argc, char **argv)
{
    work_by_hand(2, 3);

    ag_graph *graph = ag_graph_new(NULL);
    ag_value x = ag_variable(graph, 2);
    ag_value y = ag_variable(graph, 3);
    ag_value p = ag_mul(x, y);
    ag_value f = ag_log(p);
    ag_backward(f);

    ag_name(x, "x"); /* names are for the reader: the engine does without */
    ag_name(y, "y");
    ag_name(p, "p");
    ag_name(f, "f");
    printf("\nBy the engine\n");
    show(f);
    show(p);
    show(x);
    show(y);

    printf("\nThe same step by step, as ag_explain tells it\n\n");
    ag_explain(f, stdout);

    picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "log_xy.dot");
    if (drawing.file != NULL) {
        ag_write_dot(f, drawing.file,
                     &(ag_dot_options){.title = "f = log(x y)", .local_gradients = true});
        close_picture(&drawing);
    }

    /* Whatever went wrong on the way, the graph has kept it: one question at the end is enough. */
    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed;
}
