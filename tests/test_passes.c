/* SPDX-License-Identifier: MIT
 *
 * The compiler's passes one by one: the list of gates before and after. Then what is refused, with
 * which message, and memory that runs out at every place it can. What the structure is that is
 * found, and whether programs compute the right numbers, is the subject of test_recovery.c.
 */
#include "program_testing.h"
#include "schedule.h"

#include <stdatomic.h>

/* ---- Code as text ---------------------------------------------------------------------------- */

static ag_graph *graph;
static ag_program *program;
static agi_code code;

static int set_up(void **state)
{
    (void)state;
    graph = ag_graph_new(NULL);
    return graph == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    agi_code_free(&code);
    ag_program_free(program);
    program = NULL;
    ag_graph_free(graph);
    return 0;
}

/* A program that nothing has been compiled into yet. */
static ag_program *begin_program(const ag_signature *s)
{
    agi_memory memory = {0};
    ag_program *p = agi_memory_resize(&memory, NULL, 0, sizeof(*p));
    assert_non_null(p);
    memset(p, 0, sizeof(*p));
    p->memory = memory;
    atomic_init(&p->owners, 1);
    p->info.shared_count = s->shared_count;
    p->info.each_count = s->each_count;
    p->info.sum_count = s->sum_count;
    p->info.map_count = s->map_count;
    p->info.once_count = s->once_count;
    p->source = ag_graph_new(NULL);
    assert_non_null(p->source);
    return p;
}

static void lower(const ag_signature *s)
{
    agi_code_free(&code);
    ag_program_free(program);
    program = begin_program(s);
    code = (agi_code){.memory = &program->memory};
    assert_int_equal(agi_lower(&code, graph, s, program), AG_OK);
}

static void check_code(const char *expected, const char *file, int line)
{
    char text[4096];
    FILE *output = tmpfile();
    assert_non_null(output);
    assert_int_equal(agi_code_print(&code, output), AG_OK);
    rewind(output);
    text[fread(text, 1, sizeof(text) - 1, output)] = '\0';
    (void)fclose(output);
    if (strcmp(text, expected) == 0)
        return;
    print_error("the code is\n%snot\n%s", text, expected);
    _fail(file, line);
}

#define assert_code(expected) check_code(expected, __FILE__, __LINE__)

static void fold(void)
{
    assert_int_equal(agi_fold_constants(&code, program->source), AG_OK);
}

static void share(void)
{
    assert_int_equal(agi_share_gates(&code), AG_OK);
}

static void drop(void)
{
    assert_int_equal(agi_drop_dead(&code), AG_OK);
}

static void collect(void)
{
    assert_int_equal(agi_collect_products(&code), AG_OK);
    assert_int_equal(agi_drop_dead(&code), AG_OK);
}

static ag_value variable(void)
{
    return ag_variable(graph, (ag_real)0.5);
}

static ag_value constant(double number)
{
    return ag_constant(graph, (ag_real)number);
}

/* Lowers y of the each input x. */
static void lower_one(ag_value x, ag_value y)
{
    lower(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1});
}

/* ---- lower.c --------------------------------------------------------------------------------- */

static void test_lowering(void **state)
{
    (void)state;
    const ag_value unused = variable(), w = variable();
    ag_value x[3];
    for (size_t i = 0; i < 3; i++)
        x[i] = variable();
    (void)ag_sin(unused);
    const ag_value a = ag_mul(w, x[2]), dead = ag_exp(a), b = ag_add(a, x[0]);
    const ag_value c = ag_linear(2, (const ag_real[]){3, 4}, (const ag_value[]){b, w}, 5);
    const ag_value outputs[] = {c, b, w};
    (void)dead;
    lower(&(ag_signature){.shared = &w,
                          .shared_count = 1,
                          .each = x,
                          .each_count = 3,
                          .sum = outputs,
                          .sum_count = 2,
                          .once = outputs + 2,
                          .once_count = 1});
    assert_code("#0 shared 0\n"
                "#1 each 0\n"
                "#2 each 2\n"
                "#3 mul #0 #2\n"
                "#4 add #3 #1\n"
                "#5 linear #4 #0\n");
    assert_int_equal(code.sum_count, 2);
    assert_int_equal(code.outputs[0], 5);
    assert_int_equal(code.outputs[1], 4);
    assert_int_equal(code.outputs[2], 0);
    /* the program's own graph has the same nodes */
    assert_int_equal(ag_graph_count(program->source), 6);
    assert_int_equal(program->signature[1].index, 1);
    assert_true(ag_is_null(program->signature[2])); /* x[1] */
    assert_close(ag_data(agi_value(program->source, 5)), ag_data(c), 0);
}

/* Comparisons that depend on an input, and were recorded before the last output, are kept. */
static void test_lowering_comparisons(void **state)
{
    (void)state;
    const ag_value x = variable(), other = variable();
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_false(ag_gt(x, constant(1)));
    assert_false(ag_gt(other, constant(1)));
    const ag_value y = ag_square(x);
    assert_true(ag_lt(x, constant(1)));
    lower_one(x, y);
    assert_code("#0 each 0\n"
                "#1 constant 1\n"
                "#2 gt #0 #1\n"
                "#3 square #0\n");
    assert_int_equal(code.comparisons_count, 1);
    assert_int_equal(code.comparisons[0].node, 2);
    assert_false(code.comparisons[0].outcome);
    assert_string_equal(code.texts + code.comparisons[0].text, "gt(x, #2)");
}

/* ---- fold.c ---------------------------------------------------------------------------------- */

static void test_folding(void **state)
{
    (void)state;
    const ag_value x = variable(), two = constant(2), three = constant(3);
    const ag_value zero = ag_variable(graph, 0); /* which is no constant */
    const ag_value six = ag_mul(two, three), left = ag_mul(six, x), e = ag_exp(two);
    const ag_value right = ag_mul(zero, e), y = ag_add(left, right);
    lower(&(ag_signature){
        .each = (const ag_value[]){x, zero}, .each_count = 2, .map = &y, .map_count = 1});
    assert_code("#0 each 0\n"
                "#1 constant 2\n"
                "#2 constant 3\n"
                "#3 each 1\n"
                "#4 mul #1 #2\n"
                "#5 mul #4 #0\n"
                "#6 exp #1\n"
                "#7 mul #3 #6\n"
                "#8 add #5 #7\n");
    fold();
    assert_code("#0 each 0\n"
                "#1 constant 2\n"
                "#2 constant 3\n"
                "#3 each 1\n"
                "#4 constant 6\n"
                "#5 mul #4 #0\n"
                "#6 constant 7.38906\n"
                "#7 mul #3 #6\n"
                "#8 add #5 #7\n");
}

