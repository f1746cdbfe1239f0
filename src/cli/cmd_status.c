/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "monitor/monitor.h"

/* Test and live scores of one model's champion as JSON; a home without a log (monitor NULL) has no
 * live ones. */
static tm_status live_of(tm_place *place, tm_monitor *monitor, const char *model, json_t *entry,
                         tm_err *err) {
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    tm_live live = {0};
    TM_TRY(tm__registry_find(place->registry, model, &version, err));
    json_object_set(entry, "test", json_object_get(version.info, "test"));
    tm_status st = tm__registry_bundle(place->registry, &version, &bundle, err);
    if (st == TM_OK && monitor != NULL) {
        st = tm__monitor_live(monitor, bundle, model, 0, INT64_MIN, &live, err);
    }
    if (st == TM_OK && monitor != NULL) {
        json_object_set_new(entry, "answers", json_integer((json_int_t)live.n_answers));
        json_object_set_new(entry, "labelled", json_integer((json_int_t)live.n_labelled));
        json_object_set_new(entry, "dropped", json_integer((json_int_t)live.n_dropped));
        json_object_set_new(entry, "coverage", tm__json_number(live.coverage));
        json_object_set(entry, "live", live.scores != NULL ? live.scores : json_null());
        tm__live_done(&live);
    }
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    return st;
}

static void print_models(tm_cli *cli, const json_t *models) {
    const char *titles[] = {"model", "champion", "answers", "labelled",
                            "score", "live",     "test",    "last version"};
    tm_cli_table table;
    size_t i = 0;
    json_t *m = NULL;
    tm__cli_table_init(&table, 8, titles);
    json_array_foreach((json_t *)(uintptr_t)models, i, m) {
        const char *score = strcmp(tm__json_text(m, "task", ""), "binary") == 0       ? "auc"
                            : strcmp(tm__json_text(m, "task", ""), "multiclass") == 0 ? "accuracy"
                                                                                      : "rmse";
        tm__cli_cell(&table, "%s", tm__json_text(m, "model", ""));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(m, "champion", 0));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(m, "answers", 0));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(m, "labelled", 0));
        tm__cli_cell(&table, "%s", score);
        tm__cli_cell_number(&table, tm__json_f64(json_object_get(m, "live"), score, 0.0 / 0.0), 4);
        tm__cli_cell_number(&table, tm__json_f64(json_object_get(m, "test"), score, 0.0 / 0.0), 4);
        tm__cli_cell(&table, "%.19s", tm__json_text(m, "created", ""));
    }
    tm__cli_table_print(cli, &table);
}

tm_status cmd_status(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    tm_monitor *monitor = NULL;
    json_t *models = NULL;
    json_t *jobs = NULL;
    const tm_monitor_options options = {.can_write = false};
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st = tm__registry_models(place.registry, &models, err);
    if (st == TM_OK) {
        st = tm__registry_jobs(place.registry, &jobs, err);
    }
    const bool has_log = tm__fs_info(tm__home_log_db(place.home)).kind == TM_PATH_FILE;
    if (st == TM_OK && has_log) {
        st = tm__monitor_open(place.home, &options, &monitor, err);
    }
    for (size_t i = 0; st == TM_OK && i < json_array_size(models); i++) {
        json_t *entry = json_array_get(models, i);
        st = live_of(&place, monitor, tm__json_text(entry, "model", ""), entry, err);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:O, s:O}", "schema", "tidemill.status/1", "home",
                                   tm__home_path(place.home), "models", models, "jobs", jobs);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "home %s\n\n", tm__home_path(place.home));
        print_models(cli, models);
        tm__cli_print(cli, "\njobs: %zu\n", json_array_size(jobs));
    }
    json_decref(models);
    json_decref(jobs);
    tm__monitor_close(monitor);
    tm__place_close(&place);
    return st;
}
