/* SPDX-License-Identifier: MIT
 *
 * Optimisers: rules that move a flat array of parameters against a gradient. They know neither
 * graphs nor data; the memory they need is handed to them.
 */
#include <wengert/nn.h>

#include <math.h>

static void step_sgd(const nn_optimizer *self, size_t n, ag_real *parameters,
                     const ag_real *gradient, ag_real *state, uint64_t t)
{
    (void)t;
    const ag_real rate = (ag_real)self->rate, momentum = (ag_real)self->momentum;
    const ag_real decay = (ag_real)self->weight_decay;
    ag_real *velocity = state;
    for (size_t i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] + (gradient[i] + decay * parameters[i]);
        parameters[i] -= rate * velocity[i];
    }
}

nn_optimizer nn_sgd(double rate)
{
    return (nn_optimizer){.name = "sgd", .step = step_sgd, .state_count = 1, .rate = rate};
}

static void step_adam(const nn_optimizer *self, size_t n, ag_real *parameters,
                      const ag_real *gradient, ag_real *state, uint64_t t)
{
    const ag_real beta1 = (ag_real)self->beta1, rest1 = (ag_real)(1 - self->beta1);
    const ag_real beta2 = (ag_real)self->beta2, rest2 = (ag_real)(1 - self->beta2);
    /* the moments begin at 0; these undo it */
    const ag_real bias1 = (ag_real)(1 - pow(self->beta1, (double)t));
    const ag_real bias2 = (ag_real)(1 - pow(self->beta2, (double)t));
    const ag_real rate = (ag_real)self->rate, epsilon = (ag_real)self->epsilon;
    const ag_real decay = (ag_real)self->weight_decay;
    ag_real *first = state, *second = state + n;
    for (size_t i = 0; i < n; i++) {
        const ag_real g = gradient[i] + decay * parameters[i];
        first[i] = beta1 * first[i] + rest1 * g;
        second[i] = beta2 * second[i] + rest2 * g * g;
        const ag_real deviation = (ag_real)sqrt((double)(second[i] / bias2));
        parameters[i] -= rate * (first[i] / bias1) / (deviation + epsilon);
    }
}

nn_optimizer nn_adam(double rate)
{
    return (nn_optimizer){.name = "adam",
                          .step = step_adam,
                          .state_count = 2,
                          .rate = rate,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8};
}
