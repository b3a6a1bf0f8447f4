/* SPDX-License-Identifier: MIT
 *
 * Derivatives as nodes: the backward pass, recorded. What backward.c adds up in numbers is made of
 * gates here: chain(upstream, local) for a contribution, one sum for the contributions to a node,
 * in the order in which backward adds them. Every other derivative is this pass used again.
 */
#include "formula.h"
#include "terms.h"

#include <assert.h>
#include <string.h>

/* ---- One pass -------------------------------------------------------------------------------- */

/* Only nodes from the lowest wrt to the highest root can be concerned; arrays are by their place in
 * that span. A node takes part if it depends on a wrt and a root depends on it. */
enum {
    DEPENDS = 1,
    REACHES = 2,
    TAKES_PART = DEPENDS | REACHES
};

typedef struct pass {
    agi_builder builder;
    ag_graph *graph;
    uint32_t low;
    size_t span;
    size_t *first;   /* where a node's contributions begin in slots */
    uint32_t *count; /* how many there are (at first: may be) */
    uint8_t *flags;
    uint32_t *slots;  /* nodes; the first of a node's becomes its adjoint */
    ag_value *values; /* room for one gate's operands */
    void *spans, *edges;
    size_t spans_size, edges_size;
} pass;

static bool is_concerned(const pass *p, uint32_t node, uint8_t flags)
{
    return node >= p->low && node - p->low < p->span && (p->flags[node - p->low] & flags) == flags;
}

/* Whether gradients go through the node to its operands. */
static bool hands_on(const ag_graph *graph, uint32_t node)
{
    const uint8_t gate = graph->gates[node];
    return gate != AGI_DETACH && agi_gate_forms[gate] != AGI_FORM_COMPARE;
}

static bool is_constant(const ag_graph *graph, ag_value node)
{
    return graph->gates[node.index] == AGI_CONSTANT;
}

static void find_span(pass *p, size_t m, const ag_value *roots, size_t n, const ag_value *wrt)
{
    uint32_t low = AGI_NO_INDEX, top = 0;
    for (size_t i = 0; i < n; i++)
        if (wrt[i].index < low)
            low = wrt[i].index;
    for (size_t i = 0; i < m; i++)
        if (roots[i].index > top)
            top = roots[i].index;
    p->low = low;
    p->span = top < low ? 0 : (size_t)(top - low) + 1;
}

static bool has_dependent_operand(const pass *p, uint32_t node)
{
    const agi_list operands = agi_list_operands(p->graph, node);
    for (uint32_t k = 0; k < operands.n; k++)
        if (is_concerned(p, operands.index[k], DEPENDS))
            return true;
    return false;
}

static void mark_dependent(pass *p, size_t n, const ag_value *wrt)
{
    memset(p->flags, 0, p->span);
    for (size_t i = 0; i < n; i++)
        if (is_concerned(p, wrt[i].index, 0) && !is_constant(p->graph, wrt[i]))
            p->flags[wrt[i].index - p->low] = DEPENDS;
    for (size_t place = 0; place < p->span; place++) {
        const uint32_t node = p->low + (uint32_t)place;
        if (hands_on(p->graph, node) && has_dependent_operand(p, node))
            p->flags[place] = DEPENDS;
    }
}

/* Counts the contributions that nodes may get, too: one for each seed and each edge. */
static void mark_reaching(pass *p, size_t m, const ag_value *roots)
{
    memset(p->count, 0, p->span * sizeof(*p->count));
    for (size_t i = 0; i < m; i++) {
        if (is_concerned(p, roots[i].index, DEPENDS)) {
            p->flags[roots[i].index - p->low] = TAKES_PART;
            p->count[roots[i].index - p->low]++;
        }
    }
    for (size_t place = p->span; place-- > 0;) {
        const uint32_t node = p->low + (uint32_t)place;
        if (p->flags[place] != TAKES_PART || !hands_on(p->graph, node))
            continue;
        const agi_list operands = agi_list_operands(p->graph, node);
        for (uint32_t k = 0; k < operands.n; k++) {
            if (is_concerned(p, operands.index[k], DEPENDS)) {
                p->flags[operands.index[k] - p->low] = TAKES_PART;
                if (p->graph->gates[node] != AGI_PROJECT) /* whose scan asks for its adjoint */
                    p->count[operands.index[k] - p->low]++;
            }
        }
    }
}

