/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train --repeat: record and snapshots of a version -> run -> the same bundle_hash or not. Writes
 * nothing: what was trained again is either there already or wrong.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/model_args.h"
#include "cli/train_repeat.h"
#include "store/bucket.h"
#include "train/train.h"

typedef struct repeat {
    tm_cli *cli;
    const char *name; /* of the version, as given */
    tm_ctx ctx;
    tm_place place;
    tm_recipe recipe;
    tm_table *table, *test;
    tm_bundle *base; /* that it went on from */
    tm_train_events events;
    tm_train_result result;
    json_t *differs; /* members of the record that came out otherwise */
    bool is_same;
} repeat;

static void repeat_done(repeat *r) {
    json_decref(r->differs);
    tm__train_result_done(&r->result);
    tm__table_unref(r->table);
    tm__table_unref(r->test);
    tm__recipe_done(&r->recipe);
    tm__train_events_done(&r->events);
    tm__bundle_unref(r->base);
    tm__place_close(&r->place);
    tm__cli_ctx_done(&r->ctx);
}

/* The record decides everything: an option that would, too, is refused. */
static tm_status check_words(const tm_cli *cli, tm_err *err) {
    static const char *const allowed[] = {"repeat", "threads", "json", "quiet", "verbose", "home"};
    const char *refused = cli->n_args > 0 ? cli->args[0] : NULL;
    const char *dashes = refused == NULL ? "--" : "";
    for (uint32_t i = 0; refused == NULL && i < cli->n_values; i++) {
        refused = cli->options[i]->name;
        for (size_t k = 0; k < sizeof(allowed) / sizeof(allowed[0]); k++) {
            refused = refused != NULL && strcmp(refused, allowed[k]) == 0 ? NULL : refused;
        }
    }
    if (refused == NULL) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "'%s%.100s' and --repeat cannot stand together", dashes, refused);
    tm_err_hint(err, "The record of the version says how it was trained; only --threads is free.");
    return st;
}

/* The model that this one went on from is a file under its hash. */
static tm_status load_base(repeat *r, tm_err *err) {
    const json_t *continues = json_object_get(r->place.version.info, "continues");
    tm_hash hash;
    if (continues == NULL) {
        return TM_OK;
    }
    if (!tm__hash_from_text(tm__json_text(continues, "bundle_hash", ""), &hash)) {
        return TM_FAIL(err, TM_E_DATA, "the record does not name the model it went on from");
    }
    char *path = tm__home_bundle_path(r->place.home, &hash);
    bool is_fetched = false;
    tm_status st = path != NULL ? tm__bucket_find(NULL, path, &is_fetched, err)
                                : TM_FAIL(err, TM_E_NOMEM, "no memory for a path");
    st = st == TM_OK ? tm__bundle_open(path, &r->base, err) : st;
    tm__mem_free(path);
    r->recipe.options.base = r->base;
    return st;
}

static tm_status run_again(repeat *r, tm_err *err) {
    const tm_train_options *o = &r->recipe.options;
    TM_TRY(load_base(r, err));
    TM_TRY(tm__cli_read_snapshot(&r->ctx, &r->place, o->snapshot, &r->table, err));
    if (o->test_snapshot[0] != '\0') {
        TM_TRY(tm__cli_read_snapshot(&r->ctx, &r->place, o->test_snapshot, &r->test, err));
    }
    if (o->events_snapshots != NULL) {
        TM_TRY(tm__train_events_load(&r->ctx, r->place.home, o->events_snapshots, &r->events, err));
        tm__train_events_use(&r->events, &r->recipe.options);
    }
    return tm__train_run(&r->ctx, r->table, r->test, o, &r->result, err);
}

static tm_status compare(repeat *r, tm_err *err) {
    const char *name = NULL;
    json_t *value = NULL;
    r->is_same = tm__hash_eq(&r->result.bundle_hash, &r->place.version.bundle_hash);
    r->differs = json_array();
    if (r->differs == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the report");
    }
    json_object_foreach(r->place.version.info, name, value) {
        const bool is_by_clock = strcmp(name, "curves") == 0;
        if (!is_by_clock && !json_equal(value, json_object_get(r->result.report, name))) {
            json_array_append_new(r->differs, json_string(name));
        }
    }
    return TM_OK;
}

static tm_status print_report(const repeat *r, tm_err *err) {
    char before[TM_HASH_TEXT];
    const tm_version *version = &r->place.version;
    const json_t *report = r->result.report;
    const char *again = tm__json_text(report, "bundle_hash", "");
    const json_t *stops = json_object_get(version->info, "stops");
    tm__hash_to_text(&version->bundle_hash, before);
    if (r->cli->json) {
        json_t *object = json_pack(
            "{s:s, s:s, s:I, s:b, s:s, s:s, s:O, s:I, s:I, s:O}", "schema", "tidemill.repeat/1",
            "model", version->model, "version", (json_int_t)version->number, "same", r->is_same,
            "bundle_hash", before, "repeated_hash", again, "differs", r->differs, "work_used",
            (json_int_t)tm__json_i64(report, "work_used", 0), "stops",
            (json_int_t)json_array_size(stops), "seconds", json_object_get(report, "seconds"));
        if (object == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the report");
        }
        tm__cli_print_json(r->cli, object);
        json_decref(object);
        return TM_OK;
    }
    tm__cli_print(r->cli, "%s version %u: %s bytes as recorded\n", version->model, version->number,
                  r->is_same ? "the same" : "not the same");
    tm__cli_print(r->cli, "recorded %s\nrepeated %s\n", before, again);
    return TM_OK;
}

/* What came out otherwise, in words. */
static tm_status say_differs(const repeat *r, tm_err *err) {
    char names[160] = "";
    size_t i = 0;
    json_t *name = NULL;
    json_array_foreach(r->differs, i, name) {
        const size_t used = strlen(names);
        (void)tm__str_copy(names + used, sizeof(names) - used, tm__str(i > 0 ? ", " : ""));
        const size_t at = strlen(names);
        (void)tm__str_copy(names + at, sizeof(names) - at, tm__str(json_string_value(name)));
    }
    const tm_status st =
        TM_FAIL(err, TM_E_INTEGRITY, "'%s' trained again is not the same; %s", r->name,
                names[0] != '\0' ? names : "the record is, but not the bytes of the model");
    tm_err_hint(err, "Another release of the program may learn otherwise; with the same one this "
                     "is a fault: please report it.");
    return st;
}

tm_status tm__train_repeat(tm_cli *cli, tm_err *err) {
    repeat r = {.cli = cli, .name = tm__cli_text(cli, "repeat")};
    TM_TRY(check_words(cli, err));
    TM_TRY(tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &r.ctx, err));
    tm_status st = tm__place_open(cli, false, &r.place, err);
    if (st == TM_OK) {
        st = tm__registry_find(r.place.registry, r.name, &r.place.version, err);
    }
    if (st == TM_OK) {
        st = tm__recipe_init_repeat(&r.recipe, r.place.version.info, err);
    }
    if (st == TM_OK) {
        st = run_again(&r, err);
    }
    if (st == TM_OK) {
        st = compare(&r, err);
    }
    if (st == TM_OK) {
        st = print_report(&r, err);
    }
    if (st == TM_OK && !r.is_same) {
        st = say_differs(&r, err);
    }
    repeat_done(&r);
    return st;
}