/* A constant counts with the value that it has when the program is compiled. */
static void test_folding_sees_new_constants(void **state)
{
    (void)state;
    const ag_value x = variable(), c = constant(2);
    const ag_value y = ag_mul(x, ag_square(ag_neg(c)));
    assert_int_equal(ag_set(c, 3), AG_OK);
    lower_one(x, y);
    fold();
    drop();
    assert_code("#0 each 0\n"
                "#1 constant 9\n"
                "#2 mul #0 #1\n");
}

/* What becomes of y, a gate of x: "x", "#2 mul #0 #1" and so on. */
static void check_folded(ag_value x, ag_value y, const char *expected, const char *file, int line)
{
    char text[256];
    lower_one(x, y);
    fold();
    drop();
    text[0] = '\0';
    if (code.outputs[0] == 0 && code.ops[0] == AGI_OP_EACH) {
        (void)snprintf(text, sizeof(text), "x");
    } else if (code.ops[code.outputs[0]] == AGI_CONSTANT) {
        (void)snprintf(text, sizeof(text), "%g", code.numbers[code.at[code.outputs[0]].a]);
    } else {
        (void)snprintf(text, sizeof(text), "%s", agi_op_name(code.ops[code.outputs[0]]));
    }
    if (strcmp(text, expected) == 0)
        return;
    print_error("folded to %s, not %s\n", text, expected);
    _fail(file, line);
}

#define assert_folded(y, expected) check_folded(x, y, expected, __FILE__, __LINE__)

static void test_identities(void **state)
{
    (void)state;
    const ag_value x = variable(), zero = constant(0), minus_zero = constant(-0.0),
                   one = constant(1), nan = constant((double)NAN);
    assert_folded(ag_mul(x, one), "x");
    assert_folded(ag_mul(one, x), "x");
    assert_folded(ag_div(x, one), "x");
    assert_folded(ag_add(x, minus_zero), "x");
    assert_folded(ag_add(minus_zero, x), "x");
    assert_folded(ag_sub(x, zero), "x");
    assert_folded(ag_neg(ag_neg(x)), "x");
    assert_folded(ag_detach(x), "x");
    assert_folded(ag_sum(1, &x), "x");
    assert_folded(ag_chain(one, x), "x");
    assert_folded(ag_chain(x, one), "x");
    assert_folded(ag_chain(zero, x), "0");
    assert_folded(ag_couple(x, one), "x");
    assert_folded(ag_couple(one, x), "x");
    assert_folded(ag_couple(x, zero), "0");
    assert_folded(ag_select(one, x, zero), "x");
    assert_folded(ag_select(nan, x, zero), "x");
    assert_folded(ag_select(minus_zero, zero, x), "x");
    assert_folded(ag_pow(x, zero), "1");
    assert_folded(ag_pow(x, one), "x");
    assert_folded(ag_pow(x, constant(2)), "square");
    assert_folded(ag_pow(x, constant(-1)), "reciprocal");
}

/* Where an infinity, NaN or the sign of a zero makes a difference. */
static void test_what_only_looks_like_an_identity(void **state)
{
    (void)state;
    const ag_value x = variable(), zero = constant(0), one = constant(1);
    assert_folded(ag_mul(x, zero), "mul");
    assert_folded(ag_sub(x, x), "sub");
    assert_folded(ag_div(x, x), "div");
    assert_folded(ag_add(x, zero), "add");
    assert_folded(ag_sub(x, constant(-0.0)), "sub");
    assert_folded(ag_sub(zero, x), "sub");
    assert_folded(ag_chain(x, zero), "chain");
    assert_folded(ag_div(one, x), "div");
    assert_folded(ag_pow(x, constant(3)), "pow");
    assert_folded(ag_pow(x, constant(0.5)), "pow");
    assert_folded(ag_pow(one, x), "pow");
    assert_folded(ag_select(x, one, one), "select");
    assert_folded(ag_max(x, constant(-(double)INFINITY)), "max");
}

static ag_real count_calls(void *context, size_t n, const ag_real *x)
{
    (void)n;
    ++*(int *)context;
    return x[0];
}

static void ignore_gradient(void *context, size_t n, const ag_real *x, ag_real y, ag_real upstream,
                            ag_real *downstream)
{
    (void)context, (void)n, (void)x, (void)y, (void)upstream, (void)downstream;
}

/* A closure of constants is asked again each time. */
static void test_closures_are_not_folded(void **state)
{
    (void)state;
    int calls = 0;
    const ag_value x = variable(), c = constant(2);
    const ag_closure closure = {.name = "count",
                                .arity = 1,
                                .forward = count_calls,
                                .backward = ignore_gradient,
                                .context = &calls};
    assert_folded(ag_add(x, ag_apply(&closure, &c)), "add");
    assert_int_equal(calls, 1);
    assert_int_equal(code.closures_count, 1);
}

/* The derivative of sqrt counts on -0 + 0 being 0: at -0 it is infinite, not minus infinite. */
static void test_signs_of_zero(void **state)
{
    (void)state;
    const ag_value x = variable();
    ag_value dx;
    assert_int_equal(ag_gradient(ag_sqrt(x), 1, &x, &dx), AG_OK);
    program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &dx, .map_count = 1}, NULL);
    assert_non_null(program);
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    assert_non_null(workspace);
    const double at[] = {-0.0, 0.0, 4};
    double out[3];
    assert_int_equal(ag_run(program, workspace, 3, &(ag_arrays){.each = at, .map = out}), AG_OK);
    assert_same(out[0], INFINITY);
    assert_same(out[1], INFINITY);
    assert_same(out[2], 0.25);
    ag_workspace_free(workspace);
}

/* ---- unique.c, dead.c ------------------------------------------------------------------------ */

