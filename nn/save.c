/* SPDX-License-Identifier: MIT
 *
 * Models to files: a header of JSON, then the parameters, as safetensors says. How a file is
 * written whole or not at all is whole_file.c's business.
 */
#include "net.h"

ag_status nn_save(const nn_model *model, const char *path, nn_error *error)
{
    (void)model;
    return nni_fail_at(error, path, 0, 0, AG_IO, "can't be written yet");
}
