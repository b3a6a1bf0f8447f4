/* SPDX-License-Identifier: MIT
 *
 * A program with its workspace, on memory of nn, in double or in float.
 */
#include "net.h"

ag_program *nni_compile(const ag_signature *signature)
{
    return ag_compile(signature, &(ag_compile_options){.allocator = nni_serve});
}

ag_status nni_runner_open(nni_runner *runner, ag_program *program, size_t threads, nn_error *error)
{
    ag_error_details details;
    runner->program = program;
    runner->workspace = ag_workspace_new(
        program, &(ag_workspace_options){.threads = threads, .allocator = nni_serve}, &details);
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
    if (in_float)
        return ag_run_float(runner->program, runner->workspace, batch,
                            &(ag_arrays_float){.shared = arrays->shared,
                                               .each = arrays->each,
                                               .sum = arrays->sum,
                                               .map = arrays->map,
                                               .scale = (float)arrays->scale});
    return ag_run(runner->program, runner->workspace, batch,
                  &(ag_arrays){.shared = arrays->shared,
                               .each = arrays->each,
                               .sum = arrays->sum,
                               .map = arrays->map,
                               .scale = arrays->scale});
}
