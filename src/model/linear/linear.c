/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fitted linear model does.
 *
 *   score = bias + contribution of each dense column, in order, + value * coefficient of each term
 *
 *   coefs [n_coef_rows x n_outputs]
 *     number    row 0 slope, row 1 shift:  (cut(x) - mean) * slope + shift;  row 2: answer for NaN
 *     category  row c: answer for level c; row n_levels: answer for a missing or unknown level
 *
 * Invariants.
 * 1. Contributions of a column have mean 0 over the training rows, so bias + term_mean is the mean
 *    raw score and an explanation reads "more or less than usual".
 * 2. A block and a row run the same additions in the same order: their bits are the same.
 * 3. load() accepts what save() writes and nothing else: finite numbers, rising terms, exact
 * length.
 */
#include "model/linear/linear.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/linear/linear_priv.h"

#define MAGIC UINT32_C(0x4E494C54) /* "TLIN" */
#define VERSION 1u
#define VERSION_MOVED 2u /* of an update: what rows before counted stands behind the strength */
#define BLOCK 256u
#define CHUNK 4096u
#define HEAD_BYTES 48u
#define PART_BYTES 32u

static const tm_param_def params[] = {
    {"strength", TM_PARAM_FLOAT, 0.0, 0.0, 1e6,
     "Weight of the penalty beside the mean loss; 0 chooses it on validation rows.", NULL},
    {"l1_ratio", TM_PARAM_FLOAT, 0.0, 0.0, 1.0,
     "Share of the l1 part in the penalty: 0 is ridge, 1 is lasso (Zou and Hastie 2005).", NULL},
    {"max_iter", TM_PARAM_INT, 200.0, 1.0, 100000.0, "Steps of the solver for each strength.",
     NULL},
    {"tol", TM_PARAM_FLOAT, 1e-6, 0.0, 1.0,
     "Stop when two steps lower the objective by less than this share.", NULL},
    {"max_rows", TM_PARAM_INT, 500000.0, 1000.0, 4e9,
     "Learn from at most this many rows, evenly spaced: more do not change so few coefficients.",
     NULL},
    {"solver", TM_PARAM_CHOICE, 0.0, 0.0, 0.0,
     "lbfgs: all coefficients at a time, on all threads; descent: one at a time, of those that are "
     "not 0 (Friedman, Hastie, Tibshirani 2010); auto: descent where there is an l1 part; newton: "
     "lbfgs, of up to 127 coefficients an output by their curvature together, in fewer steps.",
     "auto|lbfgs|descent|newton"},
    {.name = NULL},
};

static void linear_free(tm_model *model) {
    if (model != NULL) {
        tm_linear *self = (tm_linear *)model;
        tm__mem_free(self->parts);
        tm__mem_free(self->coefs);
        tm__mem_free(self->bias);
        tm__mem_free(self->term_mean);
        tm__mem_free(self->shares);
        tm__mem_free(self->active);
        tm__mem_free(self->term_slot);
        tm__mem_free(self->term_coefs);
        tm__mem_free(self);
    }
}

tm_linear *tm__linear_create(const tm_model *shape, uint32_t n_coef_rows, uint32_t n_active) {
    const size_t k = shape->n_outputs;
    tm_linear *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->base = *shape;
    self->base.ops = &tm__linear_ops;
    self->n_coef_rows = n_coef_rows;
    self->n_active = n_active;
    self->parts = tm__mem_zalloc(shape->n_cols, sizeof(*self->parts));
    self->coefs = tm__mem_zalloc(n_coef_rows * k, sizeof(double));
    self->bias = tm__mem_zalloc(k, sizeof(double));
    self->term_mean = tm__mem_zalloc(k, sizeof(double));
    self->shares = tm__mem_zalloc((size_t)shape->n_cols + 1, sizeof(double));
    self->active = tm__mem_zalloc(n_active, sizeof(uint32_t));
    self->term_slot = tm__mem_alloc(shape->n_terms, sizeof(uint32_t));
    self->term_coefs = tm__mem_zalloc(n_active * k, sizeof(double));
    if (self->parts == NULL || self->coefs == NULL || self->bias == NULL ||
        self->term_mean == NULL || self->shares == NULL || self->active == NULL ||
        self->term_slot == NULL || self->term_coefs == NULL) {
        linear_free(&self->base);
        return NULL;
    }
    memset(self->term_slot, 0xFF, shape->n_terms * sizeof(uint32_t));
    return self;
}