static void test_sharing(void **state)
{
    (void)state;
    const ag_value u = variable(), v = variable(), x[] = {u, v}, two = constant(2);
    ag_value y[7];
    y[0] = ag_mul(u, v);
    y[0] = ag_add(y[0], two);
    y[1] = ag_mul(v, u);
    y[1] = ag_add(constant(2), y[1]);
    y[2] = ag_sub(u, v);
    y[3] = ag_sub(v, u);
    y[4] = ag_select(u, v, u);
    y[5] = ag_select(u, v, u);
    y[6] = ag_select(u, u, v);
    const size_t n = sizeof(y) / sizeof(*y);
    lower(&(ag_signature){.each = x, .each_count = 2, .map = y, .map_count = n});
    assert_int_equal(code.count, 2 + 2 + 4 + 5);
    share();
    drop();
    assert_code("#0 each 0\n"
                "#1 each 1\n"
                "#2 constant 2\n"
                "#3 mul #0 #1\n"
                "#4 add #2 #3\n"
                "#5 sub #0 #1\n"
                "#6 sub #1 #0\n"
                "#7 select #0 #1 #0\n"
                "#8 select #0 #0 #1\n");
    static const uint32_t expected[] = {4, 4, 5, 6, 7, 7, 8};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(code.outputs[i], expected[i]);
}

/* The same operands with other numbers; constants that only compare equal. */
static void test_what_is_not_shared(void **state)
{
    (void)state;
    const ag_value x = variable(), operands[] = {x, x};
    ag_value y[7];
    y[0] = ag_linear(2, (const ag_real[]){1, 2}, operands, 3);
    y[1] = ag_linear(2, (const ag_real[]){1, 2}, operands, 4);
    y[2] = ag_linear(2, (const ag_real[]){1, 3}, operands, 3);
    y[3] = ag_linear(2, (const ag_real[]){1, 2}, operands, 3);
    y[4] = ag_div(x, constant(0));
    y[5] = ag_div(x, constant(-0.0));
    y[6] = ag_div(x, constant(0));
    const size_t n = sizeof(y) / sizeof(*y);
    lower(&(ag_signature){.each = &x, .each_count = 1, .map = y, .map_count = n});
    share();
    drop();
    assert_code("#0 each 0\n"
                "#1 linear #0 #0\n"
                "#2 linear #0 #0\n"
                "#3 linear #0 #0\n"
                "#4 constant 0\n"
                "#5 div #0 #4\n"
                "#6 constant -0\n"
                "#7 div #0 #6\n");
    assert_int_equal(code.outputs[3], 1);
    assert_int_equal(code.outputs[6], 5);
}

static void test_sharing_comparisons(void **state)
{
    (void)state;
    const ag_value x = variable();
    for (size_t i = 0; i < 3; i++) {
        const ag_value y = ag_exp(x);
        assert_true(ag_gt(y, constant(1)));
    }
    lower_one(x, ag_exp(x));
    assert_int_equal(code.comparisons_count, 3);
    share();
    drop();
    assert_code("#0 each 0\n"
                "#1 exp #0\n"
                "#2 constant 1\n"
                "#3 gt #1 #2\n");
    assert_int_equal(code.comparisons_count, 1);
    assert_int_equal(code.comparisons[0].node, 3);
}

