/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/gate_load.h"
#include "cli/model_args.h"
#include "cli/publish_parity.h"
#include "cli/train_words.h"
#include "loop/loop.h"

static void print_story(tm_cli *cli, const json_t *story) {
    char rows[32];
    const json_t *candidate = json_object_get(story, "candidate");
    const json_t *champion = json_object_get(story, "champion");
    tm__cli_print(cli, "%s version %lld learned from %s rows, %lld of them new\n",
                  tm__json_text(story, "model", ""), (long long)tm__json_i64(story, "version", 0),
                  tm__count_text(tm__json_i64(story, "rows", 0), rows),
                  (long long)tm__json_i64(story, "new_rows", 0));
    const int64_t n_early =
        tm__json_i64(story, "unmatured_rows", 0) + tm__json_i64(story, "unmatured_source_rows", 0);
    if (n_early > 0) {
        tm__cli_print(cli, "%s rows are left out, for their labels have not matured yet\n",
                      tm__count_text(n_early, rows));
    }
    if (json_is_object(candidate)) {
        tm__scores_print(cli, candidate, json_is_object(champion) ? champion : NULL, "candidate",
                         "champion");
    }
    tm__cli_print(cli, "gate: %s: %s\n",
                  tm__json_bool(story, "is_open", false) ? "open" : "refused",
                  tm__json_text(story, "reason", ""));
    tm__cli_print(cli, "%s\n",
                  tm__json_bool(story, "promoted", false) ? "promoted: it is the champion now"
                                                          : "not promoted: the champion stays");
}

tm_status cmd_retrain(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    json_t *story = NULL;
    tm_gate_load load = {0};
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    const tm_retrain_options options = {
        .model = tm__cli_arg(cli, "MODEL"),
        .promote = !tm__cli_flag(cli, "no-promote"),
        .work = (uint64_t)tm__cli_i64(cli, "work"),
        .budget_ms = (uint64_t)tm__cli_duration_us(cli, "budget") / 1000,
        .keeps_state = tm__cli_has(cli, "checkpoint"),
        .checkpoint_ns = (uint64_t)tm__cli_duration_us(cli, "checkpoint") * 1000,
        .actor = actor.name,
        .because = tm__cli_text(cli, "because"),
        .prove = tm__publish_prove,
        .load = tm__gate_load_tester(&load),
    };
    tm_status st = tm__gate_load_open(cli, options.model, &load, err);
    st = st == TM_OK ? tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err) : st;
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK) {
        st = tm__loop_retrain(&ctx, home, &options, &story, err);
    }
    if (st == TM_OK) {
        if (cli->json) {
            json_object_set_new(story, "schema", json_string("tidemill.retrain/1"));
            tm__cli_print_json(cli, story);
        } else {
            print_story(cli, story);
        }
        if (!tm__json_bool(story, "is_open", false)) {
            st = TM_FAIL(err, TM_E_REFUSED, "the gate refused version %lld",
                         (long long)tm__json_i64(story, "version", 0));
            tm_err_hint(err,
                        "Promote it all the same with 'tidemill model promote %s@%lld --force'.",
                        options.model, (long long)tm__json_i64(story, "version", 0));
        }
    }
    json_decref(story);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    tm__gate_load_close(&load);
    return st;
}
