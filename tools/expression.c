/* SPDX-License-Identifier: MIT
 *
 * The language of expression.h: operator precedence with two explicit stacks (E. W. Dijkstra's
 * shunting yard, 1961), so that depth costs memory and nothing recurses. Gates are recorded the
 * moment their operands are complete; there is no syntax tree. Time and memory are linear in the
 * text.
 */
#define _POSIX_C_SOURCE 200809L /* uselocale */
#include "expression.h"

#include "characters.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

/* ---- The gates ------------------------------------------------------------------------------- */

typedef struct arguments {
    size_t n;
    const ag_value *x, *w;
    const ag_real *numbers;
    ag_real offset;
} arguments;

typedef ag_value record_gate(const arguments *with);

static ag_value record_not_equal(ag_value a, ag_value b)
{
    return ag_sub(ag_constant(a.graph, 1), ag_is_equal(a, b));
}

/* Comparisons are gates here, since a branch in the graph would be of no use: nobody's code took
 * it. All are false if an operand is NaN, != excepted. */
#define LT(a, b) ag_is_less(a, b)
#define LE(a, b) ag_is_less_equal(a, b)
#define GT(a, b) ag_is_less(b, a)
#define GE(a, b) ag_is_less_equal(b, a)
#define EQ(a, b) ag_is_equal(a, b)
#define NE(a, b) record_not_equal(a, b)

#define RECORD(name, value)                                                                        \
    static ag_value record_##name(const arguments *with)                                           \
    {                                                                                              \
        return value;                                                                              \
    }
#define AG_UNARY(name, ...) RECORD(name, ag_##name(with->x[0]))
#define AG_BINARY(name, ...) RECORD(name, ag_##name(with->x[0], with->x[1]))
#define AG_TERNARY(name, ...) RECORD(name, ag_##name(with->x[0], with->x[1], with->x[2]))
#define AG_NARY(name, partner, ...) RECORD(name, RECORD_##partner(name))
#define RECORD_NONE(name) ag_##name(with->n, with->x)
#define RECORD_VALUES(name) ag_##name(with->n, with->x, with->w)
#define RECORD_NUMBERS(name) ag_##name(with->n, with->numbers, with->x, with->offset)
#define AG_COMPARE(name, value, symbol)                                                            \
    static ag_value record_##name(const arguments *with)                                           \
    {                                                                                              \
        const ag_value a = with->x[0], b = with->x[1];                                             \
        return value;                                                                              \
    }
#include <wengert/gates.def>

/* What operands a gate takes: as many as its arity; or any number of them, of pairs, or an offset
 * and pairs of a number and a value. */
typedef enum form {
    FIXED,
    NONE,
    VALUES,
    NUMBERS,
} form;

typedef struct gate {
    const char *name;
    record_gate *record;
    form form;
    size_t arity;
} gate;

#define AG_UNARY(name, ...) {#name, record_##name, FIXED, 1},
#define AG_BINARY(name, ...) {#name, record_##name, FIXED, 2},
#define AG_TERNARY(name, ...) {#name, record_##name, FIXED, 3},
#define AG_NARY(name, partner, ...) {#name, record_##name, partner, 0},
#define AG_COMPARE(name, ...) {#name, record_##name, FIXED, 2},
static const gate gates[] = {
#include <wengert/gates.def>
};

/* How tightly operators bind. */
typedef enum level {
    ANYTHING,
    COMPARISON,
    SUM,
    PRODUCT,
    MINUS,
    POWER,
} level;

typedef struct operation {
    const char *text;
    level level;
    record_gate *record;
} operation;

#define AG_COMPARE(name, value, symbol) {symbol, COMPARISON, record_##name},
static const operation operations[] = {
    {"-", MINUS, record_neg}, /* before an operand; the others stand between two */
    {"+", SUM, record_add},     {"-", SUM, record_sub},   {"*", PRODUCT, record_mul},
    {"/", PRODUCT, record_div}, {"^", POWER, record_pow},
#include <wengert/gates.def>
};

enum {
    GATES = sizeof(gates) / sizeof(*gates),
    OPERATIONS = sizeof(operations) / sizeof(*operations),
    NEGATE = 0
};

static const struct {
    const char *name;
    double number;
} constants[] = {{"pi", 3.14159265358979323846}, {"e", 2.71828182845904523536}};

enum {
    CONSTANTS = sizeof(constants) / sizeof(*constants)
};

/* ---- The parser ------------------------------------------------------------------------------ */

typedef enum token_kind {
    END,
    LINE_END,
    SEMICOLON,
    COMMA,
    OPEN,
    CLOSE,
    ASSIGN,
    OPERATOR,
    NUMBER,
    NAME,
    BAD_NUMBER,
    BAD_CHARACTER,
} token_kind;

typedef struct token {
    token_kind kind;
    size_t operation; /* OPERATOR: its line in operations */
    size_t offset, length;
} token;

/* What a name stands for. */
typedef enum meaning {
    INPUT,
    GATE,
    MATHEMATICAL, /* pi, e */
    BOUND,
} meaning;

typedef struct symbol symbol;

/* An operand on the stack. A number is recorded when something takes it as a value: exponents and
 * coefficients never are. */
typedef struct operand {
    enum {
        LITERAL,  /* a number not recorded */
        CONSTANT, /* a value made of numbers alone */
        VARIABLE,
    } kind;
    bool known; /* a name stands for it already */
    size_t offset;
    union {
        ag_real number;
        ag_value value;
    } is;
} operand;

