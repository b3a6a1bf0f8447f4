/* SPDX-License-Identifier: MIT
 *
 * wengert/autograd.hpp: numeric templates as people write them for double, instantiated with double
 * and with value, their gradients against finite differences; every gate on plain numbers and on
 * nodes, bit for bit; errors. Not the gates' derivatives themselves, which C tests check.
 */

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iosfwd>
#include <limits>
#include <type_traits>

/* Macros that programs have; the header must neither stumble over them nor take them away. */
#define LOG(message) stumbled over LOG
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define M 42
#define FIRST stumbled over FIRST
#define max(a, b) stumbled over max
#include <wengert/autograd.hpp>
#if MAX(1, 2) != 2 || M != 42
#error "the header took a macro away"
#endif
#if !defined(LOG) || !defined(FIRST) || !defined(max) || defined(ADD) || defined(OFFSET)
#error "the header changed macros"
#endif
#undef LOG
#undef MAX
#undef M
#undef FIRST
#undef max

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <setjmp.h>

extern "C" {
#include <cmocka.h>
}

#include "numeric_templates.h"

using wengert::real;
using wengert::value;

namespace
{

const real infinity = std::numeric_limits<real>::infinity();
const real not_a_number = std::numeric_limits<real>::quiet_NaN();

/* ---- What the compiler knows ----------------------------------------------------------------- */

static_assert(std::is_trivially_copyable_v<value>);
static_assert(std::is_standard_layout_v<value>);
static_assert(sizeof(value) <= 16);
static_assert(std::is_nothrow_default_constructible_v<value>);

static_assert(std::is_convertible_v<int, value>);
static_assert(std::is_convertible_v<unsigned long long, value>);
static_assert(std::is_convertible_v<float, value>);
static_assert(std::is_convertible_v<long double, value>);
static_assert(!std::is_convertible_v<ag_value, value>);
static_assert(std::is_constructible_v<value, ag_value>);
static_assert(!std::is_constructible_v<value, void *>);
static_assert(!std::is_constructible_v<value, const char *>);
static_assert(!std::is_convertible_v<value, double>);
static_assert(!std::is_convertible_v<value, bool>);
static_assert(std::is_constructible_v<double, value>);
static_assert(std::is_constructible_v<int, value>);

static_assert(std::is_same_v<std::common_type_t<value, double>, value>);
static_assert(std::is_same_v<std::common_type_t<int, value>, value>);
static_assert(std::is_same_v<decltype(2 * value()), value>);
static_assert(std::is_same_v<decltype(value() / 3.0F), value>);
static_assert(std::is_same_v<decltype(true ? value() : 1.0), value>);
static_assert(std::is_same_v<decltype(std::pow(2, value())), value>);
static_assert(std::is_same_v<decltype(std::pow(value(), 2.0)), value>);
static_assert(std::is_same_v<decltype(std::max(0.0, value())), value>);

static_assert(std::is_move_constructible_v<wengert::graph>);
static_assert(std::is_move_assignable_v<wengert::graph>);
static_assert(!std::is_copy_constructible_v<wengert::graph>);
static_assert(!std::is_copy_assignable_v<wengert::graph>);

using limits = std::numeric_limits<value>;
static_assert(limits::is_specialized && limits::has_infinity && limits::has_quiet_NaN);
static_assert(limits::is_signed && !limits::is_integer && !limits::is_exact && limits::is_iec559);
static_assert(limits::digits == std::numeric_limits<real>::digits);
static_assert(limits::max_exponent == std::numeric_limits<real>::max_exponent);
static_assert(std::is_same_v<decltype(limits::epsilon()), value>);
static_assert(static_cast<real>(limits::epsilon()) == AG_REAL_EPSILON);
static_assert(std::numeric_limits<const value>::is_specialized);
constexpr value half = 0.5;
static_assert(static_cast<real>(half) == real(0.5) && bool(half) && !value().is_node());

/* ---- Comparing numbers ----------------------------------------------------------------------- */

bool is_close(double a, double b, double tolerance)
{
    return std::fabs(a - b) <= tolerance * std::fmax(1, std::fmax(std::fabs(a), std::fabs(b)));
}

/* Any NaN equals any other; -0 is not 0. */
bool has_same_bits(real a, real b)
{
    return (a != a && b != b) || std::memcmp(&a, &b, sizeof(a)) == 0;
}

void check_bits(const char *what, real actual, real expected)
{
    if (!has_same_bits(actual, expected))
        fail_msg("%s: %.17g, expected %.17g", what, static_cast<double>(actual),
                 static_cast<double>(expected));
}

/* ---- Templates written for double ------------------------------------------------------------ */

/* Each is a function of n numbers, f(const std::vector<T> &) for any T. */

struct determinant_by_cofactors {
    template <class T> static T expand(const std::vector<std::vector<T>> &a)
    {
        const std::size_t n = a.size();
        if (n == 1)
            return a[0][0];
        T sum{};
        for (std::size_t j = 0; j < n; j++) {
            std::vector<std::vector<T>> rest;
            for (std::size_t i = 1; i < n; i++) {
                rest.push_back({});
                for (std::size_t k = 0; k < n; k++)
                    if (k != j)
                        rest.back().push_back(a[i][k]);
            }
            sum += (j % 2 == 0 ? 1 : -1) * a[0][j] * expand(rest);
        }
        return sum;
    }

