/* SPDX-License-Identifier: MIT
 *
 * What tests of compiled programs share: graphs with a signature, and the comparison of the compiled
 * program, its plain twin (every gate an instruction of its own) and the recorded graph itself, in
 * double and in float, on batches of every kind.
 *
 * How far numbers may differ. A sum of products may be off by TOLERANCE times sum |p| |q|. What that
 * means for a whole graph is carried along by bound_errors: an operand may be off by its own bound,
 * and a quarter of TOLERANCE of itself at least; a gate's bound is what that can do to its value,
 * plus, but for sums, a quarter of TOLERANCE of the value. So for products of inputs it comes to at
 * most 3/4 TOLERANCE * sum |p| |q|, however the sum is written. Where the value can jump (a selector
 * near 0, a logarithm near its edge) the bound is infinite, and nothing is claimed.
 */
#ifndef WENGERT_PROGRAM_TESTING_H
#define WENGERT_PROGRAM_TESTING_H

#include "code.h"
#include "testing.h"

#include <stdio.h>

/* ---- Problems -------------------------------------------------------------------------------- */

enum {
    MOST_ENDS = 1200 /* inputs or outputs of a role */
};

typedef struct ends {
    ag_value at[MOST_ENDS];
    size_t n;
} ends;

/* A graph and its signature; root, the last node, depends on every output. */
typedef struct problem {
    ag_graph *graph;
    ends shared, each, sum, map, once;
    ag_value root;
    uint64_t random;
} problem;

