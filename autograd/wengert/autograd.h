/* SPDX-License-Identifier: MIT
 *
 * wengert/autograd.h: scalar reverse-mode automatic differentiation with a computational graph.
 *
 *     ag_graph *graph = ag_graph_new(NULL);
 *     ag_value x = ag_variable(graph, 2.0);
 *     ag_value y = ag_variable(graph, 3.0);
 *     ag_value z = ag_log(ag_mul(x, y));
 *     ag_backward(z);
 *     printf("z = %g, dz/dx = %g, dz/dy = %g\n", ag_data(z), ag_grad(x), ag_grad(y));
 *     ag_graph_free(graph);                     prints z = 1.79176, dz/dx = 0.5, dz/dy = 0.333333
 *
 * A gate computes its value the moment it is made and remembers its operands; ag_backward walks
 * from a root back to the leaves and multiplies upstream by local gradients. There is no global
 * state: different threads may use different graphs at the same time; one graph belongs to one
 * thread at a time.
 *
 * Errors. Functions that can fail return ag_status, 0 or negative, or a pointer, NULL on failure.
 * Gates return a value: a failed gate returns a null value, and the graph keeps the first error
 * with a message that names the gate, its operands and the reason. While a graph has an error,
 * everything that would change it fails with that same error; test ag_error once, after the whole
 * expression. Nothing here prints (but to the FILE you hand over), exits or aborts.
 */
#ifndef WENGERT_AUTOGRAD_H
#define WENGERT_AUTOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && !defined(AG_API)
#define AG_API __attribute__((visibility("default")))
#elif !defined(AG_API)
#define AG_API
#endif

/* ---- Version and number type ----------------------------------------------------------------- */

#define AG_VERSION_MAJOR 0
#define AG_VERSION_MINOR 1
#define AG_VERSION_PATCH 0
#define AG_VERSION "0.1.0"

/* The version of the library that is running, which may differ from the header's AG_VERSION. */
AG_API const char *ag_version(void);

/* The number type of the whole library. It is double; a library built with meson's -Dreal=float has
 * float, and its pkg-config file defines AG_REAL_FLOAT for you. A program and a library that
 * disagree don't link: the functions that everything begins with have other names then. */
#ifdef AG_REAL_FLOAT
typedef float ag_real;
#define AG_REAL_EPSILON 1.1920929e-07F
#define ag_graph_new ag_graph_new_float
#define ag_gradcheck ag_gradcheck_float
#else
typedef double ag_real;
#define AG_REAL_EPSILON 2.2204460492503131e-16
#endif

/* ---- Status ---------------------------------------------------------------------------------- */

/* X(name, code, meaning) */
#define AG_STATUS_LIST(X)                                                                          \
    X(OK, 0, "no error")                                                                           \
    X(OUT_OF_MEMORY, -1, "out of memory")                                                          \
    X(INVALID_ARGUMENT, -2, "an argument is out of its range")                                     \
    X(NULL_VALUE, -3, "a null value was used as an operand")                                       \
    X(WRONG_GRAPH, -4, "a value belongs to another graph")                                         \
    X(STALE_VALUE, -5, "a value or mark was dropped by a rewind")                                  \
    X(TOO_MANY_NODES, -6, "the graph has as many nodes as it may have")                            \
    X(NAME_TAKEN, -7, "the name belongs to another value")                                         \
    X(NOT_A_LEAF, -8, "only a variable or a constant can be set")                                  \
    X(BRANCH, -9, "a recorded comparison comes out differently")                                   \
    X(NOT_FINITE, -10, "a value or gradient is not finite")                                        \
    X(BUSY, -11, "a custom gate's callback used the graph that is calling it")                     \
    X(TOO_LARGE, -12, "a limit refuses this size")                                                 \
    X(IO, -13, "reading or writing failed")                                                        \
    X(PARSE, -14, "a file is not in the expected form")                                            \
    X(UNAVAILABLE, -15, "this machine or this build does not have it")

typedef enum ag_status {
#define AG_X(name, code, meaning) AG_##name = (code),
    AG_STATUS_LIST(AG_X)
#undef AG_X
} ag_status;

/* "AG_OK", "AG_OUT_OF_MEMORY", ...; "AG_UNKNOWN" for a code that is none of them. Never NULL. */
AG_API const char *ag_status_name(ag_status status);
/* The meaning in words. Never NULL. */
AG_API const char *ag_strerror(ag_status status);

