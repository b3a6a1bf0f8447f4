/* SPDX-License-Identifier: MIT
 *
 * What the compiler finds in graphs that were written as scalar loops: matrices forward and
 * transposed, outer products, runs over components; however the loops ran. Each shape is looked at
 * twice: which instructions there are, and whether their numbers are those of the recorded graph
 * and of the plain twin.
 */
#include "program_testing.h"

#include <float.h>

/* ---- What was found -------------------------------------------------------------------------- */

typedef struct text {
    char at[2048];
    size_t used;
} text;

static void append(text *t, const char *format, ...) AGI_PRINTF(2, 3);

static void append(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(t->at + t->used, sizeof(t->at) - t->used, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && (size_t)n < sizeof(t->at) - t->used);
    t->used += (size_t)n;
}

/* "affine 4x3 bias", "affine 3x4 transposed chain", "outer 4x3 first": the matrices of a section. */
static void list_matrices(const ag_program *program, const agi_section *section, text *t)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const agi_instruction *at = &section->instructions[i];
        if (at->op == AGI_OP_AFFINE) {
            const agi_affine *a = &program->records.affine[at->more];
            append(t, "%saffine %ux%u%s%s%s%s", t->used == 0 ? "" : ", ", (unsigned)a->m,
                   (unsigned)a->k, a->row_stride == 1 && a->column_stride > 1 ? " transposed" : "",
                   a->bias.space != AGI_NOWHERE ? " bias" : "", a->add ? " add" : "",
                   a->chain ? " chain" : "");
        } else if (at->op == AGI_OP_OUTER) {
            const agi_outer *a = &program->records.outer[at->more];
            append(t, "%souter %ux%u%s", t->used == 0 ? "" : ", ", (unsigned)a->m, (unsigned)a->k,
                   a->first ? "" : " more");
        }
    }
}

static void check_matrices(const ag_program *program, const char *expected, const char *file,
                           int line)
{
    text t = {.used = 0};
    list_matrices(program, &program->once, &t);
    list_matrices(program, &program->check, &t);
    list_matrices(program, &program->body, &t);
    if (strcmp(t.at, expected) == 0)
        return;
    print_error("found %s\nnot   %s\n", t.at, expected);
    _fail(file, line);
}

#define assert_matrices(program, expected) check_matrices(program, expected, __FILE__, __LINE__)

/* So many instructions, or fewer. */
static void check_most(const ag_program *program, size_t most, const char *file, int line)
{
    const size_t n = ag_program_describe(program).instructions;
    if (n <= most)
        return;
    print_error("%zu instructions, not %zu\n", n, most);
    _fail(file, line);
}

#define assert_instructions(program, most) check_most(program, most, __FILE__, __LINE__)

/* ---- Dense layers ---------------------------------------------------------------------------- */

enum {
    M = 5, /* rows, columns */
    K = 7
};

typedef enum order {
    ROWS,    /* i outside, j inside */
    COLUMNS, /* j outside */
    ORDERS
} order;

typedef enum bias {
    BIAS_FIRST,
    BIAS_LAST,
    BIAS_AMONG,
    NO_BIAS,
    BIASES
} bias;

typedef enum layout {
    ROW_MAJOR,
    COLUMN_MAJOR,
    INTERLEAVED, /* a row, its bias, the next row */
    LAYOUTS
} layout;

typedef enum writing {
    ADD_FORWARD,
    ADD_BACKWARD, /* j falls */
    ADD_LEFT,     /* product + sum */
    SUM_OF_MUL,
    DOT,
    WRITINGS
} writing;

typedef struct layer {
    order order;
    bias bias;
    layout layout;
    writing writing;
    const ag_value *parameters; /* M x K weights and M biases */
} layer;

static ag_value weight(const layer *l, size_t i, size_t j)
{
    return l->parameters[l->layout == ROW_MAJOR      ? i * K + j
                         : l->layout == COLUMN_MAJOR ? j * M + i
                                                     : i * (K + 1) + j];
}

static ag_value bias_of(const layer *l, size_t i)
{
    return l->parameters[l->layout == INTERLEAVED ? i * (K + 1) + K : M * K + i];
}

static ag_value sum_up(const layer *l, ag_value sum, ag_value term)
{
    if (ag_is_null(sum))
        return term;
    return l->writing == ADD_LEFT ? ag_add(term, sum) : ag_add(sum, term);
}

/* One term of row i: number 0 to K - 1. */
static ag_value add_term(const layer *l, const ag_value *x, ag_value sum, size_t i, size_t number)
{
    const size_t j = l->writing == ADD_BACKWARD ? K - 1 - number : number;
    if (number == 0 && l->bias == BIAS_FIRST)
        sum = sum_up(l, sum, bias_of(l, i));
    if (number == 3 && l->bias == BIAS_AMONG)
        sum = sum_up(l, sum, bias_of(l, i));
    sum = sum_up(l, sum, ag_mul(weight(l, i, j), x[j]));
    if (number == K - 1 && l->bias == BIAS_LAST)
        sum = sum_up(l, sum, bias_of(l, i));
    return sum;
}

static ag_value write_row(const layer *l, const ag_value *x, size_t i)
{
    ag_value terms[K + 1], row[K];
    size_t n = 0;
    for (size_t j = 0; j < K; j++) {
        row[j] = weight(l, i, j);
        if (l->writing == SUM_OF_MUL)
            terms[n++] = ag_mul(row[j], x[j]);
        if (j == 2 && l->bias == BIAS_AMONG)
            terms[n++] = bias_of(l, i);
    }
    ag_value sum = l->writing == DOT ? ag_dot(K, row, x) : ag_sum(n, terms);
    if (l->writing == DOT && l->bias == BIAS_AMONG)
        sum = ag_add(ag_dot(3, row, x), ag_add(bias_of(l, i), ag_dot(K - 3, row + 3, x + 3)));
    if (l->bias == BIAS_FIRST)
        return ag_add(bias_of(l, i), sum);
    return l->bias == BIAS_LAST ? ag_add(sum, bias_of(l, i)) : sum;
}

static void write_layer(const layer *l, const ag_value *x, ag_value *y)
{
    if (l->writing == SUM_OF_MUL || l->writing == DOT) {
        for (size_t i = 0; i < M; i++)
            y[i] = write_row(l, x, i);
        return;
    }
    for (size_t i = 0; i < M; i++)
        y[i] = (ag_value){0};
    for (size_t n = 0; n < (size_t)M * K; n++) {
        const size_t i = l->order == ROWS ? n / K : n % M, j = l->order == ROWS ? n % K : n / M;
        y[i] = add_term(l, x, y[i], i, j);
    }
}

/* tanh of a layer, summed up to a loss with targets, its gradients for parameters and inputs. */
static void check_dense(layer l)
{
    problem *p = new_problem(1);
    l.parameters = add_inputs(p, &p->shared, M * K + (l.bias == NO_BIAS ? 0 : M));
    const ag_value *x = add_inputs(p, &p->each, K), *targets = add_inputs(p, &p->each, M);
    ag_value y[M], errors[M];
    write_layer(&l, x, y);
    for (size_t i = 0; i < M; i++) {
        y[i] = ag_tanh(y[i]);
        errors[i] = ag_square(ag_sub(y[i], targets[i]));
    }
    const ag_value loss = ag_sum(M, errors);
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, p->shared.n, p->shared.at);
    put_all(&p->map, M, y);
    put_gradient(&p->map, loss, K, x);
    finish(p);
    ag_program *program = compile(p, false);
    const char *forward = l.bias == NO_BIAS ? "affine 5x7" : "affine 5x7 bias";
    text expected = {.used = 0};
    if (l.layout == COLUMN_MAJOR)
        append(&expected, "affine 5x7 transposed%s, affine 7x5 chain, outer 7x5",
               l.bias == NO_BIAS ? "" : " bias");
    else
        append(&expected, "%s, affine 7x5 transposed chain, outer 5x7", forward);
    assert_matrices(program, expected.at);
    assert_instructions(program, 16);
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

