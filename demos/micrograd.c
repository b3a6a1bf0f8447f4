/* SPDX-License-Identifier: MIT
 *
 * The example of micrograd's README (github.com/karpathy/micrograd), gate by gate: Python's
 *
 *     c = a + b                       d = a * b + b**3
 *     c += c + 1                      d += d * 2 + (b + a).relu()
 *     c += 1 + c + (-a)               d += 3 * d + (b - a).relu()
 *     e = c - d                       f = e**2
 *     g = f / 2.0 + 10.0 / f
 *
 * at a = -4, b = 2, which is there 24.7041 with the gradient (138.8338, 645.5773).
 *
 * With a directory for pictures it also measures a rule of thumb: backward costs about twice what
 * forward does, however many inputs there are. Finite differences would cost one forward pass per
 * input, so a gradient of a million parameters is where backward wins. Times differ from run to
 * run, so without a directory there are none in the output.
 */
#define _POSIX_C_SOURCE 199309L

#include "picture.h"

#include <wengert/autograd.h>

#include <stdlib.h>
#include <time.h>

/* c += 1 is c = c + 1: a new value, while the old one stays part of the graph. */
static ag_value record(ag_value a, ag_value b)
{
    ag_value c = ag_add(a, b);
    ag_value d = ag_add(ag_mul(a, b), ag_pow_int(b, 3));
    c = ag_add(c, ag_shift(c, 1));
    c = ag_add(c, ag_add(ag_shift(c, 1), ag_neg(a)));
    d = ag_add(d, ag_add(ag_scale(d, 2), ag_relu(ag_add(b, a))));
    d = ag_add(d, ag_add(ag_scale(d, 3), ag_relu(ag_sub(b, a))));
    ag_value e = ag_sub(c, d);
    ag_value f = ag_pow_int(e, 2);
    ag_value g = ag_scale(f, (ag_real)0.5);
    return ag_add(g, ag_div(ag_constant(a.graph, 10), f));
}
