/* SPDX-License-Identifier: MIT
 *
 * Characters of texts that anybody may have written, for messages about them: UTF-8 or not, with
 * nothing that would spoil a terminal.
 */
#ifndef WENGERT_CHARACTERS_H
#define WENGERT_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_CHARACTER UINT32_MAX

/* Reads the first character of text (length > 0 bytes) and returns how many bytes it has. A byte
 * that begins no valid UTF-8 is NO_CHARACTER, and one byte. */
size_t read_character(size_t length, const char *text, uint32_t *code);

/* Whether a terminal shows it and does nothing else: no control character, nothing invisible,
 * nothing that turns the direction of writing. */
bool is_printable(uint32_t code);

/* Copies text to shown (size bytes, at least 8) as one line: '?' for what is not printable, ' ' for
 * blanks of all kinds, "..." at the end if there is more than has room. */
void show_text(size_t length, const char *text, size_t size, char *shown);

/* The line and the column, in characters, from 1, of the place offset bytes into text. */
void locate(const char *text, size_t offset, size_t *line, size_t *column);

#endif
