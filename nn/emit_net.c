/* SPDX-License-Identifier: MIT
 *
 * A net as C for elsewhere: what goes into a file is recorded and compiled here, ag_emit_c writes
 * it. Features go in as they are measured, so the standardisation is part of what is recorded;
 * where the model knows classes, probabilities come out.
 */
#include "net.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

/* ---- Text ------------------------------------------------------------------------------------ */

typedef struct text {
    char *chars; /* terminated, once there is something */
    size_t count, capacity;
    bool failed; /* there was no memory for some of it */
} text;

static void put(text *to, const char *format, ...) NNI_PRINTF(2, 3);

static void put(text *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    void *chars = to->chars;
    to->failed = to->failed || n < 0 ||
                 !nni_grow(&chars, &to->capacity, to->count + (size_t)n + 1, sizeof(char));
    to->chars = (char *)chars;
    if (to->failed)
        return;
    va_start(arguments, format);
    (void)vsnprintf(to->chars + to->count, (size_t)n + 1, format, arguments);
    va_end(arguments);
    to->count += (size_t)n;
}

/* A literal. Octal escapes are three digits, so that what follows is none of them; a question mark
 * could begin a trigraph. */
static void put_literal(text *to, const char *name)
{
    put(to, "\"");
    for (const char *at = name; *at != '\0'; at++) {
        const unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || c == '?')
            put(to, "\\%c", c);
        else if (c >= ' ' && c <= '~')
            put(to, "%c", c);
        else
            put(to, "\\%03o", (unsigned)c);
    }
    put(to, "\"");
}

/* ---- Recording ------------------------------------------------------------------------------- */

/* A net on its way into a file. Values are one block. */
typedef struct emission {
    const nn_model *model;
    const nn_emit_options *options;
    nn_error *error;
    const char *name;
    char *capitals;      /* the name in them */
    char *gradient_name; /* of the function that finds gradients */
    nn_loss loss;        /* NULL: it is not to be trained */
    ag_graph *graph;
    ag_value *parameters;
    ag_value *row;      /* the features as they are, then the targets as the caller has them */
    ag_value *standard; /* the features, standardised */
    ag_value *outputs;  /* of the net */
    ag_value *told;     /* outputs, or probabilities of the classes */
    ag_value *targets;  /* what the loss takes, one for each output */
    ag_value *gradient;
    size_t labels; /* numbers in a row behind the features */
    ag_program *predictor, *trainer;
    double *numbers; /* the parameters */
    text declarations, definitions;
} emission;

static size_t count_told(const emission *e)
{
    const size_t classes = nn_model_classes(e->model);
    return classes > 0 ? classes : nn_model_outputs(e->model);
}

static ag_status fail_here(const emission *e)
{
    return e->graph == NULL || ag_error(e->graph) == AG_OK ? nni_fail_memory(e->error)
                                                           : nni_fail_graph(e->error, e->graph);
}

/* A name that another value has stays with that. */
static void name_value(ag_value x, const char *name)
{
    if (name != NULL && *name != '\0' && ag_is_null(ag_find(x.graph, name)))
        (void)ag_name(x, name);
}

static ag_status open_graph(emission *e)
{
    const size_t n = e->model->parameter_count, in = nn_model_inputs(e->model);
    const size_t out = nn_model_outputs(e->model), told = count_told(e);
    const bool one_label = nn_model_classes(e->model) > 0;
    e->labels = one_label ? 1 : out;
    e->graph = nni_graph_new();
    e->parameters = NNI_NEW_ARRAY(2 * n + 2 * in + e->labels + 2 * out + told + 1, ag_value);
    e->numbers = NNI_NEW_ARRAY(n, double);
    if (e->graph == NULL || e->parameters == NULL || e->numbers == NULL)
        return nni_fail_memory(e->error);
    e->row = e->parameters + n;
    e->standard = e->row + in + e->labels;
    e->outputs = e->standard + in;
    e->told = e->outputs + out;
    e->targets = e->told + told;
    e->gradient = e->targets + out + 1; /* behind the loss */
    for (size_t i = 0; i < n; i++) {
        e->numbers[i] = (double)e->model->parameters[i];
        e->parameters[i] = ag_variable(e->graph, e->model->parameters[i]);
    }
    for (size_t i = 0; i < in + e->labels; i++)
        e->row[i] = ag_variable(e->graph, 0);
    for (size_t i = 0; i < in; i++)
        name_value(e->row[i], nn_model_feature_name(e->model, i));
    if (one_label)
        name_value(e->row[in], "class");
    return AG_OK;
}

