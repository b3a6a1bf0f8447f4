/* SPDX-License-Identifier: MIT
 *
 * The example of micrograd's README (github.com/karpathy/micrograd), gate by gate: Python's
 *
 *     c = a + b                       d = a * b + b**3
 *     c += c + 1                      d += d * 2 + (b + a).relu()
 *     c += 1 + c + (-a)               d += 3 * d + (b - a).relu()
 *     e = c - d                       f = e**2
 *     g = f / 2.0 + 10.0 / f
 *
 * at a = -4, b = 2, which is there 24.7041 with the gradient (138.8338, 645.5773).
 *
 * With a directory for pictures it also measures. The rule of thumb, which counts multiplications,
 * says that backward takes about twice the time of forward; and it finds the derivatives by all
 * inputs at once, where finite differences run forward once or twice for each. What an engine takes
 * depends on its book-keeping as well: recording also writes the gates down, evaluating again also
 * looks for those that reach g. Times differ from run to run, so they are printed only then.
 */
#define _POSIX_C_SOURCE 199309L

#include "picture.h"

#include <wengert/autograd.h>

#include <stdlib.h>
#include <time.h>

/* What Python's variables hold in the end. */
typedef struct circuit {
    ag_value c, d, e, f, g;
} circuit;

/* c += 1 is c = c + 1: a new value, while the old one stays part of the graph. */
static circuit record(ag_value a, ag_value b)
{
    ag_value c = ag_add(a, b);
    ag_value d = ag_add(ag_mul(a, b), ag_pow_int(b, 3));
    c = ag_add(c, ag_shift(c, 1));
    c = ag_add(c, ag_add(ag_shift(c, 1), ag_neg(a)));
    d = ag_add(d, ag_add(ag_scale(d, 2), ag_relu(ag_add(b, a))));
    d = ag_add(d, ag_add(ag_scale(d, 3), ag_relu(ag_sub(b, a))));
    ag_value e = ag_sub(c, d);
    ag_value f = ag_pow_int(e, 2);
    ag_value g = ag_scale(f, (ag_real)0.5);
    g = ag_add(g, ag_div(ag_constant(a.graph, 10), f));
    return (circuit){c, d, e, f, g};
}

/* ---- Times ----------------------------------------------------------------------------------- */

enum {
    ROUNDS = 101,
    PASSES = 1000, /* in a round: one alone is too short for the clock */
};

static double read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *p, const void *q)
{
    const double a = *(const double *)p, b = *(const double *)q;
    return (a > b) - (a < b);
}

static double find_median(double *times)
{
    qsort(times, ROUNDS, sizeof(*times), compare);
    return times[ROUNDS / 2];
}

/* The three take turns, so that whatever else the machine does meets all of them. */
static void measure(ag_graph *graph, ag_value a, ag_value b, ag_value g)
{
    double record_times[ROUNDS], forward_times[ROUNDS], backward_times[ROUNDS];
    const ag_mark mark = ag_graph_mark(graph);
    for (int round = 0; round < ROUNDS; round++) {
        const double start = read_clock();
        for (int i = 0; i < PASSES; i++) {
            record(a, b);
            ag_graph_rewind(graph, mark);
        }
        const double recorded = read_clock();
        for (int i = 0; i < PASSES; i++)
            ag_forward(g);
        const double evaluated = read_clock();
        for (int i = 0; i < PASSES; i++)
            ag_backward(g);
        const double end = read_clock();
        record_times[round] = (recorded - start) / PASSES;
        forward_times[round] = (evaluated - recorded) / PASSES;
        backward_times[round] = (end - evaluated) / PASSES;
    }
    const double recording = find_median(record_times), forward = find_median(forward_times);
    const double backward = find_median(backward_times);
    printf("\none pass over the %zu nodes, median of %d rounds of %d passes:\n",
           ag_topological_order(g, NULL, 0), ROUNDS, PASSES);
    printf("  record        %6.0f ns\n", recording);
    printf("  forward again %6.0f ns\n", forward);
    printf("  backward      %6.0f ns: %.2f of record, %.2f of forward again\n", backward,
           backward / recording, backward / forward);
}

int main(int argc, char **argv)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value a = ag_variable(graph, -4);
    ag_value b = ag_variable(graph, 2);
    const circuit made = record(a, b);
    const ag_value g = made.g;
    ag_name(a, "a");
    ag_name(b, "b");
    ag_name(made.c, "c");
    ag_name(made.d, "d");
    ag_name(made.e, "e");
    ag_name(made.f, "f");
    ag_name(g, "g");
    ag_backward(g);
    printf("g     = %.4f\n", (double)ag_data(g));
    printf("dg/da = %.4f\n", (double)ag_grad(a));
    printf("dg/db = %.4f\n", (double)ag_grad(b));

    picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "micrograd.dot");
    if (drawing.file != NULL) {
        ag_write_dot(g, drawing.file, &(ag_dot_options){.title = "micrograd's README"});
        close_picture(&drawing);
        measure(graph, a, b, g);
    }

    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed;
}
