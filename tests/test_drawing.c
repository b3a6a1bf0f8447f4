/* SPDX-License-Identifier: MIT
 *
 * Drawings and the scopes that fold them: what is drawn, what it is called, and that every drawing
 * of a random graph holds together.
 */
#define _POSIX_C_SOURCE 200809L
#include "scenario.h"

#include <wengert/nn.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- Text ------------------------------------------------------------------------------------ */

/* A drawing; to be freed. NULL options: the defaults. */
static char *draw_text(ag_value root, const ag_dot_options *options)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    const ag_status status = ag_write_dot(root, file, options);
    if (status != AG_OK)
        fail_msg("%s", ag_error_message(root.graph));
    const long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    text[size] = '\0';
    fclose(file);
    return text;
}

static size_t count_parts(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

/* The line that declares a node: "  gate3 [...];". */
static const char *find_node(const char *text, const char *name, size_t length)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (strncmp(line, name, length) == 0 && strncmp(line + length, " [id=", 5) == 0)
            return line;
    }
    return NULL;
}

/* What a node shows: its text without markup. */
static const char *read_node(const char *text, const char *name)
{
    static char shown[256];
    const char *at = find_node(text, name, strlen(name));
    if (at == NULL)
        fail_msg("there is no %s in\n%s", name, text);
    at = strstr(at, "label=<");
    assert_non_null(at);
    size_t n = 0, depth = 1;
    for (at += strlen("label=<"); depth > 0 && n < sizeof(shown) - 1; at++) {
        if (strncmp(at, "&#160;", 6) == 0)
            at += 5;
        else if (*at == '<')
            depth++;
        else if (*at == '>')
            depth--;
        else if (depth == 1)
            shown[n++] = *at;
        if (*at == '>' && depth == 1 && n > 0 && shown[n - 1] != '|')
            shown[n++] = '|'; /* where one text ends */
    }
    while (n > 0 && shown[n - 1] == '|')
        n--;
    shown[n] = '\0';
    return shown;
}

static void expect_node(const char *text, const char *name, const char *shown)
{
    const char *actual = read_node(text, name);
    if (strcmp(actual, shown) != 0)
        fail_msg("%s shows \"%s\", not \"%s\", in\n%s", name, actual, shown, text);
}

static ag_value named(ag_value x, const char *name)
{
    assert_int_equal(ag_name(x, name), AG_OK);
    return x;
}

static ag_value variable(ag_graph *graph, const char *name, double data)
{
    return named(ag_variable(graph, (ag_real)data), name);
}

/* ---- What is drawn --------------------------------------------------------------------------- */

static void test_a_drawing(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 2), y = variable(graph, "y", -3);
    const ag_value q = named(ag_mul(x, y), "q");
    const ag_value square = ag_square(q);
    const ag_value z = named(ag_sub(square, ag_constant(graph, 1)), "z");
    char *text = draw_text(z, NULL);
    expect_node(text, "wire0", "x|2|36"); /* 2 q y */
    expect_node(text, "wire1", "y|\u22123|\u221224");
    expect_node(text, "wire2", "q| = |\u22126|\u221212");
    expect_node(text, "gate2", "\u00d7");
    expect_node(text, "gate3", "x^2");
    expect_node(text, "wire3", "36|1");
    expect_node(text, "gate5", "\u22121"); /* the constant is inside */
    expect_node(text, "wire5", "35|z|1");
    assert_null(strstr(text, "wire4"));
    assert_contains(text, "  wire0:p:e -> gate2:p0 [id=\"edge2_0\"];\n");
    assert_contains(text, "  wire1:p:e -> gate2:p1 [id=\"edge2_1\"];\n");
    assert_contains(text, "  gate2:e -> wire2:p:w [id=\"out2\"");
    assert_contains(text, "  wire3:p:e -> gate5:p0 [id=\"edge5_0\"];\n");
    assert_int_equal(count_parts(text, " -> "), 7);
    assert_null(strstr(text, ", label=\"")); /* no local gradients */
    free(text);
    text = draw_text(z, &(ag_dot_options){.no_gradients = true, .title = "f & <g>"});
    expect_node(text, "wire0", "x|2");
    expect_node(text, "wire5", "35|z");
    assert_contains(text, "f &amp; &lt;g&gt;");
    free(text);
    text = draw_text(z, &(ag_dot_options){.local_gradients = true});
    assert_contains(text, "[id=\"edge2_0\", label=<<FONT COLOR=\"#6a4a8c\">\u22123</FONT>>]");
    assert_contains(text, "[id=\"edge2_1\", label=<<FONT COLOR=\"#6a4a8c\">2</FONT>>]");
    assert_contains(text, "[id=\"edge5_0\", label=<<FONT COLOR=\"#6a4a8c\">1</FONT>>]");
    free(text);
    ag_graph_free(graph);
}

