/* SPDX-License-Identifier: MIT
 *
 * Logistic regression by gradient descent: 100 points of two classes, P(class 1) = sigmoid(w . x)
 * with x = (1, x1, x2), so that w0 is the bias. The loss is the mean cross-entropy
 *
 *     J(w) = 1/n sum_i softplus(s_i) - y_i s_i,  s_i = w . x_i       (softplus(s) = log(1 + e^s))
 *
 * and its gradient is the formula
 *
 *     dJ/dw = 1/n X^T (sigmoid(X w) - y)
 *
 * shown beside the engine's, along the way at 10, 100, 1000 and 10000 steps of w -= 0.1 dJ/dw.
 *
 * For comparison, linear discriminant analysis: if both classes are normal with the same covariance
 * S, Bayes' rule gives a line at once, w = S^-1 (m1 - m0), w0 = -w . (m0 + m1) / 2 + log(n1 / n0).
 * Descent goes for the likelihood of the classes given the points, LDA for that of both together,
 * so the two come close here and need not agree.
 */
#include "picture.h"

#include <wengert/autograd.h>
#include <wengert/nn.h>

#include <math.h>

enum {
    POINTS = 100,
    WEIGHTS = 3,
    MARKS = 4,
};

static const int marks[MARKS] = {10, 100, 1000, 10000};
static const double rate = 0.1;

static double x[POINTS][WEIGHTS]; /* 1, x1, x2 */
static double y[POINTS];          /* 0 or 1 */

/* Two clouds of the same shape, half of the points each. */
static void make_points(uint64_t seed)
{
    nn_random random = nn_random_seed(seed);
    for (int i = 0; i < POINTS; i++) {
        const double a = nn_random_normal(&random), b = nn_random_normal(&random);
        y[i] = i % 2;
        x[i][0] = 1;
        x[i][1] = 2 + 2 * y[i] + a;
        x[i][2] = 2 + y[i] + 0.5 * a + 0.8 * b;
    }
}

static double score(const double *w, int i)
{
    return w[0] * x[i][0] + w[1] * x[i][1] + w[2] * x[i][2];
}

/* ---- The formula, and the same by the engine ------------------------------------------------- */

/* 1/n X^T (sigmoid(X w) - y) */
static void apply_formula(const double *w, double *gradient)
{
    for (int j = 0; j < WEIGHTS; j++)
        gradient[j] = 0;
    for (int i = 0; i < POINTS; i++) {
        const double difference = 1 / (1 + exp(-score(w, i))) - y[i];
        for (int j = 0; j < WEIGHTS; j++)
            gradient[j] += x[i][j] * difference / POINTS;
    }
}

static ag_value record_loss(const ag_value *w)
{
    ag_value terms[POINTS];
    for (int i = 0; i < POINTS; i++) {
        const ag_real row[WEIGHTS] = {(ag_real)x[i][0], (ag_real)x[i][1], (ag_real)x[i][2]};
        ag_value s = ag_linear(WEIGHTS, row, w, 0);
        terms[i] = ag_sub(ag_softplus(s), ag_scale(s, (ag_real)y[i]));
    }
    return ag_scale(ag_sum(POINTS, terms), (ag_real)1 / POINTS);
}

/* ---- Linear discriminant analysis ------------------------------------------------------------ */

