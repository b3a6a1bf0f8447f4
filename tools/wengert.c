/* SPDX-License-Identifier: MIT
 *
 * The wengert program: picks the command. Derivatives of expressions, their pictures, and small
 * nets, from a shell.
 */
#include "command.h"
#include "characters.h"

#include <string.h>
#include <wengert/autograd.h>

const subcommand *const commands[] = {
#define COMMAND_X(name) &name##_command,
    COMMAND_LIST(COMMAND_X)
#undef COMMAND_X
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static const subcommand *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *names[sizeof(commands) / sizeof(commands[0])];
    for (size_t i = 0; i < command_count; i++)
        names[i] = commands[i]->name;
    const char *near = find_nearest(name, strlen(name), command_count, names);
    char shown[64];
    show_text(strlen(name), name, sizeof(shown), shown);
    (void)fprintf(stderr, "wengert: there is no command \"%s\"", shown);
    if (near != NULL)
        (void)fprintf(stderr, ": did you mean \"%s\"?\n", near);
    else
        (void)fputs("; wengert --help lists them\n", stderr);
    return MISUSED;
}

static int finish(void)
{
    const bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout))
        return DONE;
    (void)fputs("wengert: standard output can't be written\n", stderr);
    return FAILED;
}

/* Whether the command is asked for its help, before anything else is judged. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_command(const subcommand *command, int argc, char **argv)
{
    if (asks_for_help(argc, argv)) {
        print_command_help(stdout, command);
        return finish();
    }
    command_line arguments;
    int status = read_arguments(command, argc, argv, &arguments);
    if (status == DONE)
        status = command->run(&arguments);
    if (status == DONE)
        status = finish_output(&arguments);
    free_arguments(&arguments);
    return status;
}

/* What is printed instead of running a command; NULL: nothing of that name. */
static void (*find_page(const char *name))(FILE *)
{
    static const struct {
        const char *name;
        void (*print)(FILE *file);
    } pages[] = {
        {"--help", print_help},
        {"-h", print_help},
        {"--manual", print_manual_page},
        {"--bash-completion", print_bash_completion},
        {"--zsh-completion", print_zsh_completion},
    };
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(pages[i].name, name) == 0)
            return pages[i].print;
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return MISUSED;
    }
    const char *name = argv[1];
    void (*print)(FILE *) = find_page(name);
    if (print != NULL) {
        print(stdout);
        return finish();
    }
    if (strcmp(name, "--version") == 0) {
        printf("wengert %s\n", ag_version());
        return finish();
    }
    const bool help = strcmp(name, "help") == 0;
    if (help && argc == 2) {
        print_help(stdout);
        return finish();
    }
    const subcommand *command = find_command(help ? argv[2] : name);
    if (command == NULL)
        return refuse_command(help ? argv[2] : name);
    if (help) {
        print_command_help(stdout, command);
        return finish();
    }
    return run_command(command, argc - 2, argv + 2);
}
