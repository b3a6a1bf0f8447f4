/* SPDX-License-Identifier: MIT
 *
 * wengert minimise: the way downhill, as a table and as a picture.
 */
#include "contour.h"
#include "curve.h"
#include "descent.h"
#include "report.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Numbers --------------------------------------------------------------------------------- */

/* Every how many steps a line is printed: 1, 2 or 5 times a power of ten, and few lines. */
static size_t choose_stride(size_t steps)
{
    enum {
        LINES = 18
    };
    for (size_t power = 1;; power *= 10)
        for (size_t digit = 1; digit <= 5; digit += digit == 1 ? 1 : 3)
            if (steps / (digit * power) <= LINES)
                return digit * power;
}

static void print_point(const descent *d, size_t step)
{
    const circuit *c = d->sampler->circuit;
    const int width = c->digits + 6; /* a sign, a point, an exponent */
    printf("%*zu  %*s  %*s", 8, step, width, show_number(c, d->values[step]), width,
           show_number(c, d->slopes[step]));
    for (size_t i = 0; i < c->n; i++)
        printf("  %*s", width, show_number(c, d->points[step * c->n + i]));
    printf("\n");
}

static void print_text(const descent *d)
{
    const circuit *c = d->sampler->circuit;
    const int width = c->digits + 6;
    const size_t last = d->count - 1, stride = choose_stride(last);
    printf("%*s  %*s  %*s", 8, "step", width, "value", width, "|gradient|");
    for (size_t i = 0; i < c->n; i++)
        printf("  %*s", width, c->names[i]);
    printf("\n");
    for (size_t step = 0; step < last; step += stride)
        print_point(d, step);
    print_point(d, last);
}

static const char *name_end(descent_end end)
{
    switch (end) {
    case CONVERGED:
        return "converged";
    case OUT_OF_STEPS:
        return "out of steps";
    case NOT_FINITE:
        return "not finite";
    case NO_LOWER:
        break;
    }
    return "no lower point";
}

static void print_json(const descent *d)
{
    const circuit *c = d->sampler->circuit;
    const size_t last = d->count - 1;
    const double *point = d->points + last * c->n;
    report *object = report_new();
    report_flag(object, "converged", d->end == CONVERGED);
    report_text(object, "reason", name_end(d->end));
    report_text(object, "method", d->method);
    report_count(object, "steps", last);
    report_number(object, "value", d->values[last]);
    report *inputs = report_object(object, "inputs");
    for (size_t i = 0; i < c->n; i++)
        report_number(inputs, c->names[i], point[i]);
    report *gradient = report_object(object, "gradient");
    for (size_t i = 0; i < d->moving; i++)
        report_number(gradient, c->names[d->places[i]], d->gradient[i]);
    report *names = report_list(object, "names");
    for (size_t i = 0; i < c->n; i++)
        report_text_item(names, c->names[i]);
    report *path = report_list(object, "path");
    for (size_t step = 0; step < d->count; step++)
        report_numbers_item(path, c->n, d->points + step * c->n);
    report_numbers(object, "values", d->count, d->values);
    report_numbers(object, "largest_gradients", d->count, d->slopes);
    report_print(object);
}

/* ---- How it ended ---------------------------------------------------------------------------- */

static int fail_end(const descent *d)
{
    const circuit *c = d->sampler->circuit;
    const size_t last = d->count - 1;
    const bool value = !isfinite(d->values[last]);
    const char *what = value ? "value" : "gradient";
    const char *number = show_number(c, value ? d->values[last] : d->slopes[last]);
    if (last == 0)
        return fail(c->arguments, FAILED, "the %s is not finite at the start: %s", what, number);
    if (strcmp(d->method, "lbfgs") == 0)
        return fail(c->arguments, FAILED, "the %s is not finite at step %zu: %s", what, last,
                    number);
    return fail(c->arguments, FAILED,
                "diverged: the %s is not finite at step %zu: %s; try smaller steps: --rate %g",
                what, last, number, d->rate / 10);
}

