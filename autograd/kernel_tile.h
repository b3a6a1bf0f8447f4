/* SPDX-License-Identifier: MIT
 *
 * A tile of a matrix product: sums that fit into the registers. AFFINE and OUTER over lanes are cut
 * into such tiles, and both are the same loop: numbers of one side (a matrix's elements, or a[i] of
 * a sample) times vectors of the other (a slot's lanes, or b of a sample).
 */
#ifndef WENGERT_KERNEL_TILE_H
#define WENGERT_KERNEL_TILE_H

#include "kernel.h"

/* Vector registers */
#if AGI_VECTOR_BYTES == 64 || defined(__aarch64__)
#define AGI_REGISTERS 32
#else
#define AGI_REGISTERS 16
#endif

/* A tile's sums, the vectors of one step and one number at work fit into the registers. */
enum {
    MOST_VECTORS = AGI_REGISTERS == 32 ? 4 : 2,
    MOST_ROWS = 8, /* but for tiles with MOST_VECTORS: */
    FEW_ROWS = AGI_REGISTERS == 32 || AGI_VECTOR_BYTES == 32 ? 6 : 4,
    MOST_COLUMNS = MOST_VECTORS * WIDTH,
};

/* c[i][v] = base[i][v] + factor * sum over s < depth of a[i][s] * b[s][v]. Sums begin with base,
 * where the factor is 1, or base is added to them afterwards. */
typedef struct tile {
    const num *a[MOST_ROWS];
    ptrdiff_t a_bytes;   /* the way from s to s + 1 */
    const num *const *b; /* where the vectors of each s begin, but for b_at numbers */
    size_t b_at;
    size_t depth;
    const num *base;
    ptrdiff_t base_row, base_vector;
    num *c;
    ptrdiff_t c_row;
    bool afterwards;
    num factor;      /* if afterwards */
    agi_chain chain; /* not AGI_CHAIN_NONE: which side is 0 where the product has to be, too */
} tile;

/* rows <= most_rows(vectors), vectors <= MOST_VECTORS. In a chain, products with a 0 upstream
 * are 0. */
void AGI_KERNEL(tile)(const tile *t, size_t rows, size_t vectors);

static inline size_t most_rows(size_t vectors)
{
    return vectors < MOST_VECTORS ? MOST_ROWS : FEW_ROWS;
}

/* n cut into parts of nearly the same size, at most `most`: the first `longer` of them are `size`
 * + 1. */
typedef struct parts {
    size_t size, longer;
} parts;

static inline parts cut(size_t n, size_t most)
{
    const size_t count = (n + most - 1) / most;
    return count == 0 ? (parts){0, 0} : (parts){n / count, n % count};
}

static inline size_t next_part(parts *p)
{
    if (p->longer == 0)
        return p->size;
    p->longer--;
    return p->size + 1;
}

#endif
