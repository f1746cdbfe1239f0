/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of every kind: with weights, without cells, of one kind, too few. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/conform_priv.h"

enum { ROWS = 300, LEVELS = 1000, TERMS = 50 };

/* ---- weights ---- */

/* Root mean square of differences of raw scores, relative to the spread of the first, which counts
 * as 0.1 at the least. */
static double difference(const double *a, const double *b, uint64_t n) {
    double sum = 0, mean = 0, spread = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
        mean += a[i] / (double)n;
    }
    for (uint64_t i = 0; i < n; i++) {
        spread += (a[i] - mean) * (a[i] - mean);
    }
    return sqrt(sum / fmax(spread, 0.01 * (double)n));
}

/* Raw scores of all rows, of a model fitted to some with weights. NULL when broken. */
static double *weighed(tm_conform *c, const tm_conform_rows *rows, uint64_t n_fit,
                       const double *weights, const tm_view *x, uint32_t *out_outputs) {
    tm_ctx ctx = {0};
    tm_fit_input in = tm__conform_input(rows);
    tm_view view = rows->view;
    view.n_rows = n_fit;
    in.x = &view;
    in.weights = weights;
    tm_model *model = tm__conform_fit(c, &ctx, &in);
    double *raw = model != NULL ? tm__conform_predict(c, model, x) : NULL;
    *out_outputs = model != NULL ? model->n_outputs : 0;
    tm__model_free(model);
    return raw;
}

/* The second half of the rows repeats the first. */
static void rows_double(tm_conform_rows *rows) {
    const uint64_t n = rows->view.n_rows, half = n / 2;
    for (uint32_t col = 0; col < TM_CONFORM_COLS; col++) {
        memcpy(rows->cells + col * n + half, rows->cells + col * n, half * sizeof(double));
    }
    memcpy(rows->y + half, rows->y, half * sizeof(double));
}

/* Twice a row, or its weight twice; a row less, or no weight. Learners draw rows by their number
 * and count them, so models are alike and not the same. */
bool tm__conform_weights(tm_conform *c) {
    static const double TOLERANCE = 0.6;
    tm_conform_rows rows;
    uint32_t k = 0;
    double *raw[3] = {NULL};
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, 2 * ROWS, 1);
    if (c->task == TM_TASK_RANKING) {
        tm__conform_rows_done(&rows); /* rows of a query count together */
        return true;
    }
    if (ok) {
        rows_double(&rows);
        tm_view half = rows.view;
        half.n_rows = ROWS;
        raw[0] = weighed(c, &rows, (uint64_t)2 * ROWS, NULL, &half, &k);
        for (uint64_t row = 0; row < (uint64_t)2 * ROWS; row++) {
            rows.weights[row] = 2;
        }
        raw[1] = raw[0] != NULL ? weighed(c, &rows, ROWS, rows.weights, &half, &k) : NULL;
        for (uint64_t row = ROWS; row < (uint64_t)2 * ROWS; row++) {
            rows.weights[row] = 0;
            rows.y[row] = c->task == TM_TASK_REGRESSION ? 1e6 : 0; /* would be seen */
        }
        raw[2] =
            raw[1] != NULL ? weighed(c, &rows, (uint64_t)2 * ROWS, rows.weights, &half, &k) : NULL;
    }
    ok = ok && raw[2] != NULL;
    if (ok && difference(raw[0], raw[1], (uint64_t)ROWS * k) > TOLERANCE) {
        ok = tm__conform_broken(c, "a weight of 2 is %.2f of the spread from the row twice",
                                difference(raw[0], raw[1], (uint64_t)ROWS * k));
    }
    if (ok && difference(raw[1], raw[2], (uint64_t)ROWS * k) > TOLERANCE) {
        ok = tm__conform_broken(c, "rows of no weight move answers by %.2f of their spread",
                                difference(raw[1], raw[2], (uint64_t)ROWS * k));
    }
    for (uint32_t i = 0; i < 3; i++) {
        tm__mem_free(raw[i]);
    }
    tm__conform_rows_done(&rows);
    return ok;
}

/* ---- rows that say little ---- */

/* Fit and answer; a refusal has words. *out_raw may stay NULL then. */
static bool fit_or_refuse(tm_conform *c, const tm_fit_input *in, double **out_raw) {
    tm_ctx ctx = {0};
    tm_err err = {0};
    tm_model *model = NULL;
    *out_raw = NULL;
    const tm_status st = tm__model_fit(&ctx, c->ops, in, &c->params, &model, &err);
    if (st != TM_OK) {
        return (err.message[0] != '\0' && st != TM_E_NOMEM) ||
               tm__conform_broken(c, "it is refused without a word");
    }
    double *raw = tm__conform_predict(c, model, in->x);
    bool ok = raw != NULL;
    for (uint64_t i = 0; ok && i < in->x->n_rows * model->n_outputs; i++) {
        if (!(fabs(raw[i]) <= TM_MODEL_SCORE_MAX)) {
            ok = tm__conform_broken(c, "the raw score of row %llu is not finite",
                                    (unsigned long long)(i / model->n_outputs + 1));
        }
    }
    tm__model_free(model);
    if (ok) {
        *out_raw = raw;
    } else {
        tm__mem_free(raw);
    }
    return ok;
}

