/* SPDX-License-Identifier: MIT
 *
 * The forward pass: every gate of the table as a function that records a node and computes its
 * value at once, and the same values again for nodes that are there already (ag_forward).
 */
#include "engine.h"
#include "numeric.h"
#include "terms.h"

#include <string.h>

#define UNTAKEN NUM(0)

/* ---- Recording ------------------------------------------------------------------------------- */

/* The graph that keeps the error: the first that an operand has. */
static ag_graph *find_graph(size_t n, const ag_value *operands)
{
    for (size_t i = 0; i < n && operands != NULL; i++)
        if (operands[i].graph != NULL)
            return operands[i].graph;
    return NULL;
}

/* Appends a gate whose operands are in place: in the node, or at the end of the pool and of the
 * numbers, which then take them. A node of a paused graph keeps its value only; comparisons stay
 * what they are, since the caller's next step depends on them. */
static ag_value append_evaluated(ag_graph *graph, agi_gate gate, agi_operands at, uint32_t operands,
                                 uint32_t numbers)
{
    const ag_value node = agi_append(graph, gate, at.a, at.b, 0);
    graph->data[node.index] = agi_evaluate(graph, node.index);
    if (graph->paused > 0 && agi_gate_forms[gate] != AGI_FORM_COMPARE) {
        graph->gates[node.index] = AGI_CONSTANT;
        graph->operands[node.index] = (agi_operands){0, 0};
    } else {
        graph->pool_count += operands;
        graph->numbers_count += numbers;
    }
    return node;
}

/* What the fast path of a gate of n <= 2 operands leaves out: errors, growth, pauses. */
static AGI_COLD ag_value record_slowly(agi_gate gate, size_t n, ag_value left, ag_value right)
{
    const ag_value operands[] = {left, right};
    ag_graph *graph = find_graph(n, operands);
    if (graph == NULL || agi_check_values(graph, agi_gate_names[gate], n, operands) != AG_OK ||
        agi_make_room(graph, agi_gate_names[gate], n, operands) != AG_OK)
        return agi_null_value(graph);
    return append_evaluated(graph, gate, (agi_operands){left.index, n == 2 ? right.index : 0}, 0,
                            0);
}

/* The limit of a graph that is paused, busy or has an error is 0. */
static inline bool is_ready(const ag_graph *graph)
{
    return graph->count < graph->limit;
}

#define RECORD_UNARY(gate, value)                                                                  \
    ag_graph *graph = operand.graph;                                                               \
    if (!AGI_LIKELY(graph != NULL && agi_is_surely_live(graph, operand) && is_ready(graph)))       \
        return record_slowly(gate, 1, operand, operand);                                           \
    const ag_real x = graph->data[operand.index];                                                  \
    const ag_real y = (value);                                                                     \
    return agi_append(graph, gate, operand.index, 0, y);

#define RECORD_BINARY(gate, value, result)                                                         \
    ag_graph *graph = left.graph;                                                                  \
    if (!AGI_LIKELY(graph != NULL && agi_is_surely_live(graph, left) &&                            \
                    agi_is_surely_live(graph, right) && is_ready(graph))) {                        \
        const ag_value node = record_slowly(gate, 2, left, right);                                 \
        return result;                                                                             \
    }                                                                                              \
    const ag_real a = graph->data[left.index], b = graph->data[right.index];                       \
    const ag_real y = (value);                                                                     \
    const ag_value node = agi_append(graph, gate, left.index, right.index, y);                     \
    return result;

