/* SPDX-License-Identifier: MIT
 *
 * Data, models and judgements for the commands about nets.
 */
#include "net_command.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int fail_net(const command_line *a, const nn_error *error)
{
    return fail(a, FAILED, "%s", error->message);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int read_label(const command_line *a, int *column)
{
    const char *text = get_option(a, "label");
    char *end;
    if (text == NULL)
        return DONE;
    const long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number == 0 || number > INT_MAX || number < -INT_MAX)
        return fail(a, MISUSED, "--label %s: expected a column: 1 is the first, -1 the last", text);
    *column = (int)(number > 0 ? number - 1 : number);
    return DONE;
}

static int read_layout(const command_line *a, nn_csv_options *how)
{
    const char *separator = get_option(a, "separator"), *header = get_option(a, "header");
    if (separator != NULL && strcmp(separator, "\\t") == 0)
        separator = "\t";
    if (separator != NULL && strlen(separator) != 1)
        return fail(a, MISUSED, "--separator %s: expected one character, or \\t", separator);
    if (separator != NULL)
        how->separator = separator[0];
    if (header != NULL)
        how->header = strcmp(header, "yes") == 0  ? NN_HEADER_YES
                      : strcmp(header, "no") == 0 ? NN_HEADER_NO
                                                  : NN_HEADER_GUESS;
    how->label_column = -1;
    return read_label(a, &how->label_column);
}

nn_dataset *read_data(const command_line *a, const char *path, const nn_csv_options *how,
                      int *status)
{
    nn_csv_options options = *how;
    *status = read_layout(a, &options);
    if (*status != DONE)
        return NULL;
    nn_error error;
    nn_dataset *data = nn_read_csv(path, &options, &error);
    if (data == NULL)
        *status = fail_net(a, &error);
    return data;
}

nn_model *load_model(const command_line *a, const char *path, int *status)
{
    nn_error error;
    nn_model *model = nn_load(path, &error);
    *status = model != NULL ? DONE : fail_net(a, &error);
    return model;
}

void show_sizes(const nn_model *model, size_t size, char *text)
{
    size_t used = 0;
    for (size_t i = 0; i <= nn_model_layers(model) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i == 0 ? "" : "-",
                                 nn_model_size(model, i));
}

/* ---- Judging --------------------------------------------------------------------------------- */

int judge_model(const command_line *a, const nn_model *model, const nn_dataset *data, judgement *j)
{
    *j = (judgement){.rows = nn_rows(data), .classes = nn_classes(data), .accuracy = (double)NAN};
    j->loss = nn_mean_loss(model, data, NULL, NULL);
    if (j->classes == 0)
        return DONE;
    nn_error error;
    j->confusion = allocate(j->classes * j->classes, sizeof(*j->confusion));
    if (nn_confusion(model, data, j->confusion, &error) != AG_OK)
        return fail_net(a, &error);
    size_t right = 0;
    for (size_t i = 0; i < j->classes; i++)
        right += j->confusion[i * j->classes + i];
    j->accuracy = (double)right / (double)j->rows;
    return DONE;
}

void free_judgement(judgement *j)
{
    free(j->confusion);
    j->confusion = NULL;
}

/* Characters that a text takes on the screen. */
static size_t measure(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static void put_right(const char *text, size_t width)
{
    const size_t length = measure(text);
    printf("  %*s%s", (int)(width > length ? width - length : 0), "", text);
}

void print_confusion(const nn_dataset *data, const judgement *j)
{
    const size_t n = j->classes;
    size_t width = 4, first = strlen("true \\ predicted");
    for (size_t i = 0; i < n; i++) {
        const size_t length = measure(nn_class_name(data, i));
        width = length > width ? length : width;
        first = length > first ? length : first;
    }
    printf("%-*s", (int)first, "true \\ predicted");
    for (size_t i = 0; i < n; i++)
        put_right(nn_class_name(data, i), width);
    printf("\n");
    for (size_t i = 0; i < n; i++) {
        const char *name = nn_class_name(data, i);
        printf("%s%*s", name, (int)(first - measure(name)), "");
        for (size_t k = 0; k < n; k++)
            printf("  %*zu", (int)width, j->confusion[i * n + k]);
        printf("\n");
    }
}

void report_judgement(report *object, const nn_dataset *data, const judgement *j)
{
    report_count(object, "rows", j->rows);
    report_number(object, "loss", j->loss);
    if (j->classes == 0) {
        report_number(object, "root_mean_squared_error", sqrt(j->loss));
        return;
    }
    report_number(object, "accuracy", j->accuracy);
    report *names = report_list(object, "classes");
    report *rows = report_list(object, "confusion");
    for (size_t i = 0; i < j->classes; i++) {
        report_text_item(names, nn_class_name(data, i));
        report_counts_item(rows, j->classes, j->confusion + i * j->classes);
    }
}
