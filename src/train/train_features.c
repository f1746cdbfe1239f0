/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features that people say in words, in two languages: over windows of rows (train_windows.c), and
 * by expression of the row's own columns, which go into the feature program.
 */
#include "feature/feature_expr.h"
#include "train/train_priv.h"

#include "base/mem.h"

tm_status tm__train_features(const tm_train_options *options, bool wants_windows, const char ***out,
                             uint32_t *out_n, tm_err *err) {
    const char **list = tm__mem_alloc((size_t)options->n_features + 1, sizeof(*list));
    uint32_t n = 0;
    if (list == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features");
    }
    for (uint32_t i = 0; i < options->n_features; i++) {
        if (tm__expr_is_window(options->features[i]) == wants_windows) {
            list[n++] = options->features[i];
        }
    }
    *out = list;
    *out_n = n;
    return TM_OK;
}

tm_status tm__train_exprs(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    TM_TRY(tm__train_features(options, false, &data->exprs, &data->n_exprs, err));
    uint8_t *is_read = tm__mem_zalloc(data->schema.n_cols, 1);
    tm_status st = is_read == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for features") : TM_OK;
    if (st == TM_OK && data->n_exprs > 0) {
        st = tm__exprs_check(&data->schema, data->exprs, data->n_exprs, is_read, err);
    }
    for (uint32_t c = 0; st == TM_OK && c < data->schema.n_cols; c++) {
        tm_schema_column *column = &data->schema.cols[c];
        if (is_read[c] && column->role == TM_ROLE_DROPPED) {
            tm__mem_free(column->reason);
            column->role = TM_ROLE_READ;
            column->reason = tm__mem_strdup("dropped as asked, but for expressions that read it");
            st = column->reason == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the schema") : st;
        }
    }
    tm__mem_free(is_read);
    return st;
}
