/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     table, --target, --time ──────────> labels in the rows, by period
 *     --model, or models of --source ───> labels of answers, by who sent them
 *
 * Both become one JSON object, from which the words here and the page of value_page.c are made.
 */
#include "cli/label_ages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "monitor/label_follow.h"
#include "monitor/monitor.h"
#include "train/train.h"

/* --- reading --- */

/* What is declared of a model's labels, or -1. */
static tm_status declared_delay(const tm_place *place, const char *model, int64_t *out,
                                tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(place->registry, model, &recipe, err));
    *out = tm__json_i64(json_object_get(recipe, "labels"), "delay_us", -1);
    json_decref(recipe);
    return TM_OK;
}

tm_status tm__label_ages_model(const tm_place *place, tm_monitor *monitor, const char *model,
                               json_t **out, tm_err *err) {
    tm_age_options options = {.model = model, .now_us = tm__now_us()};
    json_t *ages = NULL, *followed = NULL;
    TM_TRY(declared_delay(place, model, &options.delay_us, err));
    TM_TRY(tm__monitor_followed(monitor, model, &followed, err));
    const tm_status st = tm__monitor_ages(monitor, &options, &ages, err);
    if (st != TM_OK) {
        json_decref(followed);
        return st;
    }
    json_object_set_new(ages, "followed", followed);
    *out = ages;
    return TM_OK;
}

static tm_status add_model(const tm_place *place, tm_monitor *monitor, const char *model,
                           json_t *list, tm_err *err) {
    json_t *ages = NULL;
    TM_TRY(tm__label_ages_model(place, monitor, model, &ages, err));
    json_array_append_new(list, ages);
    return TM_OK;
}

/* True when a model learns from the source. */
static tm_status learns_from(const tm_place *place, const char *model, const char *source,
                             bool *out, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(place->registry, model, &recipe, err));
    *out = strcmp(tm__json_text(json_object_get(recipe, "source"), "source", ""), source) == 0;
    json_decref(recipe);
    return TM_OK;
}

static tm_status add_models_of(const tm_place *place, tm_monitor *monitor, const char *source,
                               json_t *list, tm_err *err) {
    json_t *models = NULL;
    TM_TRY(tm__registry_models(place->registry, &models, err));
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && i < json_array_size(models); i++) {
        const char *model = tm__json_text(json_array_get(models, i), "model", "");
        bool is_one = false;
        st = learns_from(place, model, source, &is_one, err);
        if (st == TM_OK && is_one) {
            st = add_model(place, monitor, model, list, err);
        }
    }
    json_decref(models);
    return st;
}

static tm_status read_models(tm_cli *cli, json_t *list, tm_err *err) {
    const char *model = tm__cli_text(cli, "model"), *source = tm__cli_text(cli, "source");
    const tm_monitor_options reading = {.can_write = false};
    tm_place place = {0};
    tm_version version = {0};
    tm_monitor *monitor = NULL;
    if (model == NULL && source == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st = tm__monitor_open(place.home, &reading, &monitor, err);
    if (st == TM_OK && model != NULL) {
        st = tm__registry_find(place.registry, model, &version, err);
        if (st == TM_OK) {
            st = add_model(&place, monitor, version.model, list, err);
        }
        tm__version_done(&version);
    } else if (st == TM_OK) {
        st = add_models_of(&place, monitor, source, list, err);
    }
    tm__monitor_close(monitor);
    tm__place_close(&place);
    return st;
}

tm_status tm__label_ages(tm_cli *cli, const tm_table *table, json_t **out, tm_err *err) {
    const tm_label_rows_options options = {.target = tm__cli_text(cli, "target"),
                                           .time = tm__cli_text(cli, "time"),
                                           .now_us = tm__now_us()};
    json_t *rows = NULL, *models = json_array();
    tm_status st = table == NULL ? TM_OK : tm__train_label_rows(table, &options, &rows, err);
    if (st == TM_OK) {
        st = read_models(cli, models, err);
    }
    if (st == TM_OK) {
        *out = json_pack("{s:o, s:O}", "rows", rows != NULL ? json_incref(rows) : json_null(),
                         "models", models);
        st = tm__json_check(err);
    }
    json_decref(rows);
    json_decref(models);
    return st;
}

/* --- words --- */

/* A member in seconds as a length of time; "-" for none. */
static const char *time_text(const json_t *object, const char *name, char out[32]) {
    const double seconds = tm__json_f64(object, name, tm__nan());
    if (isnan(seconds)) {
        (void)snprintf(out, 32, "-");
        return out;
    }
    return tm__span_text(seconds, out);
}

static void print_rows(tm_cli *cli, const json_t *rows) {
    const json_t *time = json_object_get(rows, "time");
    const char *titles[] = {"from", "rows", "with a label", ""};
    const json_t *entry = NULL;
    size_t i = 0;
    char a[32], b[32];
    tm__cli_print(cli, "\nLabels in the rows: %s of %s rows have one.\n",
                  tm__count_text(tm__json_i64(rows, "labelled", 0), a),
                  tm__count_text(tm__json_i64(rows, "rows", 0), b));
    if (!json_is_object(time)) {
        tm__cli_print(cli, "  How old they are is not known: no time column is named (--time).\n");
        return;
    }
    tm__cli_print(cli, "  by '%s' the newest row with a label is %s old, the oldest %s\n\n",
                  tm__json_text(time, "column", ""), time_text(time, "newest_label_age_seconds", a),
                  time_text(time, "oldest_label_age_seconds", b));
    tm_cli_table out;
    tm__cli_table_init(&out, 4, titles);
    json_array_foreach(json_object_get(json_object_get(time, "periods"), "list"), i, entry) {
        tm__cli_cell(&out, "%.10s", tm__json_text(entry, "from", ""));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "rows", 0), a));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "labelled", 0), b));
        tm__cli_cell(&out, "%.0f %%", 100 * tm__json_f64(entry, "share", 0));
    }
    tm__cli_table_print(cli, &out);
}

