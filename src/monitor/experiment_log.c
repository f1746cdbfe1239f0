/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     record of the start ──> metrics of answers: what is compared, then guardrails
 *                        └──> guardrails of counts
 *     log ──> each answer: a row of its unit with a value a metric, NaN until its label came
 */
#include "monitor/experiment_log.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "metric/metric.h"
#include "monitor/experiment_guard.h"
#include "monitor/monitor_arms.h"

#define OUTCOME "outcome"

typedef struct reading {
    tm_experiment *experiment;
    const tm_bundle *bundles[2];
    const tm_metric_ops *ops[TM_UNIT_METRICS_MAX]; /* of each metric; NULL: the outcome itself */
    bool has_first; /* of units: how long their first answers took is asked */
    tm_first_answers first;
    tm_buf key;
} reading;

/* ---- The metric ---- */

static bool is_for(const tm_metric_ops *ops, tm_task task) {
    return ops->row != NULL && (ops->tasks >> task & 1u) != 0;
}

static tm_status refuse(const char *name, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "'%.64s' is no metric of single answers of this model", name);
    tm_err_hint(err, "Two classes: brier, accuracy, logloss, outcome. Classes: accuracy, logloss. "
                     "Numbers: mae, outcome.");
    return st;
}

tm_status tm__experiment_metric(const tm_bundle *bundle, const char *name, const char **out,
                                tm_err *err) {
    const tm_task task = tm__bundle_task(bundle);
    const char *wanted = name != NULL                 ? name
                         : task == TM_TASK_BINARY     ? "brier"
                         : task == TM_TASK_MULTICLASS ? "accuracy"
                                                      : "mae";
    if (strcmp(wanted, OUTCOME) == 0) {
        *out = OUTCOME;
        return task == TM_TASK_BINARY || task == TM_TASK_REGRESSION ? TM_OK : refuse(wanted, err);
    }
    const tm_metric_ops *ops = tm__metric_find(wanted);
    if (ops == NULL || !is_for(ops, task)) {
        return refuse(wanted, err);
    }
    *out = ops->name;
    return TM_OK;
}

/* NaN: no value yet, or one of another kind of answer. */
static double value_of(const reading *r, const tm_metric_ops *ops, const tm_arm_answer *answer) {
    const tm_bundle *bundle = r->bundles[answer->arm];
    double y = 0;
    if (answer->label == NULL || answer->n_outputs != tm__bundle_outputs(bundle) ||
        !tm__label_number(bundle, tm__str(answer->label), &y)) {
        return tm__nan();
    }
    if (ops == NULL) {
        return tm__bundle_task(bundle) == TM_TASK_BINARY ? (y == 1 ? 1 : 0) : y;
    }
    const tm_score_input one = {.task = tm__bundle_task(bundle),
                                .n_classes = tm__bundle_classes(bundle),
                                .n_rows = 1,
                                .y = &y,
                                .pred = answer->outputs,
                                .threshold = tm__bundle_threshold(bundle)};
    return ops->row(&one, 0);
}

/* ---- Answers ---- */

static tm_status take_answer(void *arg, const tm_arm_answer *answer, tm_err *err) {
    reading *r = arg;
    tm_units *units = &r->experiment->units;
    const bool has_entity = answer->entity.ptr != NULL;
    const tm_str who = has_entity ? answer->entity : answer->id;
    double values[TM_UNIT_METRICS_MAX];
    tm_unit_row row = {
        .time_us = answer->at_us, .known_us = answer->known_us, .arm = (uint8_t)answer->arm};
    tm__buf_reset(&r->key);
    if (!tm__buf_byte(&r->key, has_entity ? 'e' : 'i') ||
        !tm__buf_append(&r->key, who.ptr, who.len)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the answers of an experiment");
    }
    TM_TRY(tm__units_key(units, (tm_str){(const char *)r->key.data, r->key.len}, &row.unit, err));
    if (r->has_first) {
        TM_TRY(tm__first_answer(&r->first, row.unit, answer, err));
    }
    for (uint32_t m = 0; m < r->experiment->n_metrics; m++) {
        values[m] = value_of(r, r->ops[m], answer);
    }
    return tm__units_add(units, &row, values, err);
}

static int64_t time_of(const json_t *experiment, const char *member, int64_t otherwise) {
    int64_t us = 0;
    const char *text = tm__json_text(experiment, member, "");
    return tm__time_parse(tm__str(text), &us) ? us : otherwise;
}

static void take_terms(const json_t *experiment, tm_experiment *out) {
    const json_t *versions = json_object_get(experiment, "versions");
    *out = (tm_experiment){
        .has_times = true,
        .share = tm__json_f64(experiment, "share", 0.5),
        .alpha = tm__json_f64(experiment, "alpha", 0.05),
        .baseline = tm__json_f64(experiment, "baseline", 0),
        .horizon = (uint64_t)tm__json_i64(experiment, "horizon", 0),
        .units = {.delay_us = (int64_t)(tm__json_f64(experiment, "delay_seconds", 0) * 1e6 + 0.5),
                  .now_us = tm__now_us()}};
    for (size_t arm = 0; arm < 2; arm++) {
        (void)snprintf(out->names[arm], sizeof(out->names[arm]), "version %lld",
                       (long long)json_integer_value(json_array_get(versions, arm)));
    }
}

