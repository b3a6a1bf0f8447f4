/* SPDX-License-Identifier: MIT
 *
 * Mini-batches: a gradient from some of the data is a noisy gradient from all of it, and cheap.
 *
 * The loss is a mean over N samples, so its gradient is the mean of the samples' gradients. Cut the
 * data into batches of B, and the mean of the batches' gradients is the full gradient again:
 *
 *     grad L = 1/N sum_i grad l_i = 1/(N/B) sum_batches (1/B sum_{i in batch} grad l_i)
 *
 * So a step along a batch's gradient is right on average, for B/N of the work: an epoch, in which
 * each sample has its turn once, makes N/B steps instead of one. What is paid for them is noise.
 * Drawn without replacement, the gradient of a batch has the standard deviation
 *
 *     sigma_B = sigma_1 sqrt(1/B (N - B) / (N - 1))
 *
 * Where the full gradient goes to 0, the noise does not: at a constant rate the parameters keep
 * moving about the minimum. A rate that falls lets them settle; in epoch 1 it has not fallen yet,
 * and "1, falling" is the same as "1". (The dips in the picture of the losses are the ends of
 * epochs: each sample has had its turn, and the errors cancel best.)
 *
 * The model is a line, y = a x + b: two parameters, so that everything can be drawn.
 */
#include "picture.h"

#include <wengert/nn.h>

#include <math.h>
#include <stdlib.h>

enum {
    N = 64,
    EPOCHS = 20,
    WAYS = 4,      /* to descend */
    RUNS = 50,     /* of each */
    DRAWS = 10000, /* of batches, to measure the noise */
};

typedef struct vector {
    double a, b;
} vector;

static ag_real inputs[N], targets[N];

static void count_up(size_t order[N])
{
    for (size_t i = 0; i < N; i++)
        order[i] = i;
}

/* y = 2 x - 1 and noise */
static void make_data(void)
{
    nn_random random = nn_random_seed(1);
    for (size_t i = 0; i < N; i++) {
        const double x = 4 * nn_random_uniform(&random) - 1;
        inputs[i] = (ag_real)x;
        targets[i] = (ag_real)(2 * x - 1 + 0.5 * nn_random_normal(&random));
    }
}

/* ---- The gradient, by the engine ------------------------------------------------------------- */

typedef struct line {
    ag_graph *graph;
    ag_value a, b;
    ag_mark mark;
} line;

/* The gradient at p of the mean of 1/2 (a x + b - y)^2 over some samples. Leaves accumulate: each
 * sample adds its own, and is forgotten by the rewind. */
static vector take_gradient(const line *self, vector p, size_t count, const size_t *rows)
{
    ag_set(self->a, (ag_real)p.a);
    ag_set(self->b, (ag_real)p.b);
    ag_zero_grad(self->graph);
    for (size_t i = 0; i < count; i++) {
        ag_value x = ag_constant(self->graph, inputs[rows[i]]);
        ag_value y = ag_constant(self->graph, targets[rows[i]]);
        ag_value error = ag_sub(ag_add(ag_mul(self->a, x), self->b), y);
        ag_backward(ag_scale(ag_square(error), (ag_real)0.5));
        ag_graph_rewind(self->graph, self->mark);
    }
    return (vector){(double)ag_grad(self->a) / (double)count,
                    (double)ag_grad(self->b) / (double)count};
}

/* ---- Right on average ------------------------------------------------------------------------ */

static bool compare_means(const line *self)
{
    size_t all[N];
    count_up(all);
    enum {
        BATCH = 8
    };
    const vector origin = {0, 0};
    vector mean = {0, 0};
    printf("gradient at a = b = 0       d/da      d/db\n");
    for (size_t at = 0; at < N; at += BATCH) {
        const vector g = take_gradient(self, origin, BATCH, all + at);
        printf("  samples %2zu to %2zu      %8.4f  %8.4f\n", at, at + BATCH - 1, g.a, g.b);
        mean.a += g.a * BATCH / N;
        mean.b += g.b * BATCH / N;
    }
    const vector full = take_gradient(self, origin, N, all);
    printf("  mean of the eight     %8.4f  %8.4f\n", mean.a, mean.b);
    printf("  all samples at once   %8.4f  %8.4f\n", full.a, full.b);
    const double size = fmax(fabs(full.a), fabs(full.b));
    const double difference = fmax(fabs(mean.a - full.a), fabs(mean.b - full.b)) / size;
    const bool same = difference < 8 * (double)AG_REAL_EPSILON;
    printf("  the same but for rounding (%s): %s\n",
           sizeof(ag_real) == sizeof(double) ? "2e-15" : "1e-6", same ? "yes" : "NO");
    return same;
}

