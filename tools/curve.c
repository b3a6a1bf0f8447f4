/* SPDX-License-Identifier: MIT
 *
 * Curves: what to show of them, and where they have a gap.
 */
#include "curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct span {
    double low, high;
} span;

/* ---- Samples --------------------------------------------------------------------------------- */

static void sample_at(const curve *c, size_t count, const double *x, double *results)
{
    const size_t n = c->sampler->circuit->n;
    double *points = allocate(count * n, sizeof(*points));
    for (size_t i = 0; i < count; i++) {
        memcpy(points + i * n, c->base, n * sizeof(*points));
        points[i * n + c->along] = x[i];
    }
    sample(c->sampler, count, points, results);
    free(points);
}

void sample_curve(curve *c, const sampler *s, size_t along, const double *base, double low,
                  double high, size_t count)
{
    const size_t n = s->circuit->n;
    *c = (curve){.sampler = s, .along = along, .count = count, .outputs = s->outputs};
    c->base = allocate(n, sizeof(*c->base));
    memcpy(c->base, base, n * sizeof(*base));
    c->x = allocate(count, sizeof(*c->x));
    c->results = allocate(count * s->outputs, sizeof(*c->results));
    fill_range(low, high, count, c->x);
    sample_at(c, count, c->x, c->results);
}

void free_curve(curve *c)
{
    free(c->base);
    free(c->x);
    free(c->results);
}

/* A derivative belongs to a value: 1/x is not log's where log is not defined. */
static double pick(const double *results, size_t output)
{
    return isfinite(results[0]) ? results[output] : (double)NAN;
}

static double result(const curve *c, size_t output, size_t i)
{
    return pick(c->results + i * c->sampler->outputs, output);
}

static double evaluate(const curve *c, size_t output, double x)
{
    double results[2];
    sample_at(c, 1, &x, results);
    return pick(results, output);
}

/* ---- The frame ------------------------------------------------------------------------------- */

/* The finite values, sorted; how many. */
static size_t sort_values(const curve *c, size_t output, double *values)
{
    for (size_t i = 0; i < c->count; i++)
        values[i] = result(c, output, i);
    return sort_finite(c->count, values);
}

/* The shortest span that holds a share of sorted values. */
static span find_bulk(size_t n, const double *values, double share)
{
    const size_t most = (size_t)ceil(share * (double)(n - 1));
    span best = {values[0], values[most]};
    for (size_t i = 1; i + most < n; i++)
        if (values[i + most] - values[i] < best.high - best.low)
            best = (span){values[i], values[i + most]};
    return best;
}

static double measure(span s)
{
    return s.high - s.low;
}

/* Whether values grow without end towards the largest one: by much, where one looks closer. */
static bool has_pole(const curve *c)
{
    enum {
        POINTS = 65,
        ROUNDS = 3
    };
    const size_t outputs = c->sampler->outputs;
    size_t top = 0;
    double largest = 0;
    for (size_t i = 0; i < c->count; i++)
        if (isfinite(result(c, 0, i)) && fabs(result(c, 0, i)) > largest) {
            top = i;
            largest = fabs(result(c, 0, i));
        }
    const double first = largest;
    span near = {c->x[top > 0 ? top - 1 : 0], c->x[top + 1 < c->count ? top + 1 : top]};
    double x[POINTS], results[2 * POINTS];
    for (int round = 0; round < ROUNDS; round++) {
        fill_range(near.low, near.high, POINTS, x);
        sample_at(c, POINTS, x, results);
        top = POINTS / 2;
        for (size_t i = 0; i < POINTS; i++) {
            const double y = fabs(results[i * outputs]);
            if (isfinite(y) && y > largest) {
                top = i;
                largest = y;
            }
        }
        near = (span){x[top > 0 ? top - 1 : 0], x[top + 1 < POINTS ? top + 1 : top]};
    }
    return largest > 100 * first;
}

/* All slopes are shown, unless the curve itself would be small for the sake of a few. */
static span choose_slopes(size_t n, const double *slopes, span frame)
{
    const span all = {slopes[0], slopes[n - 1]}, bulk = find_bulk(n, slopes, 0.8);
    const bool crowded = measure(all) > 4 * measure(bulk);
    return crowded && measure(all) > 2 * measure(frame) ? bulk : all;
}

/* What the picture shows: all values and slopes, or where there is a pole, most of the values. */
static bool choose_frame(const curve *c, span *frame)
{
    double *numbers = allocate(c->count, sizeof(*numbers));
    size_t n = sort_values(c, 0, numbers);
    const bool any = n > 0, pole = any && has_pole(c);
    if (any)
        *frame = pole ? find_bulk(n, numbers, 0.9) : (span){numbers[0], numbers[n - 1]};
    n = any && !pole && c->outputs > 1 ? sort_values(c, 1, numbers) : 0;
    if (n > 0) {
        const span slopes = choose_slopes(n, numbers, *frame);
        *frame = (span){fmin(frame->low, slopes.low), fmax(frame->high, slopes.high)};
    }
    free(numbers);
    return any;
}

