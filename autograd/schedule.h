/* SPDX-License-Identifier: MIT
 *
 * What the files that recover structure and write instructions share. A section's gates are put
 * into groups, level by level (a gate's level is one above its operands'); the results of
 * a group lie side by side in one vector; then vectors get slots, which are given back after their
 * last use, and groups become instructions.
 */
#ifndef WENGERT_SCHEDULE_H
#define WENGERT_SCHEDULE_H

#include "code.h"

/* Where the number of a node is: an element of a vector of the section at work, whose slots are
 * known once its group has become an instruction; or what does not belong to the section. */
#define AGI_IN_SHARED (UINT32_MAX - 3)  /* element: which of the shared inputs */
#define AGI_IN_UNIFORM (UINT32_MAX - 2) /* element: slot of the once section */
/* element: index among the program's, AGI_NO_INDEX so far. They can be put anywhere, so one is as
 * good as another */
#define AGI_IN_CONSTANTS (UINT32_MAX - 1)
#define AGI_UNPLACED UINT32_MAX

typedef struct agi_place {
    uint32_t vector; /* or AGI_IN_... */
    uint32_t element;
} agi_place;

typedef struct agi_range {
    uint32_t n;    /* elements */
    uint32_t slot; /* of the first */
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

/* An element of a matrix in recovery, p * x. */
typedef struct agi_entry {
    uint64_t x_key; /* where x is: vector, element */
    double factor;  /* the matrix's number itself, where p is AGI_NO_INDEX */
    uint32_t p, x;
} agi_entry;

/* A sum as a row of a matrix: k entries in the order of x, from entries[entries] on, and what is
 * left: a bias, and products. */
typedef struct agi_row {
    uint64_t hash; /* of the x */
    uint32_t node;
    uint32_t entries, k;
    uint32_t bias;             /* node, or AGI_NO_INDEX */
    uint32_t rest, rest_count; /* in the plan's rests */
    bool chain;
} agi_row;

/* Columns fall into segments, in each of which p lies at constant strides. */
typedef struct agi_matrix {
    uint32_t first_row; /* in the plan's rows: one for each member of the group */
    uint32_t first_segment, segments;
} agi_matrix;

/* Sums of outer products: outputs `out + i * row_stride + j`, see outer.c. */
typedef struct agi_block {
    uint32_t out; /* sum output of row 0, column 0 */
    uint32_t m, k;
    uint32_t row_stride;
    uint32_t pairs;  /* outer products that are added up */
    bool has_rest;   /* and something else */
    bool q_constant; /* along a row q stays the same, not p */
} agi_block;

typedef enum agi_part {
    AGI_PART_ONCE,
    AGI_PART_CHECK,
    AGI_PART_BODY,
} agi_part;

/* For sorting by hash. */
typedef struct agi_keyed {
    uint64_t key;
    uint32_t bucket;
    uint32_t item;
} agi_keyed;

typedef struct agi_plan {
    const agi_code *code;
    ag_program *program;
    agi_memory *memory; /* the program's */
    bool plain;

    uint8_t *varies;   /* node: depends on each inputs */
    uint8_t *absorbed; /* node: is a sum output that outer.c has taken over */
    agi_place *place;  /* node */
    agi_block *blocks;
    uint32_t blocks_count, blocks_capacity;

    /* The section at work. */
    agi_part part;
    agi_section *section;
    uint8_t *member;   /* node: belongs to it */
    uint32_t *level;   /* node; once that is sorted by, room for counters, all 0 */
    uint32_t *last;    /* node: the group of its last use; AGI_NO_INDEX: it has to stay */
    uint32_t *members; /* nodes in the order of groups */
    uint32_t members_count;
    uint32_t *work; /* as many as nodes: nodes in the order of levels, later of last uses */
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
    uint32_t *segments;
    uint32_t segments_count, segments_capacity;
    agi_matrix *matrices;
    uint32_t matrices_count, matrices_capacity;
    uint32_t matrix_vector; /* of the level at work; AGI_NO_INDEX: it has none yet */

    /* Borrowed for a moment. */
    agi_keyed *keys;
    uint32_t keys_capacity;
    uint32_t *table;
    uint32_t table_capacity;
    uint32_t *nodes;
    uint32_t nodes_capacity;
} agi_plan;

/* Steps that fit an int32_t with room to spare. */
static inline bool agi_fits_stride(int64_t step)
{
    return step < INT32_MAX / 2 && step > INT32_MIN / 2;
}

/* schedule.c */
ag_status agi_add_group(agi_plan *plan, agi_group group);
/* Makes a vector of n elements. */
ag_status agi_add_range(agi_plan *plan, uint32_t n, uint32_t *vector);
/* Room for n keys, to be filled in; and the same n sorted by their buckets: one for each key, in the
 * order of appearance, within which the order stays. NULL where there is no memory. */
agi_keyed *agi_reserve_keys(agi_plan *plan, uint32_t n);
agi_keyed *agi_sort_into_buckets(agi_plan *plan, uint32_t n);

/* runs.c: puts n nodes of one level into groups of the same gate at constant strides; plain: each
 * into its own. */
ag_status agi_group_runs(agi_plan *plan, uint32_t n, const uint32_t *nodes);
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

/* outer.c: finds the sum outputs that are sums of outer products, and marks them as absorbed. */
ag_status agi_find_outer(agi_plan *plan);
/* The products that a sum output is the sum of; one is where a single product goes. */
agi_terms_of agi_list_products(const agi_code *code, uint32_t node, agi_product *one);

/* slots.c: which slots are free. */
typedef struct agi_slots {
    agi_memory *memory;
    struct agi_gap *gaps;
    uint32_t gaps_count, gaps_capacity;
    struct agi_edge *edges;
    uint32_t edges_capacity;
    uint32_t bins[32]; /* first gap of at least 2^i slots and less than twice as many, plus 1 */
    uint32_t spare;    /* first gap that is not in use, plus 1 */
    uint32_t end;      /* slots so far */
} agi_slots;
ag_status agi_take_slots(agi_slots *slots, uint32_t n, uint32_t *at);
ag_status agi_give_slots(agi_slots *slots, uint32_t at, uint32_t n);
void agi_slots_free(agi_slots *slots);

/* operands.c: nodes as operands of instructions. */
/* The number itself. */
double agi_number_of(const agi_plan *plan, uint32_t node);
ag_status agi_add_constant(agi_plan *plan, double number);
/* Where a single node is. */
ag_status agi_find(agi_plan *plan, uint32_t node, agi_vector *place);
/* n nodes as one vector, if they lie like one. Constants are copied so that they do. */
ag_status agi_make_vector(agi_plan *plan, uint32_t n, const uint32_t *nodes, agi_vector *vector,
                          bool *fits);
/* n > 0 nodes as elements: a vector, a list, or, where they lie in different spaces, copies; those
 * take slots, to be given back when nothing uses them any more. */
ag_status agi_make_elements(agi_plan *plan, agi_slots *slots, uint32_t n, const uint32_t *nodes,
                            agi_elements *elements, agi_range *copy);
ag_status agi_add_instruction(agi_plan *plan, agi_instruction instruction);
/* Room for a list of n nodes, in plan->nodes. */
ag_status agi_reserve_nodes(agi_plan *plan, uint64_t n);

/* emit.c: instructions for the section's groups, in their order, then for outputs. */
ag_status agi_emit_section(agi_plan *plan);
/* out[i] = sum of lists[i], for lists that are one run; added to what is there, if told so. */
ag_status agi_emit_products(agi_plan *plan, uint32_t n, const agi_terms_of *lists, uint32_t out,
                            bool add);
/* emit_outputs.c: the section's end. */
ag_status agi_emit_body_outputs(agi_plan *plan, agi_slots *slots);
ag_status agi_emit_once_outputs(agi_plan *plan, agi_slots *slots);

#endif
