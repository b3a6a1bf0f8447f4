/* SPDX-License-Identifier: MIT
 *
 * Gradients against finite differences. Differences are the slow, independent witness: nothing here
 * knows a derivative. What is judged, input by input, is ag_backward's answer.
 */
#include "print.h"

#include <math.h>
#include <string.h>

/* ---- Differences ----------------------------------------------------------------------------- */

/* The function with input i moved to x. AG_BRANCH: y is the recorded path's value, and another
 * path is taken at x. Other errors end the check. */
typedef ag_status (*evaluator)(void *subject, size_t i, ag_real x, ag_real *y);

typedef struct checker {
    evaluator evaluate;
    void *subject;
    ag_real here; /* the function at the point itself */
    int points;
    ag_real given_step; /* 0: choose */
    ag_real tolerance;
} checker;

/* The function at x - 2h, x - h, x, x + h, x + 2h. Members with two elements are for h and 2h. */
typedef struct stencil {
    ag_real step;       /* h, as x + h came out */
    ag_real central[2]; /* central differences */
    ag_real bend[2];    /* the one-sided differences', right less left */
    ag_real noise;      /* what rounding of x and of the values may do to all of these */
    bool branched;
} stencil;

static ag_real size_of(ag_real number)
{
    return number < 0 ? -number : number;
}

static ag_real larger(ag_real a, ag_real b)
{
    return a > b ? a : b;
}

static ag_status measure(const checker *c, size_t i, ag_real at, ag_real h, stencil *s)
{
    *s = (stencil){.step = 0};
    ag_real largest = size_of(c->here);
    for (int k = 0; k < 2; k++) {
        /* stored, so that the differences are of the arguments that the function saw */
        volatile ag_real right = at + h * (ag_real)(k + 1);
        volatile ag_real left = at - h * (ag_real)(k + 1);
        ag_real up, down;
        ag_status status = c->evaluate(c->subject, i, right, &up);
        s->branched = s->branched || status == AG_BRANCH;
        if (status == AG_OK || status == AG_BRANCH)
            status = c->evaluate(c->subject, i, left, &down);
        s->branched = s->branched || status == AG_BRANCH;
        if (status != AG_OK && status != AG_BRANCH)
            return status;
        s->central[k] = (up - down) / (right - left);
        s->bend[k] = (up - c->here) / (right - at) - (c->here - down) / (at - left);
        largest = larger(largest, larger(size_of(up), size_of(down)));
        if (k == 0)
            s->step = right - at;
    }
    const ag_real carried = larger(size_of(at), h) * size_of(s->central[0]);
    s->noise = 4 * AG_REAL_EPSILON * (largest + carried) / h;
    return AG_OK;
}

static ag_real choose_numeric(const checker *c, const stencil *s)
{
    return c->points == 2 ? s->central[0] : (4 * s->central[0] - s->central[1]) / 3;
}

/* The rounding error of a difference is about eps |f| / h, its truncation error h^2 |f'''| / 6 with
 * two points and h^4 |f'''''| / 30 with four; they balance near h = eps^(1/3) and eps^(1/5), in
 * units of the scale on which f changes, for which the input's size stands in (W. H. Press et al.,
 * Numerical Recipes, section 5.7). Where f changes faster, the check comes down from there. */
static ag_real choose_step(const checker *c, ag_real at)
{
    const double order = c->points == 2 ? 3 : 5;
    const double relative = pow((double)AG_REAL_EPSILON, 1 / order);
    return (ag_real)relative * larger(size_of(at), 1);
}

/* Where h is small against the scale on which a smooth function changes, half the step means half
 * the bend and the same central difference. A kink's bend stays, and a jump's differences double.
 */
static bool is_kinked(const stencil *s, ag_real tolerated)
{
    const ag_real significant = larger(tolerated, 4 * s->noise);
    const ag_real bend = size_of(s->bend[0]), central = size_of(s->central[0]);
    const ag_real growth = central - size_of(s->central[1]);
    const bool kink = bend > significant && bend > (ag_real)0.75 * size_of(s->bend[1]);
    const bool jump = growth > significant && growth > (ag_real)0.25 * central;
    return kink || jump || s->branched;
}