static void test_dense_layers(void **state)
{
    (void)state;
    layer l = {.order = ROWS};
    for (int b = 0; b < BIASES; b++)
        for (int y = 0; y < LAYOUTS; y++)
            for (int w = 0; w < WRITINGS; w++)
                for (int o = 0; o < (w < SUM_OF_MUL ? ORDERS : 1); o++) {
                    if (b == NO_BIAS && y == INTERLEAVED)
                        continue;
                    l.order = (order)o;
                    l.bias = (bias)b;
                    l.layout = (layout)y;
                    l.writing = (writing)w;
                    check_dense(l);
                }
}

/* ---- Nets ------------------------------------------------------------------------------------ */

/* y = W x + b, rows of W side by side, biases behind them. */
static const ag_value *write_affine(const ag_value *parameters, size_t m, size_t k,
                                    const ag_value *x, ag_value *y)
{
    for (size_t i = 0; i < m; i++) {
        y[i] = ag_mul(parameters[i * k], x[0]);
        for (size_t j = 1; j < k; j++)
            y[i] = ag_add(y[i], ag_mul(parameters[i * k + j], x[j]));
        y[i] = ag_add(y[i], parameters[m * k + i]);
    }
    return parameters + m * (k + 1);
}

static void write_tanh(size_t n, ag_value *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ag_tanh(y[i]);
}

static ag_value write_loss(problem *p, size_t n, const ag_value *y)
{
    const ag_value *targets = add_inputs(p, &p->each, n);
    ag_value loss = ag_square(ag_sub(y[0], targets[0]));
    for (size_t i = 1; i < n; i++)
        loss = ag_add(loss, ag_square(ag_sub(y[i], targets[i])));
    return loss;
}

/* Compiles loss and its gradient for all shared inputs, and checks. */
static void check_loss(problem *p, ag_value loss, const char *matrices, size_t instructions)
{
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, p->shared.n, p->shared.at);
    finish(p);
    ag_program *program = compile(p, false);
    assert_matrices(program, matrices);
    assert_instructions(program, instructions);
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

static void test_several_layers(void **state)
{
    (void)state;
    problem *p = new_problem(2);
    const ag_value *w = add_inputs(p, &p->shared, 6 * 5 + 4 * 7 + 3 * 5);
    const ag_value *x = add_inputs(p, &p->each, 4);
    ag_value a[6], b[4], c[3];
    w = write_affine(w, 6, 4, x, a);
    write_tanh(6, a);
    w = write_affine(w, 4, 6, a, b);
    write_tanh(4, b);
    (void)write_affine(w, 3, 4, b, c);
    check_loss(p, write_loss(p, 3, c),
               "affine 6x4 bias, affine 4x6 bias, affine 3x4 bias, "
               "affine 4x3 transposed chain, affine 6x4 transposed chain, "
               "outer 6x4, outer 4x6, outer 3x4",
               24);
}

/* A layer of width 1 is a row, and its input's gradient a column. */
static void test_single_output(void **state)
{
    (void)state;
    problem *p = new_problem(3);
    const ag_value *w = add_inputs(p, &p->shared, 6 * 5 + 7), *x = add_inputs(p, &p->each, 4);
    ag_value a[6], y;
    w = write_affine(w, 6, 4, x, a);
    write_tanh(6, a);
    (void)write_affine(w, 1, 6, a, &y);
    check_loss(p, write_loss(p, 1, &y), "affine 6x4 bias, outer 6x4, outer 1x6", 14);
}

static void test_single_input(void **state)
{
    (void)state;
    problem *p = new_problem(4);
    const ag_value *w = add_inputs(p, &p->shared, 6 * 2 + 2 * 7), *x = add_inputs(p, &p->each, 1);
    ag_value a[6], y[2];
    w = write_affine(w, 6, 1, x, a);
    write_tanh(6, a);
    (void)write_affine(w, 2, 6, a, y);
    check_loss(p, write_loss(p, 2, y),
               "affine 2x6 bias, affine 6x2 transposed chain, outer 1x6, outer 2x6", 16);
}

/* The same weights in two layers: their gradient is a sum of two outer products. */
static void test_shared_weights(void **state)
{
    (void)state;
    problem *p = new_problem(5);
    const ag_value *w = add_inputs(p, &p->shared, 5 * 6), *x = add_inputs(p, &p->each, 5);
    ag_value a[5], b[5];
    (void)write_affine(w, 5, 5, x, a);
    write_tanh(5, a);
    (void)write_affine(w, 5, 5, a, b);
    write_tanh(5, b);
    check_loss(p, write_loss(p, 5, b),
               "affine 5x5 bias, affine 5x5 bias, affine 5x5 transposed chain, "
               "outer 5x5, outer 5x5 more",
               20);
}

static void test_recurrent_net(void **state)
{
    (void)state;
    enum {
        STEPS = 5,
        IN = 3,
        STATE = 4
    };
    problem *p = new_problem(6);
    const ag_value *u = add_inputs(p, &p->shared, STATE * STATE);
    const ag_value *w = add_inputs(p, &p->shared, STATE * (IN + 1));
    const ag_value *x = add_inputs(p, &p->each, STEPS * IN);
    ag_value h[STATE];
    for (size_t i = 0; i < STATE; i++)
        h[i] = ag_constant(p->graph, 0);
    for (size_t t = 0; t < STEPS; t++) {
        ag_value next[STATE];
        (void)write_affine(w, STATE, IN, x + t * IN, next);
        for (size_t i = 0; i < STATE; i++)
            next[i] = ag_tanh(ag_add(next[i], ag_dot(STATE, u + i * STATE, h)));
        memcpy(h, next, sizeof(h));
    }
    /* the first state is a constant 0, whose part in the gradient is a rest */
    check_loss(p, write_loss(p, STATE, h),
               "affine 4x3 bias, affine 4x3 bias, affine 4x4 add, affine 4x3 bias, affine 4x4 add, "
               "affine 4x3 bias, affine 4x4 add, affine 4x3 bias, affine 4x4 add, "
               "affine 4x4 transposed chain, affine 4x4 transposed chain, "
               "affine 4x4 transposed chain, affine 4x4 transposed chain, "
               "outer 4x4 more, outer 4x4 more, outer 4x4 more, outer 4x4 more",
               65);
}

