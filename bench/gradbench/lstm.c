/* SPDX-License-Identifier: MIT
 *
 * lstm: how well layers of LSTM cells, whose matrices are diagonal, foretell a sequence, element by
 * element: the mean of minus the logarithm of the probability, and its gradient with respect to the
 * parameters. A program has the step from one element to the next, recorded once, and ag_scan; on
 * the tape one step follows the other.
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

/* hidden and cell become what they are after the step. */
static void record_layer(size_t width, const ag_value *weights, const ag_value *biases,
                         const ag_value *x, ag_value *hidden, ag_value *cell)
{
    for (size_t i = 0; i < width; i++) {
        ag_value sums[GATES];
        for (size_t gate = 0; gate < GATES; gate++) {
            const size_t place = gate * width + i;
            const ag_value from = gate == FORGET || gate == OUTGATE ? x[i] : hidden[i];
            sums[gate] = ag_add(ag_mul(from, weights[place]), biases[place]);
        }
        cell[i] = ag_add(ag_mul(cell[i], ag_sigmoid(sums[FORGET])),
                         ag_mul(ag_sigmoid(sums[INGATE]), ag_tanh(sums[CHANGE])));
        hidden[i] = ag_mul(ag_sigmoid(sums[OUTGATE]), ag_tanh(cell[i]));
    }
}

/* The logarithm of the probability of the next element after x, times its width; the state becomes
 * what it is after the step. room has 2 x width values. */
static ag_value record_step(const lstm_input *input, const ag_value *parameters, ag_value *state,
                            const ag_value *x, const ag_value *next, ag_value *room)
{
    const size_t width = input->width, rows = GATES * width;
    const ag_value *extra = parameters + count_main(input);
    ag_value *y = room, *exp_y = room + width;
    for (size_t i = 0; i < width; i++)
        y[i] = ag_mul(x[i], extra[IN_WEIGHT * width + i]);
    const ag_value *from = y;
    for (size_t layer = 0; layer < input->layers; layer++) {
        const ag_value *weights = parameters + 2 * layer * rows;
        ag_value *hidden = state + 2 * layer * width;
        record_layer(width, weights, weights + rows, from, hidden, hidden + width);
        from = hidden;
    }
    for (size_t i = 0; i < width; i++) {
        y[i] = ag_add(ag_mul(from[i], extra[OUT_WEIGHT * width + i]), extra[OUT_BIAS * width + i]);
        exp_y[i] = ag_exp(y[i]);
    }
    const ag_value log_sum = ag_log(ag_shift(ag_sum(width, exp_y), 2));
    for (size_t i = 0; i < width; i++)
        y[i] = ag_sub(y[i], log_sum);
    return ag_dot(width, y, next);
}

static ag_value record_mean(const lstm_input *input, ag_value total)
{
    return ag_scale(total, -1 / (ag_real)((input->length - 1) * input->width));
}

static void record(ag_graph *graph, const void *self, const ag_value *all, ag_value *values)
{
    const lstm_input *input = self;
    const size_t width = input->width, states = count_state(input), steps = input->length - 1;
    const ag_value *start = all + count_parameters(input), *sequence = start + states;
    ag_value *state = bench_allocate(states + steps + 2 * width, sizeof(*state));
    ag_value *scores = state + states, *room = scores + steps;
    (void)graph;
    memcpy(state, start, states * sizeof(*state));
    for (size_t i = 0; i < steps; i++) {
        const ag_value *x = sequence + i * width;
        scores[i] = record_step(input, all, state, x, x + width, room);
    }
    values[0] = record_mean(input, ag_sum(steps, scores));
    free(state);
}

static void record_program(ag_graph *graph, const void *self, const ag_value *all, ag_value *values)
{
    const lstm_input *input = self;
    const size_t width = input->width, parameters = count_parameters(input),
                 states = count_state(input), steps = input->length - 1;
    const ag_value *start = all + parameters, *sequence = start + states;
    ag_graph *own = ag_graph_new(NULL);

    /* the step, in a graph of its own */
    ag_value *shared = bench_allocate(parameters + 2 * states + 4 * width, sizeof(*shared));
    ag_value *each = shared + parameters, *state = each + states + 2 * width,
             *room = state + states, score;
    gb_make_variables(own, parameters, NULL, shared);
    gb_make_variables(own, states + 2 * width, NULL, each);
    memcpy(state, each, states * sizeof(*state));
    score = record_step(input, shared, state, each + states, each + states + width, room);
    const ag_signature step = {
        .shared = shared,
        .shared_count = parameters,
        .each = each,
        .each_count = states + 2 * width,
        .map = state,
        .map_count = states,
        .sum = &score,
        .sum_count = 1,
    };

    /* each step is given an element and the next one */
    ag_value *inputs = bench_allocate(steps * 2 * width + states, sizeof(*inputs));
    for (size_t i = 0; i < steps; i++)
        memcpy(inputs + i * 2 * width, sequence + i * width, 2 * width * sizeof(*inputs));
    ag_value total = {.graph = NULL};
    const ag_scan_arrays arrays = {
        .shared = all,
        .state = start,
        .inputs = inputs,
        .final_state = inputs + steps * 2 * width,
        .totals = &total,
    };
    gb_scan(graph, &step, steps, states, &arrays);
    values[0] = record_mean(input, total);
    ag_graph_free(own);
    free(shared);
    free(inputs);
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
