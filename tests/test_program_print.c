/* SPDX-License-Identifier: MIT
 *
 * A program as people read it. The program is put together here, with one instruction of each kind
 * and shape; nobody runs it.
 */
#include "testing.h"

#include "code.h"

#include <stdio.h>

static const uint32_t lists[] = {4, 9, 2, 7, 11, 3};
static const double constants[] = {0.5, 2, 3, 4, 5, 6};
static const double numbers[] = {1.5, -1, 0, 1};
static const char texts[] = "gt(x, w)\0lt(w, #4)";

#define SLOTS(at, stride)                                                                          \
    {                                                                                              \
        at, stride, AGI_SLOTS                                                                      \
    }
#define LIST_OF(begin, n)                                                                          \
    {                                                                                              \
        {0, 0, AGI_SLOTS}, n, begin                                                                \
    }
#define RANGE(space, at, stride, n)                                                                \
    {                                                                                              \
        {at, stride, space}, n, AGI_NO_INDEX                                                       \
    }

static const agi_factors factors[] = {
    {1, SLOTS(0, 1), {3, 0, AGI_SHARED}, 0, 0, 1, false},
    {-0.5, SLOTS(4, 1), {0}, 0, 0, 1, false},
    {-1, SLOTS(8, 1), SLOTS(20, -2), 0, 0, 1, true},
    {2, {0}, {0}, 0, 0, 1, false},
    {1, SLOTS(5, 0), {7, 0, AGI_SHARED}, 1, 3, 10, false},
    {1, SLOTS(5, 1), {2, 0, AGI_UNIFORM}, 2, 0, 10, true},
};

static const agi_affine affine[] = {
    {.m = 16,
     .k = 4,
     .p = {0, 0, AGI_SHARED},
     .row_stride = 5,
     .column_stride = 1,
     .x = RANGE(AGI_SLOTS, 0, 1, 4),
     .bias = {4, 5, AGI_SHARED}},
    {.m = 2,
     .k = 6,
     .p = {40, 0, AGI_CONSTANTS},
     .row_stride = 1,
     .column_stride = -7,
     .x = LIST_OF(0, 6),
     .add = true,
     .chain = true},
    {.m = 3, .k = 1, .p = {0, 0, AGI_UNIFORM}, .row_stride = 1, .x = LIST_OF(0, 1)},
};

static const agi_outer outer[] = {
    {.m = 16,
     .k = 5,
     .a = RANGE(AGI_SLOTS, 50, 1, 16),
     .b = RANGE(AGI_SLOTS, 0, 1, 5),
     .out = 1,
     .row_stride = 5,
     .column_stride = 1,
     .b_each = AGI_NO_INDEX,
     .factor = 1,
     .first = true},
    {.m = 2,
     .k = 4,
     .a = LIST_OF(2, 2),
     .b = RANGE(AGI_SLOTS, 0, 1, 4),
     .out = 7,
     .row_stride = 1,
     .column_stride = 2,
     .b_each = 3,
     .factor = -2,
     .chain = AGI_CHAIN_B},
};

static ag_real forward_nothing(void *context, size_t arity, const ag_real *x)
{
    (void)context, (void)arity;
    return x[0];
}

static const ag_closure closures[] = {{.name = "mine", .arity = 2, .forward = forward_nothing}};

static const agi_fold folds[] = {
    {.x = RANGE(AGI_SLOTS, 3, 1, 4), .w = {.list = AGI_NO_INDEX}},
    {.x = LIST_OF(0, 3), .w = RANGE(AGI_SHARED, 1, 2, 3)},
    {.x = RANGE(AGI_SLOTS, 3, 1, 3), .w = {.list = AGI_NO_INDEX}},
    {.x = LIST_OF(4, 2), .w = {.list = AGI_NO_INDEX}, .numbers = 0},
};

static ag_program step = {.info = {.instructions = 7}};

static const agi_piece pieces[] = {
    {.x = {0, 1, AGI_SHARED}, .n = 2, .list = AGI_NO_INDEX},
    {.x = SLOTS(0, 1), .n = 3, .list = AGI_NO_INDEX},
    {.x = SLOTS(3, 0), .n = 1, .step = 1, .list = AGI_NO_INDEX},
    {.x = SLOTS(4, 2), .n = 2, .step = -4, .list = AGI_NO_INDEX},
    {.n = 1, .list = 0},
};

static const agi_scan_step scans[] = {
    {.program = &step,
     .steps = 100,
     .shared = {0, 1},
     .state = {1, 1},
     .inputs = {2, 3},
     .output_count = 103},
    {.program = &step, .steps = 1, .shared = {0, 5}, .output_count = 1},
};

