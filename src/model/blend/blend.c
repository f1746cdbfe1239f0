/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants.
 *   1. Members have the blend's task, outputs and dense columns. Weights of a mean are shares: over
 * 0, at most 1. Those of a stack are not negative, and bounded.
 *   2. Sums run over members in their order, so a row alone and in a batch get the same bits.
 *   3. A member is a learner's model, so that nothing nests.
 */
#include "model/blend/blend_priv.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

static tm_status fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                     tm_model **out_model, tm_err *err) {
    (void)ctx;
    (void)in;
    (void)params;
    (void)out_model;
    return TM_FAIL(err, TM_E_UNSUPPORTED,
                   "a blend is made of fitted models and learns nothing itself");
}

static void free_blend(tm_model *model) {
    tm_blend *self = (tm_blend *)model;
    for (uint32_t i = 0; i < self->n; i++) {
        tm__model_free(self->members[i]);
    }
    tm__mem_free(self->weights);
    tm__mem_free(self);
}

bool tm__blend_can_hold(const tm_model_ops *ops) {
    const tm_model_ops *const *list = tm__model_list();
    while (*list != NULL && *list != ops) {
        list++;
    }
    return *list != NULL;
}

static tm_status check_member(const tm_blend *self, const tm_model *member, tm_err *err) {
    if (member->task != self->base.task || member->is_log != self->base.is_log ||
        member->n_outputs != self->base.n_outputs || member->n_cols != self->base.n_cols ||
        !tm__blend_can_hold(member->ops)) {
        return TM_FAIL(err, TM_E_INVALID, "the members of a blend do not answer the same question");
    }
    return TM_OK;
}

static tm_status check_mean(const tm_blend_counts *of, uint32_t n, tm_err *err) {
    for (uint32_t m = 0; m < n; m++) {
        if (!(of->weights[m] > 0.0 && of->weights[m] <= 1.0)) {
            return TM_FAIL(err, TM_E_INVALID, "a member's weight is not a share from 0 to 1");
        }
    }
    return TM_OK;
}

static tm_status check_stack(const tm_blend_counts *of, uint32_t n, uint32_t n_outputs,
                             tm_err *err) {
    for (uint32_t m = 0; m < n; m++) {
        double most = 0.0;
        for (uint32_t k = 0; k < n_outputs; k++) {
            const double weight = of->weights[(size_t)m * n_outputs + k];
            if (!(weight >= 0.0)) {
                return TM_FAIL(err, TM_E_INVALID, "a weight of a stack is negative");
            }
            most = fmax(most, weight);
        }
        if (!(most > 0.0)) {
            return TM_FAIL(err, TM_E_INVALID, "a member of a stack has no weight");
        }
    }
    for (uint32_t k = 0; k < n_outputs; k++) {
        double sum = 0.0;
        for (uint32_t m = 0; m < n; m++) {
            sum += of->weights[(size_t)m * n_outputs + k];
        }
        if (!(sum <= TM_STACK_SUM_MAX && fabs(of->bias[k]) <= TM_MODEL_SCORE_MAX)) {
            return TM_FAIL(err, TM_E_INVALID, "weights or biases of a stack are too large");
        }
    }
    return TM_OK;
}

static tm_status set_weights(tm_blend *self, const tm_blend_counts *of, tm_err *err) {
    const uint32_t n_outputs = self->base.n_outputs;
    const size_t n = (size_t)self->n * n_outputs;
    self->weights = tm__mem_zalloc(n + n_outputs, sizeof(double));
    if (self->weights == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a blend");
    }
    self->is_stack = of->is_stack;
    if (!of->is_stack) {
        for (size_t i = 0; i < n; i++) {
            self->weights[i] = of->weights[i / n_outputs];
        }
        memcpy(self->shares, of->weights, self->n * sizeof(double));
        return TM_OK;
    }
    double total = 0.0;
    memcpy(self->weights, of->weights, n * sizeof(double));
    memcpy(self->weights + n, of->bias, n_outputs * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        self->shares[i / n_outputs] += of->weights[i];
        total += of->weights[i];
    }
    for (uint32_t m = 0; m < self->n; m++) {
        self->shares[m] /= total;
    }
    return TM_OK;
}

/* What is known of the members is known of the whole. */
static void add_up(tm_blend *self, const tm_model *member) {
    tm_model *base = &self->base;
    base->n_terms = member->n_terms > base->n_terms ? member->n_terms : base->n_terms;
    base->bytes_planned =
        member->bytes_planned > base->bytes_planned ? member->bytes_planned : base->bytes_planned;
    base->work_used += member->work_used;
    base->seconds_fit += member->seconds_fit;
    base->seconds_bin += member->seconds_bin;
    base->n_rounds += member->n_rounds;
}

tm_status tm__blend_join(tm_model **members, const tm_blend_counts *of, uint32_t n, tm_model **out,
                         tm_err *err) {
    if (n == 0 || n > TM_MAX_BLEND) {
        return TM_FAIL(err, TM_E_INVALID, "a blend has 1 to %u members", TM_MAX_BLEND);
    }
    tm_blend *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a blend");
    }
    self->base = *members[0];
    self->base.ops = &tm__blend_ops;
    self->base.n_terms = 0;
    self->base.work_used = 0;
    self->base.seconds_fit = 0.0;
    self->base.bytes_planned = 0;
    self->base.seconds_bin = 0.0;
    self->base.n_rounds = 0;
    self->n = n;
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        st = check_member(self, members[i], err);
    }
    if (st == TM_OK) {
        st = of->is_stack ? check_stack(of, n, self->base.n_outputs, err) : check_mean(of, n, err);
    }
    if (st == TM_OK) {
        st = set_weights(self, of, err);
    }
    if (st != TM_OK) {
        tm__mem_free(self);
        return st;
    }
    for (uint32_t i = 0; i < n; i++) {
        add_up(self, members[i]);
        self->members[i] = members[i];
        members[i] = NULL;
    }
    *out = &self->base;
    return TM_OK;
}

