/* SPDX-License-Identifier: MIT
 *
 * Small programs as people write them for double, as templates: with classes of vectors and matrices,
 * aggregates, containers, algorithms, callbacks. They know nothing of this library. Each is a
 * function of n numbers, f(const std::vector<T> &) for any T.
 */
#ifndef NUMERIC_TEMPLATES_H
#define NUMERIC_TEMPLATES_H

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/* ---- A ray tracer ---------------------------------------------------------------------------- */

namespace rays
{

template <class T> struct vec {
    T x, y, z;

    vec() : x(0), y(0), z(0) {}
    vec(T a, T b, T c) : x(a), y(b), z(c) {}

    vec operator+(const vec &o) const
    {
        return vec(x + o.x, y + o.y, z + o.z);
    }
    vec operator-(const vec &o) const
    {
        return {x - o.x, y - o.y, z - o.z};
    }
    vec operator*(T s) const
    {
        return {x * s, y * s, z * s};
    }
    friend vec operator*(T s, const vec &v)
    {
        return v * s;
    }
    vec operator/(const T &s) const
    {
        return {x / s, y / s, z / s};
    }
    vec &operator+=(const vec &o)
    {
        x += o.x, y += o.y, z += o.z;
        return *this;
    }
    T dot(const vec &o) const
    {
        return x * o.x + y * o.y + z * o.z;
    }
    T length() const
    {
        using std::sqrt;
        return sqrt(dot(*this));
    }
    vec normalized() const
    {
        return *this / length();
    }
};

template <class T> struct sphere {
    vec<T> centre{};
    T radius = 1;
    T albedo = T(0.5);
};

template <class T> struct ray {
    vec<T> from, direction;
};

template <class T> std::optional<T> meet(const ray<T> &r, const sphere<T> &s)
{
    const vec<T> way = r.from - s.centre;
    const T a = r.direction.dot(r.direction), b = 2.0 * way.dot(r.direction),
            c = way.dot(way) - s.radius * s.radius;
    const T discriminant = b * b - 4 * a * c;
    if (discriminant < 0)
        return std::nullopt;
    T t = (-b - std::sqrt(discriminant)) / (2.0 * a);
    if (t < 1e-3)
        t = (-b + std::sqrt(discriminant)) / (2 * a);
    return t > T(1e-3) ? std::optional<T>(t) : std::nullopt;
}

template <class T> T trace(const std::vector<sphere<T>> &spheres, const ray<T> &from, int depth)
{
    T nearest = std::numeric_limits<T>::max();
    const sphere<T> *which = nullptr;
    for (const auto &s : spheres)
        if (const auto t = meet(from, s); t && *t < nearest) {
            nearest = *t;
            which = &s;
        }
    if (which == nullptr)
        return T{0.25} + 0.1 * std::abs(from.direction.y);
    const vec<T> place = from.from + from.direction * nearest,
                 normal = (place - which->centre).normalized();
    const vec<T> light = vec<T>(1, 2, -1).normalized();
    const T diffuse = std::max(T(0), normal.dot(light));
    const T shine = std::pow(std::max<T>(0, normal.dot((light - from.direction).normalized())), 16);
    T colour = which->albedo * diffuse + 0.25 * shine;
    if (depth > 0) {
        const ray<T> next{place, from.direction - 2 * from.direction.dot(normal) * normal};
        colour += 0.25 * trace(spheres, next, depth - 1);
    }
    return std::clamp(colour, T(0), T(10));
}

struct image {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        constexpr int n = 4;
        std::vector<sphere<T>> spheres;
        spheres.push_back({vec<T>(x[0], x[1], 5.0), x[2]});
        spheres.push_back(sphere<T>{{T(0), T(-9), T(5)}, T(8), 0.75});
        spheres.emplace_back();
        spheres.back().centre += {x[3], 0.25, 4.0};
        spheres.back().radius /= 2;
        T sum = 0;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                ray<T> r;
                r.direction = vec<T>((i + 0.5) / n - 0.5, (j + 0.5) / n - 0.5, 1).normalized();
                sum += trace(spheres, r, 2) / (n * n);
            }
        return sum;
    }
};

} // namespace rays

/* ---- Options by Black and Scholes ------------------------------------------------------------ */