/* The four gates of an LSTM cell, each with a matrix for the input, one for the state and a bias. */
static void test_lstm_cell(void **state)
{
    (void)state;
    enum {
        IN = 3,
        STATE = 4,
        GATE = STATE * (IN + STATE + 1) /* parameters of a gate: W, U, b */
    };
    problem *p = new_problem(7);
    const ag_value *w = add_inputs(p, &p->shared, 4 * GATE);
    const ag_value *x = add_inputs(p, &p->each, IN), *h = add_inputs(p, &p->each, STATE),
                   *c = add_inputs(p, &p->each, STATE);
    ag_value out[2 * STATE];
    for (size_t i = 0; i < STATE; i++) {
        ag_value g[4];
        for (size_t k = 0; k < 4; k++) {
            const ag_value *row = w + k * GATE;
            g[k] = ag_add(
                ag_add(ag_dot(IN, row + i * IN, x), ag_dot(STATE, row + STATE * IN + i * STATE, h)),
                row[STATE * (IN + STATE) + i]);
            g[k] = k == 3 ? ag_tanh(g[k]) : ag_sigmoid(g[k]);
        }
        out[i] = ag_add(ag_mul(g[0], c[i]), ag_mul(g[1], g[3]));
        out[STATE + i] = ag_mul(g[2], ag_tanh(out[i]));
    }
    put_all(&p->map, 2 * STATE, out);
    check_loss(p, write_loss(p, 2 * STATE, out),
               "affine 4x3 bias, affine 4x4 add, affine 4x3 bias, affine 4x4 add, "
               "affine 4x3 bias, affine 4x4 add, affine 4x3 bias, affine 4x4 add, "
               "outer 4x3, outer 4x4, outer 4x3, outer 4x4, "
               "outer 4x3, outer 4x4, outer 4x3, outer 4x4",
               60);
}

static void test_residual_layer(void **state)
{
    (void)state;
    problem *p = new_problem(8);
    const ag_value *w = add_inputs(p, &p->shared, 5 * 6), *x = add_inputs(p, &p->each, 5);
    ag_value y[5], z[5];
    (void)write_affine(w, 5, 5, x, y);
    for (size_t i = 0; i < 5; i++)
        y[i] = ag_add(x[i], ag_tanh(y[i]));
    for (size_t i = 0; i < 5; i++) /* and with the residual within the sum */
        z[i] = ag_add(y[i], ag_dot(5, w + 5 * i, y));
    check_loss(p, write_loss(p, 5, z),
               "affine 5x5 bias, affine 5x5, affine 5x5 transposed chain, "
               "outer 5x5, outer 5x5 more",
               25);
}

/* A penalty on the weights adds a term to their gradients that does not vary. */
static void test_penalty(void **state)
{
    (void)state;
    problem *p = new_problem(9);
    const ag_value *w = add_inputs(p, &p->shared, 4 * 6), *x = add_inputs(p, &p->each, 5);
    ag_value y[4], squares[4 * 5];
    (void)write_affine(w, 4, 5, x, y);
    write_tanh(4, y);
    for (size_t i = 0; i < 4 * 5; i++)
        squares[i] = ag_square(w[i]);
    const ag_value penalty = ag_scale(ag_sum(4 * 5, squares), (ag_real)0.125);
    check_loss(p, ag_add(write_loss(p, 4, y), penalty), "affine 4x5 bias, outer 4x5 more", 30);
}

/* One that varies, too. */
static void test_weighted_penalty(void **state)
{
    (void)state;
    problem *p = new_problem(10);
    const ag_value *w = add_inputs(p, &p->shared, 4 * 6), *x = add_inputs(p, &p->each, 5);
    const ag_value strength = add_input(p, &p->each);
    ag_value y[4], squares[4 * 5];
    (void)write_affine(w, 4, 5, x, y);
    write_tanh(4, y);
    for (size_t i = 0; i < 4 * 5; i++)
        squares[i] = ag_square(w[i]);
    const ag_value penalty = ag_mul(ag_sum(4 * 5, squares), strength);
    check_loss(p, ag_add(write_loss(p, 4, y), penalty), "affine 4x5 bias, outer 4x5 more", 60);
}

/* A matrix whose diagonal is computed, positive as exp(q). The products of the diagonal's gradients
 * are in those of q, too. */
static void test_computed_diagonal(void **state)
{
    (void)state;
    problem *p = new_problem(17);
    const ag_value *w = add_inputs(p, &p->shared, 6 * 6), *q = add_inputs(p, &p->shared, 6),
                   *centre = add_inputs(p, &p->shared, 6), *x = add_inputs(p, &p->each, 6);
    ag_value difference[6], y[6];
    for (size_t i = 0; i < 6; i++)
        difference[i] = ag_sub(centre[i], x[i]);
    for (size_t i = 0; i < 6; i++)
        y[i] = ag_add(ag_dot(6, w + 6 * i, difference), ag_mul(ag_exp(q[i]), difference[i]));
    write_tanh(6, y);
    check_loss(p, write_loss(p, 6, y), "affine 6x6, affine 6x6 transposed chain, outer 6x6", 26);
}

/* ---- Convolutions ---------------------------------------------------------------------------- */

typedef struct convolution {
    size_t filters, channels;
    size_t height, width; /* of the picture */
    size_t rows, columns; /* of the kernel */
    bool padded;          /* with zeros, so that what comes out has the picture's size */
} convolution;

/* One number of one filter's output, with its upper left corner at (y, x) of the picture. */
static ag_value convolve(const convolution *c, const ag_value *kernel, const ag_value *picture,
                         long y, long x)
{
    ag_value sum = {0};
    for (size_t n = 0; n < c->channels; n++)
        for (size_t r = 0; r < c->rows; r++)
            for (size_t k = 0; k < c->columns; k++) {
                const long v = y + (long)r, u = x + (long)k;
                if (v < 0 || u < 0 || v >= (long)c->height || u >= (long)c->width)
                    continue;
                const ag_value term =
                    ag_mul(kernel[(n * c->rows + r) * c->columns + k],
                           picture[(n * c->height + (size_t)v) * c->width + (size_t)u]);
                sum = ag_is_null(sum) ? term : ag_add(sum, term);
            }
    return sum;
}

/* So many matrices m x k. */
static size_t count_affine(const ag_program *program, uint32_t m, uint32_t k)
{
    size_t n = 0;
    for (uint32_t i = 0; i < program->records.affine_count; i++)
        n += program->records.affine[i].m == m && program->records.affine[i].k == k;
    return n;
}

static size_t count_outer(const ag_program *program, uint32_t m, uint32_t k)
{
    size_t n = 0;
    for (uint32_t i = 0; i < program->records.outer_count; i++)
        n += program->records.outer[i].m == m && program->records.outer[i].k == k;
    return n;
}

typedef struct layout_of {
    size_t affine; /* filters x kernel: one for each place where the whole kernel lies inside */
    size_t outer;
    size_t instructions; /* at most */
} layout_of;

static void check_convolution(convolution c, layout_of expected)
{
    problem *p = new_problem(11);
    const size_t size = c.channels * c.rows * c.columns;
    const ag_value *kernels = add_inputs(p, &p->shared, c.filters * size);
    const ag_value *picture = add_inputs(p, &p->each, c.channels * c.height * c.width);
    const long edge_y = c.padded ? (long)c.rows / 2 : 0,
               edge_x = c.padded ? (long)c.columns / 2 : 0;
    const size_t height = c.padded ? c.height : c.height - c.rows + 1,
                 width = c.padded ? c.width : c.width - c.columns + 1;
    ag_value loss = ag_constant(p->graph, 0);
    for (size_t f = 0; f < c.filters; f++)
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++) {
                const ag_value out =
                    convolve(&c, kernels + f * size, picture, (long)y - edge_y, (long)x - edge_x);
                (void)put(&p->map, out);
                loss = ag_add(loss, ag_square(ag_tanh(out)));
            }
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, p->shared.n, p->shared.at);
    put_gradient(&p->map, loss, p->each.n, picture);
    finish(p);
    ag_program *program = compile(p, false);
    assert_int_equal(count_affine(program, (uint32_t)c.filters, (uint32_t)size), expected.affine);
    assert_int_equal(count_outer(program, (uint32_t)c.filters, (uint32_t)size), expected.outer);
    assert_instructions(program, expected.instructions);
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

