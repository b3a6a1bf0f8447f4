/* SPDX-License-Identifier: MIT
 *
 * wengert/program.h: record once, run many. A recorded graph compiled into a program that runs on
 * batches of samples, at the speed of matrix code, on all cores.
 *
 *     ag_graph *graph = ag_graph_new(NULL);
 *     ag_value w = ag_variable(graph, 0), x = ag_variable(graph, 0), t = ag_variable(graph, 0);
 *     ag_value loss = ag_square(ag_sub(ag_tanh(ag_mul(w, x)), t)), dw;
 *     ag_gradient(loss, 1, &w, &dw);
 *     ag_value each[] = {x, t}, sum[] = {loss, dw};
 *     ag_program *program = ag_compile(
 *         &(ag_signature){.shared = &w, .shared_count = 1, .each = each, .each_count = 2,
 *                         .sum = sum, .sum_count = 2}, NULL);
 *     ag_graph_free(graph);                      the program keeps what it needs
 *     ag_workspace *workspace = ag_workspace_new(program, NULL, NULL);
 *     double weight = 0.5, rows[3][2] = {{1, 0.2}, {2, 0.4}, {3, 0.6}}, totals[2];
 *     ag_run(program, workspace, 3, &(ag_arrays){.shared = &weight, .each = &rows[0][0],
 *                                                .sum = totals});
 *
 * The risk that a net minimises is a sum of one loss over samples, and so is its gradient: (shared,
 * each) -> (sum, map) is that statement as a type. A batch of 1 serves every other use.
 *
 * A program is immutable: any number of threads may run it at the same time, each with a workspace
 * of its own. For the same arrays the results are the same bits, however many threads a workspace
 * has (for one build of the library and one instruction set).
 */
#ifndef WENGERT_PROGRAM_H
#define WENGERT_PROGRAM_H

#include <wengert/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Compiling ------------------------------------------------------------------------------- */

/* What a program takes and gives: values of one graph. Inputs are variables, each named once. */
typedef struct ag_signature {
    const ag_value *shared; /* inputs with one value for the whole batch: parameters */
    size_t shared_count;
    const ag_value *each; /* inputs with one value per sample: features, targets */
    size_t each_count;
    const ag_value *sum; /* outputs summed over the batch: loss, gradients */
    size_t sum_count;
    const ag_value *map; /* outputs returned for every sample: predictions */
    size_t map_count;
    const ag_value *once; /* outputs that depend on shared inputs alone, computed once */
    size_t once_count;
} ag_signature;

typedef struct ag_compile_options {
    /* Every gate an instruction of its own: no sums of products, no matrices, no runs. Slow, and
     * the twin that everything faster is compared with. */
    bool plain;
    ag_allocator allocator; /* NULL: the C library's. It has to live as long as the program */
    void *allocator_user;
} ag_compile_options;

typedef struct ag_program ag_program;

/* Compiles what the outputs depend on, with the comparisons that were recorded before the last of
 * them. Constants (ag_constant) are frozen at their present values. A closure can be part of a
 * program if it has no destroy: its context then must live as long as the program, and its callback
 * is called from several threads. options may be NULL.
 *
 * NULL, and the error is the graph's: AG_INVALID_ARGUMENT for an input that is not a variable or
 * stands there twice, an output or a comparison that depends on a variable which the signature does
 * not name (the message names it), a once output that depends on an each input, no output at all, a
 * closure with a destroy; AG_OUT_OF_MEMORY; and what is wrong with a handle. */
AG_API ag_program *ag_compile(const ag_signature *signature, const ag_compile_options *options);

/* A program belongs to everybody who retains it; the last ag_program_free frees it. Both may be
 * called from any thread, take NULL, and retain returns its argument. */
AG_API ag_program *ag_program_retain(ag_program *program);
AG_API void ag_program_free(ag_program *program);

