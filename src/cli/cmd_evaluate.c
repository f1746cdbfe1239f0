/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "train/train.h"

tm_status cmd_evaluate(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_table *table = NULL;
    json_t *scores = NULL;
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        st = tm__cli_read(cli, &ctx, tm__cli_arg(cli, "DATA"), tm__cli_text(cli, "sql"),
                          tm__bundle_schema(place.bundle), &table, err);
    }
    if (st == TM_OK) {
        st = tm__train_evaluate(&ctx, place.bundle, table, &scores, err);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:I, s:O}", "schema", "tidemill.evaluate/1", "model",
                                   place.version.model, "version", (json_int_t)place.version.number,
                                   "scores", scores);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        char rows[32];
        tm__cli_print(cli, "%s version %u on %s rows with a target\n\n", place.version.model,
                      place.version.number,
                      tm__count_text(tm__json_i64(scores, "n_rows", 0), rows));
        tm__scores_print(cli, scores, json_object_get(tm__bundle_info(place.bundle), "test"),
                         "these rows", "its test");
    }
    json_decref(scores);
    tm__table_unref(table);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
