/* SPDX-License-Identifier: MIT
 *
 * Irregular graphs from a seed: every gate of the table, with gradients, random roles, outputs that
 * are inputs or constants or stand there twice, comparisons.
 */
#ifndef WENGERT_RANDOM_PROBLEM_H
#define WENGERT_RANDOM_PROBLEM_H

#include "gate_list.h"
#include "program_testing.h"

/* Nodes to choose operands from. */
typedef struct pond {
    ag_value at[256];
    size_t n;
} pond;

static inline ag_value pick(problem *p, const pond *from)
{
    /* a recent one as often as any */
    const size_t recent = from->n < 8 ? from->n : 8;
    return draw_below(p, 2) == 0 ? from->at[draw_below(p, from->n)]
                                 : from->at[from->n - 1 - draw_below(p, recent)];
}

static inline void keep(problem *p, pond *to, ag_value x)
{
    const double data = (double)ag_data(x);
    const bool is_tame = isfinite(data) && fabs(data) < 100;
    if (to->n < sizeof(to->at) / sizeof(*to->at) && (is_tame || draw_below(p, 50) == 0))
        to->at[to->n++] = x;
}

static inline void add_gate(problem *p, pond *from)
{
    const gate *g = &gates[draw_below(p, GATES)];
    /* as many sums as everything else: that is what the passes work on */
    static const char *const common[] = {"add", "sub",    "mul",    "neg", "sum",
                                         "dot", "linear", "square", "mul", "add"};
    if (draw_below(p, 2) == 0) {
        const char *name = common[draw_below(p, sizeof(common) / sizeof(*common))];
        for (g = gates; strcmp(g->name, name) != 0; g++)
            continue;
    }
    const size_t n = g->arity != 0 ? g->arity : g->width * (1 + draw_below(p, 8));
    ag_value operands[16];
    for (size_t i = 0; i < n; i++)
        operands[i] = pick(p, from);
    if (strcmp(g->name, "polygamma") == 0)
        operands[0] = ag_constant(p->graph, (ag_real)draw_below(p, 3));
    keep(p, from, g->record(n, operands));
}

static inline void add_plain_number(problem *p, pond *from)
{
    static const ag_real numbers[] = {0, 1, 2, -1, (ag_real)0.5, 3};
    const ag_value x = pick(p, from);
    const ag_real number = numbers[draw_below(p, sizeof(numbers) / sizeof(*numbers))];
    switch (draw_below(p, 5)) {
    case 0:
        keep(p, from, ag_scale(x, number));
        break;
    case 1:
        keep(p, from, ag_shift(x, number));
        break;
    case 2:
        keep(p, from, ag_pow(x, ag_constant(p->graph, number)));
        break;
    case 3:
        keep(p, from, ag_detach(x));
        break;
    default:
        keep(p, from, ag_chain(x, ag_constant(p->graph, number)));
        break;
    }
}

static inline void compare_something(problem *p, const pond *from)
{
    const ag_value a = pick(p, from), b = pick(p, from);
    switch (draw_below(p, 4)) {
    case 0:
        (void)ag_gt(a, b);
        break;
    case 1:
        (void)ag_le(a, b);
        break;
    case 2:
        (void)ag_eq(a, b);
        break;
    default:
        (void)ag_lt(a, ag_shift(b, 100));
        break;
    }
}

/* Whether x can be a once output. */
static inline bool is_shared(const problem *p, ag_value x)
{
    ag_value order[4096];
    const size_t n = ag_topological_order(x, order, 4096);
    assert_true(n <= 4096);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < p->each.n; k++)
            if (order[i].index == p->each.at[k].index)
                return false;
    return true;
}

