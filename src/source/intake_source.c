/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: added, removed, what is known of them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/declare.h"
#include "source/expect.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "store/db_list.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Adding and removing ---- */

static tm_status first_columns(const tm_intake_add *add, tm_intake_columns **out, tm_err *err) {
    tm_schema schema = {0};
    if (add->like != NULL) {
        TM_TRY(tm__schema_from_table(add->like, &schema, err));
    }
    tm_intake_columns *found = NULL;
    tm_status st = tm__intake_columns_create(&schema, add->keys, add->n_keys, &found, err);
    tm__schema_done(&schema);
    st = st == TM_OK ? tm__source_declared_columns(add->spec, false, found, out, err) : st;
    if (st == TM_OK) {
        (*out)->version = add->like != NULL || *out != found ? 1 : 0;
    }
    tm__intake_columns_unref(found);
    return st;
}

tm_status tm__intake_check_name(const tm_intake_add *add, tm_err *err) {
    const size_t len = strlen(add->name);
    bool is_good = len > 0 && len <= TM_MAX_NAME && add->name[0] != '.' && add->n_keys <= 64;
    for (size_t i = 0; i < len; i++) {
        const char c = add->name[i];
        is_good = is_good && (tm__is_alnum(c) || c == '_' || c == '-' || c == '.');
    }
    if (!is_good) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' is no name for a source", add->name);
        tm_err_hint(err, "Use letters, digits, '_', '-' and dots, and at most 64 keys.");
        return st;
    }
    return TM_OK;
}

static tm_status add_locked(tm_db *db, const tm_intake_add *add, const tm_intake_columns *columns,
                            tm_err *err) {
    int64_t id = 0;
    TM_TRY(tm__intake_db_add_source_locked(db, add, &id, err));
    return tm__intake_db_add_columns_locked(db, id, columns, err);
}

tm_status tm__intake_add(const tm_home *home, const tm_intake_add *add, tm_err *err) {
    tm_db *db = NULL;
    tm_intake_columns *columns = NULL;
    const json_t *const expect = json_object_get(add->spec, "expect");
    TM_TRY(tm__intake_check_add(add, err));
    TM_TRY(first_columns(add, &columns, err));
    tm_status st = tm__expect_check(expect, columns->version > 0 ? &columns->schema : NULL, err);
    if (st == TM_OK) {
        st = tm__intake_db_open(home, true, &db, err);
    }
    if (st == TM_OK) {
        st = tm__db_begin(db, err);
    }
    if (st == TM_OK) {
        st = tm__db_end(db, add_locked(db, add, columns, err), err);
    }
    tm__intake_columns_unref(columns);
    tm__db_close(db);
    return st;
}

/* Rows of all tables that name a source; its files are nobody's then. */
static tm_status remove_locked(tm_db *db, const char *name, tm_err *err) {
    static const char *const tables[] = {"columns",  "batches",  "keys",       "runs",
                                         "pushes",   "segments", "quarantine", "anomalies",
                                         "profiles", "taken"};
    tm_source_row source = {0};
    TM_TRY(tm__intake_db_source(db, name, &source, err));
    const int64_t id = source.id;
    tm__source_row_done(&source);
    for (size_t i = 0; i <= sizeof(tables) / sizeof(tables[0]); i++) {
        char sql[96];
        tm_stmt *stmt = NULL;
        if (i < sizeof(tables) / sizeof(tables[0])) {
            (void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE source = ?", tables[i]);
        } else {
            (void)snprintf(sql, sizeof(sql), "DELETE FROM sources WHERE id = ?");
        }
        TM_TRY(tm__stmt_init(db, sql, &stmt, err));
        tm__stmt_bind_i64(stmt, 1, id);
        const tm_status st = tm__stmt_run_done(stmt, err);
        TM_TRY(st);
    }
    return TM_OK;
}

tm_status tm__intake_remove(const tm_home *home, const char *name, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    tm_status st = tm__db_begin(db, err);
    if (st == TM_OK) {
        st = tm__db_end(db, remove_locked(db, name, err), err);
    }
    tm__db_close(db);
    return st;
}

/* ---- Setting ---- */

tm_status tm__intake_set_spec_locked(tm_db *db, int64_t id, const json_t *spec, tm_err *err) {
    tm_buf text;
    tm_stmt *stmt = NULL;
    tm__buf_init(&text, 1u << 20);
    tm_status st =
        tm__json_write(&text, spec, 0) && tm__buf_byte(&text, 0) ? TM_OK : no_memory(err);
    if (st == TM_OK) {
        st = tm__stmt_init(db, "UPDATE sources SET spec = ? WHERE id = ?", &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, (const char *)text.data);
        tm__stmt_bind_i64(stmt, 2, id);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__buf_done(&text);
    return st;
}

static void put_members(json_t *to, const json_t *from) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)from, name, value) {
        json_t *old = json_object_get(to, name);
        if (json_is_null(value)) {
            json_object_del(to, name);
        } else if (json_is_object(value) && json_is_object(old)) {
            put_members(old, value);
        } else {
            json_object_set(to, name, value);
        }
    }
}

