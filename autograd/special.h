/* SPDX-License-Identifier: MIT
 *
 * The special functions of the gate table that libm lacks, in double whatever ag_real is.
 */
#ifndef WENGERT_SPECIAL_H
#define WENGERT_SPECIAL_H

/* n-th derivative of digamma; NaN where n is not 0, 1, 2, ... or x is a pole */
double agi_polygamma(double n, double x);
/* log |Gamma(x)|, without libm's global signgam, which threads would share */
double agi_lgamma(double x);

#endif