static void analyse(double *w)
{
    double count[2] = {0, 0}, mean[2][2] = {{0, 0}, {0, 0}};
    double s11 = 0, s12 = 0, s22 = 0;
    for (int i = 0; i < POINTS; i++)
        count[y[i] > 0] += 1;
    for (int i = 0; i < POINTS; i++)
        for (int j = 0; j < 2; j++)
            mean[y[i] > 0][j] += x[i][j + 1] / count[y[i] > 0];
    for (int i = 0; i < POINTS; i++) {
        const double d1 = x[i][1] - mean[y[i] > 0][0], d2 = x[i][2] - mean[y[i] > 0][1];
        s11 += d1 * d1 / (POINTS - 2);
        s12 += d1 * d2 / (POINTS - 2);
        s22 += d2 * d2 / (POINTS - 2);
    }
    const double determinant = s11 * s22 - s12 * s12;
    const double d1 = mean[1][0] - mean[0][0], d2 = mean[1][1] - mean[0][1];
    w[1] = (s22 * d1 - s12 * d2) / determinant;
    w[2] = (s11 * d2 - s12 * d1) / determinant;
    w[0] = log(count[1] / count[0]) - w[1] * (mean[0][0] + mean[1][0]) / 2 -
           w[2] * (mean[0][1] + mean[1][1]) / 2;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static int count_wrong(const double *w)
{
    int wrong = 0;
    for (int i = 0; i < POINTS; i++)
        wrong += (score(w, i) > 0) != (y[i] > 0);
    return wrong;
}

static void print_numbers(const char *before, const double *numbers)
{
    printf("%s%10.6f %10.6f %10.6f\n", before, numbers[0], numbers[1], numbers[2]);
}

/* A line w . (1, x1, x2) = 0 by two points far out on it; gnuplot cuts it at the frame. */
static void write_line(FILE *file, const char *block, const double *w)
{
    const double square = w[1] * w[1] + w[2] * w[2], far = 20 / sqrt(square);
    const double x1 = -w[0] * w[1] / square, x2 = -w[0] * w[2] / square;
    fprintf(file, "$%s << EOD\n%.6f %.6f\n%.6f %.6f\nEOD\n", block, x1 - far * w[2],
            x2 + far * w[1], x1 + far * w[2], x2 - far * w[1]);
}

static void write_plot(FILE *file, double descent[MARKS][WEIGHTS], const double *lda)
{
    char block[16];
    for (int klass = 0; klass < 2; klass++) {
        fprintf(file, "$class%d << EOD\n", klass);
        for (int i = 0; i < POINTS; i++)
            if ((y[i] > 0) == klass)
                fprintf(file, "%.6f %.6f\n", x[i][1], x[i][2]);
        fprintf(file, "EOD\n");
    }
    for (int m = 0; m < MARKS; m++) {
        snprintf(block, sizeof(block), "line%d", m);
        write_line(file, block, descent[m]);
    }
    write_line(file, "lda", lda);
    fprintf(file, "set title 'Logistic regression by gradient descent'\n"
                  "set xlabel 'x_1'\nset ylabel 'x_2'\n"
                  "set xrange [0:6]\nset yrange [-0.5:5.2]\nset clip two\n"
                  "set key outside bottom center vertical maxrows 2 Left reverse width -2\n"
                  "plot $class0 with points pt 7 ps 0.6 lc rgb '#0072b2' title 'class 0',\\\n"
                  "  $class1 with points pt 9 ps 0.7 lc rgb '#d55e00' title 'class 1'");
    for (int m = 0; m < MARKS; m++) /* the darker, the later */
        fprintf(file, ",\\\n  $line%d with lines lw 2 lc rgb '#%s' title '%d steps'", m,
                (const char *const[MARKS]){"c8c8c8", "989898", "606060", "000000"}[m], marks[m]);
    fprintf(file, ",\\\n  $lda with lines lw 2 dt 2 lc rgb '#009e73' title 'LDA'\n");
}

int main(int argc, char **argv)
{
    make_points(1);

    ag_graph *graph = ag_graph_new(NULL);
    ag_value weights[WEIGHTS];
    for (int j = 0; j < WEIGHTS; j++)
        weights[j] = ag_variable(graph, 0);
    ag_value loss = record_loss(weights); /* recorded once, evaluated again after each step */

    double descent[MARKS][WEIGHTS], lda[WEIGHTS];
    int mark = 0;
    for (int step = 0; mark < MARKS && ag_error(graph) == AG_OK; step++) {
        double *w = descent[mark], engine[WEIGHTS], formula[WEIGHTS];
        ag_forward(loss);
        ag_zero_grad(graph);
        ag_backward(loss);
        for (int j = 0; j < WEIGHTS; j++) {
            w[j] = (double)ag_data(weights[j]);
            engine[j] = (double)ag_grad(weights[j]);
            ag_set(weights[j], (ag_real)(w[j] - rate * engine[j]));
        }
        if (step == marks[mark]) {
            apply_formula(w, formula);
            printf("after %d steps: loss %.6f, %d of %d points on the wrong side\n", step,
                   (double)ag_data(loss), count_wrong(w), POINTS);
            print_numbers("  w                 ", w);
            print_numbers("  dJ/dw by formula  ", formula);
            print_numbers("  dJ/dw by engine   ", engine);
            mark++;
        }
    }
    analyse(lda);
    printf("linear discriminant analysis: %d points on the wrong side\n", count_wrong(lda));
    print_numbers("  w                 ", lda);

    picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "logistic_regression.gp");
    if (drawing.file != NULL) {
        write_plot(drawing.file, descent, lda);
        close_picture(&drawing);
    }

    const bool failed = ag_error(graph) != AG_OK;
    if (failed)
        fprintf(stderr, "%s\n", ag_error_message(graph));
    ag_graph_free(graph);
    return failed;
}
