/* SPDX-License-Identifier: MIT
 *
 * A recorded expression at many points: its value and its derivatives, from a compiled program.
 */
#ifndef WENGERT_SAMPLER_H
#define WENGERT_SAMPLER_H

#include "circuit.h"

#include <wengert/program.h>

typedef struct sampler {
    const circuit *circuit;
    size_t outputs; /* of a row: the value, then the derivatives */
    ag_program *program;
    ag_workspace *workspace;
} sampler;

/* Compiles the expression with its derivatives by `count` of its inputs: `by` has their places. A
 * status of the program, and what went wrong was said; close it, either way. */
int open_sampler(sampler *sampler, const circuit *circuit, size_t count, const size_t *by);
void close_sampler(sampler *sampler);

/* points: rows x circuit->n, in the order of the circuit's inputs; results: rows x outputs. */
void sample(const sampler *sampler, size_t rows, const double *points, double *results);

/* count numbers, 2 or more, evenly from low to high: both exactly. */
void fill_range(double low, double high, size_t count, double *numbers);
/* Sorts the finite ones to the front; returns how many they are. */
size_t sort_finite(size_t count, double *numbers);

#endif
