/* SPDX-License-Identifier: Apache-2.0 */
/* `tune`: what other settings would have been worth over a model's history; applies nothing. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/project_patch.h"
#include "cli/project_triggers.h"
#include "loop/tune.h"
#include "source/rows_from.h"
#include "table/renames.h"

#define PATCH_BYTES_MAX ((size_t)4 << 20)

typedef struct tuning {
    tm_cli *cli;
    tm_place place;
    json_t *recipe;
    tm_gate gate;
    tm_table *table;
    const char **drop; /* [n_drop] of the recipe, as far as the rows have them */
    uint32_t n_drop;
} tuning;

static tm_status read_rows(tuning *t, tm_ctx *ctx, tm_err *err) {
    const json_t *const source = json_object_get(t->recipe, "source");
    const char *const dir = tm__json_text(t->recipe, "dir", tm__json_text(source, "dir", NULL));
    tm_renames *names = NULL;
    if (source == NULL) {
        return TM_FAIL(err, TM_E_REFUSED, "model '%s' has no source to learn from",
                       t->place.version.model);
    }
    TM_TRY(tm__renames_create(json_object_get(t->recipe, "columns"), NULL, &names, err));
    tm_learning learning = {.purpose = tm__json_text(t->recipe, "purpose", NULL)};
    const tm_rows_ask ask = {.from = source,
                             .dir = dir,
                             .schema = tm__bundle_schema(t->place.bundle),
                             .learning = &learning};
    tm_status st = tm__rows_from_read(ctx, t->place.home, &ask, &t->table, err);
    json_decref(learning.left_out);
    st = st == TM_OK ? tm__renames_replace(names, &t->table, err) : st;
    tm__renames_free(names);
    return st;
}

static tm_status take_drop(tuning *t, tm_err *err) {
    const json_t *const list = json_object_get(t->recipe, "drop");
    t->drop = tm__mem_alloc(json_array_size(list) + 1, sizeof(*t->drop));
    if (t->drop == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to tune");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *const name = json_string_value(json_array_get(list, i));
        if (name != NULL && tm__table_find(t->table, name) != UINT32_MAX) {
            t->drop[t->n_drop++] = name;
        }
    }
    return TM_OK;
}

static tm_status run(tuning *t, tm_ctx *ctx, json_t **out, tm_err *err) {
    const tm_bundle *const bundle = t->place.bundle;
    const tm_task task = tm__bundle_task(bundle);
    TM_TRY(tm__registry_recipe(t->place.registry, t->place.version.model, &t->recipe, err));
    TM_TRY(tm__registry_gate(t->place.registry, t->place.version.model, &t->gate, err));
    TM_TRY(read_rows(t, ctx, err));
    TM_TRY(take_drop(t, err));
    const char *const time = tm__json_text(t->recipe, "time", NULL);
    const json_t *const labels = json_object_get(t->recipe, "labels");
    const tm_tune_options options = {
        .replay = {.target = tm__bundle_target(bundle),
                   .time = time,
                   .task = task,
                   .delay_rows = (uint64_t)tm__cli_i64(t->cli, "delay"),
                   .delay_us = time != NULL ? tm__json_i64(labels, "delay_us", 0) : 0,
                   .first = tm__cli_f64(t->cli, "first"),
                   .drop = t->drop,
                   .n_drop = t->n_drop,
                   .seed = (uint64_t)tm__cli_i64(t->cli, "seed")},
        .n_rows_max = (uint64_t)tm__cli_i64(t->cli, "rows"),
        .recipe = t->recipe,
        .gate_by = t->gate.better_than_champion ? t->gate.by : 0,
        .positive = task == TM_TASK_BINARY ? tm__bundle_class(bundle, 1) : NULL,
        .threshold = tm__bundle_threshold(bundle),
    };
    return tm__tune_run(ctx, t->table, &options, out, err);
}

/* ---- words ---- */

static void print_gain(tm_cli *cli, const json_t *gain, const char *what) {
    tm__cli_print(cli, "%+.4f %s (95 %%: %+.4f to %+.4f)", tm__json_f64(gain, "value", 0), what,
                  tm__json_f64(gain, "low", 0), tm__json_f64(gain, "high", 0));
}

static void add_setting(tm_cli_table *table, const char *name, const json_t *setting) {
    const int64_t every = tm__json_i64(setting, "new_rows", 0);
    const int64_t window = tm__json_i64(setting, "window_rows", 0);
    const bool on_errors = tm__json_bool(setting, "on_errors", false);
    tm__cli_cell(table, "%s", name);
    if (every > 0) {
        tm__cli_cell(table, "%lld rows%s", (long long)every, on_errors ? ", errors" : "");
    } else {
        tm__cli_cell(table, "%s", on_errors ? "errors" : "never");
    }
    if (window > 0) {
        tm__cli_cell(table, "last %lld", (long long)window);
    } else {
        tm__cli_cell(table, "all");
    }
    tm__cli_cell(table, "%.4g", tm__json_f64(setting, "gate_by", 0));
    tm__cli_cell(table, "%.4f", tm__json_f64(setting, "score", 0));
    tm__cli_cell(table, "%lld", (long long)tm__json_i64(setting, "retrains", 0));
    tm__cli_cell(table, "%.2f", tm__json_f64(setting, "train_seconds", 0));
}