/* Some room above and below; a constant is in the middle. */
static span widen(span s)
{
    double margin = 0.05 * measure(s);
    if (margin <= 1e-9 * fmax(fabs(s.low), fabs(s.high)))
        margin = s.low == 0 ? 1 : fabs(s.low) / 2;
    return (span){s.low - margin, s.high + margin};
}

/* ---- Gaps ------------------------------------------------------------------------------------ */

enum {
    DEPTH = 2, /* a jump, and two where its middle is a value of its own */
    MOST = 10  /* points that join adds then */
};

typedef struct line {
    size_t count;
    double *points; /* x and y */
} line;

static void add_point(line *l, double x, double y)
{
    l->points[2 * l->count] = x;
    l->points[2 * l->count + 1] = y;
    l->count++;
}

/* One end is finite, the other is not: moves the finite one as near to the edge as it goes. */
static void find_edge(const curve *c, size_t output, double *x, double *y, double other)
{
    for (double middle; middle = *x + (other - *x) / 2, middle != *x && middle != other;) {
        const double value = evaluate(c, output, middle);
        if (isfinite(value)) {
            *x = middle;
            *y = value;
        } else {
            other = middle;
        }
    }
}

typedef struct point {
    double x, y;
} point;

/* Between two finite ends: whether much of their difference stays, however near they come. They do.
 * A point between them without a value parts them, too. */
static bool find_jump(const curve *c, size_t output, point *left, point *right)
{
    const double whole = fabs(right->y - left->y);
    for (double middle;
         middle = left->x + (right->x - left->x) / 2, middle != left->x && middle != right->x;) {
        const double value = evaluate(c, output, middle);
        if (!isfinite(value)) {
            find_edge(c, output, &left->x, &left->y, middle);
            find_edge(c, output, &right->x, &right->y, middle);
            return true;
        }
        *(fabs(value - left->y) > fabs(right->y - value) ? right : left) = (point){middle, value};
        if (fabs(right->y - left->y) < whole / 3) /* at the jump itself there may be its middle */
            return false;
    }
    return true;
}

/* The points from left to right, both finite; left is there already. Jumps of less than a hundredth
 * of the height are not looked at, and beside a jump only those that can be seen: towards a pole it
 * is all jumps. */
static void join(const curve *c, size_t output, double height, point left, point right, int depth,
                 line *l)
{
    const double difference = fabs(right.y - left.y);
    const bool looked_at = depth == 0 || (depth < DEPTH && difference < height);
    point before = left, after = right;
    if (looked_at && difference > height / 100 && find_jump(c, output, &before, &after)) {
        join(c, output, height, left, before, depth + 1, l);
        add_point(l, (double)NAN, (double)NAN);
        add_point(l, after.x, after.y);
        join(c, output, height, after, right, depth + 1, l);
    } else if (right.x > left.x) {
        add_point(l, right.x, right.y);
    }
}

/* The points of an output, with a NaN for each gap and both of its edges. */
static void trace(const curve *c, size_t output, double height, line *l)
{
    l->points = allocate(MOST * c->count, 2 * sizeof(*l->points));
    l->count = 0;
    for (size_t i = 0; i < c->count; i++) {
        point left = {c->x[i > 0 ? i - 1 : 0], result(c, output, i > 0 ? i - 1 : 0)};
        point right = {c->x[i], result(c, output, i)};
        const bool was = i > 0 && isfinite(left.y), is = isfinite(right.y);
        if (was && is) {
            join(c, output, height, left, right, 0, l);
        } else if (was) {
            find_edge(c, output, &left.x, &left.y, right.x);
            add_point(l, left.x, left.y);
            add_point(l, (double)NAN, (double)NAN);
        } else if (is) {
            if (i > 0) {
                point edge = right;
                find_edge(c, output, &edge.x, &edge.y, left.x);
                add_point(l, edge.x, edge.y);
            }
            add_point(l, right.x, right.y);
        }
    }
}

bool put_curve(const plot *p, const curve *c)
{
    static const char *const names[] = {"value", "derivative"};
    span frame;
    if (!choose_frame(c, &frame))
        return false;
    frame = widen(frame);
    for (size_t output = 0; output < c->outputs; output++) {
        line l;
        trace(c, output, measure(frame), &l);
        put_table(p->script, names[output], l.count, 2, l.points);
        free(l.points);
    }
    (void)fprintf(p->script,
                  "set xzeroaxis linetype 1 linecolor rgb '#b0b0b0' linewidth 0.7\n"
                  "set yzeroaxis linetype 1 linecolor rgb '#b0b0b0' linewidth 0.7\n"
                  "set xrange [%.17g:%.17g]\nset yrange [%.17g:%.17g]\nset xlabel ",
                  c->x[0], c->x[c->count - 1], frame.low, frame.high);
    put_string(p->script, "", c->sampler->circuit->names[c->along]);
    (void)fputs(" noenhanced\n", p->script);
    return true;
}