/* ---- Noise ----------------------------------------------------------------------------------- */

static double measure_distance(vector p, vector q)
{
    return hypot(p.a - q.a, p.b - q.b);
}

static void compare_noise(const line *self)
{
    size_t all[N];
    count_up(all);
    const vector origin = {0, 0}, full = take_gradient(self, origin, N, all);
    vector sample[N];
    double squares = 0;
    for (size_t i = 0; i < N; i++) {
        sample[i] = take_gradient(self, origin, 1, &i);
        squares += pow(measure_distance(sample[i], full), 2);
    }
    const double sigma = sqrt(squares / N);
    nn_random random = nn_random_seed(2);
    printf("\nbatch   deviation from the full gradient\n"
           "size    %d batches   formula\n",
           DRAWS);
    for (size_t batch = 1; batch <= N; batch *= 4) {
        squares = 0;
        for (int draw = 0; draw < DRAWS; draw++) {
            vector mean = {0, 0};
            nn_random_shuffle(&random, N, all);
            for (size_t i = 0; i < batch; i++) {
                mean.a += sample[all[i]].a / (double)batch;
                mean.b += sample[all[i]].b / (double)batch;
            }
            squares += pow(measure_distance(mean, full), 2);
        }
        printf("%4zu %16.2f %9.2f\n", batch, sqrt(squares / DRAWS),
               sigma * sqrt((double)(N - batch) / (double)(batch * (N - 1))));
    }
}

/* ---- Descent --------------------------------------------------------------------------------- */

typedef struct descent {
    const char *name;
    size_t batch;
    bool falling; /* rate 0.1 / epoch in place of 0.1 */
    size_t steps;
    double excess[EPOCHS * N + 1]; /* how far the loss is above its minimum, mean of all runs */
    vector path[EPOCHS * N + 1];   /* of the last run */
} descent;

static double compute_loss(vector p)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        const double error = p.a * (double)inputs[i] + p.b - (double)targets[i];
        sum += error * error;
    }
    return sum / (2 * N);
}

/* The normal equations: where the full gradient is 0. */
static vector find_minimum(void)
{
    double x = 0, y = 0, xx = 0, xy = 0;
    for (size_t i = 0; i < N; i++) {
        x += (double)inputs[i];
        y += (double)targets[i];
        xx += (double)inputs[i] * (double)inputs[i];
        xy += (double)inputs[i] * (double)targets[i];
    }
    const double a = (N * xy - x * y) / (N * xx - x * x);
    return (vector){a, (y - a * x) / N};
}

static void descend(const line *self, nn_random *random, descent *d)
{
    size_t order[N];
    count_up(order);
    vector *p = d->path;
    *p = (vector){0, 0};
    for (size_t epoch = 1; epoch <= EPOCHS; epoch++) {
        const double rate = d->falling ? 0.1 / (double)epoch : 0.1;
        nn_random_shuffle(random, N, order);
        for (size_t at = 0; at < N; at += d->batch, p++) {
            const vector g = take_gradient(self, *p, d->batch, order + at);
            p[1] = (vector){p->a - rate * g.a, p->b - rate * g.b};
        }
    }
    d->steps = (size_t)(p - d->path);
}

static void descend_often(const line *self, descent *d)
{
    const double minimum = compute_loss(find_minimum());
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        nn_random random = nn_random_seed(seed);
        descend(self, &random, d);
        for (size_t step = 0; step <= d->steps; step++)
            d->excess[step] += (compute_loss(d->path[step]) - minimum) / RUNS;
    }
}

static void print_descents(const descent ways[WAYS])
{
    static const size_t epochs[] = {0, 1, 2, 5, 10, 20};
    printf("\nloss above its minimum, mean of %d runs, at a rate of 0.1 (falling: 0.1 / epoch)\n"
           "batch",
           RUNS);
    for (int i = 0; i < WAYS; i++)
        printf("%12s", ways[i].name);
    printf("\nsteps");
    for (int i = 0; i < WAYS; i++)
        printf("%12zu", ways[i].steps);
    for (size_t k = 0; k < sizeof(epochs) / sizeof(epochs[0]); k++) {
        printf("\nepoch %-2zu", epochs[k]);
        for (int i = 0; i < WAYS; i++)
            printf("%12.4f", ways[i].excess[epochs[k] * ways[i].steps / EPOCHS]);
    }
    printf("\n");
}

