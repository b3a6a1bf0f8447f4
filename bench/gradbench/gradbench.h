/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads (github.com/gradbench/gradbench), each in one file, as a user of the
 * library would write it; and the tools made of them:
 *
 *     llsq [OPTIONS] INPUT.json FUNCTION   the output, times, nodes that a tape records, memory
 *     gradbench [OPTIONS]                  GradBench's protocol, on stdin and stdout
 *     gradbench --list                     workloads, their functions and ways
 *
 * Options: --way=NAME, the way of computing; --threads=N, 0 for all there are (1 by itself);
 * --native, programs are compiled to the processor's own code; --prepare=OTHER.json, prepares for
 * that input.
 *
 * How to add the workload NAME: write NAME.c, which defines `const gb_workload NAME_workload`; add
 * NAME to the list in meson.build; put cases into tests/gradbench/. A workload reads its input from
 * JSON into plain arrays, and writes its output from a plain array; in between stand its ways of
 * computing, which share nothing but those arrays. A workload that is a function of n numbers
 * (gb_function: lse.c), or a total over a batch of samples (gb_total: llsq.c), only records it, and
 * takes its ways from here. The others bring ways of their own.
 *
 * What is timed. `evaluate` begins with the input's numbers in plain arrays and ends with the
 * output in one. `prepare` is what can be done once for all inputs of these sizes: nothing that
 * evaluate computes may depend on numbers which prepare has seen. Reading, writing and allocating
 * the output are not timed.
 *
 * Numbers are double; a library of floats has no such tools. A tool without memory says so and
 * ends, as all benchmarks here do (bench_allocate).
 */
#ifndef GRADBENCH_H
#define GRADBENCH_H

#include <jansson.h>
#include <wengert/program.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gb_error {
    char message[240];
} gb_error;

/* Sets the message, as printf would; false, so that functions can return it. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
bool gb_fail(gb_error *error, const char *format, ...);

/* ---- Workloads ------------------------------------------------------------------------------- */

typedef struct gb_workload gb_workload;

/* One function of a workload at one input. */
typedef struct gb_task {
    const gb_workload *workload;
    int function;      /* its place in the workload's list */
    const void *input; /* the workload's own struct */
    size_t threads;    /* at most; 0: all there are */
    bool native;       /* compile programs to the processor's own code */
    size_t *nodes;     /* where a tape adds how many nodes it records: gb_count_nodes */
} gb_task;

typedef struct gb_way {
    const char *name;
    /* What is done once, or NULL if that is nothing. NULL: *error says why. */
    void *(*prepare)(const gb_task *task, gb_error *error);
    /* Computes all of the output. The task has the sizes that prepare saw. */
    bool (*evaluate)(void *state, const gb_task *task, double *output, gb_error *error);
    void (*free)(void *state); /* NULL with no prepare */
} gb_way;

/* A function of n numbers, recorded as a whole. Function 0 of the workload is its values, as many
 * as the output has numbers; function 1 is the gradient of the last of them with respect to the
 * first numbers, again as many as the output has. Every number that the input has is one of the n:
 * what is made a constant may depend on sizes alone. */
typedef struct gb_function {
    /* The numbers, and how many. */
    const double *(*point)(const void *input, size_t *n);
    /* Sets values to what it computes of x. */
    void (*record)(ag_graph *graph, const void *input, const ag_value *x, ag_value *values);
    /* The same for programs, where that is said in another way (ag_scan, or each part once);
     * NULL: record. */
    void (*record_program)(ag_graph *graph, const void *input, const ag_value *x, ag_value *values);
} gb_function;

typedef struct gb_batch {
    size_t count;         /* of samples */
    size_t each_count;    /* numbers of a sample */
    const double *each;   /* count x each_count */
    size_t shared_count;  /* numbers that are the same for all: parameters */
    const double *shared; /* shared_count */
} gb_batch;

