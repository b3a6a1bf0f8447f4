/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads with ADOL-C: traced once, in prepare; evaluate runs the traces.
 */
#include <adolc/adolc.h>

static adouble larger(const adouble &a, const adouble &b)
{
    return fmax(a, b);
}

static adouble smaller(const adouble &a, const adouble &b)
{
    return fmin(a, b);
}

static adouble choose(const adouble &s, const adouble &a, const adouble &b)
{
    adouble chosen;
    condassign(chosen, s, a, b);
    return chosen;
}

#include "peer_pieces.hpp"

namespace
{

/* Of one piece. Of values with derivatives alone, as many as there are rows. */
struct trace {
    short tag;
    int dependents, inputs;
    std::vector<double> values, direction, numbers;
    std::vector<double> weights;             /* dependents x dependents: the identity */
    std::vector<double *> weight_rows, rows; /* rows of numbers: derivatives for all inputs */
};

void point_to_rows(std::vector<double> &numbers, std::size_t count, std::size_t length,
                   std::vector<double *> &rows)
{
    numbers.resize(count * length);
    for (std::size_t i = 0; i < count; i++)
        rows.push_back(numbers.data() + i * length);
}

/* Entries of the buffers for operations, locations, values and Taylor coefficients. */
struct rooms {
    std::size_t operations, locations, values, coefficients;
};

void record(const gb_task *task, std::size_t which, const peers::piece &p, const trace &t,
            const rooms &r)
{
    std::vector<double> room;
    const double *at = peers::gather(task, which, 0, room);
    std::vector<adouble> x(p.inputs), values(p.values);
    double ignored;
    trace_on(t.tag, 0, r.operations, r.locations, r.values, r.coefficients);
    for (std::size_t i = 0; i < p.inputs; i++)
        x[i] <<= at[i];
    peers::compute(task, which, x.data(), values.data());
    for (std::size_t i = p.values - t.dependents; i < p.values; i++)
        values[i] >>= ignored;
    trace_off();
}

/* A trace that fills its buffers is kept in files, so they are large; memory is taken as they fill.
 * But every run of a trace takes time for its buffers: what is small is recorded again in its own
 * size. */
void fill_trace(const gb_task *task, std::size_t which, const peers::piece &p, trace &t)
{
    const std::size_t large = std::size_t(1) << 26, more = 1000;
    const std::size_t dependents = task->function == 0 ? p.values : p.rows;
    std::size_t counts[STAT_SIZE];
    t.tag = static_cast<short>(1 + which);
    t.dependents = static_cast<int>(dependents);
    t.inputs = static_cast<int>(p.inputs);
    record(task, which, p, t, {large, large, large, large});
    tapestats(t.tag, counts);
    if (counts[NUM_LOCATIONS] < large / 64)
        record(task, which, p, t,
               {counts[NUM_OPERATIONS] + more, counts[NUM_LOCATIONS] + more,
                counts[NUM_VALUES] + more, counts[TAY_STACK_SIZE] * (1 + p.hessian) + more});
    t.values.resize(dependents);
    if (task->function == 0)
        return;
    t.direction.assign(p.inputs, 0);
    std::fill_n(t.direction.data(), p.unknowns, 1.0);
    if (p.hessian) /* for each input its part of the gradient, and of the Hessian's product */
        point_to_rows(t.numbers, p.inputs, 2, t.rows);
    else if (p.inputs != p.unknowns || dependents != 1)
        point_to_rows(t.numbers, dependents, p.inputs, t.rows);
    point_to_rows(t.weights, dependents, dependents, t.weight_rows);
    for (std::size_t i = 0; i < dependents; i++)
        t.weight_rows[i][i] = 1;
}

void *prepare(const gb_task *task, gb_error *)
{
    const std::vector<peers::piece> pieces = peers::find_pieces(task);
    auto *traces = new std::vector<trace>(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); i++)
        fill_trace(task, i, pieces[i], (*traces)[i]);
    return traces;
}

/* Negative: something went wrong. */
int find_hessian(trace &t, const peers::piece &p, const double *x, double *results)
{
    double change;
    int status =
        fos_forward(t.tag, 1, t.inputs, 2, x, t.direction.data(), t.values.data(), &change);
    if (status >= 0)
        status = hos_reverse(t.tag, 1, t.inputs, 1, t.weights.data(), t.rows.data());
    for (std::size_t i = 0; i < p.unknowns; i++) {
        results[i] = t.rows[i][0];
        results[p.unknowns + i] = t.rows[i][1];
    }
    return status;
}

int find_rows(trace &t, const peers::piece &p, const double *x, double *results)
{
    const int m = t.dependents, n = t.inputs;
    int status = zos_forward(t.tag, m, n, 1, x, t.values.data());
    if (status >= 0 && m == 1)
        status = fos_reverse(t.tag, 1, n, t.weights.data(), t.rows.empty() ? results : t.rows[0]);
    else if (status >= 0)
        status = fov_reverse(t.tag, m, n, m, t.weight_rows.data(), t.rows.data());
    for (std::size_t i = 0; i < t.rows.size(); i++)
        std::copy_n(t.rows[i], p.unknowns, results + i * p.unknowns);
    return status;
}

bool evaluate(void *state, const gb_task *task, double *output, gb_error *error)
{
    auto &traces = *static_cast<std::vector<trace> *>(state);
    int status = 0;
    return peers::evaluate(
               task, output,
               [&](std::size_t which, const peers::piece &p, const double *x, double *results) {
                   trace &t = traces[which];
                   if (task->function == 0)
                       status = zos_forward(t.tag, t.dependents, t.inputs, 0, x, results);
                   else if (p.hessian)
                       status = find_hessian(t, p, x, results);
                   else
                       status = find_rows(t, p, x, results);
                   return status >= 0;
               }) ||
           gb_fail(error, "ADOL-C returns %d", status);
}

void release(void *state)
{
    delete static_cast<std::vector<trace> *>(state);
}

} // namespace

int main(int count, char **arguments)
{
    return peers::run_tool({"adolc", prepare, evaluate, release}, count, arguments);
}
