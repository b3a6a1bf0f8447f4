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

/* What the sweep reads and writes, passed by value: no pointer to it exists, so it can be in
 * registers. */
typedef struct sweep {
    const uint8_t *gates;
    const agi_operands *operands;
    const ag_real *data;
    ag_real *grad;
    uint32_t leading; /* so many leaves at the beginning */
    uint32_t end;     /* behind the root */
} sweep;

/* From a place called `clean` to the end, gradients are this pass's. Below, no gate has been reached
 * yet, and what is there is left from other passes, but for variables', which add up over passes.
 *
 * Returns the new `clean` for an operand below the present one. Clears more than it has to, so that
 * this is rare: little for small roots, for large ones what the caches hold until the sweep is there.
 */
AGI_COLD static uint32_t clean_down(const sweep s, uint32_t clean, uint32_t operand)
{
    const uint32_t least = 16, most = 1024;
    if (s.gates[operand] <= AGI_CONSTANT)
        return clean; /* nothing to clear: a constant's gradient is never read */
    uint32_t more = s.end - operand;
    more = more < least ? least : more > most ? most : more;
    const uint32_t from = operand - s.leading > more ? operand - more : s.leading;
    for (uint32_t i = from; i < clean; i++) { /* what lies between variables */
        const uint8_t *variable = (const uint8_t *)memchr(s.gates + i, AGI_VARIABLE, clean - i);
        const uint32_t end = variable == NULL ? clean : (uint32_t)(variable - s.gates);
        memset(s.grad + i, 0, (end - i) * sizeof(*s.grad));
        i = end;
    }
    return from;
}

/* Adds a contribution to an operand. Returns `clean`. */
static AGI_INLINE uint32_t contribute(const sweep s, uint32_t clean, uint32_t operand,
                                      ag_real contribution)
{
    if (!AGI_LIKELY(operand < s.leading || operand >= clean))
        clean = clean_down(s, clean, operand);
    s.grad[operand] += contribution;
    return clean;
}

/* Where the gate did not look at the operand, there is nothing to hand on, not even infinity * 0.
 * `taken` is a constant for most gates, and the test disappears. */
#define CONTRIBUTE(operand, local)                                                                 \
    do {                                                                                           \
        bool was_taken = true, *taken = &was_taken;                                                \
        const ag_real product = upstream * (local);                                                \
        (void)taken;                                                                               \
        if (!was_taken)                                                                            \
            break;                                                                                 \
        if (next != NULL && (operand) == below)                                                    \
            *next += product;                                                                      \
        else                                                                                       \
            clean = contribute(s, clean, operand, product);                                        \
    } while (false)

