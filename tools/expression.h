/* SPDX-License-Identifier: MIT
 *
 * Expressions as people write them, recorded as gates: "a = w*x + b; tanh(a)". Knows the language
 * and the gate table, nothing of files or of the command line.
 *
 *     numbers        2, .5, 1e-3; pi, e
 *     names          letters, digits and _, not a digit first; the inputs, and what is bound
 *     operators      loosest first: == != < <= > >= (1 or 0, not chained); + -; * /; unary + -; ^
 *                    ^ goes to the right and binds tighter than a minus before it: -x^2 is -(x^2),
 *                    2^-x is 2^(-x). Comparisons are gates (is_less, ...), never recorded outcomes
 *     calls          every gate of the table by its name, with as many operands as it has; sum,
 *                    logsumexp, max_of with any number; dot(x1, w1, x2, w2, ...);
 *                    linear(offset, w1, x1, w2, x2, ...) with plain numbers for offset and w;
 *                    gt, ge, lt, le, eq, ne as the operators
 *     bindings       name = expression, before the last expression, which has no name and is the
 *                    result; separated by ; or by the end of a line outside of parentheses at which
 *                    an expression is whole
 *     comments       from # to the end of the line
 *
 * What is written is what is recorded, but for three things that read better so: -2 is a number (in
 * -2^2 it is not), 1/x is a reciprocal, and an exponent made of numbers that comes out whole is one
 * constant, so that the gradient is right for negative x, too.
 */
#ifndef WENGERT_EXPRESSION_H
#define WENGERT_EXPRESSION_H

#include <wengert/autograd.h>

/* A name that an expression may use, and its value in the graph. */
typedef struct expression_input {
    const char *name;
    ag_value value;
} expression_input;

typedef struct expression_error {
    ag_status status;    /* AG_OK: none */
    size_t line, column; /* from 1; columns are characters of UTF-8, and bytes that are none. 0: no
                            place in the text, but something about the inputs */
    size_t offset;       /* the same place in bytes, from 0 */
    char message[240];   /* what was expected and what was found, or what the engine says */
} expression_error;

/* Records text (length bytes, which need not end in 0) as gates of graph, and returns the last
 * expression's value. Bindings are scopes, and name their values (ag_name), unless a name stands for
 * them already: with a = x, both are x. pi and e are constants of these names, one of each in a graph.
 *
 * A null value, and *error (which may be NULL) is filled, if it is AG_PARSE, no expression;
 * AG_INVALID_ARGUMENT, a name that is nothing or something else, in the text or among the inputs;
 * AG_NULL_VALUE, an input without a value; AG_OUT_OF_MEMORY; or whatever the engine refuses, and
 * then the graph has that error, too. The graph has no new nodes then. Any text is taken, of any
 * length and depth of parentheses: time and memory are linear, and nothing recurses. */
ag_value record_expression(ag_graph *graph, size_t length, const char *text, size_t n,
                           const expression_input *inputs, expression_error *error);

/* What a name stands for that neither the inputs nor the text has explained, length bytes: a new
 * variable of the graph, say. A null value: nothing. */
typedef ag_value explain_name(void *user, size_t length, const char *name);

/* As record_expression; a name that means nothing becomes an input, with the value that explain has
 * for it. explain may be NULL. */
ag_value record_open_expression(ag_graph *graph, size_t length, const char *text, size_t n,
                                const expression_input *inputs, explain_name *explain, void *user,
                                expression_error *error);

/* The value of an expression of numbers alone ("pi/4", "-3"). */
bool evaluate_number(size_t length, const char *text, double *number, expression_error *error);

/* Whether text is a name that an input may have: neither pi or e nor a gate's. */
bool is_input_name(size_t length, const char *text);

/* Writes "SOURCE:LINE:COLUMN: MESSAGE", the line of the text (of a long one, what is around), and a
 * caret below the place. Control characters of the text come out as '?'. */
void print_expression_error(FILE *file, const char *source, size_t length, const char *text,
                            const expression_error *error);

#endif