    template <class T> T operator()(const std::vector<T> &x) const
    {
        std::vector<std::vector<T>> a(3, std::vector<T>(3));
        for (std::size_t i = 0; i < 9; i++)
            a[i / 3][i % 3] = x[i];
        return expand(a);
    }
};

struct determinant_by_pivots {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        constexpr int n = 3;
        T a[n][n];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                a[i][j] = x[static_cast<std::size_t>(n * i + j)];
        T product = 1;
        for (int k = 0; k < n; k++) {
            int pivot = k;
            for (int i = k + 1; i < n; i++)
                if (std::abs(a[i][k]) > std::abs(a[pivot][k]))
                    pivot = i;
            if (a[pivot][k] == 0)
                return T(0);
            if (pivot != k) {
                std::swap(a[k], a[pivot]);
                product = -product;
            }
            for (int i = k + 1; i < n; i++) {
                const T factor = a[i][k] / a[k][k];
                for (int j = k; j < n; j++)
                    a[i][j] -= factor * a[k][j];
            }
            product *= a[k][k];
        }
        return product;
    }
};

struct log_sum_exp {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        T most = -std::numeric_limits<T>::infinity();
        for (const T &each : x)
            most = std::max(most, each);
        T sum = 0;
        for (const T &each : x)
            sum += std::exp(each - most);
        return most + std::log(sum);
    }
};

/* Two components; x holds weight logit, means and log deviations. */
struct mixture_log_likelihood {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        using std::exp;
        using std::log;
        const double samples[] = {-1.2, 0.3, 0.9, 2.5, 3.1};
        const T weight = 1.0 / (1 + exp(-x[0]));
        T total = 0.0;
        for (const double sample : samples) {
            std::array<T, 2> terms;
            for (std::size_t k = 0; k < 2; k++) {
                const T z = (sample - x[1 + k]) / exp(x[3 + k]);
                terms[k] = log(k == 0 ? weight : 1 - weight) - 0.5 * z * z - x[3 + k] -
                           0.5 * log(2 * 3.14159265358979);
            }
            const T most = std::max(terms[0], terms[1]);
            total += most + log(exp(terms[0] - most) + exp(terms[1] - most));
        }
        return total;
    }
};

template <class T> struct body {
    T x, v;
};

/* A damped pendulum by Runge and Kutta. Its step must be the one below, not the gate of the name.
 */
struct pendulum {
    template <class T> static T step(T t)
    {
        return 0.05 * t;
    }

    template <class T> static std::array<T, 2> slope(const body<T> &b, T damping)
    {
        return {b.v, -sin(b.x) - damping * b.v};
    }

    template <class T> T operator()(const std::vector<T> &x) const
    {
        using std::sin;
        body<T> b{x[0], x[1]};
        const T damping = x[2], h = step(T{1});
        for (int i = 0; i < 10; i++) {
            const auto k1 = slope(b, damping);
            const auto k2 = slope(body<T>{b.x + h / 2 * k1[0], b.v + h / 2 * k1[1]}, damping);
            const auto k3 = slope(body<T>{b.x + h / 2 * k2[0], b.v + h / 2 * k2[1]}, damping);
            const auto k4 = slope(body<T>{b.x + h * k3[0], b.v + h * k3[1]}, damping);
            b.x += h / 6 * (k1[0] + 2 * k2[0] + 2 * k3[0] + k4[0]);
            b.v += h / 6 * (k1[1] + 2 * k2[1] + 2 * k3[1] + k4[1]);
        }
        return 0.5 * b.v * b.v + 1 - std::cos(b.x);
    }
};

/* Squared distances to the nearest of three centres */
struct nearest_centres {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        const double points[][2] = {{0.1, 0.2}, {1.9, 2.2}, {-1.1, 0.8}, {2.5, 1.5}, {0.3, -0.4}};
        T total{};
        for (const auto &point : points) {
            T least = std::numeric_limits<T>::infinity();
            for (std::size_t k = 0; k < 3; k++) {
                const T dx = x[2 * k] - point[0], dy = point[1] - x[2 * k + 1];
                least = std::min(least, dx * dx + dy * dy);
            }
            total += least;
        }
        return total / 5;
    }
};

/* The root of t^3 + a t = b, which t's last step makes differentiable. */
struct newton {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        const T a = x[0], b = x[1];
        T t(1);
        T f = t * t * t + a * t - b;
        int rounds = 0;
        while (std::abs(f) > 16 * std::numeric_limits<T>::epsilon() && rounds++ < 50) {
            t -= f / (3 * t * t + a);
            f = std::pow(t, 3) + a * t - b;
        }
        return t - f / (3 * t * t + a);
    }
};

