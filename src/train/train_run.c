/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run from rows to a bundle's bytes:
 *
 *   data -> search (folds, rungs) -> final fit -> bundle without scores -> scores of that very
 * bundle on the test rows, by the call that serving uses -> bundle with its record
 *
 * Invariants:
 *   1. Test rows reach nothing but the scores.
 *   2. One row alone and in a batch get the same bits, checked on rows of this very run before it
 * is published.
 *   3. Everything in `info` follows from rows, recipe, seed, work and, with a budget of time, from
 * the stops of the clock, which it names; times and hosts are in `notes`.
 */
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "metric/threshold_cells.h"
#include "train/train_calibrate.h"
#include "train/train_conformal.h"
#include "train/train_curve.h"
#include "train/train_reference.h"
#include "train/train_select.h"

#define PARITY_ROWS 64u
#define SPARE_BYTES 16384u

typedef struct run {
    tm_ctx *ctx;
    const tm_train_options *options;
    tm_train_windows windows;
    tm_train_data data;
    tm_search search;
    tm_final final;
    tm_calibration calibration;
    tm_conformal conformal;
    tm_reference *reference; /* NULL: not made yet, or no room */
    tm_selection selection;
    tm_budget budget;
    tm_train_plan plan; /* with a limit of memory */
    tm_stops stops;     /* of a run with a budget of time */
    tm_bundle *bundle;
    double *test_pred;
    double seconds_windows;
    double seconds_prepare, seconds_look, seconds_test, seconds_reference;
    tm_threshold_rule rule; /* of the threshold */
    tm_threshold threshold;
    bool has_validation, keeps_threshold;
    json_t *leaks, *findings; /* about the rows, known before the search */
    json_t *info;
    json_t *crosses; /* NULL: not looked for */
    tm_kept_curves curves;
} run;

static double seconds_since(uint64_t started_ns) {
    return (double)(tm__mono_ns() - started_ns) * 1e-9;
}

static void run_done(run *r) {
    tm__bundle_unref(r->bundle);
    tm__final_done(&r->final);
    tm__calibration_done(&r->calibration);
    tm__conformal_done(&r->conformal);
    tm__reference_free(r->reference);
    tm__selection_done(&r->selection);
    tm__search_done(&r->search);
    tm__train_data_done(&r->data);
    tm__train_windows_done(&r->windows);
    tm__mem_free(r->test_pred);
    json_decref(r->leaks);
    json_decref(r->findings);
    json_decref(r->info);
    json_decref(r->crosses);
}

tm_status tm__train_metric(const char *name, tm_task task, const tm_metric_ops **out, tm_err *err) {
    const char *const wanted = name != NULL ? name : tm__metric_default(task);
    *out = tm__metric_find(wanted);
    if (*out == NULL || ((*out)->tasks & (1u << task)) == 0) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' is no metric for a %s target", wanted,
                                     tm__task_text(task));
        tm_err_hint(err, "Leave --metric out for the default, '%s'.", tm__metric_default(task));
        return st;
    }
    return TM_OK;
}

/* Work, or a clock with what it says kept, or what it said of an earlier run in its place. */
static tm_status set_budget(run *r, tm_err *err) {
    const tm_train_options *options = r->options;
    r->budget.work_limit = options->work;
    if (options->budget_ms == 0) {
        r->budget.work_limit = options->work == 0 ? TM_WORK_DEFAULT : options->work;
        return TM_OK;
    }
    r->budget.stops = &r->stops;
    r->stops.comm = r->ctx->comm;
    r->stops.is_repeat = options->is_repeat;
    r->budget.started_ns = options->started_ns > 0 ? options->started_ns : tm__mono_ns();
    r->budget.deadline_ns = r->budget.started_ns + options->budget_ms * UINT64_C(1000000);
    if (options->n_stops > TM_MAX_STOPS) {
        return TM_FAIL(err, TM_E_DATA, "the record holds %u stops, at most %u are possible",
                       options->n_stops, TM_MAX_STOPS);
    }
    for (uint32_t i = 0; options->is_repeat && i < options->n_stops; i++) {
        r->stops.at[r->stops.n++] = options->stops[i];
    }
    return TM_OK;
}

