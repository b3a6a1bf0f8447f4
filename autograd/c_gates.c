/* SPDX-License-Identifier: MIT
 *
 * The gate table as templates of C. Knows values only: by the time there is a program, derivatives
 * are gates, too.
 */
#include "c_code.h"
#include "terms.h"

#include <inttypes.h>
#include <string.h>

/* ---- The table ------------------------------------------------------------------------------- */

#define CALL1(function, p) "@" function "(" p ")"
#define CALL2(function, p, q) "@" function "(" p ", " q ")"
#include "formula_text.h"

#define NUM(number) "#" #number
#define GE(p, q) p " >= " q
/* A tie goes to the first operand, and so does a NaN of its own. */
#define TAKES_MAX(p, q) p " >= " q " || " p " != " p
#define TAKES_MIN(p, q) p " <= " q " || " p " != " p
#define MAX(p, q) IF(TAKES_MAX(p, q), p, q)
#define MIN(p, q) IF(TAKES_MIN(p, q), p, q)
#define SIGN(p) IF(p " > #0", "#1", IF(p " < #0", "-#1", p))
#define FINITE_OR_0(p) IF(p " - " p " == #0", p, "#0")
#define ABS(p) CALL1("fabs", p)

/* What a fold looks at: see agi_put_c_gates. */
#define FIRST(p) "i == first"
#define OFFSET "offset"

#define x "$x"
#define a "$a"
#define b "$b"
#define c "$c"
#define w "w[i]"
#define s "s"
#define M "largest"

typedef struct gate_text {
    const char *letters;
    const char *value; /* of a fold, its end */
    const char *start, *step;
} gate_text;

static const gate_text table[AGI_GATE_COUNT] = {
    {"", "", NULL, NULL},                          /* variable */
    {"", "", NULL, NULL},                          /* constant */
    {"x", "$x", NULL, NULL}, {"", "", NULL, NULL}, /* closure */
    {"", "", NULL, NULL},                          /* scan */
    {"", "", NULL, NULL},                          /* output */
#define AG_UNARY(name, value, ...) {"x", value, NULL, NULL},
#define AG_BINARY(name, value, ...) {"ab", value, NULL, NULL},
#define AG_TERNARY(name, value, ...) {"cab", value, NULL, NULL},
#define AG_NARY(name, partner, formula, start, step, end, ...) {"x", end, start, step},
#define AG_COMPARE(name, value, ...) {"ab", value, NULL, NULL},
#include <wengert/gates.def>
};

#undef x
#undef a
#undef b
#undef c
#undef w
#undef s
#undef M

/* ---- Values ---------------------------------------------------------------------------------- */

static bool looks_twice(const gate_text *gate)
{
    for (const char *at = strchr(gate->value, '$'); at != NULL; at = strchr(at + 1, '$'))
        for (const char *next = strchr(at + 1, '$'); next != NULL; next = strchr(next + 1, '$'))
            if (next[1] == at[1])
                return true;
    return false;
}

/* Functions of libm: those that are instructions, and those that libmvec has. */
static const char *const fast[] = {"sqrt", "fabs", "floor", NULL};
static const char *const unary[] = {"exp",   "exp2", "expm1", "log",  "log2",  "log10",
                                    "log1p", "sin",  "cos",   "tan",  "asin",  "acos",
                                    "atan",  "sinh", "cosh",  "tanh", "asinh", "acosh",
                                    "atanh", "erf",  "erfc",  "cbrt", NULL};
static const char *const binary[] = {"pow", "atan2", "hypot", NULL};

/* Whether a name is in a list; what follows it in a template is a parenthesis. */
static bool is_among(const char *name, const char *const *list)
{
    const size_t n = strcspn(name, "(");
    while (*list != NULL && (strlen(*list) != n || strncmp(*list, name, n) != 0))
        list++;
    return *list != NULL;
}

static bool calls_only(uint8_t gate, bool vectors)
{
    for (const char *at = strchr(table[gate].value, '@'); at != NULL; at = strchr(at + 1, '@'))
        if (!is_among(at + 1, fast) &&
            !(vectors && (is_among(at + 1, unary) || is_among(at + 1, binary))))
            return false;
    return true;
}

bool agi_is_c_arithmetic(uint8_t gate)
{
    return calls_only(gate, false);
}

bool agi_is_c_cheap(uint8_t gate)
{
    const char *at = table[gate].value;
    for (; at != NULL && *at != '\0'; at++) {
        if (*at == '$')
            at++;
        else if (strchr("()+-* ", *at) == NULL)
            return false;
    }
    return at != NULL && !looks_twice(&table[gate]);
}

bool agi_is_c_vector(uint8_t gate)
{
    return calls_only(gate, true);
}

