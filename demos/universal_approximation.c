/* SPDX-License-Identifier: MIT
 *
 * Universal approximation by one's own hands: sin x on [-pi, pi] as a sum of hinges.
 *
 * A net with one hidden layer of n relu neurons is a line with n kinks:
 *
 *     f(x) = b + sum_i w_i relu(x - t_i)
 *
 * To build one that goes through sin at n + 1 equally spaced points, put a hinge at every point but
 * the last and let its weight be the change of slope there. (At 0 there is none, since sin is odd:
 * that hinge weighs nothing.) The error is known beforehand: a chord of length h leaves a curve by
 * at most h^2/8 max|sin''|, which is pi^2/(2 n^2) for h = 2 pi / n. Twice the width, a quarter of
 * the error: a line of slope -2 in a plot of logarithms.
 *
 * Gradient descent does better still, since it may move hinges and lift chords off their points. On
 * a parabola, the best lifted chords have a root mean square error of h^2 |f''| / sqrt(720), those
 * through the points h^2 |f''| / sqrt(120): sqrt(6) = 2.45 times as much. So there are three nets
 * of each width: one as it is built; the same after training; and one that begins at random. That
 * weights exist is one thing (the theorem says no more); to find them is another.
 */
#include "picture.h"

#include <wengert/nn.h>

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

enum {
    FIRST_WIDTH = 4, /* 2 hinges would stand where sin is 0, and make the zero function */
    WIDTHS = 5,      /* 4, 8, 16, 32, 64 */
    SAMPLES = 256,   /* to train on */
    GRID = 1025,     /* to measure and to draw on */
};

enum {
    BUILT,
    TRAINED,
    RANDOM,
    KINDS
};

typedef struct net {
    nn_model *model;
    size_t width;
    double largest, rms; /* errors */
} net;

/* The nets of one width. */
typedef struct trio {
    net is[KINDS];
} trio;

/* The parameters of a net, in the order of nn_parameters. */
typedef struct hinges {
    ag_real *steepness; /* of the first layer: 1 as built */
    ag_real *bias;      /* -t */
    ag_real *weight;
    ag_real *offset; /* one */
} hinges;

static hinges find_hinges(const net *self)
{
    ag_real *p = nn_parameters(self->model);
    const size_t n = self->width;
    return (hinges){.steepness = p, .bias = p + n, .weight = p + 2 * n, .offset = p + 3 * n};
}

static void build(net *self)
{
    const hinges h = find_hinges(self);
    const double length = 2 * PI / (double)self->width;
    double slope = 0;
    for (size_t i = 0; i < self->width; i++) {
        const double t = -PI + (double)i * length;
        const double next = (sin(t + length) - sin(t)) / length;
        h.steepness[i] = 1;
        h.bias[i] = (ag_real)-t;
        h.weight[i] = (ag_real)(next - slope);
        slope = next;
    }
    *h.offset = (ag_real)sin(-PI);
}

