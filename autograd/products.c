/* SPDX-License-Identifier: MIT
 *
 * Sums of products: add, sub, sum, dot and linear, with whatever of that kind, of neg, mul, chain
 * and square is used once and only by them, become one list of factor * p * q. So it does not
 * matter in which order a loop added up, or whether the bias came first or last. What a list that
 * varies over samples has in terms that don't is gathered into a gate of its own, which runs once;
 * products of two varying values come first in a list.
 */
#include "code.h"

#include <math.h>
#include <string.h>

enum {
    GONE = 1,        /* part of another gate's list */
    VARIES = 2,      /* depends on each inputs */
    USE = 4,         /* one of its uses: they are counted from this bit on */
    MANY = 63 * USE, /* uses, as far as is counted; of an output: always */
    /* Of a varying number with a sign or a constant: with more uses it may be in matrices. */
    FEW = 4 * USE
};

typedef struct pending {
    double factor;
    uint32_t node;
} pending;

typedef struct collection {
    agi_code *code;
    uint8_t *flags;
    pending *stack;
    uint32_t depth, stack_capacity;
    uint32_t first; /* of the products of the gate at work */
    bool grew;      /* another gate has become part of it */
} collection;

static inline void add_use(uint8_t *flag)
{
    if (*flag < MANY)
        *flag = (uint8_t)(*flag + USE);
}

static void flag_nodes(agi_code *code, uint8_t *flags)
{
    for (uint32_t i = 0; i < code->count; i++) {
        uint8_t varies = code->ops[i] == AGI_OP_EACH ? VARIES : 0;
        const agi_operand_list operands = agi_list_code(code, i);
        for (uint32_t k = 0; k < operands.n; k++) {
            uint8_t *flag = &flags[*agi_operand(operands, k)];
            varies |= *flag & VARIES;
            add_use(flag);
        }
        flags[i] = varies;
    }
    for (uint32_t i = 0; i < agi_output_count(code); i++)
        flags[code->outputs[i]] |= (uint8_t)MANY;
}

/* Whether a gate, and nothing else, uses it. */
static inline bool is_single(uint8_t flag)
{
    return (flag & MANY) == USE;
}

