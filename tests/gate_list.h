/* SPDX-License-Identifier: MIT
 *
 * The gate table as the tests see it: gates over variables, their samples and edges, and ways to go
 * through them all.
 */
#ifndef WENGERT_GATE_LIST_H
#define WENGERT_GATE_LIST_H

#include "engine.h"
#include "testing.h"

/* ---- The table ------------------------------------------------------------------------------- */

enum {
    MANY = 100,      /* terms of a gate with any number of operands */
    MOST = 2 * MANY, /* operands */
};

/* A list of these ends with n == 0. */
typedef struct point {
    size_t n;
    double at[8]; /* operands; at an edge, as many local gradients follow */
} point;

typedef struct gate {
    const char *name;
    size_t arity; /* 0: any number */
    size_t width; /* operands of one term, where the arity is 0 */
    ag_value (*record)(size_t n, const ag_value *operands);
    const point *samples, *edges;
} gate;

#define INF ((double)INFINITY)
#define COUNT(...) (sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define AT(...) {COUNT(__VA_ARGS__), {__VA_ARGS__}},
#define EDGE(...) {COUNT(__VA_ARGS__), {__VA_ARGS__}},
#define LIST(name, ...) static const point name[] = {__VA_ARGS__{0, {0}}};

#define RECORD(name, ...)                                                                          \
    static ag_value record_##name(size_t n, const ag_value *x)                                     \
    {                                                                                              \
        (void)n;                                                                                   \
        return ag_##name(__VA_ARGS__);                                                             \
    }