/* ---- Graphs ---------------------------------------------------------------------------------- */

typedef struct ag_graph ag_graph;

/* A handle to one node of a graph: 16 bytes, passed by value. Its members are the library's. */
typedef struct ag_value {
    ag_graph *graph;
    uint32_t index;
    uint32_t generation;
} ag_value;

/* All memory goes through one function. pointer == NULL: allocate new_size bytes. new_size == 0:
 * free; the result is ignored. Otherwise: resize and keep the contents, as realloc does. Return
 * NULL when there is no memory, and then leave the old block as it is. Any alignment will do;
 * old_size is what was asked for when the block was made or last resized. */
typedef void *(*ag_allocator)(void *user, void *pointer, size_t old_size, size_t new_size);

typedef struct ag_graph_options {
    ag_allocator allocator; /* NULL: the C library's */
    void *allocator_user;   /* handed to allocator */
    /* Not NULL: everything lives in here and no heap is used; any alignment; yours to free, after
     * the graph. The node arrays take their share at once; what they leave is for operand lists
     * (sum, dot, select, closures), names and coefficients, so a graph with many of those wants
     * max_nodes to be set. */
    void *buffer;
    size_t buffer_size; /* bytes */
    uint32_t max_nodes; /* 0: 2^32 - 2, or with a buffer as many as fit in three quarters of it */
    bool check;         /* start in check mode, see ag_set_check */
} ag_graph_options;

/* NULL options are the defaults. NULL: no memory, or the buffer is too small for a graph of
 * max_nodes nodes. Every function takes a NULL graph: its gates are null, ag_error calls it
 * AG_INVALID_ARGUMENT. */
AG_API ag_graph *ag_graph_new(const ag_graph_options *options);

/* Runs the destructors of custom gates and frees everything. Handles into the graph must not be
 * used again. NULL is allowed. */
AG_API void ag_graph_free(ag_graph *graph);

/* The number of nodes: leaves, gates, constants made on the way (ag_scale(x, 2) is two nodes). */
AG_API size_t ag_graph_count(const ag_graph *graph);

/* Bytes the graph holds now, all of it but what allocators add to a block. A node costs 25, its
 * gradient included (float: 17), plus what grew ahead; 26 once something has walked the graph
 * (ag_forward, ag_explain). */
AG_API size_t ag_graph_bytes(const ag_graph *graph);

/* Check mode: ag_backward and ag_forward look for values and gradients that are not finite and fail
 * with AG_NOT_FINITE, naming the gate where it began. What a gate did not look at (the other side
 * of a select, max, min or max_of, what relu cuts off, the second operand of a chain whose first is
 * 0) may be anything. Leaf gradients are then as before the call. While ag_backward runs it takes
 * room for a copy of the gradients. */
AG_API void ag_set_check(ag_graph *graph, bool on);

/* ---- Errors ---------------------------------------------------------------------------------- */

/* The first error since the last ag_clear_error, AG_OK if there was none. */
AG_API ag_status ag_error(const ag_graph *graph);
/* Its message, "" if there was none; and the comparison's after an AG_BRANCH, which does not stick.
 * Valid until the next call. */
AG_API const char *ag_error_message(const ag_graph *graph);
AG_API void ag_clear_error(ag_graph *graph);
/* Makes an error of yours the graph's, if it has none yet: for functions made of gates that refuse
 * their arguments. The message is copied, up to 239 bytes. Every gate of the graph is null from
 * then on, so the function may return what it would have. Returns status; AG_INVALID_ARGUMENT for
 * AG_BRANCH or a status that is no error. */
AG_API ag_status ag_set_error(ag_graph *graph, ag_status status, const char *message);

/* A function that has no graph to keep the details in fills one of these, if you give it one. */
typedef struct ag_error_details {
    ag_status status;
    char message[240];
} ag_error_details;

/* ---- Memory in loops ------------------------------------------------------------------------- */

/* A place in the graph's history. Its members are the library's. */
typedef struct ag_mark {
    ag_graph *graph;
    uint32_t index;
    uint32_t generation;
    uint32_t operands;
    uint32_t numbers;
    uint32_t scopes;
    uint32_t scope;
    uint32_t depth;
} ag_mark;

