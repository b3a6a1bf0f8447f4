/* SPDX-License-Identifier: MIT
 *
 * Where memory comes from: the C library, the caller's allocator, or the caller's buffer. Every
 * block passes through agi_memory_resize, so that one place aligns, counts and fails.
 */
#define _DEFAULT_SOURCE /* madvise */
#include "arena.h"
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/* The first touch of a small page costs more than all the gates that fit on it, so large arrays
 * take huge ones. Only an array that begins with one has them from its first byte on, and realloc
 * would lose that, and split them to move them; so a large array is copied as it grows. */
#if defined(MADV_HUGEPAGE)
enum {
    HUGE_PAGE = 2 << 20,
    LARGE = HUGE_PAGE / 2 /* more than that would be wasted on less */
};

static void *resize_large(void *pointer, size_t old_size, size_t new_size)
{
    if (new_size > SIZE_MAX - HUGE_PAGE)
        return NULL;
    const size_t whole = (new_size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *block = aligned_alloc(HUGE_PAGE, whole);
    if (block == NULL)
        return NULL;
    (void)madvise(block, whole, MADV_HUGEPAGE); /* advice: a no is no error */
    if (pointer != NULL)
        memcpy(block, pointer, old_size < new_size ? old_size : new_size);
    free(pointer);
    return block;
}
#endif

static void *resize_by_libc(void *pointer, size_t old_size, size_t new_size)
{
#if defined(MADV_HUGEPAGE)
    if (new_size >= LARGE)
        return resize_large(pointer, old_size, new_size);
#else
    (void)old_size;
#endif
    return realloc(pointer, new_size);
}

/* A caller's allocator may give any address: the aligned block begins 1 to ALIGNMENT bytes into
 * the caller's, and the byte before it says how many. */
enum {
    ALIGNMENT = 16
};

static unsigned char *align_within(unsigned char *raw)
{
    const uintptr_t misfit = (uintptr_t)raw % ALIGNMENT;
    return raw + (ALIGNMENT - misfit);
}

static void *resize_by_caller(const agi_memory *memory, unsigned char *pointer, size_t old_size,
                              size_t new_size)
{
    const size_t offset = pointer == NULL ? 0 : pointer[-1];
    if (new_size > SIZE_MAX - ALIGNMENT)
        return NULL;
    unsigned char *raw = (unsigned char *)memory->allocator(
        memory->user, pointer == NULL ? NULL : pointer - offset,
        pointer == NULL ? 0 : old_size + ALIGNMENT, new_size + ALIGNMENT);
    if (raw == NULL)
        return NULL;
    unsigned char *block = align_within(raw);
    if (pointer != NULL && block != raw + offset)
        memmove(block, raw + offset, old_size < new_size ? old_size : new_size);
    block[-1] = (unsigned char)(block - raw);
    return block;
}

void *agi_memory_resize(agi_memory *memory, void *pointer, size_t old_size, size_t new_size)
{
    void *block;
    if (memory->arena != NULL)
        block = agi_arena_resize(memory->arena, pointer, new_size);
    else if (memory->allocator != NULL)
        block = resize_by_caller(memory, (unsigned char *)pointer, old_size, new_size);
    else
        block = resize_by_libc(pointer, old_size, new_size);
    if (block != NULL)
        memory->bytes += new_size - (pointer == NULL ? 0 : old_size);
    return block;
}

void agi_memory_release(agi_memory *memory, void *pointer, size_t size)
{
    if (pointer == NULL)
        return;
    memory->bytes -= size;
    if (memory->arena != NULL) {
        agi_arena_release(memory->arena, pointer);
    } else if (memory->allocator != NULL) {
        unsigned char *block = (unsigned char *)pointer;
        memory->allocator(memory->user, block - block[-1], size + ALIGNMENT, 0);
    } else {
        free(pointer);
    }
}

ag_status agi_memory_grow(agi_memory *memory, void **array, size_t element, uint32_t *capacity,
                          uint64_t needed, uint32_t max)
{
    enum {
        SMALLEST = 64
    };
    if (needed <= *capacity)
        return AG_OK;
    if (needed > max)
        return AG_OUT_OF_MEMORY;
    uint64_t target = (uint64_t)*capacity * 2;
    if (target < SMALLEST)
        target = SMALLEST;
    if (target < needed)
        target = needed;
    if (target > max)
        target = max;
    void *grown = NULL;
    for (;; target = needed + (target - needed) / 2) { /* where memory is short, less ahead */
        if (target <= SIZE_MAX / element)
            grown =
                agi_memory_resize(memory, *array, *capacity * element, (size_t)target * element);
        if (grown != NULL || target == needed)
            break;
    }
    if (grown == NULL)
        return AG_OUT_OF_MEMORY;
    *array = grown;
    *capacity = (uint32_t)target;
    return AG_OK;
}
