/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a schema of PostgreSQL.
 *
 *   tidemill: application_id | format | generation      one row, beside the tables
 *                                ^          ^
 *       begin: locks the row, ───┘          └─── commit: counts one up when something was written
 *       and with it every other writer
 *
 * 1. Writers come one after the other, over all programs: each transaction begins with the lock of
 *    that row, and after it sees everything that was committed (READ COMMITTED).
 * 2. The row is read under the lock, so a format that a newer program brought is noticed.
 * 3. A commit whose answer was lost is looked up by its number on a new connection: TM_OK says that
 *    it is there, TM_E_UNAVAILABLE with words of its own that nobody could tell.
 * 4. A connection that breaks inside a transaction fails all of it; outside, the next call makes
 *    another one. After a failure to connect nobody tries again for a moment.
 * 5. A writer whose machine or network is gone holds the lock no longer than others wait for it:
 *    the server asks the kernel there, which answers also for a program that is stopped or slow.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/db_pg_priv.h"

#define AGAIN_NS 200000000u
#define DOUBT_MS 10000u /* so long a lost commit is looked for */
#define DOUBT_STEP_MS 100u
#define SILENCE_MS 5000u /* the other side of a broken network is given up then, by both */
#define CONNECT_S 2u     /* the least that libpq waits */

/* ---- The connection ---- */

static tm_status set_up(const tm_pg_db *db, tm_pq *pq, tm_err *err) {
    tm_buf sql;
    char name[64]; /* by which tm__db_users() finds them */
    (void)snprintf(name, sizeof(name), "tidemill %s", db->schema);
    tm__buf_init(&sql, 1024);
    (void)tm__buf_text(&sql, "SET search_path TO ");
    (void)tm__pq_quote(&sql, tm__str(db->schema), '"');
    (void)tm__buf_text(&sql, "; SET application_name TO ");
    (void)tm__pq_quote(&sql, tm__str(name), '\'');
    (void)tm__buf_printf(&sql,
                         "; SET tcp_keepalives_idle TO %u; SET tcp_keepalives_interval TO 1;"
                         " SET tcp_keepalives_count TO 3; SET tcp_user_timeout TO %u",
                         SILENCE_MS / 2000, SILENCE_MS); /* invariant 5 */
    (void)tm__buf_text(&sql, "; SET bytea_output TO hex; SET lock_timeout TO '10s';"
                             " SET idle_in_transaction_session_timeout TO '60s';"
                             " SET default_transaction_isolation TO 'read committed';"
                             " SELECT set_config('synchronous_commit', 'on', false)"
                             " WHERE current_setting('synchronous_commit') = 'off'");
    const tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                    : tm__pq_exec(pq, (const char *)sql.data, err);
    tm__buf_done(&sql);
    return st;
}

/* What opening left for who reaches the server first. */
static tm_status see(tm_pg_db *db, tm_err *err) {
    if (!db->is_unseen) {
        return TM_OK;
    }
    db->is_unseen = false;
    const tm_status st = tm__pg_bring_up(db, &db->options, err);
    db->is_unseen = st != TM_OK;
    return st;
}

tm_status tm__pg_connect(tm_pg_db *db, tm_err *err) {
    if (db->pq != NULL && !tm__pq_is_lost(db->pq)) {
        return TM_OK;
    }
    tm__pg_forget(db);
    if (db->again_ns > tm__mono_ns()) {
        if (err != NULL) {
            *err = db->why;
        }
        return TM_E_UNAVAILABLE;
    }
    const tm_pq_options options = {
        .is_read_only = db->is_read_only, .silence_ms = SILENCE_MS, .connect_s = CONNECT_S};
    tm_pq *pq = NULL;
    db->why = (tm_err){0};
    tm_status st = tm__pq_open(db->dsn_file, &options, &pq, &db->why);
    st = st == TM_OK ? set_up(db, pq, &db->why) : st;
    if (st == TM_OK) {
        db->pq = pq;
        db->n_connections++;
        st = see(db, &db->why);
        if (st == TM_OK) {
            return TM_OK;
        }
        pq = NULL;
        tm__pg_forget(db);
    }
    tm__pq_close(pq);
    db->again_ns = st == TM_E_UNAVAILABLE ? tm__mono_ns() + AGAIN_NS : 0;
    if (err != NULL) {
        *err = db->why;
    }
    return st;
}