tm_status tm__blend_create(tm_model **members, const double *weights, uint32_t n, tm_model **out,
                           tm_err *err) {
    return tm__blend_join(members, &(tm_blend_counts){.weights = weights}, n, out, err);
}

tm_status tm__blend_create_stack(tm_model **members, const double *weights, const double *bias,
                                 uint32_t n, tm_model **out, tm_err *err) {
    return tm__blend_join(members,
                          &(tm_blend_counts){.is_stack = true, .weights = weights, .bias = bias}, n,
                          out, err);
}

/* One member more of the sum [n rows]. */
static void add_scores(const tm_blend *self, uint32_t m, uint64_t n, const double *one,
                       double *out) {
    const uint32_t n_outputs = self->base.n_outputs;
    const double *weights = tm__blend_weights(self, m), *bias = tm__blend_bias(self);
    for (uint64_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < n_outputs; k++) {
            const uint64_t at = i * n_outputs + k;
            out[at] = (m == 0 ? bias[k] : out[at]) + weights[k] * one[at];
        }
    }
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    const tm_blend *self = (const tm_blend *)model;
    const uint64_t n = x->n_rows * model->n_outputs;
    double *one = tm__mem_alloc(n, sizeof(double));
    tm_status st = one == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to predict") : TM_OK;
    for (uint32_t m = 0; st == TM_OK && m < self->n; m++) {
        st = tm__model_predict(ctx, self->members[m], x, one, err);
        if (st == TM_OK) {
            add_scores(self, m, x->n_rows, one, out);
        }
    }
    tm__mem_free(one);
    return st;
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    const tm_blend *self = (const tm_blend *)model;
    double one[TM_MAX_CLASSES];
    for (uint32_t m = 0; m < self->n; m++) {
        tm__model_predict_row(self->members[m], row, one);
        add_scores(self, m, 1, one, out);
    }
}

/* Raw scores add up, so their parts do; a bias is of every row, as the mean is. */
static tm_status explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const tm_blend *self = (const tm_blend *)model;
    const size_t n_parts = model->n_cols + 2u, n = model->n_outputs * n_parts;
    double *one = tm__mem_alloc(n, sizeof(double));
    tm_status st = one == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to explain") : TM_OK;
    for (uint32_t m = 0; st == TM_OK && m < self->n; m++) {
        st = tm__model_explain(self->members[m], row, one, err);
        for (size_t i = 0; st == TM_OK && i < n; i++) {
            out[i] = (m == 0 ? 0.0 : out[i]) + tm__blend_weights(self, m)[i / n_parts] * one[i];
        }
    }
    for (uint32_t k = 0; st == TM_OK && k < model->n_outputs; k++) {
        out[(k + 1) * n_parts - 1] += tm__blend_bias(self)[k];
    }
    tm__mem_free(one);
    return st;
}

static void importance(const tm_model *model, double *out) {
    const tm_blend *self = (const tm_blend *)model;
    const size_t n = model->n_cols + 1u;
    memset(out, 0, n * sizeof(double));
    double *one = tm__mem_alloc(n, sizeof(double));
    for (uint32_t m = 0; one != NULL && m < self->n; m++) {
        double total = 0.0;
        self->members[m]->ops->importance(self->members[m], one);
        for (size_t i = 0; i < n; i++) {
            total += one[i];
        }
        for (size_t i = 0; i < n && total > 0.0; i++) {
            out[i] += self->shares[m] * one[i] / total;
        }
    }
    tm__mem_free(one);
}

static void splits(const tm_model *model, double *sums) {
    const tm_blend *self = (const tm_blend *)model;
    for (uint32_t m = 0; m < self->n; m++) {
        if (self->members[m]->ops->splits != NULL) {
            self->members[m]->ops->splits(self->members[m], sums);
        }
    }
}

static void each_part(const tm_model *model, void (*fn)(void *arg, const tm_model *part),
                      void *arg) {
    const tm_blend *self = (const tm_blend *)model;
    for (uint32_t m = 0; m < self->n; m++) {
        fn(arg, self->members[m]);
    }
}

static json_t *describe(const tm_model *model) {
    const tm_blend *self = (const tm_blend *)model;
    json_t *members = json_array();
    for (uint32_t m = 0; m < self->n; m++) {
        const tm_model *member = self->members[m];
        json_t *described =
            member->ops->describe != NULL ? member->ops->describe(member) : json_null();
        json_t *entry = json_pack("{s:s, s:o, s:o}", "learner", member->ops->name, "weight",
                                  tm__json_number(self->shares[m]), "model", described);
        if (self->is_stack) {
            json_object_set_new(entry, "weights",
                                tm__json_numbers(tm__blend_weights(self, m), model->n_outputs));
        }
        json_array_append_new(members, entry);
    }
    json_t *out = json_pack("{s:o}", "members", members);
    if (self->is_stack) {
        json_object_set_new(out, "bias", tm__json_numbers(tm__blend_bias(self), model->n_outputs));
    }
    return out;
}

static const tm_param_def no_params[] = {{.name = NULL}};

const tm_model_ops tm__blend_ops = {
    .name = "blend",
    .abi = TM_MODEL_ABI,
    .params = no_params,
    .fit = fit,
    .predict = predict,
    .predict_row = predict_row,
    .save = tm__blend_save,
    .load = tm__blend_load,
    .free = free_blend,
    .explain = explain,
    .importance = importance,
    .splits = splits,
    .each_part = each_part,
    .describe = describe,
};
