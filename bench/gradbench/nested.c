/* SPDX-License-Identifier: MIT
 *
 * Loops with a derivative inside and another one around: see nested.h.
 */
#include "nested.h"

#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BURST = 10, /* steps of a program, all of one size; of these, those that are good are taken */
    LIMIT = 1000000, /* steps of a loop, which need not end by itself for every input */
};

/* Steps that were taken at once, from the state that is kept beside. */
typedef struct segment {
    size_t steps; /* BURST or 1 */
    double size;
} segment;

struct nested_runner {
    nested_loop loop;
    bool inner_forward;
    size_t columns; /* of tangents: one for each parameter in forward mode, none in reverse mode */
    size_t steps;   /* tried at once */

    /* Sizes and places in `input`: size, parameters, state, and then either the state's tangents or
     * the adjoints of the last state and of its objective. */
    size_t input_count;
    double *input;
    double *found;   /* for each step: results, and the tangents of the next state and objective */
    double *adjoint; /* of parameters and of the first state */

    segment *segments;
    double *states;
    size_t segment_count, segment_room;

    gb_program program;
    /* Adjoints of one step; of BURST, when no objective is looked at but the last step's; of BURST
     * that end with it. */
    gb_program back_one, back, back_last;
    ag_graph *graph; /* the tape; NULL: programs */
    ag_mark start;
    ag_value *values; /* on the tape: input, and then what is found */
};

static size_t count_results(const nested_runner *r)
{
    return r->loop.state + 1 + r->loop.seen;
}

static size_t count_found(const nested_runner *r)
{
    return count_results(r) + r->columns * (r->loop.state + 1);
}

static size_t place_rest(const nested_runner *r)
{
    return 1 + r->loop.parameters + r->loop.state;
}

/* ---- Recording ------------------------------------------------------------------------------- */

void nested_gradient(bool forward, ag_value root, size_t n, const ag_value *wrt, ag_value *gradient)
{
    if (!forward) {
        (void)ag_gradient(root, n, wrt, gradient);
        return;
    }
    const ag_value one = ag_constant(root.graph, 1);
    for (size_t i = 0; i < n; i++)
        (void)ag_jvp(1, &root, 1, &wrt[i], &one, &gradient[i]);
}

/* The tangents of all that is derived, where `parameter` alone changes by itself, and the first state
 * by the tangents given. */
static void record_tangents(const nested_runner *r, ag_graph *graph, size_t steps, size_t parameter,
                            const ag_value *input, ag_value *found)
{
    const size_t p = r->loop.parameters, s = r->loop.state, stride = count_found(r);
    ag_value roots[BURST * (NESTED_MOST + 1)], tangents[BURST * (NESTED_MOST + 1)];
    ag_value direction[2 * NESTED_MOST];
    for (size_t i = 0; i < p; i++)
        direction[i] = ag_constant(graph, i == parameter);
    memcpy(direction + p, input + place_rest(r) + parameter * s, s * sizeof(*direction));
    for (size_t i = 0; i < steps; i++)
        memcpy(roots + i * (s + 1), found + i * stride, (s + 1) * sizeof(*roots));
    (void)ag_jvp(steps * (s + 1), roots, p + s, input + 1, direction, tangents);
    for (size_t i = 0; i < steps; i++)
        memcpy(found + i * stride + count_results(r) + parameter * (s + 1), tangents + i * (s + 1),
               (s + 1) * sizeof(*tangents));
}

/* Some steps, in forward mode with tangents. */
static void record_steps(const nested_runner *r, ag_graph *graph, size_t steps,
                         const ag_value *input, ag_value *found)
{
    nested_point from = {
        .size = input[0],
        .parameters = input + 1,
        .state = input + 1 + r->loop.parameters,
    };
    for (size_t i = 0; i < steps; i++) {
        r->loop.record_step(graph, r->inner_forward, &from, found + i * count_found(r));
        from.state = found + i * count_found(r);
    }
    for (size_t j = 0; j < r->columns; j++)
        record_tangents(r, graph, steps, j, input, found);
}

/* What the adjoints of some steps are the gradient of. */
static ag_value record_adjoint(const nested_runner *r, ag_graph *graph, size_t steps, bool last,
                               const ag_value *input, ag_value *found)
{
    record_steps(r, graph, steps, input, found);
    return ag_dot(r->loop.state + last, found + (steps - 1) * count_found(r),
                  input + place_rest(r));
}

/* ---- Taking steps ---------------------------------------------------------------------------- */

static void begin_tape(nested_runner *r)
{
    (void)ag_graph_rewind(r->graph, r->start);
    gb_make_variables(r->graph, r->input_count, r->input, r->values);
}

static bool try_steps(nested_runner *r, gb_error *error)
{
    const ag_arrays arrays = {.each = r->input, .map = r->found};
    if (r->graph == NULL)
        return gb_run(&r->program, 1, &arrays, error);
    begin_tape(r);
    record_steps(r, r->graph, 1, r->values, r->values + r->input_count);
    for (size_t i = 0; i < count_found(r); i++)
        r->found[i] = (double)ag_data(r->values[r->input_count + i]);
    return gb_check_graph(r->graph, error);
}

