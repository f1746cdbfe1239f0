/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   segment whose newest row is older than a column is kept
 *     ──> the same rows without these values, durable ──> one transaction: named in its place, and
 *         "blanked": {COLUMN: seq} of the spec
 *
 * 1. Rows, their order and their places stay, so sinks and keys notice nothing.
 * 2. What a sink has not read waits for it, as with a retention.
 * 3. Values of before are in the old file until it is collected, and in free pages of intake.db
 *    until it is vacuumed, which the caller does.
 */
#include "source/intake_blank.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/intake.h"
#include "source/intake_away.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "source/source.h"

typedef struct blanking {
    tm_ctx *ctx;
    const tm_home *home;
    tm_db *db;
    tm_source_row source;
    char *dir; /* of its segments */
    tm_bucket bucket;
    int64_t now_us;
    uint64_t hold; /* place behind which a sink has to read */
    tm_blanked done;
} blanking;

typedef struct segment {
    int64_t seq, newest_us;
    tm_hash hash;
    uint64_t n_rows, end; /* place behind its last row */
} segment;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for old values");
}

static int64_t keep_s(const json_t *spec, const char *column) {
    return tm__json_i64(json_object_get(json_object_get(spec, "columns"), column), "keep_s", 0);
}

tm_status tm__blank_check(const json_t *spec, const char *const *keys, uint32_t n_keys,
                          tm_err *err) {
    for (uint32_t i = 0; i < n_keys; i++) {
        if (keep_s(spec, keys[i]) > 0) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "column '%s' is the key, which is kept as long as its row",
                        keys[i]);
            tm_err_hint(err, "Give the source a retention instead.");
            return st;
        }
    }
    return TM_OK;
}

/* Columns of which a segment has to lose the values; *out is the caller's. */
static json_t *columns_of(const json_t *spec, int64_t now_us, const segment *s) {
    const json_t *const blanked = json_object_get(spec, "blanked");
    json_t *names = json_array();
    const char *name = NULL;
    json_t *column = NULL;
    json_object_foreach(json_object_get(spec, "columns"), name, column) {
        const int64_t keep = tm__json_i64(column, "keep_s", 0);
        if (keep > 0 && s->newest_us < now_us - keep * 1000000 &&
            tm__json_i64(blanked, name, 0) < s->seq) {
            json_array_append_new(names, json_string(name));
        }
    }
    return names;
}

/* Before when rows in quarantine are too old; INT64_MIN: none are. */
static int64_t oldest_us(const json_t *spec, int64_t now_us) {
    int64_t least = tm__json_i64(spec, "retention_s", 0);
    const char *name = NULL;
    json_t *column = NULL;
    json_object_foreach(json_object_get(spec, "columns"), name, column) {
        const int64_t keep = tm__json_i64(column, "keep_s", 0);
        least = keep > 0 && (least <= 0 || keep < least) ? keep : least;
    }
    return least > 0 ? now_us - least * 1000000 : INT64_MIN;
}

/* ---- What is due ---- */

