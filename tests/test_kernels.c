/* SPDX-License-Identifier: MIT
 *
 * Kernels that work number by number, for every instruction set and number type there is: each gate
 * of the table against the table's own expression in libm's scalar functions, over the whole number
 * line and in every shape of operands; sums of products, folds, closures and comparisons against
 * plain loops. Matrices are the subject of test_matrix.c.
 *
 * What is counted is ulps: numbers of the type between the kernel's result and libm's. A zero has
 * to have the right sign, infinities and NaN have to be themselves.
 */
#define _DEFAULT_SOURCE /* setenv */
#include "code.h"
#include "emulated.h"
#include "testing.h"

#include <float.h>

enum {
    MOST_TERMS = 300
};

/* ---- Numbers of two types -------------------------------------------------------------------- */

static void set_number(void *array, size_t size, size_t i, double x)
{
    if (size == sizeof(double))
        ((double *)array)[i] = x;
    else
        ((float *)array)[i] = (float)x;
}

static double get_number(const void *array, size_t size, size_t i)
{
    return size == sizeof(double) ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

/* Bits of a number, which count up along the number line. */
static int64_t count_of(double x, size_t size)
{
    if (size == sizeof(double)) {
        int64_t bits;
        memcpy(&bits, &x, sizeof(bits));
        return bits < 0 ? INT64_MIN - bits : bits;
    }
    const float y = (float)x;
    int32_t bits;
    memcpy(&bits, &y, sizeof(bits));
    return bits < 0 ? INT32_MIN - bits : bits;
}

static double number_of(int64_t count, size_t size)
{
    if (size == sizeof(double)) {
        const int64_t bits = count < 0 ? INT64_MIN - count : count;
        double x;
        memcpy(&x, &bits, sizeof(x));
        return x;
    }
    const int32_t bits = (int32_t)(count < 0 ? INT32_MIN - count : count);
    float x;
    memcpy(&x, &bits, sizeof(x));
    return (double)x;
}

static double count_ulps(double actual, double expected, size_t size)
{
    if (actual == 0 && expected == 0 && IS_EMULATED)
        return 0;
    if (!isfinite(actual) || !isfinite(expected) || (actual == 0 && expected == 0))
        return is_same(actual, expected) ? 0 : (double)INFINITY;
    const int64_t p = count_of(actual, size), q = count_of(expected, size);
    return (double)(p > q ? (uint64_t)p - (uint64_t)q : (uint64_t)q - (uint64_t)p);
}

static double epsilon(size_t size)
{
    return size == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
}

static double largest(size_t size)
{
    return size == sizeof(double) ? DBL_MAX : (double)FLT_MAX;
}

static double least(size_t size)
{
    return size == sizeof(double) ? DBL_TRUE_MIN : (double)FLT_TRUE_MIN;
}

static uint64_t random_state = 1;

static uint64_t draw_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double draw(double low, double high)
{
    return low + (high - low) * (double)(draw_bits() >> 11) * 0x1p-53;
}

/* Any number, NaN and infinity among them, each exponent as likely as another. */
static double draw_any(size_t size)
{
    double x;
    const uint64_t bits = draw_bits();
    memcpy(&x, &bits, sizeof(x));
    if (size == sizeof(double))
        return x;
    const uint32_t half = (uint32_t)bits;
    float y;
    memcpy(&y, &half, sizeof(y));
    return (double)y;
}

/* ---- Twins ----------------------------------------------------------------------------------- */

/* The table in scalar arithmetic: double_log(x), float_log(x), ... from an array of operands. */
#define NUMBER double
#define AGI_LIBM(function) function
#include "numeric.h"

#define UNARY(type, name, value)                                                                   \
    static type type##_##name(const type *in)                                                      \
    {                                                                                              \
        const type x = in[0];                                                                      \
        return (value);                                                                            \
    }
#define BINARY(type, name, value)                                                                  \
    static type type##_##name(const type *in)                                                      \
    {                                                                                              \
        const type a = in[0], b = in[1];                                                           \
        return (value);                                                                            \
    }
#define TERNARY(type, name, value)                                                                 \
    static type type##_##name(const type *in)                                                      \
    {                                                                                              \
        const type c = in[0], a = in[1], b = in[2];                                                \
        return (value);                                                                            \
    }

#define AG_UNARY(name, value, ...) UNARY(double, name, value)
#define AG_BINARY(name, value, ...) BINARY(double, name, value)
#define AG_TERNARY(name, value, ...) TERNARY(double, name, value)
#define AG_COMPARE(name, value, ...) BINARY(double, name, (value) ? 1 : 0)
/* in double, whatever the kernel's type */
#define OFFSET offset
#define FIRST(x) (k == first)
#define AG_NARY(name, partner, formula, start, step, end, ...)                                     \
    static double fold_##name(size_t n, const double *xs, const double *ws, double offset)         \
    {                                                                                              \
        size_t first = 0;                                                                          \
        for (size_t k = 1; k < n; k++)                                                             \
            if (!isnan(xs[first]) && (xs[k] > xs[first] || isnan(xs[k])))                          \
                first = k;                                                                         \
        const double M = xs[first];                                                                \
        (void)M, (void)offset;                                                                     \
        double s = (start);                                                                        \
        for (size_t k = 0; k < n; k++) {                                                           \
            const double x = xs[k], w = ws[k];                                                     \
            (void)x, (void)w;                                                                      \
            s = (step);                                                                            \
        }                                                                                          \
        return (end);                                                                              \
    }
#include <wengert/gates.def>

#undef NUMBER
#undef AGI_LIBM
#define NUMBER float
#define AGI_LIBM(function) function##f
#define AG_UNARY(name, value, ...) UNARY(float, name, value)
#define AG_BINARY(name, value, ...) BINARY(float, name, value)
#define AG_TERNARY(name, value, ...) TERNARY(float, name, value)
#include <wengert/gates.def>

/* Operands at the table's samples and edges. */
#define AT(...) {__VA_ARGS__},
#define EDGE(...) {__VA_ARGS__},
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdouble-promotion" /* an edge's NAN is a float */
#endif
#define AG_UNARY(name, value, dx, domain, edges, samples)                                          \
    static const double samples_##name[][8] = {samples edges};
#define AG_BINARY(name, value, da, db, domain, edges, samples)                                     \
    static const double samples_##name[][8] = {samples edges};
#define AG_TERNARY(name, value, dc, da, db, domain, edges, samples)                                \
    static const double samples_##name[][8] = {samples edges};
#include <wengert/gates.def>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

typedef struct gate {
    const char *name;
    uint8_t op;
    size_t arity;
    double (*of_double)(const double *operands);
    float (*of_float)(const float *operands);
    const double (*samples)[8];
    size_t sample_count;
} gate;

#define LINE(name, arity)                                                                          \
    {#name,                                                                                        \
     AGI_##name,                                                                                   \
     arity,                                                                                        \
     double_##name,                                                                                \
     float_##name,                                                                                 \
     samples_##name,                                                                               \
     sizeof(samples_##name) / sizeof(samples_##name[0])},
#define AG_UNARY(name, ...) LINE(name, 1)
#define AG_BINARY(name, ...) LINE(name, 2)
#define AG_TERNARY(name, ...) LINE(name, 3)
static const gate gates[] = {
#include <wengert/gates.def>
};

enum {
    GATES = sizeof(gates) / sizeof(*gates)
};

static double call_twin(const gate *g, size_t size, const double *operands)
{
    if (size == sizeof(double))
        return g->of_double(operands);
    float in[3];
    for (size_t i = 0; i < g->arity; i++)
        in[i] = (float)operands[i];
    return (double)g->of_float(in);
}

/* In ulps. Arithmetic is the same operation on both sides; so are the functions that always come
 * from libm. A vector function may differ from libm's by 4. 1 / (1 + exp(-x)) hands on exp's 4 and
 * adds a rounding of its own on either side for each of two operations; the ulp of the result can be
 * half as large, relative to it, as that of exp: 2 * (4 + 2). log1p(exp(-|x|)) hands on 4 of exp and
 * adds 4 of log1p and a rounding of the sum, again with ulps that may be half as large. */
static double find_bound(const char *name)
{
    static const char *const exact[] = {
        "neg",  "add",     "sub",    "mul",           "div",       "max",
        "min",  "abs",     "sign",   "floor",         "step",      "select",
        "relu", "is_less", "square", "is_less_equal", "is_equal",  "reciprocal",
        "sqrt", "chain",   "couple", "lgamma",        "polygamma",
    };
    for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
        if (strcmp(name, exact[i]) == 0)
            return 0;
    if (strcmp(name, "sigmoid") == 0)
        return 12;
    if (strcmp(name, "softplus") == 0)
        return 18;
    return 4;
}

/* ---- Running one instruction ----------------------------------------------------------------- */

/* Each space has so many slots, or numbers. */
enum {
    SLOTS = 1024,
    OUT = 700, /* results from here on; nothing else above OUT - GUARD */
    GUARD = 8, /* slots on both sides of a result that must stay as they are */
    MOST_LANES = 64
};

static const double untouched = -77.25;

static struct {
    _Alignas(64) double slots[SLOTS * MOST_LANES];
    _Alignas(64) double scratch[SLOTS];
    double uniform[SLOTS], constants[SLOTS], shared[SLOTS];
} memory;

static const agi_kernels *kernels;
static agi_records records;

static void *find_space(uint8_t space)
{
    switch (space) {
    case AGI_SLOTS:
        return memory.slots;
    case AGI_UNIFORM:
        return memory.uniform;
    case AGI_CONSTANTS:
        return memory.constants;
    default:
        return memory.shared;
    }
}

/* Element i of a vector, in a lane. */
static size_t find_index(agi_vector v, size_t lanes, int64_t i, size_t lane)
{
    const int64_t at = (int64_t)v.at + i * v.stride;
    if (at < 0 || at >= SLOTS)
        fail();
    return v.space == AGI_SLOTS ? (size_t)at * lanes + lane : (size_t)at;
}

static double get_element(agi_vector v, size_t lanes, int64_t i, size_t lane)
{
    if (v.space == AGI_NOWHERE)
        return 1;
    return get_number(find_space(v.space), kernels->size, find_index(v, lanes, i, lane));
}

static void set_element(agi_vector v, size_t lanes, int64_t i, size_t lane, double x)
{
    set_number(find_space(v.space), kernels->size, find_index(v, lanes, i, lane), x);
}

static double get_result(size_t lanes, size_t i, size_t lane)
{
    return get_number(memory.slots, kernels->size, (OUT + i) * lanes + lane);
}

static agi_frame make_frame(size_t lanes, size_t count)
{
    return (agi_frame){
        .records = &records,
        .kernels = kernels,
        .lanes = lanes,
        .count = count,
        .slots = memory.slots,
        .uniform = memory.uniform,
        .constants = memory.constants,
        .shared = memory.shared,
        .scratch = memory.scratch,
        .failed_lane = SIZE_MAX,
    };
}

/* Whether instructions with a single lane are taken as steps. */
static bool in_steps;

/* The same constants, as those that a program begins with. */
static ag_program make_program(void)
{
    ag_program program = {.records = records};
    program.constants = agi_new_array(&program.memory, SLOTS, sizeof(double));
    assert_non_null(program.constants);
    program.constants_count = program.constants_capacity = SLOTS;
    for (size_t i = 0; i < SLOTS; i++)
        program.constants[i] = get_number(memory.constants, kernels->size, i);
    return program;
}

static void execute_steps(agi_section *section, agi_frame *frame)
{
    ag_program program = make_program();
    assert_int_equal(agi_write_steps(&program, section), AG_OK);
    assert_true(section->imports_count <= SLOTS);
    double *constants = calloc(program.constants_count, sizeof(*constants));
    assert_non_null(constants);
    for (size_t i = 0; i < program.constants_count; i++)
        set_number(constants, kernels->size, i, program.constants[i]);
    frame->constants = constants;
    frame->imported = NULL;
    kernels->execute(section, frame);
    free(constants);
    frame->constants = memory.constants;
    agi_memory *m = &program.memory;
    agi_free_array(m, program.constants, program.constants_capacity, sizeof(double));
    agi_free_array(m, section->steps, section->steps_capacity, sizeof(*section->steps));
    agi_free_array(m, section->imports, section->imports_capacity, sizeof(*section->imports));
    assert_int_equal(m->bytes, 0);
}

static void execute(agi_instruction *instructions, uint32_t n, agi_frame *frame)
{
    agi_section section = {.instructions = instructions, .count = n, .slots = SLOTS};
    if (in_steps && frame->lanes == 1)
        execute_steps(&section, frame);
    else
        kernels->execute(&section, frame);
}

/* Runs an instruction whose results are at OUT, and sees that nothing is written around them. */
static void run(agi_instruction instruction, size_t lanes)
{
    const size_t end = (OUT + instruction.n + GUARD) * lanes;
    assert_true(end <= (size_t)SLOTS * lanes);
    for (size_t i = (OUT - GUARD) * lanes; i < end; i++)
        if (i < OUT * lanes || i >= (OUT + instruction.n) * lanes)
            set_number(memory.slots, kernels->size, i, untouched);
    instruction.out = OUT;
    agi_frame frame = make_frame(lanes, lanes);
    execute(&instruction, 1, &frame);
    for (size_t i = (OUT - GUARD) * lanes; i < end; i++)
        if ((i < OUT * lanes || i >= (OUT + instruction.n) * lanes) &&
            get_number(memory.slots, kernels->size, i) != untouched)
            fail();
}

/* One lane, one vector and many; all of them multiples of a vector's lanes, or 1. */
static size_t get_lanes(size_t i)
{
    return i == 0 ? 1 : i == 1 ? kernels->width : MOST_LANES;
}

/* Goes through all kernels of the build that this machine can run. */
static void for_all_kernels(void (*test)(void))
{
    static const ag_isa isas[] = {AG_ISA_BASELINE, AG_ISA_AVX2, AG_ISA_AVX512, AG_ISA_NEON};
    static const size_t sizes[] = {sizeof(double), sizeof(float)};
    for (size_t i = 0; i < sizeof(isas) / sizeof(*isas); i++)
        for (size_t k = 0; k < 2; k++) {
            kernels = agi_find_kernels(isas[i], sizes[k]);
            if (kernels == NULL)
                continue;
            assert_int_equal(kernels->isa, isas[i]);
            assert_int_equal(kernels->size, sizes[k]);
            assert_true(MOST_LANES % kernels->width == 0);
            random_state = 1;
            memset(&memory, 0, sizeof(memory));
            test();
        }
}

/* ---- Gates ----------------------------------------------------------------------------------- */

static double worst[GATES];

static void check_element(const gate *g, double bound, const double *operands, double actual)
{
    const double expected = call_twin(g, kernels->size, operands);
    const double ulps = count_ulps(actual, expected, kernels->size);
    if (ulps <= bound) {
        if (ulps > worst[g - gates])
            worst[g - gates] = ulps;
        return;
    }
    print_error("%s, %d bits, %s(", ag_isa_name(kernels->isa), (int)kernels->size * 8, g->name);
    for (size_t i = 0; i < g->arity; i++)
        print_error("%s%.17g", i == 0 ? "" : ", ", operands[i]);
    print_error(") is %.17g, not %.17g: %g ulp\n", actual, expected, ulps);
    fail();
}

static void check_gate(const gate *g, size_t lanes, uint32_t n, const agi_vector *x)
{
    static double operands[3][MOST_LANES * MOST_LANES]; /* a result may be written over them */
    agi_instruction instruction = {.op = g->op, .n = n};
    for (size_t k = 0; k < g->arity; k++) {
        instruction.x[k] = x[k];
        for (size_t i = 0; i < n * lanes; i++)
            operands[k][i] = get_element(x[k], lanes, (int64_t)(i / lanes), i % lanes);
    }
    run(instruction, lanes);
    const double bound = find_bound(g->name);
    for (size_t i = 0; i < n * lanes; i++) {
        double in[3] = {0};
        for (size_t k = 0; k < g->arity; k++)
            in[k] = operands[k][i];
        check_element(g, bound, in, get_result(lanes, i / lanes, i % lanes));
    }
}

/* Points come in a batch of 64 elements times 64 lanes: operand k is at slot 64 k. */
static struct {
    const gate *gate;
    size_t n;
} batch;

static agi_vector batch_vector(size_t k)
{
    return (agi_vector){(uint32_t)(MOST_LANES * k), 1, AGI_SLOTS};
}

static void finish_batch(void)
{
    const agi_vector x[] = {batch_vector(0), batch_vector(1), batch_vector(2)};
    const uint32_t rows = (uint32_t)((batch.n + MOST_LANES - 1) / MOST_LANES);
    if (rows > 0)
        check_gate(batch.gate, MOST_LANES, rows, x);
    batch.n = 0;
}

static void add_point(double a, double b, double c)
{
    const double operands[] = {a, b, c};
    for (size_t k = 0; k < batch.gate->arity; k++)
        set_number(memory.slots, kernels->size, k * MOST_LANES * MOST_LANES + batch.n, operands[k]);
    if (++batch.n == MOST_LANES * MOST_LANES)
        finish_batch();
}

/* Both signs of these, and of what the type ends with. */
static const double sizes[] = {
    0,
    1e-30,
    1e-10,
    1e-5,
    1e-3,
    0.1,
    0.25,
    0.3,
    0.5,
    0.75,
    1,
    1.25,
    1.5,
    2,
    2.5,
    3,
    3.5,
    4,
    8,
    10,
    16,
    20.5,
    30,
    89,
    100,
    104,
    128,
    151,
    710,
    746,
    1e3,
    1024,
    1e5,
    1e6,
    1e9,
    1e15,
    1e18,
    1e20,
    1e30,
    1e37,
    (double)INFINITY,
    (double)NAN,
};

enum {
    SIZES = sizeof(sizes) / sizeof(*sizes),
    ENDS = 6,
    SPECIALS = 2 * (SIZES + ENDS)
};

static double get_special(size_t i)
{
    const size_t size = kernels->size;
    const double ends[ENDS] = {
        least(size),       2 * least(size),
        largest(size),     size == sizeof(double) ? DBL_MIN : (double)FLT_MIN,
        1 + epsilon(size), 1 - epsilon(size) / 2};
    const size_t k = i / 2;
    const double x = k < SIZES ? sizes[k] : ends[k - SIZES];
    return i % 2 == 0 ? x : -x;
}

/* Where a unary twin's values begin to be something else (0, subnormal, infinite, NaN): there, and
 * at their neighbours, implementations differ. */
static void add_turns(void)
{
    enum {
        STEPS = 3000,
        MOST_TURNS = 40,
        NEIGHBOURS = 12
    };
    const gate *g = batch.gate;
    const size_t size = kernels->size;
    const int64_t end = count_of((double)INFINITY, size);
    int64_t low = -end;
    double x = -(double)INFINITY;
    int class_low = fpclassify(call_twin(g, size, &x));
    size_t turns = 0;
    for (int64_t k = 1; k <= STEPS && turns < MOST_TURNS; k++) {
        const int64_t high = k == STEPS ? end : (k - STEPS / 2) * (end / STEPS * 2);
        x = number_of(high, size);
        const int class_high = fpclassify(call_twin(g, size, &x));
        int64_t from = low, to = high;
        while (class_low != class_high && to - from > 1) {
            const int64_t middle = from + (to - from) / 2;
            x = number_of(middle, size);
            *(fpclassify(call_twin(g, size, &x)) == class_low ? &from : &to) = middle;
        }
        if (class_low != class_high) {
            turns++;
            for (int64_t i = -NEIGHBOURS; i <= NEIGHBOURS; i++)
                add_point(number_of(to + i > end    ? end
                                    : to + i < -end ? -end
                                                    : to + i,
                                    size),
                          0, 0);
        }
        low = high;
        class_low = class_high;
    }
}

static void add_unary_points(size_t n)
{
    static const double ranges[] = {1e-3, 1, 1.5, 4, 30, 120, 800, 1e5};
    for (size_t i = 0; i < n; i++) {
        add_point(draw_any(kernels->size), 0, 0);
        for (size_t k = 0; k < sizeof(ranges) / sizeof(*ranges); k++)
            add_point(draw(-ranges[k], ranges[k]), 0, 0);
        add_point(ldexp(draw(-1, 1), (int)draw(-40, 20)), 0, 0);
        add_point(1 + draw(-0.1, 0.1), 0, 0);
    }
    add_turns();
}

static void add_binary_points(size_t n)
{
    for (size_t i = 0; i < SPECIALS; i++)
        for (size_t k = 0; k < SPECIALS; k++)
            add_point(get_special(i), get_special(k), 0);
    for (size_t i = 0; i < n; i++) {
        const double a = draw(-4, 4), b = draw(-4, 4), any = draw_any(kernels->size);
        add_point(any, draw_any(kernels->size), 0);
        add_point(a, b, 0);
        add_point(fabs(a), 30 * b, 0);
        add_point(1 + a / 100, 1000 * b, 0);
        add_point(a, a, 0);
        add_point(any, any * (1 + epsilon(kernels->size)), 0);
        add_point(a, floor(b), 0);
        add_point(1 + a / 100, 1 + b / 100, 0);
    }
}

static void add_ternary_points(void)
{
    for (size_t i = 0; i < SPECIALS; i++)
        for (size_t k = 0; k < SPECIALS; k++)
            add_point(get_special(i), get_special(k), get_special(SPECIALS - 1 - k));
}

static void sweep_gates(void)
{
    for (const gate *g = gates; g < gates + GATES; g++) {
        batch.gate = g;
        for (size_t i = 0; i < g->sample_count; i++)
            add_point(g->samples[i][0], g->samples[i][1], g->samples[i][2]);
        for (size_t i = 0; i < SPECIALS; i++)
            add_point(get_special(i), get_special(i), get_special(i));
        if (g->arity == 1)
            add_unary_points(IS_EMULATED ? 100 : 1500);
        else if (g->arity == 2)
            add_binary_points(strcmp(g->name, "polygamma") == 0 ? 50 : IS_EMULATED ? 100 : 1000);
        else
            add_ternary_points();
        finish_batch();
    }
}

static void test_gates_over_the_number_line(void **state)
{
    (void)state;
    for_all_kernels(sweep_gates);
    print_message("vector math from %s; most ulps:", ag_vector_math());
    for (size_t i = 0; i < GATES; i++)
        if (worst[i] > 0)
            print_message(" %s %g", gates[i].name, worst[i]);
    print_message("\n");
}

/* Fills all spaces with a gate's samples, a little moved. */
static void fill_with_samples(const gate *g, size_t k)
{
    const size_t size = kernels->size;
    for (size_t i = 0; i < SLOTS; i++) {
        const double x = g->samples[draw_bits() % g->sample_count][k];
        const double moved = strcmp(g->name, "polygamma") == 0 ? x : x * draw(0.9, 1.1);
        set_number(memory.uniform, size, i, moved);
        set_number(memory.constants, size, i, -moved);
        set_number(memory.shared, size, i, x);
        for (size_t lane = 0; lane < MOST_LANES; lane++)
            set_number(memory.slots, size, i * MOST_LANES + lane, moved * draw(0.95, 1));
    }
}

static agi_vector draw_vector(bool anywhere)
{
    static const int32_t strides[] = {0, 1, 1, -1, 2, -3};
    static const uint8_t spaces[] = {AGI_SLOTS, AGI_SLOTS, AGI_UNIFORM, AGI_CONSTANTS, AGI_SHARED};
    return (agi_vector){(uint32_t)draw(200, 220), strides[draw_bits() % 6],
                        anywhere ? spaces[draw_bits() % 5] : AGI_SLOTS};
}

static void check_shapes(void)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64};
    for (const gate *g = gates; g < gates + GATES; g++) {
        const bool is_slow = strcmp(g->name, "polygamma") == 0;
        fill_with_samples(g, 0);
        for (size_t l = 0; l < 3; l++)
            for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
                for (int repeat = 0; repeat < (is_slow ? 1 : 6); repeat++) {
                    const agi_vector x[] = {draw_vector(repeat > 0), draw_vector(repeat > 1),
                                            draw_vector(repeat > 2)};
                    if (!is_slow || get_lanes(l) * counts[i] < 300)
                        check_gate(g, get_lanes(l), counts[i], x);
                }
    }
}

static void test_gates_in_every_shape(void **state)
{
    (void)state;
    for_all_kernels(check_shapes);
}

/* Longer than what is brought side by side at a time. */
static void check_long_runs(void)
{
    static const int32_t strides[] = {1, 2, -2, 0};
    const gate *g = gates;
    while (strcmp(g->name, "sub") != 0)
        g++;
    fill_with_samples(g, 0);
    for (size_t i = 0; i < 16; i++) {
        const agi_vector x[] = {{310, strides[i / 4], AGI_SLOTS},
                                {310, strides[i % 4], AGI_SHARED}};
        check_gate(g, 1, 150, x);
        check_gate(g, 1, 128, x);
    }
}

static void test_long_runs(void **state)
{
    (void)state;
    for_all_kernels(check_long_runs);
}

/* The result over an operand, and over both of them. */
static void check_results_over_operands(void)
{
    static const uint32_t counts[] = {1, 3, 17, 64};
    for (const gate *g = gates; g < gates + GATES; g++) {
        if (strcmp(g->name, "polygamma") == 0)
            continue;
        for (size_t l = 0; l < 3; l++)
            for (size_t i = 0; i < 4; i++) {
                fill_with_samples(g, 0);
                const agi_vector over = {OUT, 1, AGI_SLOTS};
                const agi_vector x[] = {over, i % 2 == 0 ? over : draw_vector(true), over};
                check_gate(g, get_lanes(l), counts[i], x);
            }
    }
}

static void test_results_over_operands(void **state)
{
    (void)state;
    for_all_kernels(check_results_over_operands);
}

static void check_copies(void)
{
    for (size_t l = 0; l < 3; l++)
        for (uint32_t n = 1; n < 20; n++) {
            const size_t lanes = get_lanes(l);
            for (size_t i = 0; i < 40; i++)
                for (size_t lane = 0; lane < lanes; lane++)
                    set_number(memory.slots, kernels->size, i * lanes + lane,
                               draw_any(kernels->size));
            const agi_vector x = {n == 7 ? 20 : 0, n == 7 ? -1 : 1, AGI_SLOTS};
            run((agi_instruction){.op = AGI_DETACH, .n = n, .x = {x}}, lanes);
            for (size_t i = 0; i < n * lanes; i++)
                assert_true(is_same(get_result(lanes, i / lanes, i % lanes),
                                    get_element(x, lanes, (int64_t)(i / lanes), i % lanes)));
        }
}

static void test_copies(void **state)
{
    (void)state;
    for_all_kernels(check_copies);
}

/* ---- Sums of products ------------------------------------------------------------------------ */

static agi_factors factors[MOST_TERMS];

/* Zeros beside infinities are what chains are about. */
static void fill_with_products(void)
{
    const size_t size = kernels->size;
    for (size_t i = 0; i < SLOTS; i++) {
        set_number(memory.uniform, size, i, draw(-2, 2));
        set_number(memory.constants, size, i, draw_bits() % 4 == 0 ? 0 : draw(-2, 2));
        set_number(memory.shared, size, i, draw_bits() % 8 == 0 ? (double)INFINITY : draw(-2, 2));
        for (size_t lane = 0; lane < MOST_LANES; lane++)
            set_number(memory.slots, size, i * MOST_LANES + lane,
                       draw_bits() % 4 == 0    ? 0
                       : draw_bits() % 40 == 0 ? -(double)INFINITY
                                               : draw(-2, 2));
    }
}

static agi_vector draw_factor(void)
{
    static const uint8_t spaces[] = {AGI_NOWHERE, AGI_SLOTS,     AGI_SLOTS,
                                     AGI_UNIFORM, AGI_CONSTANTS, AGI_SHARED};
    const uint8_t space = spaces[draw_bits() % 6];
    return space == AGI_NOWHERE
               ? (agi_vector){0, 0, AGI_NOWHERE}
               : (agi_vector){(uint32_t)draw(300, 340), (int32_t)(draw_bits() % 4) - 1, space};
}

static agi_factors draw_factors(void)
{
    static const uint32_t repeats[] = {1, 1, 1, 2, 5, 33, 80};
    agi_factors f = {draw_bits() % 2 == 0 ? 1 : draw(-2, 2),
                     draw_factor(),
                     draw_factor(),
                     (int32_t)(draw_bits() % 4) - 1,
                     (int32_t)(draw_bits() % 4) - 1,
                     repeats[draw_bits() % 7],
                     draw_bits() % 2 == 0};
    f.p_step = f.p.space == AGI_NOWHERE ? 0 : f.p_step;
    f.q_step = f.q.space == AGI_NOWHERE ? 0 : f.q_step;
    return f;
}

/* One result; *size is what the sum of all sizes of terms is. */
static double sum_plainly(uint32_t terms, size_t lanes, size_t i, size_t lane, double *size)
{
    double sum = 0;
    *size = 0;
    for (const agi_factors *f = factors; f < factors + terms; f++)
        for (uint32_t r = 0; r < f->repeat; r++) {
            agi_vector p = f->p, q = f->q;
            p.at += r * (uint32_t)f->p_step;
            q.at += r * (uint32_t)f->q_step;
            const double a = get_element(p, lanes, (int64_t)i, lane);
            const double b = get_element(q, lanes, (int64_t)i, lane);
            const double product = f->chain && a == 0 ? 0 : f->factor * a * b;
            sum += product;
            *size += fabs(product);
        }
    return sum;
}

static void check_products(size_t lanes, uint32_t n, uint32_t terms)
{
    static double expected[64 * MOST_LANES], size[64 * MOST_LANES];
    for (size_t i = 0; i < n * lanes; i++)
        expected[i] = sum_plainly(terms, lanes, i / lanes, i % lanes, &size[i]);
    uint32_t products = 0;
    for (uint32_t t = 0; t < terms; t++)
        products += factors[t].repeat;
    run((agi_instruction){.op = AGI_OP_PRODUCTS, .n = n, .terms = terms}, lanes);
    for (size_t i = 0; i < n * lanes; i++) {
        const double actual = get_result(lanes, i / lanes, i % lanes);
        const double tolerance = (products + 4) * epsilon(kernels->size) * size[i];
        if (isfinite(expected[i]) ? fabs(actual - expected[i]) <= tolerance
                                  : is_same(actual, expected[i]))
            continue;
        print_error("%s, %d bits, %u terms, element %zu of %u, lane %zu of %zu: %.17g, not %.17g\n",
                    ag_isa_name(kernels->isa), (int)kernels->size * 8, terms, i / lanes, n,
                    i % lanes, lanes, actual, expected[i]);
        fail();
    }
}

static void check_drawn_products(size_t lanes, uint32_t n, uint32_t terms)
{
    for (uint32_t t = 0; t < terms; t++)
        factors[t] = draw_factors();
    check_products(lanes, n, terms);
    for (uint32_t t = 0; t < terms; t++) {
        factors[t].repeat = 1;
        factors[t].p.stride = factors[t].p.space == AGI_SLOTS;
        factors[t].q.stride = factors[t].q.space == AGI_SLOTS;
    }
    check_products(lanes, n, terms);
}

static void check_sums_of_products(void)
{
    static const uint32_t counts[] = {1, 1, 2, 3, 5, 8, 17, 33, 64};
    records.factors = factors;
    for (size_t l = 0; l < 3; l++) {
        fill_with_products();
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
            for (uint32_t terms = 1; terms < 12; terms += 1 + terms / 4)
                check_drawn_products(get_lanes(l), counts[i], terms);
        for (size_t i = 0; i < 300; i++)
            check_drawn_products(get_lanes(l), 1, 1);
    }
}

static void test_sums_of_products(void **state)
{
    (void)state;
    for_all_kernels(check_sums_of_products);
}

/* Chains over a single element's terms, short and long: q is infinite wherever p is 0. */
static void check_long_chains(void)
{
    static const int32_t steps[][2] = {{1, 1}, {1, 2}, {-1, 1}, {2, -1}};
    static const double scales[] = {1, -1, -2};
    records.factors = factors;
    for (size_t i = 0; i < 4; i++)
        for (uint32_t repeat = 1; repeat < 150; repeat++) {
            const agi_vector p = {300, steps[i][0], AGI_SLOTS}, q = {500, steps[i][1], AGI_SHARED};
            for (int64_t r = 0; r < repeat; r++) {
                const bool is_zero = draw_bits() % 3 == 0;
                set_element(p, 1, r, 0, is_zero ? 0 : draw(-1, 1));
                set_element(q, 1, r, 0, is_zero ? (double)INFINITY : draw(-1, 1));
            }
            for (size_t k = 0; k < 3; k++) {
                factors[0] = (agi_factors){scales[k], p, q, p.stride, q.stride, repeat, true};
                check_products(1, 1, 1);
            }
        }
}

static void test_long_chains(void **state)
{
    (void)state;
    for_all_kernels(check_long_chains);
}

/* The sum of nothing is 0, not -0. */
static void check_no_terms(void)
{
    for (size_t l = 0; l < 3; l++)
        for (uint32_t n = 1; n < 40; n += 13) {
            const size_t lanes = get_lanes(l);
            run((agi_instruction){.op = AGI_OP_PRODUCTS, .n = n}, lanes);
            for (size_t i = 0; i < n; i++)
                assert_same(get_result(lanes, i, lanes - 1), 0);
        }
}

static void test_no_terms(void **state)
{
    (void)state;
    for_all_kernels(check_no_terms);
}

/* out[i] = out[i] + ... */
static void check_added_products(void)
{
    records.factors = factors;
    fill_with_products();
    for (size_t l = 0; l < 3; l++)
        for (uint32_t n = 1; n < 40; n += 6) {
            factors[0] = (agi_factors){1, {OUT, n > 1, AGI_SLOTS}, {0}, 0, 0, 1, false};
            factors[1] =
                (agi_factors){-1, {300, 1, AGI_SLOTS}, {350, 0, AGI_UNIFORM}, 0, 0, 1, true};
            factors[2] =
                (agi_factors){3, {300, 1, AGI_UNIFORM}, {300, 1, AGI_SLOTS}, 0, 0, 1, true};
            check_products(get_lanes(l), n, 3);
        }
}

static void test_products_added_to_a_result(void **state)
{
    (void)state;
    for_all_kernels(check_added_products);
}

/* ---- Folds ----------------------------------------------------------------------------------- */

typedef struct folding {
    const char *name;
    uint8_t op;
    double (*twin)(size_t n, const double *x, const double *w, double offset);
} folding;

#define AG_NARY(name, ...) {#name, AGI_##name, fold_##name},
static const folding foldings[] = {
#include <wengert/gates.def>
};

static uint32_t lists[2 * MOST_TERMS];
static double numbers[MOST_TERMS + 1];
static agi_fold fold;

static agi_elements draw_elements(uint32_t n, uint32_t *list)
{
    static const uint8_t spaces[] = {AGI_SLOTS, AGI_SLOTS, AGI_UNIFORM, AGI_SHARED};
    const uint8_t space = spaces[draw_bits() % 4];
    if (draw_bits() % 2 == 0)
        return (agi_elements){{310, (int32_t)(draw_bits() % 3) - 1, space}, n, AGI_NO_INDEX};
    for (uint32_t i = 0; i < n; i++)
        list[i] = (uint32_t)draw(0, 600);
    return (agi_elements){{0, 0, space}, n, (uint32_t)(list - lists)};
}

static double get_term(const agi_elements *e, size_t lanes, size_t k, size_t lane)
{
    if (e->list == AGI_NO_INDEX)
        return get_element(e->vector, lanes, (int64_t)k, lane);
    return get_element((agi_vector){lists[e->list + k], 0, e->vector.space}, lanes, 0, lane);
}

static void check_fold(const folding *g, size_t lanes)
{
    run((agi_instruction){.op = g->op, .n = 1, .more = 0}, lanes);
    const uint32_t n = fold.x.n;
    for (size_t lane = 0; lane < lanes; lane++) {
        double x[MOST_TERMS], w[MOST_TERMS] = {0}, size = 1;
        for (size_t k = 0; k < n; k++) {
            x[k] = get_term(&fold.x, lanes, k, lane);
            w[k] = agi_gate_forms[g->op] == AGI_FORM_NUMBERS  ? numbers[k + 1]
                   : agi_gate_forms[g->op] == AGI_FORM_VALUES ? get_term(&fold.w, lanes, k, lane)
                                                              : 1;
            size += isfinite(x[k]) ? fabs(x[k] * w[k]) : 0;
        }
        const double actual = get_result(lanes, 0, lane);
        const double expected = g->twin(n, x, w, numbers[0]);
        const double tolerance = g->op == AGI_max_of ? 0 : (n + 8) * epsilon(kernels->size) * size;
        if (isfinite(expected) && tolerance > 0 ? fabs(actual - expected) <= tolerance
                                                : is_same(actual, expected))
            continue;
        print_error("%s, %d bits, %s of %u terms, lane %zu of %zu: %.17g, not %.17g\n",
                    ag_isa_name(kernels->isa), (int)kernels->size * 8, g->name, n, lane, lanes,
                    actual, expected);
        fail();
    }
}

static void fill_with_terms(int kind)
{
    const size_t size = kernels->size;
    for (size_t i = 0; i < SLOTS * MOST_LANES; i++) {
        double x = draw(-4, 4);
        if (kind == 1)
            x = floor(x); /* ties */
        if (kind == 2)
            x = draw_bits() % 4 == 0 ? -(double)INFINITY : 100 * x;
        if (kind == 3 && draw_bits() % 40 == 0)
            x = draw_bits() % 2 == 0 ? (double)NAN : (double)INFINITY;
        if (kind == 4)
            x = draw_bits() % 2 == 0 ? -1 : draw_bits() % 2 == 0 ? -0.0 : 0.0;
        set_number(memory.slots, size, i, x);
        if (i < SLOTS) {
            set_number(memory.uniform, size, i, x);
            set_number(memory.shared, size, i, -x);
        }
    }
}

static void check_folds(void)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 100, 300};
    records.folds = &fold;
    records.lists = lists;
    records.numbers = numbers;
    for (size_t i = 0; i < MOST_TERMS + 1; i++)
        numbers[i] = (double)(float)draw(-2, 2);
    for (int kind = 0; kind < 5; kind++) {
        fill_with_terms(kind);
        for (const folding *g = foldings; g < foldings + sizeof(foldings) / sizeof(*g); g++)
            for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
                for (size_t l = 0; l < 12; l++) {
                    fold.x = draw_elements(counts[i], lists);
                    fold.w = draw_elements(counts[i], lists + MOST_TERMS);
                    check_fold(g, get_lanes(l % 3));
                }
    }
}

