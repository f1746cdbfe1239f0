/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source is declared to be, and how the home differs from it.
 *
 *   declaration ──┬─ fixed: feed, what it reads, keys ── differs ──> TM_E_CONFLICT
 *                 ├─ free: schedule, policies, ...    ── differs ──> spec
 *                 └─ columns: types, rules            ── differs ──> next version of the columns
 *
 * Members of a spec that no declaration can say are left as they are.
 */
#include "source/declare.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "guard/guard.h"
#include "source/consent.h"
#include "source/expect.h"
#include "source/feed.h"
#include "source/intake_blank.h"
#include "source/intake_priv.h"
#include "source/strict.h"

const char *const tm__column_types[] = {"bool", "int", "float", "text", "date", "time", NULL};
const char *const tm__column_roles[] = {"target", "time",      "entity", "weight",
                                        "group",  "sensitive", NULL};

/* Members that say how a source is read, and may change; NULL ends. */
static const struct {
    const char *member, *name, *unit;
} free_members[] = {
    {"every_s", "every", " s"},
    {"settle_s", "settle", " s"},
    {"changed", "changed", ""},
    {"target", "target", ""},
    {"cache_bytes", "cache", " bytes"},
    {"credentials", "credentials", ""},
    {"retention_s", "retention", " s"},
    {"purpose", "purpose", ""},
    {"personal", "personal", ""},
    {"max_bytes", "max_bytes", " bytes"},
    {"quarantine_rows", "quarantine_rows", ""},
    {"quarantine_bytes", "quarantine_bytes", " bytes"},
};
#define N_FREE (sizeof(free_members) / sizeof(free_members[0]))

/* Members that say what is read. */
static const char *const fixed_members[] = {"query", "cursor", "no_header", "options"};
#define N_FIXED (sizeof(fixed_members) / sizeof(fixed_members[0]))

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Checking ---- */

static bool is_word_of(const char *const *words, const char *word, uint32_t *out_n) {
    bool is_there = false;
    *out_n = 0;
    for (; words[*out_n] != NULL; (*out_n)++) {
        is_there = is_there || strcmp(words[*out_n], word) == 0;
    }
    return is_there;
}

static tm_status check_word(const char *const *words, const char *what, const char *column,
                            const char *word, tm_err *err) {
    uint32_t n = 0;
    if (is_word_of(words, word, &n)) {
        return TM_OK;
    }
    const char *near = tm__str_nearest(tm__str(word), words, n);
    (void)TM_FAIL(err, TM_E_USAGE, "column '%s' has no %s '%s'", column, what, word);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "%s",
                    words == tm__column_types
                        ? "Types are bool, int, float, text, date and time."
                        : "Roles are target, time, entity, weight, group and sensitive.");
    }
    return TM_E_USAGE;
}

/* Of "mask:admin,operator". */
static tm_status check_roles(const char *name, const char *policy, tm_err *err) {
    char role[TM_PRIVACY_TEXT];
    const char *rest = policy[4] == ':' ? policy + 5 : "admin";
    while (*rest != '\0') {
        const size_t n = strcspn(rest, ",");
        (void)tm__str_copy(role, sizeof(role), (tm_str){rest, n});
        if (tm__guard_role_from_text(role) == TM_GUARD_NOBODY) {
            (void)TM_FAIL(err, TM_E_USAGE, "column '%s' is shown to '%s', which is no role", name,
                          role);
            tm_err_hint(err, "Roles are client, viewer, analyst, trainer, deployer, operator, "
                             "auditor and admin.");
            return TM_E_USAGE;
        }
        rest += n + (rest[n] == ',' ? 1 : 0);
    }
    return TM_OK;
}

static tm_status check_policy(const char *name, const json_t *column, tm_err *err) {
    const char *const type = tm__json_text(column, "type", NULL);
    const char *const text = tm__json_text(column, "policy", NULL);
    tm_privacy privacy;
    if (text == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__privacy_parse(name, text, type == NULL ? TM_TYPE_NONE : tm__type_from_text(type),
                             &privacy, err));
    TM_TRY(privacy.kind == TM_PRIVACY_MASK ? check_roles(name, text, err) : TM_OK);
    if (privacy.kind == TM_PRIVACY_DROP && json_is_true(json_object_get(column, "required"))) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "column '%s' is dropped and required", name);
        tm_err_hint(err, "Leave out one of both.");
        return st;
    }
    return TM_OK;
}

