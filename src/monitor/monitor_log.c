/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of log.db and the join of labels. docs/formats/home.md has the columns.
 *
 * 1. An answer has at most one label and a label at most one answer.
 * 2. A label is found again by its prediction id, or by its model, entity and event time, so that
 *    the same label sent twice counts once.
 * 3. A label that no answer matches waits; the answer that matches it takes it when it is written.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "table/table.h"

#define TM_LOG_APPLICATION_ID 0x544D4C4Fu /* "TMLO" */

static const tm_migration log_migrations[] = {
    {1,
     "CREATE TABLE answers(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
     " at_us INTEGER NOT NULL, event_us INTEGER NOT NULL, entity TEXT, route TEXT NOT NULL,"
     " model TEXT NOT NULL, version INTEGER NOT NULL, row TEXT NOT NULL, outputs BLOB NOT NULL,"
     " latency_us INTEGER NOT NULL, label TEXT, labelled_us INTEGER) STRICT;"
     "CREATE INDEX answers_key ON answers(model, entity, event_us) WHERE entity IS NOT NULL;"
     /* Holds all that counting needs, so that /metrics does not read the rows. */
     "CREATE INDEX answers_live ON answers(model, version, at_us, labelled_us);"
     "CREATE INDEX answers_labelled ON answers(model, labelled_us) WHERE label IS NOT NULL;"
     "CREATE TABLE labels(seq INTEGER PRIMARY KEY, prediction_id TEXT, model TEXT, entity TEXT,"
     " event_us INTEGER, value TEXT NOT NULL, observed_us INTEGER NOT NULL,"
     " received_us INTEGER NOT NULL, state INTEGER NOT NULL,"
     " answer_seq INTEGER REFERENCES answers(seq)) STRICT;"
     "CREATE UNIQUE INDEX labels_id ON labels(prediction_id) WHERE prediction_id IS NOT NULL;"
     "CREATE UNIQUE INDEX labels_key ON labels(model, entity, event_us)"
     " WHERE prediction_id IS NULL;"
     "CREATE UNIQUE INDEX labels_answer ON labels(answer_seq) WHERE answer_seq IS NOT NULL;"
     "CREATE INDEX labels_waiting ON labels(state) WHERE state = 0;"
     "CREATE TABLE counters(model TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,"
     " PRIMARY KEY(model, name)) STRICT;",
     NULL},
    {0, NULL, NULL}};

/* Numbers in the column labels.state. */
enum { STATE_WAITING = 0, STATE_JOINED = 1, STATE_DUPLICATE = 2, STATE_CONFLICT = 3 };

const char *const tm__label_result_names[TM_LABEL_RESULTS] = {"joined", "waiting", "duplicate",
                                                              "conflict"};

tm_status tm__log_open(const char *path, bool can_write, tm_db **out, tm_err *err) {
    const tm_db_options options = {
        .create = can_write,
        .read_only = !can_write,
        .migrations = log_migrations,
        .application_id = TM_LOG_APPLICATION_ID,
    };
    return tm__db_open(path, &options, out, err);
}

/* ---- Counters ---- */

tm_status tm__log_count_locked(tm_db *db, const char *model, const char *name, int64_t by,
                               tm_err *err) {
    if (by == 0) {
        return TM_OK;
    }
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO counters(model, name, n) VALUES(?, ?, ?)"
                         " ON CONFLICT(model, name) DO UPDATE SET n = n + excluded.n",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, name);
    tm__stmt_bind_i64(stmt, 3, by);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static void counter_read(tm_stmt *stmt, tm_monitor *monitor) {
    const char *model = tm__stmt_text(stmt, 0);
    const tm_str name = tm__str(tm__stmt_text(stmt, 1));
    const uint64_t n = (uint64_t)tm__stmt_i64(stmt, 2);
    if (tm__str_is(name, "written")) {
        monitor->n_written = n;
    } else if (tm__str_is(name, "dropped")) {
        tm_drops *drops = tm__monitor_drops_locked(monitor, model);
        drops->n += n;
        drops->n_saved += n;
    }
    for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
        if (tm__str_is(name, tm__label_result_names[i])) {
            monitor->n_labels[i] = n;
        }
    }
}

