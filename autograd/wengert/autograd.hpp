/* SPDX-License-Identifier: MIT
 *
 * wengert/autograd.hpp: wengert::value, a number for C++17 that records what is computed with it.
 *
 *     template <class T> T f(T x, T y)
 *     {
 *         return std::log(x * y) + 2 * x;
 *     }
 *
 *     wengert::graph graph;
 *     wengert::value x = graph.variable(2.0);
 *     wengert::value y = graph.variable(3.0);
 *     wengert::value z = f(x, y);
 *     graph.backward(z);
 *     std::cout << z << ' ' << x.grad() << ' ' << y.grad() << '\n';   prints 5.79176 2.5 0.333333
 *
 * A value holds either a plain number or a node of a graph. Arithmetic among plain numbers gives
 * plain numbers and touches no graph, so a value can be default-constructed (it is 0), live in
 * containers and be a constant anywhere; once a node takes part, the result is a node, and the
 * plain operand becomes a constant of its graph. Templates written for double compile with it
 * unchanged: it has the operators and comparisons, std::numeric_limits, and the functions of
 * <cmath> that gates can express, found as std::exp(x) and as exp(x). (Not fmod, remainder, tgamma,
 * rint and its kin, and what takes numbers apart: frexp, ldexp, modf, nextafter.) Include this
 * header before such a template: std::exp(x) looks for its functions where the template is written.
 *
 * Two things are as they must be. A value becomes a double, an int or a bool only where the program
 * says so (static_cast<double>(x), if (x)), because the number leaves its gradient behind; hence
 * `double d = x` and std::accumulate(v.begin(), v.end(), 0.0) don't compile, T(0) does, and
 * <type_traits> knows it for no floating-point type. And a comparison with a node in it is
 * recorded, as ag_lt and the others do, since what the program does next depends on it; isnan,
 * signbit, fmax, `if (x)` and so on compare, too.
 *
 * Errors stay in the graph, as they do in C: nothing here throws (-fno-exceptions and -fno-rtti are
 * fine), a failed operation gives a null node, which reads as NaN, and comparisons with one are
 * false, != among them. A loop that ends only when a comparison becomes true should look at
 * graph::error, too.
 *
 * Plain numbers are computed as the nodes are, from the same gate table, to the same bits (compile
 * with -ffp-contract=off where the machine has a fused multiply-add, as the library is).
 */
#ifndef WENGERT_AUTOGRAD_HPP
#define WENGERT_AUTOGRAD_HPP

#include <wengert/autograd.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iosfwd>
#include <limits>
#include <type_traits>

/* The words of the gate table are functions below, and a program may have macros of these names:
 * they step aside while this header is read. */
/* clang-format off */
#define WENGERT_WORDS(X)                                                                           \
    X(NUM) X(NEG) X(ADD) X(SUB) X(MUL) X(DIV) X(IF) X(GT) X(GE) X(LT) X(LE) X(EQ) X(NE)            \
    X(TAKES_MAX) X(TAKES_MIN) X(MAX) X(MIN) X(ABS) X(SIGN) X(FLOOR) X(FINITE_OR_0)                 \
    X(POW) X(SQRT) X(CBRT) X(HYPOT) X(EXP) X(EXP2) X(EXPM1) X(LOG) X(LOG2) X(LOG10) X(LOG1P)       \
    X(SIN) X(COS) X(TAN) X(ASIN) X(ACOS) X(ATAN) X(ATAN2) X(SINH) X(COSH) X(TANH) X(ASINH)         \
    X(ACOSH) X(ATANH) X(ERF) X(ERFC) X(LGAMMA) X(POLYGAMMA) X(SIGMOID) X(M) X(FIRST) X(OFFSET)     \
    X(min) X(max)
