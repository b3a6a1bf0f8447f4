/* SPDX-License-Identifier: MIT
 *
 * Digits: 1797 handwritten digits as pictures of 8 x 8 pixels, 0 to 16 each.
 *
 * The net sees 64 numbers and knows nothing of pictures: 32 hidden neurons, each a weighted sum of
 * the pixels bent by tanh, then 10 outputs, one for each digit.
 *
 *     h = tanh(V x + c),    z = W h + b,    loss = log(sum_j exp(z_j)) - z_digit
 *
 * The digits that it gets wrong are drawn, to see whether one would have known better. So are the
 * rows of V, as pictures: what of a digit each hidden neuron looks for, and what it shuns. Where a
 * pixel is blank in every digit, nothing asks for its weights; the optimiser's weight decay, which
 * draws all weights towards 0, wipes out what chance had put there.
 */
#include "held_out.h"
#include "picture.h"

#include <math.h>
#include <string.h>

enum {
    SIDE = 8,
    PIXELS = SIDE * SIDE,
    DIGITS = 10,
    HIDDEN = 32,
    WRONG = 40, /* to draw: the first that are found */
    ACROSS = 8, /* tiles in a row */
};

typedef struct tile {
    ag_real pixels[PIXELS];
    size_t digit, said;
} tile;

typedef struct gallery {
    tile wrong[WRONG];
    size_t wrong_count;
    tile weights[HIDDEN]; /* of the last net's hidden neurons */
} gallery;

static bool fill_gallery(nn_model *model, const nn_dataset *held_out, void *user, nn_error *error)
{
    gallery *g = user;
    for (size_t row = 0; row < nn_rows(held_out) && g->wrong_count < WRONG; row++) {
        const ag_real *pixels = nn_row_inputs(held_out, row);
        ag_real logits[DIGITS];
        if (nn_predict(model, 1, pixels, logits, error) != AG_OK)
            return false;
        tile *t = &g->wrong[g->wrong_count];
        t->digit = nn_row_class(held_out, row);
        t->said = nn_predicted_class(DIGITS, logits);
        memcpy(t->pixels, pixels, sizeof(t->pixels));
        g->wrong_count += t->said != t->digit;
    }
    for (size_t i = 0; i < HIDDEN; i++)
        memcpy(g->weights[i].pixels, nn_parameters(model) + i * PIXELS,
               sizeof(g->weights[i].pixels));
    return true;
}

/* Tiles in rows, each with a frame of one pixel and room for a line of text below. */
static void write_tiles(FILE *file, size_t count, const tile *tiles, double scale)
{
    fprintf(file, "$pixels << EOD\n");
    for (size_t i = 0; i < count * PIXELS; i++) {
        const size_t at = i / PIXELS, pixel = i % PIXELS;
        fprintf(file, "%zu %zu %.3f\n", at % ACROSS * (SIDE + 2) + pixel % SIDE,
                at / ACROSS * (SIDE + 4) + pixel / SIDE, (double)tiles[at].pixels[pixel] / scale);
    }
    fprintf(file, "EOD\n"
                  "unset colorbox\n"
                  "unset border\n"
                  "unset grid\n"
                  "unset tics\n"
                  "set size ratio -1\n"
                  "set key off\n");
}

static void draw_wrong(const gallery *g, const char *directory)
{
    picture drawing = open_picture(directory, "digits_wrong.gp");
    if (drawing.file == NULL)
        return;
    write_tiles(drawing.file, g->wrong_count, g->wrong, 16);
    fprintf(drawing.file, "$texts << EOD\n");
    for (size_t i = 0; i < g->wrong_count; i++)
        fprintf(drawing.file, "%g %g \"%zu, not %zu\"\n", (double)(i % ACROSS * (SIDE + 2)) + 3.5,
                (double)(i / ACROSS * (SIDE + 4)) + 8.6, g->wrong[i].digit, g->wrong[i].said);
    fprintf(drawing.file,
            "EOD\n"
            "set title 'What they are, and what a net took them for (the first %zu)'\n"
            "set palette defined (0 '#f0f0f0', 1 'black')\n"
            "set cbrange [0:1]\n"
            "plot [-1:79] [59:-1] $pixels using 1:2:(0.5):(0.5):3 with boxxyerror \\\n"
            "  fs solid noborder lc palette, \\\n"
            "  $texts using 1:2:3 with labels font ',13'\n",
            g->wrong_count);
    close_picture(&drawing);
}

static void draw_weights(const gallery *g, const char *directory)
{
    picture drawing = open_picture(directory, "digits_weights.gp");
    if (drawing.file == NULL)
        return;
    double largest = 0;
    for (size_t i = 0; i < HIDDEN; i++)
        for (size_t k = 0; k < PIXELS; k++)
            largest = fmax(largest, fabs((double)g->weights[i].pixels[k]));
    write_tiles(drawing.file, HIDDEN, g->weights, largest);
    fprintf(drawing.file,
            "set title 'What each hidden neuron looks for (blue) and shuns (orange)'\n"
            "set palette defined (-1 '#c05000', 0 '#f4f4f4', 1 '#0060a0')\n"
            "set cbrange [-1:1]\n"
            "plot [-1:79] [47:-1] $pixels using 1:2:(0.5):(0.5):3 with boxxyerror \\\n"
            "  fs solid noborder lc palette\n");
    close_picture(&drawing);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : NULL;
    nn_error error;
    nn_dataset *data = nn_read_csv(DEMO_DATA "/digits.csv", NULL, &error);
    if (data == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    nn_optimizer adam = nn_adam(0.005);
    adam.weight_decay = 0.001;
    static gallery g;
    const int status =
        run_experiment(&(experiment){.name = "digits",
                                     .data = data,
                                     .hidden = HIDDEN,
                                     .fit = {.optimizer = adam, .epochs = 15, .batch = 32},
                                     .look = fill_gallery,
                                     .look_user = &g},
                       directory);
    draw_wrong(&g, directory);
    draw_weights(&g, directory);
    nn_dataset_free(data);
    return status;
}