tm_status tm__log_counters_load(tm_db *db, tm_monitor *monitor, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT model, name, n FROM counters", &stmt, err));
    tm_status st = TM_OK;
    for (bool has_row = true;;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        counter_read(stmt, monitor);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__log_stamp_locked(tm_db *db, int64_t *out_us, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO counters(model, name, n) VALUES('', 'stamp_us', ?)"
                         " ON CONFLICT(model, name) DO UPDATE SET n = max(n + 1, excluded.n)"
                         " RETURNING n",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, tm__now_us());
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        *out_us = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

/* ---- Joining ---- */

static bool same_value(const char *a, const char *b) {
    double x = 0, y = 0;
    if (strcmp(a, b) == 0) {
        return true;
    }
    return tm__str_to_f64(tm__str(a), &x) && tm__str_to_f64(tm__str(b), &y) && x == y;
}

static tm_status answer_label_locked(tm_db *db, int64_t answer_seq, const char *value,
                                     int64_t stamp_us, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "UPDATE answers SET label = ?, labelled_us = ? WHERE seq = ?", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, value);
    tm__stmt_bind_i64(stmt, 2, stamp_us);
    tm__stmt_bind_i64(stmt, 3, answer_seq);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static tm_status label_state_locked(tm_db *db, int64_t label_seq, int state, int64_t answer_seq,
                                    tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(
        tm__stmt_init(db, "UPDATE labels SET state = ?, answer_seq = ? WHERE seq = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, state);
    if (state == STATE_JOINED) {
        tm__stmt_bind_i64(stmt, 2, answer_seq);
    } else {
        tm__stmt_bind_null(stmt, 2);
    }
    tm__stmt_bind_i64(stmt, 3, label_seq);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

/* A label that waits: its row and a copy of its value. */
typedef struct tm_waiting {
    int64_t seq;
    char *value; /* owned; NULL: none */
} tm_waiting;

/* Ends the statement. */
static tm_status waiting_read(tm_stmt *stmt, tm_waiting *out, tm_err *err) {
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        out->seq = tm__stmt_i64(stmt, 0);
        out->value = tm__mem_strdup(tm__stmt_text(stmt, 1));
        if (out->value == NULL) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status waiting_find(tm_db *db, const tm_answer *answer, tm_waiting *out_by_id,
                              tm_waiting *out_by_key, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT seq, value FROM labels WHERE prediction_id = ? AND state = 0",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, answer->id);
    TM_TRY(waiting_read(stmt, out_by_id, err));
    if (answer->entity == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, value FROM labels WHERE model = ? AND entity = ?"
                         " AND event_us = ? AND prediction_id IS NULL AND state = 0",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, answer->model);
    tm__stmt_bind_text(stmt, 2, answer->entity);
    tm__stmt_bind_i64(stmt, 3, answer->event_us);
    return waiting_read(stmt, out_by_key, err);
}

static tm_status any_waiting(tm_db *db, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT 1 FROM labels WHERE state = 0 LIMIT 1", &stmt, err));
    const tm_status st = tm__stmt_step(stmt, out, err);
    tm__stmt_done(stmt);
    return st;
}

/* Give a fresh answer the label that waits for it. The one by id is surer; one by key beside it
 * says the same (a duplicate) or contradicts it (a conflict). */
static tm_status take_waiting_locked(tm_db *db, const tm_answer *answer, int64_t answer_seq,
                                     tm_tally *tally, tm_err *err) {
    bool is_any = false;
    TM_TRY(any_waiting(db, &is_any, err));
    if (!is_any) {
        return TM_OK;
    }
    tm_waiting by_id = {0}, by_key = {0};
    tm_status st = waiting_find(db, answer, &by_id, &by_key, err);
    const tm_waiting *first = by_id.value != NULL ? &by_id : &by_key;
    if (st == TM_OK && first->value != NULL) {
        st = answer_label_locked(db, answer_seq, first->value, tally->stamp_us, err);
        if (st == TM_OK) {
            st = label_state_locked(db, first->seq, STATE_JOINED, answer_seq, err);
        }
        tally->n_labels[TM_LABEL_WAITING]--;
        tally->n_labels[TM_LABEL_JOINED]++;
    }
    if (st == TM_OK && by_id.value != NULL && by_key.value != NULL) {
        const bool is_same = same_value(by_id.value, by_key.value);
        st = label_state_locked(db, by_key.seq, is_same ? STATE_DUPLICATE : STATE_CONFLICT, 0, err);
        tally->n_labels[TM_LABEL_WAITING]--;
        tally->n_labels[is_same ? TM_LABEL_DUPLICATE : TM_LABEL_CONFLICT]++;
    }
    tm__mem_free(by_id.value);
    tm__mem_free(by_key.value);
    return st;
}

static tm_status outputs_bind(tm_stmt *stmt, int index, const tm_answer *answer, tm_err *err) {
    tm_buf bytes;
    tm__buf_init(&bytes, (size_t)answer->n_outputs * 8 + 8);
    for (uint32_t i = 0; i < answer->n_outputs; i++) {
        tm__buf_f64(&bytes, answer->outputs[i]);
    }
    tm_status st = TM_OK;
    if (bytes.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    } else {
        tm__stmt_bind_blob(stmt, index, bytes.data, bytes.len);
    }
    tm__buf_done(&bytes);
    return st;
}

tm_status tm__log_answer_locked(tm_db *db, const tm_answer *answer, tm_tally *tally, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO answers(id, at_us, event_us, entity, route, model, version,"
                         " row, outputs, latency_us) VALUES(?,?,?,?,?,?,?,?,?,?)"
                         " ON CONFLICT(id) DO NOTHING",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, answer->id);
    tm__stmt_bind_i64(stmt, 2, answer->at_us);
    tm__stmt_bind_i64(stmt, 3, answer->event_us);
    tm__stmt_bind_text(stmt, 4, answer->entity);
    tm__stmt_bind_text(stmt, 5, answer->route);
    tm__stmt_bind_text(stmt, 6, answer->model);
    tm__stmt_bind_i64(stmt, 7, answer->version);
    tm__stmt_bind_text(stmt, 8, answer->row_json);
    tm__stmt_bind_i64(stmt, 10, answer->latency_us);
    tm_status st = outputs_bind(stmt, 9, answer, err);
    if (st == TM_OK) {
        st = tm__stmt_run(stmt, err);
    }
    tm__stmt_done(stmt);
    TM_TRY(st);
    if (tm__db_changes(db) == 0) {
        return TM_OK; /* an id that is there already was written by an earlier try */
    }
    tally->n_written++;
    return take_waiting_locked(db, answer, tm__db_last_id(db), tally, err);
}

/* ---- Labels ---- */

static bool is_by_id(const tm_label *label) {
    return label->prediction_id != NULL;
}

/* Bind what finds a label or its answer: an id, or a key of three parts. */
static void target_bind(tm_stmt *stmt, const tm_label *label) {
    if (is_by_id(label)) {
        tm__stmt_bind_text(stmt, 1, label->prediction_id);
    } else {
        tm__stmt_bind_text(stmt, 1, label->model);
        tm__stmt_bind_text(stmt, 2, label->entity);
        tm__stmt_bind_i64(stmt, 3, label->event_us);
    }
}

/* What is known already: the value that stands for the label's answer. Ends the statement. */
typedef struct tm_standing {
    bool is_found, has_value, is_same;
    int64_t seq;
} tm_standing;

static tm_status standing_read(tm_stmt *stmt, const tm_label *label, tm_standing *out,
                               tm_err *err) {
    target_bind(stmt, label);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        out->is_found = true;
        out->seq = tm__stmt_i64(stmt, 0);
        out->has_value = !tm__stmt_is_null(stmt, 1);
        out->is_same = out->has_value && same_value(tm__stmt_text(stmt, 1), label->value);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status label_find(tm_db *db, const tm_label *label, tm_standing *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         is_by_id(label)
                             ? "SELECT seq, value FROM labels WHERE prediction_id = ?"
                             : "SELECT seq, value FROM labels WHERE model = ? AND entity = ?"
                               " AND event_us = ? AND prediction_id IS NULL",
                         &stmt, err));
    return standing_read(stmt, label, out, err);
}

static tm_status answer_find(tm_db *db, const tm_label *label, tm_standing *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         is_by_id(label)
                             ? "SELECT seq, label FROM answers WHERE id = ?"
                             : "SELECT seq, label FROM answers WHERE model = ? AND entity = ?"
                               " AND event_us = ? ORDER BY seq DESC LIMIT 1",
                         &stmt, err));
    return standing_read(stmt, label, out, err);
}

static tm_status label_save_locked(tm_db *db, const tm_label *label, const tm_standing *answer,
                                   int64_t stamp_us, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO labels(prediction_id, model, entity, event_us, value,"
                         " observed_us, received_us, state, answer_seq) VALUES(?,?,?,?,?,?,?,?,?)",
                         &stmt, err));
    const bool by_id = is_by_id(label);
    tm__stmt_bind_text(stmt, 1, label->prediction_id);
    tm__stmt_bind_text(stmt, 2, by_id ? NULL : label->model);
    tm__stmt_bind_text(stmt, 3, by_id ? NULL : label->entity);
    if (by_id) {
        tm__stmt_bind_null(stmt, 4);
    } else {
        tm__stmt_bind_i64(stmt, 4, label->event_us);
    }
    tm__stmt_bind_text(stmt, 5, label->value);
    tm__stmt_bind_i64(stmt, 6,
                      label->observed_us == TM_INT_MISSING ? stamp_us : label->observed_us);
    tm__stmt_bind_i64(stmt, 7, stamp_us);
    tm__stmt_bind_i64(stmt, 8, answer->is_found ? STATE_JOINED : STATE_WAITING);
    if (answer->is_found) {
        tm__stmt_bind_i64(stmt, 9, answer->seq);
    } else {
        tm__stmt_bind_null(stmt, 9);
    }
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static tm_status label_locked(tm_db *db, const tm_label *label, int64_t stamp_us,
                              tm_label_result *out, tm_err *err) {
    tm_standing before = {0}, answer = {0};
    TM_TRY(label_find(db, label, &before, err));
    if (!before.is_found) {
        TM_TRY(answer_find(db, label, &answer, err));
    }
    const tm_standing *standing = before.is_found ? &before : &answer;
    if (standing->has_value) {
        *out = standing->is_same ? TM_LABEL_DUPLICATE : TM_LABEL_CONFLICT;
        return TM_OK;
    }
    TM_TRY(label_save_locked(db, label, &answer, stamp_us, err));
    if (answer.is_found) {
        TM_TRY(answer_label_locked(db, answer.seq, label->value, stamp_us, err));
    }
    *out = answer.is_found ? TM_LABEL_JOINED : TM_LABEL_WAITING;
    return TM_OK;
}

tm_status tm__log_label_locked(tm_db *db, const tm_label *label, tm_tally *tally,
                               tm_label_result *out, tm_err *err) {
    tm_label_result result = TM_LABEL_WAITING;
    TM_TRY(label_locked(db, label, tally->stamp_us, &result, err));
    tally->n_labels[result]++;
    *out = result;
    return TM_OK;
}

/* ---- The log as a whole ---- */

tm_status tm__monitor_copy(const tm_home *home, const tm_ctx *ctx, const char *to, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__log_open(tm__home_log_db(home), false, &db, err));
    const tm_status st = tm__db_copy(db, ctx, to, err);
    tm__db_close(db);
    return st;
}

tm_status tm__monitor_check(const tm_home *home, bool read_only, uint32_t *out_format,
                            tm_err *err) {
    const tm_db_options options = {.read_only = read_only,
                                   .migrations = log_migrations,
                                   .application_id = TM_LOG_APPLICATION_ID};
    tm_db *db = NULL;
    TM_TRY(tm__db_open(tm__home_log_db(home), &options, &db, err));
    tm_status st = tm__db_check(db, err);
    if (st == TM_OK) {
        st = tm__db_format(db, out_format, err);
    }
    tm__db_close(db);
    return st;
}
