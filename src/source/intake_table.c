/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source holds: its rows as a table, and its segments. Every call is a process's own
 * connection, beside whoever takes pushes.
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
#include "source/intake_away.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "source/profile.h"
#include "source/source.h"

#define SEGMENT_BYTES_MAX ((int64_t)64 << 20) /* of batches: their removal holds up the writer */
#define SEGMENT_ROWS_MAX INT64_C(4000000)
#define PARTS_BYTES_MAX ((size_t)1 << 30)
#define PROFILE_BYTES_MAX ((size_t)1 << 30)
#define DUE_US (INT64_C(3600) * 1000000)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a source");
}

void tm__intake_place_done(tm_intake_place *p) {
    tm__bucket_done(&p->bucket);
    tm__mem_free(p->segments_dir);
    tm__intake_columns_unref(p->columns);
    tm__source_row_done(&p->source);
    if (p->db != NULL) {
        tm__db_rollback(p->db);
    }
    tm__db_close(p->db);
    *p = (tm_intake_place){0};
}

tm_status tm__intake_db_open_there(const tm_home *home, bool can_write, tm_db **out, tm_err *err) {
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no source yet");
        tm_err_hint(err, "'tidemill data add NAME --push' makes one.");
        return st;
    }
    return tm__intake_db_open(home, can_write, out, err);
}

static tm_status place_load(tm_intake_place *p, const char *name, tm_err *err) {
    TM_TRY(tm__intake_db_source(p->db, name, &p->source, err));
    TM_TRY(tm__intake_db_columns(p->db, &p->source, &p->columns, err));
    p->segments_dir = tm__intake_dir(p->home, "segments", name);
    return p->segments_dir == NULL ? no_memory(err) : TM_OK;
}

