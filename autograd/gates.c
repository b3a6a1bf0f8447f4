/* SPDX-License-Identifier: MIT
 *
 * The forward pass: every gate of the table as a function that records a node and computes its
 * value at once, and the same values again for nodes that are there already (ag_forward).
 */
#include "engine.h"
#include "numeric.h"
#include "terms.h"

#define UNTAKEN NUM(0)

/* ---- Recording ------------------------------------------------------------------------------- */

/* The graph that keeps the error: the first that an operand has. */
static ag_graph *find_graph(size_t n, const ag_value *operands)
{
    for (size_t i = 0; i < n; i++)
        if (operands[i].graph != NULL)
            return operands[i].graph;
    return NULL;
}

/* What the fast path of a gate leaves out: errors and growth. Returns whether there is room now for
 * a node with these operands. */
static AGI_COLD bool admit(ag_graph *graph, agi_gate gate, size_t n, const ag_value *operands)
{
    return graph != NULL && agi_check_values(graph, agi_gate_names[gate], n, operands) == AG_OK &&
           agi_make_room(graph) == AG_OK;
}

/* A node of a paused graph keeps its number only. Comparisons stay what they are: the caller's next
 * step depends on them. */
static AGI_COLD ag_value append_slowly(ag_graph *graph, agi_gate gate, uint32_t a, uint32_t b,
                                       ag_real y)
{
    if (graph->paused > 0 && agi_gate_forms[gate] != AGI_FORM_COMPARE)
        return agi_append(graph, AGI_CONSTANT, 0, 0, y);
    return agi_append(graph, gate, a, b, y);
}

/* The limit of a graph that is paused, busy or has an error is 0. */
static inline bool is_ready(const ag_graph *graph)
{
    return graph->count < graph->limit;
}

#define RECORD_UNARY(gate, value)                                                                  \
    {                                                                                              \
        ag_graph *graph = operand.graph;                                                           \
        const bool fast = graph != NULL && agi_is_live(graph, operand) && is_ready(graph);         \
        if (!AGI_LIKELY(fast) && !admit(graph, gate, 1, &operand))                                 \
            return agi_null_value(graph);                                                          \
        const ag_real x = graph->data[operand.index];                                              \
        const ag_real y = (value);                                                                 \
        if (AGI_LIKELY(fast))                                                                      \
            return agi_append(graph, gate, operand.index, 0, y);                                   \
        return append_slowly(graph, gate, operand.index, 0, y);                                    \
    }

#define RECORD_BINARY(gate, value, result, failure)                                                \
    {                                                                                              \
        ag_graph *graph = left.graph;                                                              \
        const bool fast = graph != NULL && agi_is_live(graph, left) &&                             \
                          agi_is_live(graph, right) && is_ready(graph);                            \
        if (!AGI_LIKELY(fast)) {                                                                   \
            const ag_value operands[] = {left, right};                                             \
            graph = find_graph(2, operands);                                                       \
            if (!admit(graph, gate, 2, operands))                                                  \
                return failure;                                                                    \
        }                                                                                          \
        const ag_real a = graph->data[left.index], b = graph->data[right.index];                   \
        const ag_real y = (value);                                                                 \
        const ag_value node = AGI_LIKELY(fast)                                                     \
                                  ? agi_append(graph, gate, left.index, right.index, y)            \
                                  : append_slowly(graph, gate, left.index, right.index, y);        \
        (void)node;                                                                                \
        return result;                                                                             \
    }

#define AG_UNARY(name, value, ...)                                                                 \
    ag_value ag_##name(ag_value operand) RECORD_UNARY(AGI_##name, value)
