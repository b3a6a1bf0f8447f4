/* SPDX-License-Identifier: MIT
 *
 * Optimisers: rules that move a flat array of parameters against a gradient. They know neither
 * graphs nor data; the memory they need is handed to them.
 */
#include "net.h"

#include <math.h>
#include <string.h>

#ifdef AG_REAL_FLOAT
#define SQRT sqrtf
#else
#define SQRT sqrt
#endif

static void step_sgd(const nn_optimizer *self, size_t n, ag_real *parameters,
                     const ag_real *gradient, ag_real *state, uint64_t t)
{
    (void)t;
    const ag_real rate = (ag_real)self->rate, momentum = (ag_real)self->momentum;
    const ag_real decay = (ag_real)self->weight_decay;
    ag_real *velocity = state;
    if (momentum == 0) { /* then a step remembers nothing */
        for (size_t i = 0; i < n; i++)
            parameters[i] -= rate * (gradient[i] + decay * parameters[i]);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] + (gradient[i] + decay * parameters[i]);
        parameters[i] -= rate * velocity[i];
    }
}

bool nni_is_plain(const nn_optimizer *rule)
{
    return rule->step == step_sgd && rule->momentum == 0 && rule->weight_decay == 0;
}

nn_optimizer nn_sgd(double rate)
{
    return (nn_optimizer){.name = "sgd", .step = step_sgd, .state_count = 1, .rate = rate};
}

/* Each number takes a root and a division, which is most of the time; with real roots (no errno) a
 * compiler does them in vectors. */
static void step_adam(const nn_optimizer *self, size_t n, ag_real *parameters,
                      const ag_real *gradient, ag_real *state, uint64_t t)
{
    const ag_real beta1 = (ag_real)self->beta1, rest1 = (ag_real)(1 - self->beta1);
    const ag_real beta2 = (ag_real)self->beta2, rest2 = (ag_real)(1 - self->beta2);
    /* the moments begin at 0; these undo it */
    const double bias1 = 1 - pow(self->beta1, (double)t), bias2 = 1 - pow(self->beta2, (double)t);
    const ag_real rate = (ag_real)(self->rate / bias1), scale = (ag_real)(1 / sqrt(bias2));
    const ag_real epsilon = (ag_real)self->epsilon, decay = (ag_real)self->weight_decay;
    ag_real *first = state, *second = state + n;
    for (size_t i = 0; i < n; i++) {
        const ag_real g = gradient[i] + decay * parameters[i];
        const ag_real mean = beta1 * first[i] + rest1 * g;
        const ag_real square = beta2 * second[i] + rest2 * g * g;
        first[i] = mean;
        second[i] = square;
        parameters[i] -= rate * mean / (scale * SQRT(square) + epsilon);
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

const char *nni_optimizer_name(const nn_optimizer *rule)
{
    const nn_optimizer known[] = {nn_sgd(0), nn_adam(0)};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].step == rule->step)
            return known[i].name;
    return NULL;
}

bool nni_find_optimizer(const char *name, nn_optimizer *rule)
{
    const nn_optimizer known[] = {nn_sgd(0), nn_adam(0)};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0) {
            *rule = known[i];
            return true;
        }
    return false;
}

ag_status nni_check_optimizer(const nn_optimizer *rule, nn_error *error)
{
    if (!isfinite(rule->rate) || rule->rate < 0)
        return nni_fail(error, AG_INVALID_ARGUMENT, "the optimiser's rate is %g", rule->rate);
    if (!isfinite(rule->momentum) || !isfinite(rule->weight_decay) || !isfinite(rule->beta1) ||
        !isfinite(rule->beta2) || !isfinite(rule->epsilon))
        return nni_fail(error, AG_INVALID_ARGUMENT, "a number of the optimiser is not finite");
    if (rule->momentum < 0 || rule->momentum >= 1 || rule->beta1 < 0 || rule->beta1 >= 1 ||
        rule->beta2 < 0 || rule->beta2 >= 1 || rule->weight_decay < 0 || rule->epsilon < 0)
        return nni_fail(
            error, AG_INVALID_ARGUMENT,
            "the optimiser has momentum %g, beta1 %g, beta2 %g (each from 0 to below 1), "
            "weight decay %g, epsilon %g (neither below 0)",
            rule->momentum, rule->beta1, rule->beta2, rule->weight_decay, rule->epsilon);
    return AG_OK;
}

/* 0 * x is 0 for a finite x, else NaN: a sum of these tells of all at once. Eight sums, so that
 * compilers use vectors. */
bool nni_all_finite(size_t n, const ag_real *numbers)
{
    ag_real zeros[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            zeros[k] += 0 * numbers[i + k];
    for (; i < n; i++)
        zeros[0] += 0 * numbers[i];
    for (size_t k = 1; k < 8; k++)
        zeros[0] += zeros[k];
    return zeros[0] == 0;
}
