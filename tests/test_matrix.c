/* SPDX-License-Identifier: MIT
 *
 * AFFINE, OUTER, LOAD, STORE and SUMS, for every instruction set and number type there is, against
 * plain loops in double. Strides, lists, spaces and flags are drawn at random for many shapes and
 * numbers of lanes. Memory that an instruction has no business with is NaN, and has to be as it was
 * afterwards. A sum of products may be off by TOLERANCE times the sum of their absolute values.
 */
#include "code.h"
#include "testing.h"

/* ---- Random numbers -------------------------------------------------------------------------- */

/* SplitMix64 */
static uint64_t draw_bits(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static size_t draw(uint64_t *random, size_t n)
{
    return (size_t)(draw_bits(random) % n);
}

/* Between -2 and 2; a third of them 0. */
static double draw_number(uint64_t *random)
{
    const double x = (double)((int64_t)(draw_bits(random) >> 40) - (1 << 23)) / (1 << 22);
    return draw(random, 3) == 0 ? 0 : x;
}

static double draw_wild(uint64_t *random)
{
    const double wild[] = {(double)INFINITY, -(double)INFINITY, (double)NAN};
    return draw(random, 8) == 0 ? wild[draw(random, 3)] : draw_number(random);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* One of a frame's arrays, and what has to be in it afterwards. */
typedef struct area {
    size_t n; /* numbers, or slots */
    void *numbers;
    double *expected;
    double *tolerance; /* 0: the same number; infinite: any */
} area;

enum {
    AREAS = 7,
    MOST_LISTED = 2000
};

typedef struct scene {
    const agi_kernels *kernels;
    size_t size; /* of a number */
    size_t lanes, count;
    uint64_t random;
    union {
        area areas[AREAS];
        struct {
            area slots, uniform, constants, shared, each, map, totals;
        } at;
    } of;
    uint32_t lists[MOST_LISTED];
    agi_records records;
    agi_affine affine;
    agi_outer outer;
    agi_instruction instruction;
    agi_frame frame;
} scene;

static double get_number(const scene *s, const area *a, size_t i)
{
    return s->size == sizeof(double) ? ((const double *)a->numbers)[i]
                                     : (double)((const float *)a->numbers)[i];
}

static void set_number(const scene *s, area *a, size_t i, double x)
{
    if (s->size == sizeof(double))
        ((double *)a->numbers)[i] = x;
    else
        ((float *)a->numbers)[i] = (float)x;
}

static void open_scene(scene *s, const agi_kernels *kernels, size_t lanes, size_t count,
                       uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    s->kernels = kernels;
    s->size = kernels->size;
    s->lanes = lanes;
    s->count = count;
    s->random = seed;
    s->records.lists = s->lists;
    s->records.affine = &s->affine;
    s->records.outer = &s->outer;
}

/* Room at the end of an area for m x k elements, these ways from each other; where the first is. */
static uint32_t place(area *a, size_t m, ptrdiff_t row_stride, size_t k, ptrdiff_t column_stride)
{
    const ptrdiff_t rows = (ptrdiff_t)(m - 1) * row_stride;
    const ptrdiff_t columns = (ptrdiff_t)(k - 1) * column_stride;
    const ptrdiff_t before = (rows < 0 ? -rows : 0) + (columns < 0 ? -columns : 0);
    const ptrdiff_t after = (rows > 0 ? rows : 0) + (columns > 0 ? columns : 0);
    const size_t first = a->n + (size_t)before;
    a->n = first + (size_t)after + 1;
    return (uint32_t)first;
}

static area *area_of(scene *s, uint8_t space)
{
    return space == AGI_SLOTS       ? &s->of.at.slots
           : space == AGI_UNIFORM   ? &s->of.at.uniform
           : space == AGI_CONSTANTS ? &s->of.at.constants
                                    : &s->of.at.shared;
}

static agi_vector draw_vector(scene *s, agi_space space, size_t n)
{
    const int32_t strides[] = {1, 1, 1, 1, 2, 7, -1, -3, 0};
    agi_vector v = {.space = (uint8_t)space};
    v.stride = strides[draw(&s->random, sizeof(strides) / sizeof(*strides))];
    v.at = place(area_of(s, v.space), n, v.stride, 1, 0);
    return v;
}

static agi_space draw_space(scene *s)
{
    const agi_space spaces[] = {AGI_SLOTS, AGI_UNIFORM, AGI_CONSTANTS, AGI_SHARED};
    return spaces[draw(&s->random, 4)];
}

static agi_elements draw_elements(scene *s, agi_space space, uint32_t n)
{
    agi_elements e = {.n = n, .list = AGI_NO_INDEX};
    e.vector = draw_vector(s, space, n);
    if (draw(&s->random, 4) == 0) {
        e.list = s->records.lists_count;
        e.vector.at = place(area_of(s, e.vector.space), n, 1, 1, 0);
        for (uint32_t i = 0; i < n; i++)
            s->lists[s->records.lists_count++] = e.vector.at + (uint32_t)draw(&s->random, n);
        assert_true(s->records.lists_count <= MOST_LISTED);
    }
    return e;
}

/* Where element i of a lane is in the vector's area. */
static size_t locate(const scene *s, agi_vector v, size_t i, size_t lane)
{
    const size_t at = v.at + (size_t)((ptrdiff_t)i * v.stride);
    return v.space == AGI_SLOTS ? at * s->lanes + (s->lanes == 1 ? 0 : lane) : at;
}

static size_t locate_element(const scene *s, const agi_elements *e, size_t i, size_t lane)
{
    if (e->list == AGI_NO_INDEX)
        return locate(s, e->vector, i, lane);
    return locate(s, (agi_vector){s->lists[e->list + i], 0, e->vector.space}, 0, lane);
}

static double get_vector(scene *s, agi_vector v, size_t i, size_t lane)
{
    return v.space == AGI_NOWHERE ? 0 : get_number(s, area_of(s, v.space), locate(s, v, i, lane));
}

static double get_element(scene *s, const agi_elements *e, size_t i, size_t lane)
{
    return get_number(s, area_of(s, e->vector.space), locate_element(s, e, i, lane));
}

/* Aligned to 64 bytes, all NaN. */
static void *make_numbers(const scene *s, size_t n)
{
    const size_t bytes = (n * s->size + 63) / 64 * 64;
    area a = {.numbers = aligned_alloc(64, bytes + 64)};
    assert_non_null(a.numbers);
    for (size_t i = 0; i < (bytes + 64) / s->size; i++)
        set_number(s, &a, i, (double)NAN);
    return a.numbers;
}

static size_t numbers_of(const scene *s, const area *a)
{
    return a == &s->of.at.slots ? a->n * s->lanes : a->n;
}

/* Everything is placed: makes memory for it. The caller's arrays end where they end, so that a
 * sanitizer sees who goes on. */
static void make_memory(scene *s)
{
    for (area *a = s->of.areas; a < s->of.areas + AREAS; a++) {
        const size_t n = numbers_of(s, a);
        a->numbers = a == &s->of.at.slots ? make_numbers(s, n) : malloc(n * s->size + 1);
        a->expected = malloc((n + 1) * sizeof(double));
        a->tolerance = calloc(n + 1, sizeof(double));
        assert_true(a->numbers != NULL && a->expected != NULL && a->tolerance != NULL);
        for (size_t i = 0; i < n; i++)
            set_number(s, a, i, (double)NAN);
    }
    const agi_scratch affine = agi_affine_scratch(&s->affine);
    const agi_scratch outer = agi_outer_scratch(&s->outer);
    const size_t lanes = affine.lanes > outer.lanes ? affine.lanes : outer.lanes;
    s->frame = (agi_frame){
        .records = &s->records,
        .kernels = s->kernels,
        .lanes = s->lanes,
        .count = s->count,
        .slots = s->of.at.slots.numbers,
        .uniform = s->of.at.uniform.numbers,
        .constants = s->of.at.constants.numbers,
        .shared = s->of.at.shared.numbers,
        .each = s->of.at.each.numbers,
        .each_stride = s->frame.each_stride,
        .map = s->of.at.map.numbers,
        .map_stride = s->frame.map_stride,
        .totals = s->of.at.totals.numbers,
        .scale = s->frame.scale,
        .add = s->frame.add,
        .scratch = make_numbers(s, lanes * s->lanes + affine.fixed + outer.fixed),
        .failed_lane = SIZE_MAX,
    };
}

/* Padding is NaN half of the time. */
static void fill_location(scene *s, uint8_t space, size_t at, size_t lane, bool wild)
{
    const bool padding = lane >= s->count && draw(&s->random, 2) == 0;
    const double x = wild ? draw_wild(&s->random) : draw_number(&s->random);
    set_number(s, area_of(s, space), at, padding ? (double)NAN : x);
}

static void fill_vector(scene *s, agi_vector v, size_t n, bool wild)
{
    if (v.space == AGI_NOWHERE)
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t lane = 0; lane < (v.space == AGI_SLOTS ? s->lanes : 1); lane++)
            fill_location(s, v.space, locate(s, v, i, lane), lane, wild);
}

static void fill_elements(scene *s, const agi_elements *e, bool wild)
{
    for (size_t i = 0; i < e->n; i++)
        for (size_t lane = 0; lane < (e->vector.space == AGI_SLOTS ? s->lanes : 1); lane++)
            fill_location(s, e->vector.space, locate_element(s, e, i, lane), lane, wild);
}

/* n each inputs of every sample, from the first on. */
static void fill_each(scene *s, size_t first, size_t n, bool wild)
{
    for (size_t sample = 0; sample < s->count; sample++)
        for (size_t j = 0; j < n; j++)
            set_number(s, &s->of.at.each, sample * s->frame.each_stride + first + j,
                       wild ? draw_wild(&s->random) : draw_number(&s->random));
}

/* As things are: what is expected where nothing is written. */
static void expect_nothing(scene *s)
{
    for (area *a = s->of.areas; a < s->of.areas + AREAS; a++)
        for (size_t i = 0; i < numbers_of(s, a); i++)
            a->expected[i] = get_number(s, a, i);
}

static double tolerance_of(const scene *s)
{
    return s->size == sizeof(double) ? 1e-13 : 1e-5;
}

static void expect(scene *s, area *a, size_t i, double x, double absolute)
{
    a->expected[i] = x;
    a->tolerance[i] = absolute * tolerance_of(s);
}

static void describe(const scene *s)
{
    print_error("%s, %zu bytes, lanes %zu, count %zu, scale %g, add %d\n",
                ag_isa_name(s->kernels->isa), s->size, s->lanes, s->count, s->frame.scale,
                s->frame.add);
    if (s->instruction.op == AGI_OP_AFFINE)
        print_error("affine %ux%u, strides %d %d, matrix in %u, x in %u stride %d list %d, bias in "
                    "%u stride %d, add %d, chain %d\n",
                    s->affine.m, s->affine.k, s->affine.row_stride, s->affine.column_stride,
                    s->affine.p.space, s->affine.x.vector.space, s->affine.x.vector.stride,
                    s->affine.x.list != AGI_NO_INDEX, s->affine.bias.space, s->affine.bias.stride,
                    s->affine.add, s->affine.chain);
    else if (s->instruction.op == AGI_OP_OUTER)
        print_error("outer %ux%u, strides %d %d, a stride %d list %d, b stride %d list %d each %d, "
                    "factor %g, chain %d, first %d\n",
                    s->outer.m, s->outer.k, s->outer.row_stride, s->outer.column_stride,
                    s->outer.a.vector.stride, s->outer.a.list != AGI_NO_INDEX,
                    s->outer.b.vector.stride, s->outer.b.list != AGI_NO_INDEX,
                    s->outer.b_each != AGI_NO_INDEX, s->outer.factor, (int)s->outer.chain,
                    s->outer.first);
    else
        print_error("%u of stride %d in %u, out stride %d, first %d\n", s->instruction.n,
                    s->instruction.x[0].stride, s->instruction.x[0].space,
                    s->instruction.out_stride, s->instruction.first);
}

static void check_area(const scene *s, const area *a)
{
    for (size_t i = 0; i < numbers_of(s, a); i++) {
        const double x = get_number(s, a, i), y = a->expected[i], t = a->tolerance[i];
        const bool exact = t == 0 || !isfinite(y);
        if (!isinf(t) && (exact ? !(x == y || (isnan(x) && isnan(y))) : !(fabs(x - y) <= t))) {
            describe(s);
            print_error("number %zu of area %d is %.17g, not %.17g\n", i, (int)(a - s->of.areas), x,
                        y);
            fail();
        }
    }
}

static void execute(scene *s)
{
    const agi_section section = {.instructions = &s->instruction, .count = 1, .slots = 0};
    s->kernels->execute(&section, &s->frame);
}

/* Runs the instruction, checks what came out, and gives the memory back. */
static void close_scene(scene *s)
{
    execute(s);
    for (area *a = s->of.areas; a < s->of.areas + AREAS; a++)
        check_area(s, a);
    for (area *a = s->of.areas; a < s->of.areas + AREAS; a++) {
        free(a->numbers);
        free(a->expected);
        free(a->tolerance);
    }
    free(s->frame.scratch);
}

/* ---- Matrices in memory ---------------------------------------------------------------------- */

/* Row by row, column by column, with something between them, backwards, scattered. */
static void draw_strides(scene *s, size_t m, size_t k, int32_t *row_stride, int32_t *column_stride)
{
    const int32_t rows = (int32_t)m, columns = (int32_t)k;
    const int32_t strides[][2] = {
        {columns, 1},   {columns, 1},      {columns + 1, 1},
        {1, rows},      {1, rows},         {1, rows + 3},
        {-columns, -1}, {-columns - 2, 1}, {2 * columns + 3, 2},
        {3, 3 * rows},
    };
    const int32_t *both = strides[draw(&s->random, sizeof(strides) / sizeof(*strides))];
    *row_stride = both[0];
    *column_stride = both[1];
}

/* ---- AFFINE ---------------------------------------------------------------------------------- */

static void expect_affine(scene *s, uint32_t out)
{
    const agi_affine *f = &s->affine;
    area *slots = &s->of.at.slots, *matrix = area_of(s, f->p.space);
    for (size_t i = 0; i < f->m; i++) {
        for (size_t lane = 0; lane < s->lanes; lane++) {
            const size_t at = (out + i) * s->lanes + lane;
            if (lane >= s->count) {
                slots->tolerance[at] = (double)INFINITY;
                continue;
            }
            double y = f->add ? get_number(s, slots, at) : get_vector(s, f->bias, i, lane);
            double absolute = fabs(y);
            for (size_t j = 0; j < f->k; j++) {
                const ptrdiff_t way =
                    (ptrdiff_t)i * f->row_stride + (ptrdiff_t)j * f->column_stride;
                const double p = get_number(s, matrix, f->p.at + (size_t)way);
                const double x = get_element(s, &f->x, j, lane);
                const double t = f->chain && x == 0 ? 0 : p * x;
                y += t;
                absolute += fabs(t);
            }
            expect(s, slots, at, y, absolute);
        }
    }
}

static void fill_matrix(scene *s, bool wild)
{
    const agi_affine *f = &s->affine;
    for (size_t i = 0; i < f->m; i++)
        for (size_t j = 0; j < f->k; j++)
            fill_location(
                s, f->p.space,
                f->p.at + (size_t)((ptrdiff_t)i * f->row_stride + (ptrdiff_t)j * f->column_stride),
                0, wild);
}

static void check_affine(const agi_kernels *kernels, size_t m, size_t k, size_t lanes, size_t count,
                         uint64_t seed)
{
    scene s;
    open_scene(&s, kernels, lanes, count, seed);
    agi_affine *f = &s.affine;
    f->m = (uint32_t)m;
    f->k = (uint32_t)k;
    f->add = draw(&s.random, 3) == 0;
    f->chain = draw(&s.random, 2) == 0;
    const bool wild = draw(&s.random, 2) == 0;
    const agi_space shared[] = {AGI_UNIFORM, AGI_CONSTANTS, AGI_SHARED};
    const agi_space space = lanes == 1 ? draw_space(&s) : shared[draw(&s.random, 3)];
    draw_strides(&s, m, k, &f->row_stride, &f->column_stride);
    f->p = (agi_vector){place(area_of(&s, (uint8_t)space), m, f->row_stride, k, f->column_stride),
                        0, (uint8_t)space};
    f->x = draw_elements(&s, lanes == 1 ? draw_space(&s) : AGI_SLOTS, f->k);
    if (draw(&s.random, 4) != 0)
        f->bias = draw_vector(&s, draw_space(&s), m);
    s.instruction = (agi_instruction){.op = AGI_OP_AFFINE, .n = f->m};
    s.instruction.out = place(&s.of.at.slots, m, 1, 1, 0);
    make_memory(&s);
    fill_matrix(&s, wild);
    fill_elements(&s, &f->x, false);
    fill_vector(&s, f->bias, m, wild && draw(&s.random, 8) == 0);
    if (f->add)
        fill_vector(&s, (agi_vector){s.instruction.out, 1, AGI_SLOTS}, m, false);
    expect_nothing(&s);
    expect_affine(&s, s.instruction.out);
    close_scene(&s);
}

/* ---- OUTER ----------------------------------------------------------------------------------- */

static double get_b(scene *s, size_t j, size_t sample)
{
    if (s->outer.b_each == AGI_NO_INDEX)
        return get_element(s, &s->outer.b, j, sample);
    return get_number(s, &s->of.at.each, sample * s->frame.each_stride + s->outer.b_each + j);
}

/* total, with the sum t of a block and of its terms' absolute values */
static void expect_total(scene *s, size_t at, bool first, double t, double absolute)
{
    area *totals = &s->of.at.totals;
    if (s->frame.scale == 0 && first && !s->frame.add) {
        expect(s, totals, at, t, absolute);
        return;
    }
    const double before = get_number(s, totals, at), scale = s->frame.scale;
    const double factor = scale == 0 ? 1 : scale;
    expect(s, totals, at, before + factor * t, fabs(before) + fabs(factor) * absolute);
}

static size_t locate_total(const agi_outer *o, size_t i, size_t j)
{
    return o->out + (size_t)((ptrdiff_t)i * o->row_stride + (ptrdiff_t)j * o->column_stride);
}

static void expect_outer(scene *s)
{
    const agi_outer *o = &s->outer;
    for (size_t i = 0; i < o->m; i++) {
        for (size_t j = 0; j < o->k; j++) {
            double sum = 0, absolute = 0;
            for (size_t sample = 0; sample < s->count; sample++) {
                const double a = get_element(s, &o->a, i, sample), b = get_b(s, j, sample);
                const bool is_0 =
                    (o->chain == AGI_CHAIN_A && a == 0) || (o->chain == AGI_CHAIN_B && b == 0);
                const double t = is_0 ? 0 : o->factor * a * b;
                sum += t;
                absolute += fabs(t);
            }
            expect_total(s, locate_total(o, i, j), o->first, sum, absolute);
        }
    }
}

static void draw_totals(scene *s)
{
    const double scales[] = {0, 0, 1, -0.015625};
    s->frame.scale = scales[draw(&s->random, 4)];
    s->frame.add = draw(&s->random, 3) == 0;
}

/* Totals hold something only where it is to be added to. */
static void fill_total(scene *s, size_t at, bool first)
{
    if (s->frame.scale != 0 || !first || s->frame.add)
        set_number(s, &s->of.at.totals, at, draw_number(&s->random));
}

static void draw_b(scene *s)
{
    agi_outer *o = &s->outer;
    o->b_each = AGI_NO_INDEX;
    if (draw(&s->random, 2) == 0) {
        o->b = draw_elements(s, AGI_SLOTS, o->k);
        return;
    }
    o->b_each = (uint32_t)draw(&s->random, 3);
    s->frame.each_stride = o->b_each + o->k + draw(&s->random, 3);
    s->of.at.each.n = (s->count - 1) * s->frame.each_stride + o->b_each + o->k;
}

static void check_outer(const agi_kernels *kernels, size_t m, size_t k, size_t lanes, size_t count,
                        uint64_t seed)
{
    const double factors[] = {1, 1, -0.5, 3};
    scene s;
    open_scene(&s, kernels, lanes, count, seed);
    agi_outer *o = &s.outer;
    o->m = (uint32_t)m;
    o->k = (uint32_t)k;
    o->a = draw_elements(&s, AGI_SLOTS, o->m);
    draw_b(&s);
    draw_strides(&s, m, k, &o->row_stride, &o->column_stride);
    o->out = place(&s.of.at.totals, m, o->row_stride, k, o->column_stride);
    o->factor = factors[draw(&s.random, 4)];
    o->chain = (agi_chain)draw(&s.random, 3);
    o->first = draw(&s.random, 2) == 0;
    draw_totals(&s);
    const bool wild = draw(&s.random, 2) == 0;
    s.instruction = (agi_instruction){.op = AGI_OP_OUTER, .n = 2};
    make_memory(&s);
    fill_elements(&s, &o->a, wild && o->chain == AGI_CHAIN_B);
    if (o->b_each == AGI_NO_INDEX)
        fill_elements(&s, &o->b, wild && o->chain != AGI_CHAIN_B);
    else
        fill_each(&s, o->b_each, k, wild && o->chain != AGI_CHAIN_B);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++)
            fill_total(&s, locate_total(o, i, j), o->first);
    expect_nothing(&s);
    expect_outer(&s);
    close_scene(&s);
}

