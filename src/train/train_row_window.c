/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows that a training learns from, by their age. Its tables stay whole: what lies outside is
 * still history for features over windows of time, and known to whoever asks which rows are new.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_priv.h"

#define LN2 0.6931471805599453
#define HALVES_MAX 30.0 /* a row of more counts as one of so many */
#define ROWS_MIN 10u    /* as a split leaves */

static const char *const kinds[TM_ROWS_KINDS] = {"", "all", "sliding", "weighted", "cut"};

tm_row_window_kind tm__row_window_from_text(tm_str text) {
    tm_row_window_kind kind = TM_ROWS_ALL;
    while (kind < TM_ROWS_KINDS && !tm__str_is(text, kinds[kind])) {
        kind++;
    }
    return kind;
}

json_t *tm__row_window_json(const tm_row_window *window) {
    json_t *const json = json_pack("{s:s}", "kind", kinds[window->kind]);
    if (json != NULL && window->kind != TM_ROWS_ALL) {
        json_object_set_new(json, "rows", json_integer((json_int_t)window->rows));
    }
    return json;
}

tm_status tm__row_window_from_json(const json_t *json, tm_row_window *out, tm_err *err) {
    const int64_t rows = tm__json_i64(json, "rows", 0);
    *out = (tm_row_window){0};
    if (json == NULL) {
        return TM_OK;
    }
    const tm_row_window_kind kind =
        tm__row_window_from_text(tm__str(tm__json_text(json, "kind", "")));
    if (kind == TM_ROWS_KINDS || (kind == TM_ROWS_ALL ? rows != 0 : rows < 1)) {
        return TM_FAIL(err, TM_E_DATA, "the record names no window of rows");
    }
    *out = (tm_row_window){.kind = kind, .rows = (uint64_t)rows};
    return TM_OK;
}

double tm__age_weight(double age, double half_life) {
    const double halves = age / half_life;
    return tm__exp(-LN2 * (halves < HALVES_MAX ? halves : HALVES_MAX));
}

/* ---- age ---- */

static int by_place(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

const tm_column *tm__rows_times(const tm_table *table, const char *time, const uint32_t *rows,
                                uint64_t n) {
    const uint32_t col = time != NULL ? tm__table_find(table, time) : UINT32_MAX;
    const tm_column *const column = col != UINT32_MAX ? tm__table_column(table, col) : NULL;
    if (column == NULL || (column->type != TM_TYPE_DATE && column->type != TM_TYPE_TIME)) {
        return NULL;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (column->ints[rows[i]] == TM_INT_MISSING) {
            return NULL;
        }
    }
    return column;
}

tm_status tm__rows_by_age(const tm_table *table, const char *time, uint32_t *rows, uint64_t n,
                          tm_err *err) {
    const tm_column *const times = tm__rows_times(table, time, rows, n);
    if (times != NULL) {
        return tm__rows_by_time(times, rows, n, err);
    }
    qsort(rows, n, sizeof(*rows), by_place);
    return TM_OK;
}

/* ---- the window ---- */

/* Of rows that are sorted by age, the newest stay; all keep their order. */
static tm_status keep_newest(tm_train_data *data, const uint32_t *by_age, uint64_t n_newest,
                             uint8_t *stays, tm_err *err) {
    uint64_t n = 0;
    data->before = tm__mem_alloc(data->n_train - n_newest, sizeof(*data->before));
    if (data->before == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a window of rows");
    }
    for (uint64_t i = data->n_train - n_newest; i < data->n_train; i++) {
        stays[by_age[i]] = 1;
    }
    for (uint64_t i = 0; i < data->n_train; i++) {
        if (stays[data->train[i]] != 0) {
            data->train[n++] = data->train[i];
        } else {
            data->before[data->n_before++] = data->train[i];
        }
    }
    data->n_train = n;
    return TM_OK;
}

static tm_status weigh(tm_train_data *data, const uint32_t *by_age, uint64_t half_life,
                       tm_err *err) {
    if (data->weights == NULL) {
        data->weights = tm__mem_alloc(data->n_rows, sizeof(double));
        if (data->weights == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the weights");
        }
        for (uint64_t i = 0; i < data->n_rows; i++) {
            data->weights[i] = 1.0;
        }
    }
    for (uint64_t i = 0; i < data->n_train; i++) {
        const double age = (double)(data->n_train - 1 - i);
        data->weights[by_age[i]] *= tm__age_weight(age, (double)half_life);
    }
    return TM_OK;
}

static tm_status apply(tm_train_data *data, const tm_row_window *window, uint32_t *by_age,
                       uint8_t *stays, tm_err *err) {
    const char *const time = data->time != UINT32_MAX ? data->schema.cols[data->time].name : NULL;
    memcpy(by_age, data->train, data->n_train * sizeof(*by_age));
    TM_TRY(tm__rows_by_age(data->table, time, by_age, data->n_train, err));
    if (window->kind == TM_ROWS_WEIGHTED) {
        return weigh(data, by_age, window->rows, err);
    }
    return window->rows < data->n_train ? keep_newest(data, by_age, window->rows, stays, err)
                                        : TM_OK;
}

tm_status tm__train_row_window(tm_train_data *data, const tm_row_window *window, tm_err *err) {
    tm_status st = TM_OK;
    if (window->kind > TM_ROWS_ALL && data->queries != NULL) {
        st = TM_FAIL(err, TM_E_UNSUPPORTED, "a ranking has no window of rows");
        tm_err_hint(err, "Leave the window at 'all'.");
        return st;
    }
    if (window->kind > TM_ROWS_ALL) {
        uint32_t *const by_age = tm__mem_alloc(data->n_train, sizeof(*by_age));
        uint8_t *const stays = tm__mem_zalloc(data->n_rows, 1);
        st = by_age == NULL || stays == NULL
                 ? TM_FAIL(err, TM_E_NOMEM, "no memory for a window of rows")
                 : apply(data, window, by_age, stays, err);
        tm__mem_free(by_age);
        tm__mem_free(stays);
    }
    if (st == TM_OK && window->rows_max > 0 && data->queries == NULL) {
        data->n_train = tm__train_thin(data->train, data->n_train, window->rows_max);
    }
    if (st == TM_OK && window->kind > TM_ROWS_ALL && data->n_train < ROWS_MIN) {
        st = TM_FAIL(err, TM_E_DATA, "a window of %llu rows is too small to learn from",
                     (unsigned long long)window->rows);
        tm_err_hint(err, "At least %u rows with a target are needed.", ROWS_MIN);
    }
    return st;
}
