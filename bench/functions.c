/* SPDX-License-Identifier: MIT
 *
 * What each function of one operand costs over lanes, in the library as it was built: script/bench
 * runs this for every source of vector math. One line a function: its name, ns a number in double
 * and in float (medians), and where they come from.
 */
#include "bench.h"

#include <wengert/program.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 4096,
    REPEATS = 8
};

typedef struct bench_gate {
    const char *name;
    ag_value (*gate)(ag_value x);
} bench_gate;

static const bench_gate gates[] = {
#define AG_UNARY(name, ...) {#name, ag_##name},
#define AG_BINARY(...)
#define AG_TERNARY(...)
#define AG_NARY(...)
#define AG_COMPARE(...)
#include <wengert/gates.def>
};

typedef struct subject {
    ag_program *program;
    ag_workspace *workspace;
    double x[BATCH], y[BATCH];
    float x_float[BATCH], y_float[BATCH];
} subject;

/* Numbers between 0.1 and 0.9, or one more where the function has no value there. */
static void open_subject(subject *s, const bench_gate *gate)
{
    uint64_t state = 3;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, (ag_real)0.5), y = gate->gate(x);
    const double from = isnan((double)ag_data(y)) ? 1.5 : 0.5;
    s->program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    s->workspace = ag_workspace_new(s->program, &(ag_workspace_options){.threads = 1}, NULL);
    ag_graph_free(graph);
    for (size_t i = 0; i < BATCH; i++) {
        s->x[i] = from + 0.4 * bench_random(&state);
        s->x_float[i] = (float)s->x[i];
    }
    if (s->workspace == NULL) {
        fprintf(stderr, "bench: %s doesn't compile\n", gate->name);
        exit(1);
    }
}

static double time_once(subject *s, bool in_float)
{
    const ag_arrays arrays = {.each = s->x, .map = s->y};
    const ag_arrays_float arrays_float = {.each = s->x_float, .map = s->y_float};
    const double start = bench_now();
    for (int i = 0; i < REPEATS; i++)
        if (in_float)
            (void)ag_run_float(s->program, s->workspace, BATCH, &arrays_float);
        else
            (void)ag_run(s->program, s->workspace, BATCH, &arrays);
    return (bench_now() - start) / ((double)BATCH * REPEATS);
}

static double find_median(subject *s, bool in_float, size_t rounds)
{
    double *times = bench_allocate(rounds, sizeof(*times));
    (void)time_once(s, in_float);
    for (size_t i = 0; i < rounds; i++)
        times[i] = time_once(s, in_float);
    const double median = bench_summarise(rounds, times).median;
    free(times);
    return median;
}

int main(int argc, char **argv)
{
    const bench_options options = bench_parse(argc, argv);
    static subject s;
    for (size_t i = 0; i < sizeof(gates) / sizeof(*gates); i++) {
        if (!bench_wanted(&options, gates[i].name))
            continue;
        open_subject(&s, &gates[i]);
        printf("%s %.3f %.3f %s\n", gates[i].name, find_median(&s, false, (size_t)options.rounds),
               find_median(&s, true, (size_t)options.rounds), ag_vector_math());
        ag_workspace_free(s.workspace);
        ag_program_free(s.program);
    }
    return 0;
}
