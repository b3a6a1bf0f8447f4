/* SPDX-License-Identifier: MIT
 *
 * The experiment that iris.c and digits.c make with their data: how well does a net do on rows that
 * it was not trained on?
 *
 * One answer from one cut of the data is luck, good or bad: of 30 rows, one more mistake is 3%. So
 * it is asked five times. Each seed cuts the data anew (four fifths to train on, one fifth held
 * out, class by class), draws the first weights and the order of the samples; nothing about the
 * seeds is chosen, they are 1 to 5.
 */
#ifndef DEMOS_HELD_OUT_H
#define DEMOS_HELD_OUT_H

#include <wengert/nn.h>

typedef struct experiment {
    const char *name; /* of the pictures, "iris" */
    const nn_dataset *data;
    size_t hidden; /* neurons between the features and the classes, tanh */
    nn_fit_options fit;
    /* Looks at a trained net and at the rows held out from it, for each seed; NULL: nobody does. */
    bool (*look)(nn_model *model, const nn_dataset *held_out, void *user, nn_error *error);
    void *look_user;
} experiment;

/* Prints each seed's result, the mean accuracy and the confusion matrix, and draws the losses and
 * the matrix in the directory, if there is one. Returns a program's exit status: failure, too, if
 * the mean accuracy is below 95%. */
int run_experiment(const experiment *self, const char *directory);

#endif