static void test_folds(void **state)
{
    (void)state;
    for_all_kernels(check_folds);
}

/* ---- Closures -------------------------------------------------------------------------------- */

static int calls;

static ag_real subtract_scaled(void *context, size_t arity, const ag_real *x)
{
    assert_int_equal(arity, 3);
    calls++;
    return *(const ag_real *)context * x[0] - x[1] * x[2];
}

static void check_closures(void)
{
    static const size_t counts[] = {1, 3, 64};
    ag_real two = 2;
    ag_closure closures[2] = {
        {0}, {.name = "closure", .arity = 3, .forward = subtract_scaled, .context = &two}};
    const agi_fold folds[] = {{.x = {{100, 1, AGI_SLOTS}, 3, AGI_NO_INDEX}, .numbers = 1},
                              {.x = {{0, 0, AGI_SLOTS}, 3, 0}, .numbers = 1},
                              {.x = {{100, 0, AGI_UNIFORM}, 3, AGI_NO_INDEX}, .numbers = 1}};
    records.closures = closures;
    records.folds = (agi_fold *)folds;
    records.lists = lists;
    for (size_t k = 0; k < 3; k++)
        lists[k] = (uint32_t)(120 - 7 * k);
    fill_with_terms(0);
    for (uint32_t f = 0; f < 3; f++)
        for (size_t l = 0; l < 3; l++) {
            const size_t lanes = get_lanes(l);
            const size_t count = counts[l] < lanes ? counts[l] : lanes - 1 + (lanes == 1);
            agi_instruction instruction = {.op = AGI_CLOSURE, .n = 1, .out = OUT, .more = f};
            agi_frame frame = make_frame(lanes, count);
            calls = 0;
            execute(&instruction, 1, &frame);
            assert_int_equal(calls, count);
            for (size_t lane = 0; lane < lanes; lane++) {
                const size_t sample = lane < count ? lane : count - 1; /* the others are padding */
                double x[3];
                for (size_t k = 0; k < 3; k++)
                    x[k] = get_term(&folds[f].x, lanes, k, sample);
                assert_close(get_result(lanes, 0, lane), 2 * x[0] - x[1] * x[2],
                             8 * (double)FLT_EPSILON);
            }
        }
}

