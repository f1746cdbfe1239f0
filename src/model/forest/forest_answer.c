/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of a random forest. Probabilities are averaged over trees, and only then become raw
 * scores: log-odds, or logs for classes. So a forest blends with boosting, whose raw scores are of
 * the same kind.
 *
 * Classes. The trees are walked as outputs of their own: output t is the number of the leaf that
 * tree t ends in, exact as a double. The kernels of trees stay what they are; the shares of the
 * leaves are added up after, in the order of trees, so a row has the same bits alone and in a
 * batch.
 *
 * Explanations are Shapley values of the probability, times the slope from the mean to the answer
 * on the scale of raw scores, so that they sum to the raw score.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/forest/forest_priv.h"

enum { SLICE_CELLS = 1 << 20, ROWS_ITEM = 256 };

/* No probability is surer than the trees can tell. */
static const double PROBABILITY_MIN = 1e-6;

static double within(double p) {
    return fmin(fmax(p, PROBABILITY_MIN), 1 - PROBABILITY_MIN);
}

static double log_odds(double p) {
    return tm__log(within(p) / (1 - within(p)));
}

/* ---- classes ---- */

/* Raw scores of a row from its leaves [trees]. */
static void classes_of(const tm_random_forest *self, const double *leaves, double *out) {
    const tm_wood_shares *shares = &self->shares;
    const uint32_t k = self->base.n_outputs, n_trees = self->trees.n_trees;
    double rest = n_trees;
    memset(out, 0, k * sizeof(double));
    for (uint32_t t = 0; t < n_trees; t++) {
        const uint32_t leaf = (uint32_t)leaves[t];
        for (uint32_t e = shares->starts[leaf]; e < shares->starts[leaf + 1]; e++) {
            const double share = (double)shares->shares[e];
            out[shares->classes[e]] += share;
            rest -= share;
        }
    }
    for (uint32_t c = 0; c < k; c++) {
        const double p = (out[c] + fmax(rest, 0) * shares->prior[c]) / n_trees;
        out[c] = self->slope * tm__log(fmax(p, PROBABILITY_MIN));
    }
}

typedef struct classes_job {
    const tm_random_forest *self;
    const double *leaves; /* [n_rows x trees] */
    uint64_t n_rows;
    double *out;
} classes_job;

static void classes_task(void *arg, uint64_t item, uint32_t worker) {
    const classes_job *job = arg;
    const uint64_t begin = item * ROWS_ITEM;
    const uint64_t end = job->n_rows - begin < ROWS_ITEM ? job->n_rows : begin + ROWS_ITEM;
    (void)worker;
    for (uint64_t row = begin; row < end; row++) {
        classes_of(job->self, job->leaves + row * job->self->trees.n_trees,
                   job->out + row * job->self->base.n_outputs);
    }
}

static tm_status classes_predict(tm_ctx *ctx, const tm_random_forest *self, const tm_view *x,
                                 double *out, tm_err *err) {
    const uint32_t n_trees = self->trees.n_trees;
    uint64_t slice = SLICE_CELLS / n_trees;
    slice = slice < x->n_rows ? slice : x->n_rows;
    double *leaves = tm__mem_alloc((size_t)slice * n_trees, sizeof(double));
    const double **cols = tm__mem_alloc(x->n_cols, sizeof(*cols));
    tm_status st = leaves == NULL || cols == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "out of memory to predict")
                       : TM_OK;
    for (uint64_t row = 0; st == TM_OK && row < x->n_rows; row += slice) {
        const uint64_t n = x->n_rows - row < slice ? x->n_rows - row : slice;
        for (uint32_t c = 0; c < x->n_cols; c++) {
            cols[c] = x->cols[c] + row;
        }
        tm_view part = *x;
        part.n_rows = n;
        part.cols = cols;
        st = tm__forest_predict(ctx, &self->trees, &part, leaves, err);
        classes_job job = {
            .self = self, .leaves = leaves, .n_rows = n, .out = out + row * self->base.n_outputs};
        if (st == TM_OK) {
            tm__pool_run(ctx->pool, (n + ROWS_ITEM - 1) / ROWS_ITEM, classes_task, &job);
        }
    }
    tm__mem_free(leaves);
    tm__mem_free(cols);
    return st;
}

/* ---- all tasks ---- */

