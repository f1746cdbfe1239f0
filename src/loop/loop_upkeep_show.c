/* SPDX-License-Identifier: Apache-2.0 */
/* What the online store holds, for people. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_upkeep_priv.h"
#include "registry/online_ask.h"
#include "source/intake.h"
#include "source/sinks.h"
#include "store/privacy_key.h"
#include "table/privacy.h"

static json_t *time_or_null(int64_t us) {
    return us == TM_INT_MISSING ? json_null() : tm__json_time_or_null(us);
}

static json_t *seconds_since(int64_t us, int64_t now_us) {
    return us == TM_INT_MISSING || us == 0 ? json_null()
                                           : tm__json_number((double)(now_us - us) / 1e6);
}

/* The store, open to read; TM_E_NOT_FOUND without one. */
static tm_status open_reader(const tm_home *home, tm_online_reader **out, tm_err *err) {
    tm_online *online = NULL;
    tm_status st = tm__online_open(home, 0, &online, err);
    if (st == TM_E_NOT_FOUND) {
        tm_err_hint(err, "'tidemill run' keeps it; 'tidemill online rebuild' makes it now.");
    }
    TM_TRY(st);
    st = tm__online_reader_create(online, out, err);
    tm__online_unref(online);
    TM_TRY(st);
    st = tm__online_reader_begin(*out, err);
    if (st != TM_OK) {
        tm__online_reader_free(*out);
        *out = NULL;
    }
    return st;
}

tm_status tm__upkeep_check(const tm_home *home, uint64_t *out_values, tm_err *err) {
    tm_online_reader *reader = NULL;
    TM_TRY(open_reader(home, &reader, err));
    const tm_status st = tm__online_check(reader, out_values, err);
    tm__online_reader_free(reader);
    return st;
}

/* ---- List ---- */

static json_t *feature_names(const tm_kept_version *version, uint32_t group) {
    json_t *const names = json_array();
    const tm_window_group *const g = tm__window_live_group(version->plan.live, group);
    for (uint32_t i = 0; i < g->plan.n_features; i++) {
        json_array_append_new(names,
                              json_string(tm__window_set_name(version->plan.set, g->places[i])));
    }
    return names;
}

static json_t *key_names(const tm_window_group *group) {
    json_t *const names = json_array();
    for (uint32_t k = 0; k < group->n_keys; k++) {
        json_array_append_new(names, json_string(group->keys[k]));
    }
    return names;
}

static uint64_t rows_of(const tm_home *home, const char *source) {
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    tm_status st = tm__source_rows_open(home, source, &rows, NULL);
    st = st == TM_OK ? tm__source_rows_extent(rows, &extent, NULL) : st;
    tm__source_rows_close(rows);
    return st == TM_OK ? extent.end : 0;
}

static tm_status list_group(const tm_home *home, const tm_kept_version *version, uint32_t group,
                            tm_online_reader *reader, json_t *out, tm_err *err) {
    tm_online_view view = {.newest_us = TM_INT_MISSING};
    const tm_status st =
        reader == NULL ? TM_E_NOT_FOUND
                       : tm__online_find_view(reader, &version->plan.marks[group], &view, err);
    if (st != TM_OK && st != TM_E_NOT_FOUND) {
        return st;
    }
    const char *const source = tm__online_plan_source(&version->plan, group);
    const bool is_leaving = view.next == TM_ONLINE_LEAVING;
    const uint64_t next = is_leaving ? 0 : view.next, end = rows_of(home, source);
    const char *const problem = st != TM_OK || is_leaving || view.checked_us == 0
                                    ? (view.problem[0] != '\0' ? view.problem : "not built yet")
                                    : view.problem;
    json_array_append_new(
        out,
        json_pack("{s:s, s:i, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "model",
                  version->model, "version", (int)version->version, "source", source, "features",
                  feature_names(version, group), "keys",
                  key_names(tm__window_live_group(version->plan.live, group)), "next",
                  (json_int_t)next, "waiting", (json_int_t)(end > next ? end - next : 0),
                  "entities", (json_int_t)view.n_entities, "events", (json_int_t)view.n_events,
                  "missed", (json_int_t)view.n_missed, "newest_at", time_or_null(view.newest_us),
                  "lag_seconds", seconds_since(view.checked_us, tm__now_us()), "problem",
                  problem[0] == '\0' ? json_null() : json_string(problem)));
    return TM_OK;
}

