/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts for loop_trigger.h, from the jobs in meta.db, the alerts of watch.db, the labels of log.db
 * and the source. Only those are read that the terms ask for; the log stays open between looks.
 */
#include "loop/loop_evidence.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "loop/loop_withdrawn.h"
#include "metric/metric.h"
#include "monitor/alert.h"
#include "monitor/monitor_recent.h"
#include "source/intake.h"

#define DAY_US INT64_C(86400000000)

struct tm_evidence {
    const tm_home *home;
    tm_registry *registry;
    tm_monitor *monitor; /* NULL before there is a log */
    tm_recent *recent;
    json_t *alerts;    /* of the last look */
    json_t *withdrawn; /* see tm__withdrawn_count() */
    tm_ctx ctx;
};

tm_evidence *tm__evidence_create(const tm_home *home, tm_registry *registry) {
    tm_evidence *const e = tm__mem_zalloc(1, sizeof(*e));
    if (e != NULL) {
        e->home = home;
        e->registry = registry;
    }
    return e;
}

void tm__evidence_free(tm_evidence *e) {
    if (e != NULL) {
        tm__recent_free(e->recent);
        tm__monitor_close(e->monitor);
        json_decref(e->alerts);
        json_decref(e->withdrawn);
        tm__mem_free(e);
    }
}

/* ---- the log ---- */

