/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor join`: labels that come as rows of a source. */
#include "cli/cli.h"
#include "cli/train_words.h"
#include "loop/follow.h"
#include "store/home.h"

static void print_models(tm_cli *cli, const json_t *models) {
    static const char *const counts[] = {"joined",    "unknown", "duplicates",
                                         "conflicts", "bad",     "missed"};
    const char *titles[] = {"model",      "source",    "rows", "joined", "unknown",
                            "duplicates", "conflicts", "bad",  "missed", "problem"};
    const json_t *one = NULL;
    size_t i = 0;
    char text[32];
    tm_cli_table out;
    if (json_array_size(models) == 0) {
        tm__cli_print(cli, "no model takes its labels from a source\n");
        return;
    }
    tm__cli_table_init(&out, 10, titles);
    json_array_foreach(models, i, one) {
        tm__cli_cell(&out, "%s", tm__json_text(one, "model", ""));
        tm__cli_cell(&out, "%s", tm__json_text(one, "source", ""));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(one, "next", 0), text));
        for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
            tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(one, counts[k], 0), text));
        }
        tm__cli_cell(&out, "%s", tm__json_text(one, "problem", ""));
    }
    tm__cli_table_print(cli, &out);
    tm__buf_done(&out.text);
}

tm_status cmd_monitor_join(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    json_t *result = NULL;
    tm_status st = tm__cli_ctx_init(cli, 1, &ctx, err);
    st = st == TM_OK ? tm__home_open(cli->home, false, &home, err) : st;
    st = st == TM_OK ? tm__follow_run(&ctx, home, tm__cli_flag(cli, "follow"), &result, err) : st;
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.monitor_join/1", result);
    } else if (st == TM_OK) {
        print_models(cli, json_object_get(result, "models"));
    }
    json_decref(result);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}