struct idioms {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        const std::size_t n = x.size();
        T acc{};
        acc += x[0];
        acc *= 2;
        acc = -acc;
        acc /= 3;
        acc -= 1U;
        acc = +acc * 2L + static_cast<int>(n) + true;
        T before = acc++;
        before = --acc;
        ++acc;
        acc--;
        T copy = acc, other(x[1]);
        std::swap(copy, other);
        const T positive = x[2] > 0 && 0 < x[1] ? x[2] : T{};
        std::vector<T> v(n), weights = {1, 2.5, x[1]};
        std::copy(x.begin(), x.end(), v.begin());
        std::sort(v.begin(), v.end());
        const T median = v[n / 2];
        const T total = std::accumulate(v.begin(), v.end(), T(0));
        const T product = std::inner_product(v.begin(), v.end(), weights.begin(), T{1});
        const T largest = *std::max_element(v.begin(), v.end());
        const T clamped = std::clamp(x[0], 0.0, 1.0) + std::clamp(x[1], T(-1), T(1));
        const T mixed = std::max(0.0, x[2]) + std::min(x[1], 0.25) + std::max({x[0], x[1], x[2]});
        return before + copy * other + positive * positive + (x[0] == 0 ? 1 : median * median) +
               total + product / largest + clamped + mixed + (x[0] != 0 ? x[1] : 0);
    }
};

/* A table look-up between whole numbers, where the program itself asks for an int */
struct interpolation {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        const double table[] = {0.5, 1.25, -0.75, 3};
        const int i = static_cast<int>(std::floor(x[0]));
        const T fraction = x[0] - i;
        return (1 - fraction) * table[i] + fraction * table[i + 1];
    }
};

struct geometry {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        using namespace std;
        const T radius = hypot(x[0], x[1]), angle = atan2(x[1], x[0]);
        const T space = std::hypot(x[0], x[1], T(2));
        return pow(radius, 1.5) + pow(angle, 2) * pow(2, x[2]) + fabs(sin(angle)) -
               fma(x[0], x[1], x[2]) + space * cbrt(x[2]) + fmax(x[0], x[1]) * fmin(x[0], 5) +
               fdim(x[0], x[1]) + copysign(x[0], x[1]) * tgamma(4.0) +
               (x[0] - round(x[0])) * trunc(x[1]) +
               ceil(x[2]) * (isfinite(x[0]) && !isnan(x[1]) ? x[0] : x[1]);
    }
};

struct poisson_log_likelihood {
    template <class T> T operator()(const std::vector<T> &x) const
    {
        T total = 0;
        for (const int count : {0, 3, 1, 5})
            total +=
                count * log(x[0]) - x[0] - std::lgamma(T(count + 1)) + lgamma(x[1] + count) / 8;
        return total;
    }
};

/* The same number from double, from plain values and from nodes; the gradient as differences. */
template <class F> void check_function(F f, const std::vector<double> &at)
{
    const double tolerance = 64 * static_cast<double>(AG_REAL_EPSILON);
    const double expected = f(at);

    const std::vector<value> numbers(at.begin(), at.end());
    const value number = f(numbers);
    assert_false(number.is_node());

    wengert::graph graph;
    std::vector<value> x;
    for (const double each : at)
        x.push_back(graph.variable(static_cast<real>(each)));
    const value y = f(x);
    assert_int_equal(graph.error(), AG_OK);
    assert_true(y.is_node());
    check_bits("node", y.data(), number.data());
    if (!is_close(static_cast<double>(y), expected, tolerance))
        fail_msg("%.17g, expected %.17g", static_cast<double>(y), expected);

    assert_int_equal(graph.backward(y), AG_OK);
    for (std::size_t i = 0; i < at.size(); i++) {
        const double h = 1e-5;
        std::vector<double> left = at, right = at;
        left[i] -= h;
        right[i] += h;
        const double difference = (f(right) - f(left)) / (2 * h);
        const double gradient = static_cast<double>(x[i].grad());
        if (!is_close(gradient, difference, std::fmax(1e-8, 40 * tolerance)))
            fail_msg("d/d x[%zu] is %.17g, expected %.17g", i, gradient, difference);
    }
}

void test_templates_for_double(void **)
{
    const std::vector<double> matrix = {0.5, -1.25, 2, 3, 0.75, -0.5, 1.5, 2.25, -3};
    check_function(determinant_by_cofactors(), matrix);
    check_function(determinant_by_pivots(), matrix);
    check_function(log_sum_exp(), {0.5, -1, 2.25, 2});
    check_function(log_sum_exp(), {60, 61, 59.5});
    check_function(mixture_log_likelihood(), {0.3, 0.1, 2.8, -0.2, 0.4});
    check_function(pendulum(), {1.2, -0.3, 0.25});
    check_function(nearest_centres(), {0, 0.1, 2, 2, -1, 1});
    check_function(newton(), {1.5, 4});
    check_function(idioms(), {0.75, 2, 1.25});
    check_function(idioms(), {-0.75, 0.125, -2});
    check_function(interpolation(), {1.625});
    check_function(geometry(), {1.75, -2.5, 0.75});
    check_function(poisson_log_likelihood(), {2.5, 0.75});
    check_function(rays::image(), {0.125, 0.5, 1.125, -0.375});
    check_function(options::book(), {1.0625, 0.03125, 0.25, 0.75});
    check_function(oscillators::van_der_pol(), {1.5, 0.25, -0.25});
    check_function(equations::system(), {0.25, -0.25, 1.5, 0.75});
    check_function(clusters::means(), {0.5, 0.375, -0.5, 0.25, 0.125, -0.75});
    check_function(holders(), {0.75, 1.25});
}

