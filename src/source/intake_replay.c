/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that leave quarantine.
 *
 *   quarantined row ── read again ──┬─ good ──> accepted, and no longer in quarantine ┐ one
 *                                   └─ bad ───> stays, with its reason of now         ┘ transaction
 *
 * 1. A row is accepted and leaves quarantine in one transaction: after a kill it is in one of both.
 * 2. Whoever takes pushes, or reads the feed, has the keys in memory: its lock is held meanwhile,
 *    but to drop rows.
 * 3. What a batch as a whole showed is not held against a single row again: who replays has looked.
 * 4. A mended row takes the place of the one with its number. That number is gone with it, so that
 *    the same file again changes nothing. It is read as the file was written that the row came in.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "source/intake_priv.h"

#define CHUNK_ROWS 500
#define FILE_BYTES_MAX ((size_t)4 << 30)
#define LEFT_MAX 100 /* rows that are named */

typedef struct replay {
    tm_db *db;
    tm_file *lock;
    tm_source_row source;
    tm_intake_columns *columns;
    tm_source_writer *writer;
    const tm_intake_replay *what;
    int64_t after; /* number of the last row that was looked at */
    tm_buf file;   /* mended rows */
    size_t at;     /* of the next line of it */
    uint64_t line; /* of the one at hand */
    tm_intake_replayed done;
} replay;

/* A row as it stands in quarantine, or mended. */
typedef struct kept {
    int64_t number;
    tm_buf body; /* names, bytes and a NUL */
    tm_push_form form;
    json_t *dialect;    /* NULL: as a push is written */
    const char **names; /* [csv.n_names] of the dialect */
    char *orders;
    tm_push_csv csv;
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

/* ---- Rows ---- */

static void kept_reset(kept *row) {
    json_decref(row->dialect);
    tm__mem_free((void *)(uintptr_t)row->names);
    tm__mem_free(row->orders);
    row->dialect = NULL;
    row->names = NULL;
    row->orders = NULL;
    tm__buf_reset(&row->body);
}

/* How the file was written that the row came in. */
static tm_status read_dialect(kept *row, const char *text, tm_err *err) {
    TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &row->dialect, err));
    const json_t *names = json_object_get(row->dialect, "names");
    const char *orders = tm__json_text(row->dialect, "orders", "");
    const uint32_t n = (uint32_t)json_array_size(names);
    if (n == 0 || strlen(orders) != n) {
        return TM_FAIL(err, TM_E_INTEGRITY, "row %lld of the quarantine is damaged",
                       (long long)row->number);
    }
    row->names = tm__mem_alloc(n, sizeof(*row->names));
    row->orders = tm__mem_strdup(orders);
    if (row->names == NULL || row->orders == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        row->names[i] = name != NULL ? name : "";
        row->orders[i] = orders[i] == '-' ? '\0' : orders[i];
    }
    row->csv = (tm_push_csv){.delimiter = tm__json_text(row->dialect, "delimiter", ",")[0],
                             .quote = tm__json_text(row->dialect, "quote", "")[0],
                             .skips_blanks = tm__json_bool(row->dialect, "blanks", false),
                             .n_names = n,
                             .names = row->names,
                             .orders = row->orders};
    return TM_OK;
}

/* The names and bytes of a row; bytes: those that take the place of the stored ones, or ptr NULL.
 */
static tm_status read_kept(kept *row, tm_stmt *stmt, tm_str bytes, tm_err *err) {
    const char *names = tm__stmt_text(stmt, 1), *dialect = tm__stmt_text(stmt, 2);
    row->number = tm__stmt_i64(stmt, 0);
    row->form = TM_PUSH_LINES;
    bytes = bytes.ptr == NULL ? tm__stmt_blob(stmt, 3) : bytes;
    if (names == NULL || dialect == NULL) {
        return no_memory(err);
    }
    if (dialect[0] != '\0') {
        row->form = TM_PUSH_CSV;
        TM_TRY(read_dialect(row, dialect, err));
    } else if (names[0] != '\0') {
        row->form = TM_PUSH_CSV;
        (void)tm__buf_text(&row->body, names);
        (void)tm__buf_byte(&row->body, '\n');
    }
    (void)tm__buf_append(&row->body, bytes.ptr, bytes.len);
    return tm__buf_byte(&row->body, 0) ? TM_OK : no_memory(err);
}

