/* SPDX-License-Identifier: MIT
 *
 * What the eager tape costs: a tanh net 64-64-64-1 written with scalar mul, add and tanh gates,
 * recorded and run backward on memory already touched, beside the same net in plain C loops. The
 * two alternate in one run; the table gives medians, quartiles and their ratio. Not a test: it
 * asserts no time.
 */
#include "bench.h"

#include <wengert/autograd.h>

#include <math.h>
#include <stdio.h>

enum {
    WIDTH = 64,
    LAYERS = 3,
    PARAMETERS = 2 * WIDTH * (WIDTH + 1) + WIDTH + 1,
    ROUNDS = 301,
    INNER = 20, /* passes in one timing */
};

static const int sizes[LAYERS + 1] = {WIDTH, WIDTH, WIDTH, 1};
static ag_real parameters[PARAMETERS];
static ag_real inputs[WIDTH];

/* ---- Plain C --------------------------------------------------------------------------------- */

static ag_real run_plain(ag_real *gradient)
{
    static ag_real activation[LAYERS + 1][WIDTH], delta[LAYERS + 1][WIDTH];
    for (int i = 0; i < WIDTH; i++)
        activation[0][i] = inputs[i];
    const ag_real *w = parameters;
    for (int layer = 0; layer < LAYERS; layer++) {
        const int in = sizes[layer], out = sizes[layer + 1];
        for (int o = 0; o < out; o++, w += in + 1) {
            ag_real sum = w[in];
            for (int i = 0; i < in; i++)
                sum += w[i] * activation[layer][i];
            activation[layer + 1][o] = (ag_real)tanh((double)sum);
        }
    }
    const ag_real *end = w;
    ag_real *g = gradient + (end - parameters);
    delta[LAYERS][0] = 1;
    for (int layer = LAYERS; layer-- > 0;) {
        const int in = sizes[layer], out = sizes[layer + 1];
        end -= (in + 1) * out;
        g -= (in + 1) * out;
        for (int i = 0; i < in; i++)
            delta[layer][i] = 0;
        for (int o = 0; o < out; o++) {
            const ag_real y = activation[layer + 1][o];
            const ag_real d = delta[layer + 1][o] * (1 - y * y);
            const ag_real *row = end + o * (in + 1);
            ag_real *row_gradient = g + o * (in + 1);
            for (int i = 0; i < in; i++) {
                row_gradient[i] += d * activation[layer][i];
                delta[layer][i] += d * row[i];
            }
            row_gradient[in] += d;
        }
    }
    return activation[LAYERS][0];
}

/* ---- The tape -------------------------------------------------------------------------------- */

static ag_value record(const ag_value *w, const ag_value *x)
{
    ag_value a[WIDTH], b[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        a[i] = x[i];
    for (int layer = 0; layer < LAYERS; layer++) {
        const int in = sizes[layer], out = sizes[layer + 1];
        for (int o = 0; o < out; o++, w += in + 1) {
            ag_value sum = w[in];
            for (int i = 0; i < in; i++)
                sum = ag_add(sum, ag_mul(w[i], a[i]));
            b[o] = ag_tanh(sum);
        }
        for (int o = 0; o < out; o++)
            a[o] = b[o];
    }
    return a[0];
}

static void print_row(const char *what, double *times, double per)
{
    const bench_quartiles q = bench_summarise(ROUNDS, times);
    printf("%-28s %8.2f %8.2f %8.2f\n", what, q.low / per, q.median / per, q.high / per);
}

int main(void)
{
    uint64_t seed = 1;
    for (int i = 0; i < PARAMETERS; i++)
        parameters[i] = (ag_real)bench_random(&seed) / 8;
    for (int i = 0; i < WIDTH; i++)
        inputs[i] = (ag_real)sin(i);

    ag_graph *graph = ag_graph_new(NULL);
    static ag_value w[PARAMETERS], x[WIDTH];
    for (int i = 0; i < PARAMETERS; i++)
        w[i] = ag_variable(graph, parameters[i]);
    for (int i = 0; i < WIDTH; i++)
        x[i] = ag_variable(graph, inputs[i]);
    const ag_mark mark = ag_graph_mark(graph);
    ag_value root = record(w, x);
    ag_backward(root);
    const size_t gates = ag_graph_count(graph) - PARAMETERS - WIDTH;

    static ag_real gradient[PARAMETERS];
    ag_real plain = run_plain(gradient);
    double worst = 0;
    for (int i = 0; i < PARAMETERS; i++)
        worst = fmax(worst, fabs((double)(gradient[i] - ag_grad(w[i]))));
    if (ag_error(graph) != AG_OK || fabs((double)(plain - ag_data(root))) > 1e-4 || worst > 1e-4) {
        fprintf(stderr, "tape: the two sides disagree by %g\n", worst);
        return 1;
    }

    static double recording[ROUNDS], backward[ROUNDS], both[ROUNDS], by_hand[ROUNDS], ratio[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        recording[round] = backward[round] = 0;
        for (int i = 0; i < INNER; i++) {
            ag_graph_rewind(graph, mark);
            const double start = bench_now();
            root = record(w, x);
            const double middle = bench_now();
            ag_backward(root);
            const double end = bench_now();
            recording[round] += (middle - start) / INNER;
            backward[round] += (end - middle) / INNER;
        }
        both[round] = recording[round] + backward[round];
        const double start = bench_now();
        for (int i = 0; i < INNER; i++)
            plain += run_plain(gradient);
        by_hand[round] = (bench_now() - start) / INNER;
        ratio[round] = both[round] / by_hand[round];
    }
    printf("tanh net 64-64-64-1, %zu gates, %zu-byte numbers, %d rounds of %d passes\n", gates,
           sizeof(ag_real), ROUNDS, INNER);
    printf("%-28s %8s %8s %8s\n", "ns a gate", "quarter", "median", "quarter");
    print_row("record", recording, (double)gates);
    print_row("backward", backward, (double)gates);
    print_row("record and backward", both, (double)gates);
    print_row("plain C, both", by_hand, (double)gates);
    print_row("ratio tape / plain C", ratio, 1);
    printf("bytes a node, with slack: %.1f\n",
           (double)ag_graph_bytes(graph) / (double)ag_graph_count(graph));
    ag_graph_free(graph);
    return plain == 0; /* never: keeps the compiler from dropping the work */
}