static void test_digits(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 0.1234567891);
    const ag_value y = ag_scale(x, (ag_real)-12345678);
    char *text = draw_text(y, NULL);
    expect_node(text, "wire0", "x|0.1235|\u22121.235e+07");
    free(text);
    text = draw_text(y, &(ag_dot_options){.digits = 2});
    expect_node(text, "wire0", "x|0.12|\u22121.2e+07");
    expect_node(text, "gate2", "\u00d7\u22121.2e+07");
    free(text);
    text = draw_text(ag_scale(x, 0), &(ag_dot_options){.digits = 17, .no_gradients = true});
    expect_node(text, "wire2", "0");
    free(text);
    assert_int_equal(ag_write_dot(y, stderr, &(ag_dot_options){.digits = 18}), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    assert_int_equal(ag_write_dot(y, stderr, &(ag_dot_options){.digits = -1}), AG_INVALID_ARGUMENT);
    assert_string_equal(ag_error_message(graph), "ag_write_dot: digits are -1, and may be 0 to 17");
    ag_graph_free(graph);
}

static void test_numbers_that_are_none(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = variable(graph, "x", 0);
    char *text = draw_text(ag_neg(ag_log(x)), NULL);
    expect_node(text, "wire0", "x|0|\u2212inf");
    expect_node(text, "wire1", "\u2212inf|\u22121");
    expect_node(text, "wire2", "inf|1");
    free(text);
    text = draw_text(ag_scale(x, (ag_real)NAN), NULL);
    expect_node(text, "gate2", "\u00d7nan");
    free(text);
    ag_graph_free(graph);
}

/* What the last gate's circle shows. */
static void expect_sign(ag_value root, const char *sign)
{
    char name[24];
    (void)snprintf(name, sizeof(name), "gate%zu", ag_topological_order(root, NULL, 0) - 1);
    char *text = draw_text(root, NULL);
    expect_node(text, name, sign);
    free(text);
}