static tm_status next_row(replay *r, kept *out, bool *out_found, tm_err *err) {
    tm_stmt *stmt = NULL;
    const tm_intake_choice *choice = &r->what->choice;
    TM_TRY(tm__stmt_init(r->db,
                         "SELECT seq, CAST(unseal('quarantine.names', seq, names) AS TEXT),"
                         " CAST(unseal('quarantine.dialect', seq, dialect) AS TEXT),"
                         " unseal('quarantine.bytes', seq, bytes) FROM quarantine"
                         " WHERE source = ?1 AND seq > ?2"
                         " AND seq >= ?3 AND (?4 = 0 OR seq <= ?4) AND (?5 = '' OR reason = ?5)"
                         " ORDER BY seq LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, r->source.id);
    tm__stmt_bind_i64(stmt, 2, r->after);
    tm__stmt_bind_i64(stmt, 3, choice->first);
    tm__stmt_bind_i64(stmt, 4, choice->last);
    tm__stmt_bind_text(stmt, 5, choice->reason != NULL ? choice->reason : "");
    tm_status st = tm__stmt_step(stmt, out_found, err);
    if (st == TM_OK && *out_found) {
        st = read_kept(out, stmt, (tm_str){0}, err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* ---- Mended rows ---- */

/* The line as JSON; what is wrong with it is told with its column. */
static tm_status parse_line(tm_str line, json_t **out, tm_err *err) {
    tm_scan_error e = {0};
    char *copy = tm__mem_strndup(line.ptr, line.len);
    if (copy == NULL) {
        return no_memory(err);
    }
    const bool is_good =
        memchr(line.ptr, 0, line.len) == NULL && tm__scan_check(copy, line.len, &e);
    tm__mem_free(copy);
    if (!is_good) {
        (void)TM_FAIL(err, TM_E_DATA, "the line is not JSON: %s",
                      e.reason != NULL ? e.reason : "it holds a NUL");
        tm_err_at(err, "", 0, (uint32_t)e.column);
        return TM_E_DATA;
    }
    return tm__json_parse(line.ptr, line.len, TM_MAX_JSON_DEPTH, out, err);
}

/* A line of the file: its number, and the row as text in *out_row (the caller's). */
static tm_status read_line(replay *r, tm_str line, int64_t *out_number, char **out_row,
                           tm_err *err) {
    json_t *json = NULL;
    tm_err own = {0};
    tm_buf value;
    tm__buf_init(&value, FILE_BYTES_MAX);
    tm_status st = parse_line(line, &json, &own);
    const json_t *const is = json_object_get(json, "value");
    const char *const text = tm__json_text(json, "text", NULL);
    const char *const source = tm__json_text(json, "source", r->source.name);
    *out_number = tm__json_i64(json, "number", 0);
    if (st == TM_OK && *out_number <= 0) {
        st = TM_FAIL(&own, TM_E_DATA, "the line has no \"number\" of a row in quarantine");
    } else if (st == TM_OK && strcmp(source, r->source.name) != 0) {
        st = TM_FAIL(&own, TM_E_DATA, "the line is of source '%s', not of '%s'", source,
                     r->source.name);
    } else if (st == TM_OK && !json_is_object(is) && text == NULL) {
        st = TM_FAIL(&own, TM_E_DATA, "the line has neither \"value\", an object, nor \"text\"");
    }
    if (st == TM_OK && is != NULL) {
        *out_row = tm__json_write(&value, is, 0)
                       ? tm__mem_strndup((const char *)value.data, value.len)
                       : NULL;
        st = *out_row == NULL ? no_memory(&own) : TM_OK;
    } else if (st == TM_OK) {
        *out_row = tm__mem_strdup(text);
        st = *out_row == NULL ? no_memory(&own) : TM_OK;
    }
    tm__buf_done(&value);
    json_decref(json);
    if (st == TM_E_DATA || st == TM_E_LIMIT) {
        tm_err_hint(&own,
                    "'tidemill data quarantine %s -o FILE' writes such lines: mend \"value\" "
                    "or \"text\" and leave \"number\". Nothing was done.",
                    r->source.name);
        tm_err_at(&own, r->what->file, r->line, own.data_col);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

/* The next line that is not empty. */
static bool next_line(replay *r, tm_str *out) {
    while (r->at < r->file.len) {
        const char *start = (const char *)r->file.data + r->at;
        const char *end = memchr(start, '\n', r->file.len - r->at);
        const size_t len = end == NULL ? r->file.len - r->at : (size_t)(end - start);
        r->at += len + 1;
        r->line++;
        *out = tm__str_trim((tm_str){start, len});
        if (out->len > 0) {
            return true;
        }
    }
    return false;
}

/* Every line is one before the first row is taken. */
static tm_status check_file(replay *r, tm_err *err) {
    tm_str line = {0};
    TM_TRY(tm__fs_read_all(r->what->file, &r->file, err));
    if (r->file.len >= 3 && memcmp(r->file.data, "\xEF\xBB\xBF", 3) == 0) {
        r->file.data[0] = r->file.data[1] = r->file.data[2] = ' ';
    }
    while (next_line(r, &line)) {
        char *row = NULL;
        int64_t number = 0;
        const tm_status st = read_line(r, line, &number, &row, err);
        tm__mem_free(row);
        TM_TRY(st);
    }
    r->at = 0;
    r->line = 0;
    return TM_OK;
}

static tm_status next_mended(replay *r, kept *out, bool *out_more, bool *out_found, tm_err *err) {
    tm_str line = {0};
    char *row = NULL;
    tm_stmt *stmt = NULL;
    int64_t number = 0;
    *out_found = false;
    *out_more = next_line(r, &line);
    if (!*out_more) {
        return TM_OK;
    }
    TM_TRY(read_line(r, line, &number, &row, err));
    tm_status st = tm__stmt_init(r->db,
                                 "SELECT seq, CAST(unseal('quarantine.names', seq, names) AS TEXT),"
                                 " CAST(unseal('quarantine.dialect', seq, dialect) AS TEXT),"
                                 " unseal('quarantine.bytes', seq, bytes) FROM quarantine"
                                 " WHERE source = ? AND seq = ?",
                                 &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, r->source.id);
        tm__stmt_bind_i64(stmt, 2, number);
        st = tm__stmt_step(stmt, out_found, err);
    }
    if (st == TM_OK && *out_found) {
        st = read_kept(out, stmt, tm__str(row), err);
    } else if (st == TM_OK) {
        r->done.gone++;
    }
    tm__stmt_done(stmt);
    tm__mem_free(row);
    return st;
}

/* ---- Taking ---- */

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
    return tm__stmt_run_done(stmt, err);
}

static tm_status leave_locked(replay *r, int64_t number, tm_err *err) {
    TM_TRY(put_down_locked(
        r,
        "UPDATE sources SET quarantined = quarantined - 1, quarantine_bytes = quarantine_bytes -"
        " (SELECT length(unseal('quarantine.bytes', seq, bytes)) +"
        " length(hex(unseal('quarantine.names', seq, names))) / 2 +"
        " length(hex(unseal('quarantine.dialect', seq, dialect))) / 2"
        " FROM quarantine WHERE seq = ?1)"
        " WHERE id = (SELECT source FROM quarantine WHERE seq = ?1)",
        number, NULL, err));
    return put_down_locked(r, "DELETE FROM quarantine WHERE seq = ?", number, NULL, err);
}

static tm_status stay_locked(replay *r, int64_t number, const tm_bad_row *bad, tm_err *err) {
    r->done.bad++;
    if (r->what->file != NULL) { /* what stands in quarantine is still what came */
        if (json_array_size(r->done.left) < LEFT_MAX) {
            json_array_append_new(
                r->done.left,
                json_pack("{s:I, s:I, s:s, s:s, s:s}", "line", (json_int_t)r->line, "number",
                          (json_int_t)number, "column", bad->column, "reason",
                          tm__row_reason_names[bad->reason], "detail", bad->detail));
        }
        return TM_OK;
    }
    return put_down_locked(
        r, "UPDATE quarantine SET col = ?2, reason = ?3, detail = ?4 WHERE seq = ?1", number, bad,
        err);
}

static tm_status take_locked(replay *r, kept *row, tm_rows *rows, tm_err *err) {
    tm_push_result result = {0};
    if (rows->n_rows != 1 || rows->n_bad > 0) {
        static const tm_bad_row none = {.reason = TM_ROW_MALFORMED, .detail = "there is no row"};
        static const tm_bad_row many = {.reason = TM_ROW_MALFORMED,
                                        .detail = "there are several rows"};
        return stay_locked(r, row->number,
                           rows->n_rows + rows->n_bad > 1 ? &many
                           : rows->n_bad > 0              ? &rows->bad[0]
                                                          : &none,
                           err);
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
                          .is_single = true,
                          .data = (char *)row->body.data,
                          .len = row->body.len - 1,
                          .csv = row->dialect != NULL ? &row->csv : NULL};
    const tm_status st = tm__rows_read(&push, r->columns, &rows, &failure);
    if (st == TM_OK && rows.is_stopped) { /* its policy is to stop: it stays where it is */
        tm_bad_row bad;
        tm__finding_reason(&rows.stop, &bad);
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
    const bool is_taking = r->writer != NULL;
    TM_TRY(is_taking ? tm__source_writer_load(r->writer, r->db, err) : TM_OK);
    TM_TRY(tm__db_begin(r->db, err));
    tm_status st = is_taking ? tm__source_writer_check_locked(r->writer, r->db, err) : TM_OK;
    st = st == TM_OK && is_taking ? tm__source_writer_fresh_locked(r->writer, r->db, err) : st;
    *out_more = true;
    for (int i = 0; i < CHUNK_ROWS && st == TM_OK && *out_more; i++) {
        bool is_found = false;
        kept_reset(row);
        if (r->what->file != NULL) {
            st = next_mended(r, row, out_more, &is_found, err);
        } else {
            st = next_row(r, row, out_more, err);
            is_found = *out_more;
        }
        if (st == TM_OK && is_found) {
            r->after = row->number;
            st = replay_locked(r, row, err);
        }
    }
    st = tm__db_end(r->db, st, err);
    if (is_taking) {
        tm__source_writer_settle(r->writer, st == TM_OK);
    }
    if (st != TM_OK) {
        r->done = before;
    } else if (is_taking) {
        tm__source_writer_tend(r->writer, r->db, true);
    }
    return st;
}

static tm_status open_source(replay *r, const tm_home *home, const char *name, tm_err *err) {
    TM_TRY(tm__intake_db_open_there(home, true, &r->db, err));
    TM_TRY(tm__intake_db_source(r->db, name, &r->source, err));
    if (r->what->drop) { /* touches no keys */
        return TM_OK;
    }
    TM_TRY(take_lock(r, home, err));
    TM_TRY(tm__intake_db_columns(r->db, &r->source, &r->columns, err));
    TM_TRY(tm__source_writer_watch(home, r->db, &r->source, r->columns, err));
    return tm__source_writer_create(home, &r->source, r->columns, &r->writer, err);
}

tm_status tm__intake_replay(const tm_home *home, const char *name, const tm_intake_replay *what,
                            tm_intake_replayed *out, tm_err *err) {
    replay r = {.what = what};
    kept row = {0};
    tm_err own = {0};
    tm__buf_init(&row.body, (size_t)1 << 30);
    tm__buf_init(&r.file, FILE_BYTES_MAX);
    r.done.left = what->file != NULL ? json_array() : NULL;
    tm_status st = open_source(&r, home, name, &own);
    if (st == TM_OK && what->file != NULL) {
        st = check_file(&r, &own);
    }
    for (bool more = true; st == TM_OK && more;) {
        st = chunk(&r, &row, &more, &own);
    }
    st = st == TM_OK ? tm__json_check(&own) : st;
    *out = r.done;
    kept_reset(&row);
    tm__buf_done(&row.body);
    tm__buf_done(&r.file);
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
