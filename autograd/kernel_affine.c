/* SPDX-License-Identifier: MIT
 *
 * AFFINE: a matrix times vectors. Over lanes it is cut into tiles, summed up over blocks of columns
 * so that the block's part of x stays in the nearest cache. With a single lane it is dot products
 * of rows, or columns added up, whichever lie side by side: as fast as the matrix comes from memory.
 */
#include "kernel_shuffle.h"
#include "kernel_tile.h"

/* ---- Over lanes ------------------------------------------------------------------------------ */

/* What rows i .. i + rows of a tile begin with. */
static void set_base(tile *t, const agi_affine *affine, const agi_frame *frame, size_t i,
                     size_t rows, num bias[MOST_ROWS][WIDTH])
{
    const num *from = locate(frame, affine->bias);
    const ptrdiff_t step = step_of(frame, affine->bias);
    if (affine->bias.space == AGI_SLOTS) {
        t->base = from + (ptrdiff_t)i * step + t->b_at;
        t->base_row = step;
        t->base_vector = WIDTH;
        return;
    }
    for (size_t r = 0; r < MOST_ROWS; r++) {
        const size_t row = i + (r < rows ? r : 0);
        store(bias[r], splat(from == NULL ? 0 : from[(ptrdiff_t)row * step]));
    }
    t->base = bias[0];
    t->base_row = WIDTH;
    t->base_vector = 0;
}

/* Columns from .. from + depth of the matrix, all rows and lanes. */
static void add_block(const agi_affine *affine, num *out, const agi_frame *frame, size_t from,
                      size_t depth)
{
    assert(affine->x.vector.space == AGI_SLOTS && affine->p.space != AGI_SLOTS);
    const num *x[AGI_TILE_DEPTH];
    for (size_t j = 0; j < depth; j++)
        x[j] = locate_element(frame, &affine->x, from + j);
    const num *matrix = locate(frame, affine->p) + (ptrdiff_t)from * affine->column_stride;
    const ptrdiff_t lanes = (ptrdiff_t)frame->lanes;
    const bool add = affine->add || from > 0;
    num bias[MOST_ROWS][WIDTH];
    tile t = {
        .a_bytes = affine->column_stride * (ptrdiff_t)sizeof(num),
        .b = x,
        .depth = depth,
        .c_row = lanes,
        .chain = affine->chain ? AGI_CHAIN_B : AGI_CHAIN_NONE,
    };
    const size_t all = frame->lanes / WIDTH;
    parts tiles = cut(all, MOST_VECTORS);
    for (size_t v = 0, vectors; v < all; v += vectors) {
        vectors = next_part(&tiles);
        parts strips = cut(affine->m, most_rows(vectors));
        t.b_at = v * WIDTH;
        for (size_t i = 0, rows; i < affine->m; i += rows) {
            rows = next_part(&strips);
            for (size_t r = 0; r < rows; r++)
                t.a[r] = matrix + (ptrdiff_t)(i + r) * affine->row_stride;
            t.c = out + (ptrdiff_t)i * lanes + t.b_at;
            if (add) {
                t.base = t.c;
                t.base_row = lanes;
                t.base_vector = WIDTH;
            } else {
                set_base(&t, affine, frame, i, rows, bias);
            }
            AGI_KERNEL(tile)(&t, rows, vectors);
        }
    }
}

/* ---- With a single lane ---------------------------------------------------------------------- */

typedef struct single {
    size_t m, k;
    const num *matrix;
    ptrdiff_t row_stride, column_stride;
    const num *x;
    const num *base; /* NULL: 0 */
    ptrdiff_t base_step;
    num *out;
    num *sums; /* room for m, in whole vectors */
    bool chain;
} single;

static inline num base_of(const single *s, size_t i)
{
    return s->base == NULL ? 0 : s->base[(ptrdiff_t)i * s->base_step];
}

/* Row i, element by element; in a chain without what x == 0 is multiplied by. */
static void multiply_row(const single *s, size_t i)
{
    const num *row = s->matrix + (ptrdiff_t)i * s->row_stride;
    num sum = 0;
    for (size_t j = 0; j < s->k; j++)
        if (!s->chain || s->x[j] != 0)
            sum += row[(ptrdiff_t)j * s->column_stride] * s->x[j];
    s->out[i] = base_of(s, i) + sum;
}