static inline void add_outputs(problem *p, const pond *from)
{
    for (size_t i = 1 + draw_below(p, 10); i > 0; i--)
        (void)put(draw_below(p, 2) == 0 ? &p->sum : &p->map, pick(p, from));
    for (size_t i = draw_below(p, 30); i > 0; i--) {
        const ag_value x = pick(p, from);
        if (is_shared(p, x))
            (void)put(&p->once, x);
    }
    /* after all comparisons, so that the program has each of them */
    (void)put(&p->map, ag_abs(pick(p, from)));
    if (draw_below(p, 3) == 0) { /* what is no gate, and what stands there already */
        (void)put(&p->sum, p->each.at[0]);
        (void)put(&p->map, p->shared.at[0]);
        (void)put(&p->once, ag_constant(p->graph, 3));
        (void)put(&p->sum, p->sum.at[0]);
        (void)put(&p->map, p->sum.at[0]);
    }
}

static inline problem *make_problem(uint64_t seed)
{
    problem *p = new_problem(seed);
    pond from = {.n = 0};
    const size_t inputs = 2 + draw_below(p, 8);
    for (size_t i = 0; i < inputs; i++) {
        ends *role = i == 0 ? &p->each : i == 1 || draw_below(p, 2) == 0 ? &p->shared : &p->each;
        from.at[from.n++] = add_input(p, role);
    }
    from.at[from.n++] = ag_constant(p->graph, (ag_real)draw_number(p, -2, 2));
    const size_t size = 5 + draw_below(p, 60);
    for (size_t i = 0; i < size; i++) {
        if (draw_below(p, 6) == 0)
            add_plain_number(p, &from);
        else
            add_gate(p, &from);
        if (seed % 4 == 0 && draw_below(p, 30) == 0)
            compare_something(p, &from);
    }
    if (draw_below(p, 2) == 0) {
        const ag_value root = pick(p, &from);
        const pond before = from;
        for (size_t i = 0; i < 1 + inputs / 2; i++) {
            const ag_value wrt = pick(p, &before);
            ag_value dx;
            assert_int_equal(ag_gradient(root, 1, &wrt, &dx), AG_OK);
            keep(p, &from, dx);
            if (draw_below(p, 2) == 0)
                (void)put(&p->sum, dx);
        }
    }
    add_outputs(p, &from);
    finish(p);
    return p;
}

/* A damped oscillator by ag_scan, with inputs, outputs and totals, and the gradient of its end, which
 * takes scans of other steps. */
static inline problem *make_scan_problem(uint64_t seed)
{
    enum {
        STEPS = 20
    };
    problem *step = new_problem(6);
    const ag_value *k = add_inputs(step, &step->shared, 2), *s = add_inputs(step, &step->each, 3);
    const ag_value pull = ag_add(ag_mul(k[0], s[0]), ag_mul(k[1], s[1]));
    const ag_value v = ag_sub(s[1], ag_scale(pull, (ag_real)0.125));
    (void)put(&step->map, ag_add(s[0], ag_scale(v, (ag_real)0.125)));
    (void)put(&step->map, ag_add(v, ag_sin(s[2])));
    (void)put(&step->map, ag_mul(s[0], s[0]));
    (void)put(&step->sum, ag_exp(ag_neg(ag_square(v))));
    finish(step);
    ag_program *program = compile(step, false);

    problem *p = new_problem(seed);
    const ag_value *shared = add_inputs(p, &p->shared, 2), *start = add_inputs(p, &p->each, 2);
    const ag_value *inputs = add_inputs(p, &p->each, STEPS);
    ag_value end[2], outputs[STEPS], total;
    const ag_scan_arrays arrays = {.shared = shared,
                                   .state = start,
                                   .inputs = inputs,
                                   .final_state = end,
                                   .outputs = outputs,
                                   .totals = &total};
    assert_int_equal(ag_scan(p->graph, program, STEPS, 2, &arrays), AG_OK);
    put_all(&p->map, STEPS, outputs);
    const ag_value root = put(&p->sum, ag_add(ag_mul(end[0], end[1]), total));
    put_gradient(&p->sum, root, 2, shared);
    put_gradient(&p->map, root, 2, start);
    put_gradient(&p->map, root, STEPS, inputs);
    finish(p);
    ag_program_free(program);
    free_problem(step);
    return p;
}