/* Before any work, and by the rows of the table: a fit would name those of a fold. */
static tm_status check_targets(const run *r, tm_err *err) {
    for (uint32_t i = 0; i < r->search.n_candidates; i++) {
        const tm_candidate *candidate = &r->search.candidates[i];
        if (candidate->ops->check_targets != NULL) {
            TM_TRY(candidate->ops->check_targets(&candidate->params, r->data.task, r->data.y,
                                                 r->data.n_rows, err));
        }
    }
    return TM_OK;
}

/* What can be said of the rows is found before the search: what it takes is then known to a budget
 * of time. */
static tm_status look_at_rows(run *r, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    TM_TRY(tm__train_leaks(r->ctx, &r->data, r->options->seed, &r->leaks, err));
    TM_TRY(tm__train_find_rows(r->ctx, &r->data, &r->findings, err));
    r->seconds_look = seconds_since(started);
    return TM_OK;
}

static tm_status read_rule(run *r, tm_err *err) {
    if (r->options->threshold != NULL && r->data.task != TM_TASK_BINARY) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "a %s target has no threshold", tm__task_text(r->data.task));
        tm_err_hint(err, "Leave --threshold out.");
        return st;
    }
    return tm__threshold_parse(r->options->threshold, &r->rule, err);
}

/* Learn: search and refit, or the one fit that was asked for. */
static tm_status learn(run *r, tm_err *err) {
    const tm_train_options *options = r->options;
    r->search.data = &r->data;
    r->search.options = options;
    TM_TRY(tm__train_metric(r->options->metric, r->data.task, &r->search.metric, err));
    TM_TRY(set_budget(r, err));
    TM_TRY(options->mixture != NULL ? tm__mixture_candidates(&r->search, err)
                                    : tm__candidates_init(&r->search, err));
    TM_TRY(check_targets(r, err));
    TM_TRY(read_rule(r, err));
    tm_params ignored;
    uint32_t n_set = 0;
    tm__params_init(r->search.candidates[0].ops, &ignored);
    TM_TRY(tm__candidate_params(options, r->search.candidates[0].ops, &ignored, &n_set, err));
    const bool is_mixture = options->mixture != NULL;
    const bool is_single = is_mixture || (r->search.n_candidates == 1 && n_set > 0);
    TM_TRY(tm__train_plan_check(r->ctx, &r->search, is_single, &r->plan, err));
    TM_TRY(look_at_rows(r, err));
    if (is_single) {
        /* What a person fixed is not cut short by a default. */
        r->budget.work_limit = options->work;
        r->ctx->budget = &r->budget;
        return is_mixture           ? tm__mixture_fit(r->ctx, &r->search, &r->final, err)
               : options->is_update ? tm__update_fit(r->ctx, &r->search, &r->final, err)
                                    : tm__single_fit(r->ctx, &r->search, &r->final, err);
    }
    r->ctx->budget = &r->budget;
    TM_TRY(tm__train_select(r->ctx, &r->search, &r->selection, err));
    TM_TRY(tm__train_crosses(r->ctx, &r->search, &r->crosses, err));
    TM_TRY(tm__search_run(r->ctx, &r->search, err));
    tm__ctx_progress(r->ctx, "refit", 0, 1, NULL);
    return tm__final_fit(r->ctx, &r->search, &r->final, err);
}

/* What turns raw scores into answers, and says how far they may be off. */
static tm_status settle_answers(run *r, tm_err *err) {
    json_t *record = NULL;
    TM_TRY(tm__train_calibrate(&r->search, &r->calibration, &record, err));
    json_object_set_new(r->info, "calibration", record);
    const bool is_positive = tm__model_link_of(r->final.model) == TM_LINK_EXP;
    TM_TRY(tm__train_conformal(&r->search, is_positive, &r->conformal, &record, err));
    json_object_set_new(r->info, "intervals", record);
    return TM_OK;
}

static tm_called_rows valid_rows(const tm_search *s) {
    return (tm_called_rows){.n = s->valid_pred != NULL ? s->n_valid : 0,
                            .y = s->valid_y,
                            .pred = s->valid_pred,
                            .weights = s->valid_weights};
}