static ag_status record_net(emission *e)
{
    const nn_model *model = e->model;
    const size_t out = nn_model_outputs(model), classes = nn_model_classes(model);
    for (size_t i = 0; i < nn_model_inputs(model); i++)
        e->standard[i] = ag_div(ag_sub(e->row[i], ag_constant(e->graph, model->mean[i])),
                                ag_constant(e->graph, model->deviation[i]));
    ag_status status = nn_model_record(model, e->parameters, e->standard, e->outputs);
    if (status == AG_OUT_OF_MEMORY)
        return nni_fail_memory(e->error);
    if (classes == 0)
        memcpy(e->told, e->outputs, out * sizeof(ag_value));
    else if (out > 1)
        (void)nn_softmax(out, e->outputs, e->told);
    else {
        e->told[0] = ag_sigmoid(ag_neg(e->outputs[0]));
        e->told[1] = ag_sigmoid(e->outputs[0]);
    }
    for (size_t i = 0; i < classes; i++)
        name_value(e->told[i], nn_model_class_name(model, i));
    return ag_error(e->graph) == AG_OK ? AG_OK : nni_fail_graph(e->error, e->graph);
}

/* The loss of a row, behind the targets, and its gradient. */
static ag_status record_loss(emission *e)
{
    const size_t n = e->model->parameter_count, in = nn_model_inputs(e->model);
    const size_t out = nn_model_outputs(e->model);
    for (size_t i = 0; i < out; i++)
        e->targets[i] = e->labels == out
                            ? e->row[in + i]
                            : ag_is_equal(e->row[in], ag_constant(e->graph, (ag_real)i));
    ag_value *loss = e->targets + out;
    *loss = e->loss(out, e->outputs, e->targets, e->options->loss_context);
    if (ag_error(e->graph) == AG_OK && loss->graph != e->graph)
        return nni_fail(e->error, AG_INVALID_ARGUMENT, "the loss gave no value of its graph");
    if (ag_gradient(*loss, n, e->parameters, e->gradient) != AG_OK)
        return fail_here(e);
    name_value(*loss, "loss");
    return AG_OK;
}

static ag_status compile(emission *e, const ag_signature *signature, ag_program **program)
{
    *program = nni_compile(signature);
    if (*program == NULL)
        return fail_here(e);
    if (ag_program_describe(*program).comparisons > 0)
        return nni_fail(e->error, AG_INVALID_ARGUMENT,
                        "the loss branches by a comparison that it records, and a file has but one "
                        "way: ag_select takes the place of a branch");
    return AG_OK;
}

static ag_status make_programs(emission *e)
{
    const size_t n = e->model->parameter_count, in = nn_model_inputs(e->model);
    ag_status status = open_graph(e);
    if (status == AG_OK)
        status = record_net(e);
    if (status != AG_OK)
        return status;
    ag_signature signature = {.shared = e->parameters,
                              .shared_count = n,
                              .each = e->row,
                              .each_count = in,
                              .map = e->told,
                              .map_count = count_told(e)};
    status = compile(e, &signature, &e->predictor);
    if (status == AG_OK && e->loss != NULL)
        status = record_loss(e);
    if (status != AG_OK || e->loss == NULL)
        return status;
    signature.each_count = in + e->labels;
    signature.sum = e->gradient;
    signature.sum_count = n;
    signature.map = e->targets + nn_model_outputs(e->model);
    signature.map_count = 1;
    return compile(e, &signature, &e->trainer);
}

