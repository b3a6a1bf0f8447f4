/* SPDX-License-Identifier: MIT
 *
 * A program's insides: the list of gates that the passes rewrite, and the sections of instructions
 * that come out. Private; the public interface is wengert/program.h.
 */
#ifndef WENGERT_CODE_H
#define WENGERT_CODE_H

#include "engine.h"

#include <wengert/program.h>

#include <string.h>
#ifdef __cplusplus
#include <atomic>
#define AGI_ATOMIC(type) std::atomic<type>
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
#else
#include <stdatomic.h>
#define AGI_ATOMIC(type) _Atomic(type)
#endif

/* ---- Gates of a program being compiled ------------------------------------------------------- */

/* Beside the engine's gates (agi_gate, but AGI_VARIABLE). The first ones are gates, too; the others
 * are instructions only. */
enum {
    AGI_OP_SHARED = AGI_GATE_COUNT, /* an input; at.a: which */
    AGI_OP_EACH,                    /* an input; at.a: which */
    AGI_OP_PRODUCTS,                /* a sum of products; products[a .. a + b) */
    AGI_OP_SCAN,                    /* a program as a gate; scans[a] */
    AGI_OP_PROJECT,                 /* output b of the scan a */
    AGI_OP_GATE_COUNT,
    AGI_OP_LOAD = AGI_OP_GATE_COUNT, /* each inputs into lanes */
    AGI_OP_STORE,                    /* map outputs out of lanes */
    AGI_OP_SUMS,                     /* sum outputs: over the lanes */
    AGI_OP_AFFINE,
    AGI_OP_OUTER,
    AGI_OP_COUNT
};

/* factor * p * q; AGI_NO_INDEX for p or q is 1. In a chain p is the upstream, q the local
 * gradient: where p is 0 the product is 0, whatever q is. */
typedef struct agi_product {
    double factor;
    uint32_t p, q;
    bool chain;
} agi_product;

/* A recorded comparison: gate `node` has to come out as it was. */
typedef struct agi_comparison {
    uint32_t node;
    uint32_t text; /* "gt(x, #3)" begins here in texts */
    bool outcome;
} agi_comparison;

/* One scan (or call): what goes in and comes out, in the order of ag_scan. Operands are nodes in
 * the pool from `operands` on: shared, state, inputs of step 0, of step 1, ... Its outputs, which
 * AGI_OP_PROJECT numbers: final state, outputs of step 0, of step 1, ..., totals, once. */
typedef struct agi_scan {
    ag_program *program; /* the source graph retains it */
    size_t steps;
    uint32_t state_count;
    uint32_t operands, operand_count;
    uint32_t output_count;
    uint32_t twin;  /* node of another scan of the same operands, one of the two giving the state
                        before each step, too; or AGI_NO_INDEX */
    bool unchecked; /* comparisons inside are another's */
} agi_scan;

/* Nodes in topological order, as in a graph: ops and operands, with lists in the pool (terms of
 * gates over any number of operands as agi_form says, but a linear's numbers are doubles here). A
 * constant's value is numbers[at.a]. */
typedef struct agi_code {
    agi_memory *memory;
    uint32_t count, ops_capacity, at_capacity;
    uint8_t *ops;
    agi_operands *at;
    uint32_t *pool;
    uint32_t pool_count, pool_capacity;
    double *numbers;
    uint32_t numbers_count, numbers_capacity;
    agi_product *products;
    uint32_t products_count, products_capacity;
    ag_closure *closures;
    uint32_t closures_count, closures_capacity;
    agi_scan *scans;
    uint32_t scans_count, scans_capacity;
    agi_comparison *comparisons;
    uint32_t comparisons_count, comparisons_capacity;
    char *texts;
    uint32_t texts_count, texts_capacity;
    uint32_t *outputs; /* nodes: sum, then map, then once */
    uint32_t *to;      /* a pass's: what becomes of each node */
    uint32_t to_capacity;
    uint32_t sum_count, map_count, once_count;
    uint32_t shared_count, each_count;
} agi_code;

