/* SPDX-License-Identifier: MIT
 *
 * Tiles of every shape, from one function whose loops over rows and vectors are unrolled.
 */
#include "kernel_shuffle.h"
#include "kernel_tile.h"

/* False, and nothing done, if in a chain a result is not finite. */
static inline __attribute__((always_inline)) bool compute_tile(const tile *t, const size_t rows,
                                                               const size_t vectors)
{
    vec sum[MOST_ROWS][MOST_VECTORS];
    const char *a[MOST_ROWS];
    const bool afterwards = t->afterwards;
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        a[i] = (const char *)t->a[i];
        const num *base = t->base + (ptrdiff_t)i * t->base_row;
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            sum[i][v] = afterwards ? (vec){0} : load(base + (ptrdiff_t)v * t->base_vector);
    }
    const num *const *b = t->b;
    const size_t b_at = t->b_at, depth = t->depth;
    const ptrdiff_t a_step = t->a_bytes;
    ptrdiff_t at = 0;
    for (size_t s = 0; s < depth; s++) {
        const num *x = b[s] + b_at;
        vec y[MOST_VECTORS];
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            y[v] = load(x + v * WIDTH);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            const vec p = splat(*(const num *)(a[i] + at));
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                sum[i][v] += p * y[v];
        }
        at += a_step;
    }
    if (afterwards) {
        const vec factor = splat(t->factor);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            const num *base = t->base + (ptrdiff_t)i * t->base_row;
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                sum[i][v] = load(base + (ptrdiff_t)v * t->base_vector) + factor * sum[i][v];
        }
    }
    if (t->chain != AGI_CHAIN_NONE) {
        vec all = {0}; /* not finite if one of them isn't */
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                all += sum[i][v];
        }
        if (!is_finite(all))
            return false;
    }
    num *c = t->c;
    const ptrdiff_t c_row = t->c_row;
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            store(c + (ptrdiff_t)i * c_row + v * WIDTH, sum[i][v]);
    }
    return true;
}

/* The same, leaving out what a side that is 0 is multiplied by. */
static void multiply_masked(const tile *t, size_t rows, size_t vectors)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t v = 0; v < vectors; v++) {
            const num *from = t->base + (ptrdiff_t)i * t->base_row + (ptrdiff_t)v * t->base_vector;
            const vec base = load(from);
            vec sum = t->afterwards ? (vec){0} : base;
            for (size_t s = 0; s < t->depth; s++) {
                const char *a = (const char *)t->a[i] + (ptrdiff_t)s * t->a_bytes;
                const vec p = splat(*(const num *)a);
                const vec q = load(t->b[s] + t->b_at + v * WIDTH);
                const mask is_0 = (t->chain == AGI_CHAIN_A ? p : q) == 0;
                sum += choose(is_0, (vec){0}, p) * choose(is_0, (vec){0}, q);
            }
            if (t->afterwards)
                sum = base + splat(t->factor) * sum;
            store(t->c + (ptrdiff_t)i * t->c_row + v * WIDTH, sum);
        }
    }
}

#define TILE(rows, vectors)                                                                        \
    static bool multiply_##rows##_##vectors(const tile *t)                                         \
    {                                                                                              \
        return compute_tile(t, rows, vectors);                                                     \
    }
#define TILES_4(vectors) TILE(1, vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors)
#define TILES_6(vectors) TILES_4(vectors) TILE(5, vectors) TILE(6, vectors)
#define TILES_8(vectors) TILES_6(vectors) TILE(7, vectors) TILE(8, vectors)
#define LIST_4(vectors)                                                                            \
    multiply_1_##vectors, multiply_2_##vectors, multiply_3_##vectors, multiply_4_##vectors
#define LIST_6(vectors) LIST_4(vectors), multiply_5_##vectors, multiply_6_##vectors
#define LIST_8(vectors) LIST_6(vectors), multiply_7_##vectors, multiply_8_##vectors

TILES_8(1)
#if AGI_REGISTERS == 32
TILES_8(2)
TILES_8(3)
TILES_6(4)
#elif AGI_VECTOR_BYTES == 32
TILES_6(2)
#else
TILES_4(2)
#endif

static bool (*const multiply_tile[MOST_VECTORS][MOST_ROWS])(const tile *) = {
    {LIST_8(1)},
#if AGI_REGISTERS == 32
    {LIST_8(2)},
    {LIST_8(3)},
    {LIST_6(4)},
#elif AGI_VECTOR_BYTES == 32
    {LIST_6(2)},
#else
    {LIST_4(2)},
#endif
};

void AGI_KERNEL(tile)(const tile *t, size_t rows, size_t vectors)
{
    if (!multiply_tile[vectors - 1][rows - 1](t))
        multiply_masked(t, rows, vectors);
}