/* Prints a sentence, unless JSON has said it; what is a failure goes to stderr. */
static int say_end(const descent *d)
{
    const circuit *c = d->sampler->circuit;
    const size_t last = d->count - 1;
    if (d->end == NOT_FINITE)
        return fail_end(d);
    if (c->arguments->json)
        return DONE;
    switch (d->end) {
    case CONVERGED:
        if (last == 0)
            printf("The gradient is 0 here, to %s: a minimum, a maximum or a saddle.\n",
                   show_number(c, d->tolerance));
        else
            printf("Converged in %zu step%s: |gradient| is at most %s.\n", last,
                   last == 1 ? "" : "s", show_number(c, d->tolerance));
        break;
    case OUT_OF_STEPS:
        printf("Not converged in %zu step%s: |gradient| is %s%s.\n", last, last == 1 ? "" : "s",
               show_number(c, d->slopes[last]),
               d->values[last] > d->values[0] ? ", and the value grew: try a smaller --rate" : "");
        break;
    case NO_LOWER:
        printf("Not converged: after %zu step%s no lower point was found: a kink, the limits of\n"
               "the numbers, or values that fall without end.\n",
               last, last == 1 ? "" : "s");
        break;
    case NOT_FINITE:
        break;
    }
    return DONE;
}

/* ---- Pictures -------------------------------------------------------------------------------- */

static const double *find_point(const descent *d, size_t step)
{
    return d->points + step * d->sampler->circuit->n;
}

/* The points that are drawn: the last one may not be finite, and of a path that flies apart only
 * the beginning can be seen. */
static size_t count_drawn(const descent *d, size_t axes, const size_t *places)
{
    enum {
        FAR = 20 /* times what the first step went */
    };
    const size_t whole = d->end == NOT_FINITE && d->count > 1 ? d->count - 1 : d->count;
    const double *start = find_point(d, 0);
    for (size_t step = 2; d->end == NOT_FINITE && step < whole; step++)
        for (size_t k = 0; k < axes; k++) {
            const double first = fabs(find_point(d, 1)[places[k]] - start[places[k]]);
            if (!(fabs(find_point(d, step)[places[k]] - start[places[k]]) <= FAR * first))
                return step;
        }
    return whole;
}

/* The range of an input over the points that are drawn. */
static void find_range(const descent *d, size_t place, size_t count, double *low, double *high)
{
    *low = *high = find_point(d, 0)[place];
    for (size_t step = 1; step < count; step++) {
        *low = fmin(*low, find_point(d, step)[place]);
        *high = fmax(*high, find_point(d, step)[place]);
    }
}

static void stretch(double *low, double *high, double width)
{
    const double middle = *low + (*high - *low) / 2;
    *low = middle - width / 2;
    *high = middle + width / 2;
}

/* Some room around the path. Two axes get ranges of about one size, if that hides nothing. */
static void choose_ranges(size_t axes, double *low, double *high)
{
    double widths[2], widest = 0;
    for (size_t k = 0; k < axes; k++) {
        widths[k] = (axes == 1 ? 1.6 : 1.3) * (high[k] - low[k]);
        widest = fmax(widest, widths[k]);
    }
    for (size_t k = 0; k < axes; k++) {
        const double size = fmax(fabs(low[k]), fabs(high[k]));
        double width = widths[k];
        if (!(widest > 1e-9 * size)) /* one point */
            width = fmax(2, size);
        else if (width < widest / 1.4 && (width > widest / 8 || width < widest / 1000))
            width = widest / 1.4;
        stretch(&low[k], &high[k], width);
    }
}

/* The block $path of what can be told apart in the picture: always the first and the last. */
static size_t put_path(FILE *script, size_t count, size_t columns, const double *points,
                       const double *widths)
{
    double *kept = allocate(count * columns, sizeof(*kept));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        bool apart = i == 0 || i + 1 == count;
        for (size_t k = 0; k < columns && !apart; k++)
            apart = fabs(points[i * columns + k] - kept[(n - 1) * columns + k]) > widths[k] / 400;
        if (apart)
            memcpy(kept + n++ * columns, points + i * columns, columns * sizeof(*kept));
    }
    put_table(script, "path", n, columns, kept);
    put_table(script, "start", 1, columns, kept);
    put_table(script, "end", 1, columns, kept + (n - 1) * columns);
    free(kept);
    return n;
}

/* The expression, and how it was gone downhill. */
static void put_titles(FILE *script, const descent *d)
{
    const circuit *c = d->sampler->circuit;
    const size_t last = d->count - 1;
    const char *plural = last == 1 ? "" : "s";
    char text[120];
    if (strcmp(d->method, "lbfgs") == 0)
        (void)snprintf(text, sizeof(text), "lbfgs, %zu step%s", last, plural);
    else
        (void)snprintf(text, sizeof(text), "%s, rate %g, %zu step%s", d->method, d->rate, last,
                       plural);
    put_title(script, c->length, c->text, text);
}

