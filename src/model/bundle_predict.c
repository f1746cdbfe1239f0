/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of a bundle. A batch runs in slices of 65,536 rows, so that memory is bounded by the
 * width of the features; slices share nothing, so their size cannot show in an answer.
 */
#include <string.h>

#include "base/mem.h"
#include "model/bundle_priv.h"

#define SLICE 65536u

struct tm_bundle_scratch {
    tm_row_scratch *row;
    double *parts; /* [n_outputs x (n_cols + 2)] for explanations */
};

void tm__bundle_link(const tm_bundle *bundle, uint64_t n_rows, double *raw) {
    tm__calibration_apply(&bundle->calibration, n_rows, raw);
    tm__model_link(tm__model_link_of(bundle->model), bundle->model->n_outputs, n_rows, raw);
}

static tm_status predict_slice(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *table,
                               const uint32_t *rows, uint64_t n_rows, double *out, tm_err *err) {
    tm_matrix *matrix = NULL;
    TM_TRY(tm__program_apply(ctx, bundle->program, table, rows, n_rows, &matrix, err));
    const tm_status st = tm__model_predict(ctx, bundle->model, tm__matrix_view(matrix), out, err);
    if (st != TM_OK && err != NULL && err->data_row > 0) { /* of the view */
        err->data_row = (uint64_t)rows[err->data_row - 1] + 1;
    }
    if (st == TM_OK) {
        tm__bundle_link(bundle, n_rows, out);
    }
    tm__matrix_free(matrix);
    return st;
}

static tm_status predict_all(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *table,
                             const uint32_t *rows, uint64_t n_rows, double *out, tm_err *err) {
    const uint64_t n = rows == NULL ? tm__table_rows(table) : n_rows;
    const uint64_t slice = n < SLICE ? n : SLICE;
    uint32_t *own = rows == NULL ? tm__mem_alloc(slice, sizeof(*own)) : NULL;
    tm_status st = TM_OK;
    if (rows == NULL && own == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a slice of rows");
    }
    for (uint64_t at = 0; st == TM_OK && at < n; at += slice) {
        const uint64_t n_here = n - at < slice ? n - at : slice;
        for (uint64_t i = 0; own != NULL && i < n_here; i++) {
            own[i] = (uint32_t)(at + i);
        }
        if (tm__ctx_cancelled(ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "predicting was cancelled");
            break;
        }
        st = predict_slice(ctx, bundle, table, own != NULL ? own : rows + at, n_here,
                           out + at * bundle->model->n_outputs, err);
        tm__ctx_progress(ctx, "predict", at + n_here, n, NULL);
    }
    tm__mem_free(own);
    return st;
}

tm_status tm__bundle_predict(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *table,
                             const uint32_t *rows, uint64_t n_rows, double *out, tm_err *err) {
    tm_table *named = NULL;
    TM_TRY(tm__bundle_rename(bundle, (tm_table *)(uintptr_t)table, &named, err));
    const tm_status st = predict_all(ctx, bundle, named, rows, n_rows, out, err);
    tm__table_unref(named);
    return st;
}

/* ---- one row ---- */

tm_bundle_scratch *tm__bundle_scratch_create(const tm_bundle *bundle) {
    const size_t width = (size_t)bundle->model->n_cols + 2;
    tm_bundle_scratch *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->row = tm__row_scratch_create(bundle->program);
    self->parts = tm__mem_alloc(width * bundle->model->n_outputs, sizeof(double));
    if (self->row == NULL || self->parts == NULL) {
        tm__bundle_scratch_free(self);
        return NULL;
    }
    return self;
}

void tm__bundle_scratch_free(tm_bundle_scratch *scratch) {
    if (scratch != NULL) {
        tm__row_scratch_free(scratch->row);
        tm__mem_free(scratch->parts);
        tm__mem_free(scratch);
    }
}

void tm__bundle_predict_row(const tm_bundle *bundle, tm_bundle_scratch *scratch,
                            const tm_cell *cells, double *out) {
    const tm_view *row = tm__program_apply_row(bundle->program, scratch->row, cells);
    tm__model_predict_row(bundle->model, row, out);
    tm__bundle_link(bundle, 1, out);
}

tm_status tm__bundle_explain_row(const tm_bundle *bundle, tm_bundle_scratch *scratch,
                                 const tm_cell *cells, uint32_t output, double *out_contributions,
                                 double *out_base, double *out_raw, tm_err *err) {
    const uint32_t n_cols = bundle->model->n_cols;
    const uint32_t n_inputs = tm__program_inputs(bundle->program);
    const uint32_t term_input = tm__program_term_input(bundle->program);
    if (output >= bundle->model->n_outputs) {
        return TM_FAIL(err, TM_E_INVALID, "there is no output %u", output);
    }
    const tm_view *row = tm__program_apply_row(bundle->program, scratch->row, cells);
    TM_TRY(tm__model_explain(bundle->model, row, scratch->parts, err));
    double *parts = scratch->parts + (size_t)output * (n_cols + 2u);
    tm__calibration_explain(&bundle->calibration, output, n_cols + 1, parts, &parts[n_cols + 1]);
    double raw = parts[n_cols + 1];
    memset(out_contributions, 0, n_inputs * sizeof(double));
    for (uint32_t j = 0; j < n_cols; j++) {
        out_contributions[tm__program_feature(bundle->program, j)->input] += parts[j];
        raw += parts[j];
    }
    /* Terms of all text columns are one value; it goes to the first of them. */
    if (term_input < n_inputs) {
        out_contributions[term_input] += parts[n_cols];
        raw += parts[n_cols];
    }
    *out_base = parts[n_cols + 1];
    *out_raw = raw;
    return TM_OK;
}

uint32_t tm__bundle_decide(const tm_bundle *bundle, const double *out) {
    const tm_task task = tm__bundle_task(bundle);
    if (task == TM_TASK_BINARY) {
        return out[0] >= tm__bundle_threshold(bundle) ? 1 : 0;
    }
    uint32_t best = 0;
    for (uint32_t k = 1; task == TM_TASK_MULTICLASS && k < tm__bundle_outputs(bundle); k++) {
        best = out[k] > out[best] ? k : best;
    }
    return best;
}