/* A null mark (graph == NULL) when the graph has an error. */
AG_API ag_mark ag_graph_mark(ag_graph *graph);

/* Drops every node made since the mark, with its name and closure, and every scope begun since, and
 * keeps the memory for the next ones: a loop that records, runs backward and rewinds allocates only in its first round. A
 * handle to a dropped node is stale, and using it is an error, as is a mark that lies in a part
 * dropped before. A mark may be rewound to many times. Works while the graph has an error, too, and
 * leaves the error. After 2^32 rewinds the count that tells stale handles begins anew: a handle
 * that has been stale for as long may look good again. */
AG_API ag_status ag_graph_rewind(ag_graph *graph, ag_mark mark);

/* ---- Leaves ---------------------------------------------------------------------------------- */

/* A leaf with a gradient. */
AG_API ag_value ag_variable(ag_graph *graph, ag_real data);
/* A leaf without. */
AG_API ag_value ag_constant(ag_graph *graph, ag_real data);
/* x without its gradient: backward stops here, forward does not. */
AG_API ag_value ag_detach(ag_value x);

/* Between pause and resume gates make constants: the number is kept, where it came from is not.
 * Calls nest, and pair up while the graph has an error, too. Resuming more often than pausing is
 * AG_INVALID_ARGUMENT. */
AG_API ag_status ag_pause(ag_graph *graph);
AG_API ag_status ag_resume(ag_graph *graph);

/* ---- Reading and writing values -------------------------------------------------------------- */

/* The value of a node; NaN for a null or stale handle (a stale one is an error, too). */
AG_API ag_real ag_data(ag_value x);
/* Its gradient. Leaves accumulate over calls of ag_backward; for the others it is that of the last
 * call, 0 where the root does not depend on it. 0 before the first backward, and for constants. NaN
 * for a null or stale handle. */
AG_API ag_real ag_grad(ag_value x);
/* Gives a variable or constant a new value; AG_NOT_A_LEAF for other nodes. Nothing else changes
 * until ag_forward. */
AG_API ag_status ag_set(ag_value leaf, ag_real data);
/* Whether x is the null value that a failed gate returns. */
AG_API bool ag_is_null(ag_value x);

/* ---- Forward and backward -------------------------------------------------------------------- */

/* Evaluates again what root depends on, with the leaves' present values. AG_BRANCH: a comparison
 * recorded before root now comes out differently, so the recorded gates are no longer what your
 * code would record; the message names the comparison, the values are those of the recorded path,
 * and the graph stays usable. */
AG_API ag_status ag_forward(ag_value root);

/* d root / d node for every node that root depends on: adds to the gradient of leaves, sets that of
 * the others. Visits exactly the nodes that reach root, each once, in reverse order of creation. A
 * gate whose upstream gradient is 0 passes 0 on, whatever its local gradient is (the zero rule). */
AG_API ag_status ag_backward(ag_value root);

/* The same from several roots at once, each with its own upstream gradient: the product of a row
 * vector with the Jacobian. roots and upstream have n elements. */
AG_API ag_status ag_backward_from(size_t n, const ag_value *roots, const ag_real *upstream);

/* Sets every gradient to 0; does nothing while the graph has an error. */
AG_API void ag_zero_grad(ag_graph *graph);

/* The nodes that reach root, root last: the order of the forward pass, and backwards that of the
 * backward pass. Writes at most capacity of them to order (which may be NULL with capacity 0) and
 * returns how many there are; 0 on an error. */
AG_API size_t ag_topological_order(ag_value root, ag_value *order, size_t capacity);

/* ---- Gates ----------------------------------------------------------------------------------- */

/* One function for each line of the gate table, which gives value, local gradients, domain and
 * edges:
 *
 *     ag_value ag_neg(ag_value x);                               AG_UNARY
 *     ag_value ag_add(ag_value a, ag_value b);                   AG_BINARY
 *     ag_value ag_select(ag_value c, ag_value a, ag_value b);    AG_TERNARY: a where c != 0, else b
 *     bool ag_gt(ag_value a, ag_value b);                        AG_COMPARE: answers and records
 *
 * neg add sub mul div pow max min abs sign floor step select is_less is_less_equal is_equal; square
 * reciprocal sqrt cbrt hypot; exp exp2 expm1 log log2 log10 log1p; sin cos tan asin acos atan atan2
 * sinh cosh tanh asinh acosh atanh; erf erfc lgamma polygamma; sigmoid softplus relu; chain couple;
 * and gt ge lt le eq ne. A comparison that fails answers false. */
