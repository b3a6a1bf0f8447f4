/* SPDX-License-Identifier: MIT
 *
 * Functions that generated C brings along. They are plain C in files of their own, which
 * c_library.py turns into templates, see c_text.h.
 */
#include "c_text.h"

#include <assert.h>

const agi_library_function agi_c_library_functions[] = {
#define C_FUNCTION(name, definition) {#name, false, definition},
#include "polygamma_template.h"
#undef C_FUNCTION
/* and what these call, which nobody else does */
#define C_FUNCTION(name, definition) {#name, true, definition},
#include "small_libm_template.h"
#undef C_FUNCTION
};

const size_t agi_c_library_count =
    sizeof(agi_c_library_functions) / sizeof(*agi_c_library_functions);

static_assert(sizeof(agi_c_library_functions) / sizeof(*agi_c_library_functions) <= 64,
              "a bit for each");