/* What a program takes, gives and is made of. */
typedef struct ag_program_info {
    size_t shared_count, each_count, sum_count, map_count, once_count; /* as in the signature */
    size_t comparisons; /* recorded ones that it keeps */
    size_t gates;       /* inputs, constants and gates that are left once constants are folded, what
                            is the same is shared, and sums of products are one gate each */
    size_t instructions; /* all of them; of these: */
    size_t affine;       /* matrix times vector */
    size_t outer;        /* sums of outer products */
    size_t runs;         /* one gate over many components */
    size_t lanes;        /* samples that go through the instructions together, at most */
    size_t bytes;        /* held by the program */
} ag_program_info;

AG_API ag_program_info ag_program_describe(const ag_program *program);

typedef enum ag_role {
    AG_SHARED,
    AG_EACH,
    AG_SUM,
    AG_MAP,
    AG_ONCE,
} ag_role;

/* The name that the i-th input or output of a role had in the graph; NULL without one. */
AG_API const char *ag_program_name(const ag_program *program, ag_role role, size_t i);

/* Writes the instructions for people: what is computed once and for each sample, gates with their
 * slots, AFFINE, OUTER and runs with shapes and strides. */
AG_API ag_status ag_program_print(const ag_program *program, FILE *file);

/* ---- Running --------------------------------------------------------------------------------- */

/* Sets of machine instructions that kernels are built for; what a machine has is chosen at run
 * time. The environment variable WENGERT_ISA (baseline, avx2, avx512, neon) forces one for
 * workspaces that leave the choice open. */
typedef enum ag_isa {
    AG_ISA_AUTO,     /* the best that this machine has */
    AG_ISA_BASELINE, /* what every machine of the architecture has: SSE2, or plain C */
    AG_ISA_AVX2,     /* with FMA */
    AG_ISA_AVX512,   /* F, DQ, BW, VL */
    AG_ISA_NEON,     /* 64-bit ARM */
} ag_isa;

/* Whether the library has kernels for it and this machine can run them. */
AG_API bool ag_isa_available(ag_isa isa);
/* "auto", "baseline", "avx2", "avx512", "neon"; "unknown". */
AG_API const char *ag_isa_name(ag_isa isa);
/* Where exp, tanh and the like come from: "sleef", "libmvec" or "libm". */
AG_API const char *ag_vector_math(void);

typedef struct ag_workspace_options {
    /* At most; 0: as many as OpenMP says. 1 in a library built without OpenMP. On cores that other
     * work keeps busy, threads that wait for each other lose more than they gain: take 1 there. */
    size_t threads;
    ag_isa isa;
    ag_allocator allocator; /* NULL: the C library's */
    void *allocator_user;
} ag_workspace_options;

/* What a thread needs to run a program: scratch, and the last error. Retains the program. */
typedef struct ag_workspace ag_workspace;

/* options may be NULL. NULL: no memory, no program, or an instruction set that is not available;
 * error, which may be NULL, says which. */
AG_API ag_workspace *ag_workspace_new(ag_program *program, const ag_workspace_options *options,
                                      ag_error_details *error);
AG_API void ag_workspace_free(ag_workspace *workspace);

/* The instruction set in use, threads at most, bytes held. */
AG_API ag_isa ag_workspace_isa(const ag_workspace *workspace);
AG_API size_t ag_workspace_threads(const ag_workspace *workspace);
AG_API size_t ag_workspace_bytes(const ag_workspace *workspace);

/* The message of the last ag_run, "" if it was AG_OK; and after AG_BRANCH the lowest sample whose
 * comparison came out differently (SIZE_MAX where it depends on shared inputs alone). */
AG_API const char *ag_workspace_message(const ag_workspace *workspace);
AG_API size_t ag_workspace_sample(const ag_workspace *workspace);

/* Arrays are row-major, and may be NULL where the program has nothing for them. */
typedef struct ag_arrays {
    const double *shared; /* shared_count */
    const double *each;   /* batch x each_count */
    double *sum;          /* sum_count */
    double *map;          /* batch x map_count */
    double *once;         /* once_count */
    /* 0: sum[i] is set to the total. Otherwise sum[i] += scale * total; then sum may be the shared
     * array itself: gradients, with a scale of -rate / batch, step the parameters where they are.
     * No other overlap of arrays is allowed. */
    double scale;
} ag_arrays;

