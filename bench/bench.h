/* SPDX-License-Identifier: MIT
 *
 * What the benchmarks share: a clock, quartiles, random numbers, and races. In a race all entries
 * run in every round, in an order that is random anew each time, so that whatever slows the machine
 * down for a while falls on all of them; ratios are taken within rounds. Nothing here knows what is
 * measured.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nanoseconds from some moment on: that the calling thread had a processor, so that others who want
 * it too are left out; and of the clock on the wall, for work of several threads. */
double bench_now(void);
double bench_wall(void);

typedef struct bench_quartiles {
    double low, median, high;
} bench_quartiles;

/* Sorts the samples; n >= 1. */
bench_quartiles bench_summarise(size_t n, double *samples);

/* SplitMix64; uniform in [-1, 1). */
double bench_random(uint64_t *state);

/* Zeroed and aligned to cache lines; a benchmark without memory says so and ends. free() frees. */
void *bench_allocate(size_t count, size_t size);

/* max |a - b| / max |b|; infinite where either is not finite. */
double bench_difference(size_t n, const double *a, const double *b);

typedef struct bench_options {
    int rounds;
    double slice;     /* ns: what one timing takes at least */
    const char *only; /* races whose title contains this; NULL: all */
    bool quick;
} bench_options;

/* --quick, --rounds=N, --only=TEXT; says what is wrong and ends the program otherwise. */
bench_options bench_parse(int argc, char **argv);
bool bench_wanted(const bench_options *options, const char *title);

typedef struct bench_entry {
    char name[48];
    void *self;
    void (*prepare)(void *self);               /* before each timing, not timed; may be NULL */
    double (*run)(void *self, size_t repeats); /* ns that so many repeats took */
    bool threaded; /* its threads may go on spinning for some milliseconds when it is done */
    double slices; /* how long to run it, in usual slices: more for what is slow to warm up; 0: 1 */
    double units;  /* of work in one repeat */
    int ours, theirs; /* on this line, the ratio of these; none if equal */

    size_t repeats;
    double *times; /* ns a unit, a round each */
} bench_entry;

typedef struct bench_race {
    const char *title;
    const char *unit; /* what `scale` makes of ns: "us a sample" */
    double scale;     /* 1e-3 for us */
    size_t count;
    bench_entry *entries;
} bench_race;

void bench_run(bench_race *race, const bench_options *options);
/* The columns' heads, and a line for each entry. */
void bench_print_head(void);
void bench_print(const bench_race *race, const bench_options *options);
void bench_free(bench_race *race);

#endif
