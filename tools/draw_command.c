/* SPDX-License-Identifier: MIT
 *
 * wengert draw: the graph as a picture.
 */
#include "net_circuit.h"
#include "picture_file.h"
#include "report.h"

#include <string.h>

/* Where and how the picture is written. */
typedef struct drawing {
    const char *path; /* NULL: DOT to standard output */
    const char *ending;
    ag_dot_options options;
} drawing;

static int read_drawing(const command_line *a, drawing *d)
{
    uint64_t fold = 0, nodes = 0, digits = 0;
    *d = (drawing){.path = get_option(a, "output")};
    if (d->path != NULL && (d->ending = find_ending(a, d->path, "svg png pdf dot")) == NULL)
        return MISUSED;
    if (d->path == NULL && a->json)
        return fail(a, MISUSED, "--json tells what was written, and wants --output FILE");
    if (!get_count(a, "fold", 0, SIZE_MAX / 2, &fold) ||
        !get_count(a, "max-nodes", 1, SIZE_MAX / 2, &nodes) ||
        !get_count(a, "digits", 1, 17, &digits))
        return MISUSED;
    d->options = (ag_dot_options){.max_nodes = (size_t)nodes,
                                  .no_gradients = has_option(a, "no-gradients"),
                                  .local_gradients = has_option(a, "local-gradients"),
                                  .fold = (size_t)fold,
                                  .digits = (int)digits,
                                  .title = get_option(a, "title")};
    return DONE;
}

static int draw_file(const circuit *c, const drawing *d)
{
    char format[8];
    const char *argv[] = {"dot", format, "-Gdpi=192", NULL};
    (void)snprintf(format, sizeof(format), "-T%s", d->ending);
    if (strcmp(d->ending, "png") != 0)
        argv[2] = NULL;
    FILE *script = begin_script(c->arguments);
    if (script == NULL)
        return FAILED;
    if (ag_write_dot(c->root, script, &d->options) != AG_OK) {
        (void)fclose(script);
        return fail_circuit(c);
    }
    return end_script(c->arguments, script, strcmp(d->ending, "dot") == 0 ? NULL : argv, "graphviz",
                      d->path);
}

static void print_json(const circuit *c, const drawing *d)
{
    report *object = report_new();
    report_text(object, "file", d->path);
    report_count(object, "nodes", ag_topological_order(c->root, NULL, 0));
    report_print(object);
}

static int draw(const circuit *c)
{
    drawing d;
    int status = read_drawing(c->arguments, &d);
    if (status != DONE)
        return status;
    if (d.path == NULL)
        return ag_write_dot(c->root, stdout, &d.options) == AG_OK ? DONE : fail_circuit(c);
    status = draw_file(c, &d);
    if (status == DONE && c->arguments->json)
        print_json(c, &d);
    return status;
}

static int run(const command_line *arguments)
{
    circuit c;
    int status = names_net(arguments) ? open_net_circuit(&c, arguments)
                                      : open_circuit(&c, arguments, NUMBERS);
    if (status == DONE)
        status = draw(&c);
    close_circuit(&c);
    return status;
}

const subcommand draw_command = {
    .name = "draw",
    .operands = "EXPRESSION|MODEL [NAME=NUMBER]...",
    .summary = "the graph as a picture",
    .description =
        "Draws the gates of an expression from left to right: values above the wires,\n"
        "gradients below. The ending of the file says what it becomes; svg, png and pdf\n"
        "are laid out by Graphviz. Without a file the DOT text goes to standard output.\n"
        "\n"
        "Every part that has a name (h = tanh(w*x + b); ...) can be folded into one box:\n"
        "--fold 1 does that with the outermost ones. A saved net is drawn on one row of\n"
        "features, by default their means, up to the probability of the class it\n"
        "predicts; --fold 1 draws a layer as a box, --fold 2 a neuron.\n",
    .examples = "wengert draw 'log(x*y)' x=2 y=3 -o log.svg\n"
                "wengert draw '1/(1 + exp(-(w0*x0 + w1*x1 + w2)))' w0=2 x0=-1 w1=-3 x1=-2 w2=-3 "
                "-o sigmoid.png --local-gradients\n"
                "wengert draw 'h = tanh(w*x + b); v*h' w=1 x=2 b=-1 v=3 --fold 1 -o folded.pdf\n"
                "wengert draw iris.safetensors --fold 1 -o net.svg\n",
    .options =
        (const option[]){
            EXPRESSION_OPTION,
            {"output", 'o', "FILE", NULL, "write FILE, a .svg, .png, .pdf or .dot"},
            {"fold", 0, "NUMBER", NULL, "draw named parts as boxes: 1 the outermost [0]"},
            {"local-gradients", 'l', NULL, NULL, "write local gradients where wires enter gates"},
            {"no-gradients", 0, NULL, NULL, "draw values only"},
            {"title", 0, "TEXT", NULL, "write TEXT above the picture"},
            {"max-nodes", 0, "NUMBER", NULL, "refuse to draw more nodes [500]"},
            {"digits", 'd', "NUMBER", NULL, "significant digits of numbers, 1 to 17 [4]"},
            {0}},
    .run = run,
};