/* A number that very many gates use, and very many that are alike: the table's hard cases. */
static void test_sharing_many(void **state)
{
    (void)state;
    enum {
        N = 20000
    };
    const ag_value x = variable();
    ag_value *y = calloc(2 * N, sizeof(*y));
    assert_non_null(y);
    for (size_t i = 0; i < N; i++) {
        y[i] = ag_max(x, constant((double)i));
        y[N + i] = ag_max(x, constant((double)(N - 1 - i)));
    }
    lower(&(ag_signature){.each = &x, .each_count = 1, .map = y, .map_count = 2 * N});
    share();
    drop();
    assert_int_equal(code.count, 1 + 2 * N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(code.outputs[i], code.outputs[2 * N - 1 - i]);
    free(y);
}

static void test_dropping(void **state)
{
    (void)state;
    const ag_value x = variable(), sine = ag_sin(x);
    assert_true(ag_lt(sine, constant(1)));
    const ag_value one = constant(1), good = ag_exp(x), bad = ag_log(ag_cos(x));
    const ag_value y = ag_select(one, good, bad);
    lower_one(x, y);
    fold();
    assert_code("#0 each 0\n"
                "#1 sin #0\n"
                "#2 constant 1\n"
                "#3 lt #1 #2\n"
                "#4 constant 1\n"
                "#5 exp #0\n"
                "#6 cos #0\n"
                "#7 log #6\n"
                "#8 select #4 #5 #7\n");
    drop();
    assert_code("#0 each 0\n"
                "#1 sin #0\n"
                "#2 constant 1\n"
                "#3 lt #1 #2\n"
                "#4 exp #0\n");
    assert_int_equal(code.outputs[0], 4);
}

/* ---- products.c ------------------------------------------------------------------------------ */

/* Inputs: three shared, three each. */
typedef struct six {
    ag_value w[3], x[3];
} six;

static six make_six(void)
{
    six in;
    for (size_t i = 0; i < 3; i++)
        in.w[i] = variable();
    for (size_t i = 0; i < 3; i++)
        in.x[i] = variable();
    return in;
}

static void lower_six(const six *in, size_t n, const ag_value *y)
{
    lower(&(ag_signature){.shared = in->w,
                          .shared_count = 3,
                          .each = in->x,
                          .each_count = 3,
                          .map = y,
                          .map_count = n});
}

/* The lines behind the inputs. */
static void check_collected(const six *in, ag_value y, const char *expected, const char *file,
                            int line)
{
    /* all six are needed, so that their numbers are always the same */
    const ag_value outputs[] = {in->w[0], in->w[1], in->w[2], in->x[0], in->x[1], in->x[2], y};
    char text[512] = "#0 shared 0\n#1 shared 1\n#2 shared 2\n#3 each 0\n#4 each 1\n#5 each 2\n";
    lower_six(in, 7, outputs);
    collect();
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", expected);
    check_code(text, file, line);
}

#define assert_collected(y, expected) check_collected(&in, y, expected, __FILE__, __LINE__)

static void test_collecting(void **state)
{
    (void)state;
    const six in = make_six();
    const ag_value *w = in.w, *x = in.x;
    /* however it is written down */
    assert_collected(ag_add(ag_add(ag_mul(w[0], x[0]), ag_mul(w[1], x[1])), w[2]),
                     "#6 products #0 * #3 + #1 * #4 + #2\n");
    assert_collected(ag_add(w[2], ag_add(ag_mul(w[0], x[0]), ag_mul(w[1], x[1]))),
                     "#6 products #0 * #3 + #1 * #4 + #2\n");
    assert_collected(ag_add(ag_dot(2, w, x), w[2]), "#6 products #0 * #3 + #1 * #4 + #2\n");
    assert_collected(ag_sum(3, (const ag_value[]){ag_mul(w[0], x[0]), w[2], ag_mul(w[1], x[1])}),
                     "#6 products #0 * #3 + #1 * #4 + #2\n");
    assert_collected(ag_linear(2, (const ag_real[]){2, -1}, x, 5),
                     "#6 products 2 #3 + -1 #4 + 5\n");
    /* signs and factors */
    assert_collected(ag_sub(x[0], ag_mul(ag_neg(w[0]), x[1])), "#6 products #3 + #0 * #4\n");
    assert_collected(ag_scale(ag_sub(ag_scale(x[0], 2), ag_square(x[1])), 3),
                     "#6 products -3 #4 * #4 + 6 #3\n");
    assert_collected(ag_neg(ag_add(x[0], x[1])), "#6 products -1 #3 + -1 #4\n");
    /* upstream gradients */
    assert_collected(ag_add(ag_chain(x[0], x[1]), ag_chain(ag_neg(x[2]), w[0])),
                     "#6 products #3 o #4 + -1 #5 o #0\n");
    assert_collected(ag_add(ag_chain(x[0], constant(2)), ag_chain(constant(3), x[1])),
                     "#6 products 2 #3 + 3 #4\n");
}

static void test_what_is_not_collected(void **state)
{
    (void)state;
    const six in = make_six();
    const ag_value *w = in.w, *x = in.x;
    /* a gate alone */
    assert_collected(ag_add(x[0], x[1]), "#6 add #3 #4\n");
    assert_collected(ag_mul(w[0], x[1]), "#6 mul #0 #4\n");
    assert_collected(ag_chain(x[0], x[1]), "#6 chain #3 #4\n");
    assert_collected(ag_add(x[0], constant(0)), "#6 constant 0\n#7 add #3 #6\n");
    /* a number that somebody else uses, too */
    const ag_value inner = ag_add(x[0], x[1]);
    assert_collected(ag_mul(inner, ag_sin(inner)), "#6 add #3 #4\n#7 sin #6\n#8 mul #6 #7\n");
    /* factors that overflow, or are none */
    assert_collected(ag_scale(ag_add(x[0], ag_scale(x[1], (ag_real)1e20)), (ag_real)1e20),
                     "#6 constant 1e+20\n#7 products 1e+20 #3 + 1e+20 #4 * #6\n");
    assert_collected(ag_add(x[0], ag_scale(x[1], 0)), "#6 constant 0\n#7 products #3 + #4 * #6\n");
    assert_collected(ag_add(x[0], ag_chain(x[1], constant(0))),
                     "#6 constant 0\n#7 products #3 + #4 o #6\n");
}

/* What does not vary is a gate of its own; products of two varying numbers come first. */
static void test_parting(void **state)
{
    (void)state;
    const six in = make_six();
    const ag_value *w = in.w, *x = in.x;
    assert_collected(ag_sum(5, (const ag_value[]){ag_mul(w[0], w[1]), ag_mul(w[2], x[0]), w[0],
                                                  ag_mul(x[1], x[2]), x[0]}),
                     "#6 products #0 * #1 + #0\n#7 products #4 * #5 + #2 * #3 + #3 + #6\n");
    assert_collected(ag_sum(3, (const ag_value[]){w[0], x[0], ag_mul(x[1], x[2])}),
                     "#6 products #4 * #5 + #3 + #0\n");
    assert_collected(ag_sum(2, (const ag_value[]){ag_scale(w[0], 2), x[0]}),
                     "#6 products 2 #0\n#7 products #3 + #6\n");
    /* all of it is computed once: no need */
    assert_collected(ag_sum(3, (const ag_value[]){ag_mul(w[0], w[1]), w[2], ag_mul(w[1], w[2])}),
                     "#6 products #0 * #1 + #2 + #1 * #2\n");
}

/* ---- slots.c --------------------------------------------------------------------------------- */

enum {
    PIECES = 200
};

static void test_giving_out_slots(void **state)
{
    (void)state;
    agi_memory memory = {0};
    agi_slots slots = {.memory = &memory};
    problem *p = new_problem(1);
    uint8_t owner[8192] = {0};
    agi_range taken[PIECES] = {{0}};
    size_t in_use = 0, most = 0;
    for (size_t round = 0; round < 20000; round++) {
        const size_t i = draw_below(p, PIECES);
        if (taken[i].n > 0) { /* piece by piece, from either end */
            const uint32_t n = 1 + (uint32_t)draw_below(p, taken[i].n);
            const uint32_t at = taken[i].slot + (draw_below(p, 2) ? 0 : taken[i].n - n);
            assert_int_equal(agi_give_slots(&slots, at, n), AG_OK);
            memset(owner + at, 0, n);
            taken[i].slot += at == taken[i].slot ? n : 0;
            taken[i].n -= n;
            in_use -= n;
            continue;
        }
        taken[i].n = 1 + (uint32_t)draw_below(p, 20);
        assert_int_equal(agi_take_slots(&slots, taken[i].n, &taken[i].slot), AG_OK);
        assert_true(taken[i].slot + taken[i].n <= slots.end && slots.end < sizeof(owner));
        for (uint32_t k = 0; k < taken[i].n; k++) {
            assert_int_equal(owner[taken[i].slot + k], 0);
            owner[taken[i].slot + k] = 1;
        }
        in_use += taken[i].n;
        most = in_use > most ? in_use : most;
    }
    assert_true(slots.end <= 2 * most);
    for (size_t i = 0; i < PIECES; i++)
        assert_int_equal(agi_give_slots(&slots, taken[i].slot, taken[i].n), AG_OK);
    /* all gaps have been joined */
    uint32_t at;
    const uint32_t end = slots.end;
    assert_int_equal(agi_take_slots(&slots, end, &at), AG_OK);
    assert_int_equal(at, 0);
    assert_int_equal(slots.end, end);
    agi_slots_free(&slots);
    assert_int_equal(memory.bytes, 0);
    free_problem(p);
}

/* ---- schedule.c ------------------------------------------------------------------------------ */

/* "load 3, tanh 3": a section's instructions and their elements. */
static void check_section(const agi_section *section, const char *expected, const char *file,
                          int line)
{
    char text[1024] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < section->count; i++) {
        const agi_instruction *at = &section->instructions[i];
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %lu", i == 0 ? "" : ", ",
                                 agi_op_name(at->op), (unsigned long)at->n);
        assert_true(used < sizeof(text));
    }
    if (strcmp(text, expected) == 0)
        return;
    print_error("the section is %s\nnot            %s\n", text, expected);
    _fail(file, line);
}