/* Goes on with a plot that has a map or a curve already. */
static void plot_path(FILE *script, const descent *d, size_t points)
{
    enum {
        CROWD = 120 /* more than so many points would hide their line */
    };
    (void)fprintf(script, ", $path using 1:2 with %s linestyle 2 %stitle 'path'",
                  points <= CROWD ? "linespoints" : "lines",
                  points <= CROWD ? "pointsize 0.35 " : "");
    (void)fputs(", $start using 1:2 with points pointtype 7 pointsize 1 linecolor rgb 'white' "
                "notitle, $start using 1:2 with points linestyle 2 pointtype 6 pointsize 1 "
                "title 'start'",
                script);
    if (d->end != NOT_FINITE)
        (void)fputs(", $end using 1:2 with points linestyle 2 pointsize 1 title 'end'", script);
    (void)fputc('\n', script);
}

static int draw_map(plot *p, const descent *d)
{
    enum {
        POINTS = 201
    };
    const circuit *c = d->sampler->circuit;
    const size_t count = count_drawn(d, 2, d->places);
    double low[2], high[2], *path = allocate(count, 2 * sizeof(*path));
    for (size_t k = 0; k < 2; k++) {
        find_range(d, d->places[k], count, &low[k], &high[k]);
        for (size_t i = 0; i < count; i++)
            path[2 * i + k] = find_point(d, i)[d->places[k]];
    }
    choose_ranges(2, low, high);
    put_titles(p->script, d);
    const size_t points =
        put_path(p->script, count, 2, path, (const double[]){high[0] - low[0], high[1] - low[1]});
    free(path);
    map field;
    sample_map(&field, d->sampler, d->places[0], d->places[1], c->low, low, high, POINTS, POINTS);
    const bool drawn = put_map(p, &field, true);
    free_map(&field);
    if (!drawn)
        return refuse_picture(p);
    plot_path(p->script, d, points);
    return close_plot(p, true);
}

static int draw_curve(plot *p, const descent *d)
{
    enum {
        POINTS = 401
    };
    const circuit *c = d->sampler->circuit;
    const size_t count = count_drawn(d, 1, d->places);
    double low, high, *path = allocate(count, 2 * sizeof(*path));
    find_range(d, d->places[0], count, &low, &high);
    choose_ranges(1, &low, &high);
    double bottom = d->values[0], top = d->values[0];
    for (size_t i = 0; i < count; i++) {
        path[2 * i] = find_point(d, i)[d->places[0]];
        path[2 * i + 1] = d->values[i];
        bottom = fmin(bottom, d->values[i]);
        top = fmax(top, d->values[i]);
    }
    put_titles(p->script, d);
    const size_t points =
        put_path(p->script, count, 2, path, (const double[]){high - low, top - bottom});
    free(path);
    curve line;
    sample_curve(&line, d->sampler, d->places[0], c->low, low, high, POINTS);
    line.outputs = 1;
    const bool drawn = put_curve(p, &line);
    free_curve(&line);
    if (!drawn)
        return refuse_picture(p);
    (void)fputs("plot $value using 1:2 with lines linestyle 1 title 'value'", p->script);
    plot_path(p->script, d, points);
    return close_plot(p, true);
}

/* The block $progress: steps, values above a base, slopes; NaN for what has no place on a
 * logarithmic axis. Not all of many steps, but the first and the last. How many of the values and of
 * the slopes have a place. */
static void put_progress(FILE *script, const descent *d, double base, size_t drawn[2])
{
    enum {
        POINTS = 2000
    };
    const size_t last = d->count - 1, stride = 1 + last / POINTS;
    double *rows = allocate(last / stride + 2, 3 * sizeof(*rows)), *row = rows;
    for (size_t i = 0; i <= last; row += 3) {
        row[0] = (double)i;
        row[1] = d->values[i] > base ? d->values[i] - base : (double)NAN;
        row[2] = d->slopes[i] > 0 ? d->slopes[i] : (double)NAN;
        for (size_t k = 0; k < 2; k++)
            drawn[k] += isfinite(row[1 + k]) ? 1 : 0;
        i = i == last || i + stride < last ? i + stride : last;
    }
    put_table(script, "progress", (size_t)(row - rows) / 3, 3, rows);
    free(rows);
}

