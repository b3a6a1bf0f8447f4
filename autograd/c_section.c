/* SPDX-License-Identifier: MIT
 *
 * A section's instructions as statements of C. Single numbers are constants of their own, v1, v2,
 * ...; what loops go through is in the workspace. Long sections are cut into functions.
 */
#include "c_section.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FEW = 4,             /* elements that are written out */
    FEW_TERMS = 32,      /* of a sum, likewise */
    MANY_TERMS = 64,     /* records: such a sum is added up in the workspace */
    LINE_TERMS = 8,      /* of those on a line */
    SHORT_FOLD = 16,     /* operands of a fold that are an array of its own */
    LONG_FUNCTION = 200, /* statements */
    LONGEST_TEXT = 60,   /* that says what a number is */
    LONGEST_NAME = 24,   /* of an input, in such a text */
    WIDTH = 96,
};

static const char *name_type(const agi_c_writer *w)
{
    return w->file->gates.library.use_float ? "float" : "double";
}

static const char *name_zero(const agi_c_writer *w)
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
    agi_text_append(&w->line, line, (size_t)n);
    agi_c_end_line(w);
}

void agi_c_begin_loop(agi_c_writer *w, char letter, uint64_t n, bool is_block)
{
    agi_c_put_line(w, "for (size_t %c = 0; %c < %" PRIu64 "; %c++)%s", letter, letter, n, letter,
                   is_block ? " {" : "");
    w->depth++;
}

/* In a program's own code: the loop that follows may be done in any order, but for a sum. */
static void put_simd(agi_c_writer *w, const char *sum)
{
    if (!w->file->is_native || w->out == NULL)
        return;
    if (sum == NULL)
        agi_text_put(w->out, "#pragma omp simd\n");
    else
        agi_text_put(w->out, "#pragma omp simd reduction(+ : %s)\n", sum);
}

static void end_block(agi_c_writer *w)
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
    {AGI_C_SUM, "real *", "sum"},
    {AGI_C_MAP, "real *", "map"},
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

/* What no other parameter leads to. Totals may be the shared array, which is why a function of the
 * caller's, which may write totals, restricts neither; a step has its own. */
