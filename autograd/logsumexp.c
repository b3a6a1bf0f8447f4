/* SPDX-License-Identifier: MIT
 *
 * The gradient of y = logsumexp(x1, x2, ...), or a softmax that somebody has recorded with it, has an
 * exp(x - y) for each x, and y has computed one for each x already. Where (nearly) all of them are
 * there, all comes from one:
 *
 *     M = max_of(x1, x2, ...)      e = exp(x - M)
 *     s = sum of all e but M's     y = M + log1p(s)     exp(x - y) = e / (1 + s)
 *
 * s is not a sum of all less 1: next to 1, small ones would be lost, and they are what a small loss
 * is. So each e comes with l = is_less(x, M), and n - 1 - sum(l) is how many others are as large as M.
 *
 *     s = relu(n - 1 - sum(l)) + relu(sum chain(l, e))
 *
 * (Neither is below 0: relu keeps the sums apart, or they would be added up in one, in another
 * order.) Where M is infinite, e is NaN where x is M, as exp(x - y) was, and 0 elsewhere; chain leaves
 * NaN out, so that y = M. If some x is NaN, so are M and all others.
 *
 * Where x is z - max_of(z1, z2, ...), as of a loss that has shifted its logits, M is 0, unless the
 * largest z is infinite or NaN and so are M and y; then no x is y but where x - y is 0, and the
 * gradient need not look.
 */
#include "code.h"

#include <string.h>

enum {
    /* Operands from which on that pays, over lanes by a seventh and more; with a single one the
     * interpreter loses less than a tenth up to some 60 operands, and gains from there on. */
    LEAST = 16,
    LEAST_SHIFTED = 3
};

/* In an exp's list: it is replaced already. */
#define REPLACED (AGI_NO_INDEX - 1)
#define REPLACED_SHIFTED (AGI_NO_INDEX - 2)

typedef struct sharing {
    agi_code *code, next;
    /* For each node. Of a logsumexp, the first exp(x - y) of it, of such an exp, the next of its
     * kind, or AGI_NO_INDEX; of an x, its place in the last list it was seen in. */
    uint32_t *list, *place;
} sharing;

/* ---- What is there --------------------------------------------------------------------------- */

static bool is_exp_of_difference(const agi_code *code, uint32_t node)
{
    return code->ops[node] == AGI_exp && code->ops[code->at[node].a] == AGI_sub &&
           code->ops[code->at[code->at[node].a].b] == AGI_logsumexp;
}

static void list_exponentials(const sharing *s)
{
    const agi_code *code = s->code;
    for (uint32_t i = 0; i < code->count; i++)
        s->list[i] = AGI_NO_INDEX;
    for (uint32_t i = code->count; i-- > 0;) {
        if (!is_exp_of_difference(code, i))
            continue;
        const uint32_t y = code->at[code->at[i].a].b;
        s->list[i] = s->list[y];
        s->list[y] = i;
    }
}

/* Whether y's operands are z - max_of(z1, z2, ...). Whatever they use is a node of next already. */
static bool is_shifted(const sharing *s, uint32_t y)
{
    const agi_code *code = s->code, *next = &s->next;
    const agi_operands at = code->at[y];
    const uint32_t *x = code->pool + at.a;
    if (at.b == 0 || code->ops[x[0]] != AGI_sub)
        return false;
    const uint32_t largest = code->at[x[0]].b;
    if (next->ops[largest] != AGI_max_of || next->at[largest].b != at.b)
        return false;
    const uint32_t *z = code->pool + next->at[largest].a;
    for (uint32_t k = 0; k < at.b; k++)
        if (code->ops[x[k]] != AGI_sub || code->at[x[k]].a != z[k] || code->at[x[k]].b != largest)
            return false;
    return true;
}

