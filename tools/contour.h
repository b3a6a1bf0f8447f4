/* SPDX-License-Identifier: MIT
 *
 * Functions of two inputs as maps: bands of colour between contour lines at round values, evenly
 * spaced, or by decades where most of the map would be one band.
 */
#ifndef WENGERT_CONTOUR_H
#define WENGERT_CONTOUR_H

#include "gnuplot.h"
#include "sampler.h"

typedef struct map {
    const sampler *sampler;
    size_t across, up; /* the inputs' places; the others stay as they are in base */
    double *base;      /* circuit->n */
    size_t columns, rows;
    double *x, *y;   /* columns, rows: from low to high */
    double *results; /* rows x columns x sampler->outputs */
} map;

/* Samples at columns x rows points, at least 2 x 2, from low[0], low[1] to high[0], high[1]. Free
 * it. */
void sample_map(map *map, const sampler *sampler, size_t across, size_t up, const double *base,
                const double low[2], const double high[2], size_t columns, size_t rows);
void free_map(map *map);

/* Writes the map's blocks and settings, and begins a command "plot ..." to which more can be added
 * after a comma before its line ends. `valley`: the lowest values matter most, so decades are taken
 * for any bowl. false: no value is finite. */
bool put_map(const plot *plot, const map *map, bool valley);

#endif
