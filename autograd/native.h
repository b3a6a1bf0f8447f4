/* SPDX-License-Identifier: MIT
 *
 * A program's own code, loaded.
 */
#ifndef WENGERT_NATIVE_H
#define WENGERT_NATIVE_H

#include "code.h"

/* Runs a section. Slots are w; with `set`, a total is what the section adds up, else factor times
 * that is added to it. run(context, i) runs instruction i by the interpreter. Not 0: nothing was
 * added to totals, and the interpreter has to run the section (c_flow.c). */
typedef int agi_native_code(const void *shared, const void *each, void *sum, void *map,
                            const void *uniform, void *w, int set, double factor, size_t lanes,
                            void (*run)(void *context, size_t instruction), void *context);

/* NULL for a section that is left to the interpreter. */
typedef struct agi_native_section {
    agi_native_code *single, *lanes;
} agi_native_section;

typedef struct agi_native {
    struct agi_object *object;
    size_t extra; /* numbers behind the slots of a single lane */
    agi_native_section once, check, body;
} agi_native;

/* Runs a section of the frame's program; its slots, and what is behind them, are the frame's. */
void agi_run_native(const agi_native_section *native, const agi_section *section, agi_frame *frame);
/* What the program has; NULL: nothing. */
const agi_native *agi_find_native(const ag_program *program, bool is_float);
void agi_free_native(ag_program *program);

#endif
