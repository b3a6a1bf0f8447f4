/* SPDX-License-Identifier: MIT
 *
 * Files that another program draws: Graphviz' dot or gnuplot, from a script on its standard input.
 * The file is there whole or not at all, and no shell sees its name.
 */
#ifndef WENGERT_PICTURE_FILE_H
#define WENGERT_PICTURE_FILE_H

#include "command.h"

/* The ending of a path ("svg"), which must be one of `endings` ("svg png pdf dot"). NULL, and said:
 * it is not, or the
 * file is the one of --file. */
const char *find_ending(const command_line *arguments, const char *path, const char *endings);

/* MISUSED, and said, if `to`, which is to be written, is the file that `from` is read from. Either may
 * be NULL. */
int keep_source(const command_line *arguments, const char *from, const char *to);

/* Where the script is written: begin, write to the FILE, end. NULL, and said, on a failure. */
FILE *begin_script(const command_line *arguments);

/* Has the script drawn: runs argv (argv[0] is looked for in PATH, the last is NULL) with the script as
 * its standard input and `out` as its standard output; without argv the script itself is copied.
 * `package` is what to install where argv[0] is missing, `what` is drawn, for messages. A status of
 * the program, and what went wrong was said. */
int draw_script(const command_line *arguments, FILE *script, const char *const *argv,
                const char *package, const char *what, FILE *out);

/* The same into the file at path, and closes the script. */
int end_script(const command_line *arguments, FILE *script, const char *const *argv,
               const char *package, const char *path);

#endif
