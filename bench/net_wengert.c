/* SPDX-License-Identifier: MIT
 *
 * The nets with this library: one sample's loss and its gradient compiled and run on mini-batches,
 * the update included; and the eager tape, which records every sample anew.
 */
#include "nets.h"
#include "record.h"

#include <wengert/program.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BENCH_FLOAT
typedef ag_arrays_float arrays;
#define RUN ag_run_float
#else
typedef ag_arrays arrays;
#define RUN ag_run
#endif

static ag_value record(const bench_net *net, const ag_value *parameters, const ag_value *row)
{
    return bench_record_net(net->layers, net->sizes, net->softmax, parameters, row);
}

static void *refuse(const char *what, const char *message)
{
    fprintf(stderr, "bench: %s: %s\n", what, message);
    return NULL;
}

/* ---- Compiled -------------------------------------------------------------------------------- */

typedef struct compiled {
    const bench_job *job;
    ag_program *program;
    ag_workspace *workspace;
    number *parameters, *each, *losses;
    size_t width; /* of a row of each: inputs, then targets */
} compiled;

static ag_program *compile(const bench_job *job, size_t width)
{
    ag_graph *graph = ag_graph_new(NULL);
    const size_t n = job->parameter_count;
    ag_value *w = bench_make_variables(graph, n), *x = bench_make_variables(graph, width);
    ag_value *dw = bench_allocate(n, sizeof(*dw));
    const ag_value loss = record(&job->net, w, x);
    (void)ag_gradient(loss, n, w, dw);
    const ag_signature signature = {
        .shared = w,
        .shared_count = n,
        .each = x,
        .each_count = width,
        .sum = dw,
        .sum_count = n,
        .map = &loss,
        .map_count = 1,
    };
    ag_program *program = ag_compile(&signature, NULL);
    if (program == NULL)
        refuse("compile", ag_error_message(graph));
    free(w);
    free(x);
    free(dw);
    ag_graph_free(graph);
    return program;
}

static void reset_compiled(void *self)
{
    compiled *c = self;
    memcpy(c->parameters, c->job->parameters, c->job->parameter_count * sizeof(number));
}

static void close_compiled(void *self)
{
    compiled *c = self;
    ag_workspace_free(c->workspace);
    ag_program_free(c->program);
    free(c->parameters);
    free(c->each);
    free(c->losses);
    free(c);
}

static void *open_compiled(const bench_job *job)
{
    const size_t in = (size_t)job->net.sizes[0], out = (size_t)job->net.sizes[job->net.layers];
    const size_t rows = job->batch * job->batches;
    compiled *c = bench_allocate(1, sizeof(*c));
    ag_error_details error = {.message = ""};
    c->job = job;
    c->width = in + out;
    c->parameters = bench_allocate(job->parameter_count, sizeof(number));
    c->each = bench_allocate(rows * c->width, sizeof(number));
    c->losses = bench_allocate(job->batch, sizeof(number));
    for (size_t i = 0; i < rows; i++) {
        memcpy(c->each + i * c->width, job->inputs + i * in, in * sizeof(number));
        memcpy(c->each + i * c->width + in, job->targets + i * out, out * sizeof(number));
    }
    reset_compiled(c);
    c->program = compile(job, c->width);
    c->workspace =
        ag_workspace_new(c->program, &(ag_workspace_options){.threads = job->threads}, &error);
    if (c->workspace == NULL) {
        close_compiled(c);
        return refuse("workspace", error.message);
    }
    return c;
}

static double train_compiled_steps(void *self, size_t first, size_t steps)
{
    compiled *c = self;
    const bench_job *job = c->job;
    for (size_t k = first; k < first + steps; k++) {
        const arrays a = {
            .shared = c->parameters,
            .each = c->each + k % job->batches * job->batch * c->width,
            .sum = c->parameters,
            .map = c->losses,
            .scale = -job->rate / (number)job->batch,
        };
        if (RUN(c->program, c->workspace, job->batch, &a) != AG_OK)
            refuse("run", ag_workspace_message(c->workspace));
    }
    double loss = 0;
    for (size_t s = 0; s < job->batch; s++)
        loss += (double)c->losses[s];
    return loss;
}

