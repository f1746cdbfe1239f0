/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a model back to an encoding and weights: theta of slots, as if it had just been fitted. A
 * file keeps cuts and means of numbers, and neither their spread nor what stood for a missing
 * value: those are of the rows that it stands on, which changes what a penalty means and not what
 * the model answers.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/linear/linear_priv.h"

static bool has_gaps(const tm_view *x, uint32_t j) {
    for (uint64_t i = 0; i < x->n_rows; i++) {
        if (isnan(x->cols[j][i])) {
            return true;
        }
    }
    return false;
}

/* Spread and median are of the rows before; all else is the model's. */
static void code_number(const tm_linear_part *part, bool has_gaps, tm_linear_col *col) {
    col->lo = part->lo;
    col->hi = part->hi;
    col->mean = part->mean;
    col->has_missing = has_gaps;
    if (col->inv_sd == 0.0) { /* one value there, and perhaps others here */
        col->inv_sd = part->hi > part->lo ? 1.0 / (part->hi - part->lo) : 1.0;
        col->inv_sd = isfinite(col->inv_sd) ? col->inv_sd : 0.0;
    }
}

static bool is_shape(const tm_linear *from, const tm_view *x) {
    const uint32_t n_terms = x->sparse != NULL ? x->sparse->n_terms : 0;
    bool is_same =
        x->n_cols == from->base.n_cols && (from->n_active == 0 || n_terms == from->base.n_terms);
    for (uint32_t j = 0; is_same && j < x->n_cols; j++) {
        const tm_linear_part *const part = &from->parts[j];
        is_same = x->features[j].is_categorical == part->is_categorical &&
                  (!part->is_categorical || x->features[j].n_levels == part->n_levels);
    }
    return is_same;
}

/* The terms that the model reads. */
static tm_status code_terms(const tm_linear *from, tm_linear_code *code, tm_err *err) {
    tm__mem_free(code->active);
    tm__mem_free(code->active_slot);
    code->active = NULL;
    code->active_slot = NULL;
    code->n_active = from->n_active;
    code->n_terms_all = from->base.n_terms;
    if (from->n_active == 0) {
        return TM_OK;
    }
    code->active = tm__mem_alloc(from->n_active, sizeof(uint32_t));
    code->active_slot = tm__mem_alloc(from->base.n_terms, sizeof(uint32_t));
    if (code->active == NULL || code->active_slot == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u terms", from->n_active);
    }
    memcpy(code->active, from->active, from->n_active * sizeof(uint32_t));
    memcpy(code->active_slot, from->term_slot, from->base.n_terms * sizeof(uint32_t));
    return TM_OK;
}

tm_status tm__linear_recode(tm_ctx *ctx, const tm_linear *from, const tm_design_spec *before,
                            const tm_view *given, tm_linear_code *out, tm_err *err) {
    tm_linear_code code = {0};
    if (!is_shape(from, given) || !is_shape(from, before->x)) {
        return TM_FAIL(err, TM_E_INVALID, "the model to update has other columns than the rows");
    }
    TM_TRY(tm__linear_code_fit(ctx, before, &code, err));
    for (uint32_t j = 0; j < code.n_cols; j++) {
        if (!code.cols[j].is_categorical) {
            code_number(&from->parts[j], has_gaps(before->x, j) || has_gaps(given, j),
                        &code.cols[j]);
        }
    }
    tm_status st = code_terms(from, &code, err);
    if (st == TM_OK && tm__linear_code_slots(&code) + code.n_active > TM_LINEAR_PARAMS_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "a linear model would have more than %u coefficients",
                     TM_LINEAR_PARAMS_MAX);
    }
    if (st != TM_OK) {
        tm__linear_code_done(&code);
        return st;
    }
    *out = code;
    return TM_OK;
}

/* ---- the weights of the model in it ---- */

/* Returns what the intercept has besides. */
static double read_number(const tm_linear_scale *in, uint32_t j, uint32_t o, double *theta) {
    const tm_linear_col *const col = &in->code->cols[j];
    const size_t k = in->from->base.n_outputs;
    const double *const rows = in->from->coefs + in->from->parts[j].row * k + o;
    const double at_median = (col->median - col->mean) * rows[0];
    theta[col->slot * k + o] = col->inv_sd > 0.0 ? rows[0] / (col->inv_sd * in->y_sd) : 0.0;
    if (col->has_missing) {
        theta[(col->slot + 1) * k + o] = (rows[2 * k] - rows[k] - at_median) / in->y_sd;
    }
    return rows[k] / in->y_sd;
}

/* With a penalty on them and none on the intercept, those of the levels that were seen summed to 0
 * before they were made to have mean 0 over rows. */
static double read_category(const tm_linear_scale *in, uint32_t j, uint32_t o, double *theta) {
    const tm_linear_col *const col = &in->code->cols[j];
    const size_t k = in->from->base.n_outputs;
    const double *const rows = in->from->coefs + in->from->parts[j].row * k + o;
    double sum = 0.0, n = 0.0;
    for (size_t c = 0; c <= col->n_levels; c++) {
        sum += rows[c * k];
        n += rows[c * k] != 0.0 ? 1.0 : 0.0;
    }
    const double mean = n > 0.0 ? -sum / n : 0.0;
    for (size_t c = 0; c <= col->n_levels; c++) {
        theta[(col->slot + c) * k + o] = (rows[c * k] + mean) / in->y_sd;
    }
    return -mean / in->y_sd;
}

void tm__linear_read(const tm_linear_scale *in, double *theta) {
    const tm_linear *const from = in->from;
    const size_t k = from->base.n_outputs, n_dense = in->code->n_dense;
    double *const bias = theta + (n_dense + in->code->n_active) * k;
    for (uint32_t o = 0; o < k; o++) {
        bias[o] = (from->bias[o] - in->y_mean) / in->y_sd;
        for (uint32_t j = 0; j < in->code->n_cols; j++) {
            bias[o] += in->code->cols[j].is_categorical ? read_category(in, j, o, theta)
                                                        : read_number(in, j, o, theta);
        }
    }
    for (size_t i = 0; i < from->n_active * k; i++) {
        theta[n_dense * k + i] = from->term_coefs[i] / in->y_sd;
    }
}
