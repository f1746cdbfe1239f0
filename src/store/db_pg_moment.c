/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a change of what answers takes effect, and what a look at it is worth.
 *
 *   writer   ── lock ── clock + TM_DB_LEAD_MS ── commit ── unlock     one message: nothing of it
 *                                                                     waits for the writer
 *   look          ── lock, shared ── row ── unlock
 *
 * A change that a look does not show has not read the clock yet, however long a commit takes: so it
 * takes effect more than TM_DB_LEAD_MS after the look began.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "store/db_pg_priv.h"

#define KEY "1414352208" /* beside those of migrations and of who leads */
#define LOOK_WAITS 20u   /* of 100 ms: a server that says nothing for so long is away */
#define TEXT_BYTES_MAX 1024u

/* Of the commit that this is: the change before has taken effect by now. */
tm_status tm__pg_changes_answers(tm_db *base, tm_err *err) {
    tm_pg_db *db = tm__pg_of(base);
    TM_ASSERT(db->is_open);
    if (db->changes_answers) {
        return TM_OK;
    }
    const tm_status st = tm__pq_exec(
        db->pq,
        "SELECT pg_sleep(CASE WHEN left_us > 0 THEN left_us / 1000000.0 ELSE 0 END) FROM (SELECT"
        " moves_us - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS left_us"
        " FROM tidemill) t",
        err);
    db->changes_answers = st == TM_OK;
    return tm__pg_fail(db, st, err);
}

static void add_lock(tm_buf *sql, const tm_pg_db *db, const char *kind) {
    (void)tm__buf_printf(sql, "SELECT pg_advisory_xact_lock%s(" KEY ", hashtext(", kind);
    (void)tm__pq_quote(sql, tm__str(db->schema), '\'');
    (void)tm__buf_text(sql, ")); ");
}

tm_status tm__pg_commit_counted(tm_pg_db *db, tm_err *err) {
    static_assert(TM_DB_LEAD_MS == 400, "as the statement has it");
    tm_buf sql;
    tm__buf_init(&sql, TEXT_BYTES_MAX);
    if (db->changes_answers) {
        add_lock(&sql, db, "");
    }
    (void)tm__buf_text(&sql, "UPDATE tidemill SET generation = generation + 1");
    if (db->changes_answers) {
        (void)tm__buf_text(
            &sql,
            ", moves_us = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 400000");
    }
    (void)tm__buf_text(&sql, "; COMMIT");
    const tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                    : tm__pq_exec(db->pq, (const char *)sql.data, err);
    tm__buf_done(&sql);
    return st;
}

static tm_status look(tm_pg_db *db, const char *sql, tm_db_moment *out, tm_err *err) {
    tm_pq_rows *rows = NULL;
    TM_TRY(tm__pg_connect(db, err));
    out->asked_ns = tm__mono_ns();
    tm__pq_bear(db->pq, LOOK_WAITS);
    const tm_status st = tm__pq_exec_rows(db->pq, sql, &rows, err);
    tm__pq_bear(db->pq, 0);
    if (st == TM_OK && tm__pq_rows_count(rows) == 1) {
        out->generation = tm__pq_rows_i64(rows, 0, 0);
        out->moves_us = tm__pq_rows_i64(rows, 0, 1);
        out->left_us = tm__pq_rows_i64(rows, 0, 2);
        out->told_ns = tm__mono_ns();
    }
    tm__pq_rows_free(rows);
    return tm__pg_fail(db, st, err);
}

tm_status tm__pg_moment(tm_db *base, tm_db_moment *out, tm_err *err) {
    tm_pg_db *db = tm__pg_of(base);
    tm_buf sql;
    tm__buf_init(&sql, TEXT_BYTES_MAX);
    add_lock(&sql, db, "_shared");
    (void)tm__buf_text(&sql, "SELECT generation, moves_us, moves_us - (extract(epoch FROM"
                             " clock_timestamp()) * 1000000)::bigint FROM tidemill");
    *out = (tm_db_moment){.is_shared = true};
    tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                              : look(db, (const char *)sql.data, out, err);
    if (st != TM_OK && db->pq != NULL && tm__pq_is_lost(db->pq) && !db->is_open) {
        tm__pg_forget(db); /* it broke since it was used last: that says nothing of the server */
        st = look(db, (const char *)sql.data, out, err);
    }
    tm__buf_done(&sql);
    return st;
}
