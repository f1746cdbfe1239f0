/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor drift`: what moved of a version that serves, and how its errors changed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "monitor/drift.h"
#include "monitor/drift_series.h"
#include "monitor/field_days.h"
#include "monitor/label_errors.h"

#define ANSWERS "(answers)" /* in the place of a column's name */

/* Of the recipe of its model; 0: nothing is said. */
static tm_status budget_of(const tm_place *place, int64_t *out, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(place->registry, place->version.model, &recipe, err));
    *out = tm__json_i64(json_object_get(recipe, "monitor"), "false_alarm_us", 0);
    json_decref(recipe);
    return TM_OK;
}

static void cell_share(tm_cli_table *out, const json_t *pair, const char *name) {
    const json_t *const value = json_object_get(pair, name);
    if (json_is_number(value)) {
        tm__cli_cell(out, "%.2f %%", 100 * json_number_value(value));
    } else {
        tm__cli_cell(out, "-");
    }
}

static void add_line(tm_cli_table *out, const json_t *c) {
    const json_t *const cost = json_object_get(c, "cost");
    const json_t *const importance = json_object_get(c, "importance");
    tm__cli_cell(out, "%s", tm__json_text(c, "column", ANSWERS));
    tm__cli_cell(out, "%s", tm__json_bool(c, "moved", false) ? "moved" : "-");
    tm__cli_cell(out, json_is_number(importance) ? "%.1f %%" : "-",
                 100 * json_number_value(importance));
    tm__cli_cell(out, "%.3f", tm__json_f64(c, "psi", 0));
    cell_share(out, json_object_get(c, "missing"), "is");
    cell_share(out, json_object_get(c, "new"), "is");
    if (json_is_object(cost)) {
        tm__cli_cell(out, "%+.4f", tm__json_f64(cost, "change", 0));
    } else {
        tm__cli_cell(out, "-");
    }
}

static void print_moved(tm_cli *cli, const json_t *columns) {
    size_t i = 0;
    const json_t *c = NULL;
    json_array_foreach(columns, i, c) {
        if (!tm__json_bool(c, "moved", false)) {
            continue;
        }
        const json_t *const cost = json_object_get(c, "cost");
        tm__cli_print(cli, "%s moved since %.16s: %s\n", tm__json_text(c, "column", "the answers"),
                      tm__json_text(c, "since", "?"), tm__json_text(c, "what", ""));
        if (json_is_object(cost)) {
            tm__cli_print(cli, "  expected %s: %.4f, was %.4f\n", tm__json_text(cost, "loss", ""),
                          tm__json_f64(cost, "expected", 0), tm__json_f64(cost, "was", 0));
        }
        tm__cli_print(cli, "  %s\n", tm__json_text(c, "next", ""));
    }
}

static void print_all(tm_cli *cli, const tm_place *place, const json_t *columns) {
    const char *titles[] = {"column", "state", "importance", "psi", "missing", "new", "cost"};
    char rows[32];
    size_t i = 0;
    const json_t *c = NULL;
    tm_cli_table out;
    if (tm__bundle_reference(place->bundle) == NULL) {
        tm__cli_print(cli,
                      "%s@%u has no reference: it was trained by an earlier release, or without "
                      "room for one; train or retrain it to watch its columns\n",
                      place->version.model, place->version.number);
        return;
    }
    if (json_array_size(columns) == 0) {
        tm__cli_print(cli, "%s@%u has answered no rows yet that were counted\n",
                      place->version.model, place->version.number);
        return;
    }
    tm__cli_print(cli, "%s@%u, %s rows\n", place->version.model, place->version.number,
                  tm__count_text(tm__json_i64(json_array_get(columns, 0), "rows", 0), rows));
    print_moved(cli, columns);
    tm__cli_table_init(&out, 7, titles);
    json_array_foreach(columns, i, c) {
        add_line(&out, c);
    }
    tm__cli_table_print(cli, &out);
    tm__buf_done(&out.text);
}

static void print_errors(tm_cli *cli, const json_t *errors) {
    const json_t *const changes = json_object_get(errors, "changes"), *c = NULL;
    const char *const name = tm__json_text(errors, "error", NULL);
    char labels[32];
    size_t i = 0;
    if (name == NULL || tm__json_i64(errors, "labels", 0) == 0) {
        return;
    }
    tm__cli_print(cli, "\n%s error of %s labels: %.4g over the last %lld\n", name,
                  tm__count_text(tm__json_i64(errors, "labels", 0), labels),
                  tm__json_f64(errors, "mean", 0), (long long)tm__json_i64(errors, "window", 0));
    json_array_foreach(changes, i, c) {
        tm__cli_print(cli, "  %s with the labels from %.16s on: %.4g -> %.4g (told %.16s)\n",
                      tm__json_bool(c, "rose", false) ? "rose" : "fell",
                      tm__json_text(c, "since", "?"), tm__json_f64(c, "was", 0),
                      tm__json_f64(c, "is", 0), tm__json_text(c, "told", "?"));
    }
}

static void print_fields(tm_cli *cli, const json_t *fields) {
    const char *titles[] = {"field", "state",        "times",     "since",
                            "last",  "a row before", "a row now", "costs"};
    const json_t *f = NULL;
    size_t i = 0;
    tm_cli_table out;
    char times[32];
    if (json_array_size(fields) == 0) {
        return;
    }
    tm__cli_print(cli, "\nfields of requests that are not as the version reads them\n");
    tm__cli_table_init(&out, 8, titles);
    json_array_foreach(fields, i, f) {
        const json_t *const worth = json_object_get(f, "worth");
        tm__cli_cell(&out, "%s", tm__json_text(f, "field", "(others)"));
        tm__cli_cell(&out, "%s", tm__json_text(f, "state", ""));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(f, "times", 0), times));
        tm__cli_cell(&out, "%s", tm__json_text(f, "since", ""));
        tm__cli_cell(&out, "%s", tm__json_text(f, "last", ""));
        cell_share(&out, f, "was");
        cell_share(&out, f, "is");
        if (worth != NULL) {
            tm__cli_cell(&out, "%.4f %s", tm__json_f64(worth, "value", 0),
                         tm__json_text(worth, "loss", ""));
        } else {
            tm__cli_cell(&out, "-");
        }
    }
    tm__cli_table_print(cli, &out);
    tm__buf_done(&out.text);
}

/* ---- one column over time ---- */

static void print_series(tm_cli *cli, const json_t *series) {
    const char *titles[] = {"from", "rows", "evidence", "psi", "missing", "alarms"};
    const json_t *p = NULL;
    size_t i = 0;
    tm_cli_table out;
    tm__cli_print(cli, "%s, steps of %lld s; an alarm needs an evidence of %.0f\n",
                  tm__json_text(series, "column", ANSWERS),
                  (long long)tm__json_i64(series, "width_seconds", 0),
                  tm__json_f64(series, "evidence_needed", 0));
    tm__cli_table_init(&out, 6, titles);
    json_array_foreach(json_object_get(series, "points"), i, p) {
        tm__cli_cell(&out, "%.16s", tm__json_text(p, "at", ""));
        tm__cli_cell(&out, "%lld", (long long)tm__json_i64(p, "rows", 0));
        tm__cli_cell(&out, "%.4g", tm__json_f64(p, "evidence", 0));
        tm__cli_cell(&out, "%.3f", tm__json_f64(p, "psi", 0));
        cell_share(&out, p, "missing");
        tm__cli_cell(&out, "%lld", (long long)tm__json_i64(p, "alarms", 0));
    }
    tm__cli_table_print(cli, &out);
    tm__buf_done(&out.text);
}

static tm_status column_over_time(tm_cli *cli, const tm_place *place, const tm_drift_ask *of,
                                  tm_err *err) {
    const char *const column = tm__cli_text(cli, "column");
    const tm_drift_series_ask ask = {.model = of->model,
                                     .version = of->version,
                                     .budget_us = of->budget_us,
                                     .column = strcmp(column, ANSWERS) == 0 ? NULL : column};
    json_t *series = NULL;
    TM_TRY(tm__drift_series(place->home, place->bundle, &ask, &series, err));
    if (cli->json) {
        json_object_set_new(series, "model", json_string(of->model));
        json_object_set_new(series, "version", json_integer((json_int_t)of->version));
        tm__cli_print_object(cli, "tidemill.monitor.column/1", series);
    } else {
        print_series(cli, series);
    }
    json_decref(series);
    return TM_OK;
}

/* ---- all of them ---- */

static tm_status errors_of(const tm_place *place, const tm_drift_ask *ask, json_t **out,
                           tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    const tm_errors_ask errors = {ask->model, ask->version, INT64_MIN};
    tm_monitor *monitor = NULL;
    TM_TRY(tm__monitor_open(place->home, &reading, &monitor, err));
    const tm_status st =
        tm__errors_report(monitor, place->bundle, &errors, ask->budget_us, out, err);
    tm__monitor_close(monitor);
    return st;
}

static tm_status report(tm_cli *cli, const tm_place *place, const tm_drift_ask *ask, tm_err *err) {
    json_t *columns = NULL, *errors = NULL, *fields = NULL;
    const tm_drift_window_key key = {ask->model, ask->version};
    tm_status st = tm__drift_report(place->home, place->bundle, ask, &columns, err);
    st = st == TM_OK ? errors_of(place, ask, &errors, err) : st;
    st = st == TM_OK ? tm__field_days_report(place->home, &key, &fields, err) : st;
    if (st == TM_OK) {
        tm__field_days_price(place->bundle, fields);
        st = tm__json_check(err);
    }
    if (st == TM_OK && cli->json) {
        json_t *const result =
            json_pack("{s:s, s:s, s:I, s:b, s:O, s:O, s:O}", "schema", "tidemill.monitor.drift/1",
                      "model", ask->model, "version", (json_int_t)ask->version, "has_reference",
                      tm__bundle_reference(place->bundle) != NULL, "drift", columns, "errors",
                      errors, "fields", fields);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        print_all(cli, place, columns);
        print_errors(cli, errors);
        print_fields(cli, fields);
    }
    json_decref(columns);
    json_decref(errors);
    json_decref(fields);
    return st;
}

tm_status cmd_monitor_drift(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    tm_drift_ask ask = {.within_us = tm__cli_duration_us(cli, "within")};
    tm_status st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    st = st == TM_OK ? budget_of(&place, &ask.budget_us, err) : st;
    if (st == TM_OK) {
        ask.model = place.version.model;
        ask.version = place.version.number;
        st = tm__cli_has(cli, "column") ? column_over_time(cli, &place, &ask, err)
                                        : report(cli, &place, &ask, err);
    }
    tm__place_close(&place);
    return st;
}
