/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads with ADOL-C: traced once, in prepare; evaluate runs the trace.
 */
#include <adolc/adolc.h>

static adouble larger(const adouble &a, const adouble &b)
{
    return fmax(a, b);
}

#include "peer_functions.hpp"

namespace
{

constexpr short tag = 1;

/* Entries of each buffer, so that no trace here goes to a file. Memory is taken as they fill. */
constexpr std::size_t room = std::size_t(1) << 26;

void *prepare(const gb_task *task, gb_error *)
{
    const gb_list &numbers = peers::find_numbers(task);
    std::vector<adouble> x(numbers.count), values(peers::count_values(task));
    double ignored;
    trace_on(tag, 0, room, room, room, room);
    for (std::size_t i = 0; i < x.size(); i++)
        x[i] <<= numbers.numbers[i];
    peers::compute(task, x.data(), values.data());
    for (std::size_t i = task->function == 0 ? 0 : values.size() - 1; i < values.size(); i++)
        values[i] >>= ignored;
    trace_off();
    return new char;
}

bool evaluate(void *, const gb_task *task, double *output, gb_error *error)
{
    const gb_list &numbers = peers::find_numbers(task);
    const int n = static_cast<int>(numbers.count), m = static_cast<int>(peers::count_values(task));
    const int status = task->function == 0 ? function(tag, m, n, numbers.numbers, output)
                                           : gradient(tag, n, numbers.numbers, output);
    return status >= 0 || gb_fail(error, "ADOL-C returns %d", status);
}

void release(void *state)
{
    delete static_cast<char *>(state);
}

} // namespace

int main(int count, char **arguments)
{
    return peers::run_tool({"adolc", prepare, evaluate, release}, count, arguments);
}
