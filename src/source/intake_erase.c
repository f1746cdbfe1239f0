/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   batches ──> segments (as ever)
 *   each segment: rows that are left ──> a new file, durable ──> one transaction names it in place
 * of the old one ──> the old file is removed
 *
 * 1. The place of a row among all that were accepted counts from the end: rows behind those that
 * went keep theirs, as `removed` grows. Rows before them move up by as many. A sink knows by a
 * place how far it is: it moves by those that go from behind it, in the same transaction, and so
 * has the same rows before and behind it as it had.
 * 2. A file of a segment is removed when no row of `segments` names it, and its object with it.
 */
#include "source/intake_erase.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_away.h"
#include "source/intake_priv.h"
#include "source/source.h"
#include "table/whose.h"

#define PART_BYTES 16u

typedef struct erasing {
    tm_ctx *ctx;
    const tm_home *home;
    tm_db *db;
    tm_source_row source;
    char *dir; /* of its segments */
    tm_bucket bucket;
    const json_t *columns;
    const tm_dict *ids;
    tm_intake_erased done;
} erasing;

/* One segment as it stands, and what is left of it. */
typedef struct segment {
    int64_t seq;
    tm_hash hash, hash_left;
    uint64_t n_rows, n_theirs;
    const uint8_t *is_theirs; /* [n_rows] */
    tm_buf parts;             /* of what is left: i64 time, i64 number */
    uint64_t n_bytes;
} segment;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* The rows of a batch that was begun are promised: it is made again after a kill, with the same id.
 */
static tm_status check_sinks(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(
        db, "SELECT name FROM sinks WHERE coalesce(plan, 'null') <> 'null' LIMIT 1", &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const char *const name = tm__stmt_text(stmt, 0);
        st = TM_FAIL(err, TM_E_CONFLICT, "a batch of sink '%s' is not done", name);
        tm_err_hint(err, "End it with 'tidemill sink run %s', or remove the sink; erase then.",
                    name);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_can_erase(const tm_home *home, tm_err *err) {
    tm_db *db = NULL;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_db_open_there(home, false, &db, err));
    const tm_status st = check_sinks(db, err);
    tm__db_close(db);
    return st;
}

/* ---- Segments ---- */

/* The next segment behind seq; *out_has false: there is none. Parts are those of all its rows. */
static tm_status next_segment(erasing *e, int64_t seq, segment *out, bool *out_has, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(e->db,
                         "SELECT seq, hash, n_rows, parts FROM segments WHERE source = ? AND"
                         " seq > ? ORDER BY seq LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, e->source.id);
    tm__stmt_bind_i64(stmt, 2, seq);
    tm_status st = tm__stmt_step(stmt, out_has, err);
    if (st == TM_OK && *out_has) {
        const tm_str hash = tm__stmt_blob(stmt, 1), parts = tm__stmt_blob(stmt, 3);
        out->seq = tm__stmt_i64(stmt, 0);
        out->n_rows = (uint64_t)tm__stmt_i64(stmt, 2);
        tm__buf_reset(&out->parts);
        tm__buf_append(&out->parts, parts.ptr, parts.len);
        if (hash.len != TM_HASH_BYTES || parts.len % PART_BYTES != 0) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "a segment of '%s' is damaged", e->source.name);
        } else {
            memcpy(out->hash.bytes, hash.ptr, TM_HASH_BYTES);
        }
    }
    tm__stmt_done(stmt);
    return st == TM_OK && out->parts.failed ? no_memory(err) : st;
}

/* Take the rows out of the parts, which say how many came when. */
static void cut_parts(segment *s, const uint8_t *is_theirs) {
    uint64_t row = 0;
    for (size_t at = 0; at + PART_BYTES <= s->parts.len; at += PART_BYTES) {
        uint64_t n = 0, left = 0;
        memcpy(&n, s->parts.data + at + 8, 8);
        for (uint64_t i = 0; i < n && row < s->n_rows; i++) {
            left += is_theirs[row++] ? 0 : 1;
        }
        memcpy(s->parts.data + at + 8, &left, 8);
    }
}

