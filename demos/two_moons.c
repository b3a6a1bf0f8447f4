/* SPDX-License-Identifier: MIT
 *
 * Two moons: what hidden layers are for.
 *
 * Two half circles, one class each, lie so that no straight line parts them. A net without a hidden
 * layer is logistic regression, and its regions are half planes:
 *
 *     P(class 1) = sigmoid(w . x + b) = 1/2   where   w . x + b = 0
 *
 * A hidden layer bends that line: its neurons are functions of x, and it is in *their* space that
 * the last layer draws a straight line. With few of them the border has few bends; with many it has
 * as many as it likes, and then it follows the noise, too. The training data can't tell the
 * difference. Samples that were held out can: their loss falls, and rises again.
 */
#include "picture.h"

#include <wengert/nn.h>

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

enum {
    TRAINED = 200,
    HELD_OUT = 1000,
    EPOCHS = 300,
    NETS = 3,
    GRID = 101, /* points along each side of a drawing */
};

typedef struct net {
    const char *name;
    size_t sizes[4], size_count;
    nn_model *model;
} net;

/* The losses of the nets after each epoch, for a drawing. */
typedef struct watch {
    FILE *file; /* NULL: nobody watches */
    const nn_model *model;
    const nn_dataset *train, *held_out;
} watch;

/* Points on two half circles of radius 1, each moved by normal noise of deviation 0.2. */
static nn_dataset *make_moons(size_t count, uint64_t seed, nn_error *error)
{
    ag_real points[HELD_OUT][2];
    size_t moons[HELD_OUT];
    nn_random random = nn_random_seed(seed);
    for (size_t i = 0; i < count; i++) {
        moons[i] = i % 2;
        const double angle = PI * nn_random_uniform(&random);
        const double x = moons[i] == 0 ? cos(angle) : 1 - cos(angle);
        const double y = moons[i] == 0 ? sin(angle) : 0.5 - sin(angle);
        points[i][0] = (ag_real)(x + 0.2 * nn_random_normal(&random));
        points[i][1] = (ag_real)(y + 0.2 * nn_random_normal(&random));
    }
    return nn_dataset_classes(count, 2, points[0], 2, moons, error);
}

static bool write_losses(const nn_epoch *epoch, void *user)
{
    const watch *w = user;
    if (w->file != NULL)
        fprintf(w->file, "%zu %g %g\n", epoch->epoch, nn_mean_loss(w->model, w->train, NULL, NULL),
                nn_mean_loss(w->model, w->held_out, NULL, NULL));
    return true;
}

/* One output, two classes: the loss is binary cross-entropy from the logit, without a word. */
static bool train_net(net *self, watch w, nn_error *error)
{
    self->model = nn_mlp(self->size_count, self->sizes, NN_TANH, 1);
    if (self->model == NULL) {
        *error = (nn_error){.status = AG_OUT_OF_MEMORY, .message = "out of memory"};
        return false;
    }
    w.model = self->model;
    const nn_fit_options options = {.optimizer = nn_adam(0.01),
                                    .epochs = EPOCHS,
                                    .batch = 16,
                                    .seed = 1,
                                    .on_epoch = write_losses,
                                    .on_epoch_user = &w};
    if (nn_fit(self->model, w.train, &options, error) != AG_OK)
        return false;
    printf("%-11s%10zu   %8.3f %8.3f   %7.1f%% %7.1f%%\n", self->name,
           nn_parameter_count(self->model), nn_mean_loss(self->model, w.train, NULL, NULL),
           nn_mean_loss(self->model, w.held_out, NULL, NULL),
           100 * nn_accuracy(self->model, w.train), 100 * nn_accuracy(self->model, w.held_out));
    return true;
}

/* ---- The picture ----------------------------------------------------------------------------- */

/* The probability of class 1 on a grid, as "$p0", "$p1", ... */
static bool write_probabilities(FILE *file, int number, const nn_model *model, nn_error *error)
{
    fprintf(file, "$p%d << EOD\n", number);
    for (int row = 0; row < GRID; row++) {
        ag_real points[GRID][2], logits[GRID];
        for (int column = 0; column < GRID; column++) {
            points[column][0] = (ag_real)(-1.75 + 4.5 * column / (GRID - 1));
            points[column][1] = (ag_real)(-1.25 + 3.0 * row / (GRID - 1));
        }
        if (nn_predict(model, GRID, points[0], logits, error) != AG_OK)
            return false;
        for (int column = 0; column < GRID; column++)
            fprintf(file, "%g %g %.4g\n", (double)points[column][0], (double)points[column][1],
                    1 / (1 + exp(-(double)logits[column])));
        fprintf(file, "\n");
    }
    fprintf(file, "EOD\n");
    return true;
}