/* The next segment behind seq; *out_has false: there is none. */
static tm_status next_segment(tm_db *db, const tm_source_row *source, int64_t seq, segment *out,
                              bool *out_has, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, hash, n_rows, parts, created_us, (SELECT removed FROM sources"
                         " WHERE id = ?1) + (SELECT sum(n_rows) FROM segments b WHERE b.source = ?1"
                         " AND b.seq <= a.seq) FROM segments a WHERE source = ?1 AND seq > ?2"
                         " ORDER BY seq LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source->id);
    tm__stmt_bind_i64(stmt, 2, seq);
    tm_status st = tm__stmt_step(stmt, out_has, err);
    if (st == TM_OK && *out_has) {
        const tm_str hash = tm__stmt_blob(stmt, 1);
        *out = (segment){.seq = tm__stmt_i64(stmt, 0),
                         .n_rows = (uint64_t)tm__stmt_i64(stmt, 2),
                         .newest_us =
                             tm__segment_newest_us(tm__stmt_blob(stmt, 3), tm__stmt_i64(stmt, 4)),
                         .end = (uint64_t)tm__stmt_i64(stmt, 5)};
        memcpy(out->hash.bytes, hash.ptr, hash.len < TM_HASH_BYTES ? hash.len : TM_HASH_BYTES);
    }
    tm__stmt_done(stmt);
    return st;
}

/* The newest row in quarantine that is too old; 0: none is. */
static tm_status old_quarantine(tm_db *db, const tm_source_row *source, int64_t before_us,
                                int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(
        db, "SELECT coalesce(max(seq), 0) FROM quarantine WHERE source = ? AND at_us < ?", &stmt,
        err));
    tm__stmt_bind_i64(stmt, 1, source->id);
    tm__stmt_bind_i64(stmt, 2, before_us);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_db_blank_due(tm_db *db, const tm_source_row *source, bool *out, tm_err *err) {
    const int64_t now_us = tm__now_us();
    int64_t quarantined = 0;
    uint64_t hold = 0;
    char held_by[129];
    segment s = {.seq = 0};
    bool has = true;
    TM_TRY(old_quarantine(db, source, oldest_us(source->spec, now_us), &quarantined, err));
    *out = quarantined > 0;
    TM_TRY(tm__intake_db_hold(db, source->name, &hold, held_by, err));
    while (has && !*out) {
        TM_TRY(next_segment(db, source, s.seq, &s, &has, err));
        json_t *const names = has && s.end <= hold ? columns_of(source->spec, now_us, &s) : NULL;
        *out = json_array_size(names) > 0;
        json_decref(names);
        has = has && s.end <= hold;
    }
    return TM_OK;
}

/* ---- A segment ---- */

/* The same rows with nothing in some columns; NULL: there was nothing in them. */
static tm_status without(const tm_table *table, const json_t *names, tm_table **out, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(table);
    tm_table_builder *builder = tm__builder_create();
    tm_cell *cells = tm__mem_zalloc((size_t)n_cols + 1, sizeof(*cells));
    bool has_any = false;
    tm_status st = builder == NULL || cells == NULL ? no_memory(err) : TM_OK;
    for (uint32_t c = 0; st == TM_OK && c < n_cols; c++) {
        const tm_column *const column = tm__table_column(table, c);
        st = tm__builder_add_column(builder, column->name, column->type, err);
    }
    for (uint64_t row = 0; st == TM_OK && row < tm__table_rows(table); row++) {
        for (uint32_t c = 0; c < n_cols; c++) {
            const tm_column *const column = tm__table_column(table, c);
            cells[c] = tm__column_cell(column, row);
            if (cells[c].type != TM_TYPE_NONE && tm__json_has_text(names, column->name)) {
                cells[c] = (tm_cell){.type = TM_TYPE_NONE};
                has_any = true;
            }
        }
        st = tm__builder_add_row(builder, cells, err);
    }
    tm__mem_free(cells);
    if (st != TM_OK || !has_any) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

/* How far columns are, in the spec as it is by now. */
static tm_status note_blanked_locked(blanking *b, int64_t seq, const json_t *names, tm_err *err) {
    tm_source_row now = {0};
    size_t i = 0;
    const json_t *name = NULL;
    TM_TRY(tm__intake_db_source(b->db, b->source.name, &now, err));
    json_t *blanked = json_object_get(now.spec, "blanked");
    if (blanked == NULL) {
        blanked = json_object();
        json_object_set_new(now.spec, "blanked", blanked);
    }
    json_array_foreach(names, i, name) {
        json_object_set_new(blanked, json_string_value(name), json_integer(seq));
    }
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__intake_set_spec_locked(b->db, now.id, now.spec, err) : st;
    if (st == TM_OK) { /* the walk goes on by it */
        json_object_set(b->source.spec, "blanked", blanked);
    }
    tm__source_row_done(&now);
    return st;
}

static tm_status rename_locked(blanking *b, const segment *s, const tm_segment *file, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__intake_file_check_locked(b->dir, TM_INTAKE_SEGMENT, &file->hash, err));
    TM_TRY(tm__stmt_init(b->db,
                         "UPDATE segments SET hash = ?1, n_bytes = ?2 WHERE seq = ?3 AND hash = ?4",
                         &stmt, err));
    tm__stmt_bind_blob(stmt, 1, file->hash.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 2, (int64_t)file->n_bytes);
    tm__stmt_bind_i64(stmt, 3, s->seq);
    tm__stmt_bind_blob(stmt, 4, s->hash.bytes, TM_HASH_BYTES);
    tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    if (tm__db_changes(b->db) != 1) {
        st =
            TM_FAIL(err, TM_E_CONFLICT, "another process changes segments of '%s'", b->source.name);
        tm_err_hint(err, "Nothing is lost; let the other one go on.");
        return st;
    }
    TM_TRY(tm__stmt_init(b->db,
                         "DELETE FROM profiles WHERE source = ?1 AND segment NOT IN"
                         " (SELECT hash FROM segments WHERE source = ?1)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, b->source.id);
    return tm__stmt_run_done(stmt, err);
}

/* file NULL: it has none of these values. */
static tm_status publish(blanking *b, const segment *s, const tm_segment *file, const json_t *names,
                         tm_err *err) {
    TM_TRY(tm__db_begin(b->db, err));
    tm_status st = file != NULL ? rename_locked(b, s, file, err) : TM_OK;
    st = st == TM_OK ? note_blanked_locked(b, s->seq, names, err) : st;
    return tm__db_end(b->db, st, err);
}

/* Until an hour from now nobody collects the old file. */
static tm_status touch(const blanking *b, const segment *s, tm_err *err) {
    const tm_intake_file file = {
        .kind = TM_INTAKE_SEGMENT, .source = b->source.name, .hash = s->hash};
    char *path = tm__intake_file_path(b->home, &file);
    const tm_status st = path == NULL ? no_memory(err) : tm__fs_touch(path, err);
    tm__mem_free(path);
    return st;
}

static tm_status blank_segment(blanking *b, const segment *s, const json_t *names, tm_err *err) {
    tm_table *table = NULL, *blank = NULL;
    tm_segment file = {0};
    TM_TRY(tm__segment_load(b->ctx, &b->bucket, b->dir, &s->hash, &table, err));
    tm_status st = without(table, names, &blank, err);
    tm__table_unref(table);
    if (st == TM_OK && blank == NULL) {
        return publish(b, s, NULL, names, err);
    }
    st =
        st == TM_OK ? tm__snapshot_save_by(b->ctx, &b->bucket, b->dir, blank, &file.hash, err) : st;
    st = st == TM_OK ? tm__segment_size(b->dir, &file, err) : st;
    st = st == TM_OK ? touch(b, s, err) : st;
    st = st == TM_OK ? publish(b, s, &file, names, err) : st;
    tm__table_unref(blank);
    b->done.n_segments += st == TM_OK;
    b->done.n_rows += st == TM_OK ? s->n_rows : 0;
    return st;
}

static tm_status blank_segments(blanking *b, tm_err *err) {
    segment s = {.seq = 0};
    bool has = true;
    for (;;) {
        TM_TRY(next_segment(b->db, &b->source, s.seq, &s, &has, err));
        if (!has) {
            return TM_OK;
        }
        json_t *const names = columns_of(b->source.spec, b->now_us, &s);
        tm_status st = tm__json_check(err);
        if (st == TM_OK && json_array_size(names) > 0 && s.end > b->hold) {
            b->done.n_held++;
        } else if (st == TM_OK && json_array_size(names) > 0 && b->done.n_held == 0) {
            st = blank_segment(b, &s, names, err);
        }
        json_decref(names);
        TM_TRY(st);
    }
}

/* ---- All ---- */

static tm_status drop_quarantine(blanking *b, tm_err *err) {
    tm_intake_replay drop = {.drop = true};
    tm_intake_replayed gone = {0};
    TM_TRY(old_quarantine(b->db, &b->source, oldest_us(b->source.spec, b->now_us),
                          &drop.choice.last, err));
    if (drop.choice.last == 0) {
        return TM_OK;
    }
    TM_TRY(tm__intake_replay(b->home, b->source.name, &drop, &gone, err));
    b->done.n_quarantined = gone.dropped;
    return TM_OK;
}

static tm_status run(blanking *b, const char *name, tm_err *err) {
    tm_intake_place place = {0};
    TM_TRY(tm__intake_place_open(b->home, name, &place, err));
    b->dir = place.segments_dir;
    place.segments_dir = NULL;
    tm__intake_place_done(&place);
    TM_TRY(tm__intake_db_open_there(b->home, true, &b->db, err));
    TM_TRY(tm__intake_db_source(b->db, name, &b->source, err));
    TM_TRY(tm__intake_db_hold(b->db, name, &b->hold, b->done.held_by, err));
    TM_TRY(blank_segments(b, err));
    return drop_quarantine(b, err);
}

tm_status tm__intake_blank(tm_ctx *ctx, const tm_home *home, const char *name, tm_blanked *out,
                           tm_err *err) {
    blanking b = {.ctx = ctx, .home = home, .now_us = tm__now_us()};
    const tm_status st = run(&b, name, err);
    tm__db_close(b.db);
    tm__bucket_done(&b.bucket);
    tm__source_row_done(&b.source);
    tm__mem_free(b.dir);
    if (b.done.n_held == 0) {
        b.done.held_by[0] = '\0';
    }
    if (st == TM_OK) {
        *out = b.done;
    }
    return st;
}
