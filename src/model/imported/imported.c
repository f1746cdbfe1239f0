/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. A row goes through the front (if there is one), then through trees or weights, then
 * sum * scale / divide is the raw score. Trees are those of model/tree: thresholds were moved on
 * import so that `x <= threshold` in double precision decides as the source library does in its own
 * precision, and so the same kernels walk them.
 *
 * Invariants.
 *   1. Every number of a model is finite; divide is at least 1.
 *   2. Raw scores are within +-TM_MODEL_SCORE_MAX: sums are cut there.
 *   3. With a front there are at most TM_FRONT_COLS_MAX columns.
 */
#include "model/imported/imported.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/imported/imported_priv.h"

#define MAGIC UINT32_C(0x54504d49) /* "IMPT" */
#define VERSION 1u
#define SCALE_MAX 1e6
#define TERM_MAX 1e290 /* of weight * value: 16384 of them add up to less than a score may be */

enum { BATCH_ROWS = 2048 };

tm_imported *tm__imported_create(const tm_imported_shape *shape) {
    tm_imported *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->base = (tm_model){.ops = &tm__imported_ops,
                            .task = shape->task,
                            .has_link = true,
                            .link = shape->link,
                            .n_outputs = shape->n_outputs,
                            .n_cols = shape->n_cols};
    self->kind = shape->kind;
    self->scale = self->divide = 1;
    self->front.is_used = shape->has_front;
    const size_t n = shape->n_cols;
    self->gains = tm__mem_zalloc(n, sizeof(double));
    if (shape->kind == TM_IMPORTED_LINEAR) {
        self->weights = tm__mem_zalloc(shape->n_outputs * (n + 1), sizeof(double));
    }
    if (self->gains == NULL || (shape->kind == TM_IMPORTED_LINEAR && self->weights == NULL) ||
        tm__forest_init(&self->forest, shape->n_outputs, shape->n_cols, NULL) != TM_OK) {
        tm__imported_free(&self->base);
        return NULL;
    }
    return self;
}

void tm__imported_free(tm_model *model) {
    if (model != NULL) {
        tm_imported *self = (tm_imported *)model;
        tm__forest_done(&self->forest);
        for (uint32_t i = 0; i < self->front.n_steps; i++) {
            tm__mem_free(self->front.steps[i].values);
        }
        tm__mem_free(self->weights);
        tm__mem_free(self->gains);
        tm__mem_free(self);
    }
}

static tm_status fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                     tm_model **out_model, tm_err *err) {
    (void)ctx;
    (void)in;
    (void)params;
    (void)out_model;
    return TM_FAIL(err, TM_E_UNSUPPORTED, "an imported model was fitted elsewhere");
}

/* ---- the front ---- */

static bool is_norm(tm_front_kind kind) {
    return kind >= TM_FRONT_NORM_MAX;
}

tm_status tm__imported_add_step(tm_imported *model, tm_front_kind kind, const float *values,
                                tm_err *err) {
    tm_front *front = &model->front;
    TM_ASSERT(front->is_used);
    if (front->n_steps == TM_FRONT_STEPS_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u steps come before the model",
                       TM_FRONT_STEPS_MAX);
    }
    float *copy = NULL;
    if (!is_norm(kind)) {
        copy = tm__mem_alloc(model->base.n_cols, sizeof(float));
        if (copy == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for a step");
        }
        memcpy(copy, values, model->base.n_cols * sizeof(float));
    }
    front->steps[front->n_steps++] = (tm_front_step){kind, copy};
    return TM_OK;
}

static void norm_row(tm_front_kind kind, uint32_t n_cols, float *x) {
    float sum = 0, most = 0;
    for (uint32_t c = 0; c < n_cols; c++) {
        most = fabsf(x[c]) > most ? fabsf(x[c]) : most;
        sum += kind == TM_FRONT_NORM_L2 ? x[c] * x[c] : fabsf(x[c]);
    }
    const float by = kind == TM_FRONT_NORM_MAX  ? most
                     : kind == TM_FRONT_NORM_L1 ? sum
                                                : (float)tm__sqrt((double)sum);
    for (uint32_t c = 0; by != 0 && c < n_cols; c++) {
        x[c] /= by;
    }
}

