/* SPDX-License-Identifier: MIT
 *
 * From a command line to a recorded expression.
 */
#include "circuit.h"
#include "expression.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Text ------------------------------------------------------------------------------------ */

static bool read_stream(circuit *c, FILE *file)
{
    size_t capacity = 0, got = 0;
    do {
        if (capacity - c->length < BUFSIZ) {
            capacity = capacity * 2 + BUFSIZ;
            c->text = resize(c->text, capacity, 1);
        }
        got = fread(c->text + c->length, 1, capacity - c->length, file);
        c->length += got;
    } while (got > 0);
    return !ferror(file);
}

static int read_file(circuit *c, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fail(c->arguments, FAILED, "%s: %s", path, strerror(errno));
    const bool good = read_stream(c, file);
    const int error = errno;
    (void)fclose(file);
    c->source = path;
    return good ? DONE : fail(c->arguments, FAILED, "%s: %s", path, strerror(error));
}

/* Reads the expression; *first becomes the first operand after it. */
static int read_text(circuit *c, size_t *first)
{
    const command_line *a = c->arguments;
    const char *path = get_option(a, "file");
    *first = path == NULL;
    if (path == NULL && a->count == 0)
        return fail(a, MISUSED, "an expression is missing, as in wengert %s 'x*y' x=2 y=3",
                    a->command->name);
    const char *text = path == NULL ? a->operands[0] : path;
    if (strcmp(text, "-") == 0) {
        c->source = "standard input";
        return read_stream(c, stdin) ? DONE
                                     : fail(a, FAILED, "standard input: %s", strerror(errno));
    }
    if (path != NULL)
        return read_file(c, path);
    c->source = "expression";
    c->length = strlen(text);
    c->text = allocate(c->length + 1, 1);
    memcpy(c->text, text, c->length);
    return DONE;
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

bool read_input_number(const circuit *c, const char *operand, size_t length, const char *text,
                       double *number)
{
    expression_error error;
    if (!evaluate_number(length, text, number, &error)) {
        print_expression_error(stderr, operand, length, text, &error);
        return false;
    }
    if ((double)(ag_real)*number == *number || isnan(*number) || isfinite((ag_real)*number))
        return true;
    (void)fail(c->arguments, MISUSED, "%s: too large a number", operand);
    return false;
}

/* Makes a variable of this name, whose numbers go from low to high. */
static int add_input(circuit *c, size_t length, const char *name, double low, double high)
{
    if (c->n == c->capacity) {
        c->capacity = c->capacity * 2 + 8;
        c->inputs = resize(c->inputs, c->capacity, sizeof(*c->inputs));
        c->names = resize(c->names, c->capacity, sizeof(*c->names));
        c->low = resize(c->low, c->capacity, sizeof(*c->low));
        c->high = resize(c->high, c->capacity, sizeof(*c->high));
    }
    char *copy = c->names[c->n] = allocate(length + 1, 1);
    memcpy(copy, name, length);
    c->low[c->n] = low;
    c->high[c->n] = high;
    c->inputs[c->n++] =
        ag_variable(c->graph, (ag_real)(low == high ? low : low + (high - low) / 2));
    if (!ag_is_null(ag_find(c->graph, copy)))
        return fail(c->arguments, MISUSED, "%s is given twice", copy);
    (void)ag_name(c->inputs[c->n - 1], copy);
    return DONE;
}

/* NAME */
static int read_name(circuit *c, const char *operand)
{
    if (!is_input_name(strlen(operand), operand))
        return fail(c->arguments, MISUSED, "\"%.60s\": expected the name of an input", operand);
    return add_input(c, strlen(operand), operand, 0, 0);
}

/* NAME=NUMBER, or NAME=LOW:HIGH */
static int read_input(circuit *c, const char *operand, bool ranges)
{
    const command_line *a = c->arguments;
    const size_t length = strcspn(operand, "=");
    const char *text = operand + length + 1, *colon;
    if (operand[length] == '\0' || length == 0)
        return fail(a, MISUSED, "\"%.60s\": expected NAME=NUMBER, as in x=2", operand);
    if (!is_input_name(length, operand))
        return fail(a, MISUSED, "\"%.60s\": %.*s is not a name that a number can be given to",
                    operand, length < 60 ? (int)length : 60, operand);
    colon = strchr(text, ':');
    if (colon != NULL && !ranges)
        return fail(a, MISUSED, "\"%.60s\": a range, where a number is expected", operand);
    double low, high;
    if (!read_input_number(c, operand, colon == NULL ? strlen(text) : (size_t)(colon - text), text,
                           &low))
        return MISUSED;
    high = low;
    if (colon != NULL && !read_input_number(c, operand, strlen(colon + 1), colon + 1, &high))
        return MISUSED;
    if (colon != NULL && !(low < high && isfinite(high - low)))
        return fail(a, MISUSED, "\"%.60s\": a range goes from a number to a larger one", operand);
    return add_input(c, length, operand, low, high);
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* A name that the command line has not: it is an input. */
static ag_value take_name(void *user, size_t length, const char *name)
{
    circuit *c = user;
    (void)add_input(c, length, name, 0, 0);
    return c->inputs[c->n - 1];
}

static ag_value take_no_name(void *user, size_t length, const char *name)
{
    (void)user;
    (void)length;
    (void)name;
    return ag_find(NULL, NULL);
}

static int record(circuit *c, input_kind kind)
{
    expression_input *inputs = allocate(c->n, sizeof(*inputs));
    for (size_t i = 0; i < c->n; i++)
        inputs[i] = (expression_input){c->names[i], c->inputs[i]};
    expression_error error;
    explain_name *const explain = kind != NAMES ? NULL : c->n == 0 ? take_name : take_no_name;
    c->root =
        record_open_expression(c->graph, c->length, c->text, c->n, inputs, explain, c, &error);
    free(inputs);
    if (!ag_is_null(c->root))
        return DONE;
    print_expression_error(stderr, c->source, c->length, c->text, &error);
    /* so that a check that fails is told from one that could not be begun */
    return error.status == AG_PARSE || error.status == AG_INVALID_ARGUMENT ? MISUSED : FAILED;
}

int open_circuit(circuit *c, const command_line *a, input_kind kind)
{
    *c = (circuit){.arguments = a, .digits = 6};
    uint64_t digits = 6;
    const bool digits_good = get_count(a, "digits", 1, 17, &digits);
    c->digits = (int)digits;
    size_t first = 0;
    int status = digits_good ? read_text(c, &first) : MISUSED;
    if (status != DONE)
        return status;
    c->graph = ag_graph_new(NULL);
    if (c->graph == NULL)
        end_without_memory();
    for (size_t i = first; status == DONE && i < a->count; i++)
        status = kind == NAMES ? read_name(c, a->operands[i])
                               : read_input(c, a->operands[i], kind == RANGES);
    if (status == DONE && ag_error(c->graph) != AG_OK)
        status = fail_circuit(c);
    return status == DONE ? record(c, kind) : status;
}

void close_circuit(circuit *c)
{
    ag_graph_free(c->graph);
    for (size_t i = 0; i < c->n; i++)
        free(c->names[i]);
    free(c->inputs);
    free(c->names);
    free(c->low);
    free(c->high);
    free(c->text);
}

int fail_circuit(const circuit *c)
{
    return fail(c->arguments, FAILED, "%s", ag_error_message(c->graph));
}

const char *show_number(const circuit *c, double number)
{
    static char buffers[8][32];
    static unsigned next;
    char *text = buffers[next++ % 8];
    if (isnan(number)) /* a NaN's sign says nothing */
        (void)snprintf(text, sizeof(buffers[0]), "nan");
    else
        (void)snprintf(text, sizeof(buffers[0]), "%.*g", c->digits, number);
    return text;
}
