/* SPDX-License-Identifier: MIT
 *
 * Everything that is said about the commands, from their tables: help, the manual page, and what
 * bash and zsh need to complete them.
 */
#include "command.h"

#include <stdbool.h>
#include <string.h>
#include <wengert/autograd.h>

static const char purpose[] = "derivatives of expressions, their pictures, and small neural nets";

static const char *const language[][2] = {
    {"2, .5, 1e-3, pi, e", "numbers"},
    {"+ - * / ^", "arithmetic; -x^2 is -(x^2), and ^ goes to the right"},
    {"< <= > >= == !=", "comparisons: 1 or 0"},
    {"select(c, a, b)", "a where c is not 0, else b"},
    {"tanh(x), max(a, b), ...", "every gate; wengert gates lists them"},
    {"sum(a, b, ...)", "and logsumexp, max_of: any number of operands"},
    {"dot(x1, w1, x2, w2, ...)", "x1*w1 + x2*w2 + ..."},
    {"linear(b, w1, x1, ...)", "b + w1*x1 + ..., where b and the w are numbers"},
    {"a = w*x + b; tanh(a)", "names for parts, before the result"},
    {"# words", "a comment, to the end of the line"},
};

static const option general_options[] = {
    {"help", 'h', NULL, NULL, "print this help"},
    {"version", 0, NULL, NULL, "print which version this is"},
    {"manual", 0, NULL, NULL, "print the manual page"},
    {"bash-completion", 0, NULL, NULL, "print what bash needs to complete commands"},
    {"zsh-completion", 0, NULL, NULL, "print what zsh needs to complete commands"},
    {0},
};

enum {
    LANGUAGE = sizeof(language) / sizeof(language[0])
};

/* ---- Help ------------------------------------------------------------------------------------ */