#define AG_BINARY(name, value, ...)                                                                \
    ag_value ag_##name(ag_value left, ag_value right)                                              \
        RECORD_BINARY(AGI_##name, value, node, agi_null_value(graph))
#define AG_COMPARE(name, value, ...)                                                               \
    bool ag_##name(ag_value left, ag_value right)                                                  \
        RECORD_BINARY(AGI_##name, (value) ? NUM(1) : NUM(0), y != 0, false)
#include <wengert/gates.def>

ag_value ag_detach(ag_value operand) RECORD_UNARY(AGI_DETACH, x)

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
    static bool reserve(ag_graph *graph, agi_gate gate, uint64_t operands, uint64_t numbers)
{
    if (agi_make_room(graph) != AG_OK)
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

/* Appends a gate whose operands are at the end of the pool, and the numbers at the end of theirs;
 * or, in a paused graph, its value alone. */
static ag_value append_pooled(ag_graph *graph, agi_gate gate, uint32_t n, uint32_t operands,
                              uint32_t numbers)
{
    const uint32_t at = graph->pool_count;
    const ag_value node = agi_append(graph, gate, at, n, 0);
    const ag_real y = agi_evaluate(graph, node.index);
    if (graph->paused > 0) {
        graph->tags[node.index].gate = AGI_CONSTANT;
        graph->operands[node.index] = (agi_operands){0, 0};
    } else {
        graph->pool_count += operands;
        graph->numbers_count += numbers;
    }
    graph->data[node.index] = y;
    return node;
}

/* x has n values; w has n values, or is NULL; numbers has n plain numbers, or is NULL. */
static ag_value record_terms(agi_gate gate, size_t n, const ag_value *x, const ag_value *w,
                             const ag_real *numbers, ag_real offset)
{
    const agi_form form = (agi_form)agi_gate_forms[gate];
    ag_graph *graph = x == NULL ? NULL : find_graph(n, x);
    if (graph == NULL)
        return agi_null_value(NULL);
    const bool fast = graph->limit > 0 && are_live(graph, n, x) &&
                      (form != AGI_FORM_VALUES || (w != NULL && are_live(graph, n, w)));
    if (!AGI_LIKELY(fast)) {
        if (agi_check_values(graph, agi_gate_names[gate], n, x) != AG_OK)
            return agi_null_value(graph);
        if ((form == AGI_FORM_VALUES && w == NULL) ||
            (form == AGI_FORM_NUMBERS && numbers == NULL)) {
            agi_refuse(graph, AG_INVALID_ARGUMENT, agi_gate_names[gate], n, x,
                       "the second array is NULL");
            return agi_null_value(graph);
        }
        if (form == AGI_FORM_VALUES && agi_check_values(graph, agi_gate_names[gate], n, w) != AG_OK)
            return agi_null_value(graph);
    } else if (form == AGI_FORM_NUMBERS && numbers == NULL) {
        agi_refuse(graph, AG_INVALID_ARGUMENT, agi_gate_names[gate], n, x,
                   "the array of coefficients is NULL");
        return agi_null_value(graph);
    }
    if (n > UINT32_MAX / 4) {
        agi_refuse(graph, AG_TOO_LARGE, agi_gate_names[gate], n, x, "too many operands");
        return agi_null_value(graph);
    }
    const uint32_t operands = agi_pooled_count(form, (uint32_t)n);
    const uint32_t number_count = form == AGI_FORM_NUMBERS ? (uint32_t)n + 1 : 0;
    if (!reserve(graph, gate, operands, number_count))
        return agi_null_value(graph);
    uint32_t *pool = graph->pool + graph->pool_count;
    if (form == AGI_FORM_VALUES) {
        for (size_t i = 0; i < n; i++) {
            pool[2 * i] = x[i].index;
            pool[2 * i + 1] = w[i].index;
        }
    } else {
        if (form == AGI_FORM_NUMBERS) {
            ag_real *to = graph->numbers + graph->numbers_count;
            *pool++ = graph->numbers_count;
            to[0] = offset;
            for (size_t i = 0; i < n; i++)
                to[i + 1] = numbers[i];
        }
        for (size_t i = 0; i < n; i++)
            pool[i] = x[i].index;
    }
    return append_pooled(graph, gate, (uint32_t)n, operands, number_count);
}

#define AG_NARY(name, partner, ...) RECORD_##partner(name)
#define RECORD_NONE(name)                                                                          \
    ag_value ag_##name(size_t n, const ag_value *x)                                                \
    {                                                                                              \
        return record_terms(AGI_##name, n, x, NULL, NULL, 0);                                      \
    }
#define RECORD_VALUES(name)                                                                        \
    ag_value ag_##name(size_t n, const ag_value *x, const ag_value *w)                             \
    {                                                                                              \
        return record_terms(AGI_##name, n, x, w, NULL, 0);                                         \
    }
#define RECORD_NUMBERS(name)                                                                       \
    ag_value ag_##name(size_t n, const ag_real *w, const ag_value *x, ag_real offset)              \
    {                                                                                              \
        return record_terms(AGI_##name, n, x, NULL, w, offset);                                    \
    }
#include <wengert/gates.def>

static ag_value record_three(agi_gate gate, const ag_value operands[3])
{
    ag_graph *graph = find_graph(3, operands);
    if (!admit(graph, gate, 3, operands) || !reserve(graph, gate, 3, 0))
        return agi_null_value(graph);
    for (int i = 0; i < 3; i++)
        graph->pool[graph->pool_count + (uint32_t)i] = operands[i].index;
    return append_pooled(graph, gate, 3, 3, 0);
}

#define AG_TERNARY(name, ...)                                                                      \
    ag_value ag_##name(ag_value c, ag_value a, ag_value b)                                         \
    {                                                                                              \
        return record_three(AGI_##name, (const ag_value[]){c, a, b});                              \
    }
#include <wengert/gates.def>

/* ---- Plain numbers for operands -------------------------------------------------------------- */

static ag_value with_number(ag_value gate(ag_value, ag_value), const char *what, ag_value x,
                            ag_real number)
{
    if (x.graph == NULL || agi_check_values(x.graph, what, 1, &x) != AG_OK)
        return agi_null_value(x.graph);
    return gate(x, ag_constant(x.graph, number));
}

ag_value ag_scale(ag_value x, ag_real factor)
{
    return with_number(ag_mul, "scale", x, factor);
}

ag_value ag_shift(ag_value x, ag_real offset)
{
    return with_number(ag_add, "shift", x, offset);
}

ag_value ag_pow_int(ag_value x, int exponent)
{
    return with_number(ag_pow, "pow_int", x, (ag_real)exponent);
}

/* ---- Evaluating again ------------------------------------------------------------------------ */

ag_real agi_evaluate(ag_graph *graph, uint32_t index)
{
    const ag_real *data = graph->data;
    const agi_operands at = graph->operands[index];
    switch ((agi_gate)graph->tags[index].gate) {
    case AGI_VARIABLE:
    case AGI_CONSTANT:
        return data[index];
    case AGI_DETACH:
        return data[at.a];
    case AGI_CLOSURE:
        return agi_evaluate_closure(graph, index);
#define AG_UNARY(name, value, ...)                                                                 \
    case AGI_##name: {                                                                             \
        const ag_real x = data[at.a];                                                              \
        return (value);                                                                            \
    }
#define AG_BINARY(name, value, ...)                                                                \
    case AGI_##name: {                                                                             \
        const ag_real a = data[at.a], b = data[at.b];                                              \
        return (value);                                                                            \
    }
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