/* ---- LOAD, STORE, SUMS ----------------------------------------------------------------------- */

/* m is of no meaning here. */
static void check_load(const agi_kernels *kernels, size_t m, size_t n, size_t lanes, size_t count,
                       uint64_t seed)
{
    (void)m;
    scene s;
    open_scene(&s, kernels, lanes, count, seed);
    const uint32_t first = (uint32_t)draw(&s.random, 4);
    s.frame.each_stride = first + n + draw(&s.random, 4);
    s.of.at.each.n = (count - 1) * s.frame.each_stride + first + n;
    s.instruction = (agi_instruction){.op = AGI_OP_LOAD, .n = (uint32_t)n, .x = {{.at = first}}};
    place(&s.of.at.slots, 1 + draw(&s.random, 3), 1, 1, 0);
    s.instruction.out = place(&s.of.at.slots, n, 1, 1, 0);
    make_memory(&s);
    fill_each(&s, first, n, true);
    expect_nothing(&s);
    for (size_t i = 0; i < n; i++)
        for (size_t lane = 0; lane < lanes; lane++)
            s.of.at.slots.expected[(s.instruction.out + i) * lanes + lane] =
                get_number(&s, &s.of.at.each,
                           (lane < count ? lane : count - 1) * s.frame.each_stride + first + i);
    close_scene(&s);
}

