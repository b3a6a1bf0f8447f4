/* SPDX-License-Identifier: MIT
 *
 * What the engine's files share: the graph's insides, its memory, its errors, and ways to walk it.
 * Private; the public interface is wengert/autograd.h.
 */
#ifndef WENGERT_ENGINE_H
#define WENGERT_ENGINE_H

#include <wengert/autograd.h>

#if defined(__GNUC__)
#define AGI_PRINTF(at, first) __attribute__((format(printf, at, first)))
#define AGI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define AGI_COLD __attribute__((cold, noinline))
#define AGI_INLINE inline __attribute__((always_inline))
#else
#define AGI_PRINTF(at, first)
#define AGI_LIKELY(condition) (condition)
#define AGI_COLD
#define AGI_INLINE inline
#endif

static inline size_t agi_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

/* Leaves and gates beside the table come first, then the table's lines in their order. */
typedef enum agi_gate {
    AGI_VARIABLE,
    AGI_CONSTANT,
    AGI_DETACH,
    AGI_CLOSURE,
    AGI_SCAN,
    AGI_PROJECT,
#define AG_UNARY(name, ...) AGI_##name,
#define AG_BINARY(name, ...) AGI_##name,
#define AG_TERNARY(name, ...) AGI_##name,
#define AG_NARY(name, ...) AGI_##name,
#define AG_COMPARE(name, ...) AGI_##name,
#include <wengert/gates.def>
    AGI_GATE_COUNT
} agi_gate;

/* How a gate's operands are stored. */
typedef enum agi_form {
    AGI_FORM_LEAF,    /* no operands */
    AGI_FORM_UNARY,   /* operands.a */
    AGI_FORM_BINARY,  /* operands.a, operands.b */
    AGI_FORM_TERNARY, /* pool[a], pool[a + 1], pool[a + 2] */
    AGI_FORM_NONE,    /* b terms in the pool from a on: x ... */
    AGI_FORM_VALUES,  /* b terms: x, w, x, w, ... */
    AGI_FORM_NUMBERS, /* pool[a]: where the plain numbers (offset, w ...) begin; b terms after it: x
                         ... */
    AGI_FORM_CLOSURE, /* pool[a]: which closure; b operands after it */
    AGI_FORM_COMPARE, /* operands.a, operands.b; data is the recorded outcome */
    AGI_FORM_SCAN,    /* pool[a]: which of the scans; b operands after it: shared, state, inputs of
                         step 0, of step 1, ... Its outputs are the nodes behind it */
    AGI_FORM_PROJECT, /* operands.a: the scan; operands.b: which of its outputs, in this order: final
                         state, outputs of step 0, of step 1, ..., totals, once */
} agi_form;

/* Indexed by agi_gate; names of closures are their own. */
extern const char *const agi_gate_names[AGI_GATE_COUNT];
extern const uint8_t agi_gate_forms[AGI_GATE_COUNT];

typedef struct agi_operands {
    uint32_t a, b;
} agi_operands;

typedef struct agi_applied {
    ag_closure closure;
    uint32_t node;
} agi_applied;

/* A program as a gate: a scan, or a call, which is a scan of one step without a state. */
typedef struct agi_scanned {
    struct ag_program *program;       /* retained */
    const struct agi_scan_work *work; /* see below */
    size_t steps;
    uint32_t state_count;
    uint32_t output_count;
    uint32_t node;
    uint32_t states; /* node of a scan of the same operands that gives the state before each step,
                        too; AGI_NO_INDEX where there is none */
    bool unchecked;  /* comparisons are those of another scan, which is checked */
} agi_scanned;

/* One entry for each rewind that still matters: handles of a generation before `generation` are
 * good only below `low`. Both members grow along the array. */
typedef struct agi_rewind {
    uint32_t generation;
    uint32_t low;
} agi_rewind;

/* A named stretch of nodes. Scopes stand in the order of their beginnings, so that one comes after
 * those it is in. */
typedef struct agi_scope {
    uint32_t begin, end; /* nodes; end is AGI_NO_INDEX while it is open */
    uint32_t parent;     /* the scope it is in; AGI_NO_INDEX: none */
    uint32_t depth;      /* begins that had no end yet, its own included */
    uint32_t name;       /* where it begins in scope_names */
} agi_scope;

typedef struct agi_names agi_names;
typedef struct agi_arena agi_arena;

/* Where a graph's (a program's, a workspace's) memory comes from. */
typedef struct agi_memory {
    ag_allocator allocator; /* NULL: the C library's */
    void *user;
    agi_arena *arena; /* in the caller's buffer; NULL without one */
    size_t bytes;     /* held now */
} agi_memory;