#define AG_UNARY(name, ...) AG_API ag_value ag_##name(ag_value x);
#define AG_BINARY(name, ...) AG_API ag_value ag_##name(ag_value a, ag_value b);
#define AG_TERNARY(name, ...) AG_API ag_value ag_##name(ag_value c, ag_value a, ag_value b);
#define AG_COMPARE(name, ...) AG_API bool ag_##name(ag_value a, ag_value b);
#include "gates.def"

/* Gates over n >= 1 operands, again from the table: one node each, however many the operands. The
 * arrays are copied. For n = 0 there is no graph to find: a null value, and no error anywhere.
 *
 *     ag_value ag_sum(size_t n, const ag_value *x);             x[0] + x[1] + ...
 *     ag_value ag_dot(size_t n, const ag_value *x, const ag_value *w);
 *                                                               x[0]*w[0] + x[1]*w[1] + ...
 *     ag_value ag_linear(size_t n, const ag_real *w, const ag_value *x, ag_real offset);
 *                                                               offset + x[0]*w[0] + ...
 *     ag_value ag_logsumexp(size_t n, const ag_value *x);       log(exp(x[0]) + exp(x[1]) + ...),
 *                                                               without overflow
 *     ag_value ag_max_of(size_t n, const ag_value *x);          the largest; the first at a tie */
#define AG_NARY(name, partner, ...) AG_NARY_##partner(name)
#define AG_NARY_NONE(name) AG_API ag_value ag_##name(size_t n, const ag_value *x);
#define AG_NARY_VALUES(name)                                                                       \
    AG_API ag_value ag_##name(size_t n, const ag_value *x, const ag_value *w);
#define AG_NARY_NUMBERS(name)                                                                      \
    AG_API ag_value ag_##name(size_t n, const ag_real *w, const ag_value *x, ag_real offset);
#include "gates.def"
#undef AG_NARY_NONE
#undef AG_NARY_VALUES
#undef AG_NARY_NUMBERS

/* With a plain number for the second operand, which becomes a constant of the graph. */
AG_API ag_value ag_scale(ag_value x, ag_real factor); /* x * factor */
AG_API ag_value ag_shift(ag_value x, ag_real offset); /* x + offset */
/* x^exponent, for any x; at x = 0, derivatives of every order are right. AG_TOO_LARGE: an exponent
 * that ag_real does not hold exactly (a float beyond 2^24). */
AG_API ag_value ag_pow_int(ag_value x, int exponent);

/* ---- Gates of your own ----------------------------------------------------------------------- */

/* A closure: two functions and what they remember. The struct is copied; name must live as long as
 * the graph (a literal does). The context is handed to the callbacks as it is: if forward saves
 * something there for backward, each application needs one of its own; one that is only read may be
 * shared. destroy (which may be NULL) is called once for each application: when the node is dropped
 * by a rewind or with the graph, or at once when ag_apply fails. The callbacks but derive see
 * numbers only: calling a gate of the same graph from one is an error (AG_BUSY). */
typedef struct ag_closure {
    const char *name;
    size_t arity; /* operands, at least 1 */
    /* the value, from x[0] to x[arity - 1]; called again by ag_forward and gradient checks */
    ag_real (*forward)(void *context, size_t arity, const ag_real *x);
    /* sets downstream[i] = upstream * dy/dx[i]; the engine adds it to the operand's gradient.
     * downstream comes as zeros. */
    void (*backward)(void *context, size_t arity, const ag_real *x, ag_real y, ag_real upstream,
                     ag_real *downstream);
    void *context;
    void (*destroy)(void *context);
    /* may be NULL: the gradient as nodes, for ag_gradient and its kind. Sets downstream[i], as
     * backward does, to gates of x, y (the closure's own node) and upstream; a value left null, as
     * all come, is 0. ag_chain(upstream, local) rather than ag_mul keeps the zero rule, and the
     * result can be derived again. This one may make what nodes it likes of the graph, and drop its
     * own again. AG_OK, or what went wrong. */
    ag_status (*derive)(void *context, size_t arity, const ag_value *x, ag_value y,
                        ag_value upstream, ag_value *downstream);
    /* may be NULL: the name of a C function that does what forward does, for generated code
     * (ag_emit_c), which declares it as `double name(const double *x);`, or with float, and finds
     * arity numbers at x. It has to be linked there. */
    const char *c_function;
} ag_closure;

