/* SPDX-License-Identifier: MIT
 *
 * ba: bundle adjustment. p observations of m points by n cameras: how far each is from where its
 * camera would see its point, times its weight, and an error that keeps weights from 0; and the
 * Jacobian of all that with respect to cameras, points and weights, as a sparse matrix by rows.
 * Recorded for one observation, with its camera and its point as inputs of its own.
 */
#include "ba.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* ---- What is computed ------------------------------------------------------------------------ */

static ag_value record_dot(const ag_value *a, const ag_value *b)
{
    return ag_dot(3, a, b);
}

static ag_value record_cross(const ag_value *a, const ag_value *b, size_t i)
{
    const size_t j = (i + 1) % 3, k = (i + 2) % 3;
    return ag_sub(ag_mul(a[j], b[k]), ag_mul(a[k], b[j]));
}

/* Rodrigues' formula, with r the axis times the angle t:
 *
 *     cos(t) x + sin(t) / t (r x x) + (1 - cos(t)) / t^2 (r . x) r
 *
 * and x + r x x where t is 0. */
static void record_rotation(ag_graph *graph, const ag_value *r, const ag_value *x,
                            ag_value *rotated)
{
    const ag_value zero = ag_constant(graph, 0), one = ag_constant(graph, 1);
    const ag_value square = record_dot(r, r), none = ag_is_equal(square, zero);
    const ag_value angle = ag_sqrt(square), cosine = ag_cos(angle);
    const ag_value a = ag_select(none, one, cosine);
    const ag_value b = ag_select(none, one, ag_div(ag_sin(angle), angle));
    const ag_value c = ag_select(none, zero, ag_div(ag_sub(one, cosine), square));
    const ag_value along = ag_mul(c, record_dot(r, x));
    for (size_t i = 0; i < 3; i++)
        rotated[i] =
            ag_add(ag_add(ag_mul(a, x[i]), ag_mul(b, record_cross(r, x, i))), ag_mul(along, r[i]));
}

static void record_errors(ag_graph *graph, const ag_value *each, ag_value *errors)
{
    ag_value from[3], seen[3], plane[2];
    for (size_t i = 0; i < 3; i++)
        from[i] = ag_sub(each[POINT + i], each[CENTRE + i]);
    record_rotation(graph, each + ROTATION, from, seen);
    for (size_t i = 0; i < 2; i++)
        plane[i] = ag_div(seen[i], seen[2]);
    const ag_value square = ag_dot(2, plane, plane);
    const ag_value distortion = ag_shift(
        ag_add(ag_mul(each[DISTORTION], square), ag_mul(each[DISTORTION + 1], ag_square(square))),
        1);
    const ag_value scale = ag_mul(each[FOCAL_LENGTH], distortion);
    for (size_t i = 0; i < 2; i++) {
        const ag_value projected = ag_add(ag_mul(plane[i], scale), each[PRINCIPAL_POINT + i]);
        errors[i] = ag_mul(each[WEIGHT], ag_sub(projected, each[FEATURE + i]));
    }
}

static ag_value record_weight_error(ag_graph *graph, ag_value weight)
{
    return ag_sub(ag_constant(graph, 1), ag_square(weight));
}

/* ---- Where it goes --------------------------------------------------------------------------- */

static size_t count_values(const ba_input *input, int function)
{
    return (function == BA_OBJECTIVE ? 3 : 2 * UNKNOWNS + 1) * input->p;
}

static size_t count_outputs(const void *self, int function)
{
    const ba_input *input = self;
    const size_t values = count_values(input, function);
    return function == BA_OBJECTIVE ? values : 2 * values + 3 * input->p + 1;
}

/* Of errors that are not a weight's, for an observation. */
static size_t count_each_values(int function)
{
    return function == BA_OBJECTIVE ? 2 : 2 * UNKNOWNS;
}

static void write_columns(const ba_input *input, double *columns)
{
    const size_t points = CAMERA_COUNT * input->n, weights = points + POINT_COUNT * input->m;
    for (size_t i = 0; i < input->p; i++) {
        const size_t camera = CAMERA_COUNT * (i % input->n),
                     point = points + POINT_COUNT * (i % input->m);
        for (int row = 0; row < 2; row++, columns += UNKNOWNS) {
            for (size_t j = 0; j < CAMERA_COUNT; j++)
                columns[j] = (double)(camera + j);
            for (size_t j = 0; j < POINT_COUNT; j++)
                columns[POINT + j] = (double)(point + j);
            columns[WEIGHT] = (double)(weights + i);
        }
    }
    for (size_t i = 0; i < input->p; i++)
        columns[i] = (double)(weights + i);
}

