/* SPDX-License-Identifier: MIT
 *
 * wengert plot: an expression over a range of one input, or of two.
 */
#include "contour.h"
#include "curve.h"
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What was computed: results for each number of the second range (once, where there is none), and
 * for each of the first. */
typedef struct table {
    const circuit *circuit;
    size_t ranges;
    const char *names[2];
    size_t counts[2];
    const double *numbers[2];
    size_t outputs; /* the value, then a derivative for each range, where they are asked for */
    const double *results;
} table;

/* ---- Numbers --------------------------------------------------------------------------------- */

static void print_heading(const table *t, int width)
{
    printf("%*s", width, t->names[0]);
    if (t->ranges > 1)
        printf(" %*s", width, t->names[1]);
    printf(" %*s", width, "value");
    for (size_t k = 1; k < t->outputs; k++) {
        const int length = (int)strlen(t->names[k - 1]) + 3;
        printf(" %*sd/d%s", length < width ? width - length : 0, "", t->names[k - 1]);
    }
    printf("\n");
}

static void print_text(const table *t)
{
    const int width = t->circuit->digits + 7; /* a sign, a point, an exponent */
    const double *result = t->results;
    print_heading(t, width);
    for (size_t j = 0; j < t->counts[1]; j++)
        for (size_t i = 0; i < t->counts[0]; i++, result += t->outputs) {
            printf("%*s", width, show_number(t->circuit, t->numbers[0][i]));
            if (t->ranges > 1)
                printf(" %*s", width, show_number(t->circuit, t->numbers[1][j]));
            for (size_t k = 0; k < t->outputs; k++)
                printf(" %*s", width, show_number(t->circuit, result[k]));
            printf("\n");
        }
}

/* One list for one range; for two, a list of lists, one for each number of the second. */
static void report_output(const table *t, size_t output, report *object, const char *key)
{
    double *row = allocate(t->counts[0], sizeof(*row));
    report *rows = t->ranges > 1 ? report_list(object, key) : NULL;
    for (size_t j = 0; j < t->counts[1]; j++) {
        for (size_t i = 0; i < t->counts[0]; i++)
            row[i] = t->results[(j * t->counts[0] + i) * t->outputs + output];
        if (t->ranges > 1)
            report_numbers_item(rows, t->counts[0], row);
        else
            report_numbers(object, key, t->counts[0], row);
    }
    free(row);
}

static void print_json(const table *t)
{
    report *object = report_new();
    report *inputs = report_object(object, "inputs");
    for (size_t k = 0; k < t->ranges; k++)
        report_numbers(inputs, t->names[k], t->counts[k], t->numbers[k]);
    report_output(t, 0, object, "values");
    if (t->outputs > 1) {
        report *derivatives = report_object(object, "derivatives");
        for (size_t k = 1; k < t->outputs; k++)
            report_output(t, k, derivatives, t->names[k - 1]);
    }
    report_print(object);
}

/* ---- Pictures -------------------------------------------------------------------------------- */

static int draw_curve(plot *p, const curve *c)
{
    const circuit *inputs = c->sampler->circuit;
    if (!put_curve(p, c))
        return refuse_picture(p);
    put_title(p->script, inputs->length, inputs->text, NULL);
    if (c->sampler->outputs > 1) {
        (void)fputs("plot $value using 1:2 with lines linestyle 1 title 'value', "
                    "$derivative using 1:2 with lines linestyle 2 title ",
                    p->script);
        put_string(p->script, "d/d", inputs->names[c->along]);
    } else {
        (void)fputs("plot $value using 1:2 with lines linestyle 1 notitle", p->script);
    }
    (void)fputc('\n', p->script);
    return close_plot(p, true);
}

/* Arrows of one length uphill, as they look on the map. false: it is flat. */
static bool put_arrows(FILE *script, const map *m)
{
    enum {
        ARROWS = 16
    };
    const double width = m->x[m->columns - 1] - m->x[0], height = m->y[m->rows - 1] - m->y[0];
    const double length = 0.7 / ARROWS;
    const double low[] = {m->x[0] + width / (2 * ARROWS), m->y[0] + height / (2 * ARROWS)};
    const double high[] = {low[0] + width * (ARROWS - 1) / ARROWS,
                           low[1] + height * (ARROWS - 1) / ARROWS};
    map coarse;
    sample_map(&coarse, m->sampler, m->across, m->up, m->base, low, high, ARROWS, ARROWS);
    double arrows[ARROWS * ARROWS][4];
    bool any = false;
    for (size_t i = 0; i < (size_t)(ARROWS * ARROWS); i++) {
        const double dx = coarse.results[3 * i + 1], dy = coarse.results[3 * i + 2];
        const double seen = hypot(dx / width, dy / height);
        const bool drawn = isfinite(seen) && seen > 0;
        any = any || drawn;
        arrows[i][2] = drawn ? dx / seen * length : (double)NAN;
        arrows[i][3] = drawn ? dy / seen * length : (double)NAN;
        arrows[i][0] = coarse.x[i % ARROWS] - arrows[i][2] / 2;
        arrows[i][1] = coarse.y[i / ARROWS] - arrows[i][3] / 2;
    }
    free_map(&coarse);
    put_table(script, "arrows", (size_t)(ARROWS * ARROWS), 4, arrows[0]);
    return any;
}

