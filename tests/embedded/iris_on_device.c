/* SPDX-License-Identifier: MIT
 *
 * What `wengert emit` made of a net trained on the iris data: what it predicts of all 150 rows; with
 * TRAIN, one step of training and the parameters after it.
 */
#include "iris_net.h"
#include "iris_rows.h"
#include "report.h"

enum {
    ROWS = sizeof(rows) / sizeof(*rows)
};

#ifdef TRAIN

static float parameters[IRIS_NET_PARAMETERS];

static void work(void)
{
    report("loss", iris_net_learn(parameters, rows[ROWS - 1], 0.5F));
}

int main(void)
{
    for (int i = 0; i < IRIS_NET_PARAMETERS; i++)
        parameters[i] = iris_net_shared[i];
    report_stack(work);
    report_all("parameter", IRIS_NET_PARAMETERS, parameters);
    return 0;
}

#else

static void predict(const float *row)
{
    float outputs[IRIS_NET_OUTPUTS];
    iris_net(row, outputs);
    report_all("output", IRIS_NET_OUTPUTS, outputs);
}

static void work(void)
{
    predict(rows[0]);
}

int main(void)
{
    report_stack(work);
    for (int i = 0; i < ROWS; i++)
        predict(rows[i]);
    return 0;
}

#endif
