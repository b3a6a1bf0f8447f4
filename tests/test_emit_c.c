/* SPDX-License-Identifier: MIT
 *
 * Generated C: every gate of the table with its derivatives, irregular graphs, nets, scans; compiled
 * with every warning, in double and in float, and compared with the recorded graph. What the files
 * say, and what is refused.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "emitting.h"
#include "random_problem.h"
#include "vector_problem.h"

/* ---- Gates ----------------------------------------------------------------------------------- */

/* Rows of operands, as each inputs, for the problems of an emission. */
static struct {
    double *rows[MOST_EMITTED];
    size_t counts[MOST_EMITTED];
} gate_points;

/* The gate of n operands with its gradient and second derivatives. */
static problem *make_gate_problem(const gate *g, size_t n, const ag_real *operands)
{
    problem *p = new_problem(1);
    ag_value x[MOST], gradient[MOST];
    for (size_t i = 0; i < n; i++)
        x[i] = put(&p->each, ag_variable(p->graph, operands[i]));
    const ag_value y = put(&p->map, g->record(n, x));
    put_gradient(&p->map, y, n, x);
    memcpy(gradient, p->map.at + 1, n * sizeof(*gradient));
    for (size_t i = 0; i < n && n <= 4; i++)
        put_gradient(&p->map, gradient[i], n, x);
    finish(p);
    return p;
}

static emission *gates_at_work;

static void add_point(const gate *g, size_t n, const ag_real *operands)
{
    static const gate *last;
    static size_t last_n;
    emission *e = gates_at_work;
    if (e->n == 0 || g != last || n != last_n)
        (void)add_emitted(e, make_gate_problem(g, n, operands), false);
    last = g;
    last_n = n;
    const size_t i = e->n - 1;
    double *rows = realloc(gate_points.rows[i], (gate_points.counts[i] + 1) * n * sizeof(*rows));
    assert_non_null(rows);
    for (size_t k = 0; k < n; k++)
        rows[gate_points.counts[i] * n + k] = (double)operands[k];
    gate_points.rows[i] = rows;
    gate_points.counts[i]++;
}

static void check_gates(ag_emit_options options)
{
    emission e = {.options = options};
    gates_at_work = &e;
    memset(&gate_points, 0, sizeof(gate_points));
    memset(&seen, 0, sizeof(seen));
    visit_samples(add_point);
    visit_edges(add_point);
    load_emission(&e);
    for (size_t i = 0; i < e.n; i++) {
        batch b =
            new_batch(e.problems[i], gate_points.counts[i], (source){0, 1, 0}, options.use_float);
        memcpy(b.each, gate_points.rows[i], b.n * e.problems[i]->each.n * sizeof(*b.each));
        run_recorded(&b);
        check_emitted(&e, i, &b);
        free_batch(&b);
        free(gate_points.rows[i]);
    }
    assert_true(e.n >= GATES);
    assert_true(4 * seen.bounded > 3 * seen.numbers);
    free_emission(&e);
}

static void test_gates(void **state)
{
    (void)state;
    check_gates((ag_emit_options){.use_float = false});
    check_gates((ag_emit_options){.use_float = true});
    check_gates((ag_emit_options){.small_libm = true});
}

/* ---- Irregular graphs ------------------------------------------------------------------------- */

static void test_random_graphs(void **state)
{
    (void)state;
    enum {
        FILES = 4,
        EACH = 40
    };
    memset(&seen, 0, sizeof(seen));
    for (size_t file = 0; file < FILES; file++) {
        emission e = {.options = {.use_float = file % 2 == 1, .static_workspace = file / 2 == 1}};
        for (size_t i = 0; i < EACH; i++)
            (void)add_emitted(&e, make_problem(file * EACH + i), i % 3 == 0);
        load_emission(&e);
        for (size_t i = 0; i < EACH; i++) {
            static const size_t sizes[] = {1, 5, 2};
            batch b = new_batch(e.problems[i], sizes[i % 3],
                                (source){-1.5, 1.5, i % 2 == 0 ? 0 : 10}, e.options.use_float);
            run_recorded(&b);
            check_emitted(&e, i, &b);
            free_batch(&b);
        }
        free_emission(&e);
    }
    assert_true(2 * seen.bounded > seen.numbers);
    assert_true(seen.branches > 0);
}

/* ---- Vectors ---------------------------------------------------------------------------------- */

