/* SPDX-License-Identifier: MIT
 *
 * Write scalars, run matrices. A net 2-16-2 is written down number by number, in plain loops over
 * scalar gates:
 *
 *     h_i = tanh(b1_i + sum_j W1_ij x_j)          o_i = b2_i + sum_j W2_ij h_j
 *     loss = 1/2 sum_i (o_i - t_i)^2
 *
 * ag_gradient writes its gradient down, gate by gate, too. Nobody says "matrix"; ag_compile finds
 * them all the same: the two layers, the way back through the second (its transpose), and the
 * gradients of the weights, which are outer products. What comes out runs on thousands of samples.
 *
 * The net learns to square a complex number: (x + iy)^2 = (x^2 - y^2) + i 2xy.
 */
#include "picture.h"

#include <wengert/nn.h>
#include <wengert/program.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN = 2,
    HIDDEN = 16,
    OUT = 2,
    /* where each matrix (row-major) and vector begins among the parameters */
    W1 = 0,
    B1 = W1 + HIDDEN * IN,
    W2 = B1 + HIDDEN,
    B2 = W2 + OUT * HIDDEN,
    PARAMETERS = B2 + OUT,
    SIDE = 64, /* samples lie on a square grid */
    SAMPLES = SIDE * SIDE,
    STEPS = 2000,
    LINES = 9,   /* of a drawing, across and down */
    POINTS = 41, /* of each line */
};

/* A sample's row: inputs, then targets. */
typedef struct row {
    double x[IN], t[OUT];
} row;

static void square(row *r)
{
    r->t[0] = r->x[0] * r->x[0] - r->x[1] * r->x[1];
    r->t[1] = 2 * r->x[0] * r->x[1];
}

static void make_rows(row *rows)
{
    for (int i = 0; i < SAMPLES; i++) {
        rows[i].x[0] = 2.0 * (i % SIDE) / (SIDE - 1) - 1;
        rows[i].x[1] = 2.0 * (i / SIDE) / (SIDE - 1) - 1;
        square(&rows[i]);
    }
}

/* ---- The net, scalar by scalar --------------------------------------------------------------- */

typedef struct net {
    ag_graph *graph;
    ag_value p[PARAMETERS], gradient[PARAMETERS];
    ag_value row[IN + OUT]; /* inputs, targets */
    ag_value o[OUT], loss;
} net;

/* bias + sum of w * x */
static ag_value add_up(int n, ag_value bias, const ag_value *w, const ag_value *x)
{
    ag_value sum = bias;
    for (int j = 0; j < n; j++)
        sum = ag_add(sum, ag_mul(w[j], x[j]));
    return sum;
}

static void record(net *self)
{
    const ag_value *p = self->p, *x = self->row, *t = self->row + IN;
    ag_value h[HIDDEN];
    for (int i = 0; i < HIDDEN; i++)
        h[i] = ag_tanh(add_up(IN, p[B1 + i], p + W1 + i * IN, x));
    for (int i = 0; i < OUT; i++)
        self->o[i] = add_up(HIDDEN, p[B2 + i], p + W2 + i * HIDDEN, h);
    ag_value squares[OUT];
    for (int i = 0; i < OUT; i++)
        squares[i] = ag_square(ag_sub(self->o[i], t[i]));
    self->loss = ag_scale(ag_sum(OUT, squares), 0.5);
    ag_gradient(self->loss, PARAMETERS, p, self->gradient);
}

static void name_vector(const char *letter, int n, const ag_value *v)
{
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s%d", letter, i);
        ag_name(v[i], name);
    }
}

static void open_net(net *self)
{
    self->graph = ag_graph_new(NULL);
    for (int i = 0; i < PARAMETERS; i++)
        self->p[i] = ag_variable(self->graph, 0);
    for (int i = 0; i < IN + OUT; i++)
        self->row[i] = ag_variable(self->graph, 0);
    name_vector("w", PARAMETERS, self->p);
    name_vector("x", IN, self->row);
    name_vector("t", OUT, self->row + IN);
    record(self);
    ag_name(self->loss, "loss");
}