/* One step over a row. */
static void step_row(const tm_front_step *step, uint32_t n_cols, float *x) {
    const float *v = step->values;
    for (uint32_t c = 0; c < n_cols && !is_norm(step->kind); c++) {
        x[c] = step->kind == TM_FRONT_SUB   ? x[c] - v[c]
               : step->kind == TM_FRONT_MUL ? x[c] * v[c]
               : step->kind == TM_FRONT_ADD ? x[c] + v[c]
               : step->kind == TM_FRONT_DIV ? x[c] / v[c]
               : isnan(x[c])                ? v[c]
                                            : x[c];
    }
    if (is_norm(step->kind)) {
        norm_row(step->kind, n_cols, x);
    }
}

/* Row `row` of cols becomes values [n_cols]. */
static void front_row(const tm_front *front, uint32_t n_cols, const double *const *cols,
                      uint64_t row, double *values) {
    float x[TM_FRONT_COLS_MAX];
    for (uint32_t c = 0; c < n_cols; c++) {
        x[c] = (float)cols[c][row];
    }
    for (uint32_t i = 0; i < front->n_steps; i++) {
        step_row(&front->steps[i], n_cols, x);
    }
    for (uint32_t c = 0; c < n_cols; c++) {
        values[c] = (double)x[c];
    }
}

/* ---- predictions ---- */

static double finish(const tm_imported *self, double sum) {
    const double raw = sum * self->scale / self->divide;
    return fmin(fmax(raw, -TM_MODEL_SCORE_MAX), TM_MODEL_SCORE_MAX);
}

/* What column c adds to the sum; a missing value adds nothing. */
static double term(const double *weights, uint32_t c, double x) {
    const double product = weights[c] * x;
    return isnan(product) ? 0 : fmin(fmax(product, -TERM_MAX), TERM_MAX);
}

static void linear_row(const tm_imported *self, const double *const *cols, uint64_t row,
                       double *out) {
    const uint32_t n_cols = self->base.n_cols;
    for (uint32_t k = 0; k < self->base.n_outputs; k++) {
        const double *weights = self->weights + (size_t)k * (n_cols + 1);
        double sum = weights[n_cols];
        for (uint32_t c = 0; c < n_cols; c++) {
            sum += term(weights, c, cols[c][row]);
        }
        out[k] = sum;
    }
}

static void sum_row(const tm_imported *self, const double *const *cols, uint64_t row, double *out) {
    if (self->kind == TM_IMPORTED_LINEAR) {
        linear_row(self, cols, row, out);
    } else {
        tm__forest_predict_row(&self->forest, cols, row, out);
    }
}

/* Not part of its callers: rows without a front need no such stack. */
__attribute__((noinline)) static void
sum_front_row(const tm_imported *self, const double *const *cols, uint64_t row, double *out) {
    double values[TM_FRONT_COLS_MAX];
    const double *addresses[TM_FRONT_COLS_MAX];
    front_row(&self->front, self->base.n_cols, cols, row, values);
    for (uint32_t c = 0; c < self->base.n_cols; c++) {
        addresses[c] = &values[c];
    }
    sum_row(self, addresses, 0, out);
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    const tm_imported *self = (const tm_imported *)model;
    if (self->front.is_used) {
        sum_front_row(self, row->cols, 0, out);
    } else {
        sum_row(self, row->cols, 0, out);
    }
    for (uint32_t k = 0; k < model->n_outputs; k++) {
        out[k] = finish(self, out[k]);
    }
}

typedef struct rows_job {
    tm_ctx *ctx;
    const tm_imported *self;
    const tm_view *x;
    double *out;
    double **cols; /* not NULL: columns that the front fills */
} rows_job;

