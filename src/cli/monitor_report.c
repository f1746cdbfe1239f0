/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     the log ──> scores by window, bounds, estimates ──┐
 *     labelled rows ──> groups where it is bad ─────────┼──> one object ──> findings
 *     labels' ages, counters, the test of training ─────┘
 */
#include "cli/monitor_report.h"

#include <string.h>

#include "base/clock.h"
#include "cli/label_ages.h"
#include "monitor/alert.h"
#include "monitor/drift.h"
#include "monitor/field_days.h"
#include "monitor/label_errors.h"
#include "train/train_look.h"

typedef struct making {
    tm_ctx *ctx;
    const tm_place *place;
    tm_monitor *monitor;
    tm_live_options live;
    json_t *report;
} making;

/* ---- groups ---- */

/* Columns in the order of what the model uses of them, as the search for groups wants them. */
static json_t *columns_by_worth(const tm_bundle *bundle) {
    const json_t *importance = json_object_get(tm__bundle_info(bundle), "importance");
    const tm_schema *schema = tm__bundle_schema(bundle);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(importance); i++) {
        json_array_append(list, json_array_get(importance, i));
    }
    for (uint32_t i = 0; json_array_size(importance) == 0 && i < schema->n_cols; i++) {
        json_array_append_new(list, json_pack("{s:s}", "column", schema->cols[i].name));
    }
    return json_pack("{s:o}", "columns", list);
}

/* Groups of labelled rows where the version is worse than elsewhere; it answers them again, with
 * the same bits. */
static tm_status look_at_groups(const making *m, json_t **out, tm_err *err) {
    const tm_bundle *bundle = m->place->bundle;
    tm_table *rows = NULL;
    tm_look look = {0};
    tm_live_options own = m->live;
    own.version = m->place->version.number;
    TM_TRY(tm__monitor_labelled_of(m->monitor, bundle, &own, &rows, err));
    if (rows == NULL) {
        *out = json_null();
        return TM_OK;
    }
    json_t *worth = columns_by_worth(bundle), *weak = NULL;
    tm_status st = tm__look_init(m->ctx, bundle, rows, 0, &look, err);
    if (st == TM_OK) {
        st = tm__look_weak(&look, worth, &weak, err);
        tm__look_done(&look);
    }
    json_decref(worth);
    tm__table_unref(rows);
    if (st == TM_OK) {
        *out = weak;
    }
    return st;
}

static tm_status add_groups(const making *m, tm_err *err) {
    json_t *live = json_object_get(m->report, "live"), *groups = NULL;
    tm_err own = {0};
    const tm_status st = look_at_groups(m, &groups, &own);
    if (st == TM_E_DATA) { /* no label is a class of this version, say */
        groups = json_null();
    } else if (st != TM_OK) {
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    json_object_set_new(live, "slices", groups);
    return TM_OK;
}

/* ---- labels and counters ---- */

static const char *const age_names[] = {"declared_delay_seconds",
                                        "due",
                                        "overdue",
                                        "later_than_declared",
                                        "unmatched",
                                        "unmatched_ids",
                                        "before_answer",
                                        "ambiguous",
                                        "delay",
                                        "arrival",
                                        "origins",
                                        "followed"};

static tm_status add_coverage(const making *m, tm_err *err) {
    json_t *coverage = json_object_get(m->report, "coverage"), *ages = NULL;
    TM_TRY(tm__label_ages_model(m->place, m->monitor, m->live.model, &ages, err));
    for (size_t i = 0; i < sizeof(age_names) / sizeof(age_names[0]); i++) {
        json_object_set(coverage, age_names[i], json_object_get(ages, age_names[i]));
    }
    json_decref(ages);
    json_t *counters = tm__monitor_counters(m->monitor);
    if (counters == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    json_object_set_new(coverage, "log", counters);
    return TM_OK;
}

/* ---- what moved, and what was told ---- */

static tm_status add_drift(const making *m, tm_err *err) {
    tm_drift_ask ask = {.model = m->live.model, .version = m->place->version.number};
    json_t *recipe = NULL, *drift = NULL, *errors = NULL, *fields = NULL, *alerts = NULL;
    TM_TRY(tm__registry_recipe(m->place->registry, ask.model, &recipe, err));
    ask.budget_us = tm__json_i64(json_object_get(recipe, "monitor"), "false_alarm_us", 0);
    json_decref(recipe);
    TM_TRY(tm__drift_report(m->place->home, m->place->bundle, &ask, &drift, err));
    json_object_set_new(m->report, "drift", drift);
    const tm_errors_ask labelled = {ask.model, ask.version, INT64_MIN};
    TM_TRY(tm__errors_report(m->monitor, m->place->bundle, &labelled, ask.budget_us, &errors, err));
    json_object_set_new(m->report, "errors", errors);
    const tm_drift_window_key key = {ask.model, ask.version};
    TM_TRY(tm__field_days_report(m->place->home, &key, &fields, err));
    tm__field_days_price(m->place->bundle, fields);
    json_object_set_new(m->report, "fields", fields);
    const tm_alert_filter filter = {.model = ask.model};
    TM_TRY(tm__alert_list(m->place->home, &filter, &alerts, err));
    json_object_set_new(m->report, "alerts", alerts);
    return TM_OK;
}

static tm_status start(making *m, tm_err *err) {
    const tm_bundle *bundle = m->place->bundle;
    const json_t *info = tm__bundle_info(bundle), *test = json_object_get(info, "test");
    TM_TRY(tm__monitor_live_report(m->monitor, bundle, &m->live, &m->report, err));
    json_object_set_new(m->report, "model", json_string(m->live.model));
    json_object_set_new(m->report, "version",
                        m->live.version > 0 ? json_integer((json_int_t)m->live.version)
                                            : json_null());
    json_object_set_new(m->report, "held_against",
                        json_integer((json_int_t)m->place->version.number));
    json_object_set_new(m->report, "task", json_string(tm__task_text(tm__bundle_task(bundle))));
    json_object_set_new(m->report, "target", json_string(tm__bundle_target(bundle)));
    json_object_set_new(
        m->report, "metric",
        json_string(tm__json_text(info, "metric", tm__metric_default(tm__bundle_task(bundle)))));
    json_object_set(m->report, "test", test != NULL ? (json_t *)(uintptr_t)test : json_null());
    json_object_set_new(m->report, "now", tm__json_time(tm__now_us()));
    return TM_OK;
}

tm_status tm__monitor_report_make(tm_ctx *ctx, const tm_place *place, tm_monitor *monitor,
                                  const tm_monitor_report_options *options, json_t **out,
                                  tm_err *err) {
    making m = {.ctx = ctx, .place = place, .monitor = monitor, .live = options->live};
    m.live.model = place->version.model;
    m.live.version = options->is_version ? place->version.number : 0;
    tm_status st = start(&m, err);
    if (st == TM_OK) {
        st = add_groups(&m, err);
    }
    if (st == TM_OK) {
        st = add_coverage(&m, err);
    }
    if (st == TM_OK) {
        st = add_drift(&m, err);
    }
    if (st == TM_OK) {
        json_object_set_new(m.report, "findings", tm__monitor_findings(m.report));
        st = tm__json_check(err);
    }
    if (st != TM_OK) {
        json_decref(m.report);
        return st;
    }
    *out = m.report;
    return TM_OK;
}