/* ---- scores ---- */

/* Add what column j adds for value x to out [n_outputs]. */
static inline void add_part(const tm_linear *self, const tm_linear_part *part, double x,
                            double *out) {
    const size_t k = self->base.n_outputs;
    const double *rows = self->coefs + part->row * k;
    if (part->is_categorical) {
        const bool is_known = x >= 0.0 && x < part->n_levels;
        rows += (is_known ? (uint32_t)x : part->n_levels) * k;
    } else if (isnan(x)) {
        rows += 2 * k;
    } else {
        const double cut = x < part->lo ? part->lo : x > part->hi ? part->hi : x;
        const double off = cut - part->mean;
        for (size_t o = 0; o < k; o++) {
            out[o] += off * rows[o] + rows[k + o];
        }
        return;
    }
    for (size_t o = 0; o < k; o++) {
        out[o] += rows[o];
    }
}

static void add_terms(const tm_linear *self, const tm_sparse *sparse, uint64_t row, double *out) {
    const size_t k = self->base.n_outputs;
    for (uint64_t e = sparse->starts[row]; e < sparse->starts[row + 1]; e++) {
        const uint32_t slot = self->term_slot[sparse->terms[e]];
        const double value = (double)sparse->values[e];
        for (size_t o = 0; slot != UINT32_MAX && o < k; o++) {
            out[o] += value * self->term_coefs[slot * k + o];
        }
    }
}

/* Raw scores of rows from .. from + n. */
static void score_block(const tm_linear *self, const tm_view *x, uint64_t from, uint64_t n,
                        double *out) {
    const size_t k = self->base.n_outputs;
    for (uint64_t i = 0; i < n; i++) {
        memcpy(out + i * k, self->bias, k * sizeof(double));
    }
    for (uint32_t j = 0; j < self->base.n_cols; j++) {
        const tm_linear_part *part = &self->parts[j];
        const double *column = x->cols[j] + from;
        for (uint64_t i = 0; i < n; i++) {
            add_part(self, part, column[i], out + i * k);
        }
    }
    for (uint64_t i = 0; self->base.n_terms > 0 && i < n; i++) {
        add_terms(self, x->sparse, from + i, out + i * k);
    }
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    score_block((const tm_linear *)model, row, 0, 1, out);
}

typedef struct predict_job {
    const tm_linear *self;
    const tm_view *x;
    double *out;
} predict_job;

static void predict_chunk(void *arg, uint64_t item, uint32_t worker) {
    const predict_job *job = arg;
    const uint64_t from = item * CHUNK, last = from + CHUNK;
    const uint64_t end = last < job->x->n_rows ? last : job->x->n_rows;
    (void)worker;
    for (uint64_t row = from; row < end; row += BLOCK) {
        const uint64_t n = row + BLOCK < end ? BLOCK : end - row;
        score_block(job->self, job->x, row, n, job->out + row * job->self->base.n_outputs);
    }
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    predict_job job = {(const tm_linear *)model, x, out};
    if (tm__ctx_cancelled(ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "predicting was cancelled");
    }
    tm__pool_run(ctx->pool, (x->n_rows + CHUNK - 1) / CHUNK, predict_chunk, &job);
    return TM_OK;
}

static tm_status explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const tm_linear *self = (const tm_linear *)model;
    const size_t k = model->n_outputs, width = (size_t)model->n_cols + 2;
    double *sums = tm__mem_zalloc(k, sizeof(double));
    if (sums == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an explanation");
    }
    for (uint32_t j = 0; j < model->n_cols; j++) {
        memset(sums, 0, k * sizeof(double));
        add_part(self, &self->parts[j], row->cols[j][0], sums);
        for (size_t o = 0; o < k; o++) {
            out[o * width + j] = sums[o];
        }
    }
    memset(sums, 0, k * sizeof(double));
    if (model->n_terms > 0) {
        add_terms(self, row->sparse, 0, sums);
    }
    for (size_t o = 0; o < k; o++) {
        out[o * width + width - 2] = sums[o] - self->term_mean[o];
        out[o * width + width - 1] = self->bias[o] + self->term_mean[o];
    }
    tm__mem_free(sums);
    return TM_OK;
}

