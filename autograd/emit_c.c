/* SPDX-License-Identifier: MIT
 *
 * Files of C: their heads, their functions for programs, and what those share. Everything is text in
 * memory before anything is written.
 */
#include "c_code.h"
#include "print.h"
#include "run.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE = 96 /* characters */
};

/* ---- Units ----------------------------------------------------------------------------------- */

static bool open_section(agi_c_file *file, agi_c_section *section, const agi_section *of)
{
    section->section = of;
    section->outputs = AGI_NO_INDEX;
    section->calls.memory = file->memory;
    section->holds = AGI_NEW_ARRAY(file->memory, of->slots, uint32_t);
    section->places = AGI_NEW_ARRAY(file->memory, of->slots, uint32_t);
    if (section->holds == NULL || section->places == NULL)
        return false;
    memset(section->places, 0, of->slots * sizeof(*section->places));
    return true;
}

static void close_section(agi_c_file *file, agi_c_section *section)
{
    if (section->section == NULL)
        return;
    const uint32_t slots = section->section->slots;
    agi_free_array(file->memory, section->holds, slots, sizeof(*section->holds));
    agi_free_array(file->memory, section->places, slots, sizeof(*section->places));
    agi_free_array(file->memory, section->doubts, slots, sizeof(*section->doubts));
    agi_free_array(file->memory, section->order, section->section->count, sizeof(*section->order));
    agi_text_free(&section->calls);
    agi_memory_release(file->memory, section->definitions,
                       section->definitions_capacity * sizeof(*section->definitions));
    agi_memory_release(file->memory, section->uses,
                       section->uses_capacity * sizeof(*section->uses));
}

static void free_unit(agi_c_file *file, agi_c_unit *unit)
{
    close_section(file, &unit->once);
    close_section(file, &unit->check);
    close_section(file, &unit->body);
    agi_free_array(file->memory, unit->is_uniform, unit->program->once.slots, 1);
    agi_free_array(file->memory, unit->constants, unit->program->constants_count,
                   sizeof(*unit->constants));
    agi_memory_release(file->memory, unit, sizeof(*unit));
}

/* Arrays that are there, and are 0. */
static bool open_unit(agi_c_file *file, agi_c_unit *unit)
{
    const ag_program *program = unit->program;
    const uint32_t slots = program->once.slots, constants = program->constants_count;
    unit->is_uniform = AGI_NEW_ARRAY(file->memory, slots, uint8_t);
    unit->constants = AGI_NEW_ARRAY(file->memory, constants, uint32_t);
    if (unit->is_uniform == NULL || unit->constants == NULL ||
        !open_section(file, &unit->once, &program->once) ||
        !open_section(file, &unit->check, &program->check) ||
        !open_section(file, &unit->body, &program->body))
        return false;
    memset(unit->is_uniform, 0, slots);
    memset(unit->constants, 0, constants * sizeof(*unit->constants));
    return true;
}

agi_c_unit *agi_add_c_unit(agi_c_file *file, const ag_program *program, const char *name)
{
    agi_c_unit *unit = (agi_c_unit *)agi_memory_resize(file->memory, NULL, 0, sizeof(*unit));
    if (unit == NULL) {
        file->failed = true;
        return NULL;
    }
    *unit = (agi_c_unit){.file = file, .program = program, .accumulates = true};
    (void)snprintf(unit->name, sizeof(unit->name), "%s", name);
    (void)snprintf(unit->numbers_name, sizeof(unit->numbers_name), "%s_numbers", name);
    (void)snprintf(unit->shared_name, sizeof(unit->shared_name), "shared");
    if (!open_unit(file, unit) || AGI_APPEND(file, file->units, unit) != AG_OK) {
        free_unit(file, unit);
        file->failed = true;
        return NULL;
    }
    return unit;
}