/* A sum, over a batch of samples, of one number each. Function 0 of the workload is the sum,
 * function 1 its gradient with respect to the first parameters, as many as the output has numbers.
 * Again constants may depend on sizes alone. */
typedef struct gb_total {
    gb_batch (*batch)(const void *input);
    /* What one sample adds to the total. */
    ag_value (*record_sample)(ag_graph *graph, const void *input, const ag_value *shared,
                              const ag_value *each);
    /* The same on the tape, where a sample's numbers are known; NULL: record_sample of constants. */
    ag_value (*record_numbers)(ag_graph *graph, const void *input, const ag_value *shared,
                               const double *each);
    /* What parameters alone add to it, once; NULL: nothing. */
    ag_value (*record_once)(ag_graph *graph, const void *input, const ag_value *shared);
} gb_total;

enum {
    GB_FUNCTIONS = 4, /* of a workload, at most */
    GB_WAYS = 6,
};

struct gb_workload {
    const char *name;
    const char *functions[GB_FUNCTIONS + 1];
    const gb_way *ways[GB_WAYS + 1]; /* the first is what a tool takes by itself */
    size_t input_size;               /* of the input's struct, in bytes */

    /* Fills the struct, which comes as zeros. false: *error names the field and what is wrong with
     * it; clear is called in any case. */
    bool (*read)(const json_t *json, void *input, gb_error *error);
    /* The same from random numbers, for timing: sizes are the workload's own, in the order in which
     * its file names them. May be NULL. */
    void (*make)(void *input, const size_t *sizes, uint64_t *random);
    /* Frees what the struct holds, not itself. NULL: nothing. */
    void (*clear)(void *input);
    /* How many numbers the output has. */
    size_t (*count_outputs)(const void *input, int function);
    /* The output as JSON. */
    json_t *(*write)(const void *input, int function, const double *output);

    gb_function function; /* for the ways of a function of n numbers */
    gb_total total;       /* for those of a total */
};

/* ---- Ways ------------------------------------------------------------------------------------ */

/* "program": recorded and compiled in prepare, with the gradient; evaluate is one ag_run.
 * "tape": nothing is prepared but room; evaluate records the function anew, with the input's
 * numbers, as a program with other branches for other numbers has to, and runs ag_backward. A total
 * is recorded, run backward and rewound sample by sample: the parameters' gradients add up.
 * "flat": a program of what the tape records, where the program is recorded otherwise.
 * "hand" is a workload's own: derivatives by hand, with nothing prepared but room. */
extern const gb_way gb_function_program, gb_function_tape, gb_function_flat;
extern const gb_way gb_total_program, gb_total_tape, gb_total_flat;

/* For ways of your own. */

/* Variables with the given numbers, or with zeros for NULL. */
void gb_make_variables(ag_graph *graph, size_t n, const double *numbers, ag_value *variables);

/* Whether the graph has no error; otherwise *error has its message. */
bool gb_check_graph(const ag_graph *graph, gb_error *error);

/* Adds the graph's nodes, but for the first so many, to those that the task has recorded: for tapes,
 * before they rewind. */
void gb_count_nodes(const gb_task *task, const ag_graph *graph, size_t first);

/* Compiles one step, recorded in a graph of its own, and folds it over time in another: ag_scan. An
 * error of the step's graph becomes an error of the other. */
void gb_scan(ag_graph *graph, const ag_signature *step, size_t steps, size_t state_count,
             const ag_scan_arrays *arrays);

typedef struct gb_program {
    ag_program *program;
    ag_workspace *workspace;
} gb_program;

/* Compiles what was recorded in `graph`, with the task's threads. On a failure there is nothing to
 * close. */
bool gb_compile(const gb_task *task, ag_graph *graph, const ag_signature *signature,
                gb_program *program, gb_error *error);
bool gb_run(const gb_program *program, size_t batch, const ag_arrays *arrays, gb_error *error);
void gb_close_program(gb_program *program);

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Fields of an input. On a failure, *error names the field. */

