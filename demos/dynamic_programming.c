/* SPDX-License-Identifier: MIT
 *
 * Why backpropagation is dynamic programming.
 *
 * The chain rule says that dy/dx is a sum over paths: over all ways from y back to x, the product
 * of the local gradients along the way. Double a number n times, y = x + x again and again, and
 * there are 2^n ways. But many ways share their parts: there are only n + 1 values in the graph,
 * and each has one gradient. It is the story of the Fibonacci numbers:
 *
 *     fib(k)   = fib(k - 1) + fib(k - 2)
 *     dy[k]/dx = 1 * dy[k - 1]/dx + 1 * dy[k - 1]/dx,   because y[k] = y[k - 1] + y[k - 1]
 *
 * Each of the two is computed here in three ways: by recursion as the formula stands (naive), by
 * recursion that remembers what it has found (memoised), and by filling a table in an order in
 * which everything needed is there already (tabulated). For gradients, the third way has a name:
 * ag_backward. Its order is the reverse of the order in which the gates were made, and its table is
 * the nodes' gradients: one sweep finds dy[n]/dy[k] for every k, x among them.
 */
#include "picture.h"

#include <wengert/autograd.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
    DEPTH = 60,
    NAIVE_DEPTH = 20, /* 2^20 paths can be walked */
    FIB = 90,
    NAIVE_FIB = 30,
};

/* ---- Fibonacci numbers ----------------------------------------------------------------------- */

static uint64_t fib_naive(unsigned n, uint64_t *calls)
{
    ++*calls;
    return n < 2 ? n : fib_naive(n - 1, calls) + fib_naive(n - 2, calls);
}

/* known[k] is fib(k), or 0 where it has not been found yet. */
static uint64_t fib_memoised(unsigned n, uint64_t *known, uint64_t *calls)
{
    ++*calls;
    if (n < 2)
        return n;
    if (known[n] == 0)
        known[n] = fib_memoised(n - 1, known, calls) + fib_memoised(n - 2, known, calls);
    return known[n];
}

static uint64_t fib_tabulated(unsigned n, uint64_t *steps)
{
    uint64_t table[FIB + 1] = {0, 1};
    for (unsigned k = 2; k <= n; k++, ++*steps)
        table[k] = table[k - 1] + table[k - 2];
    return table[n];
}

/* ---- The gradient of a value doubled n times ------------------------------------------------- */

/* A sum gate of our own, to count how often it is asked to go backward. */
static ag_real add_forward(void *context, size_t n, const ag_real *x)
{
    (void)context, (void)n;
    return x[0] + x[1];
}

static void add_backward(void *context, size_t n, const ag_real *x, ag_real y, ag_real upstream,
                         ag_real *downstream)
{
    (void)n, (void)x, (void)y;
    ++*(uint64_t *)context;
    downstream[0] = upstream;
    downstream[1] = upstream;
}

/* dy[k]/dx, path by path */
static double gradient_naive(const ag_value *y, size_t k, uint64_t *paths)
{
    if (k == 0) { /* arrived at x: one more path */
        ++*paths;
        return 1;
    }
    return (double)ag_local_gradient(y[k], 0) * gradient_naive(y, k - 1, paths) +
           (double)ag_local_gradient(y[k], 1) * gradient_naive(y, k - 1, paths);
}

/* known[k] is dy[k]/dx, or 0 where it has not been found yet. */
static double gradient_memoised(const ag_value *y, size_t k, double *known, uint64_t *calls)
{
    ++*calls;
    if (k == 0)
        return 1;
    if (known[k] == 0)
        known[k] = (double)ag_local_gradient(y[k], 0) * gradient_memoised(y, k - 1, known, calls) +
                   (double)ag_local_gradient(y[k], 1) * gradient_memoised(y, k - 1, known, calls);
    return known[k];
}

typedef struct counts {
    unsigned n;
    uint64_t paths; /* 0: too many to walk */
    uint64_t calls; /* of the memoised recursion */
    uint64_t gates; /* that went backward */
} counts;