typedef struct ag_arrays_float {
    const float *shared;
    const float *each;
    float *sum;
    float *map;
    float *once;
    float scale;
} ag_arrays_float;

/* Runs the program on a batch of samples, 0 or more, in double or in float, whatever ag_real is.
 * Allocates nothing. AG_BRANCH: a recorded comparison comes out differently for a sample, so the
 * recorded gates are not what your code would record for it; no output has been written.
 * AG_INVALID_ARGUMENT: a workspace of another program, or an array that is NULL and should not be. */
AG_API ag_status ag_run(const ag_program *program, ag_workspace *workspace, size_t batch,
                        const ag_arrays *arrays);
AG_API ag_status ag_run_float(const ag_program *program, ag_workspace *workspace, size_t batch,
                              const ag_arrays_float *arrays);

/* ---- Programs as gates ----------------------------------------------------------------------- */

/* In a graph they run in double, whatever ag_real is; in a program, as that does. On a failure, and
 * the error is the graph's, what comes out are null values, and the graph has no new nodes:
 * AG_INVALID_ARGUMENT for no program, an array that is NULL and should not be, a state that does not
 * fit, once outputs of a step; what is wrong with a handle; AG_TOO_LARGE for more than 2^30
 * operands; AG_TOO_MANY_NODES; AG_OUT_OF_MEMORY. AG_BRANCH, which does not stick: a recorded
 * comparison comes out differently; the message says in which step. A gradient of a program with a
 * closure in it takes the closure's derive. */

/* Puts a program into a graph as a gate with many outputs: on shared (shared_count) and each
 * (each_count) values of the graph, for a batch of one. outputs gets the sum, map and once outputs
 * in turn. The graph retains the program and keeps the inputs only: whatever the program computes
 * on its way is computed again for a gradient. */
AG_API ag_status ag_call(ag_graph *graph, ag_program *program, const ag_value *shared,
                         const ag_value *each, ag_value *outputs);

/* Folds a program over time. With S = state_count, one step takes
 *
 *     shared: the parameters;  each: the state (S), then inputs of the step (I = each_count - S)
 *
 * and gives
 *
 *     map: the next state (S), then outputs of the step (O = map_count - S);  sum: totals over time
 *
 * and no once outputs. All of these are values of `graph`: shared (shared_count), state (S: before
 * the first step), inputs (steps x I, NULL for none); and what comes out: final_state (S), outputs
 * (steps x O, NULL for none), totals (sum_count, NULL for none). steps may be 0.
 *
 * Gradients run the steps forward again, keep the states and run a program for the gradient of one
 * step backwards over them. ag_backward takes 8 * S * steps bytes for that; ag_gradient, S nodes a
 * step; a program made of these, S slots a step: a number of each for every lane. */
typedef struct ag_scan_arrays {
    const ag_value *shared;
    const ag_value *state;
    const ag_value *inputs;
    ag_value *final_state;
    ag_value *outputs;
    ag_value *totals;
} ag_scan_arrays;

AG_API ag_status ag_scan(ag_graph *graph, ag_program *step, size_t steps, size_t state_count,
                         const ag_scan_arrays *arrays);

/* ---- C for elsewhere ------------------------------------------------------------------------- */

/* A function of a generated file: a program, for one sample or for a batch. Its parameters are, in
 * this order, and as far as there is such a thing:
 *
 *     size_t batch                  with .batch
 *     const real *shared            shared_count; not with .frozen
 *     const real *each              each_count; with .batch, batch x each_count
 *     real *sum, *map, *once        as ag_arrays has them
 *     real scale                    with .scaled
 *     real *workspace               NAME_WORKSPACE numbers; not with .static_workspace
 *
 * and, if the program keeps comparisons, it returns an int: 0, or the number of the one that comes
 * out differently, as the header lists them; then no output has been written. */