/* Opens a transaction that place_done() ends, so that all is of one moment. */
tm_status tm__intake_place_open(const tm_home *home, const char *name, tm_intake_place *out,
                                tm_err *err) {
    tm_intake_place p = {.home = home};
    tm_status st = tm__intake_db_open_there(home, false, &p.db, err);
    if (st == TM_OK) {
        st = tm__db_begin_read(p.db, err);
    }
    if (st == TM_OK) {
        st = place_load(&p, name, err);
    }
    if (st != TM_OK) {
        tm__intake_place_done(&p);
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

/* Batches up to a number, or all (INT64_MAX), and up to the first one that came after a time. */
static tm_status read_batches(tm_intake_place *p, int64_t last, int64_t until_us,
                              tm_table_builder *builder, uint64_t *n_rows, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        p->db,
        "SELECT unseal('batches.rows', seq, rows), at_us FROM batches WHERE source = ? AND "
        "seq <= ? ORDER BY seq",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm__stmt_bind_i64(stmt, 2, last);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err) && tm__stmt_i64(stmt, 1) <= until_us) {
        st = tm__batch_read(tm__stmt_blob(stmt, 0), p->columns, builder, n_rows, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static bool is_time(tm_type type) {
    return type == TM_TYPE_DATE || type == TM_TYPE_TIME;
}

/* Codes of one dictionary in another one. */
static tm_status copy_texts(const tm_column *from, uint64_t n_rows, tm_dict *dict, uint32_t *to,
                            tm_err *err) {
    const uint32_t n = tm__dict_count(from->dict);
    uint32_t *codes = tm__mem_alloc((size_t)n + 1, sizeof(*codes));
    tm_status st = codes == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        codes[i] = tm__dict_add(dict, tm__dict_get(from->dict, i));
        st = codes[i] == TM_CODE_MISSING ? no_memory(err) : TM_OK;
    }
    for (uint64_t row = 0; st == TM_OK && row < n_rows; row++) {
        const uint32_t code = from->codes[row];
        to[row] = code == TM_CODE_MISSING ? TM_CODE_MISSING : codes[code];
    }
    tm__mem_free(codes);
    return st;
}

/* Whole numbers of a column that became one of numbers later. */
static tm_status copy_whole(const tm_column *from, uint64_t n_rows, int64_t *to, tm_err *err) {
    for (uint64_t row = 0; row < n_rows; row++) {
        const double value = from->floats[row];
        if (value != value) {
            to[row] = TM_INT_MISSING;
        } else if (value >= -0x1p63 && value < 0x1p63 && value == (double)(int64_t)value) {
            to[row] = (int64_t)value;
        } else {
            return TM_FAIL(err, TM_E_INTEGRITY, "a segment has a fraction among whole numbers");
        }
    }
    return TM_OK;
}

/* Rows of an older column, which may be narrower or absent, at the end of today's. */
static tm_status copy_column(const tm_column *from, uint64_t n_rows, tm_table_builder *builder,
                             uint32_t col, tm_type type, uint64_t at, tm_err *err) {
    if (type == TM_TYPE_TEXT && from != NULL && from->type == type) {
        return copy_texts(from, n_rows, tm__builder_dict(builder, col),
                          tm__builder_codes(builder, col) + at, err);
    }
    if (type == TM_TYPE_INT && from != NULL && from->type == TM_TYPE_FLOAT) {
        return copy_whole(from, n_rows, tm__builder_ints(builder, col) + at, err);
    }
    const bool is_same =
        from == NULL || from->type == type || (is_time(from->type) && is_time(type));
    const bool is_wider = type == TM_TYPE_FLOAT && from != NULL && from->type == TM_TYPE_INT;
    if (!is_same && !is_wider) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a segment has another type in column %u", col + 1);
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        if (type == TM_TYPE_TEXT) {
            tm__builder_codes(builder, col)[at + row] = TM_CODE_MISSING;
        } else if (type != TM_TYPE_FLOAT) {
            tm__builder_ints(builder, col)[at + row] =
                from == NULL ? TM_INT_MISSING : from->ints[row];
        } else if (from == NULL || is_wider) {
            const bool is_missing = from == NULL || from->ints[row] == TM_INT_MISSING;
            tm__builder_floats(builder, col)[at + row] =
                is_missing ? __builtin_nan("") : (double)from->ints[row];
        } else {
            tm__builder_floats(builder, col)[at + row] = from->floats[row];
        }
    }
    return TM_OK;
}

static tm_status add_segment(tm_intake_place *p, const tm_table *segment, uint64_t n_rows,
                             tm_table_builder *builder, uint64_t at, tm_err *err) {
    TM_TRY(tm__builder_reserve(builder, at + n_rows, err));
    for (uint32_t i = 0; i < p->columns->schema.n_cols; i++) {
        const uint32_t found = tm__table_find(segment, p->columns->schema.cols[i].name);
        const tm_column *from = found == UINT32_MAX ? NULL : tm__table_column(segment, found);
        /* A column without a value had no type yet. */
        from = from != NULL && from->n_missing == tm__table_rows(segment) ? NULL : from;
        TM_TRY(copy_column(from, n_rows, builder, i, tm__column_type(p->columns, i), at, err));
    }
    tm__builder_set_rows(builder, at + n_rows);
    return TM_OK;
}

/* Room for the rows of all segments. */
static tm_status reserve_segments(tm_intake_place *p, tm_table_builder *builder, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(p->db, "SELECT coalesce(sum(n_rows), 0) FROM segments WHERE source = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    const uint64_t n_rows = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st == TM_OK ? tm__builder_reserve(builder, n_rows, err) : st;
}

/* Rows of a segment up to the first ones that came after a time: its parts say when. */
static tm_status rows_until(tm_str parts, uint64_t n_rows, int64_t until_us, uint64_t *out,
                            tm_err *err) {
    tm_reader in;
    *out = 0;
    if (until_us == INT64_MAX) {
        *out = n_rows;
        return TM_OK;
    }
    if (parts.len == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "a segment does not say when its rows were accepted");
        tm_err_hint(err, "It was made by an earlier release; the source can be read as of now.");
        return st;
    }
    tm__reader_init(&in, parts.ptr, parts.len);
    while (in.pos + 16 <= in.len && tm__reader_i64(&in) <= until_us) {
        *out += (uint64_t)tm__reader_i64(&in);
    }
    return *out <= n_rows ? TM_OK
                          : TM_FAIL(err, TM_E_INTEGRITY, "the parts of a segment are damaged");
}

/* *out_more: what follows was accepted by then too. */
static tm_status read_segments(tm_ctx *ctx, tm_intake_place *p, int64_t until_us,
                               tm_table_builder *builder, uint64_t *n_rows, bool *out_more,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(reserve_segments(p, builder, err));
    TM_TRY(tm__stmt_init(p->db,
                         "SELECT hash, n_rows, parts FROM segments WHERE source = ? ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm_status st = TM_OK;
    *out_more = true;
    while (*out_more && tm__stmt_next(stmt, &st, err)) {
        tm_hash hash = {0};
        tm_table *segment = NULL;
        uint64_t n = 0;
        const uint64_t n_all = (uint64_t)tm__stmt_i64(stmt, 1);
        st = rows_until(tm__stmt_blob(stmt, 2), n_all, until_us, &n, err);
        *out_more = n == n_all;
        if (st != TM_OK || n == 0) {
            break;
        }
        const tm_str stored = tm__stmt_blob(stmt, 0);
        memcpy(hash.bytes, stored.ptr, stored.len < TM_HASH_BYTES ? stored.len : TM_HASH_BYTES);
        st = tm__segment_load(ctx, &p->bucket, p->segments_dir, &hash, &segment, err);
        if (st == TM_OK) {
            st = add_segment(p, segment, n, builder, *n_rows, err);
            *n_rows += n;
        }
        tm__table_unref(segment);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_table(tm_ctx *ctx, const tm_home *home, const char *name, tm_table **out,
                           tm_err *err) {
    return tm__intake_table_at(ctx, home, name, INT64_MAX, out, err);
}

static tm_status no_rows(const char *name, int64_t until_us, tm_err *err) {
    char at[40];
    if (until_us == INT64_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "source '%s' has no rows", name);
        tm_err_hint(err, "Push some to POST /v1/sources/%s/rows.", name);
        return st;
    }
    (void)tm__time_to_text(until_us, at);
    const tm_status st = TM_FAIL(err, TM_E_DATA, "source '%s' had no rows at %s", name, at);
    tm_err_hint(err, "Times without a zone are UTC; 'tidemill data show %s' says when it began.",
                name);
    return st;
}

tm_status tm__intake_table_at(tm_ctx *ctx, const tm_home *home, const char *name, int64_t until_us,
                              tm_table **out, tm_err *err) {
    tm_intake_place p = {0};
    tm_table_builder *builder = NULL;
    tm_intake_columns *columns = NULL;
    uint64_t n_rows = 0;
    bool has_more = true;
    TM_TRY(tm__intake_place_open(home, name, &p, err));
    tm_status st = tm__intake_db_columns_at(p.db, &p.source, until_us, &columns, err);
    if (st == TM_OK) {
        tm__intake_columns_unref(p.columns);
        p.columns = columns;
        st = builder_open(p.columns, &builder, err);
    }
    if (st == TM_OK) {
        st = read_segments(ctx, &p, until_us, builder, &n_rows, &has_more, err);
    }
    if (st == TM_OK && has_more) {
        st = read_batches(&p, INT64_MAX, until_us, builder, &n_rows, err);
    }
    if (st == TM_OK && n_rows == 0) {
        st = no_rows(name, until_us, err);
    }
    tm__intake_place_done(&p);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

tm_status tm__rows_table(const tm_rows *rows, tm_table **out, tm_err *err) {
    tm_table_builder *builder = NULL;
    uint64_t n_rows = 0;
    TM_TRY(builder_open(rows->columns, &builder, err));
    const tm_status st = tm__batch_read((tm_str){(const char *)rows->batch.data, rows->batch.len},
                                        rows->columns, builder, &n_rows, err);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

tm_status tm__intake_batches_table(tm_intake_place *place, tm_table **out, uint64_t *out_rows,
                                   tm_err *err) {
    tm_table_builder *builder = NULL;
    uint64_t n_rows = 0;
    TM_TRY(builder_open(place->columns, &builder, err));
    const tm_status st = read_batches(place, INT64_MAX, INT64_MAX, builder, &n_rows, err);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    *out_rows = n_rows;
    return tm__builder_finish(builder, out, err);
}

/* ---- Segments ---- */

tm_status tm__segment_size(const char *dir, tm_segment *segment, tm_err *err) {
    char name[TM_HASH_TEXT + 16], text[TM_HASH_TEXT];
    tm__hash_to_text(&segment->hash, text);
    (void)snprintf(name, sizeof(name), "%s.parquet", text);
    char *path = tm__fs_join(dir, name);
    if (path == NULL) {
        return no_memory(err);
    }
    segment->n_bytes = tm__fs_info(path).size_bytes;
    tm__mem_free(path);
    return TM_OK;
}

typedef struct tm_portion {
    int64_t last;   /* number of the last batch */
    int64_t newest; /* number of the newest batch that is there */
    int64_t n_batches, n_rows;
    tm_buf parts; /* tm_segment_part of each batch */
} tm_portion;

/* The oldest batches that make one segment; n_rows is all when there are fewer than asked for. */
static tm_status choose(tm_intake_place *p, tm_portion *out, int64_t *out_pending, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(p->db,
                         "SELECT seq, n_rows, n_bytes, at_us FROM batches WHERE source = ?"
                         " ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm_status st = TM_OK;
    int64_t n_bytes = 0;
    tm_portion chosen = {0};
    tm__buf_init(&chosen.parts, PARTS_BYTES_MAX);
    *out_pending = 0;
    while (tm__stmt_next(stmt, &st, err)) {
        const int64_t rows = tm__stmt_i64(stmt, 1);
        n_bytes += tm__stmt_i64(stmt, 2);
        *out_pending += rows;
        chosen.newest = tm__stmt_i64(stmt, 0);
        if (chosen.n_batches == 0 ||
            (n_bytes <= SEGMENT_BYTES_MAX && chosen.n_rows + rows <= SEGMENT_ROWS_MAX)) {
            const tm_segment_part part = {tm__stmt_i64(stmt, 3), (uint64_t)rows};
            chosen.last = tm__stmt_i64(stmt, 0);
            chosen.n_batches++;
            chosen.n_rows += rows;
            (void)tm__buf_append(&chosen.parts, &part, sizeof(part));
        }
    }
    tm__stmt_done(stmt);
    *out = chosen;
    return st == TM_OK && chosen.parts.failed ? no_memory(err) : st;
}

static tm_status drop_batches_locked(tm_intake_place *p, const tm_portion *portion, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(p->db, "DELETE FROM batches WHERE source = ? AND seq <= ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    tm__stmt_bind_i64(stmt, 2, portion->last);
    tm_status st = tm__stmt_run_done(stmt, err);
    if (st == TM_OK && tm__db_changes(p->db) != (uint64_t)portion->n_batches) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another process makes segments of '%s'", p->source.name);
        tm_err_hint(err, "Nothing is lost; let the other one go on.");
    }
    return st;
}

static tm_status publish(tm_intake_place *p, const tm_portion *portion, const tm_segment *segment,
                         tm_err *err) {
    TM_TRY(tm__db_begin(p->db, err));
    tm_status st = drop_batches_locked(p, portion, err);
    if (st == TM_OK) {
        st = tm__intake_file_check_locked(p->segments_dir, TM_INTAKE_SEGMENT, &segment->hash, err);
    }
    if (st == TM_OK) {
        st = tm__intake_db_add_segment_locked(p->db, p->source.id, segment, err);
    }
    return tm__db_end(p->db, st, err);
}

static tm_status make_segment(tm_ctx *ctx, tm_intake_place *p, const tm_portion *portion,
                              tm_err *err) {
    tm_table_builder *builder = NULL;
    tm_table *table = NULL;
    tm_segment segment = {0};
    TM_TRY(builder_open(p->columns, &builder, err));
    tm_status st = read_batches(p, portion->last, INT64_MAX, builder, &segment.n_rows, err);
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    TM_TRY(tm__builder_finish(builder, &table, err));
    tm_buf profile;
    tm__buf_init(&profile, PROFILE_BYTES_MAX);
    st = tm__snapshot_save_by(ctx, &p->bucket, p->segments_dir, table, &segment.hash, err);
    if (st == TM_OK) {
        st = tm__profile_segment(ctx, table, &profile, err);
    }
    tm__table_unref(table);
    segment.profile = (tm_str){(const char *)profile.data, profile.len};
    segment.parts = (const tm_segment_part *)(const void *)portion->parts.data;
    segment.n_parts = (uint32_t)portion->n_batches;
    if (st == TM_OK) {
        st = tm__segment_size(p->segments_dir, &segment, err);
    }
    st = st == TM_OK ? publish(p, portion, &segment, err) : st;
    tm__buf_done(&profile);
    return st;
}

tm_status tm__intake_compact(tm_ctx *ctx, const tm_home *home, const char *name,
                             uint64_t n_rows_min, uint64_t *out_rows, tm_err *err) {
    tm_intake_place p = {.home = home};
    uint64_t n_rows = 0;
    int64_t until = 0; /* what comes meanwhile is for the next call, or this one might never end */
    tm_status st = tm__intake_db_open_there(home, true, &p.db, err);
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
            until = until == 0 ? portion.newest : until;
            more = portion.last < until;
        }
        tm__buf_done(&portion.parts);
        if (st == TM_OK && tm__ctx_cancelled(ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "stopped");
        }
    }
    tm__intake_place_done(&p);
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
    TM_TRY(tm__intake_db_open_there(home, false, &db, err));
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
    return st == TM_OK && out[0] == '\0' ? tm__intake_expire_due(home, out, err) : st;
}