void agi_declare_c_vectors(agi_text *text, const agi_c_gates *gates)
{
    const char *type = gates->library.use_float ? "float" : "double";
    const char *suffix = gates->library.use_float ? "f" : "";
    agi_text_put(text, "#define VECTOR __attribute__((simd(\"notinbranch\"))) %s\n", type);
    for (size_t i = 0; unary[i] != NULL; i++)
        agi_text_put(text, "VECTOR %s%s(%s);\n", unary[i], suffix, type);
    for (size_t i = 0; binary[i] != NULL; i++)
        agi_text_put(text, "VECTOR %s%s(%s, %s);\n", binary[i], suffix, type, type);
    agi_text_put(text, "\n");
}

/* What an operand at `at` of a formula is part of, from the inside out: a condition, one of several
 * operands of a function (libm's pow(NaN, 0) is 1; functions of one give NaN), or a divisor, of which
 * a 0's sign matters. */
static bool is_hidden(const char *formula, const char *at)
{
    for (const char *end = at;;) {
        size_t depth = 0;
        for (; *end != '\0' && (depth > 0 || *end != ')'); end++) {
            depth += *end == '(';
            depth -= *end == ')';
            if (depth == 0 && (*end == '?' || *end == ','))
                return true;
        }
        const char *before = at; /* of its sign, or its function */
        while (before > formula && before[-1] != ' ' && before[-1] != '(')
            before--;
        if (before - formula >= 2 && before[-1] == ' ' && before[-2] == '/')
            return true;
        for (depth = 0; at > formula && (depth > 0 || at[-1] != '('); at--) {
            depth += at[-1] == ')';
            depth -= at[-1] == '(';
            if (depth == 0 && at[-1] == ',')
                return true;
        }
        if (at == formula)
            return false;
        at--; /* the parenthesis around it */
        end++;
    }
}

bool agi_c_hands_on(uint8_t gate, uint32_t operand)
{
    const gate_text *of = &table[gate];
    switch ((agi_form)agi_gate_forms[gate]) {
    case AGI_FORM_UNARY:
    case AGI_FORM_BINARY:
    case AGI_FORM_TERNARY:
        for (const char *at = strchr(of->value, '$'); at != NULL; at = strchr(at + 1, '$'))
            if (at[1] == of->letters[operand] && is_hidden(of->value, at))
                return false;
        return true;
    case AGI_FORM_NONE:
    case AGI_FORM_VALUES:
    case AGI_FORM_NUMBERS:
        return strpbrk(of->step, "?/,") == NULL && strstr(of->start, "largest") == NULL &&
               strstr(of->value, "largest") == NULL;
    default:
        return false;
    }
}

/* A template without the parentheses around all of it. */
static void put_bare(agi_text *text, agi_c_gates *gates, const gate_text *gate,
                     const char *const *operands)
{
    const size_t n = strlen(gate->value);
    char bare[400];
    size_t depth = 0, i = 0;
    bool is_wrapped = gate->value[0] == '(' && n < sizeof(bare);
    for (; is_wrapped && i + 1 < n; i++) {
        depth += gate->value[i] == '(';
        depth -= gate->value[i] == ')';
        is_wrapped = depth > 0;
    }
    if (!is_wrapped) {
        agi_put_template(text, &gates->library, gate->value, gate->letters, operands);
        return;
    }
    memcpy(bare, gate->value + 1, n - 2);
    bare[n - 2] = '\0';
    agi_put_template(text, &gates->library, bare, gate->letters, operands);
}

void agi_put_c_gate(agi_text *text, agi_c_gates *gates, uint8_t gate, const char *const *operands)
{
    const gate_text *at = &table[gate];
    if (!looks_twice(at)) {
        put_bare(text, gates, at, operands);
        return;
    }
    gates->needed[gate] = true;
    agi_text_put(text, "%s_%s(", gates->library.prefix, agi_gate_names[gate]);
    for (size_t i = 0; at->letters[i] != '\0'; i++)
        agi_text_put(text, "%s%s", i == 0 ? "" : ", ", operands[i]);
    agi_text_put(text, ")");
}

void agi_put_c_gate_words(agi_text *text, uint8_t gate, const char *const *operands)
{
    const gate_text *at = &table[gate];
    const bool is_infix = strncmp(at->value, "($a ", 4) == 0 && strcmp(at->value + 5, " $b)") == 0;
    if (is_infix) {
        agi_text_put(text, "%s %c %s", operands[0], at->value[4], operands[1]);
        return;
    }
    if (strcmp(at->value, "-$x") == 0) {
        agi_text_put(text, "-%s", operands[0]);
        return;
    }
    agi_text_put(text, "%s(", agi_gate_names[gate]);
    for (size_t i = 0; at->letters[i] != '\0'; i++) {
        const size_t n = strlen(operands[i]);
        const bool is_wrapped = operands[i][0] == '(' && n > 2;
        agi_text_put(text, "%s%.*s", i == 0 ? "" : ", ", (int)(is_wrapped ? n - 2 : n),
                     operands[i] + is_wrapped);
    }
    agi_text_put(text, ")");
}

