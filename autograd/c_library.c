/* SPDX-License-Identifier: MIT
 *
 * Functions that generated C brings along: what libm lacks. Templates, see c_text.h.
 */
#include "c_text.h"

const agi_library_function agi_c_library_functions[] = {
    /* W. Kahan: log(u) x / (u - 1) with u = 1 + x as it was rounded */
    {"log1p", true,
     "static real @log1p(real x)\n"
     "{\n"
     "    const volatile real u = #1 + x;\n"
     "    return u == #1 ? x : u - u != #0 ? @log(u) : @log(u) * x / (u - #1);\n"
     "}\n\n"},
};

const size_t agi_c_library_count =
    sizeof(agi_c_library_functions) / sizeof(*agi_c_library_functions);
