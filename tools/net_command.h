/* SPDX-License-Identifier: MIT
 *
 * What the commands about nets share: reading data and models, and saying how well they fit.
 */
#ifndef WENGERT_NET_COMMAND_H
#define WENGERT_NET_COMMAND_H

#include "command.h"
#include "report.h"

#include <wengert/nn.h>

/* How a file of data is read; in the tables of the commands that read one. */
#define SEPARATOR_OPTION                                                                           \
    {                                                                                              \
        "separator", 0, "CHARACTER", NULL, "what is between cells [,]"                             \
    }
#define HEADER_OPTION                                                                              \
    {                                                                                              \
        "header", 0, "WHAT", "guess yes no", "whether line 1 names the columns [guess]"            \
    }
#define LABEL_OPTION                                                                               \
    {                                                                                              \
        "label", 0, "NUMBER", NULL, "the label's column, from 1; -1 is the last [-1]"              \
    }

/* Says what nn refused. */
int fail_net(const command_line *arguments, const nn_error *error);

/* The data in a file, by the options above; `regression` says that labels are numbers. For a model
 * the data is read as it was trained. NULL, and said, on a failure, in *status. */
nn_dataset *read_data(const command_line *arguments, const char *path, const nn_csv_options *how,
                      int *status);
nn_model *load_model(const command_line *arguments, const char *path, int *status);

/* "4-16-3" into text. */
void show_sizes(const nn_model *model, size_t size, char *text);

/* How a model does with data: loss, accuracy, confusion matrix for classes; mean squared error and
 * its root for numbers. A status of the program. */
typedef struct judgement {
    size_t rows, classes;
    double loss, accuracy; /* NaN: no classes */
    size_t *confusion;     /* classes x classes, as nn_confusion; NULL: no classes */
} judgement;

int judge_model(const command_line *arguments, const nn_model *model, const nn_dataset *data,
                judgement *judgement);
void free_judgement(judgement *judgement);
void print_confusion(const nn_dataset *data, const judgement *judgement);
/* Members rows, loss, accuracy, classes, confusion of an object. */
void report_judgement(report *object, const nn_dataset *data, const judgement *judgement);

#endif
