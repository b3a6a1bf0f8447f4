/* SPDX-License-Identifier: MIT
 *
 * Opens the file of a picture and runs the program that draws it, inside the pictures' directory:
 * no path is ever put together, and no shell reads one.
 */
#define _POSIX_C_SOURCE 200809L

#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NOT_INSTALLED = 127, /* what a shell says, too */
    NOT_RUN = 126,
    NAME_SIZE = 80,
};

static void name_svg(const picture *drawing, char svg[NAME_SIZE])
{
    const int stem = (int)strcspn(drawing->name, ".");
    (void)snprintf(svg, NAME_SIZE, "%.*s.svg", stem, drawing->name);
}

static bool is_plot(const picture *drawing)
{
    const char *ending = strrchr(drawing->name, '.');
    return ending != NULL && strcmp(ending, ".gp") == 0;
}

picture open_picture(const char *directory, const char *name)
{
    picture drawing = {.name = name, .directory = -1};
    if (directory == NULL)
        return drawing;
    drawing.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int file = -1;
    if (drawing.directory >= 0)
        file = openat(drawing.directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file >= 0)
        drawing.file = fdopen(file, "w");
    if (drawing.file == NULL) {
        (void)fprintf(stderr, "picture: %s/%s: %s\n", directory, name, strerror(errno));
        if (file >= 0)
            (void)close(file);
        if (drawing.directory >= 0)
            (void)close(drawing.directory);
        return drawing;
    }
    if (is_plot(&drawing)) {
        char svg[NAME_SIZE];
        name_svg(&drawing, svg);
        (void)fprintf(drawing.file,
                      "set encoding utf8\n"
                      "set terminal svg size 800,600 enhanced font 'sans-serif,16' linewidth 1.5"
                      " background rgb 'white'\n"
                      "set output '%s'\n"
                      "set colorsequence podo\n" /* told apart by colour-blind readers, too */
                      "set border 3 linecolor rgb '#606060'\n"
                      "set tics nomirror out\n"
                      "set grid linecolor rgb '#e0e0e0'\n"
                      "set key opaque\n",
                      svg);
    }
    return drawing;
}

/* The exit status of the program that draws; NOT_INSTALLED or NOT_RUN. */
static int draw(const picture *drawing, const char *svg)
{
    (void)fflush(stdout); /* what the program says comes after what we said */
    const pid_t child = fork();
    if (child < 0)
        return NOT_RUN;
    if (child == 0) {
        if (fchdir(drawing->directory) != 0)
            _exit(NOT_RUN);
        if (is_plot(drawing))
            (void)execlp("gnuplot", "gnuplot", "-d", drawing->name, (char *)NULL);
        else
            (void)execlp("dot", "dot", "-Tsvg", "-o", svg, drawing->name, (char *)NULL);
        _exit(errno == ENOENT ? NOT_INSTALLED : NOT_RUN);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return NOT_RUN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_RUN;
}

void close_picture(picture *drawing)
{
    char svg[NAME_SIZE];
    name_svg(drawing, svg);
    const char *program = is_plot(drawing) ? "gnuplot" : "dot";
    const bool whole = !ferror(drawing->file);
    const bool written = fclose(drawing->file) == 0 && whole;
    const int status = written ? draw(drawing, svg) : NOT_RUN;
    (void)close(drawing->directory);
    drawing->file = NULL;
    if (!written)
        (void)fprintf(stderr, "picture: %s: writing failed\n", drawing->name);
    else if (status == NOT_INSTALLED)
        printf("picture: %s (%s, which would draw it, is not installed)\n", drawing->name, program);
    else if (status != 0)
        (void)fprintf(stderr, "picture: %s: %s failed\n", drawing->name, program);
    else
        printf("picture: %s\n", svg);
}