void test_singular_matrix_needs_no_pivot(void **)
{
    const determinant_by_pivots determinant;
    wengert::graph graph;
    std::vector<value> a(9);
    a[8] = graph.variable(1);
    const value d = determinant(a);
    assert_false(d.is_node());
    assert_true(d == 0);
    assert_int_equal(graph.error(), AG_OK);
}

/* ---- Numbers and nodes ----------------------------------------------------------------------- */

void test_no_graph_until_a_variable(void **)
{
    enum {
        TWO = 2
    };
    value a, b{}, c(0), d{1}, e = 2.5, f = 'a', g = true;
    const value sum = a + b + c + d + e + f + g + value(1) / 2.0F;
    assert_false(sum.is_node());
    assert_true(sum == 5 + 'a' && sum && !a && int(sum) == 5 + 'a' && TWO * d == TWO);
    assert_true(ag_is_null(sum.node()));
    check_bits("gradient of a number", sum.grad(), 0);

    wengert::graph graph;
    assert_int_equal(graph.backward(sum), AG_OK);
    assert_int_equal(ag_graph_count(graph.get()), 0);
    const value x = graph.variable(3);
    const value y = sum * x;
    assert_true(x.is_node() && y.is_node());
    assert_int_equal(ag_graph_count(graph.get()), 3); /* x, a constant, the product */
    assert_string_equal(ag_gate_name(ag_operand(y.node(), 0)), "constant");
    assert_int_equal(graph.backward(y), AG_OK);
    check_bits("gradient", x.grad(), sum.data());
    assert_int_equal(graph.backward(7), AG_OK);
    check_bits("the gradient again", x.grad(), sum.data());
    graph.zero_grad();
    check_bits("no gradient", x.grad(), 0);

    a = x;
    a = {};
    assert_false(a.is_node());
    a = 5;
    assert_true(a == 5);
}

/* Nothing is folded away: 0 times a node is a node, and NaN where that is NaN. */
void test_no_folding(void **)
{
    wengert::graph graph;
    const value x = graph.variable(infinity);
    const value product = 0 * x, same = x + 0, quotient = 0 / (x - x);
    assert_true(product.is_node() && same.is_node());
    assert_true(std::isnan(product.data()) && std::isnan(quotient.data()));
    check_bits("0 * -1", (value(0) * value(-1)).data(), real(-0.0));
}

void test_whole_exponents(void **)
{
    wengert::graph graph;
    const value x = graph.variable(-2);
    const value y = std::pow(x, 3) + pow(x, value(2)) + std::pow(x, -1.0) + wengert::pow(x, 2U);
    check_bits("powers", y.data(), real(-0.5));
    assert_int_equal(graph.backward(y), AG_OK);
    check_bits("their gradient", x.grad(), real(12 - 4 - 0.25 - 4));

    const value root = std::pow(graph.variable(4), 0.5), large = std::pow(graph.variable(1), 1e9);
    check_bits("pow(4, 0.5)", root.data(), 2);
    check_bits("pow(1, 1e9)", large.data(), 1);
    assert_true(std::isnan(std::pow(x, std::nan(""))));
    check_bits("3^x", std::pow(3, x).data(), std::pow(real(3), real(-2)));
}

/* A comparison is part of what the graph remembers. */
void test_comparisons_are_recorded(void **)
{
    wengert::graph graph;
    const value x = graph.variable(1);
    const value y = x < 2 ? x * 3 : x;
    assert_int_equal(ag_forward(y.node()), AG_OK);
    assert_int_equal(ag_set(x.node(), 5), AG_OK);
    assert_int_equal(ag_forward(y.node()), AG_BRANCH);

    wengert::graph other;
    const value z = other.variable(1);
    const value w = z ? z * 2 : value(7);
    assert_int_equal(ag_forward(w.node()), AG_OK);
    assert_int_equal(ag_set(z.node(), 0), AG_OK);
    assert_int_equal(ag_forward(w.node()), AG_BRANCH);
}

template <class A, class B> void check_comparisons(const A &a, const B &b, real left, real right)
{
    assert_true((a == b) == (left == right));
    assert_true((a != b) == (left != right));
    assert_true((a < b) == (left < right));
    assert_true((a <= b) == (left <= right));
    assert_true((a > b) == (left > right));
    assert_true((a >= b) == (left >= right));
}

void test_comparisons(void **)
{
    wengert::graph graph;
    for (const int left : {-1, 0, 2})
        for (const int right : {-1, 0, 2}) {
            const real a = static_cast<real>(left), b = static_cast<real>(right);
            check_comparisons(value(left), value(right), a, b);
            check_comparisons(value(left), right, a, b);
            check_comparisons(b, value(left), b, a);
            check_comparisons(graph.variable(a), right, a, b);
            check_comparisons(left, graph.constant(b), a, b);
            check_comparisons(graph.variable(a), graph.variable(b), a, b);
        }
    check_comparisons(value(not_a_number), 1, not_a_number, 1);
    check_comparisons(graph.variable(not_a_number), value(not_a_number), not_a_number,
                      not_a_number);
    assert_int_equal(graph.error(), AG_OK);
}

