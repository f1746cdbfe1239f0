/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that leave quarantine.
 *
 *   quarantined row ── read again ──┬─ good ──> accepted, and no longer in quarantine ┐ one
 *                                   └─ bad ───> stays, with its reason of now         ┘ transaction
 *
 * 1. A row is accepted and leaves quarantine in one transaction: after a kill it is in one of both.
 * 2. Whoever takes pushes, or reads the feed, has the keys in memory: its lock is held meanwhile.
 * 3. What a batch as a whole showed is not held against a single row again: who replays has looked.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_priv.h"

#define CHUNK_ROWS 500

typedef struct replay {
    tm_db *db;
    tm_file *lock;
    tm_source_row source;
    tm_intake_columns *columns;
    tm_source_writer *writer;
    const tm_intake_replay *what;
    int64_t after; /* number of the last row that was looked at */
    tm_intake_replayed done;
} replay;

/* A row as it stands in quarantine. */
typedef struct kept {
    int64_t number;
    tm_buf body; /* names, bytes and a NUL */
    tm_push_form form;
} kept;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status take_lock(replay *r, const tm_home *home, tm_err *err) {
    char file[TM_MAX_NAME + 16];
    const bool is_push = strcmp(r->source.feed, "push") == 0;
    char *dir = is_push ? NULL : tm__fs_join(tm__home_path(home), "pull");
    (void)snprintf(file, sizeof(file), "%s.lock", is_push ? "intake" : r->source.name);
    char *path = tm__fs_join(is_push ? tm__home_path(home) : dir, file);
    tm_status st = path == NULL || (!is_push && dir == NULL) ? no_memory(err) : TM_OK;
    if (st == TM_OK && !is_push) {
        st = tm__fs_mkdir(dir, err);
    }
    if (st == TM_OK) {
        st = tm__lock_open(path, &r->lock, err);
    }
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another process takes rows of '%s'", r->source.name);
        tm_err_hint(err, "Stop the server, or let the reading end, and replay then.");
    }
    tm__mem_free(dir);
    tm__mem_free(path);
    return st;
}

