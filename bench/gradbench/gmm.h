/* SPDX-License-Identifier: MIT
 *
 * The input of gmm, for what computes it.
 */
#ifndef GMM_H
#define GMM_H

#include "gradbench.h"

enum {
    GMM_OBJECTIVE,
    GMM_JACOBIAN
};

typedef struct gmm_input {
    gb_list shared; /* alpha: k; mu, q: k x d; l: k x d (d - 1) / 2; m; gamma */
    gb_list x;      /* n x d */
    size_t d, k, n;
} gmm_input;

extern const gb_way gmm_hand;

#endif
