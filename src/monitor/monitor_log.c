/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of log.db and the join of labels. docs/formats/home.md has the columns.
 *
 * 1. An answer has at most one label and a label at most one answer.
 * 2. A label is found again by its prediction id, or by its model, entity and event time, so that
 *    the same label sent twice counts once. Of the entity a keyed hash is kept: nobody reads it.
 * 3. A label that no answer matches waits; the answer that matches it takes it when it is written.
 * 4. A joined label holds what scores and retraining ask for: the answer's number, stream and time.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "guard/guard.h"
#include "monitor/monitor_priv.h"
#include "store/db_lookup.h"
#include "table/table.h"

#define TM_LOG_APPLICATION_ID 0x544D4C4Fu /* "TMLO" */

/* Of a new log: each page of 4 KiB in the write-ahead log touches three of the kernel's, which
 * costs a quarter more for blocks of 64 KiB; pages of 64 KiB cost twice as much for a commit of
 * few. */
#define PAGE_BYTES 16384u

/* Of the table since format 4; format 2 writes answers of format 1 into it too. */
#define STREAM_COLUMNS                                                                             \
    "(id INTEGER PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL," \
    " columns TEXT NOT NULL, arm TEXT NOT NULL DEFAULT '', share REAL NOT NULL DEFAULT 1,"         \
    " UNIQUE(model, version, route, columns, arm, share)) STRICT;"

/* What a label says is a text, or a sealed cell. */
#define SEALED_LABELS                                                                              \
    "CREATE TABLE cells(seq INTEGER PRIMARY KEY, prediction_id TEXT, model TEXT, entity TEXT,"     \
    " event_us INTEGER, value ANY NOT NULL, observed_us INTEGER NOT NULL,"                         \
    " received_us INTEGER NOT NULL, state INTEGER NOT NULL, answer_seq INTEGER,"                   \
    " stream INTEGER REFERENCES streams(id), at_us INTEGER, joined_us INTEGER,"                    \
    " within_us INTEGER NOT NULL DEFAULT 0, is_ambiguous INTEGER NOT NULL DEFAULT 0,"              \
    " origin TEXT NOT NULL DEFAULT '') STRICT;"                                                    \
    "INSERT INTO cells SELECT seq, prediction_id, model, entity, event_us,"                        \
    " seal('labels.value', seq, value), observed_us, received_us, state, answer_seq, stream,"      \
    " at_us, joined_us, within_us, is_ambiguous, origin FROM labels ORDER BY seq;"                 \
    "DROP TABLE labels; ALTER TABLE cells RENAME TO labels;" TM_LABEL_INDICES                      \
    "INSERT OR REPLACE INTO counters(model, name, n) SELECT '', 'must_vacuum', 1"                  \
    " WHERE EXISTS (SELECT 1 FROM labels WHERE sealed_by(value) != '');"

