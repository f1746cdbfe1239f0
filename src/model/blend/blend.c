/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: magic, version, n members, then for each: weight, name, length, 64-byte aligned bytes of
 * its own format.
 *
 * Invariants.
 *   1. Members have the blend's task, outputs and dense columns; weights are shares: over 0, at
 * most 1.
 *   2. Sums run over members in their order, so a row alone and in a batch get the same bits.
 *   3. A member is a learner's model, so that nothing nests.
 */
#include "model/blend/blend.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

#define MAGIC UINT32_C(0x444e4c42) /* "BLND" */
#define VERSION 1u

typedef struct blend {
    tm_model base;
    uint32_t n;
    tm_model *members[TM_MAX_BLEND];
    double weights[TM_MAX_BLEND];
} blend;

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
    blend *self = (blend *)model;
    for (uint32_t i = 0; i < self->n; i++) {
        tm__model_free(self->members[i]);
    }
    tm__mem_free(self);
}

/* One that fits: no blend, and nothing else that is put together. */
static bool is_learner(const tm_model_ops *ops) {
    const tm_model_ops *const *list = tm__model_list();
    while (*list != NULL && *list != ops) {
        list++;
    }
    return *list != NULL;
}

static tm_status check_member(const blend *self, const tm_model *member, double weight,
                              tm_err *err) {
    if (member->task != self->base.task || member->is_log != self->base.is_log ||
        member->n_outputs != self->base.n_outputs || member->n_cols != self->base.n_cols ||
        !is_learner(member->ops)) {
        return TM_FAIL(err, TM_E_INVALID, "the members of a blend do not answer the same question");
    }
    if (!(weight > 0.0 && weight <= 1.0)) {
        return TM_FAIL(err, TM_E_INVALID, "a member's weight is not a share from 0 to 1");
    }
    return TM_OK;
}

tm_status tm__blend_create(tm_model **members, const double *weights, uint32_t n, tm_model **out,
                           tm_err *err) {
    if (n == 0 || n > TM_MAX_BLEND) {
        return TM_FAIL(err, TM_E_INVALID, "a blend has 1 to %u members", TM_MAX_BLEND);
    }
    blend *self = tm__mem_zalloc(1, sizeof(*self));
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
    for (uint32_t i = 0; i < n; i++) {
        const tm_status st = check_member(self, members[i], weights[i], err);
        if (st != TM_OK) {
            tm__mem_free(self);
            return st;
        }
        self->base.n_terms =
            members[i]->n_terms > self->base.n_terms ? members[i]->n_terms : self->base.n_terms;
        self->base.work_used += members[i]->work_used;
        const uint64_t planned = members[i]->bytes_planned;
        self->base.bytes_planned =
            planned > self->base.bytes_planned ? planned : self->base.bytes_planned;
        self->base.seconds_fit += members[i]->seconds_fit;
        self->base.seconds_bin += members[i]->seconds_bin;
        self->base.n_rounds += members[i]->n_rounds;
    }
    for (uint32_t i = 0; i < n; i++) {
        self->members[i] = members[i];
        self->weights[i] = weights[i];
        members[i] = NULL;
    }
    self->n = n;
    *out = &self->base;
    return TM_OK;
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    const blend *self = (const blend *)model;
    const uint64_t n = x->n_rows * model->n_outputs;
    double *one = tm__mem_alloc(n, sizeof(double));
    tm_status st = one == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to predict") : TM_OK;
    for (uint32_t m = 0; st == TM_OK && m < self->n; m++) {
        st = tm__model_predict(ctx, self->members[m], x, one, err);
        for (uint64_t i = 0; st == TM_OK && i < n; i++) {
            out[i] = (m == 0 ? 0.0 : out[i]) + self->weights[m] * one[i];
        }
    }
    tm__mem_free(one);
    return st;
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    const blend *self = (const blend *)model;
    double one[TM_MAX_CLASSES];
    for (uint32_t m = 0; m < self->n; m++) {
        tm__model_predict_row(self->members[m], row, one);
        for (uint32_t k = 0; k < model->n_outputs; k++) {
            out[k] = (m == 0 ? 0.0 : out[k]) + self->weights[m] * one[k];
        }
    }
}

/* Raw scores add up, so their parts do. */
static tm_status explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const blend *self = (const blend *)model;
    const size_t n = (size_t)model->n_outputs * (model->n_cols + 2u);
    double *one = tm__mem_alloc(n, sizeof(double));
    tm_status st = one == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to explain") : TM_OK;
    for (uint32_t m = 0; st == TM_OK && m < self->n; m++) {
        st = tm__model_explain(self->members[m], row, one, err);
        for (size_t i = 0; st == TM_OK && i < n; i++) {
            out[i] = (m == 0 ? 0.0 : out[i]) + self->weights[m] * one[i];
        }
    }
    tm__mem_free(one);
    return st;
}

