/* SPDX-License-Identifier: MIT
 *
 * The words of the gate table as builders of nodes: each local gradient is a list of steps, operands
 * before what is done with them, and agi_build carries it out on a stack of nodes and plain numbers.
 * Steps are data, so nodes are made in the order in which a formula reads, whatever order a compiler
 * evaluates arguments in. What becomes of local gradients is derive.c's business.
 */
#ifndef WENGERT_FORMULA_H
#define WENGERT_FORMULA_H

#include "engine.h"

/* ---- Formulas -------------------------------------------------------------------------------- */

typedef enum agi_step_kind {
    AGI_WORD_END,
    AGI_WORD_NUMBER,
    AGI_WORD_LETTER,
    AGI_WORD_UNTAKEN,
    AGI_WORD_FIRST,    /* of one operand: whether it is the first largest */
    AGI_WORD_UPSTREAM, /* of one operand: an upstream gradient, itself the local one */
    AGI_WORD_ONE,      /* a gate of one operand */
    AGI_WORD_TWO,      /* a gate of two */
    AGI_WORD_EQUAL,    /* of two: a condition */
    AGI_WORD_NOT,      /* of a condition */
    AGI_WORD_IF,       /* of a condition and two */
} agi_step_kind;

/* What the table's letters stand for in the gate at hand. */
typedef enum agi_letter {
    AGI_LETTER_X,
    AGI_LETTER_W,
    AGI_LETTER_A,
    AGI_LETTER_B,
    AGI_LETTER_C,
    AGI_LETTER_Y,
    AGI_LETTERS
} agi_letter;

typedef struct agi_step {
    agi_step_kind kind;
    union {
        ag_real number;
        agi_letter letter;
        ag_value (*one)(ag_value);
        ag_value (*two)(ag_value, ag_value);
    };
} agi_step;

/* The k-th local gradient of each gate; gates over any number of operands have one for all of them,
 * with x the operand at hand. NULL where there is none. */
extern const agi_step *const agi_local_formulas[AGI_GATE_COUNT][3];

/* ---- Building -------------------------------------------------------------------------------- */

/* A node; or a plain number, which becomes a constant where a gate wants a node. As a condition it
 * holds where it is not 0, or if negated, where it is 0. */
typedef struct agi_atom {
    ag_real number;
    uint32_t node;
    bool is_number;
    bool negated;
} agi_atom;

typedef struct agi_partial {
    agi_atom value;
    agi_atom taken;   /* a condition: whether the gate looks at the operand */
    bool is_upstream; /* value is an upstream gradient, for ag_couple instead of ag_chain */
} agi_partial;

enum {
    AGI_KEPT_CONSTANTS = 64
};

typedef struct agi_builder {
    ag_graph *graph;
    agi_atom letters[AGI_LETTERS];
    agi_atom first; /* a condition: what FIRST says */
    struct {
        ag_real number;
        uint32_t index;
    } constants[AGI_KEPT_CONSTANTS]; /* of its own making, by a hash of the number */
} agi_builder;

void agi_begin_building(agi_builder *builder, ag_graph *graph);

static inline agi_atom agi_number_atom(ag_real number)
{
    return (agi_atom){.number = number, .is_number = true};
}

static inline agi_atom agi_node_atom(uint32_t node)
{
    return (agi_atom){.node = node};
}

static inline bool agi_is_number(agi_atom atom, ag_real number)
{
    return atom.is_number && !atom.negated && atom.number == number;
}

/* A number if the node is a constant that this builder made; a node otherwise: a caller's constant
 * may be set to something else. */
agi_atom agi_recall_atom(const agi_builder *builder, uint32_t node);
ag_value agi_get_node(agi_builder *builder, agi_atom atom);
/* p where the condition holds, else q. */
agi_atom agi_choose(agi_builder *builder, agi_atom condition, agi_atom p, agi_atom q);

/* What the formula says of the letters. On an error the graph has it, and nodes are null. */
agi_partial agi_build(agi_builder *builder, const agi_step *formula);

/* Sets builder->first for the operand that x stands for; to be asked for each operand in turn, with
 * `seen`, whether the first largest is among those before, a 0 at first. */
void agi_build_first(agi_builder *builder, agi_atom *seen);
bool agi_asks_first(const agi_step *formula);

#endif
