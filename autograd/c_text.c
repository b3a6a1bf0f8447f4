/* SPDX-License-Identifier: MIT
 *
 * Text of generated C, and the templates it is made of. Knows nothing of programs.
 */
#include "c_text.h"
#include "print.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Text ------------------------------------------------------------------------------------ */

static bool reserve_chars(agi_text *text, size_t n)
{
    if (!text->failed && (n > UINT32_MAX - text->count ||
                          agi_memory_grow(text->memory, (void **)&text->chars, 1, &text->capacity,
                                          (uint64_t)text->count + n, UINT32_MAX) != AG_OK))
        text->failed = true;
    return !text->failed;
}

void agi_text_append(agi_text *text, const char *chars, size_t n)
{
    if (n == 0 || !reserve_chars(text, n))
        return;
    memcpy(text->chars + text->count, chars, n);
    text->count += (uint32_t)n;
}

void agi_text_put(agi_text *text, const char *format, ...)
{
    char few[200];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(few, sizeof(few), format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < sizeof(few)) {
        agi_text_append(text, few, (size_t)n);
        return;
    }
    if (n < 0 || !reserve_chars(text, (size_t)n + 1)) { /* and the end that vsnprintf writes */
        text->failed = true;
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text->chars + text->count, (size_t)n + 1, format, arguments);
    va_end(arguments);
    text->count += (uint32_t)n;
}

void agi_text_free(agi_text *text)
{
    agi_memory_release(text->memory, text->chars, text->capacity);
    *text = (agi_text){.memory = text->memory};
}

/* ---- Literals -------------------------------------------------------------------------------- */

/* Digits of a decimal number, as a literal of the number type. */
static void put_digits(agi_text *text, const agi_c_library *library, const char *digits, size_t n)
{
    bool is_whole = true;
    for (size_t i = 0; i < n; i++)
        is_whole = is_whole && digits[i] != '.' && digits[i] != 'e';
    agi_text_append(text, digits, n);
    agi_text_put(text, "%s%s", is_whole ? ".0" : "", library->use_float ? "f" : "");
}

/* The fewest significant digits that read back to the same number. */
static int count_digits(double number, bool use_float)
{
    int digits = 1;
    for (; digits < 17; digits++) {
        char raw[AGI_NUMBER_SIZE]; /* with the locale's point, which strtod wants, too */
        (void)snprintf(raw, sizeof(raw), "%.*g", digits, number);
        const double back = use_float ? (double)strtof(raw, NULL) : strtod(raw, NULL);
        if (!(back < number || back > number))
            break;
    }
    return digits;
}

void agi_put_literal(agi_text *text, const agi_c_library *library, double number)
{
    const double rounded = library->use_float ? (double)(float)number : number;
    if (isnan(rounded) || isinf(rounded)) {
        const char *type = library->use_float ? "" : "(double)";
        agi_text_put(text,
                     isnan(rounded) ? "%sNAN"
                     : rounded < 0  ? "-%sINFINITY"
                                    : "%sINFINITY",
                     type);
        return;
    }
    char digits[AGI_NUMBER_SIZE];
    agi_format_number(digits, rounded, count_digits(rounded, library->use_float));
    put_digits(text, library, digits, strlen(digits));
}

/* ---- Templates ------------------------------------------------------------------------------- */

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static size_t measure_word(const char *from)
{
    return strspn(from, WORD);
}

/* Digits with a point, and an exponent. */
static size_t measure_number(const char *from)
{
    size_t n = strspn(from, "0123456789.");
    if (from[n] == 'e') {
        const size_t sign = from[n + 1] == '-' || from[n + 1] == '+';
        n += 1 + sign + strspn(from + n + 1 + sign, "0123456789");
    }
    return n;
}

/* The library's own function of that name; NULL: it is libm's. */
static const agi_library_function *find_own(const agi_c_library *library, const char *name,
                                            size_t n)
{
    for (size_t i = 0; i < agi_c_library_count; i++) {
        const agi_library_function *own = &agi_c_library_functions[i];
        if (strncmp(own->name, name, n) == 0 && own->name[n] == '\0')
            return own->in_c99 && !library->small_libm ? NULL : own;
    }
    return NULL;
}

static void put_function(agi_text *text, agi_c_library *library, const char *name, size_t n)
{
    const agi_library_function *own = find_own(library, name, n);
    if (own == NULL) {
        agi_text_append(text, name, n);
        agi_text_put(text, "%s", library->use_float ? "f" : "");
        return;
    }
    library->needed |= UINT64_C(1) << (own - agi_c_library_functions);
    agi_text_put(text, "%s_%s", library->prefix, own->name);
}

void agi_put_template(agi_text *text, agi_c_library *library, const char *pattern,
                      const char *letters, const char *const *operands)
{
    while (*pattern != '\0') {
        const size_t plain = strcspn(pattern, "#@$" WORD);
        agi_text_append(text, pattern, plain);
        pattern += plain;
        const char mark = *pattern;
        const size_t word = measure_word(pattern + (mark == '@' || mark == '$'));
        if (mark == '#') {
            const size_t n = measure_number(pattern + 1);
            put_digits(text, library, pattern + 1, n);
            pattern += 1 + n;
        } else if (mark == '@') {
            put_function(text, library, pattern + 1, word);
            pattern += 1 + word;
        } else if (mark == '$') {
            const char *letter = strchr(letters, pattern[1]);
            assert(letter != NULL);
            agi_text_put(text, "%s", operands[letter - letters]);
            pattern += 2;
        } else if (word == 4 && strncmp(pattern, "real", 4) == 0) {
            agi_text_put(text, "%s", library->use_float ? "float" : "double");
            pattern += word;
        } else {
            agi_text_append(text, pattern, word);
            pattern += word;
        }
    }
}

/* What a function calls becomes needed as it is put, so that is done once for nothing, from the last
 * to the first, which call nobody. */
void agi_put_library(agi_text *text, agi_c_library *library)
{
    agi_text nothing = {.memory = text->memory};
    for (size_t i = agi_c_library_count; i-- > 0;)
        if ((library->needed >> i & 1) != 0)
            agi_put_template(&nothing, library, agi_c_library_functions[i].definition, "", NULL);
    text->failed = text->failed || nothing.failed;
    agi_text_free(&nothing);
    for (size_t i = 0; i < agi_c_library_count; i++)
        if ((library->needed >> i & 1) != 0)
            agi_put_template(text, library, agi_c_library_functions[i].definition, "", NULL);
}
