/* SPDX-License-Identifier: Apache-2.0 */
/* Coefficients of slots become what a model adds for each column: see the table in linear.c. */
#include <math.h>

#include "model/linear/linear_priv.h"

/* Rows of a number: slope, shift, answer for NaN; what they add has mean 0. */
static double place_number(const tm_linear_found *found, uint32_t j, uint32_t o, tm_linear *model) {
    const tm_linear_col *col = &found->code->cols[j];
    const size_t k = model->base.n_outputs;
    double *rows = model->coefs + model->parts[j].row * k + o;
    const double *theta = found->theta + col->slot * k + o;
    const double at_median = (col->median - col->mean) * col->inv_sd * theta[0] * found->y_sd;
    const double jump = col->has_missing ? theta[k] * found->y_sd : 0.0;
    const double share = col->has_missing ? found->squares[col->slot + 1] : 0.0;
    rows[0] = theta[0] * col->inv_sd * found->y_sd;
    rows[k] = -share * jump;
    rows[2 * k] = at_median + jump - share * jump;
    model->bias[o] += share * jump;
    return fabs(theta[0]) * sqrt(found->squares[col->slot]) * found->y_sd +
           2.0 * share * fmax(1.0 - share, 0.0) * fabs(jump); /* all missing: 1, and rounding */
}

/* Rows of a category; a level that training rows do not have adds what the mean row gets: 0. */
static double place_category(const tm_linear_found *found, uint32_t j, uint32_t o,
                             tm_linear *model) {
    const tm_linear_col *col = &found->code->cols[j];
    const size_t k = model->base.n_outputs;
    double *rows = model->coefs + model->parts[j].row * k + o;
    const double *theta = found->theta + col->slot * k + o, *weights = found->squares + col->slot;
    double mean = 0.0, share = 0.0;
    for (uint32_t c = 0; c <= col->n_levels; c++) {
        mean += weights[c] * theta[c * k];
    }
    for (uint32_t c = 0; c <= col->n_levels; c++) {
        const double value = weights[c] > 0.0 ? (theta[c * k] - mean) * found->y_sd : 0.0;
        rows[c * k] = value;
        share += weights[c] * fabs(value);
    }
    model->bias[o] += mean * found->y_sd;
    return share;
}

void tm__linear_term_means(const tm_design *design, double *out) {
    for (uint64_t i = 0; design->starts != NULL && i < design->n_rows; i++) {
        for (uint64_t e = design->starts[i]; e < design->starts[i + 1]; e++) {
            out[design->terms[e]] += design->w[i] * (double)design->values[e];
        }
    }
}

static double place_terms(const tm_linear_found *found, tm_linear *model) {
    const size_t k = model->base.n_outputs;
    const double *theta = found->theta + found->code->n_dense * k;
    double share = 0.0;
    for (uint32_t t = 0; t < found->code->n_active; t++) {
        model->active[t] = found->code->active[t];
        model->term_slot[found->code->active[t]] = t;
        for (size_t o = 0; o < k; o++) {
            const double value = theta[t * k + o] * found->y_sd;
            model->term_coefs[t * k + o] = value;
            model->term_mean[o] += value * found->means[t];
            share += fabs(value * found->means[t]);
        }
    }
    return share;
}

static void place_shares(tm_linear *model) {
    const uint32_t n = model->base.n_cols + 1;
    double sum = 0.0;
    for (uint32_t j = 0; j < n; j++) {
        sum += model->shares[j];
    }
    for (uint32_t j = 0; j < n && sum > 0.0; j++) {
        model->shares[j] /= sum;
    }
}

/* Cut points and rows of the coefficient table; returns the number of rows. */
static uint64_t lay_out(const tm_linear_code *code, tm_linear_part *parts) {
    uint64_t row = 0;
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const tm_linear_col *col = &code->cols[j];
        if (parts != NULL) {
            parts[j] = (tm_linear_part){.is_categorical = col->is_categorical,
                                        .n_levels = col->is_categorical ? col->n_levels : 0,
                                        .row = (uint32_t)row,
                                        .lo = col->lo,
                                        .hi = col->hi,
                                        .mean = col->mean};
        }
        row += col->is_categorical ? (uint64_t)col->n_levels + 1 : 3;
    }
    return row;
}

tm_status tm__linear_place(const tm_linear_found *found, tm_model **out_model, tm_err *err) {
    const tm_linear_code *code = found->code;
    const uint32_t k = found->n_outputs;
    const tm_model shape = {.task = found->task,
                            .n_outputs = k,
                            .n_cols = code->n_cols,
                            .n_terms = code->n_active > 0 ? code->n_terms_all : 0,
                            .work_used = found->work};
    const size_t n_slots = (size_t)code->n_dense + code->n_active;
    tm_linear *model = tm__linear_create(&shape, (uint32_t)lay_out(code, NULL), code->n_active);
    if (model == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a linear model");
    }
    (void)lay_out(code, model->parts);
    model->strength = found->strength;
    for (uint32_t o = 0; o < k; o++) {
        model->bias[o] = found->theta[n_slots * k + o] * found->y_sd + found->y_mean;
        for (uint32_t j = 0; j < code->n_cols; j++) {
            model->shares[j] += code->cols[j].is_categorical ? place_category(found, j, o, model)
                                                             : place_number(found, j, o, model);
        }
    }
    if (code->n_active > 0) {
        model->shares[code->n_cols] = place_terms(found, model);
    }
    place_shares(model);
    *out_model = &model->base;
    return TM_OK;
}
