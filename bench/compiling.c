/* SPDX-License-Identifier: MIT
 *
 * What recording, derivatives as nodes and compiling cost: of a net's loss, and of graphs of a
 * million nodes that look like nets, like loops and like nothing in particular.
 */
#include "bench.h"
#include "record.h"

#include <wengert/program.h>

#include <stdio.h>
#include <stdlib.h>

/* A graph's inputs, of which the last may be a sample's, and outputs, which are summed. */
typedef struct sketch {
    ag_graph *graph;
    ag_value *inputs, *outputs;
    size_t input_count, each_count, output_count;
} sketch;

typedef struct bench_subject {
    const char *title;
    void (*record)(sketch *s);
    void (*derive)(sketch *s); /* adds outputs; NULL: nothing */
} bench_subject;

static void make_inputs(sketch *s, size_t n)
{
    uint64_t state = 3;
    s->inputs = bench_make_variables(s->graph, n);
    s->input_count = n;
    for (size_t i = 0; i < n; i++)
        (void)ag_set(s->inputs[i], (ag_real)bench_random(&state));
    s->outputs = bench_allocate(n + 1, sizeof(*s->outputs));
    s->output_count = 1;
}

static void add_gradient(sketch *s)
{
    (void)ag_gradient(s->outputs[0], s->input_count, s->inputs, s->outputs + 1);
    s->output_count = s->input_count + 1;
}

/* ---- Graphs ---------------------------------------------------------------------------------- */

enum {
    IN = 784,
    HIDDEN = 128,
    OUT = 10,
    NET_PARAMETERS = (IN + 1) * HIDDEN + (HIDDEN + 1) * OUT,
};

static void record_net(sketch *s)
{
    static const int sizes[] = {IN, HIDDEN, OUT};
    make_inputs(s, NET_PARAMETERS + IN + OUT);
    s->each_count = IN + OUT;
    s->outputs[0] = bench_record_net(2, sizes, true, s->inputs, s->inputs + NET_PARAMETERS);
}

static void derive_net(sketch *s)
{
    (void)ag_gradient(s->outputs[0], NET_PARAMETERS, s->inputs, s->outputs + 1);
    s->output_count = NET_PARAMETERS + 1;
}

/* Rosenbrock's function: the same gates over many components. */
static void record_loop(sketch *s)
{
    enum {
        SIZE = 50000
    };
    make_inputs(s, SIZE);
    const ag_value *x = s->inputs;
    ag_value sum = ag_constant(s->graph, 0);
    for (int i = 0; i < SIZE - 1; i++) {
        const ag_value a = ag_square(ag_sub(x[i + 1], ag_square(x[i])));
        sum = ag_add(sum, ag_add(ag_scale(a, 100), ag_square(ag_shift(x[i], -1))));
    }
    s->outputs[0] = sum;
}

/* Gates at random over what came shortly before. */
static void record_tangle(sketch *s)
{
    enum {
        INPUTS = 1000,
        GATES = 1000000,
        NEAR = 500
    };
    static ag_value (*const gates[])(ag_value a, ag_value b) = {ag_add, ag_mul, ag_sub, ag_hypot};
    uint64_t state = 5;
    make_inputs(s, INPUTS);
    ag_value *values = bench_allocate(INPUTS + GATES, sizeof(*values));
    for (int i = 0; i < INPUTS; i++)
        values[i] = s->inputs[i];
    for (int i = INPUTS; i < INPUTS + GATES; i++) {
        const int back = 1 + (int)((bench_random(&state) + 1) / 2 * NEAR);
        const int gate = (int)((bench_random(&state) + 1) * 2);
        values[i] =
            gate == 3 ? ag_tanh(values[i - 1]) : gates[gate](values[i - 1], values[i - back]);
    }
    s->outputs[0] = values[INPUTS + GATES - 1];
    free(values);
}

/* One gate after the other. */
static void record_chain(sketch *s)
{
    enum {
        GATES = 1000000
    };
    make_inputs(s, 1);
    ag_value y = s->inputs[0];
    for (int i = 0; i < GATES; i++)
        y = i % 2 == 0 ? ag_sin(y) : ag_exp(y);
    s->outputs[0] = y;
}