/* ---- Pictures -------------------------------------------------------------------------------- */

/* One node for each call that fib_naive makes; the same colour is the same question. Returns the
 * call's number. */
static int draw_calls(FILE *file, int n, int *count)
{
    const int call = (*count)++;
    fprintf(file, "n%d [label=\"%d\", fillcolor=\"%.2f 0.35 1\"];\n", call, n, n / 7.0);
    for (int k = n - 1; n > 1 && k >= n - 2; k--)
        fprintf(file, "n%d -> n%d;\n", call, draw_calls(file, k, count));
    return call;
}

static void draw_fibonacci(const char *directory)
{
    picture drawing = open_picture(directory, "dynamic_programming_fib.dot");
    if (drawing.file == NULL)
        return;
    FILE *file = drawing.file;
    fprintf(file, "digraph {\nnode [shape=circle, style=filled, fontname=\"sans-serif\"];\n"
                  "graph [fontname=\"sans-serif\", fontsize=20, color=white];\n"
                  "subgraph cluster_tree {\nlabel=\"fib(6), naive: 25 calls\";\n");
    int count = 0;
    (void)draw_calls(file, 6, &count);
    fprintf(file, "}\nsubgraph cluster_table {\nlabel=\"remembered: 7 values\";\n");
    for (int n = 6; n >= 0; n--) {
        fprintf(file, "f%d [label=\"%d\", fillcolor=\"%.2f 0.35 1\"];\n", n, n, n / 7.0);
        if (n > 1)
            fprintf(file, "f%d -> f%d;\nf%d -> f%d;\n", n, n - 1, n, n - 2);
    }
    fprintf(file, "}\n}\n");
    close_picture(&drawing);
}

static void draw_doublings(const char *directory, const ag_value *y)
{
    picture drawing = open_picture(directory, "dynamic_programming_paths.dot");
    if (drawing.file == NULL)
        return;
    (void)ag_write_dot(y[3], drawing.file,
                       &(ag_dot_options){.title = "3 gates, 6 edges, 2 * 2 * 2 paths"});
    close_picture(&drawing);
}

static void draw_steps(const char *directory, size_t n, const counts *measured)
{
    picture drawing = open_picture(directory, "dynamic_programming_steps.gp");
    if (drawing.file == NULL)
        return;
    fprintf(drawing.file, "$counts << EOD\n");
    for (size_t i = 0; i < n; i++)
        fprintf(drawing.file, "%u %" PRIu64 " %" PRIu64 "\n", measured[i].n, measured[i].gates,
                measured[i].paths);
    fprintf(drawing.file,
            "EOD\n"
            "set title 'The gradient of x doubled n times'\n"
            "set xlabel 'doublings n'\n"
            "set ylabel 'steps'\n"
            "set logscale y\n"
            "unset mytics\n"
            "set format y '10^{%%T}'\n"
            "set key left top Left reverse noopaque\n"
            "set samples 61\n"
            "set label 'a day, at a billion a second' at 1, 2e13\n"
            "plot [0:%d] 2**x title 'paths: 2^n' lc 1 lw 2, \\\n"
            "  $counts using 1:($3 > 0 ? $3 : NaN) title 'paths, counted' lc 1 pt 7, \\\n"
            "  x > 0 ? x : NaN title 'gates: n' lc 2 lw 2, \\\n"
            "  $counts using 1:2 title 'gates visited, counted' lc 2 pt 7, \\\n"
            "  1e9 * 86400 notitle dt 2 lc rgb 'gray40'\n",
            DEPTH);
    close_picture(&drawing);
}

/* ---------------------------------------------------------------------------------------------- */