/* clang-format on */
#define WENGERT_PRAGMA(text) _Pragma(#text)
#define WENGERT_PUSH(word) WENGERT_PRAGMA(push_macro(#word))
#define WENGERT_POP(word) WENGERT_PRAGMA(pop_macro(#word))
WENGERT_WORDS(WENGERT_PUSH)
#undef NUM
#undef NEG
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef IF
#undef GT
#undef GE
#undef LT
#undef LE
#undef EQ
#undef NE
#undef TAKES_MAX
#undef TAKES_MIN
#undef MAX
#undef MIN
#undef ABS
#undef SIGN
#undef FLOOR
#undef FINITE_OR_0
#undef POW
#undef SQRT
#undef CBRT
#undef HYPOT
#undef EXP
#undef EXP2
#undef EXPM1
#undef LOG
#undef LOG2
#undef LOG10
#undef LOG1P
#undef SIN
#undef COS
#undef TAN
#undef ASIN
#undef ACOS
#undef ATAN
#undef ATAN2
#undef SINH
#undef COSH
#undef TANH
#undef ASINH
#undef ACOSH
#undef ATANH
#undef ERF
#undef ERFC
#undef LGAMMA
#undef POLYGAMMA
#undef SIGMOID
#undef M
#undef FIRST
#undef OFFSET
#undef min
#undef max

namespace wengert
{

using real = ag_real;

/* ---- The value ------------------------------------------------------------------------------- */

/* A namespace of its own, so that argument-dependent look-up finds the operators and what <cmath>
 * has for double, and no more: a program's own template step(x) or sum(n, x) stays its own. */
namespace scalar
{

/* What a double can be made from without a word: integers, floating-point numbers, plain enums. */
template <class Number>
inline constexpr bool is_number =
    std::disjunction_v<std::is_arithmetic<Number>,
                       std::conjunction<std::is_enum<Number>, std::is_convertible<Number, real>>>;

/* 16 bytes, trivially copyable, passed by value like the handle it may be. */
class value
{
  public:
    constexpr value() noexcept : graph_(nullptr), number_(0) {}

    template <class Number, std::enable_if_t<is_number<Number>, int> = 0>
    constexpr value(Number number) noexcept : graph_(nullptr), number_(static_cast<real>(number))
    {
    }

    /* A handle from the C functions; the null value of no graph is the plain number NaN. */
    explicit value(ag_value node) noexcept
        : graph_(node.graph), number_(std::numeric_limits<real>::quiet_NaN())
    {
        if (is_node())
            place_ = {node.index, node.generation};
    }

    constexpr bool is_node() const noexcept
    {
        return graph_ != nullptr;
    }

    /* The handle, for the C functions: ag_name(x.node(), "x"). A null one for a plain number. */
    ag_value node() const noexcept
    {
        return is_node() ? ag_value{graph_, place_.index, place_.generation} : ag_value{};
    }

    constexpr real data() const noexcept
    {
        return is_node() ? ag_data(node()) : number_;
    }

    /* As ag_grad; 0 for a plain number. */
    real grad() const noexcept
    {
        return is_node() ? ag_grad(node()) : 0;
    }

    /* static_cast<double>(x), int(x): the number alone. To bool, `if (x)`, it is x != 0, which is
     * recorded like any comparison. */
    template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
    explicit constexpr operator Number() const noexcept;

  private:
    struct place {
        uint32_t index;
        uint32_t generation;
    };