static void test_convolutions(void **state)
{
    (void)state;
    /* a single filter: a run over places */
    check_convolution((convolution){1, 1, 1, 20, 1, 3, false}, (layout_of){0, 0, 16});
    check_convolution((convolution){1, 1, 6, 7, 3, 3, false}, (layout_of){0, 0, 100});
    check_convolution((convolution){1, 1, 1, 20, 1, 3, true}, (layout_of){0, 0, 30});
    /* several: a matrix for each place */
    check_convolution((convolution){6, 1, 1, 12, 1, 3, false}, (layout_of){10, 10, 45});
    check_convolution((convolution){4, 2, 5, 6, 3, 3, false}, (layout_of){12, 12, 100});
    check_convolution((convolution){4, 2, 5, 6, 3, 3, true}, (layout_of){12, 0, 200});
}

/* A matrix of numbers: the discrete Fourier transform, its rows scaled so that rounding makes no two
 * of them equal. */
static void test_constant_matrix(void **state)
{
    (void)state;
    enum {
        N = 12
    };
    for (int all_shared = 0; all_shared < 2; all_shared++) {
        problem *p = new_problem(12);
        const ag_value *x = add_inputs(p, all_shared ? &p->shared : &p->each, N);
        for (size_t i = 0; i < 2 * N; i++) {
            ag_real row[N];
            for (size_t j = 0; j < N; j++) {
                const double angle = 2 * 3.14159265358979 * (double)(i / 2 * j % N) / N;
                const double scale = 1 + (double)i / 16;
                row[j] = (ag_real)(scale * (i % 2 == 0 ? cos(angle) : sin(angle)));
            }
            (void)put(all_shared ? &p->once : &p->map, ag_linear(N, row, x, (ag_real)0.5));
        }
        finish(p);
        ag_program *program = compile(p, false);
        assert_matrices(program, "affine 24x12");
        assert_instructions(program, 4);
        check_numbers(p, program);
        ag_program_free(program);
        free_problem(p);
    }
}

/* ---- Runs over components -------------------------------------------------------------------- */

