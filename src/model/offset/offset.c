/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: magic, version, name and length of the model within, its 64-byte aligned bytes.
 *
 * Invariants.
 *   1. The view of the model within is the first n_cols - 1 columns, and the terms.
 *   2. It has one output, and is no offset itself.
 */
#include "model/offset/offset.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"

#define MAGIC UINT32_C(0x5453464f) /* "OFST" */
#define VERSION 1u

typedef struct offset {
    tm_model base;
    tm_model *inner;
} offset;

static tm_status fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                     tm_model **out_model, tm_err *err) {
    (void)ctx;
    (void)in;
    (void)params;
    (void)out_model;
    return TM_FAIL(err, TM_E_UNSUPPORTED,
                   "an offset is made of a fitted model and learns nothing itself");
}

static void free_offset(tm_model *model) {
    tm__model_free(((offset *)model)->inner);
    tm__mem_free(model);
}

tm_status tm__offset_create(tm_model **inner, tm_model **out, tm_err *err) {
    if ((*inner)->n_outputs != 1 || (*inner)->ops == &tm__offset_ops ||
        (*inner)->n_cols == UINT32_MAX) {
        return TM_FAIL(err, TM_E_INVALID, "initial scores are for models of one output");
    }
    offset *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a model");
    }
    self->base = **inner;
    self->base.ops = &tm__offset_ops;
    self->base.n_cols = (*inner)->n_cols + 1;
    self->inner = *inner;
    *inner = NULL;
    *out = &self->base;
    return TM_OK;
}

static tm_view inner_view(const tm_view *x) {
    tm_view view = *x;
    view.n_cols--;
    return view;
}

static bool is_score(double value) {
    return fabs(value) <= TM_MODEL_SCORE_MAX; /* not of NaN */
}

static tm_status no_score(const tm_view *x, uint64_t row, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "a row has no initial score '%s'", x->features[x->n_cols - 1].name);
    tm_err_at(err, NULL, row + 1, 0);
    tm_err_hint(err, "The model was trained beside these scores: give each row its own.");
    return st;
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    const offset *self = (const offset *)model;
    const double *scores = x->cols[x->n_cols - 1];
    const tm_view view = inner_view(x);
    for (uint64_t row = 0; row < x->n_rows; row++) {
        if (!is_score(scores[row])) {
            return no_score(x, row, err);
        }
    }
    TM_TRY(tm__model_predict(ctx, self->inner, &view, out, err));
    for (uint64_t row = 0; row < x->n_rows; row++) {
        out[row] += scores[row];
    }
    return TM_OK;
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    const double score = row->cols[row->n_cols - 1][0];
    const tm_view view = inner_view(row);
    tm__model_predict_row(((const offset *)model)->inner, &view, out);
    out[0] = is_score(score) ? out[0] + score : tm__nan();
}

/* The score is what its column adds, all of it. */
static tm_status explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const uint32_t n = model->n_cols;
    const tm_view view = inner_view(row);
    if (!is_score(row->cols[n - 1][0])) {
        return no_score(row, 0, err);
    }
    TM_TRY(tm__model_explain(((const offset *)model)->inner, &view, out, err));
    out[n + 1] = out[n]; /* the mean, then the terms: each one place on */
    out[n] = out[n - 1];
    out[n - 1] = row->cols[n - 1][0];
    return TM_OK;
}

static void importance(const tm_model *model, double *out) {
    const tm_model *inner = ((const offset *)model)->inner;
    memset(out, 0, (model->n_cols + 1u) * sizeof(double));
    if (inner->ops->importance != NULL) {
        inner->ops->importance(inner, out);
    }
    out[model->n_cols] = out[model->n_cols - 1];
    out[model->n_cols - 1] = 0; /* nothing of it was learned */
}

static void splits(const tm_model *model, double *sums) {
    const tm_model *inner = ((const offset *)model)->inner;
    if (inner->ops->splits != NULL) {
        inner->ops->splits(inner, sums);
    }
}

static void each_part(const tm_model *model, void (*fn)(void *arg, const tm_model *part),
                      void *arg) {
    fn(arg, ((const offset *)model)->inner);
}

static json_t *describe(const tm_model *model) {
    const tm_model *inner = ((const offset *)model)->inner;
    json_t *described = inner->ops->describe != NULL ? inner->ops->describe(inner) : json_null();
    return json_pack("{s:s, s:o}", "learner", inner->ops->name, "model", described);
}

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_model *inner = ((const offset *)model)->inner;
    tm_buf bytes;
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    const tm_status st = inner->ops->save(inner, &bytes, err);
    if (st == TM_OK) {
        tm__buf_u32(out, MAGIC);
        tm__buf_u32(out, VERSION);
        tm__buf_str(out, tm__str(inner->ops->name));
        tm__buf_u64(out, bytes.len);
        tm__buf_align(out, 64);
        tm__buf_append(out, bytes.data, bytes.len);
    }
    tm__buf_done(&bytes);
    TM_TRY(st);
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the bytes of a model") : TM_OK;
}

static tm_status load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader reader;
    char name[32];
    tm__reader_init(&reader, data, len);
    const uint32_t magic = tm__reader_u32(&reader);
    const uint32_t version = tm__reader_u32(&reader);
    if (reader.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not an offset");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "offset has version %u, not %u", version, VERSION);
    }
    const tm_str text = tm__reader_str(&reader);
    const uint64_t n_bytes = tm__reader_u64(&reader);
    tm__reader_align(&reader, 64);
    const void *bytes = tm__reader_view(&reader, n_bytes, 1);
    if (reader.failed || !tm__reader_is_done(&reader) || !tm__str_copy(name, sizeof(name), text)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the offset does not end with its model");
    }
    const tm_model_ops *ops = tm__model_find(name);
    if (ops == NULL || ops == &tm__offset_ops) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the offset names a learner that is not there");
    }
    tm_model *inner = NULL;
    TM_TRY(ops->load(bytes, n_bytes, &inner, err));
    tm_status st = tm__offset_create(&inner, out_model, err);
    if (st == TM_E_INVALID) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the offset's model has several outputs");
    }
    tm__model_free(inner);
    return st;
}

static const tm_param_def no_params[] = {{.name = NULL}};

const tm_model_ops tm__offset_ops = {
    .name = "offset",
    .abi = TM_MODEL_ABI,
    .params = no_params,
    .fit = fit,
    .predict = predict,
    .predict_row = predict_row,
    .save = save,
    .load = load,
    .free = free_offset,
    .explain = explain,
    .importance = importance,
    .splits = splits,
    .each_part = each_part,
    .describe = describe,
};
