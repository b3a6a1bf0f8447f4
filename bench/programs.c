/* SPDX-License-Identifier: MIT
 *
 * Values and gradients of functions of many numbers, for one point at a time: recorded once and run
 * again, as a program and on the tape, beside C loops by hand. Before anything is timed, values and
 * gradients are compared; what differs is not timed.
 */
#include "programs.h"

#include "bench.h"
#include "record.h"

#include <wengert/program.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ag_value (*bench_recording)(ag_graph *graph, const ag_value *x);

typedef struct bench_function {
    const char *title;
    size_t inputs, wanted; /* the gradient of the first so many */
    bool parameters;       /* those are shared, their gradient is a sum; otherwise each and map */
    double low, high;      /* inputs are in between */
    double (*by_hand)(const double *x, double *gradient);
    bench_recording flat, scan; /* NULL: none */
} bench_function;

static const bench_function functions[] = {
    {"Lorenz, 1000 steps of RK4", LORENZ_INPUTS, LORENZ_INPUTS, false, 0.9, 1.1, hand_lorenz,
     record_lorenz_flat, record_lorenz_scan},
    {"tanh net 64-64-64-1", NET_INPUTS, NET_PARAMETERS, true, -0.15, 0.15, hand_net, record_net,
     NULL},
    {"Rosenbrock, 1000 dimensions", ROSENBROCK_SIZE, ROSENBROCK_SIZE, false, -1, 1, hand_rosenbrock,
     record_rosenbrock, NULL},
    {"y_i' = x_i y_(i-1), 400 components, 1000 steps of RK4", ODE_SIZE, ODE_SIZE, false, 0.9, 1.1,
     hand_ode, NULL, record_ode_scan},
    {"log-sum-exp of 100000", SUM_SIZE, SUM_SIZE, false, -1, 1, hand_logsumexp, record_logsumexp,
     NULL},
};

/* ---- Those who compute them ------------------------------------------------------------------ */

typedef struct runner {
    const bench_function *function;
    const double *x;
    double *outputs; /* the value, then its gradient */
    ag_graph *graph; /* of the tape */
    ag_value root, *variables;
    ag_program *program;
    ag_workspace *workspace;
} runner;

static void run_by_hand(runner *r)
{
    r->outputs[0] = r->function->by_hand(r->x, r->outputs + 1);
}

static void run_tape(runner *r)
{
    ag_zero_grad(r->graph);
    (void)ag_forward(r->root);
    (void)ag_backward(r->root);
    r->outputs[0] = (double)ag_data(r->root);
    for (size_t i = 0; i < r->function->wanted; i++)
        r->outputs[i + 1] = (double)ag_grad(r->variables[i]);
}

static void run_program(runner *r)
{
    const bench_function *f = r->function;
    const size_t shared = f->parameters ? f->wanted : 0;
    const ag_arrays arrays = {
        .shared = r->x,
        .each = r->x + shared,
        .map = r->outputs,
        .sum = r->outputs + 1,
    };
    (void)ag_run(r->program, r->workspace, 1, &arrays);
}

static bool record(runner *r, bench_recording recording)
{
    const size_t n = r->function->inputs;
    r->graph = ag_graph_new(NULL);
    r->variables = bench_make_variables(r->graph, n);
    for (size_t i = 0; i < n; i++)
        (void)ag_set(r->variables[i], (ag_real)r->x[i]);
    r->root = recording(r->graph, r->variables);
    if (ag_error(r->graph) != AG_OK)
        printf("recording: %s\n", ag_error_message(r->graph));
    return ag_error(r->graph) == AG_OK;
}

static bool compile(runner *r, bool native)
{
    const size_t n = r->function->wanted, shared = r->function->parameters ? n : 0;
    ag_value *outputs = bench_allocate(n + 1, sizeof(*outputs));
    outputs[0] = r->root;
    (void)ag_gradient(r->root, n, r->variables, outputs + 1);
    const ag_signature signature = {
        .shared = r->variables,
        .shared_count = shared,
        .each = r->variables + shared,
        .each_count = r->function->inputs - shared,
        .map = outputs,
        .map_count = n + 1 - shared,
        .sum = outputs + 1,
        .sum_count = shared,
    };
    ag_error_details error = {.message = ""};
    r->program = ag_compile(&signature, NULL);
    if (r->program == NULL)
        printf("compiling: %s\n", ag_error_message(r->graph));
    else if (native && ag_native(r->program, NULL, &error) != AG_OK)
        printf("native: %s\n", error.message);
    else
        r->workspace = ag_workspace_new(r->program, &(ag_workspace_options){.threads = 1}, &error);
    if (r->program != NULL && r->workspace == NULL && !native)
        printf("workspace: %s\n", error.message);
    free(outputs);
    return r->workspace != NULL;
}