/* ---- What comes with the functions ----------------------------------------------------------- */

static const char *name_type(const emission *e)
{
    return e->options->use_float ? "float" : "double";
}

static void put_names(emission *e, const char *what, size_t n,
                      const char *(*get)(const nn_model *model, size_t i))
{
    text *to = &e->declarations;
    if (n == 0 || e->model->feature_names == NULL)
        return;
    put(to, "#define %s_%s_NAMES \\\n    { \\\n", e->capitals, what);
    for (size_t i = 0; i < n; i++) {
        put(to, "        ");
        put_literal(to, get(e->model, i));
        put(to, ", \\\n");
    }
    put(to, "    }\n");
}

static void put_shape(emission *e)
{
    const nn_model *model = e->model;
    text *to = &e->declarations;
    const bool has_classes = nn_model_classes(model) > 0;
    put(to, "/* %s is a net: ", e->name);
    for (size_t i = 0; i <= model->layers; i++)
        put(to, "%s%zu", i == 0 ? "" : "-", model->sizes[i]);
    put(to, ", %s.\n * each are the features, as they are measured; map %s. */\n",
        nn_activation_name(model->activation),
        has_classes ? "the probabilities of the classes" : "what it predicts");
    put(to, "enum { %s_INPUTS = %zu, %s_OUTPUTS = %zu, %s_PARAMETERS = %zu };\n", e->capitals,
        nn_model_inputs(model), e->capitals, count_told(e), e->capitals, model->parameter_count);
    if (model->feature_names != NULL)
        put(to, "/* Names, for arrays: static const char *const names[] = %s_%s_NAMES; */\n",
            e->capitals, has_classes ? "CLASS" : "FEATURE");
    put_names(e, "FEATURE", nn_model_inputs(model), nn_model_feature_name);
    put_names(e, "CLASS", nn_model_classes(model), nn_model_class_name);
    put(to, "\n");
}

static void put_class(emission *e)
{
    const char *type = name_type(e);
    if (nn_model_classes(e->model) == 0)
        return;
    put(&e->declarations,
        "/* The class that map says: the largest probability's, the first at a tie. */\n"
        "size_t %s_class(const %s *map);\n\n",
        e->name, type);
    put(&e->definitions,
        "size_t %s_class(const %s *map)\n"
        "{\n"
        "    size_t best = 0;\n"
        "    for (size_t i = 1; i < %zu; i++)\n"
        "        if (map[i] > map[best])\n"
        "            best = i;\n"
        "    return best;\n"
        "}\n\n",
        e->name, type, count_told(e));
}

/* A step downhill, which is the function for the gradient with a scale. (A file may have a
 * NAME_step: that gate.) */
static ag_status put_learning(emission *e, const ag_c_function *gradient)
{
    const char *type = name_type(e);
    size_t workspace;
    ag_error_details details;
    const ag_status status = ag_measure_c(gradient, &workspace, &details);
    if (status != AG_OK)
        return nni_fail(e->error, status, "%s", details.message);
    const bool takes = workspace > 0 && !e->options->static_workspace;
    const char *loss = nni_loss_name(e->loss);
    put(&e->declarations,
        "/* parameters -= rate * gradient of a row's loss (%s), which is returned as it was\n"
        " * before the step. A row is the %zu features, and then %s.\n"
        " * Parameters begin as %s_shared.",
        loss == NULL ? "one of your own" : loss, nn_model_inputs(e->model),
        nn_model_classes(e->model) > 0 ? "the number of its class" : "what is to be predicted",
        e->name);
    if (takes)
        put(&e->declarations, " workspace has %s_GRADIENT_WORKSPACE numbers.", e->capitals);
    put(&e->declarations, " */\n");
    text head = {0};
    put(&head, "%s %s_learn(%s *parameters, const %s *row, %s rate", type, e->name, type, type,
        type);
    if (takes)
        put(&head, ", %s *workspace", type);
    put(&head, ")");
    if (!head.failed) {
        put(&e->declarations, "%s;\n\n", head.chars);
        put(&e->definitions,
            "%s\n"
            "{\n"
            "    %s loss;\n"
            "    %s(parameters, row, parameters, &loss, -rate%s);\n"
            "    return loss;\n"
            "}\n\n",
            head.chars, type, e->gradient_name, takes ? ", workspace" : "");
    }
    e->definitions.failed = e->definitions.failed || head.failed;
    nni_release(head.chars);
    return AG_OK;
}

