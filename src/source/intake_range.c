/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a source by their place.
 *
 *     place   first        ...               end
 *             | segment | segment | batch | batch |      all of one moment
 *
 * A row keeps its place: batches become segments oldest first, behind the segments that are there,
 * and what is removed is removed at the old end. So the first row that is there stands at the place
 * `accepted` less the rows that are there.
 */
#include <string.h>

#include "base/mem.h"
#include "source/intake_away.h"
#include "source/intake_priv.h"
#include "source/sinks.h"
#include "source/source.h"

struct tm_source_rows {
    const tm_home *home;
    char name[129];
    json_t *keys;
    tm_hash hash;      /* of the segment */
    tm_table *segment; /* the one read last; NULL: none */
    tm_bucket bucket;  /* of segments that are not here */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a source");
}

void tm__source_rows_close(tm_source_rows *rows) {
    if (rows != NULL) {
        tm__bucket_done(&rows->bucket);
        tm__table_unref(rows->segment);
        json_decref(rows->keys);
        tm__mem_free(rows);
    }
}

tm_status tm__source_rows_open(const tm_home *home, const char *source, tm_source_rows **out,
                               tm_err *err) {
    tm_intake_place place = {0};
    tm_source_rows *rows = tm__mem_zalloc(1, sizeof(*rows));
    if (rows == NULL) {
        return no_memory(err);
    }
    rows->home = home;
    (void)tm__str_copy(rows->name, sizeof(rows->name), tm__str(source));
    const tm_status st = tm__intake_place_open(home, source, &place, err);
    if (st != TM_OK) {
        tm__source_rows_close(rows);
        return st;
    }
    rows->keys = json_incref(place.source.keys);
    tm__intake_place_done(&place);
    *out = rows;
    return TM_OK;
}

