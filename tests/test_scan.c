/* SPDX-License-Identifier: MIT
 *
 * Programs as gates: whatever ag_call and ag_scan give has to be what the same gates give when they
 * are recorded one after the other. Values, gradients in numbers and as nodes, second derivatives;
 * on the tape, and in compiled programs with one lane and with many.
 */
#include "testing.h"

#include "scan.h"

#include <stdio.h>

/* Of a few dozen steps. */
#define SMALL (4096 * (double)AG_REAL_EPSILON)

enum {
    MOST = 2048 /* values of one kind in the tests of this file */
};

/* ---- Steps ------------------------------------------------------------------------------------ */

/* A step of a recurrence: gates from (shared, state, inputs) to (next state, outputs, totals). */
typedef struct recurrence {
    const char *name;
    size_t shared, state, inputs, outputs, totals;
    void (*build)(ag_graph *graph, const ag_value *shared, const ag_value *state,
                  const ag_value *inputs, ag_value *next, ag_value *outputs, ag_value *totals);
} recurrence;

/* A damped pendulum, pushed: what comes out is the energy, what is added up is the push's work. */
static void build_pendulum(ag_graph *graph, const ag_value *shared, const ag_value *state,
                           const ag_value *inputs, ag_value *next, ag_value *outputs,
                           ag_value *totals)
{
    (void)graph;
    const ag_value push = ag_tanh(inputs[0]);
    const ag_value pull = ag_add(ag_mul(shared[0], ag_sin(state[0])), ag_mul(shared[1], state[1]));
    next[1] = ag_add(state[1], ag_scale(ag_sub(push, pull), (ag_real)0.125));
    next[0] = ag_add(state[0], ag_scale(next[1], (ag_real)0.125));
    outputs[0] =
        ag_sub(ag_scale(ag_square(next[1]), (ag_real)0.5), ag_mul(shared[0], ag_cos(next[0])));
    totals[0] = ag_mul(push, state[1]);
}

/* A recurrent layer of 3 cells with 2 inputs; outputs are the cells. Parameters: weights of the
 * state, of the inputs (the other way round: input by input), biases. */
static void build_cells(ag_graph *graph, const ag_value *shared, const ag_value *state,
                        const ag_value *inputs, ag_value *next, ag_value *outputs, ag_value *totals)
{
    ag_value squares = ag_constant(graph, 0);
    for (int i = 0; i < 3; i++) {
        ag_value sum = shared[15 + i];
        for (int j = 0; j < 3; j++)
            sum = ag_add(sum, ag_mul(shared[3 * i + j], state[j]));
        for (int j = 0; j < 2; j++)
            sum = ag_add(sum, ag_mul(shared[9 + 3 * j + i], inputs[j]));
        next[i] = outputs[i] = ag_tanh(sum);
        squares = ag_add(squares, ag_square(next[i]));
    }
    totals[0] = squares;
}

/* The states change places; nothing is computed but a total, and one input is not looked at. */
static void build_exchange(ag_graph *graph, const ag_value *shared, const ag_value *state,
                           const ag_value *inputs, ag_value *next, ag_value *outputs,
                           ag_value *totals)
{
    next[0] = state[1];
    next[1] = state[0];
    next[2] = inputs[1];
    outputs[0] = shared[0];
    outputs[1] = ag_constant(graph, (ag_real)0.75);
    outputs[2] = state[0];
    outputs[3] = inputs[1];
    totals[0] = ag_mul(shared[1], ag_square(state[2]));
    totals[1] = shared[0];
}

/* No state at all: a function of each step's inputs, as a map over a list. */
static void build_map(ag_graph *graph, const ag_value *shared, const ag_value *state,
                      const ag_value *inputs, ag_value *next, ag_value *outputs, ag_value *totals)
{
    (void)graph, (void)state, (void)next;
    const ag_value hypot = ag_hypot(inputs[0], inputs[1]);
    outputs[0] = ag_div(hypot, ag_exp(shared[0]));
    totals[0] = ag_logsumexp(2, (const ag_value[]){hypot, ag_mul(inputs[0], inputs[2])});
}

/* No inputs, no outputs, no parameters: a state alone. */
static void build_orbit(ag_graph *graph, const ag_value *shared, const ag_value *state,
                        const ag_value *inputs, ag_value *next, ag_value *outputs, ag_value *totals)
{
    (void)graph, (void)shared, (void)inputs, (void)outputs, (void)totals;
    next[0] = ag_sub(ag_sin(ag_scale(state[0], (ag_real)2.5)), ag_scale(state[1], (ag_real)0.0625));
    next[1] = ag_mul(state[0], state[1]);
}

static const recurrence recurrences[] = {
    {"pendulum", 2, 2, 1, 1, 1, build_pendulum}, {"cells", 18, 3, 2, 3, 1, build_cells},
    {"exchange", 2, 3, 2, 4, 2, build_exchange}, {"map", 1, 0, 3, 1, 1, build_map},
    {"orbit", 0, 2, 0, 0, 0, build_orbit},
};

enum {
    RECURRENCES = sizeof(recurrences) / sizeof(recurrences[0])
};

static void make_variables(ag_graph *graph, size_t n, ag_value *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = ag_variable(graph, (ag_real)0.5);
}

static ag_program *compile_step(const recurrence *r, const ag_compile_options *options)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value shared[32], each[32], map[32], sum[32];
    make_variables(graph, r->shared, shared);
    make_variables(graph, r->state + r->inputs, each);
    r->build(graph, shared, each, each + r->state, map, map + r->state, sum);
    ag_program *program = ag_compile(&(const ag_signature){.shared = shared,
                                                           .shared_count = r->shared,
                                                           .each = each,
                                                           .each_count = r->state + r->inputs,
                                                           .sum = sum,
                                                           .sum_count = r->totals,
                                                           .map = map,
                                                           .map_count = r->state + r->outputs},
                                     options);
    if (program == NULL)
        print_error("%s: %s\n", r->name, ag_error_message(graph));
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

/* ---- A whole recurrence, recorded either way -------------------------------------------------- */

/* Everything that goes in: shared, state, inputs of each step. Everything that comes out: final
 * state, outputs of each step, totals. */
typedef struct recording {
    const recurrence *of;
    size_t steps;
    ag_graph *graph;
    ag_value in[MOST], out[MOST];
    size_t ins, outs;
    ag_value root; /* a number of all that comes out */
} recording;

static double input_at(size_t i, size_t sample)
{
    return 0.25 + 0.5 * sin((double)(3 * i + 7 * sample + 1));
}

static void record_flat(recording *r)
{
    const recurrence *of = r->of;
    const ag_value *inputs = r->in + of->shared + of->state;
    ag_value state[2][8], totals[8], more[8];
    for (size_t i = 0; i < of->state; i++)
        state[0][i] = r->in[of->shared + i];
    for (size_t i = 0; i < of->totals; i++)
        totals[i] = ag_constant(r->graph, 0);
    for (size_t t = 0; t < r->steps; t++) {
        of->build(r->graph, r->in, state[t % 2], inputs + t * of->inputs, state[(t + 1) % 2],
                  r->out + of->state + t * of->outputs, more);
        for (size_t i = 0; i < of->totals; i++)
            totals[i] = ag_add(totals[i], more[i]);
    }
    memcpy(r->out, state[r->steps % 2], of->state * sizeof(ag_value));
    memcpy(r->out + of->state + r->steps * of->outputs, totals, of->totals * sizeof(ag_value));
}

static void record_scan(recording *r, ag_program *program)
{
    const recurrence *of = r->of;
    const ag_scan_arrays arrays = {
        .shared = r->in,
        .state = r->in + of->shared,
        .inputs = r->in + of->shared + of->state,
        .final_state = r->out,
        .outputs = r->out + of->state,
        .totals = r->out + of->state + r->steps * of->outputs,
    };
    assert_int_equal(ag_scan(r->graph, program, r->steps, of->state, &arrays), AG_OK);
}

/* program NULL: gate after gate. */
static recording *begin_recording(const recurrence *of, size_t steps, ag_program *program)
{
    recording *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->of = of;
    r->steps = steps;
    r->graph = ag_graph_new(NULL);
    r->ins = of->shared + of->state + steps * of->inputs;
    r->outs = of->state + steps * of->outputs + of->totals;
    assert_true(r->ins <= MOST && r->outs <= MOST);
    for (size_t i = 0; i < r->ins; i++)
        r->in[i] = ag_variable(r->graph, (ag_real)input_at(i, 0));
    if (program == NULL)
        record_flat(r);
    else
        record_scan(r, program);
    r->root = ag_constant(r->graph, 1);
    for (size_t i = 0; i < r->outs; i++)
        r->root = ag_add(r->root, ag_scale(ag_square(ag_shift(r->out[i], (ag_real)(i % 5))),
                                           (ag_real)(1 + (int)(i % 3)) / 8));
    assert_int_equal(ag_error(r->graph), AG_OK);
    return r;
}

static void end_recording(recording *r)
{
    ag_graph_free(r->graph);
    free(r);
}

static void assert_same_values(const recording *p, const recording *q)
{
    assert_int_equal(p->outs, q->outs);
    for (size_t i = 0; i < p->outs; i++)
        assert_close(ag_data(p->out[i]), ag_data(q->out[i]), SMALL);
    assert_close(ag_data(p->root), ag_data(q->root), SMALL);
}

static void assert_same_gradients(const recording *p, const recording *q)
{
    for (size_t i = 0; i < p->ins; i++)
        assert_close(ag_grad(p->in[i]), ag_grad(q->in[i]), SMALL);
}

static const size_t step_counts[] = {0, 1, 2, 7};

enum {
    STEP_COUNTS = sizeof(step_counts) / sizeof(step_counts[0])
};

typedef void comparison(recording *flat, recording *scan);

static void compare_all(comparison *compare)
{
    for (int plain = 0; plain < 2; plain++)
        for (size_t i = 0; i < RECURRENCES; i++) {
            ag_program *program =
                compile_step(&recurrences[i], &(const ag_compile_options){.plain = plain});
            for (size_t k = 0; k < STEP_COUNTS; k++) {
                recording *flat = begin_recording(&recurrences[i], step_counts[k], NULL);
                recording *scan = begin_recording(&recurrences[i], step_counts[k], program);
                compare(flat, scan);
                end_recording(flat);
                end_recording(scan);
            }
            ag_program_free(program);
        }
}

/* ---- On the tape ------------------------------------------------------------------------------ */

static void set_sample(recording *r, size_t sample)
{
    for (size_t i = 0; i < r->ins; i++)
        assert_int_equal(ag_set(r->in[i], (ag_real)input_at(i, sample)), AG_OK);
    assert_int_equal(ag_forward(r->root), AG_OK);
}

static void compare_on_tape(recording *flat, recording *scan)
{
    assert_same_values(scan, flat);
    for (size_t sample = 0; sample < 3; sample++) {
        assert_int_equal(ag_backward(flat->root), AG_OK);
        assert_int_equal(ag_backward(scan->root), AG_OK);
        assert_same_gradients(scan, flat);
        set_sample(flat, sample + 1);
        set_sample(scan, sample + 1);
        assert_same_values(scan, flat);
    }
}

static void test_tape(void **state)
{
    (void)state;
    compare_all(compare_on_tape);
}

