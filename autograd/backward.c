/* SPDX-License-Identifier: MIT
 *
 * The backward pass: upstream times local gradient, from the root to the leaves, in reverse order
 * of creation. Derivatives come from the gate table; none is written here.
 */
#include "engine.h"
#include "numeric.h"
#include "terms.h"

#include <string.h>

/* ---- Local gradients: the table's, as functions ---------------------------------------------- */

#define UNTAKEN (*taken = false, NUM(0))
#define OFFSET (terms.numbers[0])
#define FIRST(operand) is_first

#define AG_UNARY(name, value, dx, ...)                                                             \
    static inline ag_real dx_##name(ag_real x, ag_real y, bool *taken)                             \
    {                                                                                              \
        (void)x, (void)y, (void)taken;                                                             \
        return (dx);                                                                               \
    }
#define LOCAL_OF_TWO(operand, name, local)                                                         \
    static inline ag_real d##operand##_##name(ag_real a, ag_real b, ag_real y, bool *taken)        \
    {                                                                                              \
        (void)a, (void)b, (void)y, (void)taken;                                                    \
        return (local);                                                                            \
    }
#define AG_BINARY(name, value, da, db, ...) LOCAL_OF_TWO(a, name, da) LOCAL_OF_TWO(b, name, db)
#define LOCAL_OF_THREE(operand, name, local)                                                       \
    static inline ag_real d##operand##_##name(ag_real c, ag_real a, ag_real b, ag_real y,          \
                                              bool *taken)                                         \
    {                                                                                              \
        (void)c, (void)a, (void)b, (void)y, (void)taken;                                           \
        return (local);                                                                            \
    }
#define AG_TERNARY(name, value, dc, da, db, ...)                                                   \
    LOCAL_OF_THREE(c, name, dc) LOCAL_OF_THREE(a, name, da) LOCAL_OF_THREE(b, name, db)
#define AG_NARY(name, partner, formula, start, step, end, dx, ...)                                 \
    static inline ag_real dx_##name(ag_real x, ag_real w, ag_real y, bool is_first, bool *taken)   \
    {                                                                                              \
        (void)x, (void)w, (void)y, (void)is_first, (void)taken;                                    \
        return (dx);                                                                               \
    }
#include <wengert/gates.def>

/* ---- The sweep ------------------------------------------------------------------------------- */

/* What the sweep reads and writes. Passed by value: no pointer to it exists, so stores to tags,
 * which are bytes, can't make the compiler load it again. */
typedef struct sweep {
    agi_tag *tags;
    const agi_operands *operands;
    const ag_real *data;
    ag_real *grad;
    uint8_t epoch;
    uint32_t *lowest; /* of the gates that the pass has reached */
} sweep;

/* Adds a contribution to an operand. The first one of a pass finds an old epoch: it replaces what
 * an interior node has left from the pass before, and marks the node as one that reaches the root.
 */
static AGI_INLINE void contribute(const sweep s, uint32_t operand, ag_real contribution)
{
    const agi_tag tag = s.tags[operand];
    if (tag.epoch == s.epoch) {
        s.grad[operand] += contribution;
    } else {
        s.tags[operand] = (agi_tag){tag.gate, s.epoch};
        if (tag.gate > AGI_CONSTANT && operand < *s.lowest)
            *s.lowest = operand;
        s.grad[operand] = tag.gate == AGI_VARIABLE ? s.grad[operand] + contribution : contribution;
    }
}

/* Where the gate did not look at the operand, there is nothing to hand on, not even infinity * 0.
 * `taken` is a constant for most gates, and the test disappears. */
#define CONTRIBUTE(operand, local)                                                                 \
    do {                                                                                           \
        bool was_taken = true, *taken = &was_taken;                                                \
        const ag_real product = upstream * (local);                                                \
        (void)taken;                                                                               \
        if (was_taken)                                                                             \
            contribute(s, operand, product);                                                       \
    } while (false)

