/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   raise ─ is there one of this key that is not resolved? ── no ──> row, deliveries "opened"
 *                                                          └─ yes ─> counted; told when a silence
 * is over move, sweep ─> state ── resolved ──> deliveries "resolved" to whom "opened" was told
 *
 * A delivery holds the text that it sends, so that what a receiver gets late is what was so then.
 */
#include "monitor/alert.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/db_list.h"

#define N_MAX_DEFAULT 1000u
#define BODY_BYTES_MAX (256u << 10)
#define FIRST_WAIT_US INT64_C(10000000) /* twice as long each time, up to six hours */
#define MOST_WAIT_US (6 * TM_HOUR_US)

const char *tm__alert_state_text(tm_alert_state state) {
    static const char *const names[TM_ALERT_STATES] = {"open", "acknowledged", "silenced",
                                                       "resolved"};
    return names[state];
}

#define COLUMNS                                                                                    \
    "id, model, version, kind, subject, severity, state, n, since_us, opened_us, last_us,"         \
    " ended_us, silent_until_us, actor, summary, detail"

static json_t *read_alert(tm_stmt *s) {
    json_t *detail = NULL;
    const tm_str text = tm__str(tm__stmt_text(s, 15));
    const int64_t state = tm__stmt_i64(s, 6);
    if (tm__json_parse(text.ptr, text.len, 32, &detail, NULL) != TM_OK) {
        detail = json_null();
    }
    return json_pack(
        "{s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o}", "id",
        (json_int_t)tm__stmt_i64(s, 0), "model", tm__stmt_text(s, 1), "version",
        (json_int_t)tm__stmt_i64(s, 2), "kind", tm__stmt_text(s, 3), "subject", tm__stmt_text(s, 4),
        "severity", tm__stmt_text(s, 5), "state",
        tm__alert_state_text(state >= 0 && state < TM_ALERT_STATES ? (tm_alert_state)state
                                                                   : TM_ALERT_OPEN),
        "times", (json_int_t)tm__stmt_i64(s, 7), "since", tm__json_time_or_null(tm__stmt_i64(s, 8)),
        "opened", tm__json_time_or_null(tm__stmt_i64(s, 9)), "last",
        tm__json_time_or_null(tm__stmt_i64(s, 10)), "resolved",
        tm__json_time_or_null(tm__stmt_i64(s, 11)), "silent_until",
        tm__json_time_or_null(tm__stmt_i64(s, 12)), "by", tm__stmt_text(s, 13), "summary",
        tm__stmt_text(s, 14), "detail", detail);
}

/* ---- find ---- */

typedef struct found {
    int64_t id; /* 0: none */
    tm_alert_state state;
    int64_t silent_until_us;
} found;

static bool make_key(const tm_alert_raise *raise, tm_buf *out) {
    tm__buf_init(out, 4096);
    tm__buf_text(out, raise->model);
    tm__buf_u8(out, 31);
    tm__buf_text(out, raise->kind);
    tm__buf_u8(out, 31);
    return tm__buf_text(out, raise->subject);
}

static tm_status find_open(tm_db *db, const tm_buf *key, found *out, tm_err *err) {
    tm_stmt *s = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT id, state, silent_until_us FROM alerts WHERE key = ?"
                         " AND state < 3 ORDER BY id DESC LIMIT 1",
                         &s, err));
    tm__stmt_bind_str(s, 1, (tm_str){(const char *)key->data, key->len});
    const tm_status st = tm__stmt_step(s, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = (found){tm__stmt_i64(s, 0), (tm_alert_state)tm__stmt_i64(s, 1), tm__stmt_i64(s, 2)};
    }
    tm__stmt_done(s);
    return st;
}

/* ---- deliveries ---- */