static tm_status check_column(const json_t *spec, const char *name, const json_t *column,
                              tm_err *err) {
    const char *type = tm__json_text(column, "type", NULL);
    const char *role = tm__json_text(column, "role", NULL);
    const char *target = tm__json_text(spec, "target", NULL);
    if (name[0] == '\0' || strlen(name) > TM_MAX_COLUMN_NAME) {
        return TM_FAIL(err, TM_E_USAGE, "a column has a name of 1 to %u bytes", TM_MAX_COLUMN_NAME);
    }
    if (type != NULL) {
        TM_TRY(check_word(tm__column_types, "type", name, type, err));
    }
    if (role != NULL) {
        TM_TRY(check_word(tm__column_roles, "role", name, role, err));
    }
    TM_TRY(check_policy(name, column, err));
    if (role != NULL && strcmp(role, "target") == 0 &&
        (target == NULL || strcmp(target, name) != 0)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' and '%s' are both the target",
                                     target == NULL ? "nothing" : target, name);
        tm_err_hint(err, "One column is to be predicted: name it once.");
        return st;
    }
    if (role != NULL && strcmp(role, "target") == 0 &&
        json_is_true(json_object_get(column, "required"))) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the target '%s' cannot be required", name);
        tm_err_hint(err, "Rows to be scored come without it; training leaves out such rows.");
        return st;
    }
    return TM_OK;
}

static tm_status check_columns(const json_t *spec, tm_err *err) {
    const json_t *columns = json_object_get(spec, "columns");
    const char *name = NULL;
    json_t *column = NULL;
    if (json_object_size(columns) > TM_MAX_COLS) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u columns", TM_MAX_COLS);
    }
    json_object_foreach((json_t *)(uintptr_t)columns, name, column) {
        TM_TRY(check_column(spec, name, column, err));
    }
    return TM_OK;
}

static tm_status check_feed(const tm_intake_add *add, tm_err *err) {
    const bool is_push = strcmp(add->feed, "push") == 0;
    const tm_feed *feed = is_push ? NULL : tm__feed_find(add->feed);
    const char *feed_only[] = {"every_s", "changed", "query", "cursor", "settle_s"};
    if (!is_push && feed == NULL) {
        return TM_FAIL(err, TM_E_USAGE, "there is no kind of source '%s'", add->feed);
    }
    for (size_t i = 0; is_push && i < sizeof(feed_only) / sizeof(feed_only[0]); i++) {
        if (json_object_get(add->spec, feed_only[i]) != NULL) {
            const size_t len = strcspn(feed_only[i], "_");
            const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.*s' is for what is read, not pushed",
                                         (int)len, feed_only[i]);
            tm_err_hint(err, "Leave it out: pushed rows come when they come.");
            return st;
        }
    }
    return is_push ? TM_OK : feed->check(add->spec, add->n_keys > 0, err);
}

static tm_status check_keys(const tm_intake_add *add, tm_err *err) {
    for (uint32_t i = 0; i < add->n_keys; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(add->keys[i], add->keys[k]) == 0) {
                return TM_FAIL(err, TM_E_USAGE, "the key names column '%s' twice", add->keys[i]);
            }
        }
    }
    return TM_OK;
}

tm_status tm__intake_check_add(const tm_intake_add *add, tm_err *err) {
    TM_TRY(tm__intake_check_name(add, err));
    TM_TRY(check_keys(add, err));
    TM_TRY(tm__policy_check(json_object_get(add->spec, "policy"),
                            json_object_get(add->spec, "expect"), err));
    TM_TRY(tm__expect_check(json_object_get(add->spec, "expect"), NULL, err));
    TM_TRY(tm__consent_check(add->spec, err));
    TM_TRY(tm__strict_check(add->spec, add->keys, add->n_keys, err));
    TM_TRY(tm__blank_check(add->spec, add->keys, add->n_keys, err));
    return check_columns(add->spec, err);
}

tm_status tm__source_check(const tm_intake_add *add, tm_err *err) {
    TM_TRY(tm__intake_check_add(add, err));
    return check_feed(add, err);
}

/* ---- Columns ---- */

tm_status tm__source_declared_columns(const json_t *spec, bool has_rows, tm_intake_columns *columns,
                                      tm_intake_columns **out, tm_err *err) {
    const char *wider = tm__json_text(json_object_get(spec, "policy"),
                                      tm__change_names[TM_CHANGE_WIDER_TYPE], "quarantine");
    const tm_columns_declared declared = {.columns = json_object_get(spec, "columns"),
                                          .has_rows = has_rows,
                                          .may_be_wider = strcmp(wider, "quarantine") != 0};
    return tm__intake_columns_declare(columns, &declared, out, err);
}

/* ---- Comparing ---- */

