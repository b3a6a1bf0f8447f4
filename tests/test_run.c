/* SPDX-License-Identifier: MIT
 *
 * Running programs: every size of batch, double and float, every instruction set, any number of
 * threads, against the same formulas in plain C; comparisons that come out differently, arguments
 * that are wrong, memory that runs out. What the compiler makes of a graph is not looked at here.
 */
#define _DEFAULT_SOURCE /* setenv; and as memory.c, in counted_heap.h */
#include "testing.h"

#include "code.h"
#include "counted_heap.h"

#include <wengert/program.h>

#include <stdio.h>

static const ag_isa isas[] = {AG_ISA_BASELINE, AG_ISA_AVX2, AG_ISA_AVX512, AG_ISA_NEON};

enum {
    ISAS = sizeof(isas) / sizeof(*isas)
};

#define FLOAT_ROUNDING (64 * 1.1920929e-07)

/* ---- Arrays ---------------------------------------------------------------------------------- */

/* A run's arrays as doubles, whatever it runs in. Outputs have a number more, which nobody is to
 * write. */
typedef struct arrays {
    size_t batch;
    double *shared, *each, *sum, *map, *once;
    double scale;
    bool in_place; /* sum is the shared array */
} arrays;

#define UNTOUCHED (-77.25)

static double *new_numbers(size_t n, double number)
{
    double *numbers = malloc((n + 1) * sizeof(*numbers));
    assert_non_null(numbers);
    for (size_t i = 0; i <= n; i++)
        numbers[i] = number;
    return numbers;
}

/* Each inputs from -1 to 1, in no order; the rest to be filled. */
static arrays new_arrays(const ag_program *program, size_t batch)
{
    const ag_program_info info = ag_program_describe(program);
    arrays a = {.batch = batch};
    a.shared = new_numbers(info.shared_count, 0);
    a.each = new_numbers(batch * info.each_count, 0);
    a.sum = new_numbers(info.sum_count, UNTOUCHED);
    a.map = new_numbers(batch * info.map_count, UNTOUCHED);
    a.once = new_numbers(info.once_count, UNTOUCHED);
    for (size_t i = 0; i < info.shared_count; i++)
        a.shared[i] = (double)((i * 5 + 3) % 17) / 16 - 0.5;
    for (size_t i = 0; i < batch * info.each_count; i++)
        a.each[i] = (double)((i * 37 + 11) % 129) / 64 - 1;
    return a;
}

static void free_arrays(arrays *a)
{
    free(a->shared);
    free(a->each);
    free(a->sum);
    free(a->map);
    free(a->once);
}

static bool is_untouched(const double *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_same(numbers[i], UNTOUCHED))
            return false;
    return true;
}

static float *round_numbers(const double *numbers, size_t n)
{
    float *rounded = malloc((n + 1) * sizeof(*rounded));
    assert_non_null(rounded);
    for (size_t i = 0; i <= n; i++)
        rounded[i] = (float)numbers[i];
    return rounded;
}

static void take_numbers(double *to, float *from, size_t n)
{
    for (size_t i = 0; i <= n; i++)
        to[i] = (double)from[i];
    free(from);
}

static ag_status run_float(const ag_program *program, ag_workspace *workspace, arrays *a)
{
    const ag_program_info info = ag_program_describe(program);
    float *shared = round_numbers(a->shared, info.shared_count);
    float *each = round_numbers(a->each, a->batch * info.each_count);
    float *sum = round_numbers(a->sum, info.sum_count);
    float *map = round_numbers(a->map, a->batch * info.map_count);
    float *once = round_numbers(a->once, info.once_count);
    const ag_status status = ag_run_float(program, workspace, a->batch,
                                          &(ag_arrays_float){.shared = shared,
                                                             .each = each,
                                                             .sum = a->in_place ? shared : sum,
                                                             .map = map,
                                                             .once = once,
                                                             .scale = (float)a->scale});
    take_numbers(a->shared, shared, info.shared_count);
    take_numbers(a->each, each, a->batch * info.each_count);
    take_numbers(a->sum, sum, info.sum_count);
    take_numbers(a->map, map, a->batch * info.map_count);
    take_numbers(a->once, once, info.once_count);
    return status;
}

/* Also checks that nothing beyond the outputs has been written. */
static ag_status run(const ag_program *program, ag_workspace *workspace, arrays *a, bool in_float)
{
    const ag_program_info info = ag_program_describe(program);
    const ag_status status = in_float ? run_float(program, workspace, a)
                                      : ag_run(program, workspace, a->batch,
                                               &(ag_arrays){.shared = a->shared,
                                                            .each = a->each,
                                                            .sum = a->in_place ? a->shared : a->sum,
                                                            .map = a->map,
                                                            .once = a->once,
                                                            .scale = a->scale});
    assert_same(a->sum[info.sum_count], UNTOUCHED);
    assert_same(a->map[a->batch * info.map_count], UNTOUCHED);
    assert_same(a->once[info.once_count], UNTOUCHED);
    assert_string_equal(status == AG_OK ? ag_workspace_message(workspace) : "", "");
    return status;
}

static ag_workspace *new_workspace(ag_program *program, size_t threads, ag_isa isa)
{
    ag_error_details error;
    ag_workspace *workspace =
        ag_workspace_new(program, &(ag_workspace_options){.threads = threads, .isa = isa}, &error);
    if (workspace == NULL)
        print_error("%s\n", error.message);
    assert_non_null(workspace);
    assert_int_equal(error.status, AG_OK);
    return workspace;
}

/* ---- A small program, and the same in C ------------------------------------------------------ */