/* Where each node's contributions go, and room for them and for the operands of one gate. */
static bool allocate_edges(pass *p)
{
    size_t edges = 0, most = 0;
    for (size_t place = 0; place < p->span; place++) {
        size_t wanted = p->count[place];
        p->first[place] = edges;
        edges += wanted;
        p->count[place] = 0;
        const uint32_t node = p->low + (uint32_t)place;
        if (p->graph->gates[node] == AGI_CLOSURE &&
            wanted < 2 * (size_t)p->graph->operands[node].b)
            wanted = 2 * (size_t)p->graph->operands[node].b;
        if (wanted > most)
            most = wanted;
    }
    p->edges_size = most * sizeof(*p->values) + edges * sizeof(*p->slots);
    p->edges = agi_resize(p->graph, NULL, 0, p->edges_size);
    if (p->edges == NULL)
        return false;
    p->values = (ag_value *)p->edges;
    p->slots = (uint32_t *)(void *)(p->values + most);
    return true;
}

static bool begin_pass(pass *p, size_t m, const ag_value *roots, size_t n, const ag_value *wrt)
{
    agi_begin_building(&p->builder, p->graph);
    find_span(p, m, roots, n, wrt);
    if (p->span == 0)
        return true;
    p->spans_size = p->span * (sizeof(*p->first) + sizeof(*p->count) + sizeof(*p->flags));
    p->spans = agi_resize(p->graph, NULL, 0, p->spans_size);
    if (p->spans == NULL)
        return false;
    p->first = (size_t *)p->spans;
    p->count = (uint32_t *)(void *)(p->first + p->span);
    p->flags = (uint8_t *)(p->count + p->span);
    mark_dependent(p, n, wrt);
    mark_reaching(p, m, roots);
    return allocate_edges(p);
}

static void end_pass(pass *p)
{
    agi_release(p->graph, p->edges, p->edges_size);
    agi_release(p->graph, p->spans, p->spans_size);
}

/* ---- Contributions --------------------------------------------------------------------------- */

static void keep_contribution(pass *p, uint32_t operand, ag_value contribution)
{
    const size_t place = operand - p->low;
    p->slots[p->first[place] + p->count[place]++] = contribution.index;
}

/* upstream * local. Numbers of the table fold; 1 and -1 need no product, 0 no gate at all. Of two
 * upstreams either may be the 0 that the infinity of the other must not meet. */
static agi_atom multiply(agi_builder *builder, agi_atom upstream, const agi_partial *partial)
{
    const agi_atom local = partial->value;
    if (agi_is_number(local, 0))
        return local;
    if (upstream.is_number && local.is_number)
        return agi_number_atom(upstream.number * local.number);
    if (agi_is_number(upstream, 1))
        return local;
    if (agi_is_number(local, 1))
        return upstream;
    if (agi_is_number(upstream, -1))
        return agi_node_atom(ag_neg(agi_get_node(builder, local)).index);
    if (agi_is_number(local, -1))
        return agi_node_atom(ag_neg(agi_get_node(builder, upstream)).index);
    const ag_value left = agi_get_node(builder, upstream);
    const ag_value right = agi_get_node(builder, local);
    const ag_value product = partial->is_upstream ? ag_couple(left, right) : ag_chain(left, right);
    return agi_node_atom(product.index);
}

/* Where the gate does not look at the operand there is nothing, not even infinity * 0. */
static void contribute(pass *p, uint32_t operand, agi_atom upstream, const agi_step *formula)
{
    if (formula == NULL || !is_concerned(p, operand, TAKES_PART))
        return;
    const agi_partial local = agi_build(&p->builder, formula);
    const agi_atom product = multiply(&p->builder, upstream, &local);
    if (agi_is_number(product, 0))
        return;
    const agi_atom taken = agi_choose(&p->builder, local.taken, product, agi_number_atom(0));
    keep_contribution(p, operand, agi_get_node(&p->builder, taken));
}

