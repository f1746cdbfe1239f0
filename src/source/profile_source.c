/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles of sources, one a segment, so that any window of them is a merge.
 *
 *   segments in the window ── kept profile, or the rows of its file ──┐
 *   rows in no segment yet, when the window is open ─────────────────┴─> one profile
 *
 * All is read in one transaction, so it is of one moment.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "source/intake_away.h"
#include "source/intake_priv.h"
#include "source/profile_priv.h"
#include "source/source.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a profile");
}

/* --- a table on all threads --- */

typedef struct column_job {
    const tm_table *table;
    tm_profile_sheet *sheet;
    bool *failed; /* [n_cols] */
} column_job;

static void sketch_column(void *arg, uint64_t item, uint32_t worker) {
    const column_job *const job = arg;
    const tm_column *const column = tm__table_column(job->table, (uint32_t)item);
    tm_profile_column *const own = &job->sheet->cols[item];
    (void)worker;
    own->type = column->type;
    job->failed[item] = !tm__sketch_add_column(own->sketch, column, 0, tm__table_rows(job->table));
}

/* A fresh profile has the columns of the table, in its order. */
static tm_status sheet_of(tm_ctx *ctx, const tm_table *table, tm_profile_sheet **out, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(table);
    column_job job = {.table = table, .sheet = tm__profile_create()};
    job.failed = tm__mem_zalloc((size_t)n_cols + 1, sizeof(bool));
    bool ok = job.sheet != NULL && job.failed != NULL;
    for (uint32_t col = 0; ok && col < n_cols; col++) {
        ok = tm__sheet_column(job.sheet, tm__table_column(table, col)->name, col) != NULL;
    }
    if (ok) {
        tm__pool_run(ctx->pool, n_cols, sketch_column, &job);
        job.sheet->n_rows = tm__table_rows(table);
    }
    for (uint32_t col = 0; ok && col < n_cols; col++) {
        ok = !job.failed[col];
    }
    tm__mem_free(job.failed);
    if (!ok) {
        tm__profile_free(job.sheet);
        return no_memory(err);
    }
    *out = job.sheet;
    return TM_OK;
}

tm_status tm__profile_segment(tm_ctx *ctx, const tm_table *table, tm_buf *out, tm_err *err) {
    tm_profile_sheet *sheet = NULL;
    TM_TRY(sheet_of(ctx, table, &sheet, err));
    tm__profile_write(sheet, out);
    tm__profile_free(sheet);
    return out->failed ? no_memory(err) : TM_OK;
}

/* --- a window --- */

typedef struct taking {
    tm_ctx *ctx;
    tm_intake_place *place;
    const tm_profile_window *window;
    tm_profile_sheet *sheet;
    tm_profile_span span;
} taking;

static tm_status take_sheet(taking *t, tm_profile_sheet *sheet, tm_err *err) {
    const tm_status st = tm__profile_merge(t->sheet, sheet, err);
    t->span.n_rows += tm__profile_rows(sheet);
    tm__profile_free(sheet);
    return st;
}

static void note_time(tm_profile_span *span, int64_t at_us) {
    span->first_us = span->first_us == 0 || at_us < span->first_us ? at_us : span->first_us;
    span->last_us = at_us > span->last_us ? at_us : span->last_us;
}

/* Whether rows were accepted in the window; notes when all of the segment's were. */
static bool is_in_window(const taking *t, tm_str parts, tm_profile_span *span) {
    tm_reader in;
    bool is_in = false;
    tm__reader_init(&in, parts.ptr, parts.len);
    while (in.pos + 16 <= in.len) {
        const int64_t at_us = tm__reader_i64(&in);
        (void)tm__reader_i64(&in);
        note_time(span, at_us);
        is_in = is_in || (at_us >= t->window->since_us &&
                          (t->window->until_us == 0 || at_us < t->window->until_us));
    }
    /* A segment of an earlier release does not say when: it counts unless a window is asked for. */
    return is_in || (parts.len == 0 && t->window->since_us == 0 && t->window->until_us == 0);
}