bool tm__conform_constant(tm_conform *c) {
    tm_conform_rows rows;
    double *raw = NULL;
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_CONSTANT, ROWS, 1);
    const tm_fit_input in = tm__conform_input(&rows);
    ok = ok && fit_or_refuse(c, &in, &raw);
    for (uint64_t row = 0; ok && raw != NULL && row < ROWS; row++) {
        bool is_right = true;
        if (c->task == TM_TASK_REGRESSION) {
            is_right = fabs(raw[row] - 42) < 1e-6;
        } else if (c->task == TM_TASK_BINARY) {
            is_right = raw[row] > 0;
        } else if (c->task == TM_TASK_MULTICLASS) {
            is_right = raw[3 * row + 1] > raw[3 * row] && raw[3 * row + 1] > raw[3 * row + 2];
        }
        ok = is_right || tm__conform_broken(c, "row %llu gets another answer than all rows have",
                                            (unsigned long long)(row + 1));
    }
    tm__mem_free(raw);
    tm__conform_rows_done(&rows);
    return ok;
}

static bool kind_has_answers(tm_conform *c, tm_conform_kind kind, uint64_t n_rows,
                             uint32_t n_cols) {
    tm_conform_rows rows;
    double *raw = NULL;
    bool ok = tm__conform_rows_init(&rows, c->task, kind, n_rows, 1);
    rows.view.n_cols = n_cols;
    const tm_fit_input in = tm__conform_input(&rows);
    ok = ok && fit_or_refuse(c, &in, &raw);
    tm__mem_free(raw);
    tm__conform_rows_done(&rows);
    return ok;
}

bool tm__conform_few(tm_conform *c) {
    return kind_has_answers(c, TM_CONFORM_SIGNAL, 1, TM_CONFORM_COLS) &&
           kind_has_answers(c, TM_CONFORM_SIGNAL, 2, TM_CONFORM_COLS) &&
           kind_has_answers(c, TM_CONFORM_SIGNAL, ROWS, 1) &&
           kind_has_answers(c, TM_CONFORM_SIGNAL, ROWS, 0) &&
           kind_has_answers(c, TM_CONFORM_CONSTANT, 1, 1);
}

bool tm__conform_gaps(tm_conform *c) {
    return kind_has_answers(c, TM_CONFORM_GAPS, ROWS, TM_CONFORM_COLS);
}

bool tm__conform_infinite(tm_conform *c) {
    return kind_has_answers(c, TM_CONFORM_INFINITE, ROWS, TM_CONFORM_COLS);
}

bool tm__conform_levels(tm_conform *c) {
    tm_conform_rows rows;
    double *raw = NULL;
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, (uint64_t)2 * LEVELS, 1);
    for (uint64_t row = 0; ok && row < rows.view.n_rows; row++) {
        rows.cells[2 * rows.view.n_rows + row] = (double)(row * 7919 % LEVELS);
    }
    rows.features[2].n_levels = LEVELS + 2;
    const tm_fit_input in = tm__conform_input(&rows);
    ok = ok && fit_or_refuse(c, &in, &raw);
    tm__mem_free(raw);
    tm__conform_rows_done(&rows);
    return ok;
}

bool tm__conform_terms(tm_conform *c) {
    tm_conform_rows rows;
    double *raw = NULL;
    uint64_t starts[ROWS + 1];
    uint32_t terms[2 * ROWS];
    float values[2 * ROWS];
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, ROWS, 1);
    for (uint32_t row = 0; row < ROWS; row++) {
        starts[row] = (uint64_t)2 * row;
        terms[2 * row] = row % (TERMS / 2);
        terms[2 * row + 1] = TERMS / 2 + row * 31 % (TERMS / 2);
        values[2 * row] = values[2 * row + 1] = 0.5F;
    }
    starts[ROWS] = (uint64_t)2 * ROWS;
    const tm_sparse sparse = {.n_terms = TERMS, .starts = starts, .terms = terms, .values = values};
    rows.view.sparse = &sparse;
    const tm_fit_input in = tm__conform_input(&rows);
    ok = ok && fit_or_refuse(c, &in, &raw);
    tm__mem_free(raw);
    tm__conform_rows_done(&rows);
    return ok;
}