static void finish(runner *r)
{
    ag_workspace_free(r->workspace);
    ag_program_free(r->program);
    ag_graph_free(r->graph);
    free(r->variables);
    free(r->outputs);
}

/* ---- Races ----------------------------------------------------------------------------------- */

typedef struct bench_way {
    const char *name;
    void (*run)(runner *r);
    bool scan, compiled, native;
} bench_way;

static const bench_way ways[] = {
    {"C loops by hand", run_by_hand, false, false, false},
    {"wengert, native", run_program, false, true, true},
    {"wengert, native, with ag_scan", run_program, true, true, true},
    {"wengert, compiled", run_program, false, true, false},
    {"wengert, compiled, with ag_scan", run_program, true, true, false},
    {"wengert, tape run again", run_tape, false, false, false},
};

enum {
    WAYS = sizeof(ways) / sizeof(ways[0])
};

typedef struct entrant {
    const bench_way *way;
    runner runner;
} entrant;

static double run(void *self, size_t repeats)
{
    entrant *e = self;
    const double start = bench_now();
    for (size_t i = 0; i < repeats; i++)
        e->way->run(&e->runner);
    return bench_now() - start;
}

/* Ready to run, unless it isn't for this function or is wrong. */
static bool enter(entrant *e, const bench_way *way, const bench_function *function, const double *x,
                  const double *right)
{
    const double tolerance = sizeof(ag_real) == sizeof(float) ? 1e-4 : 1e-10;
    const size_t outputs = function->wanted + 1;
    const bench_recording recording = way->scan ? function->scan : function->flat;
    if (way->run != run_by_hand && recording == NULL)
        return false;
    *e = (entrant){.way = way, .runner = {.function = function, .x = x}};
    runner *r = &e->runner;
    r->outputs = bench_allocate(outputs, sizeof(double));
    bool ready = way->run == run_by_hand ||
                 (record(r, recording) && (!way->compiled || compile(r, way->native)));
    if (ready) {
        way->run(r);
        const double off = fmax(bench_difference(1, r->outputs, right),
                                bench_difference(outputs - 1, r->outputs + 1, right + 1));
        ready = off <= tolerance;
        if (!ready)
            printf("%s, %s: not timed, it is off by %.2g\n", function->title, way->name, off);
    }
    if (!ready)
        finish(r);
    return ready;
}

static void race(const bench_function *function, const bench_options *options)
{
    if (!bench_wanted(options, function->title))
        return;
    uint64_t state = 7;
    const double middle = (function->low + function->high) / 2;
    double *x = bench_allocate(function->inputs, sizeof(*x));
    double *right = bench_allocate(function->wanted + 1, sizeof(*right));
    for (size_t i = 0; i < function->inputs; i++)
        x[i] = middle + (function->high - middle) * (double)(float)bench_random(&state);
    if (function->by_hand == hand_lorenz)
        memcpy(x + 3, (double[]){10, 28, 2.75}, 3 * sizeof(*x));
    right[0] = function->by_hand(x, right + 1);

    entrant entrants[WAYS];
    bench_entry entries[WAYS];
    size_t count = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (!enter(&entrants[count], &ways[i], function, x, right))
            continue;
        entries[count] = (bench_entry){
            .self = &entrants[count], .run = run, .units = 1, .ours = (int)count, .theirs = 0};
        (void)snprintf(entries[count].name, sizeof(entries[count].name), "%s", ways[i].name);
        count++;
    }
    bench_race race = {function->title, "us", 1e-3, count, entries};
    bench_run(&race, options);
    bench_print(&race, options);
    bench_free(&race);
    for (size_t i = 0; i < count; i++)
        finish(&entrants[i].runner);
    free(x);
    free(right);
}

int main(int argc, char **argv)
{
    const bench_options options = bench_parse(argc, argv);
    bench_print_head();
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        race(&functions[i], &options);
    return 0;
}
