/* SPDX-License-Identifier: MIT
 *
 * Statements of C: lines, the functions they are in, where numbers are and what they are called.
 * Knows no instructions.
 */
#include "c_section.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LONG_FUNCTION = 200, /* statements */
    LONGEST_NAME = 24,   /* of an input, in such a text */
    WIDTH = 96,
};

const char *agi_c_type(const agi_c_writer *w)
{
    return w->file->gates.library.use_float ? "float" : "double";
}

const char *agi_c_zero(const agi_c_writer *w)
{
    return w->file->gates.library.use_float ? "0.0f" : "0.0";
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void indent(agi_c_writer *w, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        agi_text_append(w->out, "    ", 4);
}

/* Text is broken at spaces. */
static void put_broken(agi_c_writer *w, const char *from, size_t left, const char *next)
{
    const size_t room = WIDTH - 4 * w->depth;
    while (left > room) {
        size_t cut = room;
        while (cut > 0 && from[cut] != ' ')
            cut--;
        for (cut = cut > 0 ? cut : room; cut < left && from[cut] != ' ';)
            cut++;
        if (cut == left)
            break;
        agi_text_append(w->out, from, cut);
        agi_text_put(w->out, "\n");
        indent(w, w->depth);
        agi_text_put(w->out, "%s", next);
        from += cut + 1;
        left -= cut + 1;
    }
    agi_text_append(w->out, from, left);
}

void agi_c_end_line(agi_c_writer *w)
{
    const uint32_t comment = w->comment.count;
    w->statements++;
    if (w->out != NULL) {
        const bool fits = 4 * w->depth + w->line.count + comment + 7 <= WIDTH;
        indent(w, w->depth);
        if (comment > 0 && !fits) {
            agi_text_put(w->out, "/* ");
            put_broken(w, w->comment.chars, comment, " * ");
            agi_text_put(w->out, " */\n");
            indent(w, w->depth);
        }
        put_broken(w, w->line.chars, w->line.count, "    ");
        if (comment > 0 && fits) {
            agi_text_put(w->out, " /* ");
            agi_text_append(w->out, w->comment.chars, comment);
            agi_text_put(w->out, " */");
        }
        agi_text_put(w->out, "\n");
    }
    w->file->failed = w->file->failed || w->line.failed || w->comment.failed;
    w->line.count = w->comment.count = 0;
}

void agi_c_put_line(agi_c_writer *w, const char *format, ...)
{
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert(n >= 0 && (size_t)n < sizeof(line));
    (void)n;
    agi_text_append(&w->line, line, strlen(line));
    agi_c_end_line(w);
}

void agi_c_begin_loop(agi_c_writer *w, char letter, uint64_t n, bool is_block)
{
    agi_c_put_line(w, "for (size_t %c = 0; %c < %" PRIu64 "; %c++)%s", letter, letter, n, letter,
                   is_block ? " {" : "");
    w->depth++;
}

void agi_c_put_simd(agi_c_writer *w, const char *sum)
{
    if (!w->file->gates.is_native || w->out == NULL)
        return;
    if (sum == NULL)
        agi_text_put(w->out, "#pragma omp simd\n");
    else
        agi_text_put(w->out, "#pragma omp simd reduction(+ : %s)\n", sum);
}

void agi_c_end_block(agi_c_writer *w)
{
    w->depth--;
    agi_c_put_line(w, "}");
}

/* ---- Functions ------------------------------------------------------------------------------- */

/* What functions may take, in this order. */
static const struct {
    uint16_t use;
    const char *type, *name;
} parameters[] = {
    {AGI_C_SHARED, "const real *", "shared"},
    {AGI_C_EACH, "const real *", "each"},
    {AGI_C_STATE, "const real *", "state"},
    {AGI_C_IN, "const real *", "in"},
    {AGI_C_SUM, "real *", "sum"},
    {AGI_C_MAP, "real *", "map"},
    {AGI_C_NEXT, "real *", "next"},
    {AGI_C_OUT, "real *", "out"},
    {AGI_C_SCALE, "real ", "scale"},
    {AGI_C_UNIFORM, "const real *", "uniform"},
    {AGI_C_WORKSPACE, "real *", "w"},
    {AGI_C_SET, "int set, real ", "factor"},
    {AGI_C_LANES, "size_t ", "lanes"},
    {AGI_C_RUN, "void (*run)(void *, size_t), void *", "context"},
};

enum {
    PARAMETERS = sizeof(parameters) / sizeof(*parameters)
};

/* What no other parameter leads to: the interpreter writes where it wants. Totals may be the shared
 * array, which is why a function of the caller's, which may write totals, restricts neither; a step has
 * its own. What a step gives as its state the next one reads: that no call has both would be enough,
 * but GCC 12, with a step inline in a loop, takes it for all calls together. */
static bool is_restricted(const agi_c_unit *unit, uint32_t uses, uint32_t use)
{
    if ((uses & AGI_C_RUN) != 0)
        return false;
    switch (use) {
    case AGI_C_WORKSPACE:
    case AGI_C_MAP:
    case AGI_C_UNIFORM:
    case AGI_C_IN:
    case AGI_C_OUT:
        return true;
    case AGI_C_SHARED:
        return unit->is_step || unit->mode == AGI_C_ALL_LANES;
    case AGI_C_SUM:
        return unit->is_step;
    default:
        return false;
    }
}

void agi_put_c_parameters(agi_text *text, const agi_c_unit *unit, uint32_t uses)
{
    bool is_first = true;
    for (size_t i = 0; i < PARAMETERS; i++) {
        if ((uses & parameters[i].use) == 0)
            continue;
        agi_text_put(text, "%s", is_first ? "" : ", ");
        agi_put_template(text, &unit->file->gates.library, parameters[i].type, "", NULL);
        agi_text_put(text, "%s%s", is_restricted(unit, uses, parameters[i].use) ? "__restrict " : "",
                     parameters[i].name);
        is_first = false;
    }
    if (is_first)
        agi_text_put(text, "void");
}

void agi_put_c_name(agi_text *text, const agi_c_unit *unit, const agi_c_section *section,
                    uint32_t function)
{
    agi_text_put(text, "%s_%s", unit->name,
                 section == &unit->once    ? "once"
                 : section == &unit->check ? "check"
                                           : "body");
    if (section->uses_count > 1)
        agi_text_put(text, "_%" PRIu32, function + 1);
}

/* The present function's call, among those of a program's own code. */
static void put_call(agi_c_writer *w)
{
    const uint16_t uses = w->section->uses[w->function - 1];
    agi_text *calls = &w->section->calls;
    agi_text_put(calls, (uses & AGI_C_BAD) != 0 ? "    if (" : "    ");
    agi_put_c_name(calls, w->unit, w->section, w->function - 1);
    agi_text_put(calls, "(");
    const char *between = "";
    for (size_t i = 0; i < PARAMETERS; i++)
        if ((uses & parameters[i].use) != 0) {
            agi_text_put(calls, "%s%s%s", between,
                         parameters[i].use == AGI_C_SET   ? "set, "
                         : parameters[i].use == AGI_C_RUN ? "run, "
                                                          : "",
                         parameters[i].name);
            between = ", ";
        }
    agi_text_put(calls, (uses & AGI_C_BAD) != 0 ? ") != 0)\n        return 1;\n" : ");\n");
}

void agi_c_open(agi_c_writer *w)
{
    if (w->is_open)
        return;
    w->is_open = true;
    w->statements = 0;
    w->locals = w->elements = w->loop.sums = 0;
    if (!w->unit->is_measured && AGI_APPEND(w->file, w->section->uses, 0) != AG_OK)
        w->file->failed = true;
    if (w->unit->mode == AGI_C_ALL_LANES)
        agi_c_use(w, AGI_C_LANES);
    if (w->out == NULL || w->bare)
        return;
    const uint16_t uses = w->section->uses[w->function];
    const bool looks = (uses & AGI_C_BAD) != 0;
    agi_text_put(w->out, "static %s ", w->section->compares || looks ? "int" : "void");
    agi_put_c_name(w->out, w->unit, w->section, w->function);
    agi_text_put(w->out, "(");
    agi_put_c_parameters(w->out, w->unit, uses);
    agi_text_put(w->out, ")\n{\n");
    if (looks) /* as wide as a number, for vectors */
        agi_text_put(w->out, "    %s bad = 0; /* whether there is a NaN */\n",
                     w->file->gates.library.use_float ? "int" : "long long");
    if (w->unit->mode == AGI_C_ALL_LANES)
        agi_text_put(w->out, "#pragma omp simd\n    for (size_t l = 0; l < lanes; l++) {\n");
}

void agi_c_close(agi_c_writer *w)
{
    if (!w->is_open)
        return;
    agi_c_end_loop(w);
    w->is_open = false;
    w->function++;
    if (w->out == NULL || w->bare)
        return;
    const bool looks = (w->section->uses[w->function - 1] & AGI_C_BAD) != 0;
    agi_text_put(w->out, "%s}\n\n",
                 w->unit->mode == AGI_C_ALL_LANES ? "    }\n"
                 : looks                          ? "    return bad != 0;\n"
                 : w->section->compares           ? "    return 0;\n"
                                                  : "");
    if (w->unit->mode != AGI_C_FILE)
        put_call(w);
}

void agi_c_cut(agi_c_writer *w)
{
    if (w->statements < LONG_FUNCTION)
        return;
    agi_c_close(w);
    agi_c_open(w);
}

void agi_c_use(agi_c_writer *w, uint16_t what)
{
    if (w->function < w->section->uses_count)
        w->section->uses[w->function] |= what;
}

/* ---- Where numbers are ------------------------------------------------------------------------ */

uint32_t agi_c_base(const agi_c_writer *w)
{
    return w->section == &w->unit->once || w->unit->mode != AGI_C_FILE ? 0
                                                                       : w->unit->once.in_memory;
}

size_t agi_c_find_scratch(const agi_c_writer *w)
{
    return w->unit->mode == AGI_C_FILE ? w->unit->scratch : w->section->section->slots;
}

/* How a statement has a slot's number: "w[3]", over lanes "w[3 * lanes + l]". */
static void put_slot(agi_c_writer *w, char to[AGI_C_OPERAND], uint32_t slot)
{
    const uint32_t place = agi_c_base(w) + w->section->places[slot];
    (void)snprintf(
        to, AGI_C_OPERAND,
        w->unit->mode == AGI_C_ALL_LANES ? "w[%" PRIu32 " * lanes + l]" : "w[%" PRIu32 "]", place);
}

bool agi_c_is_here(const agi_c_writer *w, agi_vector v)
{
    return v.space == AGI_SLOTS || (v.space == AGI_UNIFORM && w->section == &w->unit->once);
}

agi_c_definition *agi_c_definition_of(const agi_c_writer *w, uint32_t slot)
{
    const uint32_t held = w->section->holds[slot];
    return held == AGI_NO_INDEX ? NULL : &w->section->definitions[held];
}

agi_c_definition *agi_c_define(agi_c_writer *w, uint32_t slot)
{
    if (agi_c_is_touched(w, slot))
        agi_c_end_loop(w);
    return agi_c_define_anew(w, slot);
}

agi_c_definition *agi_c_define_anew(agi_c_writer *w, uint32_t slot)
{
    static const agi_c_definition nothing = {.each = AGI_NO_INDEX, .may_be = true};
    agi_c_section *section = w->section;
    if (w->defined == section->definitions_count &&
        AGI_APPEND(w->file, section->definitions, nothing) != AG_OK) {
        w->file->failed = true;
        return NULL;
    }
    agi_c_definition *definition = &section->definitions[w->defined];
    if (!w->unit->is_measured) {
        const bool may_be = definition->may_be;
        *definition = nothing;
        definition->may_be = may_be;
    }
    definition->function = w->function;
    definition->text_count = definition->formula = definition->again_in = 0;
    section->holds[slot] = w->defined++;
    return definition;
}

static agi_c_span find_span(int64_t at, int64_t stride, uint32_t n, int64_t second, uint32_t n_2)
{
    const int64_t last = (int64_t)(n - 1) * stride, last_2 = (int64_t)(n_2 - 1) * second;
    return (agi_c_span){at + (last < 0 ? last : 0) + (last_2 < 0 ? last_2 : 0),
                        at + (last > 0 ? last : 0) + (last_2 > 0 ? last_2 : 0)};
}

static uint16_t find_input_use(const agi_c_unit *unit, int64_t each)
{
    return !unit->is_step ? AGI_C_EACH : each < unit->state_count ? AGI_C_STATE : AGI_C_IN;
}

/* Inputs from one on that are in such an array. */
static agi_c_row find_inputs_in(const agi_c_unit *unit, uint16_t use, int64_t at, int64_t stride)
{
    return use == AGI_C_IN ? (agi_c_row){"in", at - unit->state_count, stride}
                           : (agi_c_row){use == AGI_C_STATE ? "state" : "each", at, stride};
}

agi_c_row agi_c_find_inputs(agi_c_writer *w, int64_t at, int64_t stride, agi_c_span all)
{
    const uint16_t use = find_input_use(w->unit, all.low);
    agi_c_use(w, use);
    if (use != find_input_use(w->unit, all.high))
        w->unit->is_joined = true;
    return find_inputs_in(w->unit, use, at, stride);
}

uint16_t agi_c_output_use(const agi_c_unit *unit, uint32_t map)
{
    if (!unit->is_step)
        return AGI_C_MAP;
    if (map < unit->state_count)
        return AGI_C_NEXT;
    return map >= unit->saved && map - unit->saved < unit->state_count ? 0 : AGI_C_OUT;
}

agi_c_row agi_c_find_outputs(agi_c_writer *w, uint32_t at, int64_t stride)
{
    const uint16_t use = agi_c_output_use(w->unit, at);
    agi_c_use(w, use);
    return use == AGI_C_OUT ? (agi_c_row){"out", (int64_t)at - w->unit->state_count, stride}
                            : (agi_c_row){use == AGI_C_NEXT ? "next" : "map", at, stride};
}

void agi_c_take_places(agi_c_writer *w, agi_c_section *section, agi_c_span slots)
{
    if (w->unit->is_measured)
        return;
    for (int64_t slot = slots.low; slot <= slots.high; slot++)
        section->places[slot] = 1;
}

/* What is computed once is the workspace's beginning for every section. */
static agi_c_row find_uniform(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second,
                              uint32_t n_2)
{
    agi_c_unit *unit = w->unit;
    const agi_c_span all = find_span(v.at, v.stride, n, second, n_2);
    for (int64_t i = all.low; i <= all.high && !unit->is_measured; i++)
        unit->is_uniform[i] = 1;
    agi_c_take_places(w, &unit->once, all);
    agi_c_use(w, unit->mode == AGI_C_FILE ? AGI_C_WORKSPACE : AGI_C_UNIFORM);
    return (agi_c_row){unit->mode == AGI_C_FILE ? "w" : "uniform", unit->once.places[v.at],
                       v.stride};
}

/* Whether elements are inputs as they were loaded: at a constant stride, and the second one. */
static bool are_inputs(const agi_c_writer *w, agi_vector v, uint32_t n, int64_t second,
                       uint32_t n_2, agi_c_row *row)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n_2; j++) {
            const int64_t slot = v.at + (int64_t)i * v.stride + (int64_t)j * second;
            const agi_c_definition *definition = agi_c_definition_of(w, (uint32_t)slot);
            if (definition == NULL || definition->each == AGI_NO_INDEX)
                return false;
            if (i == 0 && j == 0)
                *row = (agi_c_row){NULL, definition->each, 0};
            else if (i == 1 && j == 0)
                row->stride = (int64_t)definition->each - row->at;
            else if (definition->each != row->at + i * row->stride + j * second)
                return false;
        }
    return true;
}

