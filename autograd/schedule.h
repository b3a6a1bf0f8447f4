/* SPDX-License-Identifier: MIT
 *
 * What the files that recover structure and write instructions share. A section's gates are put
 * into groups, level by level (a gate's level is one above its operands'); the results of a group
 * lie side by side in one vector; then vectors get slots, by last use, and groups become
 * instructions.
 */
#ifndef WENGERT_SCHEDULE_H
#define WENGERT_SCHEDULE_H

#include "code.h"

/* Where the result of a gate is: an element of a vector, whose slots are known once its group has
 * become an instruction. */
typedef struct agi_place {
    uint32_t vector;
    uint32_t element;
} agi_place;

typedef struct agi_range {
    uint32_t n;    /* elements */
    uint32_t slot; /* of the first */
    uint32_t last; /* the group after which nothing uses it; AGI_NO_INDEX: it has to stay */
} agi_range;

/* What one section emits together: n nodes from members[begin] on, with results from `element` of
 * `vector` on. op is a gate's, AGI_OP_LOAD or AGI_OP_AFFINE (then more is which of the plan's
 * matrices). */
typedef struct agi_group {
    uint8_t op;
    uint32_t begin, n;
    uint32_t vector, element;
    uint32_t more;
} agi_group;

/* Rows of a matrix in recovery: the row of node members[begin + i] has k terms p * x, in the order of
 * x, at entries[rows + i * k]; and what is left of its list: a bias, and products. */
typedef struct agi_entry {
    uint64_t x_key; /* where x is: vector, element */
    double factor;  /* the matrix's number itself, where p is AGI_NO_INDEX */
    uint32_t p, x;
} agi_entry;

typedef struct agi_matrix {
    uint32_t k;
    bool chain;
    uint32_t first_row; /* in the plan's rows: one for each member of the group */
} agi_matrix;

typedef struct agi_row {
    uint32_t node;
    uint32_t entries, k;
    uint64_t hash;
    bool chain;
    uint32_t bias;             /* node, or AGI_NO_INDEX */
    uint32_t rest, rest_count; /* in the plan's rests */
} agi_row;

/* Sums of outer products: output `out + i * row_stride + j` is the sum over terms t of
 * row i's constant factor and column j's varying one: see outer.c. */
typedef struct agi_block {
    uint32_t out; /* sum output of row 0, column 0 */
    uint32_t m, k;
    uint32_t row_stride;
    bool q_constant; /* along a row q stays the same, not p */
} agi_block;

typedef enum agi_part {
    AGI_PART_ONCE,
    AGI_PART_CHECK,
    AGI_PART_BODY,
} agi_part;

typedef struct agi_plan {
    const agi_code *code;
    ag_program *program;
    agi_memory *memory; /* the program's */
    bool plain;

    uint8_t *varies;     /* node: depends on each inputs */
    uint8_t *absorbed;   /* node: is a sum output that outer.c has taken over */
    uint32_t *once_slot; /* node of the once section: its slot, once that has been written */
    uint32_t *constant;  /* node: index among the program's constants, AGI_NO_INDEX so far */
    agi_block *blocks;
    uint32_t blocks_count, blocks_capacity;

    /* The section at work. */
    agi_part part;
    agi_section *section;
    uint8_t *member;   /* node: belongs to it */
    uint32_t *level;   /* node */
    agi_place *place;  /* node */
    uint32_t *members; /* nodes in the order of groups */
    uint32_t members_count;
    uint32_t *work; /* as many as nodes, for sorting */
    agi_group *groups;
    uint32_t groups_count, groups_capacity;
    agi_range *ranges;
    uint32_t ranges_count, ranges_capacity;
    agi_entry *entries;
    uint32_t entries_count, entries_capacity;
    agi_row *rows;
    uint32_t rows_count, rows_capacity;
    agi_product *rests;
    uint32_t rests_count, rests_capacity;
    agi_matrix *matrices;
    uint32_t matrices_count, matrices_capacity;
} agi_plan;

/* An operand's address as far as it is known while groups are made: kinds of places, and where in
 * one. Constants can be put anywhere, so one is as good as another. */
typedef struct agi_address {
    uint8_t space;
    uint32_t vector; /* AGI_SLOTS, in the section at work; AGI_UNIFORM: 0 */
    uint32_t at;
} agi_address;

static inline bool agi_is_same_kind(agi_address p, agi_address q)
{
    return p.space == q.space && p.vector == q.vector;
}

/* schedule.c */
agi_address agi_locate(const agi_plan *plan, uint32_t node);
ag_status agi_add_group(agi_plan *plan, agi_group group);
/* Makes a vector of n elements. */
ag_status agi_add_range(agi_plan *plan, uint32_t n, uint32_t *vector);

/* runs.c: puts n nodes of one level into groups of the same gate at constant strides; plain: each
 * into its own. */
ag_status agi_group_runs(agi_plan *plan, uint32_t n, const uint32_t *nodes);
/* How many of the nodes, from the first on, are one run. */
uint32_t agi_measure_run(const agi_plan *plan, uint32_t n, const uint32_t *nodes);
/* As long as lists of products, one for each of n elements, have terms of the same kinds at
 * constant strides. */
typedef struct agi_terms_of {
    const agi_product *terms;
    uint32_t n;
} agi_terms_of;
uint32_t agi_measure_products(const agi_plan *plan, uint32_t n, const agi_terms_of *lists);

/* affine.c: takes the rows of matrices out of n nodes of one level; the others are moved to the
 * front of nodes, *left of them. */
ag_status agi_group_affine(agi_plan *plan, uint32_t n, uint32_t *nodes, uint32_t *left);
/* How many elements of a row, from one on, lie at a constant stride. */
uint32_t agi_measure_segment(const agi_plan *plan, const agi_row *row, uint32_t from);

/* outer.c: finds the sum outputs that are sums of outer products, and marks them as absorbed. */
ag_status agi_find_outer(agi_plan *plan);
/* The products that an absorbed output is the sum of; one is where a single product goes. */
agi_terms_of agi_list_products(const agi_code *code, uint32_t node, agi_product *one);

/* emit.c: instructions for the section's groups, in their order, then for outputs. */
ag_status agi_emit_section(agi_plan *plan);

/* slots.c: which slots are free. */
typedef struct agi_slots {
    agi_memory *memory;
    struct agi_gap *gaps;
    uint32_t gaps_count, gaps_capacity;
    uint32_t bins[33]; /* first gap of at least 2^i slots and less than twice as many, plus 1 */
    uint32_t spare;    /* first gap that is not in use, plus 1 */
    uint32_t end;      /* slots so far */
} agi_slots;
ag_status agi_take_slots(agi_slots *slots, uint32_t n, uint32_t *at);
ag_status agi_give_slots(agi_slots *slots, uint32_t at, uint32_t n);
void agi_slots_free(agi_slots *slots);

#endif
