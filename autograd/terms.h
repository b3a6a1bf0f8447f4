/* SPDX-License-Identifier: MIT
 *
 * The operands of gates that fold over any number of them: where they are, for the forward fold and
 * for the local gradients alike. The form is a constant wherever these are called, and disappears.
 */
#ifndef WENGERT_TERMS_H
#define WENGERT_TERMS_H

#include "engine.h"

typedef struct agi_terms {
    const uint32_t *index;  /* x, or x and w in turn */
    const ag_real *numbers; /* offset, then w; NULL but for AGI_FORM_NUMBERS */
    uint32_t n;
    uint32_t stride;
} agi_terms;

/* Entries that n terms take in the pool. */
static inline uint32_t agi_pooled_count(agi_form form, uint32_t n)
{
    return form == AGI_FORM_VALUES ? 2 * n : form == AGI_FORM_NUMBERS ? n + 1 : n;
}

static inline agi_terms agi_get_terms(const ag_graph *graph, agi_operands at, agi_form form)
{
    const uint32_t *entry = graph->pool + at.a;
    if (form == AGI_FORM_NUMBERS)
        return (agi_terms){entry + 1, graph->numbers + entry[0], at.b, 1};
    return (agi_terms){entry, NULL, at.b, form == AGI_FORM_VALUES ? 2u : 1u};
}

/* The node of the k-th x. */
static inline uint32_t agi_term(agi_terms terms, uint32_t k)
{
    return terms.index[(size_t)k * terms.stride];
}

static inline ag_real agi_partner(const ag_real *data, agi_terms terms, agi_form form, uint32_t k)
{
    return form == AGI_FORM_VALUES    ? data[terms.index[2 * (size_t)k + 1]]
           : form == AGI_FORM_NUMBERS ? terms.numbers[(size_t)k + 1]
                                      : 0;
}

/* Whether x takes the place of the largest so far: a NaN is larger than any number, and the first of
 * equals stays. Also a text, in generated C; operands are no more than words. */
#define AGI_OUTDOES(x, most) most == most && (x > most || x != x)

/* The first x that is the largest, or the first NaN. */
static inline uint32_t agi_find_largest(const ag_real *data, agi_terms terms)
{
    uint32_t best = 0;
    for (uint32_t k = 1; k < terms.n; k++) {
        const ag_real most = data[agi_term(terms, best)], x = data[agi_term(terms, k)];
        if (AGI_OUTDOES(x, most))
            best = k;
    }
    return best;
}

#endif