static inline uint32_t agi_output_count(const agi_code *code)
{
    return code->sum_count + code->map_count + code->once_count;
}

/* Whether comparisons inside a scan are looked at. */
bool agi_compares_inside(const agi_code *code, uint32_t node);

/* code.c: arrays of at least one element, not cleared; NULL where there is no memory. */
void *agi_new_array(agi_memory *memory, uint64_t n, size_t element);
#define AGI_NEW_ARRAY(memory, n, type) ((type *)agi_new_array(memory, n, sizeof(type)))
void agi_free_array(agi_memory *memory, void *array, uint64_t n, size_t element);
ag_status agi_code_reserve(agi_code *code, uint64_t nodes);
ag_status agi_code_append(agi_code *code, uint8_t op, uint32_t a, uint32_t b);
/* Room in code->to for every node. */
ag_status agi_reserve_to(agi_code *code);
/* Sends operands, outputs and comparisons to what has become of them. */
void agi_redirect_operands(const agi_code *code, uint32_t node);
void agi_redirect_ends(agi_code *code);
/* For passes that write new nodes: takes those of next, which has nothing else, and leaves it the old
 * ones, to be freed; sends outputs and comparisons to what has become of them. */
void agi_replace_nodes(agi_code *code, agi_code *next);

/* The operands of a node as one list, products' p and q in turn (and AGI_NO_INDEX among them): the
 * k-th is agi_operand(list, k). */
typedef struct agi_operand_list {
    uint32_t *first;
    uint32_t n;
    uint32_t step; /* from one pair to the next: products have more between them */
} agi_operand_list;

agi_operand_list agi_list_of_products(const agi_code *code, agi_operands at);

static inline agi_operand_list agi_list_pooled(const agi_code *code, uint32_t from, uint32_t n)
{
    return (agi_operand_list){n > 0 ? code->pool + from : NULL, n, 2};
}

static inline agi_operand_list agi_list_code(const agi_code *code, uint32_t node)
{
    agi_operands *at = &code->at[node];
    const uint8_t op = code->ops[node];
    if (op == AGI_OP_PRODUCTS)
        return agi_list_of_products(code, *at);
    if (op == AGI_OP_SCAN)
        return agi_list_pooled(code, code->scans[at->a].operands, code->scans[at->a].operand_count);
    if (op >= AGI_GATE_COUNT)
        return (agi_operand_list){&at->a, op == AGI_OP_PROJECT, 2};
    switch ((agi_form)agi_gate_forms[op]) {
    case AGI_FORM_UNARY:
        return (agi_operand_list){&at->a, 1, 2};
    case AGI_FORM_BINARY:
    case AGI_FORM_COMPARE:
        return (agi_operand_list){&at->a, 2, 2}; /* a, then b */
    case AGI_FORM_TERNARY:
        return agi_list_pooled(code, at->a, 3);
    case AGI_FORM_NONE:
        return agi_list_pooled(code, at->a, at->b);
    case AGI_FORM_VALUES:
        return agi_list_pooled(code, at->a, 2 * at->b);
    case AGI_FORM_NUMBERS:
    case AGI_FORM_CLOSURE:
        return agi_list_pooled(code, at->a + 1, at->b);
    default:
        return (agi_operand_list){NULL, 0, 2};
    }
}

static inline bool agi_compares(uint8_t op)
{
    return op < AGI_GATE_COUNT && agi_gate_forms[op] == AGI_FORM_COMPARE;
}

/* Whether it is a gate over any number of operands. */
static inline bool agi_is_fold(uint8_t op)
{
    if (op >= AGI_GATE_COUNT)
        return false;
    switch ((agi_form)agi_gate_forms[op]) {
    case AGI_FORM_NONE:
    case AGI_FORM_VALUES:
    case AGI_FORM_NUMBERS:
    case AGI_FORM_CLOSURE:
        return true;
    default:
        return false;
    }
}