#define assert_section(section, expected) check_section(section, expected, __FILE__, __LINE__)

static void compile_six(const six *in, size_t n, const ag_value *y, bool plain)
{
    ag_program_free(program);
    program = ag_compile(&(ag_signature){.shared = in->w,
                                         .shared_count = 3,
                                         .each = in->x,
                                         .each_count = 3,
                                         .sum = y,
                                         .sum_count = n},
                         &(ag_compile_options){.plain = plain});
    assert_non_null(program);
}

/* What depends on shared inputs alone is computed once, what comparisons need twice. */
static void test_sections(void **state)
{
    (void)state;
    const six in = make_six();
    const ag_value once = ag_exp(in.w[0]), compared = ag_sin(in.x[0]);
    assert_true(ag_lt(compared, constant(1)));
    assert_true(ag_lt(once, constant(5)));
    const ag_value y[] = {ag_mul(once, compared), ag_tanh(once)};
    compile_six(&in, 2, y, false);
    assert_section(&program->once, "exp 1, lt 1, tanh 1");
    assert_section(&program->check, "load 1, sin 1, lt 1");
    assert_section(&program->body, "load 1, sin 1, mul 1, sums 1, sums 1");
    assert_int_equal(ag_program_describe(program).comparisons, 2);
}

static void test_runs(void **state)
{
    (void)state;
    const six in = make_six();
    ag_value y[9];
    for (size_t i = 0; i < 3; i++) {
        y[i] = ag_mul(in.w[i], in.x[i]);
        y[3 + i] = ag_tanh(in.x[2 - i]);
        y[6 + i] = ag_pow(in.x[i], constant(2.5 + (double)i));
    }
    compile_six(&in, 9, y, false);
    assert_section(&program->once, "");
    assert_section(&program->body, "load 3, mul 3, tanh 3, pow 3, sums 3, sums 3, sums 3");
    compile_six(&in, 9, y, true);
    for (uint32_t i = 1; i < 1 + 9; i++)
        assert_int_equal(program->body.instructions[i].n, 1);
    /* no constant stride */
    y[1] = ag_mul(in.w[2], in.x[1]);
    compile_six(&in, 3, y, false);
    assert_section(&program->body, "load 3, mul 2, mul 1, sums 3");
}

/* The same gates with operands that alternate between two constants are two runs, not many. */
static void test_runs_in_their_best_order(void **state)
{
    (void)state;
    const six in = make_six();
    ag_value y[6];
    for (size_t i = 0; i < 3; i++) {
        y[2 * i] = ag_pow(in.x[i], constant(3));
        y[2 * i + 1] = ag_pow(in.x[i], constant(4));
    }
    compile_six(&in, 6, y, false);
    assert_section(&program->body, "load 3, pow 3, pow 3, sums 3, sums 3");
}

/* Results that nobody needs any more make room: three slots for a chain of thousands. */
static void test_long_chain(void **state)
{
    (void)state;
    enum {
        LENGTH = 100000
    };
    const ag_value x = variable();
    ag_value y = x;
    for (size_t i = 0; i < LENGTH; i++)
        y = i % 2 == 0 ? ag_sin(y) : ag_add(y, x);
    program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    assert_non_null(program);
    assert_true(program->body.slots <= 3);
    assert_int_equal(program->body.count, LENGTH + 2);
}

/* A sum written as a chain is one list, however long. */
static void test_long_sum(void **state)
{
    (void)state;
    enum {
        LENGTH = 100000
    };
    const ag_value x = variable(), w = variable();
    ag_value left = x, right = x;
    for (size_t i = 0; i < LENGTH; i++) {
        left = ag_add(left, ag_mul(x, w));
        right = ag_sub(ag_mul(x, w), right);
    }
    const ag_value y[] = {left, right};
    lower(&(ag_signature){
        .shared = &w, .shared_count = 1, .each = &x, .each_count = 1, .map = y, .map_count = 2});
    collect();
    assert_int_equal(code.count, 4);
    assert_int_equal(code.at[2].b, LENGTH + 1);
    assert_int_equal(code.at[3].b, LENGTH + 1);
}

/* ---- single.c -------------------------------------------------------------------------------- */

/* A slot as "s3", or what is imported into it: "w1", "u0" (computed once), "2.5". */
static int put_slot(char *to, size_t size, const agi_section *section, uint32_t slot)
{
    if (slot < section->slots)
        return snprintf(to, size, "s%lu", (unsigned long)slot);
    assert_true(slot - section->slots < section->imports_count);
    const agi_vector x = section->imports[slot - section->slots];
    if (x.space == AGI_CONSTANTS)
        return snprintf(to, size, "%g", program->constants[x.at]);
    return snprintf(to, size, "%c%lu", x.space == AGI_SHARED ? 'w' : 'u', (unsigned long)x.at);
}

static const struct {
    const char *before;
    uint32_t words;
} term_kinds[] = {
#define TERM(name, words) {#name, words},
    AGI_TERM_KINDS(TERM)
#undef TERM
};

