/* SPDX-License-Identifier: MIT
 *
 * OUTER: a sum of outer products, one for each sample, added to the totals. Over lanes, b of a
 * sample are vectors: each inputs as they are, or slots transposed, as many columns as a tile has.
 * Nothing but the totals' own elements is written: what lies between them belongs to others.
 */
#include "kernel_shuffle.h"
#include "kernel_tile.h"

static_assert((int)MOST_COLUMNS <= (int)AGI_TILE_COLUMNS, "a tile's b fits into the scratch");

/* Slots, or where they are NULL each inputs from here on. */
typedef struct side {
    const agi_elements *slots;
    const num *each;
    size_t n;
    bool upstream; /* of a chain: where it is 0 the product is */
} side;

/* total[i][j] (+)= factor * sum of a[i] * b[j] */
typedef struct product {
    const agi_frame *frame;
    side a, b;
    num *total;
    ptrdiff_t row_stride, column_stride;
    num factor;
    bool set;
} product;

/* Element i of the first sample. */
static inline const num *element_of(const product *p, const side *s, size_t i)
{
    return s->slots != NULL ? locate_element(p->frame, s->slots, i) : s->each + i;
}

static inline ptrdiff_t sample_step(const product *p, const side *s)
{
    return s->slots != NULL ? 1 : (ptrdiff_t)p->frame->each_stride;
}

/* b should be the side whose elements lie side by side in the totals, which is as good as said of a
 * side of many if the other has one; but sums across lanes want the one to be b. */
static bool is_turned(const product *p)
{
    const bool across = p->frame->lanes > 1 && p->a.slots != NULL && p->b.slots != NULL;
    if (p->a.n == 1 || p->b.n == 1)
        return across ? p->b.n != 1 : p->a.n != 1;
    return p->column_stride != 1 && p->row_stride == 1;
}

static void turn(product *p)
{
    const side a = p->a;
    p->a = p->b;
    p->b = a;
    const ptrdiff_t row_stride = p->row_stride;
    p->row_stride = p->column_stride;
    p->column_stride = row_stride;
}

/* ---- Over lanes ------------------------------------------------------------------------------ */

/* The samples and columns at work: b[s] points at column j of sample s. */
typedef struct panel {
    size_t sample, depth;
    size_t j, n, vectors; /* n columns, in vectors of which the last may be partly used */
    const num *b[AGI_TILE_DEPTH];
} panel;

/* each inputs in rows of whole vectors; what is beyond n is 0 */
static void copy_columns(const product *p, const panel *at, num *to)
{
    const size_t columns = at->vectors * WIDTH, stride = p->frame->each_stride;
    const num *from = p->b.each + at->sample * stride + at->j;
    for (size_t s = 0; s < at->depth; s++, from += stride, to += columns) {
        for (size_t v = 0; v < columns; v += WIDTH) {
            const bool full = v + WIDTH <= at->n;
            store(to + v, full ? load(from + v) : load_into((vec){0}, from + v, at->n - v));
        }
    }
}

/* Slots in rows of whole vectors; what is beyond n repeats the last column. */
static void transpose_columns(const product *p, const panel *at, num *to)
{
    const size_t columns = at->vectors * WIDTH;
    for (size_t v = 0; v < columns; v += WIDTH) {
        const num *from[WIDTH];
        for (size_t i = 0; i < WIDTH; i++) {
            const size_t column = v + i < at->n ? v + i : at->n - 1;
            from[i] = element_of(p, &p->b, at->j + column) + at->sample;
        }
        for (size_t s = 0; s < at->depth; s += WIDTH) {
            vec block[WIDTH];
            UNROLL
            for (size_t i = 0; i < WIDTH; i++)
                block[i] = load(from[i] + s);
            transpose(block);
            UNROLL
            for (size_t i = 0; i < WIDTH; i++)
                store(to + (s + i) * columns + v, block[i]);
        }
    }
}

/* Columns of a few rows are read where they are. */
static void find_columns(const product *p, panel *at)
{
    const size_t columns = at->vectors * WIDTH;
    const num *first = (num *)p->frame->scratch;
    size_t step = columns;
    if (p->b.slots != NULL) {
        transpose_columns(p, at, (num *)p->frame->scratch);
    } else if (at->n < columns || p->a.n > 2 * MOST_ROWS) {
        copy_columns(p, at, (num *)p->frame->scratch);
    } else {
        step = p->frame->each_stride;
        first = p->b.each + at->sample * step + at->j;
    }
    for (size_t s = 0; s < at->depth; s++)
        at->b[s] = first + s * step;
}

