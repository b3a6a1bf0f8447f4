/* SPDX-License-Identifier: MIT
 *
 * Models: a multi-layer perceptron's shape, its parameters in one array, its standardisation, and
 * how it is recorded: the one place that knows what a net computes. Outputs are predict.c's,
 * training is fit.c's.
 */
#include "net.h"

#include <math.h>
#include <string.h>

/* ---- Shape and parameters -------------------------------------------------------------------- */

void nn_model_free(nn_model *model)
{
    if (model == NULL)
        return;
    if (model->kept != NULL)
        nni_forget(model->kept);
    nni_release(model->kept);
    nni_release(model->sizes);
    nni_release(model->parameters);
    nni_release(model->mean);
    nni_release(model->deviation);
    nni_release(model->class_names);
    nni_release(model->feature_names);
    nni_release(model->state);
    nni_release(model);
}

size_t nni_count_parameters(size_t n, const size_t *sizes)
{
    size_t count = 0;
    for (size_t i = 1; i < n; i++) {
        const size_t in = sizes[i - 1] == SIZE_MAX ? SIZE_MAX : sizes[i - 1] + 1;
        const size_t layer = nni_times(sizes[i], in);
        count = layer > SIZE_MAX - count ? SIZE_MAX : count + layer;
    }
    return count;
}

/* Whether an activation grows like x, so that half of what comes in is lost or damped. */
static bool is_one_sided(nn_activation activation)
{
    switch (activation) {
    case NN_RELU:
    case NN_LEAKY_RELU:
    case NN_ELU:
    case NN_SOFTPLUS:
        return true;
    case NN_IDENTITY:
    case NN_TANH:
    case NN_SIGMOID:
        break;
    }
    return false;
}

static void draw_parameters(nn_model *model, uint64_t seed)
{
    nn_random random = nn_random_seed(seed);
    ag_real *weights = model->parameters;
    for (size_t layer = 0; layer < model->layers; layer++) {
        const size_t in = model->sizes[layer], out = model->sizes[layer + 1];
        if (is_one_sided(model->activation))
            nn_init_he(&random, in, out * in, weights);
        else
            nn_init_glorot(&random, in, out, out * in, weights);
        weights += out * in + out; /* biases stay 0 */
    }
}

nn_model *nni_make_model(size_t n, const size_t *sizes, nn_activation activation)
{
    nn_model *model = NNI_NEW_ARRAY(1, nn_model);
    if (model == NULL)
        return NULL;
    model->layers = n - 1;
    model->activation = activation;
    model->parameter_count = nni_count_parameters(n, sizes);
    model->sizes = NNI_NEW_ARRAY(n, size_t);
    model->parameters = NNI_NEW_ARRAY(model->parameter_count, ag_real);
    model->mean = NNI_NEW_ARRAY(sizes[0], ag_real);
    model->deviation = NNI_NEW_ARRAY(sizes[0], ag_real);
    model->kept = NNI_NEW_ARRAY(1, nni_kept);
    if (model->kept != NULL) {
        atomic_init(&model->kept->program, NULL);
        atomic_init(&model->kept->workspace, NULL);
    }
    if (model->sizes == NULL || model->parameters == NULL || model->mean == NULL ||
        model->deviation == NULL || model->kept == NULL) {
        nn_model_free(model);
        return NULL;
    }
    memcpy(model->sizes, sizes, n * sizeof(size_t));
    for (size_t i = 0; i < sizes[0]; i++)
        model->deviation[i] = 1;
    return model;
}