bool gb_read_number(const json_t *input, const char *field, double *number, gb_error *error);
/* A whole number from least to 10^8. */
bool gb_read_count(const json_t *input, const char *field, size_t least, size_t *count,
                   gb_error *error);

#define GB_ANY SIZE_MAX

/* Lists of numbers, and lists of lists, which are returned row by row; NULL on a failure. The
 * caller frees them. Lengths are what is wanted, 0 included; where they are GB_ANY, they are set to
 * what is found, which has to be 1 at least. */
double *gb_read_list(const json_t *input, const char *field, size_t *count, gb_error *error);
double *gb_read_rows(const json_t *input, const char *field, size_t *rows, size_t *columns,
                     gb_error *error);

/* For inputs that are a list of numbers, or begin with one: gb_find_list is their point, and
 * gb_clear_list frees all they have. */
typedef struct gb_list {
    size_t count;
    double *numbers;
} gb_list;

bool gb_read_whole_list(const json_t *input, const char *field, gb_list *list, gb_error *error);
/* Random numbers, uniform in [-1, 1). */
void gb_make_list(gb_list *list, size_t count, uint64_t *random);
const double *gb_find_list(const void *input, size_t *count);
void gb_clear_list(void *input);
/* The outputs of a number that such an input gives (function 0), and of its gradient with respect to
 * the list (1). */
size_t gb_count_gradient(const void *input, int function);
json_t *gb_write_gradient(const void *input, int function, const double *output);
/* The output of functions that give one number each. */
size_t gb_count_number(const void *input, int function);
json_t *gb_write_number(const void *input, int function, const double *output);
/* Appends what has been read to a list, and frees it; false if it is NULL. */
bool gb_append(gb_list *list, size_t count, double *read);

/* Lists, and lists of lists, from numbers. (A single number is json_real.) */
json_t *gb_write_list(size_t count, const double *numbers);
json_t *gb_write_rows(size_t rows, size_t columns, const double *numbers);

/* ---- Tools ----------------------------------------------------------------------------------- */

typedef struct gb_options {
    const char *way; /* NULL: each workload's first */
    size_t threads;  /* 0: all there are */
    bool native;
    const char *prepare; /* prepare for the input in this file instead, of the same sizes; NULL */
} gb_options;

/* Takes options off the arguments; the others stay, and *count is their number. */
bool gb_parse_options(int *count, char **arguments, gb_options *options, gb_error *error);

/* The way of that name, or the first for NULL; NULL: *error. */
const gb_way *gb_find_way(const gb_workload *workload, const char *name, gb_error *error);
/* The place of a function; -1: *error. */
int gb_find_function(const gb_workload *workload, const char *name, gb_error *error);

typedef struct gb_result {
    json_t *output;
    double prepare; /* ns */
    /* ns, for each run: by the clock on the wall, and what the calling thread had of a processor,
     * which leaves out others who want it, but also threads that help. */
    double *evaluate, *processor;
    size_t runs;
    size_t nodes; /* that the last run recorded; 0 where it records nothing */
} gb_result;

/* Reads the input ({"make": [128, 16392]} stands for one of random numbers, of these sizes), prepares,
 * evaluates at least as often and as long as it says (min_runs, min_seconds), and writes the output. On
 * a failure there is nothing to free. */
bool gb_evaluate(const gb_workload *workload, const char *function, const json_t *json,
                 const gb_options *options, gb_result *result, gb_error *error);
void gb_free_result(gb_result *result);

/* A number of JSON keeps all its digits. */
#define GB_JSON_FLAGS (JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY)
/* An integer may be as large as a number that is none. */
#define GB_JSON_READING (JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES)

/* What main does for one workload; and for all, NULL after the last. They return its status. */
int gb_run_tool(const gb_workload *workload, int count, char **arguments);
int gb_run_driver(const gb_workload *const *workloads, int count, char **arguments);

#endif