static void test_vectors(void **state)
{
    (void)state;
    enum {
        PROBLEMS = 24,
        FIRST = 130
    };
    memset(&seen, 0, sizeof(seen));
    for (int is_float = 0; is_float < 2; is_float++) {
        emission e = {.options = {.use_float = is_float, .static_workspace = is_float}};
        (void)add_emitted(&e, make_rows_problem(), false);
        for (uint64_t i = 0; i < PROBLEMS; i++)
            (void)add_emitted(&e, make_vector_problem(FIRST + PROBLEMS * (uint64_t)is_float + i),
                              i % 5 == 4);
        load_emission(&e);
        for (size_t i = 0; i < e.n; i++) {
            batch b = new_batch(e.problems[i], 1 + i % 3, (source){-1.5, 1.5, i % 4 == 3 ? 30 : 0},
                                is_float);
            run_recorded(&b);
            check_emitted(&e, i, &b);
            free_batch(&b);
        }
        free_emission(&e);
    }
    assert_true(2 * seen.bounded > seen.numbers);
}

/* ---- Scans ------------------------------------------------------------------------------------ */

/* Against the interpreter: bounds of the recorded graph don't know what a scan does on its way. */
static void compare_with_interpreter(const emission *e, size_t i, const batch *b)
{
    const problem *p = b->problem;
    results r[] = {new_results(b), new_results(b)};
    ag_workspace *workspace = ag_workspace_new(e->programs[i], NULL, NULL);
    const ag_arrays arrays = {
        .shared = b->shared, .each = b->each, .sum = r[0].sum, .map = r[0].map, .once = r[0].once};
    assert_int_equal(ag_run(e->programs[i], workspace, b->n, &arrays), AG_OK);
    ag_workspace_free(workspace);
    run_emitted(e, i, b, &r[1], 0);
    const double tolerance = e->options.use_float ? 1e-4 : 1e-12;
    for (size_t k = 0; k < p->sum.n; k++)
        assert_true(fabs(r[0].sum[k] - r[1].sum[k]) <= tolerance * (double)b->n);
    for (size_t k = 0; k < b->n * p->map.n; k++)
        assert_true(fabs(r[0].map[k] - r[1].map[k]) <= tolerance);
    free_results(&r[0]);
    free_results(&r[1]);
}

static void test_scans(void **state)
{
    (void)state;
    for (int is_float = 0; is_float < 2; is_float++) {
        emission e = {.options = {.use_float = is_float}};
        (void)add_emitted(&e, make_scan_problem(7), false);
        (void)add_emitted(&e, make_scan_problem(8), true);
        (void)add_emitted(&e, make_shapes_problem(), false);
        load_emission(&e);
        for (size_t i = 0; i < e.n; i++) {
            batch b = new_batch(e.problems[i], 3, (source){-1, 1, 0}, is_float);
            compare_with_interpreter(&e, i, &b);
            free_batch(&b);
        }
        free_emission(&e);
    }
}

/* ---- Steps in place, parameters in the file ---------------------------------------------------- */

/* A tanh unit with the gradient of its square. */
static problem *make_unit(void)
{
    problem *p = new_problem(8);
    const ag_value *w = add_inputs(p, &p->shared, 40), *x = add_inputs(p, &p->each, 40);
    const ag_value y = put(&p->map, ag_tanh(ag_dot(40, w, x)));
    put_gradient(&p->sum, ag_square(y), 40, w);
    finish(p);
    return p;
}

static void test_steps_in_place(void **state)
{
    (void)state;
    emission e = {.options = {.use_float = false}};
    for (size_t i = 0; i < 2; i++) {
        (void)add_emitted(&e, make_unit(), false);
        e.functions[i].scaled = true;
        e.functions[i].batch = i == 1;
    }
    load_emission(&e);
    for (size_t i = 0; i < 2; i++) {
        batch b = new_batch(e.problems[i], 1 + 2 * i, (source){-1, 1, 0}, false);
        double by_interpreter[40], by_c[40], map[3];
        memcpy(by_interpreter, b.shared, sizeof(by_interpreter));
        memcpy(by_c, b.shared, sizeof(by_c));
        ag_workspace *workspace = ag_workspace_new(e.programs[i], NULL, NULL);
        assert_int_equal(ag_run(e.programs[i], workspace, b.n,
                                &(ag_arrays){.shared = by_interpreter,
                                             .each = b.each,
                                             .sum = by_interpreter,
                                             .map = map,
                                             .scale = -0.25}),
                         AG_OK);
        ag_workspace_free(workspace);
        call_double *call;
        find_call(&e, i, &call);
        assert_int_equal(call(b.n, by_c, b.each, by_c, map, NULL, -0.25), 0);
        bool moved = false;
        for (size_t k = 0; k < 40; k++) {
            assert_true(fabs(by_interpreter[k] - by_c[k]) < 1e-13);
            moved = moved || fabs(by_c[k] - b.shared[k]) > 1e-6;
        }
        assert_true(moved);
        free_batch(&b);
    }
    free_emission(&e);
}

