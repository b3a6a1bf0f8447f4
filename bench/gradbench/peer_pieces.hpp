/* SPDX-License-Identifier: MIT
 *
 * What a peer has to compute for a task, and the tool that each peer is: PEER WORKLOAD INPUT.json
 * FUNCTION, with our input, our clock and our output; PEER --list has the workloads.
 *
 * A task is made of pieces: functions that are computed once, or again and again with other numbers,
 * and whose results are added up or lie one after the other. So what a peer records stays as small
 * as the workload allows.
 */
#ifndef GRADBENCH_PEER_PIECES_HPP
#define GRADBENCH_PEER_PIECES_HPP

#include "peer_functions.hpp"

extern "C" {
extern const gb_workload ba_workload, det_workload, gmm_workload, kmeans_workload, llsq_workload,
    lse_workload, lstm_workload, ode_workload;
}

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace peers
{

struct piece {
    std::size_t count; /* how often it is computed */
    std::size_t inputs, values;
    /* Derivatives are those of the last so many values for the first so many inputs; with `hessian`
     * the gradient of the only value and, behind it, the sums of its Hessian's rows. */
    std::size_t rows, unknowns;
    bool summed, hessian;
};

template <class Input> const Input &find_input(const gb_task *task)
{
    return *static_cast<const Input *>(task->input);
}

inline bool is(const gb_task *task, const gb_workload &workload)
{
    return task->workload->name == workload.name;
}

inline std::size_t count_results(const gb_task *task, const piece &p)
{
    return task->function == 0 ? p.values : (p.rows + p.hessian) * p.unknowns;
}

inline std::vector<piece> find_pieces(const gb_task *task)
{
    const std::size_t values = task->workload->count_outputs(task->input, 0),
                      outputs = task->workload->count_outputs(task->input, 1);
    if (is(task, ba_workload)) {
        const std::size_t p = find_input<ba_input>(task).p;
        return {{p, EACH, 2, 2, UNKNOWNS, false, false}, {p, 1, 1, 1, 1, false, false}};
    }
    if (is(task, gmm_workload)) {
        const auto &input = find_input<gmm_input>(task);
        const std::size_t shared = input.shared.count;
        return {{input.n, shared + input.d, 1, 1, outputs, true, false},
                {1, shared, 1, 1, outputs, true, false}};
    }
    if (is(task, kmeans_workload)) {
        const auto &input = find_input<kmeans_input>(task);
        return {{input.n, outputs + input.d, 1, 1, outputs, true, true}};
    }
    /* These inputs begin with a list of numbers. */
    return {{1, find_input<gb_list>(task).count, values, 1, outputs, false, false}};
}

/* The numbers of a piece for the i-th time; room is kept from one time to the next. */
inline const double *gather(const gb_task *task, std::size_t which, std::size_t i,
                            std::vector<double> &room)
{
    if (is(task, ba_workload)) {
        const auto &input = find_input<ba_input>(task);
        if (which == 1)
            return input.weights + i;
        room.resize(EACH);
        ba_gather(&input, i, room.data());
        return room.data();
    }
    const double *shared, *each;
    std::size_t shared_count, each_count;
    if (is(task, gmm_workload) && which == 0) {
        const auto &input = find_input<gmm_input>(task);
        shared = input.shared.numbers;
        shared_count = input.shared.count;
        each = input.x.numbers;
        each_count = input.d;
    } else if (is(task, kmeans_workload)) {
        const auto &input = find_input<kmeans_input>(task);
        shared = input.centroids;
        shared_count = input.k * input.d;
        each = input.points;
        each_count = input.d;
    } else {
        return find_input<gb_list>(task).numbers;
    }
    if (i == 0)
        room.assign(shared, shared + shared_count);
    room.resize(shared_count + each_count);
    std::copy_n(each + i * each_count, each_count, room.data() + shared_count);
    return room.data();
}

template <class T> void compute_kmeans(const gb_task *task, const T *x, T *values)
{
    const auto &input = find_input<kmeans_input>(task);
    values[0] = kmeans(input.k, input.d, x, x + input.k * input.d);
}

template <class T> void compute(const gb_task *task, std::size_t which, const T *x, T *values)
{
    if (is(task, ba_workload) && which == 0) {
        ba_errors(x, values);
    } else if (is(task, ba_workload)) {
        values[0] = 1.0 - x[0] * x[0];
    } else if (is(task, det_workload)) {
        const std::size_t size = find_input<det_input>(task).size;
        values[0] = det(size, x, 0, (std::size_t(1) << size) - 1);
    } else if (is(task, gmm_workload)) {
        const auto &input = find_input<gmm_input>(task);
        values[0] = which == 0 ? gmm_sample(input.d, input.k, x, x + input.shared.count)
                               : gmm_once(input.d, input.k, input.n, x);
    } else if (is(task, kmeans_workload)) {
        compute_kmeans(task, x, values);
    } else if (is(task, llsq_workload)) {
        const auto &input = find_input<llsq_input>(task);
        values[0] = llsq(input.x.count, input.n, x);
    } else if (is(task, lse_workload)) {
        values[0] = lse(find_input<gb_list>(task).count, x);
    } else if (is(task, lstm_workload)) {
        const auto &input = find_input<lstm_input>(task);
        values[0] = lstm(input.layers, input.width, input.length, x);
    } else {
        const auto &input = find_input<ode_input>(task);
        ode(input.x.count, input.steps, x, values);
    }
}

/* Fills the output; run(which, piece, x, results) computes a piece once. */
template <class Run> bool evaluate(const gb_task *task, double *output, const Run &run)
{
    const std::vector<piece> pieces = find_pieces(task);
    const bool direction = is(task, kmeans_workload) && task->function == 1;
    std::vector<double> room, found, totals;
    double *to = output;
    if (direction) {
        totals.resize(count_results(task, pieces[0]));
        to = totals.data();
    } else if (pieces[0].summed) {
        std::fill_n(output, count_results(task, pieces[0]), 0.0);
    }
    for (std::size_t which = 0; which < pieces.size(); which++) {
        const piece &p = pieces[which];
        const std::size_t count = count_results(task, p);
        found.resize(p.summed ? count : 0);
        for (std::size_t i = 0; i < p.count; i++) {
            const double *x = gather(task, which, i, room);
            if (!run(which, p, x, p.summed ? found.data() : to))
                return false;
            for (std::size_t j = 0; p.summed && j < count; j++)
                to[j] += found[j];
            to += p.summed ? 0 : count;
        }
    }
    for (std::size_t j = 0; direction && j < pieces[0].unknowns; j++)
        output[j] = totals[j] / totals[pieces[0].unknowns + j];
    if (is(task, ba_workload) && task->function == 1)
        ba_write_structure(&find_input<ba_input>(task), output);
    if (is(task, gmm_workload) && task->function == 0)
        output[0] += gmm_normalisation(&find_input<gmm_input>(task));
    return true;
}

inline int run_tool(const gb_way &way, int count, char **arguments)
{
    const bool list = count == 2 && std::strcmp(arguments[1], "--list") == 0;
    for (const gb_workload *each : {&ba_workload, &det_workload, &gmm_workload, &kmeans_workload,
                                    &llsq_workload, &lse_workload, &lstm_workload, &ode_workload}) {
        if (list)
            std::puts(each->name);
        if (count < 2 || std::strcmp(arguments[1], each->name) != 0)
            continue;
        gb_workload workload = *each;
        workload.ways[0] = &way;
        workload.ways[1] = nullptr;
        return gb_run_tool(&workload, count - 1, arguments + 1);
    }
    if (!list)
        std::fprintf(stderr, "usage: %s WORKLOAD INPUT.json FUNCTION, or --list\n", arguments[0]);
    return list ? 0 : 1;
}

} // namespace peers

#endif