/* operands has closure->arity elements, and is copied. */
AG_API ag_value ag_apply(const ag_closure *closure, const ag_value *operands);

/* ---- Derivatives as nodes -------------------------------------------------------------------- */

/* The backward pass recorded: what ag_backward leaves in numbers, these make of new gates in the
 * same graph, as values like any other. They can be read, evaluated again after ag_set by
 * ag_forward, compiled, and derived again, to any order.
 *
 *     ag_value df, ddf;
 *     ag_gradient(f, 1, &x, &df);
 *     ag_gradient(df, 1, &x, &ddf);
 *
 * wrt are any values, variables or gates, and each answer is what ag_backward would leave there:
 * how root changes with that value, all ways from it counted. A value that stands there twice gets
 * the same answer twice. One that root does not depend on, and every ag_constant, gets a constant
 * 0. Gradients pass neither ag_detach nor a recorded comparison.
 *
 * Every gate's local gradient is the table's, with its conventions at kinks and edges, and the next
 * order derives that formula: relu, abs, max and select have second derivatives of 0 everywhere,
 * a tie in max stays with the first operand. Which side a max, relu or select takes is a gate of
 * the derivative, too (ag_is_less, ...), so that it follows new numbers in the leaves. upstream *
 * local is ag_chain: the zero rule holds in derivatives of every order, and a side that was not
 * taken gives nothing, not even infinity * 0. Only a closure's derivative is what its derive says.
 *
 * Time and memory are linear in the nodes between the lowest wrt and the highest root; nothing
 * recurses. Contributions to one value are added by one ag_sum, in the order ag_backward takes. In
 * a paused graph the answers are constants (the gates that led to them stay until a rewind). out
 * may be one of the other arrays.
 *
 * On a failure, and the error is the graph's, out gets null values and the graph has no new nodes:
 * AG_NULL_VALUE, AG_STALE_VALUE, AG_WRONG_GRAPH for a handle; AG_INVALID_ARGUMENT for no roots, no
 * wrt, an array that is NULL, or a closure without derive on the way (the message names it);
 * AG_TOO_MANY_NODES; AG_OUT_OF_MEMORY. */

/* out[j] = d root / d wrt[j]; n of them. */
AG_API ag_status ag_gradient(ag_value root, size_t n, const ag_value *wrt, ag_value *out);

/* out[i * n + j] = d roots[i] / d wrt[j], row by row; m x n. Costs m gradients. */
AG_API ag_status ag_jacobian(size_t m, const ag_value *roots, size_t n, const ag_value *wrt,
                             ag_value *out);

/* The Jacobian times a vector, without the Jacobian: out[i] = sum over j of d roots[i] / d
 * wrt[j] * tangents[j]; m of them. tangents (n) are values, and are not derived themselves.
 * Costs about two gradients, whatever m and n are, and adds m variables to the graph, which the
 * answers don't depend on. (With n = 1 and a tangent of 1: the derivatives of all roots for one
 * variable.) */
AG_API ag_status ag_jvp(size_t m, const ag_value *roots, size_t n, const ag_value *wrt,
                        const ag_value *tangents, ag_value *out);

/* The Hessian times a vector, without the Hessian: out[i] = sum over j of d2 root / (d wrt[i]
 * d wrt[j]) * vector[j]; n of them. vector (n) are values, and are not derived themselves. Costs
 * about three gradients. */
AG_API ag_status ag_hvp(ag_value root, size_t n, const ag_value *wrt, const ag_value *vector,
                        ag_value *out);

/* out[i * n + j] = d2 root / (d wrt[i] d wrt[j]); n x n, all of them: the two halves are computed
 * each by itself, and differ by roundings. Costs n gradients of the gradient. */
AG_API ag_status ag_hessian(ag_value root, size_t n, const ag_value *wrt, ag_value *out);

/* ---- Names ----------------------------------------------------------------------------------- */

/* Names a value, for messages, explanations and drawings; the name is copied. A value has one name:
 * a second replaces the first. AG_NAME_TAKEN: another value has it. */