/* From every output alone: the others' upstream gradients are 0 then. */
static void compare_from_each(recording *flat, recording *scan)
{
    for (size_t i = 0; i < flat->outs; i++) {
        ag_zero_grad(flat->graph);
        ag_zero_grad(scan->graph);
        assert_int_equal(ag_backward(flat->out[i]), AG_OK);
        assert_int_equal(ag_backward(scan->out[i]), AG_OK);
        for (size_t k = 0; k < flat->ins; k++)
            assert_close(ag_grad(scan->in[k]), ag_grad(flat->in[k]), SMALL);
    }
    for (size_t i = 0; i + 1 < flat->outs; i++) { /* two at a time, one of them upside down */
        const ag_real upstream[] = {(ag_real)-0.5, 2};
        ag_zero_grad(flat->graph);
        ag_zero_grad(scan->graph);
        assert_int_equal(ag_backward_from(2, &flat->out[i], upstream), AG_OK);
        assert_int_equal(ag_backward_from(2, &scan->out[i], upstream), AG_OK);
        for (size_t k = 0; k < flat->ins; k++)
            assert_close(ag_grad(scan->in[k]), ag_grad(flat->in[k]), SMALL);
    }
}

static void test_gradient_of_every_output(void **state)
{
    (void)state;
    compare_all(compare_from_each);
}

/* ---- As nodes --------------------------------------------------------------------------------- */

static void assert_same_nodes(size_t n, const ag_value *p, const ag_value *q)
{
    for (size_t i = 0; i < n; i++)
        assert_close(ag_data(p[i]), ag_data(q[i]), SMALL);
}

static void compare_derivatives(recording *flat, recording *scan)
{
    static ag_value p[MOST], q[MOST], vector[2][MOST];
    const size_t n = flat->ins;
    assert_int_equal(ag_gradient(flat->root, n, flat->in, p), AG_OK);
    assert_int_equal(ag_gradient(scan->root, n, scan->in, q), AG_OK);
    assert_same_nodes(n, q, p);
    assert_int_equal(ag_backward(scan->root), AG_OK);
    for (size_t i = 0; i < n; i++)
        assert_close(ag_data(q[i]), ag_grad(scan->in[i]), SMALL);
    for (size_t i = 0; i < n; i++) {
        vector[0][i] = ag_constant(flat->graph, (ag_real)(i % 4) - 1);
        vector[1][i] = ag_constant(scan->graph, (ag_real)(i % 4) - 1);
    }
    ag_value hp[MOST], hq[MOST], jp[MOST], jq[MOST];
    assert_int_equal(ag_hvp(flat->root, n, flat->in, vector[0], hp), AG_OK);
    assert_int_equal(ag_hvp(scan->root, n, scan->in, vector[1], hq), AG_OK);
    assert_same_nodes(n, hq, hp);
    assert_int_equal(ag_jvp(flat->outs, flat->out, n, flat->in, vector[0], jp), AG_OK);
    assert_int_equal(ag_jvp(scan->outs, scan->out, n, scan->in, vector[1], jq), AG_OK);
    assert_same_nodes(flat->outs, jq, jp);
    for (size_t sample = 1; sample < 3; sample++) { /* the same nodes for other numbers */
        set_sample(flat, sample);
        set_sample(scan, sample);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(ag_forward(p[i]), AG_OK);
            assert_int_equal(ag_forward(q[i]), AG_OK);
            assert_int_equal(ag_forward(hp[i]), AG_OK);
            assert_int_equal(ag_forward(hq[i]), AG_OK);
        }
        assert_same_nodes(n, q, p);
        assert_same_nodes(n, hq, hp);
    }
}

static void test_derivatives_as_nodes(void **state)
{
    (void)state;
    compare_all(compare_derivatives);
}

static void compare_hessians(recording *flat, recording *scan)
{
    static ag_value p[MOST], q[MOST];
    const size_t n = flat->ins < 12 ? flat->ins : 12;
    const size_t from = flat->ins - n; /* the last: state and inputs of many steps */
    if (n == 0)
        return;
    assert_int_equal(ag_hessian(flat->root, n, flat->in + from, p), AG_OK);
    assert_int_equal(ag_hessian(scan->root, n, scan->in + from, q), AG_OK);
    assert_same_nodes(n * n, q, p);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_close(ag_data(q[i * n + j]), ag_data(q[j * n + i]), SMALL);
}

static void test_hessians(void **state)
{
    (void)state;
    compare_all(compare_hessians);
}

/* The third derivative, by the same way again. */
static void test_third_derivative(void **state)
{
    (void)state;
    ag_program *program = compile_step(&recurrences[4], NULL);
    ag_value third[2];
    recording *r[] = {begin_recording(&recurrences[4], 5, NULL),
                      begin_recording(&recurrences[4], 5, program)};
    for (int i = 0; i < 2; i++) {
        ag_value d = r[i]->root;
        for (int order = 0; order < 3; order++)
            assert_int_equal(ag_gradient(d, 1, &r[i]->in[0], &d), AG_OK);
        third[i] = d;
    }
    assert_true(fabs((double)ag_data(third[0])) > 1);
    assert_close(ag_data(third[1]), ag_data(third[0]), 16 * SMALL);
    end_recording(r[0]);
    end_recording(r[1]);
    ag_program_free(program);
}

/* ---- Compiled --------------------------------------------------------------------------------- */

enum {
    BATCH = 70
};

/* Outputs of a compiled recording: values, gradient, Hessian times a vector. As nodes they are
 * derived for all inputs. */
typedef struct compiled {
    size_t n, shared, each;
    double in[BATCH * MOST / 4], out[BATCH * MOST / 4];
    float in_float[BATCH * MOST / 4], out_float[BATCH * MOST / 4];
    ag_program *program;
} compiled;

static void compile_recording(compiled *c, recording *r, size_t shared, bool plain)
{
    static ag_value out[3 * MOST], vector[MOST];
    for (size_t i = 0; i < r->ins; i++)
        vector[i] = ag_constant(r->graph, (ag_real)(i % 4) - 1);
    memcpy(out, r->out, r->outs * sizeof(ag_value));
    size_t n = r->outs;
    out[n++] = r->root;
    if (r->ins > 0) {
        assert_int_equal(ag_gradient(r->root, r->ins, r->in, out + n), AG_OK);
        n += r->ins;
        assert_int_equal(ag_hvp(r->root, r->ins, r->in, vector, out + n), AG_OK);
        n += r->ins;
    }
    c->n = n;
    c->shared = shared;
    c->each = r->ins - shared;
    assert_true(n <= MOST / 4 && c->each <= MOST / 4);
    c->program = ag_compile(&(const ag_signature){.shared = r->in,
                                                  .shared_count = shared,
                                                  .each = r->in + shared,
                                                  .each_count = c->each,
                                                  .map = out,
                                                  .map_count = n},
                            &(const ag_compile_options){.plain = plain});
    if (c->program == NULL)
        print_error("%s\n", ag_error_message(r->graph));
    assert_non_null(c->program);
}

/* Shared inputs are those of sample 0 for all. */
static void run_compiled(compiled *c, size_t batch, ag_isa isa, bool in_float)
{
    ag_workspace *workspace =
        ag_workspace_new(c->program, &(const ag_workspace_options){.isa = isa, .threads = 1}, NULL);
    double shared[64];
    float shared_float[64];
    assert_non_null(workspace);
    assert_true(c->shared <= 64);
    for (size_t i = 0; i < c->shared; i++) {
        shared[i] = input_at(i, 0);
        shared_float[i] = (float)shared[i];
    }
    for (size_t s = 0; s < batch; s++)
        for (size_t i = 0; i < c->each; i++) {
            c->in[s * c->each + i] = input_at(c->shared + i, s);
            c->in_float[s * c->each + i] = (float)c->in[s * c->each + i];
        }
    if (in_float)
        assert_int_equal(ag_run_float(c->program, workspace, batch,
                                      &(const ag_arrays_float){.shared = shared_float,
                                                               .each = c->in_float,
                                                               .map = c->out_float}),
                         AG_OK);
    else
        assert_int_equal(ag_run(c->program, workspace, batch,
                                &(const ag_arrays){.shared = shared, .each = c->in, .map = c->out}),
                         AG_OK);
    ag_workspace_free(workspace);
}

/* A batch as long as can be, and one of each length that ends a vector or begins the next. */
static const size_t batches[] = {1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, BATCH};

static void compare_batches(compiled *flat, compiled *scan, ag_isa isa)
{
    const double tolerance = fmax(1e-11, ROUNDING); /* constants are ag_real */
    assert_int_equal(flat->n, scan->n);
    run_compiled(flat, BATCH, AG_ISA_BASELINE, false);
    for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
        run_compiled(scan, batches[b], isa, false);
        for (size_t i = 0; i < batches[b] * scan->n; i++)
            assert_close(scan->out[i], flat->out[i], tolerance);
        run_compiled(scan, batches[b], isa, true);
        for (size_t i = 0; i < batches[b] * scan->n; i++)
            assert_close((double)scan->out_float[i], flat->out[i], 2e-3);
    }
}

/* all_shared: the scan's shared operands are the program's, so the same in all lanes. */
static void compare_compiled(const recurrence *of, size_t steps, bool shared_is_each, ag_isa isa)
{
    ag_program *program = compile_step(of, NULL);
    compiled *flat = calloc(1, sizeof(*flat)), *scan = calloc(1, sizeof(*scan));
    recording *r[] = {begin_recording(of, steps, NULL), begin_recording(of, steps, program)};
    const size_t shared = shared_is_each ? 0 : of->shared;
    assert_true(flat != NULL && scan != NULL);
    compile_recording(flat, r[0], shared, true);
    compile_recording(scan, r[1], shared, false);
    ag_program_free(program);
    end_recording(r[0]);
    end_recording(r[1]);
    if (flat->each > 0)
        compare_batches(flat, scan, isa);
    ag_program_free(flat->program);
    ag_program_free(scan->program);
    free(flat);
    free(scan);
}

static void test_compiled(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECURRENCES; i++)
        for (size_t k = 0; k < STEP_COUNTS; k++)
            for (int shared_is_each = 0; shared_is_each < 2; shared_is_each++)
                compare_compiled(&recurrences[i], step_counts[k], shared_is_each, AG_ISA_AUTO);
}

static void test_compiled_for_each_isa(void **state)
{
    (void)state;
    for (int isa = AG_ISA_BASELINE; isa <= AG_ISA_NEON; isa++) {
        if (!ag_isa_available((ag_isa)isa))
            continue;
        for (int shared_is_each = 0; shared_is_each < 2; shared_is_each++) {
            compare_compiled(&recurrences[0], 7, shared_is_each, (ag_isa)isa);
            compare_compiled(&recurrences[1], 7, shared_is_each, (ag_isa)isa);
        }
    }
}

/* ---- Steps over lanes -------------------------------------------------------------------------- */

/* Numbers with zeros and infinities among them. */
static double rough_number(size_t i)
{
    const size_t k = i * 2654435761u % 97;
    return k < 30 ? 0 : k < 36 ? (double)INFINITY : sin((double)k);
}

static void put_number(char *array, size_t size, size_t i, double number)
{
    const float single = (float)number;
    memcpy(array + i * size, size == sizeof(double) ? (const void *)&number : &single, size);
}

static double get_number(const char *array, size_t size, size_t i)
{
    double number;
    float single;
    if (size == sizeof(double)) {
        memcpy(&number, array + i * size, sizeof(number));
        return number;
    }
    memcpy(&single, array + i * size, sizeof(single));
    return (double)single;
}

enum {
    LANES = 16,
    ENDS = 64
};

/* What comes out of three steps: the last ones' map outputs and the totals, slot by slot; of lanes
 * from `lane` on. */
