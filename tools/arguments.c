/* SPDX-License-Identifier: MIT
 *
 * Reads a command's options and operands by its table, and says what is wrong with them. getopt
 * takes any dash for an option, and here "-x^2" is an expression.
 */
#include "command.h"
#include "characters.h"
#include "expression.h"
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words ----------------------------------------------------------------------------------- */

/* What people gave is quoted in messages, and may be anything. */
int fail(const command_line *arguments, int status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    const size_t size = length < 0 ? 1 : (size_t)length + 8;
    char *message = allocate(size, 1), *shown = allocate(size, 1);
    va_start(list, format);
    (void)vsnprintf(message, size, format, list);
    va_end(list);
    if (size >= 8)
        show_text(strlen(message), message, size, shown);
    (void)fprintf(stderr, "wengert %s: %s\n", arguments->command->name, shown);
    free(message);
    free(shown);
    return status;
}

int finish_output(const command_line *arguments)
{
    const bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout))
        return DONE;
    return fail(arguments, FAILED, "standard output can't be written");
}

void *allocate(size_t count, size_t size)
{
    void *pointer = calloc(count > 0 ? count : 1, size);
    if (pointer == NULL)
        end_without_memory();
    return pointer;
}

void *resize(void *block, size_t count, size_t size)
{
    void *resized = count > SIZE_MAX / size ? NULL : realloc(block, count * size);
    if (resized == NULL)
        end_without_memory();
    return resized;
}

void end_without_memory(void)
{
    (void)fputs("wengert: out of memory\n", stderr);
    exit(FAILED);
}

/* ---- Options --------------------------------------------------------------------------------- */

const option common_options[] = {
    {"json", 0, NULL, NULL, "print JSON"},
    {"help", 'h', NULL, NULL, "print this help"},
    {0},
};

static size_t count_options(const option *options)
{
    size_t count = 0;
    while (options[count].name != NULL)
        count++;
    return count;
}

static const option *find_option(const option *options, const char *name, size_t length,
                                 char letter)
{
    for (; options->name != NULL; options++)
        if (name != NULL
                ? strlen(options->name) == length && strncmp(options->name, name, length) == 0
                : options->letter == letter && letter != '\0')
            return options;
    return NULL;
}

bool is_choice(const char *choices, const char *value)
{
    const size_t length = strlen(value);
    for (const char *at = choices; *at != '\0';) {
        const size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, value, word) == 0)
            return true;
        at += word + (at[word] == ' ');
    }
    return false;
}

static int refuse_option(const command_line *a, const char *word, size_t length)
{
    const option *own = a->command->options;
    const size_t count = count_options(own), common = count_options(common_options);
    const char **names = allocate(count + common, sizeof(*names));
    for (size_t i = 0; i < count + common; i++)
        names[i] = i < count ? own[i].name : common_options[i - count].name;
    const char *near = find_nearest(word, length, count + common, names);
    free(names);
    return near == NULL ? fail(a, MISUSED, "there is no option --%.*s; see wengert %s --help",
                               (int)length, word, a->command->name)
                        : fail(a, MISUSED, "there is no option --%.*s: did you mean --%s?",
                               (int)length, word, near);
}

static int set_option(command_line *a, const option *o, const char *value)
{
    if (o->choices != NULL && !is_choice(o->choices, value))
        return fail(a, MISUSED, "--%s %s: expected one of %s", o->name, value, o->choices);
    a->values[o - a->command->options] = value;
    return DONE;
}

/* Reads the option at argv[*i], which is moved past its value. */
static int read_option(command_line *a, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    const bool is_long = word[1] == '-';
    const char *name = is_long ? word + 2 : NULL;
    const size_t length = is_long ? strcspn(name, "=") : 0;
    const char *value = is_long && name[length] == '=' ? name + length + 1 : NULL;
    const option *o = find_option(a->command->options, name, length, word[1]);
    const bool common = o == NULL;
    if (common)
        o = find_option(common_options, name, length, word[1]);
    if (o == NULL)
        return refuse_option(a, name, length);
    if (o->argument == NULL && value != NULL)
        return fail(a, MISUSED, "--%s takes no value", o->name);
    if (o->argument != NULL && value == NULL) {
        if (*i + 1 == argc)
            return fail(a, MISUSED, "--%s wants a value: %s", o->name, o->argument);
        value = argv[++*i];
    }
    if (!common)
        return set_option(a, o, o->argument == NULL ? "" : value);
    if (strcmp(o->name, "json") == 0)
        a->json = true;
    return DONE;
}