nn_model *nn_mlp(size_t n, const size_t *sizes, nn_activation activation, uint64_t seed)
{
    if (n < 2 || sizes == NULL || strcmp(nn_activation_name(activation), "unknown") == 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (sizes[i] == 0)
            return NULL;
    nn_model *model = nni_make_model(n, sizes, activation);
    if (model != NULL)
        draw_parameters(model, seed);
    return model;
}

size_t nn_model_inputs(const nn_model *model)
{
    return model == NULL ? 0 : model->sizes[0];
}

size_t nn_model_outputs(const nn_model *model)
{
    return model == NULL ? 0 : model->sizes[model->layers];
}

size_t nn_parameter_count(const nn_model *model)
{
    return model == NULL ? 0 : model->parameter_count;
}

ag_real *nn_parameters(nn_model *model)
{
    return model == NULL ? NULL : model->parameters;
}

size_t nn_model_layers(const nn_model *model)
{
    return model == NULL ? 0 : model->layers;
}

size_t nn_model_size(const nn_model *model, size_t i)
{
    return model != NULL && i <= model->layers ? model->sizes[i] : 0;
}

nn_activation nn_model_activation(const nn_model *model)
{
    return model == NULL ? NN_IDENTITY : model->activation;
}

size_t nn_model_classes(const nn_model *model)
{
    return model == NULL ? 0 : model->classes;
}

const char *nn_model_class_name(const nn_model *model, size_t klass)
{
    return klass < nn_model_classes(model) ? model->class_names[klass] : NULL;
}

const char *nn_model_feature_name(const nn_model *model, size_t feature)
{
    if (feature >= nn_model_inputs(model) || model->feature_names == NULL)
        return NULL;
    return model->feature_names[feature];
}

const ag_real *nn_model_mean(const nn_model *model)
{
    return model == NULL ? NULL : model->mean;
}

const ag_real *nn_model_deviation(const nn_model *model)
{
    return model == NULL ? NULL : model->deviation;
}

const nn_training *nn_model_training(const nn_model *model)
{
    return model == NULL || model->state == NULL ? NULL : &model->state->told;
}

void nn_forget_training(nn_model *model)
{
    if (model == NULL)
        return;
    nni_release(model->state);
    model->state = NULL;
}

void nn_standardise(const nn_model *model, const ag_real *inputs, ag_real *standardised)
{
    for (size_t i = 0; i < nn_model_inputs(model); i++) {
        const double mean = (double)model->mean[i], deviation = (double)model->deviation[i];
        double distance = (double)inputs[i] - mean;
        if (isinf(distance)) /* a difference of huge numbers: take half of everything */
            standardised[i] = (ag_real)(((double)inputs[i] / 2 - mean / 2) / (deviation / 2));
        else
            standardised[i] = (ag_real)(distance / deviation);
    }
}

/* ---- Recording ------------------------------------------------------------------------------- */

size_t nni_widest_hidden(const nn_model *model)
{
    size_t widest = 0;
    for (size_t i = 1; i < model->layers; i++)
        if (model->sizes[i] > widest)
            widest = model->sizes[i];
    return widest;
}

ag_status nni_record(const nn_model *model, const ag_value *parameters, const ag_value *inputs,
                     ag_value *hidden, ag_value *outputs)
{
    const size_t widest = nni_widest_hidden(model);
    ag_status status = AG_OK;
    for (size_t i = 0; status == AG_OK && i < model->layers; i++) {
        const bool last = i + 1 == model->layers;
        const size_t in = model->sizes[i], out = model->sizes[i + 1];
        ag_value *made = last ? outputs : hidden + (i % 2) * widest;
        status = nn_layer(in, out, parameters, parameters + out * in, inputs,
                          last ? NN_IDENTITY : model->activation, made);
        parameters += out * in + out;
        inputs = made;
    }
    return status;
}

ag_status nn_model_record(const nn_model *model, const ag_value *parameters, const ag_value *inputs,
                          ag_value *outputs)
{
    if (model == NULL || parameters == NULL || inputs == NULL || outputs == NULL)
        return AG_INVALID_ARGUMENT;
    ag_value *hidden = NNI_NEW_ARRAY(nni_times(2, nni_widest_hidden(model)), ag_value);
    if (hidden == NULL)
        return AG_OUT_OF_MEMORY;
    const ag_status status = nni_record(model, parameters, inputs, hidden, outputs);
    nni_release(hidden);
    return status;
}

/* ---- Data and models ------------------------------------------------------------------------- */

/* Whether names are those that the library makes up, see nni_copy_names. */
static bool are_numbered(size_t count, char *const *names, const char *prefix)
{
    char name[24];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "%s%zu", prefix, i);
        if (strcmp(name, names[i]) != 0)
            return false;
    }
    return true;
}

static ag_status check_names(const char *what, size_t count, char *const *known, char *const *names,
                             const char *prefix, nn_error *error)
{
    size_t i = 0;
    while (i < count && strcmp(known[i], names[i]) == 0)
        i++;
    if (i == count || are_numbered(count, known, prefix) || are_numbered(count, names, prefix))
        return AG_OK;
    char shown[2][40];
    return nni_fail(error, AG_INVALID_ARGUMENT, "%s %zu of the data is \"%s\", the model's \"%s\"",
                    what, i, nni_show(names[i], shown[0]), nni_show(known[i], shown[1]));
}

ag_status nni_check_features(const nn_model *model, const nn_dataset *data, nn_error *error)
{
    if (model->feature_names == NULL)
        return AG_OK;
    return check_names("feature", data->features, model->feature_names, data->feature_names, "x",
                       error);
}

/* Whether data is of the kind that the model was trained on. */
static ag_status check_kind(const nn_model *model, const nn_dataset *data, nn_error *error)
{
    if (model->classes != data->classes)
        return nni_fail(error, AG_INVALID_ARGUMENT,
                        data->classes > 0 ? "the model was trained on numbers, and the data has "
                                            "classes"
                                          : "the model was trained on classes, and the data has "
                                            "numbers");
    const ag_status status = nni_check_features(model, data, error);
    if (status != AG_OK)
        return status;
    return check_names("class", data->classes, model->class_names, data->class_names, "", error);
}

ag_status nni_check_fit(const nn_model *model, const nn_dataset *data, nn_error *error)
{
    if (model == NULL || data == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "no %s: it is NULL",
                        model == NULL ? "model" : "dataset");
    const size_t inputs = nn_model_inputs(model), outputs = nn_model_outputs(model);
    if (data->features != inputs)
        return nni_fail(error, AG_INVALID_ARGUMENT,
                        "the model has %zu inputs, the data %zu features", inputs, data->features);
    if (nn_targets(data) == 0)
        return nni_fail(error, AG_INVALID_ARGUMENT,
                        "the data has neither classes nor numbers to predict: it is unlabelled");
    if (outputs == 1 && data->classes > 0 && data->classes != 2)
        return nni_fail(error, AG_INVALID_ARGUMENT,
                        "a model with 1 output tells 2 classes apart, and the data has %zu",
                        data->classes);
    if (outputs != nn_targets(data) && !(outputs == 1 && data->classes == 2))
        return nni_fail(error, AG_INVALID_ARGUMENT, "the model has %zu outputs, the data %zu %s",
                        outputs, nn_targets(data),
                        data->classes > 0 ? "classes" : "numbers per row");
    return model->feature_names == NULL ? AG_OK : check_kind(model, data, error);
}

nn_loss nni_choose_loss(const nn_model *model, size_t classes, nn_loss loss)
{
    if (loss != NULL)
        return loss;
    if (classes == 0)
        return nn_mean_squared_error;
    return nn_model_outputs(model) == 1 ? nn_binary_cross_entropy_logits : nn_softmax_cross_entropy;
}
