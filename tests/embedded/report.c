/* SPDX-License-Identifier: MIT
 *
 * Numbers as lines of text; see report.h.
 */
#include "report.h"

#include <string.h>

static void put_line(const char *name, const char *mark, uint32_t bits)
{
    char digits[] = "00000000\n";
    for (int i = 8; i-- > 0; bits >>= 4)
        digits[i] = "0123456789abcdef"[bits & 15];
    put_text(name);
    put_text(mark);
    put_text(digits);
}

void report(const char *name, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    put_line(name, " ", bits);
}

void report_all(const char *name, size_t n, const float *numbers)
{
    for (size_t i = 0; i < n; i++)
        report(name, numbers[i]);
}

void report_count(const char *name, uint32_t count)
{
    put_line(name, " #", count);
}