static void check_store(const agi_kernels *kernels, size_t m, size_t n, size_t lanes, size_t count,
                        uint64_t seed)
{
    (void)m;
    const int32_t strides[] = {1, 1, 1, 2, -1};
    scene s;
    open_scene(&s, kernels, lanes, count, seed);
    agi_instruction *i = &s.instruction;
    *i = (agi_instruction){.op = AGI_OP_STORE, .n = (uint32_t)n};
    i->x[0] = draw_vector(&s, draw_space(&s), n);
    i->out_stride = strides[draw(&s.random, 5)];
    area row = {.n = draw(&s.random, 3)};
    i->out = place(&row, n, i->out_stride, 1, 0);
    s.frame.map_stride = row.n + draw(&s.random, 3);
    s.of.at.map.n = (count - 1) * s.frame.map_stride + row.n;
    make_memory(&s);
    fill_vector(&s, i->x[0], n, true);
    expect_nothing(&s);
    for (size_t sample = 0; sample < count; sample++)
        for (size_t j = 0; j < n; j++)
            s.of.at.map.expected[sample * s.frame.map_stride + i->out +
                                 (size_t)((ptrdiff_t)j * i->out_stride)] =
                get_vector(&s, i->x[0], j, sample);
    close_scene(&s);
}

static void check_sums(const agi_kernels *kernels, size_t m, size_t n, size_t lanes, size_t count,
                       uint64_t seed)
{
    (void)m;
    const int32_t strides[] = {1, 1, 3, -1};
    scene s;
    open_scene(&s, kernels, lanes, count, seed);
    agi_instruction *i = &s.instruction;
    *i = (agi_instruction){.op = AGI_OP_SUMS, .n = (uint32_t)n, .first = draw(&s.random, 2) == 0};
    i->x[0] = draw_vector(&s, draw_space(&s), n);
    i->out_stride = strides[draw(&s.random, 4)];
    i->out = place(&s.of.at.totals, n, i->out_stride, 1, 0);
    draw_totals(&s);
    make_memory(&s);
    fill_vector(&s, i->x[0], n, draw(&s.random, 4) == 0);
    for (size_t j = 0; j < n; j++)
        fill_total(&s, i->out + (size_t)((ptrdiff_t)j * i->out_stride), i->first);
    expect_nothing(&s);
    for (size_t j = 0; j < n; j++) {
        double sum = 0, absolute = 0;
        for (size_t sample = 0; sample < count; sample++) {
            sum += get_vector(&s, i->x[0], j, sample);
            absolute += fabs(get_vector(&s, i->x[0], j, sample));
        }
        expect_total(&s, i->out + (size_t)((ptrdiff_t)j * i->out_stride), i->first, sum, absolute);
    }
    close_scene(&s);
}

