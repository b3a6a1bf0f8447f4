/* SPDX-License-Identifier: MIT
 *
 * Programs as the processor's own code: their C, with what the interpreter does better left to it,
 * compiled and loaded. Lanes, blocks, threads and totals stay the interpreter's business (run.c).
 */
#include "native.h"
#include "c_code.h"
#include "native_build.h"

#include <assert.h>
#include <string.h>

/* ---- The text -------------------------------------------------------------------------------- */

static const char head[] = "#include <math.h>\n"
                           "#include <stddef.h>\n\n";

/* Code that runs once from its beginning to its end is slower than the interpreter's words where it
 * does not stay in the cache, and takes minutes to compile with -O3; a function holds some 200
 * statements. Over lanes each function is a loop, for which compilers take several times as long, and
 * the interpreter's words have many lanes each. */
enum {
    MOST_FUNCTIONS = 50,
    MOST_LOOPS = 10
};

/* A function with agi_native_code's parameters. */
static void put_entry(agi_c_file *file, agi_text *to, const agi_c_unit *unit, const char *name,
                      const agi_c_section *section)
{
    if (section->section->count == 0 || section->is_left)
        return;
    agi_text_put(to, "int %s_run_%s(", unit->name, name);
    agi_put_template(to, &file->gates.library,
                     "const real *shared, const real *each, real *sum, real *map,\n"
                     "    const real *uniform, real *w, int set, double by, size_t lanes,\n"
                     "    void (*run)(void *, size_t), void *context)\n{\n"
                     "    const real factor = (real)by;\n"
                     "    (void)shared, (void)each, (void)sum, (void)map, (void)uniform, (void)w;\n"
                     "    (void)set, (void)factor, (void)lanes, (void)run, (void)context;\n",
                     "", NULL);
    agi_text_append(to, section->calls.chars, section->calls.count);
    agi_text_put(to, "    return 0;\n}\n\n");
    to->failed = to->failed || section->calls.failed;
}

static ag_status fail_memory(ag_error_details *error)
{
    agi_set_details(error, AG_OUT_OF_MEMORY, "ag_native: %s", ag_strerror(AG_OUT_OF_MEMORY));
    return AG_OUT_OF_MEMORY;
}

static ag_status write_text(agi_c_file *file, const ag_program *program, agi_text *to,
                            size_t *extra, ag_error_details *error)
{
    agi_c_unit *single = agi_add_c_unit(file, program, "p");
    agi_c_unit *lanes = agi_add_c_unit(file, program, "q");
    if (single == NULL || lanes == NULL)
        return fail_memory(error);
    single->mode = AGI_C_SINGLE;
    lanes->mode = AGI_C_ALL_LANES;
    single->body.is_brief = agi_is_brief(program);
    agi_find_c_doubts(single);
    agi_measure_c_units(file);
    single->body.is_left = single->body.uses_count > MOST_FUNCTIONS;
    lanes->body.is_left = single->body.is_brief || lanes->body.uses_count > MOST_LOOPS;
    for (uint32_t i = file->units_count; i-- > 0 && !file->failed;)
        agi_put_c_unit(file, file->units[i]);
    agi_text_put(to, "%s", head);
    if (file->has_vector_functions)
        agi_declare_c_vectors(to, &file->gates);
    agi_put_c_gates(to, &file->gates);
    agi_text_append(to, file->tables.chars, file->tables.count);
    agi_text_append(to, file->functions.chars, file->functions.count);
    put_entry(file, to, single, "once", &single->once);
    put_entry(file, to, single, "check", &single->check);
    put_entry(file, to, single, "body", &single->body);
    put_entry(file, to, lanes, "check", &lanes->check);
    put_entry(file, to, lanes, "body", &lanes->body);
    *extra = single->workspace - single->scratch;
    return file->failed || file->tables.failed || file->functions.failed || to->failed
               ? fail_memory(error)
               : AG_OK;
}

/* ---- The code -------------------------------------------------------------------------------- */

static agi_native_code *find_code(const agi_object *object, const char *name)
{
    void *found = agi_object_find(object, name);
    agi_native_code *code = NULL;
    static_assert(sizeof(code) == sizeof(found), "functions and objects have addresses alike");
    memcpy(&code, &found, sizeof(code));
    return code;
}