static void test_signs(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 2), y = ag_variable(graph, 3);
    const ag_value three = ag_constant(graph, 3), minus = ag_constant(graph, -2);
    const ag_value k = named(ag_constant(graph, 5), "k");
    const ag_value x3[] = {x, y, three};
    const ag_real w[] = {1, -2, (ag_real)0.5};
    const struct {
        ag_value root;
        const char *sign;
    } cases[] = {
        {ag_neg(x), "\u2212x"},
        {ag_exp(x), "exp"},
        {ag_relu(x), "relu"},
        {ag_sigmoid(x), "sigmoid"},
        {ag_reciprocal(x), "1/x"},
        {ag_square(x), "x^2"},
        {ag_abs(x), "abs"},
        {ag_add(x, y), "+"},
        {ag_add(x, x), "+"},
        {ag_sub(x, y), "a\u2212b"},
        {ag_mul(x, y), "\u00d7"},
        {ag_div(x, y), "a/b"},
        {ag_pow(x, y), "a^b"},
        {ag_max(x, y), "max"},
        {ag_hypot(x, y), "hypot"},
        {ag_add(x, three), "+3"},
        {ag_add(three, x), "+3"},
        {ag_add(x, minus), "+(\u22122)"},
        {ag_sub(x, three), "\u22123"},
        {ag_sub(x, minus), "\u2212(\u22122)"},
        {ag_sub(three, x), "3\u2212x"},
        {ag_mul(x, minus), "\u00d7\u22122"},
        {ag_div(x, three), "/3"},
        {ag_div(three, x), "3/x"},
        {ag_pow_int(x, 3), "x^3"},
        {ag_pow(three, x), "3^x"},
        {ag_max(x, three), "max(x, 3)"},
        {ag_atan2(three, x), "atan2(3, x)"},
        {ag_is_less(three, x), "is_less(3, x)"},
        {ag_add(three, minus), "+"}, /* two constants are two wires */
        {ag_add(x, k), "+"},         /* a name wants a wire */
        {ag_sum(3, x3), "+"},
        {ag_max_of(3, x3), "max_of"},
        {ag_logsumexp(3, x3), "logsumexp"},
        {ag_dot(2, x3, x3 + 1), "\u00d7|dot|\u00d7"},
        {ag_linear(3, w, x3, -1), "\u00d71|linear + \u22121|\u00d7\u22122|\u00d70.5"},
        {ag_select(x, y, three), "c|select|a|b"},
        {ag_detach(x), "detach"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_sign(cases[i].root, cases[i].sign);
    /* operands that can't be exchanged have letters beside the circle */
    char *text = draw_text(ag_sub(x, y), NULL);
    assert_contains(text, "gate2:p0 [id=\"edge2_0\", headlabel=\"a\"]");
    assert_contains(text, "gate2:p1 [id=\"edge2_1\", headlabel=\"b\"]");
    free(text);
    text = draw_text(ag_hypot(x, y), NULL);
    assert_null(strstr(text, "headlabel"));
    free(text);
    ag_graph_free(graph);
}

static void test_leaves(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value bare = ag_constant(graph, 7), k = named(ag_constant(graph, 5), "k");
    const ag_value x = ag_variable(graph, 2);
    const ag_value all[] = {bare, k, x};
    char *text = draw_text(ag_sum(3, all), NULL);
    expect_node(text, "wire0", "7");
    expect_node(text, "wire1", "k|5");
    expect_node(text, "wire2", "v1|2|1"); /* as ag_explain calls it */
    free(text);
    text = draw_text(k, NULL);
    expect_node(text, "wire0", "k|5");
    assert_null(strstr(text, "->"));
    free(text);
    text = draw_text(named(x, "x"), NULL);
    expect_node(text, "wire0", "x|2|1");
    free(text);
    ag_graph_free(graph);
}

static void test_many_operands(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x[100];
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = ag_variable(graph, (ag_real)i);
    char *text = draw_text(ag_sum(COUNT(x), x), NULL);
    assert_int_equal(count_parts(text, " -> gate100:p"), 100);
    assert_contains(text, "-> gate100:p0 [id=\"edge100_9\"]"); /* ten ports are enough */
    assert_contains(text, "-> gate100:p9 [id=\"edge100_90\"]");
    free(text);
    ag_graph_free(graph);
}

/* ---- Folding --------------------------------------------------------------------------------- */

enum {
    PARAMETERS = 13
};

/* A net 2-3-1, its parameters without names or with. */
static ag_value record_net(ag_graph *graph, bool names)
{
    const size_t sizes[] = {2, 3, 1};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 42);
    assert_non_null(model);
    ag_value p[PARAMETERS], y;
    for (size_t i = 0; i < PARAMETERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "p%zu", i);
        p[i] = ag_variable(graph, nn_parameters(model)[i]);
        if (names)
            named(p[i], name);
    }
    const ag_value x[] = {variable(graph, "x1", 0.5), variable(graph, "x2", -1)};
    assert_int_equal(nn_model_record(model, p, x, &y), AG_OK);
    nn_model_free(model);
    return named(y, "y");
}

