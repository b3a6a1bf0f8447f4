/* SPDX-License-Identifier: MIT
 *
 * The gate table as text: names, and the formulas of values and local gradients, which string
 * literals glue together at compile time.
 */
#include "engine.h"

/* ---- Names and forms ------------------------------------------------------------------------- */

const char *const agi_gate_names[AGI_GATE_COUNT] = {
    "variable",
    "constant",
    "detach",
    "closure",
    "scan",
    "output",
#define AG_UNARY(name, ...) #name,
#define AG_BINARY(name, ...) #name,
#define AG_TERNARY(name, ...) #name,
#define AG_NARY(name, ...) #name,
#define AG_COMPARE(name, ...) #name,
#include <wengert/gates.def>
};

const uint8_t agi_gate_forms[AGI_GATE_COUNT] = {
    AGI_FORM_LEAF,
    AGI_FORM_LEAF,
    AGI_FORM_UNARY,
    AGI_FORM_CLOSURE,
    AGI_FORM_SCAN,
    AGI_FORM_PROJECT,
#define AG_UNARY(name, ...) AGI_FORM_UNARY,
#define AG_BINARY(name, ...) AGI_FORM_BINARY,
#define AG_TERNARY(name, ...) AGI_FORM_TERNARY,
#define AG_NARY(name, partner, ...) AGI_FORM_##partner,
#define AG_COMPARE(name, ...) AGI_FORM_COMPARE,
#include <wengert/gates.def>
};

/* ---- Formulas -------------------------------------------------------------------------------- */

#define CALL1(function, p) function "(" p ")"
#define CALL2(function, p, q) function "(" p ", " q ")"
#include "formula_text.h"

#define NUM(number) #number
#define UNTAKEN "0"
#define UPSTREAM(p) "(" p " == 0 ? 0 : " p ")"
#define TAKES_MAX(p, q) p " >= " q
#define TAKES_MIN(p, q) p " <= " q
#define CHAIN(p, q) CALL2("chain", p, q)
#define MAX(p, q) CALL2("max", p, q)
#define MIN(p, q) CALL2("min", p, q)
#define SIGN(p) CALL1("sign", p)
#define ABS(p) CALL1("abs", p)
#define SIGMOID(p) CALL1("sigmoid", p)
#define FIRST(p) p " is the first largest"

#define EDGE(...) " (" #__VA_ARGS__ ")"

/* The operands under their own names. */
#define x "x"
#define y "y"
#define a "a"
#define b "b"
#define c "c"
#define w "w"

static const ag_gate_info table[] = {
#define AG_UNARY(name, value, dx, domain, edges, samples)                                          \
    {#name, 1, value, {dx, NULL, NULL}, domain, "" edges},
#define AG_BINARY(name, value, da, db, domain, edges, samples)                                     \
    {#name, 2, value, {da, db, NULL}, domain, "" edges},
#define AG_TERNARY(name, value, dc, da, db, domain, edges, samples)                                \
    {#name, 3, value, {dc, da, db}, domain, "" edges},
#define AG_NARY(name, partner, formula, start, step, end, dx, domain, edges, samples)              \
    {#name, 0, formula, {dx, NULL, NULL}, domain, "" edges},
#include <wengert/gates.def>
};

const ag_gate_info *ag_gate_table(size_t *count)
{
    if (count != NULL)
        *count = sizeof(table) / sizeof(*table);
    return table;
}
