/* SPDX-License-Identifier: MIT
 *
 * A program with its workspace, on memory of nn, in double or in float.
 */
#include "net.h"

ag_program *nni_compile(const ag_signature *signature)
{
    const ag_compile_options options = {.allocator = nni_serve};
    return ag_compile(signature, &options);
}

ag_status nni_runner_open(nni_runner *runner, ag_program *program, size_t threads, nn_error *error)
{
    const ag_workspace_options options = {.threads = threads, .allocator = nni_serve};
    ag_error_details details;
    runner->program = program;
    runner->workspace = ag_workspace_new(program, &options, &details);
    if (runner->workspace == NULL)
        return nni_fail(error, details.status, "%s", details.message);
    return AG_OK;
}

void nni_runner_close(nni_runner *runner)
{
    ag_workspace_free(runner->workspace);
    *runner = (nni_runner){0};
}

ag_status nni_runner_run(const nni_runner *runner, bool in_float, size_t batch,
                         const nni_arrays *arrays)
{
    if (in_float) {
        const ag_arrays_float floats = {.shared = (const float *)arrays->shared,
                                        .each = (const float *)arrays->each,
                                        .sum = (float *)arrays->sum,
                                        .map = (float *)arrays->map,
                                        .scale = (float)arrays->scale};
        return ag_run_float(runner->program, runner->workspace, batch, &floats);
    }
    const ag_arrays doubles = {.shared = (const double *)arrays->shared,
                               .each = (const double *)arrays->each,
                               .sum = (double *)arrays->sum,
                               .map = (double *)arrays->map,
                               .scale = arrays->scale};
    return ag_run(runner->program, runner->workspace, batch, &doubles);
}