/* A descent that ended where it began, at a value that no logarithmic axis has. */
static int draw_start(plot *p, const descent *d)
{
    const double value = d->values[0];
    if (!isfinite(value))
        return refuse_picture(p);
    put_table(p->script, "start", 1, 2, (const double[]){0, value});
    (void)fprintf(p->script,
                  "set xlabel 'step'\nset xrange [-1:1]\nset yrange [%.17g:%.17g]\n"
                  "plot $start using 1:2 with points linestyle 1 title 'value'\n",
                  value - fmax(1, fabs(value)), value + fmax(1, fabs(value)));
    return close_plot(p, true);
}

/* More inputs than a picture has axes: value and gradient against the step. */
static int draw_progress(plot *p, const descent *d)
{
    double lowest = (double)INFINITY;
    for (size_t i = 0; i < d->count; i++)
        if (isfinite(d->values[i]))
            lowest = fmin(lowest, d->values[i]);
    put_titles(p->script, d);
    size_t drawn[2] = {0};
    put_progress(p->script, d, lowest > 0 ? 0 : lowest, drawn);
    if (drawn[0] + drawn[1] == 0)
        return draw_start(p, d);
    const char *title = lowest > 0 ? "value" : "value - the lowest";
    (void)fprintf(p->script,
                  "set logscale y\nset format y '10^{%%T}'\nset xlabel 'step'\n"
                  "set xrange [0:%zu]\nplot ",
                  d->count > 1 ? d->count - 1 : 1);
    if (drawn[0] > 0)
        (void)fprintf(p->script, "$progress using 1:2 with lines linestyle 1 title '%s'%s", title,
                      drawn[1] > 0 ? ", " : "\n");
    if (drawn[1] > 0)
        (void)fputs("$progress using 1:3 with lines linestyle 2 title '|gradient|'\n", p->script);
    return close_plot(p, true);
}

static int draw(plot *p, const descent *d)
{
    return d->moving == 1   ? draw_curve(p, d)
           : d->moving == 2 ? draw_map(p, d)
                            : draw_progress(p, d);
}

/* ---- The command ----------------------------------------------------------------------------- */

static int hold_input(const circuit *c, const char *name, size_t length, bool *held)
{
    for (size_t i = 0; i < c->n; i++)
        if (strlen(c->names[i]) == length && strncmp(c->names[i], name, length) == 0) {
            held[i] = true;
            return DONE;
        }
    const char *near = find_nearest(name, length, c->n, (const char *const *)c->names);
    return fail(c->arguments, MISUSED, "--hold: there is no input \"%.*s\"%s%s%s",
                length < 60 ? (int)length : 60, name, near != NULL ? ": did you mean " : "",
                near != NULL ? near : "", near != NULL ? "?" : "");
}

/* places: room for c->n; of the inputs that --hold does not name. */
static int find_moving(const circuit *c, size_t *moving, size_t *places)
{
    bool *held = allocate(c->n, sizeof(*held));
    const char *list = get_option(c->arguments, "hold");
    int status = DONE;
    while (status == DONE && list != NULL) {
        const size_t length = strcspn(list, ",");
        status = hold_input(c, list, length, held);
        list = list[length] == ',' ? list + length + 1 : NULL;
    }
    *moving = 0;
    for (size_t i = 0; i < c->n; i++)
        if (!held[i])
            places[(*moving)++] = i;
    free(held);
    if (status == DONE && *moving == 0)
        return fail(c->arguments, MISUSED,
                    c->n == 0 ? "there is nothing to move without a NAME=NUMBER"
                              : "there is nothing to move: --hold names every input");
    return status;
}

static int read_settings(const command_line *a, descent *d)
{
    const char *method = get_option(a, "method");
    d->method = method != NULL ? method : "gd";
    d->rate = strcmp(d->method, "adam") == 0 ? 0.1 : 0.01;
    d->momentum = 0.9;
    d->tolerance = 1e-6;
    d->steps = 1000;
    if (strcmp(d->method, "lbfgs") == 0 && has_option(a, "rate"))
        return fail(a, MISUSED, "--rate: lbfgs finds the length of its steps itself");
    if (strcmp(d->method, "momentum") != 0 && has_option(a, "momentum"))
        return fail(a, MISUSED, "--momentum: the method %s has none", d->method);
    if (!get_number(a, "rate", 0, DBL_MAX, &d->rate) ||
        !get_number(a, "momentum", 0, 1, &d->momentum) ||
        !get_number(a, "tolerance", 0, DBL_MAX, &d->tolerance) ||
        !get_count(a, "steps", 0, 100000000, &d->steps))
        return MISUSED;
    if (strcmp(d->method, "lbfgs") == 0 && !has_lbfgs())
        return fail(a, FAILED, "--method lbfgs: this program was built without liblbfgs");
    return DONE;
}

