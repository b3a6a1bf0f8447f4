/* SPDX-License-Identifier: MIT
 *
 * A directory for the code of programs that a test compiles; programs as code of their own beside the
 * recorded graph, and beside the interpreter.
 */
#ifndef WENGERT_NATIVE_TESTING_H
#define WENGERT_NATIVE_TESTING_H

#include "program_testing.h"

#include <unistd.h>

static char cache[40];

static inline int make_cache(void **state)
{
    (void)state;
    (void)snprintf(cache, sizeof(cache), "/tmp/wengert-native-XXXXXX");
    return mkdtemp(cache) == NULL;
}

static inline int remove_cache(void **state)
{
    char command[80];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf %s", cache);
    return system(command);
}

static inline void make_native(ag_program *program, bool is_float)
{
    ag_error_details error;
    const ag_native_options options = {.use_float = is_float, .cache = cache};
    if (ag_native(program, &options, &error) != AG_OK)
        fail_msg("%s", error.message);
}

/* Of a program with code of its own: a run of that, or of the interpreter. */
static inline ag_workspace *new_runner(ag_program *program, bool is_native)
{
    const ag_workspace_options options = {.isa = is_native ? AG_ISA_AUTO : AG_ISA_BASELINE,
                                          .threads = 1};
    ag_workspace *workspace = ag_workspace_new(program, &options, NULL);
    assert_non_null(workspace);
    return workspace;
}

#endif