#define AGI_NO_INDEX UINT32_MAX
#define AGI_MAX_NODES (UINT32_MAX - 1)

struct ag_graph {
    /* What recording a gate touches. */
    uint8_t *gates; /* of agi_gate */
    agi_operands *operands;
    ag_real *data;
    uint32_t count;
    uint32_t limit; /* room in the arrays; 0 sends every gate the slow way: error, pause, busy */
    uint32_t generation;  /* of the nodes made now; a rewind begins a new one */
    uint32_t floor;       /* no rewind ever went below: here every handle is good */
    uint32_t newest_low;  /* of the last rewind: here handles from this generation on are good */
    uint32_t newest_from; /* that of the rewind before it which still matters */
    uint32_t leading;     /* so many nodes at the beginning are leaves: walks end there */

    uint32_t gates_capacity, operands_capacity, data_capacity;
    uint32_t max_nodes;
    ag_real *grad; /* NULL before the first backward */
    uint32_t grad_capacity;
    uint32_t reached_from, reached_to; /* here gates' gradients are the last pass's; elsewhere 0 */
    uint8_t mark_epoch;                /* of the last walk */
    uint8_t *marks;                    /* nodes that the last walk reached; NULL before the first */
    uint32_t marks_capacity;

    uint32_t *pool; /* operands of gates with three or more */
    uint32_t pool_count, pool_capacity;
    ag_real *numbers; /* offsets and coefficients of linear */
    uint32_t numbers_count, numbers_capacity;
    ag_real *scratch; /* operands and contributions of a closure at work */
    uint32_t scratch_capacity;
    agi_applied *applied;
    uint32_t applied_count, applied_capacity;
    agi_scanned *scans;
    uint32_t scans_count, scans_capacity;
    void *scan_memory; /* of a scan at work */
    size_t scan_memory_size;
    agi_rewind *rewinds;
    uint32_t rewinds_count, rewinds_capacity;
    agi_names *names;
    agi_scope *scopes;
    uint32_t scopes_count, scopes_capacity;
    char *scope_names;
    uint32_t scope_names_count, scope_names_capacity;
    uint32_t scope;       /* the innermost open one; AGI_NO_INDEX: none */
    uint32_t scope_depth; /* begins without an end, those that failed included */

    uint32_t paused; /* depth */
    bool busy;       /* a closure's callback is running */
    bool check;

    agi_memory memory;

    ag_status status;
    char message[sizeof(((ag_error_details *)0)->message)];
};

/* ---- memory.c -------------------------------------------------------------------------------- */

/* The only way to memory. resize takes and gives aligned blocks; NULL where there is no memory, with
 * the old block as it was; no error is set. release takes NULL, too. */
void *agi_memory_resize(agi_memory *memory, void *pointer, size_t old_size, size_t new_size);
void agi_memory_release(agi_memory *memory, void *pointer, size_t size);

/* Makes an array hold at least `needed` elements by growing it geometrically, at most to `max`.
 * AG_OUT_OF_MEMORY leaves it as it was; no error is set. */
ag_status agi_memory_grow(agi_memory *memory, void **array, size_t element, uint32_t *capacity,
                          uint64_t needed, uint32_t max);

static inline void *agi_resize(ag_graph *graph, void *pointer, size_t old_size, size_t new_size)
{
    return agi_memory_resize(&graph->memory, pointer, old_size, new_size);
}

static inline void agi_release(ag_graph *graph, void *pointer, size_t size)
{
    agi_memory_release(&graph->memory, pointer, size);
}

static inline ag_status agi_grow(ag_graph *graph, void **array, size_t element, uint32_t *capacity,
                                 uint64_t needed, uint32_t max)
{
    return agi_memory_grow(&graph->memory, array, element, capacity, needed, max);
}

/* ---- status.c -------------------------------------------------------------------------------- */

/* Keeps the error if it is the graph's first, and closes the graph to gates. Returns `status`. Small
 * C libraries know no %zu, and would take the next argument for it. */
ag_status agi_fail(ag_graph *graph, ag_status status, const char *format, ...) AGI_PRINTF(3, 4);
/* "out of memory" in doing what. Returns AG_OUT_OF_MEMORY. */
ag_status agi_fail_memory(ag_graph *graph, const char *what);
void agi_set_details(ag_error_details *details, ag_status status, const char *format, ...)
    AGI_PRINTF(3, 4);
/* A number for printf, which would show the sign of a NaN. */
double agi_readable(ag_real number);
/* Writes "x = 2", "#12 = 2" for a value without a name, "null", or what else is wrong with the
 * handle. Returns text. */
