/* SPDX-License-Identifier: MIT
 *
 * Pictures of the demos. A demo that is given a directory writes what it draws there, for Graphviz
 * (NAME.dot) or gnuplot (NAME.gp), and has it drawn as NAME.svg; without a directory nothing is
 * written.
 *
 *     picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "log_xy.dot");
 *     if (drawing.file != NULL) {
 *         ag_write_dot(z, drawing.file, NULL);
 *         close_picture(&drawing);
 *     }
 */
#ifndef DEMOS_PICTURE_H
#define DEMOS_PICTURE_H

#include <stdio.h>

typedef struct picture {
    FILE *file; /* write the drawing here; NULL: there is none to write */
    const char *name;
    int directory;
} picture;

/* name ends in .dot or .gp, and must live until close_picture (a literal does). A .gp file begins
 * with what all plots share: 800 x 600 on white, the output's name, colours. A directory
 * that is NULL asks for no picture; a file that can't be written is said on stderr. */
picture open_picture(const char *directory, const char *name);

/* Runs dot or gnuplot on the file and says "picture: NAME.svg". Where the program isn't installed,
 * says so and leaves the file for one that is. */
void close_picture(picture *drawing);

#endif