/* What a step takes and gives, and how it is used. */
typedef struct step_shape {
    size_t states, inputs, outputs, steps;
    size_t reach; /* next[i] depends on each[i + reach], which may be beyond the states */
    bool reverse; /* the scan's inputs are those of the problem from the last to the first */
} step_shape;

static const step_shape step_shapes[] = {
    {3, 4, 2, 5, 3, false}, {2, 6, 0, 4, 1, false}, {3, 0, 4, 3, 0, false}, {0, 5, 6, 4, 0, false},
    {7, 8, 3, 5, 7, false}, {6, 0, 0, 4, 0, false}, {6, 6, 6, 3, 6, true},  {7, 9, 3, 4, 2, false},
    {7, 9, 3, 1, 7, false}, {6, 2, 5, 1, 0, true},  {6, 3, 0, 0, 0, false}, {2, 3, 1, 0, 0, false},
};

static inline ag_program *make_step(const step_shape *s)
{
    problem *step = new_problem(6);
    const ag_value *k = add_inputs(step, &step->shared, 2);
    const size_t n = s->states + s->inputs;
    const ag_value *x = add_inputs(step, &step->each, n);
    for (size_t i = 0; i < s->states; i++)
        (void)put(&step->map, ag_add(ag_scale(x[i], (ag_real)0.5), ag_mul(k[0], x[i + s->reach])));
    for (size_t i = 0; i < s->outputs; i++)
        (void)put(&step->map, ag_mul(x[i % n], x[n - 1 - i % n]));
    (void)put(&step->sum, ag_mul(k[1], ag_square(x[n - 1])));
    finish(step);
    ag_program *program = compile(step, false);
    free_problem(step);
    return program;
}

/* A scan's results, and the sum of all. */
static inline ag_value put_scan(problem *p, const step_shape *s, const ag_value *shared)
{
    ag_value outputs[40], total, final[8], in[40], sum = ag_constant(p->graph, 0);
    const size_t inputs = s->inputs * s->steps;
    const ag_value *state = add_inputs(p, &p->each, s->states);
    const ag_value *from = add_inputs(p, &p->each, inputs);
    assert_true(inputs <= 40 && s->outputs * s->steps <= 40);
    for (size_t i = 0; i < inputs; i++)
        in[i] = from[s->reverse ? inputs - 1 - i : i];
    const ag_scan_arrays arrays = {.shared = shared,
                                   .state = state,
                                   .inputs = in,
                                   .final_state = final,
                                   .outputs = outputs,
                                   .totals = &total};
    ag_program *program = make_step(s);
    assert_int_equal(ag_scan(p->graph, program, s->steps, s->states, &arrays), AG_OK);
    ag_program_free(program);
    put_all(&p->map, s->states, final);
    put_all(&p->map, s->outputs * s->steps, outputs);
    for (size_t i = 0; i < s->states; i++)
        sum = ag_add(sum, ag_square(final[i]));
    for (size_t i = 0; i < s->outputs * s->steps; i++)
        sum = ag_add(sum, outputs[i]);
    return ag_add(sum, total);
}

/* Scans with steps of many shapes, and the gradient of all they give. */
static inline problem *make_shapes_problem(void)
{
    problem *p = new_problem(9);
    const ag_value *shared = add_inputs(p, &p->shared, 2);
    ag_value root = ag_constant(p->graph, 0);
    for (size_t i = 0; i < sizeof(step_shapes) / sizeof(*step_shapes); i++)
        root = ag_add(root, put_scan(p, &step_shapes[i], shared));
    (void)put(&p->map, root);
    put_gradient(&p->sum, root, 2, shared);
    put_gradient(&p->map, root, p->each.n, p->each.at);
    finish(p);
    return p;
}

#endif