/* Rules that are set now, against the columns of now. */
static tm_status check_rules(tm_db *db, const tm_source_row *source, const json_t *rules,
                             tm_err *err) {
    tm_intake_columns *columns = NULL;
    const char *name = NULL;
    json_t *rule = NULL;
    const json_t *const old = json_object_get(source->spec, "expect");
    TM_TRY(tm__intake_db_columns(db, source, &columns, err));
    tm_status st = tm__expect_check(rules, columns->version > 0 ? &columns->schema : NULL, err);
    tm__intake_columns_unref(columns);
    TM_TRY(st);
    json_object_foreach((json_t *)(uintptr_t)rules, name, rule) {
        if (json_is_null(rule) && json_object_get(old, name) == NULL) {
            st = TM_FAIL(err, TM_E_NOT_FOUND, "source '%s' has no rule '%s'", source->name, name);
            tm_err_hint(err, "'tidemill data show %s --json' lists them.", source->name);
            return st;
        }
    }
    return TM_OK;
}

/* What JSON null takes away where there was no object before, and the policies of these rules. */
static void drop_rules(json_t *spec, const json_t *rules) {
    const char *name = NULL;
    json_t *rule = NULL;
    json_object_foreach((json_t *)(uintptr_t)rules, name, rule) {
        if (json_is_null(rule)) {
            json_object_del(json_object_get(spec, "expect"), name);
            json_object_del(json_object_get(spec, "policy"), name);
        }
    }
}

static tm_status set_locked(tm_db *db, const tm_source_row *source, const json_t *members,
                            tm_err *err) {
    if (json_object_get(members, "changed") != NULL && strcmp(source->feed, "push") == 0) {
        return TM_FAIL(err, TM_E_USAGE, "source '%s' is pushed to: nothing that was read changes",
                       source->name);
    }
    const json_t *const set = json_object_get(members, "expect");
    json_t *spec = json_deep_copy(source->spec);
    tm_status st = set == NULL ? TM_OK : check_rules(db, source, set, err);
    if (st == TM_OK) {
        put_members(spec, members);
        drop_rules(spec, set);
        st = tm__json_check(err); /* a rule that was lost would be unknown */
    }
    if (st == TM_OK) {
        st = tm__policy_check(json_object_get(members, "policy"), json_object_get(spec, "expect"),
                              err);
    }
    if (st == TM_OK && json_object_size(json_object_get(spec, "expect")) > TM_EXPECT_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "a source has at most %u rules", TM_EXPECT_MAX);
        tm_err_hint(err, "Put several conditions into one rule with AND.");
    }
    if (st == TM_OK) {
        st = tm__json_check(err) == TM_OK ? tm__intake_set_spec_locked(db, source->id, spec, err)
                                          : no_memory(err);
    }
    json_decref(spec);
    return st;
}

/* What stopped it is the new normal, when that was a change. */
static tm_status take_change_locked(tm_db *db, const tm_source_row *source, tm_err *err) {
    json_t *history = NULL;
    const char *kind = tm__json_text(source->error, "kind", NULL);
    if (kind == NULL) {
        return TM_OK;
    }
    const char *column = tm__json_text(source->error, "column", "");
    const char *rule = tm__expect_reader(json_object_get(source->spec, "expect"), column);
    const bool is_gone = strcmp(kind, tm__change_names[TM_CHANGE_MISSING_COLUMN]) == 0 ||
                         strcmp(kind, tm__change_names[TM_CHANGE_RENAMED_COLUMN]) == 0;
    if (is_gone && rule != NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "rule '%s' reads column '%s', which is gone", rule, column);
        tm_err_hint(err,
                    "Change the rule ('tidemill data set %s --expect \"%s: ...\"') or remove it "
                    "(\"%s:\"), then resume.",
                    source->name, rule, rule);
        return st;
    }
    TM_TRY(tm__intake_db_history(db, source->id, &history, err));
    json_t *resumed = tm__history_resume(history, kind, tm__json_text(source->error, "column", ""));
    tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        st = tm__intake_db_set_history_locked(db, source->id, resumed, err);
    }
    json_decref(history);
    json_decref(resumed);
    return st;
}