static void test_folding(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value y = record_net(graph, false);
    char *text = draw_text(y, NULL);
    assert_int_equal(count_parts(text, "subgraph cluster"), 6);
    assert_int_equal(count_parts(text, "  gate"), 11 + 11); /* and where edges begin */
    assert_contains(text, "label=<neuron 3>");
    assert_contains(text, "label=<layer 2>");
    assert_contains(text, "label=<neuron>"); /* the only one in its layer */
    free(text);

    text = draw_text(y, &(ag_dot_options){.fold = 1});
    assert_int_equal(count_parts(text, "subgraph"), 0);
    assert_null(strstr(text, "gate1"));
    expect_node(text, "scope0", "layer 1|9 gates|9 variables");
    expect_node(text, "scope4", "layer 2|2 gates|4 variables");
    assert_int_equal(count_parts(text, " -> scope0:"), 2);
    assert_int_equal(count_parts(text, " -> scope4:"), 3);
    assert_contains(text, "  wire13:p:e -> scope0:i13:w [id=\"in0_13\"");
    assert_contains(text, "  scope0:o17:e -> wire17:p:w [id=\"out17\"");
    assert_contains(text, "  wire17:p:e -> scope4:i17:w [id=\"in4_17\"");
    /* gradients are those of the whole graph, whatever is folded */
    assert_int_equal(ag_backward(y), AG_OK);
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "x1|0.5|%s%.4g",
                   ag_grad(ag_find(graph, "x1")) < 0 ? "\u2212" : "",
                   fabs((double)ag_grad(ag_find(graph, "x1"))));
    expect_node(text, "wire13", expected);
    free(text);

    text = draw_text(y, &(ag_dot_options){.fold = 2});
    assert_int_equal(count_parts(text, "subgraph"), 2);
    expect_node(text, "scope1", "neuron 1|3 gates|3 variables");
    expect_node(text, "scope5", "neuron|2 gates|4 variables");
    free(text);
    char *deep = draw_text(y, &(ag_dot_options){.fold = SIZE_MAX});
    text = draw_text(y, NULL);
    assert_string_equal(deep, text); /* there are no scopes so deep */
    free(deep);
    free(text);
    ag_graph_free(graph);
}

static void test_names_and_bundles(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value y = record_net(graph, true);
    char *text = draw_text(y, &(ag_dot_options){.fold = 1});
    expect_node(text, "scope0", "layer 1|9 gates");
    expect_node(text, "wire0", "11 variables"); /* 9 parameters and both inputs */
    expect_node(text, "wire9", "p9|\u22120.6898|0.7656");
    assert_int_equal(count_parts(text, " -> scope0:"), 1);
    assert_int_equal(count_parts(text, " -> scope4:"), 7); /* 3 values, 4 parameters */
    free(text);
    text = draw_text(y, &(ag_dot_options){.fold = 2});
    assert_null(strstr(text, "variables"));
    free(text);
    ag_graph_free(graph);
}

/* Values that go to other boxes, too, or to a gate, or out, stand alone. */
static void test_what_is_no_bundle(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x[8], y[8];
    for (size_t i = 0; i < 8; i++)
        x[i] = ag_variable(graph, (ag_real)i);
    ag_scope_begin(graph, "first");
    for (size_t i = 0; i < 8; i++)
        y[i] = ag_square(x[i]);
    ag_scope_end(graph);
    ag_scope_begin(graph, "second");
    const ag_value sum = ag_sum(8, y);
    ag_scope_end(graph);
    char *text = draw_text(sum, &(ag_dot_options){.fold = 1});
    expect_node(text, "scope0", "first|8 gates|8 variables");
    expect_node(text, "wire8", "8 values");
    expect_node(text, "scope1", "second|1 gate");
    free(text);
    text = draw_text(ag_add(sum, y[3]), &(ag_dot_options){.fold = 1});
    expect_node(text, "wire11", "9|2");
    expect_node(text, "wire8", "7 values");
    free(text);
    ag_scope_begin(graph, "third");
    const ag_value both = ag_add(ag_mul(sum, y[0]), y[1]);
    ag_scope_end(graph);
    text = draw_text(both, &(ag_dot_options){.fold = 1});
    assert_null(strstr(text, "values")); /* six are left */
    assert_int_equal(count_parts(text, " -> scope1:"), 8);
    assert_int_equal(count_parts(text, " -> scope2:"), 3);
    free(text);
    ag_graph_free(graph);
}

