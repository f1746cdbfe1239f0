/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_keys.h"

#include <string.h>

#include "base/mem.h"
#include "source/intake_priv.h"
#include "store/db_lookup.h"

#define PIECE_KEYS (1u << 20)

/* A run that is replaced by pieces. */
typedef struct splitting {
    const tm_keys_place *place;
    tm_lookup_rows rows;
    tm_key_run *run;
    uint32_t n_hashed; /* of the run */
    tm_key_set *piece;
} splitting;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the keys of a source");
}

static tm_status put_piece_locked(splitting *s, tm_err *err) {
    tm_key_run *run = NULL;
    tm_stmt *stmt = NULL;
    if (tm__key_set_recent(s->piece) == 0) {
        return TM_OK;
    }
    if (!tm__key_set_freeze(s->piece)) {
        return no_memory(err);
    }
    TM_TRY(tm__key_set_save(s->piece, &run, err));
    tm__key_set_forget(s->piece);
    const tm_key_run_info info = tm__key_run_info(run);
    tm__key_run_close(run);
    TM_TRY(tm__intake_file_check_locked(s->place->dir, TM_INTAKE_KEYS, &info.hash, err));
    TM_TRY(tm__stmt_init(s->place->db,
                         "INSERT OR IGNORE INTO runs(source, hash, n, level, hashed)"
                         " VALUES(?,?,?,0,?)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->place->source);
    tm__stmt_bind_blob(stmt, 2, info.hash.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, (int64_t)info.n);
    tm__stmt_bind_i64(stmt, 4, s->rows.n_keys);
    return tm__stmt_run_done(stmt, err);
}

static tm_status drop_run_locked(splitting *s, tm_err *err) {
    const tm_key_run_info info = tm__key_run_info(s->run);
    tm_stmt *stmt = NULL;
    TM_TRY(
        tm__stmt_init(s->place->db, "DELETE FROM runs WHERE source = ? AND hash = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->place->source);
    tm__stmt_bind_blob(stmt, 2, info.hash.bytes, TM_HASH_BYTES);
    return tm__stmt_run_done(stmt, err);
}

static tm_status split_locked(splitting *s, tm_err *err) {
    const uint64_t n = tm__key_run_info(s->run).n;
    bool has_failed = false;
    TM_TRY(tm__key_run_check(s->run, err));
    for (uint64_t i = 0; i < n; i++) {
        const tm_row_key key = tm__key_run_at(s->run, i);
        uint64_t words[2] = {key.high, key.low};
        tm__lookup_row(&s->rows, s->n_hashed, words);
        (void)tm__key_set_add(s->piece, (tm_row_key){words[0], words[1]}, &has_failed);
        if (has_failed) {
            return no_memory(err);
        }
        if (tm__key_set_is_full(s->piece)) {
            TM_TRY(put_piece_locked(s, err));
        }
    }
    TM_TRY(put_piece_locked(s, err));
    return drop_run_locked(s, err);
}

/* The next run that is behind; s->run stays NULL: none is. */
static tm_status find_run(splitting *s, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_key_run_info info = {0};
    bool has_row = false;
    TM_TRY(tm__stmt_init(s->place->db,
                         "SELECT hash, n, level, hashed FROM runs WHERE source = ?"
                         " AND hashed < lookup_count() LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->place->source);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        const tm_str hash = tm__stmt_blob(stmt, 0);
        info.n = (uint64_t)tm__stmt_i64(stmt, 1);
        info.level = (uint32_t)tm__stmt_i64(stmt, 2);
        s->n_hashed = (uint32_t)tm__stmt_i64(stmt, 3);
        if (hash.len == TM_HASH_BYTES) {
            memcpy(info.hash.bytes, hash.ptr, TM_HASH_BYTES);
        } else {
            st = TM_FAIL(err, TM_E_INTEGRITY, "the list of key files is damaged");
        }
    }
    tm__stmt_done(stmt);
    return st == TM_OK && has_row ? tm__key_run_open(s->place->dir, &info, &s->run, err) : st;
}

static tm_status renew_some_locked(splitting *s, bool *out_more, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(s->place->db,
                         "UPDATE keys SET hashes = lookup_rows(hashes, hashed),"
                         " hashed = lookup_count() WHERE source = ? AND hashed < lookup_count()",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, s->place->source);
    tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    TM_TRY(tm__lookup_rows_read(s->place->db, &s->rows, err));
    TM_TRY(find_run(s, err));
    *out_more = s->run != NULL;
    if (s->run == NULL) {
        return TM_OK;
    }
    s->piece = tm__key_set_create(s->place->dir, PIECE_KEYS);
    return s->piece == NULL ? no_memory(err) : split_locked(s, err);
}

static tm_status renew_some(const tm_keys_place *place, bool *out_more, tm_err *err) {
    const bool begins = !tm__db_is_in_transaction(place->db);
    splitting s = {.place = place};
    TM_TRY(begins ? tm__db_begin(place->db, err) : TM_OK);
    tm_status st = renew_some_locked(&s, out_more, err);
    if (begins && st != TM_OK) {
        tm__db_rollback(place->db);
    } else if (begins) {
        st = tm__db_commit(place->db, err);
    }
    if (st == TM_OK && s.run != NULL && place->removes) {
        tm__key_run_remove(s.run);
    }
    tm__key_set_free(s.piece);
    tm__key_run_close(s.run);
    tm__lookup_rows_done(&s.rows);
    return st;
}

tm_status tm__intake_keys_renew(const tm_keys_place *place, tm_err *err) {
    for (bool has_more = true; has_more;) {
        TM_TRY(renew_some(place, &has_more, err));
    }
    return TM_OK;
}

tm_status tm__intake_keys_behind(tm_db *db, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT (SELECT count(*) FROM keys WHERE hashed < lookup_count()) +"
                         " (SELECT count(*) FROM runs WHERE hashed < lookup_count())",
                         &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}