static void print_lines(FILE *file, const char *text, const char *indent)
{
    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");
        (void)fprintf(file, "%s%.*s\n", length > 0 ? indent : "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

enum {
    HELP_INDENT = 28,
    HELP_WIDTH = 80
};

/* Moves to the right column, in the next line where this one is taken. */
static size_t begin_right(FILE *file, size_t column)
{
    if (column + 2 > HELP_INDENT) {
        (void)fputc('\n', file);
        column = 0;
    }
    (void)fprintf(file, "%*s", (int)(HELP_INDENT - column), "");
    return HELP_INDENT;
}

/* One after the other in the right column; returns where the line ends. */
static size_t print_words(FILE *file, size_t column, const char *words)
{
    while (*(words += strspn(words, " ")) != '\0') {
        const size_t length = strcspn(words, " ");
        if (column > HELP_INDENT && column + 1 + length > HELP_WIDTH)
            column = begin_right(file, column);
        else if (column > HELP_INDENT)
            column++, (void)fputc(' ', file);
        (void)fprintf(file, "%.*s", (int)length, words);
        column += length;
        words += length;
    }
    return column;
}

static void print_option(FILE *file, const option *o)
{
    size_t column = strlen("    -x, --") + strlen(o->name);
    if (o->letter == '\0')
        (void)fprintf(file, "        --%s", o->name);
    else
        (void)fprintf(file, "    -%c, --%s", o->letter, o->name);
    if (o->argument != NULL) {
        (void)fprintf(file, " %s", o->argument);
        column += 1 + strlen(o->argument);
    }
    column = print_words(file, begin_right(file, column), o->help);
    if (o->choices != NULL) {
        (void)fputc(':', file);
        (void)print_words(file, column + 1, o->choices);
    }
    (void)fputc('\n', file);
}

static void print_options(FILE *file, const option *options)
{
    for (; options->name != NULL; options++)
        print_option(file, options);
}

void print_help(FILE *file)
{
    (void)fprintf(file,
                  "wengert: %s\n\n"
                  "usage: wengert COMMAND ARGUMENTS...\n\n"
                  "    wengert grad 'log(x*y)' x=2 y=3      a value and its gradient\n"
                  "    wengert grad 'a = w*x + b; tanh(a)' w=0.5 x=2 b=-1\n\n"
                  "Commands:\n",
                  purpose);
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(file, "    %-9s  %s\n", commands[i]->name, commands[i]->summary);
    (void)fputs("\nExpressions, in quotes, since * and ( mean something to a shell:\n", file);
    for (size_t i = 0; i < LANGUAGE; i++)
        (void)fprintf(file, "    %-25s  %s\n", language[i][0], language[i][1]);
    (void)fputs("\nOptions:\n", file);
    print_options(file, general_options);
    (void)fputs("\nwengert COMMAND --help says more of one command, man wengert all of it.\n",
                file);
}

void print_command_help(FILE *file, const subcommand *command)
{
    (void)fprintf(file, "wengert %s: %s\n\nusage: wengert %s [OPTION]... %s\n\n", command->name,
                  command->summary, command->name, command->operands);
    print_lines(file, command->description, "");
    (void)fputs("\nOptions:\n", file);
    print_options(file, command->options);
    print_options(file, common_options);
    (void)fputs("\nExamples:\n", file);
    print_lines(file, command->examples, "    ");
}

/* ---- The manual page: man(7) ----------------------------------------------------------------- */

/* Text of a line, in which nothing is a request and each character comes out as itself. */
static void put_troff(FILE *file, const char *text, size_t length)
{
    static const struct {
        char character;
        const char *name;
    } special[] = {{'-', "\\-"},    {'\\', "\\(rs"}, {'^', "\\(ha"},
                   {'\'', "\\(aq"}, {'`', "\\(ga"},  {'~', "\\(ti"}};
    if (length > 0 && (*text == '.' || *text == '\''))
        (void)fputs("\\&", file);
    for (size_t i = 0; i < length; i++) {
        const char *name = NULL;
        for (size_t k = 0; k < sizeof(special) / sizeof(special[0]); k++)
            if (text[i] == special[k].character)
                name = special[k].name;
        if (name != NULL)
            (void)fputs(name, file);
        else
            (void)fputc(text[i], file);
    }
}

static void put_words(FILE *file, const char *text)
{
    put_troff(file, text, strlen(text));
}

/* Lines to be filled, an empty one between paragraphs; indented ones stay as they are. */
static void put_paragraphs(FILE *file, const char *text)
{
    bool verbatim = false;
    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");
        const bool indented = *text == ' ';
        if (indented != verbatim && length > 0) {
            (void)fputs(indented ? ".nf\n" : ".fi\n", file);
            verbatim = indented;
        }
        if (length == 0)
            (void)fputs(".PP", file);
        else
            put_troff(file, text, length);
        (void)fputc('\n', file);
        text += length + (text[length] == '\n');
    }
    if (verbatim)
        (void)fputs(".fi\n", file);
}

static void put_manual_options(FILE *file, const option *options)
{
    for (; options->name != NULL; options++) {
        (void)fputs(".TP\n\\fB", file);
        if (options->letter != '\0')
            (void)fprintf(file, "\\-%c\\fR, \\fB", options->letter);
        (void)fputs("\\-\\-", file);
        put_words(file, options->name);
        (void)fputs("\\fR", file);
        if (options->argument != NULL)
            (void)fprintf(file, " \\fI%s\\fR", options->argument);
        (void)fputc('\n', file);
        put_words(file, options->help);
        if (options->choices != NULL) {
            (void)fputs(": ", file);
            put_words(file, options->choices);
        }
        (void)fputc('\n', file);
    }
}

/* A line that is not broken within a word: options and operands. */
static void put_usage(FILE *file, const subcommand *command)
{
    (void)fprintf(file, "\\fBwengert %s\\fR [\\fIOPTION\\fR]... \\fI", command->name);
    put_words(file, command->operands);
    (void)fputs("\\fR\n", file);
}

static void put_manual_command(FILE *file, const subcommand *command)
{
    (void)fprintf(file, ".SS %s: ", command->name);
    put_words(file, command->summary);
    (void)fputc('\n', file);
    put_usage(file, command);
    (void)fputs(".PP\n", file);
    put_paragraphs(file, command->description);
    put_manual_options(file, command->options);
    (void)fputs(".PP\nExamples:\n.PP\n.RS 4\n.nf\n", file);
    for (const char *line = command->examples; *line != '\0';) {
        const size_t length = strcspn(line, "\n");
        put_troff(file, line, length);
        (void)fputc('\n', file);
        line += length + (line[length] == '\n');
    }
    (void)fputs(".fi\n.RE\n", file);
}

/* Without a date: the same source gives the same page. */
static void put_manual_head(FILE *file)
{
    (void)fprintf(file,
                  ".\\\" SPDX-License-Identifier: MIT\n"
                  ".TH WENGERT 1 \"\" \"wengert %s\" \"User Commands\"\n"
                  ".SH NAME\nwengert \\- %s\n"
                  ".SH SYNOPSIS\n",
                  ag_version(), purpose);
    for (size_t i = 0; i < command_count; i++) {
        (void)fputs(i == 0 ? "" : ".br\n", file);
        put_usage(file, commands[i]);
    }
    (void)fputs(".br\n\\fBwengert help\\fR [\\fICOMMAND\\fR]\n"
                ".SH DESCRIPTION\n"
                "Reads an expression, records it gate by gate, and finds its derivatives by\n"
                "going backward through the gates; trains small nets on comma\\-separated\n"
                "values in the same way.\n"
                ".PP\n"
                "What a command was asked for goes to standard output, everything else to\n"
                "standard error. Options and operands come in any order. An argument such as\n"
                "\\-x^2, which begins with a dash but is no option, is an operand, and so is\n"
                "everything after \\-\\-.\n"
                ".SH EXPRESSIONS\n"
                "Quote them, since * and parentheses mean something to a shell.\n",
                file);
}

void print_manual_page(FILE *file)
{
    put_manual_head(file);
    for (size_t i = 0; i < LANGUAGE; i++) {
        (void)fputs(".TP\n", file);
        put_words(file, language[i][0]);
        (void)fputc('\n', file);
        put_words(file, language[i][1]);
        (void)fputc('\n', file);
    }
    (void)fputs(".PP\nA number that is given to a name or to an option may be written as an\n"
                "expression, too: x=pi/4.\n"
                ".SH COMMANDS\n",
                file);
    for (size_t i = 0; i < command_count; i++)
        put_manual_command(file, commands[i]);
    (void)fputs(".SH OPTIONS OF EVERY COMMAND\n", file);
    put_manual_options(file, common_options);
    (void)fputs(
        ".PP\nIn JSON, numbers that it does not have are the strings \"NaN\", \"Infinity\"\n"
        "and \"\\-Infinity\".\n"
        ".SH OPTIONS WITHOUT A COMMAND\n",
        file);
    put_manual_options(file, general_options);
    (void)fputs(".SH EXIT STATUS\n"
                ".TP\n0\nIt is done.\n"
                ".TP\n1\nIt could not be done, or a check failed.\n"
                ".TP\n2\nThe command line is wrong, or the expression.\n"
                ".SH SEE ALSO\n"
                ".BR dot (1),\n.BR gnuplot (1)\n",
                file);
}

/* ---- Completions ----------------------------------------------------------------------------- */

static bool wants_file(const option *o)
{
    return o->argument != NULL && strcmp(o->argument, "FILE") == 0;
}

static void put_bash_options(FILE *file, const option *options)
{
    for (; options->name != NULL; options++) {
        if (options->letter != '\0')
            (void)fprintf(file, " -%c", options->letter);
        (void)fprintf(file, " --%s", options->name);
    }
}

/* What may follow the options that want a value. */
static void put_bash_values(FILE *file, const option *options)
{
    for (; options->name != NULL; options++) {
        if (options->argument == NULL)
            continue;
        (void)fputs("            ", file);
        if (options->letter != '\0')
            (void)fprintf(file, "-%c | ", options->letter);
        (void)fprintf(file, "--%s) ", options->name);
        if (wants_file(options))
            (void)fputs("kind=files ;;\n", file);
        else
            (void)fprintf(file, "kind=value words='%s' ;;\n",
                          options->choices == NULL ? "" : options->choices);
    }
}

static void put_names(FILE *file)
{
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(file, "%s ", commands[i]->name);
}

/* kind is what the word may be: an option (while it begins with a dash), a file, one of the words. */
static void put_bash_command(FILE *file, const subcommand *command)
{
    (void)fprintf(file, "        %s)\n            case $previous in\n", command->name);
    put_bash_values(file, command->options);
    (void)fprintf(file, "            *) kind=%s words='",
                  command->files                 ? "files"
                  : command->print_words != NULL ? "value"
                                                 : "none");
    if (command->print_words != NULL)
        command->print_words(file);
    (void)fputs("' options='", file);
    put_bash_options(file, command->options);
    put_bash_options(file, common_options);
    (void)fputs("' ;;\n            esac\n            ;;\n", file);
}

void print_bash_completion(FILE *file)
{
    (void)fputs(
        "# SPDX-License-Identifier: MIT\n"
        "# bash completion for wengert\n\n"
        "_wengert()\n{\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    local kind='' words='' options=''\n"
        "    # bash takes --name=value apart\n"
        "    if [ \"$current\" = = ]; then\n"
        "        current=''\n"
        "    elif [ \"$previous\" = = ] && [ \"$COMP_CWORD\" -gt 2 ]; then\n"
        "        previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    fi\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        kind=value words='",
        file);
    put_names(file);
    (void)fputs("help' options='", file);
    put_bash_options(file, general_options);
    (void)fputs("'\n    else\n        case ${COMP_WORDS[1]} in\n", file);
    for (size_t i = 0; i < command_count; i++)
        put_bash_command(file, commands[i]);
    (void)fputs("        help) kind=value words='", file);
    put_names(file);
    (void)fputs("' ;;\n"
                "        esac\n"
                "    fi\n"
                "    COMPREPLY=()\n"
                "    if [ -n \"$options\" ] && [[ $current == -* ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
                "    elif [ \"$kind\" = files ]; then\n"
                "        compopt -o filenames 2>/dev/null\n"
                "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
                "    elif [ \"$kind\" = value ]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                "    fi\n"
                "}\n"
                "complete -F _wengert wengert\n",
                file);
}

/* Words inside brackets of an _arguments specification, between single quotes. */
static void put_zsh_words(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", file);
        else if (strchr("[]:\\", *text) != NULL)
            (void)fprintf(file, "\\%c", *text);
        else
            (void)fputc(*text, file);
    }
}