static tm_status fixed(const tm_intake_add *add, const char *what, const char *hint, tm_err *err) {
    const tm_status st = TM_FAIL(
        err, TM_E_CONFLICT, "source '%s' is there, and not with the same '%s'", add->name, what);
    tm_err_hint(err, "%s", hint);
    return st;
}

/* The same words, or the same place from where both were declared. */
static tm_status same_place(const tm_source_row *source, const tm_intake_add *add, bool *out,
                            tm_err *err) {
    const char *a = tm__json_text(source->spec, add->feed, "");
    const char *b = tm__json_text(add->spec, add->feed, "");
    const bool is_path = strcmp(add->feed, "files") == 0 || strcmp(add->feed, "watch") == 0 ||
                         strcmp(add->feed, "sqlite") == 0;
    char *pa = is_path ? tm__feed_path(source->spec, a) : tm__mem_strdup(a);
    char *pb = is_path ? tm__feed_path(add->spec, b) : tm__mem_strdup(b);
    const bool has_both = pa != NULL && pb != NULL;
    *out = has_both && strcmp(pa, pb) == 0;
    tm__mem_free(pa);
    tm__mem_free(pb);
    return has_both ? TM_OK : no_memory(err);
}

static bool same_keys(const tm_source_row *source, const tm_intake_add *add) {
    bool is_same = json_array_size(source->keys) == add->n_keys;
    for (uint32_t i = 0; is_same && i < add->n_keys; i++) {
        is_same = strcmp(json_string_value(json_array_get(source->keys, i)), add->keys[i]) == 0;
    }
    return is_same;
}

/* What is read, and what tells rows apart. Where a database is reached may change: its file of
 * words is not what is read. */
static tm_status compare_fixed(const tm_source_row *source, const tm_intake_add *add, tm_err *err) {
    static const char *const other =
        "What a source reads cannot be changed: put the file back, or declare another source.";
    const bool is_server = strcmp(add->feed, "postgres") == 0 || strcmp(add->feed, "odbc") == 0;
    bool is_same = false;
    if (strcmp(source->feed, add->feed) != 0) {
        return fixed(add, "kind", other, err);
    }
    TM_TRY(same_place(source, add, &is_same, err));
    if (!is_same && !is_server) {
        return fixed(add, add->feed, other, err);
    }
    for (size_t i = 0; i < N_FIXED; i++) {
        if (json_equal(json_object_get(source->spec, fixed_members[i]),
                       json_object_get(add->spec, fixed_members[i])) == 0 &&
            (json_object_get(source->spec, fixed_members[i]) != NULL ||
             json_object_get(add->spec, fixed_members[i]) != NULL)) {
            return fixed(add, fixed_members[i], other, err);
        }
    }
    return same_keys(source, add)
               ? TM_OK
               : fixed(add, "key",
                       "Rows were told apart by it: put the file back, or declare another source.",
                       err);
}

/* A JSON value as a word; NULL is "none". */
static const char *word_of(const json_t *value, const char *unit, char out[32]) {
    if (json_is_integer(value)) {
        (void)snprintf(out, 32, "%lld%s", (long long)json_integer_value(value), unit);
        return out;
    }
    return json_is_string(value) ? json_string_value(value) : "none";
}

static void note(json_t *changes, const char *name, const char *unit, const json_t *now,
                 const json_t *before) {
    char a[32], b[32];
    if (now == before || (now != NULL && before != NULL && json_equal(now, before) != 0)) {
        return;
    }
    json_array_append_new(changes, json_sprintf("%s: %s instead of %s", name, word_of(now, unit, a),
                                                word_of(before, unit, b)));
}

/* Rules that are new, others, or gone. */
static void note_rules(json_t *changes, const json_t *now, const json_t *before) {
    const char *rule = NULL;
    json_t *sql = NULL;
    char name[80];
    json_object_foreach((json_t *)(uintptr_t)now, rule, sql) {
        (void)snprintf(name, sizeof(name), "expect %s", rule);
        note(changes, name, "", sql, json_object_get(before, rule));
    }
    json_object_foreach((json_t *)(uintptr_t)before, rule, sql) {
        (void)snprintf(name, sizeof(name), "expect %s", rule);
        if (json_object_get(now, rule) == NULL) {
            note(changes, name, "", NULL, sql);
        }
    }
}

static const char *consent_column(const json_t *spec) {
    return tm__json_text(json_object_get(spec, "consent"), "column", "none");
}

static void note_consent(json_t *changes, const json_t *now, const json_t *before) {
    const json_t *const is = json_object_get(now, "consent");
    const json_t *const was = json_object_get(before, "consent");
    if (is != was && (is == NULL || was == NULL || json_equal(is, was) == 0)) {
        json_array_append_new(changes, json_sprintf("consent: %s instead of %s",
                                                    consent_column(now), consent_column(before)));
    }
}