typedef struct ag_c_function {
    const char *name; /* a C identifier, but no word of C or C++ and no name of their headers.
                         Whatever else is defined for the function begins with it, constants with the
                         same in capitals; files can be linked together whose functions have other
                         names */
    const ag_program *program;
    /* shared_count numbers for the shared inputs, or NULL. They stand in the file, as the constant
     * array NAME_shared: what a device begins with. */
    const double *shared;
    bool frozen; /* the function reads those, and takes no shared inputs */
    bool batch;
    bool scaled; /* sum[i] += scale * total, as ag_arrays's scale does: sum may be the shared array,
                    so that gradients step parameters where they are */
} ag_c_function;

typedef struct ag_emit_options {
    bool use_float;        /* numbers are float, not double */
    bool static_workspace; /* a static array in the file: takes no parameter, but can't be called
                              again before it returns */
    /* Of libm only what C89 has, and no errors of its own: exp2, expm1, log1p, cbrt, hypot, erf,
     * lgamma, ... come with the file. For libraries such as avr-libc. */
    bool small_libm;
    const char *header_name; /* how the source includes its header; NULL: there is none, and the
                                source declares everything itself */
    /* C of your own, or NULL: behind the declarations, and at the source's end. Whole lines, with
     * an empty one behind. */
    const char *declarations, *definitions;
} ag_emit_options;

/* Writes programs as C99 that needs nothing but math.h (and stddef.h): no allocation, no recursion,
 * no global state beyond constants. Matrices, sums of outer products and runs are loops, scans call a
 * function for a step, long lists of gates are cut into functions, so that compilers take a time in
 * proportion. The same programs give the same bytes. It compiles as C++, too. header may be NULL
 * where options->header_name is; options may be NULL.
 *
 * Memory comes from the first program's allocator.
 *
 * AG_INVALID_ARGUMENT, and nothing has been written: a name that is none for a function, or that two
 * have (or in capitals, or that the header defines for another function); frozen without shared; a
 * header without a name or a name without a header; a closure without c_function, or with one that
 * the file has for something else. AG_OUT_OF_MEMORY; AG_IO. error, which may be NULL, says more. */
AG_API ag_status ag_emit_c(size_t count, const ag_c_function *functions,
                           const ag_emit_options *options, FILE *source, FILE *header,
                           ag_error_details *error);

/* How many numbers a function takes for its workspace: NAME_WORKSPACE, or 0, and then it has no such
 * parameter. Fails as ag_emit_c does. */
AG_API ag_status ag_measure_c(const ag_c_function *function, size_t *numbers,
                              ag_error_details *error);

typedef struct ag_native_options {
    bool use_float;       /* what ag_run_float runs, instead of what ag_run does */
    const char *compiler; /* a command, with arguments if need be; NULL: the environment variable
                             CC, else "cc" */
    const char *flags;    /* NULL: -O3 and the processor's own instructions */
    const char *cache;    /* a directory, which is made; NULL: $XDG_CACHE_HOME/wengert, else
                             ~/.cache/wengert. "": compile anew, keep nothing */
} ag_native_options;

/* Compiles a program to the processor's own code: as C, by the machine's compiler, into a shared
 * object that is loaded and kept in the cache, by text, compiler, flags and processor. Workspaces
 * that are made from then on run it, with their lanes and threads, unless they ask for an instruction
 * set; the program frees it. Results may differ from the interpreter's in the last bits, and are the
 * same for any number of threads. options may be NULL.
 *
 * AG_UNAVAILABLE where there is no compiler, it fails, or nothing can be loaded; error, which may be
 * NULL, says what; the program runs as it did. AG_OUT_OF_MEMORY; AG_IO for a cache that others can
 * write to, or that can't be written. */
AG_API ag_status ag_native(ag_program *program, const ag_native_options *options,
                           ag_error_details *error);

#ifdef __cplusplus
}
#endif

#endif
