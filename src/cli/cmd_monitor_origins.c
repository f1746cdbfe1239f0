/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor origins`: who sends labels, whether they fit, and whose count. */
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "loop/label_guard.h"
#include "loop/row_guard.h"

/* ---- what it says ---- */

static void cell_flips(tm_cli_table *out, const json_t *flips) {
    tm__cli_cell(out, "%.1f %% (%.1f to %.1f)", 100 * tm__json_f64(flips, "share", 0),
                 100 * tm__json_f64(flips, "low", 0), 100 * tm__json_f64(flips, "high", 1));
}

static void print_origins(tm_cli *cli, const json_t *origins) {
    const char *titles[] = {"from", "labels", "wrong", "repeat the answer", "found", "state"};
    const json_t *entry = NULL;
    size_t i = 0;
    char text[32];
    tm_cli_table out;
    tm__cli_table_init(&out, 6, titles);
    json_array_foreach(origins, i, entry) {
        const char *const origin = tm__json_text(entry, "origin", "");
        tm__cli_cell(&out, "%s", origin[0] != '\0' ? origin : "(not recorded)");
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "labels", 0), text));
        cell_flips(&out, json_object_get(entry, "wrong"));
        cell_flips(&out, json_object_get(entry, "copied"));
        tm__cli_cell(&out, "%s", tm__json_text(entry, "verdict", ""));
        tm__cli_cell(&out, "%s", tm__json_text(entry, "state", ""));
    }
    tm__cli_table_print(cli, &out);
}

/* Of the decision whose labels are missing. */
static void print_hidden(tm_cli *cli, const json_t *hidden) {
    if (json_is_object(hidden)) {
        tm__cli_print(cli,
                      "\nOf answers '%s' %.1f %% get a label, of others %.1f %%: what it decides "
                      "chooses what it learns.\nLet some pass whatever it says: draw them "
                      "('explore: 0.02' of tidemill.yaml), or have another arm ('tidemill route "
                      "split').\n",
                      tm__json_text(hidden, "decision", ""), 100 * tm__json_f64(hidden, "share", 0),
                      100 * tm__json_f64(hidden, "others", 0));
    }
}

/* What it is really worth, and what knowing that costs. */
static void print_explored(tm_cli *cli, const json_t *explored) {
    char rows[32], labels[32];
    if (!json_is_object(explored)) {
        return;
    }
    tm__cli_print(cli, "\nDrawn decisions: %s answers, %s of them labelled.\n",
                  tm__count_text(tm__json_i64(explored, "answers", 0), rows),
                  tm__count_text(tm__json_i64(explored, "labelled", 0), labels));
    if (tm__json_i64(explored, "labelled", 0) > 0) {
        tm__cli_print(cli,
                      "The model is wrong for %.1f %% of these, which stand for all answers, and "
                      "for %.1f %% of the labels that came by its own decisions.\nThe draws cost "
                      "%.1f more wrong decisions in 1,000.\n",
                      100 * tm__json_f64(explored, "wrong", 0),
                      100 * tm__json_f64(explored, "others_wrong", 0),
                      1000 * tm__json_f64(explored, "costs", 0));
    }
}

static void print_look(tm_cli *cli, const json_t *look) {
    const json_t *const origins = json_object_get(look, "origins");
    const json_t *entry = NULL;
    size_t i = 0;
    if (json_array_size(origins) == 0) {
        tm__cli_print(cli, "no labels of '%s' in the last 90 days\n",
                      tm__json_text(look, "model", ""));
        return;
    }
    print_origins(cli, origins);
    json_t *const feedback = tm__label_guard_feedback(look);
    json_array_foreach(json_object_get(feedback, "copies"), i, entry) {
        tm__cli_print(cli,
                      "\nLabels of '%s' are what the model answered: it would learn its own "
                      "mistakes.\n",
                      json_string_value(entry));
    }
    print_hidden(cli, json_object_get(feedback, "hidden"));
    json_decref(feedback);
    print_explored(cli, json_object_get(look, "explored"));
}

/* ---- what is asked for ---- */

static tm_status look(const tm_place *place, json_t **out, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    tm_label_guard guard = {.registry = place->registry,
                            .bundle = place->bundle,
                            .model = place->version.model,
                            .now_us = tm__now_us()};
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(place->registry, place->version.model, &recipe, err));
    guard.recipe = recipe;
    tm_status st = tm__monitor_open(place->home, &reading, &guard.monitor, err);
    st = st == TM_OK ? tm__label_guard_look(&guard, out, err) : st;
    json_decref(recipe);
    tm__monitor_close(guard.monitor);
    return st;
}

/* Rows of a value that the declared column may have. */
static bool is_of_rows(const json_t *recipe, const char *origin) {
    const char *const column = tm__row_guard_column(recipe);
    const size_t len = column != NULL ? strlen(column) : 0;
    return column != NULL && strncmp(origin, column, len) == 0 && origin[len] == '=';
}

/* A name that nobody sends labels by is a slip. */
static tm_status find_origin(const tm_place *place, json_t *found, const char *origin, json_t **out,
                             tm_err *err) {
    json_t *recipe = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(found, "origins"), i, *out) {
        if (strcmp(tm__json_text(*out, "origin", ""), origin) == 0) {
            return TM_OK;
        }
    }
    TM_TRY(tm__registry_recipe(place->registry, place->version.model, &recipe, err));
    const bool is_row = is_of_rows(recipe, origin);
    json_decref(recipe);
    if (is_row) {
        *out = json_pack("{s:s, s:i, s:i, s:s}", "origin", origin, "labels", 0, "others", 0,
                         "verdict", "too few");
        json_array_append_new(json_object_get(found, "origins"), *out);
        return tm__json_check(err);
    }
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "no label of '%s' is of origin '%.80s'",
                                 place->version.model, origin);
    tm_err_hint(err, "'tidemill monitor origins %s' names those that are there.",
                place->version.model);
    return st;
}

static tm_status set(tm_cli *cli, const tm_place *place, const char *option, json_t *found,
                     tm_err *err) {
    char user[80];
    const bool is_trusted = strcmp(option, "trust") == 0;
    const char *const origin = tm__cli_text(cli, option);
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    json_t *entry = NULL;
    TM_TRY(find_origin(place, found, origin, &entry, err));
    TM_TRY(tm__label_guard_set(place->registry, place->version.model, origin, is_trusted, &actor,
                               NULL, err));
    json_object_set_new(entry, "state", json_string(is_trusted ? "trusted" : "quarantined"));
    tm__cli_did(cli, "labels of '%.80s' %s", origin,
                is_trusted ? "count" : "are kept out of training and judging");
    return TM_OK;
}

tm_status cmd_monitor_origins(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *found = NULL;
    if (tm__cli_has(cli, "trust") && tm__cli_has(cli, "quarantine")) {
        return TM_FAIL(err, TM_E_USAGE, "both --trust and --quarantine are given");
    }
    tm_status st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    st = st == TM_OK ? look(&place, &found, err) : st;
    if (st == TM_OK && tm__cli_has(cli, "trust")) {
        st = set(cli, &place, "trust", found, err);
    } else if (st == TM_OK && tm__cli_has(cli, "quarantine")) {
        st = set(cli, &place, "quarantine", found, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.monitor.origins/1", found);
    } else if (st == TM_OK) {
        print_look(cli, found);
    }
    json_decref(found);
    tm__place_close(&place);
    return st;
}