static void set_letter(pass *p, agi_letter letter, uint32_t node)
{
    p->builder.letters[letter] = agi_node_atom(node);
}

/* Gates of one, two and three operands, whose letters these are. */
static void spread_gate(pass *p, uint32_t node, agi_atom upstream, const agi_letter *letters)
{
    const uint8_t gate = p->graph->gates[node];
    uint32_t index[3]; /* the graph's own list moves when nodes are made */
    const agi_list operands = agi_list_operands(p->graph, node);
    for (uint32_t k = 0; k < operands.n; k++) {
        index[k] = operands.index[k];
        set_letter(p, letters[k], index[k]);
    }
    for (uint32_t k = 0; k < operands.n; k++)
        contribute(p, index[k], upstream, agi_local_formulas[gate][k]);
}

/* Gates over any number of operands. A partner's local gradient is x's with the two exchanged. */
static void spread_terms(pass *p, uint32_t node, agi_atom upstream, agi_form form)
{
    const agi_step *formula = agi_local_formulas[p->graph->gates[node]][0];
    const bool asks_first = agi_asks_first(formula);
    const uint32_t n = p->graph->operands[node].b;
    agi_atom seen = agi_number_atom(0);
    for (uint32_t k = 0; k < n; k++) {
        const agi_terms terms = agi_get_terms(p->graph, p->graph->operands[node], form);
        const uint32_t x = agi_term(terms, k);
        const uint32_t w = form == AGI_FORM_VALUES ? terms.index[2 * (size_t)k + 1] : x;
        set_letter(p, AGI_LETTER_X, x);
        set_letter(p, AGI_LETTER_W, w);
        if (form == AGI_FORM_NUMBERS)
            p->builder.letters[AGI_LETTER_W] = agi_number_atom(terms.numbers[(size_t)k + 1]);
        if (asks_first)
            agi_build_first(&p->builder, &seen);
        contribute(p, x, upstream, formula);
        if (form != AGI_FORM_VALUES)
            continue;
        set_letter(p, AGI_LETTER_X, w);
        set_letter(p, AGI_LETTER_W, x);
        contribute(p, w, upstream, formula);
    }
}

static void spread_closure(pass *p, uint32_t node, ag_value upstream)
{
    const uint32_t n = p->graph->operands[node].b;
    ag_value *x = p->values, *downstream = x + n;
    for (uint32_t k = 0; k < n; k++) {
        x[k] = agi_value(p->graph, agi_list_operands(p->graph, node).index[k]);
        downstream[k] = agi_null_value(p->graph);
    }
    if (agi_derive_closure(p->graph, node, x, upstream, downstream) != AG_OK)
        return;
    for (uint32_t k = 0; k < n; k++)
        if (!ag_is_null(downstream[k]) && is_concerned(p, x[k].index, TAKES_PART))
            keep_contribution(p, x[k].index, downstream[k]);
}

static uint32_t get_upstream(void *user, uint32_t output)
{
    const pass *p = (const pass *)user;
    return is_concerned(p, output, TAKES_PART) && p->count[output - p->low] > 0
               ? p->slots[p->first[output - p->low]]
               : AGI_NO_INDEX;
}

static void contribute_to_scan(void *user, uint32_t operand, uint32_t contribution)
{
    pass *p = (pass *)user;
    if (is_concerned(p, operand, TAKES_PART))
        keep_contribution(p, operand, agi_value(p->graph, contribution));
}

static uint32_t get_zero(void *user)
{
    pass *p = (pass *)user;
    return agi_get_node(&p->builder, agi_number_atom(0)).index;
}

static void spread_scan(pass *p, uint32_t node)
{
    const agi_scan_pass ends = {p, get_upstream, contribute_to_scan, get_zero};
    (void)agi_derive_scan(p->graph, node, &ends);
}

