/* SPDX-License-Identifier: MIT
 *
 * Irregular graphs from a seed: every gate of the table, with gradients, random roles, outputs that
 * are inputs or constants or stand there twice, comparisons. Compiled, plain and recorded they have
 * to say the same.
 */
#include "random_problem.h"

enum {
    SEEDS = 1000
};

static void check_seed(uint64_t seed)
{
    static const size_t sizes[] = {1, 5, 64, 100, 17, 2};
    problem *p = make_problem(seed);
    ag_program *program = compile(p, false), *plain = compile(p, true);
    check_batch(p, program, plain, sizes[draw_below(p, 6)],
                (source){-1.5, 1.5, seed % 2 == 0 ? 0 : 10});
    ag_program_free(program);
    ag_program_free(plain);
    free_problem(p);
}

static void test_random_graphs(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        check_seed(seed);
    assert_true(seen.bounded > seen.numbers / 2);
    assert_true(seen.branches > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
