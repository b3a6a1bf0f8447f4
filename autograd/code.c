/* SPDX-License-Identifier: MIT
 *
 * The list of gates that the passes of the compiler rewrite: its memory, ways to look at it, and a
 * dump for people and tests.
 */
#include "code.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

void *agi_new_array(agi_memory *memory, uint64_t n, size_t element)
{
    const uint64_t some = n > 0 ? n : 1;
    return some > SIZE_MAX / element ? NULL
                                     : agi_memory_resize(memory, NULL, 0, (size_t)some * element);
}

void agi_free_array(agi_memory *memory, void *array, uint64_t n, size_t element)
{
    agi_memory_release(memory, array, (size_t)(n > 0 ? n : 1) * element);
}

ag_status agi_code_reserve(agi_code *code, uint64_t nodes)
{
    if (agi_memory_grow(code->memory, (void **)&code->ops, sizeof(*code->ops), &code->ops_capacity,
                        nodes, AGI_MAX_NODES) ||
        agi_memory_grow(code->memory, (void **)&code->at, sizeof(*code->at), &code->at_capacity,
                        nodes, AGI_MAX_NODES))
        return AG_OUT_OF_MEMORY;
    return AG_OK;
}

ag_status agi_code_append(agi_code *code, uint8_t op, uint32_t a, uint32_t b)
{
    if (agi_code_reserve(code, (uint64_t)code->count + 1) != AG_OK)
        return AG_OUT_OF_MEMORY;
    code->ops[code->count] = op;
    code->at[code->count++] = (agi_operands){a, b};
    return AG_OK;
}

ag_status agi_reserve_to(agi_code *code)
{
    return agi_memory_grow(code->memory, (void **)&code->to, sizeof(*code->to), &code->to_capacity,
                           code->count, UINT32_MAX);
}

void agi_redirect_operands(const agi_code *code, uint32_t node)
{
    const agi_operand_list operands = agi_list_code(code, node);
    for (uint32_t k = 0; k < operands.n; k++) {
        uint32_t *operand = agi_operand(operands, k);
        if (*operand != AGI_NO_INDEX)
            *operand = code->to[*operand];
    }
}

void agi_redirect_ends(agi_code *code)
{
    for (uint32_t i = 0; i < agi_output_count(code); i++)
        code->outputs[i] = code->to[code->outputs[i]];
    for (uint32_t i = 0; i < code->comparisons_count; i++)
        code->comparisons[i].node = code->to[code->comparisons[i].node];
}

void agi_replace_nodes(agi_code *code, agi_code *next)
{
    agi_redirect_ends(code);
    const agi_code old = *code;
    code->ops = next->ops;
    code->at = next->at;
    code->count = next->count;
    code->ops_capacity = next->ops_capacity;
    code->at_capacity = next->at_capacity;
    next->ops = old.ops;
    next->at = old.at;
    next->ops_capacity = old.ops_capacity;
    next->at_capacity = old.at_capacity;
}

void agi_code_free(agi_code *code)
{
    agi_memory *memory = code->memory;
    agi_memory_release(memory, code->ops, code->ops_capacity * sizeof(*code->ops));
    agi_memory_release(memory, code->at, code->at_capacity * sizeof(*code->at));
    agi_memory_release(memory, code->pool, code->pool_capacity * sizeof(*code->pool));
    agi_memory_release(memory, code->numbers, code->numbers_capacity * sizeof(*code->numbers));
    agi_memory_release(memory, code->products, code->products_capacity * sizeof(*code->products));
    agi_memory_release(memory, code->closures, code->closures_capacity * sizeof(*code->closures));
    agi_memory_release(memory, code->scans, code->scans_capacity * sizeof(*code->scans));
    agi_memory_release(memory, code->comparisons,
                       code->comparisons_capacity * sizeof(*code->comparisons));
    agi_memory_release(memory, code->texts, code->texts_capacity);
    agi_memory_release(memory, code->to, code->to_capacity * sizeof(*code->to));
    agi_memory_release(memory, code->outputs,
                       (size_t)agi_output_count(code) * sizeof(*code->outputs));
    *code = (agi_code){.memory = memory};
}

