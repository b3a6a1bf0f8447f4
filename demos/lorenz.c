/* SPDX-License-Identifier: MIT
 *
 * Chaos, measured by a gradient. The Lorenz system
 *
 *     x' = sigma (y - x)      y' = x (rho - z) - y      z' = x y - beta z
 *
 * is followed by the classical Runge-Kutta method (RK4). One step is recorded once and compiled;
 * ag_scan folds it over time, as one gate of the graph, and remembers nothing but what goes in and
 * comes out: a gradient runs the steps again. The derivative of the end with respect to the start is
 * a matrix J, a row for each ag_backward. A small error e of the start is J e at the end, so the
 * largest factor by which any error grows is J's largest singular value. In a chaotic system it grows
 * exponentially; the mean rate, log(factor) / t, tends to the Lyapunov exponent, 0.906 for Lorenz's
 * parameters.
 */
#include "picture.h"

#include <wengert/program.h>

#include <math.h>
#include <stdlib.h>

enum {
    N = 3, /* numbers of a state, and of the parameters sigma, rho, beta */
    STEPS_PER_UNIT = 100,
    LONGEST = 20, /* units of time */
    PER_UNIT = 4, /* points of a drawing */
};

static const double parameters[N] = {10, 28, 8.0 / 3};
static const double start[N] = {-8, 8, 27};

/* ---- One step -------------------------------------------------------------------------------- */

static void find_slope(const ag_value *p, const ag_value *s, ag_value *slope)
{
    const ag_value sigma = p[0], rho = p[1], beta = p[2], x = s[0], y = s[1], z = s[2];
    slope[0] = ag_mul(sigma, ag_sub(y, x));
    slope[1] = ag_sub(ag_mul(x, ag_sub(rho, z)), y);
    const ag_value xy = ag_mul(x, y);
    slope[2] = ag_sub(xy, ag_mul(beta, z));
}

/* to = s + h * slope */
static void move(const ag_value *s, ag_real h, const ag_value *slope, ag_value *to)
{
    for (int i = 0; i < N; i++)
        to[i] = ag_add(s[i], ag_scale(slope[i], h));
}

static void take_step(const ag_value *p, const ag_value *s, ag_real h, ag_value *next)
{
    ag_value k1[N], k2[N], k3[N], k4[N], at[N];
    find_slope(p, s, k1);
    move(s, h / 2, k1, at);
    find_slope(p, at, k2);
    move(s, h / 2, k2, at);
    find_slope(p, at, k3);
    move(s, h, k3, at);
    find_slope(p, at, k4);
    const ag_real weights[] = {1, h / 6, h / 3, h / 3, h / 6};
    for (int i = 0; i < N; i++)
        next[i] = ag_linear(5, weights, (const ag_value[]){s[i], k1[i], k2[i], k3[i], k4[i]}, 0);
}

/* The parameters are shared by all steps, the state changes from one to the next. */
static ag_program *compile_step(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value p[N], state[N], next[N];
    for (int i = 0; i < N; i++)
        p[i] = ag_variable(graph, (ag_real)parameters[i]);
    for (int i = 0; i < N; i++)
        state[i] = ag_variable(graph, (ag_real)start[i]);
    take_step(p, state, (ag_real)1 / STEPS_PER_UNIT, next);
    ag_program *step = ag_compile(&(ag_signature){.shared = p,
                                                  .shared_count = N,
                                                  .each = state,
                                                  .each_count = N,
                                                  .map = next,
                                                  .map_count = N},
                                  NULL);
    if (step == NULL)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return step;
}

/* ---- Many steps ------------------------------------------------------------------------------ */

/* A graph in which the start is a variable and the end is one scan away. */
typedef struct flow {
    ag_graph *graph;
    ag_program *step;
    ag_value p[N], start[N];
    ag_mark mark;
} flow;

static void open_flow(flow *self, ag_program *step)
{
    *self = (flow){.graph = ag_graph_new(NULL), .step = step};
    for (int i = 0; i < N; i++)
        self->p[i] = ag_constant(self->graph, (ag_real)parameters[i]);
    for (int i = 0; i < N; i++)
        self->start[i] = ag_variable(self->graph, (ag_real)start[i]);
    self->mark = ag_graph_mark(self->graph);
}

static void follow(flow *self, int steps, ag_value *end)
{
    ag_graph_rewind(self->graph, self->mark);
    ag_scan(self->graph, self->step, (size_t)steps, N,
            &(ag_scan_arrays){.shared = self->p, .state = self->start, .final_state = end});
}

/* The end, and J: J[i][j] = d end_i / d start_j. */
static void follow_and_derive(flow *self, int steps, double end[N], double J[N][N])
{
    ag_value values[N];
    follow(self, steps, values);
    for (int i = 0; i < N; i++) {
        end[i] = (double)ag_data(values[i]);
        ag_zero_grad(self->graph);
        ag_backward(values[i]);
        for (int j = 0; j < N; j++)
            J[i][j] = (double)ag_grad(self->start[j]);
    }
}

/* The largest singular value, by powers of J^T J. */
static double measure_growth(double J[N][N])
{
    double v[N] = {1, 1, 1}, growth = 0;
    for (int round = 0; round < 100; round++) {
        double u[N] = {0}, w[N] = {0}, size = 0, squares = 0;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                u[i] += J[i][j] * v[j];
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                w[j] += J[i][j] * u[i];
        for (int i = 0; i < N; i++) {
            squares += u[i] * u[i];
            size += w[i] * w[i];
        }
        double length = 0;
        for (int i = 0; i < N; i++)
            length += v[i] * v[i];
        growth = sqrt(squares / length);
        for (int i = 0; i < N; i++)
            v[i] = w[i] / sqrt(size);
    }
    return growth;
}