static tm_status body_of(tm_db *db, int64_t id, const char *event, tm_buf *out, tm_err *err) {
    tm_stmt *s = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT " COLUMNS " FROM alerts WHERE id = ?", &s, err));
    tm__stmt_bind_i64(s, 1, id);
    tm_status st = tm__stmt_step(s, &has_row, err);
    if (st == TM_OK && has_row) {
        json_t *body = json_pack("{s:s, s:s, s:o}", "schema", "tidemill.alert/1", "event", event,
                                 "alert", read_alert(s));
        st = tm__json_write(out, body, TM_JSON_SORTED)
                 ? TM_OK
                 : TM_FAIL(err, TM_E_NOMEM, "no memory for an alert");
        json_decref(body);
    }
    tm__stmt_done(s);
    return st;
}

static tm_status put_delivery(tm_db *db, int64_t id, const char *receiver, const char *event,
                              const tm_buf *body, int64_t now_us, tm_err *err) {
    tm_stmt *s = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO deliveries(alert, receiver, event, body, at_us, next_us,"
                         " n_tries, state, error) VALUES(?, ?, ?, ?, ?, ?, 0, 0, '')",
                         &s, err));
    tm__stmt_bind_i64(s, 1, id);
    tm__stmt_bind_text(s, 2, receiver);
    tm__stmt_bind_text(s, 3, event);
    tm__stmt_bind_str(s, 4, (tm_str){(const char *)body->data, body->len});
    tm__stmt_bind_i64(s, 5, now_us);
    tm__stmt_bind_i64(s, 6, now_us);
    return tm__stmt_run_done(s, err);
}

static tm_status tell(tm_db *db, int64_t id, const tm_alert_raise *raise, tm_err *err) {
    tm_buf body;
    tm__buf_init(&body, BODY_BYTES_MAX);
    tm_status st = raise->n_receivers > 0 ? body_of(db, id, "opened", &body, err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < raise->n_receivers; i++) {
        st = put_delivery(db, id, raise->receivers[i], "opened", &body, raise->at_us, err);
    }
    tm__buf_done(&body);
    return st;
}

/* The end is told to those who heard of the beginning. */
static tm_status tell_end(tm_db *db, int64_t id, int64_t now_us, tm_err *err) {
    tm_buf body;
    tm_stmt *s = NULL;
    tm__buf_init(&body, BODY_BYTES_MAX);
    tm_status st = body_of(db, id, "resolved", &body, err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "INSERT INTO deliveries(alert, receiver, event, body, at_us, next_us,"
                           " n_tries, state, error) SELECT DISTINCT alert, receiver, 'resolved',"
                           " ?2, ?3, ?3, 0, 0, '' FROM deliveries WHERE alert = ?1",
                           &s, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(s, 1, id);
        tm__stmt_bind_str(s, 2, (tm_str){(const char *)body.data, body.len});
        tm__stmt_bind_i64(s, 3, now_us);
        st = tm__stmt_run_done(s, err);
    }
    tm__buf_done(&body);
    return st;
}

/* ---- raise ---- */

static tm_status insert(tm_db *db, const tm_alert_raise *raise, const tm_buf *key,
                        const tm_buf *detail, tm_err *err) {
    tm_stmt *s = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO alerts(key, model, version, kind, subject, severity, state,"
                         " n, since_us, opened_us, last_us, ended_us, silent_until_us, actor,"
                         " summary, detail) VALUES(?, ?, ?, ?, ?, ?, 0, 1, ?, ?8, ?8, 0, 0, '',"
                         " ?9, ?10)",
                         &s, err));
    tm__stmt_bind_str(s, 1, (tm_str){(const char *)key->data, key->len});
    tm__stmt_bind_text(s, 2, raise->model);
    tm__stmt_bind_i64(s, 3, raise->version);
    tm__stmt_bind_text(s, 4, raise->kind);
    tm__stmt_bind_text(s, 5, raise->subject);
    tm__stmt_bind_text(s, 6, raise->is_critical ? "critical" : "warning");
    tm__stmt_bind_i64(s, 7, raise->since_us);
    tm__stmt_bind_i64(s, 8, raise->at_us);
    tm__stmt_bind_text(s, 9, raise->summary);
    tm__stmt_bind_str(s, 10, (tm_str){(const char *)detail->data, detail->len});
    return tm__stmt_run_done(s, err);
}

