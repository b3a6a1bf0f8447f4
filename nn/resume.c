/* SPDX-License-Identifier: MIT
 *
 * Trainings that can be resumed: what a model remembers of its last one, and whether the options of
 * the next agree with it. The order of an epoch's samples depends on all the shuffles before it,
 * so those are done again; the generator's state tells whether they came out the same.
 */
#include "net.h"

#include <math.h>
#include <string.h>

/* ---- What is remembered ---------------------------------------------------------------------- */

nni_state *nni_make_state(size_t parameters, const nn_optimizer *rule, bool patient)
{
    const size_t memory = nni_times(parameters, rule->state_count);
    const size_t other = patient ? parameters : 0;
    if (memory > SIZE_MAX - other ||
        nni_times(memory + other, sizeof(ag_real)) > SIZE_MAX - sizeof(nni_state))
        return NULL;
    nni_state *state =
        (nni_state *)nni_allocate(sizeof(nni_state) + (memory + other) * sizeof(ag_real), 1);
    if (state == NULL)
        return NULL;
    state->memory = (ag_real *)(state + 1);
    state->other = patient ? state->memory + memory : NULL;
    state->told.optimizer = *rule;
    state->told.optimizer.name = nni_optimizer_name(rule);
    if (state->told.optimizer.name == NULL) {
        state->told.optimizer.name = NNI_CUSTOM;
        state->told.optimizer.step = NULL;
    }
    state->told.best_loss = (double)NAN;
    return state;
}

nni_state *nni_copy_state(const nni_state *state, size_t parameters)
{
    nni_state *copy = nni_make_state(parameters, &state->told.optimizer, state->other != NULL);
    if (copy == NULL)
        return NULL;
    ag_real *memory = copy->memory, *other = copy->other;
    *copy = *state;
    copy->memory = memory;
    copy->other = other;
    memcpy(memory, state->memory, parameters * state->told.optimizer.state_count * sizeof(ag_real));
    if (other != NULL)
        memcpy(other, state->other, parameters * sizeof(ag_real));
    return copy;
}

static void mix(uint64_t *digest, uint64_t bits)
{
    *digest = (*digest ^ bits) * UINT64_C(0x9E3779B97F4A7C15);
    *digest ^= *digest >> 32;
}

static void mix_numbers(uint64_t *digest, size_t n, const ag_real *numbers)
{
    for (size_t i = 0; i < n; i++) {
        const double number = (double)numbers[i];
        uint64_t bits;
        memcpy(&bits, &number, sizeof(bits));
        mix(digest, bits);
    }
}

uint64_t nni_digest(const nn_dataset *data)
{
    uint64_t digest = 0;
    const size_t shape[] = {data->rows, data->features, data->classes, data->targets};
    for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++)
        mix(&digest, shape[i]);
    mix_numbers(&digest, data->rows * data->features, data->inputs);
    mix_numbers(&digest, data->rows * data->targets, data->numbers);
    for (size_t i = 0; data->classes > 0 && i < data->rows; i++)
        mix(&digest, data->labels[i]);
    return digest != 0 ? digest : 1;
}

/* ---- Whether it goes on ---------------------------------------------------------------------- */

#define refuse(error, ...) nni_fail(error, AG_INVALID_ARGUMENT, "resume: " __VA_ARGS__)

static ag_status resume_data(const nni_state *before, const nn_dataset *data, nn_error *error)
{
    if (data->rows != before->told.rows)
        return refuse(error, "the training so far was on %zu rows, and the data has %zu",
                      before->told.rows, data->rows);
    if (nni_digest(data) != before->data)
        return refuse(error, "the data is not what the training so far was on");
    return AG_OK;
}

static ag_status resume_numbers(const nn_training *before, nn_fit_options *options, nn_error *error)
{
    if (options->batch == 0)
        options->batch = before->batch;
    if (options->batch != before->batch)
        return refuse(error, "the training so far had batches of %zu, not %zu", before->batch,
                      options->batch);
    if (options->seed == 0)
        options->seed = before->seed;
    if (options->seed != before->seed)
        return refuse(error, "the training so far had the seed %llu, not %llu",
                      (unsigned long long)before->seed, (unsigned long long)options->seed);
    if (options->epochs == 0)
        options->epochs = before->epochs_asked;
    if (options->epochs < before->epochs)
        return refuse(error, "%zu epochs are done, more than the %zu in all that are asked for",
                      before->epochs, options->epochs);
    if ((options->use_float && !before->use_float) || (options->eager && !before->eager))
        return refuse(error, "the training so far was not %s",
                      options->eager && !before->eager ? "eager" : "in float");
    options->use_float = before->use_float;
    options->eager = before->eager;
    return AG_OK;
}