static void run_three(const ag_program *program, const agi_kernels *kernels, size_t lanes,
                      size_t lane, double *out)
{
    const size_t size = kernels->size, each = program->info.each_count,
                 map = program->info.map_count, sum = program->info.sum_count;
    const size_t ends = ENDS * LANES * sizeof(double);
    const size_t bytes = agi_measure_steps(program, lanes, size) + 2 * ends;
    char *shared = aligned_alloc(64, (bytes + 63) / 64 * 64), *totals = shared + ends;
    agi_steps steps;
    assert_non_null(shared);
    assert_true(each + map <= ENDS && sum <= ENDS && program->info.shared_count <= ENDS);
    memset(shared, 0xA5, bytes);
    for (size_t i = 0; i < program->info.shared_count; i++)
        put_number(shared, size, i, rough_number(i + 5));
    agi_begin_steps(&steps, program, kernels, lanes, lanes, shared, totals, totals + ends);
    for (size_t t = 0; t < 3; t++) {
        for (size_t i = 0; i < each; i++)
            for (size_t l = 0; l < lanes; l++)
                put_number(steps.in, size, i * lanes + l,
                           rough_number((t * each + i) * LANES + lane + l));
        agi_take_step(&steps);
        agi_turn_steps(&steps);
    }
    for (size_t i = 0; i < map * lanes; i++)
        out[i] = get_number(steps.in, size, i);
    for (size_t i = 0; i < sum * lanes; i++)
        out[map * lanes + i] = get_number(totals, size, i);
    free(shared);
}

/* Every lane gives what it gives alone, also where the zero rule has something to say. */
static void test_lanes_of_a_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * RECURRENCES; i++) {
        ag_program *step = compile_step(&recurrences[i / 2], NULL);
        const ag_program *program = i % 2 == 0 ? step : agi_get_gradient_program(step, NULL);
        assert_non_null(program);
        for (int k = 0; k < 8; k++) {
            const size_t size = k % 2 == 0 ? sizeof(double) : sizeof(float);
            const agi_kernels *kernels = agi_find_kernels((ag_isa)(AG_ISA_BASELINE + k / 2), size);
            const size_t n = program->info.map_count + program->info.sum_count;
            double all[ENDS * LANES], one[ENDS];
            if (kernels == NULL)
                continue;
            run_three(program, kernels, LANES, 0, all);
            for (size_t lane = 0; lane < LANES; lane++) {
                run_three(program, kernels, 1, lane, one);
                for (size_t o = 0; o < n; o++)
                    assert_close(all[o * LANES + lane], one[o], size == 8 ? 1e-14 : 1e-5);
            }
        }
        ag_program_free(step);
    }
}

/* Much that is computed once, and used in each step. */
static void build_waves(ag_graph *graph, const ag_value *shared, const ag_value *state,
                        const ag_value *inputs, ag_value *next, ag_value *outputs, ag_value *totals)
{
    (void)inputs, (void)outputs, (void)totals;
    next[0] = ag_constant(graph, 0);
    for (int i = 0; i < 1000; i++) {
        const ag_value wave = ag_sin(ag_scale(shared[0], (ag_real)(i + 1)));
        next[0] = ag_add(next[0], ag_tanh(ag_mul(wave, state[0])));
    }
}

static const recurrence waves = {"waves", 1, 1, 0, 0, 0, build_waves};

/* A scan's scratch has room for its parts, however they are aligned. */
static void test_scratch(void **state)
{
    (void)state;
    for (size_t i = 0; i <= RECURRENCES; i++) {
        ag_program *step = compile_step(i < RECURRENCES ? &recurrences[i] : &waves, NULL);
        const agi_scratch scratch = agi_scan_scratch(&(const agi_scan_step){.program = step});
        for (size_t size = 4; size <= 8; size += 4)
            for (size_t lanes = 1; lanes <= 64; lanes += lanes == 1 ? 15 : 16) {
                const size_t parts = agi_measure_steps(step, lanes, size) +
                                     step->info.shared_count * size + AGI_ALIGNMENT;
                assert_true((scratch.lanes * lanes + scratch.fixed) * size >= parts);
                /* and not much more */
                assert_true((scratch.lanes * lanes + scratch.fixed) * size < parts + 2048);
            }
        ag_program_free(step);
    }
}

/* ---- Calls ------------------------------------------------------------------------------------ */

enum {
    CALL_SHARED = 3,
    CALL_EACH = 4,
    CALL_OUT = 6 /* 2 sum, 3 map, 1 once */
};

/* Gates of every kind: outputs in the order of ag_call's. */
static void build_function(ag_graph *graph, const ag_value *w, const ag_value *x, ag_value *out)
{
    const ag_value scale = ag_exp(ag_mul(w[0], w[1]));
    const ag_value hidden = ag_tanh(ag_add(ag_mul(w[2], x[0]), ag_mul(scale, x[1])));
    const ag_value chosen = ag_select(ag_relu(x[2]), ag_log(ag_square(x[3])), hidden);
    const ag_value many[] = {hidden, x[0], w[0]};
    out[0] = ag_mul(chosen, scale);
    out[1] = ag_linear(3, (const ag_real[]){2, (ag_real)-0.5, 1}, many, (ag_real)0.25);
    out[2] = hidden;
    out[3] = ag_div(ag_max_of(3, many), ag_add(scale, ag_constant(graph, 2)));
    out[4] = ag_atan2(ag_sub(x[3], w[1]), scale);
    out[5] = ag_mul(scale, w[2]);
}

static ag_program *compile_function(const ag_compile_options *options)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value w[CALL_SHARED], x[CALL_EACH], out[CALL_OUT];
    make_variables(graph, CALL_SHARED, w);
    make_variables(graph, CALL_EACH, x);
    build_function(graph, w, x, out);
    ag_program *program = ag_compile(&(const ag_signature){.shared = w,
                                                           .shared_count = CALL_SHARED,
                                                           .each = x,
                                                           .each_count = CALL_EACH,
                                                           .sum = out,
                                                           .sum_count = 2,
                                                           .map = out + 2,
                                                           .map_count = 3,
                                                           .once = out + 5,
                                                           .once_count = 1},
                                     options);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

/* One function twice, the second time of what the first has given. As a recording whose inputs are
 * shared, then each. */
static recording *begin_calls(ag_program *program)
{
    recording *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->graph = ag_graph_new(NULL);
    r->ins = CALL_SHARED + CALL_EACH;
    r->outs = 2 * CALL_OUT;
    for (size_t i = 0; i < r->ins; i++)
        r->in[i] = ag_variable(r->graph, (ag_real)input_at(i, 0));
    const ag_value *each = r->in + CALL_SHARED;
    ag_value *second = r->out + CALL_OUT;
    for (int call = 0; call < 2; call++) {
        const ag_value first[CALL_EACH] = {second[0], each[1], r->out[1], r->out[2]};
        const ag_value *x = call == 0 ? each : first;
        ag_value *out = call == 0 ? r->out : second;
        if (program == NULL)
            build_function(r->graph, r->in, x, out);
        else
            assert_int_equal(ag_call(r->graph, program, r->in, x, out), AG_OK);
        second[0] = r->out[0];
    }
    r->root = ag_dot(CALL_OUT, r->out, second);
    assert_int_equal(ag_error(r->graph), AG_OK);
    return r;
}

static void test_calls(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        ag_program *program = compile_function(&(const ag_compile_options){.plain = plain});
        comparison *const compare[] = {compare_on_tape, compare_from_each, compare_derivatives,
                                       compare_hessians};
        for (int i = 0; i < 4; i++) {
            recording *flat = begin_calls(NULL), *call = begin_calls(program);
            assert_string_equal(ag_gate_name(ag_operand(call->out[0], 0)), "call");
            compare[i](flat, call);
            end_recording(flat);
            end_recording(call);
        }
        ag_program_free(program);
    }
}

static void test_compiled_calls(void **state)
{
    (void)state;
    for (int shared_is_each = 0; shared_is_each < 2; shared_is_each++) {
        ag_program *program = compile_function(NULL);
        compiled *flat = calloc(1, sizeof(*flat)), *call = calloc(1, sizeof(*call));
        recording *r[] = {begin_calls(NULL), begin_calls(program)};
        assert_true(flat != NULL && call != NULL);
        compile_recording(flat, r[0], shared_is_each ? 0 : CALL_SHARED, true);
        compile_recording(call, r[1], shared_is_each ? 0 : CALL_SHARED, false);
        ag_program_free(program);
        end_recording(r[0]);
        end_recording(r[1]);
        compare_batches(flat, call, AG_ISA_AUTO);
        ag_program_free(flat->program);
        ag_program_free(call->program);
        free(flat);
        free(call);
    }
}

