/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every engine has in common: the cache of statements, and the way to the engine.
 *
 *   tm_db ── ops (SQLite or PostgreSQL)
 *         └─ cached[] ── tm_stmt          found by the text of its SQL
 */
#include "store/db_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

tm_status tm__db_open(const char *path, const tm_db_options *options, tm_db **out, tm_err *err) {
    const bool is_place = tm__str_has_suffix(tm__str(path), TM_DB_PLACE_SUFFIX);
    return (is_place ? &tm__db_pg : &tm__db_sqlite)->open(path, options, out, err);
}

void tm__db_close(tm_db *db) {
    if (db != NULL) {
        db->ops->close(db);
    }
}

const char *tm__db_path(const tm_db *db) {
    return db->path;
}

bool tm__db_is_postgres(const tm_db *db) {
    return db->ops == &tm__db_pg;
}

void *tm__db_migration_arg(const tm_db *db) {
    return db->migration_arg;
}

/* ---- What engines share ---- */

static void stmt_free(tm_stmt *stmt) {
    char *sql = stmt->sql;
    stmt->db->ops->stmt_free(stmt);
    tm__mem_free(sql);
    tm__mem_free(stmt);
}

void tm__db_base_done(tm_db *db) {
    for (uint32_t i = 0; i < db->n_cached; i++) {
        stmt_free(db->cached[i]);
    }
    db->n_cached = 0;
    tm__mem_free(db->path);
    db->path = NULL;
}

void tm__db_lost(tm_db *db) {
    db->has_lost = true;
    (void)tm__json_lost();
}

uint32_t tm__db_version_last(const tm_migration *migrations) {
    uint32_t version_last = 0;
    for (const tm_migration *m = migrations; m->version != 0; m++) {
        TM_ASSERT(m->version == version_last + 1);
        version_last = m->version;
    }
    return version_last;
}

bool tm__db_version_moves(const tm_db_options *options, int64_t version) {
    const int64_t last = tm__db_version_last(options->migrations);
    return options->is_moving && (version <= last || version == (int64_t)TM_DB_FORMAT_MOVED ||
                                  version == (last | (int64_t)TM_DB_FORMAT_HALF));
}

tm_status tm__db_version_fail(const tm_db *db, int64_t version, bool is_now, tm_err *err) {
    if (version == (int64_t)TM_DB_FORMAT_MOVED) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "the tables of '%s' were moved to another store",
                      db->path);
        tm_err_hint(err,
                    "Start the program again: the home says where they are now. If it says here, "
                    "run the same 'tidemill store migrate' again.");
    } else if ((version & (int64_t)TM_DB_FORMAT_HALF) != 0) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "the tables of '%s' are half-applied", db->path);
        tm_err_hint(
            err, "A 'tidemill store migrate' to there did not end: run it again where it began.");
    } else if (is_now) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "'%s' has format %lld now and this program knows up to %u", db->path,
                      (long long)version, db->version);
        tm_err_hint(err, "A newer release brought it there: stop this program and start that one.");
    } else {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "'%s' has format %lld and this program knows up to %u",
                      db->path, (long long)version, db->version);
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a newer one.");
    }
    tm_err_at(err, db->path, 0, 0);
    return TM_E_UNSUPPORTED;
}

/* ---- Statements ---- */

