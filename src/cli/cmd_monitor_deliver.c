/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor deliver`: what alerts and moves have to tell, sent. */
#include "cli/cli.h"
#include "loop/alerts.h"
#include "store/home.h"

static void add_up(json_t *result, const json_t *other, const char *name) {
    json_object_set_new(result, name,
                        json_integer(tm__json_i64(result, name, 0) + tm__json_i64(other, name, 0)));
}

tm_status cmd_monitor_deliver(tm_cli *cli, tm_err *err) {
    const char *const only = tm__cli_arg(cli, "RECEIVER");
    const bool of_moves = only != NULL && tm__receiver_is_of_moves(only);
    tm_home *home = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    json_t *result = json_object(), *moves = json_object();
    tm_status st = TM_OK;
    if (!of_moves) {
        json_decref(result);
        result = NULL;
        st = tm__alerts_deliver(home, only, &result, err);
    }
    if (st == TM_OK) {
        json_decref(moves);
        moves = NULL;
        st = tm__hooks_deliver(home, only, &moves, err);
    }
    tm__home_close(home);
    if (st != TM_OK) {
        json_decref(result);
        json_decref(moves);
        return st;
    }
    add_up(result, moves, "sent");
    add_up(result, moves, "failed");
    json_decref(moves);
    const int64_t n_failed = tm__json_i64(result, "failed", 0);
    if (n_failed > 0) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "%lld of %lld messages were not taken",
                     (long long)n_failed, (long long)(n_failed + tm__json_i64(result, "sent", 0)));
        tm_err_hint(err, "They are sent again later; look at the addresses in tidemill.yaml.");
    } else if (cli->json) {
        tm__cli_print_object(cli, "tidemill.monitor.deliver/1", result);
    } else {
        tm__cli_print(cli, "%lld sent\n", (long long)tm__json_i64(result, "sent", 0));
    }
    json_decref(result);
    return st;
}
