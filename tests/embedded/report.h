/* SPDX-License-Identifier: MIT
 *
 * What a program of these tests says, on a device and on a host: one line for each number, as the
 * bits of a float, so that no printf has to fit. tests/test_embedded.py reads it.
 */
#ifndef WENGERT_REPORT_H
#define WENGERT_REPORT_H

#include <stddef.h>
#include <stdint.h>

/* cortex_m.c, hosted.c */
void put_text(const char *text);

/* report.c: "name 3fc00000" for 1.5; "name #0000002a" for a count of 42 */
void report(const char *name, float number);
void report_all(const char *name, size_t n, const float *numbers);
void report_count(const char *name, uint32_t count);

/* cortex_m.c, hosted.c: runs work, and reports as "stack" how many bytes of it that took; a host says
 * 0. */
void report_stack(void (*work)(void));

#endif
