/* SPDX-License-Identifier: MIT
 *
 * A small allocator inside a caller's buffer, for graphs without a heap: one list of free blocks in
 * order of address, first fit, neighbours merged. Made for few and mostly long-lived blocks.
 */
#ifndef WENGERT_ARENA_H
#define WENGERT_ARENA_H

#include <stddef.h>

typedef struct agi_arena agi_arena;

/* Begins an arena inside buffer; NULL if it is too small for one block. */
agi_arena *agi_arena_new(void *buffer, size_t size);
/* Like realloc, aligned for every type: pointer may be NULL; NULL if nothing fits. */
void *agi_arena_resize(agi_arena *arena, void *pointer, size_t size);
void agi_arena_release(agi_arena *arena, void *pointer);
/* The largest size that agi_arena_resize(arena, NULL, size) would give now. */
size_t agi_arena_largest(const agi_arena *arena);

#endif
