/* SPDX-License-Identifier: MIT
 *
 * Going downhill on a recorded expression, every point on the way kept. The rules are nn.h's
 * optimisers; L-BFGS is liblbfgs'.
 */
#ifndef WENGERT_DESCENT_H
#define WENGERT_DESCENT_H

#include "sampler.h"

#define DESCENT_METHODS "gd momentum adam lbfgs"

typedef enum descent_end {
    CONVERGED,
    OUT_OF_STEPS,
    NOT_FINITE, /* the last point's value or gradient */
    NO_LOWER    /* L-BFGS found no acceptable point along its direction */
} descent_end;

typedef struct descent {
    const sampler *sampler; /* with the derivatives by the inputs that move, in their order */
    const char *method;
    size_t moving;
    const size_t *places;  /* of the inputs that move */
    double rate, momentum; /* where the method has them */
    double tolerance;      /* converged where no component of the gradient is larger */
    uint64_t steps;        /* at most */
    /* found: */
    descent_end end;
    size_t count; /* points, at least the start */
    size_t capacity;
    double *points;   /* count x circuit->n */
    double *values;   /* count */
    double *slopes;   /* count: the gradient's largest component, without its sign */
    double *gradient; /* at the last point; moving */
} descent;

/* Whether this program was built with liblbfgs. */
bool has_lbfgs(void);

/* Goes from the circuit's numbers. The members above `found` are filled. Free it. */
void descend(descent *descent);
void free_descent(descent *descent);

#endif
