/* SPDX-License-Identifier: MIT
 *
 * Expressions as programs.
 */
#include "sampler.h"

#include <math.h>
#include <stdlib.h>

int open_sampler(sampler *s, const circuit *c, size_t count, const size_t *by)
{
    *s = (sampler){.circuit = c, .outputs = 1 + count};
    ag_value *inputs = allocate(count, sizeof(*inputs));
    ag_value *outputs = allocate(s->outputs, sizeof(*outputs));
    for (size_t i = 0; i < count; i++)
        inputs[i] = c->inputs[by[i]];
    outputs[0] = c->root;
    if (count == 0 || ag_gradient(c->root, count, inputs, outputs + 1) == AG_OK)
        s->program = ag_compile(
            &(ag_signature){
                .each = c->inputs, .each_count = c->n, .map = outputs, .map_count = s->outputs},
            NULL);
    free(inputs);
    free(outputs);
    if (s->program == NULL)
        return fail_circuit(c);
    ag_error_details error;
    s->workspace = ag_workspace_new(s->program, NULL, &error);
    return s->workspace != NULL ? DONE : fail(c->arguments, FAILED, "%s", error.message);
}

void close_sampler(sampler *s)
{
    ag_workspace_free(s->workspace);
    ag_program_free(s->program);
}

void sample(const sampler *s, size_t rows, const double *points, double *results)
{
    /* with the program's own workspace, arrays that are there and no comparisons, it can't fail */
    (void)ag_run(s->program, s->workspace, rows, &(ag_arrays){.each = points, .map = results});
}

void fill_range(double low, double high, size_t count, double *numbers)
{
    for (size_t i = 0; i < count; i++) {
        const double t = (double)i / (double)(count - 1);
        numbers[i] = (1 - t) * low + t * high;
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t sort_finite(size_t count, double *numbers)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(numbers[i]))
            numbers[n++] = numbers[i];
    qsort(numbers, n, sizeof(*numbers), compare_numbers);
    return n;
}
