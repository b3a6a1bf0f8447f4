/* SPDX-License-Identifier: MIT
 *
 * Instructions over any number of operands: sums of products, the table's folds, closures. A few
 * vectors of results are summed up in registers while the terms go by.
 */
#include "kernel_grid.h"
#include "kernel_math.h"
#include "kernel_shuffle.h"

static inline num add_up(vec v)
{
    return add_across(&v, 1)[0];
}

/* ---- Sums of products ------------------------------------------------------------------------ */

/* What a term looks like along a row, a loop for each. */
typedef enum term_kind {
    KIND_NUMBER, /* p and q stay the same */
    KIND_SCALED, /* q stays the same, p lies side by side */
    KIND_STREAM, /* the same, and q or the factor is 1 or -1: they are one number */
    KIND_PAIR,   /* both lie side by side */
    KIND_CHAIN,  /* the same, and where p is 0 so is the product */
    KIND_OTHER,
} term_kind;

/* A term whose operands have been found; row and column as in a source. */
typedef struct term {
    const num *p, *q;
    ptrdiff_t p_row, q_row, p_step, q_step, p_column, q_column;
    uint32_t repeat;
    num factor;
    term_kind kind;
    bool chain;
} term;

static term_kind find_kind(const agi_factors *f, ptrdiff_t p, ptrdiff_t q)
{
    if (p == 0 && q == 0)
        return KIND_NUMBER;
    if (p == 1 && q == 1)
        return f->chain ? KIND_CHAIN : KIND_PAIR;
    if (p != 1 || q != 0 || f->chain)
        return KIND_OTHER;
    const bool is_sign = agi_is_one(f->factor) || agi_is_one(-f->factor);
    const bool is_alone = f->p.space == AGI_NOWHERE || f->q.space == AGI_NOWHERE;
    return is_sign || is_alone ? KIND_STREAM : KIND_SCALED;
}

/* Members are set one by one: a struct that is copied waits for what has just been written. */
static inline void find_term(term *t, const agi_factors *f, const spaces *s)
{
    const bool turn = !f->chain && find_source(s, f->p).column == 0;
    const agi_vector p = turn ? f->q : f->p, q = turn ? f->p : f->q;
    const source of_p = find_source(s, p), of_q = find_source(s, q);
    t->p = of_p.at;
    t->q = of_q.at;
    t->p_row = of_p.row;
    t->q_row = of_q.row;
    t->p_column = of_p.column;
    t->q_column = of_q.column;
    t->p_step = find_step(s, p.space, turn ? f->q_step : f->p_step);
    t->q_step = find_step(s, q.space, turn ? f->p_step : f->q_step);
    t->repeat = f->repeat;
    t->factor = (num)f->factor;
    t->kind = find_kind(f, of_p.column, of_q.column);
    t->chain = f->chain;
}

/* A call, where collect would be repeated in every branch of what follows. */
static AGI_COLD vec collect_aside(const num *at, ptrdiff_t step, size_t n)
{
    return collect(at, step, n);
}

/* The v-th vector from `at` on; n < WIDTH: it is the only one, and has so many numbers. */
static AGI_INLINE vec fetch(const num *at, ptrdiff_t column, size_t v, size_t n)
{
    if (column == 0)
        return splat(*at);
    at += (ptrdiff_t)(v * WIDTH) * column;
    if (column != 1)
        return collect_aside(at, column, agi_smaller(n, WIDTH));
    return n < WIDTH ? load_part(at, n) : load(at);
}

/* The same, of numbers that lie side by side. */
static AGI_INLINE vec fetch_beside(const num *at, size_t v, size_t n)
{
    return n < WIDTH ? load_part(at, n) : load(at + v * WIDTH);
}

enum {
    LONG_STREAM = 8, /* products */
    HALVES = 8       /* vectors whose sums are twice in registers */
};

/* Adds a long stream to vectors from, ..., end: every other product to sums of its own, since a few
 * vectors alone would wait for their own last sums. Always in the same order, however many. */
