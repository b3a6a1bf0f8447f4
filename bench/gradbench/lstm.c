/* SPDX-License-Identifier: MIT
 *
 * lstm: how well layers of LSTM cells, whose matrices are diagonal, foretell a sequence, element by
 * element: the mean of minus the logarithm of the probability, and its gradient with respect to the
 * parameters.
 *
 * On the tape, and in the program "flat", an element goes through one layer after the other. In
 * "program" all layers work at the same time, each on what the one below has made a step ago. So
 * they are one layer that is as wide as all of them, its step is a short program, and ag_scan takes
 * it through the sequence.
 */
#include "lstm.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

static size_t count_main(const lstm_input *input)
{
    return 2 * input->layers * GATES * input->width;
}

static size_t count_parameters(const lstm_input *input)
{
    return count_main(input) + EXTRA * input->width;
}

static size_t count_state(const lstm_input *input)
{
    return 2 * input->layers * input->width;
}

/* ---- What is computed ------------------------------------------------------------------------ */

/* Weights and biases of a gate lie side by side, so many numbers from one gate to the next. */
typedef struct cells {
    size_t stride;
    const ag_value *weights, *biases;
} cells;

/* n cells take a step with x. */
static void record_cells(size_t n, const cells *c, const ag_value *x, ag_value *hidden,
                         ag_value *cell)
{
    for (size_t i = 0; i < n; i++) {
        ag_value sums[GATES];
        for (size_t gate = 0; gate < GATES; gate++) {
            const size_t place = gate * c->stride + i;
            const ag_value from = gate == FORGET || gate == OUTGATE ? x[i] : hidden[i];
            sums[gate] = ag_add(ag_mul(from, c->weights[place]), c->biases[place]);
        }
        cell[i] = ag_add(ag_mul(cell[i], ag_sigmoid(sums[FORGET])),
                         ag_mul(ag_sigmoid(sums[INGATE]), ag_tanh(sums[CHANGE])));
        hidden[i] = ag_mul(ag_sigmoid(sums[OUTGATE]), ag_tanh(cell[i]));
    }
}

/* What goes into the first layer. */
static void record_input(size_t width, const ag_value *extra, const ag_value *x, ag_value *in)
{
    for (size_t i = 0; i < width; i++)
        in[i] = ag_mul(x[i], extra[IN_WEIGHT * width + i]);
}

/* The logarithm of the probability of the next element, times its width, given what comes out of
 * the last layer. */
static ag_value record_score(size_t width, const ag_value *extra, const ag_value *from,
                             const ag_value *next)
{
    ag_value *y = bench_allocate(2 * width, sizeof(*y)), *exp_y = y + width;
    for (size_t i = 0; i < width; i++) {
        y[i] = ag_add(ag_mul(from[i], extra[OUT_WEIGHT * width + i]), extra[OUT_BIAS * width + i]);
        exp_y[i] = ag_exp(y[i]);
    }
    const ag_value log_sum = ag_log(ag_shift(ag_sum(width, exp_y), 2));
    for (size_t i = 0; i < width; i++)
        y[i] = ag_sub(y[i], log_sum);
    const ag_value score = ag_dot(width, y, next);
    free(y);
    return score;
}

static ag_value record_mean(const lstm_input *input, ag_value total)
{
    return ag_scale(total, -1 / (ag_real)((input->length - 1) * input->width));
}

/* ---- Layer after layer ----------------------------------------------------------------------- */