static bool find_adjoints(nested_runner *r, size_t steps, bool last, gb_error *error)
{
    const gb_program *back = steps == 1 ? &r->back_one : last ? &r->back_last : &r->back;
    const ag_arrays arrays = {.each = r->input, .map = r->adjoint};
    if (r->graph == NULL)
        return gb_run(back, 1, &arrays, error);
    begin_tape(r);
    (void)ag_backward(record_adjoint(r, r->graph, 1, last, r->values, r->values + r->input_count));
    for (size_t i = 0; i < r->loop.parameters + r->loop.state; i++)
        r->adjoint[i] = (double)ag_grad(r->values[1 + i]);
    return gb_check_graph(r->graph, error);
}

static void add_segment(nested_runner *r, const double *state, size_t steps)
{
    const size_t s = r->loop.state;
    if (r->segment_count == r->segment_room) {
        const size_t room = r->segment_room == 0 ? 64 : 2 * r->segment_room;
        segment *segments = bench_allocate(room, sizeof(*segments));
        double *states = bench_allocate(room * s, sizeof(*states));
        if (r->segment_count > 0) {
            memcpy(segments, r->segments, r->segment_count * sizeof(*segments));
            memcpy(states, r->states, r->segment_count * s * sizeof(*states));
        }
        free(r->segments);
        free(r->states);
        r->segments = segments;
        r->states = states;
        r->segment_room = room;
    }
    memcpy(r->states + r->segment_count * s, state, s * sizeof(*state));
    r->segments[r->segment_count++] = (segment){.steps = steps, .size = r->input[0]};
}

/* Of the steps that were tried, the first `taken` are: goes on from there. */
static void take_steps(nested_runner *r, size_t taken)
{
    const size_t s = r->loop.state;
    double *state = r->input + 1 + r->loop.parameters;
    if (taken == 0)
        return;
    for (size_t i = 0; r->columns == 0 && i < taken; i += taken == r->steps ? taken : 1)
        add_segment(r, i == 0 ? state : r->found + (i - 1) * count_found(r),
                    taken == r->steps ? taken : 1);
    const double *last = r->found + (taken - 1) * count_found(r);
    memcpy(state, last, s * sizeof(*state));
    for (size_t j = 0; j < r->columns; j++)
        memcpy(r->input + place_rest(r) + j * s, last + count_results(r) + j * (s + 1),
               s * sizeof(*state));
}

static bool go_back(nested_runner *r, double *gradient, gb_error *error)
{
    const size_t p = r->loop.parameters, s = r->loop.state;
    double *after = r->input + place_rest(r);
    memset(gradient, 0, p * sizeof(*gradient));
    memset(after, 0, s * sizeof(*after));
    after[s] = 1;
    for (size_t i = r->segment_count; i-- > 0;) {
        r->input[0] = r->segments[i].size;
        memcpy(r->input + 1 + p, r->states + i * s, s * sizeof(*after));
        if (!find_adjoints(r, r->segments[i].steps, i + 1 == r->segment_count, error))
            return false;
        for (size_t j = 0; j < p; j++)
            gradient[j] += r->adjoint[j];
        memcpy(after, r->adjoint + p, s * sizeof(*after));
        after[s] = 0;
    }
    return true;
}

bool nested_run(nested_runner *r, nested_judge *judge, const double *parameters, double *state,
                double *value, double *gradient, gb_error *error)
{
    const size_t p = r->loop.parameters, s = r->loop.state, stride = count_found(r);
    nested_verdict verdict = NESTED_TAKE;
    r->segment_count = 0;
    memset(r->input, 0, r->input_count * sizeof(*r->input));
    memcpy(r->input + 1, parameters, p * sizeof(*parameters));
    memcpy(r->input + 1 + p, state, s * sizeof(*state));
    for (size_t all = 0; verdict == NESTED_TAKE || verdict == NESTED_REFUSE;) {
        const double size = r->input[0] = judge->size;
        size_t taken = 0;
        if (!try_steps(r, error))
            return false;
        do {
            const double *results = r->found + taken * stride;
            verdict = judge->judge(judge, state, results);
            if (verdict == NESTED_REFUSE || verdict == NESTED_END)
                break;
            memcpy(state, results, s * sizeof(*state));
            *value = results[s];
            for (size_t j = 0; gradient != NULL && j < r->columns; j++)
                gradient[j] = results[count_results(r) + j * (s + 1) + s];
            taken++;
        } while (verdict == NESTED_TAKE && taken < r->steps && judge->size == size);
        take_steps(r, taken);
        if ((all += r->steps) > LIMIT)
            return gb_fail(error, "no end after %d steps", LIMIT);
    }
    return gradient == NULL || r->columns > 0 || go_back(r, gradient, error);
}

/* ---- Preparing ------------------------------------------------------------------------------- */

