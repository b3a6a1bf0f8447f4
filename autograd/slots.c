/* SPDX-License-Identifier: MIT
 *
 * Slots for vectors: gaps that vectors no longer in use have left, in bins by their size's power of
 * two. Gaps are cut, never joined: programs ask for the same sizes again and again.
 */
#include "schedule.h"

struct agi_gap {
    uint32_t at, n;
    uint32_t next; /* of the same bin, plus 1 */
};

static uint32_t find_bin(uint32_t n)
{
    uint32_t bin = 0;
    while (n >>= 1)
        bin++;
    return bin;
}

ag_status agi_give_slots(agi_slots *slots, uint32_t at, uint32_t n)
{
    if (n == 0)
        return AG_OK;
    uint32_t gap = slots->spare;
    if (gap != 0) {
        slots->spare = slots->gaps[gap - 1].next;
    } else {
        if (agi_memory_grow(slots->memory, (void **)&slots->gaps, sizeof(*slots->gaps),
                            &slots->gaps_capacity, (uint64_t)slots->gaps_count + 1, UINT32_MAX))
            return AG_OUT_OF_MEMORY;
        gap = ++slots->gaps_count;
    }
    const uint32_t bin = find_bin(n);
    slots->gaps[gap - 1] = (struct agi_gap){at, n, slots->bins[bin]};
    slots->bins[bin] = gap;
    return AG_OK;
}

/* The first gap of a bin that has n slots, among a few. */
static uint32_t *find_gap(agi_slots *slots, uint32_t bin, uint32_t n)
{
    enum {
        TRIES = 8
    };
    uint32_t *link = &slots->bins[bin];
    for (int i = 0; i < TRIES && *link != 0; i++) {
        if (slots->gaps[*link - 1].n >= n)
            return link;
        link = &slots->gaps[*link - 1].next;
    }
    return NULL;
}

ag_status agi_take_slots(agi_slots *slots, uint32_t n, uint32_t *at)
{
    for (uint32_t bin = find_bin(n); bin < 32; bin++) {
        uint32_t *link = find_gap(slots, bin, n);
        if (link == NULL)
            continue;
        const uint32_t gap = *link;
        const struct agi_gap found = slots->gaps[gap - 1];
        *link = found.next;
        slots->gaps[gap - 1].next = slots->spare;
        slots->spare = gap;
        *at = found.at;
        return agi_give_slots(slots, found.at + n, found.n - n);
    }
    if (n > UINT32_MAX - 1 - slots->end)
        return AG_OUT_OF_MEMORY;
    *at = slots->end;
    slots->end += n;
    return AG_OK;
}

void agi_slots_free(agi_slots *slots)
{
    agi_memory_release(slots->memory, slots->gaps, slots->gaps_capacity * sizeof(*slots->gaps));
}
