/* SPDX-License-Identifier: MIT
 *
 * Five nets from five seeds, each judged by the rows it has not seen.
 */
#include "held_out.h"
#include "picture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEDS = 5,
    COLUMN = 7, /* of the confusion matrix, at least */
};

typedef struct trials {
    const experiment *of;
    size_t classes;
    size_t *counts;      /* [class][predicted class] of the rows held out, over all seeds */
    size_t *seed_counts; /* of the present one */
    double *losses;      /* [epoch][training data, held out], means over the seeds */
    size_t rows, right;  /* held out, over all seeds; of them, those put into their class */
} trials;

static bool fail(nn_error *error, ag_status status)
{
    *error = (nn_error){.status = status};
    (void)snprintf(error->message, sizeof(error->message), "%s", ag_strerror(status));
    return false;
}

/* ---- One seed -------------------------------------------------------------------------------- */

typedef struct trial {
    trials *all;
    nn_dataset *train, *held_out;
    nn_model *model;
} trial;

static bool add_losses(const nn_epoch *epoch, void *user)
{
    const trial *t = user;
    double *losses = t->all->losses + 2 * (epoch->epoch - 1);
    losses[0] += nn_mean_loss(t->model, t->train, NULL, NULL) / SEEDS;
    losses[1] += nn_mean_loss(t->model, t->held_out, NULL, NULL) / SEEDS;
    return true;
}

static bool train_and_judge(trial *t, uint64_t seed, nn_error *error)
{
    trials *all = t->all;
    nn_fit_options options = all->of->fit;
    options.seed = seed;
    options.on_epoch = add_losses;
    options.on_epoch_user = t;
    if (nn_fit(t->model, t->train, &options, error) != AG_OK ||
        nn_confusion(t->model, t->held_out, all->seed_counts, error) != AG_OK)
        return false;
    size_t right = 0;
    const size_t rows = nn_rows(t->held_out), classes = all->classes;
    for (size_t i = 0; i < classes * classes; i++) {
        all->counts[i] += all->seed_counts[i];
        if (i % (classes + 1) == 0) /* the diagonal */
            right += all->seed_counts[i];
    }
    all->right += right;
    all->rows += rows;
    printf("%4" PRIu64 "  %12.4f %9.4f %6zu of %3zu %8.1f%%\n", seed,
           nn_mean_loss(t->model, t->train, NULL, NULL),
           nn_mean_loss(t->model, t->held_out, NULL, NULL), right, rows,
           100 * (double)right / (double)rows);
    return all->of->look == NULL || all->of->look(t->model, t->held_out, all->of->look_user, error);
}

static bool run_trial(trials *all, uint64_t seed, nn_error *error)
{
    trial t = {.all = all};
    const size_t sizes[] = {nn_features(all->of->data), all->of->hidden, all->classes};
    ag_status status = nn_split(all->of->data, 0.8, seed, &t.train, &t.held_out);
    if (status == AG_OK && (t.model = nn_mlp(3, sizes, NN_TANH, seed)) == NULL)
        status = AG_OUT_OF_MEMORY;
    const bool done = status == AG_OK ? train_and_judge(&t, seed, error) : fail(error, status);
    nn_model_free(t.model);
    nn_dataset_free(t.train);
    nn_dataset_free(t.held_out);
    return done;
}

/* ---- What came out --------------------------------------------------------------------------- */

static void print_confusion(const trials *t)
{
    size_t width = COLUMN;
    for (size_t k = 0; k < t->classes; k++)
        if (strlen(nn_class_name(t->of->data, k)) + 2 > width)
            width = strlen(nn_class_name(t->of->data, k)) + 2;
    printf("\nrows held out, over all %d seeds\n%*s  predicted\n%*s", SEEDS, (int)width, "",
           (int)width, "class");
    for (size_t k = 0; k < t->classes; k++)
        printf("%*s", (int)width, nn_class_name(t->of->data, k));
    for (size_t i = 0; i < t->classes; i++) {
        printf("\n%*s", (int)width, nn_class_name(t->of->data, i));
        for (size_t k = 0; k < t->classes; k++)
            printf("%*zu", (int)width, t->counts[i * t->classes + k]);
    }
    printf("\n");
}

static void write_class_tics(FILE *file, const nn_dataset *data, char axis)
{
    fprintf(file, "set %ctics (", axis);
    for (size_t k = 0; k < nn_classes(data); k++)
        fprintf(file, "%s'%s' %zu", k == 0 ? "" : ", ", nn_class_name(data, k), k);
    fprintf(file, ")\n");
}