/* "(PRODUCT s0 w1) (MINUS s2)": how a step of a sum reads; returns its words. */
static uint32_t put_sum(char *to, size_t size, const agi_section *section, const uint32_t *step)
{
    const uint32_t index = (step[0] & 0xFFFF) - AGI_STEP_SUM, row = index / AGI_TERM_COUNT;
    const uint32_t kinds[] = {row < 2 ? index % AGI_TERM_COUNT : row / 2 - 1,
                              index % AGI_TERM_COUNT};
    uint32_t at = 2;
    int used = snprintf(to, size, "%s", row % 2 == 1 ? "more" : "sum");
    for (uint32_t k = 0; k < (row < 2 ? 1u : 2u); k++) {
        used += snprintf(to + used, size - (size_t)used, " (%s", term_kinds[kinds[k]].before);
        for (uint32_t i = 0; i < term_kinds[kinds[k]].words; i++) {
            used += snprintf(to + used, size - (size_t)used, " ");
            used += put_slot(to + used, size - (size_t)used, section, step[at++]);
        }
        used += snprintf(to + used, size - (size_t)used, ")");
    }
    return at;
}

static uint32_t put_gate(char *to, size_t size, const agi_section *section, const uint32_t *step,
                         uint32_t operands)
{
    int used = snprintf(to, size, "%s", agi_op_name((uint8_t)step[0]));
    for (uint32_t k = 0; k < operands; k++) {
        used += snprintf(to + used, size - (size_t)used, " ");
        used += put_slot(to + used, size - (size_t)used, section, step[2 + k]);
    }
    return 2 + operands;
}

static uint32_t put_step(char *to, size_t size, const agi_section *section, const uint32_t *step)
{
    static const struct {
        const char *name;
        uint32_t words;
    } others[] = {
        {"end", 1},          {"whole", 2}, {"affine", 3}, {"outer", 2}, {"products", 3},
        {"products run", 2}, {"load", 3},  {"store", 5},  {"sums", 6},  {"run", 10},
    };
    const uint32_t what = step[0] & 0xFFFF, n = step[0] >> 16;
    if (what >= AGI_STEP_SUM)
        return put_sum(to, size, section, step);
    if (what >= AGI_STEP_END) {
        const uint32_t other = what - AGI_STEP_END;
        int used = snprintf(to, size, "%s", others[other].name);
        if (n > 0)
            (void)snprintf(to + used, size - (size_t)used, " %lu", (unsigned long)n);
        return others[other].words;
    }
    const agi_form form = (agi_form)agi_gate_forms[what];
    return put_gate(to, size, section, step,
                    form == AGI_FORM_TERNARY                       ? 3
                    : form == AGI_FORM_UNARY || what == AGI_DETACH ? 1
                                                                   : 2);
}

static void check_steps(const agi_section *section, const char *expected, const char *file,
                        int line)
{
    char text[2048] = "";
    size_t used = 0;
    for (uint32_t at = 0; at < section->steps_count;) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", at == 0 ? "" : "; ");
        at += put_step(text + used, sizeof(text) - used, section, section->steps + at);
        used += strlen(text + used);
    }
    if (strcmp(text, expected) == 0)
        return;
    print_error("the steps are %s\nnot           %s\n", text, expected);
    _fail(file, line);
}

#define assert_steps(section, expected) check_steps(section, expected, __FILE__, __LINE__)

static void test_steps(void **state)
{
    (void)state;
    const six in = make_six();
    /* sums two terms at a time; factors and parameters are imports, each of them one */
    ag_value y[] = {ag_add(ag_scale(ag_mul(in.w[0], in.x[0]), 2.5), in.x[1]),
                    ag_sub(ag_sub(in.x[2], ag_mul(in.w[0], in.x[1])), ag_scale(in.x[0], 2.5))};
    compile_six(&in, 2, y, false);
    assert_steps(&program->body, "load 3; sum (PLUS s1) (SCALED 2.5 w0 s0); "
                                 "sum (PLUS s2) (MINUS_PRODUCT w0 s1); more (PRODUCT -2.5 s0); "
                                 "sums 2; end");
    assert_int_equal(program->body.imports_count, 3);

    /* two or three elements are taken apart, chains keep their rule */
    const ag_value z = ag_mul(in.x[0], ag_tanh(in.x[1]));
    ag_value both[] = {ag_exp(in.x[0]), ag_exp(in.x[2]),
                       ag_add(ag_neg(ag_chain(in.x[0], in.x[1])), ag_chain(z, in.w[2]))};
    compile_six(&in, 3, both, false);
    assert_steps(
        &program->body,
        "load 3; tanh s1; exp s0; exp s2; mul s0 s3; sum (MINUS_CHAIN s0 s1) (CHAIN s2 w2); "
        "sums 2; sums 1; end");

    /* comparisons, and what is computed once */
    assert_true(ag_lt(in.x[0], ag_exp(in.w[1])));
    const ag_value last = ag_sin(in.x[2]);
    compile_six(&in, 1, &last, false);
    assert_steps(&program->once, "exp w1; end");
    assert_steps(&program->check, "load 1; lt s0 u0; end");
    assert_steps(&program->body, "load 1; sin s0; sums 1; end");

    /* no steps: instructions as they are */
    compile_six(&in, 1, &last, true);
    assert_null(program->body.steps);
}