agi_operand_list agi_list_of_products(const agi_code *code, agi_operands at)
{
    enum {
        NUMBERS = sizeof(agi_product) / sizeof(uint32_t), /* a product is so many */
        PLACE = offsetof(agi_product, p) / sizeof(uint32_t)
    };
    static_assert(sizeof(agi_product) % sizeof(uint32_t) == 0 &&
                      offsetof(agi_product, q) - offsetof(agi_product, p) == sizeof(uint32_t),
                  "q follows p");
    if (at.b == 0)
        return (agi_operand_list){NULL, 0, NUMBERS};
    return (agi_operand_list){(uint32_t *)(void *)(code->products + at.a) + PLACE, 2 * at.b,
                              NUMBERS};
}

uint32_t agi_code_operand_count(const agi_code *code, uint32_t node)
{
    return agi_list_code(code, node).n;
}

uint32_t *agi_code_operand(const agi_code *code, uint32_t node, uint32_t k)
{
    return agi_operand(agi_list_code(code, node), k);
}

bool agi_compares_inside(const agi_code *code, uint32_t node)
{
    if (code->ops[node] != AGI_OP_SCAN)
        return false;
    const agi_scan *scan = &code->scans[code->at[node].a];
    return !scan->unchecked && scan->program->info.comparisons > 0;
}

/* ---- For people ------------------------------------------------------------------------------ */

const char *agi_op_name(uint8_t op)
{
    static const char *const names[] = {
        [AGI_OP_SHARED - AGI_GATE_COUNT] = "shared",     [AGI_OP_EACH - AGI_GATE_COUNT] = "each",
        [AGI_OP_PRODUCTS - AGI_GATE_COUNT] = "products", [AGI_OP_SCAN - AGI_GATE_COUNT] = "scan",
        [AGI_OP_PROJECT - AGI_GATE_COUNT] = "project",   [AGI_OP_LOAD - AGI_GATE_COUNT] = "load",
        [AGI_OP_STORE - AGI_GATE_COUNT] = "store",       [AGI_OP_SUMS - AGI_GATE_COUNT] = "sums",
        [AGI_OP_AFFINE - AGI_GATE_COUNT] = "affine",     [AGI_OP_OUTER - AGI_GATE_COUNT] = "outer",
    };
    return op < AGI_GATE_COUNT ? agi_gate_names[op] : names[op - AGI_GATE_COUNT];
}

static void print_products(const agi_code *code, agi_operands at, FILE *file)
{
    for (uint32_t t = 0; t < at.b; t++) {
        const agi_product *product = &code->products[at.a + t];
        const bool alone = product->p == AGI_NO_INDEX;
        (void)fprintf(file, "%s", t == 0 ? " " : " + ");
        if (product->factor < 1 || product->factor > 1 || alone)
            (void)fprintf(file, "%g%s", product->factor, alone ? "" : " ");
        if (!alone)
            (void)fprintf(file, "#%lu", (unsigned long)product->p);
        if (product->q != AGI_NO_INDEX)
            (void)fprintf(file, " %s #%lu", product->chain ? "o" : "*", (unsigned long)product->q);
    }
}

ag_status agi_code_print(const agi_code *code, FILE *file)
{
    for (uint32_t i = 0; i < code->count; i++) {
        const agi_operands at = code->at[i];
        (void)fprintf(file, "#%lu %s", (unsigned long)i, agi_op_name(code->ops[i]));
        if (code->ops[i] == AGI_CONSTANT)
            (void)fprintf(file, " %g", code->numbers[at.a]);
        else if (code->ops[i] == AGI_OP_SHARED || code->ops[i] == AGI_OP_EACH)
            (void)fprintf(file, " %lu", (unsigned long)at.a);
        else if (code->ops[i] == AGI_OP_PRODUCTS)
            print_products(code, at, file);
        else
            for (uint32_t k = 0; k < agi_code_operand_count(code, i); k++)
                (void)fprintf(file, " #%lu", (unsigned long)*agi_code_operand(code, i, k));
        (void)fprintf(file, "\n");
    }
    return ferror(file) ? AG_IO : AG_OK;
}
