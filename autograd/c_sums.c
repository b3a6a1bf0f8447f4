/* SPDX-License-Identifier: MIT
 *
 * Sums of products as statements of C: few of them, rows of them, matrices, outer products.
 */
#include "c_section.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MANY_TERMS = 64,     /* records: such a sum is added up in the workspace */
    LINE_TERMS = 8,      /* of those on a line */
    STATEMENT_TERMS = 4, /* that are as long as a statement */
};

/* ---- Sums of products ------------------------------------------------------------------------ */

/* The r-th factors of element i, or of all of them in a loop over i; in one over r, too. */
typedef struct term_text {
    char p[AGI_C_OPERAND], q[AGI_C_OPERAND];
    bool has_p, has_q;
    bool chain;
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

/* The same from element i and the r-th product on. */
static agi_factors from(const agi_factors *f, uint32_t i, uint32_t r)
{
    agi_factors to = *f;
    to.p.at += i * (uint32_t)to.p.stride + r * (uint32_t)to.p_step;
    to.q.at += i * (uint32_t)to.q.stride + r * (uint32_t)to.q_step;
    return to;
}

static void begin_term(const agi_c_writer *w, const agi_factors *f, term_text *term)
{
    term->has_p = f->p.space != AGI_NOWHERE;
    term->has_q = f->q.space != AGI_NOWHERE;
    term->chain = f->chain && !w->multiplies;
}

/* repeat: how many are in a loop over r. */
static void find_term(agi_c_writer *w, const agi_factors *f, uint32_t i, uint32_t r,
                      uint32_t repeat, uint32_t n, term_text *term)
{
    const agi_factors one = from(f, i, r);
    begin_term(w, f, term);
    if (term->has_p)
        put_side(w, term->p, one.p, one.p_step, repeat, n);
    if (term->has_q)
        put_side(w, term->q, one.q, one.q_step, repeat, n);
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
    const bool wraps = is_pair && !term->chain && (is_scaled || is_negative);
    agi_text_put(to, "%s%s", is_scaled ? " * " : "", wraps ? "(" : "");
    if (is_pair && term->chain && gates == NULL)
        agi_put_c_gate_words(to, AGI_chain, operands);
    else if (is_pair && term->chain)
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
    const agi_factors one = from(f, i, r);
    term_text words = *term;
    if (w->out == NULL || w->unit->mode != AGI_C_FILE || w->comment.count > AGI_C_LONGEST_TEXT)
        return;
    if (words.has_p)
        agi_c_describe(w, words.p, one.p, term->p);
    if (words.has_q)
        agi_c_describe(w, words.q, one.q, term->q);
    put_term(&w->comment, NULL, f, &words, is_first);
}

/* One element in one statement. */
static void put_short_sum(agi_c_writer *w, const agi_instruction *at, const agi_factors *f,
                          uint32_t i)
{
    bool is_first = true;
    uint32_t terms = 0;
    agi_c_begin_number(w, false);
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; r < f[t].repeat; r++, terms++) {
            term_text term;
            find_term(w, &f[t], i, r, 0, 1, &term);
            put_term(&w->line, &w->file->gates, &f[t], &term, is_first);
            describe_term(w, &f[t], i, r, &term, is_first);
            is_first = false;
        }
    w->statements += terms / STATEMENT_TERMS;
    if (is_first)
        agi_put_literal(&w->line, &w->file->gates.library, 0);
    agi_c_define_number(w, at->out + i);
}

/* The r-th product of each element, in the loop that is open. */
static void find_loop_term(agi_c_writer *w, const agi_factors *f, uint32_t r, term_text *term)
{
    const agi_factors one = from(f, 0, r);
    begin_term(w, f, term);
    if (term->has_p)
        agi_c_put_element_of(w, term->p, one.p);
    if (term->has_q)
        agi_c_put_element_of(w, term->q, one.q);
}

static bool can_read_term(const agi_c_writer *w, uint32_t n, const agi_factors *f, uint32_t r)
{
    const agi_factors one = from(f, 0, r);
    return (one.p.space == AGI_NOWHERE || agi_c_can_read(w, n, one.p)) &&
           (one.q.space == AGI_NOWHERE || agi_c_can_read(w, n, one.q));
}

