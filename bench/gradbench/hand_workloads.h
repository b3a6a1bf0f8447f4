/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads with their derivatives by hand, in plain C: what the other ways are measured
 * by. Values come as they are returned; arrays are the input's, row by row.
 */
#ifndef GRADBENCH_HAND_WORKLOADS_H
#define GRADBENCH_HAND_WORKLOADS_H

#include <stdbool.h>
#include <stddef.h>

/* gradient may be NULL. */
double hand_llsq(size_t m, size_t n, const double *x, double *gradient);
double hand_lse(size_t n, const double *x, double *gradient);
/* The expansion as it stands, l! products; and with each minor once, 2^l of them. */
double hand_det(size_t size, const double *a, double *gradient);
double hand_det_minors(size_t size, const double *a, double *gradient);

/* y and gradient may be NULL; gradient is that of y's last component. room has so many numbers. */
void hand_ode(size_t n, size_t steps, const double *x, double *room, double *y, double *gradient);
size_t hand_ode_room(size_t n, size_t steps, bool gradient);

/* The cost; direction, unless it is NULL, is the gradient divided by the Hessian's diagonal. */
double hand_kmeans(size_t n, size_t k, size_t d, const double *points, const double *centroids,
                   double *direction);

#endif