static tm_status validation_report(run *r, tm_err *err) {
    const tm_search *s = &r->search;
    r->has_validation = s->valid_pred != NULL;
    if (r->data.task == TM_TASK_BINARY) {
        const tm_called_rows rows = valid_rows(s);
        double kept = 0;
        r->keeps_threshold = tm__update_threshold(r->options, r->has_validation, &kept);
        r->threshold = (tm_threshold){.value = kept, .is_reached = true};
        if (!r->keeps_threshold) {
            TM_TRY(tm__threshold_find(&r->rule, &rows, &r->threshold, err));
        }
    }
    if (!r->has_validation) {
        json_object_set_new(r->info, "validation", json_null());
        return TM_OK;
    }
    const tm_score_input in = {
        .task = r->data.task,
        .n_classes = r->data.n_classes,
        .n_rows = s->n_valid,
        .y = s->valid_y,
        .pred = s->valid_pred,
        .weights = s->valid_weights,
        .groups = s->valid_queries,
        .threshold = r->threshold.value,
    };
    json_t *report = NULL;
    TM_TRY(tm__metric_report(&in, &report, err));
    json_object_set_new(r->info, "validation", report);
    return TM_OK;
}

static void describe_threshold(run *r) {
    char reason[256];
    if (r->data.task != TM_TASK_BINARY) {
        return;
    }
    const tm_called_rows rows = valid_rows(&r->search);
    json_t *reach = tm__threshold_reach(&r->rule, r->threshold.value, &rows);
    if (r->keeps_threshold) {
        (void)snprintf(reason, sizeof(reason), "as before the update");
    } else {
        tm__threshold_reason(&r->rule, &r->threshold, r->has_validation, reason);
    }
    json_t *said = json_pack("{s:o, s:s, s:b}", "value", tm__json_number(r->threshold.value),
                             "reason", reason, "reached", r->threshold.is_reached);
    if (r->keeps_threshold) {
        json_object_set_new(said, "kept", json_true());
    }
    static const char *const names[] = {"precision", "recall", "rate"};
    for (size_t i = 0; i < 3; i++) {
        json_object_set(said, names[i], json_object_get(json_object_get(reach, names[i]), "value"));
    }
    json_object_set_new(said, "validation", r->has_validation ? reach : json_null());
    if (r->has_validation) {
        json_object_set_new(said, "cells", tm__threshold_cells(&rows));
    } else {
        json_decref(reach);
    }
    json_object_set_new(r->info, "threshold", said);
}

static void describe_search(run *r) {
    if (r->options->window.kind != TM_ROWS_UNSAID) {
        json_object_set_new(r->info, "window", tm__row_window_json(&r->options->window));
    }
    if (r->options->mixture != NULL) {
        json_object_set(r->info, "mixture", (json_t *)(uintptr_t)r->options->mixture);
    }
    json_object_set_new(r->info, "leaderboard", tm__train_leaderboard(&r->search));
    if (r->search.stacking.reason != NULL) {
        json_object_set_new(r->info, "stacking", tm__train_stacking(&r->search));
    }
}

static void describe_optional(run *r) {
    json_t *const loosened = tm__train_loosen(r->options, r->final.program);
    if (loosened != NULL) {
        json_object_set_new(r->info, "optional", loosened);
    }
}