/* A kink beside the point, but within the step, doesn't show as it does at the point. There, with
 * the gradient known to be right, it is told by what a smooth function doesn't do: half the step
 * halves the bend, and makes the central difference's error a quarter. */
static bool is_rough(const stencil *s, ag_real analytic, ag_real tolerated)
{
    const ag_real off = size_of(s->bend[0] - s->bend[1] / 2);
    const ag_real significant = larger(tolerated, 4 * s->noise);
    const bool bent = off > significant && off > (ag_real)0.1 * size_of(s->bend[1]);
    const bool slow = size_of(s->central[1] - analytic) < 3 * size_of(s->central[0] - analytic);
    return bent || slow || s->branched;
}

/* ---- The verdict ----------------------------------------------------------------------------- */

static bool is_close(const checker *c, ag_real analytic, ag_real numeric)
{
    const ag_real scale = larger(1, larger(size_of(analytic), size_of(numeric)));
    return isfinite(scale) && size_of(analytic - numeric) <= c->tolerance * scale;
}

/* Fills the row, of which at and analytic are there. A step that disagrees may be too wide for f
 * (steep, near the rim of its domain, a kink next door), so smaller ones have their say, as long as
 * rounding leaves them any; a kink is one that the smallest still sees. With a step of the caller's
 * they only tell what its disagreement means. */
static ag_status judge(const checker *c, size_t i, ag_gradcheck_row *row)
{
    enum {
        ATTEMPTS = 8,
        SHRINK = 16,
        PESSIMISM = 16 /* of the estimated noise: most roundings cancel */
    };
    const bool given = c->given_step != 0;
    int agreed_at = -1;
    bool first = true, kink = false, rough = false;
    ag_real least = (ag_real)INFINITY; /* estimated error of the row's numeric gradient */
    ag_real h = given ? c->given_step : choose_step(c, row->at);
    for (int attempt = 0; attempt < ATTEMPTS && agreed_at < 0; attempt++, h /= (ag_real)SHRINK) {
        stencil s;
        const ag_status status = measure(c, i, row->at, h, &s);
        if (status != AG_OK)
            return status;
        const ag_real numeric = choose_numeric(c, &s);
        const ag_real tolerated = c->tolerance * larger(1, size_of(numeric));
        if (attempt == 0) {
            row->numeric = numeric;
            row->step = s.step;
            rough = is_rough(&s, row->analytic, tolerated);
        }
        if (s.step == 0 || (attempt > 0 && s.noise > (ag_real)PESSIMISM * tolerated))
            break;
        if (!isfinite(numeric))
            continue;
        kink = is_kinked(&s, tolerated);
        if (!kink && is_close(c, row->analytic, numeric))
            agreed_at = attempt;
        const ag_real error = size_of(s.central[0] - s.central[1]) + s.noise;
        if (!given && (first || agreed_at >= 0 || error < least)) {
            row->numeric = numeric;
            row->step = s.step;
            least = isfinite(error) ? error : (ag_real)INFINITY;
        }
        first = false;
    }
    const bool agrees = agreed_at == 0 || (agreed_at > 0 && !given);
    row->kink = agreed_at < 0 ? kink : !agrees && rough;
    row->verdict = agrees ? AG_AGREES : row->kink && !isnan(row->analytic) ? AG_KINK : AG_DISAGREES;
    row->absolute_error = size_of(row->analytic - row->numeric);
    const ag_real scale = larger(size_of(row->analytic), size_of(row->numeric));
    row->relative_error = scale == 0 ? 0 : row->absolute_error / scale;
    return AG_OK;
}

/* Judges all inputs; *passed was set to false. */
static ag_status judge_all(const checker *c, size_t n, ag_gradcheck_row *rows, bool *passed)
{
    bool wrong = false;
    for (size_t i = 0; i < n; i++) {
        const ag_status status = judge(c, i, &rows[i]);
        if (status != AG_OK)
            return status;
        wrong = wrong || rows[i].verdict == AG_DISAGREES;
    }
    if (passed != NULL)
        *passed = !wrong;
    return AG_OK;
}