static ag_status load(agi_native *native, const agi_text *text, const ag_native_options *options,
                      ag_error_details *error)
{
    const ag_status status =
        agi_object_build(text->chars, text->count, options, &native->object, error);
    if (status != AG_OK)
        return status;
    native->once.single = find_code(native->object, "p_run_once");
    native->check.single = find_code(native->object, "p_run_check");
    native->check.lanes = find_code(native->object, "q_run_check");
    native->body.single = find_code(native->object, "p_run_body");
    native->body.lanes = find_code(native->object, "q_run_body");
    return AG_OK;
}

static void release(const ag_program *program, agi_native *native)
{
    agi_memory memory = agi_open_memory_of(program);
    if (native == NULL)
        return;
    agi_object_free(native->object);
    agi_memory_release(&memory, native, sizeof(*native));
}

const agi_native *agi_find_native(const ag_program *program, bool is_float)
{
    return atomic_load_explicit(&program->native[is_float], memory_order_acquire);
}

void agi_free_native(ag_program *program)
{
    for (int i = 0; i < 2; i++)
        release(program, atomic_load_explicit(&program->native[i], memory_order_relaxed));
}

/* What several threads have made at the same time, the first of them has made. */
static ag_status attach(ag_program *program, bool is_float, const agi_native *made,
                        ag_error_details *error)
{
    agi_memory memory = agi_open_memory_of(program);
    agi_native *native = (agi_native *)agi_memory_resize(&memory, NULL, 0, sizeof(*native));
    agi_native *none = NULL;
    if (native == NULL) {
        agi_object_free(made->object);
        return fail_memory(error);
    }
    *native = *made;
    if (!atomic_compare_exchange_strong_explicit(&program->native[is_float], &none, native,
                                                 memory_order_acq_rel, memory_order_acquire))
        release(program, native);
    return AG_OK;
}

ag_status ag_native(ag_program *program, const ag_native_options *options, ag_error_details *error)
{
    static const ag_native_options defaults = {0};
    agi_set_details(error, AG_OK, "%s", "");
    if (options == NULL)
        options = &defaults;
    if (program == NULL) {
        agi_set_details(error, AG_INVALID_ARGUMENT, "ag_native: there is no program");
        return AG_INVALID_ARGUMENT;
    }
    if (agi_find_native(program, options->use_float) != NULL)
        return AG_OK;
    agi_memory memory = agi_open_memory_of(program);
    agi_c_file file = {
        .memory = &memory,
        .gates = {.library = {.use_float = options->use_float, .prefix = "p"}, .is_native = true},
        .tables = {.memory = &memory},
        .functions = {.memory = &memory},
        .branches = {.memory = &memory},
        .has_vector_functions = agi_has_vector_functions(options),
    };
    agi_text text = {.memory = &memory};
    agi_native made = {0};
    ag_status status = write_text(&file, program, &text, &made.extra, error);
    agi_close_c_file(&file);
    if (status == AG_OK)
        status = load(&made, &text, options, error);
    if (status == AG_OK)
        status = attach(program, options->use_float, &made, error);
    agi_text_free(&text);
    return status;
}

/* ---- Running --------------------------------------------------------------------------------- */

typedef struct context {
    const agi_section *section;
    agi_frame *frame;
} context;

static void run_instruction(void *of, size_t instruction)
{
    const context *c = (const context *)of;
    c->frame->kernels->instruction(c->section->instructions + instruction, c->frame);
}

void agi_run_native(const agi_native_section *native, const agi_section *section, agi_frame *frame)
{
    agi_native_code *code = frame->lanes == 1 ? native->single : native->lanes;
    context c = {section, frame};
    if (code != NULL) {
        if (code(frame->shared, frame->each, frame->totals, frame->map, frame->uniform,
                 frame->slots, frame->scale == 0 && !frame->add,
                 frame->scale == 0 ? 1 : frame->scale, frame->lanes, run_instruction, &c) == 0)
            return;
        frame->imported = NULL; /* it has written where they are */
    }
    frame->kernels->execute(section, frame);
}