static AGI_INLINE void add_long_stream(vec *sum, const term *t, const num *p, const size_t from,
                                       const size_t end, size_t n)
{
    const num *q = t->q;
    const vec factor = splat(t->factor);
    vec others[HALVES];
#define EACH_VECTOR _Pragma("GCC unroll 16") for (size_t v = from; v < end; v++)
    EACH_VECTOR others[v - from] = splat((num)-0.0);
    uint32_t left = t->repeat;
    for (; left >= 2; left -= 2) {
        const vec first = factor * splat(*q), second = factor * splat(q[t->q_step]);
        EACH_VECTOR sum[v] += first * fetch_beside(p, v, n);
        EACH_VECTOR others[v - from] += second * fetch_beside(p + t->p_step, v, n);
        p += 2 * t->p_step;
        q += 2 * t->q_step;
    }
    if (left > 0) {
        const vec last = factor * splat(*q);
        EACH_VECTOR sum[v] += last * fetch_beside(p, v, n);
    }
    EACH_VECTOR sum[v] += others[v - from];
#undef EACH_VECTOR
}

/* Adds a term to so many vectors from a column on; n as above. */
static AGI_INLINE void add_term(vec *sum, const term *t, size_t column, size_t vectors, size_t n)
{
    const num *p = t->p, *q = t->q;
    const vec factor = splat(t->factor);
#define EACH_PRODUCT for (uint32_t r = t->repeat; r > 0; r--, p += t->p_step, q += t->q_step)
#define EACH_VECTOR _Pragma("GCC unroll 16") for (size_t v = 0; v < vectors; v++)
    switch (t->kind) {
    case KIND_NUMBER:
        EACH_PRODUCT
        {
            const vec product = factor * splat(multiply(t->chain, *p, *q));
            EACH_VECTOR sum[v] += product;
        }
        break;
    case KIND_SCALED:
        p += column;
        EACH_PRODUCT
        {
            const vec held = splat(*q);
            EACH_VECTOR sum[v] += factor * (held * fetch_beside(p, v, n));
        }
        break;
    case KIND_STREAM:
        p += column;
        if (t->repeat >= LONG_STREAM) {
            add_long_stream(sum, t, p, 0, agi_smaller(vectors, HALVES), n);
            if (vectors > HALVES)
                add_long_stream(sum, t, p, HALVES, vectors, n);
            break;
        }
        EACH_PRODUCT
        {
            const vec scale = factor * splat(*q);
            EACH_VECTOR sum[v] += scale * fetch_beside(p, v, n);
        }
        break;
    case KIND_PAIR:
        p += column;
        q += column;
        EACH_PRODUCT
        {
            EACH_VECTOR sum[v] += factor * (fetch_beside(p, v, n) * fetch_beside(q, v, n));
        }
        break;
    case KIND_CHAIN:
        p += column;
        q += column;
        EACH_PRODUCT
        {
            EACH_VECTOR
            {
                const vec a = fetch_beside(p, v, n), b = fetch_beside(q, v, n);
                sum[v] += factor * choose(a == (vec){0}, (vec){0}, a * b);
            }
        }
        break;
    default:
        p += (ptrdiff_t)column * t->p_column;
        q += (ptrdiff_t)column * t->q_column;
        EACH_PRODUCT
        {
            EACH_VECTOR
            {
                const vec a = fetch(p, t->p_column, v, n), b = fetch(q, t->q_column, v, n);
                const mask none = t->chain ? a == (vec){0} : (mask){0};
                sum[v] += factor * choose(none, (vec){0}, a * b);
            }
        }
        break;
    }
#undef EACH_VECTOR
#undef EACH_PRODUCT
}

/* Terms of an instruction, of a row at a time. */
typedef struct product_row {
    const agi_factors *first;
    size_t count;
    size_t row;
    const num *begun; /* what sums begin with; NULL: nothing */
    struct spaces spaces;
    term terms[AGI_TERMS_FOUND]; /* if there are no more */
} product_row;

static inline void go_down(term *t, size_t rows)
{
    t->p += (ptrdiff_t)rows * t->p_row;
    t->q += (ptrdiff_t)rows * t->q_row;
}

