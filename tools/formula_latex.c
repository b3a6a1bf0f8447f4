/* SPDX-License-Identifier: MIT
 *
 * A formula is read into a tree by recursive descent, and written from it: products become factors
 * above and below a line, equal factors a power, chains of choices one list of cases.
 */
#include "formula_latex.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The tree -------------------------------------------------------------------------------- */

typedef enum node_kind {
    NUMBER,
    SYMBOL, /* x, x1, pi, INF */
    WORDS,
    DOTS,
    NEGATIVE,
    SUM,
    PRODUCT,
    QUOTIENT,
    RELATION, /* each operand but the first knows its sign */
    CALL,
    CASES,  /* condition, value, value otherwise */
    PHRASE, /* formulas and words, one after the other */
    TUPLE,  /* a phrase in parentheses */
} node_kind;

typedef struct node {
    node_kind kind;
    const char *text; /* in the formula */
    size_t length;
    const char *before; /* what stands between this operand and the one before, in LaTeX */
    struct node *first, *next;
    struct node *made; /* the one that was made before this */
} node;

/* How tightly what was written holds together. */
typedef enum binding {
    LOOSE, /* phrases and relations */
    TERMS, /* a + b, -a, cases */
    FACTORS,
    PREFIX, /* \log x */
    APPLIED,
    POWER, /* and fractions */
    ROOT,  /* a square root: "\\sqrt{", what is below it, "}" */
    ATOM,
} binding;

typedef struct latex_text {
    const char *latex;
    binding level;
} latex_text;

typedef struct piece {
    struct piece *made;
    char latex[];
} piece;

typedef struct typesetter {
    const char *at; /* what comes next */
    bool failed;    /* no formula of this language */
    bool no_memory;
    node spare; /* stands in where there is no memory */
    node *nodes;
    piece *pieces;
} typesetter;

static node *make_node(typesetter *t, node_kind kind, const char *text, size_t length, node *first)
{
    node *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        t->no_memory = t->failed = true;
        return &t->spare;
    }
    *made = (node){kind, text, length, "", first, NULL, t->nodes};
    t->nodes = made;
    return made;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(typesetter *t)
{
    t->at += strspn(t->at, " ");
}

/* The minus of "not -1"; between two operands it has blanks on both sides. Something was read. */
static bool is_unary(const char *at)
{
    return at[-1] == ' ' && at[0] == '-' && at[1] != ' ';
}

/* Takes the sign if it comes next. */
static bool take(typesetter *t, const char *sign)
{
    skip_blanks(t);
    const size_t length = strlen(sign);
    if (strncmp(t->at, sign, length) != 0)
        return false;
    t->at += length;
    return true;
}

static void expect(typesetter *t, const char *sign)
{
    if (!take(t, sign))
        t->failed = true;
}

static size_t measure_name(const char *at)
{
    size_t length = 0;
    while (is_letter(at[length]) || (length > 0 && is_digit(at[length])))
        length++;
    return length;
}

static bool is_one_of(const char *text, size_t length, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == length && strncmp(*words, text, length) == 0)
            return true;
    return false;
}

/* A letter with or without an index, or a known name. */
static bool is_symbol(const char *at, size_t length)
{
    static const char *const known[] = {"pi", "INF", "NAN", NULL};
    size_t digits = length > 0 && is_letter(*at) && *at != '_' ? 1 : 0;
    while (digits > 0 && digits < length && is_digit(at[digits]))
        digits++;
    return (digits > 0 && digits == length) || is_one_of(at, length, known);
}

static bool is_word(const char *at)
{
    const size_t length = measure_name(at);
    return length > 0 && at[length] != '(' && !is_symbol(at, length);
}

/* The article, not the operand: a word follows, which is not what one says of an operand. */
static bool is_article(const char *at)
{
    static const char *const verbs[] = {"is", "not", "and", "or", NULL};
    return at[0] == 'a' && at[1] == ' ' && is_word(at + 2) &&
           !is_one_of(at + 2, measure_name(at + 2), verbs);
}