/* Adds a tile that was computed elsewhere to the totals. */
static void add_tile(const product *p, const panel *at, num *to, const num *from, size_t rows,
                     bool set)
{
    for (size_t i = 0; i < rows; i++, to += p->row_stride, from += at->vectors * WIDTH) {
        if (p->column_stride == 1) {
            for (size_t j = 0; j < at->n; j += WIDTH) {
                const size_t part = agi_smaller(at->n - j, WIDTH);
                const vec before = set ? (vec){0} : load_into((vec){0}, to + j, part);
                store_part(to + j, before + load(from + j), part);
            }
            continue;
        }
        for (size_t j = 0; j < at->n; j++) {
            num *total = to + (ptrdiff_t)j * p->column_stride;
            *total = set ? from[j] : *total + from[j];
        }
    }
}

/* All rows of a panel's columns. */
static void add_panel(const product *p, const panel *at)
{
    const size_t columns = at->vectors * WIDTH;
    const bool direct = p->column_stride == 1 && at->n == columns;
    const bool set = p->set && at->sample == 0;
    const ptrdiff_t a_step = sample_step(p, &p->a);
    const num zeros[WIDTH] = {0};
    num elsewhere[MOST_ROWS * MOST_COLUMNS];
    tile t = {
        .a_bytes = a_step * (ptrdiff_t)sizeof(num),
        .b = at->b,
        .depth = at->depth,
        .base = zeros,
        .c = elsewhere,
        .c_row = (ptrdiff_t)columns,
        .afterwards = true,
        .factor = p->factor,
        .chain = p->a.upstream   ? AGI_CHAIN_A
                 : p->b.upstream ? AGI_CHAIN_B
                                 : AGI_CHAIN_NONE,
    };
    parts all = cut(p->a.n, most_rows(at->vectors));
    for (size_t i = 0, rows; i < p->a.n; i += rows) {
        rows = next_part(&all);
        for (size_t r = 0; r < rows; r++)
            t.a[r] = element_of(p, &p->a, i + r) + (ptrdiff_t)at->sample * a_step;
        num *total = p->total + (ptrdiff_t)i * p->row_stride + (ptrdiff_t)at->j * p->column_stride;
        if (direct) {
            t.c = total;
            t.c_row = p->row_stride;
        }
        if (direct && !set) {
            t.base = total;
            t.base_row = p->row_stride;
            t.base_vector = WIDTH;
        }
        AGI_KERNEL(tile)(&t, rows, at->vectors);
        if (!direct)
            add_tile(p, at, total, elsewhere, rows, set);
    }
}

/* All columns of some samples, in tiles. */
static void add_panels(const product *p, panel *at, size_t columns)
{
    const size_t all = (columns + WIDTH - 1) / WIDTH;
    parts tiles = cut(all, MOST_VECTORS);
    for (size_t v = 0; v < all; v += at->vectors) {
        at->vectors = next_part(&tiles);
        at->j = v * WIDTH;
        at->n = columns - at->j < at->vectors * WIDTH ? columns - at->j : at->vectors * WIDTH;
        find_columns(p, at);
        add_panel(p, at);
    }
}

enum {
    ROWS = WIDTH < 8 ? WIDTH : 8,
    ROWS_FOUND = 128, /* at a time: a multiple of ROWS */
    PIECE = 4         /* vectors of b that are read for several rows */
};

/* Where elements i, ..., i + n of a begin, and up to whole ROWS the last of them again. All of them
 * before one is read: pointers that have just been written are waited for. */
static void find_rows(const num *rows[ROWS_FOUND], const product *p, const panel *at, size_t i,
                      size_t n)
{
    const agi_elements *slots = p->a.slots;
    size_t r = 0;
    if (slots != NULL && slots->list != AGI_NO_INDEX) {
        const num *first = (const num *)p->frame->slots + at->sample;
        const uint32_t *list = p->frame->records->lists + slots->list + i;
        const size_t lanes = p->frame->lanes;
        for (; r < n; r++)
            rows[r] = first + list[r] * lanes;
    } else {
        for (; r < n; r++)
            rows[r] = element_of(p, &p->a, i + r) + at->sample;
    }
    for (; r % ROWS != 0; r++)
        rows[r] = rows[n - 1];
}

