/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of a batch job, which is a process of its own beside the server that holds log.lock. Both
 * write through SQLite's lock in short transactions: the number of the next answer, the labels that
 * wait and the counters are read in the transaction that uses them, so neither can spoil what the
 * other does.
 *
 * A batch that is computed again after a kill is the same answers with the same ids. How many of
 * them are in the log is a counter, changed in the transaction that adds them, so each is there
 * once. Only the newest batch of a job is remembered: the one before was done when it began. A job
 * without a name computes nothing again, and nothing of it is remembered.
 */
#include <string.h>

#include "base/mem.h"
#include "monitor/monitor_priv.h"

#define JOB_MAX 160u
#define PIECE_BYTES ((size_t)2 << 20) /* of one transaction: labels wait for it */

struct tm_job_log {
    tm_db *db;
    char job[JOB_MAX]; /* in counters.model; empty: nothing is remembered */
    char batch[JOB_MAX];
    tm_stream *streams;
    tm_stream *stream; /* of the batch */
    uint64_t n_logged; /* answers of the batch that are in the log */
    tm_buf runs;       /* of a piece */
};

tm_status tm__job_log_open(const tm_home *home, const char *job, tm_job_log **out, tm_err *err) {
    tm_job_log *log = tm__mem_zalloc(1, sizeof(*log));
    if (log == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__buf_init(&log->runs, 2 * TM_MONITOR_BYTES);
    tm_status st = tm__str_copy(log->job, sizeof(log->job), tm__str(job != NULL ? job : ""))
                       ? tm__log_open(tm__home_log_db(home), true, &log->db, err)
                       : TM_FAIL(err, TM_E_LIMIT, "the name of a job is too long");
    if (st != TM_OK) {
        tm__job_log_close(log);
        return st;
    }
    *out = log;
    return TM_OK;
}

void tm__job_log_close(tm_job_log *log) {
    if (log != NULL) {
        tm__db_close(log->db);
        tm__streams_free(log->streams);
        tm__buf_done(&log->runs);
        tm__mem_free(log);
    }
}

static tm_status read_logged(const tm_job_log *log, uint64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    if (log->job[0] == '\0') {
        *out = log->n_logged;
        return TM_OK;
    }
    TM_TRY(
        tm__stmt_init(log->db, "SELECT n FROM counters WHERE model = ? AND name = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, log->job);
    tm__stmt_bind_text(stmt, 2, log->batch);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__job_log_begin(tm_job_log *log, const char *batch, const tm_stream_spec *spec,
                            uint64_t *out_logged, tm_err *err) {
    if (!tm__str_copy(log->batch, sizeof(log->batch), tm__str(batch))) {
        return TM_FAIL(err, TM_E_LIMIT, "the name of a batch is too long");
    }
    log->n_logged = 0;
    TM_TRY(tm__stream_of(&log->streams, spec, &log->stream, err));
    TM_TRY(read_logged(log, &log->n_logged, err));
    *out_logged = log->n_logged;
    return TM_OK;
}

/* Forget the job's older batches and say how far this one is. */
static tm_status save_logged_locked(const tm_job_log *log, uint64_t n, tm_err *err) {
    tm_stmt *stmt = NULL;
    if (log->job[0] == '\0') {
        return TM_OK;
    }
    TM_TRY(
        tm__stmt_init(log->db, "DELETE FROM counters WHERE model = ? AND name <> ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, log->job);
    tm__stmt_bind_text(stmt, 2, log->batch);
    const tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    return tm__log_count_locked(log->db, log->job, log->batch, (int64_t)n, err);
}

static tm_status add_locked(tm_job_log *log, uint32_t n, tm_err *err) {
    tm_tally tally = {0};
    uint64_t n_logged = 0;
    TM_TRY(read_logged(log, &n_logged, err));
    if (n_logged != log->n_logged) {
        return TM_FAIL(err, TM_E_CONFLICT, "another process logs the answers of '%s'", log->batch);
    }
    TM_TRY(tm__log_stamp_locked(log->db, &tally.stamp_us, err));
    const tm_block_batch batch = {.db = log->db, .runs = &log->runs, .tally = &tally};
    TM_TRY(tm__block_write_locked(&batch, log->stream, err));
    TM_TRY(tm__log_count_tally_locked(log->db, &tally, err));
    const tm_lane_counts by = {
        {[TM_LANE_WRITTEN] = tally.n_written, [TM_LANE_BATCH] = tally.n_written}};
    TM_TRY(tm__lane_count_locked(log->db, log->stream->model, &by, err));
    return save_logged_locked(log, n, err);
}

/* n answers of log->runs in one transaction. */
static tm_status write_piece(tm_job_log *log, uint32_t n, tm_err *err) {
    TM_TRY(tm__db_begin(log->db, err));
    const tm_status st = tm__db_end(log->db, add_locked(log, n, err), err);
    if (st != TM_OK) {
        log->stream->row_id = 0; /* its row may be gone with the transaction */
        return st;
    }
    log->n_logged += n;
    return TM_OK;
}

tm_status tm__job_log_add(tm_job_log *log, const tm_answers *answers, tm_err *err) {
    uint8_t *data = answers->bytes->data;
    for (size_t at = 0; at < answers->bytes->len;) {
        const size_t first = at;
        tm_run run = {.stream = log->stream};
        while (at < answers->bytes->len && at - first < PIECE_BYTES) {
            at += tm__record_stamp(data + at, answers->at_us, answers->latency_us);
            run.n++;
        }
        run.size = (uint32_t)(at - first);
        tm__buf_reset(&log->runs);
        if (!tm__buf_append(&log->runs, &run, sizeof(run)) ||
            !tm__buf_append(&log->runs, data + first, run.size)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of a batch");
        }
        TM_TRY(write_piece(log, run.n, err));
    }
    return TM_OK;
}
