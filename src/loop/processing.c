/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   sources of intake.db ──────────> data sets with columns, purposes, retention
 *   records of versions: source ───> + models of a data set
 *                        file ─────> + data sets of their own
 *   sinks, routes ─────────────────> + recipients
 */
#include "loop/processing.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/processing_columns.h"
#include "loop/sink.h"
#include "source/intake.h"
#include "source/profile.h"
#include "source/sql_sources.h"

typedef struct records {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    json_t *sets; /* borrowed from the result */
} records;

/* ---- Data sets ---- */

static json_t *find_set(const records *r, const char *kind, const char *name) {
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(r->sets, i, set) {
        if (strcmp(tm__json_text(set, "kind", ""), kind) == 0 &&
            strcmp(tm__json_text(set, "data", ""), name) == 0) {
            return set;
        }
    }
    return NULL;
}

static json_t *add_set(const records *r, const char *kind, const char *name) {
    json_t *set = json_pack("{s:s, s:s, s:[], s:[], s:[], s:[], s:[]}", "data", name, "kind", kind,
                            "purposes", "columns", "models", "recipients", "gaps");
    json_array_append_new(r->sets, set);
    return set;
}

static void add_words(json_t *list, const char *text) {
    tm_str words = tm__str(text == NULL ? "" : text);
    while (words.len > 0) {
        const tm_str word = tm__str_trim(tm__str_cut(&words, ','));
        json_t *const item = json_stringn(word.ptr, word.len);
        if (item != NULL && !tm__json_has_text(list, json_string_value(item))) {
            json_array_append(list, item);
        }
        json_decref(item);
    }
}

/* ---- Sources ---- */

static tm_status profile_of(const records *r, const char *source, json_t **out, tm_err *err) {
    static const tm_profile_window all = {0};
    static const tm_profile_words quiet = {0};
    tm_profile_sheet *sheet = NULL;
    tm_profile_span span = {0};
    TM_TRY(tm__profile_source(r->ctx, r->home, source, &all, &sheet, &span, err));
    *out = tm__profile_to_json(sheet, &quiet);
    tm__profile_free(sheet);
    return tm__json_check(err);
}

static void put_source(const records *r, const json_t *source, const json_t *profile) {
    const json_t *const retention = json_object_get(source, "retention_seconds");
    json_t *const set = add_set(r, "source", tm__json_text(source, "source", ""));
    json_t *const gaps = json_object_get(set, "gaps");
    add_words(json_object_get(set, "purposes"), tm__json_text(source, "purpose", NULL));
    json_object_set_new(set, "feed", json_string(tm__json_text(source, "kind", "")));
    json_object_set(set, "rows", json_object_get(source, "rows"));
    json_object_set(set, "key", json_object_get(source, "key"));
    json_object_set(set, "removed_rows", json_object_get(source, "removed"));
    json_object_set(set, "consent", json_object_get(json_object_get(source, "spec"), "consent"));
    json_object_set(set, "retention_seconds", json_object_get(source, "retention_seconds"));
    if (json_array_size(json_object_get(set, "purposes")) == 0) {
        json_array_append_new(gaps, json_string("a purpose"));
    }
    if (!json_is_integer(retention)) {
        json_array_append_new(gaps, json_string("a retention"));
    }
    tm__processing_columns_of_source(set, source, profile);
}

static tm_status take_source(const records *r, const char *name, tm_err *err) {
    json_t *source = NULL, *profile = NULL;
    TM_TRY(tm__intake_show(r->home, name, &source, err));
    tm_status st = TM_OK;
    if (tm__json_i64(source, "rows", 0) > 0) {
        st = profile_of(r, name, &profile, err);
    }
    if (st == TM_OK) {
        put_source(r, source, profile);
    }
    json_decref(source);
    json_decref(profile);
    return st;
}

static tm_status take_sources(const records *r, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__intake_list(r->home, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, one) {
        st = st == TM_OK ? take_source(r, tm__json_text(one, "source", ""), err) : st;
    }
    json_decref(list);
    return st;
}

/* ---- Models ---- */

static json_t *model_of(json_t *set, const char *model) {
    json_t *const models = json_object_get(set, "models");
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(models, i, one) {
        if (strcmp(tm__json_text(one, "model", ""), model) == 0) {
            return one;
        }
    }
    one = json_pack("{s:s, s:[], s:[], s:I, s:n}", "model", model, "purposes", "versions",
                    "removed", (json_int_t)0, "answers");
    json_array_append_new(models, one);
    return one;
}

static bool is_champion(const tm_version *version) {
    tm_str words = tm__str(version->aliases);
    bool is_it = false;
    while (words.len > 0 && !is_it) {
        is_it = tm__str_is(tm__str_cut(&words, ' '), "champion");
    }
    return is_it;
}

