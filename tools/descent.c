/* SPDX-License-Identifier: MIT
 *
 * One loop for rules that take steps, one call for a library that has a loop of its own.
 */
#include "descent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wengert/nn.h>

/* ---- The path -------------------------------------------------------------------------------- */

/* Room for one more point, which begins as the last one. */
static double *add_point(descent *d)
{
    const circuit *c = d->sampler->circuit;
    if (d->count == d->capacity) {
        d->capacity = 2 * d->capacity + 16;
        d->points = resize(d->points, d->capacity, c->n * sizeof(*d->points));
        d->values = resize(d->values, d->capacity, sizeof(*d->values));
        d->slopes = resize(d->slopes, d->capacity, sizeof(*d->slopes));
    }
    double *point = d->points + d->count * c->n;
    memcpy(point, d->count > 0 ? point - c->n : c->low, c->n * sizeof(*point));
    d->count++;
    return point;
}

/* Judges the last point by its value and gradient: whether to go on. */
static bool judge(descent *d, double value, const double *gradient)
{
    double slope = 0;
    for (size_t i = 0; i < d->moving; i++)
        if (!(fabs(gradient[i]) <= slope)) /* a NaN stays */
            slope = isnan(slope) ? slope : fabs(gradient[i]);
    memmove(d->gradient, gradient, d->moving * sizeof(*gradient));
    d->values[d->count - 1] = value;
    d->slopes[d->count - 1] = slope;
    if (!isfinite(value) || !isfinite(slope))
        d->end = NOT_FINITE;
    else if (slope <= d->tolerance)
        d->end = CONVERGED;
    else
        return true;
    return false;
}

static void evaluate(const descent *d, const double *point, double *value, double *gradient)
{
    double *results = allocate(d->sampler->outputs, sizeof(*results));
    sample(d->sampler, 1, point, results);
    *value = results[0];
    memcpy(gradient, results + 1, d->moving * sizeof(*gradient));
    free(results);
}

static bool visit(descent *d)
{
    double value;
    evaluate(d, d->points + (d->count - 1) * d->sampler->circuit->n, &value, d->gradient);
    return judge(d, value, d->gradient);
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static nn_optimizer find_rule(const descent *d)
{
    nn_optimizer rule = strcmp(d->method, "adam") == 0 ? nn_adam(d->rate) : nn_sgd(d->rate);
    if (strcmp(d->method, "momentum") == 0)
        rule.momentum = d->momentum;
    return rule;
}

static void follow_rule(descent *d)
{
    const nn_optimizer rule = find_rule(d);
    ag_real *numbers = allocate(d->moving * (2 + rule.state_count), sizeof(*numbers));
    ag_real *gradient = numbers + d->moving, *state = gradient + d->moving;
    for (size_t i = 0; i < d->moving; i++)
        numbers[i] = (ag_real)d->sampler->circuit->low[d->places[i]];
    d->end = OUT_OF_STEPS;
    for (uint64_t t = 1; t <= d->steps; t++) {
        for (size_t i = 0; i < d->moving; i++)
            gradient[i] = (ag_real)d->gradient[i];
        rule.step(&rule, d->moving, numbers, gradient, state, t);
        double *point = add_point(d);
        for (size_t i = 0; i < d->moving; i++)
            point[d->places[i]] = (double)numbers[i];
        if (!visit(d))
            break;
    }
    free(numbers);
}

/* ---- L-BFGS ---------------------------------------------------------------------------------- */

#ifdef HAVE_LBFGS
#include <lbfgs.h>

bool has_lbfgs(void)
{
    return true;
}

typedef struct search {
    descent *descent;
    double *point; /* where the library wants to know a value */
} search;

static lbfgsfloatval_t evaluate_trial(void *context, const lbfgsfloatval_t *x,
                                      lbfgsfloatval_t *gradient, const int n,
                                      const lbfgsfloatval_t step)
{
    const search *s = context;
    (void)step;
    for (int i = 0; i < n; i++)
        s->point[s->descent->places[i]] = x[i];
    double value;
    evaluate(s->descent, s->point, &value, gradient);
    return isnan(value) ? HUGE_VAL
                        : value; /* no comparison takes a NaN, so the step gets shorter */
}

/* After each step; anything but 0 ends it. */
static int record_step(void *context, const lbfgsfloatval_t *x, const lbfgsfloatval_t *gradient,
                       const lbfgsfloatval_t value, const lbfgsfloatval_t norm_x,
                       const lbfgsfloatval_t norm, const lbfgsfloatval_t step, int n, int k,
                       int trials)
{
    const search *s = context;
    (void)norm_x, (void)norm, (void)step, (void)k, (void)trials;
    double *point = add_point(s->descent);
    for (int i = 0; i < n; i++)
        point[s->descent->places[i]] = x[i];
    return !judge(s->descent, value, gradient);
}

static void follow_lbfgs(descent *d)
{
    const circuit *c = d->sampler->circuit;
    search s = {d, allocate(c->n, sizeof(double))};
    memcpy(s.point, c->low, c->n * sizeof(*s.point));
    lbfgsfloatval_t *x = d->moving <= INT32_MAX ? lbfgs_malloc((int)d->moving) : NULL;
    if (x == NULL)
        end_without_memory();
    for (size_t i = 0; i < d->moving; i++)
        x[i] = c->low[d->places[i]];
    lbfgs_parameter_t parameters;
    lbfgs_parameter_init(&parameters);
    parameters.epsilon = 0;                                      /* judge says when to stop */
    parameters.linesearch = LBFGS_LINESEARCH_BACKTRACKING_WOLFE; /* it can meet infinities */
    parameters.max_iterations = d->steps < INT32_MAX ? (int)d->steps : INT32_MAX;
    d->end = NO_LOWER;
    const int result = d->steps == 0 ? LBFGSERR_MAXIMUMITERATION
                                     : lbfgs((int)d->moving, x, NULL, evaluate_trial, record_step,
                                             &s, &parameters);
    if (result == LBFGSERR_OUTOFMEMORY)
        end_without_memory();
    if (result == LBFGSERR_MAXIMUMITERATION)
        d->end = OUT_OF_STEPS;
    lbfgs_free(x);
    free(s.point);
}

#else

bool has_lbfgs(void)
{
    return false;
}

static void follow_lbfgs(descent *d)
{
    d->end = OUT_OF_STEPS;
}

#endif

void descend(descent *d)
{
    d->gradient = allocate(d->moving, sizeof(*d->gradient));
    (void)add_point(d);
    if (!visit(d))
        return;
    if (strcmp(d->method, "lbfgs") == 0)
        follow_lbfgs(d);
    else
        follow_rule(d);
}

void free_descent(descent *d)
{
    free(d->points);
    free(d->values);
    free(d->slopes);
    free(d->gradient);
}
