/* SPDX-License-Identifier: MIT
 *
 * Programs with a gradient on a batch of samples, one thread: by the interpreter and as code of their
 * own. Results are compared before anything is timed.
 */
#include "bench.h"
#include "record.h"

#include <wengert/program.h>

#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH = 4096,
    STEPS = 20
};

static const int sizes[] = {64, 32, 10};

typedef struct bench_model {
    const char *title;
    size_t parameters, inputs;
    ag_value (*record)(ag_graph *graph, const ag_value *parameters, const ag_value *row);
} bench_model;

static ag_value record_net(ag_graph *graph, const ag_value *parameters, const ag_value *row)
{
    (void)graph;
    return bench_record_net(2, sizes, true, parameters, row);
}

/* Hares and lynxes, by Euler's steps; how far their last numbers are from the row's. */
static ag_value record_lotka_volterra(ag_graph *graph, const ag_value *p, const ag_value *row)
{
    (void)graph;
    ag_value x = row[0], y = row[1];
    for (int t = 0; t < STEPS; t++) {
        const ag_value xy = ag_mul(x, y);
        const ag_value dx = ag_sub(ag_mul(p[0], x), ag_mul(p[1], xy));
        const ag_value dy = ag_sub(ag_mul(p[2], xy), ag_mul(p[3], y));
        x = ag_add(x, ag_scale(dx, (ag_real)0.0625));
        y = ag_add(y, ag_scale(dy, (ag_real)0.0625));
    }
    return ag_add(ag_square(ag_sub(x, row[2])), ag_square(ag_sub(y, row[3])));
}

static const bench_model models[] = {
    {"softmax net 64-32-10, gradient", 64 * 32 + 32 + 32 * 10 + 10, 64 + 10, record_net},
    {"Lotka-Volterra, 20 steps, gradient", 4, 4, record_lotka_volterra},
};

typedef struct runner {
    ag_program *program;
    ag_workspace *workspace;
    const double *shared, *each;
    double *sum;
} runner;

static double run(void *self, size_t repeats)
{
    const runner *r = (const runner *)self;
    const double start = bench_now();
    for (size_t i = 0; i < repeats; i++)
        (void)ag_run(r->program, r->workspace, BATCH,
                     &(ag_arrays){.shared = r->shared, .each = r->each, .sum = r->sum});
    return bench_now() - start;
}

static ag_program *compile(const bench_model *model)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *shared = bench_make_variables(graph, model->parameters);
    ag_value *each = bench_make_variables(graph, model->inputs);
    ag_value *sum = bench_allocate(model->parameters + 1, sizeof(*sum));
    sum[0] = model->record(graph, shared, each);
    (void)ag_gradient(sum[0], model->parameters, shared, sum + 1);
    ag_program *program = ag_compile(&(ag_signature){.shared = shared,
                                                     .shared_count = model->parameters,
                                                     .each = each,
                                                     .each_count = model->inputs,
                                                     .sum = sum,
                                                     .sum_count = model->parameters + 1},
                                     NULL);
    if (program == NULL)
        printf("compiling: %s\n", ag_error_message(graph));
    free(shared);
    free(each);
    free(sum);
    ag_graph_free(graph);
    return program;
}

static void race(const bench_model *model, const bench_options *options)
{
    if (!bench_wanted(options, model->title))
        return;
    uint64_t state = 5;
    double *shared = bench_allocate(model->parameters, sizeof(*shared));
    double *each = bench_allocate(BATCH * model->inputs, sizeof(*each));
    for (size_t i = 0; i < model->parameters; i++)
        shared[i] = 0.5 + 0.25 * bench_random(&state);
    for (size_t i = 0; i < BATCH * model->inputs; i++)
        each[i] = 1 + 0.5 * bench_random(&state);
    runner runners[2];
    bench_entry entries[2];
    bool ready = true;
    for (int i = 0; i < 2 && ready; i++) {
        runner *r = &runners[i];
        ag_error_details error = {.message = ""};
        *r = (runner){.program = compile(model), .shared = shared, .each = each};
        if (r->program == NULL)
            exit(1);
        if (i == 1 && ag_native(r->program, NULL, &error) != AG_OK)
            printf("native: %s\n", error.message);
        ready = error.message[0] == '\0';
        r->workspace = ag_workspace_new(r->program, &(ag_workspace_options){.threads = 1}, NULL);
        r->sum = bench_allocate(model->parameters + 1, sizeof(double));
        (void)run(r, 1);
        entries[i] = (bench_entry){.self = r, .run = run, .units = BATCH, .ours = i, .theirs = 0};
        (void)snprintf(entries[i].name, sizeof(entries[i].name), "%s",
                       i == 0 ? "wengert, compiled" : "wengert, native");
    }
    if (ready && bench_difference(model->parameters + 1, runners[1].sum, runners[0].sum) < 1e-10) {
        bench_race race = {model->title, "us a sample", 1e-3, 2, entries};
        bench_run(&race, options);
        bench_print(&race, options);
        bench_free(&race);
    } else {
        printf("%s: not timed, results differ\n", model->title);
    }
    for (int i = 0; i < 2; i++) {
        ag_workspace_free(runners[i].workspace);
        ag_program_free(runners[i].program);
        free(runners[i].sum);
    }
    free(shared);
    free(each);
}

int main(int argc, char **argv)
{
    const bench_options options = bench_parse(argc, argv);
    bench_print_head();
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
        race(&models[i], &options);
    return 0;
}