static void describe_model(run *r) {
    const tm_train_data *data = &r->data;
    json_t *info = r->info;
    json_t *classes = json_array();
    json_t *program = tm__program_to_json(r->final.program);
    for (uint32_t i = 0; i < data->n_classes; i++) {
        json_array_append_new(classes, json_string(data->classes[i]));
    }
    json_object_set_new(info, "model", json_string(r->options->model));
    json_object_set_new(info, "task", json_string(tm__task_text(data->task)));
    json_object_set_new(info, "target", json_string(r->options->target));
    json_object_set_new(
        info, "target_type",
        json_string(tm__type_text(tm__table_column(data->table, data->target)->type)));
    json_object_set_new(info, "classes", classes);
    if (data->task == TM_TASK_BINARY) {
        json_object_set_new(info, "positive", json_string(data->classes[1]));
    }
    if (data->time != UINT32_MAX) {
        json_object_set_new(info, "time", json_string(data->schema.cols[data->time].name));
    }
    if (data->entity != UINT32_MAX) {
        json_object_set_new(info, "entity", json_string(data->schema.cols[data->entity].name));
    }
    if (data->queries != NULL) {
        json_object_set_new(info, "group", json_string(data->schema.cols[data->group].name));
    }
    if (r->windows.set != NULL) {
        json_object_set_new(info, "windows", tm__window_set_to_json(r->windows.set));
    }
    if (r->options->events_snapshots != NULL) {
        json_object_set(info, "event_snapshots", (json_t *)(uintptr_t)r->options->events_snapshots);
    }
    json_object_set_new(info, "metric", json_string(r->search.metric->name));
    json_object_set_new(info, "learner", json_string(r->final.model->ops->name));
    json_object_set(info, "params", r->final.params);
    if (r->crosses != NULL) {
        json_object_set(info, "crosses", r->crosses);
    }
    json_object_set_new(info, "recipe", tm__train_recipe(r->options));
    json_object_set_new(info, "snapshot", json_string(r->options->snapshot));
    json_object_set_new(info, "split", tm__train_split_info(data, r->search.n_valid));
    if (data->label_known_us != NULL) {
        json_object_set_new(info, "labels", tm__train_labels_info(data));
        json_object_set_new(info, "unmatured_rows",
                            json_integer((json_int_t)(data->n_unmatured + data->n_embargoed)));
    }
    describe_search(r);
    json_object_set_new(info, "importance", tm__train_importance(r->final.program, r->final.model));
    json_object_set_new(info, "left_out", tm__train_left_out(data, program));
    if (r->selection.dropped != NULL && !r->selection.is_off) {
        json_object_set_new(info, "selection", tm__selection_to_json(&r->selection));
    }
    json_object_set_new(info, "program", program);
    json_object_set_new(info, "columns", json_integer(tm__program_inputs(r->final.program)));
    json_object_set_new(info, "rows", json_integer((json_int_t)data->n_train));
    json_object_set_new(info, "seed", json_integer((json_int_t)r->options->seed));
    json_object_set_new(info, "work_used", json_integer((json_int_t)r->budget.work_used));
    if (r->options->budget_ms > 0) {
        json_object_set_new(info, "stops", tm__train_stops(&r->stops));
    }
    if (r->options->base != NULL) {
        json_object_set_new(info, "continues", tm__train_base_info(r->options, r->final.model));
    }
    if (r->options->test_snapshot[0] != '\0') {
        json_object_set_new(info, "test_snapshot", json_string(r->options->test_snapshot));
    }
    json_object_set(info, "leaks", r->leaks);
    describe_optional(r);
}

/* Bytes of the bundle with the info so far, opened again as serving does. */
static tm_status seal(run *r, const json_t *notes, tm_buf *bytes, tm_hash *hash, tm_err *err) {
    const tm_bundle_parts parts = {
        .program = r->final.program,
        .model = r->final.model,
        .calibration = &r->calibration,
        .conformal = &r->conformal,
        .reference = r->reference,
        .info = r->info,
        .notes = notes,
    };
    tm__buf_reset(bytes);
    TM_TRY(tm__json_check(err)); /* a record that lacks a key would be another model */
    TM_TRY(tm__bundle_write(&parts, bytes, hash, err));
    tm__bundle_unref(r->bundle);
    r->bundle = NULL;
    return tm__bundle_load(bytes->data, bytes->len, &r->bundle, err);
}

/* Invariant 2: each row alone must give the bits that it got in the batch. */
static tm_status check_parity(run *r, const uint32_t *rows, uint64_t n, const double *pred,
                              tm_err *err) {
    const tm_schema *schema = tm__bundle_schema(r->bundle);
    const uint32_t n_outputs = tm__bundle_outputs(r->bundle);
    tm_status st = TM_OK;
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(r->bundle);
    tm_cell *cells = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*cells));
    double *alone = tm__mem_alloc(n_outputs, sizeof(double));
    if (scratch == NULL || cells == NULL || alone == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to check the model");
    }
    for (uint64_t i = 0; st == TM_OK && i < n && i < PARITY_ROWS; i++) {
        const uint64_t at = n <= PARITY_ROWS ? i : i * n / PARITY_ROWS;
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            const uint32_t col = tm__table_find(r->data.table, schema->cols[c].name);
            cells[c] = tm__column_cell(tm__table_column(r->data.table, col), rows[at]);
        }
        tm__bundle_predict_row(r->bundle, scratch, cells, alone);
        if (memcmp(alone, pred + at * n_outputs, n_outputs * sizeof(double)) != 0) {
            st = TM_FAIL(err, TM_E_INTERNAL, "a row alone and in a batch gave different answers");
            tm_err_at(err, NULL, (uint64_t)rows[at] + 1, 0);
        }
    }
    tm__bundle_scratch_free(scratch);
    tm__mem_free(cells);
    tm__mem_free(alone);
    return st;
}

