/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor alerts`: list them, and what people say about them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "monitor/alert.h"

static void print_list(tm_cli *cli, const json_t *alerts) {
    const char *titles[] = {"id", "state", "severity", "model", "since", "times", "what"};
    size_t i = 0;
    const json_t *a = NULL;
    tm_cli_table out;
    if (json_array_size(alerts) == 0) {
        tm__cli_print(cli, "no alerts\n");
        return;
    }
    tm__cli_table_init(&out, 7, titles);
    json_array_foreach(alerts, i, a) {
        tm__cli_cell(&out, "%lld", (long long)tm__json_i64(a, "id", 0));
        tm__cli_cell(&out, "%s", tm__json_text(a, "state", ""));
        tm__cli_cell(&out, "%s", tm__json_text(a, "severity", ""));
        tm__cli_cell(&out, "%s@%lld", tm__json_text(a, "model", ""),
                     (long long)tm__json_i64(a, "version", 0));
        tm__cli_cell(&out, "%.16s", tm__json_text(a, "since", ""));
        tm__cli_cell(&out, "%lld", (long long)tm__json_i64(a, "times", 0));
        tm__cli_cell(&out, "%s", tm__json_text(a, "summary", ""));
    }
    tm__cli_table_print(cli, &out);
    tm__buf_done(&out.text);
}

static tm_status list(tm_cli *cli, const tm_home *home, tm_err *err) {
    const tm_alert_filter filter = {.model = tm__cli_text(cli, "model"),
                                    .all = tm__cli_flag(cli, "all")};
    json_t *alerts = NULL;
    TM_TRY(tm__alert_list(home, &filter, &alerts, err));
    if (cli->json) {
        json_t *const result =
            json_pack("{s:s, s:O}", "schema", "tidemill.monitor.alerts/1", "alerts", alerts);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        print_list(cli, alerts);
    }
    json_decref(alerts);
    return TM_OK;
}

/* ack, silence and resolve as moves; false for another word. */
static bool read_action(const char *word, tm_alert_state *out) {
    static const struct {
        const char *word;
        tm_alert_state to;
    } actions[] = {{"ack", TM_ALERT_ACKNOWLEDGED},
                   {"silence", TM_ALERT_SILENCED},
                   {"resolve", TM_ALERT_RESOLVED}};
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(word, actions[i].word) == 0) {
            *out = actions[i].to;
            return true;
        }
    }
    return false;
}

static tm_status read_move(tm_cli *cli, const char *word, tm_alert_move *out, tm_err *err) {
    const char *const id = tm__cli_arg(cli, "ID");
    const int64_t for_us = tm__cli_has(cli, "for") ? tm__cli_duration_us(cli, "for") : 0;
    tm_status st = TM_OK;
    if (!read_action(word, &out->to)) {
        st = TM_FAIL(err, TM_E_USAGE, "'%s' is nothing to do with an alert", word);
        tm_err_hint(err, "Say ls, ack, silence or resolve.");
    } else if (id == NULL || !tm__str_to_i64(tm__str(id), &out->id) || out->id <= 0) {
        st = TM_FAIL(err, TM_E_USAGE, "which alert? '%s' needs its number", word);
        tm_err_hint(err, "'tidemill monitor alerts' lists them with their numbers.");
    } else if ((out->to == TM_ALERT_SILENCED) != (for_us > 0)) {
        st = TM_FAIL(err, TM_E_USAGE, "%s",
                     for_us > 0 ? "--for belongs to 'silence'"
                                : "'silence' needs --for, such as --for 2h");
    }
    out->now_us = tm__now_us();
    out->until_us = out->now_us + for_us;
    out->model = tm__cli_text(cli, "model");
    return st;
}

static tm_status move(tm_cli *cli, const tm_home *home, const tm_alert_move *wanted, tm_err *err) {
    tm_drift_store *store = NULL;
    TM_TRY(tm__drift_store_open(home, true, &store, err));
    const tm_status st = tm__alert_move(store, wanted, err);
    tm__drift_store_close(store);
    TM_TRY(st);
    const char *const state = tm__alert_state_text(wanted->to);
    if (cli->json) {
        json_t *const result = json_pack("{s:s, s:I, s:s}", "schema", "tidemill.monitor.alerts/1",
                                         "id", (json_int_t)wanted->id, "state", state);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    tm__cli_did(cli, "alert %lld is %s\n", (long long)wanted->id, state);
    return TM_OK;
}

tm_status cmd_monitor_alerts(tm_cli *cli, tm_err *err) {
    const char *const word = tm__cli_arg(cli, "ACTION");
    const bool lists = word == NULL || strcmp(word, "ls") == 0;
    char actor[80];
    tm_alert_move wanted = {.actor = tm__cli_actor(NULL, actor, sizeof(actor)).name};
    tm_home *home = NULL;
    if (!lists) {
        TM_TRY(read_move(cli, word, &wanted, err));
    }
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = lists ? list(cli, home, err) : move(cli, home, &wanted, err);
    tm__home_close(home);
    return st;
}
