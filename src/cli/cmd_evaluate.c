/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/history.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "train/train.h"

static void print_columns(tm_cli *cli, const json_t *worth) {
    char rows[32];
    const char *titles[] = {"  column", "loses", "spread", "share", "splits"};
    tm_cli_table table;
    size_t i = 0;
    json_t *entry = NULL;
    const json_t *columns = json_object_get(worth, "columns");
    tm__cli_print(cli, "\nwhat %s loses when a column is shuffled among %s rows, %lld times\n",
                  tm__json_text(worth, "metric", ""),
                  tm__count_text(tm__json_i64(worth, "rows", 0), rows),
                  (long long)tm__json_i64(worth, "repeats", 0));
    tm__cli_table_init(&table, 5, titles);
    json_array_foreach((json_t *)(uintptr_t)columns, i, entry) {
        const json_t *splits = json_object_get(entry, "splits");
        tm__cli_cell(&table, "  %s", tm__json_text(entry, "column", ""));
        tm__cli_cell_number(&table, tm__json_f64(entry, "loses", 0.0), 3);
        tm__cli_cell_number(&table, tm__json_f64(entry, "spread", 0.0), 2);
        tm__cli_cell(&table, "%.1f %%", 100.0 * tm__json_f64(entry, "share", 0.0));
        tm__cli_cell(&table, splits != NULL ? "%lld" : "",
                     (long long)tm__json_i64(entry, "splits", 0));
    }
    tm__cli_table_print(cli, &table);
}

static void warn_unseen(tm_cli *cli, const tm_place *place, const json_t *scores) {
    char n[32], of[32];
    const int64_t n_unseen = tm__json_i64(json_object_get(scores, "unseen"), "rows", 0);
    if (n_unseen > 0) {
        tm__cli_warn(cli, "%s of %s rows have a target that '%s' never saw: they count as wrong",
                     tm__count_text(n_unseen, n),
                     tm__count_text(tm__json_i64(scores, "n_rows", 0), of), place->version.model);
    }
}

tm_status cmd_evaluate(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_table *table = NULL;
    json_t *scores = NULL;
    json_t *worth = NULL;
    if (tm__cli_text(cli, "metric") != NULL && !tm__cli_flag(cli, "columns")) {
        return TM_FAIL(err, TM_E_USAGE, "--metric is for --columns; all scores are shown");
    }
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        st = tm__cli_read_wide(cli, &ctx, &place, tm__cli_arg(cli, "DATA"), &table, err);
    }
    if (st == TM_OK) {
        st = tm__train_evaluate(&ctx, place.bundle, table, &scores, err);
    }
    if (st == TM_OK && tm__cli_flag(cli, "columns")) {
        const tm_columns_options options = {.metric = tm__cli_text(cli, "metric"),
                                            .seed = (uint64_t)tm__cli_i64(cli, "seed")};
        st = tm__train_columns(&ctx, place.bundle, table, &options, &worth, err);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:I, s:O}", "schema", "tidemill.evaluate/1", "model",
                                   place.version.model, "version", (json_int_t)place.version.number,
                                   "scores", scores);
        if (worth != NULL) {
            json_object_set(result, "worth", worth);
        }
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        char rows[32];
        tm__cli_print(cli, "%s version %u on %s rows with a target\n\n", place.version.model,
                      place.version.number,
                      tm__count_text(tm__json_i64(scores, "n_rows", 0), rows));
        tm__scores_print(cli, scores, json_object_get(tm__bundle_info(place.bundle), "test"),
                         "these rows", "its test");
        if (worth != NULL) {
            print_columns(cli, worth);
        }
    }
    if (st == TM_OK) {
        warn_unseen(cli, &place, scores);
    }
    json_decref(scores);
    json_decref(worth);
    tm__table_unref(table);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