/* An operator whose right operand is not complete, or what a ")" will close. */
typedef struct pending {
    enum {
        OPERATION,
        PARENTHESIS,
        CALL,
    } kind;
    unsigned which; /* its line in operations or gates */
    size_t offset;  /* a call's is that of the name */
    size_t base;    /* CALL: operands below its own */
} pending;

typedef struct parser {
    ag_graph *graph;
    const char *text;
    size_t length;
    bool numbers_only;
    explain_name *explain;
    void *user;
    expression_error *error;

    symbol *symbols, *fixed; /* the table; the inputs', gates' and constants' members of it */

    token token, before; /* before.kind is END where a statement begins */
    size_t depth;        /* of parentheses */
    struct {
        operand *items;
        size_t count, capacity;
    } operands;
    struct {
        pending *items;
        size_t count, capacity;
    } pending;

    token statement; /* its first token */
    token binding;   /* NAME: the name that the statement binds */
    ag_value result;
    token result_at; /* END: there is none yet */

    struct {
        ag_value *items;
        size_t capacity;
    } values;
    struct {
        ag_real *items;
        size_t capacity;
    } numbers;
    struct {
        char *items;
        size_t capacity;
    } digits;
} parser;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static bool
fail(parser *p, ag_status status, size_t offset, const char *format, ...)
{
    p->error->status = status;
    p->error->offset = offset;
    va_list list;
    va_start(list, format);
    (void)vsnprintf(p->error->message, sizeof(p->error->message), format, list);
    va_end(list);
    return false;
}

static bool fail_memory(parser *p)
{
    return fail(p, AG_OUT_OF_MEMORY, p->token.offset, "%s", ag_strerror(AG_OUT_OF_MEMORY));
}

/* What the engine has refused. */
static bool fail_engine(parser *p, size_t offset)
{
    return fail(p, ag_error(p->graph), offset, "%s", ag_error_message(p->graph));
}

/* Room for count items of size bytes in *items. */
static bool reserve(parser *p, void **items, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return true;
    size_t wanted = *capacity < 32 ? 32 : *capacity;
    while (wanted < count && wanted <= SIZE_MAX / 2 / size)
        wanted *= 2;
    void *block = wanted < count ? NULL : realloc(*items, wanted * size);
    if (block == NULL)
        return fail_memory(p);
    *items = block;
    *capacity = wanted;
    return true;
}

#define RESERVE(p, array, count)                                                                   \
    reserve(p, (void **)&(array).items, &(array).capacity, count, sizeof(*(array).items))

/* ---- Tokens ---------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char look(const parser *p, size_t at)
{
    return at < p->length ? p->text[at] : '\0';
}

/* Past blanks and comments, and past the ends of lines where they mean nothing. */
static size_t skip_blanks(const parser *p, size_t at, bool lines)
{
    for (; at < p->length; at++) {
        const char c = p->text[at];
        if (c == '#') {
            const char *end = memchr(p->text + at, '\n', p->length - at);
            if (end == NULL)
                return p->length;
            at = (size_t)(end - p->text) - 1;
        } else if (c != ' ' && c != '\t' && c != '\r' && !(c == '\n' && lines)) {
            break;
        }
    }
    return at;
}

static size_t skip_digits(const parser *p, size_t at, size_t *digits, size_t *points)
{
    for (; is_digit(look(p, at)) || look(p, at) == '.'; at++)
        ++*(p->text[at] == '.' ? points : digits);
    return at;
}

/* Takes in all that may have been meant as a number: 1.2.3, 1e, 1e5.5. The e of 2exp(x) was not. */
static token read_number_token(const parser *p, size_t begin)
{
    size_t digits = 0, points = 0, at = skip_digits(p, begin, &digits, &points);
    bool good = digits > 0 && points <= 1;
    if (digits > 0 && (look(p, at) == 'e' || look(p, at) == 'E')) {
        const bool sign = look(p, at + 1) == '-' || look(p, at + 1) == '+';
        const size_t power = at + 1 + sign;
        digits = points = 0;
        if (sign || !is_letter(look(p, power))) {
            at = skip_digits(p, power, &digits, &points);
            good = good && digits > 0 && points == 0;
        }
    }
    return (token){good ? NUMBER : BAD_NUMBER, 0, begin, at - begin};
}

static token read_token(const parser *p, size_t from)
{
    const size_t at = skip_blanks(p, from, p->depth > 0);
    if (at == p->length)
        return (token){END, 0, at, 0};
    const char c = p->text[at], next = look(p, at + 1);
    if (is_digit(c) || c == '.')
        return read_number_token(p, at);
    if (is_letter(c)) {
        size_t end = at + 1;
        while (is_letter(look(p, end)) || is_digit(look(p, end)))
            end++;
        return (token){NAME, 0, at, end - at};
    }
    static const char marks[] = "\n;,()";
    const char *mark = c == '\0' ? NULL : strchr(marks, c);
    if (mark != NULL)
        return (token){LINE_END + (token_kind)(mark - marks), 0, at, 1};
    token found = {BAD_CHARACTER, 0, at, 0};
    for (size_t i = 1; i < OPERATIONS; i++) {
        const char *text = operations[i].text;
        const size_t length = strlen(text);
        if (c == text[0] && (length == 1 || next == text[1]) && length > found.length)
            found = (token){OPERATOR, i, at, length};
    }
    if (found.kind == BAD_CHARACTER && c == '=')
        found = (token){ASSIGN, 0, at, 1};
    if (found.kind == BAD_CHARACTER) {
        uint32_t code;
        found.length = read_character(p->length - at, p->text + at, &code);
    }
    return found;
}

static void advance(parser *p)
{
    p->before = p->token;
    p->token = read_token(p, p->token.offset + p->token.length);
}

