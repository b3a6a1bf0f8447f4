/* SPDX-License-Identifier: MIT
 *
 * The C library's heap as the engine meets it, counted, and failing when told to. Whoever includes
 * it defines _DEFAULT_SOURCE before everything else, as memory.c does.
 */
#ifndef WENGERT_COUNTED_HEAP_H
#define WENGERT_COUNTED_HEAP_H

#include "arena.h"
#include "engine.h"

#include <stdlib.h>

/* memory.c is the engine's one door to the C library's heap. Compiled in here it takes these
 * functions for those of the C library, and the linker has no need of the library's own. */
static struct {
    size_t requests, live;
    size_t failing; /* the request that fails, from 1; 0: none */
    bool for_good;  /* and all after it */
} libc_heap;

static bool is_failing(size_t request, size_t failing, bool for_good)
{
    return failing != 0 && (for_good ? request >= failing : request == failing);
}

static void *count_realloc(void *pointer, size_t size)
{
    if (is_failing(++libc_heap.requests, libc_heap.failing, libc_heap.for_good))
        return NULL;
    libc_heap.live += pointer == NULL;
    return realloc(pointer, size);
}

static void *count_aligned_alloc(size_t alignment, size_t size)
{
    if (is_failing(++libc_heap.requests, libc_heap.failing, libc_heap.for_good))
        return NULL;
    libc_heap.live++;
    return aligned_alloc(alignment, size);
}

static void count_free(void *pointer)
{
    libc_heap.live -= pointer != NULL;
    free(pointer);
}

#undef _DEFAULT_SOURCE
#define realloc count_realloc
#define aligned_alloc count_aligned_alloc
#define free count_free
#include "memory.c"
#undef realloc
#undef aligned_alloc
#undef free

#endif
