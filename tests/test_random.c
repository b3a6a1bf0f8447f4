/* SPDX-License-Identifier: MIT
 *
 * The random numbers: known ones, their range and distribution, and that a seed repeats. The seeds
 * are fixed, so a bound that holds once holds always; each is several standard deviations wide.
 */
#include "nn_testing.h"

/* The numbers of the reference implementation, S. Vigna's splitmix64.c, for this seed. */
static void test_known_numbers(void **state)
{
    (void)state;
    nn_random random = nn_random_seed(1234567);
    assert_true(nn_random_next(&random) == UINT64_C(6457827717110365317));
    assert_true(nn_random_next(&random) == UINT64_C(3203168211198807973));
    assert_true(nn_random_next(&random) == UINT64_C(9817491932198370423));
    assert_true(nn_random_next(&random) == UINT64_C(4593380528125082431));
    assert_true(nn_random_next(&random) == UINT64_C(16408922859458223821));
}

static void test_seeds_repeat(void **state)
{
    (void)state;
    nn_random a = nn_random_seed(7), b = nn_random_seed(7), c = nn_random_seed(8);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        const double x = nn_random_normal(&a), y = nn_random_normal(&b);
        assert_memory_equal(&x, &y, sizeof(x));
        same += x == nn_random_normal(&c);
    }
    assert_int_equal(same, 0);
}

static void test_uniform(void **state)
{
    (void)state;
    enum {
        N = 100000
    };
    nn_random random = nn_random_seed(1);
    int tenths[10] = {0};
    for (int i = 0; i < N; i++) {
        const double u = nn_random_uniform(&random);
        assert_true(u >= 0 && u < 1);
        assert_true(u * 0x1p53 == floor(u * 0x1p53));
        tenths[(int)(u * 10)]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], N / 10 - 500, N / 10 + 500); /* 5 deviations of 95 */
    /* the largest number of the generator does not become 1 */
    assert_true((double)(UINT64_MAX >> 11) * 0x1p-53 < 1);
}

static void test_normal(void **state)
{
    (void)state;
    enum {
        N = 100000
    };
    nn_random random = nn_random_seed(2);
    double moments[5] = {0};
    int within = 0;
    for (int i = 0; i < N; i++) {
        const double x = nn_random_normal(&random);
        assert_true(isfinite(x));
        within += fabs(x) < 1;
        for (int power = 1; power <= 4; power++)
            moments[power] += pow(x, power) / N;
    }
    assert_close(moments[1], 0, 0.016); /* deviations of the estimates: 0.0032, */
    assert_close(moments[2], 1, 0.023); /* 0.0045, */
    assert_close(moments[3], 0, 0.062); /* 0.0123, */
    assert_close(moments[4], 3, 0.052); /* 0.031 */
    assert_close((double)within / N, 0.682689492, 0.0075);
}

static void test_below(void **state)
{
    (void)state;
    nn_random random = nn_random_seed(3);
    assert_int_equal(nn_random_below(&random, 0), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(nn_random_below(&random, 1), 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[nn_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 10000 - 470, 10000 + 470);
    /* A remainder alone would put half of these into the lower third of the range. */
    const size_t third = SIZE_MAX / 4 + 1;
    int low = 0;
    for (int i = 0; i < 30000; i++)
        low += nn_random_below(&random, 3 * third) < third;
    assert_in_range(low, 10000 - 410, 10000 + 410);
}

static void test_shuffle(void **state)
{
    (void)state;
    nn_random random = nn_random_seed(4);
    size_t order[100];
    bool seen[100] = {false};
    for (size_t i = 0; i < 100; i++)
        order[i] = i;
    nn_random_shuffle(&random, 100, order);
    for (size_t i = 0; i < 100; i++) {
        assert_true(order[i] < 100 && !seen[order[i]]);
        seen[order[i]] = true;
    }
    int counts[27] = {0}, kinds = 0;
    for (int i = 0; i < 60000; i++) {
        size_t three[3] = {0, 1, 2};
        nn_random_shuffle(&random, 3, three);
        counts[three[0] + 3 * three[1] + 9 * three[2]]++;
    }
    for (int i = 0; i < 27; i++) {
        if (counts[i] == 0)
            continue;
        kinds++;
        assert_in_range(counts[i], 10000 - 460, 10000 + 460);
    }
    assert_int_equal(kinds, 6);
    nn_random_shuffle(&random, 0, NULL);
}

static void check_weights(size_t n, const ag_real *weights, double limit)
{
    double largest = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        const double w = (double)weights[i];
        largest = fmax(largest, fabs(w));
        sum += w;
        squares += w * w;
    }
    assert_true(largest <= limit * (1 + ROUNDING) && largest > 0.99 * limit);
    assert_close(sum / (double)n, 0, 0.05 * limit);
    assert_close(squares / (double)n / (limit * limit / 3), 1, 0.05);
}

static void test_init(void **state)
{
    (void)state;
    enum {
        N = 5000
    };
    ag_real weights[N];
    nn_random random = nn_random_seed(5);
    nn_init_glorot(&random, 50, 100, N, weights);
    check_weights(N, weights, 0.2); /* sqrt(6 / 150) */
    nn_init_he(&random, 600, N, weights);
    check_weights(N, weights, 0.1); /* sqrt(6 / 600) */
    nn_init_he(&random, 0, 0, weights);
    nn_init_glorot(&random, SIZE_MAX, SIZE_MAX, 1, weights);
    assert_true(fabs((double)weights[0]) < 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_numbers), cmocka_unit_test(test_seeds_repeat),
        cmocka_unit_test(test_uniform),       cmocka_unit_test(test_normal),
        cmocka_unit_test(test_below),         cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
