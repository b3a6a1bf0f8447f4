/* SPDX-License-Identifier: MIT
 *
 * The functions of programs.h recorded with scalar gates, as their users would write them.
 */
#include "programs.h"
#include "record.h"

#include <wengert/program.h>

#include <stdlib.h>

static ag_value number(ag_graph *graph, double x)
{
    return ag_constant(graph, (ag_real)x);
}

/* Compiles one step of an equation, applies it `steps` times to `state`, which is left behind as
 * final; outputs are the next state. The values given stand for parameters and state in the
 * program. */
static void scan(ag_graph *graph, size_t steps, size_t parameters, const ag_value *own_parameters,
                 size_t n, const ag_value *own_state, const ag_value *next,
                 const ag_value *given_parameters, const ag_value *state, ag_value *final)
{
    const ag_signature signature = {
        .shared = own_parameters,
        .shared_count = parameters,
        .each = own_state,
        .each_count = n,
        .map = next,
        .map_count = n,
    };
    ag_program *step = ag_compile(&signature, NULL);
    const ag_scan_arrays arrays = {
        .shared = given_parameters,
        .state = state,
        .final_state = final,
    };
    if (step == NULL)
        (void)ag_set_error(graph, AG_INVALID_ARGUMENT, ag_error_message(next[0].graph));
    else
        (void)ag_scan(graph, step, steps, n, &arrays);
    ag_program_free(step);
}

/* ---- Lorenz ---------------------------------------------------------------------------------- */

/* p: sigma, rho, beta */
static void slope(const ag_value *u, const ag_value *p, ag_value *k)
{
    k[0] = ag_mul(p[0], ag_sub(u[1], u[0]));
    k[1] = ag_sub(ag_mul(u[0], ag_sub(p[1], u[2])), u[1]);
    k[2] = ag_sub(ag_mul(u[0], u[1]), ag_mul(p[2], u[2]));
}

static void advance(const ag_value *state, double factor, const ag_value *k, ag_value *u)
{
    for (int i = 0; i < 3; i++)
        u[i] = ag_add(state[i], ag_scale(k[i], (ag_real)factor));
}

static void step_lorenz(const ag_value *state, const ag_value *p, ag_value *next)
{
    const double h = LORENZ_STEP;
    ag_value k1[3], k2[3], k3[3], k4[3], u[3];
    slope(state, p, k1);
    advance(state, h / 2, k1, u);
    slope(u, p, k2);
    advance(state, h / 2, k2, u);
    slope(u, p, k3);
    advance(state, h, k3, u);
    slope(u, p, k4);
    for (int i = 0; i < 3; i++) {
        const ag_value outer = ag_add(k1[i], k4[i]), inner = ag_add(k2[i], k3[i]);
        next[i] = ag_add(state[i], ag_scale(ag_add(outer, ag_scale(inner, 2)), (ag_real)(h / 6)));
    }
}

ag_value record_lorenz_flat(ag_graph *graph, const ag_value *x)
{
    (void)graph;
    ag_value state[2][3] = {{x[0], x[1], x[2]}};
    for (int i = 0; i < LORENZ_STEPS; i++)
        step_lorenz(state[i % 2], x + 3, state[(i + 1) % 2]);
    return ag_sum(3, state[LORENZ_STEPS % 2]);
}

ag_value record_lorenz_scan(ag_graph *graph, const ag_value *x)
{
    ag_graph *own = ag_graph_new(NULL);
    ag_value *u = bench_make_variables(own, LORENZ_INPUTS), next[3], final[3];
    step_lorenz(u, u + 3, next);
    scan(graph, LORENZ_STEPS, 3, u + 3, 3, u, next, x + 3, x, final);
    free(u);
    ag_graph_free(own);
    return ag_sum(3, final);
}

/* ---- The equation of 400 components ---------------------------------------------------------- */

static void find_slopes(const ag_value *x, const ag_value *y, ag_value *k)
{
    k[0] = x[0];
    for (int i = 1; i < ODE_SIZE; i++)
        k[i] = ag_mul(x[i], y[i - 1]);
}

static void step_ode(const ag_value *x, const ag_value *y, ag_value *next)
{
    const double factors[] = {ODE_STEP / 2, ODE_STEP / 2, ODE_STEP};
    static ag_value k[4][ODE_SIZE], u[ODE_SIZE];
    find_slopes(x, y, k[0]);
    for (int stage = 0; stage < 3; stage++) {
        for (int i = 0; i < ODE_SIZE; i++)
            u[i] = ag_add(y[i], ag_scale(k[stage][i], (ag_real)factors[stage]));
        find_slopes(x, u, k[stage + 1]);
    }
    for (int i = 0; i < ODE_SIZE; i++) {
        const ag_value outer = ag_add(k[0][i], k[3][i]), inner = ag_add(k[1][i], k[2][i]);
        next[i] =
            ag_add(y[i], ag_scale(ag_add(outer, ag_scale(inner, 2)), (ag_real)(ODE_STEP / 6)));
    }
}

ag_value record_ode_scan(ag_graph *graph, const ag_value *x)
{
    static ag_value next[ODE_SIZE], start[ODE_SIZE], final[ODE_SIZE];
    ag_graph *own = ag_graph_new(NULL);
    ag_value *own_x = bench_make_variables(own, ODE_SIZE);
    ag_value *own_y = bench_make_variables(own, ODE_SIZE);
    step_ode(own_x, own_y, next);
    for (int i = 0; i < ODE_SIZE; i++)
        start[i] = number(graph, 0);
    scan(graph, ODE_STEPS, ODE_SIZE, own_x, ODE_SIZE, own_y, next, x, start, final);
    free(own_x);
    free(own_y);
    ag_graph_free(own);
    return final[ODE_SIZE - 1];
}

/* ---- Functions ------------------------------------------------------------------------------- */

ag_value record_rosenbrock(ag_graph *graph, const ag_value *x)
{
    const ag_value one = number(graph, 1);
    ag_value sum = number(graph, 0);
    for (int i = 0; i < ROSENBROCK_SIZE - 1; i++) {
        const ag_value a = ag_square(ag_sub(x[i + 1], ag_square(x[i])));
        sum = ag_add(sum, ag_add(ag_scale(a, 100), ag_square(ag_sub(one, x[i]))));
    }
    return sum;
}

ag_value record_logsumexp(ag_graph *graph, const ag_value *x)
{
    (void)graph;
    return ag_logsumexp(SUM_SIZE, x);
}

ag_value record_net(ag_graph *graph, const ag_value *x)
{
    static const int sizes[] = {NET_WIDTH, NET_WIDTH, NET_WIDTH, 1};
    (void)graph;
    return bench_record_net(3, sizes, false, x, x + NET_PARAMETERS);
}
