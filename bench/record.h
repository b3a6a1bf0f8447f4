/* SPDX-License-Identifier: MIT
 *
 * Recording for the benchmarks: nets and variables.
 */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include <wengert/autograd.h>

ag_value *bench_make_variables(ag_graph *graph, size_t n);

/* The loss of one sample: tanh in hidden layers; half the squared error, or the cross-entropy of
 * softmax. Parameters are, layer by layer, weights (out x in) and biases; row has the inputs, then
 * the targets. */
ag_value bench_record_net(int layers, const int *sizes, bool softmax, const ag_value *parameters,
                          const ag_value *row);

#endif
