/* SPDX-License-Identifier: MIT
 *
 * Loops with a derivative inside and another one around, as particle and saddle have them: the
 * inner one is a part of each step, the outer one is that of an objective with respect to the
 * parameters, through all steps. Each goes forward or in reverse, which makes four functions:
 *
 *     outer  forward: tangents of the state, for each parameter, go along with the steps;
 *            reverse: the steps' states are kept, and adjoints go through them backwards
 *     inner  forward: ag_jvp, once for each direction; reverse: ag_gradient
 *
 * Only a step is recorded. How many there are, and which of them are taken, is decided by plain code
 * on plain numbers, which makes no difference to the derivative.
 */
#ifndef GRADBENCH_NESTED_H
#define GRADBENCH_NESTED_H

#include "gradbench.h"

/* Functions of a workload: outer, then inner. */
#define NESTED_FUNCTIONS                                                                           \
    {                                                                                              \
        "ff", "fr", "rf", "rr"                                                                     \
    }

enum {
    NESTED_MOST = 4, /* parameters, and numbers of a state, at most */
};

/* What a step starts from. The size is a constant to all derivatives. */
typedef struct nested_point {
    const ag_value *parameters;
    const ag_value *state;
    ag_value size;
} nested_point;

typedef struct nested_loop {
    size_t parameters, state;
    size_t seen; /* results that are there for the judge alone */
    /* Sets results to the next state, the objective there, and what is to be seen. `forward` is for
     * nested_gradient. */
    void (*record_step)(ag_graph *graph, bool forward, const nested_point *from, ag_value *results);
} nested_loop;

/* The gradient of root, forward or in reverse. */
void nested_gradient(bool forward, ag_value root, size_t n, const ag_value *wrt,
                     ag_value *gradient);

typedef enum nested_verdict {
    NESTED_TAKE,
    NESTED_LAST,   /* take it, and end here */
    NESTED_REFUSE, /* leave it, and try another size */
    NESTED_END,    /* leave it, and end here */
} nested_verdict;

/* Looks at each step by its numbers; `size` is that of the next one. */
typedef struct nested_judge {
    nested_verdict (*judge)(struct nested_judge *self, const double *state, const double *results);
    double size;
} nested_judge;

typedef struct nested_runner nested_runner;

/* Ways to take steps: as programs, and on the tape. The task's function says how to derive. */
nested_runner *nested_prepare_program(const gb_task *task, const nested_loop *loop,
                                      gb_error *error);
nested_runner *nested_prepare_tape(const gb_task *task, const nested_loop *loop);
void nested_free(void *runner);

/* Takes steps to the end: sets state to the last one, value to the objective there and, unless it is
 * NULL, gradient to the objective's. */
bool nested_run(nested_runner *runner, nested_judge *judge, const double *parameters, double *state,
                double *value, double *gradient, gb_error *error);

/* ---- Gradient descent ------------------------------------------------------------------------ */

/* Steps are small at first; when ten in a row have lowered the objective, the size doubles; one that
 * doesn't lower it is not taken, and halves the size. Begins as zeros: a step of size 0, that is
 * taken, finds the objective at the start. */
typedef struct nested_descent {
    double size;
    double value; /* of the objective, where it stands */
    int lowered;  /* steps in a row */
} nested_descent;

/* About a step from x, with the gradient there, to y. */
nested_verdict nested_descend(nested_descent *descent, size_t n, const double *x,
                              const double *gradient, const double *y, double value_at_y);

typedef bool (*nested_objective)(void *context, const double *x, double *value, double *gradient,
                                 gb_error *error);

/* Descends from x, n numbers, and sets x to where that ends. */
bool nested_minimise(nested_objective objective, void *context, size_t n, double *x,
                     gb_error *error);

#endif