/* The loss of one neuron with its gradient, two maps, two numbers of the shared inputs alone. */
static ag_program *compile_neuron(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value shared[2], each[2], sum[3], map[2], once[2];
    for (int i = 0; i < 2; i++) {
        shared[i] = ag_variable(graph, 0.5);
        each[i] = ag_variable(graph, 0.25);
    }
    const ag_value y = ag_tanh(ag_add(ag_mul(shared[0], each[0]), shared[1]));
    sum[0] = ag_square(ag_sub(y, each[1]));
    assert_int_equal(ag_gradient(sum[0], 2, shared, &sum[1]), AG_OK);
    map[0] = y;
    map[1] = ag_shift(ag_mul(each[0], each[1]), 1);
    once[0] = ag_square(shared[0]);
    once[1] = shared[1];
    ag_program *program = ag_compile(&(ag_signature){.shared = shared,
                                                     .shared_count = 2,
                                                     .each = each,
                                                     .each_count = 2,
                                                     .sum = sum,
                                                     .sum_count = 3,
                                                     .map = map,
                                                     .map_count = 2,
                                                     .once = once,
                                                     .once_count = 2},
                                     NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

/* Adds without the roundings of a million additions: what is lost goes to *lost (Kahan). */
static void add_exactly(double *sum, double *lost, double term)
{
    const double rest = term - *lost, next = *sum + rest;
    *lost = (next - *sum) - rest;
    *sum = next;
}

static void check_neuron(const arrays *a, double rounding)
{
    double sum[3] = {0}, lost[3] = {0}, size[3] = {0};
    for (size_t i = 0; i < a->batch; i++) {
        const double x = a->each[2 * i], t = a->each[2 * i + 1];
        const double y = tanh(a->shared[0] * x + a->shared[1]);
        const double upstream = 2 * (y - t) * (1 - y * y);
        const double terms[] = {(y - t) * (y - t), upstream * x, upstream};
        for (int k = 0; k < 3; k++) {
            add_exactly(&sum[k], &lost[k], terms[k]);
            size[k] += fabs(terms[k]);
        }
        assert_close(a->map[2 * i], y, rounding);
        assert_close(a->map[2 * i + 1], x * t + 1, rounding);
    }
    for (int k = 0; k < 3; k++)
        assert_true(fabs(a->sum[k] - sum[k]) <= rounding * (1 + size[k]));
    assert_close(a->once[0], a->shared[0] * a->shared[0], rounding);
    assert_same(a->once[1], a->shared[1]);
}

static void check_batch(const ag_program *program, ag_workspace *workspace, size_t batch)
{
    for (int in_float = 0; in_float < 2; in_float++) {
        arrays a = new_arrays(program, batch);
        assert_int_equal(run(program, workspace, &a, in_float), AG_OK);
        check_neuron(&a, in_float ? FLOAT_ROUNDING : 1e-14);
        free_arrays(&a);
    }
}

static void test_batches(void **state)
{
    (void)state;
    static const size_t batches[] = {0, 1, 2, 15, 16, 17, 63, 64, 65, 100, 127, 128, 129, 1000};
    ag_program *program = compile_neuron();
    for (int i = 0; i < ISAS; i++) {
        if (!ag_isa_available(isas[i]))
            continue;
        ag_workspace *workspace = new_workspace(program, 1, isas[i]);
        assert_int_equal(ag_workspace_isa(workspace), isas[i]);
        for (size_t k = 0; k < sizeof(batches) / sizeof(*batches); k++)
            check_batch(program, workspace, batches[k]);
        ag_workspace_free(workspace);
    }
    ag_program_free(program);
}

static void test_a_million_samples(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    ag_workspace *workspace = new_workspace(program, 0, AG_ISA_AUTO);
    check_batch(program, workspace, 1000 * 1000);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* Sums of no samples are 0, or nothing to add; what is computed once is computed all the same. */
static void test_no_samples(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    const double shared[] = {3, 4};
    double sum[] = {1, 2, 3}, once[] = {0, 0};
    ag_arrays a = {.shared = shared, .sum = sum, .once = once, .scale = 2};
    assert_int_equal(ag_run(program, workspace, 0, &a), AG_OK);
    for (int i = 0; i < 3; i++)
        assert_same(sum[i], i + 1);
    assert_same(once[0], 9);
    a.scale = 0;
    assert_int_equal(ag_run(program, workspace, 0, &a), AG_OK);
    for (int i = 0; i < 3; i++)
        assert_same(sum[i], 0);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* A NaN stays with its sample, and reaches the sums that it is part of. */
static void test_nan_stays(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    arrays clean = new_arrays(program, 100), a = new_arrays(program, 100);
    assert_int_equal(run(program, workspace, &clean, false), AG_OK);
    a.each[2 * 70] = (double)NAN;     /* x */
    a.each[2 * 99 + 1] = (double)NAN; /* t, which y does not depend on */
    assert_int_equal(run(program, workspace, &a, false), AG_OK);
    for (size_t i = 0; i < 200; i++)
        if (i / 2 == 70 || i == 199)
            assert_true(isnan(a.map[i]));
        else
            assert_same(a.map[i], clean.map[i]);
    for (int k = 0; k < 3; k++)
        assert_true(isnan(a.sum[k]));
    free_arrays(&clean);
    free_arrays(&a);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* A net 6-70-3 with its gradient: enough work for threads to be used, and sums that are not added up
 * all at once. */
enum {
    INPUTS = 6,
    HIDDEN = 70,
    OUTPUTS = 3,
    WEIGHTS = HIDDEN * (INPUTS + 1) + OUTPUTS * (HIDDEN + 1)
};

static void add_layer(ag_graph *graph, size_t inputs, size_t outputs, const ag_value *w,
                      const ag_value *x, ag_value *y)
{
    (void)graph;
    for (size_t j = 0; j < outputs; j++, w += inputs + 1)
        y[j] = ag_add(ag_dot(inputs, x, w), w[inputs]);
}

static ag_program *compile_net(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value w[WEIGHTS], x[INPUTS], h[HIDDEN], y[OUTPUTS], sum[WEIGHTS + 1];
    for (int i = 0; i < WEIGHTS; i++)
        w[i] = ag_variable(graph, 0);
    for (int i = 0; i < INPUTS; i++)
        x[i] = ag_variable(graph, 0);
    add_layer(graph, INPUTS, HIDDEN, w, x, h);
    for (int i = 0; i < HIDDEN; i++)
        h[i] = ag_tanh(h[i]);
    add_layer(graph, HIDDEN, OUTPUTS, w + HIDDEN * (INPUTS + 1), h, y);
    sum[0] = ag_sub(ag_logsumexp(OUTPUTS, y), y[0]);
    assert_int_equal(ag_gradient(sum[0], WEIGHTS, w, sum + 1), AG_OK);
    ag_program *program = ag_compile(&(ag_signature){.shared = w,
                                                     .shared_count = WEIGHTS,
                                                     .each = x,
                                                     .each_count = INPUTS,
                                                     .sum = sum,
                                                     .sum_count = WEIGHTS + 1,
                                                     .map = y,
                                                     .map_count = OUTPUTS},
                                     NULL);
    if (program == NULL)
        print_error("%s\n", ag_error_message(graph));
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

static void assert_same_bits(const double *a, const double *b, size_t n)
{
    assert_memory_equal(a, b, n * sizeof(double));
}

/* The mean over samples of what two runs give; a reference for the sums that shares nothing with
 * chunks: the samples one by one. */
static void check_sums_of_net(const ag_program *program, ag_workspace *workspace, const arrays *all)
{
    double sum[WEIGHTS + 1] = {0}, one[WEIGHTS + 1];
    double map[OUTPUTS];
    for (size_t i = 0; i < all->batch; i++) {
        assert_int_equal(ag_run(program, workspace, 1,
                                &(ag_arrays){.shared = all->shared,
                                             .each = all->each + i * INPUTS,
                                             .sum = one,
                                             .map = map}),
                         AG_OK);
        for (int k = 0; k <= WEIGHTS; k++)
            sum[k] += one[k];
    }
    for (int k = 0; k <= WEIGHTS; k++)
        assert_true(fabs(all->sum[k] - sum[k]) <= 1e-13 * (double)all->batch);
}

static void test_same_bits_for_any_threads(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 8}, batches[] = {1, 17, 65, 100, 300, 2000, 20000};
    ag_program *program = compile_net();
    ag_workspace *workspaces[4];
    for (int t = 0; t < 4; t++)
        workspaces[t] = new_workspace(program, counts[t], AG_ISA_AUTO);
    for (size_t k = 0; k < sizeof(batches) / sizeof(*batches); k++)
        for (int in_float = 0; in_float < 2; in_float++) {
            arrays expected = new_arrays(program, batches[k]);
            assert_int_equal(run(program, workspaces[0], &expected, in_float), AG_OK);
            if (!in_float && batches[k] <= 2000)
                check_sums_of_net(program, workspaces[0], &expected);
            for (int t = 1; t < 4; t++) {
                arrays a = new_arrays(program, batches[k]);
                assert_int_equal(run(program, workspaces[t], &a, in_float), AG_OK);
                assert_same_bits(a.sum, expected.sum, WEIGHTS + 1);
                assert_same_bits(a.map, expected.map, batches[k] * OUTPUTS);
                free_arrays(&a);
            }
            free_arrays(&expected);
        }
    for (int t = 0; t < 4; t++)
        ag_workspace_free(workspaces[t]);
    ag_program_free(program);
}

/* However many are asked for. */
static void test_number_of_threads(void **state)
{
    (void)state;
    ag_program *program = compile_net();
    ag_workspace *workspace = new_workspace(program, 2, AG_ISA_AUTO);
    const size_t two = ag_workspace_threads(workspace);
    assert_true(two == 1 || two == 2); /* without OpenMP, and with it */
    ag_workspace_free(workspace);
    workspace = new_workspace(program, SIZE_MAX, AG_ISA_AUTO);
    assert_true(ag_workspace_threads(workspace) >= two);
    check_sums_of_net(program, workspace, &(arrays){.sum = (double[WEIGHTS + 1]){0}});
    ag_workspace_free(workspace);
    workspace = new_workspace(program, 0, AG_ISA_AUTO);
    assert_true(ag_workspace_threads(workspace) >= 1);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* In a batch of more than one, a sample's maps are the same bits wherever it stands. */
static void test_place_in_the_batch(void **state)
{
    (void)state;
    enum {
        SAMPLES = 193 /* the last one is alone in its block, whatever the lanes */
    };
    ag_program *program = compile_net();
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    for (int in_float = 0; in_float < 2; in_float++) {
        arrays a = new_arrays(program, SAMPLES), b = new_arrays(program, SAMPLES);
        for (size_t i = 0; i < SAMPLES; i++)
            memcpy(b.each + i * INPUTS, a.each + (SAMPLES - 1 - i) * INPUTS,
                   INPUTS * sizeof(double));
        assert_int_equal(run(program, workspace, &a, in_float), AG_OK);
        assert_int_equal(run(program, workspace, &b, in_float), AG_OK);
        for (size_t i = 0; i < SAMPLES; i++)
            assert_same_bits(a.map + i * OUTPUTS, b.map + (SAMPLES - 1 - i) * OUTPUTS, OUTPUTS);
        free_arrays(&a);
        free_arrays(&b);
    }
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* ---- Sums in place --------------------------------------------------------------------------- */

/* w += scale * gradient, where w is, is the same as beside it. */
static void check_step(ag_program *program, ag_workspace *workspace, size_t batch, bool in_float)
{
    const ag_program_info info = ag_program_describe(program);
    const double rounding = in_float ? FLOAT_ROUNDING : 1e-14;
    arrays beside = new_arrays(program, batch), in_place = new_arrays(program, batch);
    arrays added = new_arrays(program, batch);
    assert_int_equal(run(program, workspace, &beside, in_float), AG_OK);
    in_place.scale = added.scale = -0.5 / (double)batch;
    in_place.in_place = true;
    assert_int_equal(run(program, workspace, &in_place, in_float), AG_OK);
    assert_int_equal(run(program, workspace, &added, in_float), AG_OK);
    for (size_t k = 0; k < info.sum_count; k++) {
        const double step = in_place.scale * beside.sum[k];
        assert_close(in_place.shared[k], beside.shared[k] + step, rounding);
        assert_close(added.sum[k], UNTOUCHED + step, 64 * rounding);
    }
    assert_same_bits(in_place.map, beside.map, batch * info.map_count);
    free_arrays(&beside);
    free_arrays(&in_place);
    free_arrays(&added);
}

static const size_t step_batches[] = {1, 2, 16, 64, 65, 128, 1000, 5000};

/* The gradient alone of the net's loss, so that sums and shared inputs are as many. */
static ag_program *compile_gradient_of_net(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value w[WEIGHTS], x[INPUTS], h[HIDDEN], y[OUTPUTS], sum[WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++)
        w[i] = ag_variable(graph, 0);
    for (int i = 0; i < INPUTS; i++)
        x[i] = ag_variable(graph, 0);
    add_layer(graph, INPUTS, HIDDEN, w, x, h);
    for (int i = 0; i < HIDDEN; i++)
        h[i] = ag_tanh(h[i]);
    add_layer(graph, HIDDEN, OUTPUTS, w + HIDDEN * (INPUTS + 1), h, y);
    /* also w itself among the sums' terms: weight decay */
    const ag_value loss = ag_add(ag_logsumexp(OUTPUTS, y), ag_dot(WEIGHTS, w, w));
    assert_int_equal(ag_gradient(loss, WEIGHTS, w, sum), AG_OK);
    ag_program *program = ag_compile(&(ag_signature){.shared = w,
                                                     .shared_count = WEIGHTS,
                                                     .each = x,
                                                     .each_count = INPUTS,
                                                     .sum = sum,
                                                     .sum_count = WEIGHTS},
                                     NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    return program;
}

static void test_steps_in_place(void **state)
{
    (void)state;
    ag_program *program = compile_gradient_of_net();
    ag_workspace *workspace = new_workspace(program, 3, AG_ISA_AUTO);
    for (size_t k = 0; k < sizeof(step_batches) / sizeof(*step_batches); k++)
        for (int in_float = 0; in_float < 2; in_float++)
            check_step(program, workspace, step_batches[k], in_float);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* Sums that are the shared inputs themselves, in another order: written in place one after the
 * other they would read what they have written. */
static void test_sums_of_shared_inputs(void **state)
{
    (void)state;
    enum {
        N = 20
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value w[N], turned[N];
    for (int i = 0; i < N; i++)
        w[i] = turned[N - 1 - i] = ag_variable(graph, 0);
    const ag_value x = ag_variable(graph, 0);
    turned[3] = ag_mul(x, w[7]);
    ag_program *program = ag_compile(&(ag_signature){.shared = w,
                                                     .shared_count = N,
                                                     .each = &x,
                                                     .each_count = 1,
                                                     .sum = turned,
                                                     .sum_count = N},
                                     NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    for (size_t k = 0; k < sizeof(step_batches) / sizeof(*step_batches); k++)
        for (int in_float = 0; in_float < 2; in_float++)
            check_step(program, workspace, step_batches[k], in_float);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

static void test_scale_of_nan(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    for (size_t batch = 1; batch < 200; batch += 66) {
        arrays a = new_arrays(program, batch);
        a.scale = (double)NAN;
        assert_int_equal(run(program, workspace, &a, false), AG_OK);
        for (int k = 0; k < 3; k++)
            assert_true(isnan(a.sum[k]));
        free_arrays(&a);
    }
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* ---- Instruction sets ------------------------------------------------------------------------ */

static void assert_no_workspace(ag_program *program, ag_isa isa, const char *part)
{
    ag_error_details error;
    assert_null(ag_workspace_new(program, &(ag_workspace_options){.isa = isa}, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_contains(error.message, part);
    assert_null(ag_workspace_new(program, &(ag_workspace_options){.isa = isa}, NULL));
}

static void test_instruction_sets(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    assert_true(ag_isa_available(AG_ISA_BASELINE));
    for (int i = 0; i < ISAS; i++)
        if (!ag_isa_available(isas[i]))
            assert_no_workspace(program, isas[i], ag_isa_name(isas[i]));
    assert_no_workspace(program, (ag_isa)99, "unknown");
    ag_program_free(program);
}

static void test_instruction_set_of_the_environment(void **state)
{
    (void)state;
    const char *before = getenv("WENGERT_ISA");
    char *copy = before == NULL ? NULL : strdup(before);
    ag_program *program = compile_neuron();
    for (int i = 0; i < ISAS; i++) {
        assert_int_equal(setenv("WENGERT_ISA", ag_isa_name(isas[i]), 1), 0);
        if (!ag_isa_available(isas[i])) {
            assert_no_workspace(program, AG_ISA_AUTO, "WENGERT_ISA");
            continue;
        }
        ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
        assert_int_equal(ag_workspace_isa(workspace), isas[i]);
        ag_workspace_free(workspace);
        workspace = new_workspace(program, 1, AG_ISA_BASELINE); /* which is not open */
        assert_int_equal(ag_workspace_isa(workspace), AG_ISA_BASELINE);
        ag_workspace_free(workspace);
    }
    assert_int_equal(setenv("WENGERT_ISA", "sse9", 1), 0);
    assert_no_workspace(program, AG_ISA_AUTO, "sse9");
    if (copy == NULL)
        assert_int_equal(unsetenv("WENGERT_ISA"), 0);
    else
        assert_int_equal(setenv("WENGERT_ISA", copy, 1), 0);
    free(copy);
    ag_program_free(program);
}

/* ---- Branches -------------------------------------------------------------------------------- */

/* Records gt(x, w) as false, lt(x, 8) as true, and gt(w, 5) as false, which depends on shared
 * inputs alone. */
static ag_program *compile_branches(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value w = ag_variable(graph, 2), x = ag_variable(graph, 1);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_int_equal(ag_name(w, "w"), AG_OK);
    const ag_value eight = ag_constant(graph, 8), five = ag_constant(graph, 5);
    assert_false(ag_gt(x, w));
    assert_true(ag_lt(x, eight));
    assert_false(ag_gt(w, five));
    const ag_value y = ag_exp(ag_mul(w, x)), once = ag_square(w);
    ag_program *program = ag_compile(&(ag_signature){.shared = &w,
                                                     .shared_count = 1,
                                                     .each = &x,
                                                     .each_count = 1,
                                                     .sum = &y,
                                                     .sum_count = 1,
                                                     .map = &y,
                                                     .map_count = 1,
                                                     .once = &once,
                                                     .once_count = 1},
                                     NULL);
    assert_non_null(program);
    assert_int_equal(ag_program_describe(program).comparisons, 3);
    ag_graph_free(graph);
    return program;
}

enum {
    BRANCHES = 7000 /* samples */
};

/* The message ends with `message`; numbers as %.6g. */
static void check_branch(ag_program *program, ag_workspace *workspace, arrays *a, size_t sample,
                         const char *message)
{
    for (int in_float = 0; in_float < 2; in_float++) {
        assert_int_equal(run(program, workspace, a, in_float), AG_BRANCH);
        assert_true(ag_workspace_sample(workspace) == sample);
        assert_string_equal(ag_workspace_message(workspace), message);
        assert_true(is_untouched(a->sum, 1));
        assert_true(is_untouched(a->map, a->batch));
        assert_true(is_untouched(a->once, 1));
    }
}

static arrays new_branch_arrays(const ag_program *program, size_t batch)
{
    arrays a = new_arrays(program, batch);
    a.shared[0] = 2;
    return a;
}

static void test_branches(void **state)
{
    (void)state;
    ag_program *program = compile_branches();
    for (size_t threads = 1; threads <= 8; threads *= 2) {
        ag_workspace *workspace = new_workspace(program, threads, AG_ISA_AUTO);
        arrays a = new_branch_arrays(program, BRANCHES);
        assert_true(ag_workspace_sample(workspace) == SIZE_MAX);
        a.each[BRANCHES - 1] = 9; /* both, of which the first is named */
        check_branch(program, workspace, &a, BRANCHES - 1,
                     "sample 6999: gt(x, w) = (9, 2): was recorded as false and is true now");
        a.each[6000] = (double)NAN; /* is not greater, but not less than 8 either */
        check_branch(program, workspace, &a, 6000,
                     "sample 6000: lt(x, #2) = (nan, 8): was recorded as true and is false now");
        a.each[130] = 2.5;
        a.each[140] = 3;
        check_branch(program, workspace, &a, 130,
                     "sample 130: gt(x, w) = (2.5, 2): was recorded as false and is true now");
        a.each[3] = -(double)INFINITY; /* is fine */
        a.each[0] = (double)INFINITY;
        check_branch(program, workspace, &a, 0,
                     "sample 0: gt(x, w) = (inf, 2): was recorded as false and is true now");
        a.shared[0] = 5.5;
        check_branch(program, workspace, &a, SIZE_MAX,
                     "gt(w, #3) = (5.5, 5): was recorded as false and is true now");
        free_arrays(&a);
        a = new_branch_arrays(program, BRANCHES);
        assert_int_equal(run(program, workspace, &a, false), AG_OK);
        assert_true(ag_workspace_sample(workspace) == SIZE_MAX);
        assert_close(a.map[5], exp(2 * a.each[5]), 1e-14);
        free_arrays(&a);
        ag_workspace_free(workspace);
    }
    ag_program_free(program);
}

/* Not even into the shared array itself. */
static void test_branch_in_place(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value w = ag_variable(graph, 1), x = ag_variable(graph, 1);
    assert_true(ag_lt(x, ag_constant(graph, 2)));
    ag_value dw;
    assert_int_equal(ag_gradient(ag_square(ag_mul(w, x)), 1, &w, &dw), AG_OK);
    ag_program *program = ag_compile(&(ag_signature){.shared = &w,
                                                     .shared_count = 1,
                                                     .each = &x,
                                                     .each_count = 1,
                                                     .sum = &dw,
                                                     .sum_count = 1},
                                     NULL);
    assert_non_null(program);
    assert_int_equal(ag_program_describe(program).comparisons, 1);
    ag_graph_free(graph);
    ag_workspace *workspace = new_workspace(program, 3, AG_ISA_AUTO);
    double rows[1000], shared = 0.75;
    for (int i = 0; i < 1000; i++)
        rows[i] = i == 999 ? 3 : 0.5;
    const ag_arrays steps = {.shared = &shared, .each = rows, .sum = &shared, .scale = -0.1};
    assert_int_equal(ag_run(program, workspace, 1000, &steps), AG_BRANCH);
    assert_same(shared, 0.75);
    rows[0] = 3;
    assert_int_equal(ag_run(program, workspace, 1, &steps), AG_BRANCH);
    assert_same(shared, 0.75);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* A comparison that takes its time, so that every thread finds a sample of its own. */
static void test_lowest_sample_of_all_threads(void **state)
{
    (void)state;
    enum {
        SAMPLES = 40000,
        LOWEST = 5000
    };
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 1), hundred = ag_constant(graph, 100);
    assert_false(ag_gt(ag_lgamma(x), hundred));
    const ag_value y = ag_square(x);
    ag_program *program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    assert_non_null(program);
    ag_graph_free(graph);
    ag_workspace *workspace = new_workspace(program, 8, AG_ISA_AUTO);
    arrays a = new_arrays(program, SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++)
        a.each[i] = i >= LOWEST && i % 500 == 0 ? 1000 : 1 + (double)(i % 16) / 16;
    for (int round = 0; round < 5; round++) {
        assert_int_equal(run(program, workspace, &a, false), AG_BRANCH);
        assert_true(ag_workspace_sample(workspace) == LOWEST);
        assert_true(is_untouched(a.map, SAMPLES));
    }
    free_arrays(&a);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* Padding repeats the last sample, and must not be seen; a single sample has no lanes. */
static void test_branches_in_small_batches(void **state)
{
    (void)state;
    ag_program *program = compile_branches();
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    for (size_t batch = 1; batch <= 40; batch++) {
        arrays a = new_branch_arrays(program, batch);
        assert_int_equal(run(program, workspace, &a, false), AG_OK);
        free_arrays(&a);
        a = new_branch_arrays(program, batch);
        a.each[batch - 1] = 4;
        assert_int_equal(run(program, workspace, &a, false), AG_BRANCH);
        assert_true(ag_workspace_sample(workspace) == batch - 1);
        free_arrays(&a);
    }
    /* what depends on shared inputs alone is compared without a sample, too */
    const double w = 6;
    double y = UNTOUCHED, once = UNTOUCHED;
    assert_int_equal(
        ag_run(program, workspace, 0, &(ag_arrays){.shared = &w, .sum = &y, .once = &once}),
        AG_BRANCH);
    assert_same(y, UNTOUCHED);
    assert_same(once, UNTOUCHED);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* ---- Wrong arguments ------------------------------------------------------------------------- */

static void assert_refused(ag_program *program, ag_workspace *workspace, size_t batch,
                           const ag_arrays *a, const char *message)
{
    assert_int_equal(ag_run(program, workspace, batch, a), AG_INVALID_ARGUMENT);
    assert_string_equal(ag_workspace_message(workspace), message);
    assert_true(ag_workspace_sample(workspace) == SIZE_MAX);
}

static void test_missing_arrays(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    double shared[2] = {1, 1}, sum[3], map[2], once[2];
    const double each[2] = {1, 1};
    const ag_arrays good = {.shared = shared, .each = each, .sum = sum, .map = map, .once = once};
    ag_arrays a = good;
    a.shared = NULL;
    assert_refused(program, workspace, 1, &a,
                   "ag_run: shared is NULL, and the program has 2 shared inputs");
    a = good;
    a.each = NULL;
    assert_refused(program, workspace, 1, &a,
                   "ag_run: each is NULL, and the program has 2 each inputs");
    a = good;
    a.sum = NULL;
    assert_refused(program, workspace, 1, &a,
                   "ag_run: sum is NULL, and the program has 3 sum outputs");
    a = good;
    a.map = NULL;
    assert_refused(program, workspace, 1, &a,
                   "ag_run: map is NULL, and the program has 2 map outputs");
    a = good;
    a.once = NULL;
    assert_refused(program, workspace, 1, &a,
                   "ag_run: once is NULL, and the program has 2 once outputs");
    a = good;
    a.sum = shared;
    assert_refused(program, workspace, 1, &a,
                   "ag_run: sum is the shared array, which can't be with a scale of 0");
    assert_refused(program, workspace, 1, NULL, "ag_run: there are no arrays");
    assert_refused(NULL, workspace, 1, &good, "ag_run: there is no program");
    assert_int_equal(ag_run_float(program, workspace, 1, &(ag_arrays_float){0}),
                     AG_INVALID_ARGUMENT);
    assert_string_equal(ag_workspace_message(workspace),
                        "ag_run_float: shared is NULL, and the program has 2 shared inputs");
    assert_int_equal(ag_run(program, NULL, 1, &good), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_run(program, workspace, 1, &good), AG_OK);
    assert_string_equal(ag_workspace_message(workspace), "");
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* Nothing is missing where a program has nothing for it. */
static void test_arrays_that_may_be_null(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 1), y = ag_square(x);
    const ag_signature as_map = {.each = &x, .each_count = 1, .map = &y, .map_count = 1};
    const ag_signature as_sum = {.shared = &x, .shared_count = 1, .sum = &y, .sum_count = 1};
    ag_program *map = ag_compile(&as_map, NULL), *sum = ag_compile(&as_sum, NULL);
    assert_non_null(map);
    assert_non_null(sum);
    ag_graph_free(graph);
    ag_workspace *workspace = new_workspace(map, 1, AG_ISA_AUTO);
    double in[70], out[70], total = 0;
    for (int i = 0; i < 70; i++)
        in[i] = i;
    assert_int_equal(ag_run(map, workspace, 70, &(ag_arrays){.each = in, .map = out}), AG_OK);
    for (int i = 0; i < 70; i++)
        assert_same(out[i], i * i);
    ag_workspace_free(workspace);
    workspace = new_workspace(sum, 1, AG_ISA_AUTO);
    in[0] = 3;
    const size_t batches[] = {1, 2, 16, 1000};
    for (int i = 0; i < 4; i++) { /* a sum over samples of what is the same for all of them */
        assert_int_equal(
            ag_run(sum, workspace, batches[i], &(ag_arrays){.shared = in, .sum = &total}), AG_OK);
        assert_same(total, 9 * (double)batches[i]);
    }
    ag_workspace_free(workspace);
    ag_program_free(map);
    ag_program_free(sum);
}

static void test_sizes_that_overflow(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    ag_workspace *workspace = new_workspace(program, 2, AG_ISA_AUTO);
    double numbers[8] = {0};
    const ag_arrays a = {.shared = numbers,
                         .each = numbers,
                         .sum = numbers + 2,
                         .map = numbers,
                         .once = numbers + 5};
    static const size_t batches[] = {SIZE_MAX, SIZE_MAX / 16, SIZE_MAX / 2 / 16 + 1};
    for (int i = 0; i < 3; i++) {
        char message[120];
        (void)snprintf(message, sizeof(message),
                       "ag_run: no memory holds %zu samples with 2 each inputs", batches[i]);
        assert_refused(program, workspace, batches[i], &a, message);
    }
    for (int i = 0; i < 8; i++)
        assert_same(numbers[i], 0);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

static void test_workspace_of_another_program(void **state)
{
    (void)state;
    ag_program *program = compile_neuron(), *other = compile_neuron();
    ag_workspace *workspace = new_workspace(other, 1, AG_ISA_AUTO);
    assert_refused(program, workspace, 0, &(ag_arrays){0},
                   "ag_run: the workspace is another program's");
    ag_workspace_free(workspace);
    ag_program_free(program);
    ag_program_free(other);
}

static void test_nothing(void **state)
{
    (void)state;
    ag_error_details error;
    assert_null(ag_workspace_new(NULL, NULL, NULL));
    assert_null(ag_workspace_new(NULL, NULL, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_contains(error.message, "no program");
    ag_workspace_free(NULL);
    assert_int_equal(ag_workspace_isa(NULL), AG_ISA_AUTO);
    assert_int_equal(ag_workspace_threads(NULL), 0);
    assert_int_equal(ag_workspace_bytes(NULL), 0);
    assert_contains(ag_workspace_message(NULL), "no workspace");
    assert_true(ag_workspace_sample(NULL) == SIZE_MAX);
    assert_int_equal(ag_run(NULL, NULL, 1, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_run_float(NULL, NULL, 1, NULL), AG_INVALID_ARGUMENT);
    ag_program_free(NULL);
    assert_null(ag_program_retain(NULL));
    assert_int_equal(ag_program_describe(NULL).bytes, 0);
    assert_null(ag_program_name(NULL, AG_SHARED, 0));
    assert_int_equal(ag_program_print(NULL, stdout), AG_INVALID_ARGUMENT);
}

/* ---- Programs that live ---------------------------------------------------------------------- */

/* A workspace keeps its program alive. */
static void test_owners(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    assert_ptr_equal(ag_program_retain(program), program);
    ag_program_free(program);
    ag_workspace *workspace = new_workspace(program, 1, AG_ISA_AUTO);
    ag_program_free(program);
    check_batch(program, workspace, 20);
    ag_workspace_free(workspace);
}

static void test_description(void **state)
{
    (void)state;
    ag_program *program = compile_branches();
    const ag_program_info info = ag_program_describe(program);
    assert_int_equal(info.shared_count, 1);
    assert_int_equal(info.each_count, 1);
    assert_int_equal(info.sum_count, 1);
    assert_int_equal(info.map_count, 1);
    assert_int_equal(info.once_count, 1);
    assert_true(info.bytes > sizeof(ag_program));
    assert_string_equal(ag_program_name(program, AG_SHARED, 0), "w");
    assert_string_equal(ag_program_name(program, AG_EACH, 0), "x");
    assert_null(ag_program_name(program, AG_SUM, 0));
    assert_null(ag_program_name(program, AG_ONCE, 0));
    assert_null(ag_program_name(program, AG_SHARED, 1));
    assert_null(ag_program_name(program, AG_EACH, SIZE_MAX));
    assert_null(ag_program_name(program, (ag_role)5, 0));
    ag_program_free(program);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void test_nothing_allocated_in_a_run(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    failing_heap heap = {.allowed = -1};
    ag_workspace *workspace = ag_workspace_new(
        program, &(ag_workspace_options){.allocator = allocate_or_fail, .allocator_user = &heap},
        NULL);
    assert_non_null(workspace);
    const size_t bytes = ag_workspace_bytes(workspace);
    const long requests = heap.requests;
    assert_true(bytes > 0 && bytes <= heap.bytes);
    heap.allowed = requests; /* one more would fail */
    check_batch(program, workspace, 1);
    check_batch(program, workspace, 3000);
    assert_int_equal(heap.requests, requests);
    assert_int_equal(ag_workspace_bytes(workspace), bytes);
    ag_workspace_free(workspace);
    assert_int_equal(heap.bytes, 0);
    ag_program_free(program);
}

/* A scan whose outputs are compared, and its gradient. */
static ag_program *compile_scan(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value w = ag_variable(graph, 0.5), x = ag_variable(graph, 1);
    const ag_value next = ag_tanh(ag_mul(w, x));
    ag_program *step = ag_compile(&(ag_signature){.shared = &w,
                                                  .shared_count = 1,
                                                  .each = &x,
                                                  .each_count = 1,
                                                  .map = &next,
                                                  .map_count = 1},
                                  NULL);
    assert_non_null(step);
    ag_value last, sum[2];
    assert_int_equal(ag_scan(graph, step, 5, 1,
                             &(ag_scan_arrays){.shared = &w, .state = &x, .final_state = &last}),
                     AG_OK);
    assert_true(ag_lt(last, ag_constant(graph, (ag_real)0.9)));
    assert_int_equal(ag_gradient(last, 1, &w, &sum[0]), AG_OK);
    sum[1] = ag_square(last);
    ag_program *program = ag_compile(&(ag_signature){.shared = &w,
                                                     .shared_count = 1,
                                                     .each = &x,
                                                     .each_count = 1,
                                                     .sum = sum,
                                                     .sum_count = 2,
                                                     .map = &last,
                                                     .map_count = 1},
                                     NULL);
    assert_non_null(program);
    ag_program_free(step);
    ag_graph_free(graph);
    return program;
}

/* All memory of the engine comes through memory.c, which counts here; not only the workspace's. */
static void test_nothing_allocated_by_anything(void **state)
{
    (void)state;
    enum {
        MOST = 10000
    };
    static const size_t sizes[] = {1, 2, 100, MOST};
    static double each[MOST], map[MOST];
    static float each_float[MOST], map_float[MOST];
    ag_program *program = compile_scan();
    ag_workspace *workspace = new_workspace(program, 3, AG_ISA_AUTO);
    const double w = 0.5;
    const float w_float = 0.5F;
    double sum[2];
    float sum_float[2];
    const size_t requests = libc_heap.requests, live = libc_heap.live;
    assert_true(requests > 0);
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        assert_int_equal(ag_run(program, workspace, sizes[k],
                                &(ag_arrays){.shared = &w, .each = each, .sum = sum, .map = map}),
                         AG_OK);
        assert_int_equal(ag_run_float(program, workspace, sizes[k],
                                      &(ag_arrays_float){.shared = &w_float,
                                                         .each = each_float,
                                                         .sum = sum_float,
                                                         .map = map_float}),
                         AG_OK);
    }
    const double large = 1e9;
    assert_int_equal(ag_run(program, workspace, 1,
                            &(ag_arrays){.shared = &large, .each = &large, .sum = sum, .map = map}),
                     AG_BRANCH);
    assert_true(libc_heap.requests == requests && libc_heap.live == live);
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* Each allocation fails in turn. */
static void test_no_memory_for_a_workspace(void **state)
{
    (void)state;
    ag_program *program = compile_neuron();
    failing_heap heap = {0};
    const ag_workspace_options options = {
        .threads = 3, .allocator = allocate_or_fail, .allocator_user = &heap};
    ag_workspace *workspace = NULL;
    for (; workspace == NULL; heap.allowed++) {
        assert_true(heap.allowed < 20);
        ag_error_details error;
        heap.requests = 0;
        workspace = ag_workspace_new(program, &options, &error);
        assert_int_equal(error.status, workspace == NULL ? AG_OUT_OF_MEMORY : AG_OK);
        if (workspace == NULL)
            assert_contains(error.message, "ag_workspace_new: out of memory");
        assert_true(workspace != NULL || heap.bytes == 0);
    }
    assert_true(heap.allowed > 4);
    heap.allowed = 0;
    ag_program_free(program);
    check_batch(program, workspace, 100); /* retained once, whatever failed before */
    ag_workspace_free(workspace);
    assert_int_equal(heap.bytes, 0);
}

/* ---- Closures -------------------------------------------------------------------------------- */

/* A callback that runs a program with the workspace that is running it. */
typedef struct caller {
    ag_program *program;
    ag_workspace *workspace;
    ag_status status;
} caller;

static ag_real call_again(void *context, size_t arity, const ag_real *x)
{
    caller *c = context;
    (void)arity;
    if (c->workspace != NULL)
        c->status = ag_run(c->program, c->workspace, 0, &(ag_arrays){0});
    return 2 * x[0];
}

static void pass_twice(void *context, size_t arity, const ag_real *x, ag_real y, ag_real upstream,
                       ag_real *downstream)
{
    (void)context, (void)arity, (void)x, (void)y;
    downstream[0] = 2 * upstream;
}

static void test_workspace_that_is_busy(void **state)
{
    (void)state;
    caller c = {.status = AG_OK};
    const ag_closure closure = {
        .name = "again", .arity = 1, .forward = call_again, .backward = pass_twice, .context = &c};
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 1), y = ag_apply(&closure, &x);
    c.program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    assert_non_null(c.program);
    ag_graph_free(graph);
    c.workspace = new_workspace(c.program, 1, AG_ISA_AUTO);
    const double in[] = {1, 2, 3};
    double out[3];
    assert_int_equal(ag_run(c.program, c.workspace, 3, &(ag_arrays){.each = in, .map = out}),
                     AG_OK);
    for (int i = 0; i < 3; i++)
        assert_same(out[i], 2 * in[i]);
    assert_int_equal(c.status, AG_BUSY);
    assert_string_equal(ag_workspace_message(c.workspace), "");
    assert_int_equal(ag_run(c.program, c.workspace, 0, &(ag_arrays){0}), AG_OK);
    ag_workspace_free(c.workspace);
    ag_program_free(c.program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_a_million_samples),
        cmocka_unit_test(test_no_samples),
        cmocka_unit_test(test_nan_stays),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_number_of_threads),
        cmocka_unit_test(test_place_in_the_batch),
        cmocka_unit_test(test_steps_in_place),
        cmocka_unit_test(test_sums_of_shared_inputs),
        cmocka_unit_test(test_scale_of_nan),
        cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_instruction_set_of_the_environment),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_branch_in_place),
        cmocka_unit_test(test_lowest_sample_of_all_threads),
        cmocka_unit_test(test_branches_in_small_batches),
        cmocka_unit_test(test_missing_arrays),
        cmocka_unit_test(test_arrays_that_may_be_null),
        cmocka_unit_test(test_sizes_that_overflow),
        cmocka_unit_test(test_workspace_of_another_program),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_nothing_allocated_in_a_run),
        cmocka_unit_test(test_nothing_allocated_by_anything),
        cmocka_unit_test(test_no_memory_for_a_workspace),
        cmocka_unit_test(test_workspace_that_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
