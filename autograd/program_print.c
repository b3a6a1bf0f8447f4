/* SPDX-License-Identifier: MIT
 *
 * A program as text: one line for each instruction, for people. s4 is a slot of the section, u4 a
 * number that was computed once; i counts the elements of a result (the rows of a matrix), j the
 * columns, r the products that are added up, t the steps of a scan.
 */
#include "code.h"
#include "print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    SHOWN = 4,         /* elements of a list, names */
    LONGEST_NAME = 16, /* bytes, that is shown */
};

typedef struct listing {
    agi_printer printer;
    const ag_program *program;
    bool in_once; /* where a slot is a uniform number */
} listing;

static void put(listing *l, const char *format, ...) AGI_PRINTF(2, 3);

static void put(listing *l, const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    agi_put(&l->printer, text);
}

static void put_number(listing *l, double number)
{
    agi_put_number(&l->printer, (ag_real)number);
}

/* ---- Where things are ------------------------------------------------------------------------ */

static const char *name_space(const listing *l, uint8_t space)
{
    switch ((agi_space)space) {
    case AGI_SLOTS:
        return l->in_once ? "u" : "s";
    case AGI_UNIFORM:
        return "u";
    case AGI_CONSTANTS:
        return "constants";
    case AGI_SHARED:
        return "shared";
    case AGI_NOWHERE:
        break;
    }
    return "";
}

/* A way through an array: count steps of `stride`, called `letter`. */
typedef struct way {
    char letter;
    int64_t stride;
    uint32_t count;
} way;

/* "4 + 5 i - j"; ways that lead nowhere are left out. */
static void put_index(listing *l, uint32_t at, size_t n, const way *ways)
{
    bool is_empty = true;
    if (at != 0) {
        put(l, "%" PRIu32, at);
        is_empty = false;
    }
    for (size_t k = 0; k < n; k++) {
        const int64_t stride = ways[k].stride;
        if (stride == 0 || ways[k].count <= 1)
            continue;
        put(l, "%s", stride < 0 ? (is_empty ? "-" : " - ") : is_empty ? "" : " + ");
        if (stride != 1 && stride != -1)
            put(l, "%" PRId64 " ", stride < 0 ? -stride : stride);
        put(l, "%c", ways[k].letter);
        is_empty = false;
    }
    if (is_empty)
        put(l, "0");
}

/* NULL for none, and for one that is too long. */
static const char *find_short_name(const listing *l, ag_role role, size_t i)
{
    const char *name = ag_program_name(l->program, role, i);
    return name == NULL || strlen(name) > LONGEST_NAME ? NULL : name;
}

/* " (w)" */
static void put_name(listing *l, ag_role role, size_t i)
{
    const char *name = find_short_name(l, role, i);
    if (name != NULL)
        put(l, " (%s)", name);
}

/* n elements side by side: "s4", "s4..s7", "shared[4..7]". */
static void put_range(listing *l, const char *space, uint32_t at, uint32_t n)
{
    const char *wide = strlen(space) > 1 ? space : NULL;
    const uint32_t last = at + (n - 1);
    if (wide != NULL && n == 1)
        put(l, "%s[%" PRIu32 "]", wide, at);
    else if (wide != NULL)
        put(l, "%s[%" PRIu32 "..%" PRIu32 "]", wide, at, last);
    else if (n == 1)
        put(l, "%s%" PRIu32, space, at);
    else
        put(l, "%s%" PRIu32 "..%s%" PRIu32, space, at, space, last);
}

/* "(1, 2, 3)", "(1, 2, 3, 4, ... 16 in all)" */
static void put_numbers(listing *l, const double *numbers, uint32_t n, int64_t stride)
{
    put(l, "(");
    for (uint32_t i = 0; i < n && i < SHOWN; i++) {
        put(l, "%s", i == 0 ? "" : ", ");
        put_number(l, numbers[(int64_t)i * stride]);
    }
    if (n > SHOWN)
        put(l, ", ... %" PRIu32 " in all", n);
    put(l, ")");
}

/* What lies at v.at along two ways. */
static void put_place(listing *l, agi_vector v, way first, way second)
{
    const bool goes_first = first.count > 1 && first.stride != 0;
    const bool goes_second = second.count > 1 && second.stride != 0;
    const way one = goes_first ? first : second;
    if (v.space == AGI_CONSTANTS && !(goes_first && goes_second)) {
        const double *numbers = l->program->constants + v.at;
        if (goes_first || goes_second)
            put_numbers(l, numbers, one.count, one.stride);
        else
            put_number(l, *numbers);
        return;
    }
    const char *space = name_space(l, v.space);
    if (!goes_first && !goes_second) {
        put_range(l, space, v.at, 1);
        if (v.space == AGI_SHARED)
            put_name(l, AG_SHARED, v.at);
    } else if (goes_first != goes_second && one.stride == 1 && one.letter != 't') {
        put_range(l, space, v.at, one.count);
    } else {
        const way ways[] = {first, second};
        put(l, "%s[", space);
        put_index(l, v.at, 2, ways);
        put(l, "]");
    }
}