void ba_write_structure(const ba_input *input, double *output)
{
    const size_t p = input->p, values = count_values(input, BA_JACOBIAN);
    double *starts = output + 2 * values;
    write_columns(input, output + values);
    for (size_t i = 0; i < 2 * p; i++)
        starts[i] = (double)(UNKNOWNS * i);
    for (size_t i = 0; i <= p; i++)
        starts[2 * p + i] = (double)(2 * UNKNOWNS * p + i);
}

void ba_gather(const ba_input *input, size_t i, double *each)
{
    memcpy(each, input->cameras + i % input->n * CAMERA_COUNT, CAMERA_COUNT * sizeof(*each));
    memcpy(each + POINT, input->points + i % input->m * POINT_COUNT, POINT_COUNT * sizeof(*each));
    each[WEIGHT] = input->weights[i];
    memcpy(each + FEATURE, input->features + i * FEATURE_COUNT, FEATURE_COUNT * sizeof(*each));
}

/* ---- As a program ---------------------------------------------------------------------------- */

/* So many observations are gathered and run at a time, which stay in a cache. */
enum {
    BLOCK = 1024
};

typedef struct ba_programs {
    gb_program observation, weight;
    double *each; /* BLOCK x EACH */
} ba_programs;

static void free_programs(void *state)
{
    ba_programs *s = state;
    gb_close_program(&s->observation);
    gb_close_program(&s->weight);
    free(s->each);
    free(s);
}

static bool compile_observation(const gb_task *task, gb_program *program, gb_error *error)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value each[EACH], errors[2], jacobian[2 * UNKNOWNS];
    gb_make_variables(graph, EACH, NULL, each);
    record_errors(graph, each, errors);
    if (task->function == BA_JACOBIAN)
        (void)ag_jacobian(2, errors, UNKNOWNS, each, jacobian);
    const ag_signature signature = {
        .each = each,
        .each_count = EACH,
        .map = task->function == BA_JACOBIAN ? jacobian : errors,
        .map_count = count_each_values(task->function),
    };
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    return compiled;
}

static bool compile_weight(const gb_task *task, gb_program *program, gb_error *error)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value weight = ag_variable(graph, 0);
    ag_value value = record_weight_error(graph, weight);
    if (task->function == BA_JACOBIAN)
        (void)ag_gradient(value, 1, &weight, &value);
    const ag_signature signature = {
        .each = &weight, .each_count = 1, .map = &value, .map_count = 1};
    const bool compiled = gb_compile(task, graph, &signature, program, error);
    ag_graph_free(graph);
    return compiled;
}

static void *prepare_programs(const gb_task *task, gb_error *error)
{
    ba_programs *s = bench_allocate(1, sizeof(*s));
    s->each = bench_allocate(BLOCK * EACH, sizeof(*s->each));
    if (compile_observation(task, &s->observation, error) &&
        compile_weight(task, &s->weight, error))
        return s;
    free_programs(s);
    return NULL;
}

static bool evaluate_programs(void *state, const gb_task *task, double *output, gb_error *error)
{
    const ba_input *input = task->input;
    const size_t p = input->p, each_values = count_each_values(task->function);
    ba_programs *s = state;
    for (size_t start = 0; start < p; start += BLOCK) {
        const size_t count = p - start < BLOCK ? p - start : BLOCK;
        for (size_t i = 0; i < count; i++)
            ba_gather(input, start + i, s->each + i * EACH);
        const ag_arrays arrays = {.each = s->each, .map = output + start * each_values};
        if (!gb_run(&s->observation, count, &arrays, error))
            return false;
    }
    const ag_arrays arrays = {.each = input->weights, .map = output + p * each_values};
    if (task->function == BA_JACOBIAN)
        ba_write_structure(input, output);
    return gb_run(&s->weight, p, &arrays, error);
}

/* ---- On the tape ----------------------------------------------------------------------------- */

static void *prepare_tape(const gb_task *task, gb_error *error)
{
    (void)task;
    (void)error;
    return ag_graph_new(NULL);
}

/* The root, or its gradient with respect to n variables. */
static void take_values(ag_graph *graph, int function, ag_value root, size_t n, const ag_value *wrt,
                        double *values)
{
    if (function == BA_OBJECTIVE) {
        values[0] = (double)ag_data(root);
        return;
    }
    ag_zero_grad(graph);
    (void)ag_backward(root);
    for (size_t i = 0; i < n; i++)
        values[i] = (double)ag_grad(wrt[i]);
}

