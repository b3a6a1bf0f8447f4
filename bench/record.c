/* SPDX-License-Identifier: MIT
 *
 * Recording for the benchmarks, see record.h.
 */
#include "record.h"

#include "bench.h"

#include <wengert/nn.h>

ag_value *bench_make_variables(ag_graph *graph, size_t n)
{
    ag_value *values = bench_allocate(n, sizeof(*values));
    for (size_t i = 0; i < n; i++)
        values[i] = ag_variable(graph, 0);
    return values;
}

ag_value bench_record_net(int layers, const int *sizes, bool softmax, const ag_value *parameters,
                          const ag_value *row)
{
    enum {
        WIDEST = 128
    };
    ag_value units[2][WIDEST];
    const ag_value *x = row, *t = row + sizes[0];
    for (int layer = 0; layer < layers; layer++) {
        const size_t in = (size_t)sizes[layer], out = (size_t)sizes[layer + 1];
        (void)nn_layer(in, out, parameters, parameters + in * out, x,
                       layer < layers - 1 ? NN_TANH : NN_IDENTITY, units[layer % 2]);
        parameters += (in + 1) * out;
        x = units[layer % 2];
    }
    const size_t outputs = (size_t)sizes[layers];
    return softmax ? nn_softmax_cross_entropy(outputs, x, t, NULL)
                   : nn_half_squared_error(outputs, x, t, NULL);
}
