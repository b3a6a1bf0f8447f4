/* SPDX-License-Identifier: MIT
 *
 * wengert predict: what a saved net says of rows without labels.
 */
#include "net_command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Probabilities of the classes from a row's outputs: softmax, or, from a single logit, sigmoid. */
static void find_probabilities(size_t outputs, const ag_real *logits, double *probabilities)
{
    if (outputs == 1) {
        probabilities[1] = 1 / (1 + exp(-(double)logits[0]));
        probabilities[0] = 1 / (1 + exp((double)logits[0]));
        return;
    }
    double most = (double)logits[0], sum = 0;
    for (size_t i = 1; i < outputs; i++)
        most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < outputs; i++)
        sum += probabilities[i] = exp((double)logits[i] - most);
    for (size_t i = 0; i < outputs; i++)
        probabilities[i] /= sum;
}

/* A cell as RFC 4180 wants it. */
static void put_cell(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        (void)fputs(text, stdout);
        return;
    }
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)putchar('"');
        (void)putchar(*text);
    }
    (void)putchar('"');
}

typedef struct prediction {
    const nn_model *model;
    const nn_dataset *data;
    size_t outputs, classes;
    const ag_real *values; /* rows x outputs */
    double *row;           /* outputs, or probabilities */
} prediction;

static const ag_real *find_row(const prediction *p, size_t row)
{
    return p->values + row * p->outputs;
}

static void print_header(const prediction *p)
{
    printf(p->classes > 0 ? "class" : "prediction");
    for (size_t i = 0; i < p->classes; i++) {
        (void)putchar(',');
        put_cell(nn_model_class_name(p->model, i));
    }
    for (size_t i = 1; p->classes == 0 && i < p->outputs; i++)
        printf(",prediction %zu", i + 1);
    printf("\n");
}

static void print_row(const prediction *p, size_t row)
{
    const ag_real *values = find_row(p, row);
    if (p->classes == 0) {
        for (size_t i = 0; i < p->outputs; i++)
            printf("%s%.9g", i == 0 ? "" : ",", (double)values[i]);
    } else {
        put_cell(nn_model_class_name(p->model, nn_predicted_class(p->outputs, values)));
        find_probabilities(p->outputs, values, p->row);
        for (size_t i = 0; i < p->classes; i++)
            printf(",%.6f", p->row[i]);
    }
    printf("\n");
}

static void print_json(const prediction *p)
{
    report *object = report_new();
    if (p->classes > 0) {
        report *names = report_list(object, "classes");
        for (size_t i = 0; i < p->classes; i++)
            report_text_item(names, nn_model_class_name(p->model, i));
    }
    report *rows = report_list(object, "predictions");
    for (size_t row = 0; row < nn_rows(p->data); row++) {
        const ag_real *values = find_row(p, row);
        report *item = report_item(rows);
        if (p->classes > 0) {
            report_text(item, "class",
                        nn_model_class_name(p->model, nn_predicted_class(p->outputs, values)));
            find_probabilities(p->outputs, values, p->row);
            report_numbers(item, "probabilities", p->classes, p->row);
        } else {
            for (size_t i = 0; i < p->outputs; i++)
                p->row[i] = (double)values[i];
            report_numbers(item, "outputs", p->outputs, p->row);
        }
    }
    report_print(object);
}

static void print_all(const command_line *a, const prediction *p)
{
    if (a->json) {
        print_json(p);
        return;
    }
    print_header(p);
    for (size_t row = 0; row < nn_rows(p->data); row++)
        print_row(p, row);
}

static int predict(const command_line *a, const nn_model *model)
{
    int status;
    nn_dataset *data = read_data(a, a->operands[1],
                                 &(nn_csv_options){.model = model, .unlabelled = true}, &status);
    if (data == NULL)
        return status;
    prediction p = {.model = model,
                    .data = data,
                    .outputs = nn_model_outputs(model),
                    .classes = nn_model_classes(model)};
    ag_real *values = allocate(nn_rows(data) * p.outputs, sizeof(*values));
    nn_error error;
    p.values = values;
    p.row = allocate(p.outputs > 2 ? p.outputs : 2, sizeof(*p.row));
    if (nn_predict(model, nn_rows(data), nn_row_inputs(data, 0), values, &error) != AG_OK)
        status = fail_net(a, &error);
    else
        print_all(a, &p);
    free(values);
    free(p.row);
    nn_dataset_free(data);
    return status;
}

static int run(const command_line *a)
{
    int status;
    if (a->count != 2)
        return fail(a, MISUSED, "expected a model and a file of rows without labels; see --help");
    nn_model *model = load_model(a, a->operands[0], &status);
    if (model == NULL)
        return status;
    status = predict(a, model);
    nn_model_free(model);
    return status;
}

const subcommand predict_command = {
    .name = "predict",
    .operands = "MODEL DATA",
    .summary = "what a saved net says of new rows",
    .description =
        "Reads rows of features, without a label, and prints for each, as comma-separated\n"
        "values, its class and the probability of every class; or the predicted number.\n"
        "Columns are in the order of the training data.\n",
    .examples = "wengert predict iris.safetensors new.csv\n"
                "wengert predict iris.safetensors new.csv --json\n",
    .options = (const option[]){HEADER_OPTION, SEPARATOR_OPTION, {0}},
    .files = true,
    .run = run,
};
