/* SPDX-License-Identifier: MIT
 *
 * Maps: at which values lines are drawn, and the gnuplot that draws them.
 */
#include "contour.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Samples --------------------------------------------------------------------------------- */

void sample_map(map *m, const sampler *s, size_t across, size_t up, const double *base,
                const double low[2], const double high[2], size_t columns, size_t rows)
{
    const size_t n = s->circuit->n;
    *m = (map){.sampler = s, .across = across, .up = up, .columns = columns, .rows = rows};
    m->base = allocate(n, sizeof(*base));
    memcpy(m->base, base, n * sizeof(*base));
    m->x = allocate(columns, sizeof(*m->x));
    m->y = allocate(rows, sizeof(*m->y));
    fill_range(low[0], high[0], columns, m->x);
    fill_range(low[1], high[1], rows, m->y);
    m->results = allocate(rows * columns * s->outputs, sizeof(*m->results));
    double *points = allocate(columns * n, sizeof(*points));
    for (size_t j = 0; j < rows; j++) {
        for (size_t i = 0; i < columns; i++) {
            memcpy(points + i * n, base, n * sizeof(*base));
            points[i * n + across] = m->x[i];
            points[i * n + up] = m->y[j];
        }
        sample(s, columns, points, m->results + j * columns * s->outputs);
    }
    free(points);
}

void free_map(map *m)
{
    free(m->base);
    free(m->x);
    free(m->y);
    free(m->results);
}

/* ---- Levels ---------------------------------------------------------------------------------- */

enum {
    LEVELS = 24
};

typedef struct levels {
    size_t count;
    double at[LEVELS];
} levels;

static double quantile(size_t n, const double *sorted, double share)
{
    return sorted[(size_t)(share * (double)(n - 1))];
}

/* The round number, 1, 2 or 5 times a power of ten, that is the least not below x. */
static double round_up(double x)
{
    const double power = pow(10, floor(log10(x)));
    const double digit = x / power;
    return digit <= 1 ? power : digit <= 2 ? 2 * power : digit <= 5 ? 5 * power : 10 * power;
}

static void space_evenly(levels *l, double low, double high)
{
    const double step = round_up((high - low) / 11);
    for (double k = floor(low / step) + 1; k * step < high && l->count < LEVELS; k++)
        l->at[l->count++] = k * step;
}

/* base + sign * 1, 2, 5, 10, ... times a power of ten, where that is from low to high; with more
 * decades, fewer levels in each. */
static void space_by_decades(levels *l, double base, double sign, double low, double high)
{
    static const double digits[3][4] = {{1, 2, 5, 0}, {1, 3, 0}, {1, 0}};
    const double decades = log10(high / low);
    const int set = decades <= 5 ? 0 : decades <= 7 ? 1 : 2;
    const double stride = decades <= 14 ? 1 : ceil(decades / 14);
    for (double k = floor(log10(low)); k <= log10(high); k += stride)
        for (const double *digit = digits[set]; *digit > 0; digit++) {
            const double distance = *digit * pow(10, k);
            if (distance >= low && distance < high && l->count < LEVELS)
                l->at[l->count++] = base + sign * distance;
        }
}

/* Decades away from the end at which the values are crowded: from 0 where that makes rounder levels,
 * which it does if it is not far beyond that end. */
static void space_from(levels *l, double end, double sign, double near, double far)
{
    const double distance = sign * end, low = fmax(near, far * 1e-9);
    if (distance >= 0 && distance < far / 4) {
        space_by_decades(l, 0, sign, fmax(low, distance), far + distance);
    } else {
        const double unit = pow(10, floor(log10(low)));
        space_by_decades(l, sign * floor(distance / unit) * unit, sign, low, far);
    }
}

static levels choose_levels(size_t n, const double *sorted, bool valley)
{
    const double skewed = 5; /* the upper half of the values takes so many times the lower's room */
    levels l = {0};
    const double low = sorted[0], high = sorted[n - 1], middle = quantile(n, sorted, 0.5);
    if (!(low < high) || !isfinite(high - low))
        return l;
    const double tenth = quantile(n, sorted, 0.1), rest = quantile(n, sorted, 0.9);
    if (high - middle > (valley ? 1.5 : skewed) * (middle - low)) {
        space_from(&l, low, 1, quantile(n, sorted, valley ? 0.002 : 0.02) - low, high - low);
    } else if (middle - low > skewed * (high - middle)) {
        space_from(&l, high, -1, high - quantile(n, sorted, 0.98), high - low);
        for (size_t i = 0; i < l.count / 2; i++) {
            const double swapped = l.at[i];
            l.at[i] = l.at[l.count - 1 - i];
            l.at[l.count - 1 - i] = swapped;
        }
    } else if (high - low > 2 * skewed * (rest - tenth) && rest > tenth) {
        space_evenly(&l, tenth, rest);
    } else {
        space_evenly(&l, low, high);
    }
    return l;
}

