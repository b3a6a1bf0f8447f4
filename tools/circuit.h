/* SPDX-License-Identifier: MIT
 *
 * A recorded expression with its inputs, as most commands take one: EXPRESSION NAME=NUMBER...; the
 * expression from the first operand, from a file (--file) or, where that is "-", from standard
 * input.
 */
#ifndef WENGERT_CIRCUIT_H
#define WENGERT_CIRCUIT_H

#include "command.h"

#include <wengert/autograd.h>

/* What these commands have in their table. */
#define EXPRESSION_OPTION                                                                          \
    {                                                                                              \
        "file", 'f', "FILE", NULL, "read the expression from FILE"                                 \
    }
#define DIGITS_OPTION                                                                              \
    {                                                                                              \
        "digits", 'd', "NUMBER", NULL, "significant digits of numbers, 1 to 17 [6]"                \
    }
#define EXPRESSION_OPERANDS "EXPRESSION [NAME=NUMBER]..."

/* What stands behind the expression. */
typedef enum input_kind {
    NUMBERS, /* NAME=NUMBER */
    RANGES,  /* NAME=LOW:HIGH as well; the middle is taken */
    NAMES    /* NAME, and 0 is taken. Without any: the expression's, as they appear in it */
} input_kind;

typedef struct circuit {
    const command_line *arguments;
    ag_graph *graph;
    ag_value root;
    size_t n, capacity; /* inputs, in the order of the command line */
    ag_value *inputs;
    char **names;
    double *low, *high; /* NAME=LOW:HIGH; the same number twice for NAME=NUMBER */
    const char *source; /* for messages: "expression", the file's name, "standard input" */
    char *text;
    size_t length;
    int digits; /* of numbers, from --digits */
} circuit;

/* Reads and records. A status of the program; close it, whether it opened or not. */
int open_circuit(circuit *circuit, const command_line *arguments, input_kind kind);
void close_circuit(circuit *circuit);

/* Reads the number of an operand, length bytes of text in it. false: it is none that ag_real holds,
 * and that was said. */
bool read_input_number(const circuit *circuit, const char *operand, size_t length, const char *text,
                       double *number);

/* Says what the engine refused. */
int fail_circuit(const circuit *circuit);

/* A number with the digits asked for; one of eight buffers in turn. */
const char *show_number(const circuit *circuit, double number);

#endif