bool agi_c_find_input_row(const agi_c_writer *w, agi_vector v, uint32_t n, agi_vector *row)
{
    agi_c_row inputs;
    if (!are_inputs(w, v, v.stride == 0 ? 1 : n, 0, 1, &inputs))
        return false;
    *row = (agi_vector){(uint32_t)inputs.at, (int32_t)inputs.stride, AGI_C_INPUTS};
    return true;
}

void agi_c_read_memory(agi_c_writer *w, int64_t slot)
{
    agi_c_definition *definition = agi_c_definition_of(w, (uint32_t)slot);
    if (definition == NULL)
        return;
    agi_c_before_reading(w, (uint32_t)slot);
    definition->in_memory = true;
    if (definition->function >= w->section->uses_count)
        return;
    w->section->uses[definition->function] |= AGI_C_WORKSPACE;
    if (definition->each != AGI_NO_INDEX)
        w->section->uses[definition->function] |= find_input_use(w->unit, definition->each);
}

static agi_c_row find_slots(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    agi_c_row row = {0};
    if (are_inputs(w, v, n, second, n_2, &row))
        return agi_c_find_inputs(w, row.at, row.stride,
                                 find_span(row.at, row.stride, n, second, n_2));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n_2; j++)
            agi_c_read_memory(w, v.at + (int64_t)i * v.stride + (int64_t)j * second);
    agi_c_take_places(w, w->section, find_span(v.at, v.stride, n, second, n_2));
    agi_c_use(w, AGI_C_WORKSPACE);
    return (agi_c_row){"w", (int64_t)agi_c_base(w) + w->section->places[v.at], v.stride};
}