/* A partner's local gradient is x's with the two exchanged. */
#define SPREAD_NONE(name)
#define SPREAD_NUMBERS(name)
#define SPREAD_VALUES(name)                                                                        \
    CONTRIBUTE(terms.index[2 * (size_t)k + 1], dx_##name(w, x, y, k == first, taken));
#define AG_NARY(name, partner, ...)                                                                \
    static uint32_t spread_##name(const ag_graph *graph, const sweep s, uint32_t clean,            \
                                  agi_operands at, ag_real y, ag_real upstream)                    \
    {                                                                                              \
        const agi_terms terms = agi_get_terms(graph, at, AGI_FORM_##partner);                      \
        const uint32_t first = agi_find_largest(s.data, terms), below = AGI_NO_INDEX;              \
        ag_real *const next = NULL;                                                                \
        for (uint32_t k = 0; k < terms.n; k++) {                                                   \
            const uint32_t operand = agi_term(terms, k);                                           \
            const ag_real x = s.data[operand];                                                     \
            const ag_real w = agi_partner(s.data, terms, AGI_FORM_##partner, k);                   \
            CONTRIBUTE(operand, dx_##name(x, w, y, k == first, taken));                            \
            SPREAD_##partner(name)                                                                 \
        }                                                                                          \
        return clean;                                                                              \
    }
#include <wengert/gates.def>

static uint32_t spread_closure(ag_graph *graph, const sweep s, uint32_t clean, uint32_t index,
                               ag_real upstream)
{
    const ag_real *downstream = agi_closure_downstream(graph, index, upstream);
    const agi_list operands = agi_list_operands(graph, index);
    for (uint32_t k = 0; k < operands.n; k++)
        clean = contribute(s, clean, operands.index[k], downstream[k]);
    return clean;
}

/* A scan's own gradient only says that one of its outputs has one. */
static AGI_INLINE uint32_t reach_scan(const sweep s, uint32_t clean, uint32_t scan)
{
    if (scan < clean)
        clean = clean_down(s, clean, scan);
    s.grad[scan] = 1;
    return clean;
}

typedef struct scan_ends {
    sweep s;
    uint32_t clean;
    agi_list operands;
} scan_ends;

static double get_upstream(void *user, uint32_t output)
{
    const scan_ends *ends = (const scan_ends *)user;
    return output < ends->s.end ? (double)ends->s.grad[output] : 0;
}

static void contribute_to_scan(void *user, uint32_t k, double contribution)
{
    scan_ends *ends = (scan_ends *)user;
    ends->clean = contribute(ends->s, ends->clean, ends->operands.index[k], (ag_real)contribution);
}

AGI_COLD static uint32_t spread_scan(ag_graph *graph, const sweep s, uint32_t clean, uint32_t index)
{
    scan_ends ends = {s, clean, agi_list_operands(graph, index)};
    const agi_scan_sweep ways = {&ends, get_upstream, contribute_to_scan};
    agi_scan_at(graph, index)->work->sweep(graph, index, &ways);
    s.grad[index] = 0;
    return ends.clean;
}

/* After contributions in memory. */
static AGI_INLINE void look_again(const sweep s, uint32_t below, ag_real *next)
{
    if (next != NULL)
        *next = s.grad[below];
}

/* Hands a node's gradient on to its operands. Returns `clean`. Where next is not NULL, the gradient of
 * the node below is in *next instead of memory: gates often form chains, which would wait for a store
 * and a load at each link. Inline: the call would cost as much as most gates. */
static AGI_INLINE uint32_t spread(ag_graph *graph, const sweep s, uint32_t clean, uint32_t index,
                                  ag_real upstream, ag_real *next)
{
    const uint32_t below = index - 1;
    const agi_operands at = s.operands[index];
    const ag_real *data = s.data;
    const ag_real y = data[index];
    switch ((agi_gate)s.gates[index]) {
    case AGI_VARIABLE:
    case AGI_CONSTANT:
    case AGI_DETACH:
        break;
    case AGI_CLOSURE:
        clean = spread_closure(graph, s, clean, index, upstream);
        look_again(s, below, next);
        break;
    case AGI_SCAN:
        clean = spread_scan(graph, s, clean, index);
        look_again(s, below, next);
        break;
    case AGI_PROJECT:
        clean = reach_scan(s, clean, at.a);
        look_again(s, below, next);
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
        clean = spread_##name(graph, s, clean, at, y, upstream);                                   \
        look_again(s, below, next);                                                                \
        break;
#define AG_COMPARE(name, ...) case AGI_##name:
#include <wengert/gates.def>
    case AGI_GATE_COUNT:
        break;
    }
    return clean;
}

/* The same for any node. */
AGI_COLD static uint32_t spread_in_memory(ag_graph *graph, const sweep s, uint32_t clean,
                                          uint32_t index, ag_real upstream)
{
    return spread(graph, s, clean, index, upstream, NULL);
}

/* Both sweeps end at the last `clean`, and leave what they have reached with the graph. */
static void sweep_down(ag_graph *graph, const sweep s, uint32_t clean)
{
    for (uint32_t i = s.end; i > clean;) {
        ag_real upstream = s.grad[--i];
        for (; i > clean; i--) { /* so the node below is clean, too */
            ag_real next = s.grad[i - 1];
            /* 0: the node doesn't reach the root, or the zero rule */
            if (upstream != 0)
                clean = spread(graph, s, clean, i, upstream, &next);
            s.grad[i - 1] = upstream = next;
        }
        if (upstream != 0)
            clean = spread_in_memory(graph, s, clean, i, upstream);
    }
    graph->reached_from = clean;
    graph->reached_to = s.end;
}

/* Whether a gate has handed anything on to its k-th operand. */
static bool has_taken(ag_graph *graph, uint32_t index, uint32_t k)
{
    bool taken = true;
    if (graph->gates[index] != AGI_CLOSURE) /* whose callback is not called twice */
        (void)agi_local(graph, index, k, agi_first_largest(graph, index), &taken);
    return taken;
}

/* The same, looking at every gradient on the way. */
static ag_status sweep_down_checking(ag_graph *graph, const sweep s, uint32_t clean)
{
    for (uint32_t i = s.end; i-- > clean;) {
        if (s.grad[i] == 0)
            continue;
        clean = spread_in_memory(graph, s, clean, i, s.grad[i]);
        const agi_list operands = agi_list_operands(graph, i);
        for (uint32_t k = 0; k < operands.n; k++) {
            const uint32_t operand = operands.index[k];
            const uint8_t gate = s.gates[operand];
            const bool carries = gate == AGI_VARIABLE || (gate > AGI_DETACH && operand >= clean);
            if (carries && !isfinite(s.grad[operand]) && has_taken(graph, i, k)) {
                char reason[96], upstream[32] = "";
                if (s.gates[i] != AGI_SCAN) /* which has one for each of its outputs */
                    (void)snprintf(upstream, sizeof(upstream), " (upstream %g)",
                                   agi_readable(s.grad[i]));
                (void)snprintf(reason, sizeof(reason), "gave operand %lu the gradient %g%s",
                               (unsigned long)k + 1, agi_readable(s.grad[operand]), upstream);
                return agi_refuse_node(graph, AG_NOT_FINITE, i, reason);
            }
        }
    }
    graph->reached_from = clean;
    graph->reached_to = s.end;
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
    /* Variables accumulate, so they begin at 0; others are cleared before they are read. */
    for (uint32_t i = had; i < graph->count; i++)
        if (graph->gates[i] <= AGI_CONSTANT)
            graph->grad[i] = 0;
    return AG_OK;
}

/* Returns `clean`. */
static uint32_t begin_sweep(const sweep s, size_t n, const ag_value *roots, const ag_real *upstream)
{
    uint32_t clean = s.end;
    for (size_t i = 0; i < n; i++) /* check mode looks at roots, constants or not */
        if (s.gates[roots[i].index] == AGI_CONSTANT)
            s.grad[roots[i].index] = 0;
    for (size_t i = 0; i < n; i++)
        clean = contribute(s, clean, roots[i].index, upstream[i]);
    return clean;
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
    const uint32_t clean = begin_sweep(s, n, roots, upstream);
    ag_status status = AG_OK;
    for (size_t i = 0; i < n && status == AG_OK; i++)
        if (!isfinite(s.grad[roots[i].index]))
            status = agi_refuse(graph, AG_NOT_FINITE, "ag_backward", 1, &roots[i],
                                "the upstream gradient is not finite");
    if (status == AG_OK)
        status = sweep_down_checking(graph, s, clean);
    if (status != AG_OK) {
        memcpy(graph->grad, before, size);
        graph->reached_to = 0; /* gates' gradients read 0 */
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
    sweep s = {graph->gates, graph->operands, graph->data, graph->grad, graph->leading, 0};
    for (size_t i = 0; i < n; i++)
        if (roots[i].index >= s.end)
            s.end = roots[i].index + 1;
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
    switch ((agi_gate)graph->gates[index]) {
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
    switch ((agi_gate)graph->gates[index]) {
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