static tm_status set_status_locked(tm_db *db, const tm_source_row *source, const char *status,
                                   int64_t next_us, tm_err *err) {
    json_t *none = json_null();
    const bool is_paused = strcmp(status, "paused") == 0;
    const tm_intake_outcome outcome = {.status = status,
                                       .error = is_paused ? source->error : none,
                                       .tried_us = source->tried_us,
                                       .pulled_us = source->pulled_us,
                                       .next_us = next_us,
                                       .n_failures = is_paused ? source->n_failures : 0};
    return tm__intake_db_set_outcome_locked(db, source->id, &outcome, err);
}

static tm_status resume_locked(tm_db *db, const tm_source_row *source, const json_t *ignored,
                               tm_err *err) {
    const int64_t every_s = tm__json_i64(source->spec, "every_s", 0);
    (void)ignored;
    if (strcmp(source->status, "stopped") != 0 && strcmp(source->status, "paused") != 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "source '%s' is neither stopped nor paused", source->name);
        tm_err_hint(err, "'tidemill data show %s' says how it is.", source->name);
        return st;
    }
    if (strcmp(source->status, "stopped") == 0) {
        TM_TRY(take_change_locked(db, source, err));
    }
    return set_status_locked(db, source, "ready", every_s > 0 ? tm__now_us() : 0, err);
}

static tm_status pause_locked(tm_db *db, const tm_source_row *source, const json_t *ignored,
                              tm_err *err) {
    (void)ignored;
    if (strcmp(source->status, "stopped") == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "source '%s' is stopped already", source->name);
        tm_err_hint(err, "Nothing comes into it until 'tidemill data resume %s'.", source->name);
        return st;
    }
    if (strcmp(source->status, "adding") == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "source '%s' is being added", source->name);
        tm_err_hint(err, "Wait until its rows are read, or read on with 'tidemill data pull %s'.",
                    source->name);
        return st;
    }
    return set_status_locked(db, source, "paused", 0, err);
}

tm_status tm__intake_stands_still(const tm_source_row *source, tm_err *err) {
    if (strcmp(source->status, "paused") == 0) {
        const tm_status st = TM_FAIL(err, TM_E_UNAVAILABLE, "source '%s' is paused", source->name);
        tm_err_hint(err, "'tidemill data resume %s' lets it go on.", source->name);
        return st;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "source '%s' is stopped: %s", source->name,
                                 tm__json_text(source->error, "message", ""));
    tm__stopped_hint(source->name, tm__json_text(source->error, "kind", ""), err);
    return st;
}

static tm_status change(const tm_home *home, const char *name, const json_t *members,
                        tm_status (*how)(tm_db *db, const tm_source_row *source,
                                         const json_t *members, tm_err *err),
                        tm_err *err) {
    tm_db *db = NULL;
    tm_source_row source = {0};
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    tm_status st = tm__db_begin(db, err);
    if (st == TM_OK) {
        st = tm__intake_db_source(db, name, &source, err);
        st = st == TM_OK ? how(db, &source, members, err) : st;
        st = tm__db_end(db, st, err);
    }
    tm__source_row_done(&source);
    tm__db_close(db);
    return st;
}

tm_status tm__intake_set(const tm_home *home, const char *name, const json_t *members,
                         tm_err *err) {
    return change(home, name, members, set_locked, err);
}

tm_status tm__intake_resume(const tm_home *home, const char *name, tm_err *err) {
    return change(home, name, NULL, resume_locked, err);
}

tm_status tm__intake_pause(const tm_home *home, const char *name, tm_err *err) {
    return change(home, name, NULL, pause_locked, err);
}

/* ---- What is known ---- */