/* The same for the products that element i has, one at each turn. */
static agi_factors turn(const agi_factors *f, uint32_t i)
{
    agi_factors to = from(f, i, 0);
    to.p.stride = to.p_step;
    to.q.stride = to.q_step;
    to.p_step = to.q_step = 0;
    return to;
}

/* Terms of element i of the same length, from t on, are added up in one loop; returns where they
 * end. */
static uint32_t add_up(agi_c_writer *w, const agi_instruction *at, const agi_factors *f, uint32_t i,
                       uint32_t t, uint32_t *sum)
{
    const uint32_t n = f[t].repeat;
    uint32_t end = t;
    bool joins = true, is_first = true;
    for (; end < at->terms && f[end].repeat == n && end < t + LINE_TERMS; end++) {
        const agi_factors one = turn(&f[end], i);
        joins = joins && can_read_term(w, n, &one, 0);
    }
    agi_c_enter_loop(w, n, joins);
    *sum = agi_c_begin_sum(w);
    agi_text body = {.memory = w->file->memory};
    for (; t < end; t++) {
        const agi_factors one = turn(&f[t], i);
        term_text term;
        find_loop_term(w, &one, 0, &term);
        put_term(&body, &w->file->gates, &one, &term, is_first);
        is_first = false;
    }
    agi_text_put(&w->line, "a%" PRIu32 " += ", *sum);
    agi_text_append(&w->line, body.chars, body.count);
    agi_text_put(&w->line, ";");
    agi_text_put(&w->comment, "a sum of products");
    w->file->failed = w->file->failed || body.failed;
    agi_text_free(&body);
    agi_c_put_in_loop(w);
    return end;
}

/* One element of long rows of terms, and a few others. */
static void put_long_sum(agi_c_writer *w, const agi_instruction *at, const agi_factors *f,
                         uint32_t i)
{
    agi_text sums = {.memory = w->file->memory};
    bool is_first = true;
    for (uint32_t t = 0; t < at->terms;) {
        uint32_t sum;
        if (f[t].repeat <= AGI_C_FEW) {
            t++;
            continue;
        }
        t = add_up(w, at, f, i, t, &sum);
        agi_text_put(&sums, "%sa%" PRIu32, is_first ? "" : " + ", sum);
        is_first = false;
    }
    agi_text_append(&w->line, sums.chars, sums.count);
    agi_c_begin_number(w, true);
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; f[t].repeat <= AGI_C_FEW && r < f[t].repeat; r++) {
            term_text term;
            find_term(w, &f[t], i, r, 0, 1, &term);
            put_term(&w->line, &w->file->gates, &f[t], &term, is_first);
            is_first = false;
        }
    w->file->failed = w->file->failed || sums.failed;
    agi_text_free(&sums);
    agi_c_define_number(w, at->out + i);
}

