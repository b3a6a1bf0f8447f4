/* SPDX-License-Identifier: MIT
 *
 * Which slots are free: gaps that results no longer in use have left, in bins by their size's power
 * of two. Gaps that touch are joined, so that parts of a vector can be given back one by one.
 */
#include "schedule.h"

#include <string.h>

struct agi_gap {
    uint32_t at, n;
    uint32_t next, previous; /* of the same bin, plus 1 */
};

/* Gaps at the edge before a slot, plus 1. */
struct agi_edge {
    uint32_t ends, begins;
};

static uint32_t find_bin(uint32_t n)
{
    uint32_t bin = 0;
    while (n >>= 1)
        bin++;
    return bin;
}

/* Takes a gap out of its bin. */
static struct agi_gap remove_gap(agi_slots *slots, uint32_t which)
{
    const struct agi_gap gap = slots->gaps[which - 1];
    if (gap.previous != 0)
        slots->gaps[gap.previous - 1].next = gap.next;
    else
        slots->bins[find_bin(gap.n)] = gap.next;
    if (gap.next != 0)
        slots->gaps[gap.next - 1].previous = gap.previous;
    slots->edges[gap.at].begins = 0;
    slots->edges[gap.at + gap.n].ends = 0;
    slots->gaps[which - 1].next = slots->spare;
    slots->spare = which;
    return gap;
}

static ag_status add_gap(agi_slots *slots, uint32_t at, uint32_t n)
{
    uint32_t which = slots->spare;
    if (which != 0) {
        slots->spare = slots->gaps[which - 1].next;
    } else {
        if (agi_memory_grow(slots->memory, (void **)&slots->gaps, sizeof(*slots->gaps),
                            &slots->gaps_capacity, (uint64_t)slots->gaps_count + 1, UINT32_MAX))
            return AG_OUT_OF_MEMORY;
        which = ++slots->gaps_count;
    }
    uint32_t *bin = &slots->bins[find_bin(n)];
    slots->gaps[which - 1] = (struct agi_gap){at, n, *bin, 0};
    if (*bin != 0)
        slots->gaps[*bin - 1].previous = which;
    *bin = which;
    slots->edges[at].begins = which;
    slots->edges[at + n].ends = which;
    return AG_OK;
}

ag_status agi_give_slots(agi_slots *slots, uint32_t at, uint32_t n)
{
    if (n == 0)
        return AG_OK;
    if (slots->edges[at].ends != 0) {
        const struct agi_gap before = remove_gap(slots, slots->edges[at].ends);
        at = before.at;
        n += before.n;
    }
    if (slots->edges[at + n].begins != 0)
        n += remove_gap(slots, slots->edges[at + n].begins).n;
    return add_gap(slots, at, n);
}

/* A gap of a bin that has n slots, among the first few; the smallest of those. */
static uint32_t find_gap(const agi_slots *slots, uint32_t bin, uint32_t n)
{
    enum {
        TRIES = 16
    };
    uint32_t best = 0, which = slots->bins[bin];
    for (int i = 0; i < TRIES && which != 0; i++, which = slots->gaps[which - 1].next) {
        const uint32_t size = slots->gaps[which - 1].n;
        if (size >= n && (best == 0 || size < slots->gaps[best - 1].n))
            best = which;
        if (size == n)
            break;
    }
    return best;
}

/* n slots at the end, of which a gap there is the first part. */
static ag_status extend(agi_slots *slots, uint32_t n, uint32_t *at)
{
    const uint32_t end = slots->end;
    const uint32_t last = end > 0 ? slots->edges[end].ends : 0;
    const uint32_t begin = last != 0 ? slots->gaps[last - 1].at : end;
    const uint32_t known = slots->edges_capacity;
    if (n > UINT32_MAX - 2 - end ||
        agi_memory_grow(slots->memory, (void **)&slots->edges, sizeof(*slots->edges),
                        &slots->edges_capacity, (uint64_t)begin + n + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    memset(slots->edges + known, 0, (slots->edges_capacity - known) * sizeof(*slots->edges));
    if (last != 0)
        (void)remove_gap(slots, last);
    *at = begin;
    slots->end = begin + n;
    return AG_OK;
}

ag_status agi_take_slots(agi_slots *slots, uint32_t n, uint32_t *at)
{
    for (uint32_t bin = find_bin(n); bin < 32; bin++) {
        const uint32_t which = find_gap(slots, bin, n);
        if (which == 0)
            continue;
        const struct agi_gap gap = remove_gap(slots, which);
        *at = gap.at;
        return gap.n > n ? add_gap(slots, gap.at + n, gap.n - n) : AG_OK;
    }
    return extend(slots, n, at);
}

void agi_slots_free(agi_slots *slots)
{
    agi_memory_release(slots->memory, slots->gaps, slots->gaps_capacity * sizeof(*slots->gaps));
    agi_memory_release(slots->memory, slots->edges, slots->edges_capacity * sizeof(*slots->edges));
}