static inline uint64_t draw(problem *p)
{
    uint64_t z = (p->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline size_t draw_below(problem *p, size_t n)
{
    return (size_t)(draw(p) % n);
}

/* In [low, high), exact as a float. */
static inline double draw_number(problem *p, double low, double high)
{
    return (double)(float)(low + (high - low) * (double)(draw(p) >> 40) / 0x1p24);
}

static inline problem *new_problem(uint64_t seed)
{
    problem *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->random = seed;
    p->graph = ag_graph_new(NULL);
    assert_non_null(p->graph);
    return p;
}

static inline void free_problem(problem *p)
{
    ag_graph_free(p->graph);
    free(p);
}

static inline ag_value put(ends *list, ag_value x)
{
    assert_false(ag_is_null(x));
    assert_true(list->n < MOST_ENDS);
    return list->at[list->n++] = x;
}

static inline ag_value add_input(problem *p, ends *list)
{
    return put(list, ag_variable(p->graph, (ag_real)draw_number(p, -1, 1)));
}

/* n inputs, of which the first comes back. */
static inline const ag_value *add_inputs(problem *p, ends *list, size_t n)
{
    const ag_value *first = list->at + list->n;
    for (size_t i = 0; i < n; i++)
        (void)add_input(p, list);
    return first;
}

static inline void put_all(ends *list, size_t n, const ag_value *values)
{
    for (size_t i = 0; i < n; i++)
        (void)put(list, values[i]);
}

/* The gradient of root for n values, as outputs. */
static inline void put_gradient(ends *list, ag_value root, size_t n, const ag_value *wrt)
{
    ag_value *out = calloc(n, sizeof(*out));
    assert_non_null(out);
    assert_int_equal(ag_gradient(root, n, wrt, out), AG_OK);
    put_all(list, n, out);
    free(out);
}

static inline ag_signature sign(const problem *p)
{
    return (ag_signature){.shared = p->shared.at,
                          .shared_count = p->shared.n,
                          .each = p->each.at,
                          .each_count = p->each.n,
                          .sum = p->sum.at,
                          .sum_count = p->sum.n,
                          .map = p->map.at,
                          .map_count = p->map.n,
                          .once = p->once.at,
                          .once_count = p->once.n};
}

/* To be called when all outputs are known, and no gate made after them. */
static inline void finish(problem *p)
{
    ag_value all[3 * MOST_ENDS];
    size_t n = 0;
    const ends *const lists[] = {&p->sum, &p->map, &p->once};
    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            all[n++] = lists[l]->at[i];
    p->root = ag_sum(n, all);
    assert_int_equal(ag_error(p->graph), AG_OK);
}

static inline ag_program *compile(const problem *p, bool plain)
{
    const ag_signature signature = sign(p);
    ag_program *program = ag_compile(&signature, &(ag_compile_options){.plain = plain});
    if (program == NULL)
        fail_msg("%s", ag_error_message(p->graph));
    return program;
}

/* ---- How far numbers may differ -------------------------------------------------------------- */

#define TOLERANCE_DOUBLE 1e-13
#define TOLERANCE_FLOAT 1e-5

static inline bool is_sum(uint8_t op)
{
    return op == AGI_add || op == AGI_sub || op == AGI_neg || op == AGI_sum || op == AGI_dot ||
           op == AGI_linear;
}

/* Where a local gradient, however far from the operand, says all; there may be many operands. */
static inline bool is_gentle(uint8_t op)
{
    return is_sum(op) || op == AGI_mul || op == AGI_logsumexp;
}

/* Gates that hand one of their operands on, or answer 0 or 1: nothing is rounded. So does a product
 * with a 0 that is certain, by the zero rule. */
static inline bool is_exact(const ag_graph *graph, uint32_t node, const double *bounds)
{
    static const uint8_t exact[] = {
        AGI_DETACH, AGI_select,  AGI_max,           AGI_min,      AGI_abs,  AGI_relu,
        AGI_max_of, AGI_is_less, AGI_is_less_equal, AGI_is_equal, AGI_step, AGI_sign,
    };
    const uint8_t op = graph->gates[node];
    if (op == AGI_VARIABLE || op == AGI_CONSTANT)
        return graph->data[node] == 0;
    for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
        if (op == exact[i])
            return true;
    if (op != AGI_chain && op != AGI_couple)
        return false;
    const uint32_t first = *agi_list_operands(graph, node).index;
    return graph->data[first] == 0 && bounds[first] <= 0;
}

/* What an operand that is off by up to `error` does to the node's value. A whole number among them
 * is where gates may jump. */
static inline double carry_error(ag_graph *graph, uint32_t node, uint32_t operand, double error)
{
    const ag_real x = graph->data[operand], y = graph->data[node];
    const double at = (double)x, whole = round(at);
    const double places[] = {at - error, at - 0.7 * error, at + 0.7 * error, at + error, whole};
    const size_t n = fabs(at - whole) <= error ? 5 : 4;
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        graph->data[operand] = (ag_real)places[i];
        const ag_real moved = agi_evaluate(graph, node);
        if (!isfinite(moved) && is_same((double)moved, (double)y))
            continue;
        const bool is_number = isfinite(moved) && isfinite(y);
        most = is_number ? fmax(most, fabs((double)moved - (double)y)) : (double)INFINITY;
    }
    graph->data[operand] = x;
    return most;
}

/* Whether the node's value depends on an operand now: the untaken side of a select may be anything. */
static inline bool looks_at(const ag_graph *graph, uint32_t node, uint32_t k)
{
    const uint32_t first = *agi_list_operands(graph, node).index;
    const uint8_t op = graph->gates[node];
    if (op == AGI_select)
        return k == 0 || (k == 1) == (graph->data[first] != 0);
    return (op != AGI_chain && op != AGI_couple) || k == 0 || graph->data[first] != 0;
}

/* Whether a recorded number is infinite only because ag_real is float: a double might not be. */
static inline bool is_too_narrow(ag_graph *graph, uint32_t node)
{
    if (sizeof(ag_real) == sizeof(double) || !isinf(graph->data[node]))
        return false;
    const agi_list operands = agi_list_operands(graph, node);
    bool are_finite = operands.n > 0;
    for (uint32_t k = 0; k < operands.n; k++)
        are_finite = are_finite && isfinite(graph->data[operands.index[k]]);
    return are_finite;
}

/* Whether both operands of a comparison, off by as much as they may be, can be equal, and are not the
 * same node. (One of them alone, moved by its error, seldom meets the other.) */
static inline bool is_close_comparison(const ag_graph *graph, uint32_t node, const double *bounds)
{
    const uint8_t op = graph->gates[node];
    if (op != AGI_is_less && op != AGI_is_less_equal && op != AGI_is_equal)
        return false;
    const agi_operands at = graph->operands[node];
    const double a = (double)graph->data[at.a], b = (double)graph->data[at.b];
    const double bound = bounds[at.a] + bounds[at.b];
    return at.a != at.b && bound > 0 && isfinite(a) && isfinite(b) && fabs(a - b) <= bound;
}

static inline double bound_error(ag_graph *graph, uint32_t node, const double *bounds,
                                 double tolerance)
{
    const uint8_t op = graph->gates[node];
    const agi_list operands = agi_list_operands(graph, node);
    const double y = (double)graph->data[node], own = tolerance / 4;
    const double least = tolerance > TOLERANCE_DOUBLE ? 0x1p-120 : 0x1p-1000;
    /* sums in another order may overflow */
    if ((fabs(y) > 1e30 && isfinite(y)) || is_too_narrow(graph, node) ||
        is_close_comparison(graph, node, bounds))
        return (double)INFINITY;
    double bound =
        is_sum(op) || !isfinite(y) || is_exact(graph, node, bounds) ? 0 : own * fabs(y) + least;
    if (op == AGI_linear)
        bound += own * fabs((double)graph->numbers[graph->pool[graph->operands[node].a]]);
    for (uint32_t k = 0; k < operands.n; k++) {
        const double x = (double)graph->data[operands.index[k]];
        double error = bounds[operands.index[k]];
        if (!looks_at(graph, node, k) || (!isfinite(x) && !isinf(error)))
            continue;
        if (isinf(error))
            return error;
        if (op == AGI_linear && fabs((double)agi_local(graph, node, k, 0, NULL)) > 1e30)
            return (double)INFINITY; /* a float's factor is infinite, and the operand may be 0 */
        const bool exponent = op == AGI_pow && k == 1;
        if (exponent && fabs(x) > 0x1p24) /* even and odd are not the same in a float */
            return (double)INFINITY;
        if (graph->gates[operands.index[k]] != AGI_CONSTANT || !exponent)
            error = fmax(error, own * fabs(x)); /* an exponent is what it is */
        /* both factors off */
        const bool has_partner = op == AGI_mul || op == AGI_dot;
        const double pair = has_partner ? error * bounds[operands.index[k ^ 1]] : 0;
        if (op == AGI_max_of)
            bound += error;
        else if (is_gentle(op) && isfinite(y))
            bound += error * fabs((double)agi_local(graph, node, k, 0, NULL)) + pair;
        else
            bound += carry_error(graph, node, operands.index[k], error);
    }
    return bound <= 1e-2 * fmax(1, fabs(y)) || (!isfinite(y) && bound <= 0) ? bound
                                                                            : (double)INFINITY;
}

/* ---- The recorded graph, run sample by sample ------------------------------------------------ */

/* What a batch goes in with, what should come out, and by how much that may be off. */
typedef struct batch {
    const problem *problem;
    size_t n;
    double tolerance;
    double *shared, *each;
    double *sum, *map, *once;
    double *sum_bounds, *map_bounds, *once_bounds;
    size_t branch; /* the first sample with a comparison that comes out differently; SIZE_MAX */
    bool is_branch_certain;
} batch;

static inline double *new_numbers(size_t n)
{
    double *numbers = calloc(n > 0 ? n : 1, sizeof(*numbers));
    assert_non_null(numbers);
    return numbers;
}

static inline void free_batch(batch *b)
{
    double *const all[] = {b->shared, b->each,       b->sum,        b->map,
                           b->once,   b->sum_bounds, b->map_bounds, b->once_bounds};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        free(all[i]);
}

/* Whether rounding can turn a comparison. */
static inline bool has_close_comparison(const problem *p, const double *bounds)
{
    const ag_graph *graph = p->graph;
    for (uint32_t i = 0; i < p->root.index; i++) {
        if (agi_gate_forms[graph->gates[i]] != AGI_FORM_COMPARE)
            continue;
        const agi_operands at = graph->operands[i];
        const double a = (double)graph->data[at.a], b = (double)graph->data[at.b];
        const double bound = bounds[at.a] + bounds[at.b];
        if (isinf(bound) || (isfinite(a) && isfinite(b) && fabs(a - b) <= bound))
            return true;
    }
    return false;
}

static inline void take_sample(batch *b, size_t sample, const double *bounds)
{
    const problem *p = b->problem;
    for (size_t i = 0; i < p->map.n; i++) {
        b->map[sample * p->map.n + i] = (double)ag_data(p->map.at[i]);
        b->map_bounds[sample * p->map.n + i] = bounds[p->map.at[i].index];
    }
    for (size_t i = 0; i < p->once.n; i++) {
        b->once[i] = (double)ag_data(p->once.at[i]);
        b->once_bounds[i] = bounds[p->once.at[i].index];
    }
    for (size_t i = 0; i < p->sum.n; i++) {
        const double y = (double)ag_data(p->sum.at[i]);
        b->sum[i] += y;
        b->sum_bounds[i] += bounds[p->sum.at[i].index];
        if (isfinite(y))
            b->sum_bounds[i] += b->tolerance / 4 * fabs(y);
    }
}

static inline void run_recorded(batch *b)
{
    const problem *p = b->problem;
    double *bounds = new_numbers(p->graph->count);
    b->branch = SIZE_MAX;
    b->is_branch_certain = true;
    for (size_t i = 0; i < p->shared.n; i++)
        assert_int_equal(ag_set(p->shared.at[i], (ag_real)b->shared[i]), AG_OK);
    for (size_t s = 0; s < b->n; s++) {
        for (size_t i = 0; i < p->each.n; i++)
            assert_int_equal(ag_set(p->each.at[i], (ag_real)b->each[s * p->each.n + i]), AG_OK);
        const ag_status status = ag_forward(p->root);
        assert_true(status == AG_OK || status == AG_BRANCH);
        for (uint32_t i = 0; i < p->graph->count; i++)
            bounds[i] = bound_error(p->graph, i, bounds, b->tolerance);
        if (b->branch == SIZE_MAX && has_close_comparison(p, bounds))
            b->is_branch_certain = false;
        if (status == AG_BRANCH && b->branch == SIZE_MAX)
            b->branch = s;
        take_sample(b, s, bounds);
    }
    free(bounds);
}

/* Where inputs are drawn from. */
typedef struct source {
    double low, high;
    size_t wild; /* one in so many is not finite, or 0 with either sign; 0: none */
} source;

static inline double draw_input(problem *p, source from)
{
    static const double wild[] = {0, -0.0, 1, (double)INFINITY, -(double)INFINITY, (double)NAN};
    if (from.wild != 0 && draw_below(p, from.wild) == 0)
        return wild[draw_below(p, sizeof(wild) / sizeof(*wild))];
    return draw_number(p, from.low, from.high);
}

/* Numbers that float programs are compared with have float's tolerance; those of a library in float
 * have it anyway. */
static inline batch new_batch(problem *p, size_t n, source from, bool is_float)
{
    batch b = {.problem = p, .n = n, .tolerance = TOLERANCE_DOUBLE};
    if (is_float || sizeof(ag_real) == sizeof(float))
        b.tolerance = TOLERANCE_FLOAT;
    b.shared = new_numbers(p->shared.n);
    b.each = new_numbers(n * p->each.n);
    b.sum = new_numbers(p->sum.n);
    b.sum_bounds = new_numbers(p->sum.n);
    b.map = new_numbers(n * p->map.n);
    b.map_bounds = new_numbers(n * p->map.n);
    b.once = new_numbers(p->once.n);
    b.once_bounds = new_numbers(p->once.n);
    for (size_t i = 0; i < p->shared.n; i++)
        b.shared[i] = draw_input(p, from);
    for (size_t i = 0; i < n * p->each.n; i++)
        b.each[i] = draw_input(p, from);
    return b;
}

/* ---- Comparison ------------------------------------------------------------------------------ */

/* What the checks have seen, so that a test can tell that they claimed something. */
static struct {
    size_t numbers, bounded, branches;
    char where[80];
} seen;

static inline void compare_outputs(const char *role, size_t n, const double *actual,
                                   const double *expected, const double *bounds)
{
    for (size_t i = 0; i < n; i++) {
        seen.numbers++;
        if (isinf(bounds[i]))
            continue;
        seen.bounded++;
        const double error = fabs(actual[i] - expected[i]);
        if (isfinite(expected[i]) ? error <= bounds[i] : is_same(actual[i], expected[i]))
            continue;
        fail_msg("%s: %s[%zu] is %.17g, not %.17g: off by %g, not %g", seen.where, role, i,
                 actual[i], expected[i], error, bounds[i]);
    }
}

static inline void round_all(size_t n, const double *from, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

static inline void widen_all(size_t n, const float *from, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (double)from[i];
}

static inline ag_status run_in_float(const ag_program *program, ag_workspace *workspace,
                                     const batch *b, double *sum, double *map, double *once)
{
    const problem *p = b->problem;
    const size_t each = b->n * p->each.n, maps = b->n * p->map.n;
    float *all = calloc(p->shared.n + each + p->sum.n + maps + p->once.n + 1, sizeof(*all));
    assert_non_null(all);
    float *const sums = all + p->shared.n + each;
    const ag_arrays_float arrays = {.shared = all,
                                    .each = all + p->shared.n,
                                    .sum = sums,
                                    .map = sums + p->sum.n,
                                    .once = sums + p->sum.n + maps};
    round_all(p->shared.n, b->shared, all);
    round_all(each, b->each, all + p->shared.n);
    const ag_status status = ag_run_float(program, workspace, b->n, &arrays);
    widen_all(p->sum.n, arrays.sum, sum);
    widen_all(maps, arrays.map, map);
    widen_all(p->once.n, arrays.once, once);
    free(all);
    return status;
}

/* What a run came to. sample: of AG_BRANCH, SIZE_MAX for a comparison of shared inputs alone. */
typedef struct results {
    ag_status status;
    size_t sample;
    char message[200];
    double *sum, *map, *once;
} results;

static inline results new_results(const batch *b)
{
    const problem *p = b->problem;
    return (results){.sum = new_numbers(p->sum.n),
                     .map = new_numbers(b->n * p->map.n),
                     .once = new_numbers(p->once.n)};
}

static inline void free_results(results *r)
{
    free(r->sum);
    free(r->map);
    free(r->once);
}

static inline void compare_results(const batch *b, const results *r)
{
    const problem *p = b->problem;
    if (!b->is_branch_certain)
        return;
    if (r->status != (b->branch == SIZE_MAX ? AG_OK : AG_BRANCH))
        fail_msg("%s: %s: %s", seen.where, ag_status_name(r->status), r->message);
    if (r->status == AG_BRANCH && !(b->branch == 0 && r->sample == SIZE_MAX))
        assert_int_equal(r->sample, b->branch);
    seen.branches += r->status == AG_BRANCH;
    if (r->status != AG_OK)
        return;
    compare_outputs("sum", p->sum.n, r->sum, b->sum, b->sum_bounds);
    compare_outputs("map", b->n * p->map.n, r->map, b->map, b->map_bounds);
    compare_outputs("once", p->once.n, r->once, b->once, b->once_bounds);
}

/* Runs the program on the batch and compares. */
static inline void check_run(ag_program *program, const batch *b, bool is_float)
{
    results r = new_results(b);
    ag_error_details error;
    ag_workspace *workspace =
        ag_workspace_new(program, &(ag_workspace_options){.threads = 1}, &error);
    assert_non_null(workspace);
    const ag_arrays arrays = {
        .shared = b->shared, .each = b->each, .sum = r.sum, .map = r.map, .once = r.once};
    r.status = is_float ? run_in_float(program, workspace, b, r.sum, r.map, r.once)
                        : ag_run(program, workspace, b->n, &arrays);
    r.sample = ag_workspace_sample(workspace);
    (void)snprintf(r.message, sizeof(r.message), "%s", ag_workspace_message(workspace));
    compare_results(b, &r);
    ag_workspace_free(workspace);
    free_results(&r);
}

/* The program and its plain twin against the recorded graph, in double and in float. */
static inline void check_batch(problem *p, ag_program *program, ag_program *plain, size_t n,
                               source from)
{
    for (int is_float = 0; is_float < 2; is_float++) {
        batch b = new_batch(p, n, from, is_float);
        run_recorded(&b);
        for (int is_plain = 1; is_plain >= 0; is_plain--) {
            (void)snprintf(seen.where, sizeof(seen.where), "%s, %s, batch of %zu",
                           is_plain ? "plain" : "compiled", is_float ? "float" : "double", n);
            check_run(is_plain ? plain : program, &b, is_float);
        }
        free_batch(&b);
    }
}

static const size_t batch_sizes[] = {1, 5, 64, 100};

/* Numbers of which nothing can be said are passed over; that must not be most of them. */
static inline void check_numbers_from(problem *p, ag_program *program, source from)
{
    const size_t numbers = seen.numbers, bounded = seen.bounded;
    ag_program *plain = compile(p, true);
    for (size_t i = 0; i < sizeof(batch_sizes) / sizeof(*batch_sizes); i++)
        check_batch(p, program, plain, batch_sizes[i], from);
    ag_program_free(plain);
    assert_true(2 * (seen.bounded - bounded) > seen.numbers - numbers);
}

static inline void check_numbers(problem *p, ag_program *program)
{
    check_numbers_from(p, program, (source){-1, 1, 0});
}

#endif
