/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the table for each day, kind and name. A report reads a version's rows once, those of
 * a name beside one another; rows that were read come first (of the kind that is asked for last),
 * so that shares are known when names come.
 */
#include "monitor/field_days.h"

#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"

static int64_t day_of(int64_t us) {
    const int64_t rest = us % TM_DAY_US;
    return us - (rest < 0 ? rest + TM_DAY_US : rest);
}

static void bind(tm_stmt *stmt, const tm_drift_window_key *key) {
    tm__stmt_bind_text(stmt, 1, key->model);
    tm__stmt_bind_i64(stmt, 2, key->version);
}

/* ---- add ---- */

/* Whether a day has room for a name that is not known, or has it. */
static tm_status has_room(tm_db *db, const tm_field_add *add, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(
        tm__stmt_init(db,
                      "SELECT CASE WHEN count(*) < ?6 OR count(CASE WHEN name = ?5 THEN 1 END) > 0"
                      " THEN 1 ELSE 0 END FROM fields"
                      " WHERE model = ?1 AND version = ?2 AND at_us = ?3 AND kind = ?4",
                      &stmt, err));
    bind(stmt, &add->key);
    tm__stmt_bind_i64(stmt, 3, day_of(add->at_us));
    tm__stmt_bind_i64(stmt, 4, add->kind);
    tm__stmt_bind_text(stmt, 5, add->name);
    tm__stmt_bind_i64(stmt, 6, TM_FIELD_NAMES);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row && tm__stmt_i64(stmt, 0) != 0;
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__field_days_add_locked(tm_drift_store *store, const tm_field_add *add, tm_err *err) {
    tm_db *const db = tm__drift_store_db(store);
    tm_stmt *stmt = NULL;
    bool keeps_name = true;
    if (add->kind == TM_FIELD_UNKNOWN) {
        TM_TRY(has_room(db, add, &keeps_name, err));
    }
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO fields(model, version, at_us, kind, name, n)"
                         " VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(model, version, at_us,"
                         " kind, name) DO UPDATE SET n = fields.n + excluded.n",
                         &stmt, err));
    bind(stmt, &add->key);
    tm__stmt_bind_i64(stmt, 3, day_of(add->at_us));
    tm__stmt_bind_i64(stmt, 4, add->kind);
    tm__stmt_bind_text(stmt, 5, keeps_name ? add->name : "");
    tm__stmt_bind_i64(stmt, 6, (int64_t)add->n);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__field_days_drop_locked(tm_drift_store *store, const tm_drift_window_key *key,
                                     tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(tm__drift_store_db(store),
                         "DELETE FROM fields WHERE model = ?1 AND version = ?2 AND at_us <="
                         " (SELECT at_us FROM fields WHERE model = ?1 AND version = ?2"
                         " AND kind = 4 ORDER BY at_us DESC LIMIT 1 OFFSET ?3)",
                         &stmt, err));
    bind(stmt, key);
    tm__stmt_bind_i64(stmt, 3, TM_FIELD_DAYS);
    return tm__stmt_run_done(stmt, err);
}

/* ---- report ---- */

typedef struct reading {
    int64_t newest_us; /* day; INT64_MIN: nothing is kept */
    double rows_before, rows_now;
} reading;