static agi_c_row find_constants(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second,
                                uint32_t n_2)
{
    const agi_c_span all = find_span(v.at, v.stride, n, second, n_2);
    for (int64_t i = all.low; i <= all.high && !w->unit->is_measured; i++)
        w->unit->constants[i] = 1;
    return (agi_c_row){w->unit->numbers_name, w->unit->constants[v.at], v.stride};
}

agi_c_row agi_c_find_row(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    if (agi_c_is_here(w, v))
        return find_slots(w, v, n, second, n_2);
    if (v.space == AGI_C_INPUTS)
        return agi_c_find_inputs(w, v.at, v.stride, find_span(v.at, v.stride, n, second, n_2));
    switch ((agi_space)v.space) {
    case AGI_UNIFORM:
        return find_uniform(w, v, n, second, n_2);
    case AGI_CONSTANTS:
        return find_constants(w, v, n, second, n_2);
    case AGI_SHARED:
        if (w->unit->function == NULL || !w->unit->function->frozen)
            agi_c_use(w, AGI_C_SHARED);
        return (agi_c_row){w->unit->shared_name, v.at, v.stride};
    case AGI_SLOTS:
    case AGI_NOWHERE:
        break;
    }
    return (agi_c_row){"", 0, 0};
}

agi_c_row agi_c_define_row(agi_c_writer *w, uint32_t slot, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (agi_c_define(w, slot + i) == NULL)
            return (agi_c_row){"w", 0, n > 1};
    agi_c_take_places(w, w->section, (agi_c_span){slot, (int64_t)slot + n - 1});
    agi_c_use(w, AGI_C_WORKSPACE);
    return (agi_c_row){"w", (int64_t)agi_c_base(w) + w->section->places[slot], n > 1};
}