/* ---- The same gradient three times ----------------------------------------------------------- */

/* Gate by gate: each sample in turn is put into the leaves, where gradients add up. */
static double sum_by_gates(net *self, const double *parameters, const row *rows, double *gradient)
{
    double loss = 0;
    for (int i = 0; i < PARAMETERS; i++)
        ag_set(self->p[i], (ag_real)parameters[i]);
    ag_zero_grad(self->graph);
    for (int s = 0; s < SAMPLES; s++) {
        for (int j = 0; j < IN; j++)
            ag_set(self->row[j], (ag_real)rows[s].x[j]);
        for (int j = 0; j < OUT; j++)
            ag_set(self->row[IN + j], (ag_real)rows[s].t[j]);
        ag_forward(self->loss);
        ag_backward(self->loss);
        loss += (double)ag_data(self->loss);
    }
    for (int i = 0; i < PARAMETERS; i++)
        gradient[i] = (double)ag_grad(self->p[i]);
    return loss;
}

/* One call of the program. Its sums are the gradient; each sample's loss comes back by itself. */
static double sum_by_program(ag_program *program, size_t threads, const double *parameters,
                             const row *rows, double *gradient)
{
    static double losses[SAMPLES];
    ag_workspace *workspace =
        ag_workspace_new(program, &(ag_workspace_options){.threads = threads}, NULL);
    const ag_status status = ag_run(
        program, workspace, SAMPLES,
        &(ag_arrays){.shared = parameters, .each = rows[0].x, .sum = gradient, .map = losses});
    double loss = 0;
    for (int s = 0; s < SAMPLES; s++)
        loss += losses[s];
    ag_workspace_free(workspace);
    return status == AG_OK ? loss : (double)NAN;
}

static bool compare(net *self, ag_program *program, const double *parameters, const row *rows)
{
    double by_gates[PARAMETERS], by_program[PARAMETERS], by_three[PARAMETERS];
    const double loss = sum_by_gates(self, parameters, rows, by_gates);
    const double same = sum_by_program(program, 1, parameters, rows, by_program);
    (void)sum_by_program(program, 3, parameters, rows, by_three);
    double largest = fabs(loss - same) / loss;
    for (int i = 0; i < PARAMETERS; i++)
        largest = fmax(largest, fabs(by_gates[i] - by_program[i]) / loss);
    const double tolerance = sizeof(ag_real) == sizeof(double) ? 1e-12 : 1e-4;
    const bool equal = largest < tolerance;
    const bool same_bits = memcmp(by_program, by_three, sizeof(by_three)) == 0;
    printf("loss over %d samples: gate by gate %.6f, by the program %.6f\n", SAMPLES, loss, same);
    printf("largest difference of a gradient below %.0e of that: %s\n", tolerance,
           equal ? "yes" : "no");
    printf("the same bits on one thread and on three: %s\n", same_bits ? "yes" : "no");
    return equal && same_bits;
}

/* ---- Learning -------------------------------------------------------------------------------- */

/* The parameters are the program's input and output at once: p += -rate / samples * gradient. */
static bool learn(ag_program *program, double *parameters, const row *rows)
{
    static double losses[SAMPLES];
    ag_workspace *workspace =
        ag_workspace_new(program, &(ag_workspace_options){.threads = 1}, NULL);
    ag_status status = AG_OK;
    printf("step   mean loss\n");
    for (int step = 0; step <= STEPS && status == AG_OK; step++) {
        status = ag_run(program, workspace, SAMPLES,
                        &(ag_arrays){.shared = parameters,
                                     .each = rows[0].x,
                                     .sum = parameters,
                                     .map = losses,
                                     .scale = -0.2 / SAMPLES});
        double loss = 0;
        for (int s = 0; s < SAMPLES; s++)
            loss += losses[s];
        if (step % (STEPS / 4) == 0)
            printf("%4d   %9.6f\n", step, loss / SAMPLES);
    }
    if (status != AG_OK)
        fprintf(stderr, "%s\n", ag_workspace_message(workspace));
    ag_workspace_free(workspace);
    return status == AG_OK;
}

