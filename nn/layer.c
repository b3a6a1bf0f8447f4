/* SPDX-License-Identifier: MIT
 *
 * Activations, neurons, layers, softmax: functions from values to values, made of gates. No
 * derivative is written here or anywhere else in nn; the gates know theirs.
 */
#include "net.h"

#include <stdarg.h>

ag_status nni_status(ag_value x)
{
    return x.graph == NULL ? AG_NULL_VALUE : ag_error(x.graph);
}

ag_value nni_refuse(ag_value x, const char *format, ...)
{
    char message[100];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    (void)ag_set_error(x.graph, AG_INVALID_ARGUMENT, message);
    return ag_neg(x); /* null, now that the graph has an error */
}

/* ---- Activations ----------------------------------------------------------------------------- */

static ag_value activate_identity(ag_value x)
{
    return x;
}

static ag_value activate_tanh(ag_value x)
{
    return ag_tanh(x);
}

static ag_value activate_sigmoid(ag_value x)
{
    return ag_sigmoid(x);
}

static ag_value activate_relu(ag_value x)
{
    return ag_relu(x);
}

static ag_value activate_leaky_relu(ag_value x)
{
    return ag_max(ag_scale(x, (ag_real)0.01), x);
}

static ag_value activate_elu(ag_value x)
{
    return ag_select(ag_step(x), x, ag_expm1(x));
}

static ag_value activate_softplus(ag_value x)
{
    return ag_softplus(x);
}

static const struct {
    const char *name;
    ag_value (*apply)(ag_value x);
} activations[] = {
#define NN_X(NAME, name, formula) {#name, activate_##name},
    NN_ACTIVATION_LIST(NN_X)
#undef NN_X
};

static bool is_activation(nn_activation activation)
{
    return (size_t)activation < sizeof(activations) / sizeof(activations[0]);
}

const char *nn_activation_name(nn_activation activation)
{
    return is_activation(activation) ? activations[activation].name : "unknown";
}

ag_value nn_activate(nn_activation activation, ag_value x)
{
    if (!is_activation(activation))
        return nni_refuse(x, "nn_activate: %d is no activation", (int)activation);
    return activations[activation].apply(x);
}

/* ---- Neurons and layers ---------------------------------------------------------------------- */

ag_value nn_neuron(size_t n, const ag_value *weights, const ag_value *inputs, ag_value bias,
                   nn_activation activation)
{
    ag_graph *graph = bias.graph;
    (void)ag_scope_begin(graph, "neuron");
    const ag_value y = nn_activate(activation, ag_add(ag_dot(n, weights, inputs), bias));
    (void)ag_scope_end(graph);
    return y;
}

ag_status nn_layer(size_t in, size_t out, const ag_value *weights, const ag_value *biases,
                   const ag_value *inputs, nn_activation activation, ag_value *outputs)
{
    if (in == 0 || out == 0 || weights == NULL || biases == NULL || inputs == NULL ||
        outputs == NULL)
        return AG_INVALID_ARGUMENT;
    ag_graph *graph = inputs[0].graph;
    (void)ag_scope_begin(graph, "layer");
    for (size_t i = 0; i < out; i++)
        outputs[i] = nn_neuron(in, weights + i * in, inputs, biases[i], activation);
    (void)ag_scope_end(graph);
    return nni_status(outputs[out - 1]);
}

ag_status nn_softmax(size_t n, const ag_value *logits, ag_value *probabilities)
{
    if (n == 0 || logits == NULL || probabilities == NULL)
        return AG_INVALID_ARGUMENT;
    /* Softmax does not depend on a shift common to all logits, so neither do its derivatives. */
    const ag_value largest = ag_detach(ag_max_of(n, logits));
    for (size_t i = 0; i < n; i++)
        probabilities[i] = ag_exp(ag_sub(logits[i], largest));
    const ag_value total = ag_sum(n, probabilities);
    for (size_t i = 0; i < n; i++)
        probabilities[i] = ag_div(probabilities[i], total);
    return nni_status(probabilities[n - 1]);
}