/* ---- Pictures -------------------------------------------------------------------------------- */

/* In the order in which they cover each other. */
static void write_descents(FILE *file, const descent ways[WAYS])
{
    fprintf(file, "$descents << EOD\n"); /* epoch, a, b, loss above its minimum */
    for (int i = WAYS - 1; i >= 0; i--) {
        const descent *d = &ways[i];
        fprintf(file, "\"batch: %s\"\n", d->name);
        for (size_t step = 0; step <= d->steps; step++)
            fprintf(file, "%g %g %g %g\n", (double)(EPOCHS * step) / (double)d->steps,
                    d->path[step].a, d->path[step].b, d->excess[step]);
        fprintf(file, "\n\n");
    }
    fprintf(file, "EOD\n");
}

static void draw_paths(const char *directory, const descent ways[WAYS])
{
    picture drawing = open_picture(directory, "mini_batches_paths.gp");
    if (drawing.file == NULL)
        return;
    write_descents(drawing.file, ways);
    double x = 0, xx = 0;
    for (size_t i = 0; i < N; i++) {
        x += (double)inputs[i] / N;
        xx += (double)inputs[i] * (double)inputs[i] / N;
    }
    const vector least = find_minimum();
    /* the loss is quadratic: its second derivatives and its minimum say everything */
    fprintf(drawing.file,
            "u(a) = a - (%g)\n"
            "v(b) = b - (%g)\n"
            "set contour base\n"
            "unset surface\n"
            "set cntrparam levels discrete 0.01, 0.03, 0.1, 0.3, 1, 3\n"
            "set isosamples 121\n"
            "set table $contours\n"
            "splot [-1:3.3] [-2:1] (%g * u(x)**2 + 2 * %g * u(x) * v(y) + v(y)**2) / 2\n"
            "unset table\n"
            "set title 'Loss above its minimum (0.01, 0.03 ... 3), and four ways down "
            "(last of %d runs)'\n"
            "set xlabel 'a'\n"
            "set ylabel 'b'\n"
            "set key bottom left Left reverse noopaque\n"
            "plot [-1:3.3] [-2:1] $contours with lines lc rgb 'gray70' notitle, \\\n"
            "  for [i = 0:%d] $descents index i using 2:3 with linespoints pt 7 ps 0.3 \\\n"
            "    lc %d - i title columnheader(1)\n",
            least.a, least.b, xx, x, RUNS, WAYS - 1, WAYS);
    close_picture(&drawing);
}

static void draw_losses(const char *directory, const descent ways[WAYS])
{
    picture drawing = open_picture(directory, "mini_batches_losses.gp");
    if (drawing.file == NULL)
        return;
    write_descents(drawing.file, ways);
    fprintf(
        drawing.file,
        "set title 'Loss above its minimum, mean of %d runs'\n"
        "set xlabel 'epochs'\n"
        "set logscale y\n"
        "set format y '10^{%%T}'\n"
        "set key bottom left Left reverse noopaque\n"
        "plot [0:%d] for [i = 0:%d] $descents index i using 1:4 with lines lw 1.5 lc %d - i \\\n"
        "  title columnheader(1)\n",
        RUNS, EPOCHS, WAYS - 1, WAYS);
    close_picture(&drawing);
}

/* ---------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : NULL;
    static descent ways[WAYS] = {{.name = "all 64", .batch = N},
                                 {.name = "8", .batch = 8},
                                 {.name = "1, falling", .batch = 1, .falling = true},
                                 {.name = "1", .batch = 1}};
    ag_graph *graph = ag_graph_new(NULL);
    if (graph == NULL)
        return EXIT_FAILURE;
    line self = {.graph = graph, .a = ag_variable(graph, 0), .b = ag_variable(graph, 0)};
    self.mark = ag_graph_mark(graph);
    make_data();
    const bool same = compare_means(&self);
    compare_noise(&self);
    for (int i = 0; i < WAYS; i++)
        descend_often(&self, &ways[i]);
    const bool failed = ag_error(graph) != AG_OK;
    if (failed) {
        fprintf(stderr, "%s\n", ag_error_message(graph));
    } else {
        print_descents(ways);
        draw_paths(directory, ways);
        draw_losses(directory, ways);
    }
    ag_graph_free(graph);
    return failed || !same ? EXIT_FAILURE : EXIT_SUCCESS;
}
