/* SPDX-License-Identifier: Apache-2.0 */
/* `model ls`: the models as they are, or what was live at a moment and why. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/moments.h"

/* at: the moment that was asked for, or NULL. */
static void print_list(tm_cli *cli, const char *at, json_t *models) {
    json_t *result = json_pack("{s:s, s:O}", "schema", "tidemill.model.ls/1", "models", models);
    if (at != NULL) {
        json_object_set_new(result, "at", json_string(at));
    }
    tm__cli_print_json(cli, result);
    json_decref(result);
}

static tm_status list_now(tm_cli *cli, const tm_place *place, tm_err *err) {
    json_t *models = NULL;
    const tm_status st = tm__registry_models(place->registry, &models, err);
    if (st == TM_OK && cli->json) {
        print_list(cli, NULL, models);
    } else if (st == TM_OK && json_array_size(models) == 0) {
        tm__cli_print(cli, "no models yet\n");
        tm__cli_note(cli, "next: tidemill train DATA --target COL");
    } else if (st == TM_OK) {
        const char *titles[] = {"model", "champion", "versions", "target", "task", "score", ""};
        tm_cli_table table;
        size_t i = 0;
        json_t *m = NULL;
        tm__cli_table_init(&table, 7, titles);
        json_array_foreach(models, i, m) {
            tm__cli_cell(&table, "%s", tm__json_text(m, "model", ""));
            tm__cli_cell(&table, "%lld", (long long)tm__json_i64(m, "champion", 0));
            tm__cli_cell(&table, "%lld", (long long)tm__json_i64(m, "versions", 0));
            tm__cli_cell(&table, "%s", tm__json_text(m, "target", ""));
            tm__cli_cell(&table, "%s", tm__json_text(m, "task", ""));
            tm__cli_cell_number(&table, tm__json_f64(m, "score", 0.0), 5);
            tm__cli_cell(&table, "%s", tm__json_text(m, "metric", ""));
        }
        tm__cli_table_print(cli, &table);
    }
    json_decref(models);
    return st;
}

/* On what evidence, in a few words. */
static const char *evidence_text(const json_t *live, char *out, size_t size) {
    const json_t *const evidence = json_object_get(live, "evidence");
    const json_t *const gate = json_object_get(evidence, "gate");
    const char *const metric = tm__json_text(evidence, "metric", "");
    const char *const forced = tm__json_bool(evidence, "forced", false) ? "forced; " : "";
    if (json_is_object(gate)) {
        (void)snprintf(out, size, "%sgate %s: %s", forced,
                       tm__json_bool(gate, "open", false) ? "open" : "refused",
                       tm__json_text(gate, "reason", ""));
    } else if (json_is_number(json_object_get(evidence, "score"))) {
        (void)snprintf(out, size, "%sno gate; its own test: %s %.4f", forced, metric,
                       tm__json_f64(evidence, "score", 0));
    } else {
        (void)snprintf(out, size, "%sno gate", forced);
    }
    return out;
}

static tm_status list_at(tm_cli *cli, const tm_place *place, tm_err *err) {
    const char *titles[] = {"model", "version", "since", "by", "why", "evidence"};
    char at[48], evidence[640];
    tm_cli_table table;
    json_t *models = NULL, *m = NULL;
    size_t i = 0;
    int64_t at_us = 0;
    TM_TRY(tm__cli_when(cli, "at", &at_us, err));
    TM_TRY(tm__registry_at(place->registry, at_us, &models, err));
    (void)tm__time_to_text(at_us, at);
    if (cli->json) {
        print_list(cli, at, models);
    } else if (json_array_size(models) == 0) {
        tm__cli_print(cli, "nothing was live at %.19s\n", at);
    } else {
        tm__cli_table_init(&table, 6, titles);
        json_array_foreach(models, i, m) {
            tm__cli_cell(&table, "%s", tm__json_text(m, "model", ""));
            tm__cli_cell(&table, "%lld", (long long)tm__json_i64(m, "champion", 0));
            tm__cli_cell(&table, "%.19s", tm__json_text(m, "since", ""));
            tm__cli_cell(&table, "%s", tm__json_text(m, "actor", ""));
            tm__cli_cell(&table, "%s", tm__json_text(m, "reason", tm__json_text(m, "event", "")));
            tm__cli_cell(&table, "%s", evidence_text(m, evidence, sizeof(evidence)));
        }
        tm__cli_table_print(cli, &table);
    }
    json_decref(models);
    return TM_OK;
}

tm_status cmd_model_ls(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st =
        tm__cli_has(cli, "at") ? list_at(cli, &place, err) : list_now(cli, &place, err);
    tm__place_close(&place);
    return st;
}