static void importance(const tm_model *model, double *out) {
    memcpy(out, ((const tm_linear *)model)->shares, ((size_t)model->n_cols + 1) * sizeof(double));
}

static json_t *describe(const tm_model *model) {
    const tm_linear *self = (const tm_linear *)model;
    const size_t k = model->n_outputs;
    json_int_t n_nonzero = 0;
    for (size_t i = 0; i < self->n_coef_rows * k; i++) {
        n_nonzero += self->coefs[i] != 0.0;
    }
    for (size_t i = 0; i < self->n_active * k; i++) {
        n_nonzero += self->term_coefs[i] != 0.0;
    }
    return json_pack("{s:f, s:I, s:I}", "strength", self->strength, "n_coefficients", n_nonzero,
                     "n_terms", (json_int_t)self->n_active);
}

/* ---- bytes ---- */

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_linear *self = (const tm_linear *)model;
    const size_t k = model->n_outputs;
    const uint32_t version = self->is_moved ? VERSION_MOVED : VERSION;
    const uint32_t head[] = {MAGIC,         version,        (uint32_t)model->task, model->n_outputs,
                             model->n_cols, model->n_terms, self->n_coef_rows,     self->n_active};
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        tm__buf_u32(out, head[i]);
    }
    tm__buf_u64(out, model->work_used);
    tm__buf_f64(out, self->strength);
    if (self->is_moved) {
        tm__buf_f64(out, model->before_counts);
    }
    for (uint32_t j = 0; j < model->n_cols; j++) {
        const tm_linear_part *part = &self->parts[j];
        tm__buf_u32(out, part->is_categorical ? 1 : 0);
        tm__buf_u32(out, part->n_levels);
        tm__buf_f64(out, part->lo);
        tm__buf_f64(out, part->hi);
        tm__buf_f64(out, part->mean);
    }
    tm__buf_f64s(out, self->bias, k);
    tm__buf_f64s(out, self->term_mean, k);
    tm__buf_f64s(out, self->shares, (size_t)model->n_cols + 1);
    tm__buf_f64s(out, self->coefs, self->n_coef_rows * k);
    tm__buf_f64s(out, self->term_coefs, self->n_active * k);
    for (uint32_t t = 0; t < self->n_active; t++) {
        tm__buf_u32(out, self->active[t]);
    }
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no room to save a linear model") : TM_OK;
}

/* The parts, which must use up the rows of the coefficient table exactly. */
static bool load_parts(tm_reader *in, tm_linear *self) {
    uint64_t row = 0;
    for (uint32_t j = 0; j < self->base.n_cols; j++) {
        tm_linear_part *part = &self->parts[j];
        const uint32_t kind = tm__reader_u32(in);
        double cuts[3];
        part->is_categorical = kind == 1;
        part->n_levels = tm__reader_u32(in);
        if (!tm__reader_f64s(in, cuts, 3) || kind > 1 || cuts[0] > cuts[1] ||
            (kind == 0 && part->n_levels != 0)) {
            return false;
        }
        part->lo = cuts[0];
        part->hi = cuts[1];
        part->mean = cuts[2];
        part->row = (uint32_t)row;
        row += kind == 1 ? (uint64_t)part->n_levels + 1 : 3;
        if (row > self->n_coef_rows) {
            return false;
        }
    }
    return row == self->n_coef_rows;
}

static bool load_terms(tm_reader *in, tm_linear *self) {
    for (uint32_t t = 0; t < self->n_active; t++) {
        const uint32_t term = tm__reader_u32(in);
        if (term >= self->base.n_terms || (t > 0 && term <= self->active[t - 1])) {
            return false;
        }
        self->active[t] = term;
        self->term_slot[term] = t;
    }
    return true;
}

/* The largest thing that column j can add to output o. */
static double part_most(const tm_linear *self, const tm_linear_part *part, size_t o) {
    const size_t k = self->base.n_outputs;
    const double *rows = self->coefs + part->row * k + o;
    double most = 0;
    if (!part->is_categorical) {
        const double reach = fmax(fabs(part->lo), fabs(part->hi)) + fabs(part->mean);
        return fmax(reach * fabs(rows[0]) + fabs(rows[k]), fabs(rows[2 * k]));
    }
    for (uint32_t level = 0; level <= part->n_levels; level++) {
        most = fmax(most, fabs(rows[level * k]));
    }
    return most;
}