tm_status tm__random_forest_predict(tm_ctx *ctx, const tm_model *model, const tm_view *x,
                                    double *out, tm_err *err) {
    const tm_random_forest *self = (const tm_random_forest *)model;
    if (model->task == TM_TASK_MULTICLASS) {
        return classes_predict(ctx, self, x, out, err);
    }
    TM_TRY(tm__forest_predict(ctx, &self->trees, x, out, err));
    for (uint64_t row = 0; model->task == TM_TASK_BINARY && row < x->n_rows; row++) {
        out[row] = self->slope * log_odds(out[row]);
    }
    return TM_OK;
}

/* Apart, because the compiler clears the array at each call. */
static void classes_predict_row(const tm_random_forest *self, const tm_view *row, double *out) {
    double leaves[TM_WOOD_TREES_MAX];
    tm__forest_predict_row(&self->trees, row->cols, 0, leaves);
    classes_of(self, leaves, out);
}

void tm__random_forest_predict_row(const tm_model *model, const tm_view *row, double *out) {
    const tm_random_forest *self = (const tm_random_forest *)model;
    if (model->task == TM_TASK_MULTICLASS) {
        classes_predict_row(self, row, out);
        return;
    }
    tm__forest_predict_row(&self->trees, row->cols, 0, out);
    if (model->task == TM_TASK_BINARY) {
        out[0] = self->slope * log_odds(out[0]);
    }
}

/* ---- explanations ---- */

/* From values of a probability [n_cols + 2] to values of the raw score; near the mean the slope is
 * that of the scale itself. */
static void stretch(double *line, uint32_t n_cols, double raw, double mean_raw, double mean_slope) {
    double sum = 0;
    for (uint32_t c = 0; c < n_cols; c++) {
        sum += line[c];
    }
    const double slope = fabs(sum) > 1e-9 ? (raw - mean_raw) / sum : mean_slope;
    double left = raw;
    for (uint32_t c = 0; c < n_cols; c++) {
        line[c] *= slope;
        left -= line[c];
    }
    line[n_cols + 1] = left;
}

/* Each class's probability is a forest with one output. */
static tm_status classes_explain(const tm_random_forest *self, const tm_view *row, double *out,
                                 tm_err *err) {
    const uint32_t k = self->base.n_outputs, n_cols = self->base.n_cols;
    const tm_wood_shares *shares = &self->shares;
    double raw[TM_MAX_CLASSES], zero = 0;
    double *values = tm__mem_zalloc(self->trees.n_nodes, sizeof(double));
    tm_status st =
        values == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for an explanation") : TM_OK;
    tm__random_forest_predict_row(&self->base, row, raw);
    for (uint32_t c = 0; st == TM_OK && c < k; c++) {
        tm_forest one = self->trees;
        one.n_outputs = 1;
        one.base = &zero;
        one.values = values;
        one.codes = NULL;
        for (uint32_t node = 0; node < one.n_nodes; node++) {
            if ((one.nodes[node].meta & TM_NODE_LEAF) == 0) {
                continue;
            }
            const uint32_t leaf = (uint32_t)self->trees.values[node];
            double own = 0, rest = 1;
            for (uint32_t e = shares->starts[leaf]; e < shares->starts[leaf + 1]; e++) {
                own = shares->classes[e] == c ? (double)shares->shares[e] : own;
                rest -= (double)shares->shares[e];
            }
            values[node] = (own + fmax(rest, 0) * shares->prior[c]) / one.n_trees;
        }
        double *line = out + (size_t)c * (n_cols + 2);
        st = tm__forest_explain(&one, row->cols, line, err);
        if (st == TM_OK) {
            const double mean = fmax(line[n_cols + 1], PROBABILITY_MIN);
            stretch(line, n_cols, raw[c], self->slope * tm__log(mean), self->slope / mean);
        }
    }
    tm__mem_free(values);
    return st;
}

tm_status tm__random_forest_explain(const tm_model *model, const tm_view *row, double *out,
                                    tm_err *err) {
    const tm_random_forest *self = (const tm_random_forest *)model;
    if (model->task == TM_TASK_MULTICLASS) {
        return classes_explain(self, row, out, err);
    }
    TM_TRY(tm__forest_explain(&self->trees, row->cols, out, err));
    if (model->task == TM_TASK_BINARY) {
        double raw = 0;
        tm__random_forest_predict_row(model, row, &raw);
        const double mean = within(out[model->n_cols + 1]);
        stretch(out, model->n_cols, raw, self->slope * log_odds(mean),
                self->slope / (mean * (1 - mean)));
    }
    return TM_OK;
}
