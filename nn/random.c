/* SPDX-License-Identifier: MIT
 *
 * Random numbers with explicit state, and the weights a layer begins with. One small generator,
 * good for initial weights and shuffles; not for cryptography.
 */
#include <wengert/nn.h>

#include <math.h>

nn_random nn_random_seed(uint64_t seed)
{
    return (nn_random){seed};
}

uint64_t nn_random_next(nn_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double nn_random_uniform(nn_random *random)
{
    return (double)(nn_random_next(random) >> 11) * 0x1p-53;
}

double nn_random_normal(nn_random *random)
{
    const double radius = sqrt(-2 * log(1 - nn_random_uniform(random))); /* 1 - u is never 0 */
    return radius * cos(6.283185307179586476925 * nn_random_uniform(random));
}

size_t nn_random_below(nn_random *random, size_t n)
{
    if (n == 0)
        return 0;
    /* 2^64 mod n numbers too many for the remainders to be equally likely: draw again for those
     * (which are below n: a division is rarely needed to tell) */
    uint64_t number;
    do
        number = nn_random_next(random);
    while (number < n && number < (UINT64_MAX - n + 1) % n);
    return (size_t)(number % n);
}

void nn_random_shuffle(nn_random *random, size_t n, size_t *order)
{
    for (size_t left = n; left > 1; left--) {
        const size_t i = nn_random_below(random, left);
        const size_t moved = order[left - 1];
        order[left - 1] = order[i];
        order[i] = moved;
    }
}

static void draw(nn_random *random, double limit, size_t n, ag_real *weights)
{
    for (size_t i = 0; i < n; i++)
        weights[i] = (ag_real)(limit * (2 * nn_random_uniform(random) - 1));
}

void nn_init_glorot(nn_random *random, size_t fan_in, size_t fan_out, size_t n, ag_real *weights)
{
    draw(random, sqrt(6 / ((double)fan_in + (double)fan_out)), n, weights);
}

void nn_init_he(nn_random *random, size_t fan_in, size_t n, ag_real *weights)
{
    draw(random, sqrt(6 / (double)fan_in), n, weights);
}