/* Of shared inputs alone, a call runs once for the whole batch. */
static void test_calls_computed_once(void **state)
{
    (void)state;
    ag_program *function = compile_function(NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value w[CALL_SHARED + CALL_EACH], y = ag_variable(graph, 1), out[CALL_OUT];
    make_variables(graph, CALL_SHARED + CALL_EACH, w);
    assert_int_equal(ag_call(graph, function, w, w + CALL_SHARED, out), AG_OK);
    const ag_value product = ag_mul(out[0], y);
    ag_program *program = ag_compile(&(const ag_signature){.shared = w,
                                                           .shared_count = CALL_SHARED + CALL_EACH,
                                                           .each = &y,
                                                           .each_count = 1,
                                                           .map = &product,
                                                           .map_count = 1,
                                                           .once = out,
                                                           .once_count = CALL_OUT},
                                     NULL);
    assert_non_null(program);
    assert_int_equal(program->body.count, 3); /* load, mul, store */
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    double shared[CALL_SHARED + CALL_EACH], each[20], map[20], once[CALL_OUT];
    for (size_t i = 0; i < CALL_SHARED + CALL_EACH; i++)
        shared[i] = (double)ag_data(w[i]);
    for (size_t i = 0; i < 20; i++)
        each[i] = (double)i;
    assert_int_equal(
        ag_run(program, workspace, 20,
               &(const ag_arrays){.shared = shared, .each = each, .map = map, .once = once}),
        AG_OK);
    for (size_t i = 0; i < CALL_OUT; i++)
        assert_close(once[i], ag_data(out[i]), SMALL);
    for (size_t i = 0; i < 20; i++)
        assert_close(map[i], once[0] * (double)i, 1e-13);
    ag_workspace_free(workspace);
    ag_program_free(program);
    ag_program_free(function);
    ag_graph_free(graph);
}

/* ---- Lorenz ----------------------------------------------------------------------------------- */

static void find_slope(const ag_value *u, const ag_value *p, ag_value *k)
{
    k[0] = ag_mul(p[0], ag_sub(u[1], u[0]));
    k[1] = ag_sub(ag_mul(u[0], ag_sub(p[1], u[2])), u[1]);
    k[2] = ag_sub(ag_mul(u[0], u[1]), ag_mul(p[2], u[2]));
}

static void advance(const ag_value *state, double factor, const ag_value *k, ag_value *u)
{
    for (int i = 0; i < 3; i++)
        u[i] = ag_add(state[i], ag_scale(k[i], (ag_real)factor));
}

/* RK4, steps of 1/128. */
static void build_lorenz(ag_graph *graph, const ag_value *shared, const ag_value *state,
                         const ag_value *inputs, ag_value *next, ag_value *outputs,
                         ag_value *totals)
{
    (void)graph, (void)inputs, (void)outputs, (void)totals;
    const double h = 1.0 / 128;
    ag_value k[4][3], u[3];
    find_slope(state, shared, k[0]);
    advance(state, h / 2, k[0], u);
    find_slope(u, shared, k[1]);
    advance(state, h / 2, k[1], u);
    find_slope(u, shared, k[2]);
    advance(state, h, k[2], u);
    find_slope(u, shared, k[3]);
    for (int i = 0; i < 3; i++) {
        const ag_value inner = ag_scale(ag_add(k[1][i], k[2][i]), 2);
        const ag_value slope = ag_add(inner, ag_add(k[0][i], k[3][i]));
        next[i] = ag_add(state[i], ag_scale(slope, (ag_real)(h / 6)));
    }
}

static const recurrence lorenz = {"lorenz", 3, 3, 0, 0, 0, build_lorenz};

static void set_lorenz(recording *r)
{
    static const double at[] = {10, 28, 2.75, 1, 1.01, 0.95};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(ag_set(r->in[i], (ag_real)at[i]), AG_OK);
    assert_int_equal(ag_forward(r->root), AG_OK);
}

static void test_lorenz(void **state)
{
    (void)state;
    ag_program *program = compile_step(&lorenz, NULL);
    recording *flat = begin_recording(&lorenz, 1000, NULL);
    recording *scan = begin_recording(&lorenz, 1000, program);
    assert_int_equal(ag_graph_count(scan->graph) - 6 < 40, true); /* however many the steps */
    set_lorenz(flat);
    set_lorenz(scan);
    const double tolerance = sizeof(ag_real) == sizeof(double) ? 1e-10 : 1;
    ag_value in[6], gradient[6];
    assert_int_equal(ag_gradient(scan->root, 6, scan->in, gradient), AG_OK);
    assert_int_equal(ag_backward(flat->root), AG_OK);
    assert_int_equal(ag_backward(scan->root), AG_OK);
    assert_close(ag_data(scan->root), ag_data(flat->root), tolerance);
    for (size_t i = 0; i < 6; i++) {
        assert_close(ag_grad(scan->in[i]), ag_grad(flat->in[i]), tolerance);
        assert_close(ag_data(gradient[i]), ag_grad(scan->in[i]), SMALL);
    }
    /* compiled: state and parameters in, gradient out */
    memcpy(in, scan->in, sizeof(in));
    ag_program *whole = ag_compile(
        &(const ag_signature){.each = in, .each_count = 6, .map = gradient, .map_count = 6}, NULL);
    assert_int_equal(ag_program_describe(whole).lanes, 64); /* states are not in the way */
    ag_workspace *workspace = ag_workspace_new(whole, NULL, NULL);
    double at[6], out[6];
    for (size_t i = 0; i < 6; i++)
        at[i] = (double)ag_data(in[i]);
    assert_int_equal(ag_run(whole, workspace, 1, &(const ag_arrays){.each = at, .map = out}),
                     AG_OK);
    for (size_t i = 0; i < 6; i++)
        assert_close(out[i], ag_data(gradient[i]), sizeof(ag_real) == 8 ? 1e-10 : 1e-2);
    ag_workspace_free(workspace);
    ag_program_free(whole);
    ag_program_free(program);
    end_recording(flat);
    end_recording(scan);
}

/* ---- Scans in scans --------------------------------------------------------------------------- */

static ag_program *inner_step; /* of the recurrence that has a scan in each of its steps */

/* Three steps of the pendulum as one, pushed alike. */
static void build_nested(ag_graph *graph, const ag_value *shared, const ag_value *state,
                         const ag_value *inputs, ag_value *next, ag_value *outputs,
                         ag_value *totals)
{
    const recurrence *of = &recurrences[0];
    const ag_value pushes[] = {inputs[0], ag_scale(inputs[0], 2), ag_constant(graph, 1)};
    if (inner_step == NULL) {
        ag_value two[2][2] = {{state[0], state[1]}}, energy[3], work[3];
        for (int t = 0; t < 3; t++)
            of->build(graph, shared, two[t % 2], &pushes[t], two[(t + 1) % 2], &energy[t],
                      &work[t]);
        memcpy(next, two[1], sizeof(two[1]));
        outputs[0] = ag_sum(3, energy);
        totals[0] = ag_sum(3, work);
        return;
    }
    ag_value energy[3];
    assert_int_equal(ag_scan(graph, inner_step, 3, 2,
                             &(const ag_scan_arrays){.shared = shared,
                                                     .state = state,
                                                     .inputs = pushes,
                                                     .final_state = next,
                                                     .outputs = energy,
                                                     .totals = totals}),
                     AG_OK);
    outputs[0] = ag_sum(3, energy);
}

static const recurrence nested = {"nested", 2, 2, 1, 1, 1, build_nested};

/* The outer recurrence as a scan of a program with a scan inside, against gates alone. */
static void test_nested_scans(void **state)
{
    (void)state;
    comparison *const compare[] = {compare_on_tape, compare_derivatives, compare_hessians};
    ag_program *inner = compile_step(&recurrences[0], NULL);
    inner_step = inner;
    ag_program *outer = compile_step(&nested, NULL);
    assert_int_equal(outer->records.scans_count, 1);
    for (int i = 0; i < 3; i++)
        for (size_t steps = 0; steps < 4; steps++) {
            inner_step = NULL;
            recording *flat = begin_recording(&nested, steps, NULL);
            inner_step = inner;
            recording *scan = begin_recording(&nested, steps, outer);
            compare[i](flat, scan);
            end_recording(flat);
            end_recording(scan);
        }
    ag_program_free(outer);
    ag_program_free(inner);
    inner_step = NULL;
}

/* A compiled program whose scan's step has a scan, whose own step has a call. */
static void test_compiled_nested_scans(void **state)
{
    (void)state;
    ag_program *inner = compile_step(&recurrences[0], NULL);
    for (int shared_is_each = 0; shared_is_each < 2; shared_is_each++) {
        compiled *flat = calloc(1, sizeof(*flat)), *scan = calloc(1, sizeof(*scan));
        assert_true(flat != NULL && scan != NULL);
        inner_step = NULL;
        recording *r = begin_recording(&nested, 3, NULL);
        compile_recording(flat, r, shared_is_each ? 0 : 2, true);
        end_recording(r);
        inner_step = inner;
        ag_program *outer = compile_step(&nested, NULL);
        r = begin_recording(&nested, 3, outer);
        compile_recording(scan, r, shared_is_each ? 0 : 2, false);
        end_recording(r);
        ag_program_free(outer);
        compare_batches(flat, scan, AG_ISA_AUTO);
        ag_program_free(flat->program);
        ag_program_free(scan->program);
        free(flat);
        free(scan);
    }
    ag_program_free(inner);
    inner_step = NULL;
}

static size_t count_scans(const agi_section *section)
{
    size_t n = 0;
    for (uint32_t i = 0; i < section->count; i++)
        n += section->instructions[i].op == AGI_OP_SCAN;
    return n;
}

/* ---- Comparisons ------------------------------------------------------------------------------ */

/* level rises by what comes in as long as it is below the limit, which is above 0. */
static ag_program *compile_tank(const ag_compile_options *options)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value limit = ag_variable(graph, 10), level = ag_variable(graph, 1);
    const ag_value flow = ag_variable(graph, 1);
    assert_int_equal(ag_name(limit, "limit"), AG_OK);
    assert_int_equal(ag_name(level, "level"), AG_OK);
    assert_true(ag_gt(limit, ag_constant(graph, 0)));
    assert_true(ag_lt(level, limit));
    const ag_value each[] = {level, flow};
    const ag_value next = ag_add(level, ag_square(flow));
    ag_program *program = ag_compile(&(const ag_signature){.shared = &limit,
                                                           .shared_count = 1,
                                                           .each = each,
                                                           .each_count = 2,
                                                           .map = &next,
                                                           .map_count = 1},
                                     options);
    assert_non_null(program);
    assert_int_equal(ag_program_describe(program).comparisons, 2);
    ag_graph_free(graph);
    return program;
}

enum {
    TANK_STEPS = 5,
    TANK_INS = 2 + TANK_STEPS
};

/* in: limit, level, flows */
static ag_status fill_tank(ag_graph *graph, ag_program *program, const ag_value *in,
                           ag_value *level)
{
    return ag_scan(graph, program, TANK_STEPS, 1,
                   &(const ag_scan_arrays){
                       .shared = in, .state = in + 1, .inputs = in + 2, .final_state = level});
}

static void make_tank(ag_graph *graph, ag_value *in)
{
    make_variables(graph, TANK_INS, in);
    assert_int_equal(ag_set(in[0], 10), AG_OK);
    for (int i = 2; i < TANK_INS; i++)
        assert_int_equal(ag_set(in[i], 1), AG_OK);
}

static void test_branch_on_the_tape(void **state)
{
    (void)state;
    ag_program *program = compile_tank(NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[TANK_INS], level, other;
    make_tank(graph, in);
    assert_int_equal(fill_tank(graph, program, in, &level), AG_OK);
    assert_close(ag_data(level), 5.5, 0);
    assert_int_equal(ag_set(in[4], 3), AG_OK); /* 0.5 1.5 2.5 11.5: not below at step 3 */
    assert_int_equal(ag_forward(level), AG_BRANCH);
    assert_contains(
        ag_error_message(graph),
        "scan: step 3: lt(level, limit) = (11.5, 10): was recorded as true and is false");
    assert_int_equal(ag_error(graph), AG_OK);
    assert_close(ag_data(level), 13.5, 0); /* the recorded path's */
    const size_t count = ag_graph_count(graph);
    const unsigned owners = program->owners;
    assert_int_equal(fill_tank(graph, program, in, &other), AG_BRANCH);
    assert_true(ag_is_null(other));
    assert_contains(ag_error_message(graph), "step 3");
    assert_int_equal(ag_graph_count(graph), count);
    assert_int_equal(program->owners, owners);
    assert_int_equal(ag_set(in[4], 1), AG_OK);
    assert_int_equal(ag_set(in[0], -1), AG_OK);
    assert_int_equal(ag_forward(level), AG_BRANCH);
    assert_contains(ag_error_message(graph), "scan: gt(limit, ");
    assert_null(strstr(ag_error_message(graph), "step"));
    assert_int_equal(ag_set(in[0], 10), AG_OK);
    assert_int_equal(ag_forward(level), AG_OK);
    assert_int_equal(fill_tank(graph, program, in, &other), AG_OK);
    /* a comparison counts that was made before the root, whatever the root depends on */
    const ag_value last = ag_square(in[2]);
    assert_int_equal(ag_set(in[1], 20), AG_OK);
    assert_int_equal(ag_forward(last), AG_BRANCH);
    assert_contains(ag_error_message(graph), "step 0");
    /* gradients go along the recorded path, and don't look */
    assert_int_equal(ag_backward(level), AG_OK);
    assert_close(ag_grad(in[1]), 1, 0);
    ag_graph_free(graph);
    ag_program_free(program);
}

static void fill_rows(size_t batch, double *rows, bool limit_first)
{
    for (size_t s = 0; s < batch; s++) {
        double *row = rows + s * (limit_first ? TANK_INS : TANK_INS - 1);
        if (limit_first)
            *row++ = 10;
        *row++ = 0.5;
        for (int i = 0; i < TANK_STEPS; i++)
            *row++ = 1;
    }
}

static void test_branch_compiled(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        const bool varies = variant & 1, gradient = variant & 2, plain = variant & 4;
        ag_program *step = compile_tank(&(const ag_compile_options){.plain = plain});
        ag_graph *graph = ag_graph_new(NULL);
        ag_value in[TANK_INS], out[1 + TANK_INS];
        make_tank(graph, in);
        assert_int_equal(fill_tank(graph, step, in, &out[0]), AG_OK);
        if (gradient)
            assert_int_equal(ag_gradient(out[0], TANK_INS, in, out + 1), AG_OK);
        const size_t shared = varies ? 0 : 1, each = TANK_INS - shared;
        ag_program *program = ag_compile(
            &(const ag_signature){.shared = in,
                                  .shared_count = shared,
                                  .each = in + shared,
                                  .each_count = each,
                                  /* without the value, the check is all that is left of the scan */
                                  .map = gradient ? out + 1 : out,
                                  .map_count = gradient ? TANK_INS : 1},
            &(const ag_compile_options){.plain = plain});
        assert_non_null(program);
        assert_int_equal(ag_program_describe(program).comparisons, 2);
        assert_true(!gradient || step->gradient->info.comparisons == 0);
        assert_true(!gradient || step->with_states->info.comparisons == 0);
        ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
        double rows[BATCH * TANK_INS], map[BATCH * TANK_INS], limit = 10;
        const ag_arrays arrays = {.shared = &limit, .each = rows, .map = map};
        for (size_t batch = 1; batch <= BATCH; batch += 23) {
            fill_rows(batch, rows, varies);
            map[0] = 1234;
            assert_int_equal(ag_run(program, workspace, batch, &arrays), AG_OK);
            assert_false(is_same(map[0], 1234));
            map[0] = 1234;
            const size_t last = batch - 1, low = batch > 10 ? 7 : last;
            rows[last * each + (varies ? 1 : 0)] = 50;                /* at once */
            rows[low * each + (varies ? 2 : 1) + TANK_STEPS - 2] = 9; /* late */
            assert_int_equal(ag_run(program, workspace, batch, &arrays), AG_BRANCH);
            assert_int_equal(ag_workspace_sample(workspace), low);
            assert_contains(ag_workspace_message(workspace), "lt(level, limit)");
            assert_same(map[0], 1234);
        }
        char message[240];
        fill_rows(2, rows, varies);
        limit = -1;
        rows[0] = varies ? -1 : rows[0];
        assert_int_equal(ag_run(program, workspace, 1, &arrays), AG_BRANCH);
        assert_contains(ag_workspace_message(workspace), "gt(limit, #3) = (-1, 0)");
        (void)snprintf(message, sizeof(message), "%s", ag_workspace_message(workspace));
        assert_int_equal(ag_run(program, workspace, 2, &arrays), AG_BRANCH);
        assert_string_equal(ag_workspace_message(workspace), message);
        ag_workspace_free(workspace);
        ag_program_free(program);
        ag_program_free(step);
        ag_graph_free(graph);
    }
}