/* Hands a node's adjoint on to its operands. */
static void spread(pass *p, uint32_t node, ag_value adjoint)
{
    static const agi_letter one[] = {AGI_LETTER_X};
    static const agi_letter two[] = {AGI_LETTER_A, AGI_LETTER_B};
    static const agi_letter three[] = {AGI_LETTER_C, AGI_LETTER_A, AGI_LETTER_B};
    const agi_atom upstream = agi_recall_atom(&p->builder, adjoint.index);
    const agi_form form = (agi_form)agi_gate_forms[p->graph->gates[node]];
    set_letter(p, AGI_LETTER_Y, node);
    switch (form) {
    case AGI_FORM_LEAF:
    case AGI_FORM_COMPARE:
        break;
    case AGI_FORM_UNARY:
        spread_gate(p, node, upstream, one);
        break;
    case AGI_FORM_BINARY:
        spread_gate(p, node, upstream, two);
        break;
    case AGI_FORM_TERNARY:
        spread_gate(p, node, upstream, three);
        break;
    case AGI_FORM_NONE:
    case AGI_FORM_VALUES:
    case AGI_FORM_NUMBERS:
        spread_terms(p, node, upstream, form);
        break;
    case AGI_FORM_CLOSURE:
        spread_closure(p, node, adjoint);
        break;
    case AGI_FORM_SCAN:
    case AGI_FORM_PROJECT:
        break;
    }
}

/* ---- The pass as a whole --------------------------------------------------------------------- */

/* The sum of a node's contributions, which takes their place; null if there are none. */
static ag_value collect(pass *p, size_t place)
{
    uint32_t *slots = p->slots + p->first[place];
    const uint32_t n = p->count[place];
    if (n == 0)
        return agi_null_value(p->graph);
    for (uint32_t k = 0; k < n && n > 1; k++)
        p->values[k] = agi_value(p->graph, slots[k]);
    if (n > 1)
        slots[0] = ag_sum(n, p->values).index;
    return agi_value(p->graph, slots[0]);
}

static void sow(pass *p, size_t m, const ag_value *roots, const ag_value *upstreams)
{
    for (size_t i = 0; i < m; i++) {
        if (!is_concerned(p, roots[i].index, TAKES_PART))
            continue;
        const bool is_one = upstreams == NULL || ag_is_null(upstreams[i]);
        keep_contribution(p, roots[i].index,
                          is_one ? agi_get_node(&p->builder, agi_number_atom(1)) : upstreams[i]);
    }
}

static void sweep_down(pass *p)
{
    for (size_t place = p->span; place-- > 0 && p->graph->status == AG_OK;) {
        if (p->flags[place] != TAKES_PART)
            continue;
        if (p->graph->gates[p->low + place] == AGI_SCAN) {
            spread_scan(p, p->low + (uint32_t)place);
            continue;
        }
        const ag_value adjoint = collect(p, place);
        if (p->graph->status == AG_OK && !ag_is_null(adjoint))
            spread(p, p->low + (uint32_t)place, adjoint);
    }
}

static ag_value get_adjoint(pass *p, ag_value node)
{
    if (is_concerned(p, node.index, TAKES_PART) && p->count[node.index - p->low] > 0)
        return agi_value(p->graph, p->slots[p->first[node.index - p->low]]);
    return agi_get_node(&p->builder, agi_number_atom(0));
}

static void write_null(ag_graph *graph, size_t n, ag_value *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = agi_null_value(graph);
}

ag_status agi_vjp(ag_graph *graph, size_t m, const ag_value *roots, const ag_value *upstreams,
                  size_t n, const ag_value *wrt, ag_value *out)
{
    pass p = {.graph = graph};
    if (begin_pass(&p, m, roots, n, wrt)) {
        sow(&p, m, roots, upstreams);
        sweep_down(&p);
        for (size_t i = 0; i < n && graph->status == AG_OK; i++)
            out[i] = get_adjoint(&p, wrt[i]);
    } else {
        agi_fail_memory(graph, "a derivative");
    }
    end_pass(&p);
    if (graph->status != AG_OK)
        write_null(graph, n, out);
    return graph->status;
}

