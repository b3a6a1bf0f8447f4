/* SPDX-License-Identifier: MIT
 *
 * Evaluating one function at one input, with its times, and the tool that does so for a file: see
 * gradbench.h.
 */
#include "gradbench.h"

#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names ----------------------------------------------------------------------------------- */

/* "primal, gradient": what there is instead. */
static const char *list_names(const char *const *names, char *list, size_t size)
{
    size_t length = 0;
    list[0] = '\0';
    for (; *names != NULL && length < size; names++)
        length +=
            (size_t)snprintf(list + length, size - length, "%s%s", length == 0 ? "" : ", ", *names);
    return list;
}

int gb_find_function(const gb_workload *workload, const char *name, gb_error *error)
{
    char list[100];
    for (int i = 0; workload->functions[i] != NULL; i++)
        if (strcmp(workload->functions[i], name) == 0)
            return i;
    (void)gb_fail(error, "%s has no function \"%.40s\", but %s", workload->name, name,
                  list_names(workload->functions, list, sizeof(list)));
    return -1;
}

const gb_way *gb_find_way(const gb_workload *workload, const char *name, gb_error *error)
{
    const char *names[GB_WAYS + 1] = {NULL};
    char list[100];
    for (int i = 0; workload->ways[i] != NULL; i++) {
        names[i] = workload->ways[i]->name;
        if (name == NULL || strcmp(names[i], name) == 0)
            return workload->ways[i];
    }
    (void)gb_fail(error, "%s has no way \"%.40s\", but %s", workload->name, name,
                  list_names(names, list, sizeof(list)));
    return NULL;
}

bool gb_parse_options(int *count, char **arguments, gb_options *options, gb_error *error)
{
    int kept = 1;
    *options = (gb_options){.threads = 1};
    for (int i = 1; i < *count; i++) {
        const char *argument = arguments[i];
        if (strncmp(argument, "--way=", 6) == 0) {
            options->way = argument + 6;
        } else if (strncmp(argument, "--threads=", 10) == 0) {
            char *end;
            const long threads = strtol(argument + 10, &end, 10);
            if (end == argument + 10 || *end != '\0' || threads < 0 || threads > 1000)
                return gb_fail(error, "%.40s is not a number from 0 to 1000", argument);
            options->threads = (size_t)threads;
        } else if (strncmp(argument, "--prepare=", 10) == 0) {
            options->prepare = argument + 10;
        } else if (strcmp(argument, "--native") == 0) {
            options->native = true;
        } else if (strncmp(argument, "--", 2) == 0 && strcmp(argument, "--list") != 0) {
            return gb_fail(error, "there is no option %.40s", argument);
        } else {
            arguments[kept++] = arguments[i];
        }
    }
    *count = kept;
    return true;
}

static json_t *load_file(const char *path, gb_error *error)
{
    json_error_t found;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)gb_fail(error, "%.100s: %s", path, strerror(errno));
        return NULL;
    }
    json_t *json = json_loadf(file, GB_JSON_READING, &found);
    (void)fclose(file);
    if (json == NULL)
        (void)gb_fail(error, "%.60s, line %d: %s", path, found.line, found.text);
    return json;
}

/* ---- Evaluating ------------------------------------------------------------------------------ */

/* How often and how long, at least: once where the input doesn't say, or has no fields. */
static bool read_runs(const json_t *input, size_t *runs, double *seconds, gb_error *error)
{
    *runs = 1;
    *seconds = 0;
    if (json_object_get(input, "min_runs") != NULL &&
        !gb_read_count(input, "min_runs", 1, runs, error))
        return false;
    if (json_object_get(input, "min_seconds") == NULL)
        return true;
    if (!gb_read_number(input, "min_seconds", seconds, error))
        return false;
    return *seconds >= 0 || gb_fail(error, "min_seconds is negative");
}

static double *grow(double *times, size_t count, size_t room)
{
    double *grown = bench_allocate(room, sizeof(*grown));
    if (count > 0)
        memcpy(grown, times, count * sizeof(*grown));
    free(times);
    return grown;
}

static bool run(const gb_way *way, const gb_task *given, void *state, const json_t *input,
                double *output, gb_result *result, gb_error *error)
{
    gb_task task = *given;
    size_t least, room = 0;
    double seconds, total = 0;
    task.nodes = &result->nodes;
    if (!read_runs(input, &least, &seconds, error))
        return false;
    while (result->runs < least || total < seconds * 1e9) {
        if (result->runs == room) {
            const size_t more = room == 0 ? 16 : 2 * room;
            result->evaluate = grow(result->evaluate, room, more);
            result->processor = grow(result->processor, room, more);
            room = more;
        }
        result->nodes = 0;
        const double start_processor = bench_now(), start = bench_wall();
        if (!way->evaluate(state, &task, output, error))
            return false;
        const double taken = bench_wall() - start;
        result->processor[result->runs] = bench_now() - start_processor;
        result->evaluate[result->runs++] = taken;
        total += taken;
    }
    return true;
}

/* JSON has no infinity and no NaN. */
static bool check_output(size_t count, const double *output, gb_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(output[i]))
            return gb_fail(error, "number %zu of the output is not finite", i);
    return true;
}

static bool compute(const gb_way *way, const gb_task *prepared, const gb_task *task,
                    const json_t *input, gb_result *result, gb_error *error)
{
    const size_t count = task->workload->count_outputs(task->input, task->function);
    double *output = bench_allocate(count, sizeof(*output));
    const double start = bench_wall();
    void *state = way->prepare == NULL ? NULL : way->prepare(prepared, error);
    result->prepare = bench_wall() - start;
    const bool good = (state != NULL || way->prepare == NULL) &&
                      run(way, task, state, input, output, result, error) &&
                      check_output(count, output, error);
    if (good)
        result->output = task->workload->write(task->input, task->function, output);
    if (state != NULL)
        way->free(state);
    free(output);
    return good && (result->output != NULL || gb_fail(error, "no memory for the output"));
}