static node *read_words(typesetter *t)
{
    const char *begin = t->at;
    t->at += measure_name(t->at);
    while (*t->at == ' ' && (is_word(t->at + 1) || is_article(t->at + 1)))
        t->at += 1 + measure_name(t->at + 1);
    return make_node(t, WORDS, begin, (size_t)(t->at - begin), NULL);
}

static node *read_phrase(typesetter *t);
static node *read_sum(typesetter *t);

static node *read_call(typesetter *t, const char *name, size_t length)
{
    node *first = NULL, **last = &first;
    do {
        *last = read_sum(t);
        last = &(*last)->next;
    } while (!t->failed && take(t, ","));
    expect(t, ")");
    return make_node(t, CALL, name, length, first);
}

/* What stands in parentheses: a choice, a tuple, or just that. */
static node *read_parentheses(typesetter *t)
{
    node *phrase = read_phrase(t);
    if (take(t, "?")) {
        phrase->next = read_sum(t);
        expect(t, ":");
        phrase->next->next = read_sum(t);
        phrase = make_node(t, CASES, "", 0, phrase);
    } else if (phrase->kind == PHRASE || phrase->kind == RELATION) {
        phrase = make_node(t, TUPLE, "", 0, phrase);
    }
    expect(t, ")");
    return phrase;
}

static node *read_atom(typesetter *t)
{
    skip_blanks(t);
    const char *begin = t->at;
    if (take(t, "("))
        return read_parentheses(t);
    if (take(t, "..."))
        return make_node(t, DOTS, begin, 3, NULL);
    if (is_digit(*begin)) {
        char *end;
        (void)strtod(begin, &end);
        t->at = end;
        return make_node(t, NUMBER, begin, (size_t)(end - begin), NULL);
    }
    const size_t length = measure_name(begin);
    if (length > 0 && !is_symbol(begin, length) && begin[length] != '(')
        return read_words(t);
    t->at += length;
    if (length > 0 && take(t, "(") && !t->failed)
        return read_call(t, begin, length);
    if (length == 0)
        t->failed = true;
    return make_node(t, SYMBOL, begin, length, NULL);
}

static node *read_signed(typesetter *t)
{
    return take(t, "-") ? make_node(t, NEGATIVE, "", 0, read_signed(t)) : read_atom(t);
}

static node *read_product(typesetter *t)
{
    node *product = read_signed(t);
    while (!t->failed) {
        const bool times = take(t, "*");
        if (!times && !take(t, "/"))
            break;
        product->next = read_signed(t);
        product = make_node(t, times ? PRODUCT : QUOTIENT, "", 0, product);
    }
    return product;
}

static node *read_sum(typesetter *t)
{
    node *first = read_product(t), *last = first;
    while (!t->failed) {
        const bool plus = take(t, "+");
        if (!plus && (is_unary(t->at) || !take(t, "-")))
            break;
        node *term = read_product(t);
        last->next = plus ? term : make_node(t, NEGATIVE, "", 0, term);
        last = last->next;
    }
    return first == last ? first : make_node(t, SUM, "", 0, first);
}

static const char *take_relation(typesetter *t)
{
    static const char *const relations[][2] = {
        {"<=", " \\le "}, {">=", " \\ge "}, {"==", " = "}, {"!=", " \\ne "},
        {"<", " < "},     {">", " > "},     {"=", " = "},
    };
    for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++)
        if (take(t, relations[i][0]))
            return relations[i][1];
    return NULL;
}

static node *read_relation(typesetter *t)
{
    node *first = read_sum(t), *last = first;
    const char *relation;
    while (!t->failed && (relation = take_relation(t)) != NULL) {
        last->next = read_sum(t);
        last = last->next;
        last->before = relation;
    }
    return first == last ? first : make_node(t, RELATION, "", 0, first);
}

