/* SPDX-License-Identifier: MIT
 *
 * What the files of scans share: a program run step by step over one block of lanes, and the
 * programs that derivatives of scans are made of.
 */
#ifndef WENGERT_SCAN_H
#define WENGERT_SCAN_H

#include "run.h"

/* ---- scan_run.c: steps ----------------------------------------------------------------------- */

/* What goes into a step and what comes out of it are numbers of a single lane, or slots: state and
 * inputs; next state and outputs. After a step the two change places, so that the next state is where
 * the state has to be. */
typedef struct agi_steps {
    const ag_program *program;
    agi_frame frame; /* its failed_lane and what belongs to it is looked at by the caller */
    void *in, *out;
} agi_steps;

/* Bytes, of memory that is aligned to AGI_ALIGNMENT; SIZE_MAX where a size_t is too small. */
size_t agi_measure_steps(const ag_program *program, size_t lanes, size_t size);

/* Computes what is computed once. shared are numbers, not slots; totals are slots, and set by the
 * first step. */
void agi_begin_steps(agi_steps *steps, const ag_program *program, const agi_kernels *kernels,
                     size_t lanes, size_t count, const void *shared, void *totals, void *memory);

/* Looks at the comparisons with what is in `in`. */
static inline void agi_check_step(agi_steps *steps)
{
    if (steps->program->check.count > 0)
        steps->frame.kernels->execute(&steps->program->check, &steps->frame);
}

static inline void agi_take_step(agi_steps *steps)
{
    steps->frame.kernels->execute(&steps->program->body, &steps->frame);
    steps->frame.add = true;
}

static inline void agi_turn_steps(agi_steps *steps)
{
    void *in = steps->in;
    steps->in = steps->out;
    steps->out = in;
    steps->frame.each = steps->in;
    steps->frame.map = steps->out;
}

/* ---- scan.c: nodes --------------------------------------------------------------------------- */

static inline size_t agi_count_inputs(const agi_scanned *scan)
{
    return scan->program->info.each_count - scan->state_count;
}

static inline size_t agi_count_outputs(const agi_scanned *scan)
{
    return scan->program->info.map_count - scan->state_count;
}

/* Room for a scan and its outputs, and for its operands, which the caller then writes to where the
 * answer points; NULL where there is none, and the error is the graph's. */
uint32_t *agi_reserve_scan(ag_graph *graph, const char *what, const agi_scanned *scan);
/* Appends and evaluates the scan; *node gets its node, behind which its outputs are. AG_BRANCH: and
 * nothing is appended, as after an error. */
ag_status agi_append_scan(ag_graph *graph, agi_scanned scan, uint32_t *node);

/* ---- scan_derive.c: programs made of programs ------------------------------------------------- */

/* Both are made when they are first asked for, and the program's: NULL, and error says why, where one
 * can't be made. They have no comparisons: where they run, the program's own have been looked at. */

/* The program, and the state before the step as outputs behind its own. */
ag_program *agi_get_states_program(ag_program *program, uint32_t state_count,
                                   ag_error_details *error);

/* The gradient of a step, itself a step, whose state is what comes from the step after it:
 *
 *     shared: the program's, upstream of its sum outputs, upstream of its once outputs
 *     each:   upstream of its map outputs, its each inputs
 *     sum:    the gradient for its shared inputs
 *     map:    the gradient for its each inputs
 *
 * So the first of each are the upstream of the next state, and the first of map that of the state. */
ag_program *agi_get_gradient_program(ag_program *program, ag_error_details *error);

#endif
