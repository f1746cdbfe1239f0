/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   block 100..199 with answers 120 and 121 of the subject ──> blocks 100..119 and 122..199
 *
 * 1. A block holds numbers without gaps, so one that loses answers becomes those between the gaps.
 * 2. Numbers are never used again: when the newest answers go, `next_seq` says where they go on.
 * 3. `must_vacuum` is set with what is erased, so that free pages go after a kill, too.
 */
#include "monitor/monitor_erase.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"

typedef struct cutting {
    tm_db *db;
    const tm_log_erasure *what;
    tm_block block;
    tm_stream stream; /* of the block; texts owned */
    tm_log_erased done;
} cutting;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Streams ---- */

static void stream_done(tm_stream *stream) {
    tm__mem_free(stream->model);
    tm__mem_free(stream->arm);
    *stream = (tm_stream){0};
}

static tm_status stream_read(cutting *c, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    stream_done(&c->stream);
    TM_TRY(tm__stmt_init(c->db, "SELECT model, arm FROM streams WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, c->block.stream);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && !has_row) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the log lacks a stream of answers");
    } else if (st == TM_OK) {
        c->stream.row_id = c->block.stream;
        c->stream.model = tm__mem_strdup(tm__stmt_text(stmt, 0));
        c->stream.arm = tm__mem_strdup(tm__stmt_text(stmt, 1));
        st = c->stream.model == NULL || c->stream.arm == NULL ? no_memory(err) : TM_OK;
    }
    tm__stmt_done(stmt);
    return st;
}

/* ---- Labels ---- */

static void bind(tm_stmt *stmt, tm_str text, int64_t number) {
    if (text.ptr != NULL) {
        tm__stmt_bind_str(stmt, 1, text);
    } else {
        tm__stmt_bind_i64(stmt, 1, number);
    }
}

static tm_status count_waiting(cutting *c, const char *sql, tm_str text, int64_t *out,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(c->db, sql, &stmt, err));
    tm__stmt_bind_str(stmt, 1, text);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status remove_labels(cutting *c, const char *sql, tm_str text, int64_t number,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(c->db, sql, &stmt, err));
    bind(stmt, text, number);
    const tm_status st = tm__stmt_run_done(stmt, err);
    c->done.n_labels += st == TM_OK ? tm__db_changes(c->db) : 0;
    return st;
}

static tm_status remove_labels_of_entity(cutting *c, tm_str entity, tm_err *err) {
    int64_t n_waiting = 0;
    TM_TRY(count_waiting(c,
                         "SELECT count(*) FROM labels WHERE entity = lookup_text(?) AND state = 0",
                         entity, &n_waiting, err));
    TM_TRY(remove_labels(c, "DELETE FROM labels WHERE entity = lookup_text(?)", entity, 0, err));
    return tm__log_count_locked(c->db, "", tm__label_result_names[TM_LABEL_WAITING], -n_waiting,
                                err);
}

static tm_status remove_labels_of_entities(cutting *c, tm_err *err) {
    for (uint32_t i = 0; i < tm__dict_count(c->what->entities); i++) {
        TM_TRY(remove_labels_of_entity(c, tm__dict_get(c->what->entities, i), err));
    }
    return TM_OK;
}

/* ---- Blocks ---- */

static bool goes(const cutting *c, size_t at, int64_t seq) {
    return at < c->what->n && c->what->numbers[at] == seq;
}

/* Records of the block that stay, in runs; each becomes a block. */
static tm_status put_runs(cutting *c, tm_str bytes, int64_t first_seq, int64_t end, size_t at,
                          tm_err *err) {
    tm_str rest = bytes, run = {bytes.ptr, 0};
    uint32_t n = 0;
    tm_record record;
    for (int64_t seq = first_seq; seq < end; seq++) {
        const char *const begin = rest.ptr;
        if (!tm__record_read(&rest, &record)) {
            return TM_FAIL(err, TM_E_INTEGRITY, "the log has a damaged block of answers at %lld",
                           (long long)first_seq);
        }
        if (!goes(c, at, seq)) {
            run.len += (size_t)(rest.ptr - begin);
            n++;
            continue;
        }
        at++;
        if (n > 0) {
            TM_TRY(tm__block_put_locked(c->db, &c->stream, seq - n, n, run, err));
        }
        run = (tm_str){rest.ptr, 0};
        n = 0;
    }
    return n > 0 ? tm__block_put_locked(c->db, &c->stream, end - n, n, run, err) : TM_OK;
}

