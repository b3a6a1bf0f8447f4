/* SPDX-License-Identifier: MIT
 *
 * wengert show: what is in a file of a net.
 */
#include "net_command.h"

#include <math.h>
#include <stdlib.h>

/* Root mean square and largest size of n numbers. */
static void measure_numbers(size_t n, const ag_real *numbers, double *square, double *largest)
{
    *square = *largest = 0;
    for (size_t i = 0; i < n; i++) {
        const double number = fabs((double)numbers[i]);
        *square = hypot(*square, number);
        *largest = fmax(*largest, number);
    }
    *square /= sqrt((double)n);
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void print_names(const nn_model *model)
{
    const ag_real *mean = nn_model_mean(model), *deviation = nn_model_deviation(model);
    printf("\ninput  %-24s  %12s  %12s\n", "feature", "mean", "deviation");
    for (size_t i = 0; i < nn_model_inputs(model); i++) {
        const char *name = nn_model_feature_name(model, i);
        printf("%5zu  %-24s  %12.6g  %12.6g\n", i + 1, name == NULL ? "" : name, (double)mean[i],
               (double)deviation[i]);
    }
    if (nn_model_classes(model) > 0)
        printf("\nclasses  ");
    for (size_t i = 0; i < nn_model_classes(model); i++)
        printf("%s%s", i == 0 ? "" : ", ", nn_model_class_name(model, i));
    printf(nn_model_classes(model) > 0 ? "\n" : "");
}

static void print_layers(nn_model *model)
{
    const ag_real *at = nn_parameters(model);
    printf("\nlayer  %-9s  %-11s  %10s  %12s  %12s\n", "weights", "activation", "parameters",
           "rms weight", "largest");
    for (size_t i = 0; i < nn_model_layers(model); i++) {
        const size_t in = nn_model_size(model, i), out = nn_model_size(model, i + 1);
        const bool last = i + 1 == nn_model_layers(model);
        char shape[48];
        double square, largest;
        (void)snprintf(shape, sizeof(shape), "%zu x %zu", out, in);
        measure_numbers(out * in, at, &square, &largest);
        printf("%5zu  %-9s  %-11s  %10zu  %12.6g  %12.6g\n", i + 1, shape,
               nn_activation_name(last ? NN_IDENTITY : nn_model_activation(model)), out * in + out,
               square, largest);
        at += out * in + out;
    }
}

static void print_training(const nn_training *t)
{
    printf("\ntraining       %zu of %zu epochs, %llu steps\n", t->epochs, t->epochs_asked,
           (unsigned long long)t->steps);
    printf("data           %zu rows in batches of %zu, seed %llu\n", t->rows, t->batch,
           (unsigned long long)t->seed);
    printf("optimiser      %s, rate %g", t->optimizer.name, t->optimizer.rate);
    if (t->optimizer.momentum != 0)
        printf(", momentum %g", t->optimizer.momentum);
    if (t->optimizer.weight_decay != 0)
        printf(", weight decay %g", t->optimizer.weight_decay);
    printf("\nloss           %s: %.6g", t->loss, t->last.loss);
    if (!isnan(t->last.accuracy))
        printf(", accuracy %.1f%%", 100 * t->last.accuracy);
    if (!isnan(t->last.held_out_loss))
        printf("; held out %.6g", t->last.held_out_loss);
    if (!isnan(t->last.held_out_accuracy))
        printf(", accuracy %.1f%%", 100 * t->last.held_out_accuracy);
    printf("\n");
    if (t->patience > 0)
        printf(
            "early stopping after %zu epochs without progress; best was epoch %zu: held out %.6g\n",
            t->patience, t->best_epoch, t->best_loss);
}

static void print_text(nn_model *model)
{
    char sizes[200];
    show_sizes(model, sizeof(sizes), sizes);
    printf("net            %s, %s, %zu parameters\n", sizes,
           nn_activation_name(nn_model_activation(model)), nn_parameter_count(model));
    if (nn_model_training(model) != NULL)
        print_training(nn_model_training(model));
    print_layers(model);
    print_names(model);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void report_reals(report *object, const char *key, size_t n, const ag_real *reals)
{
    double *numbers = allocate(n, sizeof(*numbers));
    for (size_t i = 0; i < n; i++)
        numbers[i] = (double)reals[i];
    report_numbers(object, key, n, numbers);
    free(numbers);
}

static void report_training(report *object, const nn_training *t)
{
    report *training = report_object(object, "training");
    report_count(training, "epochs", t->epochs);
    report_count(training, "epochs_asked", t->epochs_asked);
    report_count(training, "steps", (size_t)t->steps);
    report_count(training, "rows", t->rows);
    report_count(training, "batch", t->batch);
    report_count(training, "seed", (size_t)t->seed);
    report_text(training, "loss_function", t->loss);
    report_number(training, "loss", t->last.loss);
    report_number(training, "accuracy", t->last.accuracy);
    report_number(training, "held_out_loss", t->last.held_out_loss);
    report_number(training, "held_out_accuracy", t->last.held_out_accuracy);
    report_count(training, "patience", t->patience);
    report_count(training, "best_epoch", t->best_epoch);
    report *rule = report_object(training, "optimizer");
    report_text(rule, "name", t->optimizer.name);
    report_number(rule, "rate", t->optimizer.rate);
    report_number(rule, "momentum", t->optimizer.momentum);
    report_number(rule, "weight_decay", t->optimizer.weight_decay);
}

static void report_layers(report *object, nn_model *model)
{
    const ag_real *at = nn_parameters(model);
    report *layers = report_list(object, "layers");
    for (size_t i = 0; i < nn_model_layers(model); i++) {
        const size_t in = nn_model_size(model, i), out = nn_model_size(model, i + 1);
        const bool last = i + 1 == nn_model_layers(model);
        report *layer = report_item(layers);
        report_count(layer, "inputs", in);
        report_count(layer, "outputs", out);
        report_text(layer, "activation",
                    nn_activation_name(last ? NN_IDENTITY : nn_model_activation(model)));
        report_reals(layer, "weights", out * in, at);
        report_reals(layer, "biases", out, at + out * in);
        at += out * in + out;
    }
}

static void print_json(nn_model *model)
{
    report *object = report_new();
    const size_t inputs = nn_model_inputs(model);
    report_count(object, "parameters", nn_parameter_count(model));
    report *features = report_list(object, "features");
    for (size_t i = 0; i < inputs; i++)
        report_text_item(features, nn_model_feature_name(model, i));
    report_reals(object, "mean", inputs, nn_model_mean(model));
    report_reals(object, "deviation", inputs, nn_model_deviation(model));
    report *classes = report_list(object, "classes");
    for (size_t i = 0; i < nn_model_classes(model); i++)
        report_text_item(classes, nn_model_class_name(model, i));
    if (nn_model_training(model) != NULL)
        report_training(object, nn_model_training(model));
    report_layers(object, model);
    report_print(object);
}

static int run(const command_line *a)
{
    int status;
    if (a->count != 1)
        return fail(a, MISUSED, "expected a model: wengert show iris.safetensors");
    nn_model *model = load_model(a, a->operands[0], &status);
    if (model == NULL)
        return status;
    if (a->json)
        print_json(model);
    else
        print_text(model);
    nn_model_free(model);
    return DONE;
}

const subcommand show_command = {
    .name = "show",
    .operands = "MODEL",
    .summary = "what is in a saved net",
    .description =
        "Prints a net's layers, its classes, the standardisation of its inputs, and how\n"
        "it was trained. With --json also its weights, each layer's row by row (outputs\n"
        "x inputs).\n",
    .examples = "wengert show iris.safetensors\n",
    .options = (const option[]){{0}},
    .files = true,
    .run = run,
};
