/* SPDX-License-Identifier: MIT
 *
 * Models from files. Whatever a file says is checked before it is used: it may have been damaged, or
 * made by somebody who wishes us ill.
 */
#include "net.h"

nn_model *nn_load(const char *path, nn_error *error)
{
    (void)nni_fail_at(error, path, 0, 0, AG_IO, "can't be read yet");
    return NULL;
}