void tm__pg_forget(tm_pg_db *db) {
    tm__pq_close(db->pq);
    db->pq = NULL;
}

tm_status tm__pg_fail(const tm_pg_db *db, tm_status st, tm_err *err) {
    const char *path = db->base.path;
    const bool is_told = db->pq != NULL && !tm__pq_is_lost(db->pq);
    const tm_str state = tm__str(is_told ? tm__pq_sqlstate(db->pq) : "");
    if (st == TM_OK || st == TM_E_NOMEM || st == TM_E_CANCELLED || state.len == 0) {
        return st;
    }
    if (tm__str_is(state, "55P03")) {
        st = TM_FAIL(err, TM_E_CONFLICT, "cannot write '%s': another program holds it", path);
        tm_err_hint(err, "Try again when the other command has ended.");
    } else if (tm__str_has_prefix(state, "23")) {
        st = TM_FAIL(err, TM_E_CONFLICT,
                     "cannot write '%s': a rule of its tables forbids it (SQLSTATE %.5s)", path,
                     state.ptr);
    } else if (tm__str_has_prefix(state, "40")) {
        st = TM_FAIL(err, TM_E_CONFLICT, "cannot write '%s': another transaction was in the way",
                     path);
        tm_err_hint(err, "Try again.");
    } else {
        return st;
    }
    tm_err_at(err, path, 0, 0);
    return st;
}

static tm_status pg_usable(const tm_db *db, tm_err *err) {
    (void)db;
    (void)err;
    return TM_OK; /* each call finds out */
}

/* ---- Transactions ---- */

/* Invariants 1 and 2. */
static tm_status begin_once(tm_pg_db *db, tm_err *err) {
    tm_pq_rows *rows = NULL;
    TM_TRY(tm__pg_connect(db, err));
    TM_TRY(tm__pq_exec(db->pq, "BEGIN", err));
    TM_TRY(tm__pq_query(db->pq, "SELECT format, pg_current_xact_id() FROM tidemill FOR UPDATE",
                        NULL, 0, &rows, err));
    const bool has_row = tm__pq_rows_count(rows) == 1;
    const int64_t format = has_row ? tm__pq_rows_i64(rows, 0, 0) : 0;
    db->transaction = has_row ? tm__pq_rows_i64(rows, 0, 1) : 0;
    tm__pq_rows_free(rows);
    return format == (int64_t)db->base.version ? TM_OK
                                               : tm__db_version_fail(&db->base, format, true, err);
}

static void undo(tm_pg_db *db) {
    if (db->pq != NULL && tm__pq_is_in_transaction(db->pq) &&
        tm__pq_exec(db->pq, "ROLLBACK", NULL) != TM_OK) {
        tm__pg_forget(db); /* the server undoes it then */
    }
}

static tm_status pg_begin(tm_db *base, tm_err *err) {
    tm_pg_db *db = tm__pg_of(base);
    TM_ASSERT(!db->is_open);
    if (db->is_read_only) {
        return TM_FAIL(err, TM_E_NOT_ALLOWED, "cannot write '%s': it was opened to read",
                       base->path);
    }
    tm_status st = begin_once(db, err);
    if (st != TM_OK && db->pq != NULL && tm__pq_is_lost(db->pq)) {
        tm__pg_forget(db); /* it broke since it was used last */
        st = begin_once(db, err);
    }
    if (st != TM_OK) {
        st = tm__pg_fail(db, st, err);
        undo(db);
        return st;
    }
    db->is_open = true;
    db->has_written = db->changes_answers = false;
    return TM_OK;
}

static tm_status pg_begin_read(tm_db *base, tm_err *err) {
    tm_pg_db *db = tm__pg_of(base);
    TM_ASSERT(!db->is_open);
    TM_TRY(tm__pg_connect(db, err));
    TM_TRY(tm__pq_exec(db->pq,
                       "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                       " SET LOCAL idle_in_transaction_session_timeout TO '1h'",
                       err)); /* it keeps no writer out; rows of a source are read from files
                                 meanwhile */
    db->is_open = true;
    db->has_written = false;
    db->transaction = 0;
    return TM_OK;
}