static tm_status stmt_create(tm_db *db, const char *sql, tm_stmt **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    char *text = tm__mem_strdup(sql);
    if (text == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = db->ops->stmt_create(db, sql, &stmt, err);
    if (st != TM_OK) {
        tm__mem_free(text);
        return st;
    }
    stmt->db = db;
    stmt->sql = text;
    *out = stmt;
    return TM_OK;
}

tm_status tm__stmt_init(tm_db *db, const char *sql, tm_stmt **out, tm_err *err) {
    TM_TRY(db->ops->usable(db, err));
    bool is_busy = false; /* the same statement is running: this one stays out of the cache */
    for (uint32_t i = 0; i < db->n_cached; i++) {
        tm_stmt *stmt = db->cached[i];
        if (strcmp(stmt->sql, sql) == 0) {
            if (!stmt->in_use) {
                stmt->in_use = true;
                db->ops->stmt_start(stmt);
                *out = stmt;
                return TM_OK;
            }
            is_busy = true;
        }
    }
    tm_stmt *stmt = NULL;
    TM_TRY(stmt_create(db, sql, &stmt, err));
    stmt->in_use = true;
    if (!is_busy && db->n_cached < TM_DB_CACHED_MAX) {
        stmt->is_cached = true;
        db->cached[db->n_cached++] = stmt;
    }
    *out = stmt;
    return TM_OK;
}

void tm__stmt_bind_i64(tm_stmt *stmt, int index, int64_t value) {
    stmt->db->ops->bind_i64(stmt, index, value);
}

void tm__stmt_bind_f64(tm_stmt *stmt, int index, double value) {
    stmt->db->ops->bind_f64(stmt, index, value);
}

void tm__stmt_bind_text(tm_stmt *stmt, int index, const char *value) {
    if (value == NULL) {
        stmt->db->ops->bind_null(stmt, index, TM_DB_TEXT);
    } else {
        tm__stmt_bind_str(stmt, index, tm__str(value));
    }
}

void tm__stmt_bind_str(tm_stmt *stmt, int index, tm_str value) {
    stmt->db->ops->bind_str(stmt, index, value);
}

void tm__stmt_bind_blob(tm_stmt *stmt, int index, const void *data, size_t len) {
    stmt->db->ops->bind_blob(stmt, index, data, len, false);
}

void tm__stmt_bind_blob_view(tm_stmt *stmt, int index, const void *data, size_t len) {
    stmt->db->ops->bind_blob(stmt, index, data, len, true);
}

void tm__stmt_bind_null(tm_stmt *stmt, int index) {
    stmt->db->ops->bind_null(stmt, index, TM_DB_NULL);
}

tm_status tm__stmt_step(tm_stmt *stmt, bool *out_row, tm_err *err) {
    return stmt->db->ops->step(stmt, out_row, err);
}

bool tm__stmt_next(tm_stmt *stmt, tm_status *st, tm_err *err) {
    bool has_row = false;
    *st = *st == TM_OK ? tm__stmt_step(stmt, &has_row, err) : *st;
    return *st == TM_OK && has_row;
}

tm_status tm__stmt_run(tm_stmt *stmt, tm_err *err) {
    bool has_row = false;
    TM_TRY(tm__stmt_step(stmt, &has_row, err));
    TM_ASSERT(!has_row);
    stmt->db->ops->rewind(stmt); /* ready for the next set of values */
    return TM_OK;
}

tm_status tm__stmt_run_done(tm_stmt *stmt, tm_err *err) {
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

tm_db_type tm__stmt_type(tm_stmt *stmt, int col) {
    return stmt->db->ops->type(stmt, col);
}

int tm__stmt_n_cols(tm_stmt *stmt) {
    return stmt->db->ops->n_cols(stmt);
}

int64_t tm__stmt_i64(tm_stmt *stmt, int col) {
    return stmt->db->ops->i64(stmt, col);
}

double tm__stmt_f64(tm_stmt *stmt, int col) {
    return stmt->db->ops->f64(stmt, col);
}

const char *tm__stmt_text(tm_stmt *stmt, int col) {
    return stmt->db->ops->text(stmt, col);
}

tm_str tm__stmt_blob(tm_stmt *stmt, int col) {
    return stmt->db->ops->blob(stmt, col);
}

bool tm__stmt_is_null(tm_stmt *stmt, int col) {
    return tm__stmt_type(stmt, col) == TM_DB_NULL;
}

void tm__stmt_done(tm_stmt *stmt) {
    if (stmt == NULL) {
        return;
    }
    if (!stmt->is_cached) {
        stmt_free(stmt);
        return;
    }
    stmt->db->ops->stmt_end(stmt);
    stmt->in_use = false;
}

/* ---- Transactions and the whole ---- */

void tm__db_fence(tm_db *db, const char *sql, int64_t value) {
    db->fence_sql = sql;
    db->fence_value = value;
}

/* A statement of its own after the lock is held: it sees what the writer before has committed. */
static tm_status fence_check(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, db->fence_sql, &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    const int64_t value = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    if (st == TM_OK && value != db->fence_value) {
        st = TM_FAIL(err, TM_E_CONFLICT,
                     "nothing was written to '%s': epoch %lld is over, another leader holds %lld",
                     db->path, (long long)db->fence_value, (long long)value);
        tm_err_hint(err, "The leader of now does what is left to do; nothing is to be mended.");
        tm_err_at(err, db->path, 0, 0);
    }
    return st;
}

tm_status tm__db_begin(tm_db *db, tm_err *err) {
    TM_TRY(db->ops->begin(db, err));
    const tm_status st = db->fence_sql == NULL ? TM_OK : fence_check(db, err);
    if (st != TM_OK) {
        tm__db_rollback(db);
    }
    return st;
}

tm_status tm__db_begin_read(tm_db *db, tm_err *err) {
    return db->ops->begin_read(db, err);
}

tm_status tm__db_changes_answers(tm_db *db, tm_err *err) {
    return db->ops->changes_answers == NULL ? TM_OK : db->ops->changes_answers(db, err);
}

tm_status tm__db_moment(tm_db *db, tm_db_moment *out, tm_err *err) {
    *out = (tm_db_moment){.asked_ns = tm__mono_ns()};
    return db->ops->moment != NULL ? db->ops->moment(db, out, err)
                                   : tm__db_data_version(db, &out->generation, err);
}

tm_status tm__db_commit(tm_db *db, tm_err *err) {
    return db->ops->commit(db, err);
}

void tm__db_rollback(tm_db *db) {
    db->ops->rollback(db);
}

tm_status tm__db_end(tm_db *db, tm_status st, tm_err *err) {
    if (st == TM_OK) {
        return tm__db_commit(db, err);
    }
    tm__db_rollback(db);
    return st;
}

bool tm__db_is_in_transaction(const tm_db *db) {
    return db->ops->is_in_transaction(db);
}

tm_status tm__db_exec(tm_db *db, const char *sql, tm_err *err) {
    return db->ops->exec(db, sql, err);
}

tm_status tm__db_data_version(tm_db *db, int64_t *out, tm_err *err) {
    return db->ops->data_version(db, out, err);
}

void tm__db_on_log(tm_db *db, tm_db_log_fn fn, void *arg) {
    db->ops->on_log(db, fn, arg);
}

tm_status tm__db_checkpoint(tm_db *db, tm_err *err) {
    return db->ops->checkpoint(db, err);
}

tm_status tm__db_vacuum(tm_db *db, tm_err *err) {
    return db->ops->vacuum(db, err);
}

int64_t tm__db_last_id(const tm_db *db) {
    return db->ops->last_id(db);
}

uint64_t tm__db_changes(const tm_db *db) {
    return db->ops->changes(db);
}

tm_status tm__db_copy(tm_db *db, const tm_ctx *ctx, const char *to, tm_err *err) {
    return db->ops->copy(db, ctx, to, err);
}

tm_status tm__db_check(tm_db *db, tm_err *err) {
    return db->ops->check(db, err);
}

tm_status tm__db_format(tm_db *db, uint32_t *out, tm_err *err) {
    return db->ops->format(db, out, err);
}
