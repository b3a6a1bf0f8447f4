/* SPDX-License-Identifier: MIT
 *
 * What the commands of the wengert program share. A command is one file with one table: from the
 * table come its --help, its part of the manual page and the shells' completions, and the reading
 * of its options.
 *
 * A command returns the program's exit status: DONE, FAILED (said on stderr: what it was asked for
 * can't be done, or a check failed), MISUSED (the command line or the expression is wrong). What it
 * was asked for goes to stdout, as text or, with --json, as one JSON value; everything else goes to
 * stderr.
 */
#ifndef WENGERT_COMMAND_H
#define WENGERT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    DONE = 0,
    FAILED = 1,
    MISUSED = 2
};

typedef struct option {
    const char *name;     /* "output" for --output */
    char letter;          /* 'o' for -o; 0: none */
    const char *argument; /* "FILE" (completed as one), "NUMBER", ...; NULL: a switch */
    const char *choices;  /* "svg png"; NULL: anything */
    const char *help;     /* a few words, and the default */
} option;

typedef struct command_line command_line;

typedef struct subcommand {
    const char *name;
    const char *operands; /* "EXPRESSION NAME=NUMBER..." */
    const char *summary;  /* what it does, in one line */
    const char
        *description;      /* paragraphs with an empty line between; lines of at most 78 columns */
    const char *examples;  /* one command a line */
    const option *options; /* its own; one without a name ends them */
    bool files;            /* operands are completed as files */
    void (*print_words)(FILE *file); /* what operands may be, with blanks between; NULL: anything */
    int (*run)(const command_line *arguments);
} subcommand;

/* X(name): name_command is defined in a file of its own. This order is the help's. */
#define COMMAND_LIST(X)                                                                            \
    X(grad)                                                                                        \
    X(explain)                                                                                     \
    X(draw)                                                                                        \
    X(check)                                                                                       \
    X(hessian)                                                                                     \
    X(plot)                                                                                        \
    X(minimise)                                                                                    \
    X(gates)                                                                                       \
    X(train)                                                                                       \
    X(predict)                                                                                     \
    X(test)                                                                                        \
    X(show)                                                                                        \
    X(emit)

#define COMMAND_X(name) extern const subcommand name##_command;
COMMAND_LIST(COMMAND_X)
#undef COMMAND_X

/* ---- The command line: arguments.c ----------------------------------------------------------- */

struct command_line {
    const subcommand *command;
    size_t count; /* operands */
    char **operands;
    const char **values; /* of command->options, in their order; NULL: not given; "" for a switch */
    bool json;
};

/* What every command takes beside its own. */
extern const option common_options[];

/* Reads what follows the command's name. An argument is an option if it begins with two dashes or
 * is a dash and a letter of the table: "-x^2" is an operand, and so is everything after "--". */
int read_arguments(const subcommand *command, int argc, char **argv, command_line *arguments);
void free_arguments(command_line *arguments);

/* Whether a word is one of those that choices, a list with spaces between, has. */
bool is_choice(const char *choices, const char *word);
/* NULL: not given. `name` must be in the command's table. */
const char *get_option(const command_line *arguments, const char *name);
bool has_option(const command_line *arguments, const char *name);
/* Leaves *value as it is if the option was not given. false: it is no number (which may be an
 * expression, "1/3") from low to high, and that was said. */
bool get_number(const command_line *arguments, const char *name, double low, double high,
                double *value);
bool get_count(const command_line *arguments, const char *name, uint64_t low, uint64_t high,
               uint64_t *value);

/* Says "wengert NAME: MESSAGE" on stderr; returns the status. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int fail(const command_line *arguments, int status, const char *format, ...);
/* Flushes stdout. FAILED, and said, if something could not be written. */
int finish_output(const command_line *arguments);

/* Memory that is there: ends the program, with a message, where there is none. Zeros. */
void *allocate(size_t count, size_t size);
_Noreturn void end_without_memory(void);
/* Resizes a block to count * size bytes in the same way; what is new is not cleared. */
void *resize(void *block, size_t count, size_t size);

/* Of `count` candidates the one that `word` was most likely meant to be; NULL: none is near. */
const char *find_nearest(const char *word, size_t length, size_t count,
                         const char *const *candidates);

/* ---- Help, manual page, completions: help.c -------------------------------------------------- */

extern const subcommand *const commands[];
extern const size_t command_count;

void print_help(FILE *file);
void print_command_help(FILE *file, const subcommand *command);
void print_manual_page(FILE *file);
void print_bash_completion(FILE *file);
void print_zsh_completion(FILE *file);

#endif