    ag_graph *graph_; /* of a node; null: a plain number */
    union {
        real number_;
        place place_;
    };
};

} // namespace scalar

using scalar::value;

/* ---- The gates ------------------------------------------------------------------------------- */

/* The words of the gate table as arithmetic. */
namespace words
{

template <class Number> constexpr real NUM(Number number)
{
    return static_cast<real>(number);
}

#define WENGERT_UNARY(word, result)                                                                \
    inline real word(real p)                                                                       \
    {                                                                                              \
        return result;                                                                             \
    }
#define WENGERT_BINARY(type, word, result)                                                         \
    inline type word(real p, real q)                                                               \
    {                                                                                              \
        return result;                                                                             \
    }

WENGERT_UNARY(NEG, -p)
WENGERT_BINARY(real, ADD, p + q)
WENGERT_BINARY(real, SUB, p - q)
WENGERT_BINARY(real, MUL, (p * q))
WENGERT_BINARY(real, DIV, p / q)

inline real IF(bool condition, real p, real q)
{
    return condition ? p : q;
}

WENGERT_BINARY(bool, GT, p > q)
WENGERT_BINARY(bool, GE, p >= q)
WENGERT_BINARY(bool, LT, p < q)
WENGERT_BINARY(bool, LE, p <= q)
WENGERT_BINARY(bool, EQ, p == q)
WENGERT_BINARY(bool, NE, p != q)
WENGERT_BINARY(bool, TAKES_MAX, p >= q || p != p)
WENGERT_BINARY(bool, TAKES_MIN, p <= q || p != p)
WENGERT_BINARY(real, MAX, TAKES_MAX(p, q) ? p : q)
WENGERT_BINARY(real, MIN, TAKES_MIN(p, q) ? p : q)
WENGERT_UNARY(SIGN, p > 0 ? NUM(1) : p < 0 ? NUM(-1) : p)
WENGERT_UNARY(FINITE_OR_0, std::isinf(p) ? NUM(0) : p)

WENGERT_BINARY(real, POW, std::pow(p, q))
WENGERT_UNARY(ABS, std::fabs(p))
WENGERT_UNARY(FLOOR, std::floor(p))
WENGERT_UNARY(SQRT, std::sqrt(p))
WENGERT_UNARY(CBRT, std::cbrt(p))
WENGERT_BINARY(real, HYPOT, std::hypot(p, q))
WENGERT_UNARY(EXP, std::exp(p))
WENGERT_UNARY(EXP2, std::exp2(p))
WENGERT_UNARY(EXPM1, std::expm1(p))
WENGERT_UNARY(LOG, std::log(p))
WENGERT_UNARY(LOG2, std::log2(p))
WENGERT_UNARY(LOG10, std::log10(p))
WENGERT_UNARY(LOG1P, std::log1p(p))
WENGERT_UNARY(SIN, std::sin(p))
WENGERT_UNARY(COS, std::cos(p))
WENGERT_UNARY(TAN, std::tan(p))
WENGERT_UNARY(ASIN, std::asin(p))
WENGERT_UNARY(ACOS, std::acos(p))
WENGERT_UNARY(ATAN, std::atan(p))
WENGERT_BINARY(real, ATAN2, std::atan2(p, q))
WENGERT_UNARY(SINH, std::sinh(p))
WENGERT_UNARY(COSH, std::cosh(p))
WENGERT_UNARY(TANH, std::tanh(p))
WENGERT_UNARY(ASINH, std::asinh(p))
WENGERT_UNARY(ACOSH, std::acosh(p))
WENGERT_UNARY(ATANH, std::atanh(p))
WENGERT_UNARY(ERF, std::erf(p))
WENGERT_UNARY(ERFC, std::erfc(p))
WENGERT_UNARY(SIGMOID, 1 / (1 + EXP(-p)))

#undef WENGERT_UNARY
#undef WENGERT_BINARY

/* These two are the library's own, and a graph is the way to them: no libm has polygamma, and its
 * lgamma may write a global variable. The graph is on the stack and can't run out of memory. */
template <class Record> real evaluate(Record record)
{
    alignas(std::max_align_t) unsigned char buffer[4096];
    ag_graph_options options{};
    options.buffer = buffer;
    options.buffer_size = sizeof(buffer);
    options.max_nodes = 3;
    ag_graph *graph = ag_graph_new(&options);
    const real y = ag_data(record(graph));
    ag_graph_free(graph);
    return y;
}

inline real LGAMMA(real p)
{
    return evaluate([p](ag_graph *graph) { return ag_lgamma(ag_constant(graph, p)); });
}

inline real POLYGAMMA(real n, real p)
{
    return evaluate([n, p](ag_graph *graph) {
        const ag_value order = ag_constant(graph, n);
        return ag_polygamma(order, ag_constant(graph, p));
    });
}

} // namespace words

/* How operands become nodes. */
namespace detail
{

/* A plain number becomes a constant of the graph. */
inline ag_value operand(ag_graph *graph, value x)
{
    return x.is_node() ? x.node() : ag_constant(graph, x.data());
}

inline ag_graph *graph_of(value x)
{
    return x.node().graph;
}

template <class... Values> ag_graph *graph_of(value x, Values... others)
{
    return x.is_node() ? graph_of(x) : graph_of(others...);
}

template <ag_value (*gate)(ag_value, ag_value)> value record(value a, value b)
{
    ag_graph *graph = graph_of(a, b);
    const ag_value first = operand(graph, a);
    return value(gate(first, operand(graph, b)));
}

/* A plain whole exponent stays what it is. */
template <> inline value record<ag_pow>(value a, value b)
{
    if (!b.is_node()) {
        constexpr real most = 1 << 24; /* a float holds it, too */
        const real exponent = b.data();
        if (exponent >= -most && exponent <= most && exponent == std::floor(exponent))
            return value(ag_pow_int(a.node(), static_cast<int>(exponent)));
    }
    ag_graph *graph = graph_of(a, b);
    const ag_value base = operand(graph, a);
    return value(ag_pow(base, operand(graph, b)));
}

inline ag_graph *graph_of_any(std::size_t n, const value *x)
{
    for (std::size_t i = 0; i < n; i++)
        if (x[i].is_node())
            return graph_of(x[i]);
    return nullptr;
}

/* The operands of a gate with any number of them, as the C functions take them: on the stack while
 * they are few. Without memory for more that is the graph's error. */
class operands
{
  public:
    operands(ag_graph *graph, std::size_t n, const value *x) : count_(n), all_(few_)
    {
        if (n > sizeof(few_) / sizeof(*few_))
            all_ = n > std::numeric_limits<std::size_t>::max() / sizeof(*all_)
                       ? nullptr
                       : static_cast<ag_value *>(std::malloc(n * sizeof(*all_)));
        if (all_ == nullptr) {
            ag_set_error(graph, AG_OUT_OF_MEMORY, "out of memory for the operands of a gate");
            all_ = few_;
            few_[0] = {graph, UINT32_MAX, UINT32_MAX};
            count_ = 1;
            return;
        }
        for (std::size_t i = 0; i < n; i++)
            all_[i] = operand(graph, x[i]);
    }