static void test_closures(void **state)
{
    (void)state;
    for_all_kernels(check_closures);
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

#define AG_COMPARE(name, ...) {#name, AGI_##name, 2, double_##name, NULL, NULL, 0},
static const gate comparisons[] = {
#include <wengert/gates.def>
};

enum {
    COMPARISONS = sizeof(comparisons) / sizeof(*comparisons)
};

static char texts[] = "first\0second\0third";

/* Failures of instructions over n elements, from their operands: the lowest lane, and in it the
 * first instruction. */
static void expect_failure(const agi_instruction *instructions, size_t m, size_t lanes,
                           agi_frame *frame)
{
    for (size_t lane = 0; lane < frame->count; lane++)
        for (const agi_instruction *at = instructions; at < instructions + m; at++)
            for (int64_t i = 0; i < at->n; i++) {
                const double in[] = {get_element(at->x[0], lanes, i, lane),
                                     get_element(at->x[1], lanes, i, lane)};
                const gate *g = comparisons;
                while (g->op != at->op)
                    g++;
                if ((g->of_double(in) != 0) == at->outcome)
                    continue;
                frame->failed_lane = lane;
                frame->failed_text = texts + at->more;
                frame->failed_outcome = at->outcome;
                memcpy(frame->failed_operands, in, sizeof(in));
                return;
            }
}

static void check_comparison(agi_instruction *instructions, uint32_t m, size_t lanes, size_t count)
{
    agi_frame frame = make_frame(lanes, count), expected = frame;
    expect_failure(instructions, m, lanes, &expected);
    execute(instructions, m, &frame);
    assert_int_equal(frame.failed_lane, expected.failed_lane);
    assert_ptr_equal(frame.failed_text, expected.failed_text);
    if (expected.failed_lane == SIZE_MAX)
        return;
    assert_int_equal(frame.failed_outcome, expected.failed_outcome);
    for (size_t i = 0; i < 2; i++)
        assert_true(is_same(frame.failed_operands[i], expected.failed_operands[i]));
}

/* Values are few, so that most comparisons hold in most lanes; what only pads is wild. */
static void fill_with_compared(size_t lanes, size_t count, size_t odds)
{
    for (size_t i = 0; i < SLOTS / 2; i++)
        for (size_t lane = 0; lane < lanes; lane++) {
            double x = lane >= count || draw_bits() % odds == 0 ? draw(-9, 9) : (double)(i % 2);
            x = draw_bits() % (8 * odds) == 0 ? (double)NAN : x;
            set_number(memory.slots, kernels->size, i * lanes + lane, x);
            if (lane == 0)
                set_number(memory.uniform, kernels->size, i, x);
        }
}

static void check_comparisons(void)
{
    static const uint32_t lengths[] = {1, 1, 2, 7, 150};
    records.texts = texts;
    size_t failures = 0, passes = 0;
    for (size_t round = 0; round < 900; round++) {
        const size_t lanes = get_lanes(round % 3);
        const size_t count = lanes == 1 ? 1 : 1 + (size_t)(draw_bits() % lanes);
        if (round % 10 < 3)
            fill_with_compared(lanes, count, round % 2 == 0 ? 1 << 20 : 400);
        agi_instruction instructions[3];
        const uint32_t m = 1 + (uint32_t)(draw_bits() % 3);
        for (uint32_t i = 0; i < m; i++) {
            const gate *g = &comparisons[draw_bits() % COMPARISONS];
            const uint32_t at = 2 * (uint32_t)(draw_bits() % 100);
            const double zero_one[] = {0, 1};
            instructions[i] = (agi_instruction){
                .op = g->op,
                .n = lengths[draw_bits() % 5],
                .outcome = g->of_double(zero_one) != 0,
                .x = {{at, 2, AGI_SLOTS}, {at + 1, 2, i % 2 == 0 ? AGI_SLOTS : AGI_UNIFORM}},
                .more = 6 * i,
            };
        }
        check_comparison(instructions, m, lanes, count);
        agi_frame frame = make_frame(lanes, count);
        execute(instructions, m, &frame);
        *(frame.failed_lane == SIZE_MAX ? &passes : &failures) += 1;
    }
    assert_true(failures > 50 && passes > 50);
}

static void test_comparisons(void **state)
{
    (void)state;
    for_all_kernels(check_comparisons);
}

/* A failure that is there already stays, unless the new one is in a lower lane. */
static void check_earlier_failures(void)
{
    const size_t lanes = MOST_LANES;
    fill_with_compared(lanes, lanes, 1 << 20);
    set_element((agi_vector){0, 0, AGI_SLOTS}, lanes, 0, 5, 3);
    agi_instruction gt = {
        .op = AGI_gt, .n = 1, .outcome = false, .x = {{0, 0, AGI_SLOTS}, {1, 0, AGI_SLOTS}}};
    static const size_t before[] = {4, 5, 6, SIZE_MAX};
    records.texts = texts;
    for (size_t i = 0; i < 4; i++) {
        agi_frame frame = make_frame(lanes, lanes);
        frame.failed_lane = before[i];
        frame.failed_text = "before";
        execute(&gt, 1, &frame);
        assert_int_equal(frame.failed_lane, before[i] < 5 ? before[i] : 5);
        assert_string_equal(frame.failed_text, before[i] <= 5 ? "before" : "first");
    }
}

static void test_earlier_failures_stay(void **state)
{
    (void)state;
    for_all_kernels(check_earlier_failures);
}

/* ---- One after the other --------------------------------------------------------------------- */

/* Instructions that need each other's results. */
static void check_sequence(void)
{
    agi_instruction list[] = {
        {.op = AGI_add, .n = 1, .out = 10, .x = {{0, 0, AGI_SLOTS}, {1, 0, AGI_SHARED}}},
        {.op = AGI_OP_PRODUCTS, .n = 1, .out = 11, .more = 0, .terms = 2},
        {.op = AGI_square, .n = 2, .out = 12, .x = {{10, 1, AGI_SLOTS}}},
        {.op = AGI_sum, .n = 1, .out = 14, .more = 0},
        {.op = AGI_gt, .n = 1, .outcome = true, .x = {{14, 0, AGI_SLOTS}, {13, 0, AGI_SLOTS}}},
        {.op = AGI_select,
         .n = 1,
         .out = OUT,
         .x = {{2, 0, AGI_CONSTANTS}, {14, 0, AGI_SLOTS}, {1, 0, AGI_SHARED}}},
    };
    fold = (agi_fold){.x = {{10, 1, AGI_SLOTS}, 4, AGI_NO_INDEX}};
    factors[0] = (agi_factors){2, {10, 0, AGI_SLOTS}, {10, 0, AGI_SLOTS}, 0, 0, 1, false};
    factors[1] = (agi_factors){-3, {3, 0, AGI_UNIFORM}, {0}, 0, 0, 1, false};
    records.folds = &fold;
    records.factors = factors;
    set_number(memory.shared, kernels->size, 1, 0.5);
    set_number(memory.constants, kernels->size, 2, 1);
    set_number(memory.uniform, kernels->size, 3, 0.25);
    for (size_t l = 0; l < 3; l++) {
        const size_t lanes = get_lanes(l);
        for (size_t lane = 0; lane < lanes; lane++)
            set_element((agi_vector){0, 0, AGI_SLOTS}, lanes, 0, lane, (double)lane);
        agi_frame frame = make_frame(lanes, lanes);
        execute(list, sizeof(list) / sizeof(*list), &frame);
        for (size_t lane = 0; lane < lanes; lane++) {
            const double a = (double)lane + 0.5, b = 2 * a * a - 0.75;
            assert_close(get_result(lanes, 0, lane), a + b + a * a + b * b,
                         8 * epsilon(kernels->size));
        }
        assert_int_equal(frame.failed_lane, SIZE_MAX);
    }
}

static void test_instructions_in_a_row(void **state)
{
    (void)state;
    for_all_kernels(check_sequence);
}

/* ---- Choosing kernels ------------------------------------------------------------------------ */

static void test_dispatch(void **state)
{
    (void)state;
    static const char *const names[] = {"auto", "baseline", "avx2", "avx512", "neon"};
    static const ag_isa isas[] = {AG_ISA_AUTO, AG_ISA_BASELINE, AG_ISA_AVX2, AG_ISA_AVX512,
                                  AG_ISA_NEON};
    const char *math = ag_vector_math();
    assert_true(strcmp(math, "sleef") == 0 || strcmp(math, "libmvec") == 0 ||
                strcmp(math, "libm") == 0);
    assert_true(ag_isa_available(AG_ISA_AUTO));
    assert_true(ag_isa_available(AG_ISA_BASELINE));
    assert_false(ag_isa_available((ag_isa)99));
    assert_string_equal(ag_isa_name((ag_isa)99), "unknown");
    assert_null(agi_find_kernels(AG_ISA_BASELINE, 2));
    unsetenv("WENGERT_ISA");
    const ag_isa best = agi_choose_isa(AG_ISA_AUTO);
    assert_int_equal(best, agi_find_kernels(AG_ISA_AUTO, sizeof(double))->isa);
    for (size_t i = 0; i < 5; i++) {
        const ag_isa isa = isas[i], found = ag_isa_available(isa) ? isa : AG_ISA_AUTO;
        assert_string_equal(ag_isa_name(isa), names[i]);
        assert_int_equal(agi_choose_isa(isa), isa == AG_ISA_AUTO ? best : found);
        assert_int_equal(agi_find_kernels(isa, sizeof(float)) != NULL, ag_isa_available(isa));
        assert_int_equal(setenv("WENGERT_ISA", names[i], 1), 0);
        assert_int_equal(agi_choose_isa(AG_ISA_AUTO), isa == AG_ISA_AUTO ? best : found);
        assert_int_equal(agi_choose_isa(AG_ISA_BASELINE), AG_ISA_BASELINE);
    }
    assert_int_equal(setenv("WENGERT_ISA", "mmx", 1), 0);
    assert_int_equal(agi_choose_isa(AG_ISA_AUTO), AG_ISA_AUTO);
    assert_int_equal(setenv("WENGERT_ISA", "", 1), 0);
    assert_int_equal(agi_choose_isa(AG_ISA_AUTO), best);
    unsetenv("WENGERT_ISA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates_over_the_number_line),
        cmocka_unit_test(test_gates_in_every_shape),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_results_over_operands),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_sums_of_products),
        cmocka_unit_test(test_long_chains),
        cmocka_unit_test(test_no_terms),
        cmocka_unit_test(test_products_added_to_a_result),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_closures),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_earlier_failures_stay),
        cmocka_unit_test(test_instructions_in_a_row),
        cmocka_unit_test(test_dispatch),
    };
    const int failed = cmocka_run_group_tests_name("instructions as they are", tests, NULL, NULL);
    in_steps = true;
    return failed + cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
