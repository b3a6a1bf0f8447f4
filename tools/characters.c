/* SPDX-License-Identifier: MIT
 *
 * UTF-8 as RFC 3629 has it, and the errors of expressions as people like to read them.
 */
#include "characters.h"

#include "expression.h"

#include <string.h>

size_t read_character(size_t length, const char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char first = (unsigned char)text[0];
    const size_t more = first < 0x80    ? 0
                        : first < 0xC0  ? length /* never enough */
                        : first < 0xE0  ? 1
                        : first < 0xF0  ? 2
                        : first <= 0xF4 ? 3
                                        : length;
    *code = NO_CHARACTER;
    if (more >= length)
        return 1;
    uint32_t c = more == 0 ? first : first & (0x3FU >> more);
    for (size_t i = 1; i <= more; i++) {
        const unsigned char next = (unsigned char)text[i];
        if ((next & 0xC0) != 0x80)
            return 1;
        c = c << 6 | (next & 0x3FU);
    }
    if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 1;
    *code = c;
    return more + 1;
}

bool is_printable(uint32_t code)
{
    static const uint32_t hidden[][2] = {
        {0, 0x1F},
        {0x7F, 0x9F},
        {0xAD, 0xAD},
        {0x61C, 0x61C},
        {0x180E, 0x180E},
        {0x200B, 0x200F},
        {0x2028, 0x202E},
        {0x2060, 0x206F},
        {0xFEFF, 0xFEFF},
        {0xFFF0, 0xFFFB},
        {0xFFFE, 0xFFFF},
        {0xE0000, 0xE0FFF},
        {0x110000, NO_CHARACTER},
    };
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
        if (code >= hidden[i][0] && code <= hidden[i][1])
            return false;
    return true;
}

void show_text(size_t length, const char *text, size_t size, char *shown)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code;
        const size_t bytes = read_character(length - at, text + at, &code);
        const bool last = at + bytes == length;
        if (used + bytes + (last ? 1 : 4) > size) {
            memcpy(shown + used, "...", 3);
            used += 3;
            break;
        }
        if (is_printable(code)) {
            memcpy(shown + used, text + at, bytes);
            used += bytes;
        } else {
            shown[used++] = code == '\t' || code == '\n' || code == '\r' ? ' ' : '?';
        }
        at += bytes;
    }
    shown[used] = '\0';
}

void locate(const char *text, size_t offset, size_t *line, size_t *column)
{
    const char *begin = text, *end = text + offset, *next;
    *line = *column = 1;
    while (begin < end && (next = memchr(begin, '\n', (size_t)(end - begin))) != NULL) {
        ++*line;
        begin = next + 1;
    }
    for (uint32_t code; begin < end; ++*column)
        begin += read_character((size_t)(end - begin), begin, &code);
}

/* ---- A line with a caret --------------------------------------------------------------------- */

enum {
    BEFORE = 44, /* characters of a long line that are shown before the place */
    WIDTH = 72   /* and in all */
};

/* Goes back by as many characters, but not beyond begin. */
static size_t go_back(const char *text, size_t begin, size_t at, size_t characters)
{
    for (; at > begin && characters > 0; characters--) {
        const size_t most = at - begin < 4 ? at - begin : 4;
        size_t bytes = 1;
        uint32_t code;
        for (size_t i = 2; i <= most; i++)
            if (read_character(i, text + at - i, &code) == i)
                bytes = i;
        at -= bytes;
    }
    return at;
}

/* Writes the first character of text, if it is harmless, and returns how many bytes it has. */
static size_t write_character(FILE *file, size_t length, const char *text)
{
    uint32_t code;
    const size_t bytes = read_character(length, text, &code);
    if (is_printable(code))
        (void)fwrite(text, 1, bytes, file);
    else
        (void)fputc(code == '\t' ? '\t' : '?', file);
    return bytes;
}

/* The line around the place, and the caret below: what stands before it, as blanks and tabs. */
static void print_place(FILE *file, size_t length, const char *text, size_t place)
{
    size_t begin = place;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    const char *line_end = memchr(text + place, '\n', length - place);
    size_t end = line_end == NULL ? length : (size_t)(line_end - text);
    if (end > begin && text[end - 1] == '\r')
        end--;
    char blanks[BEFORE + 4] = "   ";
    size_t at = go_back(text, begin, place, BEFORE), used = at > begin ? 3 : 0;
    (void)fprintf(file, "  %s", at > begin ? "..." : "");
    for (size_t count = 0; at < end && count < WIDTH; count++) {
        if (at < place && used < sizeof(blanks) - 1)
            blanks[used++] = text[at] == '\t' ? '\t' : ' ';
        at += write_character(file, end - at, text + at);
    }
    (void)fprintf(file, "%s\n  %.*s^\n", at < end ? "..." : "", (int)used, blanks);
}

void print_expression_error(FILE *file, const char *source, size_t length, const char *text,
                            const expression_error *error)
{
    for (size_t at = 0, n = strlen(source); at < n;) /* a file may be called anything */
        at += write_character(file, n - at, source + at);
    if (error->line > 0)
        (void)fprintf(file, ":%zu:%zu", error->line, error->column);
    (void)fprintf(file, ": %s\n", error->message);
    if (error->line > 0)
        print_place(file, length, text, error->offset < length ? error->offset : length);
}
