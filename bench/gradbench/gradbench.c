/* SPDX-License-Identifier: MIT
 *
 * The programs: one for all workloads, and, compiled with its name, one for each.
 */
#include "gradbench.h"
#include "gradbench_list.h"

#define GB_DECLARE(name) extern const gb_workload name##_workload;
GRADBENCH_LIST(GB_DECLARE)

int main(int count, char **arguments)
{
#ifdef GRADBENCH_WORKLOAD
    return gb_run_tool(&GRADBENCH_WORKLOAD, count, arguments);
#else
#define GB_ADDRESS(name) &name##_workload,
    static const gb_workload *const workloads[] = {GRADBENCH_LIST(GB_ADDRESS) NULL};
    return gb_run_driver(workloads, count, arguments);
#endif
}
