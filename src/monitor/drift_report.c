/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of a version, read once: into the detectors, as the watch would have seen them, and added
 * up over the last day for the figures. Nothing is stored of a report.
 */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "monitor/drift.h"
#include "monitor/drift_store.h"

#define LOOK_BACK_US (60 * TM_DAY_US)

typedef struct report {
    const tm_bundle *bundle;
    const tm_reference *reference;
    const tm_drift_ask *ask;
    tm_cells_plan *plan;
    tm_drift *drift;
    tm_counts window, now; /* one; the last ones together */
    int64_t newest_us;     /* end of the newest window */
} report;

static bool find_newest(void *arg, const tm_drift_window *window) {
    report *const r = arg;
    const int64_t end = window->at_us + tm__span_us(window->span);
    r->newest_us = end > r->newest_us ? end : r->newest_us;
    return true;
}

/* A window of an earlier bundle with this number has other counts, and is passed over. */
static bool take_window(void *arg, const tm_drift_window *window) {
    report *const r = arg;
    const int64_t within = r->ask->within_us > 0 ? r->ask->within_us : TM_DAY_US;
    tm__counts_reset(&r->window);
    if (tm__counts_read(&r->window, window->bytes)) {
        tm__drift_add(r->drift, &r->window, window->at_us, tm__span_us(window->span));
        if (window->at_us >= r->newest_us - within) {
            tm__counts_add(&r->now, &r->window);
        }
    }
    return true;
}

static tm_status read_windows(report *r, tm_drift_store *store, tm_err *err) {
    const tm_drift_window_key key = {r->ask->model, r->ask->version};
    r->newest_us = INT64_MIN;
    TM_TRY(tm__drift_store_read(store, &key, INT64_MIN, find_newest, r, err));
    if (r->newest_us == INT64_MIN) {
        return TM_OK;
    }
    return tm__drift_store_read(store, &key, r->newest_us - LOOK_BACK_US, take_window, r, err);
}

/* ---- one column ---- */

static double share_of(const uint64_t *counts, uint32_t n, uint32_t cell) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += (double)counts[i];
    }
    return cell >= n || sum == 0 ? tm__nan() : (double)counts[cell] / sum;
}

static json_t *pair(double was, double is) {
    return isnan(was)
               ? json_null()
               : json_pack("{s:o, s:o}", "was", tm__json_number(was), "is", tm__json_number(is));
}

static void set_shares(const report *r, uint32_t i, const uint64_t *was, const uint64_t *is,
                       json_t *out) {
    const tm_ref_column *const c = &r->reference->columns[i];
    const uint32_t n = c->n_cells;
    const uint32_t missing = tm__ref_missing(c), fresh = tm__ref_unseen(c);
    json_object_set_new(out, "missing", pair(share_of(was, n, missing), share_of(is, n, missing)));
    json_t *const news = pair(share_of(was, n, fresh), share_of(is, n, fresh));
    if (json_is_object(news)) {
        json_object_set_new(news, "distinct",
                            tm__json_number(floor(tm__counts_distinct(&r->now, r->plan, i) + 0.5)));
    }
    json_object_set_new(out, "new", news);
    json_object_set_new(out, "range",
                        c->n_ordered == 0
                            ? json_null()
                            : json_pack("{s:o, s:o}", "below",
                                        tm__json_number(share_of(is, n, tm__ref_below(c))), "above",
                                        tm__json_number(share_of(is, n, tm__ref_above(c)))));
}

static void set_figures(const report *r, uint32_t i, const uint64_t *was, const uint64_t *is,
                        json_t *out) {
    const tm_ref_column *const c = &r->reference->columns[i];
    tm_drift_figures figures;
    tm_drift_cost cost;
    tm__drift_figures(c, was, is, &figures);
    json_object_set_new(out, "psi", tm__json_number(figures.psi));
    json_object_set_new(out, "ks", tm__json_number(figures.ks));
    json_object_set_new(out, "chi2",
                        json_pack("{s:o, s:I, s:o}", "statistic", tm__json_number(figures.chi2),
                                  "df", (json_int_t)figures.df, "p", tm__json_number(figures.p)));
    tm__drift_cost(r->reference, i, is, &cost);
    const bool is_log = r->reference->loss_kind == TM_REF_LOSS_LOG;
    json_object_set_new(out, "cost",
                        isnan(cost.was)
                            ? json_null()
                            : json_pack("{s:s, s:o, s:o, s:o}", "loss", is_log ? "logloss" : "rmse",
                                        "was", tm__json_number(cost.was), "expected",
                                        tm__json_number(cost.expected), "change",
                                        tm__json_number(cost.expected - cost.was)));
}