static void put_version(json_t *set, const tm_version *version) {
    json_t *const model = model_of(set, version->model);
    const json_int_t number = version->number;
    if (strcmp(version->state, "collected") == 0) {
        json_object_set_new(model, "removed", json_integer(tm__json_i64(model, "removed", 0) + 1));
    } else {
        json_array_append_new(json_object_get(model, "versions"), json_integer(number));
    }
    if (is_champion(version)) {
        json_object_set_new(model, "answers", json_integer(number));
    }
    add_words(json_object_get(model, "purposes"),
              tm__json_text(json_object_get(version->info, "recipe"), "purpose", NULL));
}

static tm_status put_other(const records *r, const tm_version *version, const char *kind,
                           const char *name, tm_err *err) {
    json_t *set = find_set(r, kind, name);
    if (set == NULL) {
        set = add_set(r, kind, name);
        json_array_append_new(json_object_get(set, "gaps"),
                              json_string("a source, which would say purpose and retention"));
    }
    put_version(set, version);
    return tm__processing_columns_of_version(r->registry, version, set, err);
}

static tm_status put_query(const records *r, const tm_version *version, const char *sql,
                           tm_err *err) {
    char name[TM_MAX_NAME + 16];
    json_t *words = NULL;
    size_t i = 0, n_found = 0;
    const json_t *word = NULL;
    TM_TRY(tm__sql_source_names(r->home, sql, &words, err));
    json_array_foreach(words, i, word) {
        json_t *const set = find_set(r, "source", json_string_value(word));
        if (set != NULL) {
            put_version(set, version);
            n_found++;
        }
    }
    json_decref(words);
    (void)snprintf(name, sizeof(name), "query of %s", version->model);
    return n_found > 0 ? TM_OK : put_other(r, version, "query", name, err);
}

/* from: as a recipe has it. A source that is gone has no entry of its own any more. */
static tm_status put_from(const records *r, const tm_version *version, const json_t *from,
                          tm_err *err) {
    const char *const source = tm__json_text(from, "source", NULL);
    const char *const sql = tm__json_text(from, "sql", NULL);
    const char *const path = tm__json_text(from, "path", NULL);
    if (source != NULL) {
        json_t *const set = find_set(r, "source", source);
        if (set != NULL) {
            put_version(set, version);
            return TM_OK;
        }
        return put_other(r, version, "source", source, err);
    }
    return sql != NULL    ? put_query(r, version, sql, err)
           : path != NULL ? put_other(r, version, "file", path, err)
                          : put_other(r, version, "unknown", version->model, err);
}

static tm_status take_version(void *arg, const tm_version *version, tm_err *err) {
    const records *const r = arg;
    const json_t *const recipe = json_object_get(version->info, "recipe");
    const char *event = NULL;
    json_t *from = NULL;
    tm_status st = put_from(r, version, json_object_get(recipe, "source"), err);
    json_object_foreach(json_object_get(recipe, "events"), event, from) {
        st = st == TM_OK ? put_from(r, version, from, err) : st;
    }
    return st;
}

static tm_status take_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    return tm__registry_each_version(registry, model, take_version, arg, err);
}

/* ---- Recipients ---- */

static bool take_route(void *arg, const tm_route *route) {
    const records *const r = arg;
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(r->sets, i, set) {
        size_t k = 0;
        const json_t *model = NULL;
        json_array_foreach(json_object_get(set, "models"), k, model) {
            if (strcmp(tm__json_text(model, "model", ""), route->model) == 0) {
                json_array_append_new(json_object_get(set, "recipients"),
                                      json_pack("{s:s, s:s, s:s}", "kind", "route", "name",
                                                route->name, "model", route->model));
            }
        }
    }
    return true;
}

/* A sink gives away rows of what it reads, with answers. */
static tm_status take_sinks(const records *r, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    if (tm__fs_info(tm__home_intake_db(r->home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__sink_list(r->home, &list, err));
    json_array_foreach(list, i, one) {
        json_t *const set = find_set(r, "source", tm__json_text(one, "read", ""));
        if (set != NULL) {
            json_array_append_new(json_object_get(set, "recipients"),
                                  json_pack("{s:s, s:s, s:s, s:O*}", "kind", "sink", "name",
                                            tm__json_text(one, "sink", ""), "model",
                                            tm__json_text(one, "model", ""), "to",
                                            json_object_get(one, "write")));
        }
    }
    json_decref(list);
    return TM_OK;
}

tm_status tm__processing(tm_ctx *ctx, const tm_home *home, tm_registry *registry, json_t **out,
                         tm_err *err) {
    char at[48];
    (void)tm__time_to_text(tm__now_us(), at);
    json_t *all = json_pack("{s:s, s:[]}", "at", at, "data");
    records r = {
        .ctx = ctx, .home = home, .registry = registry, .sets = json_object_get(all, "data")};
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? take_sources(&r, err) : st;
    st = st == TM_OK ? tm__registry_each_model(registry, take_model, &r, err) : st;
    st = st == TM_OK ? tm__registry_routes(registry, take_route, &r, err) : st;
    st = st == TM_OK ? take_sinks(&r, err) : st;
    st = st == TM_OK ? tm__processing_home(home, registry, all, err) : st;
    return tm__json_give(st, all, out, err);
}
