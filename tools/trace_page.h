/* SPDX-License-Identifier: MIT
 *
 * One self-contained page that steps through an expression's forward and backward pass.
 */
#ifndef WENGERT_TRACE_PAGE_H
#define WENGERT_TRACE_PAGE_H

#include "steps.h"

/* Writes the page to path, whole or not at all. The graph's picture is Graphviz'; where that is
 * missing the page does without, and that is said on stderr. A status of the program. */
int write_trace_page(const circuit *circuit, const steps *steps, const char *path);

#endif