/* Of a gate that always has as many; 0: it is none. */
static inline uint32_t agi_count_operands(uint8_t op)
{
    if (op >= AGI_GATE_COUNT)
        return 0;
    switch ((agi_form)agi_gate_forms[op]) {
    case AGI_FORM_UNARY:
        return 1;
    case AGI_FORM_BINARY:
    case AGI_FORM_COMPARE:
        return 2;
    case AGI_FORM_TERNARY:
        return 3;
    default:
        return 0;
    }
}

/* Whether it is such a gate, and gives a number. */
static inline bool agi_is_plain_gate(uint8_t op)
{
    return agi_count_operands(op) > 0 && !agi_compares(op);
}

static inline uint32_t *agi_operand(agi_operand_list list, uint32_t k)
{
    return list.first + (size_t)(k / 2) * list.step + k % 2;
}

/* Appends to an array, with the memory of whoever is at work. */
#define AGI_APPEND(owner, array, item)                                                             \
    (agi_memory_grow((owner)->memory, (void **)&(array), sizeof(*(array)), &array##_capacity,      \
                     (uint64_t)array##_count + 1, UINT32_MAX) != AG_OK                             \
         ? AG_OUT_OF_MEMORY                                                                        \
         : ((array)[array##_count++] = (item), AG_OK))

static inline bool agi_is_one(double number)
{
    return number >= 1 && number <= 1;
}

/* So that numbers can be told apart and hashed, 0 and -0 and NaNs, too. */
static inline uint64_t agi_bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

/* For hashing: hash and word, mixed so that low bits depend on all of both. */
static inline uint64_t agi_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* The same, for one operand at a time. */
uint32_t agi_code_operand_count(const agi_code *code, uint32_t node);
uint32_t *agi_code_operand(const agi_code *code, uint32_t node, uint32_t k);
/* "add", "products", "affine", ... */
const char *agi_op_name(uint8_t op);

/* ---- Instructions ---------------------------------------------------------------------------- */

/* A slot is one number per lane. Where a value lives: */
typedef enum agi_space {
    AGI_NOWHERE,
    AGI_SLOTS,     /* of the section at work */
    AGI_UNIFORM,   /* what was computed once: the slots of the first section, which has one lane */
    AGI_CONSTANTS, /* of the program */
    AGI_SHARED,    /* the caller's shared array */
} agi_space;

/* Elements of a vector: the first, and the way from one to the next (0: the same for all). */
typedef struct agi_vector {
    uint32_t at;
    int32_t stride;
    uint8_t space;
} agi_vector;

/* n elements: a vector, or where list is not AGI_NO_INDEX, of `space` at lists[list .. list + n). */
typedef struct agi_elements {
    agi_vector vector;
    uint32_t n;
    uint32_t list;
} agi_elements;

/* For element i: factor * sum over r < repeat of p[i, r] * q[i, r]; a space of AGI_NOWHERE is 1.
 * p[i, r] is at p.at + i * p.stride + r * p_step, q likewise. So a sum over many components of one
 * vector is one record, whatever their number. */
typedef struct agi_factors {
    double factor;
    agi_vector p, q;
    int32_t p_step, q_step;
    uint32_t repeat; /* at least 1 */
    bool chain;
} agi_factors;

/* out[i] = (add ? out[i] : bias[i]) + sum_j M[i][j] x[j]; M (m x k) is p, with element (i, j) at
 * p.at + i * row_stride + j * column_stride. chain: x are upstream gradients, so where a result is
 * not finite the row is done again, leaving out the x that are 0. */
typedef struct agi_affine {
    uint32_t m, k;
    agi_vector p; /* its stride is not used; a space with a single lane */
    int32_t row_stride, column_stride;
    agi_elements x;
    agi_vector bias; /* AGI_NOWHERE: 0 */
    bool add;
    bool chain;
} agi_affine;

/* total[out + i * row_stride + j * column_stride] += sum over samples of factor * a[i] * b[j]. */
typedef enum agi_chain {
    AGI_CHAIN_NONE,
    AGI_CHAIN_A, /* a are upstream gradients, b the local ones */
    AGI_CHAIN_B,
} agi_chain;

typedef struct agi_outer {
    uint32_t m, k;
    agi_elements a, b; /* of AGI_SLOTS */
    uint32_t out;
    int32_t row_stride, column_stride;
    uint32_t b_each; /* b is the each inputs from here on, one after the other; or AGI_NO_INDEX */
    double factor;
    agi_chain chain;
    bool first; /* nothing was added to these totals in this section before */
} agi_outer;

/* Numbers that kernels keep in a frame's scratch: so many for each lane, and so many. */
typedef struct agi_scratch {
    size_t lanes, fixed;
} agi_scratch;

enum {
    AGI_TILE_DEPTH = 128,  /* columns of a matrix, or samples, that are summed up at once */
    AGI_TILE_COLUMNS = 64, /* columns of an outer product that are computed together, at most */
};

/* n numbers in whole vectors */
static inline size_t agi_round_up(size_t n)
{
    return (n + 15) / 16 * 16;
}

static inline agi_scratch agi_affine_scratch(const agi_affine *affine)
{
    return (agi_scratch){0, agi_round_up(affine->m) + affine->k};
}

static inline agi_scratch agi_outer_scratch(const agi_outer *outer)
{
    return (agi_scratch){AGI_TILE_COLUMNS, agi_round_up(outer->m) + outer->k};
}

/* A gate over any number of operands (AGI_FORM_NONE: x; VALUES: x and w; NUMBERS: numbers). */
typedef struct agi_fold {
    agi_elements x, w;
    uint32_t numbers; /* offset and coefficients begin here; of a closure: which */
} agi_fold;

/* A closure's operands, as ag_real. */
static inline agi_scratch agi_fold_scratch(const agi_fold *fold)
{
    return (agi_scratch){0, 2 * (size_t)fold->x.n};
}

typedef struct agi_instruction {
    uint8_t op;         /* a gate, or AGI_OP_... */
    bool first;         /* SUMS: nothing was added to these totals before */
    bool outcome;       /* comparisons: as recorded */
    uint32_t n;         /* elements */
    uint32_t out;       /* slots out .. out + n; LOAD: too; STORE, SUMS: map or sum output */
    int32_t out_stride; /* STORE, SUMS: from one output to the next */
    agi_vector x[3]; /* operands of a gate with at most three; STORE, SUMS: x[0]; LOAD: x[0].at is
                        the first each input */
    uint32_t more;   /* AFFINE, OUTER, SCAN, closures and gates over any number: which record;
                        PRODUCTS: the first of its factors; comparisons: the text */
    uint32_t terms;  /* PRODUCTS: how many factors */
    uint32_t streak; /* of the instructions behind it, so many go on with it (streaks.c) */
    uint32_t sum;    /* which term of the PRODUCTS behind these, plus 1, adds up their results */
} agi_instruction;

/* Operands of a scan that lie side by side, n of them, at each step `step` further; or one, which is
 * at every step somewhere else: at step t in space lists[list + 2t] at lists[list + 2t + 1]. */
typedef struct agi_piece {
    agi_vector x;
    int32_t step;
    uint32_t n;
    uint32_t list; /* AGI_NO_INDEX: none */
} agi_piece;

typedef struct agi_pieces {
    uint32_t first, count; /* among the records' */
} agi_pieces;

typedef struct agi_scan_step {
    ag_program *program; /* retained */
    size_t steps;
    uint32_t state_count;
    agi_pieces shared, state, inputs; /* as ag_scan's */
    uint32_t output_count; /* slots from the instruction's out on, as agi_scan's outputs */
    ag_program
        *by_lanes; /* retained; what runs over several lanes where shared operands are not the
                             same in all of them: has its shared inputs behind its each inputs, and its
                             once outputs behind its totals. NULL: program itself */
    bool check;    /* comparisons inside are looked at */
} agi_scan_step;

/* What a section's instructions are with a single lane: words, so that single numbers cost little
 * more than their arithmetic. A step is its head (what in the low 16 bits, how many above), then its
 * words. Gates of at most three operands, and comparisons, have their gate for what; words are slots:
 * out, operands. A comparison has its instruction for out. */
enum {
    AGI_STEP_END = AGI_OP_COUNT,
    AGI_STEP_WHOLE,        /* an instruction as it is */
    AGI_STEP_AFFINE,       /* which record; out */
    AGI_STEP_OUTER,        /* which record */
    AGI_STEP_PRODUCTS,     /* of a single element: out, the instruction */
    AGI_STEP_PRODUCTS_RUN, /* of more: the instruction */
    AGI_STEP_LOAD,         /* how many; out, the first each input */
    AGI_STEP_STORE,        /* how many; map output, its step, slot, its step */
    AGI_STEP_SUMS, /* how many; sum output, its step, slot, its step, whether it is the first */
    AGI_STEP_RUN,  /* gate, elements, out; of three operands: space and stride (0 or 1), place */
    AGI_STEP_SUM   /* from here on sums: out, and the words of one or two terms */
};

/* space and stride in a word */
#define AGI_STEP_OPERAND(space, stride) ((uint32_t)(space) << 1 | (uint32_t)(stride))

/* Terms of sums, and how many words they have: p, p q, or f p q; in a chain p is the upstream. */
#define AGI_TERM_KINDS(X)                                                                          \
    X(PLUS, 1)                                                                                     \
    X(MINUS, 1)                                                                                    \
    X(PRODUCT, 2)                                                                                  \
    X(MINUS_PRODUCT, 2)                                                                            \
    X(SCALED, 3)                                                                                   \
    X(CHAIN, 2)                                                                                    \
    X(MINUS_CHAIN, 2)                                                                              \
    X(SCALED_CHAIN, 3)

enum {
#define AGI_TERM(name, words) AGI_TERM_##name,
    AGI_TERM_KINDS(AGI_TERM)
#undef AGI_TERM
    AGI_TERM_COUNT
};

/* A sum of one term, or of two; or what these add to the sum of the step before. */
#define AGI_STEP_ONE(add, kind)                                                                    \
    ((uint32_t)AGI_STEP_SUM + ((add) ? (uint32_t)AGI_TERM_COUNT : 0) + (uint32_t)(kind))
#define AGI_STEP_TWO(add, first, second)                                                           \
    (AGI_STEP_ONE(add, 0) + (1 + (uint32_t)(first)) * 2 * AGI_TERM_COUNT + (uint32_t)(second))

/* Instructions that run one after the other over one block of lanes. */
typedef struct agi_section {
    agi_instruction *instructions;
    uint32_t count, capacity;
    uint32_t slots; /* how many */
    /* With a single lane: numbers from elsewhere are copied into slots behind the others first. */
    uint32_t *steps; /* NULL: the instructions as they are */
    uint32_t steps_count, steps_capacity;
    agi_vector *imports;
    uint32_t imports_count, imports_capacity;
} agi_section;

/* What instructions refer to; a program's, the same for all its sections. */
typedef struct agi_records {
    uint32_t *lists;
    uint32_t lists_count, lists_capacity;
    agi_factors *factors;
    uint32_t factors_count, factors_capacity;
    agi_affine *affine;
    uint32_t affine_count, affine_capacity;
    agi_outer *outer;
    uint32_t outer_count, outer_capacity;
    agi_fold *folds;
    uint32_t folds_count, folds_capacity;
    agi_scan_step *scans;
    uint32_t scans_count, scans_capacity;
    agi_piece *pieces;
    uint32_t pieces_count, pieces_capacity;
    ag_closure *closures;
    uint32_t closures_count, closures_capacity;
    double *numbers;
    uint32_t numbers_count, numbers_capacity;
    char *texts;
    uint32_t texts_count, texts_capacity;
} agi_records;

enum {
    AGI_MOST_LANES = 64, /* of a block */
    AGI_TERMS_FOUND = 16 /* of an AGI_OP_PRODUCTS, that are found once for all vectors */
};

/* Of an AGI_OP_PRODUCTS; NULL where there are none. */
static inline const agi_factors *agi_factors_of(const agi_records *records,
                                                const agi_instruction *products)
{
    return products->terms == 0 ? NULL : records->factors + products->more;
}

struct ag_program {
    agi_memory memory;
    AGI_ATOMIC(uint32_t) owners;
    ag_program_info info;
    agi_records records;
    /* once: a single lane, from shared alone; comparisons that depend on shared alone, too. */
    agi_section once;
    double *constants;
    uint32_t constants_count, constants_capacity;
    float *constants_float; /* the same; agi_round_constants makes them */
    uint32_t *once_slots;   /* once_count: where the once outputs are among the slots of `once` */
    agi_section check;      /* over lanes: the comparisons, before anything is written */
    agi_section body;       /* over lanes: everything else */
    size_t lanes;           /* samples in a block, at most: a multiple of 16, or 1 */
    /* What kernels need beside the slots, at most: so many numbers for each lane, and so many. */
    size_t scratch_lanes, scratch_fixed;
    ag_graph *source;    /* what was compiled, for derivatives */
    ag_value *signature; /* in source: shared, each, sum, map, once */
    char **names;        /* of the same, NULL for none */
    bool plain;          /* as its options said */
    uint32_t states;     /* the last so many map outputs are each inputs: scan_derive.c */
    AGI_ATOMIC(ag_program *) with_states; /* made when first needed: scan_derive.c */
    AGI_ATOMIC(ag_program *) gradient;
    AGI_ATOMIC(ag_program *) by_lanes;
    AGI_ATOMIC(struct agi_native *) native[2]; /* double, float: native.c */
};

/* For what works on a program for a while: memory from where the program has its own. */
static inline agi_memory agi_open_memory_of(const ag_program *program)
{
    const agi_memory memory = {.allocator = program->memory.allocator,
                               .user = program->memory.user};
    return memory;
}

/* ---- Passes ---------------------------------------------------------------------------------- */

/* Each takes the code as the one before left it. AG_OUT_OF_MEMORY, or AG_OK. */

/* lower.c: copies what outputs and comparisons depend on out of the graph, into program->source and
 * code; fills program->signature (null values for inputs that nothing depends on). Errors are the
 * graph's, but for AG_OUT_OF_MEMORY. */
ag_graph *agi_signature_graph(const ag_signature *signature);
ag_status agi_lower(agi_code *code, ag_graph *graph, const ag_signature *signature,
                    ag_program *program);
/* fold.c: gates of constants alone become constants; x * 1, x + 0, chain(g, 1) become x. source is
 * the graph that the code was copied from. */
ag_status agi_fold_constants(agi_code *code, ag_graph *source);
/* unique.c: where a scan has a twin, that takes its place; it is left for its comparisons alone. */
void agi_share_scans(agi_code *code);
/* unique.c: of gates that say the same, one is left. */
ag_status agi_share_gates(agi_code *code);
/* dead.c: gates that nothing depends on go. */
ag_status agi_drop_dead(agi_code *code);
/* logsumexp.c: where a logsumexp's gradient is needed, too, one exp of each operand serves both. */
ag_status agi_share_exponentials(agi_code *code);
/* products.c: add, sub, sum, dot, linear, neg, mul, chain whose results are used once flow
 * together into sums of products. */
ag_status agi_collect_products(agi_code *code);
/* schedule.c: recovers structure and makes instructions. plain: one for each gate. */
ag_status agi_schedule(const agi_code *code, bool plain, ag_program *program);

/* streaks.c: which instructions are one loop over lanes, and how many are with this one; 1: none but
 * itself. */
void agi_find_streaks(const ag_program *program, agi_section *section);

static inline uint32_t agi_count_streak(const agi_instruction *first)
{
    return 1 + first->streak + (first->sum > 0);
}

/* Whether each result of a streak is a product of the one before it, with this operand. */
static inline bool agi_carries(const agi_instruction *first, uint32_t operand)
{
    return first->streak > 0 &&
           (first->op == AGI_mul || (first->op == AGI_chain && operand == 0)) &&
           first[1].x[operand].space == AGI_SLOTS && first[1].x[operand].at == first[0].out;
}

/* single.c: the steps of one of its sections; constants are added to. */
ag_status agi_write_steps(ag_program *program, agi_section *section);

/* program.c: the last step, once there are no more constants to come. */
ag_status agi_round_constants(ag_program *program);

void agi_code_free(agi_code *code);
/* For tests and for reading: one line for each gate. */
ag_status agi_code_print(const agi_code *code, FILE *file);

/* ---- Running --------------------------------------------------------------------------------- */

/* A block of samples at work. Numbers are double or float; the kernels know. */
typedef struct agi_frame {
    const agi_records *records;
    const struct agi_kernels *kernels;
    size_t lanes;  /* slots are so many numbers: count, padded to the kernels' width; or 1 */
    bool by_lanes; /* inside a scan, with lanes > 1: each, map and totals are slots, too */
    size_t count;  /* samples */
    void *slots;   /* aligned to 64 bytes where lanes > 1 */
    const agi_section *imported; /* with a single lane: whose imports are in the slots; or NULL */
    const void *uniform;
    const void *constants;
    const void *shared;
    const void *each; /* count x each_stride: the first sample's */
    size_t each_stride;
    void *map; /* count x map_stride */
    size_t map_stride;
    void *totals;
    /* What SUMS and OUTER do with t, their sum over the block, where `first` is theirs:
     *     scale == 0 && first && !add:  total = t
     *     scale == 0 otherwise:         total += t
     *     scale != 0 (also NaN):        total += scale * t */
    double scale;
    bool add;      /* totals hold those of blocks before this one */
    void *scratch; /* aligned to 64 bytes */
    /* Comparisons that come out differently from what was recorded: the lowest lane (of count), and
     * in it the first instruction. The caller sets failed_lane to SIZE_MAX. */
    size_t failed_lane;
    const char *failed_text; /* "gt(x, #3)" */
    bool failed_outcome;     /* as recorded */
    double failed_operands[2];
} agi_frame;

/* The kernels of one instruction set and number type. */
typedef struct agi_kernels {
    ag_isa isa;
    size_t size;  /* of a number: 8 or 4 */
    size_t width; /* lanes of a vector register: lanes are a multiple, or 1 */
    void (*execute)(const agi_section *section, agi_frame *frame);
    void (*instruction)(const agi_instruction *instruction, agi_frame *frame); /* one of it */
} agi_kernels;

/* scan_run.c: runs an AGI_OP_SCAN over a block; kernels call it. */
void agi_run_scan(const agi_instruction *instruction, agi_frame *frame);
agi_scratch agi_scan_scratch(const agi_scan_step *scan);
/* scan_derive.c: see agi_scan_step; NULL where there is no memory for it. */
ag_program *agi_get_program_by_lanes(ag_program *program);

/* dispatch.c: NULL where the machine or the build has none. */
const agi_kernels *agi_find_kernels(ag_isa isa, size_t size);
/* The instruction set to use where a caller asks for this one: AG_ISA_AUTO is what WENGERT_ISA says,
 * or the best. AG_ISA_AUTO comes back where there is none of that name, or it is not available. */
ag_isa agi_choose_isa(ag_isa asked);

#endif