namespace options
{

enum class kind {
    call,
    put
};

template <class Real> Real normal(Real x)
{
    return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

/* Abramowitz and Stegun, 26.2.17 */
template <class Real> Real normal_by_polynomial(Real x)
{
    static const double a[] = {0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429};
    static const Real scale = Real(0.3989422804014327);
    using std::exp;
    using std::fabs;
    const Real k = 1.0 / (1.0 + 0.2316419 * fabs(x));
    Real tail =
        scale * exp(-0.5 * x * x) * (k * (a[0] + k * (a[1] + k * (a[2] + k * (a[3] + k * a[4])))));
    if (x > 0)
        tail = 1.0 - tail;
    return tail;
}

template <class Real> Real price(Real spot, Real strike, Real rate, Real sigma, Real years, kind k)
{
    using std::exp;
    using std::log;
    using std::sqrt;
    const Real width = sigma * sqrt(years),
               d1 = (log(spot / strike) + (rate + sigma * sigma / 2) * years) / width,
               d2 = d1 - width;
    switch (k) {
    case kind::call:
        return spot * normal(d1) - strike * exp(-rate * years) * normal_by_polynomial(d2);
    case kind::put:
        return strike * exp(-rate * years) * normal<Real>(-d2) - spot * normal(-d1);
    }
    return Real();
}

struct book {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        T total{};
        const std::array<T, 3> strikes = {{T(0.875), T(1), T(1.125F)}};
        for (const T &strike : strikes)
            total += price(x[0], strike, x[1], x[2], x[3], kind::call) -
                     price<T>(x[0], strike, x[1], x[2], x[3], kind::put) / 3U;
        return total;
    }
};

} // namespace options

/* ---- An oscillator --------------------------------------------------------------------------- */

namespace oscillators
{

template <class T> class integrator
{
  public:
    using state = std::array<T, 2>;
    using field = std::function<state(T, const state &)>;

    explicit integrator(field f, double step) : field_(std::move(f)), step_(step) {}

    state run(state y, T t, T end)
    {
        while (t < end) {
            const T h = std::min(T(step_), end - t);
            const state k1 = field_(t, y), k2 = field_(t + h / 2, advance(y, 0.5 * h, k1)),
                        k3 = field_(t + h / 2.0, advance(y, h * 0.5, k2)),
                        k4 = field_(t + h, advance(y, h, k3));
            for (std::size_t i = 0; i < y.size(); ++i)
                y[i] += h / 6. * (k1[i] + 2 * k2[i] + 2.0 * k3[i] + k4[i]);
            t += h;
            steps_++;
        }
        return y;
    }

    int steps() const
    {
        return steps_;
    }

  private:
    static state advance(state y, T h, const state &slope)
    {
        std::transform(y.begin(), y.end(), slope.begin(), y.begin(),
                       [h](T a, T b) { return a + h * b; });
        return y;
    }

    field field_;
    double step_;
    int steps_ = 0;
};

struct van_der_pol {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        using std::sin;
        using state = typename integrator<T>::state;
        const T mu = x[0];
        integrator<T> solver(
            [mu](T t, const state &y) -> state {
                return {y[1], mu * (1 - y[0] * y[0]) * y[1] - y[0] + 0.125 * sin(t)};
            },
            0.0625);
        state y{x[1], x[2]};
        y = solver.run(y, T(0), 1.03125);
        return y[0] * y[0] + std::abs(y[1]) * solver.steps();
    }
};

} // namespace oscillators

/* ---- Linear equations ------------------------------------------------------------------------ */

namespace equations
{

template <class T> class matrix
{
  public:
    matrix(std::size_t rows, std::size_t columns, const T &start = T())
        : rows_(rows), columns_(columns), all_(rows * columns, start)
    {
    }
    T &operator()(std::size_t i, std::size_t j)
    {
        return all_[i * columns_ + j];
    }
    const T &operator()(std::size_t i, std::size_t j) const
    {
        return all_.at(i * columns_ + j);
    }
    std::size_t rows() const
    {
        return rows_;
    }
    void swap_rows(std::size_t i, std::size_t j)
    {
        for (std::size_t k = 0; k < columns_; k++)
            std::swap((*this)(i, k), (*this)(j, k));
    }

  private:
    std::size_t rows_, columns_;
    std::vector<T> all_;
};

/* By elimination with pivots; empty for a singular matrix. */
template <class T> std::vector<T> solve(matrix<T> a, std::vector<T> b, T *determinant = nullptr)
{
    using std::swap;
    const std::size_t n = a.rows();
    T product = 1;
    for (std::size_t k = 0; k < n; k++) {
        std::size_t pivot = k;
        T best = 0;
        for (std::size_t i = k; i < n; i++)
            if (const T size = std::fabs(a(i, k)); size > best) {
                best = size;
                pivot = i;
            }
        if (best == 0.0 || best < std::numeric_limits<T>::epsilon() * 16 || std::isnan(best))
            return {};
        if (pivot != k) {
            a.swap_rows(k, pivot);
            swap(b[k], b[pivot]);
            product = -product;
        }
        product *= a(k, k);
        for (std::size_t i = k + 1; i < n; i++) {
            const T factor = a(i, k) / a(k, k);
            for (std::size_t j = k; j < n; j++)
                a(i, j) -= factor * a(k, j);
            b[i] -= factor * b[k];
        }
    }
    std::vector<T> x(n);
    for (std::size_t i = n; i-- > 0;) {
        x[i] = b[i];
        for (std::size_t j = i + 1; j < n; j++)
            x[i] -= a(i, j) * x[j];
        x[i] /= a(i, i);
    }
    if (determinant)
        *determinant = product;
    return x;
}

struct system {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        const std::size_t n = x.size();
        matrix<T> a(n, n);
        for (std::size_t i = 0; i < n; i++)
            for (std::size_t j = 0; j < n; j++)
                a(i, j) = 1.0 / static_cast<double>(i + j + 1) + (i == j ? x[i] : 0) +
                          (i == j + 1 ? T(1) : x[0] * 0.125);
        T determinant;
        const std::vector<T> y = solve(a, std::vector<T>(n, 1.0), &determinant);
        const T product = std::accumulate(y.begin(), y.end(), T(1), std::multiplies<>());
        return std::accumulate(y.begin(), y.end(), T{}) + determinant + product +
               std::inner_product(y.begin(), y.end(), x.begin(), T(0.0));
    }
};

} // namespace equations