/* Goes, tells, draws. A failed descent is drawn, too. */
static int show(descent *d, plot *p)
{
    descend(d);
    if (d->sampler->circuit->arguments->json)
        print_json(d);
    else
        print_text(d);
    const int status = say_end(d);
    const int drawn = p->script != NULL ? draw(p, d) : DONE;
    free_descent(d);
    return status != DONE ? status : drawn;
}

static int minimise(const circuit *c, size_t *places)
{
    const command_line *a = c->arguments;
    descent d = {.places = places};
    int status = find_moving(c, &d.moving, places);
    if (status == DONE)
        status = read_settings(a, &d);
    plot picture = {.arguments = a};
    const char *path = get_option(a, "plot");
    if (status == DONE && path != NULL)
        status = open_plot(&picture, a, path);
    if (status != DONE)
        return status;
    sampler points;
    status = open_sampler(&points, c, d.moving, places);
    d.sampler = &points;
    if (status == DONE)
        status = show(&d, &picture);
    else if (picture.script != NULL)
        (void)close_plot(&picture, false);
    close_sampler(&points);
    return status;
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = open_circuit(&c, arguments, NUMBERS);
    if (status == DONE) {
        size_t *places = allocate(c.n, sizeof(*places));
        status = minimise(&c, places);
        free(places);
    }
    close_circuit(&c);
    return status;
}

const subcommand minimise_command = {
    .name = "minimise",
    .operands = EXPRESSION_OPERANDS,
    .summary = "the way downhill, step by step",
    .description =
        "Starts at the numbers that are given and moves them against the gradient, until\n"
        "no component of the gradient is larger than the tolerance. Prints some of the\n"
        "steps; |gradient| is its largest component, without a sign. Methods:\n"
        "\n"
        "    gd        x = x - rate * gradient: gradient descent\n"
        "    momentum  v = momentum * v + gradient; x = x - rate * v\n"
        "    adam      steps of about the rate in each input (Kingma and Ba, 2015)\n"
        "    lbfgs     a model of the curvature, and a search along each direction\n"
        "              (Nocedal, 1980)\n"
        "\n"
        "--plot draws the path: on a map with contours where two inputs move, on the\n"
        "curve where one does; for more, value and gradient against the step.\n"
        "\n"
        "The exit status is 1 where the value or the gradient is not finite, so where it\n"
        "diverged; not where steps or lower points ran out.\n",
    .examples = "wengert minimise 'x^2 + 10*y^2' x=4 y=1 --rate 0.08 --plot path.svg\n"
                "wengert minimise '(1 - x)^2 + 100*(y - x^2)^2' x=-1.2 y=1 --method lbfgs\n"
                "wengert minimise '(1 - x)^2 + 100*(y - x^2)^2' x=-1.2 y=1 --rate 0.001\n"
                "wengert minimise '(a*2 + b - 5)^2 + (a*3 + b - 8)^2' a=0 b=1 --hold b\n",
    .options =
        (const option[]){
            {"method", 'm', "METHOD", DESCENT_METHODS, "how to step [gd]"},
            {"rate", 'r', "NUMBER", NULL, "the length of steps [0.01; adam: 0.1]"},
            {"momentum", 0, "NUMBER", NULL, "of the method momentum [0.9]"},
            {"steps", 's', "NUMBER", NULL, "at most [1000]"},
            {"tolerance", 't', "NUMBER", NULL, "stop where |gradient| is not above it [1e-6]"},
            {"hold", 0, "NAMES", NULL, "inputs that keep their numbers, as in a,b"},
            {"plot", 'p', "FILE", NULL, "draw the path: .svg, .png, .pdf, .gp"},
            EXPRESSION_OPTION,
            DIGITS_OPTION,
            {0}},
    .run = run,
};