/* NULL, or what is wrong with the options. */
static const char *read_options(checker *c, const ag_gradcheck_options *options)
{
    static const ag_gradcheck_options defaults = {0};
#ifdef AG_REAL_FLOAT
    const ag_real tolerance = 2e-2F;
#else
    const ag_real tolerance = 1e-6;
#endif
    if (options == NULL)
        options = &defaults;
    c->points = options->points == 0 ? 4 : options->points;
    c->given_step = options->step;
    c->tolerance = options->tolerance == 0 ? tolerance : options->tolerance;
    if (c->points != 2 && c->points != 4)
        return "points is neither 2 nor 4";
    if (!(c->given_step >= 0) || isinf(c->given_step))
        return "the step is negative or not finite";
    if (!(c->tolerance > 0) || isinf(c->tolerance))
        return "the tolerance is negative or not finite";
    return NULL;
}

/* ---- A function ------------------------------------------------------------------------------ */

/* A function on a graph of its own: below the mark the inputs, above it f's gates, for one point at
 * a time. */
typedef struct recording {
    ag_graph *graph;
    ag_function f;
    void *context;
    size_t n;
    ag_value *inputs;
    ag_mark mark;
} recording;

/* *y gets f at the inputs' present values. */
static ag_status record(recording *r, ag_value *y)
{
    ag_status status = ag_graph_rewind(r->graph, r->mark);
    if (status != AG_OK)
        return status;
    *y = r->f(r->graph, r->n, r->inputs, r->context);
    if (r->graph->status != AG_OK)
        return r->graph->status;
    if (agi_is_live(r->graph, *y))
        return AG_OK;
    if (ag_is_null(*y))
        return agi_fail(r->graph, AG_NULL_VALUE, "ag_gradcheck: the function gave a null value");
    if (y->graph != r->graph)
        return agi_fail(r->graph, AG_WRONG_GRAPH,
                        "ag_gradcheck: the function gave a value of another graph");
    return agi_fail(r->graph, AG_STALE_VALUE, "ag_gradcheck: the function gave a stale value");
}

static ag_status evaluate_recording(void *subject, size_t i, ag_real x, ag_real *y)
{
    recording *r = (recording *)subject;
    const ag_real at = ag_data(r->inputs[i]);
    ag_value value;
    ag_status status = ag_set(r->inputs[i], x);
    if (status == AG_OK)
        status = record(r, &value);
    if (status == AG_OK)
        *y = ag_data(value);
    const ag_status restored = ag_set(r->inputs[i], at);
    return status != AG_OK ? status : restored;
}

static ag_status check_recording(recording *r, checker *c, const ag_real *at,
                                 ag_gradcheck_row *rows, bool *passed)
{
    for (size_t i = 0; i < r->n; i++)
        r->inputs[i] = ag_variable(r->graph, at[i]);
    r->mark = ag_graph_mark(r->graph);
    ag_value y;
    ag_status status = r->graph->status;
    if (status == AG_OK)
        status = record(r, &y);
    if (status != AG_OK)
        return status;
    ag_zero_grad(r->graph); /* the function may have run backward itself */
    status = ag_backward(y);
    if (status != AG_OK)
        return status;
    for (size_t i = 0; i < r->n; i++)
        rows[i] = (ag_gradcheck_row){.at = at[i], .analytic = ag_grad(r->inputs[i])};
    c->here = ag_data(y);
    c->evaluate = evaluate_recording;
    c->subject = r;
    return judge_all(c, r->n, rows, passed);
}