const char *agi_describe(const ag_graph *graph, ag_value x, char *text, size_t size);
/* Sets the error "gate(operands): reason". */
ag_status agi_refuse(ag_graph *graph, ag_status status, const char *gate, size_t n,
                     const ag_value *operands, const char *reason);
/* Sets limit to what the graph's state asks for. */
void agi_update_limit(ag_graph *graph);

/* ---- graph.c --------------------------------------------------------------------------------- */

/* Whether a handle into this graph from before the newest generation is still good. */
bool agi_survives(const ag_graph *graph, uint32_t index, uint32_t generation);

/* Enough for nearly every handle, in a few instructions; false says nothing. */
static inline bool agi_is_surely_live(const ag_graph *graph, ag_value x)
{
    return x.graph == graph && x.index < graph->count &&
           (x.index < graph->floor || x.generation == graph->generation ||
            (x.index < graph->newest_low &&
             x.generation - graph->newest_from <= graph->generation - graph->newest_from));
}

static inline bool agi_is_live(const ag_graph *graph, ag_value x)
{
    return agi_is_surely_live(graph, x) || (x.graph == graph && x.index < graph->count &&
                                            agi_survives(graph, x.index, x.generation));
}

static inline ag_value agi_null_value(ag_graph *graph)
{
    return (ag_value){graph, AGI_NO_INDEX, AGI_NO_INDEX};
}

/* The handle of a node that exists. */
static inline ag_value agi_value(ag_graph *graph, uint32_t index)
{
    return (ag_value){graph, index, graph->generation};
}

/* AG_OK if the graph can be worked on and the n values are good values of it; else sets and returns
 * the error, which names `what`. */
ag_status agi_check_values(ag_graph *graph, const char *what, size_t n, const ag_value *values);

/* Room for one node more; where there is none, sets the error, which names `what` and operands. */
ag_status agi_make_room(ag_graph *graph, const char *what, size_t n, const ag_value *operands);
/* The same for many. */
ag_status agi_make_room_for(ag_graph *graph, uint64_t nodes, const char *what, size_t n,
                            const ag_value *operands);

/* Appends a node, for which there is room. */
static inline ag_value agi_append(ag_graph *graph, agi_gate gate, uint32_t a, uint32_t b, ag_real y)
{
    const uint32_t index = graph->count++;
    graph->gates[index] = (uint8_t)gate;
    graph->operands[index] = (agi_operands){a, b};
    graph->data[index] = y;
    return (ag_value){graph, index, graph->generation};
}

/* ---- names.c --------------------------------------------------------------------------------- */

const char *agi_name_of(const ag_graph *graph, uint32_t index);
/* Drops the names of nodes from `count` on. */
void agi_drop_names(ag_graph *graph, uint32_t count);

/* ---- scope.c --------------------------------------------------------------------------------- */

/* Puts scopes back to what they were at the mark. */
void agi_rewind_scopes(ag_graph *graph, const ag_mark *mark);

/* ---- gates.c, closure.c ---------------------------------------------------------------------- */

/* The value of node `index` from its operands' data: again what the gate computed when it was made.
 * Not for leaves. A comparison gives its outcome, 1 or 0. */
ag_real agi_evaluate(ag_graph *graph, uint32_t index);
ag_real agi_evaluate_closure(ag_graph *graph, uint32_t index);
/* downstream gradients of a closure's node, in the graph's scratch: as many as it has operands */
const ag_real *agi_closure_downstream(ag_graph *graph, uint32_t index, ag_real upstream);
/* The same as nodes, by the closure's derive: x are the operands, downstream comes as null values,
 * which are 0. Sets the error where there is no derive or it fails. */
ag_status agi_derive_closure(ag_graph *graph, uint32_t index, const ag_value *x, ag_value upstream,
                             ag_value *downstream);
void agi_drop_closures(ag_graph *graph, uint32_t count);

/* ---- scan.c ---------------------------------------------------------------------------------- */

/* A comparison that came out differently in a step, the first of them. */
typedef struct agi_branch {
    const char *text; /* "gt(x, #3)"; NULL: there is none */
    bool outcome;     /* as recorded */
    double operands[2];
    size_t step; /* SIZE_MAX: before the first */
} agi_branch;

static inline agi_scanned *agi_scan_at(const ag_graph *graph, uint32_t node)
{
    return graph->scans + graph->pool[graph->operands[node].a];
}

/* Whether forward has to look at comparisons inside. */
bool agi_has_comparisons(const agi_scanned *scan);
/* Sets the message of an AG_BRANCH, and returns that. */
ag_status agi_report_branch(ag_graph *graph, uint32_t node, const agi_branch *branch);
void agi_drop_scans(ag_graph *graph, uint32_t count);