static void check_program(problem *p, size_t instructions)
{
    finish(p);
    ag_program *program = compile(p, false);
    assert_instructions(program, instructions);
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

static void test_rosenbrock(void **state)
{
    (void)state;
    enum {
        N = 50
    };
    for (int all_shared = 0; all_shared < 2; all_shared++) {
        problem *p = new_problem(13);
        const ag_value *x = add_inputs(p, all_shared ? &p->shared : &p->each, N);
        ends *out = all_shared ? &p->once : &p->map;
        ag_value sum = ag_constant(p->graph, 0);
        for (size_t i = 0; i + 1 < N; i++) {
            const ag_value a = ag_sub(x[i + 1], ag_square(x[i]));
            const ag_value b = ag_sub(ag_constant(p->graph, 1), x[i]);
            sum = ag_add(sum, ag_add(ag_scale(ag_square(a), 100), ag_square(b)));
        }
        (void)put(out, sum);
        put_gradient(out, sum, N, x);
        check_program(p, 12);
    }
}

/* y_i' = x_i y_{i-1}, one step of Runge and Kutta. */
static void test_ode_step(void **state)
{
    (void)state;
    enum {
        N = 30
    };
    for (int all_shared = 0; all_shared < 2; all_shared++) {
        problem *p = new_problem(14);
        ends *in = all_shared ? &p->shared : &p->each, *out = all_shared ? &p->once : &p->map;
        const ag_value *x = add_inputs(p, in, N), *y = add_inputs(p, in, N);
        static const double places[] = {0, 0.5, 0.5, 1}, weights[] = {1, 2, 2, 1};
        ag_value k[N], next[N];
        memcpy(next, y, sizeof(next));
        for (size_t stage = 0; stage < 4; stage++) {
            ag_value at[N];
            for (size_t i = 0; i < N; i++)
                at[i] = stage == 0 ? y[i]
                                   : ag_add(y[i], ag_scale(k[i], (ag_real)(0.01 * places[stage])));
            for (size_t i = 0; i < N; i++)
                k[i] = ag_mul(x[i], i == 0 ? ag_constant(p->graph, 1) : at[i - 1]);
            for (size_t i = 0; i < N; i++)
                next[i] = ag_add(next[i], ag_scale(k[i], (ag_real)(0.01 / 6 * weights[stage])));
        }
        put_all(out, N, next);
        check_program(p, 30);
    }
}

static void test_polynomials(void **state)
{
    (void)state;
    enum {
        N = 20,
        DEGREE = 6
    };
    problem *p = new_problem(15);
    const ag_value *c = add_inputs(p, &p->shared, DEGREE + 1), *x = add_inputs(p, &p->each, N);
    ag_value total = ag_constant(p->graph, 0);
    for (size_t i = 0; i < N; i++) {
        ag_value horner = c[DEGREE], powers = c[0];
        for (size_t d = DEGREE; d-- > 0;)
            horner = ag_add(ag_mul(horner, x[i]), c[d]);
        for (size_t d = 1; d <= DEGREE; d++)
            powers = ag_add(powers, ag_mul(c[d], ag_pow_int(x[i], (int)d)));
        (void)put(&p->map, horner);
        (void)put(&p->map, powers);
        total = ag_add(total, ag_mul(horner, powers));
    }
    (void)put(&p->sum, total);
    put_gradient(&p->sum, total, DEGREE + 1, c);
    put_gradient(&p->map, total, N, x);
    check_program(p, 70);
}

/* Streaks in a program's body as "mul 20 sum". */
static void check_streaks(problem *p, const char *expected, const char *file, int line)
{
    text t = {.used = 0};
    ag_program *program = compile(p, false);
    const agi_section *body = &program->body;
    for (uint32_t i = 0; i < body->count; i++) {
        const agi_instruction *at = &body->instructions[i];
        if (at->streak > 0)
            append(&t, "%s%s %u%s", t.used == 0 ? "" : ", ", agi_op_name(at->op),
                   (unsigned)at->streak + 1, at->sum > 0 ? " sum" : "");
    }
    ag_program_free(program);
    if (strcmp(t.at, expected) == 0)
        return;
    print_error("found %s\nnot   %s\n", t.at, expected);
    _fail(file, line);
}

#define assert_streaks(p, expected) check_streaks(p, expected, __FILE__, __LINE__)

/* A polynomial by powers, with shared coefficients and with those of each sample. */
static void test_streaks_of_powers(void **state)
{
    (void)state;
    enum {
        N = 40
    };
    for (int is_shared = 1; is_shared >= 0; is_shared--) {
        problem *p = new_problem(18);
        const ag_value x = add_input(p, &p->each);
        const ag_value *c = add_inputs(p, is_shared ? &p->shared : &p->each, N);
        ag_value power = x, polynomial = c[0];
        for (size_t i = 1; i < N; i++) {
            polynomial = ag_add(polynomial, ag_mul(c[i], power));
            power = ag_mul(power, x);
        }
        const ag_value total = ag_square(ag_sub(polynomial, ag_constant(p->graph, (ag_real)0.5)));
        (void)put(&p->sum, total);
        put_gradient(&p->sum, total, N, c);
        assert_streaks(p, is_shared ? "mul 38 sum" : "mul 37");
        check_program(p, 60);
    }
}

/* Products that grow by factors of each sample, and by shared ones; derived with respect to each of
 * themselves, or to the factors, which are other gates on the way. */
static void test_streaks_of_products(void **state)
{
    static const char *const found[] = {"mul 16, chain 18", "mul 19, chain 18", "mul 17", "mul 17"};
    (void)state;
    enum {
        N = 20
    };
    for (int kind = 0; kind < 4; kind++) {
        const bool is_shared = kind % 2 == 1, derives_all = kind >= 2;
        problem *p = new_problem(19);
        const ag_value *first = add_inputs(p, &p->each, 2);
        const ag_value *x = add_inputs(p, is_shared ? &p->shared : &p->each, N);
        ag_value product = ag_add(first[0], first[1]), products[N];
        for (size_t i = 0; i < N; i++)
            (void)put(&p->map, products[i] = product = ag_mul(product, x[i]));
        const ag_value total = ag_tanh(product);
        put_gradient(&p->map, total, 2, first);
        if (derives_all)
            put_gradient(is_shared ? &p->sum : &p->map, total, N, x);
        else
            put_gradient(&p->map, total, N, products);
        assert_streaks(p, found[kind]);
        check_program(p, 200);
    }
}

/* A gate again and again, which is a loop for each time. */
static void test_streaks_of_gates(void **state)
{
    (void)state;
    enum {
        N = 12
    };
    for (int is_binary = 0; is_binary < 2; is_binary++) {
        problem *p = new_problem(20);
        const ag_value x = add_input(p, &p->each), y = add_input(p, &p->shared);
        ag_value z = x;
        for (size_t i = 0; i < N; i++)
            (void)put(&p->map, z = is_binary ? ag_hypot(y, z) : ag_sin(z));
        (void)put(&p->sum, ag_mul(z, y));
        assert_streaks(p, is_binary ? "hypot 9" : "sin 9");
        check_program(p, 40);
    }
}

static void test_elementwise_chains(void **state)
{
    (void)state;
    enum {
        N = 40
    };
    problem *p = new_problem(16);
    const ag_value *x = add_inputs(p, &p->each, N), *scale = add_inputs(p, &p->shared, N);
    ag_value y[N];
    for (size_t i = 0; i < N; i++)
        y[i] = ag_mul(scale[i], ag_tanh(ag_exp(ag_neg(ag_softplus(x[N - 1 - i])))));
    const ag_value total = ag_sum(N, y);
    (void)put(&p->sum, total);
    put_gradient(&p->sum, total, N, scale);
    put_gradient(&p->map, total, N, x);
    check_program(p, 20);
}

static void test_logsumexp(void **state)
{
    (void)state;
    enum {
        N = 1000
    };
    problem *p = new_problem(17);
    const ag_value *x = add_inputs(p, &p->each, N);
    const ag_value y = ag_logsumexp(N, x);
    (void)put(&p->sum, y);
    put_gradient(&p->map, y, N, x);
    check_program(p, 19);
}

enum {
    EDGE_WIDTH = 16, /* operands; those behind the ones here are -inf */
    EDGE_NUMBERS = 4
};

#define INF ((double)INFINITY)

static const double logsumexp_edges[][EDGE_NUMBERS] = {
    {0.5, -1.25, 2, 0.25},
    {2, 2, 2, -1},
    {-0.0, 0, -0.0, 0},
    {INF, 1, 1000, -INF},
    {INF, INF, 0, 1},
    {-INF, -INF, -INF, -INF},
    {-INF, 0, -INF, -INF},
    {(double)NAN, 1, INF, -INF},
    {1, 1, -INF, (double)NAN},
    {1e308, -1e308, 1e308, 0},
    {1e30, -1e30, 1e30, 0},
    {800, -800, 0, 799},
    {-1000, -1001, -1000.5, -1100},
    {0, -40, -41, -50}, /* log1p of what is nothing next to 1 */
    {-60, 0, -80, -80},
    {80, 0, 79, -3},
    {1e-300, -1e-300, 0, 1e-310},
};

enum {
    EDGES = sizeof(logsumexp_edges) / sizeof(*logsumexp_edges)
};

/* y loses what is less than a rounding of M, and the gradient of the gate as it is, of y. */
static void compare_edges(size_t outputs, const double *actual, const double *expected, double unit)
{
    for (size_t i = 0; i < EDGES; i++) {
        double scale = 1;
        for (size_t k = 0; k < EDGE_NUMBERS; k++)
            scale +=
                fmin(fabs(logsumexp_edges[i][k]), 1000); /* greater ones are equal or far apart */
        for (size_t k = 0; k < outputs; k++) {
            const double a = actual[outputs * i + k], b = expected[outputs * i + k];
            const double scale_here = k == 0 && fabs(b) < 1 ? 1 : scale;
            if (isfinite(b) ? !(fabs(a - b) <= 8 * unit * scale_here * fabs(b) + unit * unit)
                            : !(a == b || (isnan(a) && isnan(b))))
                fail_msg("row %zu, output %zu: %.17g, not %.17g", i, k, a, b);
        }
    }
}

static void fill_edges(double *each, float *each_float)
{
    for (size_t i = 0; i < EDGES * EDGE_WIDTH; i++) {
        const size_t k = i % EDGE_WIDTH;
        each[i] = k < EDGE_NUMBERS ? logsumexp_edges[i / EDGE_WIDTH][k] : (double)-INFINITY;
        each_float[i] = (float)each[i];
    }
}

static void run_edges(ag_program *program, ag_isa isa, size_t samples, bool is_float, double *map)
{
    const size_t outputs = ag_program_describe(program).map_count;
    ag_workspace *workspace =
        ag_workspace_new(program, &(ag_workspace_options){.threads = 1, .isa = isa}, NULL);
    assert_non_null(workspace);
    double each[EDGES * EDGE_WIDTH];
    float each_float[EDGES * EDGE_WIDTH], out[EDGES * (EDGE_WIDTH + 1)];
    fill_edges(each, each_float);
    for (size_t i = 0; i < EDGES; i += samples) {
        const ag_arrays arrays = {.each = each + EDGE_WIDTH * i, .map = map + outputs * i};
        const ag_arrays_float arrays_float = {.each = each_float + EDGE_WIDTH * i, .map = out};
        assert_int_equal(is_float ? ag_run_float(program, workspace, samples, &arrays_float)
                                  : ag_run(program, workspace, samples, &arrays),
                         AG_OK);
        if (is_float)
            widen_all(outputs * samples, out, map + outputs * i);
    }
    ag_workspace_free(workspace);
}

static void check_edges(ag_program *program, ag_program *plain)
{
    const size_t outputs = ag_program_describe(program).map_count;
    for (ag_isa isa = AG_ISA_BASELINE; isa <= AG_ISA_NEON; isa++)
        for (int form = 0; form < 4 && ag_isa_available(isa); form++) {
            const bool is_float = form % 2 != 0;
            double actual[EDGES * (EDGE_WIDTH + 1)], expected[EDGES * (EDGE_WIDTH + 1)];
            run_edges(plain, isa, 1, is_float, expected);
            run_edges(program, isa, form < 2 ? 1 : EDGES, is_float, actual);
            compare_edges(outputs, actual, expected, is_float ? (double)FLT_EPSILON : DBL_EPSILON);
        }
}

/* One exp of each operand, wherever the largest lies and whatever it is. */
static void test_logsumexp_edges(void **state)
{
    (void)state;
    for (int shifted = 0; shifted < 2; shifted++) {
        problem *p = new_problem(29);
        const ag_value *x = add_inputs(p, &p->each, EDGE_WIDTH);
        const ag_value largest = ag_detach(ag_max_of(EDGE_WIDTH, x));
        ag_value z[EDGE_WIDTH];
        for (size_t k = 0; k < EDGE_WIDTH; k++)
            z[k] = shifted ? ag_sub(x[k], largest) : x[k];
        const ag_value y = put(&p->map, ag_logsumexp(EDGE_WIDTH, z));
        put_gradient(&p->map, y, EDGE_WIDTH, x);
        finish(p);
        ag_program *program = compile(p, false), *plain = compile(p, true);
        uint32_t exps = 0;
        for (uint32_t i = 0; i < program->body.count; i++) {
            assert_int_not_equal(program->body.instructions[i].op, AGI_logsumexp);
            exps +=
                program->body.instructions[i].op == AGI_exp ? program->body.instructions[i].n : 0;
        }
        assert_int_equal(exps, EDGE_WIDTH);
        check_edges(program, plain);
        ag_program_free(plain);
        ag_program_free(program);
        free_problem(p);
    }
}

/* A softmax by hand is one of those gradients, but for infinite numbers; a few operands without
 * gradients do no harm, many are worth an exp each. */
static void test_part_of_a_softmax(void **state)
{
    (void)state;
    enum {
        N = 16
    };
    for (size_t taken = 1; taken <= N; taken++) {
        problem *p = new_problem(30 + taken);
        const ag_value *x = add_inputs(p, &p->each, N);
        const ag_value y = put(&p->map, ag_logsumexp(N, x));
        for (size_t k = 0; k < taken; k++)
            (void)put(&p->map, ag_exp(ag_sub(x[k], y)));
        finish(p);
        ag_program *program = compile(p, false);
        bool kept = false;
        for (uint32_t i = 0; i < program->body.count; i++)
            kept = kept || program->body.instructions[i].op == AGI_logsumexp;
        assert_true(kept == (taken < 12));
        check_numbers(p, program);
        ag_program_free(program);
        free_problem(p);
    }
}

/* Operands of a gate with any number of them that lie all over the place. */
static void test_mixed_operands(void **state)
{
    (void)state;
    problem *p = new_problem(18);
    const ag_value *w = add_inputs(p, &p->shared, 8), *x = add_inputs(p, &p->each, 8);
    ag_value terms[8 * 6];
    for (size_t i = 0; i < 8; i++) {
        terms[6 * i] = w[i];
        terms[6 * i + 1] = x[i];
        terms[6 * i + 2] = ag_constant(p->graph, (ag_real)draw_number(p, -1, 1));
        terms[6 * i + 3] = ag_exp(w[i]);
        terms[6 * i + 4] = ag_sin(x[i]);
        terms[6 * i + 5] = x[i];
    }
    for (size_t i = 0; i < 8; i++) {
        (void)put(&p->map, ag_logsumexp(6 * 8, terms));
        (void)put(&p->map, ag_max_of(6 * i + 1, terms));
        (void)put(&p->map, ag_max_of(6, terms + 6 * i));
        (void)put(&p->sum, ag_logsumexp(8, w));
    }
    put_gradient(&p->map, ag_sum(p->map.n, p->map.at), 8, x);
    finish(p);
    ag_program *program = compile(p, false);
    assert_true(program->body.slots < 8 * 6 * 10); /* copies are given back */
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

/* ---- Everything computed once ---------------------------------------------------------------- */

static void test_shared_alone(void **state)
{
    (void)state;
    problem *p = new_problem(19);
    const ag_value *w = add_inputs(p, &p->shared, 6 * 5 + 4 * 7);
    const ag_value *x = add_inputs(p, &p->shared, 4), *targets = add_inputs(p, &p->shared, 4);
    ag_value a[6], b[4];
    (void)write_affine(write_affine(w, 6, 4, x, a), 4, 6, a, b);
    for (size_t i = 0; i < 4; i++)
        b[i] = ag_square(ag_sub(ag_tanh(b[i]), targets[i]));
    const ag_value loss = ag_sum(4, b);
    (void)put(&p->once, loss);
    put_gradient(&p->once, loss, p->shared.n, p->shared.at);
    (void)put(&p->sum, loss); /* once for each sample */
    finish(p);
    ag_program *program = compile(p, false);
    assert_matrices(program, "affine 6x4 bias, affine 4x6 bias, affine 6x4 transposed chain, "
                             "affine 4x6 transposed chain");
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

/* Both factors are computed: the matrix is the one whose elements are used once. */
static void test_computed_matrix(void **state)
{
    (void)state;
    problem *p = new_problem(20);
    const ag_value *w = add_inputs(p, &p->shared, 4 * 5), *x = add_inputs(p, &p->shared, 5);
    ag_value matrix[4 * 5], vector[5];
    for (size_t i = 0; i < 4 * 5; i++)
        matrix[i] = ag_exp(w[i]);
    for (size_t j = 0; j < 5; j++)
        vector[j] = ag_sin(x[j]);
    for (size_t i = 0; i < 4; i++)
        (void)put(&p->once, ag_dot(5, matrix + 5 * i, vector));
    finish(p);
    ag_program *program = compile(p, false);
    assert_matrices(program, "affine 4x5");
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

/* ---- Zero and infinity ----------------------------------------------------------------------- */

/* A weight's gradient goes through the side of a select that is not taken, where log(-1) is. */
static void test_untaken_side(void **state)
{
    (void)state;
    problem *p = new_problem(21);
    const ag_value *w = add_inputs(p, &p->shared, 4 * 5), *x = add_inputs(p, &p->each, 4);
    ag_value y[4];
    (void)write_affine(w, 4, 4, x, y);
    ag_value loss = ag_constant(p->graph, 0);
    for (size_t i = 0; i < 4; i++) {
        const ag_value zero = ag_constant(p->graph, 0);
        const ag_value good =
            ag_select(ag_is_less(zero, y[i]), ag_log(y[i]), ag_square(ag_shift(y[i], -1)));
        loss = ag_add(loss, good);
    }
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, p->shared.n, w);
    put_gradient(&p->map, loss, 4, x);
    finish(p);
    ag_program *program = compile(p, false);
    assert_matrices(program, "affine 4x4 bias, affine 4x4 transposed chain, outer 4x4");
    check_numbers(p, program);
    ag_program_free(program);
    free_problem(p);
}

/* The gradient of a dead unit is 0 even where its weights or inputs are infinite. */
static void test_infinite_numbers(void **state)
{
    (void)state;
    problem *p = new_problem(22);
    const ag_value *w = add_inputs(p, &p->shared, 6 * 5 + 3 * 7), *x = add_inputs(p, &p->each, 4);
    const ag_value *dead = add_inputs(p, &p->each, 6);
    ag_value a[6], b[3];
    const ag_value *second = write_affine(w, 6, 4, x, a);
    for (size_t i = 0; i < 6; i++)
        a[i] = ag_select(dead[i], ag_relu(a[i]), ag_detach(x[0]));
    (void)write_affine(second, 3, 6, a, b);
    const ag_value loss = ag_sum(3, b);
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, p->shared.n, w);
    put_gradient(&p->map, loss, 4, x);
    finish(p);
    ag_program *program = compile(p, false);
    for (size_t round = 0; round < 10; round++)
        check_numbers_from(p, program, (source){-1, 1, 30});
    ag_program_free(program);
    free_problem(p);
}

/* ---- Signs and constants --------------------------------------------------------------------- */

/* The negated input of a matrix with a few rows stays the matrix's, once and not in every row. */
static void test_signs_of_inputs(void **state)
{
    (void)state;
    for (size_t rows = 2; rows < 7; rows++) {
        problem *p = new_problem(30 + rows);
        const ag_value *w = add_inputs(p, &p->shared, rows * K), *x = add_inputs(p, &p->each, K);
        ag_value minus[K];
        char expected[40];
        for (size_t j = 0; j < K; j++)
            minus[j] = ag_scale(ag_neg(x[j]), 3);
        for (size_t i = 0; i < rows; i++)
            (void)put(&p->map, ag_dot(K, w + i * K, minus));
        finish(p);
        ag_program *program = compile(p, false);
        (void)snprintf(expected, sizeof(expected), "affine %ux%u", (unsigned)rows, (unsigned)K);
        assert_matrices(program, expected);
        assert_instructions(program, 5);
        check_numbers(p, program);
        ag_program_free(program);
        free_problem(p);
    }
}

/* Products of what varies take signs and constants with them, and leave no gates behind. */
static void test_signs_of_products(void **state)
{
    (void)state;
    enum {
        N = 20
    };
    problem *p = new_problem(41);
    const ag_value *x = add_inputs(p, &p->each, N + 3);
    ag_value y[N], z[N];
    for (size_t i = 0; i < N; i++) {
        const ag_value minus = ag_neg(x[i]), half = ag_scale(minus, (ag_real)0.5);
        y[i] = ag_add(ag_mul(minus, x[i + 1]), half);
        z[i] = ag_sub(x[i + 2], ag_mul(x[i + 3], half));
    }
    put_all(&p->map, N, y);
    put_all(&p->map, N, z);
    check_program(p, 5); /* load, y, z, two stores */
}

/* Constants that no factor can be, of what is negated or scaled. */
static void test_constants_out_of_range(void **state)
{
    (void)state;
    static const double constants[] = {0, -0.0, 1e35, -1e-35, (double)INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
        ag_graph *graph = ag_graph_new(NULL);
        const ag_value x[] = {ag_variable(graph, 1), ag_variable(graph, 1)};
        const ag_value c = ag_constant(graph, (ag_real)constants[i]);
        const ag_value y[] = {ag_mul(c, ag_neg(x[0])), ag_mul(ag_scale(x[1], -2), c),
                              ag_tanh(x[0])};
        ag_program *program =
            ag_compile(&(ag_signature){.each = x, .each_count = 2, .map = y, .map_count = 3}, NULL);
        assert_non_null(program);
        ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
        static const double each[] = {3, 5, (double)INFINITY, (double)NAN};
        double map[6];
        for (size_t samples = 1; samples <= 2; samples++) {
            assert_int_equal(
                ag_run(program, workspace, samples, &(ag_arrays){.each = each, .map = map}), AG_OK);
            for (size_t s = 0; s < samples; s++) {
                assert_same(map[3 * s], (double)(ag_real)constants[i] * -each[2 * s]);
                assert_same(map[3 * s + 1], each[2 * s + 1] * -2 * (double)(ag_real)constants[i]);
            }
        }
        ag_workspace_free(workspace);
        ag_program_free(program);
        ag_graph_free(graph);
    }
}

/* A factor times a large number times 0 is 0, alone and over lanes, in sums and in outer products. */
static void test_large_factors(void **state)
{
    (void)state;
    enum {
        N = 20
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value w = ag_variable(graph, 1), x[N], sums[N], outer[N * N];
    for (size_t i = 0; i < N; i++)
        x[i] = ag_variable(graph, 1);
    const ag_real factor = (ag_real)1e25;
    for (size_t i = 0; i < N; i++) {
        sums[i] = ag_add(ag_scale(ag_mul(w, x[i]), factor), ag_mul(x[i], x[(i + 1) % N]));
        for (size_t j = 0; j < N; j++)
            outer[i * N + j] = ag_scale(ag_mul(ag_sin(x[i]), ag_tanh(x[j])), factor);
    }
    ag_program *program = ag_compile(&(ag_signature){.shared = &w,
                                                     .shared_count = 1,
                                                     .each = x,
                                                     .each_count = N,
                                                     .map = sums,
                                                     .map_count = N,
                                                     .sum = outer,
                                                     .sum_count = N * N},
                                     NULL);
    assert_non_null(program);
    assert_true(ag_program_describe(program).outer > 0);
    ag_graph_free(graph);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    assert_non_null(workspace);
    const float large = 1e20F;
    static float each[2 * N], map[2 * N], sum[N * N];
    for (size_t samples = 1; samples <= 2; samples++) {
        assert_int_equal(ag_run_float(program, workspace, samples,
                                      &(ag_arrays_float){
                                          .shared = &large, .each = each, .map = map, .sum = sum}),
                         AG_OK);
        for (size_t i = 0; i < samples * N; i++)
            assert_same(map[i], 0);
        for (size_t i = 0; i < N * N; i++)
            assert_same(sum[i], 0);
    }
    ag_workspace_free(workspace);
    ag_program_free(program);
}

/* More terms than are found at once, with strides that are not 1, over lanes. */
static void test_many_terms(void **state)
{
    (void)state;
    enum {
        TERMS = 20,
        ROWS_OF = 5
    };
    problem *p = new_problem(60);
    const ag_value *x = add_inputs(p, &p->each, 2 * TERMS * ROWS_OF);
    for (size_t i = 0; i < ROWS_OF; i++) {
        const ag_value *row = x + 2 * TERMS * i;
        ag_value sum = ag_sin(row[0]);
        for (size_t t = 0; t < TERMS; t++)
            sum = ag_add(sum, ag_scale(ag_mul(row[t], row[2 * TERMS - 1 - t]), (ag_real)(1 + t)));
        (void)put(&p->map, sum);
    }
    check_program(p, 8);
}

/* -0 - 0 - 0 is -0, for a single number and for many, alone and over lanes. */
static void test_sign_of_zero(void **state)
{
    (void)state;
    enum {
        N = 20
    };
    for (size_t n = 1; n <= N; n += N - 1) {
        ag_graph *graph = ag_graph_new(NULL);
        ag_value x[N], y[N];
        for (size_t i = 0; i < n; i++)
            x[i] = ag_variable(graph, (ag_real)-0.0);
        for (size_t i = 0; i < n; i++) {
            y[i] = ag_reciprocal(ag_add(ag_add(x[i], x[i]), x[i]));
            assert_same(ag_data(y[i]), -(double)INFINITY);
        }
        ag_program *program =
            ag_compile(&(ag_signature){.each = x, .each_count = n, .map = y, .map_count = n}, NULL);
        assert_non_null(program);
        ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
        double each[3 * N], map[3 * N];
        for (size_t i = 0; i < 3 * N; i++)
            each[i] = -0.0;
        for (size_t samples = 1; samples <= 3; samples++) {
            assert_int_equal(
                ag_run(program, workspace, samples, &(ag_arrays){.each = each, .map = map}), AG_OK);
            for (size_t i = 0; i < samples * n; i++)
                assert_same(map[i], -(double)INFINITY);
        }
        ag_workspace_free(workspace);
        ag_program_free(program);
        ag_graph_free(graph);
    }
}

/* ---- Closures, outputs, slots ---------------------------------------------------------------- */

static ag_real cube(void *context, size_t n, const ag_real *x)
{
    (void)n;
    return *(const ag_real *)context * x[0] * x[0] * x[0] + x[1];
}

static void derive_cube(void *context, size_t n, const ag_real *x, ag_real y, ag_real upstream,
                        ag_real *downstream)
{
    (void)n, (void)y;
    downstream[0] = upstream * *(const ag_real *)context * 3 * x[0] * x[0];
    downstream[1] = upstream;
}

static void test_closures(void **state)
{
    (void)state;
    static const ag_real factors[] = {1, 2, 3};
    problem *p = new_problem(23);
    const ag_value *w = add_inputs(p, &p->shared, 3), *x = add_inputs(p, &p->each, 3);
    (void)put(&p->sum, ag_logsumexp(3, x)); /* a record before theirs */
    for (size_t i = 0; i < 3; i++) {
        const ag_closure closure = {.name = "cube",
                                    .arity = 2,
                                    .forward = cube,
                                    .backward = derive_cube,
                                    .context = (void *)(uintptr_t)&factors[i]};
        (void)put(&p->map, ag_apply(&closure, (const ag_value[]){ag_sin(x[i]), w[i]}));
        (void)put(&p->once, ag_apply(&closure, (const ag_value[]){w[i], w[0]}));
    }
    check_program(p, 20);
}

/* Many outputs take time in proportion to their number, and go out in runs. */
static void test_many_outputs(void **state)
{
    (void)state;
    enum {
        N = 100000
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *x = calloc(N, sizeof(*x)), *y = calloc(2 * N, sizeof(*y));
    assert_non_null(x);
    assert_non_null(y);
    for (size_t i = 0; i < N; i++)
        x[i] = ag_variable(graph, 1);
    for (size_t i = 0; i < N; i++) {
        y[i] = ag_sin(x[i]);
        y[N + i] = ag_mul(x[i], x[i == 0 ? 0 : i - 1]);
    }
    const ag_signature signature = {
        .each = x, .each_count = N, .sum = y + N, .sum_count = N, .map = y, .map_count = N};
    ag_program *program = ag_compile(&signature, NULL);
    assert_non_null(program);
    assert_instructions(program, 10);
    ag_program_free(program);
    ag_graph_free(graph);
    free(x);
    free(y);
}

/* A walk over a section's reads and writes, slot by slot. */
typedef struct walk {
    const ag_program *program;
    const agi_section *section;
    uint32_t *last; /* slot: the last instruction that reads what is in it now */
    int32_t *ends;  /* instruction: so many numbers fewer are alive after it; begins with -1 each */
    uint32_t now;
} walk;

static void read_slots(walk *w, agi_vector v, uint32_t n)
{
    for (uint32_t i = 0; v.space == AGI_SLOTS && i < n; i++)
        w->last[(int64_t)v.at + (int64_t)v.stride * i] = w->now;
}

static void read_operands(walk *w, const agi_instruction *at)
{
    const agi_records *records = &w->program->records;
    for (uint32_t t = 0; at->op == AGI_OP_PRODUCTS && t < at->terms; t++) {
        agi_factors f = records->factors[at->more + t];
        for (uint32_t r = 0; r < f.repeat; r++) {
            read_slots(w, f.p, at->n);
            read_slots(w, f.q, at->n);
            f.p.at += (uint32_t)f.p_step;
            f.q.at += (uint32_t)f.q_step;
        }
    }
    for (size_t k = 0; at->op != AGI_OP_LOAD && at->op != AGI_OP_PRODUCTS && k < 3; k++)
        read_slots(w, at->x[k], at->n);
}

/* How many numbers are alive at a time, at most, in the order of the instructions: what no way of
 * giving out slots can go below. For loads, gates, sums of products and stores. */
static size_t count_live(const ag_program *program, const agi_section *section)
{
    walk w = {.program = program, .section = section};
    w.last = calloc(section->slots, sizeof(*w.last));
    w.ends = calloc((size_t)section->count + 1, sizeof(*w.ends));
    uint8_t *taken = calloc(section->slots, 1);
    assert_true(w.last != NULL && w.ends != NULL && taken != NULL);
    for (; w.now < section->count; w.now++) {
        const agi_instruction *at = &section->instructions[w.now];
        read_operands(&w, at);
        for (uint32_t s = at->out; at->op != AGI_OP_STORE && s < at->out + at->n; s++) {
            if (taken[s])
                w.ends[w.last[s]]++;
            taken[s] = 1;
            w.last[s] = w.now;
        }
    }
    for (uint32_t s = 0; s < section->slots; s++)
        if (taken[s])
            w.ends[w.last[s]]++;
    size_t live = 0, most = 0;
    for (uint32_t i = 0; i < section->count; i++) {
        const agi_instruction *at = &section->instructions[i];
        live += at->op == AGI_OP_STORE ? 0 : at->n;
        most = live > most ? live : most;
        live -= (size_t)w.ends[i];
    }
    free(w.last);
    free(w.ends);
    free(taken);
    return most;
}

/* An irregular graph of n gates, whose operands are among the last `window` nodes. */
static ag_program *compile_irregular(size_t n, size_t window)
{
    problem *p = new_problem(24);
    ag_value *x = calloc(n, sizeof(*x));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        const size_t reach = i < window ? i : window;
        if (i < 50) {
            x[i] = add_input(p, &p->each);
            continue;
        }
        const ag_value a = x[i - 1 - draw_below(p, reach)], b = x[i - 1 - draw_below(p, reach)];
        switch (draw_below(p, 6)) {
        case 0:
            x[i] = ag_add(a, b);
            break;
        case 1:
            x[i] = ag_mul(a, b);
            break;
        case 2:
            x[i] = ag_tanh(a);
            break;
        case 3:
            x[i] = ag_max(a, b);
            break;
        case 4:
            x[i] = ag_div(a, ag_shift(ag_square(b), 1));
            break;
        default:
            x[i] = ag_sin(a);
            break;
        }
    }
    put_all(&p->map, 50, x + n - 50);
    ag_program *program = compile(p, false);
    free(x);
    free_problem(p);
    return program;
}

static void test_slots(void **state)
{
    (void)state;
    static const size_t windows[] = {60, 1000, 20000};
    for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
        ag_program *program = compile_irregular(100000, windows[i]);
        const size_t live = count_live(program, &program->body), slots = program->body.slots;
        assert_true(slots >= live);
        assert_true(slots <= live + live / 16 + 4);
        ag_program_free(program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense_layers),
        cmocka_unit_test(test_several_layers),
        cmocka_unit_test(test_single_output),
        cmocka_unit_test(test_single_input),
        cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_recurrent_net),
        cmocka_unit_test(test_lstm_cell),
        cmocka_unit_test(test_residual_layer),
        cmocka_unit_test(test_penalty),
        cmocka_unit_test(test_weighted_penalty),
        cmocka_unit_test(test_computed_diagonal),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_constant_matrix),
        cmocka_unit_test(test_rosenbrock),
        cmocka_unit_test(test_ode_step),
        cmocka_unit_test(test_polynomials),
        cmocka_unit_test(test_streaks_of_powers),
        cmocka_unit_test(test_streaks_of_products),
        cmocka_unit_test(test_streaks_of_gates),
        cmocka_unit_test(test_elementwise_chains),
        cmocka_unit_test(test_logsumexp),
        cmocka_unit_test(test_logsumexp_edges),
        cmocka_unit_test(test_part_of_a_softmax),
        cmocka_unit_test(test_mixed_operands),
        cmocka_unit_test(test_shared_alone),
        cmocka_unit_test(test_computed_matrix),
        cmocka_unit_test(test_untaken_side),
        cmocka_unit_test(test_infinite_numbers),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_many_outputs),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_signs_of_inputs),
        cmocka_unit_test(test_signs_of_products),
        cmocka_unit_test(test_constants_out_of_range),
        cmocka_unit_test(test_large_factors),
        cmocka_unit_test(test_many_terms),
        cmocka_unit_test(test_sign_of_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