/* ---- The public functions -------------------------------------------------------------------- */

typedef struct request {
    const char *what;
    size_t m;
    const ag_value *roots; /* m */
    size_t n;
    const ag_value *wrt; /* n */
    bool takes_vector;
    const ag_value *vector; /* n */
    size_t count;
    ag_value *out; /* count */
} request;

static ag_status check(ag_graph *graph, const request *r)
{
    ag_status status = agi_check_values(graph, r->what, 0, NULL);
    if (status == AG_OK && (r->m == 0 || r->n == 0))
        status = agi_refuse(graph, AG_INVALID_ARGUMENT, r->what, 0, NULL,
                            r->m == 0 ? "there is no root" : "there is nothing to derive for");
    if (status == AG_OK && (r->roots == NULL || r->wrt == NULL || r->out == NULL ||
                            (r->takes_vector && r->vector == NULL)))
        status = agi_refuse(graph, AG_INVALID_ARGUMENT, r->what, 0, NULL, "an array is NULL");
    if (status == AG_OK)
        status = agi_check_values(graph, r->what, r->m, r->roots);
    if (status == AG_OK)
        status = agi_check_values(graph, r->what, r->n, r->wrt);
    if (status == AG_OK && r->takes_vector)
        status = agi_check_values(graph, r->what, r->n, r->vector);
    return status;
}

static ag_graph *find_graph(size_t n, const ag_value *values)
{
    for (size_t i = 0; i < n && values != NULL; i++)
        if (values[i].graph != NULL)
            return values[i].graph;
    return NULL;
}

typedef ag_status deriver(ag_graph *graph, const request *r);

/* A pause ends while a derivative is made, or it could have none of its own; what comes out are
 * constants then, as of every gate. */
static ag_status derive_paused(ag_graph *graph, const request *r, deriver *derive)
{
    const uint32_t paused = graph->paused;
    graph->paused = 0;
    agi_update_limit(graph);
    ag_status status = derive(graph, r);
    graph->paused += paused;
    agi_update_limit(graph);
    for (size_t i = 0; i < r->count && paused > 0 && status == AG_OK; i++) {
        r->out[i] = ag_constant(graph, ag_data(r->out[i]));
        status = graph->status;
    }
    return status;
}

/* The answers wait in an array of our own, so that `out` may be any array. An error leaves the
 * nodes of before. */
static ag_status derive_checked(ag_graph *graph, const request *r, deriver *derive)
{
    const ag_mark mark = ag_graph_mark(graph);
    if (graph->status != AG_OK)
        return graph->status;
    const size_t size = r->count * sizeof(ag_value);
    request own = *r;
    own.out = (ag_value *)agi_resize(graph, NULL, 0, size);
    if (own.out == NULL)
        return agi_fail_memory(graph, r->what);
    const ag_status status = derive_paused(graph, &own, derive);
    if (status == AG_OK)
        memcpy(r->out, own.out, size);
    else
        (void)ag_graph_rewind(graph, mark);
    agi_release(graph, own.out, size);
    return status;
}

static ag_status answer(const request *r, deriver *derive)
{
    ag_graph *graph = find_graph(r->m, r->roots);
    if (graph == NULL)
        graph = find_graph(r->n, r->wrt);
    ag_status status = r->m == 0 || r->n == 0 ? AG_INVALID_ARGUMENT : AG_NULL_VALUE;
    if (graph != NULL)
        status = check(graph, r);
    if (status == AG_OK)
        status = derive_checked(graph, r, derive);
    if (status != AG_OK && r->out != NULL)
        write_null(graph, r->count, r->out);
    return status;
}

static ag_status derive_gradient(ag_graph *graph, const request *r)
{
    return agi_vjp(graph, 1, r->roots, NULL, r->n, r->wrt, r->out);
}

