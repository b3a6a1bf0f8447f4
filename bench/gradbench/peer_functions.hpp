/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads as templates, for peers that are C++ libraries with a number type of their
 * own: one text for all. And the tool that each of them is: PEER WORKLOAD INPUT.json FUNCTION, with
 * our input, our clock and our output.
 */
#ifndef GRADBENCH_PEER_FUNCTIONS_HPP
#define GRADBENCH_PEER_FUNCTIONS_HPP

extern "C" {
#include "gradbench_inputs.h"
extern const gb_workload det_workload, llsq_workload, lse_workload, ode_workload;
}

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

namespace peers
{

template <class T> T llsq(std::size_t m, std::size_t n, const T *x)
{
    T total = 0.0;
    for (std::size_t i = 0; i < n; i++) {
        const double t = -1 + 2 * static_cast<double>(i) / static_cast<double>(n - 1);
        const double sign = t > 0 ? 1 : t < 0 ? -1 : 0;
        double power = 1;
        T rest = sign - x[0];
        for (std::size_t j = 1; j < m; j++) {
            power *= t;
            rest -= x[j] * power;
        }
        total += rest * rest;
    }
    return 0.5 * total;
}

/* A peer says what larger(a, b) is. */
template <class T> T lse(std::size_t n, const T *x)
{
    T largest = x[0];
    for (std::size_t i = 1; i < n; i++)
        largest = larger(largest, x[i]);
    T sum = 0.0;
    for (std::size_t i = 0; i < n; i++)
        sum += exp(x[i] - largest);
    return largest + log(sum);
}

template <class T> void ode(std::size_t n, std::size_t steps, const T *x, T *y)
{
    const double h = 2.0 / static_cast<double>(steps);
    std::vector<T> k[4], at(n);
    for (std::vector<T> &each : k)
        each.resize(n);
    for (std::size_t i = 0; i < n; i++)
        y[i] = 0.0;
    const auto slope = [&](const T *from, std::vector<T> &to) {
        to[0] = x[0];
        for (std::size_t i = 1; i < n; i++)
            to[i] = x[i] * from[i - 1];
    };
    const double factors[] = {h / 2, h / 2, h};
    for (std::size_t step = 0; step < steps; step++) {
        slope(y, k[0]);
        for (std::size_t stage = 1; stage < 4; stage++) {
            for (std::size_t i = 0; i < n; i++)
                at[i] = y[i] + factors[stage - 1] * k[stage - 1][i];
            slope(at.data(), k[stage]);
        }
        for (std::size_t i = 0; i < n; i++)
            y[i] += h / 6 * (k[0][i] + 2.0 * k[1][i] + 2.0 * k[2][i] + k[3][i]);
    }
}

/* Each minor once, by its set of columns. */
template <class T> T det(std::size_t size, const T *a)
{
    std::vector<T> minors(std::size_t(1) << size);
    minors[0] = 1.0;
    for (std::size_t columns = 1; columns < minors.size(); columns++) {
        std::size_t row = size;
        for (std::size_t rest = columns; rest != 0; rest &= rest - 1)
            row--;
        T sum = 0.0;
        bool minus = false;
        for (std::size_t j = 0; j < size; j++) {
            if ((columns >> j & 1) == 0)
                continue;
            if (minus)
                sum -= a[row * size + j] * minors[columns ^ std::size_t(1) << j];
            else
                sum += a[row * size + j] * minors[columns ^ std::size_t(1) << j];
            minus = !minus;
        }
        minors[columns] = sum;
    }
    return minors.back();
}

/* The numbers that a task differentiates for. */
inline const gb_list &find_numbers(const gb_task *task)
{
    if (task->workload->name == llsq_workload.name)
        return static_cast<const llsq_input *>(task->input)->x;
    if (task->workload->name == ode_workload.name)
        return static_cast<const ode_input *>(task->input)->x;
    if (task->workload->name == det_workload.name)
        return static_cast<const det_input *>(task->input)->a;
    return *static_cast<const gb_list *>(task->input);
}

/* How many values the function has: its gradient is the last one's. */
inline std::size_t count_values(const gb_task *task)
{
    return task->workload->count_outputs(task->input, 0);
}

template <class T> void compute(const gb_task *task, const T *x, T *values)
{
    if (task->workload->name == llsq_workload.name) {
        const auto *input = static_cast<const llsq_input *>(task->input);
        values[0] = llsq(input->x.count, input->n, x);
    } else if (task->workload->name == ode_workload.name) {
        const auto *input = static_cast<const ode_input *>(task->input);
        ode(input->x.count, input->steps, x, values);
    } else if (task->workload->name == det_workload.name) {
        values[0] = det(static_cast<const det_input *>(task->input)->size, x);
    } else {
        values[0] = lse(find_numbers(task).count, x);
    }
}

inline int run_tool(const gb_way &way, int count, char **arguments)
{
    for (const gb_workload *each : {&det_workload, &llsq_workload, &lse_workload, &ode_workload}) {
        if (count < 2 || std::strcmp(arguments[1], each->name) != 0)
            continue;
        gb_workload workload = *each;
        workload.ways[0] = &way;
        workload.ways[1] = nullptr;
        return gb_run_tool(&workload, count - 1, arguments + 1);
    }
    std::fprintf(stderr, "usage: %s det|llsq|lse|ode INPUT.json FUNCTION\n", arguments[0]);
    return 1;
}

} // namespace peers

#endif
