/* SPDX-License-Identifier: MIT
 *
 * Gates of the table over lanes and elements: for each a loop over vectors, made of the table's own
 * expressions, and one way to bring operands into its shape. Gates over any number of operands are
 * in kernel_terms.c.
 */
#include "kernel_grid.h"
#include "kernel_math.h"

/* ---- Loops ----------------------------------------------------------------------------------- */

/* Where a loop finds an operand: one vector after the other, or the same again and again. */
typedef struct stream {
    const num *at;
    size_t step; /* WIDTH or 0 */
} stream;

/* n numbers. Operands are read before the result is written, vector by vector: out may be an
 * operand itself. */
typedef void gate_loop(size_t n, num *out, stream p, stream q, stream r);

static inline vec take(stream *s)
{
    const vec v = load(s->at);
    s->at += s->step;
    return v;
}

#define LOOP(name, arity)                                                                          \
    static void loop_##name(size_t n, num *out, stream p, stream q, stream r)                      \
    {                                                                                              \
        (void)q, (void)r;                                                                          \
        for (; n >= WIDTH; n -= WIDTH, out += WIDTH)                                               \
            store(out, value_##name(TAKE_##arity));                                                \
        if (n > 0)                                                                                 \
            store_part(out, value_##name(TAKE_PART_##arity), n);                                   \
    }
#define TAKE_1 take(&p)
#define TAKE_2 TAKE_1, take(&q)
#define TAKE_3 TAKE_2, take(&r)
#define TAKE_PART_1 load_part(p.at, n)
#define TAKE_PART_2 TAKE_PART_1, load_part(q.at, n)
#define TAKE_PART_3 TAKE_PART_2, load_part(r.at, n)

#define AG_UNARY(name, value, ...)                                                                 \
    static inline vec value_##name(vec x)                                                          \
    {                                                                                              \
        return (value);                                                                            \
    }                                                                                              \
    LOOP(name, 1)
#define AG_BINARY(name, value, ...)                                                                \
    static inline vec value_##name(vec a, vec b)                                                   \
    {                                                                                              \
        return (value);                                                                            \
    }                                                                                              \
    LOOP(name, 2)
#define AG_TERNARY(name, value, ...)                                                               \
    static inline vec value_##name(vec c, vec a, vec b)                                            \
    {                                                                                              \
        return (value);                                                                            \
    }                                                                                              \
    LOOP(name, 3)
/* 1 or 0 */
#define AG_COMPARE(name, value, ...)                                                               \
    static inline vec value_##name(vec a, vec b)                                                   \
    {                                                                                              \
        return IF(value, NUM(1), NUM(0));                                                          \
    }                                                                                              \
    LOOP(name, 2)
#include <wengert/gates.def>

static inline vec value_detach(vec x)
{
    return x;
}
LOOP(detach, 1)

typedef struct gate_kernel {
    gate_loop *loop;
    size_t arity;
} gate_kernel;

/* Nothing for what is not a gate of at most three operands. (In the order of agi_gate, without gaps:
 * C++ takes no other.) */
static const gate_kernel kernels[AGI_GATE_COUNT] = {
    [AGI_VARIABLE] = {NULL, 0}, [AGI_CONSTANT] = {NULL, 0}, [AGI_DETACH] = {loop_detach, 1},
    [AGI_CLOSURE] = {NULL, 0},  [AGI_SCAN] = {NULL, 0},     [AGI_PROJECT] = {NULL, 0},
#define AG_UNARY(name, ...) [AGI_##name] = {loop_##name, 1},
#define AG_BINARY(name, ...) [AGI_##name] = {loop_##name, 2},
#define AG_TERNARY(name, ...) [AGI_##name] = {loop_##name, 3},
#define AG_NARY(name, ...) [AGI_##name] = {NULL, 0},
#define AG_COMPARE(name, ...) [AGI_##name] = {loop_##name, 2},
#include <wengert/gates.def>
};

/* ---- Operands into streams ------------------------------------------------------------------- */

enum {
    CHUNK = 128 /* numbers brought side by side at a time */
};

/* The same number for all lanes and elements. */
static inline stream repeat(const num *at, num *beside)
{
    store(beside, splat(*at));
    return (stream){beside, 0};
}

/* n <= CHUNK numbers, `step` apart. */
static inline stream bring_together(const num *at, ptrdiff_t step, size_t n, num *beside)
{
    for (size_t i = 0; i < n; i += WIDTH)
        store(beside + i, collect(at + (ptrdiff_t)i * step, step, n - i));
    return (stream){beside, WIDTH};
}

/* Whether an operand can be read in one go, for all elements and lanes. */
static inline bool open_whole(stream *s, num *beside, const agi_frame *frame, agi_vector v,
                              uint32_t n)
{
    const num *at = locate(frame, v);
    const bool in_lanes = v.space == AGI_SLOTS && frame->lanes > 1;
    const int32_t stride = n == 1 ? in_lanes : v.stride;
    if (stride == 1 && (in_lanes || frame->lanes == 1))
        *s = (stream){at, WIDTH};
    else if (stride == 0 && !in_lanes)
        *s = repeat(at, beside);
    else if (frame->lanes == 1 && n <= CHUNK)
        *s = bring_together(at, stride, n, beside);
    else
        return false;
    return true;
}

/* n <= CHUNK numbers of one row. */
static inline stream open_part(num *beside, source from, size_t row, size_t column, size_t n)
{
    const num *at = find_place(from, row, column);
    return from.column == 1   ? (stream){at, WIDTH}
           : from.column == 0 ? repeat(at, beside)
                              : bring_together(at, from.column, n, beside);
}

/* Row by row, and a row chunk by chunk. */
static void run_parts(const gate_kernel *kernel, const agi_instruction *instruction,
                      const agi_frame *frame, num *out)
{
    const grid shape = make_grid(frame, instruction->n);
    const spaces all = find_spaces(frame);
    num beside[3][CHUNK];
    source from[3];
    stream s[3] = {{0}};
    for (size_t i = 0; i < kernel->arity; i++)
        from[i] = find_source(&all, instruction->x[i]);
    for (size_t row = 0; row < shape.rows; row++)
        for (size_t column = 0; column < shape.columns; column += CHUNK) {
            const size_t n = agi_smaller(shape.columns - column, CHUNK);
            for (size_t i = 0; i < kernel->arity; i++)
                s[i] = open_part(beside[i], from[i], row, column, n);
            kernel->loop(n, out, s[0], s[1], s[2]);
            out += n;
        }
}

/* A call, which alone has the room for operands that have to be brought together. */
static __attribute__((noinline)) void run_any(const gate_kernel *kernel,
                                              const agi_instruction *instruction,
                                              const agi_frame *frame, num *out)
{
    num beside[3][CHUNK];
    stream s[3] = {{0}};
    bool in_one_go = true;
    for (size_t i = 0; i < kernel->arity; i++)
        in_one_go =
            in_one_go && open_whole(&s[i], beside[i], frame, instruction->x[i], instruction->n);
    if (in_one_go)
        kernel->loop(instruction->n * frame->lanes, out, s[0], s[1], s[2]);
    else
        run_parts(kernel, instruction, frame, out);
}

/* With lanes: an operand that is read in one go, which most are. */
static AGI_INLINE bool open_lanes(stream *s, num *beside, const agi_frame *frame,
                                  const agi_vector *v, uint32_t n)
{
    const int32_t stride = v->stride;
    if (v->space == AGI_SLOTS) {
        *s = (stream){(const num *)frame->slots + v->at * frame->lanes, WIDTH};
        return n == 1 || stride == 1;
    }
    *s = repeat(locate(frame, *v), beside);
    return n == 1 || stride == 0;
}

static void run_gate(const agi_instruction *instruction, agi_frame *frame)
{
    const gate_kernel *kernel = &kernels[instruction->op];
    const uint32_t n = instruction->n;
    const agi_vector *x = instruction->x;
    num *out = (num *)frame->slots + (size_t)instruction->out * frame->lanes;
    num beside[3][WIDTH];
    stream p = {0}, q = {0}, r = {0};
    if (frame->lanes > 1 && open_lanes(&p, beside[0], frame, &x[0], n) &&
        (kernel->arity < 2 || open_lanes(&q, beside[1], frame, &x[1], n)) &&
        (kernel->arity < 3 || open_lanes(&r, beside[2], frame, &x[2], n)))
        kernel->loop(n * frame->lanes, out, p, q, r);
    else
        run_any(kernel, instruction, frame, out);
}

/* ---- Streaks --------------------------------------------------------------------------------- */

/* An operand of all results of a streak: from one result to the next it goes on by `step` numbers. */
typedef struct pace {
    const num *at;
    ptrdiff_t step;
    bool in_lanes;
} pace;

static pace find_pace(const agi_frame *frame, const agi_vector *first, const agi_vector *second)
{
    const ptrdiff_t elements = (ptrdiff_t)second->at - (ptrdiff_t)first->at;
    const bool in_lanes = first->space == AGI_SLOTS;
    return (pace){locate(frame, *first), in_lanes ? elements * (ptrdiff_t)frame->lanes : elements,
                  in_lanes};
}

enum {
    TOGETHER = 4 /* vectors of a result, which don't wait for each other */
};

/* Sums of a streak's results on the way, times numbers; NULL: none. */
typedef struct way {
    const num *numbers;
    ptrdiff_t step;
    num *sums;
} way;

typedef vec gate_value(vec carried, vec other);

/* So many vectors of all results from a lane on: each one is in registers for the one after it. The
 * other operand, if it stays the same, too: it is read before anything is written, and has its slot
 * to itself as long as there are results that need it. What is stored waits for what is computed:
 * processors that give instructions to pipes in turns otherwise put all arithmetic into one. */
static AGI_INLINE void carry(size_t results, const num *carried, pace other, num *out,
                             ptrdiff_t out_step, way sum, const size_t vectors, const bool moves,
                             const bool adds, gate_value *value)
{
    vec x[TOGETHER], y[TOGETHER], total[TOGETHER];
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
        x[v] = load(carried + v * WIDTH);
        y[v] = other.in_lanes ? load(other.at + v * WIDTH) : splat(*other.at);
        total[v] = splat((num)-0.0);
    }
    for (; results > 0; results--, out += out_step) {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            x[v] = value(x[v], y[v]);
        if (adds) {
            const vec number = splat(*sum.numbers);
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                total[v] += number * x[v];
            sum.numbers += sum.step;
            __asm__ volatile("" ::: "memory");
        }
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            store(out + v * WIDTH, x[v]);
        if (moves && results > 1) {
            other.at += other.step;
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                y[v] = other.in_lanes ? load(other.at + v * WIDTH) : splat(*other.at);
        }
    }
    if (adds) {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            store(sum.sums + v * WIDTH, total[v]);
    }
}

static AGI_INLINE void carry_all(size_t results, const agi_frame *frame, const num *carried,
                                 pace other, num *out, ptrdiff_t out_step, way sum, const bool adds,
                                 gate_value *value)
{
    for (size_t lane = 0, vectors; lane < frame->lanes; lane += vectors * WIDTH) {
        const bool many = lane + TOGETHER * WIDTH <= frame->lanes;
        vectors = many ? TOGETHER : 1;
        if (many && other.step == 0)
            carry(results, carried, other, out, out_step, sum, TOGETHER, false, adds, value);
        else if (many)
            carry(results, carried, other, out, out_step, sum, TOGETHER, true, adds, value);
        else
            carry(results, carried, other, out, out_step, sum, 1, true, adds, value);
        carried += vectors * WIDTH;
        other.at += other.in_lanes ? vectors * WIDTH : 0;
        out += vectors * WIDTH;
        if (adds)
            sum.sums += vectors * WIDTH;
    }
}

/* Products, and in the same loop a sum of them: the PRODUCTS behind them begins with that. */
static void carry_sum(const agi_instruction *first, agi_frame *frame, const num *carried,
                      pace other, num *out, ptrdiff_t out_step)
{
    const agi_instruction *products = first + first->streak + 1;
    const size_t t = first->sum - 1, results = first->streak + 1;
    const agi_factors *f = agi_factors_of(frame->records, products) + t;
    const uint32_t before = f->repeat - (uint32_t)results;
    const bool in_p = f->p.space == AGI_SLOTS;
    const agi_vector numbers = in_p ? f->q : f->p;
    const ptrdiff_t step = in_p ? f->q_step : f->p_step;
    const spaces all = find_spaces(frame);
    num sums[AGI_MOST_LANES];
    assert(frame->lanes <= AGI_MOST_LANES);
    const way sum = {all.of[numbers.space] + numbers.at + (ptrdiff_t)before * step, step, sums};
    carry_all(results, frame, carried, other, out, out_step, sum, true, value_mul);
    for (size_t lane = 0; lane < frame->lanes; lane += WIDTH)
        store(sums + lane, splat((num)f->factor) * load(sums + lane));
    AGI_KERNEL(rest)(products, frame, sums, t, before);
}

/* Products that grow, and gradients that shrink with them, in registers; others result by result. */
void AGI_KERNEL(streak)(const agi_instruction *first, agi_frame *frame)
{
    const gate_kernel *kernel = &kernels[first->op];
    const size_t results = first->streak + 1, lanes = frame->lanes;
    const ptrdiff_t out_step =
        ((ptrdiff_t)first[1].out - (ptrdiff_t)first[0].out) * (ptrdiff_t)lanes;
    num *out = (num *)frame->slots + (size_t)first->out * lanes;
    const way none = {NULL, 0, NULL};
    pace paces[3];
    for (size_t k = 0; k < kernel->arity; k++)
        paces[k] = find_pace(frame, &first[0].x[k], &first[1].x[k]);
    for (uint32_t k = 0; k < 2; k++)
        if (agi_carries(first, k)) {
            const num *carried = paces[k].at;
            if (first->sum > 0)
                carry_sum(first, frame, carried, paces[1 - k], out, out_step);
            else if (first->op == AGI_mul)
                carry_all(results, frame, carried, paces[1 - k], out, out_step, none, false,
                          value_mul);
            else
                carry_all(results, frame, carried, paces[1 - k], out, out_step, none, false,
                          value_chain);
            return;
        }
    num beside[3][WIDTH];
    stream s[3] = {{0}};
    for (size_t i = 0; i < results; i++, out += out_step) {
        for (size_t k = 0; k < kernel->arity; k++) {
            s[k] =
                paces[k].in_lanes ? (stream){paces[k].at, WIDTH} : repeat(paces[k].at, beside[k]);
            paces[k].at += paces[k].step;
        }
        kernel->loop(lanes, out, s[0], s[1], s[2]);
    }
}

void AGI_KERNEL(run)(const uint32_t *words, num *slots, const spaces *s)
{
    num beside[3][WIDTH];
    stream x[3];
    for (size_t i = 0; i < 3; i++) {
        const uint32_t where = words[4 + 2 * i];
        const num *at = s->of[where >> 1] + words[5 + 2 * i];
        x[i] = (where & 1) != 0 ? (stream){at, WIDTH} : repeat(at, beside[i]);
    }
    kernels[words[1]].loop(words[2], slots + words[3], x[0], x[1], x[2]);
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

/* Outcomes are compared as numbers, a chunk at a time; the lanes of a chunk are looked through only
 * if there is a failure in it, maybe of padding. */
static void compare(const agi_instruction *instruction, agi_frame *frame)
{
    const grid shape = make_grid(frame, instruction->n);
    const spaces all = find_spaces(frame);
    const source from[2] = {find_source(&all, instruction->x[0]),
                            find_source(&all, instruction->x[1])};
    const num expected = instruction->outcome ? 1 : 0;
    num beside[2][CHUNK], outcomes[CHUNK];
    const stream none = {0};
    for (size_t row = 0; row < shape.rows; row++)
        for (size_t column = 0; column < shape.columns; column += CHUNK) {
            const size_t n = agi_smaller(shape.columns - column, CHUNK);
            kernels[instruction->op].loop(n, outcomes,
                                          open_part(beside[0], from[0], row, column, n),
                                          open_part(beside[1], from[1], row, column, n), none);
            unsigned failures = 0;
            for (size_t i = 0; i < n; i++)
                failures |= outcomes[i] != expected;
            for (size_t i = 0; i < n && failures != 0; i++) {
                const size_t lane = frame->lanes == 1 ? 0 : column + i;
                if (outcomes[i] != expected && lane < frame->count && lane < frame->failed_lane)
                    note_failure(instruction, frame, lane, *find_place(from[0], row, column + i),
                                 *find_place(from[1], row, column + i));
            }
        }
}

/* ---- Instructions ---------------------------------------------------------------------------- */

void AGI_KERNEL(gate)(const agi_instruction *instruction, agi_frame *frame)
{
    if (agi_gate_forms[instruction->op] == AGI_FORM_COMPARE)
        compare(instruction, frame);
    else
        run_gate(instruction, frame);
}