static void write_points(FILE *file, const nn_dataset *moons)
{
    fprintf(file, "$points << EOD\n");
    for (size_t i = 0; i < nn_rows(moons); i++)
        fprintf(file, "%g %g %zu\n", (double)nn_row_inputs(moons, i)[0],
                (double)nn_row_inputs(moons, i)[1], nn_row_class(moons, i));
    fprintf(file, "EOD\n");
}

/* Probabilities as colours, the border where they are 1/2, the training data on top; last, the
 * losses of the largest net. */
static void write_plots(FILE *file, const net nets[NETS])
{
    fprintf(file, "set contour base\n"
                  "unset surface\n"
                  "set cntrparam levels discrete 0.5\n");
    for (int i = 0; i < NETS; i++)
        fprintf(file, "set table $border%d\nsplot $p%d\nunset table\n", i, i);
    fprintf(file, "set multiplot layout 2, 2\n"
                  "set palette defined (0 '#f0b878', 0.5 'white', 1 '#80b8e8')\n"
                  "set cbrange [0:1]\n"
                  "unset colorbox\n"
                  "unset grid\n"
                  "set key off\n"
                  "set xtics 1\n"
                  "set ytics 1\n"
                  "set xrange [-1.77:2.77]\n"
                  "set yrange [-1.27:1.77]\n");
    for (int i = 0; i < NETS; i++)
        fprintf(file,
                "set title '%s'\n"
                "plot $p%d using 1:2:3 with image, \\\n"
                "  $border%d using 1:2 with lines lc 'black' lw 1.5, \\\n"
                "  $points using 1:($3 == 0 ? $2 : NaN) with points lc '#b06000' pt 7 ps 0.35, \\\n"
                "  $points using 1:($3 == 1 ? $2 : NaN) with points lc '#0060a0' pt 7 ps 0.35\n",
                nets[i].name, i, i);
    fprintf(file,
            "set title '%s: the loss'\n"
            "set xlabel 'epoch'\n"
            "set ylabel 'cross-entropy'\n"
            "set xrange [0:%d]\n"
            "set yrange [0:0.4]\n"
            "set xtics 100\n"
            "set ytics 0.1\n"
            "set grid\n"
            "set key top right noopaque font ',13'\n"
            "plot $losses index %d using 1:3 with lines lc 7 title 'held out', \\\n"
            "  $losses index %d using 1:2 with lines lc 1 title 'training data'\n"
            "unset multiplot\n",
            nets[NETS - 1].name, EPOCHS, NETS - 1, NETS - 1);
}

/* ---------------------------------------------------------------------------------------------- */

static bool compare_nets(net nets[NETS], watch w, nn_error *error)
{
    printf("%d points to train on, %d held out\n\n", TRAINED, HELD_OUT);
    printf("                              loss              accuracy\n"
           "net        parameters   training held out   training held out\n");
    if (w.file != NULL)
        fprintf(w.file, "$losses << EOD\n"); /* epoch, training data, held out */
    for (int i = 0; i < NETS; i++) {
        if (!train_net(&nets[i], w, error))
            return false;
        if (w.file != NULL)
            fprintf(w.file, "\n\n");
    }
    if (w.file == NULL)
        return true;
    fprintf(w.file, "EOD\n");
    for (int i = 0; i < NETS; i++)
        if (!write_probabilities(w.file, i, nets[i].model, error))
            return false;
    write_points(w.file, w.train);
    write_plots(w.file, nets);
    return true;
}

int main(int argc, char **argv)
{
    net nets[NETS] = {{.name = "2-1", .sizes = {2, 1}, .size_count = 2},
                      {.name = "2-4-1", .sizes = {2, 4, 1}, .size_count = 3},
                      {.name = "2-16-16-1", .sizes = {2, 16, 16, 1}, .size_count = 4}};
    nn_error error = {0};
    nn_dataset *train = make_moons(TRAINED, 1, &error);
    nn_dataset *held_out = train == NULL ? NULL : make_moons(HELD_OUT, 2, &error);
    picture drawing = open_picture(argc > 1 ? argv[1] : NULL, "two_moons.gp");
    const watch w = {.file = drawing.file, .train = train, .held_out = held_out};
    const bool done = held_out != NULL && compare_nets(nets, w, &error);
    if (drawing.file != NULL)
        close_picture(&drawing);
    if (!done)
        fprintf(stderr, "%s\n", error.message);
    for (int i = 0; i < NETS; i++)
        nn_model_free(nets[i].model);
    nn_dataset_free(train);
    nn_dataset_free(held_out);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