/* ---- Clusters -------------------------------------------------------------------------------- */

namespace clusters
{

template <class T> struct point {
    T x{};
    T y{};
};

template <class T> T find_distance(const point<T> &a, const point<double> &b)
{
    const T dx = a.x - b.x, dy = a.y - b.y;
    return dx * dx + dy * dy;
}

/* Two rounds of weighted means, then the squared distances from the nearest. */
struct means {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        std::vector<point<double>> points;
        for (int i = 0; i < 12; i++)
            points.push_back({std::sin(i * 1.3), std::cos(i * 0.7)});
        std::vector<point<T>> centres;
        for (std::size_t i = 0; i + 1 < x.size(); i += 2)
            centres.push_back(point<T>{x[i], x[i + 1]});
        for (int round = 0; round < 2; round++) {
            std::vector<point<T>> sums(centres.size());
            std::vector<T> weights(centres.size(), -1.0);
            std::fill(weights.begin(), weights.end(), 0);
            for (const auto &p : points) {
                const auto nearest = std::min_element(
                    centres.begin(), centres.end(), [&p](const point<T> &a, const point<T> &b) {
                        return find_distance(a, p) < find_distance(b, p);
                    });
                const auto k = static_cast<std::size_t>(std::distance(centres.begin(), nearest));
                const T weight = std::exp(-find_distance(*nearest, p));
                sums[k].x += weight * p.x;
                sums[k].y += p.y * weight;
                weights[k] += weight;
            }
            for (std::size_t k = 0; k < centres.size(); k++)
                if (weights[k] > 0)
                    centres[k] = {sums[k].x / weights[k], sums[k].y / weights[k]};
        }
        T cost = 0;
        for (const auto &p : points) {
            T least = std::numeric_limits<T>::infinity();
            for (const auto &c : centres)
                least = std::min(least, find_distance(c, p));
            cost += least;
        }
        return cost;
    }
};

} // namespace clusters

/* ---- Ways to hold and to write numbers ------------------------------------------------------- */

struct holders {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        using namespace std;
        T zero, a = 0, b(1), c{2.0}, d = T(), e = x[0] > 0 ? x[1] : 0.0, f = x[0] < 0 ? 1 : x[0];
        zero = 0;
        T rows[2][2] = {{1, 2.}, {x[0], x[1]}}, *second = rows[1];
        swap(rows[0], rows[1]);
        array<T, 4> four{};
        four.fill(x[0]);
        fill_n(four.begin(), 2, 3.0);
        vector<T> many(3, 1.5), listed = {1, 2.0, x[0]}, sums(x.size());
        many.resize(5);
        many.insert(many.end(), listed.begin(), listed.end());
        partial_sum(x.begin(), x.end(), sums.begin());
        tuple<T, int> both{x[0], 3};
        auto &[number, times] = both;
        number *= times;
        const auto [low, high] = minmax({x[0], x[1]});
        const unique_ptr<T[]> heap(new T[2]);
        heap[0] = x[1];
        heap[1] = heap[0]++;
        map<string, T> named;
        named["one"] += x[0];
        optional<T> maybe;
        maybe = named["none"] + exchange(heap[0], T(4));
        function<T(T)> square = [](T y) { return y * y; };
        ostringstream text;
        text << x[0];
        const T read = text.str().empty() ? 1 : 0;
        for (T t = 0; t < 1; t += 0.25)
            d += t * x[0];
        return a + b * c + d + e * f + zero + rows[0][0] * rows[1][1] + *second +
               accumulate(four.begin(), four.end(), T(0)) + many[5] * many.back() + sums.back() +
               get<0>(both) + high * high - low + heap[0] * heap[1] + *maybe + square(2) +
               square(x[1]) + read + (isfinite(x[0]) && x[1] != 0 ? x[0] : x[1] / 2);
    }
};

#endif
