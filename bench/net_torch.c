/* SPDX-License-Identifier: MIT
 *
 * The nets with PyTorch, in a Python process (torch_nets.py) that is talked to through two pipes and
 * takes its own time: lines of text, and rows of numbers as they stand in memory. A peer.
 */
#define _POSIX_C_SOURCE 200809L
#include "nets.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct torch {
    const bench_job *job;
    unsigned id;
    double time;
} torch;

/* One process for all jobs of this program; it ends when its input does. */
static struct {
    FILE *to, *from;
    char version[160]; /* its first line */
    unsigned jobs;
} python;

static void become_python(const int *input, const int *output)
{
    const char *command = getenv("BENCH_PYTHON");
    if (command == NULL)
        command = "python3";
    if (dup2(input[0], STDIN_FILENO) >= 0 && dup2(output[1], STDOUT_FILENO) >= 0) {
        close(input[0]);
        close(input[1]);
        close(output[0]);
        close(output[1]);
        /* threads that wait by spinning would take the processors from those of its BLAS */
        (void)setenv("OMP_WAIT_POLICY", "passive", 0);
        execlp(command, command, BENCH_TORCH_SCRIPT, BENCH_TYPE, (char *)NULL);
    }
    _exit(127);
}

/* Starts the process; NULL where there is no PyTorch. */
static const char *describe(void)
{
    int input[2], output[2];
    if (pipe(input) != 0 || pipe(output) != 0)
        return NULL;
    (void)signal(SIGPIPE, SIG_IGN);
    const pid_t child = fork();
    if (child == 0)
        become_python(input, output);
    close(input[0]);
    close(output[1]);
    python.to = fdopen(input[1], "wb");
    python.from = fdopen(output[0], "rb");
    if (child < 0 || python.to == NULL || python.from == NULL ||
        fgets(python.version, sizeof(python.version), python.from) == NULL)
        return NULL;
    python.version[strcspn(python.version, "\n")] = 0;
    return python.version;
}

static void stop(const char *what)
{
    fprintf(stderr, "bench: PyTorch's process ended at %s\n", what);
    exit(1);
}

static void send(const number *from, size_t count)
{
    if (fwrite(from, sizeof(number), count, python.to) != count)
        stop("sending");
}

static void receive(number *to, size_t count)
{
    if (fflush(python.to) != 0 || fread(to, sizeof(number), count, python.from) != count)
        stop("receiving");
}

static void *open_torch(const bench_job *job)
{
    torch *t = bench_allocate(1, sizeof(*t));
    t->job = job;
    t->id = python.jobs++;
    const bench_net *net = &job->net;
    const size_t rows = job->batch * job->batches;
    fprintf(python.to, "open %u %s %zu %zu %zu %.17g", t->id, net->softmax ? "softmax" : "square",
            job->batch, job->batches, job->threads, (double)job->rate);
    for (int i = 0; i <= net->layers; i++)
        fprintf(python.to, " %d", net->sizes[i]);
    fprintf(python.to, "\n");
    send(job->inputs, rows * (size_t)net->sizes[0]);
    send(job->targets, rows * (size_t)net->sizes[net->layers]);
    send(job->parameters, job->parameter_count);
    return t;
}

static void reset(void *self)
{
    torch *t = self;
    fprintf(python.to, "reset %u\n", t->id);
}

static double train(void *self, size_t first, size_t steps)
{
    torch *t = self;
    char line[80];
    fprintf(python.to, "train %u %zu %zu\n", t->id, first, steps);
    if (fflush(python.to) != 0 || fgets(line, sizeof(line), python.from) == NULL)
        stop("training");
    char *rest;
    t->time = strtod(line, &rest);
    return strtod(rest, NULL);
}

static double get_time(void *self)
{
    torch *t = self;
    return t->time;
}

static void read_parameters(void *self, number *parameters)
{
    torch *t = self;
    fprintf(python.to, "read %u\n", t->id);
    receive(parameters, t->job->parameter_count);
}

static void close_torch(void *self)
{
    torch *t = self;
    fprintf(python.to, "close %u\n", t->id);
    free(t);
}

const bench_trainer train_torch = {
    .name = "PyTorch",
    .describe = describe,
    .threaded = true,
    .slow_to_start = true,
    .open = open_torch,
    .reset = reset,
    .train = train,
    .time = get_time,
    .read = read_parameters,
    .close = close_torch,
};
