/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of a file, stored by a process beside the server as batch jobs store answers: through
 * SQLite's lock, in short transactions that read in themselves what they build on. A label of an
 * answer that the server still has in its queue waits, and the answer takes it when it is written.
 */
#include "base/ctx.h"
#include "monitor/monitor_priv.h"

#define PIECE 2000u /* of one transaction: answers and labels of the server wait for it */

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
    const tm_status st = add_piece_locked(db, labels, n, out, err);
    if (st != TM_OK) {
        tm__db_rollback(db);
        return st;
    }
    return tm__db_commit(db, err);
}

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
    tm__db_close(db);
    if (out_done != NULL) {
        *out_done = done;
    }
    return st;
}
