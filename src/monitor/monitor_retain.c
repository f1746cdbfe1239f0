/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long records are kept: whole blocks leave, at the old end, by age or for the bytes that a
 * model's blocks may take.
 *
 * 1. What points to an answer goes with it in one transaction: its block's ids, its moment, its
 *    label. Counters of what was written stay; `removed` says how many are gone.
 * 2. The newest block stays: the numbers of the next answers follow it.
 * 3. A few blocks at a time: answers and labels wait for no more than that.
 */
#include "base/clock.h"
#include "monitor/monitor_writer.h"

#define EVERY_NS UINT64_C(60000000000)
#define PIECE_BLOCKS 16

/* Blocks that may go, the oldest first. */
typedef struct leaving {
    int64_t firsts[PIECE_BLOCKS];
    uint32_t n;
    uint64_t n_answers;
} leaving;

static bool has_terms(const tm_lane *lane) {
    return lane->terms.keep_us > 0 || lane->terms.keep_bytes > 0;
}

bool tm__retain_is_declared_locked(const tm_monitor *monitor) {
    const tm_lane *lane = monitor->lanes;
    while (lane != NULL && !has_terms(lane)) {
        lane = lane->next;
    }
    return lane != NULL && !monitor->is_broken;
}

bool tm__retain_is_due_locked(const tm_monitor *monitor) {
    return !monitor->must_stop && tm__mono_ns() >= monitor->retain_ns &&
           tm__retain_is_declared_locked(monitor);
}

/* Bytes of a model's blocks past those that it may have; 0: none. */
static tm_status bytes_over(tm_db *db, const char *model, uint64_t keep_bytes, int64_t *out,
                            tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = 0;
    if (keep_bytes == 0) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(db,
                         "SELECT coalesce(sum(length(data)), 0) FROM blocks WHERE stream IN"
                         " (SELECT id FROM streams WHERE model = ?)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    const int64_t n_bytes = st == TM_OK ? tm__stmt_i64(stmt, 0) : 0;
    *out = (uint64_t)n_bytes > keep_bytes ? n_bytes - (int64_t)keep_bytes : 0;
    tm__stmt_done(stmt);
    return st;
}

static tm_status find_leaving(tm_db *db, const char *model, const tm_log_terms *terms, leaving *out,
                              tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t over = 0;
    *out = (leaving){.n = 0};
    TM_TRY(bytes_over(db, model, terms->keep_bytes, &over, err));
    TM_TRY(tm__stmt_init(db,
                         "SELECT first_seq, last_us, length(data), n FROM blocks WHERE stream IN"
                         " (SELECT id FROM streams WHERE model = ?)"
                         " AND first_seq < (SELECT max(first_seq) FROM blocks)"
                         " ORDER BY first_seq LIMIT 16",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    const int64_t until_us = terms->keep_us > 0 ? tm__now_us() - terms->keep_us : INT64_MIN;
    tm_status st = TM_OK;
    while (out->n < PIECE_BLOCKS && tm__stmt_next(stmt, &st, err) &&
           (tm__stmt_i64(stmt, 1) < until_us || over > 0)) {
        out->firsts[out->n++] = tm__stmt_i64(stmt, 0);
        over -= tm__stmt_i64(stmt, 2);
        out->n_answers += (uint64_t)tm__stmt_i64(stmt, 3);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status remove_locked(tm_db *db, const char *model, const leaving *blocks, tm_err *err) {
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (uint32_t i = 0; st == TM_OK && i < blocks->n; i++) {
        st = tm__block_remove_locked(&block, model, blocks->firsts[i], err);
    }
    tm__block_done(&block);
    return st;
}

static tm_status retain(tm_db *db, tm_lane_notes *notes, tm_lane_note *note,
                        const tm_log_terms *terms, leaving *out, tm_err *err) {
    const char *const model = note->lane->model;
    TM_TRY(tm__db_begin(db, err));
    tm_status st = find_leaving(db, model, terms, out, err);
    st = st == TM_OK ? remove_locked(db, model, out, err) : st;
    if (st == TM_OK) {
        note->by.n[TM_LANE_REMOVED] = out->n_answers;
        st = tm__lane_notes_save_locked(db, notes, err);
    }
    return tm__db_end(db, st, err);
}

/* Called and returns with the lock held. */
static tm_status retain_of(tm_monitor *monitor, tm_lane *lane, bool *out_more, tm_err *err) {
    const tm_log_terms terms = lane->terms;
    leaving blocks = {.n = 0};
    tm_lane_notes notes = tm__lane_notes_take_locked(monitor);
    tm_lane_note *const note = tm__lane_note_find(&notes, lane);
    if (note == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__mutex_unlock(monitor->mutex);
    const tm_status st = retain(monitor->writer, &notes, note, &terms, &blocks, err);
    tm__mutex_lock(monitor->mutex);
    if (st == TM_OK) {
        tm__lane_notes_apply_locked(monitor, &notes);
    }
    tm__lane_notes_done(&notes);
    *out_more = *out_more || (st == TM_OK && blocks.n == PIECE_BLOCKS);
    return st;
}

void tm__retain_group_locked(tm_monitor *monitor) {
    tm_status st = TM_OK;
    bool has_more = false;
    for (tm_lane *lane = monitor->lanes; lane != NULL && st == TM_OK; lane = lane->next) {
        if (has_terms(lane)) {
            st = retain_of(monitor, lane, &has_more, NULL);
        }
    }
    monitor->retain_ns = has_more ? 0 : tm__mono_ns() + EVERY_NS;
    monitor->is_broken = monitor->is_broken || (st != TM_OK && !tm__work_may_try_again(st));
}