#define AG_UNARY(name, value, ...)                                                                 \
    ag_value ag_##name(ag_value operand)                                                           \
    {                                                                                              \
        RECORD_UNARY(AGI_##name, value)                                                            \
    }
#define AG_BINARY(name, value, ...)                                                                \
    static inline ag_real value_##name(ag_real a, ag_real b)                                       \
    {                                                                                              \
        return (value);                                                                            \
    }                                                                                              \
    ag_value ag_##name(ag_value left, ag_value right)                                              \
    {                                                                                              \
        RECORD_BINARY(AGI_##name, value_##name(a, b), node)                                        \
    }
#define AG_COMPARE(name, value, ...)                                                               \
    bool ag_##name(ag_value left, ag_value right)                                                  \
    {                                                                                              \
        RECORD_BINARY(AGI_##name, (value) ? NUM(1) : NUM(0), was_true(node))                       \
    }

/* The outcome of a comparison's node, false for a null value. */
static inline bool was_true(ag_value node)
{
    return !ag_is_null(node) && node.graph->data[node.index] != 0;
}

#include <wengert/gates.def>

ag_value ag_detach(ag_value operand)
{
    RECORD_UNARY(AGI_DETACH, x)
}

/* ---- Three operands and more ----------------------------------------------------------------- */

#define AG_NARY(name, partner, formula, start, step, end, ...)                                     \
    static ag_real fold_##name(const ag_graph *graph, agi_operands at)                             \
    {                                                                                              \
        const ag_real *data = graph->data;                                                         \
        const agi_terms terms = agi_get_terms(graph, at, AGI_FORM_##partner);                      \
        const uint32_t first = agi_find_largest(data, terms);                                      \
        const ag_real M = data[agi_term(terms, first)];                                            \
        ag_real s = (start);                                                                       \
        for (uint32_t k = 0; k < terms.n; k++) {                                                   \
            const ag_real x = data[agi_term(terms, k)];                                            \
            const ag_real w = agi_partner(data, terms, AGI_FORM_##partner, k);                     \
            (void)x, (void)w;                                                                      \
            s = (step);                                                                            \
        }                                                                                          \
        (void)M;                                                                                   \
        return (end);                                                                              \
    }
#define OFFSET (terms.numbers[0])
#define FIRST(x) (k == first)
#include <wengert/gates.def>

/* Room for a node and its operand list. */
static bool reserve(ag_graph *graph, agi_gate gate, size_t n, const ag_value *x, uint64_t operands,
                    uint64_t numbers)
{
    if (agi_make_room(graph, agi_gate_names[gate], n, x) != AG_OK)
        return false;
    if (agi_grow(graph, (void **)&graph->pool, sizeof(uint32_t), &graph->pool_capacity,
                 graph->pool_count + operands, UINT32_MAX) ||
        agi_grow(graph, (void **)&graph->numbers, sizeof(ag_real), &graph->numbers_capacity,
                 graph->numbers_count + numbers, UINT32_MAX)) {
        agi_fail_memory(graph, agi_gate_names[gate]);
        return false;
    }
    return true;
}

static bool are_live(const ag_graph *graph, size_t n, const ag_value *values)
{
    bool live = true;
    for (size_t i = 0; i < n; i++)
        live = live && agi_is_live(graph, values[i]);
    return live;
}

/* Arguments of a gate over n terms: x, and the partners that its form asks for, NULL otherwise. */
typedef struct given {
    size_t n;
    const ag_value *x;
    const ag_value *w;      /* AGI_FORM_VALUES */
    const ag_real *numbers; /* AGI_FORM_NUMBERS */
    ag_real offset;
} given;

static bool check_given(ag_graph *graph, agi_gate gate, agi_form form, const given *g)
{
    const char *name = agi_gate_names[gate];
    const bool has_all = g->x != NULL && (form != AGI_FORM_VALUES || g->w != NULL) &&
                         (form != AGI_FORM_NUMBERS || g->numbers != NULL);
    if (!has_all) {
        agi_refuse(graph, AG_INVALID_ARGUMENT, name, 0, NULL, "an array is NULL");
        return false;
    }
    if (g->n > UINT32_MAX / 4) {
        agi_refuse(graph, AG_TOO_LARGE, name, g->n, g->x, "too many operands");
        return false;
    }
    const size_t partners = form == AGI_FORM_VALUES ? g->n : 0;
    if (AGI_LIKELY(graph->limit > 0 && are_live(graph, g->n, g->x) &&
                   are_live(graph, partners, g->w)))
        return true;
    return agi_check_values(graph, name, g->n, g->x) == AG_OK &&
           agi_check_values(graph, name, partners, g->w) == AG_OK;
}

/* Writes operands behind the pool's, and numbers behind the others, where there is room. */
static AGI_INLINE void write_terms(ag_graph *graph, agi_form form, const given *g)
{
    uint32_t *pool = graph->pool + graph->pool_count;
    if (form == AGI_FORM_NUMBERS) {
        ag_real *to = graph->numbers + graph->numbers_count;
        *pool++ = graph->numbers_count;
        *to++ = g->offset;
        for (size_t i = 0; i < g->n; i++)
            to[i] = g->numbers[i];
    }
    const uint32_t stride = form == AGI_FORM_VALUES ? 2 : 1;
    for (size_t i = 0; i < g->n; i++) {
        pool[i * stride] = g->x[i].index;
        if (form == AGI_FORM_VALUES)
            pool[i * stride + 1] = g->w[i].index;
    }
}

static AGI_COLD ag_value record_terms_slowly(agi_gate gate, given g)
{
    const agi_form form = (agi_form)agi_gate_forms[gate];
    ag_graph *graph = find_graph(g.n, g.x);
    if (graph == NULL)
        graph = find_graph(g.n, g.w);
    if (graph == NULL || !check_given(graph, gate, form, &g))
        return agi_null_value(graph);
    const uint32_t n = (uint32_t)g.n;
    const uint32_t operands = agi_pooled_count(form, n);
    const uint32_t numbers = form == AGI_FORM_NUMBERS ? n + 1 : 0;
    if (!reserve(graph, gate, g.n, g.x, operands, numbers))
        return agi_null_value(graph);
    write_terms(graph, form, &g);
    return append_evaluated(graph, gate, (agi_operands){graph->pool_count, n}, operands, numbers);
}

static inline bool are_surely_live(const ag_graph *graph, size_t n, const ag_value *values)
{
    for (size_t i = 0; i < n; i++)
        if (!AGI_LIKELY(agi_is_surely_live(graph, values[i])))
            return false;
    return true;
}

/* Inline in each gate, whose form and fold are constants. What can't be done at once is for the slow
 * way. */
static AGI_INLINE ag_value record_terms(agi_gate gate, agi_form form,
                                        ag_real fold(const ag_graph *, agi_operands), given g)
{
    const bool has_w = form == AGI_FORM_VALUES, has_numbers = form == AGI_FORM_NUMBERS;
    ag_graph *graph = g.n > 0 && g.n <= UINT32_MAX / 4 && g.x != NULL ? g.x[0].graph : NULL;
    if (graph == NULL || !is_ready(graph) || (has_w && g.w == NULL) ||
        (has_numbers && g.numbers == NULL))
        return record_terms_slowly(gate, g);
    const uint32_t n = (uint32_t)g.n, operands = agi_pooled_count(form, n);
    const uint32_t numbers = has_numbers ? n + 1 : 0;
    if (operands > graph->pool_capacity - graph->pool_count ||
        numbers > graph->numbers_capacity - graph->numbers_count ||
        !are_surely_live(graph, n, g.x) || (has_w && !are_surely_live(graph, n, g.w)))
        return record_terms_slowly(gate, g);
    const agi_operands at = {graph->pool_count, n};
    write_terms(graph, form, &g);
    graph->pool_count += operands;
    graph->numbers_count += numbers;
    return agi_append(graph, gate, at.a, at.b, fold(graph, at));
}

#define AG_NARY(name, partner, ...) RECORD_##partner(name)
#define RECORD_NONE(name)                                                                          \
    ag_value ag_##name(size_t n, const ag_value *x)                                                \
    {                                                                                              \
        return record_terms(AGI_##name, AGI_FORM_NONE, fold_##name, (given){.n = n, .x = x});      \
    }
#define RECORD_VALUES(name)                                                                        \
    ag_value ag_##name(size_t n, const ag_value *x, const ag_value *w)                             \
    {                                                                                              \
        return record_terms(AGI_##name, AGI_FORM_VALUES, fold_##name,                              \
                            (given){.n = n, .x = x, .w = w});                                      \
    }
#define RECORD_NUMBERS(name)                                                                       \
    ag_value ag_##name(size_t n, const ag_real *w, const ag_value *x, ag_real offset)              \
    {                                                                                              \
        return record_terms(AGI_##name, AGI_FORM_NUMBERS, fold_##name,                             \
                            (given){n, x, NULL, w, offset});                                       \
    }
#include <wengert/gates.def>

static ag_value record_three(agi_gate gate, const ag_value operands[3])
{
    ag_graph *graph = find_graph(3, operands);
    if (graph == NULL || agi_check_values(graph, agi_gate_names[gate], 3, operands) != AG_OK ||
        !reserve(graph, gate, 3, operands, 3, 0))
        return agi_null_value(graph);
    for (int i = 0; i < 3; i++)
        graph->pool[graph->pool_count + (uint32_t)i] = operands[i].index;
    return append_evaluated(graph, gate, (agi_operands){graph->pool_count, 3}, 3, 0);
}

#define AG_TERNARY(name, ...)                                                                      \
    ag_value ag_##name(ag_value c, ag_value a, ag_value b)                                         \
    {                                                                                              \
        const ag_value operands[] = {c, a, b};                                                     \
        return record_three(AGI_##name, operands);                                                 \
    }
#include <wengert/gates.def>

/* ---- Plain numbers for operands -------------------------------------------------------------- */

/* The number's node and the gate's, at once where there is room for both. */
static AGI_INLINE ag_value with_number(agi_gate gate, ag_real value(ag_real, ag_real),
                                       const char *what, ag_value x, ag_real number)
{
    ag_graph *graph = x.graph;
    if (AGI_LIKELY(graph != NULL && agi_is_surely_live(graph, x) && is_ready(graph) &&
                   graph->limit - graph->count > 1)) {
        const uint32_t constant = agi_append(graph, AGI_CONSTANT, 0, 0, number).index;
        return agi_append(graph, gate, x.index, constant, value(graph->data[x.index], number));
    }
    if (graph == NULL || agi_check_values(graph, what, 1, &x) != AG_OK)
        return agi_null_value(graph);
    return record_slowly(gate, 2, x, ag_constant(graph, number));
}

ag_value ag_scale(ag_value x, ag_real factor)
{
    return with_number(AGI_mul, value_mul, "scale", x, factor);
}

ag_value ag_shift(ag_value x, ag_real offset)
{
    return with_number(AGI_add, value_add, "shift", x, offset);
}

ag_value ag_pow_int(ag_value x, int exponent)
{
    if (x.graph != NULL && (double)(ag_real)exponent != (double)exponent) {
        agi_refuse(x.graph, AG_TOO_LARGE, "pow_int", 1, &x,
                   "the exponent has more digits than a float");
        return agi_null_value(x.graph);
    }
    return with_number(AGI_pow, value_pow, "pow_int", x, (ag_real)exponent);
}

/* ---- Evaluating again ------------------------------------------------------------------------ */

ag_real agi_evaluate(ag_graph *graph, uint32_t index)
{
    const ag_real *data = graph->data;
    const agi_operands at = graph->operands[index];
    switch ((agi_gate)graph->gates[index]) {
    case AGI_VARIABLE:
    case AGI_CONSTANT:
        return data[index];
    case AGI_DETACH:
        return data[at.a];
    case AGI_CLOSURE:
        return agi_evaluate_closure(graph, index);
    case AGI_SCAN:
        return 0;
    case AGI_PROJECT: /* its scan has set it */
        return data[index];
#define AG_UNARY(name, value, ...)                                                                 \
    case AGI_##name: {                                                                             \
        const ag_real x = data[at.a];                                                              \
        return (value);                                                                            \
    }
#define AG_BINARY(name, ...)                                                                       \
    case AGI_##name:                                                                               \
        return value_##name(data[at.a], data[at.b]);
#define AG_TERNARY(name, value, ...)                                                               \
    case AGI_##name: {                                                                             \
        const uint32_t *three = graph->pool + at.a;                                                \
        const ag_real c = data[three[0]], a = data[three[1]], b = data[three[2]];                  \
        return (value);                                                                            \
    }
#define AG_NARY(name, ...)                                                                         \
    case AGI_##name:                                                                               \
        return fold_##name(graph, at);
#define AG_COMPARE(name, value, ...)                                                               \
    case AGI_##name: {                                                                             \
        const ag_real a = data[at.a], b = data[at.b];                                              \
        return (value) ? NUM(1) : NUM(0);                                                          \
    }
#include <wengert/gates.def>
    case AGI_GATE_COUNT:
        break;
    }
    return NUM(NAN);
}