static void test_a_limit_of_boxes(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_scope_begin(graph, "long");
    ag_value y = variable(graph, "x", 1);
    for (int i = 0; i < 10000; i++)
        y = ag_sin(y);
    ag_scope_end(graph);
    char *text = draw_text(y, &(ag_dot_options){.fold = 1, .max_nodes = 3});
    expect_node(text, "scope0", "long|10000 gates");
    free(text);
    assert_int_equal(ag_write_dot(y, stderr, &(ag_dot_options){.fold = 1, .max_nodes = 2}),
                     AG_TOO_LARGE);
    assert_string_equal(ag_error_message(graph), "ag_write_dot: there are 3 values and boxes to "
                                                 "draw, and max_nodes allows 2");
    ag_graph_free(graph);
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

/* The names of the frames around everything in the graph, outer ones first. */
static void expect_frames(ag_value root, const char *expected)
{
    char found[200] = "", *text = draw_text(root, NULL);
    size_t used = 0;
    for (const char *at = text; (at = strstr(at, "subgraph cluster")) != NULL;) {
        at = strstr(at, "label=<") + strlen("label=<");
        used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%.*s", used > 0 ? ", " : "",
                                 (int)strcspn(at, ">"), at);
    }
    free(text);
    assert_string_equal(found, expected);
}

static void test_scopes_nest(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    ag_value y = ag_variable(graph, (ag_real)0.5);
    const char *const names[] = {"a", "b", "b", "a", "a & <b>"};
    assert_int_equal(ag_scope_begin(graph, "outer"), AG_OK);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(ag_scope_begin(graph, names[i]), AG_OK);
        y = ag_sin(y);
        assert_int_equal(ag_scope_end(graph), AG_OK);
    }
    assert_int_equal(ag_scope_begin(graph, "empty"), AG_OK);
    assert_int_equal(ag_scope_end(graph), AG_OK);
    expect_frames(y, "outer, a 1, b 1, b 2, a 2, a &amp; &lt;b&gt;"); /* outer is still open */
    assert_int_equal(ag_scope_end(graph), AG_OK);
    assert_int_equal(ag_scope_begin(graph, "outer"), AG_OK);
    assert_int_equal(ag_scope_begin(graph, "a"), AG_OK);
    y = ag_sin(y);
    expect_frames(y, "outer 1, a 1, b 1, b 2, a 2, a &amp; &lt;b&gt;, outer 2, a");
    assert_int_equal(ag_scope_end(graph), AG_OK);
    assert_int_equal(ag_scope_end(graph), AG_OK);
    assert_int_equal(ag_scope_end(graph), AG_INVALID_ARGUMENT);
    assert_string_equal(ag_error_message(graph), "ag_scope_end: no scope was begun");
    ag_graph_free(graph);
}

/* Every begin wants its end, whatever became of it. */
static void test_scopes_that_fail(void **state)
{
    (void)state;
    assert_int_equal(ag_scope_begin(NULL, "a"), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_scope_end(NULL), AG_INVALID_ARGUMENT);
    ag_graph *graph = ag_graph_new(NULL);
    ag_value y = ag_variable(graph, 1);
    assert_int_equal(ag_scope_begin(graph, "a"), AG_OK);
    assert_int_equal(ag_scope_begin(graph, ""), AG_INVALID_ARGUMENT);
    assert_string_equal(ag_error_message(graph), "ag_scope_begin: the name is empty");
    assert_int_equal(ag_scope_begin(graph, "b"), AG_INVALID_ARGUMENT); /* the first error */
    ag_clear_error(graph);
    assert_int_equal(ag_scope_begin(graph, "c"), AG_OK);
    y = ag_sin(y);
    assert_int_equal(ag_scope_end(graph), AG_OK); /* c */
    assert_int_equal(ag_scope_end(graph), AG_OK); /* b */
    assert_int_equal(ag_scope_begin(graph, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_scope_end(graph), AG_INVALID_ARGUMENT); /* the error, and yet it ends */
    ag_clear_error(graph);
    assert_int_equal(ag_scope_end(graph), AG_OK); /* "" */
    y = ag_sin(y);
    assert_int_equal(ag_scope_end(graph), AG_OK); /* a */
    y = ag_sin(y);
    expect_frames(y, "a, c");
    char *text = draw_text(y, &(ag_dot_options){.fold = 1});
    expect_node(text, "scope0", "a|2 gates|1 variable");
    free(text);
    assert_int_equal(ag_scope_end(graph), AG_INVALID_ARGUMENT);
    ag_graph_free(graph);
}

static void test_rewinds(void **state)
{
    (void)state;
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value x = ag_variable(graph, 1);
    const ag_mark before = ag_graph_mark(graph);
    ag_scope_begin(graph, "a");
    const ag_mark inside = ag_graph_mark(graph); /* at the same node */
    ag_scope_end(graph);
    assert_int_equal(ag_graph_rewind(graph, inside), AG_OK); /* opens a again */
    const ag_value y = ag_sin(x);
    ag_scope_begin(graph, "b");
    const ag_mark deep = ag_graph_mark(graph);
    ag_value z = ag_sin(y);
    ag_scope_end(graph);
    ag_scope_end(graph);
    z = ag_sin(z);
    expect_frames(z, "a, b");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ag_graph_rewind(graph, deep), AG_OK); /* both are open */
        ag_scope_begin(graph, "c");
        z = ag_sin(y);
        ag_scope_end(graph);
        assert_int_equal(ag_scope_end(graph), AG_OK);
        z = ag_sin(z);
        expect_frames(z, "a, b, c");
        assert_int_equal(ag_scope_end(graph), AG_OK);
        assert_int_equal(ag_scope_end(graph), AG_INVALID_ARGUMENT);
        ag_clear_error(graph);
    }
    assert_int_equal(ag_graph_rewind(graph, before), AG_OK);
    z = ag_sin(x);
    expect_frames(z, "");
    assert_int_equal(ag_scope_end(graph), AG_INVALID_ARGUMENT);
    ag_clear_error(graph);
    /* marks in what was dropped */
    assert_int_equal(ag_graph_rewind(graph, before), AG_OK);
    assert_int_equal(ag_graph_rewind(graph, inside), AG_STALE_VALUE);
    ag_clear_error(graph);
    ag_sin(x);
    ag_scope_begin(graph, "d");
    assert_int_equal(ag_graph_rewind(graph, inside), AG_OK); /* where nodes are as they were */
    z = ag_sin(x);
    expect_frames(z, "");
    ag_graph_free(graph);
}

