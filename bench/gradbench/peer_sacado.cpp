/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads with Sacado's reverse mode, which records anew in every run; sums of a
 * Hessian's rows with its second reverse mode, which has products with Hessians.
 */
#include <Sacado_trad.hpp>
#include <Sacado_trad2.hpp>

using number = Sacado::Rad::ADvar<double>;
using second_number = Sacado::Rad2::ADvar<double>;

static number larger(const number &a, const number &b)
{
    return max(a, b);
}

template <class T> static T smaller(const T &a, const T &b)
{
    return b < a ? b : a;
}

static number choose(const number &s, const number &a, const number &b)
{
    return s.val() > 0 ? a : b;
}

#include "peer_pieces.hpp"

namespace
{

/* Frees the record, too. */
template <class T> void go_back(T &value)
{
    T *values[] = {&value};
    double weights[] = {1};
    T::Weighted_Gradcomp(1, values, weights);
}

void find_hessian(const gb_task *task, const peers::piece &p, const double *x, double *results)
{
    std::vector<second_number> inputs(x, x + p.inputs);
    std::vector<second_number *> unknowns(p.unknowns);
    std::vector<double> ones(p.unknowns, 1.0);
    second_number value;
    peers::compute_kmeans(task, inputs.data(), &value);
    go_back(value);
    for (std::size_t i = 0; i < p.unknowns; i++) {
        unknowns[i] = &inputs[i];
        results[i] = inputs[i].adj();
    }
    second_number::Hvprod(static_cast<int>(p.unknowns), unknowns.data(), ones.data(),
                          results + p.unknowns);
}

bool evaluate(void *, const gb_task *task, double *output, gb_error *)
{
    const auto run = [task](std::size_t which, const peers::piece &p, const double *x,
                            double *results) {
        if (task->function == 1 && p.hessian) {
            find_hessian(task, p, x, results);
            return true;
        }
        /* Going back for one value drops the record of them all. */
        for (std::size_t row = 0; row < (task->function == 0 ? 1 : p.rows); row++) {
            std::vector<number> inputs(x, x + p.inputs), values(p.values);
            peers::compute(task, which, inputs.data(), values.data());
            for (std::size_t i = 0; task->function == 0 && i < p.values; i++)
                results[i] = values[i].val();
            go_back(values[p.values - p.rows + row]);
            for (std::size_t i = 0; task->function == 1 && i < p.unknowns; i++)
                *results++ = inputs[i].adj();
        }
        return true;
    };
    return peers::evaluate(task, output, run);
}

} // namespace

int main(int count, char **arguments)
{
    return peers::run_tool({"sacado", nullptr, evaluate, nullptr}, count, arguments);
}