/* Rows through weights, or through the front into columns. */
static void rows_task(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    const rows_job *job = arg;
    const uint64_t begin = item * BATCH_ROWS;
    const uint64_t end = job->x->n_rows - begin < BATCH_ROWS ? job->x->n_rows : begin + BATCH_ROWS;
    const uint32_t k = job->self->base.n_outputs;
    double values[TM_FRONT_COLS_MAX];
    for (uint64_t row = begin; row < end && !tm__ctx_cancelled(job->ctx); row++) {
        if (job->cols != NULL) {
            front_row(&job->self->front, job->x->n_cols, job->x->cols, row, values);
            for (uint32_t c = 0; c < job->x->n_cols; c++) {
                job->cols[c][row] = values[c];
            }
        } else if (job->self->front.is_used) {
            sum_front_row(job->self, job->x->cols, row, job->out + row * k);
        } else {
            linear_row(job->self, job->x->cols, row, job->out + row * k);
        }
    }
}

static void rows_run(rows_job *job) {
    tm__pool_run(job->ctx->pool, (job->x->n_rows + BATCH_ROWS - 1) / BATCH_ROWS, rows_task, job);
}

/* Trees with a front: all columns are made first, so that the kernels of batches walk them. */
static tm_status predict_front(tm_ctx *ctx, const tm_imported *self, const tm_view *x, double *out,
                               tm_err *err) {
    rows_job job = {.ctx = ctx, .self = self, .x = x};
    tm_view view = *x;
    bool ok = true;
    job.cols = tm__mem_zalloc(x->n_cols, sizeof(double *));
    for (uint32_t c = 0; job.cols != NULL && c < x->n_cols; c++) {
        job.cols[c] = tm__mem_alloc(x->n_rows, sizeof(double));
        ok = ok && job.cols[c] != NULL;
    }
    tm_status st = TM_OK;
    if (job.cols == NULL || !ok) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory to predict");
    } else {
        rows_run(&job);
        view.cols = (const double *const *)job.cols;
        st = tm__forest_predict(ctx, &self->forest, &view, out, err);
    }
    for (uint32_t c = 0; job.cols != NULL && c < x->n_cols; c++) {
        tm__mem_free(job.cols[c]);
    }
    tm__mem_free(job.cols);
    return st;
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    const tm_imported *self = (const tm_imported *)model;
    if (self->kind == TM_IMPORTED_LINEAR) {
        rows_job job = {.ctx = ctx, .self = self, .x = x, .out = out};
        rows_run(&job);
        if (tm__ctx_cancelled(ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "prediction was cancelled");
        }
    } else if (self->front.is_used) {
        TM_TRY(predict_front(ctx, self, x, out, err));
    } else {
        TM_TRY(tm__forest_predict(ctx, &self->forest, x, out, err));
    }
    for (uint64_t i = 0; i < x->n_rows * model->n_outputs; i++) {
        out[i] = finish(self, out[i]);
    }
    return TM_OK;
}

/* ---- explanations ---- */

static void linear_explain(const tm_imported *self, const double *const *cols, double *out) {
    const uint32_t n_cols = self->base.n_cols;
    for (uint32_t k = 0; k < self->base.n_outputs; k++) {
        const double *weights = self->weights + (size_t)k * (n_cols + 1);
        double *line = out + (size_t)k * (n_cols + 2);
        for (uint32_t c = 0; c < n_cols; c++) {
            line[c] = term(weights, c, cols[c][0]);
        }
        line[n_cols] = 0;
        line[n_cols + 1] = weights[n_cols];
    }
}

static tm_status explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const tm_imported *self = (const tm_imported *)model;
    const uint32_t n_cols = model->n_cols;
    double values[TM_FRONT_COLS_MAX];
    const double *addresses[TM_FRONT_COLS_MAX];
    const double *const *cols = row->cols;
    if (self->front.is_used) {
        front_row(&self->front, n_cols, row->cols, 0, values);
        for (uint32_t c = 0; c < n_cols; c++) {
            addresses[c] = &values[c];
        }
        cols = addresses;
    }
    if (self->kind == TM_IMPORTED_LINEAR) {
        linear_explain(self, cols, out);
    } else {
        TM_TRY(tm__forest_explain(&self->forest, cols, out, err));
    }
    for (size_t i = 0; i < (size_t)model->n_outputs * (n_cols + 2u); i++) {
        out[i] = finish(self, out[i]);
    }
    return TM_OK;
}

