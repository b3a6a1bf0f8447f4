/* SPDX-License-Identifier: MIT
 *
 * Local gradients as nodes: a stack machine for the formulas of the gate table, and the formulas
 * themselves.
 */
#include "formula_words.h"

#include <assert.h>
#include <string.h>

enum {
    DEPTH = 16 /* of the stack; the deepest formula takes 5 */
};

/* ---- Constants ------------------------------------------------------------------------------- */

void agi_begin_building(agi_builder *builder, ag_graph *graph)
{
    builder->graph = graph;
    for (size_t i = 0; i < AGI_KEPT_CONSTANTS; i++)
        builder->constants[i].index = AGI_NO_INDEX;
}

static size_t find_place(ag_real number)
{
    uint64_t bits = 0;
    memcpy(&bits, &number, sizeof(number));
    return (size_t)(bits * UINT64_C(0x9E3779B97F4A7C15) >> 58); /* 6 bits: AGI_KEPT_CONSTANTS */
}

static ag_value get_constant(agi_builder *builder, ag_real number)
{
    const size_t place = find_place(number);
    const uint32_t kept = builder->constants[place].index;
    /* bit by bit: -0 is not 0 */
    if (kept != AGI_NO_INDEX &&
        memcmp(&builder->constants[place].number, &number, sizeof(number)) == 0)
        return agi_value(builder->graph, kept);
    const ag_value node = ag_constant(builder->graph, number);
    builder->constants[place].number = number;
    builder->constants[place].index = node.index;
    return node;
}

agi_atom agi_recall_atom(const agi_builder *builder, uint32_t node)
{
    const ag_real number = builder->graph->data[node];
    return builder->constants[find_place(number)].index == node ? agi_number_atom(number)
                                                                : agi_node_atom(node);
}

ag_value agi_get_node(agi_builder *builder, agi_atom atom)
{
    const ag_value node =
        atom.is_number ? get_constant(builder, atom.number) : agi_value(builder->graph, atom.node);
    return atom.negated ? ag_is_equal(node, get_constant(builder, 0)) : node;
}

/* ---- Conditions ------------------------------------------------------------------------------ */

static agi_atom negate(agi_atom condition)
{
    condition.negated = !condition.negated;
    return condition;
}

agi_atom agi_choose(agi_builder *builder, agi_atom condition, agi_atom p, agi_atom q)
{
    if (condition.is_number)
        return (condition.number != 0) != condition.negated ? p : q;
    const ag_value first = agi_get_node(builder, condition.negated ? q : p);
    const ag_value second = agi_get_node(builder, condition.negated ? p : q);
    return agi_node_atom(ag_select(agi_value(builder->graph, condition.node), first, second).index);
}

/* The same where p and q are conditions themselves. */
static agi_atom choose_condition(agi_builder *builder, agi_atom condition, agi_atom p, agi_atom q)
{
    if (p.is_number && q.is_number) {
        const bool first = !agi_is_number(p, 0), second = !agi_is_number(q, 0);
        return first == second ? p : first ? condition : negate(condition);
    }
    return agi_choose(builder, condition, p, q);
}

/* A comparison with a literal 0 needs no gate: a number is a condition as it is. */
static agi_atom build_equal(agi_builder *builder, agi_atom p, agi_atom q)
{
    if (agi_is_number(q, 0))
        return negate(p);
    const ag_value left = agi_get_node(builder, p);
    const ag_value right = agi_get_node(builder, q);
    return agi_node_atom(ag_is_equal(left, right).index);
}

/* ---- The machine ----------------------------------------------------------------------------- */

static bool is_never_taken(agi_partial local)
{
    return agi_is_number(local.taken, 0);
}

static agi_partial build_if(agi_builder *builder, agi_atom condition, agi_partial p, agi_partial q)
{
    agi_partial local = {.is_upstream = false};
    local.taken = choose_condition(builder, condition, p.taken, q.taken);
    local.value = is_never_taken(p)   ? q.value
                  : is_never_taken(q) ? p.value
                                      : agi_choose(builder, condition, p.value, q.value);
    return local;
}

static size_t count_operands(agi_step_kind kind)
{
    switch (kind) {
    case AGI_WORD_END:
    case AGI_WORD_NUMBER:
    case AGI_WORD_LETTER:
    case AGI_WORD_UNTAKEN:
        return 0;
    case AGI_WORD_FIRST:
    case AGI_WORD_UPSTREAM:
    case AGI_WORD_ONE:
    case AGI_WORD_NOT:
        return 1;
    case AGI_WORD_TWO:
    case AGI_WORD_EQUAL:
        return 2;
    case AGI_WORD_IF:
        return 3;
    }
    return 0;
}

/* p are the step's operands. UNTAKEN is a whole side of an IF, or the whole formula, and UPSTREAM the
 * whole formula: no gate has them for an operand. */