static void test_memory_of_scopes(void **state)
{
    (void)state;
    failing_heap h = {.allowed = -1};
    ag_graph *graph =
        ag_graph_new(&(ag_graph_options){.allocator = allocate_or_fail, .allocator_user = &h});
    const ag_value x = ag_variable(graph, 1);
    const ag_mark mark = ag_graph_mark(graph);
    size_t bytes = 0;
    for (int round = 0; round < 5; round++) {
        ag_value y = x;
        for (int i = 0; i < 1000; i++) {
            ag_scope_begin(graph, i % 2 == 0 ? "even" : "odd");
            y = ag_sin(y);
            ag_scope_end(graph);
        }
        assert_int_equal(ag_graph_rewind(graph, mark), AG_OK);
        assert_true(round == 0 || ag_graph_bytes(graph) == bytes);
        bytes = ag_graph_bytes(graph);
    }
    ag_graph_free(graph);
    assert_int_equal(h.bytes, 0);
}

/* Without memory a scope is an error, like everything else, and what follows is as it was. */
static void test_out_of_memory(void **state)
{
    (void)state;
    ag_status status = AG_OUT_OF_MEMORY;
    long failures = 0;
    for (long k = 0; status != AG_OK; k++) {
        failing_heap h = {.allowed = -1};
        ag_graph *graph =
            ag_graph_new(&(ag_graph_options){.allocator = allocate_or_fail, .allocator_user = &h});
        const ag_value x = ag_variable(graph, 1);
        h.allowed = h.requests + k;
        status = ag_scope_begin(graph, "a");
        h.allowed = -1;
        assert_int_equal(ag_error(graph), status);
        failures += status != AG_OK;
        ag_clear_error(graph);
        assert_int_equal(ag_scope_begin(graph, "b"), AG_OK);
        const ag_value y = ag_sin(x);
        assert_int_equal(ag_scope_end(graph), AG_OK);
        assert_int_equal(ag_scope_end(graph), AG_OK);
        expect_frames(y, status == AG_OK ? "a, b" : "b");

        ag_status drawn = AG_OUT_OF_MEMORY;
        for (long j = 0; drawn != AG_OK; j++) {
            FILE *file = tmpfile();
            assert_non_null(file);
            h.allowed = h.requests + j;
            drawn = ag_write_dot(y, file, &(ag_dot_options){.fold = 1});
            h.allowed = -1;
            assert_true(drawn == AG_OK || (drawn == AG_OUT_OF_MEMORY && j < 3));
            assert_true(drawn == AG_OK || ftell(file) == 0);
            ag_clear_error(graph);
            fclose(file);
        }
        ag_graph_free(graph);
        assert_int_equal(h.bytes, 0);
    }
    assert_int_equal(failures, 2); /* the scopes, their names */
}

