/* SPDX-License-Identifier: MIT
 *
 * A sigmoid neuron with two inputs, f = 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))), twice:
 *
 * - gate by gate, so that every step of the chain rule can be followed: mul, add, neg, exp, +1,
 * 1/x;
 * - with the sigmoid as one gate, g = sigmoid(s) of s = w0 x0 + w1 x1 + w2, whose local gradient is
 *
 *       dg/ds = exp(-s) / (1 + exp(-s))^2 = (1 - g) g
 *
 * What counts as a gate is our choice: any function will do whose local gradient we can write down.
 * The gradient is the same both ways. (Where lectures show this circuit, they round to two digits
 * at every step: 0.73, and 0.20 for ds. Nothing is rounded here.)
 */
#include "picture.h"

#include <wengert/autograd.h>

enum {
    W0,
    W1,
    W2,
    X0,
    X1,
    LEAVES,
};

static const char *const names[LEAVES] = {"w0", "w1", "w2", "x0", "x1"};
static const ag_real values[LEAVES] = {2, -3, -3, -1, -2};

static void read_gradients(const ag_value *leaf, double *gradient)
{
    for (int i = 0; i < LEAVES; i++)
        gradient[i] = (double)ag_grad(leaf[i]);
}

static void draw(const char *directory, const char *file_name, const char *title, ag_value f)
{
    picture drawing = open_picture(directory, file_name);
    if (drawing.file == NULL)
        return;
    ag_write_dot(f, drawing.file, &(ag_dot_options){.title = title});
    close_picture(&drawing);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : NULL;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value leaf[LEAVES];
    for (int i = 0; i < LEAVES; i++) {
        leaf[i] = ag_variable(graph, values[i]);
        ag_name(leaf[i], names[i]);
    }
    ag_value s = ag_mul(leaf[W0], leaf[X0]);
    s = ag_add(s, ag_mul(leaf[W1], leaf[X1]));
    s = ag_add(s, leaf[W2]);
    ag_name(s, "s");

    ag_value f = ag_neg(s);
    f = ag_exp(f);
    f = ag_shift(f, 1);
    f = ag_reciprocal(f);
    ag_name(f, "f");

    ag_value g = ag_sigmoid(s);
    ag_name(g, "g");

    double gradients[2][LEAVES];
    ag_backward(f);
    read_gradients(leaf, gradients[0]);
    ag_zero_grad(graph); /* or the leaves would add up what both passes bring */
    ag_backward(g);
    read_gradients(leaf, gradients[1]);

    printf("                       gate by gate  as one gate\n");
    printf("           value              %8.6f     %8.6f\n", (double)ag_data(f),
           (double)ag_data(g));
    for (int i = 0; i < LEAVES; i++)
        printf("%s = %2g    gradient          %9.6f    %9.6f\n", names[i], (double)values[i],
               gradients[0][i], gradients[1][i]);

    printf("\nGate by gate\n\n");
    ag_explain(f, stdout);
    printf("\nAs one gate, the last four steps are one, with dg/ds = (1 - g) g = %.6f\n",
           (double)ag_local_gradient(g, 0));

    draw(directory, "sigmoid_circuit.dot", "The sigmoid gate by gate", f);
    draw(directory, "sigmoid_gate.dot", "The sigmoid as one gate", g);

    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed;
}