static tm_status read_log(const tm_experiment_ask *ask, reading *r, tm_err *err) {
    const json_t *versions = json_object_get(ask->record, "versions");
    tm_arms_query query = {.model = ask->model,
                           .from_us = time_of(ask->record, "started", INT64_MIN),
                           .until_us = time_of(ask->record, "stopped", INT64_MAX),
                           .waits = tm__json_bool(ask->record, "split", false),
                           .fn = take_answer,
                           .arg = r};
    for (size_t arm = 0; arm < 2; arm++) {
        query.versions[arm] = (uint32_t)json_integer_value(json_array_get(versions, arm));
    }
    TM_TRY(tm__monitor_arms(ask->monitor, &query, err));
    return tm__units_make(&r->experiment->units, err);
}

/* A metric of single answers by its recorded name. */
static void add_metric(reading *r, const char *name, double margin) {
    tm_experiment *e = r->experiment;
    const tm_metric_ops *ops = tm__metric_find(name);
    tm_ab_metric *metric = &e->metrics[e->n_metrics];
    metric->name = name;
    metric->margin = margin;
    metric->smaller_is_better = ops != NULL && ops->is_loss;
    if (strcmp(name, "brier") == 0) { /* between 0 and 1 by its definition */
        metric->kind = TM_AB_BOUNDED;
        metric->high = 1;
    }
    r->ops[e->n_metrics++] = ops;
    e->units.n_metrics = e->n_metrics;
}

static tm_status add_guardrails(const json_t *experiment, reading *r, tm_err *err) {
    const json_t *list = json_object_get(experiment, "guardrails"), *one = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        tm_experiment *e = r->experiment;
        const char *name = tm__json_text(one, "metric", "");
        const double margin = tm__json_f64(one, "margin", 0);
        const bool is_latency = strcmp(name, TM_GUARD_LATENCY) == 0;
        if (i >= TM_AB_GUARDRAILS_MAX) {
            return TM_FAIL(err, TM_E_INTEGRITY, "an experiment has more than %u guardrails",
                           TM_AB_GUARDRAILS_MAX);
        }
        if (is_latency || strcmp(name, TM_GUARD_ERRORS) == 0) {
            e->shares[e->n_shares++] = (tm_ab_share){.name = name, .margin = margin};
        } else {
            add_metric(r, name, margin);
        }
        if (is_latency) {
            r->has_first = true;
            r->first.slow_us = (uint32_t)tm__json_i64(one, "slow_us", UINT32_MAX);
        }
    }
    return TM_OK;
}

/* Guardrails of counts, once the log is read. */
static tm_status count(const tm_experiment_ask *ask, reading *r, tm_err *err) {
    const json_t *versions = json_object_get(ask->record, "versions");
    const uint32_t numbers[2] = {(uint32_t)json_integer_value(json_array_get(versions, 0)),
                                 (uint32_t)json_integer_value(json_array_get(versions, 1))};
    for (uint32_t i = 0; i < r->experiment->n_shares; i++) {
        tm_ab_share *share = &r->experiment->shares[i];
        if (strcmp(share->name, TM_GUARD_LATENCY) == 0) {
            tm__first_answers_count(&r->first, share);
        } else if (strcmp(tm__json_text(ask->record, "state", ""), "running") == 0) {
            json_t *now = NULL;
            TM_TRY(tm__guards_counted(ask->home, ask->model, numbers, &now, err));
            tm__guards_errors(ask->record, now, share);
            json_decref(now);
        } else {
            tm__guards_errors_then(ask->record, share);
        }
    }
    return TM_OK;
}

tm_status tm__experiment_log(const tm_experiment_ask *ask, tm_experiment *out, tm_err *err) {
    reading r = {.experiment = out, .bundles = {ask->bundles[0], ask->bundles[1]}};
    take_terms(ask->record, out);
    add_metric(&r, tm__json_text(ask->record, "metric", ""), 0);
    TM_TRY(add_guardrails(ask->record, &r, err));
    tm__buf_init(&r.key, TM_MAX_TEXT_BYTES);
    tm_status st = read_log(ask, &r, err);
    st = st == TM_OK ? count(ask, &r, err) : st;
    tm__buf_done(&r.key);
    tm__first_answers_done(&r.first);
    return st;
}

tm_status tm__experiment_told(const tm_experiment_ask *ask, uint32_t n_points, json_t **out,
                              tm_err *err) {
    tm_experiment e = {0};
    json_t *verdict = NULL;
    tm_status st = tm__experiment_log(ask, &e, err);
    e.n_points = n_points;
    st = st == TM_OK ? tm__experiment_judge(&e, &verdict, err) : st;
    tm__experiment_done(&e);
    TM_TRY(st);
    json_t *const made = json_copy((json_t *)(uintptr_t)ask->record);
    json_object_set_new(made, "model", json_string(ask->model));
    json_object_del(made, "metric"); /* the verdict's has the name */
    json_object_update(made, verdict);
    json_decref(verdict);
    st = tm__json_check(err);
    if (st == TM_OK) {
        *out = made;
    } else {
        json_decref(made);
    }
    return st;
}