#define AG_UNARY(name, value, dx, domain, edges, samples)                                          \
    LIST(edges_##name, edges) LIST(samples_##name, samples) RECORD(name, x[0])
#define AG_BINARY(name, value, da, db, domain, edges, samples)                                     \
    LIST(edges_##name, edges) LIST(samples_##name, samples) RECORD(name, x[0], x[1])
#define AG_TERNARY(name, value, dc, da, db, domain, edges, samples)                                \
    LIST(edges_##name, edges) LIST(samples_##name, samples) RECORD(name, x[0], x[1], x[2])
#define AG_NARY(name, partner, formula, start, step, end, dx, domain, edges, samples)              \
    LIST(edges_##name, edges) LIST(samples_##name, samples) RECORD_##partner(name)
#define RECORD_NONE(name) RECORD(name, n, x)
#define RECORD_VALUES(name)                                                                        \
    static ag_value record_##name(size_t n, const ag_value *operands)                              \
    {                                                                                              \
        ag_value x[MANY], w[MANY];                                                                 \
        for (size_t i = 0; i < n / 2; i++) {                                                       \
            x[i] = operands[2 * i];                                                                \
            w[i] = operands[2 * i + 1];                                                            \
        }                                                                                          \
        return ag_##name(n / 2, x, w);                                                             \
    }
#define RECORD_NUMBERS(name)                                                                       \
    static ag_value record_##name(size_t n, const ag_value *operands)                              \
    {                                                                                              \
        ag_real w[MANY];                                                                           \
        for (size_t i = 0; i < n; i++)                                                             \
            w[i] = (ag_real)choose_partner(i);                                                     \
        return ag_##name(n, w, operands, (ag_real)0.75);                                           \
    }

/* The i-th w beside an x. */
static inline double choose_partner(size_t i)
{
    return 0.3 + 0.1 * (double)(i % 7);
}

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdouble-promotion" /* an edge's NAN is a float */
#endif
#include <wengert/gates.def>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#define LINE(name, arity, width) {#name, arity, width, record_##name, samples_##name, edges_##name},
#define WIDTH_NONE 1
#define WIDTH_VALUES 2
#define WIDTH_NUMBERS 1
#define AG_UNARY(name, ...) LINE(name, 1, 1)
#define AG_BINARY(name, ...) LINE(name, 2, 1)
#define AG_TERNARY(name, ...) LINE(name, 3, 1)
#define AG_NARY(name, partner, ...) LINE(name, 0, WIDTH_##partner)
static const gate gates[] = {
#include <wengert/gates.def>
};

enum {
    GATES = sizeof(gates) / sizeof(*gates)
};

/* ---- Going through it ------------------------------------------------------------------------ */

/* Where a test stands in the table, for its message when it fails. */
static struct {
    const char *name;
    size_t n;
    const ag_real *operands;
} here;

static inline void fail_here(const char *condition, const char *file, int line)
{
    print_error("%s(", here.name);
    for (size_t i = 0; i < here.n; i++)
        print_error("%s%.9g", i == 0 ? "" : ", ", (double)here.operands[i]);
    print_error("): %s\n", condition);
    _fail(file, line);
}

#define check(condition) ((condition) ? (void)0 : fail_here(#condition, __FILE__, __LINE__))

/* At an edge, n local gradients follow the n operands. */
typedef void visitor(const gate *g, size_t n, const ag_real *operands);

static inline void visit(visitor *go, const gate *g, size_t n, const ag_real *operands)
{
    here.name = g->name;
    here.n = n;
    here.operands = operands;
    go(g, n, operands);
}

/* Gates with any number of operands take the sample's numbers again and again, each time a little
 * larger so that there is one largest. */
static inline void visit_terms(visitor *go, const gate *g, const point *sample, size_t terms)
{
    ag_real operands[MOST];
    for (size_t i = 0; i < terms; i++) {
        operands[i * g->width] = (ag_real)(sample->at[i % sample->n] + 0.0625 * (double)(i / 4));
        if (g->width == 2)
            operands[i * g->width + 1] = (ag_real)choose_partner(i);
    }
    visit(go, g, terms * g->width, operands);
}

static inline void visit_point(visitor *go, const gate *g, const point *p, size_t n)
{
    ag_real numbers[8];
    for (size_t i = 0; i < p->n; i++)
        numbers[i] = (ag_real)p->at[i];
    visit(go, g, n, numbers);
}

static inline void visit_samples(visitor *go)
{
    static const size_t sizes[] = {1, 2, 4, MANY};
    for (const gate *g = gates; g < gates + GATES; g++) {
        for (const point *p = g->samples; p == g->samples || p->n != 0; p++) {
            assert_int_equal(p->n, g->arity == 0 ? 4 : g->arity);
            if (g->arity != 0)
                visit_point(go, g, p, g->arity);
            for (size_t i = 0; g->arity == 0 && i < sizeof(sizes) / sizeof(*sizes); i++)
                visit_terms(go, g, p, sizes[i]);
        }
    }
}

static inline void visit_edges(visitor *go)
{
    size_t edges = 0;
    for (const gate *g = gates; g < gates + GATES; g++) {
        for (const point *p = g->edges; p->n != 0; p++, edges++) {
            assert_int_equal(p->n % 2, 0);
            if (g->arity != 0)
                assert_int_equal(p->n, 2 * g->arity);
            visit_point(go, g, p, p->n / 2);
        }
    }
    assert_true(edges > 0);
}

/* The gate over variables of a new graph, which is the caller's to free. */
static inline ag_value record(const gate *g, size_t n, const ag_real *operands, ag_value *leaves)
{
    ag_graph *graph = ag_graph_new(NULL);
    assert_non_null(graph);
    for (size_t i = 0; i < n; i++)
        leaves[i] = ag_variable(graph, operands[i]);
    const ag_value y = g->record(n, leaves);
    check(!ag_is_null(y));
    check(ag_error(graph) == AG_OK);
    return y;
}

/* ---- Differences ----------------------------------------------------------------------------- */

/* The one operand that takes whole numbers only: it has no neighbours and gets no gradient. */
static inline bool is_order(const gate *g, size_t i)
{
    return strcmp(g->name, "polygamma") == 0 && i == 0;
}

/* A power of two, so that x + STEP is exact for most x. The error of the formula below is of the
 * order of STEP^4, that of rounding of EPSILON / STEP. */
#ifdef AG_REAL_FLOAT
#define STEP 0x1p-7
#define TOLERANCE 1e-3
#else
#define STEP 0x1p-10
#define TOLERANCE 1e-7
#endif

/* dy/dleaf by four-point differences on the recorded graph, which is as before afterwards. */
static inline double differentiate(ag_value y, ag_value leaf)
{
    static const int places[] = {-2, -1, 1, 2};
    static const double weights[] = {1.0 / 12, -8.0 / 12, 8.0 / 12, -1.0 / 12};
    const ag_real x = ag_data(leaf);
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        assert_int_equal(ag_set(leaf, (ag_real)((double)x + places[k] * STEP)), AG_OK);
        assert_int_equal(ag_forward(y), AG_OK);
        sum += weights[k] * (double)ag_data(y);
    }
    assert_int_equal(ag_set(leaf, x), AG_OK);
    assert_int_equal(ag_forward(y), AG_OK);
    return sum / STEP;
}

/* Whether `analytic` is what the differences say. */
static inline bool agrees_with_differences(double analytic, ag_value y, ag_value leaf)
{
    const double numeric = differentiate(y, leaf);
    const double rounding = 8 * (double)AG_REAL_EPSILON * fmax(1, fabs((double)ag_data(y))) / STEP;
    return fabs(analytic - numeric) <= TOLERANCE * fabs(numeric) + rounding;
}

#endif
