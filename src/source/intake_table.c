/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source holds: its rows as a table, its segments, what is known of it. Every call is a
 * process's own connection, beside whoever takes pushes.
 *
 *   rows in order: segments by number, then batches by number
 *
 * 1. A segment is on disk under its hash before the transaction that names it and removes its
 *    batches, so a row is in one of them at any time.
 * 2. Segments and batches are read in one transaction.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/source.h"

#define SEGMENT_BYTES_MAX ((int64_t)64 << 20) /* of batches: their removal holds up the writer */
#define SEGMENT_ROWS_MAX INT64_C(4000000)
#define DUE_US (INT64_C(3600) * 1000000)
#define KEY_BYTES_MAX ((size_t)64 << 20)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a source");
}

/* A source in a read-only or writing connection of its own. */
typedef struct place {
    const tm_home *home;
    tm_db *db;
    tm_source_row source;
    tm_intake_columns *columns;
    char *segments_dir;
} place;

static void place_done(place *p) {
    tm__mem_free(p->segments_dir);
    tm__intake_columns_unref(p->columns);
    tm__source_row_done(&p->source);
    if (p->db != NULL) {
        tm__db_rollback(p->db);
    }
    tm__db_close(p->db);
    *p = (place){0};
}

static tm_status open_db(const tm_home *home, bool can_write, tm_db **out, tm_err *err) {
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no source yet");
        tm_err_hint(err, "'tidemill data add NAME --push' makes one.");
        return st;
    }
    return tm__intake_db_open(home, can_write, out, err);
}

static tm_status place_load(place *p, const char *name, tm_err *err) {
    TM_TRY(tm__intake_db_source(p->db, name, &p->source, err));
    TM_TRY(tm__intake_db_columns(p->db, &p->source, &p->columns, err));
    p->segments_dir = tm__intake_dir(p->home, "segments", name);
    return p->segments_dir == NULL ? no_memory(err) : TM_OK;
}

/* Opens a transaction that place_done() ends, so that all is of one moment. */
static tm_status place_open(const tm_home *home, const char *name, place *out, tm_err *err) {
    place p = {.home = home};
    tm_status st = open_db(home, false, &p.db, err);
    if (st == TM_OK) {
        st = tm__db_exec(p.db, "BEGIN", err);
    }
    if (st == TM_OK) {
        st = place_load(&p, name, err);
    }
    if (st != TM_OK) {
        place_done(&p);
        return st;
    }
    *out = p;
    return TM_OK;
}

/* ---- Rows ---- */

static tm_status builder_open(const tm_intake_columns *columns, tm_table_builder **out,
                              tm_err *err) {
    tm_table_builder *builder = tm__builder_create();
    tm_status st = builder == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < columns->schema.n_cols; i++) {
        st = tm__builder_add_column(builder, columns->schema.cols[i].name,
                                    tm__column_type(columns, i), err);
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    *out = builder;
    return TM_OK;
}

