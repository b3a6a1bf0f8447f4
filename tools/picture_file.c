/* SPDX-License-Identifier: MIT
 *
 * Runs what draws, between two files that have no name or not yet their own.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "picture_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NOT_INSTALLED = 127, /* what a shell says, too */
    NOT_RUN = 126
};

int keep_source(const command_line *a, const char *from, const char *to)
{
    struct stat source, target;
    if (from == NULL || to == NULL || stat(from, &source) != 0 || stat(to, &target) != 0 ||
        source.st_dev != target.st_dev || source.st_ino != target.st_ino)
        return DONE;
    return fail(a, MISUSED, "%s: it would be written over what is read from %s", to, from);
}

const char *find_ending(const command_line *a, const char *path, const char *endings)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash == NULL ? path : slash, '.');
    if (keep_source(a, get_option(a, "file"), path) != DONE)
        return NULL;
    if (dot != NULL && is_choice(endings, dot + 1))
        return dot + 1;
    (void)fail(a, MISUSED, "%s: the name should end in one of .%s, which says what to write", path,
               endings);
    return NULL;
}

FILE *begin_script(const command_line *a)
{
    FILE *script = tmpfile();
    if (script == NULL)
        (void)fail(a, FAILED, "no temporary file: %s", strerror(errno));
    return script;
}

/* Its exit status; NOT_INSTALLED or NOT_RUN. */
static int run_program(const char *const *argv, int in, int out)
{
    const pid_t child = fork();
    if (child < 0)
        return NOT_RUN;
    if (child == 0) {
        if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
            (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(errno == ENOENT ? NOT_INSTALLED : NOT_RUN);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return NOT_RUN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_RUN;
}

static bool copy_file(FILE *in, FILE *out)
{
    char buffer[BUFSIZ];
    size_t got;
    while ((got = fread(buffer, 1, sizeof(buffer), in)) > 0)
        if (fwrite(buffer, 1, got, out) != got)
            return false;
    return !ferror(in) && fflush(out) == 0;
}

int draw_script(const command_line *a, FILE *script, const char *const *argv, const char *package,
                const char *what, FILE *out)
{
    if (fflush(script) != 0 || ferror(script) || fseek(script, 0, SEEK_SET) != 0)
        return fail(a, FAILED, "a temporary file: %s", strerror(errno));
    if (argv == NULL)
        return copy_file(script, out) ? DONE : fail(a, FAILED, "%s: %s", what, strerror(errno));
    const int status = run_program(argv, fileno(script), fileno(out));
    if (status == NOT_INSTALLED)
        return fail(a, FAILED, "%s: %s is not installed (package %s)", what, argv[0], package);
    if (status != 0)
        return fail(a, FAILED, "%s: %s failed", what, argv[0]);
    return DONE;
}

/* Gives the file the permissions of a new one. */
static bool open_up(int file)
{
    const mode_t mask = umask(0);
    (void)umask(mask);
    return fchmod(file, 0666 & ~mask) == 0;
}

/* A file that is there is replaced only by a whole one; a link to it stays a link. */
static int draw_into_place(const command_line *a, FILE *script, const char *const *argv,
                           const char *package, const char *path)
{
    static const char suffix[] = ".XXXXXX";
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return fail(a, FAILED, "%s: not an ordinary file", path);
    char *linked = realpath(path, NULL); /* NULL: there is none yet */
    const char *place = linked == NULL ? path : linked;
    char *name = allocate(strlen(place) + sizeof(suffix), 1);
    strcat(strcpy(name, place), suffix);
    const int descriptor = mkstemp(name);
    FILE *out = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    int status = DONE;
    if (out == NULL) {
        status = fail(a, FAILED, "%s: %s", path, strerror(errno));
    } else {
        status = draw_script(a, script, argv, package, path, out);
        const bool good = open_up(descriptor);
        if ((fclose(out) != 0 || !good || (status == DONE && rename(name, place) != 0)) &&
            status == DONE)
            status = fail(a, FAILED, "%s: %s", path, strerror(errno));
    }
    if (status != DONE && descriptor >= 0)
        (void)unlink(name);
    free(name);
    free(linked);
    return status;
}

int end_script(const command_line *a, FILE *script, const char *const *argv, const char *package,
               const char *path)
{
    const int status = draw_into_place(a, script, argv, package, path);
    (void)fclose(script);
    return status;
}
