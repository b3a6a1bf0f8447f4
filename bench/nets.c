/* SPDX-License-Identifier: MIT
 *
 * Training steps of three tanh nets (forward, backward and update), time per sample: this library,
 * compiled and eager, beside its peers. Before anything is timed every one of them takes a step from
 * the same parameters, and those that don't agree with a naive version in double are not timed.
 */
#define _POSIX_C_SOURCE 200809L
#include "nets.h"

#include <wengert/program.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static const bench_net nets[] = {
    {"2-16-16-1", 3, {2, 16, 16, 1}, false},
    {"64-32-10", 2, {64, 32, 10}, true},
    {"784-128-10", 2, {784, 128, 10}, true},
};

static const bench_trainer *const trainers[] = {
    &train_compiled, &train_eager, &train_by_hand,
#ifdef BENCH_OPENBLAS
    &train_openblas,
#endif
#ifdef BENCH_FANN
    &train_fann,
#endif
    &train_torch,
};

enum {
    TRAINERS = sizeof(trainers) / sizeof(trainers[0]),
    LARGEST_ALONE = 100, /* samples: above it, only those that can use all threads */
};

static bool here[TRAINERS];

/* ---- Jobs ------------------------------------------------------------------------------------ */

static void fill_job(bench_job *job, number *inputs, number *targets, number *parameters)
{
    uint64_t state = 42;
    const bench_net *net = &job->net;
    const size_t rows = job->batch * job->batches;
    const size_t in = (size_t)net->sizes[0], out = (size_t)net->sizes[net->layers];
    for (size_t i = 0; i < rows * in; i++)
        inputs[i] = (number)bench_random(&state);
    for (size_t i = 0; i < rows * out; i++)
        targets[i] = net->softmax ? 0 : (number)bench_random(&state);
    for (size_t i = 0; i < rows && net->softmax; i++)
        targets[i * out + (size_t)((bench_random(&state) + 1) / 2 * (double)out)] = 1;
    for (int layer = 0; layer < net->layers; layer++) {
        const int fan_in = net->sizes[layer], fan_out = net->sizes[layer + 1];
        const double limit = sqrt(6.0 / (fan_in + fan_out)) / 2;
        for (int i = 0; i < (fan_in + 1) * fan_out; i++)
            *parameters++ = (number)(limit * bench_random(&state));
    }
}

static bench_job make_job(const bench_net *net, size_t batch)
{
    const size_t in = (size_t)net->sizes[0], out = (size_t)net->sizes[net->layers];
    bench_job job = {.net = *net, .batch = batch, .rate = (number)0.01};
    job.batches = batch >= 256 ? 2 : 512 / batch;
    for (int layer = 0; layer < net->layers; layer++)
        job.parameter_count += (size_t)((net->sizes[layer] + 1) * net->sizes[layer + 1]);
    number *inputs = bench_allocate(batch * job.batches * in, sizeof(number));
    number *targets = bench_allocate(batch * job.batches * out, sizeof(number));
    number *parameters = bench_allocate(job.parameter_count, sizeof(number));
    fill_job(&job, inputs, targets, parameters);
    job.inputs = inputs;
    job.targets = targets;
    job.parameters = parameters;
    return job;
}

static void free_job(bench_job *job)
{
    free((void *)(uintptr_t)job->inputs);
    free((void *)(uintptr_t)job->targets);
    free((void *)(uintptr_t)job->parameters);
}

/* ---- Agreement ------------------------------------------------------------------------------- */

enum {
    WIDEST = 784
};