/* Map outputs that are the state, in a step that gives what goes into it for a gradient. */
static uint32_t find_saved(const ag_program *program, uint32_t state_count)
{
    const ag_program_info *info = &program->info;
    const ag_value *each = program->signature + info->shared_count;
    const ag_value *map = each + info->each_count + info->sum_count;
    for (uint32_t at = state_count; at + state_count <= info->map_count; at++) {
        uint32_t same = 0;
        while (same < state_count && each[same].index == map[at + same].index &&
               !ag_is_null(each[same]))
            same++;
        if (state_count > 0 && same == state_count)
            return at;
    }
    return AGI_NO_INDEX;
}

agi_c_unit *agi_find_c_step(const agi_c_file *file, bool multiplies, const agi_scan_step *scan)
{
    for (uint32_t i = 0; i < file->units_count; i++) {
        agi_c_unit *unit = file->units[i];
        if (unit->is_step && unit->program == scan->program &&
            unit->state_count == scan->state_count && unit->is_never_taken == (scan->steps == 0) &&
            unit->body.multiplies == multiplies)
            return unit;
    }
    return NULL;
}

agi_c_unit *agi_take_c_step(agi_c_file *file, bool multiplies, const agi_scan_step *scan)
{
    agi_c_unit *step = agi_find_c_step(file, multiplies, scan);
    if (step != NULL)
        return step;
    uint32_t steps = 1;
    for (uint32_t i = 0; i < file->units_count; i++)
        steps += file->units[i]->is_step;
    const char *first = file->gates.library.prefix;
    char name[AGI_C_BASE];
    (void)snprintf(name, sizeof(name), steps == 1 ? "%s_step" : "%s_step%" PRIu32, first, steps);
    step = agi_add_c_unit(file, scan->program, name);
    if (step == NULL)
        return NULL;
    step->is_step = true;
    step->is_never_taken = scan->steps == 0;
    step->state_count = scan->state_count;
    step->saved = find_saved(scan->program, scan->state_count);
    step->once.multiplies = step->check.multiplies = step->body.multiplies = multiplies;
    return step;
}

/* A function of the caller's. */
static void add_function(agi_c_file *file, const char *base, const ag_c_function *function)
{
    agi_c_unit *unit = agi_add_c_unit(file, function->program, base);
    if (unit == NULL)
        return;
    unit->function = function;
    unit->accumulates = function->batch;
    /* Where sums may be the shared array, nothing may read that once they are written. */
    unit->has_totals =
        function->scaled && (function->batch || agi_reads_shared_late(function->program));
    if (unit->has_totals)
        unit->accumulates = true;
    if (function->frozen)
        (void)snprintf(unit->shared_name, sizeof(unit->shared_name), "%s_shared", function->name);
}

/* ---- Places ---------------------------------------------------------------------------------- */

/* Marks become places, one after the other. */
static uint32_t number_marks(uint32_t *marks, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++)
        marks[i] = marks[i] != 0 ? count++ : count;
    return count;
}