/* Sums over samples of ROWS rows' products with b. */
static AGI_INLINE vec multiply_across(const num *const *rows, size_t depth, const num *b)
{
    const num *a[ROWS];
    vec sum[ROWS];
    UNROLL
    for (size_t r = 0; r < ROWS; r++) {
        a[r] = rows[r];
        sum[r] = (vec){0};
    }
    size_t s = 0;
    for (; s + PIECE * WIDTH <= depth; s += PIECE * WIDTH) {
        UNROLL
        for (size_t v = 0; v < PIECE; v++) {
            const vec q = load(b + s + v * WIDTH);
            UNROLL
            for (size_t r = 0; r < ROWS; r++)
                sum[r] += load(a[r] + s + v * WIDTH) * q;
        }
    }
    for (; s + WIDTH <= depth; s += WIDTH) {
        const vec q = load(b + s);
        UNROLL
        for (size_t r = 0; r < ROWS; r++)
            sum[r] += load(a[r] + s) * q;
    }
    if (s < depth) {
        const vec q = load_into((vec){0}, b + s, depth - s);
        UNROLL
        for (size_t r = 0; r < ROWS; r++)
            sum[r] += load_into((vec){0}, a[r] + s, depth - s) * q;
    }
    return add_across(sum, ROWS);
}

/* A row's sum, without what a 0 upstream is multiplied by. */
static num multiply_masked(const product *p, const panel *at, const num *a, const num *b)
{
    num sum = 0;
    for (size_t s = 0; s < at->depth; s++)
        if ((p->a.upstream ? a[s] : b[s]) != 0)
            sum += a[s] * b[s];
    return sum;
}

/* The sums of n rows; those of a chain again where one of them is not finite. */
static void sum_rows(const product *p, const panel *at, const num *const *rows, size_t n,
                     const num *b, num *sums)
{
    const size_t depth = at->depth;
    vec all = {0}; /* not finite if one of them isn't */
    for (size_t r = 0; r < n; r += ROWS) {
        const vec sum = multiply_across(rows + r, depth, b);
        all += sum * 0;
        store(sums + r, sum);
    }
    if ((p->a.upstream || p->b.upstream) && !is_finite(all))
        for (size_t r = 0; r < n; r++)
            sums[r] = multiply_masked(p, at, rows[r], b);
}

/* Column j, all rows, from lanes of b. */
static void add_column(const product *p, const panel *at, size_t j, const num *b)
{
    const bool set = p->set && at->sample == 0;
    const num factor = p->factor;
    const ptrdiff_t stride = p->row_stride;
    const num *rows[ROWS_FOUND];
    num sums[ROWS_FOUND + WIDTH];
    num *to = p->total + (ptrdiff_t)j * p->column_stride;
    for (size_t i = 0, n; i < p->a.n; i += n, to += (ptrdiff_t)n * stride) {
        n = agi_smaller(p->a.n - i, ROWS_FOUND);
        find_rows(rows, p, at, i, n);
        sum_rows(p, at, rows, n, b, sums);
        if (set)
            for (size_t r = 0; r < n; r++)
                to[(ptrdiff_t)r * stride] = factor * sums[r];
        else if (stride == 1)
            for (size_t r = 0; r < n; r++)
                to[r] += factor * sums[r];
        else
            for (size_t r = 0; r < n; r++)
                to[(ptrdiff_t)r * stride] += factor * sums[r];
    }
}

/* Columns from j on, sums across lanes. */
static void add_few_columns(const product *p, const panel *at, size_t j)
{
    for (; j < p->b.n; j++) {
        const num *b = element_of(p, &p->b, j);
        if (p->b.slots != NULL) {
            add_column(p, at, j, b + at->sample);
            continue;
        }
        num *lanes = (num *)p->frame->scratch;
        for (size_t s = 0; s < at->depth; s++)
            lanes[s] = b[(at->sample + s) * p->frame->each_stride];
        add_column(p, at, j, lanes);
    }
}

/* A last vector of few columns costs less as sums across lanes, if only a is in lanes. */
static void add_samples(const product *p)
{
    panel at;
    for (at.sample = 0; at.sample < p->frame->count; at.sample += at.depth) {
        at.depth = p->frame->count - at.sample;
        if (at.depth > AGI_TILE_DEPTH)
            at.depth = AGI_TILE_DEPTH;
        const size_t few = p->b.n % WIDTH, cost = few * (at.depth / WIDTH + 4);
        const bool across = p->a.slots != NULL && cost < at.depth;
        const size_t columns = across ? p->b.n - few : p->b.n;
        add_panels(p, &at, columns);
        add_few_columns(p, &at, columns);
    }
}

/* ---- With a single lane ---------------------------------------------------------------------- */

enum {
    MANY_VECTORS = 4 /* of b that are kept in registers while rows go by */
};

/* a * b, and 0 where an upstream b is, times the factor: added to what is there, or set. */
static inline __attribute__((always_inline)) vec add_product(vec before, vec factor, vec a, vec b,
                                                             const bool set, const bool upstream)
{
    const vec t = upstream ? choose(b == 0, (vec){0}, a * b) : a * b;
    return set ? factor * t : before + factor * t;
}