/* Keeps in y's list what is exp(x - y) of its own operands x, and says whether that is enough. */
static bool is_worthwhile(const sharing *s, uint32_t y, bool shifted)
{
    const agi_code *code = s->code;
    const agi_operands at = code->at[y];
    if (at.b < (shifted ? LEAST_SHIFTED : LEAST) || s->list[y] == AGI_NO_INDEX)
        return false;
    for (uint32_t k = 0; k < at.b; k++)
        s->place[code->pool[at.a + k]] = k;
    uint32_t *link = &s->list[y], found = 0;
    for (uint32_t i = *link; i != AGI_NO_INDEX; i = s->list[i]) {
        const uint32_t x = code->at[code->at[i].a].a, k = s->place[x];
        if (k >= at.b || code->pool[at.a + k] != x)
            continue;
        found++;
        *link = i;
        link = &s->list[i];
    }
    *link = AGI_NO_INDEX;
    return found >= at.b - at.b / 4;
}

/* ---- What comes instead ---------------------------------------------------------------------- */

/* Room for what comes instead of a gate over n operands. */
static ag_status reserve(sharing *s, uint32_t n)
{
    agi_code *code = s->code;
    if (agi_code_reserve(&s->next, (uint64_t)s->next.count + UINT64_C(5) * n + 16) ||
        agi_memory_grow(code->memory, (void **)&code->pool, sizeof(*code->pool),
                        &code->pool_capacity, (uint64_t)code->pool_count + UINT64_C(2) * n,
                        UINT32_MAX) ||
        agi_memory_grow(code->memory, (void **)&code->numbers, sizeof(*code->numbers),
                        &code->numbers_capacity, (uint64_t)code->numbers_count + 3, UINT32_MAX))
        return AG_OUT_OF_MEMORY;
    return AG_OK;
}

/* There is room. */
static uint32_t put(sharing *s, uint8_t op, uint32_t a, uint32_t b)
{
    (void)agi_code_append(&s->next, op, a, b);
    return s->next.count - 1;
}

static uint32_t put_number(sharing *s, double number)
{
    agi_code *code = s->code;
    code->numbers[code->numbers_count] = number;
    return put(s, AGI_CONSTANT, code->numbers_count++, 0);
}

/* Of n nodes one after the other. */
static uint32_t put_sum(sharing *s, uint32_t first, uint32_t n)
{
    agi_code *code = s->code;
    const uint32_t at = code->pool_count;
    for (uint32_t k = 0; k < n; k++)
        code->pool[code->pool_count++] = first + k;
    return put(s, AGI_sum, at, n);
}

/* The gates of a logsumexp. */
typedef struct parts {
    bool shifted;
    uint32_t n, largest; /* M */
    uint32_t exps, less; /* the first of n each */
    uint32_t sum;        /* 1 + s */
} parts;

/* y's operands are nodes of next already. */
static parts put_logsumexp(sharing *s, uint32_t y, bool shifted)
{
    agi_code *code = s->code;
    const agi_operands at = code->at[y];
    parts p = {.shifted = shifted, .n = at.b};
    uint32_t limit, first = 0;
    if (p.shifted) {
        limit = put_number(s, 0);
        p.largest = put(s, AGI_mul, s->next.at[code->pool[at.a]].b, limit); /* 0 or NaN */
    } else {
        limit = p.largest = put(s, AGI_max_of, at.a, p.n);
        first = s->next.count;
        for (uint32_t k = 0; k < p.n; k++)
            (void)put(s, AGI_sub, code->pool[at.a + k], limit);
    }
    p.exps = s->next.count;
    for (uint32_t k = 0; k < p.n; k++)
        (void)put(s, AGI_exp, p.shifted ? code->pool[at.a + k] : first + k, 0);
    p.less = s->next.count;
    for (uint32_t k = 0; k < p.n; k++)
        (void)put(s, AGI_is_less, code->pool[at.a + k], limit);
    first = s->next.count;
    for (uint32_t k = 0; k < p.n; k++)
        (void)put(s, AGI_chain, p.less + k, p.exps + k);
    const uint32_t smaller = put(s, AGI_relu, put_sum(s, first, p.n), 0);
    const uint32_t others = put_number(s, (double)p.n - 1);
    const uint32_t equal = put(s, AGI_sub, others, put_sum(s, p.less, p.n));
    const uint32_t sum = put(s, AGI_add, put(s, AGI_relu, equal, 0), smaller);
    code->to[y] = put(s, AGI_add, p.largest, put(s, AGI_log1p, sum, 0));
    p.sum = put(s, AGI_add, sum, put_number(s, 1));
    if (p.shifted) /* where M is NaN, all is, even the exp of an x that is -inf */
        p.sum = put(s, AGI_add, p.sum, p.largest);
    return p;
}

