/* SPDX-License-Identifier: MIT
 *
 * Gates over vectors, made of scalar ones. The derivative of a vector by a vector is a matrix, the
 * Jacobian; backward multiplies the upstream gradient by it and hardly ever needs to write it down:
 *
 *     y = relu(x)       dx_i = dy_i where x_i > 0, else 0          (the Jacobian is diagonal)
 *     f = |W x|^2       with q = W x:  dq = 2 q,  dW = dq x^T,  dx = W^T dq
 *     p = softmax(z)    dp_i/dz_j = p_i (delta_ij - p_j)           (full: each depends on all)
 *
 * where delta_ij is 1 if i = j and else 0. A gradient has the shape of what it belongs to: dW is a
 * matrix like W. That tells which side to transpose.
 */
#include <wengert/autograd.h>
#include <wengert/nn.h>

/* ---- relu ------------------------------------------------------------------------------------ */

static void show_relu(ag_graph *graph)
{
    const ag_real numbers[4] = {1, -2, 3, -1}, upstream[4] = {4, -1, 5, 9};
    ag_value x[4], y[4];
    for (int i = 0; i < 4; i++) {
        x[i] = ag_variable(graph, numbers[i]);
        y[i] = ag_relu(x[i]);
    }
    ag_backward_from(4, y, upstream); /* the row vector `upstream` times the Jacobian */

    printf("y = relu(x), component by component\n");
    printf("   x   y  upstream  downstream\n");
    for (int i = 0; i < 4; i++)
        printf("  %2g  %2g  %8g  %10g\n", (double)ag_data(x[i]), (double)ag_data(y[i]),
               (double)upstream[i], (double)ag_grad(x[i]));
}

/* ---- The squared length of W x --------------------------------------------------------------- */

static void compare(const char *formula, double by_hand, ag_real engine)
{
    printf("  %-18s %9.6f  %9.6f\n", formula, by_hand, (double)engine);
}

static void show_squared_length(ag_graph *graph)
{
    const double W[2][2] = {{0.1, 0.5}, {-0.3, 0.8}}, x[2] = {0.2, 0.4};

    double q[2], dq[2], dW[2][2], dx[2];
    for (int i = 0; i < 2; i++) {
        q[i] = W[i][0] * x[0] + W[i][1] * x[1];
        dq[i] = 2 * q[i];
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            dW[i][j] = dq[i] * x[j];
    for (int j = 0; j < 2; j++)
        dx[j] = W[0][j] * dq[0] + W[1][j] * dq[1];

    ag_value w[2][2], v[2], u[2], squares[2];
    for (int j = 0; j < 2; j++)
        v[j] = ag_variable(graph, (ag_real)x[j]);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++)
            w[i][j] = ag_variable(graph, (ag_real)W[i][j]);
        u[i] = ag_dot(2, w[i], v);
        squares[i] = ag_square(u[i]);
    }
    ag_value f = ag_sum(2, squares);
    ag_backward(f);

    printf("\nf = |q|^2, q = W x     by hand     engine\n");
    compare("f   = q . q", q[0] * q[0] + q[1] * q[1], ag_data(f));
    compare("dq0 = 2 q0", dq[0], ag_grad(u[0]));
    compare("dq1 = 2 q1", dq[1], ag_grad(u[1]));
    compare("dW00 = dq0 x0", dW[0][0], ag_grad(w[0][0]));
    compare("dW01 = dq0 x1", dW[0][1], ag_grad(w[0][1]));
    compare("dW10 = dq1 x0", dW[1][0], ag_grad(w[1][0]));
    compare("dW11 = dq1 x1", dW[1][1], ag_grad(w[1][1]));
    compare("dx0 = (W^T dq)_0", dx[0], ag_grad(v[0]));
    compare("dx1 = (W^T dq)_1", dx[1], ag_grad(v[1]));
}

/* ---- softmax --------------------------------------------------------------------------------- */

static void show_softmax(ag_graph *graph)
{
    ag_value z[3], p[3];
    for (int i = 0; i < 3; i++)
        z[i] = ag_variable(graph, (ag_real)(i + 1));
    nn_softmax(3, z, p);

    printf("\np = softmax(z)\n");
    for (int i = 0; i < 3; i++)
        printf("  z%d = %g, p%d = %.6f\n", i, (double)ag_data(z[i]), i, (double)ag_data(p[i]));
    printf("\ndp_i/dz_j, each row by one backward pass   p_i (delta_ij - p_j)\n");
    for (int i = 0; i < 3; i++) {
        ag_zero_grad(graph); /* the leaves still hold the row before */
        ag_backward(p[i]);
        for (int j = 0; j < 3; j++)
            printf("%11.6f", (double)ag_grad(z[j]));
        printf("        ");
        for (int j = 0; j < 3; j++) {
            const ag_real delta = i == j ? 1 : 0;
            printf("%11.6f", (double)(ag_data(p[i]) * (delta - ag_data(p[j]))));
        }
        printf("\n");
    }
}

int main(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    show_relu(graph);
    show_squared_length(graph);
    show_softmax(graph);

    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed;
}
