/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of a version, read twice: when they were, for the width of a point; then into the
 * detector of the one column, as the watch would have seen them, and added up point by point. */
#include "monitor/drift_series.h"

#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "monitor/drift.h"
#include "monitor/drift_store.h"

#define LOOK_BACK_US (60 * TM_DAY_US)

static const int64_t widths_us[] = {TM_MINUTE_US, 5 * TM_MINUTE_US, 15 * TM_MINUTE_US,
                                    TM_HOUR_US,   6 * TM_HOUR_US,   TM_DAY_US};
#define N_WIDTHS (sizeof(widths_us) / sizeof(widths_us[0]))

typedef struct series {
    const tm_ref_column *column;
    uint32_t index; /* of the column */
    tm_cells_plan *plan;
    tm_drift *drift;
    tm_counts window;
    uint64_t *was, *is; /* [n_cells] of the reference; of the point at hand */
    int64_t oldest_us, newest_us, width_us;
    int64_t point_us; /* begin of the point at hand */
    uint64_t n_rows;  /* in it */
    double evidence;
    uint32_t n_alarms;
    json_t *points;
} series;

static bool find_span(void *arg, const tm_drift_window *window) {
    series *const s = arg;
    const int64_t end = window->at_us + tm__span_us(window->span);
    s->oldest_us = window->at_us < s->oldest_us ? window->at_us : s->oldest_us;
    s->newest_us = end > s->newest_us ? end : s->newest_us;
    return true;
}

static void choose_width(series *s) {
    const int64_t from_us = s->newest_us - LOOK_BACK_US;
    const int64_t span_us = s->newest_us - (s->oldest_us > from_us ? s->oldest_us : from_us);
    s->width_us = widths_us[N_WIDTHS - 1];
    for (size_t i = N_WIDTHS; i > 0; i--) {
        if (span_us / widths_us[i - 1] < TM_DRIFT_POINTS_MAX - 1) {
            s->width_us = widths_us[i - 1];
        }
    }
}

static double share_missing(const series *s) {
    double sum = 0;
    const uint32_t missing = tm__ref_missing(s->column);
    for (uint32_t i = 0; i < s->column->n_cells; i++) {
        sum += (double)s->is[i];
    }
    return missing >= s->column->n_cells || sum == 0 ? tm__nan() : (double)s->is[missing] / sum;
}

static void end_point(series *s) {
    tm_drift_figures figures;
    char at[48];
    if (s->n_rows == 0) {
        return;
    }
    (void)tm__time_to_text(s->point_us, at);
    tm__drift_figures(s->column, s->was, s->is, &figures);
    json_array_append_new(
        s->points,
        json_pack("{s:s, s:I, s:o, s:o, s:o, s:I}", "at", at, "rows", (json_int_t)s->n_rows,
                  "evidence", tm__json_number(s->evidence), "psi", tm__json_number(figures.psi),
                  "missing", tm__json_number(share_missing(s)), "alarms", (json_int_t)s->n_alarms));
    memset(s->is, 0, s->column->n_cells * sizeof(*s->is));
    s->n_rows = 0;
    s->evidence = 0;
    s->n_alarms = 0;
}

/* A window of an earlier bundle with this number has other counts, and is passed over. */
static bool take_window(void *arg, const tm_drift_window *window) {
    series *const s = arg;
    const int64_t rest = window->at_us % s->width_us;
    const int64_t point_us = window->at_us - (rest < 0 ? rest + s->width_us : rest);
    tm__counts_reset(&s->window);
    if (!tm__counts_read(&s->window, window->bytes)) {
        return true;
    }
    if (point_us != s->point_us) {
        end_point(s);
        s->point_us = point_us;
    }
    tm__drift_add(s->drift, &s->window, window->at_us, tm__span_us(window->span));
    const tm_drift_column *const state = tm__drift_column(s->drift, s->index);
    const double evidence = state->look.evidence;
    s->evidence = evidence > s->evidence ? evidence : s->evidence;
    s->n_alarms += state->is_new_alarm ? 1 : 0;
    s->n_rows += s->window.counts[TM_CELLS_ROWS];
    for (uint32_t i = 0; i < s->column->n_cells; i++) {
        s->is[i] += s->window.counts[s->plan->first[s->index] + i];
    }
    return true;
}