static tm_status renew(tm_db *db, const tm_alert_raise *raise, const found *f, bool opens,
                       const tm_buf *detail, tm_err *err) {
    tm_stmt *s = NULL;
    TM_TRY(
        tm__stmt_init(db,
                      "UPDATE alerts SET n = n + 1, version = ?2, last_us = max(last_us, ?3),"
                      " summary = ?4, detail = ?5, state = CASE WHEN ?6 = 1 THEN 0 ELSE state END,"
                      " severity = CASE WHEN ?7 = 1 THEN 'critical' ELSE severity END,"
                      " silent_until_us = CASE WHEN ?6 = 1 THEN 0 ELSE silent_until_us END"
                      " WHERE id = ?1",
                      &s, err));
    tm__stmt_bind_i64(s, 1, f->id);
    tm__stmt_bind_i64(s, 2, raise->version);
    tm__stmt_bind_i64(s, 3, raise->at_us);
    tm__stmt_bind_text(s, 4, raise->summary);
    tm__stmt_bind_str(s, 5, (tm_str){(const char *)detail->data, detail->len});
    tm__stmt_bind_i64(s, 6, opens);
    tm__stmt_bind_i64(s, 7, raise->is_critical);
    return tm__stmt_run_done(s, err);
}

static tm_status raise_locked(tm_db *db, const tm_alert_raise *raise, const tm_buf *key,
                              const tm_buf *detail, bool *out_told, tm_err *err) {
    found f = {0};
    TM_TRY(find_open(db, key, &f, err));
    const bool opens =
        f.id != 0 && f.state == TM_ALERT_SILENCED && raise->at_us >= f.silent_until_us;
    *out_told = f.id == 0 || opens;
    if (f.id == 0) {
        TM_TRY(insert(db, raise, key, detail, err));
        f.id = tm__db_last_id(db);
    } else {
        TM_TRY(renew(db, raise, &f, opens, detail, err));
    }
    return *out_told ? tell(db, f.id, raise, err) : TM_OK;
}

tm_status tm__alert_raise(tm_drift_store *store, const tm_alert_raise *raise, bool *out_told,
                          tm_err *err) {
    tm_db *const db = tm__drift_store_db(store);
    tm_buf key, detail;
    bool told = false;
    tm__buf_init(&detail, BODY_BYTES_MAX);
    const bool has_key = make_key(raise, &key);
    const bool has_detail = raise->detail == NULL
                                ? tm__buf_text(&detail, "{}")
                                : tm__json_write(&detail, raise->detail, TM_JSON_SORTED);
    tm_status st = has_key && has_detail ? tm__db_begin(db, err)
                                         : TM_FAIL(err, TM_E_NOMEM, "no memory for an alert");
    if (st == TM_OK) {
        st = tm__db_end(db, raise_locked(db, raise, &key, &detail, &told, err), err);
    }
    tm__buf_done(&key);
    tm__buf_done(&detail);
    if (st == TM_OK) {
        *out_told = told;
    }
    return st;
}

tm_status tm__alert_last(tm_drift_store *store, const tm_alert_raise *key, int64_t *out_us,
                         tm_err *err) {
    tm_buf text;
    tm_stmt *s = NULL;
    bool has_row = false;
    tm_status st = make_key(key, &text) ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for alerts");
    if (st == TM_OK) {
        st = tm__stmt_init(tm__drift_store_db(store),
                           "SELECT max(last_us) FROM alerts WHERE key = ?", &s, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_str(s, 1, (tm_str){(const char *)text.data, text.len});
        st = tm__stmt_step(s, &has_row, err);
    }
    if (st == TM_OK) {
        *out_us = has_row && !tm__stmt_is_null(s, 0) ? tm__stmt_i64(s, 0) : INT64_MIN;
    }
    tm__stmt_done(s);
    tm__buf_done(&text);
    return st;
}

/* ---- list ---- */

static tm_status list_all(tm_db *db, const tm_alert_filter *filter, json_t **out, tm_err *err) {
    tm_stmt *s = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT " COLUMNS " FROM alerts WHERE (?1 IS NULL OR model = ?1)"
                         " AND (?2 = 1 OR state < 3) ORDER BY last_us DESC, id DESC LIMIT ?3",
                         &s, err));
    tm__stmt_bind_text(s, 1, filter->model);
    tm__stmt_bind_i64(s, 2, filter->all);
    tm__stmt_bind_i64(s, 3, filter->n_max > 0 ? filter->n_max : N_MAX_DEFAULT);
    return tm__stmt_list(s, read_alert, out, err);
}