static bool is_restricted(const agi_c_unit *unit, uint32_t use)
{
    const bool is_step = unit->mode == AGI_C_FILE && unit->function == NULL;
    switch (use) {
    case AGI_C_WORKSPACE:
    case AGI_C_MAP:
        return true;
    case AGI_C_SHARED:
        return is_step || unit->mode == AGI_C_ALL_LANES;
    case AGI_C_EACH:
    case AGI_C_SUM:
        return is_step;
    case AGI_C_UNIFORM:
        return true;
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
        agi_text_put(text, "%s%s", is_restricted(unit, parameters[i].use) ? "__restrict " : "",
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
    agi_text_put(calls, "    ");
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
    agi_text_put(calls, ");\n");
}

void agi_c_open(agi_c_writer *w)
{
    if (w->is_open)
        return;
    w->is_open = true;
    w->statements = 0;
    w->locals = 0;
    if (!w->unit->is_measured && AGI_APPEND(w->file, w->section->uses, 0) != AG_OK)
        w->file->failed = true;
    if (w->unit->mode == AGI_C_ALL_LANES)
        agi_c_use(w, AGI_C_LANES);
    if (w->out == NULL || w->bare)
        return;
    agi_text_put(w->out, "static %s ", w->section->compares ? "int" : "void");
    agi_put_c_name(w->out, w->unit, w->section, w->function);
    agi_text_put(w->out, "(");
    agi_put_c_parameters(w->out, w->unit, w->section->uses[w->function]);
    agi_text_put(w->out, ")\n{\n");
    if (w->unit->mode == AGI_C_ALL_LANES)
        agi_text_put(w->out, "#pragma omp simd\n    for (size_t l = 0; l < lanes; l++) {\n");
}

void agi_c_close(agi_c_writer *w)
{
    if (!w->is_open)
        return;
    w->is_open = false;
    w->function++;
    if (w->out == NULL || w->bare)
        return;
    agi_text_put(w->out, "%s}\n\n",
                 w->unit->mode == AGI_C_ALL_LANES ? "    }\n"
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

static uint32_t base_of(const agi_c_writer *w)
{
    return w->section == &w->unit->once || w->unit->mode != AGI_C_FILE ? 0
                                                                       : w->unit->once.in_memory;
}

size_t agi_c_find_scratch(const agi_c_writer *w)
{
    return w->unit->mode == AGI_C_FILE ? agi_c_find_scratch(w) : w->section->section->slots;
}

/* How a statement has a slot's number: "w[3]", over lanes "w[3 * lanes + l]". */
static void put_slot(agi_c_writer *w, char to[AGI_C_OPERAND], uint32_t slot)
{
    const uint32_t place = base_of(w) + w->section->places[slot];
    (void)snprintf(
        to, AGI_C_OPERAND,
        w->unit->mode == AGI_C_ALL_LANES ? "w[%" PRIu32 " * lanes + l]" : "w[%" PRIu32 "]", place);
}

static agi_c_definition *definition_of(const agi_c_writer *w, uint32_t slot)
{
    const uint32_t held = w->section->holds[slot];
    return held == AGI_NO_INDEX ? NULL : &w->section->definitions[held];
}

/* A new one, which the slot now holds; the second time it is there already. */
static agi_c_definition *define(agi_c_writer *w, uint32_t slot)
{
    agi_c_section *section = w->section;
    if (!w->unit->is_measured && AGI_APPEND(w->file, section->definitions,
                                            ((agi_c_definition){.each = AGI_NO_INDEX})) != AG_OK) {
        w->file->failed = true;
        return NULL;
    }
    agi_c_definition *definition = &section->definitions[w->defined];
    definition->function = w->function;
    definition->text_count = 0;
    section->holds[slot] = w->defined++;
    return definition;
}

typedef struct span {
    int64_t low, high;
} span;

static span find_span(agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    const int64_t last = (int64_t)(n - 1) * v.stride, last_2 = (int64_t)(n_2 - 1) * second;
    return (span){v.at + (last < 0 ? last : 0) + (last_2 < 0 ? last_2 : 0),
                  v.at + (last > 0 ? last : 0) + (last_2 > 0 ? last_2 : 0)};
}

/* Elements get a place in the workspace; until those are counted, places are marks. */
static void take_places(agi_c_writer *w, agi_c_section *section, span slots)
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
    const span all = find_span(v, n, second, n_2);
    for (int64_t i = all.low; i <= all.high && !unit->is_measured; i++)
        unit->is_uniform[i] = 1;
    take_places(w, &unit->once, all);
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
            const agi_c_definition *definition = definition_of(w, (uint32_t)slot);
            if (definition == NULL || definition->each == AGI_NO_INDEX)
                return false;
            if (i == 0 && j == 0)
                *row = (agi_c_row){"each", definition->each, 0};
            else if (i == 1 && j == 0)
                row->stride = (int64_t)definition->each - row->at;
            else if (definition->each != row->at + i * row->stride + j * second)
                return false;
        }
    return true;
}

/* The function that has computed the number (or copied the input) has to put it there. */
void agi_c_read_memory(agi_c_writer *w, int64_t slot)
{
    agi_c_definition *definition = definition_of(w, (uint32_t)slot);
    if (definition == NULL)
        return;
    definition->in_memory = true;
    if (definition->function < w->section->uses_count)
        w->section->uses[definition->function] |=
            definition->each == AGI_NO_INDEX ? AGI_C_WORKSPACE : AGI_C_WORKSPACE | AGI_C_EACH;
}

static agi_c_row find_slots(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    agi_c_row row;
    if (are_inputs(w, v, n, second, n_2, &row)) {
        agi_c_use(w, AGI_C_EACH);
        return row;
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n_2; j++)
            agi_c_read_memory(w, v.at + (int64_t)i * v.stride + (int64_t)j * second);
    take_places(w, w->section, find_span(v, n, second, n_2));
    agi_c_use(w, AGI_C_WORKSPACE);
    return (agi_c_row){"w", (int64_t)base_of(w) + w->section->places[v.at], v.stride};
}

static agi_c_row find_constants(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second,
                                uint32_t n_2)
{
    const span all = find_span(v, n, second, n_2);
    for (int64_t i = all.low; i <= all.high && !w->unit->is_measured; i++)
        w->unit->constants[i] = 1;
    return (agi_c_row){w->unit->numbers_name, w->unit->constants[v.at], v.stride};
}

agi_c_row agi_c_find_row(agi_c_writer *w, agi_vector v, uint32_t n, int64_t second, uint32_t n_2)
{
    switch ((agi_space)v.space) {
    case AGI_SLOTS:
        return find_slots(w, v, n, second, n_2);
    case AGI_UNIFORM:
        return w->section == &w->unit->once ? find_slots(w, v, n, second, n_2)
                                            : find_uniform(w, v, n, second, n_2);
    case AGI_CONSTANTS:
        return find_constants(w, v, n, second, n_2);
    case AGI_SHARED:
        if (w->unit->function == NULL || !w->unit->function->frozen)
            agi_c_use(w, AGI_C_SHARED);
        return (agi_c_row){w->unit->shared_name, v.at, v.stride};
    case AGI_NOWHERE:
        break;
    }
    return (agi_c_row){"", 0, 0};
}

agi_c_row agi_c_define_row(agi_c_writer *w, uint32_t slot, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (define(w, slot + i) == NULL)
            return (agi_c_row){"w", 0, n > 1};
    take_places(w, w->section, (span){slot, (int64_t)slot + n - 1});
    agi_c_use(w, AGI_C_WORKSPACE);
    return (agi_c_row){"w", (int64_t)base_of(w) + w->section->places[slot], n > 1};
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
    agi_c_definition *held = number.space == AGI_SLOTS ? definition_of(w, number.at) : NULL;
    if (held != NULL && held->is_local && held->function == w->function) {
        held->in_local = true;
        (void)snprintf(to, AGI_C_OPERAND, "v%" PRIu32, held->local);
        return;
    }
    const agi_c_row row = agi_c_find_row(w, number, 1, 0, 1);
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
    if (name != NULL && strlen(name) <= LONGEST_NAME)
        agi_put_c_words(to, name);
    else
        agi_text_put(to, role == AG_SHARED ? "shared[%" PRIu32 "]" : "each[%" PRIu32 "]", i);
}

/* An operand in words; if that is too long, as the statement has it. */
static void describe_number(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector number,
                            const char *operand)
{
    agi_text text = {.memory = w->file->memory};
    const agi_c_definition *held = number.space == AGI_SLOTS ? definition_of(w, number.at) : NULL;
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

/* Ends a statement whose right-hand side is in w->line: the slot's number, a constant of the
 * function's own if something there reads it. What is read nowhere is left out. */
static void define_number(agi_c_writer *w, uint32_t slot)
{
    agi_c_definition *definition = define(w, slot);
    if (definition == NULL) {
        w->line.count = w->comment.count = 0;
        return;
    }
    definition->is_local = true;
    if (w->out == NULL) {
        w->statements++;
        w->line.count = w->comment.count = 0;
        return;
    }
    if (w->comment.count > 0 && w->comment.count <= LONGEST_TEXT) {
        definition->text = w->texts.count;
        agi_text_append(&w->texts, w->comment.chars, w->comment.count);
        definition->text_count = w->texts.failed ? 0 : w->comment.count;
    } else {
        w->comment.count = 0;
    }
    if (w->comment.count == w->line.count &&
        memcmp(w->comment.chars, w->line.chars, w->line.count) == 0)
        w->comment.count = 0;
    char place[AGI_C_OPERAND];
    put_slot(w, place, slot);
    agi_text right = w->line;
    w->line = (agi_text){.memory = right.memory};
    if (definition->in_local) {
        definition->local = ++w->locals;
        agi_text_put(&w->line, "const %s v%" PRIu32 " = ", name_type(w), definition->local);
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
        agi_c_put_line(w, "%s = v%" PRIu32 ";", place, definition->local);
        w->statements--;
    }
    agi_text_free(&right);
}

static agi_vector element(agi_vector v, uint32_t i)
{
    v.at += i * (uint32_t)v.stride;
    v.stride = 0;
    return v;
}

/* ---- Gates ----------------------------------------------------------------------------------- */

static uint32_t count_operands(uint8_t gate)
{
    switch ((agi_form)agi_gate_forms[gate]) {
    case AGI_FORM_TERNARY:
        return 3;
    case AGI_FORM_BINARY:
    case AGI_FORM_COMPARE:
        return 2;
    default:
        return 1;
    }
}

/* A number in the file is no infinity that a 0 upstream could meet: then chain is mul. */
static bool is_finite(const agi_c_writer *w, agi_vector v)
{
    return v.space == AGI_CONSTANTS && v.stride == 0 && isfinite(w->unit->program->constants[v.at]);
}

static uint8_t simplify(const agi_c_writer *w, uint8_t gate, agi_vector local)
{
    return gate == AGI_chain && is_finite(w, local) ? (uint8_t)AGI_mul : gate;
}

static void put_single_gate(agi_c_writer *w, const agi_instruction *at, uint32_t i)
{
    char texts[3][AGI_C_OPERAND], words[3][AGI_C_OPERAND];
    const char *operands[3] = {texts[0], texts[1], texts[2]};
    const char *described[3] = {words[0], words[1], words[2]};
    for (uint32_t k = 0; k < count_operands(at->op); k++) {
        const agi_vector x = element(at->x[k], i);
        agi_c_put_number(w, texts[k], x);
        if (w->out != NULL && w->unit->mode == AGI_C_FILE)
            describe_number(w, words[k], x, texts[k]);
    }
    agi_put_c_gate(&w->line, &w->file->gates, simplify(w, at->op, element(at->x[1], i)), operands);
    if (w->out != NULL && w->unit->mode == AGI_C_FILE)
        agi_put_c_gate_words(&w->comment, at->op, described);
    define_number(w, at->out + i);
}

static void put_run(agi_c_writer *w, const agi_instruction *at)
{
    char texts[3][AGI_C_OPERAND], to[AGI_C_OPERAND];
    const char *operands[3] = {texts[0], texts[1], texts[2]};
    const uint8_t gate = simplify(w, at->op, at->x[1]);
    for (uint32_t k = 0; k < count_operands(at->op); k++) {
        if (at->x[k].stride == 0)
            agi_c_put_number(w, texts[k], at->x[k]);
        else
            agi_c_put_place(texts[k], agi_c_find_row(w, at->x[k], at->n, 0, 1), 'i', 0, 'j');
    }
    agi_c_put_place(to, agi_c_define_row(w, at->out, at->n), 'i', 0, 'j');
    agi_text_put(&w->comment, "%s, %" PRIu32 " numbers", agi_gate_names[at->op], at->n);
    put_simd(w, NULL);
    agi_c_begin_loop(w, 'i', at->n, false);
    agi_text_put(&w->line, "%s = ", to);
    agi_put_c_gate(&w->line, &w->file->gates, gate, operands);
    agi_text_put(&w->line, ";");
    agi_c_end_line(w);
    w->depth--;
}

static void put_gates(agi_c_writer *w, const agi_instruction *at)
{
    if (at->n > FEW) {
        put_run(w, at);
        return;
    }
    for (uint32_t i = 0; i < at->n; i++) {
        agi_c_cut(w);
        put_single_gate(w, at, i);
    }
}

/* The function's answer where a comparison comes out differently. */
static void put_comparison(agi_c_writer *w, const agi_instruction *at)
{
    char texts[2][AGI_C_OPERAND];
    const char *operands[] = {texts[0], texts[1]};
    agi_c_put_number(w, texts[0], at->x[0]);
    agi_c_put_number(w, texts[1], at->x[1]);
    const char *text = w->unit->program->records.texts + at->more;
    if (w->out == NULL) {
        w->section->compares = true;
        w->statements++;
        return;
    }
    agi_text *branches = &w->file->branches;
    agi_text_put(branches, " *   %" PRIu32 ": %s: ", ++w->file->comparisons, w->unit->name);
    agi_put_c_words(branches, text);
    agi_text_put(branches, " was %s\n", at->outcome ? "true" : "false");
    agi_put_c_words(&w->comment, text);
    agi_text_put(&w->line, at->outcome ? "if (!(" : "if (");
    agi_put_c_gate(&w->line, &w->file->gates, at->op, operands);
    agi_text_put(&w->line, "%s) return %" PRIu32 ";", at->outcome ? ")" : "", w->file->comparisons);
    agi_c_end_line(w);
}

/* ---- Sums of products ------------------------------------------------------------------------ */

/* The r-th factors of element i, or of all of them in a loop over i; in one over r, too. */
typedef struct term_text {
    char p[AGI_C_OPERAND], q[AGI_C_OPERAND];
    bool has_p, has_q;
} term_text;

static void put_side(agi_c_writer *w, char to[AGI_C_OPERAND], agi_vector v, int32_t step,
                     uint32_t repeat, uint32_t n)
{
    const uint32_t times = repeat == 0 ? 1 : repeat;
    if ((n == 1 || v.stride == 0) && (times == 1 || step == 0))
        agi_c_put_number(w, to, v);
    else if (n == 1 || v.stride == 0)
        agi_c_put_place(to, agi_c_find_row(w, (agi_vector){v.at, step, v.space}, times, 0, 1), 'r',
                        0, 'i');
    else
        agi_c_put_place(to, agi_c_find_row(w, v, n, step, times), 'i', times == 1 ? 0 : step, 'r');
}

/* repeat: how many are in a loop over r. */
static void find_term(agi_c_writer *w, const agi_factors *f, uint32_t i, uint32_t r,
                      uint32_t repeat, uint32_t n, term_text *term)
{
    agi_vector p = f->p, q = f->q;
    term->has_p = p.space != AGI_NOWHERE;
    term->has_q = q.space != AGI_NOWHERE;
    p.at += i * (uint32_t)p.stride + r * (uint32_t)f->p_step;
    q.at += i * (uint32_t)q.stride + r * (uint32_t)f->q_step;
    if (term->has_p)
        put_side(w, term->p, p, f->p_step, repeat, n);
    if (term->has_q)
        put_side(w, term->q, q, f->q_step, repeat, n);
}

/* " - 2.0 * (p * q)"; without gates, in words. */
static void put_term(agi_text *to, agi_c_gates *gates, const agi_factors *f, const term_text *term,
                     bool is_first)
{
    const char *operands[] = {term->p, term->q};
    const bool is_alone = !term->has_p && !term->has_q, is_pair = term->has_p && term->has_q;
    const bool is_negative = f->factor < 0;
    const double size = is_negative ? -f->factor : f->factor;
    const bool is_scaled = is_alone || !agi_is_one(size);
    agi_text_put(to, "%s", is_first ? (is_negative ? "-" : "") : is_negative ? " - " : " + ");
    if (is_scaled && gates == NULL)
        agi_text_put(to, "%.6g", size);
    else if (is_scaled)
        agi_put_literal(to, &gates->library, size);
    if (is_alone)
        return;
    const bool wraps = is_pair && !f->chain && (is_scaled || is_negative);
    agi_text_put(to, "%s%s", is_scaled ? " * " : "", wraps ? "(" : "");
    if (is_pair && f->chain && gates == NULL)
        agi_put_c_gate_words(to, AGI_chain, operands);
    else if (is_pair && f->chain)
        agi_put_c_gate(to, gates, AGI_chain, operands);
    else if (is_pair)
        agi_text_put(to, "%s * %s", term->p, term->q);
    else
        agi_text_put(to, "%s", term->has_p ? term->p : term->q);
    agi_text_put(to, "%s", wraps ? ")" : "");
}

static void describe_term(agi_c_writer *w, const agi_factors *f, uint32_t i, uint32_t r,
                          const term_text *term, bool is_first)
{
    term_text words = *term;
    if (w->out == NULL || w->unit->mode != AGI_C_FILE || w->comment.count > LONGEST_TEXT)
        return;
    if (words.has_p)
        describe_number(w, words.p,
                        (agi_vector){f->p.at + i * (uint32_t)f->p.stride + r * (uint32_t)f->p_step,
                                     0, f->p.space},
                        term->p);
    if (words.has_q)
        describe_number(w, words.q,
                        (agi_vector){f->q.at + i * (uint32_t)f->q.stride + r * (uint32_t)f->q_step,
                                     0, f->q.space},
                        term->q);
    put_term(&w->comment, NULL, f, &words, is_first);
}

/* One element in one statement. */
static void put_short_sum(agi_c_writer *w, const agi_instruction *at, const agi_factors *f,
                          uint32_t i)
{
    bool is_first = true;
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; r < f[t].repeat; r++) {
            term_text term;
            find_term(w, &f[t], i, r, 0, 1, &term);
            put_term(&w->line, &w->file->gates, &f[t], &term, is_first);
            describe_term(w, &f[t], i, r, &term, is_first);
            is_first = false;
        }
    if (is_first)
        agi_put_literal(&w->line, &w->file->gates.library, 0);
    define_number(w, at->out + i);
}

/* One element that takes loops, or too many terms for a line. What is too long for a function is
 * added up in the workspace. */
static void put_long_sum(agi_c_writer *w, const agi_instruction *at, const agi_factors *f,
                         uint32_t i)
{
    const bool is_block = at->terms <= MANY_TERMS;
    char sum[AGI_C_OPERAND], to[AGI_C_OPERAND];
    bool is_first = true;
    agi_text_put(&w->comment, "a sum of products");
    if (is_block) {
        agi_c_put_line(w, "{");
        w->depth++;
        (void)snprintf(sum, sizeof(sum), "a");
        agi_c_put_line(w, "%s a = %s;", name_type(w), name_zero(w));
    } else {
        if (w->section->scratch == 0)
            w->section->scratch = 1;
        (void)snprintf(sum, sizeof(sum), "w[%zu]", agi_c_find_scratch(w));
        agi_c_use(w, AGI_C_WORKSPACE);
    }
    for (uint32_t t = 0; t < at->terms;) {
        const bool is_loop = f[t].repeat > FEW;
        term_text term;
        if (!is_block) {
            agi_c_cut(w);
            agi_c_use(w, AGI_C_WORKSPACE);
        }
        if (!is_block && is_first && is_loop)
            agi_c_put_line(w, "%s = %s;", sum, name_zero(w));
        const bool sets = !is_block && is_first && !is_loop;
        if (is_loop) {
            find_term(w, &f[t], i, 0, f[t].repeat, 1, &term);
            if (is_block)
                put_simd(w, "a");
            agi_c_begin_loop(w, 'r', f[t].repeat, false);
            agi_text_put(&w->line, "%s += ", sum);
            put_term(&w->line, &w->file->gates, &f[t++], &term, true);
        } else {
            agi_text_put(&w->line, sets ? "%s = " : "%s = %s", sum, sum);
            bool begins = sets;
            for (uint32_t on_line = 0; t < at->terms && f[t].repeat <= FEW && on_line < LINE_TERMS;
                 t++)
                for (uint32_t r = 0; r < f[t].repeat; r++, on_line++) {
                    find_term(w, &f[t], i, r, 0, 1, &term);
                    put_term(&w->line, &w->file->gates, &f[t], &term, begins);
                    begins = false;
                }
        }
        is_first = false;
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
        w->depth -= is_loop;
    }
    agi_c_put_place(to, agi_c_define_row(w, at->out + i, 1), 'i', 0, 'j');
    agi_c_put_line(w, "%s = %s;", to, sum);
    if (is_block)
        end_block(w);
}

/* Many elements: a loop over them, and in it one for each long row of terms. */
static void put_sums(agi_c_writer *w, const agi_instruction *at, const agi_factors *f)
{
    char to[AGI_C_OPERAND];
    term_text *terms = AGI_NEW_ARRAY(w->file->memory, at->terms, term_text);
    uint32_t loops = 0;
    if (terms == NULL) {
        w->file->failed = true;
        return;
    }
    for (uint32_t t = 0; t < at->terms; t++) {
        loops += f[t].repeat > FEW;
        find_term(w, &f[t], 0, 0, f[t].repeat > FEW ? f[t].repeat : 0, at->n, &terms[t]);
    }
    agi_text_put(&w->comment, "%" PRIu32 " sums of products", at->n);
    if (loops == 0)
        put_simd(w, NULL);
    agi_c_begin_loop(w, 'i', at->n, loops > 0);
    bool is_first = true;
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; f[t].repeat <= FEW && r < f[t].repeat; r++) {
            if (r > 0)
                find_term(w, &f[t], 0, r, 0, at->n, &terms[t]);
            put_term(&w->line, &w->file->gates, &f[t], &terms[t], is_first);
            is_first = false;
        }
    if (is_first)
        agi_put_literal(&w->line, &w->file->gates.library, 0);
    agi_text right = w->line;
    w->line = (agi_text){.memory = right.memory};
    agi_c_put_place(to, agi_c_define_row(w, at->out, at->n), 'i', 0, 'j');
    if (loops == 0)
        agi_text_put(&w->line, "%s = ", to);
    else
        agi_text_put(&w->line, "%s a = ", name_type(w));
    agi_text_append(&w->line, right.chars, right.count);
    agi_text_put(&w->line, ";");
    agi_text_free(&right);
    agi_c_end_line(w);
    for (uint32_t t = 0; t < at->terms; t++) {
        if (f[t].repeat <= FEW)
            continue;
        put_simd(w, "a");
        agi_c_begin_loop(w, 'r', f[t].repeat, false);
        agi_text_put(&w->line, "a += ");
        put_term(&w->line, &w->file->gates, &f[t], &terms[t], true);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
        w->depth--;
    }
    if (loops > 0) {
        agi_c_put_line(w, "%s = a;", to);
        end_block(w);
    } else {
        w->depth--;
    }
    agi_free_array(w->file->memory, terms, at->terms, sizeof(*terms));
}

static void put_products(agi_c_writer *w, const agi_instruction *at)
{
    const agi_factors *f = agi_factors_of(&w->unit->program->records, at);
    uint64_t terms = 0;
    uint32_t longest = 0;
    for (uint32_t t = 0; t < at->terms; t++) {
        terms += f[t].repeat;
        longest = f[t].repeat > longest ? f[t].repeat : longest;
    }
    const bool is_short = longest <= FEW && terms <= FEW_TERMS;
    if (at->n > FEW && (is_short || at->terms <= FEW_TERMS)) {
        put_sums(w, at, f);
        return;
    }
    for (uint32_t i = 0; i < at->n; i++) {
        agi_c_cut(w);
        if (is_short)
            put_short_sum(w, at, f, i);
        else
            put_long_sum(w, at, f, i);
    }
}

/* ---- Matrices -------------------------------------------------------------------------------- */

/* Where elements are: a row, or an index table over the workspace, "w[net_list1[j]]". */
typedef struct elements_text {
    agi_c_row row;
    char list[AGI_C_NAME + 40]; /* its name; empty: a row */
} elements_text;

static elements_text find_elements(agi_c_writer *w, const agi_elements *e)
{
    elements_text found = {.row = {"w", 0, 1}};
    if (e->list == AGI_NO_INDEX) {
        found.row = agi_c_find_row(w, e->vector, e->n, 0, 1);
        return found;
    }
    const uint32_t *list = w->unit->program->records.lists + e->list;
    const agi_c_section *section = e->vector.space == AGI_UNIFORM ? &w->unit->once : w->section;
    const uint32_t base = e->vector.space == AGI_UNIFORM ? 0 : base_of(w);
    agi_text *tables = &w->file->tables;
    for (uint32_t i = 0; i < e->n; i++) {
        const agi_vector one = {list[i], 0, e->vector.space};
        if (one.space == AGI_SLOTS) {
            agi_c_read_memory(w, list[i]);
            take_places(w, w->section, (span){list[i], list[i]});
            agi_c_use(w, AGI_C_WORKSPACE);
        } else {
            (void)agi_c_find_row(w, one, 1, 0, 1);
        }
    }
    (void)snprintf(found.list, sizeof(found.list), "%s_list%" PRIu32, w->unit->name,
                   w->file->lists + 1);
    if (w->out == NULL)
        return found;
    w->file->lists++;
    agi_text_put(tables, "static const unsigned long %s[%" PRIu32 "] = {", found.list, e->n);
    for (uint32_t i = 0; i < e->n; i++)
        agi_text_put(tables, i % 16 == 0 ? "\n    %" PRIu32 "," : " %" PRIu32 ",",
                     base + section->places[list[i]]);
    agi_text_put(tables, "\n};\n");
    return found;
}

static void put_element(char to[AGI_C_OPERAND], const elements_text *e, char letter)
{
    if (e->list[0] == '\0')
        agi_c_put_place(to, e->row, letter, 0, 'i');
    else
        (void)snprintf(to, AGI_C_OPERAND, "w[%s[%c]]", e->list, letter);
}

/* Where everything of a matrix is. */
typedef struct affine_text {
    agi_c_row matrix, out;
    elements_text x;
    agi_c_row bias;             /* no array: none */
    char number[AGI_C_OPERAND]; /* the bias of all rows, if it is one number */
} affine_text;

/* `rows` rows from `first` on, `many` times: dot products. a0, a1, ... add up as many at once. */
static void put_dot_rows(agi_c_writer *w, const agi_affine *a, uint32_t first, uint32_t rows,
                         uint32_t many, const affine_text *t)
{
    const char *zero = name_zero(w);
    const agi_c_row places[] = {t->matrix, t->out, t->bias};
    char texts[3][AGI_C_OPERAND], x[AGI_C_OPERAND];
    put_element(x, &t->x, 'j');
    agi_c_begin_loop(w, 'i', many, true);
    for (uint32_t r = 0; r < rows; r++) {
        agi_c_row bias = places[2];
        bias.at += bias.stride * (first + r);
        bias.stride *= rows;
        agi_c_put_place(texts[2], bias, 'i', 0, 'j');
        agi_c_put_line(w, "%s a%" PRIu32 " = %s;", name_type(w), r,
                       t->bias.array == NULL  ? zero
                       : t->number[0] != '\0' ? t->number
                                              : texts[2]);
    }
    if (w->file->is_native && w->out != NULL) {
        agi_text_put(w->out, "#pragma omp simd reduction(+ : a0");
        for (uint32_t r = 1; r < rows; r++)
            agi_text_put(w->out, ", a%" PRIu32, r);
        agi_text_put(w->out, ")\n");
    }
    agi_c_begin_loop(w, 'j', a->k, rows > 1);
    for (uint32_t r = 0; r < rows; r++) {
        const char *operands[] = {x, texts[0]};
        agi_c_row matrix = places[0];
        matrix.at += matrix.stride * (first + r);
        matrix.stride *= rows;
        agi_c_put_place(texts[0], matrix, 'i', a->column_stride, 'j');
        agi_text_put(&w->line, "a%" PRIu32 " += ", r);
        if (a->chain)
            agi_put_c_gate(&w->line, &w->file->gates, AGI_chain, operands);
        else
            agi_text_put(&w->line, "%s * %s", texts[0], x);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
    }
    w->depth--;
    if (rows > 1)
        agi_c_put_line(w, "}");
    for (uint32_t r = 0; r < rows; r++) {
        agi_c_row out = places[1];
        out.at += out.stride * (first + r);
        out.stride *= rows;
        agi_c_put_place(texts[1], out, 'i', 0, 'j');
        agi_c_put_line(w, "%s = a%" PRIu32 ";", texts[1], r);
    }
    end_block(w);
}

/* Rows of numbers at a constant stride; in a program's own code four at a time. */
static void put_dots(agi_c_writer *w, const agi_affine *a, const affine_text *t)
{
    const uint32_t rows = w->file->is_native ? 4 : 1, whole = a->m / rows;
    if (whole > 0)
        put_dot_rows(w, a, 0, rows, whole, t);
    if (a->m > whole * rows)
        put_dot_rows(w, a, whole * rows, 1, a->m - whole * rows, t);
}

/* Columns that lie side by side, added up. */
static void put_columns(agi_c_writer *w, const agi_affine *a, const affine_text *t)
{
    char m[AGI_C_OPERAND], e[AGI_C_OPERAND], out[AGI_C_OPERAND], begin[AGI_C_OPERAND];
    agi_c_put_place(out, t->out, 'i', 0, 'j');
    if (t->bias.array == NULL)
        (void)snprintf(begin, sizeof(begin), "%s", name_zero(w));
    else if (t->number[0] != '\0')
        (void)snprintf(begin, sizeof(begin), "%s", t->number);
    else
        agi_c_put_place(begin, t->bias, 'i', 0, 'j');
    agi_c_put_place(m, t->matrix, 'i', a->column_stride, 'j');
    put_element(e, &t->x, 'j');
    if (!a->add) {
        agi_c_begin_loop(w, 'i', a->m, false);
        agi_c_put_line(w, "%s = %s;", out, begin);
        w->depth--;
    }
    agi_c_begin_loop(w, 'j', a->k, true);
    agi_c_put_line(w, "const %s a = %s;", name_type(w), e);
    if (a->chain) {
        agi_c_put_line(w, "if (a != 0)");
        w->depth++;
    }
    put_simd(w, NULL);
    agi_c_begin_loop(w, 'i', a->m, false);
    agi_c_put_line(w, "%s += %s * a;", out, m);
    w->depth -= 1 + a->chain;
    end_block(w);
}

static void put_affine(agi_c_writer *w, const agi_instruction *at)
{
    const agi_affine *a = &w->unit->program->records.affine[at->more];
    const agi_vector p = {a->p.at, a->row_stride, a->p.space};
    affine_text t = {.matrix = agi_c_find_row(w, p, a->m, a->column_stride, a->k),
                     .x = find_elements(w, &a->x)};
    if (a->add) {
        for (uint32_t i = 0; i < a->m; i++)
            agi_c_read_memory(w, (int64_t)at->out + i);
    } else if (a->bias.space != AGI_NOWHERE && a->bias.stride == 0) {
        t.bias.array = "";
        agi_c_put_number(w, t.number, a->bias);
    } else if (a->bias.space != AGI_NOWHERE) {
        t.bias = agi_c_find_row(w, a->bias, a->m, 0, 1);
    }
    t.out = agi_c_define_row(w, at->out, a->m);
    if (a->add)
        t.bias = t.out;
    agi_text_put(&w->comment, "a matrix, %" PRIu32 " x %" PRIu32 ", times a vector", a->m, a->k);
    if (a->row_stride == 1 && a->column_stride != 1)
        put_columns(w, a, &t);
    else
        put_dots(w, a, &t);
}

/* ---- Outputs --------------------------------------------------------------------------------- */

/* The totals of a sum output and those a stride apart. */
static agi_c_row find_totals(agi_c_writer *w, uint32_t out, int64_t stride)
{
    const agi_c_unit *unit = w->unit;
    agi_c_use(w, unit->has_totals ? AGI_C_WORKSPACE : AGI_C_SUM);
    return (agi_c_row){unit->has_totals ? "w" : "sum",
                       (unit->has_totals ? (int64_t)unit->totals : 0) + out, stride};
}

#define SET " = "
#define ADD " += "
#define ADD_SCALED " += scale * "

/* What is done to a total. In a program's own code that is said by its caller: see put_total. */
static const char *find_addition(agi_c_writer *w, bool is_first)
{
    const agi_c_unit *unit = w->unit;
    if (unit->function != NULL && unit->function->scaled && !unit->has_totals) {
        agi_c_use(w, AGI_C_SCALE);
        return ADD_SCALED;
    }
    return is_first && !unit->accumulates ? SET : ADD;
}

static void put_total(agi_c_writer *w, const char *total, const char *number, bool is_first)
{
    if (w->unit->mode == AGI_C_FILE) {
        agi_text_put(&w->line, "%s%s%s;", total, find_addition(w, is_first), number);
        return;
    }
    agi_c_use(w, AGI_C_SET);
    if (is_first)
        agi_text_put(&w->line, "%s = set ? %s : %s + factor * %s;", total, number, total, number);
    else
        agi_text_put(&w->line, "%s += factor * %s;", total, number);
}

/* Set or added, as the caller of a program's own code says. */
static void put_native_outer(agi_c_writer *w, const agi_outer *o, const char *row,
                             const char *column, const char *total)
{
    const char *upstream_row[] = {"a", column}, *upstream_column[] = {column, "a"};
    agi_c_use(w, AGI_C_SET);
    for (int sets = o->first; sets >= 0; sets--) {
        agi_c_put_line(w, !o->first ? "{" : sets ? "if (set) {" : "else {");
        w->depth++;
        agi_c_begin_loop(w, 'i', o->m, true);
        agi_text_put(&w->line, "const %s a = %s", name_type(w), sets ? "" : "factor * ");
        if (!agi_is_one(o->factor)) {
            agi_put_literal(&w->line, &w->file->gates.library, o->factor);
            agi_text_put(&w->line, " * ");
        }
        agi_text_put(&w->line, "%s;", row);
        agi_c_end_line(w);
        put_simd(w, NULL);
        agi_c_begin_loop(w, 'j', o->k, false);
        agi_text_put(&w->line, "%s%s", total, sets ? SET : ADD);
        if (o->chain != AGI_CHAIN_NONE)
            agi_put_c_gate(&w->line, &w->file->gates, AGI_chain,
                           o->chain == AGI_CHAIN_A ? upstream_row : upstream_column);
        else
            agi_text_put(&w->line, "a * %s", column);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
        w->depth -= 2;
        agi_c_put_line(w, "}");
        w->depth--;
        agi_c_put_line(w, "}");
    }
}

static void put_outer(agi_c_writer *w, const agi_instruction *at)
{
    agi_outer o = w->unit->program->records.outer[at->more];
    elements_text a = find_elements(w, &o.a), b = {.row = {"each", o.b_each, 1}};
    if (o.b_each == AGI_NO_INDEX)
        b = find_elements(w, &o.b);
    else
        agi_c_use(w, AGI_C_EACH);
    if (o.row_stride == 1 && o.column_stride != 1) { /* the inner loop goes through totals */
        const elements_text side = a;
        a = b;
        b = side;
        const uint32_t m = o.m;
        o.m = o.k;
        o.k = m;
        o.row_stride = o.column_stride;
        o.column_stride = 1;
        o.chain = o.chain == AGI_CHAIN_A   ? AGI_CHAIN_B
                  : o.chain == AGI_CHAIN_B ? AGI_CHAIN_A
                                           : AGI_CHAIN_NONE;
    }
    char row[AGI_C_OPERAND], column[AGI_C_OPERAND], total[AGI_C_OPERAND];
    put_element(row, &a, 'i');
    put_element(column, &b, 'j');
    const char *upstream_row[] = {"a", column}, *upstream_column[] = {column, "a"};
    agi_c_put_place(total, find_totals(w, o.out, o.row_stride), 'i', o.column_stride, 'j');
    if (w->unit->mode != AGI_C_FILE) {
        put_native_outer(w, &o, row, column, total);
        return;
    }
    const char *addition = find_addition(w, o.first);
    agi_text_put(&w->comment, "sums of products, %" PRIu32 " x %" PRIu32, o.m, o.k);
    agi_c_begin_loop(w, 'i', o.m, true);
    agi_text_put(&w->line, "const %s a = %s", name_type(w),
                 strcmp(addition, ADD_SCALED) == 0 ? "scale * " : "");
    if (!agi_is_one(o.factor)) {
        agi_put_literal(&w->line, &w->file->gates.library, o.factor);
        agi_text_put(&w->line, " * ");
    }
    agi_text_put(&w->line, "%s;", row);
    agi_c_end_line(w);
    const bool skips = o.chain == AGI_CHAIN_A && strcmp(addition, SET) != 0;
    if (skips) {
        agi_c_put_line(w, "if (a != 0)");
        w->depth++;
    }
    agi_c_begin_loop(w, 'j', o.k, false);
    agi_text_put(&w->line, "%s%s", total, strcmp(addition, SET) == 0 ? SET : ADD);
    if (o.chain != AGI_CHAIN_NONE && !skips)
        agi_put_c_gate(&w->line, &w->file->gates, AGI_chain,
                       o.chain == AGI_CHAIN_A ? upstream_row : upstream_column);
    else
        agi_text_put(&w->line, "a * %s", column);
    agi_text_put(&w->line, ";");
    agi_c_end_line(w);
    w->depth -= 1 + skips;
    end_block(w);
}

/* Whether loops can go through numbers without having to put any into the workspace for it. */
static bool are_in_memory(const agi_c_writer *w, agi_vector v, uint32_t n)
{
    for (uint32_t i = 0; v.space == AGI_SLOTS && i < n; i++) {
        const agi_c_definition *held = definition_of(w, v.at + i * (uint32_t)v.stride);
        if (held != NULL && held->is_local && held->function == w->function)
            return false;
    }
    return true;
}

/* STORE, SUMS */
static void put_outputs(agi_c_writer *w, const agi_instruction *at)
{
    const bool sums = at->op == AGI_OP_SUMS;
    const agi_vector x = at->x[0];
    char from[AGI_C_OPERAND], to[AGI_C_OPERAND];
    const bool is_loop = at->n > FEW && are_in_memory(w, x, at->n);
    for (uint32_t i = 0; i < (is_loop ? 1 : at->n); i++) {
        const uint32_t out = at->out + i * (uint32_t)at->out_stride;
        agi_c_cut(w);
        agi_c_row row = {"map", out, is_loop ? at->out_stride : 0};
        if (sums)
            row = find_totals(w, out, row.stride);
        else
            agi_c_use(w, AGI_C_MAP);
        agi_c_put_place(to, row, 'i', 0, 'j');
        if (is_loop && x.stride != 0)
            agi_c_put_place(from, agi_c_find_row(w, x, at->n, 0, 1), 'i', 0, 'j');
        else
            agi_c_put_number(w, from, element(x, i));
        const char *name = ag_program_name(w->unit->program, sums ? AG_SUM : AG_MAP, out);
        if (name != NULL && !is_loop)
            agi_put_c_words(&w->comment, name);
        if (is_loop) {
            put_simd(w, NULL);
            agi_c_begin_loop(w, 'i', at->n, false);
        }
        if (sums)
            put_total(w, to, from, at->first);
        else
            agi_text_put(&w->line, "%s = %s;", to, from);
        agi_c_end_line(w);
        w->depth -= is_loop;
    }
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

/* They are read where they are; what has to be in the workspace as well is copied. */
static void put_load(agi_c_writer *w, const agi_instruction *at)
{
    const uint32_t statements = w->statements; /* those that copy are not measured */
    for (uint32_t i = 0, copied = 0; i < at->n; i++) {
        agi_c_definition *definition = define(w, at->out + i);
        if (definition == NULL)
            return;
        definition->each = at->x[0].at + i;
        copied = definition->in_memory ? copied + 1 : 0;
        if (w->out == NULL || copied == 0 || (i + 1 < at->n && definition[1].in_memory))
            continue;
        char to[AGI_C_OPERAND], from[AGI_C_OPERAND];
        const uint32_t first = i + 1 - copied;
        const agi_c_row place = {"w", (int64_t)base_of(w) + w->section->places[at->out + first],
                                 copied > 1};
        agi_c_put_place(to, place, 'i', 0, 'j');
        agi_c_put_place(from, (agi_c_row){"each", at->x[0].at + first, copied > 1}, 'i', 0, 'j');
        if (copied > 1)
            agi_c_begin_loop(w, 'i', copied, false);
        agi_c_put_line(w, "%s = %s;", to, from);
        w->depth -= copied > 1;
    }
    w->statements = statements;
}

/* ---- Folds and closures ---------------------------------------------------------------------- */

/* Operands side by side: where they are, as "w + 12", or in an array for the purpose. */
static void put_array(agi_c_writer *w, char to[AGI_C_OPERAND], const agi_elements *e, char letter)
{
    if (e->list == AGI_NO_INDEX && e->n > SHORT_FOLD && e->vector.stride == 1) {
        const agi_c_row row = agi_c_find_row(w, e->vector, e->n, 0, 1);
        if (row.stride == 1) {
            (void)snprintf(to, AGI_C_OPERAND, "%s + %" PRId64, row.array, row.at);
            return;
        }
    }
    if (e->n <= SHORT_FOLD) {
        agi_text_put(&w->line, "const %s %c[] = {", name_type(w), letter);
        for (uint32_t i = 0; i < e->n; i++) {
            char operand[AGI_C_OPERAND];
            const uint32_t *list = w->unit->program->records.lists + e->list;
            agi_c_put_number(w, operand,
                             e->list == AGI_NO_INDEX ? element(e->vector, i)
                                                     : (agi_vector){list[i], 0, e->vector.space});
            agi_text_put(&w->line, "%s%s", i == 0 ? "" : ", ", operand);
        }
        agi_text_put(&w->line, "};");
        agi_c_end_line(w);
        (void)snprintf(to, AGI_C_OPERAND, "%c", letter);
        return;
    }
    /* copied behind whatever else the section keeps there */
    char from[AGI_C_OPERAND];
    const elements_text found = find_elements(w, e);
    put_element(from, &found, 'i');
    const size_t at = letter == 'x' ? 0 : w->section->copies;
    if (!w->unit->is_measured) {
        w->section->copies = letter == 'x' && e->n > w->section->copies ? e->n : w->section->copies;
        if (at + e->n > w->section->scratch)
            w->section->scratch = at + e->n;
    }
    agi_c_use(w, AGI_C_WORKSPACE);
    agi_c_begin_loop(w, 'i', e->n, false);
    agi_c_put_line(w, "w[%zu + i] = %s;", agi_c_find_scratch(w) + at, from);
    w->depth--;
    (void)snprintf(to, AGI_C_OPERAND, "w + %zu", agi_c_find_scratch(w) + at);
}

static void put_closure(agi_c_writer *w, const agi_fold *fold, const char *x, const char *to)
{
    const ag_closure *closure = &w->unit->program->records.closures[fold->numbers];
    agi_c_put_line(w, "%s = %s(%s);", to, closure->c_function, x);
    agi_declare_c_closure(w->file, closure->c_function);
}

static void put_fold(agi_c_writer *w, const agi_instruction *at)
{
    const agi_records *records = &w->unit->program->records;
    const agi_fold *fold = &records->folds[at->more];
    const agi_form form = (agi_form)agi_gate_forms[at->op];
    char to[AGI_C_OPERAND], x[AGI_C_OPERAND], partner[AGI_C_OPERAND], offset[AGI_C_OPERAND];
    agi_text_put(&w->comment, "%s of %" PRIu32 " numbers",
                 form == AGI_FORM_CLOSURE ? "a closure" : agi_gate_names[at->op], fold->x.n);
    agi_c_put_line(w, "{");
    w->depth++;
    put_array(w, x, &fold->x, 'x');
    if (form == AGI_FORM_VALUES) {
        put_array(w, partner, &fold->w, 'y');
    } else if (form == AGI_FORM_NUMBERS) {
        (void)snprintf(partner, sizeof(partner), "%s_list%" PRIu32, w->unit->name,
                       w->file->lists + 1);
        if (w->out != NULL) {
            w->file->lists++;
            agi_put_c_numbers(w->file, partner, "static ", records->numbers + fold->numbers + 1,
                              fold->x.n);
        }
        agi_text text = {.memory = w->file->memory};
        agi_put_literal(&text, &w->file->gates.library, records->numbers[fold->numbers]);
        (void)snprintf(offset, sizeof(offset), "%.*s", (int)text.count,
                       text.count == 0 ? "" : text.chars);
        agi_text_free(&text);
    }
    agi_c_put_place(to, agi_c_define_row(w, at->out, 1), 'i', 0, 'j');
    if (form == AGI_FORM_CLOSURE) {
        put_closure(w, fold, x, to);
    } else {
        agi_text_put(&w->line, "%s = ", to);
        agi_put_c_fold(&w->line, &w->file->gates, at->op, fold->x.n, x,
                       form == AGI_FORM_NONE ? NULL : partner,
                       form == AGI_FORM_NUMBERS ? offset : NULL);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
    }
    end_block(w);
}

/* ---- The section ----------------------------------------------------------------------------- */

static void put_instruction(agi_c_writer *w, const agi_instruction *at)
{
    switch (at->op) {
    case AGI_OP_LOAD:
        put_load(w, at);
        return;
    case AGI_OP_STORE:
    case AGI_OP_SUMS:
        put_outputs(w, at);
        return;
    case AGI_OP_PRODUCTS:
        put_products(w, at);
        return;
    case AGI_OP_AFFINE:
        put_affine(w, at);
        return;
    case AGI_OP_OUTER:
        put_outer(w, at);
        return;
    case AGI_OP_SCAN:
        agi_c_put_scan(w, at);
        return;
    default:
        break;
    }
    switch ((agi_form)agi_gate_forms[at->op]) {
    case AGI_FORM_COMPARE:
        put_comparison(w, at);
        return;
    case AGI_FORM_NONE:
    case AGI_FORM_VALUES:
    case AGI_FORM_NUMBERS:
    case AGI_FORM_CLOSURE:
        put_fold(w, at);
        return;
    default:
        put_gates(w, at);
        return;
    }
}

void agi_put_c_section(agi_c_unit *unit, agi_c_section *section, agi_text *out, bool bare)
{
    agi_memory *memory = unit->file->memory;
    agi_c_writer w = {
        .file = unit->file,
        .unit = unit,
        .section = section,
        .out = out,
        .bare = bare,
        .depth = 1,
        .line = {.memory = memory},
        .comment = {.memory = memory},
        .texts = {.memory = memory},
    };
    /* what is computed once has a single lane */
    if (section->section->count == 0 || (unit->mode == AGI_C_ALL_LANES && section == &unit->once))
        return;
    for (uint32_t i = 0; i < section->section->slots; i++)
        section->holds[i] = AGI_NO_INDEX;
    for (uint32_t i = 0; i < section->section->count && !unit->file->failed; i++) {
        const agi_instruction *at = &section->section->instructions[i];
        const bool is_left = unit->mode != AGI_C_FILE && agi_is_left(&w, at);
        if (is_left && unit->mode == AGI_C_ALL_LANES)
            agi_c_close(&w);
        else
            agi_c_open(&w);
        if (!is_left)
            agi_c_cut(&w);
        if (is_left)
            agi_leave(&w, at);
        else
            put_instruction(&w, at);
    }
    for (uint32_t i = 0; section == &unit->once && i < section->section->slots; i++)
        if (unit->is_uniform[i])
            agi_c_read_memory(&w, i);
    agi_c_close(&w);
    agi_text_free(&w.line);
    agi_text_free(&w.comment);
    agi_text_free(&w.texts);
}
