/* SPDX-License-Identifier: Apache-2.0 */
/* The online store: `online ls`, `show`, `check`, `update` and `rebuild`. */
#include <string.h>

#include "base/clock.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "loop/upkeep.h"
#include "store/home.h"

/* ---- ls ---- */

static void add_list(tm_cli_table *out, const json_t *names) {
    tm_buf text;
    size_t i = 0;
    const json_t *name = NULL;
    tm__buf_init(&text, 4096);
    json_array_foreach(names, i, name) {
        tm__buf_text(&text, i == 0 ? "" : ", ");
        tm__buf_text(&text, json_string_value(name));
    }
    tm__cli_cell(out, "%s", text.len > 0 && !text.failed ? (const char *)text.data : "-");
    tm__buf_done(&text);
}

static void add_line(tm_cli_table *out, const json_t *view) {
    char number[32], text[32];
    const json_t *const lag = json_object_get(view, "lag_seconds");
    tm__cli_cell(out, "%s@%lld", tm__json_text(view, "model", ""),
                 (long long)tm__json_i64(view, "version", 0));
    tm__cli_cell(out, "%s", tm__json_text(view, "source", "-"));
    add_list(out, json_object_get(view, "keys"));
    add_list(out, json_object_get(view, "features"));
    tm__cli_cell(out, "%s", tm__count_text(tm__json_i64(view, "entities", 0), text));
    tm__cli_cell(out, "%s", tm__count_text(tm__json_i64(view, "events", 0), text));
    tm__cli_cell(out, "%s", tm__count_text(tm__json_i64(view, "waiting", 0), text));
    number[json_is_number(lag) ? tm__f64_to_text((double)(int64_t)json_number_value(lag), number)
                               : 0] = '\0';
    tm__cli_cell(out, "%s", number[0] == '\0' ? "-" : number);
    tm__cli_cell(out, "%s", tm__json_text(view, "problem", ""));
}

static void print_views(tm_cli *cli, const json_t *views) {
    const char *titles[] = {"version", "source",  "key",     "features", "entities",
                            "events",  "waiting", "lag (s)", "problem"};
    size_t i = 0;
    const json_t *view = NULL;
    tm_cli_table out;
    tm__cli_table_init(&out, 9, titles);
    json_array_foreach(views, i, view) {
        add_line(&out, view);
    }
    if (json_array_size(views) == 0) {
        tm__cli_print(cli, "no version has features over windows of events\n");
    } else {
        tm__cli_table_print(cli, &out);
    }
    tm__buf_done(&out.text);
}

tm_status cmd_online_ls(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *views = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__upkeep_list(home, &views, err);
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:O}", "schema", "tidemill.online.ls/1", "views", views);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    print_views(cli, views);
    json_decref(views);
    return TM_OK;
}

/* ---- show ---- */

static void print_shown(tm_cli *cli, const json_t *shown) {
    const char *name = NULL;
    const json_t *value = NULL;
    size_t i = 0;
    char number[32];
    json_object_foreach((json_t *)(uintptr_t)json_object_get(shown, "features"), name, value) {
        number[json_is_number(value) ? tm__f64_to_text(json_number_value(value), number) : 0] =
            '\0';
        tm__cli_print(cli, "%s: %s\n", name, number[0] == '\0' ? "missing" : number);
    }
    json_array_foreach(json_object_get(shown, "groups"), i, value) {
        const json_t *const age = json_object_get(value, "age_seconds");
        if (json_is_number(age)) {
            tm__cli_print(cli, "newest event: %s, %s before\n",
                          tm__json_text(value, "newest_at", ""),
                          tm__span_text(json_number_value(age), number));
        } else {
            tm__cli_print(cli, "newest event: %s\n",
                          tm__json_bool(value, "known", false) ? "none before this moment"
                                                               : "none, it is not known");
        }
    }
}

tm_status cmd_online_show(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *shown = NULL;
    tm_upkeep_ask ask = {.model = tm__cli_arg(cli, "MODEL"), .moment_us = tm__now_us()};
    ask.keys = cli->args + 1;
    ask.n_keys = cli->n_args - 1;
    TM_TRY(tm__cli_when(cli, "at", &ask.moment_us, err));
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = tm__upkeep_show(home, &ask, &shown, err);
    for (uint32_t i = 0; st == TM_OK && i < ask.n_keys; i++) {
        const char *const equals = strchr(ask.keys[i], '=');
        const tm_cli_deed deed = {.event = "online.read",
                                  .kind = "online",
                                  .model = ask.model,
                                  .subject_id = equals == NULL ? (tm_str){0} : tm__str(equals + 1)};
        st = tm__cli_audit(home, &deed, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.online.show/1", shown);
    } else if (st == TM_OK) {
        print_shown(cli, shown);
    }
    json_decref(shown);
    tm__home_close(home);
    return st;
}

/* ---- check ---- */

tm_status cmd_online_check(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    uint64_t n = 0;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__upkeep_check(home, &n, err);
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:I}", "schema", "tidemill.online.check/1", "values", (json_int_t)n);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    tm__cli_print(cli, "the online store is whole: %llu values\n", (unsigned long long)n);
    return TM_OK;
}

/* ---- update and rebuild ---- */

static tm_status keep(tm_cli *cli, const tm_upkeep_options *options, const char *schema,
                      tm_err *err) {
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    json_t *result = NULL;
    char rows[32];
    tm_status st = tm__cli_ctx_init(cli, 1, &ctx, err);
    st = st == TM_OK ? tm__home_open(cli->home, false, &home, err) : st;
    st = st == TM_OK ? tm__upkeep_run(&ctx, home, options, &result, err) : st;
    if (st == TM_OK && options->begins_anew) {
        const tm_cli_deed deed = {.event = "online.rebuilt",
                                  .kind = "online",
                                  .details =
                                      json_pack("{s:O}", "rows", json_object_get(result, "rows"))};
        tm__cli_did(cli, "the online store is made anew");
        st = tm__cli_audit(home, &deed, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, schema, result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "%s rows read\n", tm__count_text(tm__json_i64(result, "rows", 0), rows));
        print_views(cli, json_object_get(result, "views"));
    }
    json_decref(result);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}

tm_status cmd_online_update(tm_cli *cli, tm_err *err) {
    const tm_upkeep_options options = {.follows = tm__cli_flag(cli, "follow"), .checks = true};
    return keep(cli, &options, "tidemill.online.update/1", err);
}

tm_status cmd_online_rebuild(tm_cli *cli, tm_err *err) {
    const tm_upkeep_options options = {.follows = tm__cli_flag(cli, "follow"), .begins_anew = true};
    return keep(cli, &options, "tidemill.online.rebuild/1", err);
}