/* ---- All shapes ------------------------------------------------------------------------------ */

typedef void check_shape(const agi_kernels *kernels, size_t m, size_t k, size_t lanes, size_t count,
                         uint64_t seed);

/* Calls check for all that this machine can run. */
static void for_all_kernels(void (*check)(const agi_kernels *kernels, check_shape *shape),
                            check_shape *shape)
{
    size_t found = 0;
    for (ag_isa isa = AG_ISA_BASELINE; isa <= AG_ISA_NEON; isa++) {
        for (size_t size = sizeof(float); size <= sizeof(double); size += sizeof(float)) {
            const agi_kernels *kernels = agi_find_kernels(isa, size);
            if (kernels == NULL)
                continue;
            check(kernels, shape);
            found++;
        }
    }
    assert_true(found >= 2);
}

/* Every number of rows and columns that a tile or a vector can have, more than one of them, and
 * every rest. */
static void check_shapes(const agi_kernels *kernels, check_shape *shape)
{
    const size_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                            16, 17, 18, 23, 24, 25, 31, 32, 33, 40, 47, 48, 63, 64, 70};
    const size_t number = sizeof(sizes) / sizeof(*sizes), width = kernels->width;
    const size_t lanes[] = {1, 1, 1, width, 2 * width, 3 * width, 5 * width, 64, 128};
    uint64_t random = 1;
    for (size_t l = 0; l < sizeof(lanes) / sizeof(*lanes); l++) {
        for (size_t i = 0; i < number; i++) {
            const size_t most = l < 6 ? number : number / 2, k = sizes[draw(&random, most)];
            const bool whole = draw(&random, 2) == 0;
            const size_t count = whole ? lanes[l] : 1 + draw(&random, lanes[l]);
            shape(kernels, sizes[i], k, lanes[l], count, draw_bits(&random));
            shape(kernels, k, sizes[i], lanes[l], count, draw_bits(&random));
        }
    }
}

