/* SPDX-License-Identifier: MIT
 *
 * Plots by gnuplot: what all of them have in common, and how text and numbers get into a script.
 *
 *     plot picture;
 *     int status = open_plot(&picture, arguments, path);
 *     if (status == DONE) {
 *         put_table(picture.script, "losses", epochs, 3, numbers);
 *         fprintf(picture.script, "set xlabel 'epoch'\nset ylabel 'loss'\n"
 *                              "plot $losses using 1:2 with lines linestyle 1 title 'training', "
 *                              "     $losses using 1:3 with lines linestyle 2 title 'held out'\n");
 *         status = close_plot(&picture, true);
 *     }
 */
#ifndef WENGERT_GNUPLOT_H
#define WENGERT_GNUPLOT_H

#include "command.h"

#define PLOT_ENDINGS "svg png pdf gp"

/* Curves have the styles 1 (blue), 2 (vermilion), 3 (green), for lines and for points; 4 is a thin
 * grey line. Colour-blind readers can tell them apart (Okabe and Ito, 2008). */
typedef struct plot {
    const command_line *arguments;
    const char *path, *ending;
    FILE *script;
} plot;

/* Begins a script with the common style. MISUSED for a path with another ending: open it before
 * long work. Fails, and says so, as find_ending and begin_script do. */
int open_plot(plot *plot, const command_line *arguments, const char *path);
/* Has it drawn, or only ends it. A status of the program. */
int close_plot(plot *plot, bool draw);

/* Says that there is nothing to draw, and ends the script. FAILED. */
int refuse_picture(plot *plot);

/* Text, after a prefix, as a string of gnuplot's, which it takes to the letter in the key and where
 * `noenhanced` follows. Bytes that would end the line come out as spaces. */
void put_string(FILE *script, const char *prefix, const char *text);
/* The title: an expression in one line, without its comments, and not all of a long one; below it
 * another line, if that is not NULL. */
void put_title(FILE *script, size_t length, const char *expression, const char *below);
/* 17 digits; a NaN, or an infinity, is a point that is not there. */
void put_number(FILE *script, double number);
/* The block $NAME of rows x columns numbers; a row that begins with a NaN is a gap in the line. */
void put_table(FILE *script, const char *name, size_t rows, size_t columns, const double *numbers);

#endif