/* Batches up to a number, or all (INT64_MAX). */
static tm_status read_batches(place *p, int64_t last, tm_table_builder *builder, uint64_t *n_rows,
                              tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        p->db, "SELECT rows FROM batches WHERE source = ? AND seq <= ? ORDER BY seq", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm__stmt_bind_i64(stmt, 2, last);
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        st = tm__batch_read(tm__stmt_blob(stmt, 0), p->columns, builder, n_rows, err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* A value of an older column in today's, which is the same or wider. */
static tm_cell widen(tm_cell cell, tm_type type) {
    const bool is_time = cell.type == TM_TYPE_DATE || cell.type == TM_TYPE_TIME;
    if (is_time && (type == TM_TYPE_DATE || type == TM_TYPE_TIME)) {
        cell.type = type;
    }
    return cell;
}

static tm_status add_segment(place *p, const tm_table *segment, tm_table_builder *builder,
                             tm_err *err) {
    const uint32_t n_cols = p->columns->schema.n_cols;
    const uint64_t n_rows = tm__table_rows(segment);
    tm_cell *cells = tm__mem_alloc(n_cols, sizeof(*cells));
    const tm_column **from = tm__mem_alloc(n_cols, sizeof(*from));
    tm_status st = cells == NULL || from == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < n_cols; i++) {
        const uint32_t at = tm__table_find(segment, p->columns->schema.cols[i].name);
        from[i] = at == UINT32_MAX ? NULL : tm__table_column(segment, at);
    }
    for (uint64_t row = 0; st == TM_OK && row < n_rows; row++) {
        for (uint32_t i = 0; i < n_cols; i++) {
            cells[i] = from[i] == NULL
                           ? (tm_cell){.type = TM_TYPE_NONE}
                           : widen(tm__column_cell(from[i], row), tm__column_type(p->columns, i));
        }
        st = tm__builder_add_row(builder, cells, err);
    }
    tm__mem_free(cells);
    tm__mem_free(from);
    return st;
}

static tm_status read_segments(tm_ctx *ctx, place *p, tm_table_builder *builder, uint64_t *n_rows,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(p->db, "SELECT hash FROM segments WHERE source = ? ORDER BY seq", &stmt,
                         err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK;) {
        tm_hash hash = {0};
        tm_table *segment = NULL;
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        const tm_str stored = tm__stmt_blob(stmt, 0);
        memcpy(hash.bytes, stored.ptr, stored.len < TM_HASH_BYTES ? stored.len : TM_HASH_BYTES);
        st = tm__snapshot_load(ctx, p->segments_dir, &hash, &segment, err);
        if (st == TM_OK) {
            *n_rows += tm__table_rows(segment);
            st = add_segment(p, segment, builder, err);
        }
        tm__table_unref(segment);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_table(tm_ctx *ctx, const tm_home *home, const char *name, tm_table **out,
                           tm_err *err) {
    place p = {0};
    tm_table_builder *builder = NULL;
    uint64_t n_rows = 0;
    TM_TRY(place_open(home, name, &p, err));
    tm_status st = builder_open(p.columns, &builder, err);
    if (st == TM_OK) {
        st = read_segments(ctx, &p, builder, &n_rows, err);
    }
    if (st == TM_OK) {
        st = read_batches(&p, INT64_MAX, builder, &n_rows, err);
    }
    if (st == TM_OK && n_rows == 0) {
        st = TM_FAIL(err, TM_E_DATA, "source '%s' has no rows", name);
        tm_err_hint(err, "Push some to POST /v1/sources/%s/rows.", name);
    }
    place_done(&p);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

/* ---- Segments ---- */

typedef struct tm_portion {
    int64_t last; /* number of the last batch */
    int64_t n_batches, n_rows;
} tm_portion;

/* The oldest batches that make one segment; n_rows is all when there are fewer than asked for. */
static tm_status choose(place *p, tm_portion *out, int64_t *out_pending, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(p->db,
                         "SELECT seq, n_rows, n_bytes FROM batches WHERE source = ? ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm_status st = TM_OK;
    int64_t n_bytes = 0;
    tm_portion chosen = {0};
    *out_pending = 0;
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        const int64_t rows = tm__stmt_i64(stmt, 1);
        n_bytes += tm__stmt_i64(stmt, 2);
        *out_pending += rows;
        if (chosen.n_batches == 0 ||
            (n_bytes <= SEGMENT_BYTES_MAX && chosen.n_rows + rows <= SEGMENT_ROWS_MAX)) {
            chosen =
                (tm_portion){tm__stmt_i64(stmt, 0), chosen.n_batches + 1, chosen.n_rows + rows};
        }
    }
    tm__stmt_done(stmt);
    *out = chosen;
    return st;
}

static tm_status drop_batches_locked(place *p, const tm_portion *portion, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(p->db, "DELETE FROM batches WHERE source = ? AND seq <= ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm__stmt_bind_i64(stmt, 2, portion->last);
    tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    if (st == TM_OK && tm__db_changes(p->db) != (uint64_t)portion->n_batches) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another process makes segments of '%s'", p->source.name);
        tm_err_hint(err, "Nothing is lost; let the other one go on.");
    }
    return st;
}

static tm_status publish(place *p, const tm_portion *portion, const tm_segment *segment,
                         tm_err *err) {
    TM_TRY(tm__db_begin(p->db, err));
    tm_status st = drop_batches_locked(p, portion, err);
    if (st == TM_OK) {
        st = tm__intake_db_add_segment_locked(p->db, p->source.id, segment, err);
    }
    if (st != TM_OK) {
        tm__db_rollback(p->db);
        return st;
    }
    return tm__db_commit(p->db, err);
}

static tm_status make_segment(tm_ctx *ctx, place *p, const tm_portion *portion, tm_err *err) {
    tm_table_builder *builder = NULL;
    tm_table *table = NULL;
    tm_segment segment = {0};
    TM_TRY(builder_open(p->columns, &builder, err));
    tm_status st = read_batches(p, portion->last, builder, &segment.n_rows, err);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    TM_TRY(tm__builder_finish(builder, &table, err));
    st = tm__snapshot_save(ctx, p->segments_dir, table, &segment.hash, err);
    tm__table_unref(table);
    return st == TM_OK ? publish(p, portion, &segment, err) : st;
}

tm_status tm__intake_compact(tm_ctx *ctx, const tm_home *home, const char *name,
                             uint64_t n_rows_min, uint64_t *out_rows, tm_err *err) {
    place p = {.home = home};
    uint64_t n_rows = 0;
    tm_status st = open_db(home, true, &p.db, err);
    for (bool more = true; st == TM_OK && more;) {
        tm_portion portion = {0};
        int64_t pending = 0;
        /* Batches first: columns that are read later know all of theirs. */
        tm__intake_columns_unref(p.columns);
        tm__source_row_done(&p.source);
        tm__mem_free(p.segments_dir);
        p.columns = NULL;
        p.segments_dir = NULL;
        st = tm__intake_db_source(p.db, name, &p.source, err);
        if (st == TM_OK) {
            st = choose(&p, &portion, &pending, err);
        }
        more = st == TM_OK && pending > 0 && (uint64_t)pending >= n_rows_min;
        if (more) {
            tm__source_row_done(&p.source);
            st = place_load(&p, name, err);
        }
        if (more && st == TM_OK) {
            st = make_segment(ctx, &p, &portion, err);
            n_rows += st == TM_OK ? (uint64_t)portion.n_rows : 0;
        }
        if (st == TM_OK && tm__ctx_cancelled(ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "stopped");
        }
    }
    place_done(&p);
    if (st == TM_OK) {
        *out_rows = n_rows;
    }
    return st;
}

tm_status tm__intake_due(const tm_home *home, char out[129], tm_err *err) {
    tm_db *db = NULL;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    out[0] = '\0';
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(open_db(home, false, &db, err));
    tm_status st =
        tm__stmt_init(db,
                      "SELECT name FROM sources s WHERE"
                      " (SELECT sum(n_rows) >= 100000 OR sum(n_bytes) >= 33554432 FROM batches "
                      "WHERE source = s.id)"
                      " OR (SELECT at_us FROM batches WHERE source = s.id ORDER BY seq LIMIT 1) < ?"
                      " ORDER BY id LIMIT 1",
                      &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, tm__now_us() - DUE_US);
        st = tm__stmt_step(stmt, &has_row, err);
    }
    if (st == TM_OK && has_row) {
        (void)tm__str_copy(out, TM_MAX_NAME + 1, tm__str(tm__stmt_text(stmt, 0)));
    }
    tm__stmt_done(stmt);
    tm__db_close(db);
    return st;
}

/* ---- Adding ---- */

static tm_status columns_of_table(const tm_intake_add *add, tm_intake_columns **out, tm_err *err) {
    tm_schema schema = {0};
    if (add->rows != NULL) {
        TM_TRY(tm__schema_from_table(add->rows, &schema, err));
    }
    const tm_status st = tm__intake_columns_create(&schema, add->keys, add->n_keys, out, err);
    if (st == TM_OK) {
        (*out)->version = add->rows != NULL ? 1 : 0;
    }
    tm__schema_done(&schema);
    return st;
}

/* A file's row that has no key is kept as what is known of it: its number. */
static tm_status keep_bad(tm_rows *bad, uint64_t row, tm_err *err) {
    if ((bad->n_bad & (bad->n_bad - 1)) == 0) {
        tm_bad_row *grown =
            tm__mem_realloc(bad->bad, bad->n_bad == 0 ? 1 : bad->n_bad * 2, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        bad->bad = grown;
    }
    bad->bad[bad->n_bad] = (tm_bad_row){.row = row + 1, .reason = TM_ROW_NULL_KEY};
    (void)tm__str_copy(bad->bad[bad->n_bad++].detail, sizeof(bad->bad->detail),
                       TM_STR("a key column has no value"));
    return TM_OK;
}

typedef struct tm_selection {
    uint32_t *rows; /* that stay */
    uint64_t n, n_duplicates;
    tm_rows bad;
} tm_selection;

static tm_status select_rows(const tm_intake_add *add, const tm_intake_columns *columns,
                             tm_key_set *set, tm_selection *out, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(add->rows);
    const uint32_t n_cols = columns->schema.n_cols;
    tm_cell *cells = tm__mem_zalloc(n_cols, sizeof(*cells));
    tm_buf key;
    bool has_failed = false;
    tm__buf_init(&key, KEY_BYTES_MAX);
    tm_status st = cells == NULL ? no_memory(err) : TM_OK;
    for (uint64_t row = 0; st == TM_OK && row < n_rows; row++) {
        for (uint32_t i = 0; i < columns->n_keys; i++) {
            const uint32_t col = columns->keys[i];
            cells[col] = tm__column_cell(tm__table_column(add->rows, col), row);
        }
        if (!tm__row_key_bytes(cells, columns, &key)) {
            st = keep_bad(&out->bad, row, err);
        } else if (tm__key_set_add(set, tm__row_key(key.data, key.len), &has_failed)) {
            out->rows[out->n++] = (uint32_t)row;
        } else {
            out->n_duplicates++;
        }
        if (has_failed || key.failed) {
            st = no_memory(err);
        }
    }
    tm__mem_free(cells);
    tm__buf_done(&key);
    return st;
}

/* Each key once, its first row. */
static tm_status unique_rows(const tm_intake_add *add, const tm_intake_columns *columns,
                             tm_selection *out, tm_table **out_table, tm_err *err) {
    if (columns->n_keys == 0) {
        *out_table = tm__table_ref(add->rows);
        return TM_OK;
    }
    if (columns->schema.n_cols != tm__table_cols(add->rows)) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "a key column is not in the data");
        tm_err_hint(err, "Name columns of the data with --key.");
        return st;
    }
    tm_key_set *set = tm__key_set_create("", UINT32_MAX);
    out->rows = tm__mem_alloc(tm__table_rows(add->rows), sizeof(*out->rows));
    tm_status st = set == NULL || out->rows == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        st = select_rows(add, columns, set, out, err);
    }
    tm__key_set_free(set);
    return st == TM_OK ? tm__table_take_rows(add->rows, out->rows, out->n, out_table, err) : st;
}

static tm_status add_locked(tm_db *db, const tm_intake_add *add, const tm_intake_columns *columns,
                            const tm_segment *segment, const tm_selection *selection, tm_err *err) {
    int64_t id = 0;
    TM_TRY(tm__intake_db_add_source_locked(db, add, &id, err));
    TM_TRY(tm__intake_db_add_columns_locked(db, id, columns, err));
    if (segment == NULL) {
        return TM_OK;
    }
    const tm_source_row by = {.n_accepted = segment->n_rows,
                              .n_duplicates = selection->n_duplicates,
                              .n_quarantined = selection->bad.n_bad,
                              .last_us = tm__now_us()};
    if (segment->n_rows > 0) {
        TM_TRY(tm__intake_db_add_segment_locked(db, id, segment, err));
    }
    TM_TRY(tm__intake_db_count_locked(db, id, &by, err));
    return tm__intake_db_add_bad_locked(db, id, add->from, &selection->bad, err);
}

static tm_status add_with(tm_ctx *ctx, const tm_home *home, tm_db *db, const tm_intake_add *add,
                          tm_err *err) {
    tm_intake_columns *columns = NULL;
    tm_table *table = NULL;
    tm_selection selection = {0};
    tm_segment segment = {0};
    char *dir = NULL;
    const bool has_rows = add->kind != TM_INTAKE_PUSH;
    tm_status st = columns_of_table(add, &columns, err);
    if (st == TM_OK && has_rows) {
        st = unique_rows(add, columns, &selection, &table, err);
    }
    if (st == TM_OK && has_rows) {
        dir = tm__intake_dir(home, "segments", add->name);
        segment.n_rows = tm__table_rows(table);
        st = dir == NULL           ? no_memory(err)
             : segment.n_rows == 0 ? TM_OK
                                   : tm__snapshot_save(ctx, dir, table, &segment.hash, err);
    }
    if (st == TM_OK) {
        st = tm__db_begin(db, err);
    }
    if (st == TM_OK) {
        st = add_locked(db, add, columns, has_rows ? &segment : NULL, &selection, err);
        if (st == TM_OK) {
            st = tm__db_commit(db, err);
        } else {
            tm__db_rollback(db);
        }
    }
    tm__mem_free(dir);
    tm__mem_free(selection.rows);
    tm__mem_free(selection.bad.bad);
    tm__table_unref(table);
    tm__intake_columns_unref(columns);
    return st;
}

static tm_status check_name(const tm_intake_add *add, tm_err *err) {
    const size_t len = strlen(add->name);
    bool is_good = len > 0 && len <= TM_MAX_NAME && add->name[0] != '.' && add->n_keys <= 64;
    for (size_t i = 0; i < len; i++) {
        const char c = add->name[i];
        is_good = is_good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.');
    }
    if (!is_good) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' is no name for a source", add->name);
        tm_err_hint(err, "Use letters, digits, '_', '-' and dots, and at most 64 keys.");
        return st;
    }
    return TM_OK;
}