static int draw_map(plot *p, const map *m)
{
    const circuit *inputs = m->sampler->circuit;
    const bool arrows = m->sampler->outputs > 1 && put_arrows(p->script, m);
    put_title(p->script, inputs->length, inputs->text, NULL);
    if (!put_map(p, m, false))
        return refuse_picture(p);
    if (arrows)
        (void)fputs(", $arrows using 1:2:3:4 with vectors head filled size graph 0.012,20 "
                    "linestyle 2 linewidth 1 notitle",
                    p->script);
    (void)fputc('\n', p->script);
    return close_plot(p, true);
}

/* ---- The command ----------------------------------------------------------------------------- */

enum {
    POINTS = 401,
    MAP_POINTS = 201,
    MOST_POINTS = 1000000,
    MOST_MAP_POINTS = 2000
};

/* by: the places of the inputs that have a range, of which there may be one or two. */
static int find_ranges(const circuit *c, size_t *ranges, size_t by[2])
{
    *ranges = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!(c->low[i] < c->high[i]))
            continue;
        if (*ranges == 2)
            return fail(c->arguments, MISUSED,
                        "%s=LOW:HIGH is a third range: a picture has two at most", c->names[i]);
        by[(*ranges)++] = i;
    }
    return *ranges > 0 ? DONE
                       : fail(c->arguments, MISUSED,
                              "a range is missing: give one input as NAME=LOW:HIGH, as in x=-3:3");
}

static void print_table(const table *t)
{
    if (t->circuit->arguments->json)
        print_json(t);
    else
        print_text(t);
}

static int plot_curve(const sampler *s, size_t along, size_t count, plot *p)
{
    const circuit *c = s->circuit;
    curve line;
    sample_curve(&line, s, along, c->low, c->low[along], c->high[along], count);
    const table numbers = {.circuit = c,
                           .ranges = 1,
                           .names = {c->names[along]},
                           .counts = {count, 1},
                           .numbers = {line.x},
                           .outputs = s->outputs,
                           .results = line.results};
    const int status = p->script != NULL ? draw_curve(p, &line) : DONE;
    if (status == DONE && (p->path == NULL || c->arguments->json))
        print_table(&numbers);
    free_curve(&line);
    return status;
}

static int plot_map(const sampler *s, const size_t by[2], size_t count, plot *p)
{
    const circuit *c = s->circuit;
    map field;
    sample_map(&field, s, by[0], by[1], c->low, (const double[]){c->low[by[0]], c->low[by[1]]},
               (const double[]){c->high[by[0]], c->high[by[1]]}, count, count);
    const table numbers = {.circuit = c,
                           .ranges = 2,
                           .names = {c->names[by[0]], c->names[by[1]]},
                           .counts = {count, count},
                           .numbers = {field.x, field.y},
                           .outputs = s->outputs,
                           .results = field.results};
    const int status = p->script != NULL ? draw_map(p, &field) : DONE;
    if (status == DONE && (p->path == NULL || c->arguments->json))
        print_table(&numbers);
    free_map(&field);
    return status;
}

static int plot_circuit(const circuit *c)
{
    const command_line *a = c->arguments;
    size_t ranges, by[2];
    int status = find_ranges(c, &ranges, by);
    if (status != DONE)
        return status;
    uint64_t count = ranges == 1 ? POINTS : MAP_POINTS;
    if (!get_count(a, "points", 2, ranges == 1 ? MOST_POINTS : MOST_MAP_POINTS, &count))
        return MISUSED;
    plot picture = {.arguments = a};
    const char *path = get_option(a, "output");
    if (path != NULL)
        status = open_plot(&picture, a, path);
    if (status != DONE)
        return status;
    sampler points;
    status = open_sampler(&points, c, has_option(a, "gradient") ? ranges : 0, by);
    if (status != DONE && picture.script != NULL)
        (void)close_plot(&picture, false);
    if (status == DONE)
        status = ranges == 1 ? plot_curve(&points, by[0], (size_t)count, &picture)
                             : plot_map(&points, by, (size_t)count, &picture);
    close_sampler(&points);
    return status;
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = open_circuit(&c, arguments, RANGES);
    if (status == DONE)
        status = plot_circuit(&c);
    close_circuit(&c);
    return status;
}

const subcommand plot_command = {
    .name = "plot",
    .operands = "EXPRESSION NAME=LOW:HIGH [NAME=NUMBER]...",
    .summary = "a curve, or a map with contours",
    .description =
        "Draws an expression over a range of one input, or prints its points. Where it\n"
        "jumps or is not defined the curve has a gap, and a pole does not squash the\n"
        "rest. With --gradient the derivative is beside it.\n"
        "\n"
        "Over ranges of two inputs it draws a map with contour lines: at even steps, or\n"
        "by decades where most values are crowded at one end. There, --gradient draws\n"
        "arrows uphill.\n"
        "\n"
        "The picture's name says what it is: .svg, .png, .pdf, or .gp for the script from\n"
        "which gnuplot draws it, with the numbers in it, to change it by hand.\n",
    .examples = "wengert plot 'tanh(x)' x=-3:3 --gradient -o tanh.svg\n"
                "wengert plot 'sin(x)/x' x=-20:20 --points 1000 > points.txt\n"
                "wengert plot 'exp(-a*x)*cos(5*x)' x=0:2*pi a=0.4 -o oscillation.pdf\n"
                "wengert plot 'x^2 - y^2' x=-1:1 y=-1:1 --gradient -o saddle.png\n",
    .options =
        (const option[]){
            {"output", 'o', "FILE", NULL, "the picture; without it, a table of the points"},
            {"gradient", 'g', NULL, NULL, "with the derivative"},
            {"points", 'p', "NUMBER", NULL, "points along a range [401; 201 with two ranges]"},
            EXPRESSION_OPTION,
            DIGITS_OPTION,
            {0}},
    .run = run,
};
