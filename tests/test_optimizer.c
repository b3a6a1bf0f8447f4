/* SPDX-License-Identifier: MIT
 *
 * The optimisers' steps against their published recursions, written here once more in long double.
 */
#include "nn_testing.h"

enum {
    N = 4,
    STEPS = 50
};

/* A gradient that has nothing to do with the parameters, so that errors don't cancel. */
static void draw(nn_random *random, ag_real *gradient)
{
    for (size_t i = 0; i < N; i++)
        gradient[i] = (ag_real)nn_random_normal(random);
}

static void check_sgd(double momentum, double decay)
{
    nn_optimizer sgd = nn_sgd(0.1);
    assert_string_equal(sgd.name, "sgd");
    assert_int_equal(sgd.state_count, 1);
    assert_true(sgd.momentum == 0 && sgd.weight_decay == 0);
    sgd.momentum = momentum;
    sgd.weight_decay = decay;
    ag_real p[N] = {1, -2, 3, 0}, g[N], state[N] = {0};
    long double q[N] = {1, -2, 3, 0}, v[N] = {0};
    nn_random random = nn_random_seed(31);
    for (uint64_t t = 1; t <= STEPS; t++) {
        draw(&random, g);
        sgd.step(&sgd, N, p, g, state, t);
        for (size_t i = 0; i < N; i++) {
            v[i] = (long double)momentum * v[i] + (long double)g[i] + (long double)decay * q[i];
            q[i] -= 0.1L * v[i];
            assert_close(p[i], q[i], STEPS * ROUNDING);
        }
    }
}

static void test_sgd(void **state)
{
    (void)state;
    check_sgd(0, 0);
    check_sgd(0.9, 0);
    check_sgd(0, 0.01);
    check_sgd(0.5, 0.1);
}

static void check_adam(double decay)
{
    nn_optimizer adam = nn_adam(0.01);
    assert_string_equal(adam.name, "adam");
    assert_int_equal(adam.state_count, 2);
    assert_true(adam.beta1 == 0.9 && adam.beta2 == 0.999 && adam.epsilon == 1e-8);
    adam.weight_decay = decay;
    ag_real p[N] = {1, -2, 3, 0}, g[N], state[2 * N] = {0};
    long double q[N] = {1, -2, 3, 0}, m[N] = {0}, v[N] = {0};
    nn_random random = nn_random_seed(32);
    for (uint64_t t = 1; t <= STEPS; t++) {
        draw(&random, g);
        adam.step(&adam, N, p, g, state, t);
        for (size_t i = 0; i < N; i++) {
            const long double gradient = (long double)g[i] + (long double)decay * q[i];
            m[i] = 0.9L * m[i] + 0.1L * gradient;
            v[i] = 0.999L * v[i] + 0.001L * gradient * gradient;
            const long double mean = m[i] / (1 - powl(0.9L, t));
            const long double square = v[i] / (1 - powl(0.999L, t));
            q[i] -= 0.01L * mean / (sqrtl(square) + 1e-8L);
            /* 1 - 0.999^t and 1 - 0.999 lose three digits */
            assert_close(p[i], q[i], 1000 * ROUNDING);
        }
    }
}

static void test_adam(void **state)
{
    (void)state;
    check_adam(0);
    check_adam(0.1);
}

/* The first step of Adam has the size of the rate, whatever the gradient's. */
static void test_first_step_of_adam(void **state)
{
    (void)state;
    const nn_optimizer adam = nn_adam(0.25);
    ag_real p[N] = {0}, memory_of_it[2 * N] = {0};
    const ag_real g[N] = {(ag_real)1e-3, -1000, 5, 0};
    adam.step(&adam, N, p, g, memory_of_it, 1);
    assert_close(p[0], -0.25 / (1 + 1e-8 / 1e-3), 1000 * ROUNDING);
    assert_close(p[1], 0.25 / (1 + 1e-8 / 1000), 1000 * ROUNDING);
    assert_close(p[2], -0.25 / (1 + 1e-8 / 5), 1000 * ROUNDING);
    assert_true(p[3] == 0);
}

/* Both find the lowest point of (p - 3)^2 / 2. */
static void test_descent(void **state)
{
    (void)state;
    nn_optimizer rules[] = {nn_sgd(0.1), nn_sgd(0.05), nn_adam(0.1)};
    rules[1].momentum = 0.8;
    for (size_t k = 0; k < 3; k++) {
        ag_real p = -5, scratch[2] = {0};
        for (uint64_t t = 1; t <= 2000; t++) {
            const ag_real gradient = p - 3;
            rules[k].step(&rules[k], 1, &p, &gradient, scratch, t);
        }
        assert_close(p, 3, 1e-4);
    }
}

/* One number that is not finite, anywhere among any number of them. */
static void test_all_finite(void **state)
{
    (void)state;
    enum {
        MOST = 40
    };
    ag_real numbers[MOST];
    const ag_real huge = sizeof(ag_real) == sizeof(float) ? (ag_real)3e38 : (ag_real)1.7e308;
    const ag_real bad[] = {(ag_real)NAN, (ag_real)INFINITY, (ag_real)-INFINITY};
    for (size_t i = 0; i < MOST; i++)
        numbers[i] = i % 2 == 0 ? huge : -huge / 2;
    for (size_t n = 0; n < MOST; n++) {
        assert_true(nni_all_finite(n, numbers));
        for (size_t i = 0; i < 3 * n; i++) {
            const ag_real kept = numbers[i / 3];
            numbers[i / 3] = bad[i % 3];
            assert_false(nni_all_finite(n, numbers));
            numbers[i / 3] = kept;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_first_step_of_adam),
        cmocka_unit_test(test_descent),
        cmocka_unit_test(test_all_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
