/* SPDX-License-Identifier: MIT
 *
 * Any text as an expression of x, y and z, and everything behind it: messages, forward, backward,
 * gradients as nodes, tables and drawings, and compiled programs against the recorded graph.
 * libFuzzer calls the one function here (script/fuzz), and test_expression_corpus does with what
 * was found before. cmocka's assertions end a fuzzer, too.
 */
#include "program_testing.h"

#include "expression.h"

enum {
    MOST_TEXT = 1000, /* bytes */
    MOST_NODES = 1000 /* so that a text takes no more than milliseconds */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where tables and messages go. */
static FILE *open_nowhere(void)
{
    static FILE *file;
    if (file == NULL)
        file = fopen("/dev/null", "w");
    assert_non_null(file);
    return file;
}

static void check_refusal(const problem *p, size_t nodes, size_t size, const char *text,
                          const expression_error *error)
{
    assert_int_not_equal(error->status, AG_OK);
    assert_true(error->message[0] != '\0' && error->offset <= size);
    assert_true(error->line >= 1 && error->column >= 1 && error->column <= error->offset + 1);
    assert_int_equal(ag_graph_count(p->graph), nodes);
    const ag_status status = ag_error(p->graph);
    assert_true(status == AG_OK || status == error->status);
    print_expression_error(open_nowhere(), "text", size, text, error);
}

/* What backward leaves, and the nodes that say the same. */
static bool check_gradient(problem *p, ag_value root, ag_value *gradient)
{
    const ag_real value = ag_data(root);
    assert_int_equal(ag_forward(root), AG_OK);
    assert_same(ag_data(root), value);
    assert_int_equal(ag_backward(root), AG_OK);
    const ag_status status = ag_gradient(root, p->each.n, p->each.at, gradient);
    if (status == AG_TOO_MANY_NODES)
        return false;
    assert_int_equal(status, AG_OK);
    for (size_t i = 0; i < p->each.n; i++) {
        /* a leaf's gradient adds to 0, so it is never -0. Infinity * 0 is NaN in a backward
         * pass where the local gradient of the table is a 0, of which there are no nodes */
        const double node = (double)ag_data(gradient[i]), swept = (double)ag_grad(p->each.at[i]);
        if (!isnan(swept))
            assert_same(node + 0, swept);
    }
    return true;
}

static void check_programs(problem *p, ag_value root, const ag_value *gradient)
{
    put(&p->map, root);
    put(&p->sum, root);
    put_all(&p->map, p->each.n, gradient);
    put_all(&p->sum, p->each.n, gradient);
    ag_value all[] = {root, gradient[0], gradient[1], gradient[2]};
    p->root = ag_sum(4, all);
    if (ag_error(p->graph) == AG_TOO_MANY_NODES)
        return;
    ag_program *plain = compile(p, true), *program = compile(p, false);
    assert_int_equal(ag_program_print(program, open_nowhere()), AG_OK);
    check_batch(p, program, plain, 1, (source){-2, 2, 0});
    check_batch(p, program, plain, 6, (source){-3, 3, 8});
    ag_program_free(program);
    ag_program_free(plain);
}

static void check_value(problem *p, ag_value root)
{
    ag_value gradient[3];
    if (!check_gradient(p, root, gradient))
        return;
    const ag_status status = ag_write_dot(root, open_nowhere(), NULL);
    assert_true(status == AG_OK || status == AG_TOO_LARGE);
    ag_clear_error(p->graph);
    assert_int_equal(ag_explain(root, open_nowhere()), AG_OK);
    check_programs(p, root, gradient);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ag_real values[] = {(ag_real)0.5, -2, 3};
    static const char *const names[] = {"x", "y", "z"};
    if (size > MOST_TEXT)
        return 0;
    /* a block of the text's own, so that a sanitizer sees what is read beyond */
    char *text = malloc(size > 0 ? size : 1);
    problem *p = calloc(1, sizeof(*p));
    assert_true(text != NULL && p != NULL);
    if (size > 0)
        memcpy(text, data, size);
    p->random = size;
    p->graph = ag_graph_new(&(ag_graph_options){.max_nodes = MOST_NODES});
    expression_input inputs[3];
    for (size_t i = 0; i < 3; i++) {
        inputs[i] = (expression_input){names[i], ag_variable(p->graph, values[i])};
        put(&p->each, inputs[i].value);
        assert_int_equal(ag_name(inputs[i].value, names[i]), AG_OK);
    }
    expression_error error;
    const size_t nodes = ag_graph_count(p->graph);
    const ag_value root = record_expression(p->graph, size, text, 3, inputs, &error);
    if (ag_is_null(root))
        check_refusal(p, nodes, size, text, &error);
    else
        check_value(p, root);
    free_problem(p);
    free(text);
    return 0;
}