static void test_a_buffer(void **state)
{
    (void)state;
    static unsigned char buffer[8192];
    ag_graph *graph = ag_graph_new(
        &(ag_graph_options){.buffer = buffer, .buffer_size = sizeof(buffer), .max_nodes = 100});
    assert_non_null(graph);
    ag_value y = ag_variable(graph, 1);
    int scopes = 0;
    while (ag_scope_begin(graph, "a") == AG_OK && scopes < 10000) {
        ag_scope_end(graph);
        scopes++;
    }
    assert_int_equal(ag_error(graph), AG_OUT_OF_MEMORY);
    assert_true(scopes > 10 && scopes < 500);
    ag_clear_error(graph);
    assert_int_equal(ag_scope_end(graph), AG_OK);
    while (ag_graph_count(graph) < 100)
        y = ag_sin(y);
    assert_false(ag_is_null(y)); /* nodes have their room */
    ag_graph_free(graph);
}

static void test_scopes_within_scopes(void **state)
{
    (void)state;
    enum {
        DEEP = 10000 /* whose text AddressSanitizer measures for each strstr */
    };
    ag_graph *graph = ag_graph_new(NULL);
    ag_value y = variable(graph, "x", 1);
    for (int i = 0; i < DEEP; i++)
        ag_scope_begin(graph, "a");
    y = ag_sin(y);
    char *text = draw_text(y, &(ag_dot_options){.fold = DEEP});
    assert_int_equal(count_parts(text, "subgraph"), DEEP - 1);
    free(text);
    text = draw_text(y, &(ag_dot_options){.fold = 1});
    expect_node(text, "scope0", "a|1 gate");
    free(text);
    ag_graph_free(graph);
}

/* ---- Drawings of random graphs --------------------------------------------------------------- */

static void expect_end(const char *text, const char *end, size_t length)
{
    const size_t node = strcspn(end, ": ");
    const char *line = find_node(text, end, node);
    if (line == NULL)
        fail_msg("there is no %.*s in\n%s", (int)length, end, text);
    char port[40] = "PORT=\"";
    const char *from = end + node + 1;
    const size_t n = strcspn(from, ": ");
    if (end[node] != ':' || (n == 1 && *from == 'e'))
        return;
    strncat(port, from, n < 20 ? n : 20);
    strcat(port, "\"");
    const char *found = strstr(line, port);
    if (found == NULL || found > strchr(line, '\n'))
        fail_msg("%.*s has no %s in\n%s", (int)node, end, port, text);
}

static void expect_ids_once(const char *text)
{
    for (const char *at = text; (at = strstr(at, "id=\"")) != NULL; at++) {
        char id[40];
        (void)snprintf(id, sizeof(id), "%.*s\"", (int)strcspn(at + 4, "\"") + 4, at);
        assert_int_equal(count_parts(text, id), 1);
    }
}

/* Braces pair up, ids are there once, edges lead from and to ports that exist, and every gate is
 * drawn or in a box. */
static void check_drawing(const char *text, size_t gates)
{
    assert_int_equal(count_parts(text, "{"), count_parts(text, "}"));
    expect_ids_once(text);
    size_t drawn = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *arrow = strstr(line, " -> "), *end = strchr(line, '\n');
        if (arrow != NULL && arrow < end) {
            expect_end(text, line + 2, (size_t)(arrow - line) - 2);
            expect_end(text, arrow + 4, strcspn(arrow + 4, " "));
        } else if (strncmp(line, "  gate", 6) == 0) {
            drawn++;
        } else if (strncmp(line, "  scope", 7) == 0) {
            const char *count = strstr(line, " gate");
            for (; count != NULL && count < end && count[-1] != '>'; count--)
                continue;
            drawn += count == NULL || count > end ? 0 : strtoul(count, NULL, 10);
        }
    }
    assert_int_equal(drawn, gates);
}