static void read_compiled(void *self, number *parameters)
{
    compiled *c = self;
    memcpy(parameters, c->parameters, c->job->parameter_count * sizeof(number));
}

static const char *describe_compiled(void)
{
    return ag_vector_math();
}

const bench_trainer train_compiled = {
    .name = "wengert, compiled",
    .describe = describe_compiled,
    .threaded = true,
    .open = open_compiled,
    .reset = reset_compiled,
    .train = train_compiled_steps,
    .read = read_compiled,
    .close = close_compiled,
};

/* ---- Eager ----------------------------------------------------------------------------------- */

typedef struct eager {
    const bench_job *job;
    ag_graph *graph;
    ag_value *parameters, *row;
    ag_mark mark;
} eager;

static void reset_eager(void *self)
{
    eager *e = self;
    for (size_t i = 0; i < e->job->parameter_count; i++)
        (void)ag_set(e->parameters[i], (ag_real)e->job->parameters[i]);
}

static void *open_eager(const bench_job *job)
{
    eager *e = bench_allocate(1, sizeof(*e));
    e->job = job;
    e->graph = ag_graph_new(NULL);
    e->parameters = bench_make_variables(e->graph, job->parameter_count);
    e->mark = ag_graph_mark(e->graph);
    e->row = bench_allocate((size_t)(job->net.sizes[0] + job->net.sizes[job->net.layers]),
                            sizeof(*e->row));
    reset_eager(e);
    return e;
}

static void record_row(eager *e, size_t n, const number *from, ag_value *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = ag_constant(e->graph, (ag_real)from[i]);
}

static double train_sample(eager *e, const number *x, const number *t)
{
    const bench_net *net = &e->job->net;
    const size_t in = (size_t)net->sizes[0];
    record_row(e, in, x, e->row);
    record_row(e, (size_t)net->sizes[net->layers], t, e->row + in);
    const ag_value loss = record(net, e->parameters, e->row);
    if (ag_backward(loss) != AG_OK)
        refuse("backward", ag_error_message(e->graph));
    const double value = (double)ag_data(loss);
    (void)ag_graph_rewind(e->graph, e->mark);
    return value;
}

static double train_eager_steps(void *self, size_t first, size_t steps)
{
    eager *e = self;
    const bench_job *job = e->job;
    const size_t in = (size_t)job->net.sizes[0], out = (size_t)job->net.sizes[job->net.layers];
    const ag_real rate = (ag_real)job->rate / (ag_real)job->batch;
    double loss = 0;
    for (size_t k = first; k < first + steps; k++) {
        const size_t row = k % job->batches * job->batch;
        loss = 0;
        for (size_t s = row; s < row + job->batch; s++)
            loss += train_sample(e, job->inputs + s * in, job->targets + s * out);
        for (size_t i = 0; i < job->parameter_count; i++) {
            const ag_value w = e->parameters[i];
            (void)ag_set(w, ag_data(w) - rate * ag_grad(w));
        }
        ag_zero_grad(e->graph);
    }
    return loss;
}

static void read_eager(void *self, number *parameters)
{
    eager *e = self;
    for (size_t i = 0; i < e->job->parameter_count; i++)
        parameters[i] = (number)ag_data(e->parameters[i]);
}

static void close_eager(void *self)
{
    eager *e = self;
    ag_graph_free(e->graph);
    free(e->parameters);
    free(e->row);
    free(e);
}

static const char *describe_eager(void)
{
    return ag_version();
}

const bench_trainer train_eager = {
    .describe = describe_eager,
    .name = sizeof(ag_real) == sizeof(number)   ? "wengert, eager"
            : sizeof(ag_real) == sizeof(double) ? "wengert, eager (in double)"
                                                : "wengert, eager (in float)",
    .tolerance = sizeof(ag_real) < sizeof(number) ? 1e-4 : 0,
    .open = open_eager,
    .reset = reset_eager,
    .train = train_eager_steps,
    .read = read_eager,
    .close = close_eager,
};
