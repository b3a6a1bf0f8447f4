/* SPDX-License-Identifier: MIT
 *
 * The input and output of ba, for what computes it.
 */
#ifndef BA_H
#define BA_H

#include "gradbench.h"

enum {
    BA_OBJECTIVE,
    BA_JACOBIAN
};

/* What an observation is computed of, in this order. */
enum {
    ROTATION = 0, /* of the camera: axis times angle */
    CENTRE = 3,
    FOCAL_LENGTH = 6,
    PRINCIPAL_POINT = 7,
    DISTORTION = 9,
    CAMERA_COUNT = 11,
    POINT = CAMERA_COUNT,
    POINT_COUNT = 3,
    WEIGHT = POINT + POINT_COUNT,
    UNKNOWNS = WEIGHT + 1, /* so many are differentiated */
    FEATURE = UNKNOWNS,    /* what was seen */
    FEATURE_COUNT = 2,
    EACH = FEATURE + FEATURE_COUNT,
};

typedef struct ba_input {
    size_t n, m, p;
    double *cameras;  /* n x CAMERA_COUNT */
    double *points;   /* m x POINT_COUNT */
    double *weights;  /* p */
    double *features; /* p x FEATURE_COUNT */
} ba_input;

/* The output is 2 p errors, then p errors of weights; or the Jacobian's values in the same order of
 * rows, 2 p x UNKNOWNS and p; then as many columns; then where each row starts, and where the last
 * ends. This writes what depends on sizes alone. */
void ba_write_structure(const ba_input *input, double *output);

/* The numbers of an observation: EACH. */
void ba_gather(const ba_input *input, size_t observation, double *each);

extern const gb_way ba_hand;

#endif
