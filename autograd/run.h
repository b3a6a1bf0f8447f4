/* SPDX-License-Identifier: MIT
 *
 * What it takes to run a program: memory for a block of lanes, and for what is computed once. For
 * ag_run, and for programs that run inside others.
 */
#ifndef WENGERT_RUN_H
#define WENGERT_RUN_H

#include "code.h"

enum {
    AGI_ALIGNMENT = 64 /* of slots and scratch, in bytes */
};

/* Bytes for slots and scratch of a block of at most so many lanes, and for the uniform memory, with
 * numbers of `size` bytes: multiples of AGI_ALIGNMENT, or SIZE_MAX where a size_t is too small. */
size_t agi_measure_block(const ag_program *program, size_t lanes, size_t size);
size_t agi_measure_uniform(const ag_program *program, size_t size);

/* Points the frame, whose kernels are set, at the program's records and constants, and at memory for
 * a block (see agi_measure_block; `lanes` as there, aligned). */
void agi_enter_block(agi_frame *frame, const ag_program *program, size_t lanes, void *memory);

/* Runs `once`: fills the uniform memory, for the kernels, shared inputs and scratch of
 * the frame; the rest of the frame is overwritten. The caller then looks at failed_lane. */
void agi_run_once(const ag_program *program, void *uniform, agi_frame *frame);

/* How much an instruction does for a sample, in multiplications. */
double agi_estimate_cost(const agi_records *records, const agi_instruction *at);

/* Whether the shared array is looked at once sums are being written, as copies or by sums
 * themselves: then sums can't be written into the shared array itself as they are made. */
bool agi_reads_shared_late(const ag_program *program);

#endif