static void set_move(const report *r, uint32_t i, json_t *out) {
    const tm_ref_column *const c = &r->reference->columns[i];
    const tm_drift_column *const state = tm__drift_column(r->drift, i);
    const bool moved = state->n_alarms > 0 && state->alarm_us >= r->newest_us - TM_DAY_US;
    const tm_shift_look *const look = moved ? &state->alarm : &state->look;
    tm_buf what;
    tm__buf_init(&what, 4096);
    tm__drift_what(r->bundle, i, look, &what);
    json_object_set_new(out, "moved", json_boolean(moved));
    json_object_set_new(out, "evidence", tm__json_number(look->evidence));
    json_object_set_new(out, "evidence_needed",
                        state->weight > 0 ? tm__json_number(1 / state->weight) : json_null());
    json_object_set_new(out, "what",
                        moved ? json_stringn((const char *)what.data, what.len) : json_null());
    json_object_set_new(out, "since", moved ? tm__json_time(look->since_us) : json_null());
    json_object_set_new(out, "was", moved ? tm__json_number(look->was) : json_null());
    json_object_set_new(out, "is", moved ? tm__json_number(look->is) : json_null());
    json_object_set_new(out, "next", moved ? json_string(tm__drift_next(c, look)) : json_null());
    tm__buf_done(&what);
}

static tm_status add_column(const report *r, uint32_t i, json_t *list, tm_err *err) {
    const tm_ref_column *const c = &r->reference->columns[i];
    const bool is_answers = i == r->reference->n_columns;
    const uint64_t *const is = r->now.counts + r->plan->first[i];
    uint64_t *const was = tm__mem_alloc(c->n_cells, sizeof(*was));
    if (was == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a report");
    }
    tm__drift_was(c, was);
    json_t *const out = json_pack(
        "{s:o, s:s, s:o, s:I}", "column",
        is_answers ? json_null() : json_string(tm__bundle_schema(r->bundle)->cols[i].name), "kind",
        tm__drift_kind(c, is_answers), "importance",
        is_answers ? json_null() : tm__json_number(c->importance), "rows",
        (json_int_t)r->now.counts[TM_CELLS_ROWS]);
    set_move(r, i, out);
    set_shares(r, i, was, is, out);
    set_figures(r, i, was, is, out);
    json_array_append_new(list, out);
    tm__mem_free(was);
    return tm__json_check(err);
}

/* ---- order ---- */

static double change_of(const json_t *column) {
    const json_t *const cost = json_object_get(column, "cost");
    return json_is_object(cost) ? tm__json_f64(cost, "change", 0) : 0;
}

/* What moved first, that which costs most first; then by importance and name. */
static int compare(const void *a, const void *b) {
    const json_t *const x = *(json_t *const *)a, *const y = *(json_t *const *)b;
    const bool x_moved = json_is_true(json_object_get(x, "moved"));
    const bool y_moved = json_is_true(json_object_get(y, "moved"));
    if (x_moved != y_moved) {
        return x_moved ? -1 : 1;
    }
    const double x_cost = x_moved ? change_of(x) : tm__json_f64(x, "importance", 0);
    const double y_cost = y_moved ? change_of(y) : tm__json_f64(y, "importance", 0);
    if (x_cost != y_cost) {
        return x_cost > y_cost ? -1 : 1;
    }
    return tm__str_compare(tm__str(tm__json_text(x, "column", "")),
                           tm__str(tm__json_text(y, "column", "")));
}

static tm_status sorted(json_t *list, json_t **out, tm_err *err) {
    const size_t n = json_array_size(list);
    json_t **const items = tm__mem_alloc(n + 1, sizeof(json_t *));
    json_t *const result = json_array();
    if (items == NULL || result == NULL) {
        tm__mem_free(items);
        json_decref(result);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a report");
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = json_array_get(list, i);
    }
    qsort(items, n, sizeof(json_t *), compare);
    for (size_t i = 0; i < n; i++) {
        json_array_append(result, items[i]);
    }
    tm__mem_free(items);
    *out = result;
    return tm__json_check(err);
}

static tm_status make(report *r, tm_drift_store *store, json_t *list, tm_err *err) {
    r->plan = tm__cells_plan_create(r->reference);
    if (r->plan == NULL || !tm__counts_init(&r->window, r->plan) ||
        !tm__counts_init(&r->now, r->plan)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a report");
    }
    TM_TRY(tm__drift_create(r->plan, r->ask->budget_us, &r->drift, err));
    TM_TRY(read_windows(r, store, err));
    for (uint32_t i = 0; i < r->plan->n_columns && tm__drift_rows(r->drift) > 0; i++) {
        TM_TRY(add_column(r, i, list, err));
    }
    return TM_OK;
}

tm_status tm__drift_report(const tm_home *home, const tm_bundle *bundle, const tm_drift_ask *ask,
                           json_t **out, tm_err *err) {
    report r = {.bundle = bundle, .reference = tm__bundle_reference(bundle), .ask = ask};
    tm_drift_store *store = NULL;
    json_t *const list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a report") : TM_OK;
    st = st == TM_OK ? tm__drift_store_open(home, false, &store, err) : st;
    if (st == TM_OK && store != NULL && r.reference != NULL) {
        st = make(&r, store, list, err);
    }
    st = st == TM_OK ? sorted(list, out, err) : st;
    json_decref(list);
    tm__drift_free(r.drift);
    tm__counts_done(&r.window);
    tm__counts_done(&r.now);
    tm__cells_plan_free(r.plan);
    tm__drift_store_close(store);
    return st;
}
