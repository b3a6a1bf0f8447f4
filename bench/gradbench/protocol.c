/* SPDX-License-Identifier: MIT
 *
 * GradBench's protocol (its CONTRIBUTING.md, "Protocol"): an eval writes messages, one JSON object
 * a line, and each is answered by one line. "define" asks whether a module is there, "evaluate" for
 * a function of it; other kinds only want to be acknowledged.
 */
#define _POSIX_C_SOURCE 200809L /* getline */
#include "gradbench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gb_workload *find_workload(const gb_workload *const *workloads, const char *name,
                                        gb_error *error)
{
    for (; *workloads != NULL; workloads++)
        if (strcmp((*workloads)->name, name) == 0)
            return *workloads;
    (void)gb_fail(error, "there is no module \"%.40s\"", name);
    return NULL;
}

static const char *read_string(const json_t *message, const char *field, gb_error *error)
{
    const char *found = json_string_value(json_object_get(message, field));
    if (found == NULL)
        (void)gb_fail(error, "%s is missing, or no string", field);
    return found;
}

static const gb_workload *read_module(const gb_workload *const *workloads, const json_t *message,
                                      const gb_options *options, gb_error *error)
{
    const char *name = read_string(message, "module", error);
    const gb_workload *workload = name == NULL ? NULL : find_workload(workloads, name, error);
    return workload != NULL && gb_find_way(workload, options->way, error) != NULL ? workload : NULL;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void add(json_t *answer, const char *field, json_t *value)
{
    (void)json_object_set_new(answer, field, value);
}

/* Integers of messages have been read as numbers. */
static json_t *copy_id(const json_t *message)
{
    json_t *id = json_object_get(message, "id");
    const double number = json_number_value(id);
    return json_is_number(id) && fabs(number) < 0x1p53 && number == floor(number)
               ? json_integer((json_int_t)number)
               : json_incref(id);
}

static void add_success(json_t *answer, bool success, const gb_error *error)
{
    add(answer, "success", json_boolean(success));
    if (!success)
        add(answer, "error", json_string(error->message));
}

static json_t *make_timing(const char *name, double nanoseconds)
{
    return json_pack("{s:s, s:I}", "name", name, "nanoseconds", (json_int_t)nanoseconds);
}

static void answer_start(const gb_options *options, json_t *answer)
{
    add(answer, "success", json_true());
    add(answer, "tool", json_string("wengert"));
    add(answer, "config",
        json_pack("{s:s, s:s, s:I, s:b}", "version", ag_version(), "way",
                  options->way == NULL ? "default" : options->way, "threads",
                  (json_int_t)options->threads, "native", (int)options->native));
}

static void answer_evaluate(const gb_workload *const *workloads, const json_t *message,
                            const gb_options *options, json_t *answer)
{
    gb_error error;
    gb_result result;
    const gb_workload *workload = read_module(workloads, message, options, &error);
    const char *function = workload == NULL ? NULL : read_string(message, "function", &error);
    const json_t *input = json_object_get(message, "input");
    bool success = function != NULL;
    if (success && input == NULL)
        success = gb_fail(&error, "input is missing");
    success = success && gb_evaluate(workload, function, input, options, &result, &error);
    add_success(answer, success, &error);
    if (!success)
        return;
    json_t *timings = json_array();
    (void)json_array_append_new(timings, make_timing("prepare", result.prepare));
    for (size_t i = 0; i < result.runs; i++)
        (void)json_array_append_new(timings, make_timing("evaluate", result.evaluate[i]));
    add(answer, "output", json_incref(result.output));
    add(answer, "timings", timings);
    gb_free_result(&result);
}

static json_t *answer_message(const gb_workload *const *workloads, const json_t *message,
                              const gb_options *options)
{
    const char *kind = json_string_value(json_object_get(message, "kind"));
    gb_error error;
    json_t *answer = json_object();
    add(answer, "id", copy_id(message));
    if (kind != NULL && strcmp(kind, "start") == 0)
        answer_start(options, answer);
    else if (kind != NULL && strcmp(kind, "define") == 0)
        add_success(answer, read_module(workloads, message, options, &error) != NULL, &error);
    else if (kind != NULL && strcmp(kind, "evaluate") == 0)
        answer_evaluate(workloads, message, options, answer);
    else
        add(answer, "success", json_true());
    return answer;
}

/* ---- The driver ------------------------------------------------------------------------------ */

static bool converse(const gb_workload *const *workloads, const gb_options *options,
                     gb_error *error)
{
    char *line = NULL;
    size_t size = 0;
    bool good = true;
    for (ssize_t length; good && (length = getline(&line, &size, stdin)) >= 0;) {
        json_error_t found;
        json_t *message = json_loadb(line, (size_t)length, GB_JSON_READING, &found);
        if (!json_is_object(message)) {
            good = gb_fail(error, "a message is no object: %s",
                           message == NULL ? found.text : "it is another value");
        } else {
            json_t *answer = answer_message(workloads, message, options);
            good = json_dumpf(answer, stdout, GB_JSON_FLAGS) == 0 && putchar('\n') != EOF &&
                   fflush(stdout) == 0;
            json_decref(answer);
            if (!good)
                (void)gb_fail(error, "writing failed");
        }
        json_decref(message);
    }
    free(line);
    return good;
}

/* {"llsq": {"functions": ["primal", "gradient"], "ways": ["program", "tape"]}, ...} */
static void print_list(const gb_workload *const *workloads)
{
    json_t *list = json_object();
    for (; *workloads != NULL; workloads++) {
        const gb_workload *workload = *workloads;
        json_t *functions = json_array(), *ways = json_array();
        for (int i = 0; workload->functions[i] != NULL; i++)
            (void)json_array_append_new(functions, json_string(workload->functions[i]));
        for (int i = 0; workload->ways[i] != NULL; i++)
            (void)json_array_append_new(ways, json_string(workload->ways[i]->name));
        add(list, workload->name, json_pack("{s:o, s:o}", "functions", functions, "ways", ways));
    }
    (void)json_dumpf(list, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(list);
}

int gb_run_driver(const gb_workload *const *workloads, int count, char **arguments)
{
    gb_error error;
    gb_options options;
    bool good = gb_parse_options(&count, arguments, &options, &error);
    if (good && count == 2 && strcmp(arguments[1], "--list") == 0)
        print_list(workloads);
    else if (good && count > 1)
        good = gb_fail(&error, "usage: gradbench [--way=NAME] [--threads=N] [--native] [--list]");
    else if (good)
        good = converse(workloads, &options, &error);
    if (!good)
        fprintf(stderr, "gradbench: %s\n", error.message);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