static void test_frozen(void **state)
{
    (void)state;
    for (int is_float = 0; is_float < 2; is_float++) {
        emission e = {.options = {.use_float = is_float}};
        const size_t i = add_emitted(&e, make_unit(), false);
        batch b = new_batch(e.problems[i], 5, (source){-1, 1, 0}, is_float);
        e.functions[i].shared = b.shared;
        e.functions[i].frozen = true;
        run_recorded(&b);
        load_emission(&e);
        memset(b.shared, 0, 40 * sizeof(*b.shared)); /* nobody looks */
        check_emitted(&e, i, &b);
        free_batch(&b);
        free_emission(&e);
    }
}

/* ---- Closures ---------------------------------------------------------------------------------- */

static ag_real triple(void *context, size_t arity, const ag_real *x)
{
    (void)context, (void)arity;
    return 3 * x[0] + x[1];
}

static void undo_triple(void *context, size_t arity, const ag_real *x, ag_real y, ag_real upstream,
                        ag_real *downstream)
{
    (void)context, (void)arity, (void)x, (void)y;
    downstream[0] = 3 * upstream;
    downstream[1] = upstream;
}

static problem *make_closure_problem(const char *c_function)
{
    const ag_closure closure = {.name = "triple",
                                .arity = 2,
                                .forward = triple,
                                .backward = undo_triple,
                                .c_function = c_function};
    problem *p = new_problem(9);
    const ag_value *x = add_inputs(p, &p->each, 2);
    (void)put(&p->map, ag_exp(ag_apply(&closure, x)));
    finish(p);
    return p;
}

static void test_closures(void **state)
{
    (void)state;
    emission e = {.options = {.definitions = "double triple(const double *x)\n{\n"
                                             "    return 3 * x[0] + x[1];\n}\n"}};
    const size_t i = add_emitted(&e, make_closure_problem("triple"), false);
    batch b = new_batch(e.problems[i], 5, (source){-1, 1, 0}, false);
    run_recorded(&b);
    load_emission(&e);
    check_emitted(&e, i, &b);
    free_batch(&b);
    free_emission(&e);
}

/* ---- The text ---------------------------------------------------------------------------------- */

