/* SPDX-License-Identifier: MIT
 *
 * ba with its derivatives by hand: a peer, built with -O3 -march=native, without -ffast-math.
 */
#include "ba.h"

#include <math.h>

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double *a, const double *b, double *c)
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

/* cosine x + a (r x x) + b (r . x) r, where a = sin(t) / t, b = (1 - cos(t)) / t^2, t = |r|; and how
 * a and b change with r, over r. */
typedef struct rotation {
    double cosine, a, b, da, db;
} rotation;

static rotation find_rotation(const double *r)
{
    const double square = dot(r, r);
    if (square == 0)
        return (rotation){.cosine = 1, .a = 1};
    const double t = sqrt(square), cosine = cos(t), a = sin(t) / t, b = (1 - cosine) / square;
    return (rotation){cosine, a, b, (cosine - a) / square, (a - 2 * b) / square};
}

static void rotate(const rotation *by, const double *r, const double *x, double *rotated)
{
    double across[3];
    cross(r, x, across);
    const double along = by->b * dot(r, x);
    for (int i = 0; i < 3; i++)
        rotated[i] = by->cosine * x[i] + by->a * across[i] + along * r[i];
}

/* The gradient of g . rotated with respect to r and x. */
static void rotate_back(const rotation *by, const double *r, const double *x, const double *g,
                        double *dr, double *dx)
{
    double across[3], x_g[3], g_r[3];
    cross(r, x, across);
    cross(x, g, x_g);
    cross(g, r, g_r);
    const double along = dot(r, x), g_along = dot(g, r);
    const double factor = by->da * dot(g, across) + by->db * along * g_along - by->a * dot(g, x);
    for (int i = 0; i < 3; i++) {
        dr[i] = factor * r[i] + by->a * x_g[i] + by->b * (g_along * x[i] + along * g[i]);
        dx[i] = by->cosine * g[i] + by->a * g_r[i] + by->b * g_along * r[i];
    }
}

/* Errors; and, where rows is not NULL, 2 x UNKNOWNS derivatives. */
static void project(const double *each, double *errors, double *rows)
{
    const double *r = each + ROTATION;
    const rotation by = find_rotation(r);
    double from[3], seen[3];
    for (int i = 0; i < 3; i++)
        from[i] = each[POINT + i] - each[CENTRE + i];
    rotate(&by, r, from, seen);
    const double plane[2] = {seen[0] / seen[2], seen[1] / seen[2]};
    const double square = plane[0] * plane[0] + plane[1] * plane[1];
    const double k1 = each[DISTORTION], k2 = each[DISTORTION + 1], weight = each[WEIGHT],
                 length = each[FOCAL_LENGTH];
    const double distortion = 1 + square * (k1 + square * k2), scale = length * distortion;
    for (int i = 0; i < 2; i++) {
        const double residual = scale * plane[i] + each[PRINCIPAL_POINT + i] - each[FEATURE + i];
        errors[i] = weight * residual;
        if (rows == NULL)
            continue;
        double *row = rows + i * UNKNOWNS, g[3], dx[3];
        const double slope = 2 * length * plane[i] * (k1 + 2 * k2 * square);
        for (int j = 0; j < 2; j++)
            g[j] = weight * (slope * plane[j] + (i == j ? scale : 0)) / seen[2];
        g[2] = -(g[0] * plane[0] + g[1] * plane[1]);
        rotate_back(&by, r, from, g, row + ROTATION, dx);
        for (int j = 0; j < 3; j++) {
            row[CENTRE + j] = -dx[j];
            row[POINT + j] = dx[j];
        }
        row[FOCAL_LENGTH] = weight * distortion * plane[i];
        row[PRINCIPAL_POINT] = i == 0 ? weight : 0;
        row[PRINCIPAL_POINT + 1] = i == 1 ? weight : 0;
        row[DISTORTION] = weight * length * plane[i] * square;
        row[DISTORTION + 1] = row[DISTORTION] * square;
        row[WEIGHT] = residual;
    }
}

static bool evaluate(void *state, const gb_task *task, double *output, gb_error *error)
{
    const ba_input *input = task->input;
    const size_t p = input->p;
    const bool derived = task->function == BA_JACOBIAN;
    double *weights = output + p * (derived ? 2 * UNKNOWNS : 2);
    (void)state;
    (void)error;
    for (size_t i = 0; i < p; i++) {
        double each[EACH], errors[2];
        ba_gather(input, i, each);
        const double weight = each[WEIGHT];
        if (derived)
            project(each, errors, output + i * 2 * UNKNOWNS);
        else
            project(each, output + 2 * i, NULL);
        weights[i] = derived ? -2 * weight : 1 - weight * weight;
    }
    if (derived)
        ba_write_structure(input, output);
    return true;
}

const gb_way ba_hand = {.name = "hand", .evaluate = evaluate};