static bool count_fibonacci(void)
{
    static const unsigned sizes[] = {5, 10, 20, NAIVE_FIB, FIB};
    printf("Fibonacci numbers      naive    memoised  tabulated\n"
           "  n          fib(n)    calls       calls      steps\n");
    bool all_same = true;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const unsigned n = sizes[i];
        uint64_t known[FIB + 1] = {0}, naive = 0, memoised = 0, tabulated = 0;
        const uint64_t value = fib_tabulated(n, &tabulated);
        bool same = fib_memoised(n, known, &memoised) == value;
        char calls[24] = "-";
        if (n <= NAIVE_FIB) {
            same = same && fib_naive(n, &naive) == value;
            (void)snprintf(calls, sizeof(calls), "%" PRIu64, naive);
        }
        printf("%3u %19" PRIu64 "%9s %11" PRIu64 " %10" PRIu64 "%s\n", n, value, calls, memoised,
               tabulated, same ? "" : "   THEY DIFFER");
        all_same = all_same && same;
    }
    return all_same;
}

/* Fills y[0] = x, y[k] = y[k - 1] + y[k - 1]; *sweeps counts the gates that go backward. */
static void double_often(ag_graph *graph, ag_value y[DEPTH + 1], uint64_t *sweeps)
{
    const ag_closure add = {.name = "add",
                            .arity = 2,
                            .forward = add_forward,
                            .backward = add_backward,
                            .context = sweeps};
    y[0] = ag_variable(graph, 1);
    ag_name(y[0], "x");
    for (size_t k = 1; k <= DEPTH; k++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "y[%zu]", k);
        y[k] = ag_apply(&add, (ag_value[]){y[k - 1], y[k - 1]});
        ag_name(y[k], name);
    }
}

/* Takes the gradient of y[n] in all three ways, and counts. Returns whether they agree. */
static bool count_gradient(ag_graph *graph, const ag_value *y, const uint64_t *sweeps, counts *row)
{
    double known[DEPTH + 1] = {0};
    const uint64_t before = *sweeps;
    ag_zero_grad(graph);
    (void)ag_backward(y[row->n]);
    row->gates = *sweeps - before;
    const double gradient = (double)ag_grad(y[0]);
    const bool same = gradient_memoised(y, row->n, known, &row->calls) == gradient;
    return same && (row->n > NAIVE_DEPTH || gradient_naive(y, row->n, &row->paths) == gradient);
}

static bool count_gradients(ag_graph *graph, const ag_value *y, const uint64_t *sweeps,
                            size_t count, counts *rows)
{
    printf("\ny = x + x, n times      naive    memoised  ag_backward\n"
           "  n               dy/dx    paths       calls        gates\n");
    bool all_same = true;
    for (size_t i = 0; i < count; i++) {
        const bool same = count_gradient(graph, y, sweeps, &rows[i]);
        char paths[24] = "-";
        if (rows[i].paths > 0)
            (void)snprintf(paths, sizeof(paths), "%" PRIu64, rows[i].paths);
        printf("%3u %19.0f %8s %11" PRIu64 " %12" PRIu64 "%s\n", rows[i].n, (double)ag_grad(y[0]),
               paths, rows[i].calls, rows[i].gates, same ? "" : "   THEY DIFFER");
        all_same = all_same && same;
    }
    return all_same;
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : NULL;
    bool same = count_fibonacci();

    ag_graph *graph = ag_graph_new(NULL);
    if (graph == NULL)
        return EXIT_FAILURE;
    uint64_t sweeps = 0;
    ag_value y[DEPTH + 1];
    double_often(graph, y, &sweeps);
    counts rows[] = {{.n = 1}, {.n = 2}, {.n = 3}, {.n = 10}, {.n = NAIVE_DEPTH}, {.n = DEPTH}};
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    same = count_gradients(graph, y, &sweeps, count, rows) && same;
    const double years = ldexp(1, DEPTH) / 1e9 / 86400 / 365.25;
    printf("\nOne by one, a billion a second, the 2^%d paths would take %.1f years.\n", DEPTH,
           years);

    draw_fibonacci(directory);
    draw_doublings(directory, y);
    draw_steps(directory, count, rows);
    const bool failed = ag_error(graph) != AG_OK || !same;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