/* All rows of some columns, so many vectors of them, from j on. */
static inline __attribute__((always_inline)) void add_vectors(const product *p, const num *a,
                                                              const num *b, size_t j,
                                                              const size_t vectors, const bool set,
                                                              const bool upstream)
{
    vec held[MANY_VECTORS];
    UNROLL
    for (size_t v = 0; v < vectors; v++)
        held[v] = load(b + j + v * WIDTH);
    num *to = p->total + j;
    const bool a_upstream = p->a.upstream;
    const vec factor = splat(p->factor);
    for (size_t i = 0; i < p->a.n; i++, to += p->row_stride) {
        const num x = a[i];
        if (a_upstream && x == 0) {
            if (set)
                memset(to, 0, vectors * WIDTH * sizeof(num));
            continue;
        }
        const vec from = splat(x);
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            store(to + v * WIDTH,
                  add_product(load(to + v * WIDTH), factor, from, held[v], set, upstream));
    }
}

/* Less than a vector. */
static inline __attribute__((always_inline)) void add_part(const product *p, const num *a,
                                                           const num *b, size_t j, const bool set,
                                                           const bool upstream)
{
    const size_t n = p->b.n - j;
    const vec held = load_into((vec){0}, b + j, n);
    num *to = p->total + j;
    for (size_t i = 0; i < p->a.n; i++, to += p->row_stride) {
        if (p->a.upstream && a[i] == 0) {
            if (set)
                memset(to, 0, n * sizeof(num));
            continue;
        }
        const vec before = set ? (vec){0} : load_into((vec){0}, to, n);
        store_part(to, add_product(before, splat(p->factor), splat(a[i]), held, set, upstream), n);
    }
}

/* Totals whose elements lie side by side in rows. */
static inline __attribute__((always_inline)) void
add_rows(const product *p, const num *a, const num *b, const bool set, const bool upstream)
{
    size_t j = 0;
    for (; j + MANY_VECTORS * WIDTH <= p->b.n; j += MANY_VECTORS * WIDTH)
        add_vectors(p, a, b, j, MANY_VECTORS, set, upstream);
    for (; j + WIDTH <= p->b.n; j += WIDTH)
        add_vectors(p, a, b, j, 1, set, upstream);
    if (j < p->b.n)
        add_part(p, a, b, j, set, upstream);
}

/* Any rows, element by element. */
static void add_elements(const product *p, const num *a, const num *b)
{
    for (size_t i = 0; i < p->a.n; i++) {
        num *to = p->total + (ptrdiff_t)i * p->row_stride;
        for (size_t j = 0; j < p->b.n; j++, to += p->column_stride) {
            const bool is_0 = (p->a.upstream && a[i] == 0) || (p->b.upstream && b[j] == 0);
            const num t = is_0 ? 0 : p->factor * (a[i] * b[j]);
            *to = p->set ? t : *to + t;
        }
    }
}

static const num *gather_side(const product *p, const side *s, num *to)
{
    return s->slots != NULL ? gather(p->frame, s->slots, to) : s->each;
}

static void add_single(const product *p)
{
    num *scratch = (num *)p->frame->scratch;
    const num *a = gather_side(p, &p->a, scratch),
              *b = gather_side(p, &p->b, scratch + agi_round_up(p->a.n));
    if (p->column_stride != 1)
        add_elements(p, a, b);
    else if (p->b.upstream)
        p->set ? add_rows(p, a, b, true, true) : add_rows(p, a, b, false, true);
    else
        p->set ? add_rows(p, a, b, true, false) : add_rows(p, a, b, false, false);
}

void AGI_KERNEL(outer)(const agi_outer *outer, agi_frame *frame)
{
    const bool each = outer->b_each != AGI_NO_INDEX;
    assert(outer->a.vector.space == AGI_SLOTS && (each || outer->b.vector.space == AGI_SLOTS));
    product p = {
        .frame = frame,
        .a = {&outer->a, NULL, outer->m, outer->chain == AGI_CHAIN_A},
        .b = {&outer->b, NULL, outer->k, outer->chain == AGI_CHAIN_B},
        .total = (num *)frame->totals + outer->out,
        .row_stride = outer->row_stride,
        .column_stride = outer->column_stride,
        .factor = (num)(frame->scale == 0 ? outer->factor : frame->scale * outer->factor),
        .set = frame->scale == 0 && outer->first && !frame->add,
    };
    if (each) {
        p.b.slots = NULL;
        p.b.each = (const num *)frame->each + outer->b_each;
    }
    if (is_turned(&p))
        turn(&p);
    if (frame->lanes == 1)
        add_single(&p);
    else
        add_samples(&p);
}
