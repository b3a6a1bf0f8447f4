/* SPDX-License-Identifier: MIT
 *
 * Losses: functions from outputs and targets to one value, made of gates. One function each, and a
 * line in NN_LOSS_LIST; nothing here knows a derivative or how a net is trained. Each is written in
 * the form that neither overflows nor loses small losses to cancellation.
 */
#include "net.h"

#include <string.h>

/* ---- The list -------------------------------------------------------------------------------- */

enum {
    NUMBERS,
    PROBABILITIES,
    LOGITS,
    CLASS_LOGITS,
    SCORES
};

static const struct {
    const char *name;
    nn_loss loss;
    int takes;
} losses[] = {
#define NN_X(NAME, name, takes, formula) {#name, nn_##name, takes},
    NN_LOSS_LIST(NN_X)
#undef NN_X
};

const char *nni_loss_name(nn_loss loss)
{
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (losses[i].loss == loss)
            return losses[i].name;
    return NULL;
}

nn_loss nni_find_loss(const char *name)
{
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (strcmp(losses[i].name, name) == 0)
            return losses[i].loss;
    return NULL;
}

const char *nni_doubt_loss(size_t outputs, size_t classes, nn_loss loss)
{
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (losses[i].loss != loss)
            continue;
        if (losses[i].takes == PROBABILITIES)
            return "this loss takes probabilities, and the model's outputs are logits: there are "
                   "binary_cross_entropy_logits and softmax_cross_entropy for those";
        if (losses[i].takes == CLASS_LOGITS && outputs == 1)
            return "softmax cross-entropy wants an output for each class, and the model has one: "
                   "there is binary_cross_entropy_logits for that";
        if (losses[i].takes == NUMBERS && outputs == 1 && classes > 0)
            return "this loss draws the output to 0 and 1, and a single output tells classes apart "
                   "at 0: there are binary_cross_entropy_logits and hinge for that";
    }
    return NULL;
}

/* ---- The losses ------------------------------------------------------------------------------ */

/* Collects values for a gate that takes any number of them, and that may be applied in parts (a sum
 * of sums is a sum). Its place is fixed, so that a loss needs no memory of its own. */
typedef struct pile {
    ag_value (*gate)(size_t n, const ag_value *x);
    size_t count;
    ag_value values[64];
} pile;

static void start_pile(pile *p, ag_value (*gate)(size_t n, const ag_value *x))
{
    p->gate = gate;
    p->count = 0;
}

static ag_value finish_pile(const pile *p)
{
    return p->count == 1 ? p->values[0] : p->gate(p->count, p->values);
}

static void put_on_pile(pile *p, ag_value x)
{
    if (p->count == sizeof(p->values) / sizeof(p->values[0])) {
        p->values[0] = finish_pile(p);
        p->count = 1;
    }
    p->values[p->count++] = x;
}

static ag_value one_minus(ag_value x)
{
    return ag_shift(ag_neg(x), 1);
}

/* weight * x, and 0 where the weight is 0, even if x is infinite; the weight's gradient, too */
static ag_value weigh(ag_value weight, ag_value x)
{
    return ag_select(weight, ag_mul(weight, x), ag_constant(x.graph, 0));
}

static ag_value sum_squares(size_t n, const ag_value *outputs, const ag_value *targets)
{
    pile sum;
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++)
        put_on_pile(&sum, ag_square(ag_sub(outputs[i], targets[i])));
    return finish_pile(&sum);
}

static ag_value lose_half_squared_error(size_t n, const ag_value *outputs, const ag_value *targets)
{
    return ag_scale(sum_squares(n, outputs, targets), (ag_real)0.5);
}

static ag_value lose_mean_squared_error(size_t n, const ag_value *outputs, const ag_value *targets)
{
    return ag_scale(sum_squares(n, outputs, targets), 1 / (ag_real)n);
}

static ag_value lose_absolute_error(size_t n, const ag_value *outputs, const ag_value *targets)
{
    pile sum;
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++)
        put_on_pile(&sum, ag_abs(ag_sub(outputs[i], targets[i])));
    return finish_pile(&sum);
}