static tm_status next_row(replay *r, kept *out, bool *out_found, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(r->db,
                         "SELECT seq, names, bytes FROM quarantine WHERE source = ?1 AND seq > ?2"
                         " AND seq >= ?3 AND (?4 = 0 OR seq <= ?4) AND (?5 = '' OR reason = ?5)"
                         " ORDER BY seq LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, r->source.id);
    tm__stmt_bind_i64(stmt, 2, r->after);
    tm__stmt_bind_i64(stmt, 3, r->what->first);
    tm__stmt_bind_i64(stmt, 4, r->what->last);
    tm__stmt_bind_text(stmt, 5, r->what->reason != NULL ? r->what->reason : "");
    tm_status st = tm__stmt_step(stmt, out_found, err);
    if (st == TM_OK && *out_found) {
        const char *names = tm__stmt_text(stmt, 1);
        const tm_str bytes = tm__stmt_blob(stmt, 2);
        out->number = tm__stmt_i64(stmt, 0);
        out->form = names != NULL && names[0] != '\0' ? TM_PUSH_CSV : TM_PUSH_LINES;
        tm__buf_reset(&out->body);
        if (out->form == TM_PUSH_CSV) {
            (void)tm__buf_text(&out->body, names);
            (void)tm__buf_byte(&out->body, '\n');
        }
        (void)tm__buf_append(&out->body, bytes.ptr, bytes.len);
        st = tm__buf_byte(&out->body, 0) ? TM_OK : no_memory(err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* With the number and, where the row stays, what is wrong with it now. */
static tm_status put_down_locked(replay *r, const char *sql, int64_t number, const tm_bad_row *bad,
                                 tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(r->db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, number);
    if (bad != NULL) {
        tm__stmt_bind_text(stmt, 2, bad->column);
        tm__stmt_bind_text(stmt, 3, tm__row_reason_names[bad->reason]);
        tm__stmt_bind_text(stmt, 4, bad->detail);
    }
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static tm_status leave_locked(replay *r, int64_t number, tm_err *err) {
    TM_TRY(put_down_locked(r, "DELETE FROM quarantine WHERE seq = ?", number, NULL, err));
    return put_down_locked(r, "UPDATE sources SET quarantined = quarantined - 1 WHERE id = ?",
                           r->source.id, NULL, err);
}

static tm_status stay_locked(replay *r, int64_t number, const tm_bad_row *bad, tm_err *err) {
    r->done.bad++;
    return put_down_locked(
        r, "UPDATE quarantine SET col = ?2, reason = ?3, detail = ?4 WHERE seq = ?1", number, bad,
        err);
}

static tm_status take_locked(replay *r, kept *row, tm_rows *rows, tm_err *err) {
    tm_push_result result = {0};
    if (rows->n_rows == 0) {
        static const tm_bad_row nothing = {.reason = TM_ROW_MALFORMED, .detail = "there is no row"};
        return stay_locked(r, row->number, rows->n_bad > 0 ? &rows->bad[0] : &nothing, err);
    }
    TM_TRY(tm__source_writer_unique(r->writer, rows, NULL, &result.duplicates, err));
    const tm_source_put put = {.rows = rows, .origin = "replay"};
    TM_TRY(tm__source_writer_put_locked(r->writer, r->db, &put, &result, err));
    r->done.accepted += result.accepted;
    r->done.duplicates += result.duplicates;
    tm__intake_columns_unref(r->columns);
    r->columns = tm__intake_columns_ref(rows->columns);
    return leave_locked(r, row->number, err);
}

static tm_status replay_locked(replay *r, kept *row, tm_err *err) {
    tm_rows rows = {0};
    tm_err failure = {0};
    if (r->what->drop) {
        r->done.dropped++;
        return leave_locked(r, row->number, err);
    }
    const tm_push push = {.source = r->source.name,
                          .form = row->form,
                          .data = (char *)row->body.data,
                          .len = row->body.len - 1};
    const tm_status st = tm__rows_read(&push, r->columns, &rows, &failure);
    if (st == TM_OK && rows.is_stopped) { /* its policy is to stop: it stays where it is */
        tm_bad_row bad = {.reason = (tm_row_reason)(TM_ROW_CHANGE + rows.stop.kind)};
        (void)tm__str_copy(bad.column, sizeof(bad.column), tm__str(rows.stop.column));
        (void)tm__str_copy(bad.detail, sizeof(bad.detail), tm__str(rows.stop.detail));
        tm__rows_done(&rows);
        return stay_locked(r, row->number, &bad, err);
    }
    if (st == TM_E_DATA || st == TM_E_LIMIT) {
        tm_bad_row bad = {.reason = TM_ROW_MALFORMED};
        (void)tm__str_copy(bad.detail, sizeof(bad.detail), tm__str(failure.message));
        return stay_locked(r, row->number, &bad, err);
    }
    if (st != TM_OK) {
        *err = failure;
        return st;
    }
    const tm_status taken = take_locked(r, row, &rows, err);
    tm__rows_done(&rows);
    return taken;
}

/* Some rows in one transaction; *out_more false: none was left. */
static tm_status chunk(replay *r, kept *row, bool *out_more, tm_err *err) {
    const tm_intake_replayed before = r->done;
    TM_TRY(tm__source_writer_load(r->writer, r->db, err));
    TM_TRY(tm__db_begin(r->db, err));
    tm_status st = tm__source_writer_check_locked(r->writer, r->db, err);
    *out_more = true;
    for (int i = 0; i < CHUNK_ROWS && st == TM_OK && *out_more; i++) {
        st = next_row(r, row, out_more, err);
        if (st == TM_OK && *out_more) {
            r->after = row->number;
            st = replay_locked(r, row, err);
        }
    }
    if (st == TM_OK) {
        st = tm__db_commit(r->db, err);
    } else {
        tm__db_rollback(r->db);
    }
    tm__source_writer_settle(r->writer, st == TM_OK);
    if (st == TM_OK) {
        tm__source_writer_tend(r->writer, r->db);
    } else {
        r->done = before;
    }
    return st;
}

static tm_status open_source(replay *r, const tm_home *home, const char *name, tm_err *err) {
    TM_TRY(tm__intake_db_open_there(home, true, &r->db, err));
    TM_TRY(tm__intake_db_source(r->db, name, &r->source, err));
    TM_TRY(take_lock(r, home, err));
    TM_TRY(tm__intake_db_columns(r->db, &r->source, &r->columns, err));
    TM_TRY(tm__source_writer_watch(r->db, &r->source, r->columns, err));
    return tm__source_writer_create(home, &r->source, r->columns, &r->writer, err);
}

tm_status tm__intake_replay(const tm_home *home, const char *name, const tm_intake_replay *what,
                            tm_intake_replayed *out, tm_err *err) {
    replay r = {.what = what};
    kept row = {0};
    tm_err own = {0};
    tm__buf_init(&row.body, (size_t)1 << 30);
    tm_status st = open_source(&r, home, name, &own);
    for (bool more = true; st == TM_OK && more;) {
        st = chunk(&r, &row, &more, &own);
    }
    *out = r.done;
    tm__buf_done(&row.body);
    tm__source_writer_free(r.writer);
    tm__intake_columns_unref(r.columns);
    tm__source_row_done(&r.source);
    tm__db_close(r.db);
    tm__file_close(r.lock);
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}
