/* SPDX-License-Identifier: MIT
 *
 * Programs of vectors from a seed: loops over rows of numbers at any offset, stride and direction,
 * sums over them that other loops read, rows of which a part is replaced, recurrences, gradients.
 */
#ifndef WENGERT_VECTOR_PROBLEM_H
#define WENGERT_VECTOR_PROBLEM_H

#include "program_testing.h"

enum {
    MOST_VECTORS = 80,
    LONGEST_VECTOR = 40,
    MOST_TOGETHER = 4 /* statements that are recorded element by element */
};

typedef struct vector {
    ag_value at[LONGEST_VECTOR];
    size_t n;
    bool is_shared; /* depends on nothing of a sample's */
} vector;

typedef struct vectors {
    vector at[MOST_VECTORS];
    size_t n;
} vectors;

static inline vector *add_vector(vectors *all, size_t n, bool is_shared)
{
    assert_true(all->n < MOST_VECTORS && n <= LONGEST_VECTOR);
    vector *v = &all->at[all->n++];
    v->n = n;
    v->is_shared = is_shared;
    return v;
}

static inline const vector *pick_vector(problem *p, const vectors *all)
{
    const size_t recent = all->n < 5 ? all->n : 5;
    return draw_below(p, 3) > 0 ? &all->at[all->n - 1 - draw_below(p, recent)]
                                : &all->at[draw_below(p, all->n)];
}

/* n numbers of a vector: some of it, at a stride, backwards, turned round, or one for all. */
static inline vector view(problem *p, const vectors *all, size_t n)
{
    const vector *v = pick_vector(p, all);
    for (size_t i = 0; i < 8 && v->n < n; i++)
        v = pick_vector(p, all);
    vector to = {.n = n, .is_shared = v->is_shared};
    const size_t kind = draw_below(p, 16);
    const size_t most = n > 1 ? (v->n - 1) / (n - 1) : 1;
    const size_t stride = v->n < n || kind == 0 ? 0 : kind < 4 ? 1 + draw_below(p, most) : 1;
    const size_t room = v->n - (stride == 0 ? 0 : (n - 1) * stride);
    const size_t first = kind % 2 == 0 ? draw_below(p, room) : room - 1;
    const size_t turn = kind == 7 && v->n >= n ? draw_below(p, n) : 0;
    for (size_t i = 0; i < n; i++) {
        const size_t k = (kind == 6 ? n - 1 - i : i) + turn;
        to.at[i] = v->at[first + stride * (k % n)];
    }
    if (kind == 8)
        to.at[draw_below(p, n)] = v->at[draw_below(p, v->n)];
    return to;
}

static inline ag_value apply(size_t which, ag_value a, ag_value b, ag_value c)
{
    switch (which) {
    case 0:
        return ag_tanh(ag_add(a, b));
    case 1:
        return ag_mul(a, b);
    case 2:
        return ag_scale(ag_sub(a, b), (ag_real)0.5);
    case 3:
        return ag_sin(a);
    case 4:
        return ag_square(a);
    case 5:
        return ag_add(ag_mul(a, b), c);
    case 6:
        return ag_neg(a);
    case 7:
        return ag_relu(ag_sub(a, b));
    case 8:
        return ag_exp(ag_neg(ag_square(a)));
    case 9:
        return ag_div(a, ag_shift(ag_square(b), 1));
    case 10:
        return ag_max(a, b);
    case 11:
        return ag_select(ag_step(a), b, c);
    case 12:
        return ag_shift(a, (ag_real)0.25);
    case 13:
        return ag_chain(a, b);
    default:
        return ag_sub(ag_scale(a, (ag_real)0.75), ag_mul(b, c));
    }
}

/* Loops over n elements, one after the other or all of them at each element; an operand may be what
 * another one has computed there, or at the element before. */
static inline void add_loops(problem *p, vectors *all, size_t n)
{
    vector operands[MOST_TOGETHER][3], *to[MOST_TOGETHER];
    size_t gates_at[MOST_TOGETHER], earlier[MOST_TOGETHER];
    bool recurs[MOST_TOGETHER];
    const size_t count = 1 + draw_below(p, MOST_TOGETHER);
    const bool is_together = draw_below(p, 2) == 0;
    bool is_shared = true;
    for (size_t s = 0; s < count; s++) {
        gates_at[s] = draw_below(p, 15);
        earlier[s] = s > 0 && draw_below(p, 2) == 0 ? draw_below(p, s) : s;
        recurs[s] = draw_below(p, 20) == 0;
        for (size_t k = 0; k < 3; k++) {
            operands[s][k] = view(p, all, n);
            is_shared = is_shared && operands[s][k].is_shared;
        }
    }
    for (size_t s = 0; s < count; s++)
        to[s] = add_vector(all, n, is_shared);
    for (size_t i = 0; i < n * count; i++) {
        const size_t s = is_together ? i % count : i / n, e = is_together ? i / count : i % n;
        ag_value a = operands[s][0].at[e];
        if (earlier[s] != s)
            a = to[earlier[s]]->at[e];
        else if (recurs[s] && e > 0)
            a = ag_scale(to[s]->at[e - 1], (ag_real)0.5);
        to[s]->at[e] = apply(gates_at[s], a, operands[s][1].at[e], operands[s][2].at[e]);
    }
}