static const bench_subject subjects[] = {
    {"loss of 784-128-10 and its gradient", record_net, derive_net},
    {"Rosenbrock in 50000 dimensions and its gradient", record_loop, add_gradient},
    {"a million gates at random", record_tangle, NULL},
    {"a chain of a million gates", record_chain, NULL},
};

/* ---- Races ----------------------------------------------------------------------------------- */

typedef enum bench_part {
    RECORD,
    DERIVE,
    COMPILE,
    PARTS
} bench_part;

typedef struct bench_task {
    const bench_subject *subject;
    bench_part part;
} bench_task;

static void fail(const char *title, const ag_graph *graph)
{
    printf("%s: %s\n", title, ag_error_message(graph));
    exit(1);
}

/* Goes through the parts up to the one that is timed. */
static double run_once(const bench_task *task)
{
    const bench_subject *subject = task->subject;
    sketch s = {.graph = ag_graph_new(NULL)};
    ag_program *program = NULL;
    double times[PARTS + 1];
    times[RECORD] = bench_now();
    subject->record(&s);
    times[DERIVE] = bench_now();
    if (task->part >= DERIVE && subject->derive != NULL)
        subject->derive(&s);
    times[COMPILE] = bench_now();
    const size_t shared = s.input_count - s.each_count;
    if (task->part >= COMPILE)
        program = ag_compile(&(ag_signature){.shared = s.inputs,
                                             .shared_count = shared,
                                             .each = s.inputs + shared,
                                             .each_count = s.each_count,
                                             .sum = s.outputs,
                                             .sum_count = s.output_count},
                             NULL);
    times[PARTS] = bench_now();
    if (ag_error(s.graph) != AG_OK || (task->part == COMPILE && program == NULL))
        fail(subject->title, s.graph);
    ag_program_free(program);
    ag_graph_free(s.graph);
    free(s.inputs);
    free(s.outputs);
    return times[task->part + 1] - times[task->part];
}

static double run(void *self, size_t repeats)
{
    double time = 0;
    for (size_t i = 0; i < repeats; i++)
        time += run_once(self);
    return time;
}

static size_t count_nodes(const bench_subject *subject)
{
    sketch s = {.graph = ag_graph_new(NULL)};
    subject->record(&s);
    if (subject->derive != NULL)
        subject->derive(&s);
    const size_t count = ag_graph_count(s.graph);
    ag_graph_free(s.graph);
    free(s.inputs);
    free(s.outputs);
    return count;
}

static void race(const bench_subject *subject, const bench_options *options)
{
    static const char *const names[] = {"record", "gradient", "compile"};
    if (!bench_wanted(options, subject->title))
        return;
    bench_task tasks[2 * PARTS];
    bench_entry entries[2 * PARTS];
    const double nodes = (double)count_nodes(subject);
    char title[160];
    size_t count = 0;
    for (bench_part part = RECORD; part < PARTS; part++) {
        if (part == DERIVE && subject->derive == NULL)
            continue;
        tasks[count] = (bench_task){subject, part};
        entries[count] = (bench_entry){.self = &tasks[count], .run = run, .units = 1};
        (void)snprintf(entries[count].name, sizeof(entries[count].name), "%s", names[part]);
        count++;
    }
    (void)snprintf(title, sizeof(title), "%s, %.0f nodes in all", subject->title, nodes);
    bench_race race = {title, "ms", 1e-6, count, entries};
    bench_run(&race, options);
    bench_print(&race, options);
    const bench_entry *compile = &entries[count - 1];
    printf("  %-34s %32.4g\n", "compile, ns a node",
           bench_summarise((size_t)options->rounds, compile->times).median / nodes);
    bench_free(&race);
}

int main(int argc, char **argv)
{
    bench_options options = bench_parse(argc, argv);
    options.rounds = (options.rounds + 3) / 4; /* they are long */
    bench_print_head();
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        race(&subjects[i], &options);
    return 0;
}