/* Of two scans the one that fails for a lower sample is reported, whichever runs first. */
static void test_branches_of_two_scans(void **state)
{
    (void)state;
    ag_program *step = compile_tank(NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[2 * TANK_INS], level[2];
    for (int i = 0; i < 2; i++) {
        make_tank(graph, in + i * TANK_INS);
        assert_int_equal(fill_tank(graph, step, in + i * TANK_INS, &level[i]), AG_OK);
    }
    ag_program *program = ag_compile(
        &(const ag_signature){.each = in, .each_count = 2 * TANK_INS, .map = level, .map_count = 2},
        NULL);
    assert_non_null(program);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    for (int first = 0; first < 2; first++) {
        double rows[9 * 2 * TANK_INS], map[9 * 2];
        fill_rows(2 * 9, rows, true);
        rows[(4 * 2 + first) * TANK_INS + 1] = 40;
        rows[(7 * 2 + 1 - first) * TANK_INS + 1] = 70;
        assert_int_equal(
            ag_run(program, workspace, 9, &(const ag_arrays){.each = rows, .map = map}), AG_BRANCH);
        assert_int_equal(ag_workspace_sample(workspace), 4);
        assert_contains(ag_workspace_message(workspace), "sample 4: lt(level, limit) = (40, 10)");
    }
    ag_workspace_free(workspace);
    ag_program_free(program);
    ag_program_free(step);
    ag_graph_free(graph);
}

/* Of shared inputs alone, the steps and their comparisons run once. */
static void test_branch_before_the_batch(void **state)
{
    (void)state;
    ag_program *step = compile_tank(NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[TANK_INS], level;
    make_tank(graph, in);
    assert_int_equal(fill_tank(graph, step, in, &level), AG_OK);
    const ag_value x = ag_variable(graph, 1), product = ag_mul(level, x);
    ag_program *program = ag_compile(&(const ag_signature){.shared = in,
                                                           .shared_count = TANK_INS,
                                                           .each = &x,
                                                           .each_count = 1,
                                                           .map = &product,
                                                           .map_count = 1},
                                     NULL);
    assert_non_null(program);
    assert_int_equal(count_scans(&program->once), 1);
    assert_int_equal(count_scans(&program->check) + count_scans(&program->body), 0);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    double shared[TANK_INS] = {10, 0.5, 1, 1, 1, 1, 1}, each[] = {1, 2, 3}, map[3];
    const ag_arrays arrays = {.shared = shared, .each = each, .map = map};
    assert_int_equal(ag_run(program, workspace, 3, &arrays), AG_OK);
    assert_close(map[2], 16.5, 0);
    shared[5] = 3;
    assert_int_equal(ag_run(program, workspace, 3, &arrays), AG_BRANCH);
    assert_true(ag_workspace_sample(workspace) == SIZE_MAX);
    assert_contains(ag_workspace_message(workspace), "lt(level, limit) = (12.5, 10)");
    ag_workspace_free(workspace);
    ag_program_free(program);
    ag_program_free(step);
    ag_graph_free(graph);
}

/* Two tanks' worth of steps in one step of an outer scan. */
static void test_branch_in_a_nested_scan(void **state)
{
    (void)state;
    ag_program *step = compile_tank(NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[TANK_INS], level, states[2] = {{0}};
    make_tank(graph, in);
    assert_int_equal(fill_tank(graph, step, in, &level), AG_OK);
    ag_program *outer = ag_compile(&(const ag_signature){.shared = in,
                                                         .shared_count = 1,
                                                         .each = in + 1,
                                                         .each_count = TANK_INS - 1,
                                                         .map = &level,
                                                         .map_count = 1},
                                   NULL);
    assert_non_null(outer);
    assert_int_equal(ag_program_describe(outer).comparisons, 2);
    ag_graph_free(graph);
    graph = ag_graph_new(NULL);
    ag_value flows[2 * TANK_STEPS];
    make_tank(graph, in);
    make_variables(graph, 2 * TANK_STEPS, flows);
    const ag_scan_arrays arrays = {
        .shared = in, .state = in + 1, .inputs = flows, .final_state = states};
    assert_int_equal(ag_scan(graph, outer, 2, 1, &arrays), AG_OK);
    assert_close(ag_data(states[0]), 3, 0);
    assert_int_equal(ag_set(flows[3], 2), AG_OK);
    assert_int_equal(ag_set(flows[4], 3), AG_OK);
    assert_int_equal(ag_forward(states[0]), AG_BRANCH);
    assert_contains(ag_error_message(graph), "step 1: lt(level, limit) = (14.25, 10)");
    ag_value gradient;
    assert_int_equal(ag_gradient(states[0], 1, &flows[0], &gradient), AG_OK);
    assert_close(ag_data(gradient), 1, 0);
    assert_int_equal(outer->gradient->info.comparisons, 0);
    assert_int_equal(outer->with_states->info.comparisons, 0);
    ag_program *whole = ag_compile(&(const ag_signature){.shared = in,
                                                         .shared_count = 2,
                                                         .each = flows,
                                                         .each_count = 2 * TANK_STEPS,
                                                         .map = &gradient,
                                                         .map_count = 1},
                                   NULL);
    assert_non_null(whole);
    assert_int_equal(ag_program_describe(whole).comparisons, 2);
    ag_workspace *workspace = ag_workspace_new(whole, NULL, NULL);
    double each[3 * 2 * TANK_STEPS], map[3];
    for (size_t i = 0; i < 3 * 2 * TANK_STEPS; i++)
        each[i] = 0.5;
    const ag_arrays run = {.shared = (const double[]){10, 0.5}, .each = each, .map = map};
    assert_int_equal(ag_run(whole, workspace, 3, &run), AG_OK);
    assert_close(map[2], 1, 0);
    each[2 * TANK_STEPS + 8] = 4;
    assert_int_equal(ag_run(whole, workspace, 3, &run), AG_BRANCH);
    assert_int_equal(ag_workspace_sample(workspace), 1);
    ag_workspace_free(workspace);
    ag_program_free(whole);
    ag_program_free(outer);
    ag_program_free(step);
    ag_graph_free(graph);
}

/* ---- Errors ----------------------------------------------------------------------------------- */

#define assert_refused(call, status, part)                                                         \
    do {                                                                                           \
        assert_int_equal(call, status);                                                            \
        assert_int_equal(ag_error(graph), status);                                                 \
        assert_contains(ag_error_message(graph), part);                                            \
        assert_int_equal(ag_graph_count(graph), count);                                            \
        assert_int_equal(step->owners, 1);                                                         \
        ag_clear_error(graph);                                                                     \
    } while (false)

static void test_errors(void **unused)
{
    (void)unused;
    ag_program *step = compile_step(&recurrences[0], NULL); /* 2 shared, 3 each, 3 map, 1 sum */
    ag_program *function = compile_function(NULL);
    ag_graph *graph = ag_graph_new(NULL), *other = ag_graph_new(NULL);
    ag_value shared[2], state[2], inputs[4], final[2], outputs[4], total, foreign[2];
    make_variables(graph, 2, shared);
    make_variables(graph, 2, state);
    make_variables(graph, 4, inputs);
    make_variables(other, 2, foreign);
    const ag_scan_arrays good = {shared, state, inputs, final, outputs, &total};
    ag_value four[4];
    make_variables(graph, 4, four);
    const size_t count = ag_graph_count(graph);
    assert_int_equal(ag_scan(NULL, step, 1, 2, &good), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_call(NULL, step, shared, state, outputs), AG_INVALID_ARGUMENT);
    assert_refused(ag_scan(graph, NULL, 1, 2, &good), AG_INVALID_ARGUMENT, "no program");
    assert_refused(ag_call(graph, NULL, shared, state, outputs), AG_INVALID_ARGUMENT, "no program");
    assert_refused(ag_scan(graph, step, 1, 2, NULL), AG_INVALID_ARGUMENT, "arrays is NULL");
    ag_scan_arrays bad = good;
    bad.shared = NULL;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_INVALID_ARGUMENT, "shared is NULL");
    assert_true(ag_is_null(final[0]) && ag_is_null(outputs[3]) && ag_is_null(total));
    assert_ptr_equal(total.graph, graph);
    bad = good;
    bad.state = NULL;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_INVALID_ARGUMENT, "state is NULL");
    bad = good;
    bad.inputs = NULL;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_INVALID_ARGUMENT, "inputs is NULL");
    bad = good;
    bad.final_state = NULL;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_INVALID_ARGUMENT, "final_state is NULL");
    bad = good;
    bad.outputs = NULL;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_INVALID_ARGUMENT, "outputs is NULL");
    bad = good;
    bad.totals = NULL;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_INVALID_ARGUMENT, "totals is NULL");
    bad = good;
    bad.shared = foreign;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_WRONG_GRAPH, "ag_scan, shared");
    const ag_value none[2] = {state[0]};
    bad = good;
    bad.state = none;
    assert_refused(ag_scan(graph, step, 4, 2, &bad), AG_NULL_VALUE, "operand 2 is a null value");
    assert_refused(ag_scan(graph, step, 1, 4,
                           &(const ag_scan_arrays){shared, four, inputs, four, outputs, &total}),
                   AG_INVALID_ARGUMENT,
                   "a state of 4, and the program has 3 each inputs and 3 map");
    const ag_scan_arrays calls = {.shared = four, .inputs = inputs, .outputs = outputs};
    assert_refused(ag_scan(graph, function, 1, 0, &calls), AG_INVALID_ARGUMENT, "once outputs");
    assert_refused(ag_scan(graph, step, SIZE_MAX / 2, 2, &good), AG_TOO_LARGE, "too many operands");
    assert_refused(ag_call(graph, step, NULL, inputs, outputs), AG_INVALID_ARGUMENT,
                   "shared is NULL");
    assert_refused(ag_call(graph, step, shared, NULL, outputs), AG_INVALID_ARGUMENT,
                   "each is NULL");
    assert_refused(ag_call(graph, step, shared, inputs, NULL), AG_INVALID_ARGUMENT,
                   "outputs is NULL");
    /* while the graph has an error nothing is done, and what comes out are null values */
    outputs[0] = total = inputs[0];
    assert_true(ag_is_null(ag_mul(inputs[0], none[1])));
    assert_int_equal(ag_scan(graph, step, 4, 2, &good), AG_NULL_VALUE);
    assert_int_equal(ag_call(graph, step, shared, inputs, outputs), AG_NULL_VALUE);
    assert_true(ag_is_null(total) && ag_is_null(outputs[0]) && ag_is_null(outputs[3]));
    ag_graph_free(graph);
    ag_graph_free(other);
    ag_program_free(step);
    ag_program_free(function);
}