static void record(ag_graph *graph, const void *self, const ag_value *all, ag_value *values)
{
    const lstm_input *input = self;
    const size_t width = input->width, states = count_state(input), steps = input->length - 1;
    const ag_value *extra = all + count_main(input), *start = all + count_parameters(input);
    const ag_value *x = start + states;
    ag_value *state = bench_allocate(states + width + steps, sizeof(*state));
    ag_value *in = state + states, *scores = in + width;
    (void)graph;
    memcpy(state, start, states * sizeof(*state));
    for (size_t i = 0; i < steps; i++, x += width) {
        const ag_value *from = in;
        record_input(width, extra, x, in);
        for (size_t layer = 0; layer < input->layers; layer++) {
            const ag_value *weights = all + 2 * layer * GATES * width;
            const cells c = {width, weights, weights + GATES * width};
            ag_value *hidden = state + 2 * layer * width;
            record_cells(width, &c, from, hidden, hidden + width);
            from = hidden;
        }
        scores[i] = record_score(width, extra, from, x + width);
    }
    values[0] = record_mean(input, ag_sum(steps, scores));
    free(state);
}

/* ---- Layers side by side --------------------------------------------------------------------- */

/* Parameters are weights, then biases, gate by gate of all layers, then the extra ones. The state is
 * what goes into the first layer, what comes out of each (hidden), and the cells: what goes into the
 * layers lies side by side. */
static size_t count_cells(const lstm_input *input)
{
    return input->layers * input->width;
}

static void put_beside(const lstm_input *input, const ag_value *all, ag_value *parameters,
                       ag_value *state)
{
    const size_t width = input->width, layers = input->layers, extra = count_main(input);
    const ag_value *start = all + count_parameters(input);
    for (size_t kind = 0; kind < 2; kind++) /* weights or biases; hidden or cell */
        for (size_t layer = 0; layer < layers; layer++) {
            const size_t row = 2 * layer + kind;
            for (size_t gate = 0; gate < GATES; gate++)
                memcpy(parameters + ((kind * GATES + gate) * layers + layer) * width,
                       all + (row * GATES + gate) * width, width * sizeof(*all));
            memcpy(state + (1 + kind * layers + layer) * width, start + row * width,
                   width * sizeof(*all));
        }
    memcpy(parameters + extra, all + extra, EXTRA * width * sizeof(*all));
}

/* The first layers take a step, and x goes in. */
static void record_layers(const lstm_input *input, size_t layers, const ag_value *parameters,
                          const ag_value *x, ag_value *state)
{
    const size_t width = input->width, n = count_cells(input);
    const cells c = {n, parameters, parameters + GATES * n};
    ag_value *before = bench_allocate(n, sizeof(*before));
    memcpy(before, state, n * sizeof(*before));
    record_cells(layers * width, &c, before, state + width, state + width + n);
    record_input(width, parameters + count_main(input), x, state);
    free(before);
}

/* A step in a graph of its own; what it scores has come out of the last layer a step ago. The
 * sequence needs no gradient. */
static void record_scan(ag_graph *graph, const lstm_input *input, size_t steps, size_t states,
                        const ag_scan_arrays *arrays)
{
    const size_t width = input->width, parameters = count_parameters(input),
                 each_count = states + 2 * width;
    ag_graph *own = ag_graph_new(NULL);
    ag_value *shared =
        bench_allocate(parameters + each_count + states + 2 * width, sizeof(*shared));
    ag_value *each = shared + parameters, *state = each + each_count, *given = state + states;
    gb_make_variables(own, parameters, NULL, shared);
    gb_make_variables(own, each_count, NULL, each);
    memcpy(state, each, states * sizeof(*state));
    for (size_t i = 0; i < 2 * width; i++)
        given[i] = ag_detach(each[states + i]);
    record_layers(input, input->layers, shared, given, state);
    const ag_value score =
        record_score(width, shared + count_main(input), each + count_cells(input), given + width);
    const ag_signature step = {
        .shared = shared,
        .shared_count = parameters,
        .each = each,
        .each_count = each_count,
        .map = state,
        .map_count = states,
        .sum = &score,
        .sum_count = 1,
    };
    gb_scan(graph, &step, steps, states, arrays);
    ag_graph_free(own);
    free(shared);
}

/* A layer begins when the first element has come to it. When all elements are in, what is left to
 * score is recorded step by step; what layers do with elements that are not scored is dropped. */