void test_streams(void **)
{
    wengert::graph graph;
    std::stringstream stream;
    stream << value(1.5) << ' ' << graph.variable(real(-0.25));
    assert_string_equal(stream.str().c_str(), "1.5 -0.25");
    value x, y = graph.variable(1);
    stream >> x >> y;
    assert_true(x == 1.5 && y == -0.25 && !y.is_node());
}

/* ---- Every gate, from the table -------------------------------------------------------------- */

/* A point of the table */
struct point {
    std::vector<real> at;

    point(std::initializer_list<double> numbers)
    {
        for (const double number : numbers)
            at.push_back(static_cast<real>(number));
    }
};

const std::vector<double> awkward = {
    0.0,  -0.0, 1,      -1,     0.5,      -0.5,      1.5,
    -2.5, 3,    20,     -40,    710,      -750,      1e-3,
    1e10, 1e30, 1e-310, -1e-40, HUGE_VAL, -HUGE_VAL, std::numeric_limits<double>::quiet_NaN(),
};

using unary = value (*)(value);
using binary = value (*)(value, value);
using ternary = value (*)(value, value, value);

void check_unary(const char *name, unary f, ag_value (*gate)(ag_value), std::vector<point> points)
{
    wengert::graph graph;
    for (const double each : awkward)
        points.push_back({each});
    for (const point &each : points) {
        const value number = f(value(each.at[0]));
        assert_false(number.is_node());
        const value node = f(graph.variable(each.at[0]));
        assert_true(node.is_node());
        check_bits(name, number.data(), ag_data(gate(ag_constant(graph.get(), each.at[0]))));
        check_bits(name, node.data(), number.data());
    }
    assert_int_equal(graph.error(), AG_OK);
}

void check_binary(const char *name, binary f, ag_value (*gate)(ag_value, ag_value),
                  std::vector<point> points)
{
    wengert::graph graph;
    for (const double first : awkward)
        for (const double second : awkward)
            points.push_back({first, second});
    for (const point &each : points) {
        const real a = each.at[0], b = each.at[1];
        const value number = f(value(a), value(b));
        assert_false(number.is_node());
        const ag_value operand = ag_constant(graph.get(), a);
        check_bits(name, number.data(), ag_data(gate(operand, ag_constant(graph.get(), b))));
        const value x = graph.variable(a), y = graph.variable(b);
        for (const value node : {f(x, y), f(x, b), f(a, y)}) {
            assert_true(node.is_node());
            check_bits(name, node.data(), number.data());
        }
    }
    assert_int_equal(graph.error(), AG_OK);
}

void check_ternary(const char *name, ternary f, ag_value (*gate)(ag_value, ag_value, ag_value),
                   std::vector<point> points)
{
    wengert::graph graph;
    points.push_back({std::nan(""), 2, 3});
    points.push_back({-0.0, 2, 3});
    for (const point &each : points) {
        const real c = each.at[0], a = each.at[1], b = each.at[2];
        const value number = f(value(c), value(a), value(b));
        assert_false(number.is_node());
        const value x = graph.variable(c), y = graph.variable(a), z = graph.variable(b);
        check_bits(name, number.data(), ag_data(gate(x.node(), y.node(), z.node())));
        for (const value node : {f(x, y, z), f(c, y, z), f(c, a, z), f(c, y, b), f(x, a, b)}) {
            assert_true(node.is_node());
            check_bits(name, node.data(), number.data());
        }
    }
    assert_int_equal(graph.error(), AG_OK);
}

std::vector<point> get_long_lists()
{
    std::vector<point> lists;
    for (const double last : awkward) {
        lists.push_back({last});
        lists.push_back({last, 1, last, -2});
        lists.push_back({1, last, -2});
    }
    point list({});
    for (int i = 0; i < 50; i++)
        list.at.push_back(static_cast<real>(std::sin(i)));
    lists.push_back(list);
    return lists;
}

/* Calls a gate with any number of operands: f of numbers, f of numbers and nodes in turn, the C
 * function of nodes. Call and gate take the operands and their partners, which are the operands the
 * other way round. */
template <class Call, class Gate>
void check_nary(const char *name, Call f, Gate gate, std::vector<point> points)
{
    wengert::graph graph;
    for (const point &each : get_long_lists())
        points.push_back(each);
    for (const point &each : points) {
        const std::size_t n = each.at.size();
        const std::vector<real> other(each.at.rbegin(), each.at.rend());
        std::vector<value> numbers(each.at.begin(), each.at.end()),
            others(other.begin(), other.end());
        const value number = f(n, numbers.data(), others.data(), other.data());
        assert_false(number.is_node());
        std::vector<ag_value> x, w;
        for (std::size_t i = 0; i < n; i++) {
            x.push_back(ag_constant(graph.get(), each.at[i]));
            w.push_back(ag_constant(graph.get(), other[i]));
        }
        check_bits(name, number.data(), ag_data(gate(n, x.data(), w.data(), other.data())));
        for (std::size_t i = n; i-- > 0; i -= i > 0) {
            numbers[i] = value(x[i]);
            const value node = f(n, numbers.data(), others.data(), other.data());
            assert_true(node.is_node());
            check_bits(name, node.data(), number.data());
        }
    }
    assert_true(std::isnan(f(0, nullptr, nullptr, nullptr).data()));
    assert_int_equal(graph.error(), AG_OK);
}