/* Adds the gradient of one sample to *gradient, in double and naively; returns the loss. */
static double add_gradient(const bench_job *job, const number *x, const number *t, bool softmax,
                           double *gradient)
{
    static double y[MAX_LAYERS + 1][WIDEST], d[MAX_LAYERS + 1][WIDEST];
    const bench_net *net = &job->net;
    const number *w = job->parameters;
    for (int i = 0; i < net->sizes[0]; i++)
        y[0][i] = (double)x[i];
    for (int layer = 0; layer < net->layers; layer++) {
        const int in = net->sizes[layer], out = net->sizes[layer + 1];
        for (int j = 0; j < out; j++) {
            double sum = (double)w[in * out + j];
            for (int i = 0; i < in; i++)
                sum += (double)w[j * in + i] * y[layer][i];
            y[layer + 1][j] = layer < net->layers - 1 ? tanh(sum) : sum;
        }
        w += (in + 1) * out;
    }
    const int outputs = net->sizes[net->layers];
    const double *z = y[net->layers];
    double total = 0, loss = 0;
    for (int j = 0; j < outputs; j++)
        total += exp(z[j]);
    for (int j = 0; j < outputs; j++) {
        const double target = (double)t[j], error = z[j] - target;
        d[net->layers][j] = softmax ? exp(z[j]) / total - target : error;
        loss += softmax ? target * (log(total) - z[j]) : error * error / 2;
    }
    gradient += job->parameter_count;
    for (int layer = net->layers; layer-- > 0;) {
        const int in = net->sizes[layer], out = net->sizes[layer + 1];
        w -= (in + 1) * out;
        gradient -= (in + 1) * out;
        memset(d[layer], 0, sizeof(d[layer]));
        for (int j = 0; j < out; j++) {
            for (int i = 0; i < in; i++) {
                gradient[j * in + i] += d[layer + 1][j] * y[layer][i];
                d[layer][i] += d[layer + 1][j] * (double)w[j * in + i];
            }
            gradient[in * out + j] += d[layer + 1][j];
        }
        for (int i = 0; i < in; i++)
            d[layer][i] *= 1 - y[layer][i] * y[layer][i];
    }
    return loss;
}

/* The step that the first mini-batch makes, and its loss behind it. */
static void find_step(const bench_job *job, bool softmax, double *step)
{
    const size_t in = (size_t)job->net.sizes[0], out = (size_t)job->net.sizes[job->net.layers];
    const size_t n = job->parameter_count;
    memset(step, 0, (n + 1) * sizeof(*step));
    double loss = 0;
    for (size_t s = 0; s < job->batch; s++)
        loss += add_gradient(job, job->inputs + s * in, job->targets + s * out, softmax, step);
    for (size_t i = 0; i < n; i++)
        step[i] *= -(double)job->rate / (double)job->batch;
    step[n] = loss;
}

/* How far a trainer's first step and loss are off, relative to the largest. A rate so large that the
 * step isn't lost in the rounding of the parameters. */
static double find_disagreement(const bench_trainer *trainer, bench_job job)
{
    const size_t n = job.parameter_count;
    job.rate = (number)job.batch;
    void *self = trainer->open(&job);
    if (self == NULL)
        return HUGE_VAL;
    double *right = bench_allocate(n + 1, sizeof(double));
    double *taken = bench_allocate(n + 1, sizeof(double));
    number *after = bench_allocate(n, sizeof(number));
    find_step(&job, job.net.softmax && !trainer->own_loss, right);
    trainer->reset(self);
    taken[n] = trainer->train(self, 0, 1);
    trainer->read(self, after);
    for (size_t i = 0; i < n; i++)
        taken[i] = (double)after[i] - (double)job.parameters[i];
    const double step = bench_difference(n, taken, right);
    const double loss = bench_difference(1, taken + n, right + n);
    free(after);
    free(taken);
    free(right);
    trainer->close(self);
    return fmax(step, trainer->own_loss && loss < 1e-6 ? 0 : loss); /* FANN's is a float */
}

/* ---- Races ----------------------------------------------------------------------------------- */

typedef struct runner {
    const bench_trainer *trainer;
    void *self;
    bench_job job;
    size_t next;
} runner;

static void prepare(void *self)
{
    runner *r = self;
    r->trainer->reset(r->self);
}

static double run(void *self, size_t repeats)
{
    runner *r = self;
    double (*const now)(void) = r->job.threads == 1 ? bench_now : bench_wall;
    const double start = now();
    (void)r->trainer->train(r->self, r->next, repeats);
    const double time = now() - start;
    r->next += repeats;
    return r->trainer->time != NULL ? r->trainer->time(r->self) : time;
}