static void print_settings(tm_cli *cli, const json_t *result) {
    static const char *const titles[] = {"",      "retrain on", "rows",   "by",
                                         "score", "retrains",   "seconds"};
    const json_t *const settings = json_object_get(result, "settings"), *s = NULL;
    size_t i = 0;
    tm_cli_table table;
    tm__cli_table_init(&table, 7, titles);
    add_setting(&table, "declared", json_object_get(result, "declared"));
    json_array_foreach(settings, i, s) {
        add_setting(&table, json_equal(s, json_object_get(result, "best")) != 0 ? "best" : "", s);
    }
    tm__cli_table_print(cli, &table);
    tm__buf_done(&table.text);
}

/* As tidemill.yaml would have it. */
static void print_difference(tm_cli *cli, const char *model, const json_t *difference) {
    const json_t *const retrain = json_object_get(difference, "retrain");
    const json_t *const gate = json_object_get(difference, "gate");
    const int64_t rows = tm__json_i64(retrain, "new_rows", 0);
    const bool on_errors = json_object_get(retrain, "on") != NULL;
    const char *const window = tm__json_text(retrain, "window", NULL);
    const char *const threshold = tm__json_text(difference, "threshold", NULL);
    tm__cli_print(cli, "models:\n  %s:\n", model);
    if (retrain != NULL) {
        const char *before = "";
        tm__cli_print(cli, "    retrain: {");
        if (rows > 0) {
            tm__cli_print(cli, "new_rows: %lld", (long long)rows);
            before = ", ";
        }
        if (on_errors) {
            tm__cli_print(cli, "%son: [performance]", before);
            before = ", ";
        }
        if (window != NULL) {
            tm__cli_print(cli, "%swindow: \"%s\"", before, window);
        }
        tm__cli_print(cli, "}\n");
    }
    if (gate != NULL) {
        tm__cli_print(cli, "    gate: {better_than: champion, by: %.6g}\n",
                      tm__json_f64(gate, "by", 0));
    }
    if (threshold != NULL) {
        tm__cli_print(cli, "    threshold: %s\n", threshold);
    }
}

static void print_words(tm_cli *cli, const char *model, const json_t *result) {
    const char *const metric = tm__json_text(result, "metric", "");
    const char *const objective =
        json_is_object(json_object_get(result, "threshold")) ? "of cost a row" : metric;
    const json_t *const window = json_object_get(result, "window");
    const json_t *const threshold = json_object_get(result, "threshold");
    const json_t *const difference = json_object_get(result, "difference");
    const json_t *const not_replayed = json_object_get(result, "not_replayed"), *word = NULL;
    size_t i = 0;
    tm__cli_print(
        cli, "%s: %s over %lld rows, chosen on %lld of the answers, priced on %lld later ones\n",
        model, metric, (long long)tm__json_i64(result, "rows", 0),
        (long long)tm__json_i64(result, "chosen_on", 0),
        (long long)tm__json_i64(result, "priced_on", 0));
    print_settings(cli, result);
    json_array_foreach(not_replayed, i, word) {
        tm__cli_print(cli, "%s'%s'", i == 0 ? "declared and not replayed: " : ", ",
                      json_string_value(word));
    }
    tm__cli_print(cli, "%sthe best of them, beside what is declared: ", i > 0 ? "\n" : "");
    print_gain(cli, json_object_get(result, "gain"), objective);
    if (json_is_object(window)) {
        const int64_t rows = tm__json_i64(window, "rows", 0);
        tm__cli_print(cli, "\nthe last %lld rows alone (0: all) beside it: ", (long long)rows);
        print_gain(cli, json_object_get(window, "gain"), objective);
    }
    if (json_is_object(threshold)) {
        tm__cli_print(cli,
                      "\ncalls from %.2f in place of %.2f: ", tm__json_f64(threshold, "value", 0),
                      tm__json_f64(threshold, "was", 0));
        print_gain(cli, json_object_get(threshold, "gain"), objective);
    }
    tm__cli_print(cli, "\n");
    if (json_is_object(difference)) {
        tm__cli_print(cli, "proposed for tidemill.yaml, nothing is applied:\n");
        print_difference(cli, model, difference);
    } else {
        tm__cli_print(cli, "nothing is surely better than what is declared\n");
    }
}

/* ---- the patch ---- */

/* "[drift, performance]" of what is declared, with or without performance; empty: none is left. */
static void words_of_on(const json_t *declared, bool on_errors, char *out, size_t size) {
    size_t i = 0, len = 0;
    const json_t *word = NULL;
    const char *before = "[";
    json_array_foreach(declared, i, word) {
        const char *const text = json_string_value(word);
        if (text != NULL && strcmp(text, "performance") != 0 && len + 24 < size) {
            len += (size_t)snprintf(out + len, size - len, "%s%.20s", before, text);
            before = ", ";
        }
    }
    if (on_errors) {
        len += (size_t)snprintf(out + len, size - len, "%sperformance", before);
    }
    (void)snprintf(out + len, size - len, "%s", len > 0 ? "]" : "");
}