/* Whether some row could get a score that is not finite, or too large to be added to others. The
 * weights of a row's terms are at most 1. */
static bool overflows(const tm_linear *self) {
    const size_t k = self->base.n_outputs;
    for (size_t o = 0; o < k; o++) {
        double sum = fabs(self->bias[o]) + fabs(self->term_mean[o]);
        for (uint32_t j = 0; j < self->base.n_cols; j++) {
            sum += part_most(self, &self->parts[j], o);
        }
        for (uint32_t t = 0; t < self->n_active; t++) {
            sum += fabs(self->term_coefs[t * k + o]);
        }
        if (!(sum <= TM_MODEL_SCORE_MAX)) {
            return true;
        }
    }
    return false;
}

static bool load_body(tm_reader *in, tm_linear *self) {
    const size_t k = self->base.n_outputs;
    return load_parts(in, self) && tm__reader_f64s(in, self->bias, k) &&
           tm__reader_f64s(in, self->term_mean, k) &&
           tm__reader_f64s(in, self->shares, (size_t)self->base.n_cols + 1) &&
           tm__reader_f64s(in, self->coefs, self->n_coef_rows * k) &&
           tm__reader_f64s(in, self->term_coefs, self->n_active * k) && load_terms(in, self) &&
           tm__reader_is_done(in) && !overflows(self);
}

/* A shape whose bytes are exactly len; so a wrong one cannot ask for much memory. */
static bool is_shape(const tm_model *shape, uint64_t n_coef_rows, uint64_t n_active, size_t len) {
    const uint64_t k = shape->n_outputs;
    const bool is_multi = shape->task == TM_TASK_MULTICLASS;
    if (shape->task < TM_TASK_BINARY || shape->task > TM_TASK_RANKING || k < (is_multi ? 2u : 1u) ||
        k > (is_multi ? TM_MAX_CLASSES : 1u) || n_active > shape->n_terms ||
        (n_active == 0) != (shape->n_terms == 0) || shape->n_terms > TM_LINEAR_TERMS_MAX) {
        return false;
    }
    const uint64_t numbers = (2 + n_coef_rows + n_active) * k + shape->n_cols + 1;
    return len == HEAD_BYTES + (uint64_t)PART_BYTES * shape->n_cols + 8 * numbers + 4 * n_active;
}

static bool is_amount(double value) {
    return value >= 0.0 && isfinite(value);
}

static tm_status load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, data, len);
    const uint32_t magic = tm__reader_u32(&in), version = tm__reader_u32(&in);
    tm_model shape = {.task = (tm_task)tm__reader_u32(&in)};
    shape.n_outputs = tm__reader_u32(&in);
    shape.n_cols = tm__reader_u32(&in);
    shape.n_terms = tm__reader_u32(&in);
    const uint32_t n_coef_rows = tm__reader_u32(&in), n_active = tm__reader_u32(&in);
    shape.work_used = tm__reader_u64(&in);
    const double strength = tm__reader_f64(&in);
    if (in.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a linear model");
    }
    if (version != VERSION && version != VERSION_MOVED) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "linear model has version %u, not %u or %u", version,
                       VERSION, VERSION_MOVED);
    }
    const bool is_moved = version == VERSION_MOVED;
    shape.before_counts = is_moved ? tm__reader_f64(&in) : 0.0;
    if (!is_shape(&shape, n_coef_rows, n_active, is_moved ? len - 8 : len) ||
        !is_amount(strength) || !is_amount(shape.before_counts)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "linear model has a wrong shape");
    }
    tm_linear *self = tm__linear_create(&shape, n_coef_rows, n_active);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a linear model");
    }
    self->strength = strength;
    self->is_moved = is_moved;
    if (!load_body(&in, self)) {
        linear_free(&self->base);
        return TM_FAIL(err, TM_E_INTEGRITY, "linear model has wrong values");
    }
    *out_model = &self->base;
    return TM_OK;
}

const tm_model_ops tm__linear_ops = {
    .name = "linear",
    .abi = TM_MODEL_ABI,
    .params = params,
    .updates = true,
    .weighs_before = true,
    .fit = tm__linear_fit,
    .predict = predict,
    .save = save,
    .load = load,
    .free = linear_free,
    .predict_row = predict_row,
    .explain = explain,
    .importance = importance,
    .describe = describe,
};
