/* SPDX-License-Identifier: MIT
 *
 * det: the determinant of an l x l matrix by expansion along its first row, recursively, and its
 * gradient; nothing is eliminated. Recorded as it stands, that is l! products, of which the same
 * minors are computed again and again. A program holds equal gates once, so in the value that is no
 * matter; the gradient of each gate is its own, however. So the program is recorded with each minor
 * once, one for every set of columns: 2^l of them, the same expansion with less work than the
 * recursion's. "flat" is the program of the recursion itself. By hand there are both as well: "hand"
 * is the recursion with its derivative, as the workload has it, "minors" has each minor once.
 */
#include "gradbench_inputs.h"

#include "bench.h"
#include "hand_workloads.h"

#include <stdlib.h>

enum {
    PRIMAL,
    GRADIENT,
    LARGEST = 20, /* rows: 2^20 minors, and more products than a tape has nodes */
};

typedef struct expansion {
    size_t size;
    const ag_value *a;
    ag_value *minors; /* for each set of columns what has been recorded; NULL: record anew */
} expansion;

/* The minor of the rows from `row` on and as many columns, a set of bits. */
static ag_value expand(const expansion *e, size_t row, size_t columns)
{
    if (e->minors != NULL && !ag_is_null(e->minors[columns]))
        return e->minors[columns];
    ag_value sum = {.graph = NULL};
    size_t before = 0; /* columns of the set on the left */
    for (size_t j = 0; j < e->size; j++) {
        if ((columns >> j & 1) == 0)
            continue;
        ag_value term = e->a[row * e->size + j];
        if (row + 1 < e->size)
            term = ag_mul(term, expand(e, row + 1, columns & ~((size_t)1 << j)));
        if (before == 0)
            sum = term;
        else
            sum = before % 2 == 0 ? ag_add(sum, term) : ag_sub(sum, term);
        before++;
    }
    if (e->minors != NULL)
        e->minors[columns] = sum;
    return sum;
}

static size_t all_columns(size_t size)
{
    return ((size_t)1 << size) - 1;
}

static void record(ag_graph *graph, const void *self, const ag_value *a, ag_value *values)
{
    const det_input *input = self;
    const expansion e = {.size = input->size, .a = a};
    (void)graph;
    values[0] = expand(&e, 0, all_columns(e.size));
}

static void record_program(ag_graph *graph, const void *self, const ag_value *a, ag_value *values)
{
    const det_input *input = self;
    expansion e = {.size = input->size, .a = a};
    (void)graph;
    e.minors = bench_allocate(all_columns(e.size) + 1, sizeof(*e.minors));
    values[0] = expand(&e, 0, all_columns(e.size));
    free(e.minors);
}

typedef double (*by_hand)(size_t size, const double *a, double *gradient);

static bool compute_by_hand(by_hand compute, const gb_task *task, double *output)
{
    const det_input *input = task->input;
    const bool gradient = task->function == GRADIENT;
    const double value = compute(input->size, input->a.numbers, gradient ? output : NULL);
    if (!gradient)
        output[0] = value;
    return true;
}

static bool evaluate_hand(void *state, const gb_task *task, double *output, gb_error *error)
{
    (void)state;
    (void)error;
    return compute_by_hand(hand_det, task, output);
}

static bool evaluate_minors(void *state, const gb_task *task, double *output, gb_error *error)
{
    (void)state;
    (void)error;
    return compute_by_hand(hand_det_minors, task, output);
}

static const gb_way hand = {"hand", NULL, evaluate_hand, NULL};
static const gb_way minors = {"minors", NULL, evaluate_minors, NULL};

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    det_input *input = self;
    if (!gb_read_count(json, "ell", 1, &input->size, error))
        return false;
    if (input->size > LARGEST)
        return gb_fail(error, "ell is more than %d", LARGEST);
    input->a.count = input->size * input->size;
    input->a.numbers = gb_read_list(json, "A", &input->a.count, error);
    return input->a.numbers != NULL;
}

/* sizes: ell */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    det_input *input = self;
    input->size = sizes[0];
    gb_make_list(&input->a, input->size * input->size, random);
}

const gb_workload det_workload = {
    .name = "det",
    .functions = {[PRIMAL] = "primal", [GRADIENT] = "gradient"},
    .ways = {&gb_function_program, &gb_function_flat, &gb_function_tape, &hand, &minors},
    .input_size = sizeof(det_input),
    .read = read_input,
    .make = make_input,
    .clear = gb_clear_list,
    .count_outputs = gb_count_gradient,
    .write = gb_write_gradient,
    .function = {.point = gb_find_list, .record = record, .record_program = record_program},
};
