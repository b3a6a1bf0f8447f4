/* SPDX-License-Identifier: MIT
 *
 * Functions of one input as curves: sampled, interrupted where they jump or are not defined, in a
 * frame that poles don't squash.
 */
#ifndef WENGERT_CURVE_H
#define WENGERT_CURVE_H

#include "gnuplot.h"
#include "sampler.h"

typedef struct curve {
    const sampler *sampler;
    size_t along;    /* the input's place; the others stay as they are in base */
    double *base;    /* circuit->n */
    size_t count;    /* points, at least 2 */
    double *x;       /* count, from low to high */
    double *results; /* count x sampler->outputs */
    size_t outputs;  /* that are drawn: sampler->outputs, or only the value: 1 */
} curve;

/* Samples at count points from low to high. Free it. */
void sample_curve(curve *curve, const sampler *sampler, size_t along, const double *base,
                  double low, double high, size_t count);
void free_curve(curve *curve);

/* Writes the block $value and, where a derivative is drawn, $derivative, and sets the ranges
 * of the axes. false: no value is finite. */
bool put_curve(const plot *plot, const curve *curve);

#endif