static void number_section(const agi_c_unit *unit, agi_c_section *section)
{
    agi_c_complete_rows(section);
    if (unit->mode != AGI_C_FILE) { /* where the interpreter has them */
        for (uint32_t i = 0; i < section->section->slots; i++)
            section->places[i] = i;
        return;
    }
    section->in_memory = number_marks(section->places, section->section->slots);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void measure_unit(agi_c_unit *unit)
{
    const ag_program *program = unit->program;
    if (unit->mode == AGI_C_SINGLE) /* other units read it, and the interpreter */
        memset(unit->is_uniform, 1, program->once.slots);
    for (size_t i = 0; i < program->info.once_count; i++) {
        unit->is_uniform[program->once_slots[i]] = 1;
        unit->once.places[program->once_slots[i]] = 1;
    }
    agi_put_c_section(unit, &unit->body, NULL, false);
    agi_put_c_section(unit, &unit->check, NULL, false);
    agi_put_c_section(unit, &unit->once, NULL, false);
}

static void lay_out_unit(agi_c_unit *unit)
{
    number_section(unit, &unit->once);
    number_section(unit, &unit->check);
    number_section(unit, &unit->body);
    unit->constants_count = number_marks(unit->constants, unit->program->constants_count);
    unit->totals = unit->once.in_memory + larger(unit->check.in_memory, unit->body.in_memory);
    unit->scratch = unit->totals + (unit->has_totals ? unit->program->info.sum_count : 0);
    unit->is_measured = true;
}

/* What a unit takes with the steps in it; whether that is more than was known. */
static bool measure_workspace(agi_c_unit *unit)
{
    agi_c_section *const sections[] = {&unit->once, &unit->check, &unit->body};
    size_t most = 0;
    for (size_t i = 0; i < 3; i++)
        most = larger(most, sections[i]->scratch + agi_measure_c_scans(unit, sections[i]));
    const bool is_more = unit->scratch + most > unit->workspace;
    unit->workspace = unit->scratch + most;
    return is_more;
}

/* Steps are found as their users are measured, and stand behind them. */
void agi_measure_c_units(agi_c_file *file)
{
    for (uint32_t i = 0; i < file->units_count && !file->failed; i++)
        measure_unit(file->units[i]);
    for (uint32_t i = 0; i < file->units_count && !file->failed; i++)
        lay_out_unit(file->units[i]);
    for (bool is_more = true; is_more && !file->failed;) {
        is_more = false;
        for (uint32_t i = file->units_count; i-- > 0;)
            is_more = measure_workspace(file->units[i]) || is_more;
    }
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static const char *name_type(const agi_c_file *file)
{
    return file->gates.library.use_float ? "float" : "double";
}

void agi_put_c_numbers(agi_c_file *file, const char *name, const char *linkage,
                       const double *numbers, uint32_t n)
{
    agi_text *to = &file->tables;
    agi_text_put(to, "%sconst %s %s[%" PRIu32 "] = {", linkage, name_type(file), name,
                 n == 0 ? 1 : n);
    agi_text literal = {.memory = file->memory};
    uint32_t column = LINE;
    for (uint32_t i = 0; i < n; i++) {
        literal.count = 0;
        agi_put_literal(&literal, &file->gates.library, numbers[i]);
        column += literal.count + 2;
        if (column > LINE) {
            agi_text_put(to, "\n   ");
            column = 4 + literal.count + 2;
        }
        agi_text_put(to, " ");
        agi_text_append(to, literal.chars, literal.count);
        agi_text_put(to, ",");
    }
    to->failed = to->failed || literal.failed;
    agi_text_free(&literal);
    agi_text_put(to, n == 0 ? "0};\n\n" : "\n};\n\n");
}

void agi_declare_c_closure(agi_c_file *file, const char *name)
{
    agi_text line = {.memory = file->memory};
    agi_text_put(&line, "extern %s %s(const %s *x);\n\n", name_type(file), name, name_type(file));
    bool is_there = false;
    const agi_text *tables = &file->tables;
    for (uint32_t i = 0; !is_there && !line.failed && i + line.count <= tables->count; i++)
        is_there = (i == 0 || tables->chars[i - 1] == '\n') &&
                   memcmp(tables->chars + i, line.chars, line.count) == 0;
    if (!is_there)
        agi_text_append(&file->tables, line.chars, line.count);
    file->failed = file->failed || line.failed;
    agi_text_free(&line);
}

/* The constants that loops go through. */
static void put_unit_numbers(agi_c_file *file, agi_c_unit *unit)
{
    const uint32_t n = unit->program->constants_count;
    if (unit->constants_count == 0)
        return;
    double *used = AGI_NEW_ARRAY(file->memory, unit->constants_count, double);
    if (used == NULL) {
        file->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (unit->constants[i] < unit->constants_count &&
            (i + 1 == n || unit->constants[i + 1] > unit->constants[i]))
            used[unit->constants[i]] = unit->program->constants[i];
    agi_put_c_numbers(file, unit->numbers_name, "static ", used, unit->constants_count);
    agi_free_array(file->memory, used, unit->constants_count, sizeof(*used));
}

/* ---- Functions ------------------------------------------------------------------------------- */

static void put_capitals(agi_text *to, const char *name)
{
    for (; *name != '\0'; name++) {
        const char letter = (char)toupper((unsigned char)*name);
        agi_text_append(to, &letter, 1);
    }
}

static bool returns(const agi_c_unit *unit)
{
    return unit->once.compares || unit->check.compares;
}

static bool takes_workspace(const agi_c_file *file, const agi_c_unit *unit)
{
    return unit->workspace > 0 && !file->static_workspace;
}

/* Parameters, a line for as many as fit. */
static void put_parameter(agi_text *to, uint32_t *column, const char *format, ...) AGI_PRINTF(3, 4);

static void put_parameter(agi_text *to, uint32_t *column, const char *format, ...)
{
    char parameter[200];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(parameter, sizeof(parameter), format, arguments);
    va_end(arguments);
    const bool is_first = to->count > 0 && to->chars[to->count - 1] == '(';
    *column += (uint32_t)n + 2;
    if (*column > LINE) {
        *column = 8 + (uint32_t)n;
        agi_text_put(to, is_first ? "\n        " : ",\n        ");
    } else {
        agi_text_put(to, is_first ? "" : ", ");
    }
    agi_text_put(to, "%s", parameter);
}

/* "void net(const double each[4], ...)" */
static void put_head(agi_c_file *file, agi_text *to, const agi_c_unit *unit, const char *workspace)
{
    const ag_c_function *function = unit->function;
    const ag_program_info *info = &unit->program->info;
    const char *type = name_type(file);
    const struct {
        bool is_there, is_batch;
        const char *head, *name;
        size_t n;
    } arrays[] = {
        {info->shared_count > 0 && !function->frozen, false, "const ", "shared",
         info->shared_count},
        {info->each_count > 0, function->batch, "const ", "each", info->each_count},
        {info->sum_count > 0, false, "", "sum", info->sum_count},
        {info->map_count > 0, function->batch, "", "map", info->map_count},
        {info->once_count > 0, false, "", "once", info->once_count},
    };
    uint32_t column = (uint32_t)strlen(function->name) + 6;
    agi_text_put(to, "%s %s(", returns(unit) ? "int" : "void", function->name);
    const uint32_t begin = to->count;
    if (function->batch)
        put_parameter(to, &column, "size_t batch");
    for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++) {
        if (!arrays[i].is_there)
            continue;
        if (arrays[i].is_batch)
            put_parameter(to, &column, "%s%s *%s", arrays[i].head, type, arrays[i].name);
        else
            put_parameter(to, &column, "%s%s %s[%zu]", arrays[i].head, type, arrays[i].name,
                          arrays[i].n);
    }
    if (function->scaled)
        put_parameter(to, &column, "%s scale", type);
    if (takes_workspace(file, unit))
        put_parameter(to, &column, "%s %s[%zu]", type, workspace, unit->workspace);
    agi_text_put(to, to->count == begin ? "void)" : ")");
}

/* One after the other, with each and map as they are called here; a comparison that fails ends the
 * function. */
static void put_calls(agi_text *to, const agi_c_unit *unit, const agi_c_section *section,
                      const char *indent, const char *each, const char *map)
{
    const struct {
        uint8_t use;
        const char *name;
    } all[] = {{AGI_C_SHARED, "shared"}, {AGI_C_EACH, each},     {AGI_C_SUM, "sum"},
               {AGI_C_MAP, map},         {AGI_C_SCALE, "scale"}, {AGI_C_WORKSPACE, "w"}};
    for (uint32_t i = 0; i < section->uses_count; i++) {
        agi_text_put(to, section->compares ? "%sif ((r = " : "%s", indent);
        agi_put_c_name(to, unit, section, i);
        agi_text_put(to, "(");
        const char *between = "";
        for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
            if ((section->uses[i] & all[k].use) != 0) {
                agi_text_put(to, "%s%s", between, all[k].name);
                between = ", ";
            }
        agi_text_put(to, section->compares ? ")) != 0) return r;\n" : ");\n");
    }
}

/* The section's calls for every sample. */
static void put_samples(agi_text *to, const agi_c_unit *unit, const agi_c_section *section)
{
    const ag_program_info *info = &unit->program->info;
    char each[48], map[48];
    if (section->uses_count == 0)
        return;
    if (!unit->function->batch) {
        put_calls(to, unit, section, "    ", "each", "map");
        return;
    }
    (void)snprintf(each, sizeof(each), "each + sample * %zu", info->each_count);
    (void)snprintf(map, sizeof(map), "map + sample * %zu", info->map_count);
    agi_text_put(to, "    for (size_t sample = 0; sample < batch; sample++) {\n");
    put_calls(to, unit, section, "        ", each, map);
    agi_text_put(to, "    }\n");
}

/* Whether the function is its body and nothing else. */
static bool is_bare(const agi_c_unit *unit)
{
    return unit->function != NULL && !unit->function->batch && !unit->has_totals &&
           unit->once.section->count == 0 && unit->check.section->count == 0 &&
           unit->body.uses_count == 1;
}

/* Parameters that nothing depends on. */
static void put_unused(agi_text *to, const agi_c_unit *unit)
{
    const ag_program_info *info = &unit->program->info;
    const agi_c_section *const sections[] = {&unit->once, &unit->check, &unit->body};
    uint32_t uses = 0;
    for (size_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < sections[k]->uses_count; i++)
            uses |= sections[k]->uses[i];
    if (info->shared_count > 0 && !unit->function->frozen && (uses & AGI_C_SHARED) == 0)
        agi_text_put(to, "    (void)shared;\n");
    if (info->each_count > 0 && (uses & AGI_C_EACH) == 0)
        agi_text_put(to, "    (void)each;\n");
    const bool adds_totals = unit->has_totals && info->sum_count > 0;
    if (unit->function->scaled && !adds_totals && (uses & AGI_C_SCALE) == 0)
        agi_text_put(to, "    (void)scale;\n");
}

static void put_function(agi_c_file *file, agi_c_unit *unit)
{
    agi_text *to = &file->functions;
    const ag_program *program = unit->program;
    const ag_program_info *info = &program->info;
    const char *type = name_type(file);
    put_head(file, to, unit, "w");
    agi_text_put(to, "\n{\n");
    if (file->static_workspace && unit->workspace > 0)
        agi_text_put(to, "    static %s w[%zu];\n", type, unit->workspace);
    put_unused(to, unit);
    if (is_bare(unit)) {
        agi_put_c_section(unit, &unit->body, to, true);
        agi_text_put(to, "}\n\n");
        return;
    }
    if (returns(unit))
        agi_text_put(to, "    int r;\n");
    put_calls(to, unit, &unit->once, "    ", "each", "map");
    put_samples(to, unit, &unit->check);
    for (size_t i = 0; i < info->once_count; i++)
        agi_text_put(to, "    once[%zu] = w[%" PRIu32 "];\n", i,
                     unit->once.places[program->once_slots[i]]);
    if (unit->has_totals && info->sum_count > 0)
        agi_text_put(to, "    for (size_t i = 0; i < %zu; i++)\n        w[%zu + i] = 0;\n",
                     info->sum_count, unit->totals);
    else if (unit->accumulates && info->sum_count > 0)
        agi_text_put(to, "    for (size_t i = 0; i < %zu; i++)\n        sum[i] = 0;\n",
                     info->sum_count);
    put_samples(to, unit, &unit->body);
    if (unit->has_totals && info->sum_count > 0)
        agi_text_put(to,
                     "    for (size_t i = 0; i < %zu; i++)\n"
                     "        sum[i] += scale * w[%zu + i];\n",
                     info->sum_count, unit->totals);
    agi_text_put(to, returns(unit) ? "    return 0;\n}\n\n" : "}\n\n");
}

/* NAME_shared: for the function alone, or for everybody. */
static void put_shared(agi_c_file *file, const ag_c_function *function)
{
    char name[AGI_C_NAME + 40];
    (void)snprintf(name, sizeof(name), "%s_shared", function->name);
    agi_put_c_numbers(file, name, function->frozen ? "static " : "", function->shared,
                      (uint32_t)function->program->info.shared_count);
}

/* So that their order does not matter. */
static void declare_step(agi_c_file *file, const agi_c_unit *unit)
{
    const agi_c_section *const sections[] = {&unit->once, &unit->check, &unit->body};
    for (size_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < sections[k]->uses_count; i++) {
            agi_text_put(&file->tables, "static %s ", sections[k]->compares ? "int" : "void");
            agi_put_c_name(&file->tables, unit, sections[k], i);
            agi_text_put(&file->tables, "(");
            agi_put_c_parameters(&file->tables, unit, sections[k]->uses[i]);
            agi_text_put(&file->tables, ");\n");
        }
    agi_text_put(&file->tables, "\n");
}

void agi_put_c_unit(agi_c_file *file, agi_c_unit *unit)
{
    put_unit_numbers(file, unit);
    if (unit->is_step)
        declare_step(file, unit);
    if (!is_bare(unit)) {
        agi_put_c_section(unit, &unit->once, &file->functions, false);
        agi_put_c_section(unit, &unit->check, &file->functions, false);
        agi_put_c_section(unit, &unit->body, &file->functions, false);
    }
    if (unit->function == NULL)
        return;
    put_function(file, unit);
    if (unit->function->shared != NULL)
        put_shared(file, unit->function);
}

/* ---- Heads ----------------------------------------------------------------------------------- */

/* " * shared: w, b (2)" */
static void put_ends(agi_text *to, const ag_program *program, ag_role role, const char *name,
                     size_t n, const char *what)
{
    enum {
        SHOWN = 8
    };
    if (n == 0)
        return;
    agi_text_put(to, " *   %s[%zu]: %s", name, n, what);
    const char *between = ": ";
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        const char *end = ag_program_name(program, role, i);
        if (end == NULL)
            continue;
        agi_text_put(to, "%s", between);
        agi_put_c_words(to, end);
        between = ", ";
    }
    agi_text_put(to, n > SHOWN && between[0] == ',' ? ", ...\n" : "\n");
}

/* What a header says of a function, and declares. */
static void put_declaration(agi_c_file *file, agi_text *to, const agi_c_unit *unit)
{
    const ag_c_function *function = unit->function;
    const ag_program *program = unit->program;
    const ag_program_info *info = &program->info;
    agi_text_put(to, "/* %s\n",
                 function->batch ? "For each of `batch` samples:" : "Takes and gives:");
    if (function->batch)
        agi_text_put(to, " * each and map are row-major, batch x what is said here.\n");
    if (!function->frozen)
        put_ends(to, program, AG_SHARED, "shared", info->shared_count,
                 function->batch ? "the same for all samples" : "parameters");
    put_ends(to, program, AG_EACH, "each", info->each_count, "inputs");
    put_ends(to, program, AG_SUM, "sum", info->sum_count,
             function->scaled  ? "to which scale times these are added; it may be shared"
             : function->batch ? "totals over the batch"
                               : "outputs");
    put_ends(to, program, AG_MAP, "map", info->map_count, "outputs");
    put_ends(to, program, AG_ONCE, "once", info->once_count, "outputs of shared inputs alone");
    if (returns(unit))
        agi_text_put(to,
                     " * Returns 0, or the number of the comparison that comes out differently;\n"
                     " * then nothing has been written.\n");
    agi_text_put(to, " */\n");
    if (takes_workspace(file, unit)) {
        agi_text_put(to, "enum { ");
        put_capitals(to, function->name);
        agi_text_put(to, "_WORKSPACE = %zu }; /* numbers */\n", unit->workspace);
    }
    if (function->shared != NULL && !function->frozen)
        agi_text_put(to, "extern const %s %s_shared[%zu];\n", name_type(file), function->name,
                     info->shared_count == 0 ? 1 : info->shared_count);
    put_head(file, to, unit, "workspace");
    agi_text_put(to, ";\n\n");
}

static void put_declarations(agi_c_file *file, agi_text *to, const ag_emit_options *options)
{
    agi_text_put(to, "#include <stddef.h>\n\n"
                     "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    if (file->branches.count > 0) {
        agi_text_put(to, "/* Comparisons that were recorded:\n");
        agi_text_append(to, file->branches.chars, file->branches.count);
        agi_text_put(to, " */\n\n");
    }
    for (uint32_t i = 0; i < file->units_count; i++)
        if (file->units[i]->function != NULL)
            put_declaration(file, to, file->units[i]);
    if (options->declarations != NULL)
        agi_text_put(to, "%s", options->declarations);
    agi_text_put(to, "#ifdef __cplusplus\n}\n#endif\n");
}

static void put_header(agi_c_file *file, agi_text *to, const ag_emit_options *options)
{
    agi_text_put(to, "/* Made by Wengert %s; numbers are %s. */\n#ifndef ", ag_version(),
                 name_type(file));
    put_capitals(to, file->units[0]->function->name);
    agi_text_put(to, "_H\n#define ");
    put_capitals(to, file->units[0]->function->name);
    agi_text_put(to, "_H\n\n");
    put_declarations(file, to, options);
    agi_text_put(to, "\n#endif\n");
}

static void put_source(agi_c_file *file, agi_text *to, const ag_emit_options *options)
{
    const char *header_name = options->header_name;
    agi_text_put(to, "/* Made by Wengert %s; numbers are %s. */\n", ag_version(), name_type(file));
    if (header_name != NULL)
        agi_text_put(to, "#include \"%s\"\n\n#include <math.h>\n", header_name);
    else
        agi_text_put(to, "#include <math.h>\n");
    if (header_name == NULL)
        put_declarations(file, to, options);
    agi_text_put(to, "\n");
    agi_put_c_gates(to, &file->gates);
    agi_text_append(to, file->tables.chars, file->tables.count);
    agi_text_append(to, file->functions.chars, file->functions.count);
    if (options->definitions != NULL)
        agi_text_put(to, "%s", options->definitions);
    if (to->count > 0 && to->chars[to->count - 1] == '\n')
        to->count--; /* the empty line at its end */
}

void agi_close_c_file(agi_c_file *file)
{
    for (uint32_t i = 0; i < file->units_count; i++)
        free_unit(file, file->units[i]);
    agi_memory_release(file->memory, file->units, file->units_capacity * sizeof(*file->units));
    agi_text_free(&file->tables);
    agi_text_free(&file->functions);
    agi_text_free(&file->branches);
}

/* ---- The interface --------------------------------------------------------------------------- */

static ag_status check_functions(size_t count, const ag_c_function *functions,
                                 ag_error_details *error)
{
    if (count == 0 || functions == NULL)
        return agi_refuse_c(error, "there is no function");
    const ag_status status = agi_check_c_names(count, functions, error);
    for (size_t i = 0; status == AG_OK && i < count; i++) {
        const ag_c_function *function = &functions[i];
        if (function->program == NULL)
            return agi_refuse_c(error, "%s has no program", function->name);
        if (function->frozen && function->shared == NULL)
            return agi_refuse_c(error, "%s is frozen, but there are no numbers for shared",
                                function->name);
    }
    return status;
}

/* Those of the programs, once all steps are known. */
static ag_status check_closures(const agi_c_file *file, ag_error_details *error)
{
    for (uint32_t i = 0; i < file->units_count; i++) {
        const agi_records *records = &file->units[i]->program->records;
        for (uint32_t k = 0; k < records->closures_count; k++) {
            const ag_status status = agi_check_c_closure(file, &records->closures[k], error);
            if (status != AG_OK)
                return status;
        }
    }
    return AG_OK;
}

/* The steps of scans and what the functions share have the first one's base. */
static void open_file(agi_c_file *file, agi_memory *memory, size_t count,
                      const ag_c_function *functions, const ag_emit_options *options)
{
    *file = (agi_c_file){
        .memory = memory,
        .gates = {.library = {.use_float = options->use_float, .small_libm = options->small_libm}},
        .tables = {.memory = memory},
        .functions = {.memory = memory},
        .branches = {.memory = memory},
        .static_workspace = options->static_workspace,
    };
    for (size_t i = 0; i < count && !file->failed; i++) {
        char base[AGI_C_BASE];
        agi_choose_c_base(base, count, functions, &functions[i]);
        add_function(file, base, &functions[i]);
    }
    if (!file->failed)
        file->gates.library.prefix = file->units[0]->name;
}

static ag_status write_text(const agi_text *text, FILE *to)
{
    return fwrite(text->chars, 1, text->count, to) == text->count ? agi_finish_file(to) : AG_IO;
}

/* Everything as text. */
static ag_status put_files(agi_c_file *file, const ag_emit_options *options, agi_text *source,
                           agi_text *header)
{
    for (uint32_t i = file->units_count; i-- > 0 && !file->failed;)
        agi_put_c_unit(file, file->units[i]);
    put_source(file, source, options);
    if (options->header_name != NULL)
        put_header(file, header, options);
    return file->failed || file->tables.failed || file->functions.failed || file->branches.failed ||
                   source->failed || header->failed
               ? AG_OUT_OF_MEMORY
               : AG_OK;
}

/* Only once all of it is there, something is written. */
static ag_status emit(agi_c_file *file, const ag_emit_options *options, FILE *source, FILE *header,
                      ag_error_details *error)
{
    agi_text to_source = {.memory = file->memory}, to_header = {.memory = file->memory};
    agi_measure_c_units(file);
    ag_status status = file->failed ? AG_OUT_OF_MEMORY : check_closures(file, error);
    if (status == AG_OK)
        status = put_files(file, options, &to_source, &to_header);
    if (status == AG_OK)
        status = write_text(&to_source, source);
    if (status == AG_OK && header != NULL)
        status = write_text(&to_header, header);
    if (status == AG_OUT_OF_MEMORY || status == AG_IO)
        agi_set_details(error, status, "ag_emit_c: %s", ag_strerror(status));
    agi_text_free(&to_source);
    agi_text_free(&to_header);
    return status;
}

ag_status ag_emit_c(size_t count, const ag_c_function *functions, const ag_emit_options *options,
                    FILE *source, FILE *header, ag_error_details *error)
{
    static const ag_emit_options defaults = {0};
    agi_set_details(error, AG_OK, "%s", "");
    if (options == NULL)
        options = &defaults;
    ag_status status = check_functions(count, functions, error);
    if (status != AG_OK)
        return status;
    if (source == NULL)
        return agi_refuse_c(error, "there is no file");
    if ((header == NULL) != (options->header_name == NULL))
        return agi_refuse_c(error,
                            header == NULL ? "there is no file for the header %.60s"
                                           : "the header has no name%.0s",
                            header == NULL ? options->header_name : "");
    agi_memory memory = agi_open_memory_of(functions[0].program);
    agi_c_file file;
    open_file(&file, &memory, count, functions, options);
    status = emit(&file, options, source, header, error);
    agi_close_c_file(&file);
    return status;
}

ag_status ag_measure_c(const ag_c_function *function, size_t *numbers, ag_error_details *error)
{
    static const ag_emit_options defaults = {0};
    agi_set_details(error, AG_OK, "%s", "");
    ag_status status = check_functions(1, function, error);
    if (status != AG_OK)
        return status;
    agi_memory memory = agi_open_memory_of(function->program);
    agi_c_file file;
    open_file(&file, &memory, 1, function, &defaults);
    agi_measure_c_units(&file);
    if (file.failed) {
        status = AG_OUT_OF_MEMORY;
        agi_set_details(error, status, "ag_measure_c: %s", ag_strerror(status));
    } else {
        *numbers = file.units[0]->workspace;
    }
    agi_close_c_file(&file);
    return status;
}