static void free_input(const gb_workload *workload, void *input)
{
    if (input != NULL && workload->clear != NULL)
        workload->clear(input);
    free(input);
}

/* {"make": [128, 16392]}: sizes instead of numbers. Those that are left out are 1. */
static bool make_input(const gb_workload *workload, const json_t *sizes, void *input,
                       gb_error *error)
{
    enum {
        MOST = 4
    };
    size_t numbers[MOST] = {1, 1, 1, 1};
    uint64_t random = 1;
    if (workload->make == NULL)
        return gb_fail(error, "%s makes no inputs", workload->name);
    if (!json_is_array(sizes) || json_array_size(sizes) > MOST)
        return gb_fail(error, "make is not a list of %d sizes at most", MOST);
    for (size_t i = 0; i < json_array_size(sizes); i++) {
        const double size = json_number_value(json_array_get(sizes, i));
        if (!(size >= 1 && size <= 1e9 && size == floor(size)))
            return gb_fail(error, "make[%zu] is not a whole number from 1 to 1000000000", i);
        numbers[i] = (size_t)size;
    }
    workload->make(input, numbers, &random);
    return true;
}

static void *read_input(const gb_workload *workload, const json_t *json, gb_error *error)
{
    void *input = bench_allocate(1, workload->input_size);
    const json_t *sizes = json_object_get(json, "make");
    if (sizes != NULL ? make_input(workload, sizes, input, error)
                      : workload->read(json, input, error))
        return input;
    free_input(workload, input);
    return NULL;
}

/* The input to prepare for: its sizes have to be the other's, as far as outputs tell. */
static void *read_other(const gb_workload *workload, const char *path, const void *input,
                        gb_error *error)
{
    json_t *json = load_file(path, error);
    void *other = json == NULL ? NULL : read_input(workload, json, error);
    json_decref(json);
    for (int i = 0; other != NULL && workload->functions[i] != NULL; i++) {
        if (workload->count_outputs(other, i) != workload->count_outputs(input, i)) {
            (void)gb_fail(error, "%.60s: the sizes are not the input's", path);
            free_input(workload, other);
            other = NULL;
        }
    }
    return other;
}

bool gb_evaluate(const gb_workload *workload, const char *function, const json_t *json,
                 const gb_options *options, gb_result *result, gb_error *error)
{
    const gb_way *way = gb_find_way(workload, options->way, error);
    gb_task task = {
        .workload = workload,
        .function = way == NULL ? -1 : gb_find_function(workload, function, error),
        .threads = options->threads,
        .native = options->native,
    };
    *result = (gb_result){.output = NULL};
    if (task.function < 0)
        return false;
    void *input = read_input(workload, json, error), *other = NULL;
    if (input != NULL && options->prepare != NULL)
        other = read_other(workload, options->prepare, input, error);
    bool good = input != NULL && (other != NULL || options->prepare == NULL);
    if (good) {
        gb_task prepared = task;
        task.input = input;
        prepared.input = other == NULL ? input : other;
        good = compute(way, &prepared, &task, json, result, error);
    }
    free_input(workload, input);
    free_input(workload, other);
    if (!good)
        gb_free_result(result);
    return good;
}

void gb_free_result(gb_result *result)
{
    json_decref(result->output);
    free(result->evaluate);
    free(result->processor);
    *result = (gb_result){.output = NULL};
}

/* ---- The tool of one workload ---------------------------------------------------------------- */

/* The most memory the process has had at a time, in KiB; 0: the system doesn't say. What getrusage
 * says would begin with the memory of the process that started this one. */
static long find_peak(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];
    long peak = 0;
    while (file != NULL && peak == 0 && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            peak = strtol(line + 6, NULL, 10);
    if (file != NULL)
        (void)fclose(file);
    return peak;
}

static bool print(const gb_result *result)
{
    const long peak = find_peak();
    (void)json_dumpf(result->output, stdout, GB_JSON_FLAGS);
    printf("\n{\"name\": \"prepare\", \"nanoseconds\": %.0f}\n", result->prepare);
    for (size_t i = 0; i < result->runs; i++)
        printf("{\"name\": \"evaluate\", \"nanoseconds\": %.0f}\n", result->evaluate[i]);
    for (size_t i = 0; i < result->runs; i++)
        printf("{\"name\": \"processor\", \"nanoseconds\": %.0f}\n", result->processor[i]);
    if (result->nodes > 0)
        printf("{\"name\": \"nodes\", \"count\": %zu}\n", result->nodes);
    if (peak > 0)
        printf("{\"name\": \"memory\", \"kibibytes\": %ld}\n", peak);
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

int gb_run_tool(const gb_workload *workload, int count, char **arguments)
{
    gb_error error;
    gb_options options;
    gb_result result;
    json_t *input = NULL;
    bool good = gb_parse_options(&count, arguments, &options, &error);
    if (good && count != 3)
        good = gb_fail(&error,
                       "usage: %s [--way=NAME] [--threads=N] [--native] [--prepare=OTHER.json] "
                       "INPUT.json FUNCTION",
                       workload->name);
    if (good)
        good = (input = load_file(arguments[1], &error)) != NULL;
    if (good)
        good = gb_evaluate(workload, arguments[2], input, &options, &result, &error);
    json_decref(input);
    if (good) {
        good = print(&result) || gb_fail(&error, "writing failed");
        gb_free_result(&result);
    }
    if (!good)
        fprintf(stderr, "%s: %s\n", workload->name, error.message);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
