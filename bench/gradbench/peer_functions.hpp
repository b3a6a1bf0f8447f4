/* SPDX-License-Identifier: MIT
 *
 * GradBench's workloads as templates, for peers that are C++ libraries with a number type of their
 * own: one text for all. Before this is included, a peer says what larger(a, b) and smaller(a, b)
 * are, and choose(s, a, b), which is a where s is positive and b where it is 0.
 */
#ifndef GRADBENCH_PEER_FUNCTIONS_HPP
#define GRADBENCH_PEER_FUNCTIONS_HPP

extern "C" {
#include "ba.h"
#include "gmm.h"
#include "gradbench_inputs.h"
#include "lstm.h"
}

#include <cmath>
#include <cstddef>
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

/* By expansion along the first row: the minor of the rows from `row` on and as many columns, a set
 * of bits. */
template <class T> T det(std::size_t size, const T *a, std::size_t row, std::size_t columns)
{
    T sum = 0.0;
    bool first = true, minus = false;
    for (std::size_t j = 0; j < size; j++) {
        if ((columns >> j & 1) == 0)
            continue;
        T term = a[row * size + j];
        if (row + 1 < size)
            term = term * det(size, a, row + 1, columns & ~(std::size_t(1) << j));
        if (first)
            sum = term;
        else if (minus)
            sum = sum - term;
        else
            sum = sum + term;
        first = false;
        minus = !minus;
    }
    return sum;
}

/* The squared distance of a point from the nearest centroid. */
template <class T> T kmeans(std::size_t k, std::size_t d, const T *centroids, const T *point)
{
    T nearest;
    for (std::size_t j = 0; j < k; j++) {
        T distance = 0.0;
        for (std::size_t i = 0; i < d; i++) {
            const T difference = point[i] - centroids[j * d + i];
            distance += difference * difference;
        }
        if (j == 0)
            nearest = distance;
        else
            nearest = smaller(nearest, distance);
    }
    return nearest;
}

/* Parameters as they are in gmm_input. */
template <class T> T gmm_sample(std::size_t d, std::size_t k, const T *parameters, const T *x)
{
    const T *alpha = parameters, *mu = alpha + k, *q = mu + k * d, *l = q + k * d;
    std::vector<T> terms(k), difference(d), product(d);
    for (std::size_t c = 0; c < k; c++, mu += d, q += d) {
        T sum = alpha[c], distance = 0.0;
        for (std::size_t i = 0; i < d; i++) {
            sum += q[i];
            difference[i] = mu[i] - x[i];
            product[i] = exp(q[i]) * difference[i];
        }
        for (std::size_t j = 0; j < d; j++)
            for (std::size_t i = j + 1; i < d; i++)
                product[i] += *l++ * difference[j];
        for (std::size_t i = 0; i < d; i++)
            distance += product[i] * product[i];
        terms[c] = sum - 0.5 * distance;
    }
    return lse(k, terms.data());
}

/* What parameters alone add for n samples, but for what only m and gamma say: they are the last two
 * parameters. */
template <class T> T gmm_once(std::size_t d, std::size_t k, std::size_t n, const T *parameters)
{
    const std::size_t below = k * d * (d - 1) / 2;
    const T *q = parameters + k + k * d, *l = q + k * d, *m = l + below, *gamma = m + 1;
    T sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < k * d; i++) {
        const T diagonal = exp(q[i]);
        sum += q[i];
        squares += diagonal * diagonal;
    }
    for (std::size_t i = 0; i < below; i++)
        squares += l[i] * l[i];
    return *m * sum - 0.5 * *gamma * *gamma * squares - static_cast<double>(n) * lse(k, parameters);
}