static void print_due(tm_cli *cli, const json_t *m) {
    char a[32], b[32], c[32], d[32];
    if (json_is_null(json_object_get(m, "declared_delay_seconds"))) {
        tm__cli_print(cli, "  How many are still due is not known: the model declares no delay "
                           "(labels: {delay: 1d}).\n");
        return;
    }
    tm__cli_print(
        cli, "  declared to come within %s: %s are still due, %s are overdue, %s came later\n",
        time_text(m, "declared_delay_seconds", a), tm__count_text(tm__json_i64(m, "due", 0), b),
        tm__count_text(tm__json_i64(m, "overdue", 0), c),
        tm__count_text(tm__json_i64(m, "later_than_declared", 0), d));
}

static void print_origins(tm_cli *cli, const json_t *origins) {
    const char *titles[] = {"from", "labels", "median delay", "99 %", "newest"};
    const json_t *entry = NULL;
    size_t i = 0;
    char text[32];
    tm_cli_table out;
    tm__cli_print(cli, "\n");
    tm__cli_table_init(&out, 5, titles);
    json_array_foreach(origins, i, entry) {
        const json_t *delay = json_object_get(entry, "delay");
        tm__cli_cell(&out, "%s", tm__json_text(entry, "origin", "(not recorded)"));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "labels", 0), text));
        tm__cli_cell(&out, "%s", time_text(delay, "p50_seconds", text));
        tm__cli_cell(&out, "%s", time_text(delay, "p99_seconds", text));
        tm__cli_cell(&out, "%.19s", tm__json_text(entry, "newest", "-"));
    }
    tm__cli_table_print(cli, &out);
}

static void print_model(tm_cli *cli, const json_t *m) {
    const json_t *delay = json_object_get(m, "delay"), *arrival = json_object_get(m, "arrival");
    const int64_t n_answers = tm__json_i64(m, "answers", 0);
    const int64_t n_labelled = tm__json_i64(m, "labelled", 0);
    char a[32], b[32], c[32];
    tm__cli_print(cli, "\nLabels of '%s': %s of %s answers have one", tm__json_text(m, "model", ""),
                  tm__count_text(n_labelled, a), tm__count_text(n_answers, b));
    if (n_answers > 0) {
        tm__cli_print(cli, " (%.3g %%)", 100 * tm__json_f64(m, "share", 0));
    }
    tm__cli_print(cli, ".\n");
    if (n_labelled > 0) {
        tm__cli_print(cli, "  delay of those that came: half within %s, 90 %% %s, 99 %% %s\n",
                      time_text(delay, "p50_seconds", a), time_text(delay, "p90_seconds", b),
                      time_text(delay, "p99_seconds", c));
        tm__cli_print(cli, "  of all answers, as far as they were watched: half %s, 90 %% %s\n",
                      time_text(arrival, "p50_seconds", a), time_text(arrival, "p90_seconds", b));
        tm__cli_print(cli, "  the newest label is %s old, the oldest %s\n",
                      time_text(m, "newest_age_seconds", a), time_text(m, "oldest_age_seconds", b));
    }
    print_due(cli, m);
    const int64_t n_unmatched = tm__json_i64(m, "unmatched", 0);
    const int64_t n_ids = tm__json_i64(m, "unmatched_ids", 0);
    if (n_unmatched + n_ids > 0 || tm__json_i64(m, "ambiguous", 0) > 0) {
        tm__cli_print(cli,
                      "  %s match no answer yet (and %s by id, of any model), %s could mean "
                      "several\n",
                      tm__count_text(n_unmatched, a), tm__count_text(n_ids, b),
                      tm__count_text(tm__json_i64(m, "ambiguous", 0), c));
    }
    if (n_labelled > 0) {
        print_origins(cli, json_object_get(m, "origins"));
    }
}

void tm__label_ages_print(tm_cli *cli, const json_t *labels) {
    const json_t *entry = NULL;
    size_t i = 0;
    if (json_is_object(json_object_get(labels, "rows"))) {
        print_rows(cli, json_object_get(labels, "rows"));
    }
    json_array_foreach(json_object_get(labels, "models"), i, entry) {
        print_model(cli, entry);
    }
}