static AGI_INLINE void sum_block(const product_row *of, size_t column, size_t vectors, size_t n,
                                 num *out)
{
    /* -0, as adding to it leaves even -0 as it is; of nothing at all the sum is 0 */
    const vec nothing = splat(of->count == 0 ? 0 : (num)-0.0);
    vec total[16];
#pragma GCC unroll 16
    for (size_t v = 0; v < vectors; v++)
        total[v] = of->begun == NULL ? nothing : load(of->begun + column + v * WIDTH);
    const bool are_found = of->count <= AGI_TERMS_FOUND;
    for (size_t i = 0; i < of->count; i++) {
        term found;
        const term *t = &found;
        if (are_found) {
            t = of->terms + i;
        } else {
            find_term(&found, of->first + i, &of->spaces);
            go_down(&found, of->row);
        }
        add_term(total, t, column, vectors, n);
    }
    if (n < WIDTH) {
        store_part(out, total[0], n);
    } else {
#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++)
            store(out + v * WIDTH, total[v]);
    }
}

/* As many vectors at a time as there are registers for. */
static void sum_row(const product_row *of, size_t columns, num *out)
{
    size_t column = 0;
    for (; AGI_VECTOR_BYTES == 64 && column + 16 * WIDTH <= columns; column += 16 * WIDTH)
        sum_block(of, column, 16, 16 * WIDTH, out + column);
    for (; AGI_VECTOR_BYTES == 64 && column + 8 * WIDTH <= columns; column += 8 * WIDTH)
        sum_block(of, column, 8, 8 * WIDTH, out + column);
    for (; column + 4 * WIDTH <= columns; column += 4 * WIDTH)
        sum_block(of, column, 4, 4 * WIDTH, out + column);
    for (; column + WIDTH <= columns; column += WIDTH)
        sum_block(of, column, 1, WIDTH, out + column);
    if (column < columns)
        sum_block(of, column, 1, columns - column, out + column);
}

/* What there is to find once for all vectors. */
static inline void begin_products(product_row *of, const agi_instruction *instruction,
                                  const agi_frame *frame, const spaces *s)
{
    of->first = agi_factors_of(frame->records, instruction);
    of->count = instruction->terms;
    of->row = 0;
    of->begun = NULL;
    of->spaces = *s;
    if (of->count <= AGI_TERMS_FOUND)
        for (size_t t = 0; t < of->count; t++)
            find_term(&of->terms[t], of->first + t, s);
}

void AGI_KERNEL(products)(const agi_instruction *instruction, const agi_frame *frame,
                          const spaces *s)
{
    product_row of;
    begin_products(&of, instruction, frame, s);
    sum_row(&of, instruction->n, (num *)frame->slots + instruction->out);
}

void AGI_KERNEL(rest)(const agi_instruction *instruction, agi_frame *frame, const num *begun,
                      size_t t, uint32_t left)
{
    product_row of;
    const spaces s = find_spaces(frame);
    begin_products(&of, instruction, frame, &s);
    of.begun = begun;
    of.terms[t].repeat = left;
    sum_row(&of, frame->lanes, (num *)frame->slots + (size_t)instruction->out * frame->lanes);
}

static bool are_flat(const product_row *of, grid shape)
{
    bool flat = true;
    for (size_t t = 0; shape.rows > 1 && t < of->count; t++)
        flat = flat && is_flat(find_source(&of->spaces, of->first[t].p), shape) &&
               is_flat(find_source(&of->spaces, of->first[t].q), shape);
    return flat;
}

static void sum_products(const agi_instruction *instruction, agi_frame *frame)
{
    product_row of;
    const spaces s = find_spaces(frame);
    begin_products(&of, instruction, frame, &s);
    grid shape = make_grid(frame, instruction->n);
    if (are_flat(&of, shape))
        shape = flatten(shape);
    num *out = (num *)frame->slots + (size_t)instruction->out * frame->lanes;
    for (; of.row < shape.rows; of.row++, out += shape.columns) {
        sum_row(&of, shape.columns, out);
        for (size_t t = 0; of.count <= AGI_TERMS_FOUND && t < of.count; t++)
            go_down(&of.terms[t], 1);
    }
}

/* Products of vectors from p and q on, added to as many sums, which don't wait for each other. */
static AGI_INLINE void add_products(vec *sum, const agi_factors *f, const num *p, const num *q,
                                    size_t vectors, const bool beside)
{
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) {
        const vec a = beside ? load(p + v * WIDTH) : fetch(p, f->p_step, v, WIDTH);
        const vec b = beside ? load(q + v * WIDTH) : fetch(q, f->q_step, v, WIDTH);
        sum[v] += f->chain ? choose(a == (vec){0}, (vec){0}, a * b) : a * b;
    }
}