/* ---- The plot -------------------------------------------------------------------------------- */

static double value(const map *m, size_t row, size_t column)
{
    return m->results[(row * m->columns + column) * m->sampler->outputs];
}

/* Fewer digits will do for a picture. A row of the map is a block of lines. */
static void put_grid(FILE *script, const map *m)
{
    (void)fputs("$grid << EOD\n", script);
    for (size_t j = 0; j < m->rows; j++) {
        for (size_t i = 0; i < m->columns; i++) {
            (void)fprintf(script, "%.9g %.9g ", m->x[i], m->y[j]);
            if (isfinite(value(m, j, i)))
                (void)fprintf(script, "%.7g\n", value(m, j, i));
            else
                (void)fputs("NaN\n", script);
        }
        (void)fputs(j + 1 < m->rows ? "\n" : "EOD\n", script);
    }
}

/* Bands are counted from 0, below the first level. */
static void put_bands(FILE *script, const levels *l)
{
    (void)fputs("band(z) = z != z ? NaN : 0.5", script);
    for (size_t i = 0; i < l->count; i++)
        (void)fprintf(script, " + (z >= %.17g)", l->at[i]);
    (void)fputs("\nset palette defined (0 '#3b6fb0', 0.25 '#7fa9d6', 0.5 '#b9d3ea', "
                "0.75 '#e3edf3', 1 '#fbf9f0')\n",
                script);
    if (l->count == 0) { /* one colour */
        (void)fputs("unset colorbox\nset cbrange [0:1]\n", script);
        return;
    }
    (void)fprintf(script, "set palette maxcolors %zu\nset cbrange [0:%zu]\nset cbtics scale 0 (",
                  l->count + 1, l->count + 1);
    for (size_t i = 0; i < l->count; i++)
        (void)fprintf(script, "%s'%.6g' %zu", i > 0 ? ", " : "", l->at[i], i + 1);
    (void)fputs(")\n", script);
}

static void put_lines(FILE *script, const levels *l)
{
    (void)fputs("set contour base\nunset surface\nset cntrparam levels discrete ", script);
    for (size_t i = 0; i < l->count; i++)
        (void)fprintf(script, "%s%.17g", i > 0 ? ", " : "", l->at[i]);
    (void)fputs("\nset table $lines\nsplot $grid using 1:2:3\nunset table\n", script);
}

static void put_axes(FILE *script, const map *m)
{
    const double width = m->x[m->columns - 1] - m->x[0], height = m->y[m->rows - 1] - m->y[0];
    (void)fputs("set border 15\nunset grid\nset xlabel ", script);
    put_string(script, "", m->sampler->circuit->names[m->across]);
    (void)fputs(" noenhanced\nset ylabel ", script);
    put_string(script, "", m->sampler->circuit->names[m->up]);
    (void)fprintf(script,
                  " noenhanced rotate by 0\n"
                  "set xrange [%.17g:%.17g]\nset yrange [%.17g:%.17g]\n",
                  m->x[0], m->x[m->columns - 1], m->y[0], m->y[m->rows - 1]);
    /* the same unit on both axes shows that a gradient is perpendicular to the contours */
    if (fmax(width, height) <= 3 * fmin(width, height))
        (void)fputs("set size ratio -1\n", script);
}

bool put_map(const plot *p, const map *m, bool valley)
{
    double *values = allocate(m->rows * m->columns, sizeof(*values));
    for (size_t j = 0; j < m->rows; j++)
        for (size_t i = 0; i < m->columns; i++)
            values[j * m->columns + i] = value(m, j, i);
    const size_t n = sort_finite(m->rows * m->columns, values);
    const levels l = n > 0 ? choose_levels(n, values, valley) : (levels){0};
    free(values);
    if (n == 0)
        return false;
    put_grid(p->script, m);
    put_bands(p->script, &l);
    if (l.count > 0)
        put_lines(p->script, &l);
    put_axes(p->script, m);
    (void)fputs("plot $grid using 1:2:(band($3)) with image notitle", p->script);
    if (l.count > 0)
        (void)fputs(", $lines using 1:2 with lines linestyle 4 notitle", p->script);
    return true;
}