/* " - 3 * i" */
static size_t put_step(char *to, size_t size, int64_t stride, char letter, bool is_first)
{
    const bool is_negative = stride < 0;
    const uint64_t factor = is_negative ? (uint64_t)-stride : (uint64_t)stride;
    if (factor == 0)
        return 0;
    const char *sign = is_negative ? " - " : is_first ? "" : " + ";
    return (size_t)(factor == 1 ? snprintf(to, size, "%s%c", sign, letter)
                                : snprintf(to, size, "%s%" PRIu64 " * %c", sign, factor, letter));
}

void agi_c_put_place(char to[AGI_C_OPERAND], agi_c_row row, char letter, int64_t second,
                     char letter_2)
{
    const size_t size = AGI_C_OPERAND;
    size_t n = (size_t)snprintf(to, size, "%s[", row.array);
    const size_t begin = n;
    if (row.at != 0 || (row.stride <= 0 && second <= 0))
        n += (size_t)snprintf(to + n, size - n, "%" PRId64, row.at);
    n += put_step(to + n, size - n, row.stride, letter, n == begin);
    n += put_step(to + n, size - n, second, letter_2, n == begin);
    (void)snprintf(to + n, size - n, "]");
}

void agi_c_put_number(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector number)
{
    number.stride = 0;
    if (number.space == AGI_CONSTANTS) {
        agi_text text = {.memory = w->file->memory};
        const double value = w->unit->program->constants[number.at];
        agi_put_literal(&text, &w->file->gates.library, value);
        const bool is_negative = text.count > 0 && text.chars[0] == '-';
        (void)snprintf(to, AGI_C_OPERAND, is_negative ? "(%.*s)" : "%.*s", (int)text.count,
                       text.count == 0 ? "" : text.chars);
        w->file->failed = w->file->failed || text.failed;
        agi_text_free(&text);
        return;
    }
    agi_c_definition *held = number.space == AGI_SLOTS ? agi_c_definition_of(w, number.at) : NULL;
    if (held != NULL && held->is_local && held->function == w->function) {
        agi_c_follow(w, number.at);
        held->in_local = true;
        (void)snprintf(to, AGI_C_OPERAND, "v%" PRIu32, held->local);
        return;
    }
    if (agi_c_put_number_again(w, to, number))
        return;
    const agi_c_row row = agi_c_find_row(w, number, 1, 0, 1);
    if (number.space == AGI_SHARED)
        w->loop.reads_shared = true;
    else if (number.space != AGI_C_INPUTS)
        agi_c_stay(w);
    if (number.space == AGI_SLOTS && w->unit->mode == AGI_C_ALL_LANES)
        put_slot(w, to, number.at);
    else
        agi_c_put_place(to, row, 'i', 0, 'j');
}