tm_status tm__alert_list(const tm_home *home, const tm_alert_filter *filter, json_t **out,
                         tm_err *err) {
    tm_drift_store *store = NULL;
    TM_TRY(tm__drift_store_open(home, false, &store, err));
    if (store == NULL) {
        *out = json_array();
        return *out == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for alerts") : TM_OK;
    }
    const tm_status st = list_all(tm__drift_store_db(store), filter, out, err);
    tm__drift_store_close(store);
    return st;
}

/* ---- move ---- */

static tm_status not_found(int64_t id, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no alert %lld", (long long)id);
    tm_err_hint(err, "'tidemill monitor alerts' lists them with their numbers.");
    return st;
}

static tm_status check_move(tm_db *db, const tm_alert_move *move, tm_err *err) {
    tm_stmt *s = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT state, model FROM alerts WHERE id = ?", &s, err));
    tm__stmt_bind_i64(s, 1, move->id);
    tm_status st = tm__stmt_step(s, &has_row, err);
    if (st == TM_OK &&
        (!has_row || (move->model != NULL && strcmp(move->model, tm__stmt_text(s, 1)) != 0))) {
        st = not_found(move->id, err);
    } else if (st == TM_OK && tm__stmt_i64(s, 0) == TM_ALERT_RESOLVED) {
        st = TM_FAIL(err, TM_E_CONFLICT, "alert %lld is resolved already", (long long)move->id);
    }
    tm__stmt_done(s);
    return st;
}

static tm_status move_locked(tm_db *db, const tm_alert_move *move, tm_err *err) {
    tm_stmt *s = NULL;
    const bool ends = move->to == TM_ALERT_RESOLVED;
    TM_TRY(check_move(db, move, err));
    TM_TRY(tm__stmt_init(db,
                         "UPDATE alerts SET state = ?2, silent_until_us = ?3, ended_us = ?4,"
                         " actor = ?5 WHERE id = ?1",
                         &s, err));
    tm__stmt_bind_i64(s, 1, move->id);
    tm__stmt_bind_i64(s, 2, move->to);
    tm__stmt_bind_i64(s, 3, move->to == TM_ALERT_SILENCED ? move->until_us : 0);
    tm__stmt_bind_i64(s, 4, ends ? move->now_us : 0);
    tm__stmt_bind_text(s, 5, move->actor);
    const tm_status st = tm__stmt_run_done(s, err);
    TM_TRY(st);
    return ends ? tell_end(db, move->id, move->now_us, err) : TM_OK;
}

tm_status tm__alert_move(tm_drift_store *store, const tm_alert_move *move, tm_err *err) {
    tm_db *const db = tm__drift_store_db(store);
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, move_locked(db, move, err), err);
}

/* ---- by itself ---- */

static tm_status next_quiet(tm_db *db, int64_t now_us, int64_t *out, tm_err *err) {
    tm_stmt *s = NULL;
    bool has_row = false;
    *out = 0;
    TM_TRY(tm__stmt_init(db,
                         "SELECT id FROM alerts WHERE state < 3 AND last_us <= ?"
                         " AND silent_until_us <= ?2 ORDER BY id LIMIT 1",
                         &s, err));
    tm__stmt_bind_i64(s, 1, now_us - TM_ALERT_QUIET_US);
    tm__stmt_bind_i64(s, 2, now_us);
    const tm_status st = tm__stmt_step(s, &has_row, err);
    *out = st == TM_OK && has_row ? tm__stmt_i64(s, 0) : 0;
    tm__stmt_done(s);
    return st;
}