static const tm_migration log_migrations[] = {
    {1,
     "CREATE TABLE answers(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
     " at_us INTEGER NOT NULL, event_us INTEGER NOT NULL, entity TEXT, route TEXT NOT NULL,"
     " model TEXT NOT NULL, version INTEGER NOT NULL, row TEXT NOT NULL, outputs BLOB NOT NULL,"
     " latency_us INTEGER NOT NULL, label TEXT, labelled_us INTEGER) STRICT;"
     "CREATE TABLE labels(seq INTEGER PRIMARY KEY, prediction_id TEXT, model TEXT, entity TEXT,"
     " event_us INTEGER, value TEXT NOT NULL, observed_us INTEGER NOT NULL,"
     " received_us INTEGER NOT NULL, state INTEGER NOT NULL,"
     " answer_seq INTEGER REFERENCES answers(seq)) STRICT;"
     "CREATE TABLE counters(model TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,"
     " PRIMARY KEY(model, name)) STRICT;",
     NULL},
    {2,
     /* For the answers that are written again here, and maybe joined. */
     "ALTER TABLE labels ADD COLUMN within_us INTEGER NOT NULL DEFAULT 0;"
     "CREATE TABLE moments(key INTEGER NOT NULL, moment_us INTEGER NOT NULL, seq INTEGER NOT NULL,"
     " PRIMARY KEY(key, moment_us, seq)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE streams" STREAM_COLUMNS
     "CREATE TABLE blocks(first_seq INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK(n > 0),"
     " stream INTEGER NOT NULL REFERENCES streams(id), first_us INTEGER NOT NULL,"
     " last_us INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
     /* Holds all that counting needs, so that /metrics does not read the blocks. */
     "CREATE INDEX blocks_live ON blocks(stream, last_us, first_us, n);"
     /* The key's columns first: SQLite 3.40 takes others for null when it checks the file. */
     "CREATE TABLE spans(prefix TEXT NOT NULL, last_id TEXT NOT NULL, first_seq INTEGER NOT NULL,"
     " first_id TEXT NOT NULL, PRIMARY KEY(prefix, last_id, first_seq)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE entities(key INTEGER NOT NULL, seq INTEGER NOT NULL,"
     " PRIMARY KEY(key, seq)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE joined(seq INTEGER PRIMARY KEY, prediction_id TEXT, model TEXT, entity TEXT,"
     " event_us INTEGER, value TEXT NOT NULL, observed_us INTEGER NOT NULL,"
     " received_us INTEGER NOT NULL, state INTEGER NOT NULL, answer_seq INTEGER,"
     " stream INTEGER REFERENCES streams(id), at_us INTEGER, joined_us INTEGER) STRICT;",
     tm__log_upgrade_locked},
    {3,
     "ALTER TABLE labels ADD COLUMN within_us INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE labels ADD COLUMN is_ambiguous INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE labels ADD COLUMN origin TEXT NOT NULL DEFAULT '';"
     "CREATE TABLE IF NOT EXISTS moments(key INTEGER NOT NULL, moment_us INTEGER NOT NULL,"
     " seq INTEGER NOT NULL, PRIMARY KEY(key, moment_us, seq)) STRICT, WITHOUT ROWID;"
     "DROP TABLE entities;",
     tm__log_moments_locked},
    {4,
     /* Blocks and labels refer to rows that are away for a moment. */
     "PRAGMA defer_foreign_keys = ON;"
     "CREATE TABLE kept AS SELECT id, route, model, version, columns FROM streams;"
     "DROP TABLE streams;"
     "CREATE TABLE streams" STREAM_COLUMNS
     "INSERT INTO streams(id, route, model, version, columns) SELECT * FROM kept;"
     "DROP TABLE kept;"
     "CREATE TABLE lanes(model TEXT PRIMARY KEY, written INTEGER NOT NULL, sampled INTEGER NOT"
     " NULL, dropped INTEGER NOT NULL, batch INTEGER NOT NULL, replayed INTEGER NOT NULL,"
     " killed INTEGER NOT NULL, removed INTEGER NOT NULL) STRICT;"
     /* No answer was ever removed. */
     "INSERT INTO lanes SELECT model, sum(written), 0, sum(dropped), 0, 0, 0, 0 FROM"
     " (SELECT model, n AS written, 0 AS dropped FROM blocks JOIN streams ON id = stream"
     " UNION ALL SELECT model, 0, n FROM counters WHERE name = 'dropped') GROUP BY model;"
     "DELETE FROM counters WHERE name = 'dropped' OR (model = '' AND name = 'written');",
     NULL},
    {5,
     "CREATE TABLE followed(model TEXT PRIMARY KEY, source TEXT NOT NULL, spec INTEGER NOT NULL,"
     " source_us INTEGER NOT NULL, next INTEGER NOT NULL, joined INTEGER NOT NULL,"
     " waiting INTEGER NOT NULL, duplicate INTEGER NOT NULL, conflict INTEGER NOT NULL,"
     " ambiguous INTEGER NOT NULL, empty INTEGER NOT NULL, bad INTEGER NOT NULL,"
     " missed INTEGER NOT NULL, at_us INTEGER NOT NULL, problem TEXT NOT NULL) STRICT;",
     NULL},
    {6, TM_LOOKUP_TABLE, tm__log_lookup_locked},
    {7, SEALED_LABELS, NULL},
    {0, NULL, NULL}};

/* Numbers in the column labels.state. */
enum { STATE_WAITING = 0, STATE_JOINED = 1, STATE_DUPLICATE = 2, STATE_CONFLICT = 3 };

const char *const tm__label_result_names[TM_LABEL_RESULTS] = {"joined",   "waiting",   "duplicate",
                                                              "conflict", "ambiguous", "expired"};

static tm_status log_open(const char *path, bool can_write, tm_db **out, tm_err *err) {
    const tm_db_options options = {
        .create = can_write,
        .read_only = !can_write,
        .migrations = log_migrations,
        .application_id = TM_LOG_APPLICATION_ID,
        .page_bytes = PAGE_BYTES,
    };
    return tm__db_open(path, &options, out, err);
}

