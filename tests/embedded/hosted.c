/* SPDX-License-Identifier: MIT
 *
 * report.h where there is an operating system.
 */
#include "report.h"

#include <stdio.h>

void put_text(const char *text)
{
    (void)fputs(text, stdout);
}

void report_stack(void (*work)(void))
{
    work();
    report_count("stack", 0);
}