static ag_status share(sharing *s, uint32_t y, bool shifted)
{
    agi_code *code = s->code;
    if (reserve(s, code->at[y].b) != AG_OK)
        return AG_OUT_OF_MEMORY;
    agi_redirect_operands(code, y);
    const parts p = put_logsumexp(s, y, shifted);
    const uint32_t reciprocal = put(s, AGI_reciprocal, p.sum, 0);
    for (uint32_t i = s->list[y], next; i != AGI_NO_INDEX; i = next) {
        const uint32_t k = s->place[code->at[code->at[i].a].a];
        next = s->list[i];
        code->to[i] = put(s, AGI_mul, p.exps + k, reciprocal);
        s->list[i] = p.shifted ? REPLACED_SHIFTED : REPLACED;
    }
    return AG_OK;
}

static bool is_replaced(const sharing *s, uint32_t node)
{
    return s->list[node] == REPLACED || s->list[node] == REPLACED_SHIFTED;
}

/* Whether it is select(is_equal(x, y), 1, exp(x - y)) of a shifted x: the exp alone will do. */
static bool need_not_look(const sharing *s, uint32_t node)
{
    const agi_code *code = s->code;
    if (code->ops[node] != AGI_select)
        return false;
    const uint32_t *three = code->pool + code->at[node].a;
    if (s->list[three[2]] != REPLACED_SHIFTED || code->ops[three[0]] != AGI_is_equal ||
        code->ops[three[1]] != AGI_CONSTANT || !agi_is_one(code->numbers[code->at[three[1]].a]))
        return false;
    const agi_operands compared = code->at[three[0]], subtracted = code->at[code->at[three[2]].a];
    return compared.a == subtracted.a && compared.b == subtracted.b;
}

static ag_status rebuild(sharing *s)
{
    agi_code *code = s->code;
    ag_status status = AG_OK;
    for (uint32_t i = 0; i < code->count && status == AG_OK; i++) {
        if (is_replaced(s, i))
            continue;
        const bool shifted = code->ops[i] == AGI_logsumexp && is_shifted(s, i);
        if (code->ops[i] == AGI_logsumexp && is_worthwhile(s, i, shifted)) {
            status = share(s, i, shifted);
        } else if (need_not_look(s, i)) {
            code->to[i] = code->to[code->pool[code->at[i].a + 2]];
        } else {
            agi_redirect_operands(code, i);
            status = agi_code_append(&s->next, code->ops[i], code->at[i].a, code->at[i].b);
            code->to[i] = s->next.count - 1;
        }
    }
    return status;
}

ag_status agi_share_exponentials(agi_code *code)
{
    if (memchr(code->ops, AGI_logsumexp, code->count) == NULL)
        return AG_OK;
    const uint32_t count = code->count;
    sharing s = {.code = code,
                 .next = {.memory = code->memory},
                 .list = AGI_NEW_ARRAY(code->memory, count, uint32_t),
                 .place = AGI_NEW_ARRAY(code->memory, count, uint32_t)};
    ag_status status = s.list == NULL || s.place == NULL ? AG_OUT_OF_MEMORY : agi_reserve_to(code);
    if (status == AG_OK)
        status = agi_code_reserve(&s.next, count);
    if (status == AG_OK) {
        list_exponentials(&s);
        memset(s.place, 0, count * sizeof(*s.place));
        status = rebuild(&s);
    }
    if (status == AG_OK)
        agi_replace_nodes(code, &s.next);
    agi_code_free(&s.next);
    agi_free_array(code->memory, s.list, count, sizeof(*s.list));
    agi_free_array(code->memory, s.place, count, sizeof(*s.place));
    return status == AG_OK ? agi_drop_dead(code) : status;
}
