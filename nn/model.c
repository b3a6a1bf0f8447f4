/* SPDX-License-Identifier: MIT
 *
 * Models: a multi-layer perceptron's shape, its parameters in one array, its standardisation, and
 * what can be asked of it: outputs, classes, mean loss. Every number comes out of the gates that
 * training uses, there is no second way through the net. Training is fit.c's.
 */
#include "net.h"

#include <math.h>
#include <string.h>

/* ---- Shape and parameters -------------------------------------------------------------------- */

void nn_model_free(nn_model *model)
{
    if (model == NULL)
        return;
    nni_release(model->sizes);
    nni_release(model->parameters);
    nni_release(model->mean);
    nni_release(model->deviation);
    nni_release(model);
}

static size_t count_parameters(size_t n, const size_t *sizes)
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

nn_model *nn_mlp(size_t n, const size_t *sizes, nn_activation activation, uint64_t seed)
{
    if (n < 2 || sizes == NULL || strcmp(nn_activation_name(activation), "unknown") == 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (sizes[i] == 0)
            return NULL;
    nn_model *model = nni_allocate(1, sizeof(*model));
    if (model == NULL)
        return NULL;
    model->layers = n - 1;
    model->activation = activation;
    model->parameter_count = count_parameters(n, sizes);
    model->sizes = nni_allocate(n, sizeof(size_t));
    model->parameters = nni_allocate(model->parameter_count, sizeof(ag_real));
    model->mean = nni_allocate(sizes[0], sizeof(ag_real));
    model->deviation = nni_allocate(sizes[0], sizeof(ag_real));
    if (model->sizes == NULL || model->parameters == NULL || model->mean == NULL ||
        model->deviation == NULL) {
        nn_model_free(model);
        return NULL;
    }
    memcpy(model->sizes, sizes, n * sizeof(size_t));
    for (size_t i = 0; i < sizes[0]; i++)
        model->deviation[i] = 1;
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

static size_t find_widest_hidden(const nn_model *model)
{
    size_t widest = 0;
    for (size_t i = 1; i < model->layers; i++)
        if (model->sizes[i] > widest)
            widest = model->sizes[i];
    return widest;
}

/* hidden has room for two hidden layers: the one that is read and the one that is made. */
static ag_status record(const nn_model *model, const ag_value *parameters, const ag_value *inputs,
                        ag_value *hidden, size_t widest, ag_value *outputs)
{
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
    const size_t widest = find_widest_hidden(model);
    ag_value *hidden = nni_allocate(nni_times(2, widest), sizeof(ag_value));
    if (hidden == NULL)
        return AG_OUT_OF_MEMORY;
    const ag_status status = record(model, parameters, inputs, hidden, widest, outputs);
    nni_release(hidden);
    return status;
}

/* ---- Tapes ----------------------------------------------------------------------------------- */

ag_status nni_tape_open(nni_tape *tape, const nn_model *model, nn_error *error)
{
    const size_t inputs = nn_model_inputs(model), outputs = nn_model_outputs(model);
    const size_t leaves = model->parameter_count + inputs + outputs;
    *tape = (nni_tape){.model = model, .widest = find_widest_hidden(model)};
    tape->graph = nni_graph_new();
    tape->parameters = nni_allocate(leaves + outputs + 2 * tape->widest, sizeof(ag_value));
    tape->row = nni_allocate(inputs + outputs, sizeof(ag_real));
    if (tape->graph == NULL || tape->parameters == NULL || tape->row == NULL)
        return nni_fail_memory(error);
    tape->answer = tape->row + inputs;
    tape->inputs = tape->parameters + model->parameter_count;
    tape->targets = tape->inputs + inputs;
    tape->outputs = tape->targets + outputs;
    tape->hidden = tape->outputs + outputs;
    for (size_t i = 0; i < leaves; i++)
        tape->parameters[i] =
            i < model->parameter_count ? ag_variable(tape->graph, 0) : ag_constant(tape->graph, 0);
    tape->mark = ag_graph_mark(tape->graph);
    const ag_status status = nni_tape_reset(tape);
    return status == AG_OK ? AG_OK : nni_fail_graph(error, tape->graph);
}

void nni_tape_close(nni_tape *tape)
{
    ag_graph_free(tape->graph);
    nni_release(tape->parameters);
    nni_release(tape->row);
}

ag_status nni_tape_reset(nni_tape *tape)
{
    (void)ag_graph_rewind(tape->graph, tape->mark);
    ag_zero_grad(tape->graph);
    for (size_t i = 0; i < tape->model->parameter_count; i++)
        (void)ag_set(tape->parameters[i], tape->model->parameters[i]);
    return ag_error(tape->graph);
}

static void set_inputs(nni_tape *tape, const ag_real *inputs)
{
    nn_standardise(tape->model, inputs, tape->row);
    for (size_t i = 0; i < nn_model_inputs(tape->model); i++)
        (void)ag_set(tape->inputs[i], tape->row[i]);
}

static ag_status record_net(nni_tape *tape, const ag_real *inputs)
{
    (void)ag_graph_rewind(tape->graph, tape->mark);
    set_inputs(tape, inputs);
    return record(tape->model, tape->parameters, tape->inputs, tape->hidden, tape->widest,
                  tape->outputs);
}

ag_status nni_tape_compute(nni_tape *tape, const ag_real *inputs)
{
    if (!ag_is_null(tape->root)) {
        set_inputs(tape, inputs);
        return ag_forward(tape->root);
    }
    (void)record_net(tape, inputs);
    tape->root = ag_sum(nn_model_outputs(tape->model), tape->outputs);
    return ag_error(tape->graph);
}

size_t nni_tape_class(const nni_tape *tape)
{
    const size_t n = nn_model_outputs(tape->model);
    for (size_t i = 0; i < n; i++)
        tape->answer[i] = ag_data(tape->outputs[i]);
    return nn_predicted_class(n, tape->answer);
}

/* ---- Data and models ------------------------------------------------------------------------- */

ag_status nni_check_fit(const nn_model *model, const nn_dataset *data, nn_error *error)
{
    if (model == NULL || data == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "no %s: it is NULL",
                        model == NULL ? "model" : "dataset");
    const size_t inputs = nn_model_inputs(model), outputs = nn_model_outputs(model);
    if (data->features != inputs)
        return nni_fail(error, AG_INVALID_ARGUMENT,
                        "the model has %zu inputs, the data %zu features", inputs, data->features);
    if (outputs == 1 && data->classes > 0 && data->classes != 2)
        return nni_fail(error, AG_INVALID_ARGUMENT,
                        "a model with 1 output tells 2 classes apart, and the data has %zu",
                        data->classes);
    if (outputs != nn_targets(data) && !(outputs == 1 && data->classes == 2))
        return nni_fail(error, AG_INVALID_ARGUMENT, "the model has %zu outputs, the data %zu %s",
                        outputs, nn_targets(data),
                        data->classes > 0 ? "classes" : "numbers per row");
    return AG_OK;
}

nn_loss nni_choose_loss(const nn_model *model, const nn_dataset *data, nn_loss loss)
{
    if (loss != NULL)
        return loss;
    if (data->classes == 0)
        return nn_mean_squared_error;
    return nn_model_outputs(model) == 1 ? nn_binary_cross_entropy_logits : nn_softmax_cross_entropy;
}

ag_status nni_tape_record_loss(nni_tape *tape, const nn_dataset *data, size_t row, nn_loss loss,
                               void *loss_context, ag_value *value)
{
    const size_t outputs = nn_model_outputs(tape->model);
    ag_status status = record_net(tape, nn_row_inputs(data, row));
    for (size_t i = 0; status == AG_OK && i < outputs; i++) {
        ag_real target;
        if (data->classes == 0)
            target = nn_row_targets(data, row)[i];
        else
            target = outputs == 1 ? (ag_real)data->labels[row]
                                  : (ag_real)(data->labels[row] == i ? 1 : 0);
        status = ag_set(tape->targets[i], target);
    }
    if (status != AG_OK)
        return status;
    *value = loss(outputs, tape->outputs, tape->targets, loss_context);
    status = ag_error(tape->graph);
    if (status == AG_OK && ag_is_null(*value))
        return AG_NULL_VALUE;
    return status == AG_OK && value->graph != tape->graph ? AG_WRONG_GRAPH : status;
}

/* ---- Asking a model -------------------------------------------------------------------------- */

size_t nn_predicted_class(size_t n, const ag_real *outputs)
{
    size_t best = 0;
    if (n == 1)
        return outputs[0] > 0;
    for (size_t i = 1; i < n; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return best;
}

ag_status nn_predict(const nn_model *model, size_t rows, const ag_real *inputs, ag_real *outputs,
                     nn_error *error)
{
    if (model == NULL || (rows > 0 && (inputs == NULL || outputs == NULL)))
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_predict: an argument is NULL");
    const size_t in = nn_model_inputs(model), out = nn_model_outputs(model);
    nni_tape tape;
    ag_status status = nni_tape_open(&tape, model, error);
    for (size_t row = 0; status == AG_OK && row < rows; row++) {
        status = nni_tape_compute(&tape, inputs + row * in);
        for (size_t i = 0; i < out; i++)
            outputs[row * out + i] = ag_data(tape.outputs[i]);
        if (status != AG_OK)
            nni_fail(error, status, "row %zu: %s", row, ag_error_message(tape.graph));
    }
    nni_tape_close(&tape);
    return status;
}

/* Puts every row of data into a class; counts as in nn_confusion, or NULL. */
static ag_status classify(const nn_model *model, const nn_dataset *data, size_t *counts,
                          size_t *right, nn_error *error)
{
    ag_status status = nni_check_fit(model, data, error);
    if (status != AG_OK)
        return status;
    if (data->classes == 0)
        return nni_fail(error, AG_INVALID_ARGUMENT, "the data has numbers to predict, not classes");
    nni_tape tape;
    status = nni_tape_open(&tape, model, error);
    for (size_t row = 0; status == AG_OK && row < data->rows; row++) {
        status = nni_tape_compute(&tape, nn_row_inputs(data, row));
        if (status != AG_OK) {
            nni_fail(error, status, "row %zu: %s", row, ag_error_message(tape.graph));
            break;
        }
        const size_t klass = nni_tape_class(&tape);
        *right += klass == data->labels[row];
        if (counts != NULL)
            counts[data->labels[row] * data->classes + klass]++;
    }
    nni_tape_close(&tape);
    return status;
}

double nn_accuracy(const nn_model *model, const nn_dataset *data)
{
    size_t right = 0;
    if (classify(model, data, NULL, &right, NULL) != AG_OK)
        return (double)NAN;
    return (double)right / (double)data->rows;
}

ag_status nn_confusion(const nn_model *model, const nn_dataset *data, size_t *counts,
                       nn_error *error)
{
    size_t right = 0;
    if (counts == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_confusion: counts is NULL");
    const size_t classes = nn_classes(data);
    memset(counts, 0, classes * classes * sizeof(size_t));
    return classify(model, data, counts, &right, error);
}

double nn_mean_loss(const nn_model *model, const nn_dataset *data, nn_loss loss, void *loss_context)
{
    if (nni_check_fit(model, data, NULL) != AG_OK)
        return (double)NAN;
    loss = nni_choose_loss(model, data, loss);
    nni_tape tape;
    double sum = 0;
    ag_status status = nni_tape_open(&tape, model, NULL);
    for (size_t row = 0; status == AG_OK && row < data->rows; row++) {
        ag_value value;
        status = nni_tape_record_loss(&tape, data, row, loss, loss_context, &value);
        if (status == AG_OK)
            sum += (double)ag_data(value);
    }
    nni_tape_close(&tape);
    return status == AG_OK ? sum / (double)data->rows : (double)NAN;
}