static void put_zsh_option(FILE *file, const option *o, bool is_short)
{
    (void)fputs("            '", file);
    if (is_short)
        (void)fprintf(file, "-%c[", o->letter);
    else
        (void)fprintf(file, "--%s[", o->name);
    put_zsh_words(file, o->help);
    (void)fputc(']', file);
    if (o->argument != NULL) {
        (void)fprintf(file, ":%s:", o->argument);
        if (wants_file(o))
            (void)fputs("_files", file);
        else if (o->choices != NULL)
            (void)fprintf(file, "(%s)", o->choices);
    }
    (void)fputs("' \\\n", file);
}

static void put_zsh_options(FILE *file, const option *options)
{
    for (; options->name != NULL; options++) {
        if (options->letter != '\0')
            put_zsh_option(file, options, true);
        put_zsh_option(file, options, false);
    }
}

static void put_zsh_command(FILE *file, const subcommand *command)
{
    (void)fprintf(file, "    %s)\n        _arguments -S \\\n", command->name);
    put_zsh_options(file, command->options);
    put_zsh_options(file, common_options);
    (void)fprintf(file, "            '*:%s:", command->files ? "file" : "operand");
    if (command->print_words != NULL) {
        (void)fputc('(', file);
        command->print_words(file);
        (void)fputc(')', file);
    } else if (command->files) {
        (void)fputs("_files", file);
    }
    (void)fputs("'\n        ;;\n", file);
}

void print_zsh_completion(FILE *file)
{
    (void)fputs("#compdef wengert\n"
                "# SPDX-License-Identifier: MIT\n\n"
                "_wengert() {\n"
                "    local -a names=(\n",
                file);
    for (size_t i = 0; i < command_count; i++) {
        (void)fprintf(file, "        '%s:", commands[i]->name);
        put_zsh_words(file, commands[i]->summary);
        (void)fputs("'\n", file);
    }
    (void)fputs("    )\n"
                "    if (( CURRENT == 2 )); then\n"
                "        names+=('help:what a command does')\n"
                "        if [[ $words[CURRENT] == -* ]]; then\n"
                "            _arguments \\\n",
                file);
    put_zsh_options(file, general_options);
    (void)fputs("                && return\n"
                "        fi\n"
                "        _describe command names\n"
                "        return\n"
                "    fi\n"
                "    local name=$words[2]\n"
                "    shift words\n"
                "    (( CURRENT-- ))\n"
                "    case $name in\n"
                "    help) _describe command names ;;\n",
                file);
    for (size_t i = 0; i < command_count; i++)
        put_zsh_command(file, commands[i]);
    (void)fputs("    esac\n"
                "}\n\n"
                "_wengert \"$@\"\n",
                file);
}
