/* SPDX-License-Identifier: MIT
 *
 * The engine without an operating system: a graph in a static buffer, two expressions, and training
 * steps of a net 4-16-3 by ag_backward. The same file runs on a host, which says what the numbers
 * should be.
 */
#include "report.h"

#include <wengert/autograd.h>

#include <stdint.h>

enum {
    INPUTS = 4,
    HIDDEN = 16,
    CLASSES = 3,
    PARAMETERS = HIDDEN * (INPUTS + 1) + CLASSES * (HIDDEN + 1),
    SAMPLES = 6,
    STEPS = 60,
    /* parameters, inputs with a 1, two gates for each hidden neuron, one for each class, the loss */
    NODES = PARAMETERS + INPUTS + 1 + 2 * HIDDEN + CLASSES + 2,
    BUFFER = 5632 + sizeof(void *) / 8 * 1024
};

static ag_graph *graph;

static void report_value(const char *name, ag_value x)
{
    report(name, (float)ag_data(x));
    report(name, (float)ag_grad(x));
}

static void take_log_of_product(void)
{
    const ag_value x = ag_variable(graph, 2), y = ag_variable(graph, 3);
    const ag_value f = ag_log(ag_mul(x, y));
    (void)ag_backward(f);
    report_value("log(xy)", f);
    report_value("x", x);
    report_value("y", y);
}

/* 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))) */
static void run_sigmoid_circuit(void)
{
    const ag_value w0 = ag_variable(graph, 2), x0 = ag_variable(graph, -1);
    const ag_value w1 = ag_variable(graph, -3), x1 = ag_variable(graph, -2);
    const ag_value w2 = ag_variable(graph, -3);
    const ag_value s = ag_add(ag_add(ag_mul(w0, x0), ag_mul(w1, x1)), w2);
    const ag_value f = ag_reciprocal(ag_add(ag_constant(graph, 1), ag_exp(ag_neg(s))));
    (void)ag_backward(f);
    report_value("f", f);
    report_value("w0", w0);
    report_value("x0", x0);
    report_value("w1", w1);
    report_value("x1", x1);
    report_value("w2", w2);
}

/* Cross-entropy of a tanh net. */
static ag_value record_loss(const ag_value *parameters, const float *x, int label)
{
    ag_value inputs[INPUTS + 1], hidden[HIDDEN + 1], scores[CLASSES];
    for (int i = 0; i < INPUTS; i++)
        inputs[i] = ag_constant(graph, (ag_real)x[i]);
    inputs[INPUTS] = hidden[HIDDEN] = ag_constant(graph, 1);
    for (int k = 0; k < HIDDEN; k++, parameters += INPUTS + 1)
        hidden[k] = ag_tanh(ag_dot(INPUTS + 1, inputs, parameters));
    for (int k = 0; k < CLASSES; k++, parameters += HIDDEN + 1)
        scores[k] = ag_dot(HIDDEN + 1, hidden, parameters);
    return ag_sub(ag_logsumexp(CLASSES, scores), scores[label]);
}

/* One sample of the iris data after the other; the graph is rewound after each. */
static void train(void)
{
    static const float samples[SAMPLES][INPUTS] = {
        {-0.9F, 1, -1.3F, -1.3F}, {0.4F, -0.5F, 0.6F, 0.8F},  {1.3F, 0.1F, 0.9F, 1.2F},
        {-1.1F, 0, -1.3F, -1.3F}, {-0.2F, -1.3F, 0.2F, 0.1F}, {0.7F, 0.3F, 0.9F, 1.4F}};
    static ag_value parameters[PARAMETERS];
    uint32_t state = 1;
    for (int i = 0; i < PARAMETERS; i++) {
        state = state * 1664525 + 1013904223;
        parameters[i] = ag_variable(graph, (ag_real)(state >> 24) / 256 - (ag_real)0.5);
    }
    const ag_mark mark = ag_graph_mark(graph);
    for (int step = 0; step < STEPS; step++) {
        ag_zero_grad(graph);
        const ag_value loss = record_loss(parameters, samples[step % SAMPLES], step % CLASSES);
        (void)ag_backward(loss);
        report("loss", (float)ag_data(loss));
        for (int i = 0; i < PARAMETERS; i++)
            (void)ag_set(parameters[i], ag_data(parameters[i]) - ag_grad(parameters[i]) / 10);
        (void)ag_graph_rewind(graph, mark);
    }
    for (int i = 0; i < PARAMETERS; i++)
        report("parameter", (float)ag_data(parameters[i]));
}

static void work(void)
{
    static _Alignas(8) unsigned char buffer[BUFFER];
    const ag_graph_options options = {
        .buffer = buffer, .buffer_size = sizeof(buffer), .max_nodes = NODES};
    graph = ag_graph_new(&options);
    const ag_mark start = ag_graph_mark(graph);
    take_log_of_product();
    (void)ag_graph_rewind(graph, start);
    run_sigmoid_circuit();
    (void)ag_graph_rewind(graph, start);
    train();
    put_text(ag_error_message(graph));
    /* An error is kept with its message, and needs no heap either. */
    (void)ag_log((ag_value){graph, UINT32_MAX, 0});
    put_text(ag_error_message(graph));
    put_text("\n");
    ag_graph_free(graph);
}

int main(void)
{
    report_stack(work);
    return 0;
}