/* One row of one number a column, as members of an object. */
static tm_status numbers(tm_db *db, const char *sql, int64_t source, int64_t out[2], tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    for (int i = 0; i < 2 && st == TM_OK; i++) {
        out[i] = has_row ? tm__stmt_i64(stmt, i) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

/* Of a stream with event times. */
static void show_event_time(json_t *out, const json_t *state) {
    const json_t *const late = json_object_get(state, "late");
    const json_t *const us = json_object_get(state, "watermark_us");
    if (late != NULL) {
        json_object_set(out, "late", (json_t *)(uintptr_t)late);
        json_object_set_new(out, "watermark",
                            !json_is_integer(us) ? json_null()
                                                 : tm__json_time(json_integer_value(us)));
    }
}

static tm_status source_json(tm_db *db, const tm_source_row *s, json_t **out, tm_err *err) {
    int64_t pending[2] = {0}, segments[2] = {0};
    json_t *bad = NULL;
    TM_TRY(numbers(db, "SELECT coalesce(sum(n_rows), 0), 0 FROM batches WHERE source = ?", s->id,
                   pending, err));
    TM_TRY(numbers(db, "SELECT count(*), 0 FROM segments WHERE source = ?", s->id, segments, err));
    TM_TRY(tm__intake_db_last_bad(db, s->id, &bad, err));
    const int64_t lag_us = tm__now_us() - s->last_us;
    const json_t *from = json_object_get(s->spec, s->feed);
    *out = json_pack(
        "{s:s, s:s, s:s, s:O?, s:O, s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o,"
        " s:o, s:o, s:o, s:I, s:O}",
        "source", s->name, "kind", s->feed, "status", s->status, "from", from, "spec", s->spec,
        "key", s->keys, "rows", (json_int_t)(s->n_accepted - s->n_removed), "duplicates",
        (json_int_t)s->n_duplicates, "quarantined", (json_int_t)s->n_quarantined, "coerced",
        (json_int_t)s->n_coerced, "incomplete", (json_int_t)s->n_incomplete, "pending",
        (json_int_t)pending[0], "segments", (json_int_t)segments[0], "lag_seconds",
        s->last_us == 0 ? json_null() : tm__json_number((double)(lag_us < 0 ? 0 : lag_us) * 1e-6),
        "last_row_at", tm__json_time_or_null(s->last_us), "created_at",
        tm__json_time_or_null(s->created_us), "pulled_at", tm__json_time_or_null(s->pulled_us),
        "next_at", tm__json_time_or_null(s->next_us), "failures", (json_int_t)s->n_failures,
        "error", s->error);
    json_object_set_new(*out, "last_error", bad);
    json_object_set_new(*out, "dropped", json_integer((json_int_t)s->n_dropped));
    const json_t *const expect = json_object_get(s->spec, "expect");
    json_object_set_new(*out, "policy",
                        tm__policy_json(json_object_get(s->spec, "policy"), expect));
    json_object_set_new(*out, "expect", expect == NULL ? json_object() : json_deep_copy(expect));
    if (strcmp(s->feed, "kafka") == 0) {
        json_object_set(*out, "messages", s->state);
        show_event_time(*out, s->state);
    }
    json_object_set_new(*out, "accepted", json_integer((json_int_t)s->n_accepted));
    json_object_set_new(*out, "removed", json_integer((json_int_t)s->n_removed));
    return tm__json_check(err);
}

/* Versions of the columns after the first, with what changed. */
static tm_status changes_json(tm_db *db, int64_t source, json_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT version, at_us, changes FROM columns WHERE source = ?"
                         " ORDER BY version DESC LIMIT 100",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        json_t *changes = NULL;
        const char *text = tm__stmt_text(stmt, 2);
        st = text == NULL ? no_memory(err)
                          : tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &changes, err);
        if (st == TM_OK) {
            json_array_append_new(out, json_pack("{s:I, s:o, s:o}", "version",
                                                 (json_int_t)tm__stmt_i64(stmt, 0), "at",
                                                 tm__json_time_or_null(tm__stmt_i64(stmt, 1)),
                                                 "changes", changes));
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status anomalies_json(tm_db *db, int64_t source, json_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT kind, col, n, first_us, last_us, detail FROM anomalies"
                         " WHERE source = ? ORDER BY last_us DESC, kind, col",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        json_array_append_new(out,
                              json_pack("{s:s, s:s, s:I, s:o, s:o, s:s}", "kind",
                                        tm__stmt_text(stmt, 0), "column", tm__stmt_text(stmt, 1),
                                        "count", (json_int_t)tm__stmt_i64(stmt, 2), "first_at",
                                        tm__json_time_or_null(tm__stmt_i64(stmt, 3)), "last_at",
                                        tm__json_time_or_null(tm__stmt_i64(stmt, 4)), "detail",
                                        tm__stmt_text(stmt, 5)));
    }
    tm__stmt_done(stmt);
    return st;
}

/* What a source may hold, for how long, and what was removed. */
static tm_status limits_json(tm_db *db, const tm_source_row *s, json_t *out, tm_err *err) {
    tm_removable what = {0};
    uint64_t n_bytes = 0;
    TM_TRY(tm__intake_db_removable(db, s, &what, err));
    TM_TRY(tm__intake_db_bytes(db, s->id, &n_bytes, err));
    const int64_t retention_s = tm__json_i64(s->spec, "retention_s", 0);
    const int64_t bytes_max = tm__json_i64(s->spec, "max_bytes", 0);
    json_t *limits = json_pack(
        "{s:s?, s:I, s:o, s:o, s:I, s:o, s:o, s:I, s:I}", "purpose",
        tm__json_text(s->spec, "purpose", NULL), "bytes", (json_int_t)n_bytes, "max_bytes",
        bytes_max > 0 ? json_integer(bytes_max) : json_null(), "retention_seconds",
        retention_s > 0 ? json_integer(retention_s) : json_null(), "removed_bytes",
        (json_int_t)s->removed_bytes, "removed_at", tm__json_time_or_null(s->removed_us), "held_by",
        what.held_by[0] != '\0' ? json_string(what.held_by) : json_null(), "held_segments",
        (json_int_t)what.n_held, "due_segments", (json_int_t)what.n_segments);
    json_object_update(out, limits);
    json_decref(limits);
    return TM_OK;
}

tm_status tm__intake_show(const tm_home *home, const char *name, json_t **out, tm_err *err) {
    tm_intake_place p = {0};
    json_t *json = NULL;
    TM_TRY(tm__intake_place_open(home, name, &p, err));
    tm_status st = source_json(p.db, &p.source, &json, err);
    if (st == TM_OK) {
        json_t *columns = tm__intake_columns_to_json(p.columns);
        json_t *changes = json_array();
        json_object_set_new(json, "version", json_integer(p.columns->version));
        json_object_update(json, columns);
        json_object_set_new(json, "changes", changes);
        json_decref(columns);
        st = changes_json(p.db, p.source.id, changes, err);
    }
    if (st == TM_OK) {
        json_t *anomalies = json_array();
        json_object_set_new(json, "anomalies", anomalies);
        st = anomalies_json(p.db, p.source.id, anomalies, err);
    }
    if (st == TM_OK) {
        st = limits_json(p.db, &p.source, json, err);
    }
    if (st == TM_OK) {
        st = tm__json_check(err);
    }
    tm__intake_place_done(&p);
    return tm__json_give(st, json, out, err);
}

static tm_status list_names(tm_db *db, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT name FROM sources ORDER BY name", &stmt, err));
    return tm__stmt_list(stmt, tm__stmt_name, out, err);
}

tm_status tm__intake_list(const tm_home *home, json_t **out, tm_err *err) {
    tm_db *db = NULL;
    json_t *list = json_array(), *names = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    tm_status st = TM_OK;
    if (tm__fs_info(tm__home_intake_db(home)).kind != TM_PATH_NONE) {
        st = tm__intake_db_open(home, false, &db, err);
        if (st == TM_OK) {
            st = list_names(db, &names, err);
        }
    }
    json_array_foreach(names, i, name) {
        tm_source_row row = {0};
        json_t *json = NULL;
        st = st == TM_OK ? tm__intake_db_source(db, json_string_value(name), &row, err) : st;
        st = st == TM_OK ? source_json(db, &row, &json, err) : st;
        tm__source_row_done(&row);
        if (st == TM_OK) {
            json_array_append_new(list, json);
        } else {
            json_decref(json);
        }
    }
    st = st == TM_OK ? tm__json_check(err) : st;
    tm__db_close(db);
    json_decref(names);
    return tm__json_give(st, list, out, err);
}
