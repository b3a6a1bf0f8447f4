/* SPDX-License-Identifier: MIT
 *
 * Inputs of workloads that peers compute, too.
 */
#ifndef GRADBENCH_INPUTS_H
#define GRADBENCH_INPUTS_H

#include "gradbench.h"

typedef struct llsq_input {
    gb_list x;
    size_t n;
    double *places; /* 0, 1, ... n - 1 */
    double *powers; /* room for those of a place: as many as x */
} llsq_input;

typedef struct ode_input {
    gb_list x;
    size_t steps;
} ode_input;

typedef struct det_input {
    gb_list a;   /* row by row */
    size_t size; /* rows and columns */
} det_input;

typedef struct kmeans_input {
    size_t n, k, d;
    double *points;    /* n x d */
    double *centroids; /* k x d */
} kmeans_input;

#endif