static size_t count_gates(ag_value root)
{
    static ag_value order[MACHINE_NODES];
    const size_t n = ag_topological_order(root, order, MACHINE_NODES);
    size_t gates = 0;
    for (size_t i = 0; i < n; i++)
        gates += ag_operand_count(order[i]) > 0;
    return gates;
}

static void test_random_graphs(void **state)
{
    (void)state;
    size_t drawings = 0, boxes = 0, frames = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        ag_graph *graph = ag_graph_new(NULL);
        machine *m = new_machine(graph, seed);
        begin_machine(m);
        for (int step = 0; step < 400; step++) {
            (void)step_machine(m);
            ag_clear_error(graph);
            if (step % 20 != 0)
                continue;
            const ag_value root = draw_value(m);
            for (size_t fold = 0; fold < 4; fold++) {
                char *text = draw_text(root, &(ag_dot_options){.fold = fold});
                check_drawing(text, count_gates(root));
                boxes += count_parts(text, "  scope") > 0;
                frames += count_parts(text, "subgraph") > 0;
                drawings++;
                free(text);
            }
        }
        ag_graph_free(graph);
        free(m);
    }
    assert_true(boxes > drawings / 20 && frames > drawings / 20);
}

/* ---- Graphviz -------------------------------------------------------------------------------- */

/* Lays a drawing out; complaints go where the SVG goes, which is to be freed. */
static char *lay_out(ag_value root, const ag_dot_options *options)
{
    enum {
        SVG_SIZE = 1 << 20
    };
    FILE *dot = tmpfile();
    assert_non_null(dot);
    assert_int_equal(ag_write_dot(root, dot, options), AG_OK);
    rewind(dot);
    char command[64];
    (void)snprintf(command, sizeof(command), "dot -Tsvg 2>&1 <&%d", fileno(dot));
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char *svg = calloc(1, SVG_SIZE);
    assert_non_null(svg);
    (void)fread(svg, 1, SVG_SIZE - 1, pipe);
    assert_int_equal(pclose(pipe), 0);
    fclose(dot);
    if (strncmp(svg, "<?xml", 5) != 0 || strstr(svg, "Warning") != NULL)
        fail_msg("%.400s", svg);
    return svg;
}

static void test_graphviz(void **state)
{
    (void)state;
    if (system("dot -V >/dev/null 2>&1") != 0)
        skip();
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value y = record_net(graph, true);
    char *svg = lay_out(y, &(ag_dot_options){.local_gradients = true});
    assert_contains(svg, "<g id=\"gate15\" class=\"node\">");
    assert_contains(svg, "<g id=\"wire15\" class=\"node\">");
    assert_contains(svg, "<g id=\"edge15_3\" class=\"edge\">");
    assert_contains(svg, "<g id=\"out15\" class=\"edge\">");
    assert_contains(svg, "<g id=\"scope1\" class=\"cluster\">");
    free(svg);
    svg = lay_out(y, &(ag_dot_options){.fold = 1});
    assert_contains(svg, "<g id=\"scope4\" class=\"node\">");
    assert_contains(svg, "<g id=\"in4_9\" class=\"edge\">");
    free(svg);
    ag_graph_free(graph);
    for (uint64_t seed = 100; seed < 105; seed++) {
        graph = ag_graph_new(NULL);
        machine *m = new_machine(graph, seed);
        begin_machine(m);
        for (int step = 0; step < 150; step++) {
            (void)step_machine(m);
            ag_clear_error(graph);
        }
        free(lay_out(m->values[m->count - 1], &(ag_dot_options){.fold = (unsigned)(seed % 3)}));
        ag_graph_free(graph);
        free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_drawing),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_many_operands),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_names_and_bundles),
        cmocka_unit_test(test_what_is_no_bundle),
        cmocka_unit_test(test_a_limit_of_boxes),
        cmocka_unit_test(test_scopes_nest),
        cmocka_unit_test(test_scopes_that_fail),
        cmocka_unit_test(test_rewinds),
        cmocka_unit_test(test_memory_of_scopes),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_a_buffer),
        cmocka_unit_test(test_scopes_within_scopes),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_graphviz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
