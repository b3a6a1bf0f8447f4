/* SPDX-License-Identifier: MIT
 *
 * lstm with its derivatives by hand: a peer, built with -O3 -march=native, without -ffast-math. What
 * the way back needs of each step is kept.
 */
#include "lstm.h"

#include "bench.h"
#include "vector_math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of what a layer keeps of a step. */
enum {
    TANH = GATES, /* of the cell */
    HIDDEN,       /* after the step, as in the state */
    CELL,
    KEPT
};

static void activate_layer(size_t width, const double *restrict weights,
                           const double *restrict biases, const double *restrict x,
                           const double *restrict state, double *restrict kept)
{
    const double *restrict hidden = state, *restrict cell = state + width;
    const size_t forget = FORGET * width, ingate = INGATE * width, outgate = OUTGATE * width,
                 change = CHANGE * width;
#pragma omp simd
    for (size_t i = 0; i < width; i++) {
        const double f = 1 / (1 + exp(-(x[i] * weights[forget + i] + biases[forget + i])));
        const double n = 1 / (1 + exp(-(hidden[i] * weights[ingate + i] + biases[ingate + i])));
        const double o = 1 / (1 + exp(-(x[i] * weights[outgate + i] + biases[outgate + i])));
        const double c = tanh(hidden[i] * weights[change + i] + biases[change + i]);
        const double next = cell[i] * f + n * c, t = tanh(next);
        kept[forget + i] = f;
        kept[ingate + i] = n;
        kept[outgate + i] = o;
        kept[change + i] = c;
        kept[TANH * width + i] = t;
        kept[HIDDEN * width + i] = o * t;
        kept[CELL * width + i] = next;
    }
}

/* dstate, with respect to the state after the step, becomes that before it; dx is set. */
static void undo_layer(size_t width, const double *restrict weights, const double *restrict x,
                       const double *restrict state, const double *restrict kept,
                       double *restrict dstate, double *restrict dx, double *restrict dweights,
                       double *restrict dbiases)
{
    const double *restrict hidden = state, *restrict cell = state + width;
    const size_t forget = FORGET * width, ingate = INGATE * width, outgate = OUTGATE * width,
                 change = CHANGE * width;
#pragma omp simd
    for (size_t i = 0; i < width; i++) {
        const double f = kept[forget + i], n = kept[ingate + i], o = kept[outgate + i],
                     c = kept[change + i], t = kept[TANH * width + i], dhidden = dstate[i];
        const double dcell = dstate[width + i] + dhidden * o * (1 - t * t);
        const double df = dcell * cell[i] * f * (1 - f), dn = dcell * c * n * (1 - n),
                     dout = dhidden * t * o * (1 - o), dc = dcell * n * (1 - c * c);
        dx[i] = df * weights[forget + i] + dout * weights[outgate + i];
        dstate[i] = dn * weights[ingate + i] + dc * weights[change + i];
        dstate[width + i] = dcell * f;
        dweights[forget + i] += df * x[i];
        dweights[ingate + i] += dn * hidden[i];
        dweights[outgate + i] += dout * x[i];
        dweights[change + i] += dc * hidden[i];
        dbiases[forget + i] += df;
        dbiases[ingate + i] += dn;
        dbiases[outgate + i] += dout;
        dbiases[change + i] += dc;
    }
}

/* What stands where, for a network of layers. */
typedef struct places {
    size_t width, rows; /* of weights, and of biases: numbers */
    size_t extra, state, sequence;
    size_t states;      /* numbers of all layers' states */
    size_t kept, layer; /* of a step: x, y's exponentials, and of each layer this much */
} places;

static places find_places(const lstm_input *input)
{
    const size_t width = input->width, rows = GATES * width, extra = 2 * input->layers * rows;
    const size_t states = 2 * input->layers * width;
    return (places){
        .width = width,
        .rows = rows,
        .extra = extra,
        .state = extra + EXTRA * width,
        .sequence = extra + EXTRA * width + states,
        .states = states,
        .kept = 2 * width + input->layers * KEPT * width,
        .layer = KEPT * width,
    };
}

/* hidden and cell of a layer before a step; kept is the step's. */
static const double *find_state(const places *p, const double *numbers, const double *kept,
                                size_t step, size_t layer)
{
    if (step == 0)
        return numbers + p->state + 2 * layer * p->width;
    return kept - p->kept + 2 * p->width + layer * p->layer + HIDDEN * p->width;
}