static ag_status resume_loss(const nn_training *before, nn_fit_options *options, nn_error *error)
{
    if (options->loss == NULL) {
        options->loss = nni_find_loss(before->loss);
        return options->loss != NULL
                   ? AG_OK
                   : refuse(error, "the loss is one of your own: hand it over again");
    }
    const char *name = nni_loss_name(options->loss);
    if (strcmp(name == NULL ? NNI_CUSTOM : name, before->loss) != 0)
        return refuse(error, "the training so far had the loss %s, not %s", before->loss,
                      name == NULL ? "of your own" : name);
    return AG_OK;
}

static ag_status resume_optimizer(const nn_optimizer *before, nn_optimizer *rule, nn_error *error)
{
    if (rule->step == NULL && before->step == NULL)
        return refuse(error, "the optimiser is one of your own: hand it over again");
    if (rule->step == NULL)
        *rule = *before;
    const char *name = nni_optimizer_name(rule);
    if (strcmp(name == NULL ? NNI_CUSTOM : name, before->name) != 0)
        return refuse(error, "the training so far had the optimiser %s, not %s", before->name,
                      name == NULL ? "one of your own" : name);
    if (rule->state_count != before->state_count)
        return refuse(error, "the optimiser remembered %zu numbers a parameter, not %zu",
                      before->state_count, rule->state_count);
    const struct {
        const char *name;
        double before, now;
    } numbers[] = {
        {"rate", before->rate, rule->rate},
        {"momentum", before->momentum, rule->momentum},
        {"weight decay", before->weight_decay, rule->weight_decay},
        {"beta1", before->beta1, rule->beta1},
        {"beta2", before->beta2, rule->beta2},
        {"epsilon", before->epsilon, rule->epsilon},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (numbers[i].now < numbers[i].before || numbers[i].now > numbers[i].before ||
            isnan(numbers[i].now))
            return refuse(error, "the optimiser had the %s %g, not %g", numbers[i].name,
                          numbers[i].before, numbers[i].now);
    return AG_OK;
}

static ag_status resume_patience(const nni_state *before, nn_fit_options *options, nn_error *error)
{
    if (options->patience == 0)
        options->patience = before->told.patience;
    if (options->patience > 0 && before->told.patience == 0)
        return refuse(error, "the training so far had no patience, and kept no best parameters");
    if (options->held_out == NULL && options->patience > 0)
        return refuse(error, "the training so far had patience: hand its held-out data over again");
    if (options->held_out != NULL && before->held_out != 0 &&
        nni_digest(options->held_out) != before->held_out)
        return refuse(error, "the held-out data is not that of the training so far");
    return AG_OK;
}

ag_status nni_resume_options(const nn_model *model, const nn_dataset *data, nn_fit_options *options,
                             nn_error *error)
{
    const nni_state *before = model->state;
    if (before == NULL)
        return refuse(error, "the model has no training to go on with");
    ag_status status = resume_data(before, data, error);
    if (status == AG_OK)
        status = resume_numbers(&before->told, options, error);
    if (status == AG_OK)
        status = resume_loss(&before->told, options, error);
    if (status == AG_OK)
        status = resume_optimizer(&before->told.optimizer, &options->optimizer, error);
    if (status == AG_OK)
        status = resume_patience(before, options, error);
    options->record_once = !before->in_parts;
    return status;
}

bool nni_is_over(const nni_state *state, const nn_fit_options *options)
{
    const nn_training *told = &state->told;
    return told->epochs >= options->epochs ||
           (options->patience > 0 && told->epochs - told->best_epoch >= options->patience);
}

ag_status nni_replay_order(const nni_state *state, size_t *order, nn_random *random,
                           nn_error *error)
{
    const nn_training *told = &state->told;
    *random = nn_random_seed(told->seed);
    for (size_t i = 0; i < told->rows; i++)
        order[i] = i;
    for (size_t epoch = 0; epoch < told->epochs; epoch++)
        nn_random_shuffle(random, told->rows, order);
    if (random->state != told->order.state)
        return refuse(error,
                      "%zu epochs of %zu rows from the seed %llu don't leave the generator "
                      "as it is said to be",
                      told->epochs, told->rows, (unsigned long long)told->seed);
    return AG_OK;
}
