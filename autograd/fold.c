/* SPDX-License-Identifier: MIT
 *
 * Gates whose operands are declared constants become constants; x * 1, x - 0, chain(g, 1) and the
 * like become x. What was recorded is never taken for constant: a variable that happened to be 0
 * stays a variable. Where an infinity, NaN or the sign of a zero would tell the difference, nothing
 * is simplified: x * 0 stays, and of the zeros only x + -0 and x - 0 go.
 */
#include "code.h"

#include <math.h>

static bool is_constant(const agi_code *code, uint32_t node)
{
    return code->ops[node] == AGI_CONSTANT;
}

static bool is_number(const agi_code *code, uint32_t node, double number)
{
    return is_constant(code, node) && !(code->numbers[code->at[node].a] < number) &&
           !(code->numbers[code->at[node].a] > number) &&
           code->numbers[code->at[node].a] == code->numbers[code->at[node].a];
}

/* Adding 0 to -0 gives 0; only -0 changes nothing. */
static bool is_zero(const agi_code *code, uint32_t node, bool is_negative)
{
    return is_number(code, node, 0) && !signbit(code->numbers[code->at[node].a]) == !is_negative;
}

/* Evaluates with the constants' present values: what was recorded may be older. */
static ag_status fold(agi_code *code, ag_graph *source, uint32_t node)
{
    if (agi_memory_grow(code->memory, (void **)&code->numbers, sizeof(*code->numbers),
                        &code->numbers_capacity, (uint64_t)code->numbers_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    source->data[node] = agi_evaluate(source, node);
    code->ops[node] = AGI_CONSTANT;
    code->at[node] = (agi_operands){code->numbers_count, 0};
    code->numbers[code->numbers_count++] = (double)source->data[node];
    return AG_OK;
}

/* Whether a gate gives the same whatever the inputs are. The power 0 is 1, of NaN, too. */
static bool is_known(const agi_code *code, uint32_t node)
{
    const agi_operand_list operands = agi_list_code(code, node);
    if (code->ops[node] == AGI_pow && is_number(code, code->at[node].b, 0))
        return true;
    for (uint32_t k = 0; k < operands.n; k++)
        if (!is_constant(code, *agi_operand(operands, k)))
            return false;
    return operands.n > 0;
}

static uint32_t simplify_power(agi_code *code, uint32_t node, agi_operands at)
{
    if (is_number(code, at.b, 1))
        return at.a;
    if (is_number(code, at.b, 2)) {
        code->ops[node] = AGI_square;
        code->at[node].b = 0;
    } else if (is_number(code, at.b, -1)) {
        code->ops[node] = AGI_reciprocal;
        code->at[node].b = 0;
    }
    return node;
}

/* The node that says the same as this one. */
static uint32_t simplify(agi_code *code, uint32_t node)
{
    const agi_operands at = code->at[node];
    switch (code->ops[node]) {
    case AGI_DETACH:
        return at.a;
    case AGI_add:
        return is_zero(code, at.a, true) ? at.b : is_zero(code, at.b, true) ? at.a : node;
    case AGI_sub:
        return is_zero(code, at.b, false) ? at.a : node;
    case AGI_mul:
        return is_number(code, at.a, 1) ? at.b : is_number(code, at.b, 1) ? at.a : node;
    case AGI_div:
        return is_number(code, at.b, 1) ? at.a : node;
    case AGI_chain:
        if (is_number(code, at.a, 1))
            return at.b;
        if (is_number(code, at.b, 1) || is_number(code, at.a, 0))
            return at.a;
        return node;
    case AGI_couple:
        if (is_number(code, at.a, 1) || is_number(code, at.b, 0))
            return at.b;
        return is_number(code, at.b, 1) || is_number(code, at.a, 0) ? at.a : node;
    case AGI_neg:
        return code->ops[at.a] == AGI_neg ? code->at[at.a].a : node;
    case AGI_sum:
        return at.b == 1 ? code->pool[at.a] : node;
    case AGI_pow:
        return simplify_power(code, node, at);
    case AGI_select: {
        const uint32_t *three = code->pool + at.a;
        if (!is_constant(code, three[0]))
            return node;
        return is_number(code, three[0], 0) ? three[2] : three[1];
    }
    default:
        return node;
    }
}

/* Constant closures and scans stay: nobody says that they give the same again. */
static bool is_pure(uint8_t op)
{
    return op < AGI_GATE_COUNT && op != AGI_CLOSURE && agi_gate_forms[op] != AGI_FORM_COMPARE;
}

ag_status agi_fold_constants(agi_code *code, ag_graph *source)
{
    if (agi_reserve_to(code) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < code->count; i++) {
        agi_redirect_operands(code, i);
        code->to[i] = i;
        if (!is_pure(code->ops[i]))
            continue;
        if (is_known(code, i) && fold(code, source, i) != AG_OK)
            return AG_OUT_OF_MEMORY;
        code->to[i] = simplify(code, i);
        source->data[i] = source->data[code->to[i]]; /* what uses it is evaluated from there */
    }
    agi_redirect_ends(code);
    return AG_OK;
}