/* ---- What a number is ------------------------------------------------------------------------- */

void agi_put_c_words(agi_text *to, const char *name)
{
    for (; *name != '\0'; name++) {
        const bool is_plain = *name >= ' ' && *name <= '~' && *name != '/' && *name != '*' &&
                              *name != '\\' && *name != '?';
        agi_text_append(to, is_plain ? name : "_", 1);
    }
}

static void put_end_name(const agi_c_writer *w, agi_text *to, ag_role role, uint32_t i)
{
    const char *name = ag_program_name(w->unit->program, role, i);
    agi_c_row row = {"shared", i, 0};
    if (role == AG_EACH)
        row = find_inputs_in(w->unit, find_input_use(w->unit, i), i, 0);
    if (name != NULL && strlen(name) <= LONGEST_NAME)
        agi_put_c_words(to, name);
    else
        agi_text_put(to, "%s[%" PRId64 "]", row.array, row.at);
}

void agi_c_describe(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector number, const char *operand)
{
    agi_text text = {.memory = w->file->memory};
    const agi_c_definition *held =
        number.space == AGI_SLOTS ? agi_c_definition_of(w, number.at) : NULL;
    if (number.space == AGI_SHARED)
        put_end_name(w, &text, AG_SHARED, number.at);
    else if (held != NULL && held->each != AGI_NO_INDEX)
        put_end_name(w, &text, AG_EACH, held->each);
    else if (number.space == AGI_CONSTANTS)
        agi_text_put(&text, "%.6g", w->unit->program->constants[number.at]);
    else if (held != NULL && held->text_count > 0)
        agi_text_append(&text, w->texts.chars + held->text, held->text_count);
    bool is_whole = true; /* no spaces but between parentheses */
    for (uint32_t i = 0, depth = 0; i < text.count; i++) {
        depth += text.chars[i] == '(';
        depth -= text.chars[i] == ')';
        is_whole = is_whole && (depth > 0 || text.chars[i] != ' ');
    }
    if (text.count > 0)
        (void)snprintf(to, AGI_C_OPERAND, is_whole ? "%.*s" : "(%.*s)", (int)text.count,
                       text.chars);
    else
        (void)snprintf(to, AGI_C_OPERAND, "%s", operand);
    agi_text_free(&text);
}