static const way nowhere = {'r', 0, 1};

/* n elements of a vector. */
static void put_vector(listing *l, agi_vector v, uint32_t n)
{
    put_place(l, v, (way){'i', v.stride, n}, nowhere);
}

static void put_elements(listing *l, const agi_elements *e)
{
    if (e->list == AGI_NO_INDEX) {
        put_vector(l, e->vector, e->n);
        return;
    }
    const uint32_t *list = l->program->records.lists + e->list;
    put(l, "%s{", name_space(l, e->vector.space));
    for (uint32_t i = 0; i < e->n && i < SHOWN; i++)
        put(l, "%s%" PRIu32, i == 0 ? "" : ", ", list[i]);
    if (e->n > SHOWN)
        put(l, ", ... %" PRIu32 " in all", e->n);
    put(l, "}");
}

/* ---- Instructions ---------------------------------------------------------------------------- */

static void put_affine(listing *l, const agi_affine *affine)
{
    put(l, "affine %" PRIu32 " x %" PRIu32 "%s: ", affine->m, affine->k,
        affine->chain ? ", chain" : "");
    put(l, "%s[", name_space(l, affine->p.space));
    const way ways[] = {{'i', affine->row_stride, affine->m},
                        {'j', affine->column_stride, affine->k}};
    put_index(l, affine->p.at, 2, ways);
    put(l, "] * ");
    put_elements(l, &affine->x);
    if (affine->add) {
        put(l, " + itself");
    } else if (affine->bias.space != AGI_NOWHERE) {
        put(l, " + ");
        put_vector(l, affine->bias, affine->m);
    }
}

static void put_outer(listing *l, const agi_outer *outer)
{
    put(l, "outer %" PRIu32 " x %" PRIu32 "%s: ", outer->m, outer->k,
        outer->chain != AGI_CHAIN_NONE ? ", chain" : "");
    if (outer->factor < 1 || outer->factor > 1) {
        put_number(l, outer->factor);
        put(l, " * ");
    }
    put_elements(l, &outer->a);
    put(l, " * ");
    if (outer->b_each != AGI_NO_INDEX)
        put_range(l, "each", outer->b_each, outer->k);
    else
        put_elements(l, &outer->b);
    if (!outer->first)
        put(l, " + itself");
}

/* "sum[1..80]", "sum[1 + 6 i + j]" */
static void put_outer_totals(listing *l, const agi_outer *outer)
{
    const bool is_dense = (outer->k == 1 || outer->column_stride == 1) &&
                          (outer->m == 1 || outer->row_stride == (int64_t)outer->k);
    if (is_dense) {
        put_range(l, "sum", outer->out, outer->m * outer->k);
        return;
    }
    put(l, "sum[");
    const way ways[] = {{'i', outer->row_stride, outer->m}, {'j', outer->column_stride, outer->k}};
    put_index(l, outer->out, 2, ways);
    put(l, "]");
}

static void put_factors(listing *l, const agi_factors *f, uint32_t n, bool is_first)
{
    const way p = {'i', f->p.stride, n}, p_step = {'r', f->p_step, f->repeat};
    const way q = {'i', f->q.stride, n}, q_step = {'r', f->q_step, f->repeat};
    const bool has_p = f->p.space != AGI_NOWHERE, has_q = f->q.space != AGI_NOWHERE;
    const bool is_negative = f->factor < 0;
    const double size = is_negative ? -f->factor : f->factor;
    put(l, "%s", is_first ? (is_negative ? "-" : "") : is_negative ? " - " : " + ");
    if (!agi_is_one(size) || !has_p) {
        put_number(l, size);
        put(l, "%s", has_p ? " * " : "");
    }
    if (!has_p)
        return;
    if (f->repeat > 1)
        put(l, "sum r<%" PRIu32 " ", f->repeat);
    put(l, "%s", f->chain ? "chain(" : f->repeat > 1 ? "(" : "");
    put_place(l, f->p, p, p_step);
    if (has_q) {
        put(l, "%s", f->chain ? ", " : " * ");
        put_place(l, f->q, q, q_step);
    }
    put(l, "%s", f->chain || f->repeat > 1 ? ")" : "");
}