/* One element of more terms than there should be in a statement, added up in the workspace. */
static void put_longest_sum(agi_c_writer *w, const agi_instruction *at, const agi_factors *f,
                            uint32_t i)
{
    char sum[AGI_C_OPERAND], to[AGI_C_OPERAND];
    bool is_first = true;
    agi_text_put(&w->comment, "a sum of products");
    agi_c_end_loop(w);
    if (w->section->scratch == 0)
        w->section->scratch = 1;
    (void)snprintf(sum, sizeof(sum), "w[%zu]", agi_c_find_scratch(w));
    for (uint32_t t = 0; t < at->terms;) {
        const bool is_loop = f[t].repeat > AGI_C_FEW;
        term_text term;
        agi_c_cut(w);
        agi_c_use(w, AGI_C_WORKSPACE);
        if (is_first && is_loop)
            agi_c_put_line(w, "%s = %s;", sum, agi_c_zero(w));
        const bool sets = is_first && !is_loop;
        if (is_loop) {
            find_term(w, &f[t], i, 0, f[t].repeat, 1, &term);
            agi_c_begin_loop(w, 'r', f[t].repeat, false);
            agi_text_put(&w->line, "%s += ", sum);
            put_term(&w->line, &w->file->gates, &f[t++], &term, true);
        } else {
            agi_text_put(&w->line, sets ? "%s = " : "%s = %s", sum, sum);
            bool begins = sets;
            for (uint32_t on_line = 0;
                 t < at->terms && f[t].repeat <= AGI_C_FEW && on_line < LINE_TERMS; t++)
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
}

void agi_c_put_terms(agi_c_writer *w, uint32_t terms, const agi_factors *f)
{
    bool is_first = true;
    for (uint32_t t = 0; t < terms; t++)
        for (uint32_t r = 0; r < f[t].repeat; r++) {
            term_text term;
            find_loop_term(w, &f[t], r, &term);
            put_term(&w->line, &w->file->gates, &f[t], &term, is_first);
            is_first = false;
        }
    if (is_first)
        agi_put_literal(&w->line, &w->file->gates.library, 0);
    agi_text_put(&w->comment, terms > 1 ? "sums of products" : "products");
}

/* Many elements of few terms. */
static void put_short_sums(agi_c_writer *w, const agi_instruction *at, const agi_factors *f)
{
    bool joins = agi_c_can_write(w, at->n, at->out);
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; r < f[t].repeat; r++)
            joins = joins && can_read_term(w, at->n, &f[t], r);
    agi_c_enter_loop(w, at->n, joins);
    const uint16_t uses = agi_c_begin_row(w);
    agi_c_put_terms(w, at->terms, f);
    agi_c_define_elements(w, at->out);
    agi_c_end_row(w, at, AGI_OP_PRODUCTS, uses);
}

/* Many elements: a loop over them, and in it one for each long row of terms. */
static void put_long_sums(agi_c_writer *w, const agi_instruction *at, const agi_factors *f)
{
    char to[AGI_C_OPERAND];
    agi_c_end_loop(w);
    term_text *terms = AGI_NEW_ARRAY(w->file->memory, at->terms, term_text);
    if (terms == NULL) {
        w->file->failed = true;
        return;
    }
    for (uint32_t t = 0; t < at->terms; t++)
        find_term(w, &f[t], 0, 0, f[t].repeat > AGI_C_FEW ? f[t].repeat : 0, at->n, &terms[t]);
    agi_text_put(&w->comment, "%" PRIu32 " sums of products", at->n);
    agi_c_begin_loop(w, 'i', at->n, true);
    bool is_first = true;
    agi_text_put(&w->line, "%s a = ", agi_c_type(w));
    for (uint32_t t = 0; t < at->terms; t++)
        for (uint32_t r = 0; f[t].repeat <= AGI_C_FEW && r < f[t].repeat; r++) {
            if (r > 0)
                find_term(w, &f[t], 0, r, 0, at->n, &terms[t]);
            put_term(&w->line, &w->file->gates, &f[t], &terms[t], is_first);
            is_first = false;
        }
    if (is_first)
        agi_put_literal(&w->line, &w->file->gates.library, 0);
    agi_text_put(&w->line, ";");
    agi_c_end_line(w);
    agi_c_put_place(to, agi_c_define_row(w, at->out, at->n), 'i', 0, 'j');
    for (uint32_t t = 0; t < at->terms; t++) {
        if (f[t].repeat <= AGI_C_FEW)
            continue;
        agi_c_put_simd(w, "a");
        agi_c_begin_loop(w, 'r', f[t].repeat, false);
        agi_text_put(&w->line, "a += ");
        put_term(&w->line, &w->file->gates, &f[t], &terms[t], true);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
        w->depth--;
    }
    agi_c_put_line(w, "%s = a;", to);
    agi_c_end_block(w);
    agi_free_array(w->file->memory, terms, at->terms, sizeof(*terms));
}

bool agi_c_is_short_sum(const agi_records *records, const agi_instruction *at)
{
    const agi_factors *f = agi_factors_of(records, at);
    uint64_t terms = 0;
    for (uint32_t t = 0; t < at->terms; t++) {
        if (f[t].repeat > AGI_C_FEW)
            return false;
        terms += f[t].repeat;
    }
    return terms <= AGI_C_FEW_TERMS;
}

void agi_c_put_products(agi_c_writer *w, const agi_instruction *at)
{
    const agi_records *records = &w->unit->program->records;
    const agi_factors *f = agi_factors_of(records, at);
    const bool is_short = agi_c_is_short_sum(records, at);
    if (at->n > AGI_C_FEW && is_short) {
        put_short_sums(w, at, f);
        return;
    }
    if (at->n > AGI_C_FEW && at->terms <= AGI_C_FEW_TERMS) {
        put_long_sums(w, at, f);
        return;
    }
    for (uint32_t i = 0; i < at->n; i++) {
        agi_c_cut(w);
        if (is_short)
            put_short_sum(w, at, f, i);
        else if (at->terms <= MANY_TERMS)
            put_long_sum(w, at, f, i);
        else
            put_longest_sum(w, at, f, i);
    }
}

/* ---- Matrices -------------------------------------------------------------------------------- */

agi_c_elements agi_c_find_elements(agi_c_writer *w, const agi_elements *e)
{
    agi_c_elements found = {.row = {"w", 0, 1}};
    if (e->list == AGI_NO_INDEX) {
        found.row = agi_c_find_row(w, e->vector, e->n, 0, 1);
        return found;
    }
    const uint32_t *list = w->unit->program->records.lists + e->list;
    agi_text *tables = &w->file->tables;
    for (uint32_t i = 0; i < e->n; i++) {
        if (e->vector.space == AGI_SLOTS) {
            agi_c_read_memory(w, list[i]);
            agi_c_take_places(w, w->section, (agi_c_span){list[i], list[i]});
            agi_c_use(w, AGI_C_WORKSPACE);
        } else {
            const agi_vector one = {list[i], 0, e->vector.space};
            found.row.array = agi_c_find_row(w, one, 1, 0, 1).array;
        }
    }
    (void)snprintf(found.list, sizeof(found.list), "%s_list%" PRIu32, w->unit->name,
                   w->file->lists + 1);
    if (w->out == NULL)
        return found;
    w->file->lists++;
    agi_text_put(tables, "static const unsigned long %s[%" PRIu32 "] = {", found.list, e->n);
    for (uint32_t i = 0; i < e->n; i++) {
        const agi_vector one = {list[i], 0, e->vector.space};
        const int64_t at = e->vector.space == AGI_SLOTS
                               ? (int64_t)agi_c_base(w) + w->section->places[list[i]]
                               : agi_c_find_row(w, one, 1, 0, 1).at;
        agi_text_put(tables, i % 16 == 0 ? "\n    %" PRId64 "," : " %" PRId64 ",", at);
    }
    agi_text_put(tables, "\n};\n");
    return found;
}

void agi_c_put_element(char to[AGI_C_OPERAND], const agi_c_elements *e, char letter)
{
    if (e->list[0] == '\0')
        agi_c_put_place(to, e->row, letter, 0, 'i');
    else
        (void)snprintf(to, AGI_C_OPERAND, "%s[%s[%c]]", e->row.array, e->list, letter);
}

/* Where everything of a matrix is. */
typedef struct affine_text {
    agi_c_row matrix, out;
    agi_c_elements x;
    agi_c_row bias;             /* no array: none */
    char number[AGI_C_OPERAND]; /* the bias of all rows, if it is one number */
} affine_text;

/* `rows` rows from `first` on, `many` times: dot products. a0, a1, ... add up as many at once. */
static void put_dot_rows(agi_c_writer *w, const agi_affine *a, uint32_t first, uint32_t rows,
                         uint32_t many, const affine_text *t)
{
    const char *zero = agi_c_zero(w);
    const agi_c_row places[] = {t->matrix, t->out, t->bias};
    char texts[3][AGI_C_OPERAND], x[AGI_C_OPERAND];
    agi_c_put_element(x, &t->x, 'j');
    agi_c_begin_loop(w, 'i', many, true);
    for (uint32_t r = 0; r < rows; r++) {
        agi_c_row bias = places[2];
        bias.at += bias.stride * (first + r);
        bias.stride *= rows;
        agi_c_put_place(texts[2], bias, 'i', 0, 'j');
        agi_c_put_line(w, "%s a%" PRIu32 " = %s;", agi_c_type(w), r,
                       t->bias.array == NULL  ? zero
                       : t->number[0] != '\0' ? t->number
                                              : texts[2]);
    }
    if (w->file->gates.is_native && w->out != NULL) {
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
        if (a->chain && !w->multiplies)
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
    agi_c_end_block(w);
}

/* Rows of numbers at a constant stride; in a program's own code four at a time. */
static void put_dots(agi_c_writer *w, const agi_affine *a, const affine_text *t)
{
    const uint32_t rows = w->file->gates.is_native ? 4 : 1, whole = a->m / rows;
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
        (void)snprintf(begin, sizeof(begin), "%s", agi_c_zero(w));
    else if (t->number[0] != '\0')
        (void)snprintf(begin, sizeof(begin), "%s", t->number);
    else
        agi_c_put_place(begin, t->bias, 'i', 0, 'j');
    agi_c_put_place(m, t->matrix, 'i', a->column_stride, 'j');
    agi_c_put_element(e, &t->x, 'j');
    if (!a->add) {
        agi_c_begin_loop(w, 'i', a->m, false);
        agi_c_put_line(w, "%s = %s;", out, begin);
        w->depth--;
    }
    agi_c_begin_loop(w, 'j', a->k, true);
    agi_c_put_line(w, "const %s a = %s;", agi_c_type(w), e);
    if (a->chain) {
        agi_c_put_line(w, "if (a != 0)");
        w->depth++;
    }
    agi_c_put_simd(w, NULL);
    agi_c_begin_loop(w, 'i', a->m, false);
    agi_c_put_line(w, "%s += %s * a;", out, m);
    w->depth -= 1 + a->chain;
    agi_c_end_block(w);
}

void agi_c_put_affine(agi_c_writer *w, const agi_instruction *at)
{
    const agi_affine *a = &w->unit->program->records.affine[at->more];
    const agi_vector p = {a->p.at, a->row_stride, a->p.space};
    affine_text t = {.matrix = agi_c_find_row(w, p, a->m, a->column_stride, a->k),
                     .x = agi_c_find_elements(w, &a->x)};
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

/* ---- Totals ----------------------------------------------------------------------------------- */

agi_c_row agi_c_find_totals(agi_c_writer *w, uint32_t out, int64_t stride)
{
    const agi_c_unit *unit = w->unit;
    agi_c_use(w, unit->has_totals ? AGI_C_WORKSPACE : AGI_C_SUM);
    return (agi_c_row){unit->has_totals ? "w" : "sum",
                       (unit->has_totals ? (int64_t)unit->totals : 0) + out, stride};
}

const char *agi_c_find_addition(agi_c_writer *w, bool is_first)
{
    const agi_c_unit *unit = w->unit;
    if (unit->function != NULL && unit->function->scaled && !unit->has_totals) {
        agi_c_use(w, AGI_C_SCALE);
        return AGI_C_ADDS_SCALED;
    }
    return is_first && !unit->accumulates ? AGI_C_SETS : AGI_C_ADDS;
}

/* Set or added, as the caller of a program's own code says. */
static void put_native_outer(agi_c_writer *w, const agi_outer *o, const char *row,
                             const char *column, const char *total)
{
    const char *upstream_column[] = {column, "a"};
    agi_c_use(w, AGI_C_SET);
    for (int sets = o->first; sets >= 0; sets--) {
        agi_c_put_line(w, !o->first ? "{" : sets ? "if (set) {" : "else {");
        w->depth++;
        agi_c_begin_loop(w, 'i', o->m, true);
        agi_text_put(&w->line, "const %s a = %s", agi_c_type(w), sets ? "" : "factor * ");
        if (!agi_is_one(o->factor)) {
            agi_put_literal(&w->line, &w->file->gates.library, o->factor);
            agi_text_put(&w->line, " * ");
        }
        agi_text_put(&w->line, "%s;", row);
        agi_c_end_line(w);
        if (o->chain == AGI_CHAIN_A) { /* the rule for a whole row */
            agi_c_put_line(w, "if (a != 0)");
            w->depth++;
        }
        agi_c_put_simd(w, NULL);
        agi_c_begin_loop(w, 'j', o->k, false);
        agi_text_put(&w->line, "%s%s", total, sets ? AGI_C_SETS : AGI_C_ADDS);
        if (o->chain == AGI_CHAIN_B)
            agi_put_c_gate(&w->line, &w->file->gates, AGI_chain, upstream_column);
        else
            agi_text_put(&w->line, "a * %s", column);
        agi_text_put(&w->line, ";");
        agi_c_end_line(w);
        w->depth--;
        if (o->chain == AGI_CHAIN_A && sets) {
            w->depth--;
            agi_c_put_line(w, "else");
            w->depth++;
            agi_c_begin_loop(w, 'j', o->k, false);
            agi_c_put_line(w, "%s = %s;", total, agi_c_zero(w));
            w->depth--;
        }
        w->depth -= o->chain == AGI_CHAIN_A ? 2 : 1;
        agi_c_put_line(w, "}");
        w->depth--;
        agi_c_put_line(w, "}");
    }
}

void agi_c_put_outer(agi_c_writer *w, const agi_instruction *at)
{
    agi_outer o = w->unit->program->records.outer[at->more];
    w->has_put_totals = !w->unit->is_step;
    if (w->multiplies)
        o.chain = AGI_CHAIN_NONE;
    agi_c_elements a = agi_c_find_elements(w, &o.a), b = {.list = ""};
    if (o.b_each == AGI_NO_INDEX)
        b = agi_c_find_elements(w, &o.b);
    else
        b.row =
            agi_c_find_inputs(w, o.b_each, 1, (agi_c_span){o.b_each, (int64_t)o.b_each + o.k - 1});
    if (o.row_stride == 1 && o.column_stride != 1) { /* the inner loop goes through totals */
        const agi_c_elements side = a;
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
    agi_c_put_element(row, &a, 'i');
    agi_c_put_element(column, &b, 'j');
    const char *upstream_row[] = {"a", column}, *upstream_column[] = {column, "a"};
    agi_c_put_place(total, agi_c_find_totals(w, o.out, o.row_stride), 'i', o.column_stride, 'j');
    if (w->unit->mode != AGI_C_FILE) {
        put_native_outer(w, &o, row, column, total);
        return;
    }
    const char *addition = agi_c_find_addition(w, o.first);
    agi_text_put(&w->comment, "sums of products, %" PRIu32 " x %" PRIu32, o.m, o.k);
    agi_c_begin_loop(w, 'i', o.m, true);
    agi_text_put(&w->line, "const %s a = %s", agi_c_type(w),
                 strcmp(addition, AGI_C_ADDS_SCALED) == 0 ? "scale * " : "");
    if (!agi_is_one(o.factor)) {
        agi_put_literal(&w->line, &w->file->gates.library, o.factor);
        agi_text_put(&w->line, " * ");
    }
    agi_text_put(&w->line, "%s;", row);
    agi_c_end_line(w);
    const bool skips = o.chain == AGI_CHAIN_A && strcmp(addition, AGI_C_SETS) != 0;
    if (skips) {
        agi_c_put_line(w, "if (a != 0)");
        w->depth++;
    }
    agi_c_begin_loop(w, 'j', o.k, false);
    agi_text_put(&w->line, "%s%s", total,
                 strcmp(addition, AGI_C_SETS) == 0 ? AGI_C_SETS : AGI_C_ADDS);
    if (o.chain != AGI_CHAIN_NONE && !skips)
        agi_put_c_gate(&w->line, &w->file->gates, AGI_chain,
                       o.chain == AGI_CHAIN_A ? upstream_row : upstream_column);
    else
        agi_text_put(&w->line, "a * %s", column);
    agi_text_put(&w->line, ";");
    agi_c_end_line(w);
    w->depth -= 1 + skips;
    agi_c_end_block(w);
}