/* Whether a transaction is there: "committed", "aborted" or "in progress"; NULL: nobody can tell.
 */
static const char *fate(tm_pg_db *db, char out[16]) {
    tm_pq_rows *rows = NULL;
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "SELECT pg_xact_status('%" PRId64 "'::xid8)", db->transaction);
    db->again_ns = 0;
    if (tm__pg_connect(db, NULL) != TM_OK ||
        tm__pq_query(db->pq, sql, NULL, 0, &rows, NULL) != TM_OK) {
        return NULL;
    }
    const tm_str text = tm__pq_rows_text(rows, 0, 0);
    const bool is_known = text.ptr != NULL && tm__str_copy(out, 16, text);
    tm__pq_rows_free(rows);
    return is_known ? out : NULL;
}

/* Invariant 3. */
static tm_status find_commit(tm_pg_db *db, tm_err *err) {
    char text[16];
    for (uint32_t ms = 0; ms <= DOUBT_MS; ms += DOUBT_STEP_MS) {
        const char *found = fate(db, text);
        if (found != NULL && strcmp(found, "committed") == 0) {
            return TM_OK;
        }
        if (found != NULL && strcmp(found, "aborted") == 0) {
            return TM_FAIL(err, TM_E_UNAVAILABLE,
                           "the connection broke before '%s' was written: nothing was",
                           db->base.path);
        }
        tm__sleep_ms(DOUBT_STEP_MS);
    }
    (void)TM_FAIL(err, TM_E_UNAVAILABLE,
                  "the connection broke while '%s' was written: nobody can tell whether it was",
                  db->base.path);
    tm_err_hint(err, "Look at the history when the server is back, before you try again.");
    return TM_E_UNAVAILABLE;
}

tm_status tm__pg_commit(tm_db *base, tm_err *err) {
    tm_pg_db *db = tm__pg_of(base);
    TM_ASSERT(db->is_open);
    tm_status st = tm__pg_fail(
        db, db->has_written ? tm__pg_commit_counted(db, err) : tm__pq_exec(db->pq, "COMMIT", err),
        err);
    db->is_open = false;
    if (st != TM_OK && db->has_written && tm__pq_is_lost(db->pq)) {
        tm__pg_forget(db);
        st = find_commit(db, err);
    }
    if (st != TM_OK) {
        undo(db);
    }
    return st;
}

void tm__pg_rollback(tm_db *base) {
    tm_pg_db *db = tm__pg_of(base);
    if (db->is_open) {
        db->is_open = false;
        undo(db);
    }
}

static bool pg_is_in_transaction(const tm_db *db) {
    const tm_pg_db *own = tm__pg_of(db);
    return own->is_open && !tm__pq_is_lost(own->pq);
}

/* ---- The whole ---- */

static tm_status exec_open(tm_pg_db *db, const char *sql, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    tm_status st = tm__pg_sql(sql, &text, NULL, err);
    st = st == TM_OK ? tm__pq_exec(db->pq, (const char *)text.data, err) : st;
    db->has_written = db->has_written || tm__pg_is_write(sql);
    tm__buf_done(&text);
    return tm__pg_fail(db, st, err);
}

static tm_status pg_exec(tm_db *base, const char *sql, tm_err *err) {
    tm_pg_db *db = tm__pg_of(base);
    if (db->is_open) {
        return exec_open(db, sql, err);
    }
    TM_TRY(tm__db_begin(base, err));
    const tm_status st = exec_open(db, sql, err);
    if (st != TM_OK) {
        tm__pg_rollback(base);
        return st;
    }
    return tm__pg_commit(base, err);
}