ag_status ag_gradcheck(ag_function f, void *context, size_t n, const ag_real *at,
                       const ag_gradcheck_options *options, ag_gradcheck_row *rows, bool *passed,
                       ag_error_details *error)
{
    if (passed != NULL)
        *passed = false;
    agi_set_details(error, AG_OK, "%s", "");
    checker c = {0};
    const char *wrong = read_options(&c, options);
    if (f == NULL || n == 0 || at == NULL || rows == NULL)
        wrong = "there is no function, input, point or row";
    if (wrong != NULL) {
        agi_set_details(error, AG_INVALID_ARGUMENT, "ag_gradcheck: %s", wrong);
        return AG_INVALID_ARGUMENT;
    }
    ag_graph *graph = n > AGI_MAX_NODES ? NULL : ag_graph_new(NULL);
    recording r = {.graph = graph, .f = f, .context = context, .n = n};
    if (graph != NULL)
        r.inputs = (ag_value *)agi_resize(graph, NULL, 0, n * sizeof(*r.inputs));
    ag_status status = AG_OUT_OF_MEMORY;
    if (r.inputs == NULL) {
        agi_set_details(error, status, "ag_gradcheck: out of memory for %lu inputs",
                        (unsigned long)n);
    } else {
        status = check_recording(&r, &c, at, rows, passed);
        if (status != AG_OK)
            agi_set_details(error, status, "%s", graph->message);
        agi_release(graph, r.inputs, n * sizeof(*r.inputs));
    }
    ag_graph_free(graph);
    return status;
}

/* ---- A recorded root ------------------------------------------------------------------------- */

/* What the check changes: values, gradients, and which of them count. */
typedef struct snapshot {
    ag_real *data;
    ag_real *grad;
    uint32_t count;
    uint32_t reached_from, reached_to;
    bool check;
} snapshot;

typedef struct rooted {
    ag_value root;
    const ag_value *leaves;
} rooted;

static void release_snapshot(ag_graph *graph, snapshot *s)
{
    agi_release(graph, s->grad, s->count * sizeof(ag_real));
    agi_release(graph, s->data, s->count * sizeof(ag_real));
}

static ag_status take_snapshot(ag_graph *graph, snapshot *s)
{
    *s = (snapshot){.count = graph->count,
                    .reached_from = graph->reached_from,
                    .reached_to = graph->reached_to,
                    .check = graph->check};
    const size_t size = s->count * sizeof(ag_real);
    if (agi_reserve_grad(graph, s->count) != AG_OK || agi_reserve_marks(graph, s->count) != AG_OK)
        return graph->status;
    s->data = (ag_real *)agi_resize(graph, NULL, 0, size);
    s->grad = (ag_real *)agi_resize(graph, NULL, 0, size);
    if (s->data == NULL || s->grad == NULL) {
        release_snapshot(graph, s);
        return agi_fail_memory(graph, "ag_gradcheck_root");
    }
    memcpy(s->data, graph->data, size);
    memcpy(s->grad, graph->grad, size);
    return AG_OK;
}

static void restore_snapshot(ag_graph *graph, snapshot *s, ag_value root)
{
    const size_t size = s->count * sizeof(ag_real);
    memcpy(graph->data, s->data, size);
    memcpy(graph->grad, s->grad, size);
    graph->reached_from = s->reached_from;
    graph->reached_to = s->reached_to;
    graph->check = s->check;
    release_snapshot(graph, s);
    /* closures remember what forward saw */
    for (uint32_t i = 0; i <= root.index; i++)
        if (graph->gates[i] == AGI_CLOSURE && agi_is_marked(graph, i))
            (void)agi_evaluate_closure(graph, i);
}

static ag_status evaluate_rooted(void *subject, size_t i, ag_real x, ag_real *y)
{
    const rooted *r = (const rooted *)subject;
    ag_graph *graph = r->root.graph;
    ag_real *leaf = &graph->data[r->leaves[i].index];
    const ag_real at = *leaf;
    *leaf = x;
    const ag_status status = ag_forward(r->root);
    *y = graph->data[r->root.index]; /* which may be the leaf */
    *leaf = at;
    return status;
}

