/* SPDX-License-Identifier: MIT
 *
 * Files that another program draws: Graphviz' dot or gnuplot, from a script on its standard input.
 * The file is there whole or not at all, and no shell sees its name.
 */
#ifndef WENGERT_PICTURE_FILE_H
#define WENGERT_PICTURE_FILE_H

#include "command.h"

/* The ending of a path ("svg"), which must be one of `endings` ("svg png pdf dot"). NULL, and said:
 * it is not. */
const char *find_ending(const command_line *arguments, const char *path, const char *endings);

/* Where the script is written: begin, write to the FILE, end. NULL, and said, on a failure. */
FILE *begin_script(const command_line *arguments);

/* Closes the script, and has it drawn: runs argv (argv[0] is looked for in PATH, the last is NULL)
 * with the script as its standard input and its standard output into path. With argv NULL the
 * script itself is the file. `package` is what to install where argv[0] is missing. A status of the
 * program, and what went wrong was said. */
int end_script(const command_line *arguments, FILE *script, const char *const *argv,
               const char *package, const char *path);

#endif