/* ---- The file -------------------------------------------------------------------------------- */

static ag_status write_file(emission *e, FILE *source, FILE *header)
{
    const nn_emit_options *options = e->options;
    const ag_c_function functions[] = {
        {.name = e->name, .program = e->predictor, .shared = e->numbers, .frozen = e->loss == NULL},
        {.name = e->gradient_name, .program = e->trainer, .scaled = true}};
    put_shape(e);
    put_class(e);
    ag_status status = e->loss == NULL ? AG_OK : put_learning(e, &functions[1]);
    if (status != AG_OK)
        return status;
    if (e->declarations.failed || e->definitions.failed)
        return nni_fail_memory(e->error);
    const ag_emit_options how = {.use_float = options->use_float,
                                 .static_workspace = options->static_workspace,
                                 .small_libm = options->small_libm,
                                 .header_name = options->header_name,
                                 .declarations = e->declarations.chars,
                                 .definitions = e->definitions.chars};
    ag_error_details details;
    status = ag_emit_c(e->loss == NULL ? 1 : 2, functions, &how, source, header, &details);
    return status == AG_OK ? AG_OK : nni_fail(e->error, status, "%s", details.message);
}

/* The loss that training goes on with. */
static ag_status choose_loss(emission *e)
{
    const nn_training *training = nn_model_training(e->model);
    const size_t classes = nn_model_classes(e->model);
    e->loss = e->options->loss;
    if (e->loss == NULL && training != NULL) {
        e->loss = nni_find_loss(training->loss);
        if (e->loss == NULL)
            return nni_fail(e->error, AG_INVALID_ARGUMENT,
                            "the net was trained with a loss of your own: hand it over again");
    }
    e->loss = nni_choose_loss(e->model, classes, e->loss);
    const char *doubt = nni_doubt_loss(nn_model_outputs(e->model), classes, e->loss);
    return doubt == NULL ? AG_OK : nni_fail(e->error, AG_INVALID_ARGUMENT, "%s", doubt);
}

static ag_status make_names(emission *e)
{
    const size_t length = strlen(e->name);
    e->capitals = NNI_NEW_ARRAY(length + 1, char);
    e->gradient_name = NNI_NEW_ARRAY(length + sizeof("_gradient"), char);
    if (e->capitals == NULL || e->gradient_name == NULL)
        return nni_fail_memory(e->error);
    for (size_t i = 0; i < length; i++)
        e->capitals[i] = (char)toupper((unsigned char)e->name[i]);
    strcat(strcpy(e->gradient_name, e->name), "_gradient");
    return AG_OK;
}

ag_status nn_emit_c(const nn_model *model, const nn_emit_options *options, FILE *source,
                    FILE *header, nn_error *error)
{
    static const nn_emit_options defaults = {0};
    if (model == NULL || source == NULL)
        return nni_fail(error, AG_INVALID_ARGUMENT, "nn_emit_c: an argument is NULL");
    emission e = {.model = model, .options = options == NULL ? &defaults : options, .error = error};
    e.name = e.options->name == NULL ? "net" : e.options->name;
    ag_status status = make_names(&e);
    if (status == AG_OK && e.options->train)
        status = choose_loss(&e);
    if (status == AG_OK)
        status = make_programs(&e);
    if (status == AG_OK)
        status = write_file(&e, source, header);
    ag_program_free(e.predictor);
    ag_program_free(e.trainer);
    ag_graph_free(e.graph);
    void *const blocks[] = {e.capitals, e.gradient_name,      e.parameters,
                            e.numbers,  e.declarations.chars, e.definitions.chars};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        nni_release(blocks[i]);
    return status;
}