tm_status tm__intake_add(tm_ctx *ctx, const tm_home *home, const tm_intake_add *add, tm_err *err) {
    tm_db *db = NULL;
    tm_source_row there = {0};
    TM_TRY(check_name(add, err));
    TM_TRY(tm__intake_db_open(home, true, &db, err));
    tm_status st = tm__intake_db_source(db, add->name, &there, NULL);
    tm__source_row_done(&there);
    if (st == TM_OK) { /* before the data is read through; the commit looks again */
        st = TM_FAIL(err, TM_E_CONFLICT, "there is a source '%s' already", add->name);
        tm_err_hint(err, "Choose another name, or look at it with 'tidemill data show %s'.",
                    add->name);
    } else {
        st = add_with(ctx, home, db, add, err);
    }
    tm__db_close(db);
    return st;
}

/* ---- What is known ---- */

static const char *kind_text(tm_intake_kind kind) {
    return kind == TM_INTAKE_PUSH ? "push" : kind == TM_INTAKE_FILES ? "files" : "sql";
}

static json_t *time_json(int64_t us) {
    char text[40];
    return us == 0 ? json_null() : json_stringn(text, tm__time_to_text(us, text));
}

/* One row of one number a column, as members of an object. */
static tm_status numbers(tm_db *db, const char *sql, int64_t source, int64_t out[2], tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    for (int i = 0; i < 2 && st == TM_OK; i++) {
        out[i] = has_row ? tm__stmt_i64(stmt, i) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

static json_t *bad_json(tm_stmt *stmt) {
    const tm_str bytes = tm__stmt_blob(stmt, 7);
    const bool is_text = tm__str_is_utf8(bytes) && memchr(bytes.ptr, '\0', bytes.len) == NULL;
    return json_pack("{s:I, s:o, s:s, s:I, s:s, s:s, s:s, s:o}", "number",
                     (json_int_t)tm__stmt_i64(stmt, 0), "at", time_json(tm__stmt_i64(stmt, 1)),
                     "origin", tm__stmt_text(stmt, 2), "row", (json_int_t)tm__stmt_i64(stmt, 3),
                     "column", tm__stmt_text(stmt, 4), "reason", tm__stmt_text(stmt, 5), "detail",
                     tm__stmt_text(stmt, 6), "bytes",
                     is_text ? json_stringn(bytes.ptr, bytes.len) : json_null());
}

static tm_status last_bad(tm_db *db, int64_t source, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, at_us, origin, row, col, reason, detail, x'' FROM quarantine"
                         " WHERE source = ? ORDER BY seq DESC LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? bad_json(stmt) : json_null();
        json_object_del(*out, "bytes");
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status source_json(tm_db *db, const tm_source_row *s, json_t **out, tm_err *err) {
    int64_t pending[2] = {0}, segments[2] = {0};
    json_t *bad = NULL;
    TM_TRY(numbers(db, "SELECT coalesce(sum(n_rows), 0), 0 FROM batches WHERE source = ?", s->id,
                   pending, err));
    TM_TRY(numbers(db, "SELECT count(*), 0 FROM segments WHERE source = ?", s->id, segments, err));
    TM_TRY(last_bad(db, s->id, &bad, err));
    const int64_t lag_us = tm__now_us() - s->last_us;
    *out = json_pack("{s:s, s:s, s:s?, s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
                     "source", s->name, "kind", kind_text(s->kind), "from", s->from, "key", s->keys,
                     "rows", (json_int_t)s->n_accepted, "duplicates", (json_int_t)s->n_duplicates,
                     "quarantined", (json_int_t)s->n_quarantined, "coerced",
                     (json_int_t)s->n_coerced, "incomplete", (json_int_t)s->n_incomplete, "pending",
                     (json_int_t)pending[0], "segments", (json_int_t)segments[0], "lag_seconds",
                     s->last_us == 0 ? json_null()
                                     : tm__json_number((double)(lag_us < 0 ? 0 : lag_us) * 1e-6),
                     "last_row_at", time_json(s->last_us), "created_at", time_json(s->created_us),
                     "last_error", bad);
    return tm__json_check(err);
}

/* Versions of the columns after the first, with what changed. */
static tm_status changes_json(tm_db *db, int64_t source, json_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT version, at_us, changes FROM columns WHERE source = ?"
                         " ORDER BY version DESC LIMIT 100",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK;) {
        json_t *changes = NULL;
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        const char *text = tm__stmt_text(stmt, 2);
        st = text == NULL ? no_memory(err)
                          : tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &changes, err);
        if (st == TM_OK) {
            json_array_append_new(
                out, json_pack("{s:I, s:o, s:o}", "version", (json_int_t)tm__stmt_i64(stmt, 0),
                               "at", time_json(tm__stmt_i64(stmt, 1)), "changes", changes));
        }
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_show(const tm_home *home, const char *name, json_t **out, tm_err *err) {
    place p = {0};
    json_t *json = NULL;
    TM_TRY(place_open(home, name, &p, err));
    tm_status st = source_json(p.db, &p.source, &json, err);
    if (st == TM_OK) {
        json_t *columns = tm__intake_columns_to_json(p.columns);
        json_t *changes = json_array();
        json_object_set_new(json, "version", json_integer(p.columns->version));
        json_object_update(json, columns);
        json_object_set_new(json, "changes", changes);
        json_decref(columns);
        st = changes_json(p.db, p.source.id, changes, err);
    }
    if (st == TM_OK) {
        st = tm__json_check(err);
    }
    place_done(&p);
    if (st != TM_OK) {
        json_decref(json);
        return st;
    }
    *out = json;
    return TM_OK;
}

static tm_status list_names(tm_db *db, json_t *names, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT name FROM sources ORDER BY name", &stmt, err));
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        json_array_append_new(names, json_string(tm__stmt_text(stmt, 0)));
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_list(const tm_home *home, json_t **out, tm_err *err) {
    tm_db *db = NULL;
    json_t *list = json_array(), *names = json_array();
    size_t i = 0;
    const json_t *name = NULL;
    tm_status st = TM_OK;
    if (tm__fs_info(tm__home_intake_db(home)).kind != TM_PATH_NONE) {
        st = tm__intake_db_open(home, false, &db, err);
        if (st == TM_OK) {
            st = list_names(db, names, err);
        }
    }
    json_array_foreach(names, i, name) {
        tm_source_row row = {0};
        json_t *json = NULL;
        st = st == TM_OK ? tm__intake_db_source(db, json_string_value(name), &row, err) : st;
        st = st == TM_OK ? source_json(db, &row, &json, err) : st;
        tm__source_row_done(&row);
        if (st == TM_OK) {
            json_array_append_new(list, json);
        }
    }
    st = st == TM_OK ? tm__json_check(err) : st;
    tm__db_close(db);
    json_decref(names);
    if (st != TM_OK) {
        json_decref(list);
        return st;
    }
    *out = list;
    return TM_OK;
}

tm_status tm__intake_quarantine(const tm_home *home, const char *name, int64_t after,
                                uint32_t n_max, json_t **out, tm_err *err) {
    place p = {0};
    tm_stmt *stmt = NULL;
    json_t *list = json_array();
    tm_status st = place_open(home, name, &p, err);
    if (st == TM_OK) {
        st = tm__stmt_init(p.db,
                           "SELECT seq, at_us, origin, row, col, reason, detail, bytes"
                           " FROM quarantine WHERE source = ? AND seq > ? ORDER BY seq LIMIT ?",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, p.source.id);
        tm__stmt_bind_i64(stmt, 2, after);
        tm__stmt_bind_i64(stmt, 3, n_max);
    }
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        json_array_append_new(list, bad_json(stmt));
    }
    tm__stmt_done(stmt);
    place_done(&p);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(list);
        return st;
    }
    *out = list;
    return TM_OK;
}

/* ---- The file as a whole ---- */

tm_status tm__intake_copy(const tm_home *home, const tm_ctx *ctx, const char *to, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(open_db(home, false, &db, err));
    const tm_status st = tm__db_copy(db, ctx, to, err);
    tm__db_close(db);
    return st;
}

/* Files that rows of a table name: <home>/<what>/<source>/<hash><suffix>. */
static tm_status check_files(const tm_home *home, tm_db *db, const char *sql, const char *what,
                             const char *suffix, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        char name[TM_HASH_TEXT + 16], text[TM_HASH_TEXT];
        tm_hash hash = {0};
        const tm_str stored = tm__stmt_blob(stmt, 1);
        memcpy(hash.bytes, stored.ptr, stored.len < TM_HASH_BYTES ? stored.len : TM_HASH_BYTES);
        tm__hash_to_text(&hash, text);
        (void)snprintf(name, sizeof(name), "%s%s", text, suffix);
        char *dir = tm__intake_dir(home, what, tm__stmt_text(stmt, 0));
        char *path = dir == NULL ? NULL : tm__fs_join(dir, name);
        if (path == NULL) {
            st = no_memory(err);
        } else if (tm__fs_info(path).kind != TM_PATH_FILE) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "a file of source '%s' is gone",
                         tm__stmt_text(stmt, 0));
            tm_err_at(err, path, 0, 0);
            tm_err_hint(err, "Restore the home from a backup.");
        }
        tm__mem_free(dir);
        tm__mem_free(path);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_check(const tm_home *home, bool read_only, uint32_t *out_format, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(open_db(home, !read_only, &db, err));
    tm_status st = tm__db_check(db, err);
    if (st == TM_OK) {
        st = check_files(home, db,
                         "SELECT s.name, g.hash FROM segments g JOIN sources s ON s.id = g.source",
                         "segments", ".parquet", err);
    }
    if (st == TM_OK) {
        st = check_files(home, db,
                         "SELECT s.name, r.hash FROM runs r JOIN sources s ON s.id = r.source",
                         "keys", ".keys", err);
    }
    if (st == TM_OK) {
        st = tm__db_format(db, out_format, err);
    }
    tm__db_close(db);
    return st;
}
