/* SPDX-License-Identifier: MIT
 *
 * The clock, the statistics and the races of the benchmarks, see bench.h.
 */
#define _POSIX_C_SOURCE 200112L
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double read_clock(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_now(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

double bench_wall(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int compare(const void *p, const void *q)
{
    const double a = *(const double *)p, b = *(const double *)q;
    return (a > b) - (a < b);
}

bench_quartiles bench_summarise(size_t n, double *samples)
{
    qsort(samples, n, sizeof(*samples), compare);
    return (bench_quartiles){samples[n / 4], samples[n / 2], samples[n * 3 / 4]};
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double bench_random(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-52 - 1;
}

void *bench_allocate(size_t count, size_t size)
{
    enum {
        LINE = 64
    };
    void *block = NULL;
    if (count > SIZE_MAX / size || posix_memalign(&block, LINE, count * size + LINE) != 0) {
        fprintf(stderr, "bench: no memory for %zu numbers\n", count);
        exit(1);
    }
    memset(block, 0, count * size + LINE);
    return block;
}

double bench_difference(size_t n, const double *a, const double *b)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i]))
            return HUGE_VAL;
        worst = fmax(worst, fabs(a[i] - b[i]));
        largest = fmax(largest, fabs(b[i]));
    }
    return worst == 0 ? 0 : worst / largest;
}

/* ---- Options --------------------------------------------------------------------------------- */

bench_options bench_parse(int argc, char **argv)
{
    bench_options options = {.rounds = 0, .slice = 2e6};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            options.quick = true;
        } else if (strncmp(argv[i], "--rounds=", 9) == 0 && atoi(argv[i] + 9) > 0) {
            options.rounds = atoi(argv[i] + 9);
        } else if (strncmp(argv[i], "--only=", 7) == 0) {
            options.only = argv[i] + 7;
        } else {
            fprintf(stderr, "usage: %s [--quick] [--rounds=N] [--only=TEXT]\n", argv[0]);
            exit(2);
        }
    }
    if (options.quick)
        options.slice = 1e6;
    if (options.rounds == 0)
        options.rounds = options.quick ? 15 : 61;
    return options;
}

bool bench_wanted(const bench_options *options, const char *title)
{
    return options->only == NULL || strstr(title, options->only) != NULL;
}

/* ---- Races ----------------------------------------------------------------------------------- */

static double time_once(bench_entry *entry, size_t repeats)
{
    if (entry->prepare != NULL)
        entry->prepare(entry->self);
    return entry->run(entry->self, repeats);
}

/* As many repeats as fill a slice; the runs that find out warm up caches and threads. */
static void calibrate(bench_entry *entry, double slice)
{
    size_t repeats = 1;
    double time = time_once(entry, repeats);
    while (time < slice / 4 && repeats < SIZE_MAX / 4) {
        repeats *= time < slice / 16 ? 4 : 2;
        time = time_once(entry, repeats);
    }
    const double wanted = (double)repeats * slice / time;
    entry->repeats = wanted < 1 ? 1 : (size_t)wanted;
}

/* Until threads that wait for work have gone to sleep. */
static void rest(void)
{
    const struct timespec time = {.tv_nsec = 5000000};
    (void)nanosleep(&time, NULL);
}

static void shuffle(size_t n, size_t *order, uint64_t *state)
{
    for (size_t i = n; i-- > 1;) {
        const size_t j = (size_t)(next_random(state) % (i + 1)), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

void bench_run(bench_race *race, const bench_options *options)
{
    size_t *order = bench_allocate(race->count, sizeof(*order));
    uint64_t state = 1;
    bool others_spin = false;
    for (size_t i = 0; i < race->count; i++) {
        order[i] = i;
        race->entries[i].times = bench_allocate((size_t)options->rounds, sizeof(double));
        const double slices = race->entries[i].slices;
        calibrate(&race->entries[i], options->slice * (slices > 0 ? slices : 1));
    }
    for (int round = 0; round < options->rounds; round++) {
        shuffle(race->count, order, &state);
        for (size_t i = 0; i < race->count; i++) {
            bench_entry *entry = &race->entries[order[i]];
            if (others_spin)
                rest();
            others_spin = entry->threaded;
            /* The caches are the one's before; long runs get over it. */
            if (entry->repeats >= 8)
                (void)time_once(entry, entry->repeats / 8);
            entry->times[round] =
                time_once(entry, entry->repeats) / ((double)entry->repeats * entry->units);
        }
    }
    free(order);
}

void bench_print_head(void)
{
    printf("%-36s %10s %10s %10s %8s %17s\n", "", "quarter", "median", "quarter", "ours /",
           "its quarters");
}

void bench_print(const bench_race *race, const bench_options *options)
{
    const size_t rounds = (size_t)options->rounds;
    double *sorted = bench_allocate(rounds, sizeof(*sorted));
    printf("\n%s, %s\n", race->title, race->unit);
    for (size_t i = 0; i < race->count; i++) {
        const bench_entry *entry = &race->entries[i];
        memcpy(sorted, entry->times, rounds * sizeof(*sorted));
        const bench_quartiles time = bench_summarise(rounds, sorted);
        printf("  %-34s %10.4g %10.4g %10.4g", entry->name, time.low * race->scale,
               time.median * race->scale, time.high * race->scale);
        if (entry->ours != entry->theirs) {
            for (size_t k = 0; k < rounds; k++)
                sorted[k] =
                    race->entries[entry->ours].times[k] / race->entries[entry->theirs].times[k];
            const bench_quartiles ratio = bench_summarise(rounds, sorted);
            printf(" %8.3g %8.3g %8.3g", ratio.median, ratio.low, ratio.high);
        }
        printf("\n");
    }
    fflush(stdout);
    free(sorted);
}

void bench_free(bench_race *race)
{
    for (size_t i = 0; i < race->count; i++)
        free(race->entries[i].times);
}