/* Where an operand is missing the end of a line means nothing. */
static void skip_lines(parser *p)
{
    while (p->token.kind == LINE_END)
        p->token = read_token(p, p->token.offset + p->token.length);
}

enum {
    SHOWN = 56
};

static const char *show(const parser *p, size_t offset, size_t length, char shown[SHOWN])
{
    show_text(length, p->text + offset, SHOWN, shown);
    return shown;
}

static const char *show_token(const parser *p, const token *t, char shown[SHOWN])
{
    return show(p, t->offset, t->length, shown);
}

/* ---- Complaints about tokens ----------------------------------------------------------------- */

static bool refuse_number(parser *p, const token *t)
{
    char shown[SHOWN];
    const char *text = show_token(p, t, shown), last = p->text[t->offset + t->length - 1];
    if (last == 'e' || last == 'E' || last == '+' || last == '-')
        return fail(p, AG_PARSE, t->offset,
                    "\"%s\" is not a number: an exponent follows the e, as in 1e3", text);
    return fail(p, AG_PARSE, t->offset, "\"%s\" is not a number", text);
}

/* Characters that other people's texts have, and what they mean here. */
static const char *translate(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *text;
    } known[] = {
        {0xA0, "a blank"}, {0xB2, "^2"},     {0xB3, "^3"},   {0xB7, "*"},    {0xD7, "*"},
        {0xF7, "/"},       {0x3C0, "pi"},    {0x2013, "-"},  {0x2212, "-"},  {0x22C5, "*"},
        {0x2215, "/"},     {0x221A, "sqrt"}, {0x2260, "!="}, {0x2264, "<="}, {0x2265, ">="},
        {'[', "("},        {']', ")"},       {'{', "("},     {'}', ")"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i].code == code)
            return known[i].text;
    return NULL;
}

static bool refuse_character(parser *p, const token *t)
{
    uint32_t code;
    char shown[SHOWN];
    const size_t size = read_character(p->length - t->offset, p->text + t->offset, &code);
    const char *instead = translate(code), *write = instead == NULL ? "" : ": write ";
    if (instead == NULL)
        instead = "";
    if (code == NO_CHARACTER)
        return fail(p, AG_PARSE, t->offset, "unknown character: byte 0x%02X, which is not UTF-8",
                    (unsigned)(unsigned char)p->text[t->offset]);
    if (!is_printable(code) || code == 0xA0)
        return fail(p, AG_PARSE, t->offset, "unknown character U+%04lX%s%s", (unsigned long)code,
                    write, instead);
    show(p, t->offset, size, shown);
    if (code < 0x80)
        return fail(p, AG_PARSE, t->offset, "unknown character \"%s\"%s%s", shown, write, instead);
    return fail(p, AG_PARSE, t->offset, "unknown character \"%s\" (U+%04lX)%s%s", shown,
                (unsigned long)code, write, instead);
}

/* The end of the text is where its last token ends. */
static size_t place_of(const parser *p, const token *t)
{
    return t->kind == END ? p->before.offset + p->before.length : t->offset;
}

static bool expect_operand(parser *p)
{
    const token *t = &p->token, *before = &p->before;
    if (t->kind == BAD_NUMBER)
        return refuse_number(p, t);
    if (t->kind == BAD_CHARACTER)
        return refuse_character(p, t);
    char found[SHOWN + 2] = "the end", shown[SHOWN], after[SHOWN];
    if (t->kind != END)
        (void)snprintf(found, sizeof(found), "\"%s\"", show_token(p, t, shown));
    if (before->kind == END)
        return fail(p, AG_PARSE, place_of(p, t), "expected an expression, found %s", found);
    const bool twice = before->kind == OPERATOR && t->kind == OPERATOR &&
                       p->text[before->offset] == '*' && p->text[t->offset] == '*';
    return fail(p, AG_PARSE, place_of(p, t),
                "expected a number, a name or \"(\" after \"%s\", found %s%s",
                show_token(p, before, after), found, twice ? ": powers are written ^" : "");
}

/* ---- Names ----------------------------------------------------------------------------------- */

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>

struct symbol {
    UT_hash_handle hh;
    const char *name;
    size_t length;
    meaning meaning;
    unsigned which; /* its line in gates or constants */
    bool constant;  /* BOUND, MATHEMATICAL: made of numbers alone */
    bool lost;
    bool owned;     /* a block of its own, and not one of parser.fixed */
    ag_value value; /* MATHEMATICAL: null before it is used */
    size_t offset;  /* BOUND: where */
};

#if defined(__GNUC__)
/* uthash's macros convert and shadow freely */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif

static symbol *find_symbol(const parser *p, size_t length, const char *name)
{
    symbol *found = NULL;
    HASH_FIND(hh, p->symbols, name, length, found);
    return found;
}

static bool add_symbol(parser *p, symbol *s)
{
    HASH_ADD_KEYPTR(hh, p->symbols, s->name, s->length, s);
    return s->lost ? fail_memory(p) : true;
}

/* NULL: no memory. */
static symbol *add_owned_symbol(parser *p, symbol like)
{
    symbol *s = malloc(sizeof(symbol));
    if (s == NULL) {
        (void)fail_memory(p);
        return NULL;
    }
    *s = like;
    s->owned = true;
    if (add_symbol(p, s))
        return s;
    free(s);
    return NULL;
}

static void free_symbols(parser *p)
{
    symbol *s = p->symbols, *next;
    HASH_CLEAR(hh, p->symbols); /* the symbols themselves stay as they are */
    for (; s != NULL; s = next) {
        next = s->hh.next;
        if (s->owned)
            free(s);
    }
    free(p->fixed);
}

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