static void importance(const tm_model *model, double *out) {
    tm__forest_importance(((const tm_imported *)model)->gains, model->n_cols, out);
}

static void splits(const tm_model *model, double *sums) {
    tm__forest_add_splits(&((const tm_imported *)model)->forest, sums);
}

static json_t *describe(const tm_model *model) {
    const tm_imported *self = (const tm_imported *)model;
    if (self->kind == TM_IMPORTED_LINEAR) {
        return json_pack("{s:s, s:I}", "kind", "linear", "n_weights",
                         (json_int_t)model->n_outputs * ((json_int_t)model->n_cols + 1));
    }
    return tm__forest_describe(&self->forest, json_pack("{s:s}", "kind", "trees"));
}

/* ---- bytes: docs/formats/imported.md ---- */

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_imported *self = (const tm_imported *)model;
    const uint32_t words[] = {MAGIC,
                              VERSION,
                              (uint32_t)self->kind,
                              (uint32_t)model->task,
                              (uint32_t)model->link,
                              model->n_outputs,
                              model->n_cols,
                              model->n_rounds,
                              self->front.is_used ? 1u + self->front.n_steps : 0u};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        tm__buf_u32(out, words[i]);
    }
    tm__buf_f64(out, self->scale);
    tm__buf_f64(out, self->divide);
    tm__buf_f64s(out, self->gains, model->n_cols);
    for (uint32_t i = 0; i < self->front.n_steps; i++) {
        const tm_front_step *step = &self->front.steps[i];
        tm__buf_u32(out, (uint32_t)step->kind);
        for (uint32_t c = 0; step->values != NULL && c < model->n_cols; c++) {
            tm__buf_f64(out, (double)step->values[c]);
        }
    }
    if (self->kind == TM_IMPORTED_TREES) {
        return tm__forest_save(&self->forest, out, err);
    }
    tm__buf_f64s(out, self->weights, (uint64_t)model->n_outputs * (model->n_cols + 1u));
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory for an imported model") : TM_OK;
}

static bool link_fits(uint32_t task, uint32_t link) {
    switch (link) {
    case TM_LINK_NONE:
    case TM_LINK_SIGMOID:
        return true;
    case TM_LINK_SOFTMAX:
    case TM_LINK_SHARES:
        return task == TM_TASK_MULTICLASS;
    case TM_LINK_EXP:
    case TM_LINK_SQUARE:
    case TM_LINK_SOFTPLUS:
        return task == TM_TASK_REGRESSION;
    default:
        return false;
    }
}

/* A step: values are finite numbers of single precision. */
static tm_status read_step(tm_reader *reader, tm_imported *self, tm_err *err) {
    const uint32_t kind = tm__reader_u32(reader);
    float values[TM_FRONT_COLS_MAX];
    bool ok = kind >= TM_FRONT_SUB && kind <= TM_FRONT_NORM_L2;
    for (uint32_t c = 0; ok && kind < TM_FRONT_NORM_MAX && c < self->base.n_cols; c++) {
        const double value = tm__reader_f64(reader);
        values[c] = (float)value;
        ok = isfinite(values[c]) && (double)values[c] == value && !reader->failed;
    }
    if (!ok) {
        return TM_FAIL(err, TM_E_INTEGRITY, "imported model has a bad step before it");
    }
    return tm__imported_add_step(self, (tm_front_kind)kind, values, err);
}