static void test_steps_of_vectors(void **state)
{
    (void)state;
    enum {
        N = 20
    };
    ag_value x[N], y[2 * N + 2];
    for (size_t i = 0; i < N; i++)
        x[i] = variable();
    for (size_t i = 0; i < N; i++) {
        y[i] = ag_tanh(x[i]);
        y[N + i] = ag_add(ag_square(x[i]), ag_scale(y[i], 3));
    }
    y[2 * N] = ag_dot(N, x, y);
    y[2 * N + 1] = ag_logsumexp(N, x);
    program = ag_compile(
        &(ag_signature){.each = x, .each_count = N, .map = y, .map_count = 2 * N + 2}, NULL);
    assert_non_null(program);
    assert_steps(&program->body,
                 "whole; run; whole; products run; products; whole; whole; store 1; "
                 "end");
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void check_refused(const ag_signature *s, ag_status status, const char *message,
                          const char *file, int line)
{
    ag_program *refused = ag_compile(s, NULL);
    if (refused != NULL || ag_error(graph) != status ||
        strstr(ag_error_message(graph), message) == NULL) {
        print_error("%s, \"%s\"\n", ag_status_name(ag_error(graph)), ag_error_message(graph));
        _fail(file, line);
    }
    ag_program_free(refused);
    ag_clear_error(graph);
}

#define assert_refused(status, message, ...)                                                       \
    check_refused(&(ag_signature){__VA_ARGS__}, status, message, __FILE__, __LINE__)

static void test_wrong_inputs(void **state)
{
    (void)state;
    const ag_value w = variable(), x = variable(), y = ag_mul(w, x), c = constant(1);
    assert_int_equal(ag_name(w, "w"), AG_OK);
    assert_int_equal(ag_name(x, "x"), AG_OK);
    assert_refused(AG_INVALID_ARGUMENT,
                   "compile(w = 0.5): an output or a recorded comparison depends on this variable, "
                   "and the signature does not name it",
                   .each = &x, .each_count = 1, .map = &y, .map_count = 1);
    assert_refused(AG_INVALID_ARGUMENT,
                   "compile, each(x = 0.5): the input stands in the signature twice",
                   .each = (const ag_value[]){w, x, x}, .each_count = 3, .map = &y, .map_count = 1);
    assert_refused(AG_INVALID_ARGUMENT,
                   "compile, each(w = 0.5): the input stands in the signature twice", .shared = &w,
                   .shared_count = 1, .each = (const ag_value[]){x, w}, .each_count = 2, .map = &y,
                   .map_count = 1);
    assert_refused(AG_INVALID_ARGUMENT, "compile, shared(#2 = 0.25): an input has to be a variable",
                   .shared = (const ag_value[]){w, y}, .shared_count = 2, .each = &x,
                   .each_count = 1, .map = &y, .map_count = 1);
    assert_refused(AG_INVALID_ARGUMENT, "compile, each(#3 = 1): an input has to be a variable",
                   .each = &c, .each_count = 1, .map = &c, .map_count = 1);
    /* inputs that nothing depends on, and that come after the outputs, are no exception */
    const ag_value late = variable();
    assert_refused(AG_INVALID_ARGUMENT, "compile, each(#4 = 0.5): the input stands", .shared = &w,
                   .shared_count = 1, .each = (const ag_value[]){x, late, late}, .each_count = 3,
                   .map = &y, .map_count = 1);
}

static void test_wrong_outputs(void **state)
{
    (void)state;
    const ag_value w = variable(), x = variable(), y = ag_mul(w, ag_sin(x)), good = ag_exp(w);
    assert_refused(AG_INVALID_ARGUMENT, "compile: the signature has no output", .each = &x,
                   .each_count = 1);
    assert_refused(AG_INVALID_ARGUMENT, "depends on an each input", .shared = &w, .shared_count = 1,
                   .each = &x, .each_count = 1, .once = (const ag_value[]){good, y},
                   .once_count = 2);
    assert_refused(AG_INVALID_ARGUMENT, "compile, once(#1 = 0.5): the output depends on an each",
                   .each = &x, .each_count = 1, .once = &x, .once_count = 1);
    assert_refused(AG_INVALID_ARGUMENT, "compile, map(): the array is NULL", .shared = &w,
                   .shared_count = 1, .map_count = 3);
    assert_refused(AG_INVALID_ARGUMENT, "compile, shared(): the array is NULL", .shared_count = 1,
                   .map = &y, .map_count = 1);
    assert_refused(AG_TOO_LARGE, "compile, map(): too many values", .map = &y,
                   .map_count = (size_t)UINT32_MAX / 8, .each = &x, .each_count = 1);
}

/* A comparison that looks at an input and at a variable that is none; one that looks at none of the
 * inputs is nobody's business. */
static void test_wrong_comparisons(void **state)
{
    (void)state;
    const ag_value x = variable(), limit = variable(), other = variable();
    assert_false(ag_gt(other, limit));
    ag_value y = ag_square(x);
    program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    assert_non_null(program);
    assert_int_equal(ag_program_describe(program).comparisons, 0);
    assert_int_equal(ag_name(limit, "limit"), AG_OK);
    assert_false(ag_gt(x, limit));
    y = ag_square(y);
    assert_refused(AG_INVALID_ARGUMENT, "compile(limit = 0.5): an output or a recorded comparison",
                   .each = &x, .each_count = 1, .map = &y, .map_count = 1);
}

static void test_wrong_handles(void **state)
{
    (void)state;
    const ag_value x = variable(), y = ag_sin(x), null = {graph, AGI_NO_INDEX, AGI_NO_INDEX};
    ag_graph *elsewhere = ag_graph_new(NULL);
    const ag_value foreign = ag_variable(elsewhere, 1);
    const ag_mark mark = ag_graph_mark(graph);
    const ag_value stale = ag_exp(x);
    assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
    assert_refused(AG_NULL_VALUE, "operand 2 is a null value", .each = &x, .each_count = 1,
                   .map = (const ag_value[]){y, null}, .map_count = 2);
    assert_refused(AG_STALE_VALUE, "operand 1 was dropped by a rewind", .each = &x, .each_count = 1,
                   .map = &stale, .map_count = 1);
    assert_refused(AG_WRONG_GRAPH, "operand 1 belongs to another graph", .each = &x,
                   .each_count = 1, .map = &foreign, .map_count = 1);
    assert_int_equal(ag_error(elsewhere), AG_OK);
    ag_graph_free(elsewhere);
    /* nothing that would know a graph: nowhere to put an error */
    assert_null(ag_compile(NULL, NULL));
    assert_null(ag_compile(&(ag_signature){0}, NULL));
    assert_null(ag_compile(&(ag_signature){.map = (const ag_value[]){{0}}, .map_count = 1}, NULL));
    assert_int_equal(ag_error(graph), AG_OK);
}

static void destroy_nothing(void *context)
{
    (void)context;
}

static void test_closure_with_a_destroy(void **state)
{
    (void)state;
    int calls = 0;
    const ag_closure closure = {.name = "owner",
                                .arity = 1,
                                .forward = count_calls,
                                .backward = ignore_gradient,
                                .context = &calls,
                                .destroy = destroy_nothing};
    const ag_value x = variable(), y = ag_apply(&closure, &x);
    assert_refused(AG_INVALID_ARGUMENT, "owner(#0 = 0.5): a closure with a destroy", .each = &x,
                   .each_count = 1, .map = &y, .map_count = 1);
    /* where it is not needed, it does no harm */
    const ag_value z = ag_sin(x);
    program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &z, .map_count = 1}, NULL);
    assert_non_null(program);
}