static size_t count_text(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

/* The same program gives the same bytes, in any locale. */
static void test_is_deterministic(void **state)
{
    (void)state;
    char *texts[2];
    for (size_t i = 0; i < 2; i++) {
        emission e = {.options = {.use_float = true}};
        for (uint64_t seed = 0; seed < 5; seed++)
            (void)add_emitted(&e, make_problem(seed), false);
        texts[i] = emit_text(&e);
        e.object = NULL;
        for (size_t k = 0; k < e.n; k++) {
            ag_program_free(e.programs[k]);
            free_problem(e.problems[k]);
        }
    }
    assert_string_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

/* A scan whose step reads neither its parameters nor its inputs. */
static problem *make_deaf_scan(size_t states)
{
    enum {
        STEPS = 6
    };
    problem *step = new_problem(9);
    (void)add_inputs(step, &step->shared, 2);
    const ag_value *x = add_inputs(step, &step->each, states + 1);
    for (size_t i = 0; i < states; i++)
        (void)put(&step->map, ag_sin(x[i]));
    finish(step);
    ag_program *program = compile(step, false);
    problem *p = new_problem(10);
    ag_value end[8];
    const ag_scan_arrays arrays = {.shared = add_inputs(p, &p->shared, 2),
                                   .state = add_inputs(p, &p->each, states),
                                   .inputs = add_inputs(p, &p->each, STEPS),
                                   .final_state = end};
    assert_int_equal(ag_scan(p->graph, program, STEPS, states, &arrays), AG_OK);
    put_all(&p->map, states, end);
    finish(p);
    ag_program_free(program);
    free_problem(step);
    return p;
}

/* As C99 and as C++17, by every compiler there is. */
static void test_compilers(void **state)
{
    (void)state;
    static const struct {
        const char *command, *arguments;
    } compilers[] = {{"gcc", "-std=c99"},
                     {"clang", "-std=c99"},
                     {"g++", "-std=c++17 -x c++"},
                     {"clang++", "-std=c++17 -x c++"}};
    for (int is_float = 0; is_float < 2; is_float++) {
        emission e = {.options = {.use_float = is_float, .small_libm = is_float}};
        for (uint64_t seed = 100; seed < 110; seed++)
            (void)add_emitted(&e, make_problem(seed), seed % 2 == 0);
        (void)add_emitted(&e, make_scan_problem(7), false);
        for (size_t i = 0; i < 4; i++)
            (void)add_emitted(&e, make_deaf_scan(i < 2 ? 2 : 7), i % 2 == 0);
        load_emission(&e);
        char path[80], arguments[300];
        (void)snprintf(path, sizeof(path), "%s/g.c", e.directory);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        char *text = emit_text(&e);
        fputs(text, file);
        free(text);
        assert_int_equal(fclose(file), 0);
        size_t tried = 0;
        for (size_t i = 0; i < sizeof(compilers) / sizeof(*compilers); i++) {
            if (!has_command(compilers[i].command))
                continue;
            (void)snprintf(arguments, sizeof(arguments), "%s " STRICT " -c g.c -o g.o",
                           compilers[i].arguments);
            compile_text(&e, compilers[i].command, arguments);
            tried++;
        }
        assert_true(tried > 0);
        free_emission(&e);
    }
}

/* The gradient of a 784-128-10 net is a matter of loops. */
static void test_large_net_is_short(void **state)
{
    (void)state;
    enum {
        IN = 784,
        HIDDEN = 128,
        OUT = 10,
        PARAMETERS = HIDDEN * (IN + 1) + OUT * (HIDDEN + 1)
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value *all = calloc(2 * PARAMETERS + IN + OUT + 1, sizeof(*all));
    assert_non_null(all);
    ag_value *w = all, *gradient = w + PARAMETERS, *each = gradient + PARAMETERS;
    ag_value hidden[HIDDEN], y[OUT];
    for (size_t i = 0; i < PARAMETERS; i++)
        w[i] = ag_variable(graph, 0);
    for (size_t i = 0; i < IN + OUT; i++)
        each[i] = ag_variable(graph, 0);
    for (size_t i = 0; i < HIDDEN; i++, w += IN + 1)
        hidden[i] = ag_tanh(ag_add(ag_dot(IN, w, each), w[IN]));
    for (size_t i = 0; i < OUT; i++, w += HIDDEN + 1)
        y[i] = ag_add(ag_dot(HIDDEN, w, hidden), w[HIDDEN]);
    const ag_value loss = ag_sub(ag_logsumexp(OUT, y), ag_dot(OUT, each + IN, y));
    assert_int_equal(ag_gradient(loss, PARAMETERS, all, gradient), AG_OK);
    ag_program *program = ag_compile(&(ag_signature){.shared = all,
                                                     .shared_count = PARAMETERS,
                                                     .each = each,
                                                     .each_count = IN + OUT,
                                                     .sum = gradient,
                                                     .sum_count = PARAMETERS,
                                                     .map = &loss,
                                                     .map_count = 1},
                                     NULL);
    assert_non_null(program);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(
        ag_emit_c(1, &(ag_c_function){.name = "net", .program = program}, NULL, file, NULL, NULL),
        AG_OK);
    char *text = read_text(file);
    assert_true(count_text(text, "\n") < 300);
    assert_true(count_text(text, "128 x 784") == 2);
    free(text);
    assert_int_equal(fclose(file), 0);
    ag_program_free(program);
    ag_graph_free(graph);
    free(all);
}

/* What loops need of their neighbours' sums and products of inputs they compute again, and outputs are
 * written by the loops that compute them: Rosenbrock's function and its gradient take no memory. */
static void test_rows_are_computed_again(void **state)
{
    (void)state;
    enum {
        N = 40
    };
    emission e = {.options = {.use_float = false}};
    problem *p = new_problem(12);
    const ag_value *x = add_inputs(p, &p->each, N);
    ag_value terms[2 * (N - 1)];
    for (size_t i = 0; i + 1 < N; i++) {
        const ag_value a = ag_square(ag_sub(x[i + 1], ag_square(x[i])));
        terms[2 * i] = ag_scale(a, 100);
        terms[2 * i + 1] = ag_square(ag_sub(ag_constant(p->graph, 1), x[i]));
    }
    put_gradient(&p->map, ag_sum(2 * (N - 1), terms), N, x);
    finish(p);
    const size_t i = add_emitted(&e, p, false);
    size_t numbers;
    assert_int_equal(ag_measure_c(&e.functions[i], &numbers, NULL), AG_OK);
    assert_int_equal(numbers, 0);
    load_emission(&e);
    batch b = new_batch(p, 2, (source){-1, 1, 0}, false);
    compare_with_interpreter(&e, i, &b);
    free_batch(&b);
    free_emission(&e);
}

/* Long straight-line programs are cut into functions; nothing gets lost between them. */
static void test_long_programs_are_cut(void **state)
{
    (void)state;
    emission e = {.options = {.use_float = false}};
    problem *p = new_problem(11);
    const ag_value *x = add_inputs(p, &p->each, 3);
    ag_value at[] = {x[0], x[1], x[2]};
    for (size_t i = 0; i < 1500; i++)
        at[i % 3] = i % 5 == 0 ? ag_sin(ag_add(at[0], at[1]))
                               : ag_tanh(ag_add(ag_mul(at[1], at[2]), at[i % 3]));
    put_all(&p->map, 3, at);
    finish(p);
    const size_t i = add_emitted(&e, p, true);
    char *text = emit_text(&e);
    assert_true(count_text(text, "static void f0_body_") > 5);
    free(text);
    load_emission(&e);
    batch b = new_batch(p, 2, (source){-1, 1, 0}, false);
    compare_with_interpreter(&e, i, &b);
    free_batch(&b);
    free_emission(&e);
}

/* ---- Names ------------------------------------------------------------------------------------- */

static void expect_refusal(size_t n, const ag_c_function *functions, const ag_emit_options *options,
                           const char *word)
{
    ag_error_details error;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ag_emit_c(n, functions, options, file, NULL, &error), AG_INVALID_ARGUMENT);
    if (strstr(error.message, word) == NULL)
        fail_msg("\"%s\" does not say %s", error.message, word);
    assert_int_equal(ftell(file), 0);
    assert_int_equal(fclose(file), 0);
}

/* Functions that are called what others might keep to themselves. */
static void test_names_are_kept_apart(void **state)
{
    (void)state;
    static const char *const names[] = {
        "f",      "f_max",       "f_chain",   "f_body",  "f_body_2", "f_once",
        "f_step", "f_step_body", "f_numbers", "f_list1", "f_check",  "f_1",
        "f_exp2", "f_step2",     "f_sums",    "v1",      "i",        "f_step_1",
    };
    emission e = {.options = {.small_libm = true}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        (void)add_emitted(&e, i % 6 == 0 ? make_scan_problem(7 + i) : make_problem(i), false);
        (void)snprintf(e.names[i], sizeof(e.names[i]), "%s", names[i]);
    }
    char *text = emit_text(&e);
    assert_non_null(strstr(text, " f_2_chain("));
    assert_non_null(strstr(text, " f_2_step_body"));
    assert_non_null(strstr(text, " f_step_2_body"));
    assert_null(strstr(text, " f_sums_1_"));
    free(text);
    load_emission(&e);
    for (size_t i = 0; i < e.n; i++) {
        batch b = new_batch(e.problems[i], 2, (source){-1, 1, 0}, false);
        if (i % 6 == 0) {
            compare_with_interpreter(&e, i, &b);
        } else {
            run_recorded(&b);
            check_emitted(&e, i, &b);
        }
        free_batch(&b);
    }
    free_emission(&e);
}

/* The words of a text that a function could be called, one after the other; NULL behind the last. */
static char *next_word(char **text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    *text += strcspn(*text, letters);
    if (**text == '\0')
        return NULL;
    char *word = *text;
    *text += strspn(word, letters);
    if (**text != '\0')
        *(*text)++ = '\0';
    return word;
}

/* Whatever is in the headers, as a word of the language, a function, a type or a macro. */
static void test_names_of_headers_are_refused(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "-std=c99 -E -P -", "-std=c99 -E -dM - | sed 's/#define \\([A-Za-z0-9_]*\\).*/\\1/'"};
    problem *p = make_unit();
    ag_program *program = compile(p, false);
    size_t words = 0;
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        char command[300];
        (void)snprintf(command, sizeof(command),
                       "printf '#include <%%s.h>\\n' math stddef stdint string stdlib | %s -x c %s",
                       find_compiler(), commands[i]);
        FILE *file = popen(command, "r");
        assert_non_null(file);
        char line[2000];
        while (fgets(line, sizeof(line), file) != NULL) {
            char *at = line;
            for (const char *word = next_word(&at); word != NULL; word = next_word(&at)) {
                if (word[0] == '_' || (word[0] >= '0' && word[0] <= '9') ||
                    strcmp(word, "quot") == 0 || strcmp(word, "rem") == 0)
                    continue;
                const ag_c_function function = {.name = word, .program = program};
                expect_refusal(1, &function, NULL, word);
                words++;
            }
        }
        assert_int_equal(pclose(file), 0);
    }
    assert_true(words > 500);
    ag_program_free(program);
    free_problem(p);
}