/* And that, which needs no derivative. */
inline double gmm_normalisation(const gmm_input *input)
{
    const double log_2 = 0.69314718055994530942, log_pi = 1.14472988584940017414;
    const double d = static_cast<double>(input->d);
    const double *prior = input->shared.numbers + input->shared.count - 2;
    const double nu = d + prior[0] + 1;
    double sum = nu * d * (std::log(prior[1]) - log_2 / 2) - d * (d - 1) / 4 * log_pi;
    for (std::size_t i = 0; i < input->d; i++)
        sum -= std::lgamma((nu - static_cast<double>(i)) / 2);
    return static_cast<double>(input->k) * sum -
           static_cast<double>(input->n) * d / 2 * (log_2 + log_pi);
}

/* each: EACH numbers of an observation. */
template <class T> void ba_errors(const T *each, T *errors)
{
    const T *r = each + ROTATION;
    T from[3], seen[3], plane[2];
    for (std::size_t i = 0; i < 3; i++)
        from[i] = each[POINT + i] - each[CENTRE + i];
    const T square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
    const T one = 1.0, zero = 0.0, angle = sqrt(choose(square, square, one)), cosine = cos(angle);
    const T a = choose(square, cosine, one), b = choose(square, T(sin(angle) / angle), one);
    const T c = choose(square, T((1.0 - cosine) / (angle * angle)), zero);
    const T along = c * (r[0] * from[0] + r[1] * from[1] + r[2] * from[2]);
    for (std::size_t i = 0; i < 3; i++) {
        const std::size_t j = (i + 1) % 3, k = (i + 2) % 3;
        seen[i] = a * from[i] + b * (r[j] * from[k] - r[k] * from[j]) + along * r[i];
    }
    plane[0] = seen[0] / seen[2];
    plane[1] = seen[1] / seen[2];
    const T radius = plane[0] * plane[0] + plane[1] * plane[1];
    const T distortion = 1.0 + each[DISTORTION] * radius + each[DISTORTION + 1] * radius * radius;
    const T scale = each[FOCAL_LENGTH] * distortion;
    for (std::size_t i = 0; i < 2; i++)
        errors[i] =
            each[WEIGHT] * (plane[i] * scale + each[PRINCIPAL_POINT + i] - each[FEATURE + i]);
}

template <class T> T sigmoid(const T &x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* all: as in lstm_input. */
template <class T> T lstm(std::size_t layers, std::size_t width, std::size_t length, const T *all)
{
    const T *extra = all + 2 * layers * GATES * width, *start = extra + EXTRA * width;
    const T *x = start + 2 * layers * width;
    std::vector<T> state(start, x), in(width), y(width);
    T total = 0.0;
    for (std::size_t step = 0; step + 1 < length; step++, x += width) {
        for (std::size_t i = 0; i < width; i++)
            in[i] = x[i] * extra[IN_WEIGHT * width + i];
        const T *from = in.data();
        for (std::size_t layer = 0; layer < layers; layer++) {
            const T *weights = all + 2 * layer * GATES * width, *biases = weights + GATES * width;
            T *hidden = state.data() + 2 * layer * width, *cell = hidden + width;
            const auto sum = [&](std::size_t gate, const T &in_sum, std::size_t i) -> T {
                return in_sum * weights[gate * width + i] + biases[gate * width + i];
            };
            for (std::size_t i = 0; i < width; i++) {
                const T forget = sigmoid(sum(FORGET, from[i], i));
                const T ingate = sigmoid(sum(INGATE, hidden[i], i));
                const T outgate = sigmoid(sum(OUTGATE, from[i], i));
                const T change = tanh(sum(CHANGE, hidden[i], i));
                cell[i] = cell[i] * forget + ingate * change;
                hidden[i] = outgate * tanh(cell[i]);
            }
            from = hidden;
        }
        T sum = 2.0;
        for (std::size_t i = 0; i < width; i++) {
            y[i] = from[i] * extra[OUT_WEIGHT * width + i] + extra[OUT_BIAS * width + i];
            sum += exp(y[i]);
        }
        const T log_sum = log(sum);
        for (std::size_t i = 0; i < width; i++)
            total += (y[i] - log_sum) * x[width + i];
    }
    return -1.0 / static_cast<double>((length - 1) * width) * total;
}

} // namespace peers

#endif