AG_API ag_status ag_name(ag_value x, const char *name);
/* The value of that name; a null value, without an error, if there is none. */
AG_API ag_value ag_find(ag_graph *graph, const char *name);
/* The name of a value, NULL if it has none. Valid until it is renamed or dropped. */
AG_API const char *ag_name_of(ag_value x);

/* ---- Scopes ---------------------------------------------------------------------------------- */

/* What is made between begin and end belongs together: drawings frame it, or fold it into one box.
 * Scopes nest. Gates know nothing of them: a scope costs a few nanoseconds and bytes, a node in it
 * none. Those of one name in one scope are numbered: nn_layer begins "neuron" again and again, and
 * drawings say "neuron 1", "neuron 2", ...
 *
 *     ag_scope_begin(graph, "neuron");
 *     ag_value y = ag_tanh(ag_add(ag_dot(n, w, x), b));
 *     ag_scope_end(graph);
 *
 * The name is copied. Every begin wants its end, even if it failed and while the graph has an error,
 * so neither needs a look at what it returns. A rewind puts scopes back to what they were at the
 * mark: drops those begun since, opens again those ended since. One still open reaches to the newest
 * node. AG_INVALID_ARGUMENT: an empty name; an end without a begin. AG_OUT_OF_MEMORY. */
AG_API ag_status ag_scope_begin(ag_graph *graph, const char *name);
AG_API ag_status ag_scope_end(ag_graph *graph);

/* ---- Looking into the graph ------------------------------------------------------------------ */

/* "variable", "constant", "detach", the gate's name in the table ("mul", "dot"), a closure's
 * own name; of programs in the graph "call" or "scan", a node that stands for no value of its own,
 * and "output" for each of its outputs. "null" for a null or stale handle. */
AG_API const char *ag_gate_name(ag_value x);
/* The number of operands: 0 for leaves; 2n for dot. */
AG_API size_t ag_operand_count(ag_value x);
/* Operand i, from 0 (a dot's are x[0], w[0], x[1], w[1], ...). A null value if there is none. */
AG_API ag_value ag_operand(ag_value x, size_t i);
/* The local gradient dx / d operand i. NaN if there is no such operand, and for a call or scan, where
 * there would be one for each output. */
AG_API ag_real ag_local_gradient(ag_value x, size_t i);

/* One line of the gate table, in words. Sums, products and choices stand in parentheses. */
typedef struct ag_gate_info {
    const char *name;
    size_t arity;         /* 0: any number */
    const char *value;    /* "log(x)" */
    const char *local[3]; /* "(1 / x)": one for each operand, or one for all of them where arity is
                             0; NULL beyond */
    const char *domain;   /* "x > 0" */
    const char *edges;    /* conventions at kinks and rims, each as operands and local gradients:
                             " (0, INF)" says that at 0 it is infinite; "" if there is none */
} ag_gate_info;

/* The table in its own order, comparisons excepted. Static; *count, if not NULL, gets the number of
 * lines. */
AG_API const ag_gate_info *ag_gate_table(size_t *count);

/* ---- Gradient check -------------------------------------------------------------------------- */

/* Builds a value from n inputs, the same way for the same inputs (other branches for other inputs
 * are fine). */
typedef ag_value (*ag_function)(ag_graph *graph, size_t n, const ag_value *inputs, void *context);

typedef enum ag_verdict {
    AG_AGREES,    /* within tolerance */
    AG_DISAGREES, /* the analytic gradient is wrong, one of the two is not finite, or the function
                     is too rough, or too large beside its change, for differences here */
    AG_KINK,      /* the one-sided differences disagree with each other, or grow without bound: no
                     derivative here, so nothing is said */
} ag_verdict;

typedef struct ag_gradcheck_row {
    ag_real at;             /* the input */
    ag_real analytic;       /* by ag_backward */
    ag_real numeric;        /* by central differences */
    ag_real step;           /* the step that gave it */
    ag_real absolute_error; /* |analytic - numeric| */
    ag_real relative_error; /* absolute_error / max(|analytic|, |numeric|); 0 if both are 0 */
    bool kink;              /* a kink, or something as sharp, is suspected within the step */
    ag_verdict verdict;
} ag_gradcheck_row;

