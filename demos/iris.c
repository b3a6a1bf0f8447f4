/* SPDX-License-Identifier: MIT
 *
 * Iris: 150 flowers of three species, known by the lengths and widths of their sepals and petals,
 * and the oldest exercise in telling classes apart (R. A. Fisher, 1936).
 *
 * The net has 4 inputs, 16 hidden neurons and an output for each species. Its outputs are logits z;
 * softmax makes probabilities of them, and the loss is what the right one is short of 1, as a
 * logarithm (cross-entropy):
 *
 *     p_k = exp(z_k) / sum_j exp(z_j),    loss = -log p_class = log sum_j exp(z_j) - z_class
 *
 * One species is parted from the others by a wide gap. The other two touch: the flowers that nets
 * get wrong lie there, whatever the seed, and no training can help them.
 */
#include "held_out.h"
#include "picture.h"

#include <math.h>

/* Columns of iris.csv, both in cm. */
enum { PETAL_LENGTH = 2, PETAL_WIDTH = 3 };

