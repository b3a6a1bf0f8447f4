/* SPDX-License-Identifier: MIT
 *
 * Ways through the engine's whole public interface, for tests of what lies below it: memory that
 * fails or moves, a caller's buffer, threads. run_scenario tells one fixed story, a machine takes
 * random steps. They judge nothing; they leave numbers that two runs can compare.
 */
#ifndef WENGERT_SCENARIO_H
#define WENGERT_SCENARIO_H

#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Every gate of the table ----------------------------------------------------------------- */

typedef ag_value (*scenario_unary)(ag_value x);
typedef ag_value (*scenario_binary)(ag_value a, ag_value b);
typedef ag_value (*scenario_ternary)(ag_value c, ag_value a, ag_value b);
typedef bool (*scenario_compare)(ag_value a, ag_value b);

typedef struct scenario_gate {
    const char *name;
    scenario_unary unary; /* one of the three is not NULL */
    scenario_binary binary;
    scenario_ternary ternary;
    double at[3]; /* the table's first sample */
} scenario_gate;

/* The first sample is what follows the 0. */
#define AT(...) , __VA_ARGS__
#define FIRST_OF(zero, one, ...) one
#define SECOND_OF(zero, one, two, ...) two
#define THIRD_OF(zero, one, two, three, ...) three
#define FIRST(...) FIRST_OF(__VA_ARGS__, 0)
#define SECOND(...) SECOND_OF(__VA_ARGS__, 0, 0)
#define THIRD(...) THIRD_OF(__VA_ARGS__, 0, 0, 0)
static const scenario_gate scenario_gates[] = {
#define AG_UNARY(name, value, dx, domain, edges, samples)                                          \
    {#name, ag_##name, NULL, NULL, {FIRST(0 samples)}},
#define AG_BINARY(name, value, da, db, domain, edges, samples)                                     \
    {#name, NULL, ag_##name, NULL, {FIRST(0 samples), SECOND(0 samples)}},
#define AG_TERNARY(name, value, dc, da, db, domain, edges, samples)                                \
    {#name, NULL, NULL, ag_##name, {FIRST(0 samples), SECOND(0 samples), THIRD(0 samples)}},
#include <wengert/gates.def>
};
#undef AT
#undef FIRST_OF
#undef SECOND_OF
#undef THIRD_OF
#undef FIRST
#undef SECOND
#undef THIRD

static const scenario_compare scenario_compares[] = {
#define AG_COMPARE(name, ...) ag_##name,
#include <wengert/gates.def>
};

enum {
    SCENARIO_GATES = sizeof(scenario_gates) / sizeof(*scenario_gates),
    SCENARIO_COMPARES = sizeof(scenario_compares) / sizeof(*scenario_compares)
};

static inline ag_value apply_gate(const scenario_gate *gate, ag_value a, ag_value b, ag_value c)
{
    return gate->unary != NULL    ? gate->unary(a)
           : gate->binary != NULL ? gate->binary(a, b)
                                  : gate->ternary(a, b, c);
}

/* ---- A custom gate --------------------------------------------------------------------------- */

/* A product of all operands. The context counts the applications that live. */
static inline ag_real forward_product(void *context, size_t arity, const ag_real *x)
{
    (void)context;
    ag_real product = 1;
    for (size_t i = 0; i < arity; i++)
        product *= x[i];
    return product;
}

static inline void backward_product(void *context, size_t arity, const ag_real *x, ag_real y,
                                    ag_real upstream, ag_real *downstream)
{
    (void)context, (void)y;
    for (size_t i = 0; i < arity; i++) {
        downstream[i] = upstream;
        for (size_t k = 0; k < arity; k++)
            if (k != i)
                downstream[i] *= x[k];
    }
}

static inline void destroy_product(void *context)
{
    --*(int *)context;
}

static inline ag_value apply_product(int *alive, size_t arity, const ag_value *operands)
{
    const ag_closure closure = {.name = "product",
                                .arity = arity,
                                .forward = forward_product,
                                .backward = backward_product,
                                .context = alive,
                                .destroy = destroy_product};
    ++*alive;
    return ag_apply(&closure, operands);
}

/* ---- The story ------------------------------------------------------------------------------- */

typedef struct scenario {
    ag_graph *graph;
    FILE *file; /* for explanations and drawings */
    int alive;  /* custom gates that are applied and not destroyed */
    ag_real numbers[400];
    size_t count;
} scenario;

static inline void note(scenario *s, ag_real number)
{
    assert_true(s->count < sizeof(s->numbers) / sizeof(*s->numbers));
    s->numbers[s->count++] = number;
}

static inline ag_value build_all_gates(scenario *s)
{
    ag_graph *graph = s->graph;
    ag_value terms[SCENARIO_GATES + 16];
    size_t n = 0;
    for (size_t i = 0; i < SCENARIO_GATES; i++) {
        const scenario_gate *gate = &scenario_gates[i];
        const ag_value a = ag_variable(graph, (ag_real)gate->at[0]);
        const ag_value b = ag_constant(graph, (ag_real)gate->at[1]);
        const ag_value c = ag_variable(graph, (ag_real)gate->at[2]);
        terms[n++] = apply_gate(gate, a, b, c);
    }
    const ag_real coefficients[] = {1, -2, (ag_real)0.5, 4};
    const ag_value sum = ag_sum(4, terms);
    terms[n++] = ag_dot(4, terms, terms + 4);
    terms[n++] = ag_linear(4, coefficients, terms, (ag_real)0.25);
    terms[n++] = ag_logsumexp(4, terms);
    terms[n++] = ag_max_of(4, terms);
    terms[n++] = ag_scale(sum, 3);
    terms[n++] = ag_shift(sum, -1);
    terms[n++] = ag_pow_int(sum, 3);
    terms[n++] = ag_mul(sum, ag_detach(sum));
    terms[n++] = apply_product(&s->alive, 3, terms);
    for (size_t i = 0; i < SCENARIO_COMPARES; i++)
        if (scenario_compares[i](terms[0], terms[1]))
            terms[n++] = ag_scale(sum, (ag_real)i);
    (void)ag_pause(graph);
    terms[n++] = ag_exp(ag_scale(sum, (ag_real)0.125));
    terms[n++] = ag_sum(3, terms);
    terms[n++] = apply_product(&s->alive, 2, terms);
    (void)ag_resume(graph);
    return ag_sum(n, terms);
}

static inline ag_status look_around(scenario *s, ag_value root)
{
    ag_value order[8];
    const size_t n = ag_topological_order(root, order, 8);
    note(s, (ag_real)n);
    if (n == 0)
        return ag_error(s->graph);
    for (size_t i = 0; i < ag_operand_count(root); i++) {
        note(s, ag_data(ag_operand(root, i)));
        note(s, ag_grad(ag_operand(root, i)));
        note(s, ag_local_gradient(root, i));
    }
    const ag_value part = ag_operand(root, SCENARIO_GATES); /* all would take its time to print */
    ag_dot_options drawing = {.max_nodes = n, .title = "a part"};
    ag_status status = ag_explain(part, s->file);
    if (status == AG_OK)
        status = ag_write_dot(part, s->file, &drawing);
    drawing.fold = 1;
    if (status == AG_OK)
        status = ag_write_dot(part, s->file, &drawing);
    return status;
}

static inline ag_status check_gradients(scenario *s, ag_value x, ag_value y)
{
    const ag_value leaves[] = {x, y};
    const ag_value root = apply_product(&s->alive, 2, leaves);
    ag_gradcheck_row rows[2];
    bool passed = false;
    ag_status status = ag_gradcheck_root(root, 2, leaves, NULL, rows, &passed);
    if (status == AG_OK)
        status = ag_gradcheck_print(s->file, 2, NULL, rows);
    note(s, rows[0].numeric);
    note(s, passed ? 1 : 0);
    return status;
}

/* A training loop's shape: what is above the mark comes and goes. */
static inline ag_status repeat_above_a_mark(scenario *s, ag_value x, ag_value y)
{
    ag_status status = AG_OK;
    const ag_mark mark = ag_graph_mark(s->graph);
    for (int round = 0; status == AG_OK && round < 3; round++) {
        ag_value sum = ag_mul(x, y);
        for (int i = 0; i < 100; i++) {
            const ag_value three[] = {sum, x, y};
            (void)ag_scope_begin(s->graph, i % 3 == 0 ? "third" : "other");
            sum = i % 10 == 0 ? apply_product(&s->alive, 3, three) : ag_tanh(ag_sum(3, three));
            (void)ag_scope_end(s->graph);
        }
        status = ag_name(sum, "above");
        if (status == AG_OK)
            status = ag_backward(sum);
        note(s, ag_grad(x));
        const ag_status rewound = ag_graph_rewind(s->graph, mark);
        if (status == AG_OK)
            status = rewound;
    }
    return status;
}

/* Uses everything there is on an empty graph; stops at the first error. Names, nodes and custom
 * gates stay, for the caller to rewind. */
static inline ag_status run_scenario(scenario *s)
{
    ag_graph *graph = s->graph;
    s->count = 0;
    const ag_value x = ag_variable(graph, (ag_real)0.75);
    const ag_value y = ag_variable(graph, (ag_real)-1.5);
    ag_status status = ag_name(x, "x");
    for (int i = 0; status == AG_OK && i < 24; i++) { /* enough to grow the tables of names */
        char name[40];
        (void)snprintf(name, sizeof(name), "a constant with the number %d", i);
        status = ag_name(ag_constant(graph, (ag_real)i), name);
    }
    if (status == AG_OK)
        status = ag_name(y, "y");
    if (status == AG_OK)
        status = ag_name(y, "a longer name for y than before");
    const ag_value root = build_all_gates(s);
    status = status == AG_OK ? ag_error(graph) : status;
    note(s, ag_data(root));
    if (status == AG_OK)
        status = ag_backward(root);
    if (status == AG_OK)
        status = ag_set(x, (ag_real)0.5);
    if (status == AG_OK)
        status = ag_forward(root);
    if (status == AG_OK)
        status = ag_backward_from(2, (const ag_value[]){root, x}, (const ag_real[]){2, -3});
    note(s, ag_grad(ag_find(graph, "x")));
    if (status == AG_OK)
        status = look_around(s, root);
    ag_zero_grad(graph);
    if (status == AG_OK)
        status = repeat_above_a_mark(s, x, y);
    if (status == AG_OK)
        status = check_gradients(s, x, y);
    ag_set_check(graph, true);
    const ag_value finite = ag_mul(x, ag_exp(y));
    if (status == AG_OK)
        status = ag_backward(finite);
    if (status == AG_OK)
        status = ag_forward(finite);
    ag_set_check(graph, false);
    note(s, ag_grad(y));
    return status == AG_OK ? ag_error(graph) : status;
}

/* ---- Random steps ---------------------------------------------------------------------------- */

enum {
    MACHINE_NODES = 400, /* where it rewinds to its beginning */
    MACHINE_VALUES = 512,
    MACHINE_MARKS = 6
};

typedef struct machine {
    ag_graph *graph;
    uint64_t random;
    int alive;
    FILE *file; /* NULL: no explanations */
    ag_value values[MACHINE_VALUES];
    size_t count;
    struct {
        ag_mark mark;
        size_t count;
    } marks[MACHINE_MARKS];
    size_t mark_count;
    int paused;
} machine;

/* splitmix64: S. Vigna's public-domain generator. */
static inline uint64_t draw_bits(machine *m)
{
    uint64_t z = m->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline size_t draw(machine *m, size_t below)
{
    return (size_t)(draw_bits(m) % below);
}

/* In [-2, 2), a multiple of 1/64. */
static inline ag_real draw_number(machine *m)
{
    return (ag_real)((double)draw(m, 256) / 64 - 2);
}

static inline ag_value draw_value(machine *m)
{
    return m->values[draw(m, m->count)];
}

static inline void keep(machine *m, ag_value x)
{
    if (!ag_is_null(x) && m->count < MACHINE_VALUES)
        m->values[m->count++] = x;
}

static inline ag_status rewind_machine(machine *m, size_t to)
{
    m->mark_count = to + 1;
    m->count = m->marks[to].count;
    return ag_graph_rewind(m->graph, m->marks[to].mark);
}

static inline void mark_machine(machine *m)
{
    if (m->mark_count == MACHINE_MARKS)
        return;
    const ag_mark mark = ag_graph_mark(m->graph);
    if (mark.graph == NULL)
        return;
    m->marks[m->mark_count].mark = mark;
    m->marks[m->mark_count++].count = m->count;
}

static inline machine *new_machine(ag_graph *graph, uint64_t seed)
{
    machine *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->graph = graph;
    m->random = seed;
    return m;
}

/* The first steps, which must not fail: two leaves below the first mark. */
static inline void begin_machine(machine *m)
{
    keep(m, ag_variable(m->graph, 1));
    keep(m, ag_variable(m->graph, (ag_real)-0.5));
    mark_machine(m);
    assert_int_equal(m->count, 2);
    assert_int_equal(m->mark_count, 1);
}

static inline void step_gate(machine *m)
{
    ag_value x[5], w[5];
    ag_real numbers[5];
    const size_t n = 1 + draw(m, 5);
    for (size_t i = 0; i < n; i++) {
        x[i] = draw_value(m);
        w[i] = draw_value(m);
        numbers[i] = draw_number(m);
    }
    switch (draw(m, 10)) {
    case 0:
        keep(m, ag_sum(n, x));
        break;
    case 1:
        keep(m, ag_dot(n, x, w));
        break;
    case 2:
        keep(m, ag_linear(n, numbers, x, draw_number(m)));
        break;
    case 3:
        keep(m, ag_logsumexp(n, x));
        break;
    case 4:
        keep(m, ag_max_of(n, x));
        break;
    case 5:
        keep(m, apply_product(&m->alive, n, x));
        break;
    case 6:
        keep(m, n > 3 ? ag_scale(x[0], numbers[0]) : ag_detach(x[0]));
        break;
    default:
        keep(m, apply_gate(&scenario_gates[draw(m, SCENARIO_GATES)], x[0], w[0], draw_value(m)));
        break;
    }
}

static inline ag_status step_name(machine *m)
{
    char name[24];
    (void)snprintf(name, sizeof(name), "value number %d", (int)draw(m, 40));
    return ag_name(draw_value(m), name);
}

static inline ag_status step_backward(machine *m)
{
    ag_value roots[3];
    ag_real upstream[3];
    const size_t n = 1 + draw(m, 3);
    for (size_t i = 0; i < n; i++) {
        roots[i] = draw_value(m);
        upstream[i] = draw_number(m);
    }
    return n == 1 ? ag_backward(roots[0]) : ag_backward_from(n, roots, upstream);
}

static inline ag_status step_pause(machine *m)
{
    const bool pause = m->paused == 0 || (m->paused < 3 && draw(m, 3) == 0);
    m->paused += pause ? 1 : -1;
    return pause ? ag_pause(m->graph) : ag_resume(m->graph);
}

static inline ag_status step_scope(machine *m)
{
    static const char *const names[] = {"one", "another"};
    const size_t kind = draw(m, 3);
    return kind == 2 ? ag_scope_end(m->graph) : ag_scope_begin(m->graph, names[kind]);
}

static inline int step_explain(machine *m)
{
    const ag_value root = draw_value(m);
    const size_t n = ag_topological_order(root, NULL, 0);
    if (m->file == NULL || n == 0 || n > 60)
        return (int)n;
    const ag_status status = ag_explain(root, m->file);
    const ag_dot_options drawing = {.fold = draw(m, 3)};
    return status == AG_OK ? ag_write_dot(root, m->file, &drawing) : status;
}

/* Takes one step, and answers with what came of it, in a number. */
static inline int step_machine(machine *m)
{
    if (ag_graph_count(m->graph) >= MACHINE_NODES || m->count > MACHINE_VALUES - 8)
        return rewind_machine(m, 0);
    const size_t kind = draw(m, 100);
    if (kind < 10)
        keep(m, kind < 7 ? ag_variable(m->graph, draw_number(m))
                         : ag_constant(m->graph, draw_number(m)));
    else if (kind < 60)
        step_gate(m);
    else if (kind < 63)
        return scenario_compares[draw(m, SCENARIO_COMPARES)](draw_value(m), draw_value(m));
    else if (kind < 66)
        return step_scope(m);
    else if (kind < 70)
        return step_name(m);
    else if (kind < 75)
        return ag_set(draw_value(m), draw_number(m));
    else if (kind < 79)
        return ag_forward(draw_value(m));
    else if (kind < 86)
        return step_backward(m);
    else if (kind < 87)
        ag_zero_grad(m->graph);
    else if (kind < 90)
        return step_pause(m);
    else if (kind < 93)
        mark_machine(m);
    else if (kind < 96)
        return rewind_machine(m, draw(m, m->mark_count));
    else if (kind < 98)
        ag_set_check(m->graph, kind == 97);
    else
        return step_explain(m);
    return AG_OK;
}

#endif