static tm_status number(tm_db *base, const char *sql, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(base, sql, &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? tm__stmt_i64(stmt, 0) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status pg_data_version(tm_db *db, int64_t *out, tm_err *err) {
    return number(db, "SELECT generation FROM tidemill", out, err);
}

static tm_status pg_format(tm_db *db, uint32_t *out, tm_err *err) {
    int64_t format = 0;
    TM_TRY(number(db, "SELECT format FROM tidemill", &format, err));
    *out = (uint32_t)format;
    return TM_OK;
}

static tm_status pg_set_format(tm_db *db, uint32_t format, tm_err *err) {
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "UPDATE tidemill SET format = %u", format);
    return pg_exec(db, sql, err);
}

static void pg_on_log(tm_db *db, tm_db_log_fn fn, void *arg) {
    (void)db;
    (void)fn;
    (void)arg;
}

static tm_status pg_checkpoint(tm_db *db, tm_err *err) {
    (void)db;
    (void)err;
    return TM_OK;
}

static tm_status not_here(const tm_db *db, const char *what, const char *hint, tm_err *err) {
    (void)TM_FAIL(err, TM_E_UNSUPPORTED, "cannot %s '%s': its tables are in PostgreSQL", what,
                  db->path);
    tm_err_hint(err, "%s", hint);
    return TM_E_UNSUPPORTED;
}

static tm_status pg_vacuum(tm_db *db, tm_err *err) {
    return not_here(db, "write anew", "Run VACUUM FULL on the server.", err);
}

static tm_status pg_copy(tm_db *db, const tm_ctx *ctx, const char *to, tm_err *err) {
    (void)ctx;
    (void)to;
    return not_here(db, "copy", "Copy them with pg_dump, beside a copy of the home's folder.", err);
}

/* Pages and indexes are the server's: it has checksums and amcheck. This looks whether it answers.
 */
static tm_status pg_check(tm_db *db, tm_err *err) {
    int64_t generation = 0;
    return pg_data_version(db, &generation, err);
}

static int64_t pg_last_id(const tm_db *db) {
    int64_t id = 0;
    tm_pq_rows *rows = NULL;
    const tm_pg_db *own = tm__pg_of(db);
    if (own->pq != NULL &&
        tm__pq_query(own->pq, "SELECT lastval()", NULL, 0, &rows, NULL) == TM_OK) {
        id = tm__pq_rows_i64(rows, 0, 0);
    }
    tm__pq_rows_free(rows);
    return id;
}

static uint64_t pg_changes(const tm_db *db) {
    return tm__pg_of(db)->n_changed;
}

static void pg_close(tm_db *base) {
    tm_pg_db *db = tm__pg_of(base);
    tm__pg_rollback(base);
    tm__pg_forget(db); /* what was prepared goes with it */
    tm__db_base_done(base);
    tm__mem_free(db->dsn_file);
    tm__mem_free(db->schema);
    tm__mem_free(db);
}

const tm_db_ops tm__db_pg = {
    .open = tm__pg_open,
    .close = pg_close,
    .usable = pg_usable,
    .begin = pg_begin,
    .begin_read = pg_begin_read,
    .commit = tm__pg_commit,
    .rollback = tm__pg_rollback,
    .changes_answers = tm__pg_changes_answers,
    .moment = tm__pg_moment,
    .is_in_transaction = pg_is_in_transaction,
    .exec = pg_exec,
    .data_version = pg_data_version,
    .on_log = pg_on_log,
    .checkpoint = pg_checkpoint,
    .vacuum = pg_vacuum,
    .last_id = pg_last_id,
    .changes = pg_changes,
    .copy = pg_copy,
    .check = pg_check,
    .format = pg_format,
    .set_format = pg_set_format,
    .stmt_create = tm__pg_stmt_create,
    .stmt_free = tm__pg_stmt_free,
    .stmt_start = tm__pg_stmt_start,
    .stmt_end = tm__pg_stmt_end,
    .bind_i64 = tm__pg_bind_i64,
    .bind_f64 = tm__pg_bind_f64,
    .bind_str = tm__pg_bind_str,
    .bind_blob = tm__pg_bind_blob,
    .bind_null = tm__pg_bind_null,
    .step = tm__pg_step,
    .rewind = tm__pg_rewind,
    .i64 = tm__pg_i64,
    .f64 = tm__pg_f64,
    .text = tm__pg_text,
    .blob = tm__pg_blob,
    .type = tm__pg_type,
    .n_cols = tm__pg_n_cols,
};
