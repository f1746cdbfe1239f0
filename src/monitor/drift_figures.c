/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures that people know, and what a shift costs.
 *
 * Cost: the mean loss is the sum over a column's cells of share times loss; with the shares of now
 * in place of those of the training rows it is what the model would lose if the rows of a cell are
 * as hard as they were (a shift of the column alone, "covariate shift"). A cell that held-out rows
 * say little of is drawn to the mean. What the model has never seen (new levels, values out of
 * range, missing ones where none were missing) is priced as if the column said nothing: the mean,
 * and of what the model gains over a constant answer the part that the column has in it.
 */
#include "monitor/drift.h"

#include <math.h>

#include "base/fmath.h"

#define DRAWN_ROWS 20.0    /* that a cell's loss is drawn to the mean by */
#define UNSEEN_SHARE 0.001 /* of training rows: below, a special cell is not known */

static uint64_t sum_of(const uint64_t *counts, uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += counts[i];
    }
    return sum;
}

/* Chance that a normal value is above z, to 1e-7 (Abramowitz and Stegun 26.2.17). */
static double normal_above(double z) {
    static const double b[] = {0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429};
    const double t = 1 / (1 + 0.2316419 * fabs(z));
    double sum = 0, power = t;
    for (unsigned i = 0; i < 5; i++) {
        sum += b[i] * power;
        power *= t;
    }
    const double above = 0.3989422804014327 * tm__exp(-z * z / 2) * sum;
    return z >= 0 ? above : 1 - above;
}

static double chi2_p(double statistic, uint32_t df) {
    if (df == 0) {
        return 1;
    }
    const double part = 2.0 / (9.0 * df);
    const double root = statistic <= 0 ? 0 : tm__pow(statistic / df, 1.0 / 3);
    const double p = normal_above((root - (1 - part)) / tm__sqrt(part));
    return p < 0 ? 0 : p > 1 ? 1 : p;
}

void tm__drift_figures(const tm_ref_column *column, const uint64_t *was, const uint64_t *is,
                       tm_drift_figures *out) {
    const uint32_t n = column->n_cells;
    const double n_was = (double)sum_of(was, n), n_is = (double)sum_of(is, n);
    double up_was = 0, up_is = 0;
    *out = (tm_drift_figures){.p = 1, .ks = column->n_ordered > 0 ? 0 : tm__nan()};
    if (n_was == 0 || n_is == 0) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const double k_was = (double)was[i], k_is = (double)is[i], both = k_was + k_is;
        const double a = (k_was > 0 ? k_was : 0.5) / n_was, b = (k_is > 0 ? k_is : 0.5) / n_is;
        if (both > 0) {
            const double want_was = both * n_was / (n_was + n_is);
            const double want_is = both * n_is / (n_was + n_is);
            out->psi += (b - a) * tm__log(b / a);
            out->chi2 += (k_was - want_was) * (k_was - want_was) / want_was +
                         (k_is - want_is) * (k_is - want_is) / want_is;
            out->df++;
        }
        if (i < column->n_ordered) {
            up_was += k_was / n_was;
            up_is += k_is / n_is;
            out->ks = fmax(out->ks, fabs(up_was - up_is));
        }
    }
    out->df -= 1;
    out->p = chi2_p(out->chi2, out->df);
}

/* ---- cost ---- */

static bool is_special(const tm_ref_column *c, uint32_t cell) {
    return cell == tm__ref_missing(c) || cell == tm__ref_unseen(c) || cell == tm__ref_below(c) ||
           cell == tm__ref_above(c);
}

static double cell_loss(const tm_reference *reference, uint32_t column, uint32_t cell,
                        double share) {
    const tm_ref_column *const c = &reference->columns[column];
    const double mean = reference->loss;
    if (is_special(c, cell) && share < UNSEEN_SHARE) {
        const double gain = fmax(0, reference->loss_constant - mean);
        const double part = column == reference->n_columns ? 1 : c->importance;
        return mean + part * gain;
    }
    return (c->loss_rows[cell] * c->loss[cell] + DRAWN_ROWS * mean) /
           (c->loss_rows[cell] + DRAWN_ROWS);
}

void tm__drift_cost(const tm_reference *reference, uint32_t column, const uint64_t *is,
                    tm_drift_cost *out) {
    const tm_ref_column *const c = &reference->columns[column];
    const double n_is = (double)sum_of(is, c->n_cells);
    const double n_was = (double)sum_of(c->counts, c->n_blocks * c->n_cells);
    double was = 0, expected = 0;
    *out = (tm_drift_cost){tm__nan(), tm__nan()};
    if (reference->loss_kind == TM_REF_LOSS_NONE || sum_of(is, c->n_cells) == 0) {
        return;
    }
    for (uint32_t i = 0; i < c->n_cells; i++) {
        uint64_t k = 0;
        for (uint32_t b = 0; b < c->n_blocks; b++) {
            k += c->counts[b * c->n_cells + i];
        }
        const double share = (double)k / n_was;
        const double loss = cell_loss(reference, column, i, share);
        was += share * loss;
        expected += (double)is[i] / n_is * loss;
    }
    const bool is_root = reference->loss_kind == TM_REF_LOSS_SQUARED;
    out->was = is_root ? tm__sqrt(was) : was;
    out->expected = is_root ? tm__sqrt(expected) : expected;
}

void tm__drift_was(const tm_ref_column *column, uint64_t *out) {
    for (uint32_t i = 0; i < column->n_cells; i++) {
        out[i] = 0;
        for (uint32_t b = 0; b < column->n_blocks; b++) {
            out[i] += column->counts[b * column->n_cells + i];
        }
    }
}
