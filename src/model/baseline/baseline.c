/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One raw score for each output, whatever the row.
 *
 *   bytes: magic, version, task, n_outputs, n_cols, 0 (u32), work_used (u64), scores (f64)
 *
 * Invariant: every score is finite, also when a class has no rows (see baseline_fit).
 */
#include "model/baseline/baseline.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"

#define MAGIC UINT32_C(0x4C534254) /* "TBSL" */
#define VERSION 1u
#define CHUNK 4096u

typedef struct baseline {
    tm_model base;
    double *scores; /* [n_outputs] */
} baseline;

static const tm_param_def params[] = {{.name = NULL}};

static void baseline_free(tm_model *model) {
    if (model != NULL) {
        tm__mem_free(((baseline *)model)->scores);
        tm__mem_free(model);
    }
}

static baseline *create(tm_task task, uint32_t n_outputs, uint32_t n_cols) {
    baseline *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->base.ops = &tm__baseline_ops;
    self->base.task = task;
    self->base.n_outputs = n_outputs;
    self->base.n_cols = n_cols;
    self->scores = tm__mem_zalloc(n_outputs, sizeof(double));
    if (self->scores == NULL) {
        baseline_free(&self->base);
        return NULL;
    }
    return self;
}

/* Weight of each class, and the weighted sum of y, each by chunks. */
static void sum_target(const tm_fit_input *in, double *by_class, double *out_weight,
                       double *out_sum) {
    double weight = 0.0, sum = 0.0;
    for (uint64_t at = 0; at < in->x->n_rows; at += CHUNK) {
        const uint64_t end = at + CHUNK < in->x->n_rows ? at + CHUNK : in->x->n_rows;
        double chunk_weight = 0.0, chunk_sum = 0.0;
        for (uint64_t i = at; i < end; i++) {
            const double w = in->weights == NULL ? 1.0 : in->weights[i];
            chunk_weight += w;
            chunk_sum += w * in->y[i];
            if (in->task == TM_TASK_MULTICLASS) {
                by_class[(uint32_t)in->y[i]] += w;
            }
        }
        weight += chunk_weight;
        sum += chunk_sum;
    }
    *out_weight = weight;
    *out_sum = sum;
}

static tm_status baseline_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *p,
                              tm_model **out_model, tm_err *err) {
    const uint32_t n = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    double weight = 0.0, sum = 0.0;
    (void)p;
    baseline *self = create(in->task, n, in->x->n_cols);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the baseline");
    }
    sum_target(in, self->scores, &weight, &sum);
    if (in->task == TM_TASK_BINARY) {
        /* Half a row of average weight on each side keeps the log-odds of a one-sided target
         * finite (Jeffreys prior). */
        const double half = 0.5 * weight / (double)in->x->n_rows;
        self->scores[0] = tm__log((sum + half) / (weight - sum + half));
    } else if (in->task == TM_TASK_MULTICLASS) {
        const double half = 0.5 * weight / (double)in->x->n_rows;
        for (uint32_t k = 0; k < n; k++) {
            self->scores[k] = tm__log((self->scores[k] + half) / (weight + half * n));
        }
    } else {
        self->scores[0] = sum / weight;
    }
    self->base.work_used = in->x->n_rows;
    (void)tm__ctx_spend(ctx, in->x->n_rows);
    *out_model = &self->base;
    return TM_OK;
}

static void baseline_predict_row(const tm_model *model, const tm_view *row, double *out) {
    (void)row;
    memcpy(out, ((const baseline *)model)->scores, model->n_outputs * sizeof(double));
}

static tm_status baseline_predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                                  tm_err *err) {
    (void)ctx;
    (void)err;
    for (uint64_t i = 0; i < x->n_rows; i++) {
        baseline_predict_row(model, x, out + i * model->n_outputs);
    }
    return TM_OK;
}

static tm_status baseline_save(const tm_model *model, tm_buf *out, tm_err *err) {
    const baseline *self = (const baseline *)model;
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, (uint32_t)model->task);
    tm__buf_u32(out, model->n_outputs);
    tm__buf_u32(out, model->n_cols);
    tm__buf_u32(out, 0);
    tm__buf_u64(out, model->work_used);
    tm__buf_f64s(out, self->scores, model->n_outputs);
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no room to save the baseline") : TM_OK;
}

static tm_status baseline_load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, data, len);
    const uint32_t magic = tm__reader_u32(&in), version = tm__reader_u32(&in);
    const uint32_t task = tm__reader_u32(&in), n = tm__reader_u32(&in);
    const uint32_t n_cols = tm__reader_u32(&in), zero = tm__reader_u32(&in);
    const uint64_t work = tm__reader_u64(&in);
    if (in.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a baseline model");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "baseline model has version %u, not %u", version,
                       VERSION);
    }
    const uint32_t n_max = task == TM_TASK_MULTICLASS ? TM_MAX_CLASSES : 1;
    if (task < TM_TASK_BINARY || task > TM_TASK_RANKING || n == 0 || n > n_max || zero != 0 ||
        (task == TM_TASK_MULTICLASS && n < 2)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "baseline model has a wrong shape");
    }
    baseline *self = create((tm_task)task, n, n_cols);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the baseline");
    }
    bool is_right = true;
    for (uint32_t k = 0; k < n; k++) {
        self->scores[k] = tm__reader_f64(&in);
        is_right = is_right && fabs(self->scores[k]) <= TM_MODEL_SCORE_MAX;
    }
    if (!is_right || !tm__reader_is_done(&in)) {
        baseline_free(&self->base);
        return TM_FAIL(err, TM_E_INTEGRITY, "baseline model has wrong values or a wrong length");
    }
    self->base.work_used = work;
    *out_model = &self->base;
    return TM_OK;
}

static tm_status baseline_explain(const tm_model *model, const tm_view *row, double *out,
                                  tm_err *err) {
    const baseline *self = (const baseline *)model;
    const size_t width = (size_t)model->n_cols + 2;
    (void)row;
    (void)err;
    memset(out, 0, model->n_outputs * width * sizeof(double));
    for (uint32_t k = 0; k < model->n_outputs; k++) {
        out[k * width + width - 1] = self->scores[k];
    }
    return TM_OK;
}

static void baseline_importance(const tm_model *model, double *out) {
    memset(out, 0, ((size_t)model->n_cols + 1) * sizeof(double));
}

static json_t *baseline_describe(const tm_model *model) {
    const baseline *self = (const baseline *)model;
    json_t *scores = json_array();
    for (uint32_t k = 0; scores != NULL && k < model->n_outputs; k++) {
        if (json_array_append_new(scores, tm__json_number(self->scores[k])) != 0) {
            json_decref(scores);
            return NULL;
        }
    }
    return json_pack("{s:o}", "raw_scores", scores);
}

const tm_model_ops tm__baseline_ops = {
    .name = "baseline",
    .abi = TM_MODEL_ABI,
    .params = params,
    .keeps_rules = true, /* the answer is one for all rows */
    .fit = baseline_fit,
    .predict = baseline_predict,
    .save = baseline_save,
    .load = baseline_load,
    .free = baseline_free,
    .predict_row = baseline_predict_row,
    .explain = baseline_explain,
    .importance = baseline_importance,
    .describe = baseline_describe,
};