/* Rows of a source in one of its tables. */
static tm_status count_rows(const tm_intake_place *p, const char *sql, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(p->db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, p->source.id);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status read_extent(const tm_intake_place *p, tm_source_extent *out, tm_err *err) {
    uint64_t in_segments = 0, in_batches = 0;
    TM_TRY(count_rows(p, "SELECT coalesce(sum(n_rows), 0) FROM segments WHERE source = ?",
                      &in_segments, err));
    TM_TRY(count_rows(p, "SELECT coalesce(sum(n_rows), 0) FROM batches WHERE source = ?",
                      &in_batches, err));
    const uint64_t n = in_segments + in_batches;
    if (n > p->source.n_accepted) {
        return TM_FAIL(err, TM_E_INTEGRITY, "source '%s' holds more rows than it accepted",
                       p->source.name);
    }
    out->first = p->source.n_accepted - n;
    out->end = p->source.n_accepted;
    out->created_us = p->source.created_us;
    return TM_OK;
}

tm_status tm__source_rows_extent(tm_source_rows *rows, tm_source_extent *out, tm_err *err) {
    tm_intake_place place = {0};
    TM_TRY(tm__intake_place_open(rows->home, rows->name, &place, err));
    const tm_status st = read_extent(&place, out, err);
    tm__intake_place_done(&place);
    out->keys = rows->keys;
    return st;
}

/* ---- Reading ---- */

/* Which rows are wanted, and where those are that come next. */
typedef struct tm_reading {
    tm_intake_place *place;
    tm_source_rows *rows;
    uint64_t first, end; /* wanted places */
    uint64_t at;         /* place of the next row */
    tm_table_builder *builder;
    const tm_column **from; /* [n_cols] */
    tm_cell *cells;         /* [n_cols] */
} tm_reading;

static tm_status add_columns(const tm_intake_columns *columns, tm_table_builder *builder,
                             tm_err *err) {
    for (uint32_t i = 0; i < columns->schema.n_cols; i++) {
        TM_TRY(tm__builder_add_column(builder, columns->schema.cols[i].name,
                                      tm__column_type(columns, i), err));
    }
    return TM_OK;
}

static bool is_wanted(const tm_reading *r, uint64_t n) {
    return r->at < r->end && r->at + n > r->first;
}

/* A value of an older column in today's, which is the same or wider. */
static tm_cell today(tm_cell cell, tm_type type) {
    const bool is_time = cell.type == TM_TYPE_DATE || cell.type == TM_TYPE_TIME;
    if (is_time && (type == TM_TYPE_DATE || type == TM_TYPE_TIME)) {
        cell.type = type;
    }
    return cell;
}

/* Rows that stand at r->at: take those that are wanted. */
static tm_status take_rows(tm_reading *r, const tm_table *table, tm_err *err) {
    const tm_intake_columns *columns = r->place->columns;
    const uint64_t n = tm__table_rows(table);
    const uint64_t row_end = r->end - r->at < n ? r->end - r->at : n;
    for (uint32_t i = 0; i < columns->schema.n_cols; i++) {
        const uint32_t at = tm__table_find(table, columns->schema.cols[i].name);
        r->from[i] = at == UINT32_MAX ? NULL : tm__table_column(table, at);
    }
    for (uint64_t row = r->first > r->at ? r->first - r->at : 0; row < row_end; row++) {
        for (uint32_t i = 0; i < columns->schema.n_cols; i++) {
            r->cells[i] = r->from[i] == NULL ? (tm_cell){.type = TM_TYPE_NONE}
                                             : today(tm__column_cell(r->from[i], row),
                                                     tm__column_type(columns, i));
        }
        TM_TRY(tm__builder_add_row(r->builder, r->cells, err));
    }
    return TM_OK;
}

static tm_status load_segment(tm_ctx *ctx, tm_reading *r, tm_str stored, tm_err *err) {
    tm_hash hash = {0};
    memcpy(hash.bytes, stored.ptr, stored.len < TM_HASH_BYTES ? stored.len : TM_HASH_BYTES);
    if (r->rows->segment != NULL && tm__hash_eq(&hash, &r->rows->hash)) {
        return TM_OK;
    }
    tm__table_unref(r->rows->segment);
    r->rows->segment = NULL;
    r->rows->hash = hash;
    return tm__segment_load(ctx, &r->rows->bucket, r->place->segments_dir, &hash, &r->rows->segment,
                            err);
}

static tm_status read_segments(tm_ctx *ctx, tm_reading *r, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(r->place->db,
                         "SELECT hash, n_rows FROM segments WHERE source = ? ORDER BY seq", &stmt,
                         err));
    tm__stmt_bind_i64(stmt, 1, r->place->source.id);
    tm_status st = TM_OK;
    while (r->at < r->end && tm__stmt_next(stmt, &st, err)) {
        const uint64_t n = (uint64_t)tm__stmt_i64(stmt, 1);
        if (is_wanted(r, n)) {
            st = load_segment(ctx, r, tm__stmt_blob(stmt, 0), err);
            st = st == TM_OK ? take_rows(r, r->rows->segment, err) : st;
        }
        r->at += n;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status take_batch(tm_reading *r, tm_str batch, tm_err *err) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    uint64_t n = 0;
    tm_status st = builder == NULL ? no_memory(err) : add_columns(r->place->columns, builder, err);
    if (st == TM_OK) {
        st = tm__batch_read(batch, r->place->columns, builder, &n, err);
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    TM_TRY(tm__builder_finish(builder, &table, err));
    st = take_rows(r, table, err);
    tm__table_unref(table);
    return st;
}

static tm_status read_batches(tm_reading *r, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        r->place->db, "SELECT seq, n_rows FROM batches WHERE source = ? ORDER BY seq", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, r->place->source.id);
    tm_status st = TM_OK;
    while (r->at < r->end && tm__stmt_next(stmt, &st, err)) {
        const uint64_t n = (uint64_t)tm__stmt_i64(stmt, 1);
        if (is_wanted(r, n)) { /* bytes of batches before it are not read */
            tm_stmt *bytes = NULL;
            st = tm__stmt_init(
                r->place->db, "SELECT unseal('batches.rows', seq, rows) FROM batches WHERE seq = ?",
                &bytes, err);
            if (st == TM_OK) {
                bool is_there = false;
                tm__stmt_bind_i64(bytes, 1, tm__stmt_i64(stmt, 0));
                st = tm__stmt_step(bytes, &is_there, err);
                st = st == TM_OK ? take_batch(r, tm__stmt_blob(bytes, 0), err) : st;
            }
            tm__stmt_done(bytes);
        }
        r->at += n;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status check_extent(tm_reading *r, tm_err *err) {
    tm_source_extent extent = {0};
    TM_TRY(read_extent(r->place, &extent, err));
    if (r->first < extent.first || r->end > extent.end) {
        const tm_status st =
            TM_FAIL(err, TM_E_NOT_FOUND, "source '%s' does not hold its row %llu", r->rows->name,
                    (unsigned long long)(r->first < extent.first ? r->first : extent.end) + 1);
        tm_err_hint(err, "Its retention removed it before it was read.");
        return st;
    }
    r->at = extent.first;
    return TM_OK;
}

static tm_status read_all(tm_ctx *ctx, tm_reading *r, tm_err *err) {
    const uint32_t n_cols = r->place->columns->schema.n_cols;
    TM_TRY(check_extent(r, err));
    r->from = tm__mem_alloc(n_cols, sizeof(*r->from));
    r->cells = tm__mem_alloc(n_cols, sizeof(*r->cells));
    if (r->from == NULL || r->cells == NULL || r->builder == NULL) {
        return no_memory(err);
    }
    TM_TRY(add_columns(r->place->columns, r->builder, err));
    TM_TRY(read_segments(ctx, r, err));
    return read_batches(r, err);
}

tm_status tm__source_rows_read(tm_ctx *ctx, tm_source_rows *rows, uint64_t first, uint64_t n,
                               tm_table **out, tm_err *err) {
    tm_intake_place place = {0};
    TM_TRY(tm__intake_place_open(rows->home, rows->name, &place, err));
    tm_reading r = {.place = &place,
                    .rows = rows,
                    .first = first,
                    .end = first + n,
                    .builder = tm__builder_create()};
    const tm_status st = read_all(ctx, &r, err);
    tm__intake_place_done(&place);
    tm__mem_free(r.from);
    tm__mem_free(r.cells);
    if (st != TM_OK) {
        tm__builder_free(r.builder);
        return st;
    }
    return tm__builder_finish(r.builder, out, err);
}
