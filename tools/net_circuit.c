/* SPDX-License-Identifier: MIT
 *
 * Records a saved net on one row of features, as gates.
 */
#include "net_circuit.h"
#include "net_command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool names_net(const command_line *a)
{
    static const char ending[] = ".safetensors";
    const size_t n = sizeof(ending) - 1, length = a->count > 0 ? strlen(a->operands[0]) : 0;
    return length > n && strcmp(a->operands[0] + length - n, ending) == 0;
}

/* FEATURE=NUMBER */
static int set_feature(const circuit *c, const char *operand)
{
    const char *equals = strrchr(operand, '=');
    const size_t length = equals == NULL ? 0 : (size_t)(equals - operand);
    double number;
    for (size_t i = 0; i < c->n; i++) {
        if (strlen(c->names[i]) != length || strncmp(c->names[i], operand, length) != 0)
            continue;
        if (!read_input_number(c, operand, strlen(equals + 1), equals + 1, &number))
            return MISUSED;
        (void)ag_set(c->inputs[i], (ag_real)number);
        return DONE;
    }
    const char *near = find_nearest(operand, length, c->n, (const char *const *)c->names);
    return near == NULL ? fail(c->arguments, MISUSED, "\"%.60s\": expected FEATURE=NUMBER", operand)
                        : fail(c->arguments, MISUSED, "\"%.60s\": did you mean the feature %s?",
                               operand, near);
}

static int make_inputs(circuit *c, const nn_model *model)
{
    c->inputs = allocate(nn_model_inputs(model), sizeof(*c->inputs));
    c->names = allocate(nn_model_inputs(model), sizeof(*c->names));
    for (; c->n < nn_model_inputs(model); c->n++) {
        char numbered[32];
        const char *name = nn_model_feature_name(model, c->n);
        (void)snprintf(numbered, sizeof(numbered), "x%zu", c->n);
        name = name == NULL || *name == '\0' ? numbered : name;
        c->names[c->n] = allocate(strlen(name) + 1, 1);
        strcpy(c->names[c->n], name);
        c->inputs[c->n] = ag_variable(c->graph, nn_model_mean(model)[c->n]);
        if (ag_is_null(ag_find(c->graph, name))) /* features may share a name */
            (void)ag_name(c->inputs[c->n], name);
    }
    int status = DONE;
    for (size_t i = 1; status == DONE && i < c->arguments->count; i++)
        status = set_feature(c, c->arguments->operands[i]);
    return status;
}

static void standardise(const circuit *c, const nn_model *model, ag_value *standard)
{
    (void)ag_scope_begin(c->graph, "standardise");
    for (size_t i = 0; i < c->n; i++)
        standard[i] = ag_scale(ag_shift(c->inputs[i], -nn_model_mean(model)[i]),
                               1 / nn_model_deviation(model)[i]);
    (void)ag_scope_end(c->graph);
}

/* The probability of the class that comes out; or the number. */
static void finish(circuit *c, const nn_model *model, ag_value *outputs)
{
    const size_t n = nn_model_outputs(model), classes = nn_model_classes(model);
    ag_real *numbers = allocate(n, sizeof(*numbers));
    char name[80] = "prediction";
    for (size_t i = 0; i < n; i++)
        numbers[i] = ag_data(outputs[i]);
    const size_t klass = nn_predicted_class(n, numbers);
    c->root = outputs[0];
    if (classes > 0) {
        (void)ag_scope_begin(c->graph, n == 1 ? "sigmoid" : "softmax");
        if (n > 1)
            (void)nn_softmax(n, outputs, outputs);
        c->root = n > 1 ? outputs[klass] : ag_sigmoid(klass == 1 ? outputs[0] : ag_neg(outputs[0]));
        (void)ag_scope_end(c->graph);
        (void)snprintf(name, sizeof(name), "P(%.70s)", nn_model_class_name(model, klass));
    }
    (void)ag_name(c->root, name);
    free(numbers);
}

static int record(circuit *c, nn_model *model)
{
    const size_t n = nn_parameter_count(model), out = nn_model_outputs(model);
    ag_value *standard = allocate(c->n, sizeof(*standard));
    ag_value *parameters = allocate(n, sizeof(*parameters));
    ag_value *outputs = allocate(out, sizeof(*outputs));
    for (size_t i = 0; i < n; i++)
        parameters[i] = ag_variable(c->graph, nn_parameters(model)[i]);
    standardise(c, model, standard);
    (void)nn_model_record(model, parameters, standard, outputs);
    finish(c, model, outputs);
    free(standard);
    free(parameters);
    free(outputs);
    return ag_error(c->graph) == AG_OK ? DONE : fail_circuit(c);
}

int open_net_circuit(circuit *c, const command_line *a)
{
    int status;
    *c = (circuit){.arguments = a, .digits = 6};
    nn_model *model = load_model(a, a->operands[0], &status);
    if (model == NULL)
        return status;
    c->graph = ag_graph_new(NULL);
    if (c->graph == NULL)
        end_without_memory();
    status = make_inputs(c, model);
    if (status == DONE)
        status = record(c, model);
    nn_model_free(model);
    return status;
}