static bool is_option(const subcommand *command, const char *word)
{
    if (word[0] != '-' || word[1] == '\0')
        return false;
    if (word[1] == '-')
        return word[2] != '\0';
    return word[2] == '\0' && (find_option(command->options, NULL, 0, word[1]) != NULL ||
                               find_option(common_options, NULL, 0, word[1]) != NULL);
}

int read_arguments(const subcommand *command, int argc, char **argv, command_line *a)
{
    *a = (command_line){.command = command};
    a->operands = allocate((size_t)argc, sizeof(*a->operands));
    a->values = allocate(count_options(command->options), sizeof(*a->values));
    bool options = true;
    for (int i = 0; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && is_option(command, argv[i])) {
            const int status = read_option(a, argc, argv, &i);
            if (status != DONE)
                return status;
        } else {
            a->operands[a->count++] = argv[i];
        }
    }
    if (a->json && !can_report())
        return fail(a, FAILED, "--json: this program was built without jansson");
    return DONE;
}

void free_arguments(command_line *a)
{
    free(a->operands);
    free((void *)a->values);
}

const char *get_option(const command_line *a, const char *name)
{
    const option *o = find_option(a->command->options, name, strlen(name), '\0');
    return o == NULL ? NULL : a->values[o - a->command->options];
}

bool has_option(const command_line *a, const char *name)
{
    return get_option(a, name) != NULL;
}

bool get_number(const command_line *a, const char *name, double low, double high, double *value)
{
    const char *text = get_option(a, name);
    if (text == NULL)
        return true;
    double number;
    expression_error error;
    if (!evaluate_number(strlen(text), text, &number, &error)) {
        char *source = allocate(strlen(name) + 3, 1);
        print_expression_error(stderr, strcat(strcpy(source, "--"), name), strlen(text), text,
                               &error);
        free(source);
        return false;
    }
    if (!(number >= low && number <= high)) {
        (void)fail(a, MISUSED, "--%s %s: expected a number from %g to %g", name, text, low, high);
        return false;
    }
    *value = number;
    return true;
}

bool get_count(const command_line *a, const char *name, uint64_t low, uint64_t high,
               uint64_t *value)
{
    const char *text = get_option(a, name);
    if (text == NULL)
        return true;
    uint64_t number = 0;
    bool good = *text != '\0';
    for (const char *at = text; good && *at != '\0'; at++) {
        const unsigned digit = (unsigned)(*at - '0');
        good = digit <= 9 && number <= (UINT64_MAX - digit) / 10;
        number = number * 10 + digit;
    }
    if (!good || number < low || number > high) {
        (void)fail(a, MISUSED, "--%s %s: expected a whole number from %llu to %llu", name, text,
                   (unsigned long long)low, (unsigned long long)high);
        return false;
    }
    *value = number;
    return true;
}

/* ---- The nearest word ------------------------------------------------------------------------ */

enum {
    LONGEST_WORD = 40
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters were left out, put in, changed or exchanged with their neighbour (Damerau, 1964,
 * as "optimal string alignment"). */
static size_t measure_distance(const char *a, size_t m, const char *b, size_t n)
{
    size_t rows[3][LONGEST_WORD + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++)
        above[j] = j;
    for (size_t i = 1; i <= m; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[n];
}

const char *find_nearest(const char *word, size_t length, size_t count,
                         const char *const *candidates)
{
    const char *best = NULL;
    size_t nearest = length / 3 + 1; /* as many as still leave it the same word */
    for (size_t i = 0; i < count; i++) {
        const size_t n = strlen(candidates[i]);
        if (length > LONGEST_WORD || n > LONGEST_WORD)
            continue;
        const size_t distance = measure_distance(word, length, candidates[i], n);
        const bool nearer = best == NULL || distance < nearest ||
                            (distance == nearest && n == length && strlen(best) != length);
        if (distance < least(length, n) && distance <= nearest && nearer) {
            best = candidates[i];
            nearest = distance;
        }
    }
    return best;
}