static ag_real compile_inside(void *context, size_t n, const ag_real *x)
{
    const ag_value *values = context;
    (void)n;
    const ag_signature s = {.each = values, .each_count = 1, .map = values + 1, .map_count = 1};
    assert_null(ag_compile(&s, NULL));
    return x[0];
}

/* A graph with an error, one that is paused, one whose closure is at work. */
static void test_state_of_the_graph(void **state)
{
    (void)state;
    const ag_value x = variable(), y = ag_sin(x), values[] = {x, y};
    const ag_signature s = {.each = &x, .each_count = 1, .map = &y, .map_count = 1};
    (void)ag_set_error(graph, AG_PARSE, "an error of before");
    assert_null(ag_compile(&s, NULL));
    assert_int_equal(ag_error(graph), AG_PARSE);
    assert_string_equal(ag_error_message(graph), "an error of before");
    ag_clear_error(graph);

    assert_int_equal(ag_pause(graph), AG_OK);
    program = ag_compile(&s, NULL); /* makes no nodes, so why not */
    assert_non_null(program);
    assert_int_equal(ag_resume(graph), AG_OK);

    const ag_closure closure = {.name = "compiler",
                                .arity = 1,
                                .forward = compile_inside,
                                .backward = ignore_gradient,
                                .context = (void *)(uintptr_t)values};
    (void)ag_apply(&closure, &x);
    assert_int_equal(ag_error(graph), AG_BUSY);
    ag_clear_error(graph);
}

/* A program keeps what it needs: the graph may go on, or go. */
static void test_independence(void **state)
{
    (void)state;
    const ag_value x = variable(), y = ag_sin(x);
    assert_int_equal(ag_name(x, "angle"), AG_OK);
    const size_t count = ag_graph_count(graph);
    program =
        ag_compile(&(ag_signature){.each = &x, .each_count = 1, .map = &y, .map_count = 1}, NULL);
    assert_non_null(program);
    assert_int_equal(ag_graph_count(graph), count);
    assert_int_equal(ag_set(x, 7), AG_OK);
    ag_graph_free(graph);
    graph = ag_graph_new(NULL);
    assert_string_equal(ag_program_name(program, AG_EACH, 0), "angle");
    assert_null(ag_program_name(program, AG_MAP, 0));
    assert_null(ag_program_name(program, AG_MAP, 1));
    ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
    const double angle = 1;
    double sine;
    assert_int_equal(ag_run(program, workspace, 1, &(ag_arrays){.each = &angle, .map = &sine}),
                     AG_OK);
    assert_close(sine, sin(1), 1e-15);
    ag_workspace_free(workspace);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* A net with a penalty, mixed operands, a closure, comparisons, a matrix of numbers: everything that
 * takes memory. */
static problem *make_everything(void)
{
    static int calls;
    static const ag_real row[] = {1, 2, 3, 4};
    problem *p = new_problem(5);
    const ag_value *w = add_inputs(p, &p->shared, 4 * 5), *x = add_inputs(p, &p->each, 4);
    ag_value y[4], z[4], squares[4 * 5];
    for (size_t i = 0; i < 4; i++)
        y[i] = ag_tanh(ag_add(ag_dot(4, w + 5 * i, x), w[5 * i + 4]));
    for (size_t i = 0; i < 4; i++) {
        const ag_real shifted[] = {row[i], row[3 - i], 2, (ag_real)i};
        z[i] = ag_linear(4, shifted, y, 1);
    }
    for (size_t i = 0; i < 4 * 5; i++)
        squares[i] = ag_square(w[i]);
    (void)ag_lt(z[0], x[1]);
    (void)ag_gt(w[0], ag_constant(p->graph, 100));
    const ag_value mixed[] = {x[0], w[0], ag_constant(p->graph, 2), ag_exp(w[1]), y[2]};
    const ag_closure closure = {.name = "count",
                                .arity = 1,
                                .forward = count_calls,
                                .backward = ignore_gradient,
                                .context = &calls};
    const ag_value loss = ag_add(ag_logsumexp(4, z), ag_sum(4 * 5, squares));
    assert_int_equal(ag_name(loss, "loss"), AG_OK);
    (void)put(&p->sum, loss);
    put_gradient(&p->sum, loss, 4 * 5, w);
    (void)put(&p->map, ag_logsumexp(5, mixed));
    (void)put(&p->map, ag_apply(&closure, x));
    (void)put(&p->once, ag_exp(w[1]));
    (void)put(&p->once, w[2]);
    finish(p);
    return p;
}

static void test_no_memory(void **state)
{
    (void)state;
    problem *p = make_everything();
    const ag_signature s = sign(p);
    failing_heap heap = {.allowed = -1};
    for (int plain = 0; plain < 2; plain++) {
        const ag_compile_options options = {
            .plain = plain != 0, .allocator = allocate_or_fail, .allocator_user = &heap};
        heap = (failing_heap){.allowed = -1};
        ag_program_free(ag_compile(&s, &options));
        assert_int_equal(heap.bytes, 0);
        const long requests = heap.requests;
        assert_true(requests > 40);
        for (long n = 0; n < requests; n++) {
            heap = (failing_heap){.allowed = n};
            ag_program *compiled = ag_compile(&s, &options);
            if (compiled == NULL) {
                assert_int_equal(ag_error(p->graph), AG_OUT_OF_MEMORY);
                assert_contains(ag_error_message(p->graph), "out of memory");
                ag_clear_error(p->graph);
            }
            ag_program_free(compiled);
            assert_int_equal(heap.bytes, 0);
        }
        heap = (failing_heap){.allowed = requests};
        ag_program *compiled = ag_compile(&s, &options);
        assert_non_null(compiled);
        assert_true(ag_program_describe(compiled).bytes <= heap.bytes);
        ag_program_free(compiled);
        assert_int_equal(heap.bytes, 0);
    }
    free_problem(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lowering, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lowering_comparisons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folding_sees_new_constants, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_only_looks_like_an_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closures_are_not_folded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signs_of_zero, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sharing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sharing_comparisons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sharing_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_collecting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_collected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_giving_out_slots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_runs_in_their_best_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps_of_vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_inputs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_outputs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_comparisons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_handles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closure_with_a_destroy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state_of_the_graph, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_independence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