static ag_value lose_binary_cross_entropy(size_t n, const ag_value *outputs,
                                          const ag_value *targets)
{
    pile sum;
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++) {
        put_on_pile(&sum, weigh(targets[i], ag_log(outputs[i])));
        put_on_pile(&sum, weigh(one_minus(targets[i]), ag_log1p(ag_neg(outputs[i]))));
    }
    return ag_neg(finish_pile(&sum));
}

static ag_value lose_binary_cross_entropy_logits(size_t n, const ag_value *outputs,
                                                 const ag_value *targets)
{
    pile sum;
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++) {
        /* softplus(z) - t z = t softplus(-z) + (1 - t) softplus(z), without a difference */
        const ag_value t = targets[i], z = outputs[i];
        put_on_pile(&sum, ag_mul(t, ag_softplus(ag_neg(z))));
        put_on_pile(&sum, ag_mul(one_minus(t), ag_softplus(z)));
    }
    return finish_pile(&sum);
}

static ag_value lose_softmax_cross_entropy(size_t n, const ag_value *outputs,
                                           const ag_value *targets)
{
    /* Logits shifted by the largest, which changes neither loss nor gradient, lose nothing to their
     * size; and sum(t) logsumexp(z) - sum_i t_i z_i is then a sum of positive numbers. */
    const ag_value largest = ag_detach(ag_max_of(n, outputs));
    pile logsumexp, sum;
    start_pile(&logsumexp, ag_logsumexp);
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++) {
        const ag_value z = ag_sub(outputs[i], largest);
        put_on_pile(&logsumexp, z);
        put_on_pile(&sum, ag_chain(targets[i], z)); /* 0 * -inf is 0 */
    }
    const ag_value whole = ag_mul(ag_sum(n, targets), finish_pile(&logsumexp));
    return ag_sub(whole, finish_pile(&sum));
}

static ag_value lose_negative_log_likelihood(size_t n, const ag_value *outputs,
                                             const ag_value *targets)
{
    pile sum;
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++)
        put_on_pile(&sum, weigh(targets[i], ag_log(outputs[i])));
    return ag_neg(finish_pile(&sum));
}

static ag_value lose_hinge(size_t n, const ag_value *outputs, const ag_value *targets)
{
    pile sum;
    start_pile(&sum, ag_sum);
    for (size_t i = 0; i < n; i++) {
        const ag_value s = outputs[i];
        const ag_value wrongness = ag_select(ag_step(targets[i]), ag_neg(s), s);
        put_on_pile(&sum, ag_relu(ag_shift(wrongness, 1)));
    }
    return finish_pile(&sum);
}

/* Each in a scope of its name. */
#define NN_X(NAME, name, takes, formula)                                                           \
    ag_value nn_##name(size_t n, const ag_value *outputs, const ag_value *targets, void *context)  \
    {                                                                                              \
        (void)context;                                                                             \
        ag_graph *graph = n == 0 ? NULL : outputs[0].graph;                                        \
        (void)ag_scope_begin(graph, #name);                                                        \
        const ag_value loss = lose_##name(n, outputs, targets);                                    \
        (void)ag_scope_end(graph);                                                                 \
        return loss;                                                                               \
    }
NN_LOSS_LIST(NN_X)
#undef NN_X

ag_value nn_softmax_cross_entropy_class(size_t n, const ag_value *logits, size_t klass)
{
    if (n == 0)
        return (ag_value){0};
    if (klass >= n)
        return nni_refuse(logits[0], "nn_softmax_cross_entropy_class: class %zu of %zu", klass, n);
    const ag_value largest = ag_detach(ag_max_of(n, logits));
    pile logsumexp;
    start_pile(&logsumexp, ag_logsumexp);
    for (size_t i = 0; i < n; i++)
        put_on_pile(&logsumexp, ag_sub(logits[i], largest));
    return ag_add(finish_pile(&logsumexp), ag_sub(largest, logits[klass]));
}