/* A runner, unless the trainer is wrong. */
static bool start(runner *r, const bench_trainer *trainer, const bench_job *job, size_t threads)
{
    const double usual = sizeof(number) == sizeof(float) ? 1e-4 : 1e-10;
    const double tolerance = trainer->tolerance > 0 ? trainer->tolerance : usual;
    *r = (runner){.trainer = trainer, .job = *job};
    r->job.threads = threads;
    const double off = find_disagreement(trainer, r->job);
    if (!(off <= tolerance)) {
        printf("%s, %s, batch %zu: not timed, its step is off by %.2g\n", trainer->name,
               job->net.name, job->batch, off);
        return false;
    }
    r->self = trainer->open(&r->job);
    return r->self != NULL;
}

/* All that can take part, with one thread and with all of them. */
static size_t enter(const bench_job *job, size_t all_threads, runner *runners, bench_entry *entries)
{
    size_t count = 0;
    for (int all = 0; all <= (all_threads > 1); all++) {
        int ours = (int)count;
        for (size_t i = 0; i < TRAINERS; i++) {
            const bench_trainer *trainer = trainers[i];
            if (!here[i] || (!trainer->threaded && (all || job->batch > LARGEST_ALONE)) ||
                !start(&runners[count], trainer, job, all ? all_threads : 1))
                continue;
            entries[count] = (bench_entry){
                .self = &runners[count],
                .prepare = prepare,
                .run = run,
                .threaded = all,
                .slices = trainer->slow_to_start ? 8 : 1,
                .units = (double)job->batch,
                .ours = here[0] ? ours : (int)count,
                .theirs = (int)count,
            };
            (void)snprintf(entries[count].name, sizeof(entries[count].name), "%s%s%s",
                           trainer->name, trainer->own_loss && job->net.softmax ? ", own loss" : "",
                           all ? ", all threads" : "");
            count++;
        }
    }
    return count;
}

static void race(const bench_net *net, size_t batch, size_t all_threads,
                 const bench_options *options)
{
    char title[100];
    (void)snprintf(title, sizeof(title), "%s, batch %zu, " BENCH_TYPE, net->name, batch);
    if (!bench_wanted(options, title))
        return;
    bench_job job = make_job(net, batch);
    runner runners[2 * TRAINERS];
    bench_entry entries[2 * TRAINERS];
    const size_t count = enter(&job, all_threads, runners, entries);
    bench_race race = {title, "us a sample", 1e-3, count, entries};
    bench_run(&race, options);
    bench_print(&race, options);
    bench_free(&race);
    for (size_t i = 0; i < count; i++)
        runners[i].trainer->close(runners[i].self);
    free_job(&job);
}

static size_t count_threads(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_max_threads();
#else
    return 1;
#endif
}

static void find_trainers(void)
{
    for (size_t i = 0; i < TRAINERS; i++) {
        const char *description = trainers[i]->describe();
        here[i] = description != NULL;
        printf("%s: %s\n", trainers[i]->name, here[i] ? description : "skipped, it is not here");
    }
#ifndef BENCH_OPENBLAS
    printf("OpenBLAS: skipped, it was not there when this was built\n");
#endif
#ifndef BENCH_FANN
    printf("FANN: skipped, it was not there when this was built\n");
#endif
}

/* OpenBLAS's threads spin for a while when they are done, on processors that others are measured on;
 * how long is read before main. */
static void limit_spinning(char **argv)
{
    static const char name[] = "OPENBLAS_THREAD_TIMEOUT"; /* log2 of processor cycles */
    if (getenv(name) == NULL && setenv(name, "20", 1) == 0)
        (void)execv(argv[0], argv);
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    const bench_options options = bench_parse(argc, argv);
    static const size_t batches[] = {1, 32, 64, 100};
    const size_t threads = count_threads();
    find_trainers();
    printf("one thread: time that it had a processor; all %zu threads: time on the wall\n\n",
           threads);
    bench_print_head();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
        for (size_t k = 0; k < sizeof(batches) / sizeof(batches[0]); k++)
            race(&nets[i], batches[k], threads, &options);
    race(&nets[2], 1024, threads, &options);
    return 0;
}
