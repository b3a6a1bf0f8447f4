/* SPDX-License-Identifier: MIT
 *
 * Expressions without memory: each request of the parser, and each of the graph it records into,
 * fails in turn. The parser is compiled in here with another heap.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static struct {
    long allowed; /* requests until one fails; negative: none does */
    long live;
} heap;

static void *count_block(void *former, void *block)
{
    heap.live += former == NULL && block != NULL;
    return block;
}

static bool may_allocate(void)
{
    return heap.allowed < 0 || heap.allowed-- > 0;
}

static void *count_malloc(size_t size)
{
    return may_allocate() ? count_block(NULL, malloc(size)) : NULL;
}

static void *count_calloc(size_t n, size_t size)
{
    return may_allocate() ? count_block(NULL, calloc(n, size)) : NULL;
}

static void *count_realloc(void *pointer, size_t size)
{
    return may_allocate() ? count_block(pointer, realloc(pointer, size)) : NULL;
}

static void count_free(void *pointer)
{
    heap.live -= pointer != NULL;
    free(pointer);
}

#define malloc(size) count_malloc(size)
#define calloc(n, size) count_calloc(n, size)
#define realloc(pointer, size) count_realloc(pointer, size)
#define free(pointer) count_free(pointer)
#include "expression.c"
#undef malloc
#undef calloc
#undef realloc
#undef free

#include "testing.h"

/* Everything the parser takes memory for: stacks that grow, names, a table that grows, operands of
 * gates, coefficients, a long number. */
static char *write_text(void)
{
    enum {
        SIZE = 20000
    };
    char *text = malloc(SIZE), *at = text;
    assert_non_null(text);
    for (int i = 0; i < 120; i++)
        at += sprintf(at, "a%d = x + %d\n", i, i);
    at += sprintf(at, "b = linear(1, 2, x, 3, y); c = dot(x, y, b, 2)\nd = pi*e + sum(1");
    for (int i = 0; i < 100; i++)
        at += sprintf(at, ", a%d", i);
    at += sprintf(at, ") + 1.%0100d1\n", 0);
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "-(1 + tanh(");
    at += sprintf(at, "b*d");
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "))");
    assert_true(at - text < SIZE);
    return text;
}

/* Whether it came to a value; error says why not. */
static bool record_text(failing_heap *graph_heap, long allowed, const char *text, double *value,
                        expression_error *error)
{
    ag_graph *graph = ag_graph_new(
        &(ag_graph_options){.allocator = allocate_or_fail, .allocator_user = graph_heap});
    assert_non_null(graph);
    const ag_value x = ag_variable(graph, 2), y = ag_variable(graph, 3);
    const expression_input inputs[] = {{"x", x}, {"y", y}};
    const size_t nodes = ag_graph_count(graph);
    graph_heap->requests = 0;
    graph_heap->allowed = allowed;
    const ag_value root = record_expression(graph, strlen(text), text, 2, inputs, error);
    graph_heap->allowed = heap.allowed = -1;
    const bool good = !ag_is_null(root);
    if (good) {
        *value = (double)ag_data(root);
    } else {
        assert_int_equal(error->status, AG_OUT_OF_MEMORY);
        assert_contains(error->message, "memory");
        assert_int_equal(ag_graph_count(graph), nodes);
        /* there is memory again: the same graph takes the same text */
        ag_clear_error(graph);
        const ag_value again = record_expression(graph, strlen(text), text, 2, inputs, NULL);
        assert_false(ag_is_null(again));
    }
    ag_graph_free(graph);
    assert_int_equal(graph_heap->bytes, 0);
    assert_int_equal(heap.live, 0);
    return good;
}

static void test_graph_memory(void **state)
{
    (void)state;
    char *text = write_text();
    double whole, value;
    failing_heap graph_heap = {.allowed = -1};
    heap.allowed = -1;
    expression_error error;
    assert_true(record_text(&graph_heap, -1, text, &whole, &error));
    long fails = 0;
    while (graph_heap.allowed = -1, !record_text(&graph_heap, fails, text, &value, &error))
        fails++;
    assert_same(value, whole);
    assert_true(fails > 100);
    free(text);
}

static void test_parser_memory(void **state)
{
    (void)state;
    char *text = write_text();
    double whole, value;
    failing_heap graph_heap = {.allowed = -1};
    expression_error error;
    heap.allowed = -1;
    assert_true(record_text(&graph_heap, -1, text, &whole, &error));
    long fails = 0;
    while (heap.allowed = fails, graph_heap.allowed = -1,
           !record_text(&graph_heap, -1, text, &value, &error))
        fails++;
    assert_same(value, whole);
    assert_true(fails > 125);
    free(text);
}

static void test_no_memory_for_a_number(void **state)
{
    (void)state;
    double number = 7;
    expression_error error;
    long fails = 0;
    while (heap.allowed = fails, !evaluate_number(4, "pi/2", &number, &error)) {
        assert_int_equal(error.status, AG_OUT_OF_MEMORY);
        assert_same(number, 7);
        assert_int_equal(heap.live, 0);
        fails++;
    }
    heap.allowed = -1;
    assert_true(fails > 3);
    assert_close(number, 1.57079632679489661923, ROUNDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_memory),
        cmocka_unit_test(test_parser_memory),
        cmocka_unit_test(test_no_memory_for_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