/* A partner's local gradient is x's with the two exchanged. */
#define SPREAD_NONE(name)
#define SPREAD_NUMBERS(name)
#define SPREAD_VALUES(name)                                                                        \
    CONTRIBUTE(terms.index[2 * (size_t)k + 1], dx_##name(w, x, y, k == first, taken));
#define AG_NARY(name, partner, ...)                                                                \
    static void spread_##name(const ag_graph *graph, const sweep s, agi_operands at, ag_real y,    \
                              ag_real upstream)                                                    \
    {                                                                                              \
        const agi_terms terms = agi_get_terms(graph, at, AGI_FORM_##partner);                      \
        const uint32_t first = agi_find_largest(s.data, terms);                                    \
        for (uint32_t k = 0; k < terms.n; k++) {                                                   \
            const uint32_t operand = agi_term(terms, k);                                           \
            const ag_real x = s.data[operand];                                                     \
            const ag_real w = agi_partner(s.data, terms, AGI_FORM_##partner, k);                   \
            CONTRIBUTE(operand, dx_##name(x, w, y, k == first, taken));                            \
            SPREAD_##partner(name)                                                                 \
        }                                                                                          \
    }
#include <wengert/gates.def>

static void spread_closure(ag_graph *graph, const sweep s, uint32_t index, ag_real upstream)
{
    const ag_real *downstream = agi_closure_downstream(graph, index, upstream);
    const agi_list operands = agi_list_operands(graph, index);
    for (uint32_t k = 0; k < operands.n; k++)
        contribute(s, operands.index[k], downstream[k]);
}

/* A scan's own gradient only says that one of its outputs has one. */
static AGI_INLINE void reach_scan(const sweep s, uint32_t scan)
{
    s.tags[scan] = (agi_tag){AGI_SCAN, s.epoch};
    s.grad[scan] = 1;
    if (scan < *s.lowest)
        *s.lowest = scan;
}

typedef struct scan_ends {
    sweep s;
    agi_list operands;
} scan_ends;

static double get_upstream(void *user, uint32_t output)
{
    const scan_ends *ends = (const scan_ends *)user;
    return ends->s.tags[output].epoch == ends->s.epoch ? (double)ends->s.grad[output] : 0;
}

static void contribute_to_scan(void *user, uint32_t k, double contribution)
{
    const scan_ends *ends = (const scan_ends *)user;
    contribute(ends->s, ends->operands.index[k], (ag_real)contribution);
}

AGI_COLD static void spread_scan(ag_graph *graph, const sweep s, uint32_t index)
{
    scan_ends ends = {s, agi_list_operands(graph, index)};
    const agi_scan_sweep ways = {&ends, get_upstream, contribute_to_scan};
    agi_scan_at(graph, index)->work->sweep(graph, index, &ways);
    s.grad[index] = 0;
}

/* Hands a node's gradient on to its operands. Inline in each loop: the call would cost as much as
 * most gates. */
static AGI_INLINE void spread(ag_graph *graph, const sweep s, uint32_t index, uint8_t gate,
                              ag_real upstream)
{
    const agi_operands at = s.operands[index];
    const ag_real *data = s.data;
    const ag_real y = data[index];
    switch ((agi_gate)gate) {
    case AGI_VARIABLE:
    case AGI_CONSTANT:
    case AGI_DETACH:
        break;
    case AGI_CLOSURE:
        spread_closure(graph, s, index, upstream);
        break;
    case AGI_SCAN:
        spread_scan(graph, s, index);
        break;
    case AGI_PROJECT:
        reach_scan(s, at.a);
        break;
#define AG_UNARY(name, ...)                                                                        \
    case AGI_##name:                                                                               \
        CONTRIBUTE(at.a, dx_##name(data[at.a], y, taken));                                         \
        break;
#define AG_BINARY(name, ...)                                                                       \
    case AGI_##name: {                                                                             \
        const ag_real a = data[at.a], b = data[at.b];                                              \
        CONTRIBUTE(at.a, da_##name(a, b, y, taken));                                               \
        CONTRIBUTE(at.b, db_##name(a, b, y, taken));                                               \
        break;                                                                                     \
    }
#define AG_TERNARY(name, ...)                                                                      \
    case AGI_##name: {                                                                             \
        const uint32_t *three = graph->pool + at.a;                                                \
        const ag_real c = data[three[0]], a = data[three[1]], b = data[three[2]];                  \
        CONTRIBUTE(three[0], dc_##name(c, a, b, y, taken));                                        \
        CONTRIBUTE(three[1], da_##name(c, a, b, y, taken));                                        \
        CONTRIBUTE(three[2], db_##name(c, a, b, y, taken));                                        \
        break;                                                                                     \
    }
#define AG_NARY(name, ...)                                                                         \
    case AGI_##name:                                                                               \
        spread_##name(graph, s, at, y, upstream);                                                  \
        break;
#define AG_COMPARE(name, ...) case AGI_##name:
#include <wengert/gates.def>
    case AGI_GATE_COUNT:
        break;
    }
}

static void sweep_down(ag_graph *graph, const sweep s, uint32_t top)
{
    for (uint32_t i = top + 1; i-- > *s.lowest;) {
        /* an old epoch: the node doesn't reach the root; upstream 0: the zero rule */
        const agi_tag tag = s.tags[i];
        const ag_real upstream = s.grad[i];
        if (tag.epoch == s.epoch && upstream != 0)
            spread(graph, s, i, tag.gate, upstream);
    }
}

/* The same, looking at every gradient on the way. */
static ag_status sweep_down_checking(ag_graph *graph, const sweep s, uint32_t top)
{
    for (uint32_t i = top + 1; i-- > *s.lowest;) {
        if (s.tags[i].epoch != s.epoch || s.grad[i] == 0)
            continue;
        spread(graph, s, i, s.tags[i].gate, s.grad[i]);
        const agi_list operands = agi_list_operands(graph, i);
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t operand = operands.index[k];
            const agi_tag tag = s.tags[operand];
            const bool carries = tag.gate != AGI_CONSTANT && tag.gate != AGI_DETACH &&
                                 tag.epoch == s.epoch; /* what goes nowhere may be anything */
            if (carries && !isfinite(s.grad[operand])) {
                char reason[96], upstream[32] = "";
                if (s.tags[i].gate != AGI_SCAN) /* which has one for each of its outputs */
                    (void)snprintf(upstream, sizeof(upstream), " (upstream %g)",
                                   agi_readable(s.grad[i]));
                (void)snprintf(reason, sizeof(reason), "gave operand %lu the gradient %g%s",
                               (unsigned long)k + 1, agi_readable(s.grad[operand]), upstream);
                return agi_refuse_node(graph, AG_NOT_FINITE, i, reason);
            }
        }
    }
    return graph->status;
}

/* ---- Passes ---------------------------------------------------------------------------------- */

ag_status agi_reserve_grad(ag_graph *graph, uint32_t count)
{
    const uint32_t had = graph->grad_capacity;
    if (count <= had)
        return AG_OK;
    if (agi_grow(graph, (void **)&graph->grad, sizeof(ag_real), &graph->grad_capacity, count,
                 graph->data_capacity) != AG_OK)
        return agi_fail_memory(graph, "the gradients");
    /* Leaves accumulate, so they begin at 0; interior nodes are set before they are read. */
    for (uint32_t i = had; i < graph->count; i++)
        if (graph->tags[i].gate == AGI_VARIABLE)
            graph->grad[i] = 0;
    return AG_OK;
}

static void begin_epoch(ag_graph *graph)
{
    if (graph->epoch == UINT8_MAX) {
        for (uint32_t i = 0; i < graph->count; i++)
            graph->tags[i].epoch = 0;
        graph->epoch = 0;
    }
    graph->epoch++;
}

static uint32_t begin_sweep(const sweep s, size_t n, const ag_value *roots, const ag_real *upstream)
{
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++) {
        contribute(s, roots[i].index, upstream[i]);
        if (roots[i].index > top)
            top = roots[i].index;
    }
    return top;
}

/* In check mode a copy of the gradients is put back unless all went well. */
static ag_status run_checking(ag_graph *graph, const sweep s, size_t n, const ag_value *roots,
                              const ag_real *upstream)
{
    for (size_t i = 0; i < n; i++)
        if (agi_check_finite(graph, roots[i].index) != AG_OK)
            return graph->status;
    const size_t size = graph->count * sizeof(ag_real);
    ag_real *before = (ag_real *)agi_resize(graph, NULL, 0, size);
    if (before == NULL)
        return agi_fail_memory(graph, "the gradients in check mode");
    memcpy(before, graph->grad, size);
    const uint32_t top = begin_sweep(s, n, roots, upstream);
    ag_status status = AG_OK;
    for (size_t i = 0; i < n && status == AG_OK; i++)
        if (!isfinite(s.grad[roots[i].index]))
            status = agi_refuse(graph, AG_NOT_FINITE, "ag_backward", 1, &roots[i],
                                "the upstream gradient is not finite");
    if (status == AG_OK)
        status = sweep_down_checking(graph, s, top);
    if (status != AG_OK) {
        memcpy(graph->grad, before, size);
        begin_epoch(graph); /* interior gradients read 0 */
    }
    agi_release(graph, before, size);
    return status;
}

ag_status ag_backward_from(size_t n, const ag_value *roots, const ag_real *upstream)
{
    if (n == 0 || roots == NULL || upstream == NULL)
        return AG_INVALID_ARGUMENT;
    ag_graph *graph = roots[0].graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    ag_status status = agi_check_values(graph, "ag_backward", n, roots);
    if (status == AG_OK)
        status = agi_reserve_grad(graph, graph->count);
    if (status == AG_OK && graph->scans_count > 0)
        status = agi_prepare_scans(graph, n, roots);
    if (status != AG_OK)
        return status;
    begin_epoch(graph);
    uint32_t lowest = AGI_NO_INDEX;
    sweep s = {graph->tags, graph->operands, graph->data, graph->grad, graph->epoch, &lowest};
    if (graph->check)
        return run_checking(graph, s, n, roots, upstream);
    sweep_down(graph, s, begin_sweep(s, n, roots, upstream));
    return graph->status;
}

ag_status ag_backward(ag_value root)
{
    const ag_real one = 1;
    return ag_backward_from(1, &root, &one);
}

void ag_zero_grad(ag_graph *graph)
{
    if (graph == NULL || agi_check_values(graph, "ag_zero_grad", 0, NULL) != AG_OK)
        return;
    const uint32_t n = graph->count < graph->grad_capacity ? graph->count : graph->grad_capacity;
    for (uint32_t i = 0; i < n; i++)
        graph->grad[i] = 0;
}

/* ---- One local gradient ---------------------------------------------------------------------- */

uint32_t agi_first_largest(const ag_graph *graph, uint32_t index)
{
    switch ((agi_gate)graph->tags[index].gate) {
#define AG_NARY(name, partner, formula, start, step, end, dx, ...)                                 \
    case AGI_##name:                                                                               \
        if (strstr(#dx, "FIRST") == NULL) /* only those that ask are worth the search */           \
            return 0;                                                                              \
        return agi_find_largest(graph->data,                                                       \
                                agi_get_terms(graph, graph->operands[index], AGI_FORM_##partner));
#include <wengert/gates.def>
    default:
        return 0;
    }
}

ag_real agi_local(ag_graph *graph, uint32_t index, uint32_t k, uint32_t first, bool *taken)
{
    bool dummy;
    if (taken == NULL)
        taken = &dummy;
    *taken = true;
    const ag_real *data = graph->data;
    const agi_operands at = graph->operands[index];
    const ag_real y = data[index];
    switch ((agi_gate)graph->tags[index].gate) {
    case AGI_VARIABLE:
    case AGI_CONSTANT:
        break;
    case AGI_DETACH:
        return 0;
    case AGI_CLOSURE:
        return agi_closure_downstream(graph, index, 1)[k];
    case AGI_SCAN: /* one for each of its outputs */
        break;
    case AGI_PROJECT:
        return 1;
#define AG_UNARY(name, ...)                                                                        \
    case AGI_##name:                                                                               \
        return dx_##name(data[at.a], y, taken);
#define AG_BINARY(name, ...)                                                                       \
    case AGI_##name:                                                                               \
        return k == 0 ? da_##name(data[at.a], data[at.b], y, taken)                                \
                      : db_##name(data[at.a], data[at.b], y, taken);
#define AG_TERNARY(name, ...)                                                                      \
    case AGI_##name: {                                                                             \
        const uint32_t *three = graph->pool + at.a;                                                \
        const ag_real c = data[three[0]], a = data[three[1]], b = data[three[2]];                  \
        return k == 0   ? dc_##name(c, a, b, y, taken)                                             \
               : k == 1 ? da_##name(c, a, b, y, taken)                                             \
                        : db_##name(c, a, b, y, taken);                                            \
    }
#define AG_NARY(name, partner, ...)                                                                \
    case AGI_##name: {                                                                             \
        const agi_terms terms = agi_get_terms(graph, at, AGI_FORM_##partner);                      \
        const uint32_t term = k / terms.stride;                                                    \
        const bool is_first = term == first;                                                       \
        const ag_real x = data[agi_term(terms, term)];                                             \
        const ag_real w = agi_partner(data, terms, AGI_FORM_##partner, term);                      \
        return k % terms.stride == 0 ? dx_##name(x, w, y, is_first, taken)                         \
                                     : dx_##name(w, x, y, is_first, taken);                        \
    }
#define AG_COMPARE(name, ...) case AGI_##name:
#include <wengert/gates.def>
        return 0;
    case AGI_GATE_COUNT:
        break;
    }
    return NUM(NAN);
}