static node *read_phrase(typesetter *t)
{
    node *first = read_relation(t), *last = first;
    while (!t->failed) {
        const char *before = take(t, ",") ? ", " : take(t, ";") ? ";\\; " : "";
        skip_blanks(t);
        if (*before == '\0' && (*t->at == '\0' || strchr("?:)", *t->at) != NULL))
            break;
        last->next = read_relation(t);
        last = last->next;
        last->before = before;
    }
    return first == last ? first : make_node(t, PHRASE, "", 0, first);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A text that lives as long as the typesetter. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static const char *
print(typesetter *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    piece *made = length < 0 ? NULL : malloc(sizeof(*made) + (size_t)length + 1);
    if (made == NULL) {
        t->no_memory = true;
        return "";
    }
    va_start(list, format);
    (void)vsnprintf(made->latex, (size_t)length + 1, format, list);
    va_end(list);
    made->made = t->pieces;
    t->pieces = made;
    return made->latex;
}

static latex_text write_node(typesetter *t, const node *n);

static bool is_text(const node *n, const char *name)
{
    return strlen(name) == n->length && strncmp(name, n->text, n->length) == 0;
}

/* Parentheses, as large as what is in them. */
static const char *enclose(typesetter *t, const char *latex)
{
    const bool tall = strstr(latex, "\\frac") != NULL || strstr(latex, "\\begin") != NULL;
    return print(t, tall ? "\\left(%s\\right)" : "(%s)", latex);
}

static const char *write_at_least(typesetter *t, latex_text written, binding least)
{
    return written.level >= least ? written.latex : enclose(t, written.latex);
}

static const char *escape(typesetter *t, const char *words, size_t length)
{
    const char *escaped = "";
    for (size_t i = 0; i < length; i++) {
        const char c = words[i];
        const char *form = "%s%c";
        if (strchr("#$%&_{}", c) != NULL)
            form = "%s\\%c";
        else if (c == '^' || c == '~')
            form = "%s\\%c{}";
        else if (c == '\\' || c == '<' || c == '>' || c == '|') /* some text fonts lack them */
            form = c == '\\' ? "%s$\\backslash$" : "%s$%c$";
        escaped = print(t, form, escaped, c);
    }
    return escaped;
}

static latex_text write_symbol(typesetter *t, const node *n)
{
    static const char *const known[][2] = {
        {"pi", "\\pi"}, {"INF", "\\infty"}, {"NAN", "\\text{NaN}"}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (is_text(n, known[i][0]))
            return (latex_text){known[i][1], ATOM};
    const int digits = (int)n->length - 1;
    const char *form = digits == 0 ? "%c%.*s" : digits == 1 ? "%c_%.*s" : "%c_{%.*s}";
    return (latex_text){print(t, form, *n->text, digits, n->text + 1), ATOM};
}

static const char *write_digits(typesetter *t, const node *n)
{
    const size_t digits = strcspn(n->text, "eE");
    if (digits >= n->length)
        return print(t, "%.*s", (int)n->length, n->text);
    return print(t, "%.*s \\cdot 10^{%ld}", (int)digits, n->text,
                 strtol(n->text + digits + 1, NULL, 10));
}

/* ---- Products -------------------------------------------------------------------------------- */

enum {
    MOST_FACTORS = 16
};

typedef struct factor {
    latex_text written;
    unsigned power;
    bool number;
} factor;

typedef struct factors {
    size_t count;
    factor items[MOST_FACTORS];
} factors;

typedef struct fraction {
    bool negative;
    factors over, under;
} fraction;

/* Numbers come first, and functions without parentheses last: 2 x \log y. */
static void add_factor(typesetter *t, factors *f, latex_text written, bool number)
{
    if (number && strcmp(written.latex, "1") == 0)
        return;
    for (size_t i = 0; i < f->count; i++)
        if (!number && strcmp(f->items[i].written.latex, written.latex) == 0) {
            f->items[i].power++;
            return;
        }
    if (f->count == MOST_FACTORS) {
        t->failed = true;
        return;
    }
    size_t place = f->count++;
    for (; place > 0; place--) {
        const factor *before = &f->items[place - 1];
        if (number ? before->number : before->written.level != PREFIX || written.level == PREFIX)
            break;
        f->items[place] = *before;
    }
    f->items[place] = (factor){written, 1, number};
}

/* Numbers that are better known by another name. */
static bool add_known_number(typesetter *t, double number, factors *over, factors *under)
{
    static const struct {
        double number;
        const char *over, *under;
        binding level;
    } known[] = {
        {3.14159265358979323846, "\\pi", NULL, ATOM},
        {0.693147180559945309417, "\\log 2", NULL, PREFIX},
        {1.44269504088896340736, NULL, "\\log 2", PREFIX},
        {2.30258509299404568402, "\\log 10", NULL, PREFIX},
        {0.434294481903251827651, NULL, "\\log 10", PREFIX},
        {1.12837916709551257390, "2", "\\sqrt{\\pi}", ATOM},
        {0.5, NULL, "2", ATOM},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (fabs(number - known[i].number) <= 1e-15 * number) {
            if (known[i].over != NULL)
                add_factor(t, over, (latex_text){known[i].over, known[i].level},
                           is_digit(*known[i].over));
            if (known[i].under != NULL)
                add_factor(t, under, (latex_text){known[i].under, known[i].level},
                           is_digit(*known[i].under));
            return true;
        }
    return false;
}

static void collect(typesetter *t, const node *n, fraction *f, bool inverse)
{
    factors *over = inverse ? &f->under : &f->over, *under = inverse ? &f->over : &f->under;
    switch (n->kind) {
    case NEGATIVE:
        f->negative = !f->negative;
        collect(t, n->first, f, inverse);
        break;
    case PRODUCT:
    case QUOTIENT:
        collect(t, n->first, f, inverse);
        collect(t, n->first->next, f, inverse != (n->kind == QUOTIENT));
        break;
    case NUMBER:
        if (!add_known_number(t, strtod(n->text, NULL), over, under))
            add_factor(t, over, (latex_text){write_digits(t, n), ATOM}, true);
        break;
    default:
        add_factor(t, over, write_node(t, n), false);
    }
}

static latex_text write_factor(typesetter *t, const factor *f)
{
    if (f->power == 1)
        return f->written;
    const int length = (int)strlen(f->written.latex);
    if (f->power == 2 && f->written.level == ROOT)
        return (latex_text){print(t, "%.*s", length - 7, f->written.latex + 6), TERMS};
    return (latex_text){print(t, f->power < 10 ? "%s^%u" : "%s^{%u}",
                              write_at_least(t, f->written, ATOM), f->power),
                        POWER};
}

static latex_text write_factors(typesetter *t, const factors *f)
{
    if (f->count == 0)
        return (latex_text){"1", ATOM};
    if (f->count == 1)
        return write_factor(t, &f->items[0]);
    const char *product = "";
    bool words = false;
    for (size_t i = 0; i < f->count; i++) {
        const latex_text written = write_factor(t, &f->items[i]);
        const char *latex = write_at_least(t, written, i + 1 < f->count ? APPLIED : PREFIX);
        const bool word = strncmp(latex, "\\text", 5) == 0;
        const char *between = i == 0 ? "" : word || words || is_digit(*latex) ? " \\cdot " : " ";
        product = print(t, "%s%s%s", product, between, latex);
        words = word;
    }
    return (latex_text){product, FACTORS};
}

/* Without its sign. */
static latex_text write_fraction(typesetter *t, const node *n, bool *negative)
{
    fraction f = {.negative = false};
    collect(t, n, &f, false);
    *negative = f.negative;
    const latex_text over = write_factors(t, &f.over);
    if (f.under.count == 0)
        return over;
    return (latex_text){print(t, "\\frac{%s}{%s}", over.latex, write_factors(t, &f.under).latex),
                        POWER};
}

static latex_text write_product(typesetter *t, const node *n)
{
    bool negative;
    const latex_text written = write_fraction(t, n, &negative);
    if (!negative)
        return written;
    return (latex_text){print(t, "-%s", write_at_least(t, written, FACTORS)), TERMS};
}

/* ---- Everything else ------------------------------------------------------------------------- */

/* What adds 0 minds only the sign of a 0. */
static bool is_zero(const node *n)
{
    return n->kind == NUMBER && strtod(n->text, NULL) == 0;
}

static latex_text write_sum(typesetter *t, const node *n)
{
    latex_text sum = {"", ATOM};
    size_t count = 0;
    for (const node *term = n->first; term != NULL; term = term->next) {
        if (is_zero(term))
            continue;
        bool negative = false;
        latex_text written = {"\\cdots", ATOM};
        if (term->kind != DOTS)
            written = write_fraction(t, term, &negative);
        const char *sign = count > 0 ? (negative ? " - " : " + ") : negative ? "-" : "";
        const binding least = negative || term->kind == CASES ? FACTORS : LOOSE;
        sum.latex = print(t, "%s%s%s", sum.latex, sign, write_at_least(t, written, least));
        sum.level = count++ > 0 || negative ? TERMS : written.level;
    }
    return count == 0 ? (latex_text){"0", ATOM} : sum;
}

static latex_text write_row(typesetter *t, const node *n, const char *begin, const char *end)
{
    const char *row = "";
    const node *before = NULL;
    for (const node *item = n->first; item != NULL; before = item, item = item->next) {
        const char *latex = write_node(t, item).latex;
        if (item->kind == WORDS)
            latex = print(t, "\\text{%s%s%s}", before != NULL && *item->before == '\0' ? " " : "",
                          escape(t, item->text, item->length),
                          item->next != NULL && *item->next->before == '\0' ? " " : "");
        row = print(t, "%s%s%s", row, item->before, latex);
    }
    return (latex_text){print(t, "%s%s%s", begin, row, end), *begin == '\0' ? LOOSE : ATOM};
}

/* One line for each condition down the chain, and one for what is left. */
static latex_text write_cases(typesetter *t, const node *n)
{
    const char *cases = "\\begin{cases}";
    for (; n->kind == CASES; n = n->first->next->next) {
        const latex_text condition = write_node(t, n->first), value = write_node(t, n->first->next);
        cases = print(t, "%s %s & \\text{if } %s \\\\", cases, value.latex, condition.latex);
    }
    return (latex_text){
        print(t, "%s %s & \\text{otherwise} \\end{cases}", cases, write_node(t, n).latex), TERMS};
}

/* How mathematics writes a function. In `form`, @1 is its first operand, !1 the same as the base of
 * a power, $1 its square. */
typedef struct notation {
    const char *name;
    size_t arity;
    const char *form;
    binding level;
} notation;

static const notation notations[] = {
    {"abs", 1, "\\left|@1\\right|", ATOM},
    {"floor", 1, "\\left\\lfloor @1 \\right\\rfloor", ATOM},
    {"sqrt", 1, "\\sqrt{@1}", ROOT},
    {"cbrt", 1, "\\sqrt[3]{@1}", ATOM},
    {"hypot", 2, "\\sqrt{$1 + $2}", ROOT},
    {"exp", 1, "e^{@1}", POWER},
    {"exp2", 1, "2^{@1}", POWER},
    {"expm1", 1, "e^{@1} - 1", TERMS},
    {"pow", 2, "!1^{@2}", POWER},
    {"log1p", 1, "\\log(1 + @1)", APPLIED},
    {"lgamma", 1, "\\log\\left|\\Gamma(@1)\\right|", PREFIX},
    {"polygamma", 2, "\\psi^{(@1)}(@2)", APPLIED},
};

/* Functions that are written upright before their operand, without parentheses around a letter. */
static const char *const operators[][2] = {
    {"sin", "\\sin"},     {"cos", "\\cos"},     {"tan", "\\tan"},    {"asin", "\\arcsin"},
    {"acos", "\\arccos"}, {"atan", "\\arctan"}, {"sinh", "\\sinh"},  {"cosh", "\\cosh"},
    {"tanh", "\\tanh"},   {"log", "\\log"},     {"log2", "\\log_2"}, {"log10", "\\log_{10}"},
    {"max", "\\max"},     {"min", "\\min"},
};

static latex_text fill_notation(typesetter *t, const notation *form, const latex_text *operands)
{
    const char *filled = "";
    for (const char *at = form->form; *at != '\0'; at++) {
        if (strchr("@!$", *at) == NULL) {
            filled = print(t, "%s%c", filled, *at);
            continue;
        }
        const latex_text operand = operands[at[1] - '1'];
        const char *latex = *at == '@' ? operand.latex : write_at_least(t, operand, ATOM);
        const bool square = *at == '$' && strcmp(latex, "1") != 0;
        filled = print(t, "%s%s%s", filled, latex, square ? "^2" : "");
        at++;
    }
    return (latex_text){filled, form->level};
}

static latex_text write_call(typesetter *t, const node *n)
{
    latex_text operands[2] = {{"", ATOM}, {"", ATOM}};
    const char *list = "";
    size_t count = 0;
    for (const node *operand = n->first; operand != NULL; operand = operand->next, count++) {
        const latex_text written = write_node(t, operand);
        if (count < 2)
            operands[count] = written;
        list = print(t, "%s%s%s", list, count > 0 ? ", " : "", written.latex);
    }
    for (size_t i = 0; i < sizeof(notations) / sizeof(notations[0]); i++)
        if (is_text(n, notations[i].name) && notations[i].arity == count)
            return fill_notation(t, &notations[i], operands);
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (is_text(n, operators[i][0])) {
            if (count == 1 && n->first->kind == SYMBOL)
                return (latex_text){print(t, "%s %s", operators[i][1], list), PREFIX};
            return (latex_text){print(t, "%s%s", operators[i][1], enclose(t, list)), APPLIED};
        }
    return (latex_text){
        print(t, "\\operatorname{%s}%s", escape(t, n->text, n->length), enclose(t, list)), APPLIED};
}

static latex_text write_node(typesetter *t, const node *n)
{
    switch (n->kind) {
    case SYMBOL:
        return write_symbol(t, n);
    case WORDS:
        return (latex_text){print(t, "\\text{%s}", escape(t, n->text, n->length)), ATOM};
    case DOTS:
        return (latex_text){"\\ldots", ATOM};
    case NUMBER:
    case NEGATIVE:
    case PRODUCT:
    case QUOTIENT:
        return write_product(t, n);
    case SUM:
        return write_sum(t, n);
    case RELATION:
    case PHRASE:
        return write_row(t, n, "", "");
    case TUPLE:
        return write_row(t, n->first->kind == PHRASE ? n->first : n, "(", ")");
    case CALL:
        return write_call(t, n);
    case CASES:
        break;
    }
    return write_cases(t, n);
}

/* ---- The interface --------------------------------------------------------------------------- */

/* A copy of what was written; the typesetter's own goes. */
static char *finish(typesetter *t, const char *latex)
{
    char *copy = t->no_memory ? NULL : malloc(strlen(latex) + 1);
    if (copy != NULL)
        strcpy(copy, latex);
    while (t->nodes != NULL) {
        node *made = t->nodes->made;
        free(t->nodes);
        t->nodes = made;
    }
    while (t->pieces != NULL) {
        piece *made = t->pieces->made;
        free(t->pieces);
        t->pieces = made;
    }
    return copy;
}

char *typeset_formula(const char *formula)
{
    typesetter t = {.at = formula};
    const node *n = read_phrase(&t);
    skip_blanks(&t);
    const char *latex = "";
    if (!t.failed && *t.at == '\0')
        latex = write_node(&t, n).latex;
    else
        t.failed = true;
    if (t.failed)
        latex = print(&t, "\\text{%s}", escape(&t, formula, strlen(formula)));
    return finish(&t, latex);
}

char *typeset_words(const char *words)
{
    typesetter t = {.at = words};
    return finish(&t, escape(&t, words, strlen(words)));
}