/* Results of rows i .. i + n from their sums, n <= WIDTH; other numbers of the vector are finite if
 * these are. */
static inline void finish_rows(const single *s, size_t i, size_t n, vec sum)
{
    vec base = {0};
    if (s->base_step == 1)
        base = load_into(base, s->base + i, n);
    else if (s->base != NULL)
        for (size_t r = 0; r < WIDTH; r++)
            base[r] = base_of(s, i + (r < n ? r : 0));
    const vec y = base + sum;
    if (s->chain && !is_finite(y)) {
        for (size_t r = 0; r < n; r++)
            multiply_row(s, i + r);
    } else if (n == WIDTH) {
        store(s->out + i, y);
    } else {
        store_part(s->out + i, y, n);
    }
}

enum {
    MOST_SETS = 4, /* of sums that don't wait for each other */
    MOST_SUMS = 16,
    MOST_STREAMS = 4,
};

/* Dot products of rows i .. i + rows, each summed up in so many sets. */
static inline __attribute__((always_inline)) void
multiply_rows(const single *s, size_t i, const size_t rows, const size_t sets)
{
    vec sum[MOST_SETS][MOST_ROWS];
    UNROLL
    for (size_t u = 0; u < sets; u++) {
        UNROLL
        for (size_t r = 0; r < rows; r++)
            sum[u][r] = (vec){0};
    }
    const num *a = s->matrix + (ptrdiff_t)i * s->row_stride, *x = s->x;
    const ptrdiff_t stride = s->row_stride;
    size_t k = s->k;
    for (; k >= sets * WIDTH; k -= sets * WIDTH) {
        UNROLL
        for (size_t u = 0; u < sets; u++) {
            const vec y = load(x + u * WIDTH);
            UNROLL
            for (size_t r = 0; r < rows; r++)
                sum[u][r] += load(a + (ptrdiff_t)r * stride + u * WIDTH) * y;
        }
        a += sets * WIDTH;
        x += sets * WIDTH;
    }
    for (; k > 0; k -= agi_smaller(k, WIDTH)) {
        const size_t n = agi_smaller(k, WIDTH);
        const vec y = load_into((vec){0}, x, n);
        UNROLL
        for (size_t r = 0; r < rows; r++)
            sum[0][r] += load_into((vec){0}, a + (ptrdiff_t)r * stride, n) * y;
        a += WIDTH;
        x += WIDTH;
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        UNROLL
        for (size_t u = 1; u < sets; u++)
            sum[0][r] += sum[u][r];
    }
    UNROLL
    for (size_t r = 0; r < rows; r += WIDTH) {
        const size_t n = agi_smaller(rows, WIDTH);
        finish_rows(s, i + r, n, add_across(sum[0] + r, n));
    }
}

static void multiply_all_rows(const single *s)
{
    size_t i = 0;
    /* Long rows one by one, as they lie in memory. */
    for (; s->k >= 32 * WIDTH && i < s->m; i++)
        multiply_rows(s, i, 1, 4);
    for (; i + 8 <= s->m; i += 8)
        multiply_rows(s, i, 8, 1);
    if (i + 4 <= s->m) {
        multiply_rows(s, i, 4, 2);
        i += 4;
    }
    if (i + 2 <= s->m) {
        multiply_rows(s, i, 2, 4);
        i += 2;
    }
    if (i < s->m)
        multiply_rows(s, i, 1, 4);
}

/* All rows, which are so many vectors: columns are added up in turn in so many sets. */
static inline __attribute__((always_inline)) void add_columns(const single *s, const size_t vectors,
                                                              const size_t sets)
{
    vec sum[MOST_SETS][MOST_SUMS];
    UNROLL
    for (size_t u = 0; u < sets; u++) {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            sum[u][v] = (vec){0};
    }
    const size_t end = (vectors - 1) * WIDTH, rest = s->m - end;
    const num *column = s->matrix, *x = s->x;
    const ptrdiff_t stride = s->column_stride;
    size_t k = s->k;
    for (; k >= sets; k -= sets) {
        UNROLL
        for (size_t u = 0; u < sets; u++) {
            const vec y = splat(x[u]);
            UNROLL
            for (size_t v = 0; v + 1 < vectors; v++)
                sum[u][v] += load(column + v * WIDTH) * y;
            sum[u][vectors - 1] += load_into((vec){0}, column + end, rest) * y;
            column += stride;
        }
        x += sets;
    }
    for (; k > 0; k--) {
        const vec y = splat(*x++);
        UNROLL
        for (size_t v = 0; v + 1 < vectors; v++)
            sum[0][v] += load(column + v * WIDTH) * y;
        sum[0][vectors - 1] += load_into((vec){0}, column + end, rest) * y;
        column += stride;
    }
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
        UNROLL
        for (size_t u = 1; u < sets; u++)
            sum[0][v] += sum[u][v];
        store(s->sums + v * WIDTH, sum[0][v]);
    }
}

