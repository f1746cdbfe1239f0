/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns to inputs. A number x between edges e[0] < ... < e[n] gives n inputs: those of bins below
 * it are 1, those above 0, its own (x - e[t]) / (e[t+1] - e[t]); so a layer over them is a
 * piecewise linear function of x, and no value is out of range. Edges are quantiles of the rows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "model/mlp/mlp_priv.h"

/* Edges of a column from some of its values; returns their number, 0 when there are no two. */
static uint32_t make_edges(double *values, uint64_t n, uint32_t n_bins, double *out) {
    uint32_t n_edges = 0;
    qsort(values, n, sizeof(double), tm__compare_f64);
    for (uint32_t t = 0; n > 0 && t <= n_bins; t++) {
        const double edge = values[(uint64_t)((double)(n - 1) * t / n_bins)];
        if (n_edges == 0 || (edge > out[n_edges - 1] && isfinite(edge - out[n_edges - 1]))) {
            out[n_edges++] = edge;
        }
    }
    return n_edges > 1 ? n_edges : 0;
}

static void fit_number(const double *column, const uint32_t *rows, uint64_t n, uint32_t n_bins,
                       double *values, tm_mlp_code *code, tm_mlp_col *col) {
    const uint64_t step = n / TM_MLP_SAMPLE + 1;
    uint64_t n_values = 0, n_seen = 0;
    for (uint64_t i = 0; i < n; i += step) {
        const double value = column[rows[i]];
        n_seen++;
        if (isfinite(value)) {
            values[n_values++] = value;
        }
    }
    const uint32_t n_edges = make_edges(values, n_values, n_bins, code->edges + code->n_edges);
    const bool varies = n_edges > 0 || (n_values > 0 && n_values < n_seen);
    col->kind = varies ? TM_MLP_NUMBER : TM_MLP_NOTHING;
    col->n = n_edges > 0 ? n_edges - 1 : 0;
    col->first = code->n_edges;
    col->n_inputs = varies ? col->n + 1 : 0;
    code->n_edges += n_edges;
}

static void fit_category(uint32_t n_levels, tm_mlp_code *code, tm_mlp_col *col) {
    const bool is_small = n_levels < TM_MLP_ONE_HOT;
    col->kind = is_small ? TM_MLP_ONE : TM_MLP_LEARNED;
    col->n = n_levels;
    col->n_inputs = is_small ? n_levels + 1 : TM_MLP_VECTOR;
    col->first = code->n_vectors;
    code->n_vectors += is_small ? 0 : ((uint64_t)n_levels + 1) * TM_MLP_VECTOR;
}

/* TM_E_LIMIT when there would be too many inputs. */
static tm_status try_bins(const tm_view *x, const uint32_t *rows, uint64_t n, uint32_t n_bins,
                          tm_mlp_code *out, tm_err *err) {
    tm_mlp_code made = {.n_cols = x->n_cols};
    double *values = tm__mem_alloc(TM_MLP_SAMPLE, sizeof(double));
    made.cols = tm__mem_zalloc(x->n_cols, sizeof(*made.cols));
    made.edges = tm__mem_alloc((size_t)x->n_cols * (n_bins + 1), sizeof(double));
    if (values == NULL || made.cols == NULL || made.edges == NULL) {
        tm__mem_free(values);
        tm__mlp_code_done(&made);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the inputs of a network");
    }
    uint64_t n_inputs = 0;
    for (uint32_t j = 0; j < x->n_cols; j++) {
        tm_mlp_col *col = &made.cols[j];
        if (x->features[j].is_categorical) {
            fit_category(x->features[j].n_levels, &made, col);
        } else {
            fit_number(x->cols[j], rows, n, n_bins, values, &made, col);
        }
        col->input = (uint32_t)n_inputs;
        n_inputs += col->n_inputs;
        if (n_inputs > TM_MLP_INPUTS_MAX) {
            break;
        }
    }
    tm__mem_free(values);
    if (n_inputs > TM_MLP_INPUTS_MAX) {
        tm__mlp_code_done(&made);
        return TM_FAIL(err, TM_E_LIMIT, "the columns give more than %u inputs of a network",
                       TM_MLP_INPUTS_MAX);
    }
    made.n_inputs = (uint32_t)n_inputs;
    made.width = (made.n_inputs + TM_MLP_LANES - 1) / TM_MLP_LANES * TM_MLP_LANES;
    *out = made;
    return TM_OK;
}

/* Many columns have fewer bins each. */
tm_status tm__mlp_code_fit(const tm_view *x, const uint32_t *rows, uint64_t n, uint32_t n_bins,
                           tm_mlp_code *out, tm_err *err) {
    tm_status st = TM_E_LIMIT;
    tm_err own = {0};
    for (uint32_t bins = n_bins; st == TM_E_LIMIT && bins > 0; bins /= 2) {
        st = try_bins(x, rows, n, bins, out, &own);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

uint32_t tm__mlp_level(const tm_mlp_col *col, double value) {
    return value >= 0.0 && value < col->n ? (uint32_t)value : col->n;
}

/* Inputs of a number. An infinity lies beyond the last edge. */
static void code_number(const tm_mlp_col *col, const double *edges, double value, float *out) {
    if (isnan(value)) {
        out[col->n] = 1.0F;
        return;
    }
    for (uint32_t t = 0; t < col->n && value > edges[t]; t++) {
        const double part = (value - edges[t]) / (edges[t + 1] - edges[t]);
        out[t] = part < 1.0 ? (float)part : 1.0F;
    }
}

void tm__mlp_code_row(const tm_mlp_code *code, const float *vectors, const tm_view *x, uint64_t row,
                      float *out) {
    memset(out, 0, code->width * sizeof(float));
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const tm_mlp_col *col = &code->cols[j];
        float *own = out + col->input;
        const double value = x->cols[j][row];
        switch (col->kind) {
        case TM_MLP_NUMBER:
            code_number(col, code->edges + col->first, value, own);
            break;
        case TM_MLP_ONE:
            own[tm__mlp_level(col, value)] = 1.0F;
            break;
        case TM_MLP_LEARNED:
            memcpy(own, vectors + col->first + (size_t)tm__mlp_level(col, value) * TM_MLP_VECTOR,
                   TM_MLP_VECTOR * sizeof(float));
            break;
        case TM_MLP_NOTHING:
            break;
        }
    }
}

void tm__mlp_code_done(tm_mlp_code *code) {
    tm__mem_free(code->cols);
    tm__mem_free(code->edges);
    memset(code, 0, sizeof(*code));
}