static tm_status report_rows(run *r, const uint32_t *rows, uint64_t n, const double *pred,
                             json_t **out, tm_err *err) {
    double *y = tm__mem_alloc(n, sizeof(double));
    double *weights = r->data.weights != NULL ? tm__mem_alloc(n, sizeof(double)) : NULL;
    uint32_t *queries =
        r->data.queries != NULL ? tm__queries_number(r->data.queries, rows, n) : NULL;
    if (y == NULL || (r->data.weights != NULL && weights == NULL) ||
        (r->data.queries != NULL && queries == NULL)) {
        tm__mem_free(y);
        tm__mem_free(weights);
        tm__mem_free(queries);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to score the test rows");
    }
    for (uint64_t i = 0; i < n; i++) {
        y[i] = r->data.y[rows[i]];
        if (weights != NULL) {
            weights[i] = r->data.weights[rows[i]];
        }
    }
    const tm_score_input in = {
        .task = r->data.task,
        .n_classes = r->data.n_classes,
        .n_rows = n,
        .y = y,
        .pred = pred,
        .weights = weights,
        .groups = queries,
        .threshold = r->threshold.value,
    };
    const tm_status st = tm__metric_report(&in, out, err);
    tm__mem_free(y);
    tm__mem_free(weights);
    tm__mem_free(queries);
    return st;
}

/* What a constant answer reaches on the test rows: the floor that a model must beat. */
static tm_status baseline_report(run *r, json_t **out, tm_err *err) {
    const tm_train_data *data = &r->data;
    const tm_model_ops *ops = tm__model_find("baseline");
    const uint32_t n_outputs = tm__train_outputs(data);
    tm_params params;
    tm_model *model = NULL;
    double *pred = tm__mem_alloc(data->n_test * n_outputs, sizeof(double));
    double *y = tm__mem_alloc(data->n_train, sizeof(double));
    tm_status st = pred == NULL || y == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to score the test rows")
                       : TM_OK;
    for (uint64_t i = 0; st == TM_OK && i < data->n_train; i++) {
        y[i] = data->y[data->train[i]];
    }
    const tm_view fit = {.n_rows = data->n_train};
    const tm_view test = {.n_rows = data->n_test};
    const tm_fit_input in = {.task = data->task, .n_classes = data->n_classes, .x = &fit, .y = y};
    tm__params_init(ops, &params);
    if (st == TM_OK) {
        st = tm__model_fit(r->ctx, ops, &in, &params, &model, err);
    }
    if (st == TM_OK) {
        st = tm__model_predict(r->ctx, model, &test, pred, err);
    }
    if (st == TM_OK) {
        tm__model_link(tm__model_link_of(model), n_outputs, data->n_test, pred);
        st = report_rows(r, data->test, data->n_test, pred, out, err);
    }
    tm__model_free(model);
    tm__mem_free(pred);
    tm__mem_free(y);
    return st;
}

/* What the intervals and the threshold reach on the test rows. */
static tm_status measure_answers(run *r, tm_err *err) {
    const tm_train_data *data = &r->data;
    double *y = tm__mem_alloc(data->n_test, sizeof(double));
    double *weights = data->weights != NULL ? tm__mem_alloc(data->n_test, sizeof(double)) : NULL;
    tm_status st = y == NULL || (data->weights != NULL && weights == NULL)
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to score the test rows")
                       : TM_OK;
    for (uint64_t i = 0; st == TM_OK && i < data->n_test; i++) {
        y[i] = data->y[data->test[i]];
        if (weights != NULL) {
            weights[i] = data->weights[data->test[i]];
        }
    }
    if (st == TM_OK && r->conformal.kind != TM_CONFORMAL_NONE) {
        const tm_covered_rows rows = {.n = data->n_test,
                                      .n_outputs = tm__bundle_outputs(r->bundle),
                                      .y = y,
                                      .pred = r->test_pred};
        json_object_set_new(json_object_get(r->info, "intervals"), "test",
                            tm__train_covered(&r->conformal, &rows));
    }
    if (st == TM_OK && data->task == TM_TASK_BINARY) {
        const tm_called_rows rows = {
            .n = data->n_test, .y = y, .pred = r->test_pred, .weights = weights};
        json_object_set_new(json_object_get(r->info, "threshold"), "test",
                            tm__threshold_reach(&r->rule, r->threshold.value, &rows));
    }
    tm__mem_free(y);
    tm__mem_free(weights);
    return st == TM_OK ? tm__json_check(err) : st;
}