typedef struct ag_gradcheck_options {
    int points;   /* 2: (f(x+h) - f(x-h)) / 2h; 4: the fourth-order formula. 0: 4 */
    ag_real step; /* h; 0: chosen for each input from its size and the number type's precision, and
                     made smaller where that disagrees */
    ag_real tolerance; /* agrees if |analytic - numeric| <= tolerance * max(1, |analytic|,
                          |numeric|); 0: 1e-6 (float: 2e-2) */
} ag_gradcheck_options;

/* Compares the gradient of f at the point `at` (n numbers) with finite differences, on a graph of
 * its own that is rewound before each call of f; fills n rows. AG_OK says that the check was
 * carried out; *passed, if not NULL, whether no row disagrees. options and error may be NULL. An
 * error of f ends the check, and its message is in error. */
AG_API ag_status ag_gradcheck(ag_function f, void *context, size_t n, const ag_real *at,
                              const ag_gradcheck_options *options, ag_gradcheck_row *rows,
                              bool *passed, ag_error_details *error);

/* The same for a recorded root and n variables of its graph, by setting them and running forward;
 * all values and gradients are afterwards as they were. A recorded comparison that comes out
 * differently within the step is a kink; at the present values already, it is AG_BRANCH. Takes 17
 * bytes a node for the time (float: 9). */
AG_API ag_status ag_gradcheck_root(ag_value root, size_t n, const ag_value *leaves,
                                   const ag_gradcheck_options *options, ag_gradcheck_row *rows,
                                   bool *passed);

/* Writes rows as a table: input, analytic, numeric, errors, verdict. names (n) may be NULL. */
AG_API ag_status ag_gradcheck_print(FILE *file, size_t n, const char *const *names,
                                    const ag_gradcheck_row *rows);

/* ---- Explanations and drawings --------------------------------------------------------------- */

/* Writes two tables: forward (step, node, gate with its operands, value) and backward, one line per
 * edge: upstream * local = contribution, with the formula of the local gradient, and the running
 * sum where a value is used more than once. A value without a name is called v1, v2, ... in
 * topological order, a constant without a name by its number. Works on the side: no gradient of the
 * graph changes. */
AG_API ag_status ag_explain(ag_value root, FILE *file);

typedef struct ag_dot_options {
    size_t max_nodes;     /* AG_TOO_LARGE if more values and boxes would be drawn; 0: 500 */
    bool no_gradients;    /* draw values only */
    bool local_gradients; /* write each gate's local gradients on the edges that lead to it */
    size_t fold;          /* 0: every gate; 1: each outermost scope is one box; 2: so is each scope
                             inside one of those; ... Frames stand around scopes that are open */
    int digits;           /* significant digits of numbers, up to 17; 0: 4 */
    const char *title;    /* NULL: none */
} ag_dot_options;

/* Writes what root depends on for Graphviz, which lays it out: `dot -Tsvg` (or png, pdf). A value is
 * a wire from left to right, with the number above it (blue) and the gradient of root below (red);
 * the wire of a variable begins with its name. A gate is a circle with its sign or name, and with
 * the number if one of its two operands is a constant without a name ("+1"). Operands enter from top
 * to bottom, and where they can't be exchanged they have the letters of the gate's formula (a, b).
 * Gates of pairs, of coefficients or of three operands, and programs, are boxes with room for these.
 * Values are called as ag_explain calls them.
 *
 * A box stands for the gates of a scope. Values that go in or come out keep their wires; a leaf
 * without a name that one gate inside uses, and nothing else, goes into the box: weights do, inputs
 * of several neurons don't, nor do inputs with a name. More than six values that come from one place
 * and go to the same boxes are one wire.
 *
 * Everything drawn has an id, in the SVG too. With n the node's place in ag_topological_order, s the
 * scope's number in the graph, in order of their beginnings, both from 0, and k the operand's:
 *
 *     gate<n>      the circle             edge<n>_<k>  from the wire of its operand k to gate n
 *     wire<n>      the wire of value n    out<n>       from gate, or box, to wire n
 *     scope<s>     the box or frame       in<s>_<n>    from wire n to box s
 *
 * A wire that is drawn for several values has the lowest one's n. options may be NULL. Works on the
 * side, as ag_explain does. */
AG_API ag_status ag_write_dot(ag_value root, FILE *file, const ag_dot_options *options);

#ifdef __cplusplus
}
#endif

#endif
