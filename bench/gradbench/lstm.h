/* SPDX-License-Identifier: MIT
 *
 * The input of lstm, for what computes it.
 */
#ifndef LSTM_H
#define LSTM_H

#include "gradbench.h"

enum {
    LSTM_OBJECTIVE,
    LSTM_JACOBIAN
};

/* Gates of a cell, in the order in which their weights and biases stand. */
enum {
    FORGET,
    INGATE,
    OUTGATE,
    CHANGE,
    GATES
};

/* Rows behind the layers' parameters. */
enum {
    IN_WEIGHT,
    OUT_WEIGHT,
    OUT_BIAS,
    EXTRA
};

typedef struct lstm_input {
    /* main: 2 layers x 4 width, weights and biases in turn; extra: 3 x width; state: 2 layers x
     * width, hidden and cell in turn; sequence: length x width */
    gb_list all;
    size_t layers, width, length;
} lstm_input;

extern const gb_way lstm_hand;

#endif