/* ---- The picture ----------------------------------------------------------------------------- */

/* A grid of lines, and what becomes of it: squared, and as the net has it. */
static void write_lines(FILE *file, ag_program *outputs, const double *parameters)
{
    ag_workspace *workspace = ag_workspace_new(outputs, NULL, NULL);
    for (int line = 0; line < 2 * LINES; line++) {
        row rows[POINTS];
        double x[POINTS][IN], o[POINTS][OUT];
        for (int i = 0; i < POINTS; i++) {
            const double along = 2.0 * i / (POINTS - 1) - 1;
            const double across = 2.0 * (line % LINES) / (LINES - 1) - 1;
            rows[i].x[0] = x[i][0] = line < LINES ? along : across;
            rows[i].x[1] = x[i][1] = line < LINES ? across : along;
            square(&rows[i]);
        }
        (void)ag_run(outputs, workspace, POINTS,
                     &(ag_arrays){.shared = parameters, .each = x[0], .map = o[0]});
        for (int i = 0; i < POINTS; i++)
            fprintf(file, "%g %g %g %g\n", rows[i].t[0], rows[i].t[1], o[i][0], o[i][1]);
        fprintf(file, "\n");
    }
    ag_workspace_free(workspace);
}

static void draw(const char *directory, ag_program *outputs, const double *parameters)
{
    picture drawing = open_picture(directory, "program.gp");
    if (drawing.file == NULL)
        return;
    fprintf(drawing.file, "$lines << EOD\n");
    write_lines(drawing.file, outputs, parameters);
    fprintf(drawing.file, "EOD\n"
                          "set title 'A square grid of complex numbers, squared'\n"
                          "set size ratio -1\n"
                          "set xlabel 'imaginary part'\n"
                          "set ylabel 'real part'\n"
                          "set xrange [-2.1:2.1]\n"
                          "set yrange [-1.1:1.5]\n"
                          "set key top left\n"
                          "plot $lines using 2:1 with lines linewidth 4 linecolor rgb '#c8c8c8' "
                          "title 'as it is', \\\n"
                          "     $lines using 4:3 with lines linewidth 1 linecolor 3 title "
                          "'as the net 2-16-2 has it'\n");
    close_picture(&drawing);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static bool work(net *self, ag_program *program, double *parameters)
{
    static row rows[SAMPLES];
    make_rows(rows);
    printf("%zu gates of a loss and its gradient become this program:\n\n",
           ag_graph_count(self->graph));
    ag_program_print(program, stdout);
    printf("\n");
    const bool equal = compare(self, program, parameters, rows);
    printf("\n");
    return learn(program, parameters, rows) && equal;
}

int main(int argc, char **argv)
{
    net self;
    open_net(&self);
    ag_program *program = ag_compile(&(ag_signature){.shared = self.p,
                                                     .shared_count = PARAMETERS,
                                                     .each = self.row,
                                                     .each_count = IN + OUT,
                                                     .sum = self.gradient,
                                                     .sum_count = PARAMETERS,
                                                     .map = &self.loss,
                                                     .map_count = 1},
                                     NULL);
    ag_program *outputs = ag_compile(&(ag_signature){.shared = self.p,
                                                     .shared_count = PARAMETERS,
                                                     .each = self.row,
                                                     .each_count = IN,
                                                     .map = self.o,
                                                     .map_count = OUT},
                                     NULL);
    double parameters[PARAMETERS];
    nn_random random = nn_random_seed(1);
    for (int i = 0; i < PARAMETERS; i++)
        parameters[i] = 2 * nn_random_uniform(&random) - 1;

    bool done = program != NULL && outputs != NULL;
    if (!done)
        fprintf(stderr, "%s\n", ag_error_message(self.graph));
    done = done && work(&self, program, parameters);
    if (done)
        draw(argc > 1 ? argv[1] : NULL, outputs, parameters);
    ag_program_free(outputs);
    ag_program_free(program);
    ag_graph_free(self.graph);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