static void record_program(ag_graph *graph, const void *self, const ag_value *all, ag_value *values)
{
    const lstm_input *input = self;
    const size_t width = input->width, states = width + count_state(input),
                 steps = input->length - 1, before = input->layers + 1,
                 scanned = steps < before ? 0 : steps - before;
    const ag_value *sequence = all + count_parameters(input) + count_state(input);
    ag_value *parameters = bench_allocate(count_parameters(input) + 2 * states + steps * 2 * width,
                                          sizeof(*parameters));
    ag_value *state = parameters + count_parameters(input), *last = state + states,
             *inputs = last + states;
    ag_value total = {.graph = NULL};
    put_beside(input, all, parameters, state);
    for (size_t i = 0; i < before; i++)
        record_layers(input, i, parameters, sequence + (i < steps ? i : steps) * width, state);
    for (size_t i = 0; i < scanned; i++) {
        memcpy(inputs + 2 * i * width, sequence + (i + before) * width, width * sizeof(*inputs));
        memcpy(inputs + (2 * i + 1) * width, sequence + (i + 1) * width, width * sizeof(*inputs));
    }
    const ag_scan_arrays arrays = {
        .shared = parameters,
        .state = state,
        .inputs = inputs,
        .final_state = last,
        .totals = &total,
    };
    record_scan(graph, input, scanned, states, &arrays);
    for (size_t i = scanned; i < steps; i++) {
        const ag_value *next = sequence + (i + 1) * width;
        const ag_value score =
            record_score(width, parameters + count_main(input), last + count_cells(input), next);
        total = ag_add(total, score);
        record_layers(input, input->layers, parameters, sequence + steps * width, last);
    }
    values[0] = record_mean(input, total);
    free(parameters);
}

/* ---- Input and output ------------------------------------------------------------------------ */

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    lstm_input *input = self;
    gb_list *all = &input->all;
    size_t rows = GB_ANY, columns = GB_ANY, extra = EXTRA;
    double *main_params = gb_read_rows(json, "main_params", &rows, &columns, error);
    if (!gb_append(all, rows * columns, main_params))
        return false;
    if (rows % 2 != 0 || columns % GATES != 0)
        return gb_fail(error, "main_params has %zu x %zu elements, not 2 and %d times as many",
                       rows, columns, GATES);
    input->layers = rows / 2;
    input->width = columns / GATES;
    size_t *width = &input->width;
    if (!gb_append(all, extra * *width, gb_read_rows(json, "extra_params", &extra, width, error)) ||
        !gb_append(all, rows * *width, gb_read_rows(json, "state", &rows, width, error)))
        return false;
    input->length = GB_ANY;
    double *sequence = gb_read_rows(json, "sequence", &input->length, width, error);
    if (!gb_append(all, input->length * *width, sequence))
        return false;
    return input->length >= 2 || gb_fail(error, "sequence has one element only");
}

/* sizes: l, c; the width is always 14 in GradBench */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    lstm_input *input = self;
    input->layers = sizes[0];
    input->width = 14;
    input->length = sizes[1];
    gb_make_list(&input->all,
                 count_parameters(input) + count_state(input) + input->length * input->width,
                 random);
}

static size_t count_outputs(const void *self, int function)
{
    return function == LSTM_OBJECTIVE ? 1 : count_parameters(self);
}

static json_t *write_output(const void *self, int function, const double *output)
{
    return function == LSTM_OBJECTIVE ? json_real(output[0])
                                      : gb_write_list(count_parameters(self), output);
}

const gb_workload lstm_workload = {
    .name = "lstm",
    .functions = {[LSTM_OBJECTIVE] = "objective", [LSTM_JACOBIAN] = "jacobian"},
    .ways = {&gb_function_program, &gb_function_flat, &gb_function_tape, &lstm_hand},
    .input_size = sizeof(lstm_input),
    .read = read_input,
    .make = make_input,
    .clear = gb_clear_list,
    .count_outputs = count_outputs,
    .write = write_output,
    .function = {.point = gb_find_list, .record = record, .record_program = record_program},
};