/* ---- Against finite differences -------------------------------------------------------------- */

/* One column of J by central differences. */
static void differ(flow *self, int steps, int j, double h, double column[N])
{
    for (int i = 0; i < N; i++)
        column[i] = 0;
    for (int side = -1; side <= 1; side += 2) {
        ag_value end[N];
        ag_set(self->start[j], (ag_real)(start[j] + side * h));
        follow(self, steps, end);
        for (int i = 0; i < N; i++)
            column[i] += side * (double)ag_data(end[i]) / (2 * h);
    }
    ag_set(self->start[j], (ag_real)start[j]);
}

static bool check(flow *self)
{
    const bool is_double = sizeof(ag_real) == sizeof(double);
    double end[N], J[N][N], largest = 0, scale = 0;
    follow_and_derive(self, STEPS_PER_UNIT, end, J);
    printf("J after 1 unit of time, %d steps: by ag_backward, and by finite differences\n",
           STEPS_PER_UNIT);
    double differences[N][N];
    for (int j = 0; j < N; j++) {
        double column[N];
        differ(self, STEPS_PER_UNIT, j, is_double ? 1e-5 : 1.0 / 64, column);
        for (int i = 0; i < N; i++) {
            differences[i][j] = column[i];
            largest = fmax(largest, fabs(column[i] - J[i][j]));
            scale = fmax(scale, fabs(J[i][j]));
        }
    }
    for (int i = 0; i < N; i++)
        printf("  %9.5f %9.5f %9.5f   %9.5f %9.5f %9.5f\n", J[i][0], J[i][1], J[i][2],
               differences[i][0], differences[i][1], differences[i][2]);
    const double tolerance = is_double ? 1e-8 : 1e-2;
    printf("largest difference below %.0e of the largest entry: %s\n\n", tolerance,
           largest < tolerance * scale ? "yes" : "no");
    return largest < tolerance * scale;
}

/* ---- Chaos ----------------------------------------------------------------------------------- */

static void show_growth(flow *self)
{
    static const int times[] = {1, 2, 5, 10, 15, 20};
    printf("time  steps  nodes        end of the way            growth  log(growth) / time\n");
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        const int steps = times[i] * STEPS_PER_UNIT;
        double end[N], J[N][N];
        follow_and_derive(self, steps, end, J);
        const double growth = measure_growth(J);
        printf("%4d  %5d  %5zu  %8.3f %8.3f %8.3f  %10.4g  %18.3f\n", times[i], steps,
               ag_graph_count(self->graph), end[0], end[1], end[2], growth, log(growth) / times[i]);
    }
}

/* ---- The picture ----------------------------------------------------------------------------- */

/* The way itself, step by step: the program without a graph. */
static void write_way(FILE *file, ag_program *step)
{
    ag_workspace *workspace = ag_workspace_new(step, NULL, NULL);
    double state[N] = {start[0], start[1], start[2]}, next[N];
    fprintf(file, "$way << EOD\n");
    for (int t = 0; t <= LONGEST * STEPS_PER_UNIT; t++) {
        fprintf(file, "%g %g\n", state[0], state[2]);
        (void)ag_run(step, workspace, 1,
                     &(ag_arrays){.shared = parameters, .each = state, .map = next});
        for (int i = 0; i < N; i++)
            state[i] = next[i];
    }
    fprintf(file, "EOD\n");
    ag_workspace_free(workspace);
}

static void draw(const char *directory, flow *self)
{
    picture drawing = open_picture(directory, "lorenz.gp");
    if (drawing.file == NULL)
        return;
    write_way(drawing.file, self->step);
    fprintf(drawing.file, "$growth << EOD\n");
    for (int i = 0; i <= LONGEST * PER_UNIT; i++) {
        double end[N], J[N][N];
        follow_and_derive(self, i * STEPS_PER_UNIT / PER_UNIT, end, J);
        fprintf(drawing.file, "%g %g\n", (double)i / PER_UNIT, measure_growth(J));
    }
    fprintf(drawing.file, "EOD\n"
                          "set multiplot layout 1,2 title 'The Lorenz system'\n"
                          "set title 'the way through x and z'\n"
                          "set xlabel 'x'\n"
                          "set ylabel 'z'\n"
                          "unset key\n"
                          "plot $way using 1:2 with lines linewidth 0.7 linecolor 3\n"
                          "set title 'growth of a small error'\n"
                          "set xlabel 'time'\n"
                          "unset ylabel\n"
                          "set logscale y\n"
                          "set format y '10^{%%T}'\n"
                          "set key top left\n"
                          "plot $growth using 1:2 with lines linewidth 2 linecolor 3 title "
                          "'largest factor', \\\n"
                          "     exp(0.906 * x) with lines dashtype 2 linecolor 2 title "
                          "'exp(0.906 t)'\n"
                          "unset multiplot\n");
    close_picture(&drawing);
}

int main(int argc, char **argv)
{
    ag_program *step = compile_step();
    if (step == NULL)
        return EXIT_FAILURE;
    flow way;
    open_flow(&way, step);
    bool done = check(&way);
    show_growth(&way);
    draw(argc > 1 ? argv[1] : NULL, &way);
    if (ag_error(way.graph) != AG_OK) {
        fprintf(stderr, "%s\n", ag_error_message(way.graph));
        done = false;
    }
    ag_graph_free(way.graph);
    ag_program_free(step);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
