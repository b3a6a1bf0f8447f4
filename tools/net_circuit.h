/* SPDX-License-Identifier: MIT
 *
 * A saved net as a circuit: from features to the probability of the class it predicts.
 */
#ifndef WENGERT_NET_CIRCUIT_H
#define WENGERT_NET_CIRCUIT_H

#include "circuit.h"

/* Whether the first operand is a net's file, by its ending. */
bool names_net(const command_line *arguments);

/* As open_circuit, for MODEL [FEATURE=NUMBER]...; a feature that is not given has its mean. The
 * standardisation, each layer and the softmax are scopes; weights have no names. */
int open_net_circuit(circuit *circuit, const command_line *arguments);

#endif
