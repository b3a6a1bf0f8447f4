/* SPDX-License-Identifier: MIT
 *
 * Backward by hand for a net with one hidden layer, 2-4-2, tanh, softmax and cross-entropy, beside
 * what the engine finds. Forward, with y one-hot (1 for the right class, 0 for the others):
 *
 *     h    = tanh(W1 x + b1)
 *     yhat = softmax(W2 h + b2)
 *     loss = -sum_i y_i log(yhat_i)
 *
 * Backward, where a delta is the gradient of the loss with respect to what goes into an activation:
 *
 *     delta2 = yhat - y                        softmax and cross-entropy together are that simple
 *     dW2    = delta2 h^T,  db2 = delta2
 *     delta1 = (W2^T delta2) * (1 - h^2)       * and ^2 component by component; tanh' = 1 - tanh^2
 *     dW1    = delta1 x^T,  db1 = delta1
 *
 * The engine knows none of these formulas, only its gates, and finds the same numbers.
 */
#include "picture.h"

#include <wengert/autograd.h>
#include <wengert/nn.h>

#include <math.h>

enum {
    IN = 2,
    HIDDEN = 4,
    OUT = 2,
    /* where each matrix (row-major) and vector begins among the parameters */
    W1 = 0,
    B1 = W1 + HIDDEN * IN,
    W2 = B1 + HIDDEN,
    B2 = W2 + OUT * HIDDEN,
    PARAMETERS = B2 + OUT,
};

/* The loss, and its gradient by the formulas above. */
static ag_real backward_by_hand(const ag_real *p, const ag_real *x, const ag_real *y,
                                ag_real *gradient)
{
    ag_real h[HIDDEN], yhat[OUT], delta1[HIDDEN], delta2[OUT];

    for (int i = 0; i < HIDDEN; i++) {
        ag_real sum = p[B1 + i];
        for (int j = 0; j < IN; j++)
            sum += p[W1 + i * IN + j] * x[j];
        h[i] = (ag_real)tanh((double)sum);
    }
    ag_real total = 0, loss = 0;
    for (int i = 0; i < OUT; i++) {
        ag_real z = p[B2 + i];
        for (int j = 0; j < HIDDEN; j++)
            z += p[W2 + i * HIDDEN + j] * h[j];
        yhat[i] = (ag_real)exp((double)z); /* large z would overflow: nn_softmax takes care */
        total += yhat[i];
    }
    for (int i = 0; i < OUT; i++) {
        yhat[i] /= total;
        loss -= y[i] * (ag_real)log((double)yhat[i]);
    }

    for (int i = 0; i < OUT; i++) {
        delta2[i] = yhat[i] - y[i];
        gradient[B2 + i] = delta2[i];
        for (int j = 0; j < HIDDEN; j++)
            gradient[W2 + i * HIDDEN + j] = delta2[i] * h[j];
    }
    for (int i = 0; i < HIDDEN; i++) {
        ag_real back = 0;
        for (int k = 0; k < OUT; k++)
            back += p[W2 + k * HIDDEN + i] * delta2[k];
        delta1[i] = back * (1 - h[i] * h[i]);
        gradient[B1 + i] = delta1[i];
        for (int j = 0; j < IN; j++)
            gradient[W1 + i * IN + j] = delta1[i] * x[j];
    }
    return loss;
}

static void name_vector(const char *letter, int n, const ag_value *v)
{
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s[%d]", letter, i);
        ag_name(v[i], name);
    }
}

/* The same loss, recorded. Only the term of the right class is not 0, and
 * -log(yhat_class) = log(sum_j exp(z_j)) - z_class. */
static ag_value record(const ag_value *p, const ag_value *x, size_t klass)
{
    ag_value h[HIDDEN], z[OUT];
    nn_layer(IN, HIDDEN, p + W1, p + B1, x, NN_TANH, h);
    nn_layer(HIDDEN, OUT, p + W2, p + B2, h, NN_IDENTITY, z);
    name_vector("x", IN, x);
    name_vector("h", HIDDEN, h);
    name_vector("z", OUT, z);
    return ag_sub(ag_logsumexp(OUT, z), z[klass]);
}

/* Names the entries of a matrix and prints both gradients; returns their largest difference. */
static double compare(const char *letter, int rows, int columns, const ag_real *by_hand,
                      const ag_value *entries)
{
    double largest = 0;
    for (int k = 0; k < rows * columns; k++) {
        char name[32];
        if (columns == 1)
            snprintf(name, sizeof(name), "%s[%d]", letter, k);
        else
            snprintf(name, sizeof(name), "%s[%d][%d]", letter, k / columns, k % columns);
        ag_name(entries[k], name);
        printf("d%-8s  %9.6f  %9.6f\n", name, (double)by_hand[k], (double)ag_grad(entries[k]));
        largest = fmax(largest, fabs((double)(by_hand[k] - ag_grad(entries[k]))));
    }
    return largest;
}

int main(int argc, char **argv)
{
    const ag_real x[IN] = {(ag_real)0.5, (ag_real)-1.5};
    const size_t klass = 1;
    const ag_real y[OUT] = {0, 1};
    ag_real parameters[PARAMETERS], by_hand[PARAMETERS];
    nn_random random = nn_random_seed(1);
    /* any numbers will do, for the biases too */
    nn_init_glorot(&random, HIDDEN, HIDDEN, PARAMETERS, parameters);
    const ag_real loss_by_hand = backward_by_hand(parameters, x, y, by_hand);

    ag_graph *graph = ag_graph_new(NULL);
    ag_value p[PARAMETERS], inputs[IN];
    for (int i = 0; i < PARAMETERS; i++)
        p[i] = ag_variable(graph, parameters[i]);
    for (int i = 0; i < IN; i++)
        inputs[i] = ag_constant(graph, x[i]);
    ag_value loss = record(p, inputs, klass);
    ag_backward(loss);
    ag_name(loss, "loss");

    printf("             by hand     engine\n");
    printf("loss       %9.6f  %9.6f\n", (double)loss_by_hand, (double)ag_data(loss));
    double largest = fabs((double)(loss_by_hand - ag_data(loss)));
    largest = fmax(largest, compare("W1", HIDDEN, IN, by_hand + W1, p + W1));
    largest = fmax(largest, compare("b1", HIDDEN, 1, by_hand + B1, p + B1));
    largest = fmax(largest, compare("W2", OUT, HIDDEN, by_hand + W2, p + W2));
    largest = fmax(largest, compare("b2", OUT, 1, by_hand + B2, p + B2));
    const double tolerance = sizeof(ag_real) == sizeof(double) ? 1e-15 : 1e-6;
    const bool equal = largest < tolerance;
    printf("largest difference below %.0e: %s\n", tolerance, equal ? "yes" : "no");

    picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "hand_backward.dot");
    if (drawing.file != NULL) {
        ag_write_dot(loss, drawing.file,
                     &(ag_dot_options){.title = "A net 2-4-2 and its loss, with gradients"});
        close_picture(&drawing);
    }

    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed || !equal;
}
