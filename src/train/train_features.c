/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features that people say in words, in two languages: over windows of rows (train_windows.c), and
 * by expression of the row's own columns, which go into the feature program.
 */
#include "feature/feature_expr.h"
#include "train/train_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#define TIMES_SHARE 0.99 /* of the texts there are: others are missing then */

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

/* Rules are of columns: what is made of several of them would get around them. */
static tm_status check_rules(const tm_train_data *data, const tm_train_options *options,
                             const uint8_t *is_read, tm_err *err) {
    for (uint32_t i = 0; i < options->n_monotone; i++) {
        const char *const colon = strrchr(options->monotone[i], ':');
        const size_t len = colon == NULL ? 0 : (size_t)(colon - options->monotone[i]);
        const uint32_t col = tm__schema_find(&data->schema, (tm_str){options->monotone[i], len});
        if (col != UINT32_MAX && is_read[col]) {
            return TM_FAIL(err, TM_E_USAGE, "an expression reads '%s', which is to be monotone",
                           data->schema.cols[col].name);
        }
    }
    if (options->n_interact > 0 && data->n_exprs > 0) {
        return TM_FAIL(err, TM_E_USAGE, "columns by expression get around --interact");
    }
    return TM_OK;
}

tm_status tm__train_exprs(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    TM_TRY(tm__train_features(options, false, &data->exprs, &data->n_exprs, err));
    uint8_t *is_read = tm__mem_zalloc(data->schema.n_cols, 1);
    tm_status st = is_read == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for features") : TM_OK;
    if (st == TM_OK && data->n_exprs > 0) {
        st = tm__exprs_check(&data->schema, data->exprs, data->n_exprs, is_read, err);
    }
    st = st == TM_OK ? check_rules(data, options, is_read, err) : st;
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

/* "zip=category": the last equals sign divides, a name may hold one. */
static tm_status read_as(tm_train_data *data, const char *text, tm_as *out, tm_err *err) {
    const char *const equals = strrchr(text, '=');
    char name[TM_MAX_COLUMN_NAME + 1];
    uint32_t col = UINT32_MAX;
    if (equals == NULL || !tm__meaning_from_text(equals + 1, &out->meaning)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "'%.80s' does not say what a column means", text);
        tm_err_hint(err, "Like zip=category: number, category, text, time, keep or drop.");
        return st;
    }
    if (tm__str_copy(name, sizeof(name), (tm_str){text, (size_t)(equals - text)})) {
        col = tm__table_find(data->table, name);
    }
    if (col == UINT32_MAX) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "there is no column '%.100s' to be %s", name, equals + 1);
        tm__table_hint_column(data->table, name, err);
        return st;
    }
    tm_schema_column *const column = &data->schema.cols[col];
    if (column->role != TM_ROLE_FEATURE && column->role != TM_ROLE_DROPPED) {
        return TM_FAIL(err, TM_E_USAGE, "column '%s' is no feature: %s", column->name,
                       column->reason != NULL ? column->reason : tm__role_text(column->role));
    }
    if (!tm__meaning_fits(out->meaning, column->type)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "column '%s' cannot be %s: its values are %s",
                                     column->name, equals + 1, tm__type_text(column->type));
        tm_err_hint(err,
                    "A text can be all but a number that it is not; a number can be a category, a "
                    "time a number.");
        return st;
    }
    out->column = column->name;
    if (out->meaning == TM_MEANS_DROP && column->role == TM_ROLE_FEATURE) {
        tm__mem_free(column->reason);
        column->role = TM_ROLE_DROPPED;
        column->reason = tm__mem_strdup("dropped as asked");
        return column->reason == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the schema")
                                      : TM_OK;
    }
    return TM_OK;
}

tm_status tm__train_as(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    data->as = tm__mem_zalloc((size_t)options->n_as + data->schema.n_cols + 1, sizeof(*data->as));
    if (data->as == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features");
    }
    for (uint32_t i = 0; i < options->n_as; i++) {
        tm_as *const as = &data->as[data->n_as];
        TM_TRY(read_as(data, options->as[i], as, err));
        for (uint32_t k = 0; k < data->n_as; k++) {
            if (strcmp(data->as[k].column, as->column) == 0) {
                return TM_FAIL(err, TM_E_USAGE, "column '%s' is said to be two things", as->column);
            }
        }
        data->n_as++;
    }
    return TM_OK;
}

/* Whether nearly all texts of a column are ISO dates or times. A look at each text once: codes of a
 * dictionary that many rows share cost nothing more. */
static tm_status are_times(const tm_table *own, uint32_t col, bool *out, tm_err *err) {
    const tm_column *column = tm__table_column(own, col);
    const uint64_t n_rows = tm__table_rows(own);
    uint64_t n = 0, n_times = 0;
    uint8_t *known = tm__mem_zalloc((size_t)tm__dict_count(column->dict) + 1, 1); /* 1 no, 2 yes */
    if (known == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features");
    }
    for (uint64_t i = 0; i < n_rows && n - n_times <= n_rows / 100; i++) {
        const uint32_t code = column->codes[i];
        int64_t us = 0;
        if (code == TM_CODE_MISSING) {
            continue;
        }
        if (known[code] == 0) {
            known[code] =
                tm__time_parse(tm__str_trim(tm__dict_get(column->dict, code)), &us) ? 2 : 1;
        }
        n++;
        n_times += known[code] == 2 ? 1 : 0;
    }
    tm__mem_free(known);
    *out = n > 0 && (double)n_times >= TIMES_SHARE * (double)n;
    return TM_OK;
}

tm_status tm__train_times(tm_train_data *data, const tm_table *own, const tm_train_options *options,
                          tm_err *err) {
    for (uint32_t c = 0; options->finds_times && c < data->schema.n_cols; c++) {
        const tm_schema_column *const column = &data->schema.cols[c];
        bool is_time = column->type == TM_TYPE_TEXT && column->role == TM_ROLE_FEATURE;
        for (uint32_t k = 0; is_time && k < data->n_as; k++) {
            is_time = strcmp(data->as[k].column, column->name) != 0;
        }
        if (is_time) {
            TM_TRY(are_times(own, c, &is_time, err));
        }
        if (is_time) {
            data->as[data->n_as++] =
                (tm_as){.column = column->name, .meaning = TM_MEANS_TIME, .is_found = true};
        }
    }
    return TM_OK;
}

bool tm__train_is_read(const tm_train_data *data, uint32_t col) {
    uint8_t *is_read = tm__mem_zalloc(data->schema.n_cols, 1);
    /* What cannot be told counts as read: a column that stays does no harm. */
    const bool is_it =
        is_read == NULL ||
        tm__exprs_check(&data->schema, data->exprs, data->n_exprs, is_read, NULL) != TM_OK ||
        is_read[col] != 0;
    tm__mem_free(is_read);
    return is_it;
}