tm_status tm__log_open(const char *path, bool can_write, tm_db **out, tm_err *err) {
    tm_err own = {0};
    tm_status st = log_open(path, can_write, out, &own);
    if (st == TM_E_UNSUPPORTED && !can_write) {
        /* Of an earlier release: who reads first brings it up. A later one is refused again. */
        tm_db *writer = NULL;
        if (log_open(path, true, &writer, NULL) == TM_OK) {
            tm__db_close(writer);
            st = log_open(path, false, out, &own);
        }
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
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
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__log_count_tally_locked(tm_db *db, const tm_tally *tally, tm_err *err) {
    for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
        TM_TRY(tm__log_count_locked(db, "", tm__label_result_names[i], tally->n_labels[i], err));
    }
    return TM_OK;
}

static tm_status label_counts(tm_db *db, uint64_t out[TM_LABEL_RESULTS], tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT name, n FROM counters WHERE model = ''", &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const tm_str name = tm__str(tm__stmt_text(stmt, 0));
        for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
            if (tm__str_is(name, tm__label_result_names[i])) {
                out[i] = (uint64_t)tm__stmt_i64(stmt, 1);
            }
        }
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__log_totals_locked(tm_db *db, tm_tally *tally, tm_err *err) {
    return label_counts(db, tally->n_labels_in_all, err);
}

static void load_lane(void *arg, const char *model, const tm_lane_counts *counts) {
    tm__lane_load_locked(arg, model, counts);
}

tm_status tm__log_counters_load(tm_db *db, tm_monitor *monitor, tm_err *err) {
    TM_TRY(label_counts(db, monitor->n_labels, err));
    return tm__lanes_read(db, load_lane, monitor, err);
}

tm_status tm__log_number(tm_db *db, const char *name, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT n FROM counters WHERE model = '' AND name = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? tm__stmt_i64(stmt, 0) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__log_set_number_locked(tm_db *db, const char *name, int64_t value, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO counters(model, name, n) VALUES('', ?1, ?2)"
                         " ON CONFLICT(model, name) DO UPDATE SET n = ?2",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    tm__stmt_bind_i64(stmt, 2, value);
    return tm__stmt_run_done(stmt, err);
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

/* The answer that a label joins. */
typedef struct tm_joint {
    int64_t seq, stream, at_us, joined_us;
} tm_joint;

/* joint is NULL for a label that joins none. */
static tm_status label_state_locked(tm_db *db, int64_t label_seq, int state, const tm_joint *joint,
                                    tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "UPDATE labels SET state = ?, answer_seq = ?, stream = ?, at_us = ?,"
                         " joined_us = ? WHERE seq = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, state);
    if (joint != NULL) {
        tm__stmt_bind_i64(stmt, 2, joint->seq);
        tm__stmt_bind_i64(stmt, 3, joint->stream);
        tm__stmt_bind_i64(stmt, 4, joint->at_us);
        tm__stmt_bind_i64(stmt, 5, joint->joined_us);
    }
    tm__stmt_bind_i64(stmt, 6, label_seq);
    return tm__stmt_run_done(stmt, err);
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

static tm_status waiting_find(tm_db *db, const tm_fresh *fresh, tm_waiting *out_by_id,
                              tm_waiting *out_by_key, tm_err *err) {
    const tm_record *record = fresh->record;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, " TM_LABEL_VALUE " FROM labels"
                         " WHERE prediction_id = ? AND state = 0",
                         &stmt, err));
    tm__stmt_bind_str(stmt, 1, record->id);
    TM_TRY(waiting_read(stmt, out_by_id, err));
    if (record->entity.ptr == NULL) {
        return TM_OK;
    }
    /* At its moment, or for the newest answer before theirs; the nearest first. */
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, " TM_LABEL_VALUE " FROM labels"
                         " WHERE model = ?1 AND entity = lookup_text(?2)"
                         " AND prediction_id IS NULL AND state = 0 AND (event_us = ?3 OR"
                         " (within_us > 0 AND event_us >= ?4 AND event_us - within_us <= ?4))"
                         " ORDER BY event_us LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, fresh->stream->model);
    tm__stmt_bind_str(stmt, 2, record->entity);
    tm__stmt_bind_i64(stmt, 3, record->event_us);
    tm__stmt_bind_i64(stmt, 4, tm__record_moment(record));
    return waiting_read(stmt, out_by_key, err);
}

/* The label by id is surer; one by key beside it says the same (a duplicate) or contradicts it (a
 * conflict). */
tm_status tm__log_take_waiting_locked(tm_db *db, const tm_fresh *fresh, tm_tally *tally,
                                      tm_err *err) {
    tm_waiting by_id = {0}, by_key = {0};
    tm_status st = waiting_find(db, fresh, &by_id, &by_key, err);
    const tm_waiting *first = by_id.value != NULL ? &by_id : &by_key;
    if (st == TM_OK && first->value != NULL) {
        const tm_joint joint = {fresh->seq, fresh->stream->row_id, fresh->record->at_us,
                                tally->stamp_us};
        st = label_state_locked(db, first->seq, STATE_JOINED, &joint, err);
        tally->n_labels[TM_LABEL_WAITING]--;
        tally->n_labels[TM_LABEL_JOINED]++;
    }
    if (st == TM_OK && by_id.value != NULL && by_key.value != NULL) {
        const bool is_same = same_value(by_id.value, by_key.value);
        st = label_state_locked(db, by_key.seq, is_same ? STATE_DUPLICATE : STATE_CONFLICT, NULL,
                                err);
        tally->n_labels[TM_LABEL_WAITING]--;
        tally->n_labels[is_same ? TM_LABEL_DUPLICATE : TM_LABEL_CONFLICT]++;
    }
    tm__mem_free(by_id.value);
    tm__mem_free(by_key.value);
    return st;
}

/* ---- Labels ---- */

static bool is_by_id(const tm_label *label) {
    return label->prediction_id != NULL;
}

/* What is known already of a label's answer: the value that stands for it. */
typedef struct tm_standing {
    bool is_found, has_value, is_same, has_alikes;
    tm_joint joint; /* of an answer */
} tm_standing;

/* A row with a value, if there is one. Ends the statement. */
static tm_status standing_read(tm_stmt *stmt, const tm_label *label, tm_standing *out,
                               tm_err *err) {
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        out->is_found = true;
        out->has_value = true;
        out->is_same = same_value(tm__stmt_text(stmt, 0), label->value);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status label_find(tm_db *db, const tm_label *label, tm_standing *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    if (is_by_id(label)) {
        TM_TRY(tm__stmt_init(db, "SELECT " TM_LABEL_VALUE " FROM labels WHERE prediction_id = ?",
                             &stmt, err));
        tm__stmt_bind_text(stmt, 1, label->prediction_id);
    } else {
        TM_TRY(tm__stmt_init(db,
                             "SELECT " TM_LABEL_VALUE " FROM labels"
                             " WHERE model = ? AND entity = lookup_text(?)"
                             " AND event_us = ? AND prediction_id IS NULL",
                             &stmt, err));
        tm__stmt_bind_text(stmt, 1, label->model);
        tm__stmt_bind_text(stmt, 2, label->entity);
        tm__stmt_bind_i64(stmt, 3, label->event_us);
    }
    return standing_read(stmt, label, out, err);
}

static tm_status answer_find(tm_block *block, const tm_label *label, tm_standing *out,
                             tm_err *err) {
    const tm_answer_key key = {label->model, tm__str(label->entity), label->event_us,
                               label->within_us};
    tm_found found = {0};
    TM_TRY(is_by_id(label) ? tm__block_find(block, tm__str(label->prediction_id), &found.seq, err)
                           : tm__block_find_key(block, &key, &found, err));
    if (found.seq == 0) {
        return TM_OK;
    }
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(block->db, "SELECT " TM_LABEL_VALUE " FROM labels WHERE answer_seq = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, found.seq);
    TM_TRY(standing_read(stmt, label, out, err));
    out->is_found = true;
    out->has_alikes = found.has_alikes;
    out->joint =
        (tm_joint){.seq = found.seq, .stream = block->stream, .at_us = block->record.at_us};
    return TM_OK;
}

/* answer is not found for a label that waits. */
static tm_status label_save_locked(tm_db *db, const tm_label *label, const tm_standing *answer,
                                   int64_t stamp_us, tm_err *err) {
    const tm_joint *const joint = answer->is_found ? &answer->joint : NULL;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO labels(seq, prediction_id, model, entity, event_us, value,"
                         " observed_us, received_us, state, answer_seq, stream, at_us, joined_us,"
                         " within_us, is_ambiguous, origin)"
                         " SELECT s.seq, ?1, ?2, lookup_text(?3), ?4,"
                         " seal('labels.value', s.seq, ?5), ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                         " ?14, ?15 FROM (SELECT coalesce(max(seq), 0) + 1 AS seq FROM labels) s",
                         &stmt, err));
    if (is_by_id(label)) {
        tm__stmt_bind_text(stmt, 1, label->prediction_id);
    } else {
        tm__stmt_bind_text(stmt, 2, label->model);
        tm__stmt_bind_text(stmt, 3, label->entity);
        tm__stmt_bind_i64(stmt, 4, label->event_us);
    }
    tm__stmt_bind_text(stmt, 5, label->value);
    tm__stmt_bind_i64(stmt, 6,
                      label->observed_us == TM_INT_MISSING ? stamp_us : label->observed_us);
    tm__stmt_bind_i64(stmt, 7, stamp_us);
    tm__stmt_bind_i64(stmt, 8, joint != NULL ? STATE_JOINED : STATE_WAITING);
    if (joint != NULL) {
        tm__stmt_bind_i64(stmt, 9, joint->seq);
        tm__stmt_bind_i64(stmt, 10, joint->stream);
        tm__stmt_bind_i64(stmt, 11, joint->at_us);
        tm__stmt_bind_i64(stmt, 12, stamp_us);
    }
    tm__stmt_bind_i64(stmt, 13, is_by_id(label) ? 0 : label->within_us);
    tm__stmt_bind_i64(stmt, 14, answer->has_alikes);
    tm__stmt_bind_text(stmt, 15, label->origin != NULL ? label->origin : "");
    return tm__stmt_run_done(stmt, err);
}

/* A shadow answered the same row: its answer has the twin's id and is labelled too. Told and
 * counted is the label that came. */
static tm_status label_twin_locked(tm_block *block, const tm_label *label, int64_t stamp_us,
                                   tm_err *err) {
    bool has_shadow = false;
    char id[27], twin_id[27];
    tm_standing twin = {0};
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(block->db, "SELECT 1 FROM streams WHERE arm = '" TM_SHADOW_ARM "' LIMIT 1",
                         &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_shadow, err);
    tm__stmt_done(stmt);
    TM_TRY(st);
    if (!has_shadow || !tm__str_copy(id, sizeof id, block->record.id)) {
        return TM_OK;
    }
    tm__id_twin(id, twin_id);
    const tm_label of_twin = {.prediction_id = twin_id,
                              .value = label->value,
                              .event_us = TM_INT_MISSING,
                              .observed_us = label->observed_us,
                              .origin = label->origin};
    TM_TRY(answer_find(block, &of_twin, &twin, err));
    return twin.is_found && !twin.has_value
               ? label_save_locked(block->db, &of_twin, &twin, stamp_us, err)
               : TM_OK;
}

static tm_status label_locked(tm_block *block, const tm_label *label, int64_t stamp_us,
                              tm_label_result *out, tm_err *err) {
    tm_standing before = {0}, answer = {0};
    TM_TRY(label_find(block->db, label, &before, err));
    if (!before.is_found) {
        TM_TRY(answer_find(block, label, &answer, err));
    }
    const tm_standing *standing = before.is_found ? &before : &answer;
    if (standing->has_value) {
        *out = standing->is_same ? TM_LABEL_DUPLICATE : TM_LABEL_CONFLICT;
        return TM_OK;
    }
    *out = answer.has_alikes ? TM_LABEL_AMBIGUOUS
           : answer.is_found ? TM_LABEL_JOINED
                             : TM_LABEL_WAITING;
    TM_TRY(label_save_locked(block->db, label, &answer, stamp_us, err));
    return answer.is_found ? label_twin_locked(block, label, stamp_us, err) : TM_OK;
}

tm_status tm__log_label_locked(tm_block *block, const tm_label *label, tm_tally *tally,
                               tm_label_result *out, tm_err *err) {
    tm_label_result result = TM_LABEL_WAITING;
    TM_TRY(label_locked(block, label, tally->stamp_us, &result, err));
    tally->n_labels[result]++;
    *out = result;
    return TM_OK;
}

/* ---- The log as a whole ---- */

tm_status tm__monitor_copy(const tm_home *home, const tm_ctx *ctx, const char *to, tm_err *err) {
    tm_db *db = NULL;
    tm_status st = tm__log_open(tm__home_log_db(home), false, &db, err);
    st = st == TM_OK ? tm__db_copy(db, ctx, to, err) : st;
    tm__db_close(db);
    return st == TM_E_NOT_FOUND ? TM_OK : st;
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