static tm_status save_left(erasing *e, tm_table *table, const uint8_t *is_theirs, segment *s,
                           tm_err *err) {
    tm_table *left = NULL;
    tm_segment file = {0};
    if (s->n_theirs == s->n_rows) {
        return TM_OK;
    }
    TM_TRY(tm__whose_others(table, is_theirs, &left, err));
    tm_status st = tm__snapshot_save_by(e->ctx, &e->bucket, e->dir, left, &file.hash, err);
    st = st == TM_OK ? tm__segment_size(e->dir, &file, err) : st;
    s->hash_left = file.hash;
    s->n_bytes = file.n_bytes;
    tm__table_unref(left);
    return st;
}

/* The place of the first row of a segment. */
static tm_status first_place(erasing *e, const segment *s, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(e->db,
                         "SELECT removed + coalesce((SELECT sum(n_rows) FROM segments WHERE source"
                         " = ?1 AND seq < ?2), 0) FROM sources WHERE id = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, e->source.id);
    tm__stmt_bind_i64(stmt, 2, s->seq);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status move_sink(erasing *e, int64_t id, int64_t next, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        e->db, "UPDATE sinks SET state = json_set(state, '$.next', ?) WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, next);
    tm__stmt_bind_i64(stmt, 2, id);
    return tm__stmt_run_done(stmt, err);
}

static tm_status move_sinks_locked(erasing *e, const segment *s, tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t first = 0;
    TM_TRY(first_place(e, s, &first, err));
    TM_TRY(
        tm__stmt_init(e->db,
                      "SELECT id, CAST(json_extract(state, '$.next') AS INTEGER) FROM sinks WHERE"
                      " json_extract(spec, '$.read') = ? AND"
                      " json_extract(state, '$.next') IS NOT NULL",
                      &stmt, err));
    tm__stmt_bind_text(stmt, 1, e->source.name);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        const int64_t next = tm__stmt_i64(stmt, 1);
        int64_t n_behind = 0;
        for (uint64_t row = 0; row < s->n_rows; row++) {
            n_behind += s->is_theirs[row] && first + (int64_t)row >= next;
        }
        st = n_behind > 0 ? move_sink(e, tm__stmt_i64(stmt, 0), next + n_behind, err) : TM_OK;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status is_named(erasing *e, const tm_hash *hash, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(
        tm__stmt_init(e->db, "SELECT 1 FROM segments WHERE source = ? AND hash = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, e->source.id);
    tm__stmt_bind_blob(stmt, 2, hash->bytes, TM_HASH_BYTES);
    const tm_status st = tm__stmt_step(stmt, out, err);
    tm__stmt_done(stmt);
    return st;
}

static tm_status replace_locked(erasing *e, const segment *s, tm_err *err) {
    const uint64_t n_left = s->n_rows - s->n_theirs;
    tm_stmt *stmt = NULL;
    bool is_there = false;
    TM_TRY(is_named(e, &s->hash, &is_there, err));
    if (!is_there) { /* its retention removed it meanwhile */
        return TM_OK;
    }
    TM_TRY(check_sinks(e->db, err));
    TM_TRY(move_sinks_locked(e, s, err));
    TM_TRY(tm__stmt_init(e->db,
                         n_left == 0 ? "DELETE FROM segments WHERE seq = ?1"
                                     : "UPDATE segments SET hash = ?2, n_rows = ?3, n_bytes = ?4,"
                                       " parts = ?5 WHERE seq = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->seq);
    if (n_left > 0) {
        tm__stmt_bind_blob(stmt, 2, s->hash_left.bytes, TM_HASH_BYTES);
        tm__stmt_bind_i64(stmt, 3, (int64_t)n_left);
        tm__stmt_bind_i64(stmt, 4, (int64_t)s->n_bytes);
        if (s->parts.len > 0) {
            tm__stmt_bind_blob(stmt, 5, s->parts.data, s->parts.len);
        } else {
            tm__stmt_bind_null(stmt, 5);
        }
    }
    tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    TM_TRY(tm__stmt_init(e->db,
                         "DELETE FROM profiles WHERE source = ?1 AND segment NOT IN"
                         " (SELECT hash FROM segments WHERE source = ?1)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, e->source.id);
    st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    TM_TRY(tm__stmt_init(e->db,
                         "UPDATE sources SET removed = removed + ?, removed_us = ? WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, (int64_t)s->n_theirs);
    tm__stmt_bind_i64(stmt, 2, tm__now_us());
    tm__stmt_bind_i64(stmt, 3, e->source.id);
    return tm__stmt_run_done(stmt, err);
}

static tm_status replace(erasing *e, const segment *s, tm_err *err) {
    TM_TRY(tm__db_begin(e->db, err));
    return tm__db_end(e->db, replace_locked(e, s, err), err);
}

static tm_status erase_segment(erasing *e, segment *s, tm_err *err) {
    tm_table *table = NULL;
    TM_TRY(tm__segment_load(e->ctx, &e->bucket, e->dir, &s->hash, &table, err));
    uint8_t *is_theirs = tm__mem_alloc(s->n_rows + 1, 1);
    tm_status st = TM_OK;
    if (is_theirs == NULL) {
        st = no_memory(err);
    } else if (tm__table_rows(table) != s->n_rows) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "a segment of '%s' has other rows than are counted",
                     e->source.name);
    }
    st = st == TM_OK ? tm__whose_rows(table, e->columns, e->ids, is_theirs, &s->n_theirs, NULL, err)
                     : st;
    s->is_theirs = is_theirs;
    if (st == TM_OK && s->n_theirs > 0) {
        cut_parts(s, is_theirs);
        st = save_left(e, table, is_theirs, s, err);
        st = st == TM_OK ? replace(e, s, err) : st;
        e->done.n_rows += st == TM_OK ? s->n_theirs : 0;
        e->done.n_segments += st == TM_OK;
    }
    s->is_theirs = NULL;
    tm__mem_free(is_theirs);
    tm__table_unref(table);
    return st;
}

static tm_status erase_segments(erasing *e, tm_err *err) {
    segment s = {.seq = 0};
    bool has = true;
    tm__buf_init(&s.parts, 1u << 26);
    tm_status st = next_segment(e, 0, &s, &has, err);
    while (st == TM_OK && has) {
        st = erase_segment(e, &s, err);
        st = st == TM_OK ? next_segment(e, s.seq, &s, &has, err) : st;
    }
    tm__buf_done(&s.parts);
    return st;
}

/* ---- Files that nothing names any more ---- */

typedef struct sweep {
    erasing *e;
    bool is_away; /* segments are in a bucket, too */
    json_t *objects;
    tm_status st;
    tm_err *err;
} sweep;

static tm_status sweep_file(const sweep *s, const char *name) {
    char *path = tm__fs_join(s->e->dir, name);
    const tm_status st = path == NULL ? no_memory(s->err) : tm__fs_remove(path, s->err);
    tm__mem_free(path);
    return st;
}

static bool sweep_one(void *arg, const char *name) {
    sweep *const s = arg;
    tm_hash hash;
    const char *behind = "";
    bool stays = true;
    if (!tm__segment_name(name, &hash, &behind) || strcmp(behind, TM_BUCKET_DROP) == 0) {
        return true;
    }
    s->st = is_named(s->e, &hash, &stays, s->err);
    if (s->st == TM_OK && !stays) {
        s->st =
            s->is_away ? tm__away_release_locked(s->e->dir, &hash, s->err) : sweep_file(s, name);
    }
    return s->st == TM_OK;
}

static bool note_object(void *arg, const char *name) {
    const sweep *const s = arg;
    return json_object_set_new(s->objects, name, json_true()) == 0;
}

/* In a transaction: nothing is named meanwhile. */
static tm_status sweep_locked(sweep *s, tm_err *err) {
    const char *name = NULL;
    json_t *unused = NULL;
    const tm_status st = tm__fs_list(s->e->dir, sweep_one, s, err);
    s->st = s->st == TM_OK ? st : s->st;
    json_object_foreach(s->objects, name, unused) {
        (void)(s->st == TM_OK && sweep_one(s, name));
    }
    return s->st;
}

static tm_status sweep_all(sweep *s, tm_err *err) {
    erasing *const e = s->e;
    if (s->is_away) {
        TM_TRY(tm__fs_mkdir(e->dir, err));
        TM_TRY(tm__bucket_list(&e->bucket, e->dir, note_object, s, err));
        TM_TRY(tm__json_check(err));
    }
    TM_TRY(tm__db_begin(e->db, err));
    const tm_status st = sweep_locked(s, err);
    tm__db_rollback(e->db); /* nothing in it was changed */
    TM_TRY(st);
    TM_TRY(tm__fs_sync_folder(e->dir, err));
    return s->is_away ? tm__away_drop(&e->bucket, e->dir, err) : TM_OK;
}

/* Not while a backup copies them. */
static tm_status sweep_files(erasing *e, tm_err *err) {
    sweep s = {.e = e, .err = err};
    tm_file *held = NULL;
    TM_TRY(tm__away_is_used(e->home, &s.is_away, err));
    if (!s.is_away && tm__fs_info(e->dir).kind != TM_PATH_DIR) {
        return TM_OK;
    }
    TM_TRY(tm__intake_hold(e->home, e->ctx, &held, err));
    s.objects = json_object();
    const tm_status st = s.objects == NULL ? no_memory(err) : sweep_all(&s, err);
    json_decref(s.objects);
    tm__file_close(held);
    return st;
}

/* ---- Quarantine ---- */

static bool holds(const char *text, const tm_dict *ids) {
    bool is_there = false;
    const size_t len = text == NULL ? 0 : strlen(text);
    for (uint32_t i = 0; text != NULL && !is_there && i < tm__dict_count(ids); i++) {
        const tm_str id = tm__dict_get(ids, i);
        is_there = memmem(text, len, id.ptr, id.len) != NULL;
    }
    return is_there;
}

static tm_status erase_quarantine(erasing *e, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *row = NULL;
    const tm_intake_choice all = {0};
    TM_TRY(tm__intake_quarantine(e->home, e->source.name, &all, TM_QUARANTINE_ROWS, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, row) {
        if (st == TM_OK && (holds(tm__json_text(row, "bytes", NULL), e->ids) ||
                            holds(tm__json_text(row, "detail", NULL), e->ids))) {
            const int64_t number = tm__json_i64(row, "number", 0);
            const tm_intake_replay drop = {.choice = {.first = number, .last = number},
                                           .drop = true};
            tm_intake_replayed dropped = {0};
            st = tm__intake_replay(e->home, e->source.name, &drop, &dropped, err);
            e->done.n_quarantined += dropped.dropped;
        }
    }
    json_decref(list);
    return st;
}

/* ---- All ---- */

static tm_status erase(erasing *e, const char *name, tm_err *err) {
    tm_intake_place place = {0};
    TM_TRY(tm__intake_place_open(e->home, name, &place, err));
    e->dir = place.segments_dir;
    place.segments_dir = NULL;
    tm__intake_place_done(&place);
    TM_TRY(tm__intake_db_open_there(e->home, true, &e->db, err));
    TM_TRY(tm__intake_db_source(e->db, name, &e->source, err));
    TM_TRY(check_sinks(e->db, err));
    TM_TRY(erase_segments(e, err));
    return sweep_files(e, err);
}

tm_status tm__intake_erase(tm_ctx *ctx, const tm_home *home, const char *name,
                           const json_t *columns, const tm_dict *ids, tm_intake_erased *out,
                           tm_err *err) {
    erasing e = {.ctx = ctx, .home = home, .columns = columns, .ids = ids};
    uint64_t n_compacted = 0;
    TM_TRY(tm__intake_compact(ctx, home, name, 1, &n_compacted, err));
    tm_status st = erase(&e, name, err);
    st = st == TM_OK ? erase_quarantine(&e, err) : st;
    tm__db_close(e.db);
    tm__bucket_done(&e.bucket);
    tm__source_row_done(&e.source);
    tm__mem_free(e.dir);
    if (st == TM_OK) {
        *out = e.done;
    }
    return st;
}

tm_status tm__intake_vacuum(const tm_home *home, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    /* What is left in pages of PostgreSQL is the server's: docs/store.md. */
    const tm_status st = tm__db_is_postgres(db) ? TM_OK : tm__db_vacuum(db, err);
    tm__db_close(db);
    return st;
}