    ~operands()
    {
        if (all_ != few_)
            std::free(all_);
    }

    operands(const operands &) = delete;
    operands &operator=(const operands &) = delete;

    std::size_t count() const
    {
        return count_;
    }

    const ag_value *data() const
    {
        return all_;
    }

  private:
    std::size_t count_;
    ag_value *all_;
    ag_value few_[16];
};

/* The first x that is the largest, or the first NaN. */
inline std::size_t find_largest(std::size_t n, const value *x)
{
    std::size_t best = 0;
    for (std::size_t k = 1; k < n; k++) {
        const real most = x[best].data(), next = x[k].data();
        if (most == most && (next > most || next != next))
            best = k;
    }
    return best;
}

inline real get_partner(const value *w, std::size_t k)
{
    return w[k].data();
}

inline real get_partner(const real *w, std::size_t k)
{
    return w[k];
}

} // namespace detail

#define AG_UNARY(name, number, ...)                                                                \
    inline value name(value operand)                                                               \
    {                                                                                              \
        if (operand.is_node())                                                                     \
            return value(ag_##name(operand.node()));                                               \
        using namespace words;                                                                     \
        const real x = operand.data();                                                             \
        return number;                                                                             \
    }
#define AG_BINARY(name, number, ...)                                                               \
    inline value name(value left, value right)                                                     \
    {                                                                                              \
        if (left.is_node() || right.is_node())                                                     \
            return detail::record<ag_##name>(left, right);                                         \
        using namespace words;                                                                     \
        const real a = left.data(), b = right.data();                                              \
        return number;                                                                             \
    }
#define AG_TERNARY(name, number, ...)                                                              \
    inline value name(value condition, value left, value right)                                    \
    {                                                                                              \
        if (ag_graph *graph = detail::graph_of(condition, left, right)) {                          \
            const ag_value first = detail::operand(graph, condition);                              \
            const ag_value second = detail::operand(graph, left);                                  \
            return value(ag_##name(first, second, detail::operand(graph, right)));                 \
        }                                                                                          \
        using namespace words;                                                                     \
        const real c = condition.data(), a = left.data(), b = right.data();                        \
        return number;                                                                             \
    }
#define AG_COMPARE(name, holds, ...)                                                               \
    inline bool name(value left, value right)                                                      \
    {                                                                                              \
        if (ag_graph *graph = detail::graph_of(left, right)) {                                     \
            const ag_value first = detail::operand(graph, left);                                   \
            return ag_##name(first, detail::operand(graph, right));                                \
        }                                                                                          \
        using namespace words;                                                                     \
        const real a = left.data(), b = right.data();                                              \
        return holds;                                                                              \
    }

/* Here x is terms[k] and w its partner, which is not looked at where the gate has none. */
#define AG_NARY(name, partner, formula, start, step, end, ...)                                     \
    namespace detail                                                                               \
    {                                                                                              \
    template <class Partner>                                                                       \
    value fold_##name(std::size_t n, const value *terms, const Partner *partners,                  \
                      [[maybe_unused]] real OFFSET)                                                \
    {                                                                                              \
        using namespace words;                                                                     \
        const std::size_t largest = find_largest(n, terms);                                        \
        [[maybe_unused]] const real M = terms[largest].data();                                     \
        real s = start;                                                                            \
        for (std::size_t k = 0; k < n; k++) {                                                      \
            [[maybe_unused]] const auto FIRST = [=](real) { return k == largest; };                \
            [[maybe_unused]] const real x = terms[k].data();                                       \
            [[maybe_unused]] const real w = get_partner(partners, k);                              \
            s = real(step);                                                                        \
        }                                                                                          \
        return end;                                                                                \
    }                                                                                              \
    }                                                                                              \
    WENGERT_NARY_##partner(name)
#define WENGERT_NARY_NONE(name)                                                                    \
    inline value name(std::size_t n, const value *x)                                               \
    {                                                                                              \
        if (n == 0 || x == nullptr)                                                                \
            return value(ag_value{});                                                              \
        ag_graph *graph = detail::graph_of_any(n, x);                                              \
        if (graph == nullptr)                                                                      \
            return detail::fold_##name(n, x, x, 0);                                                \
        const detail::operands nodes(graph, n, x);                                                 \
        return value(ag_##name(nodes.count(), nodes.data()));                                      \
    }
#define WENGERT_NARY_VALUES(name)                                                                  \
    inline value name(std::size_t n, const value *x, const value *w)                               \
    {                                                                                              \
        if (n == 0 || x == nullptr || w == nullptr)                                                \
            return value(ag_value{});                                                              \
        ag_graph *graph = detail::graph_of_any(n, x);                                              \
        if (graph == nullptr)                                                                      \
            graph = detail::graph_of_any(n, w);                                                    \
        if (graph == nullptr)                                                                      \
            return detail::fold_##name(n, x, w, 0);                                                \
        const detail::operands nodes(graph, n, x), partners(graph, n, w);                          \
        const std::size_t count =                                                                  \
            nodes.count() < partners.count() ? nodes.count() : partners.count();                   \
        return value(ag_##name(count, nodes.data(), partners.data()));                             \
    }
#define WENGERT_NARY_NUMBERS(name)                                                                 \
    inline value name(std::size_t n, const real *w, const value *x, real offset)                   \
    {                                                                                              \
        if (n == 0 || x == nullptr || w == nullptr)                                                \
            return value(ag_value{});                                                              \
        ag_graph *graph = detail::graph_of_any(n, x);                                              \
        if (graph == nullptr)                                                                      \
            return detail::fold_##name(n, x, w, offset);                                           \
        const detail::operands nodes(graph, n, x);                                                 \
        return value(ag_##name(nodes.count(), w, nodes.data(), offset));                           \
    }

/* One function for each line of the gate table: those of autograd.h without the prefix, as
 * wengert::sigmoid(x), wengert::max(a, b), wengert::select(c, a, b), wengert::gt(a, b),
 * wengert::logsumexp(n, x). Those with n operands make one node where adding up would make n; above
 * 16 operands they take memory from malloc while they run. n = 0 and null pointers give NaN. */
#include <wengert/gates.def>

#undef WENGERT_NARY_NONE
#undef WENGERT_NARY_VALUES
#undef WENGERT_NARY_NUMBERS

/* As ag_detach; a plain number is what it was. */
inline value detach(value x)
{
    return x.is_node() ? value(ag_detach(x.node())) : x;
}

/* ---- Operators ------------------------------------------------------------------------------- */

namespace scalar
{

template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int>>
constexpr value::operator Number() const noexcept
{
    if constexpr (std::is_same_v<Number, bool>)
        return is_node() ? ne(*this, 0) : number_ != 0;
    else
        return static_cast<Number>(data());
}

/* Plain numbers directly, so that constexpr T third = T(1) / 3 is one. */
constexpr value operator+(value a, value b)
{
    return a.is_node() || b.is_node() ? add(a, b) : value(a.data() + b.data());
}

constexpr value operator-(value a, value b)
{
    return a.is_node() || b.is_node() ? sub(a, b) : value(a.data() - b.data());
}

constexpr value operator*(value a, value b)
{
    return a.is_node() || b.is_node() ? mul(a, b) : value(a.data() * b.data());
}

constexpr value operator/(value a, value b)
{
    return a.is_node() || b.is_node() ? div(a, b) : value(a.data() / b.data());
}

constexpr value operator+(value x)
{
    return x;
}

constexpr value operator-(value x)
{
    return x.is_node() ? neg(x) : value(-x.data());
}

inline value &operator+=(value &a, value b)
{
    return a = a + b;
}

inline value &operator-=(value &a, value b)
{
    return a = a - b;
}

inline value &operator*=(value &a, value b)
{
    return a = a * b;
}

inline value &operator/=(value &a, value b)
{
    return a = a / b;
}

inline value &operator++(value &x)
{
    return x += 1;
}

inline value &operator--(value &x)
{
    return x -= 1;
}

inline value operator++(value &x, int)
{
    const value before = x;
    ++x;
    return before;
}

inline value operator--(value &x, int)
{
    const value before = x;
    --x;
    return before;
}

inline bool operator==(value a, value b)
{
    return eq(a, b);
}

inline bool operator!=(value a, value b)
{
    return ne(a, b);
}

inline bool operator<(value a, value b)
{
    return lt(a, b);
}

inline bool operator<=(value a, value b)
{
    return le(a, b);
}

inline bool operator>(value a, value b)
{
    return gt(a, b);
}

inline bool operator>=(value a, value b)
{
    return ge(a, b);
}

/* The number, as the stream writes and reads a real. */
template <class Char, class Traits>
std::basic_ostream<Char, Traits> &operator<<(std::basic_ostream<Char, Traits> &stream, value x)
{
    return stream << x.data();
}

template <class Char, class Traits>
std::basic_istream<Char, Traits> &operator>>(std::basic_istream<Char, Traits> &stream, value &x)
{
    real number = 0;
    stream >> number;
    x = number;
    return stream;
}

} // namespace scalar

/* ---- <cmath> beside the gates ---------------------------------------------------------------- */

inline value fabs(value x)
{
    return abs(x);
}

inline value ceil(value x)
{
    return -floor(-x);
}

namespace detail
{

/* -1 or 1, for zeros as well: the angle of the point (-1, x) has the sign of x. NaN for NaN. */
inline value sign_bit(value x)
{
    return sign(atan2(x, -1));
}

} // namespace detail

/* NaN where `to` is. */
inline value copysign(value x, value to)
{
    return abs(x) * detail::sign_bit(to);
}

inline value trunc(value x)
{
    return copysign(floor(abs(x)), x);
}

/* Halves go away from 0. */
inline value round(value x)
{
    const value size = abs(x), whole = floor(size);
    /* infinity has no fraction: the largest number, which has none either, tells */
    const value fraction = select(step(std::numeric_limits<real>::max() - size), size - whole, 0);
    return copysign(whole + floor(fraction + fraction), x);
}

/* Rounds twice. */
inline value fma(value a, value b, value c)
{
    return a * b + c;
}

inline value hypot(value a, value b, value c)
{
    return hypot(hypot(a, b), c);
}

inline bool isnan(value x)
{
    return x != x;
}

inline bool isinf(value x)
{
    return abs(x) == std::numeric_limits<real>::infinity();
}

inline bool isfinite(value x)
{
    return abs(x) < std::numeric_limits<real>::infinity();
}

inline bool isnormal(value x)
{
    const value size = abs(x);
    return size >= std::numeric_limits<real>::min() && isfinite(size);
}

/* false for every NaN */
inline bool signbit(value x)
{
    return detail::sign_bit(x) < 0;
}

/* The operand that is a number where the other is NaN, which max and min would pass on. */
inline value fmax(value a, value b)
{
    return isnan(a) ? b : isnan(b) ? a : max(a, b);
}

inline value fmin(value a, value b)
{
    return isnan(a) ? b : isnan(b) ? a : min(a, b);
}

inline value fdim(value a, value b)
{
    return a <= b ? value(0) : a - b;
}

/* What <cmath> has for real arguments, all of it: a name that is no gate and not above (fmod,
 * tgamma, ...) has only the placeholder, and becomes std's as soon as the table has it. */
/* clang-format off */
#define WENGERT_STD_NAMES(X)                                                                       \
    X(abs) X(fabs) X(fmod) X(remainder) X(fma) X(fmax) X(fmin) X(fdim)                             \
    X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) X(pow) X(sqrt) X(cbrt) X(hypot)       \
    X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(atan2)                                          \
    X(sinh) X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(erf) X(erfc) X(tgamma) X(lgamma)          \
    X(ceil) X(floor) X(trunc) X(round) X(nearbyint) X(rint) X(logb) X(nextafter) X(copysign)       \
    X(isfinite) X(isinf) X(isnan) X(isnormal) X(signbit)
/* clang-format on */

class placeholder;
#define WENGERT_DECLARE(name) void name(const placeholder &);
#define WENGERT_USE(name) using wengert::name;
WENGERT_STD_NAMES(WENGERT_DECLARE)

namespace scalar
{

WENGERT_STD_NAMES(WENGERT_USE)

/* value, if Types are values and plain numbers, at least one of each. */
template <class... Types>
using mixed =
    std::enable_if_t<((std::is_same_v<Types, value> || is_number<Types>)&&...) &&
                         (std::is_same_v<Types, value> || ...) && (is_number<Types> || ...),
                     value>;

} // namespace scalar

/* ---- The graph ------------------------------------------------------------------------------- */

/* Owns an ag_graph; what is missing here is a C function away, with get(). Values must not be used
 * after their graph. Without memory for a graph (and once moved from) it is empty: its variables
 * are plain NaNs and its error is AG_OUT_OF_MEMORY. */
class graph
{
  public:
    graph() noexcept : graph(ag_graph_options{}) {}

    explicit graph(const ag_graph_options &options) noexcept : graph_(ag_graph_new(&options)) {}

    graph(const graph &) = delete;
    graph &operator=(const graph &) = delete;

    graph(graph &&other) noexcept : graph_(other.graph_)
    {
        other.graph_ = nullptr;
    }

    graph &operator=(graph &&other) noexcept
    {
        ag_graph *const taken = other.graph_;
        other.graph_ = nullptr;
        ag_graph_free(graph_);
        graph_ = taken;
        return *this;
    }

    ~graph()
    {
        ag_graph_free(graph_);
    }

    ag_graph *get() const noexcept
    {
        return graph_;
    }

    /* A number with a gradient. */
    value variable(real data) noexcept
    {
        return value(ag_variable(graph_, data));
    }

    /* A node without: one that ag_set can change. A plain number is constant, too. */
    value constant(real data) noexcept
    {
        return value(ag_constant(graph_, data));
    }

    /* As ag_backward. A plain number depends on nothing: AG_OK, and no gradient changes. */
    ag_status backward(value root) noexcept
    {
        if (!root.is_node())
            return error();
        return root.node().graph == graph_ ? ag_backward(root.node()) : AG_WRONG_GRAPH;
    }

    void zero_grad() noexcept
    {
        ag_zero_grad(graph_);
    }

    ag_mark mark() noexcept
    {
        return ag_graph_mark(graph_);
    }

    ag_status rewind(const ag_mark &mark) noexcept
    {
        return ag_graph_rewind(graph_, mark);
    }

    /* The first error since the last clear_error, and what it says. */
    ag_status error() const noexcept
    {
        return graph_ == nullptr ? AG_OUT_OF_MEMORY : ag_error(graph_);
    }

    const char *error_message() const noexcept
    {
        return graph_ == nullptr ? ag_strerror(AG_OUT_OF_MEMORY) : ag_error_message(graph_);
    }

    void clear_error() noexcept
    {
        ag_clear_error(graph_);
    }

  private:
    ag_graph *graph_;
};

} // namespace wengert

/* ---- In namespace std ------------------------------------------------------------------------ */

namespace std
{

WENGERT_STD_NAMES(WENGERT_USE)

/* A double's max(x, 0.0): with two values, these are the library's templates, which compare. */
template <class Left, class Right>
wengert::scalar::mixed<Left, Right> max(const Left &a, const Right &b)
{
    const wengert::value left = a, right = b;
    return left < right ? right : left;
}

template <class Left, class Right>
wengert::scalar::mixed<Left, Right> min(const Left &a, const Right &b)
{
    const wengert::value left = a, right = b;
    return right < left ? right : left;
}

template <class Middle, class Low, class High>
wengert::scalar::mixed<Middle, Low, High> clamp(const Middle &x, const Low &low, const High &high)
{
    const wengert::value middle = x, left = low, right = high;
    return middle < left ? left : right < middle ? right : middle;
}

template <> class numeric_limits<wengert::value> : public numeric_limits<wengert::real>
{
    using limits = numeric_limits<wengert::real>;

  public:
#define WENGERT_LIMIT(name)                                                                        \
    static constexpr wengert::value name() noexcept                                                \
    {                                                                                              \
        return limits::name();                                                                     \
    }
    WENGERT_LIMIT(min)
    WENGERT_LIMIT(max)
    WENGERT_LIMIT(lowest)
    WENGERT_LIMIT(epsilon)
    WENGERT_LIMIT(round_error)
    WENGERT_LIMIT(infinity)
    WENGERT_LIMIT(quiet_NaN)
    WENGERT_LIMIT(signaling_NaN)
    WENGERT_LIMIT(denorm_min)
#undef WENGERT_LIMIT
};

} // namespace std

#undef WENGERT_STD_NAMES
#undef WENGERT_DECLARE
#undef WENGERT_USE
WENGERT_WORDS(WENGERT_POP)
#undef WENGERT_WORDS
#undef WENGERT_PRAGMA
#undef WENGERT_PUSH
#undef WENGERT_POP

#endif
