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
    {"a = w*x + b; tanh(a)", "names for parts, before the result"},
    {"# words", "a comment, to the end of the line"},
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
    (void)fputs("\nExpressions (quote them: shells have plans for * and parentheses):\n", file);
    for (size_t i = 0; i < LANGUAGE; i++)
        (void)fprintf(file, "    %-25s  %s\n", language[i][0], language[i][1]);
    (void)fputs(
        "\nwengert COMMAND --help says more of one command, wengert --version which wengert "
        "this is.\n",
        file);
}

static void print_option(FILE *file, const option *o)
{
    char left[80];
    int used = o->letter != '\0' ? snprintf(left, sizeof(left), "-%c, --%s", o->letter, o->name)
                                 : snprintf(left, sizeof(left), "    --%s", o->name);
    if (o->argument != NULL)
        used += snprintf(left + used, sizeof(left) - (size_t)used, " %s", o->argument);
    if (used > 22)
        (void)fprintf(file, "    %s\n    %22s  %s", left, "", o->help);
    else
        (void)fprintf(file, "    %-22s  %s", left, o->help);
    if (o->choices != NULL)
        (void)fprintf(file, ": %s", o->choices);
    (void)fputc('\n', file);
}

static void print_options(FILE *file, const option *options)
{
    for (; options->name != NULL; options++)
        print_option(file, options);
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

/* Text of a line, in which a dash is a dash and nothing is a request. */
static void put_troff(FILE *file, const char *text, size_t length)
{
    if (length > 0 && (*text == '.' || *text == '\''))
        (void)fputs("\\&", file);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '-')
            (void)fputs("\\-", file);
        else if (text[i] == '\\')
            (void)fputs("\\e", file);
        else if (text[i] == '^')
            (void)fputs("\\(ha", file);
        else if (text[i] == '\'')
            (void)fputs("\\(aq", file);
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

static void put_manual_command(FILE *file, const subcommand *command)
{
    (void)fprintf(file, ".SS wengert %s\n", command->name);
    (void)fprintf(file, "\\fBwengert %s\\fR [\\fIOPTION\\fR]... ", command->name);
    put_words(file, command->operands);
    (void)fputs("\n.PP\n", file);
    put_paragraphs(file, command->description);
    put_manual_options(file, command->options);
    (void)fputs(".PP\n.nf\n.RS 4\n", file);
    for (const char *line = command->examples; *line != '\0';) {
        const size_t length = strcspn(line, "\n");
        put_troff(file, line, length);
        (void)fputc('\n', file);
        line += length + (line[length] == '\n');
    }
    (void)fputs(".RE\n.fi\n", file);
}

void print_manual_page(FILE *file)
{
    (void)fprintf(
        file,
        ".\\\" SPDX-License-Identifier: MIT\n"
        ".TH WENGERT 1 \"\" \"wengert %s\" \"User Commands\"\n"
        ".SH NAME\nwengert \\- %s\n"
        ".SH SYNOPSIS\n\\fBwengert\\fR \\fICOMMAND\\fR \\fIARGUMENT\\fR...\n"
        ".SH DESCRIPTION\n"
        "Reads an expression, records it gate by gate, and finds its derivatives by "
        "going backward\nthrough the gates; trains small nets on comma\\-separated values "
        "in the same way.\n"
        ".SH EXPRESSIONS\n",
        ag_version(), purpose);
    for (size_t i = 0; i < LANGUAGE; i++) {
        (void)fputs(".TP\n", file);
        put_words(file, language[i][0]);
        (void)fputc('\n', file);
        put_words(file, language[i][1]);
        (void)fputc('\n', file);
    }
    (void)fputs(".SH COMMANDS\n", file);
    for (size_t i = 0; i < command_count; i++)
        put_manual_command(file, commands[i]);
    (void)fputs(".SH OPTIONS OF EVERY COMMAND\n", file);
    put_manual_options(file, common_options);
    (void)fputs(".SH EXIT STATUS\n"
                ".TP\n0\nIt is done.\n"
                ".TP\n1\nIt could not be done, or a check failed.\n"
                ".TP\n2\nThe command line is wrong.\n",
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

static void put_bash_values(FILE *file, const option *options)
{
    for (; options->name != NULL; options++) {
        if (options->argument == NULL)
            continue;
        (void)fputs("        ", file);
        if (options->letter != '\0')
            (void)fprintf(file, "-%c|", options->letter);
        (void)fprintf(file, "--%s) ", options->name);
        if (wants_file(options))
            (void)fputs("files=1 ;;\n", file);
        else
            (void)fprintf(file, "words='%s'; value=1 ;;\n",
                          options->choices == NULL ? "" : options->choices);
    }
}

void print_bash_completion(FILE *file)
{
    (void)fputs("# SPDX-License-Identifier: MIT\n"
                "# bash completion for wengert\n\n"
                "_wengert()\n{\n"
                "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    local words= files= value=\n"
                "    COMPREPLY=()\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        words='",
                file);
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(file, "%s ", commands[i]->name);
    (void)fputs("help --help --version'\n    else\n        case ${COMP_WORDS[1]} in\n", file);
    for (size_t i = 0; i < command_count; i++) {
        (void)fprintf(file, "        %s)\n        case $previous in\n", commands[i]->name);
        put_bash_values(file, commands[i]->options);
        (void)fputs("        *) words='", file);
        put_bash_options(file, commands[i]->options);
        put_bash_options(file, common_options);
        (void)fprintf(file, "'%s ;;\n        esac ;;\n", commands[i]->files ? "; files=1" : "");
    }
    (void)fputs("        help) words='", file);
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(file, "%s ", commands[i]->name);
    (void)fputs("'; value=1 ;;\n"
                "        esac\n"
                "        case $current in -*) files= ;; *) [ -n \"$value\" ] || words= ;; esac\n"
                "    fi\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                "    if [ -n \"$files\" ]; then\n"
                "        compopt -o filenames 2>/dev/null\n"
                "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
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

void print_zsh_completion(FILE *file)
{
    (void)fputs("#compdef wengert\n"
                "# SPDX-License-Identifier: MIT\n\n"
                "_wengert() {\n"
                "    if (( CURRENT == 2 )); then\n"
                "        local -a names=(\n",
                file);
    for (size_t i = 0; i < command_count; i++) {
        (void)fprintf(file, "            '%s:", commands[i]->name);
        put_zsh_words(file, commands[i]->summary);
        (void)fputs("'\n", file);
    }
    (void)fputs("        )\n"
                "        _describe command names\n"
                "        return\n"
                "    fi\n"
                "    local name=$words[2]\n"
                "    shift words\n"
                "    (( CURRENT-- ))\n"
                "    case $name in\n",
                file);
    for (size_t i = 0; i < command_count; i++) {
        (void)fprintf(file, "    %s)\n        _arguments \\\n", commands[i]->name);
        put_zsh_options(file, commands[i]->options);
        put_zsh_options(file, common_options);
        (void)fprintf(file, "            '*:%s:%s'\n        ;;\n",
                      commands[i]->files ? "file" : "operand", commands[i]->files ? "_files" : "");
    }
    (void)fputs("    esac\n"
                "}\n\n"
                "_wengert \"$@\"\n",
                file);
}