void test_gates_of_one_operand(void **)
{
#define INF HUGE_VAL
#undef NAN /* of type float */
#define NAN std::numeric_limits<double>::quiet_NaN()
#define AT(...) point({__VA_ARGS__}),
#define EDGE(x, ...) point({x}),
#define AG_UNARY(name, result, dx, domain, edges, samples)                                         \
    check_unary(#name, wengert::name, ag_##name, {edges samples});
#include <wengert/gates.def>
#undef EDGE
}

void test_gates_of_two_operands(void **)
{
#define EDGE(a, b, ...) point({a, b}),
#define AG_BINARY(name, result, da, db, domain, edges, samples)                                    \
    check_binary(#name, wengert::name, ag_##name, {edges samples});
#include <wengert/gates.def>
#undef EDGE
}

void test_gates_of_three_operands(void **)
{
#define EDGE(c, a, b, ...) point({c, a, b}),
#define AG_TERNARY(name, result, dc, da, db, domain, edges, samples)                               \
    check_ternary(#name, wengert::name, ag_##name, {edges samples});
#include <wengert/gates.def>
#undef EDGE
}

void test_gates_of_any_operands(void **)
{
#define EDGE(a, b, ...) point({a, b}),
#define AG_NARY(name, partner, formula, start, step, end, dx, domain, edges, samples)              \
    check_nary(                                                                                    \
        #name,                                                                                     \
        [](std::size_t n, const value *x, [[maybe_unused]] const value *w,                         \
           [[maybe_unused]] const real *v) { return wengert::name partner; },                      \
        [](std::size_t n, const ag_value *x, [[maybe_unused]] const ag_value *w,                   \
           [[maybe_unused]] const real *v) { return ag_##name partner; },                          \
        {edges samples});
#define NONE (n, x)
#define VALUES (n, x, w)
#define NUMBERS (n, v, x, real(0.375))
#include <wengert/gates.def>
#undef EDGE
}

void test_comparing_gates(void **)
{
    wengert::graph graph;
    for (const double first : awkward)
        for (const double second : awkward) {
            const real a = static_cast<real>(first), b = static_cast<real>(second);
            const value x = graph.variable(a), y = graph.variable(b);
#define AG_COMPARE(name, result, symbol)                                                           \
    assert_int_equal(wengert::name(a, b), ag_##name(x.node(), y.node()));                          \
    assert_int_equal(wengert::name(x, b), wengert::name(a, b));                                    \
    assert_int_equal(wengert::name(a, y), wengert::name(a, b));                                    \
    assert_int_equal(wengert::name(x, y), wengert::name(a, b));
#include <wengert/gates.def>
        }
    assert_int_equal(graph.error(), AG_OK);
}

/* ---- <cmath> --------------------------------------------------------------------------------- */

/* std::f and f, found by the argument, agree with std::f of a real: numbers and nodes. */
#define CHECK_STD(name)                                                                            \
    for (const double each : awkward) {                                                            \
        const real x = static_cast<real>(each);                                                    \
        const real expected = std::name(x);                                                        \
        check_bits("std::" #name, std::name(value(x)).data(), expected);                           \
        check_bits("std::" #name, std::name(graph.variable(x)).data(), expected);                  \
        check_bits(#name, name(value(x)).data(), expected);                                        \
    }
#define CHECK_STD_BOOL(name)                                                                       \
    for (const double each : awkward) {                                                            \
        const real x = static_cast<real>(each);                                                    \
        assert_int_equal(std::name(value(x)), std::name(x));                                       \
        assert_int_equal(std::name(graph.variable(x)), std::name(x));                              \
        assert_int_equal(name(value(x)), std::name(x));                                            \
    }
/* but: where they need not agree */
#define CHECK_STD_TWO(name, but)                                                                   \
    for (const double first : awkward)                                                             \
        for (const double second : awkward) {                                                      \
            const real a = static_cast<real>(first), b = static_cast<real>(second);                \
            if (but)                                                                               \
                continue;                                                                          \
            const real expected = std::name(a, b);                                                 \
            const value x = graph.variable(a), y = graph.variable(b);                              \
            check_bits("std::" #name, std::name(value(a), value(b)).data(), expected);             \
            check_bits("std::" #name, std::name(x, y).data(), expected);                           \
            check_bits("std::" #name, std::name(x, b).data(), expected);                           \
            check_bits(#name, name(a, y).data(), expected);                                        \
        }

void test_cmath(void **)
{
    wengert::graph graph;
    CHECK_STD(abs)
    CHECK_STD(fabs)
    CHECK_STD(exp)
    CHECK_STD(exp2)
    CHECK_STD(expm1)
    CHECK_STD(log)
    CHECK_STD(log2)
    CHECK_STD(log10)
    CHECK_STD(log1p)
    CHECK_STD(sqrt)
    CHECK_STD(cbrt)
    CHECK_STD(sin)
    CHECK_STD(cos)
    CHECK_STD(tan)
    CHECK_STD(asin)
    CHECK_STD(acos)
    CHECK_STD(atan)
    CHECK_STD(sinh)
    CHECK_STD(cosh)
    CHECK_STD(tanh)
    CHECK_STD(asinh)
    CHECK_STD(acosh)
    CHECK_STD(atanh)
    CHECK_STD(erf)
    CHECK_STD(erfc)
    CHECK_STD(ceil)
    CHECK_STD(floor)
    CHECK_STD(trunc)
    CHECK_STD(round)
    CHECK_STD_BOOL(isfinite)
    CHECK_STD_BOOL(isinf)
    CHECK_STD_BOOL(isnan)
    CHECK_STD_BOOL(isnormal)
    CHECK_STD_BOOL(signbit)
    CHECK_STD_TWO(pow, false)
    CHECK_STD_TWO(atan2, false)
    CHECK_STD_TWO(hypot, false)
    CHECK_STD_TWO(fmax, a == 0 && b == 0) /* C++ leaves the sign of this 0 open */
    CHECK_STD_TWO(fmin, a == 0 && b == 0)
    CHECK_STD_TWO(fdim, false)
    CHECK_STD_TWO(copysign, b != b)
    for (const double each : {0.6, 4.5, -1.4})
        assert_true(is_close(static_cast<double>(std::lgamma(value(each))), std::lgamma(each),
                             16 * static_cast<double>(AG_REAL_EPSILON)));
    assert_int_equal(graph.error(), AG_OK);
}

/* Where rounding is decided by the last bit */
void test_rounding(void **)
{
    const real eps = AG_REAL_EPSILON;
    const real awkward_ones[] = {
        real(0.5) - eps / 4,
        real(0.5),
        1 / eps + 1,
        2 / eps + 2,
        real(2.5),
        real(-3.5),
        std::numeric_limits<real>::max(),
        std::numeric_limits<real>::denorm_min(),
    };
    wengert::graph graph;
    for (const real x : awkward_ones) {
        check_bits("round", std::round(value(x)).data(), std::round(x));
        check_bits("round", std::round(graph.variable(-x)).data(), std::round(-x));
        check_bits("trunc", std::trunc(graph.variable(x)).data(), std::trunc(x));
        check_bits("ceil", std::ceil(graph.variable(x)).data(), std::ceil(x));
    }
}

/* Rounding and signs are not finite nowhere: check mode stays content. */
void test_check_mode(void **)
{
    ag_graph_options options{};
    options.check = true;
    wengert::graph graph(options);
    for (const double at : {0.0, 0.25, -2.5}) {
        const value x = graph.variable(static_cast<real>(at));
        assert_int_equal(graph.backward(std::round(x) + std::trunc(x) * std::copysign(1, x)),
                         AG_OK);
    }
}

/* ---- The user's own names -------------------------------------------------------------------- */

template <class T> T step(T)
{
    return T(100);
}
template <class T> T sign(T)
{
    return T(200);
}
template <class T> T sum(std::size_t, const T *)
{
    return T(300);
}

void test_own_names_stay(void **)
{
    const value x = 1;
    assert_true(step(x) == 100 && sign(x) == 200 && sum(1, &x) == 300);
    assert_true(wengert::step(x) == 1 && wengert::sum(1, &x) == 1);
}

void test_using_namespace(void **)
{
    using namespace wengert;
    const value x = 2;
    assert_true(sigmoid(value(0)) == 0.5 && relu(-x) == 0 && square(x) == 4);
    assert_true(exp(value(0)) == 1 && pow(x, 2) == 4 && select(1, x, 0) == 2);
    assert_true(abs(-x) == 2 && std::abs(-2) == 2 && softplus(value(-1000)) == 0);
}

/* ---- Graphs and errors ----------------------------------------------------------------------- */

void test_graph_moves(void **)
{
    wengert::graph first;
    const value x = first.variable(2);
    wengert::graph second(std::move(first));
    assert_int_equal(second.backward(x * x), AG_OK);
    check_bits("gradient", x.grad(), 4);

    wengert::graph third;
    const ag_graph *const third_graph = third.get();
    assert_non_null(third_graph);
    third = std::move(second);
    assert_int_equal(third.backward(x), AG_OK);
    check_bits("gradient", x.grad(), 5);
}

void test_graph_without_memory(void **)
{
    ag_graph_options options{};
    options.allocator = [](void *, void *, size_t, size_t) -> void * { return nullptr; };
    wengert::graph graph(options);
    assert_null(graph.get());
    const value x = graph.variable(2), y = graph.constant(2);
    assert_false(x.is_node());
    assert_true(std::isnan((x + 1).data()) && std::isnan(y.data()));
    assert_int_equal(graph.backward(x), AG_OUT_OF_MEMORY);
    assert_int_equal(graph.error(), AG_OUT_OF_MEMORY);
    assert_string_equal(graph.error_message(), ag_strerror(AG_OUT_OF_MEMORY));
    assert_int_not_equal(graph.rewind(graph.mark()), AG_OK);
    graph.zero_grad();
    graph.clear_error();
}

void test_marks(void **)
{
    wengert::graph graph;
    const value w = graph.variable(0.5);
    const ag_mark mark = graph.mark();
    for (int i = 0; i < 3; i++) {
        const value loss = std::pow(w * i - 1, 2);
        assert_int_equal(graph.backward(loss), AG_OK);
        assert_int_equal(graph.rewind(mark), AG_OK);
        assert_int_equal(ag_graph_count(graph.get()), 1);
        assert_int_equal(graph.error(), AG_OK);
    }
    check_bits("gradient", w.grad(), 2 * real(0.5 - 1) * 1 + 2 * (2 * real(0.5) - 1) * 2);
}

void test_errors_stay_in_the_graph(void **)
{
    wengert::graph graph, other;
    const value x = graph.variable(1), y = other.variable(2);
    assert_int_equal(other.backward(x), AG_WRONG_GRAPH);
    assert_int_equal(other.error(), AG_OK);

    const value z = x + y;
    assert_int_equal(graph.error(), AG_WRONG_GRAPH);
    assert_true(std::strstr(graph.error_message(), "add") != nullptr);
    assert_true(z.is_node() && ag_is_null(z.node()) && std::isnan(z.data()));
    const value later = std::exp(z * 2);
    assert_true(std::isnan(later.data()));
    assert_false(later < 1);
    assert_false(later >= 1);
    assert_false(later != 1);
    assert_false(std::isnan(later));
    assert_int_not_equal(graph.backward(later), AG_OK);
    graph.clear_error();
    assert_int_equal(graph.error(), AG_OK);
    assert_true(x + 1 == 2);

    value stale;
    const ag_mark mark = graph.mark();
    stale = x * 2;
    assert_int_equal(graph.rewind(mark), AG_OK);
    assert_true(std::isnan((stale + 1).data()));
    assert_int_equal(graph.error(), AG_STALE_VALUE);
    assert_false(value(ag_value{}).is_node());
    assert_true(std::isnan(value(ag_value{}).data()));
}

/* Constants of templates. */
template <class T> struct constants {
    static constexpr T third = T(1) / 3, two_pi = 2 * T(3.14159265358979323846);
    static constexpr T lowest = -std::numeric_limits<T>::max();
    static constexpr T small = 4 * std::numeric_limits<T>::epsilon() - T(0) + T(0);
};

void test_constant_expressions(void **)
{
    assert_true(constants<value>::third.data() == constants<real>::third);
    assert_true(constants<value>::two_pi.data() == constants<real>::two_pi);
    assert_true(constants<value>::lowest.data() == constants<real>::lowest);
    assert_true(constants<value>::small.data() == constants<real>::small);
}

/* More operands than there is memory for: the graph says so, nothing is read beyond the first. */
void test_too_many_operands(void **)
{
    wengert::graph graph;
    const value x = graph.variable(1);
    const real w = 1;
    assert_true(std::isnan(wengert::sum(SIZE_MAX / 4, &x).data()));
    assert_int_equal(graph.error(), AG_OUT_OF_MEMORY);
    graph.clear_error();
    assert_true(std::isnan(wengert::dot(SIZE_MAX / 4, &x, &x).data()));
    assert_int_equal(graph.error(), AG_OUT_OF_MEMORY);
    graph.clear_error();
    assert_true(std::isnan(wengert::linear(SIZE_MAX / 4, &w, &x, 0).data()));
    assert_int_equal(graph.error(), AG_OUT_OF_MEMORY);
}

void test_detach(void **)
{
    wengert::graph graph;
    const value x = graph.variable(3);
    assert_int_equal(graph.backward(x * wengert::detach(x)), AG_OK);
    check_bits("gradient", x.grad(), 3);
    assert_false(wengert::detach(2).is_node());
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_templates_for_double),
        cmocka_unit_test(test_singular_matrix_needs_no_pivot),
        cmocka_unit_test(test_no_graph_until_a_variable),
        cmocka_unit_test(test_no_folding),
        cmocka_unit_test(test_whole_exponents),
        cmocka_unit_test(test_comparisons_are_recorded),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_gates_of_one_operand),
        cmocka_unit_test(test_gates_of_two_operands),
        cmocka_unit_test(test_gates_of_three_operands),
        cmocka_unit_test(test_gates_of_any_operands),
        cmocka_unit_test(test_comparing_gates),
        cmocka_unit_test(test_cmath),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_check_mode),
        cmocka_unit_test(test_own_names_stay),
        cmocka_unit_test(test_using_namespace),
        cmocka_unit_test(test_graph_moves),
        cmocka_unit_test(test_graph_without_memory),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_errors_stay_in_the_graph),
        cmocka_unit_test(test_constant_expressions),
        cmocka_unit_test(test_too_many_operands),
        cmocka_unit_test(test_detach),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
