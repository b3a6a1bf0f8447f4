/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads with Sacado's reverse mode, which records anew in every run.
 */
#include <Sacado_trad.hpp>

using number = Sacado::Rad::ADvar<double>;

static number larger(const number &a, const number &b)
{
    return max(a, b);
}

#include "peer_functions.hpp"

namespace
{

bool evaluate(void *, const gb_task *task, double *output, gb_error *)
{
    const gb_list &numbers = peers::find_numbers(task);
    std::vector<number> x(numbers.numbers, numbers.numbers + numbers.count);
    std::vector<number> values(peers::count_values(task));
    peers::compute(task, x.data(), values.data());
    /* also frees the record */
    number::Weighted_Gradcomp(1, std::vector<number *>{&values.back()}.data(),
                              std::vector<double>{1}.data());
    for (std::size_t i = 0; i < (task->function == 0 ? values.size() : x.size()); i++)
        output[i] = task->function == 0 ? values[i].val() : x[i].adj();
    return true;
}

} // namespace

int main(int count, char **arguments)
{
    return peers::run_tool({"sacado", nullptr, evaluate, nullptr}, count, arguments);
}