static void put_products(listing *l, const agi_instruction *instruction)
{
    for (uint32_t t = 0; t < instruction->terms; t++)
        put_factors(l, &l->program->records.factors[instruction->more + t], instruction->n, t == 0);
}

static void put_fold(listing *l, const agi_instruction *instruction, agi_form form)
{
    const agi_records *records = &l->program->records;
    const agi_fold *fold = &records->folds[instruction->more];
    if (form == AGI_FORM_CLOSURE)
        put(l, "%.40s ", records->closures[fold->numbers].name);
    else
        put(l, "%s ", agi_op_name(instruction->op));
    if (form == AGI_FORM_NUMBERS) {
        put_number(l, records->numbers[fold->numbers]);
        put(l, " + ");
        put_numbers(l, records->numbers + fold->numbers + 1, fold->x.n, 1);
        put(l, " * ");
    }
    put_elements(l, &fold->x);
    if (form == AGI_FORM_VALUES) {
        put(l, " * ");
        put_elements(l, &fold->w);
    }
}

/* Operands of a scan, which are at step t so much further. */
static void put_pieces(listing *l, const char *name, agi_pieces pieces)
{
    for (uint32_t i = 0; i < pieces.count && i < SHOWN; i++) {
        const agi_piece *piece = &l->program->records.pieces[pieces.first + i];
        put(l, ", ");
        if (i == 0)
            put(l, "%s ", name);
        if (piece->list != AGI_NO_INDEX)
            put(l, "one elsewhere at each step");
        else
            put_place(l, piece->x, (way){'i', piece->x.stride, piece->n},
                      (way){'t', piece->step, piece->step == 0 ? 1u : 2u});
    }
    if (pieces.count > SHOWN)
        put(l, ", ...");
}

static void put_scan(listing *l, const agi_scan_step *step)
{
    put(l, "scan, %zu step%s of %zu instructions", step->steps, step->steps == 1 ? "" : "s",
        step->program->info.instructions);
    put_pieces(l, "shared", step->shared);
    put_pieces(l, "state", step->state);
    put_pieces(l, "inputs", step->inputs);
}

/* ": x, y, ..., t, ..." for n ends from the first on; nothing where no name is to be shown. */
static void put_names(listing *l, ag_role role, uint32_t first, uint32_t n)
{
    uint32_t end = 0; /* of those with names */
    for (uint32_t i = 0; i < n && i < SHOWN; i++)
        if (find_short_name(l, role, first + i) != NULL)
            end = i + 1;
    for (uint32_t i = 0; i < end; i++) {
        const char *name = find_short_name(l, role, first + i);
        put(l, "%s%s", i == 0 ? ": " : ", ", name != NULL ? name : "...");
    }
    if (end > 0 && end < n)
        put(l, ", ...");
}

static void put_operation(listing *l, const agi_instruction *instruction)
{
    const agi_form form = instruction->op < AGI_GATE_COUNT
                              ? (agi_form)agi_gate_forms[instruction->op]
                              : AGI_FORM_LEAF;
    const uint32_t operands = form == AGI_FORM_TERNARY                              ? 3
                              : form == AGI_FORM_BINARY || form == AGI_FORM_COMPARE ? 2
                                                                                    : 1;
    put(l, "%s", instruction->op == AGI_DETACH ? "copy" : agi_op_name(instruction->op));
    for (uint32_t k = 0; k < operands; k++) {
        put(l, "%s", k == 0 ? " " : ", ");
        put_vector(l, instruction->x[k], instruction->n);
    }
    if (form == AGI_FORM_COMPARE)
        put(l, " is %s: %s", instruction->outcome ? "true" : "false",
            l->program->records.texts + instruction->more);
}

static void put_work(listing *l, const agi_instruction *instruction)
{
    const agi_records *records = &l->program->records;
    switch (instruction->op) {
    case AGI_OP_LOAD:
        put_range(l, "each", instruction->x[0].at, instruction->n);
        put_names(l, AG_EACH, instruction->x[0].at, instruction->n);
        return;
    case AGI_OP_STORE:
        put_vector(l, instruction->x[0], instruction->n);
        return;
    case AGI_OP_SUMS:
        put_vector(l, instruction->x[0], instruction->n);
        put(l, "%s", instruction->first ? "" : " + itself");
        return;
    case AGI_OP_PRODUCTS:
        put_products(l, instruction);
        return;
    case AGI_OP_AFFINE:
        put_affine(l, &records->affine[instruction->more]);
        return;
    case AGI_OP_OUTER:
        put_outer(l, &records->outer[instruction->more]);
        return;
    case AGI_OP_SCAN:
        put_scan(l, &records->scans[instruction->more]);
        return;
    default:
        break;
    }
    if (agi_is_fold(instruction->op))
        put_fold(l, instruction, (agi_form)agi_gate_forms[instruction->op]);
    else
        put_operation(l, instruction);
}