static tm_status test_report(run *r, tm_err *err) {
    const tm_train_data *data = &r->data;
    const bool has_test = data->n_test > 0;
    const uint32_t *rows = has_test ? data->test : data->train;
    const uint64_t n = has_test                      ? data->n_test
                       : data->n_train < PARITY_ROWS ? data->n_train
                                                     : PARITY_ROWS;
    json_t *report = NULL;
    json_t *baseline = NULL;
    r->test_pred = tm__mem_alloc(n * tm__bundle_outputs(r->bundle), sizeof(double));
    if (r->test_pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to score the test rows");
    }
    tm__ctx_progress(r->ctx, "test", 0, 1, NULL);
    r->ctx->budget = NULL;
    TM_TRY(tm__bundle_predict(r->ctx, r->bundle, data->table, rows, n, r->test_pred, err));
    TM_TRY(check_parity(r, rows, n, r->test_pred, err));
    if (!has_test) {
        json_object_set_new(r->info, "test", json_null());
        json_object_set_new(r->info, "baseline", json_null());
        return TM_OK;
    }
    TM_TRY(report_rows(r, rows, n, r->test_pred, &report, err));
    json_object_set_new(r->info, "test", report);
    TM_TRY(baseline_report(r, &baseline, err));
    json_object_set_new(r->info, "baseline", baseline);
    return measure_answers(r, err);
}

/* What rows and answers were like, of a bundle that has `bytes` without it: sections and the record
 * may still grow by SPARE. */
static tm_status describe_rows(run *r, size_t bytes, tm_err *err) {
    const tm_train_data *data = &r->data;
    const tm_search *s = &r->search;
    const size_t most = (size_t)r->options->bundle_bytes_max;
    const size_t spare = bytes + SPARE_BYTES;
    tm_reference_input in = {.data = data,
                             .program = r->final.program,
                             .model = r->final.model,
                             .seed = r->options->seed,
                             .bytes_max = most == 0      ? 0
                                          : most > spare ? most - spare
                                                         : 1};
    if (data->n_test > 0) {
        in.held_out = (tm_held_out){.n = data->n_test, .rows = data->test, .pred = r->test_pred};
    } else if (s->valid_pred != NULL) {
        in.held_out = (tm_held_out){.n = s->n_valid, .y = s->valid_y, .pred = s->valid_pred};
    }
    return tm__train_reference(&in, &r->reference, err);
}

static json_t *describe_seconds(const run *r, double total) {
    const struct {
        const char *name;
        double seconds;
    } parts[] = {{"prepare", r->seconds_prepare},
                 {"look", r->seconds_look},
                 {"features", r->search.seconds_features + r->final.seconds_features},
                 {"bin", r->final.model->seconds_bin},
                 {"fit", r->final.model->seconds_fit},
                 {"test", r->seconds_test},
                 {"reference", r->seconds_reference},
                 {"total", total}};
    json_t *const seconds = json_object();
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_object_set_new(seconds, parts[i].name, tm__json_number(parts[i].seconds));
    }
    if (r->windows.set != NULL) {
        json_object_set_new(seconds, "windows", tm__json_number(r->seconds_windows));
    }
    return seconds;
}

static json_t *make_notes(const run *r, double total) {
    char created[48];
    (void)tm__time_to_text(tm__now_us(), created);
    json_t *const seconds = describe_seconds(r, total);
    return json_pack("{s:s, s:s, s:I, s:o, s:o}", "created", created, "compiler", __VERSION__,
                     "threads", (json_int_t)tm__pool_threads(r->ctx->pool), "seconds", seconds,
                     "curves", tm__kept_curves_json(&r->curves));
}

static json_t *make_report(const run *r, const json_t *notes, const tm_hash *hash) {
    char text[TM_HASH_TEXT];
    json_t *report = json_deep_copy(r->info);
    tm__hash_to_text(hash, text);
    json_object_set_new(report, "bundle_hash", json_string(text));
    json_object_set(report, "seconds", json_object_get(notes, "seconds"));
    json_object_set_new(report, "memory",
                        json_pack("{s:I, s:I}", "planned",
                                  (json_int_t)r->final.model->bytes_planned, "peak",
                                  (json_int_t)tm__mem_bytes_peak()));
    if (r->ctx->memory_limit > 0) {
        json_t *needs =
            json_pack("{s:I, s:I, s:I, s:I}", "table", (json_int_t)r->plan.held, "features",
                      (json_int_t)r->plan.features, "fitting", (json_int_t)r->plan.fitting,
                      "answers", (json_int_t)r->plan.answers);
        json_object_set_new(json_object_get(report, "memory"), "needs", needs);
    }
    json_object_set_new(report, "features", json_integer(tm__program_features(r->final.program)));
    json_object_set_new(report, "clock_cut", json_boolean(r->stops.n > 0));
    return report;
}