static tm_status read_rows(tm_db *db, const tm_drift_window_key *key, reading *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = (reading){.newest_us = INT64_MIN};
    TM_TRY(tm__stmt_init(db,
                         "SELECT at_us, n FROM fields WHERE model = ? AND version = ?"
                         " AND kind = 4 ORDER BY at_us",
                         &stmt, err));
    bind(stmt, key);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    for (; st == TM_OK && has_row; st = tm__stmt_step(stmt, &has_row, err)) {
        out->rows_before += out->rows_now;
        out->rows_now = tm__stmt_f64(stmt, 1);
        out->newest_us = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static json_t *day_to_json(int64_t us) {
    char text[48];
    text[tm__date_to_text(us, text)] = '\0';
    return json_string(text);
}

static json_t *share(double n, double rows) {
    return rows > 0 ? tm__json_number(n / rows) : json_null();
}

static json_t *entry(tm_stmt *s, const reading *r) {
    static const char *const states[] = {"refused",   "absent", "unknown",
                                         "converted", "",       "renamed"};
    const char *const name = tm__stmt_text(s, 1);
    const double now = tm__stmt_f64(s, 5), all = tm__stmt_f64(s, 2);
    const int64_t kind = tm__stmt_i64(s, 0);
    return json_pack("{s:o, s:s, s:I, s:o, s:o, s:o, s:o}", "field",
                     name[0] == '\0' ? json_null() : json_string(name), "state",
                     states[kind >= 0 && kind < TM_FIELD_KINDS ? kind : TM_FIELD_UNKNOWN], "times",
                     (json_int_t)tm__stmt_i64(s, 2), "since", day_to_json(tm__stmt_i64(s, 3)),
                     "last", day_to_json(tm__stmt_i64(s, 4)), "was",
                     share(all - now, r->rows_before), "is", share(now, r->rows_now));
}

static tm_status read_all(tm_db *db, const tm_drift_window_key *key, json_t *list, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    reading r;
    TM_TRY(read_rows(db, key, &r, err));
    TM_TRY(tm__stmt_init(db,
                         "SELECT kind, name, sum(n), min(at_us), max(at_us),"
                         " sum(CASE WHEN at_us = ?3 THEN n ELSE 0 END) FROM fields"
                         " WHERE model = ?1 AND version = ?2 AND kind != 4 GROUP BY kind, name"
                         " ORDER BY kind, 3 DESC, name",
                         &stmt, err));
    bind(stmt, key);
    tm__stmt_bind_i64(stmt, 3, r.newest_us);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    for (; st == TM_OK && has_row; st = tm__stmt_step(stmt, &has_row, err)) {
        json_array_append_new(list, entry(stmt, &r));
    }
    tm__stmt_done(stmt);
    return st == TM_OK ? tm__json_check(err) : st;
}

tm_status tm__field_days_report(const tm_home *home, const tm_drift_window_key *key, json_t **out,
                                tm_err *err) {
    tm_drift_store *store = NULL;
    json_t *const list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a report")
                                : tm__drift_store_open(home, false, &store, err);
    if (st == TM_OK && store != NULL) {
        st = read_all(tm__drift_store_db(store), key, list, err);
    }
    tm__drift_store_close(store);
    return tm__json_give(st, list, out, err);
}

/* ---- price ---- */

/* What the expected loss of a row grows by without a column, in the units of the metric. */
static double worth_of(const tm_reference *reference, const tm_ref_column *column) {
    const double gap = reference->loss_constant - reference->loss;
    const double without = reference->loss + column->importance * (gap > 0 ? gap : 0);
    return reference->loss_kind == TM_REF_LOSS_LOG ? without - reference->loss
                                                   : tm__sqrt(without) - tm__sqrt(reference->loss);
}

void tm__field_days_price(const tm_bundle *bundle, json_t *fields) {
    const tm_reference *const reference = tm__bundle_reference(bundle);
    size_t i = 0;
    json_t *field = NULL;
    if (reference == NULL || reference->loss_kind == TM_REF_LOSS_NONE) {
        return;
    }
    json_array_foreach(fields, i, field) {
        const char *const name = tm__json_text(field, "field", "");
        const uint32_t at = tm__schema_find(tm__bundle_schema(bundle), tm__str(name));
        if (strcmp(tm__json_text(field, "state", ""), "absent") == 0 && at < reference->n_columns) {
            json_object_set_new(
                field, "worth",
                json_pack("{s:s, s:o}", "loss",
                          reference->loss_kind == TM_REF_LOSS_LOG ? "logloss" : "rmse", "value",
                          tm__json_number(worth_of(reference, &reference->columns[at]))));
        }
    }
}