/* Outputs at a stride. */
static void put_outputs(listing *l, const char *role_name, ag_role role,
                        const agi_instruction *instruction)
{
    const uint32_t n = instruction->n;
    if (n == 1 || instruction->out_stride == 1) {
        put_range(l, role_name, instruction->out, n);
    } else {
        const way down = {'i', instruction->out_stride, n};
        put(l, "%s[", role_name);
        put_index(l, instruction->out, 1, &down);
        put(l, "] i<%" PRIu32, n);
    }
    if (n == 1)
        put_name(l, role, instruction->out);
}

static void put_result(listing *l, const agi_instruction *instruction)
{
    const bool compares = agi_compares(instruction->op);
    if (instruction->op == AGI_OP_STORE)
        put_outputs(l, "map", AG_MAP, instruction);
    else if (instruction->op == AGI_OP_SUMS)
        put_outputs(l, "sum", AG_SUM, instruction);
    else if (instruction->op == AGI_OP_OUTER)
        put_outer_totals(l, &l->program->records.outer[instruction->more]);
    else if (compares)
        put(l, "check");
    else if (instruction->op == AGI_OP_SCAN)
        put_range(l, name_space(l, AGI_SLOTS), instruction->out,
                  l->program->records.scans[instruction->more].output_count);
    else
        put_range(l, name_space(l, AGI_SLOTS), instruction->out, instruction->n);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void print_section(listing *l, const char *name, const agi_section *section)
{
    l->in_once = section == &l->program->once;
    if (section->count == 0)
        return;
    put(l, "%s", name);
    if (!l->in_once)
        put(l, ", %zu samples at a time", l->program->lanes);
    put(l, ", %" PRIu32 " slot%s", section->slots, section->slots == 1 ? "" : "s");
    agi_end_row(&l->printer);
    for (uint32_t i = 0; i < section->count; i++) {
        put(l, "  ");
        put_result(l, &section->instructions[i]);
        agi_end_cell(&l->printer);
        put_work(l, &section->instructions[i]);
        agi_end_row(&l->printer);
    }
}

static void print_once_outputs(listing *l)
{
    for (size_t i = 0; i < l->program->info.once_count; i++) {
        put(l, "  once[%zu]", i);
        put_name(l, AG_ONCE, i);
        agi_end_cell(&l->printer);
        put_range(l, "u", l->program->once_slots[i], 1);
        agi_end_row(&l->printer);
    }
}

static void put_end(listing *l, const char *role_name, ag_role role, size_t n, bool *is_first)
{
    if (n == 0)
        return;
    put(l, "%s%zu %s", *is_first ? " " : "; ", n, role_name);
    put_names(l, role, 0, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
    *is_first = false;
}

static void print_ends(listing *l)
{
    const ag_program_info *info = &l->program->info;
    bool is_first = true;
    put(l, "takes");
    put_end(l, "shared", AG_SHARED, info->shared_count, &is_first);
    put_end(l, "each", AG_EACH, info->each_count, &is_first);
    put(l, "%s", is_first ? " nothing" : "");
    agi_end_row(&l->printer);
    is_first = true;
    put(l, "gives");
    put_end(l, "sum", AG_SUM, info->sum_count, &is_first);
    put_end(l, "map", AG_MAP, info->map_count, &is_first);
    put_end(l, "once", AG_ONCE, info->once_count, &is_first);
    agi_end_row(&l->printer);
}

static void print_totals(listing *l)
{
    const ag_program_info *info = &l->program->info;
    put(l, "%zu instruction%s (%zu affine, %zu outer, %zu runs) for %zu gates", info->instructions,
        info->instructions == 1 ? "" : "s", info->affine, info->outer, info->runs, info->gates);
    agi_end_row(&l->printer);
}

static void print_program(listing *l)
{
    const ag_program *program = l->program;
    print_ends(l);
    print_section(l, "once", &program->once);
    print_once_outputs(l);
    print_section(l, "check", &program->check);
    print_section(l, "body", &program->body);
    print_totals(l);
}

ag_status ag_program_print(const ag_program *program, FILE *file)
{
    if (program == NULL || file == NULL)
        return AG_INVALID_ARGUMENT;
    listing l = {.program = program};
    print_program(&l);
    l.printer.file = file;
    print_program(&l);
    return agi_finish_file(file);
}