/* Adam, five times over, each time with a third of the rate. */
static bool train(net *self, const nn_dataset *data, double rate, nn_error *error)
{
    for (int stage = 0; stage < 5; stage++, rate /= 3) {
        const nn_fit_options options = {.loss = NN_HALF_SQUARED_ERROR,
                                        .optimizer = nn_adam(rate),
                                        .epochs = 100,
                                        .batch = 32,
                                        .seed = 1,
                                        .keep_scale = true};
        if (nn_fit(self->model, data, &options, error) != AG_OK)
            return false;
    }
    return true;
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static double grid_point(size_t i)
{
    return PI * (2 * (double)i / (GRID - 1) - 1);
}

static bool evaluate(const net *self, ag_real f[GRID], nn_error *error)
{
    ag_real x[GRID];
    for (size_t i = 0; i < GRID; i++)
        x[i] = (ag_real)grid_point(i);
    return nn_predict(self->model, GRID, x, f, error) == AG_OK;
}

static bool measure(net *self, nn_error *error)
{
    ag_real f[GRID];
    if (!evaluate(self, f, error))
        return false;
    double squares = 0;
    for (size_t i = 0; i < GRID; i++) {
        const double distance = fabs((double)f[i] - sin(grid_point(i)));
        self->largest = fmax(self->largest, distance);
        squares += distance * distance;
    }
    self->rms = sqrt(squares / GRID);
    return true;
}

/* The slope of the line of least squares through (log width, log rms error). */
static double fit_slope(const trio nets[WIDTHS], int kind)
{
    double x = 0, y = 0, xx = 0, xy = 0;
    for (int i = 0; i < WIDTHS; i++) {
        const double at = log((double)nets[i].is[kind].width), value = log(nets[i].is[kind].rms);
        x += at;
        y += value;
        xx += at * at;
        xy += at * value;
    }
    return (WIDTHS * xy - x * y) / (WIDTHS * xx - x * x);
}

/* ---- Pictures -------------------------------------------------------------------------------- */

/* The net of 8 hinges as it grows: the sum of the first k hinges goes on straight where hinge k + 1
 * would bend it. */
static void draw_hinges(const char *directory, const net *self)
{
    picture drawing = open_picture(directory, "universal_approximation_hinges.gp");
    if (drawing.file == NULL)
        return;
    const hinges h = find_hinges(self);
    double slope = 0, last = -PI, y = (double)*h.offset;
    fprintf(drawing.file, "$hinges << EOD\n");
    for (size_t i = 0; i < self->width; i++) {
        const double t = -(double)h.bias[i];
        y += slope * (t - last);
        slope += (double)h.weight[i];
        fprintf(drawing.file, "%g %g %g %g\n", t, y, PI - t, slope * (PI - t));
        last = t;
    }
    fprintf(drawing.file,
            "%g %g 0 0\n"
            "EOD\n"
            "set title 'Eight hinges, added one by one: each but the one at 0 bends the line'\n"
            "set xlabel 'x'\n"
            "set xtics ('-π' -pi, '-π/2' -pi/2, '0' 0, 'π/2' pi/2, 'π' pi)\n"
            "set key right bottom Left reverse noopaque\n"
            "plot [-pi:pi] [-1.5:1.5] sin(x) lc rgb 'gray60' lw 4, \\\n"
            "  $hinges using 1:2:3:4 with vectors nohead dt 2 lc 3 title 'without the next', \\\n"
            "  $hinges using 1:2 with lines lc 2 lw 2 title 'the sum', \\\n"
            "  $hinges using 1:($3 > 0 ? $2 : NaN) with points lc 2 pt 7 title 'hinge'\n",
            PI, y + slope * (PI - last));
    close_picture(&drawing);
}

static bool write_net(FILE *file, const net *self, nn_error *error)
{
    ag_real f[GRID];
    if (!evaluate(self, f, error))
        return false;
    for (size_t i = 0; i < GRID; i += 4)
        fprintf(file, "%g %g\n", grid_point(i), (double)f[i]);
    fprintf(file, "\n\n");
    return true;
}

/* Above, the nets of 4 hinges on sin; below, how far those of 8 are from it. Left, as built; right,
 * trained. */
static bool draw_nets(const char *directory, const trio nets[WIDTHS], nn_error *error)
{
    picture drawing = open_picture(directory, "universal_approximation_nets.gp");
    if (drawing.file == NULL)
        return true;
    FILE *file = drawing.file;
    bool done = true;
    fprintf(file, "$nets << EOD\n");
    for (int i = 0; i < 2; i++)
        for (int kind = 0; kind < KINDS; kind++)
            done = done && write_net(file, &nets[i].is[kind], error);
    fprintf(file, "EOD\n"
                  "set xtics ('-π' -pi, '-π/2' -pi/2, '0' 0, 'π/2' pi/2, 'π' pi)\n"
                  "set xrange [-pi:pi]\n"
                  "set key top left Left reverse samplen 2 noopaque font ',13'\n"
                  "set multiplot layout 2, 2\n"
                  "set ytics 1\n"
                  "set yrange [-1.6:1.6]\n"
                  "set title '4 hinges, built'\n"
                  "plot sin(x) lc rgb 'gray70' lw 3 title 'sin', \\\n"
                  "  $nets index 0 with lines lc 2 lw 1.5 title 'built'\n"
                  "set title '4 hinges, trained'\n"
                  "plot sin(x) lc rgb 'gray70' lw 3 notitle, \\\n"
                  "  $nets index 1 with lines lc 4 lw 1.5 title 'built, trained', \\\n"
                  "  $nets index 2 with lines lc 3 lw 1.5 title 'random, trained'\n"
                  "set ytics 0.05\n"
                  "set yrange [-0.12:0.15]\n"
                  "set title '8 hinges, built: the error'\n"
                  "plot 0 lc rgb 'gray70' lw 3 notitle, \\\n"
                  "  $nets index 3 using 1:($2 - sin($1)) with lines lc 2 lw 1.5 title 'built'\n"
                  "set title '8 hinges, trained: the error'\n"
                  "plot 0 lc rgb 'gray70' lw 3 notitle, \\\n"
                  "  $nets index 4 using 1:($2 - sin($1)) with lines lc 4 lw 1.5 \\\n"
                  "    title 'built, trained', \\\n"
                  "  $nets index 5 using 1:($2 - sin($1)) with lines lc 3 lw 1.5 \\\n"
                  "    title 'random, trained'\n"
                  "unset multiplot\n");
    close_picture(&drawing);
    return done;
}

static void draw_errors(const char *directory, const trio nets[WIDTHS])
{
    picture drawing = open_picture(directory, "universal_approximation_errors.gp");
    if (drawing.file == NULL)
        return;
    fprintf(drawing.file, "$errors << EOD\n");
    for (int i = 0; i < WIDTHS; i++)
        fprintf(drawing.file, "%zu %g %g %g\n", nets[i].is[0].width, nets[i].is[BUILT].rms,
                nets[i].is[TRAINED].rms, nets[i].is[RANDOM].rms);
    fprintf(drawing.file,
            "EOD\n"
            "set title 'Twice the width, a quarter of the error'\n"
            "set xlabel 'hinges'\n"
            "set ylabel 'root mean square error'\n"
            "set logscale xy\n"
            "set xtics (4, 8, 16, 32, 64)\n"
            "set format y '10^{%%T}'\n"
            "set key bottom left Left reverse noopaque\n"
            "plot [3.5:73] (2 * pi / x)**2 / sqrt(240) lc rgb 'gray60' dt 2 title 'slope -2', \\\n"
            "  $errors using 1:4 with linespoints lc 3 pt 9 title 'random, trained', \\\n"
            "  $errors using 1:2 with linespoints lc 2 pt 7 title 'built', \\\n"
            "  $errors using 1:3 with linespoints lc 4 pt 5 title 'built, trained'\n");
    close_picture(&drawing);
}

/* ---------------------------------------------------------------------------------------------- */

static bool make_nets(trio nets[WIDTHS], const nn_dataset *data, nn_error *error)
{
    for (int i = 0; i < WIDTHS; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            net *self = &nets[i].is[kind];
            self->width = (size_t)FIRST_WIDTH << i;
            self->model = nn_mlp(3, (size_t[]){1, self->width, 1}, NN_RELU, 1);
            if (self->model == NULL) {
                *error = (nn_error){.status = AG_OUT_OF_MEMORY, .message = "out of memory"};
                return false;
            }
            if (kind != RANDOM)
                build(self);
            /* the random one has farther to go */
            if (kind != BUILT && !train(self, data, kind == RANDOM ? 0.01 : 0.001, error))
                return false;
            if (!measure(self, error))
                return false;
        }
    return true;
}

static void print_errors(const trio nets[WIDTHS])
{
    printf("           largest error            root mean square error\n"
           "hinges     built  pi^2/(2n^2)    built   trained  gain   random, trained\n");
    for (int i = 0; i < WIDTHS; i++) {
        const net *n = nets[i].is;
        printf("%6zu   %.5f      %.5f  %.5f   %.5f  %.2f           %.5f\n", n->width,
               n[BUILT].largest, PI * PI / (double)(2 * n->width * n->width), n[BUILT].rms,
               n[TRAINED].rms, n[BUILT].rms / n[TRAINED].rms, n[RANDOM].rms);
    }
    printf("slope of log(error) over log(hinges)%9.2f %9.2f %22.2f\n", fit_slope(nets, BUILT),
           fit_slope(nets, TRAINED), fit_slope(nets, RANDOM));
    printf("\ngain: built / trained, for chords that may be lifted about sqrt(6) = %.2f\n",
           sqrt(6));
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : NULL;
    ag_real x[SAMPLES], y[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        x[i] = (ag_real)(PI * ((2 * (double)i + 1) / SAMPLES - 1));
        y[i] = (ag_real)sin((double)x[i]);
    }
    nn_error error = {0};
    trio nets[WIDTHS] = {0};
    nn_dataset *data = nn_dataset_numbers(SAMPLES, 1, x, 1, y, &error);
    bool done = data != NULL && make_nets(nets, data, &error);
    if (done) {
        print_errors(nets);
        draw_hinges(directory, &nets[1].is[BUILT]);
        done = draw_nets(directory, nets, &error);
        draw_errors(directory, nets);
    }
    if (!done)
        fprintf(stderr, "%s\n", error.message);
    for (int i = 0; i < WIDTHS; i++)
        for (int kind = 0; kind < KINDS; kind++)
            nn_model_free(nets[i].is[kind].model);
    nn_dataset_free(data);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