/* Right ones blue, by their part of the class; mistakes orange, by their part of the largest. */
static void draw_confusion(const trials *t, const char *directory)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s_confusion.gp", t->of->name);
    picture drawing = open_picture(directory, name);
    if (drawing.file == NULL)
        return;
    const size_t n = t->classes;
    size_t worst = 1;
    for (size_t i = 0; i < n * n; i++)
        if (i % (n + 1) != 0 && t->counts[i] > worst)
            worst = t->counts[i];
    fprintf(drawing.file, "$counts << EOD\n"); /* class, predicted class, count, colour */
    for (size_t i = 0; i < n; i++) {
        size_t rows = 0;
        for (size_t k = 0; k < n; k++)
            rows += t->counts[i * n + k];
        for (size_t k = 0; k < n; k++) {
            const double count = (double)t->counts[i * n + k];
            fprintf(drawing.file, "%zu %zu %g %.3f\n", i, k, count,
                    i == k ? count / (double)rows : -count / (double)worst);
        }
    }
    fprintf(drawing.file,
            "EOD\n"
            "set title '%s, %zu rows held out over %d seeds: right (blue) and wrong (orange)'\n"
            "set xlabel 'predicted class'\n"
            "set ylabel 'class'\n",
            t->of->name, t->rows, SEEDS);
    write_class_tics(drawing.file, t->of->data, 'x');
    write_class_tics(drawing.file, t->of->data, 'y');
    fprintf(
        drawing.file,
        "set palette defined (-1 '#e08030', 0 '#f4f4f4', 1 '#70a8d8')\n"
        "set cbrange [-1:1]\n"
        "unset colorbox\n"
        "unset grid\n"
        "set border 0\n"
        "set tics scale 0\n"
        "set xrange [-0.5:%zu - 0.5]\n"
        "set yrange [%zu - 0.5:-0.5]\n"
        "plot $counts using 2:1:(0.48):(0.48):4 with boxxyerror fs solid noborder lc palette \\\n"
        "  notitle, \\\n"
        "  $counts using 2:1:($3 > 0 ? sprintf('%%d', $3) : '') with labels notitle\n",
        n, n);
    close_picture(&drawing);
}

static void draw_losses(const trials *t, const char *directory)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s_losses.gp", t->of->name);
    picture drawing = open_picture(directory, name);
    if (drawing.file == NULL)
        return;
    fprintf(drawing.file, "$losses << EOD\n");
    for (size_t epoch = 1; epoch <= t->of->fit.epochs; epoch++)
        fprintf(drawing.file, "%zu %g %g\n", epoch, t->losses[2 * epoch - 2],
                t->losses[2 * epoch - 1]);
    fprintf(drawing.file,
            "EOD\n"
            "set title '%s: mean of %d seeds'\n"
            "set xlabel 'epoch'\n"
            "set ylabel 'cross-entropy'\n"
            "set logscale y\n"
            "set key top right\n"
            "plot $losses using 1:3 with lines lc 7 lw 2 title 'held out', \\\n"
            "  $losses using 1:2 with lines lc 1 lw 2 title 'training data'\n",
            t->of->name, SEEDS);
    close_picture(&drawing);
}

/* ---------------------------------------------------------------------------------------------- */

static bool run_trials(trials *t, nn_error *error)
{
    printf("%s: %zu rows, %zu features, %zu classes; a net of %zu-%zu-%zu\n\n"
           "          loss after training         held out\n"
           "seed  training data  held out         right  accuracy\n",
           t->of->name, nn_rows(t->of->data), nn_features(t->of->data), t->classes,
           nn_features(t->of->data), t->of->hidden, t->classes);
    t->counts = calloc(t->classes * t->classes, sizeof(size_t));
    t->seed_counts = calloc(t->classes * t->classes, sizeof(size_t));
    t->losses = calloc(2 * t->of->fit.epochs, sizeof(double));
    if (t->counts == NULL || t->seed_counts == NULL || t->losses == NULL)
        return fail(error, AG_OUT_OF_MEMORY);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        if (!run_trial(t, seed, error))
            return false;
    return true;
}

int run_experiment(const experiment *self, const char *directory)
{
    nn_error error = {0};
    trials t = {.of = self, .classes = nn_classes(self->data)};
    const bool done = run_trials(&t, &error);
    bool good = false;
    if (done) {
        const double accuracy = (double)t.right / (double)t.rows;
        good = accuracy >= 0.95;
        printf("mean accuracy %35.1f%%, at least 95%%: %s\n", 100 * accuracy, good ? "yes" : "NO");
        print_confusion(&t);
        draw_losses(&t, directory);
        draw_confusion(&t, directory);
    } else {
        fprintf(stderr, "%s\n", error.message);
    }
    free(t.counts);
    free(t.seed_counts);
    free(t.losses);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