static void note_keeps(json_t *changes, const json_t *now, const json_t *before) {
    const char *column = NULL;
    json_t *is = NULL;
    char name[TM_MAX_COLUMN_NAME + 8];
    json_object_foreach((json_t *)(uintptr_t)now, column, is) {
        (void)snprintf(name, sizeof(name), "keep %s", column);
        note(changes, name, " s", json_object_get(is, "keep_s"),
             json_object_get(json_object_get(before, column), "keep_s"));
    }
    json_object_foreach((json_t *)(uintptr_t)before, column, is) {
        if (json_object_get(now, column) == NULL) {
            (void)snprintf(name, sizeof(name), "keep %s", column);
            note(changes, name, " s", NULL, json_object_get(is, "keep_s"));
        }
    }
}

static void compare_free(const json_t *before, const json_t *now, json_t *changes) {
    const json_t *const rules = json_object_get(now, "expect");
    const json_t *const old_rules = json_object_get(before, "expect");
    json_t *was = tm__policy_json(json_object_get(before, "policy"), old_rules);
    json_t *is = tm__policy_json(json_object_get(now, "policy"), rules);
    const char *kind = NULL;
    json_t *value = NULL;
    for (size_t i = 0; i < N_FREE; i++) {
        note(changes, free_members[i].name, free_members[i].unit,
             json_object_get(now, free_members[i].member),
             json_object_get(before, free_members[i].member));
    }
    json_object_foreach(is, kind, value) {
        char name[80];
        const bool is_new =
            json_object_get(rules, kind) != NULL && json_object_get(was, kind) == NULL;
        (void)snprintf(name, sizeof(name), "policy %s", kind);
        if (!is_new) {
            note(changes, name, "", value, json_object_get(was, kind));
        }
    }
    note_rules(changes, rules, old_rules);
    note_consent(changes, now, before);
    note_keeps(changes, json_object_get(now, "columns"), json_object_get(before, "columns"));
    json_decref(was);
    json_decref(is);
}

/* The spec after a declaration. New reference. */
static json_t *merged_spec(const tm_source_row *source, const tm_intake_add *add) {
    static const char *const others[] = {"policy", "expect", "columns", "declared", "consent"};
    json_t *spec = json_deep_copy(source->spec);
    for (size_t i = 0; i < N_FREE + sizeof(others) / sizeof(others[0]); i++) {
        const char *name = i < N_FREE ? free_members[i].member : others[i - N_FREE];
        json_t *value = json_object_get(add->spec, name);
        if (value == NULL) {
            json_object_del(spec, name);
        } else {
            json_object_set(spec, name, value);
        }
    }
    if (strcmp(add->feed, "postgres") == 0 || strcmp(add->feed, "odbc") == 0) {
        json_object_set(spec, add->feed, json_object_get(add->spec, add->feed));
        json_object_set(spec, "dir", json_object_get(add->spec, "dir"));
    }
    return spec;
}

static void note_columns(const tm_intake_columns *columns, json_t *changes) {
    size_t i = 0;
    const json_t *c = NULL;
    json_array_foreach(columns->changes, i, c) {
        const char *role = tm__json_text(c, "role", NULL);
        const char *policy = tm__json_text(c, "policy", NULL);
        json_array_append_new(
            changes, json_sprintf("column %s: %s%s%s%s%s%s", tm__json_text(c, "column", ""),
                                  strcmp(tm__json_text(c, "kind", ""), "declared") == 0
                                      ? tm__json_text(c, "to", "")
                                      : "type as its values are",
                                  json_is_true(json_object_get(c, "required")) ? ", required" : "",
                                  role == NULL ? "" : ", role ", role == NULL ? "" : role,
                                  policy == NULL ? "" : ", policy ", policy == NULL ? "" : policy));
    }
}

/* Where the DSN of a database lies. */
static tm_status compare_server(const tm_source_row *source, const tm_intake_add *add,
                                json_t *changes, tm_err *err) {
    bool is_same = true;
    if (strcmp(add->feed, "postgres") == 0 || strcmp(add->feed, "odbc") == 0) {
        char *a = tm__feed_path(source->spec, tm__json_text(source->spec, add->feed, ""));
        char *b = tm__feed_path(add->spec, tm__json_text(add->spec, add->feed, ""));
        const bool has_both = a != NULL && b != NULL;
        is_same = has_both && strcmp(a, b) == 0;
        if (has_both && !is_same) {
            json_array_append_new(changes, json_sprintf("%s: %s instead of %s", add->feed, b, a));
        }
        tm__mem_free(a);
        tm__mem_free(b);
        return has_both ? TM_OK : no_memory(err);
    }
    return TM_OK;
}