/* On a graph of which there is a snapshot. */
static ag_status check_rooted(const rooted *r, checker *c, size_t n, ag_gradcheck_row *rows,
                              bool *passed)
{
    ag_graph *graph = r->root.graph;
    graph->check = false; /* steps may leave the domain */
    ag_status status = ag_forward(r->root);
    if (status != AG_OK)
        return status;
    ag_zero_grad(graph);
    status = ag_backward(r->root);
    if (status != AG_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        rows[i] = (ag_gradcheck_row){
            .at = ag_data(r->leaves[i]),
            .analytic = ag_grad(r->leaves[i]),
        };
    c->here = ag_data(r->root);
    c->evaluate = evaluate_rooted;
    c->subject = (void *)r;
    status = judge_all(c, n, rows, passed);
    if (status == AG_OK)
        graph->message[0] = '\0'; /* a branch's, which was a kink's */
    return status;
}

ag_status ag_gradcheck_root(ag_value root, size_t n, const ag_value *leaves,
                            const ag_gradcheck_options *options, ag_gradcheck_row *rows,
                            bool *passed)
{
    static const char what[] = "ag_gradcheck_root";
    if (passed != NULL)
        *passed = false;
    ag_graph *graph = root.graph;
    if (graph == NULL)
        return AG_NULL_VALUE;
    if (agi_check_values(graph, what, 1, &root) != AG_OK)
        return graph->status;
    checker c = {0};
    const char *wrong = read_options(&c, options);
    if (n == 0 || leaves == NULL || rows == NULL)
        wrong = "there is no leaf or row";
    if (wrong != NULL)
        return agi_fail(graph, AG_INVALID_ARGUMENT, "%s: %s", what, wrong);
    if (agi_check_values(graph, what, n, leaves) != AG_OK)
        return graph->status;
    for (size_t i = 0; i < n; i++)
        if (graph->gates[leaves[i].index] != AGI_VARIABLE)
            return agi_refuse(graph, AG_NOT_A_LEAF, what, 1, &leaves[i],
                              "not a variable, so it has no gradient to check");
    rooted r = {root, leaves};
    snapshot s;
    ag_status status = take_snapshot(graph, &s);
    if (status != AG_OK)
        return status;
    status = check_rooted(&r, &c, n, rows, passed);
    restore_snapshot(graph, &s, root);
    return status;
}

/* ---- The table ------------------------------------------------------------------------------- */

static void print_rows(agi_printer *printer, size_t n, const char *const *names,
                       const ag_gradcheck_row *rows)
{
    static const char *const verdicts[] = {
        [AG_AGREES] = "agrees", [AG_DISAGREES] = "DISAGREES", [AG_KINK] = "kink"};
    agi_put_cell(printer, "input");
    agi_put_heading(printer, "at");
    agi_put_heading(printer, "analytic");
    agi_put_heading(printer, "numeric");
    agi_put_heading(printer, "absolute error");
    agi_put_heading(printer, "relative error");
    agi_put_cell(printer, "verdict");
    agi_end_row(printer);
    for (size_t i = 0; i < n; i++) {
        char number[24];
        (void)snprintf(number, sizeof(number), "%lu", (unsigned long)i);
        agi_put_cell(printer, names != NULL && names[i] != NULL ? names[i] : number);
        agi_put_number_cell(printer, rows[i].at);
        agi_put_number_cell(printer, rows[i].analytic);
        agi_put_number_cell(printer, rows[i].numeric);
        agi_put_number_cell(printer, rows[i].absolute_error);
        agi_put_number_cell(printer, rows[i].relative_error);
        agi_put_cell(printer, verdicts[rows[i].verdict]);
        agi_end_row(printer);
    }
}

ag_status ag_gradcheck_print(FILE *file, size_t n, const char *const *names,
                             const ag_gradcheck_row *rows)
{
    if (file == NULL || (n > 0 && rows == NULL))
        return AG_INVALID_ARGUMENT;
    agi_printer printer = {0};
    print_rows(&printer, n, names, rows);
    printer.file = file;
    print_rows(&printer, n, names, rows);
    return agi_finish_file(file);
}