/* ---- Single numbers -------------------------------------------------------------------------- */

void agi_c_define_number(agi_c_writer *w, uint32_t slot)
{
    const bool is_late = w->loop.follows, waits = is_late || agi_c_is_touched(w, slot);
    agi_text *const now = w->out, *const later = now != NULL && waits ? &w->loop.after : now;
    agi_c_definition *definition = agi_c_define_anew(w, slot);
    w->loop.may_follow = w->loop.follows = false;
    if (definition == NULL) {
        w->line.count = w->comment.count = 0;
        return;
    }
    definition->is_local = true;
    definition->is_late = is_late;
    definition->loop = waits ? w->loop.id : 0;
    if (w->out == NULL) {
        w->statements++;
        w->line.count = w->comment.count = 0;
        return;
    }
    if (w->comment.count > 0 && w->comment.count <= AGI_C_LONGEST_TEXT) {
        definition->text = w->texts.count;
        agi_text_append(&w->texts, w->comment.chars, w->comment.count);
        definition->text_count = w->texts.failed ? 0 : w->comment.count;
    } else {
        w->comment.count = 0;
    }
    if (w->comment.count > 0 && w->comment.count == w->line.count &&
        memcmp(w->comment.chars, w->line.chars, w->line.count) == 0)
        w->comment.count = 0;
    char place[AGI_C_OPERAND];
    put_slot(w, place, slot);
    agi_text right = w->line;
    w->line = (agi_text){.memory = right.memory};
    w->out = is_late ? later : now;
    if (definition->in_local || (waits && definition->in_memory)) {
        definition->in_local = true;
        definition->local = ++w->locals;
        agi_text_put(&w->line, "const %s v%" PRIu32 " = ", agi_c_type(w), definition->local);
    } else if (definition->in_memory) {
        agi_text_put(&w->line, "%s = ", place);
    }
    if (definition->in_local || definition->in_memory) {
        agi_text_append(&w->line, right.chars, right.count);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
    } else {
        w->statements++; /* as it was measured */
        w->comment.count = 0;
    }
    if (definition->in_local && definition->in_memory) {
        w->out = later;
        agi_c_put_line(w, "%s = v%" PRIu32 ";", place, definition->local);
        w->statements--;
    }
    w->out = now;
    agi_text_free(&right);
}

agi_vector agi_c_element(agi_vector v, uint32_t i)
{
    v.at += i * (uint32_t)v.stride;
    v.stride = 0;
    return v;
}