static void test_too_many_nodes(void **state)
{
    (void)state;
    ag_program *step = compile_step(&recurrences[0], NULL);
    ag_graph *graph = ag_graph_new(&(const ag_graph_options){.max_nodes = 20});
    ag_value in[8], final[2], outputs[64], total;
    make_variables(graph, 8, in);
    const size_t count = ag_graph_count(graph);
    const ag_scan_arrays arrays = {in, in + 2, in + 4, final, outputs, &total};
    assert_int_equal(ag_scan(graph, step, 4, 2, &arrays), AG_OK); /* 8 + 1 + 2 + 4 + 1 */
    assert_int_equal(ag_graph_count(graph), count + 8);
    assert_int_equal(ag_scan(graph, step, 1, 2, &arrays), AG_TOO_MANY_NODES);
    assert_contains(ag_error_message(graph), "5 nodes more");
    assert_int_equal(ag_graph_count(graph), count + 8);
    ag_graph_free(graph);
    ag_program_free(step);
}

/* ---- Memory ----------------------------------------------------------------------------------- */

typedef struct counting_heap {
    size_t bytes, peak;
} counting_heap;

static void *count_bytes(void *user, void *pointer, size_t old_size, size_t new_size)
{
    counting_heap *heap = user;
    heap->bytes += new_size - old_size;
    if (heap->bytes > heap->peak)
        heap->peak = heap->bytes;
    if (new_size > 0)
        return realloc(pointer, new_size);
    free(pointer);
    return NULL;
}

/* Three leaky integrators in a ring. */
static void build_ring(ag_graph *graph, const ag_value *shared, const ag_value *state,
                       const ag_value *inputs, ag_value *next, ag_value *outputs, ag_value *totals)
{
    (void)graph, (void)inputs, (void)outputs, (void)totals;
    for (int i = 0; i < 3; i++)
        next[i] = ag_add(ag_mul(shared[0], state[i]), ag_mul(shared[1], state[(i + 1) % 3]));
}

static const recurrence ring = {"ring", 2, 3, 0, 0, 0, build_ring};

/* A gradient keeps the states, and of everything else no more for a million steps than for one. */
static void test_memory_of_a_million_steps(void **state)
{
    (void)state;
    const size_t million = 1000000, states = 3 * million * sizeof(double), rest = 1 << 16;
    ag_program *step = compile_step(&ring, NULL);
    counting_heap heap = {0};
    ag_graph *graph =
        ag_graph_new(&(const ag_graph_options){.allocator = count_bytes, .allocator_user = &heap});
    ag_value shared[2], start[3], final[3];
    make_variables(graph, 2, shared);
    make_variables(graph, 3, start);
    const ag_scan_arrays arrays = {.shared = shared, .state = start, .final_state = final};
    assert_int_equal(ag_scan(graph, step, million, 3, &arrays), AG_OK);
    assert_true(heap.peak < rest);
    assert_int_equal(ag_backward(final[0]), AG_OK);
    assert_true(isfinite((double)ag_grad(shared[0])) && ag_grad(shared[0]) != 0);
    assert_true(heap.peak >= states);
    assert_true(heap.peak < states + rest);
    ag_graph_free(graph);
    assert_int_equal(heap.bytes, 0);
    ag_program_free(step);
}

/* As nodes, a state is a node; in a program a number, since so many of them go without lanes. */
static void test_memory_of_nodes(void **state)
{
    (void)state;
    const size_t steps = 200000, states = 3 * steps, rest = 1 << 16;
    ag_program *step = compile_step(&ring, NULL);
    counting_heap heap = {0}, work = {0};
    ag_graph *graph =
        ag_graph_new(&(const ag_graph_options){.allocator = count_bytes, .allocator_user = &heap});
    ag_value in[5], final[3], gradient[5];
    make_variables(graph, 5, in);
    const ag_scan_arrays arrays = {.shared = in, .state = in + 2, .final_state = final};
    assert_int_equal(ag_scan(graph, step, steps, 3, &arrays), AG_OK);
    assert_int_equal(ag_gradient(final[0], 5, in, gradient), AG_OK);
    assert_true(heap.peak < states * 64);
    ag_program *program = ag_compile(
        &(const ag_signature){.each = in, .each_count = 5, .map = gradient, .map_count = 5}, NULL);
    assert_non_null(program);
    ag_workspace *workspace =
        ag_workspace_new(program,
                         &(const ag_workspace_options){
                             .threads = 1, .allocator = count_bytes, .allocator_user = &work},
                         NULL);
    assert_non_null(workspace);
    assert_true(work.peak < states * sizeof(double) + rest);
    double out[3][5], each[3][5];
    for (size_t i = 0; i < 15; i++)
        each[i / 5][i % 5] = (double)ag_data(in[i % 5]);
    for (size_t batch = 1; batch <= 3; batch += 2) {
        assert_int_equal(
            ag_run(program, workspace, batch, &(ag_arrays){.each = each[0], .map = out[0]}), AG_OK);
        for (size_t i = 0; i < 5; i++)
            assert_close(out[batch - 1][i], ag_data(gradient[i]), 1e6 * ROUNDING);
    }
    ag_workspace_free(workspace);
    ag_program_free(program);
    ag_graph_free(graph);
    ag_program_free(step);
}

/* Without a step the final state is the state, even one that a step would not look at. */
static void test_gradient_of_no_steps(void **state)
{
    (void)state;
    ag_graph *own = ag_graph_new(NULL), *graph = ag_graph_new(NULL);
    const ag_value each[] = {ag_variable(own, 0), ag_variable(own, 0)};
    const ag_value next = ag_tanh(each[1]);
    ag_program *step = ag_compile(
        &(ag_signature){.each = each, .each_count = 2, .map = &next, .map_count = 1}, NULL);
    assert_non_null(step);
    const ag_value x = ag_variable(graph, 5);
    ag_value final, dx;
    assert_int_equal(
        ag_scan(graph, step, 0, 1, &(const ag_scan_arrays){.state = &x, .final_state = &final}),
        AG_OK);
    const ag_value root = ag_square(final);
    assert_int_equal(ag_gradient(root, 1, &x, &dx), AG_OK);
    assert_int_equal(ag_backward(root), AG_OK);
    assert_same(ag_grad(x), 10);
    assert_same(ag_data(dx), 10);
    ag_graph_free(graph);
    ag_graph_free(own);
    ag_program_free(step);
}