/* What is proposed as changes of keys: those that stay as they are declared are left alone. */
static uint32_t list_changes(const tuning *t, const json_t *result, char room[4][64],
                             tm_project_change *out) {
    const json_t *const declared = json_object_get(result, "declared");
    const json_t *const best = json_object_get(result, "best");
    const json_t *const difference = json_object_get(result, "difference");
    const json_t *const retrain = json_object_get(difference, "retrain");
    const json_t *const gate = json_object_get(difference, "gate");
    const char *const threshold = tm__json_text(difference, "threshold", NULL);
    const int64_t rows = tm__json_i64(best, "new_rows", 0);
    const bool on_errors = tm__json_bool(best, "on_errors", false);
    uint32_t n = 0;
    if (retrain != NULL && rows != tm__json_i64(declared, "new_rows", 0)) {
        (void)snprintf(room[0], 64, "%lld", (long long)rows);
        out[n++] = (tm_project_change){"retrain", "new_rows", rows > 0 ? room[0] : NULL};
        out[n++] = (tm_project_change){"retrain", "new_labels", NULL};
        out[n++] = (tm_project_change){"retrain", "every", NULL};
    }
    if (retrain != NULL && on_errors != tm__json_bool(declared, "on_errors", false)) {
        words_of_on(json_object_get(json_object_get(t->recipe, "retrain"), "on"), on_errors,
                    room[1], 64);
        out[n++] = (tm_project_change){"retrain", "on", room[1][0] != '\0' ? room[1] : NULL};
    }
    if (retrain != NULL && json_equal(json_object_get(best, "window_rows"),
                                      json_object_get(declared, "window_rows")) == 0) {
        const char *const window = tm__json_text(retrain, "window", NULL);
        (void)snprintf(room[2], 64, "\"%.40s\"", window != NULL ? window : "");
        out[n++] = (tm_project_change){"retrain", "window", window != NULL ? room[2] : NULL};
    }
    if (gate != NULL) {
        (void)snprintf(room[3], 64, "%.6g", tm__json_f64(gate, "by", 0));
        out[n++] = (tm_project_change){"gate", "better_than", "champion"};
        out[n++] = (tm_project_change){"gate", "by", room[3]};
    }
    if (threshold != NULL) {
        out[n++] = (tm_project_change){NULL, "threshold", threshold};
    }
    return n;
}

static tm_status write_patch(const tuning *t, const json_t *result, tm_err *err) {
    const char *const path = tm__cli_text(t->cli, "patch");
    tm_project_change changes[8];
    char room[4][64];
    tm_buf text;
    if (path == NULL || !json_is_object(json_object_get(result, "difference"))) {
        return TM_OK;
    }
    const uint32_t n = list_changes(t, result, room, changes);
    tm__buf_init(&text, PATCH_BYTES_MAX);
    tm_status st = tm__project_patch(tm__cli_text(t->cli, "file"), t->place.version.model, changes,
                                     n, &text, err);
    st = st == TM_OK ? tm__fs_publish(path, text.data, text.len, err) : st;
    tm__buf_done(&text);
    return st;
}

/* What is proposed has no effect where rows are read from a file. */
static void say_unfed(const tuning *t, const json_t *result) {
    const json_t *const retrain = json_object_get(json_object_get(result, "difference"), "retrain");
    if (json_object_get(retrain, "new_rows") != NULL && !tm__recipe_reads_source(t->recipe)) {
        tm__cli_warn(t->cli,
                     "'new_rows' looks at a source, and '%s' reads a file or a query: "
                     "declare what it reads under 'sources', or say 'every' instead",
                     t->place.version.model);
    }
}

tm_status cmd_tune(tm_cli *cli, tm_err *err) {
    tuning t = {.cli = cli};
    tm_ctx ctx = {0};
    json_t *result = NULL;
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    st = st == TM_OK ? tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &t.place, err) : st;
    st = st == TM_OK ? run(&t, &ctx, &result, err) : st;
    st = st == TM_OK ? write_patch(&t, result, err) : st;
    if (st == TM_OK && cli->json) {
        json_object_set_new(result, "model", json_string(t.place.version.model));
        tm__cli_print_object(cli, "tidemill.tune/1", result);
    } else if (st == TM_OK) {
        print_words(cli, t.place.version.model, result);
        say_unfed(&t, result);
        if (tm__cli_text(cli, "patch") != NULL &&
            json_is_object(json_object_get(result, "difference"))) {
            tm__cli_note(cli, "wrote %s: 'git apply %s', then 'tidemill apply --dry-run'",
                         tm__cli_text(cli, "patch"), tm__cli_text(cli, "patch"));
        }
    }
    json_decref(result);
    json_decref(t.recipe);
    tm__table_unref(t.table);
    tm__mem_free(t.drop);
    tm__place_close(&t.place);
    tm__cli_ctx_done(&ctx);
    return st;
}