static tm_status open_log(tm_evidence *e, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    if (e->monitor != NULL || tm__fs_info(tm__home_log_db(e->home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__monitor_open(e->home, &reading, &e->monitor, err));
    e->recent = tm__recent_create(e->monitor);
    return e->recent != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__evidence_labels(tm_evidence *e, const char *model, int64_t after_us, uint64_t *out,
                              tm_err *err) {
    *out = 0;
    TM_TRY(open_log(e, err));
    return e->monitor == NULL ? TM_OK
                              : tm__monitor_labelled_after(e->monitor, model, after_us, out, err);
}

static tm_status look_score(const tm_evidence *e, const tm_version *champion, tm_trigger_facts *out,
                            tm_err *err) {
    tm_bundle *bundle = NULL;
    tm_recent_view view = {0};
    TM_TRY(tm__registry_bundle(e->registry, champion, &bundle, err));
    const tm_recent_of of = {
        .bundle = bundle, .model = champion->model, .version = champion->number};
    const tm_status st = tm__recent_look(e->recent, &of, &view, err);
    const tm_metric_ops *const metric =
        st == TM_OK && view.n_scored > 0 ? tm__metric_find(view.metric) : NULL;
    if (metric != NULL) {
        out->n_scored = view.n_scored;
        out->smaller_is_better = metric->is_loss;
        out->live = view.score.value;
        out->live_better = metric->is_loss ? view.score.low : view.score.high;
    }
    tm__recent_view_done(&view);
    tm__bundle_unref(bundle);
    return st;
}

/* ---- the source ---- */

static int64_t newest_change(const json_t *source) {
    int64_t newest = 0, us = 0;
    size_t i = 0;
    const json_t *change = NULL;
    json_array_foreach(json_object_get(source, "changes"), i, change) {
        const char *const at = tm__json_text(change, "at", "");
        newest = tm__time_parse(tm__str(at), &us) && us > newest ? us : newest;
    }
    return newest;
}

/* Rows that the last training knew: recorded by a retraining, else those with a target. */
static int64_t rows_known(const json_t *history, const tm_version *champion, uint32_t number) {
    const json_t *const split = json_object_get(champion->info, "split");
    int64_t n = tm__json_i64(split, "train_rows", 0) + tm__json_i64(split, "test_rows", 0);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(history, i, item) {
        if (strcmp(tm__json_text(item, "event", ""), "retrain.trained") == 0 &&
            tm__json_i64(item, "version", 0) == (int64_t)number) {
            n = tm__json_i64(json_object_get(item, "details"), "source_rows", n);
        }
    }
    return n;
}

/* What counts as learned: by the champion, or by what was refused in its place, which the same rows
 * would give again. */
static tm_status find_last(const tm_evidence *e, const tm_version *champion, uint32_t *out_number,
                           tm_err *err) {
    TM_TRY(tm__loop_refused(e->registry, champion->model, out_number, err));
    *out_number = *out_number > champion->number ? *out_number : champion->number;
    return TM_OK;
}

static tm_status look_source(const tm_evidence *e, const json_t *recipe, const tm_version *champion,
                             tm_trigger_facts *out, tm_err *err) {
    const char *const name = tm__json_text(json_object_get(recipe, "source"), "source", NULL);
    json_t *source = NULL, *history = NULL;
    uint32_t number = 0;
    if (name == NULL) {
        return TM_OK;
    }
    TM_TRY(find_last(e, champion, &number, err));
    tm_status st = tm__intake_show(e->home, name, &source, err);
    st = st == TM_OK ? tm__registry_history(e->registry, champion->model, &history, err) : st;
    if (st == TM_OK) {
        const int64_t n = tm__json_i64(source, "rows", 0) - rows_known(history, champion, number);
        out->new_rows = n > 0 ? (uint64_t)n : 0;
        out->schema_us = newest_change(source);
        out->schema_us = out->schema_us <= out->now_us ? out->schema_us : 0;
    }
    json_decref(source);
    json_decref(history);
    return st;
}

/* ---- all of it ---- */

/* Those that opened since the last run: what a run could not mend does not start one again. */
static tm_status look_alerts(tm_evidence *e, const char *model, tm_trigger_facts *out,
                             tm_err *err) {
    const tm_alert_filter filter = {.model = model};
    json_t *all = NULL;
    TM_TRY(tm__alert_list(e->home, &filter, &all, err));
    json_decref(e->alerts);
    e->alerts = json_array();
    size_t i = 0;
    json_t *alert = NULL;
    json_array_foreach(all, i, alert) {
        int64_t us = 0;
        const char *const opened = tm__json_text(alert, "opened", "");
        if (tm__time_parse(tm__str(opened), &us) && us > out->last_us && us <= out->now_us) {
            json_array_append(e->alerts, alert);
        }
    }
    json_decref(all);
    out->alerts = e->alerts;
    return tm__json_check(err);
}

static tm_status look_log(tm_evidence *e, const tm_trigger_terms *terms, const tm_version *champion,
                          tm_trigger_facts *out, tm_err *err) {
    tm_learned learned = {0};
    TM_TRY(open_log(e, err));
    if (e->monitor == NULL) {
        return TM_OK;
    }
    if (terms->new_labels > 0) {
        tm_version last = *champion;
        TM_TRY(find_last(e, champion, &last.number, err));
        TM_TRY(tm__loop_learned(e->registry, &last, &learned, err));
        TM_TRY(tm__monitor_labelled_after(e->monitor, champion->model, learned.labels.joined_us,
                                          &out->new_labels, err));
    }
    return terms->has_bound ? look_score(e, champion, out, err) : TM_OK;
}

static tm_status look_consent(tm_evidence *e, const tm_version *champion, tm_trigger_facts *out,
                              tm_err *err) {
    if (e->withdrawn == NULL && (e->withdrawn = json_object()) == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return tm__withdrawn_count(&e->ctx, e->home, champion, e->withdrawn, &out->n_withdrawn, err);
}

static tm_status look_champion(tm_evidence *e, const json_t *recipe, const tm_trigger_terms *terms,
                               const tm_version *champion, tm_trigger_facts *out, tm_err *err) {
    if (terms->new_labels > 0 || terms->has_bound) {
        TM_TRY(look_log(e, terms, champion, out, err));
    }
    if (terms->on_consent) {
        TM_TRY(look_consent(e, champion, out, err));
    }
    if (terms->on_drift || terms->on_performance) {
        TM_TRY(look_alerts(e, champion->model, out, err));
    }
    return terms->new_rows > 0 || terms->on_schema ? look_source(e, recipe, champion, out, err)
                                                   : TM_OK;
}

tm_status tm__evidence_look(tm_evidence *e, const char *model, const json_t *recipe,
                            const tm_trigger_terms *terms, tm_trigger_facts *out, tm_err *err) {
    tm_version champion = {0};
    tm_runs runs = {0};
    *out = (tm_trigger_facts){.now_us = tm__now_us(), .live = NAN, .live_better = NAN};
    TM_TRY(tm__registry_last_run(e->registry, model, &out->last_us, err));
    TM_TRY(tm__registry_runs(e->registry, "retrain", model, out->now_us - DAY_US, &runs, err));
    out->ended_us = runs.ended_us;
    out->spent_us = runs.spent_us;
    out->n_fruitless = runs.n_fruitless;
    if (!tm__trigger_needs_facts(terms)) {
        return TM_OK;
    }
    TM_TRY(tm__registry_find(e->registry, model, &champion, err));
    const tm_status st = look_champion(e, recipe, terms, &champion, out, err);
    tm__version_done(&champion);
    return st;
}