static inline ag_value reduce(problem *p, const vectors *all, size_t n, bool *is_shared)
{
    const vector a = view(p, all, n), b = view(p, all, n), c = view(p, all, n);
    const ag_real size = 1 / (ag_real)n;
    *is_shared = a.is_shared && b.is_shared && c.is_shared;
    switch (draw_below(p, 5)) {
    case 0:
        return ag_scale(ag_sum(n, a.at), size);
    case 1:
        return ag_scale(ag_add(ag_dot(n, a.at, b.at), ag_dot(n, b.at, c.at)), size);
    case 2:
        return ag_sub(ag_scale(ag_dot(n, a.at, b.at), size), ag_mul(b.at[0], c.at[n - 1]));
    case 3:
        return ag_scale(ag_logsumexp(n, a.at), (ag_real)0.25);
    default:
        return ag_scale(ag_dot(n, a.at, b.at), size);
    }
}

/* Numbers that read loops' results, each other, and are read by loops. */
static inline void add_numbers(problem *p, vectors *all, size_t n)
{
    const size_t count = 1 + draw_below(p, 4);
    ag_value numbers[4];
    bool is_shared = true;
    for (size_t i = 0; i < count; i++) {
        bool is_this_shared;
        numbers[i] = reduce(p, all, n, &is_this_shared);
        is_shared = is_shared && is_this_shared;
        if (i > 0 && draw_below(p, 2) == 0)
            numbers[i] = apply(draw_below(p, 15), numbers[i], numbers[i - 1], numbers[0]);
    }
    vector *v = add_vector(all, count, is_shared);
    memcpy(v->at, numbers, count * sizeof(*numbers));
}

/* A vector of parts of others. */
static inline void add_parts(problem *p, vectors *all, size_t n)
{
    vector v = {.n = n, .is_shared = true};
    for (size_t i = 0; i < n;) {
        const size_t left = n - i, most = 1 + draw_below(p, left);
        const vector part = view(p, all, most);
        memcpy(v.at + i, part.at, most * sizeof(*part.at));
        v.is_shared = v.is_shared && part.is_shared;
        i += most;
    }
    *add_vector(all, n, v.is_shared) = v;
}

static inline void add_gradient(problem *p, vectors *all, size_t n)
{
    bool is_shared;
    const ag_value root = reduce(p, all, n, &is_shared);
    const vector *wrt = pick_vector(p, all);
    vector *v = add_vector(all, wrt->n, is_shared);
    assert_int_equal(ag_gradient(root, wrt->n, wrt->at, v->at), AG_OK);
}

static inline void add_vector_outputs(problem *p, const vectors *all)
{
    enum {
        MOST_SUMS = 200
    };
    for (size_t i = 2 + draw_below(p, 6); i > 0; i--) {
        const vector *v = pick_vector(p, all);
        const vector part = view(p, all, v->n < 20 ? v->n : 1 + draw_below(p, v->n));
        if (v->is_shared && draw_below(p, 2) == 0)
            put_all(&p->once, v->n, v->at);
        else if (draw_below(p, 2) == 0 && p->sum.n + part.n <= MOST_SUMS)
            put_all(&p->sum, part.n, part.at);
        else
            put_all(&p->map, part.n, part.at);
    }
    (void)put(&p->map, ag_abs(all->at[all->n - 1].at[0]));
}

/* A few sums, not enough for a matrix, of rows that are far apart; a fold of scattered parameters. */
static inline problem *make_rows_problem(void)
{
    problem *p = new_problem(12);
    const ag_value *w = add_inputs(p, &p->shared, 11), *x = add_inputs(p, &p->each, 40);
    ag_value scattered[20];
    for (size_t i = 0; i < 20; i++)
        scattered[i] = w[i * i % 11];
    (void)put(&p->once, ag_logsumexp(20, scattered));
    (void)put(&p->map, ag_scale(ag_sum(11, x), (ag_real)0.5));
    (void)put(&p->map, ag_scale(ag_sum(11, x + 14), (ag_real)0.5));
    for (size_t i = 0; i < 3; i++)
        (void)put(&p->sum, ag_add(ag_dot(11, w, x + 14 * i), x[3 * i]));
    finish(p);
    return p;
}

static inline problem *make_vector_problem(uint64_t seed)
{
    problem *p = new_problem(seed);
    vectors *all = calloc(1, sizeof(*all));
    assert_non_null(all);
    size_t lengths[3];
    for (size_t i = 0; i < 3; i++)
        lengths[i] =
            draw_below(p, 3) == 0 ? 1 + draw_below(p, 6) : 5 + draw_below(p, LONGEST_VECTOR - 4);
    for (size_t i = 0; i < 4; i++) {
        const size_t n = i < 3 ? lengths[i] : LONGEST_VECTOR;
        ends *role = i % 2 == 0 ? &p->each : &p->shared;
        const ag_value *inputs = add_inputs(p, role, n);
        memcpy(add_vector(all, n, role == &p->shared)->at, inputs, n * sizeof(*inputs));
    }
    for (size_t i = 2 + draw_below(p, 14); i > 0; i--) {
        const size_t n = lengths[draw_below(p, 3)];
        switch (draw_below(p, 10)) {
        case 0:
        case 1:
            add_numbers(p, all, n);
            break;
        case 2:
            add_parts(p, all, n);
            break;
        case 3:
            add_gradient(p, all, n);
            break;
        default:
            add_loops(p, all, n);
            break;
        }
    }
    if (draw_below(p, 2) == 0) {
        bool is_shared;
        const ag_value root = reduce(p, all, lengths[0], &is_shared);
        put_gradient(&p->sum, root, p->shared.n, p->shared.at);
        if (draw_below(p, 2) == 0)
            put_gradient(&p->map, root, p->each.n, p->each.at);
    }
    add_vector_outputs(p, all);
    free(all);
    finish(p);
    return p;
}

#endif