tm_status tm__alert_sweep(tm_drift_store *store, int64_t now_us, tm_err *err) {
    tm_db *const db = tm__drift_store_db(store);
    for (unsigned i = 0; i < N_MAX_DEFAULT; i++) {
        int64_t id = 0;
        TM_TRY(next_quiet(db, now_us, &id, err));
        if (id == 0) {
            return TM_OK;
        }
        const tm_alert_move move = {
            .id = id, .to = TM_ALERT_RESOLVED, .now_us = now_us, .actor = "nothing more for a day"};
        const tm_status st = tm__alert_move(store, &move, err);
        if (st != TM_OK && st != TM_E_CONFLICT) {
            return st;
        }
    }
    return TM_OK;
}

/* ---- deliveries ---- */

tm_status tm__delivery_due(tm_drift_store *store, int64_t now_us, tm_delivery_fn fn, void *arg,
                           tm_err *err) {
    tm_stmt *s = NULL;
    bool goes_on = true;
    tm_status st = TM_OK;
    TM_TRY(
        tm__stmt_init(tm__drift_store_db(store),
                      "SELECT id, receiver, event, body, at_us, n_tries FROM deliveries"
                      " WHERE state = 0 AND (next_us <= ?1 OR next_us > ?2) ORDER BY id LIMIT 1000",
                      &s, err));
    tm__stmt_bind_i64(s, 1, now_us);
    tm__stmt_bind_i64(s, 2, now_us + 2 * MOST_WAIT_US); /* the clock went back */
    while (goes_on && tm__stmt_next(s, &st, err)) {
        const tm_delivery delivery = {.id = tm__stmt_i64(s, 0),
                                      .receiver = tm__stmt_text(s, 1),
                                      .event = tm__stmt_text(s, 2),
                                      .body = tm__stmt_text(s, 3),
                                      .at_us = tm__stmt_i64(s, 4),
                                      .n_tries = (uint32_t)tm__stmt_i64(s, 5)};
        goes_on = fn(arg, &delivery);
    }
    tm__stmt_done(s);
    return st;
}

static tm_status tries_of(tm_db *db, int64_t id, uint32_t *out, tm_err *err) {
    tm_stmt *s = NULL;
    bool has_row = false;
    *out = 0;
    TM_TRY(tm__stmt_init(db, "SELECT n_tries FROM deliveries WHERE id = ?", &s, err));
    tm__stmt_bind_i64(s, 1, id);
    const tm_status st = tm__stmt_step(s, &has_row, err);
    *out = st == TM_OK && has_row ? (uint32_t)tm__stmt_i64(s, 0) : 0;
    tm__stmt_done(s);
    return st;
}

tm_status tm__delivery_done(tm_drift_store *store, int64_t id, const char *problem, int64_t now_us,
                            tm_err *err) {
    tm_db *const db = tm__drift_store_db(store);
    tm_stmt *s = NULL;
    uint32_t n_tries = 0;
    TM_TRY(tries_of(db, id, &n_tries, err));
    const bool gives_up = problem != NULL && n_tries + 1 >= TM_DELIVERY_TRIES;
    TM_TRY(tm__stmt_init(db,
                         "UPDATE deliveries SET n_tries = n_tries + 1, state = ?2, next_us = ?3,"
                         " error = ?4 WHERE id = ?1",
                         &s, err));
    tm__stmt_bind_i64(s, 1, id);
    tm__stmt_bind_i64(s, 2, problem == NULL ? 1 : gives_up ? 2 : 0);
    tm__stmt_bind_i64(s, 3, now_us + tm__backoff_us(n_tries, FIRST_WAIT_US, MOST_WAIT_US));
    tm__stmt_bind_text(s, 4, problem == NULL ? "" : problem);
    return tm__stmt_run_done(s, err);
}