/* ---- Mistakes ---------------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    (void)state;
    problem *p = make_unit(), *q = make_closure_problem(NULL);
    ag_program *program = compile(p, false), *with_closure = compile(q, false);
    const ag_c_function good = {.name = "f", .program = program};
    ag_c_function f[] = {good, good};
    expect_refusal(0, NULL, NULL, "no function");
    expect_refusal(2, f, NULL, "two functions are called f");
    f[0].name = "2f";
    expect_refusal(1, f, NULL, "2f");
    f[0].name = "";
    expect_refusal(1, f, NULL, "name");
    f[0].name = NULL;
    expect_refusal(1, f, NULL, "name");
    f[0].name = "a-b";
    expect_refusal(1, f, NULL, "a-b");
    static const char *const taken[] = {"_f",      "int",      "typeof", "co_await", "std",
                                        "main",    "lgammaf",  "sinl",   "gamma",    "memcpy",
                                        "int24_t", "INT8_MAX", "NAN",    "M_PI",     "uint8_t"};
    for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
        f[0].name = taken[i];
        expect_refusal(1, f, NULL, taken[i]);
    }
    static const char *const pairs[][2] = {
        {"net", "Net"}, {"net", "NET_WORKSPACE"}, {"net", "NET_H"}, {"net", "net_shared"}};
    static const double numbers[40];
    for (size_t i = 0; i < 2 * sizeof(pairs) / sizeof(*pairs); i++) {
        f[i % 2] = f[1 - i % 2] = good;
        f[i % 2].name = pairs[i / 2][0];
        f[i % 2].shared = numbers;
        f[1 - i % 2].name = pairs[i / 2][1];
        expect_refusal(2, f, NULL, pairs[i / 2][0]);
        expect_refusal(2, f, NULL, pairs[i / 2][1]);
    }
    f[0] = (ag_c_function){.name = "f"};
    expect_refusal(1, f, NULL, "no program");
    f[0] = (ag_c_function){.name = "f", .program = program, .frozen = true};
    expect_refusal(1, f, NULL, "frozen");
    f[0] = (ag_c_function){.name = "f", .program = with_closure};
    expect_refusal(1, f, NULL, "triple");
    static const char *const of_closures[] = {"sin", "if", "w",       "v12",
                                              "3",   "g",  "g_chain", "g_body_2"};
    for (size_t i = 0; i < sizeof(of_closures) / sizeof(*of_closures); i++) {
        problem *r = make_closure_problem(of_closures[i]);
        ag_program *other = compile(r, false);
        f[0] = (ag_c_function){.name = "g", .program = other};
        expect_refusal(1, f, NULL, of_closures[i]);
        ag_program_free(other);
        free_problem(r);
    }
    f[0] = good;
    expect_refusal(1, f, &(ag_emit_options){.header_name = "f.h"}, "f.h");
    ag_error_details error;
    assert_int_equal(ag_emit_c(1, f, NULL, NULL, NULL, &error), AG_INVALID_ARGUMENT);
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) {
        assert_int_equal(ag_emit_c(1, f, NULL, full, NULL, &error), AG_IO);
        (void)fclose(full);
    }
    ag_program_free(program);
    ag_program_free(with_closure);
    free_problem(p);
    free_problem(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_steps_in_place),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_is_deterministic),
        cmocka_unit_test(test_compilers),
        cmocka_unit_test(test_large_net_is_short),
        cmocka_unit_test(test_rows_are_computed_again),
        cmocka_unit_test(test_long_programs_are_cut),
        cmocka_unit_test(test_names_are_kept_apart),
        cmocka_unit_test(test_names_of_headers_are_refused),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