/* A few columns, from j on, added to the sums of all rows; at j == 0 these begin. */
static inline __attribute__((always_inline)) void stream_columns(const single *s, size_t j,
                                                                 const size_t columns)
{
    const num *a = s->matrix + (ptrdiff_t)j * s->column_stride;
    const ptrdiff_t stride = s->column_stride;
    vec x[MOST_STREAMS];
    UNROLL
    for (size_t c = 0; c < columns; c++)
        x[c] = splat(s->x[j + c]);
    for (size_t i = 0; i < s->m; i += WIDTH) {
        const size_t n = s->m - i;
        vec sum = j == 0 ? (vec){0} : load(s->sums + i);
        UNROLL
        for (size_t c = 0; c < columns; c++) {
            const num *from = a + (ptrdiff_t)c * stride + i;
            sum += (n < WIDTH ? load_into((vec){0}, from, n) : load(from)) * x[c];
        }
        store(s->sums + i, sum);
    }
}

/* Rows that lie side by side in columns. What fits stays in registers from the first column to the
 * last; otherwise the matrix is read through once, a few columns at a time. */
static void add_all_columns(const single *s)
{
    size_t j = 0;
    switch ((s->m + WIDTH - 1) / WIDTH) {
#define CASE(vectors)                                                                              \
    case vectors:                                                                                  \
        add_columns(s, vectors, vectors > 8 ? 1 : vectors > 2 ? 2 : 4);                            \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#if AGI_REGISTERS == 32
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
        CASE(15)
        CASE(16)
#endif
#undef CASE
    default:
        for (; j + MOST_STREAMS <= s->k; j += MOST_STREAMS)
            stream_columns(s, j, MOST_STREAMS);
        for (; j < s->k; j++)
            stream_columns(s, j, 1);
        break;
    }
    for (size_t i = 0; i < s->m; i += WIDTH)
        finish_rows(s, i, agi_smaller(s->m - i, WIDTH), load(s->sums + i));
}

static void multiply_single(const agi_affine *affine, uint32_t out, const agi_frame *frame)
{
    single s = {
        .m = affine->m,
        .k = affine->k,
        .matrix = locate(frame, affine->p),
        .row_stride = affine->row_stride,
        .column_stride = affine->column_stride,
        .x = gather(frame, &affine->x, (num *)frame->scratch + agi_round_up(affine->m)),
        .base = locate(frame, affine->bias),
        .base_step = affine->bias.stride,
        .out = (num *)frame->slots + out,
        .sums = (num *)frame->scratch,
        .chain = affine->chain,
    };
    if (affine->add) {
        s.base = s.out;
        s.base_step = 1;
    } else if (s.base == NULL) {
        s.base_step = 0;
    }
    if (s.row_stride == 1 && s.k > 0 && (s.column_stride != 1 || s.k == 1)) {
        add_all_columns(&s);
    } else if (s.column_stride == 1 || s.k <= 1) {
        multiply_all_rows(&s);
    } else {
        for (size_t i = 0; i < s.m; i++)
            multiply_row(&s, i);
    }
}

void AGI_KERNEL(affine)(const agi_affine *affine, uint32_t out, agi_frame *frame)
{
    if (frame->lanes == 1) {
        multiply_single(affine, out, frame);
        return;
    }
    num *to = (num *)frame->slots + (size_t)out * frame->lanes;
    parts blocks = cut(affine->k, AGI_TILE_DEPTH);
    size_t j = 0, depth;
    do {
        depth = next_part(&blocks);
        add_block(affine, to, frame, j, depth);
        j += depth;
    } while (j < affine->k);
}