/* The step's score; what it keeps is x, shares of y, and the layers'. */
static double run_step(const places *p, size_t layers, const double *numbers, size_t step,
                       double *kept)
{
    const size_t width = p->width;
    const double *extra = numbers + p->extra;
    const double *x = numbers + p->sequence + step * width, *next = x + width;
    double *shares = kept + width, sum = 2, score = 0, wanted = 0;
    for (size_t i = 0; i < width; i++)
        kept[i] = x[i] * extra[IN_WEIGHT * width + i];
    const double *from = kept;
    for (size_t l = 0; l < layers; l++) {
        const double *weights = numbers + 2 * l * p->rows;
        double *of_layer = kept + 2 * width + l * p->layer;
        activate_layer(width, weights, weights + p->rows, from,
                       find_state(p, numbers, kept, step, l), of_layer);
        from = of_layer + HIDDEN * width;
    }
#pragma omp simd reduction(+ : sum, score, wanted)
    for (size_t i = 0; i < width; i++) {
        const double y = from[i] * extra[OUT_WEIGHT * width + i] + extra[OUT_BIAS * width + i];
        const double e = exp(y);
        shares[i] = e;
        sum += e;
        score += y * next[i];
        wanted += next[i];
    }
    for (size_t i = 0; i < width; i++)
        shares[i] /= sum;
    return score - wanted * log(sum);
}

static void undo_step(const places *p, size_t layers, const double *numbers, size_t step,
                      double scale, const double *kept, double *dstate, double *dx,
                      double *gradient)
{
    const size_t width = p->width;
    const double *extra = numbers + p->extra, *shares = kept + width;
    const double *x = numbers + p->sequence + step * width, *next = x + width;
    double *dextra = gradient + p->extra, wanted = 0;
    const double *from = kept + 2 * width + (layers - 1) * p->layer + HIDDEN * width;
    double *dfrom = dstate + 2 * (layers - 1) * width;
    for (size_t i = 0; i < width; i++)
        wanted += next[i];
    for (size_t i = 0; i < width; i++) {
        const double dy = scale * (next[i] - wanted * shares[i]);
        dextra[OUT_WEIGHT * width + i] += dy * from[i];
        dextra[OUT_BIAS * width + i] += dy;
        dfrom[i] += dy * extra[OUT_WEIGHT * width + i];
    }
    for (size_t l = layers; l-- > 0;) {
        const double *weights = numbers + 2 * l * p->rows;
        const double *of_layer = kept + 2 * width + l * p->layer;
        const double *below = l == 0 ? kept : of_layer - p->layer + HIDDEN * width;
        double *dweights = gradient + 2 * l * p->rows;
        undo_layer(width, weights, below, find_state(p, numbers, kept, step, l), of_layer,
                   dstate + 2 * l * width, dx, dweights, dweights + p->rows);
        for (size_t i = 0; l > 0 && i < width; i++)
            dstate[2 * (l - 1) * width + i] += dx[i];
    }
    for (size_t i = 0; i < width; i++)
        dextra[IN_WEIGHT * width + i] += dx[i] * x[i];
}

/* What all steps keep, adjoints of states, and one of x. */
static void *prepare(const gb_task *task, gb_error *error)
{
    const lstm_input *input = task->input;
    const places p = find_places(input);
    (void)error;
    return bench_allocate((input->length - 1) * p.kept + p.states + p.width, sizeof(double));
}

static bool evaluate(void *state, const gb_task *task, double *output, gb_error *error)
{
    const lstm_input *input = task->input;
    const places p = find_places(input);
    const size_t steps = input->length - 1;
    const double scale = -1 / (double)(steps * p.width), *numbers = input->all.numbers;
    const bool derived = task->function == LSTM_JACOBIAN;
    double *kept = state;
    double *dstate = kept + steps * p.kept, *dx = dstate + p.states, value = 0;
    (void)error;
    for (size_t i = 0; i < steps; i++)
        value += run_step(&p, input->layers, numbers, i, kept + i * p.kept);
    if (derived) {
        memset(output, 0, p.state * sizeof(*output));
        memset(dstate, 0, p.states * sizeof(*dstate));
    } else {
        output[0] = scale * value;
    }
    for (size_t i = steps; derived && i-- > 0;)
        undo_step(&p, input->layers, numbers, i, scale, kept + i * p.kept, dstate, dx, output);
    return true;
}

const gb_way lstm_hand = {.name = "hand", .prepare = prepare, .evaluate = evaluate, .free = free};