static agi_partial take_step(agi_builder *builder, const agi_step *step, const agi_partial *p)
{
    const agi_step_kind kind = step->kind;
    agi_atom value = agi_number_atom(0);
    if (kind == AGI_WORD_IF)
        return build_if(builder, p[0].value, p[1], p[2]);
    for (size_t i = 0; i < count_operands(kind); i++)
        assert(agi_is_number(p[i].taken, 1) && !p[i].is_upstream);
    if (kind == AGI_WORD_NUMBER) {
        value = agi_number_atom(step->number);
    } else if (kind == AGI_WORD_LETTER) {
        value = builder->letters[step->letter];
    } else if (kind == AGI_WORD_FIRST) {
        value = builder->first;
    } else if (kind == AGI_WORD_UPSTREAM) {
        value = p[0].value;
    } else if (kind == AGI_WORD_ONE) {
        value = agi_node_atom(step->one(agi_get_node(builder, p[0].value)).index);
    } else if (kind == AGI_WORD_TWO) {
        const ag_value left = agi_get_node(builder, p[0].value);
        const ag_value right = agi_get_node(builder, p[1].value);
        value = agi_node_atom(step->two(left, right).index);
    } else if (kind == AGI_WORD_EQUAL) {
        value = build_equal(builder, p[0].value, p[1].value);
    } else if (kind == AGI_WORD_NOT) {
        value = negate(p[0].value);
    }
    return (agi_partial){value, agi_number_atom(kind == AGI_WORD_UNTAKEN ? 0 : 1),
                         kind == AGI_WORD_UPSTREAM};
}

agi_partial agi_build(agi_builder *builder, const agi_step *formula)
{
    agi_partial stack[DEPTH];
    size_t depth = 0;
    for (const agi_step *step = formula; step->kind != AGI_WORD_END; step++) {
        depth -= count_operands(step->kind);
        assert(depth < DEPTH);
        stack[depth] = take_step(builder, step, stack + depth);
        depth++;
    }
    assert(depth == 1);
    return stack[0];
}

bool agi_asks_first(const agi_step *formula)
{
    while (formula->kind != AGI_WORD_END && formula->kind != AGI_WORD_FIRST)
        formula++;
    return formula->kind == AGI_WORD_FIRST;
}

/* ---- The formulas ---------------------------------------------------------------------------- */

#define x AGI_WORD_OF_LETTER(X)
#define w AGI_WORD_OF_LETTER(W)
#define a AGI_WORD_OF_LETTER(A)
#define b AGI_WORD_OF_LETTER(B)
#define c AGI_WORD_OF_LETTER(C)
#define y AGI_WORD_OF_LETTER(Y)

/* Whether x is a largest operand (y, the value, is one): NaN counts as larger than any number. */
static const agi_step is_largest[] = {IF(EQ(x, x), EQ(x, y), NUM(1)), AGI_WORD(END)};

void agi_build_first(agi_builder *builder, agi_atom *seen)
{
    const agi_atom largest = agi_build(builder, is_largest).value;
    builder->first = choose_condition(builder, *seen, agi_number_atom(0), largest);
    *seen = choose_condition(builder, largest, agi_number_atom(1), *seen);
}

#define LOCAL(gate, k, ...)                                                                        \
    static const agi_step local_##k##_of_##gate[] = {__VA_ARGS__, AGI_WORD(END)};
#define AG_UNARY(name, value, dx, ...) LOCAL(name, 0, dx)
#define AG_BINARY(name, value, da, db, ...) LOCAL(name, 0, da) LOCAL(name, 1, db)
#define AG_TERNARY(name, value, dc, da, db, ...)                                                   \
    LOCAL(name, 0, dc) LOCAL(name, 1, da) LOCAL(name, 2, db)
#define AG_NARY(name, partner, formula, start, step, end, dx, ...) LOCAL(name, 0, dx)
#include <wengert/gates.def>

/* In the order of agi_gate, without gaps: C++ takes no other. */
const agi_step *const agi_local_formulas[AGI_GATE_COUNT][3] = {
    [AGI_VARIABLE] = {NULL}, [AGI_CONSTANT] = {NULL}, [AGI_DETACH] = {NULL},
    [AGI_CLOSURE] = {NULL},  [AGI_SCAN] = {NULL},     [AGI_PROJECT] = {NULL},
#define AG_UNARY(name, ...) [AGI_##name] = {local_0_of_##name},
#define AG_BINARY(name, ...) [AGI_##name] = {local_0_of_##name, local_1_of_##name},
#define AG_TERNARY(name, ...)                                                                      \
    [AGI_##name] = {local_0_of_##name, local_1_of_##name, local_2_of_##name},
#define AG_NARY(name, ...) [AGI_##name] = {local_0_of_##name},
#define AG_COMPARE(name, ...) [AGI_##name] = {NULL},
#include <wengert/gates.def>
};
