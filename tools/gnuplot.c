/* SPDX-License-Identifier: MIT
 *
 * The style of plots, and gnuplot itself.
 */
#include "gnuplot.h"
#include "picture_file.h"

#include <math.h>
#include <string.h>

/* A script that is kept draws to its standard output: no path is in it. */
static const char *find_terminal(const char *ending)
{
    if (strcmp(ending, "png") == 0)
        return "pngcairo size 1600,1200 enhanced font 'sans-serif,30' linewidth 3 "
               "pointscale 2.5";
    if (strcmp(ending, "pdf") == 0)
        return "pdfcairo size 16cm,12cm enhanced font 'sans-serif,12' linewidth 1.5";
    return "svg size 800,600 enhanced font 'sans-serif,16' linewidth 1.5";
}

int open_plot(plot *p, const command_line *arguments, const char *path)
{
    *p = (plot){.arguments = arguments, .path = path};
    p->ending = find_ending(arguments, path, PLOT_ENDINGS);
    if (p->ending == NULL)
        return MISUSED;
    p->script = begin_script(arguments);
    if (p->script == NULL)
        return FAILED;
    if (strcmp(p->ending, "gp") == 0)
        (void)fputs("# Draw it with: gnuplot FILE.gp > FILE.svg\n", p->script);
    (void)fprintf(p->script,
                  "set encoding utf8\n"
                  "set terminal %s background rgb 'white'\n"
                  "set style line 1 linecolor rgb '#0072b2' linewidth 2 pointtype 7\n"
                  "set style line 2 linecolor rgb '#d55e00' linewidth 2 pointtype 7\n"
                  "set style line 3 linecolor rgb '#009e73' linewidth 2 pointtype 7\n"
                  "set style line 4 linecolor rgb '#808080' linewidth 0.7\n"
                  "set border 3 linecolor rgb '#606060'\n"
                  "set tics nomirror out textcolor rgb '#303030'\n"
                  "set grid linetype 1 linecolor rgb '#e4e4e4' linewidth 0.7\n"
                  "set key bmargin center horizontal Left reverse samplen 2.5 noenhanced\n"
                  "set xlabel offset 0,0.4\nset rmargin 3\nset bmargin 5\n",
                  find_terminal(p->ending));
    return DONE;
}

int close_plot(plot *p, bool draw)
{
    static const char *const program[] = {"gnuplot", "-d", NULL};
    if (!draw) {
        (void)fclose(p->script);
        return DONE;
    }
    const bool keep = strcmp(p->ending, "gp") == 0;
    return end_script(p->arguments, p->script, keep ? NULL : program, "gnuplot-nox", p->path);
}

int refuse_picture(plot *p)
{
    (void)close_plot(p, false);
    return fail(p->arguments, FAILED, "%s: there is nothing to draw: no value is finite", p->path);
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* In single quotes nothing is special but the quote, which is doubled. */
static void put_byte(FILE *script, char byte)
{
    const unsigned char code = (unsigned char)byte;
    if (byte == '\'')
        (void)fputc('\'', script);
    (void)fputc(code < 0x20 || code == 0x7f ? ' ' : code, script);
}

void put_string(FILE *script, const char *prefix, const char *text)
{
    (void)fputc('\'', script);
    for (; *prefix != '\0'; prefix++)
        put_byte(script, *prefix);
    for (; *text != '\0'; text++)
        put_byte(script, *text);
    (void)fputc('\'', script);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The end of a line ends a part of the expression only where it could not go on. */
static bool goes_on(char last, size_t depth)
{
    return depth > 0 || strchr("+-*/^<>=!,(;", last) != NULL;
}

void put_title(FILE *script, size_t length, const char *expression, const char *below)
{
    enum {
        LONGEST = 70
    };
    size_t put = 0, depth = 0;
    char last = ';', gap = '\0';
    (void)fputs("set title '", script);
    for (size_t i = 0; i < length; i++) {
        char byte = expression[i];
        while (byte == '#' && i + 1 < length && expression[i + 1] != '\n')
            i++;
        if (byte == '#' || is_blank(byte)) {
            gap = byte == '\n' && !goes_on(last, depth) ? ';' : gap == '\0' ? ' ' : gap;
            continue;
        }
        if (put >= LONGEST && ((unsigned char)byte & 0xc0) != 0x80) {
            (void)fputs(" ...", script);
            break;
        }
        if (gap == ';' && byte != ';')
            put_byte(script, ';');
        if (gap != '\0' && put > 0)
            put_byte(script, ' ');
        put += gap == '\0' ? 1 : 2;
        put_byte(script, byte);
        depth += byte == '(';
        depth -= byte == ')';
        last = byte;
        gap = '\0';
    }
    (void)fputc('\'', script);
    if (below != NULL) {
        (void)fputs(".\"\\n\".", script);
        put_string(script, "", below);
    }
    (void)fputs(" noenhanced\n", script);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

void put_number(FILE *script, double number)
{
    if (isfinite(number))
        (void)fprintf(script, "%.17g", number);
    else
        (void)fputs("NaN", script);
}

void put_table(FILE *script, const char *name, size_t rows, size_t columns, const double *numbers)
{
    (void)fprintf(script, "$%s << EOD\n", name);
    for (size_t i = 0; i < rows; i++, numbers += columns) {
        for (size_t j = 0; j < columns && !isnan(numbers[0]); j++) {
            (void)fputs(j > 0 ? " " : "", script);
            put_number(script, numbers[j]);
        }
        (void)fputc('\n', script);
    }
    (void)fputs("EOD\n", script);
}