static void importance(const tm_model *model, double *out) {
    const blend *self = (const blend *)model;
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
            out[i] += self->weights[m] * one[i] / total;
        }
    }
    tm__mem_free(one);
}

static void splits(const tm_model *model, double *sums) {
    const blend *self = (const blend *)model;
    for (uint32_t m = 0; m < self->n; m++) {
        if (self->members[m]->ops->splits != NULL) {
            self->members[m]->ops->splits(self->members[m], sums);
        }
    }
}

static void each_part(const tm_model *model, void (*fn)(void *arg, const tm_model *part),
                      void *arg) {
    const blend *self = (const blend *)model;
    for (uint32_t m = 0; m < self->n; m++) {
        fn(arg, self->members[m]);
    }
}

static json_t *describe(const tm_model *model) {
    const blend *self = (const blend *)model;
    json_t *members = json_array();
    for (uint32_t m = 0; m < self->n; m++) {
        const tm_model *member = self->members[m];
        json_t *described =
            member->ops->describe != NULL ? member->ops->describe(member) : json_null();
        json_array_append_new(members,
                              json_pack("{s:s, s:o, s:o}", "learner", member->ops->name, "weight",
                                        tm__json_number(self->weights[m]), "model", described));
    }
    return json_pack("{s:o}", "members", members);
}

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    const blend *self = (const blend *)model;
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, self->n);
    for (uint32_t m = 0; m < self->n; m++) {
        tm_buf one;
        tm__buf_init(&one, TM_MAX_BUNDLE_BYTES);
        const tm_status st = self->members[m]->ops->save(self->members[m], &one, err);
        if (st == TM_OK) {
            tm__buf_f64(out, self->weights[m]);
            tm__buf_str(out, tm__str(self->members[m]->ops->name));
            tm__buf_u64(out, one.len);
            tm__buf_align(out, 64);
            tm__buf_append(out, one.data, one.len);
        }
        tm__buf_done(&one);
        TM_TRY(st);
    }
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the bytes of a blend") : TM_OK;
}

static tm_status load_member(tm_reader *reader, tm_model **out, double *out_weight, tm_err *err) {
    char name[32];
    *out_weight = tm__reader_f64(reader);
    const tm_str text = tm__reader_str(reader);
    const uint64_t len = tm__reader_u64(reader);
    tm__reader_align(reader, 64);
    const void *data = tm__reader_view(reader, len, 1);
    if (reader->failed || !tm__str_copy(name, sizeof(name), text)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the blend ends in the middle of a member");
    }
    const tm_model_ops *ops = tm__model_find(name);
    if (!is_learner(ops)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the blend names a learner that is not there");
    }
    return ops->load(data, len, out, err);
}

static tm_status load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader reader;
    tm_model *members[TM_MAX_BLEND] = {NULL};
    double weights[TM_MAX_BLEND];
    uint32_t n = 0;
    tm__reader_init(&reader, data, len);
    const uint32_t magic = tm__reader_u32(&reader);
    const uint32_t version = tm__reader_u32(&reader);
    const uint32_t n_members = tm__reader_u32(&reader);
    tm_status st = TM_OK;
    if (reader.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a blend");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "blend has version %u, not %u", version, VERSION);
    }
    if (n_members == 0 || n_members > TM_MAX_BLEND) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "a blend has 1 to %u members", TM_MAX_BLEND);
    }
    while (st == TM_OK && n < n_members) {
        st = load_member(&reader, &members[n], &weights[n], err);
        n += st == TM_OK ? 1u : 0u;
    }
    if (st == TM_OK && !tm__reader_is_done(&reader)) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "bytes follow the last member of a blend");
    }
    if (st == TM_OK) {
        st = tm__blend_create(members, weights, n, out_model, err);
        st = st == TM_E_INVALID ? TM_E_INTEGRITY : st;
        if (err != NULL && st != TM_OK) {
            err->status = st;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        tm__model_free(members[i]);
    }
    return st;
}

static const tm_param_def no_params[] = {{.name = NULL}};

const tm_model_ops tm__blend_ops = {
    .name = "blend",
    .abi = TM_MODEL_ABI,
    .params = no_params,
    .fit = fit,
    .predict = predict,
    .predict_row = predict_row,
    .save = save,
    .load = load,
    .free = free_blend,
    .explain = explain,
    .importance = importance,
    .splits = splits,
    .each_part = each_part,
    .describe = describe,
};