void agi_put_c_fold(agi_text *text, agi_c_gates *gates, uint8_t gate, uint32_t n, const char *x,
                    const char *w, const char *offset)
{
    gates->needed[gate] = true;
    agi_text_put(text, "%s_%s(%" PRIu32 ", %s", gates->library.prefix, agi_gate_names[gate], n, x);
    if (w != NULL)
        agi_text_put(text, ", %s", w);
    if (offset != NULL)
        agi_text_put(text, ", %s", offset);
    agi_text_put(text, ")");
}

/* ---- Functions ------------------------------------------------------------------------------- */

static void put_gate_function(agi_text *text, agi_c_gates *gates, uint8_t gate)
{
    static const char *const names[] = {"x", "a", "b", "c"};
    const gate_text *at = &table[gate];
    const char *type = gates->library.use_float ? "float" : "double";
    const char *operands[3] = {NULL, NULL, NULL};
    agi_text_put(text, "static %s %s_%s(", type, gates->library.prefix, agi_gate_names[gate]);
    for (size_t i = 0; at->letters[i] != '\0'; i++) {
        for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
            if (names[k][0] == at->letters[i])
                operands[i] = names[k];
        agi_text_put(text, "%s%s %s", i == 0 ? "" : ", ", type, operands[i]);
    }
    agi_text_put(text, ")\n{\n    return ");
    put_bare(text, gates, at, operands);
    agi_text_put(text, ";\n}\n\n");
}

#define TEXT(code) #code
#define TEXT_OF(code) TEXT(code)
#define OUTDOES TEXT_OF(AGI_OUTDOES(x[i], largest))

/* agi_find_largest */
static const char find_largest[] = "    real largest = x[0];\n"
                                   "    size_t first = 0;\n"
                                   "    for (size_t i = 1; i < n; i++)\n"
                                   "        if (" OUTDOES ") {\n"
                                   "            largest = x[i];\n"
                                   "            first = i;\n"
                                   "        }\n";

bool agi_is_c_largest(uint8_t gate)
{
    const gate_text *at = &table[gate];
    return at->start != NULL && strcmp(at->start, "largest") == 0 && strcmp(at->step, "s") == 0 &&
           strcmp(at->value, "s") == 0;
}

/* The largest where none is a NaN. */
static const char find_fast[] =
    "    real most = x[0];\n"
    "    int is_nan = 0;\n"
    "    _Pragma(\"omp simd reduction(max : most) reduction(| : is_nan)\")\n"
    "    for (size_t i = 0; i < n; i++) {\n"
    "        most = x[i] > most ? x[i] : most;\n"
    "        is_nan |= x[i] != x[i];\n"
    "    }\n"
    "    if (!is_nan)\n"
    "        return most;\n";

static void put_fold_function(agi_text *text, agi_c_gates *gates, uint8_t gate)
{
    const gate_text *at = &table[gate];
    agi_c_library *library = &gates->library;
    const agi_form form = (agi_form)agi_gate_forms[gate];
    static const char *const operand[] = {"x[i]"};
    const bool is_loop = strcmp(at->step, "s") != 0, asks_first = strstr(at->step, "first") != NULL;
    agi_put_template(text, library, "static real ", "", NULL);
    agi_text_put(text, "%s_%s", library->prefix, agi_gate_names[gate]);
    agi_put_template(text, library,
                     form == AGI_FORM_NONE     ? "(size_t n, const real *x)\n{\n"
                     : form == AGI_FORM_VALUES ? "(size_t n, const real *x, const real *w)\n{\n"
                                               : "(size_t n, const real *x, const real *w, real "
                                                 "offset)\n{\n",
                     "", NULL);
    if (gates->is_native && agi_is_c_largest(gate))
        agi_put_template(text, library, find_fast, "", NULL);
    if (asks_first || strcmp(at->start, "largest") == 0)
        agi_put_template(text, library, find_largest, "", NULL);
    agi_put_template(text, library, is_loop ? "    real s = " : "    const real s = ", "", NULL);
    agi_put_template(text, library, at->start, "x", operand);
    if (is_loop) {
        agi_text_put(text, ";\n    for (size_t i = 0; i < n; i++)\n        s = ");
        agi_put_template(text, library, at->step, "x", operand);
    }
    agi_text_put(text, ";\n%s    return ", !is_loop && !asks_first ? "    (void)first;\n" : "");
    put_bare(text, gates, at, operand);
    agi_text_put(text, ";\n}\n\n");
}

void agi_put_c_gates(agi_text *text, agi_c_gates *gates)
{
    agi_text functions = {.memory = text->memory};
    for (uint32_t gate = 0; gate < AGI_GATE_COUNT; gate++)
        if (gates->needed[gate] && table[gate].start != NULL)
            put_fold_function(&functions, gates, (uint8_t)gate);
        else if (gates->needed[gate])
            put_gate_function(&functions, gates, (uint8_t)gate);
    agi_put_library(text, &gates->library); /* which they may call */
    agi_text_append(text, functions.chars, functions.count);
    text->failed = text->failed || functions.failed;
    agi_text_free(&functions);
}