/* Functions are named outer, then inner. */
static nested_runner *make_runner(const gb_task *task, const nested_loop *loop, size_t steps)
{
    const char *function = task->workload->functions[task->function];
    nested_runner *r = bench_allocate(1, sizeof(*r));
    r->loop = *loop;
    r->inner_forward = function[1] == 'f';
    r->columns = function[0] == 'f' ? loop->parameters : 0;
    r->steps = steps;
    r->input_count = place_rest(r) + (r->columns > 0 ? r->columns * loop->state : loop->state + 1);
    r->input = bench_allocate(r->input_count, sizeof(*r->input));
    r->found = bench_allocate(steps * count_found(r), sizeof(*r->found));
    r->adjoint = bench_allocate(loop->parameters + loop->state, sizeof(*r->adjoint));
    r->values = bench_allocate(r->input_count + steps * count_found(r), sizeof(*r->values));
    return r;
}

void nested_free(void *runner)
{
    nested_runner *r = runner;
    gb_close_program(&r->program);
    gb_close_program(&r->back_one);
    gb_close_program(&r->back);
    gb_close_program(&r->back_last);
    ag_graph_free(r->graph);
    free(r->input);
    free(r->found);
    free(r->adjoint);
    free(r->values);
    free(r->segments);
    free(r->states);
    free(r);
}

static bool compile_steps(nested_runner *r, const gb_task *task, gb_error *error)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *input = r->values, *found = input + r->input_count;
    gb_make_variables(graph, r->input_count, NULL, input);
    record_steps(r, graph, BURST, input, found);
    const ag_signature signature = {
        .each = input,
        .each_count = r->input_count,
        .map = found,
        .map_count = BURST * count_found(r),
    };
    const bool compiled = gb_compile(task, graph, &signature, &r->program, error);
    ag_graph_free(graph);
    return compiled;
}

static bool compile_back(nested_runner *r, const gb_task *task, size_t steps, bool last,
                         gb_program *program, gb_error *error)
{
    const size_t adjoints = r->loop.parameters + r->loop.state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *input = r->values, adjoint[2 * NESTED_MOST];
    gb_make_variables(graph, r->input_count, NULL, input);
    (void)ag_gradient(record_adjoint(r, graph, steps, last, input, input + r->input_count),
                      adjoints, input + 1, adjoint);
    const ag_signature signature = {
        .each = input,
        .each_count = r->input_count,
        .map = adjoint,
        .map_count = adjoints,
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    return compiled;
}

nested_runner *nested_prepare_program(const gb_task *task, const nested_loop *loop, gb_error *error)
{
    nested_runner *r = make_runner(task, loop, BURST);
    if (compile_steps(r, task, error) &&
        (r->columns > 0 || (compile_back(r, task, 1, true, &r->back_one, error) &&
                            compile_back(r, task, BURST, false, &r->back, error) &&
                            compile_back(r, task, BURST, true, &r->back_last, error))))
        return r;
    nested_free(r);
    return NULL;
}

nested_runner *nested_prepare_tape(const gb_task *task, const nested_loop *loop)
{
    nested_runner *r = make_runner(task, loop, 1);
    r->graph = ag_graph_new(NULL);
    r->start = ag_graph_mark(r->graph);
    return r;
}

/* ---- Gradient descent ------------------------------------------------------------------------ */

nested_verdict nested_descend(nested_descent *descent, size_t n, const double *x,
                              const double *gradient, const double *y, double value_at_y)
{
    const double least = 1e-5;
    double slope = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        slope += gradient[i] * gradient[i];
        length += (y[i] - x[i]) * (y[i] - x[i]);
    }
    if (descent->size == 0) {
        *descent = (nested_descent){.size = least, .value = value_at_y};
        return NESTED_TAKE;
    }
    if (!(sqrt(slope) > least) || !(sqrt(length) > least)) /* or no number */
        return NESTED_END;
    if (!(value_at_y < descent->value)) {
        descent->size /= 2;
        descent->lowered = 0;
        return NESTED_REFUSE;
    }
    descent->value = value_at_y;
    if (++descent->lowered == 10) {
        descent->size *= 2;
        descent->lowered = 0;
    }
    return NESTED_TAKE;
}

bool nested_minimise(nested_objective objective, void *context, size_t n, double *x,
                     gb_error *error)
{
    nested_descent descent = {.size = 0};
    double gradient[NESTED_MOST] = {0}, y[NESTED_MOST], gradient_at_y[NESTED_MOST], value;
    for (int i = 0; i < LIMIT; i++) {
        for (size_t j = 0; j < n; j++)
            y[j] = x[j] - descent.size * gradient[j];
        if (!objective(context, y, &value, gradient_at_y, error))
            return false;
        const nested_verdict verdict = nested_descend(&descent, n, x, gradient, y, value);
        if (verdict == NESTED_END)
            return true;
        if (verdict == NESTED_TAKE) {
            memcpy(x, y, n * sizeof(*x));
            memcpy(gradient, gradient_at_y, n * sizeof(*x));
        }
    }
    return gb_fail(error, "no end after %d steps", LIMIT);
}