/* *out_columns are those after it. */
static tm_status compare(tm_db *db, const tm_source_row *source, const tm_intake_add *add,
                         json_t *changes, tm_intake_columns **out_columns, tm_err *err) {
    tm_intake_columns *columns = NULL;
    TM_TRY(compare_fixed(source, add, err));
    TM_TRY(compare_server(source, add, changes, err));
    compare_free(source->spec, add->spec, changes);
    if (json_is_true(json_object_get(add->spec, "declared")) &&
        json_object_get(source->spec, "declared") == NULL) {
        json_array_append_new(changes, json_string("declared here from now on"));
    }
    TM_TRY(tm__intake_db_columns(db, source, &columns, err));
    tm_status st =
        tm__source_declared_columns(add->spec, source->n_accepted > 0, columns, out_columns, err);
    if (st == TM_OK && (*out_columns)->version > 0) {
        st = tm__expect_check(json_object_get(add->spec, "expect"), &(*out_columns)->schema, err);
    }
    if (st == TM_OK && *out_columns != columns) {
        note_columns(*out_columns, changes);
    }
    tm__intake_columns_unref(columns);
    return st;
}

tm_status tm__source_compare(const tm_home *home, const tm_intake_add *add, tm_source_change *out,
                             json_t **out_changes, tm_err *err) {
    tm_db *db = NULL;
    tm_source_row source = {0};
    tm_intake_columns *columns = NULL;
    json_t *changes = json_array();
    tm_err own = {0};
    tm_status st = tm__intake_db_open_there(home, false, &db, &own);
    st = st == TM_OK ? tm__intake_db_source(db, add->name, &source, &own) : st;
    if (st == TM_OK) {
        st = compare(db, &source, add, changes, &columns, &own);
        *out = strcmp(source.status, "adding") == 0 ? TM_SOURCE_UNFINISHED
               : json_array_size(changes) > 0       ? TM_SOURCE_CHANGED
                                                    : TM_SOURCE_SAME;
    } else if (st == TM_E_NOT_FOUND) {
        *out = TM_SOURCE_NEW;
        st = TM_OK;
    }
    st = st == TM_OK ? tm__json_check(&own) : st;
    tm__intake_columns_unref(columns);
    tm__source_row_done(&source);
    tm__db_close(db);
    if (st != TM_OK) {
        json_decref(changes);
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    *out_changes = changes;
    return TM_OK;
}

/* ---- Declaring ---- */

/* A source that is read gets its next time from its schedule of now. */
static tm_status reschedule_locked(tm_db *db, const tm_source_row *source, const json_t *spec,
                                   tm_err *err) {
    tm_stmt *stmt = NULL;
    const int64_t every_s = tm__json_i64(spec, "every_s", 0);
    if (every_s == tm__json_i64(source->spec, "every_s", 0) ||
        strcmp(source->status, "ready") != 0) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(db, "UPDATE sources SET next_us = ? WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, every_s > 0 ? tm__now_us() : 0);
    tm__stmt_bind_i64(stmt, 2, source->id);
    return tm__stmt_run_done(stmt, err);
}

static tm_status declare_locked(tm_db *db, const tm_source_row *source, const tm_intake_add *add,
                                tm_err *err) {
    tm_intake_columns *columns = NULL;
    json_t *changes = json_array();
    json_t *spec = merged_spec(source, add);
    tm_status st = compare(db, source, add, changes, &columns, err);
    const bool is_new = st == TM_OK && json_array_size(columns->changes) > 0;
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st == TM_OK) {
        st = tm__intake_set_spec_locked(db, source->id, spec, err);
    }
    st = st == TM_OK ? reschedule_locked(db, source, spec, err) : st;
    if (st == TM_OK && is_new) {
        st = tm__intake_db_add_columns_locked(db, source->id, columns, err);
    }
    tm__intake_columns_unref(columns);
    json_decref(changes);
    json_decref(spec);
    return st;
}

tm_status tm__source_declare(const tm_home *home, const tm_intake_add *add, tm_err *err) {
    tm_db *db = NULL;
    tm_source_row source = {0};
    TM_TRY(tm__source_check(add, err));
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    tm_status st = tm__db_begin(db, err);
    if (st == TM_OK) {
        st = tm__intake_db_source(db, add->name, &source, err);
        st = st == TM_OK ? declare_locked(db, &source, add, err) : st;
        st = tm__db_end(db, st, err);
    }
    tm__source_row_done(&source);
    tm__db_close(db);
    return st;
}
