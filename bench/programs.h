/* SPDX-License-Identifier: MIT
 *
 * Functions of many numbers, each as C loops by hand and as a recording, for programs.c.
 */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <wengert/autograd.h>

enum {
    LORENZ_INPUTS = 6, /* the state, sigma, rho, beta */
    LORENZ_STEPS = 1000,
    ODE_SIZE = 400,
    ODE_STEPS = 1000,
    ROSENBROCK_SIZE = 1000,
    SUM_SIZE = 100000,
    NET_WIDTH = 64,
    NET_PARAMETERS = 2 * NET_WIDTH * (NET_WIDTH + 1) + NET_WIDTH + 1,
    NET_INPUTS = NET_PARAMETERS + NET_WIDTH + 1, /* the sample and its target behind them */
};

/* Steps of the two equations, exact in any number type. */
#define LORENZ_STEP (1.0 / 128)
#define ODE_STEP (5.0 / 32)

/* By hand: the value; its gradient in *gradient (of the net: of the parameters). */
double hand_lorenz(const double *x, double *gradient);
double hand_ode(const double *x, double *gradient);
double hand_rosenbrock(const double *x, double *gradient);
double hand_logsumexp(const double *x, double *gradient);
double hand_net(const double *x, double *gradient);

/* Recorded: flat, every step after the other; scan, with a program for one step. */
ag_value record_lorenz_flat(ag_graph *graph, const ag_value *x);
ag_value record_lorenz_scan(ag_graph *graph, const ag_value *x);
ag_value record_ode_scan(ag_graph *graph, const ag_value *x);
ag_value record_rosenbrock(ag_graph *graph, const ag_value *x);
ag_value record_logsumexp(ag_graph *graph, const ag_value *x);
ag_value record_net(ag_graph *graph, const ag_value *x);

#endif