static bool refuse_input(parser *p, const symbol *s, const symbol *other)
{
    char shown[SHOWN];
    show_text(s->length, s->name, SHOWN, shown);
    p->error->line = SIZE_MAX; /* no place in the text */
    if (other == NULL)
        return fail(p, AG_NULL_VALUE, 0, "the input \"%s\" has no value", shown);
    if (other->meaning == INPUT)
        return fail(p, AG_INVALID_ARGUMENT, 0, "the input \"%s\" is there twice", shown);
    return fail(p, AG_INVALID_ARGUMENT, 0, "\"%s\" can't be an input: it is a %s", shown,
                other->meaning == GATE ? "gate" : "constant");
}

static bool add_fixed_symbols(parser *p, size_t n, const expression_input *inputs)
{
    if (n > SIZE_MAX / sizeof(symbol) - GATES - CONSTANTS)
        return fail_memory(p);
    symbol *s = p->fixed = calloc(GATES + CONSTANTS + n, sizeof(symbol));
    if (s == NULL)
        return fail_memory(p);
    for (unsigned i = 0; i < GATES; i++, s++) {
        *s = (symbol){.name = gates[i].name, .meaning = GATE, .which = i};
        s->length = strlen(s->name);
        if (!add_symbol(p, s))
            return false;
    }
    for (unsigned i = 0; i < CONSTANTS; i++, s++) {
        *s = (symbol){.name = constants[i].name, .meaning = MATHEMATICAL, .which = i};
        s->length = strlen(s->name);
        s->constant = true;
        if (!add_symbol(p, s))
            return false;
    }
    for (size_t i = 0; i < n; i++, s++) {
        *s = (symbol){.name = inputs[i].name, .meaning = INPUT, .value = inputs[i].value};
        s->length = strlen(s->name);
        const symbol *other = find_symbol(p, s->length, s->name);
        if (other != NULL || ag_is_null(s->value))
            return refuse_input(p, s, other);
        if (!add_symbol(p, s))
            return false;
    }
    return true;
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

enum {
    LONGEST = 32 /* names that are compared, since the time is a product of lengths */
};

/* Insertions, deletions, substitutions and exchanges of neighbours that make one name the other (F.
 * Damerau, 1964; the variant in which nothing is edited twice). Case is no difference; a digit is
 * two, since x1 is seldom meant to be x2. Up to LONGEST characters each. */
static size_t measure_distance(size_t n, const char *a, size_t m, const char *b)
{
    size_t rows[3][LONGEST + 1] = {{0}};
    for (size_t j = 1; j <= m; j++)
        rows[0][j] = rows[0][j - 1] + 1 + is_digit(b[j - 1]);
    for (size_t i = 1; i <= n; i++) {
        const size_t *above = rows[(i - 1) % 3], *higher = rows[(i + 1) % 3];
        size_t *row = rows[i % 3];
        const char c = to_lower(a[i - 1]);
        const size_t cost = (size_t)1 + is_digit(c);
        row[0] = above[0] + cost;
        for (size_t j = 1; j <= m; j++) {
            const char d = to_lower(b[j - 1]);
            const size_t other = (size_t)1 + is_digit(d), most = cost > other ? cost : other;
            size_t best = above[j - 1] + (c == d ? 0 : most);
            if (above[j] + cost < best)
                best = above[j] + cost;
            if (row[j - 1] + other < best)
                best = row[j - 1] + other;
            if (i > 1 && j > 1 && c == to_lower(b[j - 2]) && d == to_lower(a[i - 2]) &&
                higher[j - 2] + 1 < best)
                best = higher[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

/* The symbol that name was meant to be, or NULL. The more letters, the more may be wrong. */
static const symbol *find_nearest(const parser *p, size_t length, const char *name, bool call)
{
    const symbol *nearest = NULL;
    size_t least = (length + 1) / 3 + 1;
    if (length > LONGEST)
        return NULL;
    if (length == 2 && memcmp(name, "ln", 2) == 0)
        return find_symbol(p, 3, "log");
    for (const symbol *s = p->symbols; s != NULL; s = s->hh.next) {
        const size_t longer = s->length > length ? s->length - length : length - s->length;
        if (longer >= least || s->length > LONGEST || (call && s->meaning != GATE))
            continue;
        const size_t distance = measure_distance(length, name, s->length, s->name);
        if (distance < least) {
            least = distance;
            nearest = s;
        }
    }
    return nearest;
}

static bool refuse_name(parser *p, const token *t, bool call);

/* Asks whoever may know what a name stands for. */
static symbol *explain_symbol(parser *p, const token *t)
{
    const char *name = p->text + t->offset;
    const ag_value value =
        p->explain == NULL ? ag_find(NULL, NULL) : p->explain(p->user, t->length, name);
    if (!ag_is_null(value))
        return add_owned_symbol(
            p, (symbol){.name = name, .length = t->length, .meaning = INPUT, .value = value});
    if (ag_error(p->graph) != AG_OK)
        (void)fail_engine(p, t->offset);
    else
        (void)refuse_name(p, t, false);
    return NULL;
}

static bool refuse_name(parser *p, const token *t, bool call)
{
    char shown[SHOWN], other[SHOWN];
    const char *name = show_token(p, t, shown);
    const symbol *near = find_nearest(p, t->length, p->text + t->offset, call);
    if (near != NULL) {
        show_text(near->length, near->name, SHOWN, other);
        return fail(p, AG_INVALID_ARGUMENT, t->offset, "unknown name \"%s\": did you mean \"%s\"?",
                    name, other);
    }
    if (call)
        return fail(p, AG_INVALID_ARGUMENT, t->offset, "unknown gate \"%s\"", name);
    if (p->numbers_only)
        return fail(p, AG_INVALID_ARGUMENT, t->offset,
                    "unknown name \"%s\": only numbers can stand here", name);
    if (p->explain != NULL)
        return fail(p, AG_INVALID_ARGUMENT, t->offset, "unknown name \"%s\": no such input", name);
    return fail(p, AG_INVALID_ARGUMENT, t->offset,
                "unknown name \"%s\": give it a value, as in %s=1", name, name);
}

/* ---- Recording ------------------------------------------------------------------------------- */

static bool push_operand(parser *p, operand o)
{
    if (!RESERVE(p, p->operands, p->operands.count + 1))
        return false;
    p->operands.items[p->operands.count++] = o;
    return true;
}

static bool push_pending(parser *p, pending q)
{
    if (!RESERVE(p, p->pending, p->pending.count + 1))
        return false;
    p->pending.items[p->pending.count++] = q;
    return true;
}

/* The operand as a node. */
static ag_value take_value(parser *p, operand *o)
{
    if (o->kind == LITERAL) {
        o->is.value = ag_constant(p->graph, o->is.number);
        o->kind = CONSTANT;
    }
    return o->is.value;
}

/* Puts a gate's value in the place of its n operands. */
static bool replace_operands(parser *p, size_t n, ag_value value, size_t place)
{
    if (ag_is_null(value))
        return fail_engine(p, place);
    operand *o = &p->operands.items[p->operands.count - n];
    bool constant = true;
    for (size_t i = 0; i < n; i++)
        constant = constant && o[i].kind != VARIABLE;
    o->kind = constant ? CONSTANT : VARIABLE;
    o->known = false;
    o->is.value = value;
    p->operands.count -= n - 1;
    return true;
}

/* A whole exponent made of numbers becomes a constant of its own, so that x^(1+1) has the gradient
 * of x^2 for negative x, too. */
static ag_value record_power(parser *p, operand *base, operand *exponent)
{
    const double limit = 16777216; /* what a float can count to */
    if (exponent->kind == CONSTANT && ag_operand_count(exponent->is.value) > 0) {
        const double number = (double)ag_data(exponent->is.value);
        if (fabs(number) <= limit && number == floor(number))
            return ag_pow_int(take_value(p, base), (int)number);
    }
    const ag_value x = take_value(p, base);
    return ag_pow(x, take_value(p, exponent));
}

static ag_value record_operation(parser *p, const operation *o, operand *x)
{
    if (o->record == record_pow)
        return record_power(p, &x[0], &x[1]);
    if (o->record == record_div && x[0].kind == LITERAL && x[0].is.number == 1 &&
        x[1].kind != LITERAL)
        return ag_reciprocal(x[1].is.value);
    ag_value values[2] = {take_value(p, &x[0])};
    if (o->record != record_neg)
        values[1] = take_value(p, &x[1]);
    return o->record(&(arguments){.x = values});
}

static bool apply_operation(parser *p)
{
    const pending *q = &p->pending.items[--p->pending.count];
    const operation *o = &operations[q->which];
    const size_t n = o->level == MINUS ? 1 : 2;
    operand *x = &p->operands.items[p->operands.count - n];
    return replace_operands(p, n, record_operation(p, o, x), q->offset);
}

/* Applies the operators that bind their right operand tighter than one of this level would. */
static bool reduce(parser *p, level l)
{
    while (p->pending.count > 0) {
        const pending *q = &p->pending.items[p->pending.count - 1];
        if (q->kind != OPERATION || operations[q->which].level < l ||
            (operations[q->which].level == l && l == POWER))
            return true;
        if (operations[q->which].level == COMPARISON && l == COMPARISON)
            return fail(p, AG_PARSE, p->token.offset,
                        "comparisons can't be chained: multiply them, as in (a < b)*(b < c)");
        if (!apply_operation(p))
            return false;
    }
    return true;
}

/* "1 operand", "none", ... */
static const char *count_operands(size_t n, char text[SHOWN])
{
    (void)snprintf(text, SHOWN, n == 0 ? "none" : "%zu", n);
    return text;
}

static bool check_arity(parser *p, const gate *g, size_t n, size_t place)
{
    char found[SHOWN];
    count_operands(n, found);
    if (g->form == FIXED && n != g->arity)
        return fail(p, AG_PARSE, place, "%s takes %zu operand%s, found %s", g->name, g->arity,
                    g->arity == 1 ? "" : "s", found);
    if (g->form == NONE && n == 0)
        return fail(p, AG_PARSE, place, "%s takes at least 1 operand, found %s", g->name, found);
    if (g->form == VALUES && (n == 0 || n % 2 != 0))
        return fail(p, AG_PARSE, place,
                    "%s takes pairs of operands, %s(x1, w1, x2, w2, ...), found %s", g->name,
                    g->name, found);
    if (g->form == NUMBERS && (n < 3 || n % 2 != 1))
        return fail(p, AG_PARSE, place,
                    "%s takes an offset and pairs, %s(offset, w1, x1, w2, x2, ...), found %s",
                    g->name, g->name, found);
    return true;
}

/* The number that a coefficient is. */
static bool take_number(parser *p, const gate *g, const operand *o, ag_real *number)
{
    if (o->kind == VARIABLE)
        return fail(p, AG_PARSE, o->offset,
                    "%s takes numbers for its offset and w1, w2, ...: this depends on inputs",
                    g->name);
    *number = o->kind == LITERAL ? o->is.number : ag_data(o->is.value);
    return true;
}

/* Sorts n operands into what the gate's function takes. */
static bool sort_operands(parser *p, const gate *g, size_t n, operand *o, arguments *with)
{
    if (!RESERVE(p, p->values, n))
        return false;
    ag_value *x = p->values.items;
    *with = (arguments){.n = n, .x = x};
    switch (g->form) {
    case FIXED:
    case NONE:
        for (size_t i = 0; i < n; i++)
            x[i] = take_value(p, &o[i]);
        return true;
    case VALUES:
        with->n = n / 2;
        with->w = x + n / 2;
        for (size_t i = 0; i < n; i++)
            x[i / 2 + i % 2 * (n / 2)] = take_value(p, &o[i]);
        return true;
    case NUMBERS:
        with->n = n / 2;
        if (!RESERVE(p, p->numbers, n / 2) || !take_number(p, g, &o[0], &with->offset))
            return false;
        with->numbers = p->numbers.items;
        for (size_t i = 0; i < n / 2; i++) {
            if (!take_number(p, g, &o[2 * i + 1], &p->numbers.items[i]))
                return false;
            x[i] = take_value(p, &o[2 * i + 2]);
        }
        return true;
    }
    return true;
}

/* All operands on the stack above base. */
static bool apply_gate(parser *p, const gate *g, size_t base, size_t place)
{
    const size_t n = p->operands.count - base;
    arguments with;
    if (!check_arity(p, g, n, place) || !sort_operands(p, g, n, &p->operands.items[base], &with) ||
        !replace_operands(p, n, g->record(&with), place))
        return false;
    p->operands.items[base].offset = place;
    return true;
}

/* ---- Operands -------------------------------------------------------------------------------- */

/* Correctly rounded, as strtod does it. The locale must be C's. */
static bool read_number(parser *p, const token *t, ag_real *number)
{
    if (!RESERVE(p, p->digits, t->length + 1))
        return false;
    char *digits = p->digits.items, shown[SHOWN];
    memcpy(digits, p->text + t->offset, t->length);
    digits[t->length] = '\0';
#ifdef AG_REAL_FLOAT
    *number = strtof(digits, NULL);
#else
    *number = strtod(digits, NULL);
#endif
    const char *what = !isfinite(*number) ? "large" : NULL;
    digits[strcspn(digits, "eE")] = '\0';
    if (*number == 0 && strpbrk(digits, "123456789") != NULL)
        what = "small";
    if (what != NULL)
        return fail(p, AG_PARSE, t->offset, "%s is too %s a number", show_token(p, t, shown), what);
    return true;
}

/* -2 is one number, unless a power follows: -2^2 is -(2^2). */
static bool push_number(parser *p)
{
    operand o = {.kind = LITERAL, .offset = p->token.offset};
    if (!read_number(p, &p->token, &o.is.number))
        return false;
    advance(p);
    const pending *q = p->pending.count == 0 ? NULL : &p->pending.items[p->pending.count - 1];
    const bool power = p->token.kind == OPERATOR && operations[p->token.operation].level == POWER;
    if (q != NULL && q->kind == OPERATION && q->which == NEGATE && !power) {
        o.is.number = -o.is.number;
        o.offset = q->offset;
        p->pending.count--;
    }
    return push_operand(p, o);
}

/* pi and e are made when they are first used. A name of that kind that the graph has already, from
 * an expression before, is taken over. */
static bool make_constant(parser *p, symbol *s, size_t place)
{
    const ag_real number = (ag_real)constants[s->which].number;
    s->value = ag_find(p->graph, s->name);
    if (!ag_is_null(s->value)) {
        if (strcmp(ag_gate_name(s->value), "constant") == 0 && ag_data(s->value) == number)
            return true;
        s->value = ag_constant(p->graph, number); /* somebody else has the name */
        return ag_is_null(s->value) ? fail_engine(p, place) : true;
    }
    s->value = ag_constant(p->graph, number);
    if (ag_is_null(s->value) || ag_name(s->value, s->name) != AG_OK)
        return fail_engine(p, place);
    return true;
}

/* The token after the name is at hand. */
static bool read_name(parser *p, const token *name, bool *wants_operand)
{
    char shown[SHOWN];
    symbol *s = find_symbol(p, name->length, p->text + name->offset);
    const bool call = p->token.kind == OPEN;
    if (s == NULL && call)
        return refuse_name(p, name, call);
    if (s == NULL && (s = explain_symbol(p, name)) == NULL)
        return false;
    show_token(p, name, shown);
    if (call && s->meaning != GATE)
        return fail(p, AG_PARSE, p->token.offset, "%s is not a gate: a product is written %s*(...)",
                    shown, shown);
    if (!call && s->meaning == GATE)
        return fail(p, AG_PARSE, place_of(p, &p->token), "expected \"(\" after the gate %s", shown);
    if (call) {
        const pending q = {CALL, s->which, name->offset, p->operands.count};
        if (!push_pending(p, q))
            return false;
        p->depth++;
        advance(p);
        return true;
    }
    if (s->meaning == MATHEMATICAL && ag_is_null(s->value) && !make_constant(p, s, name->offset))
        return false;
    const operand o = {.kind = s->constant ? CONSTANT : VARIABLE,
                       .known = true,
                       .offset = name->offset,
                       .is.value = s->value};
    *wants_operand = false;
    return push_operand(p, o);
}

/* Also ")", behind the last operand of a call or behind none. */
static bool close_parenthesis(parser *p)
{
    if (p->depth == 0)
        return fail(p, AG_PARSE, p->token.offset, "\")\" without a \"(\"");
    const pending q = p->pending.items[--p->pending.count];
    if (q.kind == CALL && !apply_gate(p, &gates[q.which], q.base, q.offset))
        return false;
    p->depth--;
    advance(p);
    return true;
}

static bool read_operand(parser *p, bool *wants_operand)
{
    skip_lines(p);
    const token t = p->token;
    switch (t.kind) {
    case NUMBER:
        *wants_operand = false;
        return push_number(p);
    case NAME:
        advance(p);
        return read_name(p, &t, wants_operand);
    case OPEN:
        if (!push_pending(p, (pending){PARENTHESIS, 0, t.offset, 0}))
            return false;
        p->depth++;
        advance(p);
        return true;
    case CLOSE:
        if (p->before.kind == OPEN && p->pending.items[p->pending.count - 1].kind == CALL) {
            *wants_operand = false;
            return close_parenthesis(p);
        }
        if (p->before.kind == END)
            return close_parenthesis(p);
        return expect_operand(p);
    case OPERATOR:
        if (operations[t.operation].level != SUM)
            return expect_operand(p);
        if (operations[t.operation].record == record_sub &&
            !push_pending(p, (pending){OPERATION, NEGATE, t.offset, 0}))
            return false;
        advance(p);
        return true;
    default:
        return expect_operand(p);
    }
}

/* ---- Operators ------------------------------------------------------------------------------- */

/* As it would stand in a product: "2", "x", "sin(...)", "(...)". */
static void show_factor(const parser *p, const token *t, char shown[SHOWN])
{
    show_token(p, t, shown);
    const symbol *s = find_symbol(p, t->length, p->text + t->offset);
    if (t->kind == OPEN || t->kind == CLOSE)
        (void)snprintf(shown, SHOWN, "(...)");
    else if (s != NULL && s->meaning == GATE)
        (void)snprintf(shown, SHOWN, "%s(...)", s->name);
}

static bool expect_operator(parser *p)
{
    char a[SHOWN], b[SHOWN], left[SHOWN], right[SHOWN];
    const token *t = &p->token;
    if (t->kind == BAD_CHARACTER)
        return refuse_character(p, t);
    show_token(p, &p->before, a);
    show_token(p, t, b);
    if (t->kind == ASSIGN)
        return fail(
            p, AG_PARSE, t->offset,
            "expected an operator after \"%s\", found \"=\": \"==\" compares, \"name = ...\" binds",
            a);
    show_factor(p, &p->before, left);
    show_factor(p, t, right);
    return fail(p, AG_PARSE, t->offset,
                "expected an operator between \"%s\" and \"%s\": write %s*%s", a, b, left, right);
}

static bool read_operator(parser *p, bool *wants_operand)
{
    const token t = p->token;
    switch (t.kind) {
    case OPERATOR:
        *wants_operand = true;
        if (!reduce(p, operations[t.operation].level) ||
            !push_pending(p, (pending){OPERATION, (unsigned)t.operation, t.offset, 0}))
            return false;
        advance(p);
        return true;
    case COMMA:
        *wants_operand = true;
        if (!reduce(p, ANYTHING))
            return false;
        if (p->depth == 0 || p->pending.items[p->pending.count - 1].kind != CALL)
            return fail(p, AG_PARSE, t.offset,
                        "\",\" stands between the operands of a gate; in numbers it is a point");
        advance(p);
        return true;
    case CLOSE:
        return reduce(p, ANYTHING) && close_parenthesis(p);
    default:
        return expect_operator(p);
    }
}

/* ---- Statements ------------------------------------------------------------------------------ */

static bool refuse_binding(parser *p, const token *name, const symbol *s)
{
    static const char *const what[] = {
        [INPUT] = "an input", [GATE] = "a gate", [MATHEMATICAL] = "a constant"};
    char shown[SHOWN];
    show_token(p, name, shown);
    if (s->meaning != BOUND)
        return fail(p, AG_INVALID_ARGUMENT, name->offset, "\"%s\" is %s: bind another name", shown,
                    what[s->meaning]);
    size_t line, column;
    locate(p->text, s->offset, &line, &column);
    return fail(p, AG_INVALID_ARGUMENT, name->offset,
                "\"%s\" is bound already, at %zu:%zu: bind another name", shown, line, column);
}

/* The name that the statement binds, as a string. */
static bool copy_binding(parser *p)
{
    const size_t length = p->binding.length;
    if (!RESERVE(p, p->digits, length + 1))
        return false;
    memcpy(p->digits.items, p->text + p->binding.offset, length);
    p->digits.items[length] = '\0';
    return true;
}

/* Gives the statement's value its name. */
static bool bind(parser *p, operand *o)
{
    const ag_value value = take_value(p, o);
    if (ag_is_null(value))
        return fail_engine(p, p->binding.offset);
    if (add_owned_symbol(p, (symbol){.name = p->text + p->binding.offset,
                                     .length = p->binding.length,
                                     .meaning = BOUND,
                                     .constant = o->kind == CONSTANT,
                                     .value = value,
                                     .offset = p->binding.offset}) == NULL)
        return false;
    if (o->known)
        return true;
    return copy_binding(p) &&
           (ag_name(value, p->digits.items) == AG_OK || fail_engine(p, p->binding.offset));
}

static bool end_statement(parser *p)
{
    if (!reduce(p, ANYTHING))
        return false;
    if (p->pending.count > 0) {
        const pending *q = &p->pending.items[p->pending.count - 1];
        size_t open = q->offset;
        if (q->kind == CALL)
            open = skip_blanks(p, open + strlen(gates[q->which].name), true);
        return fail(p, AG_PARSE, open, "the \"(\" is not closed");
    }
    operand *o = &p->operands.items[--p->operands.count];
    if (p->binding.kind == NAME)
        return bind(p, o);
    p->result = take_value(p, o);
    p->result_at = p->statement;
    return ag_is_null(p->result) ? fail_engine(p, p->statement.offset) : true;
}

/* Reads "name =", or the operand that a name at the beginning is. */
static bool begin_statement(parser *p, bool *wants_operand)
{
    p->before = (token){END, 0, p->token.offset, 0};
    p->statement = p->token;
    p->binding.kind = END;
    if (p->token.kind != NAME)
        return true;
    const token name = p->token;
    advance(p);
    if (p->token.kind != ASSIGN)
        return read_name(p, &name, wants_operand);
    const symbol *s = find_symbol(p, name.length, p->text + name.offset);
    if (s != NULL)
        return refuse_binding(p, &name, s);
    p->binding = name;
    advance(p);
    return true;
}

/* From the first operand, or the operator after it, to the statement's end. */
static bool read_value(parser *p, bool wants_operand)
{
    while (wants_operand ||
           (p->token.kind != SEMICOLON && p->token.kind != LINE_END && p->token.kind != END))
        if (!(wants_operand ? read_operand : read_operator)(p, &wants_operand))
            return false;
    return end_statement(p);
}

/* What a name is bound to is a scope, so that drawings can fold it. */
static bool read_statement(parser *p)
{
    bool wants_operand = true;
    if (p->result_at.kind != END)
        return fail(p, AG_PARSE, p->result_at.offset,
                    "only the last expression goes without a name: write name = ... here");
    if (!begin_statement(p, &wants_operand))
        return false;
    if (p->binding.kind != NAME)
        return read_value(p, wants_operand);
    if (!copy_binding(p))
        return false;
    (void)ag_scope_begin(p->graph, p->digits.items);
    const bool good = read_value(p, wants_operand);
    (void)ag_scope_end(p->graph);
    return good;
}

static bool read_statements(parser *p)
{
    size_t end = 0; /* of the last statement */
    while (true) {
        while (p->token.kind == SEMICOLON || p->token.kind == LINE_END)
            advance(p);
        if (p->token.kind == END)
            break;
        if (!read_statement(p))
            return false;
        end = p->before.offset + p->before.length;
    }
    if (p->result_at.kind != END)
        return true;
    if (p->statement.kind == END)
        return fail(p, AG_PARSE, 0, "expected an expression, found nothing");
    char shown[SHOWN], name[SHOWN];
    const size_t begin = p->statement.offset;
    return fail(p, AG_PARSE, begin, "\"%s\" is not the result: end with an expression, such as %s",
                show(p, begin, end - begin, shown), show_token(p, &p->binding, name));
}

/* ---- The interface --------------------------------------------------------------------------- */

static void begin_text(parser *p)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* of byte order: some editors begin with it */
    const bool marked = p->length >= 3 && memcmp(p->text, mark, 3) == 0;
    p->token = read_token(p, marked ? 3 : 0);
}

static bool parse(parser *p, size_t n, const expression_input *inputs)
{
    /* strtod obeys the thread's locale */
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return fail_memory(p);
    const locale_t before = uselocale(c);
    begin_text(p);
    const bool good = add_fixed_symbols(p, n, inputs) && read_statements(p);
    uselocale(before);
    freelocale(c);
    return good;
}

static void free_parser(parser *p)
{
    free_symbols(p);
    free(p->operands.items);
    free(p->pending.items);
    free(p->values.items);
    free(p->numbers.items);
    free(p->digits.items);
}

static ag_value record(ag_graph *graph, size_t length, const char *text, size_t n,
                       const expression_input *inputs, parser p, expression_error *error)
{
    expression_error ignored;
    if (error == NULL)
        error = &ignored;
    *error = (expression_error){.status = AG_OK};
    p.graph = graph;
    p.text = text;
    p.length = length;
    p.error = error;
    const ag_mark mark = ag_graph_mark(graph);
    const bool good = ag_error(graph) == AG_OK ? parse(&p, n, inputs) : fail_engine(&p, 0);
    free_parser(&p);
    if (good)
        return p.result;
    if (error->line == SIZE_MAX)
        error->line = 0;
    else
        locate(text, error->offset, &error->line, &error->column);
    if (mark.graph != NULL)
        (void)ag_graph_rewind(graph, mark);
    return ag_find(NULL, NULL);
}

ag_value record_expression(ag_graph *graph, size_t length, const char *text, size_t n,
                           const expression_input *inputs, expression_error *error)
{
    return record(graph, length, text, n, inputs, (parser){0}, error);
}

ag_value record_open_expression(ag_graph *graph, size_t length, const char *text, size_t n,
                                const expression_input *inputs, explain_name *explain, void *user,
                                expression_error *error)
{
    return record(graph, length, text, n, inputs, (parser){.explain = explain, .user = user},
                  error);
}

bool evaluate_number(size_t length, const char *text, double *number, expression_error *error)
{
    ag_graph *graph = ag_graph_new(NULL);
    const ag_value value =
        record(graph, length, text, 0, NULL, (parser){.numbers_only = true}, error);
    const bool good = !ag_is_null(value);
    if (good)
        *number = (double)ag_data(value);
    ag_graph_free(graph);
    return good;
}

bool is_input_name(size_t length, const char *text)
{
    if (length == 0 || !is_letter(text[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_letter(text[i]) && !is_digit(text[i]))
            return false;
    for (size_t i = 0; i < GATES + CONSTANTS; i++) {
        const char *taken = i < GATES ? gates[i].name : constants[i - GATES].name;
        if (strlen(taken) == length && memcmp(taken, text, length) == 0)
            return false;
    }
    return true;
}