static tm_status list_version(const tm_home *home, const tm_kept_version *version,
                              tm_online_reader *reader, json_t *out, tm_err *err) {
    if (version->problem[0] != '\0') {
        json_array_append_new(out, json_pack("{s:s, s:i, s:n, s:s}", "model", version->model,
                                             "version", (int)version->version, "source", "problem",
                                             version->problem));
        return TM_OK;
    }
    const uint32_t n = tm__window_live_count(version->plan.live);
    for (uint32_t g = 0; g < n; g++) {
        TM_TRY(list_group(home, version, g, reader, out, err));
    }
    return TM_OK;
}

tm_status tm__upkeep_list(const tm_home *home, json_t **out, tm_err *err) {
    tm_registry *registry = NULL;
    tm_online_reader *reader = NULL;
    tm_kept kept = {0};
    json_t *const list = json_array();
    tm_status st = tm__registry_open_read(home, &registry, err);
    st = st == TM_OK ? tm__kept_read(registry, &kept, err) : st;
    if (st == TM_OK) {
        st = open_reader(home, &reader, err);
        st = st == TM_E_NOT_FOUND ? TM_OK : st;
    }
    for (uint32_t i = 0; st == TM_OK && i < kept.n; i++) {
        st = list_version(home, &kept.versions[i], reader, list, err);
    }
    tm__online_reader_free(reader);
    tm__kept_done(&kept);
    tm__registry_close(registry);
    return tm__json_give(st, list, out, err);
}

/* ---- Show ---- */

/* The value that is given for a key, as text; false when none is. */
static bool find_given(const tm_upkeep_ask *ask, const char *name, tm_cell *out) {
    for (uint32_t i = 0; i < ask->n_keys; i++) {
        tm_str rest = tm__str(ask->keys[i]);
        const tm_str key = tm__str_cut(&rest, '=');
        if (tm__str_is(key, name)) {
            *out = (tm_cell){.type = TM_TYPE_TEXT, .text = rest};
            return true;
        }
    }
    return false;
}

typedef struct showing {
    const tm_home *home;
    const tm_upkeep_ask *ask;
    const tm_kept_version *version;
    tm_online_asker *asker;
    tm_online_reader *reader;
    json_t *features, *groups;
    int64_t lag_us;
} showing;

/* The online store has of a key what the policies of its source leave. */
static tm_status cover_keys(const showing *s, uint32_t group, tm_cell *cells, char *rooms,
                            tm_err *err) {
    const tm_window_group *const g = tm__window_live_group(s->version->plan.live, group);
    const char *const source = tm__online_plan_source(&s->version->plan, group);
    json_t *privacy = NULL;
    tm_hash key = {{0}};
    tm_err own = {0};
    tm_status st = source[0] == '\0' ? TM_OK : tm__intake_privacy(s->home, source, &privacy, &own);
    if (st != TM_OK && st != TM_E_NOT_FOUND) {
        return TM_FAIL(err, st, "%s", own.message);
    }
    st = TM_OK; /* a source that is gone has none */
    const json_t *const policies = json_object_get(privacy, "columns");
    const bool needs_key = tm__privacy_needs_key(policies);
    st = st == TM_OK && needs_key ? tm__privacy_key_read(s->home, &key, err) : st;
    for (uint32_t k = 0; st == TM_OK && k < g->n_keys; k++) {
        const char *const text = tm__json_text(policies, g->keys[k], NULL);
        tm_privacy p = {0};
        st = text == NULL ? TM_OK : tm__privacy_parse(g->keys[k], text, TM_TYPE_NONE, &p, err);
        if (st == TM_OK &&
            !tm__privacy_cell(&p, &key, &cells[k], rooms + (size_t)k * TM_PRIVACY_ROOM)) {
            st = TM_FAIL(err, TM_E_DATA, "the policy of '%s' cannot be applied to its value",
                         g->keys[k]);
        }
    }
    tm__hash_reset(&key);
    json_decref(privacy);
    return st;
}