/* beside: both factors lie side by side. */
static AGI_INLINE num sum_all(const agi_factors *f, const num *p, const num *q, const bool beside)
{
    const ptrdiff_t p_step = beside ? 1 : f->p_step, q_step = beside ? 1 : f->q_step;
    const vec nothing = splat((num)-0.0);
    vec sum[4] = {nothing, nothing, nothing, nothing};
    uint32_t left = f->repeat;
    for (; left >= 4 * WIDTH; left -= 4 * WIDTH) {
        add_products(sum, f, p, q, 4, beside);
        p += (ptrdiff_t)(4 * WIDTH) * p_step;
        q += (ptrdiff_t)(4 * WIDTH) * q_step;
    }
    for (; left >= WIDTH; left -= WIDTH) {
        add_products(sum, f, p, q, 1, beside);
        p += (ptrdiff_t)WIDTH * p_step;
        q += (ptrdiff_t)WIDTH * q_step;
    }
    if (beside && left > 0) {
        const vec a = load_into((vec){0}, p, left), b = load_into((vec){0}, q, left);
        sum[1] += f->chain ? choose(a == (vec){0}, (vec){0}, a * b) : a * b;
        left = 0;
    }
    num total = add_up((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; left > 0; left--, p += p_step, q += q_step)
        total += multiply(f->chain, *p, *q);
    return total;
}

num AGI_KERNEL(dot)(const agi_factors *f, const num *p, const num *q)
{
    return f->p_step == 1 && f->q_step == 1 ? sum_all(f, p, q, true) : sum_all(f, p, q, false);
}

/* ---- Folds ----------------------------------------------------------------------------------- */

/* n terms: one after the other, or of a list. */
typedef struct operand_list {
    const num *at;
    const uint32_t *index; /* NULL: one after the other */
    ptrdiff_t step;        /* from one to the next, or for an index of 1 */
    ptrdiff_t column;      /* from lane to lane */
} operand_list;

static operand_list open_list(const agi_frame *frame, const agi_elements *e)
{
    agi_vector v = e->vector;
    const bool listed = e->list != AGI_NO_INDEX;
    if (listed) {
        v.at = 0;
        v.stride = 1;
    }
    return (operand_list){locate(frame, v), listed ? frame->records->lists + e->list : NULL,
                          step_of(frame, v), v.space == AGI_SLOTS && frame->lanes > 1};
}

static inline const num *find_in(const operand_list *l, size_t k)
{
    return l->at + (l->index == NULL ? (ptrdiff_t)k : (ptrdiff_t)l->index[k]) * l->step;
}

/* Lanes from `lane` on of the k-th term. */
static inline vec get_lanes(const operand_list *l, size_t k, size_t lane)
{
    const num *at = find_in(l, k);
    return l->column == 0 ? splat(*at) : load(at + lane);
}

/* n <= WIDTH terms from the k-th on, side by side; the first again where there are fewer. */
static inline vec get_terms(const operand_list *l, size_t k, size_t n)
{
    if (l->index == NULL && l->step == 1)
        return n < WIDTH ? load_part(l->at + k, n) : load(l->at + k);
#define GET(i) *find_in(l, (i) < n ? k + (i) : k)
    return (vec){EACH(GET)};
#undef GET
}

/* A fold at work. */
typedef struct folding {
    operand_list x, w;
    const double *numbers; /* offset, then w, or NULL */
    size_t n;
} folding;

/* The largest term, or the first NaN, and which it is. */
typedef struct largest {
    vec value;
    mask at;
} largest;

static inline void look_at(largest *most, vec x, mask k)
{
    const mask better = EQ(most->value, most->value) & (GT(x, most->value) | NE(x, x));
    most->value = choose(better, x, most->value);
    most->at = (better & k) | (~better & most->at);
}

/* The table's words for one gate. In `step`, s is a sum: a step adds to it or leaves it, so terms
 * may be added up in any order and grouping. */
typedef vec fold_start(vec most, num offset);
typedef vec fold_step(vec s, vec x, vec w, vec most, mask is_first);
typedef vec fold_end(vec s, vec most);

static AGI_INLINE vec fold_lanes(const folding *t, size_t lane, fold_start start, fold_step step,
                                 fold_end end)
{
    largest most = {get_lanes(&t->x, 0, lane), (mask){0}};
    for (size_t k = 1; k < t->n; k++)
        look_at(&most, get_lanes(&t->x, k, lane), (mask){0} + (whole)k);
    vec s = start(most.value, t->numbers == NULL ? 0 : (num)t->numbers[0]);
    for (size_t k = 0; k < t->n; k++) {
        const vec x = get_lanes(&t->x, k, lane);
        const vec w = t->numbers != NULL ? splat((num)t->numbers[k + 1])
                      : t->w.at != NULL  ? get_lanes(&t->w, k, lane)
                                         : x;
        s = step(s, x, w, most.value, most.at == (mask){0} + (whole)k);
    }
    return end(s, most.value);
}

/* k, k + 1, ... */
static inline mask count_from(size_t k)
{
#define ITSELF(i) i
    return (mask){EACH(ITSELF)} + (whole)k;
#undef ITSELF
}

/* Of two vectors, lane by lane: the larger; among equals, the first. */
static inline void keep_larger(largest *most, largest other)
{
    const mask is_nan = NE(most->value, most->value), other_nan = NE(other.value, other.value);
    const mask tie = (is_nan & other_nan) | EQ(most->value, other.value);
    const mask better = (tie & (other.at < most->at)) |
                        (~tie & ~is_nan & (other_nan | GT(other.value, most->value)));
    most->value = choose(better, other.value, most->value);
    most->at = (better & other.at) | (~better & most->at);
}

/* One of the lanes for all of them. */
static inline largest find_largest_of(largest most)
{
#define STAGE(s)                                                                                   \
    keep_larger(&most, (largest){AGI_SHUFFLE(most.value, most.value, AGI_SWAP_##s),                \
                                 AGI_SHUFFLE(most.at, most.at, AGI_SWAP_##s)});
    AGI_STAGES(STAGE)
#undef STAGE
    return most;
}

/* Of all terms, in a few chains that don't wait for each other. */
static AGI_INLINE largest find_largest(const folding *t)
{
    enum {
        CHAINS = 4
    };
    largest most[CHAINS];
    size_t k = 0;
    most[0] = (largest){get_terms(&t->x, 0, t->n), count_from(0)};
    if (t->x.index == NULL && t->x.step == 1 && t->n >= CHAINS * WIDTH) {
        for (size_t c = 1; c < CHAINS; c++)
            most[c] = most[0];
        for (; k + CHAINS * WIDTH <= t->n; k += CHAINS * WIDTH) {
            UNROLL
            for (size_t c = 0; c < CHAINS; c++)
                look_at(&most[c], load(t->x.at + k + c * WIDTH), count_from(k + c * WIDTH));
        }
        for (size_t c = 1; c < CHAINS; c++)
            keep_larger(&most[0], most[c]);
    }
    for (; k < t->n; k += WIDTH)
        look_at(&most[0], get_terms(&t->x, k, t->n - k), count_from(k));
    return find_largest_of(most[0]);
}

/* A single lane: WIDTH terms at a time. What is there only to fill the last vector has a greater
 * number than all terms. */
static AGI_INLINE num fold_across(const folding *t, fold_start start, fold_step step, fold_end end)
{
    const largest most = find_largest(t);
    const vec nothing = splat((num)-0.0); /* adding it leaves even -0 as it is */
    vec sum = nothing;
    for (size_t k = 0; k < t->n; k += WIDTH) {
        const size_t n = agi_smaller(t->n - k, WIDTH);
        const vec x = get_terms(&t->x, k, n);
        vec w = x;
        if (t->numbers != NULL) {
            num numbers[WIDTH] = {0};
            for (size_t i = 0; i < n; i++)
                numbers[i] = (num)t->numbers[k + 1 + i];
            w = load(numbers);
        } else if (t->w.at != NULL) {
            w = get_terms(&t->w, k, n);
        }
        const mask k_of = count_from(k);
        const vec added = step(nothing, x, w, most.value, most.at == k_of);
        sum += choose(k_of < (mask){0} + (whole)t->n, added, nothing);
    }
    const vec s = start(most.value, t->numbers == NULL ? 0 : (num)t->numbers[0]);
    return end(s + splat(add_up(sum)), most.value)[0];
}

typedef void fold_loop(const folding *t, size_t lanes, num *out);

#define OFFSET splat(offset)
#define M most
#define FIRST(x) is_first
#define AG_NARY(name, partner, formula, start, step, end, ...)                                     \
    static inline vec start_##name(vec most, num offset)                                           \
    {                                                                                              \
        (void)most, (void)offset;                                                                  \
        return (start);                                                                            \
    }                                                                                              \
    static inline vec step_##name(vec s, vec x, vec w, vec most, mask is_first)                    \
    {                                                                                              \
        (void)x, (void)w, (void)most, (void)is_first;                                              \
        return (step);                                                                             \
    }                                                                                              \
    static inline vec end_##name(vec s, vec most)                                                  \
    {                                                                                              \
        (void)most;                                                                                \
        return (end);                                                                              \
    }                                                                                              \
    static void fold_##name(const folding *t, size_t lanes, num *out)                              \
    {                                                                                              \
        if (lanes == 1)                                                                            \
            *out = fold_across(t, start_##name, step_##name, end_##name);                          \
        else                                                                                       \
            for (size_t lane = 0; lane < lanes; lane += WIDTH)                                     \
                store(out + lane, fold_lanes(t, lane, start_##name, step_##name, end_##name));     \
    }
#include <wengert/gates.def>

/* In the order of agi_gate, without gaps: C++ takes no other. */
static fold_loop *const fold_loops[AGI_GATE_COUNT] = {
    [AGI_VARIABLE] = NULL, [AGI_CONSTANT] = NULL, [AGI_DETACH] = NULL,
    [AGI_CLOSURE] = NULL,  [AGI_SCAN] = NULL,     [AGI_PROJECT] = NULL,
#define AG_UNARY(name, ...) [AGI_##name] = NULL,
#define AG_BINARY AG_UNARY
#define AG_TERNARY AG_UNARY
#define AG_COMPARE AG_UNARY
#define AG_NARY(name, ...) [AGI_##name] = fold_##name,
#include <wengert/gates.def>
};

static void fold(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_fold *record = frame->records->folds + instruction->more;
    const agi_form form = (agi_form)agi_gate_forms[instruction->op];
    folding t = {.x = open_list(frame, &record->x), .n = record->x.n};
    if (form == AGI_FORM_VALUES)
        t.w = open_list(frame, &record->w);
    if (form == AGI_FORM_NUMBERS)
        t.numbers = frame->records->numbers + record->numbers;
    fold_loops[instruction->op](&t, frame->lanes,
                                (num *)frame->slots + (size_t)instruction->out * frame->lanes);
}

/* ---- Closures -------------------------------------------------------------------------------- */

/* Operands go to the scratch: arity numbers of type ag_real, whatever num is. Lanes that only pad
 * get the last sample's value. */
static void call_closure(const agi_instruction *instruction, agi_frame *frame)
{
    const agi_fold *record = frame->records->folds + instruction->more;
    const ag_closure *closure = frame->records->closures + record->numbers;
    const operand_list x = open_list(frame, &record->x);
    ag_real *operands = (ag_real *)frame->scratch;
    num *out = (num *)frame->slots + (size_t)instruction->out * frame->lanes;
    const size_t count = frame->lanes == 1 ? 1 : frame->count;
    for (size_t lane = 0; lane < count; lane++) {
        for (size_t k = 0; k < closure->arity; k++)
            operands[k] = (ag_real)find_in(&x, k)[(ptrdiff_t)lane * x.column];
        out[lane] = (num)closure->forward(closure->context, closure->arity, operands);
    }
    for (size_t lane = count; lane < frame->lanes; lane++)
        out[lane] = out[count - 1];
}

/* ---- Instructions ---------------------------------------------------------------------------- */

void AGI_KERNEL(terms)(const agi_instruction *instruction, agi_frame *frame)
{
    if (instruction->op == AGI_OP_PRODUCTS)
        sum_products(instruction, frame);
    else if (instruction->op == AGI_CLOSURE)
        call_closure(instruction, frame);
    else
        fold(instruction, frame);
}
