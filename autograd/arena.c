/* SPDX-License-Identifier: MIT
 *
 * The allocator inside a caller's buffer; see arena.h.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

/* Before each block, free or in use. */
typedef union header {
    struct {
        size_t size;        /* of the block with its header */
        union header *next; /* in the free list */
    } block;
    max_align_t alignment;
} header;

struct agi_arena {
    header *free;
};

static size_t round_up(size_t size)
{
    return (size + sizeof(header) - 1) / sizeof(header) * sizeof(header);
}

agi_arena *agi_arena_new(void *buffer, size_t size)
{
    const uintptr_t align = alignof(max_align_t);
    const size_t skip = (size_t)((align - (uintptr_t)buffer % align) % align);
    const size_t own = round_up(sizeof(agi_arena));
    if (size < skip + own + 2 * sizeof(header))
        return NULL;
    agi_arena *arena = (agi_arena *)(void *)((unsigned char *)buffer + skip);
    arena->free = (header *)(void *)((unsigned char *)arena + own);
    arena->free->block.size = (size - skip - own) / sizeof(header) * sizeof(header);
    arena->free->block.next = NULL;
    return arena;
}

static header *follow(header *h)
{
    return (header *)(void *)((unsigned char *)h + h->block.size);
}

/* Cuts a free block to `size`, if the rest can hold anything; returns what takes its place in the
 * list. */
static header *split(header *h, size_t size)
{
    if (h->block.size - size < 2 * sizeof(header))
        return h->block.next;
    header *rest = (header *)(void *)((unsigned char *)h + size);
    rest->block.size = h->block.size - size;
    rest->block.next = h->block.next;
    h->block.size = size;
    return rest;
}

static void *take(agi_arena *arena, size_t size)
{
    for (header **link = &arena->free; *link != NULL; link = &(*link)->block.next) {
        header *h = *link;
        if (h->block.size >= size) {
            *link = split(h, size);
            return h + 1;
        }
    }
    return NULL;
}

void agi_arena_release(agi_arena *arena, void *pointer)
{
    header *h = (header *)pointer - 1;
    header *before = NULL;
    header *after = arena->free;
    while (after != NULL && after < h) {
        before = after;
        after = after->block.next;
    }
    h->block.next = after;
    if (after != NULL && follow(h) == after) {
        h->block.size += after->block.size;
        h->block.next = after->block.next;
    }
    if (before == NULL) {
        arena->free = h;
    } else if (follow(before) == h) {
        before->block.size += h->block.size;
        before->block.next = h->block.next;
    } else {
        before->block.next = h;
    }
}

/* Grows a block into the free one behind it. */
static int extend(agi_arena *arena, header *h, size_t size)
{
    header **link = &arena->free;
    while (*link != NULL && *link < h)
        link = &(*link)->block.next;
    header *next = *link;
    if (next == NULL || follow(h) != next || h->block.size + next->block.size < size)
        return 0;
    *link = split(next, size - h->block.size);
    h->block.size += next->block.size;
    return 1;
}

void *agi_arena_resize(agi_arena *arena, void *pointer, size_t size)
{
    if (size > SIZE_MAX - 2 * sizeof(header))
        return NULL;
    const size_t whole = round_up(size) + sizeof(header);
    if (pointer == NULL)
        return take(arena, whole);
    header *h = (header *)pointer - 1;
    if (h->block.size >= whole || extend(arena, h, whole))
        return pointer;
    void *moved = take(arena, whole);
    if (moved == NULL)
        return NULL;
    memcpy(moved, pointer, h->block.size - sizeof(header));
    agi_arena_release(arena, pointer);
    return moved;
}

size_t agi_arena_largest(const agi_arena *arena)
{
    size_t largest = 0;
    for (const header *h = arena->free; h != NULL; h = h->block.next)
        if (h->block.size > largest)
            largest = h->block.size;
    return largest < sizeof(header) ? 0 : largest - sizeof(header);
}