static tm_status take_segment(taking *t, const tm_hash *hash, tm_str profile, tm_err *err) {
    tm_profile_sheet *sheet = NULL;
    tm_table *table = NULL;
    if (profile.len > 0) {
        TM_TRY(tm__profile_read_bytes(profile.ptr, profile.len, &sheet, err));
        return take_sheet(t, sheet, err);
    }
    TM_TRY(tm__segment_load(t->ctx, &t->place->bucket, t->place->segments_dir, hash, &table, err));
    tm_status st = sheet_of(t->ctx, table, &sheet, err);
    tm__table_unref(table);
    return st == TM_OK ? take_sheet(t, sheet, err) : st;
}

static tm_status take_row(taking *t, tm_stmt *stmt, uint64_t skips, tm_err *err) {
    tm_hash hash;
    tm_profile_span span = {0};
    const tm_str name = tm__stmt_blob(stmt, 0), parts = tm__stmt_blob(stmt, 1);
    const uint64_t number = t->span.n_segments_all++;
    if (name.len != TM_HASH_BYTES) {
        return TM_FAIL(err, TM_E_INTEGRITY, "intake.db names a segment by %zu bytes", name.len);
    }
    if (number < skips || !is_in_window(t, parts, &span)) {
        return TM_OK;
    }
    memcpy(hash.bytes, name.ptr, TM_HASH_BYTES);
    TM_TRY(take_segment(t, &hash, tm__stmt_blob(stmt, 2), err));
    t->span.n_segments++;
    if (span.last_us > 0) {
        note_time(&t->span, span.first_us);
        note_time(&t->span, span.last_us);
    }
    return TM_OK;
}

static tm_status count_segments(const taking *t, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(
        tm__stmt_init(t->place->db, "SELECT count(*) FROM segments WHERE source = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, t->place->source.id);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status take_segments(taking *t, tm_err *err) {
    tm_stmt *stmt = NULL;
    uint64_t n = 0;
    TM_TRY(count_segments(t, &n, err));
    const uint32_t last = t->window->n_segments;
    const uint64_t skips = last > 0 && n > last ? n - last : 0;
    TM_TRY(tm__stmt_init(t->place->db,
                         "SELECT s.hash, s.parts, unseal('profiles.profile', p.source || '.' || "
                         "hex(p.segment), p.profile) FROM segments s LEFT JOIN profiles p"
                         " ON p.source = s.source AND p.segment = s.hash WHERE s.source = ?"
                         " ORDER BY s.seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, t->place->source.id);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = take_row(t, stmt, skips, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status take_batches(taking *t, tm_err *err) {
    tm_table *table = NULL;
    tm_profile_sheet *sheet = NULL;
    uint64_t n_rows = 0;
    if (t->window->until_us != 0 || t->window->n_segments > 0) {
        return TM_OK;
    }
    TM_TRY(tm__intake_batches_table(t->place, &table, &n_rows, err));
    tm_status st = n_rows > 0 ? sheet_of(t->ctx, table, &sheet, err) : TM_OK;
    tm__table_unref(table);
    return st == TM_OK && sheet != NULL ? take_sheet(t, sheet, err) : st;
}

tm_status tm__profile_source(tm_ctx *ctx, const tm_home *home, const char *name,
                             const tm_profile_window *window, tm_profile_sheet **out,
                             tm_profile_span *out_span, tm_err *err) {
    tm_intake_place place = {0};
    TM_TRY(tm__intake_place_open(home, name, &place, err));
    taking t = {.ctx = ctx, .place = &place, .window = window, .sheet = tm__profile_create()};
    tm_status st = t.sheet != NULL ? take_segments(&t, err) : no_memory(err);
    if (st == TM_OK) {
        st = take_batches(&t, err);
    }
    tm__intake_place_done(&place);
    if (st == TM_OK && t.span.n_rows == 0) {
        st = TM_FAIL(err, TM_E_DATA, "source '%s' has no rows in this window", name);
        tm_err_hint(err, "A wider --since, --until or --segments takes more.");
    }
    if (st != TM_OK) {
        tm__profile_free(t.sheet);
        return st;
    }
    *out = t.sheet;
    *out_span = t.span;
    return TM_OK;
}