static tm_status read_windows(series *s, const tm_drift_series_ask *ask, tm_drift_store *store,
                              tm_err *err) {
    const tm_drift_window_key key = {ask->model, ask->version};
    s->oldest_us = INT64_MAX;
    s->newest_us = INT64_MIN;
    TM_TRY(tm__drift_store_read(store, &key, INT64_MIN, find_span, s, err));
    if (s->newest_us == INT64_MIN) {
        return TM_OK;
    }
    choose_width(s);
    TM_TRY(tm__drift_store_read(store, &key, s->newest_us - LOOK_BACK_US, take_window, s, err));
    end_point(s);
    return tm__json_check(err);
}

static tm_status make(series *s, const tm_reference *reference, const tm_drift_series_ask *ask,
                      tm_drift_store *store, tm_err *err) {
    const uint32_t n = s->column->n_cells;
    s->plan = tm__cells_plan_create(reference);
    s->was = tm__mem_zalloc(n, sizeof(*s->was));
    s->is = tm__mem_zalloc(n, sizeof(*s->is));
    if (s->plan == NULL || s->was == NULL || s->is == NULL ||
        !tm__counts_init(&s->window, s->plan)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a report");
    }
    tm__drift_was(s->column, s->was);
    TM_TRY(tm__drift_create_one(s->plan, ask->budget_us, s->index, &s->drift, err));
    return store == NULL ? TM_OK : read_windows(s, ask, store, err);
}

/* False when the version reads no such column. */
static bool find_column(const tm_bundle *bundle, const char *name, uint32_t *out) {
    const tm_reference *const reference = tm__bundle_reference(bundle);
    *out = reference->n_columns;
    if (name == NULL) {
        return reference->has_output;
    }
    for (uint32_t i = 0; i < reference->n_columns && *out == reference->n_columns; i++) {
        *out = strcmp(tm__bundle_schema(bundle)->cols[i].name, name) == 0 ? i : *out;
    }
    return *out < reference->n_columns;
}

static json_t *told(const series *s, const tm_drift_series_ask *ask) {
    const double weight = tm__drift_column(s->drift, s->index)->weight;
    return json_pack("{s:s?, s:s, s:o, s:I, s:O}", "column", ask->column, "kind",
                     tm__drift_kind(s->column, ask->column == NULL), "evidence_needed",
                     weight > 0 ? tm__json_number(1 / weight) : json_null(), "width_seconds",
                     (json_int_t)(s->width_us / 1000000), "points", s->points);
}

tm_status tm__drift_series(const tm_home *home, const tm_bundle *bundle,
                           const tm_drift_series_ask *ask, json_t **out, tm_err *err) {
    const tm_reference *const reference = tm__bundle_reference(bundle);
    series s = {.point_us = INT64_MIN, .width_us = TM_MINUTE_US, .points = json_array()};
    tm_drift_store *store = NULL;
    tm_status st = TM_OK;
    if (reference == NULL || !find_column(bundle, ask->column, &s.index)) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "the version has no reference of a column of this name");
        tm_err_hint(err, "'tidemill monitor drift %.64s' lists those that are watched.",
                    ask->model);
    }
    st = st == TM_OK ? tm__drift_store_open(home, false, &store, err) : st;
    if (st == TM_OK) {
        s.column = &reference->columns[s.index];
        st = make(&s, reference, ask, store, err);
    }
    if (st == TM_OK) {
        json_t *const answer = told(&s, ask);
        st = tm__json_check(err);
        *out = st == TM_OK ? answer : *out;
    }
    json_decref(s.points);
    tm__drift_free(s.drift);
    tm__counts_done(&s.window);
    tm__cells_plan_free(s.plan);
    tm__mem_free(s.was);
    tm__mem_free(s.is);
    tm__drift_store_close(store);
    return st;
}
