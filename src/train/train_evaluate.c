/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of a finished bundle on rows whose target is known. */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

static double class_of(const tm_bundle *bundle, const tm_column *column, uint64_t row) {
    char text[64];
    const tm_str name = tm__train_class_text(column, row, text);
    return tm__bundle_class_meant(bundle, name);
}

/* Codes of a text target to classes once, not once a row. */
static double *class_of_codes(const tm_bundle *bundle, const tm_column *column) {
    const uint32_t n = tm__dict_count(column->dict);
    double *classes = tm__mem_alloc((size_t)n + 1, sizeof(double));
    for (uint32_t code = 0; classes != NULL && code < n; code++) {
        classes[code] = tm__bundle_class_meant(bundle, tm__dict_get(column->dict, code));
    }
    return classes;
}

tm_status tm__train_target(const tm_bundle *bundle, const tm_table *table, double **out_y,
                           uint32_t **out_rows, uint64_t *out_n, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    const uint32_t col = tm__table_find(table, tm__bundle_target(bundle));
    const bool is_value = tm__bundle_classes(bundle) == 0;
    if (col == UINT32_MAX) {
        (void)TM_FAIL(err, TM_E_DATA, "the data has no target column '%s'",
                      tm__bundle_target(bundle));
        tm__table_hint_column(table, tm__bundle_target(bundle), err);
        return TM_E_DATA;
    }
    const tm_column *column = tm__table_column(table, col);
    if (is_value && column->codes != NULL) {
        return TM_FAIL(err, TM_E_DATA, "the target '%s' holds text, not numbers", column->name);
    }
    double *y = tm__mem_alloc(n_rows, sizeof(double));
    uint32_t *rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    double *classes = !is_value && column->codes != NULL ? class_of_codes(bundle, column) : NULL;
    if (y == NULL || rows == NULL || (!is_value && column->codes != NULL && classes == NULL)) {
        tm__mem_free(y);
        tm__mem_free(rows);
        tm__mem_free(classes);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the target");
    }
    uint64_t n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (tm__column_is_missing(column, row)) {
            continue;
        }
        if (is_value) {
            y[n] = tm__column_number(column, row);
        } else {
            y[n] = classes != NULL ? classes[column->codes[row]] : class_of(bundle, column, row);
        }
        rows[n++] = (uint32_t)row;
    }
    tm__mem_free(classes);
    *out_y = y;
    *out_rows = rows;
    *out_n = n;
    return TM_OK;
}

tm_status tm__queries_of_bundle(const tm_bundle *bundle, const tm_table *table, uint32_t *rows,
                                double *y, uint64_t n, uint32_t **out, tm_err *err) {
    const char *name = tm__json_text(tm__bundle_info(bundle), "group", "");
    const uint32_t group = tm__table_find(table, name);
    const uint64_t n_rows = tm__table_rows(table);
    uint64_t *queries = NULL;
    if (tm__bundle_task(bundle) != TM_TASK_RANKING) {
        return TM_OK;
    }
    if (group == UINT32_MAX) {
        return TM_FAIL(err, TM_E_DATA, "the data has no column '%s', which tells queries apart",
                       name);
    }
    TM_TRY(tm__queries_read(table, group, &queries, err));
    double *by_row = tm__mem_alloc(n_rows, sizeof(double));
    tm_status st = by_row == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the queries") : TM_OK;
    for (uint64_t i = 0; st == TM_OK && i < n; i++) {
        by_row[rows[i]] = y[i];
    }
    if (st == TM_OK) {
        st = tm__queries_gather(queries, rows, n, err);
    }
    for (uint64_t i = 0; st == TM_OK && i < n; i++) {
        y[i] = by_row[rows[i]];
    }
    if (st == TM_OK) {
        *out = tm__queries_number(queries, rows, n);
        st = *out == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the queries") : TM_OK;
    }
    tm__mem_free(queries);
    tm__mem_free(by_row);
    return st;
}

/* Beside the scores, where rows are of a class that training did not have: they count as wrong. */
static void put_unseen(json_t *scores, const double *y, uint64_t n, uint32_t n_classes) {
    uint64_t n_unseen = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_unseen += n_classes > 0 && y[i] == (double)n_classes;
    }
    if (n_unseen > 0) {
        json_object_set_new(scores, "unseen", json_pack("{s:I}", "rows", (json_int_t)n_unseen));
    }
}

tm_status tm__train_evaluate(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *table,
                             json_t **out, tm_err *err) {
    double *y = NULL;
    double *pred = NULL;
    uint32_t *rows = NULL, *queries = NULL;
    uint64_t n = 0;
    TM_TRY(tm__train_target(bundle, table, &y, &rows, &n, err));
    tm_status st = TM_OK;
    if (n == 0) {
        st = TM_FAIL(err, TM_E_DATA, "no row has a target '%s'", tm__bundle_target(bundle));
        goto out;
    }
    pred = tm__mem_alloc(n * tm__bundle_outputs(bundle), sizeof(double));
    if (pred == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for %llu answers", (unsigned long long)n);
        goto out;
    }
    st = tm__queries_of_bundle(bundle, table, rows, y, n, &queries, err);
    if (st == TM_OK) {
        st = tm__bundle_predict(ctx, bundle, table, rows, n, pred, err);
    }
    if (st != TM_OK) {
        goto out;
    }
    const tm_score_input in = {
        .task = tm__bundle_task(bundle),
        .n_classes = tm__bundle_classes(bundle),
        .n_rows = n,
        .y = y,
        .pred = pred,
        .groups = queries,
        .threshold = tm__bundle_threshold(bundle),
    };
    st = tm__metric_report(&in, out, err);
    if (st == TM_OK) {
        put_unseen(*out, y, n, in.n_classes);
    }
out:
    tm__mem_free(y);
    tm__mem_free(rows);
    tm__mem_free(queries);
    tm__mem_free(pred);
    return st;
}
