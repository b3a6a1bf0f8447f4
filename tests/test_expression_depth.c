/* SPDX-License-Identifier: MIT
 *
 * Expressions of 10 MB, up to ten million parentheses deep, on a stack of 256 KiB: a result, or an
 * error in the right place.
 */
#include "testing.h"

#include "expression.h"

#include <pthread.h>

enum {
    STACK = 256 * 1024,
    DEEP = 100 * 1000,
    BYTES = 10 * 1000 * 1000
};

/* open, so many times; middle; close, as often; end. */
typedef struct job {
    const char *open, *middle, *close, *end;
    size_t times;
    /* what came out */
    double value, gradient;
    size_t nodes;
    expression_error error;
    char printed[600];
} job;

static char *repeat(char *at, const char *part, size_t times)
{
    const size_t n = strlen(part);
    for (size_t i = 0; i < times && n > 0; i++, at += n)
        memcpy(at, part, n);
    return at;
}

static void print_error_to(job *j, size_t length, const char *text)
{
    FILE *file = tmpfile();
    if (file == NULL)
        return;
    print_expression_error(file, "it", length, text, &j->error);
    rewind(file);
    j->printed[fread(j->printed, 1, sizeof(j->printed) - 1, file)] = '\0';
    (void)fclose(file);
}

static void *run_job(void *argument)
{
    job *j = argument;
    const size_t most =
        j->times * (strlen(j->open) + strlen(j->close)) + strlen(j->middle) + strlen(j->end) + 1;
    char *text = malloc(most);
    ag_graph *graph = ag_graph_new(NULL);
    if (text == NULL || graph == NULL)
        return NULL;
    char *end = repeat(text, j->open, j->times);
    end = repeat(repeat(repeat(end, j->middle, 1), j->close, j->times), j->end, 1);
    const ag_value x = ag_variable(graph, 1);
    const expression_input input = {"x", x};
    const size_t length = (size_t)(end - text);
    const ag_value root = record_expression(graph, length, text, 1, &input, &j->error);
    j->nodes = ag_graph_count(graph);
    if (!ag_is_null(root) && ag_backward(root) == AG_OK) {
        j->value = (double)ag_data(root);
        j->gradient = (double)ag_grad(x);
    } else {
        print_error_to(j, length, text);
    }
    ag_graph_free(graph);
    free(text);
    return NULL;
}

static job run_to(const char *open, const char *middle, const char *close, size_t times,
                  const char *end)
{
    job j = {.open = open, .middle = middle, .close = close, .end = end, .times = times};
    j.error.status = AG_IO; /* not even begun */
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_job, &j), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    return j;
}

static job run(const char *open, const char *middle, const char *close, size_t times)
{
    return run_to(open, middle, close, times, "");
}

static void check_result(const job *j, double value, double gradient)
{
    if (j->error.status != AG_OK)
        print_error("%s", j->printed);
    assert_int_equal(j->error.status, AG_OK);
    assert_same(j->value, value);
    assert_same(j->gradient, gradient);
}

static void check_error(const job *j, size_t column, const char *message)
{
    assert_int_equal(j->error.status, AG_PARSE);
    assert_int_equal(j->error.line, 1);
    assert_int_equal(j->error.column, column);
    assert_string_equal(j->error.message, message);
    assert_int_equal(j->nodes, 1);
    assert_true(strlen(j->printed) > 10 && strlen(j->printed) < 400);
}

static void test_parentheses(void **state)
{
    (void)state;
    const size_t times[] = {DEEP, BYTES};
    for (size_t i = 0; i < 2; i++) {
        const size_t n = times[i];
        job j = run("(", "x", ")", n);
        check_result(&j, 1, 1);
        j = run("(", "x", "", n);
        check_error(&j, n, "the \"(\" is not closed");
    }
    job j = run("", "x", ")", DEEP);
    check_error(&j, 2, "\")\" without a \"(\"");
    j = run("(", "x)", ")", DEEP);
    check_error(&j, 2 * DEEP + 2, "\")\" without a \"(\"");
    assert_contains(j.printed, "\n  ...))))");
}

/* Whole numbers, exact in a float, too. */
static void test_gates(void **state)
{
    (void)state;
    const size_t n = BYTES;
    job j = run("-", "x", "", n);
    check_result(&j, n % 2 == 0 ? 1 : -1, n % 2 == 0 ? 1 : -1);
    assert_int_equal(j.nodes, n + 1);
    j = run("x*", "x", "", 10 * DEEP);
    check_result(&j, 1, 10 * DEEP + 1);
    j = run("0+(", "x", ")", 10 * DEEP);
    check_result(&j, 1, 1);
    j = run("max_of(x,", "x", ")", DEEP);
    check_result(&j, 1, 1);
    j = run("max(max(x,x),", "x", "", DEEP);
    check_error(&j, (size_t)DEEP * 13 - 9, "the \"(\" is not closed");
}

static void test_lengths(void **state)
{
    (void)state;
    const size_t n = BYTES;
    job j = run_to("", "sum(x", ",x", n / 2, ")");
    check_result(&j, (double)n / 2 + 1, (double)n / 2 + 1);
    assert_int_equal(j.nodes, 2);
    j = run(" ", "x", "\n", n / 2);
    check_result(&j, 1, 1);
    j = run("0", "1", "", n);
    check_result(&j, 1, 0);
    j = run("", "0.", "1", n);
    assert_close(j.value, 1.0 / 9, ROUNDING);
    j = run("", "x+y", "y", n);
    assert_int_equal(j.error.status, AG_INVALID_ARGUMENT);
    assert_true(strlen(j.error.message) < 200);
    j = run("#", "\nx", "#", n / 2);
    assert_int_equal(j.error.status, AG_OK);
    j = run("\n", "$", "", n);
    assert_int_equal(j.error.line, n + 1);
    assert_int_equal(j.error.column, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parentheses),
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