/* Gradients of a scan. */
typedef struct agi_scan_sweep {
    void *user;
    double (*upstream)(void *user, uint32_t output);                 /* node of an output */
    void (*contribute)(void *user, uint32_t k, double contribution); /* to the k-th operand */
} agi_scan_sweep;

/* What graphs do with scans. They find it at the scan alone, so that a linker leaves programs out of
 * an executable that makes no scans. */
typedef struct agi_scan_work {
    /* Runs the steps, along the recorded path, and sets the data of the nodes behind `node`.
     * AG_BRANCH only in *branch; an error is the graph's. */
    ag_status (*evaluate)(ag_graph *graph, uint32_t node, agi_branch *branch);
    /* What sweep takes: the program of the gradient, and memory; an error is the graph's. */
    ag_status (*prepare)(ag_graph *graph, uint32_t node);
    void (*sweep)(ag_graph *graph, uint32_t node, const agi_scan_sweep *sweep);
    void (*release)(struct ag_program *program);
} agi_scan_work;

/* Prepares every scan that gradients of the roots reach. */
ag_status agi_prepare_scans(ag_graph *graph, size_t n, const ag_value *roots);

/* The same as nodes. upstream: AGI_NO_INDEX is 0. */
typedef struct agi_scan_pass {
    void *user;
    uint32_t (*upstream)(void *user, uint32_t output);
    void (*contribute)(void *user, uint32_t operand, uint32_t contribution);
    uint32_t (*zero)(void *user); /* a constant */
} agi_scan_pass;

ag_status agi_derive_scan(ag_graph *graph, uint32_t node, const agi_scan_pass *pass);

/* ---- backward.c ------------------------------------------------------------------------------ */

/* Room for gradients of nodes below `count`; sets the error where there is none. */
ag_status agi_reserve_grad(ag_graph *graph, uint32_t count);
/* The k-th local gradient of node `index`; *taken (if not NULL) tells whether the gate looked at
 * that operand. `first` is agi_first_largest's answer for the node, asked once for all operands. */
ag_real agi_local(ag_graph *graph, uint32_t index, uint32_t k, uint32_t first, bool *taken);
/* Which term of a gate over any number of them is the first of the largest; 0 for other gates. */
uint32_t agi_first_largest(const ag_graph *graph, uint32_t index);

/* ---- derive.c -------------------------------------------------------------------------------- */

/* Vector-Jacobian product as nodes: out[j] (n) = sum over the m roots of upstreams[i] * d roots[i] /
 * d wrt[j]. All are good values of the graph, which has no error and is not paused. upstreams may be
 * NULL, and one may be null: 1. out may be wrt, roots or upstreams. On an error, which the graph has,
 * out are null values, and what was half made stays: the caller rewinds. */
ag_status agi_vjp(ag_graph *graph, size_t m, const ag_value *roots, const ag_value *upstreams,
                  size_t n, const ag_value *wrt, ag_value *out);

/* ---- walk.c ---------------------------------------------------------------------------------- */

/* The operands of a node as one list: n of them. A dot's are x, w, x, w, ... */
typedef struct agi_list {
    const uint32_t *index;
    uint32_t n;
} agi_list;

agi_list agi_list_operands(const ag_graph *graph, uint32_t index);

/* Marks the nodes that reach root: graph->marks[i] == graph->mark_epoch. With `comparisons`, also
 * the comparisons made before root (scans with comparisons inside, too) and what they depend on;
 * with `taken`, only along operands that gates looked at; with `gradient`, only along operands that
 * get one. */
typedef enum agi_walk {
    AGI_WALK_ALL,
    AGI_WALK_COMPARISONS,
    AGI_WALK_TAKEN,
    AGI_WALK_GRADIENT,
} agi_walk;

/* Room for marks of nodes below `count`; sets the error where there is none. */
ag_status agi_reserve_marks(ag_graph *graph, uint32_t count);
ag_status agi_mark_reaching(ag_graph *graph, uint32_t root, agi_walk walk);
/* The nodes that reach any of n >= 1 roots. */
ag_status agi_mark_reaching_any(ag_graph *graph, size_t n, const ag_value *roots, agi_walk walk);

/* In check mode's sense: AG_NOT_FINITE, and the error that names where it began, if a value that is
 * not finite reaches root through operands that gates looked at. */
ag_status agi_check_finite(ag_graph *graph, uint32_t root);
/* agi_refuse for a node and its operands. */
ag_status agi_refuse_node(ag_graph *graph, ag_status status, uint32_t index, const char *reason);

static inline bool agi_is_marked(const ag_graph *graph, uint32_t index)
{
    return graph->marks[index] == graph->mark_epoch;
}

#endif