static ag_status push(collection *c, double factor, uint32_t node)
{
    if (agi_memory_grow(c->code->memory, (void **)&c->stack, sizeof(*c->stack), &c->stack_capacity,
                        (uint64_t)c->depth + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    c->stack[c->depth++] = (pending){factor, node};
    return AG_OK;
}

static ag_status add_product(collection *c, agi_product product)
{
    agi_code *code = c->code;
    if (agi_memory_grow(code->memory, (void **)&code->products, sizeof(*code->products),
                        &code->products_capacity, (uint64_t)code->products_count + 1, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    code->products[code->products_count++] = product;
    return AG_OK;
}

/* A term that is a number; 0 is none, as sums begin with it. */
static ag_status add_number(collection *c, double number)
{
    return number >= 0 && number <= 0
               ? AG_OK
               : add_product(c, (agi_product){number, AGI_NO_INDEX, AGI_NO_INDEX, false});
}

/* Multiplies a constant into *factor, as long as that stays what a float can hold: so where it is
 * multiplied in matters to rounding alone. */
static bool take_constant(const agi_code *code, uint32_t node, double *factor)
{
    if (code->ops[node] != AGI_CONSTANT)
        return false;
    const double product = *factor * code->numbers[code->at[node].a];
    if (!(fabs(product) >= 1e-30 && fabs(product) <= 1e30))
        return false;
    *factor = product;
    return true;
}

/* What a gate multiplies by a constant, which goes into *factor; AGI_NO_INDEX if it is not that. */
static uint32_t find_scaled(const agi_code *code, uint32_t node, double *factor)
{
    const agi_operands at = code->at[node];
    switch (code->ops[node]) {
    case AGI_neg:
        *factor = -*factor;
        return at.a;
    case AGI_mul:
    case AGI_chain: /* of a constant that is not 0, nor infinite */
        return take_constant(code, at.a, factor)   ? at.b
               : take_constant(code, at.b, factor) ? at.a
                                                   : AGI_NO_INDEX;
    default:
        return AGI_NO_INDEX;
    }
}

/* Moves signs and constants of a factor into *factor: of one that is used here alone, or, since a
 * list has room for a constant anyway, that is used in a few places. (Not if those may be rows of a
 * matrix, where the other factor stays what it is from sample to sample.) */
static uint32_t strip(collection *c, uint32_t node, double *factor, bool is_row)
{
    for (;;) {
        uint8_t *flag = &c->flags[node];
        const bool single = is_single(*flag);
        if (!single && (is_row || !(*flag & VARIES) || *flag >= FEW + USE))
            return node;
        const uint32_t inner = find_scaled(c->code, node, factor);
        if (inner == AGI_NO_INDEX)
            return node;
        if (single)
            *flag |= GONE;
        else if (is_single(c->flags[inner])) /* by the gate that stays, and now by this list */
            add_use(&c->flags[inner]);
        c->grew = true;
        node = inner;
    }
}

static bool varies(const collection *c, uint32_t node)
{
    return (c->flags[node] & VARIES) != 0;
}

static ag_status add_pair(collection *c, double factor, uint32_t p, uint32_t q, bool chain)
{
    const bool is_row = varies(c, p) != varies(c, q);
    p = strip(c, p, &factor, is_row);
    q = strip(c, q, &factor, is_row);
    return add_product(c, (agi_product){factor, p, q, chain});
}

/* Pushes the terms of a sum, the last first: the stack hands them out in their order. */
static ag_status push_terms(collection *c, double factor, uint32_t node)
{
    const agi_code *code = c->code;
    const agi_operands at = code->at[node];
    ag_status status = AG_OK;
    switch (code->ops[node]) {
    case AGI_add:
    case AGI_sub:
        status = push(c, code->ops[node] == AGI_sub ? -factor : factor, at.b);
        return status != AG_OK ? status : push(c, factor, at.a);
    case AGI_neg:
        return push(c, -factor, at.a);
    case AGI_sum:
        for (uint32_t k = at.b; k-- > 0 && status == AG_OK;)
            status = push(c, factor, code->pool[at.a + k]);
        return status;
    case AGI_linear: {
        const double *numbers = code->numbers + code->pool[at.a];
        for (uint32_t k = at.b; k-- > 0 && status == AG_OK;)
            status = push(c, factor * numbers[k + 1], code->pool[at.a + 1 + k]);
        return status != AG_OK ? status : add_number(c, factor * numbers[0]);
    }
    default: /* dot */
        for (uint32_t k = 0; k < at.b && status == AG_OK; k++)
            status =
                add_pair(c, factor, code->pool[at.a + 2 * k], code->pool[at.a + 2 * k + 1], false);
        return status;
    }
}

/* The gate itself, taken apart into terms or products. */
static ag_status take_apart(collection *c, double factor, uint32_t node)
{
    const agi_code *code = c->code;
    const agi_operands at = code->at[node];
    double number = factor;
    switch (code->ops[node]) {
    case AGI_mul:
        if (take_constant(code, at.a, &number))
            return push(c, number, at.b);
        if (take_constant(code, at.b, &number))
            return push(c, number, at.a);
        return add_pair(c, factor, at.a, at.b, false);
    case AGI_square:
        return add_product(c, (agi_product){factor, at.a, at.a, false});
    case AGI_chain:
        if (take_constant(code, at.b, &number)) /* which is not 0, nor infinite */
            return push(c, number, at.a);
        if (take_constant(code, at.a, &number))
            return push(c, number, at.b);
        return add_pair(c, factor, at.a, at.b, true);
    default:
        return push_terms(c, factor, node);
    }
}

static bool can_take_apart(uint8_t op)
{
    return op == AGI_add || op == AGI_sub || op == AGI_neg || op == AGI_sum || op == AGI_dot ||
           op == AGI_linear || op == AGI_mul || op == AGI_chain || op == AGI_square;
}

/* Whether a list says more than the gate that it came from. */
static bool is_worthwhile(const collection *c, uint8_t op)
{
    return c->grew || op == AGI_sum || op == AGI_dot || op == AGI_linear;
}

static ag_status collect(collection *c, uint32_t root)
{
    agi_code *code = c->code;
    c->first = code->products_count;
    c->grew = false;
    ag_status status = take_apart(c, 1, root);
    while (status == AG_OK && c->depth > 0) {
        const pending term = c->stack[--c->depth];
        double factor = term.factor;
        if (code->ops[term.node] == AGI_CONSTANT) {
            factor *= code->numbers[code->at[term.node].a];
            status = add_number(c, factor);
        } else if (is_single(c->flags[term.node]) && can_take_apart(code->ops[term.node])) {
            c->flags[term.node] |= GONE;
            c->grew = true;
            status = take_apart(c, factor, term.node);
        } else {
            const uint32_t inner = strip(c, term.node, &factor, false);
            status = add_product(c, (agi_product){factor, inner, AGI_NO_INDEX, false});
        }
    }
    return status;
}

/* A product alone is a gate already; a gate that scales may have a sum below it. */
static bool can_begin(const agi_code *code, uint32_t node)
{
    const uint8_t op = code->ops[node];
    const agi_operands at = code->at[node];
    if (op == AGI_mul)
        return code->ops[at.a] == AGI_CONSTANT || code->ops[at.b] == AGI_CONSTANT;
    return can_take_apart(op) && op != AGI_chain && op != AGI_square;
}

static ag_status collect_all(collection *c)
{
    agi_code *code = c->code;
    for (uint32_t i = code->count; i-- > 0;) {
        if ((c->flags[i] & GONE) || !can_begin(code, i))
            continue;
        const ag_status status = collect(c, i);
        if (status != AG_OK)
            return status;
        if (!is_worthwhile(c, code->ops[i])) {
            code->products_count = c->first; /* and no gate is gone */
            continue;
        }
        const uint32_t count = code->products_count - c->first;
        code->ops[i] = AGI_OP_PRODUCTS;
        code->at[i] = (agi_operands){c->first, count};
    }
    return AG_OK;
}

/* ---- What does not vary ---------------------------------------------------------------------- */

/* How many of a product's factors vary. */
static int count_varying(const collection *c, const agi_product *product)
{
    return (product->p != AGI_NO_INDEX && (c->flags[product->p] & VARIES)) +
           (product->q != AGI_NO_INDEX && (c->flags[product->q] & VARIES));
}

/* Whether the last `fixed` terms of a list, which don't vary, are worth a gate of their own: more
 * than a single input, gate or number. */
static bool is_composed(const agi_code *code, agi_operands at, uint32_t fixed)
{
    const agi_product *last = &code->products[at.a + at.b - 1];
    const bool is_bare =
        last->p == AGI_NO_INDEX || (last->q == AGI_NO_INDEX && agi_is_one(last->factor));
    return fixed > 1 || (fixed == 1 && !is_bare);
}

/* Puts the terms of a list into the order of how many of their factors vary, two to none, and
 * otherwise leaves their order; *fixed of them don't vary at all. */
static ag_status order_terms(collection *c, agi_operands at, uint32_t *fixed)
{
    agi_code *code = c->code;
    agi_product *to = code->products + at.a;
    bool is_ordered = true;
    int last = 2;
    *fixed = 0;
    for (uint32_t t = 0; t < at.b; t++) {
        const int varying = count_varying(c, &to[t]);
        is_ordered = is_ordered && varying <= last;
        *fixed += varying == 0;
        last = varying;
    }
    if (is_ordered)
        return AG_OK;
    agi_product *copy = AGI_NEW_ARRAY(code->memory, at.b, agi_product);
    if (copy == NULL)
        return AG_OUT_OF_MEMORY;
    memcpy(copy, to, at.b * sizeof(*copy));
    for (int varying = 2; varying >= 0; varying--)
        for (uint32_t t = 0; t < at.b; t++)
            if (count_varying(c, &copy[t]) == varying)
                *to++ = copy[t];
    agi_free_array(code->memory, copy, at.b, sizeof(*copy));
    return AG_OK;
}

/* Makes a gate in `next` of the last `fixed` terms of a list, and a list of the others and it. */
static ag_status split_terms(collection *c, agi_code *next, agi_operands *at, uint32_t fixed)
{
    const uint32_t first = c->code->products_count, rest = at->b - fixed;
    if (agi_code_append(next, AGI_OP_PRODUCTS, at->a + rest, fixed) != AG_OK)
        return AG_OUT_OF_MEMORY;
    for (uint32_t t = 0; t < rest; t++)
        if (add_product(c, c->code->products[at->a + t]) != AG_OK)
            return AG_OUT_OF_MEMORY;
    *at = (agi_operands){first, rest + 1};
    return add_product(c, (agi_product){1, next->count - 1, AGI_NO_INDEX, false});
}

/* Copies the gates that are left into a list of their own, with the new gates among them. */
static ag_status rebuild(collection *c, agi_code *next)
{
    agi_code *code = c->code;
    for (uint32_t i = 0; i < code->count; i++) {
        if (c->flags[i] & GONE)
            continue;
        const bool is_list = code->ops[i] == AGI_OP_PRODUCTS && (c->flags[i] & VARIES);
        uint32_t fixed = 0;
        if (is_list && order_terms(c, code->at[i], &fixed) != AG_OK)
            return AG_OUT_OF_MEMORY;
        agi_redirect_operands(code, i);
        agi_operands at = code->at[i];
        if (fixed > 0 && is_composed(code, at, fixed) && split_terms(c, next, &at, fixed) != AG_OK)
            return AG_OUT_OF_MEMORY;
        if (agi_code_append(next, code->ops[i], at.a, at.b) != AG_OK)
            return AG_OUT_OF_MEMORY;
        code->to[i] = next->count - 1;
    }
    return AG_OK;
}

static ag_status replace_nodes(collection *c)
{
    agi_code *code = c->code;
    agi_code next = {.memory = code->memory};
    uint32_t left = 0;
    ag_status status = agi_reserve_to(code);
    for (uint32_t i = 0; i < code->count; i++)
        left += (c->flags[i] & GONE) == 0;
    if (status == AG_OK)
        status = agi_code_reserve(&next, left);
    if (status == AG_OK)
        status = rebuild(c, &next);
    if (status == AG_OK)
        agi_replace_nodes(code, &next);
    agi_code_free(&next);
    return status;
}

ag_status agi_collect_products(agi_code *code)
{
    const uint32_t count = code->count;
    collection c = {.code = code, .flags = AGI_NEW_ARRAY(code->memory, count, uint8_t)};
    if (c.flags == NULL)
        return AG_OUT_OF_MEMORY;
    memset(c.flags, 0, count);
    flag_nodes(code, c.flags);
    ag_status status = collect_all(&c);
    if (status == AG_OK)
        status = replace_nodes(&c);
    agi_memory_release(code->memory, c.stack, c.stack_capacity * sizeof(*c.stack));
    agi_free_array(code->memory, c.flags, count, 1);
    return status;
}
