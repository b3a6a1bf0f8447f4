/* SPDX-License-Identifier: MIT
 *
 * The nets with FANN: incremental training for one sample at a time, batch training on each
 * mini-batch otherwise. FANN knows half the squared error only (and takes tanh for 0.98 above it
 * when it takes its derivative, which these nets don't reach). A peer.
 */
#include "nets.h"

#ifdef BENCH_FLOAT
#include <floatfann.h>
#else
#include <doublefann.h>
#endif

#include <stdlib.h>
#include <string.h>

typedef struct fann_net {
    const bench_job *job;
    struct fann *ann;
    struct fann_train_data **data; /* a mini-batch each */
} fann_net;

/* FANN has a neuron's bias behind its weights. */
static void reset(void *self)
{
    fann_net *f = self;
    const bench_net *net = &f->job->net;
    const number *from = f->job->parameters;
    number *to = f->ann->weights;
    for (int layer = 0; layer < net->layers; layer++) {
        const size_t in = (size_t)net->sizes[layer], out = (size_t)net->sizes[layer + 1];
        for (size_t j = 0; j < out; j++, to += in + 1) {
            memcpy(to, from + j * in, in * sizeof(*to));
            to[in] = from[in * out + j];
        }
        from += (in + 1) * out;
    }
}

static void read_parameters(void *self, number *to)
{
    fann_net *f = self;
    const bench_net *net = &f->job->net;
    const number *from = f->ann->weights;
    for (int layer = 0; layer < net->layers; layer++) {
        const size_t in = (size_t)net->sizes[layer], out = (size_t)net->sizes[layer + 1];
        for (size_t j = 0; j < out; j++, from += in + 1) {
            memcpy(to + j * in, from, in * sizeof(*to));
            to[in * out + j] = from[in];
        }
        to += (in + 1) * out;
    }
}

static struct fann *create(const bench_job *job)
{
    unsigned sizes[MAX_LAYERS + 1];
    for (int i = 0; i <= job->net.layers; i++)
        sizes[i] = (unsigned)job->net.sizes[i];
    struct fann *ann = fann_create_standard_array((unsigned)job->net.layers + 1, sizes);
    if (ann == NULL)
        return NULL;
    fann_set_activation_function_hidden(ann, FANN_SIGMOID_SYMMETRIC);
    fann_set_activation_function_output(ann, FANN_LINEAR);
    fann_set_activation_steepness_hidden(ann, 1);
    fann_set_activation_steepness_output(ann, 1);
    fann_set_train_error_function(ann, FANN_ERRORFUNC_LINEAR);
    fann_set_training_algorithm(ann, FANN_TRAIN_BATCH);
    fann_set_learning_rate(ann, (float)job->rate);
    return ann;
}

static struct fann_train_data *copy_batch(const bench_job *job, size_t k)
{
    const unsigned in = (unsigned)job->net.sizes[0];
    const unsigned out = (unsigned)job->net.sizes[job->net.layers];
    struct fann_train_data *data = fann_create_train((unsigned)job->batch, in, out);
    if (data == NULL)
        return NULL;
    for (size_t s = 0; s < job->batch; s++) {
        const size_t row = k * job->batch + s;
        memcpy(data->input[s], job->inputs + row * in, in * sizeof(number));
        memcpy(data->output[s], job->targets + row * out, out * sizeof(number));
    }
    return data;
}

static void close_fann(void *self)
{
    fann_net *f = self;
    for (size_t k = 0; k < f->job->batches; k++)
        if (f->data[k] != NULL)
            fann_destroy_train(f->data[k]);
    if (f->ann != NULL)
        fann_destroy(f->ann);
    free(f->data);
    free(f);
}

static void *open_fann(const bench_job *job)
{
    fann_net *f = bench_allocate(1, sizeof(*f));
    f->job = job;
    f->data = bench_allocate(job->batches, sizeof(struct fann_train_data *));
    f->ann = create(job);
    bool complete = f->ann != NULL;
    for (size_t k = 0; k < job->batches && complete; k++)
        complete = (f->data[k] = copy_batch(job, k)) != NULL;
    if (!complete) {
        close_fann(f);
        return NULL;
    }
    reset(f);
    return f;
}

static double train(void *self, size_t first, size_t steps)
{
    fann_net *f = self;
    const unsigned outputs = fann_get_num_output(f->ann);
    double mean = 0;
    for (size_t k = first; k < first + steps; k++) {
        struct fann_train_data *data = f->data[k % f->job->batches];
        if (f->job->batch == 1) {
            fann_reset_MSE(f->ann);
            fann_train(f->ann, data->input[0], data->output[0]);
            mean = (double)fann_get_MSE(f->ann);
        } else {
            mean = (double)fann_train_epoch(f->ann, data);
        }
    }
    return mean * (double)f->job->batch * outputs / 2;
}

static const char *describe(void)
{
    return "half the squared error on every net; as Debian built it";
}

const bench_trainer train_fann = {
    .name = "FANN",
    .describe = describe,
    .own_loss = true,
    .open = open_fann,
    .reset = reset,
    .train = train,
    .read = read_parameters,
    .close = close_fann,
};
