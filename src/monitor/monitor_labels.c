/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of a file, stored by a process beside the server as batch jobs store answers: through
 * SQLite's lock, in short transactions that read in themselves what they build on.
 *
 * A label of an answer that the server still has in its queue waits, and the answer takes it when
 * it is written, some 50 ms later. Whoever asks what became of its labels is told of the answers
 * that it was given before: labels that may be of a queued one are looked at again.
 *
 *     waiting ── its answer is written ──> joined, duplicate or conflict
 *         └───── longer than it may wait ─> expired: removed, and counted
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "base/mem.h"
#include "base/system.h"
#include "guard/guard.h"
#include "monitor/monitor_priv.h"

#define PIECE 2000u /* of one transaction: answers and labels of the server wait for it */
#define YOUNG_US INT64_C(2000000) /* an answer that is older is written, or its disk hangs */

static tm_status add_piece_locked(tm_db *db, const tm_label *labels, uint64_t n,
                                  tm_label_result *out, tm_err *err) {
    tm_tally tally = {0};
    tm_block block;
    TM_TRY(tm__log_stamp_locked(db, &tally.stamp_us, err));
    tm__block_init(&block, db);
    tm_status st = TM_OK;
    for (uint64_t i = 0; i < n && st == TM_OK; i++) {
        st = tm__log_label_locked(&block, &labels[i], &tally, &out[i], err);
    }
    tm__block_done(&block);
    return st == TM_OK ? tm__log_count_tally_locked(db, &tally, err) : st;
}

static tm_status add_piece(tm_db *db, const tm_label *labels, uint64_t n, tm_label_result *out,
                           tm_err *err) {
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, add_piece_locked(db, labels, n, out, err), err);
}

/* ---- answers that are still queued ---- */

static const uint32_t settle_ms[] = {100, 150}; /* twice the writer's delay, then once more */

/* A server writes this log, as far as the kernel tells. */
static bool has_writer(const tm_home *home) {
    char name[32];
    char *path = tm__fs_join(tm__home_path(home), "log.lock");
    const bool has = path != NULL && tm__lock_holder(path, 0, name, sizeof(name)) != 0;
    tm__mem_free(path);
    return has;
}

/* An id says when its answer was given; an entity may be asked about at any moment. */
static bool may_be_queued(const tm_label *label, int64_t now_us, bool has_writer_now) {
    int64_t us = 0;
    if (label->prediction_id == NULL) {
        return has_writer_now;
    }
    return tm__id_time(tm__str(label->prediction_id), &us) && llabs(now_us - us) <= YOUNG_US;
}

static tm_status result_of(tm_db *db, const tm_label *label, tm_label_result *out, tm_err *err) {
    static const tm_label_result results[] = {TM_LABEL_WAITING, TM_LABEL_JOINED, TM_LABEL_DUPLICATE,
                                              TM_LABEL_CONFLICT};
    tm_stmt *stmt = NULL;
    if (label->prediction_id != NULL) {
        TM_TRY(tm__stmt_init(db, "SELECT state FROM labels WHERE prediction_id = ?", &stmt, err));
        tm__stmt_bind_text(stmt, 1, label->prediction_id);
    } else {
        TM_TRY(tm__stmt_init(db,
                             "SELECT state FROM labels WHERE model = ? AND entity = lookup_text(?)"
                             " AND event_us = ? AND prediction_id IS NULL",
                             &stmt, err));
        tm__stmt_bind_text(stmt, 1, label->model);
        tm__stmt_bind_text(stmt, 2, label->entity);
        tm__stmt_bind_i64(stmt, 3, label->event_us);
    }
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    const int64_t state = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    *out = state >= 0 && state < 4 ? results[state] : *out;
    tm__stmt_done(stmt);
    return st;
}

static uint64_t count_queued(const tm_label *labels, uint64_t n, const tm_label_result *results,
                             int64_t now_us, bool has_writer_now) {
    uint64_t n_queued = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_queued +=
            results[i] == TM_LABEL_WAITING && may_be_queued(&labels[i], now_us, has_writer_now);
    }
    return n_queued;
}

