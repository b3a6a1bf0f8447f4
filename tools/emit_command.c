/* SPDX-License-Identifier: MIT
 *
 * wengert emit: an expression or a saved net as C, for where the library is not.
 */
#include "characters.h"
#include "net_circuit.h"
#include "net_command.h"
#include "picture_file.h"

#include <stdlib.h>
#include <string.h>
#include <wengert/program.h>

enum {
    LONGEST_NAME = 48 /* of a file's, with room for what is put behind it */
};

/* What comes out, and where. */
typedef struct emitting {
    const command_line *arguments;
    const char *path;                 /* of the source; NULL: standard output */
    char *header_path;                /* beside it; NULL: none */
    const char *header_name;          /* its last part */
    const char *name;                 /* of the function */
    char made_name[LONGEST_NAME + 1]; /* of the file's */
    FILE *source, *header; /* until they are in their places; NULL: standard output, none */
} emitting;

/* ---- Names ----------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What a path is called without its directory. */
static const char *find_last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* "my-net.c" is my_net; what does not begin with a letter gets one in front. */
static void make_name(emitting *e, const char *path)
{
    const char *from = find_last_part(path), *dot = strrchr(from, '.');
    const size_t length = dot == NULL ? strlen(from) : (size_t)(dot - from);
    size_t n = 0;
    if (length == 0 || !is_letter(from[0]))
        e->made_name[n++] = 'f';
    for (size_t i = 0; i < length && n < LONGEST_NAME; i++)
        e->made_name[n++] =
            is_letter(from[i]) || (from[i] >= '0' && from[i] <= '9') ? from[i] : '_';
    e->made_name[n] = '\0';
    e->name = e->made_name;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int begin(emitting *e, const char *otherwise)
{
    const command_line *a = e->arguments;
    e->path = get_option(a, "output");
    if (e->path == NULL && a->json)
        return fail(a, MISUSED, "--json tells what was written, and wants --output FILE");
    e->name = get_option(a, "name");
    if (e->name == NULL)
        make_name(e, e->path == NULL ? otherwise : e->path);
    if (e->path != NULL && find_ending(a, e->path, "c") == NULL)
        return MISUSED;
    if (e->path == NULL)
        return DONE;
    if (strpbrk(find_last_part(e->path), "\"\\\r\n") != NULL)
        return fail(a, MISUSED, "%s: no #include can name the header beside it", e->path);
    e->header_path = allocate(strlen(e->path) + 1, 1);
    strcpy(e->header_path, e->path);
    e->header_path[strlen(e->path) - 1] = 'h';
    e->header_name = find_last_part(e->header_path);
    const char *from = get_option(a, "file") != NULL ? get_option(a, "file") : a->operands[0];
    if (keep_source(a, from, e->path) != DONE || keep_source(a, from, e->header_path) != DONE)
        return MISUSED;
    e->header = begin_script(a);
    e->source = e->header == NULL ? NULL : begin_script(a);
    return e->source == NULL ? FAILED : DONE;
}

static FILE *get_source(const emitting *e)
{
    return e->source == NULL ? stdout : e->source;
}

/* Both files into their places. The header is first: a source without its own is of no use. */
static int finish(emitting *e)
{
    if (e->path == NULL)
        return DONE;
    FILE *header = e->header, *source = e->source;
    e->header = NULL;
    int status = end_script(e->arguments, header, NULL, NULL, e->header_path);
    if (status != DONE)
        return status;
    e->source = NULL;
    return end_script(e->arguments, source, NULL, NULL, e->path);
}

static void end(emitting *e)
{
    if (e->header != NULL)
        (void)fclose(e->header);
    if (e->source != NULL)
        (void)fclose(e->source);
    free(e->header_path);
}

static void print_json(const emitting *e, size_t inputs, const char *const *names, size_t outputs)
{
    report *object = report_new();
    report_text(object, "source", e->path);
    report_text(object, "header", e->header_path);
    report_text(object, "function", e->name);
    report *list = report_list(object, "inputs");
    for (size_t i = 0; i < inputs; i++)
        report_text_item(list, names[i]);
    report_count(object, "outputs", outputs);
    report_print(object);
}

/* An option that says nothing here is a mistake. */
static int refuse_options(const command_line *a, const char *const *names, const char *why)
{
    for (; *names != NULL; names++)
        if (has_option(a, *names))
            return fail(a, MISUSED, "--%s is for %s", *names, why);
    return DONE;
}

/* ---- Expressions ----------------------------------------------------------------------------- */

/* What the header says of the outputs. The expression is in it where it is short. */
static char *describe_outputs(const circuit *c)
{
    const bool gradient = c->n > 0 && has_option(c->arguments, "gradient");
    const bool hessian = c->n > 0 && has_option(c->arguments, "hessian");
    enum {
        SHOWN = 72
    };
    size_t size = 512;
    for (size_t i = 0; i < c->n; i++)
        size += strlen(c->names[i]) + 2;
    char *text = allocate(size, 1), shown[SHOWN];
    show_text(c->length, c->text, sizeof(shown), shown);
    for (char *at = shown; (at = strstr(at, "*/")) != NULL;)
        at[1] = '?';
    size_t used = (size_t)snprintf(text, size, "/* map is %s", shown);
    if (gradient) {
        used += (size_t)snprintf(text + used, size - used, ",\n * then its derivative for");
        for (size_t i = 0; i < c->n; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? " " : ", ",
                                     c->names[i]);
    }
    if (hessian)
        used += (size_t)snprintf(text + used, size - used,
                                 ",\n * %sits second derivatives, %zu x %zu, row by row",
                                 gradient ? "and then " : "then ", c->n, c->n);
    (void)snprintf(text + used, size - used, " */\n\n");
    return text;
}

static int write_expression(emitting *e, const circuit *c, size_t count, const ag_value *outputs)
{
    const command_line *a = e->arguments;
    ag_program *program = ag_compile(
        &(ag_signature){.each = c->inputs, .each_count = c->n, .map = outputs, .map_count = count},
        NULL);
    if (program == NULL)
        return fail_circuit(c);
    char *words = describe_outputs(c);
    const ag_c_function function = {
        .name = e->name, .program = program, .batch = has_option(a, "batch")};
    const ag_emit_options options = {.use_float = has_option(a, "float"),
                                     .static_workspace = has_option(a, "static-workspace"),
                                     .small_libm = has_option(a, "small-libm"),
                                     .header_name = e->header_name,
                                     .declarations = words};
    ag_error_details error;
    int status = DONE;
    const ag_status emitted = ag_emit_c(1, &function, &options, get_source(e), e->header, &error);
    if (emitted == AG_INVALID_ARGUMENT) /* which can be the name alone */
        status = fail(a, MISUSED, "%s (--name: another)", error.message);
    else if (emitted != AG_OK)
        status = fail(a, FAILED, "%s", error.message);
    free(words);
    ag_program_free(program);
    return status;
}

static int emit_circuit(emitting *e, const circuit *c)
{
    const bool gradient = c->n > 0 && has_option(e->arguments, "gradient");
    const bool hessian = c->n > 0 && has_option(e->arguments, "hessian");
    ag_value *outputs = allocate(1 + c->n + c->n * c->n, sizeof(*outputs));
    size_t count = 1;
    int status = DONE;
    outputs[0] = c->root;
    if (gradient && ag_gradient(c->root, c->n, c->inputs, outputs + count) != AG_OK)
        status = fail_circuit(c);
    count += gradient ? c->n : 0;
    if (status == DONE && hessian && ag_hessian(c->root, c->n, c->inputs, outputs + count) != AG_OK)
        status = fail_circuit(c);
    count += hessian ? c->n * c->n : 0;
    if (status == DONE)
        status = write_expression(e, c, count, outputs);
    if (status == DONE)
        status = finish(e);
    if (status == DONE && e->arguments->json)
        print_json(e, c->n, (const char *const *)c->names, count);
    free(outputs);
    return status;
}

static int emit_expression(emitting *e)
{
    static const char *const others[] = {"train", "loss", NULL};
    circuit c = {0};
    int status = refuse_options(e->arguments, others, "a saved net");
    if (status == DONE)
        status = open_circuit(&c, e->arguments, NAMES);
    if (status == DONE)
        status = begin(e, "f");
    if (status == DONE)
        status = emit_circuit(e, &c);
    close_circuit(&c);
    return status;
}

/* ---- Nets ------------------------------------------------------------------------------------ */

static nn_loss read_loss(const command_line *a)
{
    static const struct {
        const char *name;
        nn_loss loss;
    } losses[] = {
#define NN_X(NAME, name, takes, formula) {#name, nn_##name},
        NN_LOSS_LIST(NN_X)
#undef NN_X
    };
    const char *name = get_option(a, "loss");
    for (size_t i = 0; name != NULL && i < sizeof(losses) / sizeof(losses[0]); i++)
        if (strcmp(losses[i].name, name) == 0)
            return losses[i].loss;
    return NULL;
}

static void print_net_json(const emitting *e, const nn_model *model)
{
    const size_t inputs = nn_model_inputs(model), classes = nn_model_classes(model);
    const char **names = allocate(inputs, sizeof(*names));
    for (size_t i = 0; i < inputs; i++) {
        const char *name = nn_model_feature_name(model, i);
        names[i] = name == NULL ? "" : name;
    }
    print_json(e, inputs, names, classes > 0 ? classes : nn_model_outputs(model));
    free((void *)names);
}

static int emit_model(emitting *e, const nn_model *model)
{
    const command_line *a = e->arguments;
    int status = begin(e, a->operands[0]);
    if (status != DONE)
        return status;
    const nn_emit_options options = {.name = e->name,
                                     .use_float = has_option(a, "float"),
                                     .static_workspace = has_option(a, "static-workspace"),
                                     .small_libm = has_option(a, "small-libm"),
                                     .header_name = e->header_name,
                                     .train = has_option(a, "train"),
                                     .loss = read_loss(a)};
    nn_error error;
    const ag_status emitted = nn_emit_c(model, &options, get_source(e), e->header, &error);
    if (emitted != AG_OK)
        return fail(a, emitted == AG_INVALID_ARGUMENT ? MISUSED : FAILED, "%s", error.message);
    status = finish(e);
    if (status == DONE && a->json)
        print_net_json(e, model);
    return status;
}

static int emit_net(emitting *e)
{
    static const char *const others[] = {"gradient", "hessian", "batch", "file", NULL};
    const command_line *a = e->arguments;
    int status = refuse_options(a, others, "an expression");
    if (status != DONE)
        return status;
    if (a->count > 1)
        return fail(a, MISUSED, "\"%.60s\": a net's inputs are its features, and need no names",
                    a->operands[1]);
    if (has_option(a, "loss") && !has_option(a, "train"))
        return fail(a, MISUSED, "--loss is for --train");
    nn_model *model = load_model(a, a->operands[0], &status);
    if (model == NULL)
        return status;
    status = emit_model(e, model);
    nn_model_free(model);
    return status;
}

static int run(const command_line *arguments)
{
    emitting e = {.arguments = arguments};
    const int status = names_net(arguments) ? emit_net(&e) : emit_expression(&e);
    end(&e);
    return status;
}

const subcommand emit_command = {
    .name = "emit",
    .operands = "EXPRESSION|MODEL [NAME]...",
    .summary = "an expression or a saved net as C, without the library",
    .description =
        "Writes a function of C99 that needs nothing but math.h: no library, no memory\n"
        "of its own. An expression's inputs are the names behind it, in this order, or,\n"
        "without any, its names as they appear in it; outputs are its value, and what is\n"
        "asked for of its gradient and second derivatives. A net takes features as they\n"
        "were measured and gives the probability of every class, or the predicted number.\n"
        "With --train its parameters are the caller's, and a second function steps them\n"
        "by a row of features and what it should have said.\n"
        "\n"
        "-o net.c writes net.c and net.h, which declares and explains what is in there;\n"
        "without it, all goes to standard output as one file.\n",
    .examples = "wengert emit 'log(x*y)' x y --gradient -o log_xy.c\n"
                "wengert emit '100*(y - x^2)^2 + (1 - x)^2' --hessian --float --name rosenbrock\n"
                "wengert emit iris.safetensors --float -o iris_net.c\n"
                "wengert emit iris.safetensors --train --float --small-libm -o learning.c\n",
    .options =
        (const option[]){
            EXPRESSION_OPTION,
            {"output", 'o', "FILE", NULL, "write FILE, a .c, and the .h beside it"},
            {"name", 0, "NAME", NULL, "the function's name [the file's]"},
            {"gradient", 0, NULL, NULL, "an expression's first derivatives, too"},
            {"hessian", 0, NULL, NULL, "an expression's second derivatives, too"},
            {"batch", 0, NULL, NULL, "an expression for any number of samples at a time"},
            {"train", 0, NULL, NULL, "a step of training on one row, too"},
            {"loss", 0, "NAME",
             "half_squared_error mean_squared_error absolute_error binary_cross_entropy_logits "
             "softmax_cross_entropy hinge",
             "of --train [as it was trained]"},
            {"float", 0, NULL, NULL, "numbers are float, not double"},
            {"static-workspace", 0, NULL, NULL, "scratch is static, and no argument"},
            {"small-libm", 0, NULL, NULL, "of math.h, take only what C89 has"},
            {0}},
    .files = true,
    .run = run,
};
