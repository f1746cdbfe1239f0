/* SPDX-License-Identifier: Apache-2.0 */
/* `data rm`: a source goes with its rows, unless something in the home reads it. */
#include <string.h>

#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "registry/registry.h"
#include "source/intake.h"
#include "source/sinks.h"

/* Names of the sinks that read a source. */
static tm_status find_sinks(const tm_home *home, const char *source, json_t *out, tm_err *err) {
    tm_sink_store *store = NULL;
    json_t *names = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    TM_TRY(tm__sink_store_open(home, false, &store, err));
    tm_status st = tm__sink_store_names(store, &names, err);
    json_array_foreach(names, i, name) {
        tm_sink_row row = {0};
        if (st != TM_OK) {
            break;
        }
        st = tm__sink_store_find(store, json_string_value(name), &row, err);
        if (st == TM_OK && (strcmp(tm__json_text(row.spec, "read", ""), source) == 0 ||
                            strcmp(tm__json_text(row.spec, "history", ""), source) == 0)) {
            json_array_append(out, (json_t *)(uintptr_t)name);
        }
        tm__sink_row_done(&row);
    }
    json_decref(names);
    tm__sink_store_close(store);
    return st;
}

static bool is_from(const json_t *from, const char *source) {
    return strcmp(tm__json_text(from, "source", ""), source) == 0;
}

static bool reads_source(const json_t *recipe, const char *source) {
    bool does = is_from(json_object_get(recipe, "source"), source);
    const char *name = NULL;
    json_t *from = NULL;
    json_object_foreach(json_object_get(recipe, "events"), name, from) {
        does = does || is_from(from, source);
    }
    return does;
}

typedef struct readers {
    const char *source;
    json_t *models; /* names of those that retrain from it */
} readers;

static tm_status add_reader(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    const readers *const r = arg;
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(registry, model, &recipe, err));
    if (reads_source(recipe, r->source)) {
        json_array_append_new(r->models, json_string(model));
    }
    json_decref(recipe);
    return TM_OK;
}

static tm_status find_models(const tm_home *home, const char *source, json_t *out, tm_err *err) {
    tm_registry *registry = NULL;
    readers r = {source, out};
    TM_TRY(tm__registry_open(home, &registry, err));
    const tm_status st = tm__registry_each_model(registry, add_reader, &r, err);
    tm__registry_close(registry);
    return st;
}

/* "a, b" */
static const char *names_text(const json_t *names, tm_buf *out) {
    size_t i = 0;
    const json_t *name = NULL;
    tm__buf_reset(out);
    json_array_foreach(names, i, name) {
        (void)tm__buf_printf(out, "%s%s", i == 0 ? "" : ", ", json_string_value(name));
    }
    return tm__buf_byte(out, 0) ? (const char *)out->data : "";
}

static tm_status check(tm_cli *cli, const json_t *source, const json_t *sinks, const json_t *models,
                       tm_err *err) {
    const char *name = tm__cli_arg(cli, "NAME");
    char rows[32];
    tm_buf text;
    tm_status st = TM_OK;
    tm__buf_init(&text, 1u << 16);
    if (json_array_size(sinks) > 0) {
        const char *first = json_string_value(json_array_get(sinks, 0));
        st = TM_FAIL(err, TM_E_CONFLICT, "source '%s' is read by sinks: %.200s", name,
                     names_text(sinks, &text));
        tm_err_hint(err, "'tidemill sink rm %s' removes one; what it wrote stays.", first);
    } else if (!tm__cli_flag(cli, "yes")) {
        st = TM_FAIL(err, TM_E_USAGE, "%s rows of source '%s' would be gone for good",
                     tm__count_text(tm__json_i64(source, "rows", 0), rows), name);
        if (json_array_size(models) > 0) {
            tm_err_hint(err, "Give --yes. Retrained from it are: %.200s.",
                        names_text(models, &text));
        } else {
            tm_err_hint(err, "Give --yes.");
        }
    }
    tm__buf_done(&text);
    return st;
}

static void say(tm_cli *cli, const json_t *source, const json_t *models) {
    const char *name = tm__cli_arg(cli, "NAME");
    const int64_t n_rows = tm__json_i64(source, "rows", 0);
    char rows[32];
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:I, s:O}", "schema", "tidemill.data.rm/1", "source", name,
                      "rows", (json_int_t)n_rows, "models", (json_t *)(uintptr_t)models);
        tm__cli_print_json(cli, result);
        json_decref(result);
        return;
    }
    tm__cli_print(cli, "source '%s' is removed: %s rows\n", name, tm__count_text(n_rows, rows));
}

tm_status cmd_data_rm(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    json_t *source = NULL, *sinks = json_array(), *models = json_array();
    tm_status st = tm__home_open(cli->home, false, &home, err);
    if (st == TM_OK) {
        st = tm__intake_show(home, name, &source, err);
    }
    if (st == TM_OK) {
        st = find_sinks(home, name, sinks, err);
    }
    if (st == TM_OK) {
        st = find_models(home, name, models, err);
    }
    if (st == TM_OK) {
        st = tm__json_check(err);
    }
    if (st == TM_OK) {
        st = check(cli, source, sinks, models, err);
    }
    if (st == TM_OK) {
        st = tm__intake_remove(home, name, err);
    }
    if (st == TM_OK) {
        const tm_cli_deed deed = {
            .event = "source.removed",
            .kind = "source",
            .name = name,
            .details = json_pack("{s:I}", "rows", (json_int_t)tm__json_i64(source, "rows", 0))};
        tm__cli_did(cli, "source '%s' is removed", name);
        st = tm__cli_audit(home, &deed, err);
    }
    if (st == TM_OK) {
        say(cli, source, models);
    }
    json_decref(source);
    json_decref(sinks);
    json_decref(models);
    tm__home_close(home);
    return st;
}