/* Look again at labels that may be of answers in a queue, a quarter of a second at the most. */
static tm_status settle(tm_db *db, const tm_home *home, const tm_label *labels, uint64_t n,
                        tm_label_result *results, tm_err *err) {
    const int64_t now_us = tm__now_us();
    const bool has_writer_now = has_writer(home);
    for (size_t k = 0; k < sizeof(settle_ms) / sizeof(settle_ms[0]); k++) {
        if (count_queued(labels, n, results, now_us, has_writer_now) == 0) {
            return TM_OK;
        }
        tm__sleep_ms(settle_ms[k]);
        for (uint64_t i = 0; i < n; i++) {
            if (results[i] == TM_LABEL_WAITING &&
                may_be_queued(&labels[i], now_us, has_writer_now)) {
                TM_TRY(result_of(db, &labels[i], &results[i], err));
            }
        }
    }
    return TM_OK;
}

/* ---- all of them ---- */

tm_status tm__monitor_labels_beside(const tm_home *home, const tm_ctx *ctx, const tm_label *labels,
                                    uint64_t n, tm_label_result *out_results, uint64_t *out_done,
                                    tm_err *err) {
    tm_db *db = NULL;
    uint64_t done = 0;
    for (uint64_t i = 0; i < n; i++) {
        TM_TRY(tm__label_check(&labels[i], i, err));
    }
    tm_status st = tm__log_open(tm__home_log_db(home), true, &db, err);
    while (st == TM_OK && done < n) {
        const uint64_t n_piece = n - done < PIECE ? n - done : PIECE;
        st = tm__ctx_cancelled(ctx)
                 ? TM_FAIL(err, TM_E_CANCELLED, "stopped by a signal")
                 : add_piece(db, &labels[done], n_piece, &out_results[done], err);
        done += st == TM_OK ? n_piece : 0;
        tm__ctx_progress(ctx, "labels", done, n, NULL);
    }
    st = st == TM_OK ? settle(db, home, labels, n, out_results, err) : st;
    tm__db_close(db);
    if (out_done != NULL) {
        *out_done = done;
    }
    return st;
}

/* ---- those that waited for too long ---- */

static tm_status expire_locked(tm_db *db, int64_t before_us, uint64_t *out_n, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_tally tally = {0};
    TM_TRY(tm__stmt_init(db,
                         "DELETE FROM labels WHERE seq IN (SELECT seq FROM labels WHERE state = 0"
                         " AND received_us < ?1 LIMIT ?2)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, before_us);
    tm__stmt_bind_i64(stmt, 2, PIECE);
    const tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    const int64_t n = (int64_t)tm__db_changes(db);
    tally.n_labels[TM_LABEL_WAITING] = -n;
    tally.n_labels[TM_LABEL_EXPIRED] = n;
    *out_n = (uint64_t)n;
    return tm__log_count_tally_locked(db, &tally, err);
}

static tm_status expire_piece(tm_db *db, int64_t before_us, uint64_t *out_n, tm_err *err) {
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, expire_locked(db, before_us, out_n, err), err);
}

tm_status tm__monitor_labels_expire(const tm_home *home, int64_t before_us, uint64_t *out_n,
                                    tm_err *err) {
    tm_db *db = NULL;
    uint64_t n = 0, n_piece = PIECE;
    if (tm__fs_info(tm__home_log_db(home)).kind != TM_PATH_FILE) {
        *out_n = 0;
        return TM_OK;
    }
    tm_status st = tm__log_open(tm__home_log_db(home), true, &db, err);
    while (st == TM_OK && n_piece == PIECE) {
        st = expire_piece(db, before_us, &n_piece, err);
        n += st == TM_OK ? n_piece : 0;
    }
    tm__db_close(db);
    *out_n = n;
    return st;
}
