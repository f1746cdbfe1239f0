/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a source may hold, and for how long.
 *
 *     oldest                                        newest
 *     | segment | segment | segment | segment | batches |
 *       older than the retention ^     ^ the next row of a sink
 *       removed: what is before both
 *
 * 1. Rows are removed at the old end only, whole segments at a time, so that a row keeps its place
 *    (intake_range.c).
 * 2. A segment is removed when its newest row is older than the retention and every sink that reads
 *    the source is behind it: what waits to be written is not lost.
 * 3. Names and counters change in one transaction; keys stay, so a duplicate is one for ever. Files
 *    are touched first and collected an hour later: who reads them now reads on.
 * 4. Nothing is taken while a source holds what it may, or the disk has less than its floor: a full
 *    disk would also stop what frees room.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/system.h"
#include "source/intake_blank.h"
#include "source/intake_priv.h"
#include "source/intake_retain.h"
#include "source/sinks.h"

#define FLOOR_BYTES ((uint64_t)1 << 30)
#define FLOOR_PART 20u /* of the disk, when that is less */
#define KEY_BYTES 18u

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Room ---- */

tm_status tm__intake_db_bytes(tm_db *db, int64_t source, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(
        db,
        "SELECT (SELECT coalesce(sum(n_bytes), 0) FROM segments WHERE source = ?1) +"
        " (SELECT coalesce(sum(n_bytes), 0) FROM batches WHERE source = ?1) +"
        " (SELECT coalesce(sum(n), 0) * ?2 FROM runs WHERE source = ?1) + quarantine_bytes"
        " FROM sources WHERE id = ?1",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_i64(stmt, 2, KEY_BYTES);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_disk_floor(uint64_t total_bytes, uint64_t *out, tm_err *err) {
    const char *text = getenv("TIDEMILL_DISK_FLOOR");
    const uint64_t part = total_bytes / FLOOR_PART;
    *out = part < FLOOR_BYTES ? part : FLOOR_BYTES;
    if (text != NULL && !tm__str_to_bytes(tm__str(text), out)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "TIDEMILL_DISK_FLOOR is no size: '%.40s'", text);
        tm_err_hint(err, "Write it as 500M or 2G.");
        return st;
    }
    return TM_OK;
}

tm_status tm__intake_has_room(const tm_home *home, tm_db *db, const tm_source_row *source,
                              tm_err *err) {
    char a[32], b[32];
    tm_disk disk = {0};
    uint64_t n_bytes = 0, floor_bytes = 0;
    const int64_t bytes_max = tm__json_i64(source->spec, "max_bytes", 0);
    if (bytes_max > 0) {
        TM_TRY(tm__intake_db_bytes(db, source->id, &n_bytes, err));
    }
    if (bytes_max > 0 && n_bytes >= (uint64_t)bytes_max) {
        const tm_status st = TM_FAIL(err, TM_E_UNAVAILABLE, "source '%s' holds %s and may hold %s",
                                     source->name, tm__bytes_text(n_bytes, a, sizeof(a)),
                                     tm__bytes_text((uint64_t)bytes_max, b, sizeof(b)));
        tm_err_hint(err, "Give it more with 'tidemill data set %s --max-bytes', or a --retention.",
                    source->name);
        return st;
    }
    if (!tm__disk_info(tm__home_path(home), &disk)) {
        return TM_OK; /* nothing is known: a write will tell */
    }
    TM_TRY(tm__intake_disk_floor(disk.total_bytes, &floor_bytes, err));
    if (disk.free_bytes < floor_bytes) {
        const tm_status st = TM_FAIL(err, TM_E_UNAVAILABLE,
                                     "%s are free on the disk of the home, and %s are kept free",
                                     tm__bytes_text(disk.free_bytes, a, sizeof(a)),
                                     tm__bytes_text(floor_bytes, b, sizeof(b)));
        tm_err_hint(err, "Free some space on this disk: rows are taken again as soon as there is.");
        return st;
    }
    return TM_OK;
}

/* ---- What may be removed ---- */

int64_t tm__segment_newest_us(tm_str parts, int64_t created_us) {
    int64_t newest = parts.len >= 16 ? 0 : created_us;
    for (size_t at = 0; at + 16 <= parts.len; at += 16) {
        uint64_t us = 0;
        for (int i = 7; i >= 0; i--) {
            us = us << 8 | (uint8_t)parts.ptr[at + (size_t)i];
        }
        newest = (int64_t)us > newest ? (int64_t)us : newest;
    }
    return newest;
}

tm_status tm__intake_db_hold(tm_db *db, const char *source, uint64_t *out, char name[129],
                             tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = UINT64_MAX;
    TM_TRY(tm__stmt_init(db,
                         "SELECT name, coalesce(CAST(json_extract(plan, '$.first') AS INTEGER),"
                         " CAST(json_extract(state, '$.next') AS INTEGER), 0) AS place FROM sinks"
                         " WHERE json_extract(spec, '$.read') = ? ORDER BY place, name LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        (void)tm__str_copy(name, 129, tm__str(tm__stmt_text(stmt, 0)));
        *out = (uint64_t)tm__stmt_i64(stmt, 1);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status count_present(tm_db *db, int64_t source, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT (SELECT coalesce(sum(n_rows), 0) FROM segments WHERE source = ?1)"
                         " + (SELECT coalesce(sum(n_rows), 0) FROM batches WHERE source = ?1)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__intake_db_removable(tm_db *db, const tm_source_row *source, tm_removable *out,
                                  tm_err *err) {
    const int64_t retention_s = tm__json_i64(source->spec, "retention_s", 0);
    tm_stmt *stmt = NULL;
    uint64_t hold = 0, n_present = 0;
    *out = (tm_removable){0};
    if (retention_s <= 0) {
        return TM_OK;
    }
    const int64_t before_us = tm__now_us() - retention_s * 1000000;
    TM_TRY(tm__intake_db_hold(db, source->name, &hold, out->held_by, err));
    TM_TRY(count_present(db, source->id, &n_present, err));
    uint64_t place = source->n_accepted - n_present;
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, n_rows, n_bytes, created_us, parts FROM segments"
                         " WHERE source = ? ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source->id);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        if (tm__segment_newest_us(tm__stmt_blob(stmt, 4), tm__stmt_i64(stmt, 3)) >= before_us) {
            break;
        }
        const uint64_t n_rows = (uint64_t)tm__stmt_i64(stmt, 1);
        place += n_rows;
        if (place > hold || out->n_held > 0) {
            out->n_held++;
            continue;
        }
        out->last = tm__stmt_i64(stmt, 0);
        out->n_segments++;
        out->n_rows += n_rows;
        out->n_bytes += (uint64_t)tm__stmt_i64(stmt, 2);
    }
    tm__stmt_done(stmt);
    if (out->n_held == 0) {
        out->held_by[0] = '\0';
    }
    return st;
}

/* ---- Removing ---- */

/* Until an hour from now nobody collects the files. */
static tm_status touch_files(const tm_home *home, tm_db *db, const tm_source_row *source,
                             int64_t last, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(
        tm__stmt_init(db, "SELECT hash FROM segments WHERE source = ? AND seq <= ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source->id);
    tm__stmt_bind_i64(stmt, 2, last);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        tm_intake_file file = {.kind = TM_INTAKE_SEGMENT, .source = source->name};
        const tm_str hash = tm__stmt_blob(stmt, 0);
        memcpy(file.hash.bytes, hash.ptr, hash.len < TM_HASH_BYTES ? hash.len : TM_HASH_BYTES);
        char *path = tm__intake_file_path(home, &file);
        st = path == NULL ? no_memory(err) : TM_OK;
        if (st == TM_OK && tm__fs_info(path).kind == TM_PATH_FILE) {
            st = tm__fs_touch(path, err);
        }
        tm__mem_free(path);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status remove_locked(tm_db *db, int64_t source, const tm_removable *what, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "DELETE FROM segments WHERE source = ? AND seq <= ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_i64(stmt, 2, what->last);
    TM_TRY(tm__stmt_run_done(stmt, err));
    /* The same rows may stand in a segment that stays. */
    TM_TRY(tm__stmt_init(db,
                         "DELETE FROM profiles WHERE source = ?1 AND segment NOT IN"
                         " (SELECT hash FROM segments WHERE source = ?1)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    TM_TRY(tm__stmt_run_done(stmt, err));
    TM_TRY(tm__stmt_init(db,
                         "UPDATE sources SET removed = removed + ?, removed_bytes ="
                         " removed_bytes + ?, removed_us = ? WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, (int64_t)what->n_rows);
    tm__stmt_bind_i64(stmt, 2, (int64_t)what->n_bytes);
    tm__stmt_bind_i64(stmt, 3, tm__now_us());
    tm__stmt_bind_i64(stmt, 4, source);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__intake_expire(const tm_home *home, const char *name, tm_removable *out, tm_err *err) {
    tm_db *db = NULL;
    tm_source_row source = {0};
    *out = (tm_removable){0};
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    tm_status st = tm__db_begin(db, err);
    if (st == TM_OK) {
        st = tm__intake_db_source(db, name, &source, err);
        st = st == TM_OK ? tm__intake_db_removable(db, &source, out, err) : st;
        const bool removes = st == TM_OK && out->n_segments > 0;
        st = removes ? touch_files(home, db, &source, out->last, err) : st;
        st = removes && st == TM_OK ? remove_locked(db, source.id, out, err) : st;
        if (removes && st == TM_OK) {
            st = tm__db_commit(db, err);
        } else {
            tm__db_rollback(db);
        }
    }
    tm__source_row_done(&source);
    tm__db_close(db);
    return st;
}

tm_status tm__intake_expire_due(const tm_home *home, char out[129], tm_err *err) {
    tm_db *db = NULL;
    json_t *names = json_array();
    tm_stmt *stmt = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    out[0] = '\0';
    tm_status st = tm__intake_db_open_there(home, false, &db, err);
    st = st == TM_OK ? tm__stmt_init(db,
                                     "SELECT name FROM sources WHERE"
                                     " CAST(json_extract(spec, '$.retention_s') AS INTEGER) > 0 OR"
                                     " spec LIKE '%\"keep_s\"%' ORDER BY id",
                                     &stmt, err)
                     : st;
    while (tm__stmt_next(stmt, &st, err)) {
        json_array_append_new(names, json_string(tm__stmt_text(stmt, 0)));
    }
    tm__stmt_done(stmt);
    json_array_foreach(names, i, name) {
        tm_source_row source = {0};
        tm_removable what = {0};
        st = st == TM_OK ? tm__intake_db_source(db, json_string_value(name), &source, err) : st;
        st = st == TM_OK ? tm__intake_db_removable(db, &source, &what, err) : st;
        bool is_due = what.n_segments > 0;
        if (st == TM_OK && !is_due) {
            st = tm__intake_db_blank_due(db, &source, &is_due, err);
        }
        tm__source_row_done(&source);
        if (st == TM_OK && is_due) {
            (void)tm__str_copy(out, TM_MAX_NAME + 1, tm__str(json_string_value(name)));
        }
        if (st != TM_OK || out[0] != '\0') {
            break;
        }
    }
    json_decref(names);
    tm__db_close(db);
    return st == TM_OK ? tm__json_check(err) : st;
}