/* Compiling a scan and its gradient, with each allocation failing in turn. */
static void test_no_memory_for_a_program(void **state)
{
    (void)state;
    ag_program *step = compile_step(&ring, NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[5], final[3], gradient[5];
    make_variables(graph, 5, in);
    const ag_scan_arrays arrays = {.shared = in, .state = in + 2, .final_state = final};
    assert_int_equal(ag_scan(graph, step, 4, 3, &arrays), AG_OK);
    assert_int_equal(ag_gradient(final[0], 5, in, gradient), AG_OK);
    const ag_signature signature = {.each = in, .each_count = 5, .map = gradient, .map_count = 5};
    failing_heap heap = {.allowed = -1};
    const ag_compile_options options = {.allocator = allocate_or_fail, .allocator_user = &heap};
    ag_program_free(ag_compile(&signature, &options));
    const long requests = heap.requests;
    assert_true(requests > 50);
    for (long n = 0; n < requests; n++) {
        heap = (failing_heap){.allowed = n};
        assert_null(ag_compile(&signature, &options));
        assert_int_equal(ag_error(graph), AG_OUT_OF_MEMORY);
        ag_clear_error(graph);
        assert_int_equal(heap.bytes, 0);
    }
    ag_graph_free(graph);
    ag_program_free(step);
}

/* A program of one step, two scans, what is derived from them, and a program of all that. */
static ag_status use_everything(ag_graph *graph, failing_heap *heap)
{
    const ag_compile_options options = {.allocator = allocate_or_fail, .allocator_user = heap};
    const recurrence *of = &recurrences[0];
    ag_value in[8], next[2], outputs[3], totals[1], gradient[7];
    make_variables(graph, 8, in);
    of->build(graph, in, in + 2, in + 4, next, outputs, totals);
    const ag_value map[] = {next[0], next[1], outputs[0]};
    ag_program *step = ag_compile(&(const ag_signature){.shared = in,
                                                        .shared_count = 2,
                                                        .each = in + 2,
                                                        .each_count = 3,
                                                        .sum = totals,
                                                        .sum_count = 1,
                                                        .map = map,
                                                        .map_count = 3},
                                  &options);
    if (step == NULL)
        return ag_error(graph);
    const ag_scan_arrays arrays = {in, in + 2, in + 4, next, outputs, totals};
    ag_status status = ag_scan(graph, step, 3, 2, &arrays);
    const ag_value root = ag_add(ag_mul(outputs[1], outputs[2]), totals[0]);
    if (status == AG_OK)
        status = ag_backward(root);
    if (status == AG_OK)
        status = ag_gradient(root, 7, in, gradient);
    if (status == AG_OK)
        status = ag_gradient(gradient[0], 1, in, gradient);
    if (status == AG_OK)
        status = ag_forward(gradient[1]);
    ag_program *whole = NULL;
    if (status == AG_OK) {
        whole = ag_compile(
            &(const ag_signature){.each = in, .each_count = 7, .map = gradient, .map_count = 7},
            &options);
        status = ag_error(graph);
    }
    ag_program_free(whole);
    ag_program_free(step);
    return status;
}

static void test_no_memory(void **state)
{
    (void)state;
    long failures = 0;
    for (bool done = false; !done; failures++) {
        failing_heap heap = {.allowed = failures};
        ag_graph *graph = ag_graph_new(
            &(const ag_graph_options){.allocator = allocate_or_fail, .allocator_user = &heap});
        if (graph == NULL) {
            assert_int_equal(heap.bytes, 0);
            continue;
        }
        const ag_status status = use_everything(graph, &heap);
        assert_true(status == AG_OK || status == AG_OUT_OF_MEMORY);
        assert_int_equal(ag_error(graph), status);
        done = status == AG_OK;
        if (!done)
            assert_contains(ag_error_message(graph), "out of memory");
        ag_graph_free(graph);
        assert_int_equal(heap.bytes, 0);
    }
    assert_true(failures > 100);
}

/* In a buffer there may be room for the nodes, and none for the states. */
static void test_small_buffer(void **state)
{
    (void)state;
    static char buffer[1 << 16];
    ag_program *step = compile_step(&ring, NULL);
    ag_graph *graph = ag_graph_new(&(const ag_graph_options){
        .buffer = buffer, .buffer_size = sizeof(buffer), .max_nodes = 100});
    ag_value in[5], final[3];
    make_variables(graph, 5, in);
    const ag_scan_arrays arrays = {.shared = in, .state = in + 2, .final_state = final};
    assert_int_equal(ag_scan(graph, step, 4000, 3, &arrays), AG_OK);
    assert_int_equal(ag_backward(final[0]), AG_OUT_OF_MEMORY);
    assert_same(ag_grad(in[0]), 0); /* nothing was begun */
    ag_clear_error(graph);
    assert_int_equal(ag_scan(graph, step, 400, 3, &arrays), AG_OK);
    assert_int_equal(ag_backward(final[0]), AG_OK);
    assert_false(is_same((double)ag_grad(in[0]), 0));
    ag_graph_free(graph);
    ag_program_free(step);
}

static void test_rewinding(void **state)
{
    (void)state;
    ag_program *step = compile_step(&recurrences[0], NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[8], final[2], outputs[4], total, gradient;
    make_variables(graph, 8, in);
    const ag_scan_arrays arrays = {in, in + 2, in + 4, final, outputs, &total};
    const ag_mark empty = ag_graph_mark(graph);
    assert_int_equal(ag_scan(graph, step, 4, 2, &arrays), AG_OK);
    const ag_mark mark = ag_graph_mark(graph);
    size_t bytes = 0;
    for (int round = 0; round < 5; round++) {
        assert_int_equal(step->owners, 2);
        assert_int_equal(ag_gradient(total, 1, &in[2], &gradient), AG_OK);
        assert_int_equal(graph->scans_count, 3);
        assert_int_equal(graph->scans[0].states, graph->scans[1].node);
        assert_int_equal(ag_gradient(final[0], 1, &in[2], &gradient), AG_OK);
        assert_int_equal(graph->scans_count, 4); /* the states are there already */
        assert_int_equal(step->with_states->owners, 2);
        assert_int_equal(step->gradient->owners, 3);
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_int_equal(graph->scans_count, 1);
        assert_true(graph->scans[0].states == AGI_NO_INDEX);
        assert_int_equal(step->with_states->owners, 1);
        assert_int_equal(step->gradient->owners, 1);
        assert_true(round < 2 || ag_graph_bytes(graph) == bytes);
        bytes = ag_graph_bytes(graph);
    }
    assert_int_equal(ag_graph_rewind(graph, empty), AG_OK);
    assert_int_equal(step->owners, 1);
    assert_int_equal(ag_scan(graph, step, 4, 2, &arrays), AG_OK);
    ag_program_free(step); /* the graph has it still */
    assert_int_equal(ag_forward(total), AG_OK);
    assert_int_equal(ag_backward(total), AG_OK);
    ag_graph_free(graph);
}

/* ---- In a graph like other gates --------------------------------------------------------------- */

/* exp(p) * x + y, and x: a program of one shared and two each inputs. */
static ag_program *compile_pair(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x[3];
    make_variables(graph, 3, x);
    const ag_value map[] = {ag_add(ag_mul(ag_exp(x[0]), x[1]), x[2]), x[1]};
    ag_program *program = ag_compile(&(const ag_signature){.shared = x,
                                                           .shared_count = 1,
                                                           .each = x + 1,
                                                           .each_count = 2,
                                                           .map = map,
                                                           .map_count = 2},
                                     NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

static void read_file(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void test_looks(void **state)
{
    (void)state;
    static const char *const names[] = {"p", "x", "y"};
    ag_program *pair = compile_pair();
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[3], out[2], final;
    char text[8192];
    for (int i = 0; i < 3; i++) {
        in[i] = ag_variable(graph, (ag_real)i);
        assert_int_equal(ag_name(in[i], names[i]), AG_OK);
    }
    assert_int_equal(ag_call(graph, pair, in, in + 1, out), AG_OK);
    const ag_value root = ag_mul(out[0], out[1]);
    const ag_value call = ag_operand(root, 0), node = ag_operand(call, 0);
    assert_string_equal(ag_gate_name(call), "output");
    assert_int_equal(ag_operand_count(call), 1);
    assert_string_equal(ag_gate_name(node), "call");
    assert_int_equal(ag_operand_count(node), 3);
    assert_string_equal(ag_name_of(ag_operand(node, 2)), "y");
    assert_same(ag_local_gradient(call, 0), 1);
    assert_same(ag_local_gradient(node, 0), NAN); /* there is one for each output */
    assert_int_equal(ag_topological_order(root, NULL, 0), 3 + 1 + 2 + 1);
    FILE *file = tmpfile();
    assert_int_equal(ag_explain(root, file), AG_OK);
    read_file(file, text, sizeof(text));
    assert_string_equal(text, "Forward\n"
                              "step  node  = gate           value\n"
                              "   1  p     = variable           0\n"
                              "   2  x     = variable           1\n"
                              "   3  y     = variable           2\n"
                              "   4  v1    = call(p, x, y)\n"
                              "   5  v2    = output(v1, 0)      3\n"
                              "   6  v3    = output(v1, 1)      1\n"
                              "   7  v4    = mul(v2, v3)        3\n"
                              "\n"
                              "Backward: upstream * local = contribution\n"
                              "node  <- gate  upstream  * local  formula  =  contribution  sum\n"
                              "v4                                         =             1\n"
                              "v2    <- v4           1  * 1      v3       =             1\n"
                              "v3    <- v4           1  * 3      v2       =             3\n"
                              "p     <- v1                                =             1\n"
                              "x     <- v1                                =             4\n"
                              "y     <- v1                                =             1\n");
    file = tmpfile();
    assert_int_equal(ag_write_dot(root, file, NULL), AG_OK);
    read_file(file, text, sizeof(text));
    assert_contains(text, ">call</TD>");
    assert_contains(text, "wire0:p:e -> gate3:p0:w [id=\"edge3_0\"];\n");
    assert_contains(text, "gate3:n4:e -> wire4:p:w [id=\"out4\", weight=4];\n");
    assert_contains(text, "gate3:n5:e -> wire5:p:w [id=\"out5\", weight=4];\n");
    assert_null(strstr(text, "wire3"));
    assert_null(strstr(text, "gate4"));
    /* of several steps it is a scan */
    ag_value outputs[2];
    const ag_value inputs[] = {in[1], in[2]};
    assert_int_equal(ag_scan(graph, pair, 2, 1,
                             &(const ag_scan_arrays){.shared = in,
                                                     .state = in + 1,
                                                     .inputs = inputs,
                                                     .final_state = &final,
                                                     .outputs = outputs}),
                     AG_OK);
    assert_string_equal(ag_gate_name(ag_operand(final, 0)), "scan");
    ag_graph_free(graph);
    ag_program_free(pair);
}

static void test_gradcheck(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECURRENCES; i++) {
        ag_program *program = compile_step(&recurrences[i], NULL);
        recording *r = begin_recording(&recurrences[i], 3, program);
        ag_gradcheck_row rows[MOST];
        bool passed;
        assert_int_equal(ag_gradcheck_root(r->root, r->ins, r->in, NULL, rows, &passed), AG_OK);
        assert_true(passed);
        end_recording(r);
        ag_program_free(program);
    }
}

static void test_pause_and_detach(void **state)
{
    (void)state;
    ag_program *pair = compile_pair();
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[3], out[2], frozen[2];
    make_variables(graph, 3, in);
    const size_t pooled = graph->pool_count;
    assert_int_equal(ag_pause(graph), AG_OK);
    assert_int_equal(ag_call(graph, pair, in, in + 1, frozen), AG_OK);
    assert_int_equal(ag_resume(graph), AG_OK);
    assert_string_equal(ag_gate_name(frozen[0]), "constant");
    assert_close(ag_data(frozen[0]), 0.5 * exp(0.5) + 0.5, SMALL);
    assert_int_equal(graph->scans_count, 0);
    assert_int_equal(graph->pool_count, pooled);
    assert_int_equal(pair->owners, 1);
    assert_int_equal(ag_call(graph, pair, in, in + 1, out), AG_OK);
    const ag_value root = ag_add(ag_detach(out[0]), ag_mul(in[2], in[2]));
    ag_value gradient[3];
    assert_int_equal(ag_backward(root), AG_OK);
    assert_null(pair->gradient); /* nobody asked for it */
    assert_same(ag_grad(in[0]), 0);
    assert_close(ag_grad(in[2]), 1, 0);
    assert_int_equal(ag_gradient(root, 3, in, gradient), AG_OK);
    assert_same(ag_data(gradient[0]), 0);
    assert_int_equal(ag_gradient(ag_floor(out[0]), 3, in, gradient), AG_OK);
    assert_same(ag_data(gradient[0]), 0);
    assert_null(pair->gradient);
    /* for a value on the way, and past a constant */
    assert_int_equal(ag_gradient(ag_mul(out[0], out[1]), 2, out, gradient), AG_OK);
    assert_close(ag_data(gradient[0]), ag_data(out[1]), SMALL);
    assert_close(ag_data(gradient[1]), ag_data(out[0]), SMALL);
    assert_null(pair->gradient);
    const ag_value constants[] = {ag_constant(graph, 1), in[1], ag_constant(graph, 2)};
    assert_int_equal(ag_call(graph, pair, constants, constants + 1, out), AG_OK);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(out[0]), AG_OK);
    assert_close(ag_grad(in[1]), exp(1), SMALL);
    assert_same(ag_grad(constants[0]), 0);
    assert_int_equal(ag_gradient(out[0], 1, constants, gradient), AG_OK);
    assert_same(ag_data(gradient[0]), 0);
    ag_graph_free(graph);
    ag_program_free(pair);
}

static void test_check_mode(void **state)
{
    (void)state;
    ag_program *pair = compile_pair();
    ag_graph *graph = ag_graph_new(&(const ag_graph_options){.check = true});
    ag_value in[3], out[2];
    make_variables(graph, 3, in);
    assert_int_equal(ag_call(graph, pair, in, in + 1, out), AG_OK);
    const ag_value root = ag_square(out[0]);
    assert_int_equal(ag_backward(root), AG_OK);
    assert_false(is_same((double)ag_grad(in[0]), 0));
    assert_int_equal(ag_set(in[0], 1000), AG_OK);
    assert_int_equal(ag_forward(root), AG_NOT_FINITE);
    assert_contains(ag_error_message(graph),
                    "call(#0 = 1000, #1 = 0.5, #2 = 0.5): the value is inf");
    ag_clear_error(graph);
    /* a finite value with a gradient that is not */
    assert_int_equal(ag_set(in[0], (ag_real)(sizeof(ag_real) == 8 ? 709 : 88)), AG_OK);
    assert_int_equal(ag_set(in[1], 0), AG_OK);
    const ag_value big = ag_scale(out[0], (ag_real)1e20);
    assert_int_equal(ag_forward(big), AG_OK);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(big), AG_NOT_FINITE);
    assert_contains(ag_error_message(graph), "call(#0 = ");
    assert_contains(ag_error_message(graph), "gave operand 2 the gradient inf");
    assert_null(strstr(ag_error_message(graph), "upstream"));
    ag_clear_error(graph);
    assert_same(ag_grad(in[1]), 0);
    ag_graph_free(graph);
    ag_program_free(pair);
}

/* log(x) where x > 0, else x: a 0 times infinity on the side not taken must not get out. */
static void build_guarded(ag_graph *graph, const ag_value *shared, const ag_value *state,
                          const ag_value *inputs, ag_value *next, ag_value *outputs,
                          ag_value *totals)
{
    (void)totals;
    const ag_value zero = ag_constant(graph, 0);
    const ag_value guarded = ag_select(ag_is_less(zero, inputs[0]), ag_log(inputs[0]), inputs[0]);
    next[0] = ag_mul(state[0], shared[0]);
    outputs[0] = ag_add(guarded, ag_mul(ag_sqrt(state[0]), zero));
}

static const recurrence guarded = {"guarded", 1, 1, 1, 1, 0, build_guarded};

static void test_zero_rule(void **state)
{
    (void)state;
    ag_program *step = compile_step(&guarded, NULL);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[5], final, outputs[3];
    make_variables(graph, 5, in);
    const ag_scan_arrays arrays = {in, in + 1, in + 2, &final, outputs, NULL};
    assert_int_equal(ag_set(in[3], -1), AG_OK); /* log(-1) at the second step, not taken */
    assert_int_equal(ag_set(in[4], 0), AG_OK);
    assert_int_equal(ag_scan(graph, step, 3, 1, &arrays), AG_OK);
    const ag_value root = ag_sum(3, outputs);
    ag_value first[5], second[5];
    assert_int_equal(ag_backward(root), AG_OK);
    assert_int_equal(ag_gradient(root, 5, in, first), AG_OK);
    assert_int_equal(ag_hvp(root, 5, in, in, second), AG_OK);
    const double expected[] = {0, 0, 2, 1, 1};
    for (int i = 0; i < 5; i++) {
        assert_close(ag_grad(in[i]), expected[i], SMALL);
        assert_close(ag_data(first[i]), expected[i], SMALL);
        assert_close(ag_data(second[i]), i == 2 ? -2 : 0, SMALL);
    }
    /* the state is 0, where sqrt's slope is infinite: of steps without an upstream nothing comes */
    assert_int_equal(ag_set(in[1], 0), AG_OK);
    assert_int_equal(ag_forward(final), AG_OK);
    ag_zero_grad(graph);
    assert_int_equal(ag_backward(final), AG_OK);
    assert_close(ag_grad(in[1]), 0.125, SMALL);
    assert_same(ag_grad(in[0]), 0);
    ag_graph_free(graph);
    ag_program_free(step);
}

/* ---- Closures in a step ------------------------------------------------------------------------ */

static ag_graph *meddled; /* the graph that a closure tries to change while it is at work */

static ag_real cube_forward(void *context, size_t arity, const ag_real *x)
{
    (void)context, (void)arity;
    if (meddled != NULL)
        (void)ag_variable(meddled, 1);
    return x[0] * x[0] * x[0];
}

static void cube_backward(void *context, size_t arity, const ag_real *x, ag_real y,
                          ag_real upstream, ag_real *downstream)
{
    (void)context, (void)arity, (void)y;
    downstream[0] = upstream * 3 * x[0] * x[0];
}

static ag_status cube_derive(void *context, size_t arity, const ag_value *x, ag_value y,
                             ag_value upstream, ag_value *downstream)
{
    (void)context, (void)arity, (void)y;
    downstream[0] = ag_chain(upstream, ag_scale(ag_square(x[0]), 3));
    return AG_OK;
}

static ag_program *compile_cube(bool can_derive)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_closure cube = {.name = "cube",
                             .arity = 1,
                             .forward = cube_forward,
                             .backward = cube_backward,
                             .derive = can_derive ? cube_derive : NULL};
    const ag_value x = ag_variable(graph, 1), y = ag_apply(&cube, &x);
    ag_program *program = ag_compile(
        &(const ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

static void test_closures(void **state)
{
    (void)state;
    ag_program *cube = compile_cube(true), *stiff = compile_cube(false);
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, (ag_real)1.125);
    ag_value y, z, gradient;
    const ag_scan_arrays arrays = {.state = &x, .final_state = &y};
    assert_int_equal(ag_scan(graph, cube, 3, 1, &arrays), AG_OK); /* x^27 */
    assert_int_equal(ag_backward(y), AG_OK);
    assert_close(ag_grad(x), 27 * pow(1.125, 26), SMALL);
    assert_int_equal(ag_gradient(y, 1, &x, &gradient), AG_OK);
    assert_int_equal(ag_gradient(gradient, 1, &x, &gradient), AG_OK);
    assert_close(ag_data(gradient), 27 * 26 * pow(1.125, 25), SMALL);
    /* without derive there are values, and an error that says so where a gradient is asked for */
    assert_int_equal(ag_call(graph, stiff, NULL, &y, &z), AG_OK);
    assert_int_equal(ag_forward(z), AG_OK);
    assert_int_equal(ag_backward(ag_detach(z)), AG_OK);
    assert_int_equal(ag_backward(z), AG_INVALID_ARGUMENT);
    assert_contains(ag_error_message(graph), "the gradient of a call: cube(");
    assert_contains(ag_error_message(graph), "has no derive");
    ag_clear_error(graph);
    assert_int_equal(ag_gradient(z, 1, &x, &gradient), AG_INVALID_ARGUMENT);
    assert_contains(ag_error_message(graph), "has no derive");
    ag_clear_error(graph);
    assert_int_equal(ag_explain(z, tmpfile()), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    /* the graph can't be changed from within */
    const size_t count = ag_graph_count(graph);
    meddled = graph;
    assert_int_equal(ag_call(graph, cube, NULL, &x, &z), AG_BUSY);
    assert_true(ag_is_null(z));
    assert_int_equal(ag_graph_count(graph), count);
    ag_clear_error(graph);
    assert_int_equal(ag_forward(y), AG_BUSY);
    ag_clear_error(graph);
    meddled = NULL;
    assert_int_equal(ag_forward(y), AG_OK);
    ag_graph_free(graph);
    ag_program_free(cube);
    ag_program_free(stiff);
}

/* ---- What is made of programs ------------------------------------------------------------------ */

/* Steps may find their inputs anywhere: among constants, shared inputs, gates, each inputs. */
static void test_inputs_from_everywhere(void **state)
{
    (void)state;
    ag_program *pair = compile_pair();
    ag_graph *graph = ag_graph_new(NULL);
    ag_value shared[2], each[2], final[2], outputs[4];
    make_variables(graph, 2, shared);
    make_variables(graph, 2, each);
    const ag_value inputs[] = {ag_constant(graph, 2), shared[1], ag_square(each[1]), each[0]};
    assert_int_equal(ag_scan(graph, pair, 4, 1,
                             &(const ag_scan_arrays){.shared = shared,
                                                     .state = each,
                                                     .inputs = inputs,
                                                     .final_state = final,
                                                     .outputs = outputs}),
                     AG_OK);
    ag_program *program = ag_compile(&(const ag_signature){.shared = shared,
                                                           .shared_count = 2,
                                                           .each = each,
                                                           .each_count = 2,
                                                           .map = final,
                                                           .map_count = 1},
                                     NULL);
    assert_non_null(program);
    for (size_t batch = 1; batch < 40; batch += 19) {
        ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
        double rows[40 * 2], map[40];
        const double parameters[] = {0.25, 3}, e = exp(0.25);
        for (size_t i = 0; i < 2 * batch; i++)
            rows[i] = (double)i / 8;
        assert_int_equal(ag_run(program, workspace, batch,
                                &(const ag_arrays){.shared = parameters, .each = rows, .map = map}),
                         AG_OK);
        for (size_t i = 0; i < batch; i++) {
            const double *x = rows + 2 * i;
            double s = e * x[0] + 2;
            s = e * s + 3;
            s = e * s + x[1] * x[1];
            s = e * s + x[0];
            assert_close(map[i], s, 1e-13);
        }
        ag_workspace_free(workspace);
    }
    ag_program_free(program);
    ag_program_free(pair);
    ag_graph_free(graph);
}

/* A value and its gradient run the steps once forward and once backward. */
static void test_steps_are_run_once(void **state)
{
    (void)state;
    ag_program *step = compile_step(&recurrences[0], NULL);
    recording *r = begin_recording(&recurrences[0], 4, step);
    ag_value out[4] = {r->root, r->out[1], r->out[3]};
    assert_int_equal(ag_gradient(r->root, 1, r->in, &out[3]), AG_OK);
    ag_program *program = ag_compile(
        &(const ag_signature){.each = r->in, .each_count = r->ins, .map = out, .map_count = 4},
        NULL);
    assert_non_null(program);
    assert_int_equal(count_scans(&program->body), 2);
    assert_int_equal(count_scans(&program->check), 0);
    assert_int_equal(program->records.scans_count, 2);
    assert_int_equal(program->info.comparisons, 0);
    ag_program_free(program);
    end_recording(r);
    ag_program_free(step);
}

/* One program may be a step for states of different sizes. */
static void test_states_of_two_sizes(void **unused)
{
    (void)unused;
    ag_program *pair = compile_pair();
    ag_graph *graph = ag_graph_new(NULL);
    ag_value in[4], one[1], outputs[3], two[2], gradient[4];
    make_variables(graph, 4, in);
    for (int round = 0; round < 2; round++) {
        const ag_value inputs[] = {in[2], in[2], in[2]};
        assert_int_equal(ag_scan(graph, pair, 3, 1,
                                 &(const ag_scan_arrays){.shared = in,
                                                         .state = in + 1,
                                                         .inputs = inputs,
                                                         .final_state = one,
                                                         .outputs = outputs}),
                         AG_OK);
        assert_int_equal(
            ag_scan(graph, pair, 3, 2,
                    &(const ag_scan_arrays){.shared = in, .state = in + 1, .final_state = two}),
            AG_OK);
        assert_int_equal(ag_gradient(ag_mul(one[0], two[0]), 4, in, gradient), AG_OK);
        ag_zero_grad(graph);
        assert_int_equal(ag_backward(ag_mul(one[0], two[0])), AG_OK);
        for (int i = 0; i < 4; i++)
            assert_close(ag_data(gradient[i]), ag_grad(in[i]), SMALL);
        assert_int_equal(pair->with_states->states, 2); /* the last scan was the first in turn */
        assert_int_equal(pair->with_states->with_states->states, 1);
        assert_null(pair->with_states->with_states->with_states);
        ag_graph_free(graph);
        graph = ag_graph_new(NULL);
        make_variables(graph, 4, in);
    }
    ag_graph_free(graph);
    ag_program_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tape),
        cmocka_unit_test(test_gradient_of_every_output),
        cmocka_unit_test(test_derivatives_as_nodes),
        cmocka_unit_test(test_hessians),
        cmocka_unit_test(test_third_derivative),
        cmocka_unit_test(test_compiled),
        cmocka_unit_test(test_compiled_for_each_isa),
        cmocka_unit_test(test_lanes_of_a_step),
        cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_compiled_calls),
        cmocka_unit_test(test_calls_computed_once),
        cmocka_unit_test(test_lorenz),
        cmocka_unit_test(test_nested_scans),
        cmocka_unit_test(test_compiled_nested_scans),
        cmocka_unit_test(test_branch_on_the_tape),
        cmocka_unit_test(test_branch_compiled),
        cmocka_unit_test(test_branches_of_two_scans),
        cmocka_unit_test(test_branch_before_the_batch),
        cmocka_unit_test(test_branch_in_a_nested_scan),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_too_many_nodes),
        cmocka_unit_test(test_memory_of_a_million_steps),
        cmocka_unit_test(test_memory_of_nodes),
        cmocka_unit_test(test_gradient_of_no_steps),
        cmocka_unit_test(test_no_memory_for_a_program),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_rewinding),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_gradcheck),
        cmocka_unit_test(test_pause_and_detach),
        cmocka_unit_test(test_check_mode),
        cmocka_unit_test(test_zero_rule),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_inputs_from_everywhere),
        cmocka_unit_test(test_steps_are_run_once),
        cmocka_unit_test(test_states_of_two_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
