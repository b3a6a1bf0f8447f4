/* SPDX-License-Identifier: MIT
 *
 * A log-gamma without a global variable.
 */
#define _DEFAULT_SOURCE /* lgamma_r */
#include "special.h"

#include <math.h>

double agi_lgamma(double x)
{
#if defined(__GLIBC__)
    int sign;
    return lgamma_r(x, &sign);
#else
    return lgamma(x);
#endif
}