static tm_status show_group(showing *s, uint32_t group, bool *out_shown, tm_err *err) {
    const tm_window_group *const g = tm__window_live_group(s->version->plan.live, group);
    tm_cell cells[TM_WINDOW_KEYS_MAX];
    char rooms[TM_WINDOW_KEYS_MAX * TM_PRIVACY_ROOM];
    tm_online_note note;
    *out_shown = true;
    for (uint32_t k = 0; k < g->n_keys && *out_shown; k++) {
        *out_shown = find_given(s->ask, g->keys[k], &cells[k]);
    }
    if (!*out_shown) {
        return TM_OK;
    }
    TM_TRY(cover_keys(s, group, cells, rooms, err));
    double *const values = tm__mem_alloc((size_t)g->plan.n_features + 1, sizeof(*values));
    if (values == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features");
    }
    const tm_online_question question = {
        .group = group, .keys = cells, .moment_us = s->ask->moment_us, .now_us = tm__now_us()};
    const tm_status st = tm__online_ask(s->asker, s->reader, &question, values, &note, err);
    for (uint32_t i = 0; st == TM_OK && i < g->plan.n_features; i++) {
        json_object_set_new(s->features, tm__window_set_name(s->version->plan.set, g->places[i]),
                            tm__json_number(values[i]));
    }
    if (st == TM_OK) {
        s->lag_us = note.lag_us > s->lag_us ? note.lag_us : s->lag_us;
        json_array_append_new(
            s->groups, json_pack("{s:o, s:b, s:o, s:o}", "keys", key_names(g), "known",
                                 !note.is_absent, "newest_at", time_or_null(note.newest_us),
                                 "age_seconds", seconds_since(note.newest_us, s->ask->moment_us)));
    }
    tm__mem_free(values);
    return st;
}

static tm_status show_version(showing *s, tm_err *err) {
    const uint32_t n = tm__window_live_count(s->version->plan.live);
    uint32_t n_shown = 0;
    s->asker = tm__online_asker_create(&s->version->plan);
    if (s->asker == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features");
    }
    for (uint32_t g = 0; g < n; g++) {
        bool is_shown = false;
        TM_TRY(show_group(s, g, &is_shown, err));
        n_shown += is_shown ? 1 : 0;
    }
    if (n_shown == 0) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "no feature has these keys");
        tm_err_hint(err, "'tidemill online ls' lists features with their keys; give each as "
                         "KEY=VALUE.");
        return st;
    }
    return TM_OK;
}

tm_status tm__upkeep_show(const tm_home *home, const tm_upkeep_ask *ask, json_t **out,
                          tm_err *err) {
    tm_registry *registry = NULL;
    tm_kept_version version = {0};
    showing s = {.home = home,
                 .ask = ask,
                 .version = &version,
                 .features = json_object(),
                 .groups = json_array()};
    tm_status st = tm__registry_open_read(home, &registry, err);
    st = st == TM_OK ? tm__kept_read_one(registry, ask->model, &version, err) : st;
    st = st == TM_OK ? open_reader(home, &s.reader, err) : st;
    st = st == TM_OK ? show_version(&s, err) : st;
    tm__online_reader_free(s.reader);
    tm__online_asker_free(s.asker);
    tm__registry_close(registry);
    if (st == TM_OK) {
        *out = json_pack("{s:s, s:i, s:o, s:o, s:O, s:O}", "model", version.model, "version",
                         (int)version.version, "at", time_or_null(ask->moment_us), "lag_seconds",
                         tm__json_number((double)s.lag_us / 1e6), "features", s.features, "groups",
                         s.groups);
        st = tm__json_check(err);
    }
    tm__kept_version_done(&version);
    json_decref(s.features);
    json_decref(s.groups);
    return st;
}