static tm_status read_head(tm_reader *reader, tm_imported_shape *shape, uint32_t *out_rounds,
                           uint32_t *out_steps, tm_err *err) {
    const uint32_t magic = tm__reader_u32(reader), version = tm__reader_u32(reader);
    if (reader->failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not an imported model");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "imported model has version %u, not %u", version,
                       VERSION);
    }
    const uint32_t kind = tm__reader_u32(reader), task = tm__reader_u32(reader);
    const uint32_t link = tm__reader_u32(reader);
    shape->n_outputs = tm__reader_u32(reader);
    shape->n_cols = tm__reader_u32(reader);
    *out_rounds = tm__reader_u32(reader);
    const uint32_t front = tm__reader_u32(reader);
    if (reader->failed || kind < TM_IMPORTED_TREES || kind > TM_IMPORTED_LINEAR ||
        !tm__model_outputs_fit(task, shape->n_outputs) || !link_fits(task, link) ||
        shape->n_cols > TM_MAX_COLS || front > 1 + TM_FRONT_STEPS_MAX ||
        (front > 0 && shape->n_cols > TM_FRONT_COLS_MAX) ||
        /* Before anything is allocated: as many bytes have to be there. */
        (uint64_t)shape->n_cols * 8 * (kind == TM_IMPORTED_LINEAR ? 1u + shape->n_outputs : 1u) >
            reader->len - reader->pos) {
        return TM_FAIL(err, TM_E_INTEGRITY, "imported model has a bad head");
    }
    shape->kind = (tm_imported_kind)kind;
    shape->task = (tm_task)task;
    shape->link = (tm_link)link;
    shape->has_front = front > 0;
    *out_steps = front > 0 ? front - 1 : 0;
    return TM_OK;
}

static tm_status read_body(tm_reader *reader, tm_imported *self, uint32_t n_steps, tm_err *err) {
    const uint32_t n_cols = self->base.n_cols;
    self->scale = tm__reader_f64(reader);
    self->divide = tm__reader_f64(reader);
    bool ok = fabs(self->scale) <= SCALE_MAX && self->divide >= 1 && self->divide <= 1e18;
    for (uint32_t c = 0; c < n_cols; c++) {
        self->gains[c] = tm__reader_f64(reader);
        ok = ok && self->gains[c] >= 0 && self->gains[c] <= 1e300;
    }
    for (uint32_t i = 0; i < n_steps; i++) {
        TM_TRY(read_step(reader, self, err));
    }
    if (self->kind == TM_IMPORTED_TREES) {
        tm_forest forest = {0};
        TM_TRY(tm__forest_load(reader, self->base.n_outputs, n_cols, &forest, err));
        tm__forest_done(&self->forest);
        self->forest = forest;
    } else {
        for (size_t i = 0; i < (size_t)self->base.n_outputs * (n_cols + 1u); i++) {
            self->weights[i] = tm__reader_f64(reader);
            ok = ok && fabs(self->weights[i]) <= TERM_MAX;
        }
    }
    if (!ok || !tm__reader_is_done(reader)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "imported model has bad numbers or a bad end");
    }
    return self->kind == TM_IMPORTED_TREES ? tm__forest_settle(&self->forest, err) : TM_OK;
}

static tm_status load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader reader;
    tm_imported_shape shape = {0};
    uint32_t n_rounds = 0, n_steps = 0;
    tm__reader_init(&reader, data, len);
    TM_TRY(read_head(&reader, &shape, &n_rounds, &n_steps, err));
    tm_imported *self = tm__imported_create(&shape);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an imported model");
    }
    self->base.n_rounds = n_rounds;
    const tm_status st = read_body(&reader, self, n_steps, err);
    if (st != TM_OK) {
        tm__imported_free(&self->base);
        return st;
    }
    *out_model = &self->base;
    return TM_OK;
}

static const tm_param_def no_params[] = {{.name = NULL}};

const tm_model_ops tm__imported_ops = {
    .name = "imported",
    .abi = TM_MODEL_ABI,
    .params = no_params,
    .fit = fit,
    .predict = predict,
    .save = save,
    .load = load,
    .free = tm__imported_free,
    .predict_row = predict_row,
    .explain = explain,
    .importance = importance,
    .splits = splits,
    .describe = describe,
};
