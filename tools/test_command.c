/* SPDX-License-Identifier: MIT
 *
 * wengert test: how a saved net does with labelled data.
 */
#include "net_command.h"

#include <math.h>

static void print_text(const nn_dataset *data, const judgement *j)
{
    if (j->classes == 0) {
        printf("rows                     %zu\n", j->rows);
        printf("mean squared error       %.6g\n", j->loss);
        printf("root mean squared error  %.6g\n", sqrt(j->loss));
        return;
    }
    printf("rows      %zu\n", j->rows);
    printf("accuracy  %.1f%%\n", 100 * j->accuracy);
    printf("loss      %.6g\n\n", j->loss);
    print_confusion(data, j);
}

static int judge(const command_line *a, const nn_model *model)
{
    int status;
    const bool numbers = nn_model_training(model) != NULL && nn_model_classes(model) == 0;
    nn_dataset *data = read_data(a, a->operands[1],
                                 &(nn_csv_options){.model = model, .regression = numbers}, &status);
    if (data == NULL)
        return status;
    judgement j;
    status = judge_model(a, model, data, &j);
    if (status == DONE && a->json) {
        report *object = report_new();
        report_judgement(object, data, &j);
        report_print(object);
    } else if (status == DONE) {
        print_text(data, &j);
    }
    free_judgement(&j);
    nn_dataset_free(data);
    return status;
}

static int run(const command_line *a)
{
    int status;
    if (a->count != 2)
        return fail(a, MISUSED, "expected a model and a file of labelled data; see --help");
    nn_model *model = load_model(a, a->operands[0], &status);
    if (model == NULL)
        return status;
    status = judge(a, model);
    nn_model_free(model);
    return status;
}

const subcommand test_command = {
    .name = "test",
    .operands = "MODEL DATA",
    .summary = "how a saved net does with labelled data",
    .description =
        "Reads rows with their labels, as train does, and tells how many of them the net\n"
        "puts into their class, and which classes it takes for which; for numbers, the\n"
        "mean squared error. Classes are matched by name, whatever their order.\n",
    .examples = "wengert test iris.safetensors iris.csv\n"
                "wengert test iris.safetensors iris.csv --json\n",
    .options = (const option[]){LABEL_OPTION, HEADER_OPTION, SEPARATOR_OPTION, {0}},
    .files = true,
    .run = run,
};