static const agi_instruction once[] = {
    {.op = AGI_square, .n = 1, .out = 0, .x = {{3, 0, AGI_SHARED}}},
    {.op = AGI_add, .n = 2, .out = 1, .x = {SLOTS(0, 0), {1, 1, AGI_CONSTANTS}}},
    {.op = AGI_lt, .n = 1, .outcome = true, .x = {{3, 0, AGI_SHARED}, SLOTS(2, 0)}, .more = 9},
};

static const agi_instruction check[] = {
    {.op = AGI_OP_LOAD, .n = 1, .out = 0, .x = {{1, 1, AGI_NOWHERE}}},
    {.op = AGI_gt, .n = 1, .x = {SLOTS(0, 0), {3, 0, AGI_SHARED}}},
};

static const agi_instruction body[] = {
    {.op = AGI_OP_LOAD, .n = 4, .out = 0, .x = {{0, 1, AGI_NOWHERE}}},
    {.op = AGI_OP_AFFINE, .n = 16, .out = 4, .more = 0},
    {.op = AGI_OP_AFFINE, .n = 2, .out = 4, .more = 1},
    {.op = AGI_OP_AFFINE, .n = 3, .out = 4, .more = 2},
    {.op = AGI_tanh, .n = 16, .out = 20, .x = {SLOTS(4, 1)}},
    {.op = AGI_mul, .n = 3, .out = 36, .x = {SLOTS(34, -2), {0, 2, AGI_CONSTANTS}}},
    {.op = AGI_add, .n = 6, .out = 36, .x = {SLOTS(34, 0), {0, 1, AGI_CONSTANTS}}},
    {.op = AGI_select, .n = 1, .out = 39, .x = {SLOTS(0, 0), SLOTS(1, 0), {2, 0, AGI_UNIFORM}}},
    {.op = AGI_DETACH, .n = 1, .out = 40, .x = {{1, 0, AGI_SHARED}}},
    {.op = AGI_OP_PRODUCTS, .n = 4, .out = 41, .more = 0, .terms = 4},
    {.op = AGI_OP_PRODUCTS, .n = 1, .out = 45, .more = 4, .terms = 1},
    {.op = AGI_OP_PRODUCTS, .n = 4, .out = 45, .more = 5, .terms = 1},
    {.op = AGI_logsumexp, .n = 1, .out = 46, .more = 0},
    {.op = AGI_dot, .n = 1, .out = 47, .more = 1},
    {.op = AGI_linear, .n = 1, .out = 48, .more = 2},
    {.op = AGI_CLOSURE, .n = 1, .out = 49, .more = 3},
    {.op = AGI_OP_SCAN, .n = 1, .out = 50, .more = 0},
    {.op = AGI_OP_SCAN, .n = 1, .out = 50, .more = 1},
    {.op = AGI_OP_STORE, .n = 3, .out = 0, .out_stride = 1, .x = {SLOTS(46, 1)}},
    {.op = AGI_OP_STORE, .n = 2, .out = 4, .out_stride = 3, .x = {SLOTS(46, 0)}},
    {.op = AGI_OP_SUMS, .first = true, .n = 1, .out = 0, .out_stride = 1, .x = {SLOTS(46, 0)}},
    {.op = AGI_OP_SUMS, .n = 1, .out = 1, .out_stride = 1, .x = {SLOTS(47, 0)}},
    {.op = AGI_OP_OUTER, .n = 16, .more = 0},
    {.op = AGI_OP_OUTER, .n = 2, .more = 1},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SECTION(array, n)                                                                          \
    {                                                                                              \
        .instructions = (agi_instruction *)(uintptr_t)(array), .count = COUNT(array), .slots = n   \
    }

static const char expected[] =
    "takes 90 shared: ..., a name of 16 chr, ..., w, ...; 4 each: x, y, ..., t\n"
    "gives 81 sum: loss, ...; 8 map; 2 once: ..., prior\n"
    "once, 3 slots\n"
    "  u0                square shared[3] (w)\n"
    "  u1..u2            add u0, (2, 3)\n"
    "  check             lt shared[3] (w), u2 is true: lt(w, #4)\n"
    "  once[0]           u2\n"
    "  once[1] (prior)   u0\n"
    "check, 64 samples at a time, 1 slot\n"
    "  s0                each[1]: y\n"
    "  check             gt s0, shared[3] (w) is false: gt(x, w)\n"
    "body, 64 samples at a time, 153 slots\n"
    "  s0..s3            each[0..3]: x, y, ..., t\n"
    "  s4..s19           affine 16 x 4: shared[5 i + j] * s0..s3 + shared[4 + 5 i]\n"
    "  s4..s5            affine 2 x 6, chain: constants[40 + i - 7 j] * s{4, 9, 2, 7, ... 6 in "
    "all} + itself\n"
    "  s4..s6            affine 3 x 1: u[i] * s{4}\n"
    "  s20..s35          tanh s4..s19\n"
    "  s36..s38          mul s[34 - 2 i], (0.5, 3, 5)\n"
    "  s36..s41          add s34, (0.5, 2, 3, 4, ... 6 in all)\n"
    "  s39               select s0, s1, u2\n"
    "  s40               copy shared[1] (a name of 16 chr)\n"
    "  s41..s44          s0..s3 * shared[3] (w) - 0.5 * s4..s7 - chain(s8..s11, s[20 - 2 i]) + "
    "2\n"
    "  s45               sum r<10 (s5..s14 * shared[7 + 3 r])\n"
    "  s45..s48          sum r<10 chain(s[5 + i + 2 r], u2)\n"
    "  s46               logsumexp s3..s6\n"
    "  s47               dot s{4, 9, 2} * shared[1 + 2 i]\n"
    "  s48               linear 1.5 + (-1, 0, 1) * s3..s5\n"
    "  s49               mine s{11, 3}\n"
    "  s50..s152         scan, 100 steps of 7 instructions, shared shared[0..1], state s0..s2, "
    "inputs s[3 + t], s[4 + 2 i - 4 t], one elsewhere at each step\n"
    "  s50               scan, 1 step of 7 instructions, shared shared[0..1], s0..s2, s[3 + t], "
    "s[4 + 2 i - 4 t], ...\n"
    "  map[0..2]         s46..s48\n"
    "  map[4 + 3 i] i<2  s46\n"
    "  sum[0] (loss)     s46\n"
    "  sum[1]            s47 + itself\n"
    "  sum[1..80]        outer 16 x 5: s50..s65 * s0..s4\n"
    "  sum[7 + i + 2 j]  outer 2 x 4, chain: -2 * s{2, 7} * each[3..6] + itself\n"
    "29 instructions (3 affine, 2 outer, 7 runs) for 500 gates\n";

/* Print reads only. */
static void *unlock(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

static ag_program make_program(char **names, uint32_t *once_slots)
{
    return (ag_program){
        .info = {.shared_count = 90,
                 .each_count = 4,
                 .sum_count = 81,
                 .map_count = 8,
                 .once_count = 2,
                 .gates = 500,
                 .instructions = COUNT(once) + COUNT(check) + COUNT(body),
                 .affine = 3,
                 .outer = 2,
                 .runs = 7},
        .records = {.lists = unlock(lists),
                    .factors = unlock(factors),
                    .affine = unlock(affine),
                    .outer = unlock(outer),
                    .folds = unlock(folds),
                    .scans = unlock(scans),
                    .pieces = unlock(pieces),
                    .closures = unlock(closures),
                    .numbers = unlock(numbers),
                    .texts = unlock(texts)},
        .once = SECTION(once, 3),
        .check = SECTION(check, 1),
        .body = SECTION(body, 153),
        .constants = unlock(constants),
        .once_slots = once_slots,
        .lanes = 64,
        .names = names,
    };
}

static void read_back(FILE *file, char *text, size_t size)
{
    rewind(file);
    const size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
}

static void test_every_instruction(void **state)
{
    (void)state;
    char *names[90 + 4 + 81 + 8 + 2] = {NULL};
    uint32_t once_slots[] = {2, 0};
    char sixteen[] = "a name of 16 chr", longer[] = "a name of 17 chars", w[] = "w", x[] = "x";
    char y[] = "y", t[] = "t", loss[] = "loss", prior[] = "prior";
    names[1] = sixteen;
    names[2] = longer;
    names[3] = w;
    names[90] = x;
    names[91] = y;
    names[93] = t;
    names[94] = loss;
    names[90 + 4 + 81 + 8 + 1] = prior;
    const ag_program program = make_program(names, once_slots);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ag_program_print(&program, file), AG_OK);
    char text[2 * sizeof(expected)];
    read_back(file, text, sizeof(text));
    fclose(file);
    assert_string_equal(text, expected);
}

static void test_nothing_to_print(void **state)
{
    (void)state;
    static const char nothing[] = "takes nothing\n"
                                  "gives 1 map\n"
                                  "1 instruction (0 affine, 0 outer, 0 runs) for 0 gates\n";
    const ag_program program = {.info = {.map_count = 1, .instructions = 1}};
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ag_program_print(&program, file), AG_OK);
    char text[2 * sizeof(nothing)];
    read_back(file, text, sizeof(text));
    fclose(file);
    assert_string_equal(text, nothing);
    assert_int_equal(ag_program_print(&program, NULL), AG_INVALID_ARGUMENT);
    assert_int_equal(ag_program_print(NULL, stdout), AG_INVALID_ARGUMENT);
}

/* A file that can't be written to. */
static void test_full_disk(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    if (file == NULL)
        skip();
    const ag_program program = {.info = {.map_count = 1}};
    assert_int_equal(ag_program_print(&program, file), AG_IO);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_instruction),
        cmocka_unit_test(test_nothing_to_print),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