/* Features, roles, targets and the split. */
static tm_status prepare(run *r, tm_table *table, tm_table *test, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    TM_TRY(tm__train_windows_init(r->ctx, table, test, r->options, &r->windows, err));
    r->seconds_windows = seconds_since(started);
    TM_TRY(tm__train_data_init(&r->data, r->windows.table, r->windows.test, r->options, err));
    TM_TRY(tm__train_windows_roles(&r->data, r->windows.set, r->options->is_trial, err));
    if (r->options->is_trial) {
        tm__train_trial_thin(&r->data);
    }
    return TM_OK;
}

/* What is refused is not tried; what it is worth is told with it. */
static tm_status prepare_or_tell(run *r, tm_table *table, tm_table *test, tm_err *err) {
    tm_err refusal = {0};
    const tm_status st = prepare(r, table, test, &refusal);
    if (st == TM_E_REFUSED && !r->options->is_trial) {
        const tm_leak_input leak = {.options = r->options};
        TM_TRY(tm__train_leak_tell(r->ctx, table, test, &leak, &refusal, err));
    }
    if (st != TM_OK && err != NULL) {
        *err = refusal;
    }
    return st;
}

static tm_status run_all(run *r, tm_table *table, tm_table *test, tm_train_result *out,
                         tm_err *err) {
    const uint64_t started = tm__mono_ns();
    TM_TRY(prepare_or_tell(r, table, test, err));
    r->seconds_prepare = seconds_since(started);
    TM_TRY(tm__train_rules_check(&r->data, r->options, err));
    TM_TRY(tm__train_base_check(&r->data, r->options, err));
    TM_TRY(learn(r, err));
    r->ctx->budget = NULL;
    r->info = json_object();
    if (r->info == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the record of the run");
    }
    TM_TRY(settle_answers(r, err));
    TM_TRY(validation_report(r, err));
    describe_threshold(r);
    describe_model(r);
    json_t *notes = json_object();
    tm_status st = seal(r, notes, &out->bundle, &out->bundle_hash, err);
    json_decref(notes);
    const uint64_t learned = tm__mono_ns();
    if (st == TM_OK) {
        st = test_report(r, err);
    }
    const uint64_t tested = tm__mono_ns();
    if (st == TM_OK && !r->options->is_trial) {
        st = describe_rows(r, out->bundle.len, err);
    }
    r->seconds_test = (double)(tested - learned) * 1e-9;
    r->seconds_reference = seconds_since(tested);
    if (st != TM_OK) {
        return st;
    }
    notes = make_notes(r, seconds_since(started));
    st = seal(r, notes, &out->bundle, &out->bundle_hash, err);
    if (st == TM_OK) {
        out->report = make_report(r, notes, &out->bundle_hash);
        st = tm__json_check(err);
    }
    if (st == TM_OK) { /* not in the record: its bytes name the model */
        json_object_set(out->report, "findings", r->findings);
    }
    json_decref(notes);
    return st;
}

tm_status tm__train_run(tm_ctx *ctx, tm_table *table, tm_table *test,
                        const tm_train_options *options, tm_train_result *out, tm_err *err) {
    run r = {.ctx = ctx};
    tm_train_result result = {0};
    tm_budget *budget = ctx->budget;
    tm__buf_init(&result.bundle, TM_MAX_BUNDLE_BYTES);
    tm__kept_curves_begin(&r.curves, ctx, options);
    r.options = &r.curves.options;
    const tm_status st = run_all(&r, table, test, &result, err);
    tm__kept_curves_end(&r.curves);
    ctx->budget = budget;
    run_done(&r);
    if (st != TM_OK) {
        tm__train_result_done(&result);
        return st;
    }
    *out = result;
    return TM_OK;
}

void tm__train_result_done(tm_train_result *result) {
    tm__buf_done(&result->bundle);
    json_decref(result->report);
    result->report = NULL;
}