ag_status ag_gradient(ag_value root, size_t n, const ag_value *wrt, ag_value *out)
{
    const request r = {
        .what = "ag_gradient", .m = 1, .roots = &root, .n = n, .wrt = wrt, .count = n, .out = out};
    return answer(&r, derive_gradient);
}

/* The rows. */
static ag_status derive_jacobian(ag_graph *graph, const request *r)
{
    for (size_t i = 0; i < r->m; i++)
        if (agi_vjp(graph, 1, &r->roots[i], NULL, r->n, r->wrt, r->out + i * r->n) != AG_OK)
            break;
    return graph->status;
}

ag_status ag_jacobian(size_t m, const ag_value *roots, size_t n, const ag_value *wrt, ag_value *out)
{
    const request r = {.what = "ag_jacobian",
                       .m = m,
                       .roots = roots,
                       .n = n,
                       .wrt = wrt,
                       .count = m * n,
                       .out = out};
    return answer(&r, derive_jacobian);
}

/* J'u is linear in u, and its own derivative for u is J: so J v = (d J'u / du)' v. */
static ag_status derive_jvp(ag_graph *graph, const request *r)
{
    ag_value *u = r->out;
    for (size_t i = 0; i < r->m; i++)
        u[i] = ag_variable(graph, 1);
    const size_t size = r->n * sizeof(ag_value);
    ag_value *product = (ag_value *)agi_resize(graph, NULL, 0, size);
    if (product == NULL)
        return agi_fail_memory(graph, r->what);
    if (graph->status == AG_OK && agi_vjp(graph, r->m, r->roots, u, r->n, r->wrt, product) == AG_OK)
        (void)agi_vjp(graph, r->n, product, r->vector, r->m, u, r->out);
    agi_release(graph, product, size);
    return graph->status;
}

ag_status ag_jvp(size_t m, const ag_value *roots, size_t n, const ag_value *wrt,
                 const ag_value *tangents, ag_value *out)
{
    const request r = {.what = "ag_jvp",
                       .m = m,
                       .roots = roots,
                       .n = n,
                       .wrt = wrt,
                       .takes_vector = true,
                       .vector = tangents,
                       .count = m,
                       .out = out};
    return answer(&r, derive_jvp);
}

/* The row v'H, and H is symmetric. So v is an upstream, and is not derived. */
static ag_status derive_hvp(ag_graph *graph, const request *r)
{
    ag_value *gradient = r->out;
    if (agi_vjp(graph, 1, r->roots, NULL, r->n, r->wrt, gradient) == AG_OK)
        (void)agi_vjp(graph, r->n, gradient, r->vector, r->n, r->wrt, r->out);
    return graph->status;
}

ag_status ag_hvp(ag_value root, size_t n, const ag_value *wrt, const ag_value *vector,
                 ag_value *out)
{
    const request r = {.what = "ag_hvp",
                       .m = 1,
                       .roots = &root,
                       .n = n,
                       .wrt = wrt,
                       .takes_vector = true,
                       .vector = vector,
                       .count = n,
                       .out = out};
    return answer(&r, derive_hvp);
}

/* The gradient waits in the first row, which comes last. */
static ag_status derive_hessian(ag_graph *graph, const request *r)
{
    ag_value *gradient = r->out;
    if (agi_vjp(graph, 1, r->roots, NULL, r->n, r->wrt, gradient) != AG_OK)
        return graph->status;
    for (size_t i = r->n; i-- > 0;) {
        const ag_value root = gradient[i];
        if (agi_vjp(graph, 1, &root, NULL, r->n, r->wrt, r->out + i * r->n) != AG_OK)
            break;
    }
    return graph->status;
}

ag_status ag_hessian(ag_value root, size_t n, const ag_value *wrt, ag_value *out)
{
    const request r = {.what = "ag_hessian",
                       .m = 1,
                       .roots = &root,
                       .n = n,
                       .wrt = wrt,
                       .count = n * n,
                       .out = out};
    return answer(&r, derive_hessian);
}