static bool evaluate_tape(void *state, const gb_task *task, double *output, gb_error *error)
{
    const ba_input *input = task->input;
    const size_t each_values = count_each_values(task->function);
    double *weight_values = output + input->p * each_values;
    ag_graph *graph = state;
    const ag_mark start = ag_graph_mark(graph);
    for (size_t i = 0; i < input->p; i++) {
        double numbers[EACH], *values = output + i * each_values;
        ag_value each[EACH], errors[2];
        ba_gather(input, i, numbers);
        gb_make_variables(graph, EACH, numbers, each);
        record_errors(graph, each, errors);
        for (size_t j = 0; j < 2; j++)
            take_values(graph, task->function, errors[j], UNKNOWNS, each,
                        values + j * each_values / 2);
        const ag_value weight_error = record_weight_error(graph, each[WEIGHT]);
        take_values(graph, task->function, weight_error, 1, &each[WEIGHT], weight_values + i);
        gb_count_nodes(task, graph, 0);
        (void)ag_graph_rewind(graph, start);
    }
    if (task->function == BA_JACOBIAN)
        ba_write_structure(input, output);
    return gb_check_graph(graph, error);
}

static void free_tape(void *state)
{
    ag_graph_free(state);
}

static const gb_way program = {"program", prepare_programs, evaluate_programs, free_programs};
static const gb_way tape = {"tape", prepare_tape, evaluate_tape, free_tape};

/* ---- Input and output ------------------------------------------------------------------------ */

/* count times the same. */
static double *repeat(size_t count, size_t size, const double *numbers)
{
    double *all = bench_allocate(count * size, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * size, numbers, size * sizeof(*all));
    return all;
}

static bool read_repeated(const json_t *json, const char *field, size_t count, size_t size,
                          double **all, gb_error *error)
{
    double *numbers = gb_read_list(json, field, &size, error);
    if (numbers != NULL)
        *all = repeat(count, size, numbers);
    free(numbers);
    return numbers != NULL;
}

static bool read_input(const json_t *json, void *self, gb_error *error)
{
    ba_input *input = self;
    double weight;
    if (!gb_read_count(json, "n", 1, &input->n, error) ||
        !gb_read_count(json, "m", 1, &input->m, error) ||
        !gb_read_count(json, "p", 1, &input->p, error) ||
        !gb_read_number(json, "w", &weight, error))
        return false;
    input->weights = repeat(input->p, 1, &weight);
    return read_repeated(json, "cam", input->n, CAMERA_COUNT, &input->cameras, error) &&
           read_repeated(json, "x", input->m, POINT_COUNT, &input->points, error) &&
           read_repeated(json, "feat", input->p, FEATURE_COUNT, &input->features, error);
}

static double *make_numbers(size_t count, uint64_t *random)
{
    double *numbers = bench_allocate(count, sizeof(*numbers));
    for (size_t i = 0; i < count; i++)
        numbers[i] = bench_random(random);
    return numbers;
}

/* sizes: n, m, p */
static void make_input(void *self, const size_t *sizes, uint64_t *random)
{
    ba_input *input = self;
    input->n = sizes[0];
    input->m = sizes[1];
    input->p = sizes[2];
    input->cameras = make_numbers(input->n * CAMERA_COUNT, random);
    input->points = make_numbers(input->m * POINT_COUNT, random);
    input->weights = make_numbers(input->p, random);
    input->features = make_numbers(input->p * FEATURE_COUNT, random);
}

static void clear_input(void *self)
{
    ba_input *input = self;
    free(input->cameras);
    free(input->points);
    free(input->weights);
    free(input->features);
}

/* The first ones, and the last. */
static json_t *write_excerpt(size_t count, const double *numbers)
{
    const size_t shown = 30, first = count - 1 < shown ? count - 1 : shown;
    json_t *list = gb_write_list(first, numbers);
    (void)json_array_append_new(list, json_real(numbers[count - 1]));
    return list;
}

static json_t *write_output(const void *self, int function, const double *output)
{
    const ba_input *input = self;
    const size_t p = input->p, values = count_values(input, function);
    if (function == BA_JACOBIAN)
        return json_pack("{s:o, s:o, s:o}",                                     /**/
                         "rows", write_excerpt(3 * p + 1, output + 2 * values), /**/
                         "cols", write_excerpt(values, output + values),        /**/
                         "vals", write_excerpt(values, output));
    return json_pack("{s:{s:o, s:I}, s:{s:f, s:I}}",                                   /**/
                     "reproj_error", "elements", gb_write_list(2, output), "repeated", /**/
                     (json_int_t)p,                                                    /**/
                     "w_err", "element", output[2 * p], "repeated", (json_int_t)p);
}

const gb_workload ba_workload = {
    .name = "ba",
    .functions = {[BA_OBJECTIVE] = "objective", [BA_JACOBIAN] = "jacobian"},
    .ways = {&program, &tape, &ba_hand},
    .input_size = sizeof(ba_input),
    .read = read_input,
    .make = make_input,
    .clear = clear_input,
    .count_outputs = count_outputs,
    .write = write_output,
};