/* The labels of the answers from numbers[at] on that the block holds; *out_n: how many. */
static tm_status remove_labels_of_block(cutting *c, size_t at, size_t *out_n, tm_err *err) {
    const int64_t end = c->block.first_seq + c->block.n;
    for (*out_n = 0; at + *out_n < c->what->n && c->what->numbers[at + *out_n] < end; ++*out_n) {
        const int64_t seq = c->what->numbers[at + *out_n];
        TM_TRY(tm__block_seek(&c->block, seq, err));
        TM_TRY(remove_labels(c, "DELETE FROM labels WHERE answer_seq = ?", (tm_str){0}, seq, err));
        TM_TRY(remove_labels(c, "DELETE FROM labels WHERE prediction_id = ?", c->block.record.id, 0,
                             err));
    }
    return TM_OK;
}

static tm_status cut_block(cutting *c, size_t at, size_t n, tm_err *err) {
    const int64_t first_seq = c->block.first_seq, end = first_seq + c->block.n;
    const tm_lane_counts removed = {.n = {[TM_LANE_REMOVED] = n}};
    tm_buf kept;
    TM_TRY(stream_read(c, err));
    tm__buf_init(&kept, SIZE_MAX / 2);
    tm_status st =
        tm__buf_append(&kept, c->block.bytes.data, c->block.bytes.len) ? TM_OK : no_memory(err);
    st = st == TM_OK ? tm__block_take_out_locked(&c->block, c->stream.model, first_seq, err) : st;
    st = st == TM_OK
             ? put_runs(c, (tm_str){(const char *)kept.data, kept.len}, first_seq, end, at, err)
             : st;
    st = st == TM_OK ? tm__lane_count_locked(c->db, c->stream.model, &removed, err) : st;
    tm__buf_done(&kept);
    return st;
}

static tm_status cut_blocks(cutting *c, tm_err *err) {
    for (size_t at = 0, n = 1; at < c->what->n; at += n) {
        const tm_status st = tm__block_seek(&c->block, c->what->numbers[at], err);
        n = 1;
        if (st == TM_E_NOT_FOUND) {
            continue;
        }
        TM_TRY(st);
        TM_TRY(remove_labels_of_block(c, at, &n, err));
        TM_TRY(cut_block(c, at, n, err));
        c->done.n_answers += n;
    }
    return TM_OK;
}

static tm_status erase_locked(cutting *c, tm_err *err) {
    int64_t next_seq = 0;
    TM_TRY(tm__log_end(c->db, &next_seq, err));
    TM_TRY(cut_blocks(c, err));
    TM_TRY(remove_labels_of_entities(c, err));
    if (c->done.n_answers + c->done.n_labels == 0) {
        return TM_OK;
    }
    TM_TRY(tm__log_set_number_locked(c->db, "must_vacuum", 1, err));
    return tm__log_set_number_locked(c->db, "next_seq", next_seq, err);
}

tm_status tm__log_vacuum(tm_db *db, tm_err *err) {
    int64_t must = 0;
    TM_TRY(tm__log_number(db, "must_vacuum", &must, err));
    if (must == 0) {
        return TM_OK;
    }
    TM_TRY(tm__db_vacuum(db, err));
    return tm__log_set_number_locked(db, "must_vacuum", 0, err);
}

tm_status tm__log_erase(const tm_home *home, const tm_log_erasure *erasure, tm_log_erased *out,
                        tm_err *err) {
    cutting c = {.what = erasure};
    *out = (tm_log_erased){0};
    if (tm__fs_info(tm__home_log_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__log_open(tm__home_log_db(home), true, &c.db, err));
    tm__block_init(&c.block, c.db);
    tm_status st = tm__db_begin(c.db, err);
    if (st == TM_OK) {
        st = tm__db_end(c.db, erase_locked(&c, err), err);
    }
    tm__block_done(&c.block);
    st = st == TM_OK ? tm__log_vacuum(c.db, err) : st;
    stream_done(&c.stream);
    tm__db_close(c.db);
    if (st == TM_OK) {
        *out = c.done;
    }
    return st;
}

tm_status tm__log_has_spilled(const tm_home *home, bool *out, tm_err *err) {
    char *const folder = tm__fs_join(tm__home_path(home), "spill");
    const tm_status st = folder == NULL ? no_memory(err) : tm__fs_has_entry(folder, out, err);
    tm__mem_free(folder);
    return st;
}
