/* SPDX-License-Identifier: MIT
 *
 * Iris: 150 flowers of three species, known by the lengths and widths of their sepals and petals,
 * and the oldest exercise in telling classes apart (R. A. Fisher, 1936).
 *
 * The net has 4 inputs, 16 hidden neurons and an output for each species. Its outputs are logits z;
 * softmax makes probabilities of them, and the loss is the negative logarithm of the right one:
 *
 *     p_k = exp(z_k) / sum_j exp(z_j),    loss = -log p_class = log(sum_j exp(z_j)) - z_class
 *
 * A wide gap parts one species from the others. Those two meet, and the flowers that a net gets
 * wrong lie where they do.
 */
#include "held_out.h"
#include "picture.h"

/* Columns of iris.csv, both in cm. */
enum {
    PETAL_LENGTH = 2,
    PETAL_WIDTH = 3
};

/* The rows that a net gets wrong, with their own class, written as they are found. */
static bool write_wrong(nn_model *model, const nn_dataset *held_out, void *user, nn_error *error)
{
    FILE *file = user;
    for (size_t row = 0; row < nn_rows(held_out); row++) {
        const ag_real *x = nn_row_inputs(held_out, row);
        ag_real logits[3];
        if (nn_predict(model, 1, x, logits, error) != AG_OK)
            return false;
        if (nn_predicted_class(3, logits) != nn_row_class(held_out, row))
            fprintf(file, "%g %g %zu\n", (double)x[PETAL_LENGTH], (double)x[PETAL_WIDTH],
                    nn_row_class(held_out, row));
    }
    return true;
}

/* The wrong ones are drawn again: where species share a point, the last drawn hides the others. */
static void write_plot(FILE *file, const nn_dataset *data)
{
    fprintf(file, "$flowers << EOD\n");
    for (size_t klass = 0; klass < nn_classes(data); klass++) {
        fprintf(file, "\"%s\"\n", nn_class_name(data, klass));
        for (size_t row = 0; row < nn_rows(data); row++) {
            const ag_real *x = nn_row_inputs(data, row);
            if (nn_row_class(data, row) == klass)
                fprintf(file, "%g %g\n", (double)x[PETAL_LENGTH], (double)x[PETAL_WIDTH]);
        }
        fprintf(file, "\n\n");
    }
    fprintf(file,
            "EOD\n"
            "set title 'The flowers, and those that a net got wrong when they were held out'\n"
            "set xlabel 'petal length (cm)'\n"
            "set ylabel 'petal width (cm)'\n"
            "set key top left Left reverse\n"
            "plot [0.5:7.5] [0:2.8] for [i = 0:2] $flowers index i with points pt 7 lc i + 2 \\\n"
            "  title columnheader(1), \\\n"
            "  $wrong using 1:2:($3 + 2) with points pt 7 lc variable notitle, \\\n"
            "  $wrong with points pt 6 ps 2 lc 'black' title 'wrong'\n");
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : NULL;
    nn_error error;
    nn_dataset *data = nn_read_csv(DEMO_DATA "/iris.csv", NULL, &error);
    if (data == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    picture drawing = open_picture(directory, "iris_flowers.gp");
    if (drawing.file != NULL)
        fprintf(drawing.file, "$wrong << EOD\n");
    const int status = run_experiment(
        &(experiment){.name = "iris",
                      .data = data,
                      .hidden = 16,
                      .fit = {.optimizer = nn_adam(0.01), .epochs = 100, .batch = 16},
                      .look = drawing.file == NULL ? NULL : write_wrong,
                      .look_user = drawing.file},
        directory);
    if (drawing.file != NULL) {
        fprintf(drawing.file, "EOD\n");
        write_plot(drawing.file, data);
        close_picture(&drawing);
    }
    nn_dataset_free(data);
    return status;
}