/* More columns or samples than are summed up at once, rows that are read one by one. */
static void check_large(const agi_kernels *kernels, check_shape *shape)
{
    shape(kernels, 128, 784, 1, 1, 1);
    shape(kernels, 784, 128, 1, 1, 2);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        shape(kernels, 7, 300, 2 * kernels->width, 2 * kernels->width - 1, seed);
        shape(kernels, 9, 11, 272, 260, seed);
        shape(kernels, 1, 6, 272, 260, seed);
        shape(kernels, 6, 2, 160, 150, seed);
        shape(kernels, 3, 520, 1, 1, seed);
        shape(kernels, 520, 3, 1, 1, seed);
    }
}

static void affine_of_any_shape(void **state)
{
    (void)state;
    for_all_kernels(check_shapes, check_affine);
    for_all_kernels(check_large, check_affine);
}

static void outer_of_any_shape(void **state)
{
    (void)state;
    for_all_kernels(check_shapes, check_outer);
    for_all_kernels(check_large, check_outer);
}

static void load_of_any_shape(void **state)
{
    (void)state;
    for_all_kernels(check_shapes, check_load);
}

static void store_of_any_shape(void **state)
{
    (void)state;
    for_all_kernels(check_shapes, check_store);
}

static void sums_of_any_shape(void **state)
{
    (void)state;
    for_all_kernels(check_shapes, check_sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(affine_of_any_shape), cmocka_unit_test(outer_of_any_shape),
        cmocka_unit_test(load_of_any_shape),   cmocka_unit_test(store_of_any_shape),
        cmocka_unit_test(sums_of_any_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
